//! Power cuts, disks that refuse, and what is acknowledged in between.
//!
//! A child process plays a list of steps on the engine; a shim below its files records every write and every
//! sync. For each point between two syncs the files are then made as a power cut may leave them, the store is
//! opened, and it must be as the model is after the steps that were acknowledged, or after one more.

use crate::base::time::Time;
use crate::store::codec::Number;
use crate::store::command::Command;
use crate::store::command::FlagChange;
use crate::store::command::Settlement;
use crate::store::disk::Source;
use crate::store::key;
use crate::store::random::check_rows;
use crate::store::random::everything;
use crate::store::record::Folder;
use crate::store::record::Purpose;
use crate::store::replay::Event;
use crate::store::replay::Survives;
use crate::store::replay::World;
use crate::store::replay::events;
use crate::store::sample::*;
use std::env;
use std::fs;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command as Process;
use std::time::Duration;

/// What is played: each step is one commit. The stage is for bodies that are files.
const STEPS: &[fn(&Stage) -> Vec<Command>] = &[
    |_| vec![account(1), account(4)],
    |_| vec![deliver(1, 1)],
    |_| vec![deliver(1, 2), deliver(1, 3)],
    |stage| vec![deliver_file(stage, 1, 4)],
    |stage| vec![temporary(3, 1), invite(stage), deliver_file(stage, 3, 5), deliver(1, 6)],
    |_| vec![Command::CountPinAttempt { invitation: invitation(3), max: 10 }],
    |_| vec![set_deleted(&[1, 4])],
    |_| vec![Command::LeaseDue { now: Time(10), until: Time(20), limit: 1 }, delivered_invitation()],
    |_| vec![first_use(3, 20)],
    |_| vec![Command::Expunge { mailbox: mailbox(1), folder: Folder::INBOX, uids: None }],
    |_| vec![Command::PutCertificate { record: certificate(60, 70, 30_000), replace: false }],
    |stage| vec![deliver_file(stage, 4, 7), deliver(4, 8)],
    |_| vec![Command::DeleteMailbox { mailbox: mailbox(4), now: Time(9), only: None }],
    |_| vec![deliver(1, 9)],
];

/// The step after which the key of invitation 3 must be nowhere, and that after which QK 3 must be.
const FIRST_USE: usize = 9;
const SETTLED: usize = 8;

fn deliver_file(stage: &Stage, n: u8, message: u8) -> Command {
    let mut delivery = delivery(n, message);
    delivery.record.body = stage.file(&[message; 20_000]);
    Command::Deliver(Box::new(delivery))
}

fn invite(stage: &Stage) -> Command {
    let mut mail = queued(3, stage.file(&[3; 9_000]), Purpose::Invitation(mailbox(3)), &[10]);
    mail.queue_key = Some(crate::base::secret::Secret::new(shred(0xb3)));
    Command::Enqueue(Box::new(mail))
}

fn delivered_invitation() -> Command {
    let outcome = Settlement::Delivered { proof: "TLS".into() };
    Command::Settle { queue: queue(3), number: 0, outcome }
}

fn set_deleted(numbers: &[u32]) -> Command {
    Command::SetFlags {
        mailbox: mailbox(1),
        folder: Folder::INBOX,
        uids: uids(numbers.iter().copied()),
        change: FlagChange::Add,
        flags: deleted(),
    }
}

/// What is there after 0, 1, … steps.
fn expected() -> Vec<String> {
    let stage = Stage::model();
    let mut all = vec![everything(&stage)];
    for step in STEPS {
        stage.commit(step(&stage)).unwrap();
        all.push(everything(&stage));
    }
    all
}

/// The shim, compiled.
fn shim(dir: &Path) -> PathBuf {
    let library = dir.join("record.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shim/record.c");
    let built = Process::new("gcc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&library, &source])
        .status()
        .expect("gcc, which the build needs too");
    assert!(built.success());
    library
}

/// Runs this test binary once more, as the child that plays `part` in `dir` on top of the shim.
fn child(shim: &Path, part: &str, dir: &Path, settings: &[(&str, String)]) -> Process {
    let mut process = Process::new(env::current_exe().unwrap());
    process
        .args(["--exact", "store::crash::the_part_of_the_child", "--nocapture"])
        .env("LD_PRELOAD", shim)
        .env("SHIM_ROOT", dir)
        .env("SHIM_MARK", dir.with_extension("mark"))
        .env("GUARDPOST_TEST_PART", part)
        .envs(settings.iter().map(|(name, value)| (*name, value)));
    process
}

/// Not a test of its own: what the child processes do. Without a part it has nothing to do.
#[test]
fn the_part_of_the_child() {
    let Ok(part) = env::var("GUARDPOST_TEST_PART") else { return };
    let dir = PathBuf::from(env::var("SHIM_ROOT").unwrap());
    let mut mark = File::create(dir.with_extension("mark")).unwrap();
    match part.as_str() {
        "steps" => play(&dir, &mut mark),
        "concurrent" => concurrent(&dir, &mut mark),
        other => panic!("no such part: {other}"),
    }
    kill();
}

/// Nothing of an orderly end: kill -9.
fn kill() {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
}

/// All steps, each marked once it is acknowledged; ends at the first that is not.
fn play(dir: &Path, mark: &mut File) {
    mark.write_all(b"go").unwrap();
    let Ok(stage) = Stage::at(dir) else { return };
    for (number, step) in (1..).zip(STEPS) {
        let commands = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| step(&stage)));
        let Ok(commands) = commands else { break };
        if stage.commit(commands).is_err() {
            break;
        }
        mark.write_all(format!("ack {number}").as_bytes()).unwrap();
    }
    kill();
}

/// 64 deliveries at once.
fn concurrent(dir: &Path, mark: &mut File) {
    let stage = Stage::at(dir).unwrap();
    stage.ok(account(1));
    mark.write_all(b"begin").unwrap();
    let store = stage.store();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let tasks: Vec<_> = (0..64)
        .map(|n| {
            let store = std::sync::Arc::clone(&store);
            runtime.spawn(async move { store.commit(vec![deliver(1, n)]).await.unwrap() })
        })
        .collect();
    for task in tasks {
        runtime.block_on(task).unwrap();
    }
    mark.write_all(b"end").unwrap();
}

/// The number in the last `ack`.
fn acknowledged(marks: impl Iterator<Item = String>) -> usize {
    marks.filter_map(|mark| mark.strip_prefix("ack ")?.parse().ok()).max().unwrap_or(0)
}

fn contains(dir: &Path, needle: &[u8]) -> Option<PathBuf> {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if let Some(found) = contains(&path, needle) {
                return Some(found);
            }
        } else {
            // Most of a log is zeros, which are compared fast.
            let zeros = [0; 4_096];
            let bytes = fs::read(&path).unwrap();
            let block = |at: usize| &bytes[at..bytes.len().min(at + zeros.len() + needle.len())];
            let found = |at: &usize| block(*at).windows(needle.len()).any(|window| window == needle);
            let full = |at: &usize| block(*at).get(..zeros.len()) != Some(&zeros);
            if (0..bytes.len()).step_by(zeros.len()).filter(full).any(|at| found(&at)) {
                return Some(path);
            }
        }
    }
    None
}

/// Opens what survived and compares it with what was acknowledged; then it must work on.
fn check(dir: &Path, acknowledged: usize, expected: &[String], what: &str) {
    for (step, key) in [(FIRST_USE, shred(3)), (SETTLED, shred(0xb3))] {
        if acknowledged >= step {
            assert_eq!(contains(dir, &key), None, "a destroyed key survives: {what}");
        }
    }
    let stage = Stage::at(dir).unwrap_or_else(|error| panic!("{error}: {what}"));
    let there = everything(&stage);
    let matches = expected.iter().skip(acknowledged).take(2).any(|expected| *expected == there);
    assert!(
        matches,
        "not what was acknowledged ({acknowledged}): {what}\n{there}\n{}",
        expected[acknowledged]
    );
    check_rows(stage.disk_rows());
    sweep(&stage);
    stage.ok(Command::PutCertificate { record: certificate(61, 71, 10), replace: true });
    assert!(stage.ask(stage.store().certificate(&address(71).key())).is_some(), "{what}");
}

/// After a sweep only the files remain that a record names.
fn sweep(stage: &Stage) {
    let disk = stage.disk_rows();
    let named = &mut |id| disk.holds(&key::file(id));
    for first in 0..=u8::MAX {
        stage.engine().bodies_of().sweep(first, Duration::ZERO, named).unwrap();
    }
    let rows = disk.rows::<Number>(&[key::FILE], None, usize::MAX).unwrap();
    assert_eq!(stage.files(), rows.len());
}

#[test]
fn a_power_cut_at_any_sync_loses_nothing_that_was_acknowledged() {
    let scratch = scratch();
    let shim = shim(scratch.path());
    let dir = scratch.path().join("recorded");
    let log = scratch.path().join("log");
    let ended = child(&shim, "steps", &dir, &[("SHIM_LOG", log.display().to_string())]).output().unwrap();
    assert!(!ended.status.success(), "it was killed");
    let events = events(&fs::read(&log).unwrap(), &dir);
    let expected = expected();
    let mut world = World::default();
    let mut acked = 0;
    let mut points = 0;
    let mut openings = 0;
    let mut alive = 0;
    let target = scratch.path().join("survived");
    for (at, event) in events.iter().enumerate() {
        let is_sync = matches!(event, Event::Sync { .. });
        if let Event::Mark(mark) = event {
            acked = acknowledged(std::iter::once(mark.clone())).max(acked);
        }
        if is_sync {
            points += 1;
            for survives in Survives::all(at as u64) {
                openings += 1;
                let _ = fs::remove_dir_all(&target);
                world.make(&target, survives);
                alive += usize::from(acked < SETTLED && contains(&target, &shred(3)).is_some());
                check(&target, acked, &expected, &format!("before {at} {event:?} {survives:?}"));
            }
        }
        world.happen(event);
        if is_sync {
            openings += 1;
            let _ = fs::remove_dir_all(&target);
            world.make(&target, Survives::Synced);
            check(&target, acked, &expected, &format!("after {at} {event:?}"));
        }
    }
    assert_eq!(acked, STEPS.len(), "every step was played");
    assert!(points > 2 * STEPS.len(), "{points}");
    assert!(alive > 0, "a key that lives is found, so that the search for a destroyed one means something");
    println!("power cut: {points} sync points, {openings} openings");
}

#[test]
fn every_answer_follows_a_sync_and_many_share_one() {
    let scratch = scratch();
    let shim = shim(scratch.path());
    let is_log =
        |event: &Event| matches!(event, Event::Sync { path, data: true, .. } if path.ends_with("store/db"));
    for (part, from) in [("steps", "go"), ("concurrent", "begin")] {
        let dir = scratch.path().join(part);
        let log = dir.with_extension("log");
        child(&shim, part, &dir, &[("SHIM_LOG", log.display().to_string())]).output().unwrap();
        let events = events(&fs::read(&log).unwrap(), &dir);
        let begin =
            events.iter().position(|event| matches!(event, Event::Mark(mark) if mark == from)).unwrap();
        let mut syncs = 0;
        let mut acks = 0;
        for event in &events[begin..] {
            syncs += usize::from(is_log(event));
            match event {
                Event::Mark(mark) if mark.starts_with("ack ") => {
                    assert!(syncs > 0, "{mark} without a sync");
                    (acks, syncs) = (acks + 1, 0);
                }
                Event::Mark(mark) if mark == "end" => {
                    println!("64 concurrent deliveries: {syncs} syncs");
                    assert!((1..=10).contains(&syncs), "{syncs}");
                    acks += 1;
                }
                _ => {}
            }
        }
        assert_eq!(acks, if part == "steps" { STEPS.len() } else { 1 });
    }
}

const ENOSPC: i32 = 28;
const EIO: i32 = 5;

/// Copies a directory tree.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_disk_that_fails_once_anywhere_loses_nothing_that_was_acknowledged() {
    refuse(EIO, false);
}

#[test]
fn a_disk_that_is_full_from_anywhere_on_loses_nothing_that_was_acknowledged() {
    refuse(ENOSPC, true);
}

/// Lets every operation on an existing store fail in turn, until the steps end before the fault comes.
fn refuse(errno: i32, sticky: bool) {
    let scratch = scratch();
    let shim = shim(scratch.path());
    let expected = expected();
    let fresh = scratch.path().join("fresh");
    drop(Stage::at(&fresh).unwrap());
    let dir = scratch.path().join("refused");
    let log = dir.with_extension("log");
    let mut failed = 0;
    for number in 1.. {
        let _ = fs::remove_dir_all(&dir);
        let _ = fs::remove_file(&log);
        copy(&fresh, &dir);
        let fault = format!("{number} {errno} {}", u8::from(sticky));
        let settings = [("SHIM_FAIL", fault.clone()), ("SHIM_LOG", log.display().to_string())];
        run(child(&shim, "steps", &dir, &settings));
        let marks: Vec<String> = events(&fs::read(&log).unwrap(), &dir)
            .into_iter()
            .filter_map(|event| match event {
                Event::Mark(mark) => Some(mark),
                _ => None,
            })
            .collect();
        let acked = acknowledged(marks.iter().cloned());
        check(&dir, acked, &expected, &format!("operation {fault}"));
        if !marks.iter().any(|mark| mark == "fault") {
            assert_eq!(acked, STEPS.len(), "without a fault every step is played");
            break;
        }
        failed += 1;
    }
    assert!(failed > 40, "{failed}");
    println!("refused with error {errno}: {failed} operations");
}

/// Waits for a child, which must end by itself.
fn run(mut process: Process) {
    process.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut child = process.spawn().unwrap();
    let begun = std::time::Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > Duration::from_secs(20) {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("a disk that refuses makes the store hang: {process:?}");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
