//! The answers: the bodies of `--json`. Names are the words of the manual, times RFC 3339 UTC, sizes octets.
//!
//! Their field lists are on record in `tests/golden/json`: scripts rely on them.

use serde::Deserialize;
use serde::Serialize;

/// A line of `account list`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AccountListed {
    /// As it was first written.
    pub address: String,
    /// When it was made.
    pub created: String,
    /// Sign-in, mail sent or received.
    pub last_activity: String,
    /// In all folders.
    pub messages: u64,
    /// At rest.
    pub bytes: u64,
}

/// `account show`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AccountShown {
    /// As it was first written.
    pub address: String,
    /// When it was made.
    pub created: String,
    /// Sign-in, mail sent or received.
    pub last_activity: String,
    /// What its owner reads.
    pub language: String,
    /// Of the certificate that arriving mail is encrypted to.
    pub fingerprint: String,
    /// Of earlier ones.
    pub former_fingerprints: Vec<String>,
    /// The secret key is here; else only its owner can read what arrives.
    pub has_secret_key: bool,
    /// With their counts.
    pub folders: Vec<FolderShown>,
    /// In all folders.
    pub messages: u64,
    /// At rest.
    pub bytes: u64,
}

/// A folder of `account show`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct FolderShown {
    /// As IMAP shows it.
    pub name: String,
    /// In it.
    pub messages: u64,
    /// Of these, not read.
    pub unseen: u64,
    /// At rest.
    pub bytes: u64,
}

/// A line of `mailbox list`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct MailboxListed {
    /// As it was first written.
    pub address: String,
    /// `unopened` or `open`.
    pub state: String,
    /// When it was made.
    pub created: String,
    /// When its password was chosen.
    pub opened: Option<String>,
    /// Creation, sign-in, reply, arriving mail.
    pub last_activity: String,
    /// In all folders.
    pub messages: u64,
    /// At rest.
    pub bytes: u64,
}

/// `mailbox show`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct MailboxShown {
    /// As it was first written.
    pub address: String,
    /// `unopened` or `open`.
    pub state: String,
    /// When it was made.
    pub created: String,
    /// When its password was chosen.
    pub opened: Option<String>,
    /// Creation, sign-in, reply, arriving mail.
    pub last_activity: String,
    /// Without activity it closes then.
    pub inactive_until: String,
    /// What its recipient reads.
    pub language: String,
    /// The account whose message made it.
    pub invited_by: Option<String>,
    /// Accounts that have written to it.
    pub correspondents: Vec<String>,
    /// The last invitation, until it is used.
    pub invitation: Option<InvitationShown>,
    /// Of the certificate that arriving mail is encrypted to.
    pub fingerprint: String,
    /// In all folders.
    pub messages: u64,
    /// At rest.
    pub bytes: u64,
}

/// An invitation of `mailbox show`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct InvitationShown {
    /// `open` or `dead`.
    pub state: String,
    /// When it was made.
    pub created: String,
    /// A PIN is needed.
    pub has_pin: bool,
    /// PINs tried.
    pub tries: u8,
}

/// A line of `queue list`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct QueueListed {
    /// Its name in replies, logs and Received.
    pub id: String,
    /// `mail`, `invitation`, `notice` or `bounce`.
    pub purpose: String,
    /// The envelope sender; empty for bounces.
    pub sender: String,
    /// When it was taken.
    pub created: String,
    /// In clear.
    pub bytes: u64,
    /// Not ended yet.
    pub waiting: u64,
    /// All.
    pub recipients: u64,
    /// When the next one is due.
    pub next_attempt: Option<String>,
}

/// `queue show`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct QueueShown {
    /// Its name in replies, logs and Received.
    pub id: String,
    /// `mail`, `invitation`, `notice` or `bounce`.
    pub purpose: String,
    /// The envelope sender; empty for bounces.
    pub sender: String,
    /// When it was taken.
    pub created: String,
    /// In clear.
    pub bytes: u64,
    /// What is demanded of the other server.
    pub tls_policy: String,
    /// One by one.
    pub recipients: Vec<RecipientShown>,
}

/// A recipient of `queue show`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RecipientShown {
    /// Where to.
    pub address: String,
    /// `waiting`, `trying`, `delivered`, `failed` or `cancelled`.
    pub state: String,
    /// So far.
    pub attempts: u32,
    /// While it waits.
    pub next_attempt: Option<String>,
    /// The last thing said about it.
    pub reason: String,
}

/// A line of `key list`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct KeyListed {
    /// Whose.
    pub address: String,
    /// Of the certificate.
    pub fingerprint: String,
    /// When it came.
    pub imported: String,
    /// When it ends by itself.
    pub expires: Option<String>,
    /// Mail can be encrypted to it now.
    pub usable: bool,
}

/// `key show`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct KeyShown {
    /// Whose.
    pub address: String,
    /// Of the certificate.
    pub fingerprint: String,
    /// When it came.
    pub imported: String,
    /// When it ends by itself.
    pub expires: Option<String>,
    /// Mail can be encrypted to it now.
    pub usable: bool,
    /// Why not.
    pub reason: Option<String>,
    /// Armored.
    pub certificate: String,
}

/// `account key export`, `account key import`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Certificate {
    /// Whose.
    pub address: String,
    /// Of the certificate.
    pub fingerprint: String,
    /// Armored.
    pub certificate: String,
}

/// `account key export --secret`. No Debug: it holds both halves of a secret.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
pub struct SecretKey {
    /// Whose.
    pub address: String,
    /// Of the certificate.
    pub fingerprint: String,
    /// Armored, locked with the passphrase.
    pub secret_key: String,
    /// Shown once and kept nowhere.
    pub passphrase: String,
}

/// What was done to one address: `account add|password|remove`, `mailbox delete`, `key remove`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Changed {
    /// Whose.
    pub address: String,
}

/// `key import`: one for each address.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct KeyImported {
    /// Whose.
    pub address: String,
    /// Of the certificate.
    pub fingerprint: String,
}

/// `queue retry`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Retried {
    /// Recipients that are due now.
    pub recipients: u64,
}

/// `queue cancel`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Cancelled {
    /// Which.
    pub id: String,
}

/// `dns`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct DnsRecords {
    /// As a zone file has them.
    pub lines: Vec<String>,
}

/// How the store is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Health {
    /// `good`, `no-new-mail`, `read-only` or `poisoned`.
    pub store: String,
}
