//! Where accounts live: one object store per location.

use std::collections::HashMap;
use std::sync::Arc;

use model::Location;

use crate::{ObjectStore, StoreError};

/// One location's store.
#[derive(Debug, Clone)]
pub struct LocationStore {
    /// The store.
    pub store: Arc<dyn ObjectStore>,
    /// Host name, and port where it isn't the default, as customers reach S3 there.
    pub endpoint: String,
}

/// The stores of all locations that a role serves.
#[derive(Debug, Clone, Default)]
pub struct Locations(HashMap<Location, LocationStore>);

impl Locations {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&Location, &LocationStore)> {
        self.0.iter()
    }

    /// The store of a location. One that isn't configured (any more) is an operator's fault, not the caller's.
    pub fn get(&self, location: &Location) -> Result<&LocationStore, StoreError> {
        self.0
            .get(location)
            .ok_or_else(|| StoreError::Misconfigured(format!("location {location} is not configured here")))
    }
}

impl FromIterator<(Location, LocationStore)> for Locations {
    fn from_iter<I: IntoIterator<Item = (Location, LocationStore)>>(stores: I) -> Self {
        Self(stores.into_iter().collect())
    }
}
