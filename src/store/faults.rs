//! Damage, rollback, a second opener, a full disk, another key: a clear error each, and never silence.

use crate::base::id::BodyId;
use crate::base::id::QueueId;
use crate::base::secret::Secret;
use crate::base::time::Time;
use crate::store::Health;
use crate::store::Store;
use crate::store::body::Body;
use crate::store::command::Command;
use crate::store::command::Outcome;
use crate::store::command_part::FlagChange;
use crate::store::command_part::Settlement;
use crate::store::disk::Disk;
use crate::store::disk::Rows;
use crate::store::engine::Engine;
use crate::store::engine::Options;
use crate::store::error::StoreError;
use crate::store::key;
use crate::store::place::Space;
use crate::store::place::SpaceProbe;
use crate::store::poison::Poison;
use crate::store::record::Folder;
use crate::store::record::Uid;
use crate::store::record_queue::Purpose;
use crate::store::sample::*;
use crate::vault::keyring::Keys;
use crate::vault::primitives::sha256;
use crate::vault::tests::Seeded;
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

fn commit(engine: &Engine, commands: Vec<Command>) -> Result<Vec<Outcome>, StoreError> {
    runtime().block_on(engine.commit(commands))
}

/// A store with an account, a temporary mailbox and some mail, closed.
fn filled(dir: &Path) {
    let engine = open(dir).unwrap();
    commit(&engine, vec![account(1), temporary(2, 1)]).unwrap();
    for message in 0..20 {
        commit(&engine, vec![deliver(1, message)]).unwrap();
    }
}

/// How opening ends, and what can be read if it does not fail: a word for each.
fn opening(dir: &Path) -> Result<usize, StoreError> {
    let engine = open(dir)?;
    let record = runtime().block_on(engine.mailbox(mailbox(1)))?;
    record.ok_or(StoreError::Damaged { what: "the account is not there" })?;
    let messages = runtime().block_on(engine.messages(mailbox(1), Folder::INBOX, Uid(0), 100))?;
    for (n, message) in (0..).zip(&messages) {
        assert_eq!(message.record, delivery(1, n).record);
    }
    Ok(messages.len())
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn a_second_opener_is_told_and_the_first_goes_on() {
    let scratch = scratch();
    let dir = scratch.path().join("data");
    let engine = open(&dir).unwrap();
    assert!(matches!(open(&dir), Err(StoreError::InUse)));
    commit(&engine, vec![account(1)]).unwrap();
    assert!(matches!(open(&dir), Err(StoreError::InUse)));
    drop(engine);
    let engine = open(&dir).unwrap();
    assert!(runtime().block_on(engine.mailbox(mailbox(1))).unwrap().is_some());
}

#[test]
fn the_data_directory_is_for_its_owner_alone() {
    let scratch = scratch();
    let dir = scratch.path().join("data");
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
    filled(&dir);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&dir.join("bodies/00")), 0o700);
    for file in ["shred.a", "shred.b", "committed.seq", "lock"] {
        assert_eq!(mode(&dir.join(file)), 0o600, "{file}");
    }
}

#[test]
fn another_key_opens_nothing_and_changes_nothing() {
    let scratch = scratch();
    let dir = scratch.path().join("data");
    filled(&dir);
    let other = Keys::generate(&Seeded::new(8));
    assert!(matches!(Engine::open(&dir, &other, options()), Err(StoreError::WrongKey)));
    assert_eq!(opening(&dir).unwrap(), 20);
}

#[test]
fn one_changed_bit_in_the_log_is_never_silent() {
    let scratch = scratch();
    let dir = scratch.path().join("data");
    filled(&dir);
    let db = fs::read(dir.join("store/db")).unwrap();
    let used = db.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let mut noticed = 0;
    let flips = 60;
    for flip in 0..flips {
        let target = scratch.path().join("damaged");
        let _ = fs::remove_dir_all(&target);
        copy(&dir, &target);
        let mut bytes = db.clone();
        let at = flip * used / flips + flip % 7;
        bytes[at] ^= 1 << (flip % 8);
        fs::write(target.join("store/db"), &bytes).unwrap();
        match opening(&target) {
            Ok(20) => {}
            Ok(fewer) => panic!("bit {at}: {fewer} of 20 messages and no word"),
            Err(StoreError::Damaged { .. } | StoreError::Behind | StoreError::WrongKey) => noticed += 1,
            Err(other) => panic!("bit {at}: {other}"),
        }
    }
    assert!(noticed > flips / 2, "{noticed} of {flips}");
}

#[test]
fn a_shortened_log_is_noticed() {
    let scratch = scratch();
    let dir = scratch.path().join("data");
    filled(&dir);
    let db = fs::read(dir.join("store/db")).unwrap();
    let used = db.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    for part in 0..20 {
        let target = scratch.path().join("short");
        let _ = fs::remove_dir_all(&target);
        copy(&dir, &target);
        fs::write(target.join("store/db"), &db[..part * used / 20]).unwrap();
        let opened = opening(&target);
        assert!(
            matches!(opened, Err(StoreError::Damaged { .. } | StoreError::Behind | StoreError::WrongKey)),
            "{part}: {opened:?}"
        );
    }
}

#[test]
fn zeroed_blocks_in_the_log_are_never_silent() {
    let scratch = scratch();
    let dir = scratch.path().join("data");
    filled(&dir);
    let db = fs::read(dir.join("store/db")).unwrap();
    let used = db.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    for block in 0..used / 4_096 {
        let target = scratch.path().join("zeroed");
        let _ = fs::remove_dir_all(&target);
        copy(&dir, &target);
        let mut bytes = db.clone();
        bytes[block * 4_096..(block + 1) * 4_096].fill(0);
        fs::write(target.join("store/db"), &bytes).unwrap();
        let opened = opening(&target);
        assert!(
            matches!(
                opened,
                Ok(20) | Err(StoreError::Damaged { .. } | StoreError::Behind | StoreError::WrongKey)
            ),
            "{block}: {opened:?}"
        );
    }
}

#[test]
fn a_store_that_was_set_back_is_not_started_unless_it_is_wanted() {
    let scratch = scratch();
    let (dir, old) = (scratch.path().join("data"), scratch.path().join("old"));
    filled(&dir);
    copy(&dir.join("store"), &old);
    let engine = open(&dir).unwrap();
    commit(&engine, vec![first_use(2, 3)]).unwrap();
    commit(&engine, vec![deliver(1, 20)]).unwrap();
    drop(engine);
    fs::remove_dir_all(dir.join("store")).unwrap();
    copy(&old, &dir.join("store"));
    assert!(matches!(open(&dir), Err(StoreError::Behind)));
    // Without the mark the shred file still knows.
    let mark = fs::read(dir.join("committed.seq")).unwrap();
    fs::write(dir.join("committed.seq"), b"").unwrap();
    assert!(matches!(open(&dir), Err(StoreError::Behind)));
    fs::write(dir.join("committed.seq"), mark).unwrap();

    let accept = Options { accept_rollback: true, ..options() };
    let engine = Engine::open(&dir, &keys(), accept).unwrap();
    let record = runtime().block_on(engine.mailbox(mailbox(2))).unwrap().unwrap();
    assert!(record.slots.is_empty(), "the invitation's key was destroyed: it does not come back to life");
    commit(&engine, vec![deliver(1, 21)]).unwrap();
    drop(engine);
    drop(open(&dir).unwrap());
}

#[test]
fn a_deleted_mailbox_does_not_come_back_with_the_rows_of_yesterday() {
    let scratch = scratch();
    let (dir, old) = (scratch.path().join("data"), scratch.path().join("old"));
    filled(&dir);
    let engine = open(&dir).unwrap();
    commit(&engine, vec![first_use(2, 3), close(2, 9_000)]).unwrap();
    drop(engine);
    copy(&dir.join("store"), &old);
    let engine = open(&dir).unwrap();
    let delete = || Command::DeleteMailbox { mailbox: mailbox(2), now: Time(9_700), only: None };
    commit(&engine, vec![delete()]).unwrap();
    drop(engine);
    fs::remove_dir_all(dir.join("store")).unwrap();
    copy(&old, &dir.join("store"));
    assert!(matches!(open(&dir), Err(StoreError::Behind)));

    let accept = Options { accept_rollback: true, ..options() };
    let engine = Engine::open(&dir, &keys(), accept).unwrap();
    commit(&engine, vec![Command::ReopenMailbox { mailbox: mailbox(2), now: Time(9_800) }]).unwrap();
    let record = runtime().block_on(engine.mailbox(mailbox(2))).unwrap().unwrap();
    assert!(record.slots.is_empty(), "its row is back, and nothing opens it");
    let account = runtime().block_on(engine.mailbox(mailbox(1))).unwrap().unwrap();
    let key = runtime().block_on(engine.shred_key(account.slots[0].shred)).unwrap();
    assert_eq!(key.map(|key| *key.expose()), Some(shred(1)), "what was not deleted opens as before");
    commit(&engine, vec![delete()]).unwrap();
    drop(engine);
    let stage = Stage::at(&dir).unwrap();
    assert!(stage.ask(stage.store().mailbox(mailbox(2))).is_none());
    crate::store::rows_agree::check_rows(&stage);
}

#[test]
fn a_lost_store_beside_its_mark_is_not_made_anew() {
    let scratch = scratch();
    let dir = scratch.path().join("data");
    filled(&dir);
    fs::remove_dir_all(dir.join("store")).unwrap();
    assert!(matches!(open(&dir), Err(StoreError::Behind)));
    let dir = scratch.path().join("other");
    filled(&dir);
    fs::remove_file(dir.join("store/db")).unwrap();
    assert!(open(&dir).is_err());
}

#[test]
fn shred_files_repair_each_other_and_two_bad_ones_are_damage() {
    let scratch = scratch();
    let dir = scratch.path().join("data");
    filled(&dir);
    let shreds = |engine: &Engine| {
        let account = runtime().block_on(engine.mailbox(mailbox(1))).unwrap().unwrap();
        let key = runtime().block_on(engine.shred_key(account.slots[0].shred)).unwrap();
        key.map(|key| *key.expose())
    };
    let good = fs::read(dir.join("shred.a")).unwrap();
    assert_eq!(good, fs::read(dir.join("shred.b")).unwrap());
    for (file, length) in [("shred.a", 4_096), ("shred.b", 4_096), ("shred.a", 100), ("shred.b", 0)] {
        let mut bad = good.clone();
        bad[..200].iter_mut().for_each(|byte| *byte ^= 0x55);
        bad.truncate(length);
        fs::write(dir.join(file), &bad).unwrap();
        let engine = open(&dir).unwrap();
        assert_eq!(shreds(&engine), Some(shred(1)));
        drop(engine);
        assert_eq!(fs::read(dir.join(file)).unwrap(), good, "{file} is repaired");
    }
    for file in ["shred.a", "shred.b"] {
        let mut bad = good.clone();
        bad[20] ^= 1;
        fs::write(dir.join(file), &bad).unwrap();
    }
    assert!(matches!(open(&dir), Err(StoreError::Damaged { what: "the shred file" })));
}

#[test]
fn an_older_shred_file_is_noticed() {
    let scratch = scratch();
    let dir = scratch.path().join("data");
    filled(&dir);
    let old = fs::read(dir.join("shred.a")).unwrap();
    let engine = open(&dir).unwrap();
    commit(&engine, vec![first_use(2, 3)]).unwrap();
    drop(engine);
    for file in ["shred.a", "shred.b"] {
        fs::write(dir.join(file), &old).unwrap();
    }
    assert!(open(&dir).is_err(), "the password's key is not in it");
}

#[test]
fn a_damaged_body_is_only_that_message() {
    let scratch = scratch();
    let dir = scratch.path().join("data");
    let stage = Stage::at(&dir).unwrap();
    stage.ok(account(1));
    let bodies: Vec<Body> = (0..2).map(|n| stage.file(&[n; 30_000])).collect();
    for body in &bodies {
        let mut delivery = delivery(1, 1);
        delivery.record.body = body.clone();
        stage.ok(Command::Deliver(Box::new(delivery)));
    }
    let path = |body: &Body| {
        let id: BodyId = body.file().unwrap();
        dir.join(format!("bodies/{:02x}/{id}", id.bytes()[0]))
    };
    let mut bytes = fs::read(path(&bodies[0])).unwrap();
    bytes[12_345] ^= 4;
    fs::write(path(&bodies[0]), bytes).unwrap();
    drop(stage);
    let stage = Stage::at(&dir).unwrap();
    let read = |body: &Body| {
        let mut reader = stage.store().bodies().open(body).unwrap();
        std::io::copy(&mut reader, &mut std::io::sink())
    };
    assert!(read(&bodies[0]).is_err());
    assert_eq!(read(&bodies[1]).unwrap(), 30_000);
    assert_eq!(stage.store().health(), Health::Good);
}

#[test]
fn nothing_lies_in_blobs_and_what_would_is_refused() {
    let scratch = scratch();
    let dir = scratch.path().join("data");
    let stage = Stage::at(&dir).unwrap();
    stage.ok(account(1));
    let mut large = delivery(1, 1);
    large.record.body = Body::Inline(vec![1; 16 * 1_024]);
    let refused = stage.commit(vec![deliver(1, 2), Command::Deliver(Box::new(large))]);
    assert!(matches!(refused, Err(StoreError::TooLarge { .. })), "{refused:?}");
    assert!(stage.ask(stage.store().messages(mailbox(1), Folder::INBOX, Uid(0), 9)).is_empty());
    for _ in 0..4 {
        let full = (0..200).map(|n| {
            let mut delivery = delivery(1, n);
            delivery.record.body = Body::Inline(vec![n; 8 * 1_024]);
            delivery.summary = vec![n; 12 * 1_024];
            Command::Deliver(Box::new(delivery))
        });
        stage.commit(full.collect()).unwrap();
    }
    assert_eq!(fs::read_dir(dir.join("store/blobs")).unwrap().count(), 0);
    drop(stage);
    fs::write(dir.join("store/blobs/77"), b"x").unwrap();
    assert!(matches!(open(&dir), Err(StoreError::Damaged { what: "blobs is not empty" })));
}

#[test]
fn lists_above_16_mib_are_refused_and_those_below_are_not() {
    let stage = Stage::disk();
    stage.ok(account(1));
    let list = |count: u32| {
        let one = |_| {
            let mut delivery = delivery(1, 1);
            delivery.record.body = Body::Inline(vec![1; 8 * 1_024]);
            delivery.summary = vec![1; 12 * 1_024];
            Command::Deliver(Box::new(delivery))
        };
        (0..count).map(one).collect::<Vec<_>>()
    };
    assert!(matches!(stage.commit(list(900)), Err(StoreError::TooLarge { .. })));
    assert_eq!(stage.commit(list(500)).unwrap().len(), 500);
    assert_eq!(stage.store().health(), Health::Good);
}

#[test]
fn a_filling_disk_takes_no_new_mail_and_then_nothing() {
    const MIB: u64 = 1 << 20;
    let scratch = scratch();
    let free = Arc::new(AtomicU64::new(10_000 * MIB));
    let asked = Arc::clone(&free);
    let space =
        SpaceProbe::new(move |_| Ok(Space { free: asked.load(Ordering::SeqCst), total: 10_000 * MIB }));
    let options = Options { space, look_every: Duration::ZERO, ..options() };
    let engine = Engine::open(&scratch.path().join("data"), &keys(), options).unwrap();
    commit(&engine, vec![account(1), deliver(1, 1)]).unwrap();
    let mail = queued(1, nowhere(1), Purpose::Mail, &[1, 1]);
    commit(&engine, vec![Command::Enqueue(Box::new(mail))]).unwrap();
    let lease = || Command::LeaseDue {
        now: Time(5),
        running: Duration::ZERO,
        until: Duration::from_secs(9),
        limit: 9,
    };
    commit(&engine, vec![lease()]).unwrap();
    let flag = || Command::SetFlags {
        mailbox: mailbox(1),
        folder: Folder::INBOX,
        uids: uids([1]),
        change: FlagChange::Add,
        flags: seen(),
    };
    let settle = |number| Command::Settle {
        queue: queue(1),
        number,
        lease: Duration::from_secs(9),
        outcome: Settlement::Delivered { proof: String::new() },
    };

    free.store(511 * MIB, Ordering::SeqCst);
    assert!(matches!(commit(&engine, vec![deliver(1, 2)]), Err(StoreError::DiskLow)));
    assert_eq!((engine.health(), engine.free_disk()), (Health::NoNewMail, 511 * MIB));
    assert!(matches!(commit(&engine, vec![flag(), account(2)]), Err(StoreError::DiskLow)));
    commit(&engine, vec![flag()]).unwrap();
    free.store(255 * MIB, Ordering::SeqCst);
    assert!(matches!(commit(&engine, vec![flag()]), Err(StoreError::DiskLow)));
    assert!(matches!(commit(&engine, vec![lease()]), Err(StoreError::DiskLow)));
    assert_eq!(engine.health(), Health::ReadOnly);
    commit(&engine, vec![settle(0)]).unwrap();
    free.store(600 * MIB, Ordering::SeqCst);
    commit(&engine, vec![deliver(1, 2)]).unwrap();
    assert_eq!((engine.health(), engine.free_disk()), (Health::Good, 600 * MIB));
}

#[test]
fn the_reserve_is_taken_while_there_is_room() {
    let scratch = scratch();
    let dir = scratch.path().join("data");
    let room = |free| SpaceProbe::new(move |_| Ok(Space { free, total: 10 << 30 }));
    let with = |free| Options { space: room(free), reserve: 1 << 20, ..Options::default() };
    drop(Engine::open(&dir, &keys(), with(300 << 20)).unwrap());
    assert!(!dir.join("reserve.bin").exists());
    drop(Engine::open(&dir, &keys(), with(5 << 30)).unwrap());
    assert_eq!(fs::metadata(dir.join("reserve.bin")).unwrap().len(), 1 << 20);
    // It is given up only when the store does not open and the disk is full.
    fs::write(
        dir.join("store/conf"),
        b"segment_size: 1\nuse_compression: false\nversion: 0.34\nvQ\x00\x00\x00",
    )
    .unwrap();
    assert!(Engine::open(&dir, &keys(), with(5 << 30)).is_err());
    assert!(dir.join("reserve.bin").exists());
    assert!(Engine::open(&dir, &keys(), with(1 << 20)).is_err());
    assert!(!dir.join("reserve.bin").exists());
}

#[test]
fn a_crash_that_leaves_the_keys_of_much_queued_mail_is_no_rollback() {
    let scratch = scratch();
    let dir = scratch.path().join("data");
    let stage = Stage::at(&dir).unwrap();
    stage.commit(vec![account(1), temporary(2, 1), temporary(3, 1)]).unwrap();
    // The invitation went out again with each message, and the recipient's server has been away for days.
    let id = |n: u16| <[u8; 16]>::try_from([n.to_be_bytes(); 8].concat()).unwrap();
    let invite = |n: u16| {
        let mut mail = queued(1, nowhere(1), Purpose::Invitation(mailbox(2)), &[1]);
        mail.record.id = QueueId::new(id(n));
        mail.queue_key = Some(Secret::new(sha256(&id(n))));
        Command::Enqueue(Box::new(mail))
    };
    let all = 1_000..1_400;
    stage.commit(all.clone().take(200).map(invite).collect()).unwrap();
    stage.commit(all.clone().skip(200).map(invite).collect()).unwrap();
    let read = || ["shred.a", "shred.b"].map(|file| fs::read(dir.join(file)).unwrap());
    let write = |files: &[Vec<u8>; 2]| {
        fs::write(dir.join("shred.a"), &files[0]).unwrap();
        fs::write(dir.join("shred.b"), &files[1]).unwrap();
    };
    let alive = |files: &[Vec<u8>; 2]| {
        let slots =
            |file: &Vec<u8>| file.chunks(64).map(|slot| slot[16..48].to_vec()).collect::<HashSet<_>>();
        let slots = files.each_ref().map(slots);
        all.clone().filter(|n| slots.iter().any(|slots| slots.contains(&sha256(&id(*n))[..]))).count()
    };
    drop(stage);
    let before = read();
    assert_eq!(alive(&before), 400);
    let stage = Stage::at(&dir).unwrap();
    stage.ok(close(2, 9_000));
    drop(stage);
    assert_eq!(alive(&read()), 0);

    // The power went after the commit and before the first key was destroyed.
    write(&before);
    let stage = Stage::at(&dir).unwrap();
    assert_eq!(alive(&read()), 0);
    assert!(stage.ask(stage.store().mailbox(mailbox(2))).unwrap().closed.is_some());
    stage.ok(deliver(1, 1));
    drop(stage);
    // After another commit no crash leaves as many: this is a store that was set back.
    write(&before);
    assert!(matches!(open(&dir), Err(StoreError::Behind)));
}

#[test]
fn a_large_mailbox_is_removed_in_many_batches_and_over_a_restart() {
    let mut stage = Stage::disk();
    stage.ok(account(1));
    stage.ok(account(2));
    for _ in 0..6 {
        stage.commit((0..250).map(|_| deliver(1, 1)).collect()).unwrap();
    }
    stage.ok(Command::DeleteMailbox { mailbox: mailbox(1), now: Time(1), only: None });
    stage.restart();
    let rows = |stage: &Stage| {
        use crate::store::disk::Source;
        use crate::store::key;
        let tables = [key::MESSAGE, key::SUMMARY, key::MESSAGE_ID, key::LEFT];
        tables
            .iter()
            .map(|table| stage.disk_rows().page(&[*table], None, usize::MAX).unwrap().len())
            .sum::<usize>()
    };
    // Each list of commands leaves the writer time for some more.
    let mut rounds = 0;
    while rows(&stage) > 0 {
        stage.ok(deliver(2, 1));
        stage.ok(Command::SetFlags {
            mailbox: mailbox(2),
            folder: Folder::INBOX,
            uids: uids([1]),
            change: FlagChange::Add,
            flags: deleted(),
        });
        stage.ok(Command::Expunge { mailbox: mailbox(2), folder: Folder::INBOX, uids: None });
        rounds += 1;
        assert!(rounds < 10_000);
    }
    crate::store::rows_agree::check_rows(&stage);
}

/// Of one message's expunging nothing else depends: not on how many messages there are, nor on what their rows hold.
#[test]
fn what_is_not_asked_for_is_not_read_to_expunge() {
    let scratch = scratch();
    let dir = scratch.path().join("data");
    filled(&dir);
    let unreadable = key::message(key::FLAGS, mailbox(1), Folder::INBOX, Uid(9));
    let disk = Disk::open(&dir.join("store"), &keys(), Poison::default()).unwrap();
    disk.write(Rows::from([(unreadable, Some(b"no flags".to_vec()))])).unwrap();
    drop(disk);
    let engine = open(&dir).unwrap();
    let inbox = (mailbox(1), Folder::INBOX);
    let mark = Command::SetFlags {
        mailbox: inbox.0,
        folder: inbox.1,
        uids: uids([3]),
        change: FlagChange::Add,
        flags: deleted(),
    };
    let expunge = Command::Expunge { mailbox: inbox.0, folder: inbox.1, uids: Some(uids([2, 3])) };
    let done = commit(&engine, vec![mark, expunge]).unwrap();
    assert_eq!(done.last(), Some(&Outcome::Expunged(uids([3]))));
}
