//! Folder names: modified UTF-7 on the wire and the wildcards of LIST (RFC 3501 §5.1.3, §6.3.8).

use data_encoding::BASE64_NOPAD;

/// The hierarchy delimiter.
pub const DELIMITER: char = '/';

/// Writes a name in modified UTF-7.
pub fn encode(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut shifted: Vec<u8> = Vec::new();
    for c in name.chars() {
        if matches!(c, ' '..='~') {
            unshift(&mut out, &mut shifted);
            out.push_str(if c == '&' { "&-" } else { "" });
            if c != '&' {
                out.push(c);
            }
        } else {
            let mut units = [0; 2];
            shifted.extend(c.encode_utf16(&mut units).iter().flat_map(|unit| unit.to_be_bytes()));
        }
    }
    unshift(&mut out, &mut shifted);
    out
}

fn unshift(out: &mut String, shifted: &mut Vec<u8>) {
    if !shifted.is_empty() {
        out.push('&');
        out.push_str(&BASE64_NOPAD.encode(shifted).replace('/', ","));
        out.push('-');
        shifted.clear();
    }
}

/// Reads a name in modified UTF-7; plain UTF-8, which clients also send, is taken as it is.
pub fn decode(wire: &[u8]) -> Option<String> {
    let text = str::from_utf8(wire).ok()?;
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, shifted)) = rest.split_once('&') {
        out.push_str(plain);
        let (inside, after) = shifted.split_once('-')?;
        if inside.is_empty() {
            out.push('&');
        } else {
            let bytes = BASE64_NOPAD.decode(inside.replace(',', "/").as_bytes()).ok()?;
            let units = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            if bytes.len() % 2 == 1 {
                return None;
            }
            for c in char::decode_utf16(units) {
                out.push(c.ok()?);
            }
        }
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

/// Does `name` match a LIST pattern? `*` is anything, `%` anything without the delimiter. INBOX in any case.
///
/// Linear in name times pattern; both are short (a line's length at most).
pub fn matches(pattern: &str, name: &str) -> bool {
    let fold = |text: &str| -> Vec<char> {
        if text.eq_ignore_ascii_case("INBOX") { "INBOX".chars().collect() } else { text.chars().collect() }
    };
    let (pattern, name) = (fold(pattern), fold(name));
    // reached[n]: the pattern so far can match the first n characters.
    let mut reached = vec![false; name.len() + 1];
    if let Some(start) = reached.first_mut() {
        *start = true;
    }
    for wanted in pattern {
        let mut next = vec![false; name.len() + 1];
        let mut open = false;
        for (at, arrives) in next.iter_mut().enumerate() {
            let before = at.checked_sub(1);
            let last = before.and_then(|before| name.get(before));
            match wanted {
                '*' | '%' => {
                    open &= !(wanted == '%' && last == Some(&DELIMITER));
                    open |= reached.get(at).copied().unwrap_or(false);
                    *arrives = open;
                }
                _ => {
                    let came = before.and_then(|before| reached.get(before)).copied().unwrap_or(false);
                    *arrives = came && last == Some(&wanted);
                }
            }
        }
        reached = next;
    }
    reached.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_names() {
        for (name, wire) in [
            ("INBOX", "INBOX"),
            ("Entwürfe", "Entw&APw-rfe"),
            ("R&D", "R&-D"),
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("📮", "&2D3c7g-"),
        ] {
            assert_eq!(encode(name), wire);
            assert_eq!(decode(wire.as_bytes()).as_deref(), Some(name));
        }
        for wire in [&b"&"[..], b"&A-", b"&AA-", b"&2D0-", b"\xff"] {
            assert_eq!(decode(wire), None, "{wire:?}");
        }
    }

    #[test]
    fn wildcards() {
        for (pattern, name, want) in [
            ("*", "a/b", true),
            ("%", "a/b", false),
            ("%", "a", true),
            ("%/%", "a/b", true),
            ("a*b", "axxb", true),
            ("a%b", "ax/b", false),
            ("inbox", "INBOX", true),
            ("Sen*", "Sent", true),
            ("sent", "Sent", false),
            ("", "Sent", false),
            ("**%*", "", true),
        ] {
            assert_eq!(matches(pattern, name), want, "{pattern} {name}");
        }
        let many = "*a".repeat(400);
        assert!(!matches(&many, &"a".repeat(300)));
    }

    proptest! {
        #[test]
        fn round_trip(name in "\\PC{0,20}") {
            prop_assert_eq!(decode(encode(&name).as_bytes()), Some(name));
        }
        #[test]
        fn never_panics(wire in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = decode(&wire);
        }
    }
}
