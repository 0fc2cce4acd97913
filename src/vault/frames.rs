//! Sealed streams: queued bodies and the spool, in frames of 64 KiB.
//!
//! ```text
//! file   frame 0, frame 1, …; every one but the last holds 64 KiB of plaintext; an empty stream is one empty frame
//! frame  AEAD(key, plaintext, aad = lp(q, number (u64 big-endian), last (one octet, 0 or 1)))
//! key    queue  HKDF(salt = K_queue, ikm = QK or 32 zero octets, info = lp("guardpost/1 queue", q))
//!        spool  32 random octets that exist only in memory
//! ```
//!
//! A frame opens only at its own place and only as last if it was: cutting, appending and reordering are noticed.

use crate::base::id::QueueId;
use crate::base::limits::FRAME;
use crate::base::random::Random;
use crate::base::random::bytes;
use crate::base::secret::Key;
use crate::base::secret::Secret;
use crate::vault::error::VaultError;
use crate::vault::primitives::Aead;
use crate::vault::primitives::NO_SALT;
use crate::vault::primitives::NONCE;
use crate::vault::primitives::OVERHEAD;
use crate::vault::primitives::derive;
use crate::vault::primitives::lp;
use std::io;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::io::Write;
use std::sync::Arc;
use zeroize::Zeroize;

/// Octets of a full frame as it is stored.
pub const SEALED_FRAME: usize = FRAME + OVERHEAD;

/// The key of one stream. Cheap to clone: the writer and any number of readers share it.
#[derive(Clone, Debug)]
pub struct FrameKey {
    aead: Arc<Aead>,
    id: [u8; 16],
}

impl FrameKey {
    /// For the body of a queued message; `queue_key` is QK, for mail that carries a token or a PIN.
    pub fn queue(k_queue: &Key, queue_key: Option<&Key>, queue: QueueId) -> Self {
        let ikm = queue_key.map_or(&NO_SALT, |key| key.expose());
        let info = lp(&[b"guardpost/1 queue", queue.bytes()]);
        let key = derive(k_queue.expose(), ikm, &info);
        Self { aead: Arc::new(Aead::new(&key)), id: *queue.bytes() }
    }

    /// For a spool: gone with the process.
    pub fn spool(random: &dyn Random) -> Self {
        Self { aead: Arc::new(Aead::new(&Key::new(bytes(random)))), id: bytes(random) }
    }

    /// Opens frame `number`: for random access.
    pub fn open_frame(&self, number: u64, last: bool, sealed: &[u8]) -> Result<Secret<Vec<u8>>, VaultError> {
        self.aead.open(sealed, &self.aad(number, last))
    }

    fn aad(&self, number: u64, last: bool) -> Vec<u8> {
        lp(&[&self.id, &number.to_be_bytes(), &[u8::from(last)]])
    }
}

/// Seals what is written to it. Nothing is complete before [`FrameWriter::finish`].
pub struct FrameWriter<'r, W: Write> {
    sink: W,
    key: FrameKey,
    random: &'r dyn Random,
    /// Room for a nonce, then plaintext of the frame under way.
    frame: Vec<u8>,
    number: u64,
    length: u64,
    /// The sink refused: what would follow does not belong to what stands there.
    failed: bool,
}

impl<'r, W: Write> FrameWriter<'r, W> {
    /// Begins a stream at the present place of `sink`.
    pub fn new(sink: W, key: FrameKey, random: &'r dyn Random) -> Self {
        let mut frame = Vec::with_capacity(SEALED_FRAME);
        frame.resize(NONCE, 0);
        Self { sink, key, random, frame, number: 0, length: 0, failed: false }
    }

    /// Octets of plaintext so far.
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Writes the last frame and hands the sink back.
    pub fn finish(mut self) -> io::Result<W> {
        self.emit(true)?;
        self.sink.flush()?;
        Ok(self.sink)
    }

    /// Forgets the plaintext of the frame under way and refuses all that follows: for a message that is given up.
    pub fn wipe(&mut self) {
        self.frame.zeroize();
        self.failed = true;
    }

    fn emit(&mut self, last: bool) -> io::Result<()> {
        if std::mem::replace(&mut self.failed, true) {
            return Err(io::Error::other("the stream was broken by an earlier error"));
        }
        let nonce: [u8; NONCE] = bytes(self.random);
        self.frame.iter_mut().zip(nonce).for_each(|(to, from)| *to = from);
        let aad = self.key.aad(self.number, last);
        self.key.aead.seal_behind_nonce(&mut self.frame, &aad);
        self.sink.write_all(&self.frame)?;
        // What lies in the buffer now is ciphertext.
        self.frame.truncate(NONCE);
        self.number += 1;
        self.failed = false;
        Ok(())
    }
}

impl<W: Write> Write for FrameWriter<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let room = match (NONCE + FRAME).saturating_sub(self.frame.len()) {
            0 => {
                // Only now is it known that this frame is not the last.
                self.emit(false)?;
                FRAME
            }
            room => room,
        };
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.frame.extend_from_slice(taken);
        self.length += taken.len() as u64;
        Ok(taken.len())
    }

    /// Passes on what is sealed; the frame under way stays here.
    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

impl<W: Write> std::fmt::Debug for FrameWriter<'_, W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrameWriter").field("length", &self.length).finish_non_exhaustive()
    }
}

/// Opens a stream from its beginning. Every octet it gives was authenticated; the end only comes after the
/// frame that was sealed as last.
#[derive(Debug)]
pub struct FrameReader<R: Read> {
    source: R,
    key: FrameKey,
    /// Sealed octets of the next frame, and one more to see whether it is the last.
    ahead: Vec<u8>,
    plain: Secret<Vec<u8>>,
    taken: usize,
    number: u64,
    ended: bool,
}

impl<R: Read> FrameReader<R> {
    /// Begins at the present place of `source`.
    pub fn new(source: R, key: FrameKey) -> Self {
        Self::of_length(source, key, u64::MAX)
    }

    /// The same where `source` has about so many octets left; no more room is taken than they need.
    pub fn of_length(source: R, key: FrameKey, sealed: u64) -> Self {
        let room = usize::try_from(sealed).unwrap_or(SEALED_FRAME).min(SEALED_FRAME) + 1;
        let ahead = Vec::with_capacity(room);
        Self { source, key, ahead, plain: Secret::new(Vec::new()), taken: 0, number: 0, ended: false }
    }

    fn next_frame(&mut self) -> io::Result<()> {
        let wanted = SEALED_FRAME + 1 - self.ahead.len();
        (&mut self.source).take(wanted as u64).read_to_end(&mut self.ahead)?;
        let last = self.ahead.len() <= SEALED_FRAME;
        let sealed = self.ahead.get(..SEALED_FRAME).unwrap_or(&self.ahead);
        self.plain = self.key.open_frame(self.number, last, sealed).map_err(damaged)?;
        self.ahead.drain(..sealed.len());
        self.taken = 0;
        self.number += 1;
        self.ended = last;
        Ok(())
    }
}

impl<R: Read> Read for FrameReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while self.taken == self.plain.expose().len() {
            if self.ended {
                return Ok(0);
            }
            self.next_frame()?;
        }
        let mut rest = self.plain.expose().get(self.taken..).unwrap_or_default();
        let read = rest.read(buffer)?;
        self.taken += read;
        Ok(read)
    }
}

/// A stream with random access: reads and seeks in the plaintext, one frame in memory.
#[derive(Debug)]
pub struct FrameFile<R: Read + Seek> {
    source: R,
    key: FrameKey,
    /// Octets of the sealed stream and of its plaintext.
    sealed_length: u64,
    length: u64,
    /// Where the next read begins, in the plaintext.
    at: u64,
    /// The frame that is open.
    open: Option<(u64, Secret<Vec<u8>>)>,
}

impl<R: Read + Seek> FrameFile<R> {
    /// Takes the whole of `source` as one stream; its last frame is opened at once, so a cut stream is
    /// refused here.
    pub fn new(mut source: R, key: FrameKey) -> io::Result<Self> {
        let sealed_length = source.seek(SeekFrom::End(0))?;
        let frames = sealed_length.div_ceil(SEALED_FRAME as u64).max(1);
        let overhead = frames.checked_mul(OVERHEAD as u64);
        let length = overhead.and_then(|overhead| sealed_length.checked_sub(overhead));
        let length = length.ok_or_else(|| damaged(VaultError::NotOpened))?;
        let mut file = Self { source, key, sealed_length, length, at: 0, open: None };
        file.open(frames - 1)?;
        Ok(file)
    }

    /// Octets of plaintext.
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Opens frame `number`, unless it is open.
    fn open(&mut self, number: u64) -> io::Result<&[u8]> {
        let frame = match self.open.take() {
            Some((open, frame)) if open == number => frame,
            _ => self.fetch(number)?,
        };
        Ok(self.open.insert((number, frame)).1.expose())
    }

    fn fetch(&mut self, number: u64) -> io::Result<Secret<Vec<u8>>> {
        let start = number.saturating_mul(SEALED_FRAME as u64);
        let end = start.saturating_add(SEALED_FRAME as u64);
        self.source.seek(SeekFrom::Start(start))?;
        let mut sealed = Vec::with_capacity(SEALED_FRAME);
        (&mut self.source).take(SEALED_FRAME as u64).read_to_end(&mut sealed)?;
        self.key.open_frame(number, end >= self.sealed_length, &sealed).map_err(damaged)
    }
}

impl<R: Read + Seek> Read for FrameFile<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || self.at >= self.length {
            return Ok(0);
        }
        let within = usize::try_from(self.at % FRAME as u64).unwrap_or(0);
        let frame = self.open(self.at / FRAME as u64)?;
        let read = frame.get(within..).unwrap_or_default().read(buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl<R: Read + Seek> Seek for FrameFile<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

fn damaged(error: VaultError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::tests::Seeded;
    use proptest::prelude::*;
    use std::io::Cursor;

    const Q: QueueId = QueueId::new([1; 16]);

    fn key() -> FrameKey {
        FrameKey::queue(&Key::new([2; 32]), Some(&Key::new([3; 32])), Q)
    }

    fn text(length: usize) -> Vec<u8> {
        (0..length).map(|n| (n % 251) as u8).collect()
    }

    fn sealed(length: usize) -> Vec<u8> {
        let random = Seeded::new(length as u64);
        let mut writer = FrameWriter::new(Vec::new(), key(), &random);
        for piece in text(length).chunks(7_001) {
            writer.write_all(piece).unwrap();
        }
        assert_eq!(writer.length(), length as u64);
        writer.finish().unwrap()
    }

    fn read(sealed: &[u8], key: FrameKey) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        FrameReader::new(sealed, key).read_to_end(&mut plain)?;
        Ok(plain)
    }

    const LENGTHS: [usize; 9] =
        [0, 1, 100, FRAME - 1, FRAME, FRAME + 1, 2 * FRAME, 3 * FRAME - 1, 3 * FRAME + 77];

    #[test]
    fn reads_back_at_every_edge() {
        for length in LENGTHS {
            let sealed = sealed(length);
            let frames = length.div_ceil(FRAME).max(1);
            assert_eq!(sealed.len(), length + frames * OVERHEAD, "{length}");
            assert_eq!(read(&sealed, key()).unwrap(), text(length), "{length}");
            let mut file = FrameFile::new(Cursor::new(&sealed), key()).unwrap();
            assert_eq!(file.length(), length as u64);
            let mut plain = Vec::new();
            file.read_to_end(&mut plain).unwrap();
            assert_eq!(plain, text(length), "{length}");
        }
    }

    #[test]
    fn cut_appended_reordered_and_changed_streams_are_refused() {
        let whole = sealed(3 * FRAME + 77);
        let frames: Vec<&[u8]> = whole.chunks(SEALED_FRAME).collect();
        let [a, b, c, d] = frames[..] else { panic!("four frames") };
        for (name, changed) in [
            ("first frame dropped", [b, c, d].concat()),
            ("middle dropped", [a, c, d].concat()),
            ("last dropped", [a, b, c].concat()),
            ("swapped", [b, a, c, d].concat()),
            ("doubled", [a, a, b, c, d].concat()),
            ("appended", [a, b, c, d, &b"x"[..]].concat()),
            ("appended frame", [a, b, c, d, d].concat()),
            ("cut in the middle", whole[..whole.len() / 2].to_vec()),
            ("cut by one", whole[..whole.len() - 1].to_vec()),
            ("nothing", Vec::new()),
        ] {
            assert_eq!(read(&changed, key()).unwrap_err().kind(), io::ErrorKind::InvalidData, "{name}");
            let file = FrameFile::new(Cursor::new(&changed), key());
            let refused = file.and_then(|mut file| file.read_to_end(&mut Vec::new()));
            assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::InvalidData, "{name}");
        }
        for at in (0..whole.len()).step_by(997) {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert!(read(&changed, key()).is_err(), "octet {at}");
        }
    }

    #[test]
    fn streams_may_go_to_another_thread() {
        fn is_shared<T: Send + Sync>(_: &T) {}
        let random = Seeded::new(1);
        is_shared(&FrameWriter::new(Vec::new(), key(), &random));
        is_shared(&FrameReader::new(&b""[..], key()));
        is_shared(&FrameFile::new(Cursor::new(sealed(1)), key()).unwrap());
    }

    #[test]
    fn without_the_queue_key_nothing_opens() {
        let sealed = sealed(1_000);
        for other in [
            FrameKey::queue(&Key::new([2; 32]), None, Q),
            FrameKey::queue(&Key::new([9; 32]), Some(&Key::new([3; 32])), Q),
            FrameKey::queue(&Key::new([2; 32]), Some(&Key::new([3; 32])), QueueId::new([9; 16])),
            FrameKey::spool(&Seeded::new(1)),
        ] {
            assert!(read(&sealed, other).is_err());
        }
    }

    #[test]
    fn an_error_of_the_disk_comes_through_and_nothing_is_lost_in_silence() {
        struct Full(usize);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let random = Seeded::new(1);
        let mut writer = FrameWriter::new(Full(SEALED_FRAME), key(), &random);
        writer.write_all(&text(2 * FRAME)).unwrap();
        assert_eq!(writer.write_all(b"x").unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert!(writer.write_all(b"x").is_err());
        assert!(writer.finish().is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn random_access_gives_what_was_written(start in 0_usize..200_000, length in 0_usize..70_000) {
            let whole = text(3 * FRAME + 77);
            let mut file = FrameFile::new(Cursor::new(sealed(whole.len())), key()).unwrap();
            file.seek(SeekFrom::Start(start as u64)).unwrap();
            let mut part = Vec::new();
            file.take(length as u64).read_to_end(&mut part).unwrap();
            let start = start.min(whole.len());
            let end = (start + length).min(whole.len());
            prop_assert_eq!(&part[..], &whole[start..end]);
        }

        #[test]
        fn junk_never_panics(junk in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(read(&junk, key()).is_err());
            prop_assert!(FrameFile::new(Cursor::new(junk), key()).is_err());
        }
    }
}
