//! Commands made of numbers: each number does something, and often what is there.

use crate::base::address::Domain;
use crate::base::id::InvitationId;
use crate::base::secret::Secret;
use crate::base::time::Time;
use crate::store::command::Command;
use crate::store::command_part::DeleteIf;
use crate::store::command_part::FlagChange;
use crate::store::command_part::KeyRenewal;
use crate::store::command_part::Quota;
use crate::store::command_part::Settlement;
use crate::store::record::Flags;
use crate::store::record::Folder;
use crate::store::record::KeyRecord;
use crate::store::record::KnownNetwork;
use crate::store::record::SigningAlgorithm;
use crate::store::record::SigningKey;
use crate::store::record::Uid;
use crate::store::record_life::ClockTrouble;
use crate::store::record_life::Moment;
use crate::store::record_life::Suspension;
use crate::store::record_queue::Purpose;
use crate::store::record_stored::SeenCertificate;
use crate::store::record_stored::StoredCertificate;
use crate::store::record_stored::StoredKind;
use crate::store::record_stored::StsRecord;
use crate::store::sample::*;
use crate::vault::primitives::sha256;
use std::time::Duration;

/// A command as numbers, so that it can be made twice and shrunk.
pub(super) type Op = [u8; 5];

pub(super) const FOLDERS: [Folder; 4] = [Folder::INBOX, Folder::SENT, Folder::TRASH, Folder::REFUSED];

/// 1 and 2 accounts, 3 and 4 temporary; 13 and 14 have the addresses of 3 and 4.
pub(super) const BOXES: [u8; 6] = [1, 2, 3, 4, 13, 14];

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

pub(super) fn command([kind, a, b, c, d]: Op, now: i64) -> Command {
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
        12 => {
            let messages = c.is_multiple_of(3).then_some(4);
            let quota = Quota { bytes: c.is_multiple_of(5).then_some(700), messages };
            Command::Copy { mailbox: mailbox(box_), from: folder, to: other, uids: some, quota }
        }
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
        24 if b % 4 == 0 => Command::NoteNetwork {
            mailbox: mailbox(box_),
            network: KnownNetwork { tag: [c % 20; 16], last: Time(now) },
            since: Time(now - 8 * i64::from(d)),
        },
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
        3 => {
            let before = Moment { at: Time(now - i64::from(c % 4)), ran: u64::from(b) };
            Command::DestroyShut { account: mailbox(of), before }
        }
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
        6 if d % 12 == 11 => Command::Redate { now: Time(now - i64::from(b)) },
        6 if d % 6 == 5 => Command::BringForward { beyond: Time(now + i64::from(b % 5)), now: Time(now) },
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
    let messages = d.is_multiple_of(5).then_some(4);
    delivery.quota = Quota { bytes: d.is_multiple_of(7).then_some(500), messages };
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
