//! The threads that everything runs on.

use crate::app::error::AppError;
use crate::base::wipe;
use tokio::runtime::Builder;
use tokio::runtime::Runtime;

/// Threads for what blocks: the disk, decryption, password hashes. What is above that waits for its turn; each
/// of them keeps memory of its own, and none of them waits for another.
const BLOCKING: usize = 64;

/// As many threads as there are cores, and those for what blocks.
pub(in crate::app) fn start() -> Result<Runtime, AppError> {
    let mut threads = Builder::new_multi_thread();
    let threads = threads.max_blocking_threads(BLOCKING).on_thread_park(wipe::stack);
    threads.enable_all().build().map_err(AppError::file("threads"))
}
