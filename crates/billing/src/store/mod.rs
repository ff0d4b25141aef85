//! SQL of the schema `billing`.

pub(crate) mod customers;
pub(crate) mod documents;
pub(crate) mod due;
pub(crate) mod dunning;
pub(crate) mod handover;
pub(crate) mod invoices;
pub(crate) mod ledger;
pub(crate) mod listing;
pub(crate) mod orders;
pub(crate) mod packages;
pub(crate) mod plan_changes;
pub(crate) mod plans;
pub(crate) mod receivables;
pub(crate) mod services;
pub(crate) mod usage;
pub(crate) mod verify;

/// A stored value that doesn't have its form: a person must look.
fn broken(what: &str, error: &dyn std::fmt::Display) -> history::Failure {
    history::Failure::Unavailable(format!("stored {what}: {error}"))
}
