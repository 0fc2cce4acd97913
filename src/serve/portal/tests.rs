//! The portal whole, on real flows and the model store: requests in, answers out, no socket.
//!
//! What the tests stand on, and the main job from the first use to signing out; other tests are in the `*_tests` files.

use super::*;
use crate::base::address::Address;
use crate::base::envelope::Envelope;
use crate::base::envelope::Recipient;
use crate::base::random::Random;
use crate::base::reverse_path::ReversePath;
use crate::base::time::Clock;
use crate::base::time::Time;
use crate::flow::Ground;
use crate::flow::intake::Arrived;
use crate::flow::intake::Peer as SmtpPeer;
use crate::flow::sign_in::Realm;
use crate::mime::scan::Limits;
use crate::mime::scan::Scanner;
use crate::net::dns::Table;
use crate::store::model::Model;
use crate::store::record::Folder;
use crate::store::record::Uid;
use crate::store::spool::SpoolDir;
use crate::vault::OsRandom;
use crate::vault::frames::FrameKey;
use crate::vault::frames::FrameReader;
use crate::vault::keyring::Keys;
use crate::vault::slot::Parameters;
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
    pub(super) wall: AtomicI64,
    pub(super) running: AtomicU64,
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
                sender: ReversePath::Address(address(ALICE)),
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
