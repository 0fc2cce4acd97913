//! Secure aliases: addresses that take and send mail over TLS only.

mod outside;
mod policy;
mod refused;

use crate::harness::House;
use crate::harness::PASSWORD;
use crate::mail_client::Smtp;
use crate::mail_client::field;
use crate::patience::PATIENCE;
use crate::peer::Act;
use crate::peer::Plan;
use crate::peer::Session;
use guardpost::base::address::Address;
use guardpost::net::listen::Service;
use guardpost::serve::control::TroubleKind;
use guardpost::serve::control::request::Request;
use guardpost::store::record::Folder;
use serde_json::Value;
use serde_json::json;
use tokio::time::timeout;

pub const ALICE: &str = "alice@house.example";
pub const ALIAS: &str = "alice@secure.house.example";

/// A message of these senders.
pub fn message(from: &str, subject: &str, body: &str) -> String {
    format!("From: {from}\r\nTo: bob@far.example\r\nSubject: {subject}\r\n\r\n{body}\r\n")
}

pub async fn switch(house: &House, account: &str, active: bool) -> Value {
    let request = Request::AccountAlias { address: account.into(), active };
    house.control(&request).await.unwrap()
}

pub async fn set_level(house: &House, account: &str, level: &str) -> Value {
    let request = Request::AccountPolicy { address: account.into(), level: level.into() };
    house.control(&request).await.unwrap()
}

/// Waits until a folder of an account holds `count` messages, and reads them.
pub async fn folder(house: &House, account: &str, folder: &str, count: usize) -> Vec<String> {
    let address = Address::parse(account).unwrap();
    let mailbox = house.flow().store.mailbox_of(&address.key()).await.unwrap().unwrap();
    let mut changes = house.flow().store.watch(mailbox);
    let enough = async {
        loop {
            changes.mark_unchanged();
            let folders = house.flow().store.folders(mailbox).await.unwrap();
            let there = folders.iter().find(|known| known.name == folder);
            if there.is_some_and(|there| there.messages as usize >= count) {
                return;
            }
            changes.changed().await.unwrap();
        }
    };
    timeout(PATIENCE, enough).await.unwrap_or_else(|_| panic!("{count} messages in {folder} in time"));
    house.imap(account, PASSWORD).await.messages(folder).await
}

/// A server from outside, introduced; over TLS or not.
pub async fn outsider(house: &House, tls: bool) -> Smtp {
    let mut smtp = Smtp::connect(house.port(Service::Smtp), false).await;
    if tls {
        smtp.start_tls().await;
    }
    smtp
}

/// What a session without TLS held, word by word: nothing but greetings.
pub fn only_greetings(session: &Session) -> bool {
    let plain = String::from_utf8_lossy(&session.plain).into_owned();
    let words = ["EHLO mail.house.example", "HELO mail.house.example", "STARTTLS", "QUIT"];
    session.taken.is_empty()
        && session.inside.is_empty()
        && plain.lines().all(|line| words.contains(&line.trim_end()))
}

async fn from_outside(house: &House, to: &str) -> u16 {
    let mut smtp = outsider(house, true).await;
    smtp.send("bob@far.example", &[to], &message("bob@far.example", "hello", "text")).await.code
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_is_unknown_until_it_is_switched_on_and_again_when_it_is_off() {
    let mut house = House::with_aliases(Plan::default().open().await, None, "").await;
    let unknown = async |house: &House| {
        let mut smtp = outsider(house, true).await;
        assert_eq!(smtp.ask("MAIL FROM:<bob@far.example>").await.code, 250);
        let reply = smtp.ask(&format!("RCPT TO:<{ALIAS}>")).await;
        assert!(reply.is(550, "5.1.1"), "{reply:?}");
        let mut alice = house.alice_sends().await;
        let reply = alice.ask(&format!("MAIL FROM:<{ALIAS}>")).await;
        assert!(reply.is(553, "5.7.1"), "{reply:?}");
        for senders in [
            format!("From: {ALIAS}"),
            format!("From: {ALICE}, {ALIAS}"),
            format!("From: {ALICE}\r\nSender: {ALIAS}"),
            format!("From: {ALICE}\r\nResent-From: {ALIAS}"),
            format!("From: {ALICE}\r\nResent-Sender: {ALIAS}"),
        ] {
            let text = format!("{senders}\r\nSubject: x\r\n\r\nx\r\n");
            let reply = alice.send(ALICE, &["bob@far.example"], &text).await;
            assert!(reply.is(553, "5.7.1"), "{senders}: {reply:?}");
        }
        let reply = alice.send(ALICE, &[ALIAS], &message(ALICE, "x", "x")).await;
        assert!(reply.is(550, "5.1.1"), "{reply:?}");
        let shown = house.control(&Request::AccountList {}).await.unwrap();
        assert_eq!((&shown[0]["secure_alias"], &shown[0]["policy"]), (&Value::Null, &Value::Null));
    };
    unknown(&house).await;
    let on = json!({ "secure_alias": ALIAS, "active": true, "policy": "encrypt" });
    assert_eq!(switch(&house, ALICE, true).await, on);
    assert_eq!(switch(&house, ALICE, true).await, on, "twice is once");
    house.stop().await;
    house.start().await;
    let shown = house.control(&Request::AccountShow { address: ALICE.into() }).await.unwrap();
    assert_eq!(shown["alias"], on);
    let shown = house.control(&Request::AccountList {}).await.unwrap();
    assert_eq!((&shown[0]["secure_alias"], &shown[0]["policy"]), (&json!(ALIAS), &json!("encrypt")));
    assert_eq!(from_outside(&house, ALIAS).await, 250);
    let inbox = folder(&house, ALICE, "INBOX", 1).await;
    assert_eq!(field(&inbox[0], "Delivered-To").as_deref(), Some(ALIAS), "the same INBOX");
    for role in ["postmaster", "abuse"] {
        let mut smtp = outsider(&house, false).await;
        let to = format!("{role}@secure.house.example");
        let reply = smtp.send("bob@far.example", &[&to], &message("bob@far.example", role, "text")).await;
        assert_eq!(reply.code, 250, "whoever has trouble with TLS must be able to say so: {reply:?}");
    }
    let mut alice = house.alice_sends().await;
    let reply = alice.send(ALIAS, &["bob@far.example"], &message(ALIAS, "hello", "Cormorant")).await;
    assert!(reply.is(250, "2.0.0"), "{reply:?}");
    let taken = house.world.wait_for(1).await;
    assert!(taken[0].tls && taken[0].mail.starts_with(&format!("<{ALIAS}>")), "{}", taken[0].mail);
    let text = String::from_utf8(taken[0].text.clone()).unwrap().replace("\r\n\t", " ").replace("\r\n ", " ");
    assert_eq!(text.matches("DKIM-Signature:").count(), 2, "{text}");
    assert_eq!(text.matches(" d=secure.house.example;").count(), 2, "aligned with From: {text}");
    let zone = house.control(&Request::Dns {}).await.unwrap().to_string();
    for record in ["IN MX 10", "v=spf1 mx -all", "v=DMARC1", "_domainkey.secure.house.example"] {
        let ours =
            zone.split("\",\"").any(|line| line.contains("secure.house.example") && line.contains(record));
        assert!(ours, "{record}");
    }
    let sent = folder(&house, ALICE, "Sent", 1).await;
    let delivery = field(&sent[0], "X-Guardpost-Delivery");
    assert_eq!(delivery.as_deref(), Some("bob@far.example; plain, tls-policy=encrypt"));

    let off = json!({ "secure_alias": ALIAS, "active": false, "policy": "encrypt" });
    assert_eq!(switch(&house, ALICE, false).await, off);
    unknown(&house).await;
    // An alias of a domain that guard.toml names no longer is unknown, whatever it was.
    switch(&house, ALICE, true).await;
    house.stop().await;
    house.aliases = false;
    house.start().await;
    let mut smtp = outsider(&house, true).await;
    assert_eq!(smtp.ask("MAIL FROM:<bob@far.example>").await.code, 250);
    assert!(smtp.ask(&format!("RCPT TO:<{ALIAS}>")).await.is(550, "5.7.1"), "a foreign domain");
    let mut alice = house.alice_sends().await;
    assert!(alice.ask(&format!("MAIL FROM:<{ALIAS}>")).await.is(553, "5.7.1"));
    let on = Request::AccountAlias { address: ALICE.into(), active: true };
    assert_eq!(house.control(&on).await.unwrap_err().kind, TroubleKind::Refused);
    // It is switched on still, as can be seen; once it is off it stays so when the domain is back.
    let shown = house.control(&Request::AccountShow { address: ALICE.into() }).await.unwrap();
    assert_eq!(shown["alias"], json!({ "secure_alias": null, "active": true, "policy": "encrypt" }));
    let off = json!({ "secure_alias": null, "active": false, "policy": "encrypt" });
    assert_eq!(switch(&house, ALICE, false).await, off);
    assert_eq!(house.control(&on).await.unwrap_err().kind, TroubleKind::Refused);
    house.stop().await;
    house.aliases = true;
    house.start().await;
    assert_eq!(from_outside(&house, ALIAS).await, 550);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_goes_with_its_account_and_a_typo_is_no_level() {
    let house = House::with_aliases(Plan::default().open().await, None, "").await;
    for level in ["", "encrypted", "Encrypt", "opportunistic", "dane", "dane-only+verify"] {
        let request = Request::AccountPolicy { address: ALICE.into(), level: level.into() };
        assert_eq!(house.control(&request).await.unwrap_err().kind, TroubleKind::Usage, "{level}");
    }
    assert_eq!(set_level(&house, ALICE, "dane-only").await["active"], false, "a level switches nothing on");
    assert_eq!(switch(&house, ALICE, true).await["policy"], "dane-only", "and stays");
    assert_eq!(from_outside(&house, ALIAS).await, 250);
    for unknown in ["nobody@house.example", ALIAS] {
        let request = Request::AccountAlias { address: unknown.into(), active: true };
        assert_eq!(house.control(&request).await.unwrap_err().kind, TroubleKind::Refused, "{unknown}");
    }
    house.control(&Request::AccountRemove { address: ALICE.into() }).await.unwrap();
    assert_eq!(from_outside(&house, ALIAS).await, 550);
    house.add_account(ALICE, PASSWORD).await;
    assert_eq!(from_outside(&house, ALIAS).await, 550, "another account of that address begins anew");
    let shown = house.control(&Request::AccountShow { address: ALICE.into() }).await.unwrap();
    assert_eq!(shown["alias"], json!({ "secure_alias": ALIAS, "active": false, "policy": "encrypt" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_here_write_to_an_alias_and_get_one_copy_each() {
    let house = House::with_aliases(Plan::default().open().await, None, "").await;
    house.add_account("carol@house.example", PASSWORD).await;
    switch(&house, ALICE, true).await;
    let mut carol = house.submission("carol@house.example", PASSWORD).await;
    let text = message("carol@house.example", "[secure] lunch", "at noon");
    let reply = carol.send("carol@house.example", &[ALIAS, ALICE, "bob@far.example"], &text).await;
    assert!(reply.is(250, "2.0.0"), "{reply:?}");
    let inbox = folder(&house, ALICE, "INBOX", 1).await;
    assert_eq!(inbox.len(), 1, "one copy for one mailbox");
    assert_eq!(field(&inbox[0], "Delivered-To").as_deref(), Some(ALIAS));
    let sent = folder(&house, "carol@house.example", "Sent", 1).await;
    assert!(sent[0].contains(&format!("X-Guardpost-Delivery: {ALIAS}; local\r\n")), "{}", sent[0]);
    assert!(sent[0].contains("bob@far.example; temporary-mailbox\r\n"), "{}", sent[0]);
    let mut outside = outsider(&house, true).await;
    let text = message("bob@far.example", "both", "x");
    assert_eq!(outside.send("bob@far.example", &[ALICE, ALIAS], &text).await.code, 250);
    assert_eq!(folder(&house, ALICE, "INBOX", 2).await.len(), 2, "from outside too");
}

/// Whichever comes first, the other sees it: what was answered with 250 is there, what was refused is not.
#[tokio::test(flavor = "multi_thread")]
async fn switching_off_and_mail_that_is_under_way_have_an_order() {
    let closed = Plan::default().rule(|asked| match asked.line {
        "greeting" => Act::Close("421 4.3.2 not now".into()),
        _ => Act::Usual,
    });
    let house = House::with_aliases(closed.open().await, None, "").await;
    let (mut there, mut queued, mut outcomes) = (0, 0, Vec::new());
    for round in 0..24 {
        switch(&house, ALICE, true).await;
        let mut incoming = outsider(&house, true).await;
        let mut outgoing = house.alice_sends().await;
        for line in ["MAIL FROM:<bob@far.example>", &format!("RCPT TO:<{ALIAS}>")] {
            assert_eq!(incoming.ask(line).await.code, 250);
        }
        assert_eq!(incoming.ask("DATA").await.code, 354);
        for line in [&format!("MAIL FROM:<{ALIAS}>"), "RCPT TO:<bob@far.example>"] {
            assert_eq!(outgoing.ask(line).await.code, 250);
        }
        assert_eq!(outgoing.ask("DATA").await.code, 354);
        let take = async {
            // Before, beside and after: the round says how long the switch has been turned by then.
            for _ in 0..round * 8 {
                tokio::task::yield_now().await;
            }
            incoming.put(format!("Subject: in {round}\r\n\r\nx\r\n.\r\n").as_bytes()).await;
            outgoing.put(format!("From: {ALIAS}\r\nSubject: out {round}\r\n\r\nx\r\n.\r\n").as_bytes()).await;
            (incoming.reply().await, outgoing.reply().await)
        };
        let ((taken, sent), _) = tokio::join!(take, switch(&house, ALICE, false));
        assert!(taken.code == 250 || taken.is(550, "5.1.1"), "{taken:?}");
        assert!(sent.code == 250 || sent.is(553, "5.7.1"), "{sent:?}");
        there += usize::from(taken.code == 250);
        queued += usize::from(sent.code == 250);
        outcomes.push((taken.code, sent.code));
        let late =
            outsider(&house, true).await.send("b@far.example", &[ALIAS], "Subject: x\r\n\r\nx\r\n").await;
        assert_eq!(late.code, 550, "off is off");
    }
    let inbox = house.alice_reads().await.messages("INBOX").await;
    assert_eq!(inbox.len(), there, "{outcomes:?}");
    let queue = house.flow().store.queue(None, 100).await.unwrap();
    assert_eq!(queue.len(), queued, "{outcomes:?}");
    assert!(queue.iter().all(|record| record.tls_policy == "secure encrypt"), "it goes as it was sent");
    assert_eq!(house.alice_reads().await.messages("Sent").await.len(), queued);
}

/// The alias's own recipient has gone by the end of DATA, the other one has not: nothing is taken for either, for now.
#[tokio::test(flavor = "multi_thread")]
async fn an_alias_that_goes_during_a_message_costs_the_others_one_more_try() {
    let house = House::with_aliases(Plan::default().open().await, None, "").await;
    house.add_account("carol@house.example", PASSWORD).await;
    switch(&house, ALICE, true).await;
    let mut smtp = outsider(&house, true).await;
    let to = ["RCPT TO:<carol@house.example>", &format!("RCPT TO:<{ALIAS}>")];
    for line in ["MAIL FROM:<bob@far.example>", to[0], to[1]] {
        assert_eq!(smtp.ask(line).await.code, 250);
    }
    assert_eq!(smtp.ask("DATA").await.code, 354);
    switch(&house, ALICE, false).await;
    smtp.put(b"Subject: x\r\n\r\nx\r\n.\r\n").await;
    let reply = smtp.reply().await;
    assert!(reply.is(451, "4.3.0"), "{reply:?}");
    assert_eq!(house.imap("carol@house.example", PASSWORD).await.select("INBOX").await, 0);
    for (line, code) in [("MAIL FROM:<bob@far.example>", 250), (to[0], 250), (to[1], 550)] {
        assert_eq!(smtp.ask(line).await.code, code);
    }
    assert_eq!(smtp.ask("DATA").await.code, 354);
    smtp.put(b"Subject: x\r\n\r\nx\r\n.\r\n").await;
    assert_eq!(smtp.reply().await.code, 250);
    assert_eq!(folder(&house, "carol@house.example", "INBOX", 1).await.len(), 1);
    let record = house.flow().store.mailbox_of(&Address::parse(ALICE).unwrap().key()).await.unwrap().unwrap();
    assert!(
        house.flow().store.messages(record, Folder::INBOX, Default::default(), 10).await.unwrap().is_empty()
    );
}
