//! `provisioner.drifts`: what database and stores didn't agree about when they were last compared in the background.

use history::Failure;
use messages::{DriftDetected, DriftKind};
use model::{CustomerId, Location, S3Uid, Timestamp};
use sqlx::{PgConnection, PgPool};

struct Row {
    location: String,
    kind: String,
    subject: String,
    s3uid: Option<String>,
    expected: String,
    found: String,
    customer_id: Option<i64>,
}

impl TryFrom<Row> for (DriftDetected, Option<CustomerId>) {
    type Error = Failure;

    fn try_from(row: Row) -> Result<Self, Failure> {
        let broken = |error: &dyn std::fmt::Display| Failure::Unavailable(format!("drift of {}: {error}", row.subject));
        let kind = DriftKind::ALL.into_iter().find(|kind| kind.as_str() == row.kind);
        let drift = DriftDetected {
            location: row.location.parse().map_err(|e| broken(&e))?,
            kind: kind.ok_or_else(|| broken(&row.kind))?,
            s3uid: row.s3uid.map(|s3uid| s3uid.parse()).transpose().map_err(|e| broken(&e))?,
            expected: row.expected,
            found: row.found,
            subject: row.subject,
        };
        Ok((drift, row.customer_id.map(CustomerId)))
    }
}

/// Notes what was found. True: it is new.
pub(crate) async fn note(
    connection: &mut PgConnection,
    drift: &DriftDetected,
    now: Timestamp,
) -> Result<bool, Failure> {
    let first_seen = sqlx::query_scalar!(
        "INSERT INTO provisioner.drifts AS d
             (location, kind, subject, s3uid, expected, found, first_seen_at, last_seen_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
         ON CONFLICT (location, kind, subject) DO UPDATE SET s3uid = EXCLUDED.s3uid, expected = EXCLUDED.expected,
             found = EXCLUDED.found, last_seen_at = EXCLUDED.last_seen_at
         RETURNING first_seen_at = last_seen_at AS \"is_new!\"",
        drift.location.as_str(),
        drift.kind.as_str(),
        drift.subject,
        drift.s3uid.as_ref().map(S3Uid::as_str),
        drift.expected,
        drift.found,
        now
    )
    .fetch_one(connection)
    .await?;
    Ok(first_seen)
}

/// Forgets what was found.
pub(crate) async fn forget(connection: &mut PgConnection, drift: &DriftDetected) -> Result<(), Failure> {
    sqlx::query!(
        "DELETE FROM provisioner.drifts WHERE location = $1 AND kind = $2 AND subject = $3",
        drift.location.as_str(),
        drift.kind.as_str(),
        drift.subject
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes out what was found of an active account before and isn't any more.
pub(crate) async fn take_resolved(
    connection: &mut PgConnection,
    location: &Location,
    s3uid: &S3Uid,
    seen_before: Timestamp,
) -> Result<Vec<(DriftDetected, Option<CustomerId>)>, Failure> {
    sqlx::query_as!(
        Row,
        r#"DELETE FROM provisioner.drifts d
           WHERE location = $1 AND s3uid = $2 AND kind <> 'user_extra' AND last_seen_at < $3
           RETURNING location, kind, subject, s3uid, expected, found,
               (SELECT a.customer_id FROM provisioner.accounts a WHERE a.s3uid = d.s3uid) AS customer_id"#,
        location.as_str(),
        s3uid.as_str(),
        seen_before
    )
    .fetch_all(connection)
    .await?
    .into_iter()
    .map(TryInto::try_into)
    .collect()
}

/// Takes out what a whole walk through a location didn't find again: of users without an account, and of accounts that
/// aren't active any more.
pub(crate) async fn take_stale(
    connection: &mut PgConnection,
    location: &Location,
    seen_before: Timestamp,
) -> Result<Vec<(DriftDetected, Option<CustomerId>)>, Failure> {
    sqlx::query_as!(
        Row,
        r#"DELETE FROM provisioner.drifts d
           WHERE location = $1 AND last_seen_at < $2 AND (kind = 'user_extra' OR NOT EXISTS (
               SELECT FROM provisioner.accounts a WHERE a.s3uid = d.s3uid AND a.state = 'active'))
           RETURNING location, kind, subject, s3uid, expected, found,
               (SELECT a.customer_id FROM provisioner.accounts a WHERE a.s3uid = d.s3uid) AS customer_id"#,
        location.as_str(),
        seen_before
    )
    .fetch_all(connection)
    .await?
    .into_iter()
    .map(TryInto::try_into)
    .collect()
}

/// How many there are of a kind in a location; nothing where there are none.
pub(crate) async fn counts(pool: &PgPool) -> Result<Vec<(String, String, i64)>, Failure> {
    let rows =
        sqlx::query!(r#"SELECT location, kind, count(*) AS "count!" FROM provisioner.drifts GROUP BY location, kind"#)
            .fetch_all(pool)
            .await?;
    Ok(rows.into_iter().map(|row| (row.location, row.kind, row.count)).collect())
}
