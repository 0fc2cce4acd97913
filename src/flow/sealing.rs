//! Sealing: a message becomes ciphertext for one mailbox, in one pass, before any of it touches the disk.

use crate::base::id::MailboxId;
use crate::base::id::MessageId;
use crate::base::limits::BODY_INLINE;
use crate::base::random::bytes;
use crate::base::time::Time;
use crate::flow::Flow;
use crate::flow::assembled::Assembled;
use crate::flow::assembled::Piece;
use crate::flow::refusal::TakeError;
use crate::mime::problem::Problem;
use crate::mime::scan::Limits;
use crate::mime::scan::Scanner;
use crate::mime::structure::Structure;
use crate::mime::summary::Summary;
use crate::openpgp::certificate::Certificate;
use crate::openpgp::encrypt::Addressed;
use crate::openpgp::encrypt::Form;
use crate::store::body::Bodies;
use crate::store::body::Body;
use crate::store::command_part::Delivery;
use crate::store::command_part::Quota;
use crate::store::record::Fingerprint;
use crate::store::record::Flags;
use crate::store::record::Folder;
use crate::store::record::MailboxKind;
use crate::store::record::MailboxRecord;
use crate::store::record::MessageRecord;
use crate::store::spool::SpoolReader;
use crate::store::spool::Spooled;
use crate::threads;
use std::io;
use std::io::Cursor;
use std::io::Read;
use std::io::Seek;
use std::io::Write;
use std::sync::Arc;

/// A message as it is to be stored or sent: what came, with a header of our making.
#[derive(Clone)]
pub struct Composed {
    /// What came.
    pub spool: Spooled,
    /// Its pieces in order.
    pub pieces: Vec<Piece>,
}

impl Composed {
    /// A reader at the beginning.
    pub fn reader(&self) -> Assembled<SpoolReader> {
        Assembled::new(self.spool.reader(), self.pieces.iter().cloned())
    }

    /// It is so small that nothing of it is in a file, nor will be once it is sealed.
    fn is_small(&self) -> bool {
        let length: u64 = self.pieces.iter().map(Piece::length).sum();
        self.spool.in_memory().is_some() && length <= SMALL
    }

    /// The same with fields in front.
    pub fn behind(&self, fields: &[u8]) -> Self {
        let mut pieces = Vec::with_capacity(self.pieces.len() + 1);
        pieces.push(Piece::Own(fields.into()));
        pieces.extend(self.pieces.iter().cloned());
        Self { spool: self.spool.clone(), pieces }
    }

    /// The same without its first octets.
    pub fn from(&self, start: u64) -> Self {
        let mut skip = start;
        let mut pieces = Vec::with_capacity(self.pieces.len());
        for piece in &self.pieces {
            let cut = skip.min(piece.length());
            skip -= cut;
            pieces.push(piece.from(cut));
        }
        Self { spool: self.spool.clone(), pieces }
    }
}

/// A message of so many octets is sealed where it is: its ciphertext stays within the limit of an inline body, no
/// disk is waited for, and to wake another thread would take as long as a part of the work.
const SMALL: u64 = BODY_INLINE as u64 - (2 << 10);

/// Whom a message is sealed to.
#[derive(Clone, Debug)]
pub struct Receiver {
    /// Whose mailbox.
    pub record: Arc<MailboxRecord>,
    /// Its current certificate.
    pub certificate: Certificate,
    /// What lies in the store lies under this one, if its owner alone has the secret key of the current one: the
    /// mailbox's own, from before. What it covers is PGP/MIME for the current one.
    pub cover: Option<Certificate>,
    /// When the certificate came, if its owner alone has the secret key: it was usable then.
    pub came: Option<Time>,
}

impl Receiver {
    /// What the certificate is known by.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(self.certificate.fingerprint().to_vec())
    }

    /// The moment for which the certificate is judged. One of its owner's own may end, and a clock may go back: mail is
    /// encrypted to it all the same, for its owner still opens it, and nobody's mail is kept out.
    fn judged_at(&self, now: Time) -> Time {
        self.came.filter(|_| self.certificate.usable(now).is_err()).unwrap_or(now)
    }

    /// The certificate that opens what lies in the store.
    const fn lies_under(&self) -> &Certificate {
        if let Some(cover) = &self.cover { cover } else { &self.certificate }
    }
}

/// A sealed message, its body on disk and synced if it is a file; nothing names it yet.
#[derive(Debug)]
pub struct Laid {
    body: Body,
    summary: Vec<u8>,
    size: u64,
}

/// Where a sealed message goes.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// The folder.
    pub folder: Option<Folder>,
    /// Flags to begin with.
    pub flags: Flags,
    /// INTERNALDATE, if not now.
    pub date: Option<Time>,
    /// The local account that sent it.
    pub sender: Option<MailboxId>,
    /// What it is found again by.
    pub known_by: Option<[u8; 32]>,
    /// Also into a full mailbox: what the appliance itself has to tell is not kept out.
    pub beyond_quota: bool,
}

impl Flow {
    /// The mailbox with its parsed certificate.
    pub(in crate::flow) async fn receiver(&self, mailbox: MailboxId) -> Result<Option<Receiver>, TakeError> {
        let Some(record) = self.store.mailbox(mailbox).await? else { return Ok(None) };
        let Some(key) = self.store.key(mailbox, &record.certificate).await? else { return Ok(None) };
        let certificate =
            self.certificates.parsed(&key.fingerprint.0, &key.certificate).map_err(TakeError::internal)?;
        let (mut cover, mut came) = (None, None);
        if key.wrapped_secret.is_none() {
            (cover, came) = (self.cover(&record).await?, Some(key.created));
        }
        Ok(Some(Receiver { record, certificate, cover, came }))
    }

    /// The newest certificate of a mailbox whose secret key lies under its MUK.
    async fn cover(&self, record: &MailboxRecord) -> Result<Option<Certificate>, TakeError> {
        for fingerprint in &record.former {
            if let Some(key) = self.store.key(record.id, fingerprint).await?
                && key.wrapped_secret.is_some()
            {
                let parsed = self.certificates.parsed(&key.fingerprint.0, &key.certificate);
                return parsed.map(Some).map_err(TakeError::internal);
            }
        }
        Ok(None)
    }

    /// Seals a message for `receiver`; the command delivers it.
    pub(in crate::flow) async fn delivery(
        &self,
        receiver: &Receiver,
        message: Composed,
        place: Place,
    ) -> Result<Box<Delivery>, TakeError> {
        let judged_at = receiver.judged_at(self.clock.now());
        let bodies = self.store.bodies().clone();
        let (message, now) = match receiver.cover {
            Some(_) => {
                let message = self.for_owner_alone(&receiver.certificate, message, judged_at).await?;
                (message, self.clock.now())
            }
            None => (message, judged_at),
        };
        // A clock that went back keeps no mail out, least of all what tells of the clock.
        let now = now.max(receiver.lies_under().created());
        let certificate = receiver.lies_under().clone();
        let laid = if message.is_small() {
            let laid = lay(&bodies, &certificate, &message, now);
            threads::wipe_while_busy();
            laid?
        } else {
            blocking(move || lay(&bodies, &certificate, &message, now)).await?
        };
        Ok(self.address_delivery(receiver, laid, place))
    }

    /// What a mailbox may hold.
    pub fn quota(&self, kind: MailboxKind) -> Quota {
        let config = self.config();
        match kind {
            MailboxKind::Account => Quota { bytes: config.accounts.quota, messages: None },
            MailboxKind::Temporary => Quota {
                bytes: Some(config.temporary_mailbox.quota),
                messages: Some(config.limits.temporary_mailbox_messages),
            },
        }
    }

    fn address_delivery(&self, receiver: &Receiver, laid: Laid, place: Place) -> Box<Delivery> {
        let quota = if place.beyond_quota { Quota::default() } else { self.quota(receiver.record.kind) };
        let mailbox = receiver.record.id;
        Box::new(Delivery {
            mailbox,
            folder: place.folder.unwrap_or(Folder::INBOX),
            certificate: receiver.fingerprint(),
            record: MessageRecord {
                id: MessageId::new(bytes(&*self.random)),
                arrived: place.date.unwrap_or_else(|| self.clock.now()),
                size: laid.size,
                body: laid.body,
                certificate: Fingerprint(receiver.lies_under().fingerprint().to_vec()),
                sender: place.sender,
                message_id: place.known_by,
            },
            flags: place.flags,
            summary: laid.summary,
            quota,
        })
    }
}

/// Scans and encrypts: what is small in memory, the rest in one pass while it is read.
fn lay(bodies: &Bodies, certificate: &Certificate, message: &Composed, now: Time) -> Result<Laid, TakeError> {
    let mut writer = bodies.begin()?;
    let addressed = Addressed::to(&[certificate], now).map_err(TakeError::internal)?;
    let mut source = message.reader();
    if message.is_small() {
        let mut text = Vec::with_capacity(BODY_INLINE);
        source.read_to_end(&mut text).map_err(TakeError::internal)?;
        let structure = Scanner::scan(&text, own_limits()).map_err(malformed)?;
        let sealed = addressed.encrypt_bytes(&text).map_err(TakeError::internal)?;
        writer.write_all(sealed.inner()).map_err(TakeError::internal)?;
        return laid(&addressed, writer.finish()?, &structure, &mut Cursor::new(text.as_slice()));
    }
    let mut scanned = Scanned { source, scanner: Scanner::new(own_limits()), trouble: None };
    let sealed = addressed.encrypt(&mut scanned, writer, Form::Binary);
    if let Some(problem) = scanned.trouble.take() {
        return Err(malformed(problem));
    }
    let body = sealed.map_err(TakeError::internal)?.into_inner().finish()?;
    let structure = scanned.scanner.finish().map_err(malformed)?;
    laid(&addressed, body, &structure, &mut scanned.source.rewound())
}

/// With the summary of the message, which is sealed as it is.
fn laid(
    addressed: &Addressed,
    body: Body,
    structure: &Structure,
    message: &mut (impl Read + Seek),
) -> Result<Laid, TakeError> {
    let summary = Summary::gather(message, structure).map_err(TakeError::internal)?;
    let summary = addressed.encrypt_bytes(&summary.write()).map_err(TakeError::internal)?;
    Ok(Laid { body, summary: summary.into_inner(), size: structure.size })
}

fn malformed(problem: Problem) -> TakeError {
    TakeError::Malformed(problem.to_string())
}

/// What we add to a message that was within the limits never makes it one that is not.
pub(in crate::flow) fn own_limits() -> Limits {
    let limits = Limits::default();
    Limits {
        size: u64::MAX,
        header_block: limits.header_block + (64 << 10),
        header_field: 2 * limits.header_field,
        header_fields: limits.header_fields + 64,
        hops: limits.hops + 8,
        ..limits
    }
}

struct Scanned<R> {
    source: R,
    scanner: Scanner,
    trouble: Option<Problem>,
}

impl<R: Read> Read for Scanned<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.source.read(buffer)?;
        if let Err(problem) = self.scanner.feed(buffer.get(..got).unwrap_or_default()) {
            self.trouble = Some(problem);
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(got)
    }
}

/// Runs work that reads, writes or computes for long where blocking is allowed.
pub(in crate::flow) async fn blocking<T, E>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E>
where
    T: Send + 'static,
    E: From<Interrupted> + Send + 'static,
{
    match threads::blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(Interrupted.into()),
    }
}

/// The work ended without an answer: a bug in it, or the appliance is stopping.
pub(in crate::flow) struct Interrupted;

impl From<Interrupted> for TakeError {
    fn from(_: Interrupted) -> Self {
        Self::internal("work was interrupted")
    }
}
