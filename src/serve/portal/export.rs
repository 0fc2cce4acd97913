//! Everything in one file: what it holds, the file, and how far it is.

use crate::flow::export::Counted;
use crate::flow::export::Sink;
use crate::flow::export::Words;
use crate::serve::portal::Portal;
use crate::serve::portal::Signed;
use crate::serve::portal::Visit;
use crate::serve::portal::attachment;
use crate::serve::portal::form::Form;
use crate::serve::portal::notice::Notice;
use crate::serve::portal::page;
use crate::serve::portal::page::Answer;
use crate::serve::portal::page::Chrome;
use crate::serve::portal::page::Tab;
use crate::serve::portal::trouble::Trouble;
use crate::serve::portal::work::NotNow;
use crate::store::record::Folder;
use askama::Template;
use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use futures_util::stream;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

#[derive(Template)]
#[template(path = "portal/export.html")]
struct Export<'a> {
    page: &'a Chrome,
    folders: Vec<(String, String)>,
    total: String,
    empty: bool,
    long: Option<String>,
    /// How many there were before.
    completed: u8,
}

/// `GET /mailbox/export`.
pub async fn show(portal: &Portal, mut visit: Visit, signed: Signed) -> Answer {
    visit.chrome.tab = Tab::Export;
    let chrome = &visit.chrome;
    let counted = portal.flow.count_export(&signed.who).await?;
    let (messages, size) = counted.iter().fold((0, 0), |(m, s), of| (m + of.messages, s + of.size));
    let page = Export {
        page: chrome,
        folders: counted
            .iter()
            .filter_map(|of| Some((title(chrome, of)?, words(chrome, of.messages, of.size))))
            .collect(),
        total: words(chrome, messages, size),
        empty: messages == 0,
        long: (size > QUICK).then(|| chrome.count("export-long", "minutes", &minutes(size))),
        completed: portal.exports.completed(signed.who.mailbox),
    };
    page::html(StatusCode::OK, &page)
}

fn title(chrome: &Chrome, of: &Counted) -> Option<String> {
    match of.folder {
        Folder::INBOX => Some(chrome.say("inbox-title")),
        Folder::SENT => Some(chrome.say("sent-title")),
        // What only a mail program shows counts in the sum.
        _ => None,
    }
}

/// `12 messages, about 3.4 MB`.
fn words(chrome: &Chrome, messages: u64, size: u64) -> String {
    if messages == 0 {
        return chrome.count("inbox-count", "n", &0);
    }
    let (n, size) = (usize::try_from(messages).unwrap_or(usize::MAX), chrome.size(size));
    chrome.words("export-size", &[("n", n.into()), ("size", (&size).into())])
}

/// Smaller than this it is there before anybody wonders, octets.
const QUICK: u64 = 20_000_000;
/// Of an ordinary line: 10 Mbit/s, octets.
const LINE: u64 = 1_250_000;

fn minutes(size: u64) -> usize {
    usize::try_from((size / LINE).div_ceil(60).max(1)).unwrap_or(usize::MAX)
}

/// `POST /mailbox/export`: the zip, as fast as it is taken. One at a time for each mailbox; it ends with its reader
/// and with its session.
pub async fn post(portal: &Portal, mut visit: Visit, signed: Signed) -> Answer {
    visit.chrome.tab = Tab::Export;
    let Visit { chrome, head, body, .. } = visit;
    Form::read(&head.headers, body).await?;
    let work = match portal.exports.begin(signed.who.mailbox) {
        Ok(work) => work,
        Err(NotNow::Full) => return Err(Trouble::Busy(SOON)),
        Err(NotNow::Going) => {
            return Notice::new(&chrome, chrome.say("export-going-title"), vec![chrome.say("export-going")])
                .button("/mailbox/export", chrome.say("export-back"))
                .answer(StatusCode::CONFLICT);
        }
    };
    let flow = portal.flow.clone();
    let now = flow.clock.now();
    let when = chrome.date_and_time(now);
    let address = signed.who.address.to_string();
    let report = Words {
        name: chrome.say("export-report-name"),
        intro: chrome.words("export-report", &[("recipient", (&address).into()), ("date", (&when).into())]),
        whole: chrome.say("export-report-whole"),
        missing: chrome.say("export-report-missing"),
        unreadable: chrome.say("export-report-unreadable"),
        no_subject: chrome.say("no-subject"),
    };
    let plan = flow.plan_export(&signed.who, report).await?;
    let length = plan.length();
    let (give, take) = mpsc::channel(2);
    let sink = Sink { give, ended: signed.ended };
    let (sessions, cookie, clock) = (portal.sessions.clone(), signed.cookie, flow.clock.clone());
    let done = move |sent: u64, all: u64| {
        work.is_at(sent, all);
        sessions.touch(cookie.expose(), clock.running());
    };
    tokio::spawn(flow.export(Arc::clone(&signed.who), plan, sink, done));
    let body = stream::unfold(take, |mut take| async { take.recv().await.map(|item| (item, take)) });
    let mut answer = page::content(StatusCode::OK, "application/zip", Body::from_stream(body));
    answer.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    let day = now.timestamp().strftime("%Y-%m-%d").to_string();
    attachment::call(&mut answer, &chrome.put("export-file-name", "date", &day))?;
    Ok(answer)
}

/// When to come again while there are too many.
const SOON: Duration = Duration::from_secs(60);

/// `GET /mailbox/export/progress`: how far it is, as a picture.
pub fn progress(portal: &Portal, signed: &Signed) -> Answer {
    Ok(portal.exports.picture(signed.who.mailbox))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_ones_take_minutes() {
        for (size, want) in [
            (1, 1),
            (75_000_000, 1),
            (76_500_000, 2),
            (1_000_000_000, 14),
            (u64::MAX, usize::MAX / 75_000_000),
        ] {
            let found = minutes(size);
            assert!(found == want || size == u64::MAX, "{size}: {found}");
        }
    }
}
