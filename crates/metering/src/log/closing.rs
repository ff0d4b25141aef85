//! An hour that no longer changes: it is checked for gaps, published, and its day is summed up.

use std::collections::HashMap;

use chrono::Timelike;
use history::{Failure, Record, Step};
use messages::{EventData, GapKind, StorageInHour, Subject, TrafficInHour, UsageGapDetected, UsageRecorded};
use model::{ByteCount, CustomerId, Location, S3Uid, Timestamp};

use super::{HOUR, Log};
use crate::domain::storage::byte_hours;
use crate::store::gaps::Gap;
use crate::store::records::{AccountInHour, StorageRow, TrafficRow};
use crate::{observe, store};

/// How many accounts are published in one transaction.
const ACCOUNTS_AT_ONCE: usize = 200;

/// Closes an hour. Whatever it was interrupted in is gone on with by the next round.
pub(super) async fn close(log: &Log<'_>, hour: Timestamp, probes_logged: u64) -> Result<(), Failure> {
    let (metering, location) = (log.metering, log.location);
    let accounts = store::records::unpublished(&metering.pool, location, hour, hour + HOUR).await?;
    for accounts in accounts.chunks(ACCOUNTS_AT_ONCE) {
        let mut step = metering.journal.step().await?;
        publish(&mut step, location, hour, accounts).await?;
        step.commit().await?;
    }
    let mut step = metering.journal.step().await?;
    find_lost_flush(&mut step, location, hour, probes_logged).await?;
    // What a bucket received at the end of an hour may be logged in the next one.
    for growth in store::gaps::unlogged_growth(step.connection(), location, hour - HOUR, hour).await? {
        let detail = format!(
            "bucket {} grew by {} bytes, the log has {} received",
            growth.bucket_name, growth.grown_bytes, growth.logged_bytes
        );
        let kind = GapKind::UnloggedGrowth;
        let gap = Gap { location: location.clone(), hour: hour - HOUR, kind, s3uid: Some(growth.s3uid), detail };
        report_gap(&mut step, gap).await?;
    }
    if hour.hour() == 23 {
        store::days::close(step.connection(), location, hour.date_naive()).await?;
    }
    let now = step.now();
    store::log_hours::set_final(step.connection(), location, hour, now).await?;
    store::log_hours::set_watermark(step.connection(), location, hour + HOUR).await?;
    step.commit().await
}

async fn find_lost_flush(
    step: &mut Step,
    location: &Location,
    hour: Timestamp,
    probes_logged: u64,
) -> Result<(), Failure> {
    let probes = store::log_hours::probes(&mut *step.connection(), location, hour).await?;
    let probes = u64::try_from(probes).unwrap_or(0);
    if probes_logged < probes {
        let detail = format!("{probes_logged} of {probes} of Purser's own requests are in the log");
        let gap = Gap { location: location.clone(), hour, kind: GapKind::LostFlush, s3uid: None, detail };
        report_gap(step, gap).await?;
    }
    Ok(())
}

/// Writes a gap down and tells of it, once.
pub(super) async fn report_gap(step: &mut Step, gap: Gap) -> Result<(), Failure> {
    let now = step.now();
    if !store::gaps::insert(step.connection(), &gap, now).await? {
        return Ok(());
    }
    let Gap { location, hour, kind, s3uid, detail } = gap;
    let counted = location.clone();
    step.after_commit(move || observe::gap(&counted, kind));
    tracing::warn!(%location, %hour, kind = kind.as_str(), s3uid, detail, "the usage log has a gap");
    let s3uid: Option<S3Uid> = s3uid.and_then(|s3uid| s3uid.parse().ok());
    let customer_id = match &s3uid {
        Some(s3uid) => store::accounts::details(step.connection(), s3uid).await?.map(|account| account.customer_id),
        None => None,
    };
    let subject = s3uid.clone().map_or_else(|| Subject::Location(location.clone()), Subject::Account);
    step.record(Record {
        event: UsageGapDetected::EVENT,
        subject,
        customer_id,
        actor: "metering",
        description: format!("The usage log of {} has a gap: {detail}", hour.format("%Y-%m-%d %H:00")),
        data: &UsageGapDetected { location, hour, kind, s3uid, detail },
        traceparent: None,
    })
    .await
}

/// Publishes what accounts used in an hour; again with a higher revision where it was published before.
pub(super) async fn publish(
    step: &mut Step,
    location: &Location,
    hour: Timestamp,
    s3uids: &[String],
) -> Result<(), Failure> {
    let now = step.now();
    // Nothing more of the hour is written from here on.
    store::samples::lock_all(step.connection(), s3uids).await?;
    let revisions = store::records::next_revisions(step.connection(), s3uids, hour, now).await?;
    let mut traffic = grouped(store::records::traffic(step.connection(), s3uids, hour).await?, |row| &row.s3uid);
    let mut storage = grouped(store::records::storage(step.connection(), s3uids, hour).await?, |row| &row.s3uid);
    for account in store::records::accounts(step.connection(), s3uids, hour).await? {
        let s3uid: S3Uid = match account.s3uid.parse() {
            Ok(s3uid) => s3uid,
            Err(error) => return Err(Failure::Unavailable(format!("account {}: {error}", account.s3uid))),
        };
        let data = UsageRecorded {
            location: location.clone(),
            hour,
            revision: revisions.get(&account.s3uid).copied().unwrap_or(1),
            traffic: traffic.remove(&account.s3uid).unwrap_or_default().into_iter().map(TrafficInHour::from).collect(),
            storage: storage.remove(&account.s3uid).unwrap_or_default().into_iter().map(StorageInHour::from).collect(),
            closing_bytes: ByteCount::from_i64(account.closing_bytes).bytes(),
            peak_bytes: ByteCount::from_i64(account.peak_bytes).bytes(),
            s3uid,
        };
        publish_one(step, &account, &data).await?;
    }
    Ok(())
}

async fn publish_one(step: &mut Step, account: &AccountInHour, data: &UsageRecorded) -> Result<(), Failure> {
    step.publish(Record {
        event: UsageRecorded::EVENT,
        subject: Subject::Usage(data.s3uid.clone()),
        customer_id: Some(CustomerId(account.customer_id)),
        actor: "metering",
        description: format!("Usage of {}", data.hour.format("%Y-%m-%d %H:00")),
        data,
        traceparent: None,
    })
    .await
}

fn grouped<T>(rows: Vec<T>, key: impl Fn(&T) -> &String) -> HashMap<String, Vec<T>> {
    let mut groups: HashMap<String, Vec<T>> = HashMap::new();
    for row in rows {
        groups.entry(key(&row).clone()).or_default().push(row);
    }
    groups
}

impl From<TrafficRow> for TrafficInHour {
    fn from(row: TrafficRow) -> Self {
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        Self {
            bucket_name: row.bucket_name,
            category: row.category,
            bytes_in: count(row.bytes_in),
            bytes_out: count(row.bytes_out),
            operations: count(row.operations),
            successful_operations: count(row.successful_operations),
        }
    }
}

impl From<StorageRow> for StorageInHour {
    fn from(row: StorageRow) -> Self {
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        Self {
            byte_hours: byte_hours(row.storage.byte_seconds_until(row.storage.end())),
            peak_bytes: count(row.storage.peak_bytes),
            closing_bytes: count(row.storage.closing_bytes),
            closing_objects: count(row.closing_objects),
            bucket_name: row.bucket_name,
        }
    }
}
