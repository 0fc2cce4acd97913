//! The driver on real sockets, the flows behind it, the model as store.

mod under_way;

use crate::base::address::Address;
use crate::base::envelope::Envelope;
use crate::base::envelope::Recipient;
use crate::base::reverse_path::ReversePath;
use crate::base::secret::Secret;
use crate::base::time::Clock;
use crate::base::time::Time;
use crate::config::Config;
use crate::flow::Flow;
use crate::flow::Ground;
use crate::flow::account_keys::ChangeWish;
use crate::flow::intake::Arrived;
use crate::flow::intake::Peer;
use crate::imap::frame::Frame;
use crate::imap::session::Link;
use crate::mime::scan::Scanner;
use crate::net::dns::Table;
use crate::net::listen::Handler;
use crate::net::stream::Stream;
use crate::net::tls::Alpn;
use crate::net::tls::Certificates;
use crate::net::tls::TlsClient;
use crate::net::tls::TlsServer;
use crate::net::tls::self_signed;
use crate::serve::imap::Imap;
use crate::serve::imap::Limits;
use crate::serve::imap::connection::Connection;
use crate::serve::imap::mailbox::Mailbox;
use crate::store::command::Command;
use crate::store::model::Model;
use crate::store::record::Folder;
use crate::store::record::MailboxKind;
use crate::store::record::Uid;
use crate::store::spool::SpoolDir;
use crate::vault::OsRandom;
use crate::vault::keyring::Keys;
use crate::vault::slot::Parameters;
use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const PASSWORD: &str = "alice likes long passwords";
const LOGIN: &str = "LOGIN alice@example.org \"alice likes long passwords\"";
const MAIL: &str = "From: x@example.net\r\nTo: alice@example.org\r\nSubject: one\r\n\
    Message-ID: <one@example.net>\r\nDate: Sun, 22 Nov 2026 03:33:13 +0000\r\n\r\nthe body\r\n";

struct StillClock;

impl Clock for StillClock {
    fn now(&self) -> Time {
        Time(1_795_318_393)
    }

    fn running(&self) -> Duration {
        Duration::from_secs(1_000)
    }
}

struct World {
    flow: Arc<Flow>,
    imap: Arc<Imap>,
    tls: TlsServer,
    stop: CancellationToken,
    _dir: tempfile::TempDir,
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

impl World {
    async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    async fn with(limits: Limits) -> Self {
        Self::of("", limits).await
    }

    /// `lines` stand at the end of guard.toml.
    async fn of(lines: &str, limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = Config::from_text(&format!(
            "hostname = \"mail.example.org\"\ntls = {{ certificate = \"/c\", key = \"/k\" }}\n\
             portal = {{ url = \"https://post.example.org\" }}\n[[domain]]\nname = \"example.org\"\n{lines}",
        ))
        .unwrap();
        let ground = Ground {
            store: Arc::new(Model::new(dir.path()).unwrap()),
            keys: Arc::new(Keys::generate(&OsRandom)),
            spools: SpoolDir::open(&dir.path().join("spool")).unwrap(),
            clock: Arc::new(StillClock),
            random: Arc::new(OsRandom),
            dns: Arc::new(Table::default()),
            password_cost: Parameters::SMALL,
        };
        let flow = Flow::new(ground, Arc::new(config));
        flow.add_account(&address("alice@example.org"), &Secret::new(PASSWORD.to_owned())).await.unwrap();
        let made = self_signed(&["mail.example.org".into()], Time(1_795_318_393)).unwrap();
        let certificates = Certificates::fixed(made.certificate.as_bytes(), made.key.as_bytes()).unwrap();
        let tls = certificates.server(Alpn::Imap).unwrap();
        let imap = Arc::new(Imap::new(flow.clone(), Some(tls.clone()), limits));
        Self { flow, imap, tls, stop: CancellationToken::new(), _dir: dir }
    }

    /// A connection, and the task that serves it.
    async fn connect(&self, inside_tls: bool) -> (Client, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let (imap, tls, stop) = (self.imap.clone(), self.tls.clone(), self.stop.clone());
        let served = tokio::spawn(async move {
            let mut stream = Stream::plain(accepted).unwrap();
            if inside_tls {
                stream = stream.accept_tls(&tls).await.unwrap();
            }
            imap.serve(stream, stop).await;
        });
        let mut stream = Stream::plain(socket).unwrap();
        if inside_tls {
            stream = stream.connect_tls(&TlsClient::default(), "mail.example.org").await.unwrap();
        }
        let mut client = Client { stream, read: Vec::new() };
        assert!(client.line().await.starts_with("* OK "));
        (client, served)
    }

    /// A connection that is signed in.
    async fn signed_in(&self) -> Client {
        let mut client = self.connect(true).await.0;
        assert!(client.ask(LOGIN).await.last().unwrap().starts_with("t OK"));
        client
    }

    /// Mail from outside for Alice.
    async fn deliver(&self, message: &[u8]) {
        let mut spool = self.flow.spools.begin();
        spool.write_all(message).unwrap();
        let arrived = Arrived {
            envelope: Envelope {
                sender: ReversePath::Address(address("x@example.net")),
                recipients: vec![Recipient::plain(address("alice@example.org"))],
                ..Envelope::default()
            },
            spool: spool.finish().unwrap(),
            structure: Scanner::scan(message, crate::mime::scan::Limits::default()).unwrap(),
            peer: Peer {
                ip: IpAddr::from([192, 0, 2, 7]),
                helo: "client.example".into(),
                extended: true,
                tls: None,
            },
        };
        self.flow.take_in(arrived).await.unwrap();
    }
}

struct Client {
    stream: Stream,
    read: Vec<u8>,
}

impl Client {
    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// More bytes; false at the end.
    async fn more(&mut self) -> bool {
        let mut bytes = vec![0; 64 << 10];
        let count = self.stream.read(&mut bytes).await.unwrap_or(0);
        self.read.extend_from_slice(&bytes[..count]);
        count > 0
    }

    /// One line without its end; empty when the connection has ended.
    async fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return String::from_utf8_lossy(&line).trim_end_matches("\r\n").to_owned();
            }
            if !self.more().await {
                return String::new();
            }
        }
    }

    async fn octets(&mut self, count: usize) -> Vec<u8> {
        while self.read.len() < count {
            assert!(self.more().await, "ended within a literal");
        }
        self.read.drain(..count).collect()
    }

    /// The lines up to the tagged one.
    async fn answer(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.line().await;
            let last = line.starts_with("t ") || line.is_empty();
            lines.push(line);
            if last {
                return lines;
            }
        }
    }

    async fn ask(&mut self, command: &str) -> Vec<String> {
        self.send(format!("t {command}\r\n").as_bytes()).await;
        self.answer().await
    }

    /// The only literal that a FETCH answers with.
    async fn literal(&mut self, command: &str) -> Vec<u8> {
        self.send(format!("t {command}\r\n").as_bytes()).await;
        let line = self.line().await;
        let size = line.rsplit_once('{').and_then(|(_, size)| size.strip_suffix('}')?.parse().ok());
        let literal = self.octets(size.unwrap_or_else(|| panic!("{line}"))).await;
        assert!(self.answer().await.last().unwrap().starts_with("t OK"));
        literal
    }

    async fn append(&mut self, folder: &str, message: &[u8]) -> String {
        self.send(format!("t APPEND {folder} {{{}}}\r\n", message.len()).as_bytes()).await;
        let line = self.line().await;
        if !line.starts_with("+ ") {
            return line;
        }
        self.send(message).await;
        self.send(b"\r\n").await;
        self.answer().await.pop().unwrap()
    }
}

#[tokio::test]
async fn mail_is_read_octet_for_octet() {
    let world = World::new().await;
    let mut big = MAIL.as_bytes().to_vec();
    big.extend((0..60_000).flat_map(|n| format!("line {n:05}\r\n").into_bytes()));
    world.deliver(MAIL.as_bytes()).await;
    world.deliver(&big).await;
    let mut client = world.signed_in().await;
    assert!(client.ask("SELECT INBOX").await.contains(&"* 2 EXISTS".to_owned()));
    let small = client.literal("FETCH 1 BODY.PEEK[]").await;
    assert!(small.ends_with(MAIL.as_bytes()));
    assert!(String::from_utf8_lossy(&small).contains("X-Guardpost-Encrypted: at-rest\r\n"));
    let whole = client.literal("FETCH 2 BODY.PEEK[]").await;
    assert!(whole.ends_with(&big));
    let size = client.ask("FETCH 2 RFC822.SIZE").await;
    assert_eq!(size[0], format!("* 2 FETCH (RFC822.SIZE {})", whole.len()));
    for (first, count) in [(0, 10), (300_000, 200_000), (whole.len() - 5, 900), (whole.len(), 1)] {
        let part = client.literal(&format!("FETCH 2 BODY.PEEK[]<{first}.{count}>")).await;
        assert_eq!(part, &whole[first..(first + count).min(whole.len())]);
    }
    let told = client.ask("FETCH 1:2 (FLAGS ENVELOPE BODYSTRUCTURE)").await;
    assert!(told[0].contains("FLAGS ()") && told[0].contains("\"one\""), "{told:?}");
    assert!(told[1].contains("\"text\" \"plain\""), "{told:?}");
    client.literal("FETCH 2 BODY[TEXT]<0.5>").await;
    assert_eq!(client.ask("SEARCH UNSEEN").await[0], "* SEARCH 1");
    assert_eq!(client.ask("SEARCH BODY \"line 59999\"").await[0], "* SEARCH 2");
    assert_eq!(client.ask("SEARCH SUBJECT one LARGER 1000").await[0], "* SEARCH 2");
    assert_eq!(client.ask("LOGOUT").await, ["* BYE signing out", "t OK signed out"]);
    assert_eq!(client.line().await, "");
}

#[tokio::test]
async fn an_append_comes_back_unchanged_and_into_sent_once() {
    let world = World::new().await;
    let mut client = world.signed_in().await;
    client.ask("SELECT Sent").await;
    let mut big = MAIL.replace("<one@", "<two@").into_bytes();
    big.extend(b"x".repeat(700_000).chunks(900).flat_map(|line| [line, b"\r\n"].concat()));
    let first = client.append("Sent", &big).await;
    assert!(first.contains("[APPENDUID ") && first.contains(" 1] stored"), "{first}");
    assert_eq!(client.append("Sent", &big).await, first, "the same Message-ID has the same UID");
    assert_eq!(client.literal("FETCH 1 BODY.PEEK[]").await, big);
    assert_eq!(client.append("Nowhere", b"x").await, "t NO [NONEXISTENT] no such folder");
    assert_eq!(client.append("Drafts", b"A: b\r\n\r\nno Message-ID").await.split(' ').nth(1), Some("OK"));
    let too_big = crate::base::limits::MESSAGE + 1;
    assert_eq!(client.ask(&format!("APPEND Drafts {{{too_big}}}")).await, ["t NO [TOOBIG] message too big"]);
    let deep = "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n".repeat(200);
    let refused = client.append("Drafts", deep.as_bytes()).await;
    assert!(refused.starts_with("t NO [CANNOT]"), "{refused}");
    assert!(client.ask("NOOP").await[0].starts_with("t OK"), "the session goes on");
}

#[tokio::test]
async fn many_messages_are_copied_and_moved_and_copies_can_be_undone() {
    let world = World::new().await;
    let mut client = world.signed_in().await;
    for _ in 0..260 {
        client.append("Drafts", b"A: b\r\n\r\nc").await;
    }
    client.ask("SELECT Drafts").await;
    let copied = client.ask("COPY 1:* Trash").await;
    assert!(copied[0].contains(" 1:260 1:260] copied"), "{copied:?}");
    let moved = client.ask("MOVE 2:* Junk").await;
    assert!(moved[0].contains(" 2:260 1:259] moved"), "{:?}", moved[0]);
    assert_eq!(moved.iter().filter(|line| line.ends_with(" EXPUNGE")).count(), 259);
    let password = Secret::new(PASSWORD.to_owned());
    let ip = IpAddr::from([192, 0, 2, 1]);
    let (mailbox, _) = Mailbox::sign_in(&world.imap, ip, "alice@example.org", password).await.unwrap();
    let pairs: Vec<_> = (1..=260).map(|uid| (Uid(uid), Uid(uid))).collect();
    mailbox.uncopy(Folder::TRASH, &pairs).await;
    let status = client.ask("STATUS Trash (MESSAGES UIDNEXT)").await;
    assert_eq!(status[0], "* STATUS Trash (MESSAGES 0 UIDNEXT 261)");
}

#[tokio::test]
async fn a_message_that_names_very_many_is_told_in_short() {
    let world = World::new().await;
    let header = format!("From: {}\r\n", "a,".repeat(1_000)).repeat(20);
    let part = format!("--b\r\nContent-Type: message/rfc822\r\n\r\n{header}\r\nx\r\n");
    let mail = MAIL.replace("\r\n\r\nthe", "\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\nthe");
    world.deliver(format!("{mail}{}--b--\r\n", part.repeat(5)).as_bytes()).await;
    let mut client = world.signed_in().await;
    client.ask("SELECT INBOX").await;
    let told = client.ask("FETCH 1 (ENVELOPE BODYSTRUCTURE)").await;
    assert!(told[0].starts_with("* 1 FETCH (ENVELOPE (\"Sun, 22 Nov 2026 03:33:13 +0000\" \"one\" (("));
    assert_eq!(told[0].matches("\"rfc822\"").count(), 5, "every part is told");
    let entries = told[0].matches("(NIL NIL \"a\" \"\")").count();
    assert!((1..=crate::base::limits::ENVELOPE_ENTRIES).contains(&entries), "{entries}");
    assert_eq!(told[1], "t OK fetched");
}

#[tokio::test]
async fn what_is_asked_for_often_is_told_once() {
    let world = World::new().await;
    world.deliver(MAIL.as_bytes()).await;
    let mut client = world.signed_in().await;
    client.ask("SELECT INBOX").await;
    let told = client.ask(&format!("UID FETCH 1 ({})", "ENVELOPE ".repeat(7_000).trim_end())).await;
    assert_eq!(told[0].matches("ENVELOPE").count(), 1);
    let parts = |count| (0..count).map(|n| format!("BODY.PEEK[{}]", n + 2)).collect::<Vec<_>>().join(" ");
    assert_eq!(client.ask(&format!("FETCH 1 ({})", parts(64))).await[0].matches(" NIL").count(), 64);
    let refused = ["t NO [LIMIT] at most 64 different items in one FETCH"];
    assert_eq!(client.ask(&format!("FETCH 1 ({})", parts(65))).await, refused);
}

#[tokio::test]
async fn idle_tells_what_arrives() {
    let world = World::new().await;
    let mut client = world.signed_in().await;
    client.ask("SELECT INBOX").await;
    client.send(b"t IDLE\r\n").await;
    assert_eq!(client.line().await, "+ idling");
    world.deliver(MAIL.as_bytes()).await;
    assert_eq!(client.line().await, "* 1 EXISTS");
    let mut other = world.signed_in().await;
    other.ask("SELECT INBOX").await;
    other.ask("STORE 1 +FLAGS (\\Deleted)").await;
    assert_eq!(client.line().await, "* 1 FETCH (UID 1 FLAGS (\\Deleted))");
    other.ask("EXPUNGE").await;
    assert_eq!(client.line().await, "* 1 EXPUNGE");
    client.send(b"done\r\n").await;
    assert_eq!(client.answer().await, ["t OK awake"]);
}

#[tokio::test]
async fn keywords_are_one_in_whatever_case() {
    let world = World::new().await;
    world.deliver(MAIL.as_bytes()).await;
    let mut client = world.signed_in().await;
    client.ask("SELECT INBOX").await;
    for (change, want) in [
        ("+FLAGS (Junk work)", "Junk work"),
        ("+FLAGS (junk)", "Junk work"),
        ("-FLAGS (JUNK)", "work"),
        ("FLAGS (Junk a junk WORK)", "Junk WORK a"),
    ] {
        client.ask(&format!("STORE 1 {change}")).await;
        let told = client.ask("FETCH 1 FLAGS").await;
        assert_eq!(told[0], format!("* 1 FETCH (FLAGS ({want}))"), "{change}");
    }
}

#[tokio::test]
async fn starttls_takes_nothing_from_before() {
    let world = World::new().await;
    let (mut client, served) = world.connect(false).await;
    assert_eq!(client.ask(LOGIN).await, ["t NO [PRIVACYREQUIRED] STARTTLS first"]);
    client.send(b"t STARTTLS\r\nt NOOP\r\n").await;
    assert_eq!(client.answer().await, ["t OK begin TLS now"]);
    assert_eq!(client.line().await, "", "what was said before the handshake ends the connection");
    served.await.unwrap();

    let (mut client, _served) = world.connect(false).await;
    assert_eq!(client.ask("STARTTLS").await, ["t OK begin TLS now"]);
    let Client { stream, read } = client;
    let stream = stream.connect_tls(&TlsClient::default(), "mail.example.org").await.unwrap();
    let mut client = Client { stream, read };
    assert!(client.ask(LOGIN).await[0].starts_with("t OK"));
}

#[tokio::test]
async fn a_mailbox_that_goes_ends_its_sessions() {
    let world = World::new().await;
    world.deliver(MAIL.as_bytes()).await;
    let (mut idling, mut busy) = (world.signed_in().await, world.signed_in().await);
    idling.ask("SELECT INBOX").await;
    busy.ask("SELECT INBOX").await;
    busy.literal("FETCH 1 BODY.PEEK[]").await;
    idling.send(b"t IDLE\r\n").await;
    idling.line().await;
    world.flow.remove_mailbox(&address("alice@example.org"), MailboxKind::Account).await.unwrap();
    let bye = "* BYE the mailbox was closed or its password changed";
    assert_eq!(idling.line().await, bye);
    assert_eq!(busy.ask("FETCH 1 BODY.PEEK[]").await, [bye, ""], "also not from the message that was kept");
}

#[tokio::test]
async fn a_changed_password_ends_sessions() {
    let world = World::new().await;
    let mut client = world.signed_in().await;
    let (old, new) = (Secret::new(PASSWORD.to_owned()), Secret::new("alice likes longer ones".to_owned()));
    world
        .flow
        .change_password(&address("alice@example.org"), old, &new, ChangeWish::default())
        .await
        .unwrap();
    assert_eq!(client.ask("NOOP").await, ["* BYE the mailbox was closed or its password changed", ""]);
}

#[tokio::test]
async fn copies_do_not_fill_a_mailbox_beyond_its_quota() {
    let world = World::of("[accounts]\nquota = \"20 KiB\"\n", Limits::default()).await;
    world.deliver(MAIL.as_bytes()).await;
    let mut client = world.signed_in().await;
    client.ask("SELECT INBOX").await;
    let mut told = String::new();
    for _ in 0..10 {
        told = client.ask("COPY 1:* INBOX").await.pop().unwrap();
        if !told.starts_with("t OK") {
            break;
        }
        client.ask("NOOP").await;
    }
    assert_eq!(told, "t NO [OVERQUOTA] the mailbox is full");
    let alice = world.flow.store.mailbox_of(&address("alice@example.org").key()).await.unwrap().unwrap();
    let folders = world.flow.store.folders(alice).await.unwrap();
    let bytes: u64 = folders.iter().map(|folder| folder.bytes).sum();
    assert!(bytes <= 20 << 10, "{bytes}");
    let told = client.ask("MOVE 1:* Trash").await.pop().unwrap();
    assert_eq!(told, "t OK moved", "what adds nothing goes on");
}

#[tokio::test]
async fn a_damaged_message_harms_no_other() {
    let world = World::new().await;
    for _ in 0..3 {
        world.deliver(MAIL.as_bytes()).await;
    }
    let alice = world.flow.store.mailbox_of(&address("alice@example.org").key()).await.unwrap().unwrap();
    let middle = world.flow.store.message(alice, Folder::INBOX, Uid(2)).await.unwrap().unwrap();
    let mut damaged = middle.record.clone();
    damaged.body = crate::store::body::Body::Inline(b"no OpenPGP".to_vec());
    let delivery = crate::store::command_part::Delivery {
        mailbox: alice,
        folder: Folder::DRAFTS,
        certificate: damaged.certificate.clone(),
        record: damaged,
        flags: crate::store::record::Flags::default(),
        summary: b"no summary".to_vec(),
        quota: crate::store::command_part::Quota::default(),
    };
    world.flow.store.commit(vec![Command::Deliver(Box::new(delivery))]).await.unwrap();
    let mut client = world.signed_in().await;
    assert!(client.append("Drafts", MAIL.as_bytes()).await.starts_with("t OK"));
    client.ask("SELECT Drafts").await;
    let told = client.ask("FETCH 1:2 (UID ENVELOPE)").await;
    assert!(told[0].starts_with("* 2 FETCH (UID 2 ENVELOPE ("), "{told:?}");
    assert_eq!(told[1], "t NO [CONTACTADMIN] some messages cannot be read");
    assert_eq!(client.ask("FETCH 1:2 (UID FLAGS)").await.len(), 3);
    assert_eq!(client.ask("SEARCH BODY body").await, ["* SEARCH 2", "t OK searched"]);
    let unreadable = "t NO [CONTACTADMIN] some messages cannot be read";
    assert_eq!(client.ask("FETCH 1 BODY[TEXT]").await, [unreadable]);
    assert_eq!(client.ask("NOOP").await, ["t OK nothing done"], "what could not be told is not seen");
}

#[tokio::test]
async fn sessions_and_waits_are_bounded() {
    let limits = Limits { login: Duration::from_millis(300), ..Limits::default() };
    let world = World::with(limits).await;
    let (mut client, served) = world.connect(true).await;
    assert_eq!(client.line().await, "* BYE no sign-in in time");
    served.await.unwrap();
    let world = World::new().await;
    let mut held = Vec::new();
    for _ in 0..16 {
        held.push(world.signed_in().await);
    }
    let mut one_more = world.connect(true).await.0;
    assert_eq!(one_more.ask(LOGIN).await, ["t NO [LIMIT] too many sessions of this mailbox"]);
    held.pop().unwrap().ask("LOGOUT").await;
    world.stop.cancel();
    assert_eq!(held[0].line().await, "* BYE the server is stopping; come back soon");

    let limits = Limits { idle: Duration::from_secs(5), ..Limits::default() };
    let world = World::with(limits).await;
    let mut client = world.signed_in().await;
    assert_eq!(client.line().await, "* BYE idle for too long");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_left() {
    let limits = Limits { write: Duration::from_millis(300), ..Limits::default() };
    let world = World::with(limits).await;
    let mut big = MAIL.as_bytes().to_vec();
    big.extend((0..60_000).flat_map(|n| format!("line {n:05}\r\n").into_bytes()));
    world.deliver(&big).await;
    let (mut client, served) = world.connect(true).await;
    client.ask(LOGIN).await;
    client.ask("SELECT INBOX").await;
    let much: Vec<String> = (0..60).map(|n| format!("BODY.PEEK[]<{n}.900000>")).collect();
    client.send(format!("t FETCH 1 ({})\r\n", much.join(" ")).as_bytes()).await;
    served.await.unwrap();
}

#[tokio::test]
async fn a_command_that_comes_gives_all_the_time_anew() {
    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let stream = Stream::plain(listener.accept().await.unwrap().0).unwrap();
    let mut connection = Connection::new(world.imap.clone(), stream, Link::Tls, world.stop.clone());
    let send = async {
        let sent = tokio::time::Instant::now();
        client.write_all(b"t IDLE\r\n").await.unwrap();
        sent
    };
    let (frame, sent) = tokio::join!(connection.next_frame(), send);
    assert!(matches!(frame, Ok(Frame::Command(_))));
    assert!(connection.idle_until >= sent + Limits::default().idle);
}

#[tokio::test]
async fn floods_end() {
    let world = World::new().await;
    for flood in
        [vec![b'x'; 9 << 10], b"a LOGIN {9999+}\r\n".to_vec(), [b"a LOGIN x ", &[b'y'; 9 << 10][..]].concat()]
    {
        let (mut client, served) = world.connect(true).await;
        client.send(&flood).await;
        assert_eq!(client.line().await, "* BYE line or literal too long");
        served.await.unwrap();
    }
    let mut client = world.signed_in().await;
    let many: String = (0..500).map(|n| format!("n{n} NOOP\r\n")).collect();
    client.send(many.as_bytes()).await;
    for n in 0..500 {
        assert_eq!(client.line().await, format!("n{n} OK nothing done"));
    }
}
