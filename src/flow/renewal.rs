//! Renewing an invitation: another link and PIN for the mailbox that is there, by the account whose vault holds the
//! old ones.

use crate::base::id::InvitationId;
use crate::base::id::MailboxId;
use crate::base::id::QueueId;
use crate::base::random::Random;
use crate::base::random::bytes;
use crate::base::secret::Key;
use crate::flow::Flow;
use crate::flow::new_mailbox::invitation_slot;
use crate::flow::refusal::TakeError;
use crate::flow::sign_in::Unlocked;
use crate::flow::sign_in::slot_parts;
use crate::store::PAGE;
use crate::store::command::Command;
use crate::store::command_part::NewInvitation;
use crate::store::command_part::NewSlot;
use crate::store::command_part::Renewal;
use crate::store::error::StoreError;
use crate::store::record::KeyRecord;
use crate::store::record::MailboxRecord;
use crate::store::record::SlotRecord;
use crate::store::record_queue::Purpose;
use crate::vault::keyring::Keys;
use crate::vault::mailbox_key::MailboxKey;
use crate::vault::mailbox_key::VaultEntry;
use crate::vault::pin::Pin;
use crate::vault::slot;
use crate::vault::slot::Opener;
use crate::vault::slot::Parameters;
use crate::vault::token::AccessToken;
use std::sync::Arc;

/// A renewal that is about to be committed, with what the new invitation tells.
pub(in crate::flow) struct Renewed {
    /// The command's content.
    pub renewal: Box<Renewal>,
    /// What the new invitation and the sender's vault hold.
    pub entry: VaultEntry,
}

impl Flow {
    /// Seals the MUK of a mailbox that nobody has opened for another link and PIN. No try is counted, and none need
    /// be left. `None` when link and PIN of the vault do not open the mailbox. Runs Argon2 behind a permit.
    pub(in crate::flow) async fn renewal(
        &self,
        record: &MailboxRecord,
        sender: &Unlocked,
        old: VaultEntry,
        pin: Option<Pin>,
    ) -> Result<Option<Renewed>, TakeError> {
        let slot = record.slots.iter().find(|slot| slot.id.bytes() == old.invitation.bytes()).cloned();
        let Some(slot) = slot else { return Ok(None) };
        let Some(shred) = self.store.shred_key(slot.shred).await? else { return Ok(None) };
        let key = self.store.key(record.id, &record.certificate).await?;
        let key = key.ok_or(StoreError::Damaged { what: "a mailbox without its key" })?;
        let random = self.random.clone();
        let entry = VaultEntry {
            recipient: record.address.clone(),
            invitation: InvitationId::new(bytes(&*random)),
            token: AccessToken::generate(&*random),
            pin,
        };
        let (old_id, mailbox) = (old.invitation, record.id);
        let work = Work {
            mailbox,
            slot,
            shred,
            key: KeyRecord::clone(&key),
            old,
            entry,
            keys: self.keys.clone(),
            cost: self.password_cost,
            random,
        };
        let permit = self.passwords.permit().await.map_err(|_| TakeError::Busy)?;
        let made = permit.run(move || work.run()).await.map_err(|_| TakeError::Busy)??;
        let Some((slot, entry)) = made else { return Ok(None) };
        let vault_entry = sender.key.seal_vault_entry(sender.mailbox, mailbox, &entry, &*self.random);
        let new = NewInvitation {
            id: entry.invitation,
            token_hash: entry.token.hash(&self.keys.token, entry.invitation),
            has_pin: entry.pin.is_some(),
            sender: sender.mailbox,
            vault_entry,
        };
        let renewal = Renewal { mailbox, old: old_id, new, slot, now: self.clock.now() };
        Ok(Some(Renewed { renewal: Box::new(renewal), entry }))
    }

    /// Takes invitations that were not delivered yet out of the queue: their link is spent.
    pub(in crate::flow) async fn cancel_invitations(
        &self,
        mailbox: MailboxId,
    ) -> Result<Vec<Command>, TakeError> {
        let mut commands = Vec::new();
        let mut after: Option<QueueId> = None;
        loop {
            let page = self.store.queue(after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(commands) };
            after = Some(last.id);
            let spent = page.iter().filter(|record| record.purpose == Purpose::Invitation(mailbox));
            commands.extend(spent.map(|record| Command::CancelQueued { queue: record.id }));
        }
    }
}

/// The part that computes: Argon2 for the old slot and for the new one.
struct Work {
    mailbox: MailboxId,
    slot: SlotRecord,
    shred: Key,
    key: KeyRecord,
    old: VaultEntry,
    entry: VaultEntry,
    keys: Arc<Keys>,
    cost: Parameters,
    random: Arc<dyn Random>,
}

impl Work {
    fn run(self) -> Result<Option<(NewSlot, VaultEntry)>, TakeError> {
        let Some(muk) = self.open() else { return Ok(None) };
        let VaultEntry { invitation, token, pin, .. } = &self.entry;
        let slot = invitation_slot(
            self.mailbox,
            *invitation,
            token,
            pin.as_ref(),
            &muk,
            self.cost,
            &self.keys,
            &*self.random,
        );
        Ok(Some((slot.map_err(TakeError::internal)?, self.entry)))
    }

    /// MUK out of the old slot, if it is the one that opens the mailbox's key.
    fn open(&self) -> Option<MailboxKey> {
        let parts = slot_parts(self.mailbox, &self.slot)?;
        let pin = self.old.pin.as_ref().map_or("", |pin| pin.expose());
        let stretched = slot::stretch(pin.as_bytes(), &parts.salt, parts.parameters).ok()?;
        let opener = Opener::Invitation { pin: &stretched, token: &self.old.token };
        let muk = slot::open(&parts, opener, &self.keys.pepper, &self.shred, &self.slot.sealed).ok()?;
        let wrapped = self.key.wrapped_secret.as_deref()?;
        muk.unwrap_secret_key(self.mailbox, &self.key.fingerprint.0, wrapped).ok()?;
        Some(muk)
    }
}
