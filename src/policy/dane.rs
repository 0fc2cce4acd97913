//! What DNS says about a host's certificate: where its TLSA records are looked for, and which of them can be used
//! (RFC 7672 §2, RFC 7671).

use crate::base::address::Domain;
use crate::base::dns::Answer;
use crate::base::dns::Located;
use crate::base::dns::Security;
use crate::base::dns::Tlsa;

/// What DNS says about a host's certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Dane {
    /// Nothing that counts; why.
    None(NoDane),
    /// There are records, proven, and none that can be used: TLS must be there, whose it is cannot be proven
    /// (RFC 7672 §2.2).
    Unusable,
    /// These, found at `base`.
    Usable {
        /// The TLSA base domain (RFC 7672 §2.2.3).
        base: Domain,
        /// At least one.
        records: Vec<Tlsa>,
        /// What the next hop is an alias of, as signed records say: under DANE-TA(2) a certificate may name that too
        /// (RFC 7672 §3.2.2).
        expanded: Option<Domain>,
    },
    /// It cannot be said now: the host is not used. It never means that there are none.
    Unknown(String),
}

impl Dane {
    /// The same for a next hop that is an alias of this, if it is one; the records that say so must be signed.
    pub fn expanded_to(mut self, end: Option<&Domain>) -> Self {
        if let Self::Usable { expanded, .. } = &mut self {
            *expanded = end.cloned();
        }
        self
    }
}

/// Why there is no DANE.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NoDane {
    /// Nobody validates, or nobody did when this was asked for.
    Off,
    /// The MX records of the domain are not signed.
    InsecureMx,
    /// Neither the addresses of the host nor its alias are signed.
    InsecureHost,
    /// There are no TLSA records, or they are not signed.
    NoRecords,
    /// It is an address, not a name.
    Literal,
}

impl NoDane {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "DNSSEC is not validated here",
            Self::InsecureMx => "the MX records of the domain are not signed",
            Self::InsecureHost => "the address of the host is not signed",
            Self::NoRecords => "the host publishes no signed TLSA record",
            Self::Literal => "an address literal has no TLSA record",
        }
    }
}

/// What is to be asked about a host.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Question {
    /// Nothing: this is the answer.
    Nothing(Dane),
    /// Whether its name is an alias; the answer goes to [`behind_alias`].
    Alias,
    /// The TLSA records at these names, in order; the answers go to [`found`].
    Tlsa(Vec<Domain>),
}

/// What to ask about `host`, found by MX records of this status, at these addresses (RFC 7672 §2.2.1, §2.2.2).
pub fn question<T>(mx: Security, host: &Domain, located: &Located<T>) -> Question {
    match (mx, &located.addresses, &located.expanded) {
        (Security::Indeterminate, ..)
        | (Security::Secure, Answer::Records(Security::Indeterminate, _), _) => {
            Question::Nothing(Dane::None(NoDane::Off))
        }
        (Security::Insecure, ..) => Question::Nothing(Dane::None(NoDane::InsecureMx)),
        (Security::Secure, Answer::Records(Security::Secure, _), Some(end)) => {
            Question::Tlsa(vec![end.clone(), host.clone()])
        }
        (Security::Secure, Answer::Records(Security::Secure, _), None) => Question::Tlsa(vec![host.clone()]),
        (Security::Secure, Answer::Records(Security::Insecure, _), _) => Question::Alias,
        (Security::Secure, Answer::NoData(_) | Answer::NxDomain(_), _) => {
            Question::Nothing(Dane::Unknown("the host has no address".into()))
        }
        (Security::Secure, Answer::Bogus, _) => {
            Question::Nothing(Dane::Unknown("the DNSSEC signatures of its address are not valid".into()))
        }
        (Security::Secure, Answer::Error(why), _) => Question::Nothing(Dane::Unknown(why.clone())),
    }
}

/// What to ask about a host whose addresses are not signed: it may be a signed alias of a name that is not.
pub fn behind_alias(host: &Domain, alias: &Answer<Domain>) -> Question {
    match alias {
        _ if alias.security() == Some(Security::Indeterminate) => Question::Nothing(Dane::None(NoDane::Off)),
        Answer::Records(Security::Secure, _) => Question::Tlsa(vec![host.clone()]),
        Answer::Records(..) | Answer::NoData(_) | Answer::NxDomain(_) => {
            Question::Nothing(Dane::None(NoDane::InsecureHost))
        }
        Answer::Bogus => {
            Question::Nothing(Dane::Unknown("the DNSSEC signatures of its name are not valid".into()))
        }
        Answer::Error(why) => Question::Nothing(Dane::Unknown(why.clone())),
    }
}

/// What an answer about TLSA at `base` means; `None` sends to the next name, and behind the last one to
/// [`NoDane::NoRecords`].
pub fn found(base: &Domain, answer: Answer<Tlsa>) -> Option<Dane> {
    match answer {
        _ if answer.security() == Some(Security::Indeterminate) => Some(Dane::None(NoDane::Off)),
        Answer::Records(Security::Secure, records) => {
            let records = usable(records);
            if records.is_empty() {
                return Some(Dane::Unusable);
            }
            Some(Dane::Usable { base: base.clone(), records, expanded: None })
        }
        Answer::Records(..) | Answer::NoData(_) | Answer::NxDomain(_) => None,
        Answer::Bogus => {
            Some(Dane::Unknown("the DNSSEC signatures of its TLSA records are not valid".into()))
        }
        Answer::Error(why) => Some(Dane::Unknown(why)),
    }
}

/// The records that can be used: DANE-TA(2) and DANE-EE(3) (RFC 7672 §3.1.3), of a known form and the right length;
/// of several digests for one usage and selector only the strongest (RFC 7671 §9).
fn usable(records: Vec<Tlsa>) -> Vec<Tlsa> {
    const FULL: u8 = 0;
    let mut known: Vec<Tlsa> = records
        .into_iter()
        .filter(|record| {
            let length = match record.matching {
                FULL => !record.data.is_empty(),
                1 => record.data.len() == 32,
                2 => record.data.len() == 64,
                _ => false,
            };
            matches!(record.usage, 2 | 3) && matches!(record.selector, 0 | 1) && length
        })
        .collect();
    known.sort();
    known.dedup();
    let strongest = |usage: u8, selector: u8| {
        let same = known.iter().filter(|other| other.usage == usage && other.selector == selector);
        same.map(|other| other.matching).max()
    };
    let keep: Vec<bool> = known
        .iter()
        .map(|record| {
            record.matching == FULL || Some(record.matching) == strongest(record.usage, record.selector)
        })
        .collect();
    known.into_iter().zip(keep).filter_map(|(record, keep)| keep.then_some(record)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::golden;

    fn tlsa(usage: u8, selector: u8, matching: u8, length: usize) -> Tlsa {
        Tlsa { usage, selector, matching, data: vec![0xab; length] }
    }

    #[test]
    fn usable_records() {
        for (records, want) in [
            (vec![(3, 1, 1, 32)], vec![(3, 1, 1, 32)]),
            (vec![(3, 1, 1, 31), (3, 1, 2, 32), (3, 1, 0, 0)], vec![]),
            (vec![(0, 0, 1, 32), (1, 1, 1, 32), (4, 0, 1, 32), (255, 0, 1, 32)], vec![]),
            (vec![(3, 2, 1, 32), (3, 1, 3, 32), (3, 255, 1, 32)], vec![]),
            (vec![(3, 1, 1, 32), (3, 1, 2, 64)], vec![(3, 1, 2, 64)]),
            (vec![(3, 0, 1, 32), (3, 1, 2, 64)], vec![(3, 0, 1, 32), (3, 1, 2, 64)]),
            (vec![(2, 1, 1, 32), (3, 1, 2, 64)], vec![(2, 1, 1, 32), (3, 1, 2, 64)]),
            (
                vec![(3, 1, 0, 91), (3, 1, 1, 32), (3, 1, 2, 64), (3, 1, 2, 64)],
                vec![(3, 1, 0, 91), (3, 1, 2, 64)],
            ),
            (vec![(3, 1, 1, 32), (1, 1, 2, 64)], vec![(3, 1, 1, 32)]),
        ] {
            let of = |list: &[(u8, u8, u8, usize)]| {
                list.iter().map(|(u, s, m, length)| tlsa(*u, *s, *m, *length)).collect::<Vec<_>>()
            };
            assert_eq!(usable(of(&records)), of(&want), "{records:?}");
        }
    }

    type Published<T> = Vec<(&'static str, Answer<T>)>;

    /// What can be said about anything: there is one, signed or not; there is none; it cannot be said.
    fn answers<T: Clone>(one: &T) -> Published<T> {
        vec![
            ("secure", Answer::Records(Security::Secure, vec![one.clone()])),
            ("insecure", Answer::Records(Security::Insecure, vec![one.clone()])),
            ("unproven", Answer::Records(Security::Indeterminate, vec![one.clone()])),
            ("none", Answer::NoData(Security::Secure)),
            ("bogus", Answer::Bogus),
            ("error", Answer::Error("no answer".into())),
        ]
    }

    fn published() -> Published<Tlsa> {
        vec![
            ("usable", Answer::Records(Security::Secure, vec![tlsa(3, 1, 1, 32)])),
            ("unusable", Answer::Records(Security::Secure, vec![tlsa(1, 1, 1, 32)])),
            ("insecure", Answer::Records(Security::Insecure, vec![tlsa(3, 1, 1, 32)])),
            ("unproven", Answer::Records(Security::Indeterminate, vec![tlsa(3, 1, 1, 32)])),
            ("none", Answer::NoData(Security::Secure)),
            ("nxdomain", Answer::NxDomain(Security::Secure)),
            ("bogus", Answer::Bogus),
            ("error", Answer::Error("no answer".into())),
        ]
    }

    fn shown(dane: Option<Dane>) -> String {
        match dane.unwrap_or(Dane::None(NoDane::NoRecords)) {
            Dane::None(why) => format!("no DANE: {}", why.as_str()),
            Dane::Unusable => "encrypt, unauthenticated".into(),
            Dane::Usable { base, records, .. } => format!("DANE by {} at {base}", records.len()),
            Dane::Unknown(why) => format!("host not used: {why}"),
        }
    }

    /// By what is published at the end of the aliases and at the host: the outcome.
    fn outcomes(question: Question) -> Vec<([&'static str; 2], String)> {
        match question {
            Question::Nothing(dane) => vec![(["-", "-"], shown(Some(dane)))],
            Question::Alias => panic!("asked twice"),
            Question::Tlsa(names) if names.len() == 1 => published()
                .into_iter()
                .map(|(word, answer)| (["-", word], shown(found(&names[0], answer))))
                .collect(),
            Question::Tlsa(names) => published()
                .into_iter()
                .flat_map(|(first, answer)| match found(&names[0], answer) {
                    Some(dane) => vec![([first, "-"], shown(Some(dane)))],
                    None => published()
                        .into_iter()
                        .map(|(word, answer)| ([first, word], shown(found(&names[1], answer))))
                        .collect(),
                })
                .collect(),
        }
    }

    /// Every combination of what DNS can say, down to the answer.
    #[test]
    fn decisions() {
        let (host, end) = (Domain::parse("mx.example").unwrap(), Domain::parse("end.example").unwrap());
        let mut lines = vec![["mx", "address", "alias", "tlsa end", "tlsa mx", "outcome"].map(str::to_owned)];
        let mut add = |cells: [&str; 3], question: Question| {
            for (published, outcome) in outcomes(question) {
                let [mx, address, alias] = cells;
                lines.push([mx, address, alias, published[0], published[1], &outcome].map(str::to_owned));
            }
        };
        let every = [Security::Secure, Security::Insecure, Security::Indeterminate];
        for (mx_word, mx) in ["secure", "insecure", "unproven"].into_iter().zip(every) {
            let places = answers(&()).into_iter();
            let places = places.flat_map(|place| [(place.clone(), None), (place, Some(end.clone()))]);
            for ((address, addresses), expanded) in places {
                let alias = if expanded.is_some() { "followed" } else { "-" };
                match question(mx, &host, &Located { addresses, expanded }) {
                    Question::Alias => {
                        for (alias, answer) in answers(&end) {
                            add([mx_word, address, alias], behind_alias(&host, &answer));
                        }
                    }
                    question => add([mx_word, address, alias], question),
                }
            }
        }
        let mut table: Vec<String> = lines
            .iter()
            .map(|[mx, address, alias, at_end, at_host, outcome]| {
                format!("{mx:<9} {address:<9} {alias:<9} {at_end:<9} {at_host:<9} {outcome}\n")
            })
            .collect();
        let mut seen = std::collections::BTreeSet::new();
        table.retain(|line| seen.insert(line.clone()));
        golden::compare("dane_hosts.txt", &table.concat());
    }
}
