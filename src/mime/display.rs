//! What strangers wrote, made fit to be shown: text as HTML, file names, lines of a list.

use crate::base::address::Domain;

/// Text as HTML for an element that keeps white space (`white-space: pre-wrap`): escaped, with `http`, `https` and
/// `mailto` links that can be followed to what `target` makes of them. Controls that turn the direction of text around
/// are left out.
pub fn text_to_html(text: &str, target: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    let mut rest = text;
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        let found = if before.is_alphanumeric() { None } else { url_at(rest) };
        let length = found.as_ref().map_or(c.len_utf8(), |url| url.length);
        let (taken, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        match found.filter(|url| url.is_link).and_then(|_| target(taken)) {
            Some(target) => push_link(&mut out, taken, &target),
            None => taken.chars().for_each(|c| push_escaped(&mut out, c)),
        }
        before = taken.chars().next_back().unwrap_or(' ');
        rest = after;
    }
    out
}

/// Text as HTML without links.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    text.chars().for_each(|c| push_escaped(&mut out, c));
    out
}

fn push_escaped(out: &mut String, c: char) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '"' => out.push_str("&quot;"),
        '\'' => out.push_str("&#39;"),
        '\n' | '\t' => out.push(c),
        c if c.is_control() || turns_direction(c) => {}
        c => out.push(c),
    }
}

/// What looks like a URL.
struct Url {
    /// Octets.
    length: usize,
    /// It leads where it seems to lead.
    is_link: bool,
}

/// The URL at the start of `text`. Nothing in it is looked at twice, whether it becomes a link or not.
fn url_at(text: &str) -> Option<Url> {
    let scheme = ["https://", "http://", "mailto:"]
        .into_iter()
        .find(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))?;
    const LONGEST: usize = 2_000;
    let end = text
        .char_indices()
        .find(|&(at, c)| {
            at > LONGEST
                || c.is_whitespace()
                || c.is_control()
                || "<>\"`{}|\\^".contains(c)
                || turns_direction(c)
        })
        .map_or(text.len(), |(at, _)| at);
    let url = without_punctuation(text.get(..end)?);
    let rest = url.get(scheme.len()..).unwrap_or_default();
    // A name in front of an @ passes for the host: no link.
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let leads = scheme == "mailto:" || (!authority.contains('@') && host(authority).is_some());
    let is_link = !rest.is_empty() && leads;
    Some(Url { length: if is_link { url.len() } else { end }, is_link })
}

/// Without what ends a sentence; a closing bracket belongs to the URL if it was opened in it.
fn without_punctuation(url: &str) -> &str {
    let count = |c| url.matches(c).count();
    let mut round = count(')').saturating_sub(count('('));
    let mut square = count(']').saturating_sub(count('['));
    let mut url = url;
    while let Some(c) = url.chars().next_back().filter(|c| ".,;:!?'*_)]»”’".contains(*c)) {
        match c {
            ')' if round == 0 => break,
            ']' if square == 0 => break,
            ')' => round -= 1,
            ']' => square -= 1,
            _ => {}
        }
        url = url.strip_suffix(c).unwrap_or_default();
    }
    url
}

/// The host of an authority as DNS knows it.
fn host(authority: &str) -> Option<String> {
    let name = match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => authority,
    };
    if name.starts_with('[') {
        return name.ends_with(']').then(|| name.to_owned());
    }
    Domain::parse(name).ok().map(|domain| domain.as_str().to_owned())
}

fn push_link(out: &mut String, url: &str, target: &str) {
    out.push_str("<a href=\"");
    target.chars().for_each(|c| push_escaped(out, c));
    out.push_str("\" rel=\"noopener noreferrer\" target=\"_blank\">");
    url.chars().for_each(|c| push_escaped(out, c));
    out.push_str("</a>");
    // A host in other letters than it seems: the one that DNS knows stands beside it.
    let authority =
        url.split_once("://").map(|(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or_default());
    if let Some(ascii) = authority.filter(|authority| !authority.is_ascii()).and_then(host) {
        out.push_str(" [");
        ascii.chars().for_each(|c| push_escaped(out, c));
        out.push(']');
    }
}

/// Marks, embeddings, overrides and isolates of bidirectional text, and characters without a width.
const fn turns_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

const fn is_invisible(c: char) -> bool {
    turns_direction(c)
        || matches!(
            c,
            '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
                | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{2065}'
                | '\u{206a}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
                | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
        )
}

/// One line for a list: white space folded, nothing invisible, at most `most` characters.
pub fn single_line(text: &str, most: usize) -> String {
    let mut out = String::new();
    let mut count = 0;
    let mut gap = false;
    for c in text.chars() {
        if c.is_whitespace() || c.is_control() {
            gap = count > 0;
            continue;
        }
        if turns_direction(c) || matches!(c, '\u{200b}'..='\u{200f}' | '\u{feff}' | '\u{00ad}' | '\u{034f}') {
            continue;
        }
        if count + usize::from(gap) >= most {
            out.push('…');
            return out;
        }
        if std::mem::take(&mut gap) {
            out.push(' ');
            count += 1;
        }
        out.push(c);
        count += 1;
    }
    out
}

/// A file name that is only a name on every system: no path, nothing invisible, no reserved word, no run of blanks that
/// pushes its end out of sight, at most 200 characters and 255 octets; its last two endings are kept. Nothing left is
/// `attachment`.
pub fn file_name(name: &str) -> String {
    const MOST: usize = 200;
    let last = name.rsplit(is_separator).next().unwrap_or_default();
    let mut clean = String::new();
    for c in last.chars().filter(|&c| !c.is_control() && !is_invisible(c)) {
        match c {
            c if c.is_whitespace() && clean.ends_with(' ') => {}
            c if c.is_whitespace() => clean.push(' '),
            '<' | '>' | ':' | '"' | '|' | '?' | '*' => clean.push('_'),
            c => clean.push(c),
        }
    }
    let clean = clean.trim_matches(|c| c == '.' || c == ' ');
    if clean.is_empty() {
        return "attachment".into();
    }
    let endings = endings(clean);
    let stem = clean.get(..clean.len() - endings.len()).unwrap_or_default();
    let room = MOST - endings.chars().count();
    let mut out: String = stem.chars().take(room).collect();
    // The most that common file systems take; one octet is for a reserved word.
    while out.len() + endings.len() > 254 {
        out.pop();
    }
    if is_reserved(clean) {
        out.insert(0, '_');
    }
    out.push_str(endings);
    out
}

/// What stands between the names of a path, or looks like it.
pub const fn is_separator(c: char) -> bool {
    matches!(c, '/' | '\\' | '\u{2044}' | '\u{2215}' | '\u{29f5}' | '\u{29f8}' | '\u{ff0f}' | '\u{ff3c}')
}

/// The last two endings of a name with their dots, each of at most 16 characters; none is taken for the whole name.
fn endings(name: &str) -> &str {
    let mut rest = name;
    for _ in 0..2 {
        let Some((stem, ending)) = rest.rsplit_once('.') else { break };
        if stem.is_empty() || ending.is_empty() || ending.chars().count() > 16 {
            break;
        }
        rest = stem;
    }
    name.get(rest.len()..).unwrap_or_default()
}

/// Names of devices on Windows.
fn is_reserved(stem: &str) -> bool {
    let first = stem.split('.').next().unwrap_or_default().trim().to_ascii_uppercase();
    let port = first.strip_prefix("COM").or_else(|| first.strip_prefix("LPT"));
    matches!(first.as_str(), "CON" | "PRN" | "AUX" | "NUL")
        || port.is_some_and(|rest| rest.len() == 1 && rest.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn as_written(url: &str) -> Option<String> {
        Some(url.to_owned())
    }

    #[test]
    fn links_only_what_it_shows() {
        let link =
            |url: &str| format!("<a href=\"{url}\" rel=\"noopener noreferrer\" target=\"_blank\">{url}</a>");
        for (text, want) in [
            ("a < b & \"c\" 'd'", "a &lt; b &amp; &quot;c&quot; &#39;d&#39;".to_owned()),
            ("see https://x.example/a?b=c#d.", format!("see {}.", link("https://x.example/a?b=c#d"))),
            ("(http://x.example/a(b))", format!("({})", link("http://x.example/a(b)"))),
            ("<https://x.example>", format!("&lt;{}&gt;", link("https://x.example"))),
            ("HTTPS://x.example:8443/", link("HTTPS://x.example:8443/")),
            ("mailto:a@x.example, ok", format!("{}, ok", link("mailto:a@x.example"))),
            ("https://x.example/?a=1&b=2", link("https://x.example/?a=1&amp;b=2")),
            ("javascript:alert(1)", "javascript:alert(1)".into()),
            ("data:text/html,x", "data:text/html,x".into()),
            ("xhttps://x.example", "xhttps://x.example".into()),
            ("https://", "https://".into()),
            ("https://bank.example@evil.example/", "https://bank.example@evil.example/".into()),
            ("https://a b", link("https://a") + " b"),
            ("https://x.example/\u{202e}fdp", link("https://x.example/") + "fdp"),
            ("https://x.example/\"onclick=x", link("https://x.example/") + "&quot;onclick=x"),
            ("https://bücher.example/", link("https://bücher.example/") + " [xn--bcher-kva.example]"),
            ("a\u{202e}b\0c\r\nd", "abc\nd".into()),
        ] {
            assert_eq!(text_to_html(text, as_written), want, "{text:?}");
        }
    }

    #[test]
    fn names_are_only_names() {
        for (name, want) in [
            ("report.pdf", "report.pdf"),
            ("../../etc/passwd", "passwd"),
            ("C:\\dir\\x.doc", "x.doc"),
            ("a\0b\r\n.txt", "ab.txt"),
            ("invoice\u{202e}fdp.exe", "invoicefdp.exe"),
            ("zero\u{200b}width.txt", "zerowidth.txt"),
            ("..", "attachment"),
            ("", "attachment"),
            ("...hidden", "hidden"),
            ("trailing. . .", "trailing"),
            ("con.txt", "_con.txt"),
            ("COM1", "_COM1"),
            ("a<b>:\"|?*.x", "a_b______.x"),
            ("grüße 漢字.txt", "grüße 漢字.txt"),
            ("dir/", "attachment"),
            ("a\u{ff0f}b\u{2215}c.txt", "c.txt"),
            ("invoice.pdf        \u{a0}   .exe", "invoice.pdf .exe"),
            ("two \u{3000} gaps.txt", "two gaps.txt"),
            (".tar.gz", "tar.gz"),
        ] {
            assert_eq!(file_name(name), want, "{name:?}");
        }
        let long = file_name(&format!("{}.pdf", "ü".repeat(10_000)));
        assert!(long.len() <= 255 && long.ends_with(".pdf"));
        let double = file_name(&format!("{}.pdf.exe", "a".repeat(300)));
        assert!(double.chars().count() == 200 && double.ends_with("a.pdf.exe"), "{double}");
    }

    #[test]
    fn lines_for_lists() {
        for (text, most, want) in [
            ("  a\r\n\tb  ", 10, "a b"),
            ("abcdef", 3, "abc…"),
            ("abc", 3, "abc"),
            ("abc  ", 3, "abc"),
            ("ab c", 3, "ab…"),
            ("a\u{202e}b", 9, "ab"),
            ("", 3, ""),
        ] {
            assert_eq!(single_line(text, most), want, "{text:?}");
        }
    }

    /// What grew with the square of the length would take minutes here.
    #[test]
    fn bombs_cost_no_more_than_their_length() {
        for piece in ["http://", "https://a)", "http://_)))", "mailto:", "http://a@", "(", ".", "https://ü."]
        {
            let bomb = piece.repeat(200_000 / piece.len());
            assert!(text_to_html(&bomb, as_written).len() <= 12 * bomb.len(), "{piece}");
            assert!(
                single_line(&bomb, 100).chars().count() <= 101 && file_name(&bomb).len() <= 255,
                "{piece}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_markup_comes_through(text in any::<String>()) {
            let html = text_to_html(&text, as_written);
            let bare = html.replace("<a href=\"", "").replace("</a>", "")
                .replace("\" rel=\"noopener noreferrer\" target=\"_blank\">", "");
            prop_assert!(!bare.contains(['<', '>', '"', '\'']));
        }

        #[test]
        fn every_name_is_a_name(name in any::<String>()) {
            let name = file_name(&name);
            prop_assert!(!name.is_empty() && name.len() <= 255 && !name.contains(['/', '\\', '\0']));
            prop_assert!(!name.starts_with('.') && !name.chars().any(char::is_control));
            prop_assert_eq!(file_name(&name), name.clone());
        }
    }
}
