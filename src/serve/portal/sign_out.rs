//! Signing out: the session and the key in it are gone.

use crate::serve::portal::Portal;
use crate::serve::portal::Visit;
use crate::serve::portal::cookie;
use crate::serve::portal::notice::Notice;
use crate::serve::portal::page::Answer;
use axum::http::StatusCode;
use axum::http::header;

/// `POST /logout`; signing out twice is no mistake.
pub fn post(portal: &Portal, visit: Visit) -> Answer {
    let mut chrome = visit.chrome;
    chrome.path = "/login".to_owned();
    if let Some(signed) = visit.signed {
        portal.sessions.end(signed.cookie.expose());
    }
    let lines = vec![chrome.say("signed-out-text")];
    let mut answer = Notice::new(&chrome, chrome.say("signed-out-title"), lines)
        .button("/login", chrome.say("signin-again"))
        .answer(StatusCode::OK)?;
    if let Some(line) = cookie::no_session(chrome.face.site.secure()) {
        answer.headers_mut().append(header::SET_COOKIE, line);
    }
    Ok(answer)
}
