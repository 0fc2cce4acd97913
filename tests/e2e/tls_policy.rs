//! TLS policies against peers of every kind: who gets the message, who does not, and what is said to whom.
//! OpenSSL is asked about the same peers.

use crate::free_ports::free_port;
use crate::harness::House;
use crate::main_job::letter;
use crate::patience::PATIENCE;
use crate::patience::until_within;
use crate::peer::Peer;
use crate::peer::Plan;
use crate::peer::StartTls;
use crate::recipient;
use crate::zones::Zones;
use aws_lc_rs::digest;
use guardpost::base::address::Address;
use guardpost::base::address::Domain;
use guardpost::base::der::key_info;
use guardpost::base::dns::Answer;
use guardpost::base::dns::Exchange;
use guardpost::base::dns::Security;
use guardpost::base::dns::Tlsa;
use guardpost::base::dns::Validation;
use guardpost::flow::stored_certificates;
use guardpost::net::dns;
use guardpost::net::dns::Dns;
use guardpost::net::dns::Options;
use guardpost::net::dns::Table;
use guardpost::net::dns::Trust;
use guardpost::net::listen::Service;
use guardpost::policy::tls::Stored;
use guardpost::store::record_queue::RecipientState;
use guardpost::vault::OsRandom;
use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::IsCa;
use rcgen::Issuer;
use rcgen::KeyPair;
use std::fmt::Write;
use std::fs;
use std::net::IpAddr;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// The older version alone.
const ONLY_1_2: &[&tokio_rustls::rustls::SupportedProtocolVersion] = &[&tokio_rustls::rustls::version::TLS12];
/// Longer than a try takes to a host that says nothing: RFC 5321 §4.5.3.2.
pub const TRY: Duration = Duration::from_secs(10 * 60);
/// Cases whose MX record is not signed, so that anybody could have made it.
const UNSIGNED: [&str; 2] = ["vunsigned", "vnamed"];

/// What a record of these kinds says of a certificate.
pub fn tlsa(usage: u8, selector: u8, matching: u8, certificate: &[u8]) -> Tlsa {
    let part = if selector == 0 { certificate } else { key_info(certificate).unwrap() };
    let data = match matching {
        0 => part.to_vec(),
        1 => digest::digest(&digest::SHA256, part).as_ref().to_vec(),
        _ => digest::digest(&digest::SHA512, part).as_ref().to_vec(),
    };
    Tlsa { usage, selector, matching, data }
}

/// An authority, and what it issued for `*.mx.example`.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate.
    pub der: Vec<u8>,
}

impl Authority {
    /// A new one.
    pub fn new() -> Self {
        let mut parameters = CertificateParams::new(Vec::<String>::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(rcgen::DnType::CommonName, "an authority");
        let key = KeyPair::generate().unwrap();
        let der = parameters.self_signed(&key).unwrap().der().to_vec();
        Self { issuer: Issuer::new(parameters, key), der }
    }

    /// A certificate, and its key.
    fn issue(&self, expired: bool) -> (Vec<u8>, Vec<u8>) {
        self.issue_for(&["*.mx.example"], expired)
    }

    /// The same for these names.
    pub fn issue_for(&self, names: &[&str], expired: bool) -> (Vec<u8>, Vec<u8>) {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut parameters = CertificateParams::new(names).unwrap();
        parameters.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        if expired {
            parameters.not_before = rcgen::date_time_ymd(2001, 1, 1);
            parameters.not_after = rcgen::date_time_ymd(2002, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let der = parameters.signed_by(&key, &self.issuer).unwrap().der().to_vec();
        (der, key.serialize_der())
    }
}

/// The peers, by what is special about them; all on one port.
struct Peers {
    all: Vec<(&'static str, Peer)>,
    authority: Authority,
}

impl Peers {
    async fn open() -> Self {
        let authority = Authority::new();
        let (own, key) = authority.issue(false);
        let (late, late_key) = authority.issue(true);
        let (named, named_key) = authority.issue_for(&["vnamed.example"], false);
        let whole = |own: &[u8]| [own.to_vec(), authority.der.clone()];
        let plan = Plan::default;
        let good = plan().open().await;
        let port = good.address.port();
        let mut all = vec![("good", good)];
        for (at, (name, plan)) in [
            ("issued", plan().identity(&whole(&own), &key)),
            ("alone", plan().identity(&[own], &key)),
            ("late", plan().identity(&whole(&late), &late_key)),
            ("named", plan().identity(&whole(&named), &named_key)),
            ("plain", plan().start_tls(StartTls::NotOffered)),
            ("refusing", plan().start_tls(StartTls::Refused)),
            ("garbage", plan().start_tls(StartTls::Garbage)),
            ("closing", plan().start_tls(StartTls::Closes)),
            ("old", plan().versions(ONLY_1_2)),
        ]
        .into_iter()
        .enumerate()
        {
            all.push((name, plan.at(&format!("127.0.0.{}", at + 2), port).open().await));
        }
        Self { all, authority }
    }

    fn get(&self, name: &str) -> &Peer {
        &self.all.iter().find(|(known, _)| *known == name).unwrap().1
    }

    fn ip(&self, name: &str) -> IpAddr {
        self.get(name).address.ip()
    }

    fn certificate(&self, name: &str) -> &[u8] {
        &self.get(name).certificate
    }
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    /// It arrives, with this proof.
    Arrives(&'static str),
    /// It comes back at once, with this status.
    Bounces(&'static str),
    /// It waits, for this.
    Waits(&'static str),
}

/// A destination `<name>.example` with its host `<name>.mx.example`.
struct Case {
    name: &'static str,
    level: &'static str,
    peer: &'static str,
    tlsa: Option<Answer<Tlsa>>,
    end: End,
}

fn case(
    name: &'static str,
    level: &'static str,
    peer: &'static str,
    tlsa: Option<Answer<Tlsa>>,
    end: End,
) -> Case {
    Case { name, level, peer, tlsa, end }
}

fn cases(peers: &Peers) -> Vec<Case> {
    use End::Arrives;
    use End::Bounces;
    use End::Waits;
    let secure = |record: Tlsa| Some(Answer::Records(Security::Secure, vec![record]));
    let good = |usage, selector, matching| secure(tlsa(usage, selector, matching, peers.certificate("good")));
    let of = |peer, matching| secure(tlsa(3, 1, matching, peers.certificate(peer)));
    let authority = |selector, matching| secure(tlsa(2, selector, matching, &peers.authority.der));
    let wrong = || secure(Tlsa { usage: 3, selector: 1, matching: 1, data: vec![7; 32] });
    let unusable = || secure(Tlsa { usage: 1, selector: 1, matching: 1, data: vec![7; 32] });
    let insecure =
        || Some(Answer::Records(Security::Insecure, vec![tlsa(3, 1, 1, peers.certificate("good"))]));
    vec![
        // SO-4.
        case("d311", "dane-only", "good", good(3, 1, 1), Arrives("tls=dane")),
        case("d301", "dane-only", "good", good(3, 0, 1), Arrives("tls=dane")),
        case("d312", "dane-only", "good", good(3, 1, 2), Arrives("tls=dane")),
        case("d310", "dane-only", "good", good(3, 1, 0), Arrives("tls=dane")),
        case("d211", "dane-only", "issued", authority(1, 1), Arrives("tls=dane")),
        case("d201", "dane-only", "issued", authority(0, 1), Arrives("tls=dane")),
        case("d200alone", "dane-only", "alone", authority(0, 0), Arrives("tls=dane")),
        case("d210alone", "dane-only", "alone", authority(1, 0), Arrives("tls=dane")),
        case("d211alone", "dane-only", "alone", authority(1, 1), Waits("4.7.5")),
        case("dold", "dane-only", "old", of("old", 1), Arrives("tls=dane")),
        case("dlate311", "dane-only", "late", of("late", 1), Arrives("tls=dane")),
        case("dlate211", "dane-only", "late", authority(1, 1), Waits("4.7.5")),
        case("dwrong", "dane-only", "good", wrong(), Waits("4.7.5")),
        case("dunusable", "dane-only", "good", unusable(), Bounces("5.7.4")),
        case("dnone", "dane-only", "good", None, Bounces("5.7.4")),
        case("dinsecure", "dane-only", "good", insecure(), Bounces("5.7.4")),
        case("dbogus", "dane-only", "good", Some(Answer::Bogus), Waits("4.7.5")),
        case("dservfail", "dane-only", "good", Some(Answer::Error("SERVFAIL".into())), Waits("4.7.5")),
        case("dplain", "dane-only", "plain", good(3, 1, 1), Waits("4.7.4")),
        case("drefusing", "dane-only", "refusing", of("refusing", 1), Waits("4.7.5")),
        case("dgarbage", "dane-only", "garbage", of("garbage", 1), Waits("4.7.5")),
        case("dclosing", "dane-only", "closing", of("closing", 1), Waits("4.7.5")),
        // A published record is a floor for everybody.
        case("o311", "opportunistic", "good", good(3, 1, 1), Arrives("tls=dane")),
        case("owrong", "opportunistic", "good", wrong(), Waits("4.7.5")),
        case("oplain", "opportunistic", "plain", good(3, 1, 1), Waits("4.7.4")),
        case("oclosing", "opportunistic", "closing", of("closing", 1), Waits("4.7.5")),
        case("ounusable", "opportunistic", "good", unusable(), Arrives("tls=unauthenticated")),
        case("ounusableplain", "opportunistic", "plain", unusable(), Waits("4.7.4")),
        case("obogus", "opportunistic", "good", Some(Answer::Bogus), Waits("4.7.5")),
        case("oinsecure", "opportunistic", "plain", insecure(), Arrives("tls=none")),
        case("onone", "opportunistic", "closing", None, Arrives("tls=none")),
        // SO-1, SO-14.
        case("enone", "encrypt", "good", None, Arrives("tls=unauthenticated")),
        case("elate", "encrypt", "late", None, Arrives("tls=unauthenticated")),
        case("eplain", "encrypt", "plain", None, Bounces("5.7.4")),
        case("erefusing", "encrypt", "refusing", None, Waits("4.7.5")),
        case("egarbage", "encrypt", "garbage", None, Waits("4.7.5")),
        case("eclosing", "encrypt", "closing", None, Waits("4.7.5")),
        case("ewrong", "encrypt", "good", wrong(), Waits("4.7.5")),
        // SO-5; what is stored for whom stands in the test.
        case("vgood", "verify", "good", None, Arrives("tls=stored-certificate")),
        case("vagainst", "verify", "good", wrong(), Arrives("tls=stored-certificate")),
        case("vauthority", "verify", "issued", None, Arrives("tls=stored-certificate")),
        case("vunsigned", "verify", "issued", None, Waits("4.7.5")),
        case("vnamed", "verify", "named", None, Arrives("tls=stored-certificate")),
        case("vlate", "verify", "late", None, Waits("4.7.5")),
        case("vother", "verify", "issued", good(3, 1, 1), Waits("4.7.5")),
        case("vplain", "verify", "plain", None, Waits("4.7.4")),
        case("vnothing", "verify", "good", good(3, 1, 1), Bounces("5.7.4")),
    ]
}

/// Waits until every queued recipient was tried and waits again.
pub async fn all_tried(house: &House) {
    let store = &house.flow().store;
    let tried = async || {
        for record in store.queue(None, 200).await.unwrap() {
            let recipients = store.queued_recipients(record.id).await.unwrap();
            if recipients.iter().any(|one| one.attempts == 0 || one.state != RecipientState::Waiting) {
                return None;
            }
        }
        Some(())
    };
    until_within(TRY, "a try of everything", tried).await;
}

/// Why the recipient waits, if one of this domain does.
pub async fn waiting(house: &House, name: &str) -> Option<String> {
    let store = &house.flow().store;
    for record in store.queue(None, 200).await.unwrap() {
        let recipients = store.queued_recipients(record.id).await.unwrap();
        let ours =
            recipients.into_iter().find(|one| one.address.domain().as_str() == format!("{name}.example"));
        if let Some(ours) = ours {
            return Some(ours.reason);
        }
    }
    None
}

fn table(peers: &Peers, cases: &[Case]) -> Table {
    let mut table = Table::signed();
    for case in cases {
        let (domain, host) = (format!("{}.example", case.name), format!("{}.mx.example", case.name));
        table = table.with_mx(&domain, &[(10, &host)]).with_addresses(&host, &[peers.ip(case.peer)]);
        if UNSIGNED.contains(&case.name) {
            let exchange = Exchange { preference: 10, host: Domain::parse(&host).ok() };
            table = table.with_mx_answer(&domain, Answer::Records(Security::Insecure, vec![exchange]));
        }
        if let Some(answer) = &case.tlsa {
            table = table.with_tlsa_answer(&host, answer.clone());
        }
    }
    table
}

fn levels(cases: &[Case]) -> String {
    cases.iter().fold(String::new(), |mut text, case| {
        let _ = write!(
            text,
            "[[outbound.tls_policy]]\ndomain = \"{}.example\"\nlevel = \"{}\"\n",
            case.name, case.level
        );
        text
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_peer_gets_what_its_policy_allows_and_not_an_octet_more() {
    let mut peers = Peers::open().await;
    let cases = cases(&peers);
    let dns: Arc<dyn Dns> = Arc::new(table(&peers, &cases));
    let authority = peers.authority.der.clone();
    let good = Stored::certificate(peers.certificate("good")).unwrap();
    let (_, world) = peers.all.remove(0);
    let house = House::among(world, Some(dns), &levels(&cases)).await;
    house.add_account("alice@house.example", crate::harness::PASSWORD).await;
    let authority = Stored::certificate(&authority).unwrap();
    // Two for one of them: the former one is not presented any more.
    let former = rcgen::generate_simple_self_signed(["vgood.mx.example".to_owned()]).unwrap();
    let former = Stored::certificate(former.cert.der()).unwrap();
    for (name, stored) in [
        ("vgood", &former),
        ("vgood", &good),
        ("vagainst", &good),
        ("vauthority", &authority),
        ("vunsigned", &authority),
        ("vnamed", &authority),
        ("vlate", &authority),
        ("vother", &good),
        ("vplain", &good),
    ] {
        let domain = Domain::parse(&format!("{name}.example")).unwrap();
        stored_certificates::add(house.flow(), domain, stored).await.unwrap();
    }
    let mut alice = house.alice_sends().await;
    for case in &cases {
        let message = letter(&format!("SUBJECT-{}-", case.name), &format!("BODY-{}-", case.name), "");
        let to = format!("bob@{}.example", case.name);
        let reply = alice.send("alice@house.example", &[&to], &message).await;
        assert!(reply.is(250, "2.0.0"), "{to}: {reply:?}");
    }
    all_tried(&house).await;

    // A forecast says the same, and the hosts are met for it once more.
    let mut wrong = Vec::new();
    for case in &cases {
        let answer = recipient::ask_on(&house, &format!("carol@{}.example", case.name)).await;
        let want = match case.end {
            End::Arrives(proof) => format!("deliver {proof}"),
            End::Bounces(status) => format!("bounce {status}"),
            End::Waits(status) => format!("defer {status}"),
        };
        let said = recipient::verdict(&answer, case.level);
        if said != want {
            wrong.push(format!("{}: {said}, not {want}: {answer}", case.name));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    let everybody = || std::iter::once(&house.world).chain(peers.all.iter().map(|(_, peer)| peer));
    let taken: Vec<_> = everybody().flat_map(Peer::taken).collect();
    let octets: Vec<u8> = everybody().flat_map(Peer::octets).collect();
    let octets = String::from_utf8_lossy(&octets).into_owned();
    let plain: Vec<u8> =
        everybody().flat_map(|peer| peer.sessions().into_iter().flat_map(|session| session.plain)).collect();
    let plain = String::from_utf8_lossy(&plain).into_owned();
    let inbox = house.alice_reads().await.messages("INBOX").await;
    let log = String::from_utf8(house.logged()).unwrap();
    let mut wrong = Vec::new();
    for case in &cases {
        let to = format!("bob@{}.example", case.name);
        let marks = [to.clone(), format!("SUBJECT-{}-", case.name), format!("BODY-{}-", case.name)];
        let copies: Vec<_> =
            taken.iter().filter(|taken| taken.rcpts.iter().any(|rcpt| rcpt.contains(&to))).collect();
        let bounce = inbox.iter().find(|mail| mail.contains(&format!("Final-Recipient: rfc822; {to}")));
        let waits = waiting(&house, case.name).await;
        let good = match case.end {
            End::Arrives(proof) => {
                let in_clear = proof == "tls=none";
                let noted = log.lines().any(|line| {
                    line.contains("delivered")
                        && line.contains(proof)
                        && line.contains(&format!(" domain={}.example", case.name))
                });
                let exposed = marks.iter().any(|mark| plain.contains(mark));
                copies.len() == 1
                    && copies[0].tls != in_clear
                    && exposed == in_clear
                    && noted
                    && waits.is_none()
                    && bounce.is_none()
            }
            End::Bounces(status) => {
                let told = bounce.is_some_and(|mail| {
                    mail.contains(&format!("Status: {status}\r\n"))
                        && mail.contains("Nothing was sent unencrypted.")
                        && mail.contains(&format!("TLS policy: {}", case.level))
                        && !mail.contains(&marks[2])
                });
                told && copies.is_empty()
                    && waits.is_none()
                    && !marks.iter().any(|mark| octets.contains(mark))
            }
            End::Waits(status) => {
                waits.as_ref().is_some_and(|why| why.starts_with(status))
                    && bounce.is_none()
                    && copies.is_empty()
                    && !marks.iter().any(|mark| octets.contains(mark))
            }
        };
        if !good {
            wrong.push(format!("{}: {} copies, waits {waits:?}, bounce {bounce:?}", case.name, copies.len()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    // One event for a verdict, with everything that it was made of.
    let event = |words: &[&str]| log.lines().any(|line| words.iter().all(|word| line.contains(word)));
    for words in [
        &[
            "tls policy passed",
            "domain=\"d311.example\"",
            "policy=dane-only",
            "proof=tls=dane",
            "version=\"TLSv1.3\"",
        ][..],
        &[
            "tls policy not met",
            "domain=\"dwrong.example\"",
            "policy=dane-only",
            "status=4.7.5",
            "cipher=\"TLS_",
        ],
        &["tls policy not met", "domain=\"eplain.example\"", "policy=encrypt", "status=5.7.4"],
        &["presents its second stored certificate now", "domain=\"vgood.example\""],
    ] {
        assert!(event(words), "{words:?}");
    }
    assert!(!event(&["presents its second stored certificate now", "domain=\"vagainst.example\""]));
    let expected = good.fingerprint();
    let mismatch = waiting(&house, "vother").await.unwrap();
    let seen = Stored::certificate(peers.certificate("issued")).unwrap().fingerprint();
    assert!(mismatch.contains(&expected) && mismatch.contains(&seen), "{mismatch}");
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_says_the_same_of_the_same_peers() {
    let peers = Peers::open().await;
    let mut wrong = Vec::new();
    for case in cases(&peers) {
        let Some(Answer::Records(Security::Secure, records)) = &case.tlsa else { continue };
        let peer = peers.get(case.peer);
        if case.level != "dane-only" || records[0].usage < 2 {
            continue;
        }
        let data: String = records[0].data.iter().fold(String::new(), |mut text, octet| {
            let _ = write!(text, "{octet:02x}");
            text
        });
        let record = &records[0];
        let rrdata = format!("{} {} {} {data}", record.usage, record.selector, record.matching);
        let (address, host) = (peer.address, format!("{}.mx.example", case.name));
        let said = tokio::task::spawn_blocking(move || {
            Command::new("openssl")
                .args([
                    "s_client",
                    "-starttls",
                    "smtp",
                    "-connect",
                    &address.to_string(),
                    "-servername",
                    &host,
                ])
                .args(["-dane_tlsa_domain", &host, "-dane_tlsa_rrdata", &rrdata])
                .args(["-dane_ee_no_namechecks", "-verify_return_error", "-brief", "-no_ign_eof"])
                .stdin(Stdio::null())
                .output()
                .unwrap()
        })
        .await
        .unwrap();
        let words = String::from_utf8_lossy(&said.stderr).into_owned();
        let verified = words.contains("Verification: OK") && words.contains("DANE TLSA");
        if verified != matches!(case.end, End::Arrives(_)) {
            wrong.push(format!("{}: we say {:?}, openssl says\n{words}", case.name, case.end));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_definite_is_told_at_once_in_the_senders_language() {
    let world = Plan::default().start_tls(StartTls::NotOffered);
    let house =
        House::with(world, "[[outbound.tls_policy]]\ndomain = \"far.example\"\nlevel = \"encrypt\"\n").await;
    let message = letter("Pelargonium-7731", "Ladybird-7731", "");
    let to = ["bob@far.example", "carol@near.example"];
    let reply = house.alice_sends().await.send("alice@house.example", &to, &message).await;
    assert!(reply.is(250, "2.0.0"), "{reply:?}");
    // SO-6: the other one got it, once, and in clear, because nothing else was asked for.
    let taken = house.world.wait_for(1).await;
    assert_eq!(taken[0].rcpts, ["<carol@near.example>"]);
    let alice = Address::parse("alice@house.example").unwrap();
    let mailbox = house.flow().store.mailbox_of(&alice.key()).await.unwrap().unwrap();
    let mut changes = house.flow().store.watch(mailbox);
    let mut imap = house.alice_reads().await;
    let told = async {
        loop {
            changes.mark_unchanged();
            if let Some(mail) = imap.messages("INBOX").await.into_iter().next() {
                return mail;
            }
            changes.changed().await.unwrap();
        }
    };
    let bounce = timeout(PATIENCE, told).await.expect("told by the first try");
    for part in [
        "Status: 5.7.4",
        "Action: failed",
        "Remote-MTA: dns; far.example",
        "TLS policy: encrypt",
        "far.example offers no encryption.",
        "Nothing was sent unencrypted.",
        "[secure]",
        "Pelargonium-7731",
    ] {
        assert!(bounce.contains(part), "{part} is not in\n{bounce}");
    }
    assert!(!bounce.contains("Ladybird-7731"), "{bounce}");
    let octets = String::from_utf8(house.world.octets()).unwrap();
    assert!(!octets.contains("<bob@far.example>"), "{octets}");
    let sent = house.alice_reads().await.messages("Sent").await;
    let lines = "X-Guardpost-Delivery: bob@far.example; plain, tls-policy=encrypt";
    assert!(sent[0].contains(lines), "{}", sent[0]);
    assert!(sent[0].contains("X-Guardpost-Delivery: carol@near.example; plain, tls-policy=opportunistic"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_host_is_tried_and_the_best_outcome_counts() {
    let peers = Peers::open().await;
    let record = |peer: &str| [tlsa(3, 1, 1, peers.certificate(peer))];
    // The first host of each domain fails the policy for a reason of its own.
    let table = Table::signed()
        .with_mx("one.example", &[(10, "wrong.mx.example"), (20, "right.mx.example")])
        .with_mx("two.example", &[(10, "bare.mx.example"), (20, "right.mx.example")])
        .with_mx("three.example", &[(10, "bare.mx.example"), (20, "bogus.mx.example")])
        .with_addresses("wrong.mx.example", &[peers.ip("issued")])
        .with_tlsa("wrong.mx.example", &[tlsa(3, 1, 1, peers.certificate("late"))])
        .with_addresses("bare.mx.example", &[peers.ip("late")])
        .with_addresses("bogus.mx.example", &[peers.ip("late")])
        .with_tlsa_answer("bogus.mx.example", Answer::Bogus)
        .with_addresses("right.mx.example", &[peers.ip("alone")])
        .with_tlsa("right.mx.example", &record("alone"));
    let good = peers.all.iter().position(|(name, _)| *name == "good").unwrap();
    let mut all = peers.all;
    let (_, world) = all.remove(good);
    let house = House::among(world, Some(Arc::new(table)), "tls = \"dane-only\"\n").await;
    house.add_account("alice@house.example", crate::harness::PASSWORD).await;
    let mut alice = house.alice_sends().await;
    for name in ["one", "two", "three"] {
        let to = format!("bob@{name}.example");
        assert!(
            alice.send("alice@house.example", &[&to], &letter("Offer", "text", "")).await.is(250, "2.0.0")
        );
    }
    let alone = &all.iter().find(|(name, _)| *name == "alone").unwrap().1;
    assert_eq!(alone.wait_for(2).await.len(), 2);
    all_tried(&house).await;
    // One host is without DANE for good, the other could not be looked up: it may be better later.
    assert!(waiting(&house, "three").await.unwrap().starts_with("4.7.5"));
    for name in ["issued", "late"] {
        let octets = all.iter().find(|(known, _)| *known == name).unwrap().1.octets();
        assert!(!String::from_utf8_lossy(&octets).contains("MAIL FROM"), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_smarthost_is_met_as_every_level_wants_it() {
    let levels = ["encrypt", "dane-only", "verify"].iter().fold(String::new(), |mut text, level| {
        let _ = write!(text, "[[outbound.tls_policy]]\ndomain = \"{level}.example\"\nlevel = \"{level}\"\n");
        text
    });
    let send = async |house: &House| {
        house.add_account("alice@house.example", crate::harness::PASSWORD).await;
        let mut alice = house.alice_sends().await;
        for level in ["encrypt", "dane-only", "verify"] {
            let to = format!("bob@{level}.example");
            let reply = alice.send("alice@house.example", &[&to], &letter("Offer", level, "")).await;
            assert!(reply.is(250, "2.0.0"), "{reply:?}");
        }
        all_tried(house).await;
    };
    // By name: DANE at its own name, and what is stored under it.
    let good = Peer::good().await;
    let table = Table::signed()
        .with_addresses("relay.example", &[good.address.ip()])
        .with_tlsa("relay.example", &[tlsa(3, 1, 1, &good.certificate)]);
    let stored = Stored::certificate(&good.certificate).unwrap();
    let more = format!("smarthost = \"relay.example:{}\"\n{levels}", good.address.port());
    let house = House::among(good, Some(Arc::new(table)), &more).await;
    stored_certificates::add(house.flow(), Domain::parse("relay.example").unwrap(), &stored).await.unwrap();
    send(&house).await;
    assert_eq!(house.world.taken().len(), 3);
    let log = String::from_utf8(house.logged()).unwrap();
    for (level, proof) in
        [("encrypt", "tls=dane"), ("dane-only", "tls=dane"), ("verify", "tls=stored-certificate")]
    {
        let noted = log.lines().any(|line| {
            line.contains("delivered")
                && line.contains(&format!("relay.example [127.0.0.1] {proof}"))
                && line.contains(&format!(" domain={level}.example"))
        });
        assert!(noted, "{level}");
    }
    // An address has no records and nothing stored under it; and this one offers no encryption.
    let plain = Plan::default().start_tls(StartTls::NotOffered).open().await;
    let more = format!("smarthost = \"127.0.0.1:{}\"\n{levels}", plain.address.port());
    let house = House::among(plain, Some(Arc::new(Table::signed())), &more).await;
    send(&house).await;
    let inbox = house.alice_reads().await.messages("INBOX").await;
    for level in ["encrypt", "dane-only", "verify"] {
        let bounce = inbox
            .iter()
            .find(|mail| mail.contains(&format!("Final-Recipient: rfc822; bob@{level}.example")))
            .unwrap_or_else(|| panic!("{level} is not told"));
        assert!(
            bounce.contains("Status: 5.7.4") && bounce.contains(&format!("TLS policy: {level}")),
            "{bounce}"
        );
    }
    let octets = String::from_utf8(house.world.octets()).unwrap();
    assert!(house.world.taken().is_empty() && !octets.contains("MAIL FROM"), "{octets}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_validation_dane_only_waits_and_says_so() {
    for since in ["never", "the hosts were known", "their addresses were known"] {
        let peer = Peer::good().await;
        let mx = Exchange { preference: 10, host: Domain::parse("mx.far.example").ok() };
        let address = peer.address.ip();
        let table = Table::signed()
            .with_mx_answer("far.example", Answer::Records(Security::Secure, vec![mx.clone()]))
            .with_addresses("mx.far.example", &[address]);
        let table = match since {
            "never" => table
                .with_validation(Validation::Off)
                .with_mx_answer("far.example", Answer::Records(Security::Insecure, vec![mx])),
            "the hosts were known" => {
                table.with_mx_answer("far.example", Answer::Records(Security::Indeterminate, vec![mx]))
            }
            _ => table.with_addresses_answer(
                "mx.far.example",
                Answer::Records(Security::Indeterminate, vec![address]),
            ),
        };
        let house = House::among(peer, Some(Arc::new(table)), "tls = \"dane-only\"\n").await;
        house.add_account("alice@house.example", crate::harness::PASSWORD).await;
        let reply = house
            .alice_sends()
            .await
            .send("alice@house.example", &["bob@far.example"], &letter("Offer", "x", ""))
            .await;
        assert!(reply.is(250, "2.0.0"), "{reply:?}");
        all_tried(&house).await;
        let why = waiting(&house, "far").await.unwrap_or_else(|| panic!("{since}: it came back"));
        assert!(why.starts_with("4.7.5") && why.contains("DANE cannot be checked on this server"), "{why}");
        assert!(house.world.sessions().is_empty(), "no connection was made");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dane_from_signed_zones_to_the_handshake() {
    let made = rcgen::generate_simple_self_signed(["peer.example".to_owned()]).unwrap();
    let (chain, key) = ([made.cert.der().to_vec()], made.signing_key.serialize_der());
    let port = free_port();
    let peer = Plan::default().at("127.0.0.1", port).identity(&chain, &key).open().await;
    let right = tlsa(3, 1, 1, &peer.certificate).data.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    });
    let zones = Zones::serve(&format!(
        "right MX 10 mxr\nmxr A 127.0.0.1\nmxr A 127.0.0.2\n_{port}._tcp.mxr TLSA 3 1 1 {right}\n\
         wrong MX 10 mxw\nmxw A 127.0.0.1\nmxw A 127.0.0.2\n_{port}._tcp.mxw TLSA 3 1 1 {}\nnone MX 10 mx\n",
        "11".repeat(32)
    ));
    let unbound = zones.validating();
    let builtin = Options {
        servers: vec![zones.address],
        trust: Trust::Builtin,
        trust_anchor_file: Some(zones.anchor()),
        ..Options::default()
    };
    let ad = Options { servers: vec![unbound.address], trust: Trust::Ad, ..Options::default() };
    // The zones name this port and this certificate, and both addresses: one of them is there at a time.
    let mut first = Some(peer);
    for options in [builtin, ad] {
        let again = match first.take() {
            Some(peer) => peer,
            None => Plan::default().at("127.0.0.2", port).identity(&chain, &key).open().await,
        };
        let dns = dns::open(&options, Arc::new(OsRandom)).unwrap();
        let mut house = House::among(again, Some(dns), "tls = \"dane-only\"\n").await;
        house.add_account("alice@house.example", crate::harness::PASSWORD).await;
        let mut alice = house.alice_sends().await;
        for name in ["right.signed", "wrong.signed", "none.signed", "plain", "bogus"] {
            let to = format!("bob@{name}.example");
            let reply = alice.send("alice@house.example", &[&to], &letter("Offer", name, "")).await;
            assert!(reply.is(250, "2.0.0"), "{reply:?}");
        }
        house.world.wait_for(1).await;
        all_tried(&house).await;
        assert!(waiting(&house, "wrong.signed").await.unwrap().starts_with("4.7.5"));
        assert!(waiting(&house, "bogus").await.unwrap().starts_with("4.4.3"));
        let inbox = house.alice_reads().await.messages("INBOX").await;
        for to in ["bob@none.signed.example", "bob@plain.example"] {
            let bounce = inbox.iter().find(|mail| mail.contains(&format!("Final-Recipient: rfc822; {to}")));
            assert!(bounce.is_some_and(|mail| mail.contains("Status: 5.7.4")), "{to}");
        }
        let taken = house.world.taken();
        assert_eq!((taken.len(), taken[0].rcpts.clone()), (1, vec!["<bob@right.signed.example>".into()]));
        house.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_fetched_compared_and_forgotten_by_commands() {
    let house = House::with(
        Plan::default(),
        "[[outbound.tls_policy]]\ndomain = \"far.example\"\nlevel = \"verify\"\n",
    )
    .await;
    fs::write(house.at("guard.toml"), house.configuration(house.port(Service::Https))).unwrap();
    let run = async |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_guardpost"));
        command.env_clear().arg("--config").arg(house.at("guard.toml")).args(arguments);
        command.stdin(Stdio::null());
        let done = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        (done.status.code().unwrap(), format!("{}{}", text(&done.stdout), text(&done.stderr)))
    };
    let send = async |text: &str| {
        let message = letter("Offer", text, "");
        house.alice_sends().await.send("alice@house.example", &["bob@far.example"], &message).await
    };
    let (code, said) = run(&["certificate", "fetch", "far.example"]).await;
    assert_eq!(code, 2, "nobody is there to compare it: {said}");
    let fingerprint = Stored::certificate(&house.world.certificate).unwrap().fingerprint();
    assert!(said.contains(&fingerprint), "{said}");
    let (code, said) = run(&["certificate", "fetch", "far.example", "--yes", "--json"]).await;
    assert!(code == 0 && said.contains("\"kind\"") && said.contains(&fingerprint), "{said}");
    assert!(send("one").await.is(250, "2.0.0"));
    assert_eq!(house.world.wait_for(1).await.len(), 1);
    let octets = String::from_utf8(house.world.sessions()[0].plain.clone()).unwrap();
    assert!(!octets.contains("MAIL"), "looking sends nothing: {octets}");
    let (_, list) = run(&["certificate", "list", "--json"]).await;
    assert!(list.contains("far.example") && list.contains(&fingerprint), "{list}");
    assert_eq!(run(&["certificate", "remove", "far.example", "--yes"]).await.0, 0);
    assert_eq!(run(&["certificate", "remove", "far.example", "--yes"]).await.0, 1, "nothing is left");
    assert!(send("two").await.is(250, "2.0.0"));
    all_tried(&house).await;
    let inbox = house.alice_reads().await.messages("INBOX").await;
    let told = |mail: &&String| {
        mail.contains("Status: 5.7.4") && mail.contains("No certificate is stored for far.example.")
    };
    assert!(inbox.iter().find(told).is_some(), "{inbox:#?}");
    assert_eq!(house.world.taken().len(), 1);
}
