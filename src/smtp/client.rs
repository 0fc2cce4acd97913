//! The client's side of SMTP as a pure machine: replies in, effects out (RFC 5321 §3, §4).
//!
//! MAIL FROM needs the token of type `Cleared` that only the TLS policy gives, so nothing of an envelope is said
//! before it has passed.
//! What a peer said before TLS is forgotten after it (RFC 3207 §4.2). Where PIPELINING is offered, everything from
//! RSET to DATA is said at once (RFC 2920 §3.1).

use crate::base::address::Address;
use crate::base::envelope::Recipient;
use crate::base::requirement::Unmet;
use crate::base::secret::Secret;
use data_encoding::BASE64;
use std::fmt;
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
    /// RFC 5321 names no time for RSET. Nothing is to be done for it: who needs longer than this is not there any
    /// more, and a new connection is the better way. Postfix waits as long (smtp_rset_timeout).
    pub(super) const RESET: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 20 });
}

/// An enhanced status code (RFC 3463).
pub type Status = (u8, u16, u16);

/// Why a recipient waits or has failed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Trouble {
    /// RFC 3463.
    pub status: Status,
    /// In words; what a peer said is cleaned of control characters.
    pub text: String,
    /// The host that it was found at.
    pub host: Option<String>,
    /// The peer's own words with their code, if it said any: the diagnostic code of RFC 3464 §2.3.6.
    pub said: Option<String>,
    /// The TLS policy that it does not meet.
    pub unmet: Option<Box<Unmet>>,
    /// The TLS policy was decided before it was found: what is left to wait for is the peer.
    pub passed: bool,
    /// What was proven about the connection then: `tls=dane TLSv1.3 …`.
    pub proof: Option<String>,
}

impl Trouble {
    /// Trouble that no host is to blame for.
    pub fn new(status: Status, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), host: None, said: None, unmet: None, passed: false, proof: None }
    }

    /// The same, found at `host`.
    pub fn at(self, host: &str) -> Self {
        Self { host: Some(host.into()), ..self }
    }

    /// Waiting may help.
    pub const fn is_transient(&self) -> bool {
        self.status.0 == 4
    }

    /// Of two hosts' trouble the one that is told: what may pass before what is final, then what a TLS policy keeps back
    /// before what is merely broken; else the later one.
    pub const fn outweighs(&self, later: &Self) -> bool {
        match (self.is_transient(), later.is_transient()) {
            (true, false) => true,
            (false, true) => false,
            (true, true) | (false, false) => self.unmet.is_some() && later.unmet.is_none(),
        }
    }
}

/// `4.4.1 host: text`, or with what was proven `4.2.1 host [tls=dane TLSv1.3 …]: text`, at most 1,000 octets: what stands in the queue and in the log.
impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (class, subject, detail) = self.status;
        let proof = self.proof.as_deref().map(|proof| format!(" [{proof}]")).unwrap_or_default();
        let host = self.host.as_deref().map(|host| format!("{host}{proof}: ")).unwrap_or_default();
        let text = clean(&format!("{class}.{subject}.{detail} {host}{}", self.text), 1_000);
        f.write_str(&text)
    }
}

/// Without control characters, at most `most` octets.
pub fn clean(text: &str, most: usize) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let c = if c.is_control() { ' ' } else { c };
        if out.len() + c.len_utf8() > most {
            break;
        }
        out.push(c);
    }
    out
}

/// A reply of the peer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Heard {
    /// RFC 5321 §4.2.
    pub code: u16,
    /// The text of each line.
    pub lines: Vec<String>,
}

impl Heard {
    const fn is_good(&self) -> bool {
        self.code / 100 == 2
    }

    /// RFC 2034 §4: the enhanced code in front of the text, if it agrees with the reply code. What is no refusal,
    /// but makes no sense where it was said, may make sense another time.
    fn status(&self) -> Status {
        let class = if self.code / 100 == 5 { 5 } else { 4 };
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
    pub fn in_words(&self) -> String {
        clean(&format!("{} {}", self.code, self.lines.join(" ")), 900)
    }

    fn trouble(&self, step: &str) -> Trouble {
        let said = self.in_words();
        Trouble { said: Some(said.clone()), ..Trouble::new(self.status(), format!("{step}: {said}")) }
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
pub struct Ear {
    pending: Vec<u8>,
    lines: Vec<String>,
}

/// What came is no SMTP reply.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoReply;

impl Ear {
    /// Takes octets in.
    pub fn feed(&mut self, octets: &[u8]) {
        self.pending.extend_from_slice(octets);
    }

    /// Nothing has come that was not asked for.
    pub const fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.lines.is_empty()
    }

    /// The next whole reply.
    pub fn reply(&mut self) -> Result<Option<Heard>, NoReply> {
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
mod tests {
    use super::*;
    use crate::base::envelope::Notify;
    use proptest::prelude::*;
    use std::fs;
    use std::path::Path;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    /// A plan by the `@` lines of a script, or of a part of it.
    fn plan<'a>(script: impl IntoIterator<Item = &'a str>) -> Plan {
        let mut plan = Plan {
            hello: "mail.a.example".into(),
            start_tls: true,
            sign_in: None,
            sender: Some(address("alice@a.example")),
            recipients: Vec::new(),
            size: 1_000,
            eight_bit: false,
            smtputf8: false,
            envid: None,
        };
        for line in script.into_iter().filter_map(|line| line.strip_prefix("@ ")) {
            let (word, value) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "to" => {
                    let number = u16::try_from(plan.recipients.len()).unwrap();
                    plan.recipients.push(Forward { number, recipient: Recipient::plain(address(value)) });
                }
                "null-sender" => plan.sender = None,
                "without-tls" => plan.start_tls = false,
                "eight-bit" => plan.eight_bit = true,
                "smtputf8" => plan.smtputf8 = true,
                "size" => plan.size = value.parse().unwrap(),
                "envid" => plan.envid = Some(value.into()),
                "sign-in" => plan.sign_in = Some(("me".into(), Secret::new("secret".into()))),
                "notify" => {
                    let notify = Notify {
                        success: value.contains("success"),
                        failure: value.contains("failure"),
                        delay: value.contains("delay"),
                    };
                    plan.recipients.last_mut().unwrap().recipient.notify = Some(notify);
                }
                _ => panic!("{line}"),
            }
        }
        plan
    }

    /// Feeds the peer's lines and writes the script anew with what we do.
    fn play(script: &str) -> String {
        let mut out = String::new();
        let mut lines =
            script.lines().filter(|line| !["C: ", "! ", "= "].iter().any(|mark| line.starts_with(mark)));
        let mut lines = lines.by_ref().peekable();
        while let Some(line) = lines.next_if(|line| !line.starts_with("S: ")) {
            out += &format!("{line}\n");
        }
        let first = script.lines().take_while(|line| !line.starts_with("S: "));
        let (mut conversation, mut effect) = Conversation::<()>::new(plan(first));
        let mut ear = Ear::default();
        let end;
        loop {
            let step = match effect {
                Effect::Say(said, _) => {
                    for line in said.expose().lines() {
                        out += &format!("C: {line}\n");
                    }
                    conversation.hear(&hear(&mut ear, &mut lines, &mut out))
                }
                Effect::Listen(_) => conversation.hear(&hear(&mut ear, &mut lines, &mut out)),
                Effect::StartTls => {
                    out += "! tls\n";
                    ear = Ear::default();
                    Ok(conversation.tls_stands())
                }
                Effect::AskPolicy => {
                    out += "! policy\n";
                    conversation.cleared(())
                }
                Effect::Text { seven_bit } => {
                    out += if seven_bit { "! text in 7 bits\n" } else { "! text\n" };
                    conversation.hear(&hear(&mut ear, &mut lines, &mut out))
                }
                Effect::Done => {
                    out += &answers(&mut conversation);
                    let mut next = Vec::new();
                    while let Some(line) = lines.next_if(|line| !line.starts_with("S: ")) {
                        out += &format!("{line}\n");
                        next.push(line);
                    }
                    if next.is_empty() {
                        return out + "! open\n";
                    }
                    out += "! policy\n";
                    conversation.next(plan(next), ())
                }
                Effect::Quit => {
                    end = "C: QUIT\n".into();
                    break;
                }
                Effect::Leave => {
                    end = "! closed\n".into();
                    break;
                }
            };
            match step {
                Ok(next) => effect = next,
                Err(trouble) => {
                    end = format!("= {trouble}\n");
                    break;
                }
            }
        }
        out + &answers(&mut conversation) + &end
    }

    fn answers(conversation: &mut Conversation<()>) -> String {
        let lines = conversation.answers().into_iter().map(|(number, answered)| match answered {
            Answered::Taken { reply, reports } => {
                format!("= {number} taken, reports {reports}: {reply}\n")
            }
            Answered::Refused(trouble) => format!("= {number} {trouble}\n"),
        });
        lines.collect()
    }

    fn hear<'a>(ear: &mut Ear, lines: &mut impl Iterator<Item = &'a str>, out: &mut String) -> Heard {
        loop {
            if let Some(heard) = ear.reply().unwrap() {
                return heard;
            }
            let line = lines.next().expect("the peer has something to say");
            out.push_str(&format!("{line}\n"));
            if let Some(said) = line.strip_prefix("S: ") {
                ear.feed(format!("{said}\r\n").as_bytes());
            }
        }
    }

    #[test]
    fn client_transcripts() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/client");
        let write = std::env::var("GUARDPOST_GOLDEN").is_ok_and(|word| word == "write");
        let mut played = 0;
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let script = fs::read_to_string(&path).unwrap();
            let whole = play(&script);
            if write {
                fs::write(&path, &whole).unwrap();
            }
            assert_eq!(whole, fs::read_to_string(&path).unwrap(), "{}", path.display());
            played += 1;
        }
        assert!(played >= 12, "only {played} transcripts");
    }

    #[test]
    fn replies_are_put_together_however_they_come() {
        for (octets, want) in [
            ("220 mx\r\n", Ok(Some((220, vec!["mx"])))),
            ("250-a\r\n250-b\r\n250 c\r\n", Ok(Some((250, vec!["a", "b", "c"])))),
            ("250\r\n", Ok(Some((250, vec![""])))),
            ("250 bare\n", Ok(Some((250, vec!["bare"])))),
            ("250-a\r\n25", Ok(None)),
            ("hello\r\n", Err(NoReply)),
            ("99 x\r\n", Err(NoReply)),
            ("250_x\r\n", Err(NoReply)),
            ("2\u{e4}\u{e4} x\r\n", Err(NoReply)),
        ] {
            let want = want.map(|heard| {
                heard.map(|(code, lines)| Heard {
                    code,
                    lines: lines.into_iter().map(str::to_owned).collect(),
                })
            });
            for piece in [1, 3, 1_000] {
                let mut ear = Ear::default();
                let mut heard = Ok(None);
                for chunk in octets.as_bytes().chunks(piece) {
                    ear.feed(chunk);
                    heard = ear.reply();
                    if heard != Ok(None) {
                        break;
                    }
                }
                assert_eq!(heard, want, "{octets:?} by {piece}");
            }
        }
        let mut ear = Ear::default();
        ear.feed(&b"2".repeat(LINE + 1));
        assert_eq!(ear.reply(), Err(NoReply), "an endless line");
        let mut ear = Ear::default();
        ear.feed(&b"250-x\r\n".repeat(LINES + 1));
        assert_eq!(ear.reply(), Err(NoReply), "an endless reply");
    }

    #[test]
    fn enhanced_codes_must_agree_with_the_reply() {
        for (code, text, want) in [
            (550, "5.1.1 no", (5, 1, 1)),
            (451, "4.7.1", (4, 7, 1)),
            (550, "4.1.1 no", (5, 0, 0)),
            (550, "5.1 no", (5, 0, 0)),
            (550, "5.1.1.1 no", (5, 0, 0)),
            (450, "busy", (4, 0, 0)),
            (550, "5.1.9999 no", (5, 0, 0)),
            (354, "go on", (4, 0, 0)),
            (250, "2.0.0 ok", (4, 0, 0)),
        ] {
            assert_eq!(Heard { code, lines: vec![text.into()] }.status(), want, "{code} {text}");
        }
    }

    proptest! {
        #[test]
        fn no_peer_makes_it_panic_or_talk_without_end(
            replies in proptest::collection::vec((200u16..560, "[ -~]{0,20}"), 0..30),
        ) {
            let script = "@ to bob@x.example\n@ to eve@x.example\n@ eight-bit\n";
            let (mut conversation, mut effect) = Conversation::<()>::new(plan(script.lines()));
            let mut replies = replies.into_iter();
            loop {
                let step = match effect {
                    Effect::Quit | Effect::Leave => break,
                    Effect::Done => conversation.next(plan(script.lines()), ()),
                    Effect::StartTls => Ok(conversation.tls_stands()),
                    Effect::AskPolicy => conversation.cleared(()),
                    Effect::Say(..) | Effect::Listen(_) | Effect::Text { .. } => {
                        let Some((code, text)) = replies.next() else { break };
                        conversation.hear(&Heard { code, lines: vec![text] })
                    }
                };
                match step {
                    Ok(next) => effect = next,
                    Err(trouble) => {
                        prop_assert!(trouble.to_string().len() <= 1_000);
                        break;
                    }
                }
            }
            prop_assert!(conversation.answers().len() <= 2);
        }

        #[test]
        fn the_ear_never_panics(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut ear = Ear::default();
            ear.feed(&octets);
            while let Ok(Some(_)) = ear.reply() {}
        }
    }
}
