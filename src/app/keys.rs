//! The master key and the keyring as files.
//!
//! The master key lies outside of the data directory; the keyring lies in it and is replaced only whole: written,
//! synced, renamed, its directory synced.

use crate::app::error::AppError;
use crate::base::limits::CERTIFICATE;
use crate::base::random::Random;
use crate::base::time::Time;
use crate::config::Config;
use crate::flow::recovery::RecoveryCertificate;
use crate::vault::keyring;
use crate::vault::keyring::Keys;
use crate::vault::keyring::MasterKey;
use std::env;
use std::fs;
use std::fs::DirBuilder;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Read;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::chown;
use std::os::unix::fs::fchown;
use std::path::Path;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// The keyring's name in the data directory.
pub(in crate::app) const KEYRING: &str = "keyring";
/// The master key's name among the credentials of a service.
const CREDENTIAL: &str = "master.key";

/// Where the master key is read from: the service's credential, else the configured file.
pub fn master_key_place(config: &Config) -> PathBuf {
    let credential = env::var_os("CREDENTIALS_DIRECTORY").map(|dir| Path::new(&dir).join(CREDENTIAL));
    credential.filter(|file| file.exists()).unwrap_or_else(|| config.master_key_file.clone())
}

/// Whether a key is given by the service manager: 0440 or 0400 in a directory that only the service can enter.
pub fn is_credential(file: &Path) -> bool {
    env::var_os("CREDENTIALS_DIRECTORY").is_some_and(|dir| file.starts_with(&dir))
}

/// Reads the master key; nobody but its owner may be able to.
pub fn read_master_key(file: &Path) -> Result<MasterKey, AppError> {
    let mut opened = match File::open(file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(AppError::NoMasterKey(file.into()));
        }
        Err(error) => return Err(AppError::file(file)(error)),
    };
    let mode = opened.metadata().map_err(AppError::file(file))?.permissions().mode();
    if mode & 0o077 != 0 && !is_credential(file) {
        return Err(AppError::OpenMasterKey(file.into()));
    }
    let mut content = Zeroizing::new(Vec::with_capacity(64));
    Read::take(&mut opened, 64).read_to_end(&mut content).map_err(AppError::file(file))?;
    MasterKey::read(&content).map_err(|error| AppError::Keyring { path: file.into(), error })
}

/// Makes a master key; one that is there is never replaced. It belongs to the owner of `data_dir`, if that is there.
pub fn create_master_key(file: &Path, data_dir: &Path, random: &dyn Random) -> Result<(), AppError> {
    let trouble = || AppError::file(file);
    if let Some(parent) = file.parent().filter(|parent| !parent.exists()) {
        DirBuilder::new().mode(0o700).create(parent).map_err(AppError::file(parent))?;
    }
    if file.exists() {
        return Err(AppError::MasterKeyExists(file.into()));
    }
    // Whole under another name first: a power cut leaves no half key where a key is looked for.
    let fresh = file.with_extension("new");
    let key = MasterKey::generate(random);
    write_synced(&fresh, key.key().expose()).map_err(trouble())?;
    let linked = fs::hard_link(&fresh, file);
    fs::remove_file(&fresh).map_err(trouble())?;
    match linked {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(AppError::MasterKeyExists(file.into()));
        }
        Err(error) => return Err(trouble()(error)),
    }
    if let Ok(owner) = fs::metadata(data_dir) {
        chown(file, Some(owner.uid()), Some(owner.gid())).map_err(trouble())?;
    }
    sync_directory_of(file)
}

/// Reads the recovery certificate, where one is switched on.
pub fn recovery_certificate(config: &Config, now: Time) -> Result<Option<RecoveryCertificate>, AppError> {
    let Some(path) = &config.accounts.recovery_certificate else { return Ok(None) };
    let mut content = Vec::new();
    File::open(path)
        .and_then(|file| file.take(CERTIFICATE as u64 + 1).read_to_end(&mut content))
        .map_err(AppError::file(path))?;
    let read = RecoveryCertificate::read(&content, now);
    read.map(Some).map_err(|error| AppError::RecoveryCertificate { path: path.clone(), error })
}

/// Makes the data directory if its parent is there; nobody else may enter it.
pub fn make_data_dir(dir: &Path) -> Result<(), AppError> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => sync_directory_of(dir),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(AppError::file(dir)(error)),
    }
}

/// Opens the keyring of `data_dir`, or makes one where there is no store yet. Finishes a rotation of the master key.
pub fn open_keyring(data_dir: &Path, master: &MasterKey, random: &dyn Random) -> Result<Keys, AppError> {
    let path = data_dir.join(KEYRING);
    let content = match fs::read(&path) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if data_dir.join("store").exists() {
                return Err(AppError::KeyringLost(data_dir.into()));
            }
            let (keys, content) = keyring::create(master, random);
            replace(&path, &content)?;
            return Ok(keys);
        }
        Err(error) => return Err(AppError::file(&path)(error)),
    };
    let wrong = |error| AppError::Keyring { path: path.clone(), error };
    let opened = keyring::open(master, &content).map_err(wrong)?;
    // With the former key nothing is dropped: the new one may still be on its way to its place.
    if opened.seals > 1 && !opened.former {
        replace(&path, &keyring::settle(master, &content, random).map_err(wrong)?)?;
    }
    Ok(opened.keys)
}

/// Puts `content` in the place of `path`, whole or not at all. What root writes belongs to the owner of the directory.
pub(in crate::app) fn replace(path: &Path, content: &[u8]) -> Result<(), AppError> {
    let fresh = path.with_extension("new");
    let written = write_synced(&fresh, content).and_then(|()| fs::rename(&fresh, path));
    written.map_err(AppError::file(path))?;
    sync_directory_of(path)
}

fn write_synced(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    if rustix::process::geteuid().is_root()
        && let Some(owner) = path.parent().and_then(|parent| fs::metadata(parent).ok())
    {
        fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
    }
    file.write_all(content)?;
    file.sync_all()
}

fn sync_directory_of(path: &Path) -> Result<(), AppError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent).and_then(|dir| dir.sync_all()).map_err(AppError::file(parent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::OsRandom;

    #[test]
    fn made_once_and_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let (data, key) = (dir.path().join("data"), dir.path().join("etc/master.key"));
        make_data_dir(&data).unwrap();
        make_data_dir(&data).unwrap();
        assert!(matches!(read_master_key(&key), Err(AppError::NoMasterKey(_))));
        create_master_key(&key, &data, &OsRandom).unwrap();
        assert!(matches!(create_master_key(&key, &data, &OsRandom), Err(AppError::MasterKeyExists(_))));
        let master = read_master_key(&key).unwrap();
        let made = open_keyring(&data, &master, &OsRandom).unwrap();
        let opened = open_keyring(&data, &master, &OsRandom).unwrap();
        assert_eq!(made.store.expose(), opened.store.expose());
        assert_eq!(fs::metadata(data.join(KEYRING)).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn refuses_what_is_wrong_before_anything_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        make_data_dir(&data).unwrap();
        let key = dir.path().join("master.key");
        create_master_key(&key, &data, &OsRandom).unwrap();
        open_keyring(&data, &read_master_key(&key).unwrap(), &OsRandom).unwrap();
        let before = fs::read(data.join(KEYRING)).unwrap();
        let other = MasterKey::generate(&OsRandom);
        let trouble = open_keyring(&data, &other, &OsRandom).unwrap_err();
        assert!(matches!(trouble, AppError::Keyring { .. }) && trouble.exit() == 78, "{trouble}");
        assert_eq!(fs::read(data.join(KEYRING)).unwrap(), before);
        fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read_master_key(&key), Err(AppError::OpenMasterKey(_))));
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&key, [7; 31]).unwrap();
        assert!(matches!(read_master_key(&key), Err(AppError::Keyring { .. })));
        fs::remove_file(data.join(KEYRING)).unwrap();
        fs::create_dir(data.join("store")).unwrap();
        assert!(matches!(open_keyring(&data, &other, &OsRandom), Err(AppError::KeyringLost(_))));
    }
}
