//! Bodies: ciphertext beside the records. Small ones lie in the store itself, larger ones are files.
//!
//! A file is written under another name, synced, renamed, and its directory synced; only then does a record
//! name it. A file goes after the commit that drops the last record naming it; what a crash leaves between
//! is a file without a name in the store, and the sweeper takes it.

use crate::base::id::BodyId;
use crate::base::limits::BODY_INLINE;
use crate::base::limits::FRAME;
use crate::base::random::bytes;
use crate::store::digest::Sha256;
use crate::store::error::StoreError;
use crate::store::poison::Poison;
use crate::vault::os_random;
use minicbor::Decode;
use minicbor::Encode;
use std::fs;
use std::fs::DirBuilder;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Cursor;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;

/// Where a body lies.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
pub enum Body {
    /// At most 8 KiB, committed with the record that names it.
    #[n(0)]
    Inline(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    /// A file, on disk and synced before the record that names it is committed.
    #[n(1)]
    File {
        /// Its name.
        #[n(0)]
        id: BodyId,
        /// Octets.
        #[n(1)]
        length: u64,
        /// SHA-256 of them.
        #[cbor(n(2), with = "minicbor::bytes")]
        sha256: [u8; 32],
    },
}

impl Body {
    /// Octets at rest.
    pub fn length(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::File { length, .. } => *length,
        }
    }

    /// Its octets, if they lie in the record.
    pub fn inline(&self) -> Option<&[u8]> {
        match self {
            Self::Inline(bytes) => Some(bytes),
            Self::File { .. } => None,
        }
    }

    /// The file's name, if it is one.
    pub fn file(&self) -> Option<BodyId> {
        match self {
            Self::Inline(_) => None,
            Self::File { id, .. } => Some(*id),
        }
    }
}

/// The body files of a data directory. A cheap handle; its functions wait for the disk, so they are called
/// from blocking threads.
#[derive(Clone, Debug)]
pub struct Bodies {
    root: Arc<Path>,
    poison: Poison,
}

impl Bodies {
    /// Opens the directory `root`, made with its 256 subdirectories and synced where it is not there.
    pub fn at(root: &Path) -> Result<Self, StoreError> {
        Self::guarded(root, Poison::default())
    }

    pub(crate) fn guarded(root: &Path, poison: Poison) -> Result<Self, StoreError> {
        make_dir(root)?;
        for first in 0..=u8::MAX {
            make_dir(&root.join(format!("{first:02x}")))?;
        }
        sync_dir(root)?;
        sync_dir(root.parent().unwrap_or(Path::new("/")))?;
        Ok(Self { root: root.into(), poison })
    }

    /// Begins a body that stays in memory up to 8 KiB and becomes a file above.
    pub fn begin(&self) -> Result<BodyWriter, StoreError> {
        let id = BodyId::new(bytes(os_random()));
        Ok(BodyWriter {
            bodies: self.clone(),
            id,
            inline: BODY_INLINE,
            buffer: Vec::new(),
            file: None,
            length: 0,
        })
    }

    /// Begins a body that is a file whatever its size, as every queued one.
    pub fn begin_file(&self) -> Result<BodyWriter, StoreError> {
        let mut writer = self.begin()?;
        writer.inline = 0;
        writer.file = Some(Hashed::create(&self.temporary(writer.id))?);
        Ok(writer)
    }

    /// Opens a body for reading.
    ///
    /// A file whose length is wrong is damage, found here; one whose bytes are wrong is found at the end of a
    /// reading from the first byte to the last, as [`io::ErrorKind::InvalidData`].
    pub fn open(&self, body: &Body) -> Result<BodyReader, StoreError> {
        match body {
            Body::Inline(bytes) => Ok(BodyReader(Inner::Inline(Cursor::new(bytes.clone())))),
            Body::File { id, length, sha256 } => {
                let file = match File::open(self.path(*id)) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        return Err(StoreError::Damaged { what: "a body file is missing" });
                    }
                    file => file?,
                };
                let metadata = file.metadata()?;
                if !metadata.is_file() {
                    return Err(io::Error::from(io::ErrorKind::IsADirectory).into());
                }
                if metadata.len() != *length {
                    return Err(StoreError::Damaged { what: "a body file has another length" });
                }
                let check = Some(Check { digest: Sha256::new(), left: *length, want: *sha256 });
                Ok(BodyReader(Inner::File { file, check }))
            }
        }
    }

    /// Removes a file that no record names; nothing happens to an inline body or when it is gone already.
    ///
    /// For a body that was finished and then not committed. What records drop, the store removes itself.
    pub fn unlink(&self, body: &Body) -> Result<(), StoreError> {
        body.file().map_or(Ok(()), |id| self.remove(id))
    }

    /// Removes a file. Not from a store that is poisoned: what was answered with an error may be on disk all the
    /// same, with records that name it.
    pub(crate) fn remove(&self, id: BodyId) -> Result<(), StoreError> {
        if self.poison.is_set() {
            return Err(StoreError::Poisoned);
        }
        remove_if_there(&self.path(id)).map(drop).map_err(StoreError::from)
    }

    /// Removes files of subdirectory `first`, at most so many, that are older than `age` and that `named` does not
    /// know. Answers how many. Others remove files meanwhile: what is gone already is passed over. One that cannot be
    /// removed is an error once the others are.
    pub(crate) fn sweep(
        &self,
        first: u8,
        age: Duration,
        most: usize,
        named: &mut dyn FnMut(BodyId) -> Result<bool, StoreError>,
    ) -> Result<usize, StoreError> {
        let (mut swept, mut failed) = (0, None);
        for entry in fs::read_dir(self.root.join(format!("{first:02x}")))? {
            if swept >= most {
                break;
            }
            let entry = entry?;
            let modified = match entry.metadata() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                metadata => metadata?.modified()?,
            };
            if SystemTime::now().duration_since(modified).is_ok_and(|old| old < age) {
                continue;
            }
            let name = entry.file_name();
            let id = name.to_str().and_then(BodyId::parse);
            if match id {
                Some(id) => named(id)?,
                None => false,
            } {
                continue;
            }
            match remove_if_there(&entry.path()) {
                Ok(removed) => swept += usize::from(removed),
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(swept), |error| Err(error.into()))
    }

    pub(crate) fn path(&self, id: BodyId) -> PathBuf {
        let [first, ..] = id.bytes();
        self.root.join(format!("{first:02x}")).join(id.to_string())
    }

    fn temporary(&self, id: BodyId) -> PathBuf {
        self.path(id).with_extension("tmp")
    }
}

/// A body being written.
#[derive(Debug)]
pub struct BodyWriter {
    bodies: Bodies,
    id: BodyId,
    /// Stays in memory up to this many octets.
    inline: usize,
    buffer: Vec<u8>,
    file: Option<Hashed>,
    length: u64,
}

/// A file with the digest of what was written to it.
#[derive(Debug)]
struct Hashed {
    file: File,
    digest: Sha256,
}

impl Hashed {
    fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: create(path)?, digest: Sha256::new() })
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.digest.update(bytes);
        self.file.write_all(bytes)
    }
}

impl BodyWriter {
    /// Ends it: inline, or a file that is on disk, synced.
    pub fn finish(mut self) -> Result<Body, StoreError> {
        let Some(mut hashed) = self.file.take() else {
            return Ok(Body::Inline(std::mem::take(&mut self.buffer)));
        };
        self.settle(&mut hashed).inspect_err(|_| self.discard())?;
        Ok(Body::File { id: self.id, length: self.length, sha256: hashed.digest.finish() })
    }

    /// Octets so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The name that its file gets, if it becomes one.
    pub(crate) fn id(&self) -> BodyId {
        self.id
    }

    fn settle(&self, hashed: &mut Hashed) -> Result<(), StoreError> {
        hashed.append(&self.buffer)?;
        let path = self.bodies.path(self.id);
        let synced = hashed.file.sync_data();
        synced.inspect_err(|_| self.bodies.poison.set("a body file could not be synced"))?;
        fs::rename(self.bodies.temporary(self.id), &path)?;
        let synced = path.parent().map_or(Ok(()), sync_dir);
        Ok(synced.inspect_err(|_| self.bodies.poison.set("a body directory could not be synced"))?)
    }

    /// Writes the buffer out when it holds more than it may.
    fn overflow(&mut self) -> io::Result<()> {
        if self.file.is_none() && self.buffer.len() > self.inline {
            self.file = Some(Hashed::create(&self.bodies.temporary(self.id))?);
        }
        if let Some(hashed) = &mut self.file
            && self.buffer.len() >= FRAME
        {
            hashed.append(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Whatever is there of it goes; a failure leaves it to the sweeper.
    fn discard(&self) {
        for path in [self.bodies.temporary(self.id), self.bodies.path(self.id)] {
            if let Err(error) = remove_if_there(&path) {
                tracing::warn!(%error, "an unfinished body file stays for the sweeper");
            }
        }
    }
}

impl Write for BodyWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(FRAME);
        let bytes = bytes.get(..taken).unwrap_or(bytes);
        self.buffer.extend_from_slice(bytes);
        self.length += taken as u64;
        self.overflow()?;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for BodyWriter {
    fn drop(&mut self) {
        if self.file.is_some() {
            self.discard();
        }
    }
}

/// A body being read.
#[derive(Debug)]
pub struct BodyReader(Inner);

#[derive(Debug)]
enum Inner {
    Inline(Cursor<Vec<u8>>),
    File {
        file: File,
        /// Given up when the reader seeks.
        check: Option<Check>,
    },
}

/// The running comparison with what the record says.
#[derive(Debug)]
struct Check {
    digest: Sha256,
    left: u64,
    want: [u8; 32],
}

impl Read for BodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Inner::Inline(cursor) => cursor.read(buffer),
            Inner::File { file, check } => {
                let read = file.read(buffer)?;
                let bytes = buffer.get(..read).unwrap_or_default();
                if let Some(running) = check {
                    running.digest.update(bytes);
                    running.left = running.left.saturating_sub(read as u64);
                }
                if let Some(whole) = check.take_if(|running| running.left == 0)
                    && whole.digest.finish() != whole.want
                {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "a body file is damaged"));
                }
                Ok(read)
            }
        }
    }
}

impl Seek for BodyReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match &mut self.0 {
            Inner::Inline(cursor) => cursor.seek(to),
            Inner::File { file, check } => {
                *check = None;
                file.seek(to)
            }
        }
    }
}

/// Makes a directory for its owner alone; answers whether it was not there.
pub(crate) fn make_dir(path: &Path) -> io::Result<bool> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Syncs a directory: the names in it.
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Removes a file; answers whether it was there.
fn remove_if_there(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        removed => removed.map(|()| true),
    }
}

/// A new file for its owner alone.
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(mut writer: BodyWriter, bytes: &[u8]) -> Body {
        for chunk in bytes.chunks(1_000) {
            writer.write_all(chunk).unwrap();
        }
        writer.finish().unwrap()
    }

    fn files(root: &Path) -> usize {
        let inner = |dir: fs::DirEntry| fs::read_dir(dir.path()).unwrap().count();
        fs::read_dir(root).unwrap().map(|dir| inner(dir.unwrap())).sum()
    }

    #[test]
    fn small_stays_inline_and_large_becomes_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("bodies");
        let bodies = Bodies::at(&root).unwrap();
        for (size, is_file) in [(0, false), (1, false), (8_192, false), (8_193, true), (300_000, true)] {
            let bytes: Vec<u8> = (0..size).map(|n: usize| (n % 251) as u8).collect();
            let body = write(bodies.begin().unwrap(), &bytes);
            assert_eq!(body.file().is_some(), is_file, "{size}");
            assert_eq!(body.length(), size as u64);
            let mut read = Vec::new();
            bodies.open(&body).unwrap().read_to_end(&mut read).unwrap();
            assert!(read == bytes, "{size}");
            let mut reader = bodies.open(&body).unwrap();
            reader.seek(SeekFrom::Start(size as u64 / 2)).unwrap();
            read.clear();
            reader.read_to_end(&mut read).unwrap();
            assert!(read == bytes[size / 2..], "{size}");
            bodies.unlink(&body).unwrap();
            bodies.unlink(&body).unwrap();
        }
        assert_eq!(files(&root), 0);
        assert!(write(bodies.begin_file().unwrap(), b"queued").file().is_some());
        assert_eq!(files(&root), 1);
    }

    #[test]
    fn an_abandoned_writer_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("bodies");
        let bodies = Bodies::at(&root).unwrap();
        let mut writer = bodies.begin().unwrap();
        writer.write_all(&[7; 100_000]).unwrap();
        assert_eq!(files(&root), 1);
        drop(writer);
        assert_eq!(files(&root), 0);
    }

    #[test]
    fn damage_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let bodies = Bodies::at(&dir.path().join("bodies")).unwrap();
        let body = write(bodies.begin().unwrap(), &[7; 20_000]);
        let path = bodies.path(body.file().unwrap());
        let mut bytes = fs::read(&path).unwrap();
        bytes[9_999] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let mut read = Vec::new();
        let error = bodies.open(&body).unwrap().read_to_end(&mut read).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        bytes.pop();
        fs::write(&path, &bytes).unwrap();
        assert!(matches!(bodies.open(&body), Err(StoreError::Damaged { .. })));
        fs::remove_file(&path).unwrap();
        assert!(matches!(bodies.open(&body), Err(StoreError::Damaged { .. })));
    }

    #[test]
    fn the_sweeper_takes_what_is_old_and_unnamed() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("bodies");
        let bodies = Bodies::at(&root).unwrap();
        let all: Vec<Body> = (0..20).map(|_| write(bodies.begin_file().unwrap(), b"x")).collect();
        let keep = all[3].file().unwrap();
        let sweep = |age| {
            let named = &mut |id| Ok(id == keep);
            (0..=u8::MAX).map(|first| bodies.sweep(first, age, 1_000, named).unwrap()).sum::<usize>()
        };
        assert_eq!(sweep(Duration::from_secs(3_600)), 0);
        assert_eq!(sweep(Duration::ZERO), 19);
        assert_eq!(files(&root), 1);
        bodies.open(&all[3]).unwrap();
    }

    #[test]
    fn the_sweeper_takes_so_many_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let bodies = Bodies::at(&dir.path().join("bodies")).unwrap();
        (0..5).for_each(|n| drop(create(&bodies.root.join(format!("2a/{n}.tmp"))).unwrap()));
        for want in [3, 2, 0] {
            assert_eq!(bodies.sweep(0x2a, Duration::ZERO, 3, &mut |_| Ok(true)).unwrap(), want);
        }
    }

    #[test]
    fn what_somebody_removes_meanwhile_does_not_stop_the_sweeper() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("bodies");
        let bodies = Bodies::at(&root).unwrap();
        let in_one = |n: u8| BodyId::new(std::array::from_fn(|at| if at == 0 { 7 } else { n }));
        (0..4).for_each(|n| drop(create(&bodies.path(in_one(n))).unwrap()));
        // Behind the sweeper's back all but one go, those that it has listed and the one that it is at.
        let named = &mut |_| (0..3).try_for_each(|n| bodies.remove(in_one(n))).map(|()| false);
        assert_eq!(bodies.sweep(7, Duration::ZERO, usize::MAX, named).unwrap(), 1);
        assert_eq!(files(&root), 0);
    }
}
