//! When an hour of RGW's log no longer changes.

use chrono::TimeDelta;
use model::Timestamp;

/// How an hour of a location's log stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HourState {
    pub(crate) hour: Timestamp,
    /// Of what was read last.
    pub(crate) digest: Vec<u8>,
    /// Since when, after the hour closed, each reading has found the same.
    pub(crate) settled_at: Option<Timestamp>,
    pub(crate) is_final: bool,
}

/// The state after a reading at `read_at`. RGW writes its log up to `flush` late: an hour is final once it was read
/// again, unchanged, when all of it must have been written.
pub(crate) fn after_reading(
    before: Option<&HourState>,
    hour: Timestamp,
    digest: Vec<u8>,
    read_at: Timestamp,
    flush: TimeDelta,
) -> HourState {
    let written_at = hour + TimeDelta::hours(1) + flush;
    let unchanged_since = before.filter(|before| before.digest == digest).and_then(|before| before.settled_at);
    let settled_at = unchanged_since.or_else(|| (read_at >= written_at).then_some(read_at));
    let is_final = unchanged_since.is_some_and(|since| read_at >= since + flush);
    HourState { hour, digest, settled_at, is_final }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_final_when_it_was_read_again_unchanged_after_it_was_written() {
        let at = |minutes: i64| "2026-03-01T10:00:00Z".parse::<Timestamp>().unwrap() + TimeDelta::minutes(minutes);
        let flush = TimeDelta::minutes(2);
        // Minutes since the hour began, what was read then; whether it is final after it.
        for (what, readings) in [
            ("open", vec![(10, 1, false), (59, 1, false)]),
            (
                "closed, but not yet written",
                vec![(59, 1, false), (61, 1, false), (62, 1, false), (63, 1, false), (64, 1, true)],
            ),
            ("changed late", vec![(62, 1, false), (64, 2, false), (65, 2, false), (66, 2, true)]),
            ("read long after", vec![(5000, 1, false), (5001, 1, false), (5002, 1, true)]),
        ] {
            let mut state: Option<HourState> = None;
            for (minutes, digest, is_final) in readings {
                let next = after_reading(state.as_ref(), at(0), vec![digest], at(minutes), flush);
                assert_eq!(next.is_final, is_final, "{what}, minute {minutes}");
                state = Some(next);
            }
        }
    }
}
