//! Reading one hour of a location's log.

use std::collections::BTreeMap;
use std::collections::hash_map::Entry;

use futures_util::{StreamExt, stream};
use history::Failure;
use model::{S3Uid, Timestamp};
use object_store::{UsageRecord, UserUsage};
use sha2::{Digest, Sha256};

use super::{AccountDigest, HOUR, Log, Memory, merge};
use crate::domain::finality;
use crate::sampling::unavailable;
use crate::store;

/// How many accounts are written in one transaction.
const ACCOUNTS_AT_ONCE: usize = 200;
/// How many such transactions are under way; none has an account of another's.
const CHUNKS_AT_ONCE: usize = 2;

/// What a reading has shown.
pub(super) struct Read {
    /// The hour no longer changes, and hasn't been closed yet.
    pub(super) is_settled: bool,
    /// How many of Purser's own requests are in it.
    pub(super) probes_logged: u64,
}

/// Reads an hour and writes what has changed since it was read before.
pub(super) async fn read(log: &Log<'_>, memory: &mut Memory, hour: Timestamp) -> Result<Read, Failure> {
    let (pool, location) = (&log.metering.pool, log.location);
    let read_at = log.now();
    let everyone = log.store.usage_of_all(hour).await.map_err(|error| unavailable(&error))?;
    let probes_logged = memory.administrator.as_ref().map_or(0, |own| own.probes_in(&everyone));
    let accounts = accounts_among(log, everyone).await?;
    let digest = digest(&accounts);
    let before = store::log_hours::state(pool, location, hour).await?;
    if before.as_ref().is_none_or(|before| before.digest != digest) {
        write_changed(log, memory, hour, accounts, read_at).await?;
    }
    let was_final = before.as_ref().is_some_and(|before| before.is_final);
    let state = finality::after_reading(before.as_ref(), hour, digest, read_at, log.metering.settings.usage_flush);
    store::log_hours::write(pool, location, &state, read_at).await?;
    Ok(Read { is_settled: state.is_final && !was_final, probes_logged })
}

/// The users who are accounts here.
async fn accounts_among(log: &Log<'_>, everyone: Vec<UserUsage>) -> Result<BTreeMap<S3Uid, Shown>, Failure> {
    let uids: Vec<String> = everyone.iter().map(|usage| usage.uid.clone()).collect();
    let known = store::accounts::of_location(&log.metering.pool, log.location, &uids).await?;
    let own = everyone.into_iter().filter(|usage| known.contains(&usage.uid));
    Ok(own.filter_map(|usage| Some((usage.uid.parse().ok()?, usage.records.into()))).collect())
}

/// What the log shows of an account in an hour.
struct Shown {
    records: Vec<UsageRecord>,
    digest: AccountDigest,
}

impl From<Vec<UsageRecord>> for Shown {
    fn from(records: Vec<UsageRecord>) -> Self {
        let mut hasher = Sha256::new();
        for record in &records {
            let UsageRecord { bucket, hour, category, bytes_in, bytes_out, operations, successful_operations } = record;
            for text in [bucket, category] {
                hasher.update(text.len().to_be_bytes());
                hasher.update(text);
            }
            hasher.update(hour.timestamp().to_be_bytes());
            for number in [bytes_in.bytes(), bytes_out.bytes(), *operations, *successful_operations] {
                hasher.update(number.to_be_bytes());
            }
        }
        Self { records, digest: hasher.finalize().into() }
    }
}

fn digest(accounts: &BTreeMap<S3Uid, Shown>) -> Vec<u8> {
    let mut hasher = Sha256::new();
    for (s3uid, shown) in accounts {
        hasher.update(s3uid.as_str());
        hasher.update(shown.digest);
    }
    hasher.finalize().to_vec()
}

/// Writes the accounts whose records aren't as they were when this process wrote them last, and those that the log no
/// longer shows.
async fn write_changed(
    log: &Log<'_>,
    memory: &mut Memory,
    hour: Timestamp,
    mut accounts: BTreeMap<S3Uid, Shown>,
    asked_at: Timestamp,
) -> Result<(), Failure> {
    let (pool, location) = (&log.metering.pool, log.location);
    let written = match memory.digests.entry(hour) {
        Entry::Occupied(written) => written.into_mut(),
        Entry::Vacant(unread) => {
            let known = store::traffic::accounts_in_hour(pool, location.as_str(), hour).await?;
            unread.insert(known.into_iter().map(|s3uid| (s3uid, None)).collect())
        }
    };
    let missing = |s3uid: &&String| s3uid.parse().is_ok_and(|s3uid: S3Uid| !accounts.contains_key(&s3uid));
    let missing: Vec<String> = written.keys().filter(missing).cloned().collect();
    if !missing.is_empty() {
        let left = store::accounts::of_location(pool, location, &missing).await?;
        accounts.extend(left.iter().filter_map(|s3uid| Some((s3uid.parse().ok()?, Vec::new().into()))));
    }
    accounts.retain(|s3uid, shown| written.get(s3uid.as_str()) != Some(&Some(shown.digest)));
    let changed: Vec<(S3Uid, Shown)> = accounts.into_iter().collect();
    let writes: Vec<_> = changed.chunks(ACCOUNTS_AT_ONCE).map(|chunk| write(log, hour, chunk, asked_at)).collect();
    let mut done = stream::iter(writes).buffer_unordered(CHUNKS_AT_ONCE);
    while let Some(chunk) = done.next().await {
        written.extend(chunk?.iter().map(|(s3uid, shown)| (s3uid.to_string(), Some(shown.digest))));
    }
    Ok(())
}

async fn write<'a>(
    log: &Log<'_>,
    hour: Timestamp,
    accounts: &'a [(S3Uid, Shown)],
    asked_at: Timestamp,
) -> Result<&'a [(S3Uid, Shown)], Failure> {
    let readings: Vec<_> = accounts.iter().map(|(s3uid, shown)| (s3uid.clone(), shown.records.as_slice())).collect();
    let mut step = log.metering.journal.step().await?;
    merge(&mut step, log.location, &readings, (hour, hour + HOUR), asked_at).await?;
    step.commit().await?;
    Ok(accounts)
}
