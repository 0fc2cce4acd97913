//! The keyring: the installation's own keys, sealed under the master key.
//!
//! ```text
//! keyring = version, generation (u32 big-endian each), then one or two of: length (u32 big-endian), seal
//! seal    = AEAD(HKDF(MK, "guardpost/1 keyring"), K_store ‖ K_index ‖ K_pepper ‖ K_token ‖ K_queue ‖ K_device,
//!                aad = lp(version, generation))
//! ```
//!
//! Two seals stand in it only between a rotation of the master key and the next start: killed anywhere, the old
//! key or the new one opens. Files are the edge's business.

use crate::base::random::Random;
use crate::base::random::bytes;
use crate::base::secret::Key;
use crate::base::secret::Secret;
use crate::vault::error::VaultError;
use crate::vault::primitives::Aead;
use crate::vault::primitives::NO_SALT;
use crate::vault::primitives::derive;
use crate::vault::primitives::lp;

/// The layout above.
const VERSION: u32 = 1;
const SEALS: usize = 2;

/// MK: 32 bytes that live outside the data directory.
#[derive(Debug)]
pub struct MasterKey(Key);

impl MasterKey {
    /// A new one.
    pub fn generate(random: &dyn Random) -> Self {
        Self(Key::new(bytes(random)))
    }

    /// From the content of its file: 32 raw bytes, not one more.
    pub fn read(content: &[u8]) -> Result<Self, VaultError> {
        let key = <[u8; 32]>::try_from(content).map_err(|_| VaultError::MasterKeyLength(content.len()))?;
        Ok(Self(Key::new(key)))
    }

    /// What its file holds.
    pub const fn key(&self) -> &Key {
        &self.0
    }

    /// A name for it: the same for the same key, and nothing to be learnt from it. 16 hexadecimal digits.
    pub fn name(&self) -> String {
        let name = derive(&NO_SALT, self.0.expose(), b"guardpost/1 master key name");
        data_encoding::HEXLOWER.encode(name.expose().first_chunk::<8>().map_or(&[][..], |half| half))
    }

    fn aead(&self) -> Aead {
        Aead::new(&derive(&NO_SALT, self.0.expose(), b"guardpost/1 keyring"))
    }
}

/// K_x: made once, never changed.
#[derive(Debug)]
pub struct Keys {
    /// Seals every value of the store.
    pub store: Key,
    /// Hashes addresses and Message-IDs that stand in keys.
    pub index: Key,
    /// The salt of every slot's KEK: a stolen slot alone cannot be guessed at.
    pub pepper: Key,
    /// Hashes access tokens.
    pub token: Key,
    /// Seals queued bodies.
    pub queue: Key,
    /// Authenticates device cookies.
    pub device: Key,
}

impl Keys {
    /// New ones.
    pub fn generate(random: &dyn Random) -> Self {
        let key = || Key::new(bytes(random));
        Self { store: key(), index: key(), pepper: key(), token: key(), queue: key(), device: key() }
    }

    fn join(&self) -> Secret<Vec<u8>> {
        let all = [&self.store, &self.index, &self.pepper, &self.token, &self.queue, &self.device];
        let mut joined = Vec::with_capacity(32 * all.len());
        for key in all {
            joined.extend_from_slice(key.expose());
        }
        Secret::new(joined)
    }

    fn split(joined: &[u8]) -> Option<Self> {
        let (keys, rest) = joined.as_chunks::<32>();
        let [store, index, pepper, token, queue, device] = keys.try_into().ok()?;
        rest.is_empty().then(|| Self {
            store: Key::new(store),
            index: Key::new(index),
            pepper: Key::new(pepper),
            token: Key::new(token),
            queue: Key::new(queue),
            device: Key::new(device),
        })
    }
}

/// New keys, and the keyring that holds them under `master`.
pub fn create(master: &MasterKey, random: &dyn Random) -> (Keys, Vec<u8>) {
    let keys = Keys::generate(random);
    let keyring = render(1, &[master], &keys, random);
    (keys, keyring)
}

/// What a keyring holds, and how many seals stand in it.
#[derive(Debug)]
pub struct Opened {
    /// The keys.
    pub keys: Keys,
    /// Raised by one with every rewriting.
    pub generation: u32,
    /// 2 while a rotation is under way: [`settle`] is due once the new key is in use.
    pub seals: usize,
    /// Of two seals this was the former's.
    pub former: bool,
}

/// Opens `keyring` with whichever of its seals is `master`'s.
pub fn open(master: &MasterKey, keyring: &[u8]) -> Result<Opened, VaultError> {
    let file = File::read(keyring)?;
    let aead = master.aead();
    let aad = aad(file.version, file.generation);
    let opened = file.seals.iter().enumerate().find_map(|(at, seal)| Some((at, aead.open(seal, &aad).ok()?)));
    let (at, joined) = opened.ok_or(VaultError::WrongMasterKey)?;
    let seals = file.seals.len();
    let keys = Keys::split(joined.expose()).ok_or(VaultError::KeyringShape)?;
    Ok(Opened { keys, generation: file.generation, seals, former: seals > 1 && at == 0 })
}

/// The same keys under `old` and `new`: the first half of a rotation, after `new` is on disk and synced.
pub fn rotate(
    old: &MasterKey,
    new: &MasterKey,
    keyring: &[u8],
    random: &dyn Random,
) -> Result<Vec<u8>, VaultError> {
    let opened = open(old, keyring)?;
    if opened.seals > 1 {
        return Err(VaultError::RotationUnfinished);
    }
    Ok(render(opened.generation.saturating_add(1), &[old, new], &opened.keys, random))
}

/// The second half, at the first start with the new key: a keyring under `master` alone.
pub fn settle(master: &MasterKey, keyring: &[u8], random: &dyn Random) -> Result<Vec<u8>, VaultError> {
    let opened = open(master, keyring)?;
    Ok(render(opened.generation.saturating_add(1), &[master], &opened.keys, random))
}

fn render(generation: u32, masters: &[&MasterKey], keys: &Keys, random: &dyn Random) -> Vec<u8> {
    let aad = aad(VERSION, generation);
    let joined = keys.join();
    let mut file = Vec::new();
    file.extend_from_slice(&VERSION.to_be_bytes());
    file.extend_from_slice(&generation.to_be_bytes());
    for master in masters {
        file.extend(lp(&[&master.aead().seal(random, joined.expose(), &aad)]));
    }
    file
}

fn aad(version: u32, generation: u32) -> Vec<u8> {
    lp(&[&version.to_be_bytes(), &generation.to_be_bytes()])
}

/// The file, taken apart.
struct File<'a> {
    version: u32,
    generation: u32,
    seals: Vec<&'a [u8]>,
}

impl<'a> File<'a> {
    fn read(content: &'a [u8]) -> Result<Self, VaultError> {
        let (version, rest) = content.split_first_chunk::<4>().ok_or(VaultError::KeyringShape)?;
        let (generation, mut rest) = rest.split_first_chunk::<4>().ok_or(VaultError::KeyringShape)?;
        let version = u32::from_be_bytes(*version);
        if version > VERSION {
            return Err(VaultError::KeyringVersion(version));
        }
        let mut seals = Vec::new();
        while !rest.is_empty() && seals.len() < SEALS {
            let (length, behind) = rest.split_first_chunk::<4>().ok_or(VaultError::KeyringShape)?;
            let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
            let (seal, behind) = behind.split_at_checked(length).ok_or(VaultError::KeyringShape)?;
            seals.push(seal);
            rest = behind;
        }
        if version == 0 || seals.is_empty() || !rest.is_empty() {
            return Err(VaultError::KeyringShape);
        }
        Ok(Self { version, generation: u32::from_be_bytes(*generation), seals })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::tests::Seeded;
    use proptest::prelude::*;

    #[test]
    fn opens_with_its_own_master_key_only() {
        let random = Seeded::new(1);
        let master = MasterKey::generate(&random);
        let (keys, keyring) = create(&master, &random);
        let opened = open(&master, &keyring).unwrap();
        assert_eq!(opened.keys.join().expose(), keys.join().expose());
        assert_eq!((opened.generation, opened.seals), (1, 1));
        let other = MasterKey::generate(&random);
        assert_eq!(open(&other, &keyring).unwrap_err(), VaultError::WrongMasterKey);
        for length in [0, 31, 33, 64] {
            assert_eq!(MasterKey::read(&vec![0; length]).unwrap_err(), VaultError::MasterKeyLength(length));
        }
    }

    #[test]
    fn rotation_opens_with_the_old_or_the_new_key_until_it_is_settled() {
        let random = Seeded::new(2);
        let (old, new) = (MasterKey::generate(&random), MasterKey::generate(&random));
        let (keys, before) = create(&old, &random);
        let between = rotate(&old, &new, &before, &random).unwrap();
        for master in [&old, &new] {
            let opened = open(master, &between).unwrap();
            assert_eq!(opened.keys.join().expose(), keys.join().expose());
            assert_eq!((opened.generation, opened.seals), (2, 2));
            assert_eq!(opened.former, master.name() == old.name());
        }
        assert_ne!(old.name(), new.name());
        assert_eq!(rotate(&old, &new, &between, &random).unwrap_err(), VaultError::RotationUnfinished);
        let after = settle(&new, &between, &random).unwrap();
        assert_eq!(open(&new, &after).unwrap().seals, 1);
        assert_eq!(open(&old, &after).unwrap_err(), VaultError::WrongMasterKey);
        assert_eq!(rotate(&new, &old, &before, &random).unwrap_err(), VaultError::WrongMasterKey);
    }

    #[test]
    fn every_changed_bit_is_noticed() {
        let random = Seeded::new(3);
        let master = MasterKey::generate(&random);
        let (_, keyring) = create(&master, &random);
        for bit in 0..keyring.len() * 8 {
            let mut changed = keyring.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&master, &changed).is_err(), "bit {bit}");
        }
        for length in 0..keyring.len() {
            assert!(open(&master, &keyring[..length]).is_err(), "{length} octets");
        }
        assert!(open(&master, &[&keyring[..], b"x"].concat()).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(content in proptest::collection::vec(any::<u8>(), 0..600)) {
            prop_assert!(open(&MasterKey::read(&[1; 32]).unwrap(), &content).is_err());
        }
    }
}
