//! No validation: every answer is indeterminate, and there is no DANE.

use crate::base::dns::Answer;
use crate::base::dns::Security;
use crate::base::dns::Validation;
use crate::net::Deed;
use crate::net::dns::CHAIN;
use crate::net::dns::LOOKUP;
use crate::net::dns::TRIES;
use crate::net::dns::TRY;
use crate::net::dns::ask::Ask;
use crate::net::dns::ask::Chain;
use crate::net::dns::ask::Reply;
use crate::net::dns::ask::TOO_LONG;
use crate::net::dns::ask::keep_no;
use crate::net::dns::ask::no;
use crate::net::error::NetError;
use hickory_resolver::ResolverBuilder;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::NameServerConfig;
use hickory_resolver::config::ResolveHosts;
use hickory_resolver::config::ResolverConfig;
use hickory_resolver::net::DnsError;
use hickory_resolver::net::NetError as ResolverError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::proto::rr::RecordType;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::timeout;

/// Asks resolvers and takes what they say.
pub(super) struct Plain {
    resolver: TokioResolver,
    patience: Duration,
}

impl Plain {
    /// Asks `servers`.
    pub(super) fn new(servers: &[SocketAddr]) -> Result<Self, NetError> {
        Self::patient(servers, TRY, LOOKUP)
    }

    /// The same with other patience.
    pub(super) fn patient(
        servers: &[SocketAddr],
        one_try: Duration,
        patience: Duration,
    ) -> Result<Self, NetError> {
        let resolver = resolver(servers, |mut builder| {
            builder.options_mut().timeout = one_try;
            builder
        })?;
        Ok(Self { resolver, patience })
    }

    async fn look_up(&self, name: Name, kind: RecordType) -> Reply {
        let reply = self.once(name.clone(), kind).await;
        let none = matches!(reply.answer, Answer::NoData(_));
        // A "none" that no SOA proves: hickory says so too when it has followed as many aliases as it does.
        if none && reply.keep.is_zero() && kind != RecordType::CNAME {
            return self.step_by_step(name, kind, reply).await;
        }
        reply
    }

    async fn once(&self, name: Name, kind: RecordType) -> Reply {
        let lookup = match self.resolver.lookup(name.clone(), kind).await {
            Ok(lookup) => lookup,
            Err(why) => return refusal(&why, name),
        };
        let chain = match Chain::follow(lookup.answers(), &name, kind) {
            Ok(chain) => chain,
            Err(why) => return Reply::error(name, why),
        };
        let (data, keep) = (chain.data(), chain.keep());
        let answer = match data.is_empty() {
            true => Answer::NoData(Security::Indeterminate),
            false => Answer::Records(Security::Indeterminate, data),
        };
        Reply { answer, end: chain.end, keep }
    }

    /// The same with every alias asked for by itself; `unproven` if there is none.
    async fn step_by_step(&self, name: Name, kind: RecordType, unproven: Reply) -> Reply {
        let mut end = name.clone();
        for _ in 0..=CHAIN {
            let alias = self.once(end.clone(), RecordType::CNAME).await;
            match &alias.answer {
                Answer::Records(_, records) => match records.first() {
                    Some(RData::CNAME(target)) => end = target.0.clone(),
                    _ => return unproven,
                },
                Answer::NoData(_) | Answer::NxDomain(_) if end == name => return unproven,
                // Some resolvers know nothing of this question; what they said of the other one stands.
                Answer::Bogus | Answer::Error(_) if end == name => return unproven,
                Answer::NoData(_) | Answer::NxDomain(_) => {
                    return Reply { keep: Duration::ZERO, ..self.once(end, kind).await };
                }
                Answer::Bogus | Answer::Error(_) => return alias,
            }
        }
        Reply::error(name, TOO_LONG)
    }
}

/// A hickory resolver that asks these servers, and no file.
pub(super) fn resolver(
    servers: &[SocketAddr],
    change: impl FnOnce(ResolverBuilder<TokioRuntimeProvider>) -> ResolverBuilder<TokioRuntimeProvider>,
) -> Result<TokioResolver, NetError> {
    let servers = servers.iter().map(|server| name_server(*server)).collect();
    let config = ResolverConfig::from_name_servers(servers);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    let options = builder.options_mut();
    options.timeout = TRY;
    options.attempts = TRIES;
    options.use_hosts_file = ResolveHosts::Never;
    options.preserve_intermediates = true;
    options.edns0 = true;
    // Answers are kept above this, judged and bounded; what is not is not kept.
    options.cache_size = 0;
    change(builder).build().map_err(|why| NetError::Resolver(why.to_string()))
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    for connection in &mut server.connections {
        connection.port = address.port();
    }
    server
}

impl Ask for Plain {
    fn ask(&self, name: Name, kind: RecordType) -> Deed<'_, Reply> {
        Box::pin(async move {
            let late = name.clone();
            let reply = timeout(self.patience, self.look_up(name, kind)).await;
            reply.unwrap_or_else(|_| Reply::error(late, "no answer in time"))
        })
    }

    fn test(&self) -> Deed<'_, Validation> {
        Box::pin(std::future::ready(Validation::Off))
    }
}

/// Tells the two kinds of "no" from failure.
fn refusal(why: &ResolverError, name: Name) -> Reply {
    match why {
        ResolverError::Dns(DnsError::NoRecordsFound(none)) => {
            let answer = no(none.response_code, Security::Indeterminate);
            Reply { answer, end: name, keep: keep_no(none.authorities.as_deref().unwrap_or_default()) }
        }
        ResolverError::Dns(DnsError::ResponseCode(ResponseCode::NXDomain)) => {
            Reply::none(name, Answer::NxDomain(Security::Indeterminate))
        }
        why => Reply::error(name, why.to_string()),
    }
}
