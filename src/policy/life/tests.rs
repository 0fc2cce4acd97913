//! The table of lives on record.

use super::*;
use crate::policy::golden;
use std::fs;
use std::path::Path;

const FILE: &str = "mailbox_life.txt";

/// The lines of comment that the file begins with; they are written by hand.
fn head() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(FILE);
    let text = fs::read_to_string(path).unwrap();
    text.lines().take_while(|line| line.starts_with('#')).map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_table() {
    let mut table = head();
    assert!(table.contains("# \"=\" stays as it is."), "the head is there");
    for state in State::ALL {
        table.push('\n');
        for event in Event::ALL {
            let Step { next, told } = next(state, event);
            let next = if next == state { "=" } else { next.as_str() };
            let (state, event, told) = (state.as_str(), event.as_str(), told.as_str());
            table += &format!("{state:<11} {event:<15} {next:<12} {told}\n");
        }
    }
    golden::compare(FILE, &table);
}

#[test]
fn every_combination_of_facts_has_its_state() {
    let facts = |bits: u8| Facts {
        closed: bits & 1 > 0,
        opened: bits & 2 > 0,
        superseded: bits & 4 > 0,
        unreachable: bits & 8 > 0,
        dead: bits & 16 > 0,
        abandoned: bits & 32 > 0,
    };
    for facts in (0..64).map(facts) {
        let state = state(&facts);
        assert_eq!(matches!(state, State::Closed | State::ClosedNew), facts.closed, "{facts:?}");
        let opened = matches!(state, State::Open | State::Former | State::Closed);
        assert_eq!(opened, facts.opened, "{facts:?}");
        let former = matches!(state, State::Former | State::FormerNew);
        assert_eq!(former, facts.superseded && !facts.closed, "{facts:?}");
        let waits = !facts.closed && !facts.opened;
        assert_eq!(at_link(&facts) == State::Dead, waits && facts.dead, "{facts:?}");
        let shut = next(at_link(&facts), Event::Visit).told != Told::FirstUsePage;
        assert_eq!(shut, !waits || facts.dead, "{facts:?}");
    }
}

#[test]
fn what_follows_an_event_holds_its_facts() {
    let unopened = Facts::default();
    assert_eq!(state(&unopened), State::Unopened);
    let dead = Facts { dead: true, ..unopened };
    assert_eq!(state(&dead), next(state(&unopened), Event::WrongPin10).next);
    let dead_and_gone = Facts { abandoned: true, ..dead };
    assert_eq!(state(&dead_and_gone), next(state(&dead), Event::AccountGone).next);
    let abandoned = Facts { abandoned: true, ..unopened };
    assert_eq!(state(&abandoned), next(state(&unopened), Event::AccountGone).next);
    assert_eq!(state(&dead_and_gone), next(state(&abandoned), Event::WrongPin10).next);
    for facts in [unopened, dead, abandoned, dead_and_gone] {
        let returned = Facts { unreachable: true, ..facts };
        assert_eq!(state(&returned), next(state(&facts), Event::Returned).next);
        assert_eq!(state(&returned), next(state(&returned), Event::AccountGone).next);
        assert_eq!(state(&returned), next(state(&returned), Event::WrongPin10).next);
        let former = Facts { superseded: true, ..facts };
        assert_eq!(state(&former), next(state(&facts), Event::NewAgain).next);
        let opened = Facts { opened: true, ..former };
        assert_eq!(state(&opened), next(state(&former), Event::FirstUse).next);
    }
    let open = Facts { opened: true, ..unopened };
    for facts in [unopened, dead, abandoned, open] {
        let closed = Facts { closed: true, ..facts };
        assert_eq!(state(&closed), next(state(&facts), Event::Inactive).next);
    }
}
