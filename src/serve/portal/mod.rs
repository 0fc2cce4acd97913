//! The portal: where a recipient opens a temporary mailbox, reads, and answers.
//!
//! One page, one file: a struct with what it shows, and a handler that asks the flows and shows what they
//! say. A request passes, in this order: host, route, origin, session, body's declared size. A page is added by
//! a row in [`route::ROUTES`], a [`route::Page`], a file like `help`, and a template in `assets/portal`.

mod agent;
mod asset;
mod attachment;
pub mod cookie;
mod direct;
mod document;
mod draft;
mod export;
pub mod face;
mod first_use;
#[cfg(test)]
mod first_use_tests;
pub mod form;
mod frame;
pub mod headers;
mod help;
pub mod html;
mod invitation;
mod key;
mod list;
mod logo;
mod message;
mod notice;
pub mod origin;
#[cfg(test)]
mod owner_tests;
mod page;
#[cfg(test)]
mod page_tests;
mod policy_host;
mod print;
mod reply;
pub mod route;
mod search;
pub mod session;
mod sessions;
mod sign_in;
#[cfg(test)]
mod sign_in_tests;
mod sign_out;
#[cfg(test)]
pub(crate) mod tests;
mod trouble;
#[cfg(test)]
mod typed_tests;
mod upload;
mod view;
mod work;

use crate::base::id::InvitationId;
use crate::base::id::MailboxId;
use crate::base::language::Language;
use crate::base::secret::Secret;
use crate::config::Config;
use crate::flow::Flow;
use crate::flow::sign_in::Source;
use crate::flow::sign_in::Unlocked;
use crate::serve::http::Peer;
use crate::serve::http::URI;
use crate::serve::http::redirection;
use crate::serve::portal::agent::Agent;
use crate::serve::portal::cookie::Cookies;
use crate::serve::portal::document::Documents;
use crate::serve::portal::face::Face;
use crate::serve::portal::form::BadBody;
use crate::serve::portal::form::FORM;
use crate::serve::portal::form::Form;
use crate::serve::portal::headers::Policy;
use crate::serve::portal::page::Answer;
use crate::serve::portal::page::Chrome;
use crate::serve::portal::route::Budget;
use crate::serve::portal::route::Found;
use crate::serve::portal::route::Page;
use crate::serve::portal::route::Route;
use crate::serve::portal::route::Takes;
use crate::serve::portal::route::Verb;
use crate::serve::portal::route::Who;
use crate::serve::portal::session::Beginning;
use crate::serve::portal::session::Sessions;
use crate::serve::portal::trouble::Trouble;
use crate::serve::portal::work::Works;
use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::HeaderValue;
use axum::http::Method;
use axum::http::Request;
use axum::http::Response;
use axum::http::Uri;
use axum::http::header;
use axum::http::request::Parts;
use futures_util::FutureExt;
use futures_util::StreamExt;
use futures_util::stream;
use hyper::body::Body as _;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The portal of the appliance: faces, sessions, and the flows behind it.
pub struct Portal {
    flow: Arc<Flow>,
    sessions: Arc<Sessions>,
    exports: Works,
    searches: Works,
    uploads: Works,
    documents: Documents,
    faces: RwLock<Arc<[Arc<Face>]>>,
}

/// A request on its way to its page.
struct Visit {
    chrome: Chrome,
    route: &'static Route,
    /// What stood in the braces of the route's path.
    parts: Vec<String>,
    query: Form,
    head: Parts,
    body: Body,
    source: Source,
    signed: Option<Signed>,
    /// There was a session that is over.
    ended: bool,
}

/// Who is signed in.
struct Signed {
    who: Arc<Unlocked>,
    cookie: Secret<String>,
    /// Cancelled when the session ends.
    ended: CancellationToken,
}

/// Somebody who signs in.
struct Arrival {
    /// The session that the browser had.
    before: Option<Signed>,
    /// The mailbox was set up just now.
    first_look: bool,
    agent: Agent,
    /// Over TLS.
    secure: bool,
}

impl Portal {
    /// A portal with the faces of `config`.
    pub fn new(flow: Arc<Flow>, config: &Config) -> Self {
        Self {
            flow,
            sessions: Arc::default(),
            exports: Works::new(EXPORTS),
            searches: Works::new(SEARCHES),
            uploads: Works::new(UPLOADS),
            documents: Documents::new(),
            faces: RwLock::new(faces(config)),
        }
    }

    /// Takes over a changed configuration; sessions live on.
    pub fn reload(&self, config: &Config) {
        *self.faces.write().unwrap_or_else(PoisonError::into_inner) = faces(config);
    }

    /// Forgets ended sessions twice a minute until `stop`.
    pub async fn sweep(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(SWEEP) => self.sessions.sweep(self.flow.clock.running()),
            }
        }
    }

    /// Answers a request. Whatever happens, this answers: with the header set, and with a reference for the log where
    /// the mistake is ours.
    pub async fn answer(&self, request: Request<Body>, peer: Peer) -> Response<Body> {
        if peer.secure
            && let Some(answer) = policy_host::answer(&self.flow.config(), &request)
        {
            return if request.method() == Method::HEAD { without_body(answer) } else { answer };
        }
        let reference = self.reference();
        let (mut chrome, secure) = self.chrome(&request);
        if secure && !peer.secure {
            let mut answer = redirection(chrome.face.site.origin(), &request);
            headers::set(answer.headers_mut(), Policy::Page, false);
            return answer;
        }
        let route = match route::find(request.method(), request.uri().path()) {
            Found::Route(route, _) => route.path,
            Found::OtherMethod | Found::Nothing => "none",
        };
        let method = request.method().clone();
        let lang = chosen(request.uri().query());
        let answered = AssertUnwindSafe(self.respond(request, peer, &mut chrome)).catch_unwind().await;
        let answered = answered.unwrap_or(Err(Trouble::Internal("a page panicked")));
        let mut answer = match answered {
            Ok(answer) => answer,
            Err(trouble) => {
                if trouble.is_ours() {
                    tracing::error!(%reference, route, %trouble, "a page failed");
                }
                trouble.page(&chrome, &reference)
            }
        };
        let lang = lang.filter(|lang| chrome.face.languages.contains(lang));
        if let Some(line) = lang.and_then(|lang| cookie::language(lang, secure)) {
            answer.headers_mut().append(header::SET_COOKIE, line);
        }
        let policy = answer.extensions().get::<Policy>().copied().unwrap_or(Policy::Page);
        headers::set(answer.headers_mut(), policy, secure);
        tracing::debug!(%method, route, status = answer.status().as_u16(), "http request");
        if method == Method::HEAD { without_body(answer) } else { answer }
    }

    /// Host, route, origin, session, size: then the page. `chrome` is that of its mailbox from when that is known.
    async fn respond(&self, request: Request<Body>, peer: Peer, chrome: &mut Chrome) -> Answer {
        let (head, body) = request.into_parts();
        if head.uri.to_string().len() > URI {
            return Err(Trouble::LongUri);
        }
        let path = head.uri.path().to_owned();
        let found = route::find(&head.method, &path);
        // What the page that refuses another host is made with.
        let is_look =
            matches!(&found, Found::Route(route, _) if matches!(route.page, Page::Style | Page::Logo));
        if !is_look && !chrome.face.site.is_addressed(&head.uri, &head.headers) {
            return Err(Trouble::Misdirected);
        }
        let (route, parts) = match found {
            Found::Route(route, parts) => {
                (route, parts.into_iter().map(ToOwned::to_owned).collect::<Vec<String>>())
            }
            Found::OtherMethod => return Err(Trouble::Method),
            Found::Nothing if Verb::of(&head.method).is_none() => return Err(Trouble::Method),
            Found::Nothing => return Err(Trouble::NotFound),
        };
        if route.method == Verb::Post && !chrome.face.site.is_own_form(&head.headers) {
            tracing::info!(route = route.path, "a form from elsewhere was refused");
            return Err(Trouble::Foreign);
        }
        let mut cookies = Cookies::read(&head.headers, chrome.face.site.secure());
        let device = cookies.device.as_ref().map(|device| device.expose().clone());
        let source = Source { ip: peer.address, device };
        // These two are asked later, by their pages: what was typed there must not be lost.
        let later = matches!(route.page, Page::SignInPost | Page::FirstUse);
        let allowed = match route.budget {
            Budget::Guess => self.flow.budgets.network(source.ip, self.flow.clock.running()),
            Budget::Free => Ok(()),
        };
        if !later {
            allowed.map_err(Trouble::Paused)?;
        }
        let was_signed = cookies.session.is_some();
        let signed = match route.page {
            Page::Style | Page::Script | Page::MailboxScript | Page::Logo | Page::Health => None,
            _ => self.signed(cookies.session.take()).await?,
        };
        let invitation = parts.first().filter(|_| is_about_invitation(route.page) && allowed.is_ok());
        let mailbox = signed.as_ref().map(|signed| signed.who.mailbox);
        if let Some(own) = self.own_face(&chrome.face, mailbox, invitation).await? {
            *chrome = dressed(own, &head.uri, &head.headers);
        }
        if too_large(route.takes, &head.headers) {
            let trouble = Trouble::from(BadBody::TooLarge);
            let inside = route.who == Who::Session && signed.is_some();
            return Err(if inside { trouble.inside() } else { trouble });
        }
        let ended = was_signed && signed.is_none();
        let query = Form::parse(head.uri.query().unwrap_or_default().as_bytes());
        let chrome = chrome.clone();
        let visit = Visit { chrome, route, parts, query, head, body, source, signed, ended };
        self.show(visit).await
    }

    /// Deny by default: what needs a session goes no further without one.
    async fn show(&self, mut visit: Visit) -> Answer {
        if visit.route.who == Who::Session {
            let Some(signed) = visit.signed.take() else {
                return match (visit.route.page, visit.route.method) {
                    (Page::ReplyPost, _) => reply::signed_out(self, visit).await,
                    (_, Verb::Post) => sign_in::ended(visit.chrome, None),
                    (_, Verb::Get) => Err(Trouble::SignedOut),
                };
            };
            visit.chrome.signed = true;
            let ended = signed.ended.clone();
            // An answer that is being sent is not lost because its session is.
            if visit.route.page == Page::ReplyPost {
                return self.show_signed(visit, signed).await.map_err(Trouble::inside);
            }
            return tokio::select! {
                biased;
                answer = self.show_signed(visit, signed) => {
                    answer.map(|answer| while_open(answer, ended)).map_err(Trouble::inside)
                }
                () = ended.cancelled() => Err(Trouble::SignedOut),
            };
        }
        match visit.route.page {
            Page::Start => page::see_other(if visit.signed.is_some() { "/mailbox" } else { "/login" }),
            Page::Style => Ok(asset::style(&visit)),
            Page::Script => Ok(asset::script()),
            Page::MailboxScript => Ok(asset::mailbox_script()),
            Page::Logo => Ok(asset::logo(&visit)),
            Page::Help => help::show(visit),
            Page::Health => Ok(asset::health(self.flow.store.health())),
            Page::Invitation => invitation::show(self, visit).await,
            Page::FirstUse => first_use::post(self, visit).await,
            Page::NoPin => invitation::no_pin(self, visit).await,
            Page::Asked => invitation::asked(&visit),
            Page::Cancelled => invitation::cancelled(&visit),
            Page::SignIn => sign_in::show(&visit),
            Page::SignInPost => sign_in::post(self, visit).await,
            Page::SignOut => sign_out::post(self, visit),
            Page::SignedOut => sign_out::show(&visit),
            Page::Inbox
            | Page::Sent
            | Page::Message
            | Page::Body
            | Page::Attachment
            | Page::Raw
            | Page::Print
            | Page::Reply
            | Page::ReplyPost
            | Page::ReplyProgress
            | Page::Draft
            | Page::Search
            | Page::Key
            | Page::KeyDownload
            | Page::KeyFile
            | Page::KeyPublic
            | Page::KeyUpload
            | Page::KeyDirect
            | Page::KeyConfirm
            | Page::KeyUndo
            | Page::Export
            | Page::ExportPost
            | Page::ExportProgress
            | Page::Sessions
            | Page::SessionsEnd
            | Page::SessionsEndOthers => Err(Trouble::SignedOut),
        }
    }

    async fn show_signed(&self, visit: Visit, signed: Signed) -> Answer {
        match visit.route.page {
            Page::Inbox => list::inbox(self, visit, signed).await,
            Page::Sent => list::sent(self, visit, signed).await,
            Page::Message => message::show(self, visit, signed).await,
            Page::Body => frame::show(self, visit, signed).await,
            Page::Attachment => attachment::show(self, visit, signed).await,
            Page::Raw => attachment::raw(self, visit, signed).await,
            Page::Print => print::show(self, visit, signed).await,
            Page::Reply => reply::show(self, visit, signed).await,
            Page::ReplyPost => reply::post(self, visit, signed).await,
            Page::ReplyProgress => reply::progress(self, &signed),
            Page::Draft => draft::post(self, visit, signed).await,
            Page::Search => search::post(self, visit, signed).await,
            Page::Key => key::show(self, visit, signed).await,
            Page::KeyDownload => key::download(self, visit, signed).await,
            Page::KeyFile => key::file(self, visit, signed).await,
            Page::KeyPublic => key::public(self, visit, signed).await,
            Page::KeyUpload => direct::upload(self, visit, signed).await,
            Page::KeyDirect => direct::test(self, visit, signed).await,
            Page::KeyConfirm => direct::confirm(self, visit, signed).await,
            Page::KeyUndo => direct::undo(self, visit, signed).await,
            Page::Export => export::show(self, visit, signed).await,
            Page::ExportPost => export::post(self, visit, signed).await,
            Page::ExportProgress => export::progress(self, &signed),
            Page::Sessions => sessions::show(self, visit, signed).await,
            Page::SessionsEnd => sessions::end(self, visit, signed).await,
            Page::SessionsEndOthers => sessions::end_others(self, visit, signed).await,
            Page::Start
            | Page::Style
            | Page::Script
            | Page::MailboxScript
            | Page::Logo
            | Page::Help
            | Page::Health
            | Page::Invitation
            | Page::FirstUse
            | Page::NoPin
            | Page::Asked
            | Page::Cancelled
            | Page::SignIn
            | Page::SignInPost
            | Page::SignOut
            | Page::SignedOut => Err(Trouble::NotFound),
        }
    }

    /// The session of a cookie, unless it or its mailbox has ended.
    async fn signed(&self, cookie: Option<Secret<String>>) -> Result<Option<Signed>, Trouble> {
        let Some(cookie) = cookie else { return Ok(None) };
        let Some(resumed) = self.sessions.resume(cookie.expose(), self.flow.clock.running()) else {
            return Ok(None);
        };
        let (mailbox, ended) = (resumed.mailbox, resumed.ended);
        match self.flow.resume(mailbox, resumed.generation, resumed.key).await? {
            Some(who) => Ok(Some(Signed { who, cookie, ended })),
            None => {
                self.sessions.end_all(mailbox);
                Ok(None)
            }
        }
    }

    /// Begins a session, in the place of one that this browser had before, and sets its cookies on `answer`; what comes
    /// back is its cookie's value.
    fn sign_in(&self, who: &Unlocked, arrival: Arrival, answer: &mut Response<Body>) -> Secret<String> {
        let Arrival { before, first_look, agent, secure } = arrival;
        if let Some(before) = before {
            self.sessions.end(before.cookie.expose());
        }
        let (mailbox, generation) = (who.mailbox, who.generation);
        let beginning = Beginning { mailbox, generation, first_look, agent };
        let running = self.flow.clock.running();
        let value = self.sessions.begin(beginning, &who.key, running, &*self.flow.random);
        let device = self.flow.device_cookie(who);
        let lines = [cookie::session(value.expose(), secure), cookie::device(device.expose(), secure)];
        for line in lines.into_iter().flatten() {
            answer.headers_mut().append(header::SET_COOKIE, line);
        }
        value
    }

    fn chrome(&self, request: &Request<Body>) -> (Chrome, bool) {
        let faces = self.faces();
        let face = faces
            .iter()
            .find(|face| face.site.is_addressed(request.uri(), request.headers()))
            .or(faces.first())
            .cloned()
            .unwrap_or_default();
        let secure = face.site.secure();
        (dressed(face, request.uri(), request.headers()), secure)
    }

    /// The face of the domain that a page is about, where several share the address: that of the invitation, or of the
    /// mailbox that is open.
    async fn own_face(
        &self,
        common: &Face,
        mailbox: Option<MailboxId>,
        invitation: Option<&String>,
    ) -> Result<Option<Arc<Face>>, Trouble> {
        let sharing = common.shared_by();
        if sharing.is_empty() {
            return Ok(None);
        }
        let domain = match (invitation.and_then(|id| InvitationId::parse(id)), mailbox) {
            (Some(id), _) => self.flow.domain_of_invitation(id, &sharing).await?,
            (None, Some(mailbox)) => self.flow.domain_of(mailbox).await?,
            (None, None) => None,
        };
        Ok(domain.and_then(|domain| common.of(&domain)))
    }

    /// Around a page in a mailbox that was opened just now.
    async fn inside(&self, chrome: &Chrome, mailbox: MailboxId) -> Result<Chrome, Trouble> {
        let own = self.own_face(&chrome.face, Some(mailbox), None).await?;
        let face = own.unwrap_or_else(|| chrome.face.clone());
        let language = face.language(Some(chrome.language), None);
        Ok(Chrome { face, language, signed: true, ..chrome.clone() })
    }

    fn faces(&self) -> Arc<[Arc<Face>]> {
        self.faces.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Octets of all files of one answer: base64 (RFC 2045 §6.8) and its line ends make them 1.37 times as large,
    /// and then they must fit into a message.
    fn upload_limit(&self) -> u64 {
        self.flow.config().limits.message_size / 100 * 72
    }

    /// Names a request that failed, here and in the log.
    fn reference(&self) -> String {
        crate::base::base32::lower(&crate::base::random::bytes::<5>(&*self.flow.random))
    }
}

/// A body that is still being read from the mailbox breaks off when its session ends, for its reader to see.
fn while_open(answer: Response<Body>, ended: CancellationToken) -> Response<Body> {
    answer.map(|body| {
        if body.size_hint().exact().is_some() {
            return body;
        }
        let pieces = (body.into_data_stream(), ended);
        Body::from_stream(stream::unfold(pieces, |(mut body, ended)| async {
            let piece = tokio::select! {
                biased;
                () = ended.cancelled() => Some(Err(axum::Error::new(io::Error::from(io::ErrorKind::ConnectionAborted)))),
                piece = body.next() => piece,
            };
            piece.map(|piece| (piece, (body, ended)))
        }))
    })
}

/// RFC 9110 §9.3.2: the answer to HEAD says how long the body is that it does not have.
fn without_body(answer: Response<Body>) -> Response<Body> {
    let (mut head, body) = answer.into_parts();
    if let Some(length) = body.size_hint().exact().filter(|length| *length > 0) {
        head.headers.entry(header::CONTENT_LENGTH).or_insert(HeaderValue::from(length));
    }
    Response::from_parts(head, Body::empty())
}

/// Exports under way, of all mailboxes.
const EXPORTS: usize = 32;
/// Searches under way, of all mailboxes.
const SEARCHES: usize = 16;
/// Answers whose arrival is watched, of all mailboxes.
const UPLOADS: usize = 256;
/// How often ended sessions are forgotten.
const SWEEP: Duration = Duration::from_secs(30);

/// What stands around the page of a request with this face, in the language that its reader wants.
fn dressed(face: Arc<Face>, uri: &Uri, headers: &HeaderMap) -> Chrome {
    let wanted = chosen(uri.query()).or_else(|| Cookies::read(headers, face.site.secure()).language);
    let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let language = face.language(wanted, accepted);
    Chrome::new(face, language, shown_at(uri.path()))
}

fn faces(config: &Config) -> Arc<[Arc<Face>]> {
    Face::all(config).into_iter().map(Arc::new).collect()
}

/// The page that a path belongs to: what only takes a form is shown at the nearest page above it.
fn shown_at(path: &str) -> String {
    let mut path = if path.len() <= 200 { path } else { "/" };
    loop {
        match route::find(&Method::GET, path) {
            Found::OtherMethod => {
                let above = path.rsplit_once('/').map_or("", |(above, _)| above);
                path = if above.is_empty() { "/" } else { above };
            }
            Found::Route(..) | Found::Nothing => return path.to_owned(),
        }
    }
}

/// `?lang=de`.
fn chosen(query: Option<&str>) -> Option<Language> {
    Language::parse(Form::parse(query?.as_bytes()).text("lang"))
}

/// Whether what stands in the braces of its path is an invitation.
fn is_about_invitation(page: Page) -> bool {
    matches!(page, Page::Invitation | Page::FirstUse | Page::NoPin | Page::Asked | Page::Cancelled)
}

/// Whether the peer announces more than the route takes, or anything where it takes nothing.
fn too_large(takes: Takes, headers: &HeaderMap) -> bool {
    let most = match takes {
        Takes::Nothing => 0,
        Takes::Form => FORM as u64,
        Takes::Typed => upload::TYPED,
        Takes::Upload => upload::DRAINED,
    };
    form::declared(headers).is_some_and(|length| length > most)
}
