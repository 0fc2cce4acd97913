//! Secure aliases: the levels that one can have.

use crate::base::requirement::Requirement;
use crate::base::requirement::UnknownLevel;
use std::fmt;

/// What a secure alias asks of every server that its mail goes to: never less than encryption.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum AliasLevel {
    /// TLS with any certificate.
    #[default]
    Encrypt,
    /// A certificate that a signed TLSA record vouches for (RFC 7672).
    DaneOnly,
    /// The certificate that is stored for the destination.
    Verify,
}

impl AliasLevel {
    /// Every level, the default first.
    pub const ALL: [Self; 3] = [Self::Encrypt, Self::DaneOnly, Self::Verify];

    /// The form of the command line, of `--json`, and of an account's record.
    pub const fn as_str(self) -> &'static str {
        self.requirement().as_str()
    }

    /// Reads that form. A word that is not one of them is an error, never a weaker level.
    pub fn parse(text: &str) -> Result<Self, UnknownLevel> {
        Self::ALL.into_iter().find(|level| level.as_str() == text).ok_or(UnknownLevel)
    }

    /// What it asks of the way.
    pub const fn requirement(self) -> Requirement {
        match self {
            Self::Encrypt => Requirement::Encrypt,
            Self::DaneOnly => Requirement::DaneOnly,
            Self::Verify => Requirement::Verify,
        }
    }
}

impl fmt::Display for AliasLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_else_is_a_level() {
        for level in AliasLevel::ALL {
            assert_eq!(AliasLevel::parse(level.as_str()), Ok(level));
            assert_eq!(
                level.requirement().and(Requirement::Encrypt),
                level.requirement(),
                "encrypts at least"
            );
        }
        for text in
            ["", "opportunistic", "dane-only+verify", "encrypted", "Encrypt", "dane", " verify", "none"]
        {
            assert_eq!(AliasLevel::parse(text), Err(UnknownLevel), "{text}");
        }
    }
}
