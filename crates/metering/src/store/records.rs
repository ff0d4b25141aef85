//! What is published of an hour, and which hours were: `metering.recorded_hours`.

use std::collections::{BTreeSet, HashMap};

use history::Failure;
use model::{Location, Timestamp};
use sqlx::{PgConnection, PgPool};

use crate::domain::storage::StorageHour;

/// The accounts of a location of which something happened in an hour that isn't published yet.
pub(crate) async fn unpublished(
    pool: &PgPool,
    location: &Location,
    hour: Timestamp,
    end: Timestamp,
) -> Result<Vec<String>, Failure> {
    Ok(sqlx::query_scalar!(
        r#"SELECT s3uid AS "s3uid!"
           FROM (SELECT s3uid FROM metering.usage_records WHERE hour = $2
                 UNION SELECT s3uid FROM metering.bucket_hours WHERE hour = $2) used
           JOIN shared.accounts a USING (s3uid)
           WHERE a.location = $1 AND a.created_at < $3
               AND NOT EXISTS (SELECT FROM metering.recorded_hours r WHERE r.s3uid = used.s3uid AND r.hour = $2)
           ORDER BY 1"#,
        location.as_str(),
        hour,
        end
    )
    .fetch_all(pool)
    .await?)
}

/// Which of these accounts' hours, given pairwise, were published, or should have been because they are final.
pub(crate) async fn published(
    connection: &mut PgConnection,
    location: &Location,
    hours: &BTreeSet<(Timestamp, String)>,
) -> Result<Vec<(Timestamp, String)>, Failure> {
    let s3uids: Vec<String> = hours.iter().map(|(_, s3uid)| s3uid.clone()).collect();
    let hours: Vec<Timestamp> = hours.iter().map(|(hour, _)| *hour).collect();
    let rows = sqlx::query!(
        r#"SELECT s3uid AS "s3uid!", hour AS "hour!" FROM UNNEST($2::text[], $3::timestamptz[]) AS asked (s3uid, hour)
           WHERE EXISTS (SELECT FROM metering.recorded_hours r WHERE r.s3uid = asked.s3uid AND r.hour = asked.hour)
               OR EXISTS (SELECT FROM metering.log_watermarks WHERE location = $1 AND final_until > asked.hour)
           ORDER BY hour, s3uid"#,
        location.as_str(),
        &s3uids,
        &hours
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.hour, row.s3uid)).collect())
}

/// Counts a publication of these accounts' hour; what comes back is its revision.
pub(crate) async fn next_revisions(
    connection: &mut PgConnection,
    s3uids: &[String],
    hour: Timestamp,
    now: Timestamp,
) -> Result<HashMap<String, i32>, Failure> {
    let rows = sqlx::query!(
        "INSERT INTO metering.recorded_hours AS r (s3uid, hour, revision, recorded_at)
         SELECT s3uid, $2, 1, $3 FROM UNNEST($1::text[]) AS s3uid
         ON CONFLICT (s3uid, hour) DO UPDATE SET revision = r.revision + 1, recorded_at = EXCLUDED.recorded_at
         RETURNING s3uid, revision",
        s3uids,
        hour,
        now
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.s3uid, row.revision)).collect())
}

/// A usage record of an hour.
pub(crate) struct TrafficRow {
    pub(crate) s3uid: String,
    pub(crate) bucket_name: String,
    pub(crate) category: String,
    pub(crate) bytes_in: i64,
    pub(crate) bytes_out: i64,
    pub(crate) operations: i64,
    pub(crate) successful_operations: i64,
}

/// The accounts' usage records of an hour.
pub(crate) async fn traffic(
    connection: &mut PgConnection,
    s3uids: &[String],
    hour: Timestamp,
) -> Result<Vec<TrafficRow>, Failure> {
    Ok(sqlx::query_as!(
        TrafficRow,
        "SELECT s3uid, bucket_name, category, bytes_in, bytes_out, operations, successful_operations
         FROM metering.usage_records WHERE s3uid = ANY ($1) AND hour = $2 ORDER BY bucket_name, category",
        s3uids,
        hour
    )
    .fetch_all(connection)
    .await?)
}

/// What a bucket held in an hour.
pub(crate) struct StorageRow {
    pub(crate) s3uid: String,
    pub(crate) bucket_name: String,
    pub(crate) storage: StorageHour,
    pub(crate) closing_objects: i64,
}

/// The accounts' buckets that changed in an hour.
pub(crate) async fn storage(
    connection: &mut PgConnection,
    s3uids: &[String],
    hour: Timestamp,
) -> Result<Vec<StorageRow>, Failure> {
    let rows = sqlx::query!(
        "SELECT s3uid, bucket_name, hour, byte_seconds, opening_bytes, peak_bytes, closing_bytes, closing_objects,
                sampled_at
         FROM metering.bucket_hours WHERE s3uid = ANY ($1) AND hour = $2 ORDER BY bucket_name",
        s3uids,
        hour
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| StorageRow {
            s3uid: row.s3uid,
            bucket_name: row.bucket_name,
            storage: StorageHour {
                hour: row.hour,
                byte_seconds: row.byte_seconds,
                opening_bytes: row.opening_bytes,
                peak_bytes: row.peak_bytes,
                closing_bytes: row.closing_bytes,
                sampled_at: row.sampled_at,
            },
            closing_objects: row.closing_objects,
        })
        .collect())
}

/// What an account held in an hour, all buckets together.
pub(crate) struct AccountInHour {
    pub(crate) s3uid: String,
    pub(crate) customer_id: i64,
    pub(crate) peak_bytes: i64,
    pub(crate) closing_bytes: i64,
}

/// The accounts, with what they held: as before the hour, where nothing changed in it.
pub(crate) async fn accounts(
    connection: &mut PgConnection,
    s3uids: &[String],
    hour: Timestamp,
) -> Result<Vec<AccountInHour>, Failure> {
    Ok(sqlx::query_as!(
        AccountInHour,
        r#"SELECT a.s3uid AS "s3uid!", a.customer_id AS "customer_id!",
                  coalesce(CASE WHEN h.hour = $2 THEN h.peak_bytes ELSE h.closing_bytes END, 0) AS "peak_bytes!",
                  coalesce(h.closing_bytes, 0) AS "closing_bytes!"
           FROM shared.accounts a
           LEFT JOIN LATERAL (SELECT hour, peak_bytes, closing_bytes FROM metering.account_hours
                              WHERE s3uid = a.s3uid AND hour <= $2 ORDER BY hour DESC LIMIT 1) h ON true
           WHERE a.s3uid = ANY ($1)"#,
        s3uids,
        hour
    )
    .fetch_all(connection)
    .await?)
}
