//! What commands do to mailboxes, invitations and keys in the model.

use crate::base::id::InvitationId;
use crate::base::id::MailboxId;
use crate::base::time::Time;
use crate::store::change;
use crate::store::change::Stop;
use crate::store::change_account::Changed;
use crate::store::change_life;
use crate::store::command::Outcome;
use crate::store::command::Refusal;
use crate::store::command_part::DeleteIf;
use crate::store::command_part::FirstUse;
use crate::store::command_part::NewMailbox;
use crate::store::command_part::Renewal;
use crate::store::model_state::Held;
use crate::store::model_state::State;
use crate::store::record::InvitationRecord;
use crate::store::record::InvitationState;
use crate::store::record::KeyRecord;
use crate::store::record::MailboxKind;
use crate::store::record::MailboxRecord;
use std::collections::BTreeMap;
use std::sync::Arc;

impl State {
    /// Changes the record of an account, with what that means for keys and shred keys.
    pub(super) fn account(
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

    pub(super) fn open_invitation(
        &mut self,
        invitation: InvitationId,
    ) -> Result<&mut InvitationRecord, Refusal> {
        let record = self.invitations.get_mut(&invitation).ok_or(Refusal::NotOpen)?;
        if record.state == InvitationState::Open { Ok(record) } else { Err(Refusal::NotOpen) }
    }

    pub(super) fn create(&mut self, new: NewMailbox) -> Result<Outcome, Stop> {
        let address = new.address.key();
        if self.is_used(new.id) || self.addresses.contains_key(&address) {
            return Err(Refusal::AddressTaken.into());
        }
        Ok(self.make(new, None, 0))
    }

    /// Makes the mailbox that its address has from now on; its folders' UIDVALIDITY is above `validity`.
    pub(super) fn make(&mut self, new: NewMailbox, supersedes: Option<Time>, validity: u32) -> Outcome {
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

    pub(super) fn count(&mut self, invitation: InvitationId, max: u8) -> Result<Outcome, Stop> {
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

    pub(super) fn no_pin(
        &mut self,
        invitation: InvitationId,
        now: Time,
        not_since: Time,
    ) -> Result<Outcome, Stop> {
        let record = self.invitations.get_mut(&invitation).ok_or(Refusal::Gone)?;
        if record.no_pin_told.is_some_and(|told| told >= not_since) {
            return Err(Refusal::TooSoon.into());
        }
        record.no_pin_told = Some(now);
        Ok(Outcome::Done)
    }

    pub(super) fn complete(&mut self, first: FirstUse) -> Result<Outcome, Stop> {
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

    pub(super) fn renew(&mut self, renewal: Renewal) -> Result<Outcome, Stop> {
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

    pub(super) fn put_own(&mut self, mailbox: MailboxId, mut key: KeyRecord) -> Result<Outcome, Stop> {
        let held = self.held(mailbox)?;
        change::check_alive(&held.record)?;
        change::set_certificate(&mut held.record, &key.fingerprint);
        if let Some(there) = held.keys.get(&key.fingerprint) {
            key.wrapped_secret = key.wrapped_secret.or_else(|| there.wrapped_secret.clone());
        }
        held.keys.insert(key.fingerprint.clone(), Arc::new(key));
        Ok(Outcome::Done)
    }

    pub(super) fn delete(
        &mut self,
        mailbox: MailboxId,
        now: Time,
        only: Option<DeleteIf>,
    ) -> Result<Outcome, Stop> {
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
}
