//! States that few readers come to: each still says what to do next.

use crate::face::letters;
use crate::face::states::EVA;
use crate::face::states::MAX;
use crate::face::states::pages;
use crate::face::town::CHOSEN;
use crate::face::town::PAUL;
use crate::face::walk::Walk;
use crate::gpg::Gpg;
use crate::patience::until;
use data_encoding::BASE64;
use guardpost::base::language::Language;
use guardpost::serve::control::request::Request;
use rustix::fs::inotify;
use rustix::io::Errno;
use serde_json::json;
use std::time::Duration;

/// What is asked of the newest message in a search, and does not stand in it.
const NOWHERE: &str = "Zwetschgenkuchen";
/// Longer than a search takes.
const LONG: Duration = Duration::from_secs(11);

/// The way to mail that comes directly, where it does not lead on. In this session two test messages were sent.
pub async fn ways_that_end(walk: &mut Walk, gpg: &Gpg) {
    walk.follow("key-direct-button").await;
    walk.browser.fill("code", "0471").await;
    for _ in 0..2 {
        walk.browser.follow_at("footer [name=lang]").await;
    }
    let typed = walk.browser.evaluate("document.getElementById('code').value").await;
    walk.stop("key-test-other-language").await;
    walk.demand(typed == "0471", &format!("what was typed of the code goes along: {typed}"));
    for _ in 0..5 {
        walk.browser.fill("code", "0000").await;
        walk.follow("key-test-button").await;
    }
    walk.stop("key-test-spent").await;
    // So many in a day, whether one is still on its way or not.
    for _ in 0..=12 {
        walk.follow("key-direct-button").await;
    }
    walk.stop("key-direct-often").await;

    // The page is of a session that is over, in the next one no key was brought; then somebody puts one on file.
    open_again(walk, MAX).await;
    walk.follow("key-direct-button").await;
    walk.stop("key-direct-no-own").await;
    let file = BASE64.encode(&gpg.run(&["--export", MAX]));
    walk.town.house.control(&Request::KeyImport { file }).await.unwrap();
    walk.follow("key-direct-button").await;
    walk.stop("key-direct-not-here").await;
    walk.town.house.control(&Request::KeyRemove { address: MAX.into() }).await.unwrap();
}

/// In another tab somebody signs out, and signs in there.
async fn open_again(walk: &Walk, who: &str) {
    let tab = async || {
        walk.open("/mailbox").await;
        walk.follow("sign-out").await;
        walk.follow("signin-again").await;
        walk.sign_in(who, CHOSEN).await;
    };
    walk.browser.aside(tab).await;
}

/// Messages that are not shown as they came, and one that its sender wants to be of no use some day.
pub async fn odd_messages(walk: &mut Walk) {
    let (subject, words) = match walk.language {
        Language::En => ("Offer", "Dear Max, this is our offer. It is good until Christmas. Anna Weber"),
        Language::De => ("Angebot", "Guten Tag, hier ist unser Angebot. Es gilt bis Weihnachten. Anna Weber"),
    };
    let expires = "Expires: Fri, 24 Dec 2027 12:00:00 +0000\r\n";
    walk.town.write(MAX, subject, expires, &letters::text_body(words)).await;
    newest(walk).await;
    walk.stop("message-expires").await;
    let deep = format!("{}<p>{words}</p>{}", "<div>".repeat(400), "</div>".repeat(400));
    walk.town.write(MAX, subject, "", &letters::html_body(&deep)).await;
    newest(walk).await;
    walk.stop("message-as-text").await;
    walk.demand(!walk.browser.shows("iframe").await, "there is no frame");
    let long = format!("<p>{words}</p>{}", "<i></i>".repeat(160_000));
    walk.town.write(MAX, subject, "", &letters::html_body(&long)).await;
    newest(walk).await;
    walk.stop("message-cut").await;
}

async fn newest(walk: &Walk) {
    walk.open("/mailbox").await;
    walk.browser.follow_at(".list li:first-child a").await;
}

/// Searches that did not see everything: a message is too long, or all of them together take too long.
pub async fn half_searches(walk: &mut Walk) {
    walk.open("/mailbox").await;
    walk.browser.fill("q", NOWHERE).await;
    walk.follow("search-button").await;
    walk.stop("search-cut").await;

    let before = walk.town.bodies();
    walk.town.write(MAX, "Plan", "", &letters::long_text_body(&pages(9_000))).await;
    let opened = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
    for file in walk.town.bodies().difference(&before) {
        inotify::add_watch(&opened, file, inotify::WatchFlags::OPEN).unwrap();
    }
    walk.open("/mailbox").await;
    walk.browser.fill("q", NOWHERE).await;
    let time_passes = async {
        until("the search reads the newest message", async || {
            match rustix::io::read(&opened, &mut [0_u8; 4_096]) {
                Ok(_) => Some(()),
                Err(Errno::AGAIN) => None,
                Err(error) => panic!("{error}"),
            }
        })
        .await;
        walk.town.house.clock.pass(LONG);
    };
    tokio::join!(walk.follow("search-button"), time_passes);
    walk.stop("search-stopped").await;
}

/// Forms as no page of ours sends them.
pub async fn odd_forms(walk: &mut Walk) {
    for (kind, state) in [("text/plain", "form-of-another-kind"), ("multipart/form-data", "form-malformed")] {
        walk.open("/mailbox/inbox/3/reply").await;
        walk.type_answer("...").await;
        walk.browser.evaluate("document.getElementById('reply').enctype = 'text/plain'").await;
        let fields = json!({ "headers": { "Content-Type": kind } });
        walk.browser.cdp("Network.setExtraHTTPHeaders", fields).await;
        walk.follow("send").await;
        walk.browser.cdp("Network.setExtraHTTPHeaders", json!({ "headers": {} })).await;
        walk.stop(state).await;
    }

    // Over a line on which less than the least comes that is waited for.
    walk.open("/mailbox").await;
    let typed = "(() => { const q = document.getElementById('q'); q.maxLength = 100000; q.value = 'x'.repeat(60000) })()";
    walk.browser.evaluate(typed).await;
    slow_line(walk, 200).await;
    walk.follow("search-button").await;
    slow_line(walk, -1).await;
    walk.stop("form-too-slow").await;
}

/// So many octets go out in a second; -1 is as many as may.
async fn slow_line(walk: &Walk, octets: i32) {
    let line =
        json!({ "offline": false, "latency": 0, "downloadThroughput": -1, "uploadThroughput": octets });
    walk.browser.cdp("Network.emulateNetworkConditions", line).await;
}

/// An answer to Paul, whom she may not write to, typed while another mailbox was opened in another tab.
pub async fn answers_that_stay(walk: &mut Walk) {
    walk.follow("reply").await;
    let words = match walk.language {
        Language::En => "Dear Paul,\n\nI have one more question.",
        Language::De => "Guten Tag Herr Roth,\n\nich habe noch eine Frage.",
    };
    walk.type_answer(words).await;
    open_again(walk, MAX).await;
    walk.follow("send").await;
    walk.stop("reply-elsewhere").await;
    walk.sign_in(EVA, CHOSEN).await;
    walk.follow("send").await;
    walk.stop("reply-refused").await;
    let kept = walk.browser.evaluate("document.getElementById('body').value").await;
    walk.demand(kept == words, &format!("what was typed to {PAUL} is still there: {kept}"));
}
