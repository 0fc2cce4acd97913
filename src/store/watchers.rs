//! Who waits for changes of which mailbox.

use crate::base::id::MailboxId;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use tokio::sync::watch;

/// What a watcher of a mailbox that is gone sees.
const GONE: u64 = u64::MAX;

/// One counter for each mailbox that somebody watches.
#[derive(Debug, Default)]
pub(crate) struct Watchers(Mutex<HashMap<MailboxId, watch::Sender<u64>>>);

impl Watchers {
    /// Watches a mailbox; `gone` when it is not there.
    pub(crate) fn watch(&self, mailbox: MailboxId, gone: bool) -> watch::Receiver<u64> {
        if gone {
            return watch::channel(GONE).1;
        }
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if watched.len() >= 64 && watched.len() == watched.capacity() {
            watched.retain(|_, sender| sender.receiver_count() > 0);
        }
        watched.entry(mailbox).or_insert_with(|| watch::channel(0).0).subscribe()
    }

    /// Tells that a mailbox changed, or that it is gone.
    pub(crate) fn tell(&self, mailbox: MailboxId, gone: bool) {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sender) = watched.get(&mailbox) else { return };
        if sender.receiver_count() == 0 {
            watched.remove(&mailbox);
        } else if gone {
            sender.send_replace(GONE);
            watched.remove(&mailbox);
        } else {
            sender.send_modify(|counter| *counter = counter.wrapping_add(1) % GONE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_ends() {
        let watchers = Watchers::default();
        let (one, other) = (MailboxId::new([1; 16]), MailboxId::new([2; 16]));
        let mut watch = watchers.watch(one, false);
        watchers.tell(other, false);
        assert!(!watch.has_changed().unwrap());
        watchers.tell(one, false);
        assert_eq!(*watch.borrow_and_update(), 1);
        watchers.tell(one, true);
        assert_eq!(*watch.borrow_and_update(), GONE);
        assert_eq!(*watchers.watch(other, true).borrow(), GONE);
    }
}
