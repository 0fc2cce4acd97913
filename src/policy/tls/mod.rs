//! May this message go over this connection? The one maker of the token that `MAIL FROM` needs.
//!
//! The handshake only collects; here it is judged, by pure functions: [`before`] a connection is made, [`judge`] when
//! it stands. Nothing of an envelope is said to a peer before [`judge`] gave its [`Cleared`]. The whole table is
//! `tests/golden/tls_verdicts.txt`.

mod certificate;
mod stored;
mod verdict;

pub use crate::base::requirement::Reason;
pub use crate::base::requirement::Requirement;
pub use crate::base::requirement::UnknownLevel;
pub use crate::policy::tls::stored::BadStored;
pub use crate::policy::tls::stored::Stored;
pub use crate::policy::tls::stored::rotated;
pub use crate::policy::tls::verdict::Cleared;
pub use crate::policy::tls::verdict::Proof;
pub use crate::policy::tls::verdict::Refusal;
pub use crate::policy::tls::verdict::Then;
pub use crate::policy::tls::verdict::before;
pub use crate::policy::tls::verdict::judge;

use crate::base::address::Domain;
use crate::base::dns::Security;
use crate::base::time::Time;
use crate::policy::dane::Dane;
use crate::policy::mta_sts::Sts;
use rustls::pki_types::TrustAnchor;
use std::fmt;

/// Who asks for a policy.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Sender {
    /// Anybody: what may be better later is tried again for days.
    #[default]
    Ordinary,
    /// A secure alias: what is definite is said at once.
    Secure,
}

/// A requirement, and for whom. A queued message keeps it.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Demand {
    requirement: Requirement,
    sender: Sender,
}

impl Demand {
    /// A secure alias asks for encryption at least.
    pub const fn new(requirement: Requirement, sender: Sender) -> Self {
        let requirement = match sender {
            Sender::Ordinary => requirement,
            Sender::Secure => requirement.and(Requirement::Encrypt),
        };
        Self { requirement, sender }
    }

    /// The level.
    pub const fn requirement(self) -> Requirement {
        self.requirement
    }

    /// Who asks.
    pub const fn sender(self) -> Sender {
        self.sender
    }

    /// The same for a destination that asks for this: the stricter of the two wins.
    pub const fn and(self, destination: Requirement) -> Self {
        Self { requirement: self.requirement.and(destination), sender: self.sender }
    }

    /// What satisfies both, for what two messages cause together.
    pub const fn with(self, other: Self) -> Self {
        let sender = match (self.sender, other.sender) {
            (Sender::Ordinary, Sender::Ordinary) => Sender::Ordinary,
            (Sender::Secure, _) | (_, Sender::Secure) => Sender::Secure,
        };
        Self::new(self.requirement.and(other.requirement), sender)
    }

    /// Reads what [`fmt::Display`] wrote.
    pub fn parse(text: &str) -> Result<Self, UnknownLevel> {
        match text.strip_prefix(SECURE) {
            Some(level) => Ok(Self::new(Requirement::parse(level)?, Sender::Secure)),
            None => Ok(Self::new(Requirement::parse(text)?, Sender::Ordinary)),
        }
    }
}

const SECURE: &str = "secure ";

/// `encrypt`, or `secure encrypt` of a secure alias: the form that a queued message keeps.
impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sender {
            Sender::Ordinary => write!(f, "{}", self.requirement),
            Sender::Secure => write!(f, "{SECURE}{}", self.requirement),
        }
    }
}

/// What is known before a host is met.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What DNS says about its certificate.
    pub dane: &'a Dane,
    /// What is stored for the destination.
    pub stored: &'a [Stored],
    /// The host, if it has a name.
    pub host: Option<&'a Domain>,
    /// How far what names the host is proven: DNS, or the word of an admin.
    pub host_security: Security,
    /// The domain of the recipient, or the host that an admin named.
    pub next_hop: Option<&'a Domain>,
    /// What the MTA-STS policy of the recipient's domain says about the host.
    pub sts: Sts,
    /// The authorities of the Web, for MTA-STS.
    pub roots: &'a [TrustAnchor<'static>],
}

impl Facts<'_> {
    /// What this link shows to be compared with what is stored: its fingerprint, and whether it is that or leads to it.
    /// Nothing where it does not hold the key of what it shows.
    pub fn compared(&self, link: &Link<'_>, now: Time) -> Option<(String, bool)> {
        let Link::Tls { chain: chain @ [own, ..], signature_good: true } = link else { return None };
        let names = self.names();
        let known = self.stored.iter().any(|stored| stored.matches(chain, &names, now));
        Some((certificate::fingerprint(own), known))
    }

    /// The names for which a stored authority may vouch: the next hop, and the host where that name is proven. An
    /// unsigned MX record can be forged, and for the host that it names then its owner has a good certificate.
    fn names(&self) -> Vec<&Domain> {
        let host = match self.host_security {
            Security::Secure => self.host,
            Security::Insecure | Security::Indeterminate => None,
        };
        host.into_iter().chain(self.next_hop).collect()
    }

    /// Which of several stored certificates this link presents, counted from 0 in the order in which they were added;
    /// nothing where there are not several, or it presents none of them.
    pub fn presented(&self, link: &Link<'_>, now: Time) -> Option<usize> {
        let Link::Tls { chain, signature_good: true } = link else { return None };
        let names = self.names();
        let several = self.stored.len() > 1;
        several.then(|| self.stored.iter().position(|stored| stored.matches(chain, &names, now)))?
    }
}

/// What was met.
#[derive(Clone, Copy, Debug)]
pub enum Link<'a> {
    /// No STARTTLS is offered.
    NotOffered,
    /// STARTTLS was offered, and answered with a refusal; this connection goes on without.
    Refused(Attempt),
    /// The handshake broke.
    Failed(Attempt),
    /// The handshake came to no end.
    Hung,
    /// A new connection without TLS, after a handshake that broke.
    PlainAgain,
    /// TLS stands.
    Tls {
        /// What was presented, DER, the peer's own first.
        chain: &'a [Vec<u8>],
        /// The handshake is signed by the key of the first one. Without this a certificate proves nothing.
        signature_good: bool,
    },
}

/// The first try at a host, or one on a new connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Attempt {
    /// The first.
    First,
    /// On a new connection, after the first failed.
    Again,
}
