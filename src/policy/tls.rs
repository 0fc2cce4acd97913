//! May this message go over this connection? The one maker of the token that `MAIL FROM` needs.
//!
//! The handshake only collects; here it is judged, by a pure function. Nothing of an envelope is said to a peer
//! before [`judge`] gave its [`Cleared`].

use std::fmt;
use thiserror::Error;

/// What a message asks of the way it takes. Levels are ordered: a later one asks for more.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Requirement {
    /// TLS where the peer offers it (RFC 7435 §3).
    #[default]
    Opportunistic,
    /// TLS with any certificate; rather not at all than in clear.
    Encrypt,
}

impl Requirement {
    /// Every level.
    pub const ALL: [Self; 2] = [Self::Opportunistic, Self::Encrypt];

    /// The form that a queued message keeps.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opportunistic => "opportunistic",
            Self::Encrypt => "encrypt",
        }
    }

    /// Reads that form. A level that this version does not know is an error, never a weaker level.
    pub fn parse(text: &str) -> Result<Self, UnknownLevel> {
        Self::ALL.into_iter().find(|level| level.as_str() == text).ok_or(UnknownLevel)
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A stored level that this version cannot judge.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("a TLS policy that this version does not know")]
pub struct UnknownLevel;

/// What is proven about a connection.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Proof {
    /// The peer offers no STARTTLS, or answered it with a refusal.
    NotOffered,
    /// It offers it, but no handshake succeeded; this connection goes without.
    HandshakeFailed,
    /// TLS 1.2 or later stands; whose certificate it is was not proven.
    Unauthenticated,
}

impl Proof {
    /// Every proof.
    pub const ALL: [Self; 3] = [Self::NotOffered, Self::HandshakeFailed, Self::Unauthenticated];

    /// The form of the log and of `queue show`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotOffered | Self::HandshakeFailed => "tls=none",
            Self::Unauthenticated => "tls=unauthenticated",
        }
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The token: this connection is good enough for this message. Only [`judge`] makes one, and it cannot be copied.
#[derive(Debug)]
pub struct Cleared {
    requirement: Requirement,
    proof: Proof,
}

impl Cleared {
    /// What was asked for.
    pub const fn requirement(&self) -> Requirement {
        self.requirement
    }

    /// What was proven.
    pub const fn proof(&self) -> Proof {
        self.proof
    }
}

/// Why a message does not go over a connection.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Refusal {
    /// Definite: 5.7.4 once every host of the domain gave it.
    #[error("the peer offers no encryption; the message was not sent, not even unencrypted")]
    NoEncryption,
    /// 4.7.5: a later try may be better.
    #[error("no encrypted connection could be made; the message was not sent unencrypted")]
    HandshakeFailed,
}

impl Refusal {
    /// Waiting does not help.
    pub const fn is_permanent(self) -> bool {
        match self {
            Self::NoEncryption => true,
            Self::HandshakeFailed => false,
        }
    }

    /// The enhanced status code (RFC 3463 §3.8).
    pub const fn status(self) -> (u8, u16, u16) {
        match self {
            Self::NoEncryption => (5, 7, 4),
            Self::HandshakeFailed => (4, 7, 5),
        }
    }
}

/// May a message with this requirement go to a peer with this proof?
pub const fn judge(requirement: Requirement, proof: Proof) -> Result<Cleared, Refusal> {
    use Proof as P;
    use Requirement as R;
    match (requirement, proof) {
        (R::Opportunistic, P::NotOffered | P::HandshakeFailed | P::Unauthenticated)
        | (R::Encrypt, P::Unauthenticated) => Ok(Cleared { requirement, proof }),
        (R::Encrypt, P::NotOffered) => Err(Refusal::NoEncryption),
        (R::Encrypt, P::HandshakeFailed) => Err(Refusal::HandshakeFailed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::golden;

    #[test]
    fn decisions() {
        let mut table = format!("{:<14} {:<16} verdict\n", "requirement", "proof");
        for requirement in Requirement::ALL {
            for proof in Proof::ALL {
                let verdict = match judge(requirement, proof) {
                    Ok(cleared) => format!("send, {}", cleared.proof()),
                    Err(why) => {
                        let (class, subject, detail) = why.status();
                        format!("{class}.{subject}.{detail} {why}")
                    }
                };
                table += &format!("{:<14} {:<16} {verdict}\n", requirement.as_str(), format!("{proof:?}"));
            }
        }
        golden::compare("tls_verdicts.txt", &table);
    }

    #[test]
    fn an_unknown_level_is_never_a_weaker_one() {
        for level in Requirement::ALL {
            assert_eq!(Requirement::parse(level.as_str()), Ok(level));
        }
        for text in ["", "dane-only", "Encrypt", "none"] {
            assert_eq!(Requirement::parse(text), Err(UnknownLevel), "{text}");
        }
    }
}
