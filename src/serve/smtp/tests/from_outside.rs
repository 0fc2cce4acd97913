//! What strangers' servers send, and what they are told.

use crate::serve::smtp::tests::ENVELOPE;
use crate::serve::smtp::tests::MAIL;
use crate::serve::smtp::tests::OPENING;
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
