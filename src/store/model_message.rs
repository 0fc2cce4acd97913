//! What commands do to folders and messages in the model.

use crate::base::id::MailboxId;
use crate::base::limits::SUMMARY;
use crate::store::change;
use crate::store::change::Stop;
use crate::store::change_message;
use crate::store::command::Outcome;
use crate::store::command::Refusal;
use crate::store::command_part::Delivery;
use crate::store::command_part::FlagChange;
use crate::store::error::StoreError;
use crate::store::model_state::HeldMessage;
use crate::store::model_state::State;
use crate::store::record::Flags;
use crate::store::record::Folder;
use crate::store::record::Message;
use crate::store::record::Uid;
use crate::vault::primitives::sha256;
use std::sync::Arc;

impl State {
    pub(super) fn deliver(&mut self, delivery: Delivery) -> Result<Outcome, Stop> {
        let held = self.boxes.get(&delivery.mailbox).ok_or(Refusal::NotCurrent)?;
        change::check_alive(&held.record)?;
        if !change::is_current(&held.record, &delivery) {
            return Err(Refusal::NotCurrent.into());
        }
        held.folders.get(&delivery.folder).ok_or(Refusal::Gone)?;
        check_summary(&delivery.summary)?;
        let more_bytes = delivery.record.body.length();
        change_message::check_quota(delivery.quota, held.folders.values(), more_bytes, 1)?;
        self.name_file(&delivery.record.body);
        let message =
            Message { uid: Uid(0), record: delivery.record, flags: change_message::tidy(delivery.flags) };
        let (uid_validity, uid) = self.put(delivery.mailbox, delivery.folder, message, delivery.summary)?;
        Ok(Outcome::Uid { uid_validity, uid, fresh: true })
    }

    pub(super) fn deliver_once(&mut self, delivery: Delivery) -> Result<Outcome, Stop> {
        let held = self.boxes.get(&delivery.mailbox).ok_or(Refusal::NotCurrent)?;
        change::check_alive(&held.record)?;
        let folder = held.folders.get(&delivery.folder).ok_or(Refusal::Gone)?;
        let same = |message: &Message| {
            message.record.message_id.is_some() && message.record.message_id == delivery.record.message_id
        };
        let of = held.messages.iter().filter(|((at, _), held)| *at == delivery.folder && same(&held.message));
        let there = of.take(change_message::SAME).find(|(_, held)| !held.message.flags.deleted);
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

    /// Those of `uids` that are in the folder, ascending.
    fn there(&mut self, mailbox: MailboxId, folder: Folder, uids: Vec<Uid>) -> Result<Vec<Uid>, Stop> {
        self.folder(mailbox, folder)?;
        let held = self.held(mailbox)?;
        let mut uids = change_message::in_order(uids);
        uids.retain(|uid| held.messages.contains_key(&(folder, *uid)));
        Ok(uids)
    }

    pub(super) fn set_flags(
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

    pub(super) fn copy(
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

    pub(super) fn expunge(
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

    pub(super) fn replace_summary(
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
}

fn check_summary(summary: &[u8]) -> Result<(), StoreError> {
    if summary.len() > SUMMARY { Err(StoreError::TooLarge { size: summary.len() }) } else { Ok(()) }
}
