//! A real Postfix writes to a secure alias: without TLS its sender gets that back at once, with TLS it arrives.

use crate::alias::ALIAS;
use crate::alias::ALICE;
use crate::alias::folder;
use crate::alias::switch;
use crate::harness::House;
use crate::harness::PASSWORD;
use crate::mail_client::Smtp;
use crate::mail_client::field;
use crate::net::postfix::Postfix;
use crate::net::postfix::Server;
use crate::peer::Plan;
use crate::zones::free_place;
use guardpost::net::listen::Service;

const CAROL: &str = "carol@house.example";

/// A Postfix for far.example whose mail for the house goes to its port, over TLS as `level` says; and its own door.
async fn postfix(house: &House, level: &str) -> (Postfix, Smtp) {
    let hop = format!("smtp:[127.0.0.1]:{}", house.port(Service::Smtp));
    let more = format!(
        "virtual_mailbox_domains = far.example\nvirtual_mailbox_maps = static:box/\nvirtual_transport = virtual\n\
         virtual_uid_maps = static:65534\nvirtual_gid_maps = static:65534\nsmtp_tls_security_level = {level}\n\
         transport_maps = inline:{{ {{house.example = {hop}}}, {{secure.house.example = {hop}}} }}\n"
    );
    let door = free_place();
    let server = Server { address: door, name: "mx.far.example", identity: None };
    let postfix = Postfix::carrying(server, &more).await;
    let smtp = Smtp::connect_plain(door).await;
    (postfix, smtp)
}

/// How its own log says that a recipient ended.
async fn end(postfix: &Postfix, to: &str) -> String {
    let what = format!("to=<{to}>");
    let end = |lines: &[String]| {
        lines.iter().find(|line| line.contains(&what) && line.contains("status=")).cloned()
    };
    postfix.journal.wait(&what, end).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postfix_without_tls_gets_the_alias_back_and_the_other_recipient_through() {
    let house = House::with_aliases(Plan::default().open().await, None, "").await;
    house.add_account(CAROL, PASSWORD).await;
    switch(&house, ALICE, true).await;
    let text = "From: bob@far.example\r\nSubject: for two\r\n\r\nNuthatch-5521\r\n";

    let (bare, mut smtp) = postfix(&house, "none").await;
    assert_eq!(smtp.send("bob@far.example", &[CAROL, ALIAS], text).await.code, 250);
    let refused = end(&bare, ALIAS).await;
    let why = format!("550 5.7.1 <{ALIAS}> accepts mail over TLS only; nothing was taken");
    assert!(refused.contains("dsn=5.7.1, status=bounced") && refused.contains(&why), "{refused}");
    let sent = end(&bare, CAROL).await;
    assert!(sent.contains("status=sent (250 2.0.0"), "{sent}");
    let returned = bare.wait_for(1).await;
    let unfolded = returned[0].split_whitespace().collect::<Vec<_>>().join(" ");
    for words in ["Delivered-To: bob@far.example", "Action: failed", "accepts mail over TLS only"] {
        assert!(unfolded.contains(words), "{words} is not in\n{}", returned[0]);
    }
    assert!(!unfolded.contains(&format!("rfc822; {CAROL}")), "{}", returned[0]);
    let inbox = folder(&house, CAROL, "INBOX", 1).await;
    assert!(inbox[0].contains("Nuthatch-5521"), "{}", inbox[0]);
    assert!(field(&inbox[0], "Received").unwrap().contains("with ESMTP id"), "{}", inbox[0]);
    assert_eq!(house.alice_reads().await.select("INBOX").await, 0);
    assert!(end(&bare, CAROL).await == sent, "once");
    drop(bare);

    let (able, mut smtp) = postfix(&house, "may").await;
    assert_eq!(smtp.send("bob@far.example", &[CAROL, ALIAS], text).await.code, 250);
    let sent = end(&able, ALIAS).await;
    assert!(sent.contains("status=sent (250 2.0.0"), "{sent}");
    let inbox = folder(&house, ALICE, "INBOX", 1).await;
    assert_eq!(field(&inbox[0], "Delivered-To").as_deref(), Some(ALIAS));
    let received = field(&inbox[0], "Received").unwrap();
    assert!(received.contains("with ESMTPS (TLSv1.3 "), "{received}");
}
