//! Random commands on both engines: every answer and everything that can be read must be the same, and the
//! rows on disk must agree with each other.

use crate::base::address::Domain;
use crate::store::PAGE;
use crate::store::body::Body;
use crate::store::command::Command;
use crate::store::random_command::BOXES;
use crate::store::random_command::FOLDERS;
use crate::store::random_command::Op;
use crate::store::random_command::command;
use crate::store::record::Uid;
use crate::store::rows_agree::check_rows;
use crate::store::sample::*;
use proptest::collection::vec;
use proptest::prelude::ProptestConfig;
use proptest::prelude::Strategy;
use proptest::prelude::any;
use proptest::test_runner::RngAlgorithm;
use proptest::test_runner::TestRng;
use proptest::test_runner::TestRunner;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::io::Read;
use std::time::Duration;

/// Lists of commands; the number in front says whether a restart comes first.
fn ops() -> impl Strategy<Value = Vec<(u8, Vec<Op>)>> {
    vec((0u8..40, vec(any::<Op>(), 1..4)), 1..60)
}

/// Both engines show the same, line by line.
fn compare(disk: &Stage, model: &Stage) {
    for (said, want) in everything(disk).lines().zip(everything(model).lines()) {
        assert_eq!(said, want);
    }
}

/// Everything that can be read, as text; places of shred keys replaced by the keys.
pub(crate) fn everything(stage: &Stage) -> String {
    let store = stage.store();
    let mut out = String::new();
    let _ = writeln!(out, "{:?}", stage.ask(store.life_clock()));
    for n in BOXES {
        let id = mailbox(n);
        let _ = writeln!(out, "of {n}: {:?}", stage.ask(store.mailbox_of(&address(n).key())));
        let _ = writeln!(out, "  before: {:?}", stage.ask(store.mailbox_former(&address(n).key())));
        if let Some(record) = stage.ask(store.mailbox(id)) {
            let mut record = record.as_ref().clone();
            let part = record.account.iter_mut().flat_map(|part| &mut part.shut);
            for slot in record.slots.iter_mut().chain(part.flat_map(|shut| &mut shut.slots)) {
                let key = stage.ask(store.shred_key(slot.shred)).map(|key| *key.expose());
                let _ = writeln!(out, "  {:?} {key:?}", slot.id);
                slot.shred.place = 0;
                slot.shred.generation = 0;
            }
            let _ = writeln!(out, "  {record:?}");
        }
        for print in [n, 20, 21, 22, 40, 41, 50, 51].map(print) {
            let _ = writeln!(out, "  {:?}", stage.ask(store.key(id, &print)));
        }
        let _ = writeln!(out, "  {:?}", stage.ask(store.refused(id)));
        for folder in stage.ask(store.folders(id)) {
            let _ = writeln!(out, "  {folder:?}");
        }
        for folder in FOLDERS {
            let mut messages = stage.ask(store.messages(id, folder, Uid(0), PAGE));
            messages
                .iter_mut()
                .for_each(|message| message.record.body = content(stage, &message.record.body));
            let summaries = stage.ask(store.summaries(id, folder, Uid(0), PAGE));
            let _ = writeln!(out, "  {folder:?} {messages:?} {summaries:?}");
        }
        for other in 1..=5 {
            let _ = writeln!(out, "  {:?}", stage.ask(store.vault_entry(id, mailbox(other))));
        }
        for digest in 0..3 {
            let _ = writeln!(out, "  {}", stage.ask(store.conversation(id, &[digest; 32])));
        }
        let queued = stage.ask(store.queued(queue(n)));
        if let Some(queued) = queued {
            let mut queued = queued.as_ref().clone();
            queued.body = content(stage, &queued.body);
            let key =
                queued.shred.take().map(|shred| stage.ask(store.shred_key(shred)).map(|key| *key.expose()));
            let _ = writeln!(out, "  {queued:?} {key:?}");
        }
        let _ = writeln!(out, "  {:?}", stage.ask(store.queued_recipients(queue(n))));
    }
    for n in 1..16 {
        let _ = writeln!(out, "{:?}", stage.ask(store.invitation(invitation(n))));
    }
    for n in 70..73 {
        let _ = writeln!(out, "{:?}", stage.ask(store.certificate(&address(n).key())));
    }
    let _ = writeln!(out, "{}", stage.ask(store.certificates(None, PAGE)).len());
    let _ = writeln!(out, "{:?}", stage.ask(store.mailboxes(None, PAGE)).len());
    let _ = writeln!(out, "{:?}", stage.ask(store.queue(None, PAGE)).len());
    for running in [0, 5, 50, 500] {
        let _ = writeln!(out, "{:?}", stage.ask(store.next_due(Duration::from_secs(running))));
    }
    for domain in ["x.example", "y.example"] {
        let stored = stage.ask(store.stored_certificates(&Domain::parse(domain).unwrap()));
        let sts = stage.ask(store.sts(&Domain::parse(domain).unwrap()));
        let _ = writeln!(out, "{domain} {stored:?} {sts:?}");
    }
    let mut seen: Vec<String> = stage
        .ask(store.destinations(None, PAGE))
        .into_iter()
        .map(|(_, of)| format!("{} {:?}", of.domain, of.seen))
        .collect();
    seen.sort();
    let _ = writeln!(out, "{seen:?}");
    let _ = writeln!(out, "{}", stage.ask(store.all_sts(None, PAGE)).len());
    let keys = stage.ask(store.signing_keys(&Domain::parse("example.org").unwrap()));
    for key in keys {
        let _ = writeln!(out, "{key:?} {:?}", key.private.expose());
    }
    out
}

/// A body whatever its name: what it holds, read to its end. One that never was a file stays as it is.
fn content(stage: &Stage, body: &Body) -> Body {
    let Ok(mut file) = stage.store().bodies().open(body) else { return body.clone() };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    Body::Inline(bytes)
}

#[test]
fn the_engine_does_what_the_model_does() {
    let config = ProptestConfig {
        cases: 200,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let carried_out = RefCell::new(BTreeSet::new());
    let played = runner.run(&ops(), |lists| {
        play(&lists, &carried_out);
        Ok(())
    });
    played.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(carried_out.borrow().len(), 59, "every kind of command went through: {carried_out:?}");
}

fn play(lists: &[(u8, Vec<Op>)], carried_out: &RefCell<BTreeSet<String>>) {
    let (mut model, mut disk) = (Stage::model(), Stage::disk());
    for stage in [&model, &disk] {
        stage.commit(vec![account(1), account(2), temporary(3, 1), temporary(4, 2)]).unwrap();
        stage.ok(reset(2, 0, 2, 40, 50));
    }
    for (step, (restart, list)) in (100i64..).zip(lists) {
        if *restart == 0 {
            model.restart();
            disk.restart();
        }
        if !commit(&model, &disk, list, step, carried_out) {
            // One command refused all of them: each by itself.
            for op in list {
                commit(&model, &disk, &[*op], step, carried_out);
            }
        }
    }
    compare(&disk, &model);
    model.restart();
    disk.restart();
    compare(&disk, &model);
    check_rows(&disk);
}

/// Gives a list to both engines, which must answer alike; answers whether it was carried out.
fn commit(
    model: &Stage,
    disk: &Stage,
    list: &[Op],
    step: i64,
    carried_out: &RefCell<BTreeSet<String>>,
) -> bool {
    let make = || list.iter().map(|op| command(*op, step)).collect::<Vec<_>>();
    let (said, want) = (disk.commit(make()), model.commit(make()));
    assert_eq!(format!("{said:?}"), format!("{want:?}"), "{:?}", make());
    if said.is_err() {
        return false;
    }
    let kind = |command: &Command| format!("{command:?}").split([' ', '(']).next().unwrap().to_owned();
    carried_out.borrow_mut().extend(make().iter().map(kind));
    // Only these tests give the id of a deleted mailbox to another: what it left must be gone first.
    disk.settle();
    true
}
