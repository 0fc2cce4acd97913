//! One message: who, when, its text or its HTML in a frame, its files.

use crate::base::address::Address;
use crate::flow::signature::Origin;
use crate::flow::signature::Proof;
use crate::mime::display;
use crate::mime::file_kind;
use crate::mime::file_kind::FileKind;
use crate::serve::portal::Portal;
use crate::serve::portal::Signed;
use crate::serve::portal::Visit;
use crate::serve::portal::frame;
use crate::serve::portal::page;
use crate::serve::portal::page::Answer;
use crate::serve::portal::page::Chrome;
use crate::serve::portal::view;
use crate::serve::portal::view::File;
use crate::serve::portal::view::Need;
use crate::serve::portal::view::Place;
use crate::serve::portal::view::View;
use crate::store::Health;
use crate::store::command::Command;
use crate::store::command_part::FlagChange;
use crate::store::record::Flags;
use askama::Template;
use axum::http::Method;
use axum::http::StatusCode;

#[derive(Template)]
#[template(path = "portal/message.html")]
struct Message<'a> {
    page: &'a Chrome,
    path: String,
    subject: String,
    from_name: String,
    from_address: String,
    to: String,
    copies: String,
    date: String,
    expires: Option<String>,
    security: Security,
    shortened: Option<String>,
    blocked: Vec<String>,
    frame: Option<&'static str>,
    text: String,
    files: Vec<ListedFile>,
}

/// A file on the page.
#[derive(Debug)]
pub struct ListedFile {
    /// What its address ends with.
    pub number: usize,
    /// Its name.
    pub name: String,
    /// `PDF document, 412 KB`.
    pub about: String,
    /// What speaks against opening it.
    pub danger: Option<String>,
}

/// What is known of a message's sender, in words.
pub struct Security {
    /// Who is proven, and by what.
    pub text: String,
    /// A signature proves the sender.
    pub is_proven: bool,
    /// A signature speaks against it: said in front of everything.
    pub warning: Option<String>,
}

impl Security {
    /// What a signature is worth, of a message of this origin that says it is from `author`.
    pub fn new(chrome: &Chrome, origin: &Origin, author: &str, proof: Proof) -> Self {
        let said = |id: &str, address: &str| chrome.put(id, "sender_address", address);
        let text = match (origin, proof) {
            (Origin::Own, _) => chrome.say("sig-own"),
            (Origin::Notice, _) => chrome.say("sig-notice"),
            (Origin::Account(_) | Origin::Put, Proof::Valid) => said("sig-valid", author),
            (Origin::Put, _) => chrome.say("sig-put"),
            (Origin::Account(account), Proof::NotSigned) => said("sig-none", &people(account)),
            (Origin::Account(account), Proof::Bad) => said("sig-account", &people(account)),
            (Origin::Account(account), Proof::Unchecked) => said("sig-unchecked", &people(account)),
        };
        let is_theirs = *origin != Origin::Own;
        let warning = (is_theirs && proof == Proof::Bad).then(|| chrome.say("sig-bad"));
        Self { text, is_proven: is_theirs && proof == Proof::Valid, warning }
    }
}

/// An address as people read it.
fn people(address: &Option<Address>) -> String {
    address.as_ref().map_or(String::new(), |address| display::single_line(&address.to_string(), 320))
}

impl ListedFile {
    /// A file in the reader's language.
    pub fn new(chrome: &Chrome, file: &File) -> Self {
        let size = chrome.size(file.size);
        let ending = match (file_kind::ending(&file.name), file.kind) {
            ("", FileKind::WebPage) => "HTML".to_owned(),
            ("", FileKind::Archive) => "ZIP".to_owned(),
            (ending, _) => ending.to_uppercase(),
        };
        let kind = chrome.words(file.kind.word(), &[("ending", (&ending).into())]);
        let about = chrome.words("file-kind", &[("kind", (&kind).into()), ("size", (&size).into())]);
        let disguised =
            file_kind::is_disguised(&file.name).then(|| chrome.put("file-danger-double", "ending", &ending));
        let danger = disguised.into_iter().chain(file.kind.danger().map(|id| chrome.say(id)));
        let danger = danger.collect::<Vec<_>>().join(" ");
        Self {
            number: file.number,
            name: file.name.clone(),
            about,
            danger: (!danger.is_empty()).then_some(danger),
        }
    }
}

/// `GET /mailbox/<folder>/<uid>`: shows it, and notes that it was seen.
pub async fn show(portal: &Portal, mut visit: Visit, signed: Signed) -> Answer {
    let (place, message) = view::open(portal, &mut visit, &signed).await?;
    let words = frame::words(&visit.chrome, true);
    let shown = view::blocking(message, move |message| {
        let view = view::view(message, Need::Outline)?;
        let text = if view.is_framed() { String::new() } else { frame::document(&view, &words) };
        Ok((text, view))
    });
    let (message, (text, view)) = shown.await?;
    let origin = portal.flow.origin(&signed.who, &message.record, view.author.as_ref()).await?;
    let (message, proof) = portal.flow.signature(message, view.author.clone()).await?;
    if !message.flags.seen && visit.head.method == Method::GET {
        note_seen(portal, &signed, place).await;
    }
    let chrome = &visit.chrome;
    let page = Message {
        page: chrome,
        path: place.path(),
        subject: view.title(chrome),
        expires: view.expires.map(|until| chrome.put("message-expires-by", "until", &chrome.date(until))),
        security: Security::new(chrome, &origin, &view.from_address, proof),
        shortened: view.shortened.map(|id| chrome.say(id)),
        blocked: blocked(chrome, &view),
        frame: view.is_framed().then(|| height(&view)),
        date: chrome.date_and_time(view.date.unwrap_or(message.record.arrived)),
        files: view.files.iter().map(|file| ListedFile::new(chrome, file)).collect(),
        text,
        from_name: view.from_name,
        from_address: view.from_address,
        to: view.to,
        copies: view.copies,
    };
    page::html(StatusCode::OK, &page)
}

/// What is said of pictures that were not loaded, a line for each host.
pub fn blocked(chrome: &Chrome, view: &View) -> Vec<String> {
    let line = |(host, count): (&str, usize)| {
        chrome.words("blocked-text", &[("n", count.into()), ("from_host", host.into())])
    };
    view.blocked().into_iter().map(line).collect()
}

/// A frame's height by the length of its text, since no script may measure it.
fn height(view: &View) -> &'static str {
    match view.texts().map(|text| text.chars().count() + 60 * text.lines().count()).sum() {
        0..800 => " short",
        800..3_000 => "",
        _ => " long",
    }
}

/// Its failure never fails the reading.
async fn note_seen(portal: &Portal, signed: &Signed, place: Place) {
    if !matches!(portal.flow.store.health(), Health::Good | Health::NoNewMail) {
        return;
    }
    let seen = Command::SetFlags {
        mailbox: signed.who.mailbox,
        folder: place.folder,
        uids: vec![place.uid],
        change: FlagChange::Add,
        flags: Flags { seen: true, ..Flags::default() },
    };
    if let Err(error) = portal.flow.store.commit(vec![seen]).await {
        tracing::debug!(%error, "a message stays unseen");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::language::Language;
    use crate::serve::portal::html;
    use crate::serve::portal::page::Tab;
    use crate::serve::portal::tests::PAYLOADS;
    use crate::serve::portal::tests::chrome;
    use crate::serve::portal::tests::skeleton;

    fn page(chrome: &Chrome, text: &str, frame: Option<&'static str>) -> String {
        let about = chrome.put("file-document", "ending", text);
        let file = ListedFile { number: 2, name: display::file_name(text), about, danger: Some(text.into()) };
        let message = Message {
            page: chrome,
            path: "/mailbox/inbox/7".into(),
            subject: text.into(),
            from_name: text.into(),
            from_address: text.into(),
            to: text.into(),
            copies: text.into(),
            date: "22 November 2026, 09:12 UTC".into(),
            expires: Some(chrome.put("message-expires-by", "until", text)),
            security: Security {
                text: chrome.put("sig-none", "sender_address", text),
                is_proven: false,
                warning: Some(chrome.say("sig-bad")),
            },
            shortened: Some(chrome.say("message-cut")),
            blocked: vec![chrome.words("blocked-text", &[("n", 2_u8.into()), ("from_host", text.into())])],
            frame,
            text: html::text(text, &frame::words(chrome, true)),
            files: vec![file],
        };
        message.render().unwrap()
    }

    #[test]
    fn no_payload_becomes_markup() {
        for language in Language::ALL {
            let mut chrome = chrome(language);
            chrome.signed = true;
            chrome.tab = Tab::Inbox;
            for frame in [None, Some(" short")] {
                let wanted = skeleton(&page(&chrome, "plain words", frame));
                for payload in PAYLOADS.lines() {
                    let linked = frame.is_none()
                        && html::text(payload, &html::Words::default()).matches('<').count() != 2;
                    let found = skeleton(&page(&chrome, payload, frame));
                    assert!(linked || found == wanted, "{payload}");
                }
            }
        }
    }

    #[test]
    fn who_is_told_is_who_the_server_knows() {
        let chrome = chrome(Language::En);
        let account = Origin::Account(Some(Address::parse("alice@a.example").unwrap()));
        let said = |origin: &Origin, proof| {
            let Security { text, is_proven, warning } =
                Security::new(&chrome, origin, "boss@a.example", proof);
            (text.replace(['\u{2068}', '\u{2069}'], ""), is_proven, warning.is_some())
        };
        for (proof, proven, warned) in [
            (Proof::Valid, true, false),
            (Proof::NotSigned, false, false),
            (Proof::Bad, false, true),
            (Proof::Unchecked, false, false),
        ] {
            let (text, is_proven, is_warned) = said(&account, proof);
            assert_eq!((is_proven, is_warned), (proven, warned), "{proof:?}");
            assert_eq!(text.contains("from the account alice@a.example"), proof != Proof::Valid, "{text}");
            assert_eq!(text.contains("boss@a.example"), proof == Proof::Valid, "{text}");
            let (text, is_proven, is_warned) = said(&Origin::Own, proof);
            assert!(text.starts_with("You wrote this") && !is_proven && !is_warned, "{text}");
            assert!(said(&Origin::Notice, proof).0.starts_with("This is a notice"));
            let (text, is_proven, is_warned) = said(&Origin::Put, proof);
            assert_eq!((is_proven, is_warned), (proof == Proof::Valid, proof == Proof::Bad));
            assert!(is_proven || text.starts_with("A mail program has put this message here"), "{text}");
        }
    }

    #[test]
    fn files_are_told_in_words() {
        let chrome = chrome(Language::En);
        for (name, about, danger) in [
            ("Contract.pdf", "PDF document, 412 KB", None),
            ("a.odt", "Document (ODT), 412 KB", None),
            ("noname", "File, 412 KB", None),
            ("setup.exe", "Program (EXE), 412 KB", Some("Programs can harm")),
            (
                "invoice.pdf.js",
                "Program (JS), 412 KB",
                Some("The name imitates another kind of file; the last ending counts: JS."),
            ),
            ("page.html", "Web page (HTML), 412 KB", Some("It may imitate a sign-in page.")),
        ] {
            let kind = FileKind::of(name, "application", "octet-stream");
            let listed =
                ListedFile::new(&chrome, &File { number: 1, name: name.into(), size: 412_000, kind });
            let plain = |text: &str| text.replace(['\u{2068}', '\u{2069}'], "").replace('\u{a0}', " ");
            assert_eq!(plain(&listed.about), plain(about), "{name}");
            assert_eq!(listed.danger.is_some(), danger.is_some(), "{name}");
            if let (Some(said), Some(want)) = (listed.danger, danger) {
                assert!(plain(&said).starts_with(want), "{said}");
            }
        }
    }

    #[test]
    fn signing_out_comes_first_and_links_are_absolute_paths() {
        let mut chrome = chrome(Language::En);
        chrome.signed = true;
        let html = page(&chrome, "x", Some(""));
        assert!(html.split("<form ").nth(1).unwrap().starts_with("method=\"post\" action=\"/logout\""));
        for path in ["body", "reply", "print", "raw", "attachment/2"] {
            assert!(html.contains(&format!("\"/mailbox/inbox/7/{path}\"")), "{path}");
        }
        assert!(html.contains("sandbox=\"allow-popups allow-popups-to-escape-sandbox\""));
        assert!(!html.contains("https://post"));
    }
}
