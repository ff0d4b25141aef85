//! What is stored, over time. A reading tells what is there; until the next one, that is what was stored.

use chrono::{DurationRound, TimeDelta};
use model::Timestamp;
use rust_decimal::Decimal;

const HOUR: TimeDelta = TimeDelta::hours(1);

/// The hour in which a moment lies.
pub(crate) fn hour_of(moment: Timestamp) -> Timestamp {
    moment.duration_trunc(HOUR).unwrap_or(moment)
}

/// What a bucket, or an account, held in one hour in which a reading found a change.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StorageHour {
    /// Its beginning.
    pub(crate) hour: Timestamp,
    /// Bytes × seconds from the beginning of the hour to `sampled_at`.
    pub(crate) byte_seconds: Decimal,
    /// Held when the hour began; `None` where nobody had looked before.
    pub(crate) opening_bytes: Option<i64>,
    pub(crate) peak_bytes: i64,
    /// Held from `sampled_at` on.
    pub(crate) closing_bytes: i64,
    pub(crate) sampled_at: Timestamp,
}

impl StorageHour {
    /// The first reading ever. What was stored before isn't known and counts nothing.
    pub(crate) fn first(at: Timestamp, bytes: i64) -> Self {
        Self {
            hour: hour_of(at),
            byte_seconds: Decimal::ZERO,
            opening_bytes: None,
            peak_bytes: bytes,
            closing_bytes: bytes,
            sampled_at: at,
        }
    }

    /// The hour of a later reading that found `bytes`: this one, gone on with, or a new one. `None` where the reading
    /// isn't later.
    pub(crate) fn advance(&self, at: Timestamp, bytes: i64) -> Option<Self> {
        if at <= self.sampled_at {
            return None;
        }
        let hour = hour_of(at);
        let since = self.sampled_at.max(hour);
        let held = Decimal::from(self.closing_bytes) * seconds(at - since);
        Some(if hour == self.hour {
            Self {
                byte_seconds: self.byte_seconds + held,
                peak_bytes: self.peak_bytes.max(bytes),
                closing_bytes: bytes,
                sampled_at: at,
                ..self.clone()
            }
        } else {
            Self {
                hour,
                byte_seconds: held,
                opening_bytes: Some(self.closing_bytes),
                peak_bytes: self.closing_bytes.max(bytes),
                closing_bytes: bytes,
                sampled_at: at,
            }
        })
    }

    /// The same for what several readings have a part in: one that comes late counts from the last one on.
    pub(crate) fn advance_or_replace(&self, at: Timestamp, bytes: i64) -> Self {
        let replaced = || Self { peak_bytes: self.peak_bytes.max(bytes), closing_bytes: bytes, ..self.clone() };
        self.advance(at, bytes).unwrap_or_else(replaced)
    }

    /// Bytes × seconds from the beginning of the hour to `until`, which lies behind `sampled_at`.
    pub(crate) fn byte_seconds_until(&self, until: Timestamp) -> Decimal {
        let rest = (until - self.sampled_at).max(TimeDelta::zero());
        self.byte_seconds + Decimal::from(self.closing_bytes) * seconds(rest)
    }

    /// The end of the hour.
    pub(crate) fn end(&self) -> Timestamp {
        self.hour + HOUR
    }
}

/// Bytes × seconds as bytes × hours.
pub(crate) fn byte_hours(byte_seconds: Decimal) -> Decimal {
    (byte_seconds / Decimal::from(3600)).normalize()
}

/// Exact to the microsecond.
pub(crate) fn seconds(time: TimeDelta) -> Decimal {
    time.num_microseconds().map_or(Decimal::ZERO, |microseconds| Decimal::new(microseconds, 6))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn what_was_read_counts_until_the_next_reading() {
        let first = StorageHour::first(at("2026-03-01T10:15:00Z"), 100);
        assert_eq!(first.byte_seconds_until(at("2026-03-01T10:30:00Z")), Decimal::from(100 * 900));
        let grown = first.advance(at("2026-03-01T10:30:00Z"), 300).unwrap();
        assert_eq!((grown.hour, grown.peak_bytes, grown.opening_bytes), (at("2026-03-01T10:00:00Z"), 300, None));
        assert_eq!(grown.byte_seconds_until(grown.end()), Decimal::from(100 * 900 + 300 * 1800));
        // Two hours later everything is deleted: the peak of that hour is what was there before.
        let emptied = grown.advance(at("2026-03-01T12:30:00.5Z"), 0).unwrap();
        assert_eq!(
            (emptied.hour, emptied.peak_bytes, emptied.opening_bytes),
            (at("2026-03-01T12:00:00Z"), 300, Some(300))
        );
        assert_eq!(emptied.byte_seconds_until(emptied.end()), Decimal::new(300 * 18_005, 1));
        assert_eq!(byte_hours(Decimal::from(1800)).to_string(), "0.5");
    }

    #[test]
    fn an_older_reading_changes_nothing() {
        let first = StorageHour::first(at("2026-03-01T10:15:00Z"), 100);
        assert_eq!(first.advance(at("2026-03-01T10:15:00Z"), 300), None);
        assert_eq!(first.advance(at("2026-03-01T09:00:00Z"), 300), None);
    }

    proptest! {
        /// Readings in any number and at any time: the hours together hold the integral of the step function.
        #[test]
        fn hours_add_up_to_the_whole(readings in prop::collection::vec((1_i64..20_000_000_000, 0_i64..1_000_000_000_000), 1..40)) {
            let start = at("2026-03-01T00:00:00Z");
            let mut moment = start;
            let mut points = Vec::new();
            for (microseconds, bytes) in readings {
                moment += TimeDelta::microseconds(microseconds);
                points.push((moment, bytes));
            }
            let end = hour_of(moment) + HOUR;
            let ends = points.iter().skip(1).map(|(moment, _)| *moment).chain([end]);
            let expected: Decimal =
                points.iter().zip(ends).map(|((from, bytes), to)| Decimal::from(*bytes) * seconds(to - *from)).sum();

            let mut hours = vec![StorageHour::first(points[0].0, points[0].1)];
            for (moment, bytes) in &points[1..] {
                let last = hours.last().unwrap();
                let next = last.advance(*moment, *bytes).unwrap();
                if next.hour == last.hour {
                    hours.pop();
                }
                hours.push(next);
            }
            let mut total = Decimal::ZERO;
            for (index, hour) in hours.iter().enumerate() {
                let until = hours.get(index + 1).map_or(end, |next| next.hour);
                total += hour.byte_seconds_until(until);
            }
            prop_assert_eq!(total, expected);
        }
    }
}
