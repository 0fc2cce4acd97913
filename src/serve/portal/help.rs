//! "Who is this from? Is this safe?"

use crate::serve::portal::Visit;
use crate::serve::portal::page;
use crate::serve::portal::page::Answer;
use crate::serve::portal::page::Chrome;
use crate::serve::portal::page::Tab;
use askama::Template;
use axum::http::StatusCode;

#[derive(Template)]
#[template(path = "portal/help.html")]
struct Help<'a> {
    page: &'a Chrome,
}

/// Shows it, inside the mailbox for those who are signed in.
pub fn show(mut visit: Visit) -> Answer {
    visit.chrome.signed = visit.signed.is_some();
    visit.chrome.tab = Tab::Help;
    page::html(StatusCode::OK, &Help { page: &visit.chrome })
}
