//! From the mailbox to mail that comes directly: the recipient's own key, the test message, its code, and the way back.
//!
//! What is under way lies in the session, and ends with it; nothing changes before the code was right.

use crate::flow::direct::DirectError;
use crate::serve::portal::Portal;
use crate::serve::portal::Signed;
use crate::serve::portal::Visit;
use crate::serve::portal::form::Form;
use crate::serve::portal::key;
use crate::serve::portal::page;
use crate::serve::portal::page::Answer;
use crate::serve::portal::page::Chrome;
use crate::serve::portal::page::FieldError;
use crate::serve::portal::session::Checked;
use crate::serve::portal::trouble::Trouble;
use crate::serve::portal::upload;
use axum::http::StatusCode;
use std::io::Read;
use std::time::Duration;

/// A file with a key, octets.
pub const LARGEST: u64 = 64_000;
/// When there may be room again.
const SOON: Duration = Duration::from_secs(60);
/// The page of them all.
const PAGE: &str = "/mailbox/key";

/// `POST /mailbox/key/upload`: `certificate`, a file.
pub async fn upload(portal: &Portal, mut visit: Visit, signed: Signed) -> Answer {
    key::enter(&mut visit)?;
    let Visit { chrome, head, body, .. } = visit;
    let upload = upload::read(head, body, &portal.flow.spools, LARGEST, |_| {}).await?;
    let file = upload.files.into_iter().next().map(|file| {
        let mut bytes = Vec::new();
        let read = file.content.reader().take(LARGEST).read_to_end(&mut bytes);
        read.map(|_| bytes).map_err(|_| Trouble::Internal("an uploaded key could not be read from its spool"))
    });
    let read = match file.transpose()? {
        Some(file) => portal.flow.read_own(&signed.who, file).await,
        None => Err(DirectError::Unusable),
    };
    match read {
        Ok(own) => {
            let kept = portal.sessions.keep_own(signed.cookie.expose(), own);
            if kept { page::see_other(PAGE) } else { Err(Trouble::Busy(SOON)) }
        }
        Err(DirectError::Store(error)) => Err(error.into()),
        Err(_) => {
            let text = chrome.put("key-upload-bad", "recipient", &signed.who.address.to_string());
            let error = FieldError { field: "certificate", text };
            key::refused(portal, &chrome, &signed, error, StatusCode::UNPROCESSABLE_ENTITY).await
        }
    }
}

/// `POST /mailbox/key/direct`: `key` is `mailbox` or `own`; the test message goes out.
pub async fn test(portal: &Portal, mut visit: Visit, signed: Signed) -> Answer {
    key::enter(&mut visit)?;
    let Visit { chrome, head, body, .. } = visit;
    let form = Form::read(&head.headers, body).await?;
    let cookie = signed.cookie.expose();
    let own = match form.text("key") {
        "own" => match portal.sessions.direct(cookie).0 {
            Some(own) => Some(own),
            None => {
                let error = FieldError { field: "certificate", text: chrome.say("key-direct-no-own") };
                return key::refused(portal, &chrome, &signed, error, StatusCode::CONFLICT).await;
            }
        },
        _ => None,
    };
    match portal.flow.try_key(&signed.who, own, chrome.host(), chrome.language).await {
        Ok(trial) => {
            portal.sessions.set_trial(cookie, Some(trial));
            page::see_other(PAGE)
        }
        Err(error) => trouble(portal, &chrome, &signed, error).await,
    }
}

/// `POST /mailbox/key/confirm`: `code`; with `lang` it is only shown again, and costs no try.
pub async fn confirm(portal: &Portal, mut visit: Visit, signed: Signed) -> Answer {
    key::enter(&mut visit)?;
    let Visit { chrome, head, body, .. } = visit;
    let form = Form::read(&head.headers, body).await?;
    if form.is_set("lang") {
        return key::in_other_words(portal, &chrome, &signed, form.text("code")).await;
    }
    let cookie = signed.cookie.expose();
    match portal.sessions.check_code(cookie, form.text("code")) {
        Checked::Right(own) => match portal.flow.send_directly(&signed.who, own).await {
            Ok(()) => {
                portal.sessions.set_trial(cookie, None);
                page::see_other(PAGE)
            }
            Err(error) => trouble(portal, &chrome, &signed, error).await,
        },
        Checked::Wrong => {
            let error = FieldError { field: "code", text: chrome.say("key-test-wrong") };
            key::refused(portal, &chrome, &signed, error, StatusCode::FORBIDDEN).await
        }
        Checked::Spent => {
            portal.sessions.set_trial(cookie, None);
            refused(portal, &chrome, &signed, "key-test-spent").await
        }
    }
}

/// `POST /mailbox/key/undo`; with `test` only the test message is forgotten.
pub async fn undo(portal: &Portal, mut visit: Visit, signed: Signed) -> Answer {
    key::enter(&mut visit)?;
    let Visit { chrome, head, body, .. } = visit;
    let form = Form::read(&head.headers, body).await?;
    portal.sessions.set_trial(signed.cookie.expose(), None);
    if form.is_set("test") {
        return page::see_other(PAGE);
    }
    match portal.flow.send_to_mailbox(&signed.who).await {
        Ok(()) => page::see_other("/mailbox/key?off=1"),
        Err(error) => trouble(portal, &chrome, &signed, error).await,
    }
}

async fn trouble(portal: &Portal, chrome: &Chrome, signed: &Signed, error: DirectError) -> Answer {
    match error {
        DirectError::Store(error) => Err(error.into()),
        DirectError::Often => refused(portal, chrome, signed, "key-direct-often").await,
        DirectError::NotSent(_) => Err(Trouble::Busy(SOON)),
        DirectError::Unusable | DirectError::NotHere => {
            portal.sessions.set_trial(signed.cookie.expose(), None);
            refused(portal, chrome, signed, "key-direct-not-here").await
        }
    }
}

/// The page with a reason that belongs to the choice of the key.
async fn refused(portal: &Portal, chrome: &Chrome, signed: &Signed, id: &str) -> Answer {
    let error = FieldError { field: "direct", text: chrome.say(id) };
    key::refused(portal, chrome, signed, error, StatusCode::CONFLICT).await
}
