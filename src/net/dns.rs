//! DNS: every answer says how far it can be trusted, and "no" is never confused with "cannot say".

use crate::base::address::Domain;
use crate::net::Deed;
use crate::net::error::NetError;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::NameServerConfig;
use hickory_resolver::config::ResolveHosts;
use hickory_resolver::config::ResolverConfig;
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::DnsError;
use hickory_resolver::net::NetError as ResolverError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::proto::rr::RecordType;
use std::collections::HashMap;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::time::Duration;

/// MX hosts looked at for one domain.
pub const EXCHANGES: usize = 16;
/// Addresses looked at for one host.
pub const ADDRESSES: usize = 32;
/// CNAME records followed for one name.
const CHAIN: usize = 8;
/// One question to one server.
const TRY: Duration = Duration::from_secs(3);
/// Tries.
const TRIES: usize = 2;
/// One look-up in all.
const LOOKUP: Duration = Duration::from_secs(10);

/// How far an answer can be trusted (RFC 4033 §5).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Proof {
    /// Nothing proves it: an unsigned zone, or nobody validated.
    Insecure,
    /// DNSSEC proves it.
    Secure,
}

/// An answer. What is bogus or failed is no answer: it never means that there is nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer<T> {
    /// These, at least one.
    Records(Proof, Vec<T>),
    /// The name is there, but nothing of this kind.
    NoData(Proof),
    /// The name is not there (RFC 8020).
    NxDomain(Proof),
    /// DNSSEC says that somebody lies.
    Bogus,
    /// Nobody answered, or not in a form that can be read; a later try may help.
    Error(String),
}

impl<T> Answer<T> {
    /// How far it can be trusted; `None` if it is no answer.
    pub fn proof(&self) -> Option<Proof> {
        match self {
            Self::Records(proof, _) | Self::NoData(proof) | Self::NxDomain(proof) => Some(*proof),
            Self::Bogus | Self::Error(_) => None,
        }
    }
}

/// One MX record (RFC 5321 §5.1).
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Exchange {
    /// Lower is tried first.
    pub preference: u16,
    /// The host; `None` is the root, which accepts no mail (RFC 7505 §3).
    pub host: Option<Domain>,
}

/// Where names are looked up.
pub trait Dns: Send + Sync {
    /// The MX records of a domain, at most [`EXCHANGES`], in order of preference.
    fn mx<'a>(&'a self, domain: &'a Domain) -> Deed<'a, Answer<Exchange>>;
    /// The IPv4 and IPv6 addresses of a host, at most [`ADDRESSES`].
    fn addresses<'a>(&'a self, host: &'a Domain) -> Deed<'a, Answer<IpAddr>>;
}

/// Where the mail of a domain goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Route {
    /// To these, in order of preference.
    Hosts(Proof, Vec<Exchange>),
    /// No MX: to the domain itself (RFC 5321 §5.1).
    Implicit(Proof),
    /// It says that it accepts no mail (RFC 7505).
    NullMx,
    /// There is no such domain.
    NoSuchDomain,
    /// It names hosts, and none of the names can be one.
    BadHosts,
    /// Cannot be said now.
    Unclear(String),
}

/// Asks where the mail of `domain` goes.
pub async fn route(dns: &dyn Dns, domain: &Domain) -> Route {
    match dns.mx(domain).await {
        Answer::Records(_, records) if records.iter().all(|record| record.host.is_none()) => {
            if records.is_empty() { Route::BadHosts } else { Route::NullMx }
        }
        Answer::Records(proof, mut records) => {
            records.retain(|record| record.host.is_some());
            records.sort();
            records.truncate(EXCHANGES);
            Route::Hosts(proof, records)
        }
        Answer::NoData(proof) => Route::Implicit(proof),
        Answer::NxDomain(_) => Route::NoSuchDomain,
        Answer::Bogus => Route::Unclear("its DNSSEC signatures are not valid".into()),
        Answer::Error(why) => Route::Unclear(why),
    }
}

/// The resolver of the system or the configured servers, without validation: every answer is insecure.
pub struct Plain {
    resolver: TokioResolver,
    patience: Duration,
}

impl Plain {
    /// Asks `servers`, or those of `/etc/resolv.conf` if there are none.
    pub fn new(servers: &[SocketAddr]) -> Result<Self, NetError> {
        Self::patient(servers, TRY, LOOKUP)
    }

    fn patient(servers: &[SocketAddr], one_try: Duration, patience: Duration) -> Result<Self, NetError> {
        let failed = |why: ResolverError| NetError::Resolver(why.to_string());
        let mut builder = if servers.is_empty() {
            TokioResolver::builder_tokio().map_err(failed)?
        } else {
            let servers = servers.iter().map(|server| name_server(*server)).collect();
            let config = ResolverConfig::from_name_servers(servers);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let options = builder.options_mut();
        options.timeout = one_try;
        options.attempts = TRIES;
        options.use_hosts_file = ResolveHosts::Never;
        options.preserve_intermediates = true;
        options.edns0 = true;
        Ok(Self { resolver: builder.build().map_err(failed)?, patience })
    }

    async fn ask(&self, domain: &Domain, kind: RecordType) -> Answer<RData> {
        // The final dot keeps the search list out.
        let Ok(name) = Name::from_ascii(format!("{domain}.")) else {
            return Answer::Error("the name cannot be asked for".into());
        };
        match tokio::time::timeout(self.patience, self.resolver.lookup(name.clone(), kind)).await {
            Err(_) => Answer::Error("no answer in time".into()),
            Ok(Err(why)) => refusal(&why),
            Ok(Ok(lookup)) => {
                let found = belonging(&lookup, &name, kind);
                if found.is_empty() {
                    return Answer::NoData(Proof::Insecure);
                }
                Answer::Records(Proof::Insecure, found)
            }
        }
    }
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    for connection in &mut server.connections {
        connection.port = address.port();
    }
    server
}

/// The records of `kind` at `name`, or at the end of the chain of CNAMEs that begins there; what else a server
/// put into its answer is nobody's.
fn belonging(lookup: &Lookup, name: &Name, kind: RecordType) -> Vec<RData> {
    let mut owner = name.clone();
    for _ in 0..=CHAIN {
        let at_owner = || lookup.answers().iter().filter(|record| record.name == owner);
        let found: Vec<RData> = at_owner()
            .filter(|record| record.record_type() == kind)
            .map(|record| record.data.clone())
            .collect();
        if !found.is_empty() {
            return found;
        }
        let Some(next) = at_owner().find_map(|record| match &record.data {
            RData::CNAME(target) => Some(target.0.clone()),
            _ => None,
        }) else {
            break;
        };
        owner = next;
    }
    Vec::new()
}

/// Tells the two kinds of "no" from failure.
fn refusal<T>(why: &ResolverError) -> Answer<T> {
    match why {
        ResolverError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain => Answer::NxDomain(Proof::Insecure),
            ResponseCode::NoError => Answer::NoData(Proof::Insecure),
            code => Answer::Error(format!("the server said {code}")),
        },
        ResolverError::Dns(DnsError::ResponseCode(ResponseCode::NXDomain)) => {
            Answer::NxDomain(Proof::Insecure)
        }
        why => Answer::Error(why.to_string()),
    }
}

impl Dns for Plain {
    fn mx<'a>(&'a self, domain: &'a Domain) -> Deed<'a, Answer<Exchange>> {
        Box::pin(async move { exchanges(self.ask(domain, RecordType::MX).await) })
    }

    fn addresses<'a>(&'a self, host: &'a Domain) -> Deed<'a, Answer<IpAddr>> {
        Box::pin(async move {
            if host.as_str() == "localhost" || host.as_str().ends_with(".localhost") {
                // RFC 6761 §6.3: never asked of a server.
                return Answer::Records(
                    Proof::Insecure,
                    vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)],
                );
            }
            let (four, six) = tokio::join!(self.ask(host, RecordType::A), self.ask(host, RecordType::AAAA));
            both(four, six)
        })
    }
}

/// MX data as exchanges. A host that cannot be a host is left out, the root stays.
fn exchanges(answer: Answer<RData>) -> Answer<Exchange> {
    let (proof, records) = match answer {
        Answer::Records(proof, records) => (proof, records),
        Answer::NoData(proof) => return Answer::NoData(proof),
        Answer::NxDomain(proof) => return Answer::NxDomain(proof),
        Answer::Bogus => return Answer::Bogus,
        Answer::Error(why) => return Answer::Error(why),
    };
    let mut exchanges: Vec<Exchange> = records
        .iter()
        .filter_map(|record| {
            let RData::MX(mx) = record else { return None };
            let preference = mx.preference;
            if mx.exchange.is_root() {
                return Some(Exchange { preference, host: None });
            }
            let host = Domain::parse(&mx.exchange.to_ascii()).ok()?;
            Some(Exchange { preference, host: Some(host) })
        })
        .collect();
    exchanges.sort();
    exchanges.dedup();
    exchanges.truncate(EXCHANGES);
    Answer::Records(proof, exchanges)
}

/// IPv4 and IPv6 together. One kind that was found is enough; with none found a failure of either is a failure.
fn both(four: Answer<RData>, six: Answer<RData>) -> Answer<IpAddr> {
    let mut found = Vec::new();
    let mut worst = Proof::Secure;
    let mut trouble = None;
    let mut names = false;
    for answer in [four, six] {
        worst = worst.min(answer.proof().unwrap_or(Proof::Secure));
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

/// Everything goes to one peer: what `demo` has in place of the Internet.
#[derive(Clone, Copy, Debug)]
pub struct OnePeer(
    /// Where it listens.
    pub IpAddr,
);

impl Dns for OnePeer {
    fn mx<'a>(&'a self, domain: &'a Domain) -> Deed<'a, Answer<Exchange>> {
        let only = Exchange { preference: 0, host: Some(domain.clone()) };
        Box::pin(std::future::ready(Answer::Records(Proof::Insecure, vec![only])))
    }

    fn addresses<'a>(&'a self, _: &'a Domain) -> Deed<'a, Answer<IpAddr>> {
        Box::pin(std::future::ready(Answer::Records(Proof::Insecure, vec![self.0])))
    }
}

/// Names in a table, for tests: what is not in it does not exist.
#[derive(Debug, Default)]
pub struct Table {
    mx: HashMap<String, Answer<Exchange>>,
    addresses: HashMap<String, Answer<IpAddr>>,
}

impl Table {
    /// The same with MX records for `domain`; a host of `.` is the null MX.
    pub fn with_mx(mut self, domain: &str, hosts: &[(u16, &str)]) -> Self {
        let records = hosts
            .iter()
            .map(|(preference, host)| Exchange { preference: *preference, host: Domain::parse(host).ok() });
        self.mx.insert(domain.into(), Answer::Records(Proof::Insecure, records.collect()));
        self
    }

    /// The same with this answer about MX.
    pub fn with_mx_answer(mut self, domain: &str, answer: Answer<Exchange>) -> Self {
        self.mx.insert(domain.into(), answer);
        self
    }

    /// The same with addresses for `host`; a domain that has only these has an implicit MX.
    pub fn with_addresses(mut self, host: &str, addresses: &[IpAddr]) -> Self {
        self.addresses.insert(host.into(), Answer::Records(Proof::Insecure, addresses.to_vec()));
        self
    }

    /// The same with this answer about addresses.
    pub fn with_addresses_answer(mut self, host: &str, answer: Answer<IpAddr>) -> Self {
        self.addresses.insert(host.into(), answer);
        self
    }
}

impl Dns for Table {
    fn mx<'a>(&'a self, domain: &'a Domain) -> Deed<'a, Answer<Exchange>> {
        let answer = match self.mx.get(domain.as_str()) {
            Some(answer) => answer.clone(),
            None if self.addresses.contains_key(domain.as_str()) => Answer::NoData(Proof::Insecure),
            None => Answer::NxDomain(Proof::Insecure),
        };
        Box::pin(std::future::ready(answer))
    }

    fn addresses<'a>(&'a self, host: &'a Domain) -> Deed<'a, Answer<IpAddr>> {
        let answer = match self.addresses.get(host.as_str()) {
            Some(answer) => answer.clone(),
            None if self.mx.contains_key(host.as_str()) => Answer::NoData(Proof::Insecure),
            None => Answer::NxDomain(Proof::Insecure),
        };
        Box::pin(std::future::ready(answer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_resolver::proto::op::Message;
    use hickory_resolver::proto::op::MessageType;
    use hickory_resolver::proto::rr::Record;
    use hickory_resolver::proto::rr::rdata;
    use std::sync::Arc;
    use tokio::net::UdpSocket;

    fn domain(text: &str) -> Domain {
        Domain::parse(text).unwrap()
    }

    /// A server on loopback that answers by a rule.
    async fn server(
        answer: impl Fn(&str, RecordType, &mut Message) + Send + Sync + 'static,
    ) -> (Plain, Arc<UdpSocket>) {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let plain = Plain::new(&[socket.local_addr().unwrap()]).unwrap();
        let serving = Arc::clone(&socket);
        tokio::spawn(async move {
            let mut bytes = [0; 4096];
            while let Ok((length, peer)) = serving.recv_from(&mut bytes).await {
                let Ok(mut message) = Message::from_vec(&bytes[..length]) else { continue };
                let query = message.queries[0].clone();
                message.metadata.message_type = MessageType::Response;
                message.metadata.recursion_available = true;
                answer(&query.name().to_ascii().to_lowercase(), query.query_type(), &mut message);
                let _ = serving.send_to(&message.to_vec().unwrap(), peer).await;
            }
        });
        (plain, socket)
    }

    fn record(name: &str, data: RData) -> Record {
        Record::from_rdata(Name::from_ascii(name).unwrap(), 60, data)
    }

    fn mx(preference: u16, host: &str) -> RData {
        RData::MX(rdata::MX::new(preference, Name::from_ascii(host).unwrap()))
    }

    fn soa() -> Record {
        let name = Name::from_ascii("example.").unwrap();
        record("example.", RData::SOA(rdata::SOA::new(name.clone(), name, 1, 60, 60, 60, 60)))
    }

    fn zone(name: &str, kind: RecordType, message: &mut Message) {
        let mut add = |name: &str, data| {
            message.add_answer(record(name, data));
        };
        match (name, kind) {
            ("two.example.", RecordType::MX) => {
                add(name, mx(20, "b.two.example."));
                add(name, mx(10, "a.two.example."));
                add(name, mx(5, "under_score.two.example."));
                add("foreign.example.", mx(1, "evil.example."));
            }
            ("null.example.", RecordType::MX) => add(name, mx(0, ".")),
            ("many.example.", RecordType::MX) => {
                for n in 0..40 {
                    add(name, mx(n, &format!("h{n}.many.example.")));
                }
            }
            ("alias.example.", _) => {
                let target = Name::from_ascii("host.example.").unwrap();
                add(name, RData::CNAME(rdata::CNAME(target)));
                if kind == RecordType::A {
                    add("host.example.", RData::A(rdata::A::new(192, 0, 2, 1)));
                }
            }
            ("host.example.", RecordType::A) => add(name, RData::A(rdata::A::new(192, 0, 2, 1))),
            ("host.example." | "empty.example.", _) => {
                message.add_authority(soa());
            }
            ("broken.example.", _) => message.metadata.response_code = ResponseCode::ServFail,
            ("refused.example.", _) => message.metadata.response_code = ResponseCode::Refused,
            ("half.example.", RecordType::A) => {
                message.metadata.response_code = ResponseCode::ServFail;
            }
            ("half.example.", _) => {
                message.add_authority(soa());
            }
            _ => {
                message.metadata.response_code = ResponseCode::NXDomain;
                message.add_authority(soa());
            }
        }
    }

    #[tokio::test]
    async fn asks_a_server_and_tells_no_from_trouble() {
        let (plain, _socket) = server(zone).await;
        let hosts = |names: &[(u16, &str)]| {
            let hosts = names.iter().map(|(preference, name)| Exchange {
                preference: *preference,
                host: Domain::parse(name).ok(),
            });
            Route::Hosts(Proof::Insecure, hosts.collect())
        };
        let route = async |name: &str| route(&plain, &domain(name)).await;
        assert_eq!(route("two.example").await, hosts(&[(10, "a.two.example"), (20, "b.two.example")]));
        assert_eq!(route("null.example").await, Route::NullMx);
        assert_eq!(route("empty.example").await, Route::Implicit(Proof::Insecure));
        assert_eq!(route("nothing.example").await, Route::NoSuchDomain);
        assert!(matches!(route("broken.example").await, Route::Unclear(_)));
        assert!(matches!(route("refused.example").await, Route::Unclear(_)));
        let Route::Hosts(_, many) = route("many.example").await else { panic!("no hosts") };
        assert_eq!(many.len(), EXCHANGES);
        let addresses = async |name: &str| plain.addresses(&domain(name)).await;
        let one = Answer::Records(Proof::Insecure, vec![IpAddr::from([192, 0, 2, 1])]);
        assert_eq!(addresses("host.example").await, one);
        assert_eq!(addresses("alias.example").await, one);
        assert_eq!(addresses("empty.example").await, Answer::NoData(Proof::Insecure));
        assert_eq!(addresses("nothing.example").await, Answer::NxDomain(Proof::Insecure));
        assert!(matches!(addresses("half.example").await, Answer::Error(_)));
        assert!(matches!(addresses("localhost").await, Answer::Records(_, found) if found.len() == 2));
    }

    #[tokio::test]
    async fn a_silent_server_is_trouble_not_absence() {
        let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let servers = [silent.local_addr().unwrap()];
        for (one_try, patience) in [(20, 10_000), (10_000, 20)] {
            let millis = Duration::from_millis;
            let plain = Plain::patient(&servers, millis(one_try), millis(patience)).unwrap();
            assert!(matches!(plain.mx(&domain("x.example")).await, Answer::Error(_)));
            assert!(matches!(plain.addresses(&domain("x.example")).await, Answer::Error(_)));
        }
    }

    #[tokio::test]
    async fn routes_by_table() {
        let table = Table::default()
            .with_mx("a.example", &[(10, "mx.a.example")])
            .with_mx("null.example", &[(0, ".")])
            .with_mx_answer("forged.example", Answer::Bogus)
            .with_mx_answer("odd.example", Answer::Records(Proof::Insecure, Vec::new()))
            .with_addresses("host.example", &[IpAddr::from([192, 0, 2, 1])]);
        for (name, want) in [
            ("null.example", Route::NullMx),
            ("host.example", Route::Implicit(Proof::Insecure)),
            ("none.example", Route::NoSuchDomain),
            ("odd.example", Route::BadHosts),
            ("forged.example", Route::Unclear("its DNSSEC signatures are not valid".into())),
        ] {
            assert_eq!(route(&table, &domain(name)).await, want, "{name}");
        }
        let peer = OnePeer(IpAddr::from([127, 0, 0, 1]));
        assert!(matches!(route(&peer, &domain("any.example")).await, Route::Hosts(..)));
    }
}
