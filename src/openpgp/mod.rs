//! OpenPGP (RFC 9580, RFC 4880): keys, encryption, decryption, certificates of others.
//!
//! Our own keys are version 4, Ed25519 with a Curve25519 encryption subkey, and say that they read SEIPD version 1:
//! what every implementation in use can write and read. Nothing is compressed on encrypting. Nothing of a
//! decrypted message may be used before [`decrypt::decrypt`] has returned.
//!
//! Randomness is the library's own (it takes none as an argument); time is an argument as everywhere.

pub mod addressed;
pub mod armor;
pub mod certificate;
mod container;
pub mod decrypt;
pub mod encrypt;
pub mod export;
pub mod generate;
pub mod import;
pub mod secret_key;
pub mod verify;

use crate::base::time::Time;
use std::time::Duration;
use std::time::SystemTime;
use thiserror::Error;

/// Trouble with our own keys.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum OpenPgpError {
    /// The library could not make, lock or write a key.
    #[error("a key could not be made")]
    NotMade,
    /// What was stored as a certificate or key is not one.
    #[error("not an OpenPGP key")]
    NotAKey,
    /// A secret key that does not belong to the certificate.
    #[error("the secret key does not belong to the certificate")]
    WrongKey,
}

/// OpenPGP's times end in 2106 and begin in 1970.
fn system_time(time: Time) -> SystemTime {
    let seconds = u64::try_from(time.0).unwrap_or(0).min(u64::from(u32::MAX));
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// A fingerprint as people compare it: upper-case hexadecimal.
pub fn fingerprint_text(fingerprint: &[u8]) -> String {
    data_encoding::HEXUPPER.encode(fingerprint)
}
