//! `metering.quota_thresholds`: which part of its quota an account has reached.

use history::Failure;
use model::S3Uid;
use sqlx::PgConnection;

/// In percent; 0 below all thresholds.
pub(crate) async fn threshold(connection: &mut PgConnection, s3uid: &S3Uid) -> Result<u8, Failure> {
    let percent =
        sqlx::query_scalar!("SELECT threshold_percent FROM metering.quota_thresholds WHERE s3uid = $1", s3uid.as_str())
            .fetch_optional(connection)
            .await?;
    Ok(percent.and_then(|percent| u8::try_from(percent).ok()).unwrap_or(0))
}

/// Notes what was reached.
pub(crate) async fn set_threshold(
    connection: &mut PgConnection,
    s3uid: &S3Uid,
    threshold_percent: u8,
) -> Result<(), Failure> {
    sqlx::query!(
        "INSERT INTO metering.quota_thresholds (s3uid, threshold_percent) VALUES ($1, $2)
         ON CONFLICT (s3uid) DO UPDATE SET threshold_percent = EXCLUDED.threshold_percent",
        s3uid.as_str(),
        i16::from(threshold_percent)
    )
    .execute(connection)
    .await?;
    Ok(())
}
