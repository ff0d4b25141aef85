//! RGW's usage log, location by location: read while its hours are open, closed when they no longer change, trimmed
//! when they are safe.

mod closing;
mod merging;
mod reading;
mod trimming;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use history::Failure;
pub(crate) use merging::merge;
use model::{Location, S3Uid, Timestamp};
use object_store::{Administrator, ObjectStore};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::domain::storage::hour_of;
use crate::sampling::unavailable;
use crate::{Metering, observe, store};

/// How many hours are caught up with in one round.
const HOURS_AT_ONCE: usize = 48;
/// What is younger is read again once a day, and not trimmed.
pub(crate) const CORRECTED_FOR: TimeDelta = TimeDelta::days(7);
const READ_AGAIN_AFTER: TimeDelta = TimeDelta::days(1);
/// So near to the turn of the hour, a request may be logged in either.
const TURN: TimeDelta = TimeDelta::seconds(30);
const HOUR: TimeDelta = TimeDelta::hours(1);

/// Of an account's records in an hour: whoever can choose some of them can't make two states alike.
type AccountDigest = [u8; 32];

/// What the reader of a location knows without asking; another process begins with nothing.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Who makes the probes on RGW.
    administrator: Option<Administrator>,
    /// What was written of each account in the hours that are open; of `None` only that something was.
    digests: HashMap<Timestamp, HashMap<String, Option<AccountDigest>>>,
}

/// One location's log.
struct Log<'a> {
    metering: &'a Metering,
    location: &'a Location,
    store: &'a dyn ObjectStore,
}

/// Reads a location's log until shutdown.
pub(crate) async fn run(metering: Arc<Metering>, location: Location, interval: Duration, soft: CancellationToken) {
    let mut memory = Memory::default();
    while !soft.is_cancelled() {
        let next = Instant::now() + interval;
        if let Err(error) = round(&metering, &location, &mut memory, &soft).await {
            tracing::warn!(%location, %error, "the usage log could not be read; the next round goes on with it");
        }
        tokio::select! {
            () = soft.cancelled() => {}
            () = sleep_until(next) => {}
        }
    }
}

/// One round, unless another process is at it.
pub(crate) async fn round(
    metering: &Metering,
    location: &Location,
    memory: &mut Memory,
    soft: &CancellationToken,
) -> Result<(), Failure> {
    // Held by an idle transaction of its own; ending it, also by a crash, gives the lock back.
    let mut lock = metering.pool.begin().await?;
    if !store::log_hours::lock(&mut lock, location).await? {
        return Ok(());
    }
    let found = metering.locations.get(location).map_err(|error| unavailable(&error))?;
    let log = Log { metering, location, store: found.store.as_ref() };
    let started = Instant::now();
    let done = log.round(memory, soft).await;
    observe::log_read(location, started.elapsed());
    // At once, and not whenever the connection gets round to it.
    lock.rollback().await?;
    done
}

/// Reads one account's open hours now.
pub(crate) async fn read_account(metering: &Metering, s3uid: &S3Uid, location: &Location) -> Result<(), Failure> {
    let store = &metering.locations.get(location).map_err(|error| unavailable(&error))?.store;
    let asked_at = metering.clock.now();
    let to = hour_of(asked_at) + HOUR;
    let from = store::log_hours::watermark(&metering.pool, location).await?.unwrap_or(to - HOUR);
    let records = store.usage(s3uid, from, to).await.map_err(|error| unavailable(&error))?;
    let mut step = metering.journal.step().await?;
    merge(&mut step, location, &[(s3uid.clone(), records.as_slice())], (from, to), asked_at).await?;
    step.commit().await
}

impl Log<'_> {
    async fn round(&self, memory: &mut Memory, soft: &CancellationToken) -> Result<(), Failure> {
        let Metering { pool, settings, .. } = self.metering;
        let Some(watermark) = store::log_hours::watermark(pool, self.location).await? else { return Ok(()) };
        if let Err(error) = self.probe(memory).await {
            tracing::warn!(location = %self.location, %error, "no request could be made that the usage log must show");
        }
        self.read_open_hours(memory, watermark, soft).await?;
        self.read_an_old_hour(memory).await?;
        trimming::resume(self).await?;
        if let Some(days) = settings.usage_trim_after_days {
            trimming::trim(self, TimeDelta::days(i64::from(days))).await?;
        }
        Ok(())
    }

    fn now(&self) -> Timestamp {
        self.metering.clock.now()
    }

    /// Makes a request that the log must show: where it doesn't, RGW has lost a part of it.
    async fn probe(&self, memory: &mut Memory) -> Result<(), Failure> {
        if memory.administrator.is_none() {
            memory.administrator = Some(self.store.administrator().await.map_err(|error| unavailable(&error))?);
        }
        if memory.administrator.as_ref().is_some_and(|administrator| administrator.is_system) {
            // RGW would not log it.
            return Ok(());
        }
        let now = self.now();
        if now - hour_of(now) < TURN || hour_of(now + TURN) != hour_of(now) {
            return Ok(());
        }
        self.store.probe_log().await.map_err(|error| unavailable(&error))?;
        store::log_hours::add_probe(&self.metering.pool, self.location, hour_of(now)).await
    }

    /// Reads the running hour, then those before it that aren't final; closes them in their order.
    async fn read_open_hours(
        &self,
        memory: &mut Memory,
        mut watermark: Timestamp,
        soft: &CancellationToken,
    ) -> Result<(), Failure> {
        let started = self.now();
        let running = hour_of(started);
        memory.digests.retain(|hour, _| *hour >= watermark);
        // An hour that can't be read keeps no other from being read.
        let mut trouble = reading::read(self, memory, running).await.err();
        let mut hour = watermark;
        for _ in 0..HOURS_AT_ONCE {
            if hour >= running || soft.is_cancelled() || !self.store.is_available() {
                break;
            }
            match reading::read(self, memory, hour).await {
                Ok(read) if read.is_settled && hour == watermark => {
                    closing::close(self, hour, read.probes_logged).await?;
                    watermark = hour + HOUR;
                }
                Ok(_) => {}
                Err(error) => trouble = Some(error),
            }
            hour += HOUR;
        }
        observe::log_open(self.location, running - watermark);
        if let Some(error) = trouble {
            return Err(error);
        }
        // What was requested before it began, RGW had written down, unless an hour was left for the next round.
        let complete_until = (hour >= running).then(|| started - self.metering.settings.usage_flush);
        store::log_hours::set_read(&self.metering.pool, self.location, self.now(), complete_until).await
    }

    /// Once a day each hour that may still be corrected is read again.
    async fn read_an_old_hour(&self, memory: &mut Memory) -> Result<(), Failure> {
        let now = self.now();
        let (since, unread_since) = (now - CORRECTED_FOR, now - READ_AGAIN_AFTER);
        let hour = store::log_hours::to_read_again(&self.metering.pool, self.location, since, unread_since).await?;
        if let Some(hour) = hour {
            reading::read(self, memory, hour).await?;
            memory.digests.remove(&hour);
        }
        Ok(())
    }
}
