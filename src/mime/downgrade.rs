//! A message in 7 bits and short lines, for peers that take nothing else (RFC 6152 §3).
//!
//! Each part that needs it is written anew in quoted-printable, or in base64 when it is no text; everything else
//! stays as it is. Inside signed and encrypted parts nothing may change, so such a message is refused.

use crate::mime::encode::Base64Writer;
use crate::mime::encode::QuotedPrintableWriter;
use crate::mime::header::Field;
use crate::mime::header::Header;
use crate::mime::part::Content;
use crate::mime::part::Stretch;
use crate::mime::problem::Problem;
use crate::mime::structure::Encoding;
use crate::mime::structure::Part;
use crate::mime::structure::Shape;
use crate::mime::structure::Span;
use crate::mime::structure::Structure;
use memchr::memchr;
use std::io;
use std::io::Read;
use std::io::Seek;
use std::io::Write;

/// RFC 5321 §4.5.3.1.6: a line of text, octets without its end.
pub const LONGEST_LINE: u64 = 998;

/// What the peer takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Peer {
    /// It said 8BITMIME.
    EightBit,
    /// It did not.
    SevenBit,
}

/// Whether the message cannot go to such a peer as it is. NUL goes to nobody (RFC 2045 §2.7, §2.8).
pub fn is_needed(structure: &Structure, peer: Peer) -> bool {
    let seven_bit = peer == Peer::SevenBit;
    structure.longest_line > LONGEST_LINE || structure.nul || (seven_bit && structure.eight_bit_body)
}

/// Writes the message so that such a peer can take it.
///
/// [`Problem::Protected`]: a signed or encrypted part, or one in an unknown encoding, would have to change.
pub fn write(
    source: &mut (impl Read + Seek),
    structure: &Structure,
    peer: Peer,
    out: &mut impl Write,
) -> Result<(), Problem> {
    let edits = plan(source, structure, peer)?;
    let mut at = 0;
    for (span, edit) in edits {
        copy(source, Span::new(at, span.start), out)?;
        match edit {
            Edit::Header(header) => out.write_all(&header)?,
            Edit::Encode { part, encoding } => encode(source, structure, part, encoding, out)?,
            Edit::Plain => write_plain(source, span, out)?,
        }
        at = span.end;
    }
    copy(source, Span::new(at, structure.size), out)
}

/// Something that is written in the place of a range.
enum Edit {
    /// This header.
    Header(Vec<u8>),
    /// The part's content in this encoding.
    Encode { part: usize, encoding: New },
    /// The same octets in short lines, with question marks for NUL and those beyond ASCII: preamble and epilogue of a
    /// multipart, which nobody reads.
    Plain,
}

/// The encoding a part gets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum New {
    QuotedPrintable,
    Base64,
}

fn plan(
    source: &mut (impl Read + Seek),
    structure: &Structure,
    peer: Peer,
) -> Result<Vec<(Span, Edit)>, Problem> {
    let mut edits = Vec::new();
    for (index, part) in structure.parts.iter().enumerate() {
        let unfit = part.longest_line > LONGEST_LINE
            || (peer == Peer::SevenBit && part.eight_bit)
            || (structure.nul && has_nul(source, structure, part)?);
        let label = match part.shape {
            Shape::Leaf if !unfit => continue,
            Shape::Leaf => {
                if structure.is_protected(index) {
                    return Err(Problem::Protected);
                }
                let encoding = new_encoding(part)?;
                edits.push((part.body, Edit::Encode { part: index, encoding }));
                match encoding {
                    New::QuotedPrintable => "quoted-printable",
                    New::Base64 => "base64",
                }
            }
            Shape::Multipart | Shape::Message => {
                if unfit {
                    if structure.is_protected(index) || !part.header_is_plain() {
                        return Err(Problem::Protected);
                    }
                    edits.extend(gaps(structure, part).into_iter().map(|gap| (gap, Edit::Plain)));
                }
                let wide = matches!(part.encoding, Encoding::EightBit | Encoding::Binary);
                if !wide || peer == Peer::EightBit || structure.is_protected(index) {
                    continue;
                }
                "7bit"
            }
        };
        let mut header = Header::read(source, part.header)?;
        header.replace(Field::raw("Content-Transfer-Encoding", label));
        if index == 0 && !header.has("mime-version") {
            header.append(Field::raw("MIME-Version", "1.0"));
        }
        edits.push((part.header, Edit::Header(header.render())));
    }
    edits.sort_by_key(|(span, _)| (span.start, span.end));
    Ok(edits)
}

/// Whether NUL stands in its body, that of its children not counted.
fn has_nul(source: &mut (impl Read + Seek), structure: &Structure, part: &Part) -> Result<bool, Problem> {
    let mut buffer = vec![0; 8 << 10];
    for gap in gaps(structure, part) {
        let mut stretch = Stretch::open(&mut *source, gap)?;
        loop {
            let count = stretch.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            if memchr(0, buffer.get(..count).unwrap_or_default()).is_some() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn new_encoding(part: &Part) -> Result<New, Problem> {
    match part.encoding {
        Encoding::Other(_) => Err(Problem::Protected),
        Encoding::Base64 => Ok(New::Base64),
        _ if part.kind == "text" || part.kind == "message" => Ok(New::QuotedPrintable),
        Encoding::QuotedPrintable => Ok(New::QuotedPrintable),
        _ => Ok(New::Base64),
    }
}

/// What of a multipart's body belongs to none of its parts.
fn gaps(structure: &Structure, part: &Part) -> Vec<Span> {
    let mut out = Vec::new();
    let mut at = part.body.start;
    for child in part.children.iter().filter_map(|&child| structure.part(usize::try_from(child).ok()?)) {
        out.push(Span::new(at, child.header.start));
        at = child.body.end;
    }
    out.push(Span::new(at, part.body.end));
    out.retain(|gap| gap.length() > 0);
    out
}

impl Part {
    /// The boundary is ASCII, so that its delimiters stay what they are in 7 bits.
    fn header_is_plain(&self) -> bool {
        self.parameters.value("boundary").is_none_or(str::is_ascii)
    }
}

fn copy(source: &mut (impl Read + Seek), span: Span, out: &mut impl Write) -> Result<(), Problem> {
    io::copy(&mut Stretch::open(source, span)?, out)?;
    Ok(())
}

fn encode(
    source: &mut (impl Read + Seek),
    structure: &Structure,
    index: usize,
    encoding: New,
    out: &mut impl Write,
) -> Result<(), Problem> {
    let part = structure.part(index).ok_or(Problem::Changed)?;
    let mut content = Content::open(source, part)?;
    match encoding {
        New::QuotedPrintable => {
            let mut encoder = QuotedPrintableWriter::new(&mut *out);
            io::copy(&mut content, &mut encoder)?;
            let unfinished = !encoder.is_at_line_start();
            encoder.finish()?;
            if unfinished && part.body.end == structure.size {
                // Nothing follows that would end the last line.
                out.write_all(b"\r\n")?;
            }
        }
        New::Base64 => {
            let mut encoder = Base64Writer::new(&mut *out);
            io::copy(&mut content, &mut encoder)?;
            encoder.finish()?;
        }
    }
    Ok(())
}

fn write_plain(source: &mut (impl Read + Seek), span: Span, out: &mut impl Write) -> Result<(), Problem> {
    let mut column = 0;
    let mut buffer = vec![0; 8 << 10];
    let mut stretch = Stretch::open(source, span)?;
    loop {
        let count = stretch.read(&mut buffer)?;
        let mut plain = Vec::with_capacity(count + 64);
        for &byte in buffer.get(..count).unwrap_or_default() {
            if column >= 900 && byte != b'\r' && byte != b'\n' {
                plain.extend_from_slice(b"\r\n ");
                column = 1;
            }
            column = if byte == b'\n' { 0 } else { column + 1 };
            plain.push(if byte.is_ascii() && byte != 0 { byte } else { b'?' });
        }
        if count == 0 {
            return Ok(());
        }
        out.write_all(&plain)?;
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

    fn downgraded(message: &[u8], peer: Peer) -> Result<Vec<u8>, Problem> {
        let structure = Scanner::scan(message, Limits::default()).unwrap();
        let mut out = Vec::new();
        write(&mut Cursor::new(message), &structure, peer, &mut out)?;
        Ok(out)
    }

    /// The decoded contents of all leaves.
    fn contents(message: &[u8]) -> Vec<Vec<u8>> {
        let structure = Scanner::scan(message, Limits::default()).unwrap();
        let read = |index| {
            let mut out = Vec::new();
            Content::open(Cursor::new(message), &structure.parts[index])
                .unwrap()
                .read_to_end(&mut out)
                .unwrap();
            out
        };
        structure.leaves().map(read).collect()
    }

    #[test]
    fn known_answers() {
        for (message, want) in [
            ("A: b\r\n\r\nplain\r\n", "A: b\r\n\r\nplain\r\n"),
            (
                "A: b\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n",
                "A: b\r\nContent-Transfer-Encoding: quoted-printable\r\nMIME-Version: 1.0\r\n\r\nGr=C3=BC=C3=9Fe\r\n",
            ),
            (
                "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 8bit\r\n\
                 \r\nprä\r\n--b\r\n\r\nü\r\n--b\r\nContent-Type: application/x\r\n\r\nü\r\n--b--\r\nepü\r\n",
                "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 7bit\r\n\
                 \r\npr??\r\n--b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=BC\r\n--b\r\n\
                 Content-Type: application/x\r\nContent-Transfer-Encoding: base64\r\n\r\nw7w=\r\n\r\n--b--\r\nep??\r\n",
            ),
        ] {
            let got = downgraded(message.as_bytes(), Peer::SevenBit).unwrap();
            assert_eq!(String::from_utf8(got).unwrap(), want);
            let wide = downgraded(message.as_bytes(), Peer::EightBit).unwrap();
            assert_eq!(String::from_utf8(wide).unwrap(), message);
        }
    }

    #[test]
    fn breaks_long_lines_for_everybody() {
        let message = format!("MIME-Version: 1.0\r\n\r\n{}\r\n", "x".repeat(5_000));
        let structure = Scanner::scan(message.as_bytes(), Limits::default()).unwrap();
        assert!(is_needed(&structure, Peer::EightBit));
        let got = downgraded(message.as_bytes(), Peer::EightBit).unwrap();
        assert!(got.split(|&b| b == b'\n').all(|line| line.len() <= 78));
        assert_eq!(contents(&got)[0].trim_ascii_end(), "x".repeat(5_000).as_bytes());
    }

    #[test]
    fn lets_no_nul_through() {
        for message in [
            "MIME-Version: 1.0\r\n\r\na\0b\r\n",
            "Content-Type: multipart/mixed; boundary=b\r\n\r\npre\0\r\n--b\r\n\r\nplain\r\n--b\r\n\
             Content-Type: application/x\r\nContent-Transfer-Encoding: binary\r\n\r\na\0b\r\n--b--\r\n",
        ] {
            let structure = Scanner::scan(message.as_bytes(), Limits::default()).unwrap();
            for peer in [Peer::EightBit, Peer::SevenBit] {
                assert!(is_needed(&structure, peer));
                let got = downgraded(message.as_bytes(), peer).unwrap();
                assert!(!got.contains(&0), "{}", String::from_utf8_lossy(&got));
                assert_eq!(contents(&got).pop().unwrap().trim_ascii_end(), b"a\0b");
            }
        }
        let signed = "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\na\0b\r\n--b--\r\n";
        assert!(matches!(downgraded(signed.as_bytes(), Peer::EightBit), Err(Problem::Protected)));
    }

    #[test]
    fn refuses_to_touch_what_is_protected() {
        for kind in ["signed", "encrypted"] {
            let message =
                format!("Content-Type: multipart/{kind}; boundary=b\r\n\r\n--b\r\n\r\nü\r\n--b--\r\n");
            assert!(matches!(downgraded(message.as_bytes(), Peer::SevenBit), Err(Problem::Protected)));
            assert_eq!(downgraded(message.as_bytes(), Peer::EightBit).unwrap(), message.as_bytes());
        }
        let beside = "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\nü\r\n--a\r\n\
            Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nu\r\n--b--\r\n--a--\r\n";
        assert!(downgraded(beside.as_bytes(), Peer::SevenBit).unwrap().is_ascii());
        let unknown = "Content-Transfer-Encoding: x-uu\r\n\r\nü\r\n";
        assert!(matches!(downgraded(unknown.as_bytes(), Peer::SevenBit), Err(Problem::Protected)));
    }

    #[test]
    fn odd_messages_keep_their_parts() {
        for (what, message, _) in odd::MESSAGES {
            let Ok(structure) = Scanner::scan(message, Limits::default()) else { continue };
            let got = match downgraded(message, Peer::SevenBit) {
                Ok(got) => got,
                Err(Problem::Protected) => continue,
                Err(problem) => panic!("{what}: {problem}"),
            };
            if !is_needed(&structure, Peer::SevenBit) {
                assert_eq!(&got, message, "{what}");
            }
            let trimmed = |all: Vec<Vec<u8>>| -> Vec<Vec<u8>> {
                all.into_iter().map(|content| content.trim_ascii_end().to_vec()).collect()
            };
            assert_eq!(trimmed(contents(&got)), trimmed(contents(message)), "{what}");
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_back(lines in proptest::collection::vec("[a-zäöü =.]{0,40}", 0..10)) {
            let text = lines.join("\r\n") + "\r\n";
            let message = format!("Content-Type: text/plain; charset=utf-8\r\n\r\n{text}");
            let got = downgraded(message.as_bytes(), Peer::SevenBit).unwrap();
            prop_assert!(got.is_ascii());
            let read = String::from_utf8(contents(&got).remove(0)).unwrap();
            prop_assert_eq!(read.trim_end(), text.trim_end());
        }
    }
}
