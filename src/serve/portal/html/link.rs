//! Where links truly lead, said beside them.

use crate::serve::portal::html::markup::Piece;
use crate::serve::portal::html::markup::attribute;
use crate::serve::portal::html::markup::pieces;
use crate::serve::portal::html::markup::plain;
use ammonia::url::Url;

/// Web and mail addresses, without user information; everything else is no link.
pub fn target(target: &str) -> Option<String> {
    let mut url = Url::parse(target.trim()).ok()?;
    match url.scheme() {
        "http" | "https" => {
            url.set_username("").ok()?;
            url.set_password(None).ok()?;
            Some(url.to_string())
        }
        // Only whom to write to and about what: some mail programs attach files or send copies on request.
        "mailto" => Some(mail(&url)),
        _ => None,
    }
}

fn mail(url: &Url) -> String {
    let subject = url
        .query_pairs()
        .find(|(name, _)| name.eq_ignore_ascii_case("subject"))
        .map(|(_, text)| text.into_owned());
    let mut kept = url.clone();
    kept.set_fragment(None);
    kept.set_query(None);
    if let Some(subject) = subject {
        kept.query_pairs_mut().append_pair("subject", &subject);
    }
    // Mail programs do not read `+` as a blank (RFC 6068 §5).
    match kept.as_str().split_once('?') {
        Some((to, query)) => format!("{to}?{}", query.replace('+', "%20")),
        None => kept.into(),
    }
}

/// Writes behind every link whose text does not begin with it where it leads; louder, with `leads_to` in front, where
/// the text looks like another address.
pub fn told(html: &str, leads_to: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut open: Option<(Place, String)> = None;
    for piece in pieces(html) {
        match (piece, &mut open) {
            (Piece::End(_, "a"), _) => {
                if let Some((place, words)) = open.take() {
                    out.push_str(&hint(&place, &words, leads_to));
                }
            }
            (Piece::Start(tag, "a"), _) => {
                out.push_str(tag);
                open = place(tag).map(|place| (place, String::new()));
                continue;
            }
            (Piece::Start(tag, "img"), Some((_, words))) => {
                words.push_str(&attribute(tag, "alt").unwrap_or_default());
            }
            (Piece::Text(text), Some((_, words))) => words.push_str(&plain(text)),
            _ => {}
        }
        out.push_str(piece.written());
    }
    out
}

/// Where a link leads.
enum Place {
    /// A host, in its ASCII form.
    Host(String),
    /// A mail address.
    Mail(String),
}

fn place(tag: &str) -> Option<Place> {
    let url = Url::parse(&attribute(tag, "href")?).ok()?;
    match url.scheme() {
        "http" | "https" => url.host_str().map(|host| Place::Host(host.to_owned())),
        "mailto" => Some(Place::Mail(url.path().to_ascii_lowercase())),
        _ => None,
    }
}

fn hint(place: &Place, words: &str, leads_to: &str) -> String {
    let words: String = words.chars().filter(|&c| !is_unseen(c)).collect::<String>().trim().to_lowercase();
    let (place, says, other) = match place {
        Place::Host(host) => (host, begins_with_host(&words, host), looks_like_address(&words)),
        Place::Mail(address) => (address, words.contains(address.as_str()), words.contains('@')),
    };
    let place = escaped(place);
    match (says, other) {
        (true, _) => String::new(),
        (false, true) => format!(" <bdi class=\"host other\">[{} {place}]</bdi>", escaped(leads_to)),
        // A mail program shows whom it writes to.
        (false, false) if place.contains('@') => String::new(),
        (false, false) => format!(" <bdi class=\"host\">[{place}]</bdi>"),
    }
}

/// Takes no room, or turns the text around.
const fn is_unseen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Whether the text of a link says where it leads.
fn begins_with_host(words: &str, host: &str) -> bool {
    let words = words.strip_prefix("https://").or(words.strip_prefix("http://")).unwrap_or(words);
    let behind = words.strip_prefix(host).or_else(|| words.strip_prefix(host.strip_prefix("www.")?));
    behind.is_some_and(|behind| behind.is_empty() || behind.starts_with(['/', '?', '#']))
}

/// Whether a text holds what people take for an address of the web: `bank.example`, `https:`, `www.`.
fn looks_like_address(words: &str) -> bool {
    words.split_whitespace().any(|word| {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric());
        let name = word.split(['/', '?', '#', ':']).next().unwrap_or_default();
        let last = name.rsplit_once('.').map_or("", |(_, last)| last);
        word.contains("://")
            || word.starts_with("www.")
            || (last.chars().count() >= 2 && last.chars().all(char::is_alphabetic))
    })
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        for (link, want) in [
            ("https://a.example/x?y=1#z", Some("https://a.example/x?y=1#z")),
            (" HTTPS://A.example ", Some("https://a.example/")),
            ("https://bank.example@evil.example/", Some("https://evil.example/")),
            ("https://u:p@evil.example/", Some("https://evil.example/")),
            ("https:/evil.example/", Some("https://evil.example/")),
            ("mailto:a@b.example", Some("mailto:a@b.example")),
            (
                "mailto:a@b.example?attach=/x&subject=a%20b&bcc=c@d.example",
                Some("mailto:a@b.example?subject=a%20b"),
            ),
            ("javascript:canary()", None),
            ("data:text/html,x", None),
            ("ftp://a.example/", None),
            ("tel:110", None),
            ("/relative", None),
            ("//a.example/", None),
            ("", None),
        ] {
            assert_eq!(target(link).as_deref(), want, "{link}");
        }
    }

    #[test]
    fn texts_that_look_like_addresses() {
        for (words, want) in [
            ("bank.example", true),
            ("see www.bank.example.", true),
            ("https://x", true),
            ("(bank.example/path)", true),
            ("click here", false),
            ("version 1.2", false),
            ("3.50 euros", false),
            ("and so on...", false),
            ("", false),
        ] {
            assert_eq!(looks_like_address(words), want, "{words}");
        }
    }
}
