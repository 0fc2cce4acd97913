//! What the shim recorded, and the files that a power cut may leave of it.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::fs;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::path::PathBuf;

/// One recorded operation; paths are relative to the data directory.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Create {
        inode: u64,
        path: PathBuf,
    },
    Write {
        inode: u64,
        at: u64,
        bytes: Vec<u8>,
    },
    Truncate {
        inode: u64,
        length: u64,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Unlink {
        path: PathBuf,
    },
    Directory {
        path: PathBuf,
    },
    /// `data` for fdatasync.
    Sync {
        path: PathBuf,
        data: bool,
        inode: u64,
    },
    Mark(String),
    /// The process was killed while this was noted: so many octets of an entry, of an operation that took effect.
    CutOff {
        octets: usize,
    },
}

/// Reads the shim's log. Whoever was killed over an entry leaves its beginning: [`Event::CutOff`], always the last.
pub(crate) fn events(mut log: &[u8], root: &Path) -> Vec<Event> {
    let mut events = Vec::new();
    while !log.is_empty() {
        let Some((entry, rest)) = sized(log) else {
            events.push(Event::CutOff { octets: log.len() });
            break;
        };
        let number = events.len();
        let event = read(entry, root);
        events.push(event.unwrap_or_else(|| panic!("entry {number} of the shim's log: {entry:.60?}")));
        log = rest;
    }
    events
}

/// Reads one entry; `None` when its parts do not make up the whole.
fn read(entry: &[u8], root: &Path) -> Option<Event> {
    let (operation, rest) = entry.split_first()?;
    let (inode, rest) = rest.split_first_chunk()?;
    let (number, rest) = rest.split_first_chunk()?;
    let (path, rest) = sized(rest)?;
    let (data, []) = sized(rest)? else { return None };
    let (inode, number) = (u64::from_le_bytes(*inode), u64::from_le_bytes(*number));
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    let within = |text: &str| Path::new(text).strip_prefix(root).map(Path::to_path_buf);
    let path = text(path)?;
    let path = within(path.strip_suffix(" (deleted)").unwrap_or(&path)).unwrap_or_default();
    Some(match operation {
        b'O' => Event::Create { inode, path },
        b'W' => Event::Write { inode, at: number, bytes: data.to_vec() },
        b'T' => Event::Truncate { inode, length: number },
        b'N' => Event::Rename { from: path, to: within(&text(data)?).ok()? },
        b'U' => Event::Unlink { path },
        b'M' => Event::Directory { path },
        b'S' => Event::Sync { path, data: false, inode },
        b'D' => Event::Sync { path, data: true, inode },
        b'K' => Event::Mark(text(data)?),
        _ => return None,
    })
}

/// Octets behind their number, and what follows; `None` when there are fewer.
fn sized(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}

/// What a power cut leaves of what was not synced.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Survives {
    /// Nothing.
    Synced,
    /// All of it.
    Everything,
    /// The operations up to some point.
    Prefix(u64),
    /// Some blocks of 4 KiB of some writes, in whatever order; names up to some point in each directory.
    Torn(u64),
    /// Some whole writes and not those before them; names up to some point in each directory.
    Reordered(u64),
}

impl Survives {
    /// All models; those that throw dice, several times.
    pub(crate) fn all(seed: u64) -> Vec<Self> {
        let dice = (0..4).map(|n| seed * 4 + n);
        let thrown = dice.flat_map(|seed| [Self::Prefix(seed), Self::Torn(seed), Self::Reordered(seed)]);
        [Self::Synced, Self::Everything].into_iter().chain(thrown).collect()
    }
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn coin(&mut self) -> bool {
        self.next() & 1 == 1
    }
}

/// A change of a file's content that is not synced; the number is its place in time.
#[derive(Clone, Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Length(u64),
}

#[derive(Clone, Debug, Default)]
struct Content {
    synced: Vec<u8>,
    pending: Vec<(u64, Change)>,
}

/// A change of a name that is not synced.
#[derive(Clone, Debug)]
enum NameChange {
    Put(PathBuf, usize),
    Remove(PathBuf),
    Move(PathBuf, PathBuf),
    Directory(PathBuf),
}

impl NameChange {
    /// Whose sync makes it durable.
    fn parent(&self) -> &Path {
        let (Self::Put(path, _) | Self::Remove(path) | Self::Move(_, path) | Self::Directory(path)) = self;
        path.parent().unwrap()
    }
}

/// A name: of a file, by its number, or of a directory.
type Names = BTreeMap<PathBuf, Option<usize>>;

/// The files as they are in memory and on disk.
#[derive(Default)]
pub(crate) struct World {
    contents: Vec<Content>,
    /// The file that an inode's number means now.
    inodes: HashMap<u64, usize>,
    names: Names,
    pending: Vec<(u64, NameChange)>,
    now: u64,
}

impl World {
    pub(crate) fn happen(&mut self, event: &Event) {
        self.now += 1;
        let now = self.now;
        match event {
            Event::Create { inode, path } => {
                self.contents.push(Content::default());
                let file = self.contents.len() - 1;
                self.inodes.insert(*inode, file);
                self.pending.push((now, NameChange::Put(path.clone(), file)));
            }
            Event::Write { inode, at, bytes } => {
                self.content(*inode).pending.push((now, Change::Write(*at, bytes.clone())));
            }
            Event::Truncate { inode, length } => {
                self.content(*inode).pending.push((now, Change::Length(*length)));
            }
            Event::Rename { from, to } => {
                self.pending.push((now, NameChange::Move(from.clone(), to.clone())));
            }
            Event::Unlink { path } => self.pending.push((now, NameChange::Remove(path.clone()))),
            Event::Directory { path } if path.as_os_str().is_empty() => {}
            Event::Directory { path } => self.pending.push((now, NameChange::Directory(path.clone()))),
            Event::Sync { path, inode, .. } => self.sync(path, *inode),
            // Whatever was cut off, nothing that is known came after it.
            Event::Mark(_) | Event::CutOff { .. } => {}
        }
    }

    fn content(&mut self, inode: u64) -> &mut Content {
        let file = self.inodes[&inode];
        &mut self.contents[file]
    }

    fn sync(&mut self, path: &Path, inode: u64) {
        if let Some(file) = self.inodes.get(&inode)
            && !self.is_directory(path)
        {
            let content = &mut self.contents[*file];
            for (_, change) in std::mem::take(&mut content.pending) {
                apply(&mut content.synced, &change);
            }
            return;
        }
        let (ours, others) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(|(_, change): &(u64, NameChange)| change.parent() == path);
        self.pending = others;
        for (_, change) in ours {
            rename(&mut self.names, &change);
        }
    }

    fn is_directory(&self, path: &Path) -> bool {
        let pending = |(_, change): &(u64, NameChange)| matches!(change, NameChange::Directory(directory) if directory == path);
        path.as_os_str().is_empty() || self.names.get(path) == Some(&None) || self.pending.iter().any(pending)
    }

    /// Makes the files that survive a power cut now.
    pub(crate) fn make(&self, root: &Path, survives: Survives) {
        let mut dice = Dice(match survives {
            Survives::Synced | Survives::Everything => 0,
            Survives::Prefix(seed) | Survives::Torn(seed) | Survives::Reordered(seed) => seed,
        });
        // Changes before this moment survive in order, where that is the question.
        let until = match survives {
            Survives::Synced => 0,
            Survives::Everything => u64::MAX,
            _ => self.unsynced_moment(&mut dice),
        };
        let mut names = self.names.clone();
        let mut stopped: Vec<&Path> = Vec::new();
        for (at, change) in &self.pending {
            let keep = match survives {
                Survives::Torn(_) | Survives::Reordered(_) => {
                    if dice.coin() {
                        stopped.push(change.parent());
                    }
                    !stopped.contains(&change.parent())
                }
                _ => *at < until,
            };
            if keep {
                rename(&mut names, change);
            }
        }
        fs::create_dir_all(root).unwrap();
        for (path, file) in &names {
            let path = root.join(path);
            match file {
                None => fs::create_dir_all(&path).unwrap(),
                Some(file) => {
                    fs::create_dir_all(path.parent().unwrap()).unwrap();
                    let content = self.content_after(*file, survives, until, &mut dice);
                    File::create(&path).unwrap().write_all_at(&content, 0).unwrap();
                }
            }
        }
    }

    /// Some moment between the oldest change that is not synced and now.
    fn unsynced_moment(&self, dice: &mut Dice) -> u64 {
        let contents = self.contents.iter().filter_map(|content| content.pending.first());
        let oldest = contents.map(|(at, _)| *at).chain(self.pending.iter().map(|(at, _)| *at)).min();
        let oldest = oldest.unwrap_or(self.now);
        oldest + dice.next() % (self.now - oldest + 2)
    }

    fn content_after(&self, file: usize, survives: Survives, until: u64, dice: &mut Dice) -> Vec<u8> {
        let content = &self.contents[file];
        let mut bytes = content.synced.clone();
        for (at, change) in &content.pending {
            match (survives, change) {
                (Survives::Torn(_), Change::Write(from, data)) => {
                    for (place, block) in blocks(*from, data) {
                        if dice.coin() {
                            apply(&mut bytes, &Change::Write(place, block.to_vec()));
                        }
                    }
                }
                (Survives::Torn(_) | Survives::Reordered(_), _) => {
                    if dice.coin() {
                        apply(&mut bytes, change);
                    }
                }
                _ => {
                    if *at < until {
                        apply(&mut bytes, change);
                    }
                }
            }
        }
        bytes
    }
}

/// A write, cut at every multiple of 4 KiB in the file.
fn blocks(from: u64, mut data: &[u8]) -> Vec<(u64, &[u8])> {
    let mut at = from;
    let mut blocks = Vec::new();
    while !data.is_empty() {
        let room = usize::try_from(4_096 - at % 4_096).unwrap().min(data.len());
        let (block, rest) = data.split_at(room);
        blocks.push((at, block));
        (at, data) = (at + room as u64, rest);
    }
    blocks
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write(at, data) => {
            let at = usize::try_from(*at).unwrap();
            if bytes.len() < at + data.len() {
                bytes.resize(at + data.len(), 0);
            }
            bytes[at..at + data.len()].copy_from_slice(data);
        }
        Change::Length(length) => bytes.resize(usize::try_from(*length).unwrap(), 0),
    }
}

fn rename(names: &mut Names, change: &NameChange) {
    match change {
        NameChange::Put(path, file) => {
            names.insert(path.clone(), Some(*file));
        }
        NameChange::Remove(path) => {
            names.remove(path);
        }
        NameChange::Move(from, to) => {
            let moved: Vec<PathBuf> = names.keys().filter(|path| path.starts_with(from)).cloned().collect();
            for path in moved {
                let file = names.remove(&path).unwrap();
                let rest = path.strip_prefix(from).unwrap();
                let place = if rest.as_os_str().is_empty() { to.clone() } else { to.join(rest) };
                names.insert(place, file);
            }
        }
        NameChange::Directory(path) => {
            names.insert(path.clone(), None);
        }
    }
}

mod tests {
    use super::*;

    /// As the shim writes one.
    fn entry(operation: u8, path: &str, data: &[u8]) -> Vec<u8> {
        let sized = |bytes: &[u8]| [&(bytes.len() as u32).to_le_bytes(), bytes].concat();
        let numbers = [7_u64.to_le_bytes(), 9_u64.to_le_bytes()].concat();
        sized(&[&[operation], &numbers[..], &sized(path.as_bytes()), &sized(data)].concat())
    }

    #[test]
    fn a_log_that_ends_anywhere_is_read_as_far_as_it_goes() {
        let entries = [
            entry(b'O', "/data/store/db", b""),
            entry(b'W', "/data/store/db", b"octets"),
            entry(b'K', "/mark", b"ack 1"),
            entry(b'U', "/data/bodies/00/1 (deleted)", b""),
        ];
        let log = entries.concat();
        let ends: Vec<usize> = (1..=entries.len()).map(|n| entries[..n].concat().len()).collect();
        for end in 0..=log.len() {
            let events = events(&log[..end], Path::new("/data"));
            let whole = ends.iter().filter(|whole| **whole <= end).count();
            let torn = end - if whole == 0 { 0 } else { ends[whole - 1] };
            assert_eq!(events.len(), whole + usize::from(torn > 0), "{end}");
            match events.last() {
                Some(Event::CutOff { octets }) => assert_eq!(*octets, torn, "{end}"),
                _ => assert_eq!(torn, 0, "{end}"),
            }
        }
        let [
            Event::Create { .. },
            Event::Write { at: 9, bytes, .. },
            Event::Mark(mark),
            Event::Unlink { path },
        ] = &events(&log, Path::new("/data"))[..]
        else {
            panic!("other events")
        };
        assert_eq!((&bytes[..], mark.as_str()), (&b"octets"[..], "ack 1"));
        assert_eq!(path, Path::new("bodies/00/1"));
    }

    #[test]
    #[should_panic(expected = "entry 1 of the shim's log")]
    fn entries_in_each_other_are_no_log() {
        let (one, other) = (entry(b'O', "/data/a", b""), entry(b'U', "/data/b", b""));
        let (begin, end) = one.split_at(21);
        events(&[&one[..], begin, &other, end].concat(), Path::new("/data"));
    }
}
