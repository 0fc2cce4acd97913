//! What would happen to a message, asked before it is sent: encryption, hosts, and the verdict of each level.

use crate::alias::ALIAS;
use crate::alias::ALICE;
use crate::alias::switch;
use crate::harness::HOST;
use crate::harness::House;
use crate::harness::LOOPBACK;
use crate::harness::PASSWORD;
use crate::main_job::letter;
use crate::patience::until;
use crate::peer::Act;
use crate::peer::Peer;
use crate::peer::Plan;
use crate::peer::StartTls;
use crate::tls_policy::tlsa;
use guardpost::app::clock::SystemClock;
use guardpost::base::address::Address;
use guardpost::base::time::Clock;
use guardpost::flow::delivery::Courier;
use guardpost::net::dns::Dns;
use guardpost::net::dns::Table;
use guardpost::net::listen::Service;
use guardpost::openpgp::generate::generate;
use guardpost::serve::control::TroubleKind;
use guardpost::serve::control::dispatch::Dispatcher;
use guardpost::serve::control::request::Request;
use guardpost::serve::control::socket::Answering;
use serde_json::Value;
use serde_json::json;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;

/// What the appliance says of a message to `address`.
pub async fn ask(house: &House, address: &str, from: Option<&str>) -> Value {
    let request = Request::Recipient { address: address.into(), from: from.map(str::to_owned) };
    house.control(&request).await.unwrap_or_else(|trouble| panic!("{address}: {trouble}"))
}

/// The same once it knows all that there is to know: it goes on looking when it has answered.
pub async fn ask_on(house: &House, address: &str) -> Value {
    ask_on_from(house, address, None).await
}

async fn ask_on_from(house: &House, address: &str, from: Option<&str>) -> Value {
    until(address, async || Some(ask(house, address, from).await).filter(|said| said["complete"] == true))
        .await
}

/// `deliver tls=dane`, `bounce 5.7.4`, …
pub fn verdict(answer: &Value, level: &str) -> String {
    let levels = answer["levels"].as_array().unwrap();
    let one = levels.iter().find(|one| one["level"] == level).unwrap_or_else(|| panic!("{level}: {answer}"));
    let said = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
    format!("{} {}{}", said("verdict"), said("proof"), said("status"))
}

/// No envelope was begun at this peer.
fn only_greeted(peer: &Peer) {
    let octets = String::from_utf8_lossy(&peer.octets()).into_owned();
    assert!(octets.contains("EHLO") && !octets.contains("MAIL") && !octets.contains("RCPT"), "{octets}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_and_verdicts_are_shown_and_nothing_is_sent() {
    let good = Peer::good().await;
    let port = good.address.port();
    let plain = Plan::default().start_tls(StartTls::NotOffered).at("127.0.0.2", port).open().await;
    let table = Table::signed()
        .with_mx("dane.example", &[(10, "mx.dane.example")])
        .with_addresses("mx.dane.example", &[good.address.ip()])
        .with_tlsa("mx.dane.example", &[tlsa(3, 1, 1, &good.certificate)])
        .with_mx("tls.example", &[(10, "plain.mx.example"), (20, "good.mx.example")])
        .with_mx("plain.example", &[(10, "plain.mx.example")])
        .with_addresses("plain.mx.example", &[plain.address.ip()])
        .with_addresses("good.mx.example", &[good.address.ip()])
        .with_mx("nobody.example", &[(10, "nobody.mx.example"), (20, "nowhere.mx.example")])
        .with_addresses("nobody.mx.example", &["127.0.0.99".parse().unwrap()])
        .with_mx("null.example", &[(0, ".")]);
    let more = "[[outbound.tls_policy]]\ndomain = \"plain.example\"\nlevel = \"encrypt\"\n";
    let house = House::among(good, Some(Arc::new(table) as Arc<dyn Dns>), more).await;
    house.add_account("alice@house.example", PASSWORD).await;

    let dane = ask_on(&house, "bob@dane.example").await;
    assert_eq!((&dane["transport"], &dane["complete"]), (&json!("DANE ok"), &json!(true)));
    assert_eq!(dane["from"], "postmaster@house.example");
    let host = &dane["hosts"][0];
    assert_eq!(
        [
            &host["host"],
            &host["dnssec"],
            &host["tlsa"],
            &host["mta_sts"],
            &host["starttls"],
            &host["version"]
        ],
        ["mx.dane.example", "secure", "usable", "none", "works", "TLSv1.3"]
    );
    for (level, want) in [
        ("opportunistic", "deliver tls=dane"),
        ("encrypt", "deliver tls=dane"),
        ("dane-only", "deliver tls=dane"),
        ("verify", "bounce 5.7.4"),
    ] {
        assert_eq!(verdict(&dane, level), want, "{level}");
    }
    // The first host takes mail in clear, so that is what happens; who asks for more gets the second one.
    let tls = ask_on(&house, "bob@tls.example").await;
    assert_eq!((&tls["transport"], &tls["tls_policy"]), (&json!("no TLS"), &json!("opportunistic")));
    assert_eq!(verdict(&tls, "encrypt"), "deliver tls=unauthenticated");
    assert_eq!(verdict(&tls, "dane-only"), "bounce 5.7.4");
    let plain_one = ask_on(&house, "bob@plain.example").await;
    assert_eq!((&plain_one["transport"], &plain_one["tls_policy"]), (&json!("no TLS"), &json!("encrypt")));
    assert_eq!(verdict(&plain_one, "encrypt"), "bounce 5.7.4");
    assert_eq!(plain_one["hosts"][0]["starttls"], "not-offered");
    let nobody = ask_on(&house, "bob@nobody.example").await;
    assert_eq!((&nobody["transport"], &nobody["complete"]), (&json!("unknown"), &json!(true)));
    assert_eq!(verdict(&nobody, "opportunistic"), "defer 4.4.1");
    assert!(nobody["hosts"][1]["reason"].as_str().unwrap().contains("has no address"), "{nobody}");
    for (domain, status) in [("null.example", "5.1.10"), ("nothing.example", "5.1.2")] {
        let answer = ask_on(&house, &format!("bob@{domain}")).await;
        assert_eq!(verdict(&answer, "opportunistic"), format!("bounce {status}"));
        assert_eq!(answer["hosts"], json!([]));
    }
    only_greeted(&house.world);
    only_greeted(&plain);

    // What was found a moment ago is not looked for again, whoever at that domain is asked about.
    let before = house.world.sessions().len();
    assert_eq!(ask(&house, "carol@dane.example", None).await["transport"], "DANE ok");
    assert_eq!(house.world.sessions().len(), before);

    std::fs::write(house.at("guard.toml"), house.configuration(house.port(Service::Https))).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_guardpost"));
    command.env_clear().stdin(Stdio::null()).arg("--config").arg(house.at("guard.toml"));
    command.args(["recipient", "bob@dane.example", "--from", "alice@house.example"]);
    let said = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let words = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.status.success(), "{words}{}", String::from_utf8_lossy(&said.stderr));
    for part in ["marked:", "temporary-mailbox", "DANE ok", "mx.dane.example", "dane-only", "tls=dane"] {
        assert!(words.contains(part), "{part} is not in\n{words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_decision_is_that_of_a_submission() {
    let rules =
        "[[encryption.rule]]\nfrom = \"alice@house.example\"\nto = \"closed.example\"\naction = \"refuse\"\n";
    let house = House::with(Plan::default(), rules).await;
    let dora = Address::parse("dora@far.example").unwrap();
    let made = generate(&dora, SystemClock.now()).unwrap();
    house.flow().import_certificate(made.certificate.clone()).await.unwrap();
    let alice = Some("alice@house.example");
    for (address, from, marked, unmarked) in [
        ("dora@far.example", alice, "pgp", "plain"),
        ("bob@far.example", alice, "temporary-mailbox", "plain"),
        ("alice@house.example", None, "local", "local"),
        ("postmaster@house.example", None, "local", "local"),
        ("nobody@house.example", None, "refused", "refused"),
        ("bob@closed.example", alice, "refused", "refused"),
        ("bob@closed.example", None, "temporary-mailbox", "plain"),
    ] {
        let answer = ask(&house, address, from).await;
        assert_eq!((&answer["marked"], &answer["unmarked"]), (&json!(marked), &json!(unmarked)), "{address}");
        assert_eq!(answer["reason"].is_string(), marked == "refused", "{answer}");
        let local = address.ends_with("@house.example");
        assert_eq!(answer["transport"].is_null(), local, "{answer}");
    }
    assert!(house.flow().all_certificates().await.unwrap().len() == 1, "asking makes nothing");
    let message = letter("[secure] Offer", "text", "");
    let reply = house.alice_sends().await.send("alice@house.example", &["bob@far.example"], &message).await;
    assert!(reply.is(250, "2.0.0"), "{reply:?}");
    assert_eq!(ask(&house, "bob@far.example", alice).await["marked"], "temporary-mailbox");
    for (address, from) in [
        ("not an address", None),
        ("bob@[192.0.2.1]", None),
        ("bob@far.example", Some("eve@elsewhere.example")),
        ("bob@far.example", Some("")),
    ] {
        let request = Request::Recipient { address: address.into(), from: from.map(str::to_owned) };
        let trouble = house.control(&request).await.unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::Usage, "{address} {from:?}: {trouble}");
    }
}

/// One that is on is asked about with its own level; one that is off gets what a submission of its would get.
#[tokio::test(flavor = "multi_thread")]
async fn from_an_alias_it_says_what_the_alias_would_get() {
    let peer = Peer::good().await;
    let plain =
        Plan::default().start_tls(StartTls::NotOffered).at("127.0.0.2", peer.address.port()).open().await;
    let table = Table::signed()
        .with_mx("good.example", &[(10, "good.mx.example")])
        .with_addresses("good.mx.example", &[peer.address.ip()])
        .with_mx("plain.example", &[(10, "plain.mx.example")])
        .with_addresses("plain.mx.example", &[plain.address.ip()]);
    let house = House::with_aliases(peer, Some(Arc::new(table) as Arc<dyn Dns>), "").await;
    let refused = async |from: &str| {
        let answer = ask(&house, "bob@good.example", Some(from)).await;
        assert_eq!(
            (&answer["marked"], &answer["unmarked"]),
            (&json!("refused"), &json!("refused")),
            "{from}"
        );
        assert!(answer["transport"].is_null() && answer["tls_policy"].is_null(), "{answer}");
        let said = answer["reason"].as_str().unwrap().to_owned();
        let mut alice = house.alice_sends().await;
        let reply = alice.ask(&format!("MAIL FROM:<{from}>")).await;
        assert_eq!(said, format!("{} {}", reply.code, reply.text), "the same as a submission");
        assert!(reply.is(553, "5.7.1"), "{reply:?}");
    };
    refused(ALIAS).await;
    let on = |active| Request::AccountAlias { address: ALICE.into(), active };
    house.control(&on(true)).await.unwrap();
    let answer = ask_on_from(&house, "bob@good.example", Some(ALIAS)).await;
    assert_eq!((&answer["marked"], &answer["unmarked"]), (&json!("temporary-mailbox"), &json!("plain")));
    assert_eq!((&answer["transport"], &answer["tls_policy"]), (&json!("TLS"), &json!("secure encrypt")));
    assert_eq!(verdict(&answer, "encrypt"), "deliver tls=unauthenticated");
    let bare = ask_on_from(&house, "bob@plain.example", Some(ALIAS)).await;
    assert_eq!((&bare["transport"], verdict(&bare, "encrypt")), (&json!("no TLS"), "bounce 5.7.4".into()));
    let level = Request::AccountPolicy { address: ALICE.into(), level: "dane-only".into() };
    house.control(&level).await.unwrap();
    assert_eq!(ask(&house, "bob@good.example", Some(ALIAS)).await["tls_policy"], "secure dane-only");
    house.control(&on(false)).await.unwrap();
    refused(ALIAS).await;
    refused("nobody@secure.house.example").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_says_nothing_is_unknown_and_holds_nobody_up() {
    let silent = Plan::default().rule(|_| Act::Hang).open().await;
    let good = Plan::default().at("127.0.0.2", silent.address.port()).open().await;
    let table = Table::signed()
        .with_mx("both.example", &[(10, "silent.mx.example"), (20, "good.mx.example")])
        .with_mx("silent.example", &[(10, "silent.mx.example")])
        .with_addresses("silent.mx.example", &[silent.address.ip()])
        .with_addresses("good.mx.example", &[good.address.ip()]);
    let house = House::among(silent, Some(Arc::new(table) as Arc<dyn Dns>), "").await;
    // The answer comes while the host is still silent.
    let (one, both) = tokio::join!(ask(&house, "bob@silent.example", None), async {
        let met = |said: &Value| said["hosts"][1]["starttls"] == "works";
        until("the other host", async || Some(ask(&house, "bob@both.example", None).await).filter(met)).await
    });
    assert_eq!((&one["complete"], &one["transport"]), (&json!(false), &json!("unknown")));
    assert_eq!(verdict(&one, "encrypt"), "unknown ");
    assert_eq!(one["hosts"][0]["starttls"], "unknown");
    // What is known is said: nobody has DANE, and the second host takes mail.
    assert_eq!(verdict(&one, "dane-only"), "bounce 5.7.4");
    assert_eq!((&both["complete"], &both["hosts"][1]["starttls"]), (&json!(false), &json!("works")));
    assert_eq!(verdict(&both, "encrypt"), "deliver tls=unauthenticated");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_leads_nowhere_that_mail_would_not_go() {
    let peer = Peer::good().await;
    let table = Table::signed()
        .with_mx("inside.example", &[(10, "mx.inside.example")])
        .with_addresses("mx.inside.example", &[LOOPBACK, "169.254.169.254".parse().unwrap()])
        .with_mx("nobodys.example", &[(10, "nobodys.mx.example"), (20, "nowhere.mx.example")])
        .with_addresses("nobodys.mx.example", &["169.254.169.254".parse().unwrap()]);
    let house = House::among(peer, Some(Arc::new(table) as Arc<dyn Dns>), "").await;
    // As a server on the Internet dials.
    let dispatcher =
        Dispatcher::new(house.flow().clone(), Courier::default(), guardpost::app::templates::read);
    let request = Request::Recipient { address: "bob@inside.example".into(), from: None };
    let answer = dispatcher.answer(request).await.unwrap();
    assert_eq!(verdict(&answer, "opportunistic"), "bounce 5.4.6");
    assert_eq!(answer["transport"], "unknown");
    let request = Request::Recipient { address: "bob@nobodys.example".into(), from: None };
    let answer = dispatcher.answer(request).await.unwrap();
    assert_eq!(
        verdict(&answer, "opportunistic"),
        "bounce 5.4.6",
        "the host behind it is not tried: {answer}"
    );
    assert!(house.world.sessions().is_empty());
}

/// RFC 5321 §5.1: a delivery tries what stands before its own place, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn at_our_own_place_in_the_list_it_ends() {
    let peer = Peer::good().await;
    let table = Table::signed()
        .with_mx("ours.example", &[(10, HOST), (20, "good.mx.example")])
        .with_mx("beside.example", &[(10, "good.mx.example"), (10, HOST)])
        .with_mx("before.example", &[(10, "good.mx.example"), (20, HOST)])
        .with_mx("between.example", &[(10, "nobody.mx.example"), (20, HOST), (30, "good.mx.example")])
        .with_addresses("good.mx.example", &[peer.address.ip()])
        .with_addresses("nobody.mx.example", &["127.0.0.99".parse().unwrap()]);
    let house = House::among(peer, Some(Arc::new(table) as Arc<dyn Dns>), "").await;
    for (domain, want, hosts) in [
        ("ours.example", "bounce 5.4.6", 0),
        ("beside.example", "bounce 5.4.6", 0),
        ("before.example", "deliver tls=unauthenticated", 1),
        ("between.example", "defer 4.4.1", 1),
    ] {
        let answer = ask_on(&house, &format!("bob@{domain}")).await;
        assert_eq!(verdict(&answer, "encrypt"), want, "{domain}: {answer}");
        assert_eq!(answer["hosts"].as_array().unwrap().len(), hosts, "{domain}: {answer}");
        assert_eq!(answer["complete"], true, "{domain}");
    }
    assert_eq!(house.world.sessions().len(), 1, "only before.example's host was met");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_of_a_secure_alias_is_told_in_the_same_words() {
    let good = Peer::good().await;
    let port = good.address.port();
    let plain = Plan::default().start_tls(StartTls::NotOffered).at("127.0.0.2", port).open().await;
    let table = Table::signed()
        .with_mx("tls.example", &[(10, "good.mx.example")])
        .with_mx("plain.example", &[(10, "plain.mx.example")])
        .with_addresses("plain.mx.example", &[plain.address.ip()])
        .with_addresses("good.mx.example", &[good.address.ip()]);
    let house = House::with_aliases(good, Some(Arc::new(table) as Arc<dyn Dns>), "").await;
    switch(&house, ALICE, true).await;
    for (address, transport, encrypt) in [
        ("bob@tls.example", "TLS", "deliver tls=unauthenticated"),
        ("bob@plain.example", "no TLS", "bounce 5.7.4"),
    ] {
        for from in [ALICE, ALIAS] {
            let answer = ask_on_from(&house, address, Some(from)).await;
            assert_eq!(answer["transport"], transport, "{from}: {answer}");
            assert_eq!(verdict(&answer, "encrypt"), encrypt, "{from}: {answer}");
            // An alias asks for encryption at least: there is nothing to say of less.
            let least = answer["levels"][0]["level"].as_str().unwrap();
            assert_eq!(least, if from == ALIAS { "encrypt" } else { "opportunistic" }, "{answer}");
        }
    }
}
