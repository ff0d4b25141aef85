//! What a start tells its caller, and how the caller interrupts it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const POLL_INTERVAL: Duration = Duration::from_millis(30);

/// Takes progress lines and can be asked to stop; shared by the threads of one start.
pub struct Progress {
    report: Box<dyn Fn(&str) + Send + Sync>,
    interrupted: AtomicBool,
}

impl Progress {
    /// Calls `report` with every line.
    pub fn new(report: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { report: Box::new(report), interrupted: AtomicBool::new(false) }
    }

    /// Says nothing.
    pub fn silent() -> Self {
        Self::new(|_| {})
    }

    /// Makes every wait end with an error; what has been started is found again by the next start.
    pub fn interrupt(&self) {
        self.interrupted.store(true, Ordering::Relaxed);
    }

    /// Tells a line.
    pub fn report(&self, line: &str) {
        (self.report)(line);
    }

    pub(crate) fn check_interrupted(&self) -> Result<()> {
        if self.interrupted.load(Ordering::Relaxed) {
            bail!("interrupted; `cargo xtask services up` goes on from here, `… down` stops what runs");
        }
        Ok(())
    }

    /// Waits until `condition` holds; fails after `limit`, when interrupted, or with the condition's error.
    pub(crate) fn wait_until(
        &self,
        what: &str,
        limit: Duration,
        mut condition: impl FnMut() -> Result<bool>,
    ) -> Result<()> {
        let started = Instant::now();
        loop {
            if condition()? {
                return Ok(());
            }
            self.check_interrupted()?;
            if started.elapsed() > limit {
                bail!("waited {} s in vain for {what}", limit.as_secs());
            }
            thread::sleep(POLL_INTERVAL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_with_success_deadline_or_interruption() {
        let progress = Progress::silent();
        let mut polls = 0;
        let third_time = || {
            polls += 1;
            Ok(polls == 3)
        };
        progress.wait_until("the third poll", Duration::from_secs(5), third_time).expect("holds");
        let late = progress.wait_until("nothing", Duration::ZERO, || Ok(false)).unwrap_err();
        assert_eq!(late.to_string(), "waited 0 s in vain for nothing");
        progress.interrupt();
        let interrupted = progress.wait_until("nothing", Duration::from_mins(1), || Ok(false)).unwrap_err();
        assert!(interrupted.to_string().starts_with("interrupted"));
    }
}
