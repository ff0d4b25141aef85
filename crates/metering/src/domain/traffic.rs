//! How a reading of RGW's log and what was read before become one figure.

use std::ops::{Add, AddAssign, Sub};

/// What one record of the log counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Counts {
    pub(crate) bytes_in: i64,
    pub(crate) bytes_out: i64,
    pub(crate) operations: i64,
    pub(crate) successful_operations: i64,
}

impl Counts {
    /// Each figure combined with its counterpart.
    fn zip(self, other: Self, combine: impl Fn(i64, i64) -> i64) -> Self {
        Self {
            bytes_in: combine(self.bytes_in, other.bytes_in),
            bytes_out: combine(self.bytes_out, other.bytes_out),
            operations: combine(self.operations, other.operations),
            successful_operations: combine(self.successful_operations, other.successful_operations),
        }
    }
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        self.zip(other, i64::saturating_add)
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Counts {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self.zip(other, i64::saturating_sub)
    }
}

/// What is known of a record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// All that was ever read of it.
    pub(crate) counts: Counts,
    /// What the log held of it when it was trimmed; the log shows that no more.
    pub(crate) trimmed: Counts,
}

/// A record after a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Merged {
    pub(crate) counts: Counts,
    /// The log shows less than it did; what was read before stays.
    pub(crate) is_shrunk: bool,
}

/// A reading replaces the one before, on top of what was trimmed; no figure ever falls.
pub(crate) fn merge(known: Known, read: Counts) -> Merged {
    let now = known.trimmed + read;
    let counts = known.counts.zip(now, i64::max);
    Merged { counts, is_shrunk: counts != now }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counts(bytes: i64, operations: i64) -> Counts {
        Counts { bytes_in: bytes, bytes_out: 2 * bytes, operations, successful_operations: operations }
    }

    #[test]
    fn readings_replace_each_other() {
        let nothing = Counts::default();
        for (what, known, trimmed, read, expected, is_shrunk) in [
            ("first reading", nothing, nothing, counts(5, 1), counts(5, 1), false),
            ("same again", counts(5, 1), nothing, counts(5, 1), counts(5, 1), false),
            ("more", counts(5, 1), nothing, counts(9, 3), counts(9, 3), false),
            ("less: it was trimmed by somebody", counts(9, 3), nothing, counts(5, 1), counts(9, 3), true),
            ("gone", counts(9, 3), nothing, nothing, counts(9, 3), true),
            ("gone because we trimmed it", counts(9, 3), counts(9, 3), nothing, counts(9, 3), false),
            ("late, after a trim", counts(9, 3), counts(9, 3), counts(2, 1), counts(11, 4), false),
            ("late, read again", counts(11, 4), counts(9, 3), counts(2, 1), counts(11, 4), false),
        ] {
            let merged = merge(Known { counts: known, trimmed }, read);
            assert_eq!(merged, Merged { counts: expected, is_shrunk }, "{what}");
        }
    }

    proptest! {
        #[test]
        fn reading_twice_is_reading_once_and_nothing_ever_falls(
            known in (0_i64..1000, 0_i64..1000), trimmed in (0_i64..1000, 0_i64..1000), read in (0_i64..1000, 0_i64..1000),
        ) {
            let trimmed = counts(trimmed.0, trimmed.1);
            let known = Known { counts: counts(known.0, known.1) + trimmed, trimmed };
            let once = merge(known, counts(read.0, read.1));
            let twice = merge(Known { counts: once.counts, trimmed }, counts(read.0, read.1));
            prop_assert_eq!(once.counts, twice.counts);
            prop_assert!(once.counts.bytes_in >= known.counts.bytes_in && once.counts.operations >= known.counts.operations);
        }
    }
}
