//! Rows that are asked for with every message, kept in clear from their first reading until a batch changes them.
//!
//! To find a row in sled, open it and pay for its place in the cache costs several times what it costs to read it;
//! a message asks for its mailbox four times.

use crate::store::key;
use std::collections::HashMap;
use std::sync::PoisonError;
use std::sync::RwLock;

/// Rows that are kept, at most. When there are more, all are forgotten.
const ROWS: usize = 512;
/// Octets of a row that is kept, at most.
const SIZE: usize = 4 << 10;

/// See the module.
#[derive(Default)]
pub(crate) struct Kept(RwLock<Held>);

#[derive(Default)]
struct Held {
    rows: HashMap<Vec<u8>, Vec<u8>>,
    /// Batches so far.
    batches: u64,
}

/// The batches there were when a row was looked for: it is kept only if there are no more when it is read. None for
/// what is never kept.
pub(crate) struct Since(Option<u64>);

impl Kept {
    /// The row under `key`, or what to keep it with.
    pub(crate) fn find(&self, key: &[u8]) -> Result<Vec<u8>, Since> {
        if !is_asked_often(key) {
            return Err(Since(None));
        }
        let held = self.0.read().unwrap_or_else(PoisonError::into_inner);
        held.rows.get(key).cloned().ok_or(Since(Some(held.batches)))
    }

    /// Keeps what was read under `key`, if it is of a kind that is asked for often.
    pub(crate) fn keep(&self, key: &[u8], row: &[u8], since: &Since) {
        if since.0.is_none() || row.len() > SIZE {
            return;
        }
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if since.0 != Some(held.batches) {
            return;
        }
        if held.rows.len() >= ROWS {
            held.rows.clear();
        }
        held.rows.insert(key.to_vec(), row.to_vec());
    }

    /// A batch has changed the rows under `keys`.
    pub(crate) fn forget<'k>(&self, keys: impl Iterator<Item = &'k Vec<u8>>) {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        held.batches += 1;
        for key in keys {
            held.rows.remove(key);
        }
    }
}

/// Where mail to an address goes, and what it is encrypted to.
fn is_asked_often(at: &[u8]) -> bool {
    matches!(at.first(), Some(&(key::ADDRESS | key::MAILBOX | key::KEY)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(table: u8) -> Vec<u8> {
        vec![table, 7]
    }

    #[test]
    fn keeps_until_a_batch_changes_it() {
        let kept = Kept::default();
        let (one, other) = (row(key::MAILBOX), row(key::ADDRESS));
        for at in [&one, &other] {
            let since = kept.find(at).unwrap_err();
            kept.keep(at, b"first", &since);
            assert_eq!(kept.find(at).ok().unwrap(), b"first");
        }
        kept.forget([&one].into_iter());
        assert!(kept.find(&one).is_err());
        assert_eq!(kept.find(&other).ok().unwrap(), b"first");
    }

    /// Between looking and keeping the row was changed: what was read is old.
    #[test]
    fn what_a_batch_overtook_is_not_kept() {
        let kept = Kept::default();
        let at = row(key::MAILBOX);
        let since = kept.find(&at).unwrap_err();
        kept.forget([&at].into_iter());
        kept.keep(&at, b"old", &since);
        assert!(kept.find(&at).is_err());
    }

    #[test]
    fn keeps_little() {
        let kept = Kept::default();
        for (at, size) in [(row(key::MESSAGE), 9), (row(key::KEY), SIZE + 1)] {
            let since = kept.find(&at).unwrap_err();
            kept.keep(&at, &vec![0; size], &since);
            assert!(kept.find(&at).is_err());
        }
        for number in 0..3 * ROWS {
            let at = [&row(key::ADDRESS)[..], &number.to_be_bytes()].concat();
            let since = kept.find(&at).unwrap_err();
            kept.keep(&at, b"row", &since);
            assert!(kept.0.read().unwrap().rows.len() <= ROWS);
        }
    }
}
