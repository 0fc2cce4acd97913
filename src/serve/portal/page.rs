//! What stands around every page, the words on it, and how a page becomes an answer.

use crate::base::language::Language;
use crate::base::time::Time;
use crate::serve::portal::face::Face;
use crate::serve::portal::session;
use crate::serve::portal::trouble::Trouble;
use crate::texts;
use crate::texts::Value;
use crate::vault::password;
use askama::Template;
use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::Response;
use axum::http::StatusCode;
use axum::http::header;
use jiff::tz::TimeZone;
use std::sync::Arc;

/// What every page shows around its own content, in whose language, and to whom.
#[derive(Clone)]
pub struct Chrome {
    /// Whose portal.
    pub face: Arc<Face>,
    /// Its reader's.
    pub language: Language,
    /// The page's own path, for the link to the other language.
    pub path: String,
    /// What belongs to that path: empty, or `page=2&before=7&`.
    pub query: String,
    /// The form with what was typed: the other language takes it along.
    pub form: Option<&'static str>,
    /// Something may have been typed here: links that lead away open a page of their own.
    pub stays: bool,
    /// Shown inside an open mailbox.
    pub signed: bool,
    /// The part of the mailbox that it belongs to.
    pub tab: Tab,
}

/// The navigation's entries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tab {
    /// None of them.
    None,
    /// The inbox.
    Inbox,
    /// Sent.
    Sent,
    /// The keys.
    Key,
    /// The export.
    Export,
    /// Where the mailbox is open.
    Sessions,
    /// "Is this safe?"
    Help,
}

impl Chrome {
    /// A text without an argument of its own.
    pub fn say(&self, id: &str) -> String {
        self.words(id, &[])
    }

    /// A text with one word in it.
    pub fn put(&self, id: &str, name: &'static str, word: &str) -> String {
        self.words(id, &[(name, Value::Words(word))])
    }

    /// A text with a number in it.
    pub fn count(&self, id: &str, name: &'static str, number: &usize) -> String {
        self.words(id, &[(name, (*number).into())])
    }

    /// A text with these arguments and those that are the same on every page.
    pub fn words(&self, id: &str, own: &[(&'static str, Value<'_>)]) -> String {
        let host = self.face.site.host();
        let mut all = vec![
            ("brand", Value::Words(&self.face.brand)),
            ("domain", Value::Words(&self.face.domain)),
            ("host", Value::Words(host)),
            ("days", self.face.days().into()),
            ("min", password::SHORTEST.into()),
            ("max", TRIES.into()),
        ];
        if !own.iter().any(|(name, _)| *name == "minutes") {
            all.push(("minutes", (session::IDLE.as_secs() / 60).into()));
        }
        all.extend(own.iter().copied());
        texts::text(self.language, id, &all)
    }

    /// RFC 5646 §2.1.
    pub fn language(&self) -> &'static str {
        self.language.tag()
    }

    /// The organisation's name.
    pub fn brand(&self) -> &str {
        &self.face.brand
    }

    /// What stands behind the addresses of style sheet and picture.
    pub fn look(&self) -> &str {
        &self.face.look
    }

    /// How wide the picture beside the name is, CSS pixels.
    pub fn logo_width(&self) -> u32 {
        self.face.logo.width
    }

    /// What the address bar must show.
    pub fn host(&self) -> &str {
        self.face.site.host()
    }

    /// Around a page for everybody, in this face and language.
    pub fn new(face: Arc<Face>, language: Language, path: String) -> Self {
        let (query, tab) = (String::new(), Tab::None);
        Self { face, language, path, query, form: None, stays: false, signed: false, tab }
    }

    /// The other language stands beside the name.
    pub fn has_language_above(&self) -> bool {
        self.other().is_some() && !self.signed
    }

    /// It stands at the foot: inside the mailbox its place is taken.
    pub fn has_language_below(&self) -> bool {
        self.other().is_some() && self.signed
    }

    /// The form that the button of the other language, above, sends as it stands. Enter must not press that button:
    /// another one stands in front of it, which nobody sees.
    pub fn form_above(&self) -> Option<&'static str> {
        self.form.filter(|_| self.has_language_above())
    }

    /// Its tag.
    pub fn other_language(&self) -> &'static str {
        self.other().unwrap_or_default().tag()
    }

    /// This page in it.
    pub fn other_language_link(&self) -> String {
        format!("{}?{}lang={}", self.path, self.query, self.other_language())
    }

    /// Is the inbox, or a message in it.
    pub fn is_inbox(&self) -> bool {
        self.tab == Tab::Inbox
    }

    /// Is Sent, or a message in it.
    pub fn is_sent(&self) -> bool {
        self.tab == Tab::Sent
    }

    /// Is about the keys.
    pub fn is_key(&self) -> bool {
        self.tab == Tab::Key
    }

    /// Is the export.
    pub fn is_export(&self) -> bool {
        self.tab == Tab::Export
    }

    /// Says where the mailbox is open.
    pub fn is_sessions(&self) -> bool {
        self.tab == Tab::Sessions
    }

    /// Keys can be taken along here.
    pub fn has_key(&self) -> bool {
        self.face.key_download
    }

    /// Is the page that the link at the foot leads to.
    pub fn is_help(&self) -> bool {
        self.tab == Tab::Help
    }

    /// The organisation's own links at the foot.
    pub fn links(&self) -> Vec<(String, String)> {
        let face = &self.face;
        [("imprint", &face.imprint), ("privacy", &face.privacy), ("contact", &face.contact)]
            .into_iter()
            .filter_map(|(id, url)| Some((self.say(id), url.clone()?)))
            .collect()
    }

    /// `21 November 2026, 09:12 UTC`; a line may end between the two.
    pub fn date_and_time(&self, time: Time) -> String {
        let moment = texts::date_time(self.language, time);
        moment.split(", ").map(together).collect::<Vec<_>>().join(", ")
    }

    /// `21 November 2026`, on one line.
    pub fn date(&self, time: Time) -> String {
        together(&texts::date(self.language, time))
    }

    /// `Today 09:12`, `19 Nov`, `19 Nov 2025`: as short as a list wants it, in UTC.
    pub fn when(&self, time: Time, now: Time) -> String {
        let [at, today] = [time, now].map(|time| time.timestamp().to_zoned(TimeZone::UTC));
        if at.date() == today.date() {
            let clock = format!("{:02}:{:02}", at.hour(), at.minute());
            return together(&self.put("when-today", "time", &clock));
        }
        let day = at.day().to_string();
        let month = self.say(&format!("month-short-{}", at.month()));
        let year = at.year().to_string();
        let id = if at.year() == today.year() { "when-this-year" } else { "when-earlier" };
        let day = [("day", (&day).into()), ("month", (&month).into()), ("year", (&year).into())];
        together(&self.words(id, &day))
    }

    /// `412 KB`, `1.2 MB`.
    pub fn size(&self, octets: u64) -> String {
        texts::size(self.language, octets)
    }

    fn other(&self) -> Option<Language> {
        self.face.languages.iter().copied().find(|language| *language != self.language)
    }
}

/// Where no line may end.
fn together(words: &str) -> String {
    words.replace(' ', "\u{a0}")
}

/// Wrong PINs before an invitation is dead.
const TRIES: u64 = 10;

/// An error at a field of a form: the same words in the summary and at the field.
#[derive(Clone, Debug)]
pub struct FieldError {
    /// The `name` and `id` of the field.
    pub field: &'static str,
    /// What is wrong, and what to do.
    pub text: String,
}

/// What a page is answered with.
pub type Answer = Result<Response<Body>, Trouble>;

/// Renders a page.
pub fn html(status: StatusCode, page: &impl Template) -> Answer {
    let text = page.render().map_err(|_| Trouble::Internal("a page did not render"))?;
    Ok(content(status, "text/html; charset=utf-8", text))
}

/// An answer with a body of a kind.
pub fn content(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

/// RFC 9110 §15.3.5: done, and the page stays as it is.
pub fn no_content() -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    answer
}

/// RFC 9110 §15.4.4: look there now.
pub fn see_other(path: &str) -> Answer {
    let target = HeaderValue::from_str(path).map_err(|_| Trouble::Internal("a path was no header value"))?;
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::SEE_OTHER;
    answer.headers_mut().insert(header::LOCATION, target);
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::portal::tests::chrome;

    #[test]
    fn dates_and_sizes_in_both_languages() {
        let (en, de) = (chrome(Language::En), chrome(Language::De));
        let time = Time(1_795_338_720);
        assert_eq!(en.date(time), "22\u{a0}November\u{a0}2026");
        assert_eq!(de.date_and_time(time), "22.\u{a0}November\u{a0}2026, 09:12\u{a0}UTC");
        let day = 24 * 3600;
        for (now, english, german) in [
            (time.0 + 60, "Today 09:12", "Heute 09:12"),
            (time.0 + day, "22 Nov", "22. Nov."),
            (time.0 + 60 * day, "22 Nov 2026", "22. Nov. 2026"),
        ] {
            assert_eq!(en.when(time, Time(now)), together(english));
            assert_eq!(de.when(time, Time(now)), together(german));
        }
    }
}
