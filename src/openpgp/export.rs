//! Export: what its owner takes along, in the only form that gpg, Thunderbird and sq all read.

use crate::base::secret::Secret;
use crate::openpgp::OpenPgpError;
use crate::openpgp::certificate::Certificate;
use crate::openpgp::secret_key::SecretKey;
use sequoia_openpgp::Cert;
use sequoia_openpgp::Packet;
use sequoia_openpgp::armor::Kind;
use sequoia_openpgp::armor::Writer;
use sequoia_openpgp::crypto::Password;
use sequoia_openpgp::packet::Key;
use sequoia_openpgp::packet::key::KeyRole;
use sequoia_openpgp::packet::key::SecretParts;
use sequoia_openpgp::serialize::Marshal;
use sequoia_openpgp::serialize::MarshalInto;

/// The certificate, armored (RFC 9580 §6.2).
pub fn certificate(certificate: &Certificate) -> Result<String, OpenPgpError> {
    let armored = certificate.cert().armored().to_vec().map_err(|_| OpenPgpError::NotMade)?;
    String::from_utf8(armored).map_err(|_| OpenPgpError::NotMade)
}

/// Several certificates in one armored block, as keyrings hold them.
pub fn certificates(certificates: &[Certificate]) -> Result<String, OpenPgpError> {
    let mut writer = Writer::new(Vec::new(), Kind::PublicKey).map_err(|_| OpenPgpError::NotMade)?;
    for certificate in certificates {
        certificate.cert().serialize(&mut writer).map_err(|_| OpenPgpError::NotMade)?;
    }
    let armored = writer.finalize().map_err(|_| OpenPgpError::NotMade)?;
    String::from_utf8(armored).map_err(|_| OpenPgpError::NotMade)
}

/// The secret key, armored and locked with `passphrase`: iterated and salted S2K at its maximum count, CFB
/// (RFC 9580 §3.7.1.3).
///
/// The passphrase is the only lock of a file that cannot be taken back: one of ours, never one of a person.
pub fn secret_key(key: &SecretKey, passphrase: &Secret<String>) -> Result<Secret<String>, OpenPgpError> {
    secret_keys([key], passphrase)
}

/// Several secret keys, locked as [`secret_key`] does it, one behind the other in one armored block: what every
/// program imports whole, where some read only the first of several blocks.
pub fn secret_keys<'a>(
    keys: impl IntoIterator<Item = &'a SecretKey>,
    passphrase: &Secret<String>,
) -> Result<Secret<String>, OpenPgpError> {
    let passphrase = Password::from(passphrase.expose().as_str());
    let mut writer = Writer::new(Vec::new(), Kind::SecretKey).map_err(|_| OpenPgpError::NotMade)?;
    for key in keys {
        let cert = locked(key, &passphrase)?;
        cert.as_tsk().serialize(&mut writer).map_err(|_| OpenPgpError::NotMade)?;
    }
    let armored = writer.finalize().map_err(|_| OpenPgpError::NotMade)?;
    String::from_utf8(armored).map(Secret::new).map_err(|_| OpenPgpError::NotMade)
}

fn locked(key: &SecretKey, passphrase: &Password) -> Result<Cert, OpenPgpError> {
    let cert = key.cert().clone();
    let mut locked: Vec<Packet> = Vec::new();
    for (at, key) in cert.keys().secret().enumerate() {
        let key = key.key().clone();
        // The primary key comes first.
        locked.push(if at == 0 {
            Packet::from(lock(key.role_into_primary(), passphrase)?)
        } else {
            Packet::from(lock(key.role_into_subordinate(), passphrase)?)
        });
    }
    let cert = cert.insert_packets(locked).map_err(|_| OpenPgpError::NotMade)?.0;
    if cert.keys().unencrypted_secret().next().is_some() {
        return Err(OpenPgpError::NotMade);
    }
    Ok(cert)
}

fn lock<R: KeyRole>(
    key: Key<SecretParts, R>,
    passphrase: &Password,
) -> Result<Key<SecretParts, R>, OpenPgpError> {
    key.encrypt_secret(passphrase).map_err(|_| OpenPgpError::NotMade)
}
