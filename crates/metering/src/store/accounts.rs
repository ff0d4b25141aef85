//! The accounts that there are to read (`shared.accounts`).

use std::collections::{HashMap, HashSet};

use history::Failure;
use messages::Scope;
use model::{CustomerId, Location, S3Uid, Timestamp};
use sqlx::{PgConnection, PgPool};

/// An account to read.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) s3uid: S3Uid,
    pub(crate) location: Location,
}

/// What metering needs to know of an account.
#[derive(Debug, Clone)]
pub(crate) struct Details {
    pub(crate) customer_id: CustomerId,
    pub(crate) quota_bytes: i64,
    /// Its customer's, and not being deleted.
    pub(crate) is_active: bool,
}

fn broken(error: &dyn std::fmt::Display) -> Failure {
    Failure::Unavailable(format!("shared.accounts: {error}"))
}

/// The accounts of a location of which a change is known that hasn't been read, without `others`.
pub(crate) async fn marked(
    pool: &PgPool,
    location: &Location,
    others: &[String],
    limit: i64,
) -> Result<Vec<S3Uid>, Failure> {
    sqlx::query_scalar!(
        r#"SELECT a.s3uid AS "s3uid!" FROM shared.accounts a JOIN metering.measured_accounts m USING (s3uid)
           WHERE a.location = $1 AND a.state IN ('active', 'deleting') AND m.stale_since IS NOT NULL
               AND a.s3uid <> ALL ($3)
           ORDER BY m.stale_since LIMIT $2"#,
        location.as_str(),
        limit,
        others
    )
    .fetch_all(pool)
    .await?
    .into_iter()
    .map(|s3uid| s3uid.parse().map_err(|error| broken(&error)))
    .collect()
}

/// The accounts of a location that were read before `unread_since`, the longest ago first, without `others`. An account that
/// is being deleted is read until it is empty.
pub(crate) async fn due(
    pool: &PgPool,
    location: &Location,
    unread_since: Timestamp,
    others: &[String],
    limit: i64,
) -> Result<Vec<S3Uid>, Failure> {
    sqlx::query_scalar!(
        r#"SELECT a.s3uid AS "s3uid!" FROM shared.accounts a LEFT JOIN metering.measured_accounts m USING (s3uid)
           WHERE a.location = $1 AND a.state IN ('active', 'deleting')
               AND (m.measured_at IS NULL OR m.measured_at < $2) AND a.s3uid <> ALL ($4)
           ORDER BY m.measured_at NULLS FIRST LIMIT $3"#,
        location.as_str(),
        unread_since,
        limit,
        others
    )
    .fetch_all(pool)
    .await?
    .into_iter()
    .map(|s3uid| s3uid.parse().map_err(|error| broken(&error)))
    .collect()
}

/// How many accounts the sweep of a location reads.
pub(crate) async fn count(pool: &PgPool, location: &Location) -> Result<i64, Failure> {
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM shared.accounts WHERE location = $1 AND state IN ('active', 'deleting')"#,
        location.as_str()
    )
    .fetch_one(pool)
    .await?)
}

/// Those of these users of a location's store that are accounts there, also deleted ones: their last usage is still paid for.
pub(crate) async fn of_location(
    pool: &PgPool,
    location: &Location,
    uids: &[String],
) -> Result<HashSet<String>, Failure> {
    let found = sqlx::query_scalar!(
        r#"SELECT s3uid AS "s3uid!" FROM shared.accounts
           WHERE location = $1 AND state <> 'released' AND s3uid = ANY ($2)"#,
        location.as_str(),
        uids
    )
    .fetch_all(pool)
    .await?;
    Ok(found.into_iter().collect())
}

/// Where these accounts are, without those that are gone.
pub(crate) async fn locations(pool: &PgPool, s3uids: &[String]) -> Result<HashMap<String, Location>, Failure> {
    let rows = sqlx::query!(
        r#"SELECT s3uid AS "s3uid!", location AS "location!" FROM shared.accounts
           WHERE s3uid = ANY ($1) AND state IN ('active', 'deleting')"#,
        s3uids
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(|row| Ok((row.s3uid, row.location.parse().map_err(|error| broken(&error))?))).collect()
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

/// The accounts in `scope`, also deleted ones, the one called `s3uid` where that is given; two at most. Without an
/// `s3uid`, active ones are meant.
pub(crate) async fn of_scope(pool: &PgPool, scope: Scope, s3uid: Option<&str>) -> Result<Vec<Account>, Failure> {
    sqlx::query!(
        r#"SELECT s3uid AS "s3uid!", a.location AS "location!" FROM shared.accounts a JOIN shared.services s USING (s3uid)
           WHERE a.state <> 'released' AND ($1::bigint IS NULL OR a.customer_id = $1)
               AND CASE WHEN $2::text IS NULL THEN a.state = 'active' ELSE s3uid = $2 END LIMIT 2"#,
        scope.customer_id().map(|id| id.0),
        s3uid
    )
    .fetch_all(pool)
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

/// An account that wasn't taken back.
pub(crate) async fn details(connection: &mut PgConnection, s3uid: &S3Uid) -> Result<Option<Details>, Failure> {
    let row = sqlx::query!(
        r#"SELECT customer_id AS "customer_id!", quota_bytes AS "quota_bytes!", state = 'active' AS "is_active!"
           FROM shared.accounts WHERE s3uid = $1 AND state <> 'released'"#,
        s3uid.as_str()
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| Details {
        customer_id: CustomerId(row.customer_id),
        quota_bytes: row.quota_bytes,
        is_active: row.is_active,
    }))
}

/// Takes the right to sweep a location until the end of this transaction. False: another process has it.
pub(crate) async fn lock_sweep(connection: &mut PgConnection, location: &Location) -> Result<bool, Failure> {
    Ok(sqlx::query_scalar!(
        r#"SELECT pg_try_advisory_xact_lock(hashtextextended('purser.sweep.' || $1, 0)) AS "locked!""#,
        location.as_str()
    )
    .fetch_one(connection)
    .await?)
}
