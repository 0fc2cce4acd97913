//! Somebody else's HTML, cleaned for its frame: a short list of what stays, and nothing that could reach out.
//!
//! The frame has an origin of its own, no script and no network; this cleaning comes before it, so that
//! either of the two may fail.

mod allowed;
mod fold;
mod link;
mod markup;
mod picture;
mod simple;
#[cfg(test)]
mod tests;
mod text;

pub use crate::serve::portal::html::picture::picture_kind;
pub use crate::serve::portal::html::text::text;

use crate::mime::display;
use crate::serve::portal::html::picture::Room;
use crate::serve::portal::html::picture::Seen;
use rustix::time::ClockId;
use rustix::time::clock_gettime;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::io;
use std::io::Read;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

/// Inline pictures as `data:` URLs, by Content-ID without its angle brackets.
pub type Pictures = HashMap<String, String>;

/// Words that are written into somebody else's text.
#[derive(Clone, Debug, Default)]
pub struct Words {
    /// In front of a host that is another than a link's text says.
    pub leads_to: String,
    /// On a folded quotation; `None` folds nothing.
    pub quoted: Option<String>,
}

/// Cleaned HTML, and what was left out of it.
#[derive(Debug, Default)]
pub struct Cleaned {
    /// A fragment for the body of the frame's document; its own pictures by their Content-ID until they are put in.
    html: String,
    /// Remote pictures that were not loaded, by host.
    pub blocked: BTreeMap<String, usize>,
}

impl Cleaned {
    /// The Content-IDs of the pictures that it has places for, each once, in their order.
    pub fn named(&self) -> Vec<String> {
        picture::named(&self.html)
    }

    /// As it is shown: with the true targets of links, quotations folded.
    pub fn shown(&self, words: &Words) -> String {
        let told = link::told(&self.html, &words.leads_to);
        match &words.quoted {
            Some(title) => fold::folded(&told, title),
            None => told,
        }
    }
}

/// Cleans the HTML of one message, each part of it apart: none can open what another closes.
pub struct Cleaner {
    /// Content-IDs that came along with it.
    names: BTreeSet<String>,
    /// Octets that may still come.
    left: usize,
    /// Processor time of this thread at which the work ends.
    until: Duration,
}

impl Cleaner {
    /// For one message and the Content-IDs in it.
    pub fn new(names: BTreeSet<String>) -> Self {
        Self { names, left: SIZE, until: worked().saturating_add(WORK) }
    }

    /// Cleans `html`; `None` when it is too large, too deep or too tangled: then the plain text is shown.
    ///
    /// What comes out is cleaned again until that changes nothing: a browser then reads what was judged, and not what
    /// its parser turns that into.
    pub fn clean(&mut self, html: &str) -> Option<Cleaned> {
        self.left = self.left.checked_sub(html.len())?;
        if !simple::is_simple(html) {
            return None;
        }
        let (mut html, blocked) = pass(html, &self.names, self.until)?;
        for _ in 0..PASSES {
            let (again, _) = pass(&html, &self.names, self.until)?;
            if markup::ordered(&again) == markup::ordered(&html) {
                // Hidden here, shown by a style sheet elsewhere: better twice than not at all.
                let html = if fold::shows(&html) { html } else { markup::displayed(&html) };
                return Some(Cleaned { html, blocked });
            }
            html = again;
        }
        None
    }
}

/// Puts the pictures of one message in their places in all of its HTML; places for others stay empty.
pub fn put_in<'a>(parts: impl Iterator<Item = &'a mut Cleaned>, pictures: &Pictures) {
    let mut room = Room::new(pictures);
    for part in parts {
        part.html = picture::resolved(&part.html, pictures, &mut room);
    }
}

/// HTML shown of one message, octets.
pub const SIZE: usize = 1 << 20;
/// Processor time for cleaning one message; an ordinary one of that size takes a quarter. A build that is not optimised
/// works ten times as long.
const WORK: Duration = Duration::from_millis(if cfg!(debug_assertions) { 5_000 } else { 400 });
/// Times that the outcome may still change.
const PASSES: usize = 4;

/// Have letters run the other way than they do: `moc.elpmaxe` would read as `example.com`.
const OVERRIDES: [char; 2] = ['\u{202d}', '\u{202e}'];

/// One cleaning, with the remote pictures that it met by host.
fn pass(html: &str, names: &BTreeSet<String>, until: Duration) -> Option<(String, BTreeMap<String, usize>)> {
    let names = names.clone();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let inside = Arc::clone(&seen);
    let mut builder = allowed::builder();
    builder.attribute_filter(move |element, attribute, value| {
        let mut seen = inside.lock().unwrap_or_else(PoisonError::into_inner);
        match (element, attribute) {
            ("img", "src") => seen.picture(value, &names).map(Cow::Owned),
            (_, "background" | "srcset") => {
                let sources = value.split(',').take(20).filter_map(|source| source.split_whitespace().next());
                sources.for_each(|source| seen.remote(source));
                None
            }
            ("a", "href") => link::target(value).map(Cow::Owned),
            (_, "style") => {
                seen.remote_style(value);
                allowed::style(value).map(Cow::Owned)
            }
            (_, "title" | "alt") => Some(Cow::Owned(display::single_line(value, 300))),
            ("blockquote" | "div", "class") => quote_class(element, value).map(Cow::Borrowed),
            ("blockquote", "type") => value.eq_ignore_ascii_case("cite").then_some(Cow::Borrowed("cite")),
            _ => allowed::is_word(value).then_some(Cow::Borrowed(value)),
        }
    });
    let html = builder.clean_from_reader(Bounded { left: html.as_bytes(), until }).ok()?.to_string();
    let html = if html.contains(OVERRIDES) { html.replace(OVERRIDES, "") } else { html };
    let blocked = std::mem::take(&mut seen.lock().unwrap_or_else(PoisonError::into_inner).blocked);
    Some((html, blocked))
}

/// The class of an element that holds a message that is answered. In the division of Gmail a forwarded one may stand.
fn quote_class(element: &str, value: &str) -> Option<&'static str> {
    let own = if element == "div" { "quote" } else { "gmail_quote" };
    let known = ["yahoo_quoted", "protonmail_quote", "tutanota_quote", own];
    let found = value.split_ascii_whitespace().any(|class| known.contains(&class));
    found.then_some(own)
}

/// HTML for a parser that gets no more of it once it has worked too long.
struct Bounded<'a> {
    left: &'a [u8],
    until: Duration,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if worked() > self.until {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.left.read(buffer)
    }
}

/// Processor time of this thread.
fn worked() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}
