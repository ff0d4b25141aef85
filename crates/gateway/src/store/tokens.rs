//! `auth.tokens`.

use model::Timestamp;
use sqlx::PgPool;

/// A row to be written.
pub(crate) struct NewToken<'a> {
    pub(crate) token_sha256: &'a [u8],
    pub(crate) customer_id: Option<i64>,
    pub(crate) role: &'static str,
    pub(crate) description: Option<&'a str>,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
}

/// What a token stands for.
pub(crate) struct TokenRow {
    pub(crate) customer_id: Option<i64>,
    pub(crate) role: String,
    pub(crate) expires_at: Timestamp,
    pub(crate) revoked_at: Option<Timestamp>,
}

pub(crate) async fn insert(pool: &PgPool, token: NewToken<'_>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO auth.tokens (token_sha256, customer_id, role, description, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
        token.token_sha256,
        token.customer_id,
        token.role,
        token.description,
        token.created_at,
        token.expires_at
    )
    .execute(pool)
    .await
    .map(drop)
}

/// Whether there was such a token that wasn't revoked yet.
pub(crate) async fn revoke(pool: &PgPool, token_sha256: &[u8], now: Timestamp) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE auth.tokens SET revoked_at = $2 WHERE token_sha256 = $1 AND revoked_at IS NULL",
        token_sha256,
        now
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() > 0)
}

pub(crate) async fn find(pool: &PgPool, token_sha256: &[u8]) -> Result<Option<TokenRow>, sqlx::Error> {
    sqlx::query_as!(
        TokenRow,
        "SELECT customer_id, role, expires_at, revoked_at FROM auth.tokens WHERE token_sha256 = $1",
        token_sha256
    )
    .fetch_optional(pool)
    .await
}
