//! Certificates of others: taken in only when mail can be encrypted to them, each refusal with its reason.

use crate::base::address::Address;
use crate::base::limits::CERTIFICATE;
use crate::base::time::Time;
use crate::openpgp::certificate::Certificate;
use crate::openpgp::certificate::Unusable;
use sequoia_openpgp::Cert;
use sequoia_openpgp::Packet;
use sequoia_openpgp::cert::CertParser;
use sequoia_openpgp::parse::Parse;
use thiserror::Error;

/// A certificate of somebody outside, as it is stored.
#[derive(Debug)]
pub struct Imported {
    /// Whose.
    pub address: Address,
    /// 20 octets (version 4) or 32 (version 6).
    pub fingerprint: Vec<u8>,
    /// Binary, with its owner's signatures only.
    pub certificate: Vec<u8>,
    /// The same, ready for use.
    pub parsed: Certificate,
}

/// Why a certificate was not taken.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ImportError {
    /// Above 256 KiB, before anything is parsed.
    #[error("the file has {size} octets, a certificate at most {CERTIFICATE}")]
    TooLarge {
        /// Octets.
        size: usize,
    },
    /// Not OpenPGP, or cut.
    #[error("not an openpgp certificate")]
    NotACertificate,
    /// A secret key: it must not be here at all.
    #[error("the file holds a secret key")]
    SecretInside,
    /// More than one.
    #[error("the file holds several certificates")]
    Several,
    /// No valid user ID names the address.
    #[error("the certificate is not for {address}; it is for {}", listed(named))]
    WrongAddress {
        /// Asked for.
        address: Address,
        /// What it is for.
        named: Vec<Address>,
    },
    /// Nothing can be encrypted to it.
    #[error("{0}")]
    Unusable(#[source] Unusable),
}

impl ImportError {
    /// What to do about it, in one sentence.
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => {
                "export it without the signatures of others (gpg --export-options export-minimal --armor --export ADDRESS)"
            }
            Self::NotACertificate => "export it again (gpg --armor --export ADDRESS)",
            Self::SecretInside => {
                "export only the public part (gpg --armor --export ADDRESS); if the file has left its owner's machine, the key must be revoked"
            }
            Self::Several => "export each apart (gpg --armor --export FINGERPRINT)",
            Self::WrongAddress { .. } => {
                "import it for an address it names, or ask its owner to add the address (gpg --quick-add-uid FINGERPRINT 'Name <ADDRESS>')"
            }
            Self::Unusable(why) => why.advice(),
        }
    }
}

/// Reads a certificate, binary or armored, that is to be used for `address`. Costs up to a tenth of a second: for
/// a blocking thread.
pub fn import(file: &[u8], address: &Address, now: Time) -> Result<Imported, ImportError> {
    if file.len() > CERTIFICATE {
        return Err(ImportError::TooLarge { size: file.len() });
    }
    let cert = only_one(file)?;
    let parsed = Certificate::new(stripped(cert)?);
    parsed.usable(now).map_err(ImportError::Unusable)?;
    if !parsed.names(&address.key(), now) {
        return Err(ImportError::WrongAddress { address: address.clone(), named: parsed.addresses() });
    }
    let certificate = parsed.bytes().map_err(|_| ImportError::NotACertificate)?;
    Ok(Imported { address: address.clone(), fingerprint: parsed.fingerprint().to_vec(), certificate, parsed })
}

fn only_one(file: &[u8]) -> Result<Cert, ImportError> {
    // Of several armored blocks the parser reads the first: they are counted by their first lines.
    let begins = |line: &&[u8]| line.trim_ascii_start().starts_with(b"-----BEGIN PGP ");
    let secret = |line: &[u8]| line.trim_ascii_start().starts_with(b"-----BEGIN PGP PRIVATE");
    let blocks: Vec<&[u8]> = file.split(|byte| *byte == b'\n').filter(begins).collect();
    if blocks.iter().any(|line| secret(line)) {
        return Err(ImportError::SecretInside);
    }
    if blocks.len() > 1 {
        return Err(ImportError::Several);
    }
    let certs = CertParser::from_bytes(file).map_err(|_| ImportError::NotACertificate)?;
    let mut found = None;
    for cert in certs {
        let cert = cert.map_err(|_| ImportError::NotACertificate)?;
        if cert.is_tsk() {
            return Err(ImportError::SecretInside);
        }
        if found.replace(cert).is_some() {
            return Err(ImportError::Several);
        }
    }
    found.ok_or(ImportError::NotACertificate)
}

/// Without signatures of others, attributes (pictures) and what the library does not understand.
fn stripped(cert: Cert) -> Result<Cert, ImportError> {
    let mut packets: Vec<Packet> = Vec::new();
    let primary = cert.primary_key();
    packets.push(primary.key().clone().into());
    packets.extend(primary.self_signatures().cloned().map(Packet::from));
    packets.extend(primary.self_revocations().cloned().map(Packet::from));
    for user in cert.userids() {
        packets.push(user.userid().clone().into());
        packets.extend(user.self_signatures().cloned().map(Packet::from));
        packets.extend(user.self_revocations().cloned().map(Packet::from));
    }
    for subkey in cert.keys().subkeys() {
        packets.push(subkey.key().clone().into());
        packets.extend(subkey.self_signatures().cloned().map(Packet::from));
        packets.extend(subkey.self_revocations().cloned().map(Packet::from));
    }
    Cert::from_packets(packets.into_iter()).map_err(|_| ImportError::NotACertificate)
}

fn listed(named: &[Address]) -> String {
    if named.is_empty() {
        return "no address".into();
    }
    let shown: Vec<String> = named.iter().take(5).map(ToString::to_string).collect();
    shown.join(", ")
}
