//! The provisioner: accounts, keys, quotas and buckets on Ceph RGW.
#![doc = include_str!("../README.md")]

mod domain;
mod handle;
mod migrate;
mod purge;
mod routes;
mod store;

use std::sync::Arc;

pub use domain::sealing::{SealingError, SealingKey};
use history::Journal;
pub use migrate::MIGRATOR;
use model::Clock;
use object_store::Locations;
use runtime::{Role, Shutdown};

/// What every handler works with.
#[derive(Debug)]
pub(crate) struct Provisioner {
    pub(crate) pool: sqlx::PgPool,
    pub(crate) journal: Journal,
    pub(crate) locations: Locations,
    pub(crate) sealing_key: SealingKey,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Starts the provisioner's part of the process; it ends with `shutdown`.
pub fn start(role: Role, locations: Locations, sealing_key: SealingKey, shutdown: &Shutdown) {
    let role = role.with_sealer(Arc::new(sealing_key.clone()));
    let journal = role.journal().clone();
    let (pool, clock) = (journal.pool().clone(), Arc::clone(journal.clock()));
    let state = Arc::new(Provisioner { pool, journal, locations, sealing_key, clock });
    let (purging, soft) = (Arc::clone(&state), shutdown.soft().clone());
    shutdown.spawn("purges", async move {
        purge::run(purging, soft).await;
        Ok(())
    });
    role.start(state, routes::routes(), shutdown);
}
