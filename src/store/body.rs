//! Bodies: ciphertext beside the records. Small ones lie in the store itself, larger ones are files.

use crate::base::id::BodyId;

/// Where a body lies.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Body {
    /// At most 8 KiB, committed with the record that names it.
    Inline(Vec<u8>),
    /// A file, on disk and synced before the record that names it is committed.
    File {
        /// Its name.
        id: BodyId,
        /// Octets.
        length: u64,
        /// SHA-256 of them.
        sha256: [u8; 32],
    },
}

/// The body files of a data directory.
#[derive(Debug)]
pub struct Bodies {}
