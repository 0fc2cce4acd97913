//! The queue's worker: takes what is due, so many at once, and tells the store how it ended.
//!
//! What is leased counts as waiting again after the lease or a restart, so nothing is lost by an end at any
//! moment. Each destination begins with two connections and earns more by taking mail.

use crate::base::address::Domain;
use crate::base::id::QueueId;
use crate::base::requirement::Requirement;
use crate::base::time::Time;
use crate::config::Config;
use crate::flow::Flow;
use crate::flow::bounce;
use crate::flow::delivery::Courier;
use crate::flow::delivery::Outcome;
use crate::flow::gauge::Full;
use crate::flow::lanes::Lanes;
use crate::flow::lanes::Lesson;
use crate::flow::refusal::TakeError;
use crate::flow::stored_certificates;
use crate::policy::tls::Demand;
use crate::policy::tls::Stored;
use crate::policy::tls::UnknownLevel;
use crate::store::Store;
use crate::store::command;
use crate::store::command::Command;
use crate::store::command::Refusal;
use crate::store::error::StoreError;
use crate::store::record::QueueRecord;
use crate::store::record::QueuedRecipient;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What one try may take in all; a peer that needs longer is tried again another time.
pub const TRY: Duration = Duration::from_secs(30 * 60);
/// What is leased is ours for this long, by the running clock.
const LEASE: Duration = Duration::from_secs(60 * 60);
/// Recipients leased at once.
const BATCH: usize = 200;
/// Tries that wait for room at their destination; a full queue behind one slow domain stops nobody else.
const BACKLOG: usize = 2_000;
/// The queue is looked at this often, whatever the clock and the bell say; and counted anew.
const LOOK: Duration = Duration::from_secs(30);
/// After trouble with the store.
const TROUBLE: Duration = Duration::from_secs(10);
/// At a stop, tries under way may still end.
const DRAIN: Duration = Duration::from_secs(20);

impl Flow {
    /// Counts a message of `octets` into the queue, if it has room.
    pub(in crate::flow) fn admit_to_queue(&self, id: QueueId, octets: u64) -> Result<(), TakeError> {
        let admitted = self.queue.admit(id, octets, &self.config().limits);
        admitted.map_err(|Full| TakeError::QueueFull)
    }
}

/// A queued message with its recipients, as the commands show it.
#[derive(Clone, Debug)]
pub struct QueueItem {
    /// The message.
    pub record: Arc<QueueRecord>,
    /// Everybody it is for, those that are done included.
    pub recipients: Vec<QueuedRecipient>,
}

/// A page of queued messages in id order, behind `after`.
pub async fn list(
    store: &dyn Store,
    after: Option<QueueId>,
    limit: usize,
) -> Result<Vec<QueueItem>, StoreError> {
    let mut items = Vec::new();
    for record in store.queue(after, limit).await? {
        let recipients = store.queued_recipients(record.id).await?;
        items.push(QueueItem { record, recipients });
    }
    Ok(items)
}

/// One queued message.
pub async fn show(store: &dyn Store, queue: QueueId) -> Result<Option<QueueItem>, StoreError> {
    let Some(record) = store.queued(queue).await? else { return Ok(None) };
    let recipients = store.queued_recipients(queue).await?;
    Ok(Some(QueueItem { record, recipients }))
}

/// Makes one message, or all, due now; answers how many recipients will be tried.
pub async fn retry(flow: &Flow, queue: Option<QueueId>) -> Result<u64, StoreError> {
    let now = flow.clock.now();
    let outcomes = flow.store.commit(vec![Command::RetryQueued { queue, now }]).await?;
    flow.queue_bell.notify_one();
    Ok(outcomes
        .iter()
        .map(|outcome| if let command::Outcome::Count(count) = outcome { *count } else { 0 })
        .sum())
}

/// Takes a message out of the queue; `false` if it is not there. Nobody is told.
pub async fn cancel(flow: &Flow, queue: QueueId) -> Result<bool, StoreError> {
    match flow.store.commit(vec![Command::CancelQueued { queue }]).await {
        Ok(_) => {
            flow.queue.left(queue);
            flow.queue_bell.notify_one();
            Ok(true)
        }
        Err(StoreError::Refused { why: Refusal::Gone, .. }) => Ok(false),
        Err(why) => Err(why),
    }
}

/// Where a try goes: the recipients of one destination share a connection.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Destination {
    /// The configured smarthost, whatever the recipient.
    Smarthost,
    /// A domain, by its MX.
    Domain(Domain),
}

/// One try to be made: a message and its recipients of one destination.
#[derive(Clone, Debug)]
pub struct Job {
    /// The message.
    pub record: Arc<QueueRecord>,
    /// Where to.
    pub destination: Destination,
    /// Whom for.
    pub recipients: Vec<QueuedRecipient>,
    /// What they all ask of the way.
    pub demand: Result<Demand, UnknownLevel>,
    /// The certificates stored for the destination, if it is to be compared with them.
    pub stored: Vec<Stored>,
    /// Not begun after this, by the running clock.
    begin_by: Duration,
}

/// What a finished try leaves to be noted.
struct Ended {
    /// Somebody took something.
    reached: bool,
    /// Somebody waits for another try.
    again: bool,
    /// When everything was settled; an error is the store's.
    settled: Result<(), StoreError>,
}

/// The worker. There is one.
pub struct Worker {
    flow: Arc<Flow>,
    courier: Arc<Courier>,
    lanes: Lanes<Job>,
    running: JoinSet<Ended>,
    places: HashMap<tokio::task::Id, Destination>,
    /// More may be due than what was taken.
    more: bool,
    /// If not, when the next will be.
    due: Option<Time>,
    /// When the queue was counted, by the running clock.
    measured: Option<Duration>,
}

impl Worker {
    /// A worker that sends with `courier`.
    pub fn new(flow: Arc<Flow>, courier: Courier) -> Self {
        Self {
            flow,
            courier: Arc::new(courier),
            lanes: Lanes::default(),
            running: JoinSet::new(),
            places: HashMap::new(),
            more: true,
            due: None,
            measured: None,
        }
    }

    /// Works until `stop`; then tries under way may end for 20 seconds.
    pub async fn run(mut self, stop: CancellationToken) {
        let (flow, courier) = (Arc::clone(&self.flow), Arc::clone(&self.courier));
        let connections = courier.connections.look_after(|| flow.config());
        tokio::pin!(connections);
        while !stop.is_cancelled() {
            let wait = match self.look().await {
                Ok(wait) => wait,
                Err(why) => {
                    tracing::error!(%why, "the queue cannot be worked on");
                    TROUBLE
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = &mut connections => {}
                Some(ended) = self.running.join_next_with_id() => self.note(ended),
                () = self.flow.queue_bell.notified() => self.more = true,
                () = tokio::time::sleep(wait) => self.more = true,
            }
        }
        let drained = async { while self.running.join_next().await.is_some() {} };
        let (drained, ()) = tokio::join!(tokio::time::timeout(DRAIN, drained), courier.connections.close());
        if drained.is_err() {
            tracing::warn!("tries under way were cut off; they are made again after the start");
        }
    }

    /// Makes every try that is due now, and what follows from it.
    #[cfg(test)]
    pub(in crate::flow) async fn until_idle(&mut self) {
        loop {
            (self.more, self.measured) = (true, None);
            self.look().await.unwrap();
            let Some(ended) = self.running.join_next_with_id().await else { return };
            self.note(ended);
        }
    }

    /// Starts what can be started; answers how long nothing more will be due.
    async fn look(&mut self) -> Result<Duration, StoreError> {
        let flow = Arc::clone(&self.flow);
        let running = flow.clock.running();
        if self.measured.is_none_or(|at| running.saturating_sub(at) >= LOOK) {
            flow.queue.measure(&*flow.store).await?;
            self.measured = Some(running);
        }
        self.start();
        // With a full backlog the end of some tries is what to wait for: what is taken is taken by the batch.
        while self.more && self.lanes.waiting() + BATCH <= BACKLOG {
            // Asking costs a read; taking is a turn of the store's writer.
            self.due = flow.store.next_due(flow.clock.running()).await?;
            self.more = self.due.is_some_and(|due| due <= flow.clock.now());
            if self.more {
                self.more = self.lease().await? > 0;
                self.start();
            }
        }
        let wait = self.due.map_or(LOOK, |due| due.since(flow.clock.now()));
        Ok(wait.clamp(Duration::from_millis(100), LOOK))
    }

    /// Takes what is due into the backlog, a job for each message and destination.
    async fn lease(&mut self) -> Result<usize, StoreError> {
        let (now, running) = (self.flow.clock.now(), self.flow.clock.running());
        let lease = Command::LeaseDue { now, running, until: running + LEASE, limit: BATCH };
        let outcomes = self.flow.store.commit(vec![lease]).await?;
        let leased: Vec<QueuedRecipient> = outcomes
            .into_iter()
            .flat_map(|outcome| match outcome {
                command::Outcome::Leased(recipients) => recipients,
                _ => Vec::new(),
            })
            .collect();
        let count = leased.len();
        let config = self.flow.config();
        let smarthost = config.outbound.smarthost.is_some();
        let mut jobs: BTreeMap<Together, Vec<QueuedRecipient>> = BTreeMap::new();
        let mut order = Vec::new();
        for recipient in leased {
            let destination = match smarthost {
                true => Destination::Smarthost,
                false => Destination::Domain(recipient.address.domain().clone()),
            };
            // What was in force when it was taken, and what is now: neither weakens the other.
            let level = destination_level(&config, &recipient);
            let key = (recipient.queue, destination, level);
            if !jobs.contains_key(&key) {
                order.push(key.clone());
            }
            jobs.entry(key).or_default().push(recipient);
        }
        for key in order {
            let (Some(recipients), Some(record)) = (jobs.remove(&key), self.flow.store.queued(key.0).await?)
            else {
                continue;
            };
            let begin_by = running + (LEASE - TRY);
            let (_, destination, level) = key;
            let demand = Demand::parse(&record.tls_policy).and_then(|demand| Ok(demand.and(level?)));
            let stored = stored(&self.flow, &destination, demand).await?;
            let most = config.limits.remote_connections_per_domain;
            let job = Job { record, destination: destination.clone(), recipients, demand, stored, begin_by };
            self.lanes.wait(destination, job, most);
        }
        Ok(count)
    }

    /// Begins the jobs whose turn it is, as long as there may be one more try.
    fn start(&mut self) {
        let running = self.flow.clock.running();
        let most = self.flow.config().limits.remote_connections;
        while self.running.len() < most {
            let Some((destination, job)) = self.lanes.next() else { return };
            if running > job.begin_by {
                // The lease is used up by waiting; it will be leased anew.
                self.lanes.ended(destination, Lesson::Nothing);
                self.more = true;
                continue;
            }
            let (flow, courier) = (Arc::clone(&self.flow), Arc::clone(&self.courier));
            let task = self.running.spawn(async move { attempt(&flow, &courier, job).await });
            self.places.insert(task.id(), destination);
        }
    }

    /// Learns from a try that ended.
    fn note(&mut self, ended: Result<(tokio::task::Id, Ended), tokio::task::JoinError>) {
        let (task, reached) = match ended {
            Ok((task, ended)) => {
                if let Err(why) = ended.settled {
                    tracing::error!(%why, "how a delivery ended could not be noted; it may be made twice");
                }
                self.more |= ended.again;
                (task, ended.reached)
            }
            Err(why) => {
                tracing::error!(%why, "a delivery broke down; it is made again after its lease");
                (why.id(), false)
            }
        };
        let most = self.flow.config().limits.remote_connections_per_domain;
        if let Some(destination) = self.places.remove(&task) {
            self.lanes.ended(destination, if reached { Lesson::Reached { most } } else { Lesson::Missed });
        }
    }
}

/// What is asked of the way to a recipient's domain: since the message was taken, and now.
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
    destination: &Destination,
    demand: Result<Demand, UnknownLevel>,
) -> Result<Vec<Stored>, StoreError> {
    if !demand.is_ok_and(|demand| demand.requirement().wants_stored()) {
        return Ok(Vec::new());
    }
    let smarthost = flow.config().outbound.smarthost.as_ref().and_then(|host| Domain::parse(&host.host).ok());
    let domain = match destination {
        Destination::Domain(domain) => Some(domain.clone()),
        Destination::Smarthost => smarthost,
    };
    match domain {
        Some(domain) => stored_certificates::of(flow, &domain).await,
        None => Ok(Vec::new()),
    }
}

/// One try and its settlement.
async fn attempt(flow: &Flow, courier: &Courier, job: Job) -> Ended {
    let outcomes = courier.deliver(flow, &job).await;
    let reached = outcomes.iter().any(|(_, outcome)| matches!(outcome, Outcome::Delivered(_)));
    let again = outcomes.iter().any(|(_, outcome)| matches!(outcome, Outcome::Again(_)));
    let settled = bounce::settle(flow, &job.record, &job.recipients, outcomes).await;
    if matches!(flow.store.queued(job.record.id).await, Ok(None)) {
        flow.queue.left(job.record.id);
    }
    Ended { reached, again, settled }
}
