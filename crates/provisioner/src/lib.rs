//! The provisioner: accounts, keys, quotas and buckets on Ceph RGW.
#![doc = include_str!("../README.md")]

mod domain;
mod handle;
mod migrate;
mod routes;
mod store;

use std::sync::Arc;

pub use domain::sealing::{SealingError, SealingKey};
pub use migrate::MIGRATOR;
use model::Clock;
use object_store::Locations;
use runtime::{Role, Shutdown};

/// What every handler works with.
#[derive(Debug)]
pub(crate) struct Provisioner {
    pub(crate) pool: sqlx::PgPool,
    pub(crate) locations: Locations,
    pub(crate) sealing_key: SealingKey,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Starts the provisioner's part of the process; it ends with `shutdown`.
pub fn start(role: Role, locations: Locations, sealing_key: SealingKey, shutdown: &Shutdown) {
    let (pool, clock) = (role.journal().pool().clone(), Arc::clone(role.journal().clock()));
    let state = Provisioner { pool, locations, sealing_key, clock };
    role.start(Arc::new(state), routes::routes(), shutdown);
}
