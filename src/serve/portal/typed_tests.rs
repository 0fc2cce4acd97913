//! What was typed is not lost: by a session that ends, a wrong password, another language, a page loaded again.

use super::tests::HOST;
use super::tests::PASSWORD;
use super::tests::Seen;
use super::tests::World;
use super::tests::address;
use super::tests::mixed;
use super::*;
use crate::store::command::Command;
use crate::store::command_part::FlagChange;
use crate::store::record::Flags;
use crate::store::record::Folder;
use crate::store::record::Uid;

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
    let second = "/mailbox/inbox/2/reply";
    assert!(!world.get(second, &cookie).await.text().contains("sentence"));
    let other = [("to", "sender"), ("subject", "Re: second"), ("body", "another thought")];
    assert_eq!(world.upload("/mailbox/inbox/2/draft", &other, &[], &cookie).await.status, 204);
    assert!(world.get(path, &cookie).await.text().contains("half a &#60;sentence</textarea>"));
    assert_eq!(world.upload(second, &other, &[], &cookie).await.status, 303);
    assert!(!world.get(second, &cookie).await.text().contains("another thought"), "it was sent");
    assert!(
        world.get(path, &cookie).await.text().contains("half a &#60;sentence</textarea>"),
        "that one alone"
    );
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

/// The button of the other language sends the form as it stands: what was typed comes back, and no secret with it.
#[tokio::test]
async fn every_form_that_somebody_types_into_goes_along_into_the_other_language() {
    let world = World::new().await;
    world.send("bob@mail.example", &mixed("first")).await;
    let (path, token, pin) = world.invitation().await;
    let german = format!("formaction=\"{path}?lang=de\" formnovalidate name=\"lang\" value=\"de\"");
    let first = world.get(&path, "").await.text();
    assert!(first.contains(&german) && !first.contains("class=\"language\" href"), "{first}");
    let wrong = world.post(&path, &[("token", "AAAA"), ("pin", &pin)], "").await;
    assert!(wrong.status == 403 && wrong.text().contains(&german), "also where the code was wrong");
    let half = &token[..12];
    let fields = [("token", half), ("password", "not to be seen again"), ("lang", "de")];
    let page = world.post(&format!("{path}?lang=de"), &fields, "").await.text();
    assert!(page.contains(&format!("type=\"text\" value=\"{half}\"")), "half a code stays in sight: {page}");
    assert!(!page.contains("not to be seen again") && page.contains("beide Passwortfelder"), "{page}");
    assert!(!page.contains("aus Ihrer Mail übernommen</p>\n<input type=\"hidden\""));

    let login = world.get("/login", "").await.text();
    assert!(login.contains("formaction=\"/login?lang=de\""), "{login}");
    let fields = [("address", "bob@mail.example"), ("password", "not to be seen again"), ("lang", "de")];
    let page = world.post("/login?lang=de", &fields, "").await;
    assert!(page.status == 200 && page.text().contains("value=\"bob@mail.example\""), "{}", page.text());
    assert!(page.text().contains("<h1>Anmelden</h1>") && !page.text().contains("not to be seen again"));

    let cookie = world.open(&path, &token, &pin).await.cookie().unwrap();
    let found = world.post("/mailbox/search", &[("q", "first")], &cookie).await.text();
    assert!(found.contains("form=\"search\" formaction=\"/mailbox/search?lang=de\""), "{found}");
    let again =
        world.post("/mailbox/search?lang=de", &[("q", "first"), ("lang", "de")], &cookie).await.text();
    assert!(again.contains("1 Nachricht gefunden") && again.contains("value=\"first\""), "{again}");

    let shown = world.post("/mailbox/key/download", &[("password", PASSWORD)], &cookie).await.text();
    assert!(shown.contains("form=\"key-file\" formaction=\"/mailbox/key/file?lang=de\""), "{shown}");
    let passphrase = shown.split("name=\"passphrase\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let fields = [("passphrase", passphrase), ("lang", "de")];
    world.clock.pass(3);
    for (path, given) in [("/mailbox/key/file?lang=de", passphrase), ("/mailbox/key/file?lang=de", "AAAA")] {
        let page = world.post(path, &[("passphrase", given), ("lang", "de")], &cookie).await;
        let fits = given == passphrase;
        assert_eq!((page.status, page.text().contains(given)), if fits { (200, true) } else { (403, false) });
        assert!(!fits || page.text().contains("7 Minuten"), "{}", page.text());
    }
    assert_eq!(
        world.post("/mailbox/key/file", &fields[..1], &cookie).await.status,
        200,
        "and the file comes"
    );
}

/// Whoever guessed too often may still read in another language.
#[tokio::test]
async fn another_language_costs_no_try() {
    let world = World::new().await;
    world.send("bob@mail.example", &mixed("first")).await;
    let (path, token, pin) = world.invitation().await;
    let wrong = [("token", "AAAA"), ("pin", "0"), ("password", PASSWORD), ("confirm", PASSWORD)];
    let mut paused = false;
    for _ in 0..200 {
        paused |= world.post(&path, &wrong, "").await.status == 429;
    }
    assert!(paused);
    let fields = [("token", &*token), ("pin", &*pin), ("lang", "de")];
    assert_eq!(world.post(&format!("{path}?lang=de"), &fields, "").await.status, 200);
}

/// The button pressed twice, at once or later, sends one answer; the same words in a new form are another one.
#[tokio::test]
async fn a_form_is_sent_once() {
    let world = World::new().await;
    let cookie = world.opened().await;
    let path = "/mailbox/inbox/1/reply";
    let once = once(&world.get(path, &cookie).await.text());
    let fields = [("to", "sender"), ("subject", "s"), ("body", "twice pressed"), ("once", &*once)];
    let (one, two) =
        tokio::join!(world.upload(path, &fields, &[], &cookie), world.upload(path, &fields, &[], &cookie));
    let three = world.upload(path, &fields, &[], &cookie).await;
    for answer in [&one, &two, &three] {
        assert_eq!((answer.status, answer.header("location")), (303, "/mailbox/sent?sent=1"));
    }
    let sent = |html: String| html.matches("href=\"/mailbox/sent/").count();
    assert_eq!(sent(world.get("/mailbox/sent", &cookie).await.text()), 1);
    let edited = [("to", "sender"), ("subject", "s"), ("body", "shown again and changed"), ("once", &*once)];
    world.upload(path, &edited, &[], &cookie).await;
    assert_eq!(sent(world.get("/mailbox/sent", &cookie).await.text()), 2, "it is another answer");
    let anew = self::once(&world.get(path, &cookie).await.text());
    let fields = [("to", "sender"), ("subject", "s"), ("body", "twice pressed"), ("once", &*anew)];
    world.upload(path, &fields, &[], &cookie).await;
    assert_eq!(sent(world.get("/mailbox/sent", &cookie).await.text()), 3);
}

fn once(form: &str) -> String {
    form.split("name=\"once\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

/// Two windows: an answer that was typed in one mailbox is not sent from the other one that was opened since.
#[tokio::test]
async fn an_answer_stays_with_its_mailbox() {
    let world = World::new().await;
    let cookie = world.opened().await;
    world.send("carol@mail.example", &mixed("for carol")).await;
    let (link, token, pin) = world.invitation_of("carol@mail.example").await;
    let carols = world.open(&link, &token, &pin).await.cookie().unwrap();
    let path = "/mailbox/inbox/1/reply";
    let once = once(&world.get(path, &cookie).await.text());
    let fields = [("to", "sender"), ("subject", "s"), ("body", "from bob alone"), ("once", &*once)];
    let draft = world.upload("/mailbox/inbox/1/draft", &fields, &[], &carols).await;
    assert_eq!(draft.status, 404);
    let refused = world.upload(path, &fields, &[], &carols).await;
    assert_eq!(refused.status, 409);
    let page = refused.text();
    assert!(page.contains("belongs to another mailbox") && page.contains("from bob alone"), "{page}");
    assert!(world.get("/mailbox/sent", &carols).await.text().contains("You have not sent anything yet."));

    let then = page.split("name=\"then\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let carried = [("then", &*then), ("to", "sender"), ("subject", "s"), ("body", "from bob alone")];
    let with = |address| [&carried[..], &[("address", address), ("password", PASSWORD)]].concat();
    let wrong = world.upload("/login", &with("carol@mail.example"), &[], "").await;
    assert!(wrong.status == 409 && wrong.cookie().is_none(), "{}", wrong.text());
    assert!(wrong.text().contains("from bob alone"), "it is not lost by that");
    let right = world.upload("/login", &with("bob@mail.example"), &[], "").await;
    assert!(right.status == 200 && right.text().contains(">\nfrom bob alone</textarea>"), "{}", right.text());
}

#[tokio::test]
async fn an_answer_typed_too_late_is_carried_along() {
    let world = World::new().await;
    let cookie = world.opened().await;
    world.clock.pass(20);
    let fields = [("to", "sender"), ("subject", "Re: <x>"), ("body", "typed for an hour")];
    let ended = world.upload("/mailbox/inbox/1/reply", &fields, &[("a.txt", b"x")], &cookie).await;
    assert_eq!(ended.status, 403);
    let text = ended.text();
    assert!(text.contains("You were signed out") && text.contains("value=\"typed for an hour\""));
    assert!(text.contains("name=\"then\" value=\"inbox/1\"") && text.contains("Re: &#60;x&#62;"));
    let fields = [
        ("then", "inbox/1"),
        ("subject", "Re: <x>"),
        ("body", "typed for an hour"),
        ("address", "bob@mail.example"),
        ("password", PASSWORD),
    ];
    let resumed = world.post("/login", &fields, "").await;
    assert_eq!(resumed.status, 200);
    assert!(resumed.text().contains(">\ntyped for an hour</textarea>"), "{}", resumed.text());
    assert!(resumed.text().contains("action=\"/mailbox/inbox/1/reply\""));
    assert!(resumed.cookie().is_some());
}

/// As long as this is held, no message can be read.
fn all_room(world: &World) -> Vec<tokio::sync::OwnedSemaphorePermit> {
    std::iter::from_fn(|| world.flow.plaintext_room(0)).collect()
}

#[tokio::test]
async fn what_was_typed_is_not_lost_where_its_message_cannot_be_read_now() {
    let world = World::new().await;
    let cookie = world.opened().await;
    let path = "/mailbox/inbox/1/reply";
    let once = once(&world.get(path, &cookie).await.text());
    let then = format!("inbox/1/{}", once.split('.').next().unwrap());
    let typed = [("subject", "Re: <x>"), ("body", "typed for an hour"), ("once", &once)];
    let is_there = |page: &Seen| {
        let text = page.text();
        let busy = "The server has more to do than it can at this moment.";
        text.contains(">\ntyped for an hour</textarea>")
            && text.contains("value=\"Re: &#60;x&#62;\"")
            && text.contains("value=\"all\"")
            && text.contains(&format!("action=\"{path}\""))
            && text.contains(busy)
            && self::once(&text).starts_with(once.split('.').next().unwrap())
    };
    let room = all_room(&world);
    let sent = world.upload(path, &[&[("to", "all")], &typed[..]].concat(), &[], &cookie).await;
    assert!(sent.status == 503 && is_there(&sent), "{}", sent.text());
    let german = [("to", "all"), ("lang", "de")];
    let german = world.upload(path, &[&german[..], &typed[..]].concat(), &[], &cookie).await;
    assert!(german.status == 503 && german.text().contains(">\ntyped for an hour</textarea>"));

    let who = [("then", &*then), ("to", "all"), ("address", "bob@mail.example"), ("password", PASSWORD)];
    let resumed = world.upload("/login", &[&who[..], &typed[..2]].concat(), &[], "").await;
    assert!(resumed.status == 503 && is_there(&resumed), "{}", resumed.text());
    let cookie = resumed.cookie().unwrap();
    let again = world.get(path, &cookie).await;
    assert!(again.status == 503 && again.text().contains("typed for an hour"), "{}", again.text());
    drop(room);
    let again = world.get(path, &cookie).await;
    assert!(again.status == 200 && again.text().contains(">\ntyped for an hour</textarea>"));
    let sent = world.upload(path, &[("to", "all"), typed[0], typed[1], typed[2]], &[], &cookie).await;
    assert_eq!((sent.status, sent.header("location")), (303, "/mailbox/sent?sent=1"));
}

#[tokio::test]
async fn what_was_typed_is_not_lost_with_the_message_that_it_answers() {
    let world = World::new().await;
    let cookie = world.opened().await;
    let path = "/mailbox/inbox/1/reply";
    let once = once(&world.get(path, &cookie).await.text());
    let typed = [("to", "sender"), ("subject", "s"), ("body", "typed for an hour"), ("once", &*once)];
    assert_eq!(world.upload("/mailbox/inbox/1/draft", &typed, &[], &cookie).await.status, 204);
    let mailbox = world.flow.store.mailbox_of(&address("bob@mail.example").key()).await.unwrap().unwrap();
    let flags = Flags { deleted: true, ..Flags::default() };
    let (folder, uids) = (Folder::INBOX, vec![Uid(1)]);
    let mark = Command::SetFlags { mailbox, folder, uids, change: FlagChange::Add, flags };
    world.flow.store.commit(vec![mark, Command::Expunge { mailbox, folder, uids: None }]).await.unwrap();
    assert_eq!(world.get("/mailbox/inbox/1", &cookie).await.status, 404);
    let is_there = |page: &Seen| {
        let text = page.text();
        page.status == 404
            && text.contains(">\ntyped for an hour</textarea>")
            && text.contains("can be answered here any more")
    };
    for (what, page) in [
        ("sent", world.upload(path, &typed, &[], &cookie).await),
        ("loaded again", world.get(path, &cookie).await),
        ("in a language", world.upload(path, &[&typed[..], &[("lang", "en")]].concat(), &[], &cookie).await),
    ] {
        assert!(is_there(&page), "{what}: {}", page.text());
    }
    world.clock.pass(20);
    let then = format!("inbox/1/{}", once.split('.').next().unwrap());
    let who = [("then", &*then), ("address", "bob@mail.example"), ("password", PASSWORD)];
    let resumed = world.upload("/login", &[&who[..], &typed[..3]].concat(), &[], "").await;
    assert!(is_there(&resumed) && resumed.cookie().is_some(), "{}", resumed.text());
    let never = [("then", "inbox/99/abc"), who[1], who[2], typed[2]];
    let elsewhere = world.upload("/login", &never, &[], "").await;
    assert!(elsewhere.status == 409 && elsewhere.cookie().is_none(), "no such message was ever here");
    assert!(elsewhere.text().contains("typed for an hour"));
}

#[tokio::test]
async fn answers_that_cannot_be_taken() {
    let world = World::new().await;
    let cookie = world.opened().await;
    let path = "/mailbox/inbox/1/reply";
    let empty = world.post(path, &[("to", "sender"), ("subject", "s"), ("body", "  ")], &cookie).await;
    assert_eq!(empty.status, 422);
    assert!(empty.text().contains("Write a message."));
    let large = vec![b'x'; 20 << 20];
    let fields = [("to", "sender"), ("subject", "kept subject"), ("body", "kept text")];
    let refused = world.upload(path, &fields, &[("small.txt", b"x"), ("large.bin", &large)], &cookie).await;
    assert_eq!(refused.status, 413);
    let text = refused.text();
    assert!(text.contains("large.bin") && text.contains("kept text") && text.contains("kept subject"));
    let lies = Request::post(path)
        .header("host", HOST)
        .header("cookie", &cookie)
        .header("sec-fetch-site", "same-origin")
        .header("content-type", "multipart/form-data; boundary=x")
        .header("content-length", 1_u64 << 40)
        .body(Body::empty())
        .unwrap();
    assert_eq!(world.ask(lies).await.status, 413);
    let broken = Request::post(path)
        .header("host", HOST)
        .header("cookie", &cookie)
        .header("sec-fetch-site", "same-origin")
        .header("content-type", "multipart/form-data; boundary=x")
        .body(Body::from("--x\r\nContent-Disposition: form-data; name=\"body\"\r\n\r\nno end"))
        .unwrap();
    assert_eq!(world.ask(broken).await.status, 400);
    assert!(world.get("/mailbox/sent", &cookie).await.text().contains("You have not sent anything yet."));
    let fits = vec![b'x'; 17 << 20];
    let taken = world.upload(path, &fields, &[("fits.bin", &fits)], &cookie).await;
    assert_eq!(taken.status, 303, "{}", taken.text());
}

/// The code of a test message is long: who changes the language while it is typed does not begin anew.
#[tokio::test]
async fn a_code_goes_along_into_the_other_language() {
    let world = World::new().await;
    let cookie = world.opened().await;
    let page = world.get("/mailbox/key", &cookie).await.text();
    assert!(!page.contains("id=\"code\"") && page.contains("href=\"/mailbox/key?lang=de\""), "{page}");
    assert_eq!(world.post("/mailbox/key/direct", &[("key", "mailbox")], &cookie).await.status, 303);
    let page = world.get("/mailbox/key", &cookie).await.text();
    let button = "form=\"confirm\" formaction=\"/mailbox/key/confirm?lang=de\"";
    assert!(page.contains(button) && page.contains("id=\"confirm\""), "{page}");
    for _ in 0..6 {
        let fields = [("code", "0471 \""), ("lang", "de")];
        let other = world.post("/mailbox/key/confirm?lang=de", &fields, &cookie).await;
        let text = other.text();
        assert!(other.status == 200 && text.contains("<html lang=\"de\">"), "{text}");
        assert!(text.contains("name=\"code\" type=\"text\" value=\"0471 &#34;\""), "{text}");
        assert!(text.contains("formaction=\"/mailbox/key/confirm?lang=en\""), "and back: {text}");
    }
    let wrong = world.post("/mailbox/key/confirm", &[("code", "00000000")], &cookie).await;
    assert_eq!(wrong.status, 403, "no try was used");
    assert!(wrong.text().contains("name=\"code\" type=\"text\" value=\"\"") && wrong.text().contains(button));
}
