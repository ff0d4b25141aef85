//! Reading one hour of a location's log.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use history::Failure;
use model::{S3Uid, Timestamp};
use object_store::{UsageRecord, UserUsage};
use sha2::{Digest, Sha256};

use super::{HOUR, Log, Memory, merge};
use crate::domain::finality;
use crate::sampling::unavailable;
use crate::store;

/// How many accounts are written in one transaction.
const ACCOUNTS_AT_ONCE: usize = 200;

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
async fn accounts_among(log: &Log<'_>, everyone: Vec<UserUsage>) -> Result<BTreeMap<S3Uid, Vec<UsageRecord>>, Failure> {
    let uids: Vec<String> = everyone.iter().map(|usage| usage.uid.clone()).collect();
    let known = store::accounts::of_location(&log.metering.pool, log.location, &uids).await?;
    let own = everyone.into_iter().filter(|usage| known.contains(&usage.uid));
    Ok(own.filter_map(|usage| Some((usage.uid.parse().ok()?, usage.records))).collect())
}

fn digest(accounts: &BTreeMap<S3Uid, Vec<UsageRecord>>) -> Vec<u8> {
    let mut hasher = Sha256::new();
    for (s3uid, records) in accounts {
        hasher.update(format!("{s3uid}\n"));
        for record in records {
            hasher.update(format!("{record:?}\n"));
        }
    }
    hasher.finalize().to_vec()
}

/// Writes the accounts whose records aren't as they were when this process wrote them last, and those that the log no
/// longer shows.
async fn write_changed(
    log: &Log<'_>,
    memory: &mut Memory,
    hour: Timestamp,
    accounts: BTreeMap<S3Uid, Vec<UsageRecord>>,
    asked_at: Timestamp,
) -> Result<(), Failure> {
    let written = memory.digests.entry(hour).or_default();
    let mut changed: Vec<(S3Uid, Vec<UsageRecord>, u64)> = Vec::new();
    for missing in store::traffic::accounts_in_hour(&log.metering.pool, log.location.as_str(), hour).await? {
        if let Ok(s3uid) = missing.parse::<S3Uid>()
            && !accounts.contains_key(&s3uid)
        {
            changed.push((s3uid, Vec::new(), 0));
        }
    }
    for (s3uid, records) in accounts {
        let digest = digest_of_account(&records);
        if written.get(s3uid.as_str()) != Some(&digest) {
            changed.push((s3uid, records, digest));
        }
    }
    for chunk in changed.chunks(ACCOUNTS_AT_ONCE) {
        let readings: Vec<_> = chunk.iter().map(|(s3uid, records, _)| (s3uid.clone(), records.as_slice())).collect();
        let mut step = log.metering.journal.step().await?;
        merge(&mut step, log.location, &readings, (hour, hour + HOUR), asked_at).await?;
        step.commit().await?;
        written.extend(chunk.iter().map(|(s3uid, _, digest)| (s3uid.to_string(), *digest)));
    }
    Ok(())
}

fn digest_of_account(records: &[UsageRecord]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for record in records {
        let UsageRecord { bucket, hour, category, bytes_in, bytes_out, operations, successful_operations } = record;
        (bucket, hour, category, bytes_in, bytes_out, operations, successful_operations).hash(&mut hasher);
    }
    hasher.finish()
}
