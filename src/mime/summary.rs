//! What lists need of a message: envelope, structure, subject, first words, attachments; small enough to lie
//! beside every record.

use crate::base::limits;
use crate::base::time::Time;
use crate::mime::address_list::AddressList;
use crate::mime::budget::Budget;
use crate::mime::display;
use crate::mime::header::Field;
use crate::mime::header::Header;
use crate::mime::html_text;
use crate::mime::part;
use crate::mime::problem::Problem;
use crate::mime::structure::Shape;
use crate::mime::structure::Structure;
use minicbor::Decode;
use minicbor::Encode;
use std::fmt;
use std::io::Read;
use std::io::Seek;

/// What RFC 3501 §7.4.2 calls the envelope. Texts are unfolded and still encoded (RFC 2047), as clients expect.
#[derive(Clone, Decode, Default, Encode, Eq, PartialEq)]
pub struct Envelope {
    /// Date.
    #[n(0)]
    pub date: Option<String>,
    /// Subject.
    #[n(1)]
    pub subject: Option<String>,
    /// From.
    #[n(2)]
    pub from: AddressList,
    /// Sender; From when there is none.
    #[n(3)]
    pub sender: AddressList,
    /// Reply-To; From when there is none.
    #[n(4)]
    pub reply_to: AddressList,
    /// To.
    #[n(5)]
    pub to: AddressList,
    /// Cc.
    #[n(6)]
    pub cc: AddressList,
    /// Bcc.
    #[n(7)]
    pub bcc: AddressList,
    /// In-Reply-To.
    #[n(8)]
    pub in_reply_to: Option<String>,
    /// Message-ID.
    #[n(9)]
    pub message_id: Option<String>,
}

impl Envelope {
    /// From a header, shortened to what `budget` has room for.
    pub fn new(header: &Header, budget: &mut Budget) -> Self {
        let mut text = |name| budget.text(header.first(name).map(Field::unfolded));
        let (date, subject) = (text("date"), text("subject"));
        let (in_reply_to, message_id) = (text("in-reply-to"), text("message-id"));
        let from = budget.list(header.addresses("from"));
        let mut or_from = |name| {
            let list = header.addresses(name);
            budget.list(if list.is_empty() { from.clone() } else { list })
        };
        let (sender, reply_to) = (or_from("sender"), or_from("reply-to"));
        let mut list = |name| budget.list(header.addresses(name));
        let (to, cc, bcc) = (list("to"), list("cc"), list("bcc"));
        Self { date, subject, from, sender, reply_to, to, cc, bcc, in_reply_to, message_id }
    }
}

/// Nothing of what it holds.
impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Envelope(..)")
    }
}

/// A message in short. What is `None` was too long: its reader asks the message itself ([`Summary::gather`]).
#[derive(Clone, Decode, Default, Encode, Eq, PartialEq)]
pub struct Summary {
    /// For IMAP's ENVELOPE.
    #[n(0)]
    pub envelope: Option<Envelope>,
    /// For IMAP's BODYSTRUCTURE and every BODY section.
    #[n(1)]
    pub structure: Option<Structure>,
    /// The envelopes of messages inside, by the number of the part in the structure.
    #[n(2)]
    pub inner: Option<Vec<(u32, Envelope)>>,
    /// The subject for people, on one line.
    #[n(3)]
    pub subject: String,
    /// The name of who wrote it, or else the address.
    #[n(4)]
    pub sender: String,
    /// The first words of the text; empty when there is none.
    #[n(5)]
    pub preview: Option<String>,
    /// Names and sizes of the attachments.
    #[n(6)]
    pub attachments: Option<Vec<Attachment>>,
    /// The text is there as HTML.
    #[n(7)]
    pub has_html: bool,
    /// In-Reply-To and References, each once.
    #[n(8)]
    pub references: Option<Vec<String>>,
    /// When it says it was written, seconds since 1970.
    #[n(9)]
    pub date: Option<i64>,
    /// What the outermost part is to OpenPGP and S/MIME.
    #[n(10)]
    pub secured: Secured,
    /// How many attachments there are.
    #[n(11)]
    pub attachment_count: u32,
}

/// An attachment in a list.
#[derive(Clone, Decode, Encode, Eq, PartialEq)]
pub struct Attachment {
    /// Its name, made safe.
    #[n(0)]
    pub name: String,
    /// About how many octets it has, decoded.
    #[n(1)]
    pub size: u64,
    /// Its number in the structure.
    #[n(2)]
    pub part: u32,
}

/// Whether a message is signed or encrypted, by its outermost part alone: a claim, not a proof.
#[derive(Clone, Copy, Debug, Decode, Default, Encode, Eq, PartialEq)]
#[cbor(index_only)]
pub enum Secured {
    /// Neither.
    #[default]
    #[n(0)]
    No,
    /// multipart/signed.
    #[n(1)]
    Signed,
    /// multipart/encrypted or an S/MIME body.
    #[n(2)]
    Encrypted,
}

/// Characters of a subject or a sender in a list.
const LINE: usize = 300;
/// Characters of the first words.
const PREVIEW: usize = 160;
/// Octets of a text that are read for its first words.
const PREVIEW_READ: usize = 16 << 10;
/// Octets that encrypting a summary may add.
const SEALING: usize = 1 << 10;
/// The format's number, in front of the encoded summary.
const FORMAT: u8 = 1;

impl Summary {
    /// Gathers everything from the headers and the start of the text, however long; only the envelopes are shortened
    /// to what a [`Budget`] allows, which is more than [`Summary::write`] ever keeps.
    pub fn gather(source: &mut (impl Read + Seek), structure: &Structure) -> Result<Self, Problem> {
        let Some(root) = structure.root() else { return Ok(Self::default()) };
        let header = Header::read(source, root.header)?;
        let mut budget = Budget::default();
        let envelope = Envelope::new(&header, &mut budget);
        let mut inner = Vec::new();
        for (index, part) in structure.parts.iter().enumerate() {
            if budget.is_spent() {
                break;
            }
            let Some(parent) = part.parent.and_then(|parent| usize::try_from(parent).ok()) else { continue };
            if structure.part(parent).is_some_and(|holder| holder.shape == Shape::Message) {
                let header = Header::read(source, part.header)?;
                let envelope = Envelope::new(&header, &mut budget);
                inner.extend(u32::try_from(index).ok().map(|index| (index, envelope)));
            }
        }
        let body = part::choose_body(structure);
        let preview = preview(source, structure, &body)?;
        let attachments: Vec<Attachment> =
            body.attachments.iter().filter_map(|&index| attachment(structure, index)).collect();
        let mut references = header.ids("in-reply-to");
        for id in header.ids("references") {
            if references.len() < REFERENCES && !references.contains(&id) {
                references.push(id);
            }
        }
        Ok(Self {
            subject: display::single_line(&header.subject().unwrap_or_default(), LINE),
            sender: display::single_line(&sender(&envelope), LINE),
            envelope: Some(envelope),
            structure: Some(structure.clone()),
            inner: Some(inner),
            preview: Some(preview),
            attachment_count: u32::try_from(attachments.len()).unwrap_or(u32::MAX),
            attachments: Some(attachments),
            has_html: body.html.is_some(),
            references: Some(references),
            date: header.date().map(|Time(seconds)| seconds),
            secured: secured(structure),
        })
    }

    /// Something was too long for it.
    pub const fn is_cut(&self) -> bool {
        self.envelope.is_none()
            || self.structure.is_none()
            || self.inner.is_none()
            || self.preview.is_none()
            || self.attachments.is_none()
            || self.references.is_none()
    }

    /// The encoded form: at most so long that, encrypted, it is within the limit of a summary at rest. What does
    /// not fit is left out, the least needed first.
    pub fn write(&self) -> Vec<u8> {
        const MOST: usize = limits::SUMMARY - SEALING;
        let mut short = self.clone();
        let steps: [fn(&mut Self); 7] = [
            |summary| summary.references = None,
            |summary| summary.preview = None,
            |summary| summary.inner = None,
            |summary| summary.attachments = None,
            |summary| summary.structure = None,
            |summary| summary.envelope = None,
            |_| {},
        ];
        for shorten in steps {
            let bytes = short.encoded();
            if bytes.len() <= MOST {
                return bytes;
            }
            shorten(&mut short);
        }
        // Two lines of at most 300 characters are all that is left.
        short.encoded()
    }

    /// Reads what [`Summary::write`] wrote.
    pub fn read(bytes: &[u8]) -> Result<Self, Problem> {
        match bytes.split_first() {
            Some((&FORMAT, rest)) => minicbor::decode(rest).map_err(|_| Problem::Summary),
            _ => Err(Problem::Summary),
        }
    }

    #[expect(clippy::expect_used, reason = "a Vec takes every octet, and no field refuses to be encoded")]
    fn encoded(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        minicbor::encode(self, &mut bytes).expect("encoding into memory");
        bytes
    }
}

/// Nothing of what it holds.
impl fmt::Debug for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_cut() { "Summary(cut)" } else { "Summary(..)" })
    }
}

/// The size, not the name.
impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attachment({})", self.size)
    }
}

/// Ids of one conversation that are kept.
const REFERENCES: usize = 100;

fn sender(envelope: &Envelope) -> String {
    let Some(mailbox) = envelope.from.mailboxes().next() else { return String::new() };
    mailbox.display_name().unwrap_or_else(|| {
        if mailbox.host.is_empty() {
            mailbox.local.clone()
        } else {
            format!("{}@{}", mailbox.local, mailbox.host)
        }
    })
}

fn preview(
    source: &mut (impl Read + Seek),
    structure: &Structure,
    body: &part::Body,
) -> Result<String, Problem> {
    let Some(part) = body.plain.or(body.html).and_then(|index| structure.part(index)) else {
        return Ok(String::new());
    };
    let text = part::read_text(source, part, PREVIEW_READ)?.text;
    let text = if body.plain.is_some() { text } else { html_text::text(&text) };
    Ok(display::single_line(&text, PREVIEW))
}

fn attachment(structure: &Structure, index: usize) -> Option<Attachment> {
    let part = structure.part(index)?;
    let name = part.file_name().unwrap_or_else(|| default_name(&part.kind, &part.subtype).into());
    Some(Attachment {
        name: display::file_name(&name),
        size: part.decoded_size(),
        part: u32::try_from(index).ok()?,
    })
}

/// A name for an attachment that has none.
fn default_name(kind: &str, subtype: &str) -> &'static str {
    match (kind, subtype) {
        ("message", _) => "message.eml",
        ("text", "plain") => "text.txt",
        ("text", "html") => "text.html",
        ("text", "calendar") => "calendar.ics",
        ("image", "png") => "image.png",
        ("image", "jpeg") => "image.jpg",
        ("image", "gif") => "image.gif",
        ("application", "pgp-signature") => "signature.asc",
        ("application", "pgp-keys") => "key.asc",
        ("application", "pdf") => "document.pdf",
        _ => "attachment",
    }
}

fn secured(structure: &Structure) -> Secured {
    match structure.root() {
        Some(part) if part.is("multipart", "signed") => Secured::Signed,
        Some(part) if part.is_secured() => Secured::Encrypted,
        _ => Secured::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::odd;
    use crate::mime::scan::Limits;
    use crate::mime::scan::Scanner;
    use proptest::prelude::*;
    use std::io::Cursor;

    fn gather(message: &[u8]) -> Summary {
        let structure = Scanner::scan(message, Limits::default()).unwrap();
        Summary::gather(&mut Cursor::new(message), &structure).unwrap()
    }

    const SAMPLE: &str = "From: =?utf-8?Q?J=C3=BCrgen?= <j@x.example>\r\nTo: team: a@x.example, b@x.example;\r\n\
        Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\nDate: Sun, 22 Nov 2026 03:33:13 +0000\r\nMessage-ID: <m@x>\r\n\
        In-Reply-To: <r@x>\r\nReferences: <q@x> <r@x>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
        Sch=F6n,\r\n  dass  du\r\nschreibst.\r\n--b\r\nContent-Type: application/pdf; name=\"../a.pdf\"\r\n\
        Content-Transfer-Encoding: base64\r\n\r\nQUJD\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n\
        Subject: inside\r\nFrom: k@x.example\r\n\r\ny\r\n--b--\r\n";

    #[test]
    fn gathers() {
        let summary = gather(SAMPLE.as_bytes());
        assert_eq!(summary.subject, "Grüße");
        assert_eq!(summary.sender, "Jürgen");
        assert_eq!(summary.preview.as_deref(), Some("Schön, dass du schreibst."));
        assert_eq!(summary.references.as_deref(), Some(["<r@x>".to_owned(), "<q@x>".to_owned()].as_slice()));
        assert_eq!(
            (summary.date, summary.has_html, summary.secured),
            (Some(1_795_318_393), false, Secured::No)
        );
        let attachments = summary.attachments.as_ref().unwrap();
        let shown: Vec<_> = attachments.iter().map(|a| (a.name.as_str(), a.size, a.part)).collect();
        assert_eq!(shown, [("a.pdf", 3, 2), ("message.eml", 39, 3)]);
        let envelope = summary.envelope.as_ref().unwrap();
        assert_eq!(envelope.subject.as_deref(), Some("=?utf-8?Q?Gr=C3=BC=C3=9Fe?="));
        assert_eq!(envelope.to.0.len(), 4);
        assert_eq!(envelope.sender, envelope.from);
        assert_eq!(envelope.message_id.as_deref(), Some("<m@x>"));
        let inner = summary.inner.as_ref().unwrap();
        assert_eq!((inner.len(), inner[0].0, inner[0].1.subject.as_deref()), (1, 4, Some("inside")));
        assert!(!format!("{summary:?}").contains("Gr"));
    }

    #[test]
    fn reads_what_it_wrote() {
        for (what, message, _) in odd::MESSAGES.iter().chain(&[("sample", SAMPLE.as_bytes(), "")]) {
            let Ok(structure) = Scanner::scan(message, Limits::default()) else { continue };
            let summary = Summary::gather(&mut Cursor::new(message), &structure).unwrap();
            assert!(Summary::read(&summary.write()).unwrap() == summary, "{what}");
        }
    }

    #[test]
    fn leaves_out_what_does_not_fit() {
        let part = "--b\r\nContent-Type: application/pdf; name=a-rather-long-name-of-a-file.pdf\r\n\r\nx\r\n";
        let many = |parts, references, to| {
            format!(
                "From: a@x.example\r\nSubject: s\r\nTo: {}\r\nReferences:{}\r\n\
                 Content-Type: multipart/mixed; boundary=b\r\n\r\n{}",
                vec!["somebody@example.org"; to].join(", "),
                "\r\n <0123456789@x>".repeat(references).as_str(),
                part.repeat(parts),
            )
        };
        for (message, structure, envelope, attachments) in [
            (many(3, 3, 3), true, true, true),
            (many(100, 0, 3), true, true, false),
            (many(300, 0, 3), false, true, false),
            (many(300, 900, 900), false, false, false),
        ] {
            let summary = gather(message.as_bytes());
            assert!(!summary.is_cut());
            let bytes = summary.write();
            assert!(bytes.len() <= limits::SUMMARY - SEALING);
            let read = Summary::read(&bytes).unwrap();
            assert_eq!(
                (read.structure.is_some(), read.envelope.is_some(), read.attachments.is_some()),
                (structure, envelope, attachments)
            );
            assert_eq!((read.subject.as_str(), read.attachment_count), ("s", summary.attachment_count));
        }
    }

    /// Messages of so many headers inside one, each with so many `From:` of 1,000 entries.
    fn nested(messages: usize, fields: usize) -> String {
        let from = format!("From: {}\r\n", "a,".repeat(1_000));
        let part = format!("--b\r\nContent-Type: message/rfc822\r\n\r\n{}\r\nx\r\n", from.repeat(fields));
        format!(
            "From: a@x.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{}",
            part.repeat(messages)
        )
    }

    #[test]
    fn envelopes_are_held_within_one_budget() {
        for (messages, fields) in [(1, 130), (99, 1), (5, 20)] {
            let summary = gather(nested(messages, fields).as_bytes());
            let inner = summary.inner.as_ref().unwrap();
            let of = |e: &Envelope| {
                [&e.from, &e.sender, &e.reply_to, &e.to, &e.cc, &e.bcc].map(|list| list.0.len())
            };
            let entries: usize = inner.iter().flat_map(|(_, envelope)| of(envelope)).sum();
            assert!(entries <= limits::ENVELOPE_ENTRIES, "{entries} entries of {messages} times {fields}");
            assert!(Summary::read(&summary.write()).unwrap().inner.is_none(), "shortened, and kept");
        }
        let long = "x".repeat(30_000);
        let part = format!("--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: {long}\r\n\r\nx\r\n");
        let summary = gather(
            format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{}", part.repeat(20)).as_bytes(),
        );
        let texts = summary.inner.iter().flatten().filter_map(|(_, envelope)| envelope.subject.as_ref());
        assert!(texts.map(String::len).sum::<usize>() <= limits::ENVELOPE_OCTETS);
    }

    #[test]
    fn refuses_what_it_did_not_write() {
        for bytes in [&b""[..], b"\x01", b"\x02\xa0", b"\x01\xff", b"\x01\x82"] {
            assert!(Summary::read(bytes).is_err());
        }
    }

    proptest! {
        #[test]
        fn any_message(message in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(structure) = Scanner::scan(&message, Limits::default()) {
                let summary = Summary::gather(&mut Cursor::new(&message), &structure).unwrap();
                prop_assert!(Summary::read(&summary.write()).unwrap() == summary);
            }
        }

        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Summary::read(&bytes);
            let _ = Summary::read(&[&[FORMAT], bytes.as_slice()].concat());
        }
    }
}
