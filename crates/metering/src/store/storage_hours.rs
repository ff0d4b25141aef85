//! What was stored over time: `metering.bucket_hours`, `metering.account_hours`.

use history::Failure;
use model::{S3Uid, Timestamp};
use rust_decimal::Decimal;
use sqlx::PgExecutor;

use crate::domain::storage::StorageHour;

/// A bucket's hour, with what only buckets have.
#[derive(Debug, Clone)]
pub(crate) struct BucketHour {
    pub(crate) storage: StorageHour,
    pub(crate) closing_objects: i64,
    /// The last reading before the hour's first change.
    pub(crate) unchanged_at: Option<Timestamp>,
}

/// An account's hours in a period, and the last one before it.
pub(crate) async fn of_account(
    executor: impl PgExecutor<'_>,
    s3uid: &S3Uid,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<StorageHour>, Failure> {
    Ok(sqlx::query_as!(
        StorageHour,
        r#"SELECT hour, byte_seconds, NULL::bigint AS opening_bytes, peak_bytes, closing_bytes, sampled_at
           FROM metering.account_hours
           WHERE s3uid = $1 AND hour < $3
               AND hour >= coalesce((SELECT max(hour) FROM metering.account_hours WHERE s3uid = $1 AND hour < $2), $2)
           ORDER BY hour"#,
        s3uid.as_str(),
        from,
        to
    )
    .fetch_all(executor)
    .await?)
}

/// What a bucket held in a period.
pub(crate) struct HeldByBucket {
    pub(crate) bucket_name: String,
    pub(crate) byte_seconds: Decimal,
    pub(crate) peak_bytes: i64,
    pub(crate) closing_bytes: i64,
}

/// What an account's buckets held in a period, by name; those that held nothing are left out.
pub(crate) async fn by_bucket(
    executor: impl PgExecutor<'_>,
    s3uid: &S3Uid,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<HeldByBucket>, Failure> {
    Ok(sqlx::query_as!(
        HeldByBucket,
        r#"WITH hours AS (
             SELECT DISTINCT ON (bucket_name) * FROM metering.bucket_hours
             WHERE s3uid = $1 AND hour < $2 ORDER BY bucket_name, hour DESC
           ), all_hours AS (
             SELECT * FROM hours
             UNION ALL SELECT * FROM metering.bucket_hours WHERE s3uid = $1 AND hour >= $2 AND hour < $3
           ), held AS (
             SELECT *, coalesce(lead(hour) OVER (PARTITION BY bucket_name ORDER BY hour), $3) AS until FROM all_hours
           )
           SELECT bucket_name AS "bucket_name!",
                  sum(CASE WHEN hour >= $2 THEN byte_seconds + closing_bytes * extract(epoch FROM until - sampled_at)
                           ELSE closing_bytes * extract(epoch FROM until - $2) END) AS "byte_seconds!",
                  max(CASE WHEN hour >= $2 THEN peak_bytes ELSE closing_bytes END) AS "peak_bytes!",
                  (array_agg(closing_bytes ORDER BY hour DESC))[1] AS "closing_bytes!"
           FROM held GROUP BY bucket_name
           HAVING max(CASE WHEN hour >= $2 THEN peak_bytes ELSE closing_bytes END) > 0 ORDER BY bucket_name"#,
        s3uid.as_str(),
        from,
        to
    )
    .fetch_all(executor)
    .await?)
}
