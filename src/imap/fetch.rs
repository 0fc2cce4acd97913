//! FETCH: what is told of one message, piece by piece, so that a body is never held whole (RFC 3501 §7.4.2).

use crate::base::time::Time;
use crate::imap::command::Item;
use crate::imap::command::Section;
use crate::imap::command::What;
use crate::imap::view::Row;
use crate::mime::structure;
use crate::mime::structure::Structure;
use std::ops::Range;

/// What must be at hand to tell these items.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Needs {
    /// Arrival time and size.
    pub record: bool,
    /// ENVELOPE and structure: the summary will do, if it is whole.
    pub summary: bool,
    /// The message itself.
    pub message: bool,
}

/// What is known of a message. What [`needs`] asks for must be there; what is missing is told as `NIL`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// INTERNALDATE and RFC822.SIZE.
    pub record: Option<(Time, u64)>,
    /// ENVELOPE, BODY and BODYSTRUCTURE as they are written.
    pub overview: Option<&'a Overview>,
    /// Where the parts of the message lie.
    pub structure: Option<&'a Structure>,
}

/// A message's ENVELOPE and structures in IMAP's form.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Overview {
    /// ENVELOPE.
    pub envelope: Vec<u8>,
    /// BODY.
    pub body: Vec<u8>,
    /// BODYSTRUCTURE.
    pub body_structure: Vec<u8>,
}

/// One of an [`Overview`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// ENVELOPE.
    Envelope,
    /// BODY.
    Body,
    /// BODYSTRUCTURE.
    BodyStructure,
}

impl Overview {
    /// As it is written.
    pub fn form(&self, form: Form) -> &[u8] {
        match form {
            Form::Envelope => &self.envelope,
            Form::Body => &self.body,
            Form::BodyStructure => &self.body_structure,
        }
    }
}

/// A piece of what is told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Piece {
    /// These bytes.
    Text(Vec<u8>),
    /// This of the overview.
    Overview(Form),
    /// These octets of the message.
    Octets(Range<u64>),
    /// A literal of some fields of the header that lies here: see [`fields`].
    Fields {
        /// The header.
        header: Range<u64>,
        /// Field names.
        names: Vec<String>,
        /// All but these.
        not: bool,
        /// First octet and count.
        partial: Option<(u32, u32)>,
    },
}

/// What the items need.
pub fn needs(items: &[Item]) -> Needs {
    let mut needs = Needs::default();
    for item in items {
        match item {
            Item::Flags | Item::Uid => {}
            Item::InternalDate | Item::Size => needs.record = true,
            Item::Envelope | Item::Body | Item::BodyStructure => needs.summary = true,
            Item::Section(_) => needs.message = true,
        }
    }
    needs
}

/// The untagged FETCH of one message.
pub fn tell(row: &Row, items: &[Item], known: &Known<'_>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut text = format!("* {} FETCH (", row.number).into_bytes();
    for (n, item) in items.iter().enumerate() {
        if n > 0 {
            text.push(b' ');
        }
        match item {
            Item::Flags => text.extend_from_slice(format!("FLAGS ({})", row.flags).as_bytes()),
            Item::Uid => text.extend_from_slice(format!("UID {}", row.uid).as_bytes()),
            Item::InternalDate => text.extend_from_slice(
                format!("INTERNALDATE \"{}\"", date_time(known.record.unwrap_or_default().0)).as_bytes(),
            ),
            Item::Size => {
                let size = known.record.unwrap_or_default().1;
                text.extend_from_slice(format!("RFC822.SIZE {size}").as_bytes());
            }
            Item::Envelope => overview(b"ENVELOPE ", Form::Envelope, known, &mut text, &mut pieces),
            Item::Body => overview(b"BODY ", Form::Body, known, &mut text, &mut pieces),
            Item::BodyStructure => {
                overview(b"BODYSTRUCTURE ", Form::BodyStructure, known, &mut text, &mut pieces);
            }
            Item::Section(section) => tell_section(section, known.structure, &mut text, &mut pieces),
        }
    }
    text.extend_from_slice(b")\r\n");
    pieces.push(Piece::Text(text));
    pieces
}

fn overview(name: &[u8], form: Form, known: &Known<'_>, text: &mut Vec<u8>, pieces: &mut Vec<Piece>) {
    text.extend_from_slice(name);
    match known.overview {
        Some(_) => pieces.extend([Piece::Text(std::mem::take(text)), Piece::Overview(form)]),
        None => text.extend_from_slice(b"NIL"),
    }
}

fn tell_section(
    section: &Section,
    structure: Option<&Structure>,
    text: &mut Vec<u8>,
    pieces: &mut Vec<Piece>,
) {
    text.extend_from_slice(section.label.as_bytes());
    if let Some((first, _)) = section.partial {
        text.extend_from_slice(format!("<{first}>").as_bytes());
    }
    text.push(b' ');
    let what = match section.what {
        What::All => structure::Section::Whole,
        What::Header | What::Fields { .. } => structure::Section::Header,
        What::Text => structure::Section::Text,
        What::Mime => structure::Section::Mime,
    };
    let Some(range) = structure.and_then(|structure| structure.section(&section.path, what)) else {
        text.extend_from_slice(b"NIL");
        return;
    };
    if let What::Fields { names, not } = &section.what {
        pieces.push(Piece::Text(std::mem::take(text)));
        let (names, not) = (names.clone(), *not);
        pieces.push(Piece::Fields { header: range, names, not, partial: section.partial });
        return;
    }
    let range = cut(range, section.partial);
    text.extend_from_slice(format!("{{{}}}\r\n", range.end - range.start).as_bytes());
    if !range.is_empty() {
        pieces.push(Piece::Text(std::mem::take(text)));
        pieces.push(Piece::Octets(range));
    }
}

/// RFC 3501 §6.4.5: a part of it; what lies beyond the end is empty.
fn cut(whole: Range<u64>, partial: Option<(u32, u32)>) -> Range<u64> {
    let Some((first, count)) = partial else { return whole };
    let start = whole.start.saturating_add(u64::from(first)).min(whole.end);
    start..start.saturating_add(u64::from(count)).min(whole.end)
}

/// The literal of HEADER.FIELDS or HEADER.FIELDS.NOT of a header: its fields as they stand, and the empty line.
pub fn fields(header: &[u8], names: &[String], not: bool, partial: Option<(u32, u32)>) -> Vec<u8> {
    let mut chosen = Vec::new();
    let mut takes = false;
    for line in header.split_inclusive(|byte| *byte == b'\n') {
        if matches!(line, b"\r\n" | b"\n") {
            break;
        }
        if !matches!(line.first(), Some(b' ' | b'\t')) {
            let name = line.split(|byte| *byte == b':').next().unwrap_or_default().trim_ascii_end();
            takes = names.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes())) != not;
        }
        if takes {
            chosen.extend_from_slice(line);
        }
    }
    if !chosen.is_empty() && !chosen.ends_with(b"\n") {
        chosen.extend_from_slice(b"\r\n");
    }
    chosen.extend_from_slice(b"\r\n");
    let range = cut(0..chosen.len() as u64, partial);
    let (start, end) = (range.start as usize, range.end as usize);
    let told = chosen.get(start..end).unwrap_or_default();
    let mut out = format!("{{{}}}\r\n", told.len()).into_bytes();
    out.extend_from_slice(told);
    out
}

/// `17-Jul-1996 02:44:25 +0000`, the day padded with a blank (RFC 3501 §9 `date-time`).
fn date_time(time: Time) -> String {
    time.timestamp().strftime("%e-%b-%Y %H:%M:%S +0000").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imap::command;
    use crate::imap::command::Command;
    use crate::imap::command::Tagged;
    use crate::imap::flags::Flags;
    use crate::mime::scan::Limits;
    use crate::mime::scan::Scanner;

    const MAIL: &str = "Subject: a\r\n folded\r\nTo : b\r\nX: 1\r\nx: 2\r\n\r\nthe body\r\n";

    fn told(items: &str) -> String {
        let read = command::read(format!("a fetch 1 ({items})\r\n").as_bytes());
        let Ok(Tagged { command: Command::Fetch { items, .. }, .. }) = read else { panic!("{items}") };
        let structure = Scanner::scan(MAIL.as_bytes(), Limits::default()).unwrap();
        let row = Row { number: 7, uid: 70, flags: Flags { seen: true, ..Flags::default() } };
        let overview =
            Overview { envelope: b"(E)".into(), body: b"(B)".into(), body_structure: b"(S)".into() };
        let known = Known {
            record: Some((Time(837_596_665), 51)),
            overview: Some(&overview),
            structure: Some(&structure),
        };
        let mut out = String::new();
        for piece in tell(&row, &items, &known) {
            out += &match piece {
                Piece::Text(text) => String::from_utf8(text).unwrap(),
                Piece::Overview(form) => str::from_utf8(overview.form(form)).unwrap().into(),
                Piece::Octets(range) => MAIL[range.start as usize..range.end as usize].into(),
                Piece::Fields { header, names, not, partial } => {
                    let header = &MAIL.as_bytes()[header.start as usize..header.end as usize];
                    String::from_utf8(fields(header, &names, not, partial)).unwrap()
                }
            };
        }
        out.replace("\r\n", "|")
    }

    #[test]
    fn tells_each_item() {
        for (items, want) in [
            ("flags uid", "FLAGS (\\Seen) UID 70"),
            ("internaldate", "INTERNALDATE \"17-Jul-1996 09:44:25 +0000\""),
            ("rfc822.size", "RFC822.SIZE 51"),
            ("envelope flags", "ENVELOPE (E) FLAGS (\\Seen)"),
            ("bodystructure body", "BODYSTRUCTURE (S) BODY (B)"),
            ("body[text]", "BODY[TEXT] {10}|the body|"),
            ("rfc822.text", "RFC822.TEXT {10}|the body|"),
            ("body.peek[]<44.4>", "BODY[]<44> {4}|he b"),
            ("body[]<9999.4>", "BODY[]<9999> {0}|"),
            ("body[1]<4.100>", "BODY[1]<4> {6}|body|"),
            ("body[2]", "BODY[2] NIL"),
            ("body[header.fields (x)]", "BODY[HEADER.FIELDS (x)] {14}|X: 1|x: 2||"),
            ("body[header.fields (SUBJECT)]", "BODY[HEADER.FIELDS (SUBJECT)] {23}|Subject: a| folded||"),
            ("body[header.fields (to nix)]", "BODY[HEADER.FIELDS (to nix)] {10}|To : b||"),
            ("body[header.fields (nix)]", "BODY[HEADER.FIELDS (nix)] {2}||"),
            ("body[header.fields.not (x to)]<3.6>", "BODY[HEADER.FIELDS.NOT (x to)]<3> {6}|ject: "),
        ] {
            assert_eq!(told(items), format!("* 7 FETCH ({want})|"), "{items}");
        }
    }
}
