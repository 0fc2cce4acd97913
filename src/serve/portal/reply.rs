//! An answer to a message: to its sender, or to everybody of the organisation on it.

use crate::base::base32;
use crate::base::id::MessageId;
use crate::base::random;
use crate::base::secret::Secret;
use crate::flow::reading::Plain;
use crate::flow::refusal::TakeError;
use crate::flow::reply::Reply;
use crate::flow::reply::ReplyTo;
use crate::flow::sign_in::Unlocked;
use crate::serve::portal::Portal;
use crate::serve::portal::Signed;
use crate::serve::portal::Visit;
use crate::serve::portal::draft;
use crate::serve::portal::form;
use crate::serve::portal::form::Form as Fields;
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
use crate::vault::primitives::sha256;
use askama::Template;
use axum::body::Body;
use axum::http::Response;
use axum::http::StatusCode;
use std::sync::Arc;
use zeroize::Zeroizing;

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
    /// What stands there was typed before, and kept.
    kept: bool,
    /// Files had been chosen, which have to be chosen again.
    files: bool,
    limit: String,
    /// `limit` in octets, for the script that adds up.
    most: u64,
    original: String,
    /// By which a second press of the button is known, and a form of another mailbox.
    once: String,
}

impl Form<'_> {
    fn is_wrong(&self, field: &str) -> bool {
        self.errors.iter().any(|error| error.field == field)
    }

    fn fill(&mut self, typed: Typed) {
        self.to_all = typed.to_all;
        self.subject = typed.subject;
        self.body = typed.body;
    }

    /// A size for the script, with `%` in the place of the number.
    fn unit(&self, id: &str) -> String {
        self.page.put(id, "n", "%")
    }

    fn error(&self, field: &str) -> &str {
        self.errors.iter().find(|error| error.field == field).map_or("", |error| &error.text)
    }
}

/// Characters of a subject.
const SUBJECT: usize = 250;
/// Octets of a text; a longer one belongs into a file.
const BODY: usize = 96 << 10;
/// Characters of the message that is answered, below the form.
const ORIGINAL: usize = 20_000;

/// `GET /mailbox/<folder>/<uid>/reply`.
pub async fn show(portal: &Portal, mut visit: Visit, signed: Signed) -> Answer {
    let place = Place::of(&visit.parts)?;
    let kept = draft::kept(portal, &signed, place);
    let opened = view::open(portal, &mut visit, &signed).await;
    let chrome = around(visit.chrome, place);
    let mut form = match (opened, kept.is_some()) {
        (Ok((_, message)), _) => form(portal, &chrome, place, message).await?,
        (Err(trouble), false) => return Err(trouble),
        (Err(trouble), true) => {
            let known = portal.flow.store.message(signed.who.mailbox, place.folder, place.uid).await;
            // What is called by no id belongs to no other mailbox's message at this number.
            let of =
                known.ok().flatten().map_or_else(|| "gone".into(), |message| message.record.id.to_string());
            let (status, error) = unread(&chrome, &trouble);
            let mut form = bare(portal, &chrome, place, &of);
            form.fill(kept.unwrap_or_default());
            form.errors.push(error);
            return page::html(status, &form);
        }
    };
    if let Some(typed) = kept {
        form.fill(typed);
        form.kept = true;
    }
    if form.sender.is_empty() {
        return Notice::new(&chrome, chrome.say("reply-title"), vec![chrome.say("reply-nobody")])
            .button("/mailbox", chrome.say("back-to-inbox"))
            .answer(StatusCode::OK);
    }
    page::html(StatusCode::OK, &form)
}

/// Around the form, wherever it is shown: it takes what was typed along.
fn around(chrome: Chrome, place: Place) -> Chrome {
    let path = format!("{}/reply", place.path());
    Chrome { tab: place.tab(), path, form: Some("reply"), stays: true, signed: true, ..chrome }
}

/// The empty form for a message.
async fn form<'a>(
    portal: &Portal,
    chrome: &'a Chrome,
    place: Place,
    message: Plain,
) -> Result<Form<'a>, Trouble> {
    let id = message.record.id;
    let sender = portal.flow.reply_recipients(&message, ReplyTo::Sender).await?;
    let everybody = portal.flow.reply_recipients(&message, ReplyTo::All).await?;
    let (_, view) = view::blocking(message, |message| view::view(message, Need::Outline)).await?;
    let listed = |list: &[crate::base::address::Address]| {
        list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    Ok(Form {
        everybody: if everybody.len() > sender.len() { listed(&everybody) } else { String::new() },
        sender: listed(&sender),
        subject: answer_subject(&view.subject),
        original: view.text.chars().take(ORIGINAL).collect(),
        ..bare(portal, chrome, place, &id.to_string())
    })
}

/// The form without anything that its message, called `of`, would tell.
fn bare<'a>(portal: &Portal, chrome: &'a Chrome, place: Place, of: &str) -> Form<'a> {
    let once = || format!("{of}.{}", base32::lower(&random::bytes::<10>(&*portal.flow.random)));
    Form {
        page: chrome,
        path: place.path(),
        errors: Vec::new(),
        sender: String::new(),
        everybody: String::new(),
        to_all: false,
        subject: String::new(),
        body: String::new(),
        kept: false,
        files: false,
        limit: chrome.size(portal.upload_limit()),
        most: portal.upload_limit(),
        original: String::new(),
        once: if of.is_empty() { String::new() } else { once() },
    }
}

/// The form with what was typed. Where its message is not to be had it is made from that alone, and comes with a reason.
async fn filled<'a>(
    portal: &Portal,
    chrome: &'a Chrome,
    who: &Unlocked,
    place: Place,
    typed: Typed,
    once: &str,
) -> (Form<'a>, Option<(StatusCode, FieldError)>) {
    let whole = async {
        let message = portal.flow.read(who, place.folder, place.uid).await?;
        form(portal, chrome, place, message).await
    };
    let (mut form, why) = match whole.await {
        Ok(form) => (form, None),
        Err(trouble) => (bare(portal, chrome, place, message_of(once)), Some(unread(chrome, &trouble))),
    };
    form.fill(typed);
    (form, why)
}

/// Why a form stands there without its message, which cannot be read now or is not there any more.
fn unread(chrome: &Chrome, trouble: &Trouble) -> (StatusCode, FieldError) {
    if trouble.is_ours() {
        tracing::error!(%trouble, "the form of an answer is shown without its message");
    }
    let (status, text) = match trouble {
        Trouble::NotFound => (StatusCode::NOT_FOUND, "reply-nobody"),
        Trouble::Damaged => (StatusCode::CONFLICT, "reply-nobody"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "busy-text"),
    };
    (status, FieldError { field: "body", text: chrome.say(text) })
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
pub async fn post(portal: &Portal, visit: Visit, signed: Signed) -> Answer {
    let place = Place::of(&visit.parts)?;
    let Visit { chrome, head, body, source, .. } = visit;
    let chrome = around(chrome, place);
    let limit = portal.upload_limit();
    let going = under_way(portal, &signed, form::declared(&head.headers));
    let Upload { fields, files, too_large } =
        upload::read(head, body, &portal.flow.spools, limit, going).await?;
    let typed = Typed::of(&fields);
    let had_files = !files.is_empty() || too_large.is_some();
    let again = Again { chrome: &chrome, place, had_files, once: fields.text("once") };
    match is_for(portal, &signed.who, place, fields.text("once")).await {
        Ok(true) => {}
        Ok(false) => {
            let carried = Carried { files: had_files, ..Carried::typed(place, &fields) };
            return sign_in::elsewhere(again.chrome.clone(), carried);
        }
        Err(why) => {
            let (status, error) = unread(&chrome, &why.into());
            return again.answer(portal, &signed, typed, Some(error), status).await;
        }
    }
    if fields.is_set("lang") {
        return again.answer(portal, &signed, typed, None, StatusCode::OK).await;
    }
    let wrong = |field, text| Some(FieldError { field, text });
    if let Some(name) = too_large {
        let limit = chrome.size(limit);
        let text = chrome.words("reply-too-big", &[("name", (&name).into()), ("limit", (&limit).into())]);
        let error = wrong("attachment", text);
        return again.answer(portal, &signed, typed, error, StatusCode::PAYLOAD_TOO_LARGE).await;
    }
    if typed.body.len() > BODY {
        let error = wrong("body", chrome.say("reply-too-long"));
        return again.answer(portal, &signed, typed, error, StatusCode::PAYLOAD_TOO_LARGE).await;
    }
    if typed.body.trim().is_empty() && files.is_empty() {
        let error = wrong("body", chrome.say("reply-empty"));
        return again.answer(portal, &signed, typed, error, StatusCode::UNPROCESSABLE_ENTITY).await;
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
    let refused = match once(portal, &signed, fields.text("once"), reply).await {
        Ok(Ok(())) => {
            portal.sessions.forget_draft(signed.cookie.expose(), &place.name());
            return page::see_other("/mailbox/sent?sent=1");
        }
        Ok(Err(error)) => refusal(&chrome, &error, limit),
        Err(trouble) => Err(trouble),
    };
    match refused {
        Ok((status, error)) => again.answer(portal, &signed, typed, Some(error), status).await,
        Err(trouble) => {
            draft::keep(portal, &signed.cookie, place, &typed);
            Err(trouble)
        }
    }
}

/// Sends an answer, once for each form: whoever presses the button again waits for the first time. A browser drops that
/// request then, and what it asked for goes on.
async fn once(
    portal: &Portal,
    signed: &Signed,
    form: &str,
    reply: Reply,
) -> Result<Result<(), TakeError>, Trouble> {
    let turn = portal.sessions.turn(signed.cookie.expose(), said(form, &reply)).filter(|_| !form.is_empty());
    let (flow, who) = (portal.flow.clone(), signed.who.clone());
    let sending = tokio::spawn(async move {
        let mut sent = match turn {
            Some(turn) => Some(turn.lock_owned().await),
            None => None,
        };
        if sent.as_deref() == Some(&true) {
            return Ok(());
        }
        flow.reply(&who, reply).await?;
        if let Some(sent) = &mut sent {
            **sent = true;
        }
        Ok(())
    });
    sending.await.map_err(|_| Trouble::Internal("an answer was interrupted"))
}

/// A form with everything in it: a browser may show an old form again, in which something else is typed then.
fn said(form: &str, reply: &Reply) -> [u8; 32] {
    let Reply { to, subject, body, attachments, .. } = reply;
    let files = attachments.iter().map(|file| format!("{} {}", file.content.length(), file.name));
    let parts = [form.to_owned(), format!("{to:?}"), subject.clone(), files.collect::<Vec<_>>().join("\n")];
    sha256(Zeroizing::new(format!("{}\n\n{body}", parts.join("\n"))).as_bytes())
}

/// Whether a form belongs to this message of this mailbox: meanwhile another one may have been opened in this browser.
/// Of one that was deleted only its number is known.
async fn is_for(portal: &Portal, who: &Unlocked, place: Place, form: &str) -> Result<bool, StoreError> {
    let store = &portal.flow.store;
    if form.is_empty() {
        return Ok(true);
    }
    if let Some(message) = store.message(who.mailbox, place.folder, place.uid).await? {
        return Ok(names(form, message.record.id));
    }
    let folders = store.folders(who.mailbox).await?;
    Ok(folders.iter().any(|folder| folder.folder == place.folder && place.uid < folder.uid_next))
}

/// Whether a form was made for this message.
pub fn names(form: &str, id: MessageId) -> bool {
    message_of(form) == id.to_string()
}

/// The message that a form was made for.
fn message_of(form: &str) -> &str {
    form.split('.').next().unwrap_or_default()
}

/// Notes how much of an announced body has arrived; whoever sends for long is not idle.
fn under_way(portal: &Portal, signed: &Signed, all: Option<u64>) -> impl FnMut(u64) + Send + 'static {
    let work = all.and_then(|all| Some((portal.uploads.begin(signed.who.mailbox).ok()?, all)));
    let (sessions, clock) = (portal.sessions.clone(), portal.flow.clock.clone());
    let cookie = Secret::new(signed.cookie.expose().clone());
    move |got| {
        sessions.touch(cookie.expose(), clock.running());
        if let Some((work, all)) = &work {
            work.is_at(got, *all);
        }
    }
}

/// `GET /mailbox/reply/progress`: how much of an answer has arrived, as a picture.
pub fn progress(portal: &Portal, signed: &Signed) -> Answer {
    Ok(portal.uploads.picture(signed.who.mailbox))
}

/// What was typed, to be shown again.
#[derive(Default)]
pub struct Typed {
    /// To everybody.
    pub to_all: bool,
    /// The subject on one line.
    pub subject: String,
    /// The text.
    pub body: String,
}

impl Typed {
    /// From a form's fields.
    pub fn of(fields: &Fields) -> Self {
        Self {
            to_all: fields.text("to") == "all",
            subject: fields.text("subject").chars().filter(|c| !c.is_control()).take(SUBJECT).collect(),
            body: fields.text("body").to_owned(),
        }
    }

    /// What came along through a sign-in.
    fn carried(carried: &Carried) -> Self {
        let Carried { to, subject, body, .. } = carried.clone();
        let subject = subject.chars().filter(|c| !c.is_control()).take(SUBJECT).collect();
        Self { to_all: to == "all", subject, body }
    }
}

/// The form again, with what was typed and perhaps a reason.
struct Again<'a> {
    chrome: &'a Chrome,
    place: Place,
    had_files: bool,
    once: &'a str,
}

impl Again<'_> {
    async fn answer(
        &self,
        portal: &Portal,
        signed: &Signed,
        typed: Typed,
        error: Option<FieldError>,
        status: StatusCode,
    ) -> Answer {
        let filled = filled(portal, self.chrome, &signed.who, self.place, typed, self.once);
        let (mut form, unread) = filled.await;
        form.files = self.had_files;
        let (status, error) = match (error, unread) {
            (error, Some((status, unread))) => (status, Some(error.unwrap_or(unread))),
            (error, None) => (status, error),
        };
        form.errors.extend(error);
        page::html(status, &form)
    }
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
    let Visit { chrome, head, body, .. } = visit;
    let upload = upload::read(head, body, &portal.flow.spools, 0, |_| {}).await?;
    let carried = Carried { files: upload.too_large.is_some(), ..Carried::typed(place, &upload.fields) };
    sign_in::ended(chrome, Some(carried))
}

/// The form with the text that came along through a sign-in, whether or not its message can be read now; nothing if it
/// was typed in another mailbox.
pub async fn resumed(
    portal: &Portal,
    chrome: &Chrome,
    who: &Arc<Unlocked>,
    carried: &Carried,
) -> Result<Option<Response<Body>>, Trouble> {
    let Some((place, of)) = answered(carried) else {
        return page::see_other("/mailbox").map(Some);
    };
    if let Ok(false) = is_for(portal, who, place, of).await {
        return Ok(None);
    }
    let chrome = around(chrome.clone(), place);
    let (mut form, unread) = filled(portal, &chrome, who, place, Typed::carried(carried), of).await;
    form.files = carried.files;
    let (status, error) = unread.unzip();
    form.errors.extend(error);
    page::html(status.unwrap_or(StatusCode::OK), &form).map(Some)
}

/// Keeps what came along through a sign-in for the session that it began, where the mailbox surely is that in which it was
/// typed.
pub async fn keep(portal: &Portal, who: &Unlocked, cookie: &Secret<String>, carried: &Carried) {
    let Some((place, of)) = answered(carried) else { return };
    let known = portal.flow.store.message(who.mailbox, place.folder, place.uid).await;
    if known.ok().flatten().is_some_and(|message| names(of, message.record.id)) {
        draft::keep(portal, cookie, place, &Typed::carried(carried));
    }
}

/// The message that a text came along for: where it is, and what it is called.
fn answered(carried: &Carried) -> Option<(Place, &str)> {
    let mut parts = carried.then.split('/');
    let place = Place::read(parts.next()?, parts.next()?)?;
    Some((place, parts.next().unwrap_or_default()))
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
            kept: true,
            files: true,
            limit: "26 MB".into(),
            most: 26_000_000,
            original: text.into(),
            once: "a.b".into(),
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
