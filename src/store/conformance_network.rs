//! What every engine does with the networks that a mailbox was opened from.

use crate::base::time::Time;
use crate::store::command::Command;
use crate::store::command::Refusal;
use crate::store::command_part::KeyRenewal;
use crate::store::record::KnownNetwork;
use crate::store::sample::*;

fn note(n: u8, tag: u8, at: i64) -> Command {
    let network = KnownNetwork { tag: [tag; 16], last: Time(at) };
    Command::NoteNetwork { mailbox: mailbox(n), network, since: Time(at - 1_000) }
}

fn known(stage: &Stage) -> Vec<(u8, i64)> {
    let record = stage.ask(stage.store().mailbox(mailbox(1))).unwrap();
    record.networks.iter().flatten().map(|network| (network.tag[0], network.last.0)).collect()
}

#[test]
fn networks_are_noted_once_each_and_forgotten_in_time() {
    on_each(|stage| {
        stage.ok(account(1));
        assert_eq!(known(stage), []);
        for (tag, at) in [(7, 5_000), (8, 5_500), (7, 5_600)] {
            stage.ok(note(1, tag, at));
        }
        stage.restart();
        assert_eq!(known(stage), [(8, 5_500), (7, 5_600)]);
        stage.ok(note(1, 9, 6_501));
        assert_eq!(known(stage), [(7, 5_600), (9, 6_501)], "one is older than what is kept");
        for tag in 100..120 {
            stage.ok(note(1, tag, 6_510));
        }
        let last: Vec<_> = (104..120).map(|tag| (tag, 6_510)).collect();
        assert_eq!(known(stage), last, "sixteen are kept");
        assert_eq!(stage.refused(note(2, 7, 5_000)), Refusal::Gone);
        stage.ok(temporary(2, 1));
        stage.ok(close(2, 6_600));
        assert_eq!(stage.refused(note(2, 7, 6_700)), Refusal::NotCurrent);
    });
}

#[test]
fn another_password_forgets_no_network_and_another_key_all() {
    on_each(|stage| {
        stage.ok(account(1));
        stage.ok(note(1, 7, 5_000));
        stage.ok(password_change(1, 0, 1, 8));
        assert_eq!(known(stage), [(7, 5_000)]);
        let mut change = password_change_of(1, 1, 8, 9);
        let former_keys = vec![former_key(40, 5)];
        change.renewal = Some(KeyRenewal { key: key(9), former_keys, now: Time(5_000) });
        stage.ok(Command::ChangePassword(Box::new(change)));
        assert_eq!(known(stage), []);
        stage.ok(note(1, 7, 5_000));
        stage.ok(reset(1, 2, 9, 10, 5_100));
        assert_eq!(known(stage), []);
    });
}
