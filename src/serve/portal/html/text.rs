//! Plain text as HTML: links to follow, quotations as what they are and folded.

use crate::mime::display;
use crate::serve::portal::html::Words;
use crate::serve::portal::html::link;

/// Quotations in one text; beyond it the marks stay as they are.
const QUOTES: usize = 400;
/// Quotations in each other that are shown as such.
const DEPTH: usize = 8;
/// Lines of a quotation that is folded although an answer stands below it.
const LONG: usize = 12;

/// A plain text for an element that keeps white space. Lines that begin with `>` become quotations; one that stands at
/// the end, and a long one, is folded.
pub fn text(text: &str, words: &Words) -> String {
    let blocks = blocks(text);
    if blocks.len() > 2 * QUOTES {
        return paragraph(text);
    }
    let last = blocks.iter().rposition(|block| !block.is_blank());
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    let mut answered = false;
    for (at, block) in blocks.iter().enumerate() {
        if !block.is_quote {
            answered |= !block.is_blank();
            out.push_str(&paragraph(&block.lines.join("\n")));
            continue;
        }
        let folds = answered && (last == Some(at) || block.lines.len() > LONG);
        match words.quoted.as_deref().filter(|_| folds) {
            Some(title) => {
                out.push_str("<details class=\"quote\"><summary>");
                out.push_str(&display::escape(title));
                out.push_str("</summary>");
                quotation(&mut out, &block.lines);
                out.push_str("</details>");
            }
            None => quotation(&mut out, &block.lines),
        }
    }
    out
}

fn paragraph(text: &str) -> String {
    let text = text.trim_matches('\n');
    if text.trim().is_empty() {
        return String::new();
    }
    format!("<div class=\"plain-text\" dir=\"auto\">{}</div>", display::text_to_html(text, link::target))
}

/// Lines that belong together.
struct Block<'a> {
    is_quote: bool,
    lines: Vec<&'a str>,
}

impl Block<'_> {
    fn is_blank(&self) -> bool {
        self.lines.iter().all(|line| line.trim().is_empty())
    }
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    for line in text.lines() {
        let is_quote = line.starts_with('>') && !line.starts_with(">From ");
        match blocks.last_mut().filter(|block| block.is_quote == is_quote) {
            Some(block) => block.lines.push(line),
            None => blocks.push(Block { is_quote, lines: vec![line] }),
        }
    }
    blocks
}

/// Quoted lines as quotations in each other.
fn quotation(out: &mut String, lines: &[&str]) {
    let mut depth = 0;
    let mut run: Vec<&str> = Vec::new();
    for line in lines {
        let (level, words) = unquoted(line);
        if level != depth {
            out.push_str(&paragraph(&std::mem::take(&mut run).join("\n")));
            (depth..level).for_each(|_| out.push_str("<blockquote>"));
            (level..depth).for_each(|_| out.push_str("</blockquote>"));
            depth = level;
        }
        run.push(words);
    }
    out.push_str(&paragraph(&run.join("\n")));
    (0..depth).for_each(|_| out.push_str("</blockquote>"));
}

/// How deep a line is quoted, and the line without its marks: `>>`, `> >`, one blank behind.
fn unquoted(line: &str) -> (usize, &str) {
    let (mut depth, mut rest) = (0, line);
    while let Some(more) = rest.strip_prefix('>').filter(|_| depth < DEPTH) {
        depth += 1;
        rest = match more.strip_prefix(' ') {
            Some(behind) if behind.starts_with('>') => behind,
            _ => more,
        };
    }
    (depth, rest.strip_prefix(' ').unwrap_or(rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> String {
        let words = Words { leads_to: String::new(), quoted: Some("Q".into()) };
        super::text(text, &words)
            .replace("<div class=\"plain-text\" dir=\"auto\">", "[")
            .replace("</div>", "]")
    }

    #[test]
    fn links_lead_where_those_of_html_may() {
        let link = |to: &str, text: &str| {
            format!("[<a href=\"{to}\" rel=\"noopener noreferrer\" target=\"_blank\">{text}</a>]")
        };
        for (text, to) in [
            ("mailto:a@b.example?attach=/x", "mailto:a@b.example"),
            ("mailto:a@b.example?subject=x%20y", "mailto:a@b.example?subject=x%20y"),
            ("https://a.example/x?y=1#z", "https://a.example/x?y=1#z"),
        ] {
            assert_eq!(shown(text), link(to, text), "{text}");
        }
        let hidden = shown("mailto:a@b.example?attach=/x&bcc=c@d.example");
        assert!(hidden.contains("href=\"mailto:a@b.example\""), "{hidden}");
        assert_eq!(shown("https://a.example:99999/"), "[https://a.example:99999/]");
    }

    #[test]
    fn quotations() {
        let fold = |inside: &str| format!("<details class=\"quote\"><summary>Q</summary>{inside}</details>");
        let long = "> x\n".repeat(20);
        for (text, want) in [
            ("a\nb", "[a\nb]".to_owned()),
            ("a\n\n> q\n", format!("[a]{}", fold("<blockquote>[q]</blockquote>"))),
            ("> only\n", "<blockquote>[only]</blockquote>".into()),
            ("> q\na\n", "<blockquote>[q]</blockquote>[a]".into()),
            ("a\n> q\nb\n", "[a]<blockquote>[q]</blockquote>[b]".into()),
            (
                "a\n>> old\n> > old\n> new\n",
                format!("[a]{}", fold("<blockquote><blockquote>[old\nold]</blockquote>[new]</blockquote>")),
            ),
            (">From here", "[&gt;From here]".into()),
            ("", String::new()),
            ("a\n> <b>", format!("[a]{}", fold("<blockquote>[&lt;b&gt;]</blockquote>"))),
        ] {
            assert_eq!(shown(text), want, "{text:?}");
        }
        assert!(
            shown(&format!("a\n{long}b")).contains("<details"),
            "a long one is folded although an answer follows"
        );
        assert!(!shown(&"> q\na\n".repeat(1_000)).contains("<blockquote>"), "too many are left as they are");
        let deep = shown(&format!("a\n{} x", ">".repeat(100_000)));
        assert_eq!(deep.matches("<blockquote>").count(), DEPTH);
    }

    proptest! {
        #[test]
        fn elements_are_closed_in_order(text in "([>]{0,3}[ ]?[a-z<&]{0,3}\n?){0,40}") {
            let html = shown(&text);
            for element in ["blockquote", "details", "summary"] {
                prop_assert_eq!(html.matches(&format!("<{element}")).count(), html.matches(&format!("</{element}>")).count());
            }
            let bare = ["<blockquote>", "</blockquote>", "<details class=\"quote\">", "</details>", "<summary>", "</summary>"]
                .iter().fold(html, |html, tag| html.replace(tag, ""));
            prop_assert!(!bare.contains('<'), "{}", bare);
        }
    }
}
