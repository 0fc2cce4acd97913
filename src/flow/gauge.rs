//! What the queue holds, with what is about to be queued: kept beside the store, so that asking costs nothing and the
//! limit holds for messages that are taken at the same time.

use crate::base::id::QueueId;
use crate::config::section::Limits;
use crate::store::PAGE;
use crate::store::Store;
use crate::store::error::StoreError;
use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::time::Instant;

/// The messages of the queue, by id.
#[derive(Debug, Default)]
pub struct Gauge(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    messages: HashMap<QueueId, Message>,
    octets: u64,
}

#[derive(Clone, Copy, Debug)]
struct Message {
    /// Of its text, in clear.
    octets: u64,
    /// Since when it is being taken; nothing once it was seen in the store.
    taking: Option<Instant>,
}

/// What was cut off while it was taken counts for so long: as long as its file lies there.
const CUT_OFF: Duration = Duration::from_secs(60 * 60);

impl Gauge {
    /// Messages, and octets of them in clear.
    pub fn read(&self) -> (usize, u64) {
        let held = self.lock();
        (held.messages.len(), held.octets)
    }

    /// Counts a message in, if there is room for it: below the limits, and in a quarter of this much free disk.
    pub(in crate::flow) fn admit(
        &self,
        id: QueueId,
        octets: u64,
        limits: &Limits,
        free_disk: u64,
    ) -> Result<(), Full> {
        let mut held = self.lock();
        let messages = u64::try_from(held.messages.len()).unwrap_or(u64::MAX);
        let most = limits.queue_size.min(free_disk / 4);
        if messages >= limits.queue_messages || held.octets.saturating_add(octets) > most {
            return Err(Full);
        }
        held.put(id, Message { octets, taking: Some(Instant::now()) });
        Ok(())
    }

    /// It has not left.
    pub(in crate::flow) fn holds(&self, id: QueueId) -> bool {
        self.lock().messages.contains_key(&id)
    }

    /// Counts out a message that has left, or was not queued after all.
    pub(in crate::flow) fn left(&self, id: QueueId) {
        self.lock().take(id);
    }

    /// Counts anew: by what the store holds, and what is being taken beside it.
    pub(in crate::flow) async fn measure(&self, store: &dyn Store) -> Result<(), StoreError> {
        let (mut stored, mut after) = (HashMap::new(), None);
        loop {
            let page = store.queue(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            stored.extend(page.iter().map(|record| (record.id, record.size)));
        }
        let mut held = self.lock();
        let under_way = |message: &Message| message.taking.is_some_and(|since| since.elapsed() < CUT_OFF);
        let gone: HashSet<QueueId> = held
            .messages
            .iter()
            .filter(|(id, message)| !stored.contains_key(id) && !under_way(message))
            .map(|(id, _)| *id)
            .collect();
        for id in gone {
            held.take(id);
        }
        for (id, octets) in stored {
            held.put(id, Message { octets, taking: None });
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // Every change is complete before the lock is given back.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn put(&mut self, id: QueueId, message: Message) {
        self.take(id);
        self.octets = self.octets.saturating_add(message.octets);
        self.messages.insert(id, message);
    }

    fn take(&mut self, id: QueueId) {
        if let Some(message) = self.messages.remove(&id) {
            self.octets = self.octets.saturating_sub(message.octets);
        }
    }
}

/// There is no room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::flow) struct Full;
