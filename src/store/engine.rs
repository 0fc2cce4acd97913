//! The store on disk: how it is opened, what its threads share, how it ends.
//!
//! What it answers is in `engine_read`.

use crate::base::id::MailboxId;
use crate::store::Answer;
use crate::store::Health;
use crate::store::PAGE;
use crate::store::body::Bodies;
use crate::store::body::sync_dir;
use crate::store::codec;
use crate::store::codec::Dropped;
use crate::store::codec::Header;
use crate::store::codec::Number;
use crate::store::disk::Disk;
use crate::store::disk::Rows;
use crate::store::disk::Source;
use crate::store::draft::Leases;
use crate::store::error::StoreError;
use crate::store::key;
use crate::store::place;
use crate::store::place::CommitMark;
use crate::store::place::Reserve;
use crate::store::place::SpaceProbe;
use crate::store::poison::Poison;
use crate::store::record::MailboxRecord;
use crate::store::record::ShredRef;
use crate::store::record_queue::QueueRecord;
use crate::store::remover::Remover;
use crate::store::shred::Book;
use crate::store::shred::LEFTOVERS;
use crate::store::shred::Name;
use crate::store::shred::ShredFiles;
use crate::store::watchers::Watchers;
use crate::store::writer::Request;
use crate::store::writer::Writer;
use crate::threads;
use crate::vault::keyring::Keys;
use minicbor::Decode;
use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::future::ready;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::RwLock;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc;

/// The layout of keys and files that this version writes.
const LAYOUT: u32 = 1;
/// Lists of commands that wait for the writer.
const WAITING: usize = 1_024;

/// How often the writer is looked after.
const NUDGE: Duration = Duration::from_millis(500);

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Goes on from a store that is older than the files beside it: what came later is lost.
    pub accept_rollback: bool,
    /// Disk space that is kept back for a day when it is full, octets.
    pub reserve: u64,
    /// Where free disk is asked for.
    pub space: SpaceProbe,
    /// Free disk is looked at this often, at most.
    pub look_every: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            accept_rollback: false,
            reserve: 64 << 20,
            space: SpaceProbe::default(),
            look_every: Duration::from_secs(1),
        }
    }
}

/// What the writer and the readers share.
pub(crate) struct Shared {
    pub(crate) disk: Disk,
    pub(crate) bodies: Bodies,
    pub(crate) watchers: Watchers,
    pub(crate) poison: Poison,
    pub(crate) leases: RwLock<Leases>,
    /// Ends before the lock does.
    pub(crate) remover: Remover,
    pub(crate) options: Options,
    pub(super) shreds: Arc<ShredFiles>,
    space: AtomicU8,
    /// At the last look, octets.
    pub(super) free: AtomicU64,
    /// The writer has ended.
    ended: AtomicBool,
    dir: PathBuf,
    /// The lock of the data directory; held by whoever may still read.
    _lock: File,
}

impl Shared {
    /// Asks how much room there is.
    pub(crate) fn look_at_space(&self) {
        match self.options.space.ask(&self.dir) {
            Ok(space) => {
                self.free.store(space.free, Ordering::Relaxed);
                let health = space.health();
                let before = self.space.swap(health as u8, Ordering::Relaxed);
                if before != health as u8 {
                    tracing::warn!(free = space.free, ?health, "free disk crossed a mark");
                }
            }
            Err(error) => tracing::warn!(%error, "free disk is not known"),
        }
    }

    pub(crate) fn health(&self) -> Health {
        let of = [Health::Good, Health::NoNewMail, Health::ReadOnly];
        if self.poison.is_set() {
            return Health::Poisoned;
        }
        let space = self.space.load(Ordering::Relaxed);
        of.into_iter().find(|health| *health as u8 == space).unwrap_or(Health::ReadOnly)
    }
}

/// The engine: rows in sled, bodies and shred keys in files, one writer.
pub struct Engine {
    pub(super) shared: Arc<Shared>,
    pub(super) requests: Option<mpsc::Sender<Request>>,
    writer: Option<JoinHandle<()>>,
    /// Looks after the writer; ends when the writer has.
    watch: Option<JoinHandle<()>>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("health", &self.shared.health()).finish_non_exhaustive()
    }
}

impl Engine {
    /// Opens the data directory `dir`, or makes it. Blocking.
    pub fn open(dir: &Path, keys: &Keys, options: Options) -> Result<Self, StoreError> {
        let lock = place::lock(dir)?;
        let reserve = Reserve::of(dir, options.reserve);
        let poison = Poison::default();
        let opened = match open_disk(dir, keys, &poison) {
            Err(error) if full(&error, dir, &options) && reserve.give_up() => {
                tracing::warn!(%error, "the disk is full: the reserve was given up");
                open_disk(dir, keys, &poison)
            }
            opened => opened,
        };
        let disk = opened?;
        let (mark, marked) = CommitMark::open(dir)?;
        let bodies = Bodies::guarded(&dir.join("bodies"), poison.clone())?;
        Book::make(dir)?;
        sync_dir(dir)?;
        let found = last_commit(&disk)?;
        let commit = match options.accept_rollback {
            true => found.max(marked).max(Book::last_commit(dir)?),
            false if found < marked => return Err(StoreError::Behind),
            false => found,
        };
        let named = names(&disk)?;
        let most = if options.accept_rollback { usize::MAX } else { leftovers(&disk, found)? };
        let (book, stale) = Book::open(dir, &named, commit, most)?;
        let shared = Arc::new(Shared {
            remover: Remover::start(bodies.clone())?,
            bodies,
            disk,
            watchers: Watchers::default(),
            poison,
            leases: RwLock::default(),
            shreds: book.files(),
            space: AtomicU8::new(Health::Good as u8),
            free: AtomicU64::new(u64::MAX),
            ended: AtomicBool::new(false),
            dir: dir.into(),
            options,
            _lock: lock,
        });
        shared.look_at_space();
        if let Ok(space) = shared.options.space.ask(dir) {
            reserve.take(space);
        }
        let (requests, receiver) = mpsc::channel(WAITING);
        let mut writer = Writer::new(Arc::clone(&shared), receiver, book, mark, commit);
        settle(&mut writer, &stale, commit > found)?;
        let writer = thread::Builder::new().name("store".into()).spawn(move || writer.run())?;
        let watched = Arc::clone(&shared);
        let watch = move || {
            let mut last = 0;
            while !watched.ended.load(Ordering::SeqCst) {
                thread::park_timeout(NUDGE);
                last = watched.disk.nudge(last);
            }
        };
        let watch = thread::Builder::new().name("store-watch".into()).spawn(watch)?;
        Ok(Self { shared, requests: Some(requests), writer: Some(writer), watch: Some(watch) })
    }

    /// The body files, for tests that sweep them.
    #[cfg(test)]
    pub(crate) fn bodies_of(&self) -> &Bodies {
        &self.shared.bodies
    }

    /// Waits until no body file is to be removed, for tests that count them.
    #[cfg(test)]
    pub(crate) fn settle_bodies(&self) {
        self.shared.remover.settle();
    }

    /// The rows, for tests that compare them.
    #[cfg(test)]
    pub(crate) fn rows(&self) -> &Disk {
        &self.shared.disk
    }

    pub(super) fn now<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Shared) -> Result<T, StoreError>,
    ) -> Answer<'_, T> {
        Box::pin(ready(question(&self.shared)))
    }

    /// For what may take longer than a moment.
    pub(super) fn aside<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Shared) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'_, T> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let asked = threads::blocking(move || question(&shared));
            asked.await.map_err(|_| StoreError::Damaged { what: "a reading broke off" })?
        })
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the writer of the store broke off");
        }
        self.shared.ended.store(true, Ordering::SeqCst);
        if let Some(watch) = self.watch.take() {
            watch.thread().unpark();
            let _ = watch.join();
        }
    }
}

/// Whether opening failed for lack of space.
fn full(error: &StoreError, dir: &Path, options: &Options) -> bool {
    let short = || options.space.ask(dir).is_ok_and(|space| space.free < 16 << 20);
    match error {
        StoreError::Io(error) => error.kind() == io::ErrorKind::StorageFull || short(),
        StoreError::Damaged { .. } => short(),
        _ => false,
    }
}

/// Opens the rows, or makes them where there are none.
fn open_disk(dir: &Path, keys: &Keys, poison: &Poison) -> Result<Disk, StoreError> {
    let store = dir.join("store");
    if !store.exists() {
        let rows = Rows::from([
            (key::HEADER.to_vec(), Some(codec::write(&Header { layout: LAYOUT })?)),
            (key::COUNTER.to_vec(), Some(codec::write(&Number(1))?)),
        ]);
        Disk::make(&store, keys, rows)?;
    }
    Disk::open(&store, keys, poison.clone())
}

/// Reads the header and the number of the last commit.
fn last_commit(disk: &Disk) -> Result<u64, StoreError> {
    let header = disk.row::<Header>(&key::HEADER).map_err(|error| match error {
        StoreError::Damaged { .. } => StoreError::WrongKey,
        other => other,
    })?;
    let header = header.ok_or(StoreError::Damaged { what: "the header of the store" })?;
    if header.layout > LAYOUT {
        return Err(StoreError::Format { found: header.layout, known: LAYOUT });
    }
    let Number(commit) =
        disk.row(&key::COUNTER)?.ok_or(StoreError::Damaged { what: "the commit counter" })?;
    Ok(commit)
}

/// Every row of a table, page by page.
fn each<T: for<'b> Decode<'b, ()>>(
    disk: &Disk,
    table: u8,
    mut deed: impl FnMut(T) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = disk.rows::<T>(&[table], after.as_deref(), PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = Some(last.clone());
        for (_, row) in page {
            deed(row)?;
        }
    }
}

/// How many keys without a name a crash can have left after commit `last`.
fn leftovers(disk: &Disk, last: u64) -> Result<usize, StoreError> {
    let dropped = disk.row::<Dropped>(&key::DROPPED)?.filter(|dropped| dropped.commit == last);
    let keys = dropped.map_or(0, |dropped| usize::try_from(dropped.keys).unwrap_or(usize::MAX));
    Ok(keys.max(LEFTOVERS))
}

/// The shred keys that records name.
fn names(disk: &Disk) -> Result<HashMap<u32, Name>, StoreError> {
    let mut named: HashMap<u32, Name> = HashMap::new();
    let mut add = |shred: ShredRef, owner: [u8; 16]| {
        let name = Name { generation: shred.generation, owner };
        match named.insert(shred.place, name) {
            None => Ok(()),
            Some(_) => Err(StoreError::Damaged { what: "a shred key with two names" }),
        }
    };
    each(disk, key::MAILBOX, |record: MailboxRecord| {
        record.all_slots().try_for_each(|slot| add(slot.shred, *slot.id.bytes()))
    })?;
    each(disk, key::QUEUE, |record: QueueRecord| {
        record.shred.map_or(Ok(()), |shred| add(shred, *record.id.bytes()))
    })?;
    Ok(named)
}

/// Before the first request: records whose key was destroyed go, mailboxes that are being deleted are found.
fn settle(writer: &mut Writer, stale: &[ShredRef], jumped: bool) -> Result<(), StoreError> {
    let shared = Arc::clone(&writer.shared);
    if jumped {
        // A rollback was accepted: the new number is written at once, so that it is accepted only here.
        writer.own(|draft| draft.put(key::HEADER.to_vec(), &Header { layout: LAYOUT }))?;
    }
    if !stale.is_empty() {
        let mut mailboxes = Vec::new();
        let mut queued = Vec::new();
        each(&shared.disk, key::MAILBOX, |record: MailboxRecord| {
            let is_stale = record.all_slots().any(|slot| stale.contains(&slot.shred));
            mailboxes.extend(is_stale.then_some(record));
            Ok(())
        })?;
        each(&shared.disk, key::QUEUE, |record: QueueRecord| {
            queued.extend(record.shred.is_some_and(|shred| stale.contains(&shred)).then_some(record.id));
            Ok(())
        })?;
        writer.own(|draft| {
            for mut record in mailboxes {
                record.slots.retain(|slot| !stale.contains(&slot.shred));
                for shut in record.account.iter_mut().flat_map(|part| &mut part.shut) {
                    shut.slots.retain(|slot| !stale.contains(&slot.shred));
                }
                draft.put(key::mailbox(record.id), &record)?;
            }
            queued.into_iter().try_for_each(|queue| draft.drop_queued(queue).map(drop))
        })?;
    }
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = shared.disk.page(&[key::LEFT], after.as_deref(), PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = Some(last.clone());
        let ids = page.iter().filter_map(|(at, _)| at.get(1..)?.try_into().ok());
        writer.left.extend(ids.map(MailboxId::new));
    }
}
