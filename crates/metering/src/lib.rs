//! Metering: what every account uses, as RGW itself reports it.
#![doc = include_str!("../README.md")]

mod changes;
mod domain;
#[cfg(test)]
mod fuzzing;
mod handle;
mod log;
mod migrate;
mod observe;
mod report;
mod routes;
mod sampling;
mod store;
mod sweep;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use history::Journal;
pub use migrate::MIGRATOR;
use model::{Clock, Location};
use object_store::Locations;
pub use report::usage_report;
use runtime::{Role, Shutdown};

use crate::changes::Changes;

/// An administrator's command has up to 500 accounts read.
const COMMANDS_AT_ONCE: u16 = 4;

/// How metering works.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How often every account is read, changed or not.
    pub sweep_interval: Duration,
    /// How often RGW's usage log is read.
    pub traffic_interval: Duration,
    /// How late RGW may write its usage log.
    pub usage_flush: TimeDelta,
    /// After how many days usage records are deleted from RGW; never where absent. At least 7.
    pub usage_trim_after_days: Option<u32>,
    /// How long changes of a bucket are gathered before it is read.
    pub change_delay: Duration,
}

/// What every handler works with.
#[derive(Debug)]
pub(crate) struct Metering {
    pub(crate) pool: sqlx::PgPool,
    pub(crate) journal: Journal,
    pub(crate) locations: Locations,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: Settings,
}

/// Starts metering's part of the process; it ends with `shutdown`.
pub fn start(role: Role, locations: Locations, settings: Settings, shutdown: &Shutdown) {
    let journal = role.journal().clone();
    let (pool, clock) = (journal.pool().clone(), Arc::clone(journal.clock()));
    let codes: Vec<Location> = locations.iter().map(|(code, _)| code.clone()).collect();
    observe::describe(&codes);
    let state = Arc::new(Metering { pool, journal, locations, clock, settings });
    for location in codes {
        start_location(&state, location, shutdown);
    }
    let changes = Arc::new(Changes::default());
    role.consume("changes", "s3.metering.rgw", changes::PREFETCH, changes.handler(), shutdown);
    let (metering, soft) = (Arc::clone(&state), shutdown.soft().clone());
    shutdown.spawn("changed buckets", async move {
        let delay = metering.settings.change_delay;
        changes::run(metering, changes, delay, soft).await;
        Ok(())
    });
    role.with_command_prefetch(COMMANDS_AT_ONCE).start(state, routes::routes(), shutdown);
}

/// Each location has its own sweep and its own reader: one that is down holds up nobody else.
fn start_location(metering: &Arc<Metering>, location: Location, shutdown: &Shutdown) {
    let (state, code, soft) = (Arc::clone(metering), location.clone(), shutdown.soft().clone());
    shutdown.spawn("sweep", async move {
        let interval = state.settings.sweep_interval;
        sweep::run(state, code, interval, soft).await;
        Ok(())
    });
    let (state, soft) = (Arc::clone(metering), shutdown.soft().clone());
    shutdown.spawn("usage log", async move {
        let interval = state.settings.traffic_interval;
        log::run(state, location, interval, soft).await;
        Ok(())
    });
}
