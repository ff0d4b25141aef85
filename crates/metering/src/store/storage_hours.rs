//! What was stored over time: `metering.bucket_hours`, `metering.account_hours`.

use std::collections::HashMap;

use history::Failure;
use model::{S3Uid, Timestamp};
use rust_decimal::Decimal;
use sqlx::{PgConnection, PgExecutor};

use crate::domain::storage::StorageHour;

/// A bucket's hour, with what only buckets have.
#[derive(Debug, Clone)]
pub(crate) struct BucketHour {
    pub(crate) storage: StorageHour,
    pub(crate) closing_objects: i64,
    /// The last reading before the hour's first change.
    pub(crate) unchanged_at: Option<Timestamp>,
}

/// The last hour of each of these buckets.
pub(crate) async fn last_of_buckets(
    connection: &mut PgConnection,
    s3uid: &S3Uid,
    names: &[String],
) -> Result<HashMap<String, BucketHour>, Failure> {
    let rows = sqlx::query!(
        r#"SELECT name AS "name!", h.hour, h.byte_seconds, h.opening_bytes, h.peak_bytes, h.closing_bytes,
                  h.closing_objects, h.unchanged_at, h.sampled_at
           FROM UNNEST($2::text[]) AS name
           CROSS JOIN LATERAL (SELECT * FROM metering.bucket_hours
                               WHERE s3uid = $1 AND bucket_name = name ORDER BY hour DESC LIMIT 1) h"#,
        s3uid.as_str(),
        names
    )
    .fetch_all(connection)
    .await?;
    let mut hours = HashMap::new();
    for row in rows {
        let storage = StorageHour {
            hour: row.hour,
            byte_seconds: row.byte_seconds,
            opening_bytes: row.opening_bytes,
            peak_bytes: row.peak_bytes,
            closing_bytes: row.closing_bytes,
            sampled_at: row.sampled_at,
        };
        let hour = BucketHour { storage, closing_objects: row.closing_objects, unchanged_at: row.unchanged_at };
        hours.insert(row.name, hour);
    }
    Ok(hours)
}

/// Writes hours of buckets; one that is there is replaced.
pub(crate) async fn write_buckets(
    connection: &mut PgConnection,
    s3uid: &S3Uid,
    hours: &[(String, BucketHour)],
) -> Result<(), Failure> {
    let column = |value: fn(&BucketHour) -> i64| hours.iter().map(|(_, hour)| value(hour)).collect::<Vec<_>>();
    let names: Vec<String> = hours.iter().map(|(name, _)| name.clone()).collect();
    let begins: Vec<Timestamp> = hours.iter().map(|(_, hour)| hour.storage.hour).collect();
    let byte_seconds: Vec<Decimal> = hours.iter().map(|(_, hour)| hour.storage.byte_seconds).collect();
    let opening: Vec<Option<i64>> = hours.iter().map(|(_, hour)| hour.storage.opening_bytes).collect();
    let unchanged: Vec<Option<Timestamp>> = hours.iter().map(|(_, hour)| hour.unchanged_at).collect();
    let sampled: Vec<Timestamp> = hours.iter().map(|(_, hour)| hour.storage.sampled_at).collect();
    sqlx::query!(
        "INSERT INTO metering.bucket_hours (s3uid, bucket_name, hour, byte_seconds, opening_bytes, peak_bytes,
                                            closing_bytes, closing_objects, unchanged_at, sampled_at)
         SELECT $1, name, hour, byte_seconds, opening, peak, closing, objects, unchanged, sampled
         FROM UNNEST($2::text[], $3::timestamptz[], $4::numeric[], $5::bigint[], $6::bigint[], $7::bigint[],
                     $8::bigint[], $9::timestamptz[], $10::timestamptz[])
              AS h (name, hour, byte_seconds, opening, peak, closing, objects, unchanged, sampled)
         ON CONFLICT (s3uid, bucket_name, hour) DO UPDATE SET byte_seconds = EXCLUDED.byte_seconds,
             opening_bytes = EXCLUDED.opening_bytes, peak_bytes = EXCLUDED.peak_bytes,
             closing_bytes = EXCLUDED.closing_bytes, closing_objects = EXCLUDED.closing_objects,
             unchanged_at = EXCLUDED.unchanged_at, sampled_at = EXCLUDED.sampled_at",
        s3uid.as_str(),
        &names,
        &begins,
        &byte_seconds,
        &opening as &[Option<i64>],
        &column(|hour| hour.storage.peak_bytes),
        &column(|hour| hour.storage.closing_bytes),
        &column(|hour| hour.closing_objects),
        &unchanged as &[Option<Timestamp>],
        &sampled
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The last hour of an account, of those that begin before `before` where that is given.
pub(crate) async fn last_of_account(
    executor: impl PgExecutor<'_>,
    s3uid: &S3Uid,
    before: Option<Timestamp>,
) -> Result<Option<StorageHour>, Failure> {
    Ok(sqlx::query_as!(
        StorageHour,
        r#"SELECT hour, byte_seconds, NULL::bigint AS opening_bytes, peak_bytes, closing_bytes, sampled_at
           FROM metering.account_hours WHERE s3uid = $1 AND ($2::timestamptz IS NULL OR hour < $2)
           ORDER BY hour DESC LIMIT 1"#,
        s3uid.as_str(),
        before
    )
    .fetch_optional(executor)
    .await?)
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

/// Writes an account's hour; one that is there is replaced.
pub(crate) async fn write_account(
    connection: &mut PgConnection,
    s3uid: &S3Uid,
    hour: &StorageHour,
) -> Result<(), Failure> {
    sqlx::query!(
        "INSERT INTO metering.account_hours (s3uid, hour, byte_seconds, peak_bytes, closing_bytes, sampled_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (s3uid, hour) DO UPDATE SET byte_seconds = EXCLUDED.byte_seconds,
             peak_bytes = EXCLUDED.peak_bytes, closing_bytes = EXCLUDED.closing_bytes,
             sampled_at = EXCLUDED.sampled_at",
        s3uid.as_str(),
        hour.hour,
        hour.byte_seconds,
        hour.peak_bytes,
        hour.closing_bytes,
        hour.sampled_at
    )
    .execute(connection)
    .await?;
    Ok(())
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

/// Whether the hour has been published, or all hours at the location up to it are final: it takes no reading any more.
pub(crate) async fn is_closed(
    connection: &mut PgConnection,
    s3uid: &S3Uid,
    location: &str,
    hour: Timestamp,
) -> Result<bool, Failure> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM metering.recorded_hours WHERE s3uid = $1 AND hour >= $3)
               OR EXISTS (SELECT FROM metering.log_watermarks WHERE location = $2 AND final_until > $3) AS "closed!""#,
        s3uid.as_str(),
        location,
        hour
    )
    .fetch_one(connection)
    .await?)
}
