//! One connection: frames in, words out, with every wait bounded.

use crate::base::secret::Secret;
use crate::imap::ask::Answer;
use crate::imap::ask::Ask;
use crate::imap::ask::Trouble;
use crate::imap::ask::Turn;
use crate::imap::frame::Frame;
use crate::imap::frame::Framer;
use crate::imap::reply;
use crate::imap::session::Link;
use crate::imap::session::Session;
use crate::net::stream::Stream;
use crate::serve::imap::Imap;
use crate::serve::imap::mailbox::Incoming;
use crate::serve::imap::mailbox::Mailbox;
use std::io;
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

/// What is read at once, and written at once, octets.
const CHUNK: usize = 64 << 10;
/// Commands taken in a row before other connections have a turn.
const IN_A_ROW: usize = 50;

/// A connection with its session.
pub(super) struct Connection {
    pub(super) imap: Arc<Imap>,
    stream: Option<Stream>,
    stop: CancellationToken,
    framer: Framer,
    session: Session,
    out: Out,
    /// Octets the client has taken, as far as its system and ours can tell.
    written: u64,
    input: Zeroizing<Vec<u8>>,
    mailbox: Option<Mailbox>,
    login_until: Instant,
    pub(super) idle_until: Instant,
}

/// What waits to be written. Wiped when it goes: it holds mail.
struct Out(Zeroizing<Vec<u8>>);

/// Why a connection ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ended {
    /// The client is gone, or does not read.
    Gone,
    /// Everything was said.
    Done,
    /// With these last words.
    With(&'static str),
}

/// What came first while waiting.
enum Event {
    Bytes,
    Changed,
    StillHere,
}

impl Connection {
    pub(super) fn new(imap: Arc<Imap>, stream: Stream, link: Link, stop: CancellationToken) -> Self {
        let now = Instant::now();
        let limits = imap.limits;
        Self {
            session: Session::new(link, limits.message_size),
            imap,
            stream: Some(stream),
            stop,
            framer: Framer::default(),
            out: Out(Zeroizing::new(Vec::with_capacity(2 * CHUNK))),
            written: 0,
            input: Zeroizing::new(vec![0; 16 << 10]),
            mailbox: None,
            login_until: now + limits.login,
            idle_until: now + limits.idle,
        }
    }

    /// Serves it to its end.
    pub(super) async fn run(mut self) {
        let greeting = self.session.greeting();
        let ended = match self.say(greeting.as_bytes()).await {
            Ok(()) => self.commands().await,
            Err(ended) => ended,
        };
        // The last words are waited for in any case; the mailbox is shut before.
        (self.mailbox, self.stop) = (None, CancellationToken::new());
        if let Ended::With(words) = ended {
            let _ = self.say(words.as_bytes()).await;
        }
        if !matches!(ended, Ended::Gone)
            && self.flush().await.is_ok()
            && let Some(stream) = &mut self.stream
        {
            let _ = timeout(self.imap.limits.write, stream.shutdown()).await;
        }
    }

    async fn commands(&mut self) -> Ended {
        let mut in_a_row = 0;
        loop {
            let frame = match self.next_frame().await {
                Ok(frame) => frame,
                Err(ended) => return ended,
            };
            if let Err(ended) = self.still_open().await {
                return ended;
            }
            let turn = match frame {
                Frame::Command(bytes) => self.session.command(&bytes),
                Frame::Append { head, octets } => self.session.append(&head, octets),
                Frame::Refused { tag } => self.session.literal_refused(&tag),
                _ => continue,
            };
            if let Err(ended) = self.follow(turn).await {
                return ended;
            }
            in_a_row = if self.framer.is_empty() { 0 } else { in_a_row + 1 };
            if in_a_row >= IN_A_ROW {
                in_a_row = 0;
                tokio::task::yield_now().await;
            }
        }
    }

    /// Says what is to be said, does what is to be done, until the next command is wanted.
    async fn follow(&mut self, mut turn: Turn) -> Result<(), Ended> {
        loop {
            self.say(&turn.say).await?;
            let answer = match turn.ask {
                Ask::Command => return self.still_open().await,
                Ask::End => return Err(Ended::Done),
                Ask::RefuseMessage => {
                    self.framer.refuse_message(self.imap.limits.message_size);
                    return Ok(());
                }
                Ask::StartTls => return self.start_tls().await,
                Ask::Line => self.line().await?,
                Ask::Idle { folder } => self.idle(folder).await?,
                Ask::Receive { folder, flags, arrived } => {
                    let incoming = self.receive().await?;
                    match (incoming, &mut self.mailbox) {
                        (Ok(message), Some(mailbox)) => mailbox.append(folder, flags, arrived, message).await,
                        (Err(trouble), _) => Answer::Trouble(trouble),
                        (_, None) => Answer::Trouble(Trouble::Broken),
                    }
                }
                Ask::SignIn { user, password } => self.sign_in(&user, password).await,
                Ask::Fetch(plan) => self.fetch(plan).await?,
                Ask::Search { folder, query, rows } => self.search(folder, &query, &rows).await?,
                other => match &mut self.mailbox {
                    Some(mailbox) => mailbox.answer(other).await,
                    None => Answer::Trouble(Trouble::Broken),
                },
            };
            turn = self.session.answer(answer);
        }
    }

    async fn sign_in(&mut self, user: &str, password: Secret<String>) -> Answer {
        let Some(peer) = self.stream.as_ref().map(Stream::peer) else {
            return Answer::Trouble(Trouble::Broken);
        };
        match Mailbox::sign_in(&self.imap, peer.ip(), user, password).await {
            Ok((mailbox, folders)) => {
                self.mailbox = Some(mailbox);
                self.framer.sign_in();
                Answer::SignedIn(folders)
            }
            Err(trouble) => Answer::Trouble(trouble),
        }
    }

    /// The server stops, the mailbox was deleted, its password changed, or its owner ended this: nothing more is told.
    pub(super) async fn still_open(&mut self) -> Result<(), Ended> {
        if self.stop.is_cancelled() {
            return Err(Ended::With(reply::BYE_STOPPING));
        }
        if self.mailbox.as_ref().is_some_and(|mailbox| mailbox.ended().is_cancelled()) {
            return Err(Ended::With(reply::BYE_ENDED));
        }
        let open = match &mut self.mailbox {
            Some(mailbox) => mailbox.is_open().await,
            None => true,
        };
        if open { Ok(()) } else { Err(Ended::With(reply::BYE_CLOSED)) }
    }

    async fn start_tls(&mut self) -> Result<(), Ended> {
        self.flush().await?;
        // RFC 3501 §6.2.1: what came before the handshake was not said inside TLS.
        let tls = self.imap.tls.clone().filter(|_| self.framer.is_empty()).ok_or(Ended::Gone)?;
        let stream = self.stream.take().ok_or(Ended::Gone)?;
        let inside = stream.accept_tls(&tls).await.map_err(|why| {
            tracing::debug!(%why, "handshake failed");
            Ended::Gone
        })?;
        self.stream = Some(inside);
        self.framer = Framer::default();
        self.session.secured();
        Ok(())
    }

    /// The next thing the client sends. Its time starts anew with every one (RFC 3501 §5.4), so that IDLE has all of it.
    pub(super) async fn next_frame(&mut self) -> Result<Frame, Ended> {
        self.idle_until = Instant::now() + self.imap.limits.idle;
        let frame = self.frame().await?;
        self.idle_until = Instant::now() + self.imap.limits.idle;
        Ok(frame)
    }

    async fn frame(&mut self) -> Result<Frame, Ended> {
        loop {
            match self.framer.next_frame() {
                Frame::More => {
                    self.flush().await?;
                    if matches!(self.wait(false).await?, Event::Changed) {
                        self.still_open().await?;
                    }
                }
                Frame::GoOn => self.say(b"+ go on\r\n").await?,
                Frame::Flood => return Err(Ended::With(reply::BYE_FLOOD)),
                frame => return Ok(frame),
            }
        }
    }

    async fn line(&mut self) -> Result<Answer, Ended> {
        self.framer.expect_line();
        match self.next_frame().await? {
            Frame::Line(line) => Ok(Answer::Line(line)),
            _ => Err(Ended::Gone),
        }
    }

    /// A line from the client, or a change of the open folder.
    async fn idle(&mut self, folder: Option<u16>) -> Result<Answer, Ended> {
        self.framer.expect_line();
        loop {
            match self.framer.next_frame() {
                Frame::Line(line) => return Ok(Answer::Line(line)),
                Frame::More => {}
                Frame::Flood => return Err(Ended::With(reply::BYE_FLOOD)),
                _ => return Err(Ended::Gone),
            }
            self.still_open().await?;
            if let (Some(mailbox), Some(folder)) = (&mut self.mailbox, folder)
                && mailbox.has_changed()
            {
                return Ok(mailbox.answer(Ask::Refresh { folder }).await);
            }
            self.flush().await?;
            match self.wait(true).await? {
                Event::StillHere => self.say(reply::STILL_HERE.as_bytes()).await?,
                Event::Bytes | Event::Changed => {}
            }
        }
    }

    /// Waits for bytes, or for a change: the mailbox may be closed by it.
    async fn wait(&mut self, in_idle: bool) -> Result<Event, Ended> {
        let signed_in = self.session.is_signed_in();
        let until = if signed_in { self.idle_until } else { self.idle_until.min(self.login_until) };
        let ended = self.ended();
        let Some(stream) = &mut self.stream else { return Err(Ended::Gone) };
        let mailbox = &mut self.mailbox;
        let changed = async {
            match mailbox {
                Some(mailbox) => mailbox.changed().await,
                None => std::future::pending().await,
            }
        };
        let still_here = async {
            if in_idle {
                tokio::time::sleep(self.imap.limits.still_here).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        let read = tokio::select! {
            read = stream.read(&mut self.input) => read,
            () = changed => return Ok(Event::Changed),
            () = still_here => return Ok(Event::StillHere),
            () = self.stop.cancelled() => return Err(Ended::With(reply::BYE_STOPPING)),
            () = ended.cancelled() => return Err(Ended::With(reply::BYE_ENDED)),
            () = tokio::time::sleep_until(until) => {
                let words = if signed_in { reply::BYE_IDLE } else { reply::BYE_LOGIN_TIME };
                return Err(Ended::With(words));
            }
        };
        match read {
            Ok(0) | Err(_) => Err(Ended::Gone),
            Ok(count) => {
                self.framer.push(self.input.get(..count).unwrap_or_default());
                Ok(Event::Bytes)
            }
        }
    }

    /// The message of an APPEND. The outer error ends the connection, the inner one the command.
    async fn receive(&mut self) -> Result<Result<Incoming, Trouble>, Ended> {
        if self.framer.take_message() {
            self.say(b"+ go on\r\n").await?;
        }
        let mut incoming = Incoming::begin(&self.imap.flow.spools, self.imap.limits.message_size);
        loop {
            match self.next_frame().await? {
                Frame::Octets(octets) => match incoming.add(octets).await {
                    Ok(more) => incoming = more,
                    Err(trouble) => {
                        self.framer.refuse_message(u64::MAX);
                        return Ok(Err(trouble));
                    }
                },
                Frame::AppendEnd { clean: true } => return Ok(Ok(incoming)),
                Frame::AppendEnd { clean: false } => return Ok(Err(Trouble::NotOneMessage)),
                _ => return Err(Ended::Gone),
            }
        }
    }

    /// Says something; written when there is enough of it, or when the client's turn comes.
    pub(super) async fn say(&mut self, mut bytes: &[u8]) -> Result<(), Ended> {
        while !bytes.is_empty() {
            let room = CHUNK.saturating_sub(self.out.0.len()).max(1);
            let (now, later) = bytes.split_at(bytes.len().min(room));
            self.out.0.extend_from_slice(now);
            bytes = later;
            if self.out.0.len() >= CHUNK {
                self.write().await?;
            }
        }
        Ok(())
    }

    async fn write(&mut self) -> Result<(), Ended> {
        let ended = self.ended();
        let Some(stream) = &mut self.stream else { return Err(Ended::Gone) };
        let writing = timeout(self.imap.limits.write, stream.write_all(&self.out.0));
        let written = taken(writing, &self.stop, &ended).await;
        if written.is_ok() {
            self.written += self.out.0.len() as u64;
        }
        self.out.0.clear();
        written
    }

    /// Octets that were said, and how many of these are written.
    pub(super) fn said(&self) -> (u64, u64) {
        (self.written + self.out.0.len() as u64, self.written)
    }

    pub(super) async fn flush(&mut self) -> Result<(), Ended> {
        if self.out.0.is_empty() {
            return Ok(());
        }
        self.write().await?;
        let ended = self.ended();
        let Some(stream) = &mut self.stream else { return Err(Ended::Gone) };
        taken(timeout(self.imap.limits.write, stream.flush()), &self.stop, &ended).await
    }

    /// Cancelled when the owner of the mailbox ended this.
    fn ended(&self) -> CancellationToken {
        self.mailbox.as_ref().map(Mailbox::ended).unwrap_or_default()
    }

    /// The open mailbox, for the deeds that tell while they go.
    pub(super) fn mailbox(&mut self) -> Option<&mut Mailbox> {
        self.mailbox.as_mut()
    }
}

/// What the client takes. One that does not read is not waited for once the server stops or the owner ended this:
/// half of an answer is out, so the connection ends without a word.
async fn taken(
    taking: impl Future<Output = Result<io::Result<()>, Elapsed>>,
    stop: &CancellationToken,
    ended: &CancellationToken,
) -> Result<(), Ended> {
    tokio::select! {
        biased;
        taken = taking => match taken {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Ended::Gone),
        },
        () = stop.cancelled() => Err(Ended::Gone),
        () = ended.cancelled() => Err(Ended::Gone),
    }
}
