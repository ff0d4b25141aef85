//! Billing: plans, orders, services.
#![doc = include_str!("../README.md")]

pub mod customers;
mod deadlines;
mod domain;
mod handle;
mod migrate;
pub mod plans;
mod routes;
mod store;

use std::sync::Arc;

use chrono::TimeDelta;
pub use domain::location::LocationBook;
pub use migrate::MIGRATOR;
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
}

/// What every handler works with.
#[derive(Debug)]
pub(crate) struct Billing {
    pub(crate) pool: sqlx::PgPool,
    pub(crate) settings: Settings,
}

/// Starts billing's part of the process; it ends with `shutdown`.
pub fn start(role: Role, settings: Settings, shutdown: &Shutdown) {
    let journal = role.journal().clone();
    let state = Billing { pool: journal.pool().clone(), settings };
    let soft = shutdown.soft().clone();
    shutdown.spawn("order deadlines", async move {
        deadlines::watch(journal, soft).await;
        Ok(())
    });
    role.start(Arc::new(state), routes::routes(), shutdown);
}
