//! Somebody else's HTML, cleaned for its frame: a short list of what stays, and nothing that could reach out.
//!
//! The frame has an origin of its own, no script and no network; this cleaning comes before it, so that
//! either of the two may fail.

use crate::mime::display;
use ammonia::Builder;
use ammonia::UrlRelative;
use ammonia::url::Url;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

/// Inline pictures as `data:` URLs, by Content-ID without its angle brackets.
pub type Pictures = HashMap<String, String>;

/// Cleaned HTML, and what was left out of it.
#[derive(Debug, Default)]
pub struct Cleaned {
    /// A fragment for the body of the frame's document.
    pub html: String,
    /// Remote pictures that were not loaded, by host.
    pub blocked: BTreeMap<String, usize>,
}

/// Cleans `html`; `None` when it is too large, too deep or too tangled: then the plain text is shown.
pub fn clean(html: &str, pictures: Pictures) -> Option<Cleaned> {
    if html.len() > SIZE || !is_simple(html) {
        return None;
    }
    let seen = Arc::new(Mutex::new(Seen::default()));
    let inside = Arc::clone(&seen);
    let mut builder = allow_list();
    builder.attribute_filter(move |element, attribute, value| match (element, attribute) {
        ("img", "src") => {
            let mut seen = inside.lock().unwrap_or_else(PoisonError::into_inner);
            seen.picture(value, &pictures).map(Cow::Owned)
        }
        ("a", "href") => link(value).map(Cow::Owned),
        (_, "style") => style(value).map(Cow::Owned),
        (_, "title" | "alt") => Some(Cow::Owned(display::single_line(value, 300))),
        _ => is_word(value).then_some(Cow::Borrowed(value)),
    });
    let cleaned = builder.clean(html).to_string();
    let blocked = std::mem::take(&mut seen.lock().unwrap_or_else(PoisonError::into_inner).blocked);
    Some(Cleaned { html: with_hosts(&cleaned), blocked })
}

/// HTML shown, octets.
const SIZE: usize = 1 << 20;
/// Elements in each other.
const DEPTH: usize = 256;
/// Attributes of one element.
const ATTRIBUTES: usize = 256;
/// Formatting elements that are open at start tags, summed up: a parser opens them again and again.
const TANGLE: usize = 200_000;
/// `data:` pictures in one document, octets.
const INLINE: usize = 10 << 20;

/// What cleaning has met so far.
#[derive(Default)]
struct Seen {
    blocked: BTreeMap<String, usize>,
    inline: usize,
}

impl Seen {
    /// What a picture's `src` becomes.
    fn picture(&mut self, source: &str, pictures: &Pictures) -> Option<String> {
        let url = Url::parse(source.trim()).ok()?;
        let data = match url.scheme() {
            "cid" => pictures.get(&decoded(url.path()))?.clone(),
            "data" if is_picture(source.trim()) => source.trim().to_owned(),
            "http" | "https" => {
                let host = url.host_str().unwrap_or_default().to_owned();
                if self.blocked.len() < 100 || self.blocked.contains_key(&host) {
                    *self.blocked.entry(host).or_default() += 1;
                }
                return None;
            }
            _ => return None,
        };
        self.inline = self.inline.saturating_add(data.len());
        (self.inline <= INLINE / 3 * 4).then_some(data)
    }
}

/// Percent-decodes a Content-ID (RFC 2392 §2).
fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let mut rest = bytes.clone();
        let digits = (rest.next().and_then(hex), rest.next().and_then(hex));
        match (byte, digits) {
            (b'%', (Some(high), Some(low))) => {
                out.push(high << 4 | low);
                bytes = rest;
            }
            _ => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// A picture of a kind that holds no script, in base64.
fn is_picture(url: &str) -> bool {
    let Some((kind, data)) = url.split_once(";base64,") else { return false };
    let kinds = ["data:image/png", "data:image/jpeg", "data:image/gif", "data:image/webp"];
    kinds.iter().any(|known| kind.eq_ignore_ascii_case(known))
        && data.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='))
}

/// Web and mail addresses, without user information; everything else is no link.
fn link(target: &str) -> Option<String> {
    let mut url = Url::parse(target.trim()).ok()?;
    match url.scheme() {
        "http" | "https" => {
            url.set_username("").ok()?;
            url.set_password(None).ok()?;
            Some(url.to_string())
        }
        "mailto" => Some(url.to_string()),
        _ => None,
    }
}

/// Declarations from a short list, of words, numbers and colours; no function but `rgb()`.
fn style(text: &str) -> Option<String> {
    let mut kept = Vec::new();
    for declaration in text.split(';').take(64) {
        let Some((name, value)) = declaration.split_once(':') else { continue };
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        let known = STYLES.contains(&name.as_str());
        if known && value.len() <= 200 && is_style_value(value) {
            kept.push(format!("{name}: {value}"));
        }
    }
    (!kept.is_empty()).then(|| kept.join("; "))
}

fn is_style_value(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let bare = lower.replace("rgba(", "").replace("rgb(", "").replace(')', "");
    bare.chars().all(|c| c.is_alphanumeric() || " #%.,'\"-!".contains(c))
        && !["expression", "url", "javascript", "behavior", "fixed", "absolute"]
            .iter()
            .any(|word| bare.contains(word))
}

/// A number, a colour, a word: what is left for the remaining attributes.
fn is_word(value: &str) -> bool {
    value.len() <= 100 && value.chars().all(|c| c.is_alphanumeric() || " #%.,-_".contains(c))
}

/// What stays.
fn allow_list() -> Builder<'static> {
    let mut builder = Builder::empty();
    builder
        .tags(TAGS.iter().copied().collect())
        .clean_content_tags(GONE.iter().copied().collect())
        .generic_attributes(["align", "dir", "lang", "style", "title"].into())
        .tag_attributes(
            ATTRIBUTE_LISTS.iter().map(|(tag, names)| (*tag, names.iter().copied().collect())).collect(),
        )
        .set_tag_attribute_values(HashMap::from([("a", HashMap::from([("target", "_blank")]))]))
        .url_schemes(["http", "https", "mailto", "cid", "data"].into())
        .url_relative(UrlRelative::Deny)
        .link_rel(Some("noopener noreferrer"))
        .strip_comments(true);
    builder
}

const TAGS: &[&str] = &[
    "a",
    "abbr",
    "acronym",
    "address",
    "b",
    "bdi",
    "bdo",
    "big",
    "blockquote",
    "br",
    "caption",
    "center",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "del",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "font",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "mark",
    "ol",
    "p",
    "pre",
    "q",
    "s",
    "samp",
    "small",
    "span",
    "strike",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "tt",
    "u",
    "ul",
    "var",
    "wbr",
];

/// Elements that go with everything in them.
const GONE: &[&str] = &[
    "applet",
    "audio",
    "button",
    "canvas",
    "embed",
    "frame",
    "frameset",
    "iframe",
    "math",
    "noembed",
    "noframes",
    "noscript",
    "object",
    "option",
    "plaintext",
    "script",
    "select",
    "style",
    "svg",
    "template",
    "textarea",
    "title",
    "video",
    "xmp",
];

const ATTRIBUTE_LISTS: &[(&str, &[&str])] = &[
    ("a", &["href"]),
    ("col", &["span", "width"]),
    ("colgroup", &["span", "width"]),
    ("font", &["color", "face", "size"]),
    ("hr", &["width", "size", "color"]),
    ("img", &["src", "alt", "width", "height", "border"]),
    ("li", &["value"]),
    ("ol", &["start", "type"]),
    ("table", &["bgcolor", "border", "cellpadding", "cellspacing", "width", "height"]),
    ("td", &["bgcolor", "colspan", "rowspan", "valign", "width", "height"]),
    ("th", &["bgcolor", "colspan", "rowspan", "valign", "width", "height"]),
    ("tr", &["bgcolor", "valign"]),
];

const STYLES: &[&str] = &[
    "background-color",
    "border",
    "border-bottom",
    "border-collapse",
    "border-color",
    "border-left",
    "border-radius",
    "border-right",
    "border-spacing",
    "border-style",
    "border-top",
    "border-width",
    "color",
    "direction",
    "font",
    "font-family",
    "font-size",
    "font-style",
    "font-variant",
    "font-weight",
    "height",
    "letter-spacing",
    "line-height",
    "list-style-type",
    "margin",
    "margin-bottom",
    "margin-left",
    "margin-right",
    "margin-top",
    "max-width",
    "min-width",
    "padding",
    "padding-bottom",
    "padding-left",
    "padding-right",
    "padding-top",
    "text-align",
    "text-decoration",
    "text-indent",
    "text-transform",
    "vertical-align",
    "white-space",
    "width",
    "word-break",
    "word-spacing",
];

/// Whether a parser will make short work of it: depth, attributes and tangles within their limits.
///
/// A tree builder does quadratic work on a million attributes or on formatting elements that are never
/// closed, so one linear pass counts them first. It follows the tokeniser's rules for tags, quotes, comments
/// and raw text; where it is wrong it counts too much.
fn is_simple(html: &str) -> bool {
    let mut open: HashMap<String, usize> = HashMap::new();
    let (mut depth, mut formatting, mut tangle) = (0_usize, 0_usize, 0_usize);
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = rest.get(at + 1..).unwrap_or_default();
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.find("-->").and_then(|end| comment.get(end + 3..)).unwrap_or_default();
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
        let count = open.entry(name.clone()).or_default();
        let is_formatting = FORMATTING.contains(&name.as_str());
        if closes {
            if *count > 0 {
                *count -= 1;
                depth = depth.saturating_sub(1);
                formatting = formatting.saturating_sub(usize::from(is_formatting));
            }
            continue;
        }
        tangle = tangle.saturating_add(formatting);
        if !LEAVES.contains(&name.as_str()) {
            *count += 1;
            depth += 1;
            formatting += usize::from(is_formatting);
        }
        if depth > DEPTH || tangle > TANGLE {
            return false;
        }
        if RAW.contains(&name.as_str()) {
            rest = behind_raw(rest, &name);
            depth = depth.saturating_sub(1);
        }
    }
    true
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

/// Elements that hold nothing, or that the next of their kind closes.
const LEAVES: &[&str] = &[
    "area", "base", "br", "col", "colgroup", "dd", "dt", "embed", "hr", "img", "input", "li", "link", "meta",
    "option", "p", "param", "source", "tbody", "td", "tfoot", "th", "thead", "tr", "track", "wbr",
];

/// Elements whose content is text whatever it looks like.
const RAW: &[&str] =
    &["iframe", "noembed", "noframes", "script", "style", "textarea", "title", "xmp", "noscript"];

/// Writes the true host behind every web link whose text does not begin with it.
///
/// Works on the cleaner's own output, where every attribute is in double quotes and `<` in text is escaped.
fn with_hosts(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    let mut host: Option<(String, usize)> = None;
    while let Some(at) = rest.find('<') {
        let (text, markup) = rest.split_at(at);
        out.push_str(text);
        let end = end_of_tag(markup);
        let (tag, behind) = markup.split_at(end);
        rest = behind;
        if tag.starts_with("</a>") {
            if let Some((host, start)) = host.take() {
                let words = out.get(start..).unwrap_or_default();
                if !begins_with_host(words, &host) {
                    out.push_str(&format!(" <bdi class=\"host\">[{host}]</bdi>"));
                }
            }
            out.push_str(tag);
            continue;
        }
        out.push_str(tag);
        if tag.starts_with("<a ") {
            host = href(tag).map(|host| (host, out.len()));
        }
    }
    out.push_str(rest);
    out
}

/// Where the tag at the start of `markup` ends, quotes respected.
fn end_of_tag(markup: &str) -> usize {
    let mut quoted = false;
    for (at, byte) in markup.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'>' if !quoted => return at + 1,
            _ => {}
        }
    }
    markup.len()
}

/// The host that a start tag of a link leads to, in its ASCII form.
fn href(tag: &str) -> Option<String> {
    let value = tag.split_once(" href=\"")?.1.split('"').next()?;
    let url = Url::parse(&value.replace("&amp;", "&")).ok()?;
    matches!(url.scheme(), "http" | "https").then(|| url.host_str().map(ToOwned::to_owned))?
}

/// Whether the text of a link says where it leads.
fn begins_with_host(words: &str, host: &str) -> bool {
    let words = words.trim().to_ascii_lowercase();
    let words = words.strip_prefix("https://").or(words.strip_prefix("http://")).unwrap_or(&words);
    let Some(behind) = words.strip_prefix(host) else { return false };
    behind.is_empty() || behind.starts_with(['/', '?', '#'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PAYLOADS: &str = include_str!("../../../tests/payloads/xss.txt");

    /// The start tags of cleaned HTML: name and attributes.
    fn start_tags(html: &str) -> Vec<(String, Vec<(String, String)>)> {
        let mut tags = Vec::new();
        let mut rest = html;
        while let Some(at) = rest.find('<') {
            let (tag, behind) = rest[at..].split_at(end_of_tag(&rest[at..]));
            rest = behind;
            let Some(inner) = tag.strip_prefix('<').filter(|inner| !inner.starts_with('/')) else { continue };
            let (name, mut attributes) = inner.trim_end_matches('>').split_once(' ').unwrap_or((inner, ""));
            let mut list = Vec::new();
            while let Some((attribute, more)) = attributes.split_once("=\"") {
                let (value, more) = more.split_once('"').unwrap();
                list.push((attribute.trim().to_owned(), value.to_owned()));
                attributes = more;
            }
            assert!(attributes.trim().is_empty(), "{attributes:?} in {html}");
            tags.push((name.trim_end_matches('>').to_owned(), list));
        }
        tags
    }

    fn assert_harmless(html: &str) {
        for (name, attributes) in start_tags(html) {
            assert!(TAGS.contains(&name.as_str()), "<{name}> in {html}");
            for (attribute, value) in attributes {
                let fits = match (name.as_str(), attribute.as_str()) {
                    ("a", "href") => {
                        ["https://", "http://", "mailto:"].iter().any(|start| value.starts_with(start))
                            && !value.split('/').nth(2).unwrap_or_default().contains('@')
                    }
                    ("a", "target") => value == "_blank",
                    ("a", "rel") => value == "noopener noreferrer",
                    ("bdi", "class") => value == "host",
                    ("img", "src") => is_picture(&value),
                    (_, "style") => !value.contains("url") && !value.contains("position"),
                    (_, "align" | "dir" | "lang" | "title" | "alt") => true,
                    (tag, name) => {
                        ATTRIBUTE_LISTS.iter().any(|(known, names)| *known == tag && names.contains(&name))
                    }
                };
                assert!(fits, "{attribute}={value} in {html}");
            }
        }
    }

    #[test]
    fn no_payload_survives() {
        assert!(PAYLOADS.lines().count() >= 60);
        for payload in PAYLOADS.lines() {
            for html in [payload.to_owned(), format!("<p>{payload}</p>"), format!("<table><tr>{payload}")] {
                let cleaned = clean(&html, Pictures::new()).unwrap().html;
                assert_harmless(&cleaned);
                let again = clean(&cleaned, Pictures::new()).unwrap().html;
                assert_harmless(&again);
            }
        }
        let together = PAYLOADS.replace("<plaintext>", "");
        assert_harmless(&clean(&together, Pictures::new()).unwrap().html);
    }

    #[test]
    fn ordinary_mail_keeps_its_looks() {
        let html = "<p style=\"color: #123456; position: fixed\">Dear <b>Ms</b> Roth,</p><ul><li>one</ul>\
                    <table border=1 bgcolor=\"#eee\"><tr><td colspan=2>x</table>";
        assert_eq!(
            clean(html, Pictures::new()).unwrap().html,
            "<p style=\"color: #123456\">Dear <b>Ms</b> Roth,</p><ul><li>one</li></ul>\
             <table border=\"1\" bgcolor=\"#eee\"><tbody><tr><td colspan=\"2\">x</td></tr></tbody></table>"
        );
    }

    #[test]
    fn links_say_where_they_lead() {
        for (html, want) in [
            ("<a href=\"https://a.example/x\">https://a.example/x</a>", None),
            ("<a href=\"https://a.example/\">a.example</a>", None),
            ("<a href=\"https://a.example/\">here</a>", Some("[a.example]")),
            ("<a href=\"https://a.example/\">https://a.example.bank.example</a>", Some("[a.example]")),
            (
                "<a href=\"https://bank.example@evil.example/\">https://bank.example</a>",
                Some("[evil.example]"),
            ),
            ("<a href=\"https://b\u{e4}nk.example/\">b\u{e4}nk.example</a>", Some("[xn--bnk-qla.example]")),
            ("<a href=\"mailto:a@b.example\">a</a>", None),
            (
                "<a target=x href=\"https://a.example/?a=1&amp;b=%22\"><img alt=\"<a href=\"></a>",
                Some("[a.example]"),
            ),
        ] {
            let cleaned = clean(html, Pictures::new()).unwrap().html;
            assert_eq!(
                want,
                cleaned.split_once("\"host\">").map(|(_, r)| r.split('<').next().unwrap()),
                "{cleaned}"
            );
        }
    }

    #[test]
    fn pictures() {
        let pictures = Pictures::from([("a b@x".to_owned(), "data:image/png;base64,AAAA".to_owned())]);
        let html = "<img src=\"cid:a%20b@x\"><img src=\"cid:other\"><img src=\"https://t.example/1\">\
                    <img src=\"http://t.example/2\"><img src=\"data:image/gif;base64,AA==\">";
        let cleaned = clean(html, pictures).unwrap();
        assert_eq!(cleaned.html.matches("data:image/png;base64,AAAA").count(), 1);
        assert_eq!(cleaned.html.matches("data:image/gif").count(), 1);
        assert_eq!(cleaned.blocked.get("t.example"), Some(&2));
    }

    #[test]
    fn one_picture_a_thousand_times_is_bounded() {
        let large = format!("data:image/png;base64,{}", "A".repeat(1 << 20));
        let html = "<img src=cid:a>".repeat(1_000);
        let cleaned = clean(&html, Pictures::from([("a".to_owned(), large)])).unwrap();
        assert!(cleaned.html.len() < 15 << 20, "{}", cleaned.html.len());
    }

    #[test]
    fn what_would_cost_too_much_is_not_parsed() {
        let many: String = (0..100_000).map(|n| format!(" a{n}=1")).collect();
        let tangle: String = (0..200).map(|n| format!("<b id={n}>")).collect();
        for html in [
            "x".repeat(SIZE + 1),
            "<div>".repeat(300),
            "<b><i>".repeat(200),
            format!("<p{many}>"),
            format!("{tangle}{}", "<p>".repeat(100_000)),
            format!("<style></style>{}", "<span>".repeat(300)),
        ] {
            assert!(clean(&html, Pictures::new()).is_none(), "{:.40}", html);
        }
        for html in ["<p>".repeat(10_000), "<br/>".repeat(50_000), "<tr><td>".repeat(5_000)] {
            assert!(clean(&html, Pictures::new()).is_some(), "{:.40}", html);
        }
    }

    proptest! {
        #[test]
        fn anything_becomes_harmless(html in "(<[/!]?|[a-z]{1,6}|[ =\"'/>]|on[a-z]+=|href=|src=|style=|\\PC){0,60}") {
            if let Some(cleaned) = clean(&html, Pictures::new()) {
                assert_harmless(&cleaned.html);
            }
        }
    }
}
