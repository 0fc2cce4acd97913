//! Command lines out of a stream of bytes: bounded in memory, strict about line ends.

use crate::base::limits;
use crate::base::secret::Secret;
use crate::base::wipe;
use zeroize::Zeroizing;

/// Octets of one overlong line that are passed over before the session ends.
const FLOOD: usize = 64 << 10;

/// One command line, or what was wrong with it.
#[derive(Debug)]
pub enum Line {
    /// The line without its CRLF. It may hold a password.
    Text(Secret<Vec<u8>>),
    /// Longer than [`limits::COMMAND_LINE`]; its end was found.
    TooLong,
    /// Far longer, and no end in sight.
    Flood,
    /// A CR or LF alone (RFC 5321 §2.3.8).
    BareNewline,
    /// A control character in it.
    Control,
    /// The first octet of the session is no text: TLS, or another protocol.
    NotText,
}

/// Cuts a stream into lines; keeps the piece that has no end yet.
pub struct Lines {
    line: Zeroizing<Vec<u8>>,
    length: usize,
    after_cr: bool,
    control: bool,
    fresh: bool,
}

impl Default for Lines {
    fn default() -> Self {
        Self { line: room(), length: 0, after_cr: false, control: false, fresh: true }
    }
}

impl Lines {
    /// Takes from `input` up to the end of one line. Answers how many octets were used, and the line when its
    /// end was among them.
    pub fn take(&mut self, input: &[u8]) -> (usize, Option<Line>) {
        for (at, &octet) in input.iter().enumerate() {
            if let Some(line) = self.push(octet) {
                return (at + 1, Some(line));
            }
        }
        (input.len(), None)
    }

    /// Nothing of a further line has come yet.
    pub fn is_empty(&self) -> bool {
        self.length == 0 && !self.after_cr
    }

    fn push(&mut self, octet: u8) -> Option<Line> {
        if std::mem::take(&mut self.fresh) && !(octet.is_ascii_graphic() || octet.is_ascii_whitespace()) {
            return Some(Line::NotText);
        }
        match (self.after_cr, octet) {
            (true, b'\n') => return Some(self.finish()),
            (true, _) | (false, b'\n') => return Some(Line::BareNewline),
            (false, b'\r') => {
                self.after_cr = true;
                return None;
            }
            (false, _) => {}
        }
        self.length += 1;
        self.control |= octet.is_ascii_control() && octet != b'\t';
        if self.length <= limits::COMMAND_LINE - 2 {
            self.line.push(octet);
        }
        (self.length > FLOOD).then_some(Line::Flood)
    }

    fn finish(&mut self) -> Line {
        let line = self.line.to_vec();
        wipe::octets(&mut self.line);
        self.line.clear();
        let length = std::mem::take(&mut self.length);
        let control = std::mem::take(&mut self.control);
        self.after_cr = false;
        match (length > line.len(), control) {
            (true, _) => Line::TooLong,
            (false, true) => Line::Control,
            (false, false) => Line::Text(Secret::new(line)),
        }
    }
}

/// Room for a whole line at once, so that no copy of a password is left behind by growing.
fn room() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Vec::with_capacity(limits::COMMAND_LINE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(input: &[u8], piece: usize) -> Vec<String> {
        let mut lines = Lines::default();
        let mut out = Vec::new();
        for chunk in input.chunks(piece.max(1)) {
            let mut rest = chunk;
            while !rest.is_empty() {
                let (used, line) = lines.take(rest);
                rest = &rest[used..];
                out.extend(line.map(|line| match line {
                    Line::Text(text) => String::from_utf8_lossy(text.expose()).into_owned(),
                    trouble => format!("{trouble:?}"),
                }));
            }
        }
        out
    }

    #[test]
    fn cuts_lines() {
        for (input, want) in [
            ("NOOP\r\nQUIT\r\n", vec!["NOOP", "QUIT"]),
            ("\r\n", vec![""]),
            ("NOOP\n", vec!["BareNewline"]),
            ("NOOP\rQ", vec!["BareNewline"]),
            ("NO\0OP\r\nNOOP\r\n", vec!["Control", "NOOP"]),
            ("A\tB\r\n", vec!["A\tB"]),
        ] {
            assert_eq!(all(input.as_bytes(), 999), want, "{input:?}");
            assert_eq!(all(input.as_bytes(), 1), want, "{input:?} by octets");
        }
        assert_eq!(all(b"\x16\x03\x01", 9)[0], "NotText");
    }

    #[test]
    fn bounds_lines() {
        let long = |length: usize| [vec![b'x'; length], b"\r\nNOOP\r\n".to_vec()].concat();
        assert_eq!(all(&long(2_046), 7), ["x".repeat(2_046).as_str(), "NOOP"]);
        assert_eq!(all(&long(2_047), 7), ["TooLong", "NOOP"]);
        assert_eq!(all(&long(10 << 20), 4096)[0], "Flood");
    }

    #[test]
    fn a_line_is_not_printed() {
        let (_, line) = Lines::default().take(b"c2VjcmV0\r\n");
        assert_eq!(format!("{:?}", line.unwrap()), "Text(Secret(..))");
    }

    proptest! {
        #[test]
        fn same_for_every_split(input: Vec<u8>, piece in 1usize..9) {
            prop_assert_eq!(all(&input, piece), all(&input, input.len()));
        }
    }
}
