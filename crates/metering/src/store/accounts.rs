//! The accounts that there are to read (`shared.accounts`).

use history::Failure;
use messages::Scope;
use model::{Location, S3Uid, Timestamp};
use sqlx::{PgConnection, PgExecutor, PgPool};

/// An account to read.
pub(crate) struct Account {
    pub(crate) s3uid: S3Uid,
    pub(crate) location: Location,
}

fn broken(error: &dyn std::fmt::Display) -> Failure {
    Failure::Unavailable(format!("shared.accounts: {error}"))
}

/// All accounts that may have something to read: those that are active, and those that are, or were after `since`, being
/// deleted, because RGW flushes its log late and what they transferred is still to be paid for.
pub(crate) async fn readable(pool: &PgPool, since: Timestamp) -> Result<Vec<Account>, Failure> {
    sqlx::query!(
        r#"SELECT s3uid AS "s3uid!", location AS "location!" FROM shared.accounts
           WHERE state IN ('active', 'deleting') OR (state = 'deleted' AND deleted_at > $1) ORDER BY s3uid"#,
        since
    )
    .fetch_all(pool)
    .await?
    .into_iter()
    .map(|row| account(&row.s3uid, &row.location))
    .collect()
}

/// The active accounts in `scope`, the one called `s3uid` where that is given.
pub(crate) async fn in_scope(
    connection: &mut PgConnection,
    scope: Scope,
    s3uid: Option<&str>,
    limit: usize,
) -> Result<Vec<Account>, Failure> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    sqlx::query!(
        r#"SELECT s3uid AS "s3uid!", location AS "location!" FROM shared.accounts
           WHERE state = 'active' AND ($1::bigint IS NULL OR customer_id = $1) AND ($2::text IS NULL OR s3uid = $2)
           ORDER BY s3uid LIMIT $3"#,
        scope.customer_id().map(|id| id.0),
        s3uid,
        limit
    )
    .fetch_all(connection)
    .await?
    .into_iter()
    .map(|row| account(&row.s3uid, &row.location))
    .collect()
}

fn account(s3uid: &str, location: &str) -> Result<Account, Failure> {
    Ok(Account {
        s3uid: s3uid.parse().map_err(|error| broken(&error))?,
        location: location.parse().map_err(|error| broken(&error))?,
    })
}

/// Where an active account is.
pub(crate) async fn location(connection: &mut PgConnection, s3uid: &S3Uid) -> Result<Option<Location>, Failure> {
    let location = sqlx::query_scalar!(
        r#"SELECT location AS "location!" FROM shared.accounts WHERE s3uid = $1 AND state = 'active'"#,
        s3uid.as_str()
    )
    .fetch_optional(connection)
    .await?;
    location.map(|location| location.parse().map_err(|error| broken(&error))).transpose()
}

/// When an account was last read or, if it never was, made.
pub(crate) async fn measured_or_made_at(
    executor: impl PgExecutor<'_>,
    s3uid: &S3Uid,
) -> Result<Option<Timestamp>, Failure> {
    Ok(sqlx::query_scalar!(
        r#"SELECT coalesce(m.measured_at, a.created_at) AS "since!" FROM shared.accounts a
           LEFT JOIN metering.measured_accounts m USING (s3uid) WHERE a.s3uid = $1"#,
        s3uid.as_str()
    )
    .fetch_optional(executor)
    .await?)
}

/// Takes the right to sweep until the end of this transaction. False: another process has it.
pub(crate) async fn lock_sweep(connection: &mut PgConnection) -> Result<bool, Failure> {
    Ok(sqlx::query_scalar!(r#"SELECT pg_try_advisory_xact_lock(hashtextextended('purser.sweep', 0)) AS "locked!""#)
        .fetch_one(connection)
        .await?)
}
