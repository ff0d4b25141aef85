//! A plan file, as `purser plan import` reads it.
#![no_main]
#![allow(dead_code, reason = "billing uses more of its modules")]

/// Named as in `billing`.
#[path = "../../crates/billing/src/domain"]
mod domain {
    pub(crate) mod customer;
    pub(crate) mod plan;
    pub(crate) mod schedule;
    pub(crate) mod term;
}
#[path = "../../crates/billing/src/fuzzing.rs"]
mod fuzzing;
#[path = "../../crates/billing/src/plan_file.rs"]
mod plan_file;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzing::plan_file(data));
