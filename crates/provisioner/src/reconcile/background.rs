//! Comparing everything now and then, slowly, in one process at a time, and telling what is new and what is over.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join_all;
use history::{Failure, Record, Step};
use messages::{DriftDetected, DriftKind, EventData, Subject};
use model::{CustomerId, Location, S3Uid};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::compare::{Compared, Comparer, Trouble};
use super::{PAGE, SETTLED_FOR};
use crate::{Provisioner, observe, store};

/// How often it is looked whether a comparison is due.
const CHECK_INTERVAL: Duration = Duration::from_mins(1);
/// Between two accounts: what the stores can bear, and how slow it gets at most.
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How much is written down in one transaction.
const NOTED_AT_ONCE: usize = 100;

/// Compares every `interval`, and shows what was found, until shutdown. A walk that is cut off is begun anew later.
pub(crate) async fn run(provisioner: Arc<Provisioner>, interval: Duration, soft: CancellationToken) {
    let check = CHECK_INTERVAL.min(interval);
    let compare = async {
        loop {
            sleep(check).await;
            if let Err(failure) = round(&provisioner, interval).await {
                tracing::warn!(error = %failure, "database and object stores can't be compared");
            }
        }
    };
    let show = async {
        loop {
            if let Err(failure) = show(&provisioner).await {
                tracing::warn!(error = %failure, "differences can't be counted");
            }
            sleep(check).await;
        }
    };
    tokio::select! {
        () = compare => {}
        () = show => {}
        () = soft.cancelled() => {}
    }
}

/// Compares the locations whose time has come, unless another process is at it.
async fn round(provisioner: &Provisioner, interval: Duration) -> Result<(), Failure> {
    let (pool, now) = (&provisioner.pool, provisioner.clock.now());
    let period = TimeDelta::from_std(interval).unwrap_or(TimeDelta::MAX);
    let mut due = Vec::new();
    for location in provisioner.places.keys() {
        let begun = store::reconcile::last_begun(pool, location).await?;
        if begun.is_none_or(|begun| now - begun >= period) {
            due.push(location);
        }
    }
    if due.is_empty() {
        return Ok(());
    }
    // Out of the pool for as long as it takes; closing it gives the turn back.
    let mut turn = pool.acquire().await?.detach();
    if !store::reconcile::take_turn(&mut turn).await? {
        return Ok(());
    }
    join_all(due.into_iter().map(|location| async move {
        let walk = Walk {
            provisioner,
            comparer: Comparer { provisioner, settled_for: Some(SETTLED_FOR.min(period)) },
            location,
            interval,
        };
        if let Err(trouble) = walk.all().await {
            tracing::warn!(%location, error = ?trouble, "a location can't be compared");
        }
    }))
    .await;
    Ok(())
}

struct Walk<'a> {
    provisioner: &'a Provisioner,
    comparer: Comparer<'a>,
    location: &'a Location,
    interval: Duration,
}

impl Walk<'_> {
    async fn all(&self) -> Result<(), Trouble> {
        let (pool, begun) = (&self.provisioner.pool, self.provisioner.clock.now());
        let store = self.comparer.store(self.location).await?;
        store::reconcile::begin(pool, self.location, begun).await?;
        let accounts = store::reconcile::count(pool, self.location).await?;
        // Done well before the next time.
        let pause = (self.interval / accounts.saturating_add(1) / 2).clamp(PAUSE_MIN, PAUSE_MAX);
        let mut after = String::new();
        loop {
            let page = store::reconcile::page(pool, self.location, &after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.to_string();
            for s3uid in &page {
                sleep(pause).await;
                match self.comparer.account(store, s3uid).await {
                    Ok(Compared::Done(found)) => self.note(&found, Some(s3uid)).await?,
                    Ok(Compared::NotActive | Compared::Skipped) => {}
                    Err(Trouble::Account(error)) => {
                        tracing::warn!(%s3uid, error, "an account can't be compared");
                    }
                    Err(trouble) => return Err(trouble),
                }
            }
        }
        let extra = self.comparer.extra_users(store, self.location).await?;
        for some in extra.chunks(NOTED_AT_ONCE) {
            self.note(some, None).await?;
        }
        let mut step = self.provisioner.journal.step().await?;
        for (drift, customer_id) in store::drifts::take_stale(step.connection(), self.location, begun).await? {
            record_resolved(&mut step, &drift, customer_id, "provisioner").await?;
        }
        Ok(step.commit().await?)
    }

    /// Writes down what was found, and what is over of an account that was compared whole.
    async fn note(&self, found: &[DriftDetected], compared: Option<&S3Uid>) -> Result<(), Failure> {
        let mut step = self.provisioner.journal.step().await?;
        let now = step.now();
        for drift in found {
            if store::drifts::note(step.connection(), drift, now).await? {
                let customer_id = match &drift.s3uid {
                    Some(s3uid) => store::accounts::customer(step.connection(), s3uid).await?,
                    None => None,
                };
                let what = format!("{} of {}: database and RGW don't agree", drift.kind, drift.subject);
                record(&mut step, DriftDetected::EVENT, what, drift, customer_id, "provisioner").await?;
            }
        }
        if let Some(s3uid) = compared {
            let over = store::drifts::take_resolved(step.connection(), self.location, s3uid, now).await?;
            for (drift, customer_id) in over {
                record_resolved(&mut step, &drift, customer_id, "provisioner").await?;
            }
        }
        step.commit().await
    }
}

/// Records that database and store agree about something again.
pub(super) async fn record_resolved(
    step: &mut Step,
    drift: &DriftDetected,
    customer_id: Option<CustomerId>,
    actor: &str,
) -> Result<(), Failure> {
    let what = format!("{} of {}: database and RGW agree again", drift.kind, drift.subject);
    record(step, "drift.resolved", what, drift, customer_id, actor).await
}

async fn record(
    step: &mut Step,
    event: &'static str,
    description: String,
    drift: &DriftDetected,
    customer_id: Option<CustomerId>,
    actor: &str,
) -> Result<(), Failure> {
    let subject = match &drift.s3uid {
        Some(s3uid) => Subject::Account(s3uid.clone()),
        None => Subject::Location(drift.location.clone()),
    };
    step.record(Record { event, subject, customer_id, actor, description, data: drift, traceparent: None }).await
}

/// Shows how many differences there are, whichever process found them.
async fn show(provisioner: &Provisioner) -> Result<(), Failure> {
    let counts = store::drifts::counts(&provisioner.pool).await?;
    for location in provisioner.places.keys() {
        for kind in DriftKind::ALL {
            let found = counts.iter().find(|(place, name, _)| place == location.as_str() && name == kind.as_str());
            let count = found.map_or(0, |(_, _, count)| u32::try_from(*count).unwrap_or(u32::MAX));
            observe::drifts(location, kind, count);
        }
    }
    Ok(())
}
