//! A message as its recipient sees it in the portal: who is proven, what belongs to the text, what can be saved.

use crate::chromium::Browser as Chromium;
use crate::chromium::Elsewhere;
use crate::gpg::Gpg;
use crate::harness::House;
use crate::main_job::BOB;
use crate::main_job::first_use;
use crate::main_job::invite;
use crate::plain_browser::Browser;
use crate::plain_browser::Page;
use crate::world::World;
use crate::world::alice;
use crate::world::demo;
use guardpost::base::address::Address;

const ALICE: &str = "alice@house.example";

/// A house, and Bob in his mailbox, in which one message lies.
async fn bob_inside() -> (House, Browser) {
    let house = House::new().await;
    let (mut browser, link, pin) = invite(&house).await;
    first_use(&mut browser, &link, &pin).await;
    (house, browser)
}

/// Alice sends this behind the fields that every message has.
async fn sends(house: &House, number: u32, rest: &str) {
    let message = format!(
        "From: Alice <{ALICE}>\r\nTo: {BOB}\r\nSubject: [secure] Number {number}\r\nDate: Sun, 22 Nov 2026 09:12:00 +0000\r\n\
         Message-ID: <shown-{number}@house.example>\r\nMIME-Version: 1.0\r\n{rest}"
    );
    let reply = house.alice_sends().await.send(ALICE, &[BOB], &message).await;
    assert!(reply.is(250, "2.0.0"), "{reply:?}");
}

async fn page(browser: &mut Browser, path: &str) -> Page {
    let page = browser.get(&format!("/mailbox/inbox/{path}")).await;
    assert_eq!(page.status, 200, "{path}");
    page
}

/// RFC 3156 §5: this text, signed by gpg.
pub fn signed(gpg: &Gpg, user: &str, text: &str, changed: &str) -> String {
    let part = format!("Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n");
    let file = gpg.file("part", part.as_bytes());
    let signature = gpg.run(&["--armor", "--local-user", user, "--output", "-", "--detach-sign", &file]);
    let signature = String::from_utf8(signature).unwrap().replace('\n', "\r\n");
    format!(
        "Content-Type: multipart/signed; micalg=pgp-sha512; protocol=\"application/pgp-signature\"; boundary=sig\r\n\r\n\
         --sig\r\n{}\r\n--sig\r\nContent-Type: application/pgp-signature; name=signature.asc\r\n\r\n{signature}\r\n--sig--\r\n",
        part.replace(text, changed)
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_proves_its_sender_or_speaks_against_the_message() {
    let (house, mut browser) = bob_inside().await;
    let gpg = Gpg::new();
    let certificate = gpg.make(&format!("Alice <{ALICE}>"));
    gpg.make("Mallory <mallory@far.example>");
    house.flow().import_own_certificate(&Address::parse(ALICE).unwrap(), certificate).await.unwrap();
    sends(&house, 2, &signed(&gpg, ALICE, "Pay ten euros.", "Pay ten euros.")).await;
    sends(&house, 3, &signed(&gpg, ALICE, "Pay ten euros.", "Pay ten thousand euros.")).await;
    sends(&house, 4, &signed(&gpg, "mallory@", "Pay me.", "Pay me.")).await;
    let smime = "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=s\r\n\r\n\
                 --s\r\n\r\ntext\r\n--s\r\nContent-Type: application/pkcs7-signature\r\n\r\nx\r\n--s--\r\n";
    sends(&house, 5, smime).await;
    let inner = signed(&gpg, ALICE, "An old one.", "An old one.");
    sends(
        &house,
        6,
        &format!(
            "Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n\r\nNew.\r\n--m\r\n{inner}\r\n--m--\r\n"
        ),
    )
    .await;
    let valid = format!("The signature of {ALICE} is valid.");
    let bad = "The signature does not match.";
    let unchecked = "Signed, but the signature could not be checked here";
    let none = "Not signed. It was sent from the account";
    for (number, want) in [(1, none), (2, &*valid), (3, bad), (4, unchecked), (5, unchecked), (6, none)] {
        for page in [
            page(&mut browser, &number.to_string()).await,
            page(&mut browser, &format!("{number}/print")).await,
        ] {
            let words = page.words().replace(['\u{2068}', '\u{2069}'], "");
            for said in [none, &*valid, bad, unchecked] {
                assert_eq!(words.contains(said), said == want, "{number}: {said} in {words}");
            }
        }
    }
    let changed = page(&mut browser, "3").await.text();
    let (before, _) = changed.split_once("ten thousand").unwrap();
    assert!(before.contains("class=\"note bad\""), "the warning stands in front of the text");
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_are_joined_quotations_folded_and_all_parts_found() {
    let (house, mut browser) = bob_inside().await;
    let flowed = "Expires: Fri, 19 Feb 2027 12:00:00 +0000\r\nContent-Type: text/plain; charset=utf-8; format=flowed\r\n\r\n\
                  This line \r\ngoes on.\r\nhttps://house.example/a\r\n\r\n> What was \r\n> asked\r\n";
    sends(&house, 2, flowed).await;
    let mixed = "Content-Type: multipart/mixed; boundary=m\r\n\r\n\
        --m\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n\
        --a\r\n\r\nbare words\r\n--a\r\nContent-Type: multipart/related; boundary=r\r\n\r\n\
        --r\r\nContent-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
        <p>Sch=F6ne <b>words</b><img src=3D\"cid:p@x\"><img src=3D\"https://spy.example/p\">\
        <a href=3D\"https://evil.example/\">www.bank.example</a></p><blockquote type=3D\"cite\">old</blockquote>\r\n\
        --r\r\nContent-Type: image/gif\r\nContent-ID: <p@x>\r\nContent-Transfer-Encoding: base64\r\n\r\nR0lGODlhAQABAAAAADs=\r\n--r--\r\n\
        --a--\r\n--m\r\nContent-Type: message/rfc822\r\n\r\nSubject: The old offer/1\r\n\r\nold\r\n\
        --m\r\n\r\nA list's footer\r\n--m--\r\n";
    sends(&house, 3, mixed).await;

    let text = page(&mut browser, "2").await.text().replace('\u{a0}', " ");
    assert!(text.contains("This line goes on."), "{text}");
    assert!(
        text.contains("<a href=\"https://house.example/a\" rel=\"noopener noreferrer\" target=\"_blank\">")
    );
    assert!(text.contains("<details class=\"quote\"><summary>Quoted text</summary><blockquote>"), "{text}");
    assert!(text.contains("What was asked") && text.contains("19 February 2027"), "{text}");
    assert!(!page(&mut browser, "2/print").await.text().contains("<details"), "nothing is folded on paper");

    let outside = page(&mut browser, "3").await.text();
    assert!(outside.contains("spy.example") && outside.contains("The old offer-1.eml"), "{outside}");
    assert!(outside.contains("Mail message"), "{outside}");
    let body = page(&mut browser, "3/body").await;
    let policy = body.header("content-security-policy").unwrap();
    assert!(policy.starts_with(
        "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src data:;"
    ));
    let body = body.text();
    for part in
        ["Schöne <b>words</b>", "data:image/gif;base64,", "[leads to evil.example]", "A list&#39;s footer"]
    {
        assert!(body.contains(part), "{part} in {body}");
    }
    assert!(!body.contains("spy.example") && !body.contains("cid:"), "{body}");
    assert!(
        body.contains("<details class=\"quote\"><summary>Quoted text</summary><blockquote type=\"cite\">old"),
        "{body}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_saved_under_names_that_are_only_names() {
    let (house, mut browser) = bob_inside().await;
    let names = [
        ("..%2F..%2Fetc%2Fpasswd", "passwd", "Web page (HTML)"),
        ("C%3A%5Cboot%5Cx.ini", "x.ini", "Text"),
        ("invoice%E2%80%AEfdp.exe", "invoicefdp.exe", "Program (EXE)"),
        ("a%0D%0ASet-Cookie%3A%20x%3Dy.txt", "aSet-Cookie_ x=y.txt", "Text"),
        ("report.pdf%20%20%20%20%20%20.scr", "report.pdf .scr", "the last ending counts: SCR"),
        ("%3Cscript%3Ecanary()%3C%2Fscript%3E.html", "script_.html", "Web page (HTML)"),
        ("Gr%C3%BC%C3%9Fe%20%22x%22.docx", "Grüße _x_.docx", "Document (DOCX)"),
    ];
    let mut message = "Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n\r\ntext\r\n".to_owned();
    for (name, ..) in names {
        message += &format!(
            "--m\r\nContent-Type: text/html\r\nContent-Disposition: inline; filename*=utf-8''{name}\r\n\r\n<script>canary()</script>\r\n"
        );
    }
    message += "--m--\r\n";
    sends(&house, 2, &message).await;
    let shown = page(&mut browser, "2").await.text();
    let words = page(&mut browser, "2").await.words().replace(['\u{2068}', '\u{2069}'], "");
    for (number, (_, name, kind)) in (2..).zip(names) {
        assert!(
            shown.contains(&format!("<bdi>{}</bdi>", name.replace('"', "&#34;"))) && words.contains(kind),
            "{name}, {kind} in {words}"
        );
        let file = page(&mut browser, &format!("2/attachment/{number}")).await;
        let disposition = file.header("content-disposition").unwrap();
        assert!(disposition.starts_with("attachment; filename=\""), "{disposition}");
        assert!(disposition.is_ascii() && disposition.matches('"').count() == 2, "{disposition}");
        assert!(disposition.contains("filename*=UTF-8''"), "{disposition}");
        assert_eq!(file.header("content-type"), Some("application/octet-stream"), "{name}");
        assert_eq!(file.header("x-content-type-options"), Some("nosniff"), "{name}");
        assert_eq!(file.text(), "<script>canary()</script>", "{name}");
        assert!(file.header("set-cookie").is_none(), "{name}");
    }
    let raw = page(&mut browser, "2/raw").await;
    assert!(raw.header("content-disposition").unwrap().starts_with("attachment; filename=\"Number 2.eml\""));
    assert_eq!(raw.header("content-length"), Some(&*raw.body.len().to_string()));
    let behind = message.split_once("\r\n\r\n").unwrap().1;
    assert!(raw.text().ends_with(behind), "the message is saved byte for byte");
}

/// In a real browser without scripts: what is folded opens, what is a link leads there, nothing is too wide.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_fits_its_page_unfolds_and_its_links_lead_somewhere() {
    let demo = demo().await;
    let elsewhere = Elsewhere::listen().await;
    let browser = Chromium::start(elsewhere.port).await;
    let world = World { demo: &demo, alice: alice(&demo).await };
    let frank = "frank@elsewhere.example";
    let invited = world.invite(frank).await;
    let head = |number: u32| {
        format!(
            "From: \"Anna Roth\" <alice@demo.example>\r\nTo: {frank}\r\nSubject: [secure] Draft of the contract, number {number}\r\n\
             Message-ID: <rich-{number}@demo.example>\r\nExpires: Fri, 19 Feb 2027 12:00:00 +0000\r\nMIME-Version: 1.0\r\n"
        )
    };
    let long = "contract-".repeat(22);
    let rich = format!(
        "{}Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\nContent-Type: text/html; charset=utf-8\r\n\r\n\
         <p><a href=\"http://linked.example/\">linked.example</a></p><p>Dear Mr Keller, <b>please</b> look at section 4.</p>\
         <table width=900 border=1><tr><td>a wide table</td><td><a href=\"https://evil.example/\" style=\"font-size:0;line-height:0\"><span style=\"font-size:16px\">www.bank.example</span></a></td></tr></table>\
         <img src=\"https://spy.example/p.gif\"><blockquote type=\"cite\">What was written before.</blockquote>\r\n\
         --m\r\nContent-Type: application/pdf; name=\"{long}.pdf\"\r\n\r\n%PDF-1.7\r\n\
         --m\r\nContent-Type: application/octet-stream; name=\"invoice.pdf.exe\"\r\n\r\nMZ\r\n--m--\r\n",
        head(2)
    );
    world.send(frank, &rich).await;
    let text =
        format!("{}\r\nYes, on Friday.\r\n\r\nOn Monday Jonas wrote:\r\n> When?\r\n>> Soon.\r\n", head(3));
    world.send(frank, &text).await;
    browser.goto(&invited.link).await;
    browser.click("#understood").await;
    browser.open_mailbox(&invited.pin).await;
    browser.wait_for("Your mailbox is open").await;
    browser.scripts(false).await;
    for (width, height) in [(320, 568), (1100, 900)] {
        browser.size(width, height).await;
        for language in ["en", "de"] {
            for page in ["2", "3", "2/print"] {
                browser.goto(&format!("{}/mailbox/inbox/{page}?lang={language}", world.url())).await;
                assert!(
                    page.ends_with("print") || browser.fits().await,
                    "{page} is wider than {width} pixels"
                );
                browser.whole(&format!("15-message-{}-{language}-{width}", page.replace('/', "-"))).await;
            }
        }
    }
    for page in ["2/body", "3"] {
        browser.goto(&format!("{}/mailbox/inbox/{page}", world.url())).await;
        assert!(!browser.shown("details.quote blockquote").await, "{page}: folded");
        browser.click("details.quote summary").await;
        assert!(browser.shown("details.quote blockquote").await, "{page}: open");
    }
    browser.goto(&format!("{}/mailbox/inbox/2/body", world.url())).await;
    assert!(browser.shown(".host.other").await, "no style of the mail's hides where a link leads");
    assert!(elsewhere.told().is_empty(), "nobody was asked for anything");
    browser.click("a[href='http://linked.example/']").await;
    browser.second_window().await;
    browser.quit().await;
    demo.stop().await;
}
