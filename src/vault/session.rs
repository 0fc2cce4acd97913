//! A session at the portal: the server holds the MUK only wrapped under a key that is in the cookie.
//!
//! ```text
//! table key  SHA-256(cookie)
//! draft      AEAD(HKDF(cookie, lp("guardpost/1 draft", M)), text, aad = table key)
//! wrapped    AEAD(HKDF(cookie, lp("guardpost/1 session", M)), MUK, aad = table key)
//! sign-in cache  AEAD(HKDF(salt = boot secret, ikm = password, info = lp("guardpost/1 sign-in cache", M, s, generation)), MUK, aad = lp(M, s, generation))
//! ```

use crate::base::id::MailboxId;
use crate::base::id::SlotId;
use crate::base::random::Random;
use crate::base::random::bytes;
use crate::base::secret::Key;
use crate::base::secret::Secret;
use crate::vault::error::VaultError;
use crate::vault::mailbox_key::MailboxKey;
use crate::vault::password::Password;
use crate::vault::primitives::Aead;
use crate::vault::primitives::NO_SALT;
use crate::vault::primitives::derive;
use crate::vault::primitives::lp;
use crate::vault::primitives::sha256;
use data_encoding::BASE64URL_NOPAD;

/// A session's cookie: 256 random bits.
#[derive(Debug)]
pub struct SessionCookie(Key);

impl SessionCookie {
    /// A new one, at every sign-in.
    pub fn generate(random: &dyn Random) -> Self {
        Self(Key::new(bytes(random)))
    }

    /// From its bytes.
    pub const fn new(key: Key) -> Self {
        Self(key)
    }

    /// Reads a cookie's value.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 43 {
            return None;
        }
        let cookie = Secret::new(BASE64URL_NOPAD.decode(text.as_bytes()).ok()?);
        Some(Self(Key::new(cookie.expose().as_slice().try_into().ok()?)))
    }

    /// The cookie's value: base64url, 43 characters.
    pub fn text(&self) -> Secret<String> {
        Secret::new(BASE64URL_NOPAD.encode(self.0.expose()))
    }

    /// What the table of sessions is keyed by.
    pub fn table_key(&self) -> [u8; 32] {
        sha256(self.0.expose())
    }

    /// Wraps the MUK for the table.
    pub fn wrap(&self, mailbox: MailboxId, muk: &MailboxKey, random: &dyn Random) -> Vec<u8> {
        self.aead(mailbox).seal(random, muk.key().expose(), &self.table_key())
    }

    /// Unwraps it for one request.
    pub fn unwrap(&self, mailbox: MailboxId, wrapped: &[u8]) -> Result<MailboxKey, VaultError> {
        self.aead(mailbox).open_key(wrapped, &self.table_key()).map(MailboxKey::new)
    }

    /// Seals a text that was typed and not sent.
    pub fn seal_draft(&self, mailbox: MailboxId, text: &Secret<String>, random: &dyn Random) -> Vec<u8> {
        self.draft(mailbox).seal(random, text.expose().as_bytes(), &self.table_key())
    }

    /// Opens it.
    pub fn open_draft(&self, mailbox: MailboxId, sealed: &[u8]) -> Result<Secret<String>, VaultError> {
        let text = self.draft(mailbox).open(sealed, &self.table_key())?;
        Ok(Secret::new(String::from_utf8_lossy(text.expose()).into_owned()))
    }

    fn aead(&self, mailbox: MailboxId) -> Aead {
        self.under(b"guardpost/1 session", mailbox)
    }

    fn draft(&self, mailbox: MailboxId) -> Aead {
        self.under(b"guardpost/1 draft", mailbox)
    }

    fn under(&self, purpose: &[u8], mailbox: MailboxId) -> Aead {
        let info = lp(&[purpose, mailbox.bytes()]);
        Aead::new(&derive(&NO_SALT, self.0.expose(), &info))
    }
}

/// What a cached sign-in belongs to; any change of it ends the cached sign-in.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct CachedSlot {
    /// M.
    pub mailbox: MailboxId,
    /// s.
    pub slot: SlotId,
    /// The mailbox's generation.
    pub generation: u32,
}

/// Keeps a mail client that signs in every minute from costing Argon2 each time: MUK under a secret that
/// exists since the start of the process, and the password.
#[derive(Debug)]
pub struct SignInCacheKey(Key);

impl SignInCacheKey {
    /// One for the life of the process.
    pub fn generate(random: &dyn Random) -> Self {
        Self(Key::new(bytes(random)))
    }

    /// Seals the MUK that `password` opened.
    pub fn seal(
        &self,
        slot: CachedSlot,
        password: &Password,
        muk: &MailboxKey,
        random: &dyn Random,
    ) -> Vec<u8> {
        let (aead, aad) = self.aead(slot, password);
        aead.seal(random, muk.key().expose(), &aad)
    }

    /// Opens it with the same password.
    pub fn open(
        &self,
        slot: CachedSlot,
        password: &Password,
        sealed: &[u8],
    ) -> Result<MailboxKey, VaultError> {
        let (aead, aad) = self.aead(slot, password);
        aead.open_key(sealed, &aad).map(MailboxKey::new)
    }

    fn aead(&self, slot: CachedSlot, password: &Password) -> (Aead, Vec<u8>) {
        let generation = slot.generation.to_be_bytes();
        let place: [&[u8]; 3] = [slot.mailbox.bytes(), slot.slot.bytes(), &generation];
        let [mailbox, slot, generation] = place;
        let info = lp(&[b"guardpost/1 sign-in cache", mailbox, slot, generation]);
        let key = derive(self.0.expose(), password.expose().as_bytes(), &info);
        (Aead::new(&key), lp(&place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::tests::Seeded;

    const M: MailboxId = MailboxId::new([1; 16]);
    const N: MailboxId = MailboxId::new([2; 16]);

    #[test]
    fn only_the_cookie_opens_the_session() {
        let random = Seeded::new(1);
        let muk = MailboxKey::generate(&random);
        let cookie = SessionCookie::generate(&random);
        let wrapped = cookie.wrap(M, &muk, &random);
        let text = cookie.text();
        assert_eq!(text.expose().len(), 43);
        let again = SessionCookie::parse(text.expose()).unwrap();
        assert_eq!(again.table_key(), cookie.table_key());
        assert_eq!(again.unwrap(M, &wrapped).unwrap().key().expose(), muk.key().expose());
        assert!(again.unwrap(N, &wrapped).is_err());
        assert!(SessionCookie::generate(&random).unwrap(M, &wrapped).is_err());
        for text in ["", "a", &"A".repeat(44), &"!".repeat(43), &"é".repeat(43)] {
            assert!(SessionCookie::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_cached_sign_in_opens_with_its_password_and_generation() {
        let random = Seeded::new(2);
        let muk = MailboxKey::generate(&random);
        let cache = SignInCacheKey::generate(&random);
        let slot = CachedSlot { mailbox: M, slot: SlotId::new([3; 16]), generation: 1 };
        let password = |text| Password::parse(text).unwrap();
        let sealed = cache.seal(slot, &password("correct horse battery"), &muk, &random);
        let open = |slot, text| cache.open(slot, &password(text), &sealed).is_ok();
        assert!(open(slot, "correct horse battery"));
        assert!(!open(slot, "correct horse batter!"));
        assert!(!open(CachedSlot { generation: 2, ..slot }, "correct horse battery"));
        assert!(!open(CachedSlot { mailbox: N, ..slot }, "correct horse battery"));
        let other = SignInCacheKey::generate(&random);
        assert!(other.open(slot, &password("correct horse battery"), &sealed).is_err());
    }
}
