//! Two commands for one temporary mailbox, one right after the other: which second ones still go through, as a table.

use crate::base::time::Time;
use crate::policy::golden;
use crate::store::command::Command;
use crate::store::command::Refusal;
use crate::store::command_part::DeleteIf;
use crate::store::error::StoreError;
use crate::store::record::Fingerprint;
use crate::store::record::Folder;
use crate::store::record::MailboxState;
use crate::store::record::Uid;
use crate::store::record_queue::Purpose;
use crate::store::sample::*;
use std::fmt::Write;
use std::sync::Arc;
use tokio::sync::Barrier;

/// What may happen, each by its word.
const DEEDS: [&str; 15] = [
    "guess",
    "kill",
    "first-use",
    "renew",
    "ask",
    "new",
    "mail",
    "activity",
    "returned",
    "warn",
    "notice",
    "close",
    "reopen",
    "delete",
    "sweep",
];

/// In which state it begins.
const STATES: [&str; 4] = ["unopened", "open", "unreachable", "closed"];

/// The list of commands for the mailbox number `n`, whose mail is encrypted to `certificate`.
fn deed(word: &str, n: u8, certificate: &Fingerprint, state: &str) -> Vec<Command> {
    let now = Time(7_000);
    let (owner, mailbox) = (mailbox(1), mailbox(n));
    let only = match state {
        "closed" => Some(DeleteIf::StillClosedSince(Time(6_000))),
        _ => Some(DeleteIf::StillUnreachableSince(Time(6_000))),
    };
    match word {
        "guess" => vec![Command::CountPinAttempt { invitation: invitation(n), max: 10 }],
        "kill" => vec![Command::KillInvitation { invitation: invitation(n), now }],
        "first-use" => vec![first_use(n, 20)],
        "renew" => vec![renewal(n, n, n + 40, 1)],
        "ask" => vec![Command::NoteAsked { mailbox, account: owner, now }],
        "new" => match named(temporary(n + 80, 1), n) {
            Command::CreateMailbox(new) => vec![Command::SupersedeMailbox { new, old: mailbox, now }],
            other => vec![other],
        },
        "mail" => {
            let mut delivery = delivery(n, 1);
            delivery.certificate.clone_from(certificate);
            delivery.record.certificate.clone_from(certificate);
            vec![Command::Deliver(Box::new(delivery))]
        }
        "activity" => vec![Command::NoteActivity { mailbox, at: now, correspondent: None }],
        "returned" => vec![Command::MarkUnreachable { mailbox, invitation: invitation(n), now }],
        "warn" => vec![warn(n), warning(n, 14, n)],
        "notice" => vec![notices(n, Some(1), None)],
        "close" => vec![Command::CloseMailbox { mailbox, now, not_active_since: Time(6_500) }],
        "reopen" => vec![Command::ReopenMailbox { mailbox, now }],
        "delete" => vec![Command::DeleteMailbox { mailbox, now, only: None }],
        "sweep" => vec![Command::DeleteMailbox { mailbox, now, only }],
        other => panic!("{other}"),
    }
}

fn warn(n: u8) -> Command {
    Command::Enqueue(Box::new(queued(n, nowhere(n), Purpose::Warning(mailbox(n), 14), &[1])))
}

/// Mailbox `n` in a state.
fn begin(stage: &Stage, n: u8, state: &str) {
    stage.ok(temporary(n, 1));
    let now = Time(6_000);
    match state {
        "unopened" => {}
        "open" => drop(stage.ok(first_use(n, 21))),
        "unreachable" => {
            drop(stage.ok(Command::MarkUnreachable { mailbox: mailbox(n), invitation: invitation(n), now }))
        }
        "closed" => drop(stage.ok(close(n, now.0))),
        other => panic!("{other}"),
    }
}

/// How a list of commands ended, in a word.
fn end(stage: &Stage, commands: Vec<Command>) -> &'static str {
    match stage.commit(commands) {
        Ok(_) => "yes",
        Err(StoreError::Refused { why, .. }) => match why {
            Refusal::AddressTaken => "taken",
            Refusal::NotCurrent => "not-current",
            Refusal::NotOpen => "not-open",
            Refusal::NoTriesLeft => "no-tries",
            Refusal::TooSoon => "too-soon",
            Refusal::Gone => "gone",
            Refusal::AlreadyDone => "done",
            Refusal::OverQuota => "over-quota",
            Refusal::Full => "full",
        },
        Err(other) => panic!("{other}"),
    }
}

/// The table on one engine: a block for each state, a line for each first deed, a column for each second one.
fn table(stage: fn() -> Stage) -> String {
    let mut out = String::from(
        "# Two deeds on one temporary mailbox, one right after the other: how the second ends. A line is a first\n\
         # deed with its own end; \"alone\" is none. mail is encrypted to the certificate that was read before both.\n",
    );
    for state in STATES {
        let _ = write!(out, "\n{state:<22}");
        for second in DEEDS {
            let _ = write!(out, " {second:<11}");
        }
        out.truncate(out.trim_end().len());
        for first in ["alone"].into_iter().chain(DEEDS) {
            let stage = stage();
            stage.ok(account(1));
            let mut line = String::new();
            let mut how = "";
            for (n, second) in (100..).zip(DEEDS) {
                begin(&stage, n, state);
                let record = stage.ask(stage.store().mailbox(mailbox(n))).unwrap();
                if first != "alone" {
                    how = end(&stage, deed(first, n, &record.certificate, state));
                }
                let end = end(&stage, deed(second, n, &record.certificate, state));
                let _ = write!(line, " {end:<11}");
            }
            let _ = write!(out, "\n{first:<10} {how:<11}{}", line.trim_end());
        }
        out.push('\n');
    }
    out
}

#[test]
fn of_two_deeds_on_one_mailbox_the_first_wins() {
    let said = table(Stage::disk);
    assert_eq!(said, table(Stage::model));
    golden::compare("mailbox_races.txt", &said);
}

/// Gives all of `lists` to the store at once; answers with how many went through.
fn at_once(stage: &Stage, lists: Vec<Vec<Command>>) -> usize {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    let begin = Arc::new(Barrier::new(lists.len()));
    let tasks: Vec<_> = lists
        .into_iter()
        .map(|list| {
            let (store, begin) = (stage.store(), Arc::clone(&begin));
            runtime.spawn(async move {
                begin.wait().await;
                store.commit(list).await
            })
        })
        .collect();
    let ends = tasks.into_iter().map(|task| runtime.block_on(task).unwrap());
    ends.filter(|end| match end {
        Ok(_) => true,
        Err(StoreError::Refused { .. }) => false,
        Err(other) => panic!("{other}"),
    })
    .count()
}

#[test]
fn of_many_at_once_one_wins() {
    on_each(|stage| {
        stage.ok(account(1));
        for n in 2..12 {
            stage.ok(temporary(n, 1));
            // A notice for the same message: only one goes out.
            assert_eq!(at_once(stage, (0..16).map(|_| vec![notices(n, Some(1), None)]).collect()), 1);
            // The recipient opens it while its sender renews the invitation, each many times.
            let uses = (0..8).map(|round| vec![first_use(n, 20 + round)]);
            let renewals = (0..8).map(|round| vec![renewal(n, n, 100 + 8 * n + round, 1)]);
            assert_eq!(at_once(stage, uses.chain(renewals).collect()), 1);
            let newer = (0..8).map(|round| match named(temporary(120 + 8 * n + round, 1), n) {
                Command::CreateMailbox(new) => {
                    vec![Command::SupersedeMailbox { new, old: mailbox(n), now: Time(6_000) }]
                }
                other => vec![other],
            });
            assert_eq!(at_once(stage, newer.collect()), 1);
            // It closes while mail comes in and its sender reads it again: the mail is in it, or it is refused.
            let record = stage.ask(stage.store().mailbox(mailbox(n))).unwrap();
            let mail = || {
                let mut list = deed("mail", n, &record.certificate, "open");
                list.push(Command::NoteActivity {
                    mailbox: mailbox(n),
                    at: Time(9_000),
                    correspondent: None,
                });
                list
            };
            let closing = Command::CloseMailbox {
                mailbox: mailbox(n),
                now: Time(9_000),
                not_active_since: record.last_activity,
            };
            let mut both: Vec<_> = (0..8).map(|_| mail()).collect();
            both.insert(4, vec![closing]);
            let through = at_once(stage, both);
            let after = stage.ask(stage.store().mailbox(mailbox(n))).unwrap();
            let messages = stage.ask(stage.store().messages(mailbox(n), Folder::INBOX, Uid(0), 99)).len();
            match after.state {
                MailboxState::Closed => assert_eq!((through, messages), (1, 0)),
                _ => assert_eq!((through, messages), (8, 8)),
            }
        }
    });
}
