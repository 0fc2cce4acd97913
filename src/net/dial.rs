//! Connecting to somebody else's server, and never to ourselves by mistake.

use crate::net::stream::Stream;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpSocket;
use tokio::time::timeout;

/// One address is tried for this long.
const CONNECT: Duration = Duration::from_secs(10);

/// How connections are opened.
#[derive(Clone, Debug, Default)]
pub struct Dialer {
    /// Connect from this IPv4 address.
    pub source4: Option<IpAddr>,
    /// Connect from this IPv6 address.
    pub source6: Option<IpAddr>,
    /// The whole world is on loopback, as in `demo` and in tests.
    pub loopback: bool,
}

/// Who named the address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NamedBy {
    /// The DNS of a stranger: never this machine, nor an address that is nobody's.
    Stranger,
    /// An admin: any address.
    Admin,
}

/// Why no connection was made.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum DialError {
    /// The name leads to this machine, or to an address that is nobody's (RFC 5321 §5.1); waiting will not help.
    #[error("{0} is this server itself, or no address that mail could go to")]
    Ourselves(IpAddr),
    /// Nobody answered; a later try may help.
    #[error("{0}")]
    Unreachable(String),
}

impl Dialer {
    /// Tries `addresses` in turn, IPv6 and IPv4 by turns as they come; the first that answers is it.
    pub async fn connect(
        &self,
        addresses: &[IpAddr],
        port: u16,
        named_by: NamedBy,
    ) -> Result<Stream, DialError> {
        self.connect_next(&mut in_turn(addresses), port, named_by).await
    }

    /// The same with those that are `left`, as they stand. Whatever was tried is taken out, and what answered too.
    pub async fn connect_next(
        &self,
        left: &mut VecDeque<IpAddr>,
        port: u16,
        named_by: NamedBy,
    ) -> Result<Stream, DialError> {
        let mut ourselves = None;
        let mut failures = Vec::new();
        while let Some(address) = left.pop_front() {
            if named_by == NamedBy::Stranger && !self.may_be_named(address) {
                ourselves = Some(address);
                continue;
            }
            match self.open(SocketAddr::new(address, port)).await {
                Ok(stream) if named_by == NamedBy::Stranger && self.is_ourselves(&stream) => {
                    ourselves = Some(address);
                }
                Ok(stream) => return Ok(stream),
                Err(why) => failures.push(format!("{}: {why}", SocketAddr::new(address, port))),
            }
        }
        match ourselves {
            Some(address) if failures.is_empty() => Err(DialError::Ourselves(address)),
            _ if failures.is_empty() => Err(DialError::Unreachable("no address".into())),
            _ => Err(DialError::Unreachable(failures.join("; "))),
        }
    }

    /// `address` is one that a stranger's DNS may name.
    pub fn may_be_named(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let nobody = address.is_unspecified()
                    || address.is_broadcast()
                    || address.is_multicast()
                    || address.is_link_local()
                    || address.octets().first() == Some(&0);
                !nobody && (self.loopback || !address.is_loopback())
            }
            IpAddr::V6(address) => {
                let nobody =
                    address.is_unspecified() || address.is_multicast() || address.is_unicast_link_local();
                !nobody && (self.loopback || !address.is_loopback())
            }
        }
    }

    /// One of these is an address of this machine. Nothing is sent to find that out.
    pub fn leads_here(&self, addresses: &[IpAddr]) -> bool {
        !self.loopback && addresses.iter().any(|address| is_here(*address))
    }

    /// Both ends have one address: whatever it is, it is on this machine.
    fn is_ourselves(&self, stream: &Stream) -> bool {
        !self.loopback && stream.peer().ip() == stream.local().ip()
    }

    async fn open(&self, address: SocketAddr) -> Result<Stream, String> {
        let said = |why: std::io::Error| why.to_string();
        let (socket, source) = if address.is_ipv4() {
            (TcpSocket::new_v4(), self.source4)
        } else {
            (TcpSocket::new_v6(), self.source6)
        };
        let socket = socket.map_err(said)?;
        if let Some(source) = source {
            socket.bind(SocketAddr::new(source, 0)).map_err(said)?;
        }
        match timeout(CONNECT, socket.connect(address)).await {
            Err(_) => Err("no answer within 10 seconds".into()),
            Ok(Err(why)) => Err(said(why)),
            Ok(Ok(socket)) => Stream::plain(socket).map_err(said),
        }
    }
}

/// The way to it begins and ends at one address.
fn is_here(address: IpAddr) -> bool {
    let any: SocketAddr =
        if address.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let local = || {
        let socket = UdpSocket::bind(any)?;
        // A datagram socket only chooses its way here; the port is of no account.
        socket.connect((address, 9))?;
        socket.local_addr()
    };
    local().is_ok_and(|local| local.ip() == address.to_canonical() || local.ip() == address)
}

/// One of each kind by turns, beginning with the kind that comes first (RFC 8305 §4 without its race).
pub fn in_turn(addresses: &[IpAddr]) -> VecDeque<IpAddr> {
    let first_kind = addresses.first().copied().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)).is_ipv4();
    let (first, second): (Vec<IpAddr>, Vec<IpAddr>) =
        addresses.iter().partition(|address| address.is_ipv4() == first_kind);
    let mut first = first.into_iter();
    let mut second = second.into_iter();
    let mut order = VecDeque::with_capacity(addresses.len());
    while order.len() < addresses.len() {
        order.extend(first.next());
        order.extend(second.next());
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn refuses_what_a_stranger_may_not_name() {
        let dialer = Dialer::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for address in
            ["127.0.0.1", "127.8.8.8", "0.0.0.0", "0.1.2.3", "::1", "::", "::ffff:127.0.0.1", "224.0.0.1"]
        {
            let address = ip(address);
            let refused = dialer.connect(&[address], port, NamedBy::Stranger).await.unwrap_err();
            assert_eq!(refused, DialError::Ourselves(address));
        }
        let admin = dialer.connect(&[ip("127.0.0.1")], port, NamedBy::Admin).await;
        assert_eq!(admin.unwrap().peer(), listener.local_addr().unwrap());
        let world = Dialer { loopback: true, ..Dialer::default() };
        assert!(world.connect(&[ip("127.0.0.1")], port, NamedBy::Stranger).await.is_ok());
    }

    #[test]
    fn knows_its_own_addresses() {
        let dialer = Dialer::default();
        assert!(dialer.leads_here(&[ip("192.0.2.1"), ip("127.0.0.1")]));
        assert!(!dialer.leads_here(&[ip("192.0.2.1"), ip("2001:db8::1")]));
        assert!(!dialer.leads_here(&[]));
        let world = Dialer { loopback: true, ..Dialer::default() };
        assert!(!world.leads_here(&[ip("127.0.0.1")]));
    }

    #[tokio::test]
    async fn tries_the_next_and_tells_all_failures() {
        let world = Dialer { loopback: true, ..Dialer::default() };
        let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let found = world.connect(&[ip("127.0.0.3"), ip("127.0.0.2")], port, NamedBy::Stranger).await;
        assert_eq!(found.unwrap().peer().ip(), ip("127.0.0.2"));
        let failed = world.connect(&[ip("127.0.0.3"), ip("127.0.0.4")], port, NamedBy::Stranger).await;
        let DialError::Unreachable(why) = failed.unwrap_err() else { panic!("reached nobody") };
        assert!(why.contains("127.0.0.3") && why.contains("127.0.0.4"), "{why}");
        assert!(matches!(world.connect(&[], port, NamedBy::Admin).await, Err(DialError::Unreachable(_))));
    }

    #[tokio::test]
    async fn goes_on_behind_the_one_that_answered() {
        let world = Dialer { loopback: true, ..Dialer::default() };
        let first = TcpListener::bind("127.0.0.2:0").await.unwrap();
        let port = first.local_addr().unwrap().port();
        let _second = TcpListener::bind(("127.0.0.4", port)).await.unwrap();
        let mut left = in_turn(&[ip("127.0.0.3"), ip("127.0.0.2"), ip("127.0.0.5"), ip("127.0.0.4")]);
        for (answers, behind) in [("127.0.0.2", 2), ("127.0.0.4", 0)] {
            let found = world.connect_next(&mut left, port, NamedBy::Stranger).await;
            assert_eq!((found.unwrap().peer().ip(), left.len()), (ip(answers), behind));
        }
        assert!(world.connect_next(&mut left, port, NamedBy::Stranger).await.is_err());
    }

    #[test]
    fn takes_both_kinds_by_turns() {
        let order = in_turn(&[ip("::a"), ip("::b"), ip("::c"), ip("192.0.2.1")]);
        assert_eq!(order, [ip("::a"), ip("192.0.2.1"), ip("::b"), ip("::c")]);
        assert_eq!(in_turn(&[]), Vec::<IpAddr>::new());
    }
}
