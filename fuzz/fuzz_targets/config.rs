//! No configuration file makes the loader panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| aisix::fuzzing::config(data));
