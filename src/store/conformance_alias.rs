//! What every engine does with an account's secure alias.

use crate::base::alias::AliasLevel;
use crate::base::time::Time;
use crate::store::command::Command;
use crate::store::command::Outcome;
use crate::store::command::Refusal;
use crate::store::command_part::Delivery;
use crate::store::error::StoreError;
use crate::store::record::Folder;
use crate::store::record::Uid;
use crate::store::record_account::AliasRecord;
use crate::store::sample::*;

fn put(n: u8, alias: AliasRecord, expected: Option<AliasRecord>) -> Command {
    Command::PutAlias { account: mailbox(n), alias, expected }
}

fn require(n: u8, level: Option<AliasLevel>) -> Command {
    Command::RequireAlias { account: mailbox(n), level }
}

const ON: AliasRecord = AliasRecord { active: true, level: AliasLevel::Encrypt };
const STRICT: AliasRecord = AliasRecord { active: true, level: AliasLevel::DaneOnly };
const OFF: AliasRecord = AliasRecord { active: false, level: AliasLevel::DaneOnly };

#[test]
fn an_alias_is_what_was_put_last_and_outlives_a_restart() {
    on_each(|stage| {
        stage.ok(account(1));
        stage.ok(temporary(2, 1));
        let held = |stage: &Stage| stage.ask(stage.store().mailbox(mailbox(1))).unwrap().alias();
        assert_eq!(held(stage), None);
        stage.ok(put(1, ON, None));
        assert_eq!(stage.refused(put(1, STRICT, None)), Refusal::NotCurrent, "somebody was first");
        assert_eq!(stage.refused(put(1, STRICT, Some(OFF))), Refusal::NotCurrent);
        stage.ok(put(1, STRICT, Some(ON)));
        stage.restart();
        assert_eq!(held(stage), Some(STRICT));
        stage.ok(reset(1, 0, 1, 8, 5_000));
        assert_eq!(held(stage), Some(STRICT), "a lost password changes nothing of it");
        stage.ok(put(1, OFF, Some(STRICT)));
        assert_eq!(held(stage), Some(OFF));
        for nobody in [2, 9] {
            assert_eq!(stage.refused(put(nobody, ON, None)), Refusal::NotCurrent, "{nobody}");
        }
        stage.ok(Command::DeleteMailbox { mailbox: mailbox(1), now: Time(6_000), only: None });
        assert_eq!(stage.refused(put(1, ON, Some(OFF))), Refusal::NotCurrent);
    });
}

#[test]
fn what_an_alias_takes_or_sends_is_done_only_while_it_is_active() {
    on_each(|stage| {
        stage.ok(account(1));
        let taken = |level| vec![require(1, level), deliver(1, 1)];
        let refused = |stage: &Stage, list: Vec<Command>| {
            let error = stage.commit(list).unwrap_err();
            assert!(matches!(error, StoreError::Refused { index: 0, why: Refusal::NotCurrent }), "{error:?}");
        };
        refused(stage, taken(None));
        stage.ok(put(1, ON, None));
        assert_eq!(stage.commit(taken(None)).unwrap()[0], Outcome::Done);
        stage.commit(taken(Some(AliasLevel::Encrypt))).unwrap();
        refused(stage, taken(Some(AliasLevel::Verify)));
        stage.ok(put(1, STRICT, Some(ON)));
        refused(stage, taken(Some(AliasLevel::Encrypt)));
        stage.ok(put(1, OFF, Some(STRICT)));
        refused(stage, taken(Some(AliasLevel::DaneOnly)));
        refused(stage, taken(None));
        refused(stage, vec![require(9, None)]);
        let inbox = stage.ask(stage.store().messages(mailbox(1), Folder::INBOX, Uid(0), 10));
        assert_eq!(inbox.len(), 2, "nothing of a refused list");
        // In one list the last word counts from where it stands.
        stage.commit(vec![put(1, ON, Some(OFF)), require(1, None), deliver(1, 2)]).unwrap();
        refused(stage, vec![require(1, Some(AliasLevel::Verify))]);
    });
}

#[test]
fn refused_attempts_are_kept_until_they_are_told_and_go_with_the_account() {
    on_each(|stage| {
        stage.ok(account(1));
        stage.ok(temporary(2, 1));
        let put = |n, now, expected: Option<u8>| Command::PutRefused {
            account: mailbox(n),
            refused: refused(now),
            expected: expected.map(refused),
        };
        let held = |stage: &Stage| stage.ask(stage.store().refused(mailbox(1)));
        assert_eq!(held(stage), None);
        stage.ok(put(1, 1, None));
        assert_eq!(stage.refused(put(1, 2, None)), Refusal::NotCurrent);
        stage.ok(put(1, 2, Some(1)));
        stage.restart();
        assert_eq!(held(stage), Some(refused(2)));
        for nobody in [2, 9] {
            assert_eq!(stage.refused(put(nobody, 1, None)), Refusal::NotCurrent, "{nobody}");
        }
        stage.ok(Command::DeleteMailbox { mailbox: mailbox(1), now: Time(6_000), only: None });
        assert_eq!(held(stage), None);
        stage.settle();
        stage.ok(account(1));
        assert_eq!(held(stage), None, "a later account of that id begins anew");
    });
}

#[test]
fn the_folder_of_refused_mail_comes_when_it_is_needed() {
    on_each(|stage| {
        stage.ok(account(1));
        stage.ok(temporary(2, 1));
        let open = |n, folder| Command::OpenFolder { account: mailbox(n), folder };
        let digest = || Command::Deliver(Box::new(Delivery { folder: Folder::REFUSED, ..delivery(1, 1) }));
        let names = |stage: &Stage| {
            let folders = stage.ask(stage.store().folders(mailbox(1)));
            folders.iter().map(|folder| (folder.name.clone(), folder.messages)).collect::<Vec<_>>()
        };
        assert_eq!(stage.refused(digest()), Refusal::Gone);
        assert_eq!(names(stage).len(), 5);
        stage.commit(vec![open(1, Folder::REFUSED), digest()]).unwrap();
        stage.commit(vec![open(1, Folder::REFUSED), digest()]).unwrap();
        stage.restart();
        assert_eq!(names(stage)[5], ("Refused".into(), 2));
        assert_eq!(names(stage).len(), 6);
        assert_eq!(stage.refused(open(1, Folder(30))), Refusal::Gone, "nobody may make that one");
        assert_eq!(stage.refused(open(2, Folder::REFUSED)), Refusal::Gone, "a temporary mailbox has none");
        assert_eq!(stage.refused(open(9, Folder::REFUSED)), Refusal::Gone);
    });
}
