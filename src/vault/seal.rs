//! The store's side: values sealed under K_store with their key as associated data, addresses as HMACs.

use crate::base::address::Address;
use crate::base::address::AddressKey;
use crate::base::id::MailboxId;
use crate::base::random::Random;
use crate::vault::error::VaultError;
use crate::vault::keyring::Keys;
use crate::vault::primitives::Aead;
use crate::vault::primitives::MacKey;
use crate::vault::primitives::lp;

/// Seals and opens values, prepared once for all of them.
#[derive(Debug)]
pub struct ValueSeal(Aead);

impl ValueSeal {
    /// Under K_store.
    pub fn new(keys: &Keys) -> Self {
        Self(Aead::new(&keys.store))
    }

    /// Seals `value` for its place: `key` is associated data, so a moved value is noticed.
    pub fn seal(&self, key: &[u8], value: &[u8], random: &dyn Random) -> Vec<u8> {
        self.0.seal(random, value, key)
    }

    /// Opens what lies under `key`.
    pub fn open(&self, key: &[u8], sealed: &[u8]) -> Result<Vec<u8>, VaultError> {
        self.0.open_plain(sealed, key)
    }
}

/// Hashes what must be found again but not be read: addresses and Message-IDs.
#[derive(Debug)]
pub struct Index(MacKey);

impl Index {
    /// Under K_index.
    pub fn new(keys: &Keys) -> Self {
        Self(MacKey::new(&keys.index))
    }

    /// HMAC(K_index, lp(table, normalised address)).
    pub fn address(&self, table: &str, address: &AddressKey) -> [u8; 32] {
        self.0.mac(&lp(&[table.as_bytes(), address.as_str().as_bytes()]))
    }

    /// HMAC(K_index, lp(table, name)), for names that are no addresses: domains, selectors.
    pub fn name(&self, table: &str, name: &str) -> [u8; 32] {
        self.0.mac(&lp(&[table.as_bytes(), name.as_bytes()]))
    }

    /// HMAC(K_index, lp(table, M, Message-ID)): the same Message-ID differs from mailbox to mailbox.
    pub fn message_id(&self, table: &str, mailbox: MailboxId, message_id: &str) -> [u8; 32] {
        self.0.mac(&lp(&[table.as_bytes(), mailbox.bytes(), message_id.trim().as_bytes()]))
    }

    /// A name for an address in the log: the same for the same address, and nothing to be guessed from it
    /// without K_index. 16 hexadecimal digits.
    pub fn log_name(&self, address: &Address) -> String {
        let digest = self.address("log", &address.key());
        data_encoding::HEXLOWER.encode(digest.first_chunk::<8>().map_or(&[][..], |half| half))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::tests::Seeded;

    #[test]
    fn a_value_is_bound_to_its_key() {
        let random = Seeded::new(1);
        let keys = Keys::generate(&random);
        let seal = ValueSeal::new(&keys);
        let sealed = seal.seal(b"m/1", b"value", &random);
        assert_eq!(seal.open(b"m/1", &sealed).unwrap(), b"value");
        assert_eq!(seal.open(b"m/2", &sealed), Err(VaultError::NotOpened));
        assert_eq!(
            ValueSeal::new(&Keys::generate(&random)).open(b"m/1", &sealed),
            Err(VaultError::NotOpened)
        );
    }

    #[test]
    fn the_index_folds_as_addresses_do() {
        let index = Index::new(&Keys::generate(&Seeded::new(2)));
        let address = |text| Address::parse(text).unwrap();
        let of = |text| index.address("mailbox", &address(text).key());
        assert_eq!(of("Bob@X.example"), of("bob@x.example"));
        assert_ne!(of("bob@x.example"), of("bo@x.example"));
        assert_ne!(of("bob@x.example"), index.address("certificate", &address("bob@x.example").key()));
        assert_eq!(index.log_name(&address("Bob@X.example")), index.log_name(&address("bob@x.example")));
        assert_eq!(index.log_name(&address("bob@x.example")).len(), 16);
        let (m, n) = (MailboxId::new([1; 16]), MailboxId::new([2; 16]));
        assert_eq!(
            index.message_id("conversation", m, "<a@b>"),
            index.message_id("conversation", m, " <a@b>")
        );
        assert_ne!(
            index.message_id("conversation", m, "<a@b>"),
            index.message_id("conversation", n, "<a@b>")
        );
        assert_ne!(index.message_id("conversation", m, "<a@b>"), index.message_id("copy", m, "<a@b>"));
    }
}
