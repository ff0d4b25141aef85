//! `metering.trims`: usage records that are being deleted from RGW.

use history::Failure;
use model::{Location, S3Uid, Timestamp};
use sqlx::{PgConnection, PgPool};

/// Which hours of an account.
#[derive(Debug, Clone)]
pub(crate) struct Trim {
    pub(crate) s3uid: S3Uid,
    pub(crate) from_hour: Timestamp,
    pub(crate) to_hour: Timestamp,
}

/// Those of a location that were begun.
pub(crate) async fn open(pool: &PgPool, location: &Location) -> Result<Vec<Trim>, Failure> {
    let rows = sqlx::query!(
        "SELECT t.s3uid, t.from_hour, t.to_hour FROM metering.trims t JOIN shared.accounts a USING (s3uid)
         WHERE a.location = $1",
        location.as_str()
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            let s3uid = row.s3uid.parse().map_err(|error| Failure::Unavailable(format!("metering.trims: {error}")))?;
            Ok(Trim { s3uid, from_hour: row.from_hour, to_hour: row.to_hour })
        })
        .collect()
}

/// Accounts of a location with final hours before `to_hour` that RGW still has, and the first of these.
pub(crate) async fn due(
    pool: &PgPool,
    location: &Location,
    to_hour: Timestamp,
    limit: i64,
) -> Result<Vec<(String, Timestamp)>, Failure> {
    let rows = sqlx::query!(
        r#"SELECT u.s3uid, min(u.hour) AS "from_hour!" FROM metering.usage_records u JOIN shared.accounts a USING (s3uid)
           WHERE a.location = $1 AND u.hour < $2 AND NOT u.is_trimmed
               AND NOT EXISTS (SELECT FROM metering.trims t WHERE t.s3uid = u.s3uid)
               AND $2 <= (SELECT final_until FROM metering.log_watermarks WHERE location = $1)
           GROUP BY u.s3uid ORDER BY 2 LIMIT $3"#,
        location.as_str(),
        to_hour,
        limit
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.s3uid, row.from_hour)).collect())
}

/// Writes down what is about to be deleted.
pub(crate) async fn begin(pool: &PgPool, trim: &Trim, now: Timestamp) -> Result<(), Failure> {
    sqlx::query!(
        "INSERT INTO metering.trims (s3uid, from_hour, to_hour, started_at) VALUES ($1, $2, $3, $4)",
        trim.s3uid.as_str(),
        trim.from_hour,
        trim.to_hour,
        now
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// It is deleted: what RGW shows of these hours from now on comes on top.
pub(crate) async fn finish(connection: &mut PgConnection, trim: &Trim, now: Timestamp) -> Result<(), Failure> {
    sqlx::query!(
        "WITH done AS (DELETE FROM metering.trims WHERE s3uid = $1)
         UPDATE metering.usage_records SET trimmed_bytes_in = bytes_in, trimmed_bytes_out = bytes_out,
             trimmed_operations = operations, trimmed_successful_operations = successful_operations, is_trimmed = true,
             -- Whoever asked RGW before has an answer that counts no more.
             measured_at = $4
         WHERE s3uid = $1 AND hour >= $2 AND hour < $3",
        trim.s3uid.as_str(),
        trim.from_hour,
        trim.to_hour,
        now
    )
    .execute(connection)
    .await?;
    Ok(())
}
