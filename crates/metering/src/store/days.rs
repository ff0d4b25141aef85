//! `metering.storage_days`: what was stored day by day.

use history::Failure;
use model::{S3Uid, Timestamp};
use sqlx::{PgConnection, PgPool};

/// Adds a sample to its day. One that is older than the last counts for the peak only.
pub(crate) async fn add(
    connection: &mut PgConnection,
    s3uid: &S3Uid,
    stored_bytes: i64,
    measured_at: Timestamp,
) -> Result<(), Failure> {
    sqlx::query!(
        "INSERT INTO metering.storage_days AS d (s3uid, day, peak_bytes, last_bytes, measured_at)
         VALUES ($1, $2, $3, $3, $4)
         ON CONFLICT (s3uid, day) DO UPDATE SET
             peak_bytes = greatest(d.peak_bytes, EXCLUDED.peak_bytes),
             last_bytes = CASE WHEN d.measured_at <= EXCLUDED.measured_at THEN EXCLUDED.last_bytes
                               ELSE d.last_bytes END,
             measured_at = greatest(d.measured_at, EXCLUDED.measured_at)",
        s3uid.as_str(),
        measured_at.date_naive(),
        stored_bytes,
        measured_at
    )
    .execute(connection)
    .await?;
    Ok(())
}

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
                  coalesce((SELECT sum(bytes_in + bytes_out) FROM metering.usage_records
                            WHERE s3uid = $1 AND hour >= $2 - interval '1 day' AND hour < $2), 0)::bigint
                      AS "traffic_bytes!""#,
        s3uid.as_str(),
        end
    )
    .fetch_one(pool)
    .await?)
}
