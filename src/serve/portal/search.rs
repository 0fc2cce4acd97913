//! Words in all messages of the mailbox. They come by POST, so that none stands in an address or a log.

use crate::flow::search::Found;
use crate::flow::search::Words;
use crate::serve::portal::Portal;
use crate::serve::portal::Signed;
use crate::serve::portal::Visit;
use crate::serve::portal::form::Form;
use crate::serve::portal::list;
use crate::serve::portal::list::Row;
use crate::serve::portal::page;
use crate::serve::portal::page::Answer;
use crate::serve::portal::page::Chrome;
use crate::serve::portal::trouble::Trouble;
use crate::store::record::Folder;
use askama::Template;
use axum::http::StatusCode;
use std::time::Duration;

#[derive(Template)]
#[template(path = "portal/search.html")]
struct Search<'a> {
    page: &'a Chrome,
    q: String,
    error: Option<String>,
    rows: Vec<Row>,
    headline: String,
    /// It ended before it had seen everything.
    stopped: bool,
    /// What was not searched: said in front of what was found.
    missed: Vec<String>,
    notes: Vec<String>,
}

/// Messages from which on a search is offered.
pub const FROM: usize = 5;
/// A search takes no longer than this.
const TIME: Duration = Duration::from_secs(10);
/// Characters that are looked for.
const TYPED: usize = 200;
/// Messages that are shown.
const SHOWN: usize = 200;
/// When to come again.
const SOON: Duration = Duration::from_secs(10);

/// `POST /mailbox/search`.
pub async fn post(portal: &Portal, visit: Visit, signed: Signed) -> Answer {
    let Visit { chrome, head, body, .. } = visit;
    let chrome = Chrome { path: "/mailbox/search".to_owned(), form: Some("search"), ..chrome };
    let form = Form::read(&head.headers, body).await?;
    let typed = form.text("q");
    let refusal = match Words::parse(typed) {
        _ if typed.chars().count() > TYPED => chrome.count("search-long", "most", &TYPED),
        None => chrome.say("search-empty"),
        Some(words) => {
            let _turn = portal.searches.begin(signed.who.mailbox).map_err(|_| Trouble::Busy(SOON))?;
            let folders = [Folder::INBOX, Folder::SENT];
            let found = portal.flow.search(&signed.who, &folders, words, TIME).await?;
            return page::html(StatusCode::OK, &results(&chrome, typed, &found, portal.flow.clock.now()));
        }
    };
    let page = Search {
        page: &chrome,
        q: typed.chars().take(TYPED).collect(),
        error: Some(refusal),
        rows: Vec::new(),
        headline: String::new(),
        stopped: false,
        missed: Vec::new(),
        notes: Vec::new(),
    };
    page::html(StatusCode::UNPROCESSABLE_ENTITY, &page)
}

fn results<'a>(chrome: &'a Chrome, typed: &str, found: &Found, now: crate::base::time::Time) -> Search<'a> {
    let hits = found.hits.len();
    let rows = found.hits.iter().take(SHOWN).map(|(folder, listed)| {
        let mut row = list::row(chrome, *folder, listed, now);
        row.place = Some(chrome.say(if *folder == Folder::SENT { "sent-title" } else { "inbox-title" }));
        row
    });
    let (mut notes, mut missed) = (Vec::new(), Vec::new());
    let stopped = found.searched + found.unreadable < found.all;
    if stopped {
        let counts = [("n", found.searched.into()), ("all", found.all.into())];
        missed.push(chrome.words("search-stopped", &counts));
    }
    if found.cut > 0 {
        missed.push(chrome.count("search-cut", "n", &found.cut));
    }
    if found.unreadable > 0 {
        missed.push(chrome.count("search-unreadable", "n", &found.unreadable));
    }
    if hits > SHOWN {
        notes.push(chrome.count("search-more", "most", &SHOWN));
    }
    if found.is_complete() {
        notes.push(chrome.count("search-all", "n", &found.all));
    } else if !stopped {
        notes.push(chrome.count("search-looked", "n", &found.all));
    }
    Search {
        page: chrome,
        q: typed.to_owned(),
        error: None,
        rows: rows.collect(),
        headline: chrome.count("search-found", "n", &hits),
        stopped,
        missed,
        notes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::language::Language;
    use crate::base::time::Time;
    use crate::serve::portal::tests::PAYLOADS;
    use crate::serve::portal::tests::chrome;
    use crate::serve::portal::tests::skeleton;

    fn page(chrome: &Chrome, typed: &str, found: &Found) -> String {
        results(chrome, typed, found, Time(0)).render().unwrap()
    }

    #[test]
    fn no_payload_becomes_markup() {
        for language in Language::ALL {
            let mut chrome = chrome(language);
            chrome.signed = true;
            let wanted = skeleton(&page(&chrome, "words", &Found::default()));
            for payload in PAYLOADS.lines() {
                assert_eq!(skeleton(&page(&chrome, payload, &Found::default())), wanted, "{payload}");
            }
        }
    }

    #[test]
    fn it_says_what_was_not_searched() {
        let mut chrome = chrome(Language::En);
        chrome.signed = true;
        let found =
            |all, searched, cut, unreadable| Found { all, searched, cut, unreadable, ..Found::default() };
        for (found, says, never) in [
            (found(12, 12, 0, 0), "All 12 messages were searched", "Not everything"),
            (found(12, 7, 0, 0), "7 of 12 messages", "Try fewer words"),
            (found(12, 12, 1, 0), "only the first part", "All 12"),
            (found(12, 11, 0, 1), "1 message cannot be read", "of 12 messages"),
        ] {
            let html = page(&chrome, "x", &found);
            assert!(html.contains(says) && !html.contains(never), "{says}: {html}");
        }
    }
}
