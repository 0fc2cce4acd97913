//! What commands do to the life of temporary mailboxes: superseding, closing, reopening, warnings, traces, and
//! the clock that all of it goes by.

use crate::base::address::AddressKey;
use crate::base::id::InvitationId;
use crate::base::id::MailboxId;
use crate::base::id::QueueId;
use crate::base::time::Time;
use crate::store::PAGE;
use crate::store::change::Stop;
use crate::store::change_life;
use crate::store::codec::Mark;
use crate::store::command::Outcome;
use crate::store::command::Refusal;
use crate::store::command_part::NewMailbox;
use crate::store::deed_mailbox::address;
use crate::store::disk::Source;
use crate::store::draft::Draft;
use crate::store::error::StoreError;
use crate::store::key;
use crate::store::record::Folder;
use crate::store::record::FolderRecord;
use crate::store::record::InvitationRecord;
use crate::store::record::InvitationState;
use crate::store::record::MailboxRecord;
use crate::store::record_life::LifeClock;
use crate::store::record_life::Moment;
use crate::store::record_life::NoticeRecord;
use crate::store::record_life::Suspension;
use crate::store::record_queue::Purpose;
use crate::store::record_queue::QueueRecord;
use crate::vault::seal::Index;

/// The name of the table of former mailboxes in its HMAC.
const FORMERS: &str = "former mailbox";

/// Where an address's former mailbox is noted.
pub(crate) fn former(index: &Index, address: &AddressKey) -> Vec<u8> {
    key::join(key::FORMER, &[&index.address(FORMERS, address)])
}

impl Draft<'_> {
    pub(crate) fn supersede(&mut self, new: NewMailbox, old: MailboxId, now: Time) -> Result<Outcome, Stop> {
        let mut record = self.mailbox(old)?.ok_or(Refusal::NotCurrent)?;
        change_life::check_supersede(&record, &new)?;
        let former = former(self.disk().index(), &record.address.key());
        if self.is_used(new.id)? || self.holds(&former)? {
            return Err(Refusal::AddressTaken.into());
        }
        let inbox: Option<FolderRecord> = self.row(&key::folder(old, Folder::INBOX))?;
        self.put(former, &old)?;
        change_life::supersede(&mut record, now);
        self.put_mailbox(&record)?;
        self.make(new, Some(now), inbox.map_or(0, |inbox| inbox.uid_validity))
    }

    pub(crate) fn note_asked(
        &mut self,
        mailbox: MailboxId,
        account: MailboxId,
        now: Time,
    ) -> Result<Outcome, Stop> {
        let mut record = self.mailbox(mailbox)?.ok_or(Refusal::NotCurrent)?;
        change_life::note_asked(&mut record, account, now)?;
        self.put_mailbox(&record)
    }

    pub(crate) fn close(
        &mut self,
        mailbox: MailboxId,
        now: Time,
        not_active_since: Time,
    ) -> Result<Outcome, Stop> {
        let mut record = self.mailbox(mailbox)?.ok_or(Refusal::Gone)?;
        change_life::check_inactive(&record, not_active_since)?;
        self.free_address(&record)?;
        self.cancel_mail_for(mailbox)?;
        change_life::close(&mut record, Moment { at: now, ran: self.ran()? });
        self.effects().ended.insert(mailbox);
        self.put_mailbox(&record)
    }

    /// Removes the note that finds this mailbox by its address, current or former.
    pub(crate) fn free_address(&mut self, record: &MailboxRecord) -> Result<(), StoreError> {
        let (index, key) = (self.disk().index(), record.address.key());
        for at in [address(index, &key), former(index, &key)] {
            if self.row::<MailboxId>(&at)? == Some(record.id) {
                self.remove(at);
            }
        }
        Ok(())
    }

    pub(crate) fn reopen_mailbox(&mut self, mailbox: MailboxId, now: Time) -> Result<Outcome, Stop> {
        let mut record = self.mailbox(mailbox)?.ok_or(Refusal::Gone)?;
        change_life::check_closed(&record)?;
        let (index, key) = (self.disk().index(), record.address.key());
        let (current, former) = (address(index, &key), former(index, &key));
        let newer = record.superseded.is_some() || self.holds(&current)?;
        let place = if newer { former } else { current };
        if self.holds(&place)? {
            return Err(Refusal::AddressTaken.into());
        }
        self.put(place, &mailbox)?;
        change_life::reopen(&mut record, now, newer);
        self.put_mailbox(&record)
    }

    pub(crate) fn mark_unreachable(
        &mut self,
        mailbox: MailboxId,
        invitation: InvitationId,
        now: Time,
    ) -> Result<Outcome, Stop> {
        let mut record = self.mailbox(mailbox)?.ok_or(Refusal::NotOpen)?;
        change_life::mark_unreachable(&mut record, invitation, Moment { at: now, ran: self.ran()? })?;
        self.put_mailbox(&record)
    }

    pub(crate) fn note_warning(
        &mut self,
        mailbox: MailboxId,
        days: u16,
        queue: QueueId,
        not_active_since: Time,
    ) -> Result<Outcome, Stop> {
        let mut record = self.mailbox(mailbox)?.ok_or(Refusal::Gone)?;
        change_life::check_inactive(&record, not_active_since)?;
        let mail: QueueRecord = self.row(&key::queue(key::QUEUE, queue))?.ok_or(Refusal::Gone)?;
        change_life::note_warning(&mut record, days, &mail, self.ran()?)?;
        self.put_mailbox(&record)
    }

    /// A mail has left the queue: a warning was `settled`, or is to go out again.
    pub(crate) fn left_the_queue(&mut self, mail: &QueueRecord, settled: bool) -> Result<(), Stop> {
        let Purpose::Warning(mailbox, _) = mail.purpose else { return Ok(()) };
        let ran = if settled { Some(self.ran()?) } else { None };
        if let Some(mut record) = self.mailbox(mailbox)?
            && change_life::end_warning(&mut record, mail.id, ran)
        {
            self.put_mailbox(&record)?;
        }
        Ok(())
    }

    pub(crate) fn put_notices(
        &mut self,
        mailbox: MailboxId,
        notices: Option<NoticeRecord>,
        expected: Option<NoticeRecord>,
    ) -> Result<Outcome, Stop> {
        let mut record = self.mailbox(mailbox)?.ok_or(Refusal::NotCurrent)?;
        change_life::put_notices(&mut record, notices, expected.as_ref())?;
        self.put_mailbox(&record)
    }

    /// Takes the invitations, notices and warnings for it out of the queue.
    pub(crate) fn cancel_mail_for(&mut self, mailbox: MailboxId) -> Result<(), StoreError> {
        for (at, _) in self.page(&key::of(key::QUEUED_FOR, mailbox), None, usize::MAX)? {
            if let Some(queue) = key::second_id(&at).map(QueueId::new) {
                self.drop_queued(queue)?;
            }
        }
        Ok(())
    }

    /// Every invitation of the mailbox stays as a trace: its link then says what happened.
    pub(crate) fn delete_invitations(&mut self, mailbox: MailboxId, now: Time) -> Result<(), StoreError> {
        for (at, _) in self.page(&key::of(key::INVITATION_OF, mailbox), None, usize::MAX)? {
            let id = key::second_id(&at).map(InvitationId::new);
            if let Some(id) = id
                && let Some(mut record) = self.invitation(id)?
                && record.mailbox == mailbox
            {
                (record.state, record.changed) = (InvitationState::Deleted, now);
                self.put(key::trace(now, id), &Mark {})?;
                self.put(key::invitation(id), &record)?;
            }
            self.remove(at);
        }
        Ok(())
    }

    pub(crate) fn purge_traces(&mut self, before: Time, limit: usize) -> Result<Outcome, Stop> {
        let limit = limit.min(PAGE) as u64;
        let mut count = 0;
        let mut after: Option<Vec<u8>> = None;
        'pages: while count < limit {
            let page = self.page(&[key::TRACE], after.as_deref(), PAGE)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            for (at, _) in page {
                let Some((deleted, id)) = key::read_trace(&at) else { continue };
                if deleted >= before || count == limit {
                    break 'pages;
                }
                let record: Option<InvitationRecord> = self.invitation(id)?;
                if record.is_some_and(|record| change_life::is_trace(&record, deleted)) {
                    self.remove(key::invitation(id));
                    count += 1;
                }
                self.remove(at);
            }
        }
        Ok(Outcome::Count(count))
    }

    pub(crate) fn life_clock(&self) -> Result<Option<LifeClock>, StoreError> {
        self.row(&key::LIFE_CLOCK)
    }

    /// The running time so far, seconds.
    pub(crate) fn ran(&self) -> Result<u64, StoreError> {
        Ok(self.life_clock()?.map_or(0, |clock| clock.ran))
    }

    pub(crate) fn tick(
        &mut self,
        wall: Time,
        ran_more: u64,
        suspend: Option<Suspension>,
    ) -> Result<Outcome, Stop> {
        let clock = change_life::tick(self.life_clock()?, wall, ran_more, suspend);
        self.put(key::LIFE_CLOCK.to_vec(), &clock)?;
        Ok(Outcome::Done)
    }

    pub(crate) fn note_suspension_told(&mut self) -> Result<Outcome, Stop> {
        let clock = change_life::tell_suspension(self.life_clock()?)?;
        self.put(key::LIFE_CLOCK.to_vec(), &clock)?;
        Ok(Outcome::Done)
    }

    pub(crate) fn accept_clock(&mut self, wall: Time) -> Result<Outcome, Stop> {
        let clock = change_life::accept_clock(self.life_clock()?, wall)?;
        self.put(key::LIFE_CLOCK.to_vec(), &clock)?;
        Ok(Outcome::Done)
    }
}
