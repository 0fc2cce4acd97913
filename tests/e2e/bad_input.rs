//! Bad input at each door: a clear answer, and nothing lost.

use crate::harness::House;
use crate::harness::PASSWORD;
use crate::mail_client::Imap;
use crate::mail_client::Smtp;
use crate::mail_client::dial;
use crate::mail_client::rest;
use crate::main_job::BOB;
use crate::main_job::BOBS_PASSWORD;
use crate::main_job::first_use;
use crate::main_job::invite;
use crate::main_job::letter;
use crate::main_job::link;
use crate::main_job::path_and_token;
use crate::main_job::told_pin;
use crate::peer::Plan;
use guardpost::net::listen::Service;
use guardpost::store::record::MailboxKind;
use rustls::ClientConfig;
use rustls::ClientConnection;
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;

const ALICE: &str = "alice@house.example";

/// No mailbox was made, no mail left, no copy was kept.
async fn nothing_happened(house: &House) {
    assert!(house.flow().all_mailboxes(MailboxKind::Temporary).await.unwrap().is_empty());
    assert!(house.world.sessions().is_empty());
    assert_eq!(house.alice_reads().await.select("Sent").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn submitted_messages_that_would_go_wrong_are_refused_whole() {
    let house = House::new().await;
    let mut smtp = house.alice_sends().await;
    let nested = |depth: usize| {
        let open: String = (0..depth)
            .map(|n| format!("Content-Type: multipart/mixed; boundary=\"n{n}\"\r\n\r\n--n{n}\r\n"))
            .collect();
        format!("From: {ALICE}\r\nSubject: [secure] deep\r\nMIME-Version: 1.0\r\n{open}\r\nhere\r\n")
    };
    let signed = format!(
        "From: {ALICE}\r\nSubject: [secure] signed\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/signed; protocol=\"application/pgp-signature\"; boundary=\"s\"\r\n\r\n--s\r\n\
         Content-Type: message/rfc822\r\n\r\nX-OxGuard-PIN: 777777\r\n\r\ninside\r\n--s\r\n\
         Content-Type: application/pgp-signature\r\n\r\nsignature\r\n--s--\r\n"
    );
    let encoded = format!(
        "From: {ALICE}\r\nSubject: [secure] encoded\r\nMIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n\
         Content-Transfer-Encoding: quoted-printable\r\n\r\nX-OxGuard-=50IN: 777777\r\n\r\ninside\r\n"
    );
    let header = |more: &str| letter("[secure] Offer", "text", more);
    for (what, message, code, status, word) in [
        ("a near miss", letter("[secur] Offer", "text", ""), 554, "5.7.1", "looks like [secure]"),
        ("a near miss at the end", letter("Re: Offer [secrue]", "text", ""), 554, "5.7.1", "looks like"),
        ("an odd wish", header("X-Guardpost-Encrypt: perhaps\r\n"), 554, "5.7.1", "X-Guardpost-Encrypt"),
        ("one digit", header("X-Guardpost-PIN: 111111\r\n"), 554, "5.6.0", ""),
        ("a run", header("X-Guardpost-PIN: 345678\r\n"), 554, "5.6.0", ""),
        ("a date", header("X-Guardpost-PIN: 24121990\r\n"), 554, "5.6.0", ""),
        ("too short", header("X-Guardpost-PIN: 12\r\n"), 554, "5.6.0", ""),
        ("no PIN", header("X-Guardpost-PIN: none\r\n"), 554, "5.7.1", ""),
        ("two PINs", header("X-Guardpost-PIN: 480213\r\nX-Guardpost-PIN: 480214\r\n"), 554, "5.6.0", ""),
        ("a long note", header(&format!("X-Guardpost-Note: {}\r\n", "n".repeat(501))), 554, "5.7.1", ""),
        ("a PIN that is signed", signed, 554, "5.6.0", ""),
        ("a PIN that is encoded", encoded, 554, "5.6.0", "encoded message"),
        ("somebody else", letter("Hi", "x", "").replace(ALICE, "boss@house.example"), 553, "5.7.1", ""),
        ("31 levels", nested(31), 554, "5.6.0", ""),
        (
            "a loop",
            header(&"Received: by x; Sun, 22 Nov 2026 05:00:00 +0000\r\n".repeat(51)),
            554,
            "5.4.6",
            "",
        ),
        ("a huge field", header(&format!("X-Huge: {}\r\n", "y ".repeat(20_000))), 554, "5.6.0", ""),
    ] {
        let reply = smtp.send(ALICE, &[BOB], &message).await;
        assert!(reply.is(code, status) && reply.text.contains(word), "{what}: {reply:?}");
        assert!(!reply.text.contains("480213") && !reply.text.contains("345678"), "{what}: {reply:?}");
    }
    nothing_happened(&house).await;
    let reply = smtp.send(ALICE, &[BOB], &header("")).await;
    assert!(reply.is(250, "2.0.0"), "and the session goes on: {reply:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sends_who_may_not() {
    let house = House::new().await;
    for service in [Service::Submission, Service::Smtp] {
        let mut smtp = Smtp::connect(house.port(service), false).await;
        let reply = smtp.sign_in(ALICE, PASSWORD).await;
        assert!(matches!(reply.code, 502 | 503 | 538), "{service:?}: {reply:?}");
    }
    let mut smtp = Smtp::connect(house.port(Service::Submission), false).await;
    assert!(smtp.ask(&format!("MAIL FROM:<{ALICE}>")).await.is(530, "5.7.0"));
    smtp.start_tls().await;
    assert!(smtp.ask(&format!("MAIL FROM:<{ALICE}>")).await.is(530, "5.7.0"));
    let wrong = smtp.sign_in(ALICE, "not this one at all").await;
    let unknown = smtp.sign_in("nobody@house.example", PASSWORD).await;
    assert!(wrong.is(535, "5.7.8") && wrong == unknown, "{wrong:?} {unknown:?}");
    assert_eq!(smtp.sign_in(ALICE, PASSWORD).await.code, 235);
    assert!(smtp.ask("MAIL FROM:<boss@house.example>").await.is(553, "5.7.1"));
    assert!(smtp.ask(&format!("MAIL FROM:<{ALICE}> SIZE=99000000")).await.is(552, "5.3.4"));
    let mut smtp = Smtp::connect(house.port(Service::Smtp), false).await;
    assert_eq!(smtp.ask("MAIL FROM:<eve@far.example>").await.code, 250);
    for (to, code, status) in [
        ("nobody@house.example", 550, "5.1.1"),
        ("bob@far.example", 550, "5.7.1"),
        ("bob%far.example@house.example", 550, "5."),
        ("@house.example:bob@far.example", 550, "5.7.1"),
    ] {
        let reply = smtp.ask(&format!("RCPT TO:<{to}>")).await;
        assert!(reply.is(code, status), "{to}: {reply:?}");
    }
    nothing_happened(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_smuggled_or_cut_off_is_not_taken() {
    let house = House::new().await;
    let begin = async || {
        let mut smtp = Smtp::connect(house.port(Service::Smtp), false).await;
        for line in ["MAIL FROM:<eve@far.example>", "RCPT TO:<alice@house.example>"] {
            assert_eq!(smtp.ask(line).await.code, 250);
        }
        assert_eq!(smtp.ask("DATA").await.code, 354);
        smtp
    };
    for end in ["\n.\n", "\n.\r\n", "\r.\r", "\r\n.\r", "\r\n.\n"] {
        let mut smtp = begin().await;
        let second =
            "MAIL FROM:<boss@house.example>\r\nRCPT TO:<alice@house.example>\r\nDATA\r\nforged\r\n.\r\n";
        smtp.put(format!("Subject: one\r\n\r\ntext{end}{second}\r\n.\r\n").as_bytes()).await;
        let reply = smtp.reply().await;
        assert!(reply.is(550, "5.6.0") && smtp.is_closed().await, "{end:?}: {reply:?}");
    }
    let mut smtp = begin().await;
    smtp.put(b"Subject: half\r\n\r\nthe other half never com").await;
    drop(smtp);
    let mut smtp = Smtp::connect(house.port(Service::Smtp), false).await;
    smtp.put(b"STARTTLS\r\nMAIL FROM:<eve@far.example>\r\n").await;
    let reply = smtp.reply().await;
    assert!(reply.is(501, "5.5.4") && smtp.is_closed().await, "{reply:?}");
    // Half a handshake, another protocol, and an end in the middle of TLS.
    for service in [Service::Submissions, Service::Imaps, Service::Https] {
        for octets in
            [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], b"EHLO me\r\n", b"GET / HTTP/1.1\r\n\r\n"]
        {
            let mut stream = dial(house.port(service), false).await;
            stream.write_all(octets).await.unwrap();
            let _ = stream.shutdown().await;
            let _ = rest(stream).await;
        }
    }
    let mut smtp = house.alice_sends().await;
    smtp.ask(&format!("MAIL FROM:<{ALICE}>")).await;
    smtp.ask(&format!("RCPT TO:<{BOB}>")).await;
    smtp.ask("DATA").await;
    smtp.put(b"Subject: [secure] half\r\n\r\nhalf").await;
    drop(smtp);
    assert_eq!(house.alice_reads().await.select("INBOX").await, 0);
    nothing_happened(&house).await;
}

/// More of them than handshakes are worked on at once: each gets the server's answer, though none of them goes on.
#[tokio::test(flavor = "multi_thread")]
async fn who_says_hello_and_no_more_keeps_nobody_out() {
    let house = House::new().await;
    assert_eq!(house.flow().config().limits.handshakes, 32);
    let mut silent = Vec::new();
    for _ in 0..40 {
        let mut stream = dial(house.port(Service::Imaps), false).await;
        stream.write_all(&client_hello()).await.unwrap();
        silent.push(stream);
    }
    for (number, stream) in silent.iter_mut().enumerate() {
        const HANDSHAKE: u8 = 22;
        assert_eq!(
            stream.read_u8().await.ok(),
            Some(HANDSHAKE),
            "client {number} was left without an answer"
        );
    }
    let reply = house.alice_sends().await.send(ALICE, &[ALICE], &letter("Hi", "text", "")).await;
    assert!(reply.is(250, "2.0.0"), "{reply:?}");
}

/// What a client says first (RFC 8446 §4.1.2).
fn client_hello() -> Vec<u8> {
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = crate::harness::HOST.try_into().unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    hello
}

#[tokio::test(flavor = "multi_thread")]
async fn first_use_refuses_with_reasons_and_counts_only_pins() {
    let house = House::new().await;
    let (mut bob, bobs_link, pin) = invite(&house).await;
    let reply = house
        .alice_sends()
        .await
        .send(
            ALICE,
            &["carol@far.example"],
            &letter("[secure] Hi", "x", "").replace(BOB, "carol@far.example"),
        )
        .await;
    assert_eq!(reply.code, 250);
    let mails = house.world.wait_for(2).await;
    let carols = mails.iter().map(link).find(|other| *other != bobs_link).unwrap();
    let (path, token) = path_and_token(&bobs_link, &bob.site());
    let (_, foreign) = path_and_token(&carols, &bob.site());
    let mangled = format!("{}0", &token[..token.len() - 1]);
    let mangled = if mangled == token { format!("{}1", &token[..token.len() - 1]) } else { mangled };
    let good = BOBS_PASSWORD;
    for (what, token, pin, password, confirm, understood, status) in [
        ("a foreign token", foreign.as_str(), pin.as_str(), good, good, "1", 403),
        ("a mangled token", &mangled, &pin, good, good, "1", 403),
        ("no token", "", &pin, good, good, "1", 403),
        ("short", &token, &pin, "short", "short", "1", 422),
        ("different", &token, &pin, good, "Larch-under-9-blue-moon", "1", 422),
        ("the address", &token, &pin, BOB, BOB, "1", 422),
        ("common", &token, &pin, "passwordpassword", "passwordpassword", "1", 422),
        ("not understood", &token, &pin, good, good, "", 422),
        ("no PIN", &token, "", good, good, "1", 422),
    ] {
        house.clock.pass(Duration::from_secs(120));
        let fields = [
            ("token", token),
            ("pin", pin),
            ("password", password),
            ("confirm", confirm),
            ("understood", understood),
        ];
        let page = bob.post(&path, &fields).await;
        assert!((400..500).contains(&page.status), "{what}: {} {}", page.status, page.words());
        assert_eq!(page.status, status, "{what}: {}", page.words());
        assert!(
            !page.text().contains(good) && !page.text().contains(&format!("value=\"{password}\"")),
            "{what}"
        );
    }
    let unknown = format!("/i/{}", "0".repeat(26));
    assert_eq!(bob.get(&unknown).await.status, 200, "an unknown id looks like an open one");
    assert_eq!(bob.get("/i/not-an-id").await.status, 404);
    assert!(bob.get("/mailbox").await.location().ends_with("/login"));
    first_use(&mut bob, &bobs_link, &pin).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_wrong_pins_end_an_invitation() {
    let house = House::new().await;
    let (mut bob, link, pin) = invite(&house).await;
    let (path, token) = path_and_token(&link, &bob.site());
    let wrong = if pin == "902718" { "902719" } else { "902718" };
    let fields = |pin| {
        [
            ("token", token.clone()),
            ("pin", pin),
            ("password", BOBS_PASSWORD.into()),
            ("confirm", BOBS_PASSWORD.into()),
            ("understood", "1".into()),
        ]
    };
    for attempt in 1..=10 {
        house.clock.pass(Duration::from_secs(120));
        let fields = fields(wrong.to_owned());
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let page = bob.post(&path, &fields).await;
        let want = if attempt < 10 { 403 } else { 410 };
        assert_eq!(page.status, want, "{attempt}: {}", page.words());
        if attempt < 10 {
            assert!(page.words().contains(&(10 - attempt).to_string()), "{}", page.words());
        }
    }
    house.clock.pass(Duration::from_secs(120));
    let fields = fields(pin);
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let page = bob.post(&path, &fields).await;
    assert_eq!(page.status, 410, "the eleventh, though right: {}", page.words());
    assert_eq!(bob.get(&path).await.status, 410);
    let notes = house.alice_reads().await.messages("INBOX").await;
    let told =
        notes.iter().filter(|note| note.contains("wrong PIN") || note.contains("PIN was wrong")).count();
    assert!(told >= 2, "told at three and at ten: {notes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_slowed_down() {
    let house = House::new().await;
    let mut browser = house.browser();
    let fields = [("address", BOB), ("password", "no such password, ever")];
    for _ in 0..5 {
        assert_eq!(browser.post("/login", &fields).await.status, 403);
    }
    let page = browser.post("/login", &fields).await;
    assert_eq!(page.status, 429);
    let wait: u64 = page.header("retry-after").and_then(|after| after.parse().ok()).expect("Retry-After");
    assert!((1..=60).contains(&wait), "{wait}");
    house.clock.pass(Duration::from_secs(wait));
    assert_eq!(browser.post("/login", &fields).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reads_somebody_elses_mailbox() {
    let house = House::new().await;
    let (mut bob, bobs_link, pin) = invite(&house).await;
    first_use(&mut bob, &bobs_link, &pin).await;
    let text = letter("[secure] Wisteria", "for Carol", "").replace(BOB, "carol@far.example");
    assert_eq!(house.alice_sends().await.send(ALICE, &["carol@far.example"], &text).await.code, 250);
    let mails = house.world.wait_for(2).await;
    let mut carol = house.browser();
    let carols = mails.iter().map(link).find(|other| *other != bobs_link).unwrap();
    first_use(&mut carol, &carols, &told_pin(&house).await).await;
    assert!(carol.get("/mailbox").await.words().contains("Wisteria"));
    assert!(!bob.get("/mailbox").await.words().contains("Wisteria"));
    for path in [
        "/mailbox/inbox/2",
        "/mailbox/inbox/0",
        "/mailbox/drafts/1",
        "/mailbox/inbox/1/attachment/9",
        "/mailbox/inbox/99999999999/raw",
    ] {
        assert_eq!(bob.get(path).await.status, 404, "{path}");
    }
    // A cookie that was altered, a form from another site, another host's name, an account's password.
    let cookie = bob.cookie("__Host-gp").unwrap().to_owned();
    let mut thief = house.browser();
    thief.set_cookie("__Host-gp", &cookie.chars().rev().collect::<String>());
    assert_eq!(thief.get("/mailbox").await.location(), "/login");
    let mut foreign = bob.clone();
    foreign.origin = Some("https://evil.example".into());
    assert_eq!(foreign.post("/mailbox/inbox/1/reply", &[("to", "sender"), ("body", "x")]).await.status, 403);
    assert_eq!(foreign.post("/logout", &[]).await.status, 403);
    let mut elsewhere = house.browser();
    assert_eq!(elsewhere.post("/login", &[("address", ALICE), ("password", PASSWORD)]).await.status, 403);
    let mut imap = house.imap(BOB, BOBS_PASSWORD).await;
    assert_eq!(imap.select("INBOX").await, 1);
    for folder in ["Drafts", "alice@house.example/INBOX", "../INBOX"] {
        assert!(imap.ask(&format!("SELECT \"{folder}\"")).await.is_err(), "{folder}");
    }
    let mut smtp = Smtp::connect(house.port(Service::Submissions), true).await;
    assert!(smtp.sign_in(BOB, BOBS_PASSWORD).await.is(535, "5.7.8"), "a recipient has no submission");
}

#[tokio::test(flavor = "multi_thread")]
async fn imap_holds_against_odd_clients() {
    let house = House::new().await;
    let mut imap = Imap::connect(house.port(Service::Imaps)).await;
    for command in ["SELECT INBOX", "FETCH 1 BODY[]", "LOGIN", "\u{0}", "LOGIN {99999999}"] {
        let refused = imap.ask(command).await;
        assert!(refused.is_err(), "{command}: {refused:?}");
        imap = Imap::connect(house.port(Service::Imaps)).await;
    }
    let wrong = imap.sign_in(ALICE, "something else entirely").await.unwrap_err();
    let mut imap = Imap::connect(house.port(Service::Imaps)).await;
    let unknown = imap.sign_in("nobody@house.example", PASSWORD).await.unwrap_err();
    assert_eq!(wrong, unknown);
    let mut imap = house.alice_reads().await;
    for command in [
        "SELECT Nothing",
        "UID FETCH 1:* BODY[]",
        "APPEND INBOX {4000000000}",
        "STORE 1 +FLAGS (\\Seen)",
        "COPY 1:* Nowhere",
    ] {
        assert!(imap.ask(command).await.is_err(), "{command}");
        imap = house.alice_reads().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_that_are_too_large_are_refused_and_lose_nothing() {
    let house = House::with(Plan::default(), "[limits]\nmessage_size = \"1 MiB\"\n").await;
    let (mut bob, link, pin) = invite(&house).await;
    first_use(&mut bob, &link, &pin).await;
    let fields = [("to", "sender"), ("subject", "Re: Offer"), ("body", "Hyacinth is what I typed")];
    let path = "/mailbox/inbox/1/reply";
    let page = bob.post_files(path, &fields, &[("attachment", "large.bin", &vec![7; 2 << 20])]).await;
    assert_eq!(page.status, 413, "{}", page.words());
    assert!(page.text().contains("Hyacinth is what I typed"), "what was typed comes back");
    let page = bob.post_files(path, &fields, &[("attachment", "small.bin", &vec![7; 1 << 10])]).await;
    assert_eq!(page.status, 303, "{}", page.words());
    let mut smtp = house.alice_sends().await;
    let large = letter("[secure] Large", &"0123456789abcdef\r\n".repeat(70_000), "");
    assert!(smtp.send(ALICE, &[BOB], &large).await.is(552, "5.3.4"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_new_mail_and_keeps_what_is_there() {
    let house = House::new().await;
    let (mut bob, link, pin) = invite(&house).await;
    let mut smtp = house.alice_sends().await;
    for free in [300 << 20, 100 << 20] {
        house.free.store(free, Ordering::SeqCst);
        // The probe is asked with every look; one refused message is one.
        let reply = smtp.send(ALICE, &[BOB], &letter("[secure] Full", "x", "")).await;
        assert!(reply.is(452, "4.3.1"), "{free}: {reply:?}");
        let mut mx = Smtp::connect(house.port(Service::Smtp), false).await;
        let reply = mx.send("eve@far.example", &[ALICE], "Subject: x\r\n\r\ny\r\n").await;
        assert!(reply.is(452, "4.3.1"), "{free}: {reply:?}");
        assert!(house.alice_reads().await.messages("Sent").await[0].contains("Dear Bob"), "reading goes on");
    }
    house.free.store(1 << 40, Ordering::SeqCst);
    first_use(&mut bob, &link, &pin).await;
    let reply = smtp.send(ALICE, &[BOB], &letter("[secure] Room", "x", "")).await;
    assert!(reply.is(250, "2.0.0"), "{reply:?}");
}

/// The binary, started on a directory that is in use, and then with keys that are not its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_and_a_wrong_key_change_nothing() {
    let mut house = House::new().await;
    let text = house.configuration(house.port(Service::Https));
    let file = house.at("guard.toml");
    fs::write(&file, text).unwrap();
    let serve = || {
        let program = env!("CARGO_BIN_EXE_guardpost");
        let done = Command::new(program).args(["serve", "--config"]).arg(&file).output().unwrap();
        (done.status.code(), String::from_utf8(done.stderr).unwrap())
    };
    let (code, said) = serve();
    assert!(code == Some(69) && said.contains("in use by another process"), "{code:?} {said}");
    assert_eq!(house.alice_reads().await.select("INBOX").await, 0);
    house.stop().await;
    let key = fs::read(house.at("master.key")).unwrap();
    let before = house.data();
    for (wrong, word) in [(vec![9; 32], "master key"), (vec![9; 31], "31"), (Vec::new(), "0")] {
        fs::write(house.at("master.key"), &wrong).unwrap();
        let (code, said) = serve();
        assert!(code == Some(78) && said.contains(word), "{code:?} {said}");
    }
    assert!(house.data() == before, "not one octet was changed");
    fs::write(house.at("master.key"), key).unwrap();
    house.start().await;
    assert_eq!(house.alice_reads().await.select("INBOX").await, 0);
}
