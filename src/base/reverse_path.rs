//! The reverse path of a mail transaction: read leniently, for strangers have senders that no account here could have.

use crate::base::address::Address;
use std::fmt;

/// Whom a message comes from, as MAIL says (RFC 5321 §4.1.1.2).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum ReversePath {
    /// `<>`, the null sender of notifications.
    #[default]
    Null,
    /// An address.
    Address(Address),
    /// A path that is no [`Address`]: a local part beyond 64 octets (SRS, VERP), dots side by side, an underscore in
    /// the host, an address literal. It is shown and recorded; nothing is ever sent to it.
    Other(OtherPath),
}

/// The text of [`ReversePath::Other`]; only [`ReversePath::parse`] makes one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OtherPath(Box<str>);

/// Octets of a path (RFC 5321 §4.5.3.1.3).
const LENGTH: usize = 256;

impl ReversePath {
    /// Reads what stands between the angle brackets, without a route. `None`: it is no path at all.
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::Null);
        }
        match Address::parse(text) {
            Ok(address) => Some(Self::Address(address)),
            Err(_) => is_path(text).then(|| Self::Other(OtherPath(text.into()))),
        }
    }

    /// The address, if it is one.
    pub const fn address(&self) -> Option<&Address> {
        match self {
            Self::Address(address) => Some(address),
            Self::Null | Self::Other(_) => None,
        }
    }
}

/// Without angle brackets; empty for the null sender.
impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Address(address) => address.fmt(f),
            Self::Other(OtherPath(text)) => f.write_str(text),
        }
    }
}

/// Something, `@`, something; what could end the path or the line stands in quotes or nowhere.
fn is_path(text: &str) -> bool {
    let (mut quoted, mut escaped, mut at) = (false, false, None);
    for (index, c) in text.char_indices() {
        match c {
            _ if c.is_control() => return false,
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '<' | '>' => return false,
            _ if c.is_whitespace() => return false,
            '@' => at = Some(index),
            _ => {}
        }
    }
    let domain = at.and_then(|at| text.get(at + 1..)).unwrap_or_default();
    let whole = !quoted && !text.starts_with('@') && text.len() <= LENGTH;
    // A backslash at the end would quote the bracket behind it.
    whole && !domain.is_empty() && !domain.contains(['"', '\\'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_senders_that_are_no_addresses() {
        let longest = format!("{}@x.example", "l".repeat(LENGTH - "@x.example".len()));
        for text in [
            "firstname.lastname+SRS=AbCdE=FG=long-domain.example.com=other.person@contoso.com",
            "bounces+12345-ab12-first.last=company-name-long-enough.example.de@em1.sender.example",
            "www-data@web_01.example.net",
            "root@[192.0.2.7]",
            "root@[IPv6:2001:db8::7]",
            "a..b@docomo.example",
            "a.@docomo.example",
            "HOUSE\\scanner@printer",
            "\"a> \\\"b\"@web_01.example.net",
            longest.as_str(),
        ] {
            let path = ReversePath::parse(text).unwrap();
            assert_eq!(path.to_string(), text);
            let is_address = Address::parse(text).is_ok();
            assert_eq!(path.address().is_some(), is_address, "{text}");
        }
        assert_eq!(ReversePath::parse(""), Some(ReversePath::Null));
        let address = ReversePath::parse("Bob@X.example").unwrap();
        assert_eq!(address.address().map(ToString::to_string).as_deref(), Some("Bob@x.example"));
    }

    #[test]
    fn refuses_what_is_no_path() {
        let too_long = format!("{}@x.example", "l".repeat(LENGTH));
        for text in [
            "postmaster",
            "@x.example",
            "@a@x.example",
            "carol@",
            "carol jones@web_01.example",
            "carol\u{a0}jones@x.example",
            "carol@web_01.example jones",
            "a<b@x.example",
            "a>b@x.example",
            "carol@web_01.example>",
            "carol@web_01.example\\",
            "\"carol@web_01.example",
            "carol@\"web_01\".example",
            "\"@\"",
            "\"a\r\nb\"@web_01.example",
            "\"a\\\nb\"@web_01.example",
            "a\0b@x.example",
            "a\u{85}b@x.example",
            too_long.as_str(),
        ] {
            assert_eq!(ReversePath::parse(text), None, "{text:?}");
        }
    }
}
