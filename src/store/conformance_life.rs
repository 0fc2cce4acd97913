//! What every engine must do with the life of temporary mailboxes: each command with its preconditions.

use crate::base::time::Time;
use crate::store::command::Command;
use crate::store::command::Outcome;
use crate::store::command::Refusal;
use crate::store::command_part::DeleteIf;
use crate::store::command_part::Settlement;
use crate::store::record::Folder;
use crate::store::record::InvitationState;
use crate::store::record::KeyRecord;
use crate::store::record::MailboxRecord;
use crate::store::record::MailboxState;
use crate::store::record::Uid;
use crate::store::record_life::Asked;
use crate::store::record_life::ClockTrouble;
use crate::store::record_life::LifeClock;
use crate::store::record_life::Moment;
use crate::store::record_life::Suspension;
use crate::store::record_life::Warning;
use crate::store::record_queue::Purpose;
use crate::store::sample::*;
use std::sync::Arc;
use std::time::Duration;

fn record(stage: &Stage, n: u8) -> Arc<MailboxRecord> {
    stage.ask(stage.store().mailbox(mailbox(n))).unwrap()
}

/// The current and the former mailbox of address `of`.
fn places(stage: &Stage, of: u8) -> (Option<u8>, Option<u8>) {
    let store = stage.store();
    let key = address(of).key();
    let number = |id: crate::base::id::MailboxId| id.bytes()[0];
    (stage.ask(store.mailbox_of(&key)).map(number), stage.ask(store.mailbox_former(&key)).map(number))
}

fn activity(n: u8, at: i64) -> Command {
    Command::NoteActivity { mailbox: mailbox(n), at: Time(at), correspondent: None }
}

fn enqueue(stage: &Stage, n: u8, purpose: Purpose) -> Command {
    Command::Enqueue(Box::new(queued(n, stage.file(&[n; 100]), purpose, &[1])))
}

/// Leases what is due, and settles the only recipient of `n`.
fn settle(stage: &Stage, n: u8, outcome: Settlement) {
    stage.ok(Command::LeaseDue {
        now: Time(1_000),
        running: Duration::ZERO,
        until: Duration::from_secs(2_000),
        limit: 100,
    });
    stage.ok(Command::Settle { queue: queue(n), number: 0, lease: Duration::from_secs(2_000), outcome });
}

fn delivered() -> Settlement {
    Settlement::Delivered { proof: "TLS".into() }
}

#[test]
fn a_newer_mailbox_leaves_the_old_one_behind() {
    on_each(|stage| {
        stage.commit(vec![account(1), account(3), temporary(2, 1), deliver(2, 1)]).unwrap();
        let ask = Command::NoteAsked { mailbox: mailbox(2), account: mailbox(3), now: Time(5_000) };
        stage.ok(ask);
        assert_eq!(record(stage, 2).asked_new, [Asked { account: mailbox(3), at: Time(5_000) }]);
        stage.ok(supersede(12, 2, 3));
        assert_eq!(places(stage, 2), (Some(12), Some(2)));
        let (old, new) = (record(stage, 2), record(stage, 12));
        assert_eq!((old.superseded, old.supersedes, old.asked_new.len()), (Some(Time(6_000)), None, 0));
        assert_eq!((new.superseded, new.supersedes), (None, Some(Time(6_000))));
        assert_eq!((new.state, new.inviter), (MailboxState::Unopened, Some(mailbox(3))));
        assert_eq!(old.slots.len(), 1, "its invitation stays");
        assert!(stage.ask(stage.store().shred_key(old.slots[0].shred)).is_some());
        assert_eq!(stage.ask(stage.store().vault_entry(mailbox(1), mailbox(2))), Some(vec![2; 40]));

        // The old one still takes mail of its own; only its invitation opens it, and nobody renews that.
        stage.ok(deliver(2, 2));
        assert_eq!(stage.refused(renewal(2, 2, 5, 1)), Refusal::NotOpen);
        stage.ok(Command::CountPinAttempt { invitation: invitation(2), max: 10 });
        stage.ok(first_use(2, 4));
        assert_eq!(places(stage, 2), (Some(12), Some(2)), "that does not make it the current one");
        stage.ok(first_use(12, 5));

        assert_eq!(stage.refused(supersede(22, 2, 1)), Refusal::NotCurrent, "not the current one");
        assert_eq!(stage.refused(supersede(22, 12, 1)), Refusal::AddressTaken, "a former one is still there");
        assert_eq!(stage.refused(supersede(22, 9, 1)), Refusal::NotCurrent);
        assert_eq!(stage.refused(temporary(2, 1)), Refusal::AddressTaken);
        stage.restart();
        assert_eq!(places(stage, 2), (Some(12), Some(2)));
        stage.ok(Command::DeleteMailbox { mailbox: mailbox(2), now: Time(7_000), only: None });
        assert_eq!(places(stage, 2), (Some(12), None));
        assert_eq!(stage.refused(supersede(12, 12, 1)), Refusal::AddressTaken, "an id is used once");
        stage.ok(supersede(22, 12, 1));
        assert_eq!(places(stage, 2), (Some(22), Some(12)));
        stage.ok(Command::DeleteMailbox { mailbox: mailbox(22), now: Time(7_000), only: None });
        assert_eq!(places(stage, 2), (None, Some(12)), "the former one stays the former one");
    });
}

#[test]
fn a_newer_mailbox_has_higher_uidvalidity_whatever_the_clock_says() {
    on_each(|stage| {
        stage.commit(vec![account(1), temporary(2, 1)]).unwrap();
        let validity = |stage: &Stage, n| stage.ask(stage.store().folders(mailbox(n)))[0].uid_validity;
        let old = validity(stage, 2);
        let mut newer = supersede(12, 2, 1);
        if let Command::SupersedeMailbox { new, .. } = &mut newer {
            new.created = Time(5);
        }
        stage.ok(newer);
        assert_eq!(validity(stage, 12), old + 1);
    });
}

#[test]
fn accounts_are_not_superseded_closed_or_warned() {
    on_each(|stage| {
        stage.ok(account(1));
        let close =
            Command::CloseMailbox { mailbox: mailbox(1), now: Time(9_000), not_active_since: Time(8_000) };
        assert_eq!(stage.refused(close), Refusal::NotCurrent);
        assert_eq!(stage.refused(supersede(12, 1, 1)), Refusal::NotCurrent);
        let ask = Command::NoteAsked { mailbox: mailbox(1), account: mailbox(3), now: Time(5) };
        assert_eq!(stage.refused(ask), Refusal::NotCurrent);
        stage.ok(enqueue(stage, 1, Purpose::Warning(mailbox(1), 14)));
        assert_eq!(stage.refused(warning(1, 14, 1)), Refusal::NotCurrent);
        assert_eq!(stage.refused(notices(1, Some(3), None)), Refusal::NotCurrent);
        let mark = Command::MarkUnreachable { mailbox: mailbox(1), invitation: invitation(1), now: Time(5) };
        assert_eq!(stage.refused(mark), Refusal::NotOpen);
        let mut other = supersede(12, 1, 1);
        if let Command::SupersedeMailbox { new, .. } = &mut other {
            new.address = address(9);
        }
        let misused = stage.commit(vec![other]);
        assert!(matches!(misused, Err(crate::store::error::StoreError::Misused { .. })), "{misused:?}");
    });
}

#[test]
fn wishes_for_a_new_mailbox_last_a_day() {
    on_each(|stage| {
        stage.commit(vec![account(1), temporary(2, 1)]).unwrap();
        let ask = |account, now| {
            stage.ok(Command::NoteAsked { mailbox: mailbox(2), account: mailbox(account), now: Time(now) })
        };
        let asked = || {
            let record = record(stage, 2);
            record.asked_new.iter().map(|asked| (asked.account.bytes()[0], asked.at.0)).collect::<Vec<_>>()
        };
        ask(1, 10_000);
        ask(3, 20_000);
        ask(1, 30_000);
        assert_eq!(asked(), [(3, 20_000), (1, 30_000)]);
        ask(4, 20_000 + 86_400);
        assert_eq!(asked(), [(3, 20_000), (1, 30_000), (4, 106_400)]);
        ask(5, 20_000 + 86_401);
        assert_eq!(asked(), [(1, 30_000), (4, 106_400), (5, 106_401)]);
        for n in 10..120 {
            ask(n, 110_000);
        }
        assert_eq!((asked().len(), asked()[0], asked()[99]), (100, (20, 110_000), (119, 110_000)));
        let nobody = Command::NoteAsked { mailbox: mailbox(9), account: mailbox(1), now: Time(1) };
        assert_eq!(stage.refused(nobody), Refusal::NotCurrent);
    });
}

#[test]
fn closing_ends_what_is_signed_in_and_calls_back_what_is_in_the_queue() {
    on_each(|stage| {
        stage.commit(vec![account(1), temporary(2, 1), deliver(2, 1)]).unwrap();
        stage.ok(Command::Tick { wall: Time(3_000), ran_more: 77, suspend: None });
        for (n, purpose) in [
            (1, Purpose::Invitation(mailbox(2))),
            (2, Purpose::Notice(mailbox(2))),
            (3, Purpose::Warning(mailbox(2), 14)),
            (4, Purpose::Warning(mailbox(2), 3)),
            (5, Purpose::Notice(mailbox(8))),
            (6, Purpose::Mail),
        ] {
            stage.ok(enqueue(stage, n, purpose));
        }
        stage.commit(vec![warning(2, 14, 3), warning(2, 3, 4)]).unwrap();
        settle(stage, 3, delivered());
        stage.ok(notices(2, Some(1), None));
        let qk = stage.ask(stage.store().queued(queue(1))).unwrap().shred.unwrap();
        let kept = record(stage, 2).slots[0].clone();
        let watch = stage.store().watch(mailbox(2));

        let close = |since| Command::CloseMailbox {
            mailbox: mailbox(2),
            now: Time(9_000),
            not_active_since: Time(since),
        };
        assert_eq!(stage.refused(close(1_999)), Refusal::TooSoon);
        stage.ok(close(2_000));
        assert_eq!(*watch.borrow(), u64::MAX, "what is signed in ends");
        assert_eq!(*stage.store().watch(mailbox(2)).borrow(), u64::MAX);
        let closed = record(stage, 2);
        assert_eq!(closed.state, MailboxState::Closed);
        assert_eq!(closed.closed, Some(Moment { at: Time(9_000), ran: 77 }));
        assert_eq!(closed.generation, 1);
        assert_eq!(closed.slots, [kept]);
        assert!(stage.ask(stage.store().shred_key(closed.slots[0].shred)).is_some(), "its key stays");
        assert_eq!(closed.warnings.len(), 1, "a warning that never went out is no warning");
        let told = closed.notices.clone().unwrap();
        assert_eq!((told.waiting, told.senders.len(), told.messages, told.today), (None, 0, 0, 1));
        assert_eq!(places(stage, 2), (None, None));
        for (n, there) in [(1, false), (2, false), (3, false), (4, false), (5, true), (6, true)] {
            assert_eq!(stage.ask(stage.store().queued(queue(n))).is_some(), there, "{n}");
        }
        assert!(stage.ask(stage.store().shred_key(qk)).is_none(), "the cancelled invitation opens nothing");
        stage.settle();
        assert_eq!(stage.files(), 2);
    });
}

#[test]
fn a_closed_mailbox_takes_nothing_and_opens_for_nobody() {
    on_each(|stage| {
        stage.commit(vec![account(1), temporary(2, 1), deliver(2, 1), close(2, 9_000)]).unwrap();
        let closed = record(stage, 2);
        assert_eq!(stage.refused(close(2, 9_100)), Refusal::NotCurrent);
        assert_eq!(stage.refused(deliver(2, 2)), Refusal::NotCurrent);
        assert_eq!(stage.refused(Command::DeliverOnce(Box::new(delivery(2, 1)))), Refusal::NotCurrent);
        assert_eq!(stage.refused(first_use(2, 3)), Refusal::NotOpen);
        assert_eq!(stage.refused(renewal(2, 2, 5, 1)), Refusal::NotOpen);
        let guess = || Command::CountPinAttempt { invitation: invitation(2), max: 10 };
        assert_eq!(stage.refused(guess()), Refusal::NotOpen);
        assert_eq!(stage.refused(activity(2, 9_999)), Refusal::NotCurrent);
        assert_eq!(stage.refused(supersede(12, 2, 1)), Refusal::NotCurrent);
        assert_eq!(stage.refused(notices(2, None, None)), Refusal::NotCurrent);
        let own = KeyRecord { wrapped_secret: None, ..key(50) };
        let put = Command::PutOwnCertificate { mailbox: mailbox(2), key: own };
        assert_eq!(stage.refused(put), Refusal::NotCurrent);
        let mark = Command::MarkUnreachable { mailbox: mailbox(2), invitation: invitation(2), now: Time(5) };
        assert_eq!(stage.refused(mark), Refusal::NotOpen);
        let ask = Command::NoteAsked { mailbox: mailbox(2), account: mailbox(1), now: Time(5) };
        assert_eq!(stage.refused(ask), Refusal::NotCurrent);

        stage.restart();
        assert_eq!(*record(stage, 2), *closed);
        assert_eq!(stage.refused(guess()), Refusal::NotOpen);
        stage.ok(named(temporary(12, 1), 2));
        assert_eq!(places(stage, 2), (Some(12), None), "the address was free");
        let gone = Command::CloseMailbox { mailbox: mailbox(9), now: Time(1), not_active_since: Time(1) };
        assert_eq!(stage.refused(gone), Refusal::Gone);
    });
}

#[test]
fn a_reopened_mailbox_is_as_it_was() {
    on_each(|stage| {
        stage.commit(vec![account(1), temporary(2, 1), temporary(4, 1), first_use(4, 20)]).unwrap();
        stage.ok(enqueue(stage, 1, Purpose::Warning(mailbox(4), 14)));
        stage.ok(warning(4, 14, 1));
        settle(stage, 1, delivered());
        let reopen = |n, now| Command::ReopenMailbox { mailbox: mailbox(n), now: Time(now) };
        assert_eq!(stage.refused(reopen(2, 8_000)), Refusal::NotCurrent);
        assert_eq!(stage.refused(reopen(9, 8_000)), Refusal::Gone);
        for n in [2, 4] {
            stage.ok(close(n, 7_000));
            assert_eq!(places(stage, n), (None, None));
            stage.ok(reopen(n, 8_000));
            assert_eq!(places(stage, n), (Some(n), None));
            assert_eq!((record(stage, n).closed, record(stage, n).last_activity), (None, Time(8_000)));
            assert_eq!(record(stage, n).warnings, []);
            assert_eq!(*stage.store().watch(mailbox(n)).borrow(), 0, "it can be watched again");
        }
        assert_eq!(record(stage, 2).state, MailboxState::Unopened);
        assert_eq!(record(stage, 4).state, MailboxState::Open);
        let mut mail = delivery(4, 1);
        (mail.certificate, mail.record.certificate) = (print(20), print(20));
        stage.ok(Command::Deliver(Box::new(mail)));
        stage.ok(first_use(2, 21));
    });
}

#[test]
fn a_reopened_mailbox_finds_its_place_taken() {
    on_each(|stage| {
        stage.commit(vec![account(1), temporary(2, 1), close(2, 7_000)]).unwrap();
        stage.ok(named(temporary(12, 1), 2));
        let reopen = |n| Command::ReopenMailbox { mailbox: mailbox(n), now: Time(8_000) };
        stage.ok(reopen(2));
        assert_eq!(places(stage, 2), (Some(12), Some(2)));
        assert_eq!(record(stage, 2).superseded, Some(Time(8_000)));
        stage.commit(vec![close(12, 9_000), named(temporary(22, 1), 2)]).unwrap();
        assert_eq!(stage.refused(reopen(12)), Refusal::AddressTaken, "the former place is taken too");
        stage.ok(close(2, 9_500));
        assert_eq!(places(stage, 2), (Some(22), None));
        stage.ok(reopen(12));
        assert_eq!(places(stage, 2), (Some(22), Some(12)));
        assert_eq!(stage.refused(reopen(2)), Refusal::AddressTaken);
        stage.commit(vec![close(22, 9_600), close(12, 9_600)]).unwrap();
        stage.ok(reopen(2));
        assert_eq!(places(stage, 2), (None, Some(2)), "once superseded it never becomes the current one");
        stage.ok(reopen(22));
        assert_eq!(places(stage, 2), (Some(22), Some(2)));
    });
}

#[test]
fn deletion_is_called_off_by_what_happened_in_between() {
    on_each(|stage| {
        stage.commit(vec![account(1), temporary(2, 1), temporary(4, 1), close(2, 7_000)]).unwrap();
        let delete =
            |n, only| Command::DeleteMailbox { mailbox: mailbox(n), now: Time(9_000), only: Some(only) };
        let (closed, unreachable) = (DeleteIf::StillClosedSince, DeleteIf::StillUnreachableSince);
        assert_eq!(stage.refused(delete(2, closed(Time(6_999)))), Refusal::NotCurrent);
        assert_eq!(stage.refused(delete(2, unreachable(Time(7_000)))), Refusal::NotCurrent);
        stage.ok(Command::ReopenMailbox { mailbox: mailbox(2), now: Time(8_000) });
        assert_eq!(stage.refused(delete(2, closed(Time(7_000)))), Refusal::NotCurrent);
        stage.ok(close(2, 8_500));
        assert_eq!(stage.refused(delete(2, closed(Time(7_000)))), Refusal::NotCurrent);
        stage.ok(named(temporary(12, 1), 2));
        stage.ok(delete(2, closed(Time(8_500))));
        assert_eq!(places(stage, 2), (Some(12), None), "the address of another stays");
        assert_eq!(stage.refused(delete(2, closed(Time(8_500)))), Refusal::Gone);

        let mark =
            |now| Command::MarkUnreachable { mailbox: mailbox(4), invitation: invitation(4), now: Time(now) };
        stage.ok(mark(5_000));
        assert_eq!(stage.refused(delete(4, unreachable(Time(4_000)))), Refusal::NotCurrent);
        stage.ok(renewal(4, 4, 5, 1));
        assert_eq!(stage.refused(delete(4, unreachable(Time(5_000)))), Refusal::NotCurrent);
        stage.settle();
        assert_eq!(record(stage, 4).state, MailboxState::Unopened);
    });
}

#[test]
fn what_reaches_nobody_is_noted_until_renewal_or_first_use() {
    on_each(|stage| {
        stage.commit(vec![account(1), temporary(2, 1), temporary(4, 1)]).unwrap();
        stage.ok(Command::Tick { wall: Time(1), ran_more: 9, suspend: None });
        let mark = |n, i, now| Command::MarkUnreachable {
            mailbox: mailbox(n),
            invitation: invitation(i),
            now: Time(now),
        };
        assert_eq!(stage.refused(mark(2, 4, 5_000)), Refusal::NotOpen, "another's invitation");
        stage.ok(mark(2, 2, 5_000));
        assert_eq!(record(stage, 2).unreachable, Some(Moment { at: Time(5_000), ran: 9 }));
        assert_eq!(stage.refused(mark(2, 2, 5_100)), Refusal::AlreadyDone);
        stage.ok(renewal(2, 2, 5, 1));
        assert_eq!(record(stage, 2).unreachable, None);
        assert_eq!(stage.refused(mark(2, 2, 5_200)), Refusal::NotOpen, "the replaced invitation");
        stage.ok(mark(2, 5, 5_300));
        let open = first_use(2, 20);
        let Command::CompleteFirstUse(mut first) = open else { panic!() };
        first.invitation = invitation(5);
        stage.ok(Command::CompleteFirstUse(first));
        assert_eq!(record(stage, 2).unreachable, None);
        assert_eq!(stage.refused(mark(2, 5, 5_400)), Refusal::NotOpen, "opened by now");
        stage.ok(mark(4, 4, 5_350));
        stage.ok(supersede(14, 4, 1));
        assert_eq!(record(stage, 4).unreachable, None, "it ends as others do");
        assert_eq!(stage.refused(mark(4, 4, 5_400)), Refusal::NotOpen, "superseded");
        assert_eq!(stage.refused(mark(9, 4, 5_400)), Refusal::NotOpen);
    });
}

#[test]
fn warnings_settle_are_sent_again_or_begin_anew() {
    on_each(|stage| {
        stage.commit(vec![account(1), temporary(2, 1)]).unwrap();
        stage.ok(Command::Tick { wall: Time(1), ran_more: 100, suspend: None });
        let send = |stage: &Stage, n, days| {
            stage.ok(enqueue(stage, n, Purpose::Warning(mailbox(2), days)));
            stage.ok(warning(2, days, n))
        };
        let warnings = |stage: &Stage| {
            let record = record(stage, 2);
            let short = |warning: &Warning| (warning.days, warning.queue.bytes()[0], warning.settled);
            record.warnings.iter().map(short).collect::<Vec<_>>()
        };
        assert_eq!(stage.refused(warning(2, 14, 1)), Refusal::Gone, "no such mail");
        send(stage, 1, 14);
        assert_eq!(warnings(stage), [(14, 1, None)]);
        stage.ok(enqueue(stage, 2, Purpose::Warning(mailbox(2), 3)));
        assert_eq!(stage.refused(warning(2, 14, 2)), Refusal::Gone, "another warning's mail");
        stage.ok(Command::CancelQueued { queue: queue(2) });
        stage.ok(enqueue(stage, 2, Purpose::Warning(mailbox(2), 14)));
        assert_eq!(stage.refused(warning(2, 14, 2)), Refusal::AlreadyDone);
        stage.ok(Command::CancelQueued { queue: queue(2) });
        assert_eq!(warnings(stage), [(14, 1, None)], "cancelled was another mail");

        stage.ok(Command::CancelQueued { queue: queue(1) });
        assert_eq!(warnings(stage), [], "a cancelled warning goes out again");
        send(stage, 1, 14);
        stage.ok(Command::LeaseDue {
            now: Time(5),
            running: Duration::ZERO,
            until: Duration::from_secs(9),
            limit: 9,
        });
        let again =
            Settlement::Again { next: Time(1), reason: String::new(), delay_reported: false, passed: false };
        stage.ok(Command::Settle {
            queue: queue(1),
            number: 0,
            lease: Duration::from_secs(9),
            outcome: again,
        });
        assert_eq!(warnings(stage), [(14, 1, None)]);
        settle(stage, 1, delivered());
        assert_eq!(warnings(stage), [(14, 1, Some(100))]);
        stage.ok(Command::Tick { wall: Time(2), ran_more: 50, suspend: None });
        send(stage, 2, 3);
        stage.restart();
        settle(stage, 2, Settlement::Failed { reason: "no".into() });
        assert_eq!(warnings(stage), [(14, 1, Some(100)), (3, 2, Some(150))], "given up counts as settled");

        stage.ok(enqueue(stage, 4, Purpose::Warning(mailbox(2), 14)));
        stage.ok(Command::Tick { wall: Time(3), ran_more: 7 * 86_400 - 50, suspend: None });
        assert_eq!(stage.refused(warning(2, 14, 4)), Refusal::AlreadyDone);
        stage.ok(Command::Tick { wall: Time(3), ran_more: 1, suspend: None });
        stage.ok(warning(2, 14, 4));
        assert_eq!(warnings(stage), [(3, 2, Some(150)), (14, 4, None)], "a week later it goes out again");
    });
}

#[test]
fn activity_ends_warnings_and_their_mail() {
    on_each(|stage| {
        stage.commit(vec![account(1), temporary(2, 1)]).unwrap();
        let send = |stage: &Stage, n, days| {
            let mail = enqueue(stage, n, Purpose::Warning(mailbox(2), days));
            stage.commit(vec![mail, warning(2, days, n)]).unwrap();
        };
        let there = |stage: &Stage| [1, 2].map(|n| stage.ask(stage.store().queued(queue(n))).is_some());
        send(stage, 1, 14);
        settle(stage, 1, delivered());
        send(stage, 2, 3);
        stage.ok(activity(2, 2_000));
        assert_eq!(
            (record(stage, 2).warnings.len(), there(stage)),
            (2, [false, true]),
            "not later than before"
        );
        stage.ok(Command::LeaseDue {
            now: Time(5),
            running: Duration::ZERO,
            until: Duration::from_secs(9),
            limit: 9,
        });
        stage.ok(activity(2, 2_001));
        assert_eq!((record(stage, 2).warnings.len(), there(stage)), (0, [false, false]));
        let outcome = delivered();
        assert_eq!(
            stage.refused(Command::Settle {
                queue: queue(2),
                number: 0,
                lease: Duration::from_secs(9),
                outcome
            }),
            Refusal::Gone,
            "the one that was being tried does not count"
        );
        stage.ok(enqueue(stage, 1, Purpose::Warning(mailbox(2), 14)));
        let late = Command::NoteWarning {
            mailbox: mailbox(2),
            days: 14,
            queue: queue(1),
            not_active_since: Time(2_000),
        };
        assert_eq!(stage.refused(late), Refusal::TooSoon);
        stage.ok(warning(2, 14, 1));
        stage.ok(first_use(2, 20));
        assert_eq!((record(stage, 2).warnings.len(), there(stage)), (0, [false, false]));
        send(stage, 1, 14);
        stage.ok(Command::DeleteMailbox { mailbox: mailbox(2), now: Time(9_000), only: None });
        assert_eq!(there(stage), [false, false]);
        stage.settle();
        assert_eq!(stage.files(), 0);
    });
}

#[test]
fn of_two_who_tell_of_messages_one_looks_again() {
    on_each(|stage| {
        stage.commit(vec![account(1), temporary(2, 1)]).unwrap();
        assert_eq!(record(stage, 2).notices, None);
        stage.ok(notices(2, Some(1), None));
        assert_eq!(stage.refused(notices(2, Some(1), None)), Refusal::NotCurrent, "it was not the first");
        stage.ok(notices(2, Some(2), Some(1)));
        stage.restart();
        assert_eq!(record(stage, 2).notices, Some(notice(2)));
        assert_eq!(stage.refused(notices(2, Some(3), Some(1))), Refusal::NotCurrent);
        stage.ok(notices(2, None, Some(2)));
        assert_eq!(record(stage, 2).notices, None);
        assert_eq!(stage.refused(notices(9, None, None)), Refusal::NotCurrent);
    });
}

#[test]
fn the_clock_of_lives_goes_on_stops_and_is_accepted() {
    on_each(|stage| {
        let clock = |stage: &Stage| stage.ask(stage.store().life_clock());
        assert_eq!(clock(stage), None);
        let accept = |wall| Command::AcceptClock { wall: Time(wall) };
        assert_eq!(stage.refused(accept(5)), Refusal::Gone);
        assert_eq!(stage.refused(Command::NoteSuspensionTold), Refusal::Gone);
        let tick = |wall, ran_more, suspend| Command::Tick { wall: Time(wall), ran_more, suspend };
        stage.ok(tick(1_000, 0, None));
        stage.ok(tick(1_060, 61, None));
        let mut want = LifeClock { wall: Time(1_060), ran: 61, suspended: None, told: false };
        assert_eq!(clock(stage), Some(want.clone()));
        assert_eq!(stage.refused(accept(5)), Refusal::Gone, "nothing is suspended");
        stage.restart();
        assert_eq!(clock(stage), Some(want.clone()));

        let suspension = |why, by| Suspension { at: Time(900), why, by };
        let back = suspension(ClockTrouble::Backward, 160);
        stage.ok(tick(900, 1, Some(back)));
        stage.ok(tick(9_999, 60, Some(suspension(ClockTrouble::Jump, 8_000))));
        want = LifeClock { wall: Time(9_999), ran: 122, suspended: Some(back), told: false };
        assert_eq!(clock(stage), Some(want.clone()), "the first trouble stands, and time goes on");
        stage.ok(Command::NoteSuspensionTold);
        assert_eq!(stage.refused(Command::NoteSuspensionTold), Refusal::AlreadyDone);
        stage.ok(tick(10_000, 60, None));
        want = LifeClock { wall: Time(10_000), ran: 182, suspended: Some(back), told: true };
        stage.restart();
        assert_eq!(clock(stage), Some(want), "a tick without trouble ends nothing");
        stage.ok(accept(10_001));
        let accepted = LifeClock { wall: Time(10_001), ran: 182, suspended: None, told: false };
        assert_eq!(clock(stage), Some(accepted));
        stage.ok(tick(10_001, u64::MAX, None));
        stage.ok(tick(10_001, 5, None));
        assert_eq!(clock(stage).unwrap().ran, u64::MAX);
    });
}

#[test]
fn traces_stay_until_they_are_old() {
    on_each(|stage| {
        stage.ok(account(1));
        for n in 2..=5 {
            stage.ok(temporary(n, 1));
            if n == 2 {
                stage.ok(renewal(2, 2, 8, 1));
            }
            let now = Time(1_000 * i64::from(n));
            stage.ok(Command::DeleteMailbox { mailbox: mailbox(n), now, only: None });
        }
        stage.ok(temporary(6, 1));
        let purge = |before, limit| stage.ok(Command::PurgeTraces { before: Time(before), limit });
        let left = || {
            let there = |n: &u8| stage.ask(stage.store().invitation(invitation(*n))).is_some();
            (1..=9).filter(there).collect::<Vec<u8>>()
        };
        assert_eq!(purge(2_000, 9), Outcome::Count(0), "not before");
        assert_eq!(left(), [2, 3, 4, 5, 6, 8]);
        assert_eq!(purge(4_000, 0), Outcome::Count(0));
        assert_eq!(purge(4_000, 1), Outcome::Count(1));
        assert_eq!(left(), [3, 4, 5, 6, 8], "the oldest first");
        assert_eq!(purge(4_000, 2), Outcome::Count(2));
        assert_eq!(left(), [4, 5, 6], "every invitation that its mailbox had");
        assert_eq!(purge(i64::MAX, usize::MAX), Outcome::Count(2));
        assert_eq!(left(), [6], "what lives is no trace");
        let alive = stage.ask(stage.store().invitation(invitation(6))).unwrap();
        assert_eq!(alive.state, InvitationState::Open);
        assert_eq!(purge(i64::MAX, 5), Outcome::Count(0));
    });
}

#[test]
fn who_comes_after_a_deletion_finds_an_empty_mailbox() {
    on_each(|stage| {
        stage.commit(vec![account(1), temporary(2, 1), first_use(2, 20)]).unwrap();
        let mut mail = delivery(2, 1);
        (mail.certificate, mail.record.certificate) = (print(20), print(20));
        stage.ok(Command::Deliver(Box::new(mail)));
        stage.ok(Command::DeleteMailbox { mailbox: mailbox(2), now: Time(9_000), only: None });
        let mut again = named(temporary(12, 1), 2);
        if let Command::CreateMailbox(new) = &mut again {
            new.created = Time(9_100);
        }
        stage.ok(again);
        let store = stage.store();
        assert_eq!(places(stage, 2), (Some(12), None));
        let folders = stage.ask(store.folders(mailbox(12)));
        assert!(folders.iter().all(|folder| folder.messages == 0 && folder.uid_validity == 9_100));
        assert!(folders.iter().all(|folder| folder.uid_next == Uid(1)));
        assert!(stage.ask(store.messages(mailbox(12), Folder::INBOX, Uid(0), 9)).is_empty());
        let fresh = record(stage, 12);
        assert_eq!((fresh.state, fresh.generation, fresh.former.len()), (MailboxState::Unopened, 0, 0));
        assert_eq!((fresh.supersedes, fresh.superseded), (None, None));
        let trace = stage.ask(store.invitation(invitation(2))).unwrap();
        assert_eq!((trace.state, trace.mailbox), (InvitationState::Deleted, mailbox(2)));
    });
}
