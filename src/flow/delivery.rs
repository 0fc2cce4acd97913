//! One try: from a queued message and a destination to an outcome for each recipient.
//!
//! Hosts are tried in their order until every recipient has a final answer; what the last of them said for now is
//! the reason to wait. Nothing of the envelope is said before the TLS policy has passed.

use crate::flow::Flow;
use crate::flow::connections::Connections;
use crate::flow::connections::Try;
use crate::flow::course;
use crate::flow::course::Course;
use crate::flow::course::SLOW;
use crate::flow::due::Terms;
use crate::flow::hosts::Host;
use crate::flow::hosts::hosts;
use crate::flow::hosts::own_place;
use crate::flow::mta_sts;
use crate::flow::queue::Destination;
use crate::flow::queue::Job;
use crate::flow::queue::TRY;
use crate::flow::session::Broken;
use crate::flow::session::Session;
use crate::flow::unrecorded::Held;
use crate::flow::unrecorded::Room;
use crate::flow::wire::Wire;
use crate::net::dial::DialError;
use crate::net::dial::Dialer;
use crate::net::dial::in_turn;
use crate::net::http_client::HttpsClient;
use crate::net::stream::Stream;
use crate::net::tls::TlsClient;
use crate::policy::mta_sts::Policy;
use crate::policy::mta_sts::Sts;
use crate::policy::tls::Attempt;
use crate::policy::tls::Facts;
use crate::policy::tls::Proof;
use crate::policy::tls::Then;
use crate::policy::tls::before;
use crate::smtp::client::Trouble;
use crate::store::body::BodyReader;
use crate::store::error::StoreError;
use crate::store::record_queue::QueueRecord;
use crate::store::record_queue::QueuedRecipient;
use crate::vault::frames::FrameFile;
use crate::vault::frames::FrameKey;
use crate::vault::frames::FrameReader;
use rustls::pki_types::TrustAnchor;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Failed connections of one try: whatever a stranger's DNS lists, a try ends.
const DIALS: usize = 20;
/// Addresses that are met in one try behind others of their hosts, which had answered in vain.
const FURTHER: usize = 20;

/// A handover: the peer said 250.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Handover {
    /// Who took it, and what was proven: `mx.example [192.0.2.1] tls=unauthenticated TLSv1.3 …; 250 2.0.0 ok`.
    pub proof: String,
    /// What was proven.
    pub proven: Proof,
    /// Of these words, those about the connection: `tls=unauthenticated TLSv1.3 …`.
    pub link: String,
    /// The host.
    pub host: String,
    /// Its reply.
    pub reply: String,
    /// The peer was told what the sender wants to know, and tells it (RFC 3461 §5.2.1).
    pub reports: bool,
}

/// How a try ended for one recipient.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Taken.
    Delivered(Handover),
    /// Not this time.
    Again(Trouble),
    /// There was no turn for it: it waits, and is not given up for that.
    Untried(Trouble),
    /// Given up.
    Failed(Trouble),
}

/// Carries mail to other servers.
#[derive(Clone, Debug, Default)]
pub struct Courier {
    /// How connections are opened.
    pub dialer: Dialer,
    /// The client's side of TLS.
    pub tls: TlsClient,
    /// How MTA-STS policies are fetched.
    pub web: HttpsClient,
    /// Those that wait for the next message.
    pub connections: Connections,
}

/// What is known of a try so far.
pub(in crate::flow) struct Progress {
    /// Recipients without a final answer.
    pub(in crate::flow) open: Vec<QueuedRecipient>,
    done: Vec<(u16, Outcome)>,
    /// By recipient: why it is still open.
    waiting: Vec<(u16, Trouble)>,
    /// What was found at hosts, not at recipients: what outweighs the rest.
    trouble: Option<Trouble>,
    /// Addresses that may still be tried in vain.
    dials: usize,
    /// Addresses that may still be met behind others of their hosts.
    further: usize,
    /// The TLS policy has passed somewhere: from then on what is left to wait for is a peer, whatever other hosts do.
    pub(in crate::flow) passed: bool,
    /// A host has said something, though it may have been no.
    met: bool,
    pub(in crate::flow) course: Course,
    leaving: JoinSet<()>,
    room: Room,
    held: Option<Held>,
}

/// A try that ended.
pub(in crate::flow) struct Tried<'c> {
    /// One for each recipient.
    pub(in crate::flow) outcomes: Vec<(u16, Outcome)>,
    /// Connections over which QUIT was said; they are there until these end.
    pub(in crate::flow) leaving: JoinSet<()>,
    /// It counts until then.
    pub(in crate::flow) under_way: Try<'c>,
    /// Until the outcomes are noted.
    pub(in crate::flow) held: Option<Held>,
    /// Nobody answers at the destination: whatever else waits for it would fare no better.
    pub(in crate::flow) silence: Option<Trouble>,
}

impl Progress {
    fn new(recipients: &[QueuedRecipient], room: Room, course: Course) -> Self {
        Self {
            open: recipients.to_vec(),
            done: Vec::new(),
            waiting: Vec::new(),
            trouble: None,
            dials: DIALS,
            further: FURTHER,
            passed: false,
            met: false,
            course,
            leaving: JoinSet::new(),
            room,
            held: None,
        }
    }

    /// A final answer for one recipient.
    pub(in crate::flow) fn end(&mut self, number: u16, outcome: Outcome) {
        self.open.retain(|recipient| recipient.number != number);
        self.done.push((number, outcome));
    }

    /// A host's "not now" to one recipient.
    pub(in crate::flow) fn put_off(&mut self, number: u16, trouble: Trouble) {
        self.waiting.retain(|(known, _)| *known != number);
        self.waiting.push((number, trouble));
    }

    /// Trouble with a host as a whole.
    fn found(&mut self, trouble: Trouble) {
        self.met |= !trouble.is_unreached();
        if trouble.unmet.is_some() {
            self.course.decided();
        }
        if !self.trouble.as_ref().is_some_and(|known| known.outweighs(&trouble)) {
            self.trouble = Some(trouble);
        }
    }

    /// The TLS policy has passed.
    pub(in crate::flow) fn pass(&mut self) {
        self.passed = true;
        self.course.decided();
    }

    /// Leaves a connection: what was decided over it counts from now on.
    pub(in crate::flow) fn leave(&mut self, wire: Wire) {
        self.leaving.spawn(wire.quit());
    }

    /// Waits until the peer may take one more message.
    pub(in crate::flow) async fn hold(&mut self) {
        if self.held.is_none() {
            self.held = Some(self.room.hold().await);
        }
    }

    /// Nothing can be done for whoever is open.
    fn end_all(&mut self, trouble: &Trouble) {
        for recipient in std::mem::take(&mut self.open) {
            self.done.push((recipient.number, Outcome::Failed(trouble.clone())));
        }
    }

    /// How the try ended for a recipient without a final answer.
    fn unanswered(&self, number: u16) -> Outcome {
        let own = self.waiting.iter().find(|(known, _)| *known == number);
        let trouble = own.map(|(_, trouble)| trouble.clone()).or_else(|| self.trouble.clone());
        let trouble = trouble.unwrap_or_else(|| Trouble::new((4, 4, 2), "the try was cut off"));
        let trouble = Trouble { passed: trouble.passed || self.passed, ..trouble };
        if trouble.is_transient() { Outcome::Again(trouble) } else { Outcome::Failed(trouble) }
    }

    /// The end of the try, which took so long.
    fn ended(mut self, under_way: Try<'_>, age: Duration) -> Tried<'_> {
        let facts = course::Facts { stage: self.course.stage(), age, unreached: !self.met };
        let silence =
            self.trouble.clone().filter(|trouble| trouble.is_transient() && course::is_silence(facts));
        for recipient in std::mem::take(&mut self.open) {
            let outcome = self.unanswered(recipient.number);
            self.done.push((recipient.number, outcome));
        }
        Tried { outcomes: self.done, leaving: self.leaving, under_way, held: self.held, silence }
    }
}

impl Courier {
    /// Makes the try; every recipient of the job gets an outcome.
    pub(in crate::flow) async fn deliver(
        &self,
        flow: &Flow,
        terms: &Terms,
        job: &Job,
        room: Room,
        course: Course,
    ) -> Tried<'_> {
        let begun = flow.clock.running();
        let mut progress = Progress::new(&job.recipients, room, course);
        let under_way = self.connections.begin();
        let course = progress.course.clone();
        let cut = tokio::select! {
            biased;
            tried = timeout(TRY, self.try_hosts(flow, terms, job, &mut progress)) => {
                tried.err().map(|_| "the try took too long")
            }
            () = course.ends() => Some("the try took long, and others waited for its place"),
        };
        if let Some(why) = cut {
            progress.found(Trouble::new((4, 4, 2), why));
        }
        progress.ended(under_way, flow.clock.running().saturating_sub(begun))
    }

    async fn try_hosts(&self, flow: &Flow, terms: &Terms, job: &Job, progress: &mut Progress) {
        // Who is met, and what is said there: by one configuration, whatever is in force at the end.
        let hosts = match hosts(flow, &terms.config, &job.destination).await {
            Ok(hosts) => hosts,
            Err(trouble) if trouble.is_transient() => return progress.found(trouble),
            Err(trouble) => return progress.end_all(&trouble),
        };
        let policy = self.policy(flow, terms, job).await;
        for equals in hosts.chunk_by(|host, next| host.preference == next.preference) {
            if let Some(trouble) = own_place(flow, &self.dialer, equals).await {
                return progress.found(trouble);
            }
            for host in equals {
                progress.course.next_host();
                match self.with_host(flow, terms, job, host, policy.as_ref(), progress).await {
                    Ok(()) => {}
                    Err(Unreached::Ourselves(trouble)) => return progress.found(trouble.at(&host.name)),
                    Err(Unreached::Trouble(trouble)) => progress.found(trouble.at(&host.name)),
                }
                if progress.open.is_empty() {
                    return;
                }
                // A try has one connection at a time.
                while progress.leaving.join_next().await.is_some() {}
            }
        }
    }

    /// What the recipients' domain says by MTA-STS, where that can make a difference.
    async fn policy(&self, flow: &Flow, terms: &Terms, job: &Job) -> Option<Policy> {
        let asked = terms.demand.ok()?.requirement();
        match &job.destination {
            Destination::Domain(domain) if !asked.wants_dane() && !asked.wants_stored() => {
                mta_sts::of(flow, &self.web, domain).await
            }
            Destination::Domain(_) | Destination::Smarthost => None,
        }
    }

    /// The authorities of the Web, where a policy asks for them.
    fn roots(&self, policy: Option<&Policy>) -> &[TrustAnchor<'static>] {
        if policy.is_some() { self.web.roots.anchors() } else { &[] }
    }

    /// One host: what DNS says, what the policy says to that, then a conversation at one of its addresses. Where nothing
    /// of the envelope was answered there, the next address is as good (RFC 5321 §5.1).
    async fn with_host(
        &self,
        flow: &Flow,
        terms: &Terms,
        job: &Job,
        host: &Host,
        policy: Option<&Policy>,
        progress: &mut Progress,
    ) -> Result<(), Unreached> {
        let demand = terms.demand.map_err(|why| Trouble::new((4, 3, 5), why.to_string()))?;
        let survey = host.survey(flow, demand).await?;
        let facts = Facts {
            dane: &survey.dane,
            stored: &terms.stored,
            host: host.domain(),
            host_security: host.security(),
            next_hop: match &job.destination {
                Destination::Domain(domain) => Some(domain),
                Destination::Smarthost => host.domain(),
            },
            sts: policy.map_or(Sts::None, |policy| policy.at(host.domain())),
            roots: self.roots(policy),
        };
        let (config, connections) = (Arc::clone(&terms.config), &self.connections);
        let session = Session { flow, config, job, host, demand, facts, tls: &self.tls, connections };
        before(demand, &facts).map_err(|refusal| session.refused(refusal))?;
        match session.go_on(&survey.addresses, progress).await {
            Some(Ok(())) => return Ok(()),
            Some(Err(Broken::Stale(why))) => {
                tracing::debug!(queue = %job.record.id, host = %host.name, %why, "an open connection was of no use");
            }
            Some(Err(Broken::Early(trouble) | Broken::Trouble(trouble))) => return Err(trouble.into()),
            Some(Err(Broken::Refused(refusal))) => return Err(session.refused(refusal).into()),
            None => {}
        }
        if progress.open.is_empty() {
            return Ok(());
        }
        let mut left = in_turn(&survey.addresses);
        let mut met = None;
        let began = flow.clock.running();
        loop {
            let stream = match self.reach(&session, &mut left, progress).await {
                Ok(stream) => stream,
                // Beside what an address has answered it is nothing that another does not.
                Err(why) => return Err(met.map_or(why, Unreached::Trouble)),
            };
            let trouble = match self.at_address(&session, stream, progress).await {
                Ok(()) => return Ok(()),
                Err(Broken::Trouble(trouble) | Broken::Stale(trouble)) => return Err(trouble.into()),
                Err(Broken::Early(trouble)) => trouble,
                Err(Broken::Refused(refusal)) => session.refused(refusal),
            };
            // A host that answers nothing at any of them is not to keep the next one from being asked.
            let is_slow = flow.clock.running().saturating_sub(began) >= SLOW;
            if left.is_empty() || progress.further == 0 || is_slow {
                return Err(trouble.into());
            }
            progress.further -= 1;
            progress.found(trouble.clone().at(&host.name));
            met = Some(trouble);
        }
    }

    /// One address of a host. After a failed handshake there is one more conversation, over a new connection to it: with
    /// TLS again, or without where the policy lets it be plain.
    async fn at_address(
        &self,
        session: &Session<'_>,
        mut stream: Stream,
        progress: &mut Progress,
    ) -> Result<(), Broken> {
        let address = stream.peer().ip();
        let mut tls = Tls::Wanted(Attempt::First);
        loop {
            let refusal = match session.run(stream, tls, progress).await {
                Err(Broken::Refused(refusal)) => refusal,
                ended => return ended,
            };
            tls = match (refusal.then, tls) {
                (Then::Reconnect, Tls::Wanted(Attempt::First)) => Tls::Wanted(Attempt::Again),
                (Then::ReconnectPlain, Tls::Wanted(_)) => Tls::Plain,
                _ => return Err(Broken::Refused(refusal)),
            };
            stream = match self.reach(session, &mut VecDeque::from([address]), progress).await {
                Ok(stream) => stream,
                Err(Unreached::Ourselves(trouble) | Unreached::Trouble(trouble)) => {
                    return Err(Broken::Early(trouble));
                }
            };
        }
    }

    /// A connection to a host, by the first of those addresses that are left.
    async fn reach(
        &self,
        session: &Session<'_>,
        left: &mut VecDeque<IpAddr>,
        progress: &mut Progress,
    ) -> Result<Stream, Unreached> {
        let (host, config) = (session.host, &session.config);
        session.connections.make_room(host, &session.job.destination, &config.limits).await;
        left.truncate(progress.dials);
        if left.is_empty() {
            return Err(
                Trouble::new((4, 4, 1), "not tried: too many addresses before it did not answer").into()
            );
        }
        let before = left.len();
        let reached = self.dialer.connect_next(left, host.port, host.named_by).await;
        let in_vain = before - left.len() - usize::from(reached.is_ok());
        progress.dials = progress.dials.saturating_sub(in_vain);
        reached.map_err(|why| match why {
            DialError::Ourselves(_) => Unreached::Ourselves(why.into()),
            DialError::Unreachable(_) => Unreached::Trouble(why.into()),
        })
    }
}

impl From<DialError> for Trouble {
    fn from(why: DialError) -> Self {
        match why {
            DialError::Ourselves(_) => Self::new((5, 4, 6), why.to_string()),
            DialError::Unreachable(why) => Self::new((4, 4, 1), why),
        }
    }
}

/// The message in clear, as it goes out; to be read where blocking is allowed.
pub(in crate::flow) async fn message_reader(
    flow: &Flow,
    record: &Arc<QueueRecord>,
) -> Result<FrameReader<BodyReader>, StoreError> {
    let key = frame_key(flow, record).await?;
    let body = &record.body;
    Ok(FrameReader::of_length(flow.store.bodies().open(body)?, key, body.length()))
}

/// The same, to be read from anywhere in it.
pub(in crate::flow) async fn message_file(
    flow: &Flow,
    record: &Arc<QueueRecord>,
) -> Result<FrameFile<BodyReader>, StoreError> {
    let key = frame_key(flow, record).await?;
    Ok(FrameFile::new(flow.store.bodies().open(&record.body)?, key)?)
}

async fn frame_key(flow: &Flow, record: &QueueRecord) -> Result<FrameKey, StoreError> {
    let gone = StoreError::Damaged { what: "the key of a queued message is gone" };
    let queue_key = match record.shred {
        None => None,
        Some(shred) => Some(flow.store.shred_key(shred).await?.ok_or(gone)?),
    };
    Ok(FrameKey::queue(&flow.keys.queue, queue_key.as_ref(), record.id))
}

/// Whether TLS is tried on a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::flow) enum Tls {
    /// Where the peer offers it.
    Wanted(Attempt),
    /// It failed on the connection before; this one goes without.
    Plain,
}

/// Why there is no connection to a host.
pub(in crate::flow) enum Unreached {
    /// It is this server.
    Ourselves(Trouble),
    /// Anything else.
    Trouble(Trouble),
}

impl From<Trouble> for Unreached {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_after_the_policy_has_passed_does_not_undo_that() {
        let cut = || Trouble::new((4, 4, 2), "the try took too long");
        for passed in [false, true] {
            let mut progress = Progress::new(&[], Room::none(), Course::new(false));
            progress.passed = passed;
            progress.found(Trouble { passed, ..Trouble::new((4, 3, 2), "not now") });
            progress.found(cut());
            assert_eq!(progress.unanswered(0), Outcome::Again(Trouble { passed, ..cut() }));
        }
    }
}
