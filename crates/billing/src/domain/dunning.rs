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
    /// The step that a service has come to on `today` when its oldest unpaid invoice was due on `due_on`.
    pub(crate) fn step(&self, due_on: NaiveDate, today: NaiveDate) -> Option<DunningStep> {
        let late = (today - due_on).num_days();
        let reached = |days: Option<u32>| days.is_some_and(|days| late > 0 && late >= i64::from(days));
        [
            (DunningStep::Termination, self.termination),
            (DunningStep::Suspension, self.suspension),
            (DunningStep::Lock, self.lock),
            (DunningStep::Reminder, self.reminder),
        ]
        .into_iter()
        .find_map(|(step, days)| reached(days).then_some(step))
    }

    /// The fewest days after which anything happens; none where nothing ever does.
    pub(crate) fn first(&self) -> Option<u32> {
        [self.reminder, self.lock, self.suspension, self.termination].into_iter().flatten().min()
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
            assert_eq!(days.step(day("2026-03-01"), day(today)), step, "{today}");
        }
        assert_eq!((days.first(), DunningDays::default().first()), (Some(3), None));
        assert_eq!(DunningDays::default().step(day("2020-01-01"), day("2026-01-01")), None);
        let at_once = DunningDays { lock: Some(0), ..DunningDays::default() };
        assert_eq!(at_once.step(day("2026-03-01"), day("2026-03-01")), None, "due is not overdue");
        assert_eq!(at_once.step(day("2026-03-01"), day("2026-03-02")), Some(DunningStep::Lock));
    }
}
