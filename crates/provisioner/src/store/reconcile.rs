//! What a comparison with the stores needs from `provisioner.accounts` and its neighbours.

use history::Failure;
use model::{Location, S3Uid, Timestamp};
use sqlx::{PgConnection, PgPool};

use super::accounts::Row;
use crate::domain::account::Account;

/// An account, as far as it can be compared.
pub(crate) enum Look {
    /// There is none, or it isn't its customer's any more.
    NotActive,
    /// A command works on it, or it has just changed: nothing can be said.
    Changing,
    /// With the names of its buckets.
    Active(Account, Vec<String>),
}

/// An account as it is now. Where `settled_since` is given, one that changed after it counts as changing, and one whose
/// command waits for its next attempt; else only one that is worked on at this moment: what an operator looks at may be the
/// very reason why that command fails.
pub(crate) async fn look(
    connection: &mut PgConnection,
    s3uid: &S3Uid,
    settled_since: Option<Timestamp>,
    now: Timestamp,
) -> Result<Look, Failure> {
    let row = sqlx::query!(
        r#"SELECT s3uid, customer_id, location, quota_bytes, access, access_key, sealed_secret_key,
               EXISTS (SELECT FROM provisioner.intents i WHERE i.subject = 'account/' || a.s3uid
                           AND ($2::timestamptz IS NOT NULL OR i.lease_until > $3))
                   OR (a.created_at > $2::timestamptz) IS TRUE
                   OR EXISTS (SELECT FROM history.entries e
                              WHERE e.subject = 'account/' || a.s3uid AND e.recorded_at > $2
                                  AND e.event NOT LIKE 'drift.%') AS "is_changing!",
               ARRAY(SELECT b.name FROM provisioner.buckets b
                     WHERE b.s3uid = a.s3uid AND b.location = a.location AND b.deleted_at IS NULL) AS "buckets!"
           FROM provisioner.accounts a WHERE s3uid = $1 AND state = 'active'"#,
        s3uid.as_str(),
        settled_since,
        now
    )
    .fetch_optional(connection)
    .await?;
    Ok(match row {
        None => Look::NotActive,
        Some(row) if row.is_changing => Look::Changing,
        Some(row) => {
            let account = Row {
                s3uid: row.s3uid,
                customer_id: row.customer_id,
                location: row.location,
                quota_bytes: row.quota_bytes,
                access: row.access,
                access_key: row.access_key,
                sealed_secret_key: row.sealed_secret_key,
            };
            Look::Active(account.try_into()?, row.buckets)
        }
    })
}

/// Keeps commands from beginning to work on an account until the step ends.
pub(crate) async fn lock(connection: &mut PgConnection, s3uid: &S3Uid) -> Result<(), Failure> {
    sqlx::query!("SELECT s3uid FROM provisioner.accounts WHERE s3uid = $1 FOR UPDATE", s3uid.as_str())
        .fetch_optional(connection)
        .await?;
    Ok(())
}

/// Where an account is, or was, and its state.
pub(crate) async fn whereabouts(pool: &PgPool, s3uid: &S3Uid) -> Result<Option<(String, String)>, Failure> {
    let row = sqlx::query!("SELECT location, state FROM provisioner.accounts WHERE s3uid = $1", s3uid.as_str())
        .fetch_optional(pool)
        .await?;
    Ok(row.map(|row| (row.location, row.state)))
}

/// A page of the location's active accounts behind `after`, in the order of their names.
pub(crate) async fn page(pool: &PgPool, location: &Location, after: &str, limit: i64) -> Result<Vec<S3Uid>, Failure> {
    let names = sqlx::query_scalar!(
        "SELECT s3uid FROM provisioner.accounts WHERE location = $1 AND state = 'active' AND s3uid > $2
         ORDER BY s3uid LIMIT $3",
        location.as_str(),
        after,
        limit
    )
    .fetch_all(pool)
    .await?;
    names
        .into_iter()
        .map(|name| name.parse().map_err(|error| Failure::Unavailable(format!("account {name}: {error}"))))
        .collect()
}

/// How many active accounts a location has.
pub(crate) async fn count(pool: &PgPool, location: &Location) -> Result<u32, Failure> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM provisioner.accounts WHERE location = $1 AND state = 'active'"#,
        location.as_str()
    )
    .fetch_one(pool)
    .await?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Those of the store's users that are nobody's account, with the state of the account that they once were.
pub(crate) async fn without_account(pool: &PgPool, users: &[String]) -> Result<Vec<(String, Option<String>)>, Failure> {
    let rows = sqlx::query!(
        r#"SELECT u.uid AS "uid!", a.state AS "state?" FROM unnest($1::text[]) AS u (uid)
           LEFT JOIN provisioner.accounts a ON a.s3uid = u.uid
           WHERE (a.state IS NULL OR a.state IN ('released', 'deleted'))
               AND NOT EXISTS (SELECT FROM provisioner.intents i WHERE i.subject = 'account/' || u.uid)
           ORDER BY 1"#,
        users
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.uid, row.state)).collect())
}

/// When a location was last begun to be compared in the background.
pub(crate) async fn last_begun(pool: &PgPool, location: &Location) -> Result<Option<Timestamp>, Failure> {
    let row =
        sqlx::query_scalar!("SELECT started_at FROM provisioner.comparisons WHERE location = $1", location.as_str());
    Ok(row.fetch_optional(pool).await?)
}

/// Notes that a location is being compared in the background.
pub(crate) async fn begin(pool: &PgPool, location: &Location, now: Timestamp) -> Result<(), Failure> {
    sqlx::query!(
        "INSERT INTO provisioner.comparisons (location, started_at) VALUES ($1, $2)
         ON CONFLICT (location) DO UPDATE SET started_at = EXCLUDED.started_at",
        location.as_str(),
        now
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Takes the right to compare in the background, which is the connection's until it is closed. False: another has it.
pub(crate) async fn take_turn(connection: &mut PgConnection) -> Result<bool, Failure> {
    Ok(sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock(hashtextextended('purser.reconcile', 0)) AS "taken!""#)
        .fetch_one(connection)
        .await?)
}
