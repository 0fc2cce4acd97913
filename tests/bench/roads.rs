//! Acknowledged messages a second, memory, and the first page of a large mailbox: the real binary, real sockets.
//!
//! Two limits are measured beside it in the same run: the encryption alone on the same cores, and the same bytes
//! appended to a file with an fdatasync for every batch of 256. The load shares the cores with the server; what it
//! costs is measured too, beside the server and against a server that does nothing.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement ends by panicking and prints what it found"
)]

mod load;
mod page;
mod process;

use guardpost::base::address::Address;
use guardpost::base::time::Time;
use guardpost::openpgp::encrypt::encrypt_bytes;
use guardpost::openpgp::generate::generate;
use load::SIZE;
use load::SPAN;
use load::Sink;
use page::Pages;
use std::fs::File;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

/// Messages between two syncs of the bare file.
const BATCH: usize = 256;
const PASSWORD: &str = "measured at some length";

fn main() {
    if std::env::args().any(|argument| argument == load::SINK) {
        return Sink::serve();
    }
    let dir = tempfile::tempdir().expect("a directory");
    let house = House::start(dir.path());
    let idle = process::resident(house.process());
    println!("idle memory                       {idle:>8} KiB resident (goal: below 40 MiB)");
    large_message(&house);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (encryption, each) = encryption(cores);
    println!(
        "limit: encryption alone           {encryption:>8.0} messages/s on {cores} cores; CPU a message: {each:.0} us"
    );
    let appending = appending(dir.path());
    println!("limit: append, fdatasync per {BATCH}  {appending:>8.0} messages/s");
    let limit = encryption.min(appending);
    let sink = Sink::start();
    let nothing = load::rate(sink.port, sink.process(), 50);
    drop(sink);
    println!(
        "the load against a null sink, 50  {:>8.0} messages/s; CPU a message: load {:.0} us, sink {:.0} us",
        nothing.messages, nothing.load, nothing.server
    );
    for sessions in [1, 10, 50] {
        let rate = load::rate(house.smtp, house.process(), sessions);
        println!(
            "acknowledged, {sessions:>2} sessions         {:>8.0} messages/s, {:.2} of the lower limit; \
             CPU a message: server {:.0} us, load {:.0} us, {:.2} of it the encryption",
            rate.messages,
            rate.messages / limit,
            rate.server,
            rate.load,
            each / (rate.server + rate.load)
        );
    }
    println!("memory after the load             {:>8} KiB resident", process::resident(house.process()));
    tell("IMAP", &page::by_imap(house.imap, "alice@example.org", PASSWORD));
    println!("memory after the list             {:>8} KiB resident", process::resident(house.process()));
    drop(house);
    tell("portal", &page::by_portal());
}

fn tell(road: &str, pages: &Pages) {
    for (time, took) in [("first time", pages.first), ("again", pages.again)] {
        println!(
            "{road}: newest 40 of {:>6}, {time:<10} {:>6.1} ms (goal: below 150 ms after the first time)",
            pages.total,
            took.as_secs_f64() * 1_000.0
        );
    }
}

/// 25 MiB through the door: what it costs in memory above idle.
fn large_message(house: &House) {
    let idle = process::resident(house.process());
    process::forget_peak(house.process());
    let line = [b"x".repeat(76).as_slice(), b"\r\n"].concat();
    load::send_message(house.smtp, line.iter().copied().cycle().take(25 * 1_000_000 / 78 * 78));
    let peak = process::peak(house.process()).saturating_sub(idle);
    println!("25 MB message, peak above idle    {peak:>8} KiB (goal: below 100 MiB)");
}

/// Messages a second, encrypted on every core and thrown away, and the CPU time of each, microseconds.
fn encryption(cores: usize) -> (f64, f64) {
    let address = Address::parse("alice@example.org").expect("an address");
    let key = generate(&address, Time(1_700_000_000)).expect("a key");
    let text = vec![b'x'; SIZE];
    let count = AtomicU64::new(0);
    let (start, before) = (Instant::now(), process::cpu(std::process::id()));
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
    let messages = count.load(Ordering::Relaxed) as f64;
    let (took, spent) = (start.elapsed(), process::cpu(std::process::id()) - before);
    (messages / took.as_secs_f64(), spent.as_secs_f64() * 1e6 / messages)
}

/// Messages a second, appended to a file with a sync for every batch.
fn appending(dir: &Path) -> f64 {
    let text = vec![b'x'; SIZE];
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
    appended as f64 / start.elapsed().as_secs_f64()
}

/// The binary at work in a directory.
struct House {
    child: Child,
    smtp: u16,
    imap: u16,
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
        let house = Self { child, smtp, imap };
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", smtp)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(30), "it did not start");
            std::thread::yield_now();
        }
        house
    }

    fn process(&self) -> u32 {
        self.child.id()
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
