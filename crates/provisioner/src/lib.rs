//! The provisioner: accounts, keys, quotas and buckets on Ceph RGW.
#![doc = include_str!("../README.md")]

mod domain;
mod handle;
mod migrate;
mod observe;
pub mod operators;
mod purge;
pub mod reconcile;
pub mod rotation;
mod routes;
mod store;
mod watching;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub use domain::sealing::{KeyId, SealingError, SealingKeys};
use history::Journal;
pub use migrate::MIGRATOR;
use model::{Clock, Location};
use object_store::{Locations, Topic};
use runtime::{Role, Shutdown};

use crate::watching::Watch;

/// What the provisioner works with.
#[derive(Debug)]
pub struct Settings {
    /// The stores of all locations.
    pub locations: Locations,
    /// Every location, with the topic to which its store sends buckets' changes; `None` where it doesn't.
    pub topics: BTreeMap<Location, Option<Topic>>,
    /// The keys that seal S3 secrets.
    pub sealing_keys: SealingKeys,
}

/// What every handler works with.
#[derive(Debug)]
pub(crate) struct Provisioner {
    pub(crate) pool: sqlx::PgPool,
    pub(crate) journal: Journal,
    pub(crate) locations: Locations,
    pub(crate) places: BTreeMap<Location, Option<Watch>>,
    pub(crate) sealing_keys: SealingKeys,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Provisioner {
    fn new(journal: Journal, settings: Settings) -> Self {
        let Settings { locations, topics, sealing_keys } = settings;
        let (pool, clock) = (journal.pool().clone(), Arc::clone(journal.clock()));
        let places = topics.into_iter().map(|(location, topic)| (location, topic.map(Watch::new))).collect();
        Self { pool, journal, locations, places, sealing_keys, clock }
    }
}

/// Starts the provisioner's part of the process; it ends with `shutdown`. Database and stores are compared in the
/// background every `reconcile_interval`, where there is one.
pub fn start(role: Role, settings: Settings, reconcile_interval: Option<Duration>, shutdown: &Shutdown) {
    observe::describe();
    let role = role.with_sealer(Arc::new(settings.sealing_keys.clone()));
    let state = Arc::new(Provisioner::new(role.journal().clone(), settings));
    let (purging, soft) = (Arc::clone(&state), shutdown.soft().clone());
    shutdown.spawn("purges", async move {
        purge::run(purging, soft).await;
        Ok(())
    });
    for location in state.places.keys() {
        let (watching, location, soft) = (Arc::clone(&state), location.clone(), shutdown.soft().clone());
        shutdown.spawn("watched buckets", async move {
            watching::run(watching, location, soft).await;
            Ok(())
        });
    }
    if let Some(interval) = reconcile_interval {
        let (comparing, soft) = (Arc::clone(&state), shutdown.soft().clone());
        shutdown.spawn("comparisons", async move {
            reconcile::background::run(comparing, interval, soft).await;
            Ok(())
        });
    }
    role.start(state, routes::routes(), shutdown);
}
