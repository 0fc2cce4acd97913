//! The binary; everything is in the library.

use tikv_jemallocator::Jemalloc;
use zeroizing_alloc::ZeroAlloc;

/// Memory is wiped when it is given back: mail passes through the buffers of many libraries, and of a visit that is
/// over nothing is to stay.
///
/// A message is made in one thread, written by another and given back in a third. With the system's allocator they
/// wait for each other's locks; that cost a tenth of the time of a message.
#[global_allocator]
static MEMORY: ZeroAlloc<Jemalloc> = ZeroAlloc(Jemalloc);

fn main() -> std::process::ExitCode {
    guardpost::cli::run()
}
