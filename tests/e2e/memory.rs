//! What a process still holds when its visitors have gone: its whole writable memory is read and searched.

use crate::free_ports::free_port;
use crate::harness::HOST;
use crate::harness::House;
use crate::mail_client::Imap;
use crate::mail_client::Smtp;
use crate::main_job::BOB;
use crate::main_job::BOBS_PASSWORD;
use crate::main_job::first_use;
use crate::main_job::invite;
use crate::main_job::letter;
use crate::markers::contains;
use crate::patience::PATIENCE;
use crate::peer::Plan;
use crate::plain_browser::Browser;
use data_encoding::BASE64;
use futures_util::future::join_all;
use guardpost::app::ground;
use guardpost::base::id::SlotId;
use guardpost::base::secret::Key;
use guardpost::base::secret::Secret;
use guardpost::base::time::Time;
use guardpost::config::Config;
use guardpost::flow::sign_in::Realm;
use guardpost::flow::sign_in::Source;
use guardpost::vault::OsRandom;
use guardpost::vault::mailbox_key::FormerParts;
use guardpost::vault::mailbox_key::MailboxKey;
use guardpost::vault::primitives::Aead;
use guardpost::vault::primitives::NO_SALT;
use guardpost::vault::primitives::derive;
use guardpost::vault::primitives::lp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::fs::File;
use std::io::BufRead;
use std::io::BufReader;
use std::os::unix::fs::FileExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Instant;

const ALICE: &str = "alice@house.example";
const PASSWORD: &str = "Zephyr-5521-over-Kestrel-moor";
const SUBJECT: &str = "Marigold-7714-in-the-subject";
const BODY: &str = "Hawthorn-2289-in-the-body";
const SUBMITTED: &str = "Juniper-6603-was-submitted";

/// A service of its own, with its ports.
struct Service {
    child: Child,
    ports: Vec<(String, u16)>,
}

impl Service {
    /// Serves the data of this house, which has been stopped; its portal knows its own port.
    fn start(house: &House) -> Self {
        let (config, https) = (house.at("guard.toml"), free_port());
        let listen = house.configuration(https).replace("= []", "= [\"127.0.0.1:0\"]");
        let listen = listen.replace("https = [\"127.0.0.1:0\"]", &format!("https = [\"127.0.0.1:{https}\"]"));
        let text = format!("{listen}[log]\nformat = \"json\"\n[dns]\ntrust = \"none\"\n");
        Config::from_text(&text).unwrap_or_else(|complaints| panic!("{complaints}"));
        fs::write(&config, text).unwrap();
        let mut child = guardpost(&config, &["serve"]).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut ports = Vec::new();
        loop {
            let line = log.next().expect("it is ready before it ends").unwrap();
            let line: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
            let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
            match text("event").as_str() {
                "listening" => {
                    let port = text("address").rsplit(':').next().unwrap().parse().unwrap();
                    ports.push((text("service"), port));
                }
                "ready" => break,
                _ => {}
            }
        }
        // Read on, so that it never waits for us.
        std::thread::spawn(move || log.for_each(drop));
        Self { child, ports }
    }

    fn port(&self, service: &str) -> u16 {
        self.ports.iter().find(|(name, _)| name == service).unwrap().1
    }

    /// Whether we may look: only root, and nobody of the same user.
    fn is_readable(&self) -> bool {
        let opened = File::open(format!("/proc/{}/mem", self.child.id()));
        let root = fs::metadata("/proc/self").unwrap().uid() == 0;
        assert_eq!(opened.is_ok(), root, "the memory of a service is for nobody else");
        root
    }

    /// Everything it can write to, region by region.
    fn memory(&self) -> Vec<(String, Vec<u8>)> {
        let id = self.child.id();
        let memory = File::open(format!("/proc/{id}/mem")).unwrap();
        let maps = fs::read_to_string(format!("/proc/{id}/maps")).unwrap();
        let mut regions = Vec::new();
        for line in maps.lines() {
            let mut words = line.split_whitespace();
            let (range, rights) = (words.next().unwrap(), words.next().unwrap());
            if !rights.starts_with("rw") {
                continue;
            }
            let (from, to) = range.split_once('-').unwrap();
            let at = |text| u64::from_str_radix(text, 16).unwrap();
            let mut octets = vec![0; usize::try_from(at(to) - at(from)).unwrap()];
            if memory.read_exact_at(&mut octets, at(from)).is_ok() {
                regions.push((line.to_owned(), octets));
            }
        }
        regions
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn guardpost(config: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_guardpost"));
    command.env_clear().arg("--config").arg(config).args(arguments);
    command
}

/// A secret by its name.
type Needle = (&'static str, Vec<u8>);

/// The unlock key of a mailbox and stretches of its secret key that its certificate does not have.
async fn keys(house: &House, address: &str, password: &str) -> Vec<Needle> {
    let config = Arc::new(house.config(1));
    let flow = ground::open(config, &house.surroundings()).await.unwrap();
    let source = Source { ip: crate::harness::LOOPBACK, device: None };
    let password = Secret::new(password.to_owned());
    let who = flow.sign_in(address, password, &source, Realm::Everybody).await.unwrap();
    let record = flow.store.mailbox(who.mailbox).await.unwrap().unwrap();
    let key = flow.store.key(who.mailbox, &record.certificate).await.unwrap().unwrap();
    let wrapped = key.wrapped_secret.as_deref().unwrap();
    let secret = who.key.unwrap_secret_key(who.mailbox, &record.certificate.0, wrapped).unwrap();

    // The unlock key has no door to the outside: it is wrapped as a former key under one that we choose.
    let parts =
        FormerParts { mailbox: who.mailbox, id: SlotId::new([7; 16]), since: Time(1), until: Time(2) };
    let sealed = MailboxKey::new(Key::new([9; 32])).wrap_former(&parts, &who.key, &OsRandom);
    let info = [b"guardpost/1 former key".as_slice(), who.mailbox.bytes()].concat();
    let times = [1_i64.to_be_bytes(), 2_i64.to_be_bytes()].concat();
    let aad = lp(&[who.mailbox.bytes(), &[7; 16], &times]);
    let unlock = Aead::new(&derive(&NO_SALT, &[9; 32], &info)).open(&sealed, &aad).unwrap();
    assert_eq!(unlock.expose().len(), 32);

    let mut needles = vec![("unlock key", unlock.expose().clone())];
    let stretches = secret.expose().windows(24).filter(|stretch| !contains(&key.certificate, stretch));
    let stretches: Vec<_> = stretches.step_by(8).map(<[u8]>::to_vec).collect();
    assert!(stretches.len() > 4, "there is a secret in it");
    needles.extend(stretches.into_iter().map(|stretch| ("secret key", stretch)));
    needles
}

/// What of it stands there, and in which regions.
fn found(memory: &[(String, Vec<u8>)], needles: &[Needle]) -> Vec<(&'static str, String)> {
    // One pass, however many there are: by their first two octets.
    let mut begins: Vec<Vec<usize>> = vec![Vec::new(); 1 << 16];
    for (at, (_, needle)) in needles.iter().enumerate() {
        begins[usize::from(u16::from_be_bytes([needle[0], needle[1]]))].push(at);
    }
    let mut places: BTreeMap<&str, String> = BTreeMap::new();
    for (place, region) in memory {
        let mut pair = 0_u16;
        for (end, octet) in region.iter().enumerate() {
            pair = pair << 8 | u16::from(*octet);
            for needle in &begins[usize::from(pair)] {
                let (what, needle) = &needles[*needle];
                if end > 0 && region[end - 1..].starts_with(needle) {
                    let _ = writeln!(places.entry(*what).or_default(), "{place}: {}", end - 1);
                }
            }
        }
    }
    places.into_iter().collect()
}

fn message(body: &str) -> String {
    format!("From: carl@far.example\r\nTo: {ALICE}\r\nSubject: {SUBJECT}\r\n\r\n{body}\r\n")
}

/// Reads until what must go has gone: a connection's memory is given back a moment after its last octet.
fn after_a_moment(service: &Service, needles: &[Needle]) -> Vec<(&'static str, String)> {
    let until = Instant::now() + PATIENCE;
    loop {
        let left = found(&service.memory(), needles);
        if left.is_empty() || Instant::now() > until {
            return left;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_visit_stays_in_memory() {
    let mut house = House::empty(Plan::default(), "").await;
    house.add_account(ALICE, PASSWORD).await;
    house.stop().await;
    let keys = keys(&house, ALICE, PASSWORD).await;
    let service = Service::start(&house);
    if !service.is_readable() {
        return;
    }

    let mut smtp = Smtp::connect(service.port("smtp"), false).await;
    let reply = smtp.send("carl@far.example", &[ALICE], &message(BODY)).await;
    assert!(reply.is(250, "2.0.0"), "{reply:?}");
    assert_eq!(smtp.ask("QUIT").await.code, 221);
    let mut imap = Imap::connect(service.port("imaps")).await;
    imap.sign_in(ALICE, PASSWORD).await.unwrap();
    imap.select("INBOX").await;
    assert!(imap.message(1).await.contains(BODY));
    assert_eq!(imap.ask("SEARCH BODY Hawthorn").await.unwrap().lines, ["* SEARCH 1"]);
    imap.ask("FETCH 1 (ENVELOPE BODYSTRUCTURE BODY[TEXT])").await.unwrap();

    let mut needles = keys.clone();
    needles.extend([
        ("password", PASSWORD.into()),
        ("password in base64", BASE64.encode(format!("\0{ALICE}\0{PASSWORD}").as_bytes()).into_bytes()),
        ("subject", SUBJECT.into()),
        ("body", BODY.into()),
        ("submitted body", SUBMITTED.into()),
    ]);
    let seen: Vec<&str> = found(&service.memory(), &needles).into_iter().map(|(what, _)| what).collect();
    assert!(seen.contains(&"unlock key") && seen.contains(&"body"), "while she is there: {seen:?}");

    assert_eq!(imap.ask("LOGOUT").await.unwrap().lines, ["* BYE signing out"]);
    assert_eq!(imap.line().await, None);
    let mut submission = Smtp::connect(service.port("submissions"), true).await;
    assert_eq!(submission.sign_in(ALICE, PASSWORD).await.code, 235);
    assert!(
        submission
            .send(ALICE, &[ALICE], &message(SUBMITTED).replace("carl@far.example", ALICE))
            .await
            .is(250, "2.0.0")
    );
    assert_eq!(submission.ask("QUIT").await.code, 221);
    assert!(submission.is_closed().await);
    drop((smtp, imap, submission));
    assert_eq!(after_a_moment(&service, &needles), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_visit_to_the_portal_stays_in_memory() {
    let mut house = House::new().await;
    let (mut browser, link, pin) = invite(&house).await;
    first_use(&mut browser, &link, &pin).await;
    let text = letter(&format!("[secure] {SUBJECT}"), BODY, "");
    assert!(house.alice_sends().await.send(ALICE, &[BOB], &text).await.is(250, "2.0.0"));
    house.stop().await;
    let mut needles = keys(&house, BOB, BOBS_PASSWORD).await;
    let service = Service::start(&house);
    let port = service.port("https");
    if !service.is_readable() {
        return;
    }

    // Several at once, so that the work of each is strewn over several threads.
    let cookies = join_all((0..4).map(|number| visit(port, number == 0))).await;
    needles.extend(cookies.into_iter().map(|cookie| ("session cookie", cookie.into_bytes())));
    needles.extend([("password", BOBS_PASSWORD.into()), ("subject", SUBJECT.into()), ("body", BODY.into())]);
    let host = [("host name", HOST.into())];
    assert!(!found(&service.memory(), &host).is_empty(), "what is there is found");
    assert_eq!(after_a_moment(&service, &needles), []);
}

/// Signs in, reads, perhaps searches, and signs out again; gives the session's cookie.
async fn visit(port: u16, searches: bool) -> String {
    let mut bob = Browser::new(HOST, port);
    let page = bob.post("/login", &[("address", BOB), ("password", BOBS_PASSWORD)]).await;
    assert_eq!(page.location(), "/mailbox");
    let cookie = bob.cookie("__Host-gp").unwrap().to_owned();
    let list = bob.get("/mailbox").await;
    assert!(list.words().contains(SUBJECT), "{}", list.words());
    let message = list.link("/mailbox/inbox/").unwrap();
    assert!(bob.get(&message).await.words().contains(BODY));
    assert!(bob.get(&format!("{message}/raw")).await.text().contains(BODY));
    if searches {
        let search = bob.post("/mailbox/search", &[("q", "Hawthorn")]).await;
        assert!(search.words().contains(SUBJECT), "{}", search.words());
    }
    assert_eq!(bob.post("/logout", &[]).await.status, 303);
    cookie
}
