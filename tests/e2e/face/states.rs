//! Every page and state, in the order in which one reader could meet them; each ends with a stop of the walk.

use crate::direct;
use crate::face::letters;
use crate::face::rare;
use crate::face::town::ANNA;
use crate::face::town::CHOSEN;
use crate::face::town::Invited;
use crate::face::town::OTHER;
use crate::face::town::PAUL;
use crate::face::town::PIN;
use crate::face::town::SITE;
use crate::face::walk::Walk;
use crate::gpg::Gpg;
use crate::patience::until;
use crate::peer::Taken;
use crate::shown::signed;
use guardpost::base::address::Address;
use guardpost::base::id::MailboxId;
use guardpost::base::language::Language;
use guardpost::net::listen::Service;
use guardpost::serve::control::request::Request;
use serde_json::json;
use std::fs;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Whose mailbox the walk goes through.
pub const MAX: &str = "max.berger@kunde.example";
const LEA: &str = "lea.horn@kunde.example";
const TIM: &str = "tim.kranz@kunde.example";
/// Who was invited without a PIN, and may not write to Paul.
pub const EVA: &str = "eva.lang@kunde.example";
const IDA: &str = "ida.moor@kunde.example";

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3_600);

#[tokio::test(flavor = "multi_thread")]
async fn every_page_in_english() {
    past_everything(Language::En).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_in_german() {
    past_everything(Language::De).await;
}

async fn past_everything(language: Language) {
    let mut walk = Walk::new(language).await;
    let max = walk.town.invite(MAX, PIN).await;
    before_the_first_use(&mut walk, &max).await;
    first_look(&mut walk, &max).await;
    messages(&mut walk).await;
    answers(&mut walk).await;
    what_belongs_to_it(&mut walk).await;
    what_is_not_there(&mut walk).await;
    many_messages(&mut walk).await;
    session_ends(&mut walk).await;
    sign_in(&mut walk, &max).await;
    other_invitations(&mut walk).await;
    the_end_of_a_mailbox(&mut walk).await;
    walk.end().await;
}

/// The failures of a network are forgiven with time.
async fn forgiven(walk: &Walk) {
    walk.town.house.clock.pass(6 * MINUTE);
}

async fn before_the_first_use(walk: &mut Walk, max: &Invited) {
    walk.open("/").await;
    walk.browser.open(&max.page).await;
    if walk.language != Language::En {
        walk.browser.follow_at(".language").await;
    }
    walk.stop("first-use-paste").await;
    warning_is_seen(walk).await;

    walk.browser.fill("token", "AAAA-BBBB-CC").await;
    walk.browser.follow_at(".language").await;
    walk.browser.fill("password", CHOSEN).await;
    walk.browser.follow_at(".language").await;
    let half = walk.browser.evaluate("document.getElementById('token').value").await;
    walk.demand(half == "AAAA-BBBB-CC", "half a code stays where it is");
    walk.stop("first-use-other-language").await;

    walk.browser.fill("token", "AAAA-BBBB-CCCC-DDDD-EEEE-FFFF-GG").await;
    walk.fill_first_use("000000").await;
    walk.stop("first-use-wrong-code").await;
    forgiven(walk).await;

    // The link once more, into the bar of this very page; then in a window of its own.
    walk.browser.open(&max.link).await;
    let taken = walk.browser.shows("#token-filled").await && !walk.browser.shows("#token-field").await;
    walk.demand(taken, "the code is taken from the link that was pasted into the bar");
    walk.follow_mail(max).await;
    walk.stop("first-use-pin").await;
    warning_is_seen(walk).await;
    walk.demand(!walk.browser.shows("#token-field").await, "the code was taken from the link");

    walk.browser.fill("pin", PIN).await;
    walk.browser.fill("password", CHOSEN).await;
    walk.browser.fill("confirm", "Larch under ten blue moons").await;
    walk.browser.click("#understood").await;
    walk.follow("first-submit").await;
    walk.stop("first-use-mismatch").await;

    // As from a browser that lets everything pass.
    walk.browser.evaluate("document.querySelector('form.first').noValidate = true").await;
    walk.browser.click("#understood").await;
    walk.browser.fill("password", "short").await;
    walk.follow("first-submit").await;
    walk.stop("first-use-errors").await;

    walk.fill_first_use("000000").await;
    walk.stop("first-use-wrong-pin").await;
    forgiven(walk).await;

    let free = walk.town.house.free.swap(0, Ordering::SeqCst);
    walk.follow_mail(max).await;
    walk.press("no-pin-title").await;
    walk.follow("no-pin-button").await;
    walk.stop("first-use-busy").await;
    walk.town.house.free.store(free, Ordering::SeqCst);

    walk.follow_mail(max).await;
    walk.press("no-pin-title").await;
    walk.follow("no-pin-button").await;
    walk.stop("pin-asked").await;

    walk.follow_mail(max).await;
    walk.follow("cancel").await;
    walk.stop("cancelled").await;

    walk.follow("help-link").await;
    walk.stop("help").await;
}

/// On the smallest telephone the warning is seen without scrolling.
async fn warning_is_seen(walk: &mut Walk) {
    walk.browser.size(320, 568).await;
    let bottom =
        walk.browser.evaluate("document.getElementById('warning').getBoundingClientRect().bottom + scrollY");
    let bottom = bottom.await.as_f64().unwrap();
    walk.demand(bottom < 568.0, &format!("#warning ends at {bottom} px"));
}

async fn first_look(walk: &mut Walk, max: &Invited) {
    let (formatted, plain) = (letters::formatted(walk.language), letters::plain(walk.language));
    walk.town.write(MAX, formatted.subject, "", &formatted.body).await;
    walk.town.write(MAX, plain.subject, &format!("Cc: Paul Roth <{PAUL}>\r\n"), &plain.body).await;
    walk.follow_mail(max).await;
    walk.fill_first_use(PIN).await;
    walk.stop("mailbox-opened").await;
    walk.follow("nav-inbox").await;
    walk.stop("mailbox").await;
    walk.follow("nav-sent").await;
    walk.stop("sent-empty").await;
    walk.open("/login").await;
    assert!(walk.browser.address().await.ends_with("/mailbox"), "who is signed in needs no form for it");
}

async fn messages(walk: &mut Walk) {
    walk.follow("nav-inbox").await;
    walk.browser.follow_at(".list li:nth-last-child(2) a").await;
    walk.stop("message").await;
    walk.follow("body-open").await;
    walk.stop("message-body").await;
    walk.open("/mailbox/inbox/2").await;
    walk.browser.click(".files-list a").await;

    walk.open("/mailbox").await;
    walk.browser.follow_at(".list li:first-child a").await;
    walk.stop("message-text").await;
    walk.press("save-eml").await;
    walk.follow("print").await;
    walk.stop("message-print").await;

    // A long message is a file; what the disk does to it must show.
    let before = walk.town.bodies();
    let long = letters::long_text_body(&pages(3_000));
    walk.town.write(MAX, "Grundriss und Lageplan", "", &long).await;
    let files: Vec<_> = walk.town.bodies().difference(&before).cloned().collect();
    assert!(!files.is_empty(), "a long message is a file");
    for file in &files {
        fs::rename(file, file.with_extension("aside")).unwrap();
        fs::create_dir(file).unwrap();
    }
    walk.open("/mailbox").await;
    walk.browser.follow_at(".list li:first-child a").await;
    walk.stop("message-unreadable").await;
    let told = walk.browser.text("main h1").await == walk.say("unreadable-title");
    walk.demand(told, "what the disk keeps back is not called damaged");
    for file in &files {
        fs::remove_dir(file).unwrap();
        fs::rename(file.with_extension("aside"), file).unwrap();
    }
    for file in &files {
        let mut octets = fs::read(file).unwrap();
        let middle = octets.len() / 2;
        octets[middle] ^= 1;
        fs::write(file, octets).unwrap();
    }
    walk.open("/mailbox").await;
    walk.browser.follow_at(".list li:first-child a").await;
    walk.stop("message-damaged").await;
    let told = walk.browser.text("main h1").await == walk.say("damaged-title");
    walk.demand(told, "damage is called damage");

    // A larger one needs room on the way to its reader, which a broken disk does not have.
    walk.town.write(MAX, "Fotos", "", &letters::long_text_body(&pages(6_000))).await;
    let (spool, away) = (walk.town.house.at("data/spool"), walk.town.house.at("data/spool.away"));
    fs::rename(&spool, &away).unwrap();
    walk.open("/mailbox").await;
    walk.browser.follow_at(".list li:first-child a").await;
    walk.stop("error").await;
    let told = walk.browser.text("main h1").await == walk.say("error-title");
    walk.demand(told, "the mistake is ours, and that is said");
    fs::rename(&away, &spool).unwrap();
    signatures(walk).await;
    rare::odd_messages(walk).await;
}

/// Anna signs; on the way somebody changes what she signed.
async fn signatures(walk: &mut Walk) {
    let gpg = Gpg::new();
    let certificate = gpg.make(&format!("Anna Weber <{ANNA}>"));
    let anna = Address::parse(ANNA).unwrap();
    walk.town.house.flow().import_own_certificate(&anna, certificate).await.unwrap();
    let (text, changed) = match walk.language {
        Language::En => ("The fee is 480 euros.", "The fee is 4800 euros."),
        Language::De => ("Das Honorar beträgt 480 Euro.", "Das Honorar beträgt 4800 Euro."),
    };
    for (stop, arrives) in [("message-signed", text), ("message-bad-signature", changed)] {
        walk.town.write(MAX, "Honorar", "", &signed(&gpg, ANNA, text, arrives)).await;
        walk.open("/mailbox").await;
        walk.browser.follow_at(".list li:first-child a").await;
        walk.stop(stop).await;
        let warned = walk.browser.shows(".note.bad").await;
        walk.demand(
            warned == (arrives != text),
            "a signature that does not match is spoken of, and no other",
        );
    }
}

/// So many lines, no two alike.
pub fn pages(lines: u32) -> String {
    let line = |number: u32| {
        let words = (0..8).map(|word| format!("{:08x}", (number * 8 + word).wrapping_mul(2_654_435_761)));
        words.collect::<Vec<_>>().join(" ")
    };
    (0..lines).map(line).collect::<Vec<_>>().join("\r\n")
}

async fn answers(walk: &mut Walk) {
    walk.open("/mailbox/inbox/3").await;
    walk.follow("reply").await;
    walk.stop("reply").await;

    walk.browser.fill("body", " ").await;
    walk.follow("send").await;
    walk.stop("reply-errors").await;

    let large = walk.browser.file("Fotos.zip", &vec![b'x'; 1_800_000]);
    let words = if walk.language == Language::De {
        "Guten Tag Frau Weber,\n\nanbei mein Ausweis. Der Termin passt mir gut.\n\nMax Berger"
    } else {
        "Dear Anna,\n\nhere is my identity card. The appointment suits me well.\n\nMax Berger"
    };
    walk.browser.fill("body", words).await;
    walk.browser.choose("attachment", &[large]).await;
    // The script would not send it; a browser without scripts does.
    walk.browser.evaluate("document.getElementById('reply').noValidate = true").await;
    walk.follow("send").await;
    walk.stop("reply-too-large").await;

    let small = walk.browser.file("Ausweis.pdf", &vec![b'x'; 30_000]);
    walk.browser.choose("attachment", &[small]).await;
    walk.follow("send").await;
    walk.stop("reply-sent").await;
    walk.browser.follow_at(".list a").await;
    walk.stop("sent-message").await;
    walk.follow("nav-sent").await;
    walk.stop("sent").await;

    let message = format!(
        "From: Anna Weber <{ANNA}>\r\nTo: <{MAX}>\r\nCc: Paul Roth <{PAUL}>\r\nSubject: [secure] Schlüsselübergabe\r\n\
         MIME-Version: 1.0\r\n{}",
        letters::text_body("...")
    );
    walk.town.submit(ANNA, MAX, &message).await;
    walk.follow("nav-inbox").await;
    walk.browser.follow_at(".list a").await;
    walk.follow("reply").await;
    walk.stop("reply-choice").await;

    walk.type_answer("...").await;
    let free = walk.town.house.free.swap(0, Ordering::SeqCst);
    walk.follow("send").await;
    walk.stop("reply-disk-full").await;
    walk.town.house.free.store(free, Ordering::SeqCst);
}

async fn what_belongs_to_it(walk: &mut Walk) {
    walk.follow("nav-key").await;
    walk.stop("key").await;
    walk.browser.fill("password", "not this one at all").await;
    walk.follow("key-download-next").await;
    walk.stop("key-password-wrong").await;
    walk.browser.fill("password", CHOSEN).await;
    walk.follow("key-download-next").await;
    walk.stop("key-file").await;
    walk.press("key-download-button").await;
    walk.follow("key-download-button").await;
    walk.stop("key-file-gone").await;
    walk.open("/mailbox/key").await;
    walk.press("key-public-link").await;
    a_key_of_their_own(walk).await;

    walk.follow("nav-export").await;
    walk.stop("export").await;
    walk.press("export-button").await;

    walk.follow("sessions-link").await;
    walk.stop("sessions").await;
}

/// Up to mail that comes directly, and back.
async fn a_key_of_their_own(walk: &mut Walk) {
    let gpg = Gpg::new();
    let public = walk.browser.file("max.asc", &gpg.make(&format!("Max <{MAX}>")));
    let none = walk.browser.file("no-key.asc", b"nothing");
    walk.browser.choose("certificate", &[none]).await;
    walk.follow("key-upload-button").await;
    walk.stop("key-upload-bad").await;
    walk.browser.choose("certificate", &[public]).await;
    walk.follow("key-upload-button").await;
    walk.stop("key-uploaded").await;
    let free = walk.town.house.free.swap(0, Ordering::SeqCst);
    walk.follow("key-direct-button").await;
    walk.stop("busy").await;
    walk.town.house.free.store(free, Ordering::SeqCst);
    walk.open("/mailbox/key").await;
    let before = walk.town.house.world.taken().len();
    walk.follow("key-direct-button").await;
    walk.stop("key-test").await;
    walk.browser.fill("code", "0000").await;
    walk.follow("key-test-button").await;
    walk.stop("key-test-wrong").await;
    let code = test_code(walk, &gpg, before).await;
    walk.browser.fill("code", &code).await;
    walk.follow("key-test-button").await;
    walk.stop("key-direct").await;
    walk.follow("key-undo-button").await;
    walk.stop("key-direct-off").await;
    rare::ways_that_end(walk, &gpg).await;
}

/// The code of the test message, behind so many mails that were there.
async fn test_code(walk: &Walk, gpg: &Gpg, before: usize) -> String {
    let rcpts = [format!("<{MAX}>")];
    let encrypted = |mail: &Taken| String::from_utf8_lossy(&mail.text).contains("multipart/encrypted");
    let test = until("the test message", async || {
        let mails = walk.town.house.world.taken().into_iter().skip(before);
        mails.rev().find(|mail| mail.rcpts == rcpts && encrypted(mail))
    });
    direct::code(gpg, &test.await)
}

async fn what_is_not_there(walk: &mut Walk) {
    walk.open("/mailbox/inbox/999").await;
    walk.stop("not-found").await;
    walk.open("/logout").await;
    walk.stop("other-method").await;
    walk.open(&format!("/{}", "x".repeat(3_000))).await;
    walk.stop("address-too-long").await;
    walk.browser.open(&format!("https://{OTHER}/login")).await;
    walk.stop("misdirected").await;
    walk.browser.open("http://stranger.example/").await;
    walk.browser.follow_at("#go").await;
    walk.stop("form-from-elsewhere").await;
    rare::odd_forms(walk).await;
}

async fn many_messages(walk: &mut Walk) {
    for number in 1..=42 {
        let subject = match walk.language {
            Language::En => format!("Viewing appointment {number}"),
            Language::De => format!("Besichtigungstermin {number}"),
        };
        walk.town.write(MAX, &subject, "", &letters::text_body("...")).await;
    }
    walk.open("/mailbox").await;
    walk.stop("mailbox-many").await;
    walk.follow("older").await;
    walk.stop("mailbox-second-page").await;
    walk.follow("newer").await;
    let words = if walk.language == Language::De { "TERMIN notar" } else { "APPOINTMENT notary" };
    walk.browser.fill("q", words).await;
    walk.follow("search-button").await;
    walk.stop("search-found").await;
    walk.browser.fill("q", "Zwetschgenkuchen").await;
    walk.follow("search-button").await;
    walk.stop("search-nothing").await;
    walk.browser.fill("q", " ").await;
    walk.follow("search-button").await;
    walk.stop("search-empty").await;
    for (letters, state) in [(300, "search-too-long"), (70_000, "body-too-large")] {
        let typed = format!(
            "(() => {{ const q = document.getElementById('q'); q.maxLength = 100000; q.value = 'x'.repeat({letters}) }})()"
        );
        walk.browser.evaluate(&typed).await;
        walk.follow("search-button").await;
        walk.stop(state).await;
    }
    rare::half_searches(walk).await;
}

async fn session_ends(walk: &mut Walk) {
    walk.open("/mailbox/inbox/3/reply").await;
    walk.type_answer("Ich komme gern, auch wenn es etwas dauert.").await;
    walk.town.house.clock.pass(16 * MINUTE);
    walk.follow("send").await;
    walk.stop("session-ended").await;
    walk.sign_in(MAX, CHOSEN).await;
    walk.stop("reply-resumed").await;
    walk.follow("sign-out").await;
    walk.stop("signed-out").await;
}

async fn sign_in(walk: &mut Walk, max: &Invited) {
    walk.follow("signin-again").await;
    walk.stop("sign-in").await;
    walk.sign_in(MAX, "not this one at all").await;
    walk.stop("sign-in-failed").await;
    for _ in 0..20 {
        walk.sign_in(MAX, "not this one either").await;
        if walk.browser.count("[name=password]").await == 0 {
            break;
        }
    }
    walk.stop("sign-in-locked").await;
    walk.town.house.clock.pass(90 * MINUTE);
    walk.follow_mail(max).await;
    walk.stop("invitation-used").await;
}

async fn other_invitations(walk: &mut Walk) {
    let lea = walk.town.invite(LEA, PIN).await;
    walk.follow_mail(&lea).await;
    for _ in 0..10 {
        walk.fill_first_use("000000").await;
        forgiven(walk).await;
    }
    walk.stop("invitation-dead").await;

    let tim = walk.town.invite(TIM, PIN).await;
    walk.town.invite_with(TIM, "[secure renew]", PIN).await;
    walk.follow_mail(&tim).await;
    walk.stop("invitation-superseded").await;

    let eva = walk.town.invite(EVA, "none").await;
    walk.follow_mail(&eva).await;
    walk.stop("first-use").await;
    walk.fill_first_use("").await;
    let mut imap = walk.town.imap(EVA).await;
    imap.select("INBOX").await;
    imap.ask("STORE 1 +FLAGS (\\Deleted)").await.unwrap();
    imap.ask("EXPUNGE").await.unwrap();
    walk.follow("nav-inbox").await;
    walk.stop("mailbox-empty").await;
    walk.follow("nav-export").await;
    walk.stop("export-empty").await;

    // A mail program has it open as well, and another browser: this one, before it lost its cookies.
    walk.browser.cdp("Network.clearBrowserCookies", json!({})).await;
    walk.open(&format!("/login?lang={}", walk.language.tag())).await;
    walk.sign_in(EVA, CHOSEN).await;
    walk.follow("sessions-link").await;
    walk.stop("sessions-several").await;
    walk.browser.follow_at("form[action='/mailbox/sessions/end'] button").await;
    walk.stop("sessions-ended").await;
    walk.follow("sessions-end-others").await;
    walk.stop("sessions-all-ended").await;
    drop(imap);
    an_export_goes_on(walk).await;

    walk.town.submit(PAUL, EVA, &from_paul()).await;
    walk.follow("nav-inbox").await;
    walk.browser.follow_at(".list a").await;
    rare::answers_that_stay(walk).await;
    walk.open("/mailbox").await;
    walk.browser.follow_at(".list a").await;
    let gone = Request::AccountRemove { address: PAUL.into() };
    walk.town.house.control(&gone).await.unwrap();
    walk.follow("reply").await;
    walk.stop("reply-nobody").await;
    walk.follow("sign-out").await;
}

/// Somebody takes everything, slowly; meanwhile nothing else of the kind begins.
async fn an_export_goes_on(walk: &mut Walk) {
    for more in 0..6 {
        let large = letters::long_text_body(&pages(8_000 + more));
        walk.town.write(EVA, &format!("Plan {more}"), "", &large).await;
    }
    let cookies = walk.browser.cdp("Network.getCookies", json!({})).await;
    let session = cookies["cookies"].as_array().unwrap().iter().find(|cookie| cookie["name"] == "__Host-gp");
    let session = session.expect("a session")["value"].as_str().unwrap();
    let head = walk.browser.dir.path().join("head");
    let (host, port) = (SITE.trim_start_matches("https://"), walk.town.house.port(Service::Https));
    let mut curl = Command::new("curl")
        .args([
            "--silent",
            "--insecure",
            "--http1.1",
            "--limit-rate",
            "1k",
            "--data",
            "",
            "--output",
            "/dev/null",
        ])
        .args([
            "--connect-to",
            &format!("{host}:443:127.0.0.1:{port}"),
            "--header",
            &format!("Origin: {SITE}"),
        ])
        .args(["--header", &format!("Cookie: __Host-gp={session}"), &format!("{SITE}/mailbox/export")])
        .arg("--dump-header")
        .arg(&head)
        .spawn()
        .expect("curl is installed");
    until("the export begins", async || {
        fs::read_to_string(&head).ok().filter(|head| head.contains("application/zip"))
    })
    .await;
    walk.open("/mailbox/export").await;
    walk.follow("export-button").await;
    walk.stop("export-going").await;
    curl.kill().unwrap();
    curl.wait().unwrap();
    walk.follow("export-back").await;
}

fn from_paul() -> String {
    format!(
        "From: Paul Roth <{PAUL}>\r\nTo: <{EVA}>\r\nSubject: [secure] Paul\r\nMIME-Version: 1.0\r\n{}",
        letters::text_body("...")
    )
}

/// Ninety days of nothing, and a week.
async fn the_end_of_a_mailbox(walk: &mut Walk) {
    let ida = walk.town.invite(IDA, PIN).await;
    let key = Address::parse(IDA).unwrap().key();
    let mailbox = walk.town.house.flow().store.mailbox_of(&key).await.unwrap().expect("she has one");
    for days in [76, 11, 4] {
        walk.town.house.pass(DAY * days).await;
        warned(walk, mailbox).await;
    }
    walk.follow_mail(&ida).await;
    walk.stop("invitation-expired").await;
    walk.town.house.pass(DAY * 8).await;
    walk.follow_mail(&ida).await;
    walk.stop("invitation-deleted").await;
}

/// Its warnings were handed over, and the appliance has looked again.
async fn warned(walk: &Walk, mailbox: MailboxId) {
    let store = &walk.town.house.flow().store;
    until("the warnings are settled", async || {
        let record = store.mailbox(mailbox).await.unwrap();
        let settled = record.is_none_or(|record| record.warnings.iter().all(|sent| sent.settled.is_some()));
        settled.then_some(())
    })
    .await;
    walk.town.house.look().await;
}
