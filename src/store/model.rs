//! The store as a model: everything in memory, said as plainly as possible.
//!
//! The measure of every other engine: the conformance suite runs the same commands against both. Tests of
//! the floors above run on it too. Nothing of it survives a restart, so no appliance runs on it.
//! What it holds is in `model_state`, what commands do to that in the other `model_*` files.

use crate::base::address::AddressKey;
use crate::base::address::Domain;
use crate::base::id::InvitationId;
use crate::base::id::MailboxId;
use crate::base::id::QueueId;
use crate::base::secret::Key;
use crate::base::secret::Secret;
use crate::base::time::Time;
use crate::store::Answer;
use crate::store::Health;
use crate::store::PAGE;
use crate::store::Store;
use crate::store::body::Bodies;
use crate::store::change;
use crate::store::command::Command;
use crate::store::command::Outcome;
use crate::store::error::StoreError;
use crate::store::model_queue::is_free;
use crate::store::model_state::State;
use crate::store::record::Fingerprint;
use crate::store::record::Folder;
use crate::store::record::FolderRecord;
use crate::store::record::InvitationRecord;
use crate::store::record::KeyRecord;
use crate::store::record::MailboxRecord;
use crate::store::record::Message;
use crate::store::record::ShredRef;
use crate::store::record::SigningKey;
use crate::store::record::Uid;
use crate::store::record_account::RefusedRecord;
use crate::store::record_life::LifeClock;
use crate::store::record_queue::QueueRecord;
use crate::store::record_queue::QueuedRecipient;
use crate::store::record_queue::RecipientState;
use crate::store::record_stored::CertificateRecord;
use crate::store::record_stored::StoredCertificate;
use crate::store::record_stored::StoredCertificates;
use crate::store::record_stored::StsRecord;
use crate::store::watchers::Watchers;
use crate::store::writer::may;
use crate::vault::primitives::sha256;
use std::future::ready;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::watch;

/// An engine in memory; only its bodies are files.
#[derive(Debug)]
pub struct Model {
    state: Mutex<State>,
    health: Mutex<Health>,
    free: AtomicU64,
    bodies: Bodies,
    watchers: Watchers,
}

impl Model {
    /// An empty one whose body files lie in `dir`.
    pub fn new(dir: &Path) -> Result<Self, StoreError> {
        let bodies = Bodies::at(&dir.join("bodies"))?;
        let health = Mutex::new(Health::Good);
        let free = AtomicU64::new(u64::MAX);
        Ok(Self { state: Mutex::default(), health, free, bodies, watchers: Watchers::default() })
    }

    /// What a restart does: every lease ends.
    pub fn restart(&self) {
        for queued in self.state().queue.values_mut() {
            for recipient in &mut Arc::make_mut(queued).recipients {
                if matches!(recipient.state, RecipientState::Leased { .. }) {
                    recipient.state = RecipientState::Waiting;
                }
            }
        }
    }

    /// What a disk with more or less room does.
    pub fn set_health(&self, health: Health) {
        *self.health.lock().unwrap_or_else(PoisonError::into_inner) = health;
    }

    /// The room on the disk, octets; it changes nothing else.
    pub fn set_free_disk(&self, free: u64) {
        self.free.store(free, Ordering::Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The whole of a commit: on a copy, so that a refusal leaves nothing behind.
    fn carry_out(&self, commands: Vec<Command>) -> Result<Vec<Outcome>, StoreError> {
        let health = self.health();
        if commands.iter().any(|command| !may(command, health)) {
            return Err(StoreError::DiskLow);
        }
        let mut state = self.state();
        let mut next = state.clone();
        let mut outcomes = Vec::with_capacity(commands.len());
        for (index, command) in commands.into_iter().enumerate() {
            outcomes.push(next.apply(command).map_err(|stop| stop.at(index))?);
        }
        let dropped = std::mem::take(&mut next.dropped);
        let changed = std::mem::take(&mut next.changed);
        next.removed.clear();
        *state = next;
        for mailbox in changed {
            self.watchers.tell(mailbox, state.is_shut(mailbox));
        }
        drop(state);
        for id in dropped {
            self.bodies.remove(id)?;
        }
        Ok(outcomes)
    }

    fn ask<T: Send + 'static>(&self, question: impl FnOnce(&State) -> T) -> Answer<'_, T> {
        Box::pin(ready(Ok(question(&self.state()))))
    }
}

impl Store for Model {
    fn commit(&self, commands: Vec<Command>) -> Answer<'_, Vec<Outcome>> {
        Box::pin(ready(self.carry_out(commands)))
    }

    fn mailbox_of(&self, address: &AddressKey) -> Answer<'_, Option<MailboxId>> {
        self.ask(|state| state.addresses.get(address).copied())
    }

    fn mailbox_former(&self, address: &AddressKey) -> Answer<'_, Option<MailboxId>> {
        self.ask(|state| state.formers.get(address).copied())
    }

    fn mailbox(&self, mailbox: MailboxId) -> Answer<'_, Option<Arc<MailboxRecord>>> {
        self.ask(|state| state.boxes.get(&mailbox).map(|held| Arc::new(held.record.clone())))
    }

    fn mailboxes(&self, after: Option<MailboxId>, limit: usize) -> Answer<'_, Vec<Arc<MailboxRecord>>> {
        self.ask(|state| {
            let behind = state.boxes.iter().filter(|(id, _)| after.is_none_or(|after| **id > after));
            behind.take(limit.min(PAGE)).map(|(_, held)| Arc::new(held.record.clone())).collect()
        })
    }

    fn key(&self, mailbox: MailboxId, fingerprint: &Fingerprint) -> Answer<'_, Option<Arc<KeyRecord>>> {
        self.ask(|state| state.boxes.get(&mailbox)?.keys.get(fingerprint).cloned())
    }

    fn folders(&self, mailbox: MailboxId) -> Answer<'_, Vec<FolderRecord>> {
        self.ask(|state| {
            let held = state.boxes.get(&mailbox);
            held.map(|held| held.folders.values().cloned().collect()).unwrap_or_default()
        })
    }

    fn messages(
        &self,
        mailbox: MailboxId,
        folder: Folder,
        after: Uid,
        limit: usize,
    ) -> Answer<'_, Vec<Message>> {
        self.ask(|state| {
            let Some(held) = state.boxes.get(&mailbox) else { return Vec::new() };
            let behind = held.messages.iter().filter(|((at, uid), _)| *at == folder && *uid > after);
            behind.take(limit.min(PAGE)).map(|(_, held)| held.message.clone()).collect()
        })
    }

    fn message(&self, mailbox: MailboxId, folder: Folder, uid: Uid) -> Answer<'_, Option<Message>> {
        self.ask(|state| Some(state.boxes.get(&mailbox)?.messages.get(&(folder, uid))?.message.clone()))
    }

    fn summaries(
        &self,
        mailbox: MailboxId,
        folder: Folder,
        after: Uid,
        limit: usize,
    ) -> Answer<'_, Vec<(Uid, Vec<u8>)>> {
        self.ask(|state| {
            let Some(held) = state.boxes.get(&mailbox) else { return Vec::new() };
            let behind = held.messages.iter().filter(|((at, uid), _)| *at == folder && *uid > after);
            behind.take(limit.min(PAGE)).map(|((_, uid), held)| (*uid, held.summary.clone())).collect()
        })
    }

    fn conversation(&self, account: MailboxId, digest: &[u8; 32]) -> Answer<'_, bool> {
        self.ask(|state| state.conversations.contains(&(account, *digest)))
    }

    fn invitation(&self, invitation: InvitationId) -> Answer<'_, Option<InvitationRecord>> {
        self.ask(|state| state.invitations.get(&invitation).cloned())
    }

    fn vault_entry(&self, account: MailboxId, mailbox: MailboxId) -> Answer<'_, Option<Vec<u8>>> {
        self.ask(|state| state.vaults.get(&(account, mailbox)).cloned())
    }

    fn shred_key(&self, shred: ShredRef) -> Answer<'_, Option<Key>> {
        self.ask(|state| state.shreds.get(&shred.place).map(|key| Secret::new(*key.expose())))
    }

    fn refused(&self, account: MailboxId) -> Answer<'_, Option<RefusedRecord>> {
        self.ask(|state| state.boxes.get(&account)?.refused.clone())
    }

    fn life_clock(&self) -> Answer<'_, Option<LifeClock>> {
        self.ask(|state| state.clock.clone())
    }

    fn certificate(&self, address: &AddressKey) -> Answer<'_, Option<Arc<CertificateRecord>>> {
        self.ask(|state| state.certificates.get(&sha256(address.as_str().as_bytes())).cloned())
    }

    fn certificates(
        &self,
        after: Option<[u8; 32]>,
        limit: usize,
    ) -> Answer<'_, Vec<([u8; 32], Arc<CertificateRecord>)>> {
        self.ask(|state| {
            let behind = state.certificates.iter().filter(|(at, _)| after.is_none_or(|after| **at > after));
            behind.take(limit.min(PAGE)).map(|(at, record)| (*at, Arc::clone(record))).collect()
        })
    }

    fn stored_certificates(&self, domain: &Domain) -> Answer<'_, Vec<StoredCertificate>> {
        self.ask(|state| {
            let held = state.stored.get(&sha256(domain.as_str().as_bytes()));
            held.map(|stored| stored.held.clone()).unwrap_or_default()
        })
    }

    fn destinations(
        &self,
        after: Option<[u8; 32]>,
        limit: usize,
    ) -> Answer<'_, Vec<([u8; 32], StoredCertificates)>> {
        self.ask(|state| {
            let behind = state.stored.iter().filter(|(at, _)| after.is_none_or(|after| **at > after));
            behind.take(limit.min(PAGE)).map(|(at, stored)| (*at, stored.clone())).collect()
        })
    }

    fn sts(&self, domain: &Domain) -> Answer<'_, Option<StsRecord>> {
        self.ask(|state| state.sts.get(&sha256(domain.as_str().as_bytes())).cloned())
    }

    fn all_sts(&self, after: Option<[u8; 32]>, limit: usize) -> Answer<'_, Vec<([u8; 32], StsRecord)>> {
        self.ask(|state| {
            let behind = state.sts.iter().filter(|(at, _)| after.is_none_or(|after| **at > after));
            behind.take(limit.min(PAGE)).map(|(at, record)| (*at, record.clone())).collect()
        })
    }

    fn queued(&self, queue: QueueId) -> Answer<'_, Option<Arc<QueueRecord>>> {
        self.ask(|state| state.queue.get(&queue).map(|queued| Arc::new(queued.record.clone())))
    }

    fn queued_recipients(&self, queue: QueueId) -> Answer<'_, Vec<QueuedRecipient>> {
        self.ask(|state| state.queue.get(&queue).map(|queued| queued.recipients.clone()).unwrap_or_default())
    }

    fn queue(&self, after: Option<QueueId>, limit: usize) -> Answer<'_, Vec<Arc<QueueRecord>>> {
        self.ask(|state| {
            let behind = state.queue.iter().filter(|(id, _)| after.is_none_or(|after| **id > after));
            behind.take(limit.min(PAGE)).map(|(_, queued)| Arc::new(queued.record.clone())).collect()
        })
    }

    fn next_due(&self, running: Duration) -> Answer<'_, Option<Time>> {
        self.ask(|state| {
            let recipients = state.queue.values().flat_map(|queued| &queued.recipients);
            recipients.filter(|recipient| is_free(recipient, running)).map(|recipient| recipient.next).min()
        })
    }

    fn signing_keys(&self, domain: &Domain) -> Answer<'_, Vec<SigningKey>> {
        self.ask(|state| {
            let ours = state.signing.iter().filter(|((of, _), _)| of == domain);
            let mut keys: Vec<SigningKey> = ours.map(|(_, key)| change::signing_key(key)).collect();
            keys.sort_by(change::newest_first);
            keys
        })
    }

    fn watch(&self, mailbox: MailboxId) -> watch::Receiver<u64> {
        let state = self.state();
        self.watchers.watch(mailbox, state.is_shut(mailbox))
    }

    fn bodies(&self) -> &Bodies {
        &self.bodies
    }

    fn health(&self) -> Health {
        *self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn free_disk(&self) -> u64 {
        self.free.load(Ordering::Relaxed)
    }
}
