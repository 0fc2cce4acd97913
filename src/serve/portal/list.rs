//! The lists of messages: inbox and Sent, newest first, forty a page.

use crate::base::time::Time;
use crate::flow::reading::Listed;
use crate::flow::sign_in::Unlocked;
use crate::mime::display;
use crate::mime::summary::Summary;
use crate::serve::portal::Portal;
use crate::serve::portal::Signed;
use crate::serve::portal::Visit;
use crate::serve::portal::form::Form;
use crate::serve::portal::page;
use crate::serve::portal::page::Answer;
use crate::serve::portal::page::Chrome;
use crate::serve::portal::page::Tab;
use crate::serve::portal::search;
use crate::serve::portal::trouble::Trouble;
use crate::serve::portal::view::Place;
use crate::store::PAGE;
use crate::store::record::Folder;
use crate::store::record::FolderRecord;
use crate::store::record::Uid;
use askama::Template;
use axum::http::StatusCode;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "portal/list.html")]
struct List<'a> {
    page: &'a Chrome,
    title: String,
    opened: bool,
    sent: Option<SentNow>,
    recipient: String,
    searchable: bool,
    /// What is looked for: nothing yet.
    q: &'static str,
    total: usize,
    unread: usize,
    rows: Vec<Row>,
    empty: String,
    empty_more: Option<String>,
    pages: Option<Pages>,
    keep_until: String,
}

/// An answer that was sent just now.
#[derive(Debug)]
struct SentNow {
    text: String,
    href: String,
}

/// One message on the list.
#[derive(Debug)]
pub struct Row {
    /// Its page.
    pub href: String,
    /// Who wrote it; in Sent, to whom.
    pub who: String,
    /// The receivers, in Sent.
    to: String,
    /// What about.
    pub subject: String,
    /// Attachments.
    pub files: usize,
    /// When it arrived, short.
    pub when: String,
    /// `when` at length.
    date: String,
    /// Nobody has opened it yet.
    pub unread: bool,
    /// It was answered.
    pub answered: bool,
    /// The folder, where messages of several are listed.
    pub place: Option<String>,
}

/// Where the neighbouring pages are.
#[derive(Debug)]
struct Pages {
    of: String,
    newer: Option<String>,
    older: Option<String>,
}

/// Messages on a page.
const EACH: usize = 40;

/// `GET /mailbox`.
pub async fn inbox(portal: &Portal, mut visit: Visit, signed: Signed) -> Answer {
    visit.chrome.tab = Tab::Inbox;
    let opened = portal.sessions.take_first_look(signed.cookie.expose());
    let chrome = Chrome { query: kept(&visit.query), ..visit.chrome };
    let mut list = list(portal, &chrome, &visit.query, &signed.who, Folder::INBOX).await?;
    list.opened = opened;
    page::html(StatusCode::OK, &list)
}

/// `GET /mailbox/sent`.
pub async fn sent(portal: &Portal, mut visit: Visit, signed: Signed) -> Answer {
    visit.chrome.tab = Tab::Sent;
    let chrome = Chrome { query: kept(&visit.query), ..visit.chrome };
    let mut list = list(portal, &chrome, &visit.query, &signed.who, Folder::SENT).await?;
    if visit.query.is_set("sent") {
        list.sent = list.rows.first().map(|row| SentNow {
            text: chrome.words("sent-ok-text", &[("to", (&row.to).into()), ("date", (&row.date).into())]),
            href: row.href.clone(),
        });
    }
    page::html(StatusCode::OK, &list)
}

async fn list<'a>(
    portal: &Portal,
    chrome: &'a Chrome,
    query: &Form,
    who: &Arc<Unlocked>,
    folder: Folder,
) -> Result<List<'a>, Trouble> {
    let folders = portal.flow.store.folders(who.mailbox).await?;
    let everywhere: usize =
        folders.iter().map(|record| usize::try_from(record.messages).unwrap_or(usize::MAX)).sum();
    let record = folders.into_iter().find(|record| record.folder == folder).ok_or(Trouble::NotFound)?;
    let listed = page_of(portal, query, who, &record).await?;
    let now = portal.flow.clock.now();
    let rows: Vec<Row> = listed.iter().map(|listed| row(chrome, folder, listed, now)).collect();
    let closes = portal.flow.closes_on(who.mailbox).await?.ok_or(Trouble::NotFound)?;
    let (title, empty, empty_more) = if folder == Folder::SENT {
        (chrome.say("sent-title"), chrome.say("sent-empty"), Some(chrome.say("sent-empty-more")))
    } else {
        let address = who.address.to_string();
        let more = chrome.put("inbox-empty-more", "recipient", &address);
        (chrome.say("inbox-title"), chrome.say("inbox-empty"), Some(more))
    };
    let total = usize::try_from(record.messages).unwrap_or(usize::MAX);
    Ok(List {
        page: chrome,
        title,
        opened: false,
        sent: None,
        recipient: who.address.to_string(),
        total,
        unread: if folder == Folder::SENT { 0 } else { usize::try_from(record.unseen).unwrap_or(usize::MAX) },
        pages: pages(chrome, query, total, &listed),
        rows,
        empty,
        empty_more,
        searchable: everywhere >= search::FROM,
        q: "",
        keep_until: chrome.put("keep-until", "until", &chrome.date(closes)),
    })
}

/// The messages of one page, newest first: from in front of `before`, else those behind `after`, else the newest.
async fn page_of(
    portal: &Portal,
    query: &Form,
    who: &Arc<Unlocked>,
    record: &FolderRecord,
) -> Result<Vec<Listed>, Trouble> {
    if let Some(after) = uid(query, "after") {
        let mut listed = portal.flow.list(who, record.folder, after, EACH).await?;
        listed.reverse();
        return Ok(listed);
    }
    let mut end = uid(query, "before").unwrap_or(record.uid_next).0.min(record.uid_next.0);
    let mut span = u32::try_from(EACH).unwrap_or(u32::MAX);
    let mut found: Vec<Listed> = Vec::new();
    // Numbers have gaps where messages were removed: each step back is larger, up to a page of the store.
    while found.len() < EACH && end > 1 {
        let start = end.saturating_sub(span.saturating_add(1));
        let limit = usize::try_from(end - 1 - start).unwrap_or(PAGE);
        let mut step = portal.flow.list(who, record.folder, Uid(start), limit).await?;
        step.retain(|listed| listed.uid.0 < end);
        step.reverse();
        found.append(&mut step);
        end = start.saturating_add(1);
        span = span.saturating_mul(4).min(u32::try_from(PAGE).unwrap_or(u32::MAX) - 1);
    }
    found.truncate(EACH);
    Ok(found)
}

/// What of a query leads to the same page of the list again.
fn kept(query: &Form) -> String {
    let numbers = ["page", "before", "after"]
        .into_iter()
        .filter_map(|name| Some(format!("{name}={}&", query.text(name).parse::<u32>().ok()?)));
    numbers.collect()
}

fn uid(query: &Form, name: &str) -> Option<Uid> {
    query.text(name).parse().ok().map(Uid)
}

fn pages(chrome: &Chrome, query: &Form, total: usize, listed: &[Listed]) -> Option<Pages> {
    if total <= EACH {
        return None;
    }
    let all = total.div_ceil(EACH);
    let number = query.text("page").parse().unwrap_or(1_usize).clamp(1, all);
    let (first, last) = (listed.first()?.uid.0, listed.last()?.uid.0);
    let path = &chrome.path;
    let newer = match number {
        1 => None,
        2 => Some(path.clone()),
        _ => Some(format!("{path}?page={}&after={first}", number - 1)),
    };
    let older = (number < all).then(|| format!("{path}?page={}&before={last}", number + 1));
    let of = chrome.words("page-of", &[("page", number.into()), ("pages", all.into())]);
    Some(Pages { of, newer, older })
}

/// A message as a line.
pub fn row(chrome: &Chrome, folder: Folder, listed: &Listed, now: Time) -> Row {
    let place = Place { folder, uid: listed.uid };
    let unread = folder != Folder::SENT && !listed.flags.seen;
    let blank = Row {
        href: place.path(),
        who: String::new(),
        to: String::new(),
        subject: chrome.say("unreadable"),
        files: 0,
        when: chrome.when(listed.record.arrived, now),
        date: chrome.date_and_time(listed.record.arrived),
        unread,
        answered: listed.flags.answered,
        place: None,
    };
    let Some(summary) = &listed.summary else { return blank };
    let to = if folder == Folder::SENT { receivers(summary) } else { String::new() };
    let who = if folder == Folder::SENT { chrome.put("list-to", "to", &to) } else { summary.sender.clone() };
    let subject = if summary.subject.is_empty() { chrome.say("no-subject") } else { summary.subject.clone() };
    let files = usize::try_from(summary.attachment_count).unwrap_or(usize::MAX);
    Row { who, to, subject, files, ..blank }
}

/// The first receivers by name, else by address.
fn receivers(summary: &Summary) -> String {
    let Some(envelope) = &summary.envelope else { return String::new() };
    let names = envelope.to.mailboxes().take(5).filter_map(|mailbox| {
        let named = mailbox.display_name().filter(|name| !name.trim().is_empty());
        Some(display::single_line(&named.or_else(|| Some(mailbox.address()?.to_string()))?, 100))
    });
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::language::Language;
    use crate::serve::portal::tests::PAYLOADS;
    use crate::serve::portal::tests::chrome;
    use crate::serve::portal::tests::skeleton;

    fn page(chrome: &Chrome, text: &str, count: u32) -> String {
        let row = |uid: u32| Row {
            href: Place { folder: Folder::INBOX, uid: Uid(uid) }.path(),
            who: text.into(),
            to: text.into(),
            subject: text.into(),
            files: (uid % 3) as usize,
            when: "Today 09:12".into(),
            date: text.into(),
            unread: uid % 2 == 1,
            answered: uid.is_multiple_of(2),
            place: (uid > 2).then(|| text.into()),
        };
        let list = List {
            page: chrome,
            title: chrome.say("inbox-title"),
            opened: true,
            sent: Some(SentNow { text: text.into(), href: "/mailbox/sent/1".into() }),
            recipient: text.into(),
            searchable: true,
            q: "",
            total: count as usize,
            unread: 2,
            rows: (1..=count).rev().map(row).collect(),
            empty: chrome.say("inbox-empty"),
            empty_more: None,
            pages: Some(Pages { of: "Page 2 of 3".into(), newer: Some("/mailbox".into()), older: None }),
            keep_until: chrome.put("keep-until", "until", "1 March 2027"),
        };
        list.render().unwrap()
    }

    #[test]
    fn no_payload_becomes_markup() {
        let mut chrome = chrome(Language::De);
        chrome.signed = true;
        let wanted = skeleton(&page(&chrome, "words", 3));
        for payload in PAYLOADS.lines() {
            assert_eq!(skeleton(&page(&chrome, payload, 3)), wanted, "{payload}");
        }
    }

    #[test]
    fn the_first_message_link_is_the_newest_message() {
        let mut chrome = chrome(Language::En);
        chrome.signed = true;
        let html = page(&chrome, "words", 3);
        let first = html.split("href=\"/mailbox/inbox/").nth(1).unwrap();
        assert!(first.starts_with("3\""), "{first:.20}");
        assert!(html.split("<form ").nth(1).unwrap().starts_with("method=\"post\" action=\"/logout\""));
        assert!(page(&chrome, "words", 0).contains("There is no message here."));
    }
}
