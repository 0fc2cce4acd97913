//! Transfer encodings, written while the content streams by (RFC 2045 §6.7, §6.8).

use data_encoding::BASE64;
use std::io;
use std::io::Write;

/// Writes base64 in lines of 76 characters. Call [`Base64Writer::finish`] at the end.
pub struct Base64Writer<W> {
    out: W,
    /// Less than one line's worth of content.
    held: Vec<u8>,
}

/// Octets of content in a line of 76 characters.
const LINE: usize = 57;

impl<W: Write> Base64Writer<W> {
    /// Writes to `out`.
    pub const fn new(out: W) -> Self {
        Self { out, held: Vec::new() }
    }

    /// Writes what is left, with a line end.
    pub fn finish(mut self) -> io::Result<W> {
        if !self.held.is_empty() {
            self.out.write_all(BASE64.encode(&self.held).as_bytes())?;
            self.out.write_all(b"\r\n")?;
        }
        Ok(self.out)
    }

    fn flush_lines(&mut self) -> io::Result<()> {
        let whole = self.held.len() / LINE * LINE;
        let mut text = Vec::with_capacity(whole / LINE * 78);
        for line in self.held.get(..whole).unwrap_or_default().chunks(LINE) {
            text.extend_from_slice(BASE64.encode(line).as_bytes());
            text.extend_from_slice(b"\r\n");
        }
        self.out.write_all(&text)?;
        self.held.drain(..whole);
        Ok(())
    }
}

impl<W: Write> Write for Base64Writer<W> {
    fn write(&mut self, content: &[u8]) -> io::Result<usize> {
        for piece in content.chunks(64 * LINE) {
            self.held.extend_from_slice(piece);
            self.flush_lines()?;
        }
        Ok(content.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Writes quoted-printable text: CRLF stays a line's end, lines have at most 76 characters. Call
/// [`QuotedPrintableWriter::finish`] at the end.
pub struct QuotedPrintableWriter<W> {
    out: W,
    column: usize,
    /// A blank or a CR of which it is not yet clear whether a line ends behind it.
    held: Option<u8>,
}

impl<W: Write> QuotedPrintableWriter<W> {
    /// Writes to `out`.
    pub const fn new(out: W) -> Self {
        Self { out, column: 0, held: None }
    }

    /// Nothing stands on the last line yet.
    pub const fn is_at_line_start(&self) -> bool {
        self.column == 0 && self.held.is_none()
    }

    /// Writes what is left; adds no line end.
    pub fn finish(mut self) -> io::Result<W> {
        if let Some(held) = self.held.take() {
            self.escaped(held)?;
        }
        Ok(self.out)
    }

    fn take(&mut self, byte: u8) -> io::Result<()> {
        match (self.held.take(), byte) {
            (Some(b'\r'), b'\n') => {
                self.column = 0;
                return self.out.write_all(b"\r\n");
            }
            (Some(b'\r'), _) => self.escaped(b'\r')?,
            (Some(blank), b'\r') => self.escaped(blank)?,
            (Some(blank), _) => self.literal(blank)?,
            (None, _) => {}
        }
        match byte {
            b' ' | b'\t' | b'\r' => self.held = Some(byte),
            b'!'..=b'<' | b'>'..=b'~' => return self.literal(byte),
            other => return self.escaped(other),
        }
        Ok(())
    }

    fn literal(&mut self, byte: u8) -> io::Result<()> {
        self.room(1)?;
        self.out.write_all(&[byte])
    }

    fn escaped(&mut self, byte: u8) -> io::Result<()> {
        self.room(3)?;
        write!(self.out, "={byte:02X}")
    }

    /// Makes room on the line for so many characters and the `=` of a soft break.
    fn room(&mut self, characters: usize) -> io::Result<()> {
        if self.column + characters > 75 {
            self.out.write_all(b"=\r\n")?;
            self.column = 0;
        }
        self.column += characters;
        Ok(())
    }
}

impl<W: Write> Write for QuotedPrintableWriter<W> {
    fn write(&mut self, content: &[u8]) -> io::Result<usize> {
        content.iter().try_for_each(|&byte| self.take(byte))?;
        Ok(content.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::part::Content;
    use crate::mime::scan::Limits;
    use crate::mime::scan::Scanner;
    use proptest::prelude::*;
    use std::io::Cursor;
    use std::io::Read;

    fn quoted(content: &[u8]) -> String {
        let mut writer = QuotedPrintableWriter::new(Vec::new());
        writer.write_all(content).unwrap();
        String::from_utf8(writer.finish().unwrap()).unwrap()
    }

    fn base64(content: &[u8]) -> String {
        let mut writer = Base64Writer::new(Vec::new());
        writer.write_all(content).unwrap();
        String::from_utf8(writer.finish().unwrap()).unwrap()
    }

    fn decoded(encoding: &str, body: &str) -> Vec<u8> {
        let message = format!("Content-Transfer-Encoding: {encoding}\r\n\r\n{body}");
        let structure = Scanner::scan(message.as_bytes(), Limits::default()).unwrap();
        let mut out = Vec::new();
        let source = Cursor::new(message.as_bytes());
        Content::open(source, structure.root().unwrap()).unwrap().read_to_end(&mut out).unwrap();
        out
    }

    #[test]
    fn known_answers() {
        for (content, want) in [
            (&b"plain\r\n"[..], "plain\r\n"),
            ("Grüße".as_bytes(), "Gr=C3=BC=C3=9Fe"),
            (b"a = b", "a =3D b"),
            (b"end \r\nx\t", "end=20\r\nx=09"),
            (b"a\rb\nc\r", "a=0Db=0Ac=0D"),
            (b" \r\n", "=20\r\n"),
            (b"\0", "=00"),
        ] {
            assert_eq!(quoted(content), want, "{content:?}");
        }
        assert_eq!(quoted(&[b'x'; 80]), format!("{}=\r\n{}", "x".repeat(75), "x".repeat(5)));
        assert_eq!(base64(b"Hello"), "SGVsbG8=\r\n");
        assert_eq!(base64(&[0; 57]), format!("{}\r\n", "A".repeat(76)));
        assert_eq!(base64(b""), "");
    }

    proptest! {
        #[test]
        fn comes_back(content in proptest::collection::vec(
            prop_oneof![any::<u8>(), Just(b' '), Just(b'\r'), Just(b'\n'), Just(b'=')], 0..400
        )) {
            for (encoding, body) in [("quoted-printable", quoted(&content)), ("base64", base64(&content))] {
                prop_assert!(body.split("\r\n").all(|line| line.len() <= 76 && !line.ends_with([' ', '\t'])));
                prop_assert!(body.is_ascii());
                prop_assert_eq!(&decoded(encoding, &body), &content);
            }
        }
    }
}
