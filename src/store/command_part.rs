//! What commands carry: the parts of which they are made.

use crate::base::address::Address;
use crate::base::id::InvitationId;
use crate::base::id::MailboxId;
use crate::base::id::SlotId;
use crate::base::language::Language;
use crate::base::secret::Key;
use crate::base::time::Time;
use crate::store::record::Fingerprint;
use crate::store::record::Flags;
use crate::store::record::Folder;
use crate::store::record::KeyRecord;
use crate::store::record::MailboxKind;
use crate::store::record::MessageRecord;
use crate::store::record::SlotKind;
use crate::store::record_account::FormerKey;
use crate::store::record_account::Recovery;
use crate::store::record_queue::QueueRecord;
use crate::store::record_queue::QueuedRecipient;

/// What a mailbox must still be for it to be deleted: so that an opening, a renewal or a reopening in between wins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DeleteIf {
    /// Closed, and since then.
    StillClosedSince(Time),
    /// Unopened and unreachable, and since then.
    StillUnreachableSince(Time),
}

/// How flags change (RFC 3501 §6.4.6).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FlagChange {
    /// FLAGS.
    Replace,
    /// +FLAGS.
    Add,
    /// -FLAGS.
    Remove,
}

/// A mailbox to be made.
#[derive(Debug)]
pub struct NewMailbox {
    /// M.
    pub id: MailboxId,
    /// For whom.
    pub kind: MailboxKind,
    /// As written.
    pub address: Address,
    /// What its owner reads.
    pub language: Language,
    /// Now.
    pub created: Time,
    /// Its OpenPGP key.
    pub key: KeyRecord,
    /// Its first slot: a password for an account, an invitation for a temporary mailbox.
    pub slot: NewSlot,
    /// For a temporary mailbox.
    pub invitation: Option<NewInvitation>,
}

/// A slot to be made; the store gives its shred key a place.
#[derive(Debug)]
pub struct NewSlot {
    /// s.
    pub id: SlotId,
    /// What opens it.
    pub kind: SlotKind,
    /// For Argon2id.
    pub salt: [u8; 16],
    /// Version, m KiB, t, p.
    pub parameters: [u32; 4],
    /// Nonce, ciphertext, tag.
    pub sealed: Vec<u8>,
    /// SHK.
    pub shred_key: Key,
    /// For [`SlotKind::Recovery`].
    pub recovery: Option<Recovery>,
}

/// What another password changes.
#[derive(Debug)]
pub struct PasswordChange {
    /// Whose.
    pub account: MailboxId,
    /// The generation that this was made for.
    pub generation: u32,
    /// The password slot that goes; its shred key is destroyed.
    pub old: SlotId,
    /// The password slot that comes.
    pub slot: NewSlot,
    /// App passwords stay; else they go.
    pub keep_app_passwords: bool,
    /// The slot of the recovery certificate stays; else it goes, until the next sign-in makes another.
    pub keep_recovery: bool,
    /// A new key with a new MUK. App passwords and the recovery slot of the former one go.
    pub renewal: Option<KeyRenewal>,
}

/// A new key and MUK for an account whose owner is here: nothing is lost.
#[derive(Debug)]
pub struct KeyRenewal {
    /// What mail is encrypted to from now on.
    pub key: KeyRecord,
    /// Every former MUK, the last one too, each under the new one.
    pub former_keys: Vec<FormerKey>,
    /// Now.
    pub now: Time,
}

/// What a reset changes.
#[derive(Debug)]
pub struct Reset {
    /// Whose.
    pub account: MailboxId,
    /// The generation that this was made for.
    pub generation: u32,
    /// What mail is encrypted to until now.
    pub certificate: Fingerprint,
    /// The only slot from now on, of a new MUK.
    pub slot: NewSlot,
    /// The new key.
    pub key: KeyRecord,
    /// Mail stays encrypted to the certificate of now, whose secret key never was here; the new key is what it lies
    /// under.
    pub keeps_certificate: bool,
    /// Now.
    pub now: Time,
}

/// What a reopening changes.
#[derive(Debug)]
pub struct Reopening {
    /// Whose.
    pub account: MailboxId,
    /// The generation that this was made for.
    pub generation: u32,
    /// One of the slots that are shut: it names what is reopened.
    pub slot: SlotId,
    /// The MUK that was shut and those it held, each under the present one.
    pub former_keys: Vec<FormerKey>,
}

/// An invitation to be made, with the sender's vault entry.
#[derive(Debug)]
pub struct NewInvitation {
    /// i.
    pub id: InvitationId,
    /// HMAC of the access token.
    pub token_hash: [u8; 32],
    /// A PIN is needed.
    pub has_pin: bool,
    /// The inviting account.
    pub sender: MailboxId,
    /// `{recipient, i, T, PIN}` under the sender's MUK.
    pub vault_entry: Vec<u8>,
}

/// A message to be delivered.
#[derive(Debug)]
pub struct Delivery {
    /// Whose.
    pub mailbox: MailboxId,
    /// Where.
    pub folder: Folder,
    /// What it was encrypted to; must be the mailbox's current certificate.
    pub certificate: Fingerprint,
    /// Its record. `record.certificate` is the same, or a former one of the mailbox: then it covers a message that
    /// is encrypted to the current one, whose secret key is not here.
    pub record: MessageRecord,
    /// Flags to begin with.
    pub flags: Flags,
    /// The summary, encrypted to `record.certificate`.
    pub summary: Vec<u8>,
    /// What the mailbox may hold, with it.
    pub quota: Quota,
}

/// What a mailbox may hold.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Quota {
    /// Octets, if limited.
    pub bytes: Option<u64>,
    /// Messages, if limited.
    pub messages: Option<u32>,
}

/// What the first use changes.
#[derive(Debug)]
pub struct FirstUse {
    /// Whose.
    pub mailbox: MailboxId,
    /// Which; must be open.
    pub invitation: InvitationId,
    /// The new key; what mail is encrypted to from now on.
    pub key: KeyRecord,
    /// The former key, its secret now under the new MUK.
    pub former: KeyRecord,
    /// The password slot.
    pub slot: NewSlot,
    /// Language chosen on the page.
    pub language: Language,
    /// Now.
    pub now: Time,
}

impl FirstUse {
    /// The same, to be committed where the first attempt was refused for what stood beside it.
    pub fn again(&self) -> Self {
        let slot = NewSlot {
            id: self.slot.id,
            kind: self.slot.kind,
            salt: self.slot.salt,
            parameters: self.slot.parameters,
            sealed: self.slot.sealed.clone(),
            shred_key: Key::new(*self.slot.shred_key.expose()),
            recovery: self.slot.recovery.clone(),
        };
        Self {
            mailbox: self.mailbox,
            invitation: self.invitation,
            key: self.key.clone(),
            former: self.former.clone(),
            slot,
            language: self.language,
            now: self.now,
        }
    }
}

/// What a renewal changes.
#[derive(Debug)]
pub struct Renewal {
    /// Whose.
    pub mailbox: MailboxId,
    /// The invitation that goes.
    pub old: InvitationId,
    /// The invitation that comes, with the vault entry.
    pub new: NewInvitation,
    /// Its slot.
    pub slot: NewSlot,
    /// Now.
    pub now: Time,
}

/// A message to be queued.
#[derive(Debug)]
pub struct NewQueued {
    /// The record; its `shred` is given by the store.
    pub record: QueueRecord,
    /// Its recipients; `queue` and `number` are set by the store.
    pub recipients: Vec<QueuedRecipient>,
    /// QK, for mail that carries a token or a PIN.
    pub queue_key: Option<Key>,
}

/// How a try for one recipient ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Settlement {
    /// The peer said 250; `proof` is what stood at that moment.
    Delivered {
        /// For `queue show`.
        proof: String,
    },
    /// Again at `next`.
    Again {
        /// When.
        next: Time,
        /// Why.
        reason: String,
        /// A delay report goes out with the same commit.
        delay_reported: bool,
        /// A host was met that satisfied the TLS policy; it stays so for the tries that come.
        passed: bool,
    },
    /// Given up.
    Failed {
        /// Why.
        reason: String,
    },
}
