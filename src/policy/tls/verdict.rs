//! The verdicts, as one match over facts, and the token.

use crate::base::requirement::Reason;
use crate::base::time::Time;
use crate::policy::dane::Dane;
use crate::policy::dane::NoDane;
use crate::policy::mta_sts::Sts;
use crate::policy::tls::Attempt;
use crate::policy::tls::Demand;
use crate::policy::tls::Facts;
use crate::policy::tls::Link;
use crate::policy::tls::Requirement;
use crate::policy::tls::Sender;
use crate::policy::tls::certificate::fingerprint;
use crate::policy::tls::certificate::matches_dane;
use crate::policy::tls::certificate::trusted;
use std::fmt;

/// What is proven about a connection.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Proof {
    /// It is not encrypted.
    None,
    /// TLS 1.2 or later stands; whose certificate it is was not proven.
    Unauthenticated,
    /// The host is one of the MTA-STS policy, and an authority of the Web vouches for its certificate.
    MtaSts,
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
            Self::MtaSts => "tls=mta-sts",
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
/// let forged = Cleared { demand: Demand::default(), proof: Proof::Dane, tested: None };
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
    tested: Option<Reason>,
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

    /// What an MTA-STS policy that is only tested would have refused it for (RFC 8461 §5).
    pub const fn tested(&self) -> Option<&Reason> {
        self.tested.as_ref()
    }
}

/// The detail of the status code, and whether waiting can help even a secure alias.
const fn nature(reason: &Reason) -> (u16, Nature) {
    match reason {
        Reason::TlsaUnknown(_) | Reason::NotValidated | Reason::Hung => (5, Nature::Undecided),
        Reason::NoEncryption | Reason::NoDane(_) | Reason::NothingStored => (4, Nature::Definite),
        Reason::NoEncryptionDespiteDane
        | Reason::NoEncryptionDespiteStored
        | Reason::NoEncryptionDespiteSts => (4, Nature::Suspect),
        Reason::Handshake
        | Reason::NotInPolicy
        | Reason::StsMismatch { .. }
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
    let floor = Floor::of(asked, facts.dane, facts.sts);
    let reason = match (asked.wants_stored(), facts.stored.is_empty(), asked.wants_dane(), facts.dane) {
        (true, true, _, _) => Reason::NothingStored,
        (_, _, _, Dane::Unknown(why)) => Reason::TlsaUnknown(why.clone()),
        (_, _, true, Dane::None(NoDane::Off)) => Reason::NotValidated,
        (_, _, true, Dane::None(why)) => Reason::NoDane(why.as_str()),
        (_, _, true, Dane::Unusable) => Reason::NoDane("its TLSA records are of no kind that can be used"),
        (_, _, true, Dane::Usable { .. })
        | (_, _, false, Dane::None(_) | Dane::Unusable | Dane::Usable { .. }) => match floor {
            Floor::Sts { listed: false } => Reason::NotInPolicy,
            _ => return Ok(()),
        },
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
    let floor = Floor::of(demand.requirement(), facts.dane, facts.sts);
    match decide(floor, seen) {
        Ok(proof) => {
            let tested = tested(floor, facts.sts, seen).map(|why| why.with(facts, link));
            Ok(Cleared { demand, proof, tested })
        }
        Err((why, then)) => {
            let refusal = Refusal::new(demand, why.with(facts, link));
            Err(then.map_or(refusal.clone(), |then| refusal.then(then)))
        }
    }
}

/// What is really demanded of a link: the level, and what DNS adds to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Floor {
    Plain,
    Encrypted,
    /// Encrypted, because signed TLSA records are there.
    EncryptedByDane,
    /// As an MTA-STS policy says.
    Sts {
        /// The host is one of its hosts; if not, no connection is made.
        listed: bool,
    },
    Dane,
    Stored {
        /// There are usable TLSA records too.
        dane: bool,
    },
    DaneAndStored,
}

impl Floor {
    /// A published DANE record is a floor for every level but `verify`; an MTA-STS policy is one for the levels that
    /// ask for no proof of their own, where no DANE record could prove anything (RFC 8461 §2).
    const fn of(asked: Requirement, dane: &Dane, sts: Sts) -> Self {
        use Requirement as R;
        if let (R::Opportunistic | R::Encrypt, Dane::None(_) | Dane::Unusable, Sts::Enforce { listed }) =
            (asked, dane, sts)
        {
            return Self::Sts { listed };
        }
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
struct Shown {
    by: By,
    /// An authority of the Web vouches for it and the host's name, and the MTA-STS policy names the host.
    trusted: bool,
}

/// Who vouches for it beside the authorities of the Web.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum By {
    Nobody,
    /// Somebody, but the handshake was not made with its key.
    ForeignKey,
    Dane,
    Stored,
    Both,
}

fn shown(facts: &Facts<'_>, chain: &[Vec<u8>], signature_good: bool, now: Time) -> Shown {
    let mut names = facts.names();
    let stored = facts.stored.iter().any(|stored| stored.matches(chain, &names, now));
    let dane = match facts.dane {
        Dane::Usable { base, records, expanded } => {
            // RFC 7672 §3.2.2: the base domain, the next hop, and what that is an alias of.
            names = std::iter::once(base).chain(facts.next_hop).chain(expanded).collect();
            matches_dane(chain, records, &names, now)
        }
        Dane::None(_) | Dane::Unusable | Dane::Unknown(_) => false,
    };
    let named = matches!(facts.sts, Sts::Testing { listed: true } | Sts::Enforce { listed: true });
    let trusted = named && facts.host.is_some_and(|host| trusted(facts.roots, chain, host, now));
    let by = match (dane, stored) {
        _ if !signature_good && (dane || stored || trusted) => By::ForeignKey,
        (false, false) => By::Nobody,
        (true, false) => By::Dane,
        (false, true) => By::Stored,
        (true, true) => By::Both,
    };
    Shown { by, trusted: trusted && signature_good }
}

/// A reason without its details.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Why {
    NoEncryption,
    NoEncryptionDespiteDane,
    NoEncryptionDespiteStored,
    NoEncryptionDespiteSts,
    NotInPolicy,
    StsMismatch,
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
            Self::NoEncryptionDespiteSts => Reason::NoEncryptionDespiteSts,
            Self::NotInPolicy => Reason::NotInPolicy,
            Self::StsMismatch => Reason::StsMismatch { seen: seen() },
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
        (F::Plain | F::Encrypted | F::EncryptedByDane, S::Tls(Shown { trusted, .. })) => {
            Ok(if trusted { Proof::MtaSts } else { Proof::Unauthenticated })
        }
        // Row 13; row 24; rows 9, 11 and 17; row 21.
        (F::Encrypted, S::NotOffered | S::PlainAgain) => Err((Why::NoEncryption, None)),
        (F::EncryptedByDane | F::Dane | F::DaneAndStored, S::NotOffered | S::PlainAgain) => {
            Err((Why::NoEncryptionDespiteDane, None))
        }
        (F::Sts { .. }, S::NotOffered | S::PlainAgain) => Err((Why::NoEncryptionDespiteSts, None)),
        (F::Stored { .. }, S::NotOffered | S::PlainAgain) => Err((Why::NoEncryptionDespiteStored, None)),
        // Rows 10, 14, 17, 21, 24: one new connection.
        (_, S::Refused(Attempt::First) | S::Failed(Attempt::First)) => {
            Err((Why::Handshake, Some(Then::Reconnect)))
        }
        (_, S::Refused(Attempt::Again) | S::Failed(Attempt::Again)) => Err((Why::Handshake, None)),
        (_, S::Hung) => Err((Why::Hung, None)),
        // Row 24; that the host is none of the policy (row 23) is said before there is a link.
        (F::Sts { .. }, S::Tls(Shown { trusted: true, .. })) => Ok(Proof::MtaSts),
        (F::Sts { .. }, S::Tls(Shown { by: By::ForeignKey, .. })) => Err((Why::ForeignKey, None)),
        (F::Sts { .. }, S::Tls(Shown { by: By::Nobody | By::Dane | By::Stored | By::Both, .. })) => {
            Err((Why::StsMismatch, None))
        }
        // Rows 8, 10, 15, 17.
        (F::Dane, S::Tls(Shown { by: By::Dane | By::Both, .. })) => Ok(Proof::Dane),
        (F::Dane | F::DaneAndStored, S::Tls(Shown { by: By::Nobody | By::Stored, .. })) => {
            Err((Why::DaneMismatch, None))
        }
        // Rows 19, 21, 22.
        (F::Stored { .. }, S::Tls(Shown { by: By::Both, .. })) => Ok(Proof::Stored { against_dane: false }),
        (F::Stored { dane }, S::Tls(Shown { by: By::Stored, .. })) => {
            Ok(Proof::Stored { against_dane: dane })
        }
        (F::Stored { .. } | F::DaneAndStored, S::Tls(Shown { by: By::Dane, .. })) => {
            Err((Why::StoredMismatch, None))
        }
        (F::Stored { .. }, S::Tls(Shown { by: By::Nobody, .. })) => Err((Why::StoredMismatch, None)),
        (F::DaneAndStored, S::Tls(Shown { by: By::Both, .. })) => Ok(Proof::DaneAndStored),
        (F::Dane | F::Stored { .. } | F::DaneAndStored, S::Tls(Shown { by: By::ForeignKey, .. })) => {
            Err((Why::ForeignKey, None))
        }
    }
}

/// Row 25: what a policy that is only tested would have refused this link for. Where DANE decides, or what is stored,
/// there is nothing to test.
const fn tested(floor: Floor, sts: Sts, seen: Seen) -> Option<Why> {
    match (floor, sts, seen) {
        (Floor::Dane | Floor::Stored { .. } | Floor::DaneAndStored | Floor::Sts { .. }, _, _)
        | (_, Sts::None | Sts::Enforce { .. }, _)
        | (_, Sts::Testing { listed: true }, Seen::Tls(Shown { trusted: true, .. })) => None,
        (_, Sts::Testing { listed: false }, _) => Some(Why::NotInPolicy),
        (_, Sts::Testing { listed: true }, Seen::Tls(Shown { by: By::ForeignKey, .. })) => {
            Some(Why::ForeignKey)
        }
        (_, Sts::Testing { listed: true }, Seen::Tls(_)) => Some(Why::StsMismatch),
        (
            _,
            Sts::Testing { listed: true },
            Seen::NotOffered | Seen::Refused(_) | Seen::Failed(_) | Seen::Hung | Seen::PlainAgain,
        ) => Some(Why::NoEncryptionDespiteSts),
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
