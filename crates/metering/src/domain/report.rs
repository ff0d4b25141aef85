//! What was stored in a period, from the hours in which it changed.

use model::Timestamp;
use rust_decimal::Decimal;

use super::storage::{StorageHour, seconds};

/// What was stored in a period.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Held {
    pub(crate) byte_seconds: Decimal,
    pub(crate) peak_bytes: i64,
    /// Stored at its end.
    pub(crate) closing_bytes: i64,
}

/// What was stored from one full hour to another, or to now. `hours` are in order, and begin with the last one before
/// `from`, where there is one.
pub(crate) fn held(hours: &[StorageHour], from: Timestamp, to: Timestamp) -> Held {
    let first = hours.partition_point(|hour| hour.hour < from).saturating_sub(1);
    let mut held = Held::default();
    for (index, hour) in hours.iter().enumerate().skip(first) {
        let until = hours.get(index + 1).map_or(to, |next| next.hour.min(to));
        if hour.hour >= to {
            break;
        }
        if hour.hour >= from {
            held.byte_seconds += hour.byte_seconds_until(until);
            held.peak_bytes = held.peak_bytes.max(hour.peak_bytes);
        } else if until >= from {
            held.byte_seconds += Decimal::from(hour.closing_bytes) * seconds(until - from);
            held.peak_bytes = held.peak_bytes.max(hour.closing_bytes);
        }
        held.closing_bytes = hour.closing_bytes;
    }
    held
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::storage::hour_of;
    use chrono::TimeDelta;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn hours_without_a_change_are_as_the_last_one_ended() {
        let first = StorageHour::first(at("2026-03-01T10:30:00Z"), 100);
        let second = first.advance(at("2026-03-01T13:30:00Z"), 0).unwrap();
        let hours = [first, second];
        for (from, to, byte_seconds, peak, closing) in [
            ("2026-03-01T08:00:00Z", "2026-03-01T10:00:00Z", 0, 0, 0),
            ("2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z", 100 * 1800, 100, 100),
            ("2026-03-01T11:00:00Z", "2026-03-01T12:00:00Z", 100 * 3600, 100, 100),
            ("2026-03-01T13:00:00Z", "2026-03-01T14:00:00Z", 100 * 1800, 100, 0),
            ("2026-03-01T14:00:00Z", "2026-03-01T15:00:00Z", 0, 0, 0),
            ("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z", 100 * 3 * 3600, 100, 0),
        ] {
            let expected = Held { byte_seconds: byte_seconds.into(), peak_bytes: peak, closing_bytes: closing };
            assert_eq!(held(&hours, at(from), at(to)), expected, "{from} {to}");
        }
    }

    proptest! {
        /// Any cut at full hours: the parts add up to the whole.
        #[test]
        fn parts_add_up(readings in prop::collection::vec((1_i64..30_000, 0_i64..1_000_000), 1..30), cut in 0_i64..200) {
            let start = at("2026-03-01T00:00:00Z");
            let mut moment = start;
            let mut hours: Vec<StorageHour> = Vec::new();
            for (seconds, bytes) in readings {
                moment += TimeDelta::seconds(seconds);
                let next = match hours.last() {
                    None => StorageHour::first(moment, bytes),
                    Some(last) => last.advance(moment, bytes).unwrap(),
                };
                if hours.last().is_some_and(|last| last.hour == next.hour) {
                    hours.pop();
                }
                hours.push(next);
            }
            let end = hour_of(moment) + TimeDelta::hours(1);
            let cut = (start + TimeDelta::hours(cut)).min(end);
            let (whole, left, right) = (held(&hours, start, end), held(&hours, start, cut), held(&hours, cut, end));
            prop_assert_eq!(left.byte_seconds + right.byte_seconds, whole.byte_seconds);
            prop_assert_eq!(left.peak_bytes.max(right.peak_bytes), whole.peak_bytes);
        }
    }
}
