//! Whether a parser will make short work of somebody's HTML: counted in one pass before it gets to see it.

use std::collections::HashMap;

/// Elements in each other.
const DEPTH: usize = 256;
/// Attributes of one element.
const ATTRIBUTES: usize = 256;
/// Formatting elements that are open at start tags, summed up: a parser opens them again and again.
const TANGLE: usize = 200_000;

/// Whether a parser will make short work of it: depth, attributes and tangles within their limits.
///
/// A tree builder does quadratic work on a million attributes or on formatting elements that are never
/// closed, so one linear pass counts them first. It follows the tokeniser's rules for tags, quotes, comments
/// and raw text. Markup that is made for it can fool it; [`super::clean`] has a limit of time besides.
pub fn is_simple(html: &str) -> bool {
    let mut scopes: Vec<Scope> = vec![Scope::default()];
    let (mut depth, mut formatting, mut tangle) = (0_usize, 0_usize, 0_usize);
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = rest.get(at + 1..).unwrap_or_default();
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = behind_comment(comment);
            continue;
        }
        // What a parser takes for a comment ends at the first `>`, quoted or not.
        let behind_slash =
            rest.strip_prefix('/').filter(|behind| !behind.starts_with(|c: char| c.is_ascii_alphabetic()));
        if rest.starts_with(['!', '?']) || behind_slash.is_some() {
            rest = rest.find('>').and_then(|end| rest.get(end + 1..)).unwrap_or_default();
            continue;
        }
        let closes = rest.starts_with('/');
        let name: String = rest
            .trim_start_matches('/')
            .chars()
            .take_while(|c| !c.is_ascii_whitespace() && !matches!(c, '/' | '>'))
            .take(16)
            .collect::<String>()
            .to_ascii_lowercase();
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            continue;
        }
        let (attributes, end) = tag(rest);
        rest = rest.get(end..).unwrap_or_default();
        if attributes > ATTRIBUTES {
            return false;
        }
        let is_formatting = FORMATTING.contains(&name.as_str());
        if closes {
            let (elements, formats) = close(&mut scopes, &name);
            depth = depth.saturating_sub(elements);
            formatting = formatting.saturating_sub(formats);
            continue;
        }
        tangle = tangle.saturating_add(formatting);
        if !LEAVES.contains(&name.as_str()) {
            if MARKERS.contains(&name.as_str()) {
                scopes.push(Scope { name: name.clone(), ..Scope::default() });
            }
            if let Some(scope) = scopes.last_mut() {
                *scope.open.entry(name.clone()).or_default() += 1;
            }
            depth += 1;
            formatting += usize::from(is_formatting);
        }
        if depth > DEPTH || tangle > TANGLE {
            return false;
        }
        if RAW.contains(&name.as_str()) {
            rest = behind_raw(rest, &name);
            depth = depth.saturating_sub(1);
            if let Some(count) = scopes.last_mut().and_then(|scope| scope.open.get_mut(&name)) {
                *count = count.saturating_sub(1);
            }
        }
    }
    true
}

/// What was opened since an element that an end tag does not reach out of.
#[derive(Default)]
struct Scope {
    /// Of that element.
    name: String,
    open: HashMap<String, usize>,
}

/// An end tag: how many elements, and how many formatting ones among them, are open no more.
fn close(scopes: &mut Vec<Scope>, name: &str) -> (usize, usize) {
    let formats = |name: &str| usize::from(FORMATTING.contains(&name));
    if MARKERS.contains(&name) {
        let Some(at) = scopes.iter().rposition(|scope| scope.name == name) else { return (0, 0) };
        let gone = scopes.drain(at..).flat_map(|scope| scope.open);
        return gone.fold((0, 0), |(all, formatting), (name, count)| {
            (all + count, formatting + count * formats(&name))
        });
    }
    let count = scopes.last_mut().and_then(|scope| scope.open.get_mut(name)).filter(|count| **count > 0);
    match count {
        Some(count) => {
            *count -= 1;
            (1, formats(name))
        }
        None => (0, 0),
    }
}

/// Counts the attributes of a tag whose name `text` begins with; and where the tag ends.
fn tag(text: &str) -> (usize, usize) {
    let mut attributes = 0;
    let mut quote = None;
    let mut before = b' ';
    for (at, byte) in text.bytes().enumerate() {
        match quote {
            Some(mark) if byte == mark => quote = None,
            Some(_) => {}
            None if byte == b'>' => return (attributes, at + 1),
            None if matches!(byte, b'"' | b'\'') && before == b'=' => quote = Some(byte),
            None if byte.is_ascii_whitespace() || byte == b'/' => {
                attributes += usize::from(!before.is_ascii_whitespace() && before != b'=');
                if before == b'=' {
                    continue;
                }
            }
            None => {}
        }
        before = byte;
    }
    (attributes, text.len())
}

/// What follows a comment, of which the start is taken off: `>` and `->` end an empty one, `--!>` any.
fn behind_comment(text: &str) -> &str {
    if let Some(rest) = text.strip_prefix('>').or(text.strip_prefix("->")) {
        return rest;
    }
    let mut rest = text;
    while let Some(at) = rest.find("--") {
        let behind = rest.get(at + 2..).unwrap_or_default();
        if let Some(rest) = behind.strip_prefix('>').or(behind.strip_prefix("!>")) {
            return rest;
        }
        rest = rest.get(at + 1..).unwrap_or_default();
    }
    ""
}

/// What follows the end tag of an element whose content is no markup.
fn behind_raw<'a>(text: &'a str, name: &str) -> &'a str {
    let mut rest = text;
    while let Some(at) = rest.find("</") {
        rest = rest.get(at + 2..).unwrap_or_default();
        if rest.get(..name.len()).is_some_and(|given| given.eq_ignore_ascii_case(name)) {
            return rest.find('>').and_then(|end| rest.get(end + 1..)).unwrap_or_default();
        }
    }
    ""
}

/// Elements that a parser opens again where they were not closed.
const FORMATTING: &[&str] =
    &["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"];

/// Elements that an end tag inside them does not reach out of, and those in which it may count for nothing.
const MARKERS: &[&str] =
    &["applet", "caption", "marquee", "math", "object", "select", "svg", "table", "template"];

/// Elements that hold nothing, or that the next of their kind closes.
const LEAVES: &[&str] = &[
    "area", "base", "br", "col", "colgroup", "dd", "dt", "embed", "hr", "img", "input", "li", "link", "meta",
    "option", "p", "param", "source", "tbody", "td", "tfoot", "th", "thead", "tr", "track", "wbr",
];

/// Elements whose content is text whatever it looks like.
const RAW: &[&str] =
    &["iframe", "noembed", "noframes", "script", "style", "textarea", "title", "xmp", "noscript"];
