//! How many sessions a mailbox has.

use crate::base::id::MailboxId;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

/// The sessions of each mailbox that has any.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// Of one mailbox at once.
    most: usize,
    taken: Arc<Mutex<HashMap<MailboxId, usize>>>,
}

/// A session's place; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    mailbox: MailboxId,
}

impl Places {
    /// At most `most` sessions of one mailbox at once.
    pub(super) fn new(most: usize) -> Self {
        Self { most, taken: Arc::default() }
    }

    /// A place for one more session, if there is one.
    pub(super) fn take(&self, mailbox: MailboxId) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(mailbox).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place { places: self.clone(), mailbox })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
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
        let places = Places::new(16);
        let mailbox = MailboxId::new([1; 16]);
        let mut held: Vec<_> = (0..16).map(|_| places.take(mailbox).unwrap()).collect();
        assert!(places.take(mailbox).is_none());
        assert!(places.take(MailboxId::new([2; 16])).is_some());
        held.pop();
        assert!(places.take(mailbox).is_some());
        held.clear();
        assert!(places.taken.lock().unwrap().is_empty());
    }
}
