//! Signed-in accounts, known again for a while: a mail program that signs in every minute costs Argon2 once.
//!
//! MUK lies here under a secret of this process and the password: without the password it opens nothing. An entry
//! belongs to a slot and a generation, so every change of the account ends it.

use crate::base::id::MailboxId;
use crate::base::id::SlotId;
use crate::base::random::Random;
use crate::store::record::MailboxRecord;
use crate::vault::mailbox_key::MailboxKey;
use crate::vault::password::Password;
use crate::vault::session::CachedSlot;
use crate::vault::session::SignInCacheKey;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

/// Entries; beyond them the one that ends first goes.
const ROOM: usize = 4_096;

/// The accounts that signed in lately. Times are of the boot clock.
pub struct SignInCache {
    key: SignInCacheKey,
    entries: Mutex<HashMap<CachedSlot, Entry>>,
}

struct Entry {
    sealed: Vec<u8>,
    until: Duration,
}

impl SignInCache {
    /// An empty one.
    pub fn new(random: &dyn Random) -> Self {
        Self { key: SignInCacheKey::generate(random), entries: Mutex::default() }
    }

    /// MUK, if `password` opened one of the mailbox's slots lately.
    pub fn recall(&self, record: &MailboxRecord, password: &Password, now: Duration) -> Option<MailboxKey> {
        self.sweep(now);
        let entries = self.entries();
        record.slots.iter().find_map(|slot| {
            let slot = cached(record.id, slot.id, record.generation);
            let entry = entries.get(&slot)?;
            self.key.open(slot, password, &entry.sealed).ok()
        })
    }

    /// Keeps what `password` opened in a slot of the mailbox, until `until`.
    pub fn keep(
        &self,
        slot: CachedSlot,
        password: &Password,
        muk: &MailboxKey,
        until: Duration,
        random: &dyn Random,
    ) {
        let sealed = self.key.seal(slot, password, muk, random);
        let mut entries = self.entries();
        entries.retain(|of, _| of.mailbox != slot.mailbox || of.generation == slot.generation);
        if entries.len() >= ROOM {
            let first = entries.iter().min_by_key(|(_, entry)| entry.until).map(|(of, _)| *of);
            first.and_then(|first| entries.remove(&first));
        }
        entries.insert(slot, Entry { sealed, until });
    }

    /// Forgets a mailbox: what it opened with before is nothing now.
    pub fn forget(&self, mailbox: MailboxId) {
        self.entries().retain(|of, _| of.mailbox != mailbox);
    }

    /// Forgets what is over.
    fn sweep(&self, now: Duration) {
        self.entries().retain(|_, entry| now < entry.until);
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<CachedSlot, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of a mailbox's slot in the cache.
pub const fn cached(mailbox: MailboxId, slot: SlotId, generation: u32) -> CachedSlot {
    CachedSlot { mailbox, slot, generation }
}
