//! What commands do to messages and folders.

use crate::base::id::MailboxId;
use crate::base::limits::SUMMARY;
use crate::base::time::Time;
use crate::store::change;
use crate::store::change::Stop;
use crate::store::change_message;
use crate::store::codec::Mark;
use crate::store::codec::Octets;
use crate::store::command::Outcome;
use crate::store::command::Refusal;
use crate::store::command_part::Delivery;
use crate::store::command_part::FlagChange;
use crate::store::command_part::Quota;
use crate::store::disk::Source;
use crate::store::draft::Draft;
use crate::store::error::StoreError;
use crate::store::key;
use crate::store::record::Flags;
use crate::store::record::Folder;
use crate::store::record::FolderRecord;
use crate::store::record::MailboxRecord;
use crate::store::record::Message;
use crate::store::record::MessageRecord;
use crate::store::record::Uid;
use crate::vault::primitives::sha256;

/// Submissions that are forgotten with each one that is remembered: more than come, so that none pile up.
const FORGOTTEN: usize = 4;

impl Draft<'_> {
    pub(crate) fn deliver(&mut self, delivery: Delivery) -> Result<Outcome, Stop> {
        let record = self.alive(delivery.mailbox)?;
        let folder = self.folder(delivery.mailbox, delivery.folder, &record, &delivery)?;
        self.deliver_into(folder, delivery)
    }

    pub(crate) fn deliver_once(&mut self, delivery: Delivery) -> Result<Outcome, Stop> {
        let record = self.alive(delivery.mailbox)?;
        let folder = self.the_folder(delivery.mailbox, delivery.folder)?;
        if let Some(digest) = &delivery.record.message_id
            && let Some(uid) = self.same_message(delivery.mailbox, delivery.folder, digest)?
        {
            if let Some(id) = delivery.record.body.file()
                && !self.holds(&key::file(id))?
            {
                self.effects().dropped.push(id);
            }
            return Ok(Outcome::Uid { uid_validity: folder.uid_validity, uid, fresh: false });
        }
        let folder = self.folder(delivery.mailbox, delivery.folder, &record, &delivery)?;
        self.deliver_into(folder, delivery)
    }

    /// A mailbox that takes messages.
    fn alive(&self, mailbox: MailboxId) -> Result<MailboxRecord, Stop> {
        let record = self.mailbox(mailbox)?.ok_or(Refusal::NotCurrent)?;
        change::check_alive(&record)?;
        Ok(record)
    }

    fn deliver_into(&mut self, mut folder: FolderRecord, delivery: Delivery) -> Result<Outcome, Stop> {
        check_summary(&delivery.summary)?;
        self.check_quota(&delivery)?;
        self.name_file(&delivery.record.body)?;
        let flags = change_message::tidy(delivery.flags);
        let message = Message { uid: Uid(0), record: delivery.record, flags };
        let uid = self.add(delivery.mailbox, &mut folder, &message, &Octets(delivery.summary))?;
        let uid_validity = folder.uid_validity;
        self.put_folder(delivery.mailbox, &folder)?;
        Ok(Outcome::Uid { uid_validity, uid, fresh: true })
    }

    /// The folder a message goes to, if the mailbox is still what it was encrypted to.
    fn folder(
        &self,
        mailbox: MailboxId,
        folder: Folder,
        record: &MailboxRecord,
        delivery: &Delivery,
    ) -> Result<FolderRecord, Stop> {
        if !change::is_current(record, delivery) {
            return Err(Refusal::NotCurrent.into());
        }
        self.the_folder(mailbox, folder)
    }

    fn the_folder(&self, mailbox: MailboxId, folder: Folder) -> Result<FolderRecord, Stop> {
        Ok(self.row(&key::folder(mailbox, folder))?.ok_or(Refusal::Gone)?)
    }

    fn put_folder(&mut self, mailbox: MailboxId, folder: &FolderRecord) -> Result<(), StoreError> {
        self.effects().changed.insert(mailbox);
        self.put(key::folder(mailbox, folder.folder), folder)
    }

    fn check_quota(&self, delivery: &Delivery) -> Result<(), Stop> {
        if delivery.quota == Quota::default() {
            return Ok(());
        }
        let folders: Vec<(Vec<u8>, FolderRecord)> =
            self.rows(&key::of(key::FOLDER, delivery.mailbox), None, usize::MAX)?;
        let folders = folders.iter().map(|(_, folder)| folder);
        let more_bytes = delivery.record.body.length();
        Ok(change_message::check_quota(delivery.quota, folders, more_bytes, 1)?)
    }

    /// The lowest UID of the same message; one that is about to be expunged is none.
    fn same_message(
        &self,
        mailbox: MailboxId,
        folder: Folder,
        digest: &[u8; 32],
    ) -> Result<Option<Uid>, StoreError> {
        for (at, _) in
            self.page(&key::same_message_id(mailbox, folder, digest), None, change_message::SAME)?
        {
            if let Some(uid) = key::uid(&at)
                && !self.flags(mailbox, folder, uid)?.deleted
            {
                return Ok(Some(uid));
            }
        }
        Ok(None)
    }

    /// Writes a message's rows under the next UID of `folder`, which the caller then puts.
    fn add(
        &mut self,
        mailbox: MailboxId,
        folder: &mut FolderRecord,
        message: &Message,
        summary: &Octets,
    ) -> Result<Uid, Stop> {
        let uid = change_message::count_in(folder, message)?;
        let at = folder.folder;
        let inline = message.record.body.inline().map_or(0, <[u8]>::len);
        self.put_about(inline, key::message(key::MESSAGE, mailbox, at, uid), &message.record)?;
        self.put_about(summary.0.len(), key::message(key::SUMMARY, mailbox, at, uid), summary)?;
        if message.flags != Flags::default() {
            self.put(key::message(key::FLAGS, mailbox, at, uid), &message.flags)?;
        }
        if let Some(digest) = &message.record.message_id {
            self.put(key::message_id(mailbox, at, digest, uid), &Mark {})?;
        }
        Ok(uid)
    }

    /// Removes a message's rows from `folder`, which the caller then puts.
    fn take(&mut self, mailbox: MailboxId, folder: &mut FolderRecord, message: &Message) -> Result<(), Stop> {
        change_message::count_out(folder, message);
        let (at, uid) = (folder.folder, message.uid);
        for table in [key::MESSAGE, key::SUMMARY] {
            self.remove(key::message(table, mailbox, at, uid));
        }
        if message.flags != Flags::default() {
            self.remove(key::message(key::FLAGS, mailbox, at, uid));
        }
        if let Some(digest) = &message.record.message_id {
            self.remove(key::message_id(mailbox, at, digest, uid));
        }
        self.drop_file(&message.record.body)?;
        Ok(())
    }

    fn flags(&self, mailbox: MailboxId, folder: Folder, uid: Uid) -> Result<Flags, StoreError> {
        Ok(self.row(&key::message(key::FLAGS, mailbox, folder, uid))?.unwrap_or_default())
    }

    fn message(&self, mailbox: MailboxId, folder: Folder, uid: Uid) -> Result<Option<Message>, StoreError> {
        let record: Option<MessageRecord> = self.row(&key::message(key::MESSAGE, mailbox, folder, uid))?;
        let Some(record) = record else { return Ok(None) };
        Ok(Some(Message { uid, record, flags: self.flags(mailbox, folder, uid)? }))
    }

    pub(crate) fn set_flags(
        &mut self,
        mailbox: MailboxId,
        folder: Folder,
        uids: Vec<Uid>,
        change: FlagChange,
        given: &Flags,
    ) -> Result<Outcome, Stop> {
        let mut record = self.the_folder(mailbox, folder)?;
        let mut now = Vec::with_capacity(uids.len());
        let mut changed = false;
        for uid in self.there(mailbox, folder, uids)? {
            let before = self.flags(mailbox, folder, uid)?;
            let after = change_message::flags(&before, change, given);
            if after != before {
                changed = true;
                change_message::count_seen(&mut record, before.seen, after.seen);
                let at = key::message(key::FLAGS, mailbox, folder, uid);
                if after == Flags::default() {
                    self.remove(at);
                } else {
                    self.put(at, &after)?;
                }
            }
            now.push((uid, after));
        }
        if changed {
            self.put_folder(mailbox, &record)?;
        }
        Ok(Outcome::Flagged(now))
    }

    /// Those of `uids` that are in the folder now: copies into the same folder are not copied again.
    fn there(&self, mailbox: MailboxId, folder: Folder, uids: Vec<Uid>) -> Result<Vec<Uid>, StoreError> {
        let mut there = Vec::with_capacity(uids.len());
        for uid in change_message::in_order(uids) {
            if self.holds(&key::message(key::MESSAGE, mailbox, folder, uid))? {
                there.push(uid);
            }
        }
        Ok(there)
    }

    pub(crate) fn copy_within(
        &mut self,
        mailbox: MailboxId,
        from: Folder,
        to: Folder,
        uids: Vec<Uid>,
        quota: Quota,
    ) -> Result<Outcome, Stop> {
        let copied = self.copy(mailbox, from, to, uids, false)?;
        if quota != Quota::default() {
            let folders: Vec<(Vec<u8>, FolderRecord)> =
                self.rows(&key::of(key::FOLDER, mailbox), None, usize::MAX)?;
            change_message::check_copied(&copied, quota, folders.iter().map(|(_, folder)| folder))?;
        }
        Ok(copied)
    }

    pub(crate) fn copy(
        &mut self,
        mailbox: MailboxId,
        from: Folder,
        to: Folder,
        uids: Vec<Uid>,
        taking: bool,
    ) -> Result<Outcome, Stop> {
        let mut target = self.the_folder(mailbox, to)?;
        self.the_folder(mailbox, from)?;
        let uid_validity = target.uid_validity;
        let mut pairs = Vec::with_capacity(uids.len());
        let mut taken = Vec::new();
        for uid in self.there(mailbox, from, uids)? {
            let Some(message) = self.message(mailbox, from, uid)? else { continue };
            let summary = self.row::<Octets>(&key::message(key::SUMMARY, mailbox, from, uid))?;
            let summary = summary.ok_or(StoreError::Damaged { what: "a message without a summary" })?;
            self.name_file(&message.record.body)?;
            pairs.push((uid, self.add(mailbox, &mut target, &message, &summary)?));
            if taking {
                taken.push(message);
            }
        }
        if pairs.is_empty() {
            return Ok(Outcome::Copied { uid_validity, pairs });
        }
        self.put_folder(mailbox, &target)?;
        if taking {
            let mut source = self.the_folder(mailbox, from)?;
            for message in &taken {
                self.take(mailbox, &mut source, message)?;
            }
            self.put_folder(mailbox, &source)?;
        }
        Ok(Outcome::Copied { uid_validity, pairs })
    }

    pub(crate) fn expunge(
        &mut self,
        mailbox: MailboxId,
        folder: Folder,
        uids: Option<Vec<Uid>>,
    ) -> Result<Outcome, Stop> {
        let mut record = self.the_folder(mailbox, folder)?;
        let mut gone = Vec::new();
        for uid in self.deleted(mailbox, folder, uids)? {
            if let Some(message) = self.message(mailbox, folder, uid)? {
                self.take(mailbox, &mut record, &message)?;
                gone.push(uid);
            }
        }
        if !gone.is_empty() {
            self.put_folder(mailbox, &record)?;
        }
        Ok(Outcome::Expunged(gone))
    }

    /// What carries `\Deleted`, of `asked` or of all. Of what is not asked for nothing is read: the writer works for
    /// everybody.
    fn deleted(
        &self,
        mailbox: MailboxId,
        folder: Folder,
        asked: Option<Vec<Uid>>,
    ) -> Result<Vec<Uid>, StoreError> {
        let Some(asked) = asked else {
            let flagged: Vec<(Vec<u8>, Flags)> =
                self.rows(&key::inside(key::FLAGS, mailbox, folder), None, usize::MAX)?;
            let deleted = flagged.iter().filter(|(_, flags)| flags.deleted);
            return Ok(deleted.filter_map(|(at, _)| key::uid(at)).collect());
        };
        let mut deleted = Vec::new();
        for uid in change_message::in_order(asked) {
            if self.flags(mailbox, folder, uid)?.deleted {
                deleted.push(uid);
            }
        }
        Ok(deleted)
    }

    pub(crate) fn subscribe(
        &mut self,
        mailbox: MailboxId,
        folder: Folder,
        on: bool,
    ) -> Result<Outcome, Stop> {
        let mut record = self.the_folder(mailbox, folder)?;
        if record.subscribed != on {
            record.subscribed = on;
            self.put_folder(mailbox, &record)?;
        }
        Ok(Outcome::Done)
    }

    pub(crate) fn replace_summary(
        &mut self,
        mailbox: MailboxId,
        (folder, uid): (Folder, Uid),
        old: [u8; 32],
        new: Vec<u8>,
    ) -> Result<Outcome, Stop> {
        check_summary(&new)?;
        let at = key::message(key::SUMMARY, mailbox, folder, uid);
        if self.holds(&key::mailbox(mailbox))?
            && let Some(Octets(there)) = self.row(&at)?
            && sha256(&there) == old
        {
            self.put(at, &Octets(new))?;
        }
        Ok(Outcome::Done)
    }

    pub(crate) fn remember_submission(
        &mut self,
        account: MailboxId,
        digest: &[u8; 32],
        now: Time,
        until: Time,
    ) -> Result<Outcome, Stop> {
        if !self.holds(&key::mailbox(account))? {
            return Err(Refusal::Gone.into());
        }
        let at = key::submission(account, digest);
        if let Some(ends) = self.row::<Time>(&at)? {
            if now <= ends {
                return Err(Refusal::AlreadyDone.into());
            }
            self.remove(key::submission_end(ends, account, digest));
        }
        self.forget_submissions(now)?;
        self.put(at, &until)?;
        self.put(key::submission_end(until, account, digest), &Mark {})?;
        Ok(Outcome::Done)
    }

    /// Removes a few of those whose time is over.
    fn forget_submissions(&mut self, now: Time) -> Result<(), StoreError> {
        for (at, _) in self.page(&[key::SUBMISSION_END], None, FORGOTTEN)? {
            let Some((ends, account, digest)) = key::read_submission_end(&at) else { continue };
            if ends < now {
                self.remove(key::submission(account, &digest));
                self.remove(at);
            }
        }
        Ok(())
    }

    pub(crate) fn remember_conversation(
        &mut self,
        account: MailboxId,
        digest: &[u8; 32],
        now: Time,
    ) -> Result<Outcome, Stop> {
        if !self.holds(&key::mailbox(account))? {
            return Err(Refusal::Gone.into());
        }
        self.put(key::conversation(account, digest), &now)?;
        Ok(Outcome::Done)
    }
}

fn check_summary(summary: &[u8]) -> Result<(), StoreError> {
    if summary.len() > SUMMARY { Err(StoreError::TooLarge { size: summary.len() }) } else { Ok(()) }
}
