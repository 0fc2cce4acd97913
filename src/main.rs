//! The binary; everything is in the library.

use std::alloc::System;
use zeroizing_alloc::ZeroAlloc;

/// Memory is wiped when it is given back: mail passes through the buffers of many libraries, and of a visit that is
/// over nothing is to stay.
#[global_allocator]
static MEMORY: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> std::process::ExitCode {
    guardpost::cli::run()
}
