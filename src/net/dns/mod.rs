//! DNS: every answer says how far it can be trusted, and "no" is never confused with "cannot say".
//!
//! [`open`] makes what `[dns] trust` asks for: a validating resolver whose AD bit counts (`stub`), our own
//! validation (`builtin`), the choice between the two (`auto`), or none (`plain`). All of them answer through
//! `names` and its bounded cache; `table` is for tests and for `demo`.

mod ask;
mod auto;
mod builtin;
mod cache;
mod names;
mod plain;
mod stub;
mod table;
#[cfg(test)]
mod test_server;

pub use crate::net::dns::table::OnePeer;
pub use crate::net::dns::table::Table;

use crate::base::address::Domain;
use crate::base::dns::Answer;
use crate::base::dns::Exchanges;
use crate::base::dns::Located;
use crate::base::dns::Tlsa;
use crate::base::dns::Validation;
use crate::base::random::Random;
use crate::net::Deed;
use crate::net::dns::ask::Ask;
use crate::net::dns::auto::Auto;
use crate::net::dns::builtin::Builtin;
use crate::net::dns::names::Names;
use crate::net::dns::plain::Plain;
use crate::net::dns::stub::Stub;
use crate::net::error::NetError;
use hickory_resolver::system_conf::read_system_conf;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// MX hosts looked at for one domain.
pub const EXCHANGES: usize = 16;
/// Addresses looked at for one host.
pub const ADDRESSES: usize = 32;
/// TLSA records looked at for one host.
pub const TLSA_RECORDS: usize = 32;
/// TXT records looked at for one name.
pub const TEXTS: usize = 32;
/// CNAME records followed for one name.
const CHAIN: usize = 8;
/// One question to one server.
const TRY: Duration = Duration::from_secs(3);
/// Tries.
const TRIES: usize = 2;
/// One look-up in all.
const LOOKUP: Duration = Duration::from_secs(12);
/// Servers asked, of those that are configured.
const SERVERS: usize = 3;
/// Octets of an answer that are read. The largest that is useful, a record set of its bound behind [`CHAIN`] aliases, each
/// with a signature of ML-DSA-44 (2,420 octets), has room; the 64 KiB that TCP allows would be 4,000 addresses.
const ANSWER: u16 = 32 * 1_024;
/// EDNS: what fits into a datagram on any path, and DNSSEC records with it (RFC 9715 §3).
const DATAGRAM: u16 = 1_232;

/// Where names are looked up.
pub trait Dns: Send + Sync {
    /// The MX records of a domain, at most [`EXCHANGES`], in order of preference, aliases followed.
    fn mx<'a>(&'a self, domain: &'a Domain) -> Deed<'a, Exchanges>;
    /// The IPv4 and IPv6 addresses of a host, at most [`ADDRESSES`], aliases followed.
    fn addresses<'a>(&'a self, host: &'a Domain) -> Deed<'a, Located<IpAddr>>;
    /// The CNAME at a name itself.
    fn alias<'a>(&'a self, host: &'a Domain) -> Deed<'a, Answer<Domain>>;
    /// The TLSA records of a TCP port of a host, at most [`TLSA_RECORDS`], aliases followed.
    fn tlsa<'a>(&'a self, host: &'a Domain, port: u16) -> Deed<'a, Answer<Tlsa>>;
    /// The TXT records at `label` below a domain, each with its strings joined, at most [`TEXTS`]; aliases followed.
    fn text<'a>(&'a self, label: &'a str, domain: &'a Domain) -> Deed<'a, Answer<Vec<u8>>>;
    /// Whose word counts for DNSSEC, as the self-test found; it is made anew from time to time.
    fn validation(&self) -> Deed<'_, Validation>;
}

/// `[dns] trust`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Trust {
    /// A validating resolver on loopback where there is one, else our own validation, else nobody's.
    #[default]
    Auto,
    /// The AD bit of a resolver on loopback, or of a named one.
    Ad,
    /// Our own validation.
    Builtin,
    /// Nobody validates.
    None,
}

/// How names are looked up.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Resolvers; empty: those of `/etc/resolv.conf`.
    pub servers: Vec<SocketAddr>,
    /// Whose word counts.
    pub trust: Trust,
    /// Resolvers beside loopback whose AD bit counts.
    pub trust_ad_from: Vec<IpAddr>,
    /// DNSKEY records that are trusted in place of the root's.
    pub trust_anchor_file: Option<PathBuf>,
}

/// Makes the resolver. Nothing is asked here: the self-test is made by the first [`Dns::validation`].
pub fn open(options: &Options, random: Arc<dyn Random>) -> Result<Arc<dyn Dns>, NetError> {
    let servers = if options.servers.is_empty() { system_servers() } else { options.servers.clone() };
    let trusted = |server: &&SocketAddr| {
        let ip = server.ip().to_canonical();
        ip.is_loopback() || options.trust_ad_from.contains(&ip)
    };
    let trusted: Vec<SocketAddr> = servers.iter().filter(trusted).copied().collect();
    let ask: Arc<dyn Ask> = match options.trust {
        Trust::None => Arc::new(Plain::new(&servers)?),
        Trust::Ad if trusted.is_empty() => Arc::new(Stub::untrusted(servers, random)),
        Trust::Ad => Arc::new(Stub::new(trusted, random)),
        Trust::Builtin => Arc::new(Builtin::new(&servers, options.trust_anchor_file.as_deref())?),
        Trust::Auto => {
            let builtin = Builtin::new(&servers, options.trust_anchor_file.as_deref())?;
            let raw = Stub::untrusted(servers.clone(), Arc::clone(&random));
            let stub = (!trusted.is_empty()).then(|| Stub::new(trusted, random));
            Arc::new(Auto::new(stub, builtin, Plain::new(&servers)?, raw))
        }
    };
    Ok(Arc::new(Names::new(ask)))
}

/// Those of `/etc/resolv.conf`; without it, as the C library does it, this machine.
fn system_servers() -> Vec<SocketAddr> {
    let configured = read_system_conf().map(|(config, _)| config.name_servers).unwrap_or_default();
    let servers: Vec<SocketAddr> = configured
        .iter()
        .map(|server| {
            SocketAddr::new(server.ip, server.connections.first().map_or(53, |connection| connection.port))
        })
        .collect();
    if servers.is_empty() { vec![(Ipv4Addr::LOCALHOST, 53).into()] } else { servers }
}
