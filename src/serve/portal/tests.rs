//! The portal whole, on real flows and the model store: requests in, answers out, no socket.

use super::*;
use crate::base::address::Address;
use crate::base::envelope::Envelope;
use crate::base::envelope::Recipient;
use crate::base::random::Random;
use crate::base::time::Clock;
use crate::base::time::Time;
use crate::flow::Ground;
use crate::flow::intake::Arrived;
use crate::flow::intake::Peer as SmtpPeer;
use crate::flow::sign_in::Realm;
use crate::mime::scan::Limits;
use crate::mime::scan::Scanner;
use crate::net::dns::Table;
use crate::serve::portal::route::ROUTES;
use crate::store::model::Model;
use crate::store::record::Folder;
use crate::store::record::MailboxKind;
use crate::store::record::Uid;
use crate::store::spool::SpoolDir;
use crate::vault::OsRandom;
use crate::vault::frames::FrameKey;
use crate::vault::frames::FrameReader;
use crate::vault::keyring::Keys;
use crate::vault::slot::Parameters;
use axum::http::StatusCode;
use http_body_util::BodyExt;
use std::collections::BTreeSet;
use std::io::Read;
use std::io::Write;
use std::net::IpAddr;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

/// Random bytes that no two calls share, the same in every run.
#[derive(Default)]
pub(crate) struct Counting(AtomicU8);

impl Random for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        let start = self.0.fetch_add(1, Ordering::Relaxed);
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = start.wrapping_mul(31).wrapping_add(at as u8);
        }
    }
}

/// A brand that must be escaped.
pub(crate) const CONFIG: &str = r##"
hostname = "mail.weber-roth.example"
[tls]
certificate = "/dev/null"
key = "/dev/null"
[portal]
url = "https://post.weber-roth.example"
brand = "Weber & <Roth>"
accent = "#aa0011"
[[domain]]
name = "weber-roth.example"
"##;

pub(super) fn config() -> Config {
    Config::from_text(CONFIG).unwrap_or_else(|complaints| panic!("{complaints}"))
}

pub(crate) fn face() -> Face {
    Face::all(&config()).remove(0)
}

/// What stands around a page in tests.
pub(crate) fn chrome(language: Language) -> Chrome {
    Chrome::new(Arc::new(face()), language, "/login".into())
}

/// What must not become markup, wherever it stands.
pub(crate) const PAYLOADS: &str = include_str!("../../../tests/payloads/xss.txt");

/// Every tag of a page with the names of its attributes: what a text must never add to.
pub(crate) fn skeleton(html: &str) -> Vec<String> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let (mut tag, mut quoted) = (String::new(), false);
        for (at, c) in rest.char_indices() {
            match c {
                '"' => quoted = !quoted,
                '>' if !quoted => {
                    rest = &rest[at..];
                    break;
                }
                c if !quoted => tag.push(c),
                _ => {}
            }
        }
        tags.push(tag);
    }
    tags
}

/// Both clocks, moved by hand and apart from each other.
pub(super) struct HandClock {
    wall: AtomicI64,
    running: AtomicU64,
}

impl HandClock {
    pub(super) fn pass(&self, minutes: u64) {
        self.wall.fetch_add(minutes as i64 * 60, Ordering::Relaxed);
        self.running.fetch_add(minutes * 60, Ordering::Relaxed);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Time {
        Time(self.wall.load(Ordering::Relaxed))
    }

    fn running(&self) -> Duration {
        Duration::from_secs(self.running.load(Ordering::Relaxed))
    }
}

pub(super) const HOST: &str = "post.weber-roth.example";
pub(super) const ALICE: &str = "alice@weber-roth.example";
pub(super) const PASSWORD: &str = "a long enough password";
const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

pub(super) struct World {
    pub(super) portal: Arc<Portal>,
    pub(super) flow: Arc<Flow>,
    pub(super) clock: Arc<HandClock>,
    pub(super) alice: Arc<Unlocked>,
    pub(super) dir: tempfile::TempDir,
}

/// An answer, read whole.
pub(super) struct Seen {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Seen {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The session cookie that it sets, as a browser would send it.
    pub(super) fn cookie(&self) -> Option<String> {
        let set = self.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap());
        let pair =
            set.map(|line| line.split(';').next().unwrap()).find(|pair| pair.starts_with("__Host-gp="))?;
        (pair != "__Host-gp=").then(|| pair.to_owned())
    }
}

pub(super) fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn encoded(fields: &[(&str, &str)]) -> String {
    let escape = |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
    fields.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect::<Vec<_>>().join("&")
}

impl World {
    pub(super) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock =
            Arc::new(HandClock { wall: AtomicI64::new(1_795_318_393), running: AtomicU64::new(100_000) });
        let ground = Ground {
            store: Arc::new(Model::new(dir.path()).unwrap()),
            keys: Arc::new(Keys::generate(&OsRandom)),
            spools: SpoolDir::open(&dir.path().join("spool")).unwrap(),
            clock: clock.clone(),
            random: Arc::new(OsRandom),
            dns: Arc::new(Table::default()),
            password_cost: Parameters::SMALL,
        };
        let flow = Flow::new(ground, Arc::new(config()));
        let secret = || Secret::new(PASSWORD.to_owned());
        let from = Source { ip: IpAddr::from([10, 0, 0, 1]), device: None };
        flow.add_account(&address(ALICE), &secret()).await.unwrap();
        let alice = flow.sign_in(ALICE, secret(), &from, Realm::Accounts).await.unwrap();
        let portal = Arc::new(Portal::new(flow.clone(), &config()));
        Self { portal, flow, clock, alice, dir }
    }

    /// Alice sends a message; CRLF is put in.
    pub(super) async fn send(&self, to: &str, message: &str) {
        let message = message.replace('\n', "\r\n");
        let mut spool = self.flow.spools.begin();
        spool.write_all(message.as_bytes()).unwrap();
        let arrived = Arrived {
            envelope: Envelope {
                sender: Some(address(ALICE)),
                recipients: vec![Recipient::plain(address(to))],
                ..Envelope::default()
            },
            spool: spool.finish().unwrap(),
            structure: Scanner::scan(message.as_bytes(), Limits::default()).unwrap(),
            peer: SmtpPeer { ip: [10, 0, 0, 1].into(), helo: "c".into(), extended: true, tls: None },
        };
        self.flow.submit(&self.alice, arrived).await.unwrap();
    }

    /// Every message in a folder of Alice.
    pub(super) async fn alices(&self, folder: Folder) -> Vec<String> {
        let mut all = Vec::new();
        for listed in self.flow.list(&self.alice, folder, Uid(0), 100).await.unwrap() {
            let plain = self.flow.read(&self.alice, folder, listed.uid).await.unwrap();
            let mut bytes = Vec::new();
            plain.spool.reader().read_to_end(&mut bytes).unwrap();
            all.push(String::from_utf8_lossy(&bytes).into_owned());
        }
        all
    }

    /// The path and the token of Bob's invitation, and the PIN that Alice was told.
    pub(super) async fn invitation(&self) -> (String, String, String) {
        self.invitation_of("bob@mail.example").await
    }

    pub(super) async fn invitation_of(&self, recipient: &str) -> (String, String, String) {
        let mut link = None;
        for record in self.flow.store.queue(None, 100).await.unwrap() {
            let to = self.flow.store.queued_recipients(record.id).await.unwrap();
            if to.iter().all(|to| to.address != address(recipient)) {
                continue;
            }
            let shred = match record.shred {
                Some(shred) => self.flow.store.shred_key(shred).await.unwrap(),
                None => None,
            };
            let key = FrameKey::queue(&self.flow.keys.queue, shred.as_ref(), record.id);
            let mut text = String::new();
            let body = self.flow.store.bodies().open(&record.body).unwrap();
            FrameReader::new(body, key).read_to_string(&mut text).unwrap();
            let found = text.split("https://post.weber-roth.example/i/").nth(1);
            link = found.and_then(|rest| rest.split_whitespace().next()).map(ToOwned::to_owned).or(link);
        }
        let link = link.expect("an invitation was queued");
        let (id, token) = link.split_once('#').unwrap();
        let sent = self.alices(Folder::SENT).await;
        let to_them = sent.iter().filter(|sent| sent.contains(&format!("X-Guardpost-Delivery: {recipient}")));
        let pin = to_them.rev().find_map(|sent| sent.split("X-OxGuard-PIN: ").nth(1));
        let pin = pin.map_or(String::new(), |rest| rest.split_whitespace().next().unwrap().to_owned());
        (format!("/i/{id}"), token.trim_end_matches(['"', '>']).to_owned(), pin)
    }

    pub(super) async fn ask(&self, request: Request<Body>) -> Seen {
        let peer = Peer { address: IpAddr::from([192, 0, 2, 1]), secure: true, http2: false };
        let answer = self.portal.answer(request, peer).await;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Seen { status: head.status.as_u16(), headers: head.headers, body }
    }

    pub(super) async fn get(&self, path: &str, cookie: &str) -> Seen {
        let request = Request::get(path).header("host", HOST).header("cookie", cookie);
        self.ask(request.body(Body::empty()).unwrap()).await
    }

    pub(super) async fn post(&self, path: &str, fields: &[(&str, &str)], cookie: &str) -> Seen {
        let request = Request::post(path)
            .header("host", HOST)
            .header("cookie", cookie)
            .header("sec-fetch-site", "same-origin")
            .header("content-type", "application/x-www-form-urlencoded");
        self.ask(request.body(Body::from(encoded(fields))).unwrap()).await
    }

    /// A form with files: name, content.
    pub(super) async fn upload(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        files: &[(&str, &[u8])],
        cookie: &str,
    ) -> Seen {
        let mut body = Vec::new();
        for (name, value) in fields {
            body.extend(
                format!("--bb\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").bytes(),
            );
        }
        for (name, content) in files {
            body.extend(
                format!(
                    "--bb\r\nContent-Disposition: form-data; name=\"attachment\"; filename=\"{name}\"\r\n\
                     Content-Type: text/html\r\n\r\n"
                )
                .bytes(),
            );
            body.extend(*content);
            body.extend(b"\r\n");
        }
        body.extend(b"--bb--\r\n");
        let request = Request::post(path)
            .header("host", HOST)
            .header("cookie", cookie)
            .header("origin", format!("https://{HOST}"))
            .header("content-length", body.len())
            .header("content-type", "multipart/form-data; boundary=bb");
        self.ask(request.body(Body::from(body)).unwrap()).await
    }

    /// The first use with everything right; the session's cookie.
    pub(super) async fn open(&self, path: &str, token: &str, pin: &str) -> Seen {
        let fields = [
            ("token", token),
            ("pin", pin),
            ("password", PASSWORD),
            ("confirm", PASSWORD),
            ("understood", "yes"),
        ];
        self.post(path, &fields, "").await
    }

    /// A mailbox for `bob@mail.example` with one message in it, set up; its session.
    pub(super) async fn opened(&self) -> String {
        self.send("bob@mail.example", &mixed("first")).await;
        let (path, token, pin) = self.invitation().await;
        self.open(&path, &token, &pin).await.cookie().unwrap()
    }
}

/// A message with text, HTML, a picture in it, and two files.
pub(super) fn mixed(subject: &str) -> String {
    format!(
        "From: Alice Roth <{ALICE}>\nTo: bob@mail.example\nSubject: [secure] {subject}\n\
         Message-ID: <{subject}@weber-roth.example>\nMIME-Version: 1.0\n\
         Content-Type: multipart/mixed; boundary=mm\n\n\
         --mm\nContent-Type: multipart/related; boundary=rr\n\n\
         --rr\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n\
         <p>Grüße <script>canary()</script><img src=\"cid:p@x\"><img src=\"https://spy.example/1.gif\">\
         <a href=\"https://weber-roth.example/x\">here</a></p>\n\
         --rr\nContent-Type: image/png\nContent-ID: <p@x>\nContent-Transfer-Encoding: base64\n\n{PNG}\n--rr--\n\
         --mm\nContent-Type: application/pdf; name=\"Vertrag.pdf\"\nContent-Disposition: attachment; \
         filename=\"Vertrag.pdf\"\nContent-Transfer-Encoding: base64\n\nJVBERi0xLjcK\n\
         --mm\nContent-Type: text/html\nContent-Disposition: attachment; filename=\"../x<script>.html\"\n\n\
         <script>canary()</script>\n--mm--\n"
    )
}

/// A page without what differs by chance: id and suggestion.
fn masked(page: &str, id: &str) -> String {
    let page = page.replace(id, "ID");
    let (head, rest) = page.split_once("class=\"secret\">").unwrap_or((&page, ""));
    format!("{head}{}", rest.split_once("</p>").map_or("", |(_, rest)| rest))
}

#[tokio::test]
async fn first_use_reading_answering_sent_and_signing_out() {
    let world = World::new().await;
    world.send("bob@mail.example", &mixed("first")).await;
    let (path, token, pin) = world.invitation().await;
    let page = world.get(&path, "").await;
    assert_eq!(page.status, 200);
    assert!(
        page.text().contains("name=\"pin\"")
            && !page.text().contains("bob@")
            && !page.text().contains("alice")
    );

    let opened = world.open(&path, &token, &pin).await;
    assert_eq!((opened.status, opened.header("location")), (303, "/mailbox"), "{}", opened.text());
    let cookie = opened.cookie().unwrap();
    let list = world.get("/mailbox", &cookie).await.text();
    assert!(list.contains("Your mailbox is open") && list.contains("Alice Roth") && list.contains(">first<"));
    assert!(list.contains("class=\"unread\"") && list.contains("href=\"/mailbox/inbox/1\""));
    assert!(!world.get("/mailbox", &cookie).await.text().contains("Your mailbox is open"), "said once");

    let message = world.get("/mailbox/inbox/1", &cookie).await.text();
    for part in [
        "Alice Roth",
        ALICE,
        "spy.example",
        "Vertrag.pdf",
        "/mailbox/inbox/1/body",
        "PDF document, 9\u{a0}bytes",
    ] {
        assert!(message.contains(part), "{part} in {message}");
    }
    assert!(!message.contains("canary()"));
    assert!(!world.get("/mailbox", &cookie).await.text().contains("class=\"unread\""), "it was seen");

    let frame = world.get("/mailbox/inbox/1/body", &cookie).await;
    assert!(frame.header("content-security-policy").starts_with("sandbox "));
    assert!(frame.text().contains("Grüße") && frame.text().contains("[weber-roth.example]"));
    assert!(frame.text().contains(&format!("data:image/png;base64,{PNG}")));
    assert!(!frame.text().contains("<script") && !frame.text().contains("spy.example"));
    let print = world.get("/mailbox/inbox/1/print", &cookie).await;
    assert!(print.text().contains("Vertrag.pdf") && !print.text().contains("<script"));

    let number = message.split("/attachment/").nth(1).unwrap().split('"').next().unwrap();
    let file = world.get(&format!("/mailbox/inbox/1/attachment/{number}"), &cookie).await;
    assert_eq!(file.body, b"%PDF-1.7\n");
    assert_eq!(file.header("content-type"), "application/octet-stream");
    assert!(file.header("content-disposition").starts_with("attachment; filename=\"Vertrag.pdf\""));
    let second = message.split("/attachment/").nth(2).unwrap().split('"').next().unwrap();
    let html = world.get(&format!("/mailbox/inbox/1/attachment/{second}"), &cookie).await;
    assert_eq!(html.header("content-type"), "application/octet-stream");
    let raw = world.get("/mailbox/inbox/1/raw", &cookie).await;
    assert!(raw.text().contains("Subject: first\r\n") && !raw.text().contains("X-OxGuard-PIN"));
    assert!(raw.header("content-disposition").contains("first.eml"));

    let form = world.get("/mailbox/inbox/1/reply", &cookie).await.text();
    assert!(form.contains("value=\"Re: first\"") && form.contains(ALICE));
    let fields = [("to", "sender"), ("subject", "Re: first"), ("body", "Danke & <b>bis bald</b>")];
    let attachment: Vec<u8> = (0..100_000_u32).map(|n| (n * 7) as u8).collect();
    let files: [(&str, &[u8]); 2] = [("../evil.html", &attachment), ("", b"")];
    let sent = world.upload("/mailbox/inbox/1/reply", &fields, &files, &cookie).await;
    assert_eq!((sent.status, sent.header("location")), (303, "/mailbox/sent?sent=1"), "{}", sent.text());
    let list = world.get("/mailbox/sent?sent=1", &cookie).await.text();
    assert!(list.contains("Your reply was sent") && list.contains("Re: first"));
    assert!(list.contains(&format!("To {ALICE}, on 22\u{a0}November\u{a0}2026")), "{list}");
    let copy = world.get("/mailbox/sent/1", &cookie).await.text();
    assert!(copy.contains("Danke &amp; &lt;b&gt;bis bald") && copy.contains("evil.html"), "{copy}");
    let more = world.get("/mailbox/sent/1/reply", &cookie).await.text();
    assert!(
        more.contains(ALICE) && more.contains("<form method=\"post\" action=\"/mailbox/sent/1/reply\""),
        "{more}"
    );
    let inbox = world.alices(Folder::INBOX).await;
    let answer = inbox.iter().find(|mail| mail.contains("In-Reply-To: <first@weber-roth.example>")).unwrap();
    assert!(answer.contains("From: bob@mail.example") && answer.contains("evil.html"));

    let out = world.post("/logout", &[], &cookie).await;
    assert_eq!((out.status, out.header("location")), (303, "/signed-out"));
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    for path in ["/mailbox", "/mailbox/inbox/1", "/mailbox/inbox/1/raw"] {
        let gone = world.get(path, &cookie).await;
        assert_eq!((gone.status, gone.header("location"), gone.body.len()), (303, "/login", 0), "{path}");
    }
    let fields = [("address", "Bob@Mail.example"), ("password", PASSWORD)];
    let again = world.post("/login", &fields, "").await;
    assert_eq!((again.status, again.header("location")), (303, "/mailbox"));
    assert!(world.get("/mailbox", &again.cookie().unwrap()).await.text().contains(">first<"));
}

#[tokio::test]
async fn every_answer_carries_the_header_set() {
    let world = World::new().await;
    let cookie = world.opened().await;
    let mut seen = Vec::new();
    for route in ROUTES {
        let path = route.path.replace("{folder}", "inbox").replace("{uid}", "1").replace("{n}", "5");
        let path = path.replace("{id}", "00000000000000000000000000");
        for cookie in ["", cookie.as_str()] {
            let request = Request::builder().uri(&path).header("host", HOST).header("cookie", cookie);
            let request = match route.method {
                Verb::Get => request.method("GET"),
                Verb::Post => request.method("POST").header("sec-fetch-site", "same-origin"),
            };
            if route.page == Page::SignOut && !cookie.is_empty() {
                continue;
            }
            seen.push((path.clone(), world.ask(request.body(Body::empty()).unwrap()).await));
        }
    }
    let odd = |method: &str, uri: &str, host: &str| {
        Request::builder().method(method).uri(uri).header("host", host).body(Body::empty()).unwrap()
    };
    let long = format!("/{}", "x".repeat(3_000));
    for (request, status) in [
        (odd("GET", "/nothing", HOST), 404),
        (odd("PUT", "/login", HOST), 405),
        (odd("OPTIONS", "/mailbox", HOST), 405),
        (odd("TRACE", "/", HOST), 405),
        (odd("POST", "/login", HOST), 403),
        (odd("GET", "/login", "evil.example"), 421),
        (odd("GET", "/login", "mta-sts.weber-roth.example"), 404),
        (odd("GET", "/login", "mta-sts.evil.example"), 421),
        (odd("GET", &long, HOST), 414),
        (odd("GET", "/mailbox/search", HOST), 405),
        (odd("PUT", "/mailbox/export", HOST), 405),
        (odd("POST", "/mailbox/export", HOST), 403),
    ] {
        let what = format!("{} {:.40}", request.method(), request.uri());
        let answer = world.ask(request).await;
        assert_eq!(answer.status, status, "{what}");
        seen.push((what, answer));
    }
    assert!(seen.len() > 40);
    let mut page = HeaderMap::new();
    headers::set(&mut page, Policy::Page, true);
    let mut frame = HeaderMap::new();
    headers::set(&mut frame, Policy::Frame, true);
    for (what, answer) in seen {
        let framed = answer.status == 200 && (what.ends_with("/body") || what.ends_with("/print"));
        for (name, value) in if framed { &frame } else { &page } {
            let all: Vec<&HeaderValue> = answer.headers.get_all(name).iter().collect();
            assert_eq!(all, [value], "{name} of {what}");
        }
        assert!(answer.status < 500, "{what}");
    }
}

#[tokio::test]
async fn without_a_session_of_its_own_nothing_is_shown() {
    let world = World::new().await;
    let cookie = world.opened().await;
    world.send("carol@mail.example", &mixed("other")).await;
    let (path, token, pin) = world.invitation_of("carol@mail.example").await;
    let foreign = world.open(&path, &token, &pin).await.cookie().unwrap();
    world.send("bob@mail.example", &mixed("second")).await;

    let value = cookie.strip_prefix("__Host-gp=").unwrap();
    let wrong_name = format!("gp={value}");
    let longer = format!("{cookie}A");
    for route in ROUTES.iter().filter(|route| route.who == Who::Session) {
        let path = route.path.replace("{folder}", "inbox").replace("{uid}", "2").replace("{n}", "5");
        for cookie in ["", "__Host-gp=", "__Host-gp=AAAA", wrong_name.as_str(), longer.as_str()] {
            let answer = match route.method {
                Verb::Get => world.get(&path, cookie).await,
                Verb::Post => world.post(&path, &[("body", "x")], cookie).await,
            };
            assert!(matches!(answer.status, 303 | 403), "{path} {cookie} {}", answer.status);
            assert!(!answer.text().contains("second") && answer.cookie().is_none(), "{path} {cookie}");
        }
        if path.contains("/inbox/") {
            let answer = match route.method {
                Verb::Get => world.get(&path, &foreign).await,
                Verb::Post => world.post(&path, &[("body", "x")], &foreign).await,
            };
            assert_eq!(answer.status, 404, "carol has no message 2: {path}");
        }
        if route.method == Verb::Get {
            let own = world.get(&path, &cookie).await;
            assert!(own.status == 200 || path.contains("attachment"), "{path} {}", own.status);
        }
    }
}

#[tokio::test]
async fn visits_change_nothing_and_show_nothing() {
    let world = World::new().await;
    world.send("bob@mail.example", &mixed("first")).await;
    let (path, token, pin) = world.invitation().await;
    let before = world.alices(Folder::INBOX).await.len();
    for _ in 0..30 {
        for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"] {
            let request = Request::builder().method(method).uri(&path).header("host", HOST);
            world.ask(request.body(Body::empty()).unwrap()).await;
        }
        world.get(&format!("{path}/cancelled"), "").await;
        world.get(&format!("{path}/no-pin"), "").await;
        world.get(&format!("{path}/asked"), "").await;
    }
    let cancelled = world.get(&format!("{path}/cancelled"), "").await;
    assert!(cancelled.text().contains("Nothing was set up"));
    assert_eq!(world.alices(Folder::INBOX).await.len(), before, "nobody was told anything");
    assert_eq!(world.open(&path, &token, &pin).await.status, 303);
}

#[tokio::test]
async fn a_wrong_code_and_an_unknown_id_are_the_same_bytes() {
    let world = World::new().await;
    world.send("bob@mail.example", &mixed("first")).await;
    let (path, token, pin) = world.invitation().await;
    let id = path.strip_prefix("/i/").unwrap().to_owned();
    let unknown = "0000000000000000000000000g";
    let known_page = world.get(&path, "").await;
    let unknown_page = world.get(&format!("/i/{unknown}"), "").await;
    assert_eq!(masked(&known_page.text(), &id), masked(&unknown_page.text(), unknown));
    assert_eq!((known_page.status, unknown_page.status), (200, 200));

    let wrong = "0000-0000-0000-0000-0000-0000-0000-0000";
    let fields = [
        ("token", wrong),
        ("pin", &*pin),
        ("password", PASSWORD),
        ("confirm", PASSWORD),
        ("understood", "1"),
    ];
    let known = world.post(&path, &fields, "").await;
    let made_up = world.post(&format!("/i/{unknown}"), &fields, "").await;
    assert_eq!((known.status, made_up.status), (403, 403));
    assert_eq!(masked(&known.text(), &id), masked(&made_up.text(), unknown));
    assert!(known.text().contains("This access code does not belong to this page"));
    assert_eq!(world.open(&path, &token, &pin).await.status, 303, "no try was used");
}

#[tokio::test]
async fn rules_are_said_and_cost_no_try() {
    let world = World::new().await;
    world.send("bob@mail.example", &mixed("first")).await;
    let (path, token, pin) = world.invitation().await;
    for (password, confirm, understood, pin, says) in [
        ("short", "short", "yes", &*pin, "at least 12 characters"),
        (PASSWORD, "another password", "yes", &*pin, "The two passwords are not the same"),
        (PASSWORD, PASSWORD, "", &*pin, "Please confirm that you have noted"),
        (PASSWORD, PASSWORD, "yes", "", "Enter the PIN"),
        ("aaaaaaaaaaaaaa", "aaaaaaaaaaaaaa", "yes", &*pin, "Too many people use this password"),
        ("bob@mail.example", "bob@mail.example", "yes", &*pin, "Your address is not a good password"),
    ] {
        let fields = [
            ("token", &*token),
            ("pin", pin),
            ("password", password),
            ("confirm", confirm),
            ("understood", understood),
        ];
        let answer = world.post(&path, &fields, "").await;
        assert_eq!(answer.status, 422, "{says}");
        let text = answer.text();
        assert!(text.contains(says), "{says}: {text}");
        assert!(text.contains(&format!("name=\"token\" value=\"{token}\"")), "the code comes back");
        assert!(!text.contains(&format!("value=\"{password}\"")) && !text.contains("name=\"pin\" value=\"1"));
        assert!(text.contains("no try was used"));
    }
    assert_eq!(world.open(&path, &token, &pin).await.status, 303);
}

#[tokio::test]
async fn ten_wrong_pins_close_the_invitation() {
    let world = World::new().await;
    world.send("bob@mail.example", &mixed("first")).await;
    let (path, token, pin) = world.invitation().await;
    let wrong = if pin == "483920" { "483921" } else { "483920" };
    for left in (0..10).rev() {
        world.clock.pass(30);
        let answer = world.open(&path, &token, wrong).await;
        if left > 0 {
            assert_eq!(answer.status, 403, "{}", answer.text());
            let says = if left == 1 { "1 try left".to_owned() } else { format!("{left} tries left") };
            assert!(answer.text().contains(&says), "{says}");
        } else {
            assert!(matches!(answer.status, 403 | 410), "{}", answer.status);
        }
    }
    world.clock.pass(60);
    let dead = world.open(&path, &token, &pin).await;
    assert_eq!(dead.status, 410, "the right PIN is too late");
    assert!(dead.text().contains("This invitation is closed"));
    assert_eq!(world.get(&path, "").await.status, 410);
    let told = world.alices(Folder::INBOX).await.len();
    assert!(told >= 3, "the note with the PIN, after three, after ten: {told}");
}

#[tokio::test]
async fn a_second_first_use_is_too_late() {
    let world = World::new().await;
    world.send("bob@mail.example", &mixed("first")).await;
    let (path, token, pin) = world.invitation().await;
    let use_with = async |password: &str| {
        let fields = [
            ("token", &*token),
            ("pin", &pin),
            ("password", password),
            ("confirm", password),
            ("understood", "yes"),
        ];
        world.post(&path, &fields, "").await
    };
    let (one, two) = tokio::join!(use_with("the first of two people"), use_with("the other of two people"));
    let statuses = BTreeSet::from([one.status, two.status]);
    assert_eq!(statuses, BTreeSet::from([303, 409]));
    let late = use_with("somebody else altogether").await;
    assert_eq!(late.status, 409);
    assert!(late.text().contains("This mailbox is already set up") && !late.text().contains("bob@"));
    assert!(late.text().contains("You never chose a password here?") && late.cookie().is_none());
    let page = world.get(&path, "").await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("href=\"/login\""));
}

/// Without scripts nothing holds a second press back: the browser drops the first answer and waits for the next.
#[tokio::test]
async fn the_button_pressed_again_opens_the_same_mailbox() {
    let world = World::new().await;
    world.send("bob@mail.example", &mixed("first")).await;
    let (path, token, pin) = world.invitation().await;
    let (one, two) = tokio::join!(world.open(&path, &token, &pin), world.open(&path, &token, &pin));
    let three = world.open(&path, &token, &pin).await;
    let answers = [one, two, three];
    let locations: Vec<_> = answers.iter().map(|answer| (answer.status, answer.header("location"))).collect();
    assert_eq!(locations, [(303, "/mailbox"); 3]);
    let cookies = answers.each_ref().map(|answer| answer.cookie().unwrap());
    assert_eq!(world.get("/mailbox", &cookies[0]).await.status, 303, "nobody holds this one");
    let list = world.get("/mailbox", &cookies[2]).await;
    assert!(list.text().contains("first") && list.status == 200, "{}", list.text());
    let sessions = world.get("/mailbox/sessions", &cookies[2]).await.text();
    assert_eq!(sessions.matches("name=\"session\"").count(), 0, "no other one is left: {sessions}");
    let opened = world.alices(Folder::INBOX).await;
    assert_eq!(opened.iter().filter(|note| note.contains("was opened")).count(), 1, "told once: {opened:?}");

    // Another password, an access code that is wrong, or later: as for everybody who comes too late.
    let again = async |token: &str, password: &str| {
        let fields = [
            ("token", token),
            ("pin", &*pin),
            ("password", password),
            ("confirm", password),
            ("understood", "yes"),
        ];
        let answer = world.post(&path, &fields, "").await;
        (answer.status, answer.cookie())
    };
    assert_eq!(again(&token, "not the one that was chosen").await, (409, None));
    assert_eq!(again("AAAA-BBBB-CCCC-DDDD-EEEE-FFFF-GG", PASSWORD).await, (409, None));
    world.clock.pass(3);
    let late = world.open(&path, &token, &pin).await;
    assert!(late.status == 409 && late.cookie().is_none(), "the link opens nothing after its first use");
}

#[tokio::test]
async fn who_is_known_here_is_told_to_nobody() {
    let world = World::new().await;
    world.opened().await;
    world.send("carol@mail.example", &mixed("other")).await;
    let mut pages = BTreeSet::new();
    for address in ["bob@mail.example", "carol@mail.example", "nobody@mail.example", ALICE, "no address", ""]
    {
        world.clock.pass(30);
        let fields = [("address", address), ("password", "not the right one")];
        let answer = world.post("/login", &fields, "").await;
        assert_eq!(answer.status, 403, "{address}");
        pages.insert(answer.text().replace(&format!("value=\"{address}\""), "value=\"\""));
    }
    assert_eq!(pages.len(), 1, "one page for all");
    let account = world.post("/login", &[("address", ALICE), ("password", PASSWORD)], "").await;
    assert_eq!(account.status, 403, "accounts do not sign in here");
}

#[tokio::test]
async fn guessing_is_paused_for_the_network() {
    let world = World::new().await;
    let mut statuses = Vec::new();
    for _ in 0..8 {
        let fields = [("address", "bob@mail.example"), ("password", "not the right one")];
        statuses.push(world.post("/login", &fields, "").await);
    }
    assert_eq!(statuses.iter().filter(|answer| answer.status == 403).count(), 5);
    let paused = statuses.last().unwrap();
    assert_eq!(paused.status, 429);
    assert!(paused.header("retry-after").parse::<u64>().unwrap() <= 60);
    assert!(paused.text().contains("Too many attempts"));
    world.clock.pass(5);
    let later =
        world.post("/login", &[("address", "x@y.example"), ("password", "not the right one")], "").await;
    assert_eq!(later.status, 403);
}

#[tokio::test]
async fn sessions_end() {
    let world = World::new().await;
    let cookie = world.opened().await;
    assert_eq!(world.get("/mailbox", &cookie).await.status, 200);
    world.clock.wall.fetch_sub(7_200, Ordering::Relaxed);
    world.clock.running.fetch_add(16 * 60, Ordering::Relaxed);
    assert_eq!(world.get("/mailbox", &cookie).await.status, 303, "idle, whatever the wall clock says");

    let sign_in = [("address", "bob@mail.example"), ("password", PASSWORD)];
    let preset = format!("__Host-gp={}", "A".repeat(43));
    let cookie = world.post("/login", &sign_in, &preset).await.cookie().unwrap();
    assert_ne!(cookie, preset);
    assert_eq!(world.get("/mailbox", &preset).await.status, 303, "a cookie that somebody planted is nothing");
    let next = world.post("/login", &sign_in, &cookie).await.cookie().unwrap();
    assert_eq!(world.get("/mailbox", &cookie).await.status, 303, "a new sign-in ends the former session");
    assert_eq!(world.get("/mailbox", &next).await.status, 200);

    world.flow.remove_mailbox(&address("bob@mail.example"), MailboxKind::Temporary).await.unwrap();
    assert_eq!(world.get("/mailbox", &next).await.status, 303, "the mailbox is gone, and so is the session");
    assert_eq!(world.post("/login", &sign_in, "").await.status, 403);
}

#[tokio::test]
async fn an_answer_typed_too_late_is_carried_along() {
    let world = World::new().await;
    let cookie = world.opened().await;
    world.clock.pass(20);
    let fields = [("to", "sender"), ("subject", "Re: <x>"), ("body", "typed for an hour")];
    let ended = world.upload("/mailbox/inbox/1/reply", &fields, &[("a.txt", b"x")], &cookie).await;
    assert_eq!(ended.status, 403);
    let text = ended.text();
    assert!(text.contains("You were signed out") && text.contains("value=\"typed for an hour\""));
    assert!(text.contains("name=\"then\" value=\"inbox/1\"") && text.contains("Re: &#60;x&#62;"));
    let fields = [
        ("then", "inbox/1"),
        ("subject", "Re: <x>"),
        ("body", "typed for an hour"),
        ("address", "bob@mail.example"),
        ("password", PASSWORD),
    ];
    let resumed = world.post("/login", &fields, "").await;
    assert_eq!(resumed.status, 200);
    assert!(resumed.text().contains(">\ntyped for an hour</textarea>"), "{}", resumed.text());
    assert!(resumed.text().contains("action=\"/mailbox/inbox/1/reply\""));
    assert!(resumed.cookie().is_some());
}

#[tokio::test]
async fn answers_that_cannot_be_taken() {
    let world = World::new().await;
    let cookie = world.opened().await;
    let path = "/mailbox/inbox/1/reply";
    let empty = world.post(path, &[("to", "sender"), ("subject", "s"), ("body", "  ")], &cookie).await;
    assert_eq!(empty.status, 422);
    assert!(empty.text().contains("Write a message."));
    let large = vec![b'x'; 20 << 20];
    let fields = [("to", "sender"), ("subject", "kept subject"), ("body", "kept text")];
    let refused = world.upload(path, &fields, &[("small.txt", b"x"), ("large.bin", &large)], &cookie).await;
    assert_eq!(refused.status, 413);
    let text = refused.text();
    assert!(text.contains("large.bin") && text.contains("kept text") && text.contains("kept subject"));
    let lies = Request::post(path)
        .header("host", HOST)
        .header("cookie", &cookie)
        .header("sec-fetch-site", "same-origin")
        .header("content-type", "multipart/form-data; boundary=x")
        .header("content-length", 1_u64 << 40)
        .body(Body::empty())
        .unwrap();
    assert_eq!(world.ask(lies).await.status, 413);
    let broken = Request::post(path)
        .header("host", HOST)
        .header("cookie", &cookie)
        .header("sec-fetch-site", "same-origin")
        .header("content-type", "multipart/form-data; boundary=x")
        .body(Body::from("--x\r\nContent-Disposition: form-data; name=\"body\"\r\n\r\nno end"))
        .unwrap();
    assert_eq!(world.ask(broken).await.status, 400);
    assert!(world.get("/mailbox/sent", &cookie).await.text().contains("You have not sent anything yet."));
    let fits = vec![b'x'; 17 << 20];
    let taken = world.upload(path, &fields, &[("fits.bin", &fits)], &cookie).await;
    assert_eq!(taken.status, 303, "{}", taken.text());
}

#[tokio::test]
async fn forms_from_elsewhere_are_refused() {
    let world = World::new().await;
    let cookie = world.opened().await;
    for (name, value) in
        [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example"), ("origin", "null"), ("x", "y")]
    {
        for route in ROUTES.iter().filter(|route| route.method == Verb::Post) {
            let path = route.path.replace("{folder}", "inbox").replace("{uid}", "1");
            let path = path.replace("{id}", "00000000000000000000000000");
            let path = path.as_str();
            let request = Request::post(path)
                .header("host", HOST)
                .header("cookie", &cookie)
                .header(name, value)
                .header("content-type", "application/x-www-form-urlencoded");
            assert_eq!(
                world.ask(request.body(Body::from("body=x")).unwrap()).await.status,
                403,
                "{path} {name}"
            );
        }
    }
    assert_eq!(world.get("/mailbox", &cookie).await.status, 200, "still signed in");
}

#[tokio::test]
async fn the_sender_is_told_once_a_day_that_a_pin_is_wanted() {
    let world = World::new().await;
    world.send("bob@mail.example", &mixed("first")).await;
    let (path, token, _) = world.invitation().await;
    let before = world.alices(Folder::INBOX).await.len();
    for _ in 0..3 {
        let told = world.post(&format!("{path}/no-pin"), &[("token", &token)], "").await;
        assert_eq!(told.status, 303, "{}", told.text());
        assert_eq!(told.header("location"), format!("{path}/asked"));
        let page = world.get(&format!("{path}/asked"), "").await;
        assert!(page.status == 200 && page.text().contains("The sender has been told"), "{}", page.text());
    }
    assert_eq!(world.alices(Folder::INBOX).await.len(), before + 1);
    let wrong = world.post(&format!("{path}/no-pin"), &[("token", "nothing")], "").await;
    assert_eq!(wrong.status, 403);
}

#[tokio::test]
async fn pages_speak_the_language_that_was_chosen() {
    let world = World::new().await;
    let request = Request::get("/login").header("host", HOST).header("accept-language", "de-CH,en;q=0.5");
    let german = world.ask(request.body(Body::empty()).unwrap()).await;
    assert!(german.text().contains("lang=\"de\"") && german.text().contains("Anmelden"));
    assert!(german.headers.get("set-cookie").is_none());
    let chosen = world.get("/login?lang=de", "").await;
    assert!(chosen.text().contains("Anmelden") && chosen.header("set-cookie").starts_with("__Host-gl=de;"));
    assert!(chosen.text().contains("formaction=\"/login?lang=en\""));
    assert!(world.get("/login", "__Host-gl=de").await.text().contains("Anmelden"));
    assert!(world.get("/login?lang=xx", "").await.text().contains("Sign in"));
}

/// The code of a test message is long: who changes the language while it is typed does not begin anew.
#[tokio::test]
async fn a_code_goes_along_into_the_other_language() {
    let world = World::new().await;
    let cookie = world.opened().await;
    let page = world.get("/mailbox/key", &cookie).await.text();
    assert!(!page.contains("id=\"code\"") && page.contains("href=\"/mailbox/key?lang=de\""), "{page}");
    assert_eq!(world.post("/mailbox/key/direct", &[("key", "mailbox")], &cookie).await.status, 303);
    let page = world.get("/mailbox/key", &cookie).await.text();
    let button = "form=\"confirm\" formaction=\"/mailbox/key/confirm?lang=de\"";
    assert!(page.contains(button) && page.contains("id=\"confirm\""), "{page}");
    for _ in 0..6 {
        let fields = [("code", "0471 \""), ("lang", "de")];
        let other = world.post("/mailbox/key/confirm?lang=de", &fields, &cookie).await;
        let text = other.text();
        assert!(other.status == 200 && text.contains("<html lang=\"de\">"), "{text}");
        assert!(text.contains("name=\"code\" type=\"text\" value=\"0471 &#34;\""), "{text}");
        assert!(text.contains("formaction=\"/mailbox/key/confirm?lang=en\""), "and back: {text}");
    }
    let wrong = world.post("/mailbox/key/confirm", &[("code", "00000000")], &cookie).await;
    assert_eq!(wrong.status, 403, "no try was used");
    assert!(wrong.text().contains("name=\"code\" type=\"text\" value=\"\"") && wrong.text().contains(button));
}

#[tokio::test]
async fn many_messages_come_in_pages() {
    let world = World::new().await;
    let cookie = world.opened().await;
    for number in 2..=95 {
        world.send("bob@mail.example", &mixed(&format!("number-{number}"))).await;
    }
    let numbers = |page: &str| -> Vec<u32> {
        let links = page.split("href=\"/mailbox/inbox/").skip(1);
        links.map(|rest| rest.split('"').next().unwrap().parse().unwrap()).collect()
    };
    let follow = |page: &str, rel: &str| -> Option<String> {
        let before =
            page.split(&format!("\" rel=\"{rel}\"")).next().filter(|before| before.len() < page.len())?;
        Some(before.rsplit("href=\"").next().unwrap().replace("&#38;", "&"))
    };
    let mut path = Some("/mailbox".to_owned());
    let (mut all, mut last) = (Vec::new(), String::new());
    while let Some(next) = path {
        last = next;
        let page = world.get(&last, &cookie).await.text();
        all.push(numbers(&page));
        path = follow(&page, "next");
    }
    assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), [40, 40, 15]);
    assert_eq!(all.concat(), (1..=95).rev().collect::<Vec<_>>(), "newest first, none twice, none missing");
    let page = world.get(&last, &cookie).await.text();
    let newer = world.get(&follow(&page, "prev").unwrap(), &cookie).await.text();
    assert_eq!(numbers(&newer), all[1]);
    assert_eq!(follow(&newer, "prev").unwrap(), "/mailbox");
}

#[tokio::test]
async fn plain_http_only_redirects() {
    let world = World::new().await;
    let peer = Peer { address: IpAddr::from([192, 0, 2, 1]), secure: false, http2: false };
    for (method, status) in [("GET", 301), ("POST", 308)] {
        let request = Request::builder().method(method).uri("/login").header("host", HOST);
        let answer = world.portal.answer(request.body(Body::empty()).unwrap(), peer).await;
        assert_eq!(answer.status(), StatusCode::from_u16(status).unwrap());
        assert_eq!(answer.headers()["location"], format!("https://{HOST}/login"));
        assert!(answer.headers().get("strict-transport-security").is_none());
    }
}

#[tokio::test]
async fn monitors_and_assets() {
    let world = World::new().await;
    for (path, kind, part) in [
        ("/health", "text/plain; charset=utf-8", "ok"),
        ("/guard.css", "text/css; charset=utf-8", "--brand: #aa0011"),
        ("/guard.js", "text/javascript; charset=utf-8", "location.hash"),
        ("/mailbox.js", "text/javascript; charset=utf-8", "pageshow"),
        ("/logo", "image/svg+xml", "<svg"),
        ("/help", "text/html; charset=utf-8", "This is not end-to-end encryption."),
        ("/login", "text/html; charset=utf-8", "Weber &#38; &#60;Roth&#62;"),
    ] {
        let answer = world.get(path, "").await;
        assert_eq!((answer.status, answer.header("content-type")), (200, kind), "{path}");
        assert!(answer.text().contains(part), "{path}");
        assert!(answer.body.len() < 30_000, "{path} {}", answer.body.len());
    }
    assert_eq!(world.get("/", "").await.header("location"), "/login");
    let full = world.get("/help", "").await;
    let head = Request::head("/help").header("host", HOST).body(Body::empty()).unwrap();
    let head = world.ask(head).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), full.body.len().to_string());
}

#[tokio::test]
async fn a_changed_message_is_called_damaged_and_nothing_of_it_is_shown() {
    let world = World::new().await;
    let cookie = world.opened().await;
    let before = files(&world.dir.path().join("bodies"));
    let long = format!("From: <{ALICE}>\nSubject: [secure] long\n\n{}\n", "marker words\n".repeat(5_000));
    world.send("bob@mail.example", &long).await;
    assert!(world.get("/mailbox/inbox/2", &cookie).await.text().contains("marker words"));
    let mut changed = 0;
    for path in files(&world.dir.path().join("bodies")).difference(&before) {
        let mut bytes = std::fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(path, bytes).unwrap();
        changed += 1;
    }
    assert!(changed > 0, "there were body files to change");
    for path in ["", "/body", "/raw", "/print", "/reply", "/attachment/0"] {
        let answer = world.get(&format!("/mailbox/inbox/2{path}"), &cookie).await;
        let text = answer.text();
        assert!(text.contains("This message is damaged"), "{path}: {} {text}", answer.status);
        assert!(!text.contains("marker words") && !text.contains("{$"), "{path}");
    }
    assert_eq!(world.get("/mailbox/inbox/1", &cookie).await.status, 200, "the others are as they were");
}

pub(super) fn files(dir: &std::path::Path) -> BTreeSet<std::path::PathBuf> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path))
        } else {
            found.insert(path);
        };
    }
    found
}

/// `{$name}` on a page is a text that was asked for without what it names.
#[tokio::test]
async fn no_text_lacks_what_it_names() {
    let world = World::new().await;
    let cookie = world.opened().await;
    world.send("carol@mail.example", &mixed("other")).await;
    let (open, ..) = world.invitation_of("carol@mail.example").await;
    let (used, ..) = world.invitation().await;
    for lang in ["en", "de"] {
        for path in [
            "/login",
            "/help",
            "/nothing",
            "/mailbox",
            "/mailbox/sent",
            "/mailbox/sent?sent=1",
            "/mailbox/inbox/1",
            "/mailbox/inbox/1/body",
            "/mailbox/inbox/1/print",
            "/mailbox/inbox/1/reply",
            "/mailbox/key",
            "/mailbox/export",
            "/mailbox/sessions",
            "/mailbox/sessions?ended=1",
            "/mailbox/inbox/99",
            &open,
            &used,
            &format!("{used}/cancelled"),
            "/i/0000000000000000000000000g",
        ] {
            let mark = if path.contains('?') { '&' } else { '?' };
            let cookie = if path.starts_with("/mailbox") { cookie.as_str() } else { "" };
            let page = world.get(&format!("{path}{mark}lang={lang}"), cookie).await.text();
            assert!(page.contains(&format!("<html lang=\"{lang}\"")), "{path}");
            assert!(!page.contains("{$") && !page.contains("{ $"), "{path} {lang}: {page}");
        }
    }
}
