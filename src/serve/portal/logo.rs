//! The picture beside the organisation's name, and how wide it is shown: pages say so beforehand, so that nothing
//! moves when it comes.

use bytes::Bytes;
use std::fs;
use std::io::Read;
use std::path::Path;

/// A picture with its media type.
#[derive(Clone, Debug, Default)]
pub struct Logo {
    /// The file.
    pub bytes: Bytes,
    /// Its media type.
    pub kind: &'static str,
    /// CSS pixels, at a height of [`HEIGHT`].
    pub width: u32,
}

/// CSS pixels.
pub const HEIGHT: u32 = 32;
/// CSS pixels; what is wider becomes less high.
const WIDEST: u32 = 128;
/// A file, octets.
const LARGEST: u64 = 64 << 10;

impl Logo {
    /// The configured file; one that cannot be read or is no such picture is replaced by our own, in `colour`.
    pub fn open(file: Option<&Path>, colour: &str) -> Self {
        let Some(path) = file else { return Self::own(colour) };
        match read(path) {
            Ok(bytes) => Self::of(bytes).unwrap_or_else(|| {
                tracing::warn!(path = %path.display(), "logo is no PNG, JPEG, WebP or SVG up to 64 KiB; not shown");
                Self::own(colour)
            }),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "logo cannot be read; not shown");
                Self::own(colour)
            }
        }
    }

    /// A shield with a letter on it.
    fn own(colour: &str) -> Self {
        let shield = include_str!("../../../assets/portal/logo.svg").replace("#1f5f8b", colour);
        Self { bytes: Bytes::from(shield), kind: "image/svg+xml", width: HEIGHT }
    }

    fn of(bytes: Vec<u8>) -> Option<Self> {
        if bytes.len() as u64 > LARGEST {
            return None;
        }
        let (kind, (width, height)) = match bytes.as_slice() {
            [0x89, b'P', b'N', b'G', ..] => ("image/png", png(&bytes)?),
            [0xff, 0xd8, 0xff, ..] => ("image/jpeg", jpeg(&bytes)?),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => ("image/webp", webp(&bytes)?),
            _ => ("image/svg+xml", svg(&bytes)?),
        };
        Some(Self { bytes: Bytes::from(bytes), kind, width: shown(width, height) })
    }
}

/// One octet more than may be, so that it shows.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn shown(width: u32, height: u32) -> u32 {
    let at = u64::from(width) * u64::from(HEIGHT) / u64::from(height.max(1));
    u32::try_from(at).unwrap_or(WIDEST).clamp(1, WIDEST)
}

fn big_endian(bytes: &[u8], at: usize, count: usize) -> Option<u32> {
    Some(bytes.get(at..at + count)?.iter().fold(0, |all, byte| all << 8 | u32::from(*byte)))
}

fn little_endian(bytes: &[u8], at: usize, count: usize) -> Option<u32> {
    Some(bytes.get(at..at + count)?.iter().rev().fold(0, |all, byte| all << 8 | u32::from(*byte)))
}

/// The first chunk (PNG, 3rd edition, §11.2.1).
fn png(bytes: &[u8]) -> Option<(u32, u32)> {
    Some((big_endian(bytes, 16, 4)?, big_endian(bytes, 20, 4)?))
}

/// The start of the frame (ITU-T T.81 §B.2.2), whichever kind of frame it is.
fn jpeg(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut at = 2;
    loop {
        match (big_endian(bytes, at, 1)?, big_endian(bytes, at + 1, 1)?) {
            (0xff, 0xff) => at += 1,
            (0xff, 0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf) => {
                return Some((big_endian(bytes, at + 7, 2)?, big_endian(bytes, at + 5, 2)?));
            }
            (0xff, _) => at += 2 + usize::try_from(big_endian(bytes, at + 2, 2)?).ok()?,
            _ => return None,
        }
    }
}

/// The three forms of the first chunk (RFC 9649 §2.5 to §2.7).
fn webp(bytes: &[u8]) -> Option<(u32, u32)> {
    match bytes.get(12..16)? {
        b"VP8X" => Some((little_endian(bytes, 24, 3)? + 1, little_endian(bytes, 27, 3)? + 1)),
        b"VP8L" => {
            let both = little_endian(bytes, 21, 4)?;
            Some(((both & 0x3fff) + 1, (both >> 14 & 0x3fff) + 1))
        }
        b"VP8 " => Some((little_endian(bytes, 26, 2)? & 0x3fff, little_endian(bytes, 28, 2)? & 0x3fff)),
        _ => None,
    }
}

/// What the outermost tag says: width and height in pixels, else the box.
fn svg(bytes: &[u8]) -> Option<(u32, u32)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let tag = text.split("<svg").nth(1)?.split('>').next()?;
    let value = |name: &str| {
        let rest = tag.split(&format!(" {name}=")).nth(1)?;
        let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        rest.split(quote).nth(1)
    };
    // A tenth of a pixel is fine enough; above a million it is no picture.
    let tenths = |text: &str| {
        let number: f32 = text.trim().trim_end_matches("px").parse().ok()?;
        (0.1..1e6).contains(&number).then_some((number * 10.0) as u32)
    };
    let said = || Some((tenths(value("width")?)?, tenths(value("height")?)?));
    let boxed = || {
        let mut sides = value("viewBox")?.split([' ', ',']).filter(|side| !side.is_empty()).skip(2);
        Some((tenths(sides.next()?)?, tenths(sides.next()?)?))
    };
    said().or_else(boxed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn width(bytes: &[u8]) -> Option<(&'static str, u32)> {
        Logo::of(bytes.to_vec()).map(|logo| (logo.kind, logo.width))
    }

    #[test]
    fn each_kind_says_its_width() {
        let png = [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice(), &[0, 0, 0, 200, 0, 0, 0, 100]].concat();
        assert_eq!(width(&png), Some(("image/png", 64)));
        let jpeg = b"\xff\xd8\xff\xe0\0\x04ab\xff\xc0\0\x11\x08\0\x40\0\x60\x03";
        assert_eq!(width(jpeg), Some(("image/jpeg", 48)));
        let webp = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\x1f\0\0\x0f\0\0";
        assert_eq!(width(webp), Some(("image/webp", 64)));
        let lossless = [b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f".as_slice(), &(31_u32 | 15 << 14).to_le_bytes()];
        assert_eq!(width(&lossless.concat()), Some(("image/webp", 64)));
        let lossy = b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\x9d\x01\x2a\x20\0\x20\0";
        assert_eq!(width(lossy), Some(("image/webp", 32)));
        for (svg, want) in [
            ("<?xml?><svg viewBox=\"0 0 32 32\"><path/></svg>", 32),
            ("<svg width='50.5px' height='20'>", 80),
            ("<svg width=\"100%\" height=\"100%\" viewBox=\"0,0,10,40\">", 8),
            ("<svg viewBox=\"0 0 900000 1\">", 128),
        ] {
            assert_eq!(width(svg.as_bytes()), Some(("image/svg+xml", want)), "{svg}");
        }
    }

    #[test]
    fn what_is_no_picture_is_not_shown() {
        for bytes in ["", "GIF89a", "<html>", "<svg>", "<svg width=\"-1\" height=\"0\">", "\u{89}PNG"] {
            assert_eq!(width(bytes.as_bytes()), None, "{bytes}");
        }
        assert_eq!(width(b"\xff\xd8\xff\xe0\xff\xff"), None);
        let large = format!("<svg viewBox=\"0 0 1 1\">{}", " ".repeat(70_000));
        assert_eq!(width(large.as_bytes()), None);
        let own = Logo::open(Some(Path::new("/nonexistent/logo.png")), "#aa0011");
        assert!(own.kind == "image/svg+xml" && std::str::from_utf8(&own.bytes).unwrap().contains("#aa0011"));
    }

    proptest! {
        #[test]
        fn never_panics(start in 0_usize..6, bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let starts: [&[u8]; 6] =
                [b"", b"\x89PNG", b"\xff\xd8\xff", b"RIFF0000WEBPVP8X", b"RIFF0000WEBPVP8L", b"<svg viewBox=\""];
            let width = width(&[starts[start], &bytes].concat());
            prop_assert!(width.is_none_or(|(_, width)| (1..=128).contains(&width)));
        }
    }
}
