//! The last reading of each bucket and account: `metering.measured_accounts`, `metering.bucket_usage`.

use history::Failure;
use model::{S3Uid, Timestamp};
use sqlx::{PgConnection, PgExecutor};

/// Locks an account against other readings until the end of the transaction, and tells when it was last read whole: when
/// it was made, if never. `None`: there is no such account.
pub(crate) async fn lock(connection: &mut PgConnection, s3uid: &S3Uid) -> Result<Option<Timestamp>, Failure> {
    if let Some(measured_at) = lock_known(&mut *connection, s3uid).await? {
        return Ok(Some(measured_at));
    }
    lock_all(&mut *connection, &[s3uid.to_string()]).await?;
    lock_known(connection, s3uid).await
}

async fn lock_known(connection: &mut PgConnection, s3uid: &S3Uid) -> Result<Option<Timestamp>, Failure> {
    Ok(sqlx::query_scalar!(
        "SELECT measured_at FROM metering.measured_accounts WHERE s3uid = $1 FOR UPDATE",
        s3uid.as_str()
    )
    .fetch_optional(connection)
    .await?)
}

/// Locks several accounts, in an order that all agree on.
pub(crate) async fn lock_all(connection: &mut PgConnection, s3uids: &[String]) -> Result<(), Failure> {
    sqlx::query!(
        "INSERT INTO metering.measured_accounts (s3uid, measured_at)
         SELECT s3uid, created_at FROM shared.accounts WHERE s3uid = ANY ($1) ORDER BY s3uid ON CONFLICT DO NOTHING",
        s3uids
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "SELECT s3uid FROM metering.measured_accounts WHERE s3uid = ANY ($1) ORDER BY s3uid FOR UPDATE",
        s3uids
    )
    .fetch_all(connection)
    .await?;
    Ok(())
}

/// Notes that something of these accounts has changed and could not be read.
pub(crate) async fn mark_stale(
    executor: impl PgExecutor<'_>,
    s3uids: &[String],
    now: Timestamp,
) -> Result<(), Failure> {
    sqlx::query!("UPDATE metering.measured_accounts SET stale_since = $2 WHERE s3uid = ANY ($1)", s3uids, now)
        .execute(executor)
        .await?;
    Ok(())
}

/// Has an account read at the sweep's next turn.
pub(crate) async fn mark_due(connection: &mut PgConnection, s3uid: &S3Uid, now: Timestamp) -> Result<(), Failure> {
    let done =
        sqlx::query!("UPDATE metering.measured_accounts SET stale_since = $2 WHERE s3uid = $1", s3uid.as_str(), now)
            .execute(&mut *connection)
            .await?;
    if done.rows_affected() == 0 {
        let s3uids = [s3uid.to_string()];
        lock_all(&mut *connection, &s3uids).await?;
        mark_stale(connection, &s3uids, now).await?;
    }
    Ok(())
}

/// When an account, or a bucket of it, was last read. `None`: never.
pub(crate) async fn measured_at(executor: impl PgExecutor<'_>, s3uid: &S3Uid) -> Result<Option<Timestamp>, Failure> {
    Ok(sqlx::query_scalar!(
        "SELECT greatest((SELECT measured_at FROM metering.measured_accounts WHERE s3uid = $1),
                         (SELECT max(measured_at) FROM metering.bucket_usage WHERE s3uid = $1))",
        s3uid.as_str()
    )
    .fetch_one(executor)
    .await?)
}

/// Forgets an account that never was a customer's.
pub(crate) async fn forget(connection: &mut PgConnection, s3uid: &S3Uid) -> Result<(), Failure> {
    sqlx::query!(
        "WITH buckets AS (DELETE FROM metering.bucket_usage WHERE s3uid = $1),
              bucket_hours AS (DELETE FROM metering.bucket_hours WHERE s3uid = $1),
              account_hours AS (DELETE FROM metering.account_hours WHERE s3uid = $1),
              records AS (DELETE FROM metering.usage_records WHERE s3uid = $1),
              traffic AS (DELETE FROM metering.traffic_days WHERE s3uid = $1),
              days AS (DELETE FROM metering.storage_days WHERE s3uid = $1),
              quota AS (DELETE FROM metering.quota_thresholds WHERE s3uid = $1)
         DELETE FROM metering.measured_accounts WHERE s3uid = $1",
        s3uid.as_str()
    )
    .execute(connection)
    .await?;
    Ok(())
}
