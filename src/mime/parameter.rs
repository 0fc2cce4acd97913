//! Values with parameters: Content-Type, Content-Disposition (RFC 2045 §5.1, RFC 2183 §2, RFC 2231).

use crate::mime::charset;
use crate::mime::encoded_word;
use crate::mime::encoded_word::hex;
use crate::mime::problem::Problem;
use minicbor::Decode;
use minicbor::Encode;
use std::fmt;

/// Parameters in the order of the message, names in lower case, continuations (RFC 2231 §3) joined.
///
/// An extended value (RFC 2231 §4) keeps its `*` and its percent signs, as IMAP shows it.
#[derive(Clone, Decode, Default, Encode, Eq, PartialEq)]
#[cbor(transparent)]
pub struct Parameters(#[n(0)] pub Vec<(String, String)>);

impl Parameters {
    /// The value under exactly this name.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value for people: `name*` in its charset (RFC 2231 §4), else `name` with the encoded words that
    /// many programs put there against RFC 2047 §5.
    pub fn decoded(&self, name: &str) -> Option<String> {
        let extended = self.0.iter().find(|(known, _)| known.strip_suffix('*') == Some(name));
        if let Some((_, value)) = extended {
            return Some(decode_extended(value));
        }
        let value = self.value(name)?;
        Some(if value.contains("=?") { encoded_word::decode(value.as_bytes()) } else { value.to_owned() })
    }
}

/// Says how many, not what: a value may be a file name.
impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Parameters({})", self.0.len())
    }
}

/// Splits a field's value into what stands in front of the first `;` (lower case, without blanks and comments)
/// and the parameters. Tolerates everything but more than `limit` parameters; linear, no recursion.
pub fn parse(raw: &[u8], limit: usize) -> Result<(String, Parameters), Problem> {
    let mut cursor = Cursor { raw, at: 0 };
    let main = cursor.main();
    let mut segments: Vec<Segment> = Vec::new();
    while cursor.next_parameter() {
        let Some((name, value)) = cursor.parameter() else { continue };
        if segments.len() >= limit {
            return Err(Problem::Parameters(limit));
        }
        segments.push(Segment::read(&name, value));
    }
    Ok((main, Parameters(join(segments))))
}

struct Cursor<'a> {
    raw: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.raw.get(self.at).copied()
    }

    /// Everything up to the first `;`.
    fn main(&mut self) -> String {
        let mut out = Vec::new();
        loop {
            self.skip_blanks();
            match self.peek() {
                None | Some(b';') => break,
                Some(byte) => out.push(byte.to_ascii_lowercase()),
            }
            self.at += 1;
        }
        String::from_utf8_lossy(&out).into_owned()
    }

    /// Goes behind the next `;`, if there is one.
    fn next_parameter(&mut self) -> bool {
        while let Some(byte) = self.peek() {
            self.at += 1;
            if byte == b';' {
                return true;
            }
        }
        false
    }

    /// A name and its value; `None` for an empty place between two `;`.
    fn parameter(&mut self) -> Option<(String, String)> {
        self.skip_blanks();
        let start = self.at;
        while self.peek().is_some_and(|b| !matches!(b, b'=' | b';' | b'(') && !b.is_ascii_whitespace()) {
            self.at += 1;
        }
        let name = String::from_utf8_lossy(self.raw.get(start..self.at)?).to_ascii_lowercase();
        self.skip_blanks();
        if name.is_empty() || self.peek() != Some(b'=') {
            return None;
        }
        self.at += 1;
        self.skip_blanks();
        let value = if self.peek() == Some(b'"') { self.quoted() } else { self.bare() };
        Some((name, charset::guess(&value)))
    }

    /// A quoted string (RFC 5322 §3.2.4); one without an end goes to the end of the field.
    fn quoted(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'"' => break,
                b'\\' => {
                    out.extend(self.peek());
                    self.at += 1;
                }
                b'\r' | b'\n' => {}
                other => out.push(other),
            }
        }
        out
    }

    /// A value without quotes: to the next `;` or comment, so that `name=my file.pdf` stays whole.
    fn bare(&mut self) -> Vec<u8> {
        let start = self.at;
        let mut after_blank = true;
        while let Some(byte) = self.peek() {
            if byte == b';' || (byte == b'(' && after_blank) {
                break;
            }
            after_blank = byte.is_ascii_whitespace();
            self.at += 1;
        }
        let raw = self.raw.get(start..self.at).unwrap_or_default().trim_ascii();
        raw.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect()
    }

    /// Blanks and comments, nested ones counted, not entered (RFC 5322 §3.2.2).
    fn skip_blanks(&mut self) {
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'(' => depth += 1,
                b')' if depth > 0 => depth -= 1,
                b'\\' if depth > 0 => self.at += 1,
                _ if depth > 0 || byte.is_ascii_whitespace() => {}
                _ => break,
            }
            self.at += 1;
        }
    }
}

/// One parameter as written: `name`, `name*`, `name*0`, `name*0*`.
struct Segment {
    name: String,
    number: Option<u16>,
    extended: bool,
    value: String,
}

impl Segment {
    fn read(name: &str, value: String) -> Self {
        let (stem, extended) = match name.strip_suffix('*') {
            Some(stem) => (stem, true),
            None => (name, false),
        };
        let numbered = stem.rsplit_once('*').and_then(|(base, number)| Some((base, number.parse().ok()?)));
        match numbered {
            Some((base, number)) => Self { name: base.into(), number: Some(number), extended, value },
            None => Self { name: stem.into(), number: None, extended, value },
        }
    }
}

/// Joins continuations; of the same name twice the first counts.
fn join(segments: Vec<Segment>) -> Vec<(String, String)> {
    let mut order: Vec<(usize, Segment)> = segments.into_iter().enumerate().collect();
    order.sort_by(|(at, a), (bt, b)| a.name.cmp(&b.name).then(a.number.cmp(&b.number)).then(at.cmp(bt)));
    let mut out: Vec<(usize, String, String)> = Vec::new();
    let mut rest = order.into_iter().peekable();
    while let Some((at, segment)) = rest.next() {
        if segment.number.is_none() {
            let star = if segment.extended { "*" } else { "" };
            out.push((at, format!("{}{star}", segment.name), segment.value));
            continue;
        }
        let name = segment.name.clone();
        let mut run = vec![(at, segment)];
        while let Some(next) = rest.next_if(|(_, next)| next.name == name && next.number.is_some()) {
            run.push(next);
        }
        out.extend(join_run(run));
    }
    out.sort_by_key(|(at, _, _)| *at);
    let mut seen = std::collections::HashSet::new();
    out.into_iter().filter(|(_, name, _)| seen.insert(name.clone())).map(|(_, n, v)| (n, v)).collect()
}

/// The segments 0, 1, 2… of one name; what follows a gap is lost (RFC 2231 §3).
fn join_run(run: Vec<(usize, Segment)>) -> Option<(usize, String, String)> {
    let (first, name) = run.first().map(|(at, segment)| (*at, segment.name.clone()))?;
    let extended = run.iter().any(|(_, segment)| segment.extended);
    let mut value = String::new();
    let mut want = 0;
    for (_, segment) in run {
        match segment.number {
            Some(number) if number == want => want += 1,
            Some(number) if number < want => continue,
            _ => break,
        }
        if extended && !segment.extended {
            value.push_str(&percent(&segment.value, want == 1));
        } else {
            value.push_str(&segment.value);
        }
    }
    (want > 0).then(|| (first, if extended { format!("{name}*") } else { name }, value))
}

/// A plain segment among extended ones, in percent signs; `first` gets an empty charset and language.
fn percent(text: &str, first: bool) -> String {
    let mut out = String::from(if first { "utf-8''" } else { "" });
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`{|}~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// `charset'language'text%20more` (RFC 2231 §4); without the quotes it is taken as UTF-8.
fn decode_extended(value: &str) -> String {
    let mut pieces = value.splitn(3, '\'');
    let (label, text) = match (pieces.next(), pieces.next(), pieces.next()) {
        (Some(label), Some(_), Some(text)) => (label, text),
        _ => ("utf-8", value),
    };
    let mut bytes = Vec::with_capacity(text.len());
    let raw = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = raw.get(at) {
        let pair = (raw.get(at + 1).and_then(|&b| hex(b)), raw.get(at + 2).and_then(|&b| hex(b)));
        match (byte, pair) {
            (b'%', (Some(high), Some(low))) => {
                bytes.push(high << 4 | low);
                at += 3;
            }
            _ => {
                bytes.push(byte);
                at += 1;
            }
        }
    }
    charset::decode(label, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(raw: &str) -> (String, Parameters) {
        parse(raw.as_bytes(), 200).unwrap()
    }

    #[test]
    fn known_answers() {
        for (raw, main, name, want) in [
            ("text/plain; charset=utf-8", "text/plain", "charset", Some("utf-8")),
            ("TEXT/Plain;CHARSET=\"utf-8\"", "text/plain", "charset", Some("utf-8")),
            ("text / plain ; charset = utf-8", "text/plain", "charset", Some("utf-8")),
            ("text/plain; charset=us-ascii (Plain text)", "text/plain", "charset", Some("us-ascii")),
            ("(c (nested) \\) ) text/(x)plain", "text/plain", "charset", None),
            ("text/plain;;; ;charset=a", "text/plain", "charset", Some("a")),
            ("text/plain; charset", "text/plain", "charset", None),
            ("text/plain; charset=", "text/plain", "charset", Some("")),
            ("text/plain; a=1; a=2", "text/plain", "a", Some("1")),
            ("x; name=my file (1).pdf", "x", "name", Some("my file")),
            ("x; name=file(1).pdf", "x", "name", Some("file(1).pdf")),
            ("x; name=\"a;b\\\"c\"", "x", "name", Some("a;b\"c")),
            ("x; name=\"no end", "x", "name", Some("no end")),
            ("x; name=\"a\r\n b\"", "x", "name", Some("a b")),
            ("attachment; filename*=UTF-8''%e2%82%ac%20rates", "attachment", "filename", Some("€ rates")),
            ("attachment; filename*=iso-8859-1'en'%A3%20rates", "attachment", "filename", Some("£ rates")),
            ("a; filename=x; filename*=UTF-8''y", "a", "filename", Some("y")),
            ("a; f*0=ab; f*1=cd", "a", "f", Some("abcd")),
            ("a; f*1=cd; f*0=ab", "a", "f", Some("abcd")),
            ("a; f*0*=utf-8''a%20; f*1=b%20; f*2*=%C3%BC", "a", "f", Some("a b%20ü")),
            ("a; f*0=a'b; f*1*=%C3%BC", "a", "f", Some("a'bü")),
            ("a; f*0=ab; f*2=cd", "a", "f", Some("ab")),
            ("a; f*1=ab", "a", "f", None),
            ("a; f*=plain%21", "a", "f", Some("plain!")),
            ("a; f*=utf-8''%zz%4", "a", "f", Some("%zz%4")),
            ("a; name=\"=?utf-8?B?w7w=?=.pdf\"", "a", "name", Some("ü.pdf")),
            ("a; f***=x", "a", "f", None),
            ("", "", "f", None),
            (";=;=;\"", "", "f", None),
        ] {
            let (got, parameters) = read(raw);
            assert_eq!(got, main, "{raw}");
            assert_eq!(parameters.decoded(name).as_deref(), want, "{raw}");
        }
    }

    #[test]
    fn refuses_a_flood() {
        let flood: String = (0..201).map(|n| format!(";f*{n}=x")).collect();
        assert!(matches!(parse(flood.as_bytes(), 200), Err(Problem::Parameters(200))));
        let many: String = (0..200).map(|n| format!(";f*{n}=x")).collect();
        assert_eq!(read(&many).1.value("f").map(str::len), Some(200));
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse(&bytes, 20);
        }

        #[test]
        fn never_panics_on_likely_bytes(text in "[a-f*0-2'%=;\" ()\\\\]{0,200}") {
            if let Ok((_, parameters)) = parse(text.as_bytes(), 200) {
                for (name, _) in &parameters.0 {
                    let _ = parameters.decoded(name.trim_end_matches('*'));
                }
            }
        }
    }
}
