//! Services: one account under one plan, from its first period to its end.

use chrono::NaiveDate;
use messages::Refusal;
use model::{CustomerId, PlainTime, S3Uid, ServiceId, Timestamp};

use super::dunning::{DunningStep, Restriction};
use super::schedule::{BillingDay, Schedule, midnight};
use super::term::Term;

/// Where a service stands, from its order to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServiceState {
    /// Ordered; the invoicing system has yet to accept it.
    Ordered,
    /// Its account is being made.
    Initializing,
    /// In use.
    Running,
    /// Unpaid: reading only.
    Locked,
    /// Unpaid for long: neither reading nor writing.
    Off,
    /// Cancelled: it ends at its termination date, or is ending right now.
    Deleting,
    /// Over; the account is gone.
    Deleted,
}

/// A change that can't happen in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a service that is {} can't {change:?}", .state.as_str())]
pub(crate) struct IllegalChange {
    state: ServiceState,
    change: ServiceChange,
}

impl ServiceState {
    /// All of them.
    pub(crate) const ALL: [Self; 7] =
        [Self::Ordered, Self::Initializing, Self::Running, Self::Locked, Self::Off, Self::Deleting, Self::Deleted];

    /// As stored, and as `/storage` shows it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ordered => "ordered",
            Self::Initializing => "initializing",
            Self::Running => "running",
            Self::Locked => "locked",
            Self::Off => "off",
            Self::Deleting => "deleting",
            Self::Deleted => "deleted",
        }
    }

    /// The state of that name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// The state after `change`.
    pub(crate) const fn after(self, change: ServiceChange) -> Result<Self, IllegalChange> {
        use ServiceChange::{Cancel, End, Fail, Lock, Provision, Restore, Start, Suspend, Terminate, Withdraw};
        use ServiceState::{Deleted, Deleting, Initializing, Locked, Off, Ordered, Running};
        Ok(match (self, change) {
            (Ordered, Provision) => Initializing,
            (Initializing, Start) | (Locked | Off, Restore) => Running,
            (Ordered | Initializing, Fail) | (Deleting, End) => Deleted,
            // A cancelled service that isn't paid stays cancelled; its account is locked all the same.
            (Running | Locked | Off, Cancel | Terminate) | (Deleting, Terminate | Lock | Suspend | Restore) => Deleting,
            (Running, Lock) => Locked,
            (Running | Locked, Suspend) => Off,
            (Deleting, Withdraw(restriction)) => match restriction {
                Some(Restriction::Suspension) => Off,
                Some(Restriction::Lock) => Locked,
                None => Running,
            },
            (Ordered, Start | Cancel | Withdraw(_) | Lock | Suspend | Restore | Terminate | End)
            | (Initializing, Provision | Cancel | Withdraw(_) | Lock | Suspend | Restore | Terminate | End)
            | (Running, Provision | Start | Fail | Withdraw(_) | Restore | End)
            | (Locked, Provision | Start | Fail | Withdraw(_) | Lock | End)
            | (Off, Provision | Start | Fail | Withdraw(_) | Lock | Suspend | End)
            | (Deleting, Provision | Start | Fail | Cancel)
            | (Deleted, _) => return Err(IllegalChange { state: self, change }),
        })
    }
}

/// What can happen to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServiceChange {
    /// Its order is accepted; the account is being made.
    Provision,
    /// Its account is usable.
    Start,
    /// Its account can't be made.
    Fail,
    /// It is cancelled for a later date.
    Cancel,
    /// Its cancellation is withdrawn; how far it is held back meanwhile decides what it goes back to.
    Withdraw(Option<Restriction>),
    /// It isn't paid, or is held back: reading only.
    Lock,
    /// The same for long: neither reading nor writing.
    Suspend,
    /// It is paid, and no longer held back.
    Restore,
    /// It is over for good; its account is being deleted.
    Terminate,
    /// Its account is gone.
    End,
}

/// A cancellation that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cancellation {
    pub(crate) cancelled_at: Timestamp,
    pub(crate) termination_at: Timestamp,
}

/// A service.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Service {
    pub(crate) id: ServiceId,
    pub(crate) s3uid: S3Uid,
    pub(crate) customer_id: CustomerId,
    pub(crate) state: ServiceState,
    /// The beginning of its first period.
    pub(crate) started_at: Timestamp,
    /// Which period is running, counted from 1.
    pub(crate) period_number: u32,
    pub(crate) period_end: Timestamp,
    pub(crate) payment_period: Term,
    /// The end of the longest minimum term that was agreed on.
    pub(crate) minimum_until: NaiveDate,
    /// Whether another system issues its invoices.
    pub(crate) is_external: bool,
    pub(crate) billing_day: BillingDay,
    /// How far its dunning has come; none where nothing is overdue.
    pub(crate) dunning_step: Option<DunningStep>,
    /// Since when.
    pub(crate) dunning_step_on: Option<NaiveDate>,
    /// How far an administrator holds it back.
    pub(crate) hold: Option<Restriction>,
    pub(crate) cancellation: Option<Cancellation>,
    pub(crate) terminated_at: Option<Timestamp>,
}

impl Service {
    /// How far it is held back: by its dunning or by an administrator, whichever is more.
    pub(crate) fn restriction(&self) -> Option<Restriction> {
        self.dunning_step.and_then(DunningStep::restriction).max(self.hold)
    }

    /// The state after it is held back this far.
    pub(crate) fn restricted(&self, to: Option<Restriction>) -> Result<ServiceState, IllegalChange> {
        use ServiceChange::{Lock, Restore, Suspend};
        let changes: &[ServiceChange] = match (self.restriction(), to) {
            (from, to) if from == to => &[],
            (_, None) => &[Restore],
            (None, Some(Restriction::Lock)) => &[Lock],
            (Some(_), Some(Restriction::Lock)) => &[Restore, Lock],
            (_, Some(Restriction::Suspension)) => &[Suspend],
        };
        changes.iter().try_fold(self.state, |state, change| state.after(*change))
    }

    /// Its periods.
    pub(crate) fn schedule(&self) -> Schedule {
        let start = self.started_at.date_naive();
        Schedule { start, period: self.payment_period, billing_day: self.billing_day }
    }

    /// The end of the `number`th period.
    pub(crate) fn end_of_period(&self, number: u32) -> Timestamp {
        midnight(self.schedule().period(number).end)
    }

    /// The end of the minimum term, which counts from the first day.
    pub(crate) fn minimum_term_end(&self) -> Timestamp {
        midnight(self.minimum_until)
    }

    /// When a cancellation of `now` takes effect: the end of what is paid, and not before the minimum term.
    pub(crate) fn termination_at(&self, now: Timestamp) -> Timestamp {
        earliest_termination(&self.schedule(), self.period_number, self.minimum_until, now)
    }

    /// The days from which on a service that ends now is charged no base fee, and not used. Today is a used day, unless
    /// it was to end by now.
    pub(crate) fn last_days(&self, now: Timestamp, gives_back: bool) -> (NaiveDate, NaiveDate) {
        let tomorrow = now.date_naive().succ_opt().unwrap_or(NaiveDate::MAX);
        let agreed = self.cancellation.map(|cancellation| cancellation.termination_at.date_naive());
        let used_until = agreed.map_or(tomorrow, |agreed| agreed.min(tomorrow));
        let last_used = used_until.pred_opt().unwrap_or(used_until);
        let charged_until = if gives_back { used_until } else { self.schedule().period_on(last_used).end };
        (charged_until, used_until)
    }

    /// The state and the cancellation that stand after `now`'s wish to cancel: those that stood already, or new ones.
    pub(crate) fn cancelled(&self, now: Timestamp) -> Result<(ServiceState, Cancellation), Refusal> {
        match (self.terminated_at, self.cancellation) {
            (Some(terminated_at), _) => Err(ending(terminated_at)),
            (None, Some(cancellation)) => Ok((self.state, cancellation)),
            (None, None) => match self.state.after(ServiceChange::Cancel) {
                Ok(state) => Ok((state, Cancellation { cancelled_at: now, termination_at: self.termination_at(now) })),
                Err(_) => Err(Refusal::account_not_found()),
            },
        }
    }

    /// The state after its cancellation is withdrawn, and that cancellation.
    pub(crate) fn withdrawn(&self, now: Timestamp) -> Result<(ServiceState, Cancellation), Refusal> {
        let due = self.cancellation.map(|cancellation| cancellation.termination_at).filter(|due| *due <= now);
        if let Some(terminated_at) = self.terminated_at.or(due) {
            return Err(ending(terminated_at));
        }
        let withdrawn = self.state.after(ServiceChange::Withdraw(self.restriction())).ok().zip(self.cancellation);
        withdrawn.ok_or_else(|| Refusal::conflict("the S3 account's service is not cancelled"))
    }

    /// The state after it is ended right now, if it may be: an administrator may at any time, a customer not within the
    /// minimum term.
    pub(crate) fn terminated(&self, now: Timestamp, by_admin: bool) -> Result<ServiceState, Refusal> {
        if let Some(terminated_at) = self.terminated_at {
            return Err(ending(terminated_at));
        }
        let end = self.minimum_term_end();
        if !by_admin && now < end {
            return Err(Refusal::conflict(format!(
                "the S3 account can't be deleted before its minimum term ends on {}; delete_payment_account cancels \
                 it for the end of what is paid",
                PlainTime(end)
            )));
        }
        self.state.after(ServiceChange::Terminate).map_err(|_| Refusal::account_not_found())
    }
}

/// The end of the minimum term of what began on `start`.
pub(crate) fn minimum_until(start: NaiveDate, minimum_term: Term) -> NaiveDate {
    minimum_term.after(midnight(start)).date_naive()
}

/// The end of the first period, from the running one on, that ends neither before `now` nor within the minimum term.
pub(crate) fn earliest_termination(
    schedule: &Schedule,
    period_number: u32,
    minimum_until: NaiveDate,
    now: Timestamp,
) -> Timestamp {
    schedule.end_not_before(period_number, midnight(minimum_until).max(now))
}

fn ending(terminated_at: Timestamp) -> Refusal {
    Refusal::conflict(format!("the S3 account is being deleted since {}", PlainTime(terminated_at)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TICK: chrono::TimeDelta = chrono::TimeDelta::seconds(1);

    fn moment(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn service(started_at: &str, payment_period: &str, minimum_term: &str) -> Service {
        let mut service = Service {
            id: ServiceId(1),
            s3uid: S3Uid::random(),
            customer_id: CustomerId(1),
            state: ServiceState::Running,
            started_at: moment(started_at),
            period_number: 1,
            period_end: moment(started_at),
            payment_period: payment_period.parse().unwrap(),
            minimum_until: minimum_until(moment(started_at).date_naive(), minimum_term.parse().unwrap()),
            is_external: false,
            billing_day: BillingDay::Anniversary,
            dunning_step: None,
            dunning_step_on: None,
            hold: None,
            cancellation: None,
            terminated_at: None,
        };
        service.period_end = service.end_of_period(1);
        service
    }

    #[test]
    fn a_cancellation_takes_effect_at_the_end_of_what_is_paid_and_not_before_the_minimum_term() {
        for (started, period, minimum, now, end) in [
            ("2026-01-31T10:00:00Z", "1M", "1M", "2026-02-01T00:00:00Z", "2026-02-28T00:00:00Z"),
            ("2026-01-31T10:00:00Z", "1M", "1M", "2026-03-01T00:00:00Z", "2026-03-31T00:00:00Z"),
            ("2026-01-31T10:00:00Z", "1M", "12M", "2026-02-01T00:00:00Z", "2027-01-31T00:00:00Z"),
            ("2026-01-01T00:00:00Z", "1M", "45D", "2026-01-02T00:00:00Z", "2026-03-01T00:00:00Z"),
            ("2026-01-01T00:00:00Z", "1Y", "1M", "2026-01-02T00:00:00Z", "2027-01-01T00:00:00Z"),
            ("2026-01-01T00:00:00Z", "1M", "0D", "2026-02-01T00:00:00Z", "2026-02-01T00:00:00Z"),
        ] {
            let service = service(started, period, minimum);
            let (state, cancellation) = service.cancelled(moment(now)).unwrap();
            assert_eq!(cancellation.termination_at, moment(end), "{started} {period} {minimum} {now}");
            let again = Service { cancellation: Some(cancellation), state, ..service };
            let later = again.cancelled(moment("2026-12-24T00:00:00Z")).unwrap();
            assert_eq!(later, (ServiceState::Deleting, cancellation), "twice, the same dates");
            assert_eq!(again.withdrawn(moment(now) - TICK).unwrap(), (ServiceState::Running, cancellation));
            again.withdrawn(cancellation.termination_at).unwrap_err();
        }
    }

    #[test]
    fn customers_are_bound_by_the_minimum_term_and_administrators_are_not() {
        let service = service("2026-01-01T00:00:00Z", "1M", "3M");
        let early = moment("2026-03-31T23:59:59Z");
        let refusal = service.terminated(early, false).unwrap_err().message;
        assert!(refusal.contains("2026-04-01 00:00:00") && refusal.contains("delete_payment_account"), "{refusal}");
        service.terminated(early, true).unwrap();
        service.terminated(moment("2026-04-01T00:00:00Z"), false).unwrap();
        let ending = Service { terminated_at: Some(early), ..service };
        for refused in
            [ending.terminated(early, true).err(), ending.withdrawn(early).err(), ending.cancelled(early).err()]
        {
            assert_eq!(refused.unwrap().message, "the S3 account is being deleted since 2026-03-31 23:59:59");
        }
    }

    proptest! {
        #[test]
        fn only_what_can_happen_happens(changes in proptest::collection::vec(0usize..12, 0..20)) {
            use ServiceChange::{Cancel, End, Fail, Lock, Provision, Restore, Start, Suspend, Terminate, Withdraw};
            const CHANGES: [ServiceChange; 12] = [
                Provision, Start, Fail, Cancel, Withdraw(None), Withdraw(Some(Restriction::Lock)),
                Withdraw(Some(Restriction::Suspension)), Lock, Suspend, Restore, Terminate, End,
            ];
            let (mut state, mut seen) = (ServiceState::Ordered, vec![ServiceState::Ordered]);
            for change in changes.into_iter().map(|index| CHANGES[index]) {
                let Ok(next) = state.after(change) else { continue };
                prop_assert_ne!(state, ServiceState::Deleted, "nothing leads out of it");
                prop_assert!(!seen.contains(&ServiceState::Running) || change != Fail, "what ran doesn't fail");
                prop_assert_eq!(next == ServiceState::Deleted, matches!(change, End | Fail));
                prop_assert_eq!(ServiceState::from_name(next.as_str()), Some(next));
                state = next;
                seen.push(state);
            }
        }

        #[test]
        fn a_termination_is_the_end_of_a_period(days in 0i64..2000, minimum in 0u32..30) {
            let service = service("2024-01-31T08:00:00Z", "1M", &format!("{minimum}M"));
            let now = service.started_at + chrono::TimeDelta::days(days);
            let end = service.termination_at(now);
            prop_assert!(end >= now && end >= service.minimum_term_end());
            let number = (1..1000).find(|number| service.end_of_period(*number) >= end).unwrap();
            prop_assert_eq!(service.end_of_period(number), end);
            prop_assert!(number == 1 || service.end_of_period(number - 1) < now.max(service.minimum_term_end()));
        }
    }
}
