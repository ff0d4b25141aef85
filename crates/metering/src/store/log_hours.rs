//! How far RGW's log has been read: `metering.log_hours`, `metering.log_watermarks`.

use history::Failure;
use model::{Location, Timestamp};
use sqlx::{PgConnection, PgExecutor, PgPool};

use crate::domain::finality::HourState;

/// Takes the right to read a location's log until the end of this transaction. False: another process has it.
pub(crate) async fn lock(connection: &mut PgConnection, location: &Location) -> Result<bool, Failure> {
    Ok(sqlx::query_scalar!(
        r#"SELECT pg_try_advisory_xact_lock(hashtextextended('purser.log.' || $1, 0)) AS "locked!""#,
        location.as_str()
    )
    .fetch_one(connection)
    .await?)
}

/// The first hour that isn't final. It begins with the hour of the oldest account; `None` while there is none.
pub(crate) async fn watermark(pool: &PgPool, location: &Location) -> Result<Option<Timestamp>, Failure> {
    Ok(sqlx::query_scalar!(
        "SELECT coalesce((SELECT final_until FROM metering.log_watermarks WHERE location = $1),
                         (SELECT date_trunc('hour', min(created_at), 'UTC') FROM shared.accounts WHERE location = $1))",
        location.as_str()
    )
    .fetch_one(pool)
    .await?)
}

/// Up to when all hours are final; `None` before the first one.
pub(crate) async fn final_until(pool: &PgPool, location: &Location) -> Result<Option<Timestamp>, Failure> {
    let until =
        sqlx::query_scalar!("SELECT final_until FROM metering.log_watermarks WHERE location = $1", location.as_str());
    Ok(until.fetch_optional(pool).await?.flatten())
}

/// Moves the watermark.
pub(crate) async fn set_watermark(
    connection: &mut PgConnection,
    location: &Location,
    final_until: Timestamp,
) -> Result<(), Failure> {
    sqlx::query!(
        "INSERT INTO metering.log_watermarks AS w (location, final_until) VALUES ($1, $2)
         ON CONFLICT (location) DO UPDATE SET final_until = greatest(w.final_until, EXCLUDED.final_until)",
        location.as_str(),
        final_until
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes that all of the log that was to be read was read; `complete_until` says before when no request is missing, where
/// that can be said.
pub(crate) async fn set_read(
    pool: &PgPool,
    location: &Location,
    read_at: Timestamp,
    complete_until: Option<Timestamp>,
) -> Result<(), Failure> {
    sqlx::query!(
        "INSERT INTO metering.log_watermarks AS w (location, read_at, complete_until) VALUES ($1, $2, $3)
         ON CONFLICT (location) DO UPDATE SET read_at = EXCLUDED.read_at,
             complete_until = greatest(w.complete_until, EXCLUDED.complete_until)",
        location.as_str(),
        read_at,
        complete_until
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// How an hour stands; `None` where it never was read.
pub(crate) async fn state(pool: &PgPool, location: &Location, hour: Timestamp) -> Result<Option<HourState>, Failure> {
    let row = sqlx::query!(
        "SELECT digest, settled_at, final_at FROM metering.log_hours WHERE location = $1 AND hour = $2",
        location.as_str(),
        hour
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.and_then(|row| {
        Some(HourState { hour, digest: row.digest?, settled_at: row.settled_at, is_final: row.final_at.is_some() })
    }))
}

/// Writes how an hour stands after a reading; whether it is final is [`set_final`]'s business.
pub(crate) async fn write(
    pool: &PgPool,
    location: &Location,
    state: &HourState,
    read_at: Timestamp,
) -> Result<(), Failure> {
    sqlx::query!(
        "INSERT INTO metering.log_hours (location, hour, digest, settled_at, read_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (location, hour) DO UPDATE SET digest = EXCLUDED.digest, settled_at = EXCLUDED.settled_at,
             read_at = EXCLUDED.read_at",
        location.as_str(),
        state.hour,
        state.digest,
        state.settled_at,
        read_at
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Notes that an hour no longer changes.
pub(crate) async fn set_final(
    connection: &mut PgConnection,
    location: &Location,
    hour: Timestamp,
    now: Timestamp,
) -> Result<(), Failure> {
    sqlx::query!(
        "UPDATE metering.log_hours SET final_at = $3 WHERE location = $1 AND hour = $2",
        location.as_str(),
        hour,
        now
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Counts one of Purser's own requests.
pub(crate) async fn add_probe(pool: &PgPool, location: &Location, hour: Timestamp) -> Result<(), Failure> {
    sqlx::query!(
        "INSERT INTO metering.log_hours AS h (location, hour, probes) VALUES ($1, $2, 1)
         ON CONFLICT (location, hour) DO UPDATE SET probes = h.probes + 1",
        location.as_str(),
        hour
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// How many of Purser's own requests the hour's log must show.
pub(crate) async fn probes(
    executor: impl PgExecutor<'_>,
    location: &Location,
    hour: Timestamp,
) -> Result<i32, Failure> {
    let probes = sqlx::query_scalar!(
        "SELECT probes FROM metering.log_hours WHERE location = $1 AND hour = $2",
        location.as_str(),
        hour
    )
    .fetch_optional(executor)
    .await?;
    Ok(probes.unwrap_or(0))
}

/// A final hour since `since` that was not read since `unread_since`: the one that was read longest ago.
pub(crate) async fn to_read_again(
    pool: &PgPool,
    location: &Location,
    since: Timestamp,
    unread_since: Timestamp,
) -> Result<Option<Timestamp>, Failure> {
    Ok(sqlx::query_scalar!(
        "SELECT hour FROM metering.log_hours
         WHERE location = $1 AND hour >= $2 AND final_at IS NOT NULL AND read_at < $3 ORDER BY read_at LIMIT 1",
        location.as_str(),
        since,
        unread_since
    )
    .fetch_optional(pool)
    .await?)
}
