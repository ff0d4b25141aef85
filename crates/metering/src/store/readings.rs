//! What a reading of an account needs to know beforehand, and what it writes: one statement for each, whatever is written.

use history::Failure;
use messages::Subject;
use model::{CustomerId, S3Uid, Timestamp};
use object_store::BucketUsage;
use rust_decimal::Decimal;
use sqlx::PgConnection;

use super::accounts::Details;
use super::storage_hours::BucketHour;
use crate::domain::storage::StorageHour;

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What all of an account's buckets hold together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) usage_bytes: i64,
    /// As RGW counts for quotas.
    pub(crate) usage_actual_bytes: i64,
}

/// An account before a reading is written.
#[derive(Debug)]
pub(crate) struct Before {
    pub(crate) account: Details,
    /// The reading's hour has been published, or all hours at the location up to it are final: it takes no reading any more.
    pub(crate) is_closed: bool,
    pub(crate) totals: Totals,
    /// The threshold of its quota that it has reached, in percent; 0 below all.
    pub(crate) threshold_percent: u8,
    /// Its last hour.
    pub(crate) last: Option<StorageHour>,
}

/// How an account stands for a reading in `hour`; `None` where it was taken back, or never was there.
pub(crate) async fn before(
    connection: &mut PgConnection,
    s3uid: &S3Uid,
    hour: Timestamp,
) -> Result<Option<Before>, Failure> {
    let row = sqlx::query!(
        r#"SELECT a.customer_id AS "customer_id!", a.quota_bytes AS "quota_bytes!",
                  a.state = 'active' AS "is_active!",
                  EXISTS (SELECT FROM metering.recorded_hours WHERE s3uid = $1 AND hour >= $2)
                      OR EXISTS (SELECT FROM metering.log_watermarks w
                                 WHERE w.location = a.location AND w.final_until > $2) AS "is_closed!",
                  u.usage_bytes AS "usage_bytes!", u.usage_actual_bytes AS "usage_actual_bytes!",
                  (SELECT threshold_percent FROM metering.quota_thresholds WHERE s3uid = $1) AS threshold_percent,
                  h.hour AS "hour?", h.byte_seconds AS "byte_seconds?", h.peak_bytes AS "peak_bytes?",
                  h.closing_bytes AS "closing_bytes?", h.sampled_at AS "sampled_at?"
           FROM shared.accounts a
           CROSS JOIN (SELECT coalesce(sum(usage_bytes), 0)::bigint AS usage_bytes,
                              coalesce(sum(usage_actual_bytes), 0)::bigint AS usage_actual_bytes
                       FROM metering.bucket_usage WHERE s3uid = $1) u
           LEFT JOIN LATERAL (SELECT * FROM metering.account_hours WHERE s3uid = $1 ORDER BY hour DESC LIMIT 1) h ON true
           WHERE a.s3uid = $1 AND a.state <> 'released'"#,
        s3uid.as_str(),
        hour
    )
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let last = row.hour.zip(row.byte_seconds).zip(row.peak_bytes).zip(row.closing_bytes).zip(row.sampled_at);
    let last = last.map(|((((hour, byte_seconds), peak_bytes), closing_bytes), sampled_at)| StorageHour {
        hour,
        byte_seconds,
        opening_bytes: None,
        peak_bytes,
        closing_bytes,
        sampled_at,
    });
    let account =
        Details { customer_id: CustomerId(row.customer_id), quota_bytes: row.quota_bytes, is_active: row.is_active };
    Ok(Some(Before {
        account,
        is_closed: row.is_closed,
        totals: Totals { usage_bytes: row.usage_bytes, usage_actual_bytes: row.usage_actual_bytes },
        threshold_percent: row.threshold_percent.and_then(|percent| u8::try_from(percent).ok()).unwrap_or(0),
        last,
    }))
}

/// A bucket that isn't as it was last read, or that was read alone.
#[derive(Debug)]
pub(crate) struct Difference {
    pub(crate) name: String,
    /// As it was last read; `None` where it wasn't there.
    pub(crate) known: Option<KnownBucket>,
    /// It was found the very same.
    pub(crate) is_same: bool,
    /// Purser made it, or took it over, and it isn't deleted; said of buckets that are new or gone.
    pub(crate) is_managed: bool,
    /// It came or went without Purser's knowledge, or else by a command of its account that is under way.
    pub(crate) is_undecided: bool,
    pub(crate) last: Option<BucketHour>,
}

/// A bucket as it was last read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KnownBucket {
    pub(crate) totals: Totals,
    pub(crate) measured_at: Timestamp,
}

/// Compares what was found of an account's buckets, or of the one called `only`, with what is known of them. A command that
/// began before `at_work_since` has nothing to do with what was found.
pub(crate) async fn differences(
    connection: &mut PgConnection,
    s3uid: &S3Uid,
    only: Option<&str>,
    found: &[BucketUsage],
    at_work_since: Timestamp,
) -> Result<Vec<Difference>, Failure> {
    let columns = Columns::of(found.iter());
    let rows = sqlx::query!(
        r#"SELECT d.name AS "name!", d.usage_bytes, d.usage_actual_bytes, d.measured_at, d.is_same AS "is_same!",
                  m.is_managed AS "is_managed!",
                  CASE WHEN (d.is_new AND NOT m.is_managed) OR (d.is_gone AND m.is_managed)
                       THEN EXISTS (SELECT FROM shared.subjects_at_work w WHERE w.subject = $7 AND w.since > $8)
                       ELSE false END AS "is_undecided!",
                  h.hour AS "hour?", h.byte_seconds AS "byte_seconds?", h.opening_bytes AS "opening_bytes?",
                  h.peak_bytes AS "peak_bytes?", h.closing_bytes AS "closing_bytes?",
                  h.closing_objects AS "closing_objects?", h.unchanged_at AS "unchanged_at?",
                  h.sampled_at AS "sampled_at?"
           FROM (SELECT coalesce(k.bucket_name, f.name) AS name, k.usage_bytes, k.usage_actual_bytes, k.measured_at,
                        k.bucket_name IS NULL AS is_new, f.name IS NULL AS is_gone,
                        (k.usage_bytes, k.usage_actual_bytes, k.objects)
                            IS NOT DISTINCT FROM (f.usage, f.actual, f.objects) AS is_same
                 FROM (SELECT * FROM metering.bucket_usage
                       WHERE s3uid = $1 AND ($2::text IS NULL OR bucket_name = $2)) k
                 FULL JOIN UNNEST($3::text[], $4::bigint[], $5::bigint[], $6::bigint[])
                     AS f (name, usage, actual, objects) ON f.name = k.bucket_name) d
           CROSS JOIN LATERAL (SELECT CASE WHEN d.is_new OR d.is_gone
               THEN d.name IN (SELECT b.name FROM shared.buckets b WHERE b.s3uid = $1 AND NOT b.is_deleted)
               ELSE false END AS is_managed) m
           LEFT JOIN LATERAL (SELECT * FROM metering.bucket_hours
                              WHERE s3uid = $1 AND bucket_name = d.name ORDER BY hour DESC LIMIT 1) h ON true
           WHERE NOT d.is_same OR $2::text IS NOT NULL"#,
        s3uid.as_str(),
        only,
        &columns.names,
        &columns.usage,
        &columns.actual,
        &columns.objects,
        Subject::Account(s3uid.clone()).to_string(),
        at_work_since
    )
    .fetch_all(connection)
    .await?;
    let mut differences = Vec::with_capacity(rows.len());
    for row in rows {
        let known = row.usage_bytes.zip(row.usage_actual_bytes).zip(row.measured_at);
        let known = known.map(|((usage_bytes, usage_actual_bytes), measured_at)| KnownBucket {
            totals: Totals { usage_bytes, usage_actual_bytes },
            measured_at,
        });
        let storage = row.hour.zip(row.byte_seconds).zip(row.peak_bytes).zip(row.closing_bytes).zip(row.sampled_at);
        let storage = storage.map(|((((hour, byte_seconds), peak_bytes), closing_bytes), sampled_at)| StorageHour {
            hour,
            byte_seconds,
            opening_bytes: row.opening_bytes,
            peak_bytes,
            closing_bytes,
            sampled_at,
        });
        let last = storage.zip(row.closing_objects).map(|(storage, closing_objects)| BucketHour {
            storage,
            closing_objects,
            unchanged_at: row.unchanged_at,
        });
        let (name, is_same) = (row.name, row.is_same);
        let (is_managed, is_undecided) = (row.is_managed, row.is_undecided);
        differences.push(Difference { name, known, is_same, is_managed, is_undecided, last });
    }
    Ok(differences)
}

/// What was found of buckets, column by column.
#[derive(Default)]
struct Columns {
    names: Vec<String>,
    usage: Vec<i64>,
    actual: Vec<i64>,
    objects: Vec<i64>,
}

impl Columns {
    fn of<'a>(buckets: impl Iterator<Item = &'a BucketUsage>) -> Self {
        let mut columns = Self::default();
        for bucket in buckets {
            columns.names.push(bucket.name.clone());
            columns.usage.push(bucket.usage.to_i64());
            columns.actual.push(bucket.size_actual.to_i64());
            columns.objects.push(count(bucket.objects));
        }
        columns
    }
}

/// Hours of buckets, column by column.
#[derive(Default)]
struct HourColumns {
    names: Vec<String>,
    begins: Vec<Timestamp>,
    byte_seconds: Vec<Decimal>,
    opening: Vec<Option<i64>>,
    peak: Vec<i64>,
    closing: Vec<i64>,
    objects: Vec<i64>,
    unchanged: Vec<Option<Timestamp>>,
    sampled: Vec<Timestamp>,
}

impl HourColumns {
    fn of(hours: &[(String, BucketHour)]) -> Self {
        let mut columns = Self::default();
        for (name, BucketHour { storage, closing_objects, unchanged_at }) in hours {
            columns.names.push(name.clone());
            columns.begins.push(storage.hour);
            columns.byte_seconds.push(storage.byte_seconds);
            columns.opening.push(storage.opening_bytes);
            columns.peak.push(storage.peak_bytes);
            columns.closing.push(storage.closing_bytes);
            columns.objects.push(*closing_objects);
            columns.unchanged.push(*unchanged_at);
            columns.sampled.push(storage.sampled_at);
        }
        columns
    }
}

/// What a reading writes.
pub(crate) struct Findings<'a> {
    pub(crate) measured_at: Timestamp,
    /// The account was read whole.
    pub(crate) is_whole: bool,
    pub(crate) buckets: Vec<&'a BucketUsage>,
    /// Buckets that are forgotten.
    pub(crate) gone: Vec<String>,
    /// Of buckets that have changed; those that are there are replaced.
    pub(crate) hours: Vec<(String, BucketHour)>,
    pub(crate) account_hour: StorageHour,
    pub(crate) stored_bytes: i64,
}

/// Writes a reading. One that is older than the last of its day counts for the day's peak only.
pub(crate) async fn write(
    connection: &mut PgConnection,
    s3uid: &S3Uid,
    findings: &Findings<'_>,
) -> Result<(), Failure> {
    let Findings { measured_at, is_whole, buckets, gone, hours, account_hour, stored_bytes } = findings;
    let (columns, of_hours) = (Columns::of(buckets.iter().copied()), HourColumns::of(hours));
    let write = sqlx::query!(
        "WITH measured AS (
             UPDATE metering.measured_accounts SET measured_at = $2,
                 stale_since = CASE WHEN stale_since > $2 THEN stale_since END
             WHERE s3uid = $1 AND $3
         ), gone AS (
             DELETE FROM metering.bucket_usage WHERE s3uid = $1 AND bucket_name = ANY ($4)
         ), buckets AS (
             INSERT INTO metering.bucket_usage (s3uid, bucket_name, usage_bytes, usage_actual_bytes, objects, measured_at)
             SELECT $1, name, usage, actual, objects, $2
             FROM UNNEST($5::text[], $6::bigint[], $7::bigint[], $8::bigint[]) AS found (name, usage, actual, objects)
             ON CONFLICT (s3uid, bucket_name) DO UPDATE SET usage_bytes = EXCLUDED.usage_bytes,
                 usage_actual_bytes = EXCLUDED.usage_actual_bytes, objects = EXCLUDED.objects,
                 measured_at = EXCLUDED.measured_at
         ), hours AS (
             INSERT INTO metering.bucket_hours (s3uid, bucket_name, hour, byte_seconds, opening_bytes, peak_bytes,
                                                closing_bytes, closing_objects, unchanged_at, sampled_at)
             SELECT $1, name, hour, byte_seconds, opening, peak, closing, objects, unchanged, sampled
             FROM UNNEST($9::text[], $10::timestamptz[], $11::numeric[], $12::bigint[], $13::bigint[], $14::bigint[],
                         $15::bigint[], $16::timestamptz[], $17::timestamptz[])
                  AS h (name, hour, byte_seconds, opening, peak, closing, objects, unchanged, sampled)
             ON CONFLICT (s3uid, bucket_name, hour) DO UPDATE SET byte_seconds = EXCLUDED.byte_seconds,
                 opening_bytes = EXCLUDED.opening_bytes, peak_bytes = EXCLUDED.peak_bytes,
                 closing_bytes = EXCLUDED.closing_bytes, closing_objects = EXCLUDED.closing_objects,
                 unchanged_at = EXCLUDED.unchanged_at, sampled_at = EXCLUDED.sampled_at
         ), account AS (
             INSERT INTO metering.account_hours (s3uid, hour, byte_seconds, peak_bytes, closing_bytes, sampled_at)
             VALUES ($1, $18, $19, $20, $21, $22)
             ON CONFLICT (s3uid, hour) DO UPDATE SET byte_seconds = EXCLUDED.byte_seconds,
                 peak_bytes = EXCLUDED.peak_bytes, closing_bytes = EXCLUDED.closing_bytes,
                 sampled_at = EXCLUDED.sampled_at
         )
         INSERT INTO metering.storage_days AS d (s3uid, day, peak_bytes, last_bytes, measured_at)
         VALUES ($1, $23, $20, $24, $22)
         ON CONFLICT (s3uid, day) DO UPDATE SET
             peak_bytes = greatest(d.peak_bytes, EXCLUDED.peak_bytes),
             last_bytes = CASE WHEN d.measured_at <= EXCLUDED.measured_at THEN EXCLUDED.last_bytes
                               ELSE d.last_bytes END,
             measured_at = greatest(d.measured_at, EXCLUDED.measured_at)",
        s3uid.as_str(),
        measured_at,
        is_whole,
        gone,
        &columns.names,
        &columns.usage,
        &columns.actual,
        &columns.objects,
        &of_hours.names,
        &of_hours.begins,
        &of_hours.byte_seconds,
        &of_hours.opening as &[Option<i64>],
        &of_hours.peak,
        &of_hours.closing,
        &of_hours.objects,
        &of_hours.unchanged as &[Option<Timestamp>],
        &of_hours.sampled,
        account_hour.hour,
        account_hour.byte_seconds,
        account_hour.peak_bytes,
        account_hour.closing_bytes,
        account_hour.sampled_at,
        account_hour.sampled_at.date_naive(),
        stored_bytes
    );
    write.execute(connection).await?;
    Ok(())
}

/// Notes that an account was read whole, and found as it was.
pub(crate) async fn confirm(
    connection: &mut PgConnection,
    s3uid: &S3Uid,
    measured_at: Timestamp,
) -> Result<(), Failure> {
    sqlx::query!(
        "UPDATE metering.measured_accounts SET measured_at = $2,
             stale_since = CASE WHEN stale_since > $2 THEN stale_since END
         WHERE s3uid = $1",
        s3uid.as_str(),
        measured_at
    )
    .execute(connection)
    .await?;
    Ok(())
}
