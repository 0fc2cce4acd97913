//! An invitation's page: the form of the first use while it is open, else what became of it.

use crate::base::id::InvitationId;
use crate::base::secret::Secret;
use crate::flow::first_use::InvitationPage;
use crate::serve::portal::Portal;
use crate::serve::portal::Visit;
use crate::serve::portal::first_use;
use crate::serve::portal::form::Form;
use crate::serve::portal::notice::Notice;
use crate::serve::portal::page;
use crate::serve::portal::page::Answer;
use crate::serve::portal::page::Chrome;
use crate::serve::portal::trouble::Trouble;
use axum::http::StatusCode;

/// `GET /i/<id>`: shows a state and changes nothing, whoever asks.
pub async fn show(portal: &Portal, visit: Visit) -> Answer {
    let id = id(&visit)?;
    match portal.flow.invitation_page(Some(id)).await? {
        InvitationPage::Open { has_pin, .. } => {
            let chrome = first_use::around(visit.chrome);
            first_use::form(portal, &chrome, id, has_pin).answer(StatusCode::OK)
        }
        InvitationPage::Used { at } => closed(&visit.chrome, &InvitationPage::Used { at }, StatusCode::OK),
        state => closed(&visit.chrome, &state, StatusCode::GONE),
    }
}

/// `POST /i/<id>/no-pin`: the sender is told, at most once a day.
pub async fn no_pin(portal: &Portal, visit: Visit) -> Answer {
    let id = id(&visit)?;
    let Visit { chrome, head, body, source, .. } = visit;
    let form = Form::read(&head.headers, body).await?;
    let token = Secret::new(form.text("token").to_owned());
    match portal.flow.no_pin(Some(id), token, &source).await {
        Ok(()) => page::see_other(&format!("/i/{id}/asked")),
        Err(error) => first_use::refused(portal, &chrome, id, &form, error).await,
    }
}

/// `GET /i/<id>/asked`: what was done; the page does nothing itself, whoever opens it.
pub fn asked(visit: &Visit) -> Answer {
    let chrome = &visit.chrome;
    Notice::new(chrome, chrome.say("no-pin-sent-title"), vec![chrome.say("no-pin-sent-text")])
        .answer(StatusCode::OK)
}

/// `GET /i/<id>/cancelled`: nothing happened, which is what it says.
pub fn cancelled(visit: &Visit) -> Answer {
    let chrome = &visit.chrome;
    Notice::new(chrome, chrome.say("cancelled-title"), vec![chrome.say("cancelled-text")])
        .answer(StatusCode::OK)
}

/// What a form that went to an invitation which is no longer open gets.
pub fn conflict(chrome: &Chrome, state: &InvitationPage) -> Answer {
    let status = match state {
        InvitationPage::Used { .. } => StatusCode::CONFLICT,
        InvitationPage::Open { .. }
        | InvitationPage::Replaced
        | InvitationPage::Dead
        | InvitationPage::Expired { .. }
        | InvitationPage::Deleted { .. } => StatusCode::GONE,
    };
    closed(chrome, state, status)
}

/// The id in the path, in any way of writing it.
pub fn id(visit: &Visit) -> Result<InvitationId, Trouble> {
    visit.parts.first().and_then(|text| InvitationId::parse(text)).ok_or(Trouble::NotFound)
}

fn closed(chrome: &Chrome, state: &InvitationPage, status: StatusCode) -> Answer {
    let say = |id: &str| chrome.say(id);
    match state {
        InvitationPage::Used { at } => {
            let date = chrome.date(*at);
            Notice::new(chrome, say("used-title"), vec![chrome.put("used-text", "date", &date)])
                .button("/login", say("signin-submit"))
                .warning(say("used-not-you-title"), say("used-not-you"))
                .answer(status)
        }
        InvitationPage::Replaced => {
            Notice::new(chrome, say("superseded-title"), vec![say("superseded-text")])
                .todo(vec![say("superseded-do")])
                .answer(status)
        }
        InvitationPage::Dead => Notice::new(chrome, say("dead-title"), vec![say("dead-text")])
            .todo(vec![say("dead-do"), say("dead-not-you")])
            .answer(status),
        InvitationPage::Expired { at } => {
            let date = chrome.date(*at);
            Notice::new(chrome, say("expired-title"), vec![chrome.put("expired-text", "date", &date)])
                .todo(vec![say("expired-do"), say("expired-soon")])
                .answer(status)
        }
        InvitationPage::Deleted { at } => {
            let date = chrome.date(*at);
            Notice::new(chrome, say("deleted-title"), vec![chrome.put("deleted-text", "date", &date)])
                .todo(vec![say("deleted-do")])
                .answer(status)
        }
        InvitationPage::Open { .. } => Err(Trouble::Internal("an open invitation was called closed")),
    }
}
