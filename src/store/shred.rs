//! The shred file: keys that must be unrecoverable once they are destroyed, outside the log.
//!
//! A log keeps what was deleted from it; a place in a file can be overwritten. There are two files of the same
//! content, so that a torn write never costs a key: a new key is written to the first and synced, to the
//! second and synced, and only then named by a commit; a destroyed one is overwritten with random octets in
//! the first, synced and read back, then in the second, after the commit that drops its name.
//!
//! ```text
//! slot, 64 octets   owner 16 · key 32 · generation 4 (even lives, odd is destroyed) · commit 8 · CRC-32C 4
//! ```

use crate::base::random::bytes;
use crate::base::secret::Key;
use crate::store::error::StoreError;
use crate::store::record::ShredRef;
use crate::vault::os_random;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Octets of one slot.
const SLOT: usize = 64;
/// Slots that a file grows by.
const GROWTH: u32 = 64;
/// Unnamed keys that a crash can leave: those of one batch, unless it said that it drops more.
pub(crate) const LEFTOVERS: usize = 256;
/// A place whose generation is above this is not used again.
const WORN: u32 = u32::MAX - 4;

const DAMAGED: StoreError = StoreError::Damaged { what: "the shred file" };

/// One slot, decoded.
struct Slot {
    owner: [u8; 16],
    key: Zeroizing<[u8; 32]>,
    generation: u32,
    commit: u64,
}

impl Slot {
    /// A destroyed one: random octets where the key was.
    fn destroyed(generation: u32, commit: u64) -> Self {
        Self { owner: [0; 16], key: Zeroizing::new(bytes(os_random())), generation, commit }
    }

    fn encode(&self) -> Zeroizing<[u8; SLOT]> {
        let mut out = Zeroizing::new([0; SLOT]);
        let fields: [&[u8]; 4] =
            [&self.owner, &*self.key, &self.generation.to_be_bytes(), &self.commit.to_be_bytes()];
        out.iter_mut().zip(fields.into_iter().flatten()).for_each(|(to, from)| *to = *from);
        let (body, crc) = out.split_at_mut(SLOT - 4);
        crc.copy_from_slice(&crc32c::crc32c(body).to_be_bytes());
        out
    }

    /// `None` when the checksum does not hold.
    fn decode(slot: &[u8; SLOT]) -> Option<Self> {
        let (body, crc) = slot.split_last_chunk::<4>()?;
        if crc32c::crc32c(body) != u32::from_be_bytes(*crc) {
            return None;
        }
        let (owner, body) = body.split_first_chunk::<16>()?;
        let (key, body) = body.split_first_chunk::<32>()?;
        let (generation, commit) = body.split_first_chunk::<4>()?;
        Some(Self {
            owner: *owner,
            key: Zeroizing::new(*key),
            generation: u32::from_be_bytes(*generation),
            commit: u64::from_be_bytes(commit.try_into().ok()?),
        })
    }

    fn lives(&self) -> bool {
        self.generation.is_multiple_of(2)
    }
}

/// Both files, for reading from anywhere.
#[derive(Debug)]
pub(crate) struct ShredFiles {
    files: [File; 2],
}

impl ShredFiles {
    /// The key at `shred`; `None` when it was destroyed.
    pub(crate) fn key(&self, shred: ShredRef) -> Result<Option<Key>, StoreError> {
        let mut newest: Option<Slot> = None;
        for file in &self.files {
            match read_slot(file, shred.place)? {
                Some(slot) if slot.generation == shred.generation && slot.lives() => {
                    return Ok(Some(Key::new(*slot.key)));
                }
                Some(slot) => newest = Some(slot),
                None => {}
            }
        }
        match newest {
            Some(slot) if slot.generation > shred.generation => Ok(None),
            _ => Err(DAMAGED),
        }
    }
}

fn read_slot(file: &File, place: u32) -> io::Result<Option<Slot>> {
    let mut slot = Zeroizing::new([0; SLOT]);
    match file.read_exact_at(&mut *slot, offset(place)) {
        Ok(()) => Ok(Slot::decode(&slot)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

fn offset(place: u32) -> u64 {
    u64::from(place) * SLOT as u64
}

/// A key that waits for its place to be written.
#[derive(Debug)]
pub(crate) struct NewShred {
    pub(crate) at: ShredRef,
    pub(crate) owner: [u8; 16],
    pub(crate) key: Key,
}

/// A name that a record holds for a slot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Name {
    pub(crate) generation: u32,
    pub(crate) owner: [u8; 16],
}

/// The writer's book over both files: which places are taken, which are free.
#[derive(Debug)]
pub(crate) struct Book {
    files: Arc<ShredFiles>,
    /// The generation that is on disk, by place.
    generations: Vec<u32>,
    free: BTreeSet<u32>,
}

impl Book {
    /// Opens both files in `dir` and settles them with what the records name and with the number of the last
    /// commit. Answers with the names whose key was destroyed already: their records are to go. More than `most`
    /// keys without a name mean that the store is behind.
    pub(crate) fn open(
        dir: &Path,
        named: &HashMap<u32, Name>,
        commit: u64,
        most: usize,
    ) -> Result<(Self, Vec<ShredRef>), StoreError> {
        let files = [open_file(dir, "shred.a")?, open_file(dir, "shred.b")?];
        let places = places(&files)?;
        let mut slots = Vec::new();
        for place in 0..places {
            let [one, other] = [read_slot(&files[0], place)?, read_slot(&files[1], place)?];
            slots.push(newer(one, other));
        }
        // A new key is written before the commit that names it, a destroyed one after the commit that drops it.
        let ahead = |slot: &Slot| slot.commit > commit.saturating_add(u64::from(slot.lives()));
        if slots.iter().flatten().any(ahead) {
            return Err(StoreError::Behind);
        }
        let stale = compare(&slots, named)?;
        let mut book = Self {
            files: Arc::new(ShredFiles { files }),
            generations: vec![0; slots.len()],
            free: BTreeSet::new(),
        };
        let held = |place: u32| {
            named
                .get(&place)
                .is_some_and(|name| !stale.contains(&ShredRef { place, generation: name.generation }))
        };
        book.repair(slots, &held, commit, most)?;
        Ok((book, stale))
    }

    /// Makes the files where they are not there; the caller syncs `dir`.
    pub(crate) fn make(dir: &Path) -> Result<(), StoreError> {
        open_file(dir, "shred.a")?;
        open_file(dir, "shred.b")?;
        Ok(())
    }

    /// The highest commit that a slot of `dir` names: what a store that was set back must go on from.
    pub(crate) fn last_commit(dir: &Path) -> Result<u64, StoreError> {
        let files = [open_file(dir, "shred.a")?, open_file(dir, "shred.b")?];
        let mut last = 0;
        for place in 0..places(&files)? {
            for file in &files {
                last = last.max(read_slot(file, place)?.map_or(0, |slot| slot.commit));
            }
        }
        Ok(last)
    }

    /// For reading keys.
    pub(crate) fn files(&self) -> Arc<ShredFiles> {
        Arc::clone(&self.files)
    }

    /// Takes a free place; it is written by [`Book::write`] or given back by [`Book::release`].
    pub(crate) fn place(&mut self) -> Result<ShredRef, StoreError> {
        if self.free.is_empty() {
            self.grow()?;
        }
        let place = self.free.pop_first().ok_or(DAMAGED)?;
        let generation = self.generations.get(place as usize).ok_or(DAMAGED)? + 1;
        Ok(ShredRef { place, generation })
    }

    /// Gives places back that were not written.
    pub(crate) fn release(&mut self, places: impl IntoIterator<Item = ShredRef>) {
        self.free.extend(places.into_iter().map(|shred| shred.place));
    }

    /// Writes new keys, synced in both files; `commit` is the number of the commit that will name them.
    pub(crate) fn write(&mut self, new: &[NewShred], commit: u64) -> Result<(), StoreError> {
        let slots: Vec<_> = new
            .iter()
            .map(|new| {
                let key = Zeroizing::new(*new.key.expose());
                let slot = Slot { owner: new.owner, key, generation: new.at.generation, commit };
                (new.at.place, slot)
            })
            .collect();
        self.put(&slots)
    }

    /// Destroys keys whose names are gone; their places are free afterwards.
    pub(crate) fn destroy(&mut self, gone: &[ShredRef], commit: u64) -> Result<(), StoreError> {
        let dead =
            |shred: &ShredRef| (shred.place, Slot::destroyed(shred.generation.saturating_add(1), commit));
        let current =
            |shred: &&ShredRef| self.generations.get(shred.place as usize) == Some(&shred.generation);
        let slots: Vec<_> = gone.iter().filter(current).map(dead).collect();
        self.put(&slots)?;
        let reusable = slots.iter().filter(|(_, slot)| slot.generation < WORN);
        self.free.extend(reusable.map(|(place, _)| *place));
        Ok(())
    }

    /// Writes slots into the first file, syncs, reads back; into the second the same.
    fn put(&mut self, slots: &[(u32, Slot)]) -> Result<(), StoreError> {
        if slots.is_empty() {
            return Ok(());
        }
        for file in &self.files.files {
            for (place, slot) in slots {
                file.write_all_at(&*slot.encode(), offset(*place))?;
            }
            file.sync_data()?;
            for (place, slot) in slots {
                let back = read_slot(file, *place)?.ok_or(DAMAGED)?;
                if back.encode() != slot.encode() {
                    return Err(DAMAGED);
                }
            }
        }
        for (place, slot) in slots {
            if let Some(generation) = self.generations.get_mut(*place as usize) {
                *generation = slot.generation;
            }
        }
        Ok(())
    }

    fn grow(&mut self) -> Result<(), StoreError> {
        let from = u32::try_from(self.generations.len()).map_err(|_| DAMAGED)?;
        let to = from.checked_add(GROWTH).ok_or(DAMAGED)?;
        self.generations.resize(to as usize, 0);
        let slots: Vec<_> = (from..to).map(|place| (place, Slot::destroyed(1, 0))).collect();
        self.put(&slots)?;
        self.free.extend(from..to);
        Ok(())
    }

    /// Makes both files say the same, destroys what lives without a name, and finds the free places.
    fn repair(
        &mut self,
        slots: Vec<Option<Slot>>,
        held: &dyn Fn(u32) -> bool,
        commit: u64,
        most: usize,
    ) -> Result<(), StoreError> {
        let highest = slots.iter().flatten().map(|slot| slot.generation).max().unwrap_or(0);
        let mut differing = Vec::new();
        let mut leftovers = Vec::new();
        for (place, slot) in (0..).zip(slots) {
            // Unreadable and unnamed, as growth that was cut off: above every generation that ever was.
            let slot = slot.unwrap_or_else(|| Slot::destroyed((highest + 1) | 1, 0));
            if let Some(generation) = self.generations.get_mut(place as usize) {
                *generation = slot.generation;
            }
            if slot.lives() && !held(place) {
                leftovers.push(ShredRef { place, generation: slot.generation });
            } else if !slot.lives() && slot.generation < WORN {
                self.free.insert(place);
            }
            if !self.agrees(place, &slot)? {
                differing.push((place, slot));
            }
        }
        if leftovers.len() > most {
            return Err(StoreError::Behind);
        }
        self.put(&differing)?;
        self.destroy(&leftovers, commit)
    }

    fn agrees(&self, place: u32, slot: &Slot) -> Result<bool, StoreError> {
        for file in &self.files.files {
            if read_slot(file, place)?.is_none_or(|there| there.encode() != slot.encode()) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The slot that holds: the good one, or of two good ones that of the higher generation.
fn newer(one: Option<Slot>, other: Option<Slot>) -> Option<Slot> {
    match (one, other) {
        (Some(one), Some(other)) if other.generation > one.generation => Some(other),
        (Some(one), _) => Some(one),
        (None, other) => other,
    }
}

/// Compares the slots with the names that records hold. A name older than its slot is stale; one that is
/// newer, or whose slot cannot be read, is damage.
fn compare(slots: &[Option<Slot>], named: &HashMap<u32, Name>) -> Result<Vec<ShredRef>, StoreError> {
    let mut stale = Vec::new();
    for (place, name) in named {
        let slot = slots.get(*place as usize).and_then(Option::as_ref).ok_or(DAMAGED)?;
        if slot.generation > name.generation {
            stale.push(ShredRef { place: *place, generation: name.generation });
        } else if slot.generation < name.generation || slot.owner != name.owner {
            return Err(DAMAGED);
        }
    }
    Ok(stale)
}

/// Places that either file has, a cut one at the end included.
fn places(files: &[File; 2]) -> Result<u32, StoreError> {
    let mut longest = 0;
    for file in files {
        longest = longest.max(file.metadata()?.len());
    }
    u32::try_from(longest.div_ceil(SLOT as u64)).map_err(|_| DAMAGED)
}

fn open_file(dir: &Path, name: &str) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    Ok(options.read(true).write(true).create(true).truncate(false).mode(0o600).open(dir.join(name))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const OWNER: [u8; 16] = [7; 16];

    /// Key number `n`: octets that are found nowhere else.
    fn key(n: u8) -> [u8; 32] {
        crate::vault::primitives::sha256(&[n])
    }

    fn new(book: &mut Book, n: u8) -> NewShred {
        NewShred { at: book.place().unwrap(), owner: OWNER, key: Key::new(key(n)) }
    }

    fn name(shred: ShredRef) -> (u32, Name) {
        (shred.place, Name { generation: shred.generation, owner: OWNER })
    }

    fn files(dir: &Path) -> [Vec<u8>; 2] {
        ["shred.a", "shred.b"].map(|name| fs::read(dir.join(name)).unwrap())
    }

    fn holds(file: &[u8], key: &[u8; 32]) -> bool {
        file.windows(32).any(|window| window == key)
    }

    /// What a write that was cut after `cut` octets leaves of a slot: its beginning is new, or only its end is.
    fn torn(before: &[u8], after: &[u8], cut: usize, end: bool) -> Vec<u8> {
        let (first, last) = if end { (before, after) } else { (after, before) };
        [&first[..cut], &last[cut..]].concat()
    }

    /// Both files when the write of place 1 was torn in the first file, or the first was synced and the second torn.
    fn images(before: &[Vec<u8>; 2], after: &[Vec<u8>; 2]) -> Vec<[Vec<u8>; 2]> {
        let place = SLOT..2 * SLOT;
        let mut all = Vec::new();
        for (second, end, cut) in [(false, false), (false, true), (true, false), (true, true)]
            .into_iter()
            .flat_map(|(second, end)| (0..=SLOT).map(move |cut| (second, end, cut)))
        {
            let mut image = before.clone();
            if second {
                image[0].clone_from(&after[0]);
            }
            let file = usize::from(second);
            let slot = torn(&before[file][place.clone()], &after[file][place.clone()], cut, end);
            image[file][place.clone()].copy_from_slice(&slot);
            all.push(image);
        }
        all
    }

    /// Opens every image: what is named is there, the key of place 1 is nowhere, and the neighbours are untouched.
    fn open_all(dir: &Path, images: &[[Vec<u8>; 2]], named: &[ShredRef], commit: u64) {
        let names: HashMap<u32, Name> = named.iter().map(|shred| name(*shred)).collect();
        for (number, image) in images.iter().enumerate() {
            for (file, bytes) in ["shred.a", "shred.b"].iter().zip(image) {
                fs::write(dir.join(file), bytes).unwrap();
            }
            let (mut book, stale) = Book::open(dir, &names, commit, LEFTOVERS).unwrap();
            assert_eq!(stale, [], "{number}");
            let [one, other] = files(dir);
            assert_eq!(one, other, "{number}: both files say the same");
            assert!(!holds(&one, &key(1)), "{number}: the key survives");
            for place in [0..SLOT, 2 * SLOT..one.len()] {
                assert_eq!(one[place.clone()], image[0][place], "{number}: a neighbour was touched");
            }
            for (shred, n) in named.iter().zip([0, 2]) {
                assert_eq!(book.files().key(*shred).unwrap().unwrap().expose(), &key(n), "{number}");
            }
            assert_eq!(book.place().unwrap().place, 1, "{number}: the place is free");
        }
    }

    #[test]
    fn a_slot_torn_at_any_octet_keeps_its_neighbours_and_no_destroyed_key() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path();
        Book::make(dir).unwrap();
        let (mut book, _) = Book::open(dir, &HashMap::new(), 1, LEFTOVERS).unwrap();
        let outer = [new(&mut book, 0), new(&mut book, 9), new(&mut book, 2)];
        book.write(&outer, 2).unwrap();
        let named = [outer[0].at, outer[2].at];
        book.destroy(&[outer[1].at], 3).unwrap();

        let free = files(dir);
        let middle = new(&mut book, 1);
        assert_eq!(middle.at.place, 1);
        let shred = middle.at;
        book.write(&[middle], 4).unwrap();
        let alive = files(dir);
        assert!(alive.iter().all(|file| holds(file, &key(1))));
        // The commit that would name the new key did not happen.
        let made = images(&free, &alive);
        open_all(dir, &made, &named, 3);

        for (file, bytes) in ["shred.a", "shred.b"].iter().zip(&alive) {
            fs::write(dir.join(file), bytes).unwrap();
        }
        let names = named.iter().chain([&shred]).map(|shred| name(*shred)).collect();
        let (mut book, _) = Book::open(dir, &names, 4, LEFTOVERS).unwrap();
        book.destroy(&[shred], 5).unwrap();
        let destroyed = files(dir);
        assert!(!destroyed.iter().any(|file| holds(file, &key(1))));
        // The commit that dropped its name did happen.
        let gone = images(&alive, &destroyed);
        open_all(dir, &gone, &named, 5);
        assert_eq!(made.len() + gone.len(), 2 * 4 * 65);
    }

    #[test]
    fn a_named_key_outlives_one_torn_slot_but_not_two() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path();
        Book::make(dir).unwrap();
        let (mut book, _) = Book::open(dir, &HashMap::new(), 1, LEFTOVERS).unwrap();
        let one = new(&mut book, 1);
        let shred = one.at;
        book.write(&[one], 2).unwrap();
        let names = HashMap::from([name(shred)]);
        let good = files(dir);
        for octet in 0..SLOT {
            for file in ["shred.a", "shred.b"] {
                let mut bad = good[0].clone();
                bad[octet] ^= 0x10;
                fs::write(dir.join(file), bad).unwrap();
                let (book, stale) = Book::open(dir, &names, 2, LEFTOVERS).unwrap();
                assert_eq!((stale.len(), files(dir) == good), (0, true), "{octet}: {file} is repaired");
                assert_eq!(book.files().key(shred).unwrap().unwrap().expose(), &key(1));
            }
            for file in ["shred.a", "shred.b"] {
                let mut bad = good[0].clone();
                bad[octet] ^= 0x10;
                fs::write(dir.join(file), bad).unwrap();
            }
            let opened = Book::open(dir, &names, 2, LEFTOVERS);
            assert!(matches!(opened, Err(StoreError::Damaged { what: "the shred file" })), "{octet}");
            for (file, bytes) in ["shred.a", "shred.b"].iter().zip(&good) {
                fs::write(dir.join(file), bytes).unwrap();
            }
        }
    }
}
