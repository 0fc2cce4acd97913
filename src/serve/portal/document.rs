//! Pages that hold a whole message with its pictures: made a few at a time, and laid into the spool before they go out.
//! Whoever takes one slowly holds no memory by that, and holds up nobody but the same mailbox.

use crate::base::id::MailboxId;
use crate::serve::portal::attachment;
use crate::serve::portal::page;
use crate::serve::portal::page::Answer;
use crate::serve::portal::trouble::Trouble;
use crate::store::spool::SpoolDir;
use crate::store::spool::SpoolReader;
use crate::store::spool::Spooled;
use askama::Template;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use std::collections::HashMap;
use std::io;
use std::io::Read;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::Weak;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;

/// The documents that are being made or on their way.
pub struct Documents {
    making: Arc<Semaphore>,
    each: Mutex<HashMap<MailboxId, Weak<Semaphore>>>,
    wait: Duration,
}

/// One document of a mailbox, from its request to its last octet.
pub struct Turn {
    making: Arc<Semaphore>,
    own: OwnedSemaphorePermit,
    wait: Duration,
}

/// A document is being made; over when this is dropped.
pub struct Making {
    _permit: OwnedSemaphorePermit,
}

impl Documents {
    /// None yet.
    pub fn new() -> Self {
        Self { making: Arc::new(Semaphore::new(MAKING)), each: Mutex::default(), wait: WAIT }
    }

    /// Waits until this mailbox may have one more.
    pub async fn turn(&self, mailbox: MailboxId) -> Result<Turn, Trouble> {
        let own = permit(self.of(mailbox), self.wait).await?;
        Ok(Turn { making: self.making.clone(), own, wait: self.wait })
    }

    fn of(&self, mailbox: MailboxId) -> Arc<Semaphore> {
        // Every change is complete before the lock is given back.
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = each.get(&mailbox).and_then(Weak::upgrade) {
            return known;
        }
        each.retain(|_, turns| turns.strong_count() > 0);
        let turns = Arc::new(Semaphore::new(EACH));
        each.insert(mailbox, Arc::downgrade(&turns));
        turns
    }
}

impl Turn {
    /// Waits until it can be made. What comes back belongs to the work, which goes on when nobody waits for it any more.
    pub async fn make(&self) -> Result<Making, Trouble> {
        Ok(Making { _permit: permit(self.making.clone(), self.wait).await? })
    }

    /// The answer, which is read out of the spool as fast as it is taken.
    pub fn answer(self, document: &Spooled) -> Answer {
        let held = Held { reader: document.reader(), _own: self.own };
        let mut answer =
            page::content(StatusCode::OK, "text/html; charset=utf-8", attachment::streamed(held));
        answer.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(document.length()));
        Ok(answer)
    }
}

async fn permit(of: Arc<Semaphore>, wait: Duration) -> Result<OwnedSemaphorePermit, Trouble> {
    match tokio::time::timeout(wait, of.acquire_owned()).await {
        Ok(Ok(permit)) => Ok(permit),
        Ok(Err(_)) | Err(_) => Err(Trouble::Busy(SOON)),
    }
}

/// Renders a document into the spool. Blocking.
pub fn lay(spools: &SpoolDir, document: &impl Template) -> Result<Spooled, Trouble> {
    let mut spool = spools.begin();
    Template::write_into(document, &mut spool).map_err(not_laid)?;
    spool.finish().map_err(not_laid)
}

fn not_laid(why: io::Error) -> Trouble {
    Trouble::Store(why.into())
}

/// A document on its way.
struct Held {
    reader: SpoolReader,
    _own: OwnedSemaphorePermit,
}

impl Read for Held {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

/// Documents made at once, in the whole server. With 10 MiB of pictures one takes up to 70 MiB while it is made.
const MAKING: usize = 2;
/// Documents of one mailbox, made or on their way.
const EACH: usize = 6;
/// How long a request waits for each of the two; longer in tests, which run on busy machines.
const WAIT: Duration = Duration::from_secs(if cfg!(test) { 300 } else { 20 });
/// When to come again.
const SOON: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::portal::tests::ALICE;
    use crate::serve::portal::tests::HOST;
    use crate::serve::portal::tests::World;
    use axum::body::Body;
    use axum::http::Request;
    use futures_util::StreamExt;
    use futures_util::stream::FuturesUnordered;
    use http_body_util::BodyExt;
    use std::net::IpAddr;

    const M: MailboxId = MailboxId::new([1; 16]);
    const N: MailboxId = MailboxId::new([2; 16]);

    #[tokio::test]
    async fn so_many_of_a_mailbox_and_fewer_made_at_once() {
        let documents = Documents { wait: Duration::ZERO, ..Documents::new() };
        let mut turns = Vec::new();
        for _ in 0..EACH {
            turns.push(documents.turn(M).await.unwrap());
        }
        assert!(matches!(documents.turn(M).await, Err(Trouble::Busy(_))));
        let other = documents.turn(N).await.unwrap();
        let mut made = Vec::new();
        for turn in turns.iter().take(MAKING) {
            made.push(turn.make().await.unwrap());
        }
        assert!(matches!(other.make().await, Err(Trouble::Busy(_))));
        made.pop();
        assert!(other.make().await.is_ok());
        turns.pop();
        assert!(documents.turn(M).await.is_ok());
        drop((turns, other));
        drop(documents.turn(M).await);
        documents.of(N);
        assert_eq!(documents.each.lock().unwrap().len(), 1, "those without any are forgotten");
    }

    /// HTML with a picture that is larger than what a spool keeps in memory.
    fn pictured() -> String {
        let picture = [&b"\x89PNG\r\n\x1a\n"[..], &vec![7; 600_000]].concat();
        let lines = data_encoding::BASE64.encode(&picture);
        let lines: Vec<_> =
            lines.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!(
            "From: {ALICE}\nTo: bob@mail.example\nSubject: [secure] pictured\nMIME-Version: 1.0\n\
             Content-Type: multipart/related; boundary=rr\n\n--rr\nContent-Type: text/html\n\n\
             <p>Look: <img src=\"cid:p@x\"></p>\n--rr\nContent-Type: image/png\nContent-ID: <p@x>\n\
             Content-Transfer-Encoding: base64\n\n{}\n--rr--\n",
            lines.join("\n")
        )
    }

    #[tokio::test]
    async fn documents_that_nobody_takes_hold_up_nothing_else() {
        let world = World::new().await;
        let cookie = world.opened().await;
        world.send("bob@mail.example", &pictured()).await;
        let ask = |page: &str| {
            let path = format!("/mailbox/inbox/2/{page}");
            let request = Request::get(path).header("host", HOST).header("cookie", &cookie);
            let peer =
                crate::serve::http::Peer { address: IpAddr::from([192, 0, 2, 1]), secure: true, http2: true };
            let portal = world.portal.clone();
            async move { portal.answer(request.body(Body::empty()).unwrap(), peer).await }
        };
        let mut asked: FuturesUnordered<_> =
            (0..25).flat_map(|_| ["body", "print"]).map(|page| Box::pin(ask(page))).collect();
        let mut held = Vec::new();
        while held.len() < EACH {
            let answer = asked.next().await.unwrap();
            assert_eq!(answer.status().as_u16(), 200);
            held.push(answer);
        }
        let mailbox =
            world.flow.store.mailbox_of(&crate::serve::portal::tests::address("bob@mail.example").key());
        let mailbox = mailbox.await.unwrap().unwrap();
        assert_eq!(world.portal.documents.of(mailbox).available_permits(), 0);
        assert_eq!(
            world.portal.documents.making.available_permits(),
            MAKING,
            "they hold up no other mailbox"
        );
        for path in ["/mailbox", "/mailbox/inbox/2", "/mailbox/inbox/2/reply", "/mailbox/inbox/2/raw"] {
            assert_eq!(world.get(path, &cookie).await.status, 200, "{path}");
        }
        let mut whole = 0;
        while let Some(answer) = held.pop() {
            let length = answer.headers().get("content-length").unwrap().to_str().unwrap().to_owned();
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body.len().to_string(), length);
            assert!(body.len() > 800_000 && body.windows(22).any(|at| at == b"data:image/png;base64,"));
            whole += 1;
            if let Some(answer) = asked.next().await {
                assert_eq!(answer.status().as_u16(), 200);
                held.push(answer);
            }
        }
        assert_eq!(whole, 50, "each came in its turn");
        assert_eq!(world.portal.documents.of(mailbox).available_permits(), EACH);
    }
}
