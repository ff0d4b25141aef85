//! Dunning: what happens to a service whose invoices aren't paid, step by step.

use chrono::NaiveDate;

/// A step of dunning; they follow one another in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DunningStep {
    /// The customer is told.
    Reminder,
    /// Reading only.
    Lock,
    /// Neither reading nor writing.
    Suspension,
    /// The account is deleted.
    Termination,
}

/// How far a service is held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Restriction {
    /// Reading only.
    Lock,
    /// Neither reading nor writing.
    Suspension,
}

impl Restriction {
    /// As stored.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::Suspension => "suspension",
        }
    }

    /// The one of that name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Lock, Self::Suspension].into_iter().find(|restriction| restriction.as_str() == name)
    }
}

impl DunningStep {
    /// All of them, in their order.
    pub(crate) const ALL: [Self; 4] = [Self::Reminder, Self::Lock, Self::Suspension, Self::Termination];

    /// How far it holds a service back.
    pub(crate) const fn restriction(self) -> Option<Restriction> {
        match self {
            Self::Reminder => None,
            Self::Lock => Some(Restriction::Lock),
            Self::Suspension | Self::Termination => Some(Restriction::Suspension),
        }
    }

    /// As stored and on the wire.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Reminder => "reminder",
            Self::Lock => "lock",
            Self::Suspension => "suspension",
            Self::Termination => "termination",
        }
    }

    /// The step of that name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Reminder, Self::Lock, Self::Suspension, Self::Termination].into_iter().find(|step| step.as_str() == name)
    }
}

/// How many days after an invoice's due date each step comes; a step without days never comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DunningDays {
    /// The customer is told.
    pub reminder: Option<u32>,
    /// Reading only.
    pub lock: Option<u32>,
    /// Neither reading nor writing.
    pub suspension: Option<u32>,
    /// The account is deleted.
    pub termination: Option<u32>,
}

impl DunningDays {
    fn of(&self, step: DunningStep) -> Option<u32> {
        match step {
            DunningStep::Reminder => self.reminder,
            DunningStep::Lock => self.lock,
            DunningStep::Suspension => self.suspension,
            DunningStep::Termination => self.termination,
        }
    }

    /// The furthest step that the days since `due_on`, when the oldest unpaid invoice was due, allow on `today`.
    pub(crate) fn allowed(&self, due_on: NaiveDate, today: NaiveDate) -> Option<DunningStep> {
        let late = (today - due_on).num_days();
        let reached = |days: u32| late > 0 && late >= i64::from(days);
        DunningStep::ALL.into_iter().rev().find(|step| self.of(*step).is_some_and(reached))
    }

    /// The next step of a service whose last one, if any, was taken on a day. Steps are never skipped, and keep their
    /// distance also where dunning begins late: nobody is deleted who wasn't reminded, locked and suspended in time.
    pub(crate) fn next(
        &self,
        last: Option<(DunningStep, NaiveDate)>,
        due_on: NaiveDate,
        today: NaiveDate,
    ) -> Option<DunningStep> {
        let next = DunningStep::ALL
            .into_iter()
            .find(|step| last.is_none_or(|(last, _)| *step > last) && self.of(*step).is_some())?;
        if self.allowed(due_on, today).is_none_or(|allowed| allowed < next) {
            return None;
        }
        let Some((last, taken_on)) = last else { return Some(next) };
        let distance = i64::from(self.of(next)?) - i64::from(self.of(last).unwrap_or(0));
        ((today - taken_on).num_days() >= distance).then_some(next)
    }

    /// The days of all steps in their order, as SQL takes them.
    pub(crate) fn numbers(&self) -> [Option<i32>; 4] {
        DunningStep::ALL.map(|step| self.of(step).and_then(|days| i32::try_from(days).ok()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_comes_on_its_day() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let days = DunningDays { reminder: Some(3), lock: Some(10), suspension: None, termination: Some(40) };
        for (today, step) in [
            ("2026-03-01", None),
            ("2026-03-03", None),
            ("2026-03-04", Some(DunningStep::Reminder)),
            ("2026-03-10", Some(DunningStep::Reminder)),
            ("2026-03-11", Some(DunningStep::Lock)),
            ("2026-04-09", Some(DunningStep::Lock)),
            ("2026-04-10", Some(DunningStep::Termination)),
        ] {
            assert_eq!(days.allowed(day("2026-03-01"), day(today)), step, "{today}");
        }
        assert_eq!(days.numbers(), [Some(3), Some(10), None, Some(40)]);
        assert_eq!(DunningDays::default().allowed(day("2020-01-01"), day("2026-01-01")), None);
        let at_once = DunningDays { lock: Some(0), ..DunningDays::default() };
        assert_eq!(at_once.allowed(day("2026-03-01"), day("2026-03-01")), None, "due is not overdue");
        assert_eq!(at_once.allowed(day("2026-03-01"), day("2026-03-02")), Some(DunningStep::Lock));
    }

    #[test]
    fn no_step_is_skipped_however_late_dunning_begins() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let days = DunningDays { reminder: Some(3), lock: Some(10), suspension: Some(20), termination: Some(40) };
        let mut last = None;
        let mut taken = Vec::new();
        for today in day("2026-06-01").iter_days().take(60) {
            if let Some(step) = days.next(last, day("2026-03-01"), today) {
                last = Some((step, today));
                taken.push(format!("{} {}", step.as_str(), today.format("%m-%d")));
            }
        }
        assert_eq!(taken, ["reminder 06-01", "lock 06-08", "suspension 06-18", "termination 07-08"]);
    }
}
