//! Readings of what is stored: a whole account, or one bucket that has changed. Read without, written in a transaction.

use std::collections::HashMap;

use chrono::TimeDelta;
use history::{Failure, Record, Step};
use messages::{BucketDiscovered, BucketVanished, EventData, QuotaThresholdCrossed, Subject};
use model::{ByteCount, Location, S3Uid, Timestamp};
use object_store::{BucketUsage, StoreError};

use crate::domain::quota::{self, Crossing};
use crate::domain::storage::{StorageHour, hour_of};
use crate::store::accounts::Details;
use crate::store::readings::{Before, Difference, Findings, Totals};
use crate::store::storage_hours::BucketHour;
use crate::{Metering, store};

/// How often a reading that came too late is repeated.
const ATTEMPTS_MAX: usize = 3;

/// A command that has been under way for longer keeps no reading waiting: what is stored must be counted.
const COMMAND_TIME_MAX: TimeDelta = TimeDelta::minutes(10);

/// What was read.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) s3uid: S3Uid,
    /// Before the store was asked.
    pub(crate) measured_at: Timestamp,
    /// The one bucket that was read; `None` where all were.
    pub(crate) only: Option<String>,
    pub(crate) buckets: Vec<BucketUsage>,
}

/// What became of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    Done,
    /// Its hour has been published meanwhile: it must be read again.
    TooLate,
}

pub(crate) fn unavailable(error: &StoreError) -> Failure {
    Failure::Unavailable(error.to_string())
}

/// Reads all buckets of an account.
pub(crate) async fn read_account(metering: &Metering, s3uid: &S3Uid, location: &Location) -> Result<Sample, Failure> {
    let store = &metering.locations.get(location).map_err(|error| unavailable(&error))?.store;
    let measured_at = metering.clock.now();
    let buckets = store.bucket_usages(s3uid).await.map_err(|error| unavailable(&error))?;
    Ok(Sample { s3uid: s3uid.clone(), measured_at, only: None, buckets })
}

/// Reads one bucket; one that isn't the account's (any more) is none of its buckets.
async fn read_bucket(metering: &Metering, s3uid: &S3Uid, location: &Location, name: &str) -> Result<Sample, Failure> {
    let store = &metering.locations.get(location).map_err(|error| unavailable(&error))?.store;
    let measured_at = metering.clock.now();
    let bucket = store.bucket(name).await.map_err(|error| unavailable(&error))?;
    let own = bucket.filter(|bucket| bucket.owner == s3uid.as_str()).map(|bucket| bucket.usage);
    Ok(Sample { s3uid: s3uid.clone(), measured_at, only: Some(name.to_owned()), buckets: own.into_iter().collect() })
}

/// Reads an account, or one bucket of it, and writes what was found.
pub(crate) async fn sample(
    metering: &Metering,
    s3uid: &S3Uid,
    location: &Location,
    only: Option<&str>,
) -> Result<(), Failure> {
    for _ in 0..ATTEMPTS_MAX {
        // No connection is held while the store is asked: one that hangs must not take them all.
        let sample = match only {
            Some(name) => read_bucket(metering, s3uid, location, name).await?,
            None => read_account(metering, s3uid, location).await?,
        };
        let mut step = metering.journal.step().await?;
        if write(&mut step, &sample).await? == Written::Done {
            return step.commit().await;
        }
    }
    Err(Failure::Unavailable(format!("account {s3uid}: its hour was closed before it could be read")))
}

/// Writes a sample, unless a younger one is there.
pub(crate) async fn write(step: &mut Step, sample: &Sample) -> Result<Written, Failure> {
    let Sample { s3uid, measured_at, only, buckets } = sample;
    let Some(whole_at) = store::samples::lock(step.connection(), s3uid).await? else { return Ok(Written::Done) };
    if whole_at >= *measured_at {
        return Ok(Written::Done);
    }
    let before = store::readings::before(step.connection(), s3uid, hour_of(*measured_at)).await?;
    let Some(before) = before else { return Ok(Written::Done) };
    if before.is_closed {
        return Ok(Written::TooLate);
    }
    let (connection, at_work_since) = (step.connection(), *measured_at - COMMAND_TIME_MAX);
    let differences = store::readings::differences(connection, s3uid, only.as_deref(), buckets, at_work_since).await?;
    if before.account.is_active && differences.iter().any(|difference| difference.is_undecided) {
        // Once the command has ended, it is known whether it or a customer made the bucket, or deleted it.
        let now = step.now();
        store::samples::mark_stale(step.connection(), &[s3uid.to_string()], now).await?;
        return Ok(Written::Done);
    }
    let changes = Changes::of(&differences, buckets, *measured_at);
    if changes.is_empty() && only.is_none() {
        store::readings::confirm(step.connection(), s3uid, *measured_at).await?;
        return Ok(Written::Done);
    }
    let now = changes.totals(before.totals);
    let findings = findings(sample, &changes, &before, now, whole_at);
    store::readings::write(step.connection(), s3uid, &findings).await?;
    if before.account.is_active {
        tell_of_buckets(step, sample, &before.account, &changes).await?;
        tell_of_quota(step, s3uid, &before, now).await?;
    }
    Ok(Written::Done)
}

/// What a reading found that wasn't known.
struct Changes<'a> {
    /// New, or with other figures.
    changed: Vec<(&'a BucketUsage, &'a Difference)>,
    /// Read alone, and as they were.
    confirmed: Vec<&'a BucketUsage>,
    gone: Vec<&'a Difference>,
}

impl<'a> Changes<'a> {
    fn of(differences: &'a [Difference], found: &'a [BucketUsage], measured_at: Timestamp) -> Self {
        let found: HashMap<&str, &BucketUsage> = found.iter().map(|bucket| (bucket.name.as_str(), bucket)).collect();
        let mut changes = Self { changed: Vec::new(), confirmed: Vec::new(), gone: Vec::new() };
        for difference in differences {
            if difference.known.is_some_and(|known| known.measured_at >= measured_at) {
                continue;
            }
            match found.get(difference.name.as_str()) {
                None => changes.gone.push(difference),
                Some(bucket) if difference.is_same => changes.confirmed.push(bucket),
                // A younger reading may have found it gone.
                Some(bucket) if difference.last.as_ref().is_none_or(|last| last.storage.sampled_at < measured_at) => {
                    changes.changed.push((bucket, difference));
                }
                Some(_) => {}
            }
        }
        changes
    }

    fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.gone.is_empty()
    }

    /// An account that is read whole has one time for all its buckets that are as they were; a bucket alone has its own.
    fn to_write(&self) -> Vec<&'a BucketUsage> {
        let confirmed = if self.is_empty() { self.confirmed.as_slice() } else { &[] };
        self.changed.iter().map(|(bucket, _)| *bucket).chain(confirmed.iter().copied()).collect()
    }

    /// What the account's buckets hold together, if they held `before`.
    fn totals(&self, before: Totals) -> Totals {
        let nothing = Totals { usage_bytes: 0, usage_actual_bytes: 0 };
        let changed = self.changed.iter().map(|(bucket, difference)| {
            let now = Totals { usage_bytes: bucket.usage.to_i64(), usage_actual_bytes: bucket.size_actual.to_i64() };
            (*difference, now)
        });
        changed.chain(self.gone.iter().map(|difference| (*difference, nothing))).fold(
            before,
            |sum, (difference, now)| {
                let known = difference.known.map_or(nothing, |known| known.totals);
                let add = |sum: i64, known: i64, now: i64| sum.saturating_sub(known).saturating_add(now);
                Totals {
                    usage_bytes: add(sum.usage_bytes, known.usage_bytes, now.usage_bytes),
                    usage_actual_bytes: add(sum.usage_actual_bytes, known.usage_actual_bytes, now.usage_actual_bytes),
                }
            },
        )
    }
}

/// Goes on with the hours of the buckets that have changed, and with the account's.
fn findings<'a>(
    sample: &Sample,
    changes: &Changes<'a>,
    before: &Before,
    totals: Totals,
    whole_at: Timestamp,
) -> Findings<'a> {
    let measured_at = sample.measured_at;
    let found = changes.changed.iter().map(|(bucket, difference)| {
        (*difference, bucket.usage.to_i64(), i64::try_from(bucket.objects).unwrap_or(i64::MAX))
    });
    let gone = changes.gone.iter().map(|difference| (*difference, 0, 0));
    let hours = found.chain(gone);
    let hours = hours.filter_map(|(difference, bytes, objects)| {
        let last = difference.last.as_ref();
        let storage = match last {
            Some(last) => last.storage.advance(measured_at, bytes)?,
            None => StorageHour::first(measured_at, bytes),
        };
        // A bucket that was gone was read last when it went.
        let known_at = difference.known.map(|known| known.measured_at);
        let seen_at = known_at.or_else(|| last.map(|last| last.storage.sampled_at));
        let seen_at = seen_at.map(|seen_at| seen_at.max(whole_at));
        let same_hour = last.filter(|last| last.storage.hour == storage.hour);
        let unchanged_at = same_hour.map_or(seen_at, |last| last.unchanged_at);
        Some((difference.name.clone(), BucketHour { storage, closing_objects: objects, unchanged_at }))
    });
    let stored_bytes = totals.usage_bytes;
    let account_hour = match &before.last {
        Some(last) => last.advance_or_replace(measured_at, stored_bytes),
        None => StorageHour::first(measured_at, stored_bytes),
    };
    Findings {
        measured_at,
        is_whole: sample.only.is_none(),
        buckets: changes.to_write(),
        gone: changes.gone.iter().map(|difference| difference.name.clone()).collect(),
        hours: hours.collect(),
        account_hour,
        stored_bytes,
    }
}

/// One event per bucket that appeared or went without Purser's doing.
async fn tell_of_buckets(
    step: &mut Step,
    sample: &Sample,
    account: &Details,
    changes: &Changes<'_>,
) -> Result<(), Failure> {
    let (s3uid, measured_at) = (&sample.s3uid, Some(sample.measured_at));
    let new = changes.changed.iter().map(|(_, difference)| *difference).filter(|difference| difference.known.is_none());
    for Difference { name, .. } in new.filter(|difference| !difference.is_managed) {
        let bucket_name = name.clone();
        let description = format!("Bucket {bucket_name} appeared: made over S3");
        let data = BucketDiscovered { s3uid: s3uid.clone(), bucket_name, measured_at };
        record(step, account, s3uid, BucketDiscovered::EVENT, description, &data).await?;
    }
    for Difference { name, .. } in changes.gone.iter().filter(|difference| difference.is_managed) {
        let bucket_name = name.clone();
        let description = format!("Bucket {bucket_name} is gone: deleted over S3");
        let data = BucketVanished { s3uid: s3uid.clone(), bucket_name, measured_at };
        record(step, account, s3uid, BucketVanished::EVENT, description, &data).await?;
    }
    Ok(())
}

/// One event per threshold of the quota that was crossed.
pub(crate) async fn tell_of_quota(
    step: &mut Step,
    s3uid: &S3Uid,
    before: &Before,
    totals: Totals,
) -> Result<(), Failure> {
    let (account, used_bytes, before) = (&before.account, totals.usage_actual_bytes, before.threshold_percent);
    let now = quota::reached(used_bytes, account.quota_bytes);
    if before == now {
        return Ok(());
    }
    store::quotas::set_threshold(step.connection(), s3uid, now).await?;
    for crossing in quota::crossings(before, now) {
        let (event, threshold_percent, verb) = match crossing {
            Crossing::Reached(percent) => (QuotaThresholdCrossed::EVENT, percent, "reached"),
            Crossing::Left(percent) => ("quota.threshold_left", percent, "no longer reached"),
        };
        let data = QuotaThresholdCrossed {
            s3uid: s3uid.clone(),
            threshold_percent,
            used_bytes: ByteCount::from_i64(used_bytes).bytes(),
            quota_bytes: ByteCount::from_i64(account.quota_bytes).bytes(),
        };
        let description = format!("{threshold_percent} % of the quota {verb}");
        record(step, account, s3uid, event, description, &data).await?;
    }
    Ok(())
}

async fn record<D: serde::Serialize>(
    step: &mut Step,
    account: &Details,
    s3uid: &S3Uid,
    event: &'static str,
    description: String,
    data: &D,
) -> Result<(), Failure> {
    step.record(Record {
        event,
        subject: Subject::Account(s3uid.clone()),
        customer_id: Some(account.customer_id),
        actor: "metering",
        description,
        data,
        traceparent: None,
    })
    .await
}
