//! The store as a model: everything in memory, said as plainly as possible.
//!
//! The measure of every other engine: the conformance suite runs the same commands against both. Tests of
//! the floors above run on it too. Nothing of it survives a restart, so no appliance runs on it.

use crate::base::address::AddressKey;
use crate::base::address::Domain;
use crate::base::id::BodyId;
use crate::base::id::InvitationId;
use crate::base::id::MailboxId;
use crate::base::id::QueueId;
use crate::base::limits::SUMMARY;
use crate::base::secret::Key;
use crate::base::secret::Secret;
use crate::base::time::Time;
use crate::store::Answer;
use crate::store::Health;
use crate::store::PAGE;
use crate::store::Store;
use crate::store::body::Bodies;
use crate::store::body::Body;
use crate::store::change;
use crate::store::change::Stop;
use crate::store::change_account;
use crate::store::change_account::Changed;
use crate::store::change_alias;
use crate::store::change_life;
use crate::store::change_message;
use crate::store::change_queue;
use crate::store::change_stored;
use crate::store::command::Command;
use crate::store::command::Outcome;
use crate::store::command::Refusal;
use crate::store::command_part::DeleteIf;
use crate::store::command_part::Delivery;
use crate::store::command_part::FirstUse;
use crate::store::command_part::FlagChange;
use crate::store::command_part::NewMailbox;
use crate::store::command_part::NewQueued;
use crate::store::command_part::NewSlot;
use crate::store::command_part::Renewal;
use crate::store::command_part::Settlement;
use crate::store::error::StoreError;
use crate::store::record::Fingerprint;
use crate::store::record::Flags;
use crate::store::record::Folder;
use crate::store::record::FolderRecord;
use crate::store::record::InvitationRecord;
use crate::store::record::InvitationState;
use crate::store::record::KeyRecord;
use crate::store::record::MailboxKind;
use crate::store::record::MailboxRecord;
use crate::store::record::Message;
use crate::store::record::ShredRef;
use crate::store::record::SigningKey;
use crate::store::record::SlotRecord;
use crate::store::record::Uid;
use crate::store::record_account::RefusedRecord;
use crate::store::record_life::LifeClock;
use crate::store::record_life::Moment;
use crate::store::record_queue::Purpose;
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
use std::collections::BTreeMap;
use std::collections::BTreeSet;
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

/// Whether a recipient may be tried when it is due.
fn is_free(recipient: &QueuedRecipient, running: Duration) -> bool {
    match recipient.state {
        RecipientState::Waiting => true,
        RecipientState::Leased { until } => until <= running,
        RecipientState::Delivered | RecipientState::Failed | RecipientState::Cancelled => false,
    }
}

/// All there is. Cloned for each commit; what is large lies behind an `Arc`.
#[derive(Clone, Debug, Default)]
struct State {
    addresses: BTreeMap<AddressKey, MailboxId>,
    formers: BTreeMap<AddressKey, MailboxId>,
    clock: Option<LifeClock>,
    boxes: BTreeMap<MailboxId, Arc<Held>>,
    invitations: BTreeMap<InvitationId, InvitationRecord>,
    vaults: BTreeMap<(MailboxId, MailboxId), Vec<u8>>,
    certificates: BTreeMap<[u8; 32], Arc<CertificateRecord>>,
    stored: BTreeMap<[u8; 32], StoredCertificates>,
    sts: BTreeMap<[u8; 32], StsRecord>,
    queue: BTreeMap<QueueId, Arc<Queued>>,
    signing: BTreeMap<(Domain, String), Arc<SigningKey>>,
    submissions: BTreeMap<(MailboxId, [u8; 32]), Time>,
    conversations: BTreeSet<(MailboxId, [u8; 32])>,
    shreds: BTreeMap<u32, Arc<Key>>,
    places: u32,
    /// Body files and the number of records that name each.
    files: BTreeMap<BodyId, u32>,
    /// Body files to be removed after the commit.
    dropped: Vec<BodyId>,
    /// Mailboxes that this commit has removed: their ids are not free.
    removed: BTreeSet<MailboxId>,
    /// Mailboxes whose watchers are told after the commit.
    changed: BTreeSet<MailboxId>,
}

/// A mailbox with what it holds.
#[derive(Clone, Debug)]
struct Held {
    record: MailboxRecord,
    keys: BTreeMap<Fingerprint, Arc<KeyRecord>>,
    folders: BTreeMap<Folder, FolderRecord>,
    messages: BTreeMap<(Folder, Uid), Arc<HeldMessage>>,
    refused: Option<RefusedRecord>,
}

#[derive(Clone, Debug)]
struct HeldMessage {
    message: Message,
    summary: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Queued {
    record: QueueRecord,
    recipients: Vec<QueuedRecipient>,
}

impl State {
    fn apply(&mut self, command: Command) -> Result<Outcome, Stop> {
        match command {
            Command::CreateMailbox(new) => self.create(*new),
            Command::Deliver(delivery) => self.deliver(*delivery),
            Command::DeliverOnce(delivery) => self.deliver_once(*delivery),
            Command::SetFlags { mailbox, folder, uids, change, flags } => {
                self.set_flags(mailbox, folder, uids, change, &flags)
            }
            Command::Copy { mailbox, from, to, uids } => self.copy(mailbox, from, to, uids, false),
            Command::Move { mailbox, from, to, uids } => self.copy(mailbox, from, to, uids, true),
            Command::Expunge { mailbox, folder, uids } => self.expunge(mailbox, folder, uids),
            Command::Subscribe { mailbox, folder, on } => {
                self.folder(mailbox, folder)?.subscribed = on;
                Ok(Outcome::Done)
            }
            Command::ReplaceSummary { mailbox, folder, uid, old, new } => {
                self.replace_summary(mailbox, (folder, uid), old, new)
            }
            Command::CountPinAttempt { invitation, max } => self.count(invitation, max),
            Command::KillInvitation { invitation, now } => {
                let record = self.open_invitation(invitation)?;
                (record.state, record.changed) = (InvitationState::Dead, now);
                Ok(Outcome::Done)
            }
            Command::NoteNoPin { invitation, now, not_since } => self.no_pin(invitation, now, not_since),
            Command::CompleteFirstUse(first) => self.complete(*first),
            Command::RenewInvitation(renewal) => self.renew(*renewal),
            Command::PutOwnCertificate { mailbox, key } => self.put_own(mailbox, key),
            Command::NoteActivity { mailbox, at, correspondent } => {
                let record = &mut self.held(mailbox)?.record;
                change::check_alive(record)?;
                let noted = change::note_activity(record, at, correspondent);
                for queue in noted.cancelled {
                    self.drop_queued(queue);
                }
                Ok(Outcome::Done)
            }
            Command::PutVaultEntry { account, mailbox, sealed } => {
                if !self.boxes.contains_key(&account) || !self.boxes.contains_key(&mailbox) {
                    return Err(Refusal::Gone.into());
                }
                self.vaults.insert((account, mailbox), sealed);
                Ok(Outcome::Done)
            }
            Command::DeleteMailbox { mailbox, now, only } => self.delete(mailbox, now, only),
            other => self.apply_to_life(other),
        }
    }

    fn apply_to_life(&mut self, command: Command) -> Result<Outcome, Stop> {
        match command {
            Command::SupersedeMailbox { new, old, now } => return self.supersede(*new, old, now),
            Command::NoteAsked { mailbox, account, now } => {
                let record = &mut self.held(mailbox).map_err(|_| Refusal::NotCurrent)?.record;
                change_life::note_asked(record, account, now)?;
            }
            Command::CloseMailbox { mailbox, now, not_active_since } => {
                change_life::check_inactive(&self.held(mailbox)?.record, not_active_since)?;
                self.addresses.retain(|_, id| *id != mailbox);
                self.formers.retain(|_, id| *id != mailbox);
                self.cancel_mail_for(mailbox);
                let now = Moment { at: now, ran: self.ran() };
                change_life::close(&mut self.held(mailbox)?.record, now);
            }
            Command::ReopenMailbox { mailbox, now } => self.reopen(mailbox, now)?,
            Command::MarkUnreachable { mailbox, invitation, now } => {
                let now = Moment { at: now, ran: self.ran() };
                let record = &mut self.held(mailbox).map_err(|_| Refusal::NotOpen)?.record;
                change_life::mark_unreachable(record, invitation, now)?;
            }
            Command::NoteWarning { mailbox, days, queue, not_active_since } => {
                change_life::check_inactive(&self.held(mailbox)?.record, not_active_since)?;
                let mail = Arc::clone(self.queue.get(&queue).ok_or(Refusal::Gone)?);
                change_life::note_warning(&mut self.held(mailbox)?.record, days, &mail.record)?;
            }
            Command::PutNotices { mailbox, notices, expected } => {
                let record = &mut self.held(mailbox).map_err(|_| Refusal::NotCurrent)?.record;
                change_life::put_notices(record, notices, expected.as_ref())?;
            }
            Command::Tick { wall, ran_more, suspend } => {
                self.clock = Some(change_life::tick(self.clock.take(), wall, ran_more, suspend));
            }
            Command::NoteSuspensionTold => {
                self.clock = Some(change_life::tell_suspension(self.clock.take())?);
            }
            Command::AcceptClock { wall } => {
                self.clock = Some(change_life::accept_clock(self.clock.take(), wall)?);
            }
            Command::PurgeTraces { before, limit } => return Ok(self.purge_traces(before, limit)),
            other => return self.apply_other(other),
        }
        Ok(Outcome::Done)
    }

    fn supersede(&mut self, new: NewMailbox, old: MailboxId, now: Time) -> Result<Outcome, Stop> {
        let held = self.boxes.get(&old).ok_or(Refusal::NotCurrent)?;
        change_life::check_supersede(&held.record, &new)?;
        let address = new.address.key();
        if self.is_used(new.id) || self.formers.contains_key(&address) {
            return Err(Refusal::AddressTaken.into());
        }
        let validity = held.folders.get(&Folder::INBOX).map_or(0, |inbox| inbox.uid_validity);
        self.formers.insert(address, old);
        change_life::supersede(&mut self.held(old)?.record, now);
        Ok(self.make(new, Some(now), validity))
    }

    fn reopen(&mut self, mailbox: MailboxId, now: Time) -> Result<(), Stop> {
        let record = &self.held(mailbox)?.record;
        change_life::check_closed(record)?;
        let (address, superseded) = (record.address.key(), record.superseded);
        let newer = superseded.is_some() || self.addresses.contains_key(&address);
        let places = if newer { &mut self.formers } else { &mut self.addresses };
        if places.contains_key(&address) {
            return Err(Refusal::AddressTaken.into());
        }
        places.insert(address, mailbox);
        change_life::reopen(&mut self.held(mailbox)?.record, now, newer);
        Ok(())
    }

    fn purge_traces(&mut self, before: Time, limit: usize) -> Outcome {
        let old =
            |record: &&InvitationRecord| record.state == InvitationState::Deleted && record.changed < before;
        let mut old: Vec<_> =
            self.invitations.values().filter(old).map(|record| (record.changed, record.id)).collect();
        old.sort_unstable();
        old.truncate(limit.min(PAGE));
        for (_, id) in &old {
            self.invitations.remove(id);
        }
        Outcome::Count(old.len() as u64)
    }

    /// The running time so far, seconds.
    fn ran(&self) -> u64 {
        self.clock.as_ref().map_or(0, |clock| clock.ran)
    }

    /// Gone or closed: what is signed in ends.
    fn is_shut(&self, mailbox: MailboxId) -> bool {
        self.boxes.get(&mailbox).is_none_or(|held| change::is_closed(&held.record))
    }

    fn is_used(&self, mailbox: MailboxId) -> bool {
        self.boxes.contains_key(&mailbox) || self.removed.contains(&mailbox)
    }

    fn put_certificate(&mut self, mut record: Box<CertificateRecord>, replace: bool) -> Result<(), Stop> {
        let at = sha256(record.address.key().as_str().as_bytes());
        let there = self.certificates.get(&at);
        if !replace && there.is_some_and(|there| there.fingerprint != record.fingerprint) {
            return Err(Refusal::AddressTaken.into());
        }
        if let Some(there) = there.filter(|_| !replace) {
            record.chosen_by = there.chosen_by.and(record.chosen_by);
        }
        self.certificates.insert(at, Arc::from(record));
        Ok(())
    }

    fn apply_other(&mut self, command: Command) -> Result<Outcome, Stop> {
        match command {
            Command::PutCertificate { record, replace } => self.put_certificate(record, replace)?,
            Command::RemoveCertificate { address } => {
                self.certificates.remove(&sha256(address.as_str().as_bytes()));
            }
            Command::Enqueue(new) => return self.enqueue(*new),
            Command::LeaseDue { now, running, until, limit } => {
                return Ok(self.lease(now, running, until, limit));
            }
            Command::Settle { queue, number, lease, outcome } => {
                return self.settle(queue, number, lease, outcome);
            }
            Command::Release { leases } => self.release(&leases),
            Command::RetryQueued { queue, now } => return Ok(self.retry(queue, now)),
            Command::NoteDelay { queue, number } => {
                let queued = Arc::make_mut(self.queue.get_mut(&queue).ok_or(Refusal::Gone)?);
                let recipient = queued.recipients.get_mut(usize::from(number)).ok_or(Refusal::Gone)?;
                change_queue::note_delay(recipient)?;
            }
            Command::CancelQueued { queue } => return self.cancel(queue),
            Command::ChangePassword(change) => {
                let shred = self.place(change.slot.shred_key.expose());
                return self
                    .account(change.account, |record| change_account::password(record, *change, shred));
            }
            Command::ResetAccount(reset) => {
                let shred = self.place(reset.slot.shred_key.expose());
                return self.account(reset.account, |record| change_account::reset(record, *reset, shred));
            }
            Command::ReopenAccount(reopening) => {
                return self.account(reopening.account, |record| change_account::reopen(record, *reopening));
            }
            Command::DestroyShut { account, before } => {
                self.boxes.get(&account).ok_or(Refusal::Gone)?;
                return self.account(account, |record| change_account::destroy_shut(record, before));
            }
            Command::PutRecovery { account, generation, slot } => {
                let shred = self.place(slot.shred_key.expose());
                let put = |record: &mut _| change_account::put_recovery(record, generation, slot, shred);
                return self.account(account, put);
            }
            Command::NoteRecovery { account, was, now } => {
                self.boxes.get(&account).ok_or(Refusal::Gone)?;
                let noted = |record: &mut _| change_account::note_recovery(record, was.as_ref(), now);
                return self.account(account, noted);
            }
            Command::PutAlias { account, alias, expected } => {
                let held = self.held(account).map_err(|_| Refusal::NotCurrent)?;
                change_alias::put(&mut held.record, alias, expected)?;
            }
            Command::RequireAlias { account, level } => {
                let held = self.boxes.get(&account).ok_or(Refusal::NotCurrent)?;
                change_alias::require(&held.record, level)?;
            }
            Command::PutRefused { account, refused, expected } => {
                let held = self.boxes.get_mut(&account).ok_or(Refusal::NotCurrent)?;
                let there = held.refused.as_ref();
                change_alias::check_refused(Some(&held.record), there, expected.as_ref())?;
                Arc::make_mut(held).refused = Some(refused);
            }
            Command::OpenFolder { account, folder } => {
                let held = self.held(account)?;
                let inbox = held.folders.get(&Folder::INBOX).ok_or(Refusal::Gone)?;
                let made = change_alias::late_folder(&held.record, folder, inbox)?;
                held.folders.entry(folder).or_insert(made);
            }
            Command::RememberSubmission { account, digest, now, until } => {
                self.boxes.get(&account).ok_or(Refusal::Gone)?;
                if self.submissions.get(&(account, digest)).is_some_and(|until| now <= *until) {
                    return Err(Refusal::AlreadyDone.into());
                }
                self.submissions.insert((account, digest), until);
            }
            Command::RememberConversation { account, digest, now: _ } => {
                self.boxes.get(&account).ok_or(Refusal::Gone)?;
                self.conversations.insert((account, digest));
            }
            // The others are in `apply`.
            command => self.apply_to_destination(command)?,
        }
        Ok(Outcome::Done)
    }

    /// What is known of the servers of others, and what is signed for them with.
    fn apply_to_destination(&mut self, command: Command) -> Result<(), Stop> {
        match command {
            Command::AddStoredCertificate { domain, certificate } => {
                let at = sha256(domain.as_str().as_bytes());
                let after = change_stored::add(self.stored.get(&at).cloned(), domain, *certificate)?;
                self.stored.insert(at, after);
            }
            Command::NoteSeenCertificate { domain, seen } => {
                let at = sha256(domain.as_str().as_bytes());
                if let Some(after) = change_stored::note_seen(self.stored.get(&at).cloned(), *seen) {
                    self.stored.insert(at, after);
                }
            }
            Command::RemoveStoredCertificates { domain } => {
                self.stored.remove(&sha256(domain.as_str().as_bytes()));
            }
            Command::PutSts { record, expected } => {
                let at = sha256(record.domain.as_str().as_bytes());
                change_stored::check_sts(self.sts.get(&at), expected.as_deref())?;
                self.sts.insert(at, *record);
            }
            Command::RemoveSts { domain, fetched } => {
                let at = sha256(domain.as_str().as_bytes());
                if self.sts.get(&at).is_some_and(|there| there.fetched == fetched) {
                    self.sts.remove(&at);
                }
            }
            Command::PutSigningKey(key) => {
                self.signing.insert((key.domain.clone(), key.selector.clone()), Arc::from(key));
            }
            _ => return Err(StoreError::Misused { what: "a command without a deed" }.into()),
        }
        Ok(())
    }

    /// Changes the record of an account, with what that means for keys and shred keys.
    fn account(
        &mut self,
        account: MailboxId,
        change: impl FnOnce(&mut MailboxRecord) -> Result<Changed, Stop>,
    ) -> Result<Outcome, Stop> {
        let held = self.held(account).map_err(|_| Refusal::NotCurrent)?;
        let changed = change(&mut held.record)?;
        for key in changed.keys {
            held.keys.insert(key.fingerprint.clone(), Arc::new(key));
        }
        for fingerprint in &changed.dropped_keys {
            held.keys.remove(fingerprint);
        }
        self.shred(changed.dropped_slots);
        Ok(changed.outcome)
    }

    /// A mailbox that is to be changed.
    fn held(&mut self, mailbox: MailboxId) -> Result<&mut Held, Refusal> {
        let held = self.boxes.get_mut(&mailbox).ok_or(Refusal::Gone)?;
        self.changed.insert(mailbox);
        Ok(Arc::make_mut(held))
    }

    /// A folder that is to be changed.
    fn folder(&mut self, mailbox: MailboxId, folder: Folder) -> Result<&mut FolderRecord, Refusal> {
        self.held(mailbox)?.folders.get_mut(&folder).ok_or(Refusal::Gone)
    }

    fn open_invitation(&mut self, invitation: InvitationId) -> Result<&mut InvitationRecord, Refusal> {
        let record = self.invitations.get_mut(&invitation).ok_or(Refusal::NotOpen)?;
        if record.state == InvitationState::Open { Ok(record) } else { Err(Refusal::NotOpen) }
    }

    fn create(&mut self, new: NewMailbox) -> Result<Outcome, Stop> {
        let address = new.address.key();
        if self.is_used(new.id) || self.addresses.contains_key(&address) {
            return Err(Refusal::AddressTaken.into());
        }
        Ok(self.make(new, None, 0))
    }

    /// Makes the mailbox that its address has from now on; its folders' UIDVALIDITY is above `validity`.
    fn make(&mut self, new: NewMailbox, supersedes: Option<Time>, validity: u32) -> Outcome {
        self.addresses.insert(new.address.key(), new.id);
        if let Some(invitation) = &new.invitation {
            let record = change::invitation(invitation, new.id, new.language, new.created);
            self.invitations.insert(invitation.id, record);
            self.vaults.insert((invitation.sender, new.id), invitation.vault_entry.clone());
        }
        let shred = self.place(new.slot.shred_key.expose());
        let folders = change::folders(new.kind, new.created, validity);
        let (record, key) = change::mailbox(new, shred, supersedes);
        let id = record.id;
        let held = Held {
            record,
            keys: BTreeMap::from([(key.fingerprint.clone(), Arc::new(key))]),
            folders: folders.into_iter().map(|folder| (folder.folder, folder)).collect(),
            messages: BTreeMap::new(),
            refused: None,
        };
        self.boxes.insert(id, Arc::new(held));
        self.changed.insert(id);
        Outcome::Done
    }

    fn deliver(&mut self, delivery: Delivery) -> Result<Outcome, Stop> {
        let held = self.boxes.get(&delivery.mailbox).ok_or(Refusal::NotCurrent)?;
        change::check_alive(&held.record)?;
        if !change::is_current(&held.record, &delivery) {
            return Err(Refusal::NotCurrent.into());
        }
        held.folders.get(&delivery.folder).ok_or(Refusal::Gone)?;
        check_summary(&delivery.summary)?;
        let bytes: u64 = held.folders.values().map(|folder| folder.bytes).sum();
        let messages: u32 = held.folders.values().map(|folder| folder.messages).sum();
        if delivery.quota_bytes.is_some_and(|quota| bytes + delivery.record.body.length() > quota)
            || delivery.quota_messages.is_some_and(|quota| messages + 1 > quota)
        {
            return Err(Refusal::OverQuota.into());
        }
        self.name_file(&delivery.record.body);
        let message =
            Message { uid: Uid(0), record: delivery.record, flags: change_message::tidy(delivery.flags) };
        let (uid_validity, uid) = self.put(delivery.mailbox, delivery.folder, message, delivery.summary)?;
        Ok(Outcome::Uid { uid_validity, uid, fresh: true })
    }

    fn deliver_once(&mut self, delivery: Delivery) -> Result<Outcome, Stop> {
        let held = self.boxes.get(&delivery.mailbox).ok_or(Refusal::NotCurrent)?;
        change::check_alive(&held.record)?;
        let folder = held.folders.get(&delivery.folder).ok_or(Refusal::Gone)?;
        let same = |message: &Message| {
            message.record.message_id.is_some() && message.record.message_id == delivery.record.message_id
        };
        let there =
            held.messages.iter().find(|((at, _), held)| *at == delivery.folder && same(&held.message));
        if let Some(((_, uid), _)) = there {
            let outcome = Outcome::Uid { uid_validity: folder.uid_validity, uid: *uid, fresh: false };
            let unused = delivery.record.body.file().filter(|id| !self.files.contains_key(id));
            self.dropped.extend(unused);
            return Ok(outcome);
        }
        self.deliver(delivery)
    }

    /// Gives a message the next UID of a folder.
    fn put(
        &mut self,
        mailbox: MailboxId,
        folder: Folder,
        mut message: Message,
        summary: Vec<u8>,
    ) -> Result<(u32, Uid), Stop> {
        let held = self.held(mailbox)?;
        let record = held.folders.get_mut(&folder).ok_or(Refusal::Gone)?;
        let uid = change_message::count_in(record, &message)?;
        message.uid = uid;
        let uid_validity = record.uid_validity;
        held.messages.insert((folder, uid), Arc::new(HeldMessage { message, summary }));
        Ok((uid_validity, uid))
    }

    /// Takes a message out of a folder; its file goes with the last record that names it.
    fn take(&mut self, mailbox: MailboxId, folder: Folder, uid: Uid) -> Result<(), Stop> {
        let held = self.held(mailbox)?;
        let Some(taken) = held.messages.remove(&(folder, uid)) else { return Ok(()) };
        let record = held.folders.get_mut(&folder).ok_or(Refusal::Gone)?;
        change_message::count_out(record, &taken.message);
        self.drop_file(&taken.message.record.body);
        Ok(())
    }

    fn name_file(&mut self, body: &Body) {
        if let Some(id) = body.file() {
            *self.files.entry(id).or_insert(0) += 1;
        }
    }

    fn drop_file(&mut self, body: &Body) {
        let Some(id) = body.file() else { return };
        if let Some(names) = self.files.get_mut(&id) {
            *names -= 1;
            if *names == 0 {
                self.files.remove(&id);
                self.dropped.push(id);
            }
        }
    }

    /// Those of `uids` that are in the folder, ascending.
    fn there(&mut self, mailbox: MailboxId, folder: Folder, uids: Vec<Uid>) -> Result<Vec<Uid>, Stop> {
        self.folder(mailbox, folder)?;
        let held = self.held(mailbox)?;
        let mut uids = change_message::in_order(uids);
        uids.retain(|uid| held.messages.contains_key(&(folder, *uid)));
        Ok(uids)
    }

    fn set_flags(
        &mut self,
        mailbox: MailboxId,
        folder: Folder,
        uids: Vec<Uid>,
        change: FlagChange,
        flags: &Flags,
    ) -> Result<Outcome, Stop> {
        let uids = self.there(mailbox, folder, uids)?;
        let held = self.held(mailbox)?;
        let mut now = Vec::with_capacity(uids.len());
        for uid in uids {
            let (Some(message), Some(record)) =
                (held.messages.get_mut(&(folder, uid)), held.folders.get_mut(&folder))
            else {
                continue;
            };
            let message = &mut Arc::make_mut(message).message;
            let after = change_message::flags(&message.flags, change, flags);
            change_message::count_seen(record, message.flags.seen, after.seen);
            message.flags = after.clone();
            now.push((uid, after));
        }
        Ok(Outcome::Flagged(now))
    }

    fn copy(
        &mut self,
        mailbox: MailboxId,
        from: Folder,
        to: Folder,
        uids: Vec<Uid>,
        taking: bool,
    ) -> Result<Outcome, Stop> {
        let uid_validity = self.folder(mailbox, to)?.uid_validity;
        let uids = self.there(mailbox, from, uids)?;
        let mut pairs = Vec::with_capacity(uids.len());
        for uid in uids {
            let Some(held) = self.held(mailbox)?.messages.get(&(from, uid)).cloned() else { continue };
            self.name_file(&held.message.record.body);
            let (_, new) = self.put(mailbox, to, held.message.clone(), held.summary.clone())?;
            if taking {
                self.take(mailbox, from, uid)?;
            }
            pairs.push((uid, new));
        }
        Ok(Outcome::Copied { uid_validity, pairs })
    }

    fn expunge(
        &mut self,
        mailbox: MailboxId,
        folder: Folder,
        uids: Option<Vec<Uid>>,
    ) -> Result<Outcome, Stop> {
        self.folder(mailbox, folder)?;
        let deleted = |((at, uid), held): (&(Folder, Uid), &Arc<HeldMessage>)| {
            let asked = uids.as_ref().is_none_or(|uids| uids.contains(uid));
            (*at == folder && held.message.flags.deleted && asked).then_some(*uid)
        };
        let gone: Vec<Uid> = self.held(mailbox)?.messages.iter().filter_map(deleted).collect();
        for uid in &gone {
            self.take(mailbox, folder, *uid)?;
        }
        Ok(Outcome::Expunged(gone))
    }

    fn replace_summary(
        &mut self,
        mailbox: MailboxId,
        at: (Folder, Uid),
        old: [u8; 32],
        new: Vec<u8>,
    ) -> Result<Outcome, Stop> {
        check_summary(&new)?;
        if let Ok(held) = self.held(mailbox)
            && let Some(message) = held.messages.get_mut(&at)
            && sha256(&message.summary) == old
        {
            Arc::make_mut(message).summary = new;
        }
        Ok(Outcome::Done)
    }

    fn count(&mut self, invitation: InvitationId, max: u8) -> Result<Outcome, Stop> {
        let mailbox = self.open_invitation(invitation)?.mailbox;
        let held = self.boxes.get(&mailbox).ok_or(Refusal::NotOpen)?;
        change::check_unopened(&held.record)?;
        let record = self.open_invitation(invitation)?;
        if record.tries >= max {
            return Err(Refusal::NoTriesLeft.into());
        }
        record.tries += 1;
        Ok(Outcome::TriesLeft(max - record.tries))
    }

    fn no_pin(&mut self, invitation: InvitationId, now: Time, not_since: Time) -> Result<Outcome, Stop> {
        let record = self.invitations.get_mut(&invitation).ok_or(Refusal::Gone)?;
        if record.no_pin_told.is_some_and(|told| told >= not_since) {
            return Err(Refusal::TooSoon.into());
        }
        record.no_pin_told = Some(now);
        Ok(Outcome::Done)
    }

    fn complete(&mut self, first: FirstUse) -> Result<Outcome, Stop> {
        let held = self.boxes.get(&first.mailbox).ok_or(Refusal::NotOpen)?;
        let invitation = self.invitations.get(&first.invitation).ok_or(Refusal::NotOpen)?;
        change::check_unopened(&held.record)?;
        if held.record.invitation != Some(first.invitation) || invitation.state != InvitationState::Open {
            return Err(Refusal::NotOpen.into());
        }
        if held.record.certificate != first.former.fingerprint {
            return Err(Refusal::NotCurrent.into());
        }
        if let Some(record) = self.invitations.get_mut(&first.invitation) {
            (record.state, record.changed) = (InvitationState::Used, first.now);
        }
        let mailbox = first.mailbox;
        let shred = self.place(first.slot.shred_key.expose());
        let held = self.held(mailbox)?;
        let gone = change::drop_invitation_slots(&mut held.record);
        let warnings = change_life::begin_warnings_anew(&mut held.record);
        let (key, former) = change::open_mailbox(&mut held.record, first, shred);
        for key in [former, key] {
            held.keys.insert(key.fingerprint.clone(), Arc::new(key));
        }
        self.shred(gone);
        for queue in warnings {
            self.drop_queued(queue);
        }
        Ok(Outcome::Done)
    }

    fn renew(&mut self, renewal: Renewal) -> Result<Outcome, Stop> {
        let held = self.boxes.get(&renewal.mailbox).ok_or(Refusal::NotOpen)?;
        let old = self.invitations.get(&renewal.old).ok_or(Refusal::NotOpen)?;
        change::check_unopened(&held.record)?;
        if held.record.invitation != Some(renewal.old)
            || held.record.superseded.is_some()
            || !matches!(old.state, InvitationState::Open | InvitationState::Dead)
        {
            return Err(Refusal::NotOpen.into());
        }
        let new = change::invitation(&renewal.new, renewal.mailbox, held.record.language, renewal.now);
        if let Some(old) = self.invitations.get_mut(&renewal.old) {
            (old.state, old.changed) = (InvitationState::Replaced, renewal.now);
        }
        let (mailbox, id) = (renewal.mailbox, new.id);
        self.vaults.insert((new.sender, mailbox), renewal.new.vault_entry);
        self.invitations.insert(id, new);
        let slot = self.slot(renewal.slot);
        let record = &mut self.held(mailbox)?.record;
        let gone = change::drop_invitation_slots(record);
        record.slots.push(slot);
        (record.invitation, record.unreachable) = (Some(id), None);
        self.shred(gone);
        Ok(Outcome::Done)
    }

    fn put_own(&mut self, mailbox: MailboxId, mut key: KeyRecord) -> Result<Outcome, Stop> {
        let held = self.held(mailbox)?;
        change::check_alive(&held.record)?;
        change::set_certificate(&mut held.record, &key.fingerprint);
        if let Some(there) = held.keys.get(&key.fingerprint) {
            key.wrapped_secret = key.wrapped_secret.or_else(|| there.wrapped_secret.clone());
        }
        held.keys.insert(key.fingerprint.clone(), Arc::new(key));
        Ok(Outcome::Done)
    }

    fn delete(&mut self, mailbox: MailboxId, now: Time, only: Option<DeleteIf>) -> Result<Outcome, Stop> {
        change_life::check_delete(&self.held(mailbox)?.record, only)?;
        let held = self.boxes.remove(&mailbox).ok_or(Refusal::Gone)?;
        self.removed.insert(mailbox);
        self.changed.insert(mailbox);
        self.addresses.retain(|_, id| *id != mailbox);
        self.formers.retain(|_, id| *id != mailbox);
        self.vaults.retain(|(account, of), _| *account != mailbox && *of != mailbox);
        self.submissions.retain(|(account, _), _| *account != mailbox);
        self.conversations.retain(|(account, _)| *account != mailbox);
        for record in self.invitations.values_mut().filter(|record| record.mailbox == mailbox) {
            (record.state, record.changed) = (InvitationState::Deleted, now);
        }
        self.shred(held.record.all_slots().map(|slot| slot.shred));
        for message in held.messages.values() {
            self.drop_file(&message.message.record.body);
        }
        if held.record.kind == MailboxKind::Temporary {
            self.cancel_mail_for(mailbox);
        }
        Ok(Outcome::Done)
    }

    /// Takes the invitations, notices and warnings for it out of the queue.
    fn cancel_mail_for(&mut self, mailbox: MailboxId) {
        let about = self.queue.iter().filter(|(_, queued)| queued.record.purpose.about() == Some(mailbox));
        let waiting: Vec<QueueId> = about.map(|(id, _)| *id).collect();
        for queue in waiting {
            self.drop_queued(queue);
        }
    }

    /// A mail has left the queue: a warning was `settled`, or is to go out again.
    fn left_the_queue(&mut self, mail: &QueueRecord, settled: bool) {
        let ran = settled.then(|| self.ran());
        if let Purpose::Warning(mailbox, _) = mail.purpose
            && let Ok(held) = self.held(mailbox)
        {
            change_life::end_warning(&mut held.record, mail.id, ran);
        }
    }

    fn slot(&mut self, new: NewSlot) -> SlotRecord {
        let shred = self.place(new.shred_key.expose());
        change::slot(new, shred)
    }

    /// A place for a shred key.
    fn place(&mut self, key: &[u8; 32]) -> ShredRef {
        let place = self.places;
        self.places += 1;
        self.shreds.insert(place, Arc::new(Secret::new(*key)));
        ShredRef { place, generation: 0 }
    }

    /// Destroys shred keys.
    fn shred(&mut self, gone: impl IntoIterator<Item = ShredRef>) {
        for shred in gone {
            self.shreds.remove(&shred.place);
        }
    }

    fn enqueue(&mut self, new: NewQueued) -> Result<Outcome, Stop> {
        change_queue::check_queued(&new)?;
        if self.queue.contains_key(&new.record.id) {
            return Err(Refusal::AlreadyDone.into());
        }
        let mut record = new.record;
        record.shred = new.queue_key.map(|key| self.place(key.expose()));
        let recipients = change_queue::number(record.id, new.recipients);
        self.name_file(&record.body);
        self.queue.insert(record.id, Arc::new(Queued { record, recipients }));
        Ok(Outcome::Done)
    }

    fn lease(&mut self, now: Time, running: Duration, until: Duration, limit: usize) -> Outcome {
        let all = self.queue.values().flat_map(|queued| &queued.recipients);
        let mut at: Vec<_> = all
            .filter(|recipient| is_free(recipient, running))
            .filter(|recipient| recipient.next <= now)
            .map(|recipient| (recipient.next, recipient.queue, recipient.number))
            .collect();
        at.sort_unstable();
        at.truncate(limit.min(PAGE));
        let mut leased = Vec::with_capacity(at.len());
        for (_, queue, number) in at {
            if let Some(queued) = self.queue.get_mut(&queue)
                && let Some(recipient) = Arc::make_mut(queued).recipients.get_mut(usize::from(number))
            {
                recipient.state = RecipientState::Leased { until };
                leased.push(recipient.clone());
            }
        }
        Outcome::Leased(leased)
    }

    fn settle(
        &mut self,
        queue: QueueId,
        number: u16,
        lease: Duration,
        outcome: Settlement,
    ) -> Result<Outcome, Stop> {
        let queued = Arc::make_mut(self.queue.get_mut(&queue).ok_or(Refusal::Gone)?);
        let recipient = queued.recipients.get_mut(usize::from(number)).ok_or(Refusal::Gone)?;
        let held = match recipient.state {
            RecipientState::Leased { until } => Some(until),
            _ => None,
        };
        if !change_queue::may_settle(recipient.state, held, lease, &outcome) {
            return Err(Refusal::Gone.into());
        }
        change_queue::settle(recipient, outcome);
        if !queued.recipients.iter().any(|recipient| change_queue::waits(recipient.state))
            && let Some(mail) = self.drop_queued(queue)
        {
            self.left_the_queue(&mail, true);
        }
        Ok(Outcome::Done)
    }

    fn release(&mut self, leases: &[(QueueId, u16, Duration)]) {
        for (queue, number, until) in leases {
            if let Some(queued) = self.queue.get_mut(queue)
                && let Some(recipient) = Arc::make_mut(queued).recipients.get_mut(usize::from(*number))
                && recipient.state == (RecipientState::Leased { until: *until })
            {
                recipient.state = RecipientState::Waiting;
            }
        }
    }

    fn retry(&mut self, queue: Option<QueueId>, now: Time) -> Outcome {
        let mut count = 0;
        for (id, queued) in &mut self.queue {
            if queue.is_some_and(|queue| queue != *id) {
                continue;
            }
            for recipient in &mut Arc::make_mut(queued).recipients {
                if recipient.state == RecipientState::Waiting {
                    recipient.next = recipient.next.min(now);
                    count += 1;
                }
            }
        }
        Outcome::Count(count)
    }

    fn cancel(&mut self, queue: QueueId) -> Result<Outcome, Stop> {
        let mail = self.drop_queued(queue).ok_or(Refusal::Gone)?;
        self.left_the_queue(&mail, false);
        Ok(Outcome::Done)
    }

    fn drop_queued(&mut self, queue: QueueId) -> Option<QueueRecord> {
        let queued = self.queue.remove(&queue)?;
        self.drop_file(&queued.record.body);
        self.shred(queued.record.shred);
        Some(queued.record.clone())
    }
}

fn check_summary(summary: &[u8]) -> Result<(), StoreError> {
    if summary.len() > SUMMARY { Err(StoreError::TooLarge { size: summary.len() }) } else { Ok(()) }
}
