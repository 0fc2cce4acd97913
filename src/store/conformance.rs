//! What every engine must do: lists of commands, mailboxes from their first use to their end, watchers.

use crate::base::address::Domain;
use crate::base::language::Language;
use crate::base::secret::Secret;
use crate::base::time::Time;
use crate::store::Health;
use crate::store::PAGE;
use crate::store::command::Command;
use crate::store::command::Outcome;
use crate::store::command::Refusal;
use crate::store::command_part::FlagChange;
use crate::store::conformance_message::inbox;
use crate::store::conformance_message::set;
use crate::store::conformance_message::uid;
use crate::store::error::StoreError;
use crate::store::record::Folder;
use crate::store::record::InvitationState;
use crate::store::record::MailboxState;
use crate::store::record::SigningAlgorithm;
use crate::store::record::SigningKey;
use crate::store::record::SlotKind;
use crate::store::record::Uid;
use crate::store::record_life::ClockTrouble;
use crate::store::record_life::Suspension;
use crate::store::record_queue::Purpose;
use crate::store::sample::*;

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
fn activity_of_a_clock_that_was_wrong_is_put_right_by_a_believed_one() {
    on_each(|stage| {
        const WRONG: i64 = 400_000_000;
        stage.commit(vec![account(1), temporary(2, 1)]).unwrap();
        let noted = |stage: &Stage, at| {
            stage.ok(Command::NoteActivity { mailbox: mailbox(2), at: Time(at), correspondent: None });
            stage.ask(stage.store().mailbox(mailbox(2))).unwrap().last_activity.0
        };
        let tick = |wall, suspend| Command::Tick { wall: Time(wall), ran_more: 60, suspend };
        assert_eq!((noted(stage, 50_000), noted(stage, 9_000)), (50_000, 50_000), "there is no clock yet");
        stage.ok(tick(50_060, None));
        assert_eq!((noted(stage, 50_100), noted(stage, 9_000)), (50_100, 50_100));
        let jump = Suspension { at: Time(WRONG), why: ClockTrouble::Jump, by: 399_949_900 };
        stage.ok(tick(WRONG, Some(jump)));
        assert_eq!(noted(stage, WRONG + 5), WRONG + 5);
        stage.ok(tick(60_000, None));
        assert_eq!(noted(stage, 60_010), WRONG + 5, "not believed yet");
        stage.ok(Command::AcceptClock { wall: Time(60_100) });
        assert_eq!(noted(stage, 1), WRONG + 5, "the clock went wrong the other way a moment ago");
        stage.restart();
        assert_eq!(noted(stage, 60_110), 60_110);
        assert_eq!(noted(stage, 60_100 + 3_600), 63_700);
        assert_eq!(noted(stage, 60_120), 63_700, "clocks go apart by an hour");
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
