//! What a message asks of the way it takes to another server.

use std::fmt;
use thiserror::Error;

/// A TLS policy's level. `opportunistic` < `encrypt` < `dane-only`, `encrypt` < `verify`.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Requirement {
    /// TLS where the peer offers it (RFC 7435 §3).
    #[default]
    Opportunistic,
    /// TLS with any certificate; rather not at all than in clear.
    Encrypt,
    /// A certificate that a signed TLSA record vouches for (RFC 7672).
    DaneOnly,
    /// The certificate that is stored for the destination.
    Verify,
    /// Both of them.
    DaneOnlyAndVerify,
}

impl Requirement {
    /// Every level.
    pub const ALL: [Self; 5] =
        [Self::Opportunistic, Self::Encrypt, Self::DaneOnly, Self::Verify, Self::DaneOnlyAndVerify];

    /// The form of guard.toml, of the log, and of a queued message.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opportunistic => "opportunistic",
            Self::Encrypt => "encrypt",
            Self::DaneOnly => "dane-only",
            Self::Verify => "verify",
            Self::DaneOnlyAndVerify => "dane-only+verify",
        }
    }

    /// Reads that form. A level that this version does not know is an error, never a weaker level.
    pub fn parse(text: &str) -> Result<Self, UnknownLevel> {
        Self::ALL.into_iter().find(|level| level.as_str() == text).ok_or(UnknownLevel)
    }

    /// What satisfies both.
    pub const fn and(self, other: Self) -> Self {
        use Requirement as R;
        match (self, other) {
            (R::Opportunistic, level) | (level, R::Opportunistic) => level,
            (R::Encrypt, level) | (level, R::Encrypt) => level,
            (R::DaneOnly, R::DaneOnly) => R::DaneOnly,
            (R::Verify, R::Verify) => R::Verify,
            (R::DaneOnly | R::Verify | R::DaneOnlyAndVerify, _) => R::DaneOnlyAndVerify,
        }
    }

    /// A TLSA record must match.
    pub const fn wants_dane(self) -> bool {
        matches!(self, Self::DaneOnly | Self::DaneOnlyAndVerify)
    }

    /// The stored certificate must match.
    pub const fn wants_stored(self) -> bool {
        matches!(self, Self::Verify | Self::DaneOnlyAndVerify)
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A stored level that this version cannot judge.
#[derive(Clone, Copy, Debug, Eq, Error, Ord, PartialEq, PartialOrd)]
#[error("a TLS policy that this version does not know")]
pub struct UnknownLevel;

/// A requirement that a host does not meet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unmet {
    /// What was asked for.
    pub requirement: Requirement,
    /// What was found.
    pub reason: Reason,
}

/// Why a message does not go to a host.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reason {
    /// TLSA records could not be looked up safely.
    TlsaUnknown(String),
    /// No STARTTLS.
    NoEncryption,
    /// No STARTTLS, though DNS says that there must be.
    NoEncryptionDespiteDane,
    /// No STARTTLS, though a certificate is stored.
    NoEncryptionDespiteStored,
    /// No STARTTLS, though the domain's MTA-STS policy wants it.
    NoEncryptionDespiteSts,
    /// Not one of the hosts that the domain's MTA-STS policy names.
    NotInPolicy,
    /// The certificate leads to no authority of the Web for the host's name, though the MTA-STS policy wants that.
    StsMismatch {
        /// SHA-256 of what was presented.
        seen: String,
    },
    /// STARTTLS was refused, or the handshake failed.
    Handshake,
    /// The handshake came to no end.
    Hung,
    /// The certificate matches none of the TLSA records.
    DaneMismatch {
        /// SHA-256 of what was presented.
        seen: String,
    },
    /// The certificate matches, but the handshake was not made with its key.
    ForeignKey,
    /// DANE is demanded and there is none that could be used.
    NoDane(&'static str),
    /// DANE is demanded and cannot be checked here.
    NotValidated,
    /// Nothing is stored for the domain.
    NothingStored,
    /// The certificate is not the stored one.
    StoredMismatch {
        /// SHA-256 of what is stored.
        expected: Vec<String>,
        /// SHA-256 of what was presented.
        seen: String,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TlsaUnknown(why) => write!(f, "its TLSA records cannot be looked up safely: {why}"),
            Self::NoEncryption => f.write_str("offers no encryption"),
            Self::NoEncryptionDespiteDane => {
                f.write_str("offers no encryption, though its DANE record says that it must")
            }
            Self::NoEncryptionDespiteStored => {
                f.write_str("offers no encryption, though a certificate is stored for it")
            }
            Self::NoEncryptionDespiteSts => {
                f.write_str("offers no encryption, though the MTA-STS policy of its domain says that it must")
            }
            Self::NotInPolicy => f.write_str("is no host of the MTA-STS policy of its domain"),
            Self::StsMismatch { seen } => write!(
                f,
                "its certificate is not valid for its name, as the MTA-STS policy of its domain wants it; seen SHA-256 \
                 {seen}"
            ),
            Self::Handshake => f.write_str("no encrypted connection could be made"),
            Self::Hung => f.write_str("the encrypted connection came to no end of its beginning"),
            Self::DaneMismatch { seen } => {
                write!(f, "its certificate does not match its DANE record; seen SHA-256 {seen}")
            }
            Self::ForeignKey => f.write_str("it does not hold the key of the certificate that it shows"),
            Self::NoDane(why) => write!(f, "publishes no usable DANE record: {why}"),
            Self::NotValidated => {
                f.write_str("DANE cannot be checked on this server: DNSSEC is not validated")
            }
            Self::NothingStored => f.write_str("no certificate is stored for the domain"),
            Self::StoredMismatch { expected, seen } => write!(
                f,
                "its certificate is not the stored one; expected SHA-256 {}, seen SHA-256 {seen}",
                expected.join(" or ")
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_level_is_never_a_weaker_one() {
        for level in Requirement::ALL {
            assert_eq!(Requirement::parse(level.as_str()), Ok(level));
        }
        for text in ["", "dane", "Encrypt", "none", "dane-only "] {
            assert_eq!(Requirement::parse(text), Err(UnknownLevel), "{text}");
        }
    }

    #[test]
    fn both_are_satisfied_and_nothing_weaker_would_do() {
        use Requirement as R;
        let (order, all) = (
            [
                (R::Opportunistic, R::Encrypt),
                (R::Encrypt, R::DaneOnly),
                (R::Encrypt, R::Verify),
                (R::DaneOnly, R::DaneOnlyAndVerify),
                (R::Verify, R::DaneOnlyAndVerify),
            ],
            R::ALL,
        );
        let at_least = |a: R, b: R| {
            let mut reached = vec![b];
            while let Some(level) = reached.pop() {
                if level == a {
                    return true;
                }
                reached.extend(order.iter().filter(|(low, _)| *low == level).map(|(_, high)| *high));
            }
            false
        };
        for a in all {
            for b in all {
                let both = a.and(b);
                assert_eq!(both, b.and(a), "{a} {b}");
                assert!(at_least(both, a) && at_least(both, b), "{a} and {b} is {both}");
                let least = all.into_iter().filter(|c| at_least(*c, a) && at_least(*c, b));
                assert!(least.into_iter().all(|c| at_least(c, both)), "{a} and {b} is {both}");
            }
        }
    }
}
