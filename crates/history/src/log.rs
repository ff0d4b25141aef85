//! Reading the history.

use messages::Subject;
use model::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use crate::Failure;

/// One entry of the history.
#[derive(Debug, Clone, PartialEq)]
pub struct LogEntry {
    /// Grows with time.
    pub id: i64,
    /// For example `bucket.created`.
    pub event: String,
    /// One readable sentence.
    pub description: String,
    /// When it was recorded.
    pub recorded_at: Timestamp,
}

/// The entries about a subject, newest first.
pub async fn read_log(pool: &PgPool, subject: &Subject, limit: i64, offset: i64) -> Result<Vec<LogEntry>, Failure> {
    let subject = subject.to_string();
    Ok(sqlx::query_as!(
        LogEntry,
        "SELECT id, event, description, recorded_at FROM history.entries
         WHERE subject = $1 ORDER BY id DESC LIMIT $2 OFFSET $3",
        subject,
        limit,
        offset
    )
    .fetch_all(pool)
    .await?)
}

/// One entry of the history with all that is known of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FullEntry {
    /// Grows with time.
    pub id: i64,
    /// The event's id, `ce-id` on the wire.
    pub event_id: Uuid,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Which role recorded it: `/purser/billing`.
    pub source: String,
    /// For example `bucket.created`.
    pub event: String,
    /// What it is about, such as `account/…`.
    pub subject: String,
    /// Grows by one with each entry about the subject.
    pub subject_version: i64,
    /// Whose it is.
    pub customer_id: Option<i64>,
    /// Who did it.
    pub actor: String,
    /// One readable sentence.
    pub description: String,
    /// What the event says.
    pub data: Value,
    /// The W3C trace context of what led to it.
    pub traceparent: Option<String>,
}

/// Which entries are wanted; what is absent decides nothing.
#[derive(Debug, Clone)]
pub struct LogFilter {
    /// About this: `account/…`, `plan/1`.
    pub subject: Option<String>,
    /// Of this customer.
    pub customer_id: Option<i64>,
    /// This event, or all whose name begins so where it ends in a dot.
    pub event: Option<String>,
    /// With this trace id: 32 hex digits.
    pub trace_id: Option<String>,
    /// From this moment on.
    pub from: Timestamp,
    /// Before this moment.
    pub until: Timestamp,
}

/// The entries that match, newest first.
pub async fn find_entries(pool: &PgPool, filter: &LogFilter, limit: i64) -> Result<Vec<FullEntry>, Failure> {
    Ok(sqlx::query_as!(
        FullEntry,
        "SELECT id, event_id, recorded_at, source, event, subject, subject_version, customer_id, actor, description, data,
                traceparent
         FROM history.entries
         WHERE recorded_at >= $1 AND recorded_at < $2 AND ($3::text IS NULL OR subject = $3)
           AND ($4::bigint IS NULL OR customer_id = $4)
           AND ($5::text IS NULL OR event = $5 OR ($5 LIKE '%.' AND starts_with(event, $5)))
           AND ($6::text IS NULL OR substr(traceparent, 4, 32) = $6)
         ORDER BY id DESC LIMIT $7",
        filter.from,
        filter.until,
        filter.subject,
        filter.customer_id,
        filter.event,
        filter.trace_id,
        limit
    )
    .fetch_all(pool)
    .await?)
}

/// A command that a role took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenCommand {
    /// The role.
    pub role: String,
    /// The action.
    pub action: String,
    /// Who asked: `customer:7`, `admin`.
    pub principal: String,
    /// Its id.
    pub message_id: Uuid,
    /// When it was taken.
    pub received_at: Timestamp,
    /// When its reply was saved.
    pub answered_at: Option<Timestamp>,
    /// Why it was refused, where it was.
    pub refusal: Option<String>,
}

/// The commands with a trace id (32 hex digits) or a message id, taken since a moment, oldest first; as the database's owner.
pub async fn find_commands(
    pool: &PgPool,
    trace_id: &str,
    message_id: Option<Uuid>,
    since: Timestamp,
) -> Result<Vec<TakenCommand>, Failure> {
    Ok(sqlx::query_as!(
        TakenCommand,
        r#"SELECT role AS "role!", action AS "action!", principal AS "principal!", message_id AS "message_id!",
                  received_at AS "received_at!", answered_at,
                  CASE WHEN (reply::jsonb ->> 'code')::integer NOT BETWEEN 200 AND 299
                       THEN reply::jsonb ->> 'message' END AS refusal
           FROM (SELECT 'provisioner' AS role, * FROM provisioner.answered_commands
                 UNION ALL SELECT 'metering', * FROM metering.answered_commands
                 UNION ALL SELECT 'billing', * FROM billing.answered_commands) AS taken
           WHERE received_at >= $3 AND (substr(traceparent, 4, 32) = $1 OR message_id = $2)
           ORDER BY received_at"#,
        trace_id,
        message_id,
        since
    )
    .fetch_all(pool)
    .await?)
}

/// The trace id of the command with a message id, taken since a moment.
pub async fn trace_of_command(pool: &PgPool, message_id: Uuid, since: Timestamp) -> Result<Option<String>, Failure> {
    Ok(sqlx::query_scalar!(
        r#"SELECT substr(traceparent, 4, 32) AS "trace_id!"
           FROM (SELECT * FROM provisioner.answered_commands
                 UNION ALL SELECT * FROM metering.answered_commands
                 UNION ALL SELECT * FROM billing.answered_commands) AS taken
           WHERE received_at >= $2 AND message_id = $1 AND traceparent IS NOT NULL LIMIT 1"#,
        message_id,
        since
    )
    .fetch_optional(pool)
    .await?)
}
