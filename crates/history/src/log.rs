//! Reading the history.

use messages::Subject;
use model::Timestamp;
use sqlx::PgPool;

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
