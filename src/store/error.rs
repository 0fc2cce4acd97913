//! What can go wrong in the store.

use crate::store::command::Refusal;
use std::io;
use std::sync::Arc;
use thiserror::Error;

/// Trouble with the store. Whoever commits gets [`StoreError::Refused`] when a precondition failed;
/// everything else is trouble of the disk.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A precondition of command number `index` did not hold; nothing happened.
    #[error("command {index} was refused: {why}")]
    Refused {
        /// Which command of the list.
        index: usize,
        /// Why.
        why: Refusal,
    },
    /// Free disk is below the mark; nothing happened.
    #[error("not enough free disk")]
    DiskLow,
    /// An earlier error stopped all writing; exit 75.
    #[error("the store is poisoned by an earlier error")]
    Poisoned,
    /// A record or file did not hold what it must; `what` names where it lies.
    #[error("the store is damaged: {what}")]
    Damaged {
        /// Where.
        what: &'static str,
    },
    /// A value is larger than the store takes.
    #[error("a value of {size} octets is above the limit of the store")]
    TooLarge {
        /// Octets.
        size: usize,
    },
    /// A command that no caller may build; nothing happened.
    #[error("a command is not well-formed: {what}")]
    Misused {
        /// What it must be.
        what: &'static str,
    },
    /// The store is older than the files beside it: it was set back, or its end is lost.
    #[error("the store is older than the files beside it; it was set back or its end is lost")]
    Behind,
    /// Another process has it open.
    #[error("the store is in use by another process")]
    InUse,
    /// It was written by a newer version.
    #[error("the store has format {found}, this version reads up to {known}")]
    Format {
        /// On disk.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// The keyring or the store key does not open it.
    #[error("the store does not open with this master key")]
    WrongKey,
    /// The disk refused.
    #[error("the disk refused: {0}")]
    Io(#[source] Arc<io::Error>),
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}
