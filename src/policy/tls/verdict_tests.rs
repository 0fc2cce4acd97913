//! The table of verdicts, every combination of it; and what real certificates match.

use super::*;
use crate::base::address::Domain;
use crate::base::dns::Security;
use crate::base::dns::Tlsa;
use crate::policy::tls::Stored;
use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::ExtendedKeyUsagePurpose;
use rcgen::IsCa;
use rcgen::Issuer;
use rcgen::KeyPair;
use rcgen::date_time_ymd;
use rustls::pki_types::TrustAnchor;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const NOW: Time = Time(1_795_318_393);

/// Nothing is known.
const fn nowhere() -> Facts<'static> {
    const NO_RECORDS: &Dane = &Dane::None(NoDane::NoRecords);
    Facts {
        dane: NO_RECORDS,
        stored: &[],
        host: None,
        host_security: Security::Secure,
        next_hop: None,
        sts: Sts::None,
        roots: &[],
    }
}

fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

/// The hosts of the table, by their words; `nobody` is told by [`before`].
fn hosts() -> Vec<(&'static str, Seen)> {
    vec![
        ("no STARTTLS", Seen::NotOffered),
        ("refuses", Seen::Refused(Attempt::First)),
        ("refuses again", Seen::Refused(Attempt::Again)),
        ("fails", Seen::Failed(Attempt::First)),
        ("fails again", Seen::Failed(Attempt::Again)),
        ("hangs", Seen::Hung),
        ("plain again", Seen::PlainAgain),
        ("any", up(By::Nobody, false)),
        ("foreign key", up(By::ForeignKey, false)),
        ("dane", up(By::Dane, false)),
        ("stored", up(By::Stored, false)),
        ("both", up(By::Both, false)),
        ("any trusted", up(By::Nobody, true)),
        ("dane trusted", up(By::Dane, true)),
        ("stored trusted", up(By::Stored, true)),
        ("both trusted", up(By::Both, true)),
    ]
}

const fn up(by: By, trusted: bool) -> Seen {
    Seen::Tls(Shown { by, trusted })
}

const POLICIES: [(&str, Sts); 5] = [
    ("no", Sts::None),
    ("testing", Sts::Testing { listed: true }),
    ("testing unlisted", Sts::Testing { listed: false }),
    ("enforce", Sts::Enforce { listed: true }),
    ("enforce unlisted", Sts::Enforce { listed: false }),
];

/// A certificate is compared with a name of a policy only where the policy has the name.
fn can_be(host: &str, sts: Sts) -> bool {
    let listed = matches!(sts, Sts::Testing { listed: true } | Sts::Enforce { listed: true });
    listed || !host.ends_with(" trusted")
}

fn in_words(refusal: &Refusal) -> String {
    let (class, subject, detail) = refusal.status();
    let alarm = if refusal.alarm { " alarm" } else { "" };
    match refusal.then {
        Then::Reconnect => "new connection".into(),
        Then::ReconnectPlain => "plain on a new connection".into(),
        Then::Wait => format!("defer {class}.{subject}.{detail}{alarm}"),
        Then::GiveUp => format!("bounce {class}.{subject}.{detail}{alarm}"),
    }
}

fn verdict(demand: Demand, facts: &Facts<'_>, seen: Option<Seen>) -> Option<String> {
    match (before(demand, facts), seen) {
        (Err(refusal), None) => Some(in_words(&refusal)),
        (Err(_), Some(_)) | (Ok(()), None) => None,
        (Ok(()), Some(seen)) => {
            let floor = Floor::of(demand.requirement(), facts.dane, facts.sts);
            Some(match decide(floor, seen) {
                Ok(proof) if tested(floor, facts.sts, seen).is_some() => format!("deliver {proof}, reported"),
                Ok(proof) => format!("deliver {proof}"),
                Err((why, then)) => {
                    let refusal = Refusal::new(demand, why.with(facts, &Link::NotOffered));
                    in_words(&then.map_or(refusal.clone(), |then| refusal.then(then)))
                }
            })
        }
    }
}

/// Level, DNS, MTA-STS, host.
type Cell = [String; 4];

/// What the table says: by level, DNS, MTA-STS and host, the two verdicts.
fn on_record() -> BTreeMap<Cell, [String; 2]> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tls_verdicts.txt");
    let text = fs::read_to_string(path).unwrap();
    let mut table = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, level, dns, sts, host, ordinary, secure] = cells[..] else { panic!("{line}") };
        let mut hosts: Vec<String> = host.split(", ").map(str::to_owned).collect();
        let mut policies: Vec<&str> = sts.split(", ").collect();
        if sts == "-" {
            hosts.extend(host.split(", ").map(|host| format!("{host} trusted")));
            policies = POLICIES.iter().map(|(word, _)| *word).collect();
        }
        for dns in dns.split(", ") {
            for sts in &policies {
                for host in &hosts {
                    let cell = [level, dns, sts, host].map(str::to_owned);
                    let verdicts = [ordinary, secure].map(str::to_owned);
                    assert!(table.insert(cell, verdicts).is_none(), "said twice: {line}");
                }
            }
        }
    }
    let known: Vec<&str> = hosts().iter().map(|(word, _)| *word).chain(["nobody"]).collect();
    table.retain(|[.., sts, host], _| {
        let sts = POLICIES.iter().find(|(word, _)| word == sts).unwrap_or_else(|| panic!("{sts}")).1;
        known.contains(&host.as_str()) && can_be(host, sts)
    });
    table
}

/// The verdicts on one combination, beside those on record; what differs, in words.
fn compare(
    table: &mut BTreeMap<Cell, [String; 2]>,
    cell: Cell,
    requirement: Requirement,
    facts: &Facts<'_>,
    seen: Option<Seen>,
) -> Option<String> {
    let ordinary = verdict(Demand::new(requirement, Sender::Ordinary), facts, seen);
    let secure = verdict(Demand::new(requirement, Sender::Secure), facts, seen);
    let as_encrypt = verdict(Demand::new(Requirement::Encrypt, Sender::Secure), facts, seen);
    let said = table.remove(&cell);
    let good = match (&said, &ordinary, &secure) {
        (None, None, None) => true,
        (Some([one, two]), Some(ordinary), Some(_)) if two == "as encrypt" => {
            one == ordinary && secure == as_encrypt
        }
        (Some([one, two]), Some(ordinary), Some(secure)) => one == ordinary && two == secure,
        _ => false,
    };
    (!good).then(|| format!("{cell:?}: {ordinary:?}, {secure:?}, on record {said:?}"))
}

#[test]
fn every_combination_is_decided_as_it_is_on_record() {
    let mut table = on_record();
    let usable = Tlsa { usage: 3, selector: 1, matching: 1, data: vec![0; 32] };
    let dns = [
        ("off", Dane::None(NoDane::Off)),
        ("none", Dane::None(NoDane::NoRecords)),
        ("unusable", Dane::Unusable),
        ("usable", Dane::Usable { base: domain("mx.example"), records: vec![usable], expanded: None }),
        ("unknown", Dane::Unknown("no answer".into())),
    ];
    let something = [Stored::Key(vec![1])];
    let mut wrong = Vec::new();
    for requirement in Requirement::ALL {
        let held: &[(&str, &[Stored])] = match requirement.wants_stored() {
            true => &[("", &something), (", nothing stored", &[])],
            false => &[("", &[])],
        };
        for (suffix, stored) in held {
            for ((word, dane), (policy, sts)) in
                dns.iter().flat_map(|dns| POLICIES.iter().map(move |sts| (dns, *sts)))
            {
                let facts = Facts { dane, stored, sts, ..nowhere() };
                let hosts = hosts().into_iter().map(|(word, seen)| (word, Some(seen)));
                for (host, seen) in hosts.chain([("nobody", None)]).filter(|(host, _)| can_be(host, sts)) {
                    let cell =
                        [&format!("{requirement}{suffix}"), *word, policy, host].map(ToString::to_string);
                    wrong.extend(compare(&mut table, cell, requirement, &facts, seen));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(table.is_empty(), "on record, and not to be met: {table:?}");
}

#[test]
fn a_demand_reads_as_it_was_written_and_never_as_a_weaker_one() {
    for requirement in Requirement::ALL {
        for sender in [Sender::Ordinary, Sender::Secure] {
            let demand = Demand::new(requirement, sender);
            assert_eq!(Demand::parse(&demand.to_string()), Ok(demand));
        }
    }
    assert_eq!(Demand::parse("secure opportunistic").unwrap().requirement(), Requirement::Encrypt);
    for text in ["", "secure", "secure ", "Secure encrypt", "encrypt secure", "strict"] {
        assert!(Demand::parse(text).is_err(), "{text}");
    }
}

/// An authority of our own.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: Vec<u8>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut parameters = CertificateParams::new(Vec::<String>::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let der = parameters.self_signed(&key).unwrap().der().to_vec();
        Self { issuer: Issuer::new(parameters, key), der }
    }

    fn under(name: &str, above: &Self) -> Self {
        let mut parameters = CertificateParams::new(Vec::<String>::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let der = parameters.signed_by(&key, &above.issuer).unwrap().der().to_vec();
        Self { issuer: Issuer::new(parameters, key), der }
    }

    fn issue(&self, name: &str, change: impl Fn(&mut CertificateParams)) -> Vec<u8> {
        let mut parameters = CertificateParams::new([name.to_owned()]).unwrap();
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        change(&mut parameters);
        parameters.signed_by(&KeyPair::generate().unwrap(), &self.issuer).unwrap().der().to_vec()
    }
}

fn tlsa(usage: u8, selector: u8, matching: u8, certificate: &[u8]) -> Tlsa {
    use crate::base::der::key_info;
    use aws_lc_rs::digest;
    let part = if selector == 0 { certificate } else { key_info(certificate).unwrap() };
    let data = match matching {
        0 => part.to_vec(),
        1 => digest::digest(&digest::SHA256, part).as_ref().to_vec(),
        _ => digest::digest(&digest::SHA512, part).as_ref().to_vec(),
    };
    Tlsa { usage, selector, matching, data }
}

fn expired(parameters: &mut CertificateParams) {
    parameters.not_before = date_time_ymd(2001, 1, 1);
    parameters.not_after = date_time_ymd(2002, 1, 1);
}

/// Whether this chain passes `dane-only` with this one record.
fn passes(record: Tlsa, chain: &[Vec<u8>], signature_good: bool) -> bool {
    passes_behind(None, record, chain, signature_good)
}

/// The same where the next hop is known to be an alias of this.
fn passes_behind(expanded: Option<&str>, record: Tlsa, chain: &[Vec<u8>], signature_good: bool) -> bool {
    let (host, next_hop) = (domain("mx.x.example"), domain("x.example"));
    let dane = Dane::Usable { base: host.clone(), records: vec![record], expanded: expanded.map(domain) };
    let facts = Facts { dane: &dane, host: Some(&host), next_hop: Some(&next_hop), ..nowhere() };
    let demand = Demand::new(Requirement::DaneOnly, Sender::Ordinary);
    judge(demand, &facts, &Link::Tls { chain, signature_good }, NOW).is_ok()
}

#[test]
fn certificates_match_their_tlsa_records_and_no_others() {
    let top = Authority::new("top");
    let middle = Authority::under("middle", &top);
    let other = Authority::new("top");
    let name = "mx.x.example";
    let good = middle.issue(name, |_| {});
    let whole = [good.clone(), middle.der.clone(), top.der.clone()];
    let short = [good.clone(), middle.der.clone()];
    for selector in [0, 1] {
        for matching in [0, 1, 2] {
            let record = |usage, certificate: &[u8]| tlsa(usage, selector, matching, certificate);
            let at = format!("{selector} {matching}");
            assert!(passes(record(3, &good), &whole, true), "3 {at}");
            assert!(passes(record(3, &good), &short[..1], true), "3 {at}, alone");
            assert!(
                !passes(record(3, &middle.der), &whole, true),
                "3 {at} of another certificate in the chain"
            );
            assert!(passes(record(2, &top.der), &whole, true), "2 {at}");
            assert!(passes(record(2, &middle.der), &whole, true), "2 {at} of the middle");
            assert!(!passes(record(2, &good), &whole, true), "2 {at} of the peer's own");
            assert!(!passes(record(2, &other.der), &whole, true), "2 {at} of another of that name");
            // In DNS alone it counts when DNS has it whole (RFC 7671 §5.2.2, §5.2.3).
            assert_eq!(passes(record(2, &top.der), &short, true), matching == 0, "2 {at}, not presented");
            for usage in [2, 3] {
                let of = if usage == 3 { &good } else { &top.der };
                assert!(!passes(record(usage, of), &whole, false), "{usage} {at} without its key");
                assert!(!passes(record(usage, of), &[], true), "{usage} {at} without a certificate");
            }
        }
    }
    // An attacker appends the anchor to a chain that has nothing to do with it.
    let evil = Authority::new("top").issue(name, |_| {});
    assert!(!passes(tlsa(2, 0, 1, &top.der), &[evil, top.der.clone()], true));
}

#[test]
fn names_and_dates_count_where_they_should() {
    let top = Authority::new("top");
    let chain = |own: Vec<u8>| vec![own, top.der.clone()];
    let (by_key, by_authority) = (|own: &[u8]| tlsa(3, 1, 1, own), tlsa(2, 0, 1, &top.der));
    for (what, own, authority) in [
        ("the base domain", top.issue("mx.x.example", |_| {}), true),
        ("the next hop", top.issue("x.example", |_| {}), true),
        ("a wildcard for one label", top.issue("*.x.example", |_| {}), true),
        ("another name", top.issue("mx.y.example", |_| {}), false),
        ("a wildcard that is too wide", top.issue("*.example", |_| {}), false),
        ("an end in the past", top.issue("mx.x.example", expired), false),
        (
            "another use",
            top.issue("mx.x.example", |parameters| {
                parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            }),
            false,
        ),
    ] {
        // DANE-EE asks for neither name nor date (RFC 7671 §5.1).
        assert!(passes(by_key(&own), &chain(own.clone()), true), "3 1 1: {what}");
        assert_eq!(passes(by_authority.clone(), &chain(own), true), authority, "2 0 1: {what}");
    }
}

#[test]
fn what_the_next_hop_is_an_alias_of_counts_where_signed_records_say_so() {
    let top = Authority::new("top");
    let chain = [top.issue("hosted.example", |_| {}), top.der.clone()];
    let record = tlsa(2, 0, 1, &top.der);
    for (expanded, want) in [(Some("hosted.example"), true), (None, false), (Some("other.example"), false)] {
        assert_eq!(passes_behind(expanded, record.clone(), &chain, true), want, "{expanded:?}");
    }
    // For what is stored it is no name.
    let stored = [Stored::certificate(&top.der).unwrap()];
    let (base, expanded) = (domain("mx.x.example"), Some(domain("hosted.example")));
    let dane = Dane::Usable { base, records: vec![record], expanded };
    let facts = Facts { dane: &dane, stored: &stored, ..nowhere() };
    let link = Link::Tls { chain: &chain, signature_good: true };
    let ask = |requirement| judge(Demand::new(requirement, Sender::Ordinary), &facts, &link, NOW).is_ok();
    assert!(ask(Requirement::DaneOnly) && !ask(Requirement::Verify));
}

/// Whether this chain passes `verify` with these, at a host that is named by signed DNS.
fn is_stored(stored: &[Stored], chain: &[Vec<u8>], signature_good: bool) -> Result<Proof, Reason> {
    is_stored_at(Security::Secure, stored, chain, signature_good)
}

fn is_stored_at(
    host_security: Security,
    stored: &[Stored],
    chain: &[Vec<u8>],
    signature_good: bool,
) -> Result<Proof, Reason> {
    let (host, next_hop) = (domain("mx.x.example"), domain("x.example"));
    let facts = Facts { stored, host: Some(&host), host_security, next_hop: Some(&next_hop), ..nowhere() };
    let demand = Demand::new(Requirement::Verify, Sender::Ordinary);
    let judged = judge(demand, &facts, &Link::Tls { chain, signature_good }, NOW);
    judged.map(|cleared| cleared.proof()).map_err(|refusal| refusal.reason)
}

#[test]
fn stored_certificates_keys_and_authorities() {
    let (top, other) = (Authority::new("top"), Authority::new("top"));
    let own = top.issue("mx.x.example", |_| {});
    let renewed = top.issue("mx.x.example", |_| {});
    let late = top.issue("mx.x.example", expired);
    let misnamed = top.issue("mx.y.example", |_| {});
    let foreign = other.issue("mx.x.example", |_| {});
    let chain = |own: &Vec<u8>| vec![own.clone(), top.der.clone()];
    let certificate = Stored::certificate(&own).unwrap();
    let key = Stored::Key(crate::base::der::key_info(&own).unwrap().to_vec());
    let authority = Stored::certificate(&top.der).unwrap();
    assert_eq!((certificate.kind(), key.kind(), authority.kind()), ("certificate", "key", "authority"));
    for (what, shown, by_certificate, by_key, by_authority) in [
        ("it", &own, true, true, true),
        ("a renewed one", &renewed, false, false, true),
        ("an expired one", &late, false, false, false),
        ("another name", &misnamed, false, false, false),
        ("another authority's", &foreign, false, false, false),
    ] {
        for (stored, want) in [(&certificate, by_certificate), (&key, by_key), (&authority, by_authority)] {
            let judged = is_stored(std::slice::from_ref(stored), &chain(shown), true);
            assert_eq!(judged.is_ok(), want, "{what} against {}: {judged:?}", stored.kind());
        }
    }
    assert_eq!(is_stored(std::slice::from_ref(&certificate), &chain(&own), false), Err(Reason::ForeignKey));
    let two = [Stored::certificate(&renewed).unwrap(), certificate.clone()];
    assert!(is_stored(&two, &chain(&own), true).is_ok(), "either of two");
    let refused = is_stored(&two, &chain(&foreign), true).unwrap_err().to_string();
    for print in [&two[0], &two[1], &Stored::certificate(&foreign).unwrap()] {
        assert!(refused.contains(&print.fingerprint()), "{refused}");
    }
    // What is stored although it has ended is an admin's word.
    assert!(is_stored(&[Stored::certificate(&late).unwrap()], &chain(&late), true).is_ok());
    assert!(authority.ends().unwrap() > NOW && key.ends().is_none());
}

/// By the word in the table: what a peer of x.example at mx.x.example may show.
fn shown_by_peers(top: &Authority) -> Vec<(&'static str, Vec<u8>)> {
    let key = KeyPair::generate().unwrap();
    let for_key = |issuer: &Authority| {
        let mut parameters = CertificateParams::new(["mx.x.example".to_owned()]).unwrap();
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        parameters.signed_by(&key, &issuer.issuer).unwrap().der().to_vec()
    };
    let other = Authority::new("top");
    vec![
        ("it", for_key(top)),
        ("its key", for_key(&other)),
        ("domain", top.issue("x.example", |_| {})),
        ("host", top.issue("mx.x.example", |_| {})),
        ("another name", top.issue("mx.y.example", |_| {})),
        ("ended", top.issue("x.example", expired)),
        ("another's", other.issue("x.example", |_| {})),
    ]
}

#[test]
fn what_counts_as_stored_is_on_record() {
    let top = Authority::new("top");
    let shown = shown_by_peers(&top);
    let own = &shown[0].1;
    let kinds = [
        Stored::certificate(own).unwrap(),
        Stored::Key(crate::base::der::key_info(own).unwrap().to_vec()),
        Stored::certificate(&top.der).unwrap(),
    ];
    let mut said = Vec::new();
    for stored in &kinds {
        for (word, own) in &shown {
            let chain = [own.clone(), top.der.clone()];
            let at = |security| match is_stored_at(security, std::slice::from_ref(stored), &chain, true) {
                Ok(_) => "stored",
                Err(Reason::StoredMismatch { .. }) => "any",
                Err(why) => panic!("{why}"),
            };
            said.push([stored.kind(), word, at(Security::Secure), at(Security::Insecure)].join(" | "));
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tls_stored.txt");
    let text = fs::read_to_string(path).unwrap();
    let rows = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let on_record: Vec<String> =
        rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>().join(" | ")).collect();
    assert_eq!(said, on_record);
}

#[test]
fn an_admins_word_goes_before_dane_and_is_noted() {
    let top = Authority::new("top");
    let own = top.issue("mx.x.example", |_| {});
    let (host, chain) = (domain("mx.x.example"), [own.clone()]);
    let dane = Dane::Usable { base: host.clone(), records: vec![tlsa(3, 1, 1, &top.der)], expanded: None };
    let stored = [Stored::certificate(&own).unwrap()];
    let facts = Facts { dane: &dane, stored: &stored, host: Some(&host), ..nowhere() };
    let link = Link::Tls { chain: &chain, signature_good: true };
    let ask = |requirement| judge(Demand::new(requirement, Sender::Ordinary), &facts, &link, NOW);
    assert_eq!(ask(Requirement::Verify).unwrap().proof(), Proof::Stored { against_dane: true });
    for requirement in [Requirement::Opportunistic, Requirement::Encrypt, Requirement::DaneOnlyAndVerify] {
        let refusal = ask(requirement).unwrap_err();
        assert!(matches!(refusal.reason, Reason::DaneMismatch { .. }), "{requirement}: {refusal:?}");
    }
}

#[test]
fn reads_files() {
    use crate::policy::tls::BadStored;
    let made = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
    let pem = made.cert.pem();
    let stored = Stored::read(pem.as_bytes()).unwrap();
    assert_eq!(stored.der(), &made.cert.der()[..]);
    assert_eq!(Stored::read(stored.to_pem().as_bytes()), Ok(stored.clone()));
    assert_eq!(stored.fingerprint().len(), 95);
    let key = made.signing_key.public_key_pem();
    assert_eq!(Stored::read(key.as_bytes()).unwrap().kind(), "key");
    for (text, why) in [
        ("", BadStored::Nothing),
        ("hello", BadStored::Nothing),
        (&*made.signing_key.serialize_pem(), BadStored::Nothing),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", BadStored::Unreadable),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", BadStored::Unreadable),
    ] {
        assert_eq!(Stored::read(text.as_bytes()), Err(why), "{text}");
    }
    assert_eq!(Stored::certificate(&vec![0x30; 9_000]), Err(BadStored::Unreadable));
}

#[test]
fn the_web_vouches_for_hosts_of_a_policy_and_no_others() {
    let (top, other) = (Authority::new("top"), Authority::new("top"));
    let anchor = |authority: &Authority| {
        let der = rustls::pki_types::CertificateDer::from(authority.der.clone());
        webpki::anchor_from_trusted_cert(&der).unwrap().to_owned()
    };
    let (roots, host) = ([anchor(&top)], domain("mx.x.example"));
    let next_hop = domain("x.example");
    let enforce = Sts::Enforce { listed: true };
    let testing = Sts::Testing { listed: true };
    let ask = |own: &[u8], sts, roots: &[TrustAnchor<'static>], signature_good| {
        let chain = [own.to_vec(), top.der.clone()];
        let facts = Facts { host: Some(&host), next_hop: Some(&next_hop), sts, roots, ..nowhere() };
        judge(Demand::default(), &facts, &Link::Tls { chain: &chain, signature_good }, NOW)
    };
    let good = top.issue("mx.x.example", |_| {});
    assert_eq!(ask(&good, enforce, &roots, true).unwrap().proof(), Proof::MtaSts);
    let tested = ask(&good, testing, &roots, true).unwrap();
    assert_eq!((tested.proof(), tested.tested()), (Proof::MtaSts, None));
    assert_eq!(ask(&good, Sts::None, &roots, true).unwrap().proof(), Proof::Unauthenticated);
    assert_eq!(ask(&good, enforce, &roots, false).unwrap_err().reason, Reason::ForeignKey);
    assert_eq!(ask(&good, testing, &roots, false).unwrap().tested(), Some(&Reason::ForeignKey));
    for (what, own, roots) in [
        ("another authority", other.issue("mx.x.example", |_| {}), &roots[..]),
        ("an end in the past", top.issue("mx.x.example", expired), &roots),
        ("another name", top.issue("mx.y.example", |_| {}), &roots),
        ("the name of the domain alone", top.issue("x.example", |_| {}), &roots),
        ("no authorities here", good, &[]),
    ] {
        let refused = ask(&own, enforce, roots, true).unwrap_err();
        assert!(matches!(refused.reason, Reason::StsMismatch { .. }), "{what}: {refused:?}");
        let noted = ask(&own, testing, roots, true).unwrap();
        assert_eq!(noted.proof(), Proof::Unauthenticated, "{what}");
        assert!(matches!(noted.tested(), Some(Reason::StsMismatch { .. })), "{what}: {noted:?}");
    }
}

mod odd {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_that_a_peer_presents_panics(
            chain in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..4),
            usage in 2_u8..4,
            selector in 0_u8..2,
            matching in 0_u8..3,
        ) {
            let record = Tlsa { usage, selector, matching, data: chain.first().cloned().unwrap_or_default() };
            let _ = passes(record, &chain, true);
            let stored: Vec<Stored> = chain.iter().map(|der| Stored::Certificate(der.clone())).collect();
            let _ = is_stored(&stored, &chain, true);
        }
    }
}
