//! What protects a message: keys on file, PINs, the state on disk, and what a first use takes out of the world.

use crate::harness::House;
use crate::harness::PASSWORD;
use crate::mail_client::field;
use crate::main_job::BOB;
use crate::main_job::BOBS_PASSWORD;
use crate::main_job::first_use;
use crate::main_job::invite;
use crate::main_job::leads_to_an_invitation;
use crate::main_job::letter;
use crate::main_job::link;
use crate::main_job::path_and_token;
use crate::main_job::told_pin;
use crate::markers::Marker;
use crate::markers::assert_absent;
use crate::markers::contains;
use crate::peer::Plan;
use guardpost::app::clock::SystemClock;
use guardpost::base::address::Address;
use guardpost::base::time::Clock;
use guardpost::openpgp::generate::generate;
use guardpost::store::record::MailboxKind;
use guardpost::store::record::MailboxState;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

const ALICE: &str = "alice@house.example";

async fn send(house: &House, to: &[&str], message: &str) {
    let reply = house.alice_sends().await.send(ALICE, to, message).await;
    assert!(reply.is(250, "2.0.0"), "{reply:?}");
}

async fn temporary_mailboxes(house: &House) -> usize {
    house.flow().all_mailboxes(MailboxKind::Temporary).await.unwrap().len()
}

/// Encrypted or not, first or not, key or not: a mailbox is made in one of the eight cases.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_on_file_takes_the_place_of_a_mailbox() {
    let house = House::new().await;
    let dora = Address::parse("dora@far.example").unwrap();
    let made = generate(&dora, SystemClock.now()).unwrap();
    house.flow().import_certificate(made.certificate.clone()).await.unwrap();
    let mut want = 0;
    for (number, (tag, address, makes)) in [
        ("", BOB, 0),
        ("", "dora@far.example", 0),
        ("[secure] ", "dora@far.example", 0),
        ("[secure] ", "dora@far.example", 0),
        ("", BOB, 0),
        ("[secure] ", BOB, 1),
        ("[secure] ", BOB, 0),
        ("", BOB, 0),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("Message-ID: <{number}@house.example>\r\n");
        let text = letter(&format!("{tag}Zinnia-9931"), "Periwinkle-2204", &id).replace(BOB, address);
        send(&house, &[address], &text).await;
        want += makes;
        assert_eq!(temporary_mailboxes(&house).await, want, "{tag}{address}");
    }
    let mails = house.world.wait_for(8).await;
    let to_dora: Vec<String> = mails
        .iter()
        .filter(|mail| mail.rcpts == ["<dora@far.example>"])
        .map(|mail| String::from_utf8_lossy(&mail.text).into_owned())
        .collect();
    let sealed: Vec<&String> = to_dora.iter().filter(|text| text.contains("multipart/encrypted")).collect();
    assert_eq!((to_dora.len(), sealed.len()), (3, 2));
    for text in sealed {
        assert!(text.contains("BEGIN PGP MESSAGE") && !leads_to_an_invitation(text), "{text}");
        assert_absent(&[("body", Marker::new("Periwinkle-2204"))], "PGP/MIME", text.as_bytes());
    }
    let sent = house.alice_reads().await.messages("Sent").await;
    let decided: Vec<String> = sent.iter().filter_map(|copy| field(copy, "X-Guardpost-Delivery")).collect();
    assert!(decided.iter().any(|line| line == "dora@far.example; pgp"), "{decided:?}");
    assert!(decided.iter().any(|line| line.starts_with("dora@far.example; plain")), "{decided:?}");
}

/// With a PIN that is optional, a sender may leave it out: then no field asks for one.
#[tokio::test(flavor = "multi_thread")]
async fn a_pin_field_is_there_only_with_a_pin() {
    let house = House::with(Plan::default(), "[temporary_mailbox]\npin = \"optional\"\n").await;
    send(&house, &[BOB], &letter("[secure] Without", "x", "X-Guardpost-PIN: none\r\n")).await;
    let mail = house.world.wait_for(1).await.remove(0);
    let mut bob = house.browser();
    let (path, _) = path_and_token(&link(&mail), &bob.site());
    let names = bob.get(&path).await.field_names(&path);
    assert_eq!(names, ["token", "password", "confirm", "understood"]);
    let sent = house.alice_reads().await.messages("Sent").await;
    assert!(!sent[0].contains("X-OxGuard-PIN"), "{}", sent[0]);
    first_use(&mut bob, &link(&mail), "").await;
}

/// The PIN belongs to the message that makes the mailbox, and can be seen again in its Sent copy, later too.
#[tokio::test(flavor = "multi_thread")]
async fn a_pin_is_given_with_the_first_message_and_stays() {
    let house = House::new().await;
    send(&house, &[BOB], &letter("[secure] First", "x", "X-Guardpost-PIN: teal-otter-19\r\n")).await;
    send(&house, &[BOB], &letter("[secure] Second", "x", "X-Guardpost-PIN: pink-heron-88\r\n")).await;
    let mails = house.world.wait_for(2).await;
    let mut bob = house.browser();
    let (path, token) = path_and_token(&link(&mails[0]), &bob.site());
    let fields = [
        ("token", token.as_str()),
        ("pin", "pink-heron-88"),
        ("password", BOBS_PASSWORD),
        ("confirm", BOBS_PASSWORD),
        ("understood", "1"),
    ];
    assert_eq!(bob.post(&path, &fields).await.status, 403, "the second PIN was not taken");
    first_use(&mut bob, &link(&mails[0]), "teal-otter-19").await;
    let sent = house.alice_reads().await.messages("Sent").await;
    assert_eq!(field(&sent[0], "X-OxGuard-PIN").unwrap(), "teal-otter-19", "also after the first use");
    for mail in &mails {
        let text = String::from_utf8_lossy(&mail.text);
        assert!(!text.contains("otter") && !text.contains("heron") && !text.contains("OxGuard"), "{text}");
    }
}

/// The header stands in the sender's copy and in no other byte, whatever a message brings.
#[tokio::test(flavor = "multi_thread")]
async fn the_pin_header_never_leaves() {
    let house = House::new().await;
    let brought = "X-OxGuard-PIN: 480215\r\nX-Guardpost-Delivery: lies\r\nX-Guardpost-Note: hello\r\n";
    send(&house, &[BOB, ALICE], &letter("Plain", "x", brought)).await;
    let mail = house.world.wait_for(1).await.remove(0);
    let text = String::from_utf8_lossy(&mail.text).to_ascii_lowercase();
    assert!(!text.contains("480215") && !text.contains("x-guardpost") && !text.contains("oxguard"), "{text}");
    send(&house, &[BOB, ALICE], &letter("[secure] Sealed", "x", "X-OxGuard-PIN: 480216\r\n")).await;
    let pin = told_pin(&house).await;
    assert_ne!(pin, "480216");
    let mails = house.world.wait_for(2).await;
    let mut bob = house.browser();
    first_use(&mut bob, &link(&mails[1]), &pin).await;
    let raw = bob.get("/mailbox/inbox/1/raw").await.text();
    let inbox = house.alice_reads().await.messages("INBOX").await;
    let copies: Vec<&String> =
        inbox.iter().filter(|mail| mail.contains("Sealed") && !mail.contains("PIN")).collect();
    assert!(!copies.is_empty(), "her own copy as a recipient has no PIN: {inbox:?}");
    assert!(field(&raw, "X-OxGuard-PIN").is_none() && !raw.contains(&pin), "{raw}");
    assert!(!contains(&house.world.octets(), b"OxGuard"));
}

/// Changed ciphertext is shown as damaged, never as an altered text.
#[tokio::test(flavor = "multi_thread")]
async fn damage_is_shown_as_damage() {
    let mut house = House::new().await;
    let body = "Hemlock-1182 stays as it is.\r\n".repeat(1_000);
    send(&house, &[BOB], &letter("[secure] Long", &body, "")).await;
    let mail = house.world.wait_for(1).await.remove(0);
    let pin = told_pin(&house).await;
    house.stop().await;
    let files: Vec<PathBuf> =
        house.data().into_iter().map(|(file, _)| PathBuf::from(file)).filter(|file| is_body(file)).collect();
    assert!(!files.is_empty(), "a long message is a file");
    for file in &files {
        let mut octets = fs::read(file).unwrap();
        let middle = octets.len() / 2;
        octets[middle] ^= 1;
        fs::write(file, octets).unwrap();
    }
    house.start().await;
    let mut bob = house.browser();
    let link = link(&mail);
    let link = format!("{}{}", bob.site(), &link[link.find("/i/").unwrap()..]);
    first_use(&mut bob, &link, &pin).await;
    for path in ["/mailbox/inbox/1", "/mailbox/inbox/1/raw", "/mailbox/inbox/1/print"] {
        let page = bob.get(path).await;
        assert!(!page.text().contains("stays as it is"), "{path}: {}", page.words());
        assert!(
            page.status >= 400 || page.words().to_lowercase().contains("damaged"),
            "{path}: {}",
            page.words()
        );
    }
    let mut imap = house.imap(BOB, BOBS_PASSWORD).await;
    imap.select("INBOX").await;
    let read = imap.ask("FETCH 1 BODY.PEEK[]").await;
    let shown = read.map(|said| said.literals.concat()).unwrap_or_default();
    assert!(!contains(&shown, b"stays as it is"), "{}", String::from_utf8_lossy(&shown));
}

fn is_body(file: &std::path::Path) -> bool {
    file.components().any(|part| part.as_os_str() == "bodies")
}

/// What lay on disk before the first use, with link and PIN, opens nothing that comes later.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_copy_opens_nothing_new() {
    let mut house = House::new().await;
    let (_, first_link, pin) = invite(&house).await;
    house.stop().await;
    copy(&house.at("data"), &house.at("old"));
    house.start().await;
    let mut bob = house.browser();
    let path = first_link[first_link.find("/i/").unwrap()..].to_owned();
    let (page, token) = path.split_once('#').unwrap();
    let now_at = format!("{}{path}", bob.site());
    first_use(&mut bob, &now_at, &pin).await;
    send(&house, &[BOB], &letter("[secure] Later", "Gentian-6617 came later", "")).await;
    house.stop().await;
    let (new, old) = (house.at("data"), house.at("old"));
    // Today's mail beside yesterday's keys: the store does not start, or what it opens is yesterday's.
    for name in ["store", "shred.a", "shred.b", "committed.seq"] {
        remove(&old.join(name).with_extension("aside"));
        fs::rename(new.join(name), new.join(format!("{name}.new"))).unwrap();
        copy(&old.join(name), &new.join(name));
    }
    house.start().await;
    let mut thief = house.browser();
    let fields = [
        ("token", token),
        ("pin", pin.as_str()),
        ("password", "Magpies under 3 silver suns"),
        ("confirm", "Magpies under 3 silver suns"),
        ("understood", "1"),
    ];
    assert_eq!(thief.post(page, &fields).await.location(), "/mailbox", "the old copy is what it was");
    let list = thief.get("/mailbox").await.words();
    assert!(list.contains("Offer") && !list.contains("Later"), "{list}");
    house.stop().await;
    for name in ["store", "shred.a", "shred.b", "committed.seq"] {
        remove(&new.join(name));
        fs::rename(new.join(format!("{name}.new")), new.join(name)).unwrap();
    }
    // The new state with the old shred files, in which the invitation's key still lives.
    for name in ["shred.a", "shred.b"] {
        fs::rename(new.join(name), new.join(format!("{name}.new"))).unwrap();
        copy(&old.join(name), &new.join(name));
    }
    let config = std::sync::Arc::new(house.config(443));
    let opened = guardpost::app::ground::open(config, &house.surroundings()).await;
    assert!(opened.is_err(), "shred files that are older than the store are damage");
    drop(opened);
    for name in ["shred.a", "shred.b"] {
        remove(&new.join(name));
        fs::rename(new.join(format!("{name}.new")), new.join(name)).unwrap();
    }
    house.start().await;
    let mut thief = house.browser();
    assert_eq!(thief.post(page, &fields).await.status, 409, "the link is spent");
    let mut bob = house.browser();
    assert_eq!(
        bob.post("/login", &[("address", BOB), ("password", BOBS_PASSWORD)]).await.location(),
        "/mailbox"
    );
    let list = bob.get("/mailbox").await.words();
    assert!(list.contains("Offer") && list.contains("Later"), "{list}");
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    if !from.is_dir() {
        fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}

fn remove(path: &std::path::Path) {
    let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
}

/// The invitation as a person sees it, in the language of the domain.
#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_says_what_to_do_and_nothing_else() {
    for (language, subject, button) in [
        ("en", "Secure message from alice@house.example", "READ MESSAGE"),
        ("de", "Sichere Nachricht von alice@house.example", "NACHRICHT LESEN"),
    ] {
        let house = House::with(
            Plan::default(),
            &format!("[[domain]]\nname = \"{language}.example\"\nlanguage = \"{language}\"\n"),
        )
        .await;
        let sender = format!("lea@{language}.example");
        house.add_account(&sender, PASSWORD).await;
        let text = letter("[secure] Lupin-7744", "x", "").replace(ALICE, &sender);
        let reply = house.submission(&sender, PASSWORD).await.send(&sender, &[BOB], &text).await;
        assert!(reply.is(250, "2.0.0"), "{reply:?}");
        let mail = house.world.wait_for(1).await.remove(0);
        let text = String::from_utf8_lossy(&mail.text).into_owned();
        assert_eq!(field(&text, "Subject").unwrap(), subject.replace(ALICE, &sender));
        let readable = text.replace("=\r\n", "").replace("=3D", "=");
        assert!(readable.contains(button), "{text}");
        assert!(readable.contains("<a ") && readable.contains("multipart/alternative"), "{text}");
        let line = link(&mail);
        assert!(line.len() < 998 && text.contains(&format!("\r\n{line}\r\n")), "whole, on its own line");
        assert!(!line.contains("bob") && !line.contains("lea"), "no address in the link");
        assert!(!text.contains("Lupin") && !text.contains("http://"), "{text}");
    }
}

/// The page of the first use: what it asks, what it warns of, and the way out of it.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_page_warns_and_can_be_left() {
    let house = House::new().await;
    let (mut bob, link, pin) = invite(&house).await;
    let (path, token) = path_and_token(&link, &bob.site());
    let page = bob.get(&path).await;
    for words in ["New password", "Confirm new password", "PIN", "Open mailbox", "I have no PIN", "Cancel"] {
        assert!(page.words().contains(words), "{words}: {}", page.words());
    }
    let warning = page.words();
    assert!(warning.contains("cannot be") && warning.contains("lost"), "{warning}");
    assert!(page.text().contains("autocomplete=\"new-password\""), "{}", page.text());
    let cancel = page.link(&format!("{path}/cancelled")).expect("a way out");
    assert_eq!(bob.get(&cancel).await.status, 200);
    assert_eq!(temporary_mailboxes(&house).await, 1);
    let told = bob.post(&format!("{path}/no-pin"), &[("token", &token)]).await;
    assert_eq!(told.location(), format!("{path}/asked"));
    let asked = bob.get(told.location()).await;
    assert!(asked.words().contains("The sender has been told"), "{} {}", asked.status, asked.words());
    let notes = house.alice_reads().await.messages("INBOX").await;
    assert_eq!(notes.iter().filter(|note| note.contains("needs the PIN")).count(), 1, "{notes:?}");
    first_use(&mut bob, &link, &pin).await;
    let mailboxes = house.flow().all_mailboxes(MailboxKind::Temporary).await.unwrap();
    assert_eq!(mailboxes[0].state, MailboxState::Open);
}

/// Who answers in a thread that was encrypted need not think of it.
#[tokio::test(flavor = "multi_thread")]
async fn conversations_stay_encrypted() {
    let house = House::new().await;
    let first = letter("[secure] Plans", "one", "Message-ID: <plans.1@house.example>\r\n");
    send(&house, &[BOB], &first).await;
    let next = letter("Re: Plans", "Celandine-4471", "In-Reply-To: <plans.1@house.example>\r\n");
    send(&house, &[BOB], &next).await;
    let plain = letter("[plain] Re: Plans", "harmless", "In-Reply-To: <plans.1@house.example>\r\n");
    send(&house, &[BOB], &plain).await;
    house.world.wait_for(3).await;
    assert_absent(&[("second message", Marker::new("Celandine-4471"))], "what left", &house.world.octets());
    assert!(contains(&house.world.octets(), b"harmless"), "[plain] takes a message out");
}

/// Sessions end by the clock, whatever a browser still holds.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_when_nobody_is_there() {
    let house = House::new().await;
    let (mut bob, link, pin) = invite(&house).await;
    first_use(&mut bob, &link, &pin).await;
    house.clock.pass(Duration::from_secs(14 * 60));
    assert_eq!(bob.get("/mailbox").await.status, 200);
    house.clock.pass(Duration::from_secs(16 * 60));
    assert_eq!(bob.get("/mailbox").await.location(), "/login");
}
