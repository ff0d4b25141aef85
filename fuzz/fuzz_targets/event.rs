//! An event of a role, and a bucket notification of RGW.
#![no_main]

/// Named as in `metering`.
#[path = "../../crates/metering/src/domain"]
mod domain {
    pub(crate) mod notification;
}
#[path = "../../crates/metering/src/fuzzing.rs"]
mod fuzzing;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    messages::fuzzing::event(data);
    fuzzing::notification(data);
});
