//! Lets calls fail at once while a store can't be reached, instead of holding each for its whole timeout.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::StoreError;

/// After so many failures in a row, calls are refused.
const FAILURES_MAX: u32 = 3;
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// One store's breaker, asked before each request and told what became of it.
#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<Circuit>);

impl Breaker {
    /// Lets a request through, or reports [`StoreError::Unavailable`] where the store is down.
    pub(super) fn admit(&self) -> Result<Permit<'_>, StoreError> {
        match self.locked().admit(Instant::now()) {
            Ok(role) => Ok(Permit { breaker: self, role: Some(role) }),
            Err(refusal) => Err(StoreError::Unavailable(refusal)),
        }
    }

    /// Lets a request through whatever was before; its success is good news all the same.
    pub(super) fn admit_always(&self) -> Permit<'_> {
        Permit { breaker: self, role: Some(Role::Ordinary) }
    }

    /// Whether a request would be let through.
    pub(super) fn is_passable(&self) -> bool {
        self.locked().is_passable(Instant::now())
    }

    fn locked(&self) -> MutexGuard<'_, Circuit> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request on its way. Dropped without a word, it counts neither way: its caller lost interest.
#[derive(Debug)]
pub(super) struct Permit<'a> {
    breaker: &'a Breaker,
    role: Option<Role>,
}

impl Permit<'_> {
    /// The store answered, whatever it said.
    pub(super) fn answered(mut self) {
        self.role = None;
        self.breaker.locked().answered();
    }

    /// The store didn't answer, because of `error`, which is handed back.
    pub(super) fn failed(mut self, error: StoreError) -> StoreError {
        if let (Some(role), StoreError::Unavailable(reason)) = (self.role.take(), &error) {
            self.breaker.locked().failed(role, reason, Instant::now());
        }
        error
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if let Some(role) = self.role {
            self.breaker.locked().abandoned(role, Instant::now());
        }
    }
}

/// What a request is to the circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Ordinary,
    /// The one request that finds out whether the store is back.
    Trial,
}

#[derive(Debug)]
enum Circuit {
    Closed { failures: u32 },
    Open { reason: String, wait: Duration, until: Instant },
    Trying { reason: String, wait: Duration },
}

impl Default for Circuit {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl Circuit {
    /// The role of a request that begins `now`, or why it may not.
    fn admit(&mut self, now: Instant) -> Result<Role, String> {
        match self {
            Self::Closed { .. } => Ok(Role::Ordinary),
            Self::Open { reason, until, .. } if now < *until => {
                let seconds = (*until - now).as_millis().div_ceil(1000);
                Err(format!("{reason}; asked again in {seconds} s"))
            }
            Self::Open { reason, wait, .. } => {
                *self = Self::Trying { reason: std::mem::take(reason), wait: *wait };
                Ok(Role::Trial)
            }
            Self::Trying { reason, .. } => Err(format!("{reason}; being asked again")),
        }
    }

    fn is_passable(&self, now: Instant) -> bool {
        match self {
            Self::Closed { .. } => true,
            Self::Open { until, .. } => now >= *until,
            Self::Trying { .. } => false,
        }
    }

    fn answered(&mut self) {
        *self = Self::default();
    }

    /// Requests from before the circuit opened may fail after; they don't make the wait longer.
    fn failed(&mut self, role: Role, reason: &str, now: Instant) {
        let wait = match (&mut *self, role) {
            (Self::Closed { failures }, _) => {
                *failures += 1;
                if *failures < FAILURES_MAX {
                    return;
                }
                FIRST_WAIT
            }
            (Self::Trying { wait, .. }, Role::Trial) => (*wait * 2).min(LONGEST_WAIT),
            _ => return,
        };
        *self = Self::Open { reason: reason.to_owned(), wait, until: now + wait };
    }

    /// A trial without an outcome makes room for the next one.
    fn abandoned(&mut self, role: Role, now: Instant) {
        if let (Self::Trying { reason, wait }, Role::Trial) = (&mut *self, role) {
            *self = Self::Open { reason: std::mem::take(reason), wait: *wait, until: now };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What happens to a circuit at a second, and what must come of it.
    enum Step {
        /// Admitted in this role.
        Admit(Role),
        /// Refused with this text.
        Refuse(&'static str),
        Fail(Role),
        Answer,
        Abandon(Role),
    }

    use Role::{Ordinary, Trial};
    use Step::{Abandon, Admit, Answer, Fail, Refuse};

    fn play(case: &str, steps: &[(u64, Step)]) {
        let (mut circuit, start) = (Circuit::default(), Instant::now());
        for (index, (second, step)) in steps.iter().enumerate() {
            let now = start + Duration::from_secs(*second);
            match step {
                Admit(role) => {
                    assert!(circuit.is_passable(now), "{case}, step {index}");
                    assert_eq!(circuit.admit(now), Ok(*role), "{case}, step {index}");
                }
                Refuse(text) => {
                    assert!(!circuit.is_passable(now), "{case}, step {index}");
                    assert_eq!(circuit.admit(now), Err((*text).to_owned()), "{case}, step {index}");
                }
                Fail(role) => circuit.failed(*role, "down", now),
                Answer => circuit.answered(),
                Abandon(role) => circuit.abandoned(*role, now),
            }
        }
    }

    #[test]
    fn three_failures_in_a_row_open_the_circuit() {
        let failures = |n: usize| (0..n).map(|_| (0, Fail(Ordinary)));
        let after = |n: usize, step: (u64, Step)| failures(n).chain([step]).collect::<Vec<_>>();
        play("none", &after(0, (0, Admit(Ordinary))));
        play("two", &after(2, (0, Admit(Ordinary))));
        play("three", &after(3, (0, Refuse("down; asked again in 1 s"))));
        let interrupted = failures(2).chain([(0, Answer)]).chain(failures(2)).chain([(0, Admit(Ordinary))]);
        play("an answer between", &interrupted.collect::<Vec<_>>());
        let dropped = failures(2).chain([(0, Abandon(Ordinary)), (0, Admit(Ordinary))]);
        play("a dropped call", &dropped.collect::<Vec<_>>());
    }

    #[test]
    fn one_trial_at_a_time_decides_what_is_next() {
        let open = || vec![(0, Fail(Ordinary)), (0, Fail(Ordinary)), (0, Fail(Ordinary)), (1, Admit(Trial))];
        for (case, more) in [
            ("others wait for the trial", vec![(1, Refuse("down; being asked again"))]),
            ("success closes", vec![(2, Answer), (2, Admit(Ordinary)), (2, Admit(Ordinary))]),
            ("it takes three failures again", vec![(2, Answer), (2, Fail(Ordinary)), (2, Admit(Ordinary))]),
            ("failure waits longer", vec![(2, Fail(Trial)), (2, Refuse("down; asked again in 2 s"))]),
            ("a dropped trial is repeated", vec![(2, Abandon(Trial)), (2, Admit(Trial))]),
            ("latecomers' failures don't count", vec![(1, Fail(Ordinary)), (1, Refuse("down; being asked again"))]),
            ("a latecomer's success does", vec![(1, Answer), (1, Admit(Ordinary))]),
            (
                "a latecomer that is dropped doesn't",
                vec![(1, Abandon(Ordinary)), (1, Refuse("down; being asked again"))],
            ),
        ] {
            play(case, &open().into_iter().chain(more).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_wait_doubles_up_to_half_a_minute() {
        let mut steps = vec![(0, Fail(Ordinary)), (0, Fail(Ordinary)), (0, Fail(Ordinary))];
        let mut now = 0;
        for (wait, refusal) in [
            (1, "down; asked again in 1 s"),
            (2, "down; asked again in 2 s"),
            (4, "down; asked again in 4 s"),
            (8, "down; asked again in 8 s"),
            (16, "down; asked again in 16 s"),
            (30, "down; asked again in 30 s"),
            (30, "down; asked again in 30 s"),
        ] {
            steps.push((now, Refuse(refusal)));
            now += wait;
            steps.extend([(now, Admit(Trial)), (now, Fail(Trial))]);
        }
        play("one trial after the other", &steps);
    }

    #[test]
    fn a_permit_tells_the_breaker_what_came_of_it() {
        let breaker = Breaker::default();
        let down = || StoreError::Unavailable("down".to_owned());
        drop(breaker.admit().unwrap());
        for _ in 0..FAILURES_MAX {
            assert_eq!(breaker.admit().unwrap().failed(down()), down());
        }
        assert!(!breaker.is_passable());
        assert!(matches!(breaker.admit(), Err(StoreError::Unavailable(reason)) if reason.starts_with("down; asked")));
        assert_eq!(breaker.admit_always().failed(down()), down());
        assert!(!breaker.is_passable());
        breaker.admit_always().answered();
        assert!(breaker.is_passable());
        breaker.admit().unwrap().answered();
    }
}
