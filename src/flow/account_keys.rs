//! An account's password and keys in its later life: changed, renewed, reset, reopened, recovered.
//!
//! Whoever knows the password loses nothing: a new key keeps the former unlock key under the new one. A reset knows no
//! password: it makes everything new and shuts what was, until somebody brings the old password or its time is over.

use crate::base::address::Address;
use crate::base::id::MailboxId;
use crate::base::id::SlotId;
use crate::base::random::Random;
use crate::base::random::bytes;
use crate::base::secret::Secret;
use crate::base::time::Time;
use crate::flow::Flow;
use crate::flow::accounts::AdminError;
use crate::flow::accounts::chosen;
use crate::flow::life::TICKS;
use crate::flow::new_mailbox::FreshKey;
use crate::flow::new_mailbox::password_slot;
use crate::flow::sign_in::Former;
use crate::flow::sign_in::Unlocked;
use crate::flow::sign_in::slot_parts;
use crate::store::command::Command;
use crate::store::command::Outcome;
use crate::store::command::Refusal;
use crate::store::command_part::KeyRenewal;
use crate::store::command_part::NewSlot;
use crate::store::command_part::PasswordChange;
use crate::store::command_part::Reopening;
use crate::store::command_part::Reset;
use crate::store::error::StoreError;
use crate::store::record::Fingerprint;
use crate::store::record::InvitationState;
use crate::store::record::MailboxKind;
use crate::store::record::MailboxRecord;
use crate::store::record::MailboxState;
use crate::store::record::SlotKind;
use crate::store::record::SlotRecord;
use crate::store::record_account::FormerKey;
use crate::store::record_account::ShutGeneration;
use crate::store::record_life::Moment;
use crate::vault::mailbox_key::FormerParts;
use crate::vault::mailbox_key::MailboxKey;
use crate::vault::password::Password;
use crate::vault::slot;
use crate::vault::slot::Opener;
use crate::vault::slot::Parameters;
use std::sync::Arc;
use std::time::Duration;

/// So long a reset can be undone with the old password, by the date and by the running time: a reset must be possible
/// also while the date is wrong.
pub const REOPENABLE: Duration = Duration::from_secs(30 * 24 * 3600);

/// What else a change of the password is to do.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ChangeWish {
    /// App passwords stay.
    pub keep_app_passwords: bool,
    /// A new key and unlock key: what the old password opens in a backup opens nothing that comes later.
    pub new_key: bool,
}

/// What a reset has done.
#[derive(Debug)]
pub struct ResetDone {
    /// What mail is encrypted to now.
    pub fingerprint: Fingerprint,
    /// Messages that nobody can read unless the account is reopened.
    pub unreadable: u64,
    /// Invitations that the account can no longer renew.
    pub invitations: Vec<OpenInvitation>,
    /// The old password can bring everything back until then.
    pub reopen_until: Time,
}

/// An invitation that was not used yet, whose sender is an account.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OpenInvitation {
    /// For whom.
    pub recipient: Address,
    /// When it went out.
    pub created: Time,
    /// Open, or dead after too many wrong PINs.
    pub state: InvitationState,
}

impl Flow {
    /// Changes the password of an account: MUK is wrapped anew and nothing is lost; every session ends.
    pub async fn change_password(
        &self,
        address: &Address,
        old: Secret<String>,
        new: &Secret<String>,
        wish: ChangeWish,
    ) -> Result<(), AdminError> {
        if wish.new_key && wish.keep_app_passwords {
            return Err(AdminError::AppPasswordsAndNewKey);
        }
        let record = self.mailbox_at(address, MailboxKind::Account).await?;
        let new = chosen(new, address)?;
        let (old, who) = self.owner(&record, old).await?;
        let (change, fresh) = self.password_change(&record, &who, old, new, wish).await?;
        self.change_account(&record, Command::ChangePassword(Box::new(change))).await?;
        tracing::info!(mailbox = %record.id, new_key = wish.new_key, "password changed");
        self.recovery_after(record.id, fresh, &who).await
    }

    /// Sets a password with what the recovery certificate's owner decrypted. Nothing is lost; R is made anew.
    pub async fn recover_account(
        &self,
        address: &Address,
        code: &Secret<String>,
        new: &Secret<String>,
    ) -> Result<(), AdminError> {
        let record = self.mailbox_at(address, MailboxKind::Account).await?;
        let new = chosen(new, address)?;
        let muk = self.recovered(&record, code).await?;
        let old = password_of(&record.slots).ok_or(AdminError::Changed)?.id;
        let who = Arc::new(Unlocked::new(&record, muk));
        let (mut change, fresh) =
            self.password_change(&record, &who, old, new, ChangeWish::default()).await?;
        // R is known in clear now.
        change.keep_recovery = false;
        self.change_account(&record, Command::ChangePassword(Box::new(change))).await?;
        tracing::warn!(mailbox = %record.id, "account opened with the recovery certificate");
        self.recovery_after(record.id, fresh, &who).await
    }

    /// A new password, key and unlock key for an account whose password is lost. What was before is shut.
    ///
    /// Mail that goes to a certificate of the account's own still does: its secret key never was here. The new key
    /// covers it then.
    pub async fn reset_account(
        &self,
        address: &Address,
        new: &Secret<String>,
    ) -> Result<ResetDone, AdminError> {
        let record = self.mailbox_at(address, MailboxKind::Account).await?;
        let new = chosen(new, address)?;
        let key = self.store.key(record.id, &record.certificate).await?;
        let ours = key.is_none_or(|key| key.wrapped_secret.is_some());
        let invitations = self.open_invitations(record.id).await?;
        let folders = self.store.folders(record.id).await?;
        let now = self.clock.now();
        let (random, keys, cost) = (self.random.clone(), self.keys.clone(), self.password_cost);
        let (id, owner) = (record.id, address.clone());
        let permit = self.passwords.permit().await?;
        let made = permit.run(move || {
            let fresh = FreshKey::make(id, &owner, now, &*random).map_err(AdminError::internal)?;
            let slot = password_slot(id, &new, &fresh.muk, None, cost, &keys, &*random);
            Ok::<_, AdminError>((fresh, slot.map_err(AdminError::internal)?))
        });
        let (fresh, slot) = made.await??;
        let reset = Reset {
            account: record.id,
            generation: record.generation,
            certificate: record.certificate.clone(),
            slot,
            key: fresh.record,
            keeps_certificate: !ours,
            now,
        };
        let fingerprint = if ours { reset.key.fingerprint.clone() } else { record.certificate.clone() };
        self.change_account(&record, Command::ResetAccount(Box::new(reset))).await?;
        tracing::warn!(mailbox = %record.id, "account reset");
        if let Some(now) = self.store.mailbox(record.id).await? {
            self.keep_recovery(&now, &Unlocked::new(&now, fresh.muk)).await;
        }
        Ok(ResetDone {
            fingerprint,
            unreadable: folders.iter().map(|folder| u64::from(folder.messages)).sum(),
            invitations,
            reopen_until: now + REOPENABLE,
        })
    }

    /// Brings back what a reset shut, with the password from before it and the present one.
    pub async fn reopen_account(
        &self,
        address: &Address,
        old: Secret<String>,
        present: Secret<String>,
    ) -> Result<(), AdminError> {
        let record = self.mailbox_at(address, MailboxKind::Account).await?;
        let shut = record.account.as_ref().map(|part| part.shut.as_slice()).unwrap_or_default();
        if shut.is_empty() {
            return Err(AdminError::NothingShut(address.clone()));
        }
        let (_, who) = self.owner(&record, present).await?;
        let slots = shut.iter().flat_map(|shut| &shut.slots).cloned().collect();
        let (slot, muk) = self.opened_by(record.id, slots, old).await?.ok_or(AdminError::WrongOldPassword)?;
        let holds = |shut: &&ShutGeneration| shut.slots.iter().any(|of| of.id == slot);
        let shut = shut.iter().find(holds).ok_or(AdminError::Changed)?;
        let mut former = Former::open_all(record.id, &muk, &shut.former_keys);
        if former.len() != shut.former_keys.len() {
            return Err(AdminError::internal("a former key does not open"));
        }
        former.push(Former { since: shut.since, until: shut.until, key: muk });
        let former_keys = carried(record.id, &who.key, &former, &*self.random);
        let reopening = Reopening { account: record.id, generation: record.generation, slot, former_keys };
        self.change_account(&record, Command::ReopenAccount(Box::new(reopening))).await?;
        tracing::warn!(mailbox = %record.id, "account reopened");
        Ok(())
    }

    /// The invitations of an account that nobody has used yet: without it they cannot be renewed.
    pub async fn open_invitations(&self, account: MailboxId) -> Result<Vec<OpenInvitation>, AdminError> {
        let mut open = Vec::new();
        for record in self.all_mailboxes(MailboxKind::Temporary).await? {
            if record.state != MailboxState::Unopened {
                continue;
            }
            let Some(id) = record.invitation else { continue };
            let Some(invitation) = self.store.invitation(id).await? else { continue };
            let waits = matches!(invitation.state, InvitationState::Open | InvitationState::Dead);
            if waits && invitation.sender == account {
                let (created, state) = (invitation.created, invitation.state);
                open.push(OpenInvitation { recipient: record.address.clone(), created, state });
            }
        }
        Ok(open)
    }

    /// Destroys what resets shut longer ago than it can be reopened. Answers with the generations that went.
    pub async fn destroy_shut_generations(&self) -> Result<u64, AdminError> {
        let ran = self.store.life_clock().await?.map_or(0, |clock| clock.ran);
        let ran = ran.saturating_sub(REOPENABLE.as_secs() + TICKS);
        let before = Moment { at: self.clock.now() - REOPENABLE, ran };
        let mut gone = 0;
        for record in self.all_mailboxes(MailboxKind::Account).await? {
            let due = |shut: &ShutGeneration| shut.is_before(before);
            if !record.account.iter().flat_map(|part| &part.shut).any(due) {
                continue;
            }
            let destroy = Command::DestroyShut { account: record.id, before };
            match self.store.commit(vec![destroy]).await {
                Ok(outcomes) => {
                    tracing::info!(mailbox = %record.id, "what a reset had shut is destroyed");
                    if let Some(Outcome::Count(count)) = outcomes.first() {
                        gone += count;
                    }
                }
                Err(StoreError::Refused { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(gone)
    }

    /// The owner of an account, by the password itself: an app password changes nothing.
    ///
    /// For commands only. Whoever runs them could guess at the slots without us: it costs nobody's budget.
    pub(in crate::flow) async fn owner(
        &self,
        record: &MailboxRecord,
        password: Secret<String>,
    ) -> Result<(SlotId, Arc<Unlocked>), AdminError> {
        let opened = self.opened_by(record.id, record.slots.clone(), password).await?;
        let (slot, muk) = opened.ok_or(AdminError::WrongPassword)?;
        let who = Unlocked::new(record, muk);
        let held = record.account.as_ref().map_or(0, |part| part.former_keys.len());
        if who.former.len() != held {
            return Err(AdminError::internal("a former key does not open"));
        }
        Ok((slot, Arc::new(who)))
    }

    /// Tries a password on every password slot of these. Argon2 runs once for each, one permit for all.
    async fn opened_by(
        &self,
        mailbox: MailboxId,
        slots: Vec<SlotRecord>,
        password: Secret<String>,
    ) -> Result<Option<(SlotId, MailboxKey)>, AdminError> {
        let mut candidates = Vec::new();
        for slot in slots.into_iter().filter(|slot| slot.kind == SlotKind::Password) {
            if let Some(shred) = self.store.shred_key(slot.shred).await? {
                candidates.push((slot, shred));
            }
        }
        let Ok(password) = Password::parse(password.expose()) else { return Ok(None) };
        let permit = self.passwords.permit().await?;
        let keys = self.keys.clone();
        let opened = permit.run(move || {
            candidates.iter().find_map(|(slot, shred)| {
                let parts = slot_parts(mailbox, slot)?;
                let guess = password.expose().as_bytes();
                let stretched = slot::stretch(guess, &parts.salt, parts.parameters).ok()?;
                let opener = Opener::Password(&stretched);
                Some((slot.id, slot::open(&parts, opener, &keys.pepper, shred, &slot.sealed).ok()?))
            })
        });
        Ok(opened.await?)
    }

    async fn password_change(
        &self,
        record: &MailboxRecord,
        who: &Arc<Unlocked>,
        old: SlotId,
        password: Password,
        wish: ChangeWish,
    ) -> Result<(PasswordChange, Option<MailboxKey>), AdminError> {
        // All slots of an address have one salt and one parameter set: a sign-in runs Argon2 once.
        let kept = record.slots.iter().find(|slot| slot.kind == SlotKind::AppPassword);
        let (salt, cost) = match kept.filter(|_| wish.keep_app_passwords) {
            None => (None, self.password_cost),
            Some(slot) => (Some(slot.salt), Parameters::read(slot.parameters).map_err(AdminError::internal)?),
        };
        let now = self.clock.now();
        let (random, keys, who, since) =
            (self.random.clone(), self.keys.clone(), who.clone(), record.key_since());
        let permit = self.passwords.permit().await?;
        let made = permit.run(move || {
            let slot = |muk: &MailboxKey| {
                let made = password_slot(who.mailbox, &password, muk, salt, cost, &keys, &*random);
                made.map_err(AdminError::internal)
            };
            if !wish.new_key {
                return Ok::<(NewSlot, Option<(KeyRenewal, MailboxKey)>), AdminError>((
                    slot(&who.key)?,
                    None,
                ));
            }
            let fresh =
                FreshKey::make(who.mailbox, &who.address, now, &*random).map_err(AdminError::internal)?;
            let mut former_keys = carried(who.mailbox, &fresh.muk, &who.former, &*random);
            former_keys.push(carry(who.mailbox, &fresh.muk, (since, now), &who.key, &*random));
            let renewal = KeyRenewal { key: fresh.record, former_keys, now };
            Ok((slot(&fresh.muk)?, Some((renewal, fresh.muk))))
        });
        let (slot, renewed) = made.await??;
        let (renewal, fresh) = renewed.unzip();
        let change = PasswordChange {
            account: record.id,
            generation: record.generation,
            old,
            slot,
            keep_app_passwords: wish.keep_app_passwords,
            keep_recovery: true,
            renewal,
        };
        Ok((change, fresh))
    }

    /// The recovery slot of an account whose MUK is at hand: the present one, or a fresh one that took its place.
    async fn recovery_after(
        &self,
        account: MailboxId,
        fresh: Option<MailboxKey>,
        who: &Unlocked,
    ) -> Result<(), AdminError> {
        let Some(record) = self.store.mailbox(account).await? else { return Ok(()) };
        match fresh {
            Some(muk) => self.keep_recovery(&record, &Unlocked::new(&record, muk)).await,
            None => self.keep_recovery(&record, who).await,
        }
        Ok(())
    }

    /// One commit; of two at once one wins. Everything that was signed in ends with it.
    async fn change_account(&self, record: &MailboxRecord, change: Command) -> Result<(), AdminError> {
        let done = self.store.commit(vec![change]).await;
        self.sign_in_cache.forget(record.id);
        match done {
            Err(StoreError::Refused { why: Refusal::NotCurrent, .. }) => Err(AdminError::Changed),
            Err(StoreError::Refused { why: Refusal::OverQuota, .. }) => Err(AdminError::TooManyKeys),
            done => Ok(done.map(drop)?),
        }
    }
}

/// Former MUKs, each under `present`.
fn carried(
    mailbox: MailboxId,
    present: &MailboxKey,
    former: &[Former],
    random: &dyn Random,
) -> Vec<FormerKey> {
    former.iter().map(|of| carry(mailbox, present, (of.since, of.until), &of.key, random)).collect()
}

fn carry(
    mailbox: MailboxId,
    present: &MailboxKey,
    (since, until): (Time, Time),
    former: &MailboxKey,
    random: &dyn Random,
) -> FormerKey {
    let parts = FormerParts { mailbox, id: SlotId::new(bytes(random)), since, until };
    FormerKey { id: parts.id, since, until, sealed: present.wrap_former(&parts, former, random) }
}

fn password_of(slots: &[SlotRecord]) -> Option<&SlotRecord> {
    slots.iter().find(|slot| slot.kind == SlotKind::Password)
}
