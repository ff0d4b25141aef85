//! What metering and billing share about an account, with the account, in one round trip.

use history::Failure;
use messages::Scope;
use model::Timestamp;
use sqlx::PgPool;

use super::accounts::Row;
use crate::domain::account::Account;

/// An account with all that is known of its use.
pub(crate) struct Overview {
    pub(crate) account: Account,
    /// By name.
    pub(crate) buckets: Vec<Bucket>,
    /// Of the running period.
    pub(crate) traffic_in_bytes: i64,
    pub(crate) traffic_out_bytes: i64,
    /// When the account was last read.
    pub(crate) measured_at: Option<Timestamp>,
}

/// One bucket, known to Purser or found by metering.
pub(crate) struct Bucket {
    pub(crate) name: String,
    pub(crate) usage_bytes: i64,
    pub(crate) objects: i64,
}

/// The account of this name, if it is in `scope` and customers may use it.
///
/// Its buckets are those that metering found, and those that Purser made since. One that Purser made and metering no
/// longer finds was deleted over S3; one that Purser has deleted since metering looked is gone. Its traffic is that since
/// the running period of its service began, or since `month_start`.
pub(crate) async fn overview(
    pool: &PgPool,
    scope: Scope,
    s3uid: &str,
    month_start: Timestamp,
) -> Result<Option<Overview>, Failure> {
    let row = sqlx::query!(
        r#"SELECT a.s3uid, a.customer_id, a.location, a.quota_bytes, a.access, a.access_key, a.sealed_secret_key,
                  b.names AS "names!", b.usage_bytes AS "usage_bytes!", b.objects AS "objects!",
                  t.bytes_in AS "traffic_in_bytes!", t.bytes_out AS "traffic_out_bytes!",
                  greatest(m.measured_at, b.measured_at) AS measured_at
           FROM provisioner.accounts a
           JOIN shared.services s ON s.s3uid = a.s3uid
           LEFT JOIN shared.measured_accounts m ON m.s3uid = a.s3uid
           CROSS JOIN LATERAL (
             SELECT coalesce(array_agg(name) FILTER (WHERE is_there), '{}') AS names,
                    coalesce(array_agg(usage_bytes) FILTER (WHERE is_there), '{}') AS usage_bytes,
                    coalesce(array_agg(objects) FILTER (WHERE is_there), '{}') AS objects,
                    max(measured_at) AS measured_at
             FROM (SELECT coalesce(known.name, u.bucket_name) AS name, coalesce(u.usage_bytes, 0) AS usage_bytes,
                          coalesce(u.objects, 0) AS objects, u.measured_at,
                          CASE WHEN u.bucket_name IS NULL
                               THEN known.deleted_at IS NULL AND known.created_at >= coalesce(m.measured_at, '-infinity')
                               ELSE known.deleted_at IS NULL
                                    OR known.deleted_at < greatest(m.measured_at, u.measured_at) END AS is_there
                   FROM (SELECT name, created_at, deleted_at FROM provisioner.buckets WHERE s3uid = a.s3uid) known
                   FULL JOIN (SELECT bucket_name, usage_bytes, objects, measured_at FROM shared.bucket_usage
                              WHERE s3uid = a.s3uid) u ON u.bucket_name = known.name) found
           ) b
           CROSS JOIN LATERAL (SELECT date_trunc('hour', coalesce(s.period_start, $3), 'UTC') AS start_hour) p
           CROSS JOIN LATERAL (
             SELECT coalesce(sum(bytes_in), 0)::bigint AS bytes_in, coalesce(sum(bytes_out), 0)::bigint AS bytes_out
             -- The hours of the first day, and the days after it.
             FROM (SELECT bytes_in, bytes_out FROM shared.traffic_by_hour
                   WHERE s3uid = a.s3uid AND hour >= p.start_hour
                       AND hour < date_trunc('day', p.start_hour, 'UTC') + interval '1 day'
                   UNION ALL
                   SELECT bytes_in, bytes_out FROM shared.traffic_by_day
                   WHERE s3uid = a.s3uid AND day > (p.start_hour AT TIME ZONE 'UTC')::date) traffic
           ) t
           WHERE a.s3uid = $1 AND a.state = 'active' AND ($2::bigint IS NULL OR a.customer_id = $2)"#,
        s3uid,
        scope.customer_id().map(|id| id.0),
        month_start
    )
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let columns = row.names.into_iter().zip(row.usage_bytes).zip(row.objects);
    let mut buckets: Vec<_> =
        columns.map(|((name, usage_bytes), objects)| Bucket { name, usage_bytes, objects }).collect();
    buckets.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    let account = Row {
        s3uid: row.s3uid,
        customer_id: row.customer_id,
        location: row.location,
        quota_bytes: row.quota_bytes,
        access: row.access,
        access_key: row.access_key,
        sealed_secret_key: row.sealed_secret_key,
    };
    Ok(Some(Overview {
        account: account.try_into()?,
        buckets,
        traffic_in_bytes: row.traffic_in_bytes,
        traffic_out_bytes: row.traffic_out_bytes,
        measured_at: row.measured_at,
    }))
}
