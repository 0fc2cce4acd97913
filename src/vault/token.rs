//! T, the access token: the secret part of an invitation's link, 160 bits.

use crate::base::base32;
use crate::base::id::InvitationId;
use crate::base::random::Random;
use crate::base::random::bytes;
use crate::base::secret::Key;
use crate::base::secret::Secret;
use crate::vault::primitives::equal;
use crate::vault::primitives::lp;
use crate::vault::primitives::mac;

/// An access token; compared only by its keyed hash, and by opening a slot.
#[derive(Debug)]
pub struct AccessToken(Secret<[u8; 20]>);

impl AccessToken {
    /// A new one.
    pub fn generate(random: &dyn Random) -> Self {
        Self(Secret::new(bytes(random)))
    }

    /// Reads what a person may have typed: base32, blanks and hyphens anywhere, O and 0, I, L and 1 alike.
    pub fn parse(text: &str) -> Option<Self> {
        base32::read(text).map(|token| Self(Secret::new(token)))
    }

    /// From its bytes.
    pub const fn new(bytes: [u8; 20]) -> Self {
        Self(Secret::new(bytes))
    }

    /// Its bytes.
    pub const fn bytes(&self) -> &[u8; 20] {
        self.0.expose()
    }

    /// Upper-case base32 in groups of four.
    pub fn text(&self) -> Secret<String> {
        Secret::new(base32::grouped(self.bytes()))
    }

    /// TH = HMAC(K_token, lp("invitation", i, T)): tells "no link" from "wrong PIN" without the cost of a guess.
    pub fn hash(&self, token_key: &Key, invitation: InvitationId) -> [u8; 32] {
        mac(token_key, &lp(&[b"invitation", invitation.bytes(), self.bytes()]))
    }

    /// Whether this is the token of `invitation`, in constant time.
    pub fn fits(&self, token_key: &Key, invitation: InvitationId, hash: &[u8; 32]) -> bool {
        equal(&self.hash(token_key, invitation), hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::tests::Seeded;

    #[test]
    fn text_reads_back_and_hash_fits_its_invitation_only() {
        let random = Seeded::new(1);
        let token = AccessToken::generate(&random);
        let text = token.text();
        assert_eq!(text.expose().len(), 39);
        let again = AccessToken::parse(&text.expose().to_lowercase()).unwrap();
        assert_eq!(again.bytes(), token.bytes());
        let key = Key::new([1; 32]);
        let (i, j) = (InvitationId::new([1; 16]), InvitationId::new([2; 16]));
        let hash = token.hash(&key, i);
        assert!(again.fits(&key, i, &hash));
        assert!(!again.fits(&key, j, &hash));
        assert!(!again.fits(&Key::new([2; 32]), i, &hash));
        assert!(!AccessToken::generate(&random).fits(&key, i, &hash));
        assert!(!format!("{token:?}").contains(&text.expose()[..4]));
        assert!(AccessToken::parse("").is_none());
    }
}
