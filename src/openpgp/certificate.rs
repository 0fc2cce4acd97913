//! Certificates: parsed once, judged for a moment in time.

use crate::base::address::Address;
use crate::base::address::AddressKey;
use crate::base::limits::CERTIFICATE;
use crate::base::limits::CERTIFICATE_KEYS;
use crate::base::time::Time;
use crate::openpgp::OpenPgpError;
use crate::openpgp::fingerprint_text;
use crate::openpgp::system_time;
use sequoia_openpgp::Cert;
use sequoia_openpgp::cert::Preferences;
use sequoia_openpgp::cert::ValidCert;
use sequoia_openpgp::cert::amalgamation::ValidAmalgamation;
use sequoia_openpgp::cert::amalgamation::key::ValidErasedKeyAmalgamation;
use sequoia_openpgp::crypto::mpi::PublicKey;
use sequoia_openpgp::packet::Key;
use sequoia_openpgp::packet::Signature;
use sequoia_openpgp::packet::key::PublicParts;
use sequoia_openpgp::packet::key::UnspecifiedRole;
use sequoia_openpgp::parse::Parse;
use sequoia_openpgp::policy::HashAlgoSecurity;
use sequoia_openpgp::policy::Policy;
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::serialize::MarshalInto;
use sequoia_openpgp::types::Features;
use sequoia_openpgp::types::HashAlgorithm;
use sequoia_openpgp::types::KeyFlags;
use sequoia_openpgp::types::PublicKeyAlgorithm;
use sequoia_openpgp::types::RevocationStatus;
use std::collections::HashMap;
use std::collections::HashSet;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::SystemTime;
use thiserror::Error;

/// Encryption subkeys used of one certificate; who has more gets the first ones.
const ENCRYPTION_KEYS: usize = 4;

/// A certificate. Cheap to clone.
#[derive(Clone)]
pub struct Certificate {
    cert: Arc<Cert>,
    fingerprint: Arc<[u8]>,
}

impl Certificate {
    /// Reads one that was taken before: binary, as [`crate::openpgp::generate`] and
    /// [`crate::openpgp::import`] hand them out. Certificates of others come through the import.
    pub fn parse(certificate: &[u8]) -> Result<Self, OpenPgpError> {
        if certificate.len() > CERTIFICATE {
            return Err(OpenPgpError::NotAKey);
        }
        let cert = Cert::from_bytes(certificate).map_err(|_| OpenPgpError::NotAKey)?;
        Ok(Self::new(cert.strip_secret_key_material()))
    }

    pub(in crate::openpgp) fn new(cert: Cert) -> Self {
        let fingerprint = cert.fingerprint().as_bytes().into();
        Self { cert: Arc::new(cert), fingerprint }
    }

    pub(in crate::openpgp) fn cert(&self) -> &Cert {
        &self.cert
    }

    /// 20 octets (version 4) or 32 (version 6).
    pub fn fingerprint(&self) -> &[u8] {
        &self.fingerprint
    }

    /// Binary, without secrets.
    pub fn bytes(&self) -> Result<Vec<u8>, OpenPgpError> {
        self.cert.to_vec().map_err(|_| OpenPgpError::NotMade)
    }

    /// When it was made, by its own word.
    pub fn created(&self) -> Time {
        let made = self.cert.primary_key().key().creation_time().duration_since(SystemTime::UNIX_EPOCH);
        made.ok().and_then(|made| i64::try_from(made.as_secs()).ok()).map_or(Time(0), Time)
    }

    /// Whether mail can be encrypted to it at `now`, and if not, why.
    pub fn usable(&self, now: Time) -> Result<(), Unusable> {
        self.recipients(now).map(|_| ())
    }

    /// When it stops being usable by itself, if it says so in what is valid at `now`: with its primary key, or the last
    /// of its encryption subkeys.
    pub fn expires(&self, now: Time) -> Option<Time> {
        let valid = self.cert.with_policy(&AnyAlgorithm, system_time(now)).ok()?;
        let primary = valid.primary_key().key_expiration_time();
        let keys = valid.keys().revoked(false).key_flags(encryption());
        let ends: Option<Vec<SystemTime>> = keys.map(|key| key.key_expiration_time()).collect();
        let subkeys = ends.and_then(|ends| ends.into_iter().max());
        let expiry = primary.into_iter().chain(subkeys).min()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        i64::try_from(expiry.as_secs()).ok().map(Time)
    }

    /// The addresses in the user IDs that are valid at `now`, each once.
    pub fn addresses(&self, now: Time) -> Vec<Address> {
        let policy = StandardPolicy::at(system_time(now));
        let Ok(valid) = self.cert.with_policy(&policy, system_time(now)) else { return Vec::new() };
        let live = valid.userids().filter(|user| {
            let status = user.revocation_status();
            !matches!(status, RevocationStatus::Revoked(_))
        });
        let mut named = HashSet::new();
        live.filter_map(|user| Address::parse(user.userid().email().ok()??).ok())
            .filter(|address| named.insert(address.key()))
            .collect()
    }

    /// Whether a user ID that is valid at `now` names `address`.
    pub fn names(&self, address: &AddressKey, now: Time) -> bool {
        self.addresses(now).iter().any(|named| named.key() == *address)
    }

    /// What to encrypt to at `now`: every live encryption subkey, at most four, with what they can read.
    pub(in crate::openpgp) fn recipients(&self, now: Time) -> Result<Recipients, Unusable> {
        recipients(&self.cert, system_time(now))
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificate").field(&fingerprint_text(&self.fingerprint)).finish()
    }
}

impl PartialEq for Certificate {
    /// The same key; signatures may differ.
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Eq for Certificate {}

/// Why a certificate cannot be encrypted to.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Unusable {
    /// Its owner took it back.
    #[error("the key is revoked")]
    Revoked,
    /// Its time, or that of its encryption subkey, is over.
    #[error("the key is expired")]
    Expired,
    /// It was made in the future: a wrong clock, here or there.
    #[error("the key is not valid yet")]
    NotYetValid,
    /// It can sign and certify, but nothing can be encrypted to it.
    #[error("the key is for signing only")]
    SignOnly,
    /// RSA below 2048 bits.
    #[error("an RSA key of {bits} bits is too short")]
    ShortRsa {
        /// Its length.
        bits: usize,
    },
    /// ElGamal or DSA.
    #[error("a key of kind ElGamal or DSA is too weak")]
    OldAlgorithm,
    /// Its own signatures are over SHA-1 or MD5.
    #[error("the key is signed with SHA-1")]
    Sha1,
    /// A curve or algorithm that the library does not know.
    #[error("the key is of a kind that is not supported")]
    Unsupported,
    /// More keys than anybody needs.
    #[error("the key has more than {CERTIFICATE_KEYS} subkeys")]
    TooManyKeys,
    /// Without a valid signature of its own.
    #[error("the key has no valid signature of its owner")]
    Unbound,
}

impl Unusable {
    /// What its owner can do about it, in one sentence for the one who asked for the import.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Revoked => "ask its owner for the new key",
            Self::Expired => {
                "ask its owner to prolong it (gpg --quick-set-expire FINGERPRINT 2y, and once more with '*' for the subkeys) and to export it again"
            }
            Self::NotYetValid => "check the clock of this machine and of the one that made the key",
            Self::SignOnly => {
                "ask its owner to add an encryption subkey (gpg --quick-add-key FINGERPRINT cv25519 encr) and to export it again"
            }
            Self::ShortRsa { .. } | Self::OldAlgorithm => {
                "ask its owner to make a new key (gpg --quick-generate-key ADDRESS future-default)"
            }
            Self::Sha1 => {
                "ask its owner to sign it anew with SHA-256 (gpg --cert-digest-algo SHA256 --quick-set-expire FINGERPRINT 2y, and once more with '*' for the subkeys) and to export it again"
            }
            Self::Unsupported => "ask its owner for a key of kind Curve25519 or RSA",
            Self::TooManyKeys => {
                "ask its owner to export it without former subkeys (gpg --export-options export-minimal)"
            }
            Self::Unbound => "ask its owner to export it again",
        }
    }
}

/// Every algorithm, however old: only to find out why a certificate is refused.
#[derive(Debug)]
struct AnyAlgorithm;

impl Policy for AnyAlgorithm {
    fn signature(&self, _: &Signature, _: HashAlgoSecurity) -> sequoia_openpgp::Result<()> {
        Ok(())
    }

    fn key(&self, _: &ValidErasedKeyAmalgamation<'_, PublicParts>) -> sequoia_openpgp::Result<()> {
        Ok(())
    }
}

/// The keys of one certificate that a message is encrypted to.
pub(in crate::openpgp) struct Recipients {
    pub(in crate::openpgp) features: Option<Features>,
    pub(in crate::openpgp) keys: Vec<Key<PublicParts, UnspecifiedRole>>,
}

fn recipients(cert: &Cert, now: SystemTime) -> Result<Recipients, Unusable> {
    if cert.keys().count() > CERTIFICATE_KEYS {
        return Err(Unusable::TooManyKeys);
    }
    let standard = StandardPolicy::at(now);
    if let Ok(valid) = cert.with_policy(&standard, now) {
        let revoked = matches!(valid.revocation_status(), RevocationStatus::Revoked(_));
        if !revoked && valid.alive().is_ok() && weakness(valid.primary_key().key()).is_none() {
            let keys = encryption_keys(&valid);
            if !keys.is_empty() {
                return Ok(Recipients { features: valid.features(), keys });
            }
        }
    }
    Err(reason(cert, now))
}

fn encryption_keys(valid: &ValidCert<'_>) -> Vec<Key<PublicParts, UnspecifiedRole>> {
    let live =
        valid.keys().supported().alive().revoked(false).for_transport_encryption().for_storage_encryption();
    live.map(|key| key.key()).filter(|key| weakness(key).is_none()).take(ENCRYPTION_KEYS).cloned().collect()
}

/// Why [`recipients`] found nothing; asked only then, without the library's policy, so that the reason is exact.
fn reason(cert: &Cert, now: SystemTime) -> Unusable {
    let null = AnyAlgorithm;
    if matches!(cert.revocation_status(&null, now), RevocationStatus::Revoked(_)) {
        return Unusable::Revoked;
    }
    if cert.primary_key().key().creation_time() > now {
        return Unusable::NotYetValid;
    }
    if let Some(weakness) = weakness(cert.primary_key().key()) {
        return weakness;
    }
    let Ok(valid) = cert.with_policy(&null, now) else { return Unusable::Unbound };
    if valid.alive().is_err() {
        return Unusable::Expired;
    }
    if cert.with_policy(&StandardPolicy::at(now), now).is_err() {
        return if is_old_hash(valid.primary_key().binding_signature()) {
            Unusable::Sha1
        } else {
            Unusable::Unbound
        };
    }
    let mut reason = Unusable::SignOnly;
    for key in valid.keys().key_flags(encryption()) {
        reason = if matches!(key.revocation_status(), RevocationStatus::Revoked(_)) {
            Unusable::Revoked
        } else if key.key().creation_time() > now {
            Unusable::NotYetValid
        } else if key.alive().is_err() {
            Unusable::Expired
        } else if let Some(weakness) = weakness(key.key()) {
            weakness
        } else if !key.key().pk_algo().is_supported() {
            Unusable::Unsupported
        } else if is_old_hash(key.binding_signature()) {
            Unusable::Sha1
        } else {
            Unusable::Unsupported
        };
    }
    reason
}

fn encryption() -> KeyFlags {
    KeyFlags::empty().set_transport_encryption().set_storage_encryption()
}

fn weakness<R: sequoia_openpgp::packet::key::KeyRole>(key: &Key<PublicParts, R>) -> Option<Unusable> {
    #[expect(deprecated, reason = "old algorithms are named to be refused")]
    match key.pk_algo() {
        PublicKeyAlgorithm::DSA
        | PublicKeyAlgorithm::ElGamalEncrypt
        | PublicKeyAlgorithm::ElGamalEncryptSign => Some(Unusable::OldAlgorithm),
        PublicKeyAlgorithm::RSAEncryptSign | PublicKeyAlgorithm::RSAEncrypt | PublicKeyAlgorithm::RSASign => {
            let bits = match key.mpis() {
                PublicKey::RSA { n, .. } => n.bits(),
                _ => 0,
            };
            (bits < 2048).then_some(Unusable::ShortRsa { bits })
        }
        _ => None,
    }
}

fn is_old_hash(signature: &Signature) -> bool {
    matches!(signature.hash_algo(), HashAlgorithm::SHA1 | HashAlgorithm::MD5 | HashAlgorithm::RipeMD)
}

/// Parsed certificates by fingerprint: a third of the cost of a small message is saved.
///
/// Bounded; the ones that came first go first.
pub struct CertificateCache {
    capacity: usize,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    by_fingerprint: HashMap<Vec<u8>, (Vec<u8>, Certificate)>,
    order: VecDeque<Vec<u8>>,
}

impl CertificateCache {
    /// One that holds at most `capacity` certificates.
    pub fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), held: Mutex::default() }
    }

    /// The certificate of this fingerprint and these bytes, parsed now or before. Other bytes under the same
    /// fingerprint (a new signature) take the former's place; bytes of another key are refused.
    pub fn parsed(&self, fingerprint: &[u8], bytes: &[u8]) -> Result<Certificate, OpenPgpError> {
        if let Some((held, certificate)) = self.lock().by_fingerprint.get(fingerprint)
            && held == bytes
        {
            return Ok(certificate.clone());
        }
        let certificate = Certificate::parse(bytes)?;
        if certificate.fingerprint() != fingerprint {
            return Err(OpenPgpError::WrongKey);
        }
        let mut held = self.lock();
        let entry = (bytes.to_vec(), certificate.clone());
        if held.by_fingerprint.insert(fingerprint.to_vec(), entry).is_none() {
            held.order.push_back(fingerprint.to_vec());
        }
        while held.order.len() > self.capacity {
            if let Some(first) = held.order.pop_front() {
                held.by_fingerprint.remove(&first);
            }
        }
        Ok(certificate)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Held> {
        // Every change of the map is complete before the lock is given back.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for CertificateCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateCache").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}
