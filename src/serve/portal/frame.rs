//! The document in the frame of a message: somebody else's HTML, cleaned, under a policy of its own.

use crate::serve::portal::Portal;
use crate::serve::portal::Signed;
use crate::serve::portal::Visit;
use crate::serve::portal::document;
use crate::serve::portal::headers::Policy;
use crate::serve::portal::html;
use crate::serve::portal::html::Cleaned;
use crate::serve::portal::html::Words;
use crate::serve::portal::page::Answer;
use crate::serve::portal::page::Chrome;
use crate::serve::portal::view;
use crate::serve::portal::view::Need;
use crate::serve::portal::view::View;
use askama::Template;

#[derive(Template)]
#[template(path = "portal/frame.html")]
struct Frame<'a> {
    language: &'a str,
    subject: String,
    style: &'a str,
    /// Cleaned.
    html: String,
}

/// What a frame looks like.
pub const STYLE: &str = include_str!("../../../assets/portal/frame.css");

/// `GET /mailbox/<folder>/<uid>/body`.
pub async fn show(portal: &Portal, mut visit: Visit, signed: Signed) -> Answer {
    let turn = portal.documents.turn(signed.who.mailbox).await?;
    let making = turn.make().await?;
    let (_, message) = view::open(portal, &mut visit, &signed).await?;
    let (chrome, spools) = (visit.chrome, portal.flow.spools.clone());
    let made = view::blocking(message, move |message| {
        let view = view::view(message, Need::Document)?;
        let html = document(&view, &words(&chrome, true));
        let subject = view.title(&chrome);
        drop(view);
        let frame = Frame { language: chrome.language(), subject, style: STYLE, html };
        let laid = document::lay(&spools, &frame)?;
        drop(making);
        Ok(laid)
    });
    let (_, laid) = made.await?;
    let mut answer = turn.answer(&laid)?;
    answer.extensions_mut().insert(Policy::Frame);
    Ok(answer)
}

/// The HTML of a message, or its text as HTML.
pub fn document(view: &View, words: &Words) -> String {
    let shown = |text: &str, html: Option<&Cleaned>| match html {
        Some(cleaned) => cleaned.shown(words),
        None => html::text(text, words),
    };
    let mut document = shown(&view.text, view.html.as_ref());
    for passage in &view.more {
        document.push_str("<hr>");
        document.push_str(&shown(&passage.text, passage.html.as_ref()));
    }
    document
}

/// What is written into a message for its reader; on paper nothing is folded.
pub fn words(chrome: &Chrome, folds: bool) -> Words {
    Words { leads_to: chrome.say("leads-to"), quoted: folds.then(|| chrome.say("quoted-text")) }
}
