//! A request, as the gateway takes it from HTTP.
#![no_main]
#![allow(dead_code, reason = "the gateway uses more of its modules")]

/// Named as in `gateway`.
#[path = "../../crates/gateway/src/domain"]
mod domain {
    pub(crate) mod call;
    pub(crate) mod client_address;
    pub(crate) mod fault;
    pub(crate) mod parameters;
    pub(crate) mod storage_path;
    pub(crate) mod trace_context;
}
#[path = "../../crates/gateway/src/fuzzing.rs"]
mod fuzzing;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzing::form(data));
