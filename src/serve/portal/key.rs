//! The mailbox's own OpenPGP keys: what they are, and how to take them along.
//!
//! Two forms, one behind the other, so that passphrase and file both arrive without a script: the password makes a
//! passphrase, which is shown once and stands in the second form; that form's answer is the file. The session keeps
//! a hash of the passphrase for ten minutes, and nothing that opens anything.

use crate::base::secret::Secret;
use crate::flow::direct::is_chosen;
use crate::flow::own_key::OwnKey;
use crate::flow::own_key::OwnKeyError;
use crate::flow::sign_in::SignInError;
use crate::openpgp::fingerprint_text;
use crate::serve::portal::Portal;
use crate::serve::portal::Signed;
use crate::serve::portal::Visit;
use crate::serve::portal::attachment;
use crate::serve::portal::direct;
use crate::serve::portal::form::Form;
use crate::serve::portal::notice::Notice;
use crate::serve::portal::page;
use crate::serve::portal::page::Answer;
use crate::serve::portal::page::Chrome;
use crate::serve::portal::page::FieldError;
use crate::serve::portal::page::Tab;
use crate::serve::portal::session;
use crate::serve::portal::trouble::Trouble;
use askama::Template;
use axum::http::StatusCode;
use std::time::Duration;

#[derive(Template)]
#[template(path = "portal/key.html")]
struct Keys<'a> {
    page: &'a Chrome,
    errors: Vec<FieldError>,
    keys: Vec<Line>,
    /// Of the mailbox: programs that keep passwords find the one for it.
    recipient: String,
    /// Since when mail goes directly.
    direct: Option<String>,
    /// The owner of the mailbox chose that, and may undo it.
    undo: bool,
    /// A test message is out.
    test: bool,
    /// What was typed of its code.
    code: String,
    /// The fingerprint of the recipient's own key.
    own: Option<String>,
    /// What was done just now.
    done: Option<String>,
    limit: String,
}

impl Keys<'_> {
    fn is_wrong(&self, field: &str) -> bool {
        self.errors.iter().any(|error| error.field == field)
    }

    fn error(&self, field: &str) -> &str {
        self.errors.iter().find(|error| error.field == field).map_or("", |error| &error.text)
    }
}

/// A key on the page.
#[derive(Debug)]
struct Line {
    fingerprint: String,
    created: String,
    current: bool,
}

/// The passphrase, this once.
#[derive(Template)]
#[template(path = "portal/key_file.html")]
struct KeyFile<'a> {
    page: &'a Chrome,
    passphrase: &'a str,
    limit: String,
}

/// `GET /mailbox/key`.
pub async fn show(portal: &Portal, mut visit: Visit, signed: Signed) -> Answer {
    enter(&mut visit)?;
    let done = visit.query.is_set("off").then(|| visit.chrome.say("key-direct-off"));
    let chrome = &around(portal, visit.chrome, &signed).await?;
    page::html(StatusCode::OK, &Keys { done, ..keys(portal, chrome, &signed, Vec::new()).await? })
}

/// The page in the language that was asked for, with what was typed of the code; it is not looked at.
pub async fn in_other_words(portal: &Portal, chrome: &Chrome, signed: &Signed, code: &str) -> Answer {
    let chrome = &around(portal, chrome.clone(), signed).await?;
    let code = code.chars().take(CODE).collect();
    page::html(StatusCode::OK, &Keys { code, ..keys(portal, chrome, signed, Vec::new()).await? })
}

/// While a code is waited for, the other language takes along what was typed of it.
async fn around(portal: &Portal, chrome: Chrome, signed: &Signed) -> Result<Chrome, Trouble> {
    let (_, test) = portal.sessions.direct(signed.cookie.expose());
    if !test || portal.flow.direct(&signed.who).await?.is_some() {
        return Ok(chrome);
    }
    Ok(Chrome { path: "/mailbox/key/confirm".to_owned(), form: Some("confirm"), ..chrome })
}

/// Characters of a code that are shown again.
const CODE: usize = 20;

/// `POST /mailbox/key/download`: the password again.
pub async fn download(portal: &Portal, mut visit: Visit, signed: Signed) -> Answer {
    enter(&mut visit)?;
    let Visit { chrome, head, body, source, .. } = visit;
    let form = Form::read(&head.headers, body).await?;
    let password = Secret::new(form.text("password").to_owned());
    match portal.flow.allow_key_file(&signed.who, password, &source).await {
        Ok(passphrase) => {
            portal.sessions.grant(signed.cookie.expose(), &passphrase, portal.flow.clock.running());
            passphrase_shown(chrome, &passphrase, session::GRANT)
        }
        Err(OwnKeyError::SignIn(SignInError::Wrong)) => {
            let error = FieldError { field: "password", text: chrome.say("key-password-wrong") };
            refused(portal, &chrome, &signed, error, StatusCode::FORBIDDEN).await
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /mailbox/key/file`: the passphrase that was shown brings the file, once.
pub async fn file(portal: &Portal, mut visit: Visit, signed: Signed) -> Answer {
    enter(&mut visit)?;
    let Visit { chrome, head, body, .. } = visit;
    let form = Form::read(&head.headers, body).await?;
    let passphrase = || Secret::new(form.text("passphrase").to_owned());
    let (cookie, running) = (signed.cookie.expose(), portal.flow.clock.running());
    if form.is_set("lang")
        && let Some(left) = portal.sessions.granted(cookie, &passphrase(), running)
    {
        return passphrase_shown(chrome, &passphrase(), left);
    }
    if form.is_set("lang") || !portal.sessions.take_grant(cookie, &passphrase(), running) {
        let text = vec![chrome.say("key-file-gone")];
        return Notice::new(&chrome, chrome.say("key-file-gone-title"), text)
            .button("/mailbox/key", chrome.say("key-again"))
            .answer(StatusCode::FORBIDDEN);
    }
    let file = match portal.flow.key_file(&signed.who, passphrase()).await {
        Ok(file) => file,
        Err(error) => {
            // It was not fetched: the same passphrase may ask again.
            portal.sessions.grant(cookie, &passphrase(), running);
            return Err(error.into());
        }
    };
    saved(file.expose().clone(), "openpgp-key.asc")
}

/// The passphrase, this once, and the file behind it for so long; the other language takes both along.
fn passphrase_shown(chrome: Chrome, passphrase: &Secret<String>, left: Duration) -> Answer {
    let minutes = usize::try_from(left.as_secs().div_ceil(60)).unwrap_or(usize::MAX);
    let limit = chrome.count("key-file-next", "minutes", &minutes);
    let chrome = Chrome { path: "/mailbox/key/file".to_owned(), form: Some("key-file"), ..chrome };
    page::html(StatusCode::OK, &KeyFile { page: &chrome, passphrase: passphrase.expose(), limit })
}

/// `GET /mailbox/key/public`.
pub async fn public(portal: &Portal, mut visit: Visit, signed: Signed) -> Answer {
    enter(&mut visit)?;
    saved(portal.flow.own_certificates(&signed.who).await?, "openpgp-public-key.asc")
}

/// RFC 3156 §7.
fn saved(armored: String, name: &str) -> Answer {
    let mut answer = page::content(StatusCode::OK, "application/pgp-keys", armored);
    attachment::call(&mut answer, name)?;
    Ok(answer)
}

/// Where it is switched off there is nothing.
pub fn enter(visit: &mut Visit) -> Result<(), Trouble> {
    visit.chrome.tab = Tab::Key;
    visit.chrome.path = "/mailbox/key".to_owned();
    if visit.chrome.face.key_download { Ok(()) } else { Err(Trouble::NotFound) }
}

/// The page with an error.
pub async fn refused(
    portal: &Portal,
    chrome: &Chrome,
    signed: &Signed,
    error: FieldError,
    status: StatusCode,
) -> Answer {
    let chrome = &around(portal, chrome.clone(), signed).await?;
    page::html(status, &keys(portal, chrome, signed, vec![error]).await?)
}

async fn keys<'a>(
    portal: &Portal,
    chrome: &'a Chrome,
    signed: &Signed,
    errors: Vec<FieldError>,
) -> Result<Keys<'a>, Trouble> {
    let keys = portal.flow.own_keys(&signed.who).await?;
    let direct = portal.flow.direct(&signed.who).await?;
    let undo = direct.as_ref().is_some_and(|record| is_chosen(record, &signed.who));
    let (own, test) = portal.sessions.direct(signed.cookie.expose());
    let recipient = signed.who.address.to_string();
    Ok(Keys {
        page: chrome,
        errors,
        keys: keys.iter().map(|key| line(chrome, key)).collect(),
        test: test && direct.is_none(),
        code: String::new(),
        undo,
        direct: direct.map(|direct| {
            let since = chrome.date(direct.imported);
            chrome
                .words("key-direct-on-text", &[("date", (&since).into()), ("recipient", (&recipient).into())])
        }),
        recipient,
        own: own.map(|own| grouped(&fingerprint_text(&own.fingerprint.0))),
        done: None,
        limit: chrome.size(direct::LARGEST),
    })
}

fn line(chrome: &Chrome, key: &OwnKey) -> Line {
    Line {
        fingerprint: grouped(&fingerprint_text(&key.fingerprint.0)),
        created: chrome.date(key.created),
        current: key.current,
    }
}

/// In groups of four, as people compare them.
fn grouped(fingerprint: &str) -> String {
    let digits: Vec<char> = fingerprint.chars().collect();
    digits.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::language::Language;
    use crate::serve::portal::tests::chrome;

    #[test]
    fn the_password_never_comes_back_and_the_error_comes_first() {
        for language in Language::ALL {
            let mut chrome = chrome(language);
            chrome.signed = true;
            let error = FieldError { field: "password", text: chrome.say("key-password-wrong") };
            let line = Line { fingerprint: "9B1F 62C0".into(), created: "today".into(), current: true };
            let keys = Keys {
                page: &chrome,
                errors: vec![error],
                keys: vec![line],
                recipient: "bob@mail.example".into(),
                direct: None,
                undo: false,
                test: true,
                code: String::new(),
                own: Some("77C1 0B5E".into()),
                done: None,
                limit: "64 KB".into(),
            };
            let html = keys.render().unwrap();
            assert!(html.contains("<a href=\"#password\">") && html.contains("id=\"password-error\""));
            assert!(!html.contains("name=\"password\" value"), "{html}");
            assert!(html.contains("action=\"/mailbox/key/download\""));
        }
    }
}
