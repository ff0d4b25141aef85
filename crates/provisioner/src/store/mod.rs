//! SQL of the schema `provisioner`, and the shared views that its replies need.

pub(crate) mod accounts;
pub(crate) mod buckets;
pub(crate) mod drifts;
pub(crate) mod listing;
pub(crate) mod purges;
pub(crate) mod reconcile;
pub(crate) mod sealed;
pub(crate) mod usage;
pub(crate) mod watching;
