//! What a secure alias refuses, and how its owner learns of it.

use crate::alias::ALIAS;
use crate::alias::ALICE;
use crate::alias::folder;
use crate::alias::message;
use crate::alias::outsider;
use crate::alias::switch;
use crate::harness::House;
use crate::harness::PASSWORD;
use crate::mail_client::Smtp;
use crate::mail_client::field;
use crate::patience::until;
use crate::peer::Plan;
use guardpost::base::address::Address;
use guardpost::net::listen::Service;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

async fn house() -> House {
    let house = House::with_aliases(Plan::default().open().await, None, "").await;
    switch(&house, ALICE, true).await;
    house
}

/// One attempt without TLS.
async fn attempt(house: &House, sender: &str) {
    let mut smtp = outsider(house, false).await;
    assert_eq!(smtp.ask(&format!("MAIL FROM:<{sender}>")).await.code, 250);
    let reply = smtp.ask(&format!("RCPT TO:<{ALIAS}>")).await;
    assert!(
        reply.is(550, &format!("5.7.1 <{ALIAS}> accepts mail over TLS only; nothing was taken")),
        "{reply:?}"
    );
}

/// Waits until so many attempts are kept that were not told: one that is not kept yet when the clock is put forward may
/// be told with the next ones.
async fn kept(house: &House, attempts: u64) {
    let account = Address::parse(ALICE).unwrap();
    let account = house.flow().store.mailbox_of(&account.key()).await.unwrap().unwrap();
    until("the attempts are kept", async || {
        let kept = house.flow().store.refused(account).await.unwrap()?;
        let counted = kept.attempts.iter().map(|attempt| attempt.count).sum::<u64>() + kept.more;
        (counted == attempts).then_some(())
    })
    .await;
}

/// Lets time pass, and the worker look.
fn pass(house: &House, span: Duration) {
    house.clock.pass(span);
    house.flow().refused.ring();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tls_the_alias_is_refused_and_the_rest_of_the_transaction_is_untouched() {
    let house = house().await;
    house.add_account("carol@house.example", PASSWORD).await;
    let mut smtp = outsider(&house, false).await;
    assert_eq!(smtp.ask("MAIL FROM:<bob@far.example>").await.code, 250);
    // More of them than a session may have errors.
    for _ in 0..40 {
        let reply = smtp.ask(&format!("RCPT TO:<{ALIAS}>")).await;
        assert!(reply.is(550, "5.7.1"), "{reply:?}");
    }
    assert_eq!(smtp.ask("RCPT TO:<carol@house.example>").await.code, 250);
    assert_eq!(smtp.ask("DATA").await.code, 354);
    smtp.put(b"Subject: for one\r\n\r\ntext\r\n.\r\n").await;
    assert_eq!(smtp.reply().await.code, 250);
    assert_eq!(folder(&house, "carol@house.example", "INBOX", 1).await.len(), 1);
    assert_eq!(house.alice_reads().await.select("INBOX").await, 0);

    // A handshake that fails, and a client that goes on in clear.
    let mut failing = crate::mail_client::dial(house.port(Service::Smtp), false).await;
    let mut said = Vec::new();
    for (line, end) in
        [("", " ESMTP\r\n"), ("EHLO x.example\r\n", "250 STARTTLS\r\n"), ("STARTTLS\r\n", "TLS\r\n")]
    {
        failing.write_all(line.as_bytes()).await.unwrap();
        while !said.ends_with(end.as_bytes()) {
            assert!(failing.read_buf(&mut said).await.unwrap() > 0);
        }
    }
    failing.write_all(b"MAIL FROM:<bob@far.example>\r\n").await.unwrap();
    let mut rest = Vec::new();
    let _ = failing.read_to_end(&mut rest).await;
    assert!(!String::from_utf8_lossy(&rest).contains("250 "), "{rest:?}");
    attempt(&house, "bob@far.example").await;

    // Over TLS it is taken, with what stands beside it.
    let mut smtp = outsider(&house, true).await;
    let to = [ALIAS, "carol@house.example"];
    assert_eq!(
        smtp.send("bob@far.example", &to, &message("bob@far.example", "both", "text")).await.code,
        250
    );
    let inbox = folder(&house, ALICE, "INBOX", 1).await;
    let received = field(&inbox[0], "Received").unwrap();
    assert!(received.contains("with ESMTPS (TLSv1.3 "), "{received}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_finds_what_was_refused_once_a_day() {
    let mut house = house().await;
    attempt(&house, "portal@booking.example").await;
    attempt(&house, "portal@booking.example").await;
    attempt(&house, "").await;
    let imap = async |house: &House| {
        let said = house.alice_reads().await.ask("LIST \"\" *").await.unwrap();
        said.lines.iter().any(|line| line.contains("Refused"))
    };
    assert!(!imap(&house).await, "no folder before there is something in it");
    // It is told what came before a restart.
    house.stop().await;
    house.start().await;
    pass(&house, 6 * MINUTE);
    let told = folder(&house, ALICE, "Refused", 1).await;
    assert!(imap(&house).await);
    let text = told[0].replace("=\r\n", "").replace("\r\n", " ");
    for words in [ALIAS, "portal@booking.example", "2 times", "client.example (127.0.0.0/24)", "empty sender"]
    {
        assert!(text.contains(words), "{words} is not in\n{}", told[0]);
    }
    assert!(!text.contains("127.0.0.1"), "no address where the log has none either");
    let stored = house.data();
    let exposed =
        |words: &[u8]| stored.iter().any(|(_, octets)| octets.windows(words.len()).any(|at| at == words));
    assert!(!exposed(b"booking.example"), "encrypted at rest");

    attempt(&house, "again@booking.example").await;
    pass(&house, 60 * MINUTE);
    attempt(&house, "more@booking.example").await;
    kept(&house, 2).await;
    pass(&house, DAY - 62 * MINUTE);
    assert_eq!(house.alice_reads().await.select("Refused").await, 1, "once a day");
    pass(&house, 10 * MINUTE);
    let told = folder(&house, ALICE, "Refused", 2).await;
    assert!(told[1].contains("again@booking.example") && told[1].contains("more@booking.example"));
    assert!(!told[1].contains("portal@booking.example"), "told before");
    assert_eq!(house.alice_reads().await.select("INBOX").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_attempts_are_one_small_message_and_few_writes() {
    let house = house().await;
    let account = Address::parse(ALICE).unwrap();
    let account = house.flow().store.mailbox_of(&account.key()).await.unwrap().unwrap();
    for session in 0..10 {
        let mut wire = crate::mail_client::dial(house.port(Service::Smtp), false).await;
        let mut lines = "EHLO flood.example\r\n".to_owned();
        for sender in 0..10 {
            lines += &format!("MAIL FROM:<{sender}.{session}@flood.example>\r\n");
            lines += &format!("RCPT TO:<{ALIAS}>\r\n").repeat(100);
            lines += "RSET\r\n";
        }
        lines += "QUIT\r\n";
        let mut said = Vec::new();
        while !said.ends_with(b"\r\n") {
            assert!(wire.read_buf(&mut said).await.unwrap() > 0);
        }
        let (mut read, mut write) = tokio::io::split(wire);
        let speak = async { write.write_all(lines.as_bytes()).await.unwrap() };
        let hear = async { read.read_to_end(&mut said).await.unwrap() };
        let _ = tokio::join!(speak, hear);
        let said = String::from_utf8(said).unwrap();
        assert_eq!(said.matches("550 5.7.1").count(), 1_000, "{}", &said[said.len() - 300..]);
    }
    kept(&house, 10_000).await;
    pass(&house, 6 * MINUTE);
    let told = folder(&house, ALICE, "Refused", 1).await;
    let text = told[0].replace("=\r\n", "").replace("\r\n", " ");
    assert!(text.contains("10000 times"), "{}", told[0]);
    assert!(told[0].len() < 64 << 10, "{}", told[0].len());
    assert_eq!(told.len(), 1);
    let kept = house.flow().store.refused(account).await.unwrap().unwrap();
    assert!(kept.attempts.is_empty() && kept.since.is_none(), "{kept:?}");
    // The appliance is alive and takes what comes over TLS.
    let mut smtp = outsider(&house, true).await;
    assert_eq!(smtp.send("bob@far.example", &[ALIAS], &message("bob@far.example", "x", "x")).await.code, 250);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_digest_speaks_the_language_of_its_owner_and_names_addresses_where_the_log_may() {
    let house = House::with_aliases(Plan::default().open().await, None, "[privacy]\nlog_ip = true\n").await;
    switch(&house, ALICE, true).await;
    let mut smtp = Smtp::silent(house.port(Service::Smtp), false).await;
    assert_eq!(smtp.ask("EHLO [127.0.0.1]").await.code, 250);
    assert_eq!(smtp.ask("MAIL FROM:<bob@far.example>").await.code, 250);
    assert_eq!(smtp.ask(&format!("RCPT TO:<{ALIAS}>")).await.code, 550);
    pass(&house, 6 * MINUTE);
    let told = folder(&house, ALICE, "Refused", 1).await;
    assert!(told[0].contains("[127.0.0.1] (127.0.0.1)"), "{}", told[0]);
    assert_eq!(field(&told[0], "Auto-Submitted").as_deref(), Some("auto-generated"));
}
