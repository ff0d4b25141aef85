//! What was read of accounts' records, written on top of what is known.

use std::collections::{BTreeMap, BTreeSet};

use history::{Failure, Step};
use messages::GapKind;
use model::{Location, S3Uid, Timestamp};
use object_store::UsageRecord;

use super::closing;
use crate::domain::traffic::{self, Counts};
use crate::store;
use crate::store::gaps::Gap;
use crate::store::traffic::RecordKey;

/// Writes what the log shows of accounts in the hours of `period`, all of it. What has changed in hours that were published
/// already is published as a correction. A record that was read later than `asked_at` stays as it is.
pub(crate) async fn merge(
    step: &mut Step,
    location: &Location,
    readings: &[(S3Uid, &[UsageRecord])],
    period: (Timestamp, Timestamp),
    asked_at: Timestamp,
) -> Result<(), Failure> {
    let s3uids: Vec<String> = readings.iter().map(|(s3uid, _)| s3uid.to_string()).collect();
    store::samples::lock_all(step.connection(), &s3uids).await?;
    let known = store::traffic::known(step.connection(), &s3uids, period.0, period.1).await?;
    let mut read: BTreeMap<RecordKey, Counts> = known.keys().map(|key| (key.clone(), Counts::default())).collect();
    for (s3uid, records) in readings {
        for record in *records {
            *read.entry(key(s3uid, record)).or_default() += counts(record);
        }
    }
    let (mut grown, mut days) = (Vec::new(), BTreeMap::<_, Counts>::new());
    let mut shrunk = BTreeSet::new();
    for (key, counts) in read {
        let before = known.get(&key).copied();
        if before.is_some_and(|before| before.measured_at > asked_at) {
            continue;
        }
        let (total, trimmed) = before.map_or_else(Default::default, |before| (before.counts, before.trimmed));
        let merged = traffic::merge(traffic::Known { counts: total, trimmed }, counts);
        if merged.is_shrunk {
            shrunk.insert((key.hour, key.s3uid.clone()));
        }
        let growth = merged.counts - total;
        if before.is_none() || growth != Counts::default() {
            *days.entry((key.s3uid.clone(), key.hour.date_naive())).or_default() += growth;
            grown.push((key, merged.counts));
        }
    }
    if !grown.is_empty() {
        store::traffic::write(step.connection(), &grown, asked_at).await?;
        store::traffic::add_to_days(step.connection(), &days).await?;
    }
    for (hour, s3uid) in shrunk {
        let detail = "RGW's log shows less of this account than it did; what was read before counts".to_owned();
        let gap = Gap { location: location.clone(), hour, kind: GapKind::Shrunk, s3uid: Some(s3uid), detail };
        closing::report_gap(step, gap).await?;
    }
    let hours = grown.iter().map(|(key, _)| (key.hour, key.s3uid.clone())).collect();
    let mut corrected = BTreeMap::<Timestamp, Vec<String>>::new();
    for (hour, s3uid) in store::records::published(step.connection(), location, &hours).await? {
        corrected.entry(hour).or_default().push(s3uid);
    }
    for (hour, s3uids) in corrected {
        closing::publish(step, location, hour, &s3uids).await?;
    }
    Ok(())
}

fn key(s3uid: &S3Uid, record: &UsageRecord) -> RecordKey {
    RecordKey {
        s3uid: s3uid.to_string(),
        hour: record.hour,
        bucket_name: record.bucket.clone(),
        category: record.category.clone(),
    }
}

fn counts(record: &UsageRecord) -> Counts {
    let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    Counts {
        bytes_in: record.bytes_in.to_i64(),
        bytes_out: record.bytes_out.to_i64(),
        operations: count(record.operations),
        successful_operations: count(record.successful_operations),
    }
}
