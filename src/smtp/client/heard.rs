//! What a peer said: replies put together from octets, and the trouble that they mean.

use crate::base::requirement::Unmet;
use std::fmt;

/// A reply line, octets; RFC 5321 §4.5.3.1.5 says 512.
pub(super) const LINE: usize = 2_048;
/// Lines of one reply.
pub(super) const LINES: usize = 128;

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

    /// The host was not found or not reached: nobody has said a word.
    pub const fn is_unreached(&self) -> bool {
        self.said.is_none() && self.unmet.is_none() && matches!(self.status, (_, 4, 1 | 3 | 4))
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
    pub(super) const fn is_good(&self) -> bool {
        self.code / 100 == 2
    }

    /// RFC 2034 §4: the enhanced code in front of the text, if it agrees with the reply code. What is no refusal,
    /// but makes no sense where it was said, may make sense another time.
    pub(super) fn status(&self) -> Status {
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

    pub(super) fn trouble(&self, step: &str) -> Trouble {
        let said = self.in_words();
        Trouble { said: Some(said.clone()), ..Trouble::new(self.status(), format!("{step}: {said}")) }
    }

    /// The same, but waiting may help.
    pub(super) fn transient(&self, step: &str) -> Trouble {
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
