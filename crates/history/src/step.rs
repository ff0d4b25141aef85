//! One transaction: a change of state, its history, the messages that follow from it, the saved reply.

use messages::{Action, CallerAddress, CommandKey, Encoding, Envelope, Event, Reply, Request, Subject};
use model::{CustomerId, Principal, Timestamp};
use serde::Serialize;
use serde_json::Value;
use sqlx::{PgConnection, Postgres, Transaction};
use uuid::Uuid;

use crate::after_commit::AfterCommit;
use crate::{Failure, Journal, observe};

/// How long an answer is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// As long as the journal keeps answers.
    ForDays,
    /// For ever: a paid order keeps its key.
    ForEver,
}

/// Something that happened, as it enters the history and is published.
#[derive(Debug)]
pub struct Record<'a, D> {
    /// For example `bucket.created`.
    pub event: &'static str,
    /// What it is about.
    pub subject: Subject,
    /// Whom it concerns.
    pub customer_id: Option<CustomerId>,
    /// Who did it: [`Principal::actor`], or the role's name.
    pub actor: &'a str,
    /// One readable sentence, without secrets.
    pub description: String,
    /// The event's own fields, without secrets.
    pub data: &'a D,
    /// W3C trace context of the command behind it.
    pub traceparent: Option<&'a str>,
}

/// The columns of several records.
#[derive(Debug, Default)]
struct Columns {
    subjects: Vec<String>,
    ids: Vec<Uuid>,
    times: Vec<Timestamp>,
    sources: Vec<String>,
    events: Vec<String>,
    customers: Vec<Option<i64>>,
    actors: Vec<String>,
    descriptions: Vec<String>,
    data: Vec<Value>,
    traceparents: Vec<Option<String>>,
    envelopes: Vec<Value>,
    bodies: Vec<Value>,
}

impl Columns {
    async fn insert(&self, connection: &mut PgConnection) -> Result<(), Failure> {
        // Subjects are locked in an order that all agree on.
        sqlx::query!(
            r#"WITH given AS (
                 SELECT * FROM UNNEST($1::text[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[], $6::bigint[],
                                      $7::text[], $8::text[], $9::jsonb[], $10::text[], $11::jsonb[], $12::jsonb[])
                     WITH ORDINALITY AS r (subject, event_id, recorded_at, source, event, customer_id, actor,
                                           description, data, traceparent, envelope, body, place)
               ), newest AS (
                 INSERT INTO subject_versions AS v (subject, version)
                 SELECT subject, count(*) FROM given GROUP BY subject ORDER BY subject
                 ON CONFLICT (subject) DO UPDATE SET version = v.version + EXCLUDED.version
                 RETURNING subject, version
               ), versioned AS (
                 SELECT given.*, version + 1 - row_number() OVER (PARTITION BY subject ORDER BY place DESC) AS version
                 FROM given JOIN newest USING (subject)
               ), entry AS (
                 INSERT INTO history.entries (event_id, recorded_at, source, event, subject, subject_version,
                                              customer_id, actor, description, data, traceparent)
                 SELECT event_id, recorded_at, source, event, subject, version, customer_id, actor, description, data,
                        traceparent
                 FROM versioned ORDER BY place
               )
               INSERT INTO outbox (subject, envelope, body, created_at)
               SELECT subject, envelope, (body || jsonb_build_object('subject_version', version))::text, recorded_at
               FROM versioned ORDER BY place"#,
            &self.subjects,
            &self.ids,
            &self.times,
            &self.sources,
            &self.events,
            &self.customers as &[Option<i64>],
            &self.actors,
            &self.descriptions,
            &self.data,
            &self.traceparents as &[Option<String>],
            &self.envelopes,
            &self.bodies
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}

/// An open transaction. Dropped without [`Step::commit`], it leaves nothing behind.
#[derive(Debug)]
pub struct Step {
    journal: Journal,
    transaction: Transaction<'static, Postgres>,
    has_outbox_rows: bool,
    traceparent: Option<String>,
    after_commit: AfterCommit,
}

impl Step {
    pub(crate) fn new(journal: Journal, transaction: Transaction<'static, Postgres>) -> Self {
        Self { journal, transaction, has_outbox_rows: false, traceparent: None, after_commit: AfterCommit::default() }
    }

    /// The connection, for the role's own SQL in this transaction.
    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }

    /// What this step records and sends follows from a message with this W3C trace context, unless it says otherwise.
    pub fn continue_trace(&mut self, traceparent: Option<String>) {
        self.traceparent = traceparent;
    }

    /// Has something counted once this step has committed, and never where it hasn't.
    pub fn after_commit(&mut self, act: impl FnOnce() + Send + Sync + 'static) {
        self.after_commit.add(act);
    }

    /// The present moment by the role's clock.
    pub fn now(&self) -> Timestamp {
        self.journal.clock.now()
    }

    /// Notes that a command was taken. False: it was taken before, and this step must not do it again.
    ///
    /// Two equal commands at once: the second waits here until the first has committed or failed.
    pub async fn accept(&mut self, key: &CommandKey, request: &Request, fingerprint: &[u8]) -> Result<bool, Failure> {
        let now = self.now();
        let done = sqlx::query!(
            "INSERT INTO answered_commands (principal, message_id, action, fingerprint, received_at, traceparent)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
            key.principal,
            key.message_id,
            request.action,
            fingerprint,
            now,
            request.traceparent
        )
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Saves the reply to a command.
    pub async fn answer(&mut self, key: &CommandKey, reply: &Reply, keep: Keep) -> Result<(), Failure> {
        self.save(key, reply, keep).await.map(drop)
    }

    /// Saves a reply; returns when its command was taken, `None` where it never was.
    async fn save(&mut self, key: &CommandKey, reply: &Reply, keep: Keep) -> Result<Option<Timestamp>, Failure> {
        let now = self.now();
        let expires_at = match keep {
            Keep::ForDays => Some(now + self.journal.answers_kept),
            Keep::ForEver => None,
        };
        let sealed =
            if reply.is_secret() { Some(self.journal.sealer()?.seal(key, reply.as_json_text())) } else { None };
        let received_at = sqlx::query_scalar!(
            "UPDATE answered_commands SET reply = $3, sealed_reply = $4, answered_at = $5, expires_at = $6
             WHERE principal = $1 AND message_id = $2 RETURNING received_at",
            key.principal,
            key.message_id,
            sealed.is_none().then(|| reply.as_json_text()),
            sealed,
            now,
            expires_at
        )
        .fetch_optional(self.connection())
        .await?;
        Ok(received_at)
    }

    /// Notes that a caller waits for a command that a later event answers. False: it has been answered meanwhile.
    pub async fn wait(&mut self, key: &CommandKey, caller: &CallerAddress) -> Result<bool, Failure> {
        let encoding = caller.encoding.content_type();
        let done = sqlx::query!(
            "INSERT INTO waiting_callers (principal, message_id, reply_to, correlation_id, encoding)
             SELECT principal, message_id, $3, $4, $5 FROM answered_commands
             WHERE principal = $1 AND message_id = $2 AND answered_at IS NULL FOR UPDATE
             ON CONFLICT DO NOTHING",
            key.principal,
            key.message_id,
            caller.reply_to,
            caller.correlation_id.as_deref().unwrap_or_default(),
            encoding
        )
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Saves the reply and sends it, by the outbox, to everyone who waits for it.
    pub async fn answer_waiting(
        &mut self,
        key: &CommandKey,
        action: &str,
        reply: &Reply,
        keep: Keep,
    ) -> Result<(), Failure> {
        if let Some(taken) = self.save(key, reply, keep).await? {
            let (message_type, after) = (action.to_owned(), self.now() - taken);
            self.after_commit(move || observe::answered(&message_type, after));
        }
        let callers = sqlx::query!(
            "DELETE FROM waiting_callers WHERE principal = $1 AND message_id = $2
             RETURNING reply_to, correlation_id, encoding",
            key.principal,
            key.message_id
        )
        .fetch_all(self.connection())
        .await?;
        for row in callers {
            let caller = CallerAddress {
                reply_to: row.reply_to,
                correlation_id: Some(row.correlation_id).filter(|id| !id.is_empty()),
                encoding: Encoding::from_content_type(Some(&row.encoding)).unwrap_or_default(),
            };
            // A subject of its own: a caller who has gone must not hold up anything else.
            let subject = format!("reply/{}", Uuid::now_v7());
            self.enqueue(&subject, &Envelope::reply(&caller, action), reply.as_json_text().to_owned()).await?;
        }
        Ok(())
    }

    /// Adds an entry to the history and, with it, the event to the outbox.
    pub async fn record<D: Serialize>(&mut self, record: Record<'_, D>) -> Result<(), Failure> {
        let (actor, traceparent) = (record.actor, self.trace_of(record.traceparent));
        let event = self.event(record)?;
        let envelope = serde_json::to_value(Envelope::event(&event, traceparent.as_deref()))?;
        let body = serde_json::to_value(&event)?;
        self.has_outbox_rows = true;
        sqlx::query!(
            r#"WITH version AS (
                 INSERT INTO subject_versions AS v (subject, version) VALUES ($1, 1)
                 ON CONFLICT (subject) DO UPDATE SET version = v.version + 1
                 RETURNING version
               ), entry AS (
                 INSERT INTO history.entries (event_id, recorded_at, source, event, subject, subject_version,
                                              customer_id, actor, description, data, traceparent)
                 SELECT $2, $3, $4, $5, $1, version, $6, $7, $8, $9, $10 FROM version
               )
               INSERT INTO outbox (subject, envelope, body, created_at)
               SELECT $1, $11, ($12::jsonb || jsonb_build_object('subject_version', version))::text, $3 FROM version"#,
            event.subject,
            event.id,
            event.time,
            event.source,
            event.event,
            event.customer_id.map(|id| id.0),
            actor,
            event.description,
            event.data,
            traceparent,
            envelope,
            body
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// The same as [`Step::record`] for several, in this order, with one statement. Several may be about one subject.
    pub async fn record_all<'a, D: Serialize + 'a>(
        &mut self,
        records: impl IntoIterator<Item = Record<'a, D>>,
    ) -> Result<(), Failure> {
        let mut columns = Columns::default();
        for record in records {
            let (actor, traceparent) = (record.actor.to_owned(), self.trace_of(record.traceparent));
            let event = self.event(record)?;
            columns.envelopes.push(serde_json::to_value(Envelope::event(&event, traceparent.as_deref()))?);
            columns.bodies.push(serde_json::to_value(&event)?);
            columns.actors.push(actor);
            columns.traceparents.push(traceparent);
            columns.subjects.push(event.subject);
            columns.ids.push(event.id);
            columns.times.push(event.time);
            columns.sources.push(event.source);
            columns.events.push(event.event);
            columns.customers.push(event.customer_id.map(|id| id.0));
            columns.descriptions.push(event.description);
            columns.data.push(event.data);
        }
        if columns.ids.is_empty() {
            return Ok(());
        }
        self.has_outbox_rows = true;
        columns.insert(self.connection()).await
    }

    /// Adds an event to the outbox that is no entry of the history, because the role's own tables keep what it says.
    pub async fn publish<D: Serialize>(&mut self, record: Record<'_, D>) -> Result<(), Failure> {
        let traceparent = self.trace_of(record.traceparent);
        let event = self.event(record)?;
        let envelope = serde_json::to_value(Envelope::event(&event, traceparent.as_deref()))?;
        let body = serde_json::to_value(&event)?;
        self.has_outbox_rows = true;
        sqlx::query!(
            "WITH version AS (
               INSERT INTO subject_versions AS v (subject, version) VALUES ($1, 1)
               ON CONFLICT (subject) DO UPDATE SET version = v.version + 1
               RETURNING version
             )
             INSERT INTO outbox (subject, envelope, body, created_at)
             SELECT $1, $2, ($3::jsonb || jsonb_build_object('subject_version', version))::text, $4 FROM version",
            event.subject,
            envelope,
            body,
            event.time
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    fn event<D: Serialize>(&self, record: Record<'_, D>) -> Result<Event, Failure> {
        Ok(Event {
            id: Uuid::now_v7(),
            source: format!("/purser/{}", self.journal.role),
            event: record.event.to_owned(),
            subject: record.subject.to_string(),
            subject_version: 0,
            time: self.now(),
            customer_id: record.customer_id,
            description: record.description,
            data: serde_json::to_value(record.data)?,
        })
    }

    /// Sends a command to another role, by the outbox. The principal is the one for whom the command is done.
    pub async fn send<A: Action>(
        &mut self,
        subject: &Subject,
        principal: Principal,
        message_id: Uuid,
        deadline: Option<Timestamp>,
        traceparent: Option<&str>,
        parameters: &A,
    ) -> Result<(), Failure> {
        let mut body = serde_json::to_value(parameters)?;
        body["principal"] = serde_json::to_value(principal)?;
        let traceparent = self.trace_of(traceparent);
        let envelope = Envelope::action::<A>(message_id, deadline, traceparent.as_deref());
        self.enqueue(&subject.to_string(), &envelope, body.to_string()).await
    }

    fn trace_of(&self, own: Option<&str>) -> Option<String> {
        own.map(str::to_owned).or_else(|| self.traceparent.clone())
    }

    async fn enqueue(&mut self, subject: &str, envelope: &Envelope, body: String) -> Result<(), Failure> {
        let envelope = serde_json::to_value(envelope)?;
        let now = self.now();
        self.has_outbox_rows = true;
        sqlx::query!(
            "INSERT INTO outbox (subject, envelope, body, created_at) VALUES ($1, $2, $3, $4)",
            subject,
            envelope,
            body,
            now
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Gives everything in this step up; what it has locked is free at once, and not whenever the connection gets round to it.
    pub async fn rollback(self) -> Result<(), Failure> {
        Ok(self.transaction.rollback().await?)
    }

    /// Makes everything in this step true at once, and wakes the relay.
    pub async fn commit(self) -> Result<(), Failure> {
        self.transaction.commit().await?;
        self.after_commit.run();
        if self.has_outbox_rows {
            self.journal.committed.notify_one();
        }
        Ok(())
    }
}
