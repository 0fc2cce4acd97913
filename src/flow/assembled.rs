//! A message put together from pieces: a header of our making and ranges of what came, read as one.

use std::io;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::ops::Range;
use std::sync::Arc;

/// A piece of a message.
#[derive(Clone)]
pub enum Piece {
    /// Bytes of our own: header fields, boundaries.
    Own(Arc<[u8]>),
    /// A range of the message as it came.
    Came(Range<u64>),
}

impl Piece {
    /// Octets.
    pub fn length(&self) -> u64 {
        match self {
            Self::Own(bytes) => bytes.len() as u64,
            Self::Came(range) => range.end.saturating_sub(range.start),
        }
    }

    /// The same without its first `cut` octets.
    pub fn from(&self, cut: u64) -> Self {
        match self {
            Self::Own(bytes) => {
                let cut = usize::try_from(cut).unwrap_or(usize::MAX);
                Self::Own(bytes.get(cut..).unwrap_or_default().into())
            }
            Self::Came(range) => Self::Came(range.start.saturating_add(cut).min(range.end)..range.end),
        }
    }
}

/// Pieces over a source, readable and seekable as if they were one file.
pub struct Assembled<R> {
    source: R,
    pieces: Vec<(u64, Piece)>,
    length: u64,
    at: u64,
}

impl<R: Read + Seek> Assembled<R> {
    /// The pieces in order over `source`.
    pub fn new(source: R, pieces: impl IntoIterator<Item = Piece>) -> Self {
        let mut length = 0;
        let pieces = pieces
            .into_iter()
            .map(|piece| {
                let start = length;
                length += piece.length();
                (start, piece)
            })
            .collect();
        Self { source, pieces, length, at: 0 }
    }

    /// Octets in all.
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Starts over.
    pub const fn rewound(mut self) -> Self {
        self.at = 0;
        self
    }
}

impl<R: Read + Seek> Read for Assembled<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || self.at >= self.length {
            return Ok(0);
        }
        let index = self.pieces.partition_point(|(start, _)| *start <= self.at).saturating_sub(1);
        let mut index = index;
        loop {
            let Some((start, piece)) = self.pieces.get(index) else { return Ok(0) };
            let inner = self.at.saturating_sub(*start);
            let left = piece.length().saturating_sub(inner);
            if left == 0 {
                index += 1;
                continue;
            }
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let buffer = &mut buffer[..wanted];
            let got = match piece {
                Piece::Own(bytes) => {
                    let inner = usize::try_from(inner).unwrap_or(usize::MAX);
                    let part = bytes.get(inner..inner.saturating_add(wanted)).unwrap_or_default();
                    buffer.copy_from_slice(part);
                    part.len()
                }
                Piece::Came(range) => {
                    self.source.seek(SeekFrom::Start(range.start + inner))?;
                    self.source.read(buffer)?
                }
            };
            if got == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.at += got as u64;
            return Ok(got);
        }
    }
}

impl<R: Read + Seek> Seek for Assembled<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.at.checked_add_signed(offset),
        };
        self.at = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn pieces() -> Assembled<Cursor<&'static [u8]>> {
        let own = |text: &str| Piece::Own(text.as_bytes().into());
        Assembled::new(
            Cursor::new(b"0123456789".as_slice()),
            [own("head "), Piece::Came(2..2), Piece::Came(2..5), own(""), own("|"), Piece::Came(8..10)],
        )
    }

    #[test]
    fn reads_as_one_from_anywhere() {
        let whole = b"head 234|89";
        for start in 0..=whole.len() {
            for step in 1..4 {
                let mut read = Vec::new();
                let mut assembled = pieces();
                assembled.seek(SeekFrom::Start(start as u64)).unwrap();
                let mut chunk = vec![0; step];
                loop {
                    match assembled.read(&mut chunk).unwrap() {
                        0 => break,
                        n => read.extend_from_slice(&chunk[..n]),
                    }
                }
                assert_eq!(read, &whole[start..], "from {start} by {step}");
            }
        }
        assert_eq!(pieces().length(), whole.len() as u64);
        assert_eq!(pieces().seek(SeekFrom::End(-2)).unwrap(), 9);
        assert!(pieces().seek(SeekFrom::Current(-1)).is_err());
    }

    #[test]
    fn a_source_that_lost_bytes_is_an_error_not_a_shorter_message() {
        let mut short = Assembled::new(Cursor::new(b"01".as_slice()), [Piece::Came(0..5)]);
        assert!(short.read_to_end(&mut Vec::new()).is_err());
    }
}
