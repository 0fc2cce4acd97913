//! Accounts: the people of the organisation.

use crate::base::address::Address;
use crate::base::id::MailboxId;
use crate::base::random::bytes;
use crate::base::secret::Secret;
use crate::flow::Flow;
use crate::flow::new_mailbox::FreshKey;
use crate::flow::new_mailbox::password_slot;
use crate::flow::password_work::Busy;
use crate::flow::reading::ReadError;
use crate::openpgp::OpenPgpError;
use crate::openpgp::certificate::Certificate;
use crate::openpgp::export;
use crate::openpgp::import;
use crate::openpgp::import::ImportError;
use crate::policy::recipient;
use crate::policy::recipient::LocalFact;
use crate::store::PAGE;
use crate::store::command::Command;
use crate::store::command::Refusal;
use crate::store::command_part::NewMailbox;
use crate::store::error::StoreError;
use crate::store::record::Fingerprint;
use crate::store::record::KeyRecord;
use crate::store::record::MailboxKind;
use crate::store::record::MailboxRecord;
use crate::threads;
use crate::vault::passphrase;
use crate::vault::password::BadPassword;
use crate::vault::password::Password;
use std::sync::Arc;
use thiserror::Error;

/// Why a command about accounts, mailboxes or certificates was refused.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum AdminError {
    /// Not one of the domains of guard.toml.
    #[error("{0} is not a domain of this server")]
    ForeignDomain(String),
    /// postmaster and its like, the address of notices, or one with routing characters.
    #[error("{0} is a reserved address")]
    Reserved(Address),
    /// guard.toml names no domain for secure aliases.
    #[error("{0} has no secure_alias_domain in guard.toml")]
    NoAliasDomain(String),
    /// There is one.
    #[error("{0} exists already")]
    Exists(Address),
    /// There is none.
    #[error("{0} is not known here")]
    Unknown(Address),
    /// A temporary mailbox where an account was meant, or the other way round.
    #[error("{0} is not of that kind")]
    OtherKind(Address),
    /// Only a closed mailbox can be reopened.
    #[error("{0} has no closed mailbox")]
    NotClosed(Address),
    /// Whoever wants a mailbox deleted has looked at another one.
    #[error("the first mailbox of {0} is another one by now, or has another key; nothing was done")]
    OtherMailbox(Address),
    /// A closed mailbox has no place to return to.
    #[error("{0} has a newer mailbox and a former one; delete one of them first")]
    NoPlace(Address),
    /// Nothing is suspended.
    #[error("the clock is believed: there is nothing to accept")]
    ClockRuns,
    /// Against the rules of passwords.
    #[error("the password {0}")]
    Password(BadPassword),
    /// The old password.
    #[error("the password is not right")]
    WrongPassword,
    /// The password from before a reset.
    #[error("the old password is not right, or what it opened is gone")]
    WrongOldPassword,
    /// What the recovery message said.
    #[error("the recovery code is not right")]
    WrongRecoveryCode,
    /// No slot of a recovery certificate.
    #[error("no recovery certificate opens {0}: it has not signed in since one was switched on")]
    NoRecovery(Address),
    /// It was not reset, or too long ago.
    #[error("{0} was not reset in the last 30 days: there is nothing to reopen")]
    NothingShut(Address),
    /// Somebody else changed the account at the same time.
    #[error("the account was changed by somebody else at the same time; look at it and try again")]
    Changed,
    /// Its record is full.
    #[error("the account was reset or given a new key too often; wait until the oldest reset is 30 days old")]
    TooManyKeys,
    /// App passwords hold the former key.
    #[error("app passwords open the former key only: they cannot be kept with a new one")]
    AppPasswordsAndNewKey,
    /// A certificate that cannot be used.
    #[error("{why}; {}", .why.advice())]
    Certificate {
        /// Why.
        why: ImportError,
    },
    /// A certificate for nobody, or for accounts of this server alone.
    #[error(
        "no valid user ID of the certificate names an address outside this server: nothing was imported; \
         for an account here take \"guardpost account key import\""
    )]
    NobodyOutside,
    /// Another certificate is on file for the address.
    #[error("another certificate is on file for {0}; remove it first, after asking its owner")]
    OtherCertificate(Address),
    /// No room for the work now.
    #[error("busy; try again in a moment")]
    Busy,
    /// The library refused.
    #[error(transparent)]
    OpenPgp(#[from] Arc<OpenPgpError>),
    /// Something inside failed.
    #[error("internal: {0}")]
    Internal(Arc<str>),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AdminError {
    pub(in crate::flow) fn internal(error: impl ToString) -> Self {
        Self::Internal(error.to_string().into())
    }
}

impl From<OpenPgpError> for AdminError {
    fn from(error: OpenPgpError) -> Self {
        Self::OpenPgp(Arc::new(error))
    }
}

impl From<Busy> for AdminError {
    fn from(_: Busy) -> Self {
        Self::Busy
    }
}

/// An account's secret key, to be carried away.
#[derive(Debug)]
pub struct ExportedKey {
    /// Armored, locked.
    pub file: Secret<String>,
    /// What it is locked with; shown once, stored nowhere.
    pub passphrase: Secret<String>,
}

impl Flow {
    /// Makes an account.
    pub async fn add_account(
        &self,
        address: &Address,
        password: &Secret<String>,
    ) -> Result<Arc<MailboxRecord>, AdminError> {
        let config = self.config();
        let domain = config
            .domain(address.domain())
            .ok_or_else(|| AdminError::ForeignDomain(address.domain().to_string()))?;
        match recipient::local_fact(address.local(), &config.temporary_mailbox.notice_from) {
            LocalFact::Name => {}
            LocalFact::Role | LocalFact::Notice | LocalFact::Route => {
                return Err(AdminError::Reserved(address.clone()));
            }
        }
        let password = chosen(password, address)?;
        let id = MailboxId::new(bytes(&*self.random));
        let now = self.clock.now();
        let permit = self.passwords.permit().await?;
        let (random, keys, cost, owner) =
            (self.random.clone(), self.keys.clone(), self.password_cost, address.clone());
        let made = permit.run(move || {
            let key = FreshKey::make(id, &owner, now, &*random).map_err(AdminError::internal)?;
            let slot = password_slot(id, &password, &key.muk, None, cost, &keys, &*random)
                .map_err(AdminError::internal)?;
            Ok::<_, AdminError>((key.record, slot))
        });
        let (key, slot) = made.await??;
        let new = NewMailbox {
            id,
            kind: MailboxKind::Account,
            address: address.clone(),
            language: domain.language,
            created: now,
            key,
            slot,
            invitation: None,
        };
        match self.store.commit(vec![Command::CreateMailbox(Box::new(new))]).await {
            Err(StoreError::Refused { why: Refusal::AddressTaken, .. }) => {
                return Err(AdminError::Exists(address.clone()));
            }
            result => result?,
        };
        tracing::info!(mailbox = %id, "account made");
        if self.recovery().is_some()
            && let Err(why) = self.tell_recovery().await
        {
            tracing::warn!(%why, "a new account is told of the recovery certificate later");
        }
        self.store.mailbox(id).await?.ok_or_else(|| AdminError::Unknown(address.clone()))
    }

    /// Every mailbox of a kind, in the order of addresses.
    pub async fn all_mailboxes(&self, kind: MailboxKind) -> Result<Vec<Arc<MailboxRecord>>, AdminError> {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let page = self.store.mailboxes(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            all.extend(page.into_iter().filter(|record| record.kind == kind));
        }
        all.sort_by_cached_key(|record| record.address.key());
        Ok(all)
    }

    /// The mailbox of an address, which must be of this kind.
    pub async fn mailbox_at(
        &self,
        address: &Address,
        kind: MailboxKind,
    ) -> Result<Arc<MailboxRecord>, AdminError> {
        let unknown = || AdminError::Unknown(address.clone());
        let mailbox = self.store.mailbox_of(&address.key()).await?.ok_or_else(unknown)?;
        let record = self.store.mailbox(mailbox).await?.ok_or_else(unknown)?;
        if record.kind == kind { Ok(record) } else { Err(AdminError::OtherKind(address.clone())) }
    }

    /// Deletes an account or a temporary mailbox: keys first, then everything else.
    pub async fn remove_mailbox(&self, address: &Address, kind: MailboxKind) -> Result<(), AdminError> {
        let record = self.mailbox_at(address, kind).await?;
        let delete = Command::DeleteMailbox { mailbox: record.id, now: self.clock.now(), only: None };
        self.store.commit(vec![delete]).await?;
        self.sign_in_cache.forget(record.id);
        tracing::info!(mailbox = %record.id, "mailbox deleted");
        Ok(())
    }

    /// The certificate of an account, armored.
    pub async fn export_certificate(&self, address: &Address) -> Result<String, AdminError> {
        let record = self.mailbox_at(address, MailboxKind::Account).await?;
        let key = self.store.key(record.id, &record.certificate).await?;
        let key = key.ok_or(StoreError::Damaged { what: "a mailbox without its key" })?;
        let certificate = self.certificates.parsed(&key.fingerprint.0, &key.certificate)?;
        Ok(export::certificate(&certificate)?)
    }

    /// The secret key of an account under a passphrase of its own; the password authorises it.
    pub async fn export_secret_key(
        &self,
        address: &Address,
        password: Secret<String>,
    ) -> Result<ExportedKey, AdminError> {
        let record = self.mailbox_at(address, MailboxKind::Account).await?;
        let (_, unlocked) = self.owner(&record, password).await?;
        let with_secret = std::iter::once(&record.certificate).chain(&record.former);
        let mut key = Err(ReadError::Damaged);
        for fingerprint in with_secret {
            key = self.secret_key(&unlocked, fingerprint).await;
            if key.is_ok() {
                break;
            }
        }
        let key = key.map_err(AdminError::internal)?;
        let passphrase = passphrase::generate(&*self.random);
        let file = export::secret_key(&key, &passphrase)?;
        Ok(ExportedKey { file, passphrase })
    }

    /// From now on mail to the account is encrypted to this certificate, whose secret key the server never has.
    pub async fn import_own_certificate(
        &self,
        address: &Address,
        file: Vec<u8>,
    ) -> Result<Fingerprint, AdminError> {
        let record = self.mailbox_at(address, MailboxKind::Account).await?;
        let imported = self.read_certificate(address, file).await?;
        let fingerprint = Fingerprint(imported.fingerprint);
        let key = KeyRecord {
            fingerprint: fingerprint.clone(),
            certificate: imported.certificate,
            wrapped_secret: None,
            created: self.clock.now(),
        };
        self.store.commit(vec![Command::PutOwnCertificate { mailbox: record.id, key }]).await?;
        Ok(fingerprint)
    }

    /// The certificate that mail to an account is encrypted to, if its owner alone has the secret key.
    pub async fn own_certificate(&self, record: &MailboxRecord) -> Result<Option<Certificate>, AdminError> {
        let key = self.store.key(record.id, &record.certificate).await?;
        let Some(key) = key.filter(|key| key.wrapped_secret.is_none()) else { return Ok(None) };
        Ok(Some(self.certificates.parsed(&key.fingerprint.0, &key.certificate)?))
    }

    /// Parses a certificate where it may take its time.
    pub(in crate::flow) async fn read_certificate(
        &self,
        address: &Address,
        file: Vec<u8>,
    ) -> Result<import::Imported, AdminError> {
        let (address, now) = (address.clone(), self.clock.now());
        threads::blocking(move || import::import(&file, &address, now))
            .await
            .map_err(AdminError::internal)?
            .map_err(|why| AdminError::Certificate { why })
    }
}

pub(in crate::flow) fn chosen(password: &Secret<String>, address: &Address) -> Result<Password, AdminError> {
    let password = Password::parse(password.expose()).map_err(AdminError::Password)?;
    password.refuse_weak().map_err(AdminError::Password)?;
    password.refuse_for(address, None).map_err(AdminError::Password)?;
    Ok(password)
}
