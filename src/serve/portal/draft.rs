//! What was typed into an answer and not sent yet: kept in the session's memory, sealed under its cookie, so that a
//! page that is loaded again has it. It goes when it is sent and with the session.

use crate::base::secret::Secret;
use crate::serve::portal::Portal;
use crate::serve::portal::Signed;
use crate::serve::portal::Visit;
use crate::serve::portal::page::Answer;
use crate::serve::portal::page::no_content;
use crate::serve::portal::reply;
use crate::serve::portal::reply::Typed;
use crate::serve::portal::trouble::Trouble;
use crate::serve::portal::upload;
use crate::serve::portal::view::Place;
use std::time::Duration;

/// Keeps what was typed as an answer to the message there; false when there is no room for it.
pub fn keep(portal: &Portal, cookie: &Secret<String>, place: Place, typed: &Typed) -> bool {
    portal.sessions.keep_draft(cookie.expose(), &place.name(), &written(typed), &*portal.flow.random)
}

/// What was typed there before.
pub fn kept(portal: &Portal, signed: &Signed, place: Place) -> Option<Typed> {
    read(&portal.sessions.draft(signed.cookie.expose(), &place.name())?)
}

/// As one text: receivers and subject are one line each.
fn written(typed: &Typed) -> Secret<String> {
    let Typed { to_all, subject, body } = typed;
    let to = if *to_all { "all" } else { "sender" };
    Secret::new(format!("{to}\n{subject}\n{body}"))
}

/// Reads it back.
fn read(text: &Secret<String>) -> Option<Typed> {
    let mut lines = text.expose().splitn(3, '\n');
    let mut line = || lines.next().map(ToOwned::to_owned);
    let (to, subject, body) = (line()?, line()?, line()?);
    Some(Typed { to_all: to == "all", subject, body })
}

/// `POST /mailbox/<folder>/<uid>/draft`: keeps what was typed; the page stays as it is.
pub async fn post(portal: &Portal, visit: Visit, signed: Signed) -> Answer {
    let place = Place::of(&visit.parts)?;
    let Visit { head, body, .. } = visit;
    let message = portal.flow.store.message(signed.who.mailbox, place.folder, place.uid).await?;
    let message = message.ok_or(Trouble::NotFound)?;
    let fields = upload::typed(head, body, &portal.flow.spools).await?;
    if fields.is_set("once") && !reply::names(fields.text("once"), message.record.id) {
        return Err(Trouble::NotFound);
    }
    if keep(portal, &signed.cookie, place, &Typed::of(&fields)) {
        Ok(no_content())
    } else {
        Err(Trouble::Busy(SOON))
    }
}

/// When there may be room again.
const SOON: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back_as_it_was() {
        let typed = Typed { to_all: true, subject: "Re: x".into(), body: "one\r\n\ntwo\n".into() };
        let back = read(&written(&typed)).unwrap();
        assert_eq!((back.to_all, &*back.subject, &*back.body), (true, "Re: x", "one\r\n\ntwo\n"));
        for text in ["", "all", "all\nsubject"] {
            assert!(read(&Secret::new(text.into())).is_none(), "{text}");
        }
    }
}
