//! What every engine must do with messages: their numbers, flags, copies and pages.

use crate::store::PAGE;
use crate::store::command::Command;
use crate::store::command::Outcome;
use crate::store::command::Refusal;
use crate::store::command_part::FlagChange;
use crate::store::command_part::Quota;
use crate::store::error::StoreError;
use crate::store::record::Flags;
use crate::store::record::Folder;
use crate::store::record::Uid;
use crate::store::record_queue::Purpose;
use crate::store::sample::*;
use crate::vault::primitives::sha256;

pub(super) fn inbox(stage: &Stage, n: u8) -> Vec<(u32, Flags)> {
    let all = stage.ask(stage.store().messages(mailbox(n), Folder::INBOX, Uid(0), PAGE));
    all.into_iter().map(|message| (message.uid.0, message.flags)).collect()
}

fn counters(stage: &Stage, n: u8, folder: Folder) -> (u32, u32, u32, u64) {
    let folders = stage.ask(stage.store().folders(mailbox(n)));
    let of = folders.iter().find(|of| of.folder == folder).unwrap();
    (of.uid_next.0, of.messages, of.unseen, of.bytes)
}

pub(super) fn uid(outcome: Outcome) -> u32 {
    match outcome {
        Outcome::Uid { uid, .. } => uid.0,
        other => panic!("{other:?}"),
    }
}

pub(super) fn set(n: u8, numbers: &[u32], change: FlagChange, flags: Flags) -> Command {
    let uids = uids(numbers.iter().copied());
    Command::SetFlags { mailbox: mailbox(n), folder: Folder::INBOX, uids, change, flags }
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
            more.quota = Quota { bytes, messages };
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
        let copy =
            Command::Copy { mailbox: mailbox(1), from, to, uids: uids([9, 2, 1]), quota: Quota::default() };
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
        let quota = Quota::default();
        let lost = Command::Copy { mailbox: mailbox(1), from, to: Folder(50), uids: uids([2]), quota };
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
