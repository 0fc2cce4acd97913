//! The spool: where a message lies while it is received or decrypted.
//!
//! Up to 256 KiB of it lie in memory. What is larger lies in a file of 64 KiB frames, each sealed under a key
//! that exists only in memory: never synced, without a name from the moment it is made, and worthless once
//! the process is gone.

use crate::base::base32;
use crate::base::limits::FRAME;
use crate::base::limits::SPOOL_MEMORY;
use crate::base::random::bytes;
use crate::base::secret::Key;
use crate::base::secret::Secret;
use crate::store::body::make_dir;
use crate::vault::frames::SEALED_FRAME;
use crate::vault::os_random;
use crate::vault::primitives::Aead;
use crate::vault::primitives::OVERHEAD;
use std::fmt;
use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::BufRead;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroize;
use zeroize::Zeroizing;

/// The directory of spool files.
#[derive(Clone, Debug)]
pub struct SpoolDir(Arc<Path>);

impl SpoolDir {
    /// Makes the directory where it is not there, and empties it: nothing in it can be read any more.
    pub fn open(path: &Path) -> io::Result<Self> {
        if !make_dir(path)? {
            for entry in fs::read_dir(path)? {
                fs::remove_file(entry?.path())?;
            }
        }
        Ok(Self(path.into()))
    }

    /// An empty spool.
    pub fn begin(&self) -> Spool {
        Spool { dir: self.clone(), memory: Zeroizing::default(), file: None, length: 0 }
    }

    /// A new file that loses its name at once: it goes with its last handle.
    fn create(&self) -> io::Result<Framed> {
        let path = self.0.join(base32::lower(&bytes::<16>(os_random())));
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        fs::remove_file(&path)?;
        Ok(Framed { file, key: Aead::new(&Key::new(bytes(os_random()))), frames: 0 })
    }
}

/// A message being written. Blocking: beyond 256 KiB it writes to a file.
#[derive(Debug)]
pub struct Spool {
    dir: SpoolDir,
    /// What is not in the file: everything up to 256 KiB, the unfinished frame beyond.
    memory: Zeroizing<Vec<u8>>,
    file: Option<Framed>,
    length: u64,
}

impl Spool {
    /// Octets so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Ends it; what comes back can be read, by many at once.
    pub fn finish(mut self) -> io::Result<Spooled> {
        if let Some(file) = &mut self.file
            && !self.memory.is_empty()
        {
            file.append(&self.memory)?;
            self.memory.zeroize();
        }
        Ok(Spooled(Arc::new(Content { memory: self.memory, file: self.file, length: self.length })))
    }

    /// Moves whole frames from memory into the file.
    fn spill(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(self.dir.create()?),
        };
        let whole = self.memory.len() - self.memory.len() % FRAME;
        let (frames, rest) = self.memory.split_at(whole);
        for frame in frames.chunks(FRAME) {
            file.append(frame)?;
        }
        let mut fresh = Vec::with_capacity(FRAME);
        fresh.extend_from_slice(rest);
        self.memory = Zeroizing::new(fresh);
        Ok(())
    }

    /// Room for `more` octets; a buffer that is left behind is wiped.
    fn reserve(&mut self, more: usize) {
        let need = self.memory.len() + more;
        if need > self.memory.capacity() {
            let mut larger = Vec::with_capacity(need.max(2 * self.memory.capacity()).max(8 << 10));
            larger.extend_from_slice(&self.memory);
            self.memory = Zeroizing::new(larger);
        }
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let most = if self.file.is_some() { FRAME } else { SPOOL_MEMORY };
        if self.memory.len() >= most && !bytes.is_empty() {
            self.spill()?;
        }
        let most = if self.file.is_some() { FRAME } else { SPOOL_MEMORY };
        let taken = bytes.len().min(most - self.memory.len());
        self.reserve(taken);
        self.memory.extend_from_slice(bytes.get(..taken).unwrap_or_default());
        self.length += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A whole message in the spool; goes with its last handle.
#[derive(Clone, Debug)]
pub struct Spooled(Arc<Content>);

#[derive(Debug)]
struct Content {
    memory: Zeroizing<Vec<u8>>,
    file: Option<Framed>,
    length: u64,
}

impl Spooled {
    /// Octets.
    pub fn length(&self) -> u64 {
        self.0.length
    }

    /// A reader of its own, at the beginning.
    pub fn reader(&self) -> SpoolReader {
        SpoolReader { content: self.0.clone(), at: 0, frame: None }
    }

    /// The whole of it as one slice, when it lies in memory.
    pub fn in_memory(&self) -> Option<&[u8]> {
        self.0.file.is_none().then_some(self.0.memory.as_slice())
    }
}

/// Reads a spooled message; moves freely in it. Keeps one frame in memory.
pub struct SpoolReader {
    content: Arc<Content>,
    at: u64,
    /// The last frame that was opened, and its number.
    frame: Option<(u64, Secret<Vec<u8>>)>,
}

impl fmt::Debug for SpoolReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpoolReader").field("at", &self.at).finish_non_exhaustive()
    }
}

impl BufRead for SpoolReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at >= self.content.length {
            return Ok(&[]);
        }
        let Some(file) = &self.content.file else {
            let at = usize::try_from(self.at).unwrap_or(usize::MAX);
            return Ok(self.content.memory.get(at..).unwrap_or_default());
        };
        let number = self.at / FRAME as u64;
        let within = usize::try_from(self.at % FRAME as u64).unwrap_or(usize::MAX);
        if self.frame.as_ref().is_none_or(|(held, _)| *held != number) {
            self.frame = Some((number, file.read(number, self.content.length)?));
        }
        Ok(self.frame.as_ref().and_then(|(_, frame)| frame.expose().get(within..)).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.at = self.at.saturating_add(amount as u64);
    }
}

impl Read for SpoolReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut ready = self.fill_buf()?;
        let read = ready.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl Seek for SpoolReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.content.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

/// A spool file: frames one behind the other.
#[derive(Debug)]
struct Framed {
    file: File,
    /// Frames are sealed with their number as associated data.
    key: Aead,
    frames: u64,
}

impl Framed {
    fn append(&mut self, frame: &[u8]) -> io::Result<()> {
        let sealed = self.key.seal(os_random(), frame, &self.frames.to_be_bytes());
        self.file.write_all_at(&sealed, self.frames * SEALED_FRAME as u64)?;
        self.frames += 1;
        Ok(())
    }

    fn read(&self, number: u64, length: u64) -> io::Result<Secret<Vec<u8>>> {
        let left = length.saturating_sub(number * FRAME as u64);
        let plain = usize::try_from(left).unwrap_or(FRAME).min(FRAME);
        let mut sealed = vec![0; plain + OVERHEAD];
        self.file.read_exact_at(&mut sealed, number * SEALED_FRAME as u64)?;
        let damaged = |_| io::Error::new(io::ErrorKind::InvalidData, "a spool frame does not open");
        self.key.open(&sealed, &number.to_be_bytes()).map_err(damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::ProptestConfig;
    use proptest::prop_assert_eq;
    use proptest::proptest;

    fn pattern(size: usize) -> Vec<u8> {
        (0..size).map(|n| (n % 251) as u8).collect()
    }

    #[test]
    fn reads_what_was_written_at_every_edge() {
        let dir = tempfile::tempdir().unwrap();
        let spools = SpoolDir::open(&dir.path().join("spool")).unwrap();
        let edges = [0, 1, FRAME, SPOOL_MEMORY, SPOOL_MEMORY + 1, SPOOL_MEMORY + FRAME, 700_001];
        for size in edges {
            let bytes = pattern(size);
            let mut spool = spools.begin();
            for chunk in bytes.chunks(10_007) {
                spool.write_all(chunk).unwrap();
            }
            let spooled = spool.finish().unwrap();
            assert_eq!(spooled.length(), size as u64);
            assert_eq!(spooled.in_memory().is_some(), size <= SPOOL_MEMORY, "{size}");
            let mut read = Vec::new();
            spooled.reader().read_to_end(&mut read).unwrap();
            assert!(read == bytes, "{size}");
        }
    }

    #[test]
    fn the_file_has_no_name_and_no_plaintext() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("spool");
        let spools = SpoolDir::open(&path).unwrap();
        let mut spool = spools.begin();
        spool.write_all(&b"marker ".repeat(100_000)).unwrap();
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
        let spooled = spool.finish().unwrap();
        let file = spooled.0.file.as_ref().unwrap();
        let mut raw = vec![0; usize::try_from(file.file.metadata().unwrap().len()).unwrap()];
        file.file.read_exact_at(&mut raw, 0).unwrap();
        assert!(raw.len() >= 700_000);
        assert!(!raw.windows(6).any(|window| window == b"marker"));
        file.file.write_all_at(&[raw[70_000] ^ 1], 70_000).unwrap();
        let error = spooled.reader().read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn what_a_crash_left_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("left"), b"sealed").unwrap();
        SpoolDir::open(dir.path()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn seeks_like_a_slice(size in 0usize..600_000, jumps in proptest::collection::vec((0u64..700_000, 1usize..90_000), 1..12)) {
            let dir = tempfile::tempdir().unwrap();
            let spools = SpoolDir::open(dir.path()).unwrap();
            let bytes = pattern(size);
            let mut spool = spools.begin();
            spool.write_all(&bytes).unwrap();
            let spooled = spool.finish().unwrap();
            let mut reader = spooled.reader();
            for (at, length) in jumps {
                reader.seek(SeekFrom::Start(at)).unwrap();
                let mut read = Vec::new();
                (&mut reader).take(length as u64).read_to_end(&mut read).unwrap();
                let from = usize::try_from(at).unwrap().min(size);
                prop_assert_eq!(&read[..], &bytes[from..(from + length).min(size)]);
            }
        }
    }
}
