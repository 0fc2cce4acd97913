//! From 250 to the bounce in INBOX: how long a sender waits for what is definite, for each way to fail.
//!
//! `cargo bench --bench bounce [-- ROUNDS]`, or with `--profile dev` for a build without optimisation. Real sockets
//! throughout: submission over TLS, peers on loopback, IMAP IDLE. The goal is 10 seconds each.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a bench fails by panicking")]
#![expect(clippy::print_stdout, reason = "the table is what it is for")]
#![allow(dead_code, reason = "of the tools of the tests not all are needed")]

#[path = "../e2e/harness.rs"]
mod harness;
#[path = "../e2e/mail_client.rs"]
mod mail_client;
#[path = "../e2e/markers.rs"]
mod markers;
#[path = "../e2e/patience.rs"]
mod patience;
#[path = "../e2e/peer.rs"]
mod peer;
#[path = "../e2e/plain_browser.rs"]
mod plain_browser;

use crate::harness::House;
use crate::mail_client::Imap;
use crate::mail_client::Smtp;
use crate::peer::Act;
use crate::peer::Peer;
use crate::peer::Plan;
use crate::peer::StartTls;
use guardpost::base::address::Address;
use guardpost::base::address::Domain;
use guardpost::base::dns::Tlsa;
use guardpost::flow::stored_certificates;
use guardpost::net::dns::Table;
use guardpost::policy::tls::Stored;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

/// The names of Alice: her own, and her secure alias.
const ALICE: &str = "alice@house.example";
const SECURE_ALICE: &str = "alice@secure.house.example";
/// No bounce takes longer, or something is broken.
const PATIENCE: Duration = Duration::from_secs(120);

/// A way to fail.
struct Case {
    what: &'static str,
    domain: &'static str,
    level: &'static str,
    status: &'static str,
}

const CASES: &[Case] = &[
    case("the domain does not exist", "nowhere", "opportunistic", "5.1.2"),
    case("null MX", "null", "opportunistic", "5.1.10"),
    case("the MX has no address", "empty", "opportunistic", "5.4.4"),
    case("the MX is this server", "ours", "opportunistic", "5.4.6"),
    case("the peer refuses the recipient", "refusing", "opportunistic", "5.1.1"),
    case("encrypt: no STARTTLS", "bare1", "encrypt", "5.7.4"),
    case("encrypt: no STARTTLS on two hosts", "bare2", "encrypt", "5.7.4"),
    case("dane-only: no TLSA record", "none", "dane-only", "5.7.4"),
    case("dane-only: no usable TLSA record", "unusable", "dane-only", "5.7.4"),
    case("verify: nothing stored", "good", "verify", "5.7.4"),
    // From a secure alias more is definite; its level is encrypt.
    case("alias: no STARTTLS", "bare", ALIAS, "5.7.4"),
    case("alias: no STARTTLS, DANE record", "bare3", ALIAS, "5.7.4"),
    case("alias: 454 to STARTTLS, twice", "busy", ALIAS, "5.7.5"),
    case("alias: no TLS behind 220, twice", "garbage", ALIAS, "5.7.5"),
    case("alias: closed behind 220, twice", "closing", ALIAS, "5.7.5"),
    case("alias: reset in the handshake, twice", "resetting", ALIAS, "5.7.5"),
    case("alias: handshake refused, twice", "alerting", ALIAS, "5.7.5"),
    case("alias: not the certificate of DANE", "mismatch", ALIAS, "5.7.5"),
    case("alias: and a plaintext backup MX", "backup", ALIAS, "5.7."),
    case("alias, verify: not the stored one", "stored", ALIAS_VERIFY, "5.7.5"),
];

/// In place of a level of the destination.
const ALIAS: &str = "alias";
/// The same, where the destination has the level `verify` and another certificate stored.
const ALIAS_VERIFY: &str = "alias and verify";

const fn case(what: &'static str, domain: &'static str, level: &'static str, status: &'static str) -> Case {
    Case { what, domain, level, status }
}

/// The hosts of the world: each domain's MX is `<peer>.mx.example`.
const HOSTS: &[(&str, &[&str])] = &[
    ("empty", &["nobody"]),
    ("refusing", &["refusing"]),
    ("bare1", &["bare"]),
    ("bare2", &["bare", "bare4"]),
    ("none", &["good"]),
    ("unusable", &["unusable"]),
    ("good", &["good"]),
    ("bare", &["bare"]),
    ("bare3", &["bare3"]),
    ("busy", &["busy"]),
    ("garbage", &["garbage"]),
    ("closing", &["closing"]),
    ("resetting", &["resetting"]),
    ("alerting", &["alerting"]),
    ("mismatch", &["mismatch"]),
    ("backup", &["mismatch", "bare"]),
    ("stored", &["good"]),
];

fn main() {
    let rounds = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(20);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(measure(rounds));
}

async fn peers() -> Vec<(&'static str, Peer)> {
    let mut peers: Vec<(&'static str, Peer)> = Vec::new();
    for (at, (name, plan)) in [
        ("good", Plan::default()),
        ("unusable", Plan::default()),
        ("bare", Plan::default().start_tls(StartTls::NotOffered)),
        ("bare3", Plan::default().start_tls(StartTls::NotOffered)),
        ("bare4", Plan::default().start_tls(StartTls::NotOffered)),
        ("busy", Plan::default().start_tls(StartTls::Refused)),
        ("garbage", Plan::default().start_tls(StartTls::Garbage)),
        ("closing", Plan::default().start_tls(StartTls::Closes)),
        ("resetting", Plan::default().start_tls(StartTls::Resets)),
        ("alerting", Plan::default().start_tls(StartTls::Alerts)),
        ("mismatch", Plan::default()),
        (
            "refusing",
            Plan::default().rule(|asked| match asked.line.starts_with("RCPT") {
                true => Act::Say("550 5.1.1 nobody of that name".into()),
                false => Act::Usual,
            }),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let port = peers.first().map_or(0, |(_, first)| first.address.port());
        peers.push((name, plan.at(&format!("127.0.6.{}", at + 1), port).open().await));
    }
    peers
}

async fn measure(rounds: usize) {
    let mut peers = peers().await;
    let unusable = Tlsa { usage: 1, selector: 1, matching: 1, data: vec![7; 32] };
    let mut table = Table::signed().with_mx("null.example", &[(0, ".")]);
    table = table.with_mx("ours.example", &[(10, harness::HOST)]);
    table = table.with_tlsa("unusable.mx.example", &[unusable]);
    let another = Tlsa { usage: 3, selector: 1, matching: 1, data: vec![7; 32] };
    for host in ["mismatch.mx.example", "bare3.mx.example"] {
        table = table.with_tlsa(host, std::slice::from_ref(&another));
    }
    for (name, peer) in &peers {
        table = table.with_addresses(&format!("{name}.mx.example"), &[peer.address.ip()]);
    }
    for (domain, hosts) in HOSTS {
        let hosts: Vec<String> = hosts.iter().map(|host| format!("{host}.mx.example")).collect();
        let hosts: Vec<(u16, &str)> = hosts.iter().map(|host| (10, host.as_str())).collect();
        table = table.with_mx(&format!("{domain}.example"), &hosts);
    }
    let mut more = String::from("[limits]\nrecipients_per_hour = 100000\nrecipients_per_day = 1000000\n");
    for Case { domain, level, .. } in CASES.iter().filter(|case| case.level != ALIAS) {
        let level = if *level == ALIAS_VERIFY { "verify" } else { level };
        let _ = write!(more, "[[outbound.tls_policy]]\ndomain = \"{domain}.example\"\nlevel = \"{level}\"\n");
    }
    let (_, world) = peers.remove(0);
    let mut house = House::with_aliases(world, Some(Arc::new(table)), &more).await;
    house.flow().switch_alias(&Address::parse(ALICE).unwrap(), true).await.unwrap();
    let (stored, domain) = (&peers[0].1.certificate, Domain::parse("stored.example").unwrap());
    stored_certificates::add(house.flow(), domain, &Stored::certificate(stored).unwrap()).await.unwrap();
    let mut alice = house.alice_sends().await;
    let mut inbox = house.alice_reads().await;
    let mut count = inbox.select("INBOX").await;
    println!("{:<36} {:>6}  {:>9}  {:>9}", "what", "status", "median ms", "most ms");
    for case in CASES {
        let mut times = Vec::new();
        for round in 0..rounds {
            times.push(once(case, round, &mut alice, &mut inbox, &mut count).await);
        }
        times.sort();
        let ms = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1_000.0);
        let (median, most) = (times[times.len() / 2], times[times.len() - 1]);
        println!("{:<36} {:>6}  {:>9}  {:>9}", case.what, case.status, ms(median), ms(most));
    }
    house.stop().await;
}

/// One message, from its 250 to the EXISTS of its bounce.
async fn once(case: &Case, round: usize, alice: &mut Smtp, inbox: &mut Imap, count: &mut u32) -> Duration {
    inbox.put(b"idle IDLE\r\n").await;
    let going = inbox.line().await.unwrap();
    assert!(going.starts_with('+'), "{going}");
    let to = format!("bob{round}@{}.example", case.domain);
    let text = format!(
        "From: {ALICE}\r\nTo: {to}\r\nSubject: round {round}\r\n\r\nThe text of {}, round {round}.\r\n",
        case.what
    );
    let from = if [ALIAS, ALIAS_VERIFY].contains(&case.level) { SECURE_ALICE } else { ALICE };
    let reply = alice.send(from, &[&to], &text).await;
    let begin = Instant::now();
    assert!(reply.is(250, "2.0.0"), "{to}: {reply:?}");
    *count += 1;
    let exists = format!("* {count} EXISTS");
    let told = async { while inbox.line().await.unwrap() != exists {} };
    tokio::time::timeout(PATIENCE, told).await.unwrap_or_else(|_| panic!("no bounce: {}", case.what));
    let took = begin.elapsed();
    inbox.put(b"DONE\r\n").await;
    while !inbox.line().await.unwrap().starts_with("idle OK") {}
    let bounce = inbox.message(*count).await;
    let right = bounce.contains(&format!("Status: {}", case.status)) && bounce.contains(&to);
    assert!(right && !bounce.contains("The text of"), "{}:\n{bounce}", case.what);
    took
}
