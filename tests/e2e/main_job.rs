//! The main job: a confidential message to somebody without OpenPGP, its answer, and what nobody else gets to see.

use crate::harness::House;
use crate::mail_client::field;
use crate::markers::Marker;
use crate::markers::assert_absent;
use crate::peer::Plan;
use crate::peer::Taken;
use crate::plain_browser::Browser;
use guardpost::net::listen::Service;

pub const BOB: &str = "bob@far.example";
pub const BOBS_PASSWORD: &str = "Larch-under-9-blue-moons";

/// The link of an invitation, alone on its line.
pub fn link(mail: &Taken) -> String {
    link_in(mail).unwrap_or_else(|| panic!("no link in {}", String::from_utf8_lossy(&mail.text)))
}

/// Whether a link to an invitation stands in it: a base64 text may hold `/i/` too, but no `#` soon behind it.
pub fn leads_to_an_invitation(text: &str) -> bool {
    text.split("/i/").skip(1).any(|behind| behind.chars().take(40).any(|c| c == '#'))
}

/// The link, if this is an invitation.
pub fn link_in(mail: &Taken) -> Option<String> {
    let text = String::from_utf8_lossy(&mail.text);
    let mut lines = text.lines().map(str::trim_end);
    lines.find(|line| line.starts_with("http") && line.contains("/i/")).map(str::to_owned)
}

/// Path and access token of a link.
pub fn path_and_token(link: &str, site: &str) -> (String, String) {
    let path = link.strip_prefix(site).unwrap_or_else(|| panic!("{link} does not lead to {site}"));
    let (path, token) = path.split_once('#').expect("a token");
    (path.to_owned(), token.to_owned())
}

/// A message to Bob with one attachment.
pub fn letter(subject: &str, body: &str, more: &str) -> String {
    format!(
        "From: Alice <alice@house.example>\r\nTo: {BOB}\r\nSubject: {subject}\r\n{more}MIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\n{body}\r\n"
    )
}

/// The PIN that stands in Alice's newest Sent copy.
pub async fn told_pin(house: &House) -> String {
    let sent = house.alice_reads().await.messages("Sent").await;
    field(sent.last().expect("a copy"), "X-OxGuard-PIN").expect("a PIN")
}

/// Sends a tagged message to Bob and answers with Bob's browser, link and PIN, nothing opened yet.
pub async fn invite(house: &House) -> (Browser, String, String) {
    let reply = house
        .alice_sends()
        .await
        .send("alice@house.example", &[BOB], &letter("[secure] Offer", "Dear Bob", ""))
        .await;
    assert!(reply.is(250, "2.0.0"), "{reply:?}");
    let mail = house.world.wait_for(1).await.remove(0);
    (house.browser(), link(&mail), told_pin(house).await)
}

/// Opens Bob's mailbox.
pub async fn first_use(browser: &mut Browser, link: &str, pin: &str) {
    let (path, token) = path_and_token(link, &browser.site());
    let fields = [
        ("token", token.as_str()),
        ("pin", pin),
        ("password", BOBS_PASSWORD),
        ("confirm", BOBS_PASSWORD),
        ("understood", "yes"),
    ];
    let page = browser.post(&path, &fields).await;
    assert_eq!(page.location(), "/mailbox");
}

const SUBJECT: &str = "Quillfeather-4410";
const BODY: &str = "Brambleworth-9917-Ünder";
const FILE_NAME: &str = "Oakhollow-2263.pdf";
const FILE: &str = "Tamarisk-5508-inside-the-file";
const NOTE: &str = "See you on the pier";
const PIN: &str = "Orchid-Lamp-58";
const ANSWER: &str = "Foxglove-3320-says-yes";
const ANSWER_FILE: &str = "Meadowsweet-8841.txt";

fn message() -> String {
    let file = data_encoding::BASE64.encode(FILE.as_bytes());
    format!(
        "From: Alice <alice@house.example>\r\nTo: Bob <{BOB}>\r\nSubject: [secure] {SUBJECT}\r\n\
         Message-ID: <first.1@house.example>\r\nDate: Sun, 22 Nov 2026 05:00:00 +0000\r\n\
         X-Guardpost-PIN: {PIN}\r\nX-Guardpost-Note: {NOTE}\r\nX-OxGuard-PIN: 000000\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=\"b1\"\r\n\r\n--b1\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\n{BODY}\r\n.dots stay\r\n--b1\r\n\
         Content-Type: application/pdf; name=\"{FILE_NAME}\"\r\n\
         Content-Disposition: attachment; filename=\"{FILE_NAME}\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{file}\r\n--b1--\r\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_its_answer_and_nothing_for_anybody_else() {
    let mut house = House::new().await;
    let reply = house.alice_sends().await.send("alice@house.example", &[BOB], &message()).await;
    assert!(reply.is(250, "2.0.0"), "{reply:?}");

    // One mail leaves, with a link and nothing of the message.
    let mail = house.world.wait_for(1).await.remove(0);
    assert_eq!(mail.rcpts, [format!("<{BOB}>")]);
    assert!(mail.tls, "TLS where it is offered");
    let text = String::from_utf8(mail.text.clone()).unwrap();
    assert_eq!(field(&text, "Subject").unwrap(), "Secure message from alice@house.example");
    assert_eq!(field(&text, "From").unwrap(), "House <secure-mail@house.example>");
    assert_eq!(field(&text, "Auto-Submitted").unwrap(), "auto-generated");
    assert!(field(&text, "DKIM-Signature").is_some() && text.contains(NOTE), "{text}");
    assert!(mail.mail.starts_with("<secure-mail+"), "{}", mail.mail);
    let link = link(&mail);
    let mut bob = house.browser();
    let (path, token) = path_and_token(&link, &bob.site());

    // Alice finds her copy with the PIN, and a note that tells it.
    let mut alice = house.alice_reads().await;
    let sent = alice.messages("Sent").await;
    assert_eq!(sent.len(), 1);
    assert_eq!(field(&sent[0], "X-OxGuard-PIN").unwrap(), PIN);
    assert_eq!(field(&sent[0], "X-Guardpost-Delivery").unwrap(), format!("{BOB}; temporary-mailbox"));
    assert!(sent[0].contains(BODY) && field(&sent[0], "Subject").unwrap().contains(SUBJECT), "{}", sent[0]);
    let notes = alice.messages("INBOX").await;
    assert!(notes.iter().any(|note| note.contains(PIN) && note.contains(BOB)), "{notes:?}");

    // A visit changes nothing, whoever makes it.
    for _ in 0..3 {
        let page = bob.get(&link).await;
        assert_eq!(page.status, 200);
        assert_eq!(page.field_names(&path), ["token", "pin", "password", "confirm", "understood"]);
        assert!(!page.text().contains("alice@") && !page.text().contains(BOB), "no address before the token");
    }
    let wrong = [
        ("token", token.as_str()),
        ("pin", "Orchid-Lamp-59"),
        ("password", BOBS_PASSWORD),
        ("confirm", BOBS_PASSWORD),
        ("understood", "1"),
    ];
    let page = bob.post(&path, &wrong).await;
    assert!((400..500).contains(&page.status), "{}", page.status);
    assert!(!page.text().contains(BOBS_PASSWORD), "what was typed comes back, never secrets");
    assert_eq!(bob.get("/mailbox").await.location(), "/login");
    first_use(&mut bob, &link, PIN).await;
    assert!(bob.cookie("__Host-gp").is_some());

    // Bob reads what Alice wrote.
    let list = bob.get("/mailbox").await;
    assert!(list.words().contains(SUBJECT), "{}", list.words());
    let first = list.link("/mailbox/inbox/").expect("a message");
    let page = bob.get(&first).await;
    assert!(page.words().contains(BODY) && page.words().contains(FILE_NAME), "{}", page.words());
    let attachment = page.link(&format!("{first}/attachment/")).expect("the attachment");
    assert_eq!(bob.get(&attachment).await.body, FILE.as_bytes());
    let raw = bob.get(&format!("{first}/raw")).await.text();
    let submitted = message();
    let (_, body) = submitted.split_once("\r\n\r\n").unwrap();
    assert!(raw.ends_with(body), "the body is the submitted one, octet by octet");
    assert_eq!(field(&raw, "Message-ID").unwrap(), "<first.1@house.example>");
    assert!(field(&raw, "X-OxGuard-PIN").is_none() && field(&raw, "X-Guardpost-PIN").is_none(), "{raw}");

    // And answers, with a file.
    let reply = format!("{first}/reply");
    let form = bob.get(&reply).await.form(&reply).expect("a form");
    let subject = form.iter().find(|(name, _)| name == "subject").unwrap().1.clone();
    let fields = [("to", "sender"), ("subject", subject.as_str()), ("body", ANSWER)];
    let page =
        bob.post_files(&reply, &fields, &[("attachment", ANSWER_FILE, b"Sorrel-6605 in a file")]).await;
    assert!(page.location().starts_with("/mailbox"), "{}", page.location());
    let inbox = alice.messages("INBOX").await;
    let answer = inbox.iter().find(|mail| mail.contains(ANSWER)).expect("the answer, at once");
    assert_eq!(field(answer, "In-Reply-To").unwrap(), "<first.1@house.example>");
    assert!(field(answer, "Subject").unwrap().starts_with("[secure] Re: "), "{answer}");
    assert!(field(answer, "From").unwrap().contains(BOB) && answer.contains(ANSWER_FILE), "{answer}");
    assert!(inbox.iter().any(|note| note.contains("opened")), "she was told that it was opened");
    let kept = bob.get("/mailbox/sent").await;
    assert!(kept.words().contains(SUBJECT), "{}", kept.words());

    // The link is spent, the password works, also for IMAP; signed out is signed out.
    let mut other = house.browser();
    assert_eq!(other.get(&link).await.status, 200);
    assert_eq!(
        other
            .post(&path, &[("token", &token), ("pin", PIN), ("password", "x"), ("confirm", "x")])
            .await
            .status,
        409
    );
    assert_eq!(bob.post("/logout", &[]).await.status, 303);
    assert_eq!(bob.get("/mailbox").await.location(), "/login");
    assert_eq!(bob.post("/login", &[("address", BOB), ("password", "something else")]).await.status, 403);
    assert_eq!(
        bob.post("/login", &[("address", BOB), ("password", BOBS_PASSWORD)]).await.location(),
        "/mailbox"
    );
    let mut imap = house.imap(BOB, BOBS_PASSWORD).await;
    assert_eq!(imap.messages("INBOX").await.len(), 1);
    assert_eq!(imap.messages("Sent").await.len(), 1);

    // Nothing of it stands anywhere.
    let cookie = bob.cookie("__Host-gp").unwrap().to_owned();
    let secrets = |extra: &[(&'static str, &str)]| {
        let mut list = vec![
            ("subject", SUBJECT),
            ("body", BODY),
            ("file name", FILE_NAME),
            ("file", FILE),
            ("PIN", PIN),
            ("answer", ANSWER),
            ("answer's file name", ANSWER_FILE),
            ("answer's file", "Sorrel-6605"),
            ("recipient's password", BOBS_PASSWORD),
            ("account's password", crate::harness::PASSWORD),
            ("session cookie", &cookie),
        ];
        list.extend(extra);
        list.into_iter().map(|(what, text)| (what, Marker::new(text))).collect::<Vec<_>>()
    };
    assert_absent(&secrets(&[]), "what left", &house.world.octets());
    let all =
        secrets(&[("access token", &token), ("access token, bare", &token.replace('-', "")), ("note", NOTE)]);
    let data = house.data();
    data.iter().for_each(|(file, octets)| assert_absent(&all, file, octets));
    assert_absent(&all, "the log", &house.logged());
    let people = [("recipient", Marker::new(BOB)), ("sender", Marker::new("alice@house"))];
    data.iter().for_each(|(file, octets)| assert_absent(&people, file, octets));

    // Everything is there after a restart, on other ports.
    house.stop().await;
    house.data().iter().for_each(|(file, octets)| assert_absent(&all, file, octets));
    house.start().await;
    let mut bob = house.browser();
    assert_eq!(
        bob.post("/login", &[("address", BOB), ("password", BOBS_PASSWORD)]).await.location(),
        "/mailbox"
    );
    let page = bob.get(&first).await;
    assert!(page.words().contains(BODY), "{}", page.words());
    assert_eq!(house.alice_reads().await.messages("INBOX").await.len(), inbox.len());
    assert_eq!(house.world.taken().len(), 1, "one invitation, and no other mail");
}

/// More mail to an opened mailbox: no new link, a notice, and the same inbox from whoever writes.
#[tokio::test(flavor = "multi_thread")]
async fn later_messages_go_to_the_same_mailbox() {
    let house = House::new().await;
    house.add_account("carol@house.example", crate::harness::PASSWORD).await;
    let (mut bob, link, pin) = invite(&house).await;
    assert!(pin.len() == 6 && pin.bytes().all(|byte| byte.is_ascii_digit()), "six digits by default");
    first_use(&mut bob, &link, &pin).await;
    for (from, subject) in
        [("alice@house.example", "[secure] Second"), ("carol@house.example", "[sicher] Third")]
    {
        let text = letter(subject, "more", "").replace("alice@house.example", from);
        let reply = house.submission(from, crate::harness::PASSWORD).await.send(from, &[BOB], &text).await;
        assert!(reply.is(250, "2.0.0"), "{reply:?}");
    }
    let mails = house.world.wait_for(2).await;
    let notice = String::from_utf8_lossy(&mails[1].text).into_owned();
    assert!(
        !leads_to_an_invitation(&notice) && notice.contains("/login"),
        "a notice leads to the sign-in: {notice}"
    );
    let list = bob.get("/mailbox").await.words();
    assert!(["Offer", "Second", "Third"].iter().all(|subject| list.contains(subject)), "{list}");
    for account in ["alice@house.example", "carol@house.example"] {
        let sent = house.imap(account, crate::harness::PASSWORD).await.messages("Sent").await;
        let last = sent.last().unwrap();
        assert!(field(last, "X-Guardpost-Delivery").unwrap().contains("temporary-mailbox"), "{last}");
        assert!(field(last, "X-OxGuard-PIN").is_none(), "no link was sent with it: {last}");
    }
}

/// The matrix of first contacts: a mailbox is made only for encrypted mail, and once.
#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_is_made_once_and_only_when_asked() {
    let house = House::new().await;
    let mut smtp = house.alice_sends().await;
    let plain = letter("Weather", "nice", "");
    assert!(smtp.send("alice@house.example", &[BOB], &plain).await.is(250, "2.0.0"));
    let mail = house.world.wait_for(1).await.remove(0);
    assert!(String::from_utf8_lossy(&mail.text).contains("nice"), "untagged mail goes as it is");
    let (_, first_link, _) = {
        let reply = smtp.send("alice@house.example", &[BOB], &letter("[secure] Now", "secret", "")).await;
        assert!(reply.is(250, "2.0.0"), "{reply:?}");
        let mail = house.world.wait_for(2).await.remove(1);
        ((), link(&mail), ())
    };
    let reply = smtp.send("alice@house.example", &[BOB], &letter("Again [secure]", "secret", "")).await;
    assert!(reply.is(250, "2.0.0"), "{reply:?}");
    let mail = house.world.wait_for(3).await.remove(2);
    assert_eq!(link(&mail), first_link, "before its first use the same link goes out again");
    let mut bob = house.browser();
    let pin = told_pin(&house).await;
    first_use(&mut bob, &first_link, &pin).await;
    let list = bob.get("/mailbox").await.words();
    assert!(list.contains("Now") && list.contains("Again") && !list.contains("Weather"), "{list}");
}

/// Any contact world-wide: what a mail address may be.
#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_address_gets_a_mailbox() {
    let house = House::new().await;
    let mut smtp = house.alice_sends().await;
    let long = format!("{}@far.example", "l".repeat(64));
    let addresses =
        ["plain@far.example", "plus+tag@far.example", &long, "umlaut@bücher.example", "jörg@far.example"];
    for (count, address) in addresses.iter().enumerate() {
        let parameters = if address.is_ascii() { "" } else { " SMTPUTF8" };
        assert_eq!(smtp.ask(&format!("MAIL FROM:<alice@house.example>{parameters}")).await.code, 250);
        let reply = smtp.ask(&format!("RCPT TO:<{address}>")).await;
        assert_eq!(reply.code, 250, "{address}: {reply:?}");
        assert_eq!(smtp.ask("DATA").await.code, 354);
        let text = letter("[secure] Hello", "you", "").replace(BOB, address);
        smtp.put(&crate::mail_client::stuffed(&text)).await;
        let reply = smtp.reply().await;
        assert!(reply.is(250, "2.0.0"), "{address}: {reply:?}");
        let mails = house.world.wait_for(count + 1).await;
        link(&mails[count]);
    }
    let reply = smtp.ask("MAIL FROM:<alice@house.example>").await;
    assert_eq!(reply.code, 250);
    let reply = smtp.ask("RCPT TO:<bob@[192.0.2.1]>").await;
    assert!((500..600).contains(&reply.code), "{reply:?}");
}

/// Mail from outside is encrypted on arrival, shown to its account, and makes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn mail_from_outside_is_sealed_on_arrival() {
    let house = House::new().await;
    let mut smtp = crate::mail_client::Smtp::connect(house.port(Service::Smtp), false).await;
    smtp.start_tls().await;
    let text = letter("[secure] Pelargonium-7712", "Ladybird-4431", "X-OxGuard-PIN: 111111\r\n")
        .replace("alice@house.example", "eve@far.example")
        .replace(BOB, "alice@house.example");
    let reply = smtp.send("eve@far.example", &["alice@house.example"], &text).await;
    assert!(reply.is(250, "2.0.0"), "{reply:?}");
    let inbox = house.alice_reads().await.messages("INBOX").await;
    assert_eq!(inbox.len(), 1);
    assert!(inbox[0].contains("Ladybird-4431"));
    assert_eq!(field(&inbox[0], "X-Guardpost-Encrypted").unwrap(), "at-rest");
    assert!(field(&inbox[0], "X-OxGuard-PIN").is_none(), "{}", inbox[0]);
    assert!(field(&inbox[0], "Received").is_some());
    let markers = [("subject", Marker::new("Pelargonium-7712")), ("body", Marker::new("Ladybird-4431"))];
    house.data().iter().for_each(|(file, octets)| assert_absent(&markers, file, octets));
    assert_absent(&markers, "the log", &house.logged());
    assert!(house.world.sessions().is_empty(), "nothing goes out for it");
}

/// A world without TLS: the invitation goes as mail goes, and still holds nothing.
#[tokio::test(flavor = "multi_thread")]
async fn the_invitation_reaches_a_world_without_tls() {
    let world = Plan::default().start_tls(crate::peer::StartTls::NotOffered);
    let house = House::with(world, "").await;
    let (mut bob, link, pin) = invite(&house).await;
    assert!(!house.world.taken()[0].tls);
    first_use(&mut bob, &link, &pin).await;
}
