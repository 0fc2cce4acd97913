//! The client's side of SMTP as a pure machine: replies in, effects out (RFC 5321 §3, §4).
//!
//! MAIL FROM needs the token that only the TLS policy gives, so nothing of an envelope is said before it has passed.
//! What a peer said before TLS is forgotten after it (RFC 3207 §4.2).

use crate::base::address::Address;
use crate::base::secret::Secret;
use crate::flow::delivery::Status;
use crate::flow::delivery::Trouble;
use crate::flow::delivery::clean;
use crate::policy::tls::Cleared;
use crate::store::record::QueuedRecipient;
use data_encoding::BASE64;
use std::time::Duration;

/// A reply line, octets; RFC 5321 §4.5.3.1.5 says 512.
const LINE: usize = 2_048;
/// Lines of one reply.
const LINES: usize = 128;

/// RFC 5321 §4.5.3.2: how long each step may take.
mod patience {
    use std::time::Duration;

    pub(super) const USUAL: Duration = Duration::from_secs(5 * 60);
    pub(super) const DATA: Duration = Duration::from_secs(2 * 60);
    pub(super) const END: Duration = Duration::from_secs(10 * 60);
    pub(super) const BYE: Duration = Duration::from_secs(5);
}

/// A reply of the peer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::flow) struct Heard {
    /// RFC 5321 §4.2.
    pub(in crate::flow) code: u16,
    /// The text of each line.
    pub(in crate::flow) lines: Vec<String>,
}

impl Heard {
    const fn is_good(&self) -> bool {
        self.code / 100 == 2
    }

    /// RFC 2034 §4: the enhanced code in front of the text, if it agrees with the reply code.
    fn status(&self) -> Status {
        let class = if self.code / 100 == 4 { 4 } else { 5 };
        let word = self.lines.first().and_then(|line| line.split(' ').next()).unwrap_or_default();
        let mut numbers = word.split('.').map(str::parse::<u16>);
        match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(found)), Some(Ok(subject)), Some(Ok(detail)), None)
                if found == class && subject < 1_000 && detail < 1_000 =>
            {
                (if class == 4 { 4 } else { 5 }, subject, detail)
            }
            _ => (if class == 4 { 4 } else { 5 }, 0, 0),
        }
    }

    /// `550 5.1.1 no such user`.
    pub(in crate::flow) fn in_words(&self) -> String {
        clean(&format!("{} {}", self.code, self.lines.join(" ")), 900)
    }

    fn trouble(&self, step: &str) -> Trouble {
        let said = self.in_words();
        Trouble { status: self.status(), text: format!("{step}: {said}"), host: None, said: Some(said) }
    }

    /// The same, but waiting may help.
    fn transient(&self, step: &str) -> Trouble {
        let trouble = self.trouble(step);
        let (_, subject, detail) = trouble.status;
        Trouble { status: (4, subject, detail), ..trouble }
    }
}

/// Puts replies together from what comes off the wire.
#[derive(Debug, Default)]
pub(in crate::flow) struct Ear {
    pending: Vec<u8>,
    lines: Vec<String>,
}

/// What came is no SMTP reply.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::flow) struct NoReply;

impl Ear {
    /// Takes octets in.
    pub(in crate::flow) fn feed(&mut self, octets: &[u8]) {
        self.pending.extend_from_slice(octets);
    }

    /// The next whole reply.
    pub(in crate::flow) fn next(&mut self) -> Result<Option<Heard>, NoReply> {
        while let Some(end) = self.pending.iter().position(|octet| *octet == b'\n') {
            let line: Vec<u8> = self.pending.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\r', '\n']);
            let (code, rest) = line.split_at_checked(3).ok_or(NoReply)?;
            let code = code.parse::<u16>().ok().filter(|code| (200..600).contains(code)).ok_or(NoReply)?;
            if line.len() > LINE || self.lines.len() >= LINES {
                return Err(NoReply);
            }
            let (going_on, text) = match rest.chars().next() {
                Some('-') => (true, rest.get(1..).unwrap_or_default()),
                Some(' ') => (false, rest.get(1..).unwrap_or_default()),
                None => (false, ""),
                Some(_) => return Err(NoReply),
            };
            self.lines.push(text.to_owned());
            if !going_on {
                return Ok(Some(Heard { code, lines: std::mem::take(&mut self.lines) }));
            }
        }
        if self.pending.len() > LINE { Err(NoReply) } else { Ok(None) }
    }
}

/// What the peer offers (RFC 5321 §4.1.1.1).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(in crate::flow) struct Offers {
    start_tls: bool,
    pipelining: bool,
    /// RFC 6152.
    pub(in crate::flow) eight_bit: bool,
    smtputf8: bool,
    dsn: bool,
    size: Option<u64>,
    auth_plain: bool,
    auth_login: bool,
}

impl Offers {
    fn read(heard: &Heard) -> Self {
        let mut offers = Self::default();
        for line in heard.lines.iter().skip(1) {
            let mut words = line.split([' ', '=']).map(str::to_ascii_uppercase);
            match words.next().as_deref() {
                Some("STARTTLS") => offers.start_tls = true,
                Some("PIPELINING") => offers.pipelining = true,
                Some("8BITMIME") => offers.eight_bit = true,
                Some("SMTPUTF8") => offers.smtputf8 = true,
                Some("DSN") => offers.dsn = true,
                Some("SIZE") => offers.size = words.next().and_then(|size| size.parse().ok()),
                Some("AUTH") => {
                    for mechanism in words {
                        offers.auth_plain |= mechanism == "PLAIN";
                        offers.auth_login |= mechanism == "LOGIN";
                    }
                }
                _ => {}
            }
        }
        offers
    }
}

/// What is to be sent.
#[derive(Debug)]
pub(in crate::flow) struct Plan {
    /// Our name for EHLO.
    pub(in crate::flow) hello: String,
    /// TLS is wanted where it is offered; not on the second connection after a failed handshake.
    pub(in crate::flow) start_tls: bool,
    /// Who signs in, and with what; only inside TLS (RFC 4954 §4).
    pub(in crate::flow) sign_in: Option<(String, Secret<String>)>,
    /// The reverse path.
    pub(in crate::flow) sender: Option<Address>,
    /// The forward paths.
    pub(in crate::flow) recipients: Vec<QueuedRecipient>,
    /// Octets.
    pub(in crate::flow) size: u64,
    /// Its body has octets above 127.
    pub(in crate::flow) eight_bit: bool,
    /// Its header or an address has them.
    pub(in crate::flow) smtputf8: bool,
    /// ENVID=.
    pub(in crate::flow) envid: Option<String>,
}

/// What the driver does next.
#[derive(Debug)]
pub(in crate::flow) enum Effect {
    /// Sends these lines, of which one may hold a password, and hears a reply in this time.
    Say(Secret<String>, Duration),
    /// Hears one more reply.
    Listen(Duration),
    /// Forgets what has come, and begins the handshake.
    StartTls,
    /// Asks the policy; the answer goes to [`Conversation::cleared`].
    AskPolicy,
    /// Sends the text and its end; made for a peer that takes 7 bits only if `seven_bit`.
    Text {
        /// The peer did not offer 8BITMIME, and the message needs it.
        seven_bit: bool,
    },
    /// Says QUIT and ends.
    Quit,
}

/// How one recipient fared.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::flow) enum Answered {
    /// Taken, with the reply; `reports` if the peer knows what its sender wants to be told.
    Taken {
        /// The final reply.
        reply: String,
        /// RFC 3461.
        reports: bool,
    },
    /// Refused, for now or for good.
    Refused(Trouble),
}

#[derive(Debug)]
enum State {
    Greeting,
    Ehlo,
    Helo,
    StartTls,
    Policy,
    SigningIn { answers: Vec<Secret<String>> },
    Mail { cleared: Cleared },
    Rcpt { at: usize, cleared: Cleared },
    Data,
    End,
    Over,
}

/// One conversation with one peer about one message.
#[derive(Debug)]
pub(in crate::flow) struct Conversation {
    plan: Plan,
    offers: Offers,
    tls: bool,
    state: State,
    accepted: Vec<u16>,
    answers: Vec<(u16, Answered)>,
    host: String,
}

type Step = Result<Effect, Trouble>;

impl Conversation {
    /// A conversation that begins with the peer's greeting.
    pub(in crate::flow) fn new(plan: Plan) -> (Self, Effect) {
        let conversation = Self {
            plan,
            offers: Offers::default(),
            tls: false,
            state: State::Greeting,
            accepted: Vec::new(),
            answers: Vec::new(),
            host: String::new(),
        };
        (conversation, Effect::Listen(patience::USUAL))
    }

    /// What was answered for whom, so far.
    pub(in crate::flow) fn answers(&mut self) -> Vec<(u16, Answered)> {
        std::mem::take(&mut self.answers)
    }

    /// Takes one reply.
    pub(in crate::flow) fn hear(&mut self, heard: &Heard) -> Step {
        if heard.code == 421 {
            return Err(heard.transient("the peer closes"));
        }
        match std::mem::replace(&mut self.state, State::Over) {
            State::Greeting => self.greeted(heard),
            State::Ehlo => self.offered(heard),
            State::Helo if heard.is_good() => Ok(self.ready()),
            State::Helo => Err(heard.transient("HELO")),
            State::StartTls if heard.code == 220 => {
                self.state = State::StartTls;
                Ok(Effect::StartTls)
            }
            State::StartTls => {
                // RFC 3207 §4: TLS is not to be had now; the policy says what that means.
                self.offers.start_tls = false;
                Ok(self.ready())
            }
            State::SigningIn { answers } => self.signing_in(heard, answers),
            State::Mail { cleared } => self.mail_said(heard, cleared),
            State::Rcpt { at, cleared } => self.rcpt_said(heard, at, cleared),
            State::Data if heard.code == 354 => {
                self.state = State::End;
                Ok(Effect::Text { seven_bit: self.plan.eight_bit && !self.offers.eight_bit })
            }
            State::Data => Ok(self.all_refused(&heard.trouble("DATA"))),
            State::End => Ok(self.ended(heard)),
            State::Policy | State::Over => Err(heard.transient("an answer to nothing")),
        }
    }

    fn greeted(&mut self, heard: &Heard) -> Step {
        if heard.code != 220 {
            return Err(heard.transient("greeting"));
        }
        self.name(heard);
        Ok(self.ehlo())
    }

    fn ehlo(&mut self) -> Effect {
        self.state = State::Ehlo;
        say(format!("EHLO {}\r\n", self.plan.hello))
    }

    fn name(&mut self, heard: &Heard) {
        let name = heard.lines.first().and_then(|line| line.split(' ').next()).unwrap_or_default();
        self.host = clean(name, 253).to_ascii_lowercase();
    }

    fn offered(&mut self, heard: &Heard) -> Step {
        if !heard.is_good() && heard.code / 100 == 5 {
            self.state = State::Helo;
            return Ok(say(format!("HELO {}\r\n", self.plan.hello)));
        }
        if !heard.is_good() {
            return Err(heard.transient("EHLO"));
        }
        self.name(heard);
        self.offers = Offers::read(heard);
        if self.host == self.plan.hello {
            let text = "the peer is this server: its mail loops back";
            return Err(Trouble::new((5, 4, 6), text));
        }
        if self.plan.start_tls && self.offers.start_tls && !self.tls {
            self.state = State::StartTls;
            return Ok(say("STARTTLS\r\n".into()));
        }
        Ok(self.ready())
    }

    fn ready(&mut self) -> Effect {
        self.state = State::Policy;
        Effect::AskPolicy
    }

    /// TLS stands: what was said before is forgotten.
    pub(in crate::flow) fn tls_stands(&mut self) -> Effect {
        self.tls = true;
        self.offers = Offers::default();
        self.ehlo()
    }

    /// The policy has passed.
    pub(in crate::flow) fn cleared(&mut self, cleared: Cleared) -> Step {
        let needs_smtputf8 = |address: &Address| address.needs_smtputf8();
        let plan = &self.plan;
        let utf8 = plan.smtputf8
            || plan.sender.as_ref().is_some_and(needs_smtputf8)
            || plan.recipients.iter().any(|recipient| needs_smtputf8(&recipient.address));
        if utf8 && !self.offers.smtputf8 {
            return Err(Trouble::new((5, 6, 7), "the peer takes no addresses or headers in UTF-8"));
        }
        if self.offers.size.is_some_and(|size| size > 0 && self.plan.size > size) {
            return Err(Trouble::new((5, 3, 4), "the message is larger than the peer takes"));
        }
        match self.plan.sign_in.take() {
            None => Ok(self.mail(cleared, utf8)),
            Some(_) if !self.tls => {
                Err(Trouble::new((4, 7, 5), "the smarthost offers no TLS; the password stays here"))
            }
            Some((user, password)) => self.sign_in(&user, &password),
        }
    }

    fn sign_in(&mut self, user: &str, password: &Secret<String>) -> Step {
        let plain = Secret::new(format!("\0{user}\0{}", password.expose()));
        let (line, answers) = if self.offers.auth_plain {
            (format!("AUTH PLAIN {}\r\n", BASE64.encode(plain.expose().as_bytes())), Vec::new())
        } else if self.offers.auth_login {
            let answers = [password.expose().as_str(), user];
            let answers = answers.map(|text| Secret::new(BASE64.encode(text.as_bytes())));
            ("AUTH LOGIN\r\n".into(), answers.into())
        } else {
            return Err(Trouble::new((4, 7, 0), "the smarthost offers no way to sign in that we know"));
        };
        self.state = State::SigningIn { answers };
        Ok(say(line))
    }

    fn signing_in(&mut self, heard: &Heard, mut answers: Vec<Secret<String>>) -> Step {
        if heard.code == 334
            && let Some(answer) = answers.pop()
        {
            self.state = State::SigningIn { answers };
            return Ok(say(format!("{}\r\n", answer.expose())));
        }
        if heard.code == 235 {
            // The token was used up; what stands has not changed, so the policy says the same again.
            return Ok(self.ready());
        }
        Err(heard.transient("signing in"))
    }

    fn mail(&mut self, cleared: Cleared, utf8: bool) -> Effect {
        let sender = self.plan.sender.as_ref().map(ToString::to_string).unwrap_or_default();
        let mut line = format!("MAIL FROM:<{sender}>");
        if self.offers.size.is_some() {
            line += &format!(" SIZE={}", self.plan.size);
        }
        if self.plan.eight_bit && self.offers.eight_bit {
            line += " BODY=8BITMIME";
        }
        if utf8 {
            line += " SMTPUTF8";
        }
        if self.offers.dsn {
            line += " RET=HDRS";
            if let Some(envid) = &self.plan.envid {
                line += &format!(" ENVID={envid}");
            }
        }
        line += "\r\n";
        if self.offers.pipelining {
            // RFC 2920 §3.1: DATA waits, because it must not follow if nobody was accepted.
            for recipient in &self.plan.recipients {
                line += &self.rcpt(recipient);
            }
        }
        self.state = State::Mail { cleared };
        say(line)
    }

    fn rcpt(&self, recipient: &QueuedRecipient) -> String {
        let mut line = format!("RCPT TO:<{}>", recipient.address);
        if self.offers.dsn {
            if let Some(notify) = recipient.notify {
                let words =
                    [(notify.success, "SUCCESS"), (notify.failure, "FAILURE"), (notify.delay, "DELAY")];
                let words: Vec<&str> = words.iter().filter(|(on, _)| *on).map(|(_, word)| *word).collect();
                line += " NOTIFY=";
                line += &if words.is_empty() { "NEVER".to_owned() } else { words.join(",") };
            }
            if let Some(orcpt) = &recipient.orcpt {
                line += &format!(" ORCPT={orcpt}");
            }
        }
        line + "\r\n"
    }

    fn mail_said(&mut self, heard: &Heard, cleared: Cleared) -> Step {
        if !heard.is_good() {
            return Ok(self.all_refused(&heard.trouble("MAIL")));
        }
        Ok(self.next_rcpt(0, cleared))
    }

    fn rcpt_said(&mut self, heard: &Heard, at: usize, cleared: Cleared) -> Step {
        if let Some(recipient) = self.plan.recipients.get(at) {
            let number = recipient.number;
            if heard.is_good() {
                self.accepted.push(number);
            } else if heard.code == 552 {
                // RFC 5321 §4.5.3.1.10: an old way to say "too many recipients".
                self.answers.push((number, Answered::Refused(heard.transient("RCPT"))));
            } else {
                self.answers.push((number, Answered::Refused(heard.trouble("RCPT"))));
            }
        }
        Ok(self.next_rcpt(at + 1, cleared))
    }

    fn next_rcpt(&mut self, at: usize, cleared: Cleared) -> Effect {
        match self.plan.recipients.get(at) {
            Some(_) if self.offers.pipelining => {
                self.state = State::Rcpt { at, cleared };
                Effect::Listen(patience::USUAL)
            }
            Some(recipient) => {
                let line = self.rcpt(recipient);
                self.state = State::Rcpt { at, cleared };
                say(line)
            }
            None if self.accepted.is_empty() => Effect::Quit,
            None => {
                self.state = State::Data;
                Effect::Say(Secret::new("DATA\r\n".into()), patience::DATA)
            }
        }
    }

    /// Refuses everybody who has no answer yet.
    fn all_refused(&mut self, trouble: &Trouble) -> Effect {
        for recipient in &self.plan.recipients {
            let number = recipient.number;
            if !self.answers.iter().any(|(answered, _)| *answered == number) {
                self.answers.push((number, Answered::Refused(trouble.clone())));
            }
        }
        Effect::Quit
    }

    fn ended(&mut self, heard: &Heard) -> Effect {
        let answer = if heard.is_good() {
            Answered::Taken { reply: heard.in_words(), reports: self.offers.dsn }
        } else {
            Answered::Refused(heard.trouble("end of data"))
        };
        for number in std::mem::take(&mut self.accepted) {
            self.answers.push((number, answer.clone()));
        }
        Effect::Quit
    }
}

fn say(line: String) -> Effect {
    Effect::Say(Secret::new(line), patience::USUAL)
}

/// How long the end of the text is waited for.
pub(in crate::flow) const END: Duration = patience::END;
/// How long a QUIT is waited on.
pub(in crate::flow) const BYE: Duration = patience::BYE;
/// How long one write may take.
pub(in crate::flow) const WRITE: Duration = Duration::from_secs(3 * 60);
