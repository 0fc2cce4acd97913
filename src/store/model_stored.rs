//! What commands do to what the model keeps of others: certificates, MTA-STS policies; and to signing keys.

use crate::store::change::Stop;
use crate::store::change_stored;
use crate::store::command::Command;
use crate::store::command::Refusal;
use crate::store::error::StoreError;
use crate::store::model_state::State;
use crate::store::record_stored::CertificateRecord;
use crate::vault::primitives::sha256;
use std::sync::Arc;

impl State {
    pub(super) fn put_certificate(
        &mut self,
        mut record: Box<CertificateRecord>,
        replace: bool,
    ) -> Result<(), Stop> {
        let at = sha256(record.address.key().as_str().as_bytes());
        let there = self.certificates.get(&at);
        if !replace && there.is_some_and(|there| there.fingerprint != record.fingerprint) {
            return Err(Refusal::AddressTaken.into());
        }
        if let Some(there) = there.filter(|_| !replace) {
            record.chosen_by = there.chosen_by.and(record.chosen_by);
        }
        self.certificates.insert(at, Arc::from(record));
        Ok(())
    }

    /// What is known of the servers of others, and what is signed for them with.
    pub(super) fn apply_to_destination(&mut self, command: Command) -> Result<(), Stop> {
        match command {
            Command::AddStoredCertificate { domain, certificate } => {
                let at = sha256(domain.as_str().as_bytes());
                let after = change_stored::add(self.stored.get(&at).cloned(), domain, *certificate)?;
                self.stored.insert(at, after);
            }
            Command::NoteSeenCertificate { domain, seen } => {
                let at = sha256(domain.as_str().as_bytes());
                if let Some(after) = change_stored::note_seen(self.stored.get(&at).cloned(), *seen) {
                    self.stored.insert(at, after);
                }
            }
            Command::RemoveStoredCertificates { domain } => {
                self.stored.remove(&sha256(domain.as_str().as_bytes()));
            }
            Command::PutSts { record, expected } => {
                let at = sha256(record.domain.as_str().as_bytes());
                change_stored::check_sts(self.sts.get(&at), expected.as_deref())?;
                self.sts.insert(at, *record);
            }
            Command::RemoveSts { domain, fetched } => {
                let at = sha256(domain.as_str().as_bytes());
                if self.sts.get(&at).is_some_and(|there| there.fetched == fetched) {
                    self.sts.remove(&at);
                }
            }
            Command::PutSigningKey(key) => {
                self.signing.insert((key.domain.clone(), key.selector.clone()), Arc::from(key));
            }
            _ => return Err(StoreError::Misused { what: "a command without a deed" }.into()),
        }
        Ok(())
    }
}
