//! Domains and hosts looked up by any of the ways of asking, with a bounded memory.

use crate::base::address::Domain;
use crate::base::dns::Answer;
use crate::base::dns::Exchange;
use crate::base::dns::Exchanges;
use crate::base::dns::Located;
use crate::base::dns::Security;
use crate::base::dns::Tlsa;
use crate::base::dns::Validation;
use crate::net::Deed;
use crate::net::dns::ADDRESSES;
use crate::net::dns::Dns;
use crate::net::dns::EXCHANGES;
use crate::net::dns::TEXTS;
use crate::net::dns::TLSA_RECORDS;
use crate::net::dns::ask::Ask;
use crate::net::dns::ask::Reply;
use crate::net::dns::cache::Cache;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::proto::rr::RecordType;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// A good self-test is believed for so long.
const TESTED: Duration = Duration::from_secs(10 * 60);
/// A bad one.
const TESTED_BAD: Duration = Duration::from_secs(30);

/// Looks names up.
pub(super) struct Names {
    ask: Arc<dyn Ask>,
    cache: Cache,
    tested: Mutex<Option<(Instant, Validation)>>,
}

impl Names {
    /// By this way of asking.
    pub(super) fn new(ask: Arc<dyn Ask>) -> Self {
        Self { ask, cache: Cache::default(), tested: Mutex::default() }
    }

    async fn ask(&self, name: &str, kind: RecordType) -> Reply {
        // The final dot keeps search lists out.
        let Ok(name) = Name::from_ascii(format!("{name}.")) else {
            return Reply::error(Name::root(), "the name cannot be asked for");
        };
        if let Some(reply) = reserved(&name) {
            return reply;
        }
        if let Some(reply) = self.cache.find(&name, kind, Instant::now()) {
            return reply;
        }
        let reply = bounded(self.ask.ask(name.clone(), kind).await, kind);
        self.cache.keep(name, kind, &reply, Instant::now());
        reply
    }
}

/// Names that no server knows, and that are asked of none (RFC 6761 §6.4, RFC 7686 §2).
fn reserved(name: &Name) -> Option<Reply> {
    let last = name.iter().next_back()?.to_ascii_lowercase();
    [&b"invalid"[..], b"onion", b"localhost"]
        .contains(&last.as_slice())
        .then(|| Reply::none(name.clone(), Answer::NxDomain(Security::Insecure)))
}

impl Dns for Names {
    fn mx<'a>(&'a self, domain: &'a Domain) -> Deed<'a, Exchanges> {
        Box::pin(async move {
            let reply = self.ask(domain.as_str(), RecordType::MX).await;
            let expanded = as_domain(&reply.end).filter(|end| end != domain);
            Exchanges { answer: reply.answer.read(|record| exchange(&record)), expanded }
        })
    }

    fn addresses<'a>(&'a self, host: &'a Domain) -> Deed<'a, Located<IpAddr>> {
        Box::pin(async move {
            if host.as_str() == "localhost" || host.as_str().ends_with(".localhost") {
                // RFC 6761 §6.3: never asked of a server.
                let here = vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
                return Located { addresses: Answer::Records(Security::Insecure, here), expanded: None };
            }
            let (four, six) = tokio::join!(
                self.ask(host.as_str(), RecordType::A),
                self.ask(host.as_str(), RecordType::AAAA)
            );
            let expanded = [&four.end, &six.end].into_iter().filter_map(as_domain).find(|end| end != host);
            Located { addresses: both(four.answer, six.answer), expanded }
        })
    }

    fn alias<'a>(&'a self, host: &'a Domain) -> Deed<'a, Answer<Domain>> {
        Box::pin(async move {
            let answer = self.ask(host.as_str(), RecordType::CNAME).await.answer;
            answer.read(|record| match record {
                RData::CNAME(target) => as_domain(&target.0),
                _ => None,
            })
        })
    }

    fn tlsa<'a>(&'a self, host: &'a Domain, port: u16) -> Deed<'a, Answer<Tlsa>> {
        Box::pin(async move {
            // RFC 6698 §3.
            let name = format!("_{port}._tcp.{host}");
            let answer = self.ask(&name, RecordType::TLSA).await.answer;
            answer.read(|record| match record {
                RData::TLSA(tlsa) => Some(Tlsa {
                    usage: tlsa.cert_usage.into(),
                    selector: tlsa.selector.into(),
                    matching: tlsa.matching.into(),
                    data: tlsa.cert_data,
                }),
                _ => None,
            })
        })
    }

    fn text<'a>(&'a self, label: &'a str, domain: &'a Domain) -> Deed<'a, Answer<Vec<u8>>> {
        Box::pin(async move {
            let answer = self.ask(&format!("{label}.{domain}"), RecordType::TXT).await.answer;
            answer.read(|record| match record {
                // RFC 7208 §3.3: without anything between them.
                RData::TXT(text) => Some(text.txt_data.concat()),
                _ => None,
            })
        })
    }

    fn validation(&self) -> Deed<'_, Validation> {
        Box::pin(async move {
            let mut tested = self.tested.lock().await;
            if let Some((until, found)) = &*tested
                && *until > Instant::now()
            {
                return found.clone();
            }
            let found = self.ask.test().await;
            let good = !matches!(found, Validation::Broken(_));
            let until = Instant::now() + if good { TESTED } else { TESTED_BAD };
            *tested = Some((until, found.clone()));
            found
        })
    }
}

fn as_domain(name: &Name) -> Option<Domain> {
    Domain::parse(&name.to_ascii()).ok()
}

/// A reply with no more records than are looked at: what is kept is what a stranger published. Of hosts and addresses
/// the first count; where all would, too many are no answer.
fn bounded(mut reply: Reply, kind: RecordType) -> Reply {
    let Answer::Records(_, records) = &mut reply.answer else { return reply };
    let most = match kind {
        RecordType::MX => {
            let read = records.drain(..).filter_map(|record| Some((exchange(&record)?, record)));
            let mut read: Vec<_> = read.collect();
            read.sort_by(|(one, _), (other, _)| one.cmp(other));
            read.dedup_by(|(one, _), (other, _)| one == other);
            records.extend(read.into_iter().map(|(_, record)| record));
            EXCHANGES
        }
        RecordType::A | RecordType::AAAA => ADDRESSES,
        RecordType::TLSA if records.len() > TLSA_RECORDS => {
            return Reply::error(reply.end, format!("more than {TLSA_RECORDS} TLSA records"));
        }
        RecordType::TXT if records.len() > TEXTS => {
            return Reply::error(reply.end, format!("more than {TEXTS} TXT records"));
        }
        RecordType::TLSA | RecordType::TXT => records.len(),
        // CNAME, of which a name has one.
        _ => 1,
    };
    records.truncate(most);
    records.shrink_to_fit();
    reply
}

/// MX data as an exchange; nothing for a host that cannot be one. The root stays.
fn exchange(record: &RData) -> Option<Exchange> {
    let RData::MX(mx) = record else { return None };
    let preference = mx.preference;
    if mx.exchange.is_root() {
        return Some(Exchange { preference, host: None });
    }
    Some(Exchange { preference, host: Some(as_domain(&mx.exchange)?) })
}

/// IPv4 and IPv6 together. One kind that was found is enough; with none found a failure of either is a failure.
fn both(four: Answer<RData>, six: Answer<RData>) -> Answer<IpAddr> {
    let mut found = Vec::new();
    let mut trouble = None;
    let mut names = false;
    // What is used decides; a "no" only where there is nothing to use.
    let worst = |answers: [&Answer<RData>; 2]| {
        let used = answers.into_iter().filter(|answer| matches!(answer, Answer::Records(..)));
        let used = used.filter_map(Answer::security).min();
        used.or(answers.into_iter().filter_map(Answer::security).min()).unwrap_or(Security::Insecure)
    };
    let worst = worst([&four, &six]);
    for answer in [four, six] {
        match answer {
            Answer::Records(_, records) => found.extend(records.iter().filter_map(|record| match record {
                RData::A(address) => Some(IpAddr::V4(address.0)),
                RData::AAAA(address) => Some(IpAddr::V6(address.0)),
                _ => None,
            })),
            Answer::NoData(_) => names = true,
            Answer::NxDomain(_) => {}
            Answer::Bogus => return Answer::Bogus,
            Answer::Error(why) => trouble = Some(why),
        }
    }
    found.truncate(ADDRESSES);
    match trouble {
        _ if !found.is_empty() => Answer::Records(worst, found),
        Some(why) => Answer::Error(why),
        None if names => Answer::NoData(worst),
        None => Answer::NxDomain(worst),
    }
}

#[cfg(test)]
#[path = "names_tests.rs"]
mod tests;
