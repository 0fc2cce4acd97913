//! Whether a parser will make short work of somebody's HTML: counted in one pass before it gets to see it.

use crate::mime::html_text;
use crate::mime::html_text::Token;
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
/// and raw text. Markup that is made for it can fool it; [`super::Cleaner`] has a limit of time besides.
pub fn is_simple(html: &str) -> bool {
    let mut scopes: Vec<Scope> = vec![Scope::default()];
    let (mut depth, mut formatting, mut tangle) = (0_usize, 0_usize, 0_usize);
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let (token, behind) = html_text::token(rest.get(at + 1..).unwrap_or_default());
        rest = behind;
        let Token::Tag { name, closes, attributes } = token else { continue };
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
        if html_text::RAW.contains(&name.as_str()) {
            rest = html_text::behind_raw(rest, &name);
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
