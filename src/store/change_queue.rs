//! How queued mail changes: pure functions, the same for every engine.

use crate::base::id::QueueId;
use crate::store::command::Refusal;
use crate::store::command_part::NewQueued;
use crate::store::command_part::Settlement;
use crate::store::error::StoreError;
use crate::store::record_queue::QueuedRecipient;
use crate::store::record_queue::RecipientState;
use std::time::Duration;

/// Why a recipient waits or ended, octets.
const REASON: usize = 1_024;

/// The outcome of a try, written into the recipient's record.
pub(crate) fn settle(recipient: &mut QueuedRecipient, outcome: Settlement) {
    recipient.attempts = recipient.attempts.saturating_add(1);
    match outcome {
        Settlement::Delivered { proof } => {
            recipient.state = RecipientState::Delivered;
            recipient.reason = cut(proof);
        }
        Settlement::Again { next, reason, delay_reported, passed } => {
            recipient.state = RecipientState::Waiting;
            recipient.next = next;
            recipient.reason = cut(reason);
            recipient.delay_reported |= delay_reported;
            recipient.passed = passed.then_some(true).or(recipient.passed);
        }
        Settlement::Failed { reason } => {
            recipient.state = RecipientState::Failed;
            recipient.reason = cut(reason);
        }
    }
}

/// A delay is told between two tries; once.
pub(crate) fn note_delay(recipient: &mut QueuedRecipient) -> Result<(), Refusal> {
    if recipient.state != RecipientState::Waiting || recipient.delay_reported {
        return Err(Refusal::Gone);
    }
    recipient.delay_reported = true;
    Ok(())
}

/// Whether the outcome of a try under the lease to `lease` is to be noted, where the recipient is leased to `held` now.
///
/// What a peer has taken it has taken: a lease that has ended makes no second copy of it.
pub(crate) fn may_settle(
    state: RecipientState,
    held: Option<Duration>,
    lease: Duration,
    outcome: &Settlement,
) -> bool {
    match outcome {
        Settlement::Delivered { .. } => waits(state),
        Settlement::Again { .. } | Settlement::Failed { .. } => held == Some(lease),
    }
}

/// Whether a recipient may still be tried.
pub(crate) fn waits(state: RecipientState) -> bool {
    match state {
        RecipientState::Waiting | RecipientState::Leased { .. } => true,
        RecipientState::Delivered | RecipientState::Failed | RecipientState::Cancelled => false,
    }
}

/// Cuts a reason at its limit, between characters.
fn cut(mut reason: String) -> String {
    reason.truncate(reason.floor_char_boundary(REASON));
    reason
}

/// What every queued message must be: somebody's, with a file for a body.
pub(crate) fn check_queued(new: &NewQueued) -> Result<(), StoreError> {
    if new.record.body.file().is_none() {
        return Err(StoreError::Misused { what: "a queued body is a file" });
    }
    if new.recipients.is_empty() || new.recipients.len() > usize::from(u16::MAX) {
        return Err(StoreError::Misused { what: "a queued message has recipients" });
    }
    if !new.recipients.iter().any(|recipient| waits(recipient.state)) {
        return Err(StoreError::Misused { what: "a queued message waits for somebody" });
    }
    Ok(())
}

/// The recipients of a message that is queued now: numbered, and none of them leased.
pub(crate) fn number(queue: QueueId, mut recipients: Vec<QueuedRecipient>) -> Vec<QueuedRecipient> {
    for (number, recipient) in (0..).zip(&mut recipients) {
        recipient.queue = queue;
        recipient.number = number;
        recipient.reason = cut(std::mem::take(&mut recipient.reason));
        if matches!(recipient.state, RecipientState::Leased { .. }) {
            recipient.state = RecipientState::Waiting;
        }
    }
    recipients
}
