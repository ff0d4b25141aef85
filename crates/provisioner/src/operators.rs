//! What operators see of accounts and buckets.

use history::Failure;
use model::{CustomerId, Location, S3Uid};
use sqlx::PgPool;

use crate::store;
pub use crate::store::listing::{ShownAccount, ShownBucket};

/// The states that an account can be in.
pub const ACCOUNT_STATES: [&str; 4] = ["active", "deleting", "deleted", "released"];

/// Which accounts are meant: what isn't given doesn't matter.
#[derive(Debug, Clone, Default)]
pub struct AccountFilter {
    /// This customer's.
    pub customer: Option<CustomerId>,
    /// Those in this location.
    pub location: Option<Location>,
    /// Those in this state, one of [`ACCOUNT_STATES`].
    pub state: Option<String>,
}

/// Which buckets are meant: what isn't given doesn't matter.
#[derive(Debug, Clone, Default)]
pub struct BucketFilter {
    /// This customer's.
    pub customer: Option<CustomerId>,
    /// This account's.
    pub account: Option<S3Uid>,
    /// Those in this location.
    pub location: Option<Location>,
}

/// Accounts, also those that are gone, the newest first; at most `rows_max`.
pub async fn accounts(pool: &PgPool, filter: &AccountFilter, rows_max: i64) -> Result<Vec<ShownAccount>, Failure> {
    store::listing::accounts(pool, filter, None, rows_max).await
}

/// One account, also where it is gone.
pub async fn account(pool: &PgPool, s3uid: &S3Uid) -> Result<Option<ShownAccount>, Failure> {
    Ok(store::listing::accounts(pool, &AccountFilter::default(), Some(s3uid), 1).await?.pop())
}

/// Buckets that exist, by name and location; at most `rows_max`.
pub async fn buckets(pool: &PgPool, filter: &BucketFilter, rows_max: i64) -> Result<Vec<ShownBucket>, Failure> {
    store::listing::buckets(pool, filter, None, rows_max).await
}

/// The buckets of this name: one in each location at most.
pub async fn buckets_named(pool: &PgPool, name: &str, filter: &BucketFilter) -> Result<Vec<ShownBucket>, Failure> {
    store::listing::buckets(pool, filter, Some(name), i64::MAX).await
}
