//! Bytes of some charset to text: total, whatever the label and the bytes.

use mail_parser::decoders::charsets::map::charset_decoder;

/// Decodes `bytes` as `label` says; an unknown or lying label falls back to UTF-8, then to Windows-1252.
///
/// A language suffix (RFC 2231 §5) and a byte order mark are taken off.
pub fn decode(label: &str, bytes: &[u8]) -> String {
    let label = label.split('*').next().unwrap_or_default().trim().trim_matches('"');
    if is_unicode(label) || label.len() > 45 || !label.is_ascii() {
        return guess(bytes);
    }
    match charset_decoder(label.as_bytes()) {
        Some(decoder) if !bytes.is_empty() => without_mark(decoder(bytes)),
        Some(_) => String::new(),
        None => guess(bytes),
    }
}

/// UTF-8 where it is valid, else Windows-1252, in which every byte means something.
pub fn guess(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => without_mark(text.to_owned()),
        Err(_) if mostly_utf8(bytes) => without_mark(String::from_utf8_lossy(bytes).into_owned()),
        Err(_) => match charset_decoder(b"windows-1252") {
            Some(decoder) => decoder(bytes),
            None => String::from_utf8_lossy(bytes).into_owned(),
        },
    }
}

fn is_unicode(label: &str) -> bool {
    ["", "utf-8", "utf8", "us-ascii", "ascii", "unknown-8bit", "x-unknown", "unicode-1-1-utf-8"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(label))
}

/// Text in UTF-8 with a few bytes cut or damaged: at least one whole sequence, and damage only at few places.
fn mostly_utf8(bytes: &[u8]) -> bool {
    let (mut good, mut bad) = (0_usize, 0_usize);
    for chunk in bytes.utf8_chunks() {
        good += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        bad += usize::from(!chunk.invalid().is_empty());
    }
    good > bad.saturating_mul(4)
}

fn without_mark(text: String) -> String {
    match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_answers() {
        for (label, bytes, want) in [
            ("utf-8", "Grüße".as_bytes(), "Grüße"),
            ("UTF-8*de", "Grüße".as_bytes(), "Grüße"),
            ("iso-8859-1", b"Gr\xfc\xdfe", "Grüße"),
            ("us-ascii", b"Gr\xfc\xdfe", "Grüße"),
            ("us-ascii", "Grüße".as_bytes(), "Grüße"),
            ("x-nonsense", b"Gr\xfc\xdfe", "Grüße"),
            ("", b"\xef\xbb\xbfmark", "mark"),
            ("utf-7", b"+ZYeB9FH6ckh5Pg-, 1980.", "文致出版社, 1980."),
            ("utf-16le", b"\xe1\x00\xe9\x00", "áé"),
            ("shift_jis", b"\x83n\x83\x8D\x81[", "ハロー"),
            ("koi8-r", b"\xf0\xd2\xc9\xd7\xc5\xd4", "Привет"),
            (
                "utf-8",
                b"sch\xc3\xb6n und gr\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbcn \xc3",
                "schön und grüüüün \u{fffd}",
            ),
        ] {
            assert_eq!(decode(label, bytes), want, "{label}");
        }
    }

    proptest! {
        #[test]
        fn every_label_takes_every_byte(
            label in "(utf-7|utf-16|utf-16le|utf-16be|shift_jis|big5|euc-jp|euc-kr|iso-2022-jp|gbk|gb18030|koi8-r|hz-gb-2312|iso-2022-kr|macintosh|x-user-defined|.{0,60})",
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let text = decode(&label, &bytes);
            prop_assert!(text.len() <= bytes.len() * 6 + 8);
        }
    }
}
