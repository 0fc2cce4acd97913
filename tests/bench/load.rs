//! Load by SMTP, cheap to make: threads that send the same octets over and over, and a server that takes
//! everything and does nothing with it, to know what the load itself costs.

use crate::process;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

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
pub fn rate(port: u16, server: u32, sessions: usize) -> Rate {
    let (count, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let before = (process::cpu(server), process::cpu(std::process::id()));
    let start = Instant::now();
    let threads: Vec<_> = (0..sessions)
        .map(|_| {
            let (count, done) = (count.clone(), done.clone());
            std::thread::spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    Smtp::open(port).send_many(OF_A_SESSION, &count, &done);
                }
            })
        })
        .collect();
    while start.elapsed() < SPAN {
        std::thread::park_timeout(Duration::from_millis(50));
    }
    let (messages, took) = (count.load(Ordering::Relaxed) as f64, start.elapsed().as_secs_f64());
    let after = (process::cpu(server), process::cpu(std::process::id()));
    done.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().expect("a client");
    }
    let each = |spent: Duration| spent.as_secs_f64() * 1e6 / messages;
    Rate { messages: messages / took, server: each(after.0 - before.0), load: each(after.1 - before.1) }
}

/// A client that pipelines as RFC 2920 §3.1 allows: behind the text of a message comes the next envelope.
pub struct Smtp {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
    line: String,
}

impl Smtp {
    /// A session behind EHLO.
    pub fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        stream.set_nodelay(true).expect("a socket");
        let reader = BufReader::new(stream.try_clone().expect("a socket"));
        let mut client = Self { stream, reader, line: String::new() };
        client.expect("220");
        client.send(b"EHLO client.example\r\n");
        client.expect("250");
        client
    }

    /// One message with this body; acknowledged when it returns.
    pub fn send_message(&mut self, body: impl Iterator<Item = u8>) {
        let text = [HEADER, &body.collect::<Vec<u8>>(), b".\r\n"].concat();
        self.send(ENVELOPE);
        self.expect_envelope();
        self.send(&text);
        self.expect("250");
    }

    /// At most so many messages of [`SIZE`] until it is done; counts those that are acknowledged.
    fn send_many(&mut self, most: usize, count: &AtomicU64, done: &AtomicBool) {
        let body: Vec<u8> =
            std::iter::repeat_n(b'x', 70).chain(*b"\r\n").cycle().take(SIZE / 72 * 72).collect();
        let last = [HEADER, &body, b".\r\n"].concat();
        let and_next = [&last, ENVELOPE].concat();
        self.send(ENVELOPE);
        self.expect_envelope();
        for _ in 1..most {
            if done.load(Ordering::Relaxed) {
                break;
            }
            self.send(&and_next);
            self.expect("250");
            count.fetch_add(1, Ordering::Relaxed);
            self.expect_envelope();
        }
        self.send(&last);
        self.expect("250");
        count.fetch_add(1, Ordering::Relaxed);
    }

    fn send(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).expect("sent");
    }

    fn expect_envelope(&mut self) {
        for code in ["250", "250", "354"] {
            self.expect(code);
        }
    }

    fn expect(&mut self, code: &str) {
        loop {
            self.line.clear();
            self.reader.read_line(&mut self.line).expect("a reply");
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
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
        Self { port: line.trim().parse().expect("a port"), child }
    }

    /// Its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// What its process does: until its standard input ends.
    pub fn serve() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        println!("{}", listener.local_addr().expect("its number").port());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || swallow(stream));
            }
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
fn swallow(mut stream: TcpStream) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    stream.write_all(b"220 sink\r\n").ok()?;
    let mut heard = vec![0; 16 << 10];
    let (mut length, mut in_data) = (0, false);
    loop {
        let read = stream.read(heard.get_mut(length..)?).ok().filter(|read| *read > 0)?;
        length += read;
        let group = heard.get(..length)?;
        let before: &[u8] = if in_data { b"250 ok\r\n" } else { b"" };
        if group.ends_with(b"DATA\r\n") {
            stream.write_all(&[before, b"250 ok\r\n250 ok\r\n354 go\r\n"].concat()).ok()?;
            (length, in_data) = (0, true);
        } else if in_data && group.ends_with(b"\r\n.\r\n") || group.starts_with(b"EHLO") {
            stream.write_all(b"250 ok\r\n").ok()?;
            (length, in_data) = (0, false);
        }
    }
}
