//! Quoted messages folded away, for readers who know them: `<details>` needs no script.

use crate::serve::portal::html::markup::INLINE;
use crate::serve::portal::html::markup::Piece;
use crate::serve::portal::html::markup::attribute;
use crate::serve::portal::html::markup::pieces;
use crate::serve::portal::html::markup::plain;
use crate::serve::portal::html::markup::visible;

/// Characters of a quotation that is folded although an answer stands below it.
const LONG: usize = 600;
/// Octets of text behind `From:` among which the other lines of a copied header stand.
const HEADER: usize = 1_500;

/// Folds what is quoted at the end, and what is long: what mail programs mark as a quotation, a `blockquote` below a line
/// like `On Monday Jonas wrote:`, and what stands below a copied header (`From: … Sent: … Subject: …`). A message that is
/// nothing but a quotation stays open, and any other `blockquote`: that is how text is indented.
///
/// `html` is the cleaner's output; `title` stands on the fold.
pub fn folded(html: &str, title: &str) -> String {
    let all: Vec<Piece<'_>> = pieces(html).collect();
    let visible = visible(&all);
    let quotes = quotes(&visible);
    let seen = seen(&visible);
    let length = |from: usize, to: usize| seen.get(to).zip(seen.get(from)).map_or(0, |(to, from)| to - from);
    let mut out = String::with_capacity(html.len() + 200);
    let mut at = 0;
    let mut answered = false;
    for quote in quotes {
        let before = all.get(at..quote.start).unwrap_or_default();
        answered |= length(at, quote.start) > 0;
        before.iter().for_each(|piece| out.push_str(piece.written()));
        let inside = all.get(quote.start..quote.end).unwrap_or_default();
        let is_last = length(quote.end, all.len()) == 0;
        let folds = answered && (is_last || length(quote.start, quote.end) > LONG);
        if folds {
            out.push_str(&format!("<details class=\"quote\"><summary>{}</summary>", plain_to_html(title)));
        }
        inside.iter().for_each(|piece| out.push_str(piece.written()));
        if folds {
            out.push_str("</details>");
        }
        at = quote.end;
    }
    all.get(at..).unwrap_or_default().iter().for_each(|piece| out.push_str(piece.written()));
    out
}

/// Whether anything is seen of it. Of a picture that was taken out nothing is.
pub fn shows(html: &str) -> bool {
    let all: Vec<Piece<'_>> = pieces(html).collect();
    let has_picture = |tag: &str| attribute(tag, "src").is_some_and(|source| !source.is_empty());
    let stands = |piece: &Piece<'_>| !matches!(piece, Piece::Start(tag, "img") if !has_picture(tag));
    let stand: Vec<_> = visible(&all).into_iter().filter(stands).collect();
    seen(&stand).last().is_some_and(|count| *count > 0)
}

fn plain_to_html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// How many characters are seen in front of each piece, and in all of them; blanks apart, and a picture counts as one.
fn seen(pieces: &[Piece<'_>]) -> Vec<usize> {
    let mut sum = 0;
    let mut sums = vec![0];
    sums.extend(pieces.iter().map(|piece| {
        sum += match piece {
            Piece::Text(text) => plain(text).chars().filter(|c| !c.is_whitespace() && *c != '\u{a0}').count(),
            Piece::Start(_, "img") => 1,
            Piece::Start(..) | Piece::End(..) => 0,
        };
        sum
    }));
    sums
}

/// A quotation: from this piece to in front of that.
struct Quote {
    start: usize,
    end: usize,
}

/// An element that is open.
struct Open {
    at: usize,
    name: String,
    /// Something was seen in it.
    filled: bool,
}

/// The outermost quotations, in order; each is a whole number of elements of one parent.
fn quotes(all: &[Piece<'_>]) -> Vec<Quote> {
    let mut found = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    // The quotation under way, and how many elements are open around it.
    let mut quoting: Option<(usize, usize)> = None;
    let mut line = Line::default();
    let headers = headers(all);
    for (at, piece) in all.iter().enumerate() {
        match piece {
            Piece::Start(_, name) if !piece.is_void() => {
                line.meets(name);
                let is_quote = is_quote(piece, name) || (*name == "blockquote" && line.announces());
                if quoting.is_none() && is_quote && may_fold(&open) {
                    quoting = Some((at, open.len()));
                    open.push(Open { at, name: "quote".into(), filled: false });
                } else {
                    open.push(Open { at, name: (*name).to_owned(), filled: false });
                }
            }
            Piece::Start(_, name) => line.meets(name),
            Piece::Text(text) => {
                line.takes(text);
                if quoting.is_none() && headers.get(at) == Some(&true) {
                    quoting =
                        block_of(&open).map(|depth| (open.get(depth).map_or(at, |block| block.at), depth));
                    // It goes on behind that block, to the end of what holds it.
                    quoting = quoting.filter(|(_, depth)| may_fold(open.get(..*depth).unwrap_or_default()));
                }
                if !text.trim().is_empty() {
                    open.iter_mut().for_each(|element| element.filled = true);
                }
            }
            Piece::End(_, name) => {
                line.meets(name);
                let closed = open.pop();
                let Some((start, depth)) = quoting else { continue };
                let is_element = closed.is_some_and(|closed| closed.name == "quote");
                let end = if is_element && open.len() == depth {
                    at + 1
                } else if open.len() < depth {
                    at
                } else {
                    continue;
                };
                found.push(Quote { start, end });
                quoting = None;
            }
        }
    }
    found.extend(quoting.map(|(start, _)| Quote { start, end: all.len() }));
    found
}

/// An element that mail programs put around what they quote.
fn is_quote(piece: &Piece<'_>, name: &str) -> bool {
    let has = |mark| piece.written().contains(mark);
    match name {
        "blockquote" => has(" type=\"cite\"") || has(" class=\"gmail_quote\""),
        "div" => has(" class=\"quote\""),
        _ => false,
    }
}

/// The end of the last line in which something stands.
#[derive(Default)]
struct Line {
    words: String,
    is_over: bool,
}

impl Line {
    /// Octets of a line of which the end is looked at.
    const END: usize = 300;

    fn meets(&mut self, name: &str) {
        self.is_over |= !INLINE.contains(&name);
    }

    fn takes(&mut self, text: &str) {
        let end = plain(
            text.get(text.ceil_char_boundary(text.len().saturating_sub(Self::END))..).unwrap_or_default(),
        );
        let is_blank = end.trim().is_empty();
        if self.is_over && !is_blank {
            *self = Self::default();
        }
        if !self.is_over {
            self.words.push_str(&end);
            let surplus = self.words.ceil_char_boundary(self.words.len().saturating_sub(Self::END));
            self.words.drain(..surplus);
        }
    }

    /// `On Monday Jonas wrote:`, `Am Montag schrieb Jonas <jonas@house.example>:`.
    fn announces(&self) -> bool {
        let said = self.words.trim_end().strip_suffix(':').unwrap_or_default();
        said.ends_with("wrote") || said.split_whitespace().any(|word| word == "schrieb")
    }
}

/// `details` may stand where these are open: in blocks and cells, not in the middle of a line or a list.
fn may_fold(open: &[Open]) -> bool {
    open.last().is_none_or(|element| {
        matches!(
            element.name.as_str(),
            "div" | "td" | "th" | "blockquote" | "center" | "dd" | "li" | "address"
        )
    })
}

/// The outermost block around a text that begins with it.
fn block_of(open: &[Open]) -> Option<usize> {
    let first = open.iter().rposition(|element| element.filled).map_or(0, |at| at + 1);
    let inside = open.get(first..)?;
    inside.iter().position(|element| matches!(element.name.as_str(), "div" | "p")).map(|at| first + at)
}

/// For each piece whether a copied header begins with it. Each text is read once, and not far.
fn headers(all: &[Piece<'_>]) -> Vec<bool> {
    // Octets of text from the end to where a text begins: the one at hand, and the nearest ones behind it that name the
    // other lines.
    let (mut here, mut sent, mut subject) = (0, None, None);
    let is_near = |here: usize, line: Option<usize>| line.is_some_and(|line| here - line <= HEADER);
    let backwards = all.iter().rev().map(|piece| {
        let Piece::Text(text) = piece else { return false };
        here += text.len();
        let start = plain(text.get(..text.floor_char_boundary(HEADER)).unwrap_or_default());
        let has = |names: &[&str]| names.iter().any(|name| start.contains(name));
        if has(&["Sent:", "Date:", "Gesendet:", "Datum:"]) {
            sent = Some(here);
        }
        if has(&["Subject:", "Betreff:"]) {
            subject = Some(here);
        }
        ["From:", "Von:"].iter().any(|word| start.trim_start().starts_with(word))
            && is_near(here, sent)
            && is_near(here, subject)
    });
    let mut found: Vec<bool> = backwards.collect();
    found.reverse();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_last_is_folded() {
        let fold = |inside: &str| format!("<details class=\"quote\"><summary>Q</summary>{inside}</details>");
        let header = "<div><b>From:</b> A<br><b>Sent:</b> today<br><b>Subject:</b> x</div>";
        let long = format!("<blockquote type=\"cite\">{}</blockquote>", "long ".repeat(200));
        for (html, want) in [
            ("<p>a</p>".to_owned(), "<p>a</p>".to_owned()),
            (
                "<p>a</p><blockquote type=\"cite\">q</blockquote>".into(),
                format!("<p>a</p>{}", fold("<blockquote type=\"cite\">q</blockquote>")),
            ),
            (
                "<div>a<blockquote type=\"cite\"><blockquote type=\"cite\">q</blockquote></blockquote><br></div> ".into(),
                format!("<div>a{}<br></div> ", fold("<blockquote type=\"cite\"><blockquote type=\"cite\">q</blockquote></blockquote>")),
            ),
            ("<blockquote type=\"cite\">only this</blockquote>".into(), "<blockquote type=\"cite\">only this</blockquote>".into()),
            ("a<blockquote type=\"cite\">q</blockquote>b".into(), "a<blockquote type=\"cite\">q</blockquote>b".into()),
            (format!("a{long}b"), format!("a{}b", fold(&long))),
            (
                "<span>a<blockquote type=\"cite\">q</blockquote></span>".into(),
                "<span>a<blockquote type=\"cite\">q</blockquote></span>".into(),
            ),
            ("a<div class=\"quote\">q</div>".into(), format!("a{}", fold("<div class=\"quote\">q</div>"))),
            (
                format!("<p>a</p>{header}<p>old</p>"),
                format!("<p>a</p>{}", fold(&format!("{header}<p>old</p>"))),
            ),
            (
                format!("<div><p>a</p><div>{header}</div><p>old</p></div>"),
                format!("<div><p>a</p>{}</div>", fold(&format!("<div>{header}</div><p>old</p>"))),
            ),
            (format!("{header}<p>forwarded</p>"), format!("{header}<p>forwarded</p>")),
            ("<p>Hi,</p><blockquote>terms</blockquote>".into(), "<p>Hi,</p><blockquote>terms</blockquote>".into()),
            (
                "a<blockquote class=\"gmail_quote\">q</blockquote>".into(),
                format!("a{}", fold("<blockquote class=\"gmail_quote\">q</blockquote>")),
            ),
            (
                "<p>a</p><p>On Monday <b>Jonas</b> wrote:</p> <br><blockquote>q</blockquote>".into(),
                format!("<p>a</p><p>On Monday <b>Jonas</b> wrote:</p> <br>{}", fold("<blockquote>q</blockquote>")),
            ),
            (
                "<p>Am Montag schrieb J <a href=\"mailto:j@h.example\">&lt;j@h.example&gt;</a>:</p><blockquote>q</blockquote>".into(),
                format!(
                    "<p>Am Montag schrieb J <a href=\"mailto:j@h.example\">&lt;j@h.example&gt;</a>:</p>{}",
                    fold("<blockquote>q</blockquote>")
                ),
            ),
            (
                "<p>On Monday Jonas wrote:</p><p>a</p><blockquote>b</blockquote>".into(),
                "<p>On Monday Jonas wrote:</p><p>a</p><blockquote>b</blockquote>".into(),
            ),
            (
                "<div style=\"display: none\">preheader</div><blockquote type=\"cite\">q</blockquote>".into(),
                "<div style=\"display: none\">preheader</div><blockquote type=\"cite\">q</blockquote>".into(),
            ),
            (
                "a<blockquote type=\"cite\">q</blockquote><p style=\"display: none\">b</p>".into(),
                format!("a{}<p style=\"display: none\">b</p>", fold("<blockquote type=\"cite\">q</blockquote>")),
            ),
            (
                format!("a<div style=\"display: none\">{header}</div><p>b</p>"),
                format!("a<div style=\"display: none\">{header}</div><p>b</p>"),
            ),
            // What stands too far behind is no header, in its own text or in another one.
            (
                format!("<p>a</p><p>From: A<br>Sent: {}Subject: x</p><p>b</p>", "x ".repeat(HEADER)),
                format!("<p>a</p><p>From: A<br>Sent: {}Subject: x</p><p>b</p>", "x ".repeat(HEADER)),
            ),
            (
                format!("<p>a</p><p>From: A<br>Sent: b<br>{}<br>Subject: x</p>", "x ".repeat(HEADER)),
                format!("<p>a</p><p>From: A<br>Sent: b<br>{}<br>Subject: x</p>", "x ".repeat(HEADER)),
            ),
            ("<p>From: here on, all is new</p>".into(), "<p>From: here on, all is new</p>".into()),
        ] {
            assert_eq!(folded(&html, "Q"), want, "{html}");
        }
    }
}
