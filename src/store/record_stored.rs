//! What the store keeps of others: certificates of people and of destinations, MTA-STS policies.
//!
//! Fields are numbered as [`crate::store::record`] says.

use crate::base::address::Address;
use crate::base::address::Domain;
use crate::base::id::MailboxId;
use crate::base::time::Time;
use crate::store::record::Fingerprint;
use minicbor::Decode;
use minicbor::Encode;

/// The certificate of somebody outside.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
pub struct CertificateRecord {
    /// Whose.
    #[n(0)]
    pub address: Address,
    /// Its fingerprint.
    #[n(1)]
    pub fingerprint: Fingerprint,
    /// The certificate, binary, stripped of third-party signatures.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub certificate: Vec<u8>,
    /// When it was imported.
    #[n(3)]
    pub imported: Time,
    /// The temporary mailbox whose owner chose it; nothing where an admin imported it.
    #[n(4)]
    pub chosen_by: Option<MailboxId>,
}

/// What a destination's certificate is compared with under the TLS policy `verify`.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
pub struct StoredCertificates {
    /// Whose.
    #[n(0)]
    pub domain: Domain,
    /// In the order in which they were added; at most [`StoredCertificates::MOST`].
    #[n(1)]
    pub held: Vec<StoredCertificate>,
    /// What it showed last, when mail went there that had to be compared.
    #[n(2)]
    pub seen: Option<SeenCertificate>,
}

impl StoredCertificates {
    /// The one in use and the next one.
    pub const MOST: usize = 2;
}

/// A certificate that a destination showed.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
pub struct SeenCertificate {
    /// SHA-256 of it, as people compare it.
    #[n(0)]
    pub fingerprint: String,
    /// Which host showed it.
    #[n(1)]
    pub host: String,
    /// When; the same one again moves it once a day.
    #[n(2)]
    pub at: Time,
    /// It was what is stored, or led to it.
    #[n(3)]
    pub stored: bool,
}

/// One of them.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
pub struct StoredCertificate {
    /// What it is.
    #[n(0)]
    pub kind: StoredKind,
    /// DER, at most 7 KiB.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub der: Vec<u8>,
    /// When it was added.
    #[n(2)]
    pub added: Time,
}

/// What a domain said about its mail hosts by MTA-STS (RFC 8461), kept for as long as it may be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StsRecord {
    /// Whose.
    pub domain: Domain,
    /// The policy's id in DNS when it was fetched.
    pub id: String,
    /// The policy, as `policy::mta_sts` writes it.
    pub policy: String,
    /// When it was fetched last.
    pub fetched: Time,
    /// It counts until then.
    pub until: Time,
    /// About when mail went there last; days may be missing.
    pub used: Time,
}

impl StsRecord {
    /// So many are kept; whoever puts more takes others out first.
    pub const MOST: usize = 4_096;
}

/// What is stored for a destination.
#[derive(Clone, Copy, Debug, Decode, Encode, Eq, PartialEq)]
#[cbor(index_only)]
pub enum StoredKind {
    /// A certificate, a peer's own or an authority's.
    #[n(0)]
    Certificate,
    /// A SubjectPublicKeyInfo.
    #[n(1)]
    Key,
}
