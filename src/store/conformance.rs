//! What every engine must do: each command with its preconditions, each reading with its pages.

use crate::base::address::Domain;
use crate::base::language::Language;
use crate::base::secret::Secret;
use crate::base::time::Time;
use crate::store::Health;
use crate::store::PAGE;
use crate::store::body::Body;
use crate::store::command::Command;
use crate::store::command::FlagChange;
use crate::store::command::KeyRenewal;
use crate::store::command::Outcome;
use crate::store::command::Refusal;
use crate::store::command::Settlement;
use crate::store::error::StoreError;
use crate::store::record::Flags;
use crate::store::record::Folder;
use crate::store::record::InvitationState;
use crate::store::record::KeyRecord;
use crate::store::record::MailboxState;
use crate::store::record::Purpose;
use crate::store::record::QueuedRecipient;
use crate::store::record::RecipientState;
use crate::store::record::SeenCertificate;
use crate::store::record::SigningAlgorithm;
use crate::store::record::SigningKey;
use crate::store::record::SlotKind;
use crate::store::record::StoredCertificate;
use crate::store::record::StoredKind;
use crate::store::record::StsRecord;
use crate::store::record::Uid;
use crate::store::sample::*;
use crate::vault::primitives::sha256;
use std::time::Duration;

fn inbox(stage: &Stage, n: u8) -> Vec<(u32, Flags)> {
    let all = stage.ask(stage.store().messages(mailbox(n), Folder::INBOX, Uid(0), PAGE));
    all.into_iter().map(|message| (message.uid.0, message.flags)).collect()
}

fn counters(stage: &Stage, n: u8, folder: Folder) -> (u32, u32, u32, u64) {
    let folders = stage.ask(stage.store().folders(mailbox(n)));
    let of = folders.iter().find(|of| of.folder == folder).unwrap();
    (of.uid_next.0, of.messages, of.unseen, of.bytes)
}

fn uid(outcome: Outcome) -> u32 {
    match outcome {
        Outcome::Uid { uid, .. } => uid.0,
        other => panic!("{other:?}"),
    }
}

fn set(n: u8, numbers: &[u32], change: FlagChange, flags: Flags) -> Command {
    let uids = uids(numbers.iter().copied());
    Command::SetFlags { mailbox: mailbox(n), folder: Folder::INBOX, uids, change, flags }
}

#[test]
fn an_account_begins_with_its_folders() {
    on_each(|stage| {
        assert_eq!(stage.ok(account(1)), Outcome::Done);
        let store = stage.store();
        assert_eq!(stage.ask(store.mailbox_of(&address(1).key())), Some(mailbox(1)));
        assert_eq!(stage.ask(store.mailbox_of(&address(2).key())), None);
        let record = stage.ask(store.mailbox(mailbox(1))).unwrap();
        assert_eq!((record.state, record.opened), (MailboxState::Open, Some(Time(1_000))));
        assert_eq!(record.certificate, print(1));
        assert_eq!(*stage.ask(store.key(mailbox(1), &print(1))).unwrap(), key(1));
        assert!(stage.ask(store.key(mailbox(1), &print(2))).is_none());
        let names: Vec<String> = stage.ask(store.folders(mailbox(1))).into_iter().map(|of| of.name).collect();
        assert_eq!(names, ["INBOX", "Sent", "Drafts", "Trash", "Junk"]);
        let key = stage.ask(store.shred_key(record.slots[0].shred)).unwrap();
        assert_eq!(key.expose(), &shred(1));
        assert_eq!(stage.refused(account(1)), Refusal::AddressTaken);
        assert_eq!(stage.refused(temporary(1, 9)), Refusal::AddressTaken);
        assert_eq!(store.health(), Health::Good);
    });
}

#[test]
fn a_list_happens_whole_or_not_at_all() {
    on_each(|stage| {
        let list = vec![account(1), deliver(1, 1), account(2), deliver(3, 1), account(4)];
        match stage.commit(list) {
            Err(StoreError::Refused { index: 3, why: Refusal::NotCurrent }) => {}
            other => panic!("{other:?}"),
        }
        assert!(stage.ask(stage.store().mailboxes(None, PAGE)).is_empty());
        assert_eq!(stage.ask(stage.store().mailbox_of(&address(1).key())), None);
        let outcomes = stage.commit(vec![account(1), deliver(1, 1), deliver(1, 2)]).unwrap();
        assert_eq!(outcomes.into_iter().skip(1).map(uid).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(stage.commit(Vec::new()).unwrap(), []);
    });
}

#[test]
fn deliveries_are_numbered_counted_and_refused() {
    on_each(|stage| {
        stage.ok(account(1));
        for message in 1..=3 {
            assert_eq!(uid(stage.ok(deliver(1, message))), u32::from(message));
        }
        let mut read = delivery(1, 4);
        read.flags = Flags { keywords: vec!["b".into(), "a".into(), "b".into()], ..seen() };
        stage.ok(Command::Deliver(Box::new(read)));
        assert_eq!(counters(stage, 1, Folder::INBOX), (5, 4, 3, 400));
        let message = stage.ask(stage.store().message(mailbox(1), Folder::INBOX, Uid(4))).unwrap();
        assert_eq!(message.flags.keywords, ["a", "b"]);
        assert_eq!(message.record, delivery(1, 4).record);
        assert!(stage.ask(stage.store().message(mailbox(1), Folder::INBOX, Uid(5))).is_none());
        assert!(stage.ask(stage.store().message(mailbox(1), Folder::SENT, Uid(4))).is_none());

        assert_eq!(stage.refused(deliver(2, 1)), Refusal::NotCurrent);
        let mut other = delivery(1, 5);
        other.certificate = print(9);
        assert_eq!(stage.refused(Command::Deliver(Box::new(other))), Refusal::NotCurrent);
        let mut lost = delivery(1, 5);
        lost.folder = Folder(99);
        assert_eq!(stage.refused(Command::Deliver(Box::new(lost))), Refusal::Gone);
        for (bytes, messages, fits) in
            [(Some(499), None, false), (Some(500), None, true), (None, Some(5), false), (None, Some(6), true)]
        {
            let mut more = delivery(1, 6);
            (more.quota_bytes, more.quota_messages) = (bytes, messages);
            let done = stage.commit(vec![Command::Deliver(Box::new(more))]);
            assert_eq!(done.is_ok(), fits, "{bytes:?} {messages:?}");
        }
        let mut large = delivery(1, 7);
        large.summary = vec![0; 12 * 1_024 + 1];
        let done = stage.commit(vec![Command::Deliver(Box::new(large))]);
        assert!(matches!(done, Err(StoreError::TooLarge { .. })), "{done:?}");
    });
}

#[test]
fn deliver_once_finds_what_is_there() {
    on_each(|stage| {
        stage.ok(account(1));
        let once = |message| Command::DeliverOnce(Box::new(delivery(1, message)));
        let fresh = |uid, fresh| Outcome::Uid { uid_validity: 1_000, uid: Uid(uid), fresh };
        assert_eq!(stage.ok(once(1)), fresh(1, true));
        assert_eq!(stage.ok(once(1)), fresh(1, false));
        assert_eq!(stage.ok(once(2)), fresh(2, true));
        stage.ok(deliver(1, 1));
        assert_eq!(stage.ok(once(1)), fresh(1, false));
        stage.ok(set(1, &[1], FlagChange::Add, deleted()));
        stage.ok(Command::Expunge { mailbox: mailbox(1), folder: Folder::INBOX, uids: None });
        assert_eq!(stage.ok(once(1)), fresh(3, false));
        let mut elsewhere = delivery(1, 1);
        elsewhere.folder = Folder::SENT;
        assert_eq!(stage.ok(Command::DeliverOnce(Box::new(elsewhere))), fresh(1, true));
        let mut nameless = delivery(1, 1);
        nameless.record.message_id = None;
        assert_eq!(stage.ok(Command::DeliverOnce(Box::new(nameless))), fresh(4, true));
        let mut unused = delivery(1, 2);
        unused.record.body = stage.file(b"a second copy");
        assert_eq!(stage.ok(Command::DeliverOnce(Box::new(unused))), fresh(2, false));
        stage.settle();
        assert_eq!(stage.files(), 0, "the file of a copy that is not kept goes");
    });
}

#[test]
fn flags_change_and_are_counted() {
    on_each(|stage| {
        stage.ok(account(1));
        (1..=4).for_each(|message| drop(stage.ok(deliver(1, message))));
        let outcome = stage.ok(set(1, &[3, 1, 3, 77], FlagChange::Add, seen()));
        assert_eq!(outcome, Outcome::Flagged(vec![(Uid(1), seen()), (Uid(3), seen())]));
        assert_eq!(counters(stage, 1, Folder::INBOX).2, 2);
        let words = Flags { keywords: vec!["z".into(), "y".into()], flagged: true, ..Flags::default() };
        stage.ok(set(1, &[1], FlagChange::Add, words.clone()));
        let both = Flags { keywords: vec!["y".into(), "z".into()], seen: true, ..words };
        assert_eq!(inbox(stage, 1)[0], (1, both));
        stage.ok(set(1, &[1], FlagChange::Remove, Flags { keywords: vec!["y".into()], ..seen() }));
        let left = Flags { flagged: true, keywords: vec!["z".into()], ..Flags::default() };
        assert_eq!(inbox(stage, 1)[0], (1, left));
        stage.ok(set(1, &[1], FlagChange::Replace, Flags::default()));
        assert_eq!(inbox(stage, 1)[0], (1, Flags::default()));
        assert_eq!(counters(stage, 1, Folder::INBOX).2, 3);
        stage.restart();
        assert_eq!(inbox(stage, 1)[2], (3, seen()));
        assert_eq!(stage.refused(set(2, &[1], FlagChange::Add, seen())), Refusal::Gone);
    });
}

#[test]
fn copies_share_their_body_until_the_last_goes() {
    on_each(|stage| {
        stage.ok(account(1));
        let mut large = delivery(1, 1);
        large.record.body = stage.file(&[7; 20_000]);
        large.flags = deleted();
        let body = large.record.body.clone();
        stage.ok(Command::Deliver(Box::new(large)));
        stage.ok(deliver(1, 2));
        let (from, to) = (Folder::INBOX, Folder::TRASH);
        let copy = Command::Copy { mailbox: mailbox(1), from, to, uids: uids([9, 2, 1]) };
        let pairs = vec![(Uid(1), Uid(1)), (Uid(2), Uid(2))];
        assert_eq!(stage.ok(copy), Outcome::Copied { uid_validity: 1_000, pairs });
        assert_eq!(counters(stage, 1, to), (3, 2, 2, 20_100));
        let copied = stage.ask(stage.store().message(mailbox(1), to, Uid(1))).unwrap();
        assert_eq!((copied.flags, copied.record.body), (deleted(), body.clone()));
        let summaries = stage.ask(stage.store().summaries(mailbox(1), to, Uid(1), 9));
        assert_eq!(summaries, [(Uid(2), vec![2; 50])]);

        stage.ok(Command::Expunge { mailbox: mailbox(1), folder: from, uids: None });
        stage.settle();
        assert_eq!(stage.files(), 1, "a copy still names it");
        stage.store().bodies().open(&body).unwrap();
        let back = Command::Move { mailbox: mailbox(1), from: to, to: from, uids: uids([1]) };
        let pairs = vec![(Uid(1), Uid(3))];
        assert_eq!(stage.ok(back), Outcome::Copied { uid_validity: 1_000, pairs });
        assert_eq!(counters(stage, 1, to), (3, 1, 1, 100));
        let same = Command::Move { mailbox: mailbox(1), from, to: from, uids: uids([3]) };
        let pairs = vec![(Uid(3), Uid(4))];
        assert_eq!(stage.ok(same), Outcome::Copied { uid_validity: 1_000, pairs });
        assert_eq!(counters(stage, 1, from), (5, 2, 2, 20_100));
        stage.settle();
        assert_eq!(stage.files(), 1);
        let last = stage.ok(Command::Expunge { mailbox: mailbox(1), folder: from, uids: None });
        assert_eq!(last, Outcome::Expunged(uids([4])));
        stage.settle();
        assert_eq!(stage.files(), 0, "nothing names it any more");
        let lost = Command::Copy { mailbox: mailbox(1), from, to: Folder(50), uids: uids([2]) };
        assert_eq!(stage.refused(lost), Refusal::Gone);
        let lost = Command::Move { mailbox: mailbox(1), from: Folder(50), to, uids: uids([2]) };
        assert_eq!(stage.refused(lost), Refusal::Gone);
    });
}

#[test]
fn expunge_takes_what_is_deleted_and_asked_for() {
    on_each(|stage| {
        stage.ok(account(1));
        (1..=6).for_each(|message| drop(stage.ok(deliver(1, message))));
        stage.ok(set(1, &[2, 3, 5], FlagChange::Add, Flags { seen: true, ..deleted() }));
        let expunge = |uids| Command::Expunge { mailbox: mailbox(1), folder: Folder::INBOX, uids };
        assert_eq!(stage.ok(expunge(Some(uids([5, 1, 2])))), Outcome::Expunged(uids([2, 5])));
        assert_eq!(counters(stage, 1, Folder::INBOX), (7, 4, 3, 400));
        assert_eq!(stage.ok(expunge(None)), Outcome::Expunged(uids([3])));
        assert_eq!(stage.ok(expunge(None)), Outcome::Expunged(Vec::new()));
        assert_eq!(inbox(stage, 1).into_iter().map(|(uid, _)| uid).collect::<Vec<_>>(), [1, 4, 6]);
        assert_eq!(uid(stage.ok(deliver(1, 7))), 7, "numbers are never given again");
        stage.restart();
        assert_eq!(uid(stage.ok(deliver(1, 8))), 8);
    });
}

#[test]
fn summaries_are_replaced_only_when_they_are_what_was_read() {
    on_each(|stage| {
        stage.ok(account(1));
        stage.ok(deliver(1, 1));
        let replace = |uid, old, new: &[u8]| Command::ReplaceSummary {
            mailbox: mailbox(1),
            folder: Folder::INBOX,
            uid: Uid(uid),
            old,
            new: new.into(),
        };
        let there = |stage: &Stage| stage.ask(stage.store().summaries(mailbox(1), Folder::INBOX, Uid(0), 9));
        stage.ok(replace(1, [0; 32], b"not this"));
        stage.ok(replace(2, sha256(&[1; 50]), b"nor that"));
        assert_eq!(there(stage), [(Uid(1), vec![1; 50])]);
        stage.ok(replace(1, sha256(&[1; 50]), b"new"));
        assert_eq!(there(stage), [(Uid(1), b"new".to_vec())]);
        let done = stage.commit(vec![replace(1, sha256(b"new"), &[0; 12 * 1_024 + 1])]);
        assert!(matches!(done, Err(StoreError::TooLarge { .. })), "{done:?}");
    });
}

#[test]
fn folders_are_shown_or_hidden() {
    on_each(|stage| {
        stage.ok(account(1));
        let hide = |folder| Command::Subscribe { mailbox: mailbox(1), folder, on: false };
        stage.ok(hide(Folder::JUNK));
        let shown = stage.ask(stage.store().folders(mailbox(1))).into_iter().filter(|of| of.subscribed);
        assert_eq!(shown.count(), 4);
        assert_eq!(stage.refused(hide(Folder(40))), Refusal::Gone);
    });
}

#[test]
fn tries_are_counted_and_end() {
    on_each(|stage| {
        stage.ok(account(1));
        stage.ok(temporary(2, 1));
        let guess = |max| Command::CountPinAttempt { invitation: invitation(2), max };
        for left in (0..3).rev() {
            assert_eq!(stage.ok(guess(3)), Outcome::TriesLeft(left));
        }
        stage.restart();
        assert_eq!(stage.refused(guess(3)), Refusal::NoTriesLeft);
        let record = stage.ask(stage.store().invitation(invitation(2))).unwrap();
        assert_eq!((record.tries, record.state), (3, InvitationState::Open));
        let kill = || Command::KillInvitation { invitation: invitation(2), now: Time(9) };
        stage.ok(kill());
        assert_eq!(stage.refused(kill()), Refusal::NotOpen);
        assert_eq!(stage.refused(guess(10)), Refusal::NotOpen);
        assert_eq!(stage.refused(first_use(2, 3)), Refusal::NotOpen);
        let unknown = Command::CountPinAttempt { invitation: invitation(9), max: 3 };
        assert_eq!(stage.refused(unknown), Refusal::NotOpen);
    });
}

#[test]
fn no_pin_is_told_once_in_a_while() {
    on_each(|stage| {
        stage.ok(account(1));
        stage.ok(temporary(2, 1));
        let note = |n, now, not_since| Command::NoteNoPin {
            invitation: invitation(n),
            now: Time(now),
            not_since: Time(not_since),
        };
        stage.ok(note(2, 100, 50));
        assert_eq!(stage.refused(note(2, 120, 70)), Refusal::TooSoon);
        assert_eq!(stage.refused(note(2, 150, 100)), Refusal::TooSoon);
        stage.ok(note(2, 151, 101));
        assert_eq!(stage.refused(note(9, 1, 1)), Refusal::Gone);
    });
}

#[test]
fn the_first_use_opens_and_destroys() {
    on_each(|stage| {
        stage.ok(account(1));
        stage.ok(temporary(2, 1));
        let store = stage.store();
        let before = stage.ask(store.mailbox(mailbox(2))).unwrap();
        assert_eq!((before.state, before.invitation), (MailboxState::Unopened, Some(invitation(2))));
        assert_eq!((before.inviter, before.correspondents.clone()), (Some(mailbox(1)), vec![mailbox(1)]));
        assert_eq!(stage.ask(store.vault_entry(mailbox(1), mailbox(2))), Some(vec![2; 40]));
        assert_eq!(stage.ask(store.folders(mailbox(2))).len(), 2);
        let old = before.slots[0].shred;
        assert_eq!(stage.ask(store.shred_key(old)).unwrap().expose(), &shred(2));

        stage.ok(first_use(2, 3));
        let after = stage.ask(store.mailbox(mailbox(2))).unwrap();
        assert_eq!((after.state, after.opened), (MailboxState::Open, Some(Time(3_000))));
        assert_eq!((after.certificate.clone(), after.former.clone()), (print(3), vec![print(2)]));
        assert_eq!((after.language, after.generation, after.invitation), (Language::De, 1, None));
        assert_eq!(after.slots.len(), 1);
        assert_eq!(after.slots[0].kind, SlotKind::Password);
        assert!(stage.ask(store.shred_key(old)).is_none(), "destroyed");
        assert_eq!(stage.ask(store.shred_key(after.slots[0].shred)).unwrap().expose(), &shred(3));
        let former = stage.ask(store.key(mailbox(2), &print(2))).unwrap();
        assert_eq!(former.wrapped_secret, Some(vec![3; 95]));
        assert_eq!(*stage.ask(store.key(mailbox(2), &print(3))).unwrap(), key(3));
        let used = stage.ask(store.invitation(invitation(2))).unwrap();
        assert_eq!((used.state, used.changed), (InvitationState::Used, Time(3_000)));

        assert_eq!(stage.refused(first_use(2, 4)), Refusal::NotOpen);
        assert_eq!(stage.refused(renewal(2, 2, 5, 1)), Refusal::NotOpen);
        assert_eq!(stage.refused(deliver(2, 1)), Refusal::NotCurrent, "mail to the former certificate");
        assert_eq!(stage.refused(first_use(9, 4)), Refusal::NotOpen);
        drop(store);
        stage.restart();
        assert!(stage.ask(stage.store().shred_key(old)).is_none(), "destroyed for good");
        assert_eq!(stage.ask(stage.store().shred_key(after.slots[0].shred)).unwrap().expose(), &shred(3));
    });
}

#[test]
fn a_renewal_takes_the_place_of_an_open_or_dead_invitation() {
    on_each(|stage| {
        stage.ok(account(1));
        stage.ok(temporary(2, 1));
        let old = stage.ask(stage.store().mailbox(mailbox(2))).unwrap().slots[0].shred;
        stage.ok(Command::KillInvitation { invitation: invitation(2), now: Time(9) });
        stage.ok(renewal(2, 2, 5, 1));
        let store = stage.store();
        let record = stage.ask(store.mailbox(mailbox(2))).unwrap();
        assert_eq!((record.invitation, record.slots.len()), (Some(invitation(5)), 1));
        assert!(stage.ask(store.shred_key(old)).is_none());
        assert_eq!(stage.ask(store.shred_key(record.slots[0].shred)).unwrap().expose(), &shred(5));
        assert_eq!(stage.ask(store.vault_entry(mailbox(1), mailbox(2))), Some(vec![5; 40]));
        let replaced = stage.ask(store.invitation(invitation(2))).unwrap();
        assert_eq!((replaced.state, replaced.changed), (InvitationState::Replaced, Time(2_500)));
        assert_eq!(stage.ask(store.invitation(invitation(5))).unwrap().state, InvitationState::Open);
        assert_eq!(stage.refused(renewal(2, 2, 6, 1)), Refusal::NotOpen);
        assert_eq!(stage.refused(first_use(2, 3)), Refusal::NotOpen, "by the replaced invitation");
    });
}

#[test]
fn a_password_replaces_its_slot() {
    on_each(|stage| {
        stage.ok(account(1));
        let old = stage.ask(stage.store().mailbox(mailbox(1))).unwrap().slots[0].clone();
        let change = |of, new| password_change(of, 0, 1, new);
        stage.ok(change(1, 8));
        let record = stage.ask(stage.store().mailbox(mailbox(1))).unwrap();
        assert_eq!((record.slots.len(), record.generation), (1, 1));
        assert!(stage.ask(stage.store().shred_key(old.shred)).is_none());
        assert_eq!(stage.ask(stage.store().shred_key(record.slots[0].shred)).unwrap().expose(), &shred(8));
        assert_eq!(stage.refused(change(1, 9)), Refusal::NotCurrent);
        assert_eq!(stage.refused(change(7, 9)), Refusal::NotCurrent);
        assert_eq!(stage.refused(password_change(1, 1, 1, 9)), Refusal::NotCurrent, "the slot is gone");
        assert_eq!(stage.refused(password_change(1, 0, 8, 9)), Refusal::NotCurrent, "the generation is over");
        stage.ok(temporary(2, 1));
        stage.ok(first_use(2, 3));
        let never = password_change(2, 1, 3, 9);
        assert_eq!(stage.refused(never), Refusal::NotCurrent, "a temporary mailbox keeps its password");
    });
}

#[test]
fn app_passwords_and_the_recovery_slot_stay_only_when_asked() {
    on_each(|stage| {
        stage.ok(account(1));
        stage.ok(Command::PutRecovery { account: mailbox(1), generation: 0, slot: recovery_slot(30) });
        let kinds = |stage: &Stage| {
            let record = stage.ask(stage.store().mailbox(mailbox(1))).unwrap();
            record.slots.iter().map(|slot| (slot.kind, slot.id.bytes()[0])).collect::<Vec<_>>()
        };
        assert_eq!(kinds(stage), [(SlotKind::Password, 1), (SlotKind::Recovery, 30)]);
        stage.ok(Command::PutRecovery { account: mailbox(1), generation: 0, slot: recovery_slot(31) });
        assert_eq!(kinds(stage), [(SlotKind::Password, 1), (SlotKind::Recovery, 31)], "one, not two");
        let late = Command::PutRecovery { account: mailbox(1), generation: 7, slot: recovery_slot(32) };
        assert_eq!(stage.refused(late), Refusal::NotCurrent);
        let mut keeping = password_change_of(1, 0, 1, 8);
        keeping.keep_recovery = true;
        stage.ok(Command::ChangePassword(Box::new(keeping)));
        assert_eq!(kinds(stage), [(SlotKind::Password, 8), (SlotKind::Recovery, 31)]);
        let record = stage.ask(stage.store().mailbox(mailbox(1))).unwrap();
        assert_eq!(record.slots[1].recovery, recovery_slot(31).recovery);
        let shred = record.slots[1].shred;
        stage.ok(password_change(1, 1, 8, 9));
        assert_eq!(kinds(stage), [(SlotKind::Password, 9)]);
        assert!(stage.ask(stage.store().shred_key(shred)).is_none(), "destroyed");
        stage.restart();
        assert!(stage.ask(stage.store().shred_key(shred)).is_none(), "for good");
    });
}

#[test]
fn the_recovery_certificate_is_told_once_and_its_slot_goes_with_it() {
    on_each(|stage| {
        stage.ok(account(1));
        let note = |was: Option<u8>, now: Option<u8>| Command::NoteRecovery {
            account: mailbox(1),
            was: was.map(print),
            now: now.map(print),
        };
        assert_eq!(stage.refused(note(Some(5), None)), Refusal::AlreadyDone);
        stage.ok(note(None, Some(5)));
        assert_eq!(stage.refused(note(None, Some(5))), Refusal::AlreadyDone);
        stage.ok(Command::PutRecovery { account: mailbox(1), generation: 0, slot: recovery_slot(30) });
        stage.ok(note(Some(5), Some(6)));
        let record = stage.ask(stage.store().mailbox(mailbox(1))).unwrap();
        assert_eq!((record.slots.len(), record.generation), (2, 0), "stays until it is replaced");
        stage.ok(note(Some(6), None));
        let after = stage.ask(stage.store().mailbox(mailbox(1))).unwrap();
        assert_eq!((after.slots.len(), after.generation), (1, 0), "nobody is signed out");
        assert!(stage.ask(stage.store().shred_key(record.slots[1].shred)).is_none());
        let lost = Command::NoteRecovery { account: mailbox(9), was: None, now: None };
        assert_eq!(stage.refused(lost), Refusal::Gone);
    });
}

#[test]
fn a_new_key_keeps_what_was_before() {
    on_each(|stage| {
        stage.ok(account(1));
        stage.ok(Command::PutRecovery { account: mailbox(1), generation: 0, slot: recovery_slot(30) });
        let mut change = password_change_of(1, 0, 1, 8);
        (change.keep_recovery, change.keep_app_passwords) = (true, true);
        change.renewal =
            Some(KeyRenewal { key: key(8), former_keys: vec![former_key(40, 5)], now: Time(5_000) });
        stage.ok(Command::ChangePassword(Box::new(change)));
        let record = stage.ask(stage.store().mailbox(mailbox(1))).unwrap();
        assert_eq!((record.certificate.clone(), record.former.clone()), (print(8), vec![print(1)]));
        assert_eq!(record.slots.len(), 1, "the recovery slot opened the former key");
        assert_eq!((record.key_since(), record.generation), (Time(5_000), 1));
        assert_eq!(record.account.as_ref().unwrap().former_keys, [former_key(40, 5)]);
        assert!(stage.ask(stage.store().key(mailbox(1), &print(1))).is_some());
        assert_eq!(stage.refused(deliver(1, 1)), Refusal::NotCurrent, "mail to the former certificate");
    });
}

#[test]
fn a_reset_shuts_what_was_until_it_is_reopened_or_destroyed() {
    on_each(|stage| {
        stage.ok(account(1));
        stage.ok(deliver(1, 1));
        stage.ok(reset(1, 0, 1, 8, 5_000));
        let record = stage.ask(stage.store().mailbox(mailbox(1))).unwrap();
        let shut = &record.account.as_ref().unwrap().shut;
        assert_eq!((record.certificate.clone(), record.former.len(), record.generation), (print(8), 0, 1));
        assert_eq!((record.slots.len(), shut.len(), shut[0].keys.clone()), (1, 1, vec![print(1)]));
        assert_eq!((shut[0].since, shut[0].until), (Time(1_000), Time(5_000)));
        let old = shut[0].slots[0].shred;
        assert!(!record.is_readable_since(Time(2_000)) && record.is_readable_since(Time(5_000)));
        assert_eq!(stage.refused(reset(1, 0, 1, 9, 5_001)), Refusal::NotCurrent);
        assert_eq!(stage.refused(reset(1, 1, 1, 9, 5_001)), Refusal::NotCurrent, "another certificate");
        stage.restart();
        assert!(stage.ask(stage.store().shred_key(old)).is_some(), "shut, not destroyed");
        assert!(stage.ask(stage.store().message(mailbox(1), Folder::INBOX, Uid(1))).is_some());

        stage.ok(reset(1, 1, 8, 9, 6_000));
        assert_eq!(stage.refused(reopen(1, 2, 7, 41)), Refusal::NotCurrent, "no such slot");
        assert_eq!(stage.refused(reopen(1, 1, 1, 41)), Refusal::NotCurrent, "the generation is over");
        stage.ok(reopen(1, 2, 1, 41));
        let record = stage.ask(stage.store().mailbox(mailbox(1))).unwrap();
        assert_eq!((record.certificate.clone(), record.former.clone()), (print(9), vec![print(1)]));
        assert!(stage.ask(stage.store().shred_key(old)).is_none(), "its slots are gone");
        let part = record.account.clone().unwrap();
        assert_eq!((part.shut.len(), part.former_keys.clone()), (1, vec![former_key(41, 1)]));

        let gone = part.shut[0].slots[0].shred;
        let destroy = |before| Command::DestroyShut { account: mailbox(1), before: Time(before) };
        assert_eq!(stage.ok(destroy(6_000)), Outcome::Count(0));
        assert!(stage.ask(stage.store().shred_key(gone)).is_some());
        assert_eq!(stage.ok(destroy(6_001)), Outcome::Count(1));
        assert!(stage.ask(stage.store().shred_key(gone)).is_none());
        assert!(stage.ask(stage.store().key(mailbox(1), &print(8))).is_none(), "its key is gone");
        assert!(stage.ask(stage.store().key(mailbox(1), &print(1))).is_some());
        assert!(stage.ask(stage.store().key(mailbox(1), &print(9))).is_some());
        assert_eq!(stage.refused(reopen(1, 3, 8, 42)), Refusal::NotCurrent, "destroyed");
        let lost = Command::DestroyShut { account: mailbox(7), before: Time(0) };
        assert_eq!(stage.refused(lost), Refusal::Gone);
        stage.restart();
        assert!(stage.ask(stage.store().shred_key(gone)).is_none());
    });
}

#[test]
fn a_reset_may_leave_mail_to_a_certificate_of_its_own() {
    on_each(|stage| {
        stage.ok(account(1));
        let public = KeyRecord { wrapped_secret: None, ..key(4) };
        stage.ok(Command::PutOwnCertificate { mailbox: mailbox(1), key: public });
        let mut bare = reset_of(1, 0, 4, 8, 5_000);
        bare.keeps_certificate = true;
        stage.ok(Command::ResetAccount(Box::new(bare)));
        let record = stage.ask(stage.store().mailbox(mailbox(1))).unwrap();
        assert_eq!((record.certificate.clone(), record.former.clone()), (print(4), vec![print(8)]));
        assert_eq!(record.account.as_ref().unwrap().shut[0].keys, [print(1)]);
        assert_eq!(
            stage.ok(Command::DestroyShut { account: mailbox(1), before: Time(9_000) }),
            Outcome::Count(1)
        );
        assert!(stage.ask(stage.store().key(mailbox(1), &print(1))).is_none());
        assert!(stage.ask(stage.store().key(mailbox(1), &print(4))).is_some(), "in use");
        assert_eq!(*stage.ask(stage.store().key(mailbox(1), &print(8))).unwrap(), key(8));
    });
}

#[test]
fn an_account_takes_only_so_many_generations() {
    on_each(|stage| {
        stage.ok(account(1));
        let mut generation = 0;
        let refused = loop {
            let of = if generation == 0 { 1 } else { 8 };
            let mut more = reset_of(1, generation, of, 8, 5_000 + i64::from(generation));
            more.slot.sealed = vec![1; 1_000];
            match stage.commit(vec![Command::ResetAccount(Box::new(more))]) {
                Ok(_) => generation += 1,
                Err(error) => break error,
            }
            assert!(generation < 100);
        };
        assert!(matches!(refused, StoreError::Refused { why: Refusal::OverQuota, .. }), "{refused}");
        assert!(generation > 5, "{generation}");
        stage.ok(Command::DestroyShut { account: mailbox(1), before: Time(9_000) });
        stage.ok(reset(1, generation, 8, 9, 9_000));
    });
}

#[test]
fn a_deleted_account_takes_its_shut_generations_along() {
    on_each(|stage| {
        stage.ok(account(1));
        stage.ok(reset(1, 0, 1, 8, 5_000));
        let record = stage.ask(stage.store().mailbox(mailbox(1))).unwrap();
        let all: Vec<_> = record.all_slots().map(|slot| slot.shred).collect();
        assert_eq!(all.len(), 2);
        stage.ok(Command::DeleteMailbox { mailbox: mailbox(1), now: Time(6_000), only: None });
        for shred in all {
            assert!(stage.ask(stage.store().shred_key(shred)).is_none());
        }
    });
}

#[test]
fn an_own_certificate_is_used_from_now_on() {
    on_each(|stage| {
        stage.ok(account(1));
        let public = |n| KeyRecord { wrapped_secret: None, ..key(n) };
        stage.ok(Command::PutOwnCertificate { mailbox: mailbox(1), key: public(4) });
        let record = stage.ask(stage.store().mailbox(mailbox(1))).unwrap();
        assert_eq!((record.certificate.clone(), record.former.clone()), (print(4), vec![print(1)]));
        assert_eq!(stage.refused(deliver(1, 1)), Refusal::NotCurrent);
        let covered = |by| {
            let mut covered = delivery(1, 1);
            (covered.certificate, covered.record.certificate) = (print(4), print(by));
            Command::Deliver(Box::new(covered))
        };
        stage.ok(covered(1));
        assert_eq!(stage.refused(covered(7)), Refusal::NotCurrent, "nothing of this mailbox opens it");
        stage.ok(Command::PutOwnCertificate { mailbox: mailbox(1), key: public(1) });
        let record = stage.ask(stage.store().mailbox(mailbox(1))).unwrap();
        assert_eq!((record.certificate.clone(), record.former.clone()), (print(1), vec![print(4)]));
        let again = stage.ask(stage.store().key(mailbox(1), &print(1))).unwrap();
        assert_eq!(again.wrapped_secret, key(1).wrapped_secret, "the secret key stays");
        let lost = Command::PutOwnCertificate { mailbox: mailbox(9), key: public(1) };
        assert_eq!(stage.refused(lost), Refusal::Gone);
    });
}

#[test]
fn activity_and_correspondents_are_noted() {
    on_each(|stage| {
        stage.ok(account(1));
        let note = |at, who: Option<u8>| Command::NoteActivity {
            mailbox: mailbox(1),
            at: Time(at),
            correspondent: who.map(mailbox),
        };
        stage.ok(note(5_000, Some(2)));
        stage.ok(note(4_000, Some(2)));
        let record = stage.ask(stage.store().mailbox(mailbox(1))).unwrap();
        assert_eq!((record.last_activity, record.correspondents.clone()), (Time(5_000), vec![mailbox(2)]));
        for n in 0..=120 {
            stage.ok(note(5_000, Some(n)));
        }
        let record = stage.ask(stage.store().mailbox(mailbox(1))).unwrap();
        assert_eq!(record.correspondents.len(), 100);
        let lost = Command::NoteActivity { mailbox: mailbox(7), at: Time(1), correspondent: None };
        assert_eq!(stage.refused(lost), Refusal::Gone);
    });
}

#[test]
fn vault_entries_need_both_ends() {
    on_each(|stage| {
        stage.ok(account(1));
        stage.ok(account(3));
        stage.ok(temporary(2, 1));
        let put = |account, of| Command::PutVaultEntry {
            account: mailbox(account),
            mailbox: mailbox(of),
            sealed: vec![9; 10],
        };
        stage.ok(put(3, 2));
        assert_eq!(stage.ask(stage.store().vault_entry(mailbox(3), mailbox(2))), Some(vec![9; 10]));
        assert_eq!(stage.ask(stage.store().vault_entry(mailbox(2), mailbox(3))), None);
        assert_eq!(stage.refused(put(3, 9)), Refusal::Gone);
        assert_eq!(stage.refused(put(9, 2)), Refusal::Gone);
    });
}

#[test]
fn a_deleted_mailbox_leaves_a_trace_and_nothing_else() {
    on_each(|stage| {
        stage.ok(account(1));
        stage.ok(account(3));
        stage.ok(temporary(2, 1));
        stage.ok(renewal(2, 2, 5, 1));
        let mut large = delivery(2, 1);
        large.record.body = stage.file(&[7; 9_000]);
        stage.ok(Command::Deliver(Box::new(large)));
        (2..=9).for_each(|message| drop(stage.ok(deliver(2, message))));
        stage.ok(Command::PutVaultEntry { account: mailbox(3), mailbox: mailbox(2), sealed: vec![1] });
        let invite = queued(6, stage.file(b"invitation"), Purpose::Invitation(mailbox(2)), &[1]);
        stage.ok(Command::Enqueue(Box::new(invite)));
        let other = queued(7, stage.file(b"other"), Purpose::Invitation(mailbox(8)), &[1]);
        stage.ok(Command::Enqueue(Box::new(other)));
        let shred = stage.ask(stage.store().mailbox(mailbox(2))).unwrap().slots[0].shred;
        let qk = stage.ask(stage.store().queued(queue(6))).unwrap().shred.unwrap();
        let mut watch = stage.store().watch(mailbox(2));
        watch.borrow_and_update();

        let delete = || Command::DeleteMailbox { mailbox: mailbox(2), now: Time(77), only: None };
        stage.ok(delete());
        assert_eq!(*watch.borrow_and_update(), u64::MAX);
        assert_eq!(*stage.store().watch(mailbox(2)).borrow(), u64::MAX);
        stage.settle();
        assert_eq!(stage.refused(delete()), Refusal::Gone);
        for round in 0..2 {
            let store = stage.store();
            assert!(stage.ask(store.mailbox(mailbox(2))).is_none(), "{round}");
            assert_eq!(stage.ask(store.mailbox_of(&address(2).key())), None);
            assert!(inbox(stage, 2).is_empty());
            assert!(stage.ask(store.folders(mailbox(2))).is_empty());
            assert!(stage.ask(store.summaries(mailbox(2), Folder::INBOX, Uid(0), 9)).is_empty());
            assert!(stage.ask(store.message(mailbox(2), Folder::INBOX, Uid(1))).is_none());
            assert!(stage.ask(store.key(mailbox(2), &print(2))).is_none());
            assert!(stage.ask(store.shred_key(shred)).is_none());
            assert!(stage.ask(store.shred_key(qk)).is_none());
            for account in [1, 3] {
                assert_eq!(stage.ask(store.vault_entry(mailbox(account), mailbox(2))), None);
            }
            for n in [2, 5] {
                let trace = stage.ask(store.invitation(invitation(n))).unwrap();
                assert_eq!((trace.state, trace.changed), (InvitationState::Deleted, Time(77)));
                assert_eq!(trace.token_hash, [n; 32]);
            }
            assert!(stage.ask(store.queued(queue(6))).is_none());
            assert!(stage.ask(store.queued(queue(7))).is_some());
            drop(store);
            stage.restart();
        }
        for _ in 0..3 {
            stage.settle();
        }
        assert_eq!(stage.files(), 1, "the body of the other queued message");
        let mut again = temporary(2, 1);
        if let Command::CreateMailbox(new) = &mut again {
            (new.id, new.created) = (mailbox(20), Time(9_000));
        }
        stage.ok(again);
        assert_eq!(stage.ask(stage.store().folders(mailbox(20)))[0].uid_validity, 9_000);
    });
}

#[test]
fn outside_certificates_are_put_replaced_and_removed() {
    on_each(|stage| {
        let put = |n, size, replace| Command::PutCertificate { record: certificate(n, 5, size), replace };
        stage.ok(put(1, 100, false));
        stage.ok(put(1, 100_000, false));
        assert_eq!(stage.refused(put(2, 100, false)), Refusal::AddressTaken);
        let there = stage.ask(stage.store().certificate(&address(5).key())).unwrap();
        assert_eq!(*there, *certificate(1, 5, 100_000));
        stage.restart();
        let there = stage.ask(stage.store().certificate(&address(5).key())).unwrap();
        assert_eq!(*there, *certificate(1, 5, 100_000));
        stage.ok(put(2, 9_000, true));
        let there = stage.ask(stage.store().certificate(&address(5).key())).unwrap();
        assert_eq!(*there, *certificate(2, 5, 9_000));
        stage.ok(Command::RemoveCertificate { address: address(5).key() });
        stage.ok(Command::RemoveCertificate { address: address(5).key() });
        assert!(stage.ask(stage.store().certificate(&address(5).key())).is_none());
        stage.settle();
        assert_eq!(stage.files(), 0);
    });
}

#[test]
fn what_an_admin_put_there_no_mailbox_makes_its_own() {
    on_each(|stage| {
        let put = |chosen_by, replace| {
            let mut record = certificate(1, 5, 100);
            record.chosen_by = chosen_by;
            Command::PutCertificate { record, replace }
        };
        let chosen_by = |command| {
            stage.ok(command);
            stage.ask(stage.store().certificate(&address(5).key())).unwrap().chosen_by
        };
        assert_eq!(chosen_by(put(Some(mailbox(7)), false)), Some(mailbox(7)));
        assert_eq!(chosen_by(put(Some(mailbox(7)), false)), Some(mailbox(7)));
        assert_eq!(chosen_by(put(None, true)), None);
        assert_eq!(chosen_by(put(Some(mailbox(7)), false)), None);
    });
}

#[test]
fn two_certificates_are_stored_for_a_destination_and_forgotten_together() {
    on_each(|stage| {
        let domain = |n: u8| Domain::parse(&format!("d{n}.example")).unwrap();
        let of = |n: u8, kind, der: u8| StoredCertificate {
            kind,
            der: vec![der; 7_000],
            added: Time(i64::from(n)),
        };
        let add = |n, kind, der| Command::AddStoredCertificate {
            domain: domain(n),
            certificate: Box::new(of(n, kind, der)),
        };
        stage.ok(add(1, StoredKind::Certificate, 1));
        assert_eq!(stage.refused(add(1, StoredKind::Certificate, 1)), Refusal::AlreadyDone);
        stage.ok(add(1, StoredKind::Key, 1));
        assert_eq!(stage.refused(add(1, StoredKind::Certificate, 2)), Refusal::Full);
        stage.ok(add(2, StoredKind::Certificate, 2));
        let shown = |at| SeenCertificate {
            fingerprint: "ab:".repeat(32),
            host: format!("{}.example", "m".repeat(245)),
            at: Time(at),
            stored: true,
        };
        for (n, at) in [(1, 7), (1, 8), (3, 9)] {
            stage.ok(Command::NoteSeenCertificate { domain: domain(n), seen: Box::new(shown(at)) });
        }
        stage.restart();
        let destinations = stage.ask(stage.store().destinations(None, 9)).into_iter();
        let mut last: Vec<_> = destinations.map(|(_, of)| (of.domain, of.seen)).collect();
        last.sort_by(|one, other| one.0.cmp(&other.0));
        assert_eq!(last, [(domain(1), Some(shown(8))), (domain(2), None)]);
        let held = [of(1, StoredKind::Certificate, 1), of(1, StoredKind::Key, 1)];
        assert_eq!(stage.ask(stage.store().stored_certificates(&domain(1))), held);
        assert_eq!(stage.ask(stage.store().stored_certificates(&domain(3))), []);
        let mut seen = Vec::new();
        let mut after = None;
        while let page = stage.ask(stage.store().destinations(after, 1))
            && let Some((at, found)) = page.into_iter().next()
        {
            seen.push(found.domain);
            after = Some(at);
        }
        seen.sort();
        assert_eq!(seen, [domain(1), domain(2)]);
        stage.ok(Command::RemoveStoredCertificates { domain: domain(1) });
        stage.ok(Command::RemoveStoredCertificates { domain: domain(1) });
        assert_eq!(stage.ask(stage.store().stored_certificates(&domain(1))), []);
        assert_eq!(stage.ask(stage.store().destinations(None, 9)).len(), 1);
        stage.ok(add(1, StoredKind::Certificate, 1));
    });
}

#[test]
fn what_a_domain_says_by_mta_sts_is_kept_replaced_and_forgotten() {
    on_each(|stage| {
        let domain = |n: u8| Domain::parse(&format!("d{n}.example")).unwrap();
        let of = |n: u8, id: &str, size: usize| StsRecord {
            domain: domain(n),
            id: id.into(),
            policy: "x".repeat(size),
            fetched: Time(i64::from(n)),
            until: Time(10),
            used: Time(3),
        };
        let put = |record: StsRecord, expected: Option<StsRecord>| Command::PutSts {
            record: Box::new(record),
            expected: expected.map(Box::new),
        };
        stage.ok(put(of(1, "one", 64 << 10), None));
        assert_eq!(stage.ask(stage.store().sts(&domain(1))), Some(of(1, "one", 64 << 10)));
        stage.ok(put(of(2, "two", 9), None));
        // Of two who read the same, one wins.
        let first = Some(of(1, "one", 64 << 10));
        stage.ok(put(of(1, "again", 15 << 10), first.clone()));
        stage.ok(put(of(1, "three", 7), Some(of(1, "again", 15 << 10))));
        for expected in [None, first, Some(of(2, "two", 9))] {
            assert_eq!(stage.refused(put(of(1, "four", 7), expected)), Refusal::NotCurrent);
        }
        assert_eq!(stage.refused(put(of(3, "five", 7), Some(of(3, "four", 7)))), Refusal::NotCurrent);
        stage.restart();
        assert_eq!(stage.ask(stage.store().sts(&domain(1))), Some(of(1, "three", 7)));
        assert_eq!(stage.ask(stage.store().sts(&domain(3))), None);
        let mut seen = Vec::new();
        let mut after = None;
        while let page = stage.ask(stage.store().all_sts(after, 1))
            && let Some((at, found)) = page.into_iter().next()
        {
            seen.push(found.domain);
            after = Some(at);
        }
        seen.sort();
        assert_eq!(seen, [domain(1), domain(2)]);
        let remove = |fetched| Command::RemoveSts { domain: domain(1), fetched: Time(fetched) };
        stage.ok(remove(2));
        assert!(stage.ask(stage.store().sts(&domain(1))).is_some(), "it was fetched at another time");
        stage.ok(remove(1));
        stage.ok(remove(1));
        assert_eq!(stage.ask(stage.store().sts(&domain(1))), None);
        assert_eq!(stage.ask(stage.store().all_sts(None, 9)).len(), 1);
    });
}

#[test]
fn pages_follow_one_another_whatever_their_size() {
    on_each(|stage| {
        let store = stage.store();
        for n in 1..=7 {
            stage.ok(account(n));
            stage.ok(Command::PutCertificate { record: certificate(n, n, 50), replace: false });
            let mail = queued(n, nowhere(n), Purpose::Mail, &[9]);
            stage.ok(Command::Enqueue(Box::new(mail)));
            stage.ok(deliver(1, n));
        }
        for limit in [1, 2, 3, 7, 8, PAGE, usize::MAX] {
            let mut ids = Vec::new();
            while let page = stage.ask(store.mailboxes(ids.last().copied(), limit))
                && !page.is_empty()
            {
                assert!(page.len() <= limit);
                ids.extend(page.iter().map(|record| record.id));
            }
            assert_eq!(ids, (1..=7).map(mailbox).collect::<Vec<_>>());
            let mut ids = Vec::new();
            while let page = stage.ask(store.queue(ids.last().copied(), limit))
                && !page.is_empty()
            {
                ids.extend(page.iter().map(|record| record.id));
            }
            assert_eq!(ids, (1..=7).map(queue).collect::<Vec<_>>());
            let mut after = None;
            let mut prints = Vec::new();
            while let page = stage.ask(store.certificates(after, limit))
                && let Some((last, _)) = page.last()
            {
                after = Some(*last);
                prints.extend(page.iter().map(|(_, record)| record.fingerprint.clone()));
            }
            prints.sort();
            assert_eq!(prints, (1..=7).map(print).collect::<Vec<_>>());
            let mut numbers = Vec::new();
            let mut last = Uid(0);
            while let page = stage.ask(store.messages(mailbox(1), Folder::INBOX, last, limit))
                && !page.is_empty()
            {
                numbers.extend(page.iter().map(|message| message.uid));
                last = *numbers.last().unwrap();
            }
            assert_eq!(numbers, uids(1..=7));
        }
    });
}

#[test]
fn no_page_is_larger_than_the_largest() {
    on_each(|stage| {
        stage.ok(account(1));
        for _ in 0..5 {
            stage.commit((0..201).map(|_| deliver(1, 1)).collect()).unwrap();
        }
        let store = stage.store();
        let page = stage.ask(store.messages(mailbox(1), Folder::INBOX, Uid(0), usize::MAX));
        assert_eq!(page.len(), PAGE);
        let page = stage.ask(store.summaries(mailbox(1), Folder::INBOX, Uid(0), usize::MAX));
        assert_eq!(page.len(), PAGE);
        let rest = stage.ask(store.messages(mailbox(1), Folder::INBOX, Uid(1_000), usize::MAX));
        assert_eq!(rest.len(), 5);
        let all = stage.ok(set(1, &(1..=1_005).collect::<Vec<_>>(), FlagChange::Add, deleted()));
        assert!(matches!(all, Outcome::Flagged(all) if all.len() == 1_005));
        let gone = stage.ok(Command::Expunge { mailbox: mailbox(1), folder: Folder::INBOX, uids: None });
        assert!(matches!(gone, Outcome::Expunged(gone) if gone.len() == 1_005));
        assert_eq!(counters(stage, 1, Folder::INBOX), (1_006, 0, 0, 0));
    });
}

fn seconds(count: i64) -> Duration {
    Duration::from_secs(u64::try_from(count).unwrap())
}

/// Leases where both clocks say `now`.
fn leased(stage: &Stage, now: i64, until: i64, limit: usize) -> Vec<(u8, u16)> {
    let (running, until) = (seconds(now), seconds(until));
    match stage.ok(Command::LeaseDue { now: Time(now), running, until, limit }) {
        Outcome::Leased(all) => all
            .iter()
            .map(|recipient: &QueuedRecipient| {
                assert_eq!(recipient.state, RecipientState::Leased { until });
                (recipient.queue.bytes()[0], recipient.number)
            })
            .collect(),
        other => panic!("{other:?}"),
    }
}

/// The outcome of a try under the lease to `until`.
fn settle(n: u8, number: u16, until: i64, outcome: Settlement) -> Command {
    Command::Settle { queue: queue(n), number, lease: seconds(until), outcome }
}

fn delivered() -> Settlement {
    Settlement::Delivered { proof: "TLS".into() }
}

fn again(next: i64) -> Settlement {
    Settlement::Again { next: Time(next), reason: "busy".into(), delay_reported: false, passed: false }
}

#[test]
fn the_queue_gives_out_what_is_due_oldest_first() {
    on_each(|stage| {
        let mail = |n, due: &[i64]| Command::Enqueue(Box::new(queued(n, nowhere(n), Purpose::Mail, due)));
        stage.ok(mail(1, &[30, 10]));
        stage.ok(mail(2, &[20, 50]));
        assert_eq!(stage.refused(mail(2, &[1])), Refusal::AlreadyDone);
        assert_eq!(stage.ask(stage.store().next_due(seconds(0))), Some(Time(10)));
        assert_eq!(leased(stage, 9, 100, 9), []);
        assert_eq!(leased(stage, 40, 100, 2), [(1, 1), (2, 0)]);
        assert_eq!(stage.ask(stage.store().next_due(seconds(40))), Some(Time(30)));
        assert_eq!(leased(stage, 40, 90, 9), [(1, 0)]);
        assert_eq!(leased(stage, 40, 90, 9), []);
        assert_eq!(stage.ask(stage.store().next_due(seconds(40))), Some(Time(50)));
        assert_eq!(leased(stage, 95, 200, 9), [(1, 0), (2, 1)], "the lease to 90 has ended");
        let states = stage.ask(stage.store().queued_recipients(queue(2)));
        let leases = states.iter().map(|recipient| recipient.state).collect::<Vec<_>>();
        let until = |until| RecipientState::Leased { until: seconds(until) };
        assert_eq!(leases, [until(100), until(200)]);

        stage.ok(settle(2, 0, 100, again(300)));
        assert_eq!(stage.refused(settle(2, 0, 100, again(300))), Refusal::Gone, "not leased any more");
        assert_eq!(leased(stage, 250, 260, 9), [(1, 1), (1, 0), (2, 1)]);
        stage.ok(settle(2, 1, 260, Settlement::Failed { reason: "é".repeat(600) }));
        let states = stage.ask(stage.store().queued_recipients(queue(2)));
        assert_eq!(states[0].state, RecipientState::Waiting);
        assert_eq!((states[0].attempts, states[0].next, states[0].reason.as_str()), (1, Time(300), "busy"));
        assert_eq!((states[1].state, states[1].reason.len()), (RecipientState::Failed, 1_024));
        stage.restart();
        assert_eq!(stage.refused(settle(1, 0, 260, again(9))), Refusal::Gone, "leases end with the process");
        assert_eq!(leased(stage, 40, 50, 9), [(1, 1), (1, 0)]);
    });
}

#[test]
fn what_a_try_showed_stays_with_its_recipient() {
    on_each(|stage| {
        stage.ok(Command::Enqueue(Box::new(queued(1, nowhere(1), Purpose::Mail, &[10, 10]))));
        let known = |stage: &Stage| {
            let recipient = stage.ask(stage.store().queued_recipients(queue(1))).remove(1);
            (recipient.passed, recipient.delay_reported, recipient.attempts, recipient.next)
        };
        let note = || Command::NoteDelay { queue: queue(1), number: 1 };
        assert_eq!(known(stage), (None, false, 0, Time(10)));
        for (at, passed) in [(10, true), (20, false)] {
            assert_eq!(leased(stage, at, at + 5, 9), [(1, 0), (1, 1)]);
            assert_eq!(stage.refused(note()), Refusal::Gone, "it is being tried");
            let reason = "busy".to_owned();
            let next = Time(at + 10);
            let again = Settlement::Again { next, reason, delay_reported: false, passed };
            stage.ok(settle(1, 1, at + 5, again));
        }
        stage.restart();
        assert_eq!(known(stage), (Some(true), false, 2, Time(30)));
        stage.ok(note());
        assert_eq!(known(stage), (Some(true), true, 2, Time(30)), "nothing else has changed");
        assert_eq!(stage.refused(note()), Refusal::Gone, "told once");
        assert_eq!(leased(stage, 30, 40, 9), [(1, 0), (1, 1)]);
        stage.ok(settle(1, 1, 40, delivered()));
        assert_eq!(stage.refused(note()), Refusal::Gone, "it waits no more");
        assert_eq!(stage.refused(Command::NoteDelay { queue: queue(2), number: 0 }), Refusal::Gone);
    });
}

#[test]
fn whoever_sets_the_wall_clock_ends_no_lease() {
    on_each(|stage| {
        stage.ok(Command::Enqueue(Box::new(queued(1, nowhere(1), Purpose::Mail, &[10]))));
        let lease = |now, running, until| {
            let (running, until) = (seconds(running), seconds(until));
            match stage.ok(Command::LeaseDue { now: Time(now), running, until, limit: 9 }) {
                Outcome::Leased(all) => all.len(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(lease(10, 5, 65), 1);
        assert_eq!(lease(1_000_000, 64, 100), 0);
        assert_eq!(stage.ask(stage.store().next_due(seconds(64))), None);
        assert_eq!(stage.ask(stage.store().next_due(seconds(65))), Some(Time(10)));
        assert_eq!(lease(11, 65, 100), 1);
    });
}

#[test]
fn a_late_outcome_ends_nobody_elses_lease_and_what_was_taken_is_taken() {
    on_each(|stage| {
        stage.ok(Command::Enqueue(Box::new(queued(1, nowhere(1), Purpose::Mail, &[10, 10, 10]))));
        assert_eq!(leased(stage, 10, 20, 9).len(), 3);
        assert_eq!(leased(stage, 20, 30, 2), [(1, 0), (1, 1)], "the first lease has ended");
        let failed = || Settlement::Failed { reason: "no".into() };
        for late in [again(500), failed()] {
            assert_eq!(stage.refused(settle(1, 0, 20, late)), Refusal::Gone);
        }
        assert_eq!(leased(stage, 25, 40, 9), [(1, 2)], "the second one still stands");
        stage.ok(settle(1, 0, 20, delivered()));
        assert_eq!(stage.refused(settle(1, 0, 30, again(500))), Refusal::Gone, "it was taken");
        stage.ok(settle(1, 1, 30, again(500)));
        stage.ok(settle(1, 1, 20, delivered()));
        let states = stage.ask(stage.store().queued_recipients(queue(1)));
        let states: Vec<_> = states.iter().map(|recipient| recipient.state).collect();
        let until = RecipientState::Leased { until: seconds(40) };
        assert_eq!(states, [RecipientState::Delivered, RecipientState::Delivered, until]);
        stage.restart();
        stage.ok(settle(1, 2, 40, delivered()));
        assert!(stage.ask(stage.store().queued(queue(1))).is_none(), "not leased at all");
    });
}

#[test]
fn a_lease_that_is_given_back_ends_and_no_other() {
    on_each(|stage| {
        stage.ok(Command::Enqueue(Box::new(queued(1, nowhere(1), Purpose::Mail, &[10, 10]))));
        assert_eq!(leased(stage, 10, 20, 1), [(1, 0)]);
        assert_eq!(leased(stage, 10, 30, 1), [(1, 1)]);
        let release = |number, until| (queue(1), number, seconds(until));
        let leases = vec![release(0, 20), release(1, 20), release(7, 20), (queue(9), 0, seconds(20))];
        stage.ok(Command::Release { leases });
        let before = stage.ask(stage.store().queued_recipients(queue(1)));
        let states: Vec<_> = before.iter().map(|recipient| recipient.state).collect();
        assert_eq!(states, [RecipientState::Waiting, RecipientState::Leased { until: seconds(30) }]);
        assert_eq!((before[0].attempts, before[0].next), (0, Time(10)), "nothing else has changed");
        assert_eq!(stage.ask(stage.store().next_due(seconds(11))), Some(Time(10)));
        assert_eq!(leased(stage, 11, 40, 9), [(1, 0)]);
    });
}

#[test]
fn a_message_leaves_the_queue_with_its_last_recipient() {
    on_each(|stage| {
        let body = stage.file(b"a sealed body");
        let invite = queued(1, body, Purpose::Invitation(mailbox(9)), &[10, 10]);
        stage.ok(Command::Enqueue(Box::new(invite)));
        let record = stage.ask(stage.store().queued(queue(1))).unwrap();
        let qk = record.shred.unwrap();
        assert_eq!(stage.ask(stage.store().shred_key(qk)).unwrap().expose(), &shred(1));
        assert_eq!(leased(stage, 10, 20, 9).len(), 2);
        stage.ok(settle(1, 0, 20, delivered()));
        assert!(stage.ask(stage.store().queued(queue(1))).is_some());
        stage.ok(settle(1, 1, 20, Settlement::Failed { reason: "no".into() }));
        assert!(stage.ask(stage.store().queued(queue(1))).is_none());
        assert!(stage.ask(stage.store().queued_recipients(queue(1))).is_empty());
        assert!(stage.ask(stage.store().shred_key(qk)).is_none());
        assert_eq!(stage.ask(stage.store().next_due(seconds(20))), None);
        stage.settle();
        assert_eq!(stage.files(), 0);
        assert_eq!(stage.refused(settle(1, 0, 20, delivered())), Refusal::Gone);
    });
}

#[test]
fn queued_mail_is_retried_and_cancelled() {
    on_each(|stage| {
        for n in 1..=3 {
            let mail = queued(n, stage.file(b"x"), Purpose::Mail, &[1_000, 5]);
            stage.ok(Command::Enqueue(Box::new(mail)));
        }
        let retry = |of: Option<u8>| Command::RetryQueued { queue: of.map(queue), now: Time(100) };
        assert_eq!(stage.ok(retry(Some(2))), Outcome::Count(2));
        assert_eq!(leased(stage, 100, 200, 9), [(1, 1), (2, 1), (3, 1), (2, 0)]);
        assert_eq!(stage.ok(retry(None)), Outcome::Count(2), "what is leased is being tried");
        assert_eq!(stage.ok(retry(Some(9))), Outcome::Count(0));
        assert_eq!(leased(stage, 100, 200, 9), [(1, 0), (3, 0)]);
        let cancel = |n| Command::CancelQueued { queue: queue(n) };
        stage.ok(cancel(2));
        assert_eq!(stage.refused(cancel(2)), Refusal::Gone);
        assert_eq!(stage.refused(settle(2, 0, 200, delivered())), Refusal::Gone);
        stage.settle();
        assert_eq!(stage.files(), 2);
    });
}

#[test]
fn what_no_caller_may_build_is_refused() {
    on_each(|stage| {
        let inline = queued(1, Body::Inline(vec![1]), Purpose::Mail, &[1]);
        let nobody = queued(1, nowhere(1), Purpose::Mail, &[]);
        let mut done = queued(1, nowhere(1), Purpose::Mail, &[1]);
        done.recipients[0].state = RecipientState::Delivered;
        for wrong in [inline, nobody, done] {
            let refused = stage.commit(vec![Command::Enqueue(Box::new(wrong))]);
            assert!(matches!(refused, Err(StoreError::Misused { .. })), "{refused:?}");
        }
        assert_eq!(stage.store().health(), Health::Good);
    });
}

#[test]
fn signing_keys_come_newest_first() {
    on_each(|stage| {
        let domain = Domain::parse("example.org").unwrap();
        let put = |domain: &str, selector: &str, created| {
            Command::PutSigningKey(Box::new(SigningKey {
                domain: Domain::parse(domain).unwrap(),
                selector: selector.into(),
                algorithm: SigningAlgorithm::Ed25519,
                private: Secret::new(vec![5; 48]),
                public: vec![6; 32],
                created: Time(created),
            }))
        };
        stage.ok(put("example.org", "a", 10));
        stage.ok(put("example.org", "c", 30));
        stage.ok(put("example.org", "b", 30));
        stage.ok(put("example.net", "n", 50));
        stage.ok(put("example.org", "a", 20));
        stage.restart();
        let keys = stage.ask(stage.store().signing_keys(&domain));
        let shown: Vec<_> = keys.iter().map(|key| (key.selector.as_str(), key.created.0)).collect();
        assert_eq!(shown, [("b", 30), ("c", 30), ("a", 20)]);
        assert_eq!(keys[0].private.expose(), &vec![5; 48]);
    });
}

#[test]
fn submissions_and_conversations_are_remembered() {
    on_each(|stage| {
        stage.ok(account(1));
        let submit = |n, digest, now, until| Command::RememberSubmission {
            account: mailbox(n),
            digest: [digest; 32],
            now: Time(now),
            until: Time(until),
        };
        stage.ok(submit(1, 1, 10, 20));
        assert_eq!(stage.refused(submit(1, 1, 20, 30)), Refusal::AlreadyDone);
        stage.ok(submit(1, 2, 20, 30));
        stage.ok(submit(1, 1, 21, 40));
        assert_eq!(stage.refused(submit(1, 1, 22, 50)), Refusal::AlreadyDone);
        assert_eq!(stage.refused(submit(2, 1, 22, 50)), Refusal::Gone);
        let talk = |n| Command::RememberConversation { account: mailbox(n), digest: [3; 32], now: Time(1) };
        assert!(!stage.ask(stage.store().conversation(mailbox(1), &[3; 32])));
        stage.ok(talk(1));
        stage.ok(talk(1));
        assert!(stage.ask(stage.store().conversation(mailbox(1), &[3; 32])));
        assert!(!stage.ask(stage.store().conversation(mailbox(2), &[3; 32])));
        assert_eq!(stage.refused(talk(2)), Refusal::Gone);
        stage.ok(Command::DeleteMailbox { mailbox: mailbox(1), now: Time(1), only: None });
        assert!(!stage.ask(stage.store().conversation(mailbox(1), &[3; 32])));
    });
}

#[test]
fn watchers_are_told_of_durable_changes_of_their_mailbox() {
    on_each(|stage| {
        stage.ok(account(1));
        stage.ok(account(2));
        let mut watch = stage.store().watch(mailbox(1));
        watch.borrow_and_update();
        stage.ok(deliver(2, 1));
        stage.settle();
        assert!(!watch.has_changed().unwrap());
        stage.refused(deliver(3, 1));
        for command in [
            deliver(1, 1),
            set(1, &[1], FlagChange::Add, deleted()),
            Command::Expunge { mailbox: mailbox(1), folder: Folder::INBOX, uids: None },
        ] {
            stage.ok(command);
            assert!(watch.has_changed().unwrap(), "{}", stage.name());
            watch.borrow_and_update();
        }
        assert_eq!(*stage.store().watch(mailbox(9)).borrow(), u64::MAX);
    });
}

#[test]
fn large_keys_lie_in_files_and_go_with_their_mailbox() {
    on_each(|stage| {
        let mut large = account(1);
        if let Command::CreateMailbox(new) = &mut large {
            new.key.certificate = vec![1; 50_000];
            new.key.wrapped_secret = Some(vec![2; 9_000]);
        }
        stage.ok(large);
        stage.restart();
        let key = stage.ask(stage.store().key(mailbox(1), &print(1))).unwrap();
        assert_eq!((key.certificate.len(), key.wrapped_secret.as_ref().unwrap().len()), (50_000, 9_000));
        stage.ok(Command::DeleteMailbox { mailbox: mailbox(1), now: Time(1), only: None });
        stage.settle();
        assert_eq!(stage.files(), 0);
        for (n, certificate, secret) in
            [(2, 8_192, 8_192), (3, 8_193, 8_192), (4, 8_192, 8_193), (5, 8_192, 4_096)]
        {
            let mut both = account(n);
            if let Command::CreateMailbox(new) = &mut both {
                new.key.certificate = vec![1; certificate];
                new.key.wrapped_secret = Some(vec![2; secret]);
            }
            stage.ok(both);
            let key = stage.ask(stage.store().key(mailbox(n), &print(n))).unwrap();
            assert_eq!(
                (key.certificate.len(), key.wrapped_secret.as_ref().unwrap().len()),
                (certificate, secret)
            );
            stage.ok(Command::DeleteMailbox { mailbox: mailbox(n), now: Time(1), only: None });
        }
    });
}
