//! Billing: plans, orders, services, invoices and the ledger.
#![doc = include_str!("../README.md")]

mod cancellations;
pub mod customers;
mod deadlines;
mod domain;
mod dunning;
#[cfg(test)]
mod fuzzing;
mod handle;
pub mod handover;
pub mod invoices;
mod invoicing;
mod migrate;
mod observe;
pub mod operators;
pub mod payments;
mod periods;
mod plan_changes;
mod plan_file;
pub mod plans;
mod previews;
mod provisioning;
mod restrictions;
mod routes;
pub mod run;
mod schedule;
pub mod schedules;
mod store;
mod terminations;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::TimeDelta;
pub use domain::dunning::DunningDays;
pub use domain::location::LocationBook;
pub use domain::tax::TaxRates;
use handover::WhmcsInvoicing;
use handover::runner::Runner;
use history::Journal;
pub use migrate::MIGRATOR;
use model::{Clock, PlanId};
use runtime::{Role, Shutdown};
pub use store::ledger::{Balance, balances as ledger_balances};
pub use store::verify::{Verification, verify as verify_ledger};

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
    /// Who issues invoices.
    pub invoicing: InvoicingSystem,
    /// How many days after it was issued an invoice is due.
    pub payment_term_days: u32,
    /// How long a document waits for the usage before it to be final; what is late comes with the next one.
    pub usage_patience: TimeDelta,
    /// What happens to services whose invoices aren't paid.
    pub dunning: DunningDays,
}

/// Who issues invoices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvoicingSystem {
    /// Purser itself.
    Native,
    /// WHMCS, and nobody else; with the plans that are sold there.
    Whmcs(BTreeSet<PlanId>),
}

impl InvoicingSystem {
    pub(crate) fn is_native(&self) -> bool {
        matches!(self, Self::Native)
    }
}

/// What every handler works with.
#[derive(Debug)]
pub(crate) struct Billing {
    pub(crate) pool: sqlx::PgPool,
    pub(crate) journal: Journal,
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Starts billing's part of the process; it ends with `shutdown`. With WHMCS it must be the settings' invoicing system.
pub fn start(role: Role, settings: Settings, whmcs: Option<WhmcsInvoicing>, shutdown: &Shutdown) {
    observe::describe();
    let journal = role.journal().clone();
    let state = Arc::new(Billing {
        pool: journal.pool().clone(),
        journal: journal.clone(),
        settings,
        clock: Arc::clone(journal.clock()),
    });
    if let Some(whmcs) = whmcs {
        let settings = state.settings.clone();
        let runner = Runner { journal: journal.clone(), settings, external: Arc::new(whmcs) };
        let soft = shutdown.soft().clone();
        shutdown.spawn("handover", async move {
            runner.run(soft).await;
            Ok(())
        });
    }
    let (billing, soft) = (Arc::clone(&state), shutdown.soft().clone());
    shutdown.spawn("schedule", async move {
        schedule::run(journal, &billing.settings, soft).await;
        Ok(())
    });
    role.start(state, routes::routes(), shutdown);
}
