//! The store: what Guardpost knows, on disk, sealed, synced before anybody is told.
//!
//! The seam speaks mail, not keys and bytes, so that another engine can stand behind it. One conformance
//! suite runs against every engine.
//!
//! The files are named by what they do and for what: a `command` changes a `record_*` by the rules in `change_*`, which are
//! pure; `deed_*` does that on disk, `model_*` in memory, and `conformance_*` holds one against the other. The topics are
//! the account, the alias, the life of mailboxes, messages, the queue, and what is stored of others.

pub mod body;
mod change;
mod change_account;
mod change_alias;
mod change_life;
mod change_message;
mod change_queue;
mod change_stored;
mod codec;
pub mod command;
pub mod command_part;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod conformance_account;
#[cfg(test)]
mod conformance_alias;
#[cfg(test)]
mod conformance_folders;
#[cfg(test)]
mod conformance_life;
#[cfg(test)]
mod conformance_message;
#[cfg(test)]
mod conformance_network;
#[cfg(test)]
mod conformance_queue;
#[cfg(test)]
mod conformance_stored;
#[cfg(test)]
mod crash;
mod deed_account;
mod deed_alias;
mod deed_life;
mod deed_mailbox;
mod deed_message;
mod deed_queue;
mod digest;
mod disk;
mod draft;
pub mod engine;
mod engine_read;
pub mod error;
#[cfg(test)]
mod faults;
mod kept;
mod key;
pub mod model;
mod model_life;
mod model_mailbox;
mod model_message;
mod model_queue;
mod model_state;
mod model_stored;
mod outcome;
pub mod place;
mod poison;
#[cfg(test)]
mod races;
#[cfg(test)]
mod random;
#[cfg(test)]
mod random_command;
pub mod record;
pub mod record_account;
pub mod record_life;
pub mod record_queue;
pub mod record_stored;
mod remover;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod rows_agree;
#[cfg(test)]
pub(crate) mod sample;
mod shred;
pub mod spool;
mod watchers;
mod writer;

use crate::base::address::AddressKey;
use crate::base::address::Domain;
use crate::base::id::InvitationId;
use crate::base::id::MailboxId;
use crate::base::id::QueueId;
use crate::base::secret::Key;
use crate::base::time::Time;
use crate::store::body::Bodies;
use crate::store::command::Command;
use crate::store::command::Outcome;
use crate::store::engine::Engine;
use crate::store::engine::Options;
use crate::store::error::StoreError;
use crate::store::record::Fingerprint;
use crate::store::record::Folder;
use crate::store::record::FolderRecord;
use crate::store::record::InvitationRecord;
use crate::store::record::KeyRecord;
use crate::store::record::MailboxRecord;
use crate::store::record::Message;
use crate::store::record::ShredRef;
use crate::store::record::SigningKey;
use crate::store::record::Uid;
use crate::store::record_account::RefusedRecord;
use crate::store::record_life::LifeClock;
use crate::store::record_queue::QueueRecord;
use crate::store::record_queue::QueuedRecipient;
use crate::store::record_stored::CertificateRecord;
use crate::store::record_stored::StoredCertificate;
use crate::store::record_stored::StoredCertificates;
use crate::store::record_stored::StsRecord;
use crate::vault::keyring::Keys;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What every question to the store answers with.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// An engine. Pages hold at most [`PAGE`] entries; there is no open cursor.
pub trait Store: Send + Sync {
    /// Carries out `commands` atomically, in order; when it returns they are on disk, synced.
    ///
    /// One outcome a command. If any precondition fails nothing of the list happens:
    /// [`StoreError::Refused`] names the command by its index.
    ///
    /// Body files of a list that was refused are still the caller's: [`Bodies::unlink`]. Once a list is carried out
    /// they are the store's, which removes each after the last record that names it. When room on the disk is short
    /// ([`Health`]) lists with new mail, later all but [`Command::Settle`] and [`Command::Release`], are refused with
    /// [`StoreError::DiskLow`]. After any error of the disk everything is refused until a restart.
    ///
    /// A reading may show a commit a few milliseconds before it is answered; [`Store::watch`] never does.
    fn commit(&self, commands: Vec<Command>) -> Answer<'_, Vec<Outcome>>;

    /// The mailbox that an address has now.
    fn mailbox_of(&self, address: &AddressKey) -> Answer<'_, Option<MailboxId>>;
    /// The mailbox that an address had before the one it has now, or before the one that has gone since: it can
    /// still be opened, by its own password or invitation.
    fn mailbox_former(&self, address: &AddressKey) -> Answer<'_, Option<MailboxId>>;
    /// A mailbox's record.
    fn mailbox(&self, mailbox: MailboxId) -> Answer<'_, Option<Arc<MailboxRecord>>>;
    /// A page of mailboxes in id order, behind `after`.
    fn mailboxes(&self, after: Option<MailboxId>, limit: usize) -> Answer<'_, Vec<Arc<MailboxRecord>>>;
    /// One of the mailbox's OpenPGP keys.
    fn key(&self, mailbox: MailboxId, fingerprint: &Fingerprint) -> Answer<'_, Option<Arc<KeyRecord>>>;

    /// The folders of a mailbox.
    fn folders(&self, mailbox: MailboxId) -> Answer<'_, Vec<FolderRecord>>;
    /// A page of messages with their flags, UID above `after`, ascending.
    fn messages(
        &self,
        mailbox: MailboxId,
        folder: Folder,
        after: Uid,
        limit: usize,
    ) -> Answer<'_, Vec<Message>>;
    /// One message.
    fn message(&self, mailbox: MailboxId, folder: Folder, uid: Uid) -> Answer<'_, Option<Message>>;
    /// A page of summaries, UID above `after`, ascending; ciphertext as it was put.
    fn summaries(
        &self,
        mailbox: MailboxId,
        folder: Folder,
        after: Uid,
        limit: usize,
    ) -> Answer<'_, Vec<(Uid, Vec<u8>)>>;
    /// Whether this account sent or received a message of this Message-ID digest encrypted.
    fn conversation(&self, account: MailboxId, digest: &[u8; 32]) -> Answer<'_, bool>;

    /// An invitation, or the trace that one left.
    fn invitation(&self, invitation: InvitationId) -> Answer<'_, Option<InvitationRecord>>;
    /// What an account's vault holds for a temporary mailbox: sealed under the account's MUK.
    fn vault_entry(&self, account: MailboxId, mailbox: MailboxId) -> Answer<'_, Option<Vec<u8>>>;
    /// A shred key; `None` when it was destroyed.
    fn shred_key(&self, shred: ShredRef) -> Answer<'_, Option<Key>>;

    /// What an account's secure alias has refused and the account was not told of yet.
    fn refused(&self, account: MailboxId) -> Answer<'_, Option<RefusedRecord>>;

    /// The clock of mailboxes' lives; `None` before its first tick.
    fn life_clock(&self) -> Answer<'_, Option<LifeClock>>;

    /// The certificate on file for an outside address.
    fn certificate(&self, address: &AddressKey) -> Answer<'_, Option<Arc<CertificateRecord>>>;
    /// A page of certificates, in the order of an opaque cursor.
    fn certificates(
        &self,
        after: Option<[u8; 32]>,
        limit: usize,
    ) -> Answer<'_, Vec<([u8; 32], Arc<CertificateRecord>)>>;

    /// What a destination's certificate is compared with.
    fn stored_certificates(&self, domain: &Domain) -> Answer<'_, Vec<StoredCertificate>>;
    /// A page of destinations with stored certificates, in the order of an opaque cursor.
    fn destinations(
        &self,
        after: Option<[u8; 32]>,
        limit: usize,
    ) -> Answer<'_, Vec<([u8; 32], StoredCertificates)>>;

    /// What a domain said by MTA-STS, whether it still counts or not.
    fn sts(&self, domain: &Domain) -> Answer<'_, Option<StsRecord>>;
    /// A page of them, in the order of an opaque cursor.
    fn all_sts(&self, after: Option<[u8; 32]>, limit: usize) -> Answer<'_, Vec<([u8; 32], StsRecord)>>;

    /// A queued message.
    fn queued(&self, queue: QueueId) -> Answer<'_, Option<Arc<QueueRecord>>>;
    /// Its recipients, those that are done included.
    fn queued_recipients(&self, queue: QueueId) -> Answer<'_, Vec<QueuedRecipient>>;
    /// A page of queued messages in id order.
    fn queue(&self, after: Option<QueueId>, limit: usize) -> Answer<'_, Vec<Arc<QueueRecord>>>;
    /// When the next recipient is due, if any waits that is not leased when the running clock says this.
    fn next_due(&self, running: Duration) -> Answer<'_, Option<Time>>;

    /// The keys that sign for a domain, the current ones first.
    fn signing_keys(&self, domain: &Domain) -> Answer<'_, Vec<SigningKey>>;

    /// A counter that moves after every durable change of the mailbox; `u64::MAX` once it is gone or closed.
    fn watch(&self, mailbox: MailboxId) -> watch::Receiver<u64>;
    /// The bodies: files beside the records.
    fn bodies(&self) -> &Bodies;
    /// How it is.
    fn health(&self) -> Health;
    /// What is free on its disk, as it was a moment ago, octets; `u64::MAX` where that is not known.
    fn free_disk(&self) -> u64;
}

/// Opens the store in the data directory `dir`, or makes it. Blocking; what it answers with is the engine on
/// disk.
pub fn open(dir: &Path, keys: &Keys, options: Options) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(Engine::open(dir, keys, options)?))
}

/// The largest page of any listing.
pub const PAGE: usize = 1_000;

/// How the store is: what it can still take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Health {
    /// Everything.
    Good,
    /// Free disk is below the mark for new mail: flags and sign-ins still work.
    NoNewMail,
    /// Free disk is below 256 MiB.
    ReadOnly,
    /// An error was seen; nothing is written any more until a restart.
    Poisoned,
}
