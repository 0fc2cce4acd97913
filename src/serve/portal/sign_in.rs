//! Signing in with address and password.

use crate::base::secret::Secret;
use crate::flow::sign_in::Realm;
use crate::flow::sign_in::SignInError;
use crate::serve::portal::Arrival;
use crate::serve::portal::Portal;
use crate::serve::portal::Visit;
use crate::serve::portal::agent::Agent;
use crate::serve::portal::form::Form;
use crate::serve::portal::page;
use crate::serve::portal::page::Answer;
use crate::serve::portal::page::Chrome;
use crate::serve::portal::reply;
use crate::serve::portal::trouble::Trouble;
use askama::Template;
use axum::http::StatusCode;

/// The form.
#[derive(Template)]
#[template(path = "portal/sign_in.html")]
pub struct SignIn<'a> {
    page: &'a Chrome,
    title: String,
    lead: String,
    failed: bool,
    address: String,
    carried: Option<Carried>,
}

/// An answer that was typed while the session ended: it goes along, so that it is not lost.
#[derive(Clone, Debug)]
pub struct Carried {
    /// `inbox/7`: the message it belongs to.
    pub then: String,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub body: String,
}

impl Carried {
    /// What a form brings along, if anything.
    fn of(form: &Form) -> Option<Self> {
        let text = |name: &str| form.text(name).to_owned();
        let then = text("then");
        (!then.is_empty() && then.len() <= 40).then(|| Self {
            then,
            subject: text("subject"),
            body: text("body"),
        })
    }
}

/// `GET /login`.
pub fn show(visit: &Visit) -> Answer {
    if visit.signed.is_some() {
        return page::see_other("/mailbox");
    }
    let chrome = &visit.chrome;
    let page = SignIn {
        page: chrome,
        title: chrome.say("signin-title"),
        lead: chrome.say("signin-lead"),
        failed: false,
        address: String::new(),
        carried: None,
    };
    page::html(StatusCode::OK, &page)
}

/// What is shown in the place of an answer whose session has ended.
pub fn ended(chrome: &Chrome, carried: Carried) -> Answer {
    let page = SignIn {
        page: chrome,
        title: chrome.say("ended-title"),
        lead: chrome.say("ended-text"),
        failed: false,
        address: String::new(),
        carried: Some(carried),
    };
    page::html(StatusCode::FORBIDDEN, &page)
}

/// `POST /login`.
pub async fn post(portal: &Portal, visit: Visit) -> Answer {
    let Visit { mut chrome, head, body, source, signed, .. } = visit;
    let form = Form::read(&head.headers, body).await?;
    let password = Secret::new(form.text("password").to_owned());
    let carried = Carried::of(&form);
    match portal.flow.sign_in(form.text("address"), password, &source, Realm::Recipients).await {
        Ok(who) => {
            let secure = chrome.face.site.secure();
            chrome.signed = true;
            let mut answer = match carried {
                Some(carried) => reply::resumed(portal, &chrome, &who, carried).await?,
                None => page::see_other("/mailbox")?,
            };
            let agent = Agent::of(&head.headers);
            portal.sign_in(&who, Arrival { before: signed, first_look: false, agent, secure }, &mut answer);
            Ok(answer)
        }
        Err(SignInError::Wrong) => {
            let page = SignIn {
                page: &chrome,
                title: chrome.say("signin-title"),
                lead: String::new(),
                failed: true,
                address: form.text("address").chars().take(320).collect(),
                carried,
            };
            page::html(StatusCode::FORBIDDEN, &page)
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
        let page = SignIn {
            page: chrome,
            title: chrome.say("signin-title"),
            lead: chrome.say("signin-lead"),
            failed,
            address: text.into(),
            carried: Some(Carried { then: text.into(), subject: text.into(), body: text.into() }),
        };
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
