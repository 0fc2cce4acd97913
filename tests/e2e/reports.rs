//! What senders are told who ask to know that a message was delivered (RFC 3461, NOTIFY=SUCCESS).

use crate::alias::folder;
use crate::harness::House;
use crate::harness::PASSWORD;
use crate::mail_client::Reply;
use crate::mail_client::Smtp;
use crate::mail_client::stuffed;
use crate::main_job::leads_to_an_invitation;
use crate::peer::Peer;
use crate::peer::Plan;
use guardpost::app::clock::SystemClock;
use guardpost::base::address::Address;
use guardpost::base::time::Clock;
use guardpost::openpgp::generate::generate;

const ALICE: &str = "alice@house.example";
const CAROL: &str = "carol@house.example";
const BOB: &str = "bob@far.example";
const DORA: &str = "dora@far.example";

/// One that knows no DSN: what happens behind it nobody will tell.
async fn silent_peer() -> Peer {
    Plan::default().extensions(&["PIPELINING", "8BITMIME", "SIZE 52428800"]).open().await
}

/// Alice and Carol are here, Dora has a key.
async fn house() -> House {
    let house = House::among(silent_peer().await, None, "").await;
    house.add_account(ALICE, PASSWORD).await;
    house.add_account(CAROL, PASSWORD).await;
    let made = generate(&Address::parse(DORA).unwrap(), SystemClock.now()).unwrap();
    house.flow().import_certificate(made.certificate.clone()).await.unwrap();
    house
}

/// A transaction with these parameters.
async fn send(smtp: &mut Smtp, mail: &str, rcpts: &[&str], message: &str) -> Reply {
    let reply = smtp.ask(&format!("MAIL FROM:{mail}")).await;
    assert_eq!(reply.code, 250, "{mail}: {reply:?}");
    for rcpt in rcpts {
        let reply = smtp.ask(&format!("RCPT TO:{rcpt}")).await;
        assert_eq!(reply.code, 250, "{rcpt}: {reply:?}");
    }
    assert_eq!(smtp.ask("DATA").await.code, 354);
    smtp.put(&stuffed(message)).await;
    smtp.reply().await
}

fn message(subject: &str) -> String {
    format!("From: {ALICE}\r\nTo: {CAROL}\r\nSubject: {subject}\r\n\r\nBODY-{subject}\r\n")
}

/// Every report with this action that is in Alice's INBOX, unfolded; she has `count` mails there.
async fn reports(house: &House, count: usize, action: &str) -> Vec<String> {
    let inbox = folder(house, ALICE, "INBOX", count).await;
    let action = format!("Action: {action}\r\n");
    let reports = inbox.into_iter().filter(|mail| mail.contains(&action));
    reports.map(|mail| mail.replace("=\r\n", "").replace("\r\n ", " ").replace("\r\n\t", " ")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_who_asks_is_told_where_every_recipient_s_copy_lies() {
    let house = house().await;
    let mut alice = house.alice_sends().await;
    let rcpts = [
        format!("<{CAROL}> NOTIFY=SUCCESS ORCPT=rfc822;carol+2Bnews@x.example"),
        format!("<{BOB}> NOTIFY=SUCCESS,FAILURE,DELAY"),
        format!("<{DORA}> NOTIFY=SUCCESS"),
    ];
    let rcpts = rcpts.each_ref().map(String::as_str);
    let mail = format!("<{ALICE}> RET=FULL ENVID=QQ+2B7");
    let reply = send(&mut alice, &mail, &rcpts, &message("[secure] Avocet-5521")).await;
    assert!(reply.is(250, "2.0.0"), "{reply:?}");
    // The PIN, and two reports.
    let here = reports(&house, 3, "delivered").await;
    let beyond = reports(&house, 3, "relayed").await;
    assert_eq!((here.len(), beyond.len()), (1, 1), "one for what is here, one for who was handed it");
    let (here, beyond) = (&here[0], &beyond[0]);
    for part in [
        "multipart/report; report-type=delivery-status",
        "Original-Envelope-Id: QQ+7\r\n",
        "Original-Recipient: rfc822; carol+news@x.example\r\n",
        &format!("Final-Recipient: rfc822; {CAROL}\r\n"),
        &format!("Final-Recipient: rfc822; {BOB}\r\n"),
        "Status: 2.0.0\r\n",
        "in the mailbox of this address on this server",
        "in the temporary mailbox of this address on this server",
        "This does not say that anybody has read it",
        "Subject: Avocet-5521",
    ] {
        assert!(here.contains(part), "{part} is not in\n{here}");
    }
    assert!(!here.contains(DORA), "{here}");
    assert!(beyond.contains(&format!("Final-Recipient: rfc822; {DORA}\r\n")), "{beyond}");
    assert!(beyond.contains("Original-Envelope-Id: QQ+7\r\n"), "{beyond}");
    for report in [here, beyond] {
        assert!(
            !report.contains("BODY-") && !leads_to_an_invitation(report),
            "headers, whatever RET says: {report}"
        );
    }
    // What it says is so.
    assert_eq!(folder(&house, CAROL, "INBOX", 1).await.len(), 1);
    house.world.wait_for(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_who_did_not_ask_and_never_the_null_sender() {
    let house = house().await;
    let mut alice = house.alice_sends().await;
    let named = format!("<{ALICE}>");
    for (mail, wish) in [
        (named.as_str(), ""),
        (named.as_str(), " NOTIFY=NEVER"),
        (named.as_str(), " NOTIFY=FAILURE,DELAY"),
        ("<>", " NOTIFY=SUCCESS"),
    ] {
        let rcpts = [CAROL, DORA].map(|to| format!("<{to}>{wish}"));
        let rcpts = [rcpts[0].as_str(), rcpts[1].as_str()];
        let reply = send(&mut alice, mail, &rcpts, &message(&format!("quiet{wish}"))).await;
        assert!(reply.is(250, "2.0.0"), "{mail}{wish}: {reply:?}");
    }
    house.world.wait_for(4).await;
    // Nonsense is refused before anything is taken.
    assert_eq!(alice.ask(&format!("MAIL FROM:{named} ENVID=+ZZ")).await.code, 501);
    assert_eq!(alice.ask(&format!("MAIL FROM:{named}")).await.code, 250);
    for wish in ["NOTIFY=SUCCESS,NEVER", "NOTIFY=SUCCESS ORCPT=rfc822;a+2", "ORCPT=carol@x.example"] {
        let reply = alice.ask(&format!("RCPT TO:<{CAROL}> {wish}")).await;
        assert!(reply.is(501, "5.5.4"), "{wish}: {reply:?}");
    }
    assert_eq!(alice.ask("RSET").await.code, 250);
    let rcpt = format!("<{CAROL}> NOTIFY=SUCCESS");
    assert_eq!(send(&mut alice, &named, &[&rcpt], &message("asked")).await.code, 250);
    // What is there when the one report is there was all there is: reports of deliveries here come with the 250.
    let inbox = folder(&house, ALICE, "INBOX", 1).await;
    assert!(inbox.len() == 1 && inbox[0].contains("Subject: asked"), "{inbox:#?}");
    house.queue_is_empty().await;
    assert_eq!(house.alice_reads().await.messages("INBOX").await.len(), 1, "none of those handed on");
}
