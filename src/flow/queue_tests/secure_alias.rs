//! What a secure alias sends: bounced at once, told in minutes, or patient, as its TLS policy was found to stand.

use super::*;
use crate::flow::bounce;
use crate::flow::delivery::Outcome;
use crate::smtp::client::Trouble;
use crate::store::command;
use tokio::time::Instant;

/// One host, whose TLSA records are not to be believed: nothing can be decided.
fn undecided() -> Table {
    Table::signed()
        .with_mx("x.example", &[(10, "mx.x.example")])
        .with_addresses("mx.x.example", &[ip(1)])
        .with_tlsa_answer("mx.x.example", Answer::Bogus)
}

/// From Alice's secure alias.
fn secure(ours: &Ours, recipients: &[&str]) -> Outgoing {
    Outgoing { demand: Demand::new(Requirement::Encrypt, Sender::Secure), ..ours.item(recipients) }
}

#[tokio::test]
async fn a_secure_alias_hears_of_what_is_definite_at_once_and_of_the_rest_in_minutes() {
    // No encryption, and a handshake that breaks twice: at once.
    for (start_tls, status, connections) in
        [(StartTls::NotOffered, "5.7.4", 1), (StartTls::Refused, "5.7.5", 2), (StartTls::Closes, "5.7.5", 2)]
    {
        let peer = Plan::default().start_tls(start_tls).open().await;
        let mut ours = Ours::facing(&peer).await;
        // Its policy is never weaker than "encrypt".
        let demand = Demand::new(Requirement::Opportunistic, Sender::Secure);
        ours.queue(Outgoing { demand, ..ours.item(&["bob@x.example"]) }, MESSAGE.as_bytes()).await;
        ours.worker.until_idle().await;
        let inbox = ours.inbox().await;
        assert!(inbox[0].contains(&format!("Status: {status}\r\n")), "{start_tls:?}: {}", inbox[0]);
        assert_eq!((ours.waiting().await, peer.sessions().len()), (0, connections), "{start_tls:?}");
        let octets = String::from_utf8(peer.octets()).unwrap();
        assert!(!octets.contains("MAIL FROM") && !octets.contains("MARK"), "{start_tls:?}: {octets}");
    }
    // What could not be decided: six tries in 30 minutes, told after five.
    let table = Table::signed()
        .with_mx("x.example", &[(10, "mx.x.example")])
        .with_addresses("mx.x.example", &[ip(1)])
        .with_tlsa_answer("mx.x.example", Answer::Bogus);
    let mut ours = Ours::new(table, 1, "").await;
    let demand = Demand::new(Requirement::Encrypt, Sender::Secure);
    ours.queue(Outgoing { demand, ..ours.item(&["bob@x.example"]) }, MESSAGE.as_bytes()).await;
    let mut tries = Vec::new();
    for minute in 0..=30 {
        let before = ours.flow.store.queue(None, 9).await.unwrap().len();
        let attempts = |items: &[queue::QueueItem]| items.first().map(|item| item.recipients[0].attempts);
        let was = attempts(&queue::list(&*ours.flow.store, None, 9).await.unwrap());
        ours.worker.until_idle().await;
        if before > 0 && attempts(&queue::list(&*ours.flow.store, None, 9).await.unwrap()) != was {
            tries.push(minute);
        }
        ours.pass(MINUTE);
    }
    assert_eq!(tries, [0, 1, 3, 8, 15, 29, 30]);
    assert_eq!(ours.waiting().await, 0, "given up");
    let inbox = ours.inbox().await;
    assert_eq!(inbox.len(), 2, "one notice of the delay, one bounce");
    assert!(inbox[0].contains("Action: delayed") && inbox[1].contains("Action: failed"), "{}", inbox[1]);
    assert!(inbox[1].contains("Nothing was sent unencrypted."), "{}", inbox[1]);
}

#[tokio::test]
async fn after_the_policy_has_passed_a_peer_may_ask_for_patience() {
    let peer = Plan::default()
        .rule(|asked| match asked.line.starts_with("RCPT") {
            true => Act::Say("451 4.7.1 greylisted".into()),
            false => Act::Usual,
        })
        .open()
        .await;
    let mut ours = Ours::facing(&peer).await;
    let demand = Demand::new(Requirement::Encrypt, Sender::Secure);
    ours.queue(Outgoing { demand, ..ours.item(&["bob@x.example"]) }, MESSAGE.as_bytes()).await;
    ours.worker.until_idle().await;
    ours.pass(40 * MINUTE);
    ours.worker.until_idle().await;
    let tries = String::from_utf8(peer.octets()).unwrap().matches("MAIL FROM").count();
    assert_eq!((ours.waiting().await, tries), (1, 2), "it waits like all mail");
}

#[tokio::test]
async fn a_host_that_does_not_answer_does_not_undo_that_the_policy_has_passed_at_another() {
    for busy in ["MAIL", "RCPT"] {
        let peer = Plan::default()
            .at("127.0.0.2", 0)
            .rule(move |asked| match asked.line.starts_with(busy) {
                true => Act::Close("421 4.3.2 not now".into()),
                false => Act::Usual,
            })
            .open()
            .await;
        let dns = Table::default()
            .with_mx("x.example", &[(10, "busy.example"), (20, "dead.example")])
            .with_addresses("busy.example", &[ip(2)])
            .with_addresses("dead.example", &[ip(4)]);
        let mut ours = Ours::new(dns, peer.address.port(), "").await;
        let demand = Demand::new(Requirement::Encrypt, Sender::Secure);
        ours.queue(Outgoing { demand, ..ours.item(&["bob@x.example"]) }, MESSAGE.as_bytes()).await;
        ours.worker.until_idle().await;
        ours.pass(40 * MINUTE);
        ours.worker.until_idle().await;
        assert_eq!((ours.waiting().await, peer.sessions().len()), (1, 2), "{busy}");
        assert!(ours.inbox().await.is_empty(), "{busy}");
    }
}

#[tokio::test]
async fn a_secure_alias_does_not_wait_behind_all_that_goes_to_the_same_place() {
    let peer = Peer::good().await;
    let one = "[limits]\nremote_connections_per_domain = 1\n";
    let mut ours = Ours::new(world(), peer.address.port(), one).await;
    let mut commands = Vec::new();
    // More than has room in a lane.
    for _ in 0..410 {
        let message = ours.flow.own_message(MESSAGE.as_bytes()).unwrap();
        commands.push(ours.flow.outgoing(ours.item(&["bob@x.example"]), message).await.unwrap());
    }
    ours.flow.store.commit(commands).await.unwrap();
    for to in ["eve@x.example", "sue@x.example"] {
        ours.pass(Duration::from_secs(1));
        ours.queue(secure(&ours, &[to]), MESSAGE.as_bytes()).await;
    }
    ours.worker.until_idle().await;
    let first: Vec<_> = peer.taken().into_iter().take(3).map(|taken| taken.rcpts[0].clone()).collect();
    assert_eq!(first, ["<eve@x.example>", "<sue@x.example>", "<bob@x.example>"]);
}

#[tokio::test]
async fn what_had_no_turn_is_not_given_up_for_that() {
    let ours = Ours::new(world(), 1, "").await;
    let id = ours.queue(secure(&ours, &["bob@x.example"]), MESSAGE.as_bytes()).await;
    let record = ours.flow.store.queued(id).await.unwrap().unwrap();
    for (given_up, waiting) in [(false, 1), (true, 0)] {
        ours.pass(40 * MINUTE);
        let (now, running) = (ours.hands.now(), ours.hands.running());
        let lease = Command::LeaseDue { now, running, until: running + MINUTE, limit: 9 };
        let leased = ours.flow.store.commit(vec![lease]).await.unwrap().remove(0);
        let command::Outcome::Leased(recipients) = leased else { panic!("{leased:?}") };
        let trouble = Trouble::new((4, 4, 5), "not tried");
        let outcome = if given_up { Outcome::Again(trouble) } else { Outcome::Untried(trouble) };
        bounce::settle(&ours.flow, &record, &recipients, vec![(0, outcome)]).await.unwrap();
        assert_eq!((ours.waiting().await, ours.inbox().await.len()), (waiting, 1 - waiting));
    }
}

/// Asks for encryption first and is busy then; on every later connection it is busy before TLS.
async fn busy_for_long() -> Peer {
    Plan::default()
        .at("127.0.0.2", 0)
        .rule(|asked| match (asked.connection, asked.line) {
            (0, line) if line.starts_with("RCPT") => Act::Say("451 4.7.1 greylisted".into()),
            (0, _) => Act::Usual,
            _ => Act::Close("421 4.3.2 not now".into()),
        })
        .open()
        .await
}

#[tokio::test]
async fn what_passed_in_one_try_has_passed_in_those_that_follow() {
    let busy = busy_for_long().await;
    let port = busy.address.port();
    let bare = Plan::default().at("127.0.0.3", port).start_tls(StartTls::NotOffered).open().await;
    let dns = Table::default()
        .with_mx("x.example", &[(10, "busy.example"), (20, "bare.example")])
        .with_addresses("busy.example", &[ip(2)])
        .with_addresses("bare.example", &[ip(3)]);
    let mut ours = Ours::new(dns, port, "").await;
    let id = ours.queue(secure(&ours, &["bob@x.example"]), MESSAGE.as_bytes()).await;
    for tries in 1..=4 {
        ours.worker.until_idle().await;
        let waiting = queue::show(&*ours.flow.store, id).await.unwrap().unwrap().recipients.remove(0);
        assert_eq!((waiting.attempts, waiting.passed), (tries, Some(true)));
        assert_eq!((busy.sessions().len(), bare.sessions().len()), (tries as usize, tries as usize));
        ours.pass(60 * MINUTE);
    }
    assert!(ours.inbox().await.is_empty(), "it waits like all mail");
    let octets = String::from_utf8(bare.octets()).unwrap();
    assert!(!octets.contains("MAIL FROM") && !octets.contains("MARK"), "{octets}");
}

#[tokio::test]
async fn what_never_passed_is_given_up_in_minutes() {
    let busy = Plan::default().rule(|_| Act::Close("421 4.3.2 not now".into())).open().await;
    let mut ours = Ours::facing(&busy).await;
    ours.queue(secure(&ours, &["bob@x.example"]), MESSAGE.as_bytes()).await;
    ours.worker.until_idle().await;
    assert_eq!(ours.waiting().await, 1);
    ours.pass(60 * MINUTE);
    ours.worker.until_idle().await;
    let inbox = ours.inbox().await;
    assert_eq!((ours.waiting().await, inbox.len()), (0, 1));
    assert!(inbox[0].contains("Action: failed"), "{}", inbox[0]);
}

#[tokio::test]
async fn that_every_host_is_without_encryption_now_ends_it_although_one_had_passed() {
    let peer = Plan::default()
        .rule(|asked| match (asked.connection, asked.line) {
            (0, line) if line.starts_with("RCPT") => Act::Close("421 4.3.2 not now".into()),
            (1.., line) if line.starts_with("EHLO") => Act::Say("250 mx".into()),
            _ => Act::Usual,
        })
        .open()
        .await;
    let mut ours = Ours::facing(&peer).await;
    ours.queue(secure(&ours, &["bob@x.example"]), MESSAGE.as_bytes()).await;
    ours.worker.until_idle().await;
    assert_eq!(ours.waiting().await, 1);
    ours.pass(5 * MINUTE);
    ours.worker.until_idle().await;
    let inbox = ours.inbox().await;
    assert_eq!((ours.waiting().await, inbox.len(), peer.taken().len()), (0, 1, 0));
    assert!(inbox[0].contains("Status: 5.7.4\r\n"), "{}", inbox[0]);
}

/// Tries at 0, 1 and 3 minutes; now it is one second before the fifth.
async fn almost_late(item: impl Fn(Outgoing) -> Outgoing) -> (Ours, QueueId) {
    let mut ours = Ours::new(undecided(), 1, "").await;
    let id = ours.queue(item(secure(&ours, &["bob@x.example", "eve@x.example"])), MESSAGE.as_bytes()).await;
    for seconds in [60, 120, 119] {
        ours.worker.until_idle().await;
        ours.pass(Duration::from_secs(seconds));
    }
    ours.worker.until_idle().await;
    assert_eq!(attempts(&ours, id).await, [3, 3]);
    assert!(ours.inbox().await.is_empty(), "it is not late yet");
    (ours, id)
}

async fn attempts(ours: &Ours, id: QueueId) -> Vec<u32> {
    let item = queue::show(&*ours.flow.store, id).await.unwrap().unwrap();
    item.recipients.iter().map(|recipient| recipient.attempts).collect()
}

#[tokio::test]
async fn a_delay_is_told_after_five_minutes_and_not_with_the_next_try() {
    let (mut ours, id) = almost_late(|item| item).await;
    ours.pass(Duration::from_secs(1));
    ours.worker.until_idle().await;
    let inbox = ours.inbox().await;
    assert_eq!((inbox.len(), attempts(&ours, id).await), (1, vec![3, 3]), "told, and not tried");
    for part in [
        "Final-Recipient: rfc822; bob@x.example\r\nAction: delayed\r\nStatus: 4.7.5\r\n",
        "Final-Recipient: rfc822; eve@x.example\r\nAction: delayed\r\nStatus: 4.7.5\r\n",
        "Remote-MTA: dns; mx.x.example",
        "Will-Retry-Until: ",
        "Nothing was sent unencrypted.",
    ] {
        assert!(inbox[0].contains(part), "{part} is not in\n{}", inbox[0]);
    }
    for _ in 0..4 {
        ours.pass(5 * MINUTE);
        ours.worker.until_idle().await;
    }
    assert_eq!(ours.inbox().await.len(), 1, "once");
    ours.pass(10 * MINUTE);
    ours.worker.until_idle().await;
    assert_eq!((ours.inbox().await.len(), ours.waiting().await), (2, 0), "then the bounce");
}

#[tokio::test]
async fn nobody_hears_of_a_delay_who_did_not_want_to_or_whose_message_is_gone() {
    let (mut ours, _) = almost_late(|mut item| {
        item.recipients
            .iter_mut()
            .for_each(|to| to.notify = Some(Notify { failure: true, ..Notify::default() }));
        item
    })
    .await;
    ours.pass(5 * MINUTE);
    ours.worker.until_idle().await;
    assert!(ours.inbox().await.is_empty());
    let (mut ours, id) = almost_late(|item| item).await;
    assert!(queue::cancel(&ours.flow, id).await.unwrap());
    ours.pass(Duration::from_secs(1));
    ours.worker.until_idle().await;
    assert!(ours.inbox().await.is_empty());
}

#[tokio::test]
async fn a_try_that_comes_first_tells_of_the_delay_itself() {
    // After a restart nothing is known of what was to be told; a clock that is behind by then finds both due.
    let (mut ours, id) = almost_late(|item| item).await;
    let dialer = Dialer { loopback: true, ..Dialer::default() };
    ours.worker = Worker::new(Arc::clone(&ours.flow), Courier { dialer, ..Courier::default() });
    ours.pass(Duration::from_secs(1));
    ours.worker.until_idle().await;
    assert!(ours.inbox().await.is_empty());
    ours.pass(3 * MINUTE);
    ours.worker.until_idle().await;
    assert_eq!((ours.inbox().await.len(), attempts(&ours, id).await), (1, vec![4, 4]));
    let (mut ours, id) = almost_late(|item| item).await;
    ours.pass(4 * MINUTE);
    ours.worker.until_idle().await;
    assert_eq!((ours.inbox().await.len(), attempts(&ours, id).await), (1, vec![4, 4]));
}

#[tokio::test]
async fn with_a_full_disk_the_next_try_with_room_tells_of_the_delay() {
    let (mut ours, _) = almost_late(|item| item).await;
    ours.model.set_health(Health::NoNewMail);
    ours.pass(Duration::from_secs(1));
    ours.worker.until_idle().await;
    ours.model.set_health(Health::Good);
    assert!(ours.inbox().await.is_empty());
    ours.pass(3 * MINUTE);
    ours.worker.until_idle().await;
    let inbox = ours.inbox().await;
    assert!(inbox.len() == 1 && inbox[0].contains("Action: delayed"), "{inbox:?}");
}

#[tokio::test]
async fn the_worker_wakes_when_a_delay_is_to_be_told() {
    let (ours, _) = almost_late(|item| item).await;
    assert!(
        ours.worker.wakes() <= Instant::now() + Duration::from_secs(1),
        "not for the next try, nor for a look"
    );
}
