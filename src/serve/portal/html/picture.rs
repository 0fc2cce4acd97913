//! The pictures of somebody else's HTML: those that came along as `data:`, those of other servers counted.

use crate::serve::portal::html::Pictures;
use crate::serve::portal::html::markup::Piece;
use crate::serve::portal::html::markup::attribute;
use crate::serve::portal::html::markup::pieces;
use crate::serve::portal::html::markup::visible;
use ammonia::url::Url;
use data_encoding::BASE64;
use data_encoding::BASE64_NOPAD;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// `data:` pictures in one document, octets.
const INLINE: usize = 10 << 20;
/// Servers named.
const HOSTS: usize = 100;

/// What cleaning has met so far.
#[derive(Default)]
pub struct Seen {
    /// Pictures that were not loaded, by host.
    pub blocked: BTreeMap<String, usize>,
}

impl Seen {
    /// What a picture's `src` becomes.
    ///
    /// Those in `names` keep their Content-ID, to be resolved at the end.
    pub fn picture(&mut self, source: &str, names: &BTreeSet<String>) -> Option<String> {
        let Ok(url) = Url::parse(source.trim()) else {
            self.remote(source);
            return None;
        };
        match url.scheme() {
            "cid" => names.contains(&decoded(url.path())).then(|| url.into()),
            "data" if is_picture(source.trim()) => Some(source.trim().to_owned()),
            _ => {
                self.remote(source);
                None
            }
        }
    }

    /// Notes that a picture of another server was asked for.
    pub fn remote(&mut self, source: &str) {
        let source = source.trim().trim_matches(['"', '\'']);
        let absolute = if source.starts_with("//") { format!("https:{source}") } else { source.to_owned() };
        let Ok(url) = Url::parse(&absolute) else { return };
        let Some(host) = url.host_str().filter(|_| matches!(url.scheme(), "http" | "https")) else { return };
        if self.blocked.len() < HOSTS || self.blocked.contains_key(host) {
            *self.blocked.entry(host.to_owned()).or_default() += 1;
        }
    }

    /// The same for every `url()` of a style.
    pub fn remote_style(&mut self, style: &str) {
        let lower = style.to_ascii_lowercase();
        for rest in lower.split("url(").skip(1).take(HOSTS) {
            self.remote(rest.split(')').next().unwrap_or_default());
        }
    }
}

/// The Content-IDs of the pictures that cleaned HTML has places for where they are seen, each once, in the order of their
/// first places.
pub fn named(html: &str) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let all: Vec<Piece<'_>> = pieces(html).collect();
    let tags = visible(&all).into_iter().filter_map(|piece| match piece {
        Piece::Start(tag, "img") => content_id(tag),
        _ => None,
    });
    tags.filter(|name| seen.insert(name.clone())).collect()
}

/// The Content-ID that a cleaned `img` names.
fn content_id(tag: &str) -> Option<String> {
    let url = attribute(tag, "src").filter(|source| source.starts_with("cid:"))?;
    Url::parse(&url).ok().map(|url| decoded(url.path()))
}

/// What pictures may take in one document: each once what it needs, and again what is left.
pub struct Room {
    /// Names of those that stand nowhere yet.
    fresh: BTreeSet<String>,
    /// Octets for those that stand somewhere.
    left: usize,
}

impl Room {
    /// For these pictures.
    pub fn new(pictures: &Pictures) -> Self {
        let once = pictures.values().map(String::len).sum();
        Self { fresh: pictures.keys().cloned().collect(), left: (INLINE / 3 * 4).saturating_sub(once) }
    }

    fn take(&mut self, name: &str, length: usize) -> bool {
        if self.fresh.remove(name) {
            return true;
        }
        let left = self.left.checked_sub(length);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }
}

/// Puts the pictures that came along in their places.
pub fn resolved(html: &str, pictures: &Pictures, room: &mut Room) -> String {
    let mut out = String::with_capacity(html.len());
    for piece in pieces(html) {
        let Piece::Start(tag, "img") = piece else {
            out.push_str(piece.written());
            continue;
        };
        let Some(name) = content_id(tag) else {
            out.push_str(tag);
            continue;
        };
        let data = pictures.get(&name).filter(|data| room.take(&name, data.len()));
        let (before, behind) = tag.split_once(" src=\"").unwrap_or((tag, ""));
        let behind = behind.split_once('"').map_or("", |(_, behind)| behind);
        out.push_str(before);
        if let Some(data) = data {
            out.push_str(" src=\"");
            out.push_str(data);
            out.push('"');
        }
        out.push_str(behind);
    }
    out
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

/// A picture in base64 that is what it says it is, of a kind that holds no script.
pub fn is_picture(url: &str) -> bool {
    let Some((kind, data)) = url.split_once(";base64,") else { return false };
    let Some(kind) = kind.get(..5).filter(|scheme| scheme.eq_ignore_ascii_case("data:")).and(kind.get(5..))
    else {
        return false;
    };
    let start = data.get(..data.len().min(16)).unwrap_or_default();
    let bytes = BASE64
        .decode(start.as_bytes())
        .or_else(|_| BASE64_NOPAD.decode(start.trim_end_matches('=').as_bytes()));
    data.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='))
        && bytes.is_ok_and(|bytes| picture_kind(&bytes).is_some_and(|known| known.eq_ignore_ascii_case(kind)))
}

/// What a picture truly is, whatever it is called; kinds that hold no script.
pub fn picture_kind(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_a_picture_is_one() {
        for (url, want) in [
            ("data:image/png;base64,iVBORw0KGgo=", true),
            ("DATA:IMAGE/PNG;base64,iVBORw0KGgoAAAANSUhEUg", true),
            ("data:image/gif;base64,R0lGODlhAQAB", true),
            ("data:image/jpeg;base64,/9j/4A==", true),
            ("data:image/webp;base64,UklGRiQAAABXRUJQ", true),
            ("data:image/png;base64,R0lGODlhAQAB", false),
            ("data:image/png;base64,PHN2ZyBvbmxvYWQ9", false),
            ("data:image/svg+xml;base64,iVBORw0KGgo=", false),
            ("data:image/png;base64,iVBORw0KGgo=\" onload=x", false),
            ("data:image/png,iVBORw0KGgo=", false),
            ("data:;base64,iVBORw0KGgo=", false),
            ("x", false),
        ] {
            assert_eq!(is_picture(url), want, "{url}");
        }
    }

    #[test]
    fn what_other_servers_would_hear_is_counted() {
        let mut seen = Seen::default();
        for source in
            ["https://a.example/1", "//b.example/2", "http:c.example", "cid:x", "x.png", "ftp://d.example/"]
        {
            assert_eq!(seen.picture(source, &BTreeSet::new()), None);
        }
        seen.remote_style(
            "color: red; background: URL( 'http://a.example/x' ) no-repeat, url(\"//e.example\")",
        );
        let hosts: Vec<_> = seen.blocked.iter().map(|(host, count)| (host.as_str(), *count)).collect();
        assert_eq!(hosts, [("a.example", 2), ("b.example", 1), ("c.example", 1), ("e.example", 1)]);
    }
}
