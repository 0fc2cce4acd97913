//! Random commands on both engines: every answer and everything that can be read must be the same, and the
//! rows on disk must agree with each other.

use crate::base::address::Domain;
use crate::base::id::BodyId;
use crate::base::id::InvitationId;
use crate::base::id::MailboxId;
use crate::base::id::QueueId;
use crate::base::secret::Secret;
use crate::base::time::Time;
use crate::store::PAGE;
use crate::store::body::Body;
use crate::store::codec::CertificateRow;
use crate::store::codec::KeyRow;
use crate::store::codec::Number;
use crate::store::codec::Octets;
use crate::store::codec::StsRow;
use crate::store::command::Command;
use crate::store::command_part::DeleteIf;
use crate::store::command_part::FlagChange;
use crate::store::command_part::KeyRenewal;
use crate::store::command_part::Settlement;
use crate::store::deed_life;
use crate::store::deed_mailbox;
use crate::store::disk::Disk;
use crate::store::disk::Source;
use crate::store::key;
use crate::store::record::Flags;
use crate::store::record::Folder;
use crate::store::record::FolderRecord;
use crate::store::record::InvitationRecord;
use crate::store::record::InvitationState;
use crate::store::record::KeyRecord;
use crate::store::record::MailboxRecord;
use crate::store::record::MailboxState;
use crate::store::record::MessageRecord;
use crate::store::record::SigningAlgorithm;
use crate::store::record::SigningKey;
use crate::store::record::Uid;
use crate::store::record_life::ClockTrouble;
use crate::store::record_life::Suspension;
use crate::store::record_queue::Purpose;
use crate::store::record_queue::QueueRecord;
use crate::store::record_queue::QueuedRecipient;
use crate::store::record_stored::SeenCertificate;
use crate::store::record_stored::StoredCertificate;
use crate::store::record_stored::StoredKind;
use crate::store::record_stored::StsRecord;
use crate::store::sample::*;
use crate::vault::primitives::sha256;
use proptest::collection::vec;
use proptest::prelude::ProptestConfig;
use proptest::prelude::Strategy;
use proptest::prelude::any;
use proptest::test_runner::RngAlgorithm;
use proptest::test_runner::TestRng;
use proptest::test_runner::TestRunner;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::fmt::Write;
use std::io::Read;
use std::time::Duration;

/// A command as numbers, so that it can be made twice and shrunk.
type Op = [u8; 5];

/// Lists of commands; the number in front says whether a restart comes first.
fn ops() -> impl Strategy<Value = Vec<(u8, Vec<Op>)>> {
    vec((0u8..40, vec(any::<Op>(), 1..4)), 1..60)
}

const FOLDERS: [Folder; 4] = [Folder::INBOX, Folder::SENT, Folder::TRASH, Folder::REFUSED];

/// 1 and 2 accounts, 3 and 4 temporary; 13 and 14 have the addresses of 3 and 4.
const BOXES: [u8; 6] = [1, 2, 3, 4, 13, 14];

/// The temporary ones.
fn recipient(n: u8) -> u8 {
    BOXES[usize::from(2 + n % 4)]
}

/// The invitation that comes with a mailbox, or one that a renewal brings.
fn invited(n: u8) -> InvitationId {
    invitation([3, 4, 5, 6, 7, 8, 13, 14][usize::from(n % 8)])
}

fn stored(b: u8, c: u8, d: u8, now: i64) -> Command {
    let domain = Domain::parse(["x.example", "y.example"][usize::from(b % 2)]).unwrap();
    let kind = if c.is_multiple_of(4) { StoredKind::Key } else { StoredKind::Certificate };
    let certificate = Box::new(StoredCertificate { kind, der: vec![c % 4; 40], added: Time(now) });
    match d % 4 {
        0 => Command::RemoveStoredCertificates { domain },
        1 => Command::NoteSeenCertificate {
            domain,
            seen: Box::new(SeenCertificate {
                fingerprint: format!("{c:02x}"),
                host: "mx.example".into(),
                at: Time(now),
                stored: c.is_multiple_of(2),
            }),
        },
        _ => Command::AddStoredCertificate { domain, certificate },
    }
}

fn sts(b: u8, c: u8, d: u8) -> Command {
    let domain = Domain::parse(["x.example", "y.example"][usize::from(b % 2)]).unwrap();
    if d.is_multiple_of(4) {
        return Command::RemoveSts { domain, fetched: Time(i64::from(c % 2)) };
    }
    // Few of them, so that some are what is expected.
    let record = |n: u8| StsRecord {
        domain: domain.clone(),
        id: format!("id{n}"),
        policy: "version: STSv1\r\n".repeat(usize::from(n) * 300),
        fetched: Time(i64::from(n % 2)),
        until: Time(i64::from(n) + 60),
        used: Time(i64::from(n)),
    };
    let expected = (d % 4 > 1).then(|| Box::new(record(c / 4 % 4)));
    Command::PutSts { record: Box::new(record(c % 4)), expected }
}

fn command([kind, a, b, c, d]: Op, now: i64) -> Command {
    let box_ = BOXES[usize::from(a % 6)];
    let (folder, other) = (FOLDERS[usize::from(b % 4)], FOLDERS[usize::from(c % 4)]);
    let some = uids((0..8).filter(|bit| d & (1 << bit) != 0).map(|bit| bit + 1));
    match kind % 64 {
        0..=2 if box_ <= 2 => account(box_),
        0..=2 => named(temporary(box_, 1 + b % 2), box_ % 10),
        3..=7 => Command::Deliver(delivery_of(box_, folder, c, d)),
        8 => Command::DeliverOnce(delivery_of(box_, folder, c, d)),
        9..=11 => Command::SetFlags {
            mailbox: mailbox(box_),
            folder,
            uids: some,
            change: [FlagChange::Add, FlagChange::Remove, FlagChange::Replace][usize::from(c % 3)],
            flags: flags(c / 3),
        },
        12 => Command::Copy { mailbox: mailbox(box_), from: folder, to: other, uids: some },
        13 => Command::Move { mailbox: mailbox(box_), from: folder, to: other, uids: some },
        14 => {
            let uids = (c % 2 == 0).then_some(some);
            Command::Expunge { mailbox: mailbox(box_), folder, uids }
        }
        15 => Command::Subscribe { mailbox: mailbox(box_), folder, on: c % 2 == 0 },
        16 => Command::ReplaceSummary {
            mailbox: mailbox(box_),
            folder,
            uid: Uid(1 + u32::from(c % 5)),
            old: sha256(&[d % 4; 20]),
            new: vec![c % 4; 20],
        },
        17 => Command::CountPinAttempt { invitation: invited(a), max: 2 + b % 2 },
        18 => Command::KillInvitation { invitation: invited(a), now: Time(now) },
        19 => {
            let not_since = Time(now - i64::from(b % 8));
            Command::NoteNoPin { invitation: invited(a), now: Time(now), not_since }
        }
        20 => first_use(recipient(a), 20 + b % 3),
        21 => renewal(recipient(a), *invited(b).bytes().first().unwrap(), 5 + c % 4, 1 + d % 2),
        22 | 52..=54 => account_command([kind, a, b, c, d], now),
        23 => {
            let key = KeyRecord { wrapped_secret: None, ..key([box_, 50, 51][usize::from(b % 3)]) };
            Command::PutOwnCertificate { mailbox: mailbox(box_), key }
        }
        24 => Command::NoteActivity {
            mailbox: mailbox(box_),
            at: Time(now + 1_800 + i64::from(b)),
            correspondent: (c % 2 == 0).then(|| mailbox(1 + d % 5)),
        },
        25 => {
            Command::PutVaultEntry { account: mailbox(1 + b % 2), mailbox: mailbox(box_), sealed: vec![c; 9] }
        }
        26 if b % 3 == 0 => {
            let since = Time(7_000 + i64::from(c % 2));
            let only =
                [None, Some(DeleteIf::StillClosedSince(since)), Some(DeleteIf::StillUnreachableSince(since))];
            Command::DeleteMailbox { mailbox: mailbox(box_), now: Time(now), only: only[usize::from(d % 3)] }
        }
        27 | 28 => key_command([kind, a, b, c, d], now),
        29 => {
            let digest = [b % 3; 32];
            let until = Time(now + i64::from(c % 16));
            Command::RememberSubmission { account: mailbox(box_), digest, now: Time(now), until }
        }
        30 => Command::RememberConversation { account: mailbox(box_), digest: [b % 3; 32], now: Time(now) },
        40..=51 => life_command([kind, a, b, c, d], now),
        _ => queue_command([kind, a, b, c, d], now),
    }
}

/// What happens to certificates of others and to signing keys.
fn key_command([kind, a, b, c, d]: Op, now: i64) -> Command {
    match kind % 64 {
        27 => {
            let record = certificate(60 + b % 3, 70 + a % 3, if c % 3 == 0 { 9_000 } else { 30 });
            Command::PutCertificate { record, replace: d % 2 == 0 }
        }
        28 if a % 5 == 0 => stored(b, c, d, now),
        28 if a % 7 == 0 => sts(b, c, d),
        28 if a % 2 == 0 => Command::RemoveCertificate { address: address(70 + b % 3).key() },
        _ => Command::PutSigningKey(Box::new(SigningKey {
            domain: Domain::parse("example.org").unwrap(),
            selector: format!("s{}", b % 3),
            algorithm: SigningAlgorithm::Rsa,
            private: Secret::new(vec![c; 9]),
            public: vec![d; 9],
            created: Time(i64::from(c % 4)),
        })),
    }
}

/// What happens to the password and the keys of account 1 or 2; the generation is guessed.
fn account_command([_, a, b, c, d]: Op, now: i64) -> Command {
    let (of, generation) = (1 + a % 2, u32::from(b % 4));
    let (old, new) = ([of, 40, 41][usize::from(b / 4 % 3)], 40 + c % 2);
    match d % 10 {
        0 => {
            let mut change = password_change_of(of, generation, old, new);
            (change.keep_app_passwords, change.keep_recovery) = (true, c % 3 == 0);
            change.renewal = (c % 4 == 0).then(|| KeyRenewal {
                key: key(new),
                former_keys: vec![former_key(90, now)],
                now: Time(now),
            });
            Command::ChangePassword(Box::new(change))
        }
        1 => {
            let mut reset = reset_of(of, generation, old, new, now);
            reset.keeps_certificate = c % 5 == 0;
            Command::ResetAccount(Box::new(reset))
        }
        2 => reopen(of, 1 + generation % 2, of, 91),
        3 => Command::DestroyShut { account: mailbox(of), before: Time(now - i64::from(c % 4)) },
        4 => Command::PutRecovery { account: mailbox(of), generation, slot: recovery_slot(60 + c % 3) },
        6 => Command::PutAlias {
            account: mailbox(of),
            alias: alias(b % 4),
            expected: (c % 3 > 0).then(|| alias(c % 4)),
        },
        7 => Command::RequireAlias { account: mailbox(of), level: (c % 4 == 0).then(|| alias(b % 4).level) },
        8 => Command::PutRefused {
            account: mailbox(of),
            refused: refused(b % 2),
            expected: (c % 3 > 0).then(|| refused(c % 2)),
        },
        9 => Command::OpenFolder {
            account: mailbox(of),
            folder: [Folder::REFUSED, Folder(30)][usize::from(b % 2)],
        },
        _ => Command::NoteRecovery {
            account: mailbox(of),
            was: (b % 2 == 0).then(|| print(60)),
            now: (c % 2 == 0).then(|| print(60)),
        },
    }
}

/// What happens in the life of a temporary mailbox, and to the clock of lives.
fn life_command([kind, a, b, c, d]: Op, now: i64) -> Command {
    let of = recipient(a);
    let later = Time(7_000 + i64::from(c % 2));
    let not_active_since = Time(now + 1_800 + 9 * i64::from(d));
    match kind % 64 - 40 {
        0 => supersede([13, 14, 3, 4][usize::from(a % 4)], recipient(a), 1 + b % 2),
        1 => Command::NoteAsked {
            mailbox: mailbox(of),
            account: mailbox(1 + b % 3),
            now: Time(now + 80_000 * i64::from(c % 3)),
        },
        2 => Command::CloseMailbox { mailbox: mailbox(of), now: later, not_active_since },
        3 => Command::ReopenMailbox { mailbox: mailbox(of), now: Time(now) },
        4 => Command::MarkUnreachable { mailbox: mailbox(of), invitation: invited(b), now: later },
        5 | 6 => {
            let (of, days) = warned(1 + b % 4);
            Command::NoteWarning { mailbox: mailbox(of), days, queue: queue(1 + b % 4), not_active_since }
        }
        7 => notices(of, [None, Some(1), Some(2)][usize::from(b % 3)], [None, Some(1)][usize::from(c % 2)]),
        8 => {
            let by = u64::from(d);
            let suspend = Suspension { at: Time(now), why: ClockTrouble::Jump, by };
            let suspend = (c % 4 == 0).then_some(suspend);
            Command::Tick { wall: Time(now), ran_more: b.into(), suspend }
        }
        9 => Command::NoteSuspensionTold,
        10 => Command::AcceptClock { wall: Time(now + i64::from(b)) },
        _ => Command::PurgeTraces { before: Time(now - i64::from(b % 8)), limit: usize::from(c % 4) },
    }
}

/// The mailbox and the days of the warning that queued mail `id` can be.
fn warned(id: u8) -> (u8, u16) {
    [(3, 14), (3, 3), (4, 14), (13, 14)][usize::from(id % 4)]
}

fn queue_command([kind, a, b, c, d]: Op, now: i64) -> Command {
    let id = 1 + a % 4;
    match (kind ^ b) % 8 {
        0 | 1 => {
            let (of, days) = warned(id);
            let purpose = [
                Purpose::Mail,
                Purpose::Invitation(mailbox(3)),
                Purpose::Notice(mailbox(4)),
                Purpose::Warning(mailbox(of), days),
            ];
            let due: Vec<i64> = (0..=c % 3).map(|n| now + i64::from(d % 7) - 3 * i64::from(n)).collect();
            Command::Enqueue(Box::new(queued(id, nowhere(100 + id), purpose[usize::from(d % 4)], &due)))
        }
        2 | 3 => {
            let limit = usize::from(1 + d % 4);
            let running = Duration::from_secs(now.unsigned_abs());
            let until = running + Duration::from_secs((c % 9).into());
            Command::LeaseDue { now: Time(now), running, until, limit }
        }
        4 | 5 => {
            let outcome = match d % 3 {
                0 => Settlement::Delivered { proof: "proof".into() },
                1 => Settlement::Again {
                    next: Time(now + i64::from(c % 9)),
                    reason: "busy".into(),
                    delay_reported: c % 2 == 0,
                    passed: c % 3 == 0,
                },
                _ => Settlement::Failed { reason: "x".repeat(2_000) },
            };
            // Among them leases that were taken, and others.
            let lease = Duration::from_secs(now.unsigned_abs() + u64::from(b % 5));
            Command::Settle { queue: queue(id), number: u16::from(c % 3), lease, outcome }
        }
        6 if d % 3 == 0 => Command::NoteDelay { queue: queue(id), number: u16::from(c % 3) },
        6 if d % 3 == 1 => {
            let until = |by: u8| Duration::from_secs(now.unsigned_abs() + u64::from(by % 5));
            Command::Release { leases: vec![(queue(id), 0, until(b)), (queue(id), 1, until(c))] }
        }
        6 => Command::RetryQueued { queue: (c % 2 == 0).then(|| queue(id)), now: Time(now) },
        _ => Command::CancelQueued { queue: queue(id) },
    }
}

fn flags(bits: u8) -> Flags {
    Flags {
        seen: bits & 1 != 0,
        answered: bits & 2 != 0,
        deleted: bits & 4 != 0,
        keywords: (0..bits % 3).map(|n| format!("word{n}")).collect(),
        ..Flags::default()
    }
}

fn delivery_of(n: u8, folder: Folder, c: u8, d: u8) -> Box<crate::store::command_part::Delivery> {
    let mut delivery = delivery(n, c % 6);
    delivery.folder = folder;
    delivery.flags = flags(d);
    delivery.summary = vec![d % 4; 20];
    delivery.quota_messages = d.is_multiple_of(5).then_some(4);
    delivery.quota_bytes = d.is_multiple_of(7).then_some(500);
    if c.is_multiple_of(5) {
        delivery.record.body = nowhere(150 + c % 10);
    }
    if d.is_multiple_of(11) {
        delivery.certificate = print([20, 50][usize::from(c % 2)]);
        if d.is_multiple_of(2) {
            delivery.record.certificate = delivery.certificate.clone();
        }
    }
    if c.is_multiple_of(4) {
        delivery.record.message_id = None;
    }
    Box::new(delivery)
}

/// Both engines show the same, line by line.
fn compare(disk: &Stage, model: &Stage) {
    for (said, want) in everything(disk).lines().zip(everything(model).lines()) {
        assert_eq!(said, want);
    }
}

/// Everything that can be read, as text; places of shred keys replaced by the keys.
pub(crate) fn everything(stage: &Stage) -> String {
    let store = stage.store();
    let mut out = String::new();
    let _ = writeln!(out, "{:?}", stage.ask(store.life_clock()));
    for n in BOXES {
        let id = mailbox(n);
        let _ = writeln!(out, "of {n}: {:?}", stage.ask(store.mailbox_of(&address(n).key())));
        let _ = writeln!(out, "  before: {:?}", stage.ask(store.mailbox_former(&address(n).key())));
        if let Some(record) = stage.ask(store.mailbox(id)) {
            let mut record = record.as_ref().clone();
            let part = record.account.iter_mut().flat_map(|part| &mut part.shut);
            for slot in record.slots.iter_mut().chain(part.flat_map(|shut| &mut shut.slots)) {
                let key = stage.ask(store.shred_key(slot.shred)).map(|key| *key.expose());
                let _ = writeln!(out, "  {:?} {key:?}", slot.id);
                slot.shred.place = 0;
                slot.shred.generation = 0;
            }
            let _ = writeln!(out, "  {record:?}");
        }
        for print in [n, 20, 21, 22, 40, 41, 50, 51].map(print) {
            let _ = writeln!(out, "  {:?}", stage.ask(store.key(id, &print)));
        }
        let _ = writeln!(out, "  {:?}", stage.ask(store.refused(id)));
        for folder in stage.ask(store.folders(id)) {
            let _ = writeln!(out, "  {folder:?}");
        }
        for folder in FOLDERS {
            let mut messages = stage.ask(store.messages(id, folder, Uid(0), PAGE));
            messages
                .iter_mut()
                .for_each(|message| message.record.body = content(stage, &message.record.body));
            let summaries = stage.ask(store.summaries(id, folder, Uid(0), PAGE));
            let _ = writeln!(out, "  {folder:?} {messages:?} {summaries:?}");
        }
        for other in 1..=5 {
            let _ = writeln!(out, "  {:?}", stage.ask(store.vault_entry(id, mailbox(other))));
        }
        for digest in 0..3 {
            let _ = writeln!(out, "  {}", stage.ask(store.conversation(id, &[digest; 32])));
        }
        let queued = stage.ask(store.queued(queue(n)));
        if let Some(queued) = queued {
            let mut queued = queued.as_ref().clone();
            queued.body = content(stage, &queued.body);
            let key =
                queued.shred.take().map(|shred| stage.ask(store.shred_key(shred)).map(|key| *key.expose()));
            let _ = writeln!(out, "  {queued:?} {key:?}");
        }
        let _ = writeln!(out, "  {:?}", stage.ask(store.queued_recipients(queue(n))));
    }
    for n in 1..16 {
        let _ = writeln!(out, "{:?}", stage.ask(store.invitation(invitation(n))));
    }
    for n in 70..73 {
        let _ = writeln!(out, "{:?}", stage.ask(store.certificate(&address(n).key())));
    }
    let _ = writeln!(out, "{}", stage.ask(store.certificates(None, PAGE)).len());
    let _ = writeln!(out, "{:?}", stage.ask(store.mailboxes(None, PAGE)).len());
    let _ = writeln!(out, "{:?}", stage.ask(store.queue(None, PAGE)).len());
    for running in [0, 5, 50, 500] {
        let _ = writeln!(out, "{:?}", stage.ask(store.next_due(Duration::from_secs(running))));
    }
    for domain in ["x.example", "y.example"] {
        let stored = stage.ask(store.stored_certificates(&Domain::parse(domain).unwrap()));
        let sts = stage.ask(store.sts(&Domain::parse(domain).unwrap()));
        let _ = writeln!(out, "{domain} {stored:?} {sts:?}");
    }
    let mut seen: Vec<String> = stage
        .ask(store.destinations(None, PAGE))
        .into_iter()
        .map(|(_, of)| format!("{} {:?}", of.domain, of.seen))
        .collect();
    seen.sort();
    let _ = writeln!(out, "{seen:?}");
    let _ = writeln!(out, "{}", stage.ask(store.all_sts(None, PAGE)).len());
    let keys = stage.ask(store.signing_keys(&Domain::parse("example.org").unwrap()));
    for key in keys {
        let _ = writeln!(out, "{key:?} {:?}", key.private.expose());
    }
    out
}

/// A body whatever its name: what it holds, read to its end. One that never was a file stays as it is.
fn content(stage: &Stage, body: &Body) -> Body {
    let Ok(mut file) = stage.store().bodies().open(body) else { return body.clone() };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    Body::Inline(bytes)
}

/// The rows must agree: counters with what they count, names of files with the records that hold them.
pub(crate) fn check_rows(stage: &Stage) {
    // What deleted mailboxes left may be going meanwhile, and rows are read one table after the other.
    stage.settle();
    let disk = stage.disk_rows();
    let mut files: HashMap<BodyId, u64> = HashMap::new();
    let mut name = |body: &Body| body.file().into_iter().for_each(|id| *files.entry(id).or_insert(0) += 1);
    let mailboxes: Vec<(Vec<u8>, crate::store::record::MailboxRecord)> =
        disk.rows(&[key::MAILBOX], None, usize::MAX).unwrap();
    let left: Vec<MailboxId> = disk
        .page(&[key::LEFT], None, usize::MAX)
        .unwrap()
        .iter()
        .map(|(at, _)| MailboxId::new(at[1..].try_into().unwrap()))
        .collect();
    check_lives(disk, &mailboxes.iter().map(|(_, record)| record).collect::<Vec<_>>());
    let mut messages: HashMap<(MailboxId, Folder), (u32, u32, u64)> = HashMap::new();
    for (at, record) in disk.rows::<MessageRecord>(&[key::MESSAGE], None, usize::MAX).unwrap() {
        name(&record.body);
        let id = MailboxId::new(at[1..17].try_into().unwrap());
        if left.contains(&id) {
            continue;
        }
        let folder = Folder(u16::from_be_bytes(at[17..19].try_into().unwrap()));
        let uid = key::uid(&at).unwrap();
        assert!(mailboxes.iter().any(|(_, record)| record.id == id), "a message without a mailbox");
        let flags: Flags = disk.row(&key::message(key::FLAGS, id, folder, uid)).unwrap().unwrap_or_default();
        assert!(disk.row::<Octets>(&key::message(key::SUMMARY, id, folder, uid)).unwrap().is_some());
        if let Some(digest) = &record.message_id {
            assert!(disk.holds(&key::message_id(id, folder, digest, uid)).unwrap());
        }
        let count = messages.entry((id, folder)).or_default();
        *count = (count.0 + 1, count.1 + u32::from(!flags.seen), count.2 + record.body.length());
    }
    let summaries = disk.page(&[key::SUMMARY], None, usize::MAX).unwrap();
    assert!(summaries.iter().all(|(at, _)| {
        left.iter().any(|left| left.bytes()[..] == at[1..17])
            || disk.holds(&[&[key::MESSAGE], &at[1..]].concat()).unwrap()
    }));
    for (_, record) in &mailboxes {
        for (_, folder) in
            disk.rows::<FolderRecord>(&key::of(key::FOLDER, record.id), None, usize::MAX).unwrap()
        {
            let counted = messages.get(&(record.id, folder.folder)).copied().unwrap_or_default();
            assert_eq!((folder.messages, folder.unseen, folder.bytes), counted);
        }
    }
    spilled(disk).iter().for_each(&mut name);
    let mut about = 0;
    for (_, record) in disk.rows::<QueueRecord>(&[key::QUEUE], None, usize::MAX).unwrap() {
        name(&record.body);
        if let Some(mailbox) = record.purpose.about() {
            assert!(disk.holds(&key::queued_for(mailbox, record.id)).unwrap());
            about += 1;
        }
    }
    assert_eq!(disk.page(&[key::QUEUED_FOR], None, usize::MAX).unwrap().len(), about);
    let mut waiting: HashMap<QueueId, u64> = HashMap::new();
    for (_, recipient) in disk.rows::<QueuedRecipient>(&[key::RECIPIENT], None, usize::MAX).unwrap() {
        let waits = crate::store::change_queue::waits(recipient.state);
        *waiting.entry(recipient.queue).or_insert(0) += u64::from(waits);
        let due = disk.holds(&key::due(recipient.next, recipient.queue, recipient.number)).unwrap();
        assert_eq!(due, waits);
    }
    let due = disk.page(&[key::DUE], None, usize::MAX).unwrap().len() as u64;
    assert_eq!(due, waiting.values().sum::<u64>());
    for (at, Number(count)) in disk.rows::<Number>(&[key::WAITING], None, usize::MAX).unwrap() {
        let id = QueueId::new(at[1..].try_into().unwrap());
        assert_eq!(waiting.get(&id), Some(&count));
        assert!(count > 0);
    }
    let named = disk.rows::<Number>(&[key::FILE], None, usize::MAX).unwrap();
    let named: HashMap<BodyId, u64> = named
        .into_iter()
        .map(|(at, Number(names))| (BodyId::new(at[1..].try_into().unwrap()), names))
        .collect();
    assert_eq!(named, files);
}

/// What rows keep outside of themselves where it is large.
fn spilled(disk: &Disk) -> Vec<Body> {
    let mut bodies = Vec::new();
    for (_, row) in disk.rows::<KeyRow>(&[key::KEY], None, usize::MAX).unwrap() {
        bodies.push(row.certificate);
        bodies.extend(row.wrapped_secret);
    }
    for (_, row) in disk.rows::<CertificateRow>(&[key::CERTIFICATE], None, usize::MAX).unwrap() {
        bodies.push(row.certificate);
    }
    for (_, row) in disk.rows::<StsRow>(&[key::STS], None, usize::MAX).unwrap() {
        bodies.extend(row.long);
    }
    bodies
}

/// Each mailbox is found by its address as its record says; a warning that is not settled is in the queue; each
/// invitation of a mailbox that is gone is found by its date.
fn check_lives(disk: &Disk, mailboxes: &[&MailboxRecord]) {
    let (mut current, mut former) = (0, 0);
    for record in mailboxes {
        assert_eq!(record.closed.is_some(), record.state == MailboxState::Closed);
        assert!(record.unreachable.is_none() || (record.opened, record.superseded) == (None, None));
        let (index, address) = (disk.index(), record.address.key());
        let place = match (record.closed, record.superseded) {
            (Some(_), _) => None,
            (None, None) => Some((deed_mailbox::address(index, &address), &mut current)),
            (None, Some(_)) => Some((deed_life::former(index, &address), &mut former)),
        };
        if let Some((at, count)) = place {
            assert_eq!(disk.row::<MailboxId>(&at).unwrap(), Some(record.id));
            *count += 1;
        }
        for warning in record.warnings.iter().filter(|warning| warning.settled.is_none()) {
            let mail: QueueRecord = disk.row(&key::queue(key::QUEUE, warning.queue)).unwrap().unwrap();
            assert_eq!(mail.purpose, Purpose::Warning(record.id, warning.days));
        }
    }
    let rows = |table: u8| disk.page(&[table], None, usize::MAX).unwrap().len();
    assert_eq!((rows(key::ADDRESS), rows(key::FORMER)), (current, former));
    for (_, trace) in disk.rows::<InvitationRecord>(&[key::INVITATION], None, usize::MAX).unwrap() {
        let is_trace = trace.state == InvitationState::Deleted;
        assert!(!is_trace || disk.holds(&key::trace(trace.changed, trace.id)).unwrap());
    }
}

#[test]
fn the_engine_does_what_the_model_does() {
    let config = ProptestConfig {
        cases: 200,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let carried_out = RefCell::new(BTreeSet::new());
    let played = runner.run(&ops(), |lists| {
        play(&lists, &carried_out);
        Ok(())
    });
    played.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(carried_out.borrow().len(), 56, "every kind of command went through: {carried_out:?}");
}

fn play(lists: &[(u8, Vec<Op>)], carried_out: &RefCell<BTreeSet<String>>) {
    let (mut model, mut disk) = (Stage::model(), Stage::disk());
    for stage in [&model, &disk] {
        stage.commit(vec![account(1), account(2), temporary(3, 1), temporary(4, 2)]).unwrap();
        stage.ok(reset(2, 0, 2, 40, 50));
    }
    for (step, (restart, list)) in (100i64..).zip(lists) {
        if *restart == 0 {
            model.restart();
            disk.restart();
        }
        if !commit(&model, &disk, list, step, carried_out) {
            // One command refused all of them: each by itself.
            for op in list {
                commit(&model, &disk, &[*op], step, carried_out);
            }
        }
    }
    compare(&disk, &model);
    model.restart();
    disk.restart();
    compare(&disk, &model);
    check_rows(&disk);
}

/// Gives a list to both engines, which must answer alike; answers whether it was carried out.
fn commit(
    model: &Stage,
    disk: &Stage,
    list: &[Op],
    step: i64,
    carried_out: &RefCell<BTreeSet<String>>,
) -> bool {
    let make = || list.iter().map(|op| command(*op, step)).collect::<Vec<_>>();
    let (said, want) = (disk.commit(make()), model.commit(make()));
    assert_eq!(format!("{said:?}"), format!("{want:?}"), "{:?}", make());
    if said.is_err() {
        return false;
    }
    let kind = |command: &Command| format!("{command:?}").split([' ', '(']).next().unwrap().to_owned();
    carried_out.borrow_mut().extend(make().iter().map(kind));
    // Only these tests give the id of a deleted mailbox to another: what it left must be gone first.
    disk.settle();
    true
}
