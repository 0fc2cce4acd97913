//! Messages a second from a full queue to other servers, beside Postfix on the same machine: over TLS, to one
//! destination and to several, a connection for each message and many over one.
//!
//! Both have their queue filled while they stand still, then go. The time is the peer's: from the first connection that
//! it sees to its last 250. It is the same program for both, in a process of its own. Each figure is the median of some
//! rounds, taken by turns; what counts is the ratio.
//!
//! Guardpost is the library as the binary runs it (its memory wiped, its log written), in a process of its own, with a
//! table in place of DNS, because it does not send to this machine otherwise. Postfix has routes by address, and asks
//! no DNS at all. Guardpost syncs the outcome of each message to the disk; Postfix does not. Both have the same number of
//! connections at once: to several destinations too, where Postfix by itself would have 100 processes
//! (`--postfix-processes 100`).
//!
//! On a machine that does other work too, the rates say more of that work than of the two; the CPU time of a message is
//! then the better measure.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement ends by panicking and prints what it found"
)]

mod guardpost_house;
mod postfix;
#[path = "../process.rs"]
#[allow(dead_code, reason = "of several measurements")]
mod process;
mod sink;

use guardpost_house::House;
use postfix::Postfix;
use sink::Sink;
use std::time::Duration;
use tikv_jemallocator::Jemalloc;
use zeroizing_alloc::ZeroAlloc;

/// As in the binary.
#[global_allocator]
static MEMORY: ZeroAlloc<Jemalloc> = ZeroAlloc(Jemalloc);

/// Messages of one run.
const MESSAGES: usize = 2_000;
/// Octets of one message.
const SIZE: usize = 4 << 10;
/// Runs of each figure.
const ROUNDS: usize = 3;
/// Destinations, where there are several.
const SEVERAL: usize = 8;
/// Connections at once, in all and to one destination, for both.
const CONNECTIONS: usize = 20;
/// Messages for the bounds of a full queue: as many as it holds by itself.
const FULL: usize = 10_000;

/// How it is sent.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// Destinations, each with an address of its own.
    pub destinations: usize,
    /// Many messages over one connection.
    pub reuse: bool,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    if has(sink::ROLE) {
        return sink::serve();
    }
    if has(guardpost_house::ROLE) {
        return guardpost_house::serve(arguments.last().expect("a directory"));
    }
    if !has("--only-speed") {
        full_queue();
    }
    if has("--only-full") {
        return;
    }
    let settings = postfix::SETTINGS.trim().replace('\n', ", ");
    println!("settings of Postfix: {settings}, {} processes that send", postfix::senders());
    println!("settings of Guardpost: {}", guardpost_house::settings(true).trim().replace('\n', ", "));
    let rounds = if has("--once") { 1 } else { ROUNDS };
    let sink = Sink::start();
    for destinations in [1, SEVERAL] {
        for reuse in [false, true] {
            measure(&sink, Way { destinations, reuse }, rounds);
        }
    }
}

fn measure(sink: &Sink, way: Way, rounds: usize) {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut connections = (0, 0);
    let (mut cpu, mut their_cpu) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..rounds {
        let house = House::filled(MESSAGES, sink.port, way);
        let run = sink.expect(MESSAGES);
        let house = house.go();
        let seen = run.wait();
        cpu = process::cpu(house.process());
        connections.0 = seen.connections;
        ours.push(MESSAGES as f64 / seen.took.as_secs_f64());
        drop(house);
        let postfix = Postfix::filled(MESSAGES, sink.port, way);
        let run = sink.expect(MESSAGES);
        let postfix = postfix.go();
        let seen = run.wait();
        their_cpu = postfix.cpu();
        connections.1 = seen.connections;
        theirs.push(MESSAGES as f64 / seen.took.as_secs_f64());
        drop(postfix);
    }
    let (ours, theirs) = (median(&mut ours), median(&mut theirs));
    println!(
        "{} destination(s), {}: Guardpost {ours:>6.0} messages/s ({} connections, CPU a message {:.0} us), \
         Postfix {theirs:>6.0} ({} connections, {:.0} us): ratio {:.2} (goal: at least 1.5), of the CPU time {:.2}",
        way.destinations,
        if way.reuse { "connections used again" } else { "a connection for each" },
        connections.0,
        cpu.as_secs_f64() * 1e6 / MESSAGES as f64,
        connections.1,
        their_cpu.as_secs_f64() * 1e6 / MESSAGES as f64,
        ours / theirs,
        their_cpu.as_secs_f64() / cpu.as_secs_f64()
    );
}

fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    *figures.get(figures.len() / 2).expect("a figure")
}

/// A queue as full as it may be, for a peer that is not there: memory, and how soon a restart listens.
fn full_queue() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = nobody.local_addr().expect("its number").port();
    drop(nobody);
    let way = Way { destinations: SEVERAL, reuse: true };
    let empty = House::filled(0, port, way).go();
    let idle = process::resident(empty.process());
    drop(empty);
    let house = House::filled(FULL, port, way).go();
    let first = house.ready;
    house.wait_for_tries(FULL);
    let resident = process::resident(house.process());
    let again = house.again();
    println!(
        "{FULL} queued messages: {resident} KiB resident after a try for each, {idle} KiB with an empty queue \
         (goal: below 512 MiB); listening {:.2} s after the start, {:.2} s after a restart (goal: below 3 s)",
        first.as_secs_f64(),
        again.ready.as_secs_f64()
    );
}
