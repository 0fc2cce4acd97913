//! What an admin stored for a destination: a certificate, a key, or an authority.

use crate::base::address::Domain;
use crate::base::der::key_info;
use crate::base::time::Time;
use crate::policy::tls::certificate::fingerprint;
use crate::policy::tls::certificate::vouches;
use data_encoding::BASE64;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;
use thiserror::Error;
use x509_parser::parse_x509_certificate;
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

/// A certificate or key is at most this large, octets: two of them fit into a record of the store.
const SIZE: usize = 7 << 10;

/// One of the things that a peer's certificate is compared with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Stored {
    /// A certificate, DER: the peer must present this very one. If it is an authority's, the peer may instead present
    /// one that it vouches for, with good dates and the name of the domain, or of the host where that name is proven.
    Certificate(Vec<u8>),
    /// A SubjectPublicKeyInfo, DER: the peer's certificate must be for this key, whatever else it says.
    Key(Vec<u8>),
}

/// A file that cannot be stored.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum BadStored {
    /// Neither form is in it.
    #[error("holds neither a certificate nor a public key in PEM form")]
    Nothing,
    /// What is in it does not decode.
    #[error("the certificate or key in it cannot be read")]
    Unreadable,
    /// More than fits.
    #[error("the certificate is larger than 7 KiB")]
    TooLarge,
}

impl Stored {
    /// The first certificate of a PEM text, else its first public key.
    pub fn read(pem: &[u8]) -> Result<Self, BadStored> {
        if let Some(certificate) = CertificateDer::pem_slice_iter(pem).next() {
            return Self::certificate(&certificate.map_err(|_| BadStored::Unreadable)?);
        }
        let key = SubjectPublicKeyInfoDer::pem_slice_iter(pem).next().ok_or(BadStored::Nothing)?;
        let key = key.map_err(|_| BadStored::Unreadable)?.to_vec();
        SubjectPublicKeyInfo::from_der(&key).map_err(|_| BadStored::Unreadable)?;
        if key.len() > SIZE { Err(BadStored::TooLarge) } else { Ok(Self::Key(key)) }
    }

    /// A certificate as it came from a peer.
    pub fn certificate(der: &[u8]) -> Result<Self, BadStored> {
        key_info(der).ok_or(BadStored::Unreadable)?;
        if der.len() > SIZE { Err(BadStored::TooLarge) } else { Ok(Self::Certificate(der.into())) }
    }

    /// The octets that are stored.
    pub fn der(&self) -> &[u8] {
        match self {
            Self::Certificate(der) | Self::Key(der) => der,
        }
    }

    /// PEM.
    pub fn to_pem(&self) -> String {
        let label = match self {
            Self::Certificate(_) => "CERTIFICATE",
            Self::Key(_) => "PUBLIC KEY",
        };
        let text = BASE64.encode(self.der());
        let lines: Vec<&str> =
            text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
    }

    /// `certificate`, `authority` or `key`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Key(_) => "key",
            Self::Certificate(der) if is_authority(der) => "authority",
            Self::Certificate(_) => "certificate",
        }
    }

    /// SHA-256 of it.
    pub fn fingerprint(&self) -> String {
        fingerprint(self.der())
    }

    /// When a certificate ends; a key does not.
    pub fn ends(&self) -> Option<Time> {
        let Self::Certificate(der) = self else { return None };
        let (_, parsed) = parse_x509_certificate(der).ok()?;
        Some(Time(parsed.validity().not_after.timestamp()))
    }

    /// Whom a certificate is for, in its own words.
    pub fn subject(&self) -> String {
        let Self::Certificate(der) = self else { return String::new() };
        parse_x509_certificate(der).map(|(_, parsed)| parsed.subject().to_string()).unwrap_or_default()
    }

    /// The chain that a peer presented is what was stored.
    pub(super) fn matches(&self, chain: &[Vec<u8>], names: &[&Domain], now: Time) -> bool {
        let Some(own) = chain.first() else { return false };
        match self {
            Self::Key(key) => key_info(own) == Some(key),
            Self::Certificate(der) => own == der || (is_authority(der) && vouches(der, chain, names, now)),
        }
    }
}

/// Of what is stored, the first and the later one that a peer presents in its place: only where each of them is one
/// certificate or key, not an authority that vouches for many.
pub fn rotated<'a>(stored: &'a [Stored], own: &[u8]) -> Option<(&'a Stored, &'a Stored)> {
    let presents = |stored: &Stored| match stored {
        Stored::Key(key) => key_info(own) == Some(key),
        Stored::Certificate(der) => own == der,
    };
    let (first, later) = stored.split_first()?;
    if presents(first) || first.kind() == "authority" {
        return None;
    }
    later.iter().find(|later| presents(later)).map(|later| (first, later))
}

/// RFC 5280 §4.2.1.9.
fn is_authority(der: &[u8]) -> bool {
    let Ok((_, parsed)) = parse_x509_certificate(der) else { return false };
    parsed.basic_constraints().ok().flatten().is_some_and(|constraints| constraints.value.ca)
}
