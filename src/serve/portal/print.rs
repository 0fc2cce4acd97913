//! A message for paper: one document without navigation, under the same policy as the frame.

use crate::serve::portal::Portal;
use crate::serve::portal::Signed;
use crate::serve::portal::Visit;
use crate::serve::portal::document;
use crate::serve::portal::frame;
use crate::serve::portal::headers::Policy;
use crate::serve::portal::message;
use crate::serve::portal::message::ListedFile;
use crate::serve::portal::message::Security;
use crate::serve::portal::page::Answer;
use crate::serve::portal::page::Chrome;
use crate::serve::portal::view;
use crate::serve::portal::view::Need;
use crate::serve::portal::view::View;
use askama::Template;

#[derive(Template)]
#[template(path = "portal/print.html")]
struct Print<'a> {
    page: &'a Chrome,
    style: &'a str,
    subject: String,
    from_name: String,
    from_address: String,
    to: String,
    copies: String,
    date: String,
    expires: Option<String>,
    security: Security,
    files: Vec<ListedFile>,
    shortened: Option<String>,
    blocked: Vec<String>,
    /// Cleaned.
    html: String,
}

/// `GET /mailbox/<folder>/<uid>/print`.
pub async fn show(portal: &Portal, mut visit: Visit, signed: Signed) -> Answer {
    let turn = portal.documents.turn(signed.who.mailbox).await?;
    let making = turn.make().await?;
    let (_, message) = view::open(portal, &mut visit, &signed).await?;
    let (chrome, spools) = (visit.chrome, portal.flow.spools.clone());
    let shown = view::blocking(message, move |message| {
        let view = view::view(message, Need::Document)?;
        let html = frame::document(&view, &frame::words(&chrome, false));
        let blocked = message::blocked(&chrome, &view);
        // The pictures are in the document now.
        let view = View { html: None, more: Vec::new(), ..view };
        Ok((chrome, html, blocked, view, making))
    });
    let (message, (chrome, html, blocked, view, making)) = shown.await?;
    let origin = portal.flow.origin(&signed.who, &message.record, view.author.as_ref()).await?;
    let (message, proof) = portal.flow.signature(message, view.author.clone()).await?;
    let made = view::blocking(message, move |message| {
        let page = Print {
            page: &chrome,
            style: frame::STYLE,
            subject: view.title(&chrome),
            from_name: view.from_name.clone(),
            from_address: view.from_address.clone(),
            to: view.to.clone(),
            copies: view.copies.clone(),
            date: chrome.date_and_time(view.date.unwrap_or(message.record.arrived)),
            expires: view.expires.map(|until| chrome.put("message-expires-by", "until", &chrome.date(until))),
            security: Security::new(&chrome, &origin, &view.from_address, proof),
            files: view.files.iter().map(|file| ListedFile::new(&chrome, file)).collect(),
            shortened: view.shortened.map(|id| chrome.say(id)),
            blocked,
            html,
        };
        let laid = document::lay(&spools, &page)?;
        drop(making);
        Ok(laid)
    });
    let (_, laid) = made.await?;
    let mut answer = turn.answer(&laid)?;
    answer.extensions_mut().insert(Policy::Frame);
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use crate::serve::portal::tests::ALICE;
    use crate::serve::portal::tests::World;

    #[tokio::test]
    async fn paper_says_what_the_page_says() {
        let world = World::new().await;
        let bob = world.opened().await;
        let long = "words of a long text\n".repeat(60_000);
        let message = format!(
            "From: {ALICE}\nTo: bob@mail.example\nSubject: [secure] long\nMessage-ID: <long@weber-roth.example>\n\n{long}"
        );
        world.send("bob@mail.example", &message).await;
        for (number, lines) in [
            (1, ["Pictures from other servers were not loaded", "spy.example"].as_slice()),
            (2, &["This message is too long to be shown whole."]),
        ] {
            let page = world.get(&format!("/mailbox/inbox/{number}"), &bob).await.text();
            let paper = world.get(&format!("/mailbox/inbox/{number}/print"), &bob).await.text();
            let (above, _) = paper.split_once("<hr>").unwrap();
            for line in lines {
                assert!(page.contains(line) && above.contains(line), "{line} in {above}");
            }
        }
    }
}
