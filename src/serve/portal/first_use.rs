//! The first use of an invitation: access code and PIN become a password of the recipient's own.

use crate::base::id::InvitationId;
use crate::base::secret::Secret;
use crate::flow::first_use::FirstUseError;
use crate::flow::first_use::FirstUseForm;
use crate::flow::first_use::InvitationPage;
use crate::flow::first_use::Rule;
use crate::serve::portal::Arrival;
use crate::serve::portal::Portal;
use crate::serve::portal::Visit;
use crate::serve::portal::agent::Agent;
use crate::serve::portal::form::Form;
use crate::serve::portal::invitation;
use crate::serve::portal::page;
use crate::serve::portal::page::Answer;
use crate::serve::portal::page::Chrome;
use crate::serve::portal::page::FieldError;
use crate::serve::portal::trouble;
use crate::serve::portal::trouble::Trouble;
use crate::store::error::StoreError;
use crate::vault::password;
use crate::vault::password::BadPassword;
use crate::vault::password::Password;
use crate::vault::token::AccessToken;
use askama::Template;
use axum::http::StatusCode;
use std::time::Duration;

/// The form.
#[derive(Template)]
#[template(path = "portal/first_use.html")]
pub struct FirstUse<'a> {
    page: &'a Chrome,
    id: InvitationId,
    /// What was typed or taken from the link, to be sent again; shown to nobody who had not sent it.
    token: String,
    /// It is not whole: its field stays, with what stands in it.
    partial: bool,
    has_pin: bool,
    understood: bool,
    errors: Vec<FieldError>,
    after: Vec<String>,
    /// What has to be typed again.
    again: Option<String>,
    suggestion: Secret<String>,
}

impl FirstUse<'_> {
    /// The access code is known: nobody has to see it.
    fn is_filled(&self) -> bool {
        !self.token.is_empty() && !self.partial && !self.is_wrong("token")
    }

    /// What stands in its field.
    fn typed_token(&self) -> &str {
        if self.is_wrong("token") { "" } else { &self.token }
    }

    fn is_wrong(&self, field: &str) -> bool {
        self.errors.iter().any(|error| error.field == field)
    }

    fn error(&self, field: &str) -> &str {
        self.errors.iter().find(|error| error.field == field).map_or("", |error| &error.text)
    }

    /// The page.
    pub fn answer(&self, status: StatusCode) -> Answer {
        page::html(status, self)
    }
}

/// The empty form; for an unknown id the same as for an open one with a PIN.
pub fn form<'a>(portal: &Portal, page: &'a Chrome, id: InvitationId, has_pin: bool) -> FirstUse<'a> {
    FirstUse {
        page,
        id,
        token: String::new(),
        partial: false,
        has_pin,
        understood: false,
        errors: Vec::new(),
        after: Vec::new(),
        again: None,
        suggestion: Password::suggest(&*portal.flow.random),
    }
}

/// `POST /i/<id>`.
pub async fn post(portal: &Portal, visit: Visit) -> Answer {
    let id = invitation::id(&visit)?;
    let Visit { chrome, head, body, source, signed, .. } = visit;
    let typed = Form::read(&head.headers, body).await?;
    if typed.is_set("lang") {
        return in_other_words(portal, chrome, id, &typed).await;
    }
    let secret = |name: &str| Secret::new(typed.text(name).to_owned());
    let wanted = FirstUseForm {
        token: secret("token"),
        pin: secret("pin"),
        password: secret("password"),
        confirm: secret("confirm"),
        understood: typed.is_set("understood"),
        language: chrome.language,
        source: source.clone(),
    };
    let mut tried = portal.flow.first_use(Some(id), wanted).await;
    if let Err(FirstUseError::State(InvitationPage::Used { at })) = tried
        && let Some(who) = portal.flow.pressed_again(id, at, secret("password"), &source).await?
    {
        tried = Ok(who);
    }
    match tried {
        Ok(who) => {
            let mut answer = page::see_other("/mailbox")?;
            let (secure, agent) = (chrome.face.site.secure(), Agent::of(&head.headers));
            portal.sign_in(&who, Arrival { before: signed, first_look: true, agent, secure }, &mut answer);
            Ok(answer)
        }
        Err(error) => refused(portal, &chrome, id, &typed, error).await,
    }
}

/// The form again, with what was typed but the secrets, and the reason; or the page of what became of the invitation.
pub async fn refused(
    portal: &Portal,
    chrome: &Chrome,
    id: InvitationId,
    typed: &Form,
    error: FirstUseError,
) -> Answer {
    if let FirstUseError::State(state) = &error
        && !matches!(state, InvitationPage::Open { .. })
    {
        return invitation::conflict(chrome, state);
    }
    let has_pin = match portal.flow.invitation_page(Some(id)).await? {
        InvitationPage::Open { has_pin, .. } => has_pin,
        state => return invitation::conflict(chrome, &state),
    };
    let chrome = &around(chrome.clone());
    let mut page = filled(portal, chrome, id, has_pin, typed);
    let status = match error {
        FirstUseError::WrongToken => {
            page.errors.push(FieldError { field: "token", text: chrome.say("token-error") });
            page.after.push(chrome.say("password-again"));
            StatusCode::FORBIDDEN
        }
        FirstUseError::WrongPin { left, max } => {
            let text = chrome.words("pin-wrong", &[("left", left.into())]);
            page.errors.push(FieldError { field: "pin", text });
            page.after.push(chrome.words("pin-wrong-explain", &[("max", max.into())]));
            page.after.push(chrome.say("password-again"));
            StatusCode::FORBIDDEN
        }
        FirstUseError::Rules(rules) => {
            for rule in rules {
                let error = broken(chrome, rule);
                if page.errors.iter().all(|known| known.field != error.field) {
                    page.errors.push(error);
                }
            }
            if has_pin {
                page.after.push(chrome.say("pin-not-spent"));
            }
            page.after.push(chrome.say("password-again"));
            StatusCode::UNPROCESSABLE_ENTITY
        }
        FirstUseError::Paused { retry_after } => return Err(Trouble::Paused(retry_after)),
        // What was typed waits on the page.
        FirstUseError::Busy { retry_after } => return busy(page, retry_after),
        FirstUseError::Store(StoreError::DiskLow) => return busy(page, trouble::DISK_LOW),
        FirstUseError::Store(error) => return Err(Trouble::Store(error)),
        _ => return Err(Trouble::Internal("the first use failed")),
    };
    page.answer(status)
}

/// The form again, with everything but the secrets: nothing is wrong with it, and it may be sent once more.
fn busy(mut page: FirstUse<'_>, retry_after: Duration) -> Answer {
    page.errors.push(FieldError { field: "first", text: page.page.say("busy-text") });
    page.after.push(page.page.say("password-again"));
    trouble::later(page.answer(StatusCode::SERVICE_UNAVAILABLE)?, retry_after)
}

/// The form in the language that was asked for, with what was typed but the secrets; nothing is tried.
async fn in_other_words(portal: &Portal, chrome: Chrome, id: InvitationId, typed: &Form) -> Answer {
    let chrome = around(chrome);
    match portal.flow.invitation_page(Some(id)).await? {
        InvitationPage::Open { has_pin, .. } => {
            let mut page = filled(portal, &chrome, id, has_pin, typed);
            page.partial = AccessToken::parse(&page.token).is_none();
            let lost = typed.is_set("password") || typed.is_set("confirm");
            page.again = lost.then(|| chrome.say("password-again"));
            page.answer(StatusCode::OK)
        }
        state => invitation::conflict(&chrome, &state),
    }
}

fn filled<'a>(
    portal: &Portal,
    chrome: &'a Chrome,
    id: InvitationId,
    has_pin: bool,
    typed: &Form,
) -> FirstUse<'a> {
    let mut page = form(portal, chrome, id, has_pin);
    page.token = typed.text("token").chars().take(64).collect();
    page.understood = typed.is_set("understood");
    page
}

/// Around the form: whoever looks something up comes back to what was typed, and the other language takes it along.
pub fn around(chrome: Chrome) -> Chrome {
    Chrome { form: Some("first"), stays: true, ..chrome }
}

fn broken(chrome: &Chrome, rule: Rule) -> FieldError {
    let (field, text) = match rule {
        Rule::PinMissing => ("pin", chrome.say("pin-missing")),
        Rule::Mismatch => ("password", chrome.say("password-mismatch")),
        Rule::NotUnderstood => ("understood", chrome.say("understood-missing")),
        Rule::Password(bad) => ("password", weak(chrome, bad)),
    };
    FieldError { field, text }
}

fn weak(chrome: &Chrome, bad: BadPassword) -> String {
    match bad {
        BadPassword::Short => chrome.say("password-short"),
        BadPassword::Long => chrome.words("password-long", &[("most", password::LONGEST.into())]),
        BadPassword::Control => chrome.say("password-character"),
        BadPassword::Repeated | BadPassword::Common => chrome.say("password-common"),
        BadPassword::Address => chrome.say("password-is-address"),
        BadPassword::Pin => chrome.say("password-is-pin"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::language::Language;
    use crate::serve::portal::tests::chrome;

    const ID: InvitationId = InvitationId::new([7; 16]);

    fn page(chrome: &Chrome, has_pin: bool, token: &str, errors: Vec<FieldError>) -> String {
        let page = FirstUse {
            page: chrome,
            id: ID,
            token: token.into(),
            partial: false,
            has_pin,
            understood: false,
            errors,
            after: vec![chrome.say("pin-not-spent")],
            again: None,
            suggestion: Secret::new("copper-window-seven".into()),
        };
        page.render().unwrap()
    }

    /// Names of the fields in the order of the page.
    fn fields(html: &str) -> Vec<&str> {
        html.split("<input ")
            .skip(1)
            .filter_map(|rest| rest.split(" name=\"").nth(1)?.split('"').next())
            .collect()
    }

    #[test]
    fn the_pin_is_asked_for_only_where_there_is_one() {
        for language in Language::ALL {
            let chrome = chrome(language);
            let with = page(&chrome, true, "", vec![]);
            assert_eq!(fields(&with), ["token", "pin", "password", "confirm", "understood"]);
            assert!(with.contains(&format!("formaction=\"/i/{ID}/no-pin\"")));
            let without = page(&chrome, false, "", vec![]);
            assert_eq!(fields(&without), ["token", "password", "confirm", "understood"]);
            assert!(!without.contains("no-pin"));
        }
    }

    #[test]
    fn the_form_comes_first_and_everything_is_escaped() {
        let chrome = chrome(Language::De);
        let token = "\"><script>canary()</script>";
        let html = page(&chrome, true, token, vec![]);
        let form = html.split("<form ").nth(1).unwrap();
        assert!(form.starts_with(&format!("method=\"post\" action=\"/i/{ID}\"")), "{form:.80}");
        assert!(html.contains("Weber &#38; &#60;Roth&#62;"), "the brand is escaped");
        assert!(!html.contains("<script>") && !html.contains("<Roth>"));
        assert_eq!(html.matches("<script").count(), 1);
        assert_eq!(page(&chrome, true, "", vec![]).matches("<script src=\"/guard.js\">").count(), 1);
        assert!(html.contains("lang=\"de\"") && html.contains("Postfach öffnen"));
        assert!(!html.contains("style=\"") && !html.contains("onclick"));
    }

    #[test]
    fn errors_stand_at_the_top_and_at_their_field() {
        let chrome = chrome(Language::En);
        let error = FieldError { field: "password", text: chrome.say("password-mismatch") };
        let html = page(&chrome, true, "Q3RM-7XKA", vec![error]);
        assert!(html.contains("<title>Error: "));
        assert!(html.contains("role=\"alert\"") && html.contains("href=\"#password\""));
        assert_eq!(html.matches("The two passwords are not the same.").count(), 2);
        assert!(html.contains("<input type=\"hidden\" name=\"token\" value=\"Q3RM-7XKA\">"));
        let error = FieldError { field: "token", text: chrome.say("token-error") };
        let html = page(&chrome, true, "wrong", vec![error]);
        assert!(!html.contains("value=\"wrong\""), "a code that is wrong is not filled in again");
    }
}
