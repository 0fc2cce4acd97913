//! One message: who, when, its text or its HTML in a frame, its files.

use crate::serve::portal::Portal;
use crate::serve::portal::Signed;
use crate::serve::portal::Visit;
use crate::serve::portal::frame;
use crate::serve::portal::html;
use crate::serve::portal::page;
use crate::serve::portal::page::Answer;
use crate::serve::portal::page::Chrome;
use crate::serve::portal::view;
use crate::serve::portal::view::File;
use crate::serve::portal::view::Need;
use crate::serve::portal::view::Place;
use crate::store::Health;
use crate::store::command::Command;
use crate::store::command::FlagChange;
use crate::store::record::Flags;
use crate::store::record::Folder;
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
    origin: Option<String>,
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
    /// `PDF, 412 KB`.
    pub about: String,
}

impl ListedFile {
    /// A file in the reader's language.
    pub fn new(chrome: &Chrome, file: &File) -> Self {
        let size = chrome.size(file.size);
        let ending = file.name.rsplit_once('.').map(|(_, ending)| ending.to_uppercase());
        let about = match ending.filter(|ending| (1..=5).contains(&ending.chars().count())) {
            Some(kind) => chrome.words("file-kind", &[("kind", (&kind).into()), ("size", (&size).into())]),
            None => size,
        };
        Self { number: file.number, name: file.name.clone(), about }
    }
}

/// `GET /mailbox/<folder>/<uid>`: shows it, and notes that it was seen.
pub async fn show(portal: &Portal, mut visit: Visit, signed: Signed) -> Answer {
    let (place, message) = view::open(portal, &mut visit, &signed).await?;
    let (message, view) = view::blocking(message, |message| view::view(message, Need::Outline)).await?;
    if !message.flags.seen && visit.head.method == Method::GET {
        note_seen(portal, &signed, place).await;
    }
    let chrome = &visit.chrome;
    let blocked = view.html.iter().flat_map(|html| &html.blocked).map(|(host, count)| {
        chrome.words("blocked-text", &[("n", (*count).into()), ("from_host", host.into())])
    });
    let local = place.folder == Folder::INBOX && message.record.sender.is_some() && !view.is_signed;
    let page = Message {
        page: chrome,
        path: place.path(),
        subject: view.title(chrome),
        origin: local.then(|| chrome.put("sig-none", "sender_address", &view.from_address)),
        blocked: blocked.collect(),
        frame: view.html.as_ref().map(|_| height(&view.text)),
        date: chrome.date_and_time(view.date.unwrap_or(message.record.arrived)),
        files: view.files.iter().map(|file| ListedFile::new(chrome, file)).collect(),
        text: html::text(&view.text, &frame::words(chrome, true)),
        from_name: view.from_name,
        from_address: view.from_address,
        to: view.to,
        copies: view.copies,
    };
    page::html(StatusCode::OK, &page)
}

/// A frame's height by the length of its text, since no script may measure it.
fn height(text: &str) -> &'static str {
    match text.chars().count() + 60 * text.lines().count() {
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
    use crate::mime::display;
    use crate::serve::portal::page::Tab;
    use crate::serve::portal::tests::PAYLOADS;
    use crate::serve::portal::tests::chrome;
    use crate::serve::portal::tests::skeleton;

    fn page(chrome: &Chrome, text: &str, frame: Option<&'static str>) -> String {
        let file = File { number: 2, name: display::file_name(text), size: 412_000 };
        let message = Message {
            page: chrome,
            path: "/mailbox/inbox/7".into(),
            subject: text.into(),
            from_name: text.into(),
            from_address: text.into(),
            to: text.into(),
            copies: text.into(),
            date: "22 November 2026, 09:12 UTC".into(),
            origin: Some(chrome.put("sig-none", "sender_address", text)),
            blocked: vec![chrome.words("blocked-text", &[("n", 2_u8.into()), ("from_host", text.into())])],
            frame,
            text: html::text(text, &frame::words(chrome, true)),
            files: vec![ListedFile::new(chrome, &file)],
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
