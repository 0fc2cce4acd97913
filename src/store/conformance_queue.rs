//! What every engine must do with the queue: leases, outcomes, retries.

use crate::base::time::Time;
use crate::store::Health;
use crate::store::body::Body;
use crate::store::command::Command;
use crate::store::command::Outcome;
use crate::store::command::Refusal;
use crate::store::command_part::Settlement;
use crate::store::error::StoreError;
use crate::store::record_queue::Purpose;
use crate::store::record_queue::QueuedRecipient;
use crate::store::record_queue::RecipientState;
use crate::store::sample::*;
use std::time::Duration;

fn seconds(count: i64) -> Duration {
    Duration::from_secs(u64::try_from(count).unwrap())
}

/// Leases where both clocks say `now`.
fn leased(stage: &Stage, now: i64, until: i64, limit: usize) -> Vec<(u8, u16)> {
    let (running, until) = (seconds(now), seconds(until));
    match stage.ok(Command::LeaseDue { now: Time(now), running, until, limit }) {
        Outcome::Leased(all) => all
            .iter()
            .map(|recipient: &QueuedRecipient| {
                assert_eq!(recipient.state, RecipientState::Leased { until });
                (recipient.queue.bytes()[0], recipient.number)
            })
            .collect(),
        other => panic!("{other:?}"),
    }
}

/// The outcome of a try under the lease to `until`.
fn settle(n: u8, number: u16, until: i64, outcome: Settlement) -> Command {
    Command::Settle { queue: queue(n), number, lease: seconds(until), outcome }
}

fn delivered() -> Settlement {
    Settlement::Delivered { proof: "TLS".into() }
}

fn again(next: i64) -> Settlement {
    Settlement::Again { next: Time(next), reason: "busy".into(), delay_reported: false, passed: false }
}

#[test]
fn the_queue_gives_out_what_is_due_oldest_first() {
    on_each(|stage| {
        let mail = |n, due: &[i64]| Command::Enqueue(Box::new(queued(n, nowhere(n), Purpose::Mail, due)));
        stage.ok(mail(1, &[30, 10]));
        stage.ok(mail(2, &[20, 50]));
        assert_eq!(stage.refused(mail(2, &[1])), Refusal::AlreadyDone);
        assert_eq!(stage.ask(stage.store().next_due(seconds(0))), Some(Time(10)));
        assert_eq!(leased(stage, 9, 100, 9), []);
        assert_eq!(leased(stage, 40, 100, 2), [(1, 1), (2, 0)]);
        assert_eq!(stage.ask(stage.store().next_due(seconds(40))), Some(Time(30)));
        assert_eq!(leased(stage, 40, 90, 9), [(1, 0)]);
        assert_eq!(leased(stage, 40, 90, 9), []);
        assert_eq!(stage.ask(stage.store().next_due(seconds(40))), Some(Time(50)));
        assert_eq!(leased(stage, 95, 200, 9), [(1, 0), (2, 1)], "the lease to 90 has ended");
        let states = stage.ask(stage.store().queued_recipients(queue(2)));
        let leases = states.iter().map(|recipient| recipient.state).collect::<Vec<_>>();
        let until = |until| RecipientState::Leased { until: seconds(until) };
        assert_eq!(leases, [until(100), until(200)]);

        stage.ok(settle(2, 0, 100, again(300)));
        assert_eq!(stage.refused(settle(2, 0, 100, again(300))), Refusal::Gone, "not leased any more");
        assert_eq!(leased(stage, 250, 260, 9), [(1, 1), (1, 0), (2, 1)]);
        stage.ok(settle(2, 1, 260, Settlement::Failed { reason: "é".repeat(600) }));
        let states = stage.ask(stage.store().queued_recipients(queue(2)));
        assert_eq!(states[0].state, RecipientState::Waiting);
        assert_eq!((states[0].attempts, states[0].next, states[0].reason.as_str()), (1, Time(300), "busy"));
        assert_eq!((states[1].state, states[1].reason.len()), (RecipientState::Failed, 1_024));
        stage.restart();
        assert_eq!(stage.refused(settle(1, 0, 260, again(9))), Refusal::Gone, "leases end with the process");
        assert_eq!(leased(stage, 40, 50, 9), [(1, 1), (1, 0)]);
    });
}

#[test]
fn what_a_try_showed_stays_with_its_recipient() {
    on_each(|stage| {
        stage.ok(Command::Enqueue(Box::new(queued(1, nowhere(1), Purpose::Mail, &[10, 10]))));
        let known = |stage: &Stage| {
            let recipient = stage.ask(stage.store().queued_recipients(queue(1))).remove(1);
            (recipient.passed, recipient.delay_reported, recipient.attempts, recipient.next)
        };
        let note = || Command::NoteDelay { queue: queue(1), number: 1 };
        assert_eq!(known(stage), (None, false, 0, Time(10)));
        for (at, passed) in [(10, true), (20, false)] {
            assert_eq!(leased(stage, at, at + 5, 9), [(1, 0), (1, 1)]);
            assert_eq!(stage.refused(note()), Refusal::Gone, "it is being tried");
            let reason = "busy".to_owned();
            let next = Time(at + 10);
            let again = Settlement::Again { next, reason, delay_reported: false, passed };
            stage.ok(settle(1, 1, at + 5, again));
        }
        stage.restart();
        assert_eq!(known(stage), (Some(true), false, 2, Time(30)));
        stage.ok(note());
        assert_eq!(known(stage), (Some(true), true, 2, Time(30)), "nothing else has changed");
        assert_eq!(stage.refused(note()), Refusal::Gone, "told once");
        assert_eq!(leased(stage, 30, 40, 9), [(1, 0), (1, 1)]);
        stage.ok(settle(1, 1, 40, delivered()));
        assert_eq!(stage.refused(note()), Refusal::Gone, "it waits no more");
        assert_eq!(stage.refused(Command::NoteDelay { queue: queue(2), number: 0 }), Refusal::Gone);
    });
}

#[test]
fn whoever_sets_the_wall_clock_ends_no_lease() {
    on_each(|stage| {
        stage.ok(Command::Enqueue(Box::new(queued(1, nowhere(1), Purpose::Mail, &[10]))));
        let lease = |now, running, until| {
            let (running, until) = (seconds(running), seconds(until));
            match stage.ok(Command::LeaseDue { now: Time(now), running, until, limit: 9 }) {
                Outcome::Leased(all) => all.len(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(lease(10, 5, 65), 1);
        assert_eq!(lease(1_000_000, 64, 100), 0);
        assert_eq!(stage.ask(stage.store().next_due(seconds(64))), None);
        assert_eq!(stage.ask(stage.store().next_due(seconds(65))), Some(Time(10)));
        assert_eq!(lease(11, 65, 100), 1);
    });
}

#[test]
fn a_late_outcome_ends_nobody_elses_lease_and_what_was_taken_is_taken() {
    on_each(|stage| {
        stage.ok(Command::Enqueue(Box::new(queued(1, nowhere(1), Purpose::Mail, &[10, 10, 10]))));
        assert_eq!(leased(stage, 10, 20, 9).len(), 3);
        assert_eq!(leased(stage, 20, 30, 2), [(1, 0), (1, 1)], "the first lease has ended");
        let failed = || Settlement::Failed { reason: "no".into() };
        for late in [again(500), failed()] {
            assert_eq!(stage.refused(settle(1, 0, 20, late)), Refusal::Gone);
        }
        assert_eq!(leased(stage, 25, 40, 9), [(1, 2)], "the second one still stands");
        stage.ok(settle(1, 0, 20, delivered()));
        assert_eq!(stage.refused(settle(1, 0, 30, again(500))), Refusal::Gone, "it was taken");
        stage.ok(settle(1, 1, 30, again(500)));
        stage.ok(settle(1, 1, 20, delivered()));
        let states = stage.ask(stage.store().queued_recipients(queue(1)));
        let states: Vec<_> = states.iter().map(|recipient| recipient.state).collect();
        let until = RecipientState::Leased { until: seconds(40) };
        assert_eq!(states, [RecipientState::Delivered, RecipientState::Delivered, until]);
        stage.restart();
        stage.ok(settle(1, 2, 40, delivered()));
        assert!(stage.ask(stage.store().queued(queue(1))).is_none(), "not leased at all");
    });
}

#[test]
fn a_lease_that_is_given_back_ends_and_no_other() {
    on_each(|stage| {
        stage.ok(Command::Enqueue(Box::new(queued(1, nowhere(1), Purpose::Mail, &[10, 10]))));
        assert_eq!(leased(stage, 10, 20, 1), [(1, 0)]);
        assert_eq!(leased(stage, 10, 30, 1), [(1, 1)]);
        let release = |number, until| (queue(1), number, seconds(until));
        let leases = vec![release(0, 20), release(1, 20), release(7, 20), (queue(9), 0, seconds(20))];
        stage.ok(Command::Release { leases });
        let before = stage.ask(stage.store().queued_recipients(queue(1)));
        let states: Vec<_> = before.iter().map(|recipient| recipient.state).collect();
        assert_eq!(states, [RecipientState::Waiting, RecipientState::Leased { until: seconds(30) }]);
        assert_eq!((before[0].attempts, before[0].next), (0, Time(10)), "nothing else has changed");
        assert_eq!(stage.ask(stage.store().next_due(seconds(11))), Some(Time(10)));
        assert_eq!(leased(stage, 11, 40, 9), [(1, 0)]);
    });
}

#[test]
fn a_message_leaves_the_queue_with_its_last_recipient() {
    on_each(|stage| {
        let body = stage.file(b"a sealed body");
        let invite = queued(1, body, Purpose::Invitation(mailbox(9)), &[10, 10]);
        stage.ok(Command::Enqueue(Box::new(invite)));
        let record = stage.ask(stage.store().queued(queue(1))).unwrap();
        let qk = record.shred.unwrap();
        assert_eq!(stage.ask(stage.store().shred_key(qk)).unwrap().expose(), &shred(1));
        assert_eq!(leased(stage, 10, 20, 9).len(), 2);
        stage.ok(settle(1, 0, 20, delivered()));
        assert!(stage.ask(stage.store().queued(queue(1))).is_some());
        stage.ok(settle(1, 1, 20, Settlement::Failed { reason: "no".into() }));
        assert!(stage.ask(stage.store().queued(queue(1))).is_none());
        assert!(stage.ask(stage.store().queued_recipients(queue(1))).is_empty());
        assert!(stage.ask(stage.store().shred_key(qk)).is_none());
        assert_eq!(stage.ask(stage.store().next_due(seconds(20))), None);
        stage.settle();
        assert_eq!(stage.files(), 0);
        assert_eq!(stage.refused(settle(1, 0, 20, delivered())), Refusal::Gone);
    });
}

#[test]
fn queued_mail_is_retried_and_cancelled() {
    on_each(|stage| {
        for n in 1..=3 {
            let mail = queued(n, stage.file(b"x"), Purpose::Mail, &[1_000, 5]);
            stage.ok(Command::Enqueue(Box::new(mail)));
        }
        let retry = |of: Option<u8>| Command::RetryQueued { queue: of.map(queue), now: Time(100) };
        assert_eq!(stage.ok(retry(Some(2))), Outcome::Count(2));
        assert_eq!(leased(stage, 100, 200, 9), [(1, 1), (2, 1), (3, 1), (2, 0)]);
        assert_eq!(stage.ok(retry(None)), Outcome::Count(2), "what is leased is being tried");
        assert_eq!(stage.ok(retry(Some(9))), Outcome::Count(0));
        assert_eq!(leased(stage, 100, 200, 9), [(1, 0), (3, 0)]);
        let cancel = |n| Command::CancelQueued { queue: queue(n) };
        stage.ok(cancel(2));
        assert_eq!(stage.refused(cancel(2)), Refusal::Gone);
        assert_eq!(stage.refused(settle(2, 0, 200, delivered())), Refusal::Gone);
        stage.settle();
        assert_eq!(stage.files(), 2);
    });
}

#[test]
fn what_waits_for_a_time_that_was_never_meant_is_due_now() {
    on_each(|stage| {
        for (n, created) in [(1, 50), (2, 5_000)] {
            let mut mail = queued(n, nowhere(n), Purpose::Mail, &[200, 201, 5_000]);
            mail.record.created = Time(created);
            stage.ok(Command::Enqueue(Box::new(mail)));
        }
        stage.ok(Command::Enqueue(Box::new(queued(3, nowhere(3), Purpose::Mail, &[6_000]))));
        assert_eq!(leased(stage, 200, 900, 1), [(1, 0)]);
        assert_eq!(leased(stage, 200, 900, 1), [(2, 0)]);
        let forward = || Command::BringForward { beyond: Time(200), now: Time(100) };
        assert_eq!(stage.ok(forward()), Outcome::Count(5), "what is leased is being tried");
        assert_eq!(stage.ok(forward()), Outcome::Count(0));
        let created = |n| stage.ask(stage.store().queued(queue(n))).unwrap().created;
        assert_eq!(
            (created(1), created(2)),
            (Time(50), Time(5_000)),
            "whose clock is right is another question"
        );
        let redate = || Command::Redate { now: Time(100) };
        assert_eq!((stage.ok(redate()), stage.ok(redate())), (Outcome::Count(2), Outcome::Count(0)));
        assert_eq!((created(1), created(2)), (Time(50), Time(100)));
        assert_eq!(leased(stage, 100, 200, 9), [(1, 1), (1, 2), (2, 1), (2, 2), (3, 0)]);
    });
}

#[test]
fn what_no_caller_may_build_is_refused() {
    on_each(|stage| {
        let inline = queued(1, Body::Inline(vec![1]), Purpose::Mail, &[1]);
        let nobody = queued(1, nowhere(1), Purpose::Mail, &[]);
        let mut done = queued(1, nowhere(1), Purpose::Mail, &[1]);
        done.recipients[0].state = RecipientState::Delivered;
        for wrong in [inline, nobody, done] {
            let refused = stage.commit(vec![Command::Enqueue(Box::new(wrong))]);
            assert!(matches!(refused, Err(StoreError::Misused { .. })), "{refused:?}");
        }
        assert_eq!(stage.store().health(), Health::Good);
    });
}
