//! Messages that want to harm their reader, in a real browser with scripts on.
//!
//! Every payload there is stands in the body, subject, sender's name and file name of a message of its own, and in
//! answers. Then each comes into the frame past the cleaner: there the frame's policy alone must hold. Then past
//! both, which shows how many of them are dangerous at all.

use crate::chromium::Browser;
use crate::chromium::Elsewhere;
use crate::meddler::Meddler;
use crate::meddler::Meddling;
use crate::payloads;
use crate::payloads::Payload;
use crate::world::World;
use crate::world::alice;
use crate::world::demo;
use data_encoding::BASE64;
use guardpost::flow::refusal::TakeError;
use guardpost::flow::sign_in::Unlocked;
use std::collections::BTreeMap;
use std::sync::Arc;

const DAVE: &str = "dave@elsewhere.example";

#[tokio::test(flavor = "multi_thread")]
async fn no_payload_runs_or_reaches_out() {
    let demo = demo().await;
    let elsewhere = Elsewhere::listen().await;
    let browser = Browser::start(elsewhere.port).await;
    let world = World { demo: &demo, alice: alice(&demo).await };
    open_mailbox(&browser, &world).await;
    let payloads = payloads::all();
    let writers = writers(&world, payloads.len().div_ceil(150)).await;
    let mut refused = 0;
    for (number, payload) in payloads.iter().enumerate() {
        let (address, account) = &writers[number % writers.len()];
        let hurting = message(address, number, payload, true);
        if let Err(why) = world.send_as(account, address, DAVE, &hurting).await {
            // What makes somebody else's address of From is refused at the door.
            assert!(
                matches!(&why, TakeError::Refused(reply) if reply.code == 553),
                "{why}: {}",
                payload.line
            );
            refused += 1;
            let without = message(address, number, payload, false);
            world.send_as(account, address, DAVE, &without).await.unwrap();
        }
    }
    for (number, payload) in payloads.iter().enumerate() {
        // The invitation's own message is the first.
        let path = format!("/mailbox/inbox/{}", number + 2);
        for page in ["", "/body"] {
            unharmed(&browser, &world, &format!("{path}{page}"), payload.line).await;
        }
        if number % 10 == 0 {
            for page in ["/reply", "/print", "?lang=de"] {
                unharmed(&browser, &world, &format!("{path}{page}"), payload.line).await;
            }
        }
    }
    assert!(refused < 30, "nearly all stand in the sender's name, too: {refused}");
    quote(&browser, &world, &payloads).await;
    for page in 1..=payloads.len() / 40 + 1 {
        unharmed(&browser, &world, &format!("/mailbox?page={page}"), "the list").await;
    }
    let disguised =
        payloads.iter().position(|payload| payload.line.contains("bank.example@evil")).unwrap() + 2;
    browser.goto(&format!("{}/mailbox/inbox/{disguised}", world.url())).await;
    browser.shot("9-hostile-link").await;
    assert_eq!(elsewhere.told(), Vec::<String>::new(), "nobody else heard of it");
    browser.goto_nowhere("http://control.example/").await;
    assert!(!elsewhere.told().is_empty(), "a request to elsewhere is noticed");
    browser.quit().await;
    demo.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_frame_holds_what_no_cleaner_has_seen() {
    let demo = demo().await;
    let elsewhere = Elsewhere::listen().await;
    let browser = Browser::start(elsewhere.port).await;
    let world = World { demo: &demo, alice: alice(&demo).await };
    open_mailbox(&browser, &world).await;
    let html = format!(
        "From: alice@demo.example\r\nTo: {DAVE}\r\nSubject: [secure] html\r\nMessage-ID: <html@demo.example>\r\n\
         Content-Type: text/html\r\n\r\n<p>words</p>\r\n"
    );
    world.send(DAVE, &html).await;
    let meddler = Meddler::listen(world.port()).await;
    let message = format!("{}/mailbox/inbox/2", meddler.url());
    let document = format!("{message}/body");
    let payloads = payloads::all();

    for (number, payload) in payloads.iter().enumerate() {
        meddler.meddle(Meddling { body: Some(named(number, payload)), unguarded: false });
        for page in [&message, &document] {
            browser.goto(page).await;
            let seen = browser.state().await;
            assert!(!seen.called, "ran in {page}: {}", payload.line);
            assert_eq!(seen.strayed(&message), None, "{}", payload.line);
        }
        if is_safe_to_click(payload) {
            browser.poke().await;
            let seen = browser.state().await;
            assert!(
                !seen.called && seen.strayed(&message).is_none(),
                "ran when it was clicked: {}",
                payload.line
            );
            assert_eq!(browser.only_window().await, 1, "opened a window: {}", payload.line);
        }
    }
    assert_eq!(requests(&elsewhere, &payloads), Vec::<String>::new(), "nobody else was asked for anything");

    meddler.meddle(Meddling { body: Some("words".into()), unguarded: false });
    browser.goto(&document).await;
    assert!(browser.has_canary().await, "a script in the frame would find what it calls");

    let mut table: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (number, payload) in payloads.iter().enumerate() {
        meddler.meddle(Meddling { body: Some(named(number, payload)), unguarded: true });
        browser.goto_nowhere(&document).await;
        let seen = browser.state().await;
        let line = table.entry(payload.kind).or_default();
        line.0 += 1;
        let harmed = seen.called || seen.strayed(&message).is_some() || elsewhere.heard_of(&host(number));
        line.1 += usize::from(harmed);
    }
    let mut sum = (0, 0);
    eprintln!("{:<60} payloads, dangerous to a browser without our protection", "kind");
    for (kind, (count, harmful)) in &table {
        eprintln!("{kind:<60} {count:>5} {harmful:>5}");
        sum = (sum.0 + count, sum.1 + harmful);
    }
    eprintln!("{:<60} {:>5} {:>5}", "all", sum.0, sum.1);
    assert!(sum.1 > 200, "the list is of real dangers: {}", sum.1);
    browser.quit().await;
    demo.stop().await;
}

/// A click on a link to elsewhere leads there: that is what links are for.
fn is_safe_to_click(payload: &Payload) -> bool {
    !payload.line.contains("evil.example") && !payload.line.contains("http")
}

/// What was asked for elsewhere. Chromium connects ahead of a frame that it then refuses to load, and where a document
/// wants it to (`preconnect`), over TLS with the name of the host; no policy of ours keeps it from that, so the cleaner has
/// to. It asks for nothing on those connections.
fn requests(elsewhere: &Elsewhere, payloads: &[Payload]) -> Vec<String> {
    let ahead = |said: &str| {
        let mut named = payloads.iter().enumerate().filter(|(number, _)| said.contains(&host(*number)));
        let connects = |line: &str| line.contains("<iframe src=http") || line.contains("rel=preconnect");
        said.starts_with("\u{16}\u{3}") && named.all(|(_, payload)| connects(payload.line))
    };
    elsewhere.told().into_iter().filter(|said| !said.is_empty() && !ahead(said)).collect()
}

/// Dave's first use, with a canary in every document from now on.
async fn open_mailbox(browser: &Browser, world: &World<'_>) {
    let invited = world.invite(DAVE).await;
    browser.size(1100, 1000).await;
    browser.canary().await;
    browser.goto("data:text/html,<script>canary()</script>").await;
    assert!(browser.state().await.called, "a script that runs is noticed");
    browser.goto(&invited.link).await;
    browser.click("#understood").await;
    browser.open_mailbox(&invited.pin).await;
    browser.wait_for("Your mailbox is open").await;
}

/// Enough accounts for so many messages in an hour.
async fn writers(world: &World<'_>, count: usize) -> Vec<(String, Arc<Unlocked>)> {
    let mut writers = Vec::new();
    for number in 0..count {
        let address = format!("writer{number}@demo.example");
        let account = world.add_account(&address).await;
        writers.push((address, account));
    }
    writers
}

/// Nothing ran, and every document is where it should be.
async fn unharmed(browser: &Browser, world: &World<'_>, path: &str, what: &str) {
    let url = format!("{}{path}", world.url());
    browser.goto(&url).await;
    let seen = browser.state().await;
    assert!(!seen.called, "{path} ran a script: {what}");
    assert_eq!(seen.strayed(&url), None, "{path}: {what}");
}

/// All payloads in answers: quoted and bare, as the names of files, some as subjects.
async fn quote(browser: &Browser, world: &World<'_>, payloads: &[Payload]) {
    let cookie = world.session(DAVE).await;
    let mut sent = 0;
    for chunk in payloads.chunks(10) {
        let texts: Vec<String> =
            chunk.iter().map(|payload| payload.text().chars().take(1_000).collect()).collect();
        let subject: String = texts[0].chars().filter(|c| !c.is_control()).take(200).collect();
        let quoted: String = texts.iter().map(|text| format!("> {text}\r\n{text}\r\n")).collect();
        let names: Vec<String> =
            texts.iter().map(|text| text.replace('"', "%22").replace(char::is_control, " ")).collect();
        let fields = [("to", "sender"), ("subject", &*subject), ("body", &*quoted)];
        let answer = world.post_files("/mailbox/inbox/1/reply", &cookie, &fields, &names).await;
        assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
        sent += 1;
    }
    for number in 1..=sent {
        for page in ["", "/body", "/print"] {
            unharmed(browser, world, &format!("/mailbox/sent/{number}{page}"), "an answer").await;
        }
    }
    unharmed(browser, world, "/mailbox/sent", "the list of answers").await;
}

/// Whom this payload would call.
fn host(number: usize) -> String {
    format!("p{number}x.evil.example")
}

/// The payload, calling a host of its own.
fn named(number: usize, payload: &Payload) -> String {
    payload.text().replace("evil.example", &host(number))
}

/// A message with the payload in every place of it.
fn message(writer: &str, number: usize, payload: &Payload, in_name: bool) -> String {
    let word = |octets: &[u8]| {
        let words: Vec<_> = octets
            .chunks(36)
            .map(|piece| format!("=?{}?b?{}?=", payload.charset, BASE64.encode(piece)))
            .collect();
        words.join("\r\n ")
    };
    let short = &payload.octets[..payload.octets.len().min(3_000)];
    let raw = std::str::from_utf8(short).ok().filter(|text| {
        text.len() < 900
            && !text.chars().any(char::is_control)
            && payload.charset == "utf-8"
            && number.is_multiple_of(2)
    });
    let name = match raw {
        Some(text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        None => word(short),
    };
    let name = if in_name { name } else { String::new() };
    let subject = raw.map_or_else(|| word(short), str::to_owned);
    let percent: String = short[..short.len().min(700)].iter().map(|octet| format!("%{octet:02X}")).collect();
    let body: Vec<_> = BASE64
        .encode(&payload.octets)
        .as_bytes()
        .chunks(76)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    let (body, charset) = (body.join("\r\n"), payload.charset.replace('"', "\\\""));
    format!(
        "From: {name} <{writer}>\r\nTo: {DAVE}\r\nSubject: [secure] {subject}\r\n\
         Message-ID: <hostile-{number}@demo.example>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=zz-9\r\n\r\n--zz-9\r\n\
         Content-Type: multipart/alternative; boundary=yy-9\r\n\r\n--yy-9\r\n\
         Content-Type: text/plain; charset=\"{charset}\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{body}\r\n--yy-9\r\n\
         Content-Type: text/html; charset=\"{charset}\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{body}\r\n--yy-9--\r\n\
         --zz-9\r\nContent-Type: text/html\r\nContent-Disposition: attachment;\r\n filename*=utf-8''{percent}\r\n\r\n\
         <script>canary()</script>\r\n--zz-9--\r\n"
    )
}
