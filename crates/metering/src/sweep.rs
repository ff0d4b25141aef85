//! The sweep: every account is read once per interval, by one process at a time.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use history::Failure;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::domain::window::LATE_FLUSH;
use crate::{Metering, sampling, store};

/// How many accounts are read side by side.
const ACCOUNTS_AT_ONCE: usize = 8;

/// Sweeps until shutdown.
pub(crate) async fn run(metering: Arc<Metering>, interval: Duration, soft: CancellationToken) {
    while !soft.is_cancelled() {
        let next = Instant::now() + interval;
        if let Err(error) = sweep(&metering, &soft).await {
            tracing::warn!(%error, "the sweep failed; the next one begins in its turn");
        }
        tokio::select! {
            () = soft.cancelled() => {}
            () = sleep_until(next) => {}
        }
    }
}

/// Reads all accounts, unless another process is doing it.
async fn sweep(metering: &Metering, soft: &CancellationToken) -> Result<(), Failure> {
    // Held by an idle transaction of its own; ending it, also by a crash, gives the lock back.
    let mut lock = metering.pool.begin().await?;
    if !store::accounts::lock_sweep(&mut lock).await? {
        return Ok(());
    }
    let started = Instant::now();
    let accounts = store::accounts::readable(&metering.pool, metering.clock.now() - LATE_FLUSH).await?;
    let total = accounts.len();
    let failed = stream::iter(accounts)
        .take_until(soft.cancelled())
        .map(|account| async move {
            let outcome = sample(metering, &account).await;
            if let Err(error) = &outcome {
                tracing::warn!(s3uid = %account.s3uid, %error, "an account could not be read");
            }
            outcome.is_err()
        })
        .buffer_unordered(ACCOUNTS_AT_ONCE)
        .filter(|failed| std::future::ready(*failed))
        .count()
        .await;
    metrics::histogram!("purser_sweep_seconds").record(started.elapsed().as_secs_f64());
    tracing::debug!(accounts = total, failed, "swept");
    Ok(())
}

async fn sample(metering: &Metering, account: &store::accounts::Account) -> Result<(), Failure> {
    // No connection is held while the store is asked: one that hangs must not take them all.
    let since = store::accounts::measured_or_made_at(&metering.pool, &account.s3uid).await?;
    let sample = sampling::read(metering, &account.s3uid, &account.location, since).await?;
    let mut transaction = metering.pool.begin().await?;
    sampling::write(&mut transaction, &sample).await?;
    Ok(transaction.commit().await?)
}
