//! Mail straight to a recipient's own address, encrypted to a key that the recipient has shown to be able to read with.
//!
//! Nothing changes before the code in a test message, which only that key opens, was given back. From then on the
//! certificate is one of somebody outside like any other: it outlives the mailbox, and what was in the mailbox stays.

use crate::base::language::Language;
use crate::base::random::bytes;
use crate::base::secret::Secret;
use crate::flow::Flow;
use crate::flow::letters::Post;
use crate::flow::letters::letterhead;
use crate::flow::notices::policy_of;
use crate::flow::refusal::TakeError;
use crate::flow::sign_in::Unlocked;
use crate::openpgp::certificate::Certificate;
use crate::openpgp::import;
use crate::store::command::Command;
use crate::store::error::StoreError;
use crate::store::record::Fingerprint;
use crate::store::record_queue::Purpose;
use crate::store::record_stored::CertificateRecord;
use crate::texts::direct;
use crate::threads;
use crate::vault::primitives::equal;
use crate::vault::primitives::sha256;
use std::collections::BTreeSet;
use std::sync::Arc;
use thiserror::Error;

/// A key of the recipient's own, read and found to be of use.
#[derive(Clone, Debug)]
pub struct OwnCertificate {
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// Binary, without secrets.
    pub certificate: Vec<u8>,
}

/// A test message is out; whoever gives its code back can read what is encrypted to its key.
#[derive(Clone, Debug)]
pub struct Trial {
    key: OwnCertificate,
    /// SHA-256 of the code: the code itself is in the test message and nowhere else.
    code: [u8; 32],
    /// Wrong codes that may still be given.
    left: u8,
}

/// Wrong codes before a new test message is needed: 8 digits are not guessed in so many.
const TRIES: u8 = 5;
/// Digits of a code.
const DIGITS: u32 = 8;

impl Trial {
    /// What the test showed: the key, if this is the code; blanks in it do not count.
    pub fn check(&mut self, code: &str) -> Option<OwnCertificate> {
        self.left = self.left.checked_sub(1)?;
        let code = Secret::new(code.chars().filter(|c| !c.is_whitespace()).take(20).collect::<String>());
        equal(&sha256(code.expose().as_bytes()), &self.code).then(|| self.key.clone())
    }

    /// Too often wrong.
    pub const fn is_spent(&self) -> bool {
        self.left == 0
    }
}

/// Why mail does not go directly.
#[derive(Clone, Debug, Error)]
pub enum DirectError {
    /// No certificate, or none that can be used for this recipient.
    #[error("this key cannot be used")]
    Unusable,
    /// The address has a newer mailbox, or a certificate already.
    #[error("this mailbox does not decide that")]
    NotHere,
    /// The last test message is in the queue yet, or no more mail goes to the address today.
    #[error("no more test messages now")]
    Often,
    /// The test message could not be queued.
    #[error("the test message was not taken")]
    NotSent(#[source] Arc<TakeError>),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<TakeError> for DirectError {
    fn from(error: TakeError) -> Self {
        match error {
            TakeError::Store(error) => Self::Store(error),
            other => Self::NotSent(Arc::new(other)),
        }
    }
}

/// Whether a certificate is on file because the owner of this mailbox wanted it.
pub fn is_chosen(record: &CertificateRecord, who: &Unlocked) -> bool {
    record.chosen_by == Some(who.mailbox)
}

impl Flow {
    /// The certificate that mail to a recipient goes to directly, if it does.
    pub async fn direct(&self, who: &Unlocked) -> Result<Option<Arc<CertificateRecord>>, StoreError> {
        self.store.certificate(&who.address.key()).await
    }

    /// Reads a key that its owner brings: its public part alone, for this address, of use now.
    pub async fn read_own(&self, who: &Unlocked, file: Vec<u8>) -> Result<OwnCertificate, DirectError> {
        let (address, now) = (who.address.clone(), self.clock.now());
        let read = threads::blocking(move || import::import(&file, &address, now)).await;
        let read = read.map_err(|_| DirectError::Unusable)?.map_err(|_| DirectError::Unusable)?;
        Ok(OwnCertificate { fingerprint: Fingerprint(read.fingerprint), certificate: read.certificate })
    }

    /// Sends the test message, encrypted to the recipient's own key or else to that of the mailbox. `host` is the
    /// portal's.
    pub async fn try_key(
        &self,
        who: &Unlocked,
        own: Option<OwnCertificate>,
        host: &str,
        language: Language,
    ) -> Result<Trial, DirectError> {
        self.decides(who).await?;
        // Messages that come meanwhile note their notices in the same record.
        let _held = self.locks.hold(BTreeSet::from([who.address.key()])).await;
        let record = self.store.mailbox(who.mailbox).await?.ok_or(DirectError::NotHere)?;
        let id = self.queue_id();
        let counted = self.count_test(&record, id).await?.ok_or(DirectError::Often)?;
        let key = match own {
            Some(own) => own,
            None => self.mailbox_key_of(who).await?,
        };
        let certificate = Certificate::parse(&key.certificate).map_err(|_| DirectError::Unusable)?;
        certificate.usable(self.clock.now()).map_err(|_| DirectError::Unusable)?;
        let number = u64::from_be_bytes(bytes(&*self.random)) % 10_u64.pow(DIGITS);
        let code = Secret::new(format!("{number:0width$}", width = DIGITS as usize));
        let config = self.config();
        let name = host.split(':').next().unwrap_or(host);
        let mut here = config.domains.iter().filter(|domain| domain.portal.url.host() == name);
        let own = self.domain_of(who.mailbox).await?;
        let domain = here.clone().find(|domain| Some(&domain.name) == own.as_ref()).or_else(|| here.next());
        let domain = domain.or(config.domains.first()).ok_or_else(|| TakeError::internal("no domain"))?;
        let facts = direct::Test { recipient: &who.address, code: code.expose(), host };
        let text = direct::test(&letterhead(domain), &facts, language);
        let post = Post {
            domain,
            to: &who.address,
            text: &text,
            id,
            purpose: Purpose::Notice(who.mailbox),
            owner: None,
            demand: policy_of(&record)?,
            answers: None,
            encrypted_to: Some(&certificate),
            sample: None,
        };
        let queued = self.post(post).await?;
        self.commit_taking(vec![queued, counted]).await?;
        self.queue_bell.notify_one();
        tracing::info!(mailbox = %who.mailbox, queue = %id, "test message to a recipient's key sent");
        Ok(Trial { key, code: sha256(code.expose().as_bytes()), left: TRIES })
    }

    /// From now on mail goes to that key directly.
    pub async fn send_directly(&self, who: &Unlocked, key: OwnCertificate) -> Result<(), DirectError> {
        self.decides(who).await?;
        let record = CertificateRecord {
            address: who.address.clone(),
            fingerprint: key.fingerprint,
            certificate: key.certificate,
            imported: self.clock.now(),
            chosen_by: Some(who.mailbox),
        };
        let put = Command::PutCertificate { record: Box::new(record), replace: false };
        match self.store.commit(vec![put]).await {
            Ok(_) => {
                tracing::info!(mailbox = %who.mailbox, "mail goes to the recipient's key directly");
                Ok(())
            }
            Err(StoreError::Refused { .. }) => Err(DirectError::NotHere),
            Err(error) => Err(error.into()),
        }
    }

    /// From now on mail goes into the mailbox again. What an admin put on file stays: it may be there because the
    /// mailbox is in the wrong hands.
    pub async fn send_to_mailbox(&self, who: &Unlocked) -> Result<(), DirectError> {
        let address = who.address.key();
        let current = self.store.mailbox_of(&address).await? == Some(who.mailbox);
        let chosen = self.store.certificate(&address).await?.is_none_or(|record| is_chosen(&record, who));
        if !current || !chosen {
            return Err(DirectError::NotHere);
        }
        self.store.commit(vec![Command::RemoveCertificate { address }]).await?;
        tracing::info!(mailbox = %who.mailbox, "mail goes into the temporary mailbox again");
        Ok(())
    }

    /// Only the mailbox that an address has now, and only while nothing was decided before.
    async fn decides(&self, who: &Unlocked) -> Result<(), DirectError> {
        let address = who.address.key();
        let current = self.store.mailbox_of(&address).await? == Some(who.mailbox);
        let open = self.store.certificate(&address).await?.is_none();
        if current && open { Ok(()) } else { Err(DirectError::NotHere) }
    }

    async fn mailbox_key_of(&self, who: &Unlocked) -> Result<OwnCertificate, DirectError> {
        let record = self.store.mailbox(who.mailbox).await?.ok_or(DirectError::NotHere)?;
        let key = self.store.key(who.mailbox, &record.certificate).await?.ok_or(DirectError::Unusable)?;
        Ok(OwnCertificate { fingerprint: record.certificate.clone(), certificate: key.certificate.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_wrong_codes_and_no_more() {
        let key = OwnCertificate { fingerprint: Fingerprint(vec![7; 20]), certificate: Vec::new() };
        let trial = Trial { key, code: sha256(b"04711815"), left: TRIES };
        assert!(trial.clone().check(" 0471 1815\n").is_some());
        assert!(!format!("{trial:?}").contains("04711815"));
        let mut wrong = trial;
        for _ in 0..4 {
            assert!(wrong.check("00000000").is_none() && !wrong.is_spent());
        }
        assert!(wrong.check("").is_none() && wrong.is_spent());
        assert!(wrong.check("04711815").is_none(), "too late");
    }
}
