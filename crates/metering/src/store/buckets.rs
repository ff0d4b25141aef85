//! What `get_buckets` shows of an account.

use history::Failure;
use messages::Scope;
use model::{S3Uid, Timestamp};
use sqlx::PgPool;

/// An account, with its service's running period.
pub(crate) struct Account {
    pub(crate) s3uid: S3Uid,
    pub(crate) created_at: Timestamp,
    pub(crate) period_start: Timestamp,
}

/// The accounts in `scope`, the one called `s3uid` where that is given; two at most.
pub(crate) async fn accounts(pool: &PgPool, scope: Scope, s3uid: Option<&str>) -> Result<Vec<Account>, Failure> {
    let rows = sqlx::query!(
        r#"SELECT s3uid AS "s3uid!", a.created_at AS "created_at!", s.period_start AS "period_start!"
           FROM shared.accounts a JOIN shared.services s USING (s3uid)
           WHERE a.state = 'active' AND ($1::bigint IS NULL OR a.customer_id = $1) AND ($2::text IS NULL OR s3uid = $2)
           LIMIT 2"#,
        scope.customer_id().map(|id| id.0),
        s3uid
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            let s3uid = row.s3uid.parse().map_err(|error| Failure::Unavailable(format!("shared.accounts: {error}")))?;
            Ok(Account { s3uid, created_at: row.created_at, period_start: row.period_start })
        })
        .collect()
}

/// A bucket's size.
pub(crate) struct Bucket {
    pub(crate) name: String,
    pub(crate) usage_bytes: i64,
}

/// An account's buckets by name: those that were measured, and those that were made since.
pub(crate) async fn sizes(pool: &PgPool, s3uid: &S3Uid) -> Result<Vec<Bucket>, Failure> {
    Ok(sqlx::query_as!(
        Bucket,
        r#"SELECT coalesce(b.name, u.bucket_name) AS "name!", coalesce(u.usage_bytes, 0) AS "usage_bytes!"
           FROM (SELECT name, changed_at, is_deleted FROM shared.buckets WHERE s3uid = $1) b
           FULL JOIN (SELECT bucket_name, usage_bytes, measured_at FROM metering.bucket_usage WHERE s3uid = $1) u
             ON u.bucket_name = b.name
           LEFT JOIN metering.measured_accounts m ON m.s3uid = $1
           WHERE CASE WHEN u.bucket_name IS NULL
                      THEN NOT b.is_deleted AND b.changed_at >= coalesce(m.measured_at, '-infinity')
                      ELSE b.name IS NULL OR NOT b.is_deleted
                          OR b.changed_at < greatest(m.measured_at, u.measured_at) END
           ORDER BY 1"#,
        s3uid.as_str()
    )
    .fetch_all(pool)
    .await?)
}

/// An account's traffic since the hour of a moment, in plus out.
pub(crate) async fn traffic_bytes(pool: &PgPool, s3uid: &S3Uid, since: Timestamp) -> Result<i64, Failure> {
    Ok(sqlx::query_scalar!(
        r#"SELECT (coalesce((SELECT sum(bytes_in + bytes_out) FROM metering.usage_records
                             WHERE s3uid = $1 AND hour >= date_trunc('hour', $2::timestamptz, 'UTC')
                                 AND hour < date_trunc('day', $2::timestamptz, 'UTC') + interval '1 day'), 0)
                   + coalesce((SELECT sum(bytes_in + bytes_out) FROM metering.traffic_days
                               WHERE s3uid = $1 AND day > ($2::timestamptz AT TIME ZONE 'UTC')::date), 0))::bigint
               AS "bytes!""#,
        s3uid.as_str(),
        since
    )
    .fetch_one(pool)
    .await?)
}
