//! The page that an invitation opens: visits, codes, PINs, rules, and the button pressed twice.

use super::tests::HOST;
use super::tests::PASSWORD;
use super::tests::World;
use super::tests::mixed;
use super::*;
use crate::store::record::Folder;
use std::collections::BTreeSet;

/// A page without what differs by chance: id and suggestion.
fn masked(page: &str, id: &str) -> String {
    let page = page.replace(id, "ID");
    let (head, rest) = page.split_once("class=\"secret\">").unwrap_or((&page, ""));
    format!("{head}{}", rest.split_once("</p>").map_or("", |(_, rest)| rest))
}

#[tokio::test]
async fn visits_change_nothing_and_show_nothing() {
    let world = World::new().await;
    world.send("bob@mail.example", &mixed("first")).await;
    let (path, token, pin) = world.invitation().await;
    let before = world.alices(Folder::INBOX).await.len();
    for _ in 0..30 {
        for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"] {
            let request = Request::builder().method(method).uri(&path).header("host", HOST);
            world.ask(request.body(Body::empty()).unwrap()).await;
        }
        world.get(&format!("{path}/cancelled"), "").await;
        world.get(&format!("{path}/no-pin"), "").await;
        world.get(&format!("{path}/asked"), "").await;
    }
    let cancelled = world.get(&format!("{path}/cancelled"), "").await;
    assert!(cancelled.text().contains("Nothing was set up"));
    assert_eq!(world.alices(Folder::INBOX).await.len(), before, "nobody was told anything");
    assert_eq!(world.open(&path, &token, &pin).await.status, 303);
}

#[tokio::test]
async fn a_wrong_code_and_an_unknown_id_are_the_same_bytes() {
    let world = World::new().await;
    world.send("bob@mail.example", &mixed("first")).await;
    let (path, token, pin) = world.invitation().await;
    let id = path.strip_prefix("/i/").unwrap().to_owned();
    let unknown = "0000000000000000000000000g";
    let known_page = world.get(&path, "").await;
    let unknown_page = world.get(&format!("/i/{unknown}"), "").await;
    assert_eq!(masked(&known_page.text(), &id), masked(&unknown_page.text(), unknown));
    assert_eq!((known_page.status, unknown_page.status), (200, 200));

    let wrong = "0000-0000-0000-0000-0000-0000-0000-0000";
    let fields = [
        ("token", wrong),
        ("pin", &*pin),
        ("password", PASSWORD),
        ("confirm", PASSWORD),
        ("understood", "1"),
    ];
    let known = world.post(&path, &fields, "").await;
    let made_up = world.post(&format!("/i/{unknown}"), &fields, "").await;
    assert_eq!((known.status, made_up.status), (403, 403));
    assert_eq!(masked(&known.text(), &id), masked(&made_up.text(), unknown));
    assert!(known.text().contains("This access code does not belong to this page"));
    assert_eq!(world.open(&path, &token, &pin).await.status, 303, "no try was used");
}

#[tokio::test]
async fn rules_are_said_and_cost_no_try() {
    let world = World::new().await;
    world.send("bob@mail.example", &mixed("first")).await;
    let (path, token, pin) = world.invitation().await;
    for (password, confirm, understood, pin, says) in [
        ("short", "short", "yes", &*pin, "at least 12 characters"),
        (PASSWORD, "another password", "yes", &*pin, "The two passwords are not the same"),
        (PASSWORD, PASSWORD, "", &*pin, "Please confirm that you have noted"),
        (PASSWORD, PASSWORD, "yes", "", "Enter the PIN"),
        ("aaaaaaaaaaaaaa", "aaaaaaaaaaaaaa", "yes", &*pin, "Too many people use this password"),
        ("bob@mail.example", "bob@mail.example", "yes", &*pin, "Your address is not a good password"),
    ] {
        let fields = [
            ("token", &*token),
            ("pin", pin),
            ("password", password),
            ("confirm", confirm),
            ("understood", understood),
        ];
        let answer = world.post(&path, &fields, "").await;
        assert_eq!(answer.status, 422, "{says}");
        let text = answer.text();
        assert!(text.contains(says), "{says}: {text}");
        assert!(text.contains(&format!("name=\"token\" value=\"{token}\"")), "the code comes back");
        assert!(!text.contains(&format!("value=\"{password}\"")) && !text.contains("name=\"pin\" value=\"1"));
        assert!(text.contains("no try was used"));
    }
    assert_eq!(world.open(&path, &token, &pin).await.status, 303);
}

#[tokio::test]
async fn ten_wrong_pins_close_the_invitation() {
    let world = World::new().await;
    world.send("bob@mail.example", &mixed("first")).await;
    let (path, token, pin) = world.invitation().await;
    let wrong = if pin == "483920" { "483921" } else { "483920" };
    for left in (0..10).rev() {
        world.clock.pass(30);
        let answer = world.open(&path, &token, wrong).await;
        if left > 0 {
            assert_eq!(answer.status, 403, "{}", answer.text());
            let says = if left == 1 { "1 try left".to_owned() } else { format!("{left} tries left") };
            assert!(answer.text().contains(&says), "{says}");
        } else {
            assert!(matches!(answer.status, 403 | 410), "{}", answer.status);
        }
    }
    world.clock.pass(60);
    let dead = world.open(&path, &token, &pin).await;
    assert_eq!(dead.status, 410, "the right PIN is too late");
    assert!(dead.text().contains("This invitation is closed"));
    assert_eq!(world.get(&path, "").await.status, 410);
    let told = world.alices(Folder::INBOX).await.len();
    assert!(told >= 3, "the note with the PIN, after three, after ten: {told}");
}

#[tokio::test]
async fn a_second_first_use_is_too_late() {
    let world = World::new().await;
    world.send("bob@mail.example", &mixed("first")).await;
    let (path, token, pin) = world.invitation().await;
    let use_with = async |password: &str| {
        let fields = [
            ("token", &*token),
            ("pin", &pin),
            ("password", password),
            ("confirm", password),
            ("understood", "yes"),
        ];
        world.post(&path, &fields, "").await
    };
    let (one, two) = tokio::join!(use_with("the first of two people"), use_with("the other of two people"));
    let statuses = BTreeSet::from([one.status, two.status]);
    assert_eq!(statuses, BTreeSet::from([303, 409]));
    let late = use_with("somebody else altogether").await;
    assert_eq!(late.status, 409);
    assert!(late.text().contains("This mailbox is already set up") && !late.text().contains("bob@"));
    assert!(late.text().contains("You never chose a password here?") && late.cookie().is_none());
    let page = world.get(&path, "").await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("href=\"/login\""));
}

/// Without scripts nothing holds a second press back: the browser drops the first answer and waits for the next.
#[tokio::test]
async fn the_button_pressed_again_opens_the_same_mailbox() {
    let world = World::new().await;
    world.send("bob@mail.example", &mixed("first")).await;
    let (path, token, pin) = world.invitation().await;
    let (one, two) = tokio::join!(world.open(&path, &token, &pin), world.open(&path, &token, &pin));
    let three = world.open(&path, &token, &pin).await;
    let answers = [one, two, three];
    let locations: Vec<_> = answers.iter().map(|answer| (answer.status, answer.header("location"))).collect();
    assert_eq!(locations, [(303, "/mailbox"); 3]);
    let cookies = answers.each_ref().map(|answer| answer.cookie().unwrap());
    assert_eq!(world.get("/mailbox", &cookies[0]).await.status, 303, "nobody holds this one");
    let list = world.get("/mailbox", &cookies[2]).await;
    assert!(list.text().contains("first") && list.status == 200, "{}", list.text());
    let sessions = world.get("/mailbox/sessions", &cookies[2]).await.text();
    assert_eq!(sessions.matches("name=\"session\"").count(), 0, "no other one is left: {sessions}");
    let opened = world.alices(Folder::INBOX).await;
    assert_eq!(opened.iter().filter(|note| note.contains("was opened")).count(), 1, "told once: {opened:?}");

    // Another password, an access code that is wrong, or later: as for everybody who comes too late.
    let again = async |token: &str, password: &str| {
        let fields = [
            ("token", token),
            ("pin", &*pin),
            ("password", password),
            ("confirm", password),
            ("understood", "yes"),
        ];
        let answer = world.post(&path, &fields, "").await;
        (answer.status, answer.cookie())
    };
    assert_eq!(again(&token, "not the one that was chosen").await, (409, None));
    assert_eq!(again("AAAA-BBBB-CCCC-DDDD-EEEE-FFFF-GG", PASSWORD).await, (409, None));
    world.clock.pass(3);
    let late = world.open(&path, &token, &pin).await;
    assert!(late.status == 409 && late.cookie().is_none(), "the link opens nothing after its first use");
}

#[tokio::test]
async fn the_sender_is_told_once_a_day_that_a_pin_is_wanted() {
    let world = World::new().await;
    world.send("bob@mail.example", &mixed("first")).await;
    let (path, token, _) = world.invitation().await;
    let before = world.alices(Folder::INBOX).await.len();
    for _ in 0..3 {
        let told = world.post(&format!("{path}/no-pin"), &[("token", &token)], "").await;
        assert_eq!(told.status, 303, "{}", told.text());
        assert_eq!(told.header("location"), format!("{path}/asked"));
        let page = world.get(&format!("{path}/asked"), "").await;
        assert!(page.status == 200 && page.text().contains("The sender has been told"), "{}", page.text());
    }
    assert_eq!(world.alices(Folder::INBOX).await.len(), before + 1);
    let wrong = world.post(&format!("{path}/no-pin"), &[("token", "nothing")], "").await;
    assert_eq!(wrong.status, 403);
}
