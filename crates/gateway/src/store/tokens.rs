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
    pub(crate) api_key_id: Option<i64>,
    pub(crate) bound_address: Option<String>,
}

/// What a token stands for. Its revocation is its own or its API key's.
pub(crate) struct TokenRow {
    pub(crate) customer_id: Option<i64>,
    pub(crate) role: String,
    pub(crate) expires_at: Timestamp,
    pub(crate) revoked_at: Option<Timestamp>,
    pub(crate) bound_address: Option<String>,
}

pub(crate) async fn insert(pool: &PgPool, token: NewToken<'_>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO auth.tokens
             (token_sha256, customer_id, role, description, created_at, expires_at, api_key_id, bound_address)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        token.token_sha256,
        token.customer_id,
        token.role,
        token.description,
        token.created_at,
        token.expires_at,
        token.api_key_id,
        token.bound_address
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
        r#"SELECT t.customer_id, t.role, t.expires_at, t.bound_address,
                  coalesce(t.revoked_at, k.revoked_at) AS revoked_at
           FROM auth.tokens t LEFT JOIN auth.api_keys k ON k.id = t.api_key_id
           WHERE t.token_sha256 = $1"#,
        token_sha256
    )
    .fetch_optional(pool)
    .await
}

/// A row as operators see it: without the token, which is kept nowhere.
pub(crate) struct ListedRow {
    pub(crate) digest: String,
    pub(crate) customer_id: Option<i64>,
    pub(crate) role: String,
    pub(crate) description: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) revoked_at: Option<Timestamp>,
    pub(crate) api_key_id: Option<i64>,
    pub(crate) bound_address: Option<String>,
}

/// The newest first; those that count after `valid_after` only, where that is given.
pub(crate) async fn list(
    pool: &PgPool,
    customer_id: Option<i64>,
    valid_after: Option<Timestamp>,
    rows_max: i64,
) -> Result<Vec<ListedRow>, sqlx::Error> {
    sqlx::query_as!(
        ListedRow,
        r#"SELECT left(encode(t.token_sha256, 'hex'), 12) AS "digest!", t.customer_id, t.role, t.description,
                  t.created_at, t.expires_at, t.api_key_id, t.bound_address,
                  coalesce(t.revoked_at, k.revoked_at) AS revoked_at
           FROM auth.tokens t LEFT JOIN auth.api_keys k ON k.id = t.api_key_id
           WHERE ($1::bigint IS NULL OR t.customer_id = $1)
               AND ($2::timestamptz IS NULL
                    OR t.expires_at > $2 AND t.revoked_at IS NULL AND k.revoked_at IS NULL)
           ORDER BY t.created_at DESC, t.token_sha256 LIMIT $3"#,
        customer_id,
        valid_after,
        rows_max
    )
    .fetch_all(pool)
    .await
}

/// Deletes the tokens of logins that expired before `expired_before`; those that operators issued stay.
pub(crate) async fn forget(pool: &PgPool, expired_before: Timestamp) -> Result<u64, sqlx::Error> {
    let done = sqlx::query!("DELETE FROM auth.tokens WHERE api_key_id IS NOT NULL AND expires_at < $1", expired_before)
        .execute(pool)
        .await?;
    Ok(done.rows_affected())
}
