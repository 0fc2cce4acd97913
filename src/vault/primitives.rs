//! The four primitives everything here is made of, and the one way to join byte strings.

use crate::base::random::Random;
use crate::base::random::bytes;
use crate::base::secret::Key;
use crate::base::secret::Secret;
use crate::vault::error::VaultError;
use aws_lc_rs::aead;
use aws_lc_rs::constant_time;
use aws_lc_rs::digest;
use aws_lc_rs::hkdf;
use aws_lc_rs::hmac;
use std::fmt;
use zeroize::Zeroize;

/// Octets of a nonce, in front of the ciphertext.
pub const NONCE: usize = 12;
/// Octets of a tag, behind the ciphertext.
pub const TAG: usize = 16;
/// What sealing adds, octets.
pub const OVERHEAD: usize = NONCE + TAG;

/// HKDF without a named salt: as many zeros as the hash has octets (RFC 5869 §2.2).
pub const NO_SALT: [u8; 32] = [0; 32];

/// Every part with its length in front (u32, big-endian), so that no two lists of parts give the same bytes.
///
/// Capacity is reserved at once: a secret part leaves no copy behind in a smaller buffer.
pub fn lp(parts: &[&[u8]]) -> Vec<u8> {
    let mut joined = Vec::with_capacity(parts.iter().map(|part| part.len() + 4).sum());
    for part in parts {
        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
        joined.extend_from_slice(&length.to_be_bytes());
        joined.extend_from_slice(part);
    }
    joined
}

/// [`lp`] of parts of which one is secret.
pub fn secret_lp(parts: &[&[u8]]) -> Secret<Vec<u8>> {
    Secret::new(lp(parts))
}

/// Takes `N` parts apart again; nothing may be left over.
pub fn split_lp<const N: usize>(mut joined: &[u8]) -> Option<[&[u8]; N]> {
    let mut parts = [joined; N];
    for part in &mut parts {
        let (length, rest) = joined.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        (*part, joined) = rest.split_at_checked(length)?;
    }
    joined.is_empty().then_some(parts)
}

/// HKDF-SHA-256, 32 octets out (RFC 5869).
#[expect(clippy::expect_used, reason = "only an output above 255 × 32 octets is refused")]
pub fn derive(salt: &[u8; 32], ikm: &[u8], info: &[u8]) -> Key {
    let mut key = [0; 32];
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(ikm);
    prk.expand(&[info], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut key))
        .expect("32 octets are within HKDF's range");
    let secret = Key::new(key);
    key.zeroize();
    secret
}

/// HMAC-SHA-256.
pub fn mac(key: &Key, message: &[u8]) -> [u8; 32] {
    MacKey::new(key).mac(message)
}

/// SHA-256.
pub fn sha256(message: &[u8]) -> [u8; 32] {
    fixed(digest::digest(&digest::SHA256, message).as_ref())
}

/// Compares in a time that does not depend on where the two differ.
pub fn equal(one: &[u8], two: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(one, two).is_ok()
}

/// A key for HMAC-SHA-256, prepared once.
pub struct MacKey(hmac::Key);

impl MacKey {
    /// Prepares `key`.
    pub fn new(key: &Key) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.expose()))
    }

    /// The MAC of `message`.
    pub fn mac(&self, message: &[u8]) -> [u8; 32] {
        fixed(hmac::sign(&self.0, message).as_ref())
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey(..)")
    }
}

/// A key for AES-256-GCM-SIV (RFC 8452), prepared once.
pub struct Aead(aead::LessSafeKey);

impl Aead {
    /// Prepares `key`.
    #[expect(clippy::expect_used, reason = "only a key of another length is refused")]
    pub fn new(key: &Key) -> Self {
        let key = aead::UnboundKey::new(&aead::AES_256_GCM_SIV, key.expose());
        Self(aead::LessSafeKey::new(key.expect("32 octets are the length of the key")))
    }

    /// Nonce ‖ ciphertext ‖ tag, under a random nonce.
    pub fn seal(&self, random: &dyn Random, plaintext: &[u8], aad: &[u8]) -> Vec<u8> {
        self.seal_with(bytes(random), plaintext, aad)
    }

    /// The same under a given nonce: for known-answer tests.
    pub fn seal_with(&self, nonce: [u8; NONCE], plaintext: &[u8], aad: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(plaintext.len() + OVERHEAD);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plaintext);
        self.seal_behind_nonce(&mut sealed, aad);
        sealed
    }

    /// Seals what stands behind the nonce at the front of `buffer`, in place, and appends the tag.
    #[expect(
        clippy::expect_used,
        reason = "only a plaintext above 2^36 octets is refused; none is in memory"
    )]
    pub fn seal_behind_nonce(&self, buffer: &mut Vec<u8>, aad: &[u8]) {
        let (nonce, text) = buffer.split_first_chunk_mut::<NONCE>().expect("the caller put a nonce");
        let nonce = aead::Nonce::assume_unique_for_key(*nonce);
        let tag = self
            .0
            .seal_in_place_separate_tag(nonce, aead::Aad::from(aad), text)
            .expect("the length is within RFC 8452 §6");
        buffer.extend_from_slice(tag.as_ref());
    }

    /// What was sealed, or [`VaultError::NotOpened`] without a reason.
    pub fn open(&self, sealed: &[u8], aad: &[u8]) -> Result<Secret<Vec<u8>>, VaultError> {
        self.open_plain(sealed, aad).map(Secret::new)
    }

    /// [`Self::open`] of something that is no secret once it is open.
    pub fn open_plain(&self, sealed: &[u8], aad: &[u8]) -> Result<Vec<u8>, VaultError> {
        let (nonce, text) = sealed.split_first_chunk::<NONCE>().ok_or(VaultError::NotOpened)?;
        let mut text = text.to_vec();
        let length = self.open_in_place(*nonce, &mut text, aad)?;
        text.truncate(length);
        Ok(text)
    }

    /// Opens ciphertext ‖ tag in place; answers with the length of the plaintext at the front. What did not
    /// verify is wiped.
    pub fn open_in_place(
        &self,
        nonce: [u8; NONCE],
        text: &mut [u8],
        aad: &[u8],
    ) -> Result<usize, VaultError> {
        let nonce = aead::Nonce::assume_unique_for_key(nonce);
        let length = self.0.open_in_place(nonce, aead::Aad::from(aad), text).map(|plain| plain.len());
        length.map_err(|_| {
            text.zeroize();
            VaultError::NotOpened
        })
    }

    /// [`Self::open`] of a key.
    pub fn open_key(&self, sealed: &[u8], aad: &[u8]) -> Result<Key, VaultError> {
        let plain = self.open(sealed, aad)?;
        let key = <[u8; 32]>::try_from(plain.expose().as_slice()).map_err(|_| VaultError::Content)?;
        Ok(Key::new(key))
    }
}

impl fmt::Debug for Aead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Aead(..)")
    }
}

/// A digest's octets; SHA-256 has 32 of them.
fn fixed(digest: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.iter_mut().zip(digest).for_each(|(to, from)| *to = *from);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::tests::Seeded;
    use proptest::prelude::*;

    fn hex(text: &str) -> Vec<u8> {
        data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap()
    }

    #[test]
    fn known_answers_of_the_rfcs() {
        // RFC 5869 A.1, the first 32 of 42 octets; its salt is not 32 octets long, so A.3 stands for the empty one.
        let okm = derive(&NO_SALT, &[0x0b; 22], b"");
        assert_eq!(okm.expose()[..], hex("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"));
        // RFC 4231 §4.3, with the key padded by zeros, which HMAC does itself.
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        assert_eq!(
            mac(&Key::new(key), b"what do ya want for nothing?")[..],
            hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        );
        // RFC 8452 C.2: one block, no additional data.
        let mut key = [0; 32];
        key[0] = 1;
        let mut nonce = [0; NONCE];
        nonce[0] = 3;
        let aead = Aead::new(&Key::new(key));
        let sealed = aead.seal_with(nonce, &hex("0100000000000000"), b"");
        assert_eq!(sealed[NONCE..], hex("c2ef328e5c71c83b843122130f7364b761e0b97427e3df28"));
        // FIPS 180-4.
        assert_eq!(
            sha256(b"abc")[..],
            hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        );
    }

    #[test]
    fn lists_of_parts_are_told_apart() {
        assert_eq!(lp(&[b"ab", b""]), b"\0\0\0\x02ab\0\0\0\0");
        assert_ne!(lp(&[b"ab", b"c"]), lp(&[b"a", b"bc"]));
        assert_eq!(split_lp(&lp(&[b"ab", b"", b"c"])), Some([&b"ab"[..], b"", b"c"]));
        assert_eq!(split_lp::<2>(&lp(&[b"ab", b"", b"c"])), None);
        assert_eq!(split_lp::<1>(b"\xff\xff\xff\xffab"), None);
    }

    #[test]
    fn a_changed_bit_does_not_open() {
        let random = Seeded::new(1);
        let aead = Aead::new(&Key::new([7; 32]));
        let sealed = aead.seal(&random, b"text", b"place");
        assert_eq!(aead.open(&sealed, b"place").unwrap().expose(), b"text");
        assert_eq!(aead.open(&sealed, b"other").unwrap_err(), VaultError::NotOpened);
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(aead.open(&changed, b"place").unwrap_err(), VaultError::NotOpened, "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(aead.open(&sealed[..length], b"place").is_err(), "{length} octets");
        }
    }

    proptest! {
        #[test]
        fn opens_what_it_seals_and_nothing_else(
            text in proptest::collection::vec(any::<u8>(), 0..200),
            aad in proptest::collection::vec(any::<u8>(), 0..50),
            junk in proptest::collection::vec(any::<u8>(), 0..100),
        ) {
            let aead = Aead::new(&Key::new([9; 32]));
            let sealed = aead.seal(&Seeded::new(3), &text, &aad);
            prop_assert_eq!(sealed.len(), text.len() + OVERHEAD);
            let opened = aead.open(&sealed, &aad).unwrap();
            prop_assert_eq!(opened.expose(), &text);
            prop_assert!(aead.open(&junk, &aad).is_err());
        }

        #[test]
        fn splitting_never_panics(junk in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Some(parts) = split_lp::<3>(&junk) {
                prop_assert_eq!(lp(&parts), junk);
            }
        }
    }
}
