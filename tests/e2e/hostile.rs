//! Messages that want to harm their reader, in a real browser with scripts on.

use crate::chromium::Browser;
use crate::chromium::Elsewhere;
use crate::world::World;
use crate::world::alice;
use crate::world::demo;

const PAYLOADS: &str = include_str!("../payloads/xss.txt");

#[tokio::test(flavor = "multi_thread")]
async fn no_payload_runs_or_reaches_out() {
    let demo = demo().await;
    let elsewhere = Elsewhere::listen().await;
    let browser = Browser::start(elsewhere.port).await;
    let world = World { demo: &demo, alice: alice(&demo).await };
    hostile(&browser, &world).await;
    assert_eq!(elsewhere.told(), Vec::<String>::new(), "nobody else heard of it");
    browser.goto_nowhere("http://control.example/").await;
    assert!(!elsewhere.told().is_empty(), "a request to elsewhere is noticed");
    browser.quit().await;
    demo.stop().await;
}

/// Every payload there is, each in the body, subject, sender's name and file name of a message: none runs, none
/// reaches out.
async fn hostile(browser: &Browser, world: &World<'_>) {
    let dave = "dave@elsewhere.example";
    let payloads: Vec<&str> = PAYLOADS.lines().filter(|payload| payload.is_ascii()).collect();
    assert!(payloads.len() >= 60);
    for (number, payload) in payloads.iter().enumerate() {
        world.send(dave, &html(number, payload)).await;
    }
    for chunk in payloads.chunks(20) {
        world.send(dave, &plain(chunk)).await;
    }
    let invited = world.invited(dave).await;
    browser.size(1100, 1000).await;
    browser.canary().await;
    browser.goto("data:text/html,<script>canary()</script>").await;
    assert!(browser.was_called().await, "a script that runs is noticed");

    browser.goto(&invited.link).await;
    browser.click("#understood").await;
    browser.open_mailbox(&invited.pin).await;
    browser.wait_for("Your mailbox is open").await;
    browser.shot("9-hostile-list").await;
    for number in 1..=payloads.len() + payloads.len().div_ceil(20) {
        look(browser, world, number, payloads.get(number - 1).unwrap_or(&"text")).await;
    }
    let disguised = payloads.iter().position(|payload| payload.contains("bank.example@evil")).unwrap() + 1;
    browser.goto(&format!("{}/mailbox/inbox/{disguised}", world.url())).await;
    browser.shot("9-hostile-link").await;
    browser.goto(&format!("{}/mailbox/inbox/{disguised}/body", world.url())).await;
    assert!(browser.text("body").await.contains("[evil.example]"), "the link says where it leads");
    for page in ["/mailbox", "/mailbox?page=2", "/mailbox?page=3"] {
        browser.goto(&format!("{}{page}", world.url())).await;
        assert!(!browser.was_called().await, "{page}");
    }
    browser.sign_out().await;
}

/// The document of the frame alone, where a script would run if it could; now and then every page.
async fn look(browser: &Browser, world: &World<'_>, number: usize, what: &str) {
    let pages = if number % 10 == 1 { &["/body", "", "/print", "/reply"][..] } else { &["/body"] };
    for page in pages {
        browser.goto(&format!("{}/mailbox/inbox/{number}{page}", world.url())).await;
        assert!(!browser.was_called().await, "message {number}{page} ran a script: {what}");
    }
}

/// A message of HTML, with the payload in every place of it.
fn html(number: usize, payload: &str) -> String {
    let quoted = payload.replace(['"', '\\'], "");
    format!(
        "From: \"{quoted}\" <alice@demo.example>\r\nTo: dave@elsewhere.example\r\nSubject: [secure] {payload}\r\n\
         Message-ID: <hostile-{number}@demo.example>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=zz\r\n\r\n--zz\r\nContent-Type: text/html; charset=utf-8\r\n\r\n\
         {payload}\r\n\
         --zz\r\nContent-Type: text/html\r\nContent-Disposition: attachment; filename=\"{quoted}.html\"\r\n\r\n\
         <script>canary()</script>\r\n--zz--\r\n"
    )
}

/// A message of text.
fn plain(lines: &[&str]) -> String {
    format!(
        "From: alice@demo.example\r\nTo: dave@elsewhere.example\r\nSubject: [secure] text\r\n\
         Message-ID: <hostile-{:p}@demo.example>\r\n\r\n{}\r\n",
        lines.as_ptr(),
        lines.join("\r\n")
    )
}
