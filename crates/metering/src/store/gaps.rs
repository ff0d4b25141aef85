//! `metering.usage_gaps`, and the growth that the log doesn't explain.

use history::Failure;
use messages::GapKind;
use model::{Location, S3Uid, Timestamp};
use sqlx::{PgConnection, PgPool};

/// A gap in a location's log.
#[derive(Debug, Clone)]
pub(crate) struct Gap {
    pub(crate) location: Location,
    pub(crate) hour: Timestamp,
    pub(crate) kind: GapKind,
    /// The account, where only one is concerned.
    pub(crate) s3uid: Option<String>,
    pub(crate) detail: String,
}

/// Adds a gap. False: it is known.
pub(crate) async fn insert(connection: &mut PgConnection, gap: &Gap, now: Timestamp) -> Result<bool, Failure> {
    let done = sqlx::query!(
        "INSERT INTO metering.usage_gaps (location, hour, kind, s3uid, detail, detected_at)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        gap.location.as_str(),
        gap.hour,
        gap.kind.as_str(),
        gap.s3uid.as_deref().unwrap_or_default(),
        gap.detail,
        now
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The gaps that concern an account in a period.
pub(crate) async fn of_account(
    pool: &PgPool,
    s3uid: &S3Uid,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<Gap>, Failure> {
    let rows = sqlx::query!(
        r#"SELECT g.location, g.hour, g.kind, g.s3uid, g.detail
           FROM metering.usage_gaps g JOIN shared.accounts a ON a.s3uid = $1 AND a.location = g.location
           WHERE g.hour >= $2 AND g.hour < $3 AND g.s3uid IN ('', $1)
           ORDER BY g.hour, g.kind"#,
        s3uid.as_str(),
        from,
        to
    )
    .fetch_all(pool)
    .await?;
    let broken = |error: &dyn std::fmt::Display| Failure::Unavailable(format!("metering.usage_gaps: {error}"));
    rows.into_iter()
        .map(|row| {
            let kind = match row.kind.as_str() {
                "lost_flush" => GapKind::LostFlush,
                "shrunk" => GapKind::Shrunk,
                _ => GapKind::UnloggedGrowth,
            };
            let location = row.location.parse().map_err(|error| broken(&error))?;
            Ok(Gap { location, hour: row.hour, kind, s3uid: Some(row.s3uid), detail: row.detail })
        })
        .collect()
}

/// A bucket that grew by more than was received.
pub(crate) struct Growth {
    pub(crate) s3uid: String,
    pub(crate) bucket_name: String,
    pub(crate) grown_bytes: i64,
    pub(crate) logged_bytes: i64,
}

/// The buckets of a location that grew in `hour` by more than the log has received since they were read before, up to and
/// with the hour `until`. Not those in which something was copied or uploaded in parts: a copy, and a part that is copied,
/// makes a bucket grow without receiving anything.
pub(crate) async fn unlogged_growth(
    connection: &mut PgConnection,
    location: &Location,
    hour: Timestamp,
    until: Timestamp,
) -> Result<Vec<Growth>, Failure> {
    Ok(sqlx::query_as!(
        Growth,
        r#"SELECT b.s3uid, b.bucket_name, b.closing_bytes - b.opening_bytes AS "grown_bytes!",
                  coalesce(sum(u.bytes_in), 0)::bigint AS "logged_bytes!"
           FROM metering.bucket_hours b JOIN shared.accounts a USING (s3uid)
           LEFT JOIN metering.usage_records u ON u.s3uid = b.s3uid AND u.bucket_name = b.bucket_name
               AND u.hour >= date_trunc('hour', b.unchanged_at, 'UTC') AND u.hour <= $3
           WHERE a.location = $1 AND b.hour = $2 AND b.closing_bytes > b.opening_bytes
           GROUP BY b.s3uid, b.bucket_name, b.closing_bytes, b.opening_bytes
           HAVING b.closing_bytes - b.opening_bytes > coalesce(sum(u.bytes_in), 0)
               AND NOT coalesce(bool_or(u.category LIKE '%copy%' OR u.category LIKE '%multipart%'), false)"#,
        location.as_str(),
        hour,
        until
    )
    .fetch_all(connection)
    .await?)
}
