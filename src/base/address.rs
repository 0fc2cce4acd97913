//! Mail addresses and domains: parsed once, into types that cannot be wrong.

use std::fmt;
use thiserror::Error;
use unicode_normalization::UnicodeNormalization;

/// A DNS domain in lower-case A-label form, at most 253 octets.
///
/// RFC 5321 §4.5.3.1.2 (length), RFC 5890 §2.3.2.1 (A-label).
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Domain(Box<str>);

impl Domain {
    /// Reads `text` (U-labels allowed, a final dot ignored) as a domain; the only way to obtain one.
    pub fn parse(text: &str) -> Result<Self, BadAddress> {
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.is_empty() || text.len() > 1024 {
            return Err(BadAddress::Domain);
        }
        let ascii = idna::domain_to_ascii_cow(text.as_bytes(), idna::AsciiDenyList::STD3)
            .map_err(|_| BadAddress::Domain)?
            .to_ascii_lowercase();
        if ascii.len() > 253 || !ascii.split('.').all(is_label) {
            return Err(BadAddress::Domain);
        }
        Ok(Self(ascii.into()))
    }

    /// The A-label form, as DNS and SMTP without SMTPUTF8 want it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form for people: U-labels where they are valid.
    pub fn to_unicode(&self) -> String {
        idna::domain_to_unicode(&self.0).0
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// RFC 1035 §2.3.1, RFC 1123 §2.1: letters, digits, inner hyphens, at most 63 octets.
fn is_label(label: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
    !label.is_empty()
        && label.len() <= 63
        && label.chars().all(inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// A mailbox address as it was written: local part (quoted only where it must be) and domain.
///
/// RFC 5321 §4.1.2, RFC 6531 §3.3 (UTF-8 local parts). Equality is of the written form;
/// whether two addresses name the same mailbox is asked of [`Address::key`].
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Address {
    local: Box<str>,
    domain: Domain,
}

impl Address {
    /// Reads `local@domain`, without angle brackets.
    ///
    /// Limits: local part 64 octets, domain 253 (RFC 5321 §4.5.3.1). Address literals are refused.
    pub fn parse(text: &str) -> Result<Self, BadAddress> {
        let (local, domain) = split(text)?;
        if domain.starts_with('[') {
            return Err(BadAddress::Literal);
        }
        let local = canonical_local(local)?;
        Ok(Self { local: local.into(), domain: Domain::parse(domain)? })
    }

    /// Joins a local part that is a plain dot-atom or quoted string with a domain.
    pub fn new(local: &str, domain: Domain) -> Result<Self, BadAddress> {
        Ok(Self { local: canonical_local(local)?.into(), domain })
    }

    /// The local part in wire form (a quoted string only where it must be one).
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The domain.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Needs the peer to offer SMTPUTF8 (RFC 6531 §3.4).
    pub fn needs_smtputf8(&self) -> bool {
        !self.local.is_ascii()
    }

    /// The one normalised form: index, sign-in, commands and key look-up compare by it.
    ///
    /// NFC, local part in Unicode lower case, domain as lower-case A-labels; dots and plus kept.
    pub fn key(&self) -> AddressKey {
        let local: String = self.local.nfc().collect::<String>().to_lowercase();
        AddressKey(format!("{}@{}", local.nfc().collect::<String>(), self.domain).into())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

/// An address in its normalised form; see [`Address::key`].
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AddressKey(Box<str>);

impl AddressKey {
    /// The normalised text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is no address.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum BadAddress {
    /// No `@`, or nothing in front of it.
    #[error("not a mail address")]
    Shape,
    /// RFC 5321 §4.5.3.1.1.
    #[error("the local part is longer than 64 octets")]
    LocalLength,
    /// A character that a local part may not hold.
    #[error("the local part has a forbidden character")]
    LocalCharacter,
    /// Empty, too long, or with a bad label.
    #[error("the domain is not valid")]
    Domain,
    /// RFC 5321 §4.1.3: `user@[192.0.2.1]`.
    #[error("address literals are not accepted; a domain name is needed")]
    Literal,
}

/// Splits at the last `@` outside a quoted string.
fn split(text: &str) -> Result<(&str, &str), BadAddress> {
    if text.starts_with('"') {
        let end = quoted_end(text).ok_or(BadAddress::Shape)?;
        let domain = text[end..].strip_prefix('@').ok_or(BadAddress::Shape)?;
        return Ok((&text[..end], domain));
    }
    text.rsplit_once('@').ok_or(BadAddress::Shape)
}

/// The index behind the closing quote of a quoted string at the start of `text`.
fn quoted_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Checks a local part and unquotes it where the quotes are not needed.
fn canonical_local(local: &str) -> Result<String, BadAddress> {
    if local.is_empty() {
        return Err(BadAddress::Shape);
    }
    if local.len() > 64 {
        return Err(BadAddress::LocalLength);
    }
    if !local.starts_with('"') {
        return if is_dot_string(local) { Ok(local.into()) } else { Err(BadAddress::LocalCharacter) };
    }
    if quoted_end(local) != Some(local.len()) {
        return Err(BadAddress::LocalCharacter);
    }
    let inner = unescape(&local[1..local.len() - 1]);
    if inner.chars().any(char::is_control) {
        return Err(BadAddress::LocalCharacter);
    }
    if is_dot_string(&inner) {
        return Ok(inner);
    }
    let mut quoted = String::from("\"");
    for c in inner.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    Ok(quoted)
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    out
}

/// RFC 5321 §4.1.2 Dot-string, with UTF-8 (RFC 6531 §3.3).
fn is_dot_string(text: &str) -> bool {
    let atext = |c: char| {
        c.is_ascii_alphanumeric()
            || "!#$%&'*+-/=?^_`{|}~".contains(c)
            || (!c.is_ascii() && !c.is_control() && !c.is_whitespace())
    };
    text.split('.').all(|atom| !atom.is_empty() && atom.chars().all(atext))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_refuses_domains() {
        for (text, want) in [
            ("EXAMPLE.org", "example.org"),
            ("a.b.", "a.b"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("BÜCHER.example", "xn--bcher-kva.example"),
        ] {
            assert_eq!(Domain::parse(text).unwrap().as_str(), want, "{text}");
        }
        for text in ["", ".", "a..b", "-a.org", "a_b.org", "a b", &"x".repeat(64), &"a.".repeat(200)] {
            assert!(Domain::parse(text).is_err(), "{text} must be refused");
        }
    }

    #[test]
    fn reads_and_refuses_addresses() {
        for (text, want) in [
            ("Alice@EXAMPLE.org", "Alice@example.org"),
            ("a+b@x.example", "a+b@x.example"),
            ("\"a\"@x.example", "a@x.example"),
            ("\"a b\"@x.example", "\"a b\"@x.example"),
            ("\"a@b\"@x.example", "\"a@b\"@x.example"),
            ("müller@bücher.example", "müller@xn--bcher-kva.example"),
        ] {
            assert_eq!(Address::parse(text).unwrap().to_string(), want, "{text}");
        }
        let long = format!("{}@x.example", "l".repeat(65));
        for text in
            ["", "a", "@x", "a@", "a b@x", "a..b@x", ".a@x", "a@[127.0.0.1]", "\"a@x", "a\r\n@x", &long]
        {
            assert!(Address::parse(text).is_err(), "{text:?} must be refused");
        }
    }

    #[test]
    fn key_folds_case_and_composition_only() {
        let key = |text| Address::parse(text).unwrap().key();
        assert_eq!(key("Alice@Example.ORG"), key("alice@example.org"));
        assert_eq!(key("mu\u{308}ller@x.example"), key("MÜLLER@x.example"));
        assert_ne!(key("a.b@x.example"), key("ab@x.example"));
        assert_ne!(key("a+c@x.example"), key("a@x.example"));
    }
}
