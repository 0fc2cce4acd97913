//! What FETCH and SEARCH want to know of a message beside its octets: ENVELOPE, BODYSTRUCTURE, texts.

use crate::imap::fetch::Overview;
use crate::imap::quote;
use crate::imap::search;
use crate::imap::search::fold;
use crate::imap::structure;
use crate::mime::address_list::AddressList;
use crate::mime::address_list::Entry;
use crate::mime::encoded_word;
use crate::mime::header::Field;
use crate::mime::header::Header;
use crate::mime::part::read_text;
use crate::mime::problem::Problem;
use crate::mime::structure::Part;
use crate::mime::structure::Shape;
use crate::mime::structure::Span;
use crate::mime::structure::Structure;
use crate::mime::summary::Envelope;
use crate::mime::summary::Summary;
use std::io::Read;
use std::io::Seek;

/// Octets of one text that are searched.
const SEARCHED: usize = 4 << 20;
/// Texts of one message that are searched, octets together.
const SEARCHED_ALL: usize = 16 << 20;

/// ENVELOPE, BODY and BODYSTRUCTURE of a message; `None` if its summary was cut, then the message must be asked.
pub fn write(summary: &Summary) -> Option<Overview> {
    let (structure, inner) = (summary.structure.as_ref()?, summary.inner.as_ref()?);
    let of = |index: usize| {
        let child = structure.part(index).and_then(|part| part.children.first());
        let found = child.and_then(|child| inner.iter().find(|(part, _)| part == child));
        envelope(found.map_or(&Envelope::default(), |(_, envelope)| envelope))
    };
    Some(Overview {
        envelope: envelope(summary.envelope.as_ref()?),
        body: structure::body(structure, false, &of),
        body_structure: structure::body(structure, true, &of),
    })
}

/// The same, read from the message. What names more than anybody reads is told shortened.
pub fn read(source: &mut (impl Read + Seek), structure: &Structure) -> Result<Overview, Problem> {
    write(&Summary::gather(source, structure)?).ok_or(Problem::Summary)
}

/// What a summary holds of the header, as SEARCH compares it.
pub fn summarised(summary: &Summary) -> search::Header {
    let Some(envelope) = &summary.envelope else {
        return search::Header { fields: Vec::new(), complete_for: Some(Vec::new()) };
    };
    let texts = [
        ("date", &envelope.date),
        ("subject", &envelope.subject),
        ("in-reply-to", &envelope.in_reply_to),
        ("message-id", &envelope.message_id),
    ];
    let lists =
        [("from", &envelope.from), ("to", &envelope.to), ("cc", &envelope.cc), ("bcc", &envelope.bcc)];
    let mut fields = Vec::new();
    for (name, text) in texts {
        let decoded = text.as_ref().map(|text| encoded_word::decode(text.as_bytes()));
        fields.extend(decoded.map(|text| (name.to_owned(), fold(&text))));
    }
    for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
        fields.push((name.to_owned(), fold(&written(list))));
    }
    let complete = texts.map(|(name, _)| name).into_iter().chain(lists.map(|(name, _)| name));
    search::Header { fields, complete_for: Some(complete.map(str::to_owned).collect()) }
}

/// `Ann <ann@a.example>, Team: b@t.example;` with names for people.
fn written(list: &AddressList) -> String {
    let entries = list.0.iter().map(|entry| match entry {
        Entry::Mailbox(mailbox) => match mailbox.display_name() {
            Some(name) => format!("{name} <{}@{}>", mailbox.local, mailbox.host),
            None => format!("{}@{}", mailbox.local, mailbox.host),
        },
        Entry::GroupStart(group) => format!("{group}:"),
        Entry::GroupEnd => ";".into(),
    });
    entries.collect::<Vec<_>>().join(", ")
}

/// The fields of a message's header as SEARCH compares them.
pub fn header(source: &mut (impl Read + Seek), structure: &Structure) -> Result<search::Header, Problem> {
    let span = structure.root().map_or(Span::default(), |root| root.header);
    let header = Header::read(source, span)?;
    let fields = header.fields().iter().map(|field| (field.name().to_ascii_lowercase(), searched(field)));
    Ok(search::Header { fields: fields.collect(), complete_for: None })
}

/// The texts of a message as SEARCH compares them, with the headers of the messages in it.
pub fn texts(source: &mut (impl Read + Seek), structure: &Structure) -> Result<Vec<String>, Problem> {
    let mut texts = Vec::new();
    let mut left = SEARCHED_ALL;
    for (index, part) in structure.parts.iter().enumerate() {
        if is_inner_message(structure, index, part) {
            for field in Header::read(source, part.header)?.fields() {
                texts.push(format!("{}: {}", field.name().to_ascii_lowercase(), searched(field)));
            }
        }
        if part.shape == Shape::Leaf && matches!(part.kind.as_str(), "text" | "message") && left > 0 {
            let text = read_text(&mut *source, part, left.min(SEARCHED))?.text;
            left = left.saturating_sub(text.len());
            texts.push(fold(&text));
        }
    }
    Ok(texts)
}

fn is_inner_message(structure: &Structure, index: usize, part: &Part) -> bool {
    let holder = part.parent.and_then(|parent| structure.parts.get(parent as usize));
    index > 0 && holder.is_some_and(|holder| holder.shape == Shape::Message)
}

/// A value as people read it.
fn searched(field: &Field) -> String {
    fold(&field.decoded())
}

fn envelope(envelope: &Envelope) -> Vec<u8> {
    let mut out = b"(".to_vec();
    let text = |out: &mut Vec<u8>, text: &Option<String>| {
        quote::nstring(out, text.as_deref().map(|text| text.trim().as_bytes()));
    };
    text(&mut out, &envelope.date);
    out.push(b' ');
    text(&mut out, &envelope.subject);
    let Envelope { from, sender, reply_to, to, cc, bcc, .. } = envelope;
    for list in [from, sender, reply_to, to, cc, bcc] {
        out.push(b' ');
        write_addresses(&mut out, list);
    }
    out.push(b' ');
    text(&mut out, &envelope.in_reply_to);
    out.push(b' ');
    text(&mut out, &envelope.message_id);
    out.push(b')');
    out
}

fn write_addresses(out: &mut Vec<u8>, list: &AddressList) {
    if list.is_empty() {
        out.extend_from_slice(b"NIL");
        return;
    }
    out.push(b'(');
    for entry in &list.0 {
        let (name, local, host) = match entry {
            Entry::Mailbox(mailbox) => {
                (mailbox.name.as_deref(), Some(mailbox.local.as_str()), Some(mailbox.host.as_str()))
            }
            Entry::GroupStart(group) => (None, Some(group.as_str()), None),
            Entry::GroupEnd => (None, None, None),
        };
        out.push(b'(');
        quote::nstring(out, name.map(str::as_bytes));
        out.extend_from_slice(b" NIL ");
        quote::nstring(out, local.map(str::as_bytes));
        out.push(b' ');
        quote::nstring(out, host.map(str::as_bytes));
        out.push(b')');
    }
    out.push(b')');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::scan::Limits;
    use crate::mime::scan::Scanner;
    use std::io::Cursor;

    const MAIL: &str = "Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n\
        Subject: IMAP4rev1 =?utf-8?q?gr=C3=BCn?=\r\n and folded\r\n\
        From: Terry Gray <gray@cac.washington.edu>\r\n\
        To: imap@cac.washington.edu, Team: a@x.example, \"B \\\"C\\\"\" <b@x.example>;\r\n\
        Cc: \r\nMessage-Id: <B27397-0100000@cac.washington.edu>\r\n\
        Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\
        Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
        gr=FC=\r\nn\r\n--a\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\ndeep\r\n--a--\r\n";

    #[test]
    fn reads_an_envelope_with_groups_and_defaults() {
        let structure = Scanner::scan(MAIL.as_bytes(), Limits::default()).unwrap();
        let overview = read(&mut Cursor::new(MAIL), &structure).unwrap();
        assert_eq!(
            String::from_utf8(overview.envelope).unwrap(),
            "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev1 =?utf-8?q?gr=C3=BCn?= and folded\" \
             ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) \
             ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) \
             ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) \
             ((NIL NIL \"imap\" \"cac.washington.edu\")(NIL NIL \"Team\" NIL)(NIL NIL \"a\" \"x.example\")\
             (\"B \\\"C\\\"\" NIL \"b\" \"x.example\")(NIL NIL NIL NIL)) NIL NIL NIL \
             \"<B27397-0100000@cac.washington.edu>\")"
        );
        let body = String::from_utf8(overview.body).unwrap();
        assert!(body.contains("(NIL \"in\" NIL NIL NIL NIL NIL NIL NIL NIL)"), "{body}");
    }

    #[test]
    fn a_summary_knows_the_common_fields() {
        let structure = Scanner::scan(MAIL.as_bytes(), Limits::default()).unwrap();
        let summary = Summary::gather(&mut Cursor::new(MAIL), &structure).unwrap();
        let header = summarised(&Summary::read(&summary.write()).unwrap());
        let field = |name: &str| {
            let found = header.fields.iter().find(|(have, _)| have == name);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(field("subject"), Some("imap4rev1 grün and folded"));
        assert_eq!(
            field("to"),
            Some("imap@cac.washington.edu, team:, a@x.example, b \"c\" <b@x.example>, ;")
        );
        assert_eq!(field("cc"), None);
        assert!(header.complete_for.unwrap().contains(&"cc".to_owned()));
        let cut = summarised(&Summary::default());
        assert_eq!((cut.fields, cut.complete_for), (vec![], Some(vec![])));
    }

    #[test]
    fn finds_decoded_words_and_inner_headers() {
        let structure = Scanner::scan(MAIL.as_bytes(), Limits::default()).unwrap();
        let header = header(&mut Cursor::new(MAIL), &structure).unwrap();
        assert!(header.fields.contains(&("subject".into(), "imap4rev1 grün and folded".into())));
        let texts = texts(&mut Cursor::new(MAIL), &structure).unwrap();
        assert_eq!(texts, ["grün", "subject: in", "deep"]);
    }
}
