//! Terms: minimum terms and payment periods such as `30D`, `2W`, `1M`, `1Y`.

use std::fmt;
use std::str::FromStr;

use chrono::{Days, Months};
use model::Timestamp;

/// A text that is no term.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a term is a number from 0 to 999 and D, W, M or Y, for example 1M, not {0:?}")]
pub struct InvalidTerm(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Day,
    Week,
    Month,
    Year,
}

/// A length of time by the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    count: u32,
    unit: Unit,
}

impl Term {
    /// Its months, where it is counted in months or years.
    pub fn months(self) -> Option<u32> {
        match self.unit {
            Unit::Month => Some(self.count),
            Unit::Year => Some(self.count.saturating_mul(12)),
            Unit::Day | Unit::Week => None,
        }
    }

    /// Its days, where it is counted in days or weeks; 0 otherwise.
    pub(crate) fn days(self) -> u32 {
        match self.unit {
            Unit::Day => self.count,
            Unit::Week => self.count.saturating_mul(7),
            Unit::Month | Unit::Year => 0,
        }
    }

    /// Whether it has no length.
    pub fn is_zero(self) -> bool {
        self.count == 0
    }

    /// The moment one term after `start`. A month's end stays one: 31 January + 1M is the last day of February.
    pub(crate) fn after(self, start: Timestamp) -> Timestamp {
        match self.months() {
            Some(months) => start.checked_add_months(Months::new(months)),
            None => start.checked_add_days(Days::new(u64::from(self.days()))),
        }
        .unwrap_or(Timestamp::MAX_UTC)
    }
}

impl FromStr for Term {
    type Err = InvalidTerm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidTerm(text.chars().take(40).collect());
        let unit = match text.chars().last().map(|c| c.to_ascii_uppercase()) {
            Some('D') => Unit::Day,
            Some('W') => Unit::Week,
            Some('M') => Unit::Month,
            Some('Y') => Unit::Year,
            _ => return Err(invalid()),
        };
        let digits = &text[..text.len() - 1];
        let count = digits.parse().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit())).ok_or_else(invalid)?;
        if (0..=999).contains(&count) { Ok(Self { count, unit }) } else { Err(invalid()) }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Day => 'D',
            Unit::Week => 'W',
            Unit::Month => 'M',
            Unit::Year => 'Y',
        };
        write!(f, "{}{unit}", self.count)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn terms_follow_the_calendar() {
        for (start, term, end) in [
            ("2026-01-31T10:00:00Z", "1M", "2026-02-28T10:00:00Z"),
            ("2024-02-29T00:00:00Z", "1Y", "2025-02-28T00:00:00Z"),
            ("2026-11-22T00:00:00Z", "30d", "2026-12-22T00:00:00Z"),
            ("2026-12-25T00:00:00Z", "2w", "2027-01-08T00:00:00Z"),
        ] {
            let moment = |text: &str| text.parse::<Timestamp>().unwrap();
            assert_eq!(term.parse::<Term>().unwrap().after(moment(start)), moment(end), "{start} + {term}");
        }
    }

    #[test]
    fn what_is_no_term_is_refused() {
        for bad in ["", "M", "1", "-1M", "+1M", "1000D", "1.5M", "1H", "M1", "1 M", "1€"] {
            assert!(bad.parse::<Term>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn a_term_is_written_as_it_is_read(count in 0u32..1000, unit in "[DWMY]") {
            let text = format!("{count}{unit}");
            prop_assert_eq!(text.parse::<Term>().unwrap().to_string(), text.clone());
            prop_assert_eq!(text.to_lowercase().parse::<Term>().unwrap().to_string(), text);
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,8}") {
            let _ = text.parse::<Term>();
        }
    }
}
