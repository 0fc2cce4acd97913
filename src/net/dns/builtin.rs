//! Our own DNSSEC validation: hickory's, behind a wrapper that fails closed.
//!
//! What hickory-resolver 0.26.3 leaves to its caller, or gets wrong:
//! (a) records that a forger appended to an answer stay in it: only the chain that begins at the question counts,
//!     with the worst proof on it;
//! (b) a "no" whose authority section names an unrelated insecure zone comes back as insecure, a downgrade: the
//!     SOA must be of an ancestor of the name, and carries the verdict;
//! (c) `Nsec` with the proof "insecure" is a legal insecure denial (too many NSEC3 iterations, RFC 9276 §3.2);
//! (d) `ResolverOpts::trust_anchor` is ignored: anchors go in by `with_trust_anchor`;
//! (e) wildcard answers in NSEC zones, names under a DNAME and a "no" behind a CNAME are called bogus. The last is
//!     asked for again step by step; such hosts as the first two wait.

use crate::base::dns::Answer;
use crate::base::dns::Security;
use crate::base::dns::Validation;
use crate::net::Deed;
use crate::net::dns::CHAIN;
use crate::net::dns::DATAGRAM;
use crate::net::dns::LOOKUP;
use crate::net::dns::ask::Ask;
use crate::net::dns::ask::Chain;
use crate::net::dns::ask::KEEP;
use crate::net::dns::ask::Reply;
use crate::net::dns::ask::keep_no;
use crate::net::dns::ask::no;
use crate::net::dns::plain::resolver;
use crate::net::error::NetError;
use hickory_resolver::TokioResolver;
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::DnsError;
use hickory_resolver::net::NetError as ResolverError;
use hickory_resolver::proto::dnssec::Proof;
use hickory_resolver::proto::dnssec::TrustAnchors;
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::proto::rr::Record;
use hickory_resolver::proto::rr::RecordType;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::time::timeout;

/// Asks resolvers, believes none of them, and validates.
pub(super) struct Builtin {
    resolver: TokioResolver,
    servers: String,
}

impl Builtin {
    /// Asks `servers`; trusts the root's keys, or those in `anchors`.
    pub(super) fn new(servers: &[SocketAddr], anchors: Option<&Path>) -> Result<Self, NetError> {
        let anchors = match anchors {
            None => TrustAnchors::default(),
            Some(file) => TrustAnchors::from_file(file)
                .map_err(|why| NetError::Resolver(format!("trust anchors in {}: {why}", file.display())))?,
        };
        let resolver = resolver(servers, |mut builder| {
            let options = builder.options_mut();
            options.edns_payload_len = DATAGRAM;
            builder.with_trust_anchor(Arc::new(anchors))
        })?;
        let servers: Vec<String> = servers.iter().map(|server| server.ip().to_string()).collect();
        Ok(Self { resolver, servers: servers.join(", ") })
    }
}

impl Builtin {
    async fn once(&self, name: Name, kind: RecordType) -> Reply {
        match self.resolver.lookup(name.clone(), kind).await {
            Ok(lookup) => positive(&lookup, name, kind),
            Err(ResolverError::Dns(why)) => negative(why, name),
            Err(why) => Reply::error(name, why.to_string()),
        }
    }

    /// Case (e): a "no" behind an alias is proven step by step, each asked for and validated by itself.
    async fn step_by_step(&self, name: Name, kind: RecordType) -> Reply {
        let mut worst = Security::Secure;
        let mut end = name;
        let mut keep = KEEP;
        for _ in 0..=CHAIN {
            let reply = self.once(end.clone(), kind).await;
            let bogus = reply.answer == Answer::Bogus && kind != RecordType::CNAME;
            if !bogus {
                return Reply {
                    answer: at_most(worst, reply.answer),
                    end: reply.end,
                    keep: keep.min(reply.keep),
                };
            }
            let alias = self.once(end.clone(), RecordType::CNAME).await;
            let Answer::Records(security, records) = &alias.answer else { return reply };
            let Some(RData::CNAME(target)) = records.first() else { return reply };
            worst = worst.min(*security);
            keep = keep.min(alias.keep);
            end = target.0.clone();
        }
        Reply::none(end, Answer::Bogus)
    }
}

/// The same answer, worth no more than this.
fn at_most(most: Security, answer: Answer<RData>) -> Answer<RData> {
    match answer {
        Answer::Records(security, records) => Answer::Records(security.min(most), records),
        Answer::NoData(security) => Answer::NoData(security.min(most)),
        Answer::NxDomain(security) => Answer::NxDomain(security.min(most)),
        Answer::Bogus => Answer::Bogus,
        Answer::Error(why) => Answer::Error(why),
    }
}

impl Ask for Builtin {
    fn ask(&self, name: Name, kind: RecordType) -> Deed<'_, Reply> {
        Box::pin(async move {
            let late = name.clone();
            let reply = timeout(LOOKUP, self.step_by_step(name, kind)).await;
            reply.unwrap_or_else(|_| Reply::error(late, "no answer in time"))
        })
    }

    fn test(&self) -> Deed<'_, Validation> {
        Box::pin(async move {
            match self.ask(Name::root(), RecordType::SOA).await.answer {
                Answer::Records(Security::Secure, _) => {
                    Validation::By(format!("this server itself, with answers from {}", self.servers))
                }
                Answer::Error(why) => Validation::Broken(format!("{} does not answer: {why}", self.servers)),
                _ => Validation::Broken(format!(
                    "answers from {} cannot be validated: it hands on no DNSSEC records, or the clock is wrong",
                    self.servers
                )),
            }
        })
    }
}

/// Cases (a) and, where wildcards are concerned, (b).
fn positive(lookup: &Lookup, name: Name, kind: RecordType) -> Reply {
    let chain = match Chain::follow(lookup.answers(), &name, kind) {
        Ok(chain) if !chain.found.is_empty() => chain,
        // Something was found, but not in the answer to this question.
        _ => return Reply::none(name, Answer::Bogus),
    };
    let worst = chain.aliases.iter().chain(&chain.found).map(|record| security(record)).min().flatten();
    let Some(worst) = worst else { return Reply::none(name, Answer::Bogus) };
    let authority = lookup.authorities().iter().filter(|record| !is_signature(record));
    if worst == Security::Secure && authority.map(security).any(|found| found != Some(Security::Secure)) {
        // An unproven authority section is how the proof behind a wildcard would be left out.
        return Reply::none(name, Answer::Bogus);
    }
    Reply { answer: Answer::Records(worst, chain.data()), keep: chain.keep(), end: chain.end }
}

/// Cases (b) and (c).
fn negative(why: DnsError, name: Name) -> Reply {
    match why {
        DnsError::NoRecordsFound(none) => {
            let authorities = none.authorities.as_deref().unwrap_or_default();
            let asked = none.query.name().clone();
            let proven = denial(authorities, &asked);
            // Behind an alias only the last step is seen here: the whole is not called secure.
            let proven = if asked == name { proven } else { proven.map(|_| Security::Insecure) };
            refused(none.response_code, proven, authorities, asked)
        }
        DnsError::Nsec { query, response, proof: Proof::Insecure, .. } => {
            let (asked, authorities) = (query.name().clone(), &response.authorities);
            let proven = insecure_denial(authorities, &asked).then_some(Security::Insecure);
            refused(response.metadata.response_code, proven, authorities, asked)
        }
        DnsError::Nsec { .. } | DnsError::DnssecBogus => Reply::none(name, Answer::Bogus),
        DnsError::ResponseCode(code) => Reply::error(name, format!("the server said {code}")),
        why => Reply::error(name, why.to_string()),
    }
}

fn refused(code: ResponseCode, proven: Option<Security>, authorities: &[Record], end: Name) -> Reply {
    match proven {
        Some(security) => Reply { answer: no(code, security), end, keep: keep_no(authorities) },
        None => Reply::none(end, Answer::Bogus),
    }
}

/// What a denial is worth: secure if everything in it is and an NSEC or NSEC3 record carries it, insecure if the
/// SOA of the name's own zone is; else nothing.
fn denial(authorities: &[Record], name: &Name) -> Option<Security> {
    let mut origin = None;
    for record in authorities.iter().filter(|record| record.record_type() == RecordType::SOA) {
        if !record.name.zone_of(name) {
            return None;
        }
        origin = Some(security(record)?.min(origin.unwrap_or(Security::Secure)));
    }
    let mut others = authorities.iter().filter(|record| !is_signature(record));
    match origin? {
        Security::Indeterminate => None,
        Security::Insecure => Some(Security::Insecure),
        Security::Secure => {
            let carried = authorities.iter().any(is_denial);
            let whole = others.all(|record| security(record) == Some(Security::Secure));
            (carried && whole).then_some(Security::Secure)
        }
    }
}

/// A denial by NSEC3 with more iterations than are followed: nothing in it is bogus, and all of it is the zone's.
fn insecure_denial(authorities: &[Record], name: &Name) -> bool {
    let mut origins = authorities.iter().filter(|record| record.record_type() == RecordType::SOA);
    let (Some(origin), None) = (origins.next(), origins.next()) else { return false };
    let of_the_zone = |record: &Record| origin.name.zone_of(&record.name);
    origin.name.zone_of(name)
        && authorities.iter().all(of_the_zone)
        && authorities.iter().filter(|record| !is_signature(record)).all(|record| security(record).is_some())
}

fn security(record: &Record) -> Option<Security> {
    match record.proof {
        Proof::Secure => Some(Security::Secure),
        Proof::Insecure => Some(Security::Insecure),
        Proof::Bogus | Proof::Indeterminate => None,
    }
}

/// Of the signatures only the one that was used carries a proof.
fn is_signature(record: &Record) -> bool {
    record.record_type() == RecordType::RRSIG
}

fn is_denial(record: &Record) -> bool {
    matches!(record.record_type(), RecordType::NSEC | RecordType::NSEC3)
}
