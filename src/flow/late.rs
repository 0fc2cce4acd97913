//! What a sender is told between two tries: a secure alias's mail is tried after 3 minutes and after 8, and its sender
//! hears after 5 that it waits.
//!
//! What is to be told is kept in memory: after a restart the next try tells it.

use crate::base::time::Time;
use crate::flow::Flow;
use crate::flow::bounce::Settled;
use crate::flow::bounce::reports;
use crate::store::command::Command;
use crate::store::command::Refusal;
use crate::store::command_part::Settlement;
use crate::store::error::StoreError;
use crate::store::record_queue::QueueRecord;
use crate::store::record_queue::QueuedRecipient;
use crate::store::record_queue::RecipientState;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is told of one message at one time.
#[derive(Debug)]
pub(in crate::flow) struct Late {
    at: Time,
    record: Arc<QueueRecord>,
    waiting: Vec<Settled>,
}

impl Late {
    /// What follows from a try that was settled like this.
    pub(in crate::flow) fn of(record: &Arc<QueueRecord>, settled: Vec<Settled>) -> Vec<Self> {
        let mut times: BTreeMap<Time, Vec<Settled>> = BTreeMap::new();
        for mut line in settled {
            if let Some((at, fate)) = line.later.take() {
                times.entry(at).or_default().push(Settled { told: Some(fate), ..line });
            }
        }
        times.into_iter().map(|(at, waiting)| Self { at, record: Arc::clone(record), waiting }).collect()
    }

    /// When it is told.
    pub(in crate::flow) const fn at(&self) -> Time {
        self.at
    }
}

/// Tells it, where the recipients wait as they did: not where another try came first.
pub(in crate::flow) async fn tell(flow: &Flow, late: Late) {
    let queue = late.record.id;
    match try_to_tell(flow, late).await {
        Ok(0) => {}
        Ok(recipients) => tracing::info!(%queue, recipients, "a sender was told that a message waits"),
        Err(why) => {
            tracing::warn!(%queue, %why, "a sender is told with the next try only that a message waits")
        }
    }
}

async fn try_to_tell(flow: &Flow, late: Late) -> Result<usize, StoreError> {
    let Late { record, mut waiting, .. } = late;
    let until = waiting.iter().filter_map(|line| line.told.as_ref()?.until).max();
    let life = until.unwrap_or(record.created).since(record.created);
    // Where the clock is not believed nobody hears of a delay.
    if !flow.ages().await.known(record.created, life) {
        return Ok(0);
    }
    let known = flow.store.queued_recipients(record.id).await?;
    let now = flow.clock.now();
    waiting.retain(|line| known.iter().any(|recipient| still_waits(recipient, line, now)));
    while !waiting.is_empty() {
        let reports = match reports(flow, &record, &waiting).await {
            Ok(reports) if !reports.is_empty() => reports,
            Ok(_) => return Ok(0),
            Err(why) => {
                tracing::error!(queue = %record.id, %why, "a sender could not be told that a message waits");
                return Ok(0);
            }
        };
        let number = |line: &Settled| Command::NoteDelay { queue: record.id, number: line.number };
        let count = waiting.len();
        match flow.store.commit(waiting.iter().map(number).chain(reports).collect()).await {
            Ok(_) => return Ok(count),
            Err(StoreError::Refused { index, why: Refusal::Gone }) if index < count => {
                waiting.remove(index);
            }
            Err(why) => return Err(why),
        }
    }
    Ok(0)
}

/// Nothing has happened to it since that try, and the next one is still to come: what is due tells by itself.
fn still_waits(recipient: &QueuedRecipient, line: &Settled, now: Time) -> bool {
    let Settlement::Again { next, .. } = &line.settlement else { return false };
    let waits = recipient.state == RecipientState::Waiting && recipient.next == *next && *next > now;
    waits && recipient.number == line.number
}
