//! Which hours of RGW's usage log are read again.

use chrono::TimeDelta;
use model::Timestamp;

/// RGW flushes its log late; an hour may still grow this long after it closed.
pub(crate) const LATE_FLUSH: TimeDelta = TimeDelta::hours(2);

/// The hours from the first that may have changed since the last reading, or since the account was made, to the end of
/// the running one.
pub(crate) fn hours_to_read(since: Timestamp, now: Timestamp) -> (Timestamp, Timestamp) {
    (since.min(now) - LATE_FLUSH, now + TimeDelta::hours(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_that_may_still_grow_are_read_again() {
        let now: Timestamp = "2026-03-05T12:30:00Z".parse().unwrap();
        let text = |moment: Timestamp| moment.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        for (last, from) in [
            ("2026-03-05T12:29:00Z", "2026-03-05T10:29:00Z"),
            ("2026-03-01T00:00:00Z", "2026-02-28T22:00:00Z"),
            ("2026-03-06T00:00:00Z", "2026-03-05T10:30:00Z"),
        ] {
            let (start, end) = hours_to_read(last.parse().unwrap(), now);
            assert_eq!(text(start), from, "{last}");
            assert_eq!(text(end), "2026-03-05T13:30:00Z");
        }
    }
}
