//! What the store keeps: records with numbered fields, sealed at rest.

use crate::base::address::Address;
use crate::base::address::Domain;
use crate::base::envelope::Notify;
use crate::base::envelope::Ret;
use crate::base::id::InvitationId;
use crate::base::id::MailboxId;
use crate::base::id::MessageId;
use crate::base::id::QueueId;
use crate::base::id::SlotId;
use crate::base::language::Language;
use crate::base::secret::Secret;
use crate::base::time::Time;
use crate::store::body::Body;
pub use crate::vault::slot::SlotKind;

/// An OpenPGP fingerprint: 20 octets (v4) or 32 (v6).
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Fingerprint(pub Vec<u8>);

/// A message's number in its folder (RFC 3501 §2.3.1.1); 0 is none.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Uid(pub u32);

/// A folder by number; the well-known ones are constants, a user's own follow from 16 on.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Folder(pub u16);

impl Folder {
    /// INBOX.
    pub const INBOX: Self = Self(1);
    /// Sent, RFC 6154 §2 `\Sent`.
    pub const SENT: Self = Self(2);
    /// Drafts, `\Drafts`.
    pub const DRAFTS: Self = Self(3);
    /// Trash, `\Trash`.
    pub const TRASH: Self = Self(4);
    /// Junk, `\Junk`.
    pub const JUNK: Self = Self(5);
}

/// Who a mailbox is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MailboxKind {
    /// A person of the organisation.
    Account,
    /// Somebody outside.
    Temporary,
}

/// Where a mailbox is in its life.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MailboxState {
    /// A temporary mailbox whose invitation was not used yet.
    Unopened,
    /// Has a password.
    Open,
}

/// One mailbox: an account's or a temporary one. Small, and changed seldom.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MailboxRecord {
    /// M.
    pub id: MailboxId,
    /// For whom.
    pub kind: MailboxKind,
    /// As it was first written.
    pub address: Address,
    /// Where in its life.
    pub state: MailboxState,
    /// What its owner reads.
    pub language: Language,
    /// When it was made.
    pub created: Time,
    /// When the password was chosen.
    pub opened: Option<Time>,
    /// Creation, sign-in, open session (once a day), reply, arriving mail.
    pub last_activity: Time,
    /// What mail is encrypted to on arrival.
    pub certificate: Fingerprint,
    /// Former certificates whose secret keys are still here, newest first.
    pub former: Vec<Fingerprint>,
    /// The ways to open it; at most 18.
    pub slots: Vec<SlotRecord>,
    /// The open invitation, if it has one.
    pub invitation: Option<InvitationId>,
    /// The account that made it, for a temporary one.
    pub inviter: Option<MailboxId>,
    /// Accounts that have written to it, the inviter first; at most 100.
    pub correspondents: Vec<MailboxId>,
    /// Raised whenever everything that was signed in before must end.
    pub generation: u32,
}

/// A slot: MUK sealed under what its kind needs, and a shred key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SlotRecord {
    /// s; for an invitation its id.
    pub id: SlotId,
    /// What opens it.
    pub kind: SlotKind,
    /// For Argon2id.
    pub salt: [u8; 16],
    /// Version, m KiB, t, p.
    pub parameters: [u32; 4],
    /// Nonce, ciphertext, tag.
    pub sealed: Vec<u8>,
    /// Where its shred key is.
    pub shred: ShredRef,
}

/// Where a shred key lies, and which generation of that place it is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ShredRef {
    /// The place in the shred file.
    pub place: u32,
    /// Even while it lives.
    pub generation: u32,
}

/// An OpenPGP key of a mailbox.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyRecord {
    /// Of the certificate.
    pub fingerprint: Fingerprint,
    /// The certificate, binary.
    pub certificate: Vec<u8>,
    /// The secret key under MUK; `None` when only the certificate was imported.
    pub wrapped_secret: Option<Vec<u8>>,
    /// When it came.
    pub created: Time,
}

/// A folder with its counters; rewritten with every delivery, so it stays small.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FolderRecord {
    /// Its number.
    pub folder: Folder,
    /// Its name as IMAP shows it, `/` between levels.
    pub name: String,
    /// RFC 3501 §2.3.1.1.
    pub uid_validity: u32,
    /// The next UID to be given.
    pub uid_next: Uid,
    /// Messages in it.
    pub messages: u32,
    /// Of these, without `\Seen`.
    pub unseen: u32,
    /// Octets of their bodies at rest.
    pub bytes: u64,
    /// Shown by LSUB.
    pub subscribed: bool,
}

/// A message's record: what must be known without a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MessageRecord {
    /// m.
    pub id: MessageId,
    /// INTERNALDATE.
    pub arrived: Time,
    /// RFC822.SIZE: octets as IMAP shows it; computed at arrival, never changes.
    pub size: u64,
    /// Where the ciphertext lies.
    pub body: Body,
    /// What it was encrypted to.
    pub certificate: Fingerprint,
    /// The local account that sent it, if one did.
    pub sender: Option<MailboxId>,
    /// HMAC of the Message-ID under the index key, to find a copy again.
    pub message_id: Option<[u8; 32]>,
}

/// A message as a listing gives it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// Its number.
    pub uid: Uid,
    /// What it is.
    pub record: MessageRecord,
    /// Its flags.
    pub flags: Flags,
}

/// RFC 3501 §2.3.2 flags and keywords.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Flags {
    /// `\Seen`.
    pub seen: bool,
    /// `\Answered`.
    pub answered: bool,
    /// `\Flagged`.
    pub flagged: bool,
    /// `\Deleted`.
    pub deleted: bool,
    /// `\Draft`.
    pub draft: bool,
    /// Keywords, sorted; at most 32 of at most 64 octets.
    pub keywords: Vec<String>,
}

/// Where an invitation is in its life.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InvitationState {
    /// Waits for its recipient.
    Open,
    /// Ten wrong PINs.
    Dead,
    /// A password was chosen.
    Used,
    /// A newer invitation took its place.
    Replaced,
    /// The mailbox is gone.
    Deleted,
}

/// An invitation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InvitationRecord {
    /// i.
    pub id: InvitationId,
    /// Which mailbox it opens.
    pub mailbox: MailboxId,
    /// Where in its life.
    pub state: InvitationState,
    /// HMAC of the access token: tells "no link" from "wrong PIN".
    pub token_hash: [u8; 32],
    /// A PIN is needed.
    pub has_pin: bool,
    /// PINs tried.
    pub tries: u8,
    /// When it was made.
    pub created: Time,
    /// When `state` last changed.
    pub changed: Time,
    /// The account that can renew it.
    pub sender: MailboxId,
    /// The language of its pages.
    pub language: Language,
    /// When "I have no PIN" was last told to the sender.
    pub no_pin_told: Option<Time>,
}

/// The certificate of somebody outside.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateRecord {
    /// Whose.
    pub address: Address,
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// The certificate, binary, stripped of third-party signatures.
    pub certificate: Vec<u8>,
    /// When it was imported.
    pub imported: Time,
}

/// What a queued message is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// Somebody's mail.
    Mail,
    /// The first mail to a temporary mailbox's recipient, or its repetition; names the mailbox.
    Invitation(MailboxId),
    /// "There is a new message" to a recipient who has a password; names the mailbox.
    Notice(MailboxId),
    /// RFC 3464.
    Bounce,
}

/// A message in the queue. Its body is always a file, of sealed frames.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct QueueRecord {
    /// q.
    pub id: QueueId,
    /// What for.
    pub purpose: Purpose,
    /// The envelope sender; `None` is `<>`.
    pub sender: Option<Address>,
    /// The account that is told.
    pub owner: Option<MailboxId>,
    /// The body file.
    pub body: Body,
    /// Where QK is, for mail that carries a token or a PIN.
    pub shred: Option<ShredRef>,
    /// The TLS policy in force when it was taken, as `policy::tls` writes it.
    pub tls_policy: String,
    /// When it was taken.
    pub created: Time,
    /// BODY=8BITMIME.
    pub eight_bit: bool,
    /// The header or an address needs SMTPUTF8.
    pub smtputf8: bool,
    /// RET=.
    pub ret: Option<Ret>,
    /// ENVID=.
    pub envid: Option<String>,
    /// Octets of the message in clear.
    pub size: u64,
}

/// One recipient of a queued message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct QueuedRecipient {
    /// Which message.
    pub queue: QueueId,
    /// Its number in the message, from 0.
    pub number: u16,
    /// Where to.
    pub address: Address,
    /// NOTIFY=.
    pub notify: Option<Notify>,
    /// ORCPT=.
    pub orcpt: Option<String>,
    /// How it stands.
    pub state: RecipientState,
    /// Tries so far.
    pub attempts: u32,
    /// When the next try is due; meaningful while it waits.
    pub next: Time,
    /// Why it waits or ended: at most 1 KiB.
    pub reason: String,
    /// A delay was reported already.
    pub delay_reported: bool,
}

/// How one recipient of a queued message stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RecipientState {
    /// For its next time.
    Waiting,
    /// A try is under way; it counts as waiting again after the lease or a restart.
    Leased {
        /// End of the lease.
        until: Time,
    },
    /// The peer said 250.
    Delivered,
    /// Given up.
    Failed,
    /// Taken out by an admin.
    Cancelled,
}

/// A DKIM key (RFC 6376 §3.1).
#[derive(Debug)]
pub struct SigningKey {
    /// Whose mail it signs.
    pub domain: Domain,
    /// s=.
    pub selector: String,
    /// a=.
    pub algorithm: SigningAlgorithm,
    /// PKCS#8.
    pub private: Secret<Vec<u8>>,
    /// SubjectPublicKeyInfo for RSA (RFC 6376 §3.6.1), the raw key for Ed25519 (RFC 8463 §4).
    pub public: Vec<u8>,
    /// When it was made.
    pub created: Time,
}

/// DKIM algorithms.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SigningAlgorithm {
    /// rsa-sha256, 2048 bits.
    Rsa,
    /// ed25519-sha256 (RFC 8463).
    Ed25519,
}
