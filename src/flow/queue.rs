//! The queue's worker: takes what is due, so many at once, and tells the store how it ended.
//!
//! What is leased counts as waiting again after the lease or a restart, so nothing is lost by an end at any
//! moment. Each destination begins with two connections and earns more by taking mail.

use crate::base::address::Domain;
use crate::base::id::QueueId;
use crate::base::time::Time;
use crate::flow::Flow;
use crate::flow::bounce;
use crate::flow::course::Course;
use crate::flow::course::Facts;
use crate::flow::course::give_way;
use crate::flow::course::is_silence;
use crate::flow::delivery::Courier;
use crate::flow::delivery::Outcome;
use crate::flow::delivery::Tried;
use crate::flow::due::BATCH;
use crate::flow::due::Taken;
use crate::flow::due::take;
use crate::flow::due::terms;
use crate::flow::gauge::Full;
use crate::flow::lanes::BACKLOG;
use crate::flow::lanes::Lanes;
use crate::flow::lanes::Lesson;
use crate::flow::lanes::Place;
use crate::flow::late;
use crate::flow::late::Late;
use crate::flow::parked::Lease;
use crate::flow::parked::Parked;
use crate::flow::refusal::TakeError;
use crate::flow::unrecorded::Room;
use crate::flow::unrecorded::Unrecorded;
use crate::policy::tls::Demand;
use crate::policy::tls::Sender;
use crate::smtp::client::Trouble;
use crate::store::Store;
use crate::store::command;
use crate::store::command::Command;
use crate::store::command::Refusal;
use crate::store::error::StoreError;
use crate::store::record_queue::Purpose;
use crate::store::record_queue::QueueRecord;
use crate::store::record_queue::QueuedRecipient;
use futures_util::FutureExt;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task;
use tokio::task::JoinError;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

/// What one try may take in all; a peer that needs longer is tried again another time.
pub const TRY: Duration = Duration::from_secs(30 * 60);
/// The queue is looked at this often, whatever the clock and the bell say; and counted anew.
const LOOK: Duration = Duration::from_secs(30);
/// After trouble with the store.
const TROUBLE: Duration = Duration::from_secs(10);
/// Messages that are put off are noted so many at once.
const NOTED_AT_ONCE: usize = 16;
/// At a stop, tries under way may still end.
const DRAIN: Duration = Duration::from_secs(20);

impl Flow {
    /// Counts a message of `octets` into the queue, if it has room.
    pub(in crate::flow) fn admit_to_queue(
        &self,
        id: QueueId,
        purpose: Purpose,
        octets: u64,
    ) -> Result<(), TakeError> {
        // Nobody could be asked to come again with what this server writes by itself, and it is small.
        let free = match purpose {
            Purpose::Mail | Purpose::Invitation(_) => self.store.free_disk(),
            Purpose::Notice(_) | Purpose::Bounce | Purpose::Warning(..) => u64::MAX,
        };
        let admitted = self.queue.admit(id, octets, &self.config().limits, free);
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
    /// Not begun after this, by the running clock.
    pub(in crate::flow) begin_by: Duration,
}

impl Job {
    /// A secure alias's: its sender is to hear in minutes.
    fn is_secure(&self) -> bool {
        Demand::parse(&self.record.tls_policy).is_ok_and(|demand| demand.sender() == Sender::Secure)
    }
}

/// Tries that need their place no more, and what they met.
type Freed = mpsc::UnboundedSender<(task::Id, Met)>;

/// What a try met.
enum Met {
    /// Somebody, who took something.
    Taker,
    /// Nobody who took anything.
    Nobody,
    /// Nobody at all.
    Silence(Trouble),
    /// Nothing was tried.
    Untried,
}

/// A try under way.
struct Busy {
    place: Place,
    course: Course,
    /// By the running clock.
    since: Duration,
}

/// What a finished try leaves to be noted.
struct Ended {
    /// Somebody waits for another try.
    again: bool,
    /// When everything was settled: what is to be told before the next try; an error is the store's.
    settled: Result<Vec<Late>, StoreError>,
}

/// The worker. There is one.
pub struct Worker {
    flow: Arc<Flow>,
    courier: Arc<Courier>,
    lanes: Lanes<Job>,
    /// What is due and finds no room there.
    parked: Parked,
    unrecorded: Unrecorded,
    /// Tries, until their outcomes are written.
    running: JoinSet<Ended>,
    /// Those of them that are not through with their connections.
    places: HashMap<task::Id, Busy>,
    /// What is to be told between tries, by its time.
    late: BTreeMap<Time, Vec<Late>>,
    free: Freed,
    freed: mpsc::UnboundedReceiver<(task::Id, Met)>,
    /// What is due is being taken; tries go on meanwhile.
    taking: Option<BoxFuture<'static, Result<Taken, StoreError>>>,
    /// More may be due than what was taken.
    more: bool,
    /// When the queue is looked at again by itself.
    wake: Instant,
    /// When the queue was counted, by the running clock.
    measured: Option<Duration>,
}

impl Worker {
    /// A worker that sends with `courier`.
    pub fn new(flow: Arc<Flow>, courier: Courier) -> Self {
        let (free, freed) = mpsc::unbounded_channel();
        Self {
            flow,
            courier: Arc::new(courier),
            lanes: Lanes::default(),
            parked: Parked::default(),
            unrecorded: Unrecorded::default(),
            running: JoinSet::new(),
            places: HashMap::new(),
            late: BTreeMap::new(),
            free,
            freed,
            taking: None,
            more: true,
            wake: Instant::now(),
            measured: None,
        }
    }

    /// Works until `stop`; then tries under way may end for 20 seconds.
    pub async fn run(mut self, stop: CancellationToken) {
        let (flow, courier) = (Arc::clone(&self.flow), Arc::clone(&self.courier));
        let connections = courier.connections.look_after(|| flow.config());
        tokio::pin!(connections);
        while !stop.is_cancelled() {
            self.start();
            self.tell();
            self.taking = self.taking.take().or_else(|| self.take());
            let taken = async { Some(self.taking.as_mut()?.await) };
            tokio::select! {
                () = stop.cancelled() => break,
                () = &mut connections => {}
                Some((task, met)) = self.freed.recv() => self.freed(task, met),
                Some(ended) = self.running.join_next_with_id() => self.note(ended),
                Some(taken) = taken => self.taken(taken),
                () = self.flow.queue_bell.notified() => self.more = true,
                () = sleep_until(self.wake) => {
                    self.more = true;
                    self.wake = Instant::now() + LOOK;
                }
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
            while let Some(taking) = self.take() {
                let taken = taking.await.unwrap();
                self.taken(Ok(taken));
            }
            self.start();
            self.tell();
            let Some(ended) = self.running.join_next_with_id().await else { return };
            while let Ok((task, met)) = self.freed.try_recv() {
                self.freed(task, met);
            }
            self.note(ended);
        }
    }

    /// When it looks at the queue again by itself.
    #[cfg(test)]
    pub(in crate::flow) const fn wakes(&self) -> Instant {
        self.wake
    }

    /// Begins to take what is due, where there is room for it.
    fn take(&mut self) -> Option<BoxFuture<'static, Result<Taken, StoreError>>> {
        // With a full backlog the end of some tries is what to wait for: what is taken is taken by the batch.
        if !self.more || self.lanes.waiting() + BATCH > BACKLOG {
            return None;
        }
        self.more = false;
        let running = self.flow.clock.running();
        let measure = self.measured.is_none_or(|at| running.saturating_sub(at) >= LOOK);
        if measure {
            self.measured = Some(running);
        }
        Some(take(Arc::clone(&self.flow), measure).boxed())
    }

    /// What was taken waits for its turn.
    fn taken(&mut self, taken: Result<Taken, StoreError>) {
        self.taking = None;
        let wait = match taken {
            Ok(taken) => {
                let most = self.flow.config().limits.remote_connections_per_domain;
                for job in taken.jobs {
                    let to = job.destination.clone();
                    if job.is_secure() && self.lanes.has_room_in_front(&to) {
                        self.lanes.wait_in_front(to, job, most);
                    } else if self.lanes.has_room(&to) {
                        self.lanes.wait(to, job, most);
                    } else {
                        self.parked.put(to, Lease::of(&job));
                    }
                }
                self.more |= taken.more;
                let next = taken.due.into_iter().chain(self.late.keys().next().copied()).min();
                let wait = next.map_or(LOOK, |next| next.since(self.flow.clock.now()));
                wait.clamp(Duration::from_millis(100), LOOK)
            }
            Err(why) => {
                tracing::error!(%why, "the queue cannot be worked on");
                self.measured = None;
                TROUBLE
            }
        };
        self.wake = Instant::now() + wait;
    }

    /// Begins the jobs whose turn it is, as long as there may be one more try.
    fn start(&mut self) {
        let running = self.flow.clock.running();
        self.watch(running);
        let limits = &self.flow.config().limits;
        let most = limits.remote_connections;
        let (mut turned, mut unused) = (Vec::new(), Vec::new());
        // Outcomes that are being written may be as many again, no more.
        while self.places.len() < most && self.running.len() < 2 * most {
            let Some((place, job)) = self.lanes.next(running) else { break };
            turned.push(place.destination.clone());
            if running > job.begin_by {
                // Its lease is used up by waiting.
                self.lanes.ended(place, Lesson::Nothing, running);
                unused.push(job);
                continue;
            }
            let room = self.unrecorded.room(&place.destination, limits);
            let (flow, courier, free) =
                (Arc::clone(&self.flow), Arc::clone(&self.courier), self.free.clone());
            // An answer that nobody wrote may come twice rather than keep others waiting.
            let course = Course::new(job.record.purpose == Purpose::Bounce);
            let busy = Busy { place, course: course.clone(), since: running };
            let tried = async move { attempt(&flow, &courier, job, room, course, free).await };
            self.places.insert(self.running.spawn(tried).id(), busy);
        }
        self.waited_in_vain(unused, running);
        turned.dedup();
        for destination in turned {
            self.unpark(&destination);
        }
    }

    /// Begins to tell what is late by now.
    fn tell(&mut self) {
        let now = self.flow.clock.now();
        while let Some(first) = self.late.first_entry().filter(|first| *first.key() <= now) {
            for late in first.remove() {
                let flow = Arc::clone(&self.flow);
                self.running.spawn(async move {
                    late::tell(&flow, late).await;
                    Ended { again: false, settled: Ok(Vec::new()) }
                });
            }
        }
    }

    /// Looks at the tries under way: where one has been met with silence for a minute, nobody waits for its end; and
    /// where there is no place left, slow ones give way.
    fn watch(&mut self, running: Duration) {
        if self.places.len() >= self.flow.config().limits.remote_connections {
            let tries = self.places.values().map(|busy| (&busy.course, running.saturating_sub(busy.since)));
            give_way(tries, self.lanes.ready()).into_iter().for_each(Course::give_way);
        }
        let silent = |busy: &&Busy| {
            let age = running.saturating_sub(busy.since);
            is_silence(Facts { stage: busy.course.stage(), age, unreached: false })
        };
        let destinations = self.places.values().filter(silent).map(|busy| busy.place.destination.clone());
        for destination in destinations.collect::<Vec<_>>() {
            self.silent(&destination, &Trouble::new((4, 4, 1), "not tried: a try before has no answer yet"));
        }
    }

    /// Nobody answers at a destination: what waits for it is put off as if it had been tried, each by its own pace, so
    /// that its sender hears of it in time.
    fn silent(&mut self, destination: &Destination, trouble: &Trouble) {
        let jobs = self.lanes.silent(destination, self.flow.clock.running());
        self.put_off(jobs, trouble, Outcome::Again);
        self.unpark(destination);
    }

    /// Puts these jobs off.
    fn put_off(&mut self, jobs: Vec<Job>, trouble: &Trouble, outcome: fn(Trouble) -> Outcome) {
        if jobs.is_empty() {
            return;
        }
        tracing::info!(messages = jobs.len(), %trouble, "put off with another message");
        let (flow, trouble) = (Arc::clone(&self.flow), trouble.clone());
        self.running.spawn(async move {
            let (flow, trouble) = (&flow, &trouble);
            let each = |job: Job| async move {
                let again = |recipient: &QueuedRecipient| (recipient.number, outcome(trouble.clone()));
                let outcomes = job.recipients.iter().map(again).collect();
                noted(flow, &job, outcomes).await
            };
            let settled = stream::iter(jobs).map(each).buffer_unordered(NOTED_AT_ONCE);
            let settled =
                settled.fold(Ok(Vec::new()), |all: Result<Vec<Late>, StoreError>, one| async move {
                    let (mut all, one) = (all?, one?);
                    all.extend(one);
                    Ok(all)
                });
            let settled = settled.await;
            Ended { again: true, settled }
        });
    }

    /// What has waited for as long as its lease lets it: where it is only a matter of turns it is taken anew, else put
    /// off.
    fn waited_in_vain(&mut self, jobs: Vec<Job>, running: Duration) {
        let (in_turn, stuck): (Vec<Job>, Vec<Job>) =
            jobs.into_iter().partition(|job| self.lanes.hears(&job.destination, running));
        self.release(&in_turn.iter().map(Lease::of).collect::<Vec<_>>());
        let trouble = Trouble::new((4, 4, 5), "not tried: too much waits for the destination");
        self.put_off(stuck, &trouble, Outcome::Untried);
    }

    /// Has what is parked for a destination taken anew, as far as there is much room again.
    fn unpark(&mut self, destination: &Destination) {
        let room = self.lanes.much_room(destination);
        let leases = self.parked.take(destination, room, self.flow.clock.running());
        self.release(&leases);
    }

    /// Gives leases back.
    fn release(&mut self, leases: &[Lease]) {
        if leases.is_empty() {
            return;
        }
        let (flow, release) = (Arc::clone(&self.flow), Lease::release(leases));
        self.running.spawn(async move { give_back(&flow, release).await });
    }

    /// Learns from a try that is through with its connection.
    fn freed(&mut self, task: task::Id, met: Met) {
        let most = self.flow.config().limits.remote_connections_per_domain;
        let Some(Busy { place, .. }) = self.places.remove(&task) else { return };
        let (destination, running) = (place.destination.clone(), self.flow.clock.running());
        let open = self.courier.connections.wait_for(&destination);
        let lesson = match met {
            Met::Taker => Lesson::Reached { most, open },
            Met::Nobody => Lesson::Missed,
            Met::Silence(_) => Lesson::Silent,
            Met::Untried => Lesson::Nothing,
        };
        self.lanes.ended(place, lesson, running);
        if let Met::Silence(trouble) = met {
            self.silent(&destination, &trouble);
        }
    }

    /// Notes how a try ended.
    fn note(&mut self, ended: Result<(task::Id, Ended), JoinError>) {
        match ended {
            Ok((_, ended)) => {
                match ended.settled {
                    Ok(late) => {
                        for late in late {
                            self.late.entry(late.at()).or_default().push(late);
                        }
                    }
                    Err(why) => {
                        tracing::error!(%why, "how a delivery ended could not be noted; it may be made twice");
                    }
                }
                self.more |= ended.again;
            }
            Err(why) => {
                tracing::error!(%why, "a delivery broke down; it is made again after its lease");
                self.freed(why.id(), Met::Nobody);
            }
        }
    }
}

/// A try, and its settlement. The place is free again when the connection is; the outcome may be written after that.
async fn attempt(flow: &Flow, courier: &Courier, job: Job, room: Room, course: Course, free: Freed) -> Ended {
    let freed = |met| {
        if let Some(task) = task::try_id() {
            let _ = free.send((task, met));
        }
    };
    if matches!(flow.store.queued(job.record.id).await, Ok(None)) {
        // Somebody has taken it out of the queue meanwhile: nobody hears of it any more.
        freed(Met::Untried);
        return Ended { again: false, settled: Ok(Vec::new()) };
    }
    let terms = match terms(flow, &job).await {
        Ok(Some(terms)) => terms,
        Ok(None) => {
            freed(Met::Untried);
            return give_back(flow, Lease::release(&[Lease::of(&job)])).await;
        }
        Err(why) => {
            freed(Met::Untried);
            return Ended { again: false, settled: Err(why) };
        }
    };
    let tried = courier.deliver(flow, &terms, &job, room, course).await;
    let Tried { outcomes, mut leaving, under_way, held, silence } = tried;
    let met = match silence {
        Some(trouble) => Met::Silence(trouble),
        None if outcomes.iter().any(|(_, outcome)| matches!(outcome, Outcome::Delivered(_))) => Met::Taker,
        None => Met::Nobody,
    };
    let again = outcomes.iter().any(|(_, outcome)| matches!(outcome, Outcome::Again(_)));
    // The peer may take its time over a QUIT: what it took is noted meanwhile.
    let left = async {
        while leaving.join_next().await.is_some() {}
        drop(under_way);
        freed(met);
    };
    let (settled, ()) = tokio::join!(noted(flow, &job, outcomes), left);
    drop(held);
    Ended { again, settled }
}

/// Ends leases before their time.
async fn give_back(flow: &Flow, release: Command) -> Ended {
    if let Err(why) = flow.store.commit(vec![release]).await {
        tracing::error!(%why, "leases cannot be given back; they end at their time");
    }
    Ended { again: true, settled: Ok(Vec::new()) }
}

/// Notes how it ended for each recipient; a message that has left is counted out.
async fn noted(flow: &Flow, job: &Job, outcomes: Vec<(u16, Outcome)>) -> Result<Vec<Late>, StoreError> {
    let settled = bounce::settle(flow, &job.record, &job.recipients, outcomes).await;
    if matches!(flow.store.queued(job.record.id).await, Ok(None)) {
        flow.queue.left(job.record.id);
    }
    settled
}
