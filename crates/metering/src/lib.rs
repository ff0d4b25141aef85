//! Metering: what every account uses, as RGW itself reports it.
#![doc = include_str!("../README.md")]

mod domain;
mod handle;
mod migrate;
mod routes;
mod sampling;
mod store;
mod sweep;

use std::sync::Arc;
use std::time::Duration;

pub use migrate::MIGRATOR;
use model::Clock;
use object_store::Locations;
use runtime::{Role, Shutdown};

/// What every handler works with.
#[derive(Debug)]
pub(crate) struct Metering {
    pub(crate) pool: sqlx::PgPool,
    pub(crate) locations: Locations,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Starts metering's part of the process; it ends with `shutdown`. All accounts are read every `sweep_interval`.
pub fn start(role: Role, locations: Locations, sweep_interval: Duration, shutdown: &Shutdown) {
    let (pool, clock) = (role.journal().pool().clone(), Arc::clone(role.journal().clock()));
    let state = Arc::new(Metering { pool, locations, clock });
    let (metering, soft) = (Arc::clone(&state), shutdown.soft().clone());
    shutdown.spawn("sweep", async move {
        sweep::run(metering, sweep_interval, soft).await;
        Ok(())
    });
    role.start(state, routes::routes(), shutdown);
}
