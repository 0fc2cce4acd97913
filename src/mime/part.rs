//! The content of one part: decoded while it is read, and which parts are the text, the pictures, the attachments.

use crate::mime::charset;
use crate::mime::encoded_word::base64_value;
use crate::mime::encoded_word::hex;
use crate::mime::problem::Problem;
use crate::mime::structure::Encoding;
use crate::mime::structure::Part;
use crate::mime::structure::Shape;
use crate::mime::structure::Span;
use crate::mime::structure::Structure;
use std::io;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;

/// A stretch of a message, read as a source of its own.
pub struct Stretch<R> {
    source: R,
    left: u64,
}

impl<R: Read + Seek> Stretch<R> {
    /// The octets of `span`.
    pub fn open(mut source: R, span: Span) -> io::Result<Self> {
        source.seek(SeekFrom::Start(span.start))?;
        Ok(Self { source, left: span.length() })
    }
}

impl<R: Read> Read for Stretch<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let Some(room) = buffer.get_mut(..wanted).filter(|room| !room.is_empty()) else { return Ok(0) };
        let count = self.source.read(room)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left = self.left.saturating_sub(count as u64);
        Ok(count)
    }
}

/// A part's content, its transfer encoding taken off while it is read.
pub struct Content<R> {
    source: Stretch<R>,
    decoder: Decoder,
    raw: Vec<u8>,
    out: Vec<u8>,
    given: usize,
    ended: bool,
}

impl<R: Read + Seek> Content<R> {
    /// The content of `part`. An encoding that nobody knows is left on.
    pub fn open(source: R, part: &Part) -> io::Result<Self> {
        let decoder = match part.encoding {
            Encoding::Base64 => Decoder::Base64(Base64::default()),
            Encoding::QuotedPrintable => Decoder::QuotedPrintable(QuotedPrintable::default()),
            Encoding::SevenBit | Encoding::EightBit | Encoding::Binary | Encoding::Other(_) => {
                Decoder::Identity
            }
        };
        Ok(Self {
            source: Stretch::open(source, part.body)?,
            decoder,
            raw: vec![0; 8 << 10],
            out: Vec::new(),
            given: 0,
            ended: false,
        })
    }
}

impl<R: Read> Content<R> {
    fn refill(&mut self) -> io::Result<()> {
        self.out.clear();
        self.given = 0;
        while self.out.is_empty() && !self.ended {
            let count = self.source.read(&mut self.raw)?;
            let raw = self.raw.get(..count).unwrap_or_default();
            match &mut self.decoder {
                Decoder::Identity => self.out.extend_from_slice(raw),
                Decoder::Base64(decoder) => decoder.decode(raw, &mut self.out),
                Decoder::QuotedPrintable(decoder) if count == 0 => decoder.finish(&mut self.out),
                Decoder::QuotedPrintable(decoder) => decoder.decode(raw, &mut self.out),
            }
            self.ended = count == 0;
        }
        Ok(())
    }
}

impl<R: Read> Read for Content<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given >= self.out.len() {
            self.refill()?;
        }
        let rest = self.out.get(self.given..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(room), Some(bytes)) = (buffer.get_mut(..count), rest.get(..count)) {
            room.copy_from_slice(bytes);
        }
        self.given += count;
        Ok(count)
    }
}

enum Decoder {
    Identity,
    Base64(Base64),
    QuotedPrintable(QuotedPrintable),
}

/// RFC 2045 §6.8; characters that do not belong are passed over, padding inside starts anew.
#[derive(Default)]
struct Base64 {
    quantum: u32,
    bits: u32,
}

impl Base64 {
    fn decode(&mut self, raw: &[u8], out: &mut Vec<u8>) {
        for &byte in raw {
            if byte == b'=' {
                *self = Self::default();
                continue;
            }
            let Some(value) = base64_value(byte) else { continue };
            self.quantum = (self.quantum << 6 | u32::from(value)) & 0xff_ffff;
            self.bits += 6;
            if self.bits >= 8 {
                self.bits -= 8;
                out.push((self.quantum >> self.bits & 0xff) as u8);
            }
        }
    }
}

/// RFC 2045 §6.7; what is not encoded right is left as it stands.
#[derive(Default)]
struct QuotedPrintable {
    /// Octets that are kept back until it is clear what they are: blanks in front of a line's end, an `=` and
    /// what follows it.
    held: Vec<u8>,
}

/// No run of blanks longer than this is kept back.
const HELD: usize = 1_000;

impl QuotedPrintable {
    fn decode(&mut self, raw: &[u8], out: &mut Vec<u8>) {
        for &byte in raw {
            self.take(byte, out);
        }
    }

    fn take(&mut self, byte: u8, out: &mut Vec<u8>) {
        if self.held.first() == Some(&b'=') {
            return self.take_escaped(byte, out);
        }
        match byte {
            b'\n' => {
                // Blanks in front of a line's end were added on the way.
                out.extend_from_slice(if self.held.last() == Some(&b'\r') { b"\r\n" } else { b"\n" });
                self.held.clear();
            }
            b' ' | b'\t' | b'\r' if self.held.len() < HELD => {
                if self.held.last() == Some(&b'\r') {
                    out.append(&mut self.held);
                }
                self.held.push(byte);
            }
            b'=' => {
                out.append(&mut self.held);
                self.held.push(byte);
            }
            other => {
                out.append(&mut self.held);
                out.push(other);
            }
        }
    }

    fn take_escaped(&mut self, byte: u8, out: &mut Vec<u8>) {
        match (self.held.as_slice(), byte) {
            ([b'='], digit) if hex(digit).is_some() => self.held.push(digit),
            ([b'=', high], low) if hex(*high).is_some() && hex(low).is_some() => {
                out.push(hex(*high).unwrap_or(0) << 4 | hex(low).unwrap_or(0));
                self.held.clear();
            }
            ([b'=', blanks @ ..], b' ' | b'\t' | b'\r')
                if blanks.iter().all(u8::is_ascii_whitespace) && self.held.len() < HELD =>
            {
                self.held.push(byte);
            }
            ([b'=', blanks @ ..], b'\n') if blanks.iter().all(u8::is_ascii_whitespace) => self.held.clear(),
            _ => {
                let held = std::mem::take(&mut self.held);
                out.extend_from_slice(&held);
                self.take(byte, out);
            }
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        // A lone `=` at the very end is a soft break of which the rest was lost.
        if self.held != b"=" {
            out.append(&mut self.held);
        }
        self.held.clear();
    }
}

/// A text, and whether there was more of it.
pub struct Text {
    /// In UTF-8.
    pub text: String,
    /// It was longer than was asked for.
    pub cut: bool,
}

/// Reads the text of `part`: at most `limit` octets of it, decoded from its charset.
pub fn read_text(source: impl Read + Seek, part: &Part, limit: usize) -> Result<Text, Problem> {
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX);
    Content::open(source, part)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    let cut = bytes.len() > limit;
    bytes.truncate(limit);
    if let Some(error) = std::str::from_utf8(&bytes).err().filter(|error| cut && error.error_len().is_none())
    {
        // The cut went through a character.
        bytes.truncate(error.valid_up_to());
    }
    let declared = part.charset().map(str::to_owned);
    let label = declared.or_else(|| (part.subtype == "html").then(|| meta_charset(&bytes)).flatten());
    let mut text = charset::decode(label.as_deref().unwrap_or_default(), &bytes);
    if cut {
        text.truncate(text.trim_end_matches('\u{fffd}').len());
    }
    Ok(Text { text, cut })
}

/// What HTML says about its own charset, near its start.
fn meta_charset(html: &[u8]) -> Option<String> {
    let head = html.get(..html.len().min(2_048))?.to_ascii_lowercase();
    let at = head.windows(8).position(|window| window == b"charset=")? + 8;
    let rest = head.get(at..)?;
    let rest = rest.strip_prefix(b"\"").or_else(|| rest.strip_prefix(b"'")).unwrap_or(rest);
    let end =
        rest.iter().position(|b| !(b.is_ascii_alphanumeric() || b"-_:.".contains(b))).unwrap_or(rest.len());
    String::from_utf8(rest.get(..end)?.to_vec()).ok().filter(|label| !label.is_empty())
}

/// What of a message is shown how; numbers are those of [`Structure::parts`].
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Body {
    /// The text as HTML.
    pub html: Option<usize>,
    /// The same text without markup.
    pub plain: Option<usize>,
    /// Everything else that a reader may want to save.
    pub attachments: Vec<usize>,
    /// Pictures that the HTML may name by their Content-ID (RFC 2392), without angle brackets.
    pub inline: Vec<(String, usize)>,
}

/// Chooses what is the text of a message and what lies beside it. A message in a message is an attachment.
pub fn choose_body(structure: &Structure) -> Body {
    let mut body = Body::default();
    let mut text_of = None;
    let mut waiting = vec![(0_usize, Place::default())];
    while let Some((index, place)) = waiting.pop() {
        let Some(part) = structure.part(index) else { continue };
        if part.shape != Shape::Multipart {
            place_leaf(&mut body, &mut text_of, structure, index, place);
            continue;
        }
        let inner = match part.subtype.as_str() {
            "alternative" => Place { alternative: place.alternative.or(Some(index)), ..place },
            "related" => Place { related: true, alternative: place.alternative.or(Some(index)) },
            _ => place,
        };
        let children = part.children.iter().rev().filter_map(|&child| usize::try_from(child).ok());
        waiting.extend(children.map(|child| (child, inner)));
    }
    body
}

/// Where a part stands.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// The outermost multipart whose text parts all say the same.
    alternative: Option<usize>,
    related: bool,
}

fn place_leaf(
    body: &mut Body,
    text_of: &mut Option<Option<usize>>,
    structure: &Structure,
    index: usize,
    place: Place,
) {
    let Some(part) = structure.part(index) else { return };
    let readable = part.shape == Shape::Leaf && part.encoding_is_known() && !part.is_attachment();
    let slot = match (part.kind.as_str(), part.subtype.as_str()) {
        ("text", "html") if readable => Some(&mut body.html),
        ("text", "plain") if readable => Some(&mut body.plain),
        _ => None,
    };
    // Two texts belong together only inside one multipart/alternative; elsewhere the first is the text.
    let same = text_of.is_none_or(|place_of| place_of.is_some() && place_of == place.alternative);
    if let Some(slot) = slot.filter(|slot| slot.is_none() && same) {
        *slot = Some(index);
        *text_of = Some(place.alternative);
        return;
    }
    let id = part.id.as_deref().map(|id| id.trim().trim_start_matches('<').trim_end_matches('>').to_owned());
    if let Some(id) = id.filter(|id| !id.is_empty() && part.kind == "image") {
        body.inline.push((id, index));
        if place.related && !part.is_attachment() {
            return;
        }
    }
    body.attachments.push(index);
}

impl Part {
    fn encoding_is_known(&self) -> bool {
        !matches!(self.encoding, Encoding::Other(_))
    }

    /// The content has no more octets than these, its encoding taken off.
    pub fn most_octets(&self) -> u64 {
        match self.encoding {
            Encoding::Base64 => (self.body.length() / 4).saturating_mul(3).saturating_add(3),
            _ => self.body.length(),
        }
    }

    /// About how many octets the content has, its encoding taken off.
    pub fn decoded_size(&self) -> u64 {
        match self.encoding {
            Encoding::Base64 => {
                self.body.length().saturating_sub(self.lines.saturating_sub(1).saturating_mul(2)) / 4 * 3
            }
            _ => self.body.length(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::odd;
    use crate::mime::scan::Limits;
    use crate::mime::scan::Scanner;
    use proptest::prelude::*;
    use std::io::Cursor;

    /// Hands out a few octets at a time.
    struct Slow<R>(R, usize);

    impl<R: Read> Read for Slow<R> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = self.1.min(buffer.len());
            self.0.read(&mut buffer[..most])
        }
    }

    impl<R: Seek> Seek for Slow<R> {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.0.seek(to)
        }
    }

    fn content(encoding: &str, body: &[u8], step: usize) -> Vec<u8> {
        let message = [format!("Content-Transfer-Encoding: {encoding}\r\n\r\n").as_bytes(), body].concat();
        let structure = Scanner::scan(&message, Limits::default()).unwrap();
        let mut out = Vec::new();
        let source = Slow(Cursor::new(&message), step);
        Content::open(source, structure.root().unwrap()).unwrap().read_to_end(&mut out).unwrap();
        out
    }

    #[test]
    fn decodes() {
        for (encoding, body, want) in [
            ("7bit", "a=20b\r\n", "a=20b\r\n"),
            ("x-unknown", "a=20b", "a=20b"),
            ("base64", "SGVsbG8=\r\n", "Hello"),
            ("base64", "SGVs\r\nbG8", "Hello"),
            ("base64", "****", ""),
            ("base64", "SGVsbG8=SGVsbG8=", "HelloHello"),
            ("quoted-printable", "a=20b=\r\nc", "a bc"),
            ("quoted-printable", "a= \t\r\nb", "ab"),
            ("quoted-printable", "a=\nb", "ab"),
            ("quoted-printable", "a  \r\nb \n", "a\r\nb\n"),
            ("quoted-printable", "a=3db=3D", "a=b="),
            ("quoted-printable", "a=zzb=3zc==20", "a=zzb=3zc= "),
            ("quoted-printable", "a=3=3D", "a=3="),
            ("quoted-printable", "a=", "a"),
            ("quoted-printable", "a=4", "a=4"),
            ("quoted-printable", "a \rb\r\rc ", "a \rb\r\rc "),
        ] {
            for step in [1, 2, 1_000] {
                let got = content(encoding, body.as_bytes(), step);
                assert_eq!(String::from_utf8_lossy(&got), want, "{encoding} {body:?} by {step}");
            }
        }
    }

    #[test]
    fn a_source_that_ends_early_is_an_error() {
        let structure = Scanner::scan(b"A: b\r\n\r\nlong text", Limits::default()).unwrap();
        let part = structure.root().unwrap();
        assert!(read_text(Cursor::new(b"A: b\r\n\r\nlong"), part, 100).is_err());
    }

    #[test]
    fn reads_texts() {
        for (header, body, limit, want, cut) in [
            ("Content-Type: text/plain; charset=iso-8859-1", &b"Gr\xfc\xdfe"[..], 100, "Grüße", false),
            ("A: b", b"Gr\xc3\xbc\xc3\x9fe", 100, "Grüße", false),
            ("A: b", b"Gr\xc3\xbc\xc3\x9fe", 5, "Grü", true),
            (
                "Content-Type: text/html",
                b"<meta charset='koi8-r'>\xf0",
                100,
                "<meta charset='koi8-r'>П",
                false,
            ),
            ("Content-Type: text/html; charset=utf-7", b"+ADw-", 100, "<", false),
        ] {
            let message = [header.as_bytes(), b"\r\n\r\n", body].concat();
            let structure = Scanner::scan(&message, Limits::default()).unwrap();
            let text = read_text(Cursor::new(&message), structure.root().unwrap(), limit).unwrap();
            assert_eq!((text.text.as_str(), text.cut), (want, cut), "{header}");
        }
    }

    fn chosen(message: &str) -> Body {
        choose_body(&Scanner::scan(message.as_bytes(), Limits::default()).unwrap())
    }

    fn multipart(subtype: &str, boundary: &str, parts: &[&str]) -> String {
        let mut out = format!("Content-Type: multipart/{subtype}; boundary={boundary}\r\n\r\n");
        for part in parts {
            out += &format!("--{boundary}\r\n{part}\r\n");
        }
        out + &format!("--{boundary}--\r\n")
    }

    #[test]
    fn chooses_the_text() {
        let plain = "Content-Type: text/plain\r\n\r\np";
        let html = "Content-Type: text/html\r\n\r\nh";
        let image = "Content-Type: image/png\r\nContent-ID: <i@x>\r\n\r\ni";
        let pdf = "Content-Type: application/pdf\r\nContent-Disposition: attachment\r\n\r\na";
        let notes = "Content-Type: text/plain\r\nContent-Disposition: attachment; filename=n\r\n\r\nn";
        let inner = "Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\ny";
        let both = multipart("alternative", "alt", &[plain, html]);
        let related = multipart("related", "rel", &[html, image]);
        let all =
            multipart("mixed", "mix", &[&multipart("alternative", "alt", &[plain, &related]), pdf, inner]);
        let inline = || vec![("i@x".to_owned(), 5)];
        for (what, message, want) in [
            ("plain", plain.to_owned(), Body { plain: Some(0), ..Body::default() }),
            ("html", html.to_owned(), Body { html: Some(0), ..Body::default() }),
            ("both", both, Body { plain: Some(1), html: Some(2), ..Body::default() }),
            (
                "everything",
                all,
                Body { plain: Some(2), html: Some(4), attachments: vec![6, 7], inline: inline() },
            ),
            (
                "a text file in front",
                multipart("mixed", "m", &[notes, html]),
                Body { html: Some(2), attachments: vec![1], ..Body::default() },
            ),
            (
                "two texts that are not the same",
                multipart("mixed", "m", &[plain, html]),
                Body { plain: Some(1), attachments: vec![2], ..Body::default() },
            ),
            (
                "a picture that nothing shows",
                multipart("mixed", "m", &[html, image]),
                Body {
                    html: Some(1),
                    attachments: vec![2],
                    inline: vec![("i@x".into(), 2)],
                    ..Body::default()
                },
            ),
            ("only a file", pdf.to_owned(), Body { attachments: vec![0], ..Body::default() }),
            ("only a message", inner.to_owned(), Body { attachments: vec![0], ..Body::default() }),
        ] {
            assert_eq!(chosen(&message), want, "{what}");
        }
    }

    #[test]
    fn nothing_of_an_odd_message_is_lost() {
        for (what, message, _) in odd::MESSAGES {
            let Ok(structure) = Scanner::scan(message, Limits::default()) else { continue };
            let body = choose_body(&structure);
            let shown = body.html.into_iter().chain(body.plain).chain(body.attachments).collect::<Vec<_>>();
            for index in structure.leaves() {
                let in_message = structure.ancestors(index).skip(1).any(|part| part.shape == Shape::Message);
                assert!(in_message || shown.contains(&index), "{what}: {index}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_the_same_in_any_pieces(
            body in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'='), Just(b' '), Just(b'\r'), Just(b'\n')], 0..200),
            step in 1..9_usize,
        ) {
            for encoding in ["base64", "quoted-printable", "8bit"] {
                prop_assert_eq!(content(encoding, &body, step), content(encoding, &body, 10_000));
            }
        }
    }
}
