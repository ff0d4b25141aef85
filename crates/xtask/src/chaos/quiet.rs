//! Waiting until nothing is under way any more, and what the broker counted on the way there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail};
use test_support::broker::Management;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::arena::{Arena, EVENTS_QUEUE};

/// The longest wait of a retry is ten minutes.
const QUIET_LIMIT: Duration = Duration::from_mins(25);
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// More than a run leaves behind.
const PARKED_MAX: u32 = 20_000;
/// The broker's counts lag behind.
const QUIET_POLLS: u32 = 5;
const OPEN_WORK: &str = "SELECT
    (SELECT count(*) FROM provisioner.outbox) + (SELECT count(*) FROM metering.outbox)
        + (SELECT count(*) FROM billing.outbox),
    (SELECT count(*) FROM provisioner.intents) + (SELECT count(*) FROM metering.intents)
        + (SELECT count(*) FROM billing.intents),
    (SELECT count(*) FROM provisioner.purges WHERE finished_at IS NULL),
    (SELECT count(*) FROM billing.orders WHERE state NOT IN ('completed', 'failed')),
    (SELECT count(*) FROM billing.services WHERE state = 'running' AND next_invoice_at <= now())";

/// Waits until no message waits for a worker or for its next attempt, and no work is noted in the database.
pub(super) async fn wait(arena: &Arena) -> Result<Duration> {
    let (started, mut quiet_polls) = (Instant::now(), 0);
    while quiet_polls < QUIET_POLLS {
        let open = open_work(arena).await?;
        quiet_polls = if open.is_empty() { quiet_polls + 1 } else { 0 };
        if started.elapsed() > QUIET_LIMIT {
            bail!("it doesn't come to rest: {}", open.join(", "));
        }
        sleep(POLL_INTERVAL).await;
    }
    Ok(started.elapsed())
}

async fn open_work(arena: &Arena) -> Result<Vec<String>> {
    let mut open = Vec::new();
    for queue in arena.management()?.queues(arena.deployment.name()).await? {
        let is_kept = queue.name.ends_with(".parked") || queue.name == "s3.history" || queue.name == EVENTS_QUEUE;
        if !is_kept && queue.messages.is_none_or(|messages| messages > 0) {
            open.push(format!("{:?} messages in {}", queue.messages, queue.name));
        }
    }
    let counts = arena.sql(OPEN_WORK).await?;
    for (count, what) in counts.split('|').zip(["outbox rows", "intents", "purges", "orders", "invoices"]) {
        if count != "0" {
            open.push(format!("{count} {what}"));
        }
    }
    Ok(open)
}

/// What lies parked in the end.
#[derive(Debug, Default)]
pub(super) struct Parked {
    /// Refused commands whose publisher had named nobody to tell: kept for a person, as promised.
    pub(super) refused_unheard: BTreeSet<Uuid>,
    /// All others, by queue and reason.
    pub(super) others: BTreeMap<String, u64>,
}

/// Reads the parking places; those in `unheard` may lie there as refused.
pub(super) async fn parked(arena: &Arena, unheard: &BTreeSet<Uuid>) -> Result<Parked> {
    let management = arena.management()?;
    let mut parked = Parked::default();
    for role in bus::WORKER_ROLES {
        let queue = format!("s3.{role}.parked");
        for message in management.take(arena.deployment.name(), &queue, PARKED_MAX).await? {
            let properties = &message["properties"];
            let text = |name: &str| properties["headers"][name].as_str().unwrap_or("?").to_owned();
            let id = properties["message_id"].as_str().and_then(|id| id.parse().ok());
            let reason = text("x-parked-reason");
            if let Some(id) = id.filter(|id| reason == "refused-unheard" && unheard.contains(id)) {
                parked.refused_unheard.insert(id);
                continue;
            }
            let kind = properties["type"].as_str().unwrap_or("?");
            *parked.others.entry(format!("{queue}: {kind}: {reason}: {}", text("x-parked-detail"))).or_default() += 1;
        }
    }
    Ok(parked)
}

/// Adds up how often the broker delivered messages again; it begins to count anew with each start.
#[derive(Debug, Clone, Default)]
pub(super) struct Redeliveries(Arc<Mutex<(u64, u64)>>);

impl Redeliveries {
    /// Counts for ever; to be aborted.
    pub(super) async fn count(self, management: Management, vhost: String) {
        loop {
            if let Ok(counted) = management.redelivered(&vhost).await {
                let now = counted.values().sum();
                let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                let (before, last) = *seen;
                *seen = if now < last { (before + last, now) } else { (before, now) };
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    pub(super) fn total(&self) -> u64 {
        let (before, last) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        before + last
    }
}
