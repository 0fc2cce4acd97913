//! Trouble on a page's way: one dictionary from causes to answers.

use crate::flow::own_key::OwnKeyError;
use crate::flow::reading::ReadError;
use crate::flow::sign_in::SignInError;
use crate::serve::portal::form::BadBody;
use crate::serve::portal::notice::Notice;
use crate::serve::portal::page;
use crate::serve::portal::page::Answer;
use crate::serve::portal::page::Chrome;
use crate::store::error::StoreError;
use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::Response;
use axum::http::StatusCode;
use axum::http::header;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// Why a page is not what was asked for.
#[derive(Clone, Debug, Error)]
pub enum Trouble {
    /// Not there, or not yours.
    #[error("nothing there")]
    NotFound,
    /// RFC 9110 §15.5.6.
    #[error("another method")]
    Method,
    /// From a page that is not ours.
    #[error("from elsewhere")]
    Foreign,
    /// RFC 9110 §15.5.20: for a host that this is not.
    #[error("for another host")]
    Misdirected,
    /// RFC 9110 §15.5.15.
    #[error("the address is too long")]
    LongUri,
    /// No live session.
    #[error("not signed in")]
    SignedOut,
    /// The client's network failed too often.
    #[error("too many failures")]
    Paused(Duration),
    /// No room now.
    #[error("busy")]
    Busy(Duration),
    /// The body was not taken.
    #[error(transparent)]
    Body(#[from] BadBody),
    /// A message whose ciphertext is changed or cut.
    #[error("the message is damaged")]
    Damaged,
    /// A message that the disk does not give out now.
    #[error("a message cannot be read from the disk: {0}")]
    Unreadable(#[source] Arc<io::Error>),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something that must not happen did.
    #[error("internal: {0}")]
    Internal(&'static str),
    /// Any of these, met inside an open mailbox: its page keeps the way back.
    #[error(transparent)]
    Inside(Box<Self>),
}

impl From<ReadError> for Trouble {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Gone => Self::NotFound,
            ReadError::Damaged => Self::Damaged,
            ReadError::Unreadable(error) => Self::Unreadable(error),
            ReadError::Busy => Self::Busy(SOON),
            ReadError::Store(error) => Self::Store(error),
        }
    }
}

impl From<OwnKeyError> for Trouble {
    fn from(error: OwnKeyError) -> Self {
        match error {
            OwnKeyError::SignIn(SignInError::Paused { retry_after }) => Self::Paused(retry_after),
            OwnKeyError::SignIn(SignInError::Busy { retry_after }) => Self::Busy(retry_after),
            OwnKeyError::SignIn(SignInError::Store(error)) | OwnKeyError::Store(error) => Self::Store(error),
            OwnKeyError::SignIn(SignInError::Wrong) => Self::SignedOut,
            OwnKeyError::Key => Self::Internal("a key could not be read or written"),
        }
    }
}

/// When to come again while the disk is nearly full.
pub const DISK_LOW: Duration = Duration::from_secs(300);
/// When to come again if nothing better is known.
const SOON: Duration = Duration::from_secs(5);

impl Trouble {
    /// The same for somebody who is signed in.
    pub fn inside(self) -> Self {
        match self {
            Self::SignedOut | Self::Inside(_) => self,
            other => Self::Inside(Box::new(other)),
        }
    }

    /// Its page. `reference` names this request, here and in the log.
    pub fn page(&self, chrome: &Chrome, reference: &str) -> Response<Body> {
        self.render(chrome, reference).unwrap_or_else(|_| {
            page::content(StatusCode::INTERNAL_SERVER_ERROR, "text/plain; charset=utf-8", "500\n")
        })
    }

    fn render(&self, chrome: &Chrome, reference: &str) -> Answer {
        let say = |id: &str| chrome.say(id);
        match self {
            Self::Inside(trouble) => {
                let mut chrome = chrome.clone();
                chrome.signed = true;
                trouble.render(&chrome, reference)
            }
            Self::NotFound => {
                Self::with_a_way_on(chrome, "notfound-title", "notfound-text").answer(StatusCode::NOT_FOUND)
            }
            Self::SignedOut => page::see_other("/login"),
            Self::Paused(after) => Self::paused(chrome, *after),
            Self::Busy(after) => {
                let notice = Self::with_a_way_on(chrome, "busy-title", "busy-text");
                later(notice.answer(StatusCode::SERVICE_UNAVAILABLE)?, *after)
            }
            Self::Store(StoreError::DiskLow) => {
                let notice = Self::with_a_way_on(chrome, "busy-title", "busy-text");
                later(notice.answer(StatusCode::SERVICE_UNAVAILABLE)?, DISK_LOW)
            }
            Self::Damaged => Notice::new(chrome, say("damaged-title"), vec![say("damaged-text")])
                .todo(vec![say("damaged-do")])
                .answer(StatusCode::OK),
            Self::Unreadable(_) => {
                let mut notice = Self::with_a_way_on(chrome, "unreadable-title", "unreadable-text");
                notice.quiet = chrome.put("error-reference", "reference", reference);
                later(notice.answer(StatusCode::SERVICE_UNAVAILABLE)?, Duration::from_secs(60))
            }
            Self::Foreign => Self::refused(chrome, StatusCode::FORBIDDEN, "foreign-text"),
            // No link of this page leads anywhere: the host under it is the wrong one.
            Self::Misdirected => Notice::new(chrome, say("error-title"), vec![say("misdirected-text")])
                .todo(vec![say("misdirected-do")])
                .answer(StatusCode::MISDIRECTED_REQUEST),
            Self::LongUri => Self::refused(chrome, StatusCode::URI_TOO_LONG, "notfound-text"),
            Self::Method => {
                let mut answer = Self::refused(chrome, StatusCode::METHOD_NOT_ALLOWED, "notfound-text")?;
                answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
                Ok(answer)
            }
            Self::Body(bad) => {
                let (status, id) = match bad {
                    BadBody::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large"),
                    BadBody::Slow => (StatusCode::REQUEST_TIMEOUT, "body-slow"),
                    BadBody::Kind => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "body-kind"),
                    BadBody::Malformed => (StatusCode::BAD_REQUEST, "body-cut"),
                };
                Self::refused(chrome, status, id)
            }
            Self::Store(_) | Self::Internal(_) => {
                let mut notice = Self::with_a_way_on(chrome, "error-title", "error-text");
                notice.quiet = chrome.put("error-reference", "reference", reference);
                notice.answer(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }

    /// The same page for every address, known or not.
    fn paused(chrome: &Chrome, after: Duration) -> Answer {
        let lines = vec![chrome.say("signin-locked-more")];
        let notice = Notice::new(chrome, chrome.say("signin-locked-title"), lines)
            .todo(vec![paused(chrome, after)])
            .detail(chrome.say("forgotten-title"), chrome.say("forgotten-text"));
        later(notice.answer(StatusCode::TOO_MANY_REQUESTS)?, after)
    }

    fn refused(chrome: &Chrome, status: StatusCode, id: &str) -> Answer {
        Self::with_a_way_on(chrome, "error-title", id).answer(status)
    }

    /// To the inbox for those who are signed in, to the sign-in for all others.
    fn with_a_way_on<'a>(chrome: &'a Chrome, title: &str, text: &str) -> Notice<'a> {
        let (path, label) =
            if chrome.signed { ("/mailbox", "back-to-inbox") } else { ("/login", "signin-submit") };
        Notice::new(chrome, chrome.say(title), vec![chrome.say(text)]).button(path, chrome.say(label))
    }

    /// An error of this machine or program, to be found again by its reference.
    pub fn is_ours(&self) -> bool {
        match self {
            Self::Store(_) | Self::Unreadable(_) | Self::Internal(_) => true,
            Self::Inside(trouble) => trouble.is_ours(),
            Self::NotFound
            | Self::Method
            | Self::Foreign
            | Self::Misdirected
            | Self::LongUri
            | Self::SignedOut
            | Self::Paused(_)
            | Self::Busy(_)
            | Self::Body(_)
            | Self::Damaged => false,
        }
    }
}

/// How long signing in is paused.
pub fn paused(chrome: &Chrome, after: Duration) -> String {
    let minutes = usize::try_from(after.as_secs().div_ceil(60).max(1)).unwrap_or(1);
    chrome.count("signin-locked", "minutes", &minutes)
}

/// RFC 9110 §10.2.3; rounded up, so that who waits as told is let in.
pub fn later(mut answer: Response<Body>, after: Duration) -> Answer {
    let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    Ok(answer)
}
