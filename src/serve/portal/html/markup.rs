//! The cleaner's own output, read again piece by piece: every attribute is in double quotes, every `<` of a text escaped.

/// A piece of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Piece<'a> {
    /// A start tag as it is written, and its name.
    Start(&'a str, &'a str),
    /// An end tag, and its name.
    End(&'a str, &'a str),
    /// Text, its references as they are.
    Text(&'a str),
}

impl<'a> Piece<'a> {
    /// As it is written.
    pub const fn written(self) -> &'a str {
        match self {
            Self::Start(text, _) | Self::End(text, _) | Self::Text(text) => text,
        }
    }

    /// Stands for itself, without an end tag.
    pub fn is_void(self) -> bool {
        matches!(self, Self::Start(_, "br" | "col" | "hr" | "img" | "wbr"))
    }
}

/// Elements that stand in a line of text.
pub const INLINE: &[&str] = &[
    "a", "abbr", "acronym", "b", "bdi", "big", "cite", "code", "del", "dfn", "em", "font", "i", "img", "ins",
    "kbd", "mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "tt", "u", "var",
    "wbr",
];

/// The pieces of `html`, in order; joined they are `html` again.
pub fn pieces(html: &str) -> Pieces<'_> {
    Pieces { rest: html }
}

/// An iterator over pieces.
#[derive(Clone, Debug)]
pub struct Pieces<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let length = match self.rest.find('<') {
            Some(0) => end_of_tag(self.rest),
            Some(at) => at,
            None => self.rest.len(),
        };
        let (written, behind) = self.rest.split_at(length);
        self.rest = behind;
        let Some(inner) = written.strip_prefix('<') else { return Some(Piece::Text(written)) };
        let (inner, closes) = inner.strip_prefix('/').map_or((inner, false), |inner| (inner, true));
        let name = inner.split([' ', '>', '/']).next().unwrap_or_default();
        Some(if closes { Piece::End(written, name) } else { Piece::Start(written, name) })
    }
}

/// Whether an element is not displayed: the cleaner writes that in front of what else its style says.
pub fn is_hidden(tag: &str) -> bool {
    tag.contains(HIDDEN)
}

/// Markup whose elements are all displayed.
pub fn displayed(html: &str) -> String {
    html.replace(&format!("{HIDDEN}; "), " style=\"").replace(&format!("{HIDDEN}\""), "")
}

const HIDDEN: &str = " style=\"display: none";

/// The same number of pieces, with nothing in the place of elements that are not displayed.
pub fn visible<'a>(pieces: &[Piece<'a>]) -> Vec<Piece<'a>> {
    // Elements open in one that is hidden, itself included.
    let mut hidden = 0_usize;
    let mut seen = |piece: &Piece<'a>| {
        let was_hidden = hidden > 0;
        match piece {
            Piece::Start(..) if piece.is_void() => return !was_hidden && !is_hidden(piece.written()),
            Piece::Start(tag, _) if was_hidden || is_hidden(tag) => hidden += 1,
            Piece::End(..) => hidden = hidden.saturating_sub(1),
            Piece::Start(..) | Piece::Text(_) => {}
        }
        !was_hidden && hidden == 0
    };
    pieces.iter().map(|piece| if seen(piece) { *piece } else { Piece::Text("") }).collect()
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

/// The value of an attribute of a start tag, its references resolved.
pub fn attribute(tag: &str, name: &str) -> Option<String> {
    let mut rest = tag;
    while let Some((before, behind)) = rest.split_once("=\"") {
        let (value, behind) = behind.split_once('"')?;
        if before.rsplit(' ').next() == Some(name) {
            return Some(plain(value));
        }
        rest = behind;
    }
    None
}

/// The same with the attributes of every element in one order; the cleaner knows none.
pub fn ordered(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    for piece in pieces(html) {
        let Piece::Start(tag, name) = piece else {
            out.push_str(piece.written());
            continue;
        };
        let mut attributes = Vec::new();
        let mut rest = tag.get(name.len() + 1..).unwrap_or_default();
        while let Some((attribute, behind)) = rest.split_once("=\"") {
            let (value, behind) = behind.split_once('"').unwrap_or((behind, ""));
            attributes.push((attribute, value));
            rest = behind;
        }
        attributes.sort_unstable();
        out.push('<');
        out.push_str(name);
        for (attribute, value) in attributes {
            out.push_str(attribute);
            out.push_str("=\"");
            out.push_str(value);
            out.push('"');
        }
        out.push_str(rest);
    }
    out
}

/// Text without the references that the cleaner writes.
pub fn plain(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&nbsp;", " ")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_join_again() {
        let html = "a<p title=\"x>y\">b &lt;c<br><img src=\"data:\" alt=\"a=&quot;b\"></p>d";
        assert_eq!(pieces(html).map(Piece::written).collect::<String>(), html);
        let found: Vec<_> = pieces(html).collect();
        assert_eq!(found[1], Piece::Start("<p title=\"x>y\">", "p"));
        assert_eq!(found[5], Piece::End("</p>", "p"));
        assert_eq!(attribute(found[4].written(), "alt").as_deref(), Some("a=\"b"));
        assert_eq!(attribute(found[4].written(), "rc"), None);
        assert!(found[3].is_void() && found[4].is_void() && !found[1].is_void());
        assert_eq!(pieces("").count(), 0);
    }

    #[test]
    fn what_is_hidden_is_nothing() {
        let html = "a<div style=\"display: none; color: red\">b<p>c<img alt=\"d\">e</p>f</div>g\
                    <img style=\"display: none\"><p title=\"display: none\">h</p>";
        let all: Vec<_> = pieces(html).collect();
        let seen = visible(&all);
        assert_eq!(seen.len(), all.len());
        assert_eq!(
            seen.iter().map(|piece| piece.written()).collect::<String>(),
            "ag<p title=\"display: none\">h</p>"
        );
        assert_eq!(displayed(all[1].written()), "<div style=\"color: red\">");
        assert_eq!(displayed("<p style=\"display: none\">"), "<p>");
    }
}
