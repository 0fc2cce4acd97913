//! What the hosts of a destination are like now: looked up, met, greeted, and left before anything of a message.
//!
//! A probe goes where a delivery would go and no further, and waits for no host before it meets the next; what it finds is
//! kept for a minute, and an answer that cannot wait takes what is known by then.

use crate::base::dns::Security;
use crate::flow::Flow;
use crate::flow::delivery::Courier;
use crate::flow::glimpse::Glimpse;
use crate::flow::glimpse::glimpse;
use crate::flow::hosts::Host;
use crate::flow::hosts::Survey;
use crate::flow::hosts::hosts;
use crate::flow::hosts::own_place;
use crate::flow::mta_sts;
use crate::flow::queue::Destination;
use crate::net::dial::DialError;
use crate::policy::mta_sts::Policy;
use crate::policy::tls::Attempt;
use crate::policy::tls::Demand;
use crate::policy::tls::Link;
use crate::policy::tls::Requirement;
use crate::policy::tls::Sender;
use crate::smtp::client::Trouble;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

/// What was found counts for so long.
const KEEP: Duration = Duration::from_secs(60);
/// Destinations remembered.
const ROOM: usize = 256;
/// Probes at once; more wait.
const AT_ONCE: usize = 8;
/// One probe in all, whatever its hosts do.
const PROBE: Duration = Duration::from_secs(40);

/// What is known of a destination by now.
#[derive(Clone, Debug, Default)]
pub(in crate::flow) struct Known {
    /// Its hosts in the order in which they are tried; or why there are none.
    pub(in crate::flow) hosts: Option<Result<Vec<Met>, Trouble>>,
    /// Why none is tried behind these: the place is our own.
    pub(in crate::flow) own_place: Option<Trouble>,
    /// Its MTA-STS policy, if it has one.
    pub(in crate::flow) policy: Option<Option<Policy>>,
    /// Nothing more will come.
    pub(in crate::flow) done: bool,
}

/// What is known of one of its hosts by now.
#[derive(Clone, Debug)]
pub(in crate::flow) struct Met {
    pub(in crate::flow) host: Host,
    /// What DNS says about it.
    pub(in crate::flow) survey: Option<Result<Survey, Trouble>>,
    /// What was met.
    pub(in crate::flow) seen: Option<Seen>,
}

/// What was met at a host.
#[derive(Clone, Debug)]
pub(in crate::flow) enum Seen {
    /// Nobody, or nobody who speaks SMTP.
    Nobody(Trouble),
    /// This server itself: whoever stands behind is not tried.
    Ourselves(Trouble),
    /// Somebody.
    Peer(Glimpse),
}

impl Met {
    /// How far the records that name it are proven.
    pub(in crate::flow) const fn security_in_words(&self) -> &'static str {
        match self.host.security() {
            Security::Secure => "secure",
            Security::Insecure => "insecure",
            Security::Indeterminate => "indeterminate",
        }
    }

    /// What a policy judges.
    pub(in crate::flow) fn link(&self) -> Option<Link<'_>> {
        let Some(Seen::Peer(glimpse)) = &self.seen else { return None };
        Some(match glimpse {
            Glimpse::NotOffered => Link::NotOffered,
            Glimpse::Refused => Link::Refused(Attempt::Again),
            Glimpse::Failed => Link::Failed(Attempt::Again),
            Glimpse::Hung => Link::Hung,
            Glimpse::Tls(facts) => {
                let peer = facts.peer.as_ref();
                Link::Tls {
                    chain: peer.map(|peer| peer.chain.as_slice()).unwrap_or_default(),
                    signature_good: peer.is_some_and(|peer| peer.signature_good),
                }
            }
        })
    }
}

/// Probes under way, and what the last ones found.
pub(in crate::flow) struct Probes {
    kept: Mutex<HashMap<Destination, Probe>>,
    room: Arc<Semaphore>,
}

/// One probe; it ends with this.
struct Probe {
    begun: Instant,
    known: watch::Receiver<Known>,
    _task: AbortOnDropHandle<()>,
}

impl Default for Probes {
    fn default() -> Self {
        Self { kept: Mutex::default(), room: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Probes {
    /// What is known of `destination` within `patience`.
    pub(in crate::flow) async fn look(
        &self,
        flow: &Arc<Flow>,
        courier: &Courier,
        destination: &Destination,
        patience: Duration,
    ) -> Known {
        let mut known = self.begun(flow, courier, destination);
        let _ = timeout(patience, known.wait_for(|known| known.done)).await;
        known.borrow().clone()
    }

    /// The probe of the last minute, or a new one.
    fn begun(
        &self,
        flow: &Arc<Flow>,
        courier: &Courier,
        destination: &Destination,
    ) -> watch::Receiver<Known> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, probe| probe.begun.elapsed() < KEEP);
        if let Some(probe) = kept.get(destination) {
            return probe.known.clone();
        }
        if kept.len() >= ROOM {
            let first = kept.iter().min_by_key(|(_, probe)| probe.begun).map(|(of, _)| of.clone());
            first.map(|first| kept.remove(&first));
        }
        let (sender, known) = watch::channel(Known::default());
        let (flow, courier, of) = (Arc::clone(flow), courier.clone(), destination.clone());
        let room = Arc::clone(&self.room);
        let task = tokio::spawn(async move {
            let Ok(_place) = room.acquire().await else { return };
            let all = probe(flow, courier, of, Arc::new(sender.clone()));
            let _ = timeout(PROBE, all).await;
            sender.send_modify(|known| known.done = true);
        });
        let probe =
            Probe { begun: Instant::now(), known: known.clone(), _task: AbortOnDropHandle::new(task) };
        kept.insert(destination.clone(), probe);
        known
    }
}

/// All hosts that a delivery would try, those of one preference at once, and the policy beside them.
async fn probe(
    flow: Arc<Flow>,
    courier: Courier,
    destination: Destination,
    known: Arc<watch::Sender<Known>>,
) {
    let policy = async {
        let policy = match &destination {
            Destination::Domain(domain) => mta_sts::of(&flow, &courier.web, domain).await,
            Destination::Smarthost => None,
        };
        known.send_modify(|known| known.policy = Some(policy));
    };
    let met = async {
        let found = hosts(&flow, &flow.config(), &destination).await;
        let list = found.clone().unwrap_or_default();
        let hosts =
            found.map(|hosts| hosts.into_iter().map(|host| Met { host, survey: None, seen: None }).collect());
        known.send_modify(|known| known.hosts = Some(hosts));
        let mut tasks = JoinSet::new();
        let mut tried = 0;
        for equals in list.chunk_by(|host, next| host.preference == next.preference) {
            if let Some(trouble) = own_place(&flow, &courier.dialer, equals).await {
                known.send_modify(|known| {
                    if let Some(Ok(hosts)) = &mut known.hosts {
                        hosts.truncate(tried);
                    }
                    known.own_place = Some(trouble.clone());
                });
                break;
            }
            for (at, host) in (tried..).zip(equals.iter().cloned()) {
                let (flow, courier, known) = (flow.clone(), courier.clone(), known.clone());
                tasks.spawn(async move { meet(&flow, &courier, &host, at, &known).await });
            }
            tried += equals.len();
        }
        while tasks.join_next().await.is_some() {}
    };
    tokio::join!(policy, met);
}

async fn meet(flow: &Flow, courier: &Courier, host: &Host, at: usize, known: &watch::Sender<Known>) {
    let note = |change: &dyn Fn(&mut Met)| {
        known.send_modify(|known| {
            if let Some(Ok(hosts)) = &mut known.hosts
                && let Some(met) = hosts.get_mut(at)
            {
                change(met);
            }
        });
    };
    // The strictest level asks DNS for everything.
    let strictest = Demand::new(Requirement::DaneOnly, Sender::Ordinary);
    let survey = host.survey(flow, strictest).await;
    note(&|met| met.survey = Some(survey.clone()));
    let Ok(survey) = survey else { return };
    let name = host.asked_for(&survey.dane);
    let mut seen = greet(flow, courier, host, &survey, name).await;
    if matches!(seen, Seen::Peer(Glimpse::Refused | Glimpse::Failed)) {
        // As a delivery does: once more, on a new connection.
        seen = greet(flow, courier, host, &survey, name).await;
    }
    note(&|met| met.seen = Some(seen.clone()));
}

async fn greet(flow: &Flow, courier: &Courier, host: &Host, survey: &Survey, name: &str) -> Seen {
    let stream = match courier.dialer.connect(&survey.addresses, host.port, host.named_by).await {
        Ok(stream) => stream,
        Err(why @ DialError::Ourselves(_)) => return Seen::Ourselves(why.into()),
        Err(why @ DialError::Unreachable(_)) => return Seen::Nobody(why.into()),
    };
    match glimpse(stream, &courier.tls, name, flow.config().hostname.to_string()).await {
        Ok(glimpse) => Seen::Peer(glimpse),
        Err(trouble) => Seen::Nobody(trouble),
    }
}
