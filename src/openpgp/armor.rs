//! ASCII armor (RFC 9580 §6.2) around messages, for PGP/MIME.

use sequoia_openpgp::armor::Kind;
use sequoia_openpgp::armor::Reader;
use sequoia_openpgp::armor::ReaderMode;
use sequoia_openpgp::armor::Writer;
use std::io;
use std::io::Read;
use std::io::Write;

/// Puts a binary message into armor: CRLF is the business of whoever sends it.
pub fn armor<R: Read, W: Write>(mut message: R, sink: W) -> io::Result<W> {
    let mut writer = Writer::new(sink, Kind::Message).map_err(|_| io::ErrorKind::Other)?;
    io::copy(&mut message, &mut writer)?;
    writer.finalize().map_err(|_| io::ErrorKind::Other.into())
}

/// A small message in armor, with a line that says what it is.
pub fn commented(message: &[u8], comment: &str) -> io::Result<String> {
    let headers = [("Comment", comment)];
    let mut writer =
        Writer::with_headers(Vec::new(), Kind::Message, headers).map_err(|_| io::ErrorKind::Other)?;
    writer.write_all(message)?;
    let armored = writer.finalize().map_err(|_| io::ErrorKind::Other)?;
    String::from_utf8(armored).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Takes a message out of its armor; what is damaged, or no message, is an error of reading.
///
/// [`crate::openpgp::decrypt::decrypt`] reads armor itself; this is for storing what came.
pub fn dearmor<R: Read + Send + Sync, W: Write>(armored: R, mut sink: W) -> io::Result<W> {
    let mut reader = Reader::from_reader(armored, ReaderMode::Tolerant(Some(Kind::Message)));
    let copied = io::copy(&mut reader, &mut sink)?;
    if copied == 0 { Err(io::ErrorKind::InvalidData.into()) } else { Ok(sink) }
}
