//! One question and its judged answer: what the ways of asking have in common.

use crate::base::dns::Answer;
use crate::base::dns::Security;
use crate::base::dns::Validation;
use crate::net::Deed;
use crate::net::dns::CHAIN;
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::proto::rr::Record;
use hickory_resolver::proto::rr::RecordType;
use std::time::Duration;

/// A positive answer is kept for so long at most.
pub(super) const KEEP: Duration = Duration::from_secs(60 * 60);
/// A negative one (RFC 2308 §5).
const KEEP_NO: Duration = Duration::from_secs(15 * 60);

/// Of a chain of more than [`CHAIN`] aliases.
pub(super) const TOO_LONG: &str = "there are too many aliases one behind the other";

/// A way of asking.
pub(super) trait Ask: Send + Sync {
    /// Asks; never longer than [`crate::net::dns::LOOKUP`].
    fn ask(&self, name: Name, kind: RecordType) -> Deed<'_, Reply>;
    /// Finds out whether answers are validated.
    fn test(&self) -> Deed<'_, Validation>;
}

/// A judged answer.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    /// The answer.
    pub(super) answer: Answer<RData>,
    /// The name at the end of the chain of aliases; the name asked for if there is none.
    pub(super) end: Name,
    /// How long it may be kept.
    pub(super) keep: Duration,
}

impl Reply {
    /// What is no answer is not kept.
    pub(super) fn none(name: Name, answer: Answer<RData>) -> Self {
        Self { answer, end: name, keep: Duration::ZERO }
    }

    /// Nobody answered, or not so that it can be read.
    pub(super) fn error(name: Name, why: impl Into<String>) -> Self {
        Self::none(name, Answer::Error(why.into()))
    }
}

/// The records of one answer that belong to the question.
pub(super) struct Chain<'a> {
    /// The aliases, in order.
    pub(super) aliases: Vec<&'a Record>,
    /// What was asked for, at the end of them.
    pub(super) found: Vec<&'a Record>,
    /// The name at the end.
    pub(super) end: Name,
}

impl<'a> Chain<'a> {
    /// The records of `kind` at `name`, or at the end of the chain of CNAMEs that begins there; what else a server
    /// put into its answer is nobody's. What is at the end of a chain that is too long is not known.
    pub(super) fn follow(answers: &'a [Record], name: &Name, kind: RecordType) -> Result<Self, &'static str> {
        let mut chain = Self { aliases: Vec::new(), found: Vec::new(), end: name.clone() };
        loop {
            let at_end = || answers.iter().filter(|record| record.name == chain.end);
            chain.found = at_end().filter(|record| record.record_type() == kind).collect();
            let next = at_end().find_map(|record| match &record.data {
                RData::CNAME(target) => Some((record, target.0.clone())),
                _ => None,
            });
            match next {
                Some(_) if chain.found.is_empty() && chain.aliases.len() == CHAIN => {
                    return Err(TOO_LONG);
                }
                Some((alias, target)) if chain.found.is_empty() => {
                    chain.aliases.push(alias);
                    chain.end = target;
                }
                _ => return Ok(chain),
            }
        }
    }

    /// How long all of it may be kept.
    pub(super) fn keep(&self) -> Duration {
        let least = self.aliases.iter().chain(&self.found).map(|record| record.ttl).min();
        Duration::from_secs(least.unwrap_or_default().into()).min(KEEP)
    }

    /// The data of what was found.
    pub(super) fn data(&self) -> Vec<RData> {
        self.found.iter().map(|record| record.data.clone()).collect()
    }
}

/// How long a "no" may be kept: as its SOA says (RFC 2308 §5); without one, not at all.
pub(super) fn keep_no<'a>(authorities: impl IntoIterator<Item = &'a Record>) -> Duration {
    let ttl = authorities.into_iter().find_map(|record| match &record.data {
        RData::SOA(soa) => Some(record.ttl.min(soa.minimum)),
        _ => None,
    });
    Duration::from_secs(ttl.unwrap_or_default().into()).min(KEEP_NO)
}

/// The two kinds of "no", told from failure.
pub(super) fn no(code: ResponseCode, security: Security) -> Answer<RData> {
    match code {
        ResponseCode::NXDomain => Answer::NxDomain(security),
        ResponseCode::NoError => Answer::NoData(security),
        code => Answer::Error(format!("the server said {code}")),
    }
}
