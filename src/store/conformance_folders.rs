//! What every engine must do with messages and folders beyond the plain cases: quotas of copies, and the same message
//! put twice.

use crate::store::command::Command;
use crate::store::command::Outcome;
use crate::store::command::Refusal;
use crate::store::command_part::FlagChange;
use crate::store::command_part::Quota;
use crate::store::record::Folder;
use crate::store::record::Uid;
use crate::store::sample::*;

fn messages(stage: &Stage, n: u8, folder: Folder) -> (u32, u64) {
    let folders = stage.ask(stage.store().folders(mailbox(n)));
    let of = folders.iter().find(|of| of.folder == folder).unwrap();
    (of.messages, of.bytes)
}

#[test]
fn copies_stay_within_the_quota() {
    on_each(|stage| {
        stage.ok(account(1));
        (1..=2).for_each(|message| drop(stage.ok(deliver(1, message))));
        let (from, to) = (Folder::INBOX, Folder::TRASH);
        let copy = |numbers: &[u32], bytes, messages| {
            let (uids, quota) = (uids(numbers.iter().copied()), Quota { bytes, messages });
            Command::Copy { mailbox: mailbox(1), from, to, uids, quota }
        };
        assert_eq!(stage.refused(copy(&[1, 2], Some(399), None)), Refusal::OverQuota);
        assert_eq!(stage.refused(copy(&[1, 2], None, Some(3))), Refusal::OverQuota);
        assert_eq!(messages(stage, 1, to), (0, 0), "all of them or none");
        let pairs = vec![(Uid(1), Uid(1)), (Uid(2), Uid(2))];
        let copied = Outcome::Copied { uid_validity: 1_000, pairs };
        assert_eq!(stage.ok(copy(&[1, 2], Some(400), Some(4))), copied);
        assert_eq!(messages(stage, 1, to), (2, 200));

        let itself = Command::Copy {
            mailbox: mailbox(1),
            from,
            to: from,
            uids: uids([1]),
            quota: Quota { bytes: None, messages: Some(4) },
        };
        assert_eq!(stage.refused(itself), Refusal::OverQuota, "other folders count, and its own");
        let none = Outcome::Copied { uid_validity: 1_000, pairs: Vec::new() };
        assert_eq!(stage.ok(copy(&[9], Some(1), Some(1))), none, "nothing is never too much");
        let moved = Command::Move { mailbox: mailbox(1), from, to, uids: uids([1, 2]) };
        let pairs = vec![(Uid(1), Uid(3)), (Uid(2), Uid(4))];
        assert_eq!(stage.ok(moved), Outcome::Copied { uid_validity: 1_000, pairs }, "a move adds nothing");
    });
}

#[test]
fn the_same_message_counts_only_while_it_stays() {
    on_each(|stage| {
        stage.ok(account(1));
        let once = || Command::DeliverOnce(Box::new(delivery(1, 1)));
        let put = |uid, fresh| Outcome::Uid { uid_validity: 1_000, uid: Uid(uid), fresh };
        let mark = |uid, change| Command::SetFlags {
            mailbox: mailbox(1),
            folder: Folder::INBOX,
            uids: uids([uid]),
            change,
            flags: deleted(),
        };
        assert_eq!(stage.ok(once()), put(1, true));
        stage.ok(mark(1, FlagChange::Add));
        assert_eq!(stage.ok(once()), put(2, true), "the other one is about to be expunged");
        assert_eq!(stage.ok(once()), put(2, false));
        stage.ok(mark(1, FlagChange::Remove));
        assert_eq!(stage.ok(once()), put(1, false));
        stage.ok(mark(2, FlagChange::Add));
        stage.ok(Command::Expunge { mailbox: mailbox(1), folder: Folder::INBOX, uids: None });
        assert_eq!(stage.ok(once()), put(1, false));
    });
}
