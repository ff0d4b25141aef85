//! Callback keys: 128 random bits that lead to a command, so that its end can be asked for. Kept as SHA-256 only.

use chrono::TimeDelta;
use model::{Principal, Timestamp};
use sqlx::PgPool;
use uuid::Uuid;

use crate::credentials::digest;
use crate::domain::callback::Command;
use crate::store::callbacks::{self, NewCallback};

const TTL: TimeDelta = TimeDelta::days(7);

/// Makes a key that leads to a principal's command, whether that is known yet or not.
pub(crate) async fn register(
    pool: &PgPool,
    principal: Principal,
    message_id: Uuid,
    action: &str,
    now: Timestamp,
) -> Result<String, sqlx::Error> {
    let key = hex::encode(rand::random::<[u8; 16]>());
    let row = NewCallback {
        key_sha256: &digest(&key),
        principal: &principal.actor(),
        message_id,
        action,
        created_at: now,
        expires_at: now + TTL,
    };
    callbacks::insert(pool, row).await?;
    Ok(key)
}

/// Whether a role has taken a command of this principal under this id. Where that can't be told, it counts as new.
pub(crate) async fn is_known(pool: &PgPool, principal: Principal, message_id: Uuid) -> bool {
    callbacks::is_known(pool, &principal.actor(), message_id).await.unwrap_or(false)
}

/// The command that the key with this digest leads to, unless there is no such key any more.
pub(crate) async fn find(pool: &PgPool, digest: &[u8], now: Timestamp) -> Result<Option<Command>, sqlx::Error> {
    callbacks::find(pool, digest, now).await
}
