//! How a process ends: softly first (take nothing new, finish what is in hand), hard after a grace period.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

/// How long work in hand may take after the first signal, unless something else is asked for.
pub const GRACE: Duration = Duration::from_secs(30);

/// The end of a process, shared by all its tasks; clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    soft: CancellationToken,
    hard: CancellationToken,
    tracker: TaskTracker,
    failure: Arc<Mutex<Option<anyhow::Error>>>,
}

impl Shutdown {
    /// One that nothing has asked for yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for the soft end at the first SIGTERM or SIGINT, and for the hard one at the second.
    pub fn listen_for_signals(&self) -> std::io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (soft, hard) = (self.soft.clone(), self.hard.clone());
        tokio::spawn(async move {
            for token in [soft, hard] {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                token.cancel();
            }
        });
        Ok(())
    }

    /// Asks for the soft end.
    pub fn request(&self) {
        self.soft.cancel();
    }

    /// Cancelled when nothing new should be taken on.
    pub fn soft(&self) -> &CancellationToken {
        &self.soft
    }

    /// Cancelled when even work in hand is given up.
    pub fn hard(&self) -> &CancellationToken {
        &self.hard
    }

    /// Runs a part of the process, which ends by itself after [`Shutdown::soft`] and is dropped at [`Shutdown::hard`].
    ///
    /// A part that fails or panics takes the whole process down with it, softly: a half-working process would
    /// look alive to whoever restarts it.
    pub fn spawn<F>(&self, name: &'static str, part: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let shutdown = self.clone();
        self.tracker.spawn(async move {
            let mut task = tokio::spawn(part);
            let ended = tokio::select! {
                ended = &mut task => ended,
                () = shutdown.hard.cancelled() => {
                    task.abort();
                    task.await
                }
            };
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(failure)) => shutdown.fail(failure.context(format!("{name} failed"))),
                Err(stopped) if stopped.is_cancelled() => warn!(part = name, "given up"),
                Err(panic) => shutdown.fail(anyhow::anyhow!("{name} panicked: {panic}")),
            }
        });
    }

    fn fail(&self, failure: anyhow::Error) {
        error!(error = format!("{failure:#}"), "a part of the process failed; ending");
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
        self.soft.cancel();
    }

    /// Waits until all parts have ended, or the soft end was asked for and `grace` is over.
    ///
    /// Returns the first part's failure, if one failed.
    pub async fn finish(&self, grace: Duration) -> anyhow::Result<()> {
        self.tracker.close();
        tokio::select! {
            () = self.soft.cancelled() => info!("ending: finishing what is in hand"),
            () = self.tracker.wait() => {}
        }
        // Parts that ended by themselves leave helpers that wait for the token.
        self.soft.cancel();
        tokio::select! {
            () = self.tracker.wait() => {}
            () = self.hard.cancelled() => {}
            () = tokio::time::sleep(grace) => warn!(seconds = grace.as_secs(), "ending hard: work is left"),
        }
        self.hard.cancel();
        self.tracker.wait().await;
        match self.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[tokio::test]
    async fn the_soft_end_lets_work_finish() {
        let shutdown = Shutdown::new();
        let finished = Arc::new(AtomicBool::new(false));
        let (soft, flag) = (shutdown.soft().clone(), finished.clone());
        shutdown.spawn("worker", async move {
            soft.cancelled().await;
            tokio::task::yield_now().await;
            flag.store(true, Ordering::SeqCst);
            Ok(())
        });
        shutdown.request();
        shutdown.finish(GRACE).await.unwrap();
        assert!(finished.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn the_hard_end_gives_work_up_after_the_grace_period() {
        let shutdown = Shutdown::new();
        shutdown.spawn("stuck", std::future::pending());
        shutdown.request();
        shutdown.finish(Duration::from_millis(10)).await.unwrap();
    }

    #[tokio::test]
    async fn a_part_that_fails_ends_the_process_and_its_failure_is_returned() {
        let shutdown = Shutdown::new();
        let soft = shutdown.soft().clone();
        shutdown.spawn("healthy", async move {
            soft.cancelled().await;
            Ok(())
        });
        shutdown.spawn("broken", async { anyhow::bail!("no disk") });
        let failure = shutdown.finish(GRACE).await.unwrap_err();
        assert_eq!(format!("{failure:#}"), "broken failed: no disk");
    }

    #[tokio::test]
    async fn a_panic_counts_as_a_failure() {
        let shutdown = Shutdown::new();
        shutdown.spawn("broken", async { panic!("a bug") });
        assert!(shutdown.finish(GRACE).await.unwrap_err().to_string().contains("broken panicked"));
    }

    #[tokio::test]
    async fn parts_that_all_end_end_the_process() {
        let shutdown = Shutdown::new();
        shutdown.spawn("short", async { Ok(()) });
        shutdown.finish(GRACE).await.unwrap();
        assert!(shutdown.soft().is_cancelled());
    }
}
