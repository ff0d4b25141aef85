//! Billing periods: whole days of UTC, one after the other, from a service's first day on.
//!
//! This is the one place that knows where a period begins and ends and which part of a full one it is; invoices,
//! cancellations and `purser billing schedule` all ask here.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, Days, NaiveDate};
use model::Timestamp;
use rust_decimal::{Decimal, RoundingStrategy};

use super::term::Term;

/// Decimal places of fractions and of rated quantities.
pub(crate) const SCALE: u32 = 9;
/// A thousand months of minimum term, in periods of a day.
const PERIODS_MAX: u32 = 31_000;

/// A text that is no billing day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a billing day is \"anniversary\" or a day of the month from 1 to 31, not {0:?}")]
pub struct InvalidBillingDay(String);

/// When periods begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BillingDay {
    /// On the day of the month on which the service began.
    Anniversary,
    /// On this day of the month, from 1 to 31; on the month's last where that is earlier.
    OfMonth(u32),
}

impl FromStr for BillingDay {
    type Err = InvalidBillingDay;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "anniversary" {
            return Ok(Self::Anniversary);
        }
        let day = text.parse().ok().filter(|day| (1..=31).contains(day));
        day.map(Self::OfMonth).ok_or_else(|| InvalidBillingDay(text.chars().take(40).collect()))
    }
}

impl fmt::Display for BillingDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anniversary => f.write_str("anniversary"),
            Self::OfMonth(day) => write!(f, "{day}"),
        }
    }
}

/// The first moment of a day.
pub(crate) fn midnight(day: NaiveDate) -> Timestamp {
    day.and_time(chrono::NaiveTime::MIN).and_utc()
}

/// The whole days from `from` to `to`, which is not included; none where that is earlier.
pub(crate) fn days_between(from: NaiveDate, to: NaiveDate) -> u32 {
    u32::try_from((to - from).num_days()).unwrap_or(0)
}

/// `days` of `full_days`, as a fraction of scale 9, half up.
pub(crate) fn fraction(days: u32, full_days: u32) -> Decimal {
    scaled(Decimal::from(days) / Decimal::from(full_days.max(1)))
}

/// Rounded to scale 9, half away from zero.
pub(crate) fn scaled(quantity: Decimal) -> Decimal {
    let mut rounded = quantity.round_dp_with_strategy(SCALE, RoundingStrategy::MidpointAwayFromZero);
    rounded.rescale(SCALE);
    rounded
}

/// One billing period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Period {
    /// Counted from 1.
    pub(crate) number: u32,
    pub(crate) start: NaiveDate,
    /// The first day that is not part of it.
    pub(crate) end: NaiveDate,
    /// The days of the full period that this one is, or is the last part of.
    pub(crate) full_days: u32,
}

impl Period {
    /// The part of a full period from `from` to `to`, as far as they lie in this one.
    pub(crate) fn fraction_of(&self, from: NaiveDate, to: NaiveDate) -> Decimal {
        fraction(days_between(from.max(self.start), to.min(self.end)), self.full_days)
    }
}

/// A service's billing periods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Schedule {
    pub(crate) start: NaiveDate,
    pub(crate) period: Term,
    pub(crate) billing_day: BillingDay,
}

impl Schedule {
    /// The `number`th period, counted from 1.
    ///
    /// Where the billing day isn't the first day, what is before the first boundary is a part of the period that ends
    /// there.
    pub(crate) fn period(&self, number: u32) -> Period {
        let first = i64::from(self.boundary(0) <= self.start);
        let index = first + i64::from(number.max(1)) - 1;
        let (full_start, end) = (self.boundary(index - 1), self.boundary(index));
        Period { number, start: full_start.max(self.start), end, full_days: days_between(full_start, end) }
    }

    /// The periods that begin before `end`, in order.
    pub(crate) fn periods_before(&self, end: NaiveDate) -> impl Iterator<Item = Period> {
        let schedule = *self;
        (1..PERIODS_MAX).map(move |number| schedule.period(number)).take_while(move |period| period.start < end)
    }

    /// The period in which a day lies; the first one before its beginning.
    pub(crate) fn period_on(&self, day: NaiveDate) -> Period {
        (1..PERIODS_MAX).map(|number| self.period(number)).find(|period| day < period.end).unwrap_or(self.period(1))
    }

    /// The end of the first period, from the `from`th on, that is not before `not_before`.
    pub(crate) fn end_not_before(&self, from: u32, not_before: Timestamp) -> Timestamp {
        (from..from.saturating_add(PERIODS_MAX))
            .map(|number| midnight(self.period(number).end))
            .find(|end| *end >= not_before)
            .unwrap_or(Timestamp::MAX_UTC)
    }

    /// The `index`th day on which a period begins or could begin; the 0th is in the month of the start.
    fn boundary(&self, index: i64) -> NaiveDate {
        let Some(months) = self.period.months() else {
            let days = index * i64::from(self.period.days());
            let moved = match u64::try_from(days) {
                Ok(days) => self.start.checked_add_days(Days::new(days)),
                Err(_) => self.start.checked_sub_days(Days::new(days.unsigned_abs())),
            };
            return moved.unwrap_or(NaiveDate::MAX);
        };
        let day = match self.billing_day {
            BillingDay::Anniversary => self.start.day(),
            BillingDay::OfMonth(day) => day,
        };
        let month = i64::from(self.start.year()) * 12 + i64::from(self.start.month0()) + index * i64::from(months);
        in_month(month, day).unwrap_or(NaiveDate::MAX)
    }
}

/// The `day`th of a month, counted in months from the year 0, or that month's last.
fn in_month(month: i64, day: u32) -> Option<NaiveDate> {
    let year = i32::try_from(month.div_euclid(12)).ok()?;
    let first = NaiveDate::from_ymd_opt(year, u32::try_from(month.rem_euclid(12)).ok()? + 1, 1)?;
    (28..=day.max(28)).rev().find_map(|last| first.with_day(last.min(day))).or(Some(first))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn schedule(start: &str, period: &str, billing_day: &str) -> Schedule {
        Schedule { start: day(start), period: period.parse().unwrap(), billing_day: billing_day.parse().unwrap() }
    }

    #[test]
    fn periods_begin_on_the_billing_day() {
        for (start, period, billing_day, expected) in [
            (
                "2026-01-31",
                "1M",
                "anniversary",
                "01-31 02-28 1.000000000, 02-28 03-31 1.000000000, 03-31 04-30 1.000000000",
            ),
            ("2028-01-31", "1M", "31", "01-31 02-29 1.000000000, 02-29 03-31 1.000000000, 03-31 04-30 1.000000000"),
            // The billing day is still to come.
            ("2026-03-10", "1M", "15", "03-10 03-15 0.178571429, 03-15 04-15 1.000000000, 04-15 05-15 1.000000000"),
            ("2026-03-10", "3M", "15", "03-10 03-15 0.055555556, 03-15 06-15 1.000000000, 06-15 09-15 1.000000000"),
            // It has passed: the first full period begins one whole period later.
            ("2026-03-20", "1M", "15", "03-20 04-15 0.838709677, 04-15 05-15 1.000000000, 05-15 06-15 1.000000000"),
            ("2026-03-20", "3M", "15", "03-20 06-15 0.945652174, 06-15 09-15 1.000000000, 09-15 12-15 1.000000000"),
            ("2026-03-15", "1Y", "1", "03-15 03-01 0.961643836, 03-01 03-01 1.000000000, 03-01 03-01 1.000000000"),
            // Beyond the month's end means its last day.
            ("2026-02-28", "1M", "30", "02-28 03-30 1.000000000, 03-30 04-30 1.000000000, 04-30 05-30 1.000000000"),
            ("2026-04-29", "1M", "31", "04-29 04-30 0.033333333, 04-30 05-31 1.000000000, 05-31 06-30 1.000000000"),
            (
                "2026-12-25",
                "2W",
                "anniversary",
                "12-25 01-08 1.000000000, 01-08 01-22 1.000000000, 01-22 02-05 1.000000000",
            ),
            (
                "2024-02-29",
                "1Y",
                "anniversary",
                "02-29 02-28 1.000000000, 02-28 02-28 1.000000000, 02-28 02-28 1.000000000",
            ),
        ] {
            let schedule = schedule(start, period, billing_day);
            let shown: Vec<String> = (1..=3)
                .map(|number| schedule.period(number))
                .map(|period| {
                    let part = period.fraction_of(period.start, period.end);
                    format!("{} {} {part}", period.start.format("%m-%d"), period.end.format("%m-%d"))
                })
                .collect();
            assert_eq!(shown.join(", "), expected, "{start} {period} {billing_day}");
        }
    }

    #[test]
    fn what_is_no_billing_day_is_refused() {
        for bad in ["", "0", "32", "-1", "first", "Anniversary"] {
            assert!(bad.parse::<BillingDay>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_day_is_in_two_periods_or_in_none(
            offset in 0u64..4000, period in "[1-9][DWM]|1Y|2Y", billing_day in 0u32..32
        ) {
            let billing_day =
                if billing_day == 0 { BillingDay::Anniversary } else { BillingDay::OfMonth(billing_day) };
            let start = day("2023-01-01") + Days::new(offset);
            let schedule = Schedule { start, period: period.parse().unwrap(), billing_day };
            let mut at = start;
            for number in 1..30 {
                let period = schedule.period(number);
                prop_assert_eq!(period.start, at);
                prop_assert!(period.end > period.start);
                let days = days_between(period.start, period.end);
                prop_assert!(days <= period.full_days);
                prop_assert!(number == 1 || days == period.full_days);
                at = period.end;
            }
            let before: Vec<Period> = schedule.periods_before(at).collect();
            prop_assert_eq!(before.len(), 29);
        }
    }
}
