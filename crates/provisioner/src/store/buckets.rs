//! `provisioner.buckets`.

use history::Failure;
use model::{BucketName, Location, S3Uid, Timestamp};
use sqlx::PgConnection;

/// Adds a bucket that the store has made, or takes over the name: the store has just proved whose it is.
/// `notified_topic` is where the store sends its changes.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    location: &Location,
    name: &str,
    s3uid: &S3Uid,
    notified_topic: Option<&str>,
    now: Timestamp,
) -> Result<(), Failure> {
    sqlx::query!(
        "INSERT INTO provisioner.buckets (location, name, s3uid, created_at, notified_topic) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (location, name) DO UPDATE SET s3uid = EXCLUDED.s3uid, created_at = EXCLUDED.created_at,
             deleted_at = NULL, notified_topic = EXCLUDED.notified_topic, notify_not_before = 'epoch',
             notify_failures = 0",
        location.as_str(),
        name,
        s3uid.as_str(),
        now,
        notified_topic
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Adds a bucket that the customer made over S3 and that was seen at `seen_at`, unless it is known as theirs. One that was
/// deleted since stays deleted. False: nothing was added.
pub(crate) async fn discover(
    connection: &mut PgConnection,
    location: &Location,
    name: &str,
    s3uid: &S3Uid,
    seen_at: Timestamp,
) -> Result<bool, Failure> {
    let done = sqlx::query!(
        "INSERT INTO provisioner.buckets (location, name, s3uid, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (location, name) DO UPDATE SET s3uid = EXCLUDED.s3uid, created_at = EXCLUDED.created_at,
             deleted_at = NULL, notified_topic = NULL, notify_not_before = 'epoch', notify_failures = 0
             WHERE buckets.deleted_at < EXCLUDED.created_at OR buckets.deleted_at IS NULL
                 AND buckets.s3uid <> EXCLUDED.s3uid AND buckets.created_at < EXCLUDED.created_at",
        location.as_str(),
        name,
        s3uid.as_str(),
        seen_at
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes that a bucket was deleted, also one that the customer had made over S3. One that is somebody else's by now stays
/// theirs.
pub(crate) async fn mark_deleted(
    connection: &mut PgConnection,
    location: &Location,
    name: &str,
    s3uid: &S3Uid,
    now: Timestamp,
) -> Result<(), Failure> {
    sqlx::query!(
        "INSERT INTO provisioner.buckets (location, name, s3uid, created_at, deleted_at) VALUES ($1, $2, $3, $4, $4)
         ON CONFLICT (location, name) DO UPDATE SET deleted_at = EXCLUDED.deleted_at
             WHERE buckets.s3uid = EXCLUDED.s3uid",
        location.as_str(),
        name,
        s3uid.as_str(),
        now
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes that a bucket was gone at `seen_at`, unless it was made since.
pub(crate) async fn vanish(
    connection: &mut PgConnection,
    name: &str,
    s3uid: &S3Uid,
    seen_at: Timestamp,
) -> Result<(), Failure> {
    sqlx::query!(
        "UPDATE provisioner.buckets b SET deleted_at = $3
         FROM provisioner.accounts a
         WHERE a.s3uid = $2 AND a.state = 'active' AND b.location = a.location AND b.s3uid = $2 AND b.name = $1
             AND b.deleted_at IS NULL AND b.created_at < $3",
        name,
        s3uid.as_str(),
        seen_at
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The account's buckets that Purser can have made: customers' own may have other names.
pub(crate) async fn of_account(connection: &mut PgConnection, s3uid: &S3Uid) -> Result<Vec<BucketName>, Failure> {
    let names = sqlx::query_scalar!(
        "SELECT name FROM provisioner.buckets WHERE s3uid = $1 AND deleted_at IS NULL",
        s3uid.as_str()
    )
    .fetch_all(connection)
    .await?;
    Ok(names.into_iter().filter_map(|name| name.parse().ok()).collect())
}

/// Forgets all buckets of an account that is released or deleted.
pub(crate) async fn delete_of_account(connection: &mut PgConnection, s3uid: &S3Uid) -> Result<(), Failure> {
    sqlx::query!("DELETE FROM provisioner.buckets WHERE s3uid = $1", s3uid.as_str()).execute(connection).await?;
    Ok(())
}
