//! What was typed is not lost: by a session that ends, a wrong password, another language, a page loaded again.

use super::tests::PASSWORD;
use super::tests::World;
use super::tests::mixed;

/// Long enough that it would not fit into a form if every letter were escaped.
#[tokio::test]
async fn a_long_answer_survives_a_session_a_wrong_password_and_another_language() {
    let world = World::new().await;
    let cookie = world.opened().await;
    let long = "Größe über alles, sagt Ärger.\r\n".repeat(2_500);
    world.clock.pass(20);
    let path = "/mailbox/inbox/1/reply";
    let fields = [("to", "all"), ("subject", "Re: first"), ("body", long.as_str())];
    let ended = world.upload(path, &fields, &[("a.txt", b"x")], &cookie).await;
    assert_eq!(ended.status, 403);
    assert!(
        ended.text().contains("enctype=\"multipart/form-data\"") && ended.text().contains("Files have to be")
    );
    assert!(ended.text().contains("formaction=\"/login?lang=de\" formnovalidate"));
    let carried = [("then", "inbox/1"), ("to", "all"), ("subject", "Re: first"), ("body", &long)];
    let with = |more: &[(&'static str, &'static str)]| [carried.as_slice(), more].concat();
    let german = world.upload("/login?lang=de", &with(&[("lang", "de")]), &[], "").await;
    assert!(german.status == 200 && german.text().contains("<html lang=\"de\""));
    assert!(german.text().contains(&long) && german.cookie().is_none());
    let address = ("address", "bob@mail.example");
    let wrong = world.upload("/login", &with(&[address, ("password", "another one")]), &[], "").await;
    assert!(wrong.status == 403 && wrong.text().contains(&long) && wrong.text().contains("value=\"all\""));
    for _ in 0..5 {
        world.post("/login", &[address, ("password", "another one")], "").await;
    }
    let paused = world.upload("/login", &with(&[address, ("password", PASSWORD)]), &[], "").await;
    assert!(paused.status == 429 && !paused.header("retry-after").is_empty());
    assert!(
        paused.text().contains(&long) && paused.text().contains("Try again in"),
        "{:.2000}",
        paused.text()
    );
    world.clock.pass(30);
    let back = world.upload("/login", &with(&[address, ("password", PASSWORD)]), &[], "").await;
    assert_eq!(back.status, 200, "{:.2000}", back.text());
    assert!(back.text().contains(&format!(">\n{long}</textarea>")) && back.cookie().is_some());
}

#[tokio::test]
async fn what_was_typed_is_there_again_until_it_is_sent() {
    let world = World::new().await;
    let cookie = world.opened().await;
    world.send("bob@mail.example", &mixed("second")).await;
    let (path, draft) = ("/mailbox/inbox/1/reply", "/mailbox/inbox/1/draft");
    let typed = [("to", "sender"), ("subject", "Re: kept"), ("body", "half a <sentence")];
    let kept = world.upload(draft, &typed, &[], &cookie).await;
    assert_eq!((kept.status, kept.body.len()), (204, 0));
    let form = world.get(path, &cookie).await.text();
    assert!(
        form.contains("half a &#60;sentence</textarea>") && form.contains("value=\"Re: kept\""),
        "{form}"
    );
    assert!(form.contains("You typed this here before. It has not been sent yet."));
    assert!(!world.get("/mailbox/inbox/2/reply", &cookie).await.text().contains("sentence"));
    let fields = [("address", "bob@mail.example"), ("password", PASSWORD)];
    let other = world.post("/login", &fields, "").await.cookie().unwrap();
    assert!(!world.get(path, &other).await.text().contains("sentence"), "of this session alone");
    for path in ["/mailbox/inbox/99/draft", "/mailbox/drafts/1/draft"] {
        assert_eq!(world.upload(path, &typed, &[], &cookie).await.status, 404, "{path}");
    }
    let huge = "x".repeat(200_000);
    let refused = world.upload(draft, &[("body", &huge)], &[], &cookie).await;
    assert_eq!(refused.status, 413);
    assert_eq!(world.upload(path, &typed, &[], &cookie).await.status, 303);
    assert!(!world.get(path, &cookie).await.text().contains("sentence"), "it was sent");
}

#[tokio::test]
async fn a_form_in_another_language_keeps_what_stands_in_it_and_tries_nothing() {
    let world = World::new().await;
    world.send("bob@mail.example", &mixed("first")).await;
    let (path, token, pin) = world.invitation().await;
    let fields =
        [("token", &*token), ("pin", "000000"), ("understood", "yes"), ("password", "x"), ("lang", "de")];
    for _ in 0..12 {
        let page = world.post(&format!("{path}?lang=de"), &fields, "").await;
        let text = page.text();
        assert!(page.status == 200 && text.contains("<html lang=\"de\"") && !text.contains("role=\"alert\""));
        assert!(text.contains(&format!("name=\"token\" value=\"{token}\"")) && text.contains(" checked"));
        assert!(!text.contains("000000") && text.contains(&format!("formaction=\"{path}?lang=en\"")));
    }
    let cookie = world.open(&path, &token, &pin).await.cookie().unwrap();
    let reply = "/mailbox/inbox/1/reply";
    let fields = [("to", "sender"), ("subject", "s"), ("body", "typed"), ("lang", "de")];
    let page = world.upload(&format!("{reply}?lang=de"), &fields, &[("a.txt", b"x")], &cookie).await;
    assert!(page.status == 200 && page.text().contains(">\ntyped</textarea>"), "{}", page.text());
    assert!(page.text().contains("Bitte wählen Sie die Dateien neu aus."));
    assert!(world.get("/mailbox/sent", &cookie).await.text().contains("You have not sent anything yet."));
}

#[tokio::test]
async fn who_is_signed_in_stays_in_the_mailbox_when_something_is_not_there() {
    let world = World::new().await;
    let cookie = world.opened().await;
    let missing = world.get("/mailbox/inbox/99", &cookie).await;
    assert!(missing.status == 404 && missing.text().contains("action=\"/logout\""), "{}", missing.text());
    assert!(missing.text().contains("class=\"button\" href=\"/mailbox\""));
    let guest = world.get("/nothing", &cookie).await;
    assert!(guest.status == 404 && guest.text().contains("class=\"button\" href=\"/login\""));
    world.clock.pass(20);
    let login = world.get("/login", &cookie).await;
    assert!(login.status == 200 && login.text().contains("You were signed out"));
    assert!(login.header("set-cookie").contains("Max-Age=0"), "said once");
    assert!(world.get("/login", "").await.text().contains("<h1>Sign in</h1>"));
}
