//! Intents: what is about to be done outside the database, by one attempt at a time.

use std::time::Duration;

use chrono::TimeDelta;
use messages::{CommandKey, Request};
use serde_json::Value;
use tokio::time::Instant;

use crate::{Failure, Journal, Step};

/// The right of one attempt to work on an intent, until its time runs out.
#[derive(Debug, Clone)]
pub struct Lease {
    pub(crate) subject: String,
    pub(crate) key: CommandKey,
    pub(crate) attempt: i32,
    until: Instant,
}

impl Lease {
    fn new(subject: String, key: &CommandKey, attempt: i32, lasts: TimeDelta, taken: Instant) -> Self {
        let until = taken + lasts.to_std().unwrap_or(Duration::ZERO);
        Self { subject, key: key.clone(), attempt, until }
    }

    /// To be asked before each call outside: a process that was frozen and overtaken must not touch anything.
    pub fn check(&self) -> Result<(), Failure> {
        if Instant::now() < self.until { Ok(()) } else { Err(self.overtaken()) }
    }

    /// Whether an earlier attempt of the same command may have got somewhere.
    pub fn is_repeated(&self) -> bool {
        self.attempt > 1
    }

    pub(crate) fn overtaken(&self) -> Failure {
        Failure::Busy(format!("attempt {} at {} was overtaken", self.attempt, self.subject))
    }
}

/// An intent whose attempt has gone silent.
#[derive(Debug)]
pub struct ExpiredIntent {
    /// What it is about.
    pub subject: String,
    /// The command behind it.
    pub request: Request,
}

/// How beginning a command went.
pub(crate) enum Slot {
    /// The slot is this attempt's.
    Leased(Lease),
    /// The command was taken before.
    KnownCommand,
    /// Another command holds it.
    Held,
}

/// How taking over an intent went.
pub(crate) enum Taken {
    /// The slot is this attempt's.
    Leased(Lease, Value),
    /// It is somebody else's for now.
    Busy,
    /// The command has no intent (any more).
    None,
}

impl Step {
    /// Notes that a command was taken, and takes its subject's slot, at once.
    pub(crate) async fn accept_with_slot(
        &mut self,
        lease: TimeDelta,
        subject: &str,
        key: &CommandKey,
        request: &Request,
        fingerprint: &[u8],
    ) -> Result<Slot, Failure> {
        let now = self.now();
        let taken = Instant::now();
        let done = sqlx::query!(
            r#"WITH accepted AS (
                 INSERT INTO answered_commands (principal, message_id, action, fingerprint, received_at, traceparent)
                 VALUES ($1, $2, $3, $4, $5, $9) ON CONFLICT DO NOTHING RETURNING 1
               ), slot AS (
                 INSERT INTO intents (subject, principal, message_id, attempt, lease_until, request, plan, created_at)
                 SELECT $6, $1, $2, 1, $7, $8, 'null', $5 FROM accepted ON CONFLICT (subject) DO NOTHING RETURNING 1
               )
               SELECT EXISTS (SELECT FROM accepted) AS "is_new!", EXISTS (SELECT FROM slot) AS "is_free!""#,
            key.principal,
            key.message_id,
            request.action,
            fingerprint,
            now,
            subject,
            now + lease,
            serde_json::to_value(request)?,
            request.traceparent
        )
        .fetch_one(self.connection())
        .await?;
        Ok(match (done.is_new, done.is_free) {
            (false, _) => Slot::KnownCommand,
            (true, false) => Slot::Held,
            (true, true) => Slot::Leased(Lease::new(subject.to_owned(), key, 1, lease, taken)),
        })
    }

    /// Takes the subject's slot for a command that was just noted as taken.
    pub(crate) async fn take_slot(
        &mut self,
        lease: TimeDelta,
        subject: &str,
        key: &CommandKey,
        request: &Request,
    ) -> Result<Slot, Failure> {
        let now = self.now();
        let taken = Instant::now();
        let done = sqlx::query!(
            "INSERT INTO intents (subject, principal, message_id, attempt, lease_until, request, plan, created_at)
             VALUES ($1, $2, $3, 1, $4, $5, 'null', $6) ON CONFLICT (subject) DO NOTHING",
            subject,
            key.principal,
            key.message_id,
            now + lease,
            serde_json::to_value(request)?,
            now
        )
        .execute(self.connection())
        .await?;
        let is_free = done.rows_affected() == 1;
        Ok(if is_free { Slot::Leased(Lease::new(subject.to_owned(), key, 1, lease, taken)) } else { Slot::Held })
    }

    /// Writes what is about to be done into the slot.
    pub(crate) async fn put_plan(&mut self, lease: &Lease, plan: &Value) -> Result<(), Failure> {
        sqlx::query!("UPDATE intents SET plan = $2 WHERE subject = $1", lease.subject, plan)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Gives the slot back. False: the attempt was overtaken, and this step must not commit.
    pub(crate) async fn free_slot(&mut self, lease: &Lease) -> Result<bool, Failure> {
        // By the command, too: each command of the subject counts its attempts from one.
        let done = sqlx::query!(
            "DELETE FROM intents WHERE principal = $1 AND message_id = $2 AND attempt = $3",
            lease.key.principal,
            lease.key.message_id,
            lease.attempt
        )
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }
}

impl Journal {
    /// Takes over the intent of a command whose attempt has gone silent.
    pub(crate) async fn resume(&self, key: &CommandKey) -> Result<Taken, Failure> {
        let now = self.clock.now();
        let taken = Instant::now();
        let row = sqlx::query!(
            r#"WITH resumed AS (
                 UPDATE intents SET attempt = attempt + 1, lease_until = $3
                 WHERE principal = $1 AND message_id = $2 AND lease_until <= $4
                 RETURNING subject, attempt, plan
               )
               SELECT i.subject AS "subject!", r.attempt AS "attempt?", r.plan AS "plan?"
               FROM intents i LEFT JOIN resumed r ON r.subject = i.subject
               WHERE i.principal = $1 AND i.message_id = $2"#,
            key.principal,
            key.message_id,
            now + self.lease,
            now
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(match row {
            None => Taken::None,
            Some(row) => match (row.attempt, row.plan) {
                (Some(attempt), Some(plan)) => {
                    tracing::warn!(subject = row.subject, attempts = attempt, "resuming an intent");
                    Taken::Leased(Lease::new(row.subject, key, attempt, self.lease, taken), plan)
                }
                _ => Taken::Busy,
            },
        })
    }

    /// Lets the next attempt begin at once, after this one has failed.
    pub(crate) async fn release(&self, lease: &Lease) -> Result<(), Failure> {
        let now = self.clock.now();
        sqlx::query!(
            "UPDATE intents SET lease_until = $4 WHERE principal = $1 AND message_id = $2 AND attempt = $3",
            lease.key.principal,
            lease.key.message_id,
            lease.attempt,
            now
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Intents that nobody has worked on for a while after their lease ran out, oldest first.
    ///
    /// The while is `silence` and doubles with each attempt, up to ten minutes: a store that is away is not hammered.
    pub async fn expired_intents(&self, silence: TimeDelta, limit: i64) -> Result<Vec<ExpiredIntent>, Failure> {
        let rows = sqlx::query!(
            "SELECT subject, request FROM intents
             WHERE lease_until <= $1::timestamptz - least($2::float8 * power(2, least(attempt, 20) - 1), 600)
                   * interval '1 second'
             ORDER BY lease_until LIMIT $3",
            self.clock.now(),
            silence.as_seconds_f64(),
            limit
        )
        .fetch_all(&self.pool)
        .await?;
        let readable = rows.into_iter().filter_map(|row| match serde_json::from_value(row.request) {
            Ok(request) => Some(ExpiredIntent { subject: row.subject, request }),
            Err(error) => {
                tracing::error!(subject = row.subject, %error, "an intent can't be read; a person must look");
                None
            }
        });
        Ok(readable.collect())
    }
}
