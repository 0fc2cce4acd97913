//! What every page keeps to: headers, language, order, and nothing of a message that is damaged.

use super::tests::ALICE;
use super::tests::HOST;
use super::tests::World;
use super::tests::address;
use super::tests::files;
use super::tests::mixed;
use super::*;
use crate::serve::portal::route::ROUTES;
use crate::store::command::Command;
use crate::store::command_part::Quota;
use crate::store::record::Folder;
use crate::store::record::Uid;
use axum::http::StatusCode;
use std::net::IpAddr;

#[tokio::test]
async fn every_answer_carries_the_header_set() {
    let world = World::new().await;
    let cookie = world.opened().await;
    let mut seen = Vec::new();
    for route in ROUTES {
        let path = route.path.replace("{folder}", "inbox").replace("{uid}", "1").replace("{n}", "5");
        let path = path.replace("{id}", "00000000000000000000000000");
        for cookie in ["", cookie.as_str()] {
            let request = Request::builder().uri(&path).header("host", HOST).header("cookie", cookie);
            let request = match route.method {
                Verb::Get => request.method("GET"),
                Verb::Post => request.method("POST").header("sec-fetch-site", "same-origin"),
            };
            if route.page == Page::SignOut && !cookie.is_empty() {
                continue;
            }
            seen.push((path.clone(), world.ask(request.body(Body::empty()).unwrap()).await));
        }
    }
    let odd = |method: &str, uri: &str, host: &str| {
        Request::builder().method(method).uri(uri).header("host", host).body(Body::empty()).unwrap()
    };
    let long = format!("/{}", "x".repeat(3_000));
    for (request, status) in [
        (odd("GET", "/nothing", HOST), 404),
        (odd("PUT", "/login", HOST), 405),
        (odd("OPTIONS", "/mailbox", HOST), 405),
        (odd("TRACE", "/", HOST), 405),
        (odd("POST", "/login", HOST), 403),
        (odd("GET", "/login", "evil.example"), 421),
        (odd("GET", "/login", "mta-sts.weber-roth.example"), 404),
        (odd("GET", "/login", "mta-sts.evil.example"), 421),
        (odd("GET", &long, HOST), 414),
        (odd("GET", "/mailbox/search", HOST), 405),
        (odd("PUT", "/mailbox/export", HOST), 405),
        (odd("POST", "/mailbox/export", HOST), 403),
    ] {
        let what = format!("{} {:.40}", request.method(), request.uri());
        let answer = world.ask(request).await;
        assert_eq!(answer.status, status, "{what}");
        seen.push((what, answer));
    }
    assert!(seen.len() > 40);
    let mut page = HeaderMap::new();
    headers::set(&mut page, Policy::Page, true);
    let mut frame = HeaderMap::new();
    headers::set(&mut frame, Policy::Frame, true);
    for (what, answer) in seen {
        let framed = answer.status == 200 && (what.ends_with("/body") || what.ends_with("/print"));
        for (name, value) in if framed { &frame } else { &page } {
            let all: Vec<&HeaderValue> = answer.headers.get_all(name).iter().collect();
            assert_eq!(all, [value], "{name} of {what}");
        }
        assert!(answer.status < 500, "{what}");
    }
}

#[tokio::test]
async fn pages_speak_the_language_that_was_chosen() {
    let world = World::new().await;
    let request = Request::get("/login").header("host", HOST).header("accept-language", "de-CH,en;q=0.5");
    let german = world.ask(request.body(Body::empty()).unwrap()).await;
    assert!(german.text().contains("lang=\"de\"") && german.text().contains("Anmelden"));
    assert!(german.headers.get("set-cookie").is_none());
    let chosen = world.get("/login?lang=de", "").await;
    assert!(chosen.text().contains("Anmelden") && chosen.header("set-cookie").starts_with("__Host-gl=de;"));
    assert!(chosen.text().contains("formaction=\"/login?lang=en\""));
    assert!(world.get("/login", "__Host-gl=de").await.text().contains("Anmelden"));
    assert!(world.get("/login?lang=xx", "").await.text().contains("Sign in"));
}

#[tokio::test]
async fn many_messages_come_in_pages() {
    let world = World::new().await;
    let cookie = world.opened().await;
    for number in 2..=95 {
        world.send("bob@mail.example", &mixed(&format!("number-{number}"))).await;
    }
    let numbers = |page: &str| -> Vec<u32> {
        let links = page.split("href=\"/mailbox/inbox/").skip(1);
        links.map(|rest| rest.split('"').next().unwrap().parse().unwrap()).collect()
    };
    let follow = |page: &str, rel: &str| -> Option<String> {
        let before =
            page.split(&format!("\" rel=\"{rel}\"")).next().filter(|before| before.len() < page.len())?;
        Some(before.rsplit("href=\"").next().unwrap().replace("&#38;", "&"))
    };
    let mut path = Some("/mailbox".to_owned());
    let (mut all, mut last) = (Vec::new(), String::new());
    while let Some(next) = path {
        last = next;
        let page = world.get(&last, &cookie).await.text();
        all.push(numbers(&page));
        path = follow(&page, "next");
    }
    assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), [40, 40, 15]);
    assert_eq!(all.concat(), (1..=95).rev().collect::<Vec<_>>(), "newest first, none twice, none missing");
    let page = world.get(&last, &cookie).await.text();
    let newer = world.get(&follow(&page, "prev").unwrap(), &cookie).await.text();
    assert_eq!(numbers(&newer), all[1]);
    assert_eq!(follow(&newer, "prev").unwrap(), "/mailbox");
}

#[tokio::test]
async fn plain_http_only_redirects() {
    let world = World::new().await;
    let peer = Peer { address: IpAddr::from([192, 0, 2, 1]), secure: false, http2: false };
    for (method, status) in [("GET", 301), ("POST", 308)] {
        let request = Request::builder().method(method).uri("/login").header("host", HOST);
        let answer = world.portal.answer(request.body(Body::empty()).unwrap(), peer).await;
        assert_eq!(answer.status(), StatusCode::from_u16(status).unwrap());
        assert_eq!(answer.headers()["location"], format!("https://{HOST}/login"));
        assert!(answer.headers().get("strict-transport-security").is_none());
    }
}

#[tokio::test]
async fn monitors_and_assets() {
    let world = World::new().await;
    for (path, kind, part) in [
        ("/health", "text/plain; charset=utf-8", "ok"),
        ("/guard.css", "text/css; charset=utf-8", "--brand: #aa0011"),
        ("/guard.js", "text/javascript; charset=utf-8", "location.hash"),
        ("/mailbox.js", "text/javascript; charset=utf-8", "pageshow"),
        ("/logo", "image/svg+xml", "<svg"),
        ("/help", "text/html; charset=utf-8", "This is not end-to-end encryption."),
        ("/login", "text/html; charset=utf-8", "Weber &#38; &#60;Roth&#62;"),
    ] {
        let answer = world.get(path, "").await;
        assert_eq!((answer.status, answer.header("content-type")), (200, kind), "{path}");
        assert!(answer.text().contains(part), "{path}");
        assert!(answer.body.len() < 30_000, "{path} {}", answer.body.len());
    }
    assert_eq!(world.get("/", "").await.header("location"), "/login");
    let full = world.get("/help", "").await;
    let head = Request::head("/help").header("host", HOST).body(Body::empty()).unwrap();
    let head = world.ask(head).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), full.body.len().to_string());
}

#[tokio::test]
async fn a_changed_message_is_called_damaged_and_nothing_of_it_is_shown() {
    let world = World::new().await;
    let cookie = world.opened().await;
    let before = files(&world.dir.path().join("bodies"));
    let long = format!("From: <{ALICE}>\nSubject: [secure] long\n\n{}\n", "marker words\n".repeat(5_000));
    world.send("bob@mail.example", &long).await;
    assert!(world.get("/mailbox/inbox/2", &cookie).await.text().contains("marker words"));
    let mut changed = 0;
    for path in files(&world.dir.path().join("bodies")).difference(&before) {
        let mut bytes = std::fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(path, bytes).unwrap();
        changed += 1;
    }
    assert!(changed > 0, "there were body files to change");
    for path in ["", "/body", "/raw", "/print", "/reply", "/attachment/0"] {
        let answer = world.get(&format!("/mailbox/inbox/2{path}"), &cookie).await;
        let text = answer.text();
        assert!(text.contains("This message is damaged"), "{path}: {} {text}", answer.status);
        assert!(!text.contains("marker words") && !text.contains("{$"), "{path}");
    }
    assert_eq!(world.get("/mailbox/inbox/1", &cookie).await.status, 200, "the others are as they were");
}

/// `{$name}` on a page is a text that was asked for without what it names.
#[tokio::test]
async fn no_text_lacks_what_it_names() {
    let world = World::new().await;
    let cookie = world.opened().await;
    world.send("carol@mail.example", &mixed("other")).await;
    let (open, ..) = world.invitation_of("carol@mail.example").await;
    let (used, ..) = world.invitation().await;
    for lang in ["en", "de"] {
        for path in [
            "/login",
            "/help",
            "/nothing",
            "/mailbox",
            "/mailbox/sent",
            "/mailbox/sent?sent=1",
            "/mailbox/inbox/1",
            "/mailbox/inbox/1/body",
            "/mailbox/inbox/1/print",
            "/mailbox/inbox/1/reply",
            "/mailbox/key",
            "/mailbox/export",
            "/mailbox/sessions",
            "/mailbox/sessions?ended=1",
            "/mailbox/inbox/99",
            &open,
            &used,
            &format!("{used}/cancelled"),
            "/i/0000000000000000000000000g",
        ] {
            let mark = if path.contains('?') { '&' } else { '?' };
            let cookie = if path.starts_with("/mailbox") { cookie.as_str() } else { "" };
            let page = world.get(&format!("{path}{mark}lang={lang}"), cookie).await.text();
            assert!(page.contains(&format!("<html lang=\"{lang}\"")), "{path}");
            assert!(!page.contains("{$") && !page.contains("{ $"), "{path} {lang}: {page}");
        }
    }
}

/// A mail program may copy messages between folders: whose they are does not change by that.
#[tokio::test]
async fn whose_a_message_is_does_not_depend_on_its_folder() {
    let world = World::new().await;
    let cookie = world.opened().await;
    let fields = [("to", "sender"), ("subject", "s"), ("body", "an answer")];
    assert_eq!(world.upload("/mailbox/inbox/1/reply", &fields, &[], &cookie).await.status, 303);
    let mailbox = world.flow.store.mailbox_of(&address("bob@mail.example").key()).await.unwrap().unwrap();
    let copy = |from, to| Command::Copy { mailbox, from, to, uids: vec![Uid(1)], quota: Quota::default() };
    let both = vec![copy(Folder::INBOX, Folder::SENT), copy(Folder::SENT, Folder::INBOX)];
    world.flow.store.commit(both).await.unwrap();
    let (own, theirs) = ("You wrote this message here.", "It was sent from the account");
    for (place, want, other) in
        [("inbox/1", theirs, own), ("inbox/2", own, theirs), ("sent/1", own, theirs), ("sent/2", theirs, own)]
    {
        for page in ["", "/print"] {
            let text = world.get(&format!("/mailbox/{place}{page}"), &cookie).await.text();
            assert!(text.contains(want) && !text.contains(other), "{place}{page}: {text}");
        }
    }
}
