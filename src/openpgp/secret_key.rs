//! Secret keys, open and in memory for the length of a visit.

use crate::base::secret::Secret;
use crate::openpgp::OpenPgpError;
use crate::openpgp::fingerprint_text;
use sequoia_openpgp::Cert;
use sequoia_openpgp::KeyHandle;
use sequoia_openpgp::crypto::KeyPair;
use sequoia_openpgp::parse::Parse;
use sequoia_openpgp::serialize::MarshalInto;
use std::fmt;

/// A mailbox's secret key. The library keeps the secret parts encrypted in memory between uses and wipes them.
pub struct SecretKey {
    fingerprint: Vec<u8>,
    cert: Cert,
    pairs: Vec<(KeyHandle, KeyPair)>,
}

impl SecretKey {
    /// Reads the binary form of [`crate::openpgp::generate::Generated::secret`]; `fingerprint` is that of the
    /// certificate on record, and a key of another one is refused.
    pub fn parse(secret: &Secret<Vec<u8>>, fingerprint: &[u8]) -> Result<Self, OpenPgpError> {
        let cert = Cert::from_bytes(secret.expose()).map_err(|_| OpenPgpError::NotAKey)?;
        if cert.fingerprint().as_bytes() != fingerprint {
            return Err(OpenPgpError::WrongKey);
        }
        Self::new(&cert)
    }

    /// Of every subkey that can decrypt, also of those that are expired: old mail stays readable.
    pub(in crate::openpgp) fn new(cert: &Cert) -> Result<Self, OpenPgpError> {
        let mut pairs = Vec::new();
        for key in cert.keys().unencrypted_secret() {
            if key.key().pk_algo().for_encryption() && key.key().pk_algo().is_supported() {
                let handle = KeyHandle::from(key.key().fingerprint());
                pairs.push((handle, key.key().clone().into_keypair().map_err(|_| OpenPgpError::NotAKey)?));
            }
        }
        if pairs.is_empty() {
            return Err(OpenPgpError::NotAKey);
        }
        Ok(Self { fingerprint: cert.fingerprint().as_bytes().to_vec(), cert: cert.clone(), pairs })
    }

    /// Of its certificate.
    pub fn fingerprint(&self) -> &[u8] {
        &self.fingerprint
    }

    /// Binary and not locked, to be wrapped anew.
    pub fn secret(&self) -> Result<Secret<Vec<u8>>, OpenPgpError> {
        render_secret(&self.cert)
    }

    pub(in crate::openpgp) fn cert(&self) -> &Cert {
        &self.cert
    }

    /// Those that a message naming `recipient` may be for; with an anonymous one, all.
    pub(in crate::openpgp) fn pairs_for(
        &self,
        recipient: Option<KeyHandle>,
    ) -> impl Iterator<Item = KeyPair> {
        let pairs = self.pairs.iter();
        pairs.filter_map(move |(handle, pair)| {
            let meant = recipient.as_ref().is_none_or(|recipient| recipient.aliases(handle));
            meant.then(|| pair.clone())
        })
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SecretKey").field(&fingerprint_text(&self.fingerprint)).finish()
    }
}

/// The transferable secret key, in a buffer that is never moved.
pub(in crate::openpgp) fn render_secret(cert: &Cert) -> Result<Secret<Vec<u8>>, OpenPgpError> {
    let tsk = cert.as_tsk();
    let mut bytes = vec![0; tsk.serialized_len()];
    let length = tsk.serialize_into(&mut bytes).map_err(|_| OpenPgpError::NotMade)?;
    bytes.truncate(length);
    Ok(Secret::new(bytes))
}
