//! What the store keeps: records with numbered fields, sealed at rest.
//!
//! A number is never given to another field. A field that comes later is an `Option`, so that what was
//! written before it still reads.

use crate::base::address::Address;
use crate::base::address::Domain;
use crate::base::alias::AliasLevel;
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
use minicbor::Decode;
use minicbor::Encode;
use std::time::Duration;

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

/// A moment by both clocks: the date, and the running time that the store has added up.
#[derive(Clone, Copy, Debug, Decode, Encode, Eq, PartialEq)]
pub struct Moment {
    /// The date.
    #[n(0)]
    pub at: Time,
    /// [`LifeClock::ran`] then, seconds.
    #[n(1)]
    pub ran: u64,
}

/// A warning before a mailbox closes.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
pub struct Warning {
    /// Which: so many days before.
    #[n(0)]
    pub days: u16,
    /// The mail; it is in the queue as long as `settled` is `None`.
    #[n(1)]
    pub queue: QueueId,
    /// [`LifeClock::ran`] when it was handed over or given up, seconds.
    #[n(2)]
    pub settled: Option<u64>,
}

/// An account wished for a new mailbox in the place of this one.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
pub struct Asked {
    /// Who.
    #[n(0)]
    pub account: MailboxId,
    /// When.
    #[n(1)]
    pub at: Time,
}

/// What a mailbox's recipient was told about new messages, so that few mails tell of many messages.
///
/// Written whole by [`crate::store::command::Command::PutNotices`].
#[derive(Clone, Debug, Decode, Default, Encode, Eq, PartialEq)]
pub struct NoticeRecord {
    /// When the last notice was queued or is due.
    #[n(0)]
    pub last: Option<Time>,
    /// When the day began that `today` counts.
    #[n(1)]
    pub day: Option<Time>,
    /// Notices in that day.
    #[n(2)]
    pub today: u16,
    /// Since when a message waits to be told of.
    #[n(3)]
    pub waiting: Option<Time>,
    /// The accounts whose messages wait, each once.
    #[n(4)]
    pub senders: Vec<MailboxId>,
    /// The last notice; no longer in the queue once it has ended.
    #[n(5)]
    pub queue: Option<QueueId>,
    /// Notices in a row that came back for good (5xx).
    #[n(6)]
    pub returned: u8,
    /// Messages that wait to be told of.
    #[n(7)]
    #[cbor(default)]
    pub messages: u32,
    /// The TLS policy of what tells the recipient about the mailbox itself, as `policy::tls` writes it: that of the last
    /// mail with its link, made stricter by every secure alias that wrote since. `None` is that of anybody.
    #[n(8)]
    pub tls_policy: Option<String>,
    /// The strictest TLS policy of the messages that wait to be told of.
    #[n(9)]
    pub waiting_policy: Option<String>,
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

/// What the life of an account leaves in its record.
#[derive(Clone, Debug, Decode, Default, Encode, Eq, PartialEq)]
pub struct AccountPart {
    /// When the present MUK was made, if it is not the first.
    #[n(0)]
    pub since: Option<Time>,
    /// Former MUKs, each under the present one, oldest first: what lies under them stays readable.
    #[n(1)]
    pub former_keys: Vec<FormerKey>,
    /// What resets have shut, oldest first. Nobody opens it but by reopening; it goes after a while.
    #[n(2)]
    pub shut: Vec<ShutGeneration>,
    /// The recovery certificate that the account was told of last.
    #[n(3)]
    pub told_recovery: Option<Fingerprint>,
    /// Its secure alias, once it was switched on or given a level.
    #[n(4)]
    pub alias: Option<AliasRecord>,
}

/// The secure alias of an account: the same local part in the domain that guard.toml names.
#[derive(Clone, Copy, Debug, Decode, Encode, Eq, PartialEq)]
pub struct AliasRecord {
    /// It takes and sends mail.
    #[n(0)]
    pub active: bool,
    /// What its mail asks of other servers.
    #[n(1)]
    pub level: AliasLevel,
}

/// Attempts to write to a secure alias without TLS that its owner was not told of yet.
///
/// Written whole by [`crate::store::command::Command::PutRefused`].
#[derive(Clone, Debug, Decode, Default, Encode, Eq, PartialEq)]
pub struct RefusedRecord {
    /// When the last digest was delivered.
    #[n(0)]
    pub told: Option<Time>,
    /// When the first attempt came that waits to be told of.
    #[n(1)]
    pub since: Option<Time>,
    /// Those that wait, one for each sender and host, the first at the front; at most [`RefusedRecord::MOST`].
    #[n(2)]
    pub attempts: Vec<RefusedAttempt>,
    /// Further ones, of other senders or hosts.
    #[n(3)]
    pub more: u64,
}

impl RefusedRecord {
    /// Senders and hosts that are told apart.
    pub const MOST: usize = 24;
}

/// What one host tried for one sender.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
pub struct RefusedAttempt {
    /// The envelope sender as it was claimed; empty is `<>`. At most 200 octets.
    #[n(0)]
    pub sender: String,
    /// What it calls itself and where it is, as far as that is told; at most 200 octets.
    #[n(1)]
    pub host: String,
    /// The first time.
    #[n(2)]
    pub first: Time,
    /// The last time.
    #[n(3)]
    pub last: Time,
    /// How often.
    #[n(4)]
    pub count: u64,
}

/// A former MUK under the present one.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
pub struct FormerKey {
    /// Its id.
    #[n(0)]
    pub id: SlotId,
    /// It was the present one from then on.
    #[n(1)]
    pub since: Time,
    /// Until then.
    #[n(2)]
    pub until: Time,
    /// Nonce, ciphertext, tag.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub sealed: Vec<u8>,
}

/// The keys of an account as a reset found them: all its slots, which open nothing but this.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
pub struct ShutGeneration {
    /// Its MUK was made then.
    #[n(0)]
    pub since: Time,
    /// The reset.
    #[n(1)]
    pub until: Time,
    /// The certificates whose secret keys lie under it, newest first.
    #[n(2)]
    pub keys: Vec<Fingerprint>,
    /// As they were.
    #[n(3)]
    pub slots: Vec<SlotRecord>,
    /// As they were: each under the MUK that is shut.
    #[n(4)]
    pub former_keys: Vec<FormerKey>,
}

/// How the owner of the recovery certificate opens a slot.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
pub struct Recovery {
    /// Of the certificate.
    #[n(0)]
    pub certificate: Fingerprint,
    /// R, encrypted to it.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub message: Vec<u8>,
    /// When it was made.
    #[n(2)]
    pub made: Time,
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
    /// HMAC of the Message-ID under the index key, to find a copy again.
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

/// The certificate of somebody outside.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
pub struct CertificateRecord {
    /// Whose.
    #[n(0)]
    pub address: Address,
    /// Its fingerprint.
    #[n(1)]
    pub fingerprint: Fingerprint,
    /// The certificate, binary, stripped of third-party signatures.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub certificate: Vec<u8>,
    /// When it was imported.
    #[n(3)]
    pub imported: Time,
    /// The temporary mailbox whose owner chose it; nothing where an admin imported it.
    #[n(4)]
    pub chosen_by: Option<MailboxId>,
}

/// What a destination's certificate is compared with under the TLS policy `verify`.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
pub struct StoredCertificates {
    /// Whose.
    #[n(0)]
    pub domain: Domain,
    /// In the order in which they were added; at most [`StoredCertificates::MOST`].
    #[n(1)]
    pub held: Vec<StoredCertificate>,
    /// What it showed last, when mail went there that had to be compared.
    #[n(2)]
    pub seen: Option<SeenCertificate>,
}

impl StoredCertificates {
    /// The one in use and the next one.
    pub const MOST: usize = 2;
}

/// A certificate that a destination showed.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
pub struct SeenCertificate {
    /// SHA-256 of it, as people compare it.
    #[n(0)]
    pub fingerprint: String,
    /// Which host showed it.
    #[n(1)]
    pub host: String,
    /// When; the same one again moves it once a day.
    #[n(2)]
    pub at: Time,
    /// It was what is stored, or led to it.
    #[n(3)]
    pub stored: bool,
}

/// One of them.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
pub struct StoredCertificate {
    /// What it is.
    #[n(0)]
    pub kind: StoredKind,
    /// DER, at most 7 KiB.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub der: Vec<u8>,
    /// When it was added.
    #[n(2)]
    pub added: Time,
}

/// What a domain said about its mail hosts by MTA-STS (RFC 8461), kept for as long as it may be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StsRecord {
    /// Whose.
    pub domain: Domain,
    /// The policy's id in DNS when it was fetched.
    pub id: String,
    /// The policy, as `policy::mta_sts` writes it.
    pub policy: String,
    /// When it was fetched last.
    pub fetched: Time,
    /// It counts until then.
    pub until: Time,
    /// About when mail went there last; days may be missing.
    pub used: Time,
}

impl StsRecord {
    /// So many are kept; whoever puts more takes others out first.
    pub const MOST: usize = 4_096;
}

/// What is stored for a destination.
#[derive(Clone, Copy, Debug, Decode, Encode, Eq, PartialEq)]
#[cbor(index_only)]
pub enum StoredKind {
    /// A certificate, a peer's own or an authority's.
    #[n(0)]
    Certificate,
    /// A SubjectPublicKeyInfo.
    #[n(1)]
    Key,
}

/// What a queued message is for.
#[derive(Clone, Copy, Debug, Decode, Encode, Eq, PartialEq)]
pub enum Purpose {
    /// Somebody's mail.
    #[n(0)]
    Mail,
    /// The first mail to a temporary mailbox's recipient, or its repetition; names the mailbox.
    #[n(1)]
    Invitation(#[n(0)] MailboxId),
    /// "There is a new message" to a recipient who has a password; names the mailbox.
    #[n(2)]
    Notice(#[n(0)] MailboxId),
    /// A bounce (RFC 3464), or an answer that nobody wrote (RFC 3834): its news gets old.
    #[n(3)]
    Bounce,
    /// The warning that a temporary mailbox closes after so many days; names the mailbox.
    #[n(4)]
    Warning(#[n(0)] MailboxId, #[n(1)] u16),
}

impl Purpose {
    /// The temporary mailbox that the mail tells its recipient about.
    pub fn about(self) -> Option<MailboxId> {
        match self {
            Self::Invitation(mailbox) | Self::Notice(mailbox) | Self::Warning(mailbox, _) => Some(mailbox),
            Self::Mail | Self::Bounce => None,
        }
    }
}

/// A message in the queue. Its body is always a file, of sealed frames.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
pub struct QueueRecord {
    /// q.
    #[n(0)]
    pub id: QueueId,
    /// What for.
    #[n(1)]
    pub purpose: Purpose,
    /// The envelope sender; `None` is `<>`.
    #[n(2)]
    pub sender: Option<Address>,
    /// The account that is told.
    #[n(3)]
    pub owner: Option<MailboxId>,
    /// The body file.
    #[n(4)]
    pub body: Body,
    /// Where QK is, for mail that carries a token or a PIN.
    #[n(5)]
    pub shred: Option<ShredRef>,
    /// The TLS policy in force when it was taken, as `policy::tls` writes it.
    #[n(6)]
    pub tls_policy: String,
    /// When it was taken.
    #[n(7)]
    pub created: Time,
    /// BODY=8BITMIME.
    #[n(8)]
    pub eight_bit: bool,
    /// Its header or its sender needs SMTPUTF8, whoever the recipient is.
    #[n(9)]
    pub smtputf8: bool,
    /// RET=.
    #[n(10)]
    pub ret: Option<Ret>,
    /// ENVID=.
    #[n(11)]
    pub envid: Option<String>,
    /// Octets of the message in clear.
    #[n(12)]
    pub size: u64,
}

/// One recipient of a queued message.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
pub struct QueuedRecipient {
    /// Which message.
    #[n(0)]
    pub queue: QueueId,
    /// Its number in the message, from 0.
    #[n(1)]
    pub number: u16,
    /// Where to.
    #[n(2)]
    pub address: Address,
    /// NOTIFY=.
    #[n(3)]
    pub notify: Option<Notify>,
    /// ORCPT=.
    #[n(4)]
    pub orcpt: Option<String>,
    /// How it stands.
    #[n(5)]
    pub state: RecipientState,
    /// Tries so far.
    #[n(6)]
    pub attempts: u32,
    /// When the next try is due; meaningful while it waits.
    #[n(7)]
    pub next: Time,
    /// Why it waits or ended: at most 1 KiB.
    #[n(8)]
    pub reason: String,
    /// A delay was reported already.
    #[n(9)]
    pub delay_reported: bool,
    /// What its domain asked of the way when the message was taken, as `policy::tls` writes it.
    #[n(10)]
    pub tls_policy: Option<String>,
    /// A host was met in some try that satisfied the TLS policy.
    #[n(11)]
    pub passed: Option<bool>,
}

impl QueuedRecipient {
    /// When its lease ends; the beginning of time where it has none.
    pub const fn lease(&self) -> Duration {
        match self.state {
            RecipientState::Leased { until } => until,
            RecipientState::Waiting
            | RecipientState::Delivered
            | RecipientState::Failed
            | RecipientState::Cancelled => Duration::ZERO,
        }
    }
}

/// How one recipient of a queued message stands.
#[derive(Clone, Copy, Debug, Decode, Encode, Eq, PartialEq)]
pub enum RecipientState {
    /// For its next time.
    #[n(0)]
    Waiting,
    /// A try is under way; it counts as waiting again after the lease or a restart.
    #[n(1)]
    Leased {
        /// End of the lease, by the running clock.
        #[n(0)]
        until: Duration,
    },
    /// The peer said 250.
    #[n(2)]
    Delivered,
    /// Given up.
    #[n(3)]
    Failed,
    /// Taken out by an admin.
    #[n(4)]
    Cancelled,
}

/// The clock by which mailboxes close and go, one for the store.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
pub struct LifeClock {
    /// The wall clock at the last tick.
    #[n(0)]
    pub wall: Time,
    /// The running time of all processes so far, seconds; never less.
    #[n(1)]
    pub ran: u64,
    /// Why nothing closes or goes until an admin accepts the wall clock.
    #[n(2)]
    pub suspended: Option<Suspension>,
    /// The suspension was told to the postmasters.
    #[n(3)]
    pub told: bool,
}

/// Why the life of mailboxes stands still.
#[derive(Clone, Copy, Debug, Decode, Encode, Eq, PartialEq)]
pub struct Suspension {
    /// The wall clock when it was noticed.
    #[n(0)]
    pub at: Time,
    /// What was noticed.
    #[n(1)]
    pub why: ClockTrouble,
    /// By how much, seconds.
    #[n(2)]
    pub by: u64,
}

/// What is wrong with the wall clock.
#[derive(Clone, Copy, Debug, Decode, Encode, Eq, PartialEq)]
#[cbor(index_only)]
pub enum ClockTrouble {
    /// At the start it was before the last tick.
    #[n(0)]
    Backward,
    /// At the start it was long after the last tick.
    #[n(1)]
    Forward,
    /// It went apart from the boot clock.
    #[n(2)]
    Jump,
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
