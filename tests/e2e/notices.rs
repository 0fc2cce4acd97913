//! Mails that tell a recipient of messages: few for many, none to an address that takes none, in the recipient's
//! language; and what becomes of answers to them.

use crate::harness::House;
use crate::harness::PASSWORD;
use crate::mail_client::Smtp;
use crate::mail_client::field;
use crate::main_job::BOB;
use crate::main_job::BOBS_PASSWORD;
use crate::main_job::first_use;
use crate::main_job::invite;
use crate::main_job::letter;
use crate::main_job::link;
use crate::main_job::told_pin;
use crate::peer::Act;
use crate::peer::Plan;
use crate::renewal::ALICE;
use crate::renewal::CAROL;
use crate::renewal::inbox;
use crate::renewal::sent;
use crate::renewal::told;
use crate::renewal::unfolded;
use guardpost::net::listen::Service;
use guardpost::store::command::Command;
use guardpost::store::record::MailboxKind;
use guardpost::store::record_life::NoticeRecord;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Lets time pass, and the appliance see it.
fn pass(house: &House, span: Duration) {
    house.clock.pass(span);
    house.flow().notices.ring();
}

async fn text_of(house: &House, number: usize) -> String {
    let mails = house.world.wait_for(number).await;
    assert_eq!(mails.len(), number, "no more than that");
    unfolded(&String::from_utf8_lossy(&mails[number - 1].text))
}

/// At once if none went out lately, else one mail for all that came, which a restart does not forget.
#[tokio::test(flavor = "multi_thread")]
async fn many_messages_make_few_mails() {
    let mut house = House::new().await;
    house.add_account(CAROL, PASSWORD).await;
    let (mut bob, first_link, pin) = invite(&house).await;
    first_use(&mut bob, &first_link, &pin).await;
    sent(&house, ALICE, "[secure] One", "").await;
    assert!(text_of(&house, 2).await.contains("There is a new message in your mailbox"));
    sent(&house, ALICE, "[secure] Two", "").await;
    sent(&house, CAROL, "[secure] Three", "").await;
    pass(&house, MINUTE * 5);
    sent(&house, ALICE, "[secure] Four", "").await;
    pass(&house, MINUTE * 5);
    let text = text_of(&house, 3).await;
    assert!(text.contains("There are 3 new messages in your mailbox"), "{text}");
    assert!(text.contains(ALICE) && text.contains(CAROL) && text.contains("/login"), "{text}");
    assert!(["Two", "Three", "Four"].iter().all(|subject| !text.contains(subject)), "{text}");

    sent(&house, CAROL, "[secure] Five", "").await;
    sent(&house, CAROL, "[secure] Six", "").await;
    house.stop().await;
    house.clock.pass(MINUTE * 10);
    house.start().await;
    assert!(text_of(&house, 4).await.contains("There are 2 new messages"), "found again after a restart");

    // Who signs in has seen what waits: the next mail is about the next message only.
    sent(&house, ALICE, "[secure] Seven", "").await;
    let mut bob = house.browser();
    let signed_in = bob.post("/login", &[("address", BOB), ("password", BOBS_PASSWORD)]).await;
    assert_eq!(signed_in.location(), "/mailbox");
    pass(&house, MINUTE * 10);
    sent(&house, CAROL, "[secure] Eight", "").await;
    let text = text_of(&house, 5).await;
    assert!(
        text.contains("There is a new message") && text.contains(CAROL) && !text.contains(ALICE),
        "{text}"
    );
    let list = bob.get("/mailbox").await.words();
    assert!(
        ["One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight"].iter().all(|s| list.contains(s))
    );
}

/// So many in a day and no more, links that are repeated included; nothing is lost by it.
#[tokio::test(flavor = "multi_thread")]
async fn a_day_has_its_number_of_mails() {
    let house = House::with(Plan::default(), "[limits]\nnotices_per_day = 2\n").await;
    let (mut bob, first_link, pin) = invite(&house).await;
    sent(&house, ALICE, "[secure] Link-2", "").await;
    sent(&house, ALICE, "[secure] Link-3", "").await;
    house.world.wait_for(3).await;
    sent(&house, ALICE, "[secure] Link-4", "").await;
    told(&house, ALICE, &["The link was not sent once more"]).await;
    let copies = house.alice_reads().await.messages("Sent").await;
    let with_pin: Vec<bool> = copies.iter().map(|copy| field(copy, "X-OxGuard-PIN").is_some()).collect();
    assert_eq!(with_pin, [true, true, true, false], "a PIN stands with each link that was sent");
    first_use(&mut bob, &first_link, &pin).await;
    sent(&house, ALICE, "[secure] Fifth", "").await;
    pass(&house, MINUTE * 60);
    sent(&house, ALICE, "[secure] Sixth", "").await;
    pass(&house, DAY);
    let text = text_of(&house, 4).await;
    assert!(text.contains("There are 2 new messages in your mailbox"), "{text}");
    let list = bob.post("/login", &[("address", BOB), ("password", BOBS_PASSWORD)]).await;
    assert_eq!(list.location(), "/mailbox");
    let list = bob.get("/mailbox").await.words();
    assert!(["Link-4", "Fifth", "Sixth"].iter().all(|subject| list.contains(subject)), "{list}");
}

/// Two that came back for good are enough, until somebody signs in; senders know.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_takes_no_notices_gets_none() {
    let refusing = Arc::new(AtomicBool::new(false));
    let refuses = refusing.clone();
    let world = Plan::default().rule(move |asked| match refuses.load(Ordering::SeqCst) {
        true if asked.line.starts_with("RCPT") => Act::Say("550 5.7.1 Marigold no".into()),
        _ => Act::Usual,
    });
    let house = House::with(world, "").await;
    house.add_account(CAROL, PASSWORD).await;
    let (mut bob, first_link, pin) = invite(&house).await;
    first_use(&mut bob, &first_link, &pin).await;
    refusing.store(true, Ordering::SeqCst);
    for (number, from) in [ALICE, CAROL].into_iter().enumerate() {
        pass(&house, MINUTE * 10);
        sent(&house, from, &format!("[secure] Message-{number}"), "").await;
        let note = told(&house, from, &["was not told of your message", "Marigold"]).await;
        assert!(note.contains("finds your message when signing in"), "{note}");
    }
    house.queue_is_empty().await;
    let sessions = house.world.sessions().len();
    pass(&house, DAY * 2);
    sent(&house, ALICE, "[secure] Message-2", "").await;
    told(&house, ALICE, &["is not told of your message by mail"]).await;
    house.queue_is_empty().await;
    assert_eq!(house.world.sessions().len(), sessions);
    refusing.store(false, Ordering::SeqCst);
    let mut bob = house.browser();
    let signed_in = bob.post("/login", &[("address", BOB), ("password", BOBS_PASSWORD)]).await;
    assert_eq!(signed_in.location(), "/mailbox");
    let list = bob.get("/mailbox").await.words();
    assert!((0..3).all(|number| list.contains(&format!("Message-{number}"))), "{list}");
    sent(&house, CAROL, "[secure] Message-3", "").await;
    assert!(text_of(&house, 2).await.contains("There is a new message"));
}

/// The recipient's language, not the sender's.
#[tokio::test(flavor = "multi_thread")]
async fn notices_speak_the_recipients_language() {
    let house =
        House::with(Plan::default(), "[[domain]]\nname = \"zweite.example\"\nlanguage = \"de\"\n").await;
    const LEA: &str = "lea@zweite.example";
    house.add_account(LEA, PASSWORD).await;
    sent(&house, LEA, "[secure] Angebot", "").await;
    let mails = house.world.wait_for(1).await;
    assert!(unfolded(&String::from_utf8_lossy(&mails[0].text)).contains("NACHRICHT LESEN"));
    let copies = house.imap(LEA, PASSWORD).await.messages("Sent").await;
    let pin = field(&copies[0], "X-OxGuard-PIN").unwrap();
    let mut bob = house.browser();
    bob.more.push(("accept-language".into(), "en".into()));
    first_use(&mut bob, &link(&mails[0]), &pin).await;
    sent(&house, LEA, "[secure] Nachtrag", "").await;
    let text = text_of(&house, 2).await;
    assert!(text.contains("There is a new message in your mailbox"), "he chose English: {text}");
    assert!(text.contains("SIGN IN") && !text.contains("ANMELDEN"), "{text}");
}

/// A mail to the address that notices come from is answered once a day, if a person wrote it, and never kept.
#[tokio::test(flavor = "multi_thread")]
async fn answers_to_a_notice_are_answered_once() {
    let house = House::new().await;
    let before = inbox(&house, ALICE).await.len();
    let write_to = async |to: &str, from: &str, more: &str| {
        let text = letter("Re: Secure message", "Snapdragon-7714", more)
            .replace(ALICE, if from.is_empty() { "daemon@far.example" } else { from })
            .replace(BOB, to);
        let mut smtp = Smtp::connect(house.port(Service::Smtp), false).await;
        let reply = smtp.send(from, &[to], &text).await;
        assert!(reply.is(250, "2.0.0"), "{from}: {reply:?}");
    };
    let write = async |from: &str, more: &str| write_to("secure-mail@house.example", from, more).await;
    for (from, more) in [
        ("", ""),
        ("robot@far.example", "Auto-Submitted: auto-generated\r\n"),
        ("robot@far.example", "Auto-Submitted: auto-replied\r\n"),
        ("robot@far.example", "Precedence: bulk\r\n"),
        ("robot@far.example", "List-Id: <news.far.example>\r\n"),
        ("robot@far.example", "List-Unsubscribe: <https://far.example/u>\r\n"),
        ("mailer-daemon@far.example", ""),
        ("no-reply@far.example", ""),
        ("news-request@far.example", ""),
        (ALICE, ""),
        ("secure-mail@house.example", ""),
    ] {
        write(from, more).await;
        let queue = house.flow().store.queue(None, 10).await.unwrap();
        assert!(queue.is_empty(), "{from:?} {more:?} is not answered");
    }
    assert!(house.world.sessions().is_empty());
    write("eve@far.example", "Message-ID: <q1@far.example>\r\n").await;
    let mail = house.world.wait_for(1).await.remove(0);
    house.queue_is_empty().await;
    let text = unfolded(&String::from_utf8_lossy(&mail.text));
    assert_eq!(
        (mail.mail.starts_with("<>"), mail.rcpts.as_slice()),
        (true, &["<eve@far.example>".to_owned()][..])
    );
    assert!(text.contains("Auto-Submitted: auto-replied") && text.contains("In-Reply-To: <q1@far.example>"));
    assert!(
        text.contains("You wrote to secure-mail@house.example") && !text.contains("Snapdragon"),
        "{text}"
    );
    write("eve@far.example", "Message-ID: <q2@far.example>\r\n").await;
    assert!(house.flow().store.queue(None, 10).await.unwrap().is_empty(), "once a day");
    house.clock.pass(DAY);
    write("eve@far.example", "Message-ID: <q3@far.example>\r\n").await;
    house.world.wait_for(2).await;
    let envelope = format!("secure-mail+{}@house.example", "0".repeat(26));
    write_to(&envelope, "mailer-daemon@far.example", "").await;
    write_to(&envelope, "joe@far.example", "").await;
    let mails = house.world.wait_for(3).await;
    assert_eq!(mails[2].rcpts, ["<joe@far.example>"], "a person who answers to the envelope's address too");
    assert_eq!(inbox(&house, ALICE).await.len(), before, "nobody gets it");
    let markers = [("answer", crate::markers::Marker::new("Snapdragon-7714"))];
    house.data().iter().for_each(|(file, octets)| crate::markers::assert_absent(&markers, file, octets));
}

/// "I have no PIN": the page comes by a 303, the sender is told once a day.
#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_pin_can_say_so_once_a_day() {
    let house = House::new().await;
    let (mut bob, first_link, _) = invite(&house).await;
    let (path, token) = crate::main_job::path_and_token(&first_link, &bob.site());
    let asked = async |want: usize| {
        let notes = inbox(&house, ALICE).await;
        assert_eq!(notes.iter().filter(|note| note.contains("needs the PIN")).count(), want, "{notes:?}");
    };
    for want in [1, 1] {
        let page = bob.post(&format!("{path}/no-pin"), &[("token", &token)]).await;
        assert_eq!(page.location(), format!("{path}/asked"));
        assert!(bob.get(&format!("{path}/asked")).await.words().contains("The sender has been told"));
        asked(want).await;
    }
    assert_eq!(bob.post(&format!("{path}/no-pin"), &[("token", "wrong")]).await.status, 403);
    house.clock.pass(DAY + MINUTE);
    assert_eq!(bob.post(&format!("{path}/no-pin"), &[("token", &token)]).await.status, 303);
    asked(2).await;
    assert_eq!(house.world.taken().len(), 1, "nothing of it leaves");
    let pin = told_pin(&house).await;
    first_use(&mut bob, &first_link, &pin).await;
}

/// What waited when the second notice came back is not forgotten: whoever wrote it learns that nobody was told.
#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_notice_learns_that_there_is_none() {
    let mut house = House::new().await;
    let (mut bob, first_link, pin) = invite(&house).await;
    first_use(&mut bob, &first_link, &pin).await;
    let record = house.flow().all_mailboxes(MailboxKind::Temporary).await.unwrap().remove(0);
    let waits = NoticeRecord {
        waiting: Some(house.flow().clock.now()),
        senders: record.correspondents.clone(),
        messages: 1,
        returned: 2,
        ..NoticeRecord::default()
    };
    let put =
        Command::PutNotices { mailbox: record.id, notices: Some(waits), expected: record.notices.clone() };
    house.flow().store.commit(vec![put]).await.unwrap();
    house.stop().await;
    house.start().await;
    told(&house, ALICE, &["is not told of your message by mail"]).await;
    let record = house.flow().all_mailboxes(MailboxKind::Temporary).await.unwrap().remove(0);
    let notices = record.notices.clone().unwrap();
    assert_eq!((notices.waiting, notices.returned, notices.messages), (None, 2, 0));
    assert!(house.flow().store.queue(None, 10).await.unwrap().is_empty());
}

/// A disk that is full keeps new mail out, and nobody from reading what is there.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_keeps_no_recipient_out() {
    let house = House::new().await;
    let (mut bob, first_link, pin) = invite(&house).await;
    first_use(&mut bob, &first_link, &pin).await;
    sent(&house, ALICE, "[secure] One", "").await;
    house.world.wait_for(2).await;
    sent(&house, ALICE, "[secure] Two", "").await;
    house.clock.pass(DAY);
    house.free.store(128 << 20, Ordering::SeqCst);
    let mut bob = house.browser();
    let signed_in = bob.post("/login", &[("address", BOB), ("password", BOBS_PASSWORD)]).await;
    assert_eq!(signed_in.location(), "/mailbox");
    let list = bob.get("/mailbox").await.words();
    assert!(list.contains("One") && list.contains("Two"), "{list}");
    let messages = house.imap(BOB, BOBS_PASSWORD).await.messages("INBOX").await;
    assert_eq!(messages.len(), 3);
    assert!(!crate::renewal::send(&house, ALICE, "[secure] Three", "").await.is(250, "2.0.0"));
    house.free.store(1 << 40, Ordering::SeqCst);
    house.flow().notices.ring();
    let text = text_of(&house, 3).await;
    assert!(text.contains("There is a new message in your mailbox"), "told once there is room: {text}");
}
