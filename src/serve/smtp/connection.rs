//! One SMTP connection: bounded reads, deadlines, and the effects of the session machine carried out.

use crate::base::address::Address;
use crate::base::reply;
use crate::base::reply::Reply;
use crate::base::wipe;
use crate::flow::hold::Hold;
use crate::flow::intake::Arrived;
use crate::flow::intake::Peer;
use crate::flow::refusal::TakeError;
use crate::flow::sign_in::Realm;
use crate::flow::sign_in::Source;
use crate::net::stream::Stream;
use crate::policy::recipient;
use crate::policy::recipient::Asker;
use crate::serve::smtp::PACE;
use crate::serve::smtp::Smtp;
use crate::serve::smtp::incoming::Incoming;
use crate::serve::words;
use crate::smtp::auth::Credentials;
use crate::smtp::command::Forward;
use crate::smtp::command::ForwardPath;
use crate::smtp::command::MailFrom;
use crate::smtp::data::Fault;
use crate::smtp::lines::Line;
use crate::smtp::lines::Lines;
use crate::smtp::server::Behind;
use crate::smtp::server::Effect;
use crate::smtp::server::Link;
use crate::smtp::server::Role;
use crate::smtp::server::Session;
use crate::smtp::server::Terms;
use crate::store::Health;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;
use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroize;

/// What a session may say before the greeting is looked for this long.
const EARLY: Duration = Duration::from_millis(20);
/// Read at once, octets.
const READ: usize = 16 << 10;
/// Read and thrown away after the last reply, octets.
const LINGER: usize = 1 << 20;

/// One connection.
pub struct Connection {
    smtp: Arc<Smtp>,
    stream: Stream,
    session: Session,
    lines: Lines,
    /// Read, and not used yet.
    input: Vec<u8>,
    /// Said, and not written yet.
    output: Vec<u8>,
    who: Option<Hold>,
    /// The whole session ends then.
    end: Instant,
}

/// How an effect leaves the connection.
enum Then {
    GoOn,
    Close,
    Secure,
}

impl Connection {
    /// Ready to greet.
    pub fn new(smtp: Arc<Smtp>, stream: Stream) -> Self {
        let config = smtp.flow.config();
        let terms = Terms {
            role: smtp.role,
            hostname: config.hostname.to_string(),
            message_size: config.limits.message_size,
            recipients: config.limits.recipients,
            starttls: smtp.tls.is_some(),
        };
        let end = Instant::now() + smtp.waits.session;
        let link = if stream.tls().is_some() { Link::Tls } else { Link::Plain };
        Self {
            smtp,
            stream,
            session: Session::new(terms, link),
            lines: Lines::default(),
            input: Vec::new(),
            output: Vec::new(),
            who: None,
            end,
        }
    }

    /// Serves the connection to its end.
    pub async fn run(mut self, stop: CancellationToken) -> io::Result<()> {
        let early = match self.session.link() {
            Link::Plain => timeout_at(Instant::now() + EARLY, self.fill()).await.unwrap_or(Ok(1))?,
            Link::Tls => 1,
        };
        if early == 0 {
            return Ok(());
        }
        let greeting = self.session.greet(self.behind());
        let mut then = self.carry_out(greeting).await?;
        loop {
            match then {
                Then::GoOn => {}
                Then::Close => return self.close().await,
                Then::Secure => self = self.secure().await?,
            }
            let Some(line) = self.line(&stop).await? else { return self.close().await };
            if !self.still_signed_in().await {
                self.say(&reply::SIGNED_OUT);
                return self.close().await;
            }
            let effect = self.session.line(&line, self.behind());
            then = self.carry_out(effect).await?;
        }
    }

    /// The next line; `None` when the connection is over, whatever there was to say said.
    ///
    /// Whether the house is nearly full is looked at again and again: who came before it was is not waited for
    /// longer than who came after. A piece of a line prolongs nothing.
    async fn line(&mut self, stop: &CancellationToken) -> io::Result<Option<Line>> {
        let waits = self.smtp.waits;
        let begun = Instant::now();
        let deadline = self.end.min(begun + waits.command);
        let mut look = begun + waits.stressed;
        loop {
            let (used, line) = self.lines.take(&self.input);
            self.consume(used);
            if line.is_some() {
                return Ok(line);
            }
            self.flush().await?;
            // What was signed in is ended as soon as its account changes, not with the next command.
            if !self.still_signed_in().await {
                self.say(&reply::SIGNED_OUT);
                return Ok(None);
            }
            let mut hold = self.who.take();
            let changed = async {
                match &mut hold {
                    Some(hold) => hold.changed().await,
                    None => std::future::pending().await,
                }
            };
            let event = tokio::select! {
                () = changed => Event::Changed,
                () = stop.cancelled(), if self.lines.is_empty() => Event::Stop,
                read = timeout_at(deadline.min(look), self.fill()) => Event::Read(read.ok()),
            };
            self.who = hold;
            match event {
                Event::Changed => {}
                Event::Stop => {
                    self.say(&reply::STOPPING);
                    return Ok(None);
                }
                Event::Read(Some(read)) => {
                    if read? == 0 {
                        return Ok(None);
                    }
                }
                Event::Read(None) if Instant::now() < deadline && !self.smtp.gate.stressed() => {
                    look += waits.stressed;
                }
                Event::Read(None) => {
                    self.say(&reply::TIMED_OUT);
                    return Ok(None);
                }
            }
        }
    }

    /// Whether whoever signed in still may.
    async fn still_signed_in(&mut self) -> bool {
        match &mut self.who {
            Some(hold) => self.smtp.flow.still_holds(hold).await,
            None => true,
        }
    }

    /// Does what the machine says until there is something to say.
    async fn carry_out(&mut self, mut effect: Effect) -> io::Result<Then> {
        loop {
            effect = match effect {
                Effect::Say(reply) => {
                    self.say(&reply);
                    return Ok(Then::GoOn);
                }
                Effect::SayLate(reply) => {
                    self.flush().await?;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    self.say(&reply);
                    return Ok(Then::GoOn);
                }
                Effect::Close(reply) => {
                    self.say(&reply);
                    return Ok(Then::Close);
                }
                Effect::StartTls(reply) => {
                    self.say(&reply);
                    return Ok(Then::Secure);
                }
                Effect::AskMail(mail) => {
                    let verdict = self.ask_mail(&mail).await;
                    self.session.mail(*mail, verdict)
                }
                Effect::AskRcpt(forward) => {
                    let verdict = self.ask_rcpt(&forward).await;
                    self.session.rcpt(*forward, verdict)
                }
                Effect::AskAuth(credentials) => {
                    let verdict = self.ask_auth(credentials).await;
                    self.session.signed_in(verdict)
                }
                Effect::BeginData(reply) => self.data(&reply).await?,
            };
        }
    }

    async fn ask_mail(&self, mail: &MailFrom) -> Result<(), Reply> {
        if self.smtp.flow.store.health() != Health::Good {
            return Err(reply::TRY_LATER);
        }
        match (&self.who, self.smtp.role) {
            (Some(hold), Role::Submission) => self
                .smtp
                .flow
                .ask_sender(&hold.who, &mail.sender)
                .await
                .map_err(|error| words::of_taking(&error)),
            (None, Role::Submission) => Err(reply::AUTH_FIRST),
            (_, Role::Mx) => Ok(()),
        }
    }

    async fn ask_rcpt(&self, forward: &Forward) -> Result<Address, Reply> {
        let flow = &self.smtp.flow;
        let asker = if self.who.is_some() { Asker::Account } else { Asker::Stranger };
        let address = match &forward.to {
            ForwardPath::Mailbox(address) => address.clone(),
            ForwardPath::Literal => return Err(recipient::literal(asker)),
            ForwardPath::Postmaster => {
                let domain = flow.config().domains.first().map(|domain| domain.name.clone());
                let domain = domain.ok_or(reply::UNKNOWN_RECIPIENT)?;
                Address::new("postmaster", domain).map_err(|_| reply::UNKNOWN_RECIPIENT)?
            }
        };
        let verdict = match &self.who {
            Some(hold) => flow.ask_submission_recipient(&hold.who, &address).await,
            None => {
                let envelope = self.session.envelope().ok_or(reply::BAD_SEQUENCE)?;
                flow.ask_recipient(&address, envelope, &self.peer()).await
            }
        };
        verdict.map(|()| address).map_err(|error| words::of_taking(&error))
    }

    async fn ask_auth(&mut self, credentials: Credentials) -> Result<(), Reply> {
        let source = Source { ip: self.stream.peer().ip(), device: None };
        let flow = &self.smtp.flow;
        let result = flow.sign_in(&credentials.user, credentials.password, &source, Realm::Accounts).await;
        let who = result.map_err(|error| words::of_sign_in(&error))?;
        self.who = Some(flow.hold(who));
        Ok(())
    }

    /// Reads a message and hands it over; 250 is said after it is on disk, synced.
    async fn data(&mut self, go: &Reply) -> io::Result<Effect> {
        let Some(incoming) = Incoming::begin(&self.smtp.flow, self.session.message_size()) else {
            return Ok(self.session.data(Err(reply::TRY_LATER)));
        };
        self.say(go);
        let incoming = match self.receive(incoming).await? {
            Received::Whole(incoming) => incoming,
            Received::Broken(fault) => return Ok(self.session.broken(fault)),
            Received::TooSlow => return Ok(Effect::Close(reply::TIMED_OUT)),
        };
        let Some(envelope) = self.session.envelope().cloned() else {
            return Ok(self.session.data(Err(reply::BAD_SEQUENCE)));
        };
        let (spool, structure, _room) = match incoming.finish() {
            Ok(message) => message,
            Err(problem) => return Ok(self.session.data(Err(words::of_scan(&problem)))),
        };
        if !self.still_signed_in().await {
            return Ok(Effect::Close(reply::SIGNED_OUT));
        }
        let arrived = Arrived { envelope, spool, structure, peer: self.peer() };
        let taken = match self.who.as_ref().map(|hold| hold.who.clone()) {
            Some(who) => self.smtp.flow.submit(&who, arrived).await,
            None => self.smtp.flow.take_in(arrived).await,
        };
        let verdict =
            taken.map(|taken| reply::taken(taken.id)).map_err(|error: TakeError| words::of_taking(&error));
        Ok(self.session.data(verdict))
    }

    /// Reads up to the end of the message, at a pace that is not a siege.
    async fn receive(&mut self, mut incoming: Incoming) -> io::Result<Received> {
        let pace = self.smtp.waits.pace;
        let enough = usize::try_from(pace.as_secs().max(1)).unwrap_or(usize::MAX).saturating_mul(PACE);
        let mut window = Instant::now() + pace;
        let mut in_window = 0;
        loop {
            let (used, end) = incoming.take(&self.input);
            in_window += used;
            self.consume(used);
            if let Some(fault) = end {
                return Ok(fault.map_or_else(|| Received::Whole(Box::new(incoming)), Received::Broken));
            }
            self.flush().await?;
            match timeout_at(self.end.min(window), self.fill()).await {
                Ok(read) => {
                    if read? == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(_) if in_window < enough || Instant::now() >= self.end => return Ok(Received::TooSlow),
                Err(_) => {
                    window = Instant::now() + pace;
                    in_window = 0;
                }
            }
        }
    }

    fn peer(&self) -> Peer {
        let protocol = self.session.protocol();
        Peer {
            ip: self.stream.peer().ip(),
            helo: self.session.peer_name().unwrap_or_default().to_owned(),
            extended: protocol != "SMTP",
            tls: self.stream.tls().map(|tls| format!("{} {}", tls.version, tls.cipher)),
        }
    }

    /// RFC 3207 §4: the reply, then the handshake; what was buffered before is gone.
    async fn secure(mut self) -> io::Result<Self> {
        self.flush().await?;
        let tls = self.smtp.tls.clone().ok_or(io::ErrorKind::Unsupported)?;
        self.stream = self.stream.accept_tls(&tls).await.map_err(io::Error::other)?;
        self.input.zeroize();
        self.lines = Lines::default();
        self.who = None;
        self.session.secured();
        Ok(self)
    }

    fn behind(&self) -> Behind {
        if self.input.is_empty() { Behind::Nothing } else { Behind::Bytes }
    }

    fn say(&mut self, reply: &Reply) {
        self.output.extend_from_slice(reply.to_string().as_bytes());
    }

    async fn flush(&mut self) -> io::Result<()> {
        if self.output.is_empty() {
            return Ok(());
        }
        let write = async {
            self.stream.write_all(&self.output).await?;
            self.stream.flush().await
        };
        timeout_at(Instant::now() + self.smtp.waits.write, write)
            .await
            .map_err(|_| io::ErrorKind::TimedOut)??;
        self.output.clear();
        Ok(())
    }

    /// Says what is left to say and hangs up. What the client still sends is read for a moment: otherwise its
    /// system would throw away our last words together with what it sent in vain.
    async fn close(mut self) -> io::Result<()> {
        self.flush().await?;
        let end = Instant::now() + self.smtp.waits.linger;
        timeout_at(end, self.stream.shutdown()).await.map_err(|_| io::ErrorKind::TimedOut)??;
        let mut heard = 0;
        while heard < LINGER {
            self.input.clear();
            match timeout_at(end, self.fill()).await {
                Ok(Ok(read)) if read > 0 => heard += read,
                _ => break,
            }
        }
        self.input.zeroize();
        Ok(())
    }

    /// Reads once; the number of octets, 0 at the end of the connection.
    async fn fill(&mut self) -> io::Result<usize> {
        self.input.reserve(READ);
        self.stream.read_buf(&mut self.input).await
    }

    /// Forgets what was used; it may have held a password.
    fn consume(&mut self, used: usize) {
        let left = self.input.len().saturating_sub(used);
        let used = used.min(self.input.len());
        self.input.copy_within(used.., 0);
        if let Some(stale) = self.input.get_mut(left..) {
            wipe::octets(stale);
        }
        self.input.truncate(left);
    }
}

/// What came first while waiting for a line.
enum Event {
    /// The account that is signed in.
    Changed,
    Stop,
    /// Octets, or nothing in time.
    Read(Option<io::Result<usize>>),
}

/// How reading a message ended.
enum Received {
    Whole(Box<Incoming>),
    Broken(Fault),
    TooSlow,
}
