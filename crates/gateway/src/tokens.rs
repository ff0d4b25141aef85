//! Tokens: 256 random bits that stand for a principal until they expire or are revoked. Kept as SHA-256 only.

use chrono::TimeDelta;
use model::{Clock, CustomerId, Principal, PrincipalRole, Timestamp};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use sqlx::PgPool;

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
    /// It was taken back.
    #[error("invalid token: it was revoked")]
    Revoked,
    /// The database can't say.
    #[error("tokens can't be checked: {0}")]
    Database(#[from] sqlx::Error),
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
    let token = format!("{PREFIX}{}", hex::encode(rand::random::<[u8; 32]>()));
    let now = clock.now();
    let row = NewToken {
        token_sha256: &digest(&token),
        customer_id: principal.customer_id().map(|id| id.0),
        role: match principal.role() {
            PrincipalRole::Customer => "customer",
            PrincipalRole::Admin => "admin",
        },
        description,
        created_at: now,
        expires_at: now.checked_add_signed(ttl).unwrap_or(Timestamp::MAX_UTC),
    };
    tokens::insert(pool, row).await?;
    Ok(token.into())
}

/// Takes a token back; false where there is none, or it was taken back before.
pub async fn revoke(pool: &PgPool, token: &str, clock: &dyn Clock) -> Result<bool, TokenError> {
    Ok(tokens::revoke(pool, &digest(token), clock.now()).await?)
}

/// Whom a token stands for at this moment.
pub async fn resolve(pool: &PgPool, token: &str, now: Timestamp) -> Result<Principal, TokenError> {
    principal(tokens::find(pool, &digest(token)).await?, now)
}

fn principal(row: Option<TokenRow>, now: Timestamp) -> Result<Principal, TokenError> {
    let row = row.ok_or(TokenError::Invalid)?;
    if row.revoked_at.is_some() {
        return Err(TokenError::Revoked);
    }
    if row.expires_at <= now {
        return Err(TokenError::Expired);
    }
    match (row.role.as_str(), row.customer_id.map(CustomerId)) {
        ("admin", customer_id) => Ok(Principal::Admin(customer_id)),
        ("customer", Some(customer_id)) => Ok(Principal::Customer(customer_id)),
        _ => Err(TokenError::Invalid),
    }
}

fn digest(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}
