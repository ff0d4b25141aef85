//! Amounts of data, counted as the public APIs count: 1 GB = 1,000 MB = 10⁹ bytes.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

const BYTES_PER_MB: u64 = 1_000_000;
const BYTES_PER_GB: u64 = 1_000_000_000;

/// A number of bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ByteCount(u64);

impl ByteCount {
    /// No bytes.
    pub const ZERO: Self = Self(0);

    /// Exactly `bytes` bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// `gb` times 10⁹ bytes; saturates at the largest count.
    pub const fn from_gb(gb: u64) -> Self {
        Self(gb.saturating_mul(BYTES_PER_GB))
    }

    /// The exact number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// Whole MB, rounded up: one byte counts as 1 MB, none as 0.
    pub const fn mb_rounded_up(self) -> u64 {
        self.0.div_ceil(BYTES_PER_MB)
    }

    /// GB as an exact decimal.
    pub fn gb(self) -> Decimal {
        Decimal::from(self.0) / Decimal::from(BYTES_PER_GB)
    }

    /// As PostgreSQL's `bigint`; saturates at its largest value (9.2 EB).
    pub fn to_i64(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }

    /// From PostgreSQL's `bigint`; a negative number counts as none.
    pub fn from_i64(bytes: i64) -> Self {
        Self(u64::try_from(bytes).unwrap_or(0))
    }
}

impl Add for ByteCount {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for ByteCount {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for ByteCount {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for ByteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} B", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn megabytes_are_decimal_and_rounded_up() {
        for (bytes, mb) in [(0, 0), (1, 1), (999_999, 1), (1_000_000, 1), (1_000_001, 2), (5_000_000_000, 5_000)] {
            assert_eq!(ByteCount::from_bytes(bytes).mb_rounded_up(), mb, "{bytes} bytes");
        }
    }

    #[test]
    fn gigabytes_are_exact() {
        assert_eq!(ByteCount::from_bytes(1_500_000_001).gb().to_string(), "1.500000001");
        assert_eq!(ByteCount::from_gb(5).bytes(), 5_000_000_000);
    }
}
