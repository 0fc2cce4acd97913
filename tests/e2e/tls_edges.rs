//! TLS at its edges: versions that are too old, handshakes that never end, hosts that have IPv6 only, and what is said
//! of certificates that were stored.

use crate::alias::ALIAS;
use crate::alias::ALICE;
use crate::alias::folder;
use crate::alias::message;
use crate::alias::only_greetings;
use crate::alias::switch;
use crate::harness::House;
use crate::harness::PASSWORD;
use crate::mail_client::Smtp;
use crate::patience::until;
use crate::patience::until_within;
use crate::peer::Peer;
use crate::peer::Plan;
use crate::peer::StartTls;
use crate::tls_policy::TRY;
use crate::tls_policy::all_tried;
use crate::tls_policy::tlsa;
use crate::tls_policy::waiting;
use guardpost::base::address::Domain;
use guardpost::base::dns::Tlsa;
use guardpost::flow::stored_certificates;
use guardpost::net::dns::Dns;
use guardpost::net::dns::Table;
use guardpost::net::listen::Service;
use guardpost::policy::tls::Stored;
use guardpost::serve::control::request::Request;
use serde_json::Value;
use std::fmt::Write;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// What `openssl s_client` says that offers this version and no other.
async fn openssl(house: &House, service: Service, version: &str) -> (bool, String) {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &format!("127.0.0.1:{}", house.port(service)), version]);
    // Its own default would not even offer the old ones.
    command.args(["-cipher", "ALL:@SECLEVEL=0", "-brief"]);
    if matches!(service, Service::Smtp | Service::Submission) {
        command.args(["-starttls", "smtp"]);
    }
    let said =
        tokio::task::spawn_blocking(move || command.stdin(Stdio::null()).output().unwrap()).await.unwrap();
    (said.status.success(), String::from_utf8_lossy(&said.stderr).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_knows_no_more_than_tls_1_1_is_refused_at_every_door() {
    let house = House::with_aliases(Plan::default().open().await, None, "").await;
    switch(&house, ALICE, true).await;
    for service in [Service::Smtp, Service::Submission, Service::Submissions, Service::Imaps, Service::Https]
    {
        for old in ["-tls1", "-tls1_1"] {
            let (done, said) = openssl(&house, service, old).await;
            assert!(!done && said.contains("SSL alert number"), "{service:?} {old}: {said}");
        }
        let (done, said) = openssl(&house, service, "-tls1_2").await;
        assert!(done && said.contains("Protocol version: TLSv1.2"), "{service:?}: {said}");
    }
    // The connection of a handshake that failed is over: nothing said on it counts, in clear least of all.
    let mut smtp = Smtp::connect(house.port(Service::Smtp), false).await;
    assert_eq!(smtp.ask("STARTTLS").await.code, 220);
    // A ClientHello of TLS 1.1 and nothing newer, with one cipher suite; then a transaction, in clear.
    let mut hello = vec![0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0, 0x2f, 1, 0]);
    smtp.put(&hello).await;
    smtp.put(format!("MAIL FROM:<bob@far.example>\r\nRCPT TO:<{ALIAS}>\r\nDATA\r\n").as_bytes()).await;
    assert!(smtp.ends_without_a_word().await, "an alert at most");
    // Everybody else is served as ever.
    let mut smtp = Smtp::connect(house.port(Service::Smtp), false).await;
    let reply = smtp.send("bob@far.example", &[ALIAS], &message("bob@far.example", "clear", "x")).await;
    assert!(reply.is(550, "5.7.1"), "{reply:?}");
    smtp.start_tls().await;
    let reply = smtp.send("bob@far.example", &[ALIAS], &message("bob@far.example", "inside", "x")).await;
    assert!(reply.is(250, "2.0.0"), "{reply:?}");
    assert_eq!(folder(&house, ALICE, "INBOX", 1).await.len(), 1);
}

/// Row 27 is like it: what could not be decided waits, its sender hears of it after five minutes, and after half an
/// hour it comes back; not an octet of it in clear meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_hangs_keeps_an_alias_s_message_and_says_so() {
    let peer = Plan::default().start_tls(StartTls::Hangs).open().await;
    let house = House::with_aliases(peer, None, "").await;
    switch(&house, ALICE, true).await;
    let mut alice = house.alice_sends().await;
    let text = message(ALIAS, "Curlew-7714", "BODY-hangs");
    assert_eq!(alice.send(ALIAS, &["bob@far.example"], &text).await.code, 250);
    all_tried(&house).await;
    let why = waiting(&house, "far").await.expect("it waits");
    assert!(why.starts_with("4.7.5 "), "{why}");
    assert!(house.alice_reads().await.messages("INBOX").await.is_empty(), "it may still be decided");
    house.clock.pass(6 * MINUTE);
    house.flow().queue_bell.notify_one();
    for (count, action, more) in
        [(1, "delayed", "It is tried again until"), (2, "failed", "It is not tried again.")]
    {
        let inbox = folder_in_time(&house, count).await;
        let report = inbox.last().unwrap().replace("=\r\n", "").replace("\r\n", " ");
        for words in [
            &format!("Action: {action}"),
            "TLS policy: encrypt",
            "No encrypted connection to",
            "Nothing was sent unencrypted.",
            more,
        ] {
            assert!(report.contains(words), "{words} is not in\n{report}");
        }
        assert!(!report.contains("BODY-hangs"), "{report}");
        // What is told after a while may come before the end of a try; one that ends later is made again later.
        house.queue_rests().await;
        house.clock.pass(30 * MINUTE);
        house.flow().queue_bell.notify_one();
    }
    let sessions = house.world.sessions();
    assert!(sessions.len() >= 3 && sessions.iter().all(only_greetings), "{sessions:?}");
}

/// Alice's INBOX when it holds `count` mails, however long a try at a peer takes that hangs.
async fn folder_in_time(house: &House, count: usize) -> Vec<String> {
    let mut imap = house.alice_reads().await;
    let come = async || Some(imap.messages("INBOX").await).filter(|messages| messages.len() >= count);
    until_within(TRY, "a report", come).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_has_ipv6_only_is_judged_like_any_other() {
    let world = Plan::default().open().await;
    let port = world.address.port();
    let good = Plan::default().at("::1", port).open().await;
    let record = tlsa(3, 1, 1, &good.certificate);
    let wrong = Tlsa { usage: 3, selector: 1, matching: 1, data: vec![7; 32] };
    let six = good.address.ip();
    let mut table = Table::signed();
    let mut more = String::new();
    for (name, level, records) in [
        ("dane", "dane-only", vec![record.clone()]),
        ("mismatch", "dane-only", vec![wrong]),
        ("none", "dane-only", Vec::new()),
        ("stored", "verify", Vec::new()),
        ("alias", "opportunistic", vec![record]),
    ] {
        let host = format!("{name}.mx.example");
        table = table.with_mx(&format!("{name}.example"), &[(10, &host)]).with_addresses(&host, &[six]);
        if !records.is_empty() {
            table = table.with_tlsa(&host, &records);
        }
        let _ = write!(more, "[[outbound.tls_policy]]\ndomain = \"{name}.example\"\nlevel = \"{level}\"\n");
    }
    let house = House::with_aliases(world, Some(Arc::new(table) as Arc<dyn Dns>), &more).await;
    switch(&house, ALICE, true).await;
    let stored = Stored::certificate(&good.certificate).unwrap();
    stored_certificates::add(house.flow(), Domain::parse("stored.example").unwrap(), &stored).await.unwrap();
    let mut alice = house.alice_sends().await;
    for name in ["dane", "mismatch", "none", "stored", "alias"] {
        let from = if name == "alias" { ALIAS } else { ALICE };
        let text = message(from, name, &format!("BODY-{name}"));
        assert_eq!(alice.send(from, &[&format!("bob@{name}.example")], &text).await.code, 250, "{name}");
    }
    good.wait_for(3).await;
    all_tried(&house).await;
    let mut taken: Vec<String> = good.taken().into_iter().flat_map(|taken| taken.rcpts).collect();
    taken.sort();
    assert_eq!(taken, ["<bob@alias.example>", "<bob@dane.example>", "<bob@stored.example>"]);
    assert!(good.taken().iter().all(|taken| taken.tls));
    assert!(waiting(&house, "mismatch").await.unwrap().starts_with("4.7.5 "));
    let inbox = folder(&house, ALICE, "INBOX", 1).await;
    assert!(inbox[0].contains("bob@none.example") && inbox[0].contains("Status: 5.7.4"), "{}", inbox[0]);
    let octets = String::from_utf8_lossy(&good.octets()).into_owned();
    assert!(!octets.contains("mismatch.example") && !octets.contains("none.example"), "{octets}");
    assert!(house.world.sessions().is_empty(), "nobody went by IPv4");
}

/// Of several hosts' trouble the sender is told what the policy kept back, wherever that host stands in the list.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_policy_kept_back_is_told_whatever_else_is_wrong() {
    let bare = Plan::default().start_tls(StartTls::NotOffered).open().await;
    let table = Table::signed()
        .with_mx("one.example", &[(10, "bare.mx.example"), (20, "nowhere.mx.example")])
        .with_mx("two.example", &[(10, "nowhere.mx.example"), (20, "bare.mx.example")])
        .with_addresses("bare.mx.example", &[bare.address.ip()]);
    let house = House::with_aliases(bare, Some(Arc::new(table) as Arc<dyn Dns>), "").await;
    switch(&house, ALICE, true).await;
    for (count, name) in [(1, "one"), (2, "two")] {
        let to = format!("bob@{name}.example");
        let reply = house.alice_sends().await.send(ALIAS, &[&to], &message(ALIAS, name, "x")).await;
        assert_eq!(reply.code, 250);
        let inbox = folder(&house, ALICE, "INBOX", count).await;
        let bounce = inbox.last().unwrap().replace("=\r\n", "").replace("\r\n", " ");
        for words in ["Status: 5.7.4", "TLS policy: encrypt", "bare.mx.example offers no encryption."] {
            assert!(bounce.contains(words), "{words} is not in\n{bounce}");
        }
        let asked = Request::Recipient { address: to, from: Some(ALIAS.into()) };
        let answer = house.control(&asked).await.unwrap();
        assert_eq!(crate::recipient::verdict(&answer, "encrypt"), "bounce 5.7.4");
    }
}

/// The findings of `check` about stored certificates.
async fn findings(house: &House) -> Vec<(String, String)> {
    std::fs::write(house.at("guard.toml"), house.configuration(house.port(Service::Https))).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_guardpost"));
    command.env_clear().arg("--config").arg(house.at("guard.toml")).args(["check", "--json"]);
    let said =
        tokio::task::spawn_blocking(move || command.stdin(Stdio::null()).output().unwrap()).await.unwrap();
    let all: Vec<Value> = serde_json::from_slice(&said.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&said.stderr)));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let about = all.iter().filter(|finding| finding["about"] == "stored certificates");
    about.map(|finding| (text(&finding["level"]), text(&finding["finding"]))).collect()
}

/// Waits until it is on record that a host of `v.example` showed this.
async fn seen(house: &House, fingerprint: &str) {
    until("what was shown is noted", async || {
        let list = house.control(&Request::CertificateList {}).await.unwrap();
        (list[0]["last_seen_fingerprint"] == fingerprint).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_says_what_is_stored_what_was_seen_and_when_it_ends() {
    let first = Peer::good().await;
    let later = Plan::default().at("127.0.0.2", first.address.port()).open().await;
    let other = Plan::default().at("127.0.0.3", first.address.port()).open().await;
    let mut more = String::from("[dns]\ntrust = \"none\"\n");
    let mut table = Table::signed();
    for (name, peer) in [("v", &first), ("w", &later), ("x", &other)] {
        let (domain, host) = (format!("{name}.example"), format!("mx.{name}.example"));
        table = table.with_mx(&domain, &[(10, &host)]).with_addresses(&host, &[peer.address.ip()]);
        let _ = write!(more, "[[outbound.tls_policy]]\ndomain = \"{domain}\"\nlevel = \"verify\"\n");
    }
    let stored = [&first, &later].map(|peer| Stored::certificate(&peer.certificate).unwrap());
    let shown = Stored::certificate(&other.certificate).unwrap().fingerprint();
    let house = House::among(first, Some(Arc::new(table) as Arc<dyn Dns>), &more).await;
    house.add_account(ALICE, PASSWORD).await;
    for name in ["v", "w", "x"] {
        for stored in &stored {
            let domain = Domain::parse(&format!("{name}.example")).unwrap();
            stored_certificates::add(house.flow(), domain, stored).await.unwrap();
        }
    }
    let unseen = findings(&house).await;
    assert_eq!(unseen.len(), 9, "{unseen:#?}");
    assert!(unseen.iter().all(|(level, _)| level == "ok"), "{unseen:#?}");
    let says = |findings: &[(String, String)], level: &str, words: &str| {
        findings.iter().any(|(known, finding)| known == level && finding.starts_with(words))
    };
    for stored in &stored {
        let (fingerprint, ends) = (stored.fingerprint(), stored.ends().unwrap());
        let words = format!("v.example: the certificate {fingerprint} ends on {ends}");
        assert!(says(&unseen, "ok", &words), "{words} is not in {unseen:#?}");
    }
    assert!(
        says(&unseen, "ok", "v.example: no mail that had to be compared has met it so far"),
        "{unseen:#?}"
    );
    let mut alice = house.alice_sends().await;
    for name in ["x", "w", "v"] {
        let text = message(ALICE, name, "x");
        assert_eq!(alice.send(ALICE, &[&format!("bob@{name}.example")], &text).await.code, 250);
    }
    all_tried(&house).await;
    seen(&house, &stored[0].fingerprint()).await;
    // What is noted comes one after the other, or together.
    let all = until("all of it is noted", async || {
        let all = findings(&house).await;
        all.iter().all(|(_, finding)| !finding.contains("so far")).then_some(all)
    })
    .await;
    for (level, words) in [
        ("ok", format!("v.example: mx.v.example showed the certificate {} on ", stored[0].fingerprint())),
        (
            "warning",
            format!("w.example: mx.w.example showed the certificate {} on ", stored[1].fingerprint()),
        ),
        ("warning", format!("x.example: mx.x.example showed the certificate {shown} on ")),
    ] {
        assert!(says(&all, level, &words), "{level} {words} is not in {all:#?}");
    }
    assert!(
        all.iter().any(|(_, finding)| finding.contains("the later of the two that are stored")),
        "{all:#?}"
    );
    assert!(all.iter().any(|(_, finding)| finding.contains("which is not what is stored")), "{all:#?}");
}
