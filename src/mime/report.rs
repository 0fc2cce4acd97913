//! Delivery reports (RFC 3464 in the form of RFC 6522): written for our own senders, read when they come back.

use crate::base::address::Address;
use crate::base::time::Time;
use crate::mime::compose;
use crate::mime::compose::Letter;
use crate::mime::header::Field;
use crate::mime::header::Header;
use crate::mime::header::Script;
use crate::mime::part::Content;
use crate::mime::problem::Problem;
use crate::mime::scrub;
use crate::mime::structure::Part;
use crate::mime::structure::Shape;
use crate::mime::structure::Structure;
use std::fmt;
use std::io::Read;
use std::io::Seek;

/// What became of a message for one recipient (RFC 3464 §2.3.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// Given up.
    Failed,
    /// Still tried.
    Delayed,
    /// Handed over to where it ends.
    Delivered,
    /// Handed over to a system that reports no more.
    Relayed,
    /// Sent on to several.
    Expanded,
}

impl Action {
    /// The word of RFC 3464 §2.3.3.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Delayed => "delayed",
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
            Self::Expanded => "expanded",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let word = text.split(|c: char| c == '(' || c.is_whitespace()).find(|word| !word.is_empty())?;
        [Self::Failed, Self::Delayed, Self::Delivered, Self::Relayed, Self::Expanded]
            .into_iter()
            .find(|action| action.word().eq_ignore_ascii_case(word))
    }
}

/// What a report says of one recipient.
#[derive(Clone)]
pub struct Fate<'a> {
    /// Where it was sent to.
    pub recipient: &'a Address,
    /// ORCPT=, `type;xtext`, as its sender gave it (RFC 3461 §4.2).
    pub original: Option<&'a str>,
    /// What became of it.
    pub action: Action,
    /// RFC 3463.
    pub status: (u8, u16, u16),
    /// The host that said so.
    pub remote: Option<&'a str>,
    /// What it said; `smtp;` is put in front.
    pub diagnostic: Option<&'a str>,
    /// The last try.
    pub tried: Option<Time>,
    /// When it will be given up, for a delay.
    pub until: Option<Time>,
    /// What was proven about the connection over which it was handed on: `tls=dane …`.
    pub proof: Option<&'a str>,
}

/// A report to be written. Only headers of the original go with it, never its body.
pub struct Report<'a> {
    /// Who it is from and to, and the subject; it gets `Auto-Submitted: auto-replied`.
    pub letter: Letter,
    /// The text for people.
    pub text: &'a str,
    /// The same as HTML.
    pub html: &'a str,
    /// The name of this server.
    pub hostname: &'a str,
    /// When the message was taken.
    pub arrived: Option<Time>,
    /// ENVID=, decoded from xtext (RFC 3461 §4.4).
    pub envelope_id: Option<&'a str>,
    /// One or more recipients.
    pub fates: &'a [Fate<'a>],
    /// The header of the original, made fit by [`original`].
    pub original: &'a Header,
}

/// The header of a message that is reported on, without what its sender said to this server alone; fields beyond
/// 32 KiB in all are left out.
pub fn original(header: &Header, sent_header: &str) -> Header {
    let mut header = header.clone();
    scrub::clean_submission(&mut header, sent_header);
    let mut room: usize = 32 << 10;
    header.retain(|field| {
        let fits = field.bytes().len() <= room;
        room = room.saturating_sub(field.bytes().len());
        fits
    });
    header
}

impl Report<'_> {
    /// The whole message. Its part for people has two forms (RFC 6522 §3), between boundaries of their own.
    pub fn write(&self, boundary: &str, inner: &str) -> Vec<u8> {
        let letter = Letter { automatic: Some(compose::Automatic::Replied), ..self.letter.clone() };
        let mut header = letter.header(Script::Ascii);
        header.append(Field::raw(
            "Content-Type",
            &format!("multipart/report; report-type=delivery-status; boundary=\"{boundary}\""),
        ));
        let mut out = header.render();
        let mut part = Header::default();
        part.append(compose::multipart("alternative", inner));
        push_part(&mut out, boundary, &part, &[]);
        for (subtype, content) in [("plain", self.text), ("html", self.html)] {
            let mut part = Header::default();
            let body = compose::describe_text(&mut part, subtype, content);
            push_part(&mut out, inner, &part, &body);
        }
        out.extend_from_slice(&compose::close(inner));

        let mut part = Header::default();
        part.append(Field::raw("Content-Type", "message/delivery-status"));
        push_part(&mut out, boundary, &part, &self.status());

        let original = self.original.render();
        let mut part = Header::default();
        let media_type = if original.is_ascii() { "text/rfc822-headers" } else { "message/global-headers" };
        part.append(Field::raw("Content-Type", media_type));
        if !original.is_ascii() {
            part.append(Field::raw("Content-Transfer-Encoding", "8bit"));
        }
        push_part(&mut out, boundary, &part, &original);
        out.extend_from_slice(&compose::close(boundary));
        out
    }

    /// RFC 3464 §2.1: fields of the message, then fields of each recipient.
    fn status(&self) -> Vec<u8> {
        let mut group = Header::default();
        if let Some(id) = self.envelope_id {
            group.append(ascii("Original-Envelope-Id", id));
        }
        group.append(ascii("Reporting-MTA", &format!("dns; {}", self.hostname)));
        if let Some(arrived) = self.arrived {
            group.append(Field::raw("Arrival-Date", &arrived.rfc5322()));
        }
        let mut out = group.render();
        for fate in self.fates {
            out.extend_from_slice(&fate.group().render());
        }
        out
    }
}

impl Fate<'_> {
    fn group(&self) -> Header {
        let mut group = Header::default();
        if let Some(original) = self.original {
            group.append(ascii("Original-Recipient", &original.replacen(';', "; ", 1)));
        }
        group.append(ascii("Final-Recipient", &typed(self.recipient)));
        group.append(Field::raw("Action", self.action.word()));
        let (class, subject, detail) = self.status;
        group.append(Field::raw("Status", &format!("{class}.{subject}.{detail}")));
        if let Some(remote) = self.remote {
            group.append(ascii("Remote-MTA", &format!("dns; {remote}")));
        }
        if let Some(diagnostic) = self.diagnostic {
            group.append(ascii("Diagnostic-Code", &format!("smtp; {diagnostic}")));
        }
        if let Some(tried) = self.tried {
            group.append(Field::raw("Last-Attempt-Date", &tried.rfc5322()));
        }
        if let Some(until) = self.until {
            group.append(Field::raw("Will-Retry-Until", &until.rfc5322()));
        }
        if let Some(proof) = self.proof {
            // RFC 3464 §2.4: a field of our own.
            group.append(ascii("X-Guardpost-Proof", proof));
        }
        group
    }
}

/// An address with its type; one in UTF-8 in the ASCII form of RFC 6533 §3.
fn typed(address: &Address) -> String {
    let text = address.to_string();
    if text.is_ascii() {
        return format!("rfc822; {text}");
    }
    let mut out = String::from("utf-8; ");
    for c in text.chars() {
        match c {
            '\\' | '+' | '=' => out.push_str(&format!("\\x{{{:X}}}", u32::from(c))),
            c if c.is_ascii_graphic() => out.push(c),
            c => out.push_str(&format!("\\x{{{:X}}}", u32::from(c))),
        }
    }
    out
}

/// A field that is ASCII whatever a peer said, at most 1,000 characters.
fn ascii(name: &str, value: &str) -> Field {
    let clean: String = value.chars().take(1_000).map(|c| if c.is_ascii() { c } else { '?' }).collect();
    Field::raw(name, &clean)
}

fn push_part(out: &mut Vec<u8>, boundary: &str, header: &Header, body: &[u8]) {
    out.extend_from_slice(&compose::open_part(boundary));
    out.extend_from_slice(&header.render());
    out.extend_from_slice(body);
}

/// A report that came.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Received {
    /// ENVID= of the message it is about.
    pub envelope_id: Option<String>,
    /// The `Message-ID:` of that message, if the report brings its header.
    pub message_id: Option<String>,
    /// Its recipients.
    pub fates: Vec<ReceivedFate>,
}

/// What a report that came says of one recipient.
#[derive(Clone, Eq, PartialEq)]
pub struct ReceivedFate {
    /// The recipient as our side named it, else as theirs did.
    pub recipient: String,
    /// What became of the message.
    pub action: Action,
    /// RFC 3463.
    pub status: Option<(u8, u16, u16)>,
    /// What the last server said, one line.
    pub diagnostic: Option<String>,
}

/// Says how many, not who.
impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Received({:?})", self.fates)
    }
}

/// Says what, not who.
impl fmt::Debug for ReceivedFate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.action, self.status)
    }
}

/// Octets of a part of a report that are read.
const READ: u64 = 64 << 10;
/// Recipients of a report that are read.
const FATES: usize = 1_000;

/// Reads a delivery report; `None` when the message is none.
pub fn read(source: &mut (impl Read + Seek), structure: &Structure) -> Result<Option<Received>, Problem> {
    let Some(root) = structure.root() else { return Ok(None) };
    let kind = root.parameters.value("report-type").unwrap_or("delivery-status");
    if !root.is("multipart", "report") || !kind.eq_ignore_ascii_case("delivery-status") {
        return Ok(None);
    }
    let children = || root.children.iter().filter_map(|&child| structure.part(usize::try_from(child).ok()?));
    let is_status =
        |part: &&Part| part.is("message", "delivery-status") || part.is("message", "global-delivery-status");
    let Some(status) = children().find(is_status) else { return Ok(None) };
    let mut received = read_status(&read_part(source, status)?);
    for part in children() {
        let header = match (part.kind.as_str(), part.subtype.as_str()) {
            ("text", "rfc822-headers") | ("message", "global-headers") => {
                Header::parse(&read_part(source, part)?)
            }
            _ if part.shape == Shape::Message => {
                let inner = part.children.first().and_then(|&inner| usize::try_from(inner).ok());
                let Some(inner) = inner.and_then(|inner| structure.part(inner)) else { continue };
                Header::read(source, inner.header)?
            }
            _ => continue,
        };
        received.message_id = received.message_id.or_else(|| header.message_id());
    }
    Ok(Some(received))
}

fn read_part(source: &mut (impl Read + Seek), part: &Part) -> Result<Vec<u8>, Problem> {
    let mut out = Vec::new();
    Content::open(source, part)?.take(READ).read_to_end(&mut out)?;
    Ok(out)
}

fn read_status(raw: &[u8]) -> Received {
    let mut received = Received::default();
    for group in groups(raw) {
        if received.envelope_id.is_none() {
            received.envelope_id = group.first("original-envelope-id").map(Field::unfolded);
        }
        let address = ["original-recipient", "final-recipient"]
            .into_iter()
            .filter_map(|name| group.first(name))
            .map(|field| untyped(&field.unfolded()))
            .find(|address| !address.is_empty());
        let action = group.first("action").and_then(|field| Action::parse(&field.unfolded()));
        if let (Some(recipient), Some(action)) = (address, action) {
            received.fates.push(ReceivedFate {
                recipient,
                action,
                status: group.first("status").and_then(|field| read_code(&field.unfolded())),
                diagnostic: group.first("diagnostic-code").map(|field| untyped(&field.unfolded())),
            });
        }
        if received.fates.len() >= FATES {
            break;
        }
    }
    received
}

/// The groups of fields between empty lines.
fn groups(raw: &[u8]) -> Vec<Header> {
    let mut out = Vec::new();
    let mut current = Vec::new();
    for line in raw.split_inclusive(|&byte| byte == b'\n') {
        if !line.trim_ascii().is_empty() {
            current.extend_from_slice(line);
        } else if !current.is_empty() {
            out.push(Header::parse(&std::mem::take(&mut current)));
        }
    }
    if !current.is_empty() {
        out.push(Header::parse(&current));
    }
    out
}

/// `rfc822; a@x` without its type.
fn untyped(value: &str) -> String {
    value.split_once(';').map_or(value, |(_, rest)| rest).trim().trim_matches(['<', '>']).to_owned()
}

/// `5.1.1 (comment)`.
fn read_code(text: &str) -> Option<(u8, u16, u16)> {
    let mut numbers = text.split_whitespace().next()?.split('.');
    let code = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
    matches!(code.0, 2 | 4 | 5).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::address::Domain;
    use crate::mime::compose::Person;
    use crate::mime::scan::Limits;
    use crate::mime::scan::Scanner;
    use proptest::prelude::*;
    use std::io::Cursor;

    fn scanned(message: &[u8]) -> Structure {
        Scanner::scan(message, Limits::default()).unwrap()
    }

    fn written(fates: &[Fate<'_>], header: &str) -> Vec<u8> {
        let address = |text| Address::parse(text).unwrap();
        let letter = Letter {
            from: Person { name: Some("Mail Delivery".into()), address: address("mailer-daemon@x.example") },
            reply_to: None,
            to: vec![Person::unnamed(address("a@x.example"))],
            cc: vec![],
            subject: "Could not be delivered".into(),
            date: Time(1_795_318_393),
            message_id: compose::message_id(&[1; 16], &Domain::parse("x.example").unwrap()),
            in_reply_to: None,
            references: vec![],
            automatic: None,
            more: Vec::new(),
        };
        let original = original(&Header::parse(header.as_bytes()), "X-OxGuard-PIN");
        Report {
            letter,
            text: "Nothing was sent.\n",
            html: "<p>Nothing was sent.</p>",
            hostname: "guard.x.example",
            arrived: Some(Time(1_795_318_000)),
            envelope_id: Some("id+1"),
            fates,
            original: &original,
        }
        .write(&compose::boundary(&[2; 16]), &compose::boundary(&[3; 16]))
    }

    const ORIGINAL: &str = "From: a@x.example\r\nSubject: s\r\nMessage-ID: <m@x.example>\r\nX-OxGuard-PIN: 123456\r\n\
        X-Guardpost-Note: hush\r\nBcc: hidden@z.example\r\n\r\n";

    #[test]
    fn reads_what_it_wrote() {
        let (bob, uta) = (Address::parse("b@y.example").unwrap(), Address::parse("üta@y.example").unwrap());
        let fates = [
            Fate {
                recipient: &bob,
                original: Some("rfc822;Bob@y.example"),
                action: Action::Failed,
                status: (5, 7, 4),
                remote: Some("mx.y.example"),
                diagnostic: Some("554 no TLS\r\nInjected: ü"),
                tried: Some(Time(1_795_318_393)),
                until: None,
                proof: Some("tls=dane TLSv1.3"),
            },
            Fate {
                recipient: &uta,
                original: None,
                action: Action::Delayed,
                status: (4, 4, 1),
                remote: None,
                diagnostic: None,
                tried: None,
                until: Some(Time(1_795_318_999)),
                proof: None,
            },
        ];
        let message = written(&fates, ORIGINAL);
        let structure = scanned(&message);
        assert_eq!(structure.parts.len(), 6);
        let text = String::from_utf8(message.clone()).unwrap();
        for absent in ["123456", "hush", "hidden", "Injected:"] {
            assert!(!text.contains(&format!("\n{absent}")), "{absent}");
        }
        assert!(!text.contains("123456") && !text.contains("hush") && !text.contains("hidden"));
        assert!(text.contains("Auto-Submitted: auto-replied\r\n"));
        let received = read(&mut Cursor::new(&message), &structure).unwrap().unwrap();
        assert_eq!(received.envelope_id.as_deref(), Some("id+1"));
        assert_eq!(received.message_id.as_deref(), Some("<m@x.example>"));
        let shown: Vec<_> =
            received.fates.iter().map(|fate| (fate.recipient.as_str(), fate.action, fate.status)).collect();
        assert_eq!(
            shown,
            [
                ("Bob@y.example", Action::Failed, Some((5, 7, 4))),
                ("\\x{FC}ta@y.example", Action::Delayed, Some((4, 4, 1))),
            ]
        );
        assert_eq!(received.fates[0].diagnostic.as_deref(), Some("554 no TLS  Injected: ?"));
    }

    #[test]
    fn a_header_in_utf8_keeps_its_letters() {
        let message = written(&[], "From: ü <a@x.example>\r\n\r\n");
        let structure = scanned(&message);
        assert!(structure.parts[5].is("message", "global-headers"));
        assert!(String::from_utf8(message).unwrap().contains("From: ü"));
    }

    #[test]
    fn reads_what_others_write() {
        let report = |status: &str, third: &str| {
            format!(
                "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n\
                 --b\r\nContent-Type: message/delivery-status\r\n\r\n{status}\r\n--b\r\n{third}\r\n--b--\r\n"
            )
        };
        for (what, message, want) in [
            (
                "several empty lines, folding, comments",
                report(
                    "Reporting-MTA: dns; x\r\n\r\n\r\nFinal-Recipient: RFC822; <a@x>\r\nAction: FAILED (bad)\r\n\
                     Status: 5.1.1 (no such user)\r\nDiagnostic-Code: smtp; 550\r\n 5.1.1 unknown\r\n\r\n\
                     Final-Recipient: rfc822;b@x\r\nAction: delivered\r\nStatus: 2.0.0\r\n",
                    "Content-Type: message/rfc822\r\n\r\nMessage-ID: <m@x>\r\n\r\nbody",
                ),
                Some((Some("<m@x>"), vec![("a@x", Some((5, 1, 1))), ("b@x", Some((2, 0, 0)))])),
            ),
            (
                "no status, no header",
                report("X: y\r\n\r\nFinal-Recipient: rfc822;a@x\r\nAction: failed\r\n", "A: b\r\n\r\n"),
                Some((None, vec![("a@x", None)])),
            ),
            ("nothing in it", report("", ""), Some((None, vec![]))),
            ("no report", "Subject: x\r\n\r\ny".into(), None),
            (
                "another report",
                "Content-Type: multipart/report; report-type=disposition-notification; boundary=b\r\n\r\n--b\r\n\r\n"
                    .into(),
                None,
            ),
        ] {
            let got = read(&mut Cursor::new(message.as_bytes()), &scanned(message.as_bytes())).unwrap();
            let got = got.as_ref().map(|received| {
                let fates = received.fates.iter().map(|fate| (fate.recipient.as_str(), fate.status)).collect();
                (received.message_id.as_deref(), fates)
            });
            assert_eq!(got, want, "{what}");
        }
    }

    proptest! {
        #[test]
        fn any_status(raw in "(Action|Final-Recipient|Status|X|:|;| |failed|5\\.1\\.1|\r\n|\\PC){0,40}") {
            let _ = read_status(raw.as_bytes());
        }
    }
}
