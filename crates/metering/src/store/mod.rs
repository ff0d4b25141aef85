//! SQL of the schema `metering`, and the shared views that its replies need.

pub(crate) mod accounts;
pub(crate) mod buckets;
pub(crate) mod days;
pub(crate) mod gaps;
pub(crate) mod log_hours;
pub(crate) mod quotas;
pub(crate) mod readings;
pub(crate) mod records;
pub(crate) mod samples;
pub(crate) mod storage_hours;
pub(crate) mod traffic;
pub(crate) mod trims;
pub(crate) mod users;
