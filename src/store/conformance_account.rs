//! What every engine must do with an account: its password, keys and generations.

use crate::base::time::Time;
use crate::store::command::Command;
use crate::store::command::Outcome;
use crate::store::command::Refusal;
use crate::store::command_part::KeyRenewal;
use crate::store::error::StoreError;
use crate::store::record::Folder;
use crate::store::record::KeyRecord;
use crate::store::record::SlotKind;
use crate::store::record::Uid;
use crate::store::record_life::Moment;
use crate::store::sample::*;

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
fn what_a_reset_shut_loses_its_recovery_slot_with_the_certificate() {
    on_each(|stage| {
        stage.ok(account(1));
        let note = |was: Option<u8>, now: Option<u8>| {
            let (was, now) = (was.map(print), now.map(print));
            Command::NoteRecovery { account: mailbox(1), was, now }
        };
        stage.ok(note(None, Some(5)));
        stage.ok(Command::PutRecovery { account: mailbox(1), generation: 0, slot: recovery_slot(30) });
        stage.ok(reset(1, 0, 1, 8, 5_000));
        stage.ok(Command::PutRecovery { account: mailbox(1), generation: 1, slot: recovery_slot(31) });
        stage.ok(note(Some(5), Some(6)));
        let before = stage.ask(stage.store().mailbox(mailbox(1))).unwrap();
        let (gone, stay): (Vec<_>, Vec<_>) =
            before.all_slots().cloned().partition(|slot| slot.kind == SlotKind::Recovery);
        assert_eq!((gone.len(), stay.len()), (2, 2), "another certificate takes nothing");
        stage.ok(note(Some(6), None));
        stage.restart();
        for slot in gone {
            assert!(stage.ask(stage.store().shred_key(slot.shred)).is_none());
        }
        for slot in &stay {
            assert!(stage.ask(stage.store().shred_key(slot.shred)).is_some());
        }
        let after = stage.ask(stage.store().mailbox(mailbox(1))).unwrap();
        assert_eq!(after.all_slots().cloned().collect::<Vec<_>>(), stay);
        stage.ok(reopen(1, 1, 1, 41));
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

/// A moment that is later than everything by the running time.
fn by_date(at: i64) -> Moment {
    Moment { at: Time(at), ran: u64::MAX }
}

#[test]
fn what_a_reset_shut_goes_when_both_clocks_have_gone_on() {
    on_each(|stage| {
        stage.ok(account(1));
        stage.ok(Command::Tick { wall: Time(4_000), ran_more: 77, suspend: None });
        stage.ok(reset(1, 0, 1, 8, 5_000));
        let destroy = |at, ran| {
            let before = Moment { at: Time(at), ran };
            Command::DestroyShut { account: mailbox(1), before }
        };
        assert_eq!(stage.ok(destroy(9_000, 77)), Outcome::Count(0), "the date alone");
        stage.restart();
        assert_eq!(stage.ok(destroy(5_000, 9_000)), Outcome::Count(0), "the running time alone");
        assert_eq!(stage.ok(destroy(5_001, 78)), Outcome::Count(1));
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
        let destroy = |before| Command::DestroyShut { account: mailbox(1), before: by_date(before) };
        assert_eq!(stage.ok(destroy(6_000)), Outcome::Count(0));
        assert!(stage.ask(stage.store().shred_key(gone)).is_some());
        assert_eq!(stage.ok(destroy(6_001)), Outcome::Count(1));
        assert!(stage.ask(stage.store().shred_key(gone)).is_none());
        assert!(stage.ask(stage.store().key(mailbox(1), &print(8))).is_none(), "its key is gone");
        assert!(stage.ask(stage.store().key(mailbox(1), &print(1))).is_some());
        assert!(stage.ask(stage.store().key(mailbox(1), &print(9))).is_some());
        assert_eq!(stage.refused(reopen(1, 3, 8, 42)), Refusal::NotCurrent, "destroyed");
        let lost = Command::DestroyShut { account: mailbox(7), before: by_date(0) };
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
            stage.ok(Command::DestroyShut { account: mailbox(1), before: by_date(9_000) }),
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
        stage.ok(Command::DestroyShut { account: mailbox(1), before: by_date(9_000) });
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
