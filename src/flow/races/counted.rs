//! A store that counts how often a precondition refused.

use crate::base::address::AddressKey;
use crate::base::address::Domain;
use crate::base::id::InvitationId;
use crate::base::id::MailboxId;
use crate::base::id::QueueId;
use crate::base::secret::Key;
use crate::base::time::Time;
use crate::store::Answer;
use crate::store::Health;
use crate::store::Store;
use crate::store::body::Bodies;
use crate::store::command::Command;
use crate::store::command::Outcome;
use crate::store::engine::Engine;
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
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::watch;

/// The engine on disk, watched.
pub(super) struct Counted {
    engine: Engine,
    refused: AtomicU64,
}

impl Counted {
    pub(super) fn new(engine: Engine) -> Self {
        Self { engine, refused: AtomicU64::new(0) }
    }

    /// Commits that a precondition refused.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::SeqCst)
    }
}

impl Store for Counted {
    fn commit(&self, commands: Vec<Command>) -> Answer<'_, Vec<Outcome>> {
        Box::pin(async move {
            let result = self.engine.commit(commands).await;
            if matches!(result, Err(StoreError::Refused { .. })) {
                self.refused.fetch_add(1, Ordering::SeqCst);
            }
            result
        })
    }

    fn refused(&self, account: MailboxId) -> Answer<'_, Option<RefusedRecord>> {
        self.engine.refused(account)
    }

    fn mailbox_of(&self, address: &AddressKey) -> Answer<'_, Option<MailboxId>> {
        self.engine.mailbox_of(address)
    }

    fn mailbox_former(&self, address: &AddressKey) -> Answer<'_, Option<MailboxId>> {
        self.engine.mailbox_former(address)
    }

    fn mailbox(&self, mailbox: MailboxId) -> Answer<'_, Option<Arc<MailboxRecord>>> {
        self.engine.mailbox(mailbox)
    }

    fn mailboxes(&self, after: Option<MailboxId>, limit: usize) -> Answer<'_, Vec<Arc<MailboxRecord>>> {
        self.engine.mailboxes(after, limit)
    }

    fn key(&self, mailbox: MailboxId, fingerprint: &Fingerprint) -> Answer<'_, Option<Arc<KeyRecord>>> {
        self.engine.key(mailbox, fingerprint)
    }

    fn folders(&self, mailbox: MailboxId) -> Answer<'_, Vec<FolderRecord>> {
        self.engine.folders(mailbox)
    }

    fn messages(
        &self,
        mailbox: MailboxId,
        folder: Folder,
        after: Uid,
        limit: usize,
    ) -> Answer<'_, Vec<Message>> {
        self.engine.messages(mailbox, folder, after, limit)
    }

    fn message(&self, mailbox: MailboxId, folder: Folder, uid: Uid) -> Answer<'_, Option<Message>> {
        self.engine.message(mailbox, folder, uid)
    }

    fn summaries(
        &self,
        mailbox: MailboxId,
        folder: Folder,
        after: Uid,
        limit: usize,
    ) -> Answer<'_, Vec<(Uid, Vec<u8>)>> {
        self.engine.summaries(mailbox, folder, after, limit)
    }

    fn conversation(&self, account: MailboxId, digest: &[u8; 32]) -> Answer<'_, bool> {
        self.engine.conversation(account, digest)
    }

    fn invitation(&self, invitation: InvitationId) -> Answer<'_, Option<InvitationRecord>> {
        self.engine.invitation(invitation)
    }

    fn vault_entry(&self, account: MailboxId, mailbox: MailboxId) -> Answer<'_, Option<Vec<u8>>> {
        self.engine.vault_entry(account, mailbox)
    }

    fn shred_key(&self, shred: ShredRef) -> Answer<'_, Option<Key>> {
        self.engine.shred_key(shred)
    }

    fn life_clock(&self) -> Answer<'_, Option<LifeClock>> {
        self.engine.life_clock()
    }

    fn certificate(&self, address: &AddressKey) -> Answer<'_, Option<Arc<CertificateRecord>>> {
        self.engine.certificate(address)
    }

    fn certificates(
        &self,
        after: Option<[u8; 32]>,
        limit: usize,
    ) -> Answer<'_, Vec<([u8; 32], Arc<CertificateRecord>)>> {
        self.engine.certificates(after, limit)
    }

    fn stored_certificates(&self, domain: &Domain) -> Answer<'_, Vec<StoredCertificate>> {
        self.engine.stored_certificates(domain)
    }

    fn destinations(
        &self,
        after: Option<[u8; 32]>,
        limit: usize,
    ) -> Answer<'_, Vec<([u8; 32], StoredCertificates)>> {
        self.engine.destinations(after, limit)
    }

    fn sts(&self, domain: &Domain) -> Answer<'_, Option<StsRecord>> {
        self.engine.sts(domain)
    }

    fn all_sts(&self, after: Option<[u8; 32]>, limit: usize) -> Answer<'_, Vec<([u8; 32], StsRecord)>> {
        self.engine.all_sts(after, limit)
    }

    fn queued(&self, queue: QueueId) -> Answer<'_, Option<Arc<QueueRecord>>> {
        self.engine.queued(queue)
    }

    fn queued_recipients(&self, queue: QueueId) -> Answer<'_, Vec<QueuedRecipient>> {
        self.engine.queued_recipients(queue)
    }

    fn queue(&self, after: Option<QueueId>, limit: usize) -> Answer<'_, Vec<Arc<QueueRecord>>> {
        self.engine.queue(after, limit)
    }

    fn next_due(&self, running: Duration) -> Answer<'_, Option<Time>> {
        self.engine.next_due(running)
    }

    fn signing_keys(&self, domain: &Domain) -> Answer<'_, Vec<SigningKey>> {
        self.engine.signing_keys(domain)
    }

    fn watch(&self, mailbox: MailboxId) -> watch::Receiver<u64> {
        self.engine.watch(mailbox)
    }

    fn bodies(&self) -> &Bodies {
        self.engine.bodies()
    }

    fn health(&self) -> Health {
        self.engine.health()
    }

    fn free_disk(&self) -> u64 {
        self.engine.free_disk()
    }
}
