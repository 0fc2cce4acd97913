//! What would happen to a message: how it would be encrypted, and how it would travel under each TLS policy.
//!
//! Nothing is decided here that a submission and a delivery do not decide by the same functions.

use crate::base::address::Address;
use crate::base::address::Domain;
use crate::base::reply::Reply;
use crate::base::requirement::Requirement;
use crate::base::requirement::Unmet;
use crate::base::reverse_path::ReversePath;
use crate::config::Config;
use crate::flow::Flow;
use crate::flow::delivery::Courier;
use crate::flow::delivery::Unreached;
use crate::flow::glimpse::Glimpse;
use crate::flow::plan;
use crate::flow::probe::Known;
use crate::flow::probe::Met;
use crate::flow::probe::Probes;
use crate::flow::probe::Seen;
use crate::flow::queue::Destination;
use crate::flow::refusal::TakeError;
use crate::flow::stored_certificates;
use crate::policy::dane::Dane;
use crate::policy::encryption::Conversation;
use crate::policy::encryption::Rule;
use crate::policy::encryption::Said;
use crate::policy::mta_sts::Mode;
use crate::policy::mta_sts::Sts;
use crate::policy::sender;
use crate::policy::tls::Demand;
use crate::policy::tls::Facts;
use crate::policy::tls::Link;
use crate::policy::tls::Proof;
use crate::policy::tls::Refusal;
use crate::policy::tls::Sender;
use crate::policy::tls::Stored;
use crate::policy::tls::Then;
use crate::policy::tls::before;
use crate::policy::tls::judge;
use crate::smtp::client::Trouble;
use crate::store::error::StoreError;
use std::sync::Arc;
use std::time::Duration;

/// An answer takes so long at most; what is not known by then is said to be unknown.
const PATIENCE: Duration = Duration::from_millis(4_500);

/// Forecasts, with what the last ones found.
#[derive(Default)]
pub struct Forecasts(Probes);

/// What would happen to a message.
#[derive(Clone, Debug)]
pub struct Forecast {
    /// What becomes of one that asks for encryption: the word of the Sent copy; or why it is refused.
    pub marked: Result<&'static str, String>,
    /// The same of one that says nothing.
    pub unmarked: Result<&'static str, String>,
    /// How it travels; nothing for somebody here, or where nobody may send it.
    pub way: Option<WayThere>,
}

/// How a message would travel.
#[derive(Clone, Debug)]
pub struct WayThere {
    /// In two words, as people see it beside an address before they send: `DANE ok`, `TLS`, `no TLS`, `unknown`; of a
    /// message that asks for nothing.
    pub transport: &'static str,
    /// What is asked of the way.
    pub demand: Demand,
    /// It goes by the smarthost.
    pub smarthost: bool,
    /// What the recipients' domain says by MTA-STS; nothing where that was not known in time.
    pub mta_sts: Option<Option<Mode>>,
    /// The hosts, in the order in which they are tried.
    pub hosts: Vec<HostThere>,
    /// What becomes of it under each level that its sender may ask for.
    pub levels: Vec<LevelThere>,
    /// Everything was known in time.
    pub complete: bool,
}

/// What is known of a host.
#[derive(Clone, Debug)]
pub struct HostThere {
    /// Its name.
    pub name: String,
    /// `secure`, `insecure`, or `indeterminate` where nobody validates: the records that name it.
    pub dnssec: &'static str,
    /// `usable`, `unusable`, `none` or `unknown`.
    pub tlsa: &'static str,
    /// `listed`, `not-listed`, `none` or `unknown`.
    pub mta_sts: &'static str,
    /// `works`, `not-offered`, `refused`, `fails` or `unknown`.
    pub starttls: &'static str,
    /// `TLSv1.3`.
    pub version: Option<&'static str>,
    /// What it presented.
    pub certificate: Option<Stored>,
    /// Why it could not be met.
    pub trouble: Option<String>,
}

/// What becomes of a message under a level.
#[derive(Clone, Debug)]
pub struct LevelThere {
    /// Which.
    pub level: Requirement,
    /// What becomes of it.
    pub outcome: Outcome,
}

/// What becomes of it.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// A host takes it, with this proof.
    Deliver {
        /// Which host.
        host: String,
        /// What is proven.
        proof: Proof,
    },
    /// It waits.
    Defer(Trouble),
    /// It comes back.
    Bounce(Trouble),
    /// Not known in time.
    Unknown,
}

impl Outcome {
    fn in_two_words(&self) -> &'static str {
        match self {
            Self::Deliver { proof: Proof::Dane | Proof::DaneAndStored, .. } => "DANE ok",
            Self::Deliver { proof: Proof::None, .. } => "no TLS",
            Self::Deliver {
                proof: Proof::Unauthenticated | Proof::MtaSts | Proof::Stored { .. }, ..
            } => "TLS",
            Self::Defer(_) | Self::Bounce(_) | Self::Unknown => "unknown",
        }
    }
}

impl Forecasts {
    /// What would happen to a message from `from` to `address`.
    pub async fn of(
        &self,
        flow: &Arc<Flow>,
        courier: &Courier,
        from: &Address,
        address: &Address,
    ) -> Result<Forecast, StoreError> {
        let config = flow.config();
        let (account, asked) = match writer(flow, &config, from).await? {
            Ok(writer) => writer,
            Err(refusal) => {
                let refused = || Err(refusal.to_string().trim_end().to_owned());
                return Ok(Forecast { marked: refused(), unmarked: refused(), way: None });
            }
        };
        let rule = plan::rule(&config, [from, &account], address);
        let (marked, unmarked) = (
            decided(flow, &config, rule, address, Said::Secure).await?,
            decided(flow, &config, rule, address, Said::Nothing).await?,
        );
        if config.is_local(address.domain()) {
            return Ok(Forecast { marked, unmarked, way: None });
        }
        let smarthost = config.outbound.smarthost.is_some();
        let destination = match smarthost {
            true => Destination::Smarthost,
            false => Destination::Domain(address.domain().clone()),
        };
        let known = self.0.look(flow, courier, &destination, PATIENCE).await;
        let held = stored_for(flow, &config, &destination).await?;
        let (demand, sender) = (asked.and(config.outbound.requirement(address.domain())), asked.sender());
        let judging = Judging { flow, courier, known: &known, held: &held, destination: &destination };
        let levels = Requirement::ALL
            .into_iter()
            .filter(|level| *level != Requirement::DaneOnlyAndVerify || demand.requirement() == *level)
            .filter(|level| Demand::new(*level, sender).requirement() == *level)
            .map(|level| LevelThere { level, outcome: judging.outcome(Demand::new(level, sender)) })
            .collect();
        let hosts = match &known.hosts {
            Some(Ok(met)) => met.iter().map(|met| shown(met, &known)).collect(),
            Some(Err(_)) | None => Vec::new(),
        };
        let transport = judging.outcome(Demand::default()).in_two_words();
        let mta_sts = known.policy.as_ref().map(|policy| policy.as_ref().map(|policy| policy.mode));
        let way = WayThere { transport, demand, smarthost, mta_sts, hosts, levels, complete: known.done };
        Ok(Forecast { marked, unmarked, way: Some(way) })
    }
}

/// The account behind an address of ours, and what its alias asks for, if it is one that is on; else what MAIL would be
/// answered with.
async fn writer(
    flow: &Flow,
    config: &Config,
    from: &Address,
) -> Result<Result<(Address, Demand), Reply>, StoreError> {
    let Some(section) = config.secure_alias(from.domain()) else {
        return Ok(Ok((from.clone(), Demand::default())));
    };
    let account = Address::new(from.local(), section.name.clone()).unwrap_or_else(|_| from.clone());
    let record = match flow.store.mailbox_of(&account.key()).await? {
        Some(mailbox) => flow.store.mailbox(mailbox).await?,
        None => None,
    };
    let alias = record.and_then(|record| flow.alias_of(&record)).filter(|alias| alias.active);
    let own: Vec<_> = alias.iter().map(|alias| alias.address.key()).collect();
    let level = alias.map_or(Requirement::Encrypt, |alias| alias.level.requirement());
    let allowed = sender::envelope(&ReversePath::Address(from.clone()), &own);
    Ok(allowed.map(|()| (account, Demand::new(level, Sender::Secure))))
}

/// The decision of a submission.
async fn decided(
    flow: &Flow,
    config: &Config,
    rule: Rule,
    address: &Address,
    said: Said,
) -> Result<Result<&'static str, String>, StoreError> {
    match flow.way(config, rule, said, Conversation::New, address).await {
        Ok(way) => Ok(Ok(way.word())),
        Err(TakeError::Store(why)) => Err(why),
        Err(TakeError::Policy(why)) => Ok(Err(why)),
        Err(why) => Ok(Err(why.to_string())),
    }
}

async fn stored_for(
    flow: &Flow,
    config: &Config,
    destination: &Destination,
) -> Result<Vec<Stored>, StoreError> {
    let smarthost = config.outbound.smarthost.as_ref().and_then(|host| Domain::parse(&host.host).ok());
    match (destination, smarthost) {
        (Destination::Domain(domain), _) => stored_certificates::of(flow, domain).await,
        (Destination::Smarthost, Some(host)) => stored_certificates::of(flow, &host).await,
        (Destination::Smarthost, None) => Ok(Vec::new()),
    }
}

/// What a verdict needs.
struct Judging<'a> {
    flow: &'a Flow,
    courier: &'a Courier,
    known: &'a Known,
    held: &'a [Stored],
    destination: &'a Destination,
}

impl Judging<'_> {
    /// As a delivery has it: the first host that passes takes it; a permanent verdict only if no host failed for a
    /// transient reason.
    fn outcome(&self, demand: Demand) -> Outcome {
        let hosts = match &self.known.hosts {
            None => return Outcome::Unknown,
            Some(Err(trouble)) => return ended(trouble.clone()),
            Some(Ok(hosts)) => hosts,
        };
        let asked = demand.requirement();
        if self.known.policy.is_none() && !asked.wants_dane() && !asked.wants_stored() {
            return Outcome::Unknown;
        }
        let (mut troubles, mut unknown) = (Vec::new(), false);
        let mut end = self.known.own_place.clone();
        for met in hosts {
            match self.at(met, demand) {
                Some(Ok(proof)) => return Outcome::Deliver { host: met.host.name.clone(), proof },
                None => unknown = true,
                Some(Err(Unreached::Trouble(trouble))) => troubles.push(trouble.at(&met.host.name)),
                Some(Err(Unreached::Ourselves(trouble))) => {
                    end = Some(trouble.at(&met.host.name));
                    break;
                }
            }
        }
        troubles.extend(end);
        let told =
            troubles.into_iter().reduce(|known, later| if known.outweighs(&later) { known } else { later });
        match told {
            _ if unknown => Outcome::Unknown,
            Some(trouble) => ended(trouble),
            None => Outcome::Unknown,
        }
    }

    /// One host; nothing where it is not known in time.
    fn at(&self, met: &Met, demand: Demand) -> Option<Result<Proof, Unreached>> {
        let survey = match met.survey.as_ref()? {
            Ok(survey) => survey,
            Err(trouble) => return Some(Err(trouble.clone().into())),
        };
        let policy = self.known.policy.as_ref().and_then(Option::as_ref);
        let facts = Facts {
            dane: &survey.dane,
            stored: self.held,
            host: met.host.domain(),
            host_security: met.host.security(),
            next_hop: match self.destination {
                Destination::Domain(domain) => Some(domain),
                Destination::Smarthost => met.host.domain(),
            },
            sts: policy.map_or(Sts::None, |policy| policy.at(met.host.domain())),
            roots: if policy.is_some() { self.courier.web.roots.anchors() } else { &[] },
        };
        let refused = |refusal: Refusal| {
            let unmet = Unmet { requirement: demand.requirement(), reason: refusal.reason.clone() };
            Trouble { unmet: Some(Box::new(unmet)), ..Trouble::new(refusal.status(), refusal.to_string()) }
                .into()
        };
        if let Err(refusal) = before(demand, &facts) {
            return Some(Err(refused(refusal)));
        }
        match met.seen.as_ref()? {
            Seen::Nobody(trouble) => return Some(Err(trouble.clone().into())),
            Seen::Ourselves(trouble) => return Some(Err(Unreached::Ourselves(trouble.clone()))),
            Seen::Peer(_) => {}
        }
        let now = self.flow.clock.now();
        let verdict = match judge(demand, &facts, &met.link()?, now) {
            Err(refusal) if refusal.then == Then::ReconnectPlain => {
                judge(demand, &facts, &Link::PlainAgain, now)
            }
            verdict => verdict,
        };
        Some(verdict.map(|cleared| cleared.proof()).map_err(refused))
    }
}

fn ended(trouble: Trouble) -> Outcome {
    if trouble.is_transient() { Outcome::Defer(trouble) } else { Outcome::Bounce(trouble) }
}

fn shown(met: &Met, known: &Known) -> HostThere {
    let tlsa = match &met.survey {
        None | Some(Err(_)) => "unknown",
        Some(Ok(survey)) => match &survey.dane {
            Dane::None(_) => "none",
            Dane::Unusable => "unusable",
            Dane::Usable { .. } => "usable",
            Dane::Unknown(_) => "unknown",
        },
    };
    let mta_sts = match &known.policy {
        None => "unknown",
        Some(policy) => match policy.as_ref().map_or(Sts::None, |policy| policy.at(met.host.domain())) {
            Sts::None => "none",
            Sts::Testing { listed: true } | Sts::Enforce { listed: true } => "listed",
            Sts::Testing { listed: false } | Sts::Enforce { listed: false } => "not-listed",
        },
    };
    let (starttls, facts) = match &met.seen {
        None | Some(Seen::Nobody(_) | Seen::Ourselves(_)) => ("unknown", None),
        Some(Seen::Peer(Glimpse::NotOffered)) => ("not-offered", None),
        Some(Seen::Peer(Glimpse::Refused)) => ("refused", None),
        Some(Seen::Peer(Glimpse::Failed | Glimpse::Hung)) => ("fails", None),
        Some(Seen::Peer(Glimpse::Tls(facts))) => ("works", Some(facts)),
    };
    let own = facts.and_then(|facts| facts.peer.as_ref()).and_then(|peer| peer.chain.first());
    let trouble = match (&met.survey, &met.seen) {
        (Some(Err(trouble)), _) | (_, Some(Seen::Nobody(trouble) | Seen::Ourselves(trouble))) => {
            Some(trouble.to_string())
        }
        _ => None,
    };
    HostThere {
        name: met.host.name.clone(),
        dnssec: met.security_in_words(),
        tlsa,
        mta_sts,
        starttls,
        version: facts.map(|facts| facts.version),
        certificate: own.and_then(|own| Stored::certificate(own).ok()),
        trouble,
    }
}
