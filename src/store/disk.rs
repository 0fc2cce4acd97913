//! The rows on disk: sled behind one door, every value sealed with its key as associated data.
//!
//! `sled::Db::flush` alone is no fsync on Linux, so every batch is followed by our own on the log's file.
//! Values above 16 KiB would go to files that sled never syncs: they are refused.

use crate::base::limits::VALUE;
use crate::store::body::make_dir;
use crate::store::body::sync_dir;
use crate::store::codec;
use crate::store::error::StoreError;
use crate::store::kept::Kept;
use crate::store::poison::Poison;
use crate::vault::keyring::Keys;
use crate::vault::os_random;
use crate::vault::primitives::OVERHEAD;
use crate::vault::seal::Index;
use crate::vault::seal::ValueSeal;
use minicbor::Decode;
use std::collections::BTreeMap;
use std::fs;
use std::fs::File;
use std::io;
use std::ops::Bound;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::path::Path;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::RwLockReadGuard;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

/// Segments of the log, octets; fixed when the store is made.
const SEGMENT: usize = 4 << 20;
/// What sled keeps in memory, octets.
const CACHE: u64 = 32 << 20;
/// How often sled writes on its own, milliseconds.
const FLUSH_EVERY: u64 = 500;
/// Octets that are read between two settlings of the cache.
const SETTLE: usize = 128 << 10;
/// Accesses to one page that fill its list in sled's cache.
const FILLING: usize = 65;
/// A value of so many octets is read together with as many neighbours on its page; of smaller ones that is not
/// worth counting.
const LARGE: usize = 2 << 10;
/// See [`LARGE`].
const NEIGHBOURS: usize = 8;

/// A key and what is stored under it, in clear.
pub(crate) type Pair = (Vec<u8>, Vec<u8>);

/// Changed rows; `None` is removed.
pub(crate) type Rows = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Where rows are read from: the disk, or a draft above it.
pub(crate) trait Source {
    /// The value under `key`.
    fn fetch(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;
    /// Whether there is a value under `key`.
    fn holds(&self, key: &[u8]) -> Result<bool, StoreError>;
    /// At most `limit` rows whose keys begin with `prefix` and are above `after`, ascending.
    fn page(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>, StoreError>;

    /// The keys of such a page; no row is opened.
    fn keys(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Vec<u8>>, StoreError>;

    /// The row under `key`, read.
    fn row<T: for<'b> Decode<'b, ()>>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        self.fetch(key)?.map(|bytes| codec::read(&bytes)).transpose()
    }

    /// A page of rows, read.
    fn rows<T: for<'b> Decode<'b, ()>>(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, T)>, StoreError> {
        let page = self.page(prefix, after, limit)?;
        page.into_iter().map(|(key, bytes)| Ok((key, codec::read(&bytes)?))).collect()
    }
}

/// sled, opened.
pub(crate) struct Disk {
    db: sled::Db,
    /// Our own handle on the log, to sync it.
    log: File,
    seal: ValueSeal,
    index: Index,
    poison: Poison,
    /// sled itself has failed.
    broken: AtomicBool,
    /// Odd while a flush is under way.
    flushing: AtomicU64,
    kept: Kept,
    /// Octets read since the cache was settled.
    unsettled: AtomicUsize,
    /// Taken to write by each batch, to read by readings of more than one row.
    still: RwLock<()>,
}

impl Disk {
    /// Makes a store in `dir` with `rows` in it, whole or not at all: under another name first.
    pub(crate) fn make(dir: &Path, keys: &Keys, rows: Rows) -> Result<(), StoreError> {
        let new = dir.with_extension("new");
        match fs::remove_dir_all(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        make_dir(&new)?;
        let disk = Self::open(&new, keys, Poison::default())?;
        disk.write(rows)?;
        drop(disk);
        for entry in fs::read_dir(&new)? {
            File::open(entry?.path())?.sync_all()?;
        }
        sync_dir(&new)?;
        fs::rename(&new, dir)?;
        Ok(sync_dir(dir.parent().unwrap_or(Path::new("/")))?)
    }

    /// Opens `dir`. Damage is an error, not a panic.
    pub(crate) fn open(dir: &Path, keys: &Keys, poison: Poison) -> Result<Self, StoreError> {
        remove_unfinished_snapshots(dir)?;
        let config = sled::Config::default()
            .path(dir)
            .segment_size(SEGMENT)
            .cache_capacity(CACHE)
            .flush_every_ms(Some(FLUSH_EVERY));
        let db = open_guarded(&config)?;
        let log = File::options().read(true).write(true).open(dir.join("db"))?;
        // At every opening: whoever made them may have been killed before their names were on disk.
        log.sync_all()?;
        File::open(dir.join("conf"))?.sync_all()?;
        sync_dir(&dir.join("blobs"))?;
        sync_dir(dir)?;
        let disk = Self {
            db,
            log,
            seal: ValueSeal::new(keys),
            index: Index::new(keys),
            poison,
            broken: AtomicBool::new(false),
            flushing: AtomicU64::new(0),
            kept: Kept::default(),
            unsettled: AtomicUsize::new(0),
            still: RwLock::new(()),
        };
        disk.check_blobs(dir)?;
        Ok(disk)
    }

    /// Nothing may lie in `blobs`.
    pub(crate) fn check_blobs(&self, dir: &Path) -> Result<(), StoreError> {
        match fs::read_dir(dir.join("blobs"))?.next() {
            None => Ok(()),
            Some(_) => Err(StoreError::Damaged { what: "blobs is not empty" }),
        }
    }

    /// HMACs of what must not stand in keys.
    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// Seals octets for a file whose name is `id`.
    pub(crate) fn seal_file(&self, id: &[u8], bytes: &[u8]) -> Vec<u8> {
        self.seal.seal(id, bytes, os_random())
    }

    /// Opens what [`Disk::seal_file`] sealed.
    pub(crate) fn open_file(&self, id: &[u8], sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.seal.open(id, sealed).map_err(|_| StoreError::Damaged { what: "a sealed file does not open" })
    }

    /// Writes `rows` as one, durably: when this returns they survive a power cut.
    pub(crate) fn write(&self, rows: Rows) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for (key, value) in &rows {
            match value {
                Some(value) => {
                    let sealed = self.seal.seal(key, value, os_random());
                    if sealed.len() > VALUE {
                        return Err(StoreError::TooLarge { size: value.len() });
                    }
                    batch.insert(key.as_slice(), sealed);
                }
                None => batch.remove(key.as_slice()),
            }
        }
        let moving = self.still.write().unwrap_or_else(PoisonError::into_inner);
        let applied = self.guarded(|| self.db.apply_batch(batch));
        self.kept.forget(rows.keys());
        drop(moving);
        applied?;
        self.flushing.fetch_add(1, Ordering::SeqCst);
        let flushed = self.guarded(|| self.db.flush().map(drop));
        self.flushing.fetch_add(1, Ordering::SeqCst);
        flushed?;
        Ok(self.log.sync_data().inspect_err(|_| self.fail("the log could not be synced"))?)
    }

    /// Looks after a flush that takes long; called every now and then with the answer of the last time.
    ///
    /// When a write in the background fails, sled notes the error but does not always wake who waits for that
    /// write. A second flush sees the error, returns it and wakes everybody.
    pub(crate) fn nudge(&self, before: u64) -> u64 {
        let now = self.flushing.load(Ordering::SeqCst);
        if now == before && now % 2 == 1 {
            let _ = catch_unwind(AssertUnwindSafe(|| self.db.flush()));
        }
        now
    }

    /// Between two batches: rows read while this is held belong together.
    pub(crate) fn still(&self) -> RwLockReadGuard<'_, ()> {
        self.still.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses what [`Disk::write`] would refuse.
    pub(crate) fn check_size(value: &[u8]) -> Result<(), StoreError> {
        if value.len() + OVERHEAD > VALUE {
            return Err(StoreError::TooLarge { size: value.len() });
        }
        Ok(())
    }

    fn opened(&self, key: &[u8], sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.seal.open(key, sealed).map_err(|_| {
            self.poison.set("a record does not open");
            StoreError::Damaged { what: "a record does not open" }
        })
    }

    /// Calls sled; an error or a panic of it poisons.
    fn guarded<T>(&self, deed: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
        let done = match catch_unwind(AssertUnwindSafe(deed)) {
            Ok(done) => done.map_err(trouble),
            Err(_) => Err(StoreError::Damaged { what: "the store broke off" }),
        };
        done.inspect_err(|_| self.fail("the log of the store failed"))
    }

    fn fail(&self, why: &'static str) {
        self.broken.store(true, Ordering::SeqCst);
        self.poison.set(why);
    }

    /// The raw rows of a range: `prefix`, above `after`; keys only as far as the caller takes them.
    pub(crate) fn range<'d>(
        &'d self,
        prefix: &'d [u8],
        after: Option<&[u8]>,
    ) -> impl Iterator<Item = Result<(sled::IVec, sled::IVec), StoreError>> + 'd {
        let from = after.map_or(Bound::Included(prefix), Bound::Excluded);
        let mut rows = self.db.range::<&[u8], _>((from, Bound::Unbounded));
        std::iter::from_fn(move || match self.guarded(|| rows.next().transpose()) {
            Ok(Some((key, value))) => key.starts_with(prefix).then_some(Ok((key, value))),
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        })
    }

    /// Keeps sled's cache within its bounds while much is read.
    ///
    /// sled counts accesses in 256 lists by the number of the page, and looks at what one of them holds only when
    /// it has 64 accesses in it. Until then nothing is given back: someone who reads every page once, with 16
    /// messages on a page, keeps the whole store in memory. So one page's list is filled after so many octets; the
    /// pages are spread over the lists evenly, and each list has its turn.
    fn settle(&self, key: &[u8], octets: usize) -> Result<(), StoreError> {
        if self.unsettled.fetch_add(octets, Ordering::Relaxed) + octets < SETTLE {
            return Ok(());
        }
        self.unsettled.store(0, Ordering::Relaxed);
        (0..FILLING).try_for_each(|_| self.holds(key).map(drop))
    }

    /// Opens a raw row.
    pub(crate) fn pair(&self, (key, sealed): (sled::IVec, sled::IVec)) -> Result<Pair, StoreError> {
        let value = self.opened(&key, &sealed)?;
        self.settle(&key, sealed.len())?;
        Ok((key.to_vec(), value))
    }
}

impl Drop for Disk {
    /// After an error sled is left as it is: it would try to write and sync once more, and the process ends anyway.
    fn drop(&mut self) {
        if self.broken.load(Ordering::SeqCst) {
            std::mem::forget(self.db.clone());
        }
    }
}

impl Source for Disk {
    fn fetch(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let since = match self.kept.find(key) {
            Ok(row) => return Ok(Some(row)),
            Err(since) => since,
        };
        let Some(sealed) = self.guarded(|| self.db.get(key))? else { return Ok(None) };
        if sealed.len() >= LARGE {
            self.settle(key, sealed.len() * NEIGHBOURS)?;
        }
        let row = self.opened(key, &sealed)?;
        self.kept.keep(key, &row, &since);
        Ok(Some(row))
    }

    fn holds(&self, key: &[u8]) -> Result<bool, StoreError> {
        self.guarded(|| self.db.contains_key(key))
    }

    fn page(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>, StoreError> {
        self.range(prefix, after).take(limit).map(|row| self.pair(row?)).collect()
    }

    fn keys(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        self.range(prefix, after).take(limit).map(|row| row.map(|(key, _)| key.to_vec())).collect()
    }
}

/// sled takes a snapshot that it was killed over for the newest one, and then refuses to open. What has not got
/// its last name yet is not needed: the one before it is removed only afterwards.
fn remove_unfinished_snapshots(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "generating") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Opens sled; a panic of it is damage.
///
/// The data directory is ours alone by its own lock. If sled's file is locked all the same, an engine of this
/// process is still being dropped: sled lets go of it a little later.
fn open_guarded(config: &sled::Config) -> Result<sled::Db, StoreError> {
    const TRIES: u32 = 100;
    const PAUSE: Duration = Duration::from_millis(20);
    let mut tries = 0;
    loop {
        let opened = catch_unwind(AssertUnwindSafe(|| config.open()));
        match opened.map_err(|_| StoreError::Damaged { what: "the log of the store" })?.map_err(trouble) {
            Err(StoreError::InUse) if tries < TRIES => {
                tries += 1;
                thread::sleep(PAUSE);
            }
            done => return done,
        }
    }
}

/// What sled says, in the words of the store.
fn trouble(error: sled::Error) -> StoreError {
    match error {
        // So sled reports that its file is locked.
        sled::Error::Io(error) if error.kind() == io::ErrorKind::Other => {
            if error.to_string().starts_with("could not acquire lock") {
                StoreError::InUse
            } else {
                error.into()
            }
        }
        sled::Error::Io(error) => error.into(),
        sled::Error::Corruption { .. } => StoreError::Damaged { what: "the log of the store" },
        sled::Error::Unsupported(_) => StoreError::Damaged { what: "the settings of the store" },
        sled::Error::CollectionNotFound(_) | sled::Error::ReportableBug(_) => {
            StoreError::Damaged { what: "the store broke off" }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sample::keys;
    use std::process::Command;

    const ALONE: &str = "GUARDPOST_TEST_ALONE";

    fn resident() -> u64 {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Looked at in a process of its own: what other tests keep in memory is not counted.
    #[test]
    fn what_was_read_once_is_not_kept() {
        if std::env::var_os(ALONE).is_some() {
            return read_all_once();
        }
        let this = std::env::current_exe().unwrap();
        let name = "store::disk::tests::what_was_read_once_is_not_kept";
        let alone =
            Command::new(this).args(["--exact", name, "--nocapture"]).env(ALONE, "1").output().unwrap();
        let said = String::from_utf8_lossy(&alone.stdout);
        assert!(alone.status.success() && said.contains("1 passed"), "{said}");
    }

    fn read_all_once() {
        const ROWS: u32 = 24_576;
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("store");
        Disk::make(&at, &keys(), Rows::new()).unwrap();
        let disk = Disk::open(&at, &keys(), Poison::default()).unwrap();
        let before = resident();
        for first in (0..ROWS).step_by(256) {
            let rows = (first..first + 256).map(|n| (n.to_be_bytes().to_vec(), Some(vec![7; 6 << 10])));
            disk.write(rows.collect()).unwrap();
        }
        let written = resident();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = disk.page(&[], after.as_deref(), 1_000).unwrap();
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
        }
        let listed = resident();
        for n in (0..ROWS).step_by(5) {
            assert!(disk.fetch(&n.to_be_bytes()).unwrap().is_some());
        }
        let fetched = resident();
        println!("{before} KiB, {written} written, {listed} listed, {fetched} fetched");
        for kib in [written, listed, fetched] {
            assert!(kib < before + (90 << 10), "{before}, {written}, {listed}, {fetched} KiB of 144 MiB");
        }
    }
}
