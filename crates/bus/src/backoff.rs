//! Growing waits between attempts, spread so that many clients don't come back at the same moment.

use std::time::Duration;

const FIRST_MS: u64 = 100;
const LIMIT_MS: u64 = 10_000;

/// The next wait doubles each time, up to a limit.
#[derive(Debug)]
pub(crate) struct Backoff {
    failures: u32,
    limit_ms: u64,
}

impl Default for Backoff {
    /// Up to ten seconds.
    fn default() -> Self {
        Self::up_to_ms(LIMIT_MS)
    }
}

impl Backoff {
    /// Waits never longer than that.
    pub(crate) const fn up_to_ms(limit_ms: u64) -> Self {
        Self { failures: 0, limit_ms }
    }

    /// How long to wait now: between a half and the whole of the step.
    pub(crate) fn next_wait(&mut self) -> Duration {
        let step_ms = FIRST_MS.saturating_mul(1 << self.failures.min(10)).min(self.limit_ms);
        self.failures = self.failures.saturating_add(1);
        Duration::from_millis(rand::random_range(step_ms / 2..=step_ms))
    }

    /// Begins anew after a success.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_a_limit_and_start_over() {
        let mut backoff = Backoff::default();
        let first = backoff.next_wait();
        assert!(first >= Duration::from_millis(50) && first <= Duration::from_millis(100), "{first:?}");
        for _ in 0..100 {
            backoff.next_wait();
        }
        let late = backoff.next_wait();
        assert!(late >= Duration::from_secs(5) && late <= Duration::from_secs(10), "{late:?}");
        backoff.reset();
        assert!(backoff.next_wait() <= Duration::from_millis(100));
    }
}
