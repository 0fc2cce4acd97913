//! An answer to a message: to its sender, or to everybody of the organisation on it.

use crate::flow::reading::Plain;
use crate::flow::refusal::TakeError;
use crate::flow::reply::Reply;
use crate::flow::reply::ReplyTo;
use crate::flow::sign_in::Unlocked;
use crate::serve::portal::Portal;
use crate::serve::portal::Signed;
use crate::serve::portal::Visit;
use crate::serve::portal::notice::Notice;
use crate::serve::portal::page;
use crate::serve::portal::page::Answer;
use crate::serve::portal::page::Chrome;
use crate::serve::portal::page::FieldError;
use crate::serve::portal::sign_in;
use crate::serve::portal::sign_in::Carried;
use crate::serve::portal::trouble::Trouble;
use crate::serve::portal::upload;
use crate::serve::portal::upload::Upload;
use crate::serve::portal::view;
use crate::serve::portal::view::Need;
use crate::serve::portal::view::Place;
use crate::store::error::StoreError;
use askama::Template;
use axum::http::StatusCode;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "portal/reply.html")]
struct Form<'a> {
    page: &'a Chrome,
    path: String,
    errors: Vec<FieldError>,
    sender: String,
    everybody: String,
    to_all: bool,
    subject: String,
    body: String,
    limit: String,
    original: String,
}

impl Form<'_> {
    fn is_wrong(&self, field: &str) -> bool {
        self.errors.iter().any(|error| error.field == field)
    }

    fn error(&self, field: &str) -> &str {
        self.errors.iter().find(|error| error.field == field).map_or("", |error| &error.text)
    }
}

/// Characters of a subject.
const SUBJECT: usize = 250;
/// Characters of the message that is answered, below the form.
const ORIGINAL: usize = 20_000;

/// `GET /mailbox/<folder>/<uid>/reply`.
pub async fn show(portal: &Portal, mut visit: Visit, signed: Signed) -> Answer {
    let (place, message) = view::open(portal, &mut visit, &signed).await?;
    let form = form(portal, &visit.chrome, place, message).await?;
    if form.sender.is_empty() {
        let chrome = &visit.chrome;
        return Notice::new(chrome, chrome.say("reply-title"), vec![chrome.say("reply-nobody")])
            .answer(StatusCode::OK);
    }
    page::html(StatusCode::OK, &form)
}

/// The empty form for a message.
async fn form<'a>(
    portal: &Portal,
    chrome: &'a Chrome,
    place: Place,
    message: Plain,
) -> Result<Form<'a>, Trouble> {
    let sender = portal.flow.reply_recipients(&message, ReplyTo::Sender).await?;
    let everybody = portal.flow.reply_recipients(&message, ReplyTo::All).await?;
    let (_, view) = view::blocking(message, |message| view::view(message, Need::Outline)).await?;
    let names = |list: &[crate::base::address::Address]| {
        list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    Ok(Form {
        page: chrome,
        path: place.path(),
        errors: Vec::new(),
        everybody: if everybody.len() > sender.len() { names(&everybody) } else { String::new() },
        sender: names(&sender),
        to_all: false,
        subject: answer_subject(&view.subject),
        body: String::new(),
        limit: chrome.size(portal.upload_limit()),
        original: view.text.chars().take(ORIGINAL).collect(),
    })
}

/// `Re:` in front, once, in whatever language it already stands there.
fn answer_subject(subject: &str) -> String {
    let known = ["re:", "aw:", "sv:", "antw:"];
    let lower = subject.trim().to_lowercase();
    if known.iter().any(|prefix| lower.starts_with(prefix)) {
        subject.trim().to_owned()
    } else {
        format!("Re: {}", subject.trim()).trim().to_owned()
    }
}

/// `POST /mailbox/<folder>/<uid>/reply`.
pub async fn post(portal: &Portal, mut visit: Visit, signed: Signed) -> Answer {
    let place = Place::of(&visit.parts)?;
    visit.chrome.tab = place.tab();
    let Visit { chrome, head, body, source, .. } = visit;
    let upload = upload::read(head, body, &portal.flow.spools, portal.upload_limit()).await?;
    let Upload { fields, files, too_large } = upload;
    let typed = Typed {
        to_all: fields.text("to") == "all",
        subject: fields.text("subject").chars().filter(|c| !c.is_control()).take(SUBJECT).collect(),
        body: fields.text("body").to_owned(),
    };
    if let Some(name) = too_large {
        let limit = chrome.size(portal.upload_limit());
        let text = chrome.words("reply-too-big", &[("name", (&name).into()), ("limit", (&limit).into())]);
        let error = FieldError { field: "attachment", text };
        return again(portal, &chrome, &signed, place, typed, error, StatusCode::PAYLOAD_TOO_LARGE).await;
    }
    if typed.body.trim().is_empty() && files.is_empty() {
        let error = FieldError { field: "body", text: chrome.say("reply-empty") };
        return again(portal, &chrome, &signed, place, typed, error, StatusCode::UNPROCESSABLE_ENTITY).await;
    }
    let reply = Reply {
        folder: place.folder,
        uid: place.uid,
        to: if typed.to_all { ReplyTo::All } else { ReplyTo::Sender },
        subject: typed.subject.clone(),
        body: typed.body.clone(),
        attachments: files,
        ip: source.ip,
    };
    match portal.flow.reply(&signed.who, reply).await {
        Ok(_) => page::see_other("/mailbox/sent?sent=1"),
        Err(error) => {
            let (status, error) = refusal(&chrome, &error, portal.upload_limit())?;
            again(portal, &chrome, &signed, place, typed, error, status).await
        }
    }
}

/// What was typed, to be shown again.
struct Typed {
    to_all: bool,
    subject: String,
    body: String,
}

/// The form again, with what was typed and the reason.
async fn again(
    portal: &Portal,
    chrome: &Chrome,
    signed: &Signed,
    place: Place,
    typed: Typed,
    error: FieldError,
    status: StatusCode,
) -> Answer {
    let message = portal.flow.read(&signed.who, place.folder, place.uid).await?;
    let mut form = form(portal, chrome, place, message).await?;
    form.to_all = typed.to_all;
    form.subject = typed.subject;
    form.body = typed.body;
    form.errors.push(error);
    page::html(status, &form)
}

/// Why an answer was not taken, in words for its writer.
fn refusal(chrome: &Chrome, error: &TakeError, limit: u64) -> Result<(StatusCode, FieldError), Trouble> {
    let limit = chrome.size(limit);
    let (status, field, text) = match error {
        TakeError::TooBig => {
            (StatusCode::PAYLOAD_TOO_LARGE, "attachment", chrome.put("reply-all-too-big", "limit", &limit))
        }
        TakeError::MailboxFull(_) => (StatusCode::INSUFFICIENT_STORAGE, "body", chrome.say("reply-full")),
        TakeError::UnknownRecipient => (StatusCode::CONFLICT, "body", chrome.say("reply-nobody")),
        TakeError::Store(StoreError::DiskLow) => {
            (StatusCode::SERVICE_UNAVAILABLE, "body", chrome.say("reply-read-only"))
        }
        TakeError::Busy | TakeError::QueueFull => {
            (StatusCode::SERVICE_UNAVAILABLE, "body", chrome.say("busy-text"))
        }
        TakeError::Refused(reply) if reply.code / 100 == 4 => {
            (StatusCode::SERVICE_UNAVAILABLE, "body", chrome.say("busy-text"))
        }
        TakeError::Refused(reply) => {
            (StatusCode::UNPROCESSABLE_ENTITY, "body", chrome.put("reply-refused", "why", &reply.text))
        }
        TakeError::Policy(why) | TakeError::Malformed(why) => {
            (StatusCode::UNPROCESSABLE_ENTITY, "body", chrome.put("reply-refused", "why", why))
        }
        TakeError::Store(error) => return Err(Trouble::Store(error.clone())),
        _ => return Err(Trouble::Internal("an answer failed")),
    };
    Ok((status, FieldError { field, text }))
}

/// An answer whose session ended while it was typed: its text goes along to the sign-in.
pub async fn signed_out(portal: &Portal, visit: Visit) -> Answer {
    let place = Place::of(&visit.parts)?;
    let Visit { mut chrome, head, body, .. } = visit;
    chrome.path = "/login".to_owned();
    let upload = upload::read(head, body, &portal.flow.spools, 0).await?;
    let text = |name: &str| upload.fields.text(name).to_owned();
    let carried = Carried { then: place.name(), subject: text("subject"), body: text("body") };
    sign_in::ended(&chrome, carried)
}

/// The form with the text that came along through a sign-in; the inbox if its message is not there.
pub async fn resumed(portal: &Portal, chrome: &Chrome, who: &Arc<Unlocked>, carried: Carried) -> Answer {
    let place = carried.then.split_once('/').and_then(|(folder, uid)| Place::read(folder, uid));
    let Some(place) = place else { return page::see_other("/mailbox") };
    let Ok(message) = portal.flow.read(who, place.folder, place.uid).await else {
        return page::see_other("/mailbox");
    };
    let mut chrome = chrome.clone();
    chrome.tab = place.tab();
    chrome.path = format!("{}/reply", place.path());
    let mut form = form(portal, &chrome, place, message).await?;
    form.subject = carried.subject;
    form.body = carried.body;
    page::html(StatusCode::OK, &form)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::language::Language;
    use crate::serve::portal::tests::PAYLOADS;
    use crate::serve::portal::tests::chrome;
    use crate::serve::portal::tests::skeleton;

    fn page(chrome: &Chrome, text: &str, everybody: &str) -> String {
        let form = Form {
            page: chrome,
            path: "/mailbox/inbox/7".into(),
            errors: vec![FieldError {
                field: "attachment",
                text: chrome.put("reply-all-too-big", "limit", text),
            }],
            sender: text.into(),
            everybody: everybody.into(),
            to_all: false,
            subject: text.into(),
            body: text.into(),
            limit: "26 MB".into(),
            original: text.into(),
        };
        form.render().unwrap()
    }

    #[test]
    fn no_payload_becomes_markup() {
        let mut chrome = chrome(Language::En);
        chrome.signed = true;
        let wanted = skeleton(&page(&chrome, "words", "a, b"));
        for payload in PAYLOADS.lines() {
            assert_eq!(skeleton(&page(&chrome, payload, payload)), wanted, "{payload}");
        }
    }

    #[test]
    fn what_was_typed_comes_back_as_it_was() {
        let chrome = chrome(Language::De);
        let html = page(&chrome, "\n<b>\nlines & more", "");
        assert!(html.contains("<textarea id=\"body\" name=\"body\""));
        assert!(html.contains(">\n\n&#60;b&#62;\nlines &#38; more</textarea>"), "a first empty line stays");
        assert!(html.contains("<input type=\"hidden\" name=\"to\" value=\"sender\">"));
        assert!(html.contains("action=\"/mailbox/inbox/7/reply\" enctype=\"multipart/form-data\""));
    }

    #[test]
    fn subjects_of_answers() {
        for (subject, want) in [
            ("Contract", "Re: Contract"),
            ("Re: Contract", "Re: Contract"),
            ("AW: Vertrag", "AW: Vertrag"),
            ("", "Re:"),
            ("  Report  ", "Re: Report"),
            ("Reply: x", "Re: Reply: x"),
        ] {
            assert_eq!(answer_subject(subject), want, "{subject}");
        }
    }
}
