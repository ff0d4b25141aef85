//! Pure rules: no I/O, no clock, no floats.

pub(crate) mod charge;
pub(crate) mod customer;
pub(crate) mod document;
pub(crate) mod dunning;
pub(crate) mod handover;
pub(crate) mod ledger;
pub(crate) mod location;
pub(crate) mod order;
pub(crate) mod plan;
pub(crate) mod schedule;
pub(crate) mod service;
pub(crate) mod storage;
pub(crate) mod tax;
pub(crate) mod term;
