//! Encoded words in headers (RFC 2047), read and written, in linear time.

use crate::mime::charset;
use data_encoding::BASE64;
use std::fmt::Write;

/// Decodes the encoded words of an unfolded value. Blanks between two encoded words vanish (RFC 2047 §6.2), and
/// characters that a sender cut in two between words of one charset are put together again.
/// Raw UTF-8 stays; other raw 8-bit bytes are guessed. Control characters become blanks.
pub fn decode(value: &[u8]) -> String {
    let mut out = Decoded::default();
    let mut at = 0;
    let mut plain = 0;
    while let Some(found) = next_mark(value, at) {
        match word_at(value, found) {
            Some(word) => {
                out.plain(value.get(plain..found).unwrap_or_default());
                out.word(&word);
                at = word.end;
                plain = word.end;
            }
            None => at = found + 2,
        }
    }
    out.plain(value.get(plain..).unwrap_or_default());
    out.finish()
}

/// Encodes `text` where it must be: plain ASCII without anything that looks like an encoded word is returned as
/// it is, with blanks for control characters.
pub fn encode(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if clean.is_ascii() && !clean.contains("=?") { clean } else { words(&clean) }
}

/// Encodes all of `text` as encoded words of at most 75 octets (RFC 2047 §2), separated by blanks at which a
/// header may be folded; the first is shorter, because the field's name stands in front of it.
pub fn words(text: &str) -> String {
    // 75 - "=?utf-8?B?" - "?=" = 63 octets of base64: 45 octets of text.
    const FIRST: usize = 33;
    const OTHERS: usize = 45;
    let mut out = String::new();
    let mut piece = String::new();
    for c in text.chars() {
        let room = if out.is_empty() { FIRST } else { OTHERS };
        if piece.len() + c.len_utf8() > room {
            push_word(&mut out, &piece);
            piece.clear();
        }
        piece.push(c);
    }
    push_word(&mut out, &piece);
    out
}

fn push_word(out: &mut String, piece: &str) {
    if piece.is_empty() {
        return;
    }
    let blank = if out.is_empty() { "" } else { " " };
    let _ = write!(out, "{blank}=?utf-8?B?{}?=", BASE64.encode(piece.as_bytes()));
}

struct Word<'a> {
    charset: &'a [u8],
    quoted: bool,
    data: &'a [u8],
    end: usize,
}

fn next_mark(value: &[u8], from: usize) -> Option<usize> {
    let rest = value.get(from..)?;
    rest.windows(2).position(|pair| pair == b"=?").map(|at| from + at)
}

/// The encoded word whose `=?` stands at `start`. No scan goes beyond the next `=?`, so all of them together are
/// linear.
fn word_at(value: &[u8], start: usize) -> Option<Word<'_>> {
    let rest = value.get(start + 2..)?;
    let charset_end = rest.iter().position(|&b| b == b'?' || b == b'=' || b.is_ascii_whitespace())?;
    let charset = rest.get(..charset_end)?;
    let (&encoding, after) = rest.get(charset_end + 1..)?.split_first()?;
    let quoted = match encoding {
        b'q' | b'Q' => true,
        b'b' | b'B' => false,
        _ => return None,
    };
    if charset.is_empty() || rest.get(charset_end) != Some(&b'?') || after.first() != Some(&b'?') {
        return None;
    }
    let data = after.get(1..)?;
    let mut length = 0;
    loop {
        let mark = data.get(length..)?.iter().position(|&b| b == b'?')? + length;
        if data.get(mark + 1) == Some(&b'=') {
            let end = start + 2 + charset_end + 3 + mark + 2;
            return Some(Word { charset, quoted, data: data.get(..mark)?, end });
        }
        if mark > 0 && data.get(mark - 1) == Some(&b'=') {
            return None;
        }
        length = mark + 1;
    }
}

/// Collects text; neighbouring words of one charset are decoded together.
#[derive(Default)]
struct Decoded {
    text: String,
    charset: String,
    bytes: Vec<u8>,
    after_word: bool,
}

impl Decoded {
    fn plain(&mut self, raw: &[u8]) {
        if self.after_word && raw.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        self.flush();
        if !raw.is_empty() {
            self.text.push_str(&charset::guess(raw));
            self.after_word = false;
        }
    }

    fn word(&mut self, word: &Word<'_>) {
        let label = String::from_utf8_lossy(word.charset).to_ascii_lowercase();
        if label != self.charset {
            self.flush();
            self.charset = label;
        }
        self.bytes.extend(if word.quoted { read_q(word.data) } else { read_b(word.data) });
        self.after_word = true;
    }

    fn flush(&mut self) {
        if !self.bytes.is_empty() {
            self.text.push_str(&charset::decode(&self.charset, &self.bytes));
            self.bytes.clear();
        }
    }

    fn finish(mut self) -> String {
        // Blanks at the very end, behind a word, were held back by `plain`; nobody misses them.
        self.flush();
        self.text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
    }
}

/// The Q encoding, RFC 2047 §4.2.
fn read_q(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len());
    let mut at = 0;
    while let Some(&byte) = data.get(at) {
        let pair = (data.get(at + 1).and_then(|&b| hex(b)), data.get(at + 2).and_then(|&b| hex(b)));
        match (byte, pair) {
            (b'=', (Some(high), Some(low))) => {
                out.push(high << 4 | low);
                at += 2;
            }
            (b'_', _) => out.push(b' '),
            _ => out.push(byte),
        }
        at += 1;
    }
    out
}

/// The B encoding, RFC 2047 §4.1; stray characters are passed over.
fn read_b(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() / 4 * 3 + 3);
    let mut quantum = 0_u32;
    let mut bits = 0_u32;
    for value in data.iter().filter_map(|&byte| base64_value(byte)) {
        quantum = quantum << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((quantum >> bits & 0xff) as u8);
        }
    }
    out
}

/// The value of a base64 character (RFC 2045 §6.8).
pub(crate) fn base64_value(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

/// The value of a hexadecimal digit.
pub(crate) fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_answers() {
        for (raw, want) in [
            ("plain", "plain"),
            ("=?ISO-8859-1?Q?a?=", "a"),
            ("=?ISO-8859-1?Q?a?= b", "a b"),
            ("=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"),
            ("=?ISO-8859-1?Q?a?=   =?ISO-8859-1?Q?b?=", "ab"),
            ("=?ISO-8859-1?Q?a_b?=", "a b"),
            ("=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b"),
            ("x =?utf-8?q?=C3=BC?= y", "x ü y"),
            ("=?utf-8?B?w7w=?=", "ü"),
            ("=?utf-8?B?w7w?=", "ü"),
            ("=?utf-8?B?ww==?= =?utf-8?B?vA==?=", "ü"),
            ("=?utf-8*de?Q?=C3=BC?=", "ü"),
            ("=?utf-8?Q?what??=", "what?"),
            ("=?utf-8?Q?a b?=", "a b"),
            ("=?utf-8?X?a?=", "=?utf-8?X?a?="),
            ("=?utf-8?Q?unfinished", "=?utf-8?Q?unfinished"),
            ("=?=?=?=?", "=?=?=?=?"),
            ("=??Q?a?=", "=??Q?a?="),
            ("=?utf-8?Q?=0D=0ABcc:_x?=", "  Bcc: x"),
            ("raw ü", "raw ü"),
            ("a\tb", "a b"),
        ] {
            assert_eq!(decode(raw.as_bytes()), want, "{raw}");
        }
    }

    #[test]
    fn words_are_short_and_whole() {
        let text = "Rückfrage: Größenangaben für die Überführung — 漢字漢字漢字漢字漢字漢字漢字";
        let encoded = encode(text);
        assert!(encoded.split(' ').all(|word| word.len() <= 75), "{encoded}");
        assert_eq!(decode(encoded.as_bytes()), text);
        assert_eq!(encode("=?x"), "=?utf-8?B?PT94?=");
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&bytes);
        }

        #[test]
        fn reads_what_it_wrote(text in "[^\\p{Cc}\u{feff}]{0,80}") {
            prop_assert_eq!(decode(encode(&text).as_bytes()), text);
        }
    }
}
