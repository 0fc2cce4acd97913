//! Mail on its way out: what comes back, what waits, what survives a restart.

use crate::harness::House;
use crate::mail_client::Smtp;
use crate::main_job::invite;
use crate::main_job::letter;
use crate::patience::PATIENCE;
use crate::patience::until;
use crate::peer::Act;
use crate::peer::Peer;
use crate::peer::Plan;
use crate::peer::Session;
use crate::peer::Taken;
use crate::tls_policy::all_tried;
use guardpost::base::address::Address;
use guardpost::net::listen::Service;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::timeout;

const MINUTE: Duration = Duration::from_secs(60);

/// Waits until Alice's INBOX holds `count` messages, and reads them.
async fn inbox(house: &House, count: usize) -> Vec<String> {
    let alice = Address::parse("alice@house.example").unwrap();
    let mailbox = house.flow().store.mailbox_of(&alice.key()).await.unwrap().unwrap();
    let mut changes = house.flow().store.watch(mailbox);
    let mut imap = house.alice_reads().await;
    let enough = async {
        loop {
            changes.mark_unchanged();
            let messages = imap.messages("INBOX").await;
            if messages.len() >= count {
                return messages;
            }
            changes.changed().await.unwrap();
        }
    };
    timeout(PATIENCE, enough).await.expect("the message is there in time")
}

/// Tries of the one message in the queue.
async fn attempts(house: &House) -> u32 {
    let queue = house.flow().store.queue(None, 10).await.unwrap();
    let recipients = house.flow().store.queued_recipients(queue[0].id).await.unwrap();
    recipients[0].attempts
}

async fn from_outside(house: &House, from: &str, to: &str, message: &str) -> u16 {
    let mut smtp = Smtp::connect(house.port(Service::Smtp), false).await;
    smtp.ask("EHLO mx.far.example").await;
    smtp.send(from, &[to], message).await.code
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_delivered_comes_back_at_once_without_its_text() {
    let world = Plan::default().rule(|asked| match asked.line.contains("nobody@") {
        true => Act::Say("550 5.1.1 nobody of that name".into()),
        false => Act::Usual,
    });
    let house = House::with(world, "").await;
    let message = letter("Pelargonium-9920", "Ladybird-9920", "");
    let to = ["nobody@far.example", "carol@far.example"];
    let reply = house.alice_sends().await.send("alice@house.example", &to, &message).await;
    assert!(reply.is(250, "2.0.0"), "{reply:?}");
    let inbox = inbox(&house, 1).await;
    assert_eq!(inbox.len(), 1);
    for part in [
        "Content-Type: multipart/report; report-type=delivery-status",
        "Action: failed",
        "Final-Recipient: rfc822; nobody@far.example",
        "Status: 5.1.1",
        "550 5.1.1 nobody of that name",
        "Pelargonium-9920",
    ] {
        assert!(inbox[0].contains(part), "{part} is not in\n{}", inbox[0]);
    }
    for part in ["Ladybird-9920", "Final-Recipient: rfc822; carol@far.example"] {
        assert!(!inbox[0].contains(part), "{part} is in\n{}", inbox[0]);
    }
    let taken = house.world.wait_for(1).await;
    assert_eq!((taken.len(), taken[0].rcpts.len()), (1, 1), "the other one got it, once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_about_an_invitation_is_told_once_without_its_content() {
    let house = House::new().await;
    invite(&house).await;
    let before = inbox(&house, 1).await.len();
    let mail = house.world.taken()[0].mail.clone();
    let (back, _) = mail.trim_start_matches('<').split_once('>').unwrap();
    assert!(back.starts_with("secure-mail+") && back.ends_with("@house.example"), "{back}");
    let report = "From: MAILER-DAEMON@far.example\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nHornet-3311\r\n\
        --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.far.example\r\n\r\n\
        Final-Recipient: rfc822; bob@elsewhere.example\r\nAction: failed\r\nStatus: 5.2.1\r\n--b--\r\n";
    let bob = house.world.taken()[0].rcpts[0].replace(['<', '>'], "");
    let report = report.replace("bob@elsewhere.example", &bob);
    let forged = format!("secure-mail+{}@house.example", "0".repeat(26));
    for to in [forged.as_str(), back, back, forged.as_str()] {
        assert_eq!(from_outside(&house, "", to, &report).await, 250, "{to}");
    }
    let after = inbox(&house, before + 1).await;
    assert_eq!(after.len(), before + 1, "told once, and not at all of what we did not send");
    let note = after.last().unwrap();
    assert!(note.contains(&bob) && note.contains("5.2.1"), "{note}");
    assert!(!note.contains("Hornet-3311"), "{note}");
    assert_eq!(house.world.taken().len(), 1, "a report is answered to nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_greylisted_invitation_arrives_once() {
    let refused = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&refused);
    let world = Plan::default().rule(move |asked| {
        if asked.line.starts_with("RCPT") && count.fetch_add(1, Ordering::SeqCst) < 2 {
            return Act::Say("451 4.7.1 greylisted".into());
        }
        Act::Usual
    });
    let house = House::with(world, "").await;
    let message = letter("[secure] Offer", "Dear Bob", "");
    let to = ["bob@elsewhere.example"];
    let reply = house.alice_sends().await.send("alice@house.example", &to, &message).await;
    assert!(reply.is(250, "2.0.0"), "{reply:?}");
    for tries in [1, 2] {
        until("the next try", async || (attempts(&house).await >= tries).then_some(())).await;
        house.clock.pass(16 * MINUTE);
        house.flow().queue_bell.notify_one();
    }
    let taken = house.world.wait_for(1).await;
    assert_eq!(taken.len(), 1);
    let text = String::from_utf8_lossy(&taken[0].text);
    assert!(text.contains("Auto-Submitted: auto-generated"), "{text}");
    assert_eq!(refused.load(Ordering::SeqCst), 3, "two refusals and one that was taken");
}

/// A world that is shut at first, and how it is opened.
fn shut() -> (Plan, Arc<AtomicBool>) {
    let shut = Arc::new(AtomicBool::new(true));
    let closed = Arc::clone(&shut);
    let world = Plan::default().rule(move |asked| {
        if asked.line == "greeting" && closed.load(Ordering::SeqCst) {
            return Act::Close("421 4.3.2 not now".into());
        }
        Act::Usual
    });
    (world, shut)
}

/// Sends so many messages into a world that is shut, each to somebody else at one of these domains.
async fn send_into(house: &House, count: usize, domain: impl Fn(usize) -> String) {
    for n in 0..count {
        let to = format!("carol{n}@{}", domain(n));
        let message = letter("Offer", &format!("number {n}"), "");
        let reply = house.alice_sends().await.send("alice@house.example", &[&to], &message).await;
        assert!(reply.is(250, "2.0.0"), "{reply:?}");
    }
}

/// Opens the world once every first try has failed, so that none fails after the clock went on.
async fn open_later(house: &House, shut: &AtomicBool, count: usize) {
    all_tried(house).await;
    shut.store(false, Ordering::SeqCst);
    house.clock.pass(6 * MINUTE);
    house.flow().queue_bell.notify_one();
    house.world.wait_for(count).await;
    house.queue_is_empty().await;
}

/// To how many somebodies these went.
fn recipients(taken: &[Taken]) -> usize {
    taken.iter().flat_map(|taken| &taken.rcpts).collect::<BTreeSet<_>>().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_survives_a_restart_and_goes_out_once() {
    let (world, shut) = shut();
    let mut house = House::with(world, "").await;
    send_into(&house, 10, |n| format!("far{}.example", n % 3)).await;
    house.stop().await;
    house.start().await;
    assert_eq!(house.flow().store.queue(None, 100).await.unwrap().len(), 10);
    open_later(&house, &shut, 10).await;
    house.stop().await;
    let taken = house.world.taken();
    assert_eq!((taken.len(), recipients(&taken)), (10, 10), "each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_waited_goes_out_over_one_connection_and_the_stop_ends_it_politely() {
    let (world, shut) = shut();
    let mut house = House::with(world, "[limits]\nremote_connections_per_domain = 1\n").await;
    send_into(&house, 8, |_| "far.example".into()).await;
    open_later(&house, &shut, 8).await;
    house.stop().await;
    let used = |world: &Peer| -> Vec<Session> {
        world.sessions().into_iter().filter(|session| !session.taken.is_empty()).collect()
    };
    assert_eq!(used(&house.world).len(), 1, "one connection for all of them");
    house.world.wait_until(|world| used(world)[0].inside.ends_with(b"QUIT\r\n")).await;
    assert_eq!(recipients(&used(&house.world)[0].taken), 8, "each once");
}

/// However many come at the same moment: the queue takes what it has room for, and the rest is told to come again.
#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_do_not_pass_the_limit_of_the_queue() {
    let world = Plan::default().rule(|asked| match asked.line {
        "greeting" => Act::Close("421 4.3.2 not now".into()),
        _ => Act::Usual,
    });
    let house = House::with(world, "[limits]\nqueue_messages = 5\n").await;
    for round in 0..4 {
        let mut ready = Vec::new();
        for n in 0..8 {
            let mut alice = house.alice_sends().await;
            let to = format!("RCPT TO:<carol{round}{n}@far.example>");
            for (line, code) in [("MAIL FROM:<alice@house.example>", 250), (to.as_str(), 250), ("DATA", 354)]
            {
                assert_eq!(alice.ask(line).await.code, code, "{line}");
            }
            ready.push((n, alice));
        }
        let ends = ready.into_iter().map(|(n, mut alice)| {
            tokio::spawn(async move {
                alice.put(format!("Subject: {round} {n}\r\n\r\nx\r\n.\r\n").as_bytes()).await;
                alice.reply().await
            })
        });
        let mut taken = 0;
        for end in ends.collect::<Vec<_>>() {
            let reply = end.await.unwrap();
            assert!(reply.is(250, "2.0.0") || reply.is(452, "4.3.1"), "{reply:?}");
            taken += usize::from(reply.code == 250);
        }
        let queue = house.flow().store.queue(None, 100).await.unwrap();
        assert_eq!((taken, queue.len()), (5, 5), "in round {round}");
        assert_eq!(house.alice_reads().await.messages("Sent").await.len(), 5 * (round + 1));
        for record in queue {
            assert!(guardpost::flow::queue::cancel(house.flow(), record.id).await.unwrap());
        }
    }
}
