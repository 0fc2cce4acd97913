//! What commands do to mailboxes, their slots, keys and invitations.

use crate::base::address::AddressKey;
use crate::base::address::Domain;
use crate::base::id::InvitationId;
use crate::base::id::MailboxId;
use crate::base::limits::BODY_INLINE;
use crate::base::secret::Secret;
use crate::base::time::Time;
use crate::store::change;
use crate::store::change::Stop;
use crate::store::change_life;
use crate::store::change_stored;
use crate::store::codec::CertificateRow;
use crate::store::codec::KeyRow;
use crate::store::codec::Mark;
use crate::store::codec::Octets;
use crate::store::codec::SigningRow;
use crate::store::codec::StsRow;
use crate::store::command::Outcome;
use crate::store::command::Refusal;
use crate::store::command_part::DeleteIf;
use crate::store::command_part::FirstUse;
use crate::store::command_part::NewInvitation;
use crate::store::command_part::NewMailbox;
use crate::store::command_part::NewSlot;
use crate::store::command_part::Renewal;
use crate::store::disk::Source;
use crate::store::draft::Draft;
use crate::store::error::StoreError;
use crate::store::key;
use crate::store::record::InvitationRecord;
use crate::store::record::InvitationState;
use crate::store::record::KeyRecord;
use crate::store::record::KnownNetwork;
use crate::store::record::MailboxKind;
use crate::store::record::MailboxRecord;
use crate::store::record::MessageRecord;
use crate::store::record::ShredRef;
use crate::store::record::SigningKey;
use crate::store::record_stored::CertificateRecord;
use crate::store::record_stored::SeenCertificate;
use crate::store::record_stored::StoredCertificate;
use crate::store::record_stored::StsRecord;
use crate::vault::seal::Index;

/// The name of the address table in its HMAC.
const ADDRESSES: &str = "mailbox";
/// The name of the certificate table in its HMAC.
const CERTIFICATES: &str = "certificate";

/// Where an address's mailbox is noted.
pub(crate) fn address(index: &Index, address: &AddressKey) -> Vec<u8> {
    key::join(key::ADDRESS, &[&index.address(ADDRESSES, address)])
}

/// Where an outside address's certificate lies.
pub(crate) fn certificate(index: &Index, address: &AddressKey) -> Vec<u8> {
    key::join(key::CERTIFICATE, &[&index.address(CERTIFICATES, address)])
}

/// Where the certificates stored for a destination lie.
pub(crate) fn stored(index: &Index, domain: &str) -> Vec<u8> {
    key::join(key::STORED, &[&index.name("destination", domain)])
}

/// Where a domain's MTA-STS policy lies.
pub(crate) fn sts(index: &Index, domain: &str) -> Vec<u8> {
    key::join(key::STS, &[&index.name("mta-sts", domain)])
}

/// The keys that sign for a domain.
pub(crate) fn signing(index: &Index, domain: &str) -> Vec<u8> {
    key::join(key::SIGNING, &[&index.name("signing", domain)])
}

impl Draft<'_> {
    pub(crate) fn create(&mut self, new: NewMailbox) -> Result<Outcome, Stop> {
        let address = address(self.disk().index(), &new.address.key());
        if self.is_used(new.id)? || self.holds(&address)? {
            return Err(Refusal::AddressTaken.into());
        }
        self.make(new, None, 0)
    }

    /// Whether a mailbox has this id, or what one has left.
    pub(crate) fn is_used(&self, mailbox: MailboxId) -> Result<bool, StoreError> {
        Ok(self.holds(&key::mailbox(mailbox))? || self.holds(&key::of(key::LEFT, mailbox))?)
    }

    /// Makes the mailbox that its address has from now on; its folders' UIDVALIDITY is above `validity`.
    pub(crate) fn make(
        &mut self,
        new: NewMailbox,
        supersedes: Option<Time>,
        validity: u32,
    ) -> Result<Outcome, Stop> {
        self.put(address(self.disk().index(), &new.address.key()), &new.id)?;
        if let Some(invitation) = &new.invitation {
            let record = change::invitation(invitation, new.id, new.language, new.created);
            self.put_invitation(invitation, &record)?;
        }
        for folder in change::folders(new.kind, new.created, validity) {
            self.put(key::folder(new.id, folder.folder), &folder)?;
        }
        let shred = self.place_for(&new.slot)?;
        let (record, key) = change::mailbox(new, shred, supersedes);
        self.put_key(record.id, key)?;
        self.put_mailbox(&record)
    }

    pub(in crate::store) fn put_mailbox(&mut self, record: &MailboxRecord) -> Result<Outcome, Stop> {
        self.effects().changed.insert(record.id);
        self.put(key::mailbox(record.id), record)?;
        Ok(Outcome::Done)
    }

    /// An invitation, found by its id and by its mailbox, with the vault entry of who sent it.
    fn put_invitation(&mut self, new: &NewInvitation, record: &InvitationRecord) -> Result<(), StoreError> {
        self.put(key::invitation(record.id), record)?;
        self.put(key::invitation_of(record.mailbox, record.id), &Mark {})?;
        self.put_vault_entry(record.sender, record.mailbox, new.vault_entry.clone())
    }

    fn put_vault_entry(
        &mut self,
        account: MailboxId,
        mailbox: MailboxId,
        sealed: Vec<u8>,
    ) -> Result<(), StoreError> {
        self.put(key::vault(account, mailbox), &Octets(sealed))?;
        self.put(key::vault_of(mailbox, account), &Mark {})
    }

    pub(in crate::store) fn place_for(&mut self, slot: &NewSlot) -> Result<ShredRef, StoreError> {
        let key = Secret::new(*slot.shred_key.expose());
        self.place(*slot.id.bytes(), key)
    }

    /// Writes a key; large parts of it go to files, and those of the row it replaces are dropped.
    pub(in crate::store) fn put_key(
        &mut self,
        mailbox: MailboxId,
        record: KeyRecord,
    ) -> Result<(), StoreError> {
        let at = key::key(mailbox, &record.fingerprint);
        if let Some(before) = self.row::<KeyRow>(&at)? {
            self.drop_key(&before)?;
        }
        // Both may lie in the row, but not two of the largest that a row could hold one of.
        let secret = record.wrapped_secret.map(|secret| self.spill(secret, BODY_INLINE / 2)).transpose()?;
        let row = KeyRow {
            fingerprint: record.fingerprint,
            certificate: self.spill(record.certificate, BODY_INLINE)?,
            wrapped_secret: secret,
            created: record.created,
        };
        self.put(at, &row)
    }

    pub(in crate::store) fn drop_key(&mut self, row: &KeyRow) -> Result<(), StoreError> {
        self.drop_file(&row.certificate)?;
        row.wrapped_secret.as_ref().map_or(Ok(()), |secret| self.drop_file(secret))
    }

    pub(crate) fn mailbox(&self, mailbox: MailboxId) -> Result<Option<MailboxRecord>, StoreError> {
        self.row(&key::mailbox(mailbox))
    }

    pub(crate) fn invitation(
        &self,
        invitation: InvitationId,
    ) -> Result<Option<InvitationRecord>, StoreError> {
        self.row(&key::invitation(invitation))
    }

    fn open_invitation(&self, invitation: InvitationId) -> Result<InvitationRecord, Stop> {
        let record = self.invitation(invitation)?.ok_or(Refusal::NotOpen)?;
        if record.state == InvitationState::Open { Ok(record) } else { Err(Refusal::NotOpen.into()) }
    }

    pub(crate) fn count_attempt(&mut self, invitation: InvitationId, max: u8) -> Result<Outcome, Stop> {
        let mut record = self.open_invitation(invitation)?;
        let mailbox = self.mailbox(record.mailbox)?.ok_or(Refusal::NotOpen)?;
        change::check_unopened(&mailbox)?;
        if record.tries >= max {
            return Err(Refusal::NoTriesLeft.into());
        }
        record.tries += 1;
        self.put(key::invitation(invitation), &record)?;
        Ok(Outcome::TriesLeft(max - record.tries))
    }

    pub(crate) fn kill_invitation(&mut self, invitation: InvitationId, now: Time) -> Result<Outcome, Stop> {
        let mut record = self.open_invitation(invitation)?;
        (record.state, record.changed) = (InvitationState::Dead, now);
        self.put(key::invitation(invitation), &record)?;
        Ok(Outcome::Done)
    }

    pub(crate) fn note_no_pin(
        &mut self,
        invitation: InvitationId,
        now: Time,
        not_since: Time,
    ) -> Result<Outcome, Stop> {
        let mut record = self.invitation(invitation)?.ok_or(Refusal::Gone)?;
        if record.no_pin_told.is_some_and(|told| told >= not_since) {
            return Err(Refusal::TooSoon.into());
        }
        record.no_pin_told = Some(now);
        self.put(key::invitation(invitation), &record)?;
        Ok(Outcome::Done)
    }

    pub(crate) fn complete(&mut self, first: FirstUse) -> Result<Outcome, Stop> {
        let mut record = self.mailbox(first.mailbox)?.ok_or(Refusal::NotOpen)?;
        let mut invitation = self.open_invitation(first.invitation)?;
        change::check_unopened(&record)?;
        if record.invitation != Some(first.invitation) {
            return Err(Refusal::NotOpen.into());
        }
        if record.certificate != first.former.fingerprint {
            return Err(Refusal::NotCurrent.into());
        }
        (invitation.state, invitation.changed) = (InvitationState::Used, first.now);
        self.put(key::invitation(invitation.id), &invitation)?;
        let gone = change::drop_invitation_slots(&mut record);
        self.shred(gone);
        for queue in change_life::begin_warnings_anew(&mut record) {
            self.drop_queued(queue)?;
        }
        let shred = self.place_for(&first.slot)?;
        let (key, former) = change::open_mailbox(&mut record, first, shred);
        self.put_key(record.id, former)?;
        self.put_key(record.id, key)?;
        self.put_mailbox(&record)
    }

    pub(crate) fn renew(&mut self, renewal: Renewal) -> Result<Outcome, Stop> {
        let mut record = self.mailbox(renewal.mailbox)?.ok_or(Refusal::NotOpen)?;
        let mut old = self.invitation(renewal.old)?.ok_or(Refusal::NotOpen)?;
        change::check_unopened(&record)?;
        if record.invitation != Some(renewal.old)
            || record.superseded.is_some()
            || !matches!(old.state, InvitationState::Open | InvitationState::Dead)
        {
            return Err(Refusal::NotOpen.into());
        }
        (old.state, old.changed) = (InvitationState::Replaced, renewal.now);
        self.put(key::invitation(old.id), &old)?;
        let new = change::invitation(&renewal.new, record.id, record.language, renewal.now);
        self.put_invitation(&renewal.new, &new)?;
        let gone = change::drop_invitation_slots(&mut record);
        self.shred(gone);
        let shred = self.place_for(&renewal.slot)?;
        record.slots.push(change::slot(renewal.slot, shred));
        (record.invitation, record.unreachable) = (Some(new.id), None);
        self.put_mailbox(&record)
    }

    pub(crate) fn put_own(&mut self, mailbox: MailboxId, mut key: KeyRecord) -> Result<Outcome, Stop> {
        let mut record = self.mailbox(mailbox)?.ok_or(Refusal::Gone)?;
        change::check_alive(&record)?;
        change::set_certificate(&mut record, &key.fingerprint);
        let at = key::key(mailbox, &key.fingerprint);
        if key.wrapped_secret.is_none()
            && let Some(before) = self.row::<KeyRow>(&at)?
        {
            key.wrapped_secret = before.wrapped_secret.map(|secret| self.unspill(secret)).transpose()?;
        }
        self.put_key(mailbox, key)?;
        self.put_mailbox(&record)
    }

    pub(crate) fn note_activity(
        &mut self,
        mailbox: MailboxId,
        at: Time,
        correspondent: Option<MailboxId>,
    ) -> Result<Outcome, Stop> {
        let mut record = self.mailbox(mailbox)?.ok_or(Refusal::Gone)?;
        change::check_alive(&record)?;
        let clock = self.life_clock()?;
        let noted = change::note_activity(&mut record, at, correspondent, clock.as_ref());
        for queue in noted.cancelled {
            self.drop_queued(queue)?;
        }
        if noted.changed { self.put_mailbox(&record) } else { Ok(Outcome::Done) }
    }

    pub(crate) fn note_network(
        &mut self,
        mailbox: MailboxId,
        network: KnownNetwork,
        since: Time,
    ) -> Result<Outcome, Stop> {
        let mut record = self.mailbox(mailbox)?.ok_or(Refusal::Gone)?;
        change::check_alive(&record)?;
        change::note_network(&mut record, network, since);
        self.put_mailbox(&record)
    }

    pub(crate) fn keep_entry(
        &mut self,
        account: MailboxId,
        mailbox: MailboxId,
        sealed: Vec<u8>,
    ) -> Result<Outcome, Stop> {
        if !self.holds(&key::mailbox(account))? || !self.holds(&key::mailbox(mailbox))? {
            return Err(Refusal::Gone.into());
        }
        self.put_vault_entry(account, mailbox, sealed)?;
        Ok(Outcome::Done)
    }

    /// Drops all that makes a mailbox one; its messages follow in batches of their own ([`Draft::purge`]).
    pub(crate) fn delete(
        &mut self,
        mailbox: MailboxId,
        now: Time,
        only: Option<DeleteIf>,
    ) -> Result<Outcome, Stop> {
        let record = self.mailbox(mailbox)?.ok_or(Refusal::Gone)?;
        change_life::check_delete(&record, only)?;
        self.free_address(&record)?;
        self.remove(key::mailbox(mailbox));
        for (at, row) in self.rows::<KeyRow>(&key::of(key::KEY, mailbox), None, usize::MAX)? {
            self.drop_key(&row)?;
            self.remove(at);
        }
        for (at, _) in self.page(&key::of(key::FOLDER, mailbox), None, usize::MAX)? {
            self.remove(at);
        }
        self.delete_invitations(mailbox, now)?;
        self.delete_vault_entries(mailbox)?;
        self.remove(key::of(key::REFUSED, mailbox));
        if record.kind == MailboxKind::Temporary {
            self.cancel_mail_for(mailbox)?;
        }
        self.shred(record.all_slots().map(|slot| slot.shred));
        self.put(key::of(key::LEFT, mailbox), &Mark {})?;
        self.effects().gone.insert(mailbox);
        Ok(Outcome::Done)
    }

    /// Its own vault, and what the vaults of others hold for it.
    fn delete_vault_entries(&mut self, mailbox: MailboxId) -> Result<(), StoreError> {
        for (at, _) in self.page(&key::of(key::VAULT, mailbox), None, usize::MAX)? {
            if let Some(other) = key::second_id(&at).map(MailboxId::new) {
                self.remove(key::vault_of(other, mailbox));
            }
            self.remove(at);
        }
        for (at, _) in self.page(&key::of(key::VAULT_OF, mailbox), None, usize::MAX)? {
            if let Some(account) = key::second_id(&at).map(MailboxId::new) {
                self.remove(key::vault(account, mailbox));
            }
            self.remove(at);
        }
        Ok(())
    }

    /// Removes at most `most` of the rows that a deleted mailbox has left. Answers whether all are gone.
    pub(crate) fn purge(&mut self, mailbox: MailboxId, most: usize) -> Result<bool, StoreError> {
        let mut left = most;
        for (at, row) in self.rows(&key::of(key::MESSAGE, mailbox), None, left)? {
            let record: MessageRecord = row;
            self.drop_file(&record.body)?;
            self.remove(at);
            left -= 1;
        }
        for (at, row) in self.rows(&key::of(key::SUBMISSION, mailbox), None, left)? {
            let until: Time = row;
            let digest = at.get(17..).and_then(|digest| <[u8; 32]>::try_from(digest).ok());
            if let Some(digest) = digest {
                self.remove(key::submission_end(until, mailbox, &digest));
            }
            self.remove(at);
            left -= 1;
        }
        for table in [key::FLAGS, key::SUMMARY, key::MESSAGE_ID, key::CONVERSATION] {
            for (at, _) in self.page(&key::of(table, mailbox), None, left)? {
                self.remove(at);
                left -= 1;
            }
        }
        let all = left > 0;
        if all {
            self.remove(key::of(key::LEFT, mailbox));
        }
        Ok(all)
    }

    pub(crate) fn put_certificate(
        &mut self,
        mut record: CertificateRecord,
        replace: bool,
    ) -> Result<Outcome, Stop> {
        let at = certificate(self.disk().index(), &record.address.key());
        if let Some(before) = self.row::<CertificateRow>(&at)? {
            if !replace && before.fingerprint != record.fingerprint {
                return Err(Refusal::AddressTaken.into());
            }
            record.chosen_by =
                if replace { record.chosen_by } else { before.chosen_by.and(record.chosen_by) };
            self.drop_file(&before.certificate)?;
        }
        let row = CertificateRow {
            address: record.address,
            fingerprint: record.fingerprint,
            certificate: self.spill(record.certificate, BODY_INLINE)?,
            imported: record.imported,
            chosen_by: record.chosen_by,
        };
        self.put(at, &row)?;
        Ok(Outcome::Done)
    }

    pub(crate) fn remove_certificate(&mut self, address: &AddressKey) -> Result<Outcome, Stop> {
        let at = certificate(self.disk().index(), address);
        if let Some(before) = self.row::<CertificateRow>(&at)? {
            self.drop_file(&before.certificate)?;
            self.remove(at);
        }
        Ok(Outcome::Done)
    }

    pub(crate) fn add_stored(
        &mut self,
        domain: Domain,
        certificate: StoredCertificate,
    ) -> Result<Outcome, Stop> {
        let at = stored(self.disk().index(), domain.as_str());
        let after = change_stored::add(self.row(&at)?, domain, certificate)?;
        self.put(at, &after)?;
        Ok(Outcome::Done)
    }

    pub(crate) fn note_seen_certificate(
        &mut self,
        domain: &Domain,
        seen: SeenCertificate,
    ) -> Result<Outcome, Stop> {
        let at = stored(self.disk().index(), domain.as_str());
        if let Some(after) = change_stored::note_seen(self.row(&at)?, seen) {
            self.put(at, &after)?;
        }
        Ok(Outcome::Done)
    }

    pub(crate) fn remove_stored(&mut self, domain: &Domain) -> Outcome {
        self.remove(stored(self.disk().index(), domain.as_str()));
        Outcome::Done
    }

    pub(crate) fn put_sts(
        &mut self,
        record: StsRecord,
        expected: Option<&StsRecord>,
    ) -> Result<Outcome, Stop> {
        let at = sts(self.disk().index(), record.domain.as_str());
        let before = self.row::<StsRow>(&at)?;
        change_stored::check_sts(before.map(StsRow::outline).as_ref(), expected)?;
        self.drop_policy(&at)?;
        let (policy, long) = match record.policy.len() > BODY_INLINE {
            true => (String::new(), Some(self.spill(record.policy.into_bytes(), BODY_INLINE)?)),
            false => (record.policy, None),
        };
        let StsRecord { domain, id, fetched, until, used, .. } = record;
        self.put(at, &StsRow { domain, id, policy, fetched, until, used, long })?;
        Ok(Outcome::Done)
    }

    pub(crate) fn remove_sts(&mut self, domain: &Domain, fetched: Time) -> Result<Outcome, Stop> {
        let at = sts(self.disk().index(), domain.as_str());
        let there = self.row::<StsRow>(&at)?;
        if there.is_some_and(|there| there.fetched == fetched) {
            self.drop_policy(&at)?;
            self.remove(at);
        }
        Ok(Outcome::Done)
    }

    /// The file of a long policy goes with its row.
    fn drop_policy(&mut self, at: &[u8]) -> Result<(), StoreError> {
        let before = self.row::<StsRow>(at)?.and_then(|row| row.long);
        before.map_or(Ok(()), |file| self.drop_file(&file))
    }

    pub(crate) fn put_signing_key(&mut self, key: &SigningKey) -> Result<Outcome, Stop> {
        let index = self.disk().index();
        let mut at = signing(index, key.domain.as_str());
        at.extend_from_slice(&index.name("selector", &key.selector));
        self.put(at, &SigningRow::from(key))?;
        Ok(Outcome::Done)
    }
}
