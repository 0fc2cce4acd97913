//! Who may connect: counts of connections, and of new ones in a minute, by address and network.
//!
//! The count is taken before TLS and before a word is read, so that a flood costs nothing but the accept.

use crate::config::section::Limits;
use crate::config::value;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;
use thiserror::Error;

/// What a connection is counted as.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Class {
    /// 25, 465, 587.
    Smtp,
    /// 143, 993.
    Imap,
    /// 80, 443, metrics.
    Http,
}

/// How many connections there may be.
#[derive(Clone, Debug)]
pub struct GateLimits {
    /// All together.
    pub connections: usize,
    /// SMTP connections of one address; three times that of its network.
    pub smtp_per_address: usize,
    /// IMAP connections of one address; three times that of its network.
    pub imap_per_address: usize,
    /// HTTP connections of one address; three times that of its network.
    pub http_per_address: usize,
    /// New connections in a minute of one address; three and nine times that of its two networks.
    pub new_per_minute: usize,
    /// Networks that only the first limit holds for.
    pub exempt: Vec<value::Network>,
}

impl Default for GateLimits {
    fn default() -> Self {
        Self {
            connections: 512,
            smtp_per_address: 20,
            imap_per_address: 10,
            http_per_address: 20,
            new_per_minute: 60,
            exempt: ["127.0.0.0/8", "::1"].into_iter().flat_map(value::Network::parse).collect(),
        }
    }
}

impl From<&Limits> for GateLimits {
    fn from(limits: &Limits) -> Self {
        Self {
            connections: limits.connections,
            smtp_per_address: limits.smtp_connections_per_ip,
            imap_per_address: limits.imap_connections_per_ip,
            http_per_address: limits.http_connections_per_ip,
            new_per_minute: usize::try_from(limits.connects_per_minute).unwrap_or(usize::MAX),
            exempt: limits.exempt.clone(),
        }
    }
}

impl GateLimits {
    fn per_address(&self, class: Class) -> usize {
        match class {
            Class::Smtp => self.smtp_per_address,
            Class::Imap => self.imap_per_address,
            Class::Http => self.http_per_address,
        }
    }
}

/// A network: an address cut to its first bits.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// The network of `address` with its first `prefix` bits; more bits than there are count as all.
    pub fn new(address: IpAddr, prefix: u8) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let prefix = prefix.min(32);
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                Self { address: IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask)), prefix }
            }
            IpAddr::V6(address) => {
                let prefix = prefix.min(128);
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                Self { address: IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask)), prefix }
            }
        }
    }
}

/// The network that limits are counted for beside the single address: /24 or /64.
pub fn neighbourhood(address: IpAddr) -> Network {
    let address = address.to_canonical();
    Network::new(address, if address.is_ipv4() { 24 } else { 64 })
}

/// The network around that: /16 or /48.
fn region(address: IpAddr) -> Network {
    let address = address.to_canonical();
    Network::new(address, if address.is_ipv4() { 16 } else { 48 })
}

/// Why a connection was not taken.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum TooMany {
    /// The appliance is full.
    #[error("too many connections")]
    All,
    /// The address or its network has too many.
    #[error("too many connections of this network")]
    Network,
    /// The address or its network opens too many in a minute.
    #[error("too many new connections of this network")]
    Rate,
}

/// Counts connections; shared by all listeners.
#[derive(Debug)]
pub struct Gate {
    limits: GateLimits,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    open: usize,
    held: HashMap<(Class, Network), usize>,
    fresh: HashMap<Network, Window>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    start: Instant,
    count: usize,
}

const MINUTE: Duration = Duration::from_secs(60);
/// Networks remembered for the counts of a minute; a hundred octets each.
const REMEMBERED: usize = 65_536;

impl Gate {
    /// A gate with these limits.
    pub fn new(limits: GateLimits) -> Arc<Self> {
        Arc::new(Self { limits, counts: Mutex::default() })
    }

    /// Counts a new connection; it is counted out when the ticket is dropped.
    pub fn admit(self: &Arc<Self>, peer: IpAddr, class: Class, now: Instant) -> Result<Ticket, TooMany> {
        let peer = peer.to_canonical();
        let single = Network::new(peer, 128);
        let around = neighbourhood(peer);
        let limits = &self.limits;
        let exempt = limits.exempt.iter().any(|network| network.contains(peer));
        let mut counts = self.counts();
        if counts.open >= limits.connections {
            return Err(TooMany::All);
        }
        if !exempt {
            let most = limits.per_address(class);
            if counts.held(class, single) >= most || counts.held(class, around) >= most.saturating_mul(3) {
                return Err(TooMany::Network);
            }
            let rate = limits.new_per_minute;
            for (network, most) in
                [(single, rate), (around, rate.saturating_mul(3)), (region(peer), rate.saturating_mul(9))]
            {
                counts.count_fresh(network, most, now)?;
            }
        }
        counts.open += 1;
        let networks = if exempt { None } else { Some([single, around]) };
        for network in networks.iter().flatten() {
            *counts.held.entry((class, *network)).or_default() += 1;
        }
        drop(counts);
        Ok(Ticket { gate: Arc::clone(self), class, networks })
    }

    /// More than three quarters of the connections are in use: waits become short.
    pub fn stressed(&self) -> bool {
        self.counts().open > self.limits.connections / 4 * 3
    }

    /// Connections open now.
    pub fn open(&self) -> usize {
        self.counts().open
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn held(&self, class: Class, network: Network) -> usize {
        self.held.get(&(class, network)).copied().unwrap_or(0)
    }

    fn count_fresh(&mut self, network: Network, most: usize, now: Instant) -> Result<(), TooMany> {
        if self.fresh.len() >= REMEMBERED {
            self.fresh.retain(|_, window| now.saturating_duration_since(window.start) < MINUTE);
        }
        if self.fresh.len() >= REMEMBERED && !self.fresh.contains_key(&network) {
            return Err(TooMany::Rate);
        }
        let window = self.fresh.entry(network).or_insert(Window { start: now, count: 0 });
        if now.saturating_duration_since(window.start) >= MINUTE {
            *window = Window { start: now, count: 0 };
        }
        if window.count >= most {
            return Err(TooMany::Rate);
        }
        window.count += 1;
        Ok(())
    }
}

/// One counted connection.
#[derive(Debug)]
pub struct Ticket {
    gate: Arc<Gate>,
    class: Class,
    networks: Option<[Network; 2]>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut counts = self.gate.counts();
        counts.open = counts.open.saturating_sub(1);
        for network in self.networks.iter().flatten() {
            release(&mut counts.held, (self.class, *network));
        }
    }
}

fn release<K: Eq + Hash>(held: &mut HashMap<K, usize>, key: K) {
    if let Some(count) = held.get_mut(&key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            held.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn cuts_addresses_to_networks() {
        for (one, two, together) in [
            ("192.0.2.0", "192.0.2.255", true),
            ("192.0.2.0", "192.0.3.0", false),
            ("::ffff:192.0.2.9", "192.0.2.1", true),
            ("2001:db8::1", "2001:db8::ffff:1:2:3", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
        ] {
            assert_eq!(neighbourhood(ip(one)) == neighbourhood(ip(two)), together, "{one} {two}");
        }
        assert_eq!(Network::new(ip("8.8.8.8"), 0), Network::new(ip("1.1.1.1"), 0));
        assert_ne!(Network::new(ip("8.8.8.8"), 200), Network::new(ip("8.8.8.9"), 200));
    }

    #[test]
    fn counts_by_address_network_and_all() {
        let limits = GateLimits { connections: 100, new_per_minute: 1_000, ..GateLimits::default() };
        let gate = Gate::new(limits);
        let now = Instant::now();
        let one: Vec<_> = (0..10).map(|_| gate.admit(ip("192.0.2.1"), Class::Imap, now).unwrap()).collect();
        assert_eq!(gate.admit(ip("192.0.2.1"), Class::Imap, now).unwrap_err(), TooMany::Network);
        let smtp = gate.admit(ip("192.0.2.1"), Class::Smtp, now).unwrap();
        let rest: Vec<_> = (0..20)
            .map(|n| gate.admit(ip(&format!("192.0.2.{}", 2 + n % 4)), Class::Imap, now).unwrap())
            .collect();
        assert_eq!(gate.admit(ip("192.0.2.200"), Class::Imap, now).unwrap_err(), TooMany::Network);
        assert_eq!(gate.open(), 31);
        drop((one, smtp));
        assert!(gate.admit(ip("192.0.2.200"), Class::Imap, now).is_ok(), "a closed one is counted out");
        let loopback: Vec<_> =
            (0..80).map(|_| gate.admit(ip("127.0.0.1"), Class::Imap, now).unwrap()).collect();
        assert!(gate.stressed());
        assert_eq!(gate.admit(ip("127.0.0.1"), Class::Imap, now).unwrap_err(), TooMany::All);
        drop((rest, loopback));
        assert_eq!(gate.open(), 0);
        assert!(gate.counts().held.is_empty());
    }

    #[test]
    fn counts_new_connections_of_a_minute() {
        let gate = Gate::new(GateLimits { new_per_minute: 3, ..GateLimits::default() });
        let now = Instant::now();
        for _ in 0..3 {
            gate.admit(ip("2001:db8::1"), Class::Http, now).unwrap();
        }
        assert_eq!(gate.admit(ip("2001:db8::1"), Class::Http, now).unwrap_err(), TooMany::Rate);
        for n in 2..8 {
            gate.admit(ip(&format!("2001:db8::{n}")), Class::Http, now).unwrap();
        }
        assert_eq!(gate.admit(ip("2001:db8::99"), Class::Http, now).unwrap_err(), TooMany::Rate);
        assert!(gate.admit(ip("2001:db8::1"), Class::Http, now + MINUTE).is_ok());
    }
}
