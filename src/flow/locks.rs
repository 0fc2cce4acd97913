//! One lock for each normalised address, held from decision to commit.
//!
//! It makes races rare; the store's preconditions make them right.

use crate::base::address::AddressKey;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::Weak;
use tokio::sync::OwnedMutexGuard;

type Lock = tokio::sync::Mutex<()>;

/// The locks that somebody holds or waits for.
#[derive(Default)]
pub struct AddressLocks {
    held: Mutex<HashMap<AddressKey, Weak<Lock>>>,
    /// Nobody waits for anybody, so that a test sees the store's preconditions at work.
    #[cfg(test)]
    pub(in crate::flow) off: std::sync::atomic::AtomicBool,
}

impl AddressLocks {
    /// Waits for all of `addresses`, in one order for everybody, so that no two wait for each other.
    pub async fn hold(&self, addresses: BTreeSet<AddressKey>) -> Vec<OwnedMutexGuard<()>> {
        let mut guards = Vec::with_capacity(addresses.len());
        #[cfg(test)]
        if self.off.load(std::sync::atomic::Ordering::SeqCst) {
            return guards;
        }
        for address in addresses {
            guards.push(self.lock_of(address).lock_owned().await);
        }
        guards
    }

    fn lock_of(&self, address: AddressKey) -> Arc<Lock> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() > FORGET_ABOVE {
            held.retain(|_, lock| lock.strong_count() > 0);
        }
        if let Some(lock) = held.get(&address).and_then(Weak::upgrade) {
            return lock;
        }
        let lock = Arc::new(Lock::default());
        held.insert(address, Arc::downgrade(&lock));
        lock
    }
}

/// Locks that nobody holds are forgotten once there are more than this many entries.
const FORGET_ABOVE: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::address::Address;

    fn keys(texts: &[&str]) -> BTreeSet<AddressKey> {
        texts.iter().map(|text| Address::parse(text).unwrap().key()).collect()
    }

    #[tokio::test]
    async fn one_holder_at_a_time_whatever_the_spelling() {
        let locks = AddressLocks::default();
        let first = locks.hold(keys(&["a@x.example", "b@x.example"])).await;
        let mut second = Box::pin(locks.hold(keys(&["B@X.example"])));
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        drop(first);
        assert_eq!(second.await.len(), 1);
    }

    #[tokio::test]
    async fn forgets_what_nobody_holds() {
        let locks = AddressLocks::default();
        for n in 0..5_000 {
            drop(locks.hold(keys(&[&format!("a{n}@x.example")])).await);
        }
        assert!(locks.held.lock().unwrap().len() <= FORGET_ABOVE + 1);
    }
}
