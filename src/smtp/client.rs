//! The client's side of SMTP as a pure machine: replies in, effects out (RFC 5321 §3, §4).
//!
//! MAIL FROM needs the token of type `Cleared` that only the TLS policy gives, so nothing of an envelope is said
//! before it has passed.
//! What a peer said before TLS is forgotten after it (RFC 3207 §4.2). Where PIPELINING is offered, everything from
//! RSET to DATA is said at once (RFC 2920 §3.1).

mod heard;

pub use crate::smtp::client::heard::Ear;
pub use crate::smtp::client::heard::Heard;
pub use crate::smtp::client::heard::NoReply;
pub use crate::smtp::client::heard::Status;
pub use crate::smtp::client::heard::Trouble;
pub use crate::smtp::client::heard::clean;

use crate::base::address::Address;
use crate::base::envelope::Recipient;
use crate::base::secret::Secret;
use data_encoding::BASE64;
use std::time::Duration;

/// RFC 5321 §4.5.3.2: how long each step may take.
mod patience {
    use std::time::Duration;

    pub(super) const USUAL: Duration = Duration::from_secs(5 * 60);
    pub(super) const DATA: Duration = Duration::from_secs(2 * 60);
    pub(super) const END: Duration = Duration::from_secs(10 * 60);
    pub(super) const BYE: Duration = Duration::from_secs(5);
    /// RFC 5321 names no time for RSET. Nothing is to be done for it: who needs longer than this is not there any
    /// more, and a new connection is the better way. Postfix waits as long (smtp_rset_timeout).
    pub(super) const RESET: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 20 });
}

/// What the peer offers (RFC 5321 §4.1.1.1).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Offers {
    start_tls: bool,
    pipelining: bool,
    /// RFC 6152.
    pub eight_bit: bool,
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
pub struct Plan {
    /// Our name for EHLO.
    pub hello: String,
    /// TLS is wanted where it is offered; not on the second connection after a failed handshake.
    pub start_tls: bool,
    /// Who signs in, and with what; only inside TLS (RFC 4954 §4).
    pub sign_in: Option<(String, Secret<String>)>,
    /// The reverse path.
    pub sender: Option<Address>,
    /// The forward paths.
    pub recipients: Vec<Forward>,
    /// Octets.
    pub size: u64,
    /// Its body has octets above 127.
    pub eight_bit: bool,
    /// Its header or its sender needs SMTPUTF8 (RFC 6531 §3.4); what a recipient needs is seen in its address.
    pub smtputf8: bool,
    /// ENVID=.
    pub envid: Option<String>,
}

/// One forward path, by the number that its answer gets.
#[derive(Clone, Debug)]
pub struct Forward {
    /// Its number.
    pub number: u16,
    /// Where to, and what its sender wants to be told.
    pub recipient: Recipient,
}

/// What the driver does next.
#[derive(Debug)]
pub enum Effect {
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
    /// The message is through with, one way or the other; the connection could carry the next one.
    Done,
    /// Says QUIT and ends.
    Quit,
    /// Ends without a word: whatever is said now could be taken for the text of a message.
    Leave,
}

/// How one recipient fared.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answered {
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
enum State<Cleared> {
    Greeting,
    Ehlo,
    Helo,
    StartTls,
    Policy,
    SigningIn { answers: Vec<Secret<String>> },
    Reset { mail: String, cleared: Cleared },
    Mail { cleared: Cleared },
    Rcpt { at: usize, cleared: Cleared },
    Data,
    DataForNobody,
    End,
    Over,
}

/// One conversation with one peer, about one message after the other.
#[derive(Debug)]
pub struct Conversation<Cleared> {
    plan: Plan,
    offers: Offers,
    tls: bool,
    tls_refused: bool,
    signed_in: bool,
    /// A message before this one went over the connection.
    used: bool,
    state: State<Cleared>,
    accepted: Vec<u16>,
    answers: Vec<(u16, Answered)>,
    host: String,
}

type Step = Result<Effect, Trouble>;

impl<Cleared> Conversation<Cleared> {
    /// A conversation that begins with the peer's greeting.
    pub fn new(plan: Plan) -> (Self, Effect) {
        let conversation = Self {
            plan,
            offers: Offers::default(),
            tls: false,
            tls_refused: false,
            signed_in: false,
            used: false,
            state: State::Greeting,
            accepted: Vec::new(),
            answers: Vec::new(),
            host: String::new(),
        };
        (conversation, Effect::Listen(patience::USUAL))
    }

    /// The next message over the connection of one that is [`Effect::Done`]; it needs a token of its own.
    ///
    /// RSET comes first, whatever the peer made of the message before. Until the text is under way, trouble is an error
    /// that says nothing of the message: a new connection may know better.
    pub fn next(&mut self, plan: Plan, cleared: Cleared) -> Step {
        // Who has signed in does not do so again.
        self.plan = Plan { sign_in: plan.sign_in.filter(|_| !self.signed_in), ..plan };
        self.used = true;
        self.accepted.clear();
        self.answers.clear();
        self.state = State::Over;
        self.cleared(cleared)
    }

    /// A message before this one went over the connection.
    pub const fn is_used(&self) -> bool {
        self.used
    }

    /// The sender was named, and nothing was answered to that yet.
    pub const fn awaits_mail(&self) -> bool {
        matches!(self.state, State::Mail { .. })
    }

    /// What was answered for whom, so far.
    pub fn answers(&mut self) -> Vec<(u16, Answered)> {
        std::mem::take(&mut self.answers)
    }

    /// Takes one reply.
    pub fn hear(&mut self, heard: &Heard) -> Step {
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
                self.tls_refused = true;
                Ok(self.ready())
            }
            State::SigningIn { answers } => self.signing_in(heard, answers),
            State::Reset { mail, cleared } => self.reset(heard, mail, cleared),
            State::Mail { cleared } => self.mail_said(heard, cleared),
            State::Rcpt { at, cleared } => self.rcpt_said(heard, at, cleared),
            State::Data if heard.code == 354 => {
                self.state = State::End;
                Ok(Effect::Text { seven_bit: self.plan.eight_bit && !self.offers.eight_bit })
            }
            State::Data => {
                self.all_refused(&heard.trouble("DATA"));
                Ok(Effect::Done)
            }
            // RFC 2920 §3.1: DATA was said before it was known that nobody is accepted.
            State::DataForNobody if heard.code == 354 => Ok(Effect::Leave),
            State::DataForNobody => Ok(Effect::Done),
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

    /// STARTTLS was offered, and answered with a refusal.
    pub const fn tls_refused(&self) -> bool {
        self.tls_refused
    }

    /// TLS stands: what was said before is forgotten.
    pub fn tls_stands(&mut self) -> Effect {
        self.tls = true;
        self.offers = Offers::default();
        self.ehlo()
    }

    /// The policy has passed.
    pub fn cleared(&mut self, cleared: Cleared) -> Step {
        let for_all = self.plan.smtputf8 || self.plan.sender.as_ref().is_some_and(Address::needs_smtputf8);
        if !self.offers.smtputf8 {
            let trouble = Trouble::new((5, 6, 7), "the peer takes no addresses or headers in UTF-8");
            if for_all {
                return Err(trouble);
            }
            let needs = |forward: &Forward| forward.recipient.address.needs_smtputf8();
            let numbers =
                self.plan.recipients.iter().filter(|forward| needs(forward)).map(|forward| forward.number);
            self.answers.extend(numbers.map(|number| (number, Answered::Refused(trouble.clone()))));
            self.plan.recipients.retain(|forward| !needs(forward));
            if self.plan.recipients.is_empty() {
                return Ok(Effect::Done);
            }
        }
        let utf8 =
            for_all || self.plan.recipients.iter().any(|forward| forward.recipient.address.needs_smtputf8());
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
            self.signed_in = true;
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
            for forward in &self.plan.recipients {
                line += &self.rcpt(&forward.recipient);
            }
            line += DATA;
        }
        if !self.used {
            self.state = State::Mail { cleared };
            return say(line);
        }
        let (said, mail) = if self.offers.pipelining {
            (format!("{RSET}{line}"), String::new())
        } else {
            (RSET.into(), line)
        };
        self.state = State::Reset { mail, cleared };
        Effect::Say(Secret::new(said), patience::RESET)
    }

    fn reset(&mut self, heard: &Heard, mail: String, cleared: Cleared) -> Step {
        if !heard.is_good() {
            return Err(heard.transient("RSET"));
        }
        self.state = State::Mail { cleared };
        Ok(if mail.is_empty() { Effect::Listen(patience::USUAL) } else { say(mail) })
    }

    fn rcpt(&self, recipient: &Recipient) -> String {
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
        if heard.is_good() {
            return Ok(self.next_rcpt(0, cleared));
        }
        if self.used {
            // It may be the connection that it has had enough of.
            return Err(heard.trouble("MAIL"));
        }
        self.all_refused(&heard.trouble("MAIL"));
        // The answers to what was said behind it are not worth waiting for.
        Ok(if self.offers.pipelining { Effect::Quit } else { Effect::Done })
    }

    fn rcpt_said(&mut self, heard: &Heard, at: usize, cleared: Cleared) -> Step {
        if let Some(forward) = self.plan.recipients.get(at) {
            let number = forward.number;
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
            Some(forward) => {
                let line = self.rcpt(&forward.recipient);
                self.state = State::Rcpt { at, cleared };
                say(line)
            }
            None if self.offers.pipelining => {
                self.state = if self.accepted.is_empty() { State::DataForNobody } else { State::Data };
                Effect::Listen(patience::DATA)
            }
            None if self.accepted.is_empty() => Effect::Done,
            None => {
                self.state = State::Data;
                Effect::Say(Secret::new(DATA.into()), patience::DATA)
            }
        }
    }

    /// Refuses everybody who has no answer yet.
    fn all_refused(&mut self, trouble: &Trouble) {
        for forward in &self.plan.recipients {
            let number = forward.number;
            if !self.answers.iter().any(|(answered, _)| *answered == number) {
                self.answers.push((number, Answered::Refused(trouble.clone())));
            }
        }
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
        Effect::Done
    }
}

const RSET: &str = "RSET\r\n";
const DATA: &str = "DATA\r\n";

fn say(line: String) -> Effect {
    Effect::Say(Secret::new(line), patience::USUAL)
}

/// How long the end of the text is waited for.
pub const END: Duration = patience::END;
/// How long a QUIT is waited on.
pub const BYE: Duration = patience::BYE;
/// How long one write may take.
pub const WRITE: Duration = Duration::from_secs(3 * 60);
#[cfg(test)]
mod tests;
