//! Flags, then whatever they ask for. Nothing else.

use std::process::ExitCode;

use aisix::cli;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Memory freed by a burst goes back to the system within seconds, by a thread of the allocator's own.
#[expect(unsafe_code, reason = "the allocator reads its settings from this symbol")]
// SAFETY: the name is the one jemalloc looks for, and the text lives as long as the process.
#[unsafe(export_name = "malloc_conf")]
pub static MALLOC_CONF: &std::ffi::CStr =
    c"background_thread:true,dirty_decay_ms:2000,muzzy_decay_ms:2000,narenas:4";

fn main() -> ExitCode {
    aisix::install_crypto();
    cli::run()
}
