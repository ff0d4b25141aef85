//! `metering.quota_thresholds`: which part of its quota an account has reached.

use history::Failure;
use model::S3Uid;
use sqlx::PgConnection;

/// Notes what was reached, in percent; 0 below all thresholds.
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
