//! HTML read as a stranger's text, for the first words of a list, for search, and where HTML is too big or too deep to be
//! shown: one linear pass by the tokeniser's rules for tags, quotes, comments and raw text.

use mail_parser::decoders::html::add_html_token;

/// The words of `html`: a line for every block and row, a blank between cells. Never longer than `html`.
///
/// What elements hold that are not shown (`style`, `script`, `title` and the like) is left out.
pub fn text(html: &str) -> String {
    let mut text = Text { out: String::with_capacity(html.len()), ..Text::default() };
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let (before, behind) = rest.split_at(at);
        text.add(before);
        let (token, behind) = token(behind.get(1..).unwrap_or_default());
        rest = behind;
        match token {
            Token::Tag { name, closes, .. } => {
                text.tag(&name, closes);
                if !closes && RAW.contains(&name.as_str()) {
                    rest = behind_raw(rest, &name);
                }
            }
            Token::Comment => {}
            Token::Text => text.put('<'),
        }
    }
    text.add(rest);
    text.out
}

/// What a `<` begins.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Token {
    /// A tag: at most 16 letters of its name in lower case, the number of its attributes.
    Tag {
        /// `div`.
        name: String,
        /// It is an end tag.
        closes: bool,
        /// How many, as a tokeniser counts them.
        attributes: usize,
    },
    /// A comment, or what a parser takes for one.
    Comment,
    /// Nothing: it is a character of the text.
    Text,
}

/// What the `<` in front of `text` begins, and what follows that.
pub fn token(text: &str) -> (Token, &str) {
    if let Some(comment) = text.strip_prefix("!--") {
        return (Token::Comment, behind_comment(comment));
    }
    // What a parser takes for a comment ends at the first `>`, quoted or not.
    let behind_slash = text.strip_prefix('/');
    let begins = |text: &str| text.starts_with(|c: char| c.is_ascii_alphabetic());
    if text.starts_with(['!', '?']) || behind_slash.is_some_and(|behind| !begins(behind)) {
        return (Token::Comment, text.find('>').and_then(|end| text.get(end + 1..)).unwrap_or_default());
    }
    let inner = behind_slash.unwrap_or(text);
    if !begins(inner) {
        return (Token::Text, text);
    }
    let letters = inner.chars().take_while(|c| !c.is_ascii_whitespace() && !matches!(c, '/' | '>'));
    let name = letters.take(16).collect::<String>().to_ascii_lowercase();
    let (attributes, end) = tag(text);
    let tag = Token::Tag { name, closes: behind_slash.is_some(), attributes };
    (tag, text.get(end..).unwrap_or_default())
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
pub fn behind_raw<'a>(text: &'a str, name: &str) -> &'a str {
    let mut rest = text;
    while let Some(at) = rest.find("</") {
        rest = rest.get(at + 2..).unwrap_or_default();
        if rest.get(..name.len()).is_some_and(|given| given.eq_ignore_ascii_case(name)) {
            return rest.find('>').and_then(|end| rest.get(end + 1..)).unwrap_or_default();
        }
    }
    ""
}

/// Elements whose content is text whatever it looks like; none of it is shown.
pub const RAW: &[&str] =
    &["iframe", "noembed", "noframes", "script", "style", "textarea", "title", "xmp", "noscript"];

/// Elements that stand on lines of their own.
const BLOCKS: &[&str] = &[
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "caption",
    "center",
    "dd",
    "details",
    "dir",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "legend",
    "li",
    "main",
    "menu",
    "nav",
    "ol",
    "option",
    "p",
    "pre",
    "section",
    "summary",
    "table",
    "tbody",
    "tfoot",
    "thead",
    "tr",
    "ul",
];

/// Octets of a reference to a character, from `&` to `;`; the longest that HTML knows has 33.
const REFERENCE: usize = 40;

/// A text that grows.
#[derive(Default)]
struct Text {
    out: String,
    /// Line ends to come in front of the next character.
    lines: usize,
    /// A blank to come in front of it.
    blank: bool,
    /// How many `pre` are open: in them white space stays.
    kept: usize,
}

impl Text {
    fn tag(&mut self, name: &str, closes: bool) {
        match name {
            "br" => self.lines += 1,
            "td" | "th" => self.blank = true,
            _ if BLOCKS.contains(&name) => self.lines = self.lines.max(1),
            _ => {}
        }
        if name == "pre" {
            self.kept = if closes { self.kept.saturating_sub(1) } else { self.kept + 1 };
        }
    }

    /// Text without tags, its references still in it.
    fn add(&mut self, raw: &str) {
        let mut rest = raw;
        while let Some(at) = rest.find('&') {
            let (before, behind) = rest.split_at(at);
            before.chars().for_each(|c| self.put(c));
            let mut decoded = String::new();
            let written = reference(behind).unwrap_or("&");
            add_html_token(&mut decoded, written.as_bytes(), false);
            decoded.chars().for_each(|c| self.put(c));
            rest = behind.get(written.len()..).unwrap_or_default();
        }
        rest.chars().for_each(|c| self.put(c));
    }

    fn put(&mut self, c: char) {
        match c {
            '\r' => {}
            '\n' if self.kept > 0 => self.lines += 1,
            c if c.is_ascii_whitespace() && self.kept == 0 => self.blank = true,
            c => {
                let (lines, blank) = (std::mem::take(&mut self.lines), std::mem::take(&mut self.blank));
                match (self.out.is_empty(), lines) {
                    (true, _) => {}
                    (false, 0) => self.out.extend(blank.then_some(' ')),
                    (false, 1) => self.out.push('\n'),
                    (false, _) => self.out.push_str("\n\n"),
                }
                self.out.push(c);
            }
        }
    }
}

/// The reference that `text` begins with.
fn reference(text: &str) -> Option<&str> {
    let inner = text.bytes().take(REFERENCE).skip(1);
    let end = 1 + inner.take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'#').count();
    text.get(..=end).filter(|reference| reference.ends_with(';'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn html_becomes_text() {
        for (html, want) in [
            (
                "<html><head><title>t</title></head><body><p>Hello&nbsp;<b>you</b></p>x</body>",
                "Hello\u{a0}you\nx",
            ),
            ("<p>before</p><!----><p>after</p>", "before\nafter"),
            ("a<!-->b<!--->c<!-- > -- -->d<!-- x --!>e<!-- f", "abcde"),
            ("a<? x>b<!x \">c</ x>d</>e", "abcde"),
            ("<div>Hello</div><div>World</div>", "Hello\nWorld"),
            ("<table><tr><td>Total<td>100</tr><tr><th>Due</th><td> 5 </td></tr></table>", "Total 100\nDue 5"),
            ("one<br clear=\"all\">two<br/>three<BR>four", "one\ntwo\nthree\nfour"),
            ("one<br><br><br><br>two", "one\n\ntwo"),
            ("<style type=\"text/css\">p{color:red}</style>words<STYLE>x</style >!", "words!"),
            ("<script>if (a<b) '</p>'</script>words<script>", "words"),
            ("<img alt=\"a>b\" src='>'>x <b\nclass=y>y</b>", "x y"),
            ("1 < 2 &lt; 3 &amp;lt; &#8364; &#x41;", "1 < 2 < 3 &lt; € A"),
            ("&bogus; & &; AT&T &#xd800; &CounterClockwiseContourIntegral;", "&bogus; & &; AT&T \u{fffd} ∳"),
            ("a\r\n  b\tc <i> d</i>", "a b c d"),
            ("<pre>a\r\n  b\n\nc</pre>d  e", "a\n  b\n\nc\nd e"),
            ("Donau<b>dampf</b>schiff", "Donaudampfschiff"),
            ("a<", "a<"),
            ("a<b", "a"),
            ("", ""),
        ] {
            assert_eq!(text(html), want, "{html}");
        }
    }

    /// What grew with the square of the length would take minutes here.
    #[test]
    fn bombs_cost_no_more_than_their_length() {
        for piece in [
            "<",
            "&",
            "<!--",
            "<!-- --",
            "<a ",
            "<style>",
            "<style></style",
            "<p>",
            "<br>",
            "&amp",
            "<script",
            "=\"",
            "</",
            "&#x;",
            " ",
            "<pre>\n",
            "<td>",
            "<!",
            "<?",
            "</ ",
            "<noscript>",
            "&nvlt;",
            "<a b=\"",
        ] {
            let bomb = piece.repeat(400_000 / piece.len());
            assert!(text(&bomb).len() <= bomb.len(), "{piece}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(html in any::<String>()) {
            let _ = text(&html);
        }

        #[test]
        fn never_longer(html in "(<[/!]?|[a-z]{1,6}|&[a-z#0-9]{1,5};?|<br>|</?p(re)?>|<td|[ \n=\"'/>-]|\\PC){0,60}") {
            prop_assert!(text(&html).len() <= html.len());
        }
    }
}
