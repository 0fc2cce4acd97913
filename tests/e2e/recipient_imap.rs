//! A recipient's temporary mailbox by IMAP: the portal's password, the same messages, the same flags, and an end when
//! the mailbox ends.

use crate::harness::House;
use crate::mail_client::Imap;
use crate::main_job::BOB;
use crate::main_job::BOBS_PASSWORD;
use crate::main_job::first_use;
use crate::main_job::invite;
use crate::plain_browser::Browser;
use guardpost::base::address::Address;
use guardpost::net::listen::Service;
use guardpost::store::command::Command;
use guardpost::store::record::MailboxKind;

const BYE: &str = "* BYE the mailbox was closed or its password changed";

/// Bob, signed in to the portal and to IMAP.
async fn bob(house: &House) -> (Browser, Imap) {
    let (mut browser, link, pin) = invite(house).await;
    first_use(&mut browser, &link, &pin).await;
    (browser, house.imap(BOB, BOBS_PASSWORD).await)
}

/// Flags of the only message of the selected folder.
async fn flags(imap: &mut Imap) -> Vec<String> {
    imap.ask("FETCH 1 FLAGS").await.unwrap().lines
}

async fn idles(imap: &mut Imap) {
    imap.select("INBOX").await;
    imap.put(b"i IDLE\r\n").await;
    assert_eq!(imap.line().await.unwrap(), "+ idling");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_folders_with_the_flags_of_the_portal() {
    let house = House::new().await;
    let (mut portal, mut imap) = bob(&house).await;
    let mut stranger = Imap::connect(house.port(Service::Imaps)).await;
    assert!(stranger.sign_in(BOB, "not the password at all").await.is_err());
    let listed = imap.ask("LIST \"\" *").await.unwrap().lines;
    let names: Vec<&str> = listed.iter().map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert_eq!(names, ["INBOX", "Sent"]);

    // Read in the portal is read here, and the other way round.
    assert_eq!(imap.select("INBOX").await, 1);
    assert_eq!(flags(&mut imap).await, ["* 1 FETCH (FLAGS ())"]);
    assert!(portal.get("/mailbox").await.text().contains("class=\"unread\""));
    let first = portal.get("/mailbox").await.link("/mailbox/inbox/").expect("a message");
    portal.get(&first).await;
    let told = imap.ask("NOOP").await.unwrap().lines;
    assert_eq!(told, ["* 1 FETCH (UID 1 FLAGS (\\Seen))"]);
    imap.ask("STORE 1 -FLAGS (\\Seen)").await.unwrap();
    assert!(portal.get("/mailbox").await.text().contains("class=\"unread\""));
    imap.ask("FETCH 1 BODY[TEXT]").await.unwrap();
    assert!(!portal.get("/mailbox").await.text().contains("class=\"unread\""));
    imap.ask("STORE 1 +FLAGS (\\Flagged later)").await.unwrap();
    imap.ask("LOGOUT").await.unwrap();
    let mut again = house.imap(BOB, BOBS_PASSWORD).await;
    again.select("INBOX").await;
    assert_eq!(flags(&mut again).await, ["* 1 FETCH (FLAGS (\\Flagged \\Seen later))"]);

    // Nothing is put in from outside.
    for folder in ["INBOX", "Sent"] {
        let refused = again.ask(&format!("APPEND {folder} {{20}}")).await.unwrap_err();
        assert!(refused.starts_with("NO [CANNOT] "), "{refused}");
    }
    assert_eq!(again.ask("STATUS Sent (MESSAGES)").await.unwrap().lines, ["* STATUS Sent (MESSAGES 0)"]);
    let message = again.message(1).await;
    assert!(message.contains("Dear Bob"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_mailbox_says_good_bye() {
    let house = House::new().await;
    let (_, mut idling) = bob(&house).await;
    let mut waiting = house.imap(BOB, BOBS_PASSWORD).await;
    waiting.select("INBOX").await;
    idles(&mut idling).await;
    let bob = Address::parse(BOB).unwrap();
    house.flow().remove_mailbox(&bob, MailboxKind::Temporary).await.unwrap();
    assert_eq!(idling.line().await.unwrap(), BYE);
    assert_eq!(idling.line().await, None);
    assert_eq!(waiting.ask("FETCH 1 BODY.PEEK[]").await.unwrap_err(), BYE);
    let mut late = Imap::connect(house.port(Service::Imaps)).await;
    assert!(late.sign_in(BOB, BOBS_PASSWORD).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_mailbox_says_good_bye() {
    let house = House::new().await;
    let (_, mut idling) = bob(&house).await;
    let mut waiting = house.imap(BOB, BOBS_PASSWORD).await;
    waiting.select("INBOX").await;
    waiting.message(1).await;
    idles(&mut idling).await;
    let flow = house.flow();
    let bob = Address::parse(BOB).unwrap();
    let record = flow.mailbox_at(&bob, MailboxKind::Temporary).await.unwrap();
    let now = flow.clock.now();
    let close = Command::CloseMailbox { mailbox: record.id, now, not_active_since: now };
    flow.store.commit(vec![close]).await.unwrap();
    assert_eq!(idling.line().await.unwrap(), BYE);
    assert_eq!(idling.line().await, None);
    let said = waiting.ask("FETCH 1 BODY.PEEK[]").await.unwrap_err();
    assert_eq!(said, BYE, "also not from the message that was kept");
    let mut late = Imap::connect(house.port(Service::Imaps)).await;
    assert!(late.sign_in(BOB, BOBS_PASSWORD).await.is_err());
}
