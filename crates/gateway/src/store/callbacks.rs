//! `auth.callbacks`, and what has become of their commands: the view `shared.commands`.

use model::Timestamp;
use sqlx::PgPool;
use uuid::Uuid;

use crate::domain::callback::Command;

/// A row to be written.
pub(crate) struct NewCallback<'a> {
    pub(crate) key_sha256: &'a [u8],
    pub(crate) principal: &'a str,
    pub(crate) message_id: Uuid,
    pub(crate) action: &'a str,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
}

pub(crate) async fn insert(pool: &PgPool, callback: NewCallback<'_>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO auth.callbacks (key_sha256, principal, message_id, action, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
        callback.key_sha256,
        callback.principal,
        callback.message_id,
        callback.action,
        callback.created_at,
        callback.expires_at
    )
    .execute(pool)
    .await
    .map(drop)
}

/// The command that a key leads to, unless the key has expired.
pub(crate) async fn find(pool: &PgPool, key_sha256: &[u8], now: Timestamp) -> Result<Option<Command>, sqlx::Error> {
    sqlx::query_as!(
        Command,
        r#"SELECT k.action, (c.answered_at IS NOT NULL) AS "is_answered!", c.reply AS "reply?",
                  coalesce(c.is_secret, false) AS "is_secret!",
                  c.objects_total AS "objects_total?", c.objects_deleted AS "objects_deleted?"
           FROM auth.callbacks k
           LEFT JOIN shared.commands c
               ON c.principal = k.principal AND c.message_id = k.message_id AND c.action = k.action
           WHERE k.key_sha256 = $1 AND k.expires_at > $2"#,
        key_sha256,
        now
    )
    .fetch_optional(pool)
    .await
}

/// Whether there is a command of this principal under this id.
pub(crate) async fn is_known(pool: &PgPool, principal: &str, message_id: Uuid) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM shared.commands WHERE principal = $1 AND message_id = $2) AS "known!""#,
        principal,
        message_id
    )
    .fetch_one(pool)
    .await
}

/// Deletes the keys that have expired.
pub(crate) async fn forget(pool: &PgPool, now: Timestamp) -> Result<u64, sqlx::Error> {
    let done = sqlx::query!("DELETE FROM auth.callbacks WHERE expires_at <= $1", now).execute(pool).await?;
    Ok(done.rows_affected())
}
