//! Counts answers and how long they took.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Answers by HTTP status; 0 stands for none at all.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    statuses: BTreeMap<u16, u64>,
    given_up: u64,
    times: Vec<Duration>,
}

impl Tally {
    pub(super) fn add(&self, status: u16, time: Duration) {
        let mut counts = self.lock();
        *counts.statuses.entry(status).or_default() += 1;
        if status == 200 {
            counts.times.push(time);
        }
    }

    pub(super) fn add_given_up(&self) {
        self.lock().given_up += 1;
    }

    /// How many were answered with 200.
    pub(super) fn answered(&self) -> u64 {
        self.lock().statuses.get(&200).copied().unwrap_or_default()
    }

    pub(super) fn statuses(&self) -> String {
        let counts = self.lock();
        let mut shown: Vec<_> = counts.statuses.iter().map(|(status, count)| format!("{count} × {status}")).collect();
        if counts.given_up > 0 {
            shown.push(format!("{} given up", counts.given_up));
        }
        shown.join(", ")
    }

    /// Of those with 200.
    pub(super) fn times(&self) -> String {
        let mut times = self.lock().times.clone();
        times.sort_unstable();
        let at = |percent: usize| times.get(times.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default();
        format!("p50 {} ms, p99 {} ms, most {} ms", at(50).as_millis(), at(99).as_millis(), at(100).as_millis())
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
