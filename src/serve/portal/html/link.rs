//! Where links truly lead, said beside them.

use crate::serve::portal::html::markup::Piece;
use crate::serve::portal::html::markup::attribute;
use crate::serve::portal::html::markup::displayed;
use crate::serve::portal::html::markup::is_hidden;
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

/// Writes behind every link whose text is not its address where it leads; louder, with `leads_to` in front, where the
/// text looks like another address.
pub fn told(html: &str, leads_to: &str) -> String {
    let mut out = String::with_capacity(html.len());
    // A link in a table in a link is one of its own.
    let mut open: Vec<Link> = Vec::new();
    for piece in pieces(html) {
        match piece {
            Piece::End(_, "a") => {
                out.push_str(&open.pop().map(|link| link.hint(leads_to)).unwrap_or_default());
            }
            Piece::Start(tag, "a") => open.push(Link { place: place(tag), ..Link::default() }),
            piece => {
                if let Some(link) = open.last_mut() {
                    link.take(piece);
                }
            }
        }
        match piece {
            // What is hidden in it could part an address.
            Piece::Start(tag, name) if name != "a" && !open.is_empty() && is_hidden(tag) => {
                out.push_str(&displayed(tag));
            }
            piece => out.push_str(piece.written()),
        }
    }
    out
}

/// A link, read as far as its text goes.
#[derive(Default)]
struct Link {
    place: Option<Place>,
    /// Its text, and what its pictures are called.
    words: String,
    /// Its text, joined where a blank could be hidden.
    joined: String,
    /// Something stands in it that may show anything.
    is_mixed: bool,
    /// An element with attributes was opened in it.
    is_styled: bool,
    has_text: bool,
    /// Its text met an element that may hide one side of it.
    has_seam: bool,
}

/// Elements that hide and part nothing, as long as they have no attributes.
const PLAIN: &[&str] = &["b", "em", "font", "i", "span", "strong", "u", "wbr"];
/// Elements that break the line.
const LINES: &[&str] = &["br", "center", "div", "p"];

impl Link {
    fn take(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::Text(text) => {
                let text = plain(text);
                self.words.push_str(&text);
                self.joined.push_str(if self.is_styled { text.trim() } else { &text });
                if !text.trim().is_empty() {
                    self.has_text = true;
                    self.is_mixed |= self.has_seam;
                }
            }
            Piece::Start(tag, name) => {
                self.is_styled |= tag.contains('=');
                self.meets(name);
                if name == "img" {
                    self.words.push_str(&attribute(tag, "alt").unwrap_or_default());
                }
            }
            Piece::End(_, name) => self.meets(name),
        }
    }

    /// A tag of an element in it.
    fn meets(&mut self, name: &str) {
        let breaks = LINES.contains(&name);
        let is_known = breaks || PLAIN.contains(&name);
        if breaks {
            self.joined.push(' ');
        }
        self.is_mixed |= !is_known;
        self.has_seam |= self.has_text && (breaks || self.is_styled);
    }

    fn hint(&self, leads_to: &str) -> String {
        let Some(place) = &self.place else { return String::new() };
        let seen = |text: &str| text.chars().filter(|&c| !is_unseen(c)).collect::<String>().to_lowercase();
        let words = seen(&self.words);
        let text = self.words.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        let is_whole = !self.is_mixed && text.chars().all(is_plain);
        let (place, says, other) = match place {
            Place::Host(host) => (
                host,
                is_whole && begins_with_host(&text, host),
                looks_like_address(&words) || looks_like_address(&seen(&self.joined)),
            ),
            Place::Mail(address) => (address, is_whole && names(&text, address), words.contains('@')),
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
}

/// Is seen, and stands where it is written: no letter that runs from right to left, nor one that looks like a blank.
const fn is_plain(c: char) -> bool {
    c == ' ' || c.is_ascii_graphic() || matches!(c, '\u{c0}'..='\u{24f}' | '\u{370}'..='\u{58f}')
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

/// Takes no room, or turns the text around.
const fn is_unseen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Whether the text of a link is the address of a page of `host`.
fn begins_with_host(words: &str, host: &str) -> bool {
    if words.contains(' ') {
        return false;
    }
    let words = words.strip_prefix("https://").or(words.strip_prefix("http://")).unwrap_or(words);
    let behind = words.strip_prefix(host).or_else(|| words.strip_prefix(host.strip_prefix("www.")?));
    behind.is_some_and(|behind| behind.is_empty() || behind.starts_with(['/', '?', '#']))
}

/// Whether a text names this mail address, and no other one.
fn names(words: &str, address: &str) -> bool {
    words.matches('@').count() == address.matches('@').count()
        && words.split(' ').any(|word| {
            let word = word.trim_matches(|c: char| "()[]<>\"',;:.!?".contains(c));
            word.strip_prefix("mailto:").unwrap_or(word) == address
        })
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
