//! What commands do to the life of temporary mailboxes in the model.

use crate::base::id::MailboxId;
use crate::base::id::QueueId;
use crate::base::time::Time;
use crate::store::PAGE;
use crate::store::change::Stop;
use crate::store::change_life;
use crate::store::command::Command;
use crate::store::command::Outcome;
use crate::store::command::Refusal;
use crate::store::command_part::NewMailbox;
use crate::store::model_state::State;
use crate::store::record::Folder;
use crate::store::record::InvitationRecord;
use crate::store::record::InvitationState;
use crate::store::record_life::Moment;
use crate::store::record_queue::Purpose;
use crate::store::record_queue::QueueRecord;
use std::sync::Arc;

impl State {
    pub(super) fn apply_to_life(&mut self, command: Command) -> Result<Outcome, Stop> {
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
                let ran = self.ran();
                change_life::note_warning(&mut self.held(mailbox)?.record, days, &mail.record, ran)?;
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

    /// Takes the invitations, notices and warnings for it out of the queue.
    pub(super) fn cancel_mail_for(&mut self, mailbox: MailboxId) {
        let about = self.queue.iter().filter(|(_, queued)| queued.record.purpose.about() == Some(mailbox));
        let waiting: Vec<QueueId> = about.map(|(id, _)| *id).collect();
        for queue in waiting {
            self.drop_queued(queue);
        }
    }

    /// A mail has left the queue: a warning was `settled`, or is to go out again.
    pub(super) fn left_the_queue(&mut self, mail: &QueueRecord, settled: bool) {
        let ran = settled.then(|| self.ran());
        if let Purpose::Warning(mailbox, _) = mail.purpose
            && let Ok(held) = self.held(mailbox)
        {
            change_life::end_warning(&mut held.record, mail.id, ran);
        }
    }
}
