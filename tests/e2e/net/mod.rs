//! TLS policies in a world of real servers: BIND's zones, Unbound, Postfix, and `guardpost serve` between them.
//!
//! The expected verdicts stand in `tests/golden/posttls_finger.txt`, written by hand, beside what `posttls-finger`,
//! Postfix's own client, finds at the same destinations.

mod finger;
pub mod journal;
pub mod postfix;
mod sender;
mod space;
mod table;
mod world;

use crate::mail_client::Smtp;
use crate::main_job::letter;
use crate::net::postfix::Postfix;
use crate::net::postfix::Server;
use crate::net::sender::ALIAS;
use crate::net::sender::ALICE;
use crate::net::sender::Sender;
use crate::net::space::Space;
use crate::net::table::Row;
use crate::net::world::World;
use guardpost::net::dns::Trust;
use std::collections::BTreeSet;
use std::fmt::Write;

/// Destinations that lead to the sender itself: nothing for others to judge.
const OURS: &str = "our";

/// The appliance's address is nobody's there, its own loopback is everybody's, and 10/8 may be somebody's.
const OTHERWISE_ON_LOOPBACK: [&str; 6] = [
    "our-address.signed.example",
    "our-loopback.signed.example",
    "our-loopback6.signed.example",
    "our-nowhere.signed.example",
    "our-everybody.signed.example",
    "private.signed.example",
];

/// What is demanded of the way to the destination of each row, and what is stored for it.
fn levels(rows: &[Row], right: &[u8]) -> (String, Vec<(String, Vec<u8>)>) {
    let (mut text, mut stored) = (String::new(), Vec::new());
    for row in rows {
        let domain = row.domain();
        let level = match row.level.as_str() {
            "encrypt" => "encrypt",
            "dane-only" => "dane-only",
            "fingerprint" => {
                stored.push((domain.clone(), right.to_vec()));
                "verify"
            }
            _ => "opportunistic",
        };
        let _ = write!(text, "[[outbound.tls_policy]]\ndomain = \"{domain}\"\nlevel = \"{level}\"\n");
    }
    (text, stored)
}

#[tokio::test(flavor = "multi_thread")]
async fn another_postfix_finds_our_own_record_and_our_certificate_behind_it() {
    let Some(space) = Space::enter("net::another_postfix_finds_our_own_record_and_our_certificate_behind_it")
    else {
        return;
    };
    let world = World::build(space).await;
    let house = Sender::start(&world, Trust::Ad, "", &[]).await;
    // On loopback it cannot be told of another resolver; there it finds the way without one.
    let way = match space {
        Space::Namespaces => {
            "smtp_tls_security_level = dane-only\nsmtp_dns_support_level = dnssec\n".to_owned()
        }
        Space::Loopback => format!(
            "smtp_tls_security_level = encrypt\ntransport_maps = inline:{{ {{house.example = smtp:[{}]:{}}} }}\n",
            house.door().ip(),
            house.door().port()
        ),
    };
    let door = (space.peer(16), world.port).into();
    let server = Server { address: door, name: "mx.far.example", identity: None };
    let postfix = Postfix::carrying(server, &way).await;
    let message = letter("SUBJECT-inbound", "BODY-inbound", "");
    let ends = async |to: &str| {
        let mut smtp = Smtp::connect_plain(door).await;
        assert_eq!(smtp.send("bob@far.example", &[to], &message).await.code, 250);
        let what = format!("to=<{to}>");
        let end = |lines: &[String]| {
            lines.iter().find(|line| line.contains(&what) && line.contains("status=")).cloned()
        };
        postfix.journal.wait(&what, end).await
    };
    let end = ends(ALICE).await;
    assert!(end.contains("status=sent (250 2.0.0"), "{end}");
    let proven = match space {
        Space::Namespaces => "Verified TLS connection established to mail.house.example",
        Space::Loopback => "TLS connection established to 127.0.0.1",
    };
    let journal = postfix.journal.lines();
    assert!(journal.iter().any(|line| line.contains(proven)), "{journal:#?}");
    let inbox = house.alice_reads().await.messages("INBOX").await;
    assert!(inbox.len() == 1 && inbox[0].contains("BODY-inbound"), "{inbox:#?}");
    assert!(inbox[0].contains("with ESMTPS"), "{}", inbox[0]);
    if space == Space::Namespaces {
        // The same server by a name whose record is of another certificate: it would have been seen.
        let end = ends("x@lost.house.example").await;
        assert!(end.contains("status=deferred (Server certificate not verified)"), "{end}");
    }
    house.stop().await;
}

/// A secure alias asks for encryption of everybody, and hears at once of all who cannot give it.
#[tokio::test(flavor = "multi_thread")]
async fn a_secure_alias_reaches_only_those_who_can_be_trusted() {
    let Some(space) = Space::enter("net::a_secure_alias_reaches_only_those_who_can_be_trusted") else {
        return;
    };
    let world = World::build(space).await;
    let sender = Sender::start_with_alias(&world, Trust::Ad, "", &[]).await;
    let mut alice = sender.alice_sends().await;
    let expected = [
        ("right.signed", "tls=dane"),
        ("issued.signed", "tls=dane"),
        ("none.signed", "tls=unauthenticated"),
        ("pkix.signed", "tls=unauthenticated"),
        ("right.plain", "tls=unauthenticated"),
        ("second.signed", "tls=dane"),
        ("third.signed", "tls=dane"),
        ("wrong.signed", "bounce 5.7.5"),
        ("bare.signed", "bounce 5.7.4"),
        ("clear.signed", "bounce 5.7.4"),
        ("backup.signed", "bounce 5.7.4"),
        ("null.signed", "bounce 5.1.10"),
        ("ours.signed", "bounce 5.4.6"),
        ("dead.signed", "wait 4.4.1"),
        ("right.bogus", "wait 4.4.3"),
        ("right.expired", "wait 4.4.3"),
    ];
    let domains: Vec<String> = expected.iter().map(|(name, _)| format!("may.{name}.example")).collect();
    for domain in &domains {
        let message = letter(&format!("SUBJECT-alias-{domain}"), "BODY-alias", "");
        let reply = alice.send(ALIAS, &[&format!("bob@{domain}")], &message).await;
        assert!(reply.is(250, "2.0.0"), "{domain}: {reply:?}");
    }
    let outcomes = sender.outcomes(&domains).await;
    let mut arrived = 0;
    for (domain, (_, want)) in domains.iter().zip(expected) {
        let (end, line) = &outcomes[domain];
        assert_eq!(end, want, "{line}");
        arrived += usize::from(want.starts_with("tls="));
    }
    let taken = world.postfix.wait_for(arrived).await;
    assert!(taken.len() == arrived && taken.iter().all(|mail| mail.contains("(using TLSv1.3")), "{taken:#?}");
    let journal = world.postfix.journal.lines();
    let in_clear = |line: &&String| {
        line.contains("disconnect from") && line.contains(" mail=") && !line.contains(" starttls=1")
    };
    assert_eq!(journal.iter().find(in_clear), None);
    sender.stop().await;
}

/// Sends one message to each destination; what became of them, in order.
async fn send_all(world: &World, trust: Trust, rows: &[Row], round: &str) -> Vec<String> {
    let (levels, stored) = levels(rows, &world.right);
    let more = format!("[limits]\nrecipients_per_hour = 1000\n{levels}");
    let sender = Sender::start(world, trust, &more, &stored).await;
    let mut alice = sender.alice_sends().await;
    let domains: Vec<String> = rows.iter().map(Row::domain).collect();
    for domain in &domains {
        let message = letter(&format!("SUBJECT-{round}-{domain}"), &format!("BODY-{round}-{domain}"), "");
        let reply = alice.send(ALICE, &[&format!("bob@{domain}")], &message).await;
        assert!(reply.is(250, "2.0.0"), "{domain}: {reply:?}");
    }
    let outcomes = sender.outcomes(&domains).await;
    let bounced: BTreeSet<&String> =
        domains.iter().filter(|domain| outcomes[*domain].0.starts_with("bounce")).collect();
    let mut inbox = sender.alice_reads().await.messages("INBOX").await;
    // As the postmaster she gets alarms too.
    inbox.retain(|mail| mail.contains("multipart/report"));
    assert_eq!(inbox.len(), bounced.len(), "one report for each bounce, and for nothing else");
    for domain in bounced {
        let report = inbox.iter().find(|mail| mail.contains(&format!("rfc822; bob@{domain}\r\n")));
        let report = report.unwrap_or_else(|| panic!("no report about {domain}"));
        let status = outcomes[domain].0.replace("bounce", "Status:");
        assert!(report.contains(&status), "{report}");
        assert!(!report.contains(&format!("BODY-{round}")), "{report}");
    }
    sender.stop().await;
    for row in rows {
        let (end, line) = &outcomes[&row.domain()];
        if ![&row.ad, &row.builtin].contains(&end) {
            eprintln!("net: not expected: {line}");
        }
    }
    domains.iter().map(|domain| outcomes[domain].0.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_destination_is_met_as_its_policy_says() {
    let Some(space) = Space::enter("net::every_destination_is_met_as_its_policy_says") else { return };
    let mut rows = table::read();
    if space == Space::Loopback {
        rows.retain(|row| !OTHERWISE_ON_LOOPBACK.contains(&row.destination.as_str()));
    }
    let world = World::build(space).await;
    let by_ad = send_all(&world, Trust::Ad, &rows, "ad").await;
    let by_itself = send_all(&world, Trust::Builtin, &rows, "builtin").await;
    let theirs = match space {
        Space::Namespaces => finger::ask(&world, &rows).await,
        Space::Loopback => {
            eprintln!("net: posttls-finger is not asked: the C library's resolver knows no port but 53");
            rows.iter().map(|row| row.finger.clone()).collect()
        }
    };
    let mut found = rows.clone();
    for (at, row) in found.iter_mut().enumerate() {
        row.ad.clone_from(&by_ad[at]);
        row.builtin.clone_from(&by_itself[at]);
        row.finger.clone_from(&theirs[at]);
    }
    assert!(found == rows, "the table should say\n{}", table::write(&found));
    let unexplained: Vec<&Row> = rows.iter().filter(|row| row.agrees() != row.why.is_empty()).collect();
    assert!(
        unexplained.is_empty(),
        "a difference without a reason, or a reason without one:\n{unexplained:#?}"
    );

    // Who took what: the peers' word for it.
    let all = by_ad.iter().map(|end| ("ad", end)).chain(by_itself.iter().map(|end| ("builtin", end)));
    let expected: Vec<(String, bool)> = all
        .zip(rows.iter().chain(&rows))
        .filter(|((_, end), _)| end.starts_with("tls="))
        .map(|((round, end), row)| (format!("{round}-{}", row.domain()), end.as_str() != "tls=none"))
        .collect();
    let taken = world.postfix.wait_for(expected.len()).await;
    assert_eq!(taken.len(), expected.len(), "each once, and nothing else");
    for (mark, tls) in &expected {
        let copies: Vec<_> =
            taken.iter().filter(|mail| mail.contains(&format!("Subject: SUBJECT-{mark}\n"))).collect();
        assert_eq!(copies.len(), 1, "{mark}");
        assert_eq!(copies[0].contains("(using TLSv1.3 with cipher"), *tls, "{mark}: {}", copies[0]);
    }
    // Nobody else was even told of a sender: as many transactions as messages.
    let ended = |lines: &[String]| {
        let all = transactions(lines, |_| true);
        (all >= expected.len()).then(|| (all, transactions(lines, |line| !line.contains(" starttls=1"))))
    };
    let clear = expected.iter().filter(|(_, tls)| !tls).count();
    let found = world.postfix.journal.wait("the end of every session", ended).await;
    assert_eq!(found, (expected.len(), clear));
}

/// How often MAIL was said in the sessions that Postfix saw end, and that are meant.
fn transactions(lines: &[String], meant: impl Fn(&str) -> bool) -> usize {
    let ends = lines.iter().filter(|line| line.contains("disconnect from") && meant(line));
    let mails =
        ends.filter_map(|line| line.split(" mail=").nth(1)?.split([' ', '/']).next()?.parse::<usize>().ok());
    mails.sum()
}
