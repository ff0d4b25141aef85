//! What metering and billing share about an account, in one round trip.

use history::Failure;
use model::{S3Uid, Timestamp};
use sqlx::PgPool;

/// One bucket, known to Purser or found by metering.
pub(crate) struct Bucket {
    pub(crate) name: String,
    pub(crate) usage_bytes: i64,
    pub(crate) objects: i64,
}

/// Traffic of the running period, and when the account was last read.
pub(crate) struct Totals {
    pub(crate) traffic_in_bytes: i64,
    pub(crate) traffic_out_bytes: i64,
    pub(crate) measured_at: Option<Timestamp>,
}

/// The account's buckets by name: those that metering found, and those that Purser made since. One that Purser made
/// and metering no longer finds was deleted over S3; one that Purser has deleted since metering looked is gone.
pub(crate) async fn buckets(pool: &PgPool, s3uid: &S3Uid) -> Result<Vec<Bucket>, Failure> {
    Ok(sqlx::query_as!(
        Bucket,
        r#"SELECT coalesce(b.name, u.bucket_name) AS "name!", coalesce(u.usage_bytes, 0) AS "usage_bytes!",
                  coalesce(u.objects, 0) AS "objects!"
           FROM (SELECT name, created_at, deleted_at FROM provisioner.buckets WHERE s3uid = $1) b
           FULL JOIN (SELECT bucket_name, usage_bytes, objects, measured_at FROM shared.bucket_usage WHERE s3uid = $1) u
             ON u.bucket_name = b.name
           LEFT JOIN shared.measured_accounts m ON m.s3uid = $1
           WHERE CASE WHEN u.bucket_name IS NULL
                      THEN b.deleted_at IS NULL AND b.created_at >= coalesce(m.measured_at, '-infinity')
                      ELSE b.deleted_at IS NULL OR b.deleted_at < greatest(m.measured_at, u.measured_at) END
           ORDER BY 1"#,
        s3uid.as_str()
    )
    .fetch_all(pool)
    .await?)
}

/// Traffic since the running period of the account's service began; since `month_start` where there is no service.
pub(crate) async fn totals(pool: &PgPool, s3uid: &S3Uid, month_start: Timestamp) -> Result<Totals, Failure> {
    Ok(sqlx::query_as!(
        Totals,
        r#"WITH period AS (
             SELECT date_trunc('hour', coalesce((SELECT period_start FROM shared.services WHERE s3uid = $1), $2), 'UTC')
                 AS start_hour
           ), traffic AS (
             -- The hours of the first day, and the days after it.
             SELECT bytes_in, bytes_out FROM shared.traffic_by_hour
             WHERE s3uid = $1 AND hour >= (SELECT start_hour FROM period)
                 AND hour < (SELECT date_trunc('day', start_hour, 'UTC') + interval '1 day' FROM period)
             UNION ALL
             SELECT bytes_in, bytes_out FROM shared.traffic_by_day
             WHERE s3uid = $1 AND day > (SELECT (start_hour AT TIME ZONE 'UTC')::date FROM period)
           )
           SELECT coalesce(sum(bytes_in), 0)::bigint AS "traffic_in_bytes!",
                  coalesce(sum(bytes_out), 0)::bigint AS "traffic_out_bytes!",
                  greatest((SELECT measured_at FROM shared.measured_accounts WHERE s3uid = $1),
                           (SELECT max(measured_at) FROM shared.bucket_usage WHERE s3uid = $1)) AS measured_at
           FROM traffic"#,
        s3uid.as_str(),
        month_start
    )
    .fetch_one(pool)
    .await?)
}
