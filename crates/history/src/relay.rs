//! Publishes a role's outbox: in order per subject, with publisher confirms, one process at a time.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use futures_util::{StreamExt, stream};
use messages::{Envelope, RoleName};
use model::Timestamp;
use sqlx::PgConnection;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::{Failure, Journal, lag, observe};

/// How many rows are read at once.
const BATCH_ROWS: i64 = 512;
/// How many subjects are published side by side.
const SUBJECTS_AT_ONCE: usize = 128;
/// How soon rows that another process committed are noticed.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// How soon a process tries again to become the one that relays.
const STANDBY_INTERVAL: Duration = Duration::from_secs(1);
/// How long a subject rests whose first row can't be published.
const SUBJECT_REST: Duration = Duration::from_secs(5);

/// Why a message isn't published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PublishFailure(pub String);

/// Whoever can publish: confirmed by the broker and, where the envelope is mandatory, taken by a queue.
#[async_trait]
pub trait Publish: Send + Sync {
    /// Publishes one message; `Ok` only when the broker has it safe.
    async fn publish(&self, envelope: &Envelope, body: Vec<u8>) -> Result<(), PublishFailure>;
}

/// How long a reply is tried for.
const REPLIES_TRIED: TimeDelta = TimeDelta::minutes(5);

struct Row {
    id: i64,
    subject: String,
    envelope: serde_json::Value,
    body: String,
    created_at: Timestamp,
}

/// The relay of one role.
#[derive(Debug)]
pub struct Relay<P> {
    journal: Journal,
    publisher: P,
    resting: HashMap<String, Instant>,
}

impl<P: Publish> Relay<P> {
    /// A relay for the outbox of `journal`'s role.
    pub fn new(journal: Journal, publisher: P) -> Self {
        Self { journal, publisher, resting: HashMap::new() }
    }

    /// Relays until `shutdown`; what is in hand then is finished.
    ///
    /// Any number of processes may run it: an advisory lock lets one of them work.
    pub async fn run(mut self, shutdown: CancellationToken) {
        observe::published(self.journal.role, 0);
        let journal = self.journal.clone();
        let relay = async {
            while !shutdown.is_cancelled() {
                if let Err(failure) = self.lead(&shutdown).await {
                    tracing::warn!(error = %failure, "the relay starts again");
                }
                let _ = timeout(STANDBY_INTERVAL, shutdown.cancelled()).await;
            }
        };
        tokio::join!(relay, lag::show(&journal, &shutdown));
    }

    /// Waits for the lock and works until the connection or the process ends.
    async fn lead(&mut self, shutdown: &CancellationToken) -> Result<(), Failure> {
        // A connection of its own, closed on return: closing it gives the lock back.
        let mut connection = self.journal.pool.acquire().await?.detach();
        limit_idleness(&mut connection).await?;
        while !try_lock(&mut connection, self.journal.role).await? {
            if timeout(STANDBY_INTERVAL, shutdown.cancelled()).await.is_ok() {
                return Ok(());
            }
        }
        while !shutdown.is_cancelled() {
            let more = self.publish_batch(&mut connection).await?;
            if !more {
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    () = self.journal.committed.notified() => {}
                    () = tokio::time::sleep(POLL_INTERVAL) => {}
                }
            }
        }
        Ok(())
    }

    /// Publishes what is there, up to a batch; true when there may be more at once.
    async fn publish_batch(&mut self, connection: &mut PgConnection) -> Result<bool, Failure> {
        let now = Instant::now();
        self.resting.retain(|_, until| *until > now);
        let resting: Vec<String> = self.resting.keys().cloned().collect();
        let rows = sqlx::query_as!(
            Row,
            "SELECT id, subject, envelope, body, created_at FROM outbox WHERE NOT (subject = ANY ($1)) ORDER BY id LIMIT $2",
            &resting,
            BATCH_ROWS
        )
        .fetch_all(&mut *connection)
        .await?;
        if rows.is_empty() {
            return Ok(false);
        }
        let mut by_subject: BTreeMap<String, Vec<Row>> = BTreeMap::new();
        for row in rows {
            by_subject.entry(row.subject.clone()).or_default().push(row);
        }
        let (publisher, wall_clock) = (&self.publisher, self.journal.clock.now());
        let outcomes: Vec<(Vec<i64>, Option<String>)> = stream::iter(by_subject)
            .map(|(subject, rows)| publish_in_order(publisher, wall_clock, subject, rows))
            .buffer_unordered(SUBJECTS_AT_ONCE)
            .collect()
            .await;
        let mut done = Vec::new();
        for (ids, blocked) in outcomes {
            done.extend(ids);
            if let Some(subject) = blocked {
                self.resting.insert(subject, now + SUBJECT_REST);
            }
        }
        sqlx::query!("DELETE FROM outbox WHERE id = ANY ($1)", &done).execute(&mut *connection).await?;
        observe::published(self.journal.role, done.len() as u64);
        Ok(!done.is_empty())
    }
}

/// Has the server end a session that has said nothing for a minute: a frozen process must not keep the lock.
async fn limit_idleness(connection: &mut PgConnection) -> Result<(), Failure> {
    sqlx::query_scalar!("SELECT set_config('idle_session_timeout', '60s', false)").fetch_one(connection).await?;
    Ok(())
}

/// Tries to become the one process that relays this role's outbox; the right ends with the connection.
async fn try_lock(connection: &mut PgConnection, role: RoleName) -> Result<bool, Failure> {
    let name = format!("purser.relay.{role}");
    Ok(sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS "locked!""#, name)
        .fetch_one(connection)
        .await?)
}

/// Publishes one subject's rows one after the other. Returns the ids that are done and the subject if it is blocked.
async fn publish_in_order<P: Publish>(
    publisher: &P,
    now: Timestamp,
    subject: String,
    rows: Vec<Row>,
) -> (Vec<i64>, Option<String>) {
    let mut done = Vec::with_capacity(rows.len());
    for row in rows {
        match publish_row(publisher, &row).await {
            Ok(()) => done.push(row.id),
            // Nobody waits for a reply that long, and the answer is saved.
            Err(failure) if subject.starts_with("reply/") && row.created_at < now - REPLIES_TRIED => {
                tracing::info!(error = %failure, "a reply was not delivered");
                done.push(row.id);
            }
            Err(failure) => {
                tracing::warn!(subject, error = %failure, "an outbox row can't be published; its subject waits");
                return (done, Some(subject));
            }
        }
    }
    (done, None)
}

async fn publish_row<P: Publish>(publisher: &P, row: &Row) -> Result<(), PublishFailure> {
    let broken = |error: String| PublishFailure(format!("outbox row {}: {error}", row.id));
    let envelope: Envelope = serde_json::from_value(row.envelope.clone()).map_err(|e| broken(e.to_string()))?;
    let body = messages::Reply::from_json_text(row.body.clone())
        .encode(envelope.encoding)
        .map_err(|error| broken(error.to_string()))?;
    publisher.publish(&envelope, body).await
}
