//! Every route of the portal, as data: what is not in this table does not exist.

use axum::http::Method;

/// One route. A row that does not say otherwise is for signed-in people only: [`Who::Session`].
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Its method; GET answers HEAD too.
    pub method: Verb,
    /// Its path; a segment in braces is any one segment.
    pub path: &'static str,
    /// Who may take it.
    pub who: Who,
    /// What a failed guess on it costs.
    pub budget: Budget,
    /// What it takes.
    pub takes: Takes,
    /// What answers.
    pub page: Page,
}

/// The methods in use; everything else is 405.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verb {
    /// GET and HEAD.
    Get,
    /// POST.
    Post,
}

impl Verb {
    /// Reads a request's method.
    pub fn of(method: &Method) -> Option<Self> {
        match *method {
            Method::GET | Method::HEAD => Some(Self::Get),
            Method::POST => Some(Self::Post),
            _ => None,
        }
    }
}

/// Who may take a route.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Who {
    /// Anybody; it shows nothing of anybody.
    Anybody,
    /// Whoever holds an invitation; nothing is shown before its access token was right.
    Invitation,
    /// The owner of a live session.
    Session,
}

/// What is counted against the client's network.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Budget {
    /// Nothing.
    Free,
    /// Failed guesses; without budget it is 429 before anything is looked up.
    Guess,
}

/// What a request may bring.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Takes {
    /// No body.
    Nothing,
    /// `application/x-www-form-urlencoded`, at most 64 KiB.
    Form,
    /// That or `multipart/form-data` without files, at most 144 KiB: what was typed, on its way round.
    Typed,
    /// That or `multipart/form-data` with files, as large as a message.
    Upload,
}

/// What answers a route; one file of this directory each.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Page {
    /// `/`.
    Start,
    /// `guard.css`.
    Style,
    /// `guard.js`.
    Script,
    /// `mailbox.js`.
    MailboxScript,
    /// The brand's picture.
    Logo,
    /// "Is this safe?".
    Help,
    /// For monitors.
    Health,
    /// An invitation's form, or what became of it.
    Invitation,
    /// The one use of an invitation.
    FirstUse,
    /// "I have no PIN."
    NoPin,
    /// What is shown after it.
    Asked,
    /// "Cancel."
    Cancelled,
    /// The form to sign in.
    SignIn,
    /// Signing in.
    SignInPost,
    /// Signing out.
    SignOut,
    /// What is shown after it.
    SignedOut,
    /// The inbox.
    Inbox,
    /// Sent.
    Sent,
    /// One message.
    Message,
    /// The document in its frame.
    Body,
    /// A file of it.
    Attachment,
    /// It as a file.
    Raw,
    /// It for paper.
    Print,
    /// The form to answer it.
    Reply,
    /// Answering.
    ReplyPost,
    /// How much of an answer has arrived.
    ReplyProgress,
    /// Keeping what was typed.
    Draft,
    /// Words in all messages.
    Search,
    /// The mailbox's OpenPGP keys.
    Key,
    /// The password again: a passphrase is made and shown.
    KeyDownload,
    /// The keys, locked with that passphrase.
    KeyFile,
    /// Their public parts.
    KeyPublic,
    /// A key of the recipient's own.
    KeyUpload,
    /// A test message to a key.
    KeyDirect,
    /// Its code.
    KeyConfirm,
    /// Mail into the mailbox again.
    KeyUndo,
    /// What an export holds.
    Export,
    /// Everything in one file.
    ExportPost,
    /// How far it is.
    ExportProgress,
    /// Where the mailbox is open.
    Sessions,
    /// Ending one session.
    SessionsEnd,
    /// Ending all but one's own.
    SessionsEndOthers,
}

/// The whole table.
pub const ROUTES: &[Route] = &[
    open(Verb::Get, "/", Page::Start),
    open(Verb::Get, "/guard.css", Page::Style),
    open(Verb::Get, "/guard.js", Page::Script),
    open(Verb::Get, "/mailbox.js", Page::MailboxScript),
    open(Verb::Get, "/logo", Page::Logo),
    open(Verb::Get, "/help", Page::Help),
    open(Verb::Get, "/health", Page::Health),
    invitation(Verb::Get, "/i/{id}", Page::Invitation),
    invitation(Verb::Post, "/i/{id}", Page::FirstUse),
    invitation(Verb::Post, "/i/{id}/no-pin", Page::NoPin),
    open(Verb::Get, "/i/{id}/asked", Page::Asked),
    open(Verb::Get, "/i/{id}/cancelled", Page::Cancelled),
    open(Verb::Get, "/login", Page::SignIn),
    Route { budget: Budget::Guess, takes: Takes::Typed, ..open(Verb::Post, "/login", Page::SignInPost) },
    Route { takes: Takes::Form, ..open(Verb::Post, "/logout", Page::SignOut) },
    open(Verb::Get, "/signed-out", Page::SignedOut),
    signed("/mailbox", Page::Inbox),
    signed("/mailbox/sent", Page::Sent),
    done("/mailbox/search", Page::Search),
    signed("/mailbox/key", Page::Key),
    Route { budget: Budget::Guess, ..done("/mailbox/key/download", Page::KeyDownload) },
    done("/mailbox/key/file", Page::KeyFile),
    signed("/mailbox/key/public", Page::KeyPublic),
    Route { takes: Takes::Upload, ..done("/mailbox/key/upload", Page::KeyUpload) },
    done("/mailbox/key/direct", Page::KeyDirect),
    done("/mailbox/key/confirm", Page::KeyConfirm),
    done("/mailbox/key/undo", Page::KeyUndo),
    signed("/mailbox/export", Page::Export),
    done("/mailbox/export", Page::ExportPost),
    signed("/mailbox/export/progress", Page::ExportProgress),
    signed("/mailbox/sessions", Page::Sessions),
    done("/mailbox/sessions/end", Page::SessionsEnd),
    done("/mailbox/sessions/end-others", Page::SessionsEndOthers),
    signed("/mailbox/reply/progress", Page::ReplyProgress),
    signed("/mailbox/{folder}/{uid}", Page::Message),
    signed("/mailbox/{folder}/{uid}/body", Page::Body),
    signed("/mailbox/{folder}/{uid}/attachment/{n}", Page::Attachment),
    signed("/mailbox/{folder}/{uid}/raw", Page::Raw),
    signed("/mailbox/{folder}/{uid}/print", Page::Print),
    signed("/mailbox/{folder}/{uid}/reply", Page::Reply),
    Route {
        method: Verb::Post,
        takes: Takes::Upload,
        ..signed("/mailbox/{folder}/{uid}/reply", Page::ReplyPost)
    },
    Route { takes: Takes::Typed, ..done("/mailbox/{folder}/{uid}/draft", Page::Draft) },
];

const fn open(method: Verb, path: &'static str, page: Page) -> Route {
    Route { method, path, who: Who::Anybody, budget: Budget::Free, takes: Takes::Nothing, page }
}

const fn invitation(method: Verb, path: &'static str, page: Page) -> Route {
    let (budget, takes) = match method {
        Verb::Get => (Budget::Free, Takes::Nothing),
        Verb::Post => (Budget::Guess, Takes::Form),
    };
    Route { method, path, who: Who::Invitation, budget, takes, page }
}

const fn signed(path: &'static str, page: Page) -> Route {
    Route { method: Verb::Get, path, who: Who::Session, budget: Budget::Free, takes: Takes::Nothing, page }
}

/// A form of somebody who is signed in.
const fn done(path: &'static str, page: Page) -> Route {
    Route { method: Verb::Post, takes: Takes::Form, ..signed(path, page) }
}

/// What a path and a method lead to.
#[derive(Debug)]
pub enum Found<'a> {
    /// A route, with what stood in its braces, in order.
    Route(&'static Route, Vec<&'a str>),
    /// The path exists, the method does not.
    OtherMethod,
    /// Nothing.
    Nothing,
}

/// Looks `path` up.
pub fn find<'a>(method: &Method, path: &'a str) -> Found<'a> {
    let mut known = false;
    for route in ROUTES {
        let Some(parts) = fit(route.path, path) else { continue };
        if Verb::of(method) == Some(route.method) {
            return Found::Route(route, parts);
        }
        known = true;
    }
    if known { Found::OtherMethod } else { Found::Nothing }
}

/// What stands in the braces of `pattern`, if `path` has its form.
///
/// Nothing is decoded: ids, folders and numbers need no escapes.
fn fit<'a>(pattern: &str, path: &'a str) -> Option<Vec<&'a str>> {
    let mut parts = Vec::new();
    let mut given = path.split('/');
    for wanted in pattern.split('/') {
        let segment = given.next()?;
        if wanted.starts_with('{') {
            if segment.is_empty() || segment.len() > 64 {
                return None;
            }
            parts.push(segment);
        } else if wanted != segment {
            return None;
        }
    }
    given.next().is_none().then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_and_refuses() {
        let found = |method: Method, path: &str| match find(&method, path) {
            Found::Route(route, parts) => format!("{:?} {}", route.page, parts.join(" ")),
            Found::OtherMethod => "405".into(),
            Found::Nothing => "404".into(),
        };
        for (method, path, want) in [
            (Method::GET, "/mailbox/inbox/7", "Message inbox 7"),
            (Method::HEAD, "/mailbox/sent", "Sent "),
            (Method::GET, "/mailbox/sent/12/attachment/0", "Attachment sent 12 0"),
            (Method::POST, "/mailbox/inbox/7/reply", "ReplyPost inbox 7"),
            (Method::GET, "/i/abc", "Invitation abc"),
            (Method::POST, "/i/abc", "FirstUse abc"),
            (Method::OPTIONS, "/i/abc", "405"),
            (Method::PUT, "/login", "405"),
            (Method::GET, "/logout", "405"),
            (Method::GET, "/i/", "404"),
            (Method::GET, "/i/abc/", "404"),
            (Method::GET, "//mailbox", "404"),
            (Method::GET, "/mailbox/", "404"),
            (Method::GET, "/mailbox/inbox/7/body/x", "404"),
            (Method::GET, "/mailbox/export", "Export "),
            (Method::POST, "/mailbox/export", "ExportPost "),
            (Method::GET, "/mailbox/key", "Key "),
            (Method::POST, "/mailbox/key", "405"),
            (Method::POST, "/mailbox/key/download", "KeyDownload "),
            (Method::POST, "/mailbox/search", "Search "),
            (Method::GET, "/mailbox/search", "405"),
            (Method::GET, "/mailbox/sessions", "Sessions "),
            (Method::POST, "/mailbox/sessions/end-others", "SessionsEndOthers "),
            (Method::POST, "/mailbox/drafts/7", "405"),
            (Method::GET, "/../etc/passwd", "404"),
        ] {
            assert_eq!(found(method.clone(), path), want, "{method} {path}");
        }
    }

    #[test]
    fn nothing_below_the_mailbox_is_for_anybody() {
        for route in ROUTES {
            let inside = route.path.split('/').nth(1) == Some("mailbox");
            assert_eq!(inside, route.who == Who::Session, "{}", route.path);
            assert!(route.method == Verb::Post || route.takes == Takes::Nothing, "{}", route.path);
        }
    }

    #[test]
    fn there_is_no_way_to_change_or_reset_a_password() {
        for route in ROUTES {
            for word in ["password", "forgot", "reset", "recover", "change"] {
                assert!(!route.path.contains(word), "{}", route.path);
            }
        }
    }
}
