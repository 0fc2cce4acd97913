//! What the store on disk answers: lists of commands go to the writer, readings to the rows.

use crate::base::address::AddressKey;
use crate::base::address::Domain;
use crate::base::id::InvitationId;
use crate::base::id::MailboxId;
use crate::base::id::QueueId;
use crate::base::secret::Key;
use crate::base::time::Time;
use crate::store::Answer;
use crate::store::Health;
use crate::store::PAGE;
use crate::store::Store;
use crate::store::body::Bodies;
use crate::store::change;
use crate::store::codec::CertificateRow;
use crate::store::codec::KeyRow;
use crate::store::codec::Octets;
use crate::store::codec::SigningRow;
use crate::store::codec::StsRow;
use crate::store::command::Command;
use crate::store::command::Outcome;
use crate::store::deed_life;
use crate::store::deed_mailbox;
use crate::store::deed_queue;
use crate::store::disk::Disk;
use crate::store::disk::Source;
use crate::store::draft::unspill;
use crate::store::engine::Engine;
use crate::store::engine::Shared;
use crate::store::error::StoreError;
use crate::store::key;
use crate::store::record::Fingerprint;
use crate::store::record::Flags;
use crate::store::record::Folder;
use crate::store::record::FolderRecord;
use crate::store::record::InvitationRecord;
use crate::store::record::KeyRecord;
use crate::store::record::MailboxRecord;
use crate::store::record::Message;
use crate::store::record::MessageRecord;
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
use crate::store::writer::Request;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::sync::watch;

impl Store for Engine {
    fn commit(&self, commands: Vec<Command>) -> Answer<'_, Vec<Outcome>> {
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            let requests = self.requests.as_ref().ok_or(StoreError::Poisoned)?;
            requests.send(Request { commands, answer }).await.map_err(|_| StoreError::Poisoned)?;
            answered.await.map_err(|_| StoreError::Poisoned)?
        })
    }

    fn mailbox_of(&self, address: &AddressKey) -> Answer<'_, Option<MailboxId>> {
        self.now(|shared| shared.disk.row(&deed_mailbox::address(shared.disk.index(), address)))
    }

    fn mailbox_former(&self, address: &AddressKey) -> Answer<'_, Option<MailboxId>> {
        self.now(|shared| shared.disk.row(&deed_life::former(shared.disk.index(), address)))
    }

    fn mailbox(&self, mailbox: MailboxId) -> Answer<'_, Option<Arc<MailboxRecord>>> {
        self.now(|shared| Ok(shared.disk.row(&key::mailbox(mailbox))?.map(Arc::new)))
    }

    fn mailboxes(&self, after: Option<MailboxId>, limit: usize) -> Answer<'_, Vec<Arc<MailboxRecord>>> {
        self.aside(move |shared| {
            let after = after.map(key::mailbox);
            let page = shared.disk.rows(&[key::MAILBOX], after.as_deref(), limit.min(PAGE))?;
            Ok(page.into_iter().map(|(_, record)| Arc::new(record)).collect())
        })
    }

    fn key(&self, mailbox: MailboxId, fingerprint: &Fingerprint) -> Answer<'_, Option<Arc<KeyRecord>>> {
        self.now(|shared| {
            let Some(row) = shared.disk.row::<KeyRow>(&key::key(mailbox, fingerprint))? else {
                return Ok(None);
            };
            let whole = |body| unspill(&shared.disk, &shared.bodies, body);
            Ok(Some(Arc::new(KeyRecord {
                fingerprint: row.fingerprint,
                certificate: whole(row.certificate)?,
                wrapped_secret: row.wrapped_secret.map(whole).transpose()?,
                created: row.created,
            })))
        })
    }

    fn folders(&self, mailbox: MailboxId) -> Answer<'_, Vec<FolderRecord>> {
        self.now(|shared| {
            let page = shared.disk.rows(&key::of(key::FOLDER, mailbox), None, usize::MAX)?;
            Ok(page.into_iter().map(|(_, folder)| folder).collect())
        })
    }

    fn messages(
        &self,
        mailbox: MailboxId,
        folder: Folder,
        after: Uid,
        limit: usize,
    ) -> Answer<'_, Vec<Message>> {
        self.aside(move |shared| messages(&shared.disk, mailbox, folder, after, limit.min(PAGE)))
    }

    fn message(&self, mailbox: MailboxId, folder: Folder, uid: Uid) -> Answer<'_, Option<Message>> {
        self.now(|shared| {
            let _still = shared.disk.still();
            if !shared.disk.holds(&key::folder(mailbox, folder))? {
                return Ok(None);
            }
            let at = |table| key::message(table, mailbox, folder, uid);
            let record: Option<MessageRecord> = shared.disk.row(&at(key::MESSAGE))?;
            let Some(record) = record else { return Ok(None) };
            let flags = shared.disk.row(&at(key::FLAGS))?.unwrap_or_default();
            Ok(Some(Message { uid, record, flags }))
        })
    }

    fn summaries(
        &self,
        mailbox: MailboxId,
        folder: Folder,
        after: Uid,
        limit: usize,
    ) -> Answer<'_, Vec<(Uid, Vec<u8>)>> {
        self.aside(move |shared| {
            let _still = shared.disk.still();
            if !shared.disk.holds(&key::folder(mailbox, folder))? {
                return Ok(Vec::new());
            }
            let prefix = key::inside(key::SUMMARY, mailbox, folder);
            let after = key::message(key::SUMMARY, mailbox, folder, after);
            let page = shared.disk.rows::<Octets>(&prefix, Some(&after), limit.min(PAGE))?;
            Ok(page.into_iter().filter_map(|(at, summary)| Some((key::uid(&at)?, summary.0))).collect())
        })
    }

    fn conversation(&self, account: MailboxId, digest: &[u8; 32]) -> Answer<'_, bool> {
        self.now(|shared| {
            let _still = shared.disk.still();
            Ok(shared.disk.holds(&key::mailbox(account))?
                && shared.disk.holds(&key::conversation(account, digest))?)
        })
    }

    fn invitation(&self, invitation: InvitationId) -> Answer<'_, Option<InvitationRecord>> {
        self.now(|shared| shared.disk.row(&key::invitation(invitation)))
    }

    fn vault_entry(&self, account: MailboxId, mailbox: MailboxId) -> Answer<'_, Option<Vec<u8>>> {
        self.now(|shared| {
            let entry = shared.disk.row::<Octets>(&key::vault(account, mailbox))?;
            Ok(entry.map(|entry| entry.0))
        })
    }

    fn shred_key(&self, shred: ShredRef) -> Answer<'_, Option<Key>> {
        self.now(|shared| shared.shreds.key(shred))
    }

    fn refused(&self, account: MailboxId) -> Answer<'_, Option<RefusedRecord>> {
        self.now(|shared| shared.disk.row(&key::of(key::REFUSED, account)))
    }

    fn life_clock(&self) -> Answer<'_, Option<LifeClock>> {
        self.now(|shared| shared.disk.row(&key::LIFE_CLOCK))
    }

    fn certificate(&self, address: &AddressKey) -> Answer<'_, Option<Arc<CertificateRecord>>> {
        self.now(|shared| {
            let at = deed_mailbox::certificate(shared.disk.index(), address);
            let row = shared.disk.row::<CertificateRow>(&at)?;
            row.map(|row| certificate(shared, row)).transpose()
        })
    }

    fn certificates(
        &self,
        after: Option<[u8; 32]>,
        limit: usize,
    ) -> Answer<'_, Vec<([u8; 32], Arc<CertificateRecord>)>> {
        self.aside(move |shared| {
            let after = after.map(|after| key::join(key::CERTIFICATE, &[&after]));
            let page = shared.disk.rows(&[key::CERTIFICATE], after.as_deref(), limit.min(PAGE))?;
            let mut records = Vec::with_capacity(page.len());
            for (at, row) in page {
                let at = at.get(1..).and_then(|at| at.try_into().ok());
                let at = at.ok_or(StoreError::Damaged { what: "a key of a certificate" })?;
                records.push((at, certificate(shared, row)?));
            }
            Ok(records)
        })
    }

    fn stored_certificates(&self, domain: &Domain) -> Answer<'_, Vec<StoredCertificate>> {
        self.now(|shared| {
            let at = deed_mailbox::stored(shared.disk.index(), domain.as_str());
            let row = shared.disk.row::<StoredCertificates>(&at)?;
            Ok(row.map(|row| row.held).unwrap_or_default())
        })
    }

    fn destinations(
        &self,
        after: Option<[u8; 32]>,
        limit: usize,
    ) -> Answer<'_, Vec<([u8; 32], StoredCertificates)>> {
        self.aside(move |shared| {
            let after = after.map(|after| key::join(key::STORED, &[&after]));
            let page = shared.disk.rows(&[key::STORED], after.as_deref(), limit.min(PAGE))?;
            let mut found = Vec::with_capacity(page.len());
            for (at, row) in page {
                let at = at.get(1..).and_then(|at| at.try_into().ok());
                found.push((at.ok_or(StoreError::Damaged { what: "a key of a destination" })?, row));
            }
            Ok(found)
        })
    }

    fn sts(&self, domain: &Domain) -> Answer<'_, Option<StsRecord>> {
        self.now(|shared| {
            let at = deed_mailbox::sts(shared.disk.index(), domain.as_str());
            shared.disk.row::<StsRow>(&at)?.map(|row| sts(shared, row)).transpose()
        })
    }

    fn all_sts(&self, after: Option<[u8; 32]>, limit: usize) -> Answer<'_, Vec<([u8; 32], StsRecord)>> {
        self.aside(move |shared| {
            let after = after.map(|after| key::join(key::STS, &[&after]));
            let page = shared.disk.rows(&[key::STS], after.as_deref(), limit.min(PAGE))?;
            let mut found = Vec::with_capacity(page.len());
            for (at, row) in page {
                let at = at.get(1..).and_then(|at| at.try_into().ok());
                let at = at.ok_or(StoreError::Damaged { what: "a key of an MTA-STS policy" })?;
                found.push((at, sts(shared, row)?));
            }
            Ok(found)
        })
    }

    fn queued(&self, queue: QueueId) -> Answer<'_, Option<Arc<QueueRecord>>> {
        self.now(|shared| Ok(shared.disk.row(&key::queue(key::QUEUE, queue))?.map(Arc::new)))
    }

    fn queued_recipients(&self, queue: QueueId) -> Answer<'_, Vec<QueuedRecipient>> {
        self.now(|shared| {
            let page = shared.disk.rows(&key::queue(key::RECIPIENT, queue), None, usize::MAX)?;
            let leases = shared.leases.read().unwrap_or_else(PoisonError::into_inner);
            Ok(page.into_iter().map(|(_, recipient)| deed_queue::with_lease(recipient, &leases)).collect())
        })
    }

    fn queue(&self, after: Option<QueueId>, limit: usize) -> Answer<'_, Vec<Arc<QueueRecord>>> {
        self.aside(move |shared| {
            let after = after.map(|after| key::queue(key::QUEUE, after));
            let page = shared.disk.rows(&[key::QUEUE], after.as_deref(), limit.min(PAGE))?;
            Ok(page.into_iter().map(|(_, record)| Arc::new(record)).collect())
        })
    }

    fn next_due(&self, running: Duration) -> Answer<'_, Option<Time>> {
        self.now(move |shared| {
            let leases = shared.leases.read().unwrap_or_else(PoisonError::into_inner);
            deed_queue::next_due(&shared.disk, &leases, running)
        })
    }

    fn signing_keys(&self, domain: &Domain) -> Answer<'_, Vec<SigningKey>> {
        self.now(|shared| {
            let prefix = deed_mailbox::signing(shared.disk.index(), domain.as_str());
            let page = shared.disk.rows::<SigningRow>(&prefix, None, usize::MAX)?;
            let mut keys: Vec<SigningKey> = page.into_iter().map(|(_, row)| row.into()).collect();
            keys.sort_by(change::newest_first);
            Ok(keys)
        })
    }

    fn watch(&self, mailbox: MailboxId) -> watch::Receiver<u64> {
        let watch = self.shared.watchers.watch(mailbox, false);
        let record: Result<Option<MailboxRecord>, StoreError> = self.shared.disk.row(&key::mailbox(mailbox));
        match record {
            Ok(record) if record.as_ref().is_none_or(change::is_closed) => {
                self.shared.watchers.watch(mailbox, true)
            }
            Ok(_) | Err(_) => watch,
        }
    }

    fn bodies(&self) -> &Bodies {
        &self.shared.bodies
    }

    fn health(&self) -> Health {
        self.shared.health()
    }

    fn free_disk(&self) -> u64 {
        self.shared.free.load(Ordering::Relaxed)
    }
}

fn certificate(shared: &Shared, row: CertificateRow) -> Result<Arc<CertificateRecord>, StoreError> {
    Ok(Arc::new(CertificateRecord {
        address: row.address,
        fingerprint: row.fingerprint,
        certificate: unspill(&shared.disk, &shared.bodies, row.certificate)?,
        imported: row.imported,
        chosen_by: row.chosen_by,
    }))
}

fn sts(shared: &Shared, row: StsRow) -> Result<StsRecord, StoreError> {
    let StsRow { domain, id, policy, fetched, until, used, long } = row;
    let policy = match long {
        None => policy,
        Some(file) => String::from_utf8(unspill(&shared.disk, &shared.bodies, file)?)
            .map_err(|_| StoreError::Damaged { what: "an MTA-STS policy" })?,
    };
    Ok(StsRecord { domain, id, policy, fetched, until, used })
}

/// A page of messages, joined with their flags.
fn messages(
    disk: &Disk,
    mailbox: MailboxId,
    folder: Folder,
    after: Uid,
    limit: usize,
) -> Result<Vec<Message>, StoreError> {
    let _still = disk.still();
    if !disk.holds(&key::folder(mailbox, folder))? {
        return Ok(Vec::new());
    }
    let prefix = key::inside(key::MESSAGE, mailbox, folder);
    let from = key::message(key::MESSAGE, mailbox, folder, after);
    let records: Vec<(Vec<u8>, MessageRecord)> = disk.rows(&prefix, Some(&from), limit)?;
    let prefix = key::inside(key::FLAGS, mailbox, folder);
    let from = key::message(key::FLAGS, mailbox, folder, after);
    let flags: Vec<(Vec<u8>, Flags)> = disk.rows(&prefix, Some(&from), limit)?;
    let mut flags: HashMap<Uid, Flags> =
        flags.into_iter().filter_map(|(at, flags)| Some((key::uid(&at)?, flags))).collect();
    let message = |(at, record): (Vec<u8>, MessageRecord)| {
        let uid = key::uid(&at)?;
        Some(Message { uid, record, flags: flags.remove(&uid).unwrap_or_default() })
    };
    Ok(records.into_iter().filter_map(message).collect())
}
