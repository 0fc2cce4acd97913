//! The life of a temporary mailbox by the clock: how long it is open, what keeps it, who is warned, how it ends, and
//! what no clock can do to it.

use crate::harness::House;
use crate::harness::PASSWORD;
use crate::life_table::ALICE;
use crate::life_table::CAROL;
use crate::life_table::Stage;
use crate::mail_client::field;
use crate::main_job::BOB;
use crate::main_job::BOBS_PASSWORD;
use crate::main_job::leads_to_an_invitation;
use crate::main_job::letter;
use crate::main_job::path_and_token;
use crate::patience::PATIENCE;
use crate::peer::Act;
use crate::peer::Plan;
use crate::peer::Taken;
use guardpost::serve::control::request::Request;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::timeout;

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

fn subject(mail: &Taken) -> String {
    field(&String::from_utf8_lossy(&mail.text), "Subject").unwrap()
}

/// What the peer was told of closing so far.
fn warnings(house: &House) -> Vec<String> {
    let mails = house.world.taken();
    let texts = mails.iter().map(|mail| String::from_utf8_lossy(&mail.text).into_owned());
    texts
        .filter(|text| text.contains("Your mailbox closes") || text.contains("Ihr Postfach schlie"))
        .collect()
}

async fn signs_in(house: &House) -> bool {
    let mut browser = house.browser();
    let page = browser.post("/login", &[("address", BOB), ("password", BOBS_PASSWORD)]).await;
    page.status == 303
}

async fn clock(house: &House) -> Value {
    house.control(&Request::ClockShow {}).await.unwrap()
}

async fn is_suspended(house: &House) -> bool {
    clock(house).await.get("suspended").is_some_and(Value::is_object)
}

/// The alarms that came, whichever account is the first.
async fn alarms(house: &House) -> Vec<String> {
    let mut alarms = Vec::new();
    for account in [ALICE, CAROL] {
        let inbox = house.imap(account, PASSWORD).await.messages("INBOX").await;
        let is_alarm = |mail: &String| field(mail, "Subject").unwrap().contains("Please check the clock");
        alarms.extend(inbox.into_iter().filter(is_alarm));
    }
    alarms
}

/// S0-29, to the hour: open for 89 days and 23 hours, warned on the way, closed at 90 days and one hour, and after 97
/// days and one hour nothing opens it.
#[tokio::test(flavor = "multi_thread")]
async fn ninety_days() {
    let mut stage = Stage::new().await;
    stage.invite().await;
    let mut session = stage.house.browser();
    crate::main_job::first_use(&mut session, &stage.link, &stage.pin).await;
    assert!(session.get("/mailbox").await.words().contains("Offer"));
    let mailbox = stage.mailbox.unwrap();

    stage.age(75 * DAY + 23 * HOUR).await;
    assert!(warnings(&stage.house).is_empty());
    stage.age(76 * DAY).await;
    assert_eq!(warnings(&stage.house).len(), 1, "14 days before");
    stage.age(86 * DAY + 23 * HOUR).await;
    assert_eq!(warnings(&stage.house).len(), 1);
    stage.age(87 * DAY).await;
    assert_eq!(warnings(&stage.house).len(), 2, "3 days before");
    stage.age(89 * DAY + 23 * HOUR).await;
    assert_eq!(stage.state().await, "open");
    let link = stage.link.clone();
    assert!(stage.browser.get(&link).await.words().contains("Sign in"));
    let record = stage.house.flow().store.mailbox(mailbox).await.unwrap().unwrap();

    stage.age(90 * DAY + HOUR).await;
    assert_eq!(stage.state().await, "closed");
    assert!(!signs_in(&stage.house).await, "closed to everybody");
    let refused = crate::mail_client::Imap::connect(stage.house.port(guardpost::net::listen::Service::Imaps))
        .await
        .sign_in(BOB, BOBS_PASSWORD)
        .await;
    assert!(refused.is_err());
    let page = stage.browser.get(&link).await;
    assert_eq!(page.status, 410);
    assert!(page.words().contains("expired on"), "{}", page.words());
    let (path, token) = path_and_token(&link, &stage.browser.site());
    let pin = stage.pin.clone();
    assert_eq!(stage.try_pin(&path, &token, &pin).await.status, 410);

    stage.house.pass(Duration::from_secs(7 * DAY)).await;
    assert_eq!(stage.state().await, "deleted");
    assert!(!signs_in(&stage.house).await);
    let page = stage.browser.get(&link).await;
    assert_eq!(page.status, 410);
    assert!(page.words().contains("deleted on"), "{}", page.words());
    assert_eq!(stage.try_pin(&path, &token, &pin).await.status, 410);
    // The files included: no key of it is left in the shred file, and no record names it.
    let store = &stage.house.flow().store;
    for slot in &record.slots {
        assert!(store.shred_key(slot.shred).await.unwrap().is_none(), "its shred key is destroyed");
    }
    assert!(store.key(mailbox, &record.certificate).await.unwrap().is_none());
    assert!(store.folders(mailbox).await.unwrap().is_empty());
    let shown = stage.house.control(&Request::MailboxShow { address: BOB.into() }).await;
    assert_eq!(shown.unwrap_err().kind.exit(), 1);
    stage.house.stop().await;
    stage.house.start().await;
    assert!(!signs_in(&stage.house).await, "nor after a restart");
}

/// What counts: signing in, answering, arriving mail, an open session; each lets the 90 days begin anew.
#[tokio::test(flavor = "multi_thread")]
async fn activity_begins_the_days_anew() {
    let mut stage = Stage::new().await;
    stage.invite().await;
    stage.open().await;
    let record = async |stage: &Stage| {
        let store = &stage.house.flow().store;
        store.mailbox(stage.mailbox.unwrap()).await.unwrap().unwrap()
    };
    for deed in ["sign-in", "reply", "mail", "session", "imap"] {
        stage.age(77 * DAY).await;
        assert_eq!(record(&stage).await.warnings.len(), 1, "before {deed}");
        let before = record(&stage).await.last_activity;
        match deed {
            "sign-in" => assert!(signs_in(&stage.house).await),
            "reply" => {
                // A session that began before a long silence; its reply alone is looked at.
                let mut browser = stage.house.browser();
                browser.post("/login", &[("address", BOB), ("password", BOBS_PASSWORD)]).await;
                let form = browser.get("/mailbox/inbox/1/reply").await;
                assert_eq!(form.status, 200, "{}", form.words());
                stage.house.clock.pass(Duration::from_secs(10 * 60));
                let early = record(&stage).await.last_activity;
                let fields = [("to", "sender"), ("subject", ""), ("body", "Tansy-2213")];
                let page = browser.post_files("/mailbox/inbox/1/reply", &fields, &[]).await;
                assert_eq!(page.status, 303, "{}", page.words());
                assert!(record(&stage).await.last_activity > early, "the reply itself counts");
            }
            "mail" => {
                let text = letter("[secure] More", "more", "");
                let reply = stage.house.alice_sends().await.send(ALICE, &[BOB], &text).await;
                assert!(reply.is(250, "2.0.0"), "{reply:?}");
            }
            "session" => {
                let mut browser = stage.house.browser();
                browser.post("/login", &[("address", BOB), ("password", BOBS_PASSWORD)]).await;
                let signed_in = record(&stage).await.last_activity;
                // Kept alive by its requests; a day passes by the wall clock alone, which ends no session.
                stage.house.clock.set_wall(i64::try_from(DAY).unwrap());
                assert_eq!(browser.get("/mailbox").await.status, 200);
                assert!(record(&stage).await.last_activity > signed_in, "noted once a day");
                let noted = record(&stage).await.last_activity;
                assert_eq!(browser.get("/mailbox").await.status, 200);
                assert_eq!(record(&stage).await.last_activity, noted, "and not with every request");
                stage.house.clock.set_wall(-i64::try_from(DAY).unwrap());
                stage.house.look().await;
            }
            _ => {
                let mut imap = stage.house.imap(BOB, BOBS_PASSWORD).await;
                let signed_in = record(&stage).await.last_activity;
                stage.house.clock.pass(Duration::from_secs(DAY + HOUR));
                imap.select("INBOX").await;
                imap.ask("NOOP").await.unwrap();
                assert!(record(&stage).await.last_activity > signed_in, "an open connection counts");
            }
        }
        let now = record(&stage).await;
        assert!(now.last_activity > before && now.warnings.is_empty(), "{deed} lets warnings begin anew");
    }
    stage.age(89 * DAY).await;
    assert_eq!(stage.state().await, "open");
    stage.age(90 * DAY + HOUR).await;
    assert_eq!(stage.state().await, "closed");
}

/// S1-31, S3-27: a year by the setting, warned 14 and 3 days before, in German where the mailbox is German.
#[tokio::test(flavor = "multi_thread")]
async fn a_year_by_the_setting_in_both_languages() {
    for german in [false, true] {
        let language = if german { "[[domain]]\nname = \"haus.example\"\nlanguage = \"de\"\n" } else { "" };
        let more = format!("[temporary_mailbox]\ninactivity_days = 365\n{language}");
        let house = House::with(Plan::default(), &more).await;
        let sender = if german { "anna@haus.example" } else { ALICE };
        if german {
            house.add_account(sender, PASSWORD).await;
        }
        let text = letter("[secure] Offer", "Dear Bob", "").replace(ALICE, sender);
        let reply = house.submission(sender, PASSWORD).await.send(sender, &[BOB], &text).await;
        assert!(reply.is(250, "2.0.0"), "{reply:?}");
        let invitation = house.world.wait_for(1).await.remove(0);
        let pin = {
            let sent = house.imap(sender, PASSWORD).await.messages("Sent").await;
            field(sent.last().unwrap(), "X-OxGuard-PIN").unwrap()
        };
        let mut browser = house.browser();
        if german {
            browser.more.push(("Accept-Language".into(), "de".into()));
        }
        crate::main_job::first_use(&mut browser, &crate::main_job::link(&invitation), &pin).await;
        let mailbox = house.control(&Request::MailboxShow { address: BOB.into() }).await.unwrap();
        let closes = mailbox.get("inactive_until").and_then(Value::as_str).unwrap().to_owned();

        house.pass(Duration::from_secs(350 * DAY)).await;
        assert!(warnings(&house).is_empty());
        house.pass(Duration::from_secs(DAY)).await;
        let first = house.world.wait_for(2).await.remove(1);
        settled(&house, 1).await;
        house.pass(Duration::from_secs(11 * DAY)).await;
        let second = house.world.wait_for(3).await.remove(2);
        settled(&house, 2).await;
        for mail in [&first, &second] {
            let text = String::from_utf8_lossy(&mail.text).into_owned();
            assert!(mail.tls && mail.mail.starts_with("<secure-mail+"), "{}", mail.mail);
            assert_eq!(field(&text, "Auto-Submitted").unwrap(), "auto-generated");
            assert!(field(&text, "DKIM-Signature").is_some());
            assert!(text.contains("text/html") && text.contains("text/plain"));
            assert!(!leads_to_an_invitation(&text), "no link to an invitation that is spent");
        }
        let year = closes.split('-').next().unwrap();
        let wants = if german { "Ihr Postfach bei" } else { "Your mailbox at House closes on" };
        let subject = decoded(&subject(&second));
        assert!(subject.contains(wants) && subject.contains(year), "{subject}");
        house.pass(Duration::from_secs(2 * DAY + 23 * HOUR)).await;
        assert!(is_open(&house).await, "a day before the year is over it is open");
        house.pass(Duration::from_secs(2 * HOUR)).await;
        let state = house.control(&Request::MailboxShow { address: BOB.into() }).await.unwrap();
        assert_eq!(state.get("state").and_then(Value::as_str), Some("closed"));
        assert!(!signs_in(&house).await);
    }
}

/// RFC 2047, as far as a subject of ours needs it.
fn decoded(subject: &str) -> String {
    use guardpost::mime::header::Header;
    let header = format!("Subject: {subject}\r\n\r\n");
    Header::parse(header.as_bytes()).subject().unwrap()
}

/// Whether it is open, as an admin sees it: a sign-in would begin the year anew.
async fn is_open(house: &House) -> bool {
    let shown = house.control(&Request::MailboxShow { address: BOB.into() }).await.unwrap();
    shown.get("state").and_then(Value::as_str) == Some("open")
}

/// Waits until so many warnings are settled.
async fn settled(house: &House, count: usize) {
    let bob = guardpost::base::address::Address::parse(BOB).unwrap();
    let mailbox = house.flow().store.mailbox_of(&bob.key()).await.unwrap().unwrap();
    let mut changes = house.flow().store.watch(mailbox);
    let all = async {
        loop {
            let record = house.flow().store.mailbox(mailbox).await.unwrap().unwrap();
            if record.warnings.iter().filter(|sent| sent.settled.is_some()).count() >= count {
                return;
            }
            changes.changed().await.unwrap();
        }
    };
    timeout(PATIENCE, all).await.expect("settled");
}

/// Sessions end with the closing; within the week an admin undoes it, and nothing is lost.
#[tokio::test(flavor = "multi_thread")]
async fn closing_ends_sessions_and_can_be_undone_for_a_week() {
    let mut stage = Stage::new().await;
    stage.invite().await;
    stage.open().await;
    stage.age(89 * DAY).await;
    let mut browser = stage.house.browser();
    browser.post("/login", &[("address", BOB), ("password", BOBS_PASSWORD)]).await;
    let mut imap = stage.house.imap(BOB, BOBS_PASSWORD).await;
    imap.select("INBOX").await;
    // Nothing of this is activity of a later day: the session is of the moment before.
    let mailbox = stage.mailbox.unwrap();
    let record = stage.house.flow().store.mailbox(mailbox).await.unwrap().unwrap();
    let close = guardpost::store::command::Command::CloseMailbox {
        mailbox,
        now: stage.house.flow().clock.now(),
        not_active_since: record.last_activity,
    };
    assert_eq!(browser.get("/mailbox").await.status, 200);
    stage.house.flow().store.commit(vec![close]).await.unwrap();
    assert_eq!(browser.get("/mailbox").await.location(), "/login", "the session has ended");
    let said = imap.ask("NOOP").await;
    assert!(said.is_err() || imap.ask("NOOP").await.is_err(), "IMAP says BYE");
    assert!(!signs_in(&stage.house).await);

    stage.house.pass(Duration::from_secs(6 * DAY + 23 * HOUR)).await;
    assert_eq!(stage.state().await, "closed");
    let reopened = stage.house.control(&Request::MailboxReopen { address: BOB.into() }).await.unwrap();
    assert_eq!(reopened.get("state").and_then(Value::as_str), Some("open"));
    assert!(signs_in(&stage.house).await, "its password opens it again");
    let mut browser = stage.house.browser();
    browser.post("/login", &[("address", BOB), ("password", BOBS_PASSWORD)]).await;
    assert!(browser.get("/mailbox").await.words().contains("Offer"), "nothing is lost");
    stage.house.pass(Duration::from_secs(2 * DAY)).await;
    assert_eq!(stage.state().await, "open", "the week does not go on");
    let again = stage.house.control(&Request::MailboxReopen { address: BOB.into() }).await;
    assert_eq!(again.unwrap_err().kind.exit(), 1);
}

/// Made anew after deletion or in the week before: nothing of the old mailbox is in it.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_mailbox_of_the_address_starts_empty() {
    for after_deletion in [true, false] {
        let mut stage = Stage::new().await;
        stage.invite().await;
        stage.open().await;
        stage.age(90 * DAY + HOUR).await;
        if after_deletion {
            stage.house.pass(Duration::from_secs(7 * DAY)).await;
        }
        let old = stage.mailbox;
        let count = stage.house.world.taken().len();
        let text = letter("[secure] Fresh", "new", "");
        let reply = stage.house.alice_sends().await.send(ALICE, &[BOB], &text).await;
        assert!(reply.is(250, "2.0.0"), "{reply:?}");
        let mail = stage.house.world.wait_for(count + 1).await.remove(count);
        let pin = crate::main_job::told_pin(&stage.house).await;
        assert!(!signs_in(&stage.house).await, "the old password opens nothing");
        let mut browser = stage.house.browser();
        crate::main_job::first_use(&mut browser, &crate::main_job::link(&mail), &pin).await;
        let list = browser.get("/mailbox").await.words();
        assert!(list.contains("Fresh") && !list.contains("Offer"), "{list}");
        let bob = guardpost::base::address::Address::parse(BOB).unwrap();
        assert_ne!(stage.house.flow().store.mailbox_of(&bob.key()).await.unwrap(), old);
    }
}

/// Wherever a clock is set to, nothing is warned, closed or deleted; the postmaster is told once.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_deletes_nothing() {
    let boot = -1_795_000_000;
    for jump in [100 * 86_400, -100 * 86_400, boot] {
        let mut stage = Stage::new().await;
        stage.invite().await;
        stage.open().await;
        stage.age(75 * DAY).await;
        assert!(!is_suspended(&stage.house).await);
        stage.house.clock.set_wall(jump);
        stage.house.look().await;
        assert!(is_suspended(&stage.house).await, "{jump}");
        for _ in 0..3 {
            stage.house.pass(Duration::from_secs(40 * DAY)).await;
        }
        assert_eq!(stage.state().await, "open", "{jump}");
        assert!(warnings(&stage.house).is_empty(), "{jump}");
        assert_eq!(alarms(&stage.house).await.len(), 1, "once, whatever passes");
        let alarm = alarms(&stage.house).await.remove(0);
        assert!(alarm.contains("guardpost clock accept"), "{alarm}");
        // A restart does not end it.
        stage.house.stop().await;
        stage.house.start().await;
        stage.house.look().await;
        assert!(is_suspended(&stage.house).await, "{jump}");
        // Set right, and accepted: warnings come first, one after the other, then three days pass.
        stage.house.clock.set_wall(-jump);
        stage.house.control(&Request::ClockAccept {}).await.unwrap();
        stage.house.look().await;
        assert!(!is_suspended(&stage.house).await, "{jump}: {}", clock(&stage.house).await);
        settled(&stage.house, 1).await;
        stage.house.look().await;
        assert_eq!((stage.state().await.as_str(), warnings(&stage.house).len()), ("open", 1), "{jump}");
        stage.house.pass(Duration::from_secs(DAY + HOUR)).await;
        settled(&stage.house, 2).await;
        stage.house.pass(Duration::from_secs(2 * DAY + 23 * HOUR)).await;
        assert_eq!(stage.state().await, "open", "{jump}");
        stage.house.pass(Duration::from_secs(2 * HOUR)).await;
        assert_eq!(stage.state().await, "closed", "{jump}");
        assert_eq!(alarms(&stage.house).await.len(), 1);
    }
}

/// Many small jumps are one large one; a change to summer time is none, because no time here has a zone.
#[tokio::test(flavor = "multi_thread")]
async fn small_jumps_add_up() {
    let house = House::new().await;
    house.look().await;
    for _ in 0..3 {
        house.clock.set_wall(1_150);
        house.pass(Duration::from_secs(60)).await;
    }
    assert!(!is_suspended(&house).await, "57 minutes");
    house.clock.set_wall(300);
    house.look().await;
    assert!(is_suspended(&house).await, "62 minutes");
    let facts = clock(&house).await;
    assert_eq!(facts.pointer("/suspended/why").and_then(Value::as_str), Some("jump"));
}

/// Powered off for 8 days while a mailbox had 2 left: nobody is shut out unwarned.
#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_was_off_warns_before_it_closes() {
    let mut stage = Stage::new().await;
    stage.invite().await;
    stage.open().await;
    stage.age(86 * DAY).await;
    assert_eq!(warnings(&stage.house).len(), 1);
    stage.house.stop().await;
    stage.house.clock.set_wall(i64::try_from(8 * DAY).unwrap());
    stage.house.start().await;
    stage.house.look().await;
    assert_eq!(stage.state().await, "open", "94 days, and not closed");
    let facts = clock(&stage.house).await;
    assert_eq!(facts.pointer("/suspended/why").and_then(Value::as_str), Some("forward"));
    assert!(facts.pointer("/suspended/by_seconds").and_then(Value::as_u64).unwrap() >= 8 * DAY);
    let alarm = alarms(&stage.house).await.remove(0);
    assert!(alarm.contains("8 days"), "{alarm}");
    stage.house.pass(Duration::from_secs(30 * DAY)).await;
    assert_eq!((stage.state().await.as_str(), warnings(&stage.house).len()), ("open", 1));

    stage.house.control(&Request::ClockAccept {}).await.unwrap();
    let again = stage.house.control(&Request::ClockAccept {}).await;
    assert_eq!(again.unwrap_err().kind.exit(), 1, "once");
    stage.house.look().await;
    settled(&stage.house, 2).await;
    stage.house.look().await;
    assert_eq!(stage.state().await, "open", "the last warning first");
    assert_eq!(warnings(&stage.house).len(), 2);
    stage.house.pass(Duration::from_secs(3 * DAY + HOUR)).await;
    assert_eq!(stage.state().await, "closed");

    // Off for less than a week is nothing; but the week of grace wants three days in which it ran.
    stage.house.stop().await;
    stage.house.clock.set_wall(i64::try_from(6 * DAY + 23 * HOUR).unwrap());
    stage.house.start().await;
    stage.house.look().await;
    assert!(!is_suspended(&stage.house).await);
    stage.house.pass(Duration::from_secs(2 * HOUR)).await;
    assert_eq!(stage.state().await, "closed", "7 days and one hour, of which it ran two hours");
    stage.house.pass(Duration::from_secs(3 * DAY)).await;
    assert_eq!(stage.state().await, "deleted");
}

/// Unreachable invitations go after a week; the trace of a deleted mailbox after 400 days.
#[tokio::test(flavor = "multi_thread")]
async fn traces_end() {
    let mut stage = Stage::new().await;
    stage.invite().await;
    stage.house.control(&Request::MailboxDelete { address: BOB.into(), fingerprint: None }).await.unwrap();
    let link = stage.link.clone();
    for _ in 0..399 / 7 {
        stage.house.pass(Duration::from_secs(7 * DAY)).await;
    }
    let page = stage.browser.get(&link).await;
    assert!(page.status == 410 && page.words().contains("deleted on"), "{}", page.words());
    stage.house.pass(Duration::from_secs(8 * DAY)).await;
    assert_eq!(stage.browser.get(&link).await.status, 200, "as an id that nobody ever made");
}

/// A world that refuses to take mail for Bob with these words as long as it is told to.
fn refusing(words: &'static str) -> (Plan, Arc<AtomicBool>) {
    let refuses = Arc::new(AtomicBool::new(false));
    let asked = refuses.clone();
    let plan = Plan::default().rule(move |line| {
        let refused = asked.load(Ordering::SeqCst) && line.line.starts_with("RCPT");
        if refused { Act::Say(words.into()) } else { Act::Usual }
    });
    (plan, refuses)
}

/// A warning that comes back is settled: the mailbox closes at its time, and nobody is told of the warning.
#[tokio::test(flavor = "multi_thread")]
async fn a_warning_that_comes_back_counts() {
    let (plan, refuses) = refusing("550 5.1.1 no such user");
    let mut stage = Stage::with(plan, "").await;
    stage.invite().await;
    stage.open().await;
    refuses.store(true, Ordering::SeqCst);
    let notes = stage.house.alice_reads().await.messages("INBOX").await.len();
    stage.age(89 * DAY + 23 * HOUR).await;
    assert_eq!(stage.state().await, "open");
    stage.age(90 * DAY + HOUR).await;
    assert_eq!((stage.state().await.as_str(), warnings(&stage.house).len()), ("closed", 0));
    assert_eq!(stage.house.alice_reads().await.messages("INBOX").await.len(), notes);
}

/// One that waits in the queue keeps the mailbox open, and gives three days once it is through.
#[tokio::test(flavor = "multi_thread")]
async fn a_warning_that_waits_keeps_the_mailbox_open() {
    let (plan, refuses) = refusing("451 4.7.1 later");
    let mut stage = Stage::with(plan, "").await;
    stage.invite().await;
    stage.open().await;
    stage.age(86 * DAY).await;
    refuses.store(true, Ordering::SeqCst);
    stage.house.pass(Duration::from_secs(DAY)).await;
    stage.house.queue_rests().await;
    stage.house.pass(Duration::from_secs(4 * DAY)).await;
    stage.house.queue_rests().await;
    assert_eq!((stage.state().await.as_str(), warnings(&stage.house).len()), ("open", 1), "91 days");
    let shown = stage.house.control(&Request::MailboxShow { address: BOB.into() }).await.unwrap();
    assert_eq!(shown.pointer("/warnings/1/settled").and_then(Value::as_bool), Some(false), "{shown}");
    refuses.store(false, Ordering::SeqCst);
    stage.house.control(&Request::QueueRetry { id: None }).await.unwrap();
    settled(&stage.house, 2).await;
    stage.house.pass(Duration::from_secs(2 * DAY + 23 * HOUR)).await;
    assert_eq!((stage.state().await.as_str(), warnings(&stage.house).len()), ("open", 2));
    stage.house.pass(Duration::from_secs(2 * HOUR)).await;
    assert_eq!(stage.state().await, "closed");
}
