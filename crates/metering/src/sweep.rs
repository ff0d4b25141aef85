//! The sweep: every account is read once per interval, by one process per location at a time, spread over the interval.
//! It finds what no notification told of.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::{Stream, StreamExt, stream};
use history::Failure;
use model::{Location, S3Uid};
use tokio::time::{Instant, interval as ticks, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::{Metering, observe, sampling, store};

/// How many accounts are read side by side.
const ACCOUNTS_AT_ONCE: usize = 8;
/// How many marked accounts are looked up at once.
const BATCH: i64 = 500;
/// How many others have their turn together at most.
const BATCH_MAX: u128 = 5_000;
/// How often it is looked whose turn has come; what changes meanwhile is read once.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// A timer needs some time.
const PACE_MIN: Duration = Duration::from_micros(1);
/// How long an account that could not be read stands back: one turn.
const STAND_BACK: Duration = PAUSE_MAX;

/// Accounts that could not be read, and when; they must not keep others from their turn.
type Failed = HashMap<String, Instant>;

/// Sweeps a location until shutdown.
pub(crate) async fn run(metering: Arc<Metering>, location: Location, interval: Duration, soft: CancellationToken) {
    let mut failed = Failed::new();
    while !soft.is_cancelled() {
        let next = Instant::now() + PAUSE_MAX.min(interval);
        failed.retain(|_, since| since.elapsed() < STAND_BACK);
        let outcome = sweep(&metering, &location, interval, &mut failed, &soft).await;
        let is_available = metering.locations.get(&location).is_ok_and(|found| found.store.is_available());
        if !is_available {
            failed.clear();
        }
        observe::available(&location, is_available);
        if let Err(error) = outcome {
            tracing::warn!(%location, %error, "the sweep was interrupted; it goes on with the next turn");
        }
        tokio::select! {
            () = soft.cancelled() => {}
            () = sleep_until(next) => {}
        }
    }
}

/// Reads the accounts whose turn has come, unless another process is doing it.
async fn sweep(
    metering: &Metering,
    location: &Location,
    interval: Duration,
    failed: &mut Failed,
    soft: &CancellationToken,
) -> Result<(), Failure> {
    // Held by an idle transaction of its own; ending it, also by a crash, gives the lock back.
    let mut lock = metering.pool.begin().await?;
    if !store::accounts::lock_sweep(&mut lock, location).await? {
        return Ok(());
    }
    let done = read_due(metering, location, interval, failed, soft).await;
    // At once, and not whenever the connection gets round to it.
    lock.rollback().await?;
    done
}

async fn read_due(
    metering: &Metering,
    location: &Location,
    interval: Duration,
    failed: &mut Failed,
    soft: &CancellationToken,
) -> Result<(), Failure> {
    let now = metering.clock.now();
    let mut others: Vec<String> = failed.keys().cloned().collect();
    let marked = store::accounts::marked(&metering.pool, location, &others, BATCH).await?;
    others.extend(marked.iter().map(S3Uid::to_string));
    let total = u32::try_from(store::accounts::count(&metering.pool, location).await?).unwrap_or(u32::MAX);
    // Twice as fast as it need be, so that what was missed is caught up with.
    let pace = (interval / total.max(1) / 2).max(PACE_MIN);
    let turn = (PAUSE_MAX.as_micros() / pace.as_micros()).clamp(1, BATCH_MAX);
    let unread_since = now - TimeDelta::from_std(interval).unwrap_or(TimeDelta::MAX);
    let turn = i64::try_from(turn).unwrap_or(BATCH);
    let due = store::accounts::due(&metering.pool, location, unread_since, &others, turn).await?;
    let pace_of_marked = pace_of_marked(marked.len(), PAUSE_MAX.min(interval));
    let accounts = stream::select(paced(marked, pace_of_marked), paced(due, pace));
    read_all(metering, location, accounts, failed, soft).await
}

/// Marked accounts are spread over the turn, because a burst of readings keeps commands waiting; not where there are more
/// than one turn takes.
fn pace_of_marked(count: usize, turn: Duration) -> Duration {
    match u32::try_from(count) {
        Ok(count) if i64::from(count) < BATCH => (turn / count.max(1)).max(PACE_MIN),
        _ => PACE_MIN,
    }
}

/// Reads accounts; those that fail are still due.
async fn read_all(
    metering: &Metering,
    location: &Location,
    accounts: impl Stream<Item = S3Uid>,
    failed: &mut Failed,
    soft: &CancellationToken,
) -> Result<(), Failure> {
    let started = Instant::now();
    let failures: Vec<(S3Uid, Failure)> = accounts
        .take_until(soft.cancelled())
        .map(|s3uid| async move {
            let outcome = sampling::sample(metering, &s3uid, location, None).await;
            outcome.err().map(|error| (s3uid, error))
        })
        .buffer_unordered(ACCOUNTS_AT_ONCE)
        .filter_map(std::future::ready)
        .collect()
        .await;
    observe::swept(started.elapsed());
    failed.extend(failures.iter().map(|(s3uid, _)| (s3uid.to_string(), Instant::now())));
    failures.into_iter().next().map_or(Ok(()), |(_, failure)| Err(failure))
}

/// One item after the other, no faster than `pace`.
fn paced<T>(items: Vec<T>, pace: Duration) -> impl Stream<Item = T> {
    stream::unfold((items.into_iter(), ticks(pace)), |(mut items, mut ticks)| async move {
        let item = items.next()?;
        ticks.tick().await;
        Some((item, (items, ticks)))
    })
}
