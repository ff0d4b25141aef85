//! SQL of the schema `metering`, and the shared views that its replies need.

pub(crate) mod accounts;
pub(crate) mod buckets;
pub(crate) mod days;
pub(crate) mod usage;
pub(crate) mod users;
