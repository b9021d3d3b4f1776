//! Every resources file that is good reads back the same after it was written anew.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| aisix::fuzzing::export(data));
