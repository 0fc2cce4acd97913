//! The certificates that are stored for destinations: added by an admin, compared under the TLS policy `verify`.

use crate::base::address::Domain;
use crate::flow::Flow;
use crate::policy::tls::Stored;
use crate::store::PAGE;
use crate::store::command::Command;
use crate::store::command::Refusal;
use crate::store::error::StoreError;
use crate::store::record::StoredCertificate;
use crate::store::record::StoredCertificates;
use crate::store::record::StoredKind;

/// How adding one ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Added {
    /// It is there.
    Now,
    /// It was there.
    Before,
    /// There are two already; one has to go first.
    Full,
}

/// What is stored for `domain`.
pub async fn of(flow: &Flow, domain: &Domain) -> Result<Vec<Stored>, StoreError> {
    let held = flow.store.stored_certificates(domain).await?;
    Ok(held.iter().map(read).collect())
}

/// A record as the policy takes it.
pub fn read(record: &StoredCertificate) -> Stored {
    match record.kind {
        StoredKind::Certificate => Stored::Certificate(record.der.clone()),
        StoredKind::Key => Stored::Key(record.der.clone()),
    }
}

/// Stores one more for `domain`.
pub async fn add(flow: &Flow, domain: Domain, stored: &Stored) -> Result<Added, StoreError> {
    let kind = match stored {
        Stored::Certificate(_) => StoredKind::Certificate,
        Stored::Key(_) => StoredKind::Key,
    };
    let certificate =
        Box::new(StoredCertificate { kind, der: stored.der().to_vec(), added: flow.clock.now() });
    match flow.store.commit(vec![Command::AddStoredCertificate { domain, certificate }]).await {
        Ok(_) => Ok(Added::Now),
        Err(StoreError::Refused { why: Refusal::AlreadyDone, .. }) => Ok(Added::Before),
        Err(StoreError::Refused { why: Refusal::Full, .. }) => Ok(Added::Full),
        Err(why) => Err(why),
    }
}

/// Forgets what is stored for `domain`; how many that were.
pub async fn remove(flow: &Flow, domain: Domain) -> Result<usize, StoreError> {
    let held = flow.store.stored_certificates(&domain).await?.len();
    if held > 0 {
        flow.store.commit(vec![Command::RemoveStoredCertificates { domain }]).await?;
    }
    Ok(held)
}

/// Every destination that has any, by name.
pub async fn all(flow: &Flow) -> Result<Vec<StoredCertificates>, StoreError> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = flow.store.destinations(after, PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        found.extend(page.into_iter().map(|(_, stored)| stored));
    }
    found.sort_by(|one, other| one.domain.cmp(&other.domain));
    Ok(found)
}
