//! New keys for mailboxes.

use crate::base::address::Address;
use crate::base::secret::Secret;
use crate::base::time::Time;
use crate::openpgp::OpenPgpError;
use crate::openpgp::certificate::Certificate;
use crate::openpgp::secret_key::SecretKey;
use crate::openpgp::secret_key::render_secret;
use crate::openpgp::system_time;
use sequoia_openpgp::Profile;
use sequoia_openpgp::cert::CertBuilder;
use sequoia_openpgp::cert::CipherSuite;
use sequoia_openpgp::types::Features;
use sequoia_openpgp::types::KeyFlags;
use std::time::Duration;

/// A new key, in the forms that are stored.
#[derive(Debug)]
pub struct Generated {
    /// Of the certificate: 20 octets.
    pub fingerprint: Vec<u8>,
    /// The certificate, binary.
    pub certificate: Vec<u8>,
    /// The transferable secret key (RFC 9580 §10.2), binary, not locked: to be wrapped at once.
    pub secret: Secret<Vec<u8>>,
    /// The same, ready for use.
    pub parsed: Certificate,
    /// The same, ready for use.
    pub secret_key: SecretKey,
}

/// Makes a key for `address`: version 4, Ed25519 primary, one Curve25519 encryption subkey, no expiry.
///
/// It says "SEIPD version 1" and nothing more: were it to say version 2, as the library does by itself, neither
/// gpg nor Thunderbird could read what is encrypted to it.
pub fn generate(address: &Address, now: Time) -> Result<Generated, OpenPgpError> {
    made(address, now, None)
}

/// One that ends, as the keys of others do.
#[cfg(test)]
pub(crate) fn generate_for(
    address: &Address,
    now: Time,
    validity: Duration,
) -> Result<Generated, OpenPgpError> {
    made(address, now, Some(validity))
}

fn made(address: &Address, now: Time, validity: Option<Duration>) -> Result<Generated, OpenPgpError> {
    let cert = CertBuilder::new()
        .set_profile(Profile::RFC4880)
        .and_then(|builder| builder.set_features(Features::empty().set_seipdv1()))
        .map_err(|_| OpenPgpError::NotMade)?
        .set_cipher_suite(CipherSuite::Cv25519)
        .set_creation_time(system_time(now))
        .set_validity_period(validity)
        .set_primary_key_flags(KeyFlags::empty().set_certification().set_signing())
        .add_userid(format!("<{address}>"))
        .add_subkey(
            KeyFlags::empty().set_transport_encryption().set_storage_encryption(),
            validity,
            CipherSuite::Cv25519,
        )
        .generate()
        .map_err(|_| OpenPgpError::NotMade)?
        .0;
    let secret = render_secret(&cert)?;
    let secret_key = SecretKey::new(&cert)?;
    let parsed = Certificate::new(cert.strip_secret_key_material());
    Ok(Generated {
        fingerprint: parsed.fingerprint().to_vec(),
        certificate: parsed.bytes()?,
        secret,
        parsed,
        secret_key,
    })
}
