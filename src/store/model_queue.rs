//! What commands do to the queue in the model.

use crate::base::id::QueueId;
use crate::base::time::Time;
use crate::store::PAGE;
use crate::store::change::Stop;
use crate::store::change_queue;
use crate::store::command::Outcome;
use crate::store::command::Refusal;
use crate::store::command_part::NewQueued;
use crate::store::command_part::Settlement;
use crate::store::model_state::Queued;
use crate::store::model_state::State;
use crate::store::record_queue::QueueRecord;
use crate::store::record_queue::QueuedRecipient;
use crate::store::record_queue::RecipientState;
use std::sync::Arc;
use std::time::Duration;

impl State {
    pub(super) fn enqueue(&mut self, new: NewQueued) -> Result<Outcome, Stop> {
        change_queue::check_queued(&new)?;
        if self.queue.contains_key(&new.record.id) {
            return Err(Refusal::AlreadyDone.into());
        }
        let mut record = new.record;
        record.shred = new.queue_key.map(|key| self.place(key.expose()));
        let recipients = change_queue::number(record.id, new.recipients);
        self.name_file(&record.body);
        self.queue.insert(record.id, Arc::new(Queued { record, recipients }));
        Ok(Outcome::Done)
    }

    pub(super) fn lease(&mut self, now: Time, running: Duration, until: Duration, limit: usize) -> Outcome {
        let all = self.queue.values().flat_map(|queued| &queued.recipients);
        let mut at: Vec<_> = all
            .filter(|recipient| is_free(recipient, running))
            .filter(|recipient| recipient.next <= now)
            .map(|recipient| (recipient.next, recipient.queue, recipient.number))
            .collect();
        at.sort_unstable();
        at.truncate(limit.min(PAGE));
        let mut leased = Vec::with_capacity(at.len());
        for (_, queue, number) in at {
            if let Some(queued) = self.queue.get_mut(&queue)
                && let Some(recipient) = Arc::make_mut(queued).recipients.get_mut(usize::from(number))
            {
                recipient.state = RecipientState::Leased { until };
                leased.push(recipient.clone());
            }
        }
        Outcome::Leased(leased)
    }

    pub(super) fn settle(
        &mut self,
        queue: QueueId,
        number: u16,
        lease: Duration,
        outcome: Settlement,
    ) -> Result<Outcome, Stop> {
        let queued = Arc::make_mut(self.queue.get_mut(&queue).ok_or(Refusal::Gone)?);
        let recipient = queued.recipients.get_mut(usize::from(number)).ok_or(Refusal::Gone)?;
        let held = match recipient.state {
            RecipientState::Leased { until } => Some(until),
            _ => None,
        };
        if !change_queue::may_settle(recipient.state, held, lease, &outcome) {
            return Err(Refusal::Gone.into());
        }
        change_queue::settle(recipient, outcome);
        if !queued.recipients.iter().any(|recipient| change_queue::waits(recipient.state))
            && let Some(mail) = self.drop_queued(queue)
        {
            self.left_the_queue(&mail, true);
        }
        Ok(Outcome::Done)
    }

    pub(super) fn note_delay(&mut self, queue: QueueId, number: u16) -> Result<(), Refusal> {
        let queued = Arc::make_mut(self.queue.get_mut(&queue).ok_or(Refusal::Gone)?);
        let recipient = queued.recipients.get_mut(usize::from(number)).ok_or(Refusal::Gone)?;
        change_queue::note_delay(recipient)
    }

    pub(super) fn release(&mut self, leases: &[(QueueId, u16, Duration)]) {
        for (queue, number, until) in leases {
            if let Some(queued) = self.queue.get_mut(queue)
                && let Some(recipient) = Arc::make_mut(queued).recipients.get_mut(usize::from(*number))
                && recipient.state == (RecipientState::Leased { until: *until })
            {
                recipient.state = RecipientState::Waiting;
            }
        }
    }

    pub(super) fn retry(&mut self, queue: Option<QueueId>, now: Time) -> Outcome {
        let mut count = 0;
        for (id, queued) in &mut self.queue {
            if queue.is_some_and(|queue| queue != *id) {
                continue;
            }
            for recipient in &mut Arc::make_mut(queued).recipients {
                if recipient.state == RecipientState::Waiting {
                    recipient.next = recipient.next.min(now);
                    count += 1;
                }
            }
        }
        Outcome::Count(count)
    }

    pub(super) fn bring_forward(&mut self, beyond: Time, now: Time) -> Outcome {
        let mut count = 0;
        for queued in self.queue.values_mut() {
            let queued = Arc::make_mut(queued);
            for recipient in &mut queued.recipients {
                if recipient.state == RecipientState::Waiting && recipient.next > beyond {
                    recipient.next = now;
                    count += 1;
                }
            }
        }
        Outcome::Count(count)
    }

    pub(super) fn redate(&mut self, now: Time) -> Outcome {
        let mut count = 0;
        for queued in self.queue.values_mut().filter(|queued| queued.record.created > now) {
            Arc::make_mut(queued).record.created = now;
            count += 1;
        }
        Outcome::Count(count)
    }

    pub(super) fn cancel(&mut self, queue: QueueId) -> Result<Outcome, Stop> {
        let mail = self.drop_queued(queue).ok_or(Refusal::Gone)?;
        self.left_the_queue(&mail, false);
        Ok(Outcome::Done)
    }

    pub(super) fn drop_queued(&mut self, queue: QueueId) -> Option<QueueRecord> {
        let queued = self.queue.remove(&queue)?;
        self.drop_file(&queued.record.body);
        self.shred(queued.record.shred);
        Some(queued.record.clone())
    }
}

/// Whether a recipient may be tried when it is due.
pub(super) fn is_free(recipient: &QueuedRecipient, running: Duration) -> bool {
    match recipient.state {
        RecipientState::Waiting => true,
        RecipientState::Leased { until } => until <= running,
        RecipientState::Delivered | RecipientState::Failed | RecipientState::Cancelled => false,
    }
}
