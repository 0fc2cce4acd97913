//! Signing out: the session and the key in it are gone.

use crate::serve::portal::Portal;
use crate::serve::portal::Visit;
use crate::serve::portal::cookie;
use crate::serve::portal::notice::Notice;
use crate::serve::portal::page;
use crate::serve::portal::page::Answer;
use axum::http::StatusCode;
use axum::http::header;

/// `POST /logout`; signing out twice is no mistake.
pub fn post(portal: &Portal, visit: Visit) -> Answer {
    if let Some(signed) = visit.signed {
        portal.sessions.end(signed.cookie.expose());
    }
    let mut answer = page::see_other("/signed-out")?;
    if let Some(line) = cookie::no_session(visit.chrome.face.site.secure()) {
        answer.headers_mut().append(header::SET_COOKIE, line);
    }
    Ok(answer)
}

/// What is shown then.
pub fn show(visit: &Visit) -> Answer {
    let chrome = &visit.chrome;
    Notice::new(chrome, chrome.say("signed-out-title"), vec![chrome.say("signed-out-text")])
        .button("/login", chrome.say("signin-again"))
        .answer(StatusCode::OK)
}
