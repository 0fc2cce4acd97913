//! Takes what is due out of the queue: so many at once, as jobs for the worker.

use crate::base::address::Domain;
use crate::base::id::QueueId;
use crate::base::requirement::Requirement;
use crate::base::time::Time;
use crate::config::Config;
use crate::flow::Flow;
use crate::flow::queue::Destination;
use crate::flow::queue::Job;
use crate::flow::queue::TRY;
use crate::flow::stored_certificates;
use crate::policy::tls::Demand;
use crate::policy::tls::Stored;
use crate::policy::tls::UnknownLevel;
use crate::store::command;
use crate::store::command::Command;
use crate::store::error::StoreError;
use crate::store::record_queue::QueuedRecipient;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What is leased is ours for this long, by the running clock.
const LEASE: Duration = Duration::from_secs(60 * 60);
/// So much of it is left when the longest try has ended, for the clock of tries and that of leases are not one: a machine
/// that sleeps adds to the latter only.
const SLACK: Duration = Duration::from_secs(5 * 60);
/// Recipients leased at once.
pub(in crate::flow) const BATCH: usize = 200;

/// What was due, or when something will be.
#[derive(Default)]
pub(in crate::flow) struct Taken {
    /// In the order of their times.
    pub(in crate::flow) jobs: Vec<Job>,
    /// More may be due than what was taken.
    pub(in crate::flow) more: bool,
    /// When the next will be.
    pub(in crate::flow) due: Option<Time>,
}

/// Counts the queue if it is time to, and takes some of what is due, a job for each message and destination.
pub(in crate::flow) async fn take(flow: Arc<Flow>, measure: bool) -> Result<Taken, StoreError> {
    if measure {
        flow.queue.measure(&*flow.store).await?;
    }
    // Asking costs a read; taking is a turn of the store's writer.
    let due = flow.store.next_due(flow.clock.running()).await?;
    let (now, running) = (flow.clock.now(), flow.clock.running());
    if due.is_none_or(|due| due > now) {
        return Ok(Taken { due, ..Taken::default() });
    }
    let lease = Command::LeaseDue { now, running, until: running + LEASE, limit: BATCH };
    let outcomes = flow.store.commit(vec![lease]).await?;
    let leased: Vec<QueuedRecipient> = outcomes
        .into_iter()
        .flat_map(|outcome| match outcome {
            command::Outcome::Leased(recipients) => recipients,
            _ => Vec::new(),
        })
        .collect();
    let more = !leased.is_empty();
    let jobs = jobs(&flow, leased, running).await?;
    Ok(Taken { jobs, more, due })
}

/// A job for each message, destination and level.
async fn jobs(flow: &Flow, leased: Vec<QueuedRecipient>, running: Duration) -> Result<Vec<Job>, StoreError> {
    let config = flow.config();
    let mut together: BTreeMap<Together, Vec<QueuedRecipient>> = BTreeMap::new();
    let mut order = Vec::new();
    for recipient in leased {
        let destination = destination(&config, &recipient);
        let level = destination_level(&config, &recipient);
        let key = (recipient.queue, destination, level);
        if !together.contains_key(&key) {
            order.push(key.clone());
        }
        together.entry(key).or_default().push(recipient);
    }
    let mut jobs = Vec::with_capacity(order.len());
    for key in order {
        let (Some(recipients), Some(record)) = (together.remove(&key), flow.store.queued(key.0).await?)
        else {
            continue;
        };
        let begin_by = running + (LEASE - TRY - SLACK);
        let (_, destination, _) = key;
        jobs.push(Job { record, destination, recipients, begin_by });
    }
    Ok(jobs)
}

/// What a try goes by, as it is when the try begins.
pub(in crate::flow) struct Terms {
    /// The configuration, for all of the try.
    pub(in crate::flow) config: Arc<Config>,
    /// What its recipients all ask of the way.
    pub(in crate::flow) demand: Result<Demand, UnknownLevel>,
    /// The certificates stored for the destination, if it is to be compared with them.
    pub(in crate::flow) stored: Vec<Stored>,
}

/// The terms of a job that begins now; `None` where its recipients would not be put together like this any more: then
/// they are to be taken anew.
pub(in crate::flow) async fn terms(flow: &Flow, job: &Job) -> Result<Option<Terms>, StoreError> {
    let config = flow.config();
    let Some(first) = job.recipients.first() else { return Ok(None) };
    let level = destination_level(&config, first);
    let fits = |recipient: &QueuedRecipient| {
        destination(&config, recipient) == job.destination && destination_level(&config, recipient) == level
    };
    if !job.recipients.iter().all(fits) {
        return Ok(None);
    }
    let demand = Demand::parse(&job.record.tls_policy).and_then(|demand| Ok(demand.and(level?)));
    let stored = stored(flow, &config, &job.destination, demand).await?;
    Ok(Some(Terms { config, demand, stored }))
}

/// Where a recipient is tried.
fn destination(config: &Config, recipient: &QueuedRecipient) -> Destination {
    match config.outbound.smarthost {
        Some(_) => Destination::Smarthost,
        None => Destination::Domain(recipient.address.domain().clone()),
    }
}

/// What is asked of the way to a recipient's domain: since the message was taken, and now. Neither weakens the other.
fn destination_level(config: &Config, recipient: &QueuedRecipient) -> Result<Requirement, UnknownLevel> {
    let now = config.outbound.requirement(recipient.address.domain());
    let then = recipient.tls_policy.as_deref().map_or(Ok(Requirement::Opportunistic), Requirement::parse);
    Ok(now.and(then?))
}

/// What the recipients of one try have in common.
type Together = (QueueId, Destination, Result<Requirement, UnknownLevel>);

/// What is stored for a destination, where that matters.
async fn stored(
    flow: &Flow,
    config: &Config,
    destination: &Destination,
    demand: Result<Demand, UnknownLevel>,
) -> Result<Vec<Stored>, StoreError> {
    if !demand.is_ok_and(|demand| demand.requirement().wants_stored()) {
        return Ok(Vec::new());
    }
    let smarthost = config.outbound.smarthost.as_ref().and_then(|host| Domain::parse(&host.host).ok());
    let domain = match destination {
        Destination::Domain(domain) => Some(domain.clone()),
        Destination::Smarthost => smarthost,
    };
    match domain {
        Some(domain) => stored_certificates::of(flow, &domain).await,
        None => Ok(Vec::new()),
    }
}
