//! Which hosts the mail of a domain goes to (RFC 5321 §5.1).

use crate::base::dns::Answer;
use crate::base::dns::Exchange;
use crate::base::dns::Security;

/// Where the mail of a domain goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Route {
    /// To these, in order of preference.
    Hosts(Security, Vec<Exchange>),
    /// No MX: to the domain itself (RFC 5321 §5.1).
    Implicit(Security),
    /// It says that it accepts no mail (RFC 7505).
    NullMx,
    /// There is no such domain.
    NoSuchDomain,
    /// It names hosts, and none of the names can be one.
    BadHosts,
    /// Cannot be said now.
    Unclear(String),
}

impl Route {
    /// What the answer about a domain's MX means.
    pub fn of(mx: Answer<Exchange>) -> Self {
        match mx {
            Answer::Records(_, records) if records.is_empty() => Self::BadHosts,
            Answer::Records(_, records) if records.iter().all(|record| record.host.is_none()) => Self::NullMx,
            Answer::Records(security, mut records) => {
                records.retain(|record| record.host.is_some());
                records.sort();
                Self::Hosts(security, records)
            }
            Answer::NoData(security) => Self::Implicit(security),
            Answer::NxDomain(_) => Self::NoSuchDomain,
            Answer::Bogus => Self::Unclear("its DNSSEC signatures are not valid".into()),
            Answer::Error(why) => Self::Unclear(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::address::Domain;

    #[test]
    fn decisions() {
        let host = |preference, name: &str| Exchange { preference, host: Domain::parse(name).ok() };
        let (a, b, root) = (host(10, "a.example"), host(20, "b.example"), host(0, "."));
        for security in [Security::Secure, Security::Insecure, Security::Indeterminate] {
            for (answer, want) in [
                (
                    Answer::Records(security, vec![b.clone(), root.clone(), a.clone()]),
                    Route::Hosts(security, vec![a.clone(), b.clone()]),
                ),
                (Answer::Records(security, vec![root.clone()]), Route::NullMx),
                (Answer::Records(security, Vec::new()), Route::BadHosts),
                (Answer::NoData(security), Route::Implicit(security)),
                (Answer::NxDomain(security), Route::NoSuchDomain),
                (Answer::Bogus, Route::Unclear("its DNSSEC signatures are not valid".into())),
                (Answer::Error("late".into()), Route::Unclear("late".into())),
            ] {
                assert_eq!(Route::of(answer.clone()), want, "{answer:?}");
            }
        }
    }
}
