//! Crockford base32: ids and access tokens as people meet them.
//!
//! On input case, blanks and `-` are ignored, O reads as 0, I and L as 1.

use data_encoding::Encoding;
use data_encoding::Specification;
use std::sync::LazyLock;

static CROCKFORD: LazyLock<Option<Encoding>> = LazyLock::new(|| {
    let mut spec = Specification::new();
    spec.symbols.push_str("0123456789abcdefghjkmnpqrstvwxyz");
    spec.check_trailing_bits = true;
    spec.translate.from.push_str("ABCDEFGHJKMNPQRSTVWXYZOoIiLl");
    spec.translate.to.push_str("abcdefghjkmnpqrstvwxyz001111");
    spec.ignore.push_str(" -\t\r\n");
    spec.encoding().ok()
});

/// Lower case, without groups: ids.
pub fn lower(bytes: &[u8]) -> String {
    CROCKFORD.as_ref().map(|encoding| encoding.encode(bytes)).unwrap_or_default()
}

/// Upper case, in groups of four joined by `-`: access tokens.
pub fn grouped(bytes: &[u8]) -> String {
    let plain = lower(bytes).to_ascii_uppercase();
    plain.as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join("-")
}

/// Reads exactly `N` bytes, or nothing.
pub fn read<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() > 4 * N + 16 {
        return None;
    }
    CROCKFORD.as_ref()?.decode(text.trim().as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgives_what_people_type() {
        let bytes: [u8; 20] = std::array::from_fn(|n| (n * 37) as u8);
        let text = grouped(&bytes);
        assert_eq!(text.len(), 39);
        assert_eq!(read::<20>(&text), Some(bytes));
        assert_eq!(read::<20>(&text.to_lowercase().replace('-', " ")), Some(bytes));
        assert_eq!(read::<20>(&text.replace('0', "O").replace('1', "l")), Some(bytes));
        assert_eq!(lower(&bytes[..16]).len(), 26);
        for text in ["", "U", "0", "!!!!", &"0".repeat(10_000)] {
            assert_eq!(read::<20>(text), None, "{text:.10}");
        }
    }
}
