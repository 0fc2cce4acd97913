//! Lists of addresses in headers (RFC 5322 §3.4, §4.4): read leniently, written strictly.

use crate::base::address::Address;
use crate::mime::charset;
use crate::mime::encoded_word;
use minicbor::Decode;
use minicbor::Encode;
use std::fmt;

/// At most so many entries of one list are read.
const ENTRIES: usize = 1_000;

/// The entries of a field, in order.
#[derive(Clone, Decode, Default, Encode, Eq, PartialEq)]
#[cbor(transparent)]
pub struct AddressList(#[n(0)] pub Vec<Entry>);

/// One entry; a group (RFC 5322 §3.4) is a start, its members, and an end, as IMAP shows it (RFC 3501 §7.4.2).
#[derive(Clone, Decode, Encode, Eq, PartialEq)]
pub enum Entry {
    /// Somebody.
    #[n(0)]
    Mailbox(#[n(0)] Mailbox),
    /// A group of this name begins.
    #[n(1)]
    GroupStart(#[n(0)] String),
    /// The group ends.
    #[n(2)]
    GroupEnd,
}

/// A name and an address as they were written; the address need not be a good one.
#[derive(Clone, Decode, Default, Encode, Eq, PartialEq)]
pub struct Mailbox {
    /// The display name without its quotes; encoded words stand as they are.
    #[n(0)]
    pub name: Option<String>,
    /// In front of the `@`.
    #[n(1)]
    pub local: String,
    /// Behind the `@`; empty when there is none.
    #[n(2)]
    pub host: String,
}

impl Mailbox {
    /// The address, if it is one that mail can be sent to.
    pub fn address(&self) -> Option<Address> {
        Address::parse(&format!("{}@{}", self.local, self.host)).ok()
    }

    /// The display name for people.
    pub fn display_name(&self) -> Option<String> {
        let name = encoded_word::decode(self.name.as_ref()?.as_bytes());
        let name = name.trim();
        (!name.is_empty()).then(|| name.to_owned())
    }
}

impl AddressList {
    /// Reads the value of a field. Whatever is written there, it ends, and what cannot
    /// be an address is an entry that has none.
    pub fn parse(value: &[u8]) -> Self {
        Self::parse_some(value, ENTRIES)
    }

    /// Reads the values of all fields of one name, which together have no more entries than one field.
    pub fn parse_all<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut list = Self::default();
        for value in values {
            let room = ENTRIES.saturating_sub(list.0.len());
            if room == 0 {
                break;
            }
            list.0.append(&mut Self::parse_some(value, room).0);
        }
        list
    }

    fn parse_some(value: &[u8], most: usize) -> Self {
        let unfolded: Vec<u8> = value.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
        let text = charset::guess(&unfolded);
        let mut reader =
            Reader { rest: text.chars().peekable(), list: Vec::new(), item: Item::default(), group: false };
        reader.run(most);
        Self(reader.list)
    }

    /// The mailboxes, those of groups included.
    pub fn mailboxes(&self) -> impl Iterator<Item = &Mailbox> {
        self.0.iter().filter_map(|entry| match entry {
            Entry::Mailbox(mailbox) => Some(mailbox),
            Entry::GroupStart(_) | Entry::GroupEnd => None,
        })
    }

    /// The addresses that mail can be sent to.
    pub fn addresses(&self) -> impl Iterator<Item = Address> {
        self.mailboxes().filter_map(Mailbox::address)
    }

    /// Keeps the first `count` entries; a group that is cut ends there.
    pub fn truncate(&mut self, count: usize) {
        self.0.truncate(count);
        let edge = self.0.iter().rev().find(|entry| !matches!(entry, Entry::Mailbox(_)));
        if matches!(edge, Some(Entry::GroupStart(_))) {
            self.0.push(Entry::GroupEnd);
        }
    }

    /// Nobody is named.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Says how many, not who.
impl fmt::Debug for AddressList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AddressList({})", self.0.len())
    }
}

/// Says what, not who.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mailbox(_) => "Mailbox",
            Self::GroupStart(_) => "GroupStart",
            Self::GroupEnd => "GroupEnd",
        })
    }
}

/// Writes a display name for a header: a phrase, a quoted string or encoded words (RFC 5322 §3.2.5, RFC 2047 §5).
pub fn phrase(name: &str, utf8: bool) -> String {
    let clean: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let clean = clean.split_whitespace().collect::<Vec<_>>().join(" ");
    if !clean.is_ascii() && !utf8 || clean.contains("=?") {
        return encoded_word::encode(&clean);
    }
    let atom = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~ ".contains(c);
    if clean.chars().all(atom) {
        return clean;
    }
    let mut quoted = String::from("\"");
    for c in clean.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

struct Reader<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    list: Vec<Entry>,
    item: Item,
    group: bool,
}

/// An entry being read.
#[derive(Default)]
struct Item {
    /// Words in front of `<`, and whether a blank stands in front of each.
    words: Vec<Word>,
    gap: bool,
    angle: Option<String>,
    comment: Option<String>,
}

struct Word {
    text: String,
    quoted: bool,
    gap: bool,
}

impl Reader<'_> {
    fn run(&mut self, most: usize) {
        while self.list.len() < most {
            let Some(c) = self.rest.next() else { break };
            match c {
                c if c.is_whitespace() => self.item.gap = true,
                '(' => {
                    let comment = self.comment();
                    self.item.comment = Some(comment);
                    self.item.gap = true;
                }
                '"' => {
                    let text = self.quoted();
                    self.word(text, true);
                }
                '<' => self.item.angle = Some(self.angle()),
                ',' => self.end_item(),
                ';' => {
                    self.end_item();
                    self.end_group();
                }
                ':' if !self.group && self.item.angle.is_none() => self.start_group(),
                '>' | ':' => {}
                c => {
                    let text = self.atom(c);
                    self.word(text, false);
                }
            }
        }
        self.end_item();
        self.end_group();
    }

    fn word(&mut self, text: String, quoted: bool) {
        let gap = std::mem::take(&mut self.item.gap);
        self.item.words.push(Word { text, quoted, gap });
    }

    fn atom(&mut self, first: char) -> String {
        let mut out = String::from(first);
        let mut literal = first == '[';
        while let Some(c) = self.rest.next_if(|&c| {
            !matches!(c, '(' | '"' | '<' | '>' | ',' | ';') && !c.is_whitespace() && (literal || c != ':')
        }) {
            literal = (literal || c == '[') && c != ']';
            out.push(c);
        }
        out
    }

    fn quoted(&mut self) -> String {
        let mut out = String::new();
        while let Some(c) = self.rest.next() {
            match c {
                '"' => break,
                '\\' => out.extend(self.rest.next()),
                c => out.push(c),
            }
        }
        out
    }

    /// A comment with those nested in it; its text without the outer brackets.
    fn comment(&mut self) -> String {
        let mut out = String::new();
        let mut depth = 1_usize;
        while let Some(c) = self.rest.next() {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                '\\' => {
                    out.extend(self.rest.next());
                    continue;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
            out.push(c);
        }
        out.trim().to_owned()
    }

    /// What stands between `<` and `>`, quotes kept, blanks and comments outside of quotes left out.
    fn angle(&mut self) -> String {
        let mut out = String::new();
        while let Some(c) = self.rest.next() {
            match c {
                '>' => break,
                '"' => {
                    let text = self.quoted();
                    out.push_str(&quote(&text));
                }
                '(' => drop(self.comment()),
                c if c.is_whitespace() => {}
                c => out.push(c),
            }
        }
        out
    }

    fn start_group(&mut self) {
        let item = std::mem::take(&mut self.item);
        self.group = true;
        self.list.push(Entry::GroupStart(join(&item.words)));
    }

    fn end_group(&mut self) {
        if std::mem::take(&mut self.group) {
            self.list.push(Entry::GroupEnd);
        }
    }

    fn end_item(&mut self) {
        let item = std::mem::take(&mut self.item);
        let mailbox = match item.angle {
            Some(angle) => {
                // RFC 5322 §4.4: a route in front is passed over.
                let text = if angle.starts_with('@') {
                    angle.split_once(':').map_or("", |(_, a)| a)
                } else {
                    &angle
                };
                let name = join(&item.words);
                named(text, if name.is_empty() { item.comment } else { Some(name) })
            }
            None if item.words.is_empty() => return,
            None => bare(&item),
        };
        self.list.push(Entry::Mailbox(mailbox));
    }
}

/// An entry without angle brackets: the last run of words without blanks is the address.
fn bare(item: &Item) -> Mailbox {
    let start = item.words.iter().rposition(|word| word.gap).unwrap_or(0);
    let (front, last) = item.words.split_at_checked(start).unwrap_or((&[], &item.words));
    let text: String =
        last.iter().map(|word| if word.quoted { quote(&word.text) } else { word.text.clone() }).collect();
    if !text.contains('@') {
        return Mailbox { name: None, local: join(&item.words), host: String::new() };
    }
    let name = join(front);
    named(&text, if name.is_empty() { item.comment.clone() } else { Some(name) })
}

fn named(text: &str, name: Option<String>) -> Mailbox {
    let (local, host) = text.rsplit_once('@').unwrap_or((text, ""));
    Mailbox { name: name.filter(|name| !name.is_empty()), local: local.to_owned(), host: host.to_owned() }
}

fn join(words: &[Word]) -> String {
    let mut out = String::new();
    for word in words {
        if word.gap && !out.is_empty() {
            out.push(' ');
        }
        out.push_str(&word.text);
    }
    out
}

/// A local part as a quoted string, unless a plain one does.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `name|local|host`, groups as `name:` and `;`.
    fn show(value: &str) -> String {
        let list = AddressList::parse(value.as_bytes());
        let show = |entry: &Entry| match entry {
            Entry::Mailbox(m) => {
                let name = m.display_name().map_or(String::new(), |name| format!("{name}|"));
                format!("{name}{}|{}", m.local, m.host)
            }
            Entry::GroupStart(name) => format!("{name}:"),
            Entry::GroupEnd => ";".into(),
        };
        list.0.iter().map(show).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn known_answers() {
        for (value, want) in [
            ("a@x.example", "a|x.example"),
            ("<a@x.example>", "a|x.example"),
            ("Alice <a@x.example>", "Alice|a|x.example"),
            ("Alice B. Smith <a@x>", "Alice B. Smith|a|x"),
            ("\"Smith, Alice\" <a@x>", "Smith, Alice|a|x"),
            ("\"Say \\\"hi\\\"\" <a@x>", "Say \"hi\"|a|x"),
            ("a@x (Alice (in) Berlin)", "Alice (in) Berlin|a|x"),
            ("Alice<a@x>,Bob<b@x>", "Alice|a|x Bob|b|x"),
            ("a@x, b@x , , c@x,", "a|x b|x c|x"),
            ("\"a b\"@x", "\"a b\"|x"),
            ("<\"a@b\"@x>", "\"a@b\"|x"),
            ("<@r1,@r2:a@x>", "a|x"),
            ("team: a@x, Bob <b@x>;, c@x", "team: a|x Bob|b|x ; c|x"),
            ("undisclosed-recipients:;", "undisclosed-recipients: ;"),
            ("team: a@x", "team: a|x ;"),
            ("=?utf-8?Q?J=C3=BCrgen?= <j@x>", "Jürgen|j|x"),
            ("\"=?utf-8?Q?J=C3=BCrgen?=\" <j@x>", "Jürgen|j|x"),
            ("=?utf-8?Q?a=2C_b?= <j@x>", "a, b|j|x"),
            ("Jürgen <j@x>", "Jürgen|j|x"),
            ("Alice a@x", "Alice|a|x"),
            ("a@[127.0.0.1]", "a|[127.0.0.1]"),
            ("a@[IPv6:::1], b@x", "a|[IPv6:::1] b|x"),
            ("nobody", "nobody|"),
            ("<>", "|"),
            ("", ""),
            (",,;;::", ": ;"),
            ("\"open <a@x>", "\"open <a|x>\""),
            ("<open@x", "open|x"),
            ("a@b@c", "a@b|c"),
            ("a@x\r\n <b@x>", "a@x|b|x"),
            ("bob@x <alice@y>", "bob@x|alice|y"),
            (">a@x<", "a@x||"),
            ("Alice <a @ x>", "Alice|a|x"),
        ] {
            assert_eq!(show(value), want, "{value:?}");
        }
    }

    #[test]
    fn only_good_addresses_can_be_sent_to() {
        let list =
            AddressList::parse(b"A <a@x.example>, nobody, g: b@x.example;, c@[127.0.0.1], \"a b\"@x.example");
        let got: Vec<String> = list.addresses().map(|address| address.to_string()).collect();
        assert_eq!(got, ["a@x.example", "b@x.example", "\"a b\"@x.example"]);
    }

    #[test]
    fn is_cut_and_linear() {
        assert_eq!(AddressList::parse("a@x,".repeat(8_000).as_bytes()).0.len(), ENTRIES);
        let fields = ["a@x,".repeat(600), "b@x,".repeat(600), "c@x".into()];
        assert_eq!(AddressList::parse_all(fields.iter().map(String::as_bytes)).0.len(), ENTRIES);
        assert!(AddressList::parse("(".repeat(1_000_000).as_bytes()).is_empty());
        assert_eq!(AddressList::parse("<".repeat(30_000).as_bytes()).0.len(), 1);
        assert_eq!(AddressList::parse("\"".repeat(1_000_000).as_bytes()).0.len(), 1);
    }

    #[test]
    fn writes_names() {
        for (name, utf8, want) in [
            ("Alice Smith", false, "Alice Smith"),
            ("Smith, Alice", false, "\"Smith, Alice\""),
            ("a\"b\\c", false, "\"a\\\"b\\\\c\""),
            ("Jürgen", false, "=?utf-8?B?SsO8cmdlbg==?="),
            ("Jürgen", true, "\"Jürgen\""),
            ("x\r\nBcc: y", false, "\"x Bcc: y\""),
            ("", false, ""),
        ] {
            assert_eq!(phrase(name, utf8), want, "{name}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = AddressList::parse(&bytes).addresses().count();
        }

        #[test]
        fn never_panics_on_likely_text(text in "[ab@<>,;:\"\\\\() \\[\\]]{0,80}") {
            let list = AddressList::parse(text.as_bytes());
            prop_assert!(list.0.len() <= text.len() + 1);
        }

        #[test]
        fn reads_the_names_it_wrote(name in "[^\\p{C}\\s]{1,20}( [^\\p{C}\\s]{1,20}){0,3}", utf8 in any::<bool>()) {
            let value = format!("{} <a@x.example>", phrase(&name, utf8));
            let list = AddressList::parse(value.as_bytes());
            prop_assert_eq!(list.0.len(), 1);
            let read = list.mailboxes().next().and_then(Mailbox::display_name);
            prop_assert_eq!(read, Some(name));
        }
    }
}
