//! Load by SMTP, cheap to make: connections that send the same octets over and over, and a server that takes
//! everything and does nothing with it, to know what the load itself costs.

use crate::process;
use std::io::BufRead;
use std::io::Read;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;
use tokio::io::AsyncBufReadExt;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::io::BufReader;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// How long each figure is measured.
pub const SPAN: Duration = Duration::from_secs(5);
/// Octets of one message.
pub const SIZE: usize = 4 << 10;
/// The argument that makes this program [`Sink`]'s process.
pub const SINK: &str = "--null-sink";

const ENVELOPE: &[u8] = b"MAIL FROM:<bob@example.net>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n";
const HEADER: &[u8] = b"From: bob@example.net\r\nTo: alice@example.org\r\nSubject: measured\r\n\r\n";
/// A session takes 1,000 RCPT commands.
const OF_A_SESSION: usize = 900;

/// What a load came to.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// Acknowledged messages a second.
    pub messages: f64,
    /// CPU of the server for each, microseconds.
    pub server: f64,
    /// CPU of this program for each, microseconds.
    pub load: f64,
}

/// Messages to a server on `port`, whose process is `server`, over so many connections for [`SPAN`].
///
/// One thread serves them all: with a thread for each, what wakes them would take the cores from the server as often as
/// it answers, which no client on another machine does.
pub fn rate(port: u16, server: u32, sessions: usize) -> Rate {
    runtime().block_on(async {
        let tally = Arc::new(Tally::default());
        let before = (process::cpu(server), process::cpu(std::process::id()));
        let start = Instant::now();
        let mut clients = JoinSet::new();
        for _ in 0..sessions {
            let tally = Arc::clone(&tally);
            clients.spawn(async move {
                while !tally.is_done() {
                    Smtp::open(port).await.send_many(OF_A_SESSION, &tally).await;
                }
            });
        }
        tokio::time::sleep(SPAN).await;
        let (messages, took) = (tally.messages.load(Ordering::Relaxed) as f64, start.elapsed().as_secs_f64());
        let after = (process::cpu(server), process::cpu(std::process::id()));
        tally.done.store(true, Ordering::Relaxed);
        while let Some(client) = clients.join_next().await {
            client.expect("a client");
        }
        let each = |spent: Duration| spent.as_secs_f64() * 1e6 / messages;
        Rate { messages: messages / took, server: each(after.0 - before.0), load: each(after.1 - before.1) }
    })
}

/// One message with this body to a server on `port`; acknowledged when it returns.
pub fn send_message(port: u16, body: impl Iterator<Item = u8>) {
    runtime().block_on(async {
        let text = [HEADER, &body.collect::<Vec<u8>>(), b".\r\n"].concat();
        let mut client = Smtp::open(port).await;
        client.send(ENVELOPE).await;
        client.expect_envelope().await;
        client.send(&text).await;
        client.expect("250").await;
    });
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// What all connections came to.
#[derive(Default)]
struct Tally {
    messages: AtomicU64,
    done: AtomicBool,
}

impl Tally {
    fn is_done(&self) -> bool {
        self.done.load(Ordering::Relaxed)
    }

    fn count(&self) {
        self.messages.fetch_add(1, Ordering::Relaxed);
    }
}

/// A client that pipelines as RFC 2920 §3.1 allows: behind the text of a message comes the next envelope.
struct Smtp {
    stream: BufReader<TcpStream>,
    line: String,
}

impl Smtp {
    /// A session behind EHLO.
    async fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("a connection");
        stream.set_nodelay(true).expect("a socket");
        let mut client = Self { stream: BufReader::new(stream), line: String::new() };
        client.expect("220").await;
        client.send(b"EHLO client.example\r\n").await;
        client.expect("250").await;
        client
    }

    /// At most so many messages of [`SIZE`] until it is done; counts those that are acknowledged.
    async fn send_many(&mut self, most: usize, tally: &Tally) {
        let body: Vec<u8> =
            std::iter::repeat_n(b'x', 70).chain(*b"\r\n").cycle().take(SIZE / 72 * 72).collect();
        let last = [HEADER, &body, b".\r\n"].concat();
        let and_next = [&last, ENVELOPE].concat();
        self.send(ENVELOPE).await;
        self.expect_envelope().await;
        for _ in 1..most {
            if tally.is_done() {
                break;
            }
            self.send(&and_next).await;
            self.expect("250").await;
            tally.count();
            self.expect_envelope().await;
        }
        self.send(&last).await;
        self.expect("250").await;
        tally.count();
    }

    async fn send(&mut self, octets: &[u8]) {
        self.stream.get_mut().write_all(octets).await.expect("sent");
    }

    async fn expect_envelope(&mut self) {
        for code in ["250", "250", "354"] {
            self.expect(code).await;
        }
    }

    async fn expect(&mut self, code: &str) {
        loop {
            self.line.clear();
            self.stream.read_line(&mut self.line).await.expect("a reply");
            assert!(self.line.starts_with(code), "{}", self.line);
            if self.line.as_bytes().get(3) == Some(&b' ') {
                return;
            }
        }
    }
}

/// A server in a process of its own that says yes to everything.
pub struct Sink {
    child: Child,
    /// Where it listens.
    pub port: u16,
}

impl Sink {
    /// Starts it.
    pub fn start() -> Self {
        let this = std::env::current_exe().expect("this program");
        let child = Command::new(this).arg(SINK).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("a process");
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.take().expect("its output"))
            .read_line(&mut line)
            .expect("a line");
        Self { port: line.trim().parse().expect("a port"), child }
    }

    /// Its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// What its process does: until its standard input ends.
    pub fn serve() {
        std::thread::spawn(|| {
            runtime().block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
                println!("{}", listener.local_addr().expect("its number").port());
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(swallow(stream));
                }
            });
        });
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Answers what [`Smtp`] says, by how its groups end.
async fn swallow(mut stream: TcpStream) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    stream.write_all(b"220 sink\r\n").await.ok()?;
    let mut heard = vec![0; 16 << 10];
    let (mut length, mut in_data) = (0, false);
    loop {
        let read = stream.read(heard.get_mut(length..)?).await.ok().filter(|read| *read > 0)?;
        length += read;
        let group = heard.get(..length)?;
        let before: &[u8] = if in_data { b"250 ok\r\n" } else { b"" };
        if group.ends_with(b"DATA\r\n") {
            stream.write_all(&[before, b"250 ok\r\n250 ok\r\n354 go\r\n"].concat()).await.ok()?;
            (length, in_data) = (0, true);
        } else if in_data && group.ends_with(b"\r\n.\r\n") || group.starts_with(b"EHLO") {
            stream.write_all(b"250 ok\r\n").await.ok()?;
            (length, in_data) = (0, false);
        }
    }
}
