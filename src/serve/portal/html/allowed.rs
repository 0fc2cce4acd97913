//! What stays of somebody else's HTML: elements, attributes and declarations that neither fetch, run nor cover.

use ammonia::Builder;
use ammonia::UrlRelative;
use std::collections::HashMap;

/// What stays; attributes go through a filter besides.
pub fn builder() -> Builder<'static> {
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

/// Declarations from a short list, of words, numbers and colours; no function but `rgb()`, nothing below zero.
pub fn style(text: &str) -> Option<String> {
    // In front, where nothing that is left open swallows it.
    let mut kept = if hides(text) { vec!["display: none".to_owned()] } else { Vec::new() };
    for declaration in text.split(';').take(64) {
        let Some((name, value)) = declaration.split_once(':') else { continue };
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        let known = STYLES.contains(&name.as_str());
        if known && value.len() <= 200 && is_style_value(&name, value) {
            kept.push(format!("{name}: {value}"));
        } else if name == "background" {
            kept.extend(ground(value).map(|colour| format!("background-color: {colour}")));
        }
    }
    (!kept.is_empty()).then(|| kept.join("; "))
}

/// The colour in a background that does not stay: without it light text would stand on light ground.
fn ground(value: &str) -> Option<String> {
    let lower = value.to_ascii_lowercase();
    let mut pieces = lower.split("url(");
    let mut words = pieces.next().unwrap_or_default().to_owned();
    for behind in pieces.filter_map(|piece| piece.split_once(')')) {
        words.push(' ');
        words.push_str(behind.1);
    }
    let function = words.find("rgb").and_then(|at| words.get(at..)?.split_inclusive(')').next());
    let colour = function
        .filter(|colour| colour.ends_with(')'))
        .or_else(|| words.split([' ', ',', '/', '(', ')']).find(|word| is_colour(word)))?;
    is_style_value("background-color", colour).then(|| colour.to_owned())
}

fn is_colour(word: &str) -> bool {
    const OTHERS: &[&str] = &[
        "auto", "bottom", "center", "circle", "contain", "cover", "ellipse", "fixed", "inherit", "initial",
        "left", "local", "none", "repeat", "revert", "right", "round", "scroll", "space", "to", "top",
        "unset",
    ];
    match word.strip_prefix('#') {
        Some(digits) => {
            matches!(digits.len(), 3 | 4 | 6 | 8) && digits.chars().all(|c| c.is_ascii_hexdigit())
        }
        None => {
            (3..=20).contains(&word.len())
                && word.bytes().all(|b| b.is_ascii_alphabetic())
                && !OTHERS.contains(&word)
        }
    }
}

/// Whether an element is not displayed. Other ways to display it are left out, and so is this one beside them.
fn hides(text: &str) -> bool {
    let mut said =
        text.split(';').filter_map(|declaration| declaration.split_once(':')).filter_map(|(name, value)| {
            let value = value.trim().to_ascii_lowercase();
            let value = value.strip_suffix("!important").unwrap_or(&value).trim_end();
            name.trim().eq_ignore_ascii_case("display").then_some(value == "none")
        });
    said.next() == Some(true) && said.all(|none| none)
}

fn is_style_value(name: &str, value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let bare = lower.replace("rgba(", "").replace("rgb(", "").replace(')', "");
    // What is moved by less than nothing covers its neighbour.
    let below = !name.starts_with("font") && bare.split([' ', ',']).any(|word| word.starts_with('-'));
    !below
        && bare.chars().all(|c| c.is_alphanumeric() || " #%.,'\"-!".contains(c))
        && !["expression", "url", "javascript", "behavior", "fixed", "absolute"]
            .iter()
            .any(|word| bare.contains(word))
}

/// A number, a colour, a word: what is left for the remaining attributes.
pub fn is_word(value: &str) -> bool {
    value.len() <= 100 && value.chars().all(|c| c.is_alphanumeric() || " #%.,-_".contains(c))
}

/// Elements that stay.
pub const TAGS: &[&str] = &[
    "a",
    "abbr",
    "acronym",
    "address",
    "b",
    "bdi",
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

/// Attributes of one element that stay, besides those of all.
pub const ATTRIBUTE_LISTS: &[(&str, &[&str])] = &[
    ("a", &["href"]),
    ("blockquote", &["class", "type"]),
    ("div", &["class"]),
    ("col", &["span", "width"]),
    ("colgroup", &["span", "width"]),
    ("font", &["color", "face", "size"]),
    ("hr", &["width", "size", "color"]),
    ("img", &["src", "srcset", "alt", "width", "height", "border"]),
    ("li", &["value"]),
    ("ol", &["start", "type"]),
    ("table", &["background", "bgcolor", "border", "cellpadding", "cellspacing", "width", "height"]),
    ("td", &["background", "bgcolor", "colspan", "rowspan", "valign", "width", "height"]),
    ("th", &["bgcolor", "colspan", "rowspan", "valign", "width", "height"]),
    ("tr", &["bgcolor", "valign"]),
];

const STYLES: &[&str] = &[
    "background",
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
