//! How the certificates stored for a destination change: the same for every engine.

use crate::base::address::Domain;
use crate::store::command::Refusal;
use crate::store::record::SeenCertificate;
use crate::store::record::StoredCertificate;
use crate::store::record::StoredCertificates;

/// One more of them.
pub(crate) fn add(
    before: Option<StoredCertificates>,
    domain: Domain,
    certificate: StoredCertificate,
) -> Result<StoredCertificates, Refusal> {
    let mut after = before.unwrap_or(StoredCertificates { domain, held: Vec::new(), seen: None });
    if after.held.iter().any(|held| held.kind == certificate.kind && held.der == certificate.der) {
        return Err(Refusal::AlreadyDone);
    }
    if after.held.len() >= StoredCertificates::MOST {
        return Err(Refusal::Full);
    }
    after.held.push(certificate);
    Ok(after)
}

/// What the destination showed; nothing is kept of one that nothing is stored for.
pub(crate) fn note_seen(
    before: Option<StoredCertificates>,
    seen: SeenCertificate,
) -> Option<StoredCertificates> {
    before.map(|before| StoredCertificates { seen: Some(seen), ..before })
}
