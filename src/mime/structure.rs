//! The structure of a message: a flat tree of parts, each a pair of byte ranges.

use crate::mime::parameter::Parameters;
use minicbor::Decode;
use minicbor::Encode;
use std::fmt;
use std::ops::Range;

/// A stretch of the message, octets from its start; the end is not in it.
#[derive(Clone, Copy, Debug, Decode, Default, Encode, Eq, PartialEq)]
pub struct Span {
    /// The first octet.
    #[n(0)]
    pub start: u64,
    /// The octet behind the last.
    #[n(1)]
    pub end: u64,
}

impl Span {
    /// From `start` to in front of `end`.
    pub const fn new(start: u64, end: u64) -> Self {
        Self { start, end }
    }

    /// Octets.
    pub const fn length(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// As a range.
    pub const fn range(&self) -> Range<u64> {
        self.start..self.end
    }
}

/// What a scan found.
#[derive(Clone, Debug, Decode, Default, Encode, Eq, PartialEq)]
pub struct Structure {
    /// Every part; the message itself is the first, and a parent stands in front of its children.
    #[n(0)]
    pub parts: Vec<Part>,
    /// Octets of the message.
    #[n(1)]
    pub size: u64,
    /// A header, of the message or of any part, holds octets above 127 (RFC 6532).
    #[n(2)]
    pub eight_bit_header: bool,
    /// A body holds octets above 127.
    #[n(3)]
    pub eight_bit_body: bool,
    /// The longest line of a body, octets without its end.
    #[n(4)]
    pub longest_line: u64,
    /// There is a NUL.
    #[n(5)]
    pub nul: bool,
    /// There is a CR or an LF without the other.
    #[n(6)]
    pub bare_newline: bool,
    /// `Received:` fields at the top.
    #[n(7)]
    pub hops: u32,
}

/// One part: the message itself, a part of a multipart, or the message in a `message/rfc822`.
#[derive(Clone, Decode, Default, Encode, Eq, PartialEq)]
pub struct Part {
    /// The part that holds it; `None` for the message itself.
    #[n(0)]
    pub parent: Option<u32>,
    /// The parts it holds; a `message/rfc822` holds exactly one: the message in it.
    #[n(1)]
    pub children: Vec<u32>,
    /// Its header, the empty line included.
    #[n(2)]
    pub header: Span,
    /// Its body, still encoded, without the line end that belongs to the boundary behind it.
    #[n(3)]
    pub body: Span,
    /// Lines of the body; one without an end counts.
    #[n(4)]
    pub lines: u64,
    /// How it is built.
    #[n(5)]
    pub shape: Shape,
    /// `text`, in lower case.
    #[n(6)]
    pub kind: String,
    /// `plain`, in lower case.
    #[n(7)]
    pub subtype: String,
    /// Of Content-Type.
    #[n(8)]
    pub parameters: Parameters,
    /// Content-Transfer-Encoding.
    #[n(9)]
    pub encoding: Encoding,
    /// Content-Disposition, in lower case (RFC 2183).
    #[n(10)]
    pub disposition: Option<String>,
    /// Of Content-Disposition.
    #[n(11)]
    pub disposition_parameters: Parameters,
    /// Content-ID as written.
    #[n(12)]
    pub id: Option<String>,
    /// Content-Description as written.
    #[n(13)]
    pub description: Option<String>,
    /// Content-Language (RFC 3282).
    #[n(14)]
    pub language: Vec<String>,
    /// Content-Location (RFC 2557).
    #[n(15)]
    pub location: Option<String>,
    /// Content-MD5 (RFC 1864).
    #[n(16)]
    pub md5: Option<String>,
    /// Its body, that of its children not counted, holds octets above 127.
    #[n(17)]
    pub eight_bit: bool,
    /// The longest line of its body, that of its children not counted, octets.
    #[n(18)]
    pub longest_line: u64,
}

/// How a part is built.
#[derive(Clone, Copy, Debug, Decode, Default, Encode, Eq, PartialEq)]
#[cbor(index_only)]
pub enum Shape {
    /// Content.
    #[default]
    #[n(0)]
    Leaf,
    /// Parts between boundaries (RFC 2046 §5.1).
    #[n(1)]
    Multipart,
    /// A message (RFC 2046 §5.2.1, RFC 6532 §3.7).
    #[n(2)]
    Message,
}

/// Content-Transfer-Encoding (RFC 2045 §6).
#[derive(Clone, Debug, Decode, Default, Encode, Eq, PartialEq)]
pub enum Encoding {
    /// 7bit, and when nothing is said.
    #[default]
    #[n(0)]
    SevenBit,
    /// 8bit.
    #[n(1)]
    EightBit,
    /// binary.
    #[n(2)]
    Binary,
    /// quoted-printable.
    #[n(3)]
    QuotedPrintable,
    /// base64.
    #[n(4)]
    Base64,
    /// Something else, in lower case (`x-uuencode`): cannot be decoded.
    #[n(5)]
    Other(#[n(0)] String),
}

impl Encoding {
    /// Reads the field's value.
    pub fn parse(text: &str) -> Self {
        let word = text.trim().trim_matches(|c| matches!(c, '"' | ';')).trim().to_ascii_lowercase();
        match word.as_str() {
            "" | "7bit" | "7-bit" => Self::SevenBit,
            "8bit" | "8-bit" => Self::EightBit,
            "binary" => Self::Binary,
            "quoted-printable" | "quoted/printable" => Self::QuotedPrintable,
            "base64" => Self::Base64,
            _ => Self::Other(word),
        }
    }

    /// The name in the field.
    pub fn name(&self) -> &str {
        match self {
            Self::SevenBit => "7bit",
            Self::EightBit => "8bit",
            Self::Binary => "binary",
            Self::QuotedPrintable => "quoted-printable",
            Self::Base64 => "base64",
            Self::Other(name) => name,
        }
    }

    /// The body is the content itself.
    pub const fn is_identity(&self) -> bool {
        matches!(self, Self::SevenBit | Self::EightBit | Self::Binary)
    }
}

/// What of a part IMAP can ask for (RFC 3501 §6.4.5).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Section {
    /// `BODY[]`, `BODY[1.2]`: the whole message, or a part's body.
    Whole,
    /// `BODY[HEADER]`, `BODY[1.HEADER]`: of the message, or of the message in a `message/rfc822`.
    Header,
    /// `BODY[TEXT]`, `BODY[1.TEXT]`: likewise.
    Text,
    /// `BODY[1.MIME]`: a part's own header.
    Mime,
}

impl Structure {
    /// The message itself.
    pub fn root(&self) -> Option<&Part> {
        self.parts.first()
    }

    /// The part of this number in [`Structure::parts`].
    pub fn part(&self, index: usize) -> Option<&Part> {
        self.parts.get(index)
    }

    /// The number in [`Structure::parts`] of the part that IMAP calls `path`; the empty path is the message.
    pub fn find(&self, path: &[u32]) -> Option<usize> {
        let mut at = 0;
        let mut whole_message = true;
        for &number in path {
            if !whole_message {
                match self.parts.get(at)?.shape {
                    Shape::Leaf => return None,
                    Shape::Multipart => {}
                    Shape::Message => at = self.child(at, 1)?,
                }
            }
            at = match self.parts.get(at)?.shape {
                Shape::Multipart => self.child(at, number)?,
                Shape::Leaf | Shape::Message if number == 1 => at,
                Shape::Leaf | Shape::Message => return None,
            };
            whole_message = false;
        }
        Some(at)
    }

    /// What IMAP calls the part: the reverse of [`Structure::find`]. The message itself is the empty path, and so
    /// has the message inside a `message/rfc822` the path of that part.
    pub fn path(&self, index: usize) -> Vec<u32> {
        let mut path = Vec::new();
        let mut at = index;
        while let Some(part) = self.parts.get(at) {
            let Some(parent) = part.parent.and_then(|parent| usize::try_from(parent).ok()) else {
                if part.shape == Shape::Message && index != 0 {
                    path.push(1);
                }
                break;
            };
            let Some(holder) = self.parts.get(parent) else { break };
            if holder.shape == Shape::Multipart {
                let place = holder.children.iter().position(|&child| usize::try_from(child) == Ok(at));
                path.push(place.and_then(|place| u32::try_from(place + 1).ok()).unwrap_or(0));
            } else if part.shape != Shape::Multipart {
                path.push(1);
            }
            at = parent;
        }
        path.reverse();
        path
    }

    /// The bytes of a section, or `None` when the message has no such part.
    pub fn section(&self, path: &[u32], what: Section) -> Option<Range<u64>> {
        let index = self.find(path)?;
        let part = self.parts.get(index)?;
        if path.is_empty() {
            return match what {
                Section::Whole => Some(0..self.size),
                Section::Header => Some(part.header.range()),
                Section::Text => Some(part.body.range()),
                Section::Mime => None,
            };
        }
        match what {
            Section::Whole => Some(part.body.range()),
            Section::Mime => Some(part.header.range()),
            Section::Header | Section::Text if part.shape == Shape::Message => {
                let inner = self.parts.get(self.child(index, 1)?)?;
                Some(if what == Section::Header { inner.header.range() } else { inner.body.range() })
            }
            Section::Header | Section::Text => None,
        }
    }

    /// The numbers of all parts that hold content, in the order of the message.
    pub fn leaves(&self) -> impl Iterator<Item = usize> + '_ {
        self.parts.iter().enumerate().filter(|(_, part)| part.shape == Shape::Leaf).map(|(index, _)| index)
    }

    /// The part, or one that holds it, is signed or encrypted: not one octet of it may change.
    pub fn is_protected(&self, index: usize) -> bool {
        self.ancestors(index).any(|part| part.is_secured())
    }

    /// The part itself, then what holds it, outwards.
    pub fn ancestors(&self, index: usize) -> impl Iterator<Item = &Part> + '_ {
        let mut next = self.parts.get(index);
        std::iter::from_fn(move || {
            let part = next?;
            next = part.parent.and_then(|parent| self.parts.get(usize::try_from(parent).ok()?));
            Some(part)
        })
    }

    fn child(&self, index: usize, number: u32) -> Option<usize> {
        let place = usize::try_from(number.checked_sub(1)?).ok()?;
        usize::try_from(*self.parts.get(index)?.children.get(place)?).ok()
    }
}

impl Part {
    /// `kind/subtype` is this.
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind == kind && self.subtype == subtype
    }

    /// Content-Disposition says attachment.
    pub fn is_attachment(&self) -> bool {
        self.disposition.as_deref() == Some("attachment")
    }

    /// RFC 1847 §2: signed or encrypted, or an S/MIME body (RFC 8551 §3.2).
    pub fn is_secured(&self) -> bool {
        self.is("multipart", "signed")
            || self.is("multipart", "encrypted")
            || self.is("application", "pkcs7-mime")
            || self.is("application", "x-pkcs7-mime")
    }

    /// What the sender called it, decoded but not made safe (RFC 2183 §2.3, else the old `name`).
    pub fn file_name(&self) -> Option<String> {
        self.disposition_parameters
            .decoded("filename")
            .or_else(|| self.parameters.decoded("name"))
            .filter(|name| !name.is_empty())
    }

    /// The charset of a text.
    pub fn charset(&self) -> Option<&str> {
        self.parameters.value("charset")
    }

    /// Becomes what it is when nothing is said (RFC 2045 §5.2).
    pub(crate) fn make_plain(&mut self) {
        self.kind = "text".into();
        self.subtype = "plain".into();
        self.shape = Shape::Leaf;
    }
}

/// Says where and what kind, not what is in it.
impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { header, body, kind, subtype, children, .. } = self;
        write!(f, "{kind}/{subtype} {:?} {:?} {children:?}", header.range(), body.range())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::scan::Limits;
    use crate::mime::scan::Scanner;

    /// RFC 3501 §6.4.5's example, with a body at each place that tells where it is.
    const NESTED: &str = "Subject: top\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n\
        pre\r\n--a\r\n\r\nONE\r\n--a\r\nContent-Type: application/x\r\n\r\nTWO\r\n\
        --a\r\nContent-Type: message/rfc822\r\n\r\n\
        Subject: three\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\n\r\nTHREE-ONE\r\n--b\r\nX: y\r\n\r\nTHREE-TWO\r\n--b--\r\n\
        --a\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n\
        --c\r\nContent-Type: image/gif\r\n\r\nFOUR-ONE\r\n\
        --c\r\nContent-Type: message/rfc822\r\n\r\nSubject: four-two\r\n\r\nFOUR-TWO-ONE\r\n--c--\r\n--a--\r\n";

    #[test]
    fn finds_what_imap_asks_for() {
        let structure = Scanner::scan(NESTED.as_bytes(), Limits::default()).unwrap();
        let text = |path: &[u32], what| {
            let range = structure.section(path, what)?;
            NESTED.get(range.start as usize..range.end as usize)
        };
        for (path, what, want) in [
            (&[1][..], Section::Whole, Some("ONE")),
            (&[1], Section::Mime, Some("\r\n")),
            (&[1], Section::Header, None),
            (&[1, 1], Section::Whole, None),
            (&[2], Section::Whole, Some("TWO")),
            (&[2], Section::Mime, Some("Content-Type: application/x\r\n\r\n")),
            (&[3, 1], Section::Whole, Some("THREE-ONE")),
            (&[3, 2], Section::Whole, Some("THREE-TWO")),
            (&[3, 2], Section::Mime, Some("X: y\r\n\r\n")),
            (
                &[3],
                Section::Header,
                Some("Subject: three\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"),
            ),
            (&[4, 1], Section::Whole, Some("FOUR-ONE")),
            (&[4, 2], Section::Header, Some("Subject: four-two\r\n\r\n")),
            (&[4, 2], Section::Text, Some("FOUR-TWO-ONE")),
            (&[4, 2, 1], Section::Whole, Some("FOUR-TWO-ONE")),
            (&[4, 2, 2], Section::Whole, None),
            (&[4, 3], Section::Whole, None),
            (&[5], Section::Whole, None),
            (&[0], Section::Whole, None),
            (&[], Section::Mime, None),
            (&[], Section::Whole, Some(NESTED)),
        ] {
            assert_eq!(text(path, what), want, "{path:?} {what:?}");
        }
    }

    #[test]
    fn paths_lead_back() {
        let message = "Content-Type: message/rfc822\r\n\r\n";
        let forwarded = |inner: &str| format!("{message}{message}{inner}");
        for raw in [NESTED.to_owned(), forwarded("Subject: x\r\n\r\ny"), forwarded(NESTED)] {
            let structure = Scanner::scan(raw.as_bytes(), Limits::default()).unwrap();
            for index in 0..structure.parts.len() {
                let path = structure.path(index);
                let found = structure.find(&path).unwrap();
                // A multipart that is a message's body has no path of its own.
                let body_of_message = structure.parts[index].shape == Shape::Multipart
                    && structure.parts[found].children == [index as u32];
                assert!(found == index || body_of_message, "{index} {path:?} {found}");
            }
        }
        let single = Scanner::scan(b"A: b\r\n\r\ntext", Limits::default()).unwrap();
        assert_eq!((single.path(0), single.find(&[1])), (vec![], Some(0)));
    }

    #[test]
    fn debug_tells_no_names() {
        let raw = b"Content-Type: a/b; name=hush\r\nContent-Description: hush\r\n\r\nhush";
        let structure = Scanner::scan(raw, Limits::default()).unwrap();
        assert!(!format!("{structure:?}").contains("hush"));
    }
}
