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
use crate::store::record::Uid;
use std::time::Duration;

/// What was typed, and to which message.
pub struct Draft {
    place: String,
    /// What was typed.
    pub typed: Typed,
}

impl Draft {
    /// As one text: place, receivers and subject are one line each.
    fn text(&self) -> Secret<String> {
        let Typed { to_all, subject, body } = &self.typed;
        let to = if *to_all { "all" } else { "sender" };
        Secret::new(format!("{}\n{to}\n{subject}\n{body}", self.place))
    }

    /// Reads it back, if it belongs to this message.
    pub fn read(text: &Secret<String>, place: Place) -> Option<Self> {
        let mut lines = text.expose().splitn(4, '\n');
        let mut line = || lines.next().map(ToOwned::to_owned);
        let (found, to, subject, body) = (line()?, line()?, line()?, line()?);
        let typed = Typed { to_all: to == "all", subject, body };
        (found == place.name()).then_some(Self { place: found, typed })
    }
}

/// `POST /mailbox/<folder>/<uid>/draft`: keeps what was typed; the page stays as it is.
pub async fn post(portal: &Portal, visit: Visit, signed: Signed) -> Answer {
    let place = Place::of(&visit.parts)?;
    let Visit { head, body, .. } = visit;
    let before = Uid(place.uid.0.saturating_sub(1));
    let found = portal.flow.store.messages(signed.who.mailbox, place.folder, before, 1).await?;
    let Some(message) = found.first().filter(|message| message.uid == place.uid) else {
        return Err(Trouble::NotFound);
    };
    let fields = upload::typed(head, body, &portal.flow.spools).await?;
    if fields.is_set("once") && !reply::names(fields.text("once"), message.record.id) {
        return Err(Trouble::NotFound);
    }
    let draft = Draft { place: place.name(), typed: Typed::of(&fields) };
    if portal.sessions.keep_draft(signed.cookie.expose(), &draft.text(), &*portal.flow.random) {
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
    fn it_comes_back_for_its_message_alone() {
        let seven = Place::read("inbox", "7").unwrap();
        let typed = Typed { to_all: true, subject: "Re: x".into(), body: "one\r\n\ntwo\n".into() };
        let text = Draft { place: seven.name(), typed }.text();
        let back = Draft::read(&text, seven).unwrap().typed;
        assert_eq!((back.to_all, &*back.subject, &*back.body), (true, "Re: x", "one\r\n\ntwo\n"));
        for (folder, uid) in [("inbox", "8"), ("sent", "7")] {
            assert!(Draft::read(&text, Place::read(folder, uid).unwrap()).is_none());
        }
        for text in ["", "inbox/7", "inbox/7\nall\nsubject"] {
            assert!(Draft::read(&Secret::new(text.into()), seven).is_none(), "{text}");
        }
    }
}
