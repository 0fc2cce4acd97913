//! Strings as IMAP writes them: atoms, quoted strings and literals (RFC 3501 §4).

/// Longest text written as a quoted string, octets; longer ones become literals.
const QUOTED: usize = 1_024;

/// `NIL` or a string.
pub fn nstring(out: &mut Vec<u8>, text: Option<&[u8]>) {
    match text {
        Some(text) => string(out, text),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// A quoted string where that can hold the text, else a literal.
pub fn string(out: &mut Vec<u8>, text: &[u8]) {
    if text.len() > QUOTED || !text.iter().all(|byte| (b' '..=b'~').contains(byte)) {
        out.extend_from_slice(format!("{{{}}}\r\n", text.len()).as_bytes());
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

/// An atom where that can hold the text, else a string: for the names of fields and folders that are echoed.
pub fn astring(out: &mut Vec<u8>, text: &[u8]) {
    let special = |byte: &u8| !(b'!'..=b'~').contains(byte) || b"(){%*\"\\".contains(byte);
    if text.is_empty() || text.iter().any(special) || text.eq_ignore_ascii_case(b"nil") {
        return string(out, text);
    }
    out.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picks_the_form_that_can_hold_it() {
        for (text, want) in [
            (&b"plain"[..], &b"plain \"plain\""[..]),
            (b"", b"\"\" \"\""),
            (b"a b", b"\"a b\" \"a b\""),
            (b"a\"\\", b"\"a\\\"\\\\\" \"a\\\"\\\\\""),
            (b"nil", b"\"nil\" \"nil\""),
            (b"\xc3\xbc", b"{2}\r\n\xc3\xbc {2}\r\n\xc3\xbc"),
            (b"a\r\nb", b"{4}\r\na\r\nb {4}\r\na\r\nb"),
        ] {
            let mut out = Vec::new();
            astring(&mut out, text);
            out.push(b' ');
            string(&mut out, text);
            assert_eq!(out, want);
        }
        let mut out = Vec::new();
        nstring(&mut out, None);
        assert_eq!(out, b"NIL");
    }
}
