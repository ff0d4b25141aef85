//! How much of its quota an account uses.

/// In percent, ascending. Reaching one, and falling back below it, is an event.
pub(crate) const THRESHOLDS_PERCENT: [u8; 3] = [80, 90, 100];

/// The highest threshold that is reached; 0 below all. A quota of nothing has none.
pub(crate) fn reached(used_bytes: i64, quota_bytes: i64) -> u8 {
    let is_reached = |percent: &u8| {
        quota_bytes > 0 && i128::from(used_bytes) * 100 >= i128::from(quota_bytes) * i128::from(*percent)
    };
    THRESHOLDS_PERCENT.into_iter().rev().find(is_reached).unwrap_or(0)
}

/// A threshold that was crossed, and in which direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crossing {
    Reached(u8),
    Left(u8),
}

/// What was crossed between two readings, in the order in which it was.
pub(crate) fn crossings(before: u8, now: u8) -> Vec<Crossing> {
    let between =
        |low: u8, high: u8| THRESHOLDS_PERCENT.into_iter().filter(move |percent| (low + 1..=high).contains(percent));
    if before <= now {
        between(before, now).map(Crossing::Reached).collect()
    } else {
        let mut left: Vec<_> = between(now, before).map(Crossing::Left).collect();
        left.reverse();
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_reached_exactly() {
        for (used, quota, threshold) in [
            (0, 1000, 0),
            (799, 1000, 0),
            (800, 1000, 80),
            (899, 1000, 80),
            (900, 1000, 90),
            (999, 1000, 90),
            (1000, 1000, 100),
            (5000, 1000, 100),
            (0, 0, 0),
            (1, 0, 0),
            (i64::MAX, i64::MAX, 100),
            (2, 3, 0),
            (3, 3, 100),
        ] {
            assert_eq!(reached(used, quota), threshold, "{used} of {quota}");
        }
    }

    #[test]
    fn each_crossing_is_one_event() {
        use Crossing::{Left, Reached};
        for (before, now, expected) in [
            (0, 0, vec![]),
            (0, 80, vec![Reached(80)]),
            (0, 100, vec![Reached(80), Reached(90), Reached(100)]),
            (80, 90, vec![Reached(90)]),
            (90, 90, vec![]),
            (90, 80, vec![Left(90)]),
            (100, 0, vec![Left(100), Left(90), Left(80)]),
        ] {
            assert_eq!(crossings(before, now), expected, "{before} to {now}");
        }
    }
}
