//! Samples: `metering.bucket_usage`, `metering.usage_records`, `metering.measured_accounts`.

use history::Failure;
use model::{S3Uid, Timestamp};
use object_store::{BucketUsage, UsageRecord};
use sqlx::PgConnection;

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Notes that the account was read. False: a younger reading is there already, and this one must not be written.
pub(crate) async fn mark_measured(
    connection: &mut PgConnection,
    s3uid: &S3Uid,
    measured_at: Timestamp,
) -> Result<bool, Failure> {
    let done = sqlx::query!(
        "INSERT INTO metering.measured_accounts AS m (s3uid, measured_at) VALUES ($1, $2)
         ON CONFLICT (s3uid) DO UPDATE SET measured_at = EXCLUDED.measured_at
         WHERE m.measured_at <= EXCLUDED.measured_at",
        s3uid.as_str(),
        measured_at
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Replaces what is known of the account's buckets; those that are gone are forgotten.
pub(crate) async fn replace_buckets(
    connection: &mut PgConnection,
    s3uid: &S3Uid,
    buckets: &[BucketUsage],
    measured_at: Timestamp,
) -> Result<(), Failure> {
    let names: Vec<String> = buckets.iter().map(|bucket| bucket.name.clone()).collect();
    let usage: Vec<i64> = buckets.iter().map(|bucket| bucket.usage.to_i64()).collect();
    let actual: Vec<i64> = buckets.iter().map(|bucket| bucket.size_actual.to_i64()).collect();
    let objects: Vec<i64> = buckets.iter().map(|bucket| count(bucket.objects)).collect();
    sqlx::query!(
        "WITH gone AS (DELETE FROM metering.bucket_usage WHERE s3uid = $1 AND NOT (bucket_name = ANY ($2)))
         INSERT INTO metering.bucket_usage (s3uid, bucket_name, usage_bytes, usage_actual_bytes, objects, measured_at)
         SELECT $1, name, usage, actual, objects, $6
         FROM UNNEST($2::text[], $3::bigint[], $4::bigint[], $5::bigint[]) AS sample (name, usage, actual, objects)
         ON CONFLICT (s3uid, bucket_name) DO UPDATE SET usage_bytes = EXCLUDED.usage_bytes,
             usage_actual_bytes = EXCLUDED.usage_actual_bytes, objects = EXCLUDED.objects,
             measured_at = EXCLUDED.measured_at",
        s3uid.as_str(),
        &names,
        &usage,
        &actual,
        &objects,
        measured_at
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Replaces the hours that were read again. An hour that RGW reports smaller than before keeps its figures.
pub(crate) async fn replace_hours(
    connection: &mut PgConnection,
    s3uid: &S3Uid,
    records: &[UsageRecord],
    measured_at: Timestamp,
) -> Result<(), Failure> {
    let buckets: Vec<String> = records.iter().map(|record| record.bucket.clone()).collect();
    let categories: Vec<String> = records.iter().map(|record| record.category.clone()).collect();
    let hours: Vec<Timestamp> = records.iter().map(|record| record.hour).collect();
    let bytes_in: Vec<i64> = records.iter().map(|record| record.bytes_in.to_i64()).collect();
    let bytes_out: Vec<i64> = records.iter().map(|record| record.bytes_out.to_i64()).collect();
    let operations: Vec<i64> = records.iter().map(|record| count(record.operations)).collect();
    let successful: Vec<i64> = records.iter().map(|record| count(record.successful_operations)).collect();
    sqlx::query!(
        "INSERT INTO metering.usage_records AS u (s3uid, bucket_name, category, hour, bytes_in, bytes_out, operations,
                                                  successful_operations, measured_at)
         SELECT $1, bucket, category, hour, bytes_in, bytes_out, operations, successful, $9
         FROM UNNEST($2::text[], $3::text[], $4::timestamptz[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
              AS record (bucket, category, hour, bytes_in, bytes_out, operations, successful)
         ON CONFLICT (s3uid, hour, bucket_name, category) DO UPDATE SET
             bytes_in = greatest(u.bytes_in, EXCLUDED.bytes_in),
             bytes_out = greatest(u.bytes_out, EXCLUDED.bytes_out),
             operations = greatest(u.operations, EXCLUDED.operations),
             successful_operations = greatest(u.successful_operations, EXCLUDED.successful_operations),
             measured_at = EXCLUDED.measured_at",
        s3uid.as_str(),
        &buckets,
        &categories,
        &hours,
        &bytes_in,
        &bytes_out,
        &operations,
        &successful,
        measured_at
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Forgets an account that never was a customer's.
pub(crate) async fn forget(connection: &mut PgConnection, s3uid: &S3Uid) -> Result<(), Failure> {
    sqlx::query!(
        "WITH buckets AS (DELETE FROM metering.bucket_usage WHERE s3uid = $1),
              records AS (DELETE FROM metering.usage_records WHERE s3uid = $1),
              days AS (DELETE FROM metering.storage_days WHERE s3uid = $1)
         DELETE FROM metering.measured_accounts WHERE s3uid = $1",
        s3uid.as_str()
    )
    .execute(connection)
    .await?;
    Ok(())
}
