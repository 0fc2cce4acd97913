//! Where the mailbox is open: browsers and mail programs, each to be ended by its owner.

use crate::serve::portal::Portal;
use crate::serve::portal::Signed;
use crate::serve::portal::Visit;
use crate::serve::portal::cookie;
use crate::serve::portal::form::Form;
use crate::serve::portal::page;
use crate::serve::portal::page::Answer;
use crate::serve::portal::page::Chrome;
use crate::serve::portal::page::Tab;
use crate::serve::portal::session::Listed;
use askama::Template;
use axum::http::StatusCode;
use axum::http::header;
use std::time::Duration;

#[derive(Template)]
#[template(path = "portal/sessions.html")]
struct Sessions<'a> {
    page: &'a Chrome,
    ended: bool,
    browsers: Vec<Line>,
    programs: Vec<String>,
    others: bool,
}

/// A browser on the page.
#[derive(Debug)]
struct Line {
    number: String,
    agent: String,
    since: String,
    used: String,
    own: bool,
}

/// `GET /mailbox/sessions`.
pub async fn show(portal: &Portal, mut visit: Visit, signed: Signed) -> Answer {
    visit.chrome.tab = Tab::Sessions;
    let chrome = &visit.chrome;
    let (now, running) = (portal.flow.clock.now(), portal.flow.clock.running());
    let ago = |span: Duration| chrome.date_and_time(now - span);
    let line = |session: Listed| Line {
        agent: session.agent.words(chrome),
        since: chrome.put("session-since", "since", &ago(session.age)),
        used: chrome.put("session-used", "used", &ago(session.idle)),
        number: session.number,
        own: session.own,
    };
    let listed = portal.sessions.list(signed.who.mailbox, signed.cookie.expose(), running);
    let programs = portal.flow.visits.of(signed.who.mailbox);
    let page = Sessions {
        page: chrome,
        ended: visit.query.is_set("ended"),
        others: listed.len() > 1 || !programs.is_empty(),
        browsers: listed.into_iter().map(line).collect(),
        programs: programs
            .into_iter()
            .map(|begun| chrome.put("session-since", "since", &ago(running.saturating_sub(begun))))
            .collect(),
    };
    page::html(StatusCode::OK, &page)
}

/// `POST /mailbox/sessions/end`: one of them; one's own is signing out.
pub async fn end(portal: &Portal, visit: Visit, signed: Signed) -> Answer {
    let Visit { chrome, head, body, .. } = visit;
    let form = Form::read(&head.headers, body).await?;
    // One that is not there any more has what was wanted.
    portal.sessions.end_number(signed.who.mailbox, form.text("session"));
    if !signed.ended.is_cancelled() {
        return page::see_other("/mailbox/sessions?ended=1");
    }
    let mut answer = page::see_other("/signed-out")?;
    if let Some(line) = cookie::no_session(chrome.face.site.secure()) {
        answer.headers_mut().append(header::SET_COOKIE, line);
    }
    Ok(answer)
}

/// `POST /mailbox/sessions/end-others`: all browsers but this one, and all mail programs.
pub async fn end_others(portal: &Portal, visit: Visit, signed: Signed) -> Answer {
    let Visit { head, body, .. } = visit;
    Form::read(&head.headers, body).await?;
    portal.sessions.end_others(signed.who.mailbox, signed.cookie.expose());
    portal.flow.visits.end_all(signed.who.mailbox);
    tracing::info!(mailbox = %signed.who.mailbox, "all other sessions ended by their owner");
    page::see_other("/mailbox/sessions?ended=1")
}
