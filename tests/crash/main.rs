//! Killed at random, again and again, under everything at once: nothing acknowledged is lost or done twice.
//!
//! The server is a process of its own, and it is SIGKILL that ends it. This process plays everybody else, notes what
//! it was told, and compares at the end. `CRASH_SEED` repeats the choices of a run (the moments are the machine's
//! own), `CRASH_ROUNDS` changes how often. It takes all cores and would hold up other tests, so it stands alone.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and what this one measures is worth reading"
)]

#[path = "../e2e/free_ports.rs"]
mod free_ports;
mod house;
mod ledger;
mod load;
mod sink;
mod verify;
mod wire;

use crate::house::House;
use crate::ledger::Deed;
use crate::ledger::Event;
use crate::ledger::Ledger;
use crate::ledger::Log;
use crate::ledger::Random;
use crate::load::Client;
use crate::sink::Sink;
use crate::verify::Kill;
use crate::verify::Watch;
use std::env;
use std::io;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

/// Between two looks at what is there.
const LOOK: u64 = 20;

#[test]
fn nothing_acknowledged_is_lost_or_doubled_by_kills() {
    let seed = setting("CRASH_SEED")
        .unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64);
    let rounds = setting("CRASH_ROUNDS").unwrap_or(100);
    println!("CRASH_SEED={seed} CRASH_ROUNDS={rounds}");
    let mut random = Random(seed);
    let (bell, heard) = channel();
    let (sink, ledger) = (Sink::open(), Ledger::new(bell.clone()));
    let house = House::new(sink.port, bell);
    let client = |seed| Client { house: &house, ledger: &ledger, sink: &sink, random: Random(seed) };
    let (mut inbox, mut sent) = (Watch::default(), Watch::default());
    let (mut kills, mut starts): (Vec<Kill>, Vec<Duration>) = (Vec::new(), Vec::new());
    let mut moments = Moments { random: Random(random.next()), heard, first_use: Duration::from_millis(800) };
    let begun = Instant::now();
    // The first start makes keys; it is not one of many.
    drop(house.start());
    for round in 1..=rounds {
        let (server, took) = house.start();
        starts.push(took);
        if round.is_multiple_of(LOOK) {
            verify::glance(&client(0), &mut inbox, &mut sent);
        }
        thread::scope(|scope| {
            let mut client = || client(random.next());
            for work in WORK {
                let mut client = client();
                scope.spawn(move || {
                    let ended = work(&mut client);
                    if let Err(error) = ended
                        && !is_end(&error)
                    {
                        client.ledger.refused(format!("not the end of a connection: {error}"));
                    }
                });
            }
            moments.wait(round);
            let before = Instant::now();
            server.kill();
            kills.push((before, Instant::now()));
        });
    }
    println!("{rounds} kills in {:.1?}", begun.elapsed());
    starts.sort_unstable();
    let at = |share: usize| starts[(starts.len() - 1) * share / 100];
    println!("start to greeting: median {:.0?}, 90 % {:.0?}, longest {:.0?}", at(50), at(90), at(100));
    let (server, _) = house.start();
    verify::load_was_real(&ledger, kills.len());
    verify::glance(&client(0), &mut inbox, &mut sent);
    verify::everything(&mut client(0), &kills);
    server.stop();
    verify::directory(&house);
    let log = house.log();
    assert!(!log.contains("panicked"), "{log}");
    println!("all in {:.1?}", begun.elapsed());
}

type Work = fn(&mut Client<'_>) -> io::Result<()>;

/// Everybody at once.
const WORK: [Work; 7] = [
    |client| client.bring(),
    |client| client.bring(),
    |client| client.submit(Deed::Secure),
    |client| client.submit(Deed::Plain),
    |client| client.open_mailboxes(),
    |client| client.flag(),
    |client| client.draft(),
];

/// When to kill.
struct Moments {
    random: Random,
    heard: Receiver<Event>,
    /// What a first use took of late.
    first_use: Duration,
}

impl Moments {
    /// Waits for the moment: at random; at random and then at the very next answer of one kind, or when the log says
    /// that something is done and nobody was answered yet; or around the end of a first use, which computes for longer
    /// than most lives of the server last.
    fn wait(&mut self, round: u64) {
        while self.heard.try_recv().is_ok() {}
        if round.is_multiple_of(10) {
            // Else a machine that is too busy would never see one.
            self.hear(Event::Done(Deed::FirstUse), Duration::from_secs(120));
            return;
        }
        let early = Duration::from_millis(30 + self.random.below(571));
        match self.random.below(4) {
            0 | 1 => self.pass(early),
            2 => {
                self.pass(early);
                let answers = Deed::ALL.map(Event::Done);
                let logged = [Event::Logged(Log::Arrival), Event::Logged(Log::Submission)];
                let events = [&answers[..], &logged, &logged].concat();
                let event = events[self.random.below(events.len() as u64) as usize];
                self.hear(event, Duration::from_millis(400));
            }
            _ => self.wait_for_a_first_use(),
        }
    }

    fn wait_for_a_first_use(&mut self) {
        if !self.hear(Event::Began(Deed::FirstUse), Duration::from_secs(2)) {
            return;
        }
        let began = Instant::now();
        if self.random.below(2) == 0 {
            self.hear(Event::Logged(Log::FirstUse), self.first_use * 2);
            return;
        }
        let share = 70 + self.random.below(60);
        let most = self.first_use * u32::try_from(share).unwrap() / 100;
        if self.hear(Event::Done(Deed::FirstUse), most) {
            self.first_use = began.elapsed();
        } else {
            self.first_use = (self.first_use * 11 / 10).min(Duration::from_secs(3));
        }
    }

    /// Lets time pass, whatever is heard meanwhile: a moment is what is wanted.
    fn pass(&self, span: Duration) {
        let end = Instant::now() + span;
        while self.heard.recv_timeout(end.saturating_duration_since(Instant::now())).is_ok() {}
    }

    /// Whether it came in time.
    fn hear(&self, wanted: Event, most: Duration) -> bool {
        let end = Instant::now() + most;
        while let Ok(event) = self.heard.recv_timeout(end.saturating_duration_since(Instant::now())) {
            if event == wanted {
                return true;
            }
        }
        false
    }
}

/// What a killed server looks like from the other side.
fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind as E;
    matches!(
        error.kind(),
        E::ConnectionRefused
            | E::ConnectionReset
            | E::ConnectionAborted
            | E::BrokenPipe
            | E::UnexpectedEof
            | E::NotConnected
            | E::PermissionDenied
    )
}

fn setting(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}
