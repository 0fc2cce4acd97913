//! The list of what may not harm: `tests/payloads/xss.txt`, a kind to each section, a payload to each line.
//!
//! `\x00` stands for an octet, `{3*<b>}` for `<b><b><b>`, and `{charset=utf-7}` in front for what the octets are said to
//! be in.

use guardpost::mime::charset;

const LIST: &str = include_str!("../payloads/xss.txt");

/// One of them.
#[derive(Clone, Debug)]
pub struct Payload {
    /// `15 style sheets that fetch`.
    pub kind: &'static str,
    /// As it stands in the file.
    pub line: &'static str,
    /// The charset it comes in.
    pub charset: &'static str,
    /// What is sent.
    pub octets: Vec<u8>,
}

impl Payload {
    /// What a parser gets to see, its charset taken off.
    pub fn text(&self) -> String {
        charset::decode(self.charset, &self.octets)
    }
}

/// All of them.
pub fn all() -> Vec<Payload> {
    let mut kind = "";
    let mut all = Vec::new();
    for line in LIST.lines().filter(|line| !line.is_empty()) {
        match line.strip_prefix("## ") {
            Some(title) => kind = title,
            None => all.push(read(kind, line)),
        }
    }
    all
}

fn read(kind: &'static str, line: &'static str) -> Payload {
    let (charset, rest) = match line.strip_prefix("{charset=") {
        Some(rest) => rest.split_once('}').unwrap(),
        None => ("utf-8", line),
    };
    Payload { kind, line, charset, octets: octets(&repeated(rest)) }
}

/// `{3*x}` is `xxx`.
fn repeated(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out += before;
        let times = after
            .split_once('*')
            .and_then(|(times, more)| Some((times.parse().ok()?, more.split_once('}')?)));
        let Some((times, (what, behind))) = times else {
            out.push('{');
            rest = after;
            continue;
        };
        out += &what.repeat(times);
        rest = behind;
    }
    out + rest
}

/// `\x41` is `A`.
fn octets(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\\x") {
        out.extend(before.bytes());
        match after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(octet) => {
                out.push(octet);
                rest = &after[2..];
            }
            None => {
                out.extend(b"\\x");
                rest = after;
            }
        }
    }
    out.extend(rest.bytes());
    out
}

#[test]
fn the_list_is_long_and_of_many_kinds() {
    let all = all();
    let mut kinds: Vec<_> = all.iter().map(|payload| payload.kind).collect();
    kinds.dedup();
    assert!(all.len() >= 500 && kinds.len() >= 30, "{} of {} kinds", all.len(), kinds.len());
    for kind in kinds {
        assert!(all.iter().filter(|payload| payload.kind == kind).count() >= 10, "{kind}");
    }
    let mut lines: Vec<_> = all.iter().map(|payload| payload.line).collect();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), all.len(), "none stands there twice");
    let nested = all.iter().find(|payload| payload.line.starts_with("{300*<div>}")).unwrap();
    assert_eq!(nested.text().matches("<div>").count(), 300);
    let null = all.iter().find(|payload| payload.line.starts_with("<\\x00script")).unwrap();
    assert!(null.octets.starts_with(b"<\0script>"));
    let seven = all.iter().find(|payload| payload.charset == "utf-7").unwrap();
    assert!(seven.text().starts_with("<script>"), "{}", seven.text());
}
