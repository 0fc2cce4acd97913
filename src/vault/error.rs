//! What can go wrong with keys. An opening that fails never says which of its inputs was wrong.

use thiserror::Error;

/// Trouble with a key, a slot or something sealed.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum VaultError {
    /// The tag did not verify: another key, another place, or changed bytes.
    #[error("does not open")]
    NotOpened,
    /// A master key is exactly 32 bytes.
    #[error("a master key is exactly 32 bytes, this has {0}")]
    MasterKeyLength(usize),
    /// The keyring file is not one.
    #[error("the keyring is not readable")]
    KeyringShape,
    /// The keyring was written by a newer version.
    #[error("the keyring has version {0}, newer than this program knows")]
    KeyringVersion(u32),
    /// No seal of the keyring opens.
    #[error("the keyring does not open with this master key")]
    WrongMasterKey,
    /// The keyring already carries two seals.
    #[error(
        "an earlier rotation of the master key is not finished; start the service with the new one first"
    )]
    RotationUnfinished,
    /// Argon2id with these parameters is not for here.
    #[error("argon2 parameters out of range")]
    Parameters,
    /// A slot of this kind is not opened by such a secret.
    #[error("the secret does not fit the kind of the slot")]
    WrongKind,
    /// Decrypted and authentic, but not what it must be.
    #[error("the content is not well-formed")]
    Content,
}
