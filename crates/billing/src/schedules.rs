//! Billing periods as `purser billing schedule` shows them.

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::Serialize;

use crate::domain::schedule::Schedule;
pub use crate::domain::schedule::{BillingDay, InvalidBillingDay};
pub use crate::domain::term::{InvalidTerm, Term};

/// One period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SchedulePeriod {
    /// Its first day.
    pub start: NaiveDate,
    /// The first day that is no longer part of it.
    pub end: NaiveDate,
    /// Its days, as a part of the full period's, of scale 9.
    #[serde(with = "rust_decimal::serde::str")]
    pub fraction: Decimal,
}

/// The periods of what begins on `start` and ends on `end` (which is not included), as far as they begin at or before
/// `until`.
pub fn periods(
    start: NaiveDate,
    end: Option<NaiveDate>,
    billing_day: BillingDay,
    period: Term,
    until: NaiveDate,
) -> Vec<SchedulePeriod> {
    let after = until.succ_opt().unwrap_or(NaiveDate::MAX);
    let schedule = Schedule { start, period, billing_day };
    let end_of = |period_end: NaiveDate| end.map_or(period_end, |end| end.min(period_end));
    schedule
        .periods_before(end.map_or(after, |end| end.min(after)))
        .map(|period| SchedulePeriod {
            start: period.start,
            end: end_of(period.end),
            fraction: period.fraction_of(period.start, end_of(period.end)),
        })
        .collect()
}
