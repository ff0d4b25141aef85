//! SQL of the schema `metering`, and the shared view of accounts.

pub(crate) mod accounts;
pub(crate) mod usage;
