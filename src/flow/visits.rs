//! Mail programs that have a mailbox open: since when, for its owner to see and to end.

use crate::base::id::MailboxId;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The connections of every mailbox that has any. Times are of the boot clock.
#[derive(Clone, Debug, Default)]
pub struct Visits(Arc<Mutex<Open>>);

#[derive(Debug, Default)]
struct Open {
    next: u64,
    of: HashMap<MailboxId, Vec<Entry>>,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    begun: Duration,
    ended: CancellationToken,
}

/// A connection that has a mailbox open; it is forgotten when this is dropped.
#[derive(Debug)]
pub struct Visit {
    visits: Visits,
    mailbox: MailboxId,
    number: u64,
    ended: CancellationToken,
}

impl Visits {
    /// A connection has opened a mailbox.
    pub fn begin(&self, mailbox: MailboxId, running: Duration) -> Visit {
        let ended = CancellationToken::new();
        let mut open = self.lock();
        open.next += 1;
        let number = open.next;
        open.of.entry(mailbox).or_default().push(Entry { number, begun: running, ended: ended.clone() });
        Visit { visits: self.clone(), mailbox, number, ended }
    }

    /// Since when each has it open, the first one first.
    pub fn of(&self, mailbox: MailboxId) -> Vec<Duration> {
        self.lock().of.get(&mailbox).into_iter().flatten().map(|entry| entry.begun).collect()
    }

    /// Ends them all, each at its next breath.
    pub fn end_all(&self, mailbox: MailboxId) {
        for entry in self.lock().of.get(&mailbox).into_iter().flatten() {
            entry.ended.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        // Every change is complete before the lock is given back.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Visit {
    /// Cancelled when the owner ended it.
    pub const fn ended(&self) -> &CancellationToken {
        &self.ended
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut open = self.visits.lock();
        if let Some(entries) = open.of.get_mut(&self.mailbox) {
            entries.retain(|entry| entry.number != self.number);
            if entries.is_empty() {
                open.of.remove(&self.mailbox);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn come_go_and_are_ended() {
        let visits = Visits::default();
        let (one, two) = (MailboxId::new([1; 16]), MailboxId::new([2; 16]));
        let seconds = Duration::from_secs;
        let first = visits.begin(one, seconds(5));
        let second = visits.begin(one, seconds(9));
        let foreign = visits.begin(two, seconds(9));
        assert_eq!(visits.of(one), [seconds(5), seconds(9)]);
        drop(first);
        assert_eq!(visits.of(one), [seconds(9)]);
        visits.end_all(one);
        assert!(second.ended().is_cancelled() && !foreign.ended().is_cancelled());
        drop((second, foreign));
        assert!(visits.lock().of.is_empty());
    }
}
