//! `master-key rotate`: another master key, so that whoever saw the old one and never had a keyring has seen nothing.
//!
//! ```text
//! 1  new key beside the old one, synced          the old one opens
//! 2  keyring with a seal of each, synced         both open
//! 3  new key in the place of the old one         both open   (not where the key is a credential of the service)
//! 4  first start with the new key: its seal only the new one opens
//! ```
//!
//! Killed anywhere, or without power, the key that is in its place opens the keyring; begun again, it goes on from
//! where it was.

use crate::app::error::AppError;
use crate::app::keys;
use crate::app::keys::KEYRING;
use crate::base::random::Random;
use crate::config::Config;
use crate::vault::keyring;
use crate::vault::keyring::MasterKey;
use rustix::fs::FlockOperation;
use rustix::fs::flock;
use std::ffi::OsString;
use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Read;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::fs::fchown;
use std::path::Path;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// What a rotation has done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Rotated {
    /// The new key is in its place; `begun_before` if an earlier rotation was brought to its end.
    InPlace {
        /// Where.
        file: PathBuf,
        /// It was interrupted once.
        begun_before: bool,
    },
    /// The new key waits here for whoever puts it among the credentials of the service.
    Waits {
        /// Where.
        file: PathBuf,
    },
}

/// The places of a rotation.
#[derive(Clone, Debug)]
struct Places {
    /// The key now in use.
    key: PathBuf,
    /// Where the new one is written first.
    fresh: PathBuf,
    keyring: PathBuf,
    /// The new key takes the old one's place by itself.
    moves: bool,
}

/// Rotates the master key of `config`. Nothing else may have the data directory open.
pub fn rotate(config: &Config, random: &dyn Random) -> Result<Rotated, AppError> {
    let key = keys::master_key_place(config);
    let moves = !keys::is_credential(&key);
    let beside = if moves { key.clone() } else { config.master_key_file.clone() };
    let mut fresh = OsString::from(beside);
    fresh.push(".new");
    let places = Places { key, fresh: fresh.into(), keyring: config.data_dir.join(KEYRING), moves };
    if !places.keyring.exists() {
        return Err(AppError::NothingToRotate(places.keyring));
    }
    let _lock = alone(&config.data_dir)?;
    keys::read_master_key(&places.key)?;
    let disk = Disk { owner: owner(&config.data_dir)? };
    steps(&places, &disk, random)
}

/// The store's own lock: whoever runs the store holds it.
fn alone(data_dir: &Path) -> Result<Option<File>, AppError> {
    let path = data_dir.join("lock");
    let lock = match File::open(&path) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(AppError::file(path)(error)),
    };
    flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| AppError::StopFirst)?;
    Ok(Some(lock))
}

fn owner(data_dir: &Path) -> Result<Option<(u32, u32)>, AppError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let found = fs::metadata(data_dir).map_err(AppError::file(data_dir))?;
    Ok(Some((found.uid(), found.gid())))
}

/// The deeds on files that a rotation is made of; each may be the last one.
trait Deeds {
    /// The content of a file; nothing if it is not there.
    fn read(&self, path: &Path) -> io::Result<Option<Zeroizing<Vec<u8>>>>;
    /// Writes a file whole, for its owner alone.
    fn write(&self, path: &Path, content: &[u8]) -> io::Result<()>;
    /// Puts what was written on disk.
    fn sync(&self, path: &Path) -> io::Result<()>;
    /// Puts one file in the place of another.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Puts the names in the directory of `path` on disk.
    fn sync_names(&self, path: &Path) -> io::Result<()>;
}

fn steps(places: &Places, disk: &dyn Deeds, random: &dyn Random) -> Result<Rotated, AppError> {
    let at = |path: &Path| AppError::file(path.to_owned());
    let keyring = disk.read(&places.keyring).map_err(at(&places.keyring))?;
    let mut keyring = keyring.ok_or_else(|| AppError::NothingToRotate(places.keyring.clone()))?;
    let wrong = |error| AppError::Keyring { path: places.keyring.clone(), error };
    let old = key(disk, &places.key)?.ok_or_else(|| AppError::NoMasterKey(places.key.clone()))?;
    let opened = keyring::open(&old, &keyring).map_err(wrong)?;
    let fresh = key(disk, &places.fresh)?;
    if opened.seals > 1 {
        // An earlier one was interrupted: the key beside is its new one, or it has moved already.
        let waits = opened.former && fresh.is_some_and(|fresh| keyring::open(&fresh, &keyring).is_ok());
        if !opened.former {
            return Err(AppError::RotationHalfDone { place: places.key.clone() });
        }
        if waits && !places.moves {
            return Err(AppError::RotationWaits { file: places.fresh.clone() });
        }
        if waits {
            take_place(places, disk)?;
            return Ok(Rotated::InPlace { file: places.key.clone(), begun_before: true });
        }
        // The new key is lost before it was used: nothing needs its seal, and the rotation begins anew.
        keyring = keyring::settle(&old, &keyring, random).map_err(wrong)?.into();
    }
    // What lies beside opens nothing: it comes from a rotation that did not get as far as the keyring.
    let new = MasterKey::generate(random);
    disk.write(&places.fresh, new.key().expose()).map_err(at(&places.fresh))?;
    disk.sync(&places.fresh).map_err(at(&places.fresh))?;
    disk.sync_names(&places.fresh).map_err(at(&places.fresh))?;
    let both = keyring::rotate(&old, &new, &keyring, random).map_err(wrong)?;
    let draft = places.keyring.with_extension("new");
    disk.write(&draft, &both).map_err(at(&draft))?;
    disk.sync(&draft).map_err(at(&draft))?;
    disk.rename(&draft, &places.keyring).map_err(at(&places.keyring))?;
    disk.sync_names(&places.keyring).map_err(at(&places.keyring))?;
    if !places.moves {
        return Ok(Rotated::Waits { file: places.fresh.clone() });
    }
    take_place(places, disk)?;
    Ok(Rotated::InPlace { file: places.key.clone(), begun_before: false })
}

fn take_place(places: &Places, disk: &dyn Deeds) -> Result<(), AppError> {
    let at = |path: &Path| AppError::file(path.to_owned());
    disk.rename(&places.fresh, &places.key).map_err(at(&places.key))?;
    disk.sync_names(&places.key).map_err(at(&places.key))
}

/// A key file; one that is not whole is none.
fn key(disk: &dyn Deeds, path: &Path) -> Result<Option<MasterKey>, AppError> {
    let content = disk.read(path).map_err(AppError::file(path))?;
    Ok(content.and_then(|content| MasterKey::read(&content).ok()))
}

/// The real disk.
struct Disk {
    /// Whom new files belong to, when root makes them.
    owner: Option<(u32, u32)>,
}

impl Deeds for Disk {
    fn read(&self, path: &Path) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut content = Zeroizing::new(Vec::with_capacity(1_024));
        file.take(1_024).read_to_end(&mut content)?;
        Ok(Some(content))
    }

    fn write(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
        if let Some((user, group)) = self.owner {
            fchown(&file, Some(user), Some(group))?;
        }
        file.write_all(content)
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_names(&self, path: &Path) -> io::Result<()> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::OsRandom;
    use std::cell::Cell;
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    /// A disk in memory that knows what would survive a power cut.
    #[derive(Clone, Default)]
    struct Tried {
        /// What programs see.
        live: RefCell<BTreeMap<PathBuf, Seen>>,
        /// What is found after a power cut.
        durable: RefCell<BTreeMap<PathBuf, Vec<u8>>>,
        /// Deeds until the end.
        left: Cell<usize>,
    }

    /// A file: what programs see of it, and what of it is synced.
    type Seen = (Vec<u8>, Vec<u8>);

    /// How it ends at a deed.
    #[derive(Clone, Copy, Debug)]
    enum End {
        /// Killed before the deed: everything done before is seen.
        Killed,
        /// Killed in the middle of it: a half-written file.
        Half,
        /// No power: only what was synced is there.
        PowerCut,
        /// No power, but names that nobody synced got to the disk first.
        NamesOnly,
    }

    impl Tried {
        fn count(&self) -> io::Result<()> {
            let left = self.left.get().checked_sub(1).ok_or(io::ErrorKind::BrokenPipe)?;
            self.left.set(left);
            Ok(())
        }

        fn end(&self, how: End) {
            match how {
                End::Killed | End::Half => {}
                End::PowerCut => {
                    let durable = self.durable.borrow().clone();
                    *self.live.borrow_mut() = durable
                        .into_iter()
                        .map(|(path, content)| (path, (content.clone(), content)))
                        .collect();
                }
                End::NamesOnly => {
                    for (seen, synced) in self.live.borrow_mut().values_mut() {
                        *seen = synced.clone();
                    }
                }
            }
        }

        fn put(&self, path: &Path, content: &[u8]) {
            self.live.borrow_mut().insert(path.into(), (content.into(), content.into()));
            self.durable.borrow_mut().insert(path.into(), content.into());
        }

        fn get(&self, path: &Path) -> Option<Vec<u8>> {
            self.live.borrow().get(path).map(|(content, _)| content.clone())
        }
    }

    /// The same, half-writing at the deed that fails.
    struct With<'a>(&'a Tried, End);

    impl Deeds for With<'_> {
        fn read(&self, path: &Path) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
            Ok(self.0.get(path).map(Zeroizing::new))
        }

        fn write(&self, path: &Path, content: &[u8]) -> io::Result<()> {
            let counted = self.0.count();
            if counted.is_err() && !matches!(self.1, End::Half) {
                return counted;
            }
            let written = if counted.is_err() { &content[..content.len() / 2] } else { content };
            let mut live = self.0.live.borrow_mut();
            live.entry(path.into()).or_default().0 = written.into();
            counted
        }

        fn sync(&self, path: &Path) -> io::Result<()> {
            self.0.count()?;
            if let Some((seen, synced)) = self.0.live.borrow_mut().get_mut(path) {
                *synced = seen.clone();
            }
            Ok(())
        }

        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            self.0.count()?;
            let mut live = self.0.live.borrow_mut();
            let moved = live.remove(from).ok_or(io::ErrorKind::NotFound)?;
            live.insert(to.into(), moved);
            Ok(())
        }

        fn sync_names(&self, path: &Path) -> io::Result<()> {
            self.0.count()?;
            let (live, mut durable) = (self.0.live.borrow(), self.0.durable.borrow_mut());
            let here = |of: &PathBuf| of.parent() == path.parent();
            durable.retain(|of, _| !here(of));
            let now = live.iter().filter(|(of, _)| here(of));
            durable.extend(now.map(|(of, (_, synced))| (of.clone(), synced.clone())));
            Ok(())
        }
    }

    fn places(moves: bool) -> Places {
        let key = if moves { "/etc/master.key" } else { "/run/credentials/master.key" };
        Places {
            key: key.into(),
            fresh: "/etc/master.key.new".into(),
            keyring: "/data/keyring".into(),
            moves,
        }
    }

    fn made(places: &Places) -> (Tried, MasterKey, Vec<u8>) {
        let (tried, old) = (Tried::default(), MasterKey::generate(&OsRandom));
        let (keys, keyring) = keyring::create(&old, &OsRandom);
        tried.put(&places.key, old.key().expose());
        tried.put(&places.keyring, &keyring);
        (tried, old, keys.store.expose().to_vec())
    }

    /// The start of a service: opens with the key in its place, and drops what is no longer needed.
    fn start(tried: &Tried, places: &Places) -> Vec<u8> {
        let key = MasterKey::read(&tried.get(&places.key).expect("a key in its place")).expect("a whole key");
        let keyring = tried.get(&places.keyring).expect("a keyring");
        let opened = keyring::open(&key, &keyring).expect("the key in its place opens the keyring");
        if opened.seals > 1 && !opened.former {
            tried.put(&places.keyring, &keyring::settle(&key, &keyring, &OsRandom).unwrap());
        }
        opened.keys.store.expose().to_vec()
    }

    #[test]
    fn ended_at_any_deed_the_key_in_its_place_opens() {
        for (moves, all) in [(true, 9), (false, 7)] {
            for how in [End::Killed, End::Half, End::PowerCut, End::NamesOnly] {
                let ended = (0..).find(|deeds| !ended_after(*deeds, moves, how));
                assert_eq!(ended, Some(all), "every deed was the last one once");
            }
        }
    }

    /// Ends a rotation after so many deeds and goes on later; false when it got to its end.
    fn ended_after(deeds: usize, moves: bool, how: End) -> bool {
        let places = places(moves);
        let (tried, old, store) = made(&places);
        tried.left.set(deeds);
        if steps(&places, &With(&tried, how), &OsRandom).is_ok() {
            return false;
        }
        tried.end(how);
        let about = format!("moves {moves}, {how:?} after {deeds}");
        assert_eq!(start(&tried, &places), store, "{about}");
        tried.left.set(usize::MAX);
        match steps(&places, &With(&tried, how), &OsRandom) {
            Ok(_) => {}
            Err(AppError::RotationWaits { .. }) if !moves => {}
            other => panic!("{about}: {other:?}"),
        }
        assert_eq!(start(&tried, &places), store, "{about}, once more");
        let keyring = tried.get(&places.keyring).unwrap();
        if moves {
            assert!(keyring::open(&old, &keyring).is_err(), "{about}: the old key is over");
        } else {
            let waits = MasterKey::read(&tried.get(&places.fresh).unwrap()).unwrap();
            assert!(keyring::open(&waits, &keyring).is_ok(), "{about}: the new key opens");
        }
        true
    }

    #[test]
    fn a_second_rotation_waits_for_a_start() {
        let places = places(true);
        let (tried, _, store) = made(&places);
        tried.left.set(usize::MAX);
        let disk = With(&tried, End::Killed);
        let in_place = Rotated::InPlace { file: places.key.clone(), begun_before: false };
        assert_eq!(steps(&places, &disk, &OsRandom).unwrap(), in_place);
        let early = steps(&places, &disk, &OsRandom);
        assert!(matches!(early, Err(AppError::RotationHalfDone { .. })), "{early:?}");
        assert_eq!(start(&tried, &places), store);
        assert_eq!(steps(&places, &disk, &OsRandom).unwrap(), in_place);
    }

    #[test]
    fn a_credential_keeps_both_seals_until_the_new_key_starts() {
        let places = places(false);
        let (tried, old, store) = made(&places);
        tried.left.set(usize::MAX);
        let disk = With(&tried, End::Killed);
        assert_eq!(steps(&places, &disk, &OsRandom).unwrap(), Rotated::Waits { file: places.fresh.clone() });
        assert!(matches!(steps(&places, &disk, &OsRandom), Err(AppError::RotationWaits { .. })));
        for _ in 0..3 {
            assert_eq!(start(&tried, &places), store, "restarts with the old credential change nothing");
        }
        tried.put(&places.key, &tried.get(&places.fresh).unwrap());
        assert_eq!(start(&tried, &places), store);
        assert!(keyring::open(&old, &tried.get(&places.keyring).unwrap()).is_err());
    }

    #[test]
    fn a_new_key_that_is_lost_before_it_was_used_is_made_again() {
        for moves in [false, true] {
            let places = places(moves);
            let (tried, old, store) = made(&places);
            let lost = MasterKey::generate(&OsRandom);
            let both = keyring::rotate(&old, &lost, &tried.get(&places.keyring).unwrap(), &OsRandom).unwrap();
            tried.put(&places.keyring, &both);
            tried.put(&places.fresh, &lost.key().expose()[..31]);
            tried.left.set(usize::MAX);
            let (disk, new) = (With(&tried, End::Killed), if moves { &places.key } else { &places.fresh });
            match steps(&places, &disk, &OsRandom).unwrap() {
                Rotated::Waits { file } => assert!(!moves && file == *new, "{file:?}"),
                Rotated::InPlace { file, .. } => assert!(moves && file == *new, "{file:?}"),
            }
            let keyring = tried.get(&places.keyring).unwrap();
            let new = MasterKey::read(&tried.get(new).unwrap()).unwrap();
            assert_eq!(keyring::open(&new, &keyring).unwrap().keys.store.expose(), store.as_slice());
            assert!(keyring::open(&lost, &keyring).is_err(), "the lost one opens nothing any more");
            assert_eq!(start(&tried, &places), store);
        }
    }

    #[test]
    fn a_key_that_opens_nothing_changes_nothing() {
        let places = places(true);
        let (tried, ..) = made(&places);
        tried.put(&places.key, &[7; 32]);
        tried.left.set(usize::MAX);
        let before = tried.get(&places.keyring);
        let refused = steps(&places, &With(&tried, End::Killed), &OsRandom);
        assert!(matches!(refused, Err(AppError::Keyring { .. })), "{refused:?}");
        assert_eq!((tried.get(&places.keyring), tried.get(&places.fresh)), (before, None));
    }

    #[test]
    fn the_real_disk_does_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let places = Places {
            key: at("master.key"),
            fresh: at("master.key.new"),
            keyring: at("keyring"),
            moves: true,
        };
        let old = MasterKey::generate(&OsRandom);
        let (keys, keyring) = keyring::create(&old, &OsRandom);
        let disk = Disk { owner: None };
        disk.write(&places.key, old.key().expose()).unwrap();
        disk.write(&places.keyring, &keyring).unwrap();
        steps(&places, &disk, &OsRandom).unwrap();
        let master = keys::read_master_key(&places.key).unwrap();
        assert_ne!(master.key().expose(), old.key().expose());
        let opened = keys::open_keyring(dir.path(), &master, &OsRandom).unwrap();
        assert_eq!(opened.store.expose(), keys.store.expose());
        assert!(
            keys::open_keyring(dir.path(), &old, &OsRandom).is_err(),
            "the first start drops the old seal"
        );
        let mut files: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
        files.sort();
        assert_eq!(files, ["keyring", "master.key"]);
    }
}
