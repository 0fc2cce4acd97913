//! The SMTP server session as a pure machine: commands in, effects out.
//!
//! Two roles: the MX on port 25, and submission on 465 and 587. The driver moves bytes, asks what an effect
//! asks, and hands the answer back by the method that the effect names.

use crate::base::address::Address;
use crate::base::envelope::Envelope;
use crate::base::envelope::Recipient;
use crate::base::limits;
use crate::base::reply;
use crate::base::reply::Reply;
use crate::base::secret::Secret;
use crate::smtp::auth::Credentials;
use crate::smtp::auth::Exchange;
use crate::smtp::auth::Mechanism;
use crate::smtp::auth::Turn;
use crate::smtp::command;
use crate::smtp::command::Command;
use crate::smtp::command::Forward;
use crate::smtp::command::MailFrom;
use crate::smtp::data::Fault;
use crate::smtp::lines::Line;
use std::fmt::Write as _;

/// What a session is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// Port 25: mail from anybody for the addresses of this server.
    Mx,
    /// Ports 465 and 587: mail of the accounts (RFC 6409).
    Submission,
}

/// What the bytes travel in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Link {
    /// As they are.
    Plain,
    /// TLS.
    Tls,
}

/// Whether more bytes had arrived when a command was read, or before the greeting was said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Behind {
    /// None.
    Nothing,
    /// Some.
    Bytes,
}

/// What a session is opened with.
#[derive(Clone, Debug)]
pub struct Terms {
    /// What it is for.
    pub role: Role,
    /// What the server calls itself.
    pub hostname: String,
    /// Octets of one message.
    pub message_size: u64,
    /// Recipients of one message.
    pub recipients: usize,
    /// There is a certificate to offer STARTTLS with.
    pub starttls: bool,
}

/// The one thing that the driver has to do next.
#[derive(Debug)]
pub enum Effect {
    /// Say it.
    Say(Reply),
    /// Say it a second later: there were many errors.
    SayLate(Reply),
    /// Say it and close.
    Close(Reply),
    /// Say it, throw away what is buffered, do the handshake, then [`Session::secured`].
    StartTls(Reply),
    /// May this sender send here now? Then [`Session::mail`].
    AskMail(Box<MailFrom>),
    /// Is there such a recipient? Then [`Session::rcpt`].
    AskRcpt(Box<Forward>),
    /// Do these open an account? Then [`Session::signed_in`].
    AskAuth(Credentials),
    /// Say it, read the message with [`crate::smtp::data::Decoder`], then [`Session::data`] or, if there was a
    /// fault, [`Session::broken`].
    BeginData(Reply),
}

/// One session.
#[derive(Debug)]
pub struct Session {
    terms: Terms,
    link: Link,
    state: State,
    tally: Tally,
}

impl Session {
    /// A new session; `link` is [`Link::Tls`] on a port with implicit TLS.
    pub fn new(terms: Terms, link: Link) -> Self {
        Self { terms, link, state: State::Start, tally: Tally::default() }
    }

    /// The first words. RFC 5321 §4.3.1: a client waits for them.
    pub fn greet(&self, behind: Behind) -> Effect {
        match behind {
            Behind::Bytes => Effect::Close(reply::TALKS_TOO_EARLY),
            Behind::Nothing => {
                Effect::Say(Reply::bare(220, "").saying(format!("{} ESMTP", self.terms.hostname)))
            }
        }
    }

    /// Takes one line.
    pub fn line(&mut self, line: &Line, behind: Behind) -> Effect {
        let effect = match line {
            Line::Text(text) => self.text(text, behind),
            Line::TooLong => Effect::Say(reply::LINE_TOO_LONG),
            Line::Flood => Effect::Close(reply::LINE_TOO_LONG),
            Line::BareNewline => Effect::Close(reply::BARE_NEWLINE_IN_COMMAND),
            Line::Control => Effect::Say(reply::BAD_SYNTAX),
            Line::NotText => Effect::Close(reply::NOT_SMTP),
        };
        self.tally.count(effect)
    }

    /// The answer to [`Effect::AskMail`].
    pub fn mail(&mut self, mail: MailFrom, verdict: Result<(), Reply>) -> Effect {
        let reply = match (verdict, self.state.take()) {
            (Ok(()), State::Ready(peer)) => {
                self.state = State::Mail(peer, open(mail));
                reply::SENDER_OK
            }
            (verdict, state) => {
                self.state = state;
                verdict.err().unwrap_or(reply::BAD_SEQUENCE)
            }
        };
        self.tally.count(Effect::Say(reply))
    }

    /// The answer to [`Effect::AskRcpt`]: where the mail goes, or why not.
    pub fn rcpt(&mut self, forward: Forward, verdict: Result<Address, Reply>) -> Effect {
        let State::Mail(_, envelope) = &mut self.state else {
            return self.tally.count(Effect::Say(reply::BAD_SEQUENCE));
        };
        match verdict {
            Ok(address) if address.needs_smtputf8() && !envelope.smtputf8 => {
                self.tally.count(Effect::Say(reply::NEEDS_SMTPUTF8))
            }
            Ok(address) => {
                let key = address.key();
                // The same address again is one delivery; it gets the same answer.
                if envelope.recipients.iter().all(|known| known.address.key() != key) {
                    let Forward { notify, orcpt, .. } = forward;
                    envelope.recipients.push(Recipient { address, notify, orcpt });
                }
                Effect::Say(reply::RECIPIENT_OK)
            }
            Err(reply) => self.tally.refused_recipient(reply),
        }
    }

    /// The answer to [`Effect::AskAuth`].
    pub fn signed_in(&mut self, verdict: Result<(), Reply>) -> Effect {
        match (verdict, &mut self.state) {
            (Ok(()), State::Ready(peer)) => {
                peer.signed_in = true;
                Effect::Say(reply::AUTHENTICATED)
            }
            (Ok(()), _) => Effect::Say(reply::BAD_SEQUENCE),
            (Err(reply), _) => {
                self.tally.auth_failures += usize::from(reply.code == reply::BAD_CREDENTIALS.code);
                self.tally.count(Effect::Say(reply))
            }
        }
    }

    /// The message was read to its end and taken, or refused with this reply.
    pub fn data(&mut self, verdict: Result<Reply, Reply>) -> Effect {
        self.state = State::Ready(self.state.take().peer());
        if verdict.is_ok() {
            self.tally.taken();
        }
        let (Ok(reply) | Err(reply)) = verdict;
        if reply.closes() { Effect::Close(reply) } else { self.tally.count(Effect::Say(reply)) }
    }

    /// The message was not well-formed on the wire; nothing of it may be kept.
    pub fn broken(&mut self, fault: Fault) -> Effect {
        let reply = match fault {
            Fault::BareNewline => reply::BARE_NEWLINE,
            Fault::LineTooLong => reply::TEXT_LINE_TOO_LONG,
            Fault::TooBig | Fault::Flood => reply::TOO_BIG,
        };
        if fault.is_final() {
            return Effect::Close(reply);
        }
        self.data(Err(reply))
    }

    /// TLS stands. RFC 3207 §4.2: everything said before is forgotten.
    pub fn secured(&mut self) {
        self.link = Link::Tls;
        self.state = State::Start;
    }

    /// What the bytes travel in.
    pub const fn link(&self) -> Link {
        self.link
    }

    /// Octets that one message may have.
    pub const fn message_size(&self) -> u64 {
        self.terms.message_size
    }

    /// What the client calls itself, once it said so.
    pub fn peer_name(&self) -> Option<&str> {
        match &self.state {
            State::Start => None,
            State::Ready(peer) | State::SigningIn(peer, _) | State::Mail(peer, _) | State::Data(peer, _) => {
                Some(&peer.name)
            }
        }
    }

    /// The open transaction.
    pub const fn envelope(&self) -> Option<&Envelope> {
        match &self.state {
            State::Mail(_, envelope) | State::Data(_, envelope) => Some(envelope),
            State::Start | State::Ready(_) | State::SigningIn(..) => None,
        }
    }

    /// The `with` word of the trace line (RFC 3848, RFC 6531 §4.3).
    pub const fn protocol(&self) -> &'static str {
        let (State::Data(peer, envelope) | State::Mail(peer, envelope)) = &self.state else { return "SMTP" };
        match (peer.extended, envelope.smtputf8, self.link, peer.signed_in) {
            (false, _, Link::Plain, _) => "SMTP",
            (false, _, Link::Tls, _) => "ESMTPS",
            (true, false, Link::Plain, false) => "ESMTP",
            (true, false, Link::Plain, true) => "ESMTPA",
            (true, false, Link::Tls, false) => "ESMTPS",
            (true, false, Link::Tls, true) => "ESMTPSA",
            (true, true, Link::Plain, false) => "UTF8SMTP",
            (true, true, Link::Plain, true) => "UTF8SMTPA",
            (true, true, Link::Tls, false) => "UTF8SMTPS",
            (true, true, Link::Tls, true) => "UTF8SMTPSA",
        }
    }

    fn text(&mut self, text: &Secret<Vec<u8>>, behind: Behind) -> Effect {
        let ground = Ground { terms: &self.terms, link: self.link, behind };
        let state = self.state.take();
        if let State::SigningIn(peer, exchange) = state {
            let (next, effect) = respond(peer, exchange, text);
            self.state = next;
            return effect;
        }
        let command = command::parse(text.expose());
        if let Some(end) = self.tally.command(&command) {
            return end;
        }
        let (next, effect) = state.step(command, &ground);
        self.state = next;
        effect
    }
}

/// What the client said about itself.
#[derive(Debug, Default)]
struct Peer {
    name: String,
    extended: bool,
    signed_in: bool,
}

/// Where a session is.
#[derive(Debug, Default)]
enum State {
    /// No HELO yet.
    #[default]
    Start,
    /// Between messages.
    Ready(Peer),
    /// In the middle of AUTH.
    SigningIn(Peer, Exchange),
    /// Between MAIL and DATA.
    Mail(Peer, Envelope),
    /// The message comes.
    Data(Peer, Envelope),
}

/// What a step stands on.
struct Ground<'a> {
    terms: &'a Terms,
    link: Link,
    behind: Behind,
}

impl State {
    fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    fn peer(self) -> Peer {
        match self {
            Self::Start => Peer::default(),
            Self::Ready(peer) | Self::SigningIn(peer, _) | Self::Mail(peer, _) | Self::Data(peer, _) => peer,
        }
    }

    /// Takes one command; returns the next state and the one thing to do.
    fn step(self, command: Command, ground: &Ground<'_>) -> (Self, Effect) {
        use Command as C;
        match (self, command) {
            (state, C::Hello { extended, name }) => state.hello(extended, name, ground),
            (Self::Ready(peer), C::Mail(mail)) => {
                let effect = ground.mail(&peer, mail);
                (Self::Ready(peer), effect)
            }
            (Self::Mail(peer, envelope), C::Rcpt(forward)) => {
                let effect = ground.rcpt(&envelope, forward);
                (Self::Mail(peer, envelope), effect)
            }
            (Self::Mail(peer, envelope), C::Data) if envelope.recipients.is_empty() => {
                (Self::Mail(peer, envelope), Effect::Say(reply::NO_RECIPIENTS))
            }
            (Self::Mail(peer, envelope), C::Data) => {
                (Self::Data(peer, envelope), Effect::BeginData(reply::START_DATA))
            }
            (Self::Start, C::Rset) => (Self::Start, Effect::Say(reply::OK)),
            (state, C::Rset) => (Self::Ready(state.peer()), Effect::Say(reply::OK)),
            (state, C::StartTls) => (state, ground.start_tls()),
            (Self::Ready(peer), C::Auth { mechanism, initial }) => ground.auth(peer, mechanism, initial),
            (state, C::Auth { .. }) => {
                let effect = ground.auth_elsewhere();
                (state, effect)
            }
            (state, C::Mail(_)) => (state, Effect::Say(ground.before_mail().unwrap_or(reply::BAD_SEQUENCE))),
            (state, C::Rcpt(_) | C::Data) => (state, Effect::Say(reply::BAD_SEQUENCE)),
            (state, C::Noop) => (state, Effect::Say(reply::OK)),
            (state, C::Vrfy) => (state, Effect::Say(reply::CANNOT_VRFY)),
            (state, C::Help) => (state, Effect::Say(reply::HELP)),
            (state, C::Quit) => (state, Effect::Close(reply::BYE)),
            (state, C::Bdat) => (state, Effect::Close(reply::NOT_IMPLEMENTED)),
            (state, C::Foreign) => (state, Effect::Close(reply::NOT_SMTP)),
            (state, C::NotImplemented) => (state, Effect::Say(reply::NOT_IMPLEMENTED)),
            (state, C::Bad(reply)) => (state, Effect::Say(reply)),
            (state, C::Unknown) => (state, Effect::Say(reply::UNKNOWN_COMMAND)),
        }
    }

    /// RFC 5321 §4.1.4: a second EHLO is a RSET too. A sign-in stays.
    fn hello(self, extended: bool, name: String, ground: &Ground<'_>) -> (Self, Effect) {
        let signed_in = self.peer().signed_in;
        let effect = Effect::Say(if extended { ground.offers(signed_in) } else { ground.named() });
        (Self::Ready(Peer { name, extended, signed_in }), effect)
    }
}

impl Ground<'_> {
    fn named(&self) -> Reply {
        Reply::bare(250, "").saying(self.terms.hostname.as_str())
    }

    /// RFC 5321 §4.1.1.1: what EHLO is answered with.
    fn offers(&self, signed_in: bool) -> Reply {
        let mut text = self.terms.hostname.clone();
        let _ = write!(text, "\nSIZE {}", self.terms.message_size);
        text += "\n8BITMIME\nPIPELINING\nSMTPUTF8\nENHANCEDSTATUSCODES";
        if self.reports() {
            text += "\nDSN";
        }
        if self.link == Link::Plain && self.terms.starttls {
            text += "\nSTARTTLS";
        }
        if self.terms.role == Role::Submission && self.link == Link::Tls && !signed_in {
            text += "\nAUTH PLAIN LOGIN";
        }
        Reply::bare(250, "").saying(text)
    }

    /// DSN (RFC 3461) is for those who signed in. Whoever offers it owes a report of success, and on port 25 that would
    /// be a mail to an address that anybody can write into MAIL FROM. A server that is not offered it tells its own sender
    /// that the message was handed over (RFC 3461 §5.2.2).
    const fn reports(&self) -> bool {
        matches!(self.terms.role, Role::Submission)
    }

    /// What has to come before MAIL on submission.
    fn before_mail(&self) -> Option<Reply> {
        match (self.terms.role, self.link) {
            (Role::Submission, Link::Plain) => Some(reply::TLS_FIRST),
            (Role::Submission, Link::Tls) | (Role::Mx, _) => None,
        }
    }

    fn mail(&self, peer: &Peer, mail: Box<MailFrom>) -> Effect {
        if let Some(reply) = self.before_mail() {
            return Effect::Say(reply);
        }
        if self.terms.role == Role::Submission && !peer.signed_in {
            return Effect::Say(reply::AUTH_FIRST);
        }
        if !self.reports() && (mail.ret.is_some() || mail.envid.is_some()) {
            return Effect::Say(reply::BAD_PARAMETER);
        }
        if mail.size.is_some_and(|size| size > self.terms.message_size) {
            return Effect::Say(reply::TOO_BIG);
        }
        Effect::AskMail(mail)
    }

    fn rcpt(&self, envelope: &Envelope, forward: Box<Forward>) -> Effect {
        if !self.reports() && (forward.notify.is_some() || forward.orcpt.is_some()) {
            return Effect::Say(reply::BAD_PARAMETER);
        }
        if envelope.recipients.len() >= self.terms.recipients {
            return Effect::Say(reply::TOO_MANY_RECIPIENTS);
        }
        Effect::AskRcpt(forward)
    }

    /// RFC 3207 §4.2: nothing may be buffered behind it, for it would be taken for something said under TLS.
    fn start_tls(&self) -> Effect {
        match (self.link, self.terms.starttls, self.behind) {
            (Link::Tls, _, _) => Effect::Say(reply::BAD_SEQUENCE),
            (Link::Plain, _, Behind::Bytes) => Effect::Close(reply::PIPELINED_STARTTLS),
            (Link::Plain, false, Behind::Nothing) => Effect::Say(reply::NOT_IMPLEMENTED),
            (Link::Plain, true, Behind::Nothing) => Effect::StartTls(reply::GO_AHEAD_TLS),
        }
    }

    fn auth(
        &self,
        peer: Peer,
        mechanism: Option<Mechanism>,
        initial: Option<Secret<Vec<u8>>>,
    ) -> (State, Effect) {
        if self.terms.role == Role::Mx || self.link == Link::Plain || peer.signed_in {
            return (State::Ready(peer), self.auth_elsewhere());
        }
        let Some(mechanism) = mechanism else {
            return (State::Ready(peer), Effect::Say(reply::BAD_MECHANISM));
        };
        let (exchange, question) = Exchange::begin(mechanism);
        match initial {
            Some(initial) => respond(peer, exchange, &initial),
            None => (State::SigningIn(peer, exchange), Effect::Say(Reply::bare(334, question))),
        }
    }

    /// AUTH where it cannot be: RFC 4954 §4.
    fn auth_elsewhere(&self) -> Effect {
        Effect::Say(match (self.terms.role, self.link) {
            (Role::Mx, _) => reply::NOT_IMPLEMENTED,
            (Role::Submission, Link::Plain) => reply::AUTH_NEEDS_TLS,
            (Role::Submission, Link::Tls) => reply::BAD_SEQUENCE,
        })
    }
}

/// Takes a response line of AUTH.
fn respond(peer: Peer, exchange: Exchange, line: &Secret<Vec<u8>>) -> (State, Effect) {
    match exchange.respond(line.expose()) {
        Turn::Ask(next, question) => (State::SigningIn(peer, next), Effect::Say(Reply::bare(334, question))),
        Turn::Done(said) => (State::Ready(peer), Effect::AskAuth(said)),
        Turn::Cancelled => (State::Ready(peer), Effect::Say(reply::AUTH_CANCELLED)),
        Turn::Malformed => (State::Ready(peer), Effect::Say(reply::BAD_SYNTAX)),
    }
}

fn open(mail: MailFrom) -> Envelope {
    let MailFrom { sender, size, eight_bit, smtputf8, ret, envid } = mail;
    Envelope { sender, recipients: Vec::new(), size, eight_bit, smtputf8, ret, envid }
}

/// What a session has used up. It outlives STARTTLS.
#[derive(Debug, Default)]
struct Tally {
    errors: usize,
    junk: usize,
    recipients: usize,
    unknown: usize,
    auth_failures: usize,
}

impl Tally {
    /// Counts a command; the end of the session if it was one too many.
    fn command(&mut self, command: &Command) -> Option<Effect> {
        match command {
            Command::Rcpt(_) => self.recipients += 1,
            Command::Noop | Command::Rset | Command::Vrfy | Command::Help | Command::Hello { .. } => {
                self.junk += 1
            }
            Command::Auth { .. } if self.auth_failures >= limits::AUTH_FAILURES => {
                return Some(Effect::Close(reply::AUTH_LATER));
            }
            _ => {}
        }
        let spent = self.recipients > limits::RCPT_COMMANDS || self.junk > limits::JUNK_COMMANDS;
        spent.then_some(Effect::Close(reply::TOO_MANY_COMMANDS))
    }

    /// A message was taken: what else was said since the last one is forgiven.
    fn taken(&mut self) {
        self.junk = 0;
        self.errors = 0;
    }

    /// Counts a refusal: late from the tenth on, the end at the twentieth.
    fn count(&mut self, effect: Effect) -> Effect {
        let Effect::Say(reply) = effect else { return effect };
        if reply.code < 500 {
            return Effect::Say(reply);
        }
        self.errors += 1;
        match self.errors {
            limits::ERRORS_END.. => Effect::Close(reply::TOO_MANY_ERRORS),
            limits::ERRORS_SLOW.. => Effect::SayLate(reply),
            _ => Effect::Say(reply),
        }
    }

    /// Counts a refused recipient; ten unknown ones are enough to know that somebody is guessing.
    fn refused_recipient(&mut self, reply: Reply) -> Effect {
        if reply.wants_tls() {
            return Effect::Say(reply);
        }
        if reply.status == reply::UNKNOWN_RECIPIENT.status {
            self.unknown += 1;
            if self.unknown > limits::UNKNOWN_RECIPIENTS {
                return Effect::Close(reply::TOO_MANY_ERRORS);
            }
            return Effect::Say(reply);
        }
        self.count(Effect::Say(reply))
    }
}
