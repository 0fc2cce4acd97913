//! The header of a message as fields that can be taken out, put in and replaced; every other octet stays.

use crate::base::address::Address;
use crate::base::limits;
use crate::base::time::Time;
use crate::mime::address_list;
use crate::mime::address_list::AddressList;
use crate::mime::charset;
use crate::mime::encoded_word;
use crate::mime::fold;
use crate::mime::fold::WIDTH;
use crate::mime::problem::Problem;
use crate::mime::scan;
use crate::mime::structure::Span;
use jiff::fmt::rfc2822::DateTimeParser;
use std::fmt;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;

/// What the way to the reader can carry.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Script {
    /// Encoded words for everything beyond ASCII (RFC 2047).
    #[default]
    Ascii,
    /// UTF-8 as it is (RFC 6532).
    Utf8,
}

/// One field, raw, its folding and its line end included.
#[derive(Clone, Eq, PartialEq)]
pub struct Field {
    raw: Vec<u8>,
    /// Octets of the name; 0 for a line that is no field.
    name: usize,
    /// Where the value begins, behind the colon.
    value: usize,
}

/// The fields of one header in order.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Header {
    fields: Vec<Field>,
    /// The empty line as it was; nothing when there was none.
    end: Vec<u8>,
}

impl Header {
    /// Reads the octets of a header, as a scan measured them. Whatever they are, [`Header::render`] gives them
    /// back, with an empty line at the end if there was none.
    pub fn parse(raw: &[u8]) -> Self {
        let mut header = Self::default();
        for line in raw.split_inclusive(|&byte| byte == b'\n') {
            if matches!(line, b"\r\n" | b"\n") {
                header.end = line.to_vec();
                break;
            }
            match header.fields.last_mut() {
                Some(field) if matches!(line.first(), Some(b' ' | b'\t')) => {
                    field.raw.extend_from_slice(line)
                }
                _ => header.fields.push(Field::from_line(line)),
            }
        }
        header
    }

    /// Reads a header where a scan found it: at most twice the limit for one that arrives, so that there is room
    /// for what was put in front of it since.
    pub fn read(source: &mut (impl Read + Seek), span: Span) -> Result<Self, Problem> {
        let length = usize::try_from(span.length()).unwrap_or(usize::MAX);
        const MOST: usize = 2 * limits::HEADER_BLOCK;
        if length > MOST {
            return Err(Problem::HeaderBlock(MOST));
        }
        let mut raw = vec![0; length];
        source.seek(SeekFrom::Start(span.start))?;
        source.read_exact(&mut raw)?;
        Ok(Self::parse(&raw))
    }

    /// The octets, the empty line included.
    pub fn render(&self) -> Vec<u8> {
        let mut out =
            Vec::with_capacity(self.fields.iter().map(|field| field.raw.len() + 2).sum::<usize>() + 2);
        for field in &self.fields {
            out.extend_from_slice(&field.raw);
            if !field.raw.ends_with(b"\n") {
                out.extend_from_slice(b"\r\n");
            }
        }
        out.extend_from_slice(if self.end.is_empty() { b"\r\n" } else { &self.end });
        out
    }

    /// Every field, also the lines that are none.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The fields of this name, in any case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl DoubleEndedIterator<Item = &'a Field> {
        self.fields.iter().filter(move |field| field.is(name))
    }

    /// The first field of this name.
    pub fn first(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.is(name))
    }

    /// There is a field of this name.
    pub fn has(&self, name: &str) -> bool {
        self.first(name).is_some()
    }

    /// Puts a field in front of all others.
    pub fn prepend(&mut self, field: Field) {
        self.fields.insert(0, field);
    }

    /// Puts a field behind all others.
    pub fn append(&mut self, field: Field) {
        self.fields.push(field);
    }

    /// Puts a field in the place of the first of its name and takes the others of that name out; without any it
    /// is appended.
    pub fn replace(&mut self, field: Field) {
        let place = self.fields.iter().position(|known| known.is(field.name()));
        let name = field.name().to_owned();
        self.remove(&name);
        self.fields.insert(place.unwrap_or(self.fields.len()).min(self.fields.len()), field);
    }

    /// Takes every field of this name out; answers how many there were.
    pub fn remove(&mut self, name: &str) -> usize {
        let before = self.fields.len();
        self.fields.retain(|field| !field.is(name));
        before - self.fields.len()
    }

    /// Keeps only the fields for which `keep` answers yes.
    pub fn retain(&mut self, keep: impl FnMut(&Field) -> bool) {
        self.fields.retain(keep);
    }

    /// Folds every field that has a line beyond 998 octets (RFC 5322 §2.1.1), and no other. Fails with the name of one
    /// that cannot be folded: a word is too long.
    pub fn shorten(&mut self) -> Result<(), String> {
        for field in &mut self.fields {
            if fold::has_long_line(&field.raw) {
                *field = field.folded();
                if fold::has_long_line(&field.raw) {
                    return Err(field.name().to_owned());
                }
            }
        }
        Ok(())
    }

    /// The subject for people.
    pub fn subject(&self) -> Option<String> {
        self.first("subject").map(Field::decoded)
    }

    /// The addresses of all fields of this name together.
    pub fn addresses(&self, name: &str) -> AddressList {
        AddressList::parse_all(self.all(name).map(Field::value))
    }

    /// `Date:`, if it can be read.
    pub fn date(&self) -> Option<Time> {
        read_date(&self.first("date")?.unfolded())
    }

    /// When its sender says that it stops being of use: `Expires:`, or what Outlook writes in its place (RFC 4021).
    pub fn expires(&self) -> Option<Time> {
        read_date(&self.first("expires").or_else(|| self.first("expiry-date"))?.unfolded())
    }

    /// `Message-ID:` with its angle brackets.
    pub fn message_id(&self) -> Option<String> {
        self.ids("message-id").into_iter().next()
    }

    /// The message ids in all fields of this name (In-Reply-To, References), each with its angle brackets.
    pub fn ids(&self, name: &str) -> Vec<String> {
        self.all(name).flat_map(|field| read_ids(&field.unfolded())).take(IDS).collect()
    }

    /// A program sent it (RFC 3834 §2): nothing answers to it by itself.
    pub fn is_automatic(&self) -> bool {
        let auto = self.first("auto-submitted").is_some_and(|field| first_word(field) != "no");
        let bulk =
            self.first("precedence").is_some_and(|f| ["bulk", "list", "junk"].contains(&&*first_word(f)));
        let list = ["list-id", "list-post", "list-help", "list-unsubscribe", "list-subscribe"];
        auto || bulk || list.iter().any(|name| self.has(name))
    }
}

/// How many ids of one field name are read.
const IDS: usize = 1_000;

fn first_word(field: &Field) -> String {
    let value = field.unfolded().to_ascii_lowercase();
    value.split(|c: char| c == ';' || c == '(' || c.is_whitespace()).next().unwrap_or_default().to_owned()
}

/// `Sun, 22 Nov 2026 03:33:13 +0000 (a comment)`, RFC 5322 §3.3 and §4.3; a wrong day of the week is passed over.
fn read_date(text: &str) -> Option<Time> {
    let parser = DateTimeParser::new().relaxed_weekday(true);
    let short = text.split('(').next().unwrap_or_default().trim();
    parser.parse_timestamp(short).ok().map(|timestamp| Time(timestamp.as_second()))
}

/// Whatever stands between `<` and `>` without blanks (RFC 5322 §3.6.4, §4.5.4).
fn read_ids(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut current: Option<String> = None;
    for c in text.chars() {
        match (c, &mut current) {
            ('<', _) => current = Some(String::from("<")),
            ('>', Some(id)) => {
                id.push('>');
                if id.len() > 2 && id.len() <= 998 && out.len() < IDS {
                    out.push(std::mem::take(id));
                }
                current = None;
            }
            (c, Some(id)) if !c.is_whitespace() && !c.is_control() => id.push(c),
            _ => {}
        }
    }
    out
}

impl Field {
    /// A field of text for people, encoded as `script` needs it. No text can end the field: control characters
    /// become blanks.
    pub fn text(name: &str, text: &str, script: Script) -> Self {
        let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let unfoldable = clean.split(' ').any(|word| word.len() > LONG_WORD);
        let readable = script == Script::Utf8 || clean.is_ascii();
        let plain = readable && !unfoldable && !clean.contains("=?");
        Self::build(name, if plain { clean } else { encoded_word::words(&clean) })
    }

    /// A field whose value is in its wire form already. Control characters become blanks.
    pub fn raw(name: &str, value: &str) -> Self {
        Self::build(name, value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect())
    }

    /// A field of addresses, each with a name for people or without.
    pub fn addresses<'a>(
        name: &str,
        list: impl IntoIterator<Item = (Option<&'a str>, &'a Address)>,
        script: Script,
    ) -> Self {
        let written: Vec<String> =
            list.into_iter().map(|(name, address)| mailbox(name, address, script)).collect();
        Self::build(name, written.join(", "))
    }

    fn build(name: &str, value: String) -> Self {
        let clean: String = name.chars().filter(|c| c.is_ascii_graphic() && *c != ':').collect();
        let mut raw = format!("{clean}:").into_bytes();
        let value_at = raw.len();
        fold(&mut raw, &value);
        Self { raw, name: clean.len(), value: value_at }
    }

    /// A field as it came.
    pub(crate) fn from_line(line: &[u8]) -> Self {
        let name = scan::field_name(line).map_or(0, <[u8]>::len);
        let colon = if name == 0 { None } else { line.iter().position(|&byte| byte == b':') };
        Self { raw: line.to_vec(), name, value: colon.map_or(0, |colon| colon + 1) }
    }

    /// The name as written; empty for a line that is no field.
    pub fn name(&self) -> &str {
        self.raw.get(..self.name).and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default()
    }

    /// Has this name, in any case.
    pub fn is(&self, name: &str) -> bool {
        self.name > 0 && self.name().eq_ignore_ascii_case(name)
    }

    /// The whole field with its line end.
    pub fn bytes(&self) -> &[u8] {
        &self.raw
    }

    /// Everything behind the colon.
    pub fn value(&self) -> &[u8] {
        self.raw.get(self.value..).unwrap_or_default()
    }

    /// The value on one line (RFC 5322 §2.2.3), encoded words left as they are.
    pub fn unfolded(&self) -> String {
        charset::guess(&self.flat())
    }

    /// The value for people: on one line, encoded words decoded, no control characters.
    pub fn decoded(&self) -> String {
        encoded_word::decode(&self.flat())
    }

    /// The same octets in short lines, if they can be.
    fn folded(&self) -> Self {
        Self { raw: fold::folded(&self.raw, LISTS.iter().any(|name| self.is(name))), ..self.clone() }
    }

    fn flat(&self) -> Vec<u8> {
        let flat: Vec<u8> =
            self.value().iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
        flat.trim_ascii().to_vec()
    }
}

/// `Name <local@domain>`.
pub fn mailbox(name: Option<&str>, address: &Address, script: Script) -> String {
    match name.map(str::trim).filter(|name| !name.is_empty()) {
        Some(name) => format!("{} <{address}>", address_list::phrase(name, script == Script::Utf8)),
        None => address.to_string(),
    }
}

/// Fields that list addresses.
const LISTS: [&str; 9] =
    ["From", "Reply-To", "To", "Cc", "Bcc", "Resent-From", "Resent-To", "Resent-Cc", "Resent-Bcc"];

/// A word of this many octets and more is not left to folding (RFC 5322 §2.1.1: a line has at most 998).
const LONG_WORD: usize = 900;

/// Writes ` value CRLF`, folded in front of blanks so that lines have at most 78 octets where they can. Blanks
/// stay as many as they are; only those at the ends go.
fn fold(raw: &mut Vec<u8>, value: &str) {
    raw.push(b' ');
    let mut column = raw.len();
    let mut rest = value.trim_matches(' ');
    while !rest.is_empty() {
        let blanks = rest.len() - rest.trim_start_matches(' ').len();
        let after = rest.get(blanks..).unwrap_or_default();
        let length = blanks + after.find(' ').unwrap_or(after.len());
        let (token, left) = rest.split_at_checked(length).unwrap_or((rest, ""));
        if blanks > 0 && column + token.len() > WIDTH {
            raw.extend_from_slice(b"\r\n");
            column = 0;
        }
        raw.extend_from_slice(token.as_bytes());
        column += token.len();
        rest = left;
    }
    raw.extend_from_slice(b"\r\n");
}

/// Says how many, not what.
impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.fields).finish()
    }
}

/// The name, not the value.
impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ..", self.name())
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

    const SAMPLE: &str = "Received: a\r\n\tb\r\nSubject:  odd\r\n  folding \r\nnot a field\r\nTO: a@x.example\r\n\
        X-Odd :  y\r\nto: b@x.example\r\n\r\n";

    #[test]
    fn edits_leave_the_rest() {
        let mut header = Header::parse(SAMPLE.as_bytes());
        assert_eq!(header.fields().len(), 6);
        header.prepend(Field::raw("X-First", "1"));
        header.append(Field::raw("X-Last", "2"));
        header.replace(Field::raw("To", "c@x.example"));
        assert_eq!(header.remove("x-odd"), 1);
        assert_eq!(header.remove("x-odd"), 0);
        let want = "X-First: 1\r\nReceived: a\r\n\tb\r\nSubject:  odd\r\n  folding \r\nnot a field\r\n\
            To: c@x.example\r\nX-Last: 2\r\n\r\n";
        assert_eq!(String::from_utf8(header.render()).unwrap(), want);
        header.replace(Field::raw("Brand-New", "3"));
        header.retain(|field| field.is("brand-new"));
        assert_eq!(header.render(), b"Brand-New: 3\r\n\r\n");
    }

    #[test]
    fn renders_what_it_read() {
        for (what, message, _) in odd::MESSAGES {
            let Ok(structure) = Scanner::scan(message, Limits::default()) else { continue };
            for part in &structure.parts {
                let raw = &message[part.header.start as usize..part.header.end as usize];
                let header = Header::read(&mut Cursor::new(message), part.header).unwrap();
                if raw.ends_with(b"\n\n") || raw.ends_with(b"\n\r\n") {
                    assert_eq!(header.render(), raw, "{what}");
                } else {
                    assert!(header.render().starts_with(raw), "{what}");
                }
            }
        }
    }

    #[test]
    fn reads_no_more_than_a_header() {
        for (length, good) in [(2 * limits::HEADER_BLOCK, true), (2 * limits::HEADER_BLOCK + 1, false)] {
            let raw = vec![b'x'; length];
            let header = Header::read(&mut Cursor::new(&raw), Span::new(0, length as u64));
            assert_eq!(header.is_ok(), good, "{length}");
        }
        assert!(matches!(Header::read(&mut Cursor::new(b"A: b"), Span::new(0, 5)), Err(Problem::Io(_))));
    }

    #[test]
    fn reads_values() {
        let header = Header::parse(
            "Subject: =?utf-8?Q?Gr=C3=BC?=\r\n =?utf-8?Q?=C3=9Fe?=\r\nDate: Sun, 22 Nov 2026 03:33:13 +0000 (UTC)\r\n\
             Message-ID: <a@b>\r\nReferences: <c@d>\r\n <e @f>junk<> <g@h\r\nFrom: A <a@x.example>\r\n\r\n"
                .as_bytes(),
        );
        assert_eq!(header.subject().as_deref(), Some("Grüße"));
        assert_eq!(header.date(), Some(Time(1_795_318_393)));
        assert_eq!(header.message_id().as_deref(), Some("<a@b>"));
        assert_eq!(header.ids("references"), ["<c@d>", "<e@f>"]);
        assert_eq!(header.addresses("FROM").addresses().next().unwrap().to_string(), "a@x.example");
        assert_eq!(Header::parse(b"").subject(), None);
    }

    #[test]
    fn reads_dates() {
        for (text, want) in [
            ("Sun, 22 Nov 2026 03:33:13 +0000", Some(1_795_318_393)),
            ("Mon, 22 Nov 2026 03:33:13 +0000", Some(1_795_318_393)),
            ("22 Nov 2026 04:33:13 +0100", Some(1_795_318_393)),
            ("22 Nov 2026 03:33:13 GMT", Some(1_795_318_393)),
            ("22 Nov 26 03:33 -0000", Some(1_795_318_380)),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(read_date(text).map(|time| time.0), want, "{text}");
        }
    }

    #[test]
    fn knows_automatic_mail() {
        for (raw, want) in [
            ("Subject: x\r\n\r\n", false),
            ("Auto-Submitted: no\r\n\r\n", false),
            ("Auto-Submitted: no (really)\r\n\r\n", false),
            ("Auto-Submitted: auto-replied; x=y\r\n\r\n", true),
            ("Precedence: BULK\r\n\r\n", true),
            ("Precedence: first-class\r\n\r\n", false),
            ("List-Id: <x>\r\n\r\n", true),
            ("List-Unsubscribe: <mailto:x@y.example>\r\n\r\n", true),
        ] {
            assert_eq!(Header::parse(raw.as_bytes()).is_automatic(), want, "{raw}");
        }
    }

    #[test]
    fn writes_fields() {
        let address = Address::parse("a@x.example").unwrap();
        let show = |field: Field| String::from_utf8(field.bytes().to_vec()).unwrap();
        assert_eq!(show(Field::text("Subject", "Hi\r\nBcc: x", Script::Ascii)), "Subject: Hi  Bcc: x\r\n");
        assert_eq!(
            show(Field::text("Subject", "Grüße", Script::Ascii)),
            "Subject: =?utf-8?B?R3LDvMOfZQ==?=\r\n"
        );
        assert_eq!(show(Field::text("Subject", "Grüße", Script::Utf8)), "Subject: Grüße\r\n");
        assert_eq!(show(Field::raw("X-\r\nBad: Name", "v\nw")), "X-BadName: v w\r\n");
        assert_eq!(show(Field::raw("X-Empty", "")), "X-Empty: \r\n");
        let list = [(Some("Grü"), &address), (None, &address)];
        assert_eq!(
            show(Field::addresses("To", list, Script::Ascii)),
            "To: =?utf-8?B?R3LDvA==?= <a@x.example>, a@x.example\r\n"
        );
        let long = show(Field::raw("References", &"<0123456789@example.org> ".repeat(10)));
        assert!(long.lines().all(|line| line.len() <= 78), "{long}");
        let word = show(Field::text("Subject", &"x".repeat(2_000), Script::Ascii));
        assert!(word.lines().all(|line| line.len() <= 78), "{word}");
    }

    proptest! {
        #[test]
        fn any_bytes(raw in proptest::collection::vec(any::<u8>(), 0..300)) {
            let header = Header::parse(&raw);
            let rendered = header.render();
            prop_assert_eq!(Header::parse(&rendered).render(), rendered);
            for field in header.fields() {
                let _ = (field.decoded(), field.unfolded());
            }
            let _ = (header.date(), header.ids(""), header.is_automatic());
        }

        #[test]
        fn a_value_stays_in_its_field(name in ".{0,20}", value in any::<String>(), utf8 in any::<bool>()) {
            let script = if utf8 { Script::Utf8 } else { Script::Ascii };
            for field in [Field::text(&name, &value, script), Field::raw(&name, &value)] {
                let raw = field.bytes().to_vec();
                let block = [raw.as_slice(), b"\r\n"].concat();
                prop_assert!(Header::parse(&block).fields().len() <= 1);
                prop_assert!(raw.ends_with(b"\r\n"));
                prop_assert!(!raw.contains(&0));
            }
        }

        #[test]
        fn people_read_what_was_written(words in proptest::collection::vec("[^\\p{C}\\s]{1,30}", 0..12)) {
            let text = words.join(" ");
            for script in [Script::Ascii, Script::Utf8] {
                prop_assert_eq!(Field::text("Subject", &text, script).decoded(), text.clone());
            }
        }
    }
}
