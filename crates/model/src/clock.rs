//! Time as something that is passed in.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{Datelike, NaiveTime, SubsecRound, TimeDelta, Utc};

use crate::Timestamp;

/// Tells the time. Domain code takes a [`Timestamp`]; whoever calls it asks a clock.
pub trait Clock: Debug + Send + Sync {
    /// The present moment in UTC, to the microsecond (what PostgreSQL keeps).
    fn now(&self) -> Timestamp;
}

/// The first moment of the month (UTC) in which `moment` lies.
pub fn month_start(moment: Timestamp) -> Timestamp {
    moment.date_naive().with_day(1).unwrap_or_default().and_time(NaiveTime::MIN).and_utc()
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        Utc::now().trunc_subsecs(6)
    }
}

/// A clock that stands still until it is told to move; clones share the time.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<Timestamp>>);

impl ManualClock {
    /// A clock that shows `start`.
    pub fn new(start: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(start)))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: TimeDelta) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
