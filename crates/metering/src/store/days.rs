//! `metering.storage_days`: what was stored day by day.

use chrono::NaiveDate;
use history::Failure;
use model::{Location, S3Uid, Timestamp};
use sqlx::{PgConnection, PgPool};

/// What an account used on a day.
pub(crate) struct Day {
    /// Stored at its end, as last seen on it or before.
    pub(crate) stored_bytes: i64,
    pub(crate) traffic_bytes: i64,
}

/// What an account used on the day (UTC) that ends at `end`.
pub(crate) async fn that_ends(pool: &PgPool, s3uid: &S3Uid, end: Timestamp) -> Result<Day, Failure> {
    Ok(sqlx::query_as!(
        Day,
        r#"SELECT coalesce((SELECT last_bytes FROM metering.storage_days WHERE s3uid = $1 AND day < ($2 AT TIME ZONE 'UTC')::date
                            ORDER BY day DESC LIMIT 1), 0) AS "stored_bytes!",
                  coalesce((SELECT bytes_in + bytes_out FROM metering.traffic_days
                            WHERE s3uid = $1 AND day = ($2 AT TIME ZONE 'UTC')::date - 1), 0)
                      AS "traffic_bytes!""#,
        s3uid.as_str(),
        end
    )
    .fetch_one(pool)
    .await?)
}

/// Sums up what the accounts of a location stored on a day (UTC) that is over. Accounts that store nothing have no row.
pub(crate) async fn close(connection: &mut PgConnection, location: &Location, day: NaiveDate) -> Result<(), Failure> {
    sqlx::query!(
        "WITH bounds AS (SELECT $2::date::timestamp AT TIME ZONE 'UTC' AS day_start,
                                ($2::date + 1)::timestamp AT TIME ZONE 'UTC' AS day_end),
         hours AS (
           SELECT a.s3uid, greatest(h.hour, day_start) AS begins, h.hour >= day_start AS is_in_day, h.byte_seconds,
                  h.peak_bytes, h.closing_bytes, h.sampled_at,
                  coalesce(lead(h.hour) OVER (PARTITION BY a.s3uid ORDER BY h.hour), day_end) AS until
           FROM bounds, shared.accounts a
           CROSS JOIN LATERAL (
             (SELECT * FROM metering.account_hours
              WHERE s3uid = a.s3uid AND hour < day_start ORDER BY hour DESC LIMIT 1)
             UNION ALL SELECT * FROM metering.account_hours
              WHERE s3uid = a.s3uid AND hour >= day_start AND hour < day_end) h
           WHERE a.location = $1
         ), days AS (
           SELECT s3uid,
                  sum(CASE WHEN is_in_day THEN byte_seconds + closing_bytes * extract(epoch FROM until - sampled_at)
                           ELSE closing_bytes * extract(epoch FROM until - begins) END) AS byte_seconds,
                  max(CASE WHEN is_in_day THEN peak_bytes ELSE closing_bytes END) AS peak_bytes,
                  (array_agg(closing_bytes ORDER BY begins DESC))[1] AS last_bytes,
                  max(sampled_at) AS sampled_at
           FROM hours GROUP BY s3uid
         )
         INSERT INTO metering.storage_days AS d (s3uid, day, peak_bytes, last_bytes, measured_at, byte_seconds)
         SELECT s3uid, $2, peak_bytes, last_bytes, sampled_at, byte_seconds FROM days WHERE peak_bytes > 0
         ON CONFLICT (s3uid, day) DO UPDATE SET peak_bytes = greatest(d.peak_bytes, EXCLUDED.peak_bytes),
             last_bytes = EXCLUDED.last_bytes, byte_seconds = EXCLUDED.byte_seconds",
        location.as_str(),
        day
    )
    .execute(connection)
    .await?;
    Ok(())
}
