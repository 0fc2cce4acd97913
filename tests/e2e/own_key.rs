//! An account whose owner alone has the secret key: what comes is PGP/MIME for a mail program with that key, and for
//! nobody else.

use crate::gpg::Gpg;
use crate::harness::HOST;
use crate::harness::House;
use crate::harness::PASSWORD;
use crate::mail_client::Imap;
use crate::mail_client::Smtp;
use crate::mail_client::field;
use crate::markers::Marker;
use crate::markers::assert_absent;
use guardpost::base::address::Address;
use guardpost::net::listen::Service;
use std::process::Command;

const ALICE: &str = "alice@house.example";

/// From outside, by SMTP.
async fn arrives(house: &House, message: &str) {
    let mut smtp = Smtp::connect(house.port(Service::Smtp), false).await;
    let reply = smtp.send("carl@far.example", &[ALICE], message).await;
    assert!(reply.is(250, "2.0.0"), "{reply:?}");
}

fn mail(number: u32, subject: &str, body: &str) -> String {
    format!(
        "From: Carl <carl@far.example>\r\nTo: {ALICE}\r\nSubject: {subject}\r\n\
         Date: Sun, 22 Nov 2026 07:00:0{number} +0000\r\nMessage-ID: <{number}@far.example>\r\n\
         Keywords: {subject}\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n\r\n{body}\r\n"
    )
}

/// Alice, whose key gpg has since her first mail came.
async fn house_with_own_key() -> (House, Gpg) {
    let house = House::new().await;
    arrives(&house, &mail(1, "Zinnia-0001", "Periwinkle-0001")).await;
    let gpg = Gpg::new();
    let certificate = gpg.make(&format!("Alice <{ALICE}>"));
    house.flow().import_own_certificate(&Address::parse(ALICE).unwrap(), certificate).await.unwrap();
    (house, gpg)
}

/// The one item of a FETCH answer behind its name.
async fn item(imap: &mut Imap, command: &str, name: &str) -> String {
    let said = imap.ask(command).await.unwrap();
    let line = said.lines.iter().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{said:?}"));
    let (_, value) = line.split_once(name).unwrap();
    value.trim().trim_end_matches(')').to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn new_mail_is_pgp_mime_and_gpg_opens_it() {
    let (house, gpg) = house_with_own_key().await;
    let original = mail(2, "Zinnia-0002", "Periwinkle-0002 grüßt\r\n.\r\n\r\nGroße Zeile");
    arrives(&house, &original).await;
    let mut imap = house.alice_reads().await;
    assert_eq!(imap.select("INBOX").await, 2);
    let before = imap.message(1).await;
    assert!(before.contains("Subject: Zinnia-0001") && before.contains("Periwinkle-0001"), "{before}");

    let shown = imap.message(2).await;
    assert_eq!(field(&shown, "Subject").unwrap(), "[...]");
    assert_eq!(field(&shown, "From").unwrap(), "Carl <carl@far.example>");
    assert_eq!(field(&shown, "Message-ID").unwrap(), "<2@far.example>");
    let kind = field(&shown, "Content-Type").unwrap();
    assert!(kind.starts_with("multipart/encrypted; protocol=\"application/pgp-encrypted\""), "{kind}");
    let secret = [("subject", Marker::new("Zinnia-0002")), ("body", Marker::new("Periwinkle-0002"))];
    assert_absent(&secret, "what IMAP shows", shown.as_bytes());
    let opened = gpg.open(&shown);
    let (opened_header, opened_body) = opened.split_once("\r\n\r\n").unwrap();
    let (header, body) = original.split_once("\r\n\r\n").unwrap();
    assert_eq!(opened_body, body);
    for line in header.split("\r\n").filter(|line| !line.starts_with("Content-Type")) {
        assert!(opened_header.contains(line), "{line} in {opened_header}");
    }
    let kind = field(&opened, "Content-Type").unwrap();
    assert_eq!(kind, "text/plain; charset=utf-8; hp=\"cipher\"; protected-headers=\"v1\"");
    assert!(opened_header.contains("Received: "), "its trace is inside");

    // Every part of it fits to the whole, and to itself the next time.
    let size = item(&mut imap, "FETCH 2 RFC822.SIZE", "RFC822.SIZE").await;
    assert_eq!(size, shown.len().to_string());
    let envelope = item(&mut imap, "FETCH 2 ENVELOPE", "ENVELOPE").await;
    assert!(envelope.contains("\"[...]\" ((\"Carl\" NIL \"carl\" \"far.example\"))"), "{envelope}");
    let structure = item(&mut imap, "FETCH 2 BODYSTRUCTURE", "BODYSTRUCTURE").await;
    assert!(structure.contains("\"application\" \"pgp-encrypted\""), "{structure}");
    assert!(structure.contains("\"application\" \"octet-stream\""), "{structure}");
    assert!(structure.contains("\"encrypted\" (\"protocol\" \"application/pgp-encrypted\""), "{structure}");
    let mut pieces = String::new();
    let mut again = house.alice_reads().await;
    again.select("INBOX").await;
    while pieces.len() < shown.len() {
        let said = again.ask(&format!("FETCH 2 BODY.PEEK[]<{}.300>", pieces.len())).await.unwrap();
        pieces += std::str::from_utf8(&said.literals[0]).unwrap();
    }
    assert_eq!(pieces, shown);
    let data = again.ask("FETCH 2 (BODY.PEEK[1] BODY.PEEK[2])").await.unwrap().literals;
    assert_eq!(data[0], b"Version: 1\r\n");
    assert!(data[1].starts_with(b"-----BEGIN PGP MESSAGE-----\r\n"));

    // A judge that is not ours.
    let fetched = curl(&house, "INBOX;UID=2").await;
    assert_eq!(fetched, shown);
    assert_eq!(gpg.open(&fetched), opened);
}

async fn curl(house: &House, path: &str) -> String {
    let mut command = Command::new("curl");
    let port = house.port(Service::Imaps);
    command
        .args(["--silent", "--show-error", "--max-time", "120", "--cacert"])
        .arg(house.at("tls.crt"))
        .args(["--resolve", &format!("{HOST}:{port}:127.0.0.1"), "--user", &format!("{ALICE}:{PASSWORD}")])
        .arg(format!("imaps://{HOST}:{port}/{path}"));
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_alone_gives_only_ciphertext() {
    let (mut house, gpg) = house_with_own_key().await;
    arrives(&house, &mail(2, "Zinnia-0002", "Periwinkle-0002")).await;
    let text = format!("From: {ALICE}\r\nTo: {ALICE}\r\nSubject: Zinnia-0003\r\n\r\nPeriwinkle-0003\r\n");
    assert!(house.alice_sends().await.send(ALICE, &[ALICE], &text).await.is(250, "2.0.0"));
    let mut imap = house.alice_reads().await;
    imap.put(format!("a APPEND Drafts {{{}}}\r\n", text.len()).as_bytes()).await;
    assert!(imap.line().await.unwrap().starts_with("+ "));
    imap.put(text.replace("0003", "0004").as_bytes()).await;
    imap.put(b"\r\n").await;
    assert!(imap.line().await.unwrap().starts_with("a OK"));
    let mut seen = Vec::new();
    for folder in ["INBOX", "Sent", "Drafts"] {
        seen.extend(imap.messages(folder).await);
    }
    assert_eq!(seen.len(), 5);
    let new: Vec<&String> = seen.iter().skip(1).collect();
    for marker in ["Zinnia-0002", "Zinnia-0003", "Zinnia-0004", "Periwinkle-0002", "Periwinkle-0003"] {
        for message in &new {
            assert_absent(&[("marker", Marker::new(marker))], "IMAP", message.as_bytes());
        }
    }
    for message in &new {
        assert!(gpg.open(message).contains("Periwinkle-000"));
    }

    // SEARCH finds what it can read, and says no more of the rest than that.
    imap.select("INBOX").await;
    for (query, found) in [
        ("SUBJECT Zinnia", "* SEARCH 1"),
        ("BODY Periwinkle", "* SEARCH 1"),
        ("TEXT Zinnia-0002", "* SEARCH"),
        ("FROM carl", "* SEARCH 1 2"),
        ("HEADER Message-ID 2@far", "* SEARCH 2"),
        ("KEYWORD nothing", "* SEARCH"),
        ("UNSEEN", "* SEARCH 1 2 3"),
    ] {
        assert_eq!(imap.ask(&format!("SEARCH {query}")).await.unwrap().lines, [found], "{query}");
    }
    house.stop().await;
    let hidden = [("subject", Marker::new("Zinnia-0002")), ("body", Marker::new("Periwinkle-0002"))];
    for (file, octets) in house.data() {
        assert_absent(&hidden, &file, &octets);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_encrypted_to_the_owner_already_stays_as_it_is() {
    let (house, gpg) = house_with_own_key().await;
    let other = Gpg::new();
    let stranger = "Olga <olga@far.example>";
    gpg.run(&["--import", &gpg.file("olga.asc", &other.make(stranger))]);
    let wrapped = |to: &str| {
        format!(
            "From: carl@far.example\r\nTo: {ALICE}\r\nSubject: chosen by Carl\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=b\r\n\r\n\
             --b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n--b\r\n\
             Content-Type: application/octet-stream\r\n\r\n{}\r\n--b--\r\n",
            gpg.seal(to, "Content-Type: text/plain\r\n\r\nby Carl himself\r\n")
        )
    };
    let (for_alice, for_olga) = (wrapped(ALICE), wrapped("olga@far.example"));
    arrives(&house, &for_alice).await;
    arrives(&house, &for_olga).await;
    let shown = house.alice_reads().await.messages("INBOX").await;
    let body = |message: &str| message.split_once("\r\n\r\n").unwrap().1.to_owned();
    assert_eq!(body(&shown[1]), body(&for_alice));
    assert_eq!(field(&shown[1], "Subject").unwrap(), "chosen by Carl");
    assert_eq!(
        field(&shown[2], "Subject").unwrap(),
        "[...]",
        "not for Alice: the owner's key goes around it"
    );
    assert_eq!(body(&gpg.open(&shown[2])), body(&for_olga));
}
