//! The driver on real sockets, the flows behind it, the model as store.

mod crowds;
mod from_outside;

use crate::base::address::Address;
use crate::base::secret::Secret;
use crate::base::time::Clock;
use crate::base::time::Time;
use crate::config::Config;
use crate::flow::Flow;
use crate::flow::Ground;
use crate::flow::sign_in::Realm;
use crate::flow::sign_in::Source;
use crate::net::dns::Table;
use crate::net::gate::Class;
use crate::net::gate::Gate;
use crate::net::gate::GateLimits;
use crate::net::listen::Handler;
use crate::net::listen::Intake;
use crate::net::listen::Service;
use crate::net::listen::bind;
use crate::net::stream::Stream;
use crate::net::tls::Alpn;
use crate::net::tls::Certificates;
use crate::net::tls::TlsClient;
use crate::net::tls::TlsServer;
use crate::net::tls::self_signed;
use crate::serve::smtp::Smtp;
use crate::serve::smtp::Waits;
use crate::smtp::server::Role;
use crate::store::model::Model;
use crate::store::record::Folder;
use crate::store::record::Uid;
use crate::store::spool::SpoolDir;
use crate::vault::OsRandom;
use crate::vault::keyring::Keys;
use crate::vault::slot::Parameters;
use data_encoding::BASE64;
use rustix::process::Resource;
use rustix::process::getrlimit;
use rustix::process::setrlimit;
use std::io::Read;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpSocket;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const PASSWORD: &str = "alice likes long passwords";
const NOW: Time = Time(1_795_318_393);
const MAIL: &str = "From: x@example.net\r\nSubject: hi\r\n\r\n..dots\r\nthe body\r\n.\r\n";
const OPENING: &str = "EHLO client.example\r\n";
const ENVELOPE: &str = "MAIL FROM:<x@example.net>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n";

struct StillClock;

impl Clock for StillClock {
    fn now(&self) -> Time {
        NOW
    }

    fn running(&self) -> Duration {
        Duration::from_secs(1_000)
    }
}

struct World {
    flow: Arc<Flow>,
    model: Arc<Model>,
    tls: TlsServer,
    stop: CancellationToken,
    waits: Waits,
    gate: Arc<Gate>,
    _dir: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        Self::with("").await
    }

    /// With more lines in guard.toml.
    async fn with(more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = Config::from_text(&format!(
            "hostname = \"mail.example.org\"\ntls = {{ certificate = \"/c\", key = \"/k\" }}\n\
             portal = {{ url = \"https://post.example.org\" }}\n{more}\n[[domain]]\nname = \"example.org\"\n",
        ))
        .unwrap();
        let model = Arc::new(Model::new(dir.path()).unwrap());
        let ground = Ground {
            store: Arc::<Model>::clone(&model),
            keys: Arc::new(Keys::generate(&OsRandom)),
            spools: SpoolDir::open(&dir.path().join("spool")).unwrap(),
            clock: Arc::new(StillClock),
            random: Arc::new(OsRandom),
            dns: Arc::new(Table::default()),
            password_cost: Parameters::SMALL,
        };
        let flow = Flow::new(ground, Arc::new(config));
        let alice = Address::parse("alice@example.org").unwrap();
        flow.add_account(&alice, &Secret::new(PASSWORD.to_owned())).await.unwrap();
        let made = self_signed(&["mail.example.org".into()], NOW).unwrap();
        let certificates = Certificates::fixed(made.certificate.as_bytes(), made.key.as_bytes()).unwrap();
        let tls = certificates.server(Alpn::Smtp).unwrap();
        let gate = Gate::new(GateLimits { connections: 4, ..GateLimits::default() });
        Self { flow, model, tls, stop: CancellationToken::new(), waits: Waits::default(), gate, _dir: dir }
    }

    /// A connection to one role; the greeting is still to be read.
    async fn open(&self, role: Role, inside_tls: bool) -> Client {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let smtp = Smtp::new(self.flow.clone(), role, Some(self.tls.clone()), self.gate.clone());
        let (smtp, tls, stop) = (Arc::new(smtp.with_waits(self.waits)), self.tls.clone(), self.stop.clone());
        tokio::spawn(async move {
            let mut stream = Stream::plain(accepted).unwrap();
            if inside_tls {
                stream = stream.accept_tls(&tls).await.unwrap();
            }
            smtp.serve(stream, stop).await;
        });
        let mut stream = Stream::plain(socket).unwrap();
        if inside_tls {
            stream = stream.connect_tls(&TlsClient::default(), "mail.example.org").await.unwrap();
        }
        Client { stream, read: Vec::new() }
    }

    async fn mx(&self) -> Client {
        let mut client = self.open(Role::Mx, false).await;
        assert_eq!(client.reply().await, "220 mail.example.org ESMTP");
        client
    }

    /// A submission session that is signed in.
    async fn submission(&self) -> Client {
        let mut client = self.open(Role::Submission, true).await;
        client.reply().await;
        assert!(client.ask(OPENING).await.contains("AUTH PLAIN LOGIN"));
        assert_eq!(client.ask(&plain("alice@example.org", PASSWORD)).await, "235 2.7.0 authenticated");
        client
    }

    /// What lies in Alice's INBOX.
    async fn inbox(&self) -> Vec<String> {
        let source = Source { ip: IpAddr::from([192, 0, 2, 1]), device: None };
        let password = Secret::new(PASSWORD.to_owned());
        let who = self.flow.sign_in("alice@example.org", password, &source, Realm::Accounts).await.unwrap();
        let mut all = Vec::new();
        for listed in self.flow.list(&who, Folder::INBOX, Uid(0), 100).await.unwrap() {
            let mut text = String::new();
            let plain = self.flow.read(&who, Folder::INBOX, listed.uid).await.unwrap();
            plain.spool.reader().read_to_string(&mut text).unwrap();
            all.push(text);
        }
        all
    }

    /// How many lie in Alice's INBOX.
    async fn stored(&self) -> usize {
        let alice = Address::parse("alice@example.org").unwrap();
        let mailbox = self.flow.store.mailbox_of(&alice.key()).await.unwrap().unwrap();
        let folders = self.flow.store.folders(mailbox).await.unwrap();
        let inbox = folders.into_iter().find(|folder| folder.folder == Folder::INBOX).unwrap();
        usize::try_from(inbox.messages).unwrap()
    }

    async fn queued(&self) -> usize {
        self.flow.store.queue(None, 100).await.unwrap().len()
    }
}

fn plain(user: &str, password: &str) -> String {
    format!("AUTH PLAIN {}\r\n", BASE64.encode(format!("\0{user}\0{password}").as_bytes()))
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

    /// One reply, its lines joined by blanks; empty when the connection has ended.
    async fn reply(&mut self) -> String {
        let mut lines = Vec::new();
        loop {
            if let Some(end) = self.read.iter().position(|octet| *octet == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                let last = line.as_bytes().get(3) != Some(&b'-');
                lines.push(line);
                if last {
                    return lines.join(" ");
                }
                continue;
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes).await {
                Ok(count) if count > 0 => self.read.extend_from_slice(&bytes[..count]),
                _ => return String::new(),
            }
        }
    }

    async fn ask(&mut self, command: &str) -> String {
        self.send(command.as_bytes()).await;
        self.reply().await
    }

    /// The connection is over: nothing more comes.
    async fn is_over(&mut self) -> bool {
        self.reply().await.is_empty()
    }
}

#[tokio::test]
async fn a_message_in_one_segment_is_taken_and_kept() {
    let world = World::new().await;
    let mut client = world.mx().await;
    client.send(format!("{OPENING}{ENVELOPE}").as_bytes()).await;
    assert!(client.reply().await.starts_with("250-mail.example.org 250-SIZE 26214400 250-8BITMIME"));
    for want in ["250 2.1.0", "250 2.1.5", "354 "] {
        assert!(client.reply().await.starts_with(want), "{want}");
    }
    assert!(client.ask(MAIL).await.starts_with("250 2.0.0 taken as "));
    let inbox = world.inbox().await;
    assert_eq!(inbox.len(), 1);
    assert!(inbox[0].ends_with("\r\n\r\n.dots\r\nthe body\r\n"), "{}", inbox[0]);
    assert!(inbox[0].contains(" with ESMTP "), "{}", inbox[0]);
    assert_eq!(client.ask("QUIT\r\n").await, "221 2.0.0 bye");
    assert!(client.is_over().await);
}

#[tokio::test]
async fn octet_by_octet_is_the_same_message() {
    let world = World::new().await;
    let mut client = world.mx().await;
    client.ask(OPENING).await;
    client.send(ENVELOPE.as_bytes()).await;
    for _ in 0..3 {
        client.reply().await;
    }
    for octet in MAIL.as_bytes() {
        client.send(&[*octet]).await;
    }
    assert!(client.reply().await.starts_with("250 2.0.0"));
    assert!(world.inbox().await[0].ends_with("\r\n\r\n.dots\r\nthe body\r\n"));
}

/// SI-1.
#[tokio::test]
async fn no_second_message_is_smuggled() {
    let world = World::new().await;
    for end in ["\n.\n", "\n.\r\n", "\r.\r", "\r\n.\n", "\r\n.\r", "\r.\r\n"] {
        for split in 0..=end.len() {
            let mut client = world.mx().await;
            client.ask(OPENING).await;
            client.send(ENVELOPE.as_bytes()).await;
            for _ in 0..3 {
                client.reply().await;
            }
            let (one, two) = end.split_at(split);
            client.send(format!("Subject: one\r\n\r\nx{one}").as_bytes()).await;
            client.send(format!("{two}{ENVELOPE}Subject: forged\r\n\r\n.\r\n").as_bytes()).await;
            let refused = client.reply().await;
            assert!(refused.starts_with("550 5.6.0 CR and LF"), "{end:?} at {split}: {refused}");
            assert!(client.is_over().await, "{end:?} at {split}");
        }
    }
    assert!(world.inbox().await.is_empty());
}

/// SI-3.
#[tokio::test]
async fn nothing_may_follow_starttls() {
    let world = World::new().await;
    let mut client = world.mx().await;
    client.ask(OPENING).await;
    let refused = client.ask(&format!("STARTTLS\r\n{ENVELOPE}")).await;
    assert_eq!(refused, "501 5.5.4 nothing may follow STARTTLS");
    assert!(client.is_over().await);
}

#[tokio::test]
async fn tls_forgets_what_was_said_before() {
    let world = World::new().await;
    let mut client = world.mx().await;
    client.ask(OPENING).await;
    client.ask("MAIL FROM:<x@example.net>\r\n").await;
    assert_eq!(client.ask("STARTTLS\r\n").await, "220 2.0.0 ready for TLS");
    let stream = client.stream.connect_tls(&TlsClient::default(), "mail.example.org").await.unwrap();
    let mut client = Client { stream, read: Vec::new() };
    assert!(client.ask("RCPT TO:<alice@example.org>\r\n").await.starts_with("503 5.5.1"));
    assert!(!client.ask(OPENING).await.contains("STARTTLS"));
    client.send(ENVELOPE.as_bytes()).await;
    for _ in 0..3 {
        client.reply().await;
    }
    assert!(client.ask(MAIL).await.starts_with("250 2.0.0"));
    assert!(world.inbox().await[0].contains(" with ESMTPS "));
}

#[tokio::test]
async fn the_mx_takes_mail_for_accounts_alone() {
    let world = World::new().await;
    let mut client = world.mx().await;
    client.ask(OPENING).await;
    client.ask("MAIL FROM:<x@example.net>\r\n").await;
    for (to, want) in [
        ("<nobody@example.org>", "550 5.1.1"),
        ("<bob@example.net>", "550 5.7.1"),
        ("<\"bob@example.net\"@example.org>", "550 5.7.1"),
        ("<bob%example.net@example.org>", "550 5.7.1"),
        ("<@example.org:bob@example.net>", "550 5.7.1"),
        ("<alice@[127.0.0.1]>", "550 5.7.1"),
        ("<postmaster>", "250 2.1.5"),
        ("<Alice@Example.org>", "250 2.1.5"),
    ] {
        let reply = client.ask(&format!("RCPT TO:{to}\r\n")).await;
        assert!(reply.starts_with(want), "{to}: {reply}");
    }
}

/// SA-1, SA-5.
#[tokio::test]
async fn submission_wants_tls_a_sign_in_and_ones_own_name() {
    let world = World::new().await;
    let mut client = world.open(Role::Submission, false).await;
    client.reply().await;
    client.ask(OPENING).await;
    assert!(client.ask(&plain("alice@example.org", PASSWORD)).await.starts_with("538 5.7.11"));
    assert!(client.ask("MAIL FROM:<alice@example.org>\r\n").await.starts_with("530 5.7.0"));

    let mut client = world.open(Role::Submission, true).await;
    client.reply().await;
    client.ask(OPENING).await;
    let wrong = client.ask(&plain("alice@example.org", "not her password")).await;
    assert!(wrong.starts_with("535 5.7.8"), "{wrong}");
    assert_eq!(client.ask(&plain("nobody@example.org", "not her password")).await, wrong);
    assert!(client.ask("MAIL FROM:<alice@example.org>\r\n").await.starts_with("530 5.7.0"));

    let mut client = world.submission().await;
    assert!(client.ask("MAIL FROM:<bob@example.org>\r\n").await.starts_with("553 5.7.1"));
    client.ask("MAIL FROM:<alice@example.org>\r\n").await;
    assert!(client.ask("RCPT TO:<nobody@example.org>\r\n").await.starts_with("550 5.1.1"));
    assert!(client.ask("RCPT TO:<bob@[192.0.2.1]>\r\n").await.starts_with("501 5.1.3"));
    client.ask("RCPT TO:<bob@example.net>\r\n").await;
    client.ask("DATA\r\n").await;
    assert!(client.ask(MAIL).await.starts_with("553 5.7.1"), "From: is another's");
    assert_eq!(world.queued().await, 0);

    client.send(b"MAIL FROM:<alice@example.org>\r\nRCPT TO:<bob@example.net>\r\nDATA\r\n").await;
    for _ in 0..3 {
        client.reply().await;
    }
    let own = MAIL.replace("x@example.net", "alice@example.org");
    assert!(client.ask(&own).await.starts_with("250 2.0.0 taken as "));
    assert_eq!(world.queued().await, 1);
}

/// What is not taken now may come again; what stays here and what is received need no queue.
#[tokio::test]
async fn a_queue_as_large_as_a_quarter_of_the_free_disk_takes_no_more() {
    let world = World::new().await;
    let own = MAIL.replace("x@example.net", "alice@example.org");
    let mut client = world.submission().await;
    for (free, to, want, queued) in [
        (4, "bob@example.net", "452 4.3.1 ", 0),
        (4, "alice@example.org", "250 2.0.0 taken as ", 0),
        (1 << 20, "bob@example.net", "250 2.0.0 taken as ", 1),
        (4, "carol@example.net", "452 4.3.1 ", 1),
    ] {
        world.model.set_free_disk(free);
        client.ask("MAIL FROM:<alice@example.org>\r\n").await;
        assert!(client.ask(&format!("RCPT TO:<{to}>\r\n")).await.starts_with("250 "));
        client.ask("DATA\r\n").await;
        let reply = client.ask(&own).await;
        assert!(reply.starts_with(want), "{to} with {free} octets free: {reply}");
        assert_eq!(world.queued().await, queued, "{to} with {free} octets free");
    }
    world.model.set_free_disk(4);
    let mut outside = world.mx().await;
    outside.send(format!("{OPENING}{ENVELOPE}").as_bytes()).await;
    for _ in 0..4 {
        outside.reply().await;
    }
    assert!(outside.ask(MAIL).await.starts_with("250 2.0.0 taken as "));
}

#[tokio::test]
async fn a_near_miss_is_refused_with_its_reason() {
    let world = World::new().await;
    let mut client = world.submission().await;
    client.send(b"MAIL FROM:<alice@example.org>\r\nRCPT TO:<bob@example.net>\r\nDATA\r\n").await;
    for _ in 0..3 {
        client.reply().await;
    }
    let near = "From: alice@example.org\r\nSubject: [secur] x\r\n\r\nx\r\n.\r\n";
    let refused = client.ask(near).await;
    assert!(refused.starts_with("554 5.7.1 \"[secur]\" looks like [secure]; nothing was sent"), "{refused}");
    assert_eq!(world.queued().await, 0);
}

/// SI-5, SI-10, SI-14.
#[tokio::test]
async fn limits_are_answered_and_the_session_goes_on() {
    let world = World::with("limits = { message_size = \"64 KiB\" }").await;
    let hops: String = (0..51).map(|hop| format!("Received: from h{hop}.example\r\n")).collect();
    let mut deep = String::from("Content-Type: message/rfc822\r\n\r\n").repeat(40);
    deep.push_str("x\r\n");
    let mut client = world.mx().await;
    client.ask(OPENING).await;
    assert!(client.ask("MAIL FROM:<x@example.net> SIZE=65537\r\n").await.starts_with("552 5.3.4"));
    for (message, want) in [
        ("x".repeat(100 << 10), "552 5.3.4"),
        (format!("{hops}\r\nx\r\n"), "554 5.4.6"),
        (deep, "554 5.6.0"),
        (String::from("Subject: fits\r\n\r\nx"), "250 2.0.0"),
    ] {
        client.send(ENVELOPE.as_bytes()).await;
        for _ in 0..3 {
            client.reply().await;
        }
        let reply = client.ask(&format!("{message}\r\n.\r\n")).await;
        assert!(reply.starts_with(want), "{want}: {reply}");
    }
    assert_eq!(world.inbox().await.len(), 1);
}

#[tokio::test]
async fn a_line_without_end_is_cut() {
    let world = World::new().await;
    let mut client = world.mx().await;
    client.send(&vec![b'x'; 100 << 10]).await;
    assert_eq!(client.reply().await, "500 5.5.2 line too long");
    assert!(client.is_over().await);
}

#[tokio::test]
async fn other_protocols_and_early_talkers_are_sent_away() {
    let world = World::new().await;
    for (first, want) in
        [("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "554 5.5.1"), ("\u{16}\u{3}\u{1}", "554 5.5.1")]
    {
        let mut client = world.mx().await;
        let reply = client.ask(first).await;
        assert!(reply.starts_with(want), "{reply}");
        assert!(client.is_over().await);
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    socket.write_all(OPENING.as_bytes()).await.unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    accepted.readable().await.unwrap();
    let gate = Gate::new(GateLimits::default());
    let smtp = Arc::new(Smtp::new(world.flow.clone(), Role::Mx, None, gate));
    tokio::spawn(smtp.serve(Stream::plain(accepted).unwrap(), CancellationToken::new()));
    let mut client = Client { stream: Stream::plain(socket).unwrap(), read: Vec::new() };
    assert_eq!(client.reply().await, "554 5.5.1 spoke before the greeting");
    assert!(client.is_over().await);
}

#[tokio::test]
async fn silence_and_trickles_end() {
    let mut world = World::new().await;
    world.waits.command = Duration::from_millis(50);
    world.waits.pace = Duration::from_millis(200);
    let mut client = world.mx().await;
    assert_eq!(client.reply().await, "421 4.4.2 waited too long for you");
    assert!(client.is_over().await);

    world.waits.command = Duration::from_secs(60);
    let mut client = world.mx().await;
    client.ask(OPENING).await;
    client.send(ENVELOPE.as_bytes()).await;
    for _ in 0..3 {
        client.reply().await;
    }
    client.send(b"Subject: slow\r\n").await;
    assert_eq!(client.reply().await, "421 4.4.2 waited too long for you");
    assert!(client.is_over().await);

    world.waits.session = Duration::from_millis(50);
    let mut client = world.mx().await;
    assert!(client.reply().await.starts_with("421 4.4.2"));
    assert!(world.inbox().await.is_empty());
}

#[tokio::test]
async fn a_message_that_breaks_off_is_not_taken() {
    let world = World::new().await;
    let mut client = world.mx().await;
    client.ask(OPENING).await;
    client.send(ENVELOPE.as_bytes()).await;
    for _ in 0..3 {
        client.reply().await;
    }
    client.send(b"Subject: half\r\n\r\nhalf a mess").await;
    client.stream.shutdown().await.unwrap();
    assert!(client.is_over().await);
    assert!(world.inbox().await.is_empty());
}

#[tokio::test]
async fn a_stop_waits_for_the_message_and_ends_the_idle() {
    let world = World::new().await;
    let mut idle = world.mx().await;
    let mut busy = world.mx().await;
    busy.ask(OPENING).await;
    busy.send(ENVELOPE.as_bytes()).await;
    for _ in 0..3 {
        busy.reply().await;
    }
    world.stop.cancel();
    assert_eq!(idle.reply().await, "421 4.3.2 stopping; try again in a moment");
    assert!(busy.ask(MAIL).await.starts_with("250 2.0.0"));
    assert!(busy.reply().await.starts_with("421 4.3.2"));
    assert_eq!(world.inbox().await.len(), 1);
}
