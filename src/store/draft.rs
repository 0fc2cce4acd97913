//! A draft of the next batch: what its commands have changed so far, above what is on disk.
//!
//! Read-modify-write happens here, in the writer's thread alone, so that everything is serial without
//! transactions. A list of commands writes into a layer of its own, which is kept or thrown away whole.

use crate::base::id::BodyId;
use crate::base::id::MailboxId;
use crate::base::id::QueueId;
use crate::base::secret::Key;
use crate::store::body::Bodies;
use crate::store::body::Body;
use crate::store::codec;
use crate::store::codec::Number;
use crate::store::disk::Disk;
use crate::store::disk::Pair;
use crate::store::disk::Rows;
use crate::store::disk::Source;
use crate::store::error::StoreError;
use crate::store::key;
use crate::store::record::ShredRef;
use crate::store::shred::Book;
use crate::store::shred::NewShred;
use minicbor::Encode;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::io::Read;
use std::io::Write;
use std::iter::Peekable;
use std::ops::Bound;
use std::time::Duration;

/// Recipients that are leased, and until when by the running clock. Leases lie in memory: a restart ends them all.
pub(crate) type Leases = BTreeMap<(QueueId, u16), Duration>;

/// What is to be done beside the rows.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Shred keys to be written before the commit.
    pub(crate) new_shreds: Vec<NewShred>,
    /// Shred keys to be destroyed after it.
    pub(crate) dead_shreds: Vec<ShredRef>,
    /// Body files to be removed after it.
    pub(crate) dropped: Vec<BodyId>,
    /// Body files that were made for the rows; to be removed if they are not kept.
    pub(crate) made: Vec<BodyId>,
    /// Mailboxes whose watchers are told after it.
    pub(crate) changed: BTreeSet<MailboxId>,
    /// Mailboxes that close with it: what is signed in ends.
    pub(crate) ended: BTreeSet<MailboxId>,
    /// Mailboxes that are gone with it.
    pub(crate) gone: BTreeSet<MailboxId>,
    /// The leases that changed: until when now, or ended.
    pub(crate) leases: BTreeMap<(QueueId, u16), Option<Duration>>,
}

impl Effects {
    fn extend(&mut self, other: Self) {
        self.new_shreds.extend(other.new_shreds);
        self.dead_shreds.extend(other.dead_shreds);
        self.dropped.extend(other.dropped);
        self.made.extend(other.made);
        self.changed.extend(other.changed);
        self.ended.extend(other.ended);
        self.gone.extend(other.gone);
        self.leases.extend(other.leases);
    }
}

/// Rows and effects, with the octets of the rows.
#[derive(Debug, Default)]
struct Layer {
    rows: Rows,
    effects: Effects,
    size: usize,
}

/// See the module.
pub(crate) struct Draft<'w> {
    disk: &'w Disk,
    bodies: &'w Bodies,
    book: &'w mut Book,
    leases: &'w Leases,
    /// Lists that were kept.
    batch: Layer,
    /// The list under way.
    list: Layer,
}

impl<'w> Draft<'w> {
    pub(crate) fn new(disk: &'w Disk, bodies: &'w Bodies, book: &'w mut Book, leases: &'w Leases) -> Self {
        Self { disk, bodies, book, leases, batch: Layer::default(), list: Layer::default() }
    }

    /// Keeps what the list under way has changed.
    pub(crate) fn keep(&mut self) {
        let list = std::mem::take(&mut self.list);
        self.batch.rows.extend(list.rows);
        self.batch.effects.extend(list.effects);
        self.batch.size += list.size;
    }

    /// Throws away what the list under way has changed.
    pub(crate) fn discard(&mut self) -> Result<(), StoreError> {
        let list = std::mem::take(&mut self.list);
        self.book.release(list.effects.new_shreds.iter().map(|new| new.at));
        for id in list.effects.made {
            self.bodies.remove(id)?;
        }
        Ok(())
    }

    /// Octets that the list under way writes.
    pub(crate) fn list_size(&self) -> usize {
        self.list.size
    }

    /// Octets that the batch writes so far.
    pub(crate) fn size(&self) -> usize {
        self.batch.size
    }

    /// The batch: what was kept.
    pub(crate) fn finish(self) -> (Rows, Effects) {
        (self.batch.rows, self.batch.effects)
    }

    pub(crate) fn disk(&self) -> &'w Disk {
        self.disk
    }

    /// Effects of the list under way.
    pub(crate) fn effects(&mut self) -> &mut Effects {
        &mut self.list.effects
    }

    pub(crate) fn put<T: Encode<()>>(&mut self, key: Vec<u8>, row: &T) -> Result<(), StoreError> {
        self.put_bytes(key, codec::write(row)?)
    }

    /// [`Draft::put`] of a row that is known to have so many octets at least.
    pub(crate) fn put_about<T: Encode<()>>(
        &mut self,
        octets: usize,
        key: Vec<u8>,
        row: &T,
    ) -> Result<(), StoreError> {
        self.put_bytes(key, codec::write_about(octets, row)?)
    }

    fn put_bytes(&mut self, key: Vec<u8>, value: Vec<u8>) -> Result<(), StoreError> {
        Disk::check_size(&value)?;
        self.list.size += key.len() + value.len();
        self.list.rows.insert(key, Some(value));
        Ok(())
    }

    pub(crate) fn remove(&mut self, key: Vec<u8>) {
        self.list.size += key.len();
        self.list.rows.insert(key, None);
    }

    /// Until when a recipient is leased.
    pub(crate) fn leased(&self, queue: QueueId, number: u16) -> Option<Duration> {
        let place = (queue, number);
        let changed =
            [&self.list, &self.batch].into_iter().find_map(|layer| layer.effects.leases.get(&place));
        changed.copied().unwrap_or_else(|| self.leases.get(&place).copied())
    }

    /// Leases a recipient, or ends its lease.
    pub(crate) fn set_lease(&mut self, queue: QueueId, number: u16, until: Option<Duration>) {
        self.list.effects.leases.insert((queue, number), until);
    }

    /// Gives a shred key a place.
    pub(crate) fn place(&mut self, owner: [u8; 16], key: Key) -> Result<ShredRef, StoreError> {
        let at = self.book.place()?;
        self.list.effects.new_shreds.push(NewShred { at, owner, key });
        Ok(at)
    }

    /// Has shred keys destroyed after the commit.
    pub(crate) fn shred(&mut self, gone: impl IntoIterator<Item = ShredRef>) {
        self.list.effects.dead_shreds.extend(gone);
    }

    /// One more record names this body.
    pub(crate) fn name_file(&mut self, body: &Body) -> Result<(), StoreError> {
        let Some(id) = body.file() else { return Ok(()) };
        let Number(names) = self.row(&key::file(id))?.unwrap_or(Number(0));
        self.put(key::file(id), &Number(names + 1))
    }

    /// One record less names this body; with the last its file goes.
    pub(crate) fn drop_file(&mut self, body: &Body) -> Result<(), StoreError> {
        let Some(id) = body.file() else { return Ok(()) };
        match self.row(&key::file(id))?.unwrap_or(Number(0)) {
            Number(0 | 1) => {
                self.remove(key::file(id));
                self.list.effects.dropped.push(id);
                Ok(())
            }
            Number(names) => self.put(key::file(id), &Number(names - 1)),
        }
    }

    /// Octets that may be large: in the row up to `inline`, else in a file sealed under the store's key.
    pub(crate) fn spill(&mut self, bytes: Vec<u8>, inline: usize) -> Result<Body, StoreError> {
        if bytes.len() <= inline {
            return Ok(Body::Inline(bytes));
        }
        let mut writer = self.bodies.begin_file()?;
        let id = writer.id();
        writer.write_all(&self.disk.seal_file(id.bytes(), &bytes))?;
        let body = writer.finish()?;
        self.list.effects.made.push(id);
        self.name_file(&body)?;
        Ok(body)
    }
}

impl Draft<'_> {
    /// Reads what [`Draft::spill`] put away.
    pub(crate) fn unspill(&self, body: Body) -> Result<Vec<u8>, StoreError> {
        unspill(self.disk, self.bodies, body)
    }
}

/// Reads what [`Draft::spill`] put away.
pub(crate) fn unspill(disk: &Disk, bodies: &Bodies, body: Body) -> Result<Vec<u8>, StoreError> {
    match body {
        Body::Inline(bytes) => Ok(bytes),
        Body::File { id, .. } => {
            let mut sealed = Vec::new();
            bodies.open(&body)?.read_to_end(&mut sealed)?;
            disk.open_file(id.bytes(), &sealed)
        }
    }
}

impl Source for Draft<'_> {
    fn fetch(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.list.rows.get(key).or_else(|| self.batch.rows.get(key)) {
            Some(changed) => Ok(changed.clone()),
            None => self.disk.fetch(key),
        }
    }

    fn holds(&self, key: &[u8]) -> Result<bool, StoreError> {
        match self.list.rows.get(key).or_else(|| self.batch.rows.get(key)) {
            Some(changed) => Ok(changed.is_some()),
            None => self.disk.holds(key),
        }
    }

    fn page(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>, StoreError> {
        self.merged(prefix, after, limit, |row| self.disk.pair(row), |key, value| (key, value))
    }

    fn keys(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        self.merged(prefix, after, limit, |(key, _)| Ok(key.to_vec()), |key, _| key)
    }
}

impl Draft<'_> {
    /// A page of what is on disk and of what was changed above it, each row made by one of the two.
    fn merged<T>(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
        on_disk: impl Fn((sled::IVec, sled::IVec)) -> Result<T, StoreError>,
        changed_row: impl Fn(Vec<u8>, Vec<u8>) -> T,
    ) -> Result<Vec<T>, StoreError> {
        let from = after.map_or(Bound::Included(prefix), Bound::Excluded);
        let changed = |layer: &'_ Rows| -> Rows {
            let rows = layer.range::<[u8], _>((from, Bound::Unbounded));
            let ours = rows.take_while(|(key, _)| key.starts_with(prefix));
            ours.map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        let mut above = changed(&self.batch.rows);
        above.extend(changed(&self.list.rows));
        let mut above = above.into_iter().peekable();
        let mut below = self.disk.range(prefix, after).peekable();
        let mut page = Vec::new();
        while page.len() < limit {
            if above_first(&mut above, &mut below) {
                match above.next() {
                    Some((key, Some(value))) => page.push(changed_row(key, value)),
                    Some((_, None)) => {}
                    None => break,
                }
            } else {
                match below.next() {
                    Some(row) => page.push(on_disk(row?)?),
                    None => break,
                }
            }
        }
        Ok(page)
    }
}

/// Whether the next row comes from the layers above the disk; of two rows with one key the disk's is dropped.
fn above_first(
    above: &mut Peekable<impl Iterator<Item = (Vec<u8>, Option<Vec<u8>>)>>,
    below: &mut Peekable<impl Iterator<Item = Result<(sled::IVec, sled::IVec), StoreError>>>,
) -> bool {
    match (above.peek(), below.peek()) {
        (Some((upper, _)), Some(Ok((lower, _)))) => {
            if upper.as_slice() == lower.as_ref() {
                below.next();
                return true;
            }
            upper.as_slice() < lower.as_ref()
        }
        (Some(_), None) => true,
        _ => false,
    }
}
