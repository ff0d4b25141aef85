//! RGW's usage log as it was read: `metering.usage_records`, summed up in `metering.traffic_days`.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;
use history::Failure;
use model::{S3Uid, Timestamp};
use sqlx::{PgConnection, PgExecutor, PgPool};

use crate::domain::traffic::Counts;

/// Which record of the log.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RecordKey {
    pub(crate) s3uid: String,
    pub(crate) hour: Timestamp,
    pub(crate) bucket_name: String,
    pub(crate) category: String,
}

/// What is known of a record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KnownRecord {
    pub(crate) counts: Counts,
    /// What the log held of it when it was trimmed.
    pub(crate) trimmed: Counts,
    pub(crate) measured_at: Timestamp,
}

/// What is known of these accounts' records in some hours.
pub(crate) async fn known(
    connection: &mut PgConnection,
    s3uids: &[String],
    from: Timestamp,
    to: Timestamp,
) -> Result<HashMap<RecordKey, KnownRecord>, Failure> {
    let rows = sqlx::query!(
        "SELECT s3uid, hour, bucket_name, category, bytes_in, bytes_out, operations, successful_operations,
                trimmed_bytes_in, trimmed_bytes_out, trimmed_operations, trimmed_successful_operations,
                measured_at
         FROM metering.usage_records WHERE s3uid = ANY ($1) AND hour >= $2 AND hour < $3",
        s3uids,
        from,
        to
    )
    .fetch_all(connection)
    .await?;
    let mut known = HashMap::new();
    for row in rows {
        let counts = Counts {
            bytes_in: row.bytes_in,
            bytes_out: row.bytes_out,
            operations: row.operations,
            successful_operations: row.successful_operations,
        };
        let trimmed = Counts {
            bytes_in: row.trimmed_bytes_in,
            bytes_out: row.trimmed_bytes_out,
            operations: row.trimmed_operations,
            successful_operations: row.trimmed_successful_operations,
        };
        let key = RecordKey { s3uid: row.s3uid, hour: row.hour, bucket_name: row.bucket_name, category: row.category };
        known.insert(key, KnownRecord { counts, trimmed, measured_at: row.measured_at });
    }
    Ok(known)
}

/// Writes records; those that are there are replaced.
pub(crate) async fn write(
    connection: &mut PgConnection,
    records: &[(RecordKey, Counts)],
    measured_at: Timestamp,
) -> Result<(), Failure> {
    let texts =
        |value: fn(&RecordKey) -> &String| records.iter().map(|(key, _)| value(key).clone()).collect::<Vec<_>>();
    let numbers = |value: fn(&Counts) -> i64| records.iter().map(|(_, counts)| value(counts)).collect::<Vec<_>>();
    let hours: Vec<Timestamp> = records.iter().map(|(key, _)| key.hour).collect();
    sqlx::query!(
        "INSERT INTO metering.usage_records (s3uid, bucket_name, category, hour, bytes_in, bytes_out, operations,
                                             successful_operations, measured_at)
         SELECT s3uid, bucket, category, hour, bytes_in, bytes_out, operations, successful, $9
         FROM UNNEST($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::bigint[], $6::bigint[], $7::bigint[],
                     $8::bigint[])
              AS record (s3uid, bucket, category, hour, bytes_in, bytes_out, operations, successful)
         ON CONFLICT (s3uid, hour, bucket_name, category) DO UPDATE SET
             bytes_in = EXCLUDED.bytes_in, bytes_out = EXCLUDED.bytes_out, operations = EXCLUDED.operations,
             successful_operations = EXCLUDED.successful_operations, measured_at = EXCLUDED.measured_at,
             is_trimmed = false",
        &texts(|key| &key.s3uid),
        &texts(|key| &key.bucket_name),
        &texts(|key| &key.category),
        &hours,
        &numbers(|counts| counts.bytes_in),
        &numbers(|counts| counts.bytes_out),
        &numbers(|counts| counts.operations),
        &numbers(|counts| counts.successful_operations),
        measured_at
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Adds to accounts' days what their records have grown by.
pub(crate) async fn add_to_days(
    connection: &mut PgConnection,
    growth: &BTreeMap<(String, NaiveDate), Counts>,
) -> Result<(), Failure> {
    let s3uids: Vec<String> = growth.keys().map(|(s3uid, _)| s3uid.clone()).collect();
    let days: Vec<NaiveDate> = growth.keys().map(|(_, day)| *day).collect();
    let numbers = |value: fn(&Counts) -> i64| growth.values().map(value).collect::<Vec<_>>();
    sqlx::query!(
        "INSERT INTO metering.traffic_days AS d (s3uid, day, bytes_in, bytes_out, operations)
         SELECT * FROM UNNEST($1::text[], $2::date[], $3::bigint[], $4::bigint[], $5::bigint[])
         ON CONFLICT (s3uid, day) DO UPDATE SET bytes_in = d.bytes_in + EXCLUDED.bytes_in,
             bytes_out = d.bytes_out + EXCLUDED.bytes_out, operations = d.operations + EXCLUDED.operations",
        &s3uids,
        &days,
        &numbers(|counts| counts.bytes_in),
        &numbers(|counts| counts.bytes_out),
        &numbers(|counts| counts.operations)
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The accounts of a location of which something is known in an hour.
pub(crate) async fn accounts_in_hour(pool: &PgPool, location: &str, hour: Timestamp) -> Result<Vec<String>, Failure> {
    Ok(sqlx::query_scalar!(
        "SELECT DISTINCT u.s3uid FROM metering.usage_records u JOIN shared.accounts a USING (s3uid)
         WHERE u.hour = $2 AND a.location = $1 AND a.state <> 'released'",
        location,
        hour
    )
    .fetch_all(pool)
    .await?)
}

/// A part of a report.
pub(crate) struct Section {
    /// The beginning of an hour or a day (`2026-11-22 13:00:00`), a bucket or a category.
    pub(crate) name: String,
    pub(crate) counts: Counts,
}

/// An account's traffic in a period by `hour`, `day`, `bucket` or `category`.
pub(crate) async fn sections(
    executor: impl PgExecutor<'_>,
    s3uid: &S3Uid,
    from: Timestamp,
    to: Timestamp,
    by: &str,
) -> Result<Vec<Section>, Failure> {
    let rows = sqlx::query!(
        r#"SELECT CASE $4 WHEN 'hour' THEN to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')
                          WHEN 'day' THEN to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD 00:00:00')
                          WHEN 'bucket' THEN bucket_name ELSE category END AS "name!",
                  sum(bytes_in)::bigint AS "bytes_in!", sum(bytes_out)::bigint AS "bytes_out!",
                  sum(operations)::bigint AS "operations!",
                  sum(successful_operations)::bigint AS "successful_operations!"
           FROM metering.usage_records WHERE s3uid = $1 AND hour >= $2 AND hour < $3 GROUP BY 1 ORDER BY 1"#,
        s3uid.as_str(),
        from,
        to,
        by
    )
    .fetch_all(executor)
    .await?;
    let mut sections = Vec::with_capacity(rows.len());
    for row in rows {
        let counts = Counts {
            bytes_in: row.bytes_in,
            bytes_out: row.bytes_out,
            operations: row.operations,
            successful_operations: row.successful_operations,
        };
        sections.push(Section { name: row.name, counts });
    }
    Ok(sections)
}
