//! Whether somebody has said, or shown, that a copy of the master key lies in a safe place.
//!
//! Remembered in the data directory for one key, by a name that is derived from it and tells nothing of it.

use crate::app::error::AppError;
use crate::app::keys;
use crate::app::keys::KEYRING;
use crate::base::time::Time;
use crate::config::Config;
use crate::vault::error::VaultError;
use crate::vault::keyring;
use crate::vault::keyring::MasterKey;
use std::fs;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use zeroize::Zeroizing;

/// The file's name in the data directory.
const CONFIRMED: &str = "master-key.confirmed";

/// Reads a copy of the master key and proves that it opens the keyring; remembers that.
pub fn prove(config: &Config, copy: &Path, now: Time) -> Result<(), AppError> {
    let mut content = Zeroizing::new(Vec::with_capacity(64));
    File::open(copy)
        .and_then(|file| file.take(64).read_to_end(&mut content))
        .map_err(AppError::file(copy))?;
    let bad = |error| AppError::BadCopy { path: copy.into(), error };
    let master = MasterKey::read(&content).map_err(bad)?;
    match check_opens(config, &master) {
        Err(AppError::Keyring { error: error @ VaultError::WrongMasterKey, .. }) => Err(bad(error)),
        Err(other) => Err(other),
        Ok(()) => remember(config, &master, now),
    }
}

/// Remembers the word of whoever runs this: the key that is in its place has a copy.
pub fn believe(config: &Config, now: Time) -> Result<(), AppError> {
    let master = keys::read_master_key(&keys::master_key_place(config))?;
    check_opens(config, &master)?;
    remember(config, &master, now)
}

/// When a copy of this key was confirmed, as it was written then.
pub fn confirmed(config: &Config, master: &MasterKey) -> Option<String> {
    let text = fs::read_to_string(config.data_dir.join(CONFIRMED)).ok()?;
    let (name, when) = text.trim().split_once(' ')?;
    (name == master.name()).then(|| when.to_owned())
}

/// The key that is to be kept is the newest: of two seals the former's is about to go.
fn check_opens(config: &Config, master: &MasterKey) -> Result<(), AppError> {
    let path = config.data_dir.join(KEYRING);
    let content = fs::read(&path).map_err(AppError::file(&path))?;
    let opened = keyring::open(master, &content).map_err(|error| AppError::Keyring { path, error })?;
    if opened.former { Err(AppError::FormerKey) } else { Ok(()) }
}

fn remember(config: &Config, master: &MasterKey, now: Time) -> Result<(), AppError> {
    let text = format!("{} {now}\n", master.name());
    keys::replace(&config.data_dir.join(CONFIRMED), text.as_bytes())
}
