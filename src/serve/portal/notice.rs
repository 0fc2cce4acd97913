//! A page that says one thing.

use crate::serve::portal::page;
use crate::serve::portal::page::Answer;
use crate::serve::portal::page::Chrome;
use askama::Template;
use axum::http::StatusCode;

/// A headline, what happened, what did not, and what to do now.
#[derive(Template)]
#[template(path = "portal/notice.html")]
pub struct Notice<'a> {
    page: &'a Chrome,
    title: String,
    lines: Vec<String>,
    /// One more line, of less weight.
    pub quiet: String,
    button: Option<(&'static str, String)>,
    todo: Vec<String>,
    warning: Option<(String, String)>,
    detail: Option<(String, String)>,
}

impl<'a> Notice<'a> {
    /// With a headline and its lines.
    pub fn new(page: &'a Chrome, title: String, lines: Vec<String>) -> Self {
        Self {
            page,
            title,
            lines,
            quiet: String::new(),
            button: None,
            todo: Vec::new(),
            warning: None,
            detail: None,
        }
    }

    /// With the one filled button.
    pub fn button(mut self, path: &'static str, label: String) -> Self {
        self.button = Some((path, label));
        self
    }

    /// With "what you can do".
    pub fn todo(mut self, lines: Vec<String>) -> Self {
        self.todo = lines;
        self
    }

    /// With a warning.
    pub fn warning(mut self, headline: String, text: String) -> Self {
        self.warning = Some((headline, text));
        self
    }

    /// With something to be opened.
    pub fn detail(mut self, headline: String, text: String) -> Self {
        self.detail = Some((headline, text));
        self
    }

    /// The answer.
    pub fn answer(&self, status: StatusCode) -> Answer {
        page::html(status, self)
    }
}
