//! Who gets in and who does not, and how sessions end.

use super::tests::ALICE;
use super::tests::HOST;
use super::tests::PASSWORD;
use super::tests::World;
use super::tests::address;
use super::tests::mixed;
use super::*;
use crate::serve::portal::route::ROUTES;
use crate::store::record::MailboxKind;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

#[tokio::test]
async fn without_a_session_of_its_own_nothing_is_shown() {
    let world = World::new().await;
    let cookie = world.opened().await;
    world.send("carol@mail.example", &mixed("other")).await;
    let (path, token, pin) = world.invitation_of("carol@mail.example").await;
    let foreign = world.open(&path, &token, &pin).await.cookie().unwrap();
    world.send("bob@mail.example", &mixed("second")).await;

    let value = cookie.strip_prefix("__Host-gp=").unwrap();
    let wrong_name = format!("gp={value}");
    let longer = format!("{cookie}A");
    for route in ROUTES.iter().filter(|route| route.who == Who::Session) {
        let path = route.path.replace("{folder}", "inbox").replace("{uid}", "2").replace("{n}", "5");
        for cookie in ["", "__Host-gp=", "__Host-gp=AAAA", wrong_name.as_str(), longer.as_str()] {
            let answer = match route.method {
                Verb::Get => world.get(&path, cookie).await,
                Verb::Post => world.post(&path, &[("body", "x")], cookie).await,
            };
            assert!(matches!(answer.status, 303 | 403), "{path} {cookie} {}", answer.status);
            assert!(!answer.text().contains("second") && answer.cookie().is_none(), "{path} {cookie}");
        }
        if path.contains("/inbox/") {
            let answer = match route.method {
                Verb::Get => world.get(&path, &foreign).await,
                Verb::Post => world.post(&path, &[("body", "x")], &foreign).await,
            };
            assert_eq!(answer.status, 404, "carol has no message 2: {path}");
        }
        if route.method == Verb::Get {
            let own = world.get(&path, &cookie).await;
            assert!(own.status == 200 || path.contains("attachment"), "{path} {}", own.status);
        }
    }
}

#[tokio::test]
async fn who_is_known_here_is_told_to_nobody() {
    let world = World::new().await;
    world.opened().await;
    world.send("carol@mail.example", &mixed("other")).await;
    let mut pages = BTreeSet::new();
    for address in ["bob@mail.example", "carol@mail.example", "nobody@mail.example", ALICE, "no address", ""]
    {
        world.clock.pass(30);
        let fields = [("address", address), ("password", "not the right one")];
        let answer = world.post("/login", &fields, "").await;
        assert_eq!(answer.status, 403, "{address}");
        pages.insert(answer.text().replace(&format!("value=\"{address}\""), "value=\"\""));
    }
    assert_eq!(pages.len(), 1, "one page for all");
    let account = world.post("/login", &[("address", ALICE), ("password", PASSWORD)], "").await;
    assert_eq!(account.status, 403, "accounts do not sign in here");
}

#[tokio::test]
async fn guessing_is_paused_for_the_network() {
    let world = World::new().await;
    let mut statuses = Vec::new();
    for _ in 0..8 {
        let fields = [("address", "bob@mail.example"), ("password", "not the right one")];
        statuses.push(world.post("/login", &fields, "").await);
    }
    assert_eq!(statuses.iter().filter(|answer| answer.status == 403).count(), 5);
    let paused = statuses.last().unwrap();
    assert_eq!(paused.status, 429);
    assert!(paused.header("retry-after").parse::<u64>().unwrap() <= 60);
    assert!(paused.text().contains("Too many attempts"));
    world.clock.pass(5);
    let later =
        world.post("/login", &[("address", "x@y.example"), ("password", "not the right one")], "").await;
    assert_eq!(later.status, 403);
}

#[tokio::test]
async fn sessions_end() {
    let world = World::new().await;
    let cookie = world.opened().await;
    assert_eq!(world.get("/mailbox", &cookie).await.status, 200);
    world.clock.wall.fetch_sub(7_200, Ordering::Relaxed);
    world.clock.running.fetch_add(16 * 60, Ordering::Relaxed);
    assert_eq!(world.get("/mailbox", &cookie).await.status, 303, "idle, whatever the wall clock says");

    let sign_in = [("address", "bob@mail.example"), ("password", PASSWORD)];
    let preset = format!("__Host-gp={}", "A".repeat(43));
    let cookie = world.post("/login", &sign_in, &preset).await.cookie().unwrap();
    assert_ne!(cookie, preset);
    assert_eq!(world.get("/mailbox", &preset).await.status, 303, "a cookie that somebody planted is nothing");
    let next = world.post("/login", &sign_in, &cookie).await.cookie().unwrap();
    assert_eq!(world.get("/mailbox", &cookie).await.status, 303, "a new sign-in ends the former session");
    assert_eq!(world.get("/mailbox", &next).await.status, 200);

    world.flow.remove_mailbox(&address("bob@mail.example"), MailboxKind::Temporary).await.unwrap();
    assert_eq!(world.get("/mailbox", &next).await.status, 303, "the mailbox is gone, and so is the session");
    assert_eq!(world.post("/login", &sign_in, "").await.status, 403);
}

#[tokio::test]
async fn forms_from_elsewhere_are_refused() {
    let world = World::new().await;
    let cookie = world.opened().await;
    for (name, value) in
        [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example"), ("origin", "null"), ("x", "y")]
    {
        for route in ROUTES.iter().filter(|route| route.method == Verb::Post) {
            let path = route.path.replace("{folder}", "inbox").replace("{uid}", "1");
            let path = path.replace("{id}", "00000000000000000000000000");
            let path = path.as_str();
            let request = Request::post(path)
                .header("host", HOST)
                .header("cookie", &cookie)
                .header(name, value)
                .header("content-type", "application/x-www-form-urlencoded");
            assert_eq!(
                world.ask(request.body(Body::from("body=x")).unwrap()).await.status,
                403,
                "{path} {name}"
            );
        }
    }
    assert_eq!(world.get("/mailbox", &cookie).await.status, 200, "still signed in");
}
