//! The data directory beside the rows: the lock, the commit mark, the reserve, the free space.
//!
//! ```text
//! lock            one process at a time
//! keyring         the keys, sealed under the master key
//! store/          the rows
//! bodies/xx/      body files
//! spool/          emptied at every start
//! shred.a shred.b keys that can be destroyed
//! committed.seq   the number of a commit that is on disk: may lag, never leads
//! reserve.bin     given up when the store cannot be opened for lack of space
//! ```

use crate::base::random::bytes;
use crate::store::Health;
use crate::store::body::make_dir;
use crate::store::body::sync_dir;
use crate::store::error::StoreError;
use crate::vault::os_random;
use rustix::fs::FallocateFlags;
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use std::fmt;
use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::fs::Permissions;
use std::io;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

/// Below this much free disk nothing is written, octets.
const READ_ONLY: u64 = 256 << 20;
/// The mark is synced at most this often.
const MARK_SYNC: Duration = Duration::from_secs(1);

/// Makes the data directory for its owner alone and takes its lock, which ends with the file.
pub(crate) fn lock(dir: &Path) -> Result<File, StoreError> {
    make_dir(dir)?;
    match sync_dir(dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))) {
        // A directory that was made for us, above one that we may not read.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
        synced => synced?,
    }
    if fs::metadata(dir)?.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(dir, Permissions::from_mode(0o700))?;
    }
    let mut options = OpenOptions::new();
    let lock = options.write(true).create(true).truncate(false).mode(0o600).open(dir.join("lock"))?;
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(Errno::WOULDBLOCK) => Err(StoreError::InUse),
        Err(error) => Err(io::Error::from(error).into()),
    }
}

/// Reads the keyring of a data directory; `None` when it has none yet.
pub fn read_keyring(dir: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    match fs::read(dir.join("keyring")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => Ok(Some(read?)),
    }
}

/// Writes the keyring of a data directory: killed anywhere, the old or the new one is there.
pub fn write_keyring(dir: &Path, keyring: &[u8]) -> Result<(), StoreError> {
    make_dir(dir)?;
    let name = format!("keyring.{:08x}", u32::from_be_bytes(bytes(os_random())));
    let temporary = dir.join(name);
    let written =
        write_synced(&temporary, keyring).and_then(|()| fs::rename(&temporary, dir.join("keyring")));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written?;
    Ok(sync_dir(dir)?)
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// `committed.seq`: written after each batch is on disk, synced at most once a second.
#[derive(Debug)]
pub(crate) struct CommitMark {
    file: File,
    synced: Instant,
    dirty: bool,
}

impl CommitMark {
    /// Opens it and reads the number; 0 when the store is new.
    pub(crate) fn open(dir: &Path) -> Result<(Self, u64), StoreError> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(dir.join("committed.seq"))?;
        let number = if file.metadata()?.len() == 0 { 0 } else { Self::read(&file)? };
        Ok((Self { file, synced: Instant::now(), dirty: false }, number))
    }

    fn read(file: &File) -> Result<u64, StoreError> {
        const DAMAGED: StoreError = StoreError::Damaged { what: "committed.seq" };
        let mut bytes = [0; 12];
        file.read_exact_at(&mut bytes, 0).map_err(|_| DAMAGED)?;
        let (number, crc) = bytes.split_first_chunk::<8>().ok_or(DAMAGED)?;
        if crc32c::crc32c(number).to_be_bytes() != *crc {
            return Err(DAMAGED);
        }
        Ok(u64::from_be_bytes(*number))
    }

    /// Notes that commit `number` is on disk.
    pub(crate) fn write(&mut self, number: u64) -> io::Result<()> {
        let number = number.to_be_bytes();
        let mut bytes = [0; 12];
        let crc = crc32c::crc32c(&number).to_be_bytes();
        bytes.iter_mut().zip(number.into_iter().chain(crc)).for_each(|(to, from)| *to = from);
        self.file.write_all_at(&bytes, 0)?;
        self.dirty = true;
        if self.synced.elapsed() >= MARK_SYNC { self.sync() } else { Ok(()) }
    }

    /// Syncs what was noted.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if self.dirty {
            self.file.sync_data()?;
            self.synced = Instant::now();
            self.dirty = false;
        }
        Ok(())
    }
}

/// Disk space that is kept back.
#[derive(Debug)]
pub(crate) struct Reserve {
    path: PathBuf,
    size: u64,
}

impl Reserve {
    pub(crate) fn of(dir: &Path, size: u64) -> Self {
        Self { path: dir.join("reserve.bin"), size }
    }

    /// Gives the space up; answers whether there was any.
    pub(crate) fn give_up(&self) -> bool {
        fs::remove_file(&self.path).is_ok()
    }

    /// Takes the space, if it is not taken and the disk has plenty. Failing is no trouble.
    pub(crate) fn take(&self, space: Space) {
        if self.size == 0 || self.path.exists() || space.health() != Health::Good {
            return;
        }
        let taken =
            File::options().write(true).create_new(true).mode(0o600).open(&self.path).and_then(|file| {
                rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, self.size).map_err(io::Error::from)
            });
        if let Err(error) = taken {
            tracing::warn!(%error, "no disk space could be kept back");
            self.give_up();
        }
    }
}

/// Room on the disk of a data directory, octets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Space {
    /// What is free for us.
    pub free: u64,
    /// What there is.
    pub total: u64,
}

impl Space {
    /// What may be written with so much room.
    ///
    /// No new mail below max(512 MiB, min(5 %, 4 GiB)); nothing at all below 256 MiB.
    pub fn health(self) -> Health {
        let low = (512 << 20).max((self.total / 20).min(4 << 30));
        if self.free < READ_ONLY {
            Health::ReadOnly
        } else if self.free < low {
            Health::NoNewMail
        } else {
            Health::Good
        }
    }
}

/// Where the room on the disk is asked for.
#[derive(Clone)]
pub struct SpaceProbe(Arc<Probe>);

type Probe = dyn Fn(&Path) -> io::Result<Space> + Send + Sync;

impl SpaceProbe {
    /// One that a test sets.
    pub fn new(probe: impl Fn(&Path) -> io::Result<Space> + Send + Sync + 'static) -> Self {
        Self(Arc::new(probe))
    }

    pub(crate) fn ask(&self, dir: &Path) -> io::Result<Space> {
        (self.0)(dir)
    }
}

impl Default for SpaceProbe {
    /// The file system's own answer.
    fn default() -> Self {
        Self::new(|dir| {
            let stat = rustix::fs::statvfs(dir)?;
            let octets = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
            Ok(Space { free: octets(stat.f_bavail), total: octets(stat.f_blocks) })
        })
    }
}

impl fmt::Debug for SpaceProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SpaceProbe")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_free_space() {
        const MIB: u64 = 1 << 20;
        for (total, free, want) in [
            (10_000, 600, Health::Good),
            (10_000, 511, Health::NoNewMail),
            (20_000, 999, Health::NoNewMail),
            (20_000, 1_001, Health::Good),
            (1_000_000, 4_095, Health::NoNewMail),
            (1_000_000, 4_097, Health::Good),
            (1_000_000, 255, Health::ReadOnly),
            (100, 100, Health::ReadOnly),
        ] {
            assert_eq!(Space { free: free * MIB, total: total * MIB }.health(), want, "{free} of {total}");
        }
    }

    #[test]
    fn keyrings_are_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        fs::create_dir(&data).unwrap();
        assert_eq!(read_keyring(&data).unwrap(), None);
        write_keyring(&data, b"one").unwrap();
        write_keyring(&data, b"two").unwrap();
        assert_eq!(read_keyring(&data).unwrap().unwrap(), b"two");
        assert_eq!(fs::read_dir(&data).unwrap().count(), 1);
    }

    #[test]
    fn the_mark_reads_back_and_notices_damage() {
        let dir = tempfile::tempdir().unwrap();
        let (mut mark, number) = CommitMark::open(dir.path()).unwrap();
        assert_eq!(number, 0);
        mark.write(77).unwrap();
        assert_eq!(CommitMark::open(dir.path()).unwrap().1, 77);
        mark.file.write_all_at(&[9], 3).unwrap();
        assert!(matches!(CommitMark::open(dir.path()), Err(StoreError::Damaged { .. })));
    }
}
