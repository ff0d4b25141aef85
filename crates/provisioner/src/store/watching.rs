//! The part of `provisioner.buckets` that says to which topic the store sends a bucket's changes.

use history::Failure;
use model::{Location, Timestamp};
use sqlx::{PgConnection, PgPool};

use super::accounts::Row;
use crate::domain::account::Account;

/// A bucket whose notification is to be set up, by one process for a while.
#[derive(Debug)]
pub(crate) struct Unwatched {
    pub(crate) account: Account,
    /// Any name that the store allows.
    pub(crate) name: String,
    /// Tells it from a later bucket of the same name.
    created_at: Timestamp,
}

/// Claims buckets of active accounts whose changes aren't sent to `topic`, for nobody else before `until`. The store takes
/// no notification from the owner of a locked account.
pub(crate) async fn claim(
    pool: &PgPool,
    location: &Location,
    topic: &str,
    now: Timestamp,
    until: Timestamp,
    limit: i64,
) -> Result<Vec<Unwatched>, Failure> {
    // Written out for the index, which doesn't know IS DISTINCT FROM.
    let rows = sqlx::query!(
        "WITH due AS (
           SELECT b.location, b.name FROM provisioner.buckets b JOIN provisioner.accounts a ON a.s3uid = b.s3uid
           WHERE b.location = $1 AND b.deleted_at IS NULL AND b.notify_not_before <= $3
               AND (b.notified_topic IS NULL OR b.notified_topic < $2 OR b.notified_topic > $2)
               AND a.state = 'active' AND a.access = 'full' AND a.location = b.location
           ORDER BY b.notify_not_before LIMIT $5 FOR UPDATE OF b SKIP LOCKED
         )
         UPDATE provisioner.buckets b SET notify_not_before = $4
         FROM due, provisioner.accounts a
         WHERE b.location = due.location AND b.name = due.name AND a.s3uid = b.s3uid
         RETURNING b.name, b.created_at, a.s3uid, a.customer_id, a.location, a.quota_bytes, a.access, a.access_key,
             a.sealed_secret_key",
        location.as_str(),
        topic,
        now,
        until,
        limit
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            let account = Row {
                s3uid: row.s3uid,
                customer_id: row.customer_id,
                location: row.location,
                quota_bytes: row.quota_bytes,
                access: row.access,
                access_key: row.access_key,
                sealed_secret_key: row.sealed_secret_key,
            };
            Ok(Unwatched { account: account.try_into()?, name: row.name, created_at: row.created_at })
        })
        .collect()
}

/// Notes where the store sends a bucket's changes now. False: the bucket is gone, or was noted so already.
pub(crate) async fn set_topic(connection: &mut PgConnection, bucket: &Unwatched, topic: &str) -> Result<bool, Failure> {
    let done = sqlx::query!(
        "UPDATE provisioner.buckets SET notified_topic = $4, notify_failures = 0
         WHERE location = $1 AND name = $2 AND created_at = $3 AND deleted_at IS NULL
             AND notified_topic IS DISTINCT FROM $4",
        bucket.account.location.as_str(),
        bucket.name,
        bucket.created_at,
        topic
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes where the store sends the changes of a bucket that is there just now.
pub(crate) async fn set_topic_by_name(
    connection: &mut PgConnection,
    location: &Location,
    name: &str,
    topic: &str,
) -> Result<(), Failure> {
    sqlx::query!(
        "UPDATE provisioner.buckets SET notified_topic = $3, notify_failures = 0
         WHERE location = $1 AND name = $2 AND deleted_at IS NULL",
        location.as_str(),
        name,
        topic
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Gives a claimed bucket back at once: nothing was tried.
pub(crate) async fn give_back(pool: &PgPool, bucket: &Unwatched, now: Timestamp) -> Result<(), Failure> {
    sqlx::query!(
        "UPDATE provisioner.buckets SET notify_not_before = $3 WHERE location = $1 AND name = $2",
        bucket.account.location.as_str(),
        bucket.name,
        now
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Gives a claimed bucket back after a failure: it waits twice as long as before, ten minutes at most.
pub(crate) async fn postpone(pool: &PgPool, bucket: &Unwatched, now: Timestamp) -> Result<(), Failure> {
    sqlx::query!(
        "UPDATE provisioner.buckets SET notify_failures = notify_failures + 1,
             notify_not_before = $3::timestamptz + least(power(2, least(notify_failures, 20)), 600) * interval '1 second'
         WHERE location = $1 AND name = $2",
        bucket.account.location.as_str(),
        bucket.name,
        now
    )
    .execute(pool)
    .await?;
    Ok(())
}
