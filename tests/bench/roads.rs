//! Acknowledged messages a second, memory, and the first page of a large mailbox: the real binary, real sockets.
//!
//! Two limits are measured beside it in the same run: the encryption alone on the same cores, and the same bytes
//! appended to a file with an fdatasync for every batch of 256.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement ends by panicking and prints what it found"
)]

use guardpost::base::address::Address;
use guardpost::base::time::Time;
use guardpost::openpgp::encrypt::encrypt_bytes;
use guardpost::openpgp::generate::generate;
use std::fs::File;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
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
const SPAN: Duration = Duration::from_secs(5);
/// Octets of one message.
const SIZE: usize = 4 << 10;
/// Messages between two syncs of the bare file.
const BATCH: usize = 256;
const PASSWORD: &str = "measured at some length";

fn main() {
    let dir = tempfile::tempdir().expect("a directory");
    let house = House::start(dir.path());
    println!("idle memory                       {:>8} KiB resident (goal: below 40 MiB)", house.resident());
    large_message(&house);
    let (encryption, appending) = limits(dir.path());
    println!("limit: encryption alone           {encryption:>8.0} messages/s");
    println!("limit: append, fdatasync per {BATCH}  {appending:>8.0} messages/s");
    let limit = encryption.min(appending);
    for sessions in [1, 10, 50] {
        let rate = house.rate(sessions);
        println!(
            "acknowledged, {sessions:>2} sessions         {rate:>8.0} messages/s, {:.2} of the lower limit",
            rate / limit
        );
    }
    first_page(&house);
    println!("memory after the load             {:>8} KiB resident", house.resident());
}

/// 25 MiB through the door: what it costs in memory above idle.
fn large_message(house: &House) {
    let idle = house.resident();
    house.forget_peak();
    let line = [b"x".repeat(76).as_slice(), b"\r\n"].concat();
    let mut client = Smtp::open(house.smtp);
    client.send_message(line.iter().copied().cycle().take(25 * 1_000_000 / 78 * 78));
    let peak = house.peak();
    println!("25 MB message, peak above idle    {:>8} KiB (goal: below 100 MiB)", peak.saturating_sub(idle));
}

/// Messages a second: encrypted on every core, and appended with grouped syncs.
fn limits(dir: &Path) -> (f64, f64) {
    let address = Address::parse("alice@example.org").expect("an address");
    let key = generate(&address, Time(1_700_000_000)).expect("a key");
    let text = vec![b'x'; SIZE];
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let count = AtomicU64::new(0);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while start.elapsed() < SPAN {
                    encrypt_bytes(&[&key.parsed], &text, Time(1_800_000_000)).expect("a ciphertext");
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let encryption = count.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64();
    let mut file = File::create(dir.join("appended")).expect("a file");
    let start = Instant::now();
    let mut appended = 0;
    while start.elapsed() < SPAN {
        for _ in 0..BATCH {
            file.write_all(&text).expect("room on the disk");
        }
        file.sync_data().expect("a sync");
        appended += BATCH;
    }
    (encryption, appended as f64 / start.elapsed().as_secs_f64())
}

/// A list of the newest forty of at least 10,000 messages, the first time and again.
fn first_page(house: &House) {
    let mut imap = Imap::open(house.imap, &house.certificate);
    imap.say(&format!("LOGIN alice@example.org \"{PASSWORD}\""));
    let selected = imap.say("SELECT INBOX");
    let total: usize = selected
        .lines()
        .find_map(|line| line.strip_prefix("* ")?.strip_suffix(" EXISTS")?.parse().ok())
        .expect("EXISTS");
    for time in ["first time", "again"] {
        let start = Instant::now();
        imap.say(&format!("FETCH {}:{total} (FLAGS ENVELOPE)", total.saturating_sub(39).max(1)));
        println!(
            "newest 40 of {total:>6}, {time:<10}   {:>8.1} ms (goal: below 150 ms after the first time)",
            start.elapsed().as_secs_f64() * 1_000.0
        );
    }
}

/// The binary at work in a directory.
struct House {
    child: Child,
    smtp: u16,
    imap: u16,
    certificate: Vec<u8>,
}

impl House {
    fn start(dir: &Path) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        std::fs::write(dir.join("cert.pem"), made.cert.pem()).expect("written");
        std::fs::write(dir.join("key.pem"), made.signing_key.serialize_pem()).expect("written");
        let mut key = File::options();
        let mut key =
            key.write(true).create_new(true).mode(0o600).open(dir.join("master.key")).expect("a file");
        key.write_all(&[7; 32]).expect("written");
        let (smtp, imap) = (free_port(), free_port());
        let config = format!(
            "hostname = \"localhost.example\"\ndata_dir = \"{0}/data\"\nrun_dir = \"{0}/run\"\n\
             master_key_file = \"{0}/master.key\"\ntls = {{ certificate = \"{0}/cert.pem\", key = \"{0}/key.pem\" }}\n\
             portal = {{ url = \"https://localhost.example\" }}\n[[domain]]\nname = \"example.org\"\n\
             [listen]\nsmtp = [\"127.0.0.1:{smtp}\"]\nimaps = [\"127.0.0.1:{imap}\"]\nsubmission = []\n\
             submissions = []\nhttps = []\nhttp = []\n[log]\nlevel = \"error\"\n",
            dir.display()
        );
        std::fs::write(dir.join("guard.toml"), config).expect("written");
        let guardpost = || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_guardpost"));
            command.arg("--config").arg(dir.join("guard.toml"));
            command
        };
        let mut add = guardpost()
            .args(["account", "add", "--password-stdin", "alice@example.org"])
            .stdin(Stdio::piped())
            .spawn()
            .expect("the binary");
        add.stdin.take().expect("its input").write_all(format!("{PASSWORD}\n").as_bytes()).expect("taken");
        assert!(add.wait().expect("its end").success(), "the account was not made");
        let child = guardpost().arg("serve").spawn().expect("the binary");
        let certificate = made.cert.der().to_vec();
        let house = Self { child, smtp, imap, certificate };
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", smtp)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(30), "it did not start");
            std::thread::yield_now();
        }
        house
    }

    /// Acknowledged messages a second over so many connections.
    fn rate(&self, sessions: usize) -> f64 {
        let (count, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let start = Instant::now();
        let threads: Vec<_> = (0..sessions)
            .map(|_| {
                let (count, done, port) = (count.clone(), done.clone(), self.smtp);
                std::thread::spawn(move || {
                    let mut client = Smtp::open(port);
                    for sent in 1.. {
                        if done.load(Ordering::Relaxed) {
                            break;
                        }
                        // A session takes 1,000 RCPT commands.
                        if sent % 900 == 0 {
                            client = Smtp::open(port);
                        }
                        client.send_message(
                            std::iter::repeat_n(b'x', 70).chain(*b"\r\n").cycle().take(SIZE / 72 * 72),
                        );
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        while start.elapsed() < SPAN {
            std::thread::park_timeout(Duration::from_millis(50));
        }
        let rate = count.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64();
        done.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.join().expect("a client");
        }
        rate
    }

    fn status(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("a process");
        let line = status.lines().find(|line| line.starts_with(field)).expect("a field");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
    }

    fn resident(&self) -> u64 {
        self.status("VmRSS:")
    }

    fn peak(&self) -> u64 {
        self.status("VmHWM:")
    }

    fn forget_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").expect("Linux");
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its number").port()
}

/// A client that pipelines, as real ones do (RFC 2920).
struct Smtp {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Smtp {
    fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        stream.set_nodelay(true).expect("a socket");
        let reader = BufReader::new(stream.try_clone().expect("a socket"));
        let mut client = Self { stream, reader };
        client.expect("220");
        client.stream.write_all(b"EHLO client.example\r\n").expect("sent");
        client.expect("250");
        client
    }

    fn send_message(&mut self, body: impl Iterator<Item = u8>) {
        self.stream
            .write_all(b"MAIL FROM:<bob@example.net>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n")
            .expect("sent");
        for code in ["250", "250", "354"] {
            self.expect(code);
        }
        let mut text =
            b"From: bob@example.net\r\nTo: alice@example.org\r\nSubject: measured\r\n\r\n".to_vec();
        text.extend(body);
        text.extend_from_slice(b".\r\n");
        self.stream.write_all(&text).expect("sent");
        self.expect("250");
    }

    fn expect(&mut self, code: &str) {
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).expect("a reply");
            assert!(line.starts_with(code), "{line}");
            if line.as_bytes().get(3) == Some(&b' ') {
                return;
            }
        }
    }
}

/// A client for one command after the other.
struct Imap {
    stream: rustls::StreamOwned<rustls::ClientConnection, TcpStream>,
}

impl Imap {
    fn open(port: u16, certificate: &[u8]) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate.to_vec().into()).expect("a root");
        let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let name = "localhost".try_into().expect("a name");
        let connection = rustls::ClientConnection::new(Arc::new(config), name).expect("a client");
        let socket = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        let mut imap = Self { stream: rustls::StreamOwned::new(connection, socket) };
        imap.until("* OK");
        imap
    }

    fn say(&mut self, command: &str) -> String {
        self.stream.write_all(format!("a {command}\r\n").as_bytes()).expect("sent");
        self.until("a OK")
    }

    /// Reads up to the line that begins so.
    fn until(&mut self, last: &str) -> String {
        let mut text = Vec::new();
        let mut buffer = [0; 16 << 10];
        loop {
            let got = self.stream.read(&mut buffer).expect("an answer");
            assert!(got > 0, "the connection ended");
            text.extend_from_slice(buffer.get(..got).unwrap_or_default());
            let said = String::from_utf8_lossy(&text);
            if said.ends_with("\r\n") && said.lines().any(|line| line.starts_with(last)) {
                return said.into_owned();
            }
            assert!(!said.contains("\r\na NO") && !said.contains("\r\na BAD"), "{said}");
        }
    }
}
