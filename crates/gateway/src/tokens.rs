//! Tokens: 256 random bits that stand for a principal until they expire or are revoked. Kept as SHA-256 only.

use std::net::IpAddr;

use chrono::TimeDelta;
use model::{Clock, CustomerId, Principal, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use sqlx::PgPool;

use crate::api_keys::ApiKey;
use crate::credentials::{digest, principal, role_text};
use crate::store::tokens::{self, NewToken, TokenRow};

const PREFIX: &str = "ps_";

/// Why a token doesn't count.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// There is no such token.
    #[error("invalid token")]
    Invalid,
    /// It was valid once.
    #[error("token expired")]
    Expired,
    /// It was taken back, or the API key was with which it was got.
    #[error("invalid token: it was revoked")]
    Revoked,
    /// It is valid from another address only.
    #[error("invalid token: bound to another address")]
    Bound,
    /// The database can't say.
    #[error("tokens can't be checked: {0}")]
    Database(#[from] sqlx::Error),
}

/// What a valid token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// Whom it stands for.
    pub principal: Principal,
    /// Until when.
    pub expires_at: Timestamp,
    /// Whether it counts from one address only.
    pub is_bound: bool,
}

/// Makes a token for a principal. It can't be shown again.
///
/// `ttl` must be positive.
pub async fn issue(
    pool: &PgPool,
    principal: Principal,
    ttl: TimeDelta,
    description: Option<&str>,
    clock: &dyn Clock,
) -> Result<SecretString, TokenError> {
    let token = new_token();
    let now = clock.now();
    let row = NewToken {
        token_sha256: &digest(token.expose_secret()),
        customer_id: principal.customer_id().map(|id| id.0),
        role: role_text(principal),
        description,
        created_at: now,
        expires_at: now.checked_add_signed(ttl).unwrap_or(Timestamp::MAX_UTC),
        api_key_id: None,
        bound_address: None,
    };
    tokens::insert(pool, row).await?;
    Ok(token)
}

/// Makes a token for the bearer of an API key, which it never outlives; perhaps for one address only.
pub(crate) async fn log_in(
    pool: &PgPool,
    key: &ApiKey,
    ttl: TimeDelta,
    bound_address: Option<IpAddr>,
    now: Timestamp,
) -> Result<(SecretString, Session), sqlx::Error> {
    let token = new_token();
    let wanted = now.checked_add_signed(ttl).unwrap_or(Timestamp::MAX_UTC);
    let expires_at = key.expires_at.map_or(wanted, |key_expires_at| wanted.min(key_expires_at));
    let row = NewToken {
        token_sha256: &digest(token.expose_secret()),
        customer_id: key.principal.customer_id().map(|id| id.0),
        role: role_text(key.principal),
        description: None,
        created_at: now,
        expires_at,
        api_key_id: Some(key.id),
        bound_address: bound_address.map(|address| address.to_string()),
    };
    tokens::insert(pool, row).await?;
    Ok((token, Session { principal: key.principal, expires_at, is_bound: bound_address.is_some() }))
}

/// Takes a token back; false where there is none, or it was taken back before.
pub async fn revoke(pool: &PgPool, token: &str, clock: &dyn Clock) -> Result<bool, TokenError> {
    Ok(tokens::revoke(pool, &digest(token), clock.now()).await?)
}

/// A token as operators see it: not the token itself, which nobody but its bearer has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownToken {
    /// The first 12 hex digits of its SHA-256, by which whoever holds it can tell which one it is.
    pub digest: String,
    /// Whom it stands for: `customer:7`, `admin:1` or `admin`.
    pub bearer: String,
    /// What it is for.
    pub description: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// When it, or the API key with which it was got, was taken back.
    pub revoked_at: Option<Timestamp>,
    /// The API key with which it was got.
    pub api_key_id: Option<i64>,
    /// The one address from which it counts.
    pub bound_address: Option<String>,
}

/// Tokens of a customer, or all, the newest first; only those that count after `valid_after`, where that is given; at most
/// `rows_max`.
pub async fn list(
    pool: &PgPool,
    customer_id: Option<CustomerId>,
    valid_after: Option<Timestamp>,
    rows_max: i64,
) -> Result<Vec<ShownToken>, sqlx::Error> {
    let rows = tokens::list(pool, customer_id.map(|id| id.0), valid_after, rows_max).await?;
    let shown = rows.into_iter().filter_map(|row| {
        Some(ShownToken {
            bearer: principal(&row.role, row.customer_id)?.actor(),
            digest: row.digest,
            description: row.description,
            created_at: row.created_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            api_key_id: row.api_key_id,
            bound_address: row.bound_address,
        })
    });
    Ok(shown.collect())
}

/// What a token says at this moment to somebody at this address.
pub async fn resolve(pool: &PgPool, token: &str, address: IpAddr, now: Timestamp) -> Result<Session, TokenError> {
    resolve_digest(pool, &digest(token), address, now).await
}

/// [`resolve`] by the token's digest.
pub(crate) async fn resolve_digest(
    pool: &PgPool,
    digest: &[u8],
    address: IpAddr,
    now: Timestamp,
) -> Result<Session, TokenError> {
    session(tokens::find(pool, digest).await?, address, now)
}

fn session(row: Option<TokenRow>, address: IpAddr, now: Timestamp) -> Result<Session, TokenError> {
    let row = row.ok_or(TokenError::Invalid)?;
    if row.revoked_at.is_some() {
        return Err(TokenError::Revoked);
    }
    if row.expires_at <= now {
        return Err(TokenError::Expired);
    }
    if row.bound_address.as_ref().is_some_and(|bound| *bound != address.to_string()) {
        return Err(TokenError::Bound);
    }
    let principal = principal(&row.role, row.customer_id).ok_or(TokenError::Invalid)?;
    Ok(Session { principal, expires_at: row.expires_at, is_bound: row.bound_address.is_some() })
}

fn new_token() -> SecretString {
    format!("{PREFIX}{}", hex::encode(rand::random::<[u8; 32]>())).into()
}
