//! What the owner of a mailbox can do beyond reading: search, answer all, take keys and messages along, end sessions.

use super::tests::*;
use super::*;
use crate::flow::search::Words;
use crate::flow::sign_in::Realm;
use crate::mime::scan::Limits;
use crate::mime::scan::Scanner;
use crate::store::record::Flags;
use crate::store::record::Folder;
use crate::store::record::MailboxKind;
use crate::store::record::Uid;
use http_body_util::BodyExt;
use std::collections::BTreeMap;
use std::io::Write;
use std::net::IpAddr;
use std::process::Command;

const BOB: &str = "bob@mail.example";

/// A plain message of Alice's.
fn plain(subject: &str, more: &str, text: &str) -> String {
    format!(
        "From: Alice Roth <{ALICE}>\nTo: {BOB}\n{more}Subject: [secure] {subject}\nMIME-Version: 1.0\n\
         Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{text}\n"
    )
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let rest = text.split(start).nth(1).unwrap_or_else(|| panic!("{start} in {text}"));
    rest.split(end).next().unwrap()
}

/// The links to messages on a page.
fn links(page: &str) -> Vec<String> {
    let links =
        page.split("<a href=\"/mailbox/").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
    links.filter(|link| link.starts_with("inbox/") || link.starts_with("sent/")).collect()
}

async fn bob(world: &World) -> Arc<Unlocked> {
    let from = Source { ip: IpAddr::from([10, 0, 0, 2]), device: None };
    world.flow.sign_in(BOB, Secret::new(PASSWORD.to_owned()), &from, Realm::Recipients).await.unwrap()
}

async fn sign_in(world: &World, agent: &str) -> String {
    let request = Request::post("/login")
        .header("host", HOST)
        .header("sec-fetch-site", "same-origin")
        .header("user-agent", agent)
        .header("content-type", "application/x-www-form-urlencoded");
    let body = format!("address=bob%40mail.example&password={}", PASSWORD.replace(' ', "+"));
    world.ask(request.body(Body::from(body)).unwrap()).await.cookie().unwrap()
}

#[tokio::test]
async fn the_key_comes_with_a_passphrase_that_is_shown_once() {
    let world = World::new().await;
    let cookie = world.opened().await;
    let page = world.get("/mailbox/key", &cookie).await.text();
    assert_eq!(
        page.matches("class=\"fingerprint\"").count(),
        2,
        "the current one and the one from before: {page}"
    );
    assert!(page.contains("The key from before") && page.contains("gpg --import"));

    let wrong = world.post("/mailbox/key/download", &[("password", "not the right one")], &cookie).await;
    assert_eq!(wrong.status, 403);
    assert!(wrong.text().contains("The password is wrong.") && !wrong.text().contains("not the right one"));
    assert_eq!(world.get("/mailbox", &cookie).await.status, 200, "nobody is signed out by that");
    let early =
        world.post("/mailbox/key/file", &[("passphrase", "AAAA-BBBB-CCCC-DDDD-EEEE-FFFF")], &cookie).await;
    assert_eq!(early.status, 403, "nothing was allowed");

    let shown = world.post("/mailbox/key/download", &[("password", PASSWORD)], &cookie).await;
    assert_eq!(shown.status, 200, "{}", shown.text());
    let shown = shown.text();
    let passphrase = between(&shown, "<p class=\"secret\">", "<").to_owned();
    assert_eq!(passphrase.len(), 29, "six groups of four: 120 bits");
    assert_eq!(between(&shown, "name=\"passphrase\" value=\"", "\""), passphrase);
    assert!(shown.contains("within 10 minutes"));

    let other = sign_in(&world, "").await;
    let fields = [("passphrase", passphrase.as_str())];
    assert_eq!(world.post("/mailbox/key/file", &fields, &other).await.status, 403, "another session's");
    let file = world.post("/mailbox/key/file", &fields, &cookie).await;
    assert_eq!((file.status, file.header("content-type")), (200, "application/pgp-keys"));
    assert!(file.header("content-disposition").contains("openpgp-key.asc"));
    assert_eq!(
        file.text().matches("-----BEGIN PGP PRIVATE KEY BLOCK-----").count(),
        1,
        "one block that all read"
    );
    assert_eq!(world.post("/mailbox/key/file", &fields, &cookie).await.status, 403, "once");

    let public = world.get("/mailbox/key/public", &cookie).await;
    assert!(
        public.text().starts_with("-----BEGIN PGP PUBLIC KEY BLOCK-----")
            && !public.text().contains("PRIVATE")
    );

    let shown = world.post("/mailbox/key/download", &[("password", PASSWORD)], &cookie).await.text();
    let late = between(&shown, "<p class=\"secret\">", "<").to_owned();
    assert_ne!(late, passphrase);
    world.clock.pass(11);
    let gone = world.post("/mailbox/key/file", &[("passphrase", &late)], &cookie).await;
    assert!(gone.status == 403 && gone.text().contains("used up"), "{}", gone.text());
}

#[tokio::test]
async fn guessing_at_the_key_page_is_guessing() {
    let world = World::new().await;
    let cookie = world.opened().await;
    let mut statuses = Vec::new();
    for _ in 0..7 {
        let answer = world.post("/mailbox/key/download", &[("password", "a wrong password")], &cookie).await;
        statuses.push(answer.status);
    }
    assert_eq!(statuses, [403, 403, 403, 403, 403, 429, 429]);
    let right = world.post("/mailbox/key/download", &[("password", PASSWORD)], &cookie).await;
    assert_eq!(right.status, 429, "before anything is looked up");
    assert_eq!(world.get("/mailbox", &cookie).await.status, 200, "still signed in");
    world.clock.pass(5);
    let right = world.post("/mailbox/key/download", &[("password", PASSWORD)], &cookie).await;
    assert_eq!(right.status, 200);
}

#[tokio::test]
async fn where_keys_are_not_given_out_there_is_no_page_for_it() {
    let world = World::new().await;
    let cookie = world.opened().await;
    assert!(world.get("/mailbox", &cookie).await.text().contains("href=\"/mailbox/key\""));
    let off = format!("{CONFIG}\n[temporary_mailbox]\nkey_download = false\n");
    world.portal.reload(&Config::from_text(&off).unwrap_or_else(|complaints| panic!("{complaints}")));
    assert!(!world.get("/mailbox", &cookie).await.text().contains("/mailbox/key"));
    for path in ["/mailbox/key", "/mailbox/key/public"] {
        assert_eq!(world.get(path, &cookie).await.status, 404, "{path}");
    }
    for path in ["/mailbox/key/download", "/mailbox/key/file"] {
        assert_eq!(world.post(path, &[("password", PASSWORD)], &cookie).await.status, 404, "{path}");
    }
}

/// Name and content of every file in a zip, as Python reads them; Info-ZIP must find nothing wrong.
fn unzipped(zip: &[u8]) -> BTreeMap<String, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("all.zip");
    std::fs::write(&path, zip).unwrap();
    let tested = Command::new("unzip").arg("-tq").arg(&path).output().expect("unzip is installed");
    assert!(tested.status.success(), "{}", String::from_utf8_lossy(&tested.stdout));
    let program = "import sys,zipfile,json\nz=zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\n\
                   n=z.namelist()\nassert len(n)==len(set(n))\n\
                   print(json.dumps({i:z.read(i).decode('utf-8','replace') for i in n}))";
    let python = Command::new("python3").arg("-c").arg(program).arg(&path).output().expect("python3");
    assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));
    serde_json::from_slice(&python.stdout).unwrap()
}

#[tokio::test]
async fn everything_comes_in_one_zip() {
    let world = World::new().await;
    let cookie = world.opened().await;
    world.send(BOB, &plain("Grüße / same", "", &"a long line of words\n".repeat(20_000))).await;
    world.send(BOB, &plain("Grüße / same", "", "second")).await;
    world.post("/mailbox/inbox/1/reply", &[("to", "sender"), ("body", "my answer")], &cookie).await;

    let page = world.get("/mailbox/export", &cookie).await.text();
    assert!(page.contains("3 messages, about") && page.contains("1 message, about"), "{page}");
    assert!(page.contains("4 messages, about") && page.contains("The file is not encrypted."));
    assert!(page.contains("action=\"/mailbox/export\""));

    let zip = world.post("/mailbox/export", &[], &cookie).await;
    assert_eq!((zip.status, zip.header("content-type")), (200, "application/zip"));
    assert_eq!(zip.header("content-length"), zip.body.len().to_string(), "known before it began");
    assert!(
        zip.header("content-disposition").contains("mailbox-2026-11-22.zip"),
        "{}",
        zip.header("content-disposition")
    );
    let files = unzipped(&zip.body);
    let names: Vec<&String> = files.keys().collect();
    assert_eq!(names.len(), 5, "{names:?}");
    assert!(
        names.iter().filter(|name| name.starts_with("INBOX/2026-11-22 ") && name.ends_with(".eml")).count()
            == 3
    );
    for (uid, part) in [(1, "first"), (2, "Grüße - same"), (3, "Grüße - same")] {
        let name = names.iter().find(|name| name.contains(&format!("({uid}) {part}"))).unwrap();
        let raw = world.get(&format!("/mailbox/inbox/{uid}/raw"), &cookie).await;
        assert!(
            files[*name].as_bytes() == String::from_utf8_lossy(&raw.body).as_bytes(),
            "{name} octet by octet"
        );
    }
    let sent = names.iter().find(|name| name.starts_with("Sent/")).unwrap();
    assert!(files[*sent].contains("my answer"));
    assert!(files["Read me.txt"].contains("Every message could be read."));
    assert!(files["Read me.txt"].contains(BOB));
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_named_in_the_zip() {
    let world = World::new().await;
    let cookie = world.opened().await;
    let before = files(&world.dir.path().join("bodies"));
    world.send(BOB, &plain("broken one", "", &"marker words\n".repeat(9_000))).await;
    for path in files(&world.dir.path().join("bodies")).difference(&before) {
        let mut bytes = std::fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(path, bytes).unwrap();
    }
    let zip = world.post("/mailbox/export", &[], &cookie).await;
    assert_eq!(zip.header("content-length"), zip.body.len().to_string(), "as long as was said");
    let files = unzipped(&zip.body);
    assert!(files.keys().all(|name| !name.contains("broken one")) && files.len() == 2, "{:?}", files.keys());
    let report = &files["Read me.txt"];
    assert!(report.contains("(2) broken one.eml") && report.contains("damaged"), "{:.400}", report);
    assert!(!report.contains("marker words") && !report.contains("could be read"));
}

/// An answer whose body nobody has read yet.
async fn begin(world: &World, cookie: &str) -> Response<Body> {
    let peer = Peer { address: IpAddr::from([192, 0, 2, 1]), secure: true, http2: false };
    let request = Request::post("/mailbox/export")
        .header("host", HOST)
        .header("cookie", cookie)
        .header("sec-fetch-site", "same-origin");
    world.portal.answer(request.body(Body::empty()).unwrap(), peer).await
}

async fn over(world: &World) {
    let mailbox = bob(world).await.mailbox;
    let ended = async {
        while world.portal.exports.percent(mailbox).is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ended).await.expect("the export ends with its reader");
}

#[tokio::test]
async fn one_export_at_a_time_and_none_without_its_reader() {
    let world = World::new().await;
    let cookie = world.opened().await;
    world.send(BOB, &plain("large", "", &"words and words\n".repeat(100_000))).await;
    let idle = world.get("/mailbox/export/progress", &cookie).await;
    assert!(idle.text().contains("width=\"102\"") && idle.header("content-type") == "image/svg+xml");

    let first = begin(&world, &cookie).await;
    assert_eq!(first.status(), 200);
    let second = begin(&world, &cookie).await;
    assert_eq!(second.status(), 409);
    assert!(!world.get("/mailbox/export/progress", &cookie).await.text().contains("width=\"102\""));
    drop(first);
    over(&world).await;

    let third = begin(&world, &cookie).await;
    assert_eq!(third.status(), 200);
    let mut body = third.into_body();
    assert!(body.frame().await.unwrap().is_ok());
    world.post("/logout", &[], &cookie).await;
    let mut last = body.frame().await;
    while let Some(Ok(_)) = last {
        last = body.frame().await;
    }
    assert!(matches!(last, Some(Err(_))), "it breaks off, and whoever reads it is told");
    drop(body);
    over(&world).await;
}

#[tokio::test]
async fn a_reader_that_takes_nothing_keeps_no_place() {
    let world = World::new().await;
    let cookie = world.opened().await;
    world.send(BOB, &plain("large", "", &"words and words\n".repeat(100_000))).await;
    let mut stalled = begin(&world, &cookie).await.into_body();
    // The first message with its header, the second's header and one piece of it; two more wait behind them.
    for _ in 0..4 {
        assert!(stalled.frame().await.unwrap().is_ok());
    }
    let mailbox = bob(&world).await.mailbox;
    let stands = async {
        while world.portal.exports.percent(mailbox) != Some(11) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), stands).await.expect("three pieces of 64 KiB are 11 %");
    for (minutes, goes_on) in [(14, true), (2, false)] {
        world.clock.pass(minutes);
        world.portal.sessions.sweep(world.flow.clock.running());
        assert_eq!(
            world.portal.sessions.list(mailbox, "", world.flow.clock.running()).len(),
            usize::from(goes_on)
        );
        assert!(!goes_on || world.portal.exports.percent(mailbox).is_some());
    }
    over(&world).await;
    drop(stalled);
}

#[tokio::test]
async fn a_mailbox_that_goes_takes_its_export_with_it() {
    let world = World::new().await;
    let cookie = world.opened().await;
    for _ in 0..3 {
        world.send(BOB, &plain("large", "", &"words and words\n".repeat(100_000))).await;
    }
    let mailbox = bob(&world).await.mailbox;
    let mut body = begin(&world, &cookie).await.into_body();
    assert!(body.frame().await.unwrap().is_ok());
    world.flow.remove_mailbox(&address(BOB), MailboxKind::Temporary).await.unwrap();
    let mut last = body.frame().await;
    while let Some(Ok(_)) = last {
        last = body.frame().await;
    }
    assert!(matches!(last, None | Some(Err(_))), "shorter than was said");
    drop(body);
    let ended = async {
        while world.portal.exports.percent(mailbox).is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ended).await.expect("it ends");
}

#[tokio::test]
async fn words_are_found_wherever_they_stand() {
    let world = World::new().await;
    let cookie = world.opened().await;
    let few = world.get("/mailbox", &cookie).await.text();
    assert!(!few.contains("/mailbox/search"), "one message needs no search");
    let filler = "nothing of interest here\n".repeat(400);
    world.send(BOB, &plain("Die Straße", "", &format!("{filler}Zwölf Boxkämpfer"))).await;
    world.send(BOB, &plain("other", "", &format!("{filler}the needle is at the end"))).await;
    world.send("carol@mail.example", &plain("needle of Carol", "", "needle")).await;
    world.post("/mailbox/inbox/1/reply", &[("to", "sender"), ("body", "a needle goes back")], &cookie).await;
    world.post("/mailbox/inbox/3/reply", &[("to", "sender"), ("body", "thanks")], &cookie).await;
    let list = world.get("/mailbox", &cookie).await.text();
    assert!(list.contains("action=\"/mailbox/search\"") && list.contains("name=\"q\""));

    for (q, want) in [
        ("needle", &["sent/1", "inbox/3"][..]),
        ("NEEDLE end", &["inbox/3"]),
        ("strasse", &["inbox/2"]),
        ("boxkampfer zwo\u{308}lf", &["inbox/2"]),
        ("vertrag.pdf", &["inbox/1"]),
        ("alice roth vertrag", &["inbox/1"]),
        ("grüße", &["inbox/1"]),
        ("canary", &[]),
        ("carol", &[]),
        ("needle cellar", &[]),
        ("<p>", &[]),
    ] {
        let found = world.post("/mailbox/search", &[("q", q)], &cookie).await;
        assert_eq!(found.status, 200, "{q}");
        let (mut links, text) = (links(&found.text()), found.text());
        let mut want: Vec<String> = want.iter().map(|&link| link.to_owned()).collect();
        links.sort();
        want.sort();
        assert_eq!(links, want, "{q}: {text}");
        assert!(text.contains("All 5 messages were searched."), "{q}: {text}");
        assert!(
            !text.contains("/mailbox/search?q") && !text.contains(&format!("={q}")),
            "never in an address"
        );
    }
    let hits = world.post("/mailbox/search", &[("q", "needle")], &cookie).await.text();
    assert!(hits.contains(">Sent<") && hits.contains(">Inbox<") && hits.contains("value=\"needle\""));
    for (q, says) in
        [("", "at least one word"), (" \t ", "at least one word"), (&*"x".repeat(201), "too long")]
    {
        let refused = world.post("/mailbox/search", &[("q", q)], &cookie).await;
        assert_eq!(refused.status, 422, "{says}");
        assert!(refused.text().contains(says), "{}", refused.text());
    }
    let huge = world.post("/mailbox/search", &[("q", &"y".repeat(70_000))], &cookie).await;
    assert_eq!(huge.status, 413);
    let none = world.post("/mailbox/search", &[("q", "needle")], "").await;
    assert_eq!(none.status, 403, "{}", none.text());
    assert!(none.text().contains("What you asked for just now was not done."));
}

#[tokio::test]
async fn a_search_out_of_time_says_so() {
    let world = World::new().await;
    world.opened().await;
    world.send(BOB, &plain("large", "", &"words and words\n".repeat(1_000))).await;
    let bob = bob(&world).await;
    let words = || Words::parse("nowhere").unwrap();
    let folders = [Folder::INBOX, Folder::SENT];
    let none = world.flow.search(&bob, &folders, words(), Duration::ZERO).await.unwrap();
    assert!(!none.is_complete() && none.searched == 0 && none.all == 2, "{none:?}");
    let all = world.flow.search(&bob, &folders, words(), Duration::from_secs(60)).await.unwrap();
    assert!(all.is_complete() && all.searched == 2 && all.hits.is_empty(), "{all:?}");
    let long = plain("long", "", &"w".repeat(2 << 20));
    world.send(BOB, &long).await;
    let cut = world.flow.search(&bob, &folders, words(), Duration::from_secs(60)).await.unwrap();
    assert!(!cut.is_complete() && cut.cut == 1 && cut.searched == 3, "{cut:?}");
}

#[tokio::test]
async fn everybody_of_the_organisation_and_nobody_else() {
    let world = World::new().await;
    let cookie = world.opened().await;
    for account in ["carol@weber-roth.example", "dora@weber-roth.example"] {
        world.flow.add_account(&address(account), &Secret::new(PASSWORD.to_owned())).await.unwrap();
    }
    let one = world.get("/mailbox/inbox/1/reply", &cookie).await.text();
    assert!(
        one.contains("<input type=\"hidden\" name=\"to\" value=\"sender\">"),
        "no choice where there is none"
    );
    let more = "Cc: Carol <carol@weber-roth.example>, eve@outside.example, nobody@weber-roth.example\n";
    world.send(BOB, &plain("for all", more, "hello")).await;
    let form = world.get("/mailbox/inbox/2/reply", &cookie).await.text();
    assert!(form.contains("value=\"all\"") && form.contains("carol@weber-roth.example"));
    for never in ["eve@", "nobody@", "dora@"] {
        assert!(!form.split("<blockquote>").next().unwrap().contains(never), "{never}");
    }
    let queued = world.flow.store.queue(None, 100).await.unwrap().len();
    let subject = "Re: for all\r\nBcc: eve@outside.example";
    let fields =
        [("to", "all"), ("subject", subject), ("body", "to everybody\r\n\r\nCc: eve@outside.example")];
    let sent = world.post("/mailbox/inbox/2/reply", &fields, &cookie).await;
    assert_eq!(sent.status, 303, "{}", sent.text());
    assert_eq!(
        world.flow.store.queue(None, 100).await.unwrap().len(),
        queued,
        "nothing leaves the organisation"
    );

    let from = Source { ip: IpAddr::from([10, 0, 0, 1]), device: None };
    let carol = world.flow.sign_in(
        "carol@weber-roth.example",
        Secret::new(PASSWORD.to_owned()),
        &from,
        Realm::Accounts,
    );
    let carol = carol.await.unwrap();
    let hers = world.flow.list(&carol, Folder::INBOX, Uid(0), 10).await.unwrap();
    assert_eq!(hers.len(), 1);
    let copy = world.get("/mailbox/sent/1/raw", &cookie).await.text();
    let (head, _) = copy.split_once("\r\n\r\n").unwrap();
    let head = head.replace("\r\n ", " ");
    let to = head.lines().find(|line| line.starts_with("To: ")).unwrap();
    assert!(
        to.contains(ALICE) && to.contains("carol@weber-roth.example") && to.matches('@').count() == 2,
        "{to}"
    );
    assert!(head.lines().all(|line| !line.starts_with("Bcc:") && !line.starts_with("Cc:")), "{head}");
    assert!(head.lines().any(|line| line.starts_with("Subject: ") && line.contains("Bcc: eve")), "{head}");

    // What its owner puts there names nobody: only accounts that have written are answered.
    let bob = bob(&world).await;
    let forged = format!("From: {ALICE}\r\nTo: dora@weber-roth.example, {ALICE}\r\nSubject: x\r\n\r\nx\r\n");
    let mut spool = world.flow.spools.begin();
    spool.write_all(forged.as_bytes()).unwrap();
    let structure = Scanner::scan(forged.as_bytes(), Limits::default()).unwrap();
    let put =
        world.flow.append(&bob, Folder::INBOX, Flags::default(), None, spool.finish().unwrap(), &structure);
    let uid = put.await.unwrap().uid.0;
    let form = world.get(&format!("/mailbox/inbox/{uid}/reply"), &cookie).await.text();
    assert!(form.contains(ALICE) && !form.split("<blockquote>").next().unwrap().contains("dora@"), "{form}");
    let all = [("to", "all"), ("body", "x")];
    assert_eq!(world.post(&format!("/mailbox/inbox/{uid}/reply"), &all, &cookie).await.status, 303);
    let dora = world.flow.sign_in(
        "dora@weber-roth.example",
        Secret::new(PASSWORD.to_owned()),
        &from,
        Realm::Accounts,
    );
    let hers = world.flow.list(&dora.await.unwrap(), Folder::INBOX, Uid(0), 10).await.unwrap();
    assert!(hers.is_empty());
}

#[tokio::test]
async fn what_is_new_and_what_was_answered_is_seen() {
    let world = World::new().await;
    let cookie = world.opened().await;
    let bob = bob(&world).await;
    let flags = || async {
        let message = world.flow.store.message(bob.mailbox, Folder::INBOX, Uid(1)).await.unwrap().unwrap();
        (message.flags.seen, message.flags.answered)
    };
    let list = world.get("/mailbox", &cookie).await.text();
    assert!(list.contains("class=\"unread\"") && list.contains(">New<") && list.contains("1 unread"));
    let head = Request::head("/mailbox/inbox/1").header("host", HOST).header("cookie", &cookie);
    world.ask(head.body(Body::empty()).unwrap()).await;
    assert_eq!(flags().await, (false, false), "HEAD shows nothing, so nothing was seen");
    world.get("/mailbox/inbox/1", &cookie).await;
    assert_eq!(flags().await, (true, false));
    let refused = world.post("/mailbox/inbox/1/reply", &[("to", "sender"), ("body", "")], &cookie).await;
    assert_eq!((refused.status, flags().await), (422, (true, false)));
    world.post("/mailbox/inbox/1/reply", &[("to", "sender"), ("body", "yes")], &cookie).await;
    assert_eq!(flags().await, (true, true));
    let list = world.get("/mailbox", &cookie).await.text();
    assert!(list.contains("Answered") && !list.contains("class=\"unread\""), "{list}");
}

#[tokio::test]
async fn sessions_are_listed_and_ended_by_their_owner() {
    const PHONE: &str =
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Mobile Safari/604.1";
    let world = World::new().await;
    let cookie = world.opened().await;
    world.send("carol@mail.example", &plain("other", "", "x")).await;
    let (path, token, pin) = world.invitation_of("carol@mail.example").await;
    let carol = world.open(&path, &token, &pin).await.cookie().unwrap();
    world.clock.pass(5);
    let phone = sign_in(&world, PHONE).await;
    let visit = world.flow.visits.begin(bob(&world).await.mailbox, world.flow.clock.running());

    let page = world.get("/mailbox/sessions", &cookie).await.text();
    assert!(
        page.contains("Safari on iPhone") && page.contains("A browser that does not say which"),
        "{page}"
    );
    assert!(
        page.contains("Signed in since 22\u{a0}November\u{a0}2026, 03:33\u{a0}UTC")
            && page.contains("This one")
    );
    assert!(page.contains("Mail program (IMAP)") && page.matches("name=\"session\"").count() == 1);
    assert!(world.get("/mailbox", &cookie).await.text().contains("href=\"/mailbox/sessions\""));

    let number = between(&page, "name=\"session\" value=\"", "\"").to_owned();
    world.post("/mailbox/sessions/end", &[("session", &number)], &carol).await;
    assert_eq!(world.get("/mailbox", &phone).await.status, 200, "not by another mailbox");
    let ended = world.post("/mailbox/sessions/end", &[("session", &number)], &cookie).await;
    assert_eq!((ended.status, ended.header("location")), (303, "/mailbox/sessions?ended=1"));
    assert_eq!(world.get("/mailbox", &phone).await.status, 303, "at once");
    assert!(
        world
            .get("/mailbox/sessions?ended=1", &cookie)
            .await
            .text()
            .contains("You are signed out there now.")
    );

    let phone = sign_in(&world, PHONE).await;
    let own = world.get("/mailbox/sessions", &phone).await.text();
    let ended = world.post("/mailbox/sessions/end-others", &[], &phone).await;
    assert_eq!(ended.status, 303, "{own}");
    assert_eq!(world.get("/mailbox", &cookie).await.status, 303);
    assert!(visit.ended().is_cancelled(), "mail programs, too");
    drop(visit);
    let page = world.get("/mailbox/sessions", &phone).await.text();
    assert!(page.contains("Nothing else has this mailbox open.") && !page.contains("end-others"), "{page}");
    assert_eq!(world.get("/mailbox", &carol).await.status, 200);
}

#[tokio::test]
async fn the_list_says_when_the_mailbox_closes() {
    let world = World::new().await;
    let cookie = world.opened().await;
    let list = world.get("/mailbox", &cookie).await.text();
    assert!(list.contains("This mailbox closes on 20\u{a0}February\u{a0}2027 if nobody signs in"), "{list}");
    world.clock.pass(10 * 24 * 60);
    world.send(BOB, &plain("later", "", "x")).await;
    let cookie = sign_in(&world, "").await;
    assert!(world.get("/mailbox", &cookie).await.text().contains("closes on 2\u{a0}March\u{a0}2027"));
}
