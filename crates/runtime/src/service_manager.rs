//! What systemd is told: ready, ending, alive, and a line for people. Nothing where it doesn't listen (`NOTIFY_SOCKET`).

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::health::{CheckResult, Health};

/// How often a process that isn't ready yet looks whether it is.
const STARTING_INTERVAL: Duration = Duration::from_millis(200);
/// How often a ready one looks whether it still is.
const STATUS_INTERVAL: Duration = Duration::from_secs(10);
/// So often within the watchdog's time the process says that it lives.
const PER_WATCHDOG_TIME: u32 = 3;

/// Tells the service manager about this process.
#[derive(Debug)]
pub struct Notifying {
    stopping: JoinHandle<()>,
    reporting: JoinHandle<()>,
}

impl Notifying {
    /// From now on: ready, once all of `health`'s checks have passed; alive, each time they have run, whatever they said;
    /// ending, at `soft`. `None` where no service manager listens. Needs a Tokio runtime.
    pub fn start(health: Health, soft: CancellationToken) -> Option<Self> {
        std::env::var_os("NOTIFY_SOCKET")?;
        let reporting = tokio::spawn(report(health, soft.clone()));
        let stopping = tokio::spawn(async move {
            soft.cancelled().await;
            tell(&[NotifyState::Stopping, NotifyState::Status("finishing what is in hand")]);
        });
        Some(Self { stopping, reporting })
    }

    /// To be called at the very end, after `soft`.
    pub async fn finish(self) {
        if let Err(error) = self.stopping.await {
            warn!(%error, "the service manager may not know that this process ends");
        }
        self.reporting.abort();
    }
}

async fn report(health: Health, soft: CancellationToken) {
    let watchdog = sd_notify::watchdog_enabled();
    let mut is_started = false;
    let mut last_status = String::new();
    loop {
        // Timers, tasks and connections have to work for that: a process in which they don't isn't alive.
        let results = health.check().await;
        let mut news = Vec::new();
        if watchdog.is_some() {
            news.push(NotifyState::Watchdog);
        }
        let failures: Vec<_> = results.iter().filter_map(failure).collect();
        if failures.is_empty() && !is_started {
            is_started = true;
            news.push(NotifyState::Ready);
        }
        let status =
            if failures.is_empty() { "ready".to_owned() } else { format!("not ready: {}", failures.join("; ")) };
        if status != last_status && !soft.is_cancelled() {
            news.push(NotifyState::Status(&status));
        }
        if !news.is_empty() {
            tell(&news);
        }
        last_status = status;
        let interval = if is_started { STATUS_INTERVAL } else { STARTING_INTERVAL };
        sleep(watchdog.map_or(interval, |time| interval.min(time / PER_WATCHDOG_TIME))).await;
    }
}

fn failure((name, result): (&String, &CheckResult)) -> Option<String> {
    result.as_ref().err().map(|reason| format!("{name}: {reason}"))
}

fn tell(states: &[NotifyState<'_>]) {
    match sd_notify::notify(states) {
        Ok(()) => debug!(?states, "told the service manager"),
        Err(error) => warn!(%error, "the service manager can't be told"),
    }
}
