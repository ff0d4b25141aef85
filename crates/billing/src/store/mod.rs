//! SQL of the schema `billing`.

pub(crate) mod customers;
pub(crate) mod orders;
pub(crate) mod packages;
pub(crate) mod plans;
pub(crate) mod services;

/// A stored value that doesn't have its form: a person must look.
fn broken(what: &str, error: &dyn std::fmt::Display) -> history::Failure {
    history::Failure::Unavailable(format!("stored {what}: {error}"))
}
