//! Readings of what is stored: a whole account, or one bucket that has changed. Read without, written in a transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use history::{Failure, Record, Step};
use messages::{BucketDiscovered, BucketVanished, EventData, QuotaThresholdCrossed, Subject};
use model::{ByteCount, Location, S3Uid, Timestamp};
use object_store::{BucketUsage, StoreError};

use crate::domain::quota::{self, Crossing};
use crate::domain::storage::{StorageHour, hour_of};
use crate::store::accounts::Details;
use crate::store::samples::KnownBucket;
use crate::store::storage_hours::BucketHour;
use crate::{Metering, store};

/// How often a reading that came too late is repeated.
const ATTEMPTS_MAX: usize = 3;

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
    let Some(account) = store::accounts::details(step.connection(), s3uid).await? else { return Ok(Written::Done) };
    let location = account.location.as_str();
    if store::storage_hours::is_closed(step.connection(), s3uid, location, hour_of(*measured_at)).await? {
        return Ok(Written::TooLate);
    }
    let known = store::samples::known(step.connection(), s3uid, only.as_deref()).await?;
    let mut changes = Changes::between(&known, buckets, *measured_at);
    let last = store::storage_hours::last_of_buckets(step.connection(), s3uid, &changes.names()).await?;
    // One that a younger reading has found gone.
    changes
        .changed
        .retain(|(bucket, _)| last.get(&bucket.name).is_none_or(|last| last.storage.sampled_at < *measured_at));
    if only.is_none() {
        store::samples::mark_measured(step.connection(), s3uid, *measured_at).await?;
    }
    if changes.is_empty() && only.is_none() {
        return Ok(Written::Done);
    }
    store::samples::write(step.connection(), s3uid, &changes.to_write(), &changes.gone, *measured_at).await?;
    write_storage(step, sample, &changes, &last, whole_at).await?;
    if account.is_active {
        tell_of_buckets(step, sample, &account, &changes).await?;
        tell_of_quota(step, s3uid, &account).await?;
    }
    Ok(Written::Done)
}

/// What a reading found that wasn't known.
struct Changes<'a> {
    /// New, or with other figures; with the time of the reading before.
    changed: Vec<(&'a BucketUsage, Option<Timestamp>)>,
    /// Read alone, and as they were.
    confirmed: Vec<&'a BucketUsage>,
    gone: Vec<String>,
}

impl<'a> Changes<'a> {
    fn between(known: &[KnownBucket], found: &'a [BucketUsage], measured_at: Timestamp) -> Self {
        let before: BTreeMap<&str, &KnownBucket> = known.iter().map(|bucket| (bucket.name.as_str(), bucket)).collect();
        let is_older = |bucket: &KnownBucket| bucket.measured_at < measured_at;
        let mut changes = Self { changed: Vec::new(), confirmed: Vec::new(), gone: Vec::new() };
        for bucket in found {
            match before.get(bucket.name.as_str()) {
                None => changes.changed.push((bucket, None)),
                Some(known) if !is_older(known) => {}
                Some(known) if known.is_as(bucket) => changes.confirmed.push(bucket),
                Some(known) => changes.changed.push((bucket, Some(known.measured_at))),
            }
        }
        let names: BTreeSet<&str> = found.iter().map(|bucket| bucket.name.as_str()).collect();
        let is_gone = |bucket: &&KnownBucket| !names.contains(bucket.name.as_str()) && is_older(bucket);
        changes.gone = known.iter().filter(is_gone).map(|bucket| bucket.name.clone()).collect();
        changes
    }

    fn names(&self) -> Vec<String> {
        let changed = self.changed.iter().map(|(bucket, _)| bucket.name.clone());
        changed.chain(self.gone.iter().cloned()).collect()
    }

    fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.gone.is_empty()
    }

    /// An account that is read whole has one time for all its buckets that are as they were; a bucket alone has its own.
    fn to_write(&self) -> Vec<&'a BucketUsage> {
        let confirmed = if self.is_empty() { self.confirmed.as_slice() } else { &[] };
        self.changed.iter().map(|(bucket, _)| *bucket).chain(confirmed.iter().copied()).collect()
    }
}

/// Goes on with the hours of the buckets that have changed, and with the account's.
async fn write_storage(
    step: &mut Step,
    sample: &Sample,
    changes: &Changes<'_>,
    last: &HashMap<String, BucketHour>,
    whole_at: Timestamp,
) -> Result<(), Failure> {
    let Sample { s3uid, measured_at, .. } = sample;
    let found = changes.changed.iter().map(|(bucket, seen_at)| {
        (&bucket.name, bucket.usage.to_i64(), i64::try_from(bucket.objects).unwrap_or(i64::MAX), *seen_at)
    });
    let gone = changes.gone.iter().map(|name| (name, 0, 0, None));
    let mut hours = Vec::new();
    for (name, bytes, objects, seen_at) in found.chain(gone) {
        let before = last.get(name);
        let storage = match before {
            Some(before) => before.storage.advance(*measured_at, bytes),
            None => Some(StorageHour::first(*measured_at, bytes)),
        };
        let Some(storage) = storage else { continue };
        // A bucket that was gone was read last when it went.
        let seen_at = seen_at.or_else(|| before.map(|before| before.storage.sampled_at));
        let seen_at = seen_at.map(|seen_at| seen_at.max(whole_at));
        let same_hour = before.filter(|before| before.storage.hour == storage.hour);
        let unchanged_at = same_hour.map_or(seen_at, |before| before.unchanged_at);
        hours.push((name.clone(), BucketHour { storage, closing_objects: objects, unchanged_at }));
    }
    store::storage_hours::write_buckets(step.connection(), s3uid, &hours).await?;
    let stored = store::samples::totals(step.connection(), s3uid).await?.usage_bytes;
    let hour = match store::storage_hours::last_of_account(&mut *step.connection(), s3uid, None).await? {
        Some(last) => last.advance_or_replace(*measured_at, stored),
        None => StorageHour::first(*measured_at, stored),
    };
    store::storage_hours::write_account(step.connection(), s3uid, &hour).await?;
    store::days::add(step.connection(), s3uid, stored, hour.peak_bytes, hour.sampled_at).await
}

/// One event per bucket that appeared or went without Purser's doing.
async fn tell_of_buckets(
    step: &mut Step,
    sample: &Sample,
    account: &Details,
    changes: &Changes<'_>,
) -> Result<(), Failure> {
    let (s3uid, measured_at) = (&sample.s3uid, Some(sample.measured_at));
    let new = changes.changed.iter().filter(|(_, seen_at)| seen_at.is_none()).map(|(bucket, _)| bucket.name.clone());
    let new: Vec<String> = new.collect();
    if new.is_empty() && changes.gone.is_empty() {
        return Ok(());
    }
    let names = [new.as_slice(), changes.gone.as_slice()].concat();
    let managed = store::samples::managed(step.connection(), s3uid, &names).await?;
    for bucket_name in new.into_iter().filter(|name| !managed.contains(name)) {
        let description = format!("Bucket {bucket_name} appeared: made over S3");
        let data = BucketDiscovered { s3uid: s3uid.clone(), bucket_name, measured_at };
        record(step, account, s3uid, BucketDiscovered::EVENT, description, &data).await?;
    }
    for bucket_name in changes.gone.iter().filter(|name| managed.contains(name)).cloned() {
        let description = format!("Bucket {bucket_name} is gone: deleted over S3");
        let data = BucketVanished { s3uid: s3uid.clone(), bucket_name, measured_at };
        record(step, account, s3uid, BucketVanished::EVENT, description, &data).await?;
    }
    Ok(())
}

/// One event per threshold of the quota that was crossed.
pub(crate) async fn tell_of_quota(step: &mut Step, s3uid: &S3Uid, account: &Details) -> Result<(), Failure> {
    let used_bytes = store::samples::totals(step.connection(), s3uid).await?.usage_actual_bytes;
    let before = store::quotas::threshold(step.connection(), s3uid).await?;
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
