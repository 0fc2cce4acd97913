//! What commands do to the queue.
//!
//! A recipient that waits stands in a table of times. A lease is not written: it lies in memory beside that
//! table, so that every lease ends with the process that took it.

use crate::base::id::QueueId;
use crate::base::time::Time;
use crate::store::PAGE;
use crate::store::change::Stop;
use crate::store::change_queue;
use crate::store::codec::Mark;
use crate::store::codec::Number;
use crate::store::command::Outcome;
use crate::store::command::Refusal;
use crate::store::command_part::NewQueued;
use crate::store::command_part::Settlement;
use crate::store::disk::Source;
use crate::store::draft::Draft;
use crate::store::draft::Leases;
use crate::store::error::StoreError;
use crate::store::key;
use crate::store::record_queue::QueueRecord;
use crate::store::record_queue::QueuedRecipient;
use crate::store::record_queue::RecipientState;
use std::time::Duration;

impl Draft<'_> {
    pub(crate) fn enqueue(&mut self, new: NewQueued) -> Result<Outcome, Stop> {
        change_queue::check_queued(&new)?;
        let mut record = new.record;
        let at = key::queue(key::QUEUE, record.id);
        if self.holds(&at)? {
            return Err(Refusal::AlreadyDone.into());
        }
        record.shred = new.queue_key.map(|key| self.place(*record.id.bytes(), key)).transpose()?;
        self.name_file(&record.body)?;
        let mut waiting = 0;
        for recipient in change_queue::number(record.id, new.recipients) {
            if change_queue::waits(recipient.state) {
                waiting += 1;
                self.put(key::due(recipient.next, record.id, recipient.number), &Mark {})?;
            }
            self.put(key::recipient(record.id, recipient.number), &recipient)?;
        }
        self.put(key::queue(key::WAITING, record.id), &Number(waiting))?;
        if let Some(mailbox) = record.purpose.about() {
            self.put(key::queued_for(mailbox, record.id), &Mark {})?;
        }
        self.put(at, &record)?;
        Ok(Outcome::Done)
    }

    pub(crate) fn lease(
        &mut self,
        now: Time,
        running: Duration,
        until: Duration,
        limit: usize,
    ) -> Result<Outcome, Stop> {
        let limit = limit.min(PAGE);
        let mut leased = Vec::new();
        let mut after: Option<Vec<u8>> = None;
        'pages: while leased.len() < limit {
            let page = self.keys(&[key::DUE], after.as_deref(), PAGE)?;
            let Some(last) = page.last() else { break };
            after = Some(last.clone());
            for at in page {
                let Some((next, queue, number)) = key::read_due(&at) else { continue };
                if next > now || leased.len() == limit {
                    break 'pages;
                }
                if self.leased(queue, number).is_some_and(|until| until > running) {
                    continue;
                }
                // What is taken is opened; what only lies on the way to it is not.
                self.row::<Mark>(&at)?;
                let mut recipient = self.recipient(queue, number)?;
                recipient.state = RecipientState::Leased { until };
                self.set_lease(queue, number, Some(until));
                leased.push(recipient);
            }
        }
        Ok(Outcome::Leased(leased))
    }

    /// A recipient that another row names.
    fn recipient(&self, queue: QueueId, number: u16) -> Result<QueuedRecipient, StoreError> {
        self.row(&key::recipient(queue, number))?
            .ok_or(StoreError::Damaged { what: "a recipient that is due is not there" })
    }

    pub(crate) fn settle(
        &mut self,
        queue: QueueId,
        number: u16,
        lease: Duration,
        outcome: Settlement,
    ) -> Result<Outcome, Stop> {
        let held = self.leased(queue, number);
        let found: Option<QueuedRecipient> = self.row(&key::recipient(queue, number))?;
        let mut recipient = found.ok_or(Refusal::Gone)?;
        if !change_queue::may_settle(recipient.state, held, lease, &outcome) {
            return Err(Refusal::Gone.into());
        }
        if held.is_some() {
            self.set_lease(queue, number, None);
        }
        self.remove(key::due(recipient.next, queue, number));
        change_queue::settle(&mut recipient, outcome);
        if change_queue::waits(recipient.state) {
            self.put(key::due(recipient.next, queue, number), &Mark {})?;
        } else {
            let Number(waiting) = self.row(&key::queue(key::WAITING, queue))?.unwrap_or(Number(1));
            if waiting <= 1 {
                if let Some(mail) = self.drop_queued(queue)? {
                    self.left_the_queue(&mail, true)?;
                }
                return Ok(Outcome::Done);
            }
            self.put(key::queue(key::WAITING, queue), &Number(waiting - 1))?;
        }
        self.put(key::recipient(queue, number), &recipient)?;
        Ok(Outcome::Done)
    }

    pub(crate) fn note_delay(&mut self, queue: QueueId, number: u16) -> Result<Outcome, Stop> {
        let at = key::recipient(queue, number);
        let mut recipient = self.row::<QueuedRecipient>(&at)?.ok_or(Refusal::Gone)?;
        if self.leased(queue, number).is_some() {
            return Err(Refusal::Gone.into());
        }
        change_queue::note_delay(&mut recipient)?;
        self.put(at, &recipient)?;
        Ok(Outcome::Done)
    }

    pub(crate) fn release(&mut self, leases: &[(QueueId, u16, Duration)]) -> Outcome {
        for (queue, number, until) in leases {
            if self.leased(*queue, *number) == Some(*until) {
                self.set_lease(*queue, *number, None);
            }
        }
        Outcome::Done
    }

    pub(crate) fn retry(&mut self, queue: Option<QueueId>, now: Time) -> Result<Outcome, Stop> {
        let prefix = match queue {
            Some(queue) => key::queue(key::RECIPIENT, queue),
            None => vec![key::RECIPIENT],
        };
        let mut count = 0;
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = self.rows::<QueuedRecipient>(&prefix, after.as_deref(), PAGE)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            for (at, mut recipient) in page {
                let place = (recipient.queue, recipient.number);
                if recipient.state != RecipientState::Waiting || self.leased(place.0, place.1).is_some() {
                    continue;
                }
                count += 1;
                if recipient.next > now {
                    self.remove(key::due(recipient.next, place.0, place.1));
                    recipient.next = now;
                    self.put(key::due(now, place.0, place.1), &Mark {})?;
                    self.put(at, &recipient)?;
                }
            }
        }
        Ok(Outcome::Count(count))
    }

    pub(crate) fn bring_forward(&mut self, beyond: Time, now: Time) -> Result<Outcome, Stop> {
        let mut count = 0;
        let mut after = Some(key::due(beyond, QueueId::new([u8::MAX; 16]), u16::MAX));
        loop {
            let page = self.keys(&[key::DUE], after.as_deref(), PAGE)?;
            let Some(last) = page.last() else { break };
            after = Some(last.clone());
            for at in page {
                let Some((_, queue, number)) = key::read_due(&at) else { continue };
                if self.leased(queue, number).is_some() {
                    continue;
                }
                let mut recipient = self.recipient(queue, number)?;
                self.remove(at);
                recipient.next = now;
                self.put(key::due(now, queue, number), &Mark {})?;
                self.put(key::recipient(queue, number), &recipient)?;
                count += 1;
            }
        }
        Ok(Outcome::Count(count))
    }

    pub(crate) fn redate(&mut self, now: Time) -> Result<Outcome, Stop> {
        let mut count = 0;
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = self.rows::<QueueRecord>(&[key::QUEUE], after.as_deref(), PAGE)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            for (at, record) in page.into_iter().filter(|(_, record)| record.created > now) {
                self.put(at, &QueueRecord { created: now, ..record })?;
                count += 1;
            }
        }
        Ok(Outcome::Count(count))
    }

    pub(crate) fn cancel(&mut self, queue: QueueId) -> Result<Outcome, Stop> {
        let mail = self.drop_queued(queue)?.ok_or(Refusal::Gone)?;
        self.left_the_queue(&mail, false)?;
        Ok(Outcome::Done)
    }

    /// Drops a queued message with its recipients, its body and its key; answers with what it was.
    pub(crate) fn drop_queued(&mut self, queue: QueueId) -> Result<Option<QueueRecord>, StoreError> {
        let Some(record) = self.row::<QueueRecord>(&key::queue(key::QUEUE, queue))? else { return Ok(None) };
        for (at, recipient) in
            self.rows::<QueuedRecipient>(&key::queue(key::RECIPIENT, queue), None, usize::MAX)?
        {
            self.remove(key::due(recipient.next, queue, recipient.number));
            self.remove(at);
            if self.leased(queue, recipient.number).is_some() {
                self.set_lease(queue, recipient.number, None);
            }
        }
        if let Some(mailbox) = record.purpose.about() {
            self.remove(key::queued_for(mailbox, queue));
        }
        self.remove(key::queue(key::WAITING, queue));
        self.remove(key::queue(key::QUEUE, queue));
        self.drop_file(&record.body)?;
        self.shred(record.shred);
        Ok(Some(record))
    }
}

/// A recipient as a reader sees it: leased when it is.
pub(crate) fn with_lease(mut recipient: QueuedRecipient, leases: &Leases) -> QueuedRecipient {
    if let Some(until) = leases.get(&(recipient.queue, recipient.number)) {
        recipient.state = RecipientState::Leased { until: *until };
    }
    recipient
}

/// When the next recipient is due that is not leased.
pub(crate) fn next_due(
    source: &impl Source,
    leases: &Leases,
    running: Duration,
) -> Result<Option<Time>, StoreError> {
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = source.keys(&[key::DUE], after.as_deref(), 64)?;
        let Some(last) = page.last() else { return Ok(None) };
        after = Some(last.clone());
        for at in page {
            let Some((next, queue, number)) = key::read_due(&at) else { continue };
            if leases.get(&(queue, number)).is_none_or(|until| *until <= running) {
                return Ok(Some(next));
            }
        }
    }
}
