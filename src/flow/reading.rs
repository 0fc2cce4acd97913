//! Reading: ciphertext from the store becomes a message, whole and proven, or nothing.

use crate::base::limits;
use crate::flow::Flow;
use crate::flow::sealing::Interrupted;
use crate::flow::sealing::blocking;
use crate::flow::sign_in::Unlocked;
use crate::mime::header::Header;
use crate::mime::scan::Limits;
use crate::mime::scan::Scanner;
use crate::mime::structure::Structure;
use crate::mime::summary::Summary;
use crate::openpgp::decrypt;
use crate::openpgp::decrypt::DecryptError;
use crate::openpgp::secret_key::SecretKey;
use crate::store::PAGE;
use crate::store::body::BodyReader;
use crate::store::command::Command;
use crate::store::error::StoreError;
use crate::store::record::Fingerprint;
use crate::store::record::Flags;
use crate::store::record::Folder;
use crate::store::record::Message;
use crate::store::record::MessageRecord;
use crate::store::record::Uid;
use crate::store::spool::Spool;
use crate::store::spool::Spooled;
use crate::vault::mailbox_key::MailboxKey;
use crate::vault::primitives::sha256;
use std::io;
use std::io::Write;
use std::sync::Arc;
use thiserror::Error;

/// A message as its owner reads it.
pub struct Plain {
    /// Its number.
    pub uid: Uid,
    /// What the store knows of it.
    pub record: MessageRecord,
    /// Its flags when it was read.
    pub flags: Flags,
    /// Its bytes.
    pub spool: Spooled,
    /// Its parts.
    pub structure: Structure,
}

/// A line of a list.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its number.
    pub uid: Uid,
    /// What the store knows of it.
    pub record: MessageRecord,
    /// Its flags.
    pub flags: Flags,
    /// Its summary; `None` when it cannot be opened.
    pub summary: Option<Arc<Summary>>,
}

/// Why a message cannot be shown.
#[derive(Clone, Debug, Error)]
pub enum ReadError {
    /// Not there, or not there any more.
    #[error("no such message")]
    Gone,
    /// The ciphertext is changed or cut, or its key is not at hand (the account was reset since): nothing of it is
    /// shown.
    #[error("the message is damaged")]
    Damaged,
    /// The disk does not give the ciphertext out now; nothing speaks against its being whole.
    #[error("the message cannot be read from the disk: {0}")]
    Unreadable(#[source] Arc<io::Error>),
    /// No memory for it now.
    #[error("busy")]
    Busy,
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Flow {
    /// One message, decrypted whole; nothing of it is there before its integrity is proven.
    pub async fn read(&self, who: &Unlocked, folder: Folder, uid: Uid) -> Result<Plain, ReadError> {
        let message = self.store.message(who.mailbox, folder, uid).await?.ok_or(ReadError::Gone)?;
        let key = self.secret_key(who, &message.record.certificate).await?;
        let permit = self.plaintext_room(message.record.size).ok_or(ReadError::Busy)?;
        let body = self.store.bodies().open(&message.record.body).map_err(not_opened)?;
        let (spool, length) = (self.spools.begin(), message.record.body.length());
        let (spool, structure) = blocking(move || {
            let plain = decrypt_scanned(&key, body, length, spool)?;
            drop(permit);
            Ok::<_, ReadError>(plain)
        })
        .await?;
        Ok(Plain { uid, record: message.record, flags: message.flags, spool, structure })
    }

    /// A page of a folder with summaries, ascending from the message behind `after`.
    pub async fn list(
        &self,
        who: &Arc<Unlocked>,
        folder: Folder,
        after: Uid,
        limit: usize,
    ) -> Result<Vec<Listed>, ReadError> {
        let limit = limit.min(PAGE);
        let messages = self.store.messages(who.mailbox, folder, after, limit).await?;
        let summaries = self.store.summaries(who.mailbox, folder, after, limit).await?;
        let opened = self.open_summaries(who, folder, &messages, summaries).await?;
        let mut opened = opened.into_iter().peekable();
        Ok(messages
            .into_iter()
            .map(|message| {
                while opened.next_if(|(uid, _)| *uid < message.uid).is_some() {}
                let summary = opened.next_if(|(uid, _)| *uid == message.uid).map(|(_, summary)| summary);
                Listed { uid: message.uid, record: message.record, flags: message.flags, summary }
            })
            .collect())
    }

    /// Opens summaries; those that still lie under the certificate are put under MUK, so that the next list is cheap.
    async fn open_summaries(
        &self,
        who: &Arc<Unlocked>,
        folder: Folder,
        messages: &[Message],
        summaries: Vec<(Uid, Vec<u8>)>,
    ) -> Result<Vec<(Uid, Arc<Summary>)>, ReadError> {
        let mut keys: Vec<(Fingerprint, Arc<SecretKey>)> = Vec::new();
        for message in messages {
            let fingerprint = &message.record.certificate;
            if !keys.iter().any(|(known, _)| known == fingerprint)
                && let Ok(key) = self.secret_key(who, fingerprint).await
            {
                keys.push((fingerprint.clone(), key));
            }
        }
        let ids: Vec<_> = messages
            .iter()
            .map(|message| (message.uid, message.record.id, message.record.certificate.clone()))
            .collect();
        let (random, owner) = (self.random.clone(), who.clone());
        let (opened, renewed) = blocking(move || {
            let sealer = owner.key.summaries(owner.mailbox);
            let former: Vec<_> = owner.former.iter().map(|of| of.key.summaries(owner.mailbox)).collect();
            let mut opened = Vec::with_capacity(summaries.len());
            let mut renewed = Vec::new();
            for (uid, sealed) in summaries {
                let Ok(at) = ids.binary_search_by_key(&uid, |(uid, ..)| *uid) else { continue };
                let Some((_, id, certificate)) = ids.get(at) else { continue };
                let known = std::iter::once(&sealer).chain(&former).find_map(|of| of.open(*id, &sealed).ok());
                if let Some(plain) = known {
                    opened.extend(Summary::read(plain.expose()).ok().map(|summary| (uid, Arc::new(summary))));
                    continue;
                }
                let Some((_, key)) = keys.iter().find(|(known, _)| known == certificate) else { continue };
                let opened_now =
                    decrypt::decrypt_bytes(std::slice::from_ref(key), &sealed, &summary_limits());
                let Ok((plain, _)) = opened_now else { continue };
                let Ok(summary) = Summary::read(&plain) else { continue };
                renewed.push(Command::ReplaceSummary {
                    mailbox: owner.mailbox,
                    folder,
                    uid,
                    old: sha256(&sealed),
                    new: sealer.seal(*id, &plain, &*random),
                });
                opened.push((uid, Arc::new(summary)));
            }
            Ok::<_, ReadError>((opened, renewed))
        })
        .await?;
        self.replace_summaries(renewed).await;
        Ok(opened)
    }

    /// Its failure never fails a reading: the next one tries again.
    async fn replace_summaries(&self, mut renewed: Vec<Command>) {
        while !renewed.is_empty() {
            let rest = renewed.split_off(renewed.len().min(REPLACED_AT_ONCE));
            if let Err(why) = self.store.commit(renewed).await {
                tracing::debug!(%why, "summaries stay as they arrived");
                return;
            }
            renewed = rest;
        }
    }

    /// The secret key for a certificate of this mailbox, unwrapped at most once a session.
    pub(in crate::flow) async fn secret_key(
        &self,
        who: &Unlocked,
        fingerprint: &Fingerprint,
    ) -> Result<Arc<SecretKey>, ReadError> {
        if let Some(key) = who.kept_key(fingerprint) {
            return Ok(key);
        }
        let record = self.store.key(who.mailbox, fingerprint).await?.ok_or(ReadError::Damaged)?;
        let wrapped = record.wrapped_secret.as_deref().ok_or(ReadError::Damaged)?;
        let unwrap = |key: &MailboxKey| key.unwrap_secret_key(who.mailbox, &fingerprint.0, wrapped).ok();
        let secret = who.keys().find_map(unwrap).ok_or(ReadError::Damaged)?;
        let key = Arc::new(SecretKey::parse(&secret, &fingerprint.0).map_err(|_| ReadError::Damaged)?);
        who.keep_key(fingerprint.clone(), key.clone());
        Ok(key)
    }
}

/// Summaries replaced with one commit.
const REPLACED_AT_ONCE: usize = 100;

impl Plain {
    /// Its header.
    pub fn header(&self) -> Result<Header, ReadError> {
        let root = self.structure.root().ok_or(ReadError::Damaged)?;
        Header::read(&mut self.spool.reader(), root.header).map_err(|_| ReadError::Damaged)
    }
}

impl From<Interrupted> for ReadError {
    fn from(_: Interrupted) -> Self {
        Self::Busy
    }
}

fn not_opened(error: StoreError) -> ReadError {
    match error {
        StoreError::Damaged { .. } => ReadError::Damaged,
        StoreError::Io(error) => ReadError::Unreadable(error),
        error => ReadError::Store(error),
    }
}

fn summary_limits() -> decrypt::Limits {
    decrypt::Limits { plaintext: 2 * limits::SUMMARY as u64, ..decrypt::Limits::default() }
}

/// Decrypts into the spool and scans what comes out; the spool is handed on only when all of it is proven.
fn decrypt_scanned(
    key: &Arc<SecretKey>,
    body: BodyReader,
    length: u64,
    spool: Spool,
) -> Result<(Spooled, Structure), ReadError> {
    let mut sink = Sink { spool, scanner: Scanner::new(stored_limits()), full: None };
    let limits = decrypt::Limits::for_input(length);
    let opened = decrypt::decrypt(std::slice::from_ref(key), body, &mut sink, &limits);
    // Nobody has to send a message again because our disk has no room to read it.
    if let Some(error) = sink.full.take() {
        return Err(ReadError::Store(error.into()));
    }
    opened.map_err(not_decrypted)?;
    let structure = sink.scanner.finish().map_err(|_| ReadError::Damaged)?;
    let spool = sink.spool.finish().map_err(|_| ReadError::Busy)?;
    Ok((spool, structure))
}

/// The disk's own trouble is told apart from what it gave out and what turned out to be changed or cut.
fn not_decrypted(error: DecryptError) -> ReadError {
    match error {
        DecryptError::Read(error)
            if !matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) =>
        {
            ReadError::Unreadable(Arc::new(error))
        }
        _ => ReadError::Damaged,
    }
}

/// What lies in the store was within the limits when it came.
fn stored_limits() -> Limits {
    let limits = Limits::default();
    Limits {
        size: u64::MAX,
        header_block: 2 * limits.header_block,
        header_fields: 2 * limits.header_fields,
        hops: 2 * limits.hops,
        ..limits
    }
}

struct Sink {
    spool: Spool,
    scanner: Scanner,
    /// Why the spool took nothing more.
    full: Option<io::Error>,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.scanner.feed(bytes).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        if let Err(error) = self.spool.write_all(bytes) {
            let kind = error.kind();
            self.full = Some(error);
            return Err(kind.into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod sample {
    use super::*;
    use crate::base::id::MessageId;
    use crate::base::time::Time;
    use crate::mime::scan::Limits;
    use crate::mime::scan::Scanner;
    use crate::store::body::Body;
    use crate::store::record::Fingerprint;
    use crate::store::record::Flags;
    use crate::store::record::MessageRecord;
    use crate::store::spool::SpoolDir;
    use std::io::Write;

    /// A message as it was read, of no store.
    pub(crate) fn plain(message: &[u8]) -> Plain {
        let structure = Scanner::scan(message, Limits::default()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut spool = SpoolDir::open(dir.path()).unwrap().begin();
        spool.write_all(message).unwrap();
        let record = MessageRecord {
            id: MessageId::new([1; 16]),
            arrived: Time(0),
            size: message.len() as u64,
            body: Body::Inline(Vec::new()),
            certificate: Fingerprint(vec![0; 20]),
            sender: None,
            message_id: None,
        };
        Plain { uid: Uid(1), record, flags: Flags::default(), spool: spool.finish().unwrap(), structure }
    }
}
