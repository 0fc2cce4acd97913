//! What an alias sends, and what that causes: under its policy or not at all, and its sender knows at once.

use crate::alias::ALIAS;
use crate::alias::ALICE;
use crate::alias::folder;
use crate::alias::message;
use crate::alias::only_greetings;
use crate::alias::set_level;
use crate::alias::switch;
use crate::harness::House;
use crate::harness::PASSWORD;
use crate::mail_client::field;
use crate::main_job::first_use;
use crate::main_job::link;
use crate::main_job::told_pin;
use crate::patience::until;
use crate::peer::Act;
use crate::peer::Peer;
use crate::peer::Plan;
use crate::peer::StartTls;
use crate::tls_policy::all_tried;
use crate::tls_policy::tlsa;
use guardpost::app::clock::SystemClock;
use guardpost::base::address::Address;
use guardpost::base::address::Domain;
use guardpost::base::dns::Answer;
use guardpost::base::dns::Security;
use guardpost::base::dns::Tlsa;
use guardpost::base::time::Clock;
use guardpost::flow::stored_certificates;
use guardpost::net::dns::Dns;
use guardpost::net::dns::Table;
use guardpost::openpgp::generate::generate;
use guardpost::policy::tls::Stored;
use guardpost::store::record::MailboxRecord;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Senders by the level of their alias.
const SENDERS: [(&str, &str); 3] = [("encrypt", "alice"), ("dane-only", "dora"), ("verify", "vera")];

/// A destination `<name>.example`, its hosts in order, and what becomes of a message of this level's alias.
struct Case {
    level: &'static str,
    name: &'static str,
    hosts: &'static [&'static str],
    tlsa: Option<Answer<Tlsa>>,
    /// The status of the bounce; none is a delivery.
    bounce: Option<&'static str>,
}

struct World {
    peers: Vec<(&'static str, Peer)>,
}

impl World {
    async fn open() -> Self {
        let good = Plan::default().open().await;
        let port = good.address.port();
        let mut peers = vec![("good", good)];
        for (at, (name, start_tls)) in [
            ("plain", StartTls::NotOffered),
            ("refusing", StartTls::Refused),
            ("garbage", StartTls::Garbage),
            ("closing", StartTls::Closes),
        ]
        .into_iter()
        .enumerate()
        {
            let plan = Plan::default().start_tls(start_tls).at(&format!("127.0.0.{}", at + 2), port);
            peers.push((name, plan.open().await));
        }
        Self { peers }
    }

    fn get(&self, name: &str) -> &Peer {
        &self.peers.iter().find(|(known, _)| *known == name).unwrap().1
    }
}

fn cases(good: &[u8]) -> Vec<Case> {
    let secure = |record| Some(Answer::Records(Security::Secure, vec![record]));
    let right = || secure(tlsa(3, 1, 1, good));
    let wrong = || secure(Tlsa { usage: 3, selector: 1, matching: 1, data: vec![7; 32] });
    let unusable = || secure(Tlsa { usage: 1, selector: 1, matching: 1, data: vec![7; 32] });
    let insecure = || Some(Answer::Records(Security::Insecure, vec![tlsa(3, 1, 1, good)]));
    let case = |level, name, hosts, tlsa, bounce| Case { level, name, hosts, tlsa, bounce };
    vec![
        case("encrypt", "e-good", &["good"], None, None),
        case("encrypt", "e-plain", &["plain"], None, Some("5.7.4")),
        case("encrypt", "e-refusing", &["refusing"], None, Some("5.7.5")),
        case("encrypt", "e-garbage", &["garbage"], None, Some("5.7.5")),
        case("encrypt", "e-closing", &["closing"], None, Some("5.7.5")),
        case("encrypt", "e-second", &["plain", "good"], None, None),
        case("encrypt", "e-backup", &["closing", "plain"], None, Some("5.7.")),
        case("encrypt", "e-implicit", &[], None, Some("5.7.4")),
        case("encrypt", "e-mismatch", &["good"], wrong(), Some("5.7.5")),
        case("encrypt", "e-floor", &["plain"], right(), Some("5.7.4")),
        case("dane-only", "d-right", &["good"], right(), None),
        case("dane-only", "d-none", &["good"], None, Some("5.7.4")),
        case("dane-only", "d-unusable", &["good"], unusable(), Some("5.7.4")),
        case("dane-only", "d-insecure", &["good"], insecure(), Some("5.7.4")),
        case("dane-only", "d-wrong", &["good"], wrong(), Some("5.7.5")),
        case("dane-only", "d-plain", &["plain"], right(), Some("5.7.4")),
        case("verify", "v-stored", &["good"], None, None),
        case("verify", "v-nothing", &["good"], right(), Some("5.7.4")),
        case("verify", "v-other", &["good"], None, Some("5.7.5")),
        case("verify", "v-plain", &["plain"], None, Some("5.7.4")),
    ]
}

fn table(world: &World, cases: &[Case]) -> Table {
    let mut table = Table::signed();
    for case in cases {
        let domain = format!("{}.example", case.name);
        if case.hosts.is_empty() {
            table = table.with_addresses(&domain, &[world.get("plain").address.ip()]);
            continue;
        }
        let hosts: Vec<String> =
            case.hosts.iter().map(|host| format!("{host}.{}.mx.example", case.name)).collect();
        let exchanges: Vec<(u16, &str)> = (1..).zip(hosts.iter().map(String::as_str)).collect();
        table = table.with_mx(&domain, &exchanges);
        for (name, host) in case.hosts.iter().zip(&hosts) {
            table = table.with_addresses(host, &[world.get(name).address.ip()]);
            if let Some(answer) = &case.tlsa {
                table = table.with_tlsa_answer(host, answer.clone());
            }
        }
    }
    table
}

/// What came back from a recipient, after so many others from there; alarms about certificates lie in the same INBOX.
async fn bounce(house: &House, account: &str, to: &str, others: usize) -> String {
    let about = format!("your message to {to}");
    until(to, async || {
        let inbox = folder(house, account, "INBOX", 1).await;
        let is_about = |mail: &String| field(mail, "Subject").is_some_and(|line| line.ends_with(&about));
        inbox.into_iter().filter(is_about).nth(others)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_meet_the_level_comes_back_at_once_and_not_an_octet_of_it_left() {
    let mut world = World::open().await;
    let good = world.get("good").certificate.clone();
    let cases = cases(&good);
    let dns: Arc<dyn Dns> = Arc::new(table(&world, &cases));
    let (_, first) = world.peers.remove(0);
    let house = House::with_aliases(first, Some(dns), "").await;
    let other = rcgen::generate_simple_self_signed(["other.example".to_owned()]).unwrap();
    for (domain, der) in [("v-stored", &good), ("v-other", &other.cert.der().to_vec()), ("v-plain", &good)] {
        let domain = Domain::parse(&format!("{domain}.example")).unwrap();
        stored_certificates::add(house.flow(), domain, &Stored::certificate(der).unwrap()).await.unwrap();
    }
    for (level, name) in SENDERS {
        let account = format!("{name}@house.example");
        if name != "alice" {
            house.add_account(&account, PASSWORD).await;
        }
        set_level(&house, &account, level).await;
        switch(&house, &account, true).await;
    }
    let mut delivered = 0;
    for case in &cases {
        let at = SENDERS.iter().position(|(level, _)| *level == case.level).unwrap();
        let account = format!("{}@house.example", SENDERS[at].1);
        let alias = format!("{}@secure.house.example", SENDERS[at].1);
        let to = format!("bob@{}.example", case.name);
        let text = message(&alias, &format!("SUBJECT-{}", case.name), &format!("BODY-{}", case.name));
        let reply = house.submission(&account, PASSWORD).await.send(&alias, &[&to], &text).await;
        assert!(reply.is(250, "2.0.0"), "{to}: {reply:?}");
        let Some(status) = case.bounce else {
            delivered += 1;
            let taken = house.world.wait_for(delivered).await;
            assert!(taken[delivered - 1].tls, "{to}");
            continue;
        };
        let bounce = bounce(&house, &account, &to, 0).await.replace("=\r\n", "");
        let folded = bounce.replace("\r\n", " ");
        for words in [
            "Action: failed",
            &format!("Final-Recipient: rfc822; {to}"),
            &format!("Status: {status}"),
            &format!("TLS policy: {}", case.level),
            "Nothing was sent unencrypted.",
            "from your normal address",
            &format!("SUBJECT-{}", case.name),
        ] {
            assert!(folded.contains(words), "{to}: {words} is not in\n{bounce}");
        }
        assert!(!bounce.contains(&format!("BODY-{}", case.name)), "{bounce}");
        assert_eq!(field(&bounce, "To").as_deref(), Some(alias.as_str()));
    }
    house.queue_is_empty().await;
    for (name, peer) in &world.peers {
        let sessions = peer.sessions();
        assert!(!sessions.is_empty(), "{name} was met");
        for session in sessions {
            assert!(only_greetings(&session), "{name}: {}", String::from_utf8_lossy(&session.plain));
        }
    }
    let octets = String::from_utf8_lossy(&house.world.octets()).into_owned();
    for case in cases.iter().filter(|case| case.bounce.is_some()) {
        assert!(!octets.contains(case.name), "{} was never named to a peer", case.name);
    }
    // The normal address writes to the same server as ever.
    let text = message(ALICE, "plain", "as ever");
    assert_eq!(house.alice_sends().await.send(ALICE, &["bob@e-plain.example"], &text).await.code, 250);
    let taken = world.peers.iter().find(|(name, _)| *name == "plain").unwrap().1.wait_for(1).await;
    assert!(!taken[0].tls && taken[0].mail.starts_with(&format!("<{ALICE}>")));
    // That connection may still be open: it is none for the alias.
    let text = message(ALIAS, "after", "x");
    let reply = house.alice_sends().await.send(ALIAS, &["bob@e-plain.example"], &text).await;
    assert_eq!(reply.code, 250);
    bounce(&house, ALICE, "bob@e-plain.example", 1).await;
    let plain = world.peers.iter().find(|(name, _)| *name == "plain").unwrap();
    assert_eq!(plain.1.taken().len(), 1);
}

/// One sender that is the alias is enough, wherever it stands.
#[tokio::test(flavor = "multi_thread")]
async fn the_stricter_sender_decides() {
    let closed = Plan::default().rule(|asked| match asked.line {
        "greeting" => Act::Close("421 4.3.2 not now".into()),
        _ => Act::Usual,
    });
    let more = "[[outbound.tls_policy]]\ndomain = \"strict.example\"\nlevel = \"verify\"\n";
    let house = House::with_aliases(closed.open().await, None, more).await;
    switch(&house, ALICE, true).await;
    let mut alice = house.alice_sends().await;
    for (envelope, header, policy) in [
        (ALICE, format!("From: {ALICE}"), "opportunistic"),
        (ALIAS, format!("From: {ALIAS}"), "secure encrypt"),
        (ALIAS, format!("From: {ALICE}"), "secure encrypt"),
        (ALICE, format!("From: {ALIAS}"), "secure encrypt"),
        (ALICE, "From: \"Alice\" <Alice@Secure.House.Example>".to_owned(), "secure encrypt"),
        (ALICE, format!("From: {ALICE}, {ALIAS}\r\nSender: {ALICE}"), "secure encrypt"),
        (ALICE, format!("From: {ALICE}\r\nSender: {ALIAS}"), "secure encrypt"),
        (ALICE, format!("From: {ALICE}\r\nResent-From: {ALIAS}"), "secure encrypt"),
        (ALICE, format!("From: {ALICE}\r\nResent-Sender: {ALIAS}"), "secure encrypt"),
        (ALICE, format!("From: {ALICE}\r\nReply-To: {ALIAS}"), "opportunistic"),
        ("", format!("From: {ALIAS}"), "secure encrypt"),
        (ALIAS, "X-None: x".into(), "secure encrypt"),
    ] {
        let before: Vec<_> = ids(&house).await;
        let text = format!("{header}\r\nTo: bob@far.example\r\nSubject: x\r\n\r\nx\r\n");
        let to = ["bob@far.example", "carol@strict.example"];
        let reply = alice.send(envelope, &to, &text).await;
        assert!(reply.is(250, "2.0.0"), "{envelope} {header}: {reply:?}");
        let new: Vec<_> = ids(&house).await.into_iter().filter(|id| !before.contains(id)).collect();
        assert_eq!(new.len(), 1);
        let record = house.flow().store.queued(new[0]).await.unwrap().unwrap();
        assert_eq!(record.tls_policy, policy, "{envelope} {header}");
        let sent = house.alice_reads().await.messages("Sent").await;
        let level = policy.replace("secure ", "");
        let copy = sent.last().unwrap();
        assert!(copy.contains(&format!("bob@far.example; plain, tls-policy={level}\r\n")), "{copy}");
        assert!(copy.contains("carol@strict.example; plain, tls-policy=verify\r\n"), "{copy}");
    }
    let others = format!("From: {ALICE}\r\nResent-From: carol@secure.house.example\r\n\r\nx\r\n");
    let reply = alice.send(ALICE, &["bob@far.example"], &others).await;
    assert!(reply.is(553, "5.7.1"), "somebody else's alias: {reply:?}");
}

async fn ids(house: &House) -> Vec<guardpost::base::id::QueueId> {
    house.flow().store.queue(None, 100).await.unwrap().iter().map(|record| record.id).collect()
}

/// A peer that says whether it offers TLS when it is asked.
async fn changing() -> (Peer, Arc<AtomicBool>) {
    let bare = Arc::new(AtomicBool::new(false));
    let says = Arc::clone(&bare);
    let plan = Plan::default().rule(move |asked| {
        if asked.line.starts_with("EHLO") && says.load(Ordering::SeqCst) {
            return Act::Say("250-peer.example\r\n250 8BITMIME".into());
        }
        // Each message comes over a connection of its own.
        if asked.line == "end of data" {
            return Act::Close("250 2.0.0 taken".into());
        }
        Act::Usual
    });
    (plan.open().await, bare)
}

async fn mailbox(house: &House, address: &str) -> Arc<MailboxRecord> {
    let id = house.flow().store.mailbox_of(&Address::parse(address).unwrap().key()).await.unwrap().unwrap();
    house.flow().store.mailbox(id).await.unwrap().unwrap()
}

fn policy_of(record: &MailboxRecord) -> Option<&str> {
    record.notices.as_ref()?.tls_policy.as_deref()
}

/// Everything that this peer heard without TLS.
fn in_clear(peer: &Peer) -> String {
    let octets: Vec<u8> = peer.sessions().into_iter().flat_map(|session| session.plain).collect();
    String::from_utf8_lossy(&octets).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_goes_under_the_policy_of_the_alias_that_causes_it() {
    let (peer, bare) = changing().await;
    bare.store(true, Ordering::SeqCst);
    let house = House::with_aliases(peer, None, "").await;
    switch(&house, ALICE, true).await;
    let mut alice = house.alice_sends().await;
    let text = message(ALIAS, "[secure] Offer", "Dear Bob");
    assert_eq!(alice.send(ALIAS, &["bob@far.example"], &text).await.code, 250);
    let sent = folder(&house, ALICE, "Sent", 1).await;
    assert!(sent[0].contains("bob@far.example; temporary-mailbox, tls-policy=encrypt\r\n"), "{}", sent[0]);
    // The note with the PIN, and the one that the invitation did not go out.
    let inbox = folder(&house, ALICE, "INBOX", 2).await;
    let note = inbox.iter().find(|mail| mail.contains("was not delivered")).expect("a note");
    let words = note.replace("=\r\n", "").replace("\r\n", " ");
    for said in [
        "TLS policy: encrypt",
        "Nothing was sent unencrypted",
        &format!("normal address {ALICE}"),
        "[secure]",
    ] {
        assert!(words.contains(said), "{said} is not in\n{note}");
    }
    assert!(
        house.world.taken().is_empty() && !in_clear(&house.world).contains("MAIL"),
        "{}",
        in_clear(&house.world)
    );
    assert_eq!(policy_of(&*mailbox(&house, "bob@far.example").await), Some("secure encrypt"));

    // From the normal address the link goes by ordinary mail, as the note says.
    let text = message(ALICE, "[secure] Offer", "Dear Bob");
    assert_eq!(alice.send(ALICE, &["bob@far.example"], &text).await.code, 250);
    let invitation = house.world.wait_for(1).await.remove(0);
    assert!(!invitation.tls && invitation.mail.starts_with("<secure-mail+"), "{}", invitation.mail);
    assert_eq!(policy_of(&*mailbox(&house, "bob@far.example").await), None);
    let pin = told_pin(&house).await;
    let mut browser = house.browser();
    first_use(&mut browser, &link(&invitation), &pin).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_alias_caused_is_told_under_its_policy_whatever_becomes_of_it() {
    let (peer, bare) = changing().await;
    let house = House::with_aliases(peer, None, "").await;
    switch(&house, ALICE, true).await;
    let mut alice = house.alice_sends().await;
    let text = message(ALIAS, "[secure] Offer", "Dear Bob");
    assert_eq!(alice.send(ALIAS, &["bob@far.example"], &text).await.code, 250);
    let invitation = house.world.wait_for(1).await.remove(0);
    assert!(invitation.tls && invitation.mail.contains("@house.example>"), "of the main domain");
    let letter = String::from_utf8_lossy(&invitation.text).into_owned();
    assert!(letter.contains(&format!("Secure message from {ALIAS}")), "{letter}");
    let pin = told_pin(&house).await;
    let mut browser = house.browser();
    first_use(&mut browser, &link(&invitation), &pin).await;

    // The answer goes to the address that wrote.
    let form = browser.get("/mailbox/inbox/1/reply").await.form("/mailbox/inbox/1/reply").unwrap();
    let subject = form.iter().find(|(name, _)| name == "subject").unwrap().1.clone();
    let fields = [("to", "sender"), ("subject", subject.as_str()), ("body", "Yes")];
    let before = house.alice_reads().await.select("INBOX").await as usize;
    assert!(browser.post("/mailbox/inbox/1/reply", &fields).await.location().starts_with("/mailbox"));
    let answer = folder(&house, ALICE, "INBOX", before + 1).await.pop().unwrap();
    assert_eq!(field(&answer, "Delivered-To").as_deref(), Some(ALIAS));
    assert_eq!(field(&answer, "To").as_deref(), Some(ALIAS));

    // A notice goes at once, the next one waits and keeps its policy.
    assert_eq!(
        alice.send(ALIAS, &["bob@far.example"], &message(ALIAS, "[secure] second", "x")).await.code,
        250
    );
    house.world.wait_for(2).await;
    assert_eq!(
        alice.send(ALIAS, &["bob@far.example"], &message(ALIAS, "[secure] third", "x")).await.code,
        250
    );
    assert_eq!(
        alice.send(ALICE, &["bob@far.example"], &message(ALICE, "[secure] fourth", "x")).await.code,
        250
    );
    switch(&house, ALICE, false).await;
    bare.store(true, Ordering::SeqCst);
    let clear = in_clear(&house.world).len();
    // Nor does a test message, which Bob asks for in the mailbox that the alias made.
    let tried = browser.post("/mailbox/key/direct", &[("key", "mailbox")]).await;
    assert_eq!(tried.location(), "/mailbox/key");
    let before = house.alice_reads().await.select("INBOX").await as usize;
    house.clock.pass(11 * MINUTE);
    house.flow().notices.ring();
    let inbox = folder(&house, ALICE, "INBOX", before + 1).await;
    let note = inbox.last().unwrap().replace("=\r\n", "").replace("\r\n", " ");
    assert!(note.contains("TLS policy: encrypt"), "{note}");
    // What our own policy held back is no sign that the address takes no notices.
    assert_eq!(mailbox(&house, "bob@far.example").await.notices.as_ref().unwrap().returned, 0);

    // The warnings before the end: not one of them in clear.
    house.pass(77 * DAY).await;
    house.pass(10 * DAY).await;
    all_tried(&house).await;
    let heard = in_clear(&house.world)[clear..].to_owned();
    assert!(heard.contains("EHLO") && !heard.contains("MAIL"), "{heard}");
    assert_eq!(house.world.taken().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_queued_keeps_its_policy() {
    let (peer, bare) = changing().await;
    let address = peer.address.ip();
    let certificate = peer.certificate.clone();
    let table = Table::signed()
        .with_mx("far.example", &[(1, "mx.far.example")])
        .with_addresses("mx.far.example", &[address])
        .with_tlsa("mx.far.example", &[tlsa(3, 1, 1, &certificate)])
        .with_mx("late.example", &[(1, "mx.late.example")])
        .with_addresses_answer("mx.late.example", Answer::Error("SERVFAIL".into()));
    let house = House::with_aliases(peer, Some(Arc::new(table)), "").await;
    switch(&house, ALICE, true).await;
    set_level(&house, ALICE, "dane-only").await;
    let mut alice = house.alice_sends().await;
    assert_eq!(alice.send(ALIAS, &["bob@late.example"], &message(ALIAS, "late", "x")).await.code, 250);
    let id = ids(&house).await[0];
    set_level(&house, ALICE, "encrypt").await;
    let policy = async || house.flow().store.queued(id).await.unwrap().unwrap().tls_policy.clone();
    assert_eq!(policy().await, "secure dane-only");
    switch(&house, ALICE, false).await;
    assert_eq!(policy().await, "secure dane-only");
    // Where DNS cannot be read it waits; after five minutes its sender is told, after half an hour it comes back.
    all_tried(&house).await;
    house.clock.pass(6 * MINUTE);
    house.flow().queue_bell.notify_one();
    let inbox = folder(&house, ALICE, "INBOX", 1).await;
    let delay = inbox[0].replace("=\r\n", "").replace("\r\n", " ");
    for words in ["Action: delayed", "TLS policy: dane-only", "Nothing was sent unencrypted."] {
        assert!(delay.contains(words), "{words} is not in\n{}", inbox[0]);
    }
    house.queue_rests().await;
    house.clock.pass(30 * MINUTE);
    house.flow().queue_bell.notify_one();
    let inbox = folder(&house, ALICE, "INBOX", 2).await;
    let bounce = inbox[1].replace("=\r\n", "").replace("\r\n", " ");
    for words in ["Action: failed", "TLS policy: dane-only", "Nothing was sent unencrypted."] {
        assert!(bounce.contains(words), "{words} is not in\n{}", inbox[1]);
    }
    assert!(house.world.sessions().is_empty(), "nobody was met");

    // A message of an alias that is off by now finds a server without TLS: it comes back.
    bare.store(true, Ordering::SeqCst);
    switch(&house, ALICE, true).await;
    assert_eq!(alice.send(ALIAS, &["bob@far.example"], &message(ALIAS, "off", "x")).await.code, 250);
    switch(&house, ALICE, false).await;
    let inbox = folder(&house, ALICE, "INBOX", 3).await;
    assert!(inbox[2].contains("Status: 5.7.4"), "{}", inbox[2]);
    assert!(house.world.taken().is_empty() && !in_clear(&house.world).contains("MAIL"));
}

/// Neither taking its domain out of guard.toml nor switching it off sets free what an alias has sent: it waits and goes
/// under its policy, or comes back to its sender.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_queued_outlives_the_domain_of_its_alias() {
    let shut = Arc::new(AtomicBool::new(true));
    let closed = Arc::clone(&shut);
    let bare = |asked: &crate::peer::Asked<'_>| match asked.line.starts_with("EHLO") {
        true => Act::Say("250-peer.example\r\n250 8BITMIME".into()),
        false => Act::Usual,
    };
    let plan = Plan::default().rule(move |asked| match asked.line {
        "greeting" if closed.load(Ordering::SeqCst) => Act::Close("421 4.3.2 not now".into()),
        _ => bare(asked),
    });
    let mut house = House::with_aliases(plan.open().await, None, "").await;
    switch(&house, ALICE, true).await;
    let mut alice = house.alice_sends().await;
    assert_eq!(alice.send(ALIAS, &["bob@far.example"], &message(ALIAS, "late", "x")).await.code, 250);
    let id = ids(&house).await[0];
    all_tried(&house).await;
    house.stop().await;
    house.aliases = false;
    house.start().await;
    let record = house.flow().store.queued(id).await.unwrap().unwrap();
    assert_eq!(record.tls_policy, "secure encrypt");
    switch(&house, ALICE, false).await;
    shut.store(false, Ordering::SeqCst);
    house.clock.pass(2 * MINUTE);
    house.flow().queue_bell.notify_one();
    let inbox = folder(&house, ALICE, "INBOX", 1).await;
    let bounce = inbox[0].replace("=\r\n", "").replace("\r\n", " ");
    for words in
        ["Status: 5.7.4", "TLS policy: encrypt", "Nothing was sent unencrypted.", &format!("To: {ALIAS}")]
    {
        assert!(bounce.contains(words), "{words} is not in\n{}", inbox[0]);
    }
    assert!(house.world.taken().is_empty() && !in_clear(&house.world).contains("MAIL"));
}

/// OpenPGP inside TLS: both were asked for, so both are there or nothing goes.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_to_a_key_on_file_is_openpgp_inside_tls() {
    let (peer, bare) = changing().await;
    let house = House::with_aliases(peer, None, "").await;
    switch(&house, ALICE, true).await;
    let dora = Address::parse("dora@far.example").unwrap();
    let made = generate(&dora, SystemClock.now()).unwrap();
    house.flow().import_certificate(made.certificate.clone()).await.unwrap();
    let mut alice = house.alice_sends().await;
    let text = message(ALIAS, "[secure] offer", "Sandpiper-3377");
    assert_eq!(alice.send(ALIAS, &["dora@far.example"], &text).await.code, 250);
    let taken = house.world.wait_for(1).await;
    let sealed = String::from_utf8_lossy(&taken[0].text).into_owned();
    assert!(
        taken[0].tls && sealed.contains("BEGIN PGP MESSAGE") && !sealed.contains("Sandpiper"),
        "{sealed}"
    );
    let sent = folder(&house, ALICE, "Sent", 1).await;
    assert!(sent[0].contains("dora@far.example; pgp, tls-policy=encrypt\r\n"), "{}", sent[0]);
    bare.store(true, Ordering::SeqCst);
    let again = message(ALIAS, "[secure] offer", "once more");
    assert_eq!(alice.send(ALIAS, &["dora@far.example"], &again).await.code, 250);
    let inbox = folder(&house, ALICE, "INBOX", 1).await;
    assert!(inbox[0].contains("Status: 5.7.4"), "{}", inbox[0]);
    assert!(!in_clear(&house.world).contains("MAIL"), "ciphertext neither");
}
