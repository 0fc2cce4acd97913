//! Power cuts, disks that refuse, and what is acknowledged in between.
//!
//! A child process plays a list of steps on the engine; a shim below its files records every write and every
//! sync. For each point between two syncs the files are then made as a power cut may leave them, the store is
//! opened, and it must be as the model is after the steps that were acknowledged, or after one more.

use crate::base::time::Time;
use crate::store::codec::Number;
use crate::store::command::Command;
use crate::store::command_part::DeleteIf;
use crate::store::command_part::FlagChange;
use crate::store::command_part::Settlement;
use crate::store::disk::Source;
use crate::store::key;
use crate::store::random::everything;
use crate::store::record::Folder;
use crate::store::record_life::ClockTrouble;
use crate::store::record_life::Suspension;
use crate::store::record_queue::Purpose;
use crate::store::replay::Event;
use crate::store::replay::Survives;
use crate::store::replay::World;
use crate::store::replay::events;
use crate::store::rows_agree::check_rows;
use crate::store::sample::*;
use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command as Process;
use std::time::Duration;

/// What is played: each step is one commit. The stage is for bodies that are files.
type Step = fn(&Stage) -> Vec<Command>;

/// Steps, and what they destroy.
struct Script {
    /// As the child is told.
    name: &'static str,
    steps: &'static [Step],
    /// The number of a step, and the shred key that is nowhere after it.
    destroyed: &'static [(usize, u8)],
}

/// Mail that comes and goes.
const MAIL: Script = Script {
    name: "mail",
    steps: &[
        |_| vec![account(1), account(4)],
        |_| vec![deliver(1, 1)],
        |_| vec![deliver(1, 2), deliver(1, 3)],
        |stage| vec![deliver_file(stage, 1, 4)],
        |stage| vec![temporary(3, 1), invite(stage, 3, 3), deliver_file(stage, 3, 5), deliver(1, 6)],
        |_| vec![Command::CountPinAttempt { invitation: invitation(3), max: 10 }],
        |_| vec![set_deleted(&[1, 4])],
        |_| vec![lease(), delivered(3)],
        |_| vec![first_use(3, 20)],
        |_| vec![Command::Expunge { mailbox: mailbox(1), folder: Folder::INBOX, uids: None }],
        |_| vec![Command::PutCertificate { record: certificate(60, 70, 30_000), replace: false }],
        |stage| vec![deliver_file(stage, 4, 7), deliver(4, 8)],
        |_| vec![Command::DeleteMailbox { mailbox: mailbox(4), now: Time(9), only: None }],
        |_| vec![deliver(1, 9)],
    ],
    destroyed: &[(8, 0xb3), (9, 3), (13, 4)],
};

/// The life of mailboxes 14, 2 and 13, all of one address; 1 and 3 are not touched by it.
const LIFE: Script = Script {
    name: "life",
    steps: &[
        |stage| vec![account(1), temporary(3, 1), invite(stage, 3, 3), deliver_file(stage, 3, 5)],
        |stage| vec![named(temporary(14, 1), 4), invite(stage, 2, 14), deliver_file(stage, 14, 6)],
        |_| {
            let (invitation, now) = (invitation(14), Time(2_100));
            vec![tick(2_100, None), Command::MarkUnreachable { mailbox: mailbox(14), invitation, now }]
        },
        |stage| {
            let cancel = Command::CancelQueued { queue: queue(2) };
            vec![renewal(14, 14, 5, 1), cancel, invite(stage, 4, 14)]
        },
        |_| vec![Command::NoteAsked { mailbox: mailbox(14), account: mailbox(1), now: Time(5_900) }],
        |stage| vec![supersede(2, 14, 1), deliver_file(stage, 2, 7), deliver(14, 8)],
        |stage| {
            let mail = queued(1, stage.file(&[1; 9_000]), Purpose::Warning(mailbox(14), 14), &[5]);
            vec![Command::Enqueue(Box::new(mail)), warning(14, 14, 1)]
        },
        |_| vec![lease(), delivered(1)],
        |_| vec![close(14, 7_000)],
        |_| {
            let suspension = Suspension { at: Time(7_050), why: ClockTrouble::Forward, by: 9 };
            let told = Command::NoteSuspensionTold;
            vec![tick(7_050, Some(suspension)), told, Command::AcceptClock { wall: Time(7_060) }]
        },
        |_| vec![Command::ReopenMailbox { mailbox: mailbox(14), now: Time(7_100) }],
        |_| match first_use(14, 21) {
            Command::CompleteFirstUse(mut first) => {
                first.invitation = invitation(5);
                vec![Command::CompleteFirstUse(first)]
            }
            other => vec![other],
        },
        |_| vec![close(2, 8_000)],
        |_| {
            let only = Some(DeleteIf::StillClosedSince(Time(8_000)));
            vec![Command::DeleteMailbox { mailbox: mailbox(2), now: Time(8_700), only }]
        },
        |_| vec![Command::DeleteMailbox { mailbox: mailbox(14), now: Time(8_800), only: None }],
        |_| vec![Command::PurgeTraces { before: Time(8_801), limit: 2 }],
        |stage| vec![named(temporary(13, 1), 4), deliver_file(stage, 13, 9)],
    ],
    destroyed: &[(4, 14), (4, 0xb2), (9, 0xb4), (12, 5), (14, 2), (15, 21)],
};

fn deliver_file(stage: &Stage, n: u8, message: u8) -> Command {
    let mut delivery = delivery(n, message);
    delivery.record.body = stage.file(&[message; 20_000]);
    Command::Deliver(Box::new(delivery))
}

/// Queued mail `n` with the link to mailbox `of`, under a key of its own.
fn invite(stage: &Stage, n: u8, of: u8) -> Command {
    let mut mail = queued(n, stage.file(&[n; 9_000]), Purpose::Invitation(mailbox(of)), &[10]);
    mail.queue_key = Some(crate::base::secret::Secret::new(shred(0xb0 + n)));
    Command::Enqueue(Box::new(mail))
}

fn lease() -> Command {
    Command::LeaseDue { now: Time(10), running: Duration::ZERO, until: Duration::from_secs(120), limit: 1 }
}

fn delivered(n: u8) -> Command {
    let outcome = Settlement::Delivered { proof: "TLS".into() };
    Command::Settle { queue: queue(n), number: 0, lease: Duration::from_secs(20), outcome }
}

fn tick(wall: i64, suspend: Option<Suspension>) -> Command {
    Command::Tick { wall: Time(wall), ran_more: 1_000, suspend }
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
fn expected(script: &Script) -> Vec<String> {
    let stage = Stage::model();
    let mut all = vec![everything(&stage)];
    for step in script.steps {
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
        "mail" => play(&MAIL, &dir, &mut mark),
        "life" => play(&LIFE, &dir, &mut mark),
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
fn play(script: &Script, dir: &Path, mark: &mut File) {
    mark.write_all(b"go").unwrap();
    let Ok(stage) = Stage::at(dir) else { return };
    for (number, step) in (1..).zip(script.steps) {
        let commands = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| step(&stage)));
        let Ok(commands) = commands else { break };
        if stage.commit(commands).is_err() {
            break;
        }
        mark.write_all(format!("ack {number}").as_bytes()).unwrap();
    }
    // What follows the last step is recorded too, and can fail.
    let left = || stage.disk_rows().page(&[key::LEFT], None, 1).is_ok_and(|rows| !rows.is_empty());
    while stage.commit(Vec::new()).is_ok() && left() {}
    stage.engine().settle_bodies();
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

/// Which of the destroyed keys of a script stand anywhere in a file below `dir`; each by its number.
fn present(dir: &Path, script: &Script) -> BTreeSet<u8> {
    let keys: Vec<(u8, [u8; 32])> = script.destroyed.iter().map(|(_, n)| (*n, shred(*n))).collect();
    let mut first = [false; 256];
    keys.iter().for_each(|(_, key)| first[usize::from(key[0])] = true);
    let mut found = BTreeSet::new();
    search(dir, &mut |bytes| {
        for at in (0..bytes.len()).filter(|at| first[usize::from(bytes[*at])]) {
            found.extend(keys.iter().filter(|(_, key)| bytes[at..].starts_with(key)).map(|(n, _)| *n));
        }
    });
    found
}

/// Shows `look` every file below `dir` but for its blocks of zeros: most of a log.
fn search(dir: &Path, look: &mut impl FnMut(&[u8])) {
    const BLOCK: usize = 4_096;
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            search(&path, look);
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        for at in (0..bytes.len()).step_by(BLOCK) {
            let block = &bytes[at..bytes.len().min(at + BLOCK)];
            if *block != [0; BLOCK][..block.len()] {
                // What begins in this block may end in the next one.
                look(&bytes[at..bytes.len().min(at + BLOCK + 32)]);
            }
        }
    }
}

/// The keys that must be nowhere after so many steps.
fn gone(script: &Script, steps: usize) -> impl Iterator<Item = u8> {
    script.destroyed.iter().filter(move |(step, _)| steps >= *step).map(|(_, key)| *key)
}

/// Opens what survived and compares it with what was acknowledged; then it must work on.
fn check(dir: &Path, acknowledged: usize, script: &Script, expected: &[String], what: &str) {
    let there = present(dir, script);
    for key in gone(script, acknowledged) {
        assert!(!there.contains(&key), "the destroyed key {key} survives: {what}");
    }
    let stage = Stage::at(dir).unwrap_or_else(|error| panic!("{error}: {what}"));
    let there = everything(&stage);
    let steps = (acknowledged..expected.len().min(acknowledged + 2)).find(|at| expected[*at] == there);
    let Some(steps) = steps else {
        let want = &expected[acknowledged];
        panic!("not what was acknowledged ({acknowledged}): {what}\n{there}\n{want}");
    };
    let there = present(dir, script);
    for key in gone(script, steps) {
        assert!(!there.contains(&key), "the key {key} survives the start after a crash: {what}");
    }
    check_rows(&stage);
    sweep(&stage);
    stage.ok(Command::PutCertificate { record: certificate(61, 71, 10), replace: true });
    assert!(stage.ask(stage.store().certificate(&address(71).key())).is_some(), "{what}");
}

/// After a sweep only the files remain that a record names.
fn sweep(stage: &Stage) {
    stage.settle();
    let disk = stage.disk_rows();
    let named = &mut |id| disk.holds(&key::file(id));
    for first in 0..=u8::MAX {
        stage.engine().bodies_of().sweep(first, Duration::ZERO, usize::MAX, named).unwrap();
    }
    let rows = disk.rows::<Number>(&[key::FILE], None, usize::MAX).unwrap();
    assert_eq!(stage.files(), rows.len());
}

#[test]
fn a_power_cut_at_any_sync_loses_nothing_that_was_acknowledged() {
    cut_power(&MAIL);
}

#[test]
fn a_power_cut_anywhere_in_the_life_of_a_mailbox_loses_nothing_and_brings_nothing_back() {
    cut_power(&LIFE);
}

/// Cuts the power before and after every sync of a script.
fn cut_power(script: &Script) {
    let scratch = scratch();
    let shim = shim(scratch.path());
    let dir = scratch.path().join("recorded");
    let log = scratch.path().join("log");
    let ended = child(&shim, script.name, &dir, &[("SHIM_LOG", log.display().to_string())]).output().unwrap();
    assert!(!ended.status.success(), "it was killed");
    let events = events(&fs::read(&log).unwrap(), &dir);
    let expected = expected(script);
    let mut world = World::default();
    let mut acked = 0;
    let mut points = 0;
    let mut openings = 0;
    let mut alive = BTreeSet::new();
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
                alive.append(&mut present(&target, script));
                let what = format!("before {at} {event:?} {survives:?}");
                check(&target, acked, script, &expected, &what);
            }
        }
        world.happen(event);
        if is_sync {
            openings += 1;
            let _ = fs::remove_dir_all(&target);
            world.make(&target, Survives::Synced);
            check(&target, acked, script, &expected, &format!("after {at} {event:?}"));
        }
    }
    assert_eq!(acked, script.steps.len(), "every step was played; the log ends with {:?}", events.last());
    assert!(points > 2 * script.steps.len(), "{points}");
    let keys: BTreeSet<u8> = script.destroyed.iter().map(|(_, key)| *key).collect();
    assert_eq!(
        alive, keys,
        "a key that lives is found, so that the search for a destroyed one means something"
    );
    println!("power cut, {}: {points} sync points, {openings} openings", script.name);
}

#[test]
fn every_answer_follows_a_sync_and_many_share_one() {
    let scratch = scratch();
    let shim = shim(scratch.path());
    let is_log =
        |event: &Event| matches!(event, Event::Sync { path, data: true, .. } if path.ends_with("store/db"));
    for (part, from) in [("mail", "go"), ("life", "go"), ("concurrent", "begin")] {
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
        let want = [&MAIL, &LIFE].into_iter().find(|script| script.name == part);
        assert_eq!(acks, want.map_or(1, |script| script.steps.len()));
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
    refuse(&MAIL, EIO, false);
}

#[test]
fn a_disk_that_fails_once_anywhere_in_the_life_of_a_mailbox_loses_nothing_and_brings_nothing_back() {
    refuse(&LIFE, EIO, false);
}

#[test]
fn a_disk_that_is_full_from_anywhere_on_loses_nothing_that_was_acknowledged() {
    refuse(&MAIL, ENOSPC, true);
}

#[test]
fn a_disk_that_is_full_from_anywhere_in_the_life_of_a_mailbox_on_loses_nothing() {
    refuse(&LIFE, ENOSPC, true);
}

/// Lets every operation on an existing store fail in turn, until the steps end before the fault comes.
fn refuse(script: &Script, errno: i32, sticky: bool) {
    let scratch = scratch();
    let shim = shim(scratch.path());
    let expected = expected(script);
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
        run(child(&shim, script.name, &dir, &settings));
        let marks: Vec<String> = events(&fs::read(&log).unwrap(), &dir)
            .into_iter()
            .filter_map(|event| match event {
                Event::Mark(mark) => Some(mark),
                _ => None,
            })
            .collect();
        let acked = acknowledged(marks.iter().cloned());
        check(&dir, acked, script, &expected, &format!("operation {fault}"));
        if !marks.iter().any(|mark| mark == "fault") {
            assert_eq!(acked, script.steps.len(), "without a fault every step is played");
            break;
        }
        failed += 1;
    }
    assert!(failed > 40, "{failed}");
    println!("refused with error {errno}, {}: {failed} operations", script.name);
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
