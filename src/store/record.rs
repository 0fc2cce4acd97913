//! What the store keeps: records with numbered fields, sealed at rest.
//!
//! A number is never given to another field. A field that comes later is an `Option`, so that what was
//! written before it still reads.

use crate::base::address::Address;
use crate::base::address::Domain;
use crate::base::id::InvitationId;
use crate::base::id::MailboxId;
use crate::base::id::MessageId;
use crate::base::id::SlotId;
use crate::base::language::Language;
use crate::base::secret::Secret;
use crate::base::time::Time;
use crate::store::body::Body;
use crate::store::record_account::AccountPart;
use crate::store::record_account::AliasRecord;
use crate::store::record_account::Recovery;
use crate::store::record_life::Asked;
use crate::store::record_life::Moment;
use crate::store::record_life::NoticeRecord;
use crate::store::record_life::Warning;
pub use crate::vault::slot::SlotKind;
use minicbor::Decode;
use minicbor::Encode;

/// An OpenPGP fingerprint: 20 octets (v4) or 32 (v6).
#[derive(Clone, Debug, Decode, Encode, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cbor(transparent)]
pub struct Fingerprint(#[cbor(n(0), with = "minicbor::bytes")] pub Vec<u8>);

/// A message's number in its folder (RFC 3501 §2.3.1.1); 0 is none.
#[derive(Clone, Copy, Debug, Decode, Default, Encode, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cbor(transparent)]
pub struct Uid(#[n(0)] pub u32);

/// A folder by number; the well-known ones are constants, a user's own follow from 16 on.
#[derive(Clone, Copy, Debug, Decode, Encode, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cbor(transparent)]
pub struct Folder(#[n(0)] pub u16);

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
    /// What was not taken for want of encryption; there once there is something.
    pub const REFUSED: Self = Self(6);
}

/// Who a mailbox is for.
#[derive(Clone, Copy, Debug, Decode, Encode, Eq, PartialEq)]
#[cbor(index_only)]
pub enum MailboxKind {
    /// A person of the organisation.
    #[n(0)]
    Account,
    /// Somebody outside.
    #[n(1)]
    Temporary,
}

/// Where a mailbox is in its life.
#[derive(Clone, Copy, Debug, Decode, Encode, Eq, PartialEq)]
#[cbor(index_only)]
pub enum MailboxState {
    /// A temporary mailbox whose invitation was not used yet.
    #[n(0)]
    Unopened,
    /// Has a password.
    #[n(1)]
    Open,
    /// Was inactive for too long: nobody signs in, the address is free, deletion follows. Its slots and keys are
    /// still there; [`crate::store::command::Command::ReopenMailbox`] takes it back.
    #[n(2)]
    Closed,
}

/// One mailbox: an account's or a temporary one. Small, and changed seldom.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
pub struct MailboxRecord {
    /// M.
    #[n(0)]
    pub id: MailboxId,
    /// For whom.
    #[n(1)]
    pub kind: MailboxKind,
    /// As it was first written.
    #[n(2)]
    pub address: Address,
    /// Where in its life.
    #[n(3)]
    pub state: MailboxState,
    /// What its owner reads.
    #[n(4)]
    pub language: Language,
    /// When it was made.
    #[n(5)]
    pub created: Time,
    /// When the password was chosen.
    #[n(6)]
    pub opened: Option<Time>,
    /// Creation, sign-in, open session (once a day), reply, arriving mail.
    #[n(7)]
    pub last_activity: Time,
    /// What mail is encrypted to on arrival.
    #[n(8)]
    pub certificate: Fingerprint,
    /// Former certificates whose secret keys are still here, newest first.
    #[n(9)]
    pub former: Vec<Fingerprint>,
    /// The ways to open it; at most 18.
    #[n(10)]
    pub slots: Vec<SlotRecord>,
    /// The open invitation, if it has one.
    #[n(11)]
    pub invitation: Option<InvitationId>,
    /// The account that made it, for a temporary one.
    #[n(12)]
    pub inviter: Option<MailboxId>,
    /// Accounts that have written to it, the inviter first; at most 100.
    #[n(13)]
    pub correspondents: Vec<MailboxId>,
    /// Raised whenever everything that was signed in before must end.
    #[n(14)]
    pub generation: u32,
    /// What only accounts have: keys from before a change, and generations that are shut.
    #[n(15)]
    pub account: Option<AccountPart>,
    /// Since when it is closed.
    #[n(16)]
    pub closed: Option<Moment>,
    /// Since when its address has a newer mailbox. It never becomes the address's current one again.
    #[n(17)]
    pub superseded: Option<Time>,
    /// When it was made in the place of another one of its address, by `[secure new]`.
    #[n(18)]
    pub supersedes: Option<Time>,
    /// Since when its invitation is known to reach nobody; unopened ones only.
    #[n(19)]
    pub unreachable: Option<Moment>,
    /// Warnings since the last activity, in the order they went out.
    #[n(20)]
    #[cbor(default)]
    pub warnings: Vec<Warning>,
    /// Who asked for a new mailbox within the last 24 hours, oldest first; at most 100.
    #[n(21)]
    #[cbor(default)]
    pub asked_new: Vec<Asked>,
    /// What its recipient was told of new messages.
    #[n(22)]
    pub notices: Option<NoticeRecord>,
    /// Networks from which it was opened under the present MUK, the last one at the end; at most
    /// [`KnownNetwork::MOST`].
    #[n(23)]
    pub networks: Option<Vec<KnownNetwork>>,
}

/// A network from which a mailbox was opened.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
pub struct KnownNetwork {
    /// What stands for it: a digest under MUK, so that nobody reads it here.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub tag: [u8; 16],
    /// The day of the last time.
    #[n(1)]
    pub last: Time,
}

impl KnownNetwork {
    /// So many are kept.
    pub const MOST: usize = 16;
}

impl MailboxRecord {
    /// Every slot that names a shred key: the present ones, then those of generations that are shut.
    pub fn all_slots(&self) -> impl Iterator<Item = &SlotRecord> {
        let shut = self.account.iter().flat_map(|part| &part.shut).flat_map(|shut| &shut.slots);
        self.slots.iter().chain(shut)
    }

    /// The secure alias, active or not.
    pub fn alias(&self) -> Option<AliasRecord> {
        self.account.as_ref().and_then(|part| part.alias)
    }

    /// When the present MUK was made.
    pub fn key_since(&self) -> Time {
        self.account.as_ref().and_then(|part| part.since).unwrap_or(self.created)
    }

    /// Whether what was sealed under the MUK of that time opens with the present password: not after a reset.
    pub fn is_readable_since(&self, time: Time) -> bool {
        let former = self.account.iter().flat_map(|part| &part.former_keys);
        time >= self.key_since() || former.into_iter().any(|key| key.since <= time && time <= key.until)
    }
}

/// A slot: MUK sealed under what its kind needs, and a shred key.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
pub struct SlotRecord {
    /// s; for an invitation its id.
    #[n(0)]
    pub id: SlotId,
    /// What opens it.
    #[n(1)]
    pub kind: SlotKind,
    /// For Argon2id.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub salt: [u8; 16],
    /// Version, m KiB, t, p.
    #[n(3)]
    pub parameters: [u32; 4],
    /// Nonce, ciphertext, tag.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub sealed: Vec<u8>,
    /// Where its shred key is.
    #[n(5)]
    pub shred: ShredRef,
    /// For [`SlotKind::Recovery`].
    #[n(6)]
    pub recovery: Option<Recovery>,
}

/// Where a shred key lies, and which generation of that place it is.
#[derive(Clone, Copy, Debug, Decode, Encode, Eq, Hash, PartialEq)]
pub struct ShredRef {
    /// The place in the shred file.
    #[n(0)]
    pub place: u32,
    /// Even while it lives.
    #[n(1)]
    pub generation: u32,
}

/// An OpenPGP key of a mailbox.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
pub struct KeyRecord {
    /// Of the certificate.
    #[n(0)]
    pub fingerprint: Fingerprint,
    /// The certificate, binary.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub certificate: Vec<u8>,
    /// The secret key under MUK; `None` when only the certificate was imported.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub wrapped_secret: Option<Vec<u8>>,
    /// When it came.
    #[n(3)]
    pub created: Time,
}

/// A folder with its counters; rewritten with every delivery, so it stays small.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
pub struct FolderRecord {
    /// Its number.
    #[n(0)]
    pub folder: Folder,
    /// Its name as IMAP shows it, `/` between levels.
    #[n(1)]
    pub name: String,
    /// RFC 3501 §2.3.1.1.
    #[n(2)]
    pub uid_validity: u32,
    /// The next UID to be given.
    #[n(3)]
    pub uid_next: Uid,
    /// Messages in it.
    #[n(4)]
    pub messages: u32,
    /// Of these, without `\Seen`.
    #[n(5)]
    pub unseen: u32,
    /// Octets of their bodies at rest.
    #[n(6)]
    pub bytes: u64,
    /// Shown by LSUB.
    #[n(7)]
    pub subscribed: bool,
}

/// A message's record: what must be known without a key.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
pub struct MessageRecord {
    /// m.
    #[n(0)]
    pub id: MessageId,
    /// INTERNALDATE.
    #[n(1)]
    pub arrived: Time,
    /// RFC822.SIZE: octets as IMAP shows it; computed at arrival, never changes.
    #[n(2)]
    pub size: u64,
    /// Where the ciphertext lies.
    #[n(3)]
    pub body: Body,
    /// What it was encrypted to.
    #[n(4)]
    pub certificate: Fingerprint,
    /// The local account that sent it, if one did.
    #[n(5)]
    pub sender: Option<MailboxId>,
    /// HMAC of what makes it the same message, to find a copy again.
    #[cbor(n(6), with = "minicbor::bytes")]
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
#[derive(Clone, Debug, Decode, Default, Encode, Eq, PartialEq)]
pub struct Flags {
    /// `\Seen`.
    #[n(0)]
    pub seen: bool,
    /// `\Answered`.
    #[n(1)]
    pub answered: bool,
    /// `\Flagged`.
    #[n(2)]
    pub flagged: bool,
    /// `\Deleted`.
    #[n(3)]
    pub deleted: bool,
    /// `\Draft`.
    #[n(4)]
    pub draft: bool,
    /// Keywords, sorted; at most 32 of at most 64 octets.
    #[n(5)]
    pub keywords: Vec<String>,
}

/// Where an invitation is in its life.
#[derive(Clone, Copy, Debug, Decode, Encode, Eq, PartialEq)]
#[cbor(index_only)]
pub enum InvitationState {
    /// Waits for its recipient.
    #[n(0)]
    Open,
    /// Ten wrong PINs.
    #[n(1)]
    Dead,
    /// A password was chosen.
    #[n(2)]
    Used,
    /// A newer invitation took its place.
    #[n(3)]
    Replaced,
    /// The mailbox is gone.
    #[n(4)]
    Deleted,
}

/// An invitation.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
pub struct InvitationRecord {
    /// i.
    #[n(0)]
    pub id: InvitationId,
    /// Which mailbox it opens.
    #[n(1)]
    pub mailbox: MailboxId,
    /// Where in its life.
    #[n(2)]
    pub state: InvitationState,
    /// HMAC of the access token: tells "no link" from "wrong PIN".
    #[cbor(n(3), with = "minicbor::bytes")]
    pub token_hash: [u8; 32],
    /// A PIN is needed.
    #[n(4)]
    pub has_pin: bool,
    /// PINs tried.
    #[n(5)]
    pub tries: u8,
    /// When it was made.
    #[n(6)]
    pub created: Time,
    /// When `state` last changed.
    #[n(7)]
    pub changed: Time,
    /// The account that can renew it.
    #[n(8)]
    pub sender: MailboxId,
    /// The language of its pages.
    #[n(9)]
    pub language: Language,
    /// When "I have no PIN" was last told to the sender.
    #[n(10)]
    pub no_pin_told: Option<Time>,
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
#[derive(Clone, Copy, Debug, Decode, Encode, Eq, PartialEq)]
#[cbor(index_only)]
pub enum SigningAlgorithm {
    /// rsa-sha256, 2048 bits.
    #[n(0)]
    Rsa,
    /// ed25519-sha256 (RFC 8463).
    #[n(1)]
    Ed25519,
}
