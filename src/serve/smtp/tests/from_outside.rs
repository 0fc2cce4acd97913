//! What strangers' servers send, and what they are told.

use crate::base::address::Address;
use crate::base::secret::Secret;
use crate::serve::smtp::tests::Client;
use crate::serve::smtp::tests::ENVELOPE;
use crate::serve::smtp::tests::MAIL;
use crate::serve::smtp::tests::OPENING;
use crate::serve::smtp::tests::PASSWORD;
use crate::serve::smtp::tests::World;

/// Senders that no account here could have.
const ODD: [&str; 7] = [
    "firstname.lastname+SRS=AbCdE=FG=long-domain.example.com=other.person@contoso.com",
    "bounces+12345-ab12-first.last=company-name-long-enough.example.de@em1.sender.example",
    "www-data@web_01.example.net",
    "root@[192.0.2.7]",
    "a..b@docomo.example",
    "a.@docomo.example",
    "\"a> b\"@web_01.example.net",
];

#[tokio::test]
async fn a_sender_that_is_no_address_is_taken_from_strangers_alone() {
    let world = World::new().await;
    let mut client = world.mx().await;
    client.ask(OPENING).await;
    for from in ODD {
        client.send(ENVELOPE.replace("x@example.net", from).as_bytes()).await;
        for want in ["250 2.1.0", "250 2.1.5", "354 "] {
            let reply = client.reply().await;
            assert!(reply.starts_with(want), "{from}: {reply}");
        }
        assert!(client.ask(MAIL).await.starts_with("250 2.0.0 taken as "), "{from}");
    }
    let inbox = world.inbox().await;
    assert_eq!(inbox.len(), ODD.len());
    for (from, message) in ODD.iter().zip(&inbox) {
        assert!(message.starts_with(&format!("Return-Path: <{from}>\r\n")), "{from}: {message}");
    }

    let mut client = world.submission().await;
    for from in ODD {
        let reply = client.ask(&format!("MAIL FROM:<{from}>\r\n")).await;
        assert!(reply.starts_with("501 5.1.7"), "{from}: {reply}");
    }
}

/// Nothing is sent to what is no address.
#[tokio::test]
async fn a_sender_that_is_no_address_gets_no_automatic_answer() {
    let world = World::new().await;
    let mut client = world.mx().await;
    client.ask(OPENING).await;
    let envelope = ENVELOPE.replace("alice@", "secure-mail@");
    for (from, queued) in [(ODD[2], 0), (ODD[0], 0), ("x@example.net", 1)] {
        client.send(envelope.replace("x@example.net", from).as_bytes()).await;
        for _ in 0..3 {
            client.reply().await;
        }
        assert!(client.ask(MAIL).await.starts_with("250 2.0.0 taken as "), "{from}");
        assert_eq!(world.queued().await, queued, "{from}");
    }
}

/// Says these recipients and a message of so many octets; the answer to each recipient that begins with "5", and what
/// the message is answered with, empty when nobody was left.
async fn handed_over(
    client: &mut Client,
    parameter: &str,
    to: &[&str],
    length: usize,
) -> (Vec<String>, String) {
    client.ask(&format!("MAIL FROM:<x@example.net>{parameter}\r\n")).await;
    let mut refused = Vec::new();
    for to in to {
        let reply = client.ask(&format!("RCPT TO:<{to}@example.org>\r\n")).await;
        refused.extend(reply.starts_with('5').then_some(reply));
    }
    if refused.len() == to.len() {
        client.ask("RSET\r\n").await;
        return (refused, String::new());
    }
    client.ask("DATA\r\n").await;
    let line = format!("{}\r\n", "x".repeat(98));
    let message = format!("Subject: large\r\n\r\n{}.\r\n", line.repeat(length / line.len()));
    (refused, client.ask(&message).await)
}

#[tokio::test]
async fn a_full_mailbox_is_refused_and_stands_in_nobodys_way() {
    let world = World::with("[accounts]\nquota = \"20 KiB\"").await;
    let bob = Address::parse("bob@example.org").unwrap();
    world.flow.add_account(&bob, &Secret::new(PASSWORD.to_owned())).await.unwrap();
    let mut client = world.mx().await;
    client.ask(OPENING).await;
    let (refused, taken) = handed_over(&mut client, "", &["bob"], 12_000).await;
    assert!(refused.is_empty() && taken.starts_with("250 2.0.0"), "{refused:?} {taken}");

    // Nobody said how large it is: alone he is refused for good; where others are, they come again.
    let (refused, reply) = handed_over(&mut client, "", &["bob"], 12_000).await;
    assert!(refused.is_empty() && reply.starts_with("552 5.2.2"), "{refused:?} {reply}");
    let (refused, reply) = handed_over(&mut client, "", &["alice", "bob"], 12_000).await;
    assert!(refused.is_empty() && reply.starts_with("452 4.2.2"), "{refused:?} {reply}");
    assert_eq!(world.stored().await, 0);

    // It was said: he is told when he is named.
    for (number, to) in [["alice", "bob"], ["bob", "alice"]].iter().enumerate() {
        let (refused, reply) = handed_over(&mut client, " SIZE=6000", to, 6_000).await;
        let full = "552 5.2.2 the mailbox of <bob@example.org> is full; nothing was taken";
        assert_eq!(refused, [full], "{to:?}");
        assert!(reply.starts_with("250 2.0.0"), "{reply}");
        assert_eq!(world.stored().await, number + 1);
    }

    // So full that nothing goes in any more.
    let (_, taken) = handed_over(&mut client, "", &["bob"], 5_000).await;
    assert!(taken.starts_with("250 2.0.0"), "{taken}");
    let (refused, _) = handed_over(&mut client, "", &["bob"], 100).await;
    assert!(refused[0].starts_with("552 5.2.2"), "{refused:?}");
}
