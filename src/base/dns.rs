//! The words of DNS: answers with their DNSSEC status, mail exchangers, TLSA records.

use crate::base::address::Domain;

/// How far an answer can be trusted (RFC 4033 §5). Ordered: the worst of a chain is its minimum.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Security {
    /// Nobody validated.
    Indeterminate,
    /// Nothing proves it, and nothing should: an unsigned zone.
    Insecure,
    /// DNSSEC proves it.
    Secure,
}

/// An answer. What is bogus or failed is no answer: it never means that there is nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer<T> {
    /// These, at least one.
    Records(Security, Vec<T>),
    /// The name is there, but nothing of this kind.
    NoData(Security),
    /// The name is not there (RFC 8020).
    NxDomain(Security),
    /// DNSSEC says that somebody lies, or what came cannot be told from a lie.
    Bogus,
    /// Nobody answered, or not in a form that can be read; a later try may help.
    Error(String),
}

impl<T> Answer<T> {
    /// How far it can be trusted; `None` if it is no answer.
    pub fn security(&self) -> Option<Security> {
        match self {
            Self::Records(security, _) | Self::NoData(security) | Self::NxDomain(security) => Some(*security),
            Self::Bogus | Self::Error(_) => None,
        }
    }

    /// The same with other records; those that `read` has nothing for are left out.
    pub fn read<U>(self, read: impl Fn(T) -> Option<U>) -> Answer<U> {
        match self {
            Self::Records(security, records) => {
                Answer::Records(security, records.into_iter().filter_map(read).collect())
            }
            Self::NoData(security) => Answer::NoData(security),
            Self::NxDomain(security) => Answer::NxDomain(security),
            Self::Bogus => Answer::Bogus,
            Self::Error(why) => Answer::Error(why),
        }
    }
}

/// One MX record (RFC 5321 §5.1).
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Exchange {
    /// Lower is tried first.
    pub preference: u16,
    /// The host; `None` is the root, which accepts no mail (RFC 7505 §3).
    pub host: Option<Domain>,
}

/// Who takes the mail of a domain, and what its name stands for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Exchanges {
    /// Its MX records; their status is the worst of the chain that led to them.
    pub answer: Answer<Exchange>,
    /// The name at the end of the chain of aliases, if there is one and it can be a domain.
    pub expanded: Option<Domain>,
}

impl From<Answer<Exchange>> for Exchanges {
    /// Of a domain that is no alias.
    fn from(answer: Answer<Exchange>) -> Self {
        Self { answer, expanded: None }
    }
}

/// Where a host is, and what its name stands for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Located<T> {
    /// Its addresses; their status is the worst of the chain that led to them.
    pub addresses: Answer<T>,
    /// The name at the end of the chain of aliases, if there is one and it can be a host.
    pub expanded: Option<Domain>,
}

/// One TLSA record (RFC 6698 §2.1), as it was published.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Tlsa {
    /// Certificate usage.
    pub usage: u8,
    /// 0 is the whole certificate, 1 its key.
    pub selector: u8,
    /// 0 is exact, 1 SHA-256, 2 SHA-512.
    pub matching: u8,
    /// What is to match.
    pub data: Vec<u8>,
}

/// Whose word counts for DNSSEC at this moment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Validation {
    /// Nobody's, because the configuration says so: there is no DANE.
    Off,
    /// Answers are validated; by whom, in words.
    By(String),
    /// They should be and cannot; why.
    Broken(String),
}
