//! `auth.api_keys`.

use model::Timestamp;
use sqlx::PgPool;

/// A row to be written.
pub(crate) struct NewApiKey<'a> {
    pub(crate) key_sha256: &'a [u8],
    pub(crate) customer_id: Option<i64>,
    pub(crate) role: &'static str,
    pub(crate) description: Option<&'a str>,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
}

/// A row, without what it can be recognised by.
pub(crate) struct ApiKeyRow {
    pub(crate) id: i64,
    pub(crate) customer_id: Option<i64>,
    pub(crate) role: String,
    pub(crate) description: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) revoked_at: Option<Timestamp>,
}

/// Returns the row's id.
pub(crate) async fn insert(pool: &PgPool, key: NewApiKey<'_>) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        "INSERT INTO auth.api_keys (key_sha256, customer_id, role, description, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
        key.key_sha256,
        key.customer_id,
        key.role,
        key.description,
        key.created_at,
        key.expires_at
    )
    .fetch_one(pool)
    .await
}

/// Whether there was such a key that wasn't revoked yet.
pub(crate) async fn revoke(pool: &PgPool, id: i64, now: Timestamp) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!("UPDATE auth.api_keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL", id, now)
        .execute(pool)
        .await?;
    Ok(done.rows_affected() > 0)
}

pub(crate) async fn find(pool: &PgPool, key_sha256: &[u8]) -> Result<Option<ApiKeyRow>, sqlx::Error> {
    sqlx::query_as!(
        ApiKeyRow,
        "SELECT id, customer_id, role, description, created_at, expires_at, revoked_at
         FROM auth.api_keys WHERE key_sha256 = $1",
        key_sha256
    )
    .fetch_optional(pool)
    .await
}

/// All of them, oldest first.
pub(crate) async fn list(pool: &PgPool) -> Result<Vec<ApiKeyRow>, sqlx::Error> {
    sqlx::query_as!(
        ApiKeyRow,
        "SELECT id, customer_id, role, description, created_at, expires_at, revoked_at FROM auth.api_keys ORDER BY id"
    )
    .fetch_all(pool)
    .await
}
