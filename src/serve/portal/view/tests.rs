//! What of a message is text, picture and file.

use super::*;
use crate::flow::reading::sample::plain;
use crate::serve::portal::frame;
use crate::serve::portal::tests::PAYLOADS;
use crate::serve::portal::tests::skeleton;

fn seen(message: &str) -> View {
    view(&plain(message.replace('\n', "\r\n").as_bytes()), Need::Document).unwrap()
}

const PIXEL: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

#[test]
fn a_plain_message() {
    let view = seen(
        "From: =?utf-8?q?J=C3=B6rg?= <joerg@x.example>\nTo: a@b.example, \"B, C\" <c@d.example>\n\
         Subject: =?utf-8?b?R3LDvMOfZQ==?=\n =?utf-8?q?_aus_K=C3=B6ln?=\n\
         Date: Sun, 22 Nov 2026 09:12:00 +0000\n\nHallo\n\nWelt\n",
    );
    assert_eq!(view.subject, "Grüße aus Köln");
    assert_eq!((view.from_name.as_str(), view.from_address.as_str()), ("Jörg", "joerg@x.example"));
    assert_eq!(view.to, "a@b.example, B, C <c@d.example>");
    assert_eq!(view.text.trim(), "Hallo\n\nWelt");
    assert_eq!(view.date, Some(Time(1_795_338_720)));
    assert!(view.html.is_none() && view.files.is_empty());
}

#[test]
fn pictures_that_the_text_shows_and_others() {
    let view = seen(&format!(
        "Content-Type: multipart/related; boundary=b\n\n--b\nContent-Type: text/html\n\n\
         <p>x<img src=\"cid:one@x\"><img src=\"https://t.example/p.gif\"></p>\n\
         --b\nContent-Type: image/svg+xml; name=a.png\nContent-ID: <one@x>\nContent-Transfer-Encoding: base64\n\n\
         {PIXEL}\n--b\nContent-Type: image/png; name=two.png\nContent-ID: <two@x>\n\
         Content-Transfer-Encoding: base64\n\n{PIXEL}\n--b--\n"
    ));
    let cleaned = view.html.unwrap();
    assert!(
        cleaned.shown(&html::Words::default()).contains(&format!("src=\"data:image/png;base64,{PIXEL}\"")),
        "by what it truly is"
    );
    assert_eq!(cleaned.blocked.get("t.example"), Some(&1));
    let names: Vec<_> = view.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["two.png"], "what the text does not show can be saved");
}

#[test]
fn a_picture_that_is_none_is_not_shown() {
    let view = seen(
        "Content-Type: multipart/related; boundary=b\n\n--b\nContent-Type: text/html\n\n<img src=\"cid:one\">\n\
         --b\nContent-Type: image/png\nContent-ID: <one>\n\n<svg onload=canary()>\n--b--\n",
    );
    assert!(!view.html.unwrap().shown(&html::Words::default()).contains("src="));
}

/// A related message of this HTML and parts, the names of its files, and how many pictures its document shows.
fn related(html: &str, parts: &[&str]) -> (Vec<String>, usize) {
    let parts: String = parts.iter().map(|part| format!("--b\n{part}\n")).collect();
    let message = format!(
        "Content-Type: multipart/related; boundary=b\n\n--b\nContent-Type: text/html\n\n{html}\n{parts}--b--\n"
    );
    let message = plain(message.replace('\n', "\r\n").as_bytes());
    let names = |view: &View| view.files.iter().map(|file| file.name.clone()).collect::<Vec<_>>();
    let document = view(&message, Need::Document).unwrap();
    assert_eq!(names(&document), names(&view(&message, Need::Outline).unwrap()), "page and paper agree");
    let shown = document.html.as_ref().map(|html| html.shown(&html::Words::default()));
    (names(&document), shown.map_or(0, |html| html.matches("src=\"data:").count()))
}

fn picture(kind: &str, id: &str, data: &str) -> String {
    format!(
        "Content-Type: image/{kind}; name=x.{kind}\nContent-ID: <{id}>\nContent-Transfer-Encoding: base64\n\n{data}"
    )
}

#[test]
fn every_picture_is_in_the_text_or_among_the_files() {
    let heic = "AAAAGGZ0eXBoZWljAAAAAA==";
    for (html, id, kind, data, shown) in [
        ("<img src=\"cid:1\">", "1", "png", PIXEL, true),
        ("<p style=\"width: 1%\">", "1", "png", PIXEL, false),
        ("<img src=\"cid:1\">", "1", "heic", heic, false),
        ("<img src=\"cid:1\">", "1", "bmp", "Qk06AAAAAAAAAA==", false),
        ("<div style=\"background: url(cid:1)\">", "1", "png", PIXEL, false),
        ("<table background=\"cid:1\">", "1", "png", PIXEL, false),
        ("<p>seen<p style=\"display:none\"><img src=\"cid:1\">", "1", "png", PIXEL, false),
        ("<object><img src=\"cid:1\"></object>", "1", "png", PIXEL, false),
        ("<img src=\"cid:a%40b\">", "a@b", "png", PIXEL, true),
        ("<img src=\"CID:a@b?x\">", "a@b", "png", PIXEL, true),
        ("<img src=\"cid:a&amp;b\">", "a&b", "png", PIXEL, true),
    ] {
        let files = if shown { vec![] } else { vec![format!("x.{kind}")] };
        assert_eq!(related(html, &[&picture(kind, id, data)]), (files, usize::from(shown)), "{html} {kind}");
    }
    let both = [picture("png", "1", PIXEL), picture("gif", "1", PIXEL)];
    let both = both.each_ref().map(String::as_str);
    assert_eq!(related("<img src=cid:1>", &both), (vec!["x.gif".to_owned()], 1), "one name for two");
}

#[test]
fn html_below_an_attachment_is_shown() {
    let plain = "\nbare";
    let html = |words: &str| format!("Content-Type: text/html\n\n<p>{words}<img src=\"https://t.example/\">");
    let pdf = "Content-Type: application/pdf; name=a.pdf\nContent-Disposition: inline; filename=a.pdf\n\nx";
    let multi = |kind: &str, parts: &[&str]| {
        let boundary = format!("b{}", parts.concat().len());
        let parts: String = parts.iter().map(|part| format!("--{boundary}\n{part}\n")).collect();
        format!("Content-Type: multipart/{kind}; boundary={boundary}\n\n{parts}--{boundary}--\n")
    };
    let (above, below) = (html("above</div>"), html("below"));
    let (above, below) = (above.as_str(), below.as_str());
    let mixed = multi("mixed", &[above, pdf, below]);
    let too_deep = format!("Content-Type: text/html\n\n{}", "<div>".repeat(400));
    for (message, files, shown) in [
        (multi("alternative", &[plain, &mixed]), vec!["a.pdf"], true),
        (multi("mixed", &[&multi("alternative", &[plain, above]), below]), vec![], true),
        (
            multi("signed", &[&mixed, "Content-Type: application/pgp-signature\n\nx"]),
            vec!["a.pdf", "application-5.asc"],
            true,
        ),
        (multi("signed", &[above, below]), vec!["text-2.html"], false),
        (multi("alternative", &[plain, above, below]), vec!["text-3.html"], false),
        (multi("alternative", &[plain, &multi("mixed", &[&too_deep, below])]), vec!["text-4.html"], false),
        (
            multi("mixed", &[plain, &multi("alternative", &[plain, below])]),
            vec!["text-3.txt", "text-4.html"],
            false,
        ),
        (multi("mixed", &[above, &below.replace("html\n", "html; name=x.html\n")]), vec!["x.html"], false),
        (
            multi("mixed", &[above, &format!("Content-Type: message/rfc822\n\n{below}")]),
            vec!["message-2.eml"],
            false,
        ),
    ] {
        let view = seen(&message);
        let names: Vec<_> = view.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, files, "{message}");
        let document = frame::document(&view, &html::Words::default());
        assert_eq!(document.contains("<hr><p>below"), shown, "{document}");
        assert!(!shown || view.blocked() == BTreeMap::from([("t.example", 2)]) && view.is_framed());
    }
    let many = seen(&multi("mixed", &[below; 12]));
    assert_eq!((many.more.len(), many.files.len()), (MORE, 3), "so many and no more");
    let footer = seen(&multi("mixed", &[plain, below]));
    assert!(footer.html.is_none() && footer.is_framed(), "HTML stands in no page itself");
}

#[test]
fn parts_without_a_name_are_no_programs() {
    for (kind, types, names) in [
        (
            "report; report-type=delivery-status",
            &["text/plain", "message/delivery-status", "text/rfc822-headers"][..],
            &["message-2.txt", "text-3.txt"][..],
        ),
        (
            "report; report-type=disposition-notification",
            &["text/plain", "message/disposition-notification", "message/rfc822"],
            &["message-2.txt", "message-3.eml"],
        ),
        ("alternative", &["text/plain", "text/x-amp-html", "text/html"], &["text-2.txt"]),
        (
            "mixed",
            &[
                "text/plain",
                "text/markdown",
                "image/heic",
                "image/x-emf",
                "application/octet-stream",
                "audio/amr",
            ],
            &["text-2.txt", "image-3.heic", "image-4", "application-5", "audio-6"],
        ),
    ] {
        let parts: String = types.iter().map(|kind| format!("--b\nContent-Type: {kind}\n\nx: y\n")).collect();
        let view = seen(&format!("Content-Type: multipart/{kind}; boundary=b\n\n{parts}--b--\n"));
        assert_eq!(view.files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), names);
        for file in view.files {
            assert_eq!(file.kind.danger(), None, "{}", file.name);
        }
    }
}

#[test]
fn photos_that_do_not_fit_are_files() {
    let data = format!("/9j/{}", "A".repeat(72)) + &format!("\n{}", "A".repeat(76)).repeat((4 << 20) / 57);
    let photos = ["1", "2", "3"].map(|id| picture("jpeg", id, &data));
    let html = "<img src=cid:3><img src=cid:3><img src=cid:3><img src=cid:3><img src=cid:1><img src=cid:2>";
    let (files, shown) = related(html, &photos.each_ref().map(String::as_str));
    assert_eq!((files, shown), (vec!["x.jpeg".to_owned()], 2), "two fit, and one of them again does not");
}

#[test]
fn html_that_is_too_deep_is_shown_as_text() {
    let deep = format!("{}words{}", "<div>".repeat(400), "</div>".repeat(400));
    let view = seen(&format!("Content-Type: text/html\n\n{deep}\n"));
    assert!(view.html.is_none());
    assert_eq!(view.text.trim(), "words");
}

#[test]
fn names_of_files_are_only_names() {
    let view = seen(
        "Content-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n\
         --b\nContent-Disposition: attachment; filename=\"../../etc/passwd\"\n\nx\n\
         --b\nContent-Disposition: attachment; filename*=utf-8''a%E2%80%AEgpj.exe\n\nx\n\
         --b\nContent-Type: message/rfc822\n\nSubject: in\n\ny\n--b--\n",
    );
    let names: Vec<_> = view.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names[..2], ["passwd", "agpj.exe"]);
    assert!(names[2].ends_with(".eml"), "{names:?}");
}

#[test]
fn payloads_in_every_field() {
    for payload in PAYLOADS.lines().filter(|payload| payload.is_ascii()) {
        let quoted = payload.replace(['\\', '"'], "");
        let view = seen(&format!(
            "From: \"{quoted}\" <a@x.example>\nSubject: {payload}\nContent-Type: multipart/mixed; boundary=zz9\n\n\
             --zz9\nContent-Type: text/html\n\n{payload}\n\
             --zz9\nContent-Disposition: attachment; filename=\"{quoted}\"\n\nx\n--zz9--\n"
        ));
        let html = view.html.map(|cleaned| cleaned.shown(&html::Words::default())).unwrap_or_default();
        let tags = skeleton(&html);
        assert!(tags.iter().all(|tag| !tag.starts_with("script") && !tag.contains(" on")), "{html}");
        for file in view.files {
            assert!(!file.name.contains(['<', '>', '/', '"']), "{}", file.name);
        }
    }
}

#[test]
fn places() {
    assert_eq!(Place::read("inbox", "7").unwrap().path(), "/mailbox/inbox/7");
    assert_eq!(Place::read("sent", "4294967295").unwrap().name(), "sent/4294967295");
    for (folder, uid) in [
        ("drafts", "7"),
        ("inbox", "0"),
        ("inbox", "07"),
        ("inbox", "+7"),
        ("inbox", "4294967296"),
        ("INBOX", "7"),
    ] {
        assert!(Place::read(folder, uid).is_none(), "{folder}/{uid}");
    }
}
