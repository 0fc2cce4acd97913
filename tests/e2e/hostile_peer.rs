//! Peers that break off, lie, flood and hang: what they get to see, and that nobody else's mail suffers.

use crate::harness::House;
use crate::harness::PASSWORD;
use crate::main_job::letter;
use crate::patience::until;
use crate::peer::Act;
use crate::peer::Peer;
use crate::peer::Plan;
use crate::peer::StartTls;
use crate::tls_policy::all_tried;
use crate::tls_policy::tlsa;
use crate::tls_policy::waiting;
use guardpost::base::address::Address;
use guardpost::base::address::Domain;
use guardpost::base::dns::Tlsa;
use guardpost::flow::stored_certificates;
use guardpost::net::dns::Table;
use guardpost::policy::tls::Stored;
use std::fmt::Write;
use std::sync::Arc;

/// Levels at which nothing may go in clear; "alias": a secure alias writes, to whom nothing else is demanded.
const LEVELS: [&str; 4] = ["encrypt", "dane-only", "verify", "alias"];

/// Who writes, and her secure alias.
const ALICE: &str = "alice@house.example";
const ALIAS: &str = "alice@secure.house.example";

/// What a peer says behind its 220, in one segment with it: the answers to a whole message.
const INJECTED: &str = "220 2.0.0 go on\r\n250-peer.example\r\n250 8BITMIME\r\n250 2.1.0 ok\r\n250 2.1.5 ok\r\n354 go on\r\n\
    250 2.0.0 taken";

/// On its own address of loopback, all on one port.
async fn open(plans: Vec<(&'static str, Plan)>) -> Vec<(&'static str, Peer)> {
    let mut peers: Vec<(&'static str, Peer)> = Vec::new();
    for (at, (name, plan)) in plans.into_iter().enumerate() {
        let port = peers.first().map_or(0, |(_, first)| first.address.port());
        peers.push((name, plan.at(&format!("127.0.5.{}", at + 1), port).open().await));
    }
    peers
}

async fn send(house: &House, domain: &str) {
    let message = letter(&format!("SUBJECT-{domain}"), &format!("BODY-{domain}"), "");
    let to = format!("bob@{domain}");
    let from = if domain.contains("-alias.") { ALIAS } else { ALICE };
    let reply = house.alice_sends().await.send(from, &[&to], &message).await;
    assert!(reply.is(250, "2.0.0"), "{domain}: {reply:?}");
}

/// Every peer to which TLS does not come to stand, however it goes about it, at every level that demands TLS: its octets
/// are EHLO, STARTTLS and QUIT, and nothing else in any session.
#[tokio::test(flavor = "multi_thread")]
async fn before_tls_stands_a_peer_hears_no_word_of_the_message() {
    let failing = |start_tls| Plan::default().start_tls(start_tls);
    let peers = open(vec![
        ("good", Plan::default()),
        ("bare", failing(StartTls::NotOffered)),
        ("busy", failing(StartTls::Refused)),
        ("garbage", failing(StartTls::Garbage)),
        ("closing", failing(StartTls::Closes)),
        ("resetting", failing(StartTls::Resets)),
        ("alerting", failing(StartTls::Alerts)),
        ("hanging", failing(StartTls::Hangs)),
        ("injecting", failing(StartTls::Closes).rule(injects)),
        // Told twice: the second time behind a 220 after which TLS stands.
        ("both", Plan::default().rule(injects)),
        // An MX of last resort that knows no TLS.
        ("backup", failing(StartTls::NotOffered)),
    ])
    .await;
    let of = |name: &str| &peers.iter().find(|(known, _)| *known == name).unwrap().1;
    let mut table = Table::signed();
    let mut more = String::new();
    let mut domains = Vec::new();
    for (name, peer) in &peers {
        let host = format!("{name}.mx.example");
        let record = [tlsa(3, 1, 1, &peer.certificate)];
        table = table.with_addresses(&host, &[peer.address.ip()]).with_tlsa(&host, &record);
        for level in LEVELS {
            let domain = format!("{name}-{level}.example");
            let first = if *name == "backup" { "closing.mx.example" } else { &host };
            table = table.with_mx(&domain, &[(10, first), (20, &host)]);
            if level != "alias" {
                let _ = write!(more, "[[outbound.tls_policy]]\ndomain = \"{domain}\"\nlevel = \"{level}\"\n");
            }
            domains.push((*name, level, domain));
        }
    }
    // Its certificate is another one than DNS and the store say.
    let wrong = Tlsa { usage: 3, selector: 1, matching: 1, data: vec![7; 32] };
    table = table.with_tlsa("good.mx.example", &[wrong]);
    let nobody = Plan::default().at("127.0.5.99", of("good").address.port()).open().await;
    let mut house = House::with_aliases(nobody, Some(Arc::new(table)), &more).await;
    house.flow().switch_alias(&Address::parse(ALICE).unwrap(), true).await.unwrap();
    for (name, level, domain) in &domains {
        if *level == "verify" {
            let shown = if *name == "good" { "bare" } else { *name };
            let stored = Stored::certificate(&of(shown).certificate).unwrap();
            stored_certificates::add(house.flow(), Domain::parse(domain).unwrap(), &stored).await.unwrap();
        }
        send(&house, domain).await;
    }
    all_tried(&house).await;
    let inbox = house.alice_reads().await.messages("INBOX").await;
    for (name, level, domain) in &domains {
        let waits = waiting(&house, domain.trim_end_matches(".example")).await.is_some();
        let report = inbox.iter().find(|mail| mail.contains(&format!("rfc822; bob@{domain}\r\n")));
        // Their own records make a mismatch of most of them; to a secure alias all is definite but what hangs.
        let (arrives, bounces) = (*name == "both", *level == "alias" && !["both", "hanging"].contains(name));
        assert_eq!((waits, report.is_some()), (!arrives && !bounces, bounces), "{domain}: {report:?}");
        if let Some(report) = report {
            let status = if ["bare", "backup"].contains(name) { "Status: 5.7." } else { "Status: 5.7.5" };
            assert!(report.contains(status) && !report.contains("BODY-"), "{domain}: {report}");
        }
    }
    for (name, peer) in &peers {
        let sessions = peer.sessions();
        assert!(!sessions.is_empty(), "{name} was never met");
        for session in sessions {
            let plain = String::from_utf8(session.plain).unwrap();
            for line in plain.lines() {
                let harmless = ["EHLO mail.house.example", "STARTTLS", "QUIT"].contains(&line);
                assert!(harmless, "{name} heard {line:?}");
            }
            let inside = String::from_utf8_lossy(&session.inside);
            assert!(*name == "both" || !inside.contains("MAIL"), "{name} heard {inside}");
        }
    }
    // What was said before TLS is forgotten: each message went once, whole, in step with answers inside.
    let taken = of("both").taken();
    assert_eq!(taken.len(), LEVELS.len(), "{taken:#?}");
    for message in taken {
        let text = String::from_utf8(message.text).unwrap();
        assert!(message.tls && text.contains("BODY-both-"), "{text}");
    }
    house.stop().await;
}

fn injects(asked: &crate::peer::Asked<'_>) -> Act {
    if asked.line == "STARTTLS" { Act::Say(INJECTED.into()) } else { Act::Usual }
}

/// A place in a conversation, as the peer's rule knows it.
const STEPS: [(&str, &str, bool); 9] = [
    ("greeting", "greeting", false),
    ("ehlo", "EHLO", false),
    ("starttls", "STARTTLS", false),
    ("ehlo2", "EHLO", true),
    ("mail", "MAIL", true),
    ("rcpt", "RCPT", true),
    ("data", "DATA", true),
    ("end", "end of data", true),
    ("quit", "QUIT", true),
];

/// The peer does this at one step, and is a good one otherwise.
fn at(step: usize, act: impl Fn() -> Act + Send + Sync + 'static) -> Plan {
    let (_, begins, tls) = STEPS[step];
    Plan::default().rule(move |asked| match asked.line.starts_with(begins) && asked.tls == tls {
        true => act(),
        false => Act::Usual,
    })
}

/// What is done at a step, and whether a message to such a peer waits, wherever it happens but at QUIT.
type Evil = (&'static str, fn() -> Act, bool);

fn evils() -> Vec<Evil> {
    vec![
        ("closes", || Act::Close(String::new()), true),
        ("refuses", || Act::Close("421 4.3.2 shutting down".into()), true),
        ("floods", || Act::Say(format!("250 {}", "x".repeat(1 << 20))), true),
        ("goes on", || Act::Say("250-and on\r\n".repeat(100_000) + "250 and so on"), true),
        ("babbles", || Act::Say("HTTP/1.1 400 Bad Request".into()), true),
        ("splutters", || Act::Say("\0\0\0\u{1}\u{2}".into()), true),
        ("hangs", || Act::Hang, false),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_peer_does_at_any_step_the_message_is_kept_and_others_go() {
    let mut plans = vec![("good", Plan::default())];
    let mut what = vec![("good".to_owned(), false, false)];
    for (evil, act, waits) in evils() {
        for (step, (name, ..)) in STEPS.iter().enumerate() {
            plans.push((name, at(step, act)));
            what.push((
                format!("{}-{name}", evil.replace(' ', "")),
                waits && *name != "quit",
                evil == "hangs",
            ));
        }
    }
    // Slow, but in order: everything octet by octet.
    plans.push(("slow", Plan::default().rule(drips)));
    what.push(("slow".to_owned(), false, false));
    let peers = open(plans).await;
    let mut table = Table::default();
    for ((name, ..), (_, peer)) in what.iter().zip(&peers) {
        table = table.with_addresses(&format!("{name}.example"), &[peer.address.ip()]);
    }
    let nobody = Plan::default().at("127.0.5.99", peers[0].1.address.port()).open().await;
    // Room for all who hang, and one more: how long they may is RFC 5321 §4.5.3.2.
    let more = "[limits]\nremote_connections = 10\n";
    let house = House::among(nobody, Some(Arc::new(table)), more).await;
    house.add_account(ALICE, PASSWORD).await;
    for (name, _, hangs) in &what {
        if *hangs {
            send(&house, &format!("{name}.example")).await;
        }
    }
    for (at, (name, _, hangs)) in what.iter().enumerate() {
        if *hangs {
            peers[at].1.wait_for_session().await;
        } else {
            send(&house, &format!("{name}.example")).await;
        }
    }
    for (at, (name, waits, hangs)) in what.iter().enumerate() {
        let why = if *hangs { None } else { tried(&house, name).await };
        match (hangs, waits) {
            (true, _) => assert!(name.ends_with("-quit") || peers[at].1.taken().is_empty(), "{name}"),
            (false, true) => {
                let why = why.unwrap_or_else(|| panic!("{name} does not wait"));
                assert!(why.starts_with('4'), "{name}: {why}");
            }
            (false, false) => {
                assert!(why.is_none(), "{name}: {why:?}");
                assert_eq!(peers[at].1.taken().len(), 1, "{name}");
            }
        }
    }
    let inbox = house.alice_reads().await.messages("INBOX").await;
    assert!(inbox.is_empty(), "nothing is definite here: {inbox:#?}");
}

fn drips(asked: &crate::peer::Asked<'_>) -> Act {
    let said = match asked.line.split([' ', ':']).next().unwrap_or_default() {
        "greeting" => "220 peer.example ESMTP",
        "EHLO" if !asked.tls => "250-peer.example\r\n250 STARTTLS",
        "EHLO" => "250-peer.example\r\n250 PIPELINING",
        _ => return Act::Usual,
    };
    Act::Drip(said.into())
}

/// Waits for the first try to this domain; why it is not over, if it is not.
async fn tried(house: &House, name: &str) -> Option<String> {
    let store = &house.flow().store;
    let domain = format!("{name}.example");
    let ended = async || {
        let mut open = false;
        for record in store.queue(None, 200).await.unwrap() {
            for one in store.queued_recipients(record.id).await.unwrap() {
                if one.address.domain().as_str() == domain && !one.reason.is_empty() {
                    return Some(Some(one.reason));
                }
                open |= one.address.domain().as_str() == domain;
            }
        }
        if open { None } else { Some(None) }
    };
    until("the first try", ended).await
}
