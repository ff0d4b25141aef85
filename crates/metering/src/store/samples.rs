//! The last reading of each bucket and account: `metering.bucket_usage`, `metering.measured_accounts`.

use history::Failure;
use model::{S3Uid, Timestamp};
use object_store::BucketUsage;
use sqlx::{PgConnection, PgExecutor};

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Locks an account against other readings until the end of the transaction, and tells when it was last read whole: when
/// it was made, if never. `None`: there is no such account.
pub(crate) async fn lock(connection: &mut PgConnection, s3uid: &S3Uid) -> Result<Option<Timestamp>, Failure> {
    lock_all(&mut *connection, &[s3uid.to_string()]).await?;
    Ok(sqlx::query_scalar!("SELECT measured_at FROM metering.measured_accounts WHERE s3uid = $1", s3uid.as_str())
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

/// Notes that an account was read whole.
pub(crate) async fn mark_measured(
    connection: &mut PgConnection,
    s3uid: &S3Uid,
    measured_at: Timestamp,
) -> Result<(), Failure> {
    sqlx::query!(
        "UPDATE metering.measured_accounts SET measured_at = $2,
             stale_since = CASE WHEN stale_since > $2 THEN stale_since END
         WHERE s3uid = $1",
        s3uid.as_str(),
        measured_at
    )
    .execute(connection)
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
    let s3uids = [s3uid.to_string()];
    lock_all(&mut *connection, &s3uids).await?;
    mark_stale(connection, &s3uids, now).await
}

/// A bucket as it was last read.
#[derive(Debug, Clone)]
pub(crate) struct KnownBucket {
    pub(crate) name: String,
    pub(crate) usage_bytes: i64,
    pub(crate) usage_actual_bytes: i64,
    pub(crate) objects: i64,
    pub(crate) measured_at: Timestamp,
}

impl KnownBucket {
    /// Whether a reading found the very same.
    pub(crate) fn is_as(&self, bucket: &BucketUsage) -> bool {
        (self.usage_bytes, self.usage_actual_bytes, self.objects)
            == (bucket.usage.to_i64(), bucket.size_actual.to_i64(), count(bucket.objects))
    }
}

/// The account's buckets, the one called `only` where that is given.
pub(crate) async fn known(
    connection: &mut PgConnection,
    s3uid: &S3Uid,
    only: Option<&str>,
) -> Result<Vec<KnownBucket>, Failure> {
    Ok(sqlx::query_as!(
        KnownBucket,
        "SELECT bucket_name AS name, usage_bytes, usage_actual_bytes, objects, measured_at FROM metering.bucket_usage
         WHERE s3uid = $1 AND ($2::text IS NULL OR bucket_name = $2)",
        s3uid.as_str(),
        only
    )
    .fetch_all(connection)
    .await?)
}

/// Writes what was read of buckets, and forgets those that are `gone`.
pub(crate) async fn write(
    connection: &mut PgConnection,
    s3uid: &S3Uid,
    buckets: &[&BucketUsage],
    gone: &[String],
    measured_at: Timestamp,
) -> Result<(), Failure> {
    let names: Vec<String> = buckets.iter().map(|bucket| bucket.name.clone()).collect();
    let usage: Vec<i64> = buckets.iter().map(|bucket| bucket.usage.to_i64()).collect();
    let actual: Vec<i64> = buckets.iter().map(|bucket| bucket.size_actual.to_i64()).collect();
    let objects: Vec<i64> = buckets.iter().map(|bucket| count(bucket.objects)).collect();
    sqlx::query!(
        "WITH gone AS (DELETE FROM metering.bucket_usage WHERE s3uid = $1 AND bucket_name = ANY ($7))
         INSERT INTO metering.bucket_usage (s3uid, bucket_name, usage_bytes, usage_actual_bytes, objects, measured_at)
         SELECT $1, name, usage, actual, objects, $6
         FROM UNNEST($2::text[], $3::bigint[], $4::bigint[], $5::bigint[]) AS sample (name, usage, actual, objects)
         ON CONFLICT (s3uid, bucket_name) DO UPDATE SET usage_bytes = EXCLUDED.usage_bytes,
             usage_actual_bytes = EXCLUDED.usage_actual_bytes, objects = EXCLUDED.objects,
             measured_at = EXCLUDED.measured_at",
        s3uid.as_str(),
        &names,
        &usage,
        &actual,
        &objects,
        measured_at,
        gone
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// What all of an account's buckets hold together.
pub(crate) struct Totals {
    pub(crate) usage_bytes: i64,
    /// As RGW counts for quotas.
    pub(crate) usage_actual_bytes: i64,
}

/// What an account stores, as last read.
pub(crate) async fn totals(connection: &mut PgConnection, s3uid: &S3Uid) -> Result<Totals, Failure> {
    Ok(sqlx::query_as!(
        Totals,
        r#"SELECT coalesce(sum(usage_bytes), 0)::bigint AS "usage_bytes!",
                  coalesce(sum(usage_actual_bytes), 0)::bigint AS "usage_actual_bytes!"
           FROM metering.bucket_usage WHERE s3uid = $1"#,
        s3uid.as_str()
    )
    .fetch_one(connection)
    .await?)
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

/// Which of these buckets Purser knows: made by it, or taken over, and not deleted.
pub(crate) async fn managed(
    connection: &mut PgConnection,
    s3uid: &S3Uid,
    names: &[String],
) -> Result<Vec<String>, Failure> {
    Ok(sqlx::query_scalar!(
        r#"SELECT name AS "name!" FROM shared.buckets WHERE s3uid = $1 AND NOT is_deleted AND name = ANY ($2)"#,
        s3uid.as_str(),
        names
    )
    .fetch_all(connection)
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
