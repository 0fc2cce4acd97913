//! MTA-STS: policies fetched over HTTPS from real servers, kept, and held against hosts; and our own.

use crate::harness::HOST;
use crate::harness::House;
use crate::harness::PASSWORD;
use crate::main_job::letter;
use crate::peer::Peer;
use crate::peer::Plan;
use crate::peer::StartTls;
use crate::tls_policy::Authority;
use crate::tls_policy::all_tried;
use crate::tls_policy::tlsa;
use crate::tls_policy::waiting;
use crate::web_host::WebHost;
use guardpost::base::address::Domain;
use guardpost::base::dns::Answer;
use guardpost::base::dns::Security;
use guardpost::base::dns::Tlsa;
use guardpost::flow::mta_sts;
use guardpost::net::dial::Dialer;
use guardpost::net::dns::Dns;
use guardpost::net::dns::Table;
use guardpost::net::http_client::HttpsClient;
use guardpost::net::listen::Service;
use guardpost::net::roots::Roots;
use guardpost::serve::control::request::Request;
use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::pem::PemObject;

const DAY: Duration = Duration::from_secs(86_400);

/// An authority of the Web, mail hosts by what is special about them, and a web server with the policies.
struct World {
    authority: Authority,
    peers: Vec<(&'static str, Peer)>,
    web: WebHost,
}

impl World {
    async fn open() -> Self {
        let authority = Authority::new();
        let issued = |names: &[&str], late| {
            let (own, key) = authority.issue_for(names, late);
            ([own, authority.der.clone()], key)
        };
        let (chain, key) = issued(&["*.mx.example"], false);
        let good = Plan::default().identity(&chain, &key).open().await;
        let port = good.address.port();
        let (late, late_key) = issued(&["*.mx.example"], true);
        let (other, other_key) = issued(&["*.elsewhere.example"], false);
        let mut peers = vec![("good", good)];
        for (at, (name, plan)) in [
            ("own", Plan::default().names(&["*.mx.example"])),
            ("late", Plan::default().identity(&late, &late_key)),
            ("misnamed", Plan::default().identity(&other, &other_key)),
            ("plain", Plan::default().start_tls(StartTls::NotOffered)),
            ("closing", Plan::default().start_tls(StartTls::Closes)),
        ]
        .into_iter()
        .enumerate()
        {
            peers.push((name, plan.at(&format!("127.0.0.{}", at + 2), port).open().await));
        }
        let hosts: Vec<String> = NAMES.iter().map(|name| format!("mta-sts.{name}.example")).collect();
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        let (chain, key) = issued(&hosts, false);
        let web = WebHost::open(&chain, &key).await;
        Self { authority, peers, web }
    }

    fn get(&self, name: &str) -> &Peer {
        &self.peers.iter().find(|(known, _)| *known == name).unwrap().1
    }

    fn ip(&self, name: &str) -> IpAddr {
        self.get(name).address.ip()
    }

    fn client(&self) -> HttpsClient {
        HttpsClient {
            dialer: Dialer { loopback: true, ..Dialer::default() },
            port: self.web.address.port(),
            roots: Roots::of(std::slice::from_ref(&self.authority.der)).unwrap(),
        }
    }

    /// `name.example`, whose one host is this peer, with an MTA-STS record.
    fn publish(&self, table: Table, name: &str, peer: &str) -> Table {
        let (domain, host) = (format!("{name}.example"), format!("{name}.mx.example"));
        table.set_text(&format!("_mta-sts.{domain}"), Some("v=STSv1; id=1;"));
        table
            .with_mx(&domain, &[(10, &host)])
            .with_addresses(&host, &[self.ip(peer)])
            .with_addresses(&format!("mta-sts.{domain}"), &[self.web.address.ip()])
    }

    /// Says the policy of `name.example`.
    fn policy(&self, name: &str, text: &str) {
        self.web.says_text(&format!("mta-sts.{name}.example"), text);
    }

    /// An appliance in it, with alice; the world's peer is the first one.
    async fn house(&mut self, table: Arc<Table>, more: &str) -> House {
        let (_, world) = self.peers.remove(0);
        let house = House::among_webs(world, Some(table as Arc<dyn Dns>), self.client(), more).await;
        house.add_account("alice@house.example", PASSWORD).await;
        house
    }
}

/// Domains of these tests, without `.example`.
const NAMES: &[&str] = &[
    "good",
    "unlisted",
    "many",
    "manyothers",
    "own",
    "late",
    "misnamed",
    "plain",
    "closing",
    "wildcard",
    "testing",
    "testingplain",
    "testinggood",
    "none",
    "dane",
    "danewrong",
    "daneonly",
    "encrypt",
    "encryptown",
    "two",
    "notfound",
    "moved",
    "html",
    "gzip",
    "large",
    "bad",
    "untrusted",
    "nohost",
    "cut",
    "kept",
    "changing",
    "once",
    "refreshed",
];

fn enforce(mx: &str) -> String {
    format!("version: STSv1\r\nmode: enforce\r\nmx: {mx}\r\nmax_age: 604800\r\n")
}

/// The same with hundreds of other hosts before it.
fn among_many(name: &str) -> String {
    let others: String = (0..900).map(|n| format!("{n}.others.example\r\nmx: ")).collect();
    enforce(&format!("{others}{name}.mx.example"))
}

async fn send(house: &House, name: &str, mark: &str) {
    let message = letter(&format!("SUBJECT-{mark}-"), &format!("BODY-{mark}-"), "");
    let to = format!("bob@{name}.example");
    let reply = house.alice_sends().await.send("alice@house.example", &[&to], &message).await;
    assert!(reply.is(250, "2.0.0"), "{to}: {reply:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_are_met_as_the_policy_of_their_domain_says() {
    let mut world = World::open().await;
    let mut table = Table::signed();
    let listed = |name: &str| enforce(&format!("{name}.mx.example"));
    let testing = |name: &str| listed(name).replace("enforce", "testing");
    // Domain, peer, policy, and what becomes of a message: a proof, or the status that it waits or bounces with.
    let cases = [
        ("good", "good", listed("good"), "tls=mta-sts"),
        ("wildcard", "good", enforce("*.mx.example"), "tls=mta-sts"),
        ("encrypt", "good", listed("encrypt"), "tls=mta-sts"),
        ("unlisted", "good", listed("other"), "4.7.5"),
        // RFC 8461 §3.2 does not say how many hosts there may be.
        ("many", "good", among_many("many"), "tls=mta-sts"),
        ("manyothers", "good", among_many("other"), "4.7.5"),
        ("own", "own", listed("own"), "4.7.5"),
        ("late", "late", listed("late"), "4.7.5"),
        ("misnamed", "misnamed", listed("misnamed"), "4.7.5"),
        ("encryptown", "own", listed("encryptown"), "4.7.5"),
        ("plain", "plain", listed("plain"), "4.7.4"),
        ("closing", "closing", listed("closing"), "4.7.5"),
        // Row 25.
        ("testing", "own", testing("testing"), "tls=unauthenticated"),
        ("testingplain", "plain", testing("testingplain"), "tls=none"),
        ("testinggood", "good", testing("testinggood"), "tls=mta-sts"),
        ("none", "plain", listed("none").replace("enforce", "none"), "tls=none"),
        // DANE goes before it, and what fails there is not made good by it.
        ("dane", "own", listed("other"), "tls=dane"),
        ("danewrong", "good", listed("danewrong"), "4.7.5"),
        ("daneonly", "good", listed("daneonly"), "5.7.4"),
    ];
    for (name, peer, policy, _) in &cases {
        table = world.publish(table, name, peer);
        world.policy(name, policy);
    }
    table = table
        .with_tlsa("dane.mx.example", &[tlsa(3, 1, 1, &world.get("own").certificate)])
        .with_tlsa("danewrong.mx.example", &[Tlsa { usage: 3, selector: 1, matching: 1, data: vec![7; 32] }]);
    // The first host is none of the policy, and would take anything in clear; the second one is.
    table = world
        .publish(table, "two", "good")
        .with_mx("two.example", &[(10, "evil.example"), (20, "two.mx.example")])
        .with_addresses("evil.example", &[world.ip("plain")]);
    world.policy("two", &enforce("two.mx.example"));
    let levels = [("daneonly", "dane-only"), ("encrypt", "encrypt"), ("encryptown", "encrypt")];
    let more = levels.iter().fold(String::new(), |mut text, (name, level)| {
        let _ = write!(text, "[[outbound.tls_policy]]\ndomain = \"{name}.example\"\nlevel = \"{level}\"\n");
        text
    });
    let house = world.house(Arc::new(table), &more).await;
    for (name, ..) in &cases {
        send(&house, name, name).await;
    }
    send(&house, "two", "two").await;
    all_tried(&house).await;
    let everybody = || std::iter::once(&house.world).chain(world.peers.iter().map(|(_, peer)| peer));
    let taken: Vec<_> = everybody().flat_map(Peer::taken).collect();
    let octets: Vec<u8> = everybody().flat_map(Peer::octets).collect();
    let octets = String::from_utf8_lossy(&octets).into_owned();
    let inbox = house.alice_reads().await.messages("INBOX").await;
    let log = String::from_utf8(house.logged()).unwrap();
    let mut wrong = Vec::new();
    for (name, _, _, end) in &cases {
        let to = format!("bob@{name}.example");
        let copies = taken.iter().filter(|taken| taken.rcpts.iter().any(|rcpt| rcpt.contains(&to))).count();
        let waits = waiting(&house, name).await;
        let bounce = inbox.iter().find(|mail| mail.contains(&format!("Final-Recipient: rfc822; {to}")));
        let unsaid = !octets.contains(&to) && !octets.contains(&format!("BODY-{name}-"));
        let good = if end.starts_with("tls=") {
            let noted = log.lines().any(|line| {
                line.contains("delivered")
                    && line.contains(end)
                    && line.contains(&format!(" domain={name}.example"))
            });
            copies == 1 && waits.is_none() && bounce.is_none() && noted
        } else if end.starts_with('4') {
            copies == 0
                && bounce.is_none()
                && unsaid
                && waits.as_ref().is_some_and(|why| why.starts_with(end))
        } else {
            copies == 0
                && waits.is_none()
                && unsaid
                && bounce.is_some_and(|mail| mail.contains(&format!("Status: {end}\r\n")))
        };
        if !good {
            wrong.push(format!("{name}: {copies} copies, waits {waits:?}, bounce {bounce:?}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    let why = waiting(&house, "unlisted").await.unwrap();
    assert!(why.contains("no host of the MTA-STS policy"), "{why}");
    let tested =
        log.lines().filter(|line| line.contains("mta-sts, which is only tested, would not have passed"));
    assert!(tested.filter(|line| line.contains("test") && line.contains(".mx.example")).count() >= 2);
    let of_two = house.world.taken().into_iter().filter(|taken| taken.rcpts == ["<bob@two.example>"]).count();
    assert_eq!((of_two, octets.matches("<bob@two.example>").count()), (1, 1));
    // A long policy is kept like any other: it is not asked for again.
    send(&house, "many", "again").await;
    all_tried(&house).await;
    assert_eq!(world.web.asked("mta-sts.many.example").len(), 1);
    let kept = house.flow().store.sts(&Domain::parse("many.example").unwrap()).await.unwrap().unwrap();
    assert!(kept.policy.len() > 16 << 10, "{} octets", kept.policy.len());
    // What asks for a proof of its own asks for no policy.
    assert!(world.web.asked("mta-sts.daneonly.example").is_empty());
    let [asked] = &world.web.asked("mta-sts.good.example")[..] else { panic!("asked once") };
    assert!(asked.starts_with("GET /.well-known/mta-sts.txt HTTP/1.1\r\n"), "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_answer_is_no_policy() {
    let mut world = World::open().await;
    let mut table = Table::signed();
    let policy = enforce("other.mx.example");
    let length = policy.len();
    let head = |status: &str, more: &str| {
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{more}\r\n{policy}")
    };
    let text = "Content-Type: text/plain\r\n";
    let elsewhere = format!("{text}Location: https://mta-sts.good.example/.well-known/mta-sts.txt\r\n");
    let answers = [
        ("notfound", head("404 Not Found", text)),
        ("moved", head("301 Moved Permanently", &elsewhere)),
        ("html", head("200 OK", "Content-Type: text/html\r\n")),
        ("gzip", head("200 OK", &format!("{text}Content-Encoding: gzip\r\n"))),
        ("large", format!("HTTP/1.1 200 OK\r\n{text}\r\n{policy}{}", "x: y\r\n".repeat(20_000))),
        ("cut", format!("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n{text}\r\n{policy}")),
        ("bad", format!("HTTP/1.1 200 OK\r\n{text}\r\n{}", policy.replace("max_age", "max-age"))),
        ("untrusted", head("200 OK", text)),
        ("nohost", head("200 OK", text)),
    ];
    for (name, answer) in &answers {
        table = world.publish(table, name, "own");
        world.web.says(&format!("mta-sts.{name}.example"), answer);
    }
    // A name that the certificate of the web server is not for; and one that is nowhere.
    table = table
        .with_mx("stranger.example", &[(10, "untrusted.mx.example")])
        .with_addresses("mta-sts.stranger.example", &[world.web.address.ip()])
        .with_addresses_answer("mta-sts.nohost.example", Answer::NxDomain(Security::Secure));
    table.set_text("_mta-sts.stranger.example", Some("v=STSv1; id=1;"));
    world.web.says("mta-sts.stranger.example", &head("200 OK", text));
    // The web servers say a policy that names other hosts, so whoever believed it would not deliver.
    let house = world.house(Arc::new(table), "").await;
    for (name, _) in &answers {
        let name = if *name == "untrusted" { "stranger" } else { name };
        send(&house, name, name).await;
    }
    let own = &world.peers.iter().find(|(name, _)| *name == "own").unwrap().1;
    assert_eq!(own.wait_for(answers.len()).await.len(), answers.len());
    assert!(world.web.asked("mta-sts.good.example").is_empty(), "no redirection is followed");
    assert!(
        world.web.asked("mta-sts.stranger.example").is_empty(),
        "nothing is asked of who is not who it says"
    );
    assert!(house.flow().store.all_sts(None, 9).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_kept_as_long_as_it_says_whatever_happens_meanwhile() {
    let mut world = World::open().await;
    let table = world.publish(Table::signed(), "kept", "own");
    let table = world.publish(table, "once", "good");
    let table = Arc::new(world.publish(table, "changing", "own"));
    for name in ["kept", "changing"] {
        world.policy(name, &enforce("other.mx.example"));
    }
    world.policy("once", &enforce("once.mx.example"));
    let mut house = world.house(table.clone(), "").await;
    for name in ["kept", "changing"] {
        send(&house, name, "first").await;
    }
    all_tried(&house).await;
    // It is fetched once, whoever asks.
    let (one, two) = tokio::join!(house.alice_sends(), house.alice_sends());
    let message = letter("Offer", "text", "");
    let (mut one, mut two) = (one, two);
    let sent = tokio::join!(
        one.send("alice@house.example", &["bob@once.example"], &message),
        two.send("alice@house.example", &["carol@once.example"], &message)
    );
    assert!(sent.0.is(250, "2.0.0") && sent.1.is(250, "2.0.0"));
    house.world.wait_for(2).await;
    assert_eq!(world.web.asked("mta-sts.once.example").len(), 1);

    // The record goes, the web server fails, this server restarts: the policy still counts.
    table.set_text("_mta-sts.kept.example", None);
    world.web.says("mta-sts.kept.example", "HTTP/1.1 500 Oops\r\n\r\n");
    house.stop().await;
    house.start().await;
    send(&house, "kept", "second").await;
    all_tried(&house).await;
    assert!(waiting(&house, "kept").await.unwrap().starts_with("4.7.5"));
    table.set_text_answer("_mta-sts.kept.example", Answer::Error("SERVFAIL".into()));
    send(&house, "kept", "third").await;
    all_tried(&house).await;
    assert_eq!(world.web.asked("mta-sts.kept.example").len(), 1);

    // Another id, and nothing to be had: the former one counts, and the server is not asked at every message.
    table.set_text("_mta-sts.changing.example", Some("v=STSv1; id=2;"));
    world.web.says("mta-sts.changing.example", "HTTP/1.1 500 Oops\r\n\r\n");
    for mark in ["second", "third"] {
        send(&house, "changing", mark).await;
    }
    all_tried(&house).await;
    assert!(waiting(&house, "changing").await.unwrap().starts_with("4.7.5"));
    assert_eq!(world.web.asked("mta-sts.changing.example").len(), 2);
    // A third id, and a policy that names the host's own name: its certificate is still not vouched for.
    world.policy("changing", &enforce("changing.mx.example").replace("enforce", "testing"));
    table.set_text("_mta-sts.changing.example", Some("v=STSv1; id=3;"));
    send(&house, "changing", "fourth").await;
    let own = &world.peers.iter().find(|(name, _)| *name == "own").unwrap().1;
    own.wait_for(1).await;
    assert_eq!(world.web.asked("mta-sts.changing.example").len(), 3);

    // After its time it counts no more.
    house.clock.pass(DAY * 8);
    table.set_text("_mta-sts.kept.example", None);
    send(&house, "kept", "fourth").await;
    own.wait_for(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kept_policies_are_fetched_anew_once_a_day_while_they_are_needed() {
    let mut world = World::open().await;
    let table = Arc::new(world.publish(Table::signed(), "refreshed", "good"));
    world.policy("refreshed", &enforce("refreshed.mx.example"));
    let house = world.house(table, "").await;
    send(&house, "refreshed", "first").await;
    house.world.wait_for(1).await;
    let (flow, web) = (house.flow().clone(), world.client());
    let domain = guardpost::base::address::Domain::parse("refreshed.example").unwrap();
    let until = async || flow.store.sts(&domain).await.unwrap().map(|record| record.until);
    let asked = || world.web.asked("mta-sts.refreshed.example").len();
    let first = until().await.unwrap();
    mta_sts::refresh_all(&flow, &web).await.unwrap();
    assert_eq!((until().await, asked()), (Some(first), 1), "it is fresh");
    house.clock.pass(DAY);
    mta_sts::refresh_all(&flow, &web).await.unwrap();
    assert_eq!(asked(), 2);
    assert!(until().await.unwrap() >= first + DAY);
    // It cannot be had: the former one goes on to count.
    house.clock.pass(DAY);
    world.web.says("mta-sts.refreshed.example", "HTTP/1.1 404 Not Found\r\n\r\n");
    let second = until().await;
    mta_sts::refresh_all(&flow, &web).await.unwrap();
    assert_eq!((until().await, asked()), (second, 3));
    // What has ended goes.
    house.clock.pass(DAY * 9);
    mta_sts::refresh_all(&flow, &web).await.unwrap();
    assert_eq!((until().await, asked()), (None, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_policy_is_served_as_it_is_printed() {
    let house = House::new().await;
    let port = house.port(Service::Https);
    let get = async |host: &str, path: &str| {
        let (to, url) = (format!("{host}:{port}:127.0.0.1"), format!("https://{host}:{port}{path}"));
        let curl = move || {
            let mut curl = std::process::Command::new("curl");
            curl.args(["--silent", "--insecure", "--max-time", "120", "--resolve", &to]);
            curl.args(["--write-out", "\n%{http_code} %{content_type}", &url]).output().unwrap()
        };
        let said = tokio::task::spawn_blocking(curl).await.unwrap();
        assert!(said.status.success(), "{said:?}");
        String::from_utf8(said.stdout).unwrap()
    };
    let policy = format!("version: STSv1\r\nmode: enforce\r\nmx: {HOST}\r\nmax_age: 604800\r\n");
    let answer = get("mta-sts.house.example", mta_sts::PATH).await;
    assert_eq!(answer, format!("{policy}\n200 text/plain; charset=utf-8"));
    for (host, path, status) in [
        ("mta-sts.house.example", "/", "404"),
        ("mta-sts.house.example", "/login", "404"),
        ("mta-sts.elsewhere.example", mta_sts::PATH, "421"),
        (HOST, mta_sts::PATH, "404"),
    ] {
        let answer = get(host, path).await;
        assert!(answer.contains(&format!("\n{status} ")), "{host}{path}: {answer}");
        assert!(!answer.contains("STSv1"), "{host}{path}: {answer}");
    }

    let answer = house.control(&Request::Dns {}).await.unwrap();
    let lines: Vec<&str> =
        answer["lines"].as_array().unwrap().iter().filter_map(|line| line.as_str()).collect();
    let pem = std::fs::read(house.at("tls.crt")).unwrap();
    let der = rustls::pki_types::CertificateDer::from_pem_slice(&pem).unwrap();
    let digest = tlsa(3, 1, 1, &der).data.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    });
    let record = format!("_25._tcp.{HOST}. IN TLSA 3 1 1 {digest} ; the key in use");
    assert!(lines.contains(&record.as_str()), "{lines:#?}");
    assert!(lines.contains(&format!("mta-sts.house.example. IN CNAME {HOST}.").as_str()), "{lines:#?}");
    // BIND reads all of it.
    let zone = house.at("house.zone");
    let text = format!(
        "$TTL 300\n@ SOA {HOST}. root.{HOST}. 1 3600 600 86400 60\n@ NS {HOST}.\n{HOST}. A 192.0.2.1\n{}\n",
        lines.join("\n")
    );
    std::fs::write(&zone, text).unwrap();
    let mut judge = std::process::Command::new("named-checkzone");
    let said = judge.arg("house.example").arg(&zone).output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stdout));
}
