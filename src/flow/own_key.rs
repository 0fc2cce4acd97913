//! A mailbox's own OpenPGP keys, to be taken along: the current one, and the former one for mail from before.
//!
//! The password is asked again, then the file is locked with a passphrase of its own. Two answers bring both to a
//! browser without a script: the first shows the passphrase and holds a form with it, the second is the file.
//! Between them the server keeps no secret: only a hash of the passphrase, which shows that it was made here.

use crate::base::secret::Secret;
use crate::base::time::Time;
use crate::flow::Flow;
use crate::flow::password_work::PATIENCE;
use crate::flow::reading::ReadError;
use crate::flow::sign_in::SignInError;
use crate::flow::sign_in::Source;
use crate::flow::sign_in::Unlocked;
use crate::openpgp::OpenPgpError;
use crate::openpgp::certificate::Certificate;
use crate::openpgp::export;
use crate::store::error::StoreError;
use crate::store::record::Fingerprint;
use crate::vault::passphrase;
use std::sync::Arc;
use thiserror::Error;

/// A key on its owner's page.
#[derive(Clone, Debug)]
pub struct OwnKey {
    /// Of its certificate.
    pub fingerprint: Fingerprint,
    /// When it was made.
    pub created: Time,
    /// New mail is encrypted to it; else it opens what came before.
    pub current: bool,
}

/// Why keys cannot be taken along.
#[derive(Clone, Debug, Error)]
pub enum OwnKeyError {
    /// Not the password of this mailbox, or its own daily budget is spent: one answer, the same work.
    #[error(transparent)]
    SignIn(#[from] SignInError),
    /// A key could not be read or written.
    #[error("a key could not be read or written")]
    Key,
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ReadError> for OwnKeyError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Store(error) => Self::Store(error),
            ReadError::Unreadable(error) => Self::Store(StoreError::Io(error)),
            ReadError::Gone | ReadError::Damaged | ReadError::Busy => Self::Key,
        }
    }
}

impl From<OpenPgpError> for OwnKeyError {
    fn from(_: OpenPgpError) -> Self {
        Self::Key
    }
}

impl Flow {
    /// The keys of a mailbox, the current one first.
    pub async fn own_keys(&self, who: &Unlocked) -> Result<Vec<OwnKey>, StoreError> {
        let mut keys = Vec::new();
        for (fingerprint, current) in self.own_fingerprints(who).await? {
            if let Some(key) = self.store.key(who.mailbox, &fingerprint).await? {
                keys.push(OwnKey { fingerprint, created: key.created, current });
            }
        }
        Ok(keys)
    }

    /// Their certificates, armored.
    pub async fn own_certificates(&self, who: &Unlocked) -> Result<String, OwnKeyError> {
        let mut certificates: Vec<Certificate> = Vec::new();
        for (fingerprint, _) in self.own_fingerprints(who).await? {
            if let Some(key) = self.store.key(who.mailbox, &fingerprint).await? {
                certificates.push(self.certificates.parsed(&key.fingerprint.0, &key.certificate)?);
            }
        }
        Ok(export::certificates(&certificates)?)
    }

    /// The password once more, by somebody who is signed in: right, it answers with a new passphrase for one file.
    ///
    /// A wrong one costs what a wrong sign-in costs, and ends no session.
    pub async fn allow_key_file(
        self: &Arc<Self>,
        who: &Unlocked,
        password: Secret<String>,
        source: &Source,
    ) -> Result<Secret<String>, OwnKeyError> {
        let now = self.clock.running();
        let paused = |retry_after| SignInError::Paused { retry_after };
        let mut guess = self.budgets.begin(source.ip, now).await.map_err(paused)?;
        let record = self.store.mailbox(who.mailbox).await?;
        let record = record.filter(|record| record.generation == who.generation);
        let record = record.ok_or(OwnKeyError::SignIn(SignInError::Wrong))?;
        guess.at([(record.id, self.device(&record, source))], now);
        if self.guessed(guess, vec![record.clone()], password).await?.is_none() {
            tracing::info!(mailbox = %record.id, "key download refused: wrong password");
            return Err(SignInError::Wrong.into());
        }
        tracing::info!(mailbox = %record.id, "key download allowed");
        Ok(passphrase::generate(&*self.random))
    }

    /// All keys of the mailbox, armored and locked with `passphrase`.
    pub async fn key_file(
        &self,
        who: &Unlocked,
        passphrase: Secret<String>,
    ) -> Result<Secret<String>, OwnKeyError> {
        let mut keys = Vec::new();
        for (fingerprint, _) in self.own_fingerprints(who).await? {
            keys.push(self.secret_key(who, &fingerprint).await?);
        }
        // Locking costs what trying a passphrase is to cost: it takes its turn with the sign-ins.
        let busy = |_| SignInError::Busy { retry_after: PATIENCE };
        let permit = self.passwords.permit().await.map_err(busy)?;
        let file = permit.run(move || export::secret_keys(keys.iter().map(Arc::as_ref), &passphrase));
        let file = file.await.map_err(busy)??;
        tracing::info!(mailbox = %who.mailbox, "key downloaded");
        Ok(file)
    }

    async fn own_fingerprints(&self, who: &Unlocked) -> Result<Vec<(Fingerprint, bool)>, StoreError> {
        let Some(record) = self.store.mailbox(who.mailbox).await? else { return Ok(Vec::new()) };
        let current = std::iter::once((record.certificate.clone(), true));
        Ok(current.chain(record.former.iter().map(|former| (former.clone(), false))).collect())
    }
}
