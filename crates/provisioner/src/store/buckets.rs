//! `provisioner.buckets`.

use history::Failure;
use model::{BucketName, Location, S3Uid, Timestamp};
use sqlx::PgConnection;

/// Adds a bucket that the store has made, or takes over the name: the store has just proved whose it is.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    location: &Location,
    name: &BucketName,
    s3uid: &S3Uid,
    now: Timestamp,
) -> Result<(), Failure> {
    sqlx::query!(
        "INSERT INTO provisioner.buckets (location, name, s3uid, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (location, name) DO UPDATE SET s3uid = EXCLUDED.s3uid, created_at = EXCLUDED.created_at,
             deleted_at = NULL",
        location.as_str(),
        name.as_str(),
        s3uid.as_str(),
        now
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes that a bucket was deleted, also one that the customer had made over S3. One that is somebody else's by now stays
/// theirs.
pub(crate) async fn mark_deleted(
    connection: &mut PgConnection,
    location: &Location,
    name: &BucketName,
    s3uid: &S3Uid,
    now: Timestamp,
) -> Result<(), Failure> {
    sqlx::query!(
        "INSERT INTO provisioner.buckets (location, name, s3uid, created_at, deleted_at) VALUES ($1, $2, $3, $4, $4)
         ON CONFLICT (location, name) DO UPDATE SET deleted_at = EXCLUDED.deleted_at
             WHERE buckets.s3uid = EXCLUDED.s3uid",
        location.as_str(),
        name.as_str(),
        s3uid.as_str(),
        now
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The account's buckets that Purser knows.
pub(crate) async fn of_account(connection: &mut PgConnection, s3uid: &S3Uid) -> Result<Vec<BucketName>, Failure> {
    let names = sqlx::query_scalar!(
        "SELECT name FROM provisioner.buckets WHERE s3uid = $1 AND deleted_at IS NULL",
        s3uid.as_str()
    )
    .fetch_all(connection)
    .await?;
    names
        .into_iter()
        .map(|name| name.parse().map_err(|error| Failure::Unavailable(format!("bucket {name}: {error}"))))
        .collect()
}

/// Forgets all buckets of an account that is released or deleted.
pub(crate) async fn delete_of_account(connection: &mut PgConnection, s3uid: &S3Uid) -> Result<(), Failure> {
    sqlx::query!("DELETE FROM provisioner.buckets WHERE s3uid = $1", s3uid.as_str()).execute(connection).await?;
    Ok(())
}
