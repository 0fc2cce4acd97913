//! A second mailbox for one address: asked for twice, told to everybody, and both open with their own passwords.

use crate::harness::House;
use crate::harness::PASSWORD;
use crate::mail_client::field;
use crate::main_job::BOB;
use crate::main_job::BOBS_PASSWORD;
use crate::main_job::first_use;
use crate::main_job::invite;
use crate::main_job::leads_to_an_invitation;
use crate::main_job::link;
use crate::main_job::path_and_token;
use crate::main_job::told_pin;
use crate::plain_browser::Browser;
use crate::renewal::ALICE;
use crate::renewal::CAROL;
use crate::renewal::inbox;
use crate::renewal::refused;
use crate::renewal::send;
use crate::renewal::sent;
use crate::renewal::told;
use crate::renewal::try_link;
use crate::renewal::unfolded;
use guardpost::store::command::Command;
use guardpost::store::record::MailboxKind;
use std::time::Duration;

const MALLORY: &str = "mallory@house.example";
const NEW_PASSWORD: &str = "Alder-over-7-red-suns";
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

async fn open_with(browser: &mut Browser, link: &str, pin: &str, password: &str) {
    let (path, token) = path_and_token(link, &browser.site());
    let fields = [
        ("token", token.as_str()),
        ("pin", pin),
        ("password", password),
        ("confirm", password),
        ("understood", "yes"),
    ];
    assert_eq!(browser.post(&path, &fields).await.location(), "/mailbox");
}

async fn sign_in(house: &House, password: &str) -> Browser {
    let mut browser = house.browser();
    let page = browser.post("/login", &[("address", BOB), ("password", password)]).await;
    assert_eq!(page.location(), "/mailbox");
    browser
}

/// The first time only a note is written.
async fn asks(house: &House, from: &str) {
    let before = (house.world.taken().len(), inbox(house, from).await.len());
    let reply = send(house, from, "[secure new] Begin again", "").await;
    assert!(reply.is(554, "5.7.1") && reply.text.contains("within 24 hours"), "{reply:?}");
    assert!(reply.text.contains("<bob@far.example>") && reply.text.contains("[secure new]"), "{reply:?}");
    let after = (house.world.taken().len(), inbox(house, from).await.len());
    assert_eq!((before.0, before.1 + 1), after, "one note, and nothing else");
    let note = told(house, from, &["Nothing was sent yet", "24 hours"]).await;
    assert!(note.contains("do not move into the new mailbox") && !note.contains("Begin again"), "{note}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_password_ends_in_a_second_mailbox() {
    let mut house = House::new().await;
    for account in [CAROL, MALLORY] {
        house.add_account(account, PASSWORD).await;
    }
    let (mut bob, first_link, pin) = invite(&house).await;
    first_use(&mut bob, &first_link, &pin).await;
    sent(&house, CAROL, "[secure] From Carol", "").await;
    house.world.wait_for(2).await;

    // Only who has written there, only who says it twice within a day.
    refused(&house, MALLORY, "[secure new] Mine", "", &["<bob@far.example>", "never written"]).await;
    asks(&house, ALICE).await;
    house.clock.pass(DAY + HOUR);
    asks(&house, ALICE).await;
    asks(&house, CAROL).await;
    house.clock.pass(HOUR * 23);
    house.stop().await;
    house.start().await;
    assert_eq!(house.flow().all_mailboxes(MailboxKind::Temporary).await.unwrap().len(), 1);
    sent(&house, ALICE, "[secure new] Begin again", "").await;
    let mails = house.world.wait_for(3).await;
    let new_pin = told_pin(&house).await;
    let note = told(&house, CAROL, &["has a new mailbox", ALICE]).await;
    assert!(!note.contains(&new_pin) && !leads_to_an_invitation(&note), "{note}");
    assert_eq!(house.flow().all_mailboxes(MailboxKind::Temporary).await.unwrap().len(), 2);

    // The old one opens with its old password, and tells who asked for the new one.
    let mut old = sign_in(&house, BOBS_PASSWORD).await;
    let list = old.get("/mailbox").await.words();
    assert!(list.contains("Offer") && list.contains("From Carol") && !list.contains("Begin again"), "{list}");
    assert!(list.contains("You have had a new mailbox since"), "{list}");
    let notice = unfolded(&old.get("/mailbox/inbox/3/raw").await.text());
    assert!(notice.contains(ALICE) && notice.contains("closes on"), "{notice}");

    // The new one opens with the new link, and both sign in at one door.
    let mut new = house.browser();
    open_with(&mut new, &link(&mails[2]), &new_pin, NEW_PASSWORD).await;
    let salts: Vec<_> = house
        .flow()
        .all_mailboxes(MailboxKind::Temporary)
        .await
        .unwrap()
        .iter()
        .flat_map(|record| record.slots.iter().map(|slot| (slot.salt, slot.parameters)))
        .collect();
    assert_eq!((salts.len(), salts[0]), (2, salts[1]), "one run of Argon2 tries both");
    let list = sign_in(&house, NEW_PASSWORD).await.get("/mailbox").await.words();
    assert!(list.contains("Begin again") && !list.contains("Offer"), "{list}");
    sent(&house, CAROL, "[secure] Carol once more", "").await;
    let list = sign_in(&house, NEW_PASSWORD).await.get("/mailbox").await.words();
    assert!(list.contains("Carol once more"), "new mail goes to the new mailbox: {list}");
    let mut old = sign_in(&house, BOBS_PASSWORD).await;
    assert!(!old.get("/mailbox").await.words().contains("Carol once more"));
    assert_eq!(house.imap(BOB, BOBS_PASSWORD).await.messages("INBOX").await.len(), 3);
    assert_eq!(house.imap(BOB, NEW_PASSWORD).await.messages("INBOX").await.len(), 2);
    let mut wrong = house.browser();
    let page = wrong.post("/login", &[("address", BOB), ("password", "neither of the two")]).await;
    assert_eq!(page.status, 403);

    // A reply out of the old one arrives.
    let form = old.get("/mailbox/inbox/1/reply").await.form("/mailbox/inbox/1/reply").unwrap();
    let subject = form.iter().find(|(name, _)| name == "subject").unwrap().1.clone();
    let fields = [("to", "sender"), ("subject", subject.as_str()), ("body", "Gentian-6617 from before")];
    assert!(old.post("/mailbox/inbox/1/reply", &fields).await.location().starts_with("/mailbox"));
    let answer = told(&house, ALICE, &["Gentian-6617"]).await;
    assert!(answer.contains(BOB), "{answer}");

    // One former mailbox, and no third for a week.
    let until = refused_until(&house, CAROL).await;
    assert!(until.contains("two mailboxes already"), "{until}");
    let old_link = bob_link(&first_link, &house);
    assert_eq!(house.browser().get(&old_link).await.status, 200, "opened, sign in");
}

fn bob_link(link: &str, house: &House) -> String {
    format!("{}{}", house.browser().site(), &link[link.find("/i/").unwrap()..])
}

async fn refused_until(house: &House, from: &str) -> String {
    let reply = send(house, from, "[secure new] Third", "").await;
    assert!(reply.is(554, "5.7.1"), "{reply:?}");
    let dated = reply.text.split_whitespace().any(|word| {
        word.len() >= 10 && word.starts_with("20") && word.chars().filter(|c| *c == '-').count() == 2
    });
    assert!(dated, "it names a date: {reply:?}");
    reply.text
}

/// Never opened: the old link stays good for what it was sent for, and leads nowhere else.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_invitation_keeps_its_own_mail() {
    let house = House::new().await;
    house.add_account(CAROL, PASSWORD).await;
    let (_, first_link, pin) = invite(&house).await;
    asks(&house, ALICE).await;
    let note = inbox(&house, ALICE).await.pop().unwrap();
    assert!(note.contains("[secure renew]"), "the lesser way is named: {note}");
    sent(&house, ALICE, "[secure new] Begin again", "").await;
    let mails = house.world.wait_for(2).await;
    let new_pin = told_pin(&house).await;
    let (path, token) = path_and_token(&first_link, &house.browser().site());
    assert_eq!(try_link(&mut house.browser(), &path, &token, &new_pin).await, 403, "its PIN is its own");
    let reply = send(&house, ALICE, "[secure renew] For the newer one", "").await;
    assert!(reply.is(250, "2.0.0"), "{reply:?}");
    let mails_now = house.world.wait_for(3).await;
    assert_ne!(link(&mails_now[2]), link(&mails[1]));
    let renewed_pin = told_pin(&house).await;

    let mut old = house.browser();
    open_with(&mut old, &first_link, &pin, BOBS_PASSWORD).await;
    let list = old.get("/mailbox").await.words();
    assert!(list.contains("Offer") && !list.contains("Begin again"), "{list}");
    sent(&house, CAROL, "[secure] Hello", "").await;
    assert!(!old.get("/mailbox").await.words().contains("Hello"), "the newer one stays the current one");
    let mut new = house.browser();
    open_with(&mut new, &link(&mails_now[2]), &renewed_pin, NEW_PASSWORD).await;
    let list = new.get("/mailbox").await.words();
    assert!(["Begin again", "For the newer one", "Hello"].iter().all(|s| list.contains(s)), "{list}");
    assert!(!list.contains("Offer"), "{list}");
    for (password, subject) in [(BOBS_PASSWORD, "Offer"), (NEW_PASSWORD, "Hello")] {
        assert!(sign_in(&house, password).await.get("/mailbox").await.words().contains(subject));
    }
    let copies = house.alice_reads().await.messages("Sent").await;
    assert_eq!(field(&copies[0], "X-OxGuard-PIN").unwrap(), pin);
}

/// With nothing there to lose, there is nothing to ask.
#[tokio::test(flavor = "multi_thread")]
async fn new_for_an_address_without_a_mailbox_makes_one() {
    let house = House::new().await;
    sent(&house, ALICE, "[secure new] Hello", "").await;
    let mails = house.world.wait_for(1).await;
    let mut bob = house.browser();
    first_use(&mut bob, &link(&mails[0]), &told_pin(&house).await).await;
    assert!(bob.get("/mailbox").await.words().contains("Hello"));
    house.clock.pass(DAY);
    asks(&house, ALICE).await;
}

/// A mailbox that was closed, and reopened when its address had a newer one, opens at the same door.
#[tokio::test(flavor = "multi_thread")]
async fn a_reopened_mailbox_signs_in_beside_the_newer_one() {
    let house = House::new().await;
    let (mut bob, first_link, pin) = invite(&house).await;
    first_use(&mut bob, &first_link, &pin).await;
    let old = house.flow().all_mailboxes(MailboxKind::Temporary).await.unwrap().remove(0).id;
    let now = house.flow().clock.now();
    let close = Command::CloseMailbox { mailbox: old, now, not_active_since: now };
    house.flow().store.commit(vec![close]).await.unwrap();
    let answer = async |address: &str| {
        let mut browser = house.browser();
        let fields = [("address", address), ("password", BOBS_PASSWORD)];
        let page = browser.post("/login", &fields).await;
        (page.status, page.text().replace(address, ""))
    };
    let closed = answer(BOB).await;
    assert_eq!((closed.0, &closed), (403, &answer("nobody@far.example").await), "as if it had never been");
    sent(&house, ALICE, "[secure] Begin again", "").await;
    let mails = house.world.wait_for(2).await;
    let mut new = house.browser();
    open_with(&mut new, &link(&mails[1]), &told_pin(&house).await, NEW_PASSWORD).await;
    let reopen = Command::ReopenMailbox { mailbox: old, now };
    house.flow().store.commit(vec![reopen]).await.unwrap();
    let records = house.flow().all_mailboxes(MailboxKind::Temporary).await.unwrap();
    let stretchings: Vec<_> =
        records.iter().map(|record| (record.slots[0].salt, record.slots[0].parameters)).collect();
    assert_eq!(stretchings[0], stretchings[1], "one run of Argon2 tries both");
    for (password, subject) in [(BOBS_PASSWORD, "Offer"), (NEW_PASSWORD, "Begin again")] {
        let list = sign_in(&house, password).await.get("/mailbox").await.words();
        assert!(list.contains(subject), "{list}");
    }
}
