//! The mark that an error leaves: after it nothing is acknowledged any more.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

/// Set once, by whoever sees an error after which the disk cannot be trusted; never cleared.
#[derive(Clone, Debug, Default)]
pub(crate) struct Poison(Arc<AtomicBool>);

impl Poison {
    pub(crate) fn set(&self, why: &'static str) {
        if !self.0.swap(true, Ordering::SeqCst) {
            tracing::error!(why, "the store is poisoned: nothing is written until a restart");
        }
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
