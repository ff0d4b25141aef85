//! What another invoicing system is told, and what becomes of an attempt to tell it.

use std::fmt;

use chrono::{NaiveDate, TimeDelta};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use whmcs::Error;

use super::term::Term;

const BACKOFF_SECONDS_MAX: i64 = 300;
/// Longer than WHMCS works on a request that nobody waits for any more: whoever looks then sees what it did.
const UNKNOWN_WAIT: TimeDelta = TimeDelta::minutes(2);

/// Something that the invoicing system must be told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Task {
    /// An order; it is accepted at once.
    PlaceOrder,
    /// A service is cancelled for the end of what is paid.
    Cancel { reason: String },
    /// A service's state, with what it uses.
    SetStatus { status: ExternalStatus, reason: Option<String>, on: NaiveDate },
    /// What a service uses.
    ReportUsage,
    /// An amount for the customer's next invoice.
    AddItem { description: String, net: Decimal },
    /// Nothing that can be done by a call: for a person.
    ByHand { what: String },
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PlaceOrder => f.write_str("place and accept the order"),
            Self::Cancel { .. } => f.write_str("cancel the service for the end of what is paid"),
            Self::SetStatus { status, on, .. } => write!(f, "the service is {status:?} from {on} on"),
            Self::ReportUsage => f.write_str("what the service uses"),
            Self::AddItem { description, net } => write!(f, "add {net} net to the next invoice: {description}"),
            Self::ByHand { what } => f.write_str(what),
        }
    }
}

/// A service's state in the invoicing system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ExternalStatus {
    Active,
    Suspended,
    Terminated,
    Cancelled,
}

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    /// The invoicing system knows it.
    Done,
    /// It is to be tried again, after so long.
    Retry(TimeDelta, String),
    /// A person must look: it may have been done, or can't be.
    Park(String),
    /// The order can't be placed.
    FailOrder(String),
}

impl Task {
    /// What follows from a failure of the `attempts`th attempt.
    ///
    /// An item has no name that it could be found by: one whose outcome is unknown is never repeated. All others are
    /// looked for first, or the same twice, and are.
    pub(crate) fn after_failure(&self, error: &Error, attempts: i32) -> Outcome {
        let seconds = BACKOFF_SECONDS_MAX.min(1 << attempts.clamp(0, 16));
        let detail = error.to_string();
        match (error, self) {
            (Error::Unreachable(_), _) => Outcome::Retry(TimeDelta::seconds(seconds), detail),
            (Error::Unauthorized { .. }, _) => Outcome::Retry(TimeDelta::seconds(BACKOFF_SECONDS_MAX), detail),
            (Error::Unknown { .. }, Self::AddItem { .. }) => Outcome::Park(detail),
            (Error::Unknown { .. }, _) => Outcome::Retry(UNKNOWN_WAIT, detail),
            (Error::Refused { .. }, Self::PlaceOrder) => Outcome::FailOrder(detail),
            (Error::Refused { .. }, _) => Outcome::Park(detail),
        }
    }

    /// What follows when an attempt was begun and nobody knows how it ended.
    pub(crate) fn may_be_repeated(&self) -> bool {
        !matches!(self, Self::AddItem { .. })
    }
}

/// WHMCS's name of a payment period; `None` where it has none of that length.
pub(crate) fn billing_cycle(payment_period: Term) -> Option<&'static str> {
    match payment_period.months()? {
        1 => Some("monthly"),
        3 => Some("quarterly"),
        6 => Some("semiannually"),
        12 => Some("annually"),
        24 => Some("biennially"),
        36 => Some("triennially"),
        _ => None,
    }
}

/// Whole MB, rounded up, as WHMCS counts usage.
pub(crate) fn megabytes(bytes: Decimal) -> u64 {
    use rust_decimal::prelude::ToPrimitive;
    (bytes / Decimal::from(1_000_000)).ceil().to_u64().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_never_repeated_unless_it_certainly_was_not_added() {
        let item = Task::AddItem { description: "Traffic".to_owned(), net: Decimal::ONE };
        let unknown = Error::Unknown { action: "AddBillableItem", reason: "time-out".to_owned() };
        let refused = Error::Refused { message: "Client Not Found".to_owned() };
        let unreachable = Error::Unreachable("connection refused".to_owned());
        let locked_out = Error::Unauthorized { message: "Authentication Failed".to_owned() };
        for (task, error, expected) in [
            (&item, &unknown, "park"),
            (&item, &refused, "park"),
            (&item, &unreachable, "retry"),
            (&item, &locked_out, "retry"),
            (&Task::PlaceOrder, &unknown, "retry"),
            (&Task::PlaceOrder, &refused, "fail"),
            (&Task::PlaceOrder, &unreachable, "retry"),
            (&Task::ReportUsage, &unknown, "retry"),
            (&Task::ReportUsage, &refused, "park"),
        ] {
            let outcome = match task.after_failure(error, 3) {
                Outcome::Done => "done",
                Outcome::Retry(..) => "retry",
                Outcome::Park(_) => "park",
                Outcome::FailOrder(_) => "fail",
            };
            assert_eq!(outcome, expected, "{task:?} after {error}");
        }
        assert!(!item.may_be_repeated() && Task::PlaceOrder.may_be_repeated());
    }

    #[test]
    fn periods_have_whmcs_s_names() {
        for (period, cycle) in
            [("1M", Some("monthly")), ("1Y", Some("annually")), ("12M", Some("annually")), ("2W", None), ("2M", None)]
        {
            assert_eq!(billing_cycle(period.parse().unwrap()), cycle, "{period}");
        }
    }
}
