//! Why the appliance does not start.

use crate::config::complaint::Complaints;
use crate::flow::signing::SigningError;
use crate::net::error::NetError;
use crate::openpgp::import::ImportError;
use crate::serve::control::Trouble;
use crate::store::error::StoreError;
use crate::vault::error::VaultError;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Trouble at the edge.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AppError {
    /// guard.toml.
    #[error(transparent)]
    Configuration(#[from] Complaints),
    /// No file where one was looked for.
    #[error("no configuration: looked for {0}")]
    NoConfiguration(String),
    /// A file or directory refused.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The master key is not there yet.
    #[error("{0} is not there: make it with \"guardpost master-key create\"")]
    NoMasterKey(PathBuf),
    /// Others may read it.
    #[error("{0} may be read by others: chmod 600 it")]
    OpenMasterKey(PathBuf),
    /// There is one already, and it may be the only key to a keyring.
    #[error("{0} is there already and stays as it is")]
    MasterKeyExists(PathBuf),
    /// A store without the keys to it.
    #[error("{0} holds a store but no keyring: bring the keyring back from a backup")]
    KeyringLost(PathBuf),
    /// A command that must be alone with the data directory.
    #[error("the server runs: stop it first, its keyring is to be written anew")]
    StopFirst,
    /// No keyring.
    #[error("{0} is not there yet: there is nothing to rotate")]
    NothingToRotate(PathBuf),
    /// The keyring has two seals, and the new key is in use.
    #[error(
        "a rotation is half done: start the service once with {place}, which drops the former key; then rotate again"
    )]
    RotationHalfDone {
        /// The key now in use.
        place: PathBuf,
    },
    /// The keyring has two seals, and the new key is not in use yet.
    #[error(
        "a rotation is half done: put {file} among the credentials of the service as \"master.key\" and restart it"
    )]
    RotationWaits {
        /// The new key.
        file: PathBuf,
    },
    /// A copy that opens nothing.
    #[error("{path} is no copy of the master key: {error}")]
    BadCopy {
        /// The copy.
        path: PathBuf,
        /// Why.
        error: VaultError,
    },
    /// A copy of the key that a rotation replaces.
    #[error(
        "this is the former key: it opens the keyring only until the service has started with the new one"
    )]
    FormerKey,
    /// The keyring does not open.
    #[error("{path}: {error}")]
    Keyring {
        /// Which.
        path: PathBuf,
        /// Why.
        error: VaultError,
    },
    /// `[accounts] recovery_certificate`.
    #[error("accounts.recovery_certificate: {path}: {error}; {}", .error.advice())]
    RecoveryCertificate {
        /// The file.
        path: PathBuf,
        /// Why.
        error: ImportError,
    },
    /// A command that needs what only the service may read.
    #[error("start the service first ({0} cannot be opened by you)")]
    NotYours(PathBuf),
    /// A request was not done.
    #[error(transparent)]
    Request(#[from] Trouble),
    /// The store does not open.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// DKIM keys.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// The demo's own message did not get through.
    #[error("the demo: {0}")]
    Demo(String),
    /// Certificates, listeners, resolver.
    #[error(transparent)]
    Net(#[from] NetError),
}

impl AppError {
    /// A file or directory refused.
    pub fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |error| Self::File { path, error }
    }

    /// What the process ends with.
    pub const fn exit(&self) -> u8 {
        match self {
            Self::Request(trouble) => trouble.kind.exit(),
            Self::Configuration(_)
            | Self::NoConfiguration(_)
            | Self::NoMasterKey(_)
            | Self::OpenMasterKey(_)
            | Self::RecoveryCertificate { .. }
            | Self::Keyring { .. }
            | Self::Store(StoreError::WrongKey) => 78,
            Self::KeyringLost(_) | Self::Store(StoreError::Damaged { .. } | StoreError::Format { .. }) => 74,
            Self::Store(StoreError::Poisoned) => 75,
            Self::Store(StoreError::InUse | StoreError::DiskLow) | Self::Net(_) | Self::NotYours(_) => 69,
            Self::MasterKeyExists(_)
            | Self::StopFirst
            | Self::NothingToRotate(_)
            | Self::RotationHalfDone { .. }
            | Self::RotationWaits { .. }
            | Self::BadCopy { .. }
            | Self::FormerKey
            | Self::Signing(_)
            | Self::Demo(_)
            | Self::File { .. }
            | Self::Store(_) => 1,
        }
    }
}
