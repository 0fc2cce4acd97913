//! A recipient with a key of their own has mail sent to them directly, and may go back; gpg is the judge.

use crate::gpg::Gpg;
use crate::harness::House;
use crate::mail_client::field;
use crate::main_job::BOB;
use crate::main_job::first_use;
use crate::main_job::invite;
use crate::main_job::letter;
use crate::patience::until;
use crate::peer::Taken;

async fn send(house: &House, subject: &str) {
    let text = letter(&format!("[secure] {subject}"), &format!("Body of {subject}."), "");
    let reply = house.alice_sends().await.send("alice@house.example", &[BOB], &text).await;
    assert!(reply.is(250, "2.0.0"), "{reply:?}");
}

/// The code in the newest test message, which only the key opens.
pub fn code(gpg: &Gpg, mail: &Taken) -> String {
    let outside = String::from_utf8_lossy(&mail.text).into_owned();
    assert!(field(&outside, "Content-Type").unwrap().starts_with("multipart/encrypted"), "{outside}");
    let inside = gpg.open(&outside);
    let digits = |line: &str| line.len() == 8 && line.bytes().all(|byte| byte.is_ascii_digit());
    let code = inside.lines().map(str::trim).find(|line| digits(line));
    let code = code.unwrap_or_else(|| panic!("no code in {inside}")).to_owned();
    assert!(!outside.contains(&code));
    code
}

/// It says that something is in the mailbox.
fn is_notice(mail: &Taken) -> bool {
    String::from_utf8_lossy(&mail.text).contains("/login")
}

#[tokio::test(flavor = "multi_thread")]
async fn who_shows_a_key_gets_mail_directly_until_they_go_back() {
    let house = House::new().await;
    let (mut bob, link, pin) = invite(&house).await;
    first_use(&mut bob, &link, &pin).await;
    let gpg = Gpg::new();
    let public = gpg.make(&format!("Bob <{BOB}>"));
    let secret = gpg.run(&["--armor", "--export-secret-keys", BOB]);
    let foreign = Gpg::new().make("Eve <eve@far.example>");

    // Nothing but a public key for this very address is taken.
    let huge = vec![b'x'; 100_000];
    for file in [secret.as_slice(), foreign.as_slice(), b"no key at all", b"", huge.as_slice()] {
        let page = bob.post_files("/mailbox/key/upload", &[], &[("certificate", "bob.asc", file)]).await;
        assert_eq!(page.status, 422, "{:.40}", String::from_utf8_lossy(file));
        let words = page.words();
        assert!(
            words.contains("This file holds no OpenPGP public key that can be used for bob@far.example"),
            "{words}"
        );
    }
    let early = bob.post("/mailbox/key/confirm", &[("code", "12345678")]).await;
    assert_eq!(early.status, 409, "{}", early.words());
    let missing = bob.post("/mailbox/key/direct", &[("key", "own")]).await;
    assert!(
        missing.status == 409 && missing.words().contains("Upload your own key first."),
        "{}",
        missing.words()
    );
    let page = bob.post_files("/mailbox/key/upload", &[], &[("certificate", "bob.asc", &public)]).await;
    assert_eq!(page.location(), "/mailbox/key");

    // The test message; wrong codes; a message in between still goes into the mailbox.
    let seen = house.world.taken().len();
    assert_eq!(bob.post("/mailbox/key/direct", &[("key", "own")]).await.location(), "/mailbox/key");
    let mails = house.world.wait_for(seen + 1).await;
    let right = code(&gpg, mails.last().unwrap());
    assert!(bob.get("/mailbox/key").await.words().contains("Open the test message"));
    let wrong = bob.post("/mailbox/key/confirm", &[("code", "00000000x")]).await;
    assert!(wrong.status == 403 && wrong.words().contains("This is not the code"), "{}", wrong.words());
    send(&house, "Cormorant-1").await;
    assert!(bob.get("/mailbox").await.words().contains("Cormorant-1"), "nothing has changed yet");
    house.world.wait_until(|world| world.taken().iter().skip(seen).any(is_notice)).await;
    let spaced = format!(" {} {} ", &right[..4], &right[4..]);
    assert_eq!(bob.post("/mailbox/key/confirm", &[("code", &spaced)]).await.location(), "/mailbox/key");
    let page = bob.get("/mailbox/key").await.words();
    assert!(page.contains("Messages come directly to your address") && page.contains("Undo"), "{page}");

    // From now on: PGP/MIME to that key, no notice, nothing in the mailbox.
    let seen = house.world.taken().len();
    send(&house, "Dunlin-2").await;
    let mails = house.world.wait_for(seen + 1).await;
    let direct = mails.last().unwrap();
    let outside = String::from_utf8_lossy(&direct.text).into_owned();
    assert!(!outside.contains("Dunlin-2") && !outside.contains("/login"), "{outside}");
    assert!(direct.mail.starts_with("<alice@house.example>"), "{}", direct.mail);
    assert!(gpg.open(&outside).contains("Body of Dunlin-2."));
    let list = bob.get("/mailbox").await.words();
    assert!(list.contains("Cormorant-1") && !list.contains("Dunlin-2"), "{list}");
    assert_eq!(house.world.taken().len(), seen + 1, "no notice beside it");

    // And back.
    assert_eq!(bob.post("/mailbox/key/undo", &[]).await.location(), "/mailbox/key?off=1");
    assert!(
        bob.get("/mailbox/key?off=1").await.words().contains("New messages come into this mailbox again.")
    );
    send(&house, "Egret-3").await;
    assert!(bob.get("/mailbox").await.words().contains("Egret-3"));

    // Five wrong codes end a test; no more tests are sent in a day than notices.
    let seen = house.world.taken().len();
    assert_eq!(bob.post("/mailbox/key/direct", &[("key", "own")]).await.location(), "/mailbox/key");
    let mails = house.world.wait_for(seen + 1).await;
    let right = code(&gpg, mails.last().unwrap());
    let mut answers = Vec::new();
    for _ in 0..5 {
        answers.push(bob.post("/mailbox/key/confirm", &[("code", "99999999x")]).await.status);
    }
    assert_eq!(answers, [403, 403, 403, 403, 409]);
    assert_eq!(bob.post("/mailbox/key/confirm", &[("code", &right)]).await.status, 409, "too late");
    let mut answers = Vec::new();
    while answers.last().is_none_or(|status| *status == 303) {
        // One that is in the queue keeps back the next.
        let queue = &house.flow().store;
        until("the queue is empty", async || queue.queue(None, 1).await.unwrap().is_empty().then_some(()))
            .await;
        answers.push(bob.post("/mailbox/key/direct", &[("key", "mailbox")]).await.status);
    }
    let a_day = usize::from(house.flow().config().limits.notices_per_day);
    assert_eq!(answers.last(), Some(&409));
    assert!((2..a_day).contains(&answers.len()), "{answers:?}");
    let log = house.logged();
    assert!(!log.windows(right.len()).any(|at| at == right.as_bytes()), "the code is in no log");
}
