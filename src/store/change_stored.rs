//! How what is stored for a destination changes, certificates and its MTA-STS policy: the same for every engine.

use crate::base::address::Domain;
use crate::store::command::Refusal;
use crate::store::record_stored::SeenCertificate;
use crate::store::record_stored::StoredCertificate;
use crate::store::record_stored::StoredCertificates;
use crate::store::record_stored::StsRecord;

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

/// Whether what was read is still what is there; see [`crate::store::command::Command::PutSts`]. The text changes with
/// the time at which it was fetched, and lies elsewhere.
pub(crate) fn check_sts(there: Option<&StsRecord>, expected: Option<&StsRecord>) -> Result<(), Refusal> {
    let mark = |record: &StsRecord| (record.id.clone(), record.fetched, record.until, record.used);
    if there.map(mark) == expected.map(mark) { Ok(()) } else { Err(Refusal::NotCurrent) }
}
