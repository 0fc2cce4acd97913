//! Messages of our own making: notes, invitations, answers.

use crate::base::address::Address;
use crate::base::address::Domain;
use crate::base::base32;
use crate::base::time::Time;
use crate::mime::display;
use crate::mime::encode::Base64Writer;
use crate::mime::encode::QuotedPrintableWriter;
use crate::mime::encoded_word;
use crate::mime::header::Field;
use crate::mime::header::Header;
use crate::mime::header::Script;
use crate::mime::parameter;
use crate::mime::problem::Problem;
use std::fmt::Write as _;
use std::io;
use std::io::Read;
use std::io::Write;

/// Somebody in a header: a name for people and an address.
#[derive(Clone, Eq, PartialEq)]
pub struct Person {
    /// The display name.
    pub name: Option<String>,
    /// The address.
    pub address: Address,
}

impl Person {
    /// An address alone.
    pub const fn unnamed(address: Address) -> Self {
        Self { name: None, address }
    }
}

/// What stands in the header of a message of ours.
#[derive(Clone)]
pub struct Letter {
    /// From.
    pub from: Person,
    /// Reply-To.
    pub reply_to: Option<Person>,
    /// To.
    pub to: Vec<Person>,
    /// Cc.
    pub cc: Vec<Person>,
    /// For people; it is encoded here.
    pub subject: String,
    /// Date.
    pub date: Time,
    /// With angle brackets; see [`message_id`].
    pub message_id: String,
    /// The message that this one answers.
    pub in_reply_to: Option<String>,
    /// The conversation, oldest first.
    pub references: Vec<String>,
    /// RFC 3834 §5: a program wrote it.
    pub automatic: Option<Automatic>,
    /// Further fields.
    pub more: Vec<Field>,
}

/// Auto-Submitted (RFC 3834 §5).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Automatic {
    /// Nobody's message caused it directly.
    Generated,
    /// It answers a message.
    Replied,
}

/// A file that goes with an answer.
pub struct Attached<R> {
    /// As the sender calls it; made safe here.
    pub name: String,
    /// What the sender's browser says it is; not trusted.
    pub media_type: String,
    /// Its content.
    pub content: R,
}

/// `<random@domain>` (RFC 5322 §3.6.4).
pub fn message_id(random: &[u8; 16], domain: &Domain) -> String {
    format!("<{}@{domain}>", base32::lower(random))
}

/// A boundary that stands in no encoded body: base64 has no `_`, quoted-printable no `=_` (RFC 2045 §6.7).
pub fn boundary(random: &[u8; 16]) -> String {
    format!("=_{}", base32::lower(random))
}

impl Letter {
    /// The header without what describes the body.
    pub fn header(&self, script: Script) -> Header {
        let mut header = Header::default();
        let people = |people: &[Person], name: &str| {
            Field::addresses(name, people.iter().map(|p| (p.name.as_deref(), &p.address)), script)
        };
        header.append(Field::raw("Date", &self.date.rfc5322()));
        header.append(people(std::slice::from_ref(&self.from), "From"));
        if let Some(reply_to) = &self.reply_to {
            header.append(people(std::slice::from_ref(reply_to), "Reply-To"));
        }
        for (list, name) in [(&self.to, "To"), (&self.cc, "Cc")] {
            if !list.is_empty() {
                header.append(people(list, name));
            }
        }
        header.append(Field::text("Subject", &self.subject, script));
        header.append(Field::raw("Message-ID", &self.message_id));
        // They are another's words: what would break the header is not named.
        let can_be_named = |id: &&str| id.len() <= ID && (script == Script::Utf8 || id.is_ascii());
        if let Some(id) = self.in_reply_to.as_deref().filter(can_be_named) {
            header.append(Field::raw("In-Reply-To", id));
        }
        let references: Vec<_> = self.references.iter().map(String::as_str).filter(can_be_named).collect();
        if !references.is_empty() {
            header.append(Field::raw("References", &thread(&references)));
        }
        if let Some(automatic) = self.automatic {
            let word = match automatic {
                Automatic::Generated => "auto-generated",
                Automatic::Replied => "auto-replied",
            };
            header.append(Field::raw("Auto-Submitted", word));
        }
        for field in &self.more {
            header.append(field.clone());
        }
        header.append(Field::raw("MIME-Version", "1.0"));
        header
    }

    /// The whole message with one text.
    pub fn plain(&self, text: &str, script: Script) -> Vec<u8> {
        let mut header = self.header(script);
        let body = describe_text(&mut header, "plain", text);
        [header.render(), body].concat()
    }

    /// The whole message with the same text twice: plain, then as HTML (RFC 2046 §5.1.4).
    ///
    /// Lines of the plain text are never broken, so that a link in it can be copied in one piece.
    pub fn alternative(&self, text: &str, html: &str, boundary: &str, script: Script) -> Vec<u8> {
        let mut header = self.header(script);
        header.append(multipart("alternative", boundary));
        let mut out = header.render();
        for (subtype, content) in [("plain", text), ("html", html)] {
            out.extend_from_slice(&open_part(boundary));
            let mut part = Header::default();
            let body = describe_text(&mut part, subtype, content);
            out.extend_from_slice(&part.render());
            out.extend_from_slice(&body);
        }
        out.extend_from_slice(&close(boundary));
        out
    }

    /// Writes a message with a text and files, which stream through in base64.
    pub fn write_with_files<R: Read>(
        &self,
        out: &mut impl Write,
        text: &str,
        files: impl IntoIterator<Item = Attached<R>>,
        boundary: &str,
        script: Script,
    ) -> Result<(), Problem> {
        let mut header = self.header(script);
        let mut files = files.into_iter().peekable();
        if files.peek().is_none() {
            let body = describe_text(&mut header, "plain", text);
            out.write_all(&header.render())?;
            return Ok(out.write_all(&body)?);
        }
        header.append(multipart("mixed", boundary));
        out.write_all(&header.render())?;
        out.write_all(&open_part(boundary))?;
        let mut part = Header::default();
        let body = describe_text(&mut part, "plain", text);
        out.write_all(&part.render())?;
        out.write_all(&body)?;
        for mut file in files {
            out.write_all(&open_part(boundary))?;
            out.write_all(&file_header(&file.name, &file.media_type).render())?;
            let mut encoder = Base64Writer::new(&mut *out);
            io::copy(&mut file.content, &mut encoder)?;
            encoder.finish()?;
        }
        Ok(out.write_all(&close(boundary))?)
    }
}

/// Octets of another's Message-ID in a header of ours: a line has at most 998 (RFC 5322 §2.1.1).
const ID: usize = 900;

/// The ids that go into References: the first and the last of a long conversation (RFC 5322 §3.6.4).
fn thread(ids: &[&str]) -> String {
    const MOST: usize = 20;
    let first = ids.first().into_iter();
    let rest = ids.get(1..).unwrap_or_default();
    let last = rest.get(rest.len().saturating_sub(MOST)..).unwrap_or_default();
    first.chain(last).copied().collect::<Vec<_>>().join(" ")
}

/// `Content-Type: multipart/…` with its boundary.
pub(crate) fn multipart(subtype: &str, boundary: &str) -> Field {
    Field::raw("Content-Type", &format!("multipart/{subtype}; boundary=\"{boundary}\""))
}

/// The delimiter in front of a part, with the line end that belongs to it.
pub(crate) fn open_part(boundary: &str) -> Vec<u8> {
    format!("\r\n--{boundary}\r\n").into_bytes()
}

/// The delimiter behind the last part.
pub(crate) fn close(boundary: &str) -> Vec<u8> {
    format!("\r\n--{boundary}--\r\n").into_bytes()
}

/// Longest line of a body, octets without its end (RFC 5322 §2.1.1).
const LONGEST_LINE: usize = 998;

/// Adds what describes a text to a header and gives its body: as it is where lines allow it, else in
/// quoted-printable. Line ends become CRLF.
pub(crate) fn describe_text(header: &mut Header, subtype: &str, text: &str) -> Vec<u8> {
    let mut body = String::with_capacity(text.len() + 64);
    for line in text.lines() {
        let clean = line.trim_end_matches('\r');
        body.extend(clean.chars().filter(|&c| c == '\t' || !c.is_control()));
        body.push_str("\r\n");
    }
    let long = body.split("\r\n").any(|line| line.len() > LONGEST_LINE);
    let encoding = match (long, body.is_ascii()) {
        (true, _) => "quoted-printable",
        (false, true) => "7bit",
        (false, false) => "8bit",
    };
    header.append(Field::raw("Content-Type", &format!("text/{subtype}; charset=utf-8")));
    header.append(Field::raw("Content-Transfer-Encoding", encoding));
    if !long {
        return body.into_bytes();
    }
    let mut encoder = QuotedPrintableWriter::new(Vec::new());
    let written = encoder.write_all(body.as_bytes()).and_then(|()| encoder.finish());
    // Memory takes every octet.
    written.unwrap_or_default()
}

/// The header of an attached file.
fn file_header(name: &str, media_type: &str) -> Header {
    let name = display::file_name(name);
    let mut header = Header::default();
    let mut content_type = safe_media_type(media_type);
    if name.is_ascii() {
        let _ = write!(content_type, "; name={}", quoted(&name));
    } else {
        // Against RFC 2047 §5, but what old programs read; the good form is in Content-Disposition.
        let _ = write!(content_type, "; name=\"{}\"", encoded_word::words(&name));
    }
    header.append(Field::raw("Content-Type", &content_type));
    header.append(Field::raw("Content-Disposition", &format!("attachment; {}", file_name_parameter(&name))));
    header.append(Field::raw("Content-Transfer-Encoding", "base64"));
    header
}

/// What a browser says about a file, if it is something that may stand there.
fn safe_media_type(text: &str) -> String {
    const FALLBACK: &str = "application/octet-stream";
    let Ok((main, _)) = parameter::parse(text.as_bytes(), 20) else { return FALLBACK.into() };
    let token = |part: &str| {
        (1..=64).contains(&part.len())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    match main.split_once('/') {
        Some(("multipart" | "message", _)) => FALLBACK.into(),
        Some((kind, subtype)) if token(kind) && token(subtype) => main.clone(),
        _ => FALLBACK.into(),
    }
}

/// A quoted string (RFC 5322 §3.2.4).
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars().filter(|c| !c.is_control()) {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// `filename="…"`, or in UTF-8 and pieces (RFC 2231 §3, §4).
fn file_name_parameter(name: &str) -> String {
    if name.is_ascii() {
        return format!("filename={}", quoted(name));
    }
    const PIECE: usize = 54;
    let mut pieces = vec![String::from("utf-8''")];
    for byte in name.bytes() {
        let escaped = if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        };
        if pieces.last().is_some_and(|piece| piece.len() + escaped.len() > PIECE) {
            pieces.push(String::new());
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push_str(&escaped);
        }
    }
    match pieces.as_slice() {
        [only] => format!("filename*={only}"),
        many => {
            let numbered = many.iter().enumerate().map(|(n, piece)| format!("filename*{n}*={piece}"));
            numbered.collect::<Vec<_>>().join("; ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::part;
    use crate::mime::part::Content;
    use crate::mime::scan::Limits;
    use crate::mime::scan::Scanner;
    use crate::mime::structure::Encoding;
    use crate::mime::structure::Structure;
    use proptest::prelude::*;
    use std::io::Cursor;

    pub(crate) fn letter() -> Letter {
        let person = |name: &str, address: &str| Person {
            name: Some(name.into()),
            address: Address::parse(address).unwrap(),
        };
        Letter {
            from: person("Gräfin, A.", "a@x.example"),
            reply_to: Some(person("Guard", "secure-mail@x.example")),
            to: vec![person("Bob", "b@y.example"), Person::unnamed(Address::parse("c@y.example").unwrap())],
            cc: vec![],
            subject: "Sichere Nachricht von Gräfin A.".into(),
            date: Time(1_795_318_393),
            message_id: message_id(&[7; 16], &Domain::parse("x.example").unwrap()),
            in_reply_to: Some("<q@y.example>".into()),
            references: vec!["<p@y.example>".into(), "<q@y.example>".into()],
            automatic: Some(Automatic::Generated),
            more: Vec::new(),
        }
    }

    fn scanned(message: &[u8]) -> Structure {
        let structure = Scanner::scan(message, Limits::default()).unwrap();
        assert!(!structure.bare_newline && !structure.nul && structure.longest_line <= 998);
        assert!(message.ends_with(b"\r\n"));
        structure
    }

    #[test]
    fn writes_notices() {
        let link = format!("https://guard.example/i/{}#{}", "0".repeat(26), "ABCD-".repeat(12));
        let text = format!("Überschrift\n\n{link}\n\nGruß\n");
        let html = format!("<p>Überschrift</p><a href=\"{link}\">LESEN</a>");
        let boundary = boundary(&[9; 16]);
        let message = letter().alternative(&text, &html, &boundary, Script::Ascii);
        let structure = scanned(&message);
        let shown = String::from_utf8(message.clone()).unwrap();
        assert!(shown.contains(&format!("\r\n\r\n{link}\r\n\r\n")), "the link stands alone on one line");
        let body = part::choose_body(&structure);
        assert_eq!((body.plain, body.html, body.attachments.len()), (Some(1), Some(2), 0));
        let plain = part::read_text(Cursor::new(&message), &structure.parts[1], 10_000).unwrap().text;
        assert_eq!(plain, text.replace('\n', "\r\n"));
        let header = Header::read(&mut Cursor::new(&message), structure.parts[0].header).unwrap();
        assert_eq!(header.subject().as_deref(), Some("Sichere Nachricht von Gräfin A."));
        let from = header.addresses("from");
        assert_eq!(from.mailboxes().next().unwrap().display_name().as_deref(), Some("Gräfin, A."));
        assert_eq!(header.addresses("to").addresses().count(), 2);
        assert_eq!(header.message_id().unwrap(), letter().message_id);
        assert_eq!(header.ids("references").len(), 2);
        assert!(header.is_automatic() && !header.has("cc"));
        assert!(!structure.eight_bit_header);
    }

    #[test]
    fn an_id_that_breaks_a_header_is_not_named() {
        let (odd, good) = ("<ä@y.example>".to_owned(), "<q@y.example>".to_owned());
        let long = format!("<{}@y.example>", "x".repeat(ID));
        let field = |script, name: &str, answered: &String| {
            let references = vec![odd.clone(), long.clone(), good.clone()];
            let letter = Letter { in_reply_to: Some(answered.clone()), references, ..letter() };
            letter.header(script).ids(name)
        };
        for answered in [&odd, &long] {
            assert!(field(Script::Ascii, "in-reply-to", answered).is_empty(), "{answered}");
        }
        assert_eq!(field(Script::Ascii, "references", &good), [good.as_str()]);
        assert_eq!(field(Script::Utf8, "in-reply-to", &odd), [odd.as_str()]);
        assert_eq!(field(Script::Utf8, "references", &good), [&*odd, &*good]);
    }

    #[test]
    fn chooses_encodings() {
        for (text, want) in [
            ("plain\n".to_owned(), Encoding::SevenBit),
            ("Grüße\n".to_owned(), Encoding::EightBit),
            ("x".repeat(998), Encoding::SevenBit),
            ("x".repeat(999), Encoding::QuotedPrintable),
            (String::new(), Encoding::SevenBit),
        ] {
            let message = letter().plain(&text, Script::Utf8);
            let structure = Scanner::scan(&message, Limits::default()).unwrap();
            let root = structure.root().unwrap();
            assert_eq!(root.encoding, want);
            let read = part::read_text(Cursor::new(&message), root, 10_000).unwrap().text;
            assert_eq!(read.trim_end(), text.trim_end());
        }
    }

    #[test]
    fn streams_files() {
        let files = [
            ("../Rückruf für die große Überprüfung des Geländes.pdf", "application/pdf", vec![0xff; 100_000]),
            ("x.html", "text/html; charset=\"x\"", b"<b>".to_vec()),
            ("evil", "message/rfc822", vec![]),
            ("a\"b.txt", "not a type", b"t".to_vec()),
        ];
        let attached = files.iter().map(|(name, media_type, content)| Attached {
            name: (*name).into(),
            media_type: (*media_type).into(),
            content: Cursor::new(content.clone()),
        });
        let mut message = Vec::new();
        letter()
            .write_with_files(&mut message, "Text", attached, &boundary(&[1; 16]), Script::Ascii)
            .unwrap();
        let structure = scanned(&message);
        let want = [
            ("Rückruf für die große Überprüfung des Geländes.pdf", "application/pdf"),
            ("x.html", "text/html"),
            ("evil", "application/octet-stream"),
            ("a_b.txt", "application/octet-stream"),
        ];
        assert_eq!(part::choose_body(&structure).attachments, [2, 3, 4, 5]);
        for (index, ((name, media_type), (_, _, content))) in want.iter().zip(&files).enumerate() {
            let part = &structure.parts[index + 2];
            assert_eq!(part.file_name().as_deref(), Some(*name));
            assert_eq!(format!("{}/{}", part.kind, part.subtype), *media_type);
            let mut read = Vec::new();
            Content::open(Cursor::new(&message), part).unwrap().read_to_end(&mut read).unwrap();
            assert_eq!(&read, content);
        }
        let header = String::from_utf8_lossy(&message[..4_000]).into_owned();
        assert!(header.lines().all(|line| line.len() <= 100), "{header}");
    }

    #[test]
    fn without_files_it_is_one_text() {
        let mut message = Vec::new();
        let none: [Attached<Cursor<Vec<u8>>>; 0] = [];
        letter().write_with_files(&mut message, "Text", none, "b", Script::Ascii).unwrap();
        assert!(scanned(&message).root().unwrap().is("text", "plain"));
    }

    proptest! {
        #[test]
        fn any_text_stays_in_its_part(text in any::<String>(), html in any::<String>(), subject in any::<String>()) {
            let letter = Letter { subject, ..letter() };
            let message = letter.alternative(&text, &html, &boundary(&[3; 16]), Script::Ascii);
            let structure = scanned(&message);
            prop_assert_eq!(structure.parts.len(), 3);
            prop_assert!(!structure.eight_bit_header);
            let header = Header::read(&mut Cursor::new(&message), structure.parts[0].header).unwrap();
            prop_assert_eq!(header.fields().len(), 11);
        }
    }
}
