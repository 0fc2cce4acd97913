//! The verdicts, as one match over facts, and the token.

use crate::base::requirement::Reason;
use crate::base::time::Time;
use crate::policy::dane::Dane;
use crate::policy::dane::NoDane;
use crate::policy::tls::Attempt;
use crate::policy::tls::Demand;
use crate::policy::tls::Facts;
use crate::policy::tls::Link;
use crate::policy::tls::Requirement;
use crate::policy::tls::Sender;
use crate::policy::tls::certificate::fingerprint;
use crate::policy::tls::certificate::matches_dane;
use std::fmt;

/// What is proven about a connection.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Proof {
    /// It is not encrypted.
    None,
    /// TLS 1.2 or later stands; whose certificate it is was not proven.
    Unauthenticated,
    /// A signed TLSA record vouches for the certificate.
    Dane,
    /// It is the stored one.
    Stored {
        /// Although DANE says otherwise: an admin's word goes before it.
        against_dane: bool,
    },
    /// Both of them.
    DaneAndStored,
}

impl Proof {
    /// The form of the log, of `queue show`, and of Received.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "tls=none",
            Self::Unauthenticated => "tls=unauthenticated",
            Self::Dane => "tls=dane",
            Self::Stored { .. } => "tls=stored-certificate",
            Self::DaneAndStored => "tls=dane+stored-certificate",
        }
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The token: this connection is good enough for this message. Only [`judge`] makes one, and it cannot be copied.
///
/// ```
/// use guardpost::policy::tls::Cleared;
/// fn proof(cleared: &Cleared) -> String {
///     cleared.proof().to_string()
/// }
/// ```
///
/// Nothing else can make one:
///
/// ```compile_fail,E0451
/// use guardpost::policy::tls::{Cleared, Demand, Proof};
/// let forged = Cleared { demand: Demand::default(), proof: Proof::Dane };
/// ```
///
/// nor a second one of one:
///
/// ```compile_fail,E0308
/// use guardpost::policy::tls::Cleared;
/// fn twice(cleared: &Cleared) -> Cleared {
///     cleared.clone()
/// }
/// ```
#[derive(Debug)]
pub struct Cleared {
    demand: Demand,
    proof: Proof,
}

impl Cleared {
    /// What was asked for.
    pub const fn demand(&self) -> Demand {
        self.demand
    }

    /// What was proven.
    pub const fn proof(&self) -> Proof {
        self.proof
    }
}

/// The detail of the status code, and whether waiting can help even a secure alias.
const fn nature(reason: &Reason) -> (u16, Nature) {
    match reason {
        Reason::TlsaUnknown(_) | Reason::NotValidated | Reason::Hung => (5, Nature::Undecided),
        Reason::NoEncryption | Reason::NoDane(_) | Reason::NothingStored => (4, Nature::Definite),
        Reason::NoEncryptionDespiteDane | Reason::NoEncryptionDespiteStored => (4, Nature::Suspect),
        Reason::Handshake
        | Reason::DaneMismatch { .. }
        | Reason::ForeignKey
        | Reason::StoredMismatch { .. } => (5, Nature::Suspect),
    }
}

/// How long a reason lasts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Nature {
    /// The policy could not be decided; later it may be.
    Undecided,
    /// It was decided. A mistake or an attack may pass; a secure alias is not left waiting for that.
    Suspect,
    /// It was decided for good.
    Definite,
}

/// A refusal, and what to do about it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// What is to be done.
    pub then: Then,
    /// What was asked for.
    pub demand: Demand,
    /// Whoever runs this server should know.
    pub alarm: bool,
}

/// What is to be done after a refusal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Then {
    /// A new connection, and the same again.
    Reconnect,
    /// A new connection without TLS.
    ReconnectPlain,
    /// Another host; if there is none, to wait.
    Wait,
    /// Another host; if there is none, to give up.
    GiveUp,
}

impl Refusal {
    fn new(demand: Demand, reason: Reason) -> Self {
        let (_, nature) = nature(&reason);
        let then = match (nature, demand.sender()) {
            (Nature::Undecided, _) | (Nature::Suspect, Sender::Ordinary) => Then::Wait,
            (Nature::Suspect, Sender::Secure) | (Nature::Definite, _) => Then::GiveUp,
        };
        let alarm = match reason {
            Reason::NotValidated | Reason::StoredMismatch { .. } | Reason::NoEncryptionDespiteStored => true,
            Reason::ForeignKey => demand.requirement() == Requirement::Verify,
            _ => false,
        };
        Self { reason, then, demand, alarm }
    }

    /// The same with a new connection before it counts.
    fn then(self, then: Then) -> Self {
        Self { then, ..self }
    }

    /// The enhanced status code (RFC 3463 §3.8).
    pub const fn status(&self) -> (u8, u16, u16) {
        let (detail, _) = nature(&self.reason);
        let class = if matches!(self.then, Then::GiveUp) { 5 } else { 4 };
        (class, 7, detail)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (TLS policy {})", self.reason, self.demand.requirement())
    }
}

/// May a connection to this host be made at all?
pub fn before(demand: Demand, facts: &Facts<'_>) -> Result<(), Refusal> {
    let asked = demand.requirement();
    let reason = match (asked.wants_stored(), facts.stored.is_empty(), asked.wants_dane(), facts.dane) {
        (true, true, _, _) => Reason::NothingStored,
        (_, _, _, Dane::Unknown(why)) => Reason::TlsaUnknown(why.clone()),
        (_, _, true, Dane::None(NoDane::Off)) => Reason::NotValidated,
        (_, _, true, Dane::None(why)) => Reason::NoDane(why.as_str()),
        (_, _, true, Dane::Unusable) => Reason::NoDane("its TLSA records are of no kind that can be used"),
        (_, _, true, Dane::Usable { .. })
        | (_, _, false, Dane::None(_) | Dane::Unusable | Dane::Usable { .. }) => return Ok(()),
    };
    Err(Refusal::new(demand, reason))
}

/// May a message with this demand go over this link?
pub fn judge(demand: Demand, facts: &Facts<'_>, link: &Link<'_>, now: Time) -> Result<Cleared, Refusal> {
    before(demand, facts)?;
    let seen = match link {
        Link::NotOffered => Seen::NotOffered,
        Link::Refused(attempt) => Seen::Refused(*attempt),
        Link::Failed(attempt) => Seen::Failed(*attempt),
        Link::Hung => Seen::Hung,
        Link::PlainAgain => Seen::PlainAgain,
        Link::Tls { chain, signature_good } => Seen::Tls(shown(facts, chain, *signature_good, now)),
    };
    decide(Floor::of(demand.requirement(), facts.dane), seen).map(|proof| Cleared { demand, proof }).map_err(
        |(reason, then)| {
            let refusal = Refusal::new(demand, reason.with(facts, link));
            then.map_or(refusal.clone(), |then| refusal.then(then))
        },
    )
}

/// What is really demanded of a link: the level, and what DNS adds to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Floor {
    Plain,
    Encrypted,
    /// Encrypted, because signed TLSA records are there.
    EncryptedByDane,
    Dane,
    Stored {
        /// There are usable TLSA records too.
        dane: bool,
    },
    DaneAndStored,
}

impl Floor {
    /// A published DANE record is a floor for every level but `verify`.
    const fn of(asked: Requirement, dane: &Dane) -> Self {
        use Requirement as R;
        match (asked, dane) {
            (R::Opportunistic, Dane::None(_) | Dane::Unknown(_)) => Self::Plain,
            (R::Encrypt, Dane::None(_) | Dane::Unknown(_)) => Self::Encrypted,
            (R::Opportunistic | R::Encrypt, Dane::Unusable) => Self::EncryptedByDane,
            (R::Opportunistic | R::Encrypt, Dane::Usable { .. }) | (R::DaneOnly, _) => Self::Dane,
            (R::Verify, dane) => Self::Stored { dane: matches!(dane, Dane::Usable { .. }) },
            (R::DaneOnlyAndVerify, _) => Self::DaneAndStored,
        }
    }
}

/// A link, with its certificate compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Seen {
    NotOffered,
    Refused(Attempt),
    Failed(Attempt),
    Hung,
    PlainAgain,
    Tls(Shown),
}

/// What the certificate matches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Shown {
    Nothing,
    /// Something, but the handshake was not made with its key.
    ForeignKey,
    Dane,
    Stored,
    Both,
}

fn shown(facts: &Facts<'_>, chain: &[Vec<u8>], signature_good: bool, now: Time) -> Shown {
    let mut names: Vec<_> = facts.host.into_iter().chain(facts.next_hop).collect();
    let stored = facts.stored.iter().any(|stored| stored.matches(chain, &names, now));
    let dane = match facts.dane {
        Dane::Usable { base, records } => {
            // RFC 7672 §3.2.2: the base domain, and the next hop.
            names = std::iter::once(base).chain(facts.next_hop).collect();
            matches_dane(chain, records, &names, now)
        }
        Dane::None(_) | Dane::Unusable | Dane::Unknown(_) => false,
    };
    match (dane, stored) {
        (false, false) => Shown::Nothing,
        _ if !signature_good => Shown::ForeignKey,
        (true, false) => Shown::Dane,
        (false, true) => Shown::Stored,
        (true, true) => Shown::Both,
    }
}

/// A reason without its details.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Why {
    NoEncryption,
    NoEncryptionDespiteDane,
    NoEncryptionDespiteStored,
    Handshake,
    Hung,
    DaneMismatch,
    StoredMismatch,
    ForeignKey,
}

impl Why {
    fn with(self, facts: &Facts<'_>, link: &Link<'_>) -> Reason {
        let seen = || match link {
            Link::Tls { chain: [own, ..], .. } => fingerprint(own),
            _ => "nothing".into(),
        };
        match self {
            Self::NoEncryption => Reason::NoEncryption,
            Self::NoEncryptionDespiteDane => Reason::NoEncryptionDespiteDane,
            Self::NoEncryptionDespiteStored => Reason::NoEncryptionDespiteStored,
            Self::Handshake => Reason::Handshake,
            Self::Hung => Reason::Hung,
            Self::DaneMismatch => Reason::DaneMismatch { seen: seen() },
            Self::ForeignKey => Reason::ForeignKey,
            Self::StoredMismatch => Reason::StoredMismatch {
                expected: facts.stored.iter().map(super::Stored::fingerprint).collect(),
                seen: seen(),
            },
        }
    }
}

/// The table of `tests/golden/tls_verdicts.txt`, behind [`before`].
fn decide(floor: Floor, seen: Seen) -> Result<Proof, (Why, Option<Then>)> {
    use Floor as F;
    use Seen as S;
    match (floor, seen) {
        // Rows 5, 6, 7, 12.
        (F::Plain, S::NotOffered | S::Refused(_) | S::PlainAgain) => Ok(Proof::None),
        (F::Plain, S::Failed(_)) => Err((Why::Handshake, Some(Then::ReconnectPlain))),
        (F::Plain, S::Hung) => Err((Why::Hung, Some(Then::ReconnectPlain))),
        (F::Plain | F::Encrypted | F::EncryptedByDane, S::Tls(_)) => Ok(Proof::Unauthenticated),
        // Row 13; rows 9, 11 and 17; row 21.
        (F::Encrypted, S::NotOffered | S::PlainAgain) => Err((Why::NoEncryption, None)),
        (F::EncryptedByDane | F::Dane | F::DaneAndStored, S::NotOffered | S::PlainAgain) => {
            Err((Why::NoEncryptionDespiteDane, None))
        }
        (F::Stored { .. }, S::NotOffered | S::PlainAgain) => Err((Why::NoEncryptionDespiteStored, None)),
        // Rows 10, 14, 17, 21: one new connection.
        (_, S::Refused(Attempt::First) | S::Failed(Attempt::First)) => {
            Err((Why::Handshake, Some(Then::Reconnect)))
        }
        (_, S::Refused(Attempt::Again) | S::Failed(Attempt::Again)) => Err((Why::Handshake, None)),
        (_, S::Hung) => Err((Why::Hung, None)),
        // Rows 8, 10, 15, 17.
        (F::Dane, S::Tls(Shown::Dane | Shown::Both)) => Ok(Proof::Dane),
        (F::Dane | F::DaneAndStored, S::Tls(Shown::Nothing | Shown::Stored)) => {
            Err((Why::DaneMismatch, None))
        }
        // Rows 19, 21, 22.
        (F::Stored { .. }, S::Tls(Shown::Both)) => Ok(Proof::Stored { against_dane: false }),
        (F::Stored { dane }, S::Tls(Shown::Stored)) => Ok(Proof::Stored { against_dane: dane }),
        (F::Stored { .. } | F::DaneAndStored, S::Tls(Shown::Dane)) => Err((Why::StoredMismatch, None)),
        (F::Stored { .. }, S::Tls(Shown::Nothing)) => Err((Why::StoredMismatch, None)),
        (F::DaneAndStored, S::Tls(Shown::Both)) => Ok(Proof::DaneAndStored),
        (F::Dane | F::Stored { .. } | F::DaneAndStored, S::Tls(Shown::ForeignKey)) => {
            Err((Why::ForeignKey, None))
        }
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
