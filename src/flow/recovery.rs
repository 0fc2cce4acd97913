//! The recovery certificate: an offline key of the organisation that opens every account, where it is switched on.
//!
//! R, 32 random bytes, is encrypted to it; the slot wants R and its shred key, so neither disk nor offline key alone
//! opens anything. A slot is made when the account signs in, since only then its MUK is here. Every account is told
//! when the certificate is switched on, changed or off.

use crate::base::address::Address;
use crate::base::base32;
use crate::base::id::MailboxId;
use crate::base::random::bytes;
use crate::base::secret::Key;
use crate::base::secret::Secret;
use crate::base::time::Time;
use crate::flow::Flow;
use crate::flow::accounts::AdminError;
use crate::flow::new_mailbox::sealed_slot;
use crate::flow::notes::Note;
use crate::flow::refusal::TakeError;
use crate::flow::sign_in::Unlocked;
use crate::flow::sign_in::slot_parts;
use crate::openpgp::armor;
use crate::openpgp::certificate::Certificate;
use crate::openpgp::certificate::Unusable;
use crate::openpgp::encrypt;
use crate::openpgp::import;
use crate::openpgp::import::ImportError;
use crate::store::command::Command;
use crate::store::command::Refusal;
use crate::store::command_part::NewSlot;
use crate::store::error::StoreError;
use crate::store::record::Fingerprint;
use crate::store::record::MailboxKind;
use crate::store::record::MailboxRecord;
use crate::store::record::SlotKind;
use crate::store::record::SlotRecord;
use crate::store::record_account::Recovery;
use crate::vault::mailbox_key::MailboxKey;
use crate::vault::slot;
use crate::vault::slot::Opener;
use crate::vault::slot::SlotParts;
use std::sync::Arc;
use std::sync::PoisonError;

/// The largest encrypted R, octets: of several large keys it grows.
const MESSAGE: usize = 4 << 10;

/// A certificate that R is encrypted to.
#[derive(Clone)]
pub struct RecoveryCertificate {
    certificate: Certificate,
    fingerprint: Fingerprint,
}

impl RecoveryCertificate {
    /// From the file that `[accounts] recovery_certificate` names.
    ///
    /// One whose time is over, or has not begun, is taken: what was encrypted to it stays, and a server must not
    /// stay down for it. Nothing new is encrypted to it then.
    pub fn read(file: &[u8], now: Time) -> Result<Self, ImportError> {
        let certificate = import::certificate(file)?;
        match certificate.usable(now) {
            Ok(()) | Err(Unusable::Expired | Unusable::NotYetValid) => {}
            Err(why) => return Err(ImportError::Unusable(why)),
        }
        let fingerprint = Fingerprint(certificate.fingerprint().to_vec());
        Ok(Self { certificate, fingerprint })
    }

    /// Of the certificate.
    pub const fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// Why nothing can be encrypted to it now, if so.
    pub fn trouble(&self, now: Time) -> Option<Unusable> {
        self.certificate.usable(now).err()
    }

    /// When its time is over.
    pub fn expires(&self, now: Time) -> Option<Time> {
        self.certificate.expires(now)
    }
}

/// What the owner of the recovery certificate gets to open an account.
#[derive(Debug)]
pub struct RecoveryMessage {
    /// Of the certificate that it is encrypted to.
    pub certificate: Fingerprint,
    /// When it was made.
    pub made: Time,
    /// Armored. Decrypted it is one line: R in base32.
    pub message: String,
}

/// What an account is told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RecoveryNews {
    /// From now on this certificate opens the account too.
    On(Fingerprint),
    /// From now on another one does.
    Changed(Fingerprint),
    /// Nobody but the owner opens it any more.
    Off,
}

impl Flow {
    /// The encrypted R of an account.
    pub async fn recovery_message(&self, address: &Address) -> Result<RecoveryMessage, AdminError> {
        let record = self.mailbox_at(address, MailboxKind::Account).await?;
        let (_, recovery) = recovery_slot(&record).ok_or_else(|| AdminError::NoRecovery(address.clone()))?;
        let armored = armor::commented(&recovery.message, &format!("recovery of {}", record.address));
        Ok(RecoveryMessage {
            certificate: recovery.certificate.clone(),
            made: recovery.made,
            message: armored.map_err(AdminError::internal)?,
        })
    }

    /// MUK, by R as the decrypted message says it.
    pub(in crate::flow) async fn recovered(
        &self,
        record: &MailboxRecord,
        code: &Secret<String>,
    ) -> Result<MailboxKey, AdminError> {
        let found = recovery_slot(record);
        let (slot, recovery) = found.ok_or_else(|| AdminError::NoRecovery(record.address.clone()))?;
        let secret = base32::read::<32>(code.expose()).map(Key::new).ok_or(AdminError::WrongRecoveryCode)?;
        let shred = self.store.shred_key(slot.shred).await?.ok_or(AdminError::Changed)?;
        let parts = slot_parts(record.id, slot).ok_or(AdminError::WrongRecoveryCode)?;
        let opener = Opener::Recovery { secret: &secret, fingerprint: &recovery.certificate.0 };
        slot::open(&parts, opener, &self.keys.pepper, &shred, &slot.sealed)
            .map_err(|_| AdminError::WrongRecoveryCode)
    }

    /// Makes the slot of the recovery certificate for an account that has just signed in, if it has none yet.
    ///
    /// Its failure never fails a sign-in: the next one tries again.
    pub(in crate::flow) async fn keep_recovery(&self, record: &MailboxRecord, who: &Unlocked) {
        let Some(certificate) = self.recovery() else { return };
        let has = |recovery: &Recovery| recovery.certificate == *certificate.fingerprint();
        if record.kind != MailboxKind::Account || recovery_slot(record).is_some_and(|(_, of)| has(of)) {
            return;
        }
        let put = match self.new_recovery(record.id, &certificate, &who.key) {
            Ok(slot) => Command::PutRecovery { account: record.id, generation: record.generation, slot },
            Err(why) => return tracing::error!(%why, "no recovery slot was made"),
        };
        match self.store.commit(vec![put]).await {
            Ok(_) => tracing::info!(mailbox = %record.id, "recovery slot made"),
            Err(StoreError::Refused { .. }) => {}
            Err(why) => tracing::error!(%why, "no recovery slot was made"),
        }
    }

    fn new_recovery(
        &self,
        mailbox: MailboxId,
        certificate: &RecoveryCertificate,
        muk: &MailboxKey,
    ) -> Result<NewSlot, AdminError> {
        let (random, now) = (&*self.random, self.clock.now());
        let secret = Key::new(bytes(random));
        let mut line = base32::grouped(secret.expose());
        line.push('\n');
        let line = Secret::new(line);
        let message = encrypt::encrypt_bytes(&[&certificate.certificate], line.expose().as_bytes(), now);
        let message = message.map_err(AdminError::internal)?.into_inner();
        if message.len() > MESSAGE {
            return Err(AdminError::internal("the recovery certificate has too many large keys"));
        }
        let opener = Opener::Recovery { secret: &secret, fingerprint: &certificate.fingerprint.0 };
        let made = sealed_slot(SlotParts::recovery(mailbox, random), opener, muk, &self.keys, random);
        let recovery = Recovery { certificate: certificate.fingerprint.clone(), message, made: now };
        Ok(NewSlot { recovery: Some(recovery), ..made.map_err(AdminError::internal)? })
    }

    /// Tells every account that was told something else what the recovery certificate is now; where it is off, the
    /// slots go, also of what resets have shut. Answers with the accounts that were told.
    pub async fn tell_recovery(&self) -> Result<u64, AdminError> {
        let now = self.recovery().map(|certificate| certificate.fingerprint().clone());
        let mut told = 0;
        for record in self.all_mailboxes(MailboxKind::Account).await? {
            let was = record.account.as_ref().and_then(|part| part.told_recovery.clone());
            if was == now && (now.is_some() || !holds_recovery(&record)) {
                continue;
            }
            let noted = Command::NoteRecovery { account: record.id, was: was.clone(), now: now.clone() };
            let mut commands = vec![noted];
            if let Some(news) = news(was.as_ref(), now.as_ref()) {
                commands.extend(self.note(record.id, Note::Recovery(news)).await.map_err(untold)?);
            }
            match self.commit_taking(commands).await {
                Ok(_) => told += 1,
                // No room for the note: the slot goes all the same.
                Err(TakeError::Store(StoreError::Refused { why: Refusal::OverQuota, .. }))
                    if now.is_none() =>
                {
                    let noted = Command::NoteRecovery { account: record.id, was, now: None };
                    self.store.commit(vec![noted]).await?;
                }
                // It changed in between: the next round tells it.
                Err(TakeError::Store(StoreError::Refused { .. })) => {}
                Err(error) => return Err(untold(error)),
            }
        }
        Ok(told)
    }

    /// The recovery certificate now in force.
    pub fn recovery(&self) -> Option<Arc<RecoveryCertificate>> {
        self.recovery.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts another one in force, or none.
    pub fn set_recovery(&self, certificate: Option<RecoveryCertificate>) {
        *self.recovery.write().unwrap_or_else(PoisonError::into_inner) = certificate.map(Arc::new);
    }
}

/// The slot of the recovery certificate, if the account has one.
pub fn recovery_slot(record: &MailboxRecord) -> Option<(&SlotRecord, &Recovery)> {
    let slot = record.slots.iter().find(|slot| slot.kind == SlotKind::Recovery)?;
    Some((slot, slot.recovery.as_ref()?))
}

/// Whether a recovery certificate opens anything of the account, what resets have shut included.
fn holds_recovery(record: &MailboxRecord) -> bool {
    record.all_slots().any(|slot| slot.kind == SlotKind::Recovery)
}

fn news(was: Option<&Fingerprint>, now: Option<&Fingerprint>) -> Option<RecoveryNews> {
    match (was, now) {
        (None, None) => None,
        (None, Some(now)) => Some(RecoveryNews::On(now.clone())),
        (Some(was), Some(now)) => (was != now).then(|| RecoveryNews::Changed(now.clone())),
        (Some(_), None) => Some(RecoveryNews::Off),
    }
}

fn untold(error: TakeError) -> AdminError {
    match error {
        TakeError::Store(error) => AdminError::Store(error),
        error => AdminError::internal(error),
    }
}
