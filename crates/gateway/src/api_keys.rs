//! API keys: what programs log in with to get tokens. Kept as SHA-256 only.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use model::{Clock, Principal, Timestamp};
use secrecy::SecretString;
use serde::Serialize;
use sqlx::PgPool;

use crate::credentials::{digest, principal, role_text};
use crate::store::api_keys::{self, ApiKeyRow, NewApiKey};

const PREFIX: &str = "pk_";

/// An API key as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApiKey {
    /// What it is called by.
    pub id: i64,
    /// Whom it stands for.
    pub principal: Principal,
    /// What it is for.
    pub description: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
}

/// Makes a key for a principal, valid for `ttl`, or until it is revoked; returns its id, too.
///
/// The key can't be shown again. `ttl` must be positive.
pub async fn issue(
    pool: &PgPool,
    principal: Principal,
    ttl: Option<TimeDelta>,
    description: Option<&str>,
    clock: &dyn Clock,
) -> Result<(i64, SecretString), sqlx::Error> {
    let key = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()));
    let now = clock.now();
    let row = NewApiKey {
        key_sha256: &digest(&key),
        customer_id: principal.customer_id().map(|id| id.0),
        role: role_text(principal),
        description,
        created_at: now,
        expires_at: ttl.map(|ttl| now.checked_add_signed(ttl).unwrap_or(Timestamp::MAX_UTC)),
    };
    Ok((api_keys::insert(pool, row).await?, key.into()))
}

/// Takes a key back, and every token with it; false where there is none, or it was taken back before.
pub async fn revoke(pool: &PgPool, id: i64, clock: &dyn Clock) -> Result<bool, sqlx::Error> {
    api_keys::revoke(pool, id, clock.now()).await
}

/// All keys, also those that ended, oldest first.
pub async fn list(pool: &PgPool) -> Result<Vec<ApiKey>, sqlx::Error> {
    Ok(api_keys::list(pool).await?.into_iter().filter_map(api_key).collect())
}

/// The key of this text, if it counts at this moment.
pub(crate) async fn find_valid(pool: &PgPool, key: &str, now: Timestamp) -> Result<Option<ApiKey>, sqlx::Error> {
    let key = api_keys::find(pool, &digest(key)).await?.and_then(api_key);
    Ok(key.filter(|key| key.revoked_at.is_none() && key.expires_at.is_none_or(|expires_at| expires_at > now)))
}

fn api_key(row: ApiKeyRow) -> Option<ApiKey> {
    let ApiKeyRow { id, customer_id, role, description, created_at, expires_at, revoked_at } = row;
    Some(ApiKey { id, principal: principal(&role, customer_id)?, description, created_at, expires_at, revoked_at })
}
