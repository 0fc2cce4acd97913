//! How many sessions a mailbox has.

use crate::base::id::MailboxId;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

/// Sessions of one mailbox at once.
const SESSIONS: usize = 16;

/// The sessions of each mailbox that has any.
#[derive(Clone, Debug, Default)]
pub(super) struct Places(Arc<Mutex<HashMap<MailboxId, usize>>>);

/// A session's place; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    mailbox: MailboxId,
}

impl Places {
    /// A place for one more session, if there is one.
    pub(super) fn take(&self, mailbox: MailboxId) -> Option<Place> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(mailbox).or_default();
        if *count >= SESSIONS {
            return None;
        }
        *count += 1;
        Some(Place { places: self.clone(), mailbox })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.mailbox) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.mailbox);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_and_no_more() {
        let places = Places::default();
        let mailbox = MailboxId::new([1; 16]);
        let mut held: Vec<_> = (0..SESSIONS).map(|_| places.take(mailbox).unwrap()).collect();
        assert!(places.take(mailbox).is_none());
        assert!(places.take(MailboxId::new([2; 16])).is_some());
        held.pop();
        assert!(places.take(mailbox).is_some());
        held.clear();
        assert!(places.0.lock().unwrap().is_empty());
    }
}
