//! Keys and slots: who can read what, and when.
//!
//! ```text
//! MK    32 bytes from outside the data directory; opens the keyring and nothing else
//! K_x   store, index, pepper, token, queue, device: random, in the keyring
//! M     mailbox id · m  message id · i  invitation id · s  slot id · q  queue id
//! MUK   a mailbox's unlock key, never stored in clear; wraps its OpenPGP secret key
//! SHK   a slot's shred key, outside the store: destroyed, the slot is dead in every copy of the store
//! T     the access token in the link; TH its keyed hash
//! QK    key of a queued message that carries a token or a PIN
//! ```
//!
//! AEAD is AES-256-GCM-SIV (RFC 8452), its output nonce ‖ ciphertext ‖ tag; HKDF (RFC 5869) and HMAC
//! (RFC 2104) are over SHA-256; passwords go through Argon2id (RFC 9106). Everything here is a pure function:
//! randomness and time are arguments.

pub mod device;
pub mod error;
pub mod frames;
pub mod keyring;
pub mod mailbox_key;
pub mod passphrase;
pub mod password;
pub mod pin;
pub mod primitives;
pub mod seal;
pub mod session;
pub mod slot;
pub mod token;

use crate::base::random::Random;

/// The operating system's randomness, as AWS-LC hands it out; the one real source there is.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    #[expect(
        clippy::expect_used,
        reason = "AWS-LC ends the process itself when the kernel has no randomness"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        aws_lc_rs::rand::fill(bytes).expect("RAND_bytes does not fail");
    }
}

/// [`OsRandom`] where a `&'static dyn Random` is wanted.
pub fn os_random() -> &'static dyn Random {
    &OsRandom
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::Mutex;

    /// A reproducible stream for tests: the same seed gives the same bytes.
    pub(crate) struct Seeded(Mutex<u64>);

    impl Seeded {
        pub(crate) fn new(seed: u64) -> Self {
            Self(Mutex::new(seed))
        }
    }

    impl Random for Seeded {
        fn fill(&self, bytes: &mut [u8]) {
            let mut state = self.0.lock().unwrap();
            for byte in bytes {
                // SplitMix64.
                *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut z = *state;
                z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                *byte = (z ^ (z >> 31)) as u8;
            }
        }
    }

    #[test]
    fn os_random_differs() {
        let one: [u8; 32] = crate::base::random::bytes(os_random());
        let two: [u8; 32] = crate::base::random::bytes(os_random());
        assert_ne!(one, two);
    }
}
