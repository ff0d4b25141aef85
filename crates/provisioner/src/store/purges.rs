//! `provisioner.purges`: accounts that are being emptied and deleted.

use history::Failure;
use messages::CommandKey;
use model::{S3Uid, Timestamp};
use sqlx::{PgConnection, PgPool};

/// The right of one attempt to work on a purge, until its lease runs out.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    pub(crate) s3uid: S3Uid,
    pub(crate) attempt: i32,
    /// How many attempts have failed since the last progress.
    pub(crate) failures: i32,
    pub(crate) is_counted: bool,
    pub(crate) is_locked_out: bool,
}

/// What a finished purge has deleted.
pub(crate) struct Purged {
    /// What a killed attempt deleted last may have escaped its count; then as many as there were at the beginning.
    pub(crate) objects_deleted: i64,
    pub(crate) buckets_deleted: Vec<String>,
}

/// Adds a purge that may begin at once.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    s3uid: &S3Uid,
    requested_by: Option<&CommandKey>,
    now: Timestamp,
) -> Result<(), Failure> {
    sqlx::query!(
        "INSERT INTO provisioner.purges (s3uid, principal, message_id, lease_until, started_at)
         VALUES ($1, $2, $3, $4, $4)",
        s3uid.as_str(),
        requested_by.map(|key| key.principal.as_str()),
        requested_by.map(|key| key.message_id),
        now
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether there is, or was, a purge of this account.
pub(crate) async fn exists(connection: &mut PgConnection, s3uid: &S3Uid) -> Result<bool, Failure> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM provisioner.purges WHERE s3uid = $1) AS "exists!""#,
        s3uid.as_str()
    )
    .fetch_one(connection)
    .await?)
}

/// Takes an unfinished purge that nobody works on, and whose account no command works on. One whose customer is locked out
/// waits until metering has read what they used before that; one locked out before `waited_since` has waited enough.
pub(crate) async fn claim(
    pool: &PgPool,
    now: Timestamp,
    lease_until: Timestamp,
    waited_since: Timestamp,
) -> Result<Option<Claim>, Failure> {
    let row = sqlx::query!(
        r#"UPDATE provisioner.purges SET attempt = attempt + 1, lease_until = $2
           WHERE s3uid = (SELECT p.s3uid FROM provisioner.purges p
                          WHERE p.finished_at IS NULL AND p.lease_until <= $1
                              AND NOT EXISTS (SELECT FROM provisioner.intents i WHERE i.subject = 'account/' || p.s3uid)
                              AND (p.locked_out_at IS NULL OR p.locked_out_at < $3
                                   OR EXISTS (SELECT FROM shared.log_watermarks w
                                              JOIN provisioner.accounts a ON a.location = w.location
                                              WHERE a.s3uid = p.s3uid AND w.complete_until >= p.locked_out_at))
                          ORDER BY p.lease_until LIMIT 1 FOR UPDATE SKIP LOCKED)
           RETURNING s3uid, attempt, failures, objects_total IS NOT NULL AS "is_counted!",
               locked_out_at IS NOT NULL AS "is_locked_out!""#,
        now,
        lease_until,
        waited_since
    )
    .fetch_optional(pool)
    .await?;
    row.map(|row| {
        let s3uid = row.s3uid.parse().map_err(|error| Failure::Unavailable(format!("purge {}: {error}", row.s3uid)))?;
        let (attempt, failures) = (row.attempt, row.failures);
        Ok(Claim { s3uid, attempt, failures, is_counted: row.is_counted, is_locked_out: row.is_locked_out })
    })
    .transpose()
}

/// Notes that the customer is locked out, and gives the purge back to wait. False: the attempt was overtaken.
pub(crate) async fn set_locked_out(pool: &PgPool, claim: &Claim, now: Timestamp) -> Result<bool, Failure> {
    let done = sqlx::query!(
        "UPDATE provisioner.purges SET locked_out_at = $3, lease_until = $3, failures = 0, last_error = NULL
         WHERE s3uid = $1 AND attempt = $2",
        claim.s3uid.as_str(),
        claim.attempt,
        now
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Locations where purges have waited since before `waited_since` for metering to read what was used, and how many.
pub(crate) async fn waiting(pool: &PgPool, waited_since: Timestamp) -> Result<Vec<(String, i64)>, Failure> {
    let rows = sqlx::query!(
        r#"SELECT a.location, count(*) AS "count!"
           FROM provisioner.purges p JOIN provisioner.accounts a USING (s3uid)
           LEFT JOIN shared.log_watermarks w ON w.location = a.location
           WHERE p.finished_at IS NULL AND p.locked_out_at < $1 AND (w.complete_until >= p.locked_out_at) IS NOT TRUE
           GROUP BY a.location ORDER BY a.location"#,
        waited_since
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.location, row.count)).collect())
}

/// Notes how much there is to delete.
pub(crate) async fn set_total(pool: &PgPool, claim: &Claim, objects_total: i64) -> Result<(), Failure> {
    sqlx::query!(
        "UPDATE provisioner.purges SET objects_total = $3 WHERE s3uid = $1 AND attempt = $2",
        claim.s3uid.as_str(),
        claim.attempt,
        objects_total
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Adds to what is deleted and renews the lease. False: the attempt was overtaken.
pub(crate) async fn progress(
    pool: &PgPool,
    claim: &Claim,
    objects_deleted: i64,
    bucket_deleted: Option<&str>,
    lease_until: Timestamp,
) -> Result<bool, Failure> {
    let done = sqlx::query!(
        "UPDATE provisioner.purges SET objects_deleted = objects_deleted + $3,
             buckets_deleted = CASE WHEN $4::text IS NULL OR $4 = ANY (buckets_deleted) THEN buckets_deleted
                                    ELSE buckets_deleted || $4 END,
             lease_until = $5, failures = CASE WHEN $3 > 0 THEN 0 ELSE failures END
         WHERE s3uid = $1 AND attempt = $2",
        claim.s3uid.as_str(),
        claim.attempt,
        objects_deleted,
        bucket_deleted,
        lease_until
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives a purge back, to be gone on with from `not_before` on.
pub(crate) async fn release(
    pool: &PgPool,
    claim: &Claim,
    not_before: Timestamp,
    error: Option<&str>,
) -> Result<(), Failure> {
    sqlx::query!(
        "UPDATE provisioner.purges SET lease_until = $3, last_error = $4,
             failures = failures + CASE WHEN $4::text IS NULL THEN 0 ELSE 1 END
         WHERE s3uid = $1 AND attempt = $2",
        claim.s3uid.as_str(),
        claim.attempt,
        not_before,
        error
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Finishes a purge. None: the attempt was overtaken, and this step must not commit.
pub(crate) async fn finish(
    connection: &mut PgConnection,
    claim: &Claim,
    now: Timestamp,
) -> Result<Option<Purged>, Failure> {
    Ok(sqlx::query_as!(
        Purged,
        "UPDATE provisioner.purges SET finished_at = $3, last_error = NULL
         WHERE s3uid = $1 AND attempt = $2 AND finished_at IS NULL
         RETURNING greatest(objects_deleted, objects_total) AS \"objects_deleted!\", buckets_deleted",
        claim.s3uid.as_str(),
        claim.attempt,
        now
    )
    .fetch_optional(connection)
    .await?)
}
