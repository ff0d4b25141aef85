//! Billing: plans, orders, services.
#![doc = include_str!("../README.md")]

mod cancellations;
pub mod customers;
mod deadlines;
mod domain;
mod handle;
mod migrate;
mod periods;
pub mod plans;
mod routes;
mod schedule;
mod store;
mod terminations;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;
pub use domain::location::LocationBook;
pub use domain::storage::TaxRates;
pub use migrate::MIGRATOR;
use model::Clock;
use runtime::{Role, Shutdown};

/// What an operator sets for billing.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long an order may take before it fails.
    pub order_deadline: TimeDelta,
    /// How many accounts a customer may have under plans that cost nothing.
    pub free_accounts_max: u32,
    /// The locations and their other names.
    pub locations: LocationBook,
    /// The S3 endpoint of each location, as customers reach it.
    pub endpoints: BTreeMap<String, String>,
    /// What is added to net prices, by the customer's country.
    pub tax_rates: TaxRates,
}

/// What every handler works with.
#[derive(Debug)]
pub(crate) struct Billing {
    pub(crate) pool: sqlx::PgPool,
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Starts billing's part of the process; it ends with `shutdown`.
pub fn start(role: Role, settings: Settings, shutdown: &Shutdown) {
    let journal = role.journal().clone();
    let state = Billing { pool: journal.pool().clone(), settings, clock: Arc::clone(journal.clock()) };
    let soft = shutdown.soft().clone();
    shutdown.spawn("schedule", async move {
        schedule::run(journal, soft).await;
        Ok(())
    });
    role.start(Arc::new(state), routes::routes(), shutdown);
}
