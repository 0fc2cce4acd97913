//! What pages are made with: style sheet, script, picture; and the line for monitors.

use crate::base::address::Domain;
use crate::serve::portal::Visit;
use crate::serve::portal::face::Face;
use crate::serve::portal::page::content;
use crate::store::Health;
use axum::body::Body;
use axum::http::Response;
use axum::http::StatusCode;
use std::sync::Arc;

/// `guard.css` in the organisation's colour.
pub fn style(visit: &Visit) -> Response<Body> {
    content(StatusCode::OK, "text/css; charset=utf-8", face(visit).style.clone())
}

/// Of the organisation that `of` names, if it shares this address with others.
fn face(visit: &Visit) -> Arc<Face> {
    let face = &visit.chrome.face;
    let own = Domain::parse(visit.query.text("of")).ok().and_then(|domain| face.of(&domain));
    own.unwrap_or_else(|| face.clone())
}

/// `guard.js`.
pub fn script() -> Response<Body> {
    content(StatusCode::OK, "text/javascript; charset=utf-8", include_str!("../../../assets/portal/guard.js"))
}

/// `mailbox.js`.
pub fn mailbox_script() -> Response<Body> {
    content(
        StatusCode::OK,
        "text/javascript; charset=utf-8",
        include_str!("../../../assets/portal/mailbox.js"),
    )
}

/// The organisation's picture, or ours.
pub fn logo(visit: &Visit) -> Response<Body> {
    let logo = &face(visit).logo;
    content(StatusCode::OK, logo.kind, logo.bytes.clone())
}

/// For monitors: 200 while mail is taken, 503 while it is not; no figures.
pub fn health(health: Health) -> Response<Body> {
    let (status, text) = match health {
        Health::Good => (StatusCode::OK, "ok\n"),
        Health::NoNewMail => (StatusCode::SERVICE_UNAVAILABLE, "disk low: no new mail\n"),
        Health::ReadOnly => (StatusCode::SERVICE_UNAVAILABLE, "disk low: read-only\n"),
        Health::Poisoned => (StatusCode::SERVICE_UNAVAILABLE, "store stopped\n"),
    };
    content(status, "text/plain; charset=utf-8", text)
}
