//! Signing in with address and password.

use crate::base::secret::Secret;
use crate::flow::sign_in::Realm;
use crate::flow::sign_in::SignInError;
use crate::serve::portal::Arrival;
use crate::serve::portal::Portal;
use crate::serve::portal::Visit;
use crate::serve::portal::agent::Agent;
use crate::serve::portal::cookie;
use crate::serve::portal::form::Form;
use crate::serve::portal::page;
use crate::serve::portal::page::Answer;
use crate::serve::portal::page::Chrome;
use crate::serve::portal::reply;
use crate::serve::portal::trouble;
use crate::serve::portal::trouble::Trouble;
use crate::serve::portal::upload;
use crate::serve::portal::view::Place;
use askama::Template;
use axum::http::StatusCode;
use axum::http::header;

/// The form.
#[derive(Template)]
#[template(path = "portal/sign_in.html")]
pub struct SignIn<'a> {
    page: &'a Chrome,
    title: String,
    lead: String,
    /// Why it was not done.
    error: Option<String>,
    /// Something was asked for, and not done, because the session was over.
    undone: bool,
    address: String,
    carried: Option<Carried>,
}

/// An answer that was typed while the session ended: it goes along, so that it is not lost.
#[derive(Clone, Debug)]
pub struct Carried {
    /// `inbox/7`: the message it belongs to.
    pub then: String,
    /// `all`, or to its sender alone.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub body: String,
    /// Files had been chosen, which stay behind.
    pub files: bool,
}

impl Carried {
    /// What a form brings along, if anything.
    fn of(form: &Form) -> Option<Self> {
        let then = form.text("then").to_owned();
        let files = form.is_set("files");
        (!then.is_empty() && then.len() <= 60).then(|| Self { then, files, ..Self::fields(form) })
    }

    /// What was typed as an answer to the message there.
    pub fn typed(place: Place, form: &Form) -> Self {
        let of = form.text("once").split('.').next().unwrap_or_default();
        let then = if of.is_empty() { place.name() } else { format!("{}/{of:.30}", place.name()) };
        Self { then, ..Self::fields(form) }
    }

    fn fields(form: &Form) -> Self {
        let text = |name: &str| form.text(name).to_owned();
        let to = text("to").chars().take(10).collect();
        Self { then: String::new(), to, subject: text("subject"), body: text("body"), files: false }
    }
}

impl<'a> SignIn<'a> {
    /// Of somebody who comes of their own accord.
    fn new(page: &'a Chrome) -> Self {
        Self {
            page,
            title: page.say("signin-title"),
            lead: page.say("signin-lead"),
            error: None,
            undone: false,
            address: String::new(),
            carried: None,
        }
    }

    /// Of somebody whose session is over.
    fn again(page: &'a Chrome) -> Self {
        Self { title: page.say("ended-title"), lead: page.say("ended-text"), ..Self::new(page) }
    }
}

/// `GET /login`; a browser that still brings the cookie of a session that is over is told so, once.
pub fn show(visit: &Visit) -> Answer {
    if visit.signed.is_some() {
        return page::see_other("/mailbox");
    }
    let chrome = &at_sign_in(visit.chrome.clone(), false);
    if !visit.ended {
        return page::html(StatusCode::OK, &SignIn::new(chrome));
    }
    let mut answer = page::html(StatusCode::OK, &SignIn::again(chrome))?;
    if let Some(line) = cookie::no_session(chrome.face.site.secure()) {
        answer.headers_mut().append(header::SET_COOKIE, line);
    }
    Ok(answer)
}

/// What is shown in the place of anything that was asked for by a form when the session was over.
pub fn ended(chrome: Chrome, carried: Option<Carried>) -> Answer {
    let chrome = at_sign_in(chrome, carried.is_some());
    let page = SignIn { undone: carried.is_none(), carried, ..SignIn::again(&chrome) };
    page::html(StatusCode::FORBIDDEN, &page)
}

/// What is shown when an answer was typed in another mailbox than the one that is open now.
pub fn elsewhere(chrome: Chrome, carried: Carried) -> Answer {
    let chrome = Chrome { signed: false, ..at_sign_in(chrome, true) };
    let error = Some(chrome.say("reply-elsewhere"));
    page::html(StatusCode::CONFLICT, &SignIn { error, carried: Some(carried), ..SignIn::new(&chrome) })
}

/// A page that is shown elsewhere belongs here; what was typed goes along into the other language.
fn at_sign_in(chrome: Chrome, typed: bool) -> Chrome {
    Chrome { path: "/login".to_owned(), form: Some("sign-in"), stays: typed, ..chrome }
}

/// `POST /login`.
pub async fn post(portal: &Portal, visit: Visit) -> Answer {
    let Visit { chrome, head, body, source, signed, .. } = visit;
    let agent = Agent::of(&head.headers);
    let form = upload::typed(head, body, &portal.flow.spools).await?;
    let carried = Carried::of(&form);
    let chrome = at_sign_in(chrome, carried.is_some());
    let address = form.text("address").chars().take(320).collect();
    if form.is_set("lang") {
        let page = if carried.is_some() { SignIn::again(&chrome) } else { SignIn::new(&chrome) };
        return page::html(StatusCode::OK, &SignIn { address, carried, ..page });
    }
    let password = Secret::new(form.text("password").to_owned());
    let tried = match portal.flow.budgets.network(source.ip, portal.flow.clock.running()) {
        Ok(()) => portal.flow.sign_in(form.text("address"), password, &source, Realm::Recipients).await,
        Err(retry_after) => Err(SignInError::Paused { retry_after }),
    };
    match tried {
        Ok(who) => {
            let secure = chrome.face.site.secure();
            let inside = portal.inside(&chrome, who.mailbox).await?;
            let mut answer = match &carried {
                Some(typed) => match reply::resumed(portal, &inside, &who, typed).await? {
                    Some(answer) => answer,
                    None => return elsewhere(chrome, typed.clone()),
                },
                None => page::see_other("/mailbox")?,
            };
            let arrival = Arrival { before: signed, first_look: false, agent, secure };
            let cookie = portal.sign_in(&who, arrival, &mut answer);
            if let Some(typed) = &carried {
                reply::keep(portal, &who, &cookie, typed).await;
            }
            Ok(answer)
        }
        Err(SignInError::Wrong) => {
            let error = Some(chrome.say("signin-failed"));
            page::html(StatusCode::FORBIDDEN, &SignIn { error, address, carried, ..SignIn::new(&chrome) })
        }
        // What was typed before waits on the page.
        Err(SignInError::Paused { retry_after }) if carried.is_some() => {
            let error = Some(trouble::paused(&chrome, retry_after));
            let page = SignIn { error, address, carried, ..SignIn::new(&chrome) };
            trouble::later(page::html(StatusCode::TOO_MANY_REQUESTS, &page)?, retry_after)
        }
        Err(SignInError::Busy { retry_after }) if carried.is_some() => {
            let error = Some(chrome.say("busy-text"));
            let page = SignIn { error, address, carried, ..SignIn::new(&chrome) };
            trouble::later(page::html(StatusCode::SERVICE_UNAVAILABLE, &page)?, retry_after)
        }
        Err(SignInError::Paused { retry_after }) => Err(Trouble::Paused(retry_after)),
        Err(SignInError::Busy { retry_after }) => Err(Trouble::Busy(retry_after)),
        Err(SignInError::Store(error)) => Err(Trouble::Store(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::language::Language;
    use crate::serve::portal::tests::PAYLOADS;
    use crate::serve::portal::tests::chrome;
    use crate::serve::portal::tests::skeleton;

    fn page(chrome: &Chrome, text: &str, failed: bool) -> String {
        let [then, to, subject, body] = [text; 4].map(ToOwned::to_owned);
        let carried = Some(Carried { then, to, subject, body, files: true });
        let error = failed.then(|| text.to_owned());
        let page = SignIn { error, address: text.into(), carried, ..SignIn::again(chrome) };
        page.render().unwrap()
    }

    #[test]
    fn no_payload_becomes_markup() {
        for language in Language::ALL {
            let chrome = chrome(language);
            for failed in [true, false] {
                let wanted = skeleton(&page(&chrome, "words", failed));
                for payload in PAYLOADS.lines() {
                    assert_eq!(skeleton(&page(&chrome, payload, failed)), wanted, "{payload}");
                }
            }
        }
    }

    #[test]
    fn there_is_no_way_back_to_a_forgotten_password() {
        let html = page(&chrome(Language::En), "a@b.example", true);
        assert!(html.contains("I have forgotten my password") && html.contains("It cannot be reset"));
        assert_eq!(html.matches("<form ").count(), 1);
        assert!(!html.contains("value=\"secret"));
    }
}
