//! What comes after a first message that was not opened: more mail, ten wrong PINs, another link, or none.

use crate::harness::House;
use crate::harness::PASSWORD;
use crate::mail_client::Reply;
use crate::mail_client::field;
use crate::main_job::BOB;
use crate::main_job::BOBS_PASSWORD;
use crate::main_job::first_use;
use crate::main_job::invite;
use crate::main_job::leads_to_an_invitation;
use crate::main_job::letter;
use crate::main_job::link;
use crate::main_job::link_in;
use crate::main_job::path_and_token;
use crate::main_job::told_pin;
use crate::markers::Marker;
use crate::markers::assert_absent;
use crate::patience::PATIENCE;
use crate::peer::Act;
use crate::peer::Plan;
use crate::plain_browser::Browser;
use guardpost::store::record::MailboxKind;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

pub const ALICE: &str = "alice@house.example";
pub const CAROL: &str = "carol@house.example";

/// Submits a message of `from` to Bob.
pub async fn send(house: &House, from: &str, subject: &str, more: &str) -> Reply {
    let text = letter(subject, &format!("body of {subject}"), more).replace(ALICE, from);
    house.submission(from, PASSWORD).await.send(from, &[BOB], &text).await
}

/// It was taken.
pub async fn sent(house: &House, from: &str, subject: &str, more: &str) {
    let reply = send(house, from, subject, more).await;
    assert!(reply.is(250, "2.0.0"), "{subject}: {reply:?}");
}

/// It was not, and the reason holds these words.
pub async fn refused(house: &House, from: &str, subject: &str, more: &str, words: &[&str]) {
    let before = (house.world.taken().len(), inbox(house, from).await.len());
    let reply = send(house, from, subject, more).await;
    assert!(reply.is(554, "5.7.1"), "{subject}: {reply:?}");
    let text = format!("{reply:?}");
    assert!(words.iter().all(|word| text.contains(word)), "{subject}: {words:?} in {text}");
    let after = (house.world.taken().len(), inbox(house, from).await.len());
    assert_eq!(before, after, "{subject}: nobody is told anything");
}

/// Every message in an account's INBOX.
pub async fn inbox(house: &House, account: &str) -> Vec<String> {
    house.imap(account, PASSWORD).await.messages("INBOX").await
}

/// A form of the first use.
pub async fn try_link(browser: &mut Browser, path: &str, token: &str, pin: &str) -> u16 {
    let fields = [
        ("token", token),
        ("pin", pin),
        ("password", BOBS_PASSWORD),
        ("confirm", BOBS_PASSWORD),
        ("understood", "1"),
    ];
    browser.post(path, &fields).await.status
}

/// Uses up every try.
pub async fn ten_wrong_pins(house: &House, browser: &mut Browser, path: &str, token: &str) {
    for n in 1..=10 {
        let want = if n < 10 { 403 } else { 410 };
        assert_eq!(try_link(browser, path, token, "Not-The-Pin").await, want, "try {n}");
        // A network has five failures, then one a minute; PINs have tries of their own.
        house.clock.pass(std::time::Duration::from_secs(61));
    }
}

/// Ten wrong PINs, a restart, a renewal: what was written is read, and the old link opens nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_invitation_is_renewed() {
    let mut house = House::new().await;
    let (mut bob, first_link, first_pin) = invite(&house).await;
    let (path, token) = path_and_token(&first_link, &bob.site());
    ten_wrong_pins(&house, &mut bob, &path, &token).await;
    assert_eq!(try_link(&mut bob, &path, &token, &first_pin).await, 410, "the right one comes too late");
    let notes = inbox(&house, ALICE).await;
    assert!(notes.iter().any(|note| note.contains("[secure renew]")), "she is told the way out: {notes:?}");
    house.stop().await;
    house.start().await;
    let mut bob = house.browser();
    assert_eq!(bob.get(&path).await.status, 410);
    refused(&house, ALICE, "[secure] More", "", &["<bob@far.example>", "[secure renew]", "[secure new]"])
        .await;
    sent(&house, ALICE, "[secure renew] Second", "").await;
    let mails = house.world.wait_for(2).await;
    let text = String::from_utf8_lossy(&mails[1].text).into_owned();
    assert!(text.contains("takes the place of an earlier one"), "{text}");
    let pin = told_pin(&house).await;
    let (new_path, new_token) = path_and_token(&link(&mails[1]), &bob.site());
    assert!(new_path != path && new_token != token && pin != first_pin);
    let notes = inbox(&house, ALICE).await;
    let note = notes.last().unwrap();
    assert!(note.contains(&pin) && field(note, "Subject").unwrap().contains("New invitation"), "{note}");
    assert!(!text.contains(&pin), "the PIN goes another way");

    // Neither half of the old pair opens anything, alone or with a half of the new one.
    let old = bob.get(&path).await;
    assert!(old.status == 410 && old.words().contains("newer invitation"), "{}", old.words());
    assert_eq!(try_link(&mut bob, &path, &token, &first_pin).await, 410);
    assert_eq!(try_link(&mut bob, &path, &token, &pin).await, 410);
    assert_eq!(try_link(&mut bob, &path, &new_token, &pin).await, 410);
    assert_eq!(try_link(&mut bob, &new_path, &token, &pin).await, 403);
    let page = bob
        .post(
            &new_path,
            &[
                ("token", new_token.as_str()),
                ("pin", &first_pin),
                ("password", BOBS_PASSWORD),
                ("confirm", BOBS_PASSWORD),
                ("understood", "1"),
            ],
        )
        .await;
    assert!(page.status == 403 && page.words().contains('9'), "the tries begin anew: {}", page.words());
    let secrets = [
        ("old token", Marker::new(&token)),
        ("old token, bare", Marker::new(&token.replace('-', ""))),
        ("new token", Marker::new(&new_token)),
    ];
    house.data().iter().for_each(|(file, octets)| assert_absent(&secrets, file, octets));
    first_use(&mut bob, &link(&mails[1]), &pin).await;
    let list = bob.get("/mailbox").await.words();
    assert!(list.contains("Offer") && list.contains("Second"), "{list}");
    let first = bob.get("/mailbox/inbox/1").await.words();
    assert!(first.contains("Dear Bob"), "the message from before is readable: {first}");
    refused(&house, ALICE, "[secure renew] Third", "", &["<bob@far.example>", "has opened"]).await;
}

/// Who may renew, what, and with which PIN.
#[tokio::test(flavor = "multi_thread")]
async fn only_who_invited_renews() {
    let house = House::new().await;
    house.add_account(CAROL, PASSWORD).await;
    refused(&house, ALICE, "[secure renew] Nobody", "", &["<bob@far.example>", "no invitation"]).await;
    assert!(house.flow().all_mailboxes(MailboxKind::Temporary).await.unwrap().is_empty());
    let (mut bob, first_link, _) = invite(&house).await;
    let others = ["<bob@far.example>", "<alice@house.example>", "[sicher", "[secure new]"];
    refused(&house, CAROL, "[secure renew] Mine", "", &[others[0], others[1], others[3]]).await;
    refused(&house, ALICE, "Which", "X-Guardpost-Invite: perhaps\r\n", &["X-Guardpost-Invite"]).await;
    refused(&house, ALICE, "[secure renw] Slip", "", &["looks like [secure renew]"]).await;
    let header = "X-Guardpost-Invite: Renew\r\nX-Guardpost-PIN: blue-heron-47\r\n";
    sent(&house, ALICE, "By header", header).await;
    house.world.wait_for(2).await;
    assert_eq!(told_pin(&house).await, "blue-heron-47", "her own PIN is honoured");
    sent(&house, ALICE, "Zum zweiten [Sicher Renew]", "X-Guardpost-PIN: red-heron-48\r\n").await;
    let mails = house.world.wait_for(3).await;
    for mail in &mails {
        let text = String::from_utf8_lossy(&mail.text);
        assert!(!text.contains("heron") && !text.contains("X-Guardpost"), "{text}");
    }
    let (path, token) = path_and_token(&link(&mails[1]), &bob.site());
    assert_eq!(try_link(&mut bob, &path, &token, "blue-heron-47").await, 410, "renewed again");
    let (path, token) = path_and_token(&first_link, &bob.site());
    assert_eq!(try_link(&mut bob, &path, &token, "blue-heron-47").await, 410);
    first_use(&mut bob, &link(&mails[2]), "red-heron-48").await;
    let sent = house.alice_reads().await.messages("Sent").await;
    let pins: Vec<String> = sent.iter().filter_map(|copy| field(copy, "X-OxGuard-PIN")).collect();
    assert_eq!(pins[1..], ["blue-heron-47", "red-heron-48"], "each copy has the PIN of its link");
    let list = bob.get("/mailbox").await.words();
    assert!(["Offer", "By header", "Zum zweiten"].iter().all(|subject| list.contains(subject)), "{list}");
}

/// An invitation that did not leave yet never leaves once there is a newer one.
#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_cancels_the_invitation_that_waits() {
    let away = Arc::new(AtomicBool::new(true));
    let closed = away.clone();
    let world = Plan::default().rule(move |asked| match closed.load(Ordering::SeqCst) {
        true if asked.line == "greeting" => Act::Close("421 4.3.2 later".into()),
        _ => Act::Usual,
    });
    let house = House::with(world, "").await;
    sent(&house, ALICE, "[secure] Offer", "").await;
    let first = house.flow().store.queue(None, 10).await.unwrap();
    assert_eq!(first.len(), 1);
    sent(&house, ALICE, "[secure renew] Offer again", "").await;
    let second = house.flow().store.queue(None, 10).await.unwrap();
    assert_eq!(second.len(), 1, "one invitation waits, the newer one");
    assert_ne!(second[0].id, first[0].id);
    away.store(false, Ordering::SeqCst);
    guardpost::flow::queue::retry(house.flow(), None).await.unwrap();
    let mails = house.world.wait_for(1).await;
    let mut bob = house.browser();
    first_use(&mut bob, &link(&mails[0]), &told_pin(&house).await).await;
    let list = bob.get("/mailbox").await.words();
    assert!(list.contains("Offer again"), "{list}");
    assert_eq!(house.world.taken().len(), 1);
}

/// Protection is never weakened silently: a PIN that the invitation does not have is not passed over.
#[tokio::test(flavor = "multi_thread")]
async fn a_pin_is_not_left_out_in_silence() {
    let house = House::with(Plan::default(), "[temporary_mailbox]\npin = \"optional\"\n").await;
    house.add_account(CAROL, PASSWORD).await;
    sent(&house, ALICE, "[secure] Without", "X-Guardpost-PIN: none\r\n").await;
    house.world.wait_for(1).await;
    let pin = "X-Guardpost-PIN: blue-heron-47\r\n";
    assert_eq!(crate::life_table::cell("unopened", "mail-other-pin").told, "554");
    let ways = ["<bob@far.example>", "without a PIN", "[secure new]"];
    refused(&house, CAROL, "[secure] With", pin, &[ways[0], ways[1], ways[2], "ask <alice@house.example>"])
        .await;
    refused(&house, ALICE, "[secure] With", pin, &[ways[0], ways[1], ways[2], "[secure renew]"]).await;
    sent(&house, CAROL, "[secure] Whichever", "").await;
    sent(&house, ALICE, "[secure renew] With", pin).await;
    let mails = house.world.wait_for(3).await;
    let mail = mails.iter().rfind(|mail| link_in(mail).is_some()).unwrap();
    let mut bob = house.browser();
    let (path, token) = path_and_token(&link(mail), &bob.site());
    assert_eq!(bob.get(&path).await.field_names(&path)[1], "pin");
    assert_eq!(try_link(&mut bob, &path, &token, "").await, 422);
    first_use(&mut bob, &link(mail), "blue-heron-47").await;
    let list = bob.get("/mailbox").await.words();
    assert!(["Without", "Whichever", "With"].iter().all(|subject| list.contains(subject)), "{list}");
}

/// The account that invited is gone: its invitation still works, and nothing more goes in behind its back.
#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_invitation_takes_nothing_more() {
    let house = House::new().await;
    house.add_account(CAROL, PASSWORD).await;
    let (mut bob, first_link, pin) = invite(&house).await;
    let alice = guardpost::base::address::Address::parse(ALICE).unwrap();
    house.flow().remove_mailbox(&alice, MailboxKind::Account).await.unwrap();
    let ways = ["<bob@far.example>", "gone", "[secure new]"];
    refused(&house, CAROL, "[secure] Hello", "", &ways).await;
    refused(&house, CAROL, "[secure renew] Hello", "", &ways).await;
    first_use(&mut bob, &first_link, &pin).await;
    assert!(bob.get("/mailbox").await.words().contains("Offer"));
    sent(&house, CAROL, "[secure] Hello", "").await;
    assert!(bob.get("/mailbox").await.words().contains("Hello"));
}

/// Waits for a message in an account's INBOX that holds all these words.
pub async fn told(house: &House, account: &str, words: &[&str]) -> String {
    let id = guardpost::base::address::Address::parse(account).unwrap().key();
    let id = house.flow().store.mailbox_of(&id).await.unwrap().unwrap();
    let mut changes = house.flow().store.watch(id);
    let waiting = async {
        loop {
            changes.borrow_and_update();
            let inbox = inbox(house, account).await;
            let found = inbox.iter().rfind(|note| words.iter().all(|word| unfolded(note).contains(word)));
            if let Some(found) = found {
                return unfolded(found);
            }
            changes.changed().await.unwrap();
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    waited.unwrap_or_else(|_| panic!("{account} was not told {words:?}"))
}

/// A text as it reads, whatever its lines and its transfer encoding are.
pub fn unfolded(text: &str) -> String {
    text.replace("=\r\n", "").replace("\r\n", " ").replace('\n', " ")
}

/// The queue id in the envelope sender of a mail that left.
fn queue_id(mail: &str) -> String {
    let local = mail.split('@').next().unwrap();
    local.split('+').nth(1).unwrap_or_else(|| panic!("no id in {mail}")).to_owned()
}

/// The address does not exist: the inviter is told, nothing more goes in, and a renewal tries again.
#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_that_comes_back_shuts_the_mailbox() {
    let gone = Arc::new(AtomicBool::new(true));
    let nobody = gone.clone();
    let world = Plan::default().rule(move |asked| match nobody.load(Ordering::SeqCst) {
        true if asked.line.starts_with("RCPT") => Act::Say("550 5.1.1 Periwinkle no such user".into()),
        _ => Act::Usual,
    });
    let house = House::with(world, "").await;
    house.add_account(CAROL, PASSWORD).await;
    sent(&house, ALICE, "[secure] Offer", "").await;
    let note = told(&house, ALICE, &["The invitation to bob@far.example came back", "Periwinkle"]).await;
    assert!(
        note.contains("[secure renew]") && note.contains("7 days") && !leads_to_an_invitation(&note),
        "{note}"
    );
    let mailboxes = house.flow().all_mailboxes(MailboxKind::Temporary).await.unwrap();
    assert!(mailboxes[0].unreachable.is_some());
    let ways = ["<bob@far.example>", "came back", "[secure new]"];
    refused(&house, ALICE, "[secure] More", "", &[ways[0], ways[1], ways[2], "[secure renew]"]).await;
    refused(&house, CAROL, "[secure] Hello", "", &[ways[0], ways[1], ways[2], "ask <alice@house.example>"])
        .await;
    gone.store(false, Ordering::SeqCst);
    sent(&house, ALICE, "[secure renew] Once more", "").await;
    let mails = house.world.wait_for(1).await;
    let mailboxes = house.flow().all_mailboxes(MailboxKind::Temporary).await.unwrap();
    assert!(mailboxes[0].unreachable.is_none(), "a renewal begins anew");
    let mut bob = house.browser();
    first_use(&mut bob, &link(&mails[0]), &told_pin(&house).await).await;
    let list = bob.get("/mailbox").await.words();
    assert!(list.contains("Offer") && list.contains("Once more") && !list.contains("More "), "{list}");
}

/// What else comes back is told, and the mailbox stays as it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_for_another_reason_is_only_told() {
    let refused = AtomicBool::new(false);
    let world = Plan::default().rule(move |asked| {
        if asked.line == "end of data" && !refused.swap(true, Ordering::Relaxed) {
            Act::Say("554 5.7.1 Marigold looks like spam".into())
        } else {
            Act::Usual
        }
    });
    let house = House::with(world, "").await;
    sent(&house, ALICE, "[secure] Offer", "").await;
    let note = told(&house, ALICE, &["was not told of your message", "Marigold"]).await;
    assert!(note.contains("[secure renew]"), "{note}");
    let mailboxes = house.flow().all_mailboxes(MailboxKind::Temporary).await.unwrap();
    assert!(mailboxes[0].unreachable.is_none());
    sent(&house, ALICE, "[secure] Again", "").await;
    house.world.wait_for(1).await;
}

/// Reports from outside are believed only of mail that was sent, each once, and only of the invitation that is open.
#[tokio::test(flavor = "multi_thread")]
async fn a_forged_report_shuts_nothing() {
    let house = House::new().await;
    let (_, first_link, _) = invite(&house).await;
    sent(&house, ALICE, "[secure] Second", "").await;
    let mails = house.world.wait_for(2).await;
    let ids: Vec<String> = mails.iter().map(|mail| queue_id(&mail.mail)).collect();
    let report = |id: &str, to: &str, action: &str, status: &str| {
        let to_us = format!("secure-mail+{id}@house.example");
        let text = format!(
            "From: MAILER-DAEMON@far.example\r\nTo: {to_us}\r\nSubject: Undeliverable\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status; boundary=\"r\"\r\n\r\n--r\r\n\r\n\
             Snapdragon-7714\r\n--r\r\nContent-Type: message/delivery-status\r\n\r\n\
             Reporting-MTA: dns; far.example\r\n\r\nFinal-Recipient: rfc822;{to}\r\nAction: {action}\r\n\
             Status: {status}\r\n\r\n--r--\r\n"
        );
        (to_us, text)
    };
    let hand_in = async |(to, text): (String, String)| {
        let mut smtp =
            crate::mail_client::Smtp::connect(house.port(guardpost::net::listen::Service::Smtp), false).await;
        let reply = smtp.send("", &[&to], &text).await;
        assert!(reply.is(250, "2.0.0"), "{reply:?}");
    };
    let unreachable =
        async || house.flow().all_mailboxes(MailboxKind::Temporary).await.unwrap()[0].unreachable.is_some();
    let before = inbox(&house, ALICE).await.len();
    let forged = "0".repeat(ids[0].len());
    hand_in(report(&forged, BOB, "failed", "5.1.1")).await;
    hand_in(report(&ids[0], "eve@far.example", "failed", "5.1.1")).await;
    hand_in(report(&ids[0], BOB, "delayed", "4.4.7")).await;
    assert_eq!(inbox(&house, ALICE).await.len(), before, "nothing is told of what did not happen");
    hand_in(report(&ids[0], BOB, "failed", "5.7.1")).await;
    let note = told(&house, ALICE, &["was not told of your message", "5.7.1"]).await;
    assert!(!note.contains("Snapdragon"), "told without its content: {note}");
    hand_in(report(&ids[0], BOB, "failed", "5.1.1")).await;
    assert_eq!(inbox(&house, ALICE).await.len(), before + 1, "a report is told once");
    assert!(!unreachable().await);

    // After a renewal, what comes back late for the link before means nothing any more.
    sent(&house, ALICE, "[secure renew] Third", "").await;
    let mails = house.world.wait_for(3).await;
    let count = inbox(&house, ALICE).await.len();
    hand_in(report(&ids[1], BOB, "failed", "5.1.1")).await;
    assert_eq!((unreachable().await, inbox(&house, ALICE).await.len()), (false, count));
    hand_in(report(&queue_id(&mails[2].mail), BOB, "failed", "5.1.1")).await;
    told(&house, ALICE, &["The invitation to bob@far.example came back"]).await;
    assert!(unreachable().await);
    let mut bob = house.browser();
    assert_eq!(bob.get(&first_link).await.status, 410);
}

/// Every local address, whatever it writes: one mailbox, one link, then notices; the first copy has the PIN, and later
/// ones point to it.
#[tokio::test(flavor = "multi_thread")]
async fn ten_mails_in_ninety_days_go_to_one_mailbox() {
    const DAY: u64 = 24 * 3600;
    let house = House::with(Plan::default(), "[[domain]]\nname = \"second.example\"\n").await;
    const LEA: &str = "lea@second.example";
    for account in [CAROL, LEA] {
        house.add_account(account, PASSWORD).await;
    }
    let (mut bob, first_link, pin) = invite(&house).await;
    sent(&house, ALICE, "[secure] Second", "").await;
    let mails = house.world.wait_for(2).await;
    assert_eq!(link(&mails[1]), first_link, "the same link until it is used");
    let copies = house.alice_reads().await.messages("Sent").await;
    for copy in &copies {
        assert_eq!(field(copy, "X-OxGuard-PIN").unwrap(), pin, "the sender sees it in Sent, with each link");
    }
    assert!(inbox(&house, ALICE).await.iter().filter(|note| note.contains(&pin)).count() == 2);
    first_use(&mut bob, &first_link, &pin).await;
    let senders = [CAROL, LEA, ALICE, CAROL, LEA, ALICE, CAROL, LEA];
    for (number, from) in senders.iter().enumerate() {
        house.clock.pass(std::time::Duration::from_secs(11 * DAY));
        sent(&house, from, &format!("[secure] Later-{number}"), "").await;
        let mails = house.world.wait_for(3 + number).await;
        let text = String::from_utf8_lossy(&mails[2 + number].text).into_owned();
        assert!(
            text.contains("/login") && !leads_to_an_invitation(&text),
            "{number}: a notice leads to the sign-in"
        );
        assert!(text.contains(from) && !text.contains("Later-"), "{text}");
        let sent = house.imap(from, PASSWORD).await.messages("Sent").await;
        assert!(field(sent.last().unwrap(), "X-OxGuard-PIN").is_none(), "no link, no PIN");
    }
    assert_eq!(house.flow().all_mailboxes(MailboxKind::Temporary).await.unwrap().len(), 1);
    let mut bob = house.browser();
    let signed_in = bob.post("/login", &[("address", BOB), ("password", BOBS_PASSWORD)]).await;
    assert_eq!(signed_in.location(), "/mailbox");
    let list = bob.get("/mailbox").await.words();
    assert!(list.contains("Offer") && list.contains("Second"), "{list}");
    assert!((0..senders.len()).all(|number| list.contains(&format!("Later-{number}"))), "{list}");
    let first = house.alice_reads().await.messages("Sent").await.remove(0);
    assert_eq!(field(&first, "X-OxGuard-PIN").unwrap(), pin, "also three months later");
}

/// Others who write before the first use: pointed to the one invitation, and told whose it is.
#[tokio::test(flavor = "multi_thread")]
async fn others_are_pointed_to_the_first_invitation() {
    let house = House::new().await;
    house.add_account(CAROL, PASSWORD).await;
    let (mut bob, first_link, pin) = invite(&house).await;
    sent(&house, CAROL, "[secure] Hello", "").await;
    let mails = house.world.wait_for(2).await;
    let text = unfolded(&String::from_utf8_lossy(&mails[1].text));
    assert!(!leads_to_an_invitation(&text) && text.contains(ALICE) && text.contains(CAROL), "{text}");
    let note = told(&house, CAROL, &["has not opened the mailbox yet", ALICE]).await;
    assert!(!note.contains(&pin) && !leads_to_an_invitation(&note), "the PIN is with Alice: {note}");
    let copies = house.imap(CAROL, PASSWORD).await.messages("Sent").await;
    assert!(field(&copies[0], "X-OxGuard-PIN").is_none(), "{}", copies[0]);
    first_use(&mut bob, &first_link, &pin).await;
    let list = bob.get("/mailbox").await.words();
    assert!(list.contains("Offer") && list.contains("Hello"), "{list}");
}

/// The key of the old invitation is in no byte any more, so that an old copy of the store opens with nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_destroys_the_old_key() {
    let mut house = House::new().await;
    invite(&house).await;
    let record = house.flow().all_mailboxes(MailboxKind::Temporary).await.unwrap().remove(0);
    let old = record.slots[0].shred;
    let key = house.flow().store.shred_key(old).await.unwrap().expect("it lives");
    let key = key.expose().to_vec();
    let holds = |house: &House| {
        house.data().iter().filter(|(_, octets)| crate::markers::contains(octets, &key)).count()
    };
    assert!(holds(&house) > 0, "it can be found before");
    sent(&house, ALICE, "[secure renew] Once more", "").await;
    house.world.wait_for(2).await;
    assert!(house.flow().store.shred_key(old).await.unwrap().is_none());
    house.stop().await;
    assert_eq!(holds(&house), 0, "not in any file");
    house.start().await;
    assert!(house.flow().store.shred_key(old).await.unwrap().is_none());
}
