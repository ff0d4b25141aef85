//! A command or query, as a role takes it from its queue.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| messages::fuzzing::message(data));
