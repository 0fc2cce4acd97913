//! What of a submission leaves: lines, octets and extensions that every server takes.

use super::*;
use crate::flow::signing::key_record;
use crate::flow::signing::make_missing_keys;
use crate::mime::dkim::tests::Zone;
use crate::mime::dkim::tests::judged;
use crate::mime::header::Header;
use crate::openpgp::export;
use crate::openpgp::generate::generate_for;

#[tokio::test]
async fn long_lines_of_a_header_are_folded_and_signed() {
    let world = World::new().await;
    let (store, config) = (&*world.flow.store, world.flow.config());
    make_missing_keys(store, &config, world.clock.now()).await.unwrap();
    let keys = store.signing_keys(&config.domains[0].name).await.unwrap();
    let name = |selector: &str| format!("{selector}._domainkey.example.org.");
    let zone = Zone::of(keys.iter().map(|key| (name(&key.selector), key_record(key))));
    let to: Vec<String> = (0..60).map(|n| format!("\"Doe, {n}\" <somebody.{n}@example.net>")).collect();
    for (number, comma) in [", ", ","].into_iter().enumerate() {
        let line = to.join(comma);
        assert!(line.len() > 1_500);
        let plain = format!("From: alice@example.org\r\nTo: {line}\r\nSubject: {number}\r\n\r\nhello\r\n");
        world.submit(&["somebody.0@example.net"], &plain).await.unwrap();
        let queue = world.queue().await;
        assert_eq!(queue.len(), number + 1);
        let subject = number.to_string();
        let (_, text) = queue.iter().find(|(_, text)| field(text, "Subject") == Some(&subject)).unwrap();
        assert!(text.lines().all(|line| line.len() <= 998), "{text}");
        assert_eq!(judged(text.as_bytes(), &zone).await, [true, true], "{text}");
        let header = Header::parse(text.as_bytes());
        let read: Vec<String> = header.addresses("to").addresses().map(|to| to.to_string()).collect();
        let want: Vec<String> = (0..60).map(|n| format!("somebody.{n}@example.net")).collect();
        assert_eq!(read, want);
    }
}

#[tokio::test]
async fn a_header_that_cannot_be_folded_is_refused() {
    let world = World::new().await;
    let word = "w".repeat(1_200);
    let plain = format!("From: alice@example.org\r\nReferences: <{word}@x.example>\r\n\r\nhello\r\n");
    match world.submit(&["bob@example.net"], &plain).await {
        Err(TakeError::Malformed(text)) => assert!(text.contains("References"), "{text}"),
        other => panic!("{other:?}"),
    }
    assert!(world.queue().await.is_empty());
}

#[tokio::test]
async fn nul_leaves_in_no_message() {
    let world = World::new().await;
    let plain = "From: alice@example.org\r\nTo: bob@example.net\r\nSubject: lunch\r\n\r\na\0b\r\n";
    world.submit(&["bob@example.net"], plain).await.unwrap();
    let (_, text) = &world.queue().await[0];
    assert!(!text.contains('\0') && text.contains("\r\n\r\na=00b\r\n"), "{text}");
    let signed = "From: alice@example.org\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n\
        a\0b\r\n--b\r\n\r\nsignature\r\n--b--\r\n";
    let refused = world.submit(&["bob@example.net"], signed).await;
    assert!(matches!(refused, Err(TakeError::Refused(ref reply)) if reply.status == Some((5, 6, 3))));
}

/// What stands inside the ciphertext needs no SMTPUTF8, what stands in front of it does.
#[tokio::test]
async fn an_encrypted_subject_needs_no_smtputf8() {
    let world = World::new().await;
    let month = Duration::from_secs(30 * 24 * 3_600);
    let made = generate_for(&address("bob@example.net"), world.clock.now(), month).unwrap();
    let armored = export::certificate(&made.parsed).unwrap();
    world.flow.import_certificate(armored.into_bytes()).await.unwrap();
    for (name, needed) in [("Alice", false), ("Älice", true)] {
        let message = format!(
            "From: {name} <alice@example.org>\r\nTo: bob@example.net\r\nSubject: [secure] Grüße\r\n\r\n{name}\r\n"
        );
        world.submit(&["bob@example.net"], &message).await.unwrap();
        let queue = world.flow.store.queue(None, 100).await.unwrap();
        assert_eq!(queue.len(), 1);
        assert_eq!((queue[0].smtputf8, queue[0].eight_bit), (needed, false), "{name}");
        assert!(world.queue().await[0].1.contains("multipart/encrypted"));
        world.flow.store.commit(vec![Command::CancelQueued { queue: queue[0].id }]).await.unwrap();
    }
}
