//! The text of a message on the wire: decoding what DATA brings, encoding what is sent.
//!
//! RFC 5321 §4.5.2 (transparency), §2.3.8 (CR and LF only together). The end is CRLF `.` CRLF and nothing
//! else, so that no second envelope can hide in a message.

use crate::base::limits;
use memchr::memchr2;

/// Why a message is refused after, or in the middle of, its text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// A CR or LF alone. The connection ends: where the message ends cannot be agreed on.
    BareNewline,
    /// A line longer than [`limits::TEXT_LINE`].
    LineTooLong,
    /// Larger than the session takes.
    TooBig,
    /// Larger than anybody has to listen to; the connection ends.
    Flood,
}

impl Fault {
    /// The end of the message was not found: what follows cannot be read as commands.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::BareNewline | Self::Flood)
    }
}

/// How far a piece of input brought the decoder.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Progress {
    /// All of the input was used; more is needed.
    More,
    /// The message ended; `used` octets belonged to it.
    End {
        /// Octets of the input up to and with the end.
        used: usize,
        /// What stands against taking it.
        fault: Option<Fault>,
    },
}

/// Where in a line the decoder is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum At {
    /// Behind CRLF, or at the very start.
    LineStart,
    /// Behind a dot at the start of a line.
    Dot,
    /// Behind CR that follows such a dot.
    DotCr,
    /// Inside a line.
    Text,
    /// Behind CR inside a line.
    Cr,
}

/// Reads the text of one message, in pieces of any size, and takes the stuffed dots out.
#[derive(Debug)]
pub struct Decoder {
    at: At,
    line: usize,
    size: u64,
    limit: u64,
    fault: Option<Fault>,
}

impl Decoder {
    /// A message may have `limit` octets (RFC 1870 §5: CRLF counted, stuffed dots and the end not).
    pub const fn new(limit: u64) -> Self {
        Self { at: At::LineStart, line: 0, size: 0, limit, fault: None }
    }

    /// Octets of the message so far.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Decodes `input` and appends what belongs to the message to `out`. After a fault nothing is appended any
    /// more, but the end is still looked for, so that the refusal arrives where the peer expects it.
    pub fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> Progress {
        let mut rest = input;
        while let Some((&octet, behind)) = rest.split_first() {
            let run = if self.at == At::Text { run_of_text(rest) } else { 0 };
            let ended = if run > 0 {
                let (text, behind) = rest.split_at(run);
                rest = behind;
                self.text(text, out).map(|()| false)
            } else {
                rest = behind;
                self.push(octet, out)
            };
            let used = input.len() - rest.len();
            match ended {
                Ok(false) => {}
                Ok(true) => return Progress::End { used, fault: self.fault },
                Err(fault) => return Progress::End { used, fault: Some(fault) },
            }
        }
        Progress::More
    }

    /// Takes one octet; true when it ended the message.
    fn push(&mut self, octet: u8, out: &mut Vec<u8>) -> Result<bool, Fault> {
        let next = match (self.at, octet) {
            (At::DotCr, b'\n') => return Ok(true),
            (At::Cr, b'\n') => {
                self.put(b"\r\n", out)?;
                self.line = 0;
                At::LineStart
            }
            (At::Cr | At::DotCr, _) | (_, b'\n') => return Err(Fault::BareNewline),
            (At::Dot, b'\r') => At::DotCr,
            (_, b'\r') => At::Cr,
            (At::LineStart, b'.') => At::Dot,
            // RFC 5321 §4.5.2: the first dot goes, whatever follows it.
            (At::LineStart | At::Dot | At::Text, _) => {
                self.text(&[octet], out)?;
                At::Text
            }
        };
        self.at = next;
        Ok(false)
    }

    /// Takes octets from inside a line.
    fn text(&mut self, octets: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        self.line += octets.len();
        if self.line > limits::TEXT_LINE {
            self.fault.get_or_insert(Fault::LineTooLong);
        }
        self.put(octets, out)
    }

    fn put(&mut self, octets: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        self.size += octets.len() as u64;
        if self.size > self.limit {
            self.fault.get_or_insert(Fault::TooBig);
        }
        // Four times the limit is heard for the sake of a clear answer, no more.
        if self.size > self.limit.saturating_mul(4) {
            return Err(Fault::Flood);
        }
        if self.fault.is_none() {
            out.extend_from_slice(octets);
        }
        Ok(())
    }
}

/// Writes the text of one message for the wire: stuffs dots, makes every line end CRLF, adds the end.
#[derive(Debug)]
pub struct Encoder {
    line_start: bool,
    after_cr: bool,
}

impl Default for Encoder {
    fn default() -> Self {
        Self { line_start: true, after_cr: false }
    }
}

impl Encoder {
    /// Encodes a piece of a message. A CR or LF alone becomes CRLF: nothing else may reach the wire.
    pub fn encode(&mut self, input: &[u8], out: &mut Vec<u8>) {
        out.reserve(input.len() + input.len() / 32);
        let mut rest = input;
        while let Some((&octet, behind)) = rest.split_first() {
            let run = if self.after_cr || self.line_start { 0 } else { run_of_text(rest) };
            if run > 0 {
                let (text, behind) = rest.split_at(run);
                out.extend_from_slice(text);
                rest = behind;
                continue;
            }
            rest = behind;
            if std::mem::take(&mut self.after_cr) {
                out.extend_from_slice(b"\r\n");
                self.line_start = true;
                if octet == b'\n' {
                    continue;
                }
            }
            match octet {
                b'\r' => self.after_cr = true,
                b'\n' => {
                    out.extend_from_slice(b"\r\n");
                    self.line_start = true;
                }
                _ => {
                    if std::mem::take(&mut self.line_start) && octet == b'.' {
                        out.push(b'.');
                    }
                    out.push(octet);
                }
            }
        }
    }

    /// Ends the last line if it is open, and the message.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if self.after_cr || !self.line_start {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
        *self = Self::default();
    }
}

/// Octets up to the next CR or LF.
fn run_of_text(octets: &[u8]) -> usize {
    memchr2(b'\r', b'\n', octets).unwrap_or(octets.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the decoder makes of `input` in pieces: message, octets used, fault; `None` without an end.
    fn decode(input: &[u8], piece: usize, limit: u64) -> Option<(Vec<u8>, usize, Option<Fault>)> {
        let mut decoder = Decoder::new(limit);
        let mut out = Vec::new();
        let mut before = 0;
        for chunk in input.chunks(piece.max(1)) {
            if let Progress::End { used, fault } = decoder.decode(chunk, &mut out) {
                return Some((out, before + used, fault));
            }
            before += chunk.len();
        }
        None
    }

    #[test]
    fn decodes() {
        for (input, want) in [
            (".\r\n", ""),
            ("\r\n.\r\n", "\r\n"),
            ("a\r\n.\r\n", "a\r\n"),
            ("..\r\n.\r\n", ".\r\n"),
            (".a\r\n.\r\n", "a\r\n"),
            ("...\r\n..\r\n.\r\n", "..\r\n.\r\n"),
            ("a.\r\n.b\r\n.\r\n", "a.\r\nb\r\n"),
        ] {
            let want = Some((want.as_bytes().to_vec(), input.len(), None));
            for piece in 1..=input.len() {
                assert_eq!(decode(input.as_bytes(), piece, 99), want, "{input:?} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn smuggling_sequences_are_refused() {
        let ends = [
            "\n.\n",
            "\n.\r\n",
            "\r.\r",
            "\r\n.\n",
            "\r\n.\r",
            "\r.\r\n",
            "\n.\r",
            "\r\r\n.\r\r\n",
            "\r\n\0.\n",
        ];
        for end in ends {
            let input = format!("Subject: x\r\n\r\ntext{end}MAIL FROM:<evil@x.example>\r\n.\r\n");
            for piece in 1..input.len() {
                let (_, used, fault) = decode(input.as_bytes(), piece, 999).unwrap();
                assert_eq!(fault, Some(Fault::BareNewline), "{end:?}");
                assert!(used <= input.find("MAIL").unwrap() + 1, "{end:?}");
            }
        }
    }

    #[test]
    fn drains_what_is_too_big() {
        let input = [vec![b'x'; 150], b"\r\n.\r\nQUIT".to_vec()].concat();
        let (out, used, fault) = decode(&input, 11, 100).unwrap();
        assert!(out.len() <= 100);
        assert_eq!((used, fault), (input.len() - 4, Some(Fault::TooBig)));
        assert_eq!(decode(&[b'x'; 500], 11, 100).unwrap().2, Some(Fault::Flood));
    }

    #[test]
    fn bounds_lines() {
        for (length, want) in [(limits::TEXT_LINE, None), (limits::TEXT_LINE + 1, Some(Fault::LineTooLong))] {
            let input = [vec![b'x'; length], b"\r\n.\r\n".to_vec()].concat();
            assert_eq!(decode(&input, 65_536, u64::MAX).unwrap().2, want);
        }
    }

    #[test]
    fn encodes() {
        for (input, want) in [
            ("", ".\r\n"),
            ("a", "a\r\n.\r\n"),
            ("a\r\n", "a\r\n.\r\n"),
            (".\r\n", "..\r\n.\r\n"),
            ("a\n.\nb\r.\r", "a\r\n..\r\nb\r\n..\r\n.\r\n"),
            ("a\r\n.\r\nMAIL", "a\r\n..\r\nMAIL\r\n.\r\n"),
            ("\r\r\n", "\r\n\r\n.\r\n"),
        ] {
            for piece in 1..=input.len().max(1) {
                let mut out = Vec::new();
                let mut encoder = Encoder::default();
                input.as_bytes().chunks(piece).for_each(|chunk| encoder.encode(chunk, &mut out));
                encoder.finish(&mut out);
                assert_eq!(String::from_utf8(out).unwrap(), want, "{input:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_is_encoded_is_one_message(input: Vec<u8>, piece in 1usize..9) {
            let mut wire = Vec::new();
            let mut encoder = Encoder::default();
            input.chunks(piece).for_each(|chunk| encoder.encode(chunk, &mut wire));
            encoder.finish(&mut wire);
            let (out, used, fault) = decode(&wire, piece, u64::MAX).unwrap();
            prop_assert_eq!((used, fault), (wire.len(), None));
            let mut again = Vec::new();
            let mut encoder = Encoder::default();
            encoder.encode(&out, &mut again);
            encoder.finish(&mut again);
            prop_assert_eq!(again, wire);
        }

        #[test]
        fn same_for_every_split(input: Vec<u8>, piece in 1usize..9) {
            let (by_piece, whole) = (decode(&input, piece, 40), decode(&input, input.len(), 40));
            let fault = |outcome: &Option<(_, _, Option<Fault>)>| outcome.as_ref().and_then(|outcome| outcome.2);
            prop_assert_eq!(fault(&by_piece), fault(&whole));
            if fault(&whole).is_none() {
                prop_assert_eq!(by_piece, whole);
            }
        }
    }
}
