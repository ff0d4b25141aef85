//! Pure rules: no I/O, no clock, no floats.

pub(crate) mod customer;
pub(crate) mod location;
pub(crate) mod order;
pub(crate) mod plan;
pub(crate) mod service;
pub(crate) mod storage;
pub(crate) mod term;
