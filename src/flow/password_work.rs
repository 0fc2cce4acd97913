//! Argon2 in a bounded room: so many at once, so many waiting, each for a bounded time.

use crate::threads;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;

/// Permits for work that costs 64 MiB each.
pub struct PasswordWork {
    running: Arc<Semaphore>,
    queued: Arc<Semaphore>,
}

/// Nobody waits longer than this for a permit.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// Only this many wait.
const QUEUE: usize = 16;

/// No permit could be had; nothing was tried, and nothing was counted against anybody.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Busy;

impl PasswordWork {
    /// With `permits` at once; the rest of the cores stays for the mail.
    pub fn new(permits: usize) -> Self {
        let permits = permits.max(1);
        Self { running: Arc::new(Semaphore::new(permits)), queued: Arc::new(Semaphore::new(permits + QUEUE)) }
    }

    /// As many permits as there are cores but one.
    pub fn for_this_machine() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::new(cores.saturating_sub(1))
    }

    /// Waits at most [`PATIENCE`] for a permit; hold it while the work runs.
    pub async fn permit(&self) -> Result<Permit, Busy> {
        let place = self.queued.clone().try_acquire_owned().map_err(|_| Busy)?;
        let running = self.running.clone().acquire_owned();
        match tokio::time::timeout(PATIENCE, running).await {
            Ok(Ok(permit)) => Ok(Permit { _running: permit, _place: place }),
            _ => Err(Busy),
        }
    }
}

/// The right to run Argon2 once; given back when dropped.
pub struct Permit {
    _running: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

impl Permit {
    /// Runs `work` where blocking is allowed; it finishes even when the asker has gone.
    pub async fn run<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Busy> {
        threads::blocking(move || {
            let result = work();
            drop(self);
            result
        })
        .await
        .map_err(|_| Busy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_queue_is_bounded_and_moves_on() {
        let work = Arc::new(PasswordWork::new(1));
        let held = work.permit().await.ok().unwrap();
        let mut waiting: Vec<_> = (0..QUEUE).map(|_| Box::pin(work.permit())).collect();
        for waiter in &mut waiting {
            assert!(futures_util::poll!(waiter.as_mut()).is_pending());
        }
        assert!(work.permit().await.is_err(), "one more is told at once");
        drop(held);
        for waiter in waiting {
            assert!(waiter.await.is_ok(), "those who wait get their turn");
        }
        assert!(work.permit().await.is_ok());
    }
}
