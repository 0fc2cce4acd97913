//! What the model holds, and which deed carries out which command.

use crate::base::address::AddressKey;
use crate::base::address::Domain;
use crate::base::id::BodyId;
use crate::base::id::InvitationId;
use crate::base::id::MailboxId;
use crate::base::id::QueueId;
use crate::base::secret::Key;
use crate::base::secret::Secret;
use crate::base::time::Time;
use crate::store::body::Body;
use crate::store::change;
use crate::store::change::Stop;
use crate::store::change_account;
use crate::store::change_alias;
use crate::store::change_message;
use crate::store::command::Command;
use crate::store::command::Outcome;
use crate::store::command::Refusal;
use crate::store::command_part::NewSlot;
use crate::store::record::Fingerprint;
use crate::store::record::Folder;
use crate::store::record::FolderRecord;
use crate::store::record::InvitationRecord;
use crate::store::record::InvitationState;
use crate::store::record::KeyRecord;
use crate::store::record::MailboxRecord;
use crate::store::record::Message;
use crate::store::record::ShredRef;
use crate::store::record::SigningKey;
use crate::store::record::SlotRecord;
use crate::store::record::Uid;
use crate::store::record_account::RefusedRecord;
use crate::store::record_life::LifeClock;
use crate::store::record_queue::QueueRecord;
use crate::store::record_queue::QueuedRecipient;
use crate::store::record_stored::CertificateRecord;
use crate::store::record_stored::StoredCertificates;
use crate::store::record_stored::StsRecord;
use crate::vault::primitives::sha256;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

/// All there is. Cloned for each commit; what is large lies behind an `Arc`.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) addresses: BTreeMap<AddressKey, MailboxId>,
    pub(super) formers: BTreeMap<AddressKey, MailboxId>,
    pub(super) clock: Option<LifeClock>,
    pub(super) boxes: BTreeMap<MailboxId, Arc<Held>>,
    pub(super) invitations: BTreeMap<InvitationId, InvitationRecord>,
    pub(super) vaults: BTreeMap<(MailboxId, MailboxId), Vec<u8>>,
    pub(super) certificates: BTreeMap<[u8; 32], Arc<CertificateRecord>>,
    pub(super) stored: BTreeMap<[u8; 32], StoredCertificates>,
    pub(super) sts: BTreeMap<[u8; 32], StsRecord>,
    pub(super) queue: BTreeMap<QueueId, Arc<Queued>>,
    pub(super) signing: BTreeMap<(Domain, String), Arc<SigningKey>>,
    pub(super) submissions: BTreeMap<(MailboxId, [u8; 32]), Time>,
    pub(super) conversations: BTreeSet<(MailboxId, [u8; 32])>,
    pub(super) shreds: BTreeMap<u32, Arc<Key>>,
    pub(super) places: u32,
    /// Body files and the number of records that name each.
    pub(super) files: BTreeMap<BodyId, u32>,
    /// Body files to be removed after the commit.
    pub(super) dropped: Vec<BodyId>,
    /// Mailboxes that this commit has removed: their ids are not free.
    pub(super) removed: BTreeSet<MailboxId>,
    /// Mailboxes whose watchers are told after the commit.
    pub(super) changed: BTreeSet<MailboxId>,
}

/// A mailbox with what it holds.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) record: MailboxRecord,
    pub(super) keys: BTreeMap<Fingerprint, Arc<KeyRecord>>,
    pub(super) folders: BTreeMap<Folder, FolderRecord>,
    pub(super) messages: BTreeMap<(Folder, Uid), Arc<HeldMessage>>,
    pub(super) refused: Option<RefusedRecord>,
}

#[derive(Clone, Debug)]
pub(super) struct HeldMessage {
    pub(super) message: Message,
    pub(super) summary: Vec<u8>,
}

#[derive(Clone, Debug)]
pub(super) struct Queued {
    pub(super) record: QueueRecord,
    pub(super) recipients: Vec<QueuedRecipient>,
}

impl State {
    pub(super) fn apply(&mut self, command: Command) -> Result<Outcome, Stop> {
        match command {
            Command::CreateMailbox(new) => self.create(*new),
            Command::Deliver(delivery) => self.deliver(*delivery),
            Command::DeliverOnce(delivery) => self.deliver_once(*delivery),
            Command::SetFlags { mailbox, folder, uids, change, flags } => {
                self.set_flags(mailbox, folder, uids, change, &flags)
            }
            Command::Copy { mailbox, from, to, uids, quota } => {
                let copied = self.copy(mailbox, from, to, uids, false)?;
                change_message::check_copied(&copied, quota, self.held(mailbox)?.folders.values())?;
                Ok(copied)
            }
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
                let clock = self.clock.clone();
                let record = &mut self.held(mailbox)?.record;
                change::check_alive(record)?;
                let noted = change::note_activity(record, at, correspondent, clock.as_ref());
                for queue in noted.cancelled {
                    self.drop_queued(queue);
                }
                Ok(Outcome::Done)
            }
            Command::NoteNetwork { mailbox, network, since } => {
                let record = &mut self.held(mailbox)?.record;
                change::check_alive(record)?;
                change::note_network(record, network, since);
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

    /// The running time so far, seconds.
    pub(super) fn ran(&self) -> u64 {
        self.clock.as_ref().map_or(0, |clock| clock.ran)
    }

    /// Gone or closed: what is signed in ends.
    pub(super) fn is_shut(&self, mailbox: MailboxId) -> bool {
        self.boxes.get(&mailbox).is_none_or(|held| change::is_closed(&held.record))
    }

    pub(super) fn is_used(&self, mailbox: MailboxId) -> bool {
        self.boxes.contains_key(&mailbox) || self.removed.contains(&mailbox)
    }

    pub(super) fn apply_other(&mut self, command: Command) -> Result<Outcome, Stop> {
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
            Command::BringForward { beyond, now } => return Ok(self.bring_forward(beyond, now)),
            Command::Redate { now } => return Ok(self.redate(now)),
            Command::NoteDelay { queue, number } => self.note_delay(queue, number)?,
            Command::CancelQueued { queue } => return self.cancel(queue),
            Command::ChangePassword(change) => {
                let shred = self.place(change.slot.shred_key.expose());
                return self
                    .account(change.account, |record| change_account::password(record, *change, shred));
            }
            Command::ResetAccount(reset) => {
                let (shred, ran) = (self.place(reset.slot.shred_key.expose()), self.ran());
                return self.account(reset.account, |of| change_account::reset(of, *reset, shred, ran));
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

    /// A mailbox that is to be changed.
    pub(super) fn held(&mut self, mailbox: MailboxId) -> Result<&mut Held, Refusal> {
        let held = self.boxes.get_mut(&mailbox).ok_or(Refusal::Gone)?;
        self.changed.insert(mailbox);
        Ok(Arc::make_mut(held))
    }

    /// A folder that is to be changed.
    pub(super) fn folder(
        &mut self,
        mailbox: MailboxId,
        folder: Folder,
    ) -> Result<&mut FolderRecord, Refusal> {
        self.held(mailbox)?.folders.get_mut(&folder).ok_or(Refusal::Gone)
    }

    pub(super) fn name_file(&mut self, body: &Body) {
        if let Some(id) = body.file() {
            *self.files.entry(id).or_insert(0) += 1;
        }
    }

    pub(super) fn drop_file(&mut self, body: &Body) {
        let Some(id) = body.file() else { return };
        if let Some(names) = self.files.get_mut(&id) {
            *names -= 1;
            if *names == 0 {
                self.files.remove(&id);
                self.dropped.push(id);
            }
        }
    }

    pub(super) fn slot(&mut self, new: NewSlot) -> SlotRecord {
        let shred = self.place(new.shred_key.expose());
        change::slot(new, shred)
    }

    /// A place for a shred key.
    pub(super) fn place(&mut self, key: &[u8; 32]) -> ShredRef {
        let place = self.places;
        self.places += 1;
        self.shreds.insert(place, Arc::new(Secret::new(*key)));
        ShredRef { place, generation: 0 }
    }

    /// Destroys shred keys.
    pub(super) fn shred(&mut self, gone: impl IntoIterator<Item = ShredRef>) {
        for shred in gone {
            self.shreds.remove(&shred.place);
        }
    }
}
