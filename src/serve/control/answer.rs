//! The answers: the bodies of `--json`. Names are the words of the manual, times RFC 3339 UTC, sizes octets.
//!
//! Their field lists are on record in `tests/golden/json`: scripts rely on them.

mod template;

pub use template::TemplateSent;
pub use template::TemplateTested;

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
    /// Its secure alias, while that is active.
    pub secure_alias: Option<String>,
    /// What that asks of other servers: `encrypt`, `dane-only` or `verify`.
    pub policy: Option<String>,
    /// A certificate of its own that mail is encrypted to, whose secret key is not here.
    pub own_certificate: Option<String>,
    /// When that ends by itself.
    pub own_certificate_expires: Option<String>,
}

/// `account alias`, `account policy`, and the secure alias of `account show`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AliasShown {
    /// Its address; nothing where guard.toml names no domain for it: then it takes and sends nothing.
    pub secure_alias: Option<String>,
    /// It is switched on.
    pub active: bool,
    /// What it asks of other servers: `encrypt`, `dane-only` or `verify`.
    pub policy: String,
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
    /// The recovery certificate that opens it too.
    pub recovery: Option<RecoveryShown>,
    /// Its secure alias, active or not, where its domain has a domain for them.
    pub alias: Option<AliasShown>,
    /// What resets have shut and the old password can bring back.
    pub shut: Vec<ShutShown>,
    /// With their counts.
    pub folders: Vec<FolderShown>,
    /// In all folders.
    pub messages: u64,
    /// At rest.
    pub bytes: u64,
}

/// The recovery certificate of `account show`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RecoveryShown {
    /// Of the certificate.
    pub fingerprint: String,
    /// It opens the account since then.
    pub made: String,
}

/// What a reset has shut, in `account show`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ShutShown {
    /// When it was in use.
    pub since: String,
    /// The reset.
    pub reset: String,
    /// It can be reopened until then.
    pub reopen_until: String,
}

/// `account password --reset`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AccountReset {
    /// Whose.
    pub address: String,
    /// Of the certificate that mail is encrypted to from now on.
    pub fingerprint: String,
    /// Messages that cannot be read.
    pub unreadable_messages: u64,
    /// Invitations that it can no longer renew.
    pub invitations: Vec<OpenInvitation>,
    /// `--reopen` brings everything back until then.
    pub reopen_until: String,
}

/// `account remove`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AccountRemoved {
    /// Whose.
    pub address: String,
    /// Invitations that nobody can renew now.
    pub invitations: Vec<OpenInvitation>,
}

/// An invitation that was not used yet.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct OpenInvitation {
    /// For whom.
    pub recipient: String,
    /// When it went out.
    pub created: String,
    /// `open` or `dead`.
    pub state: String,
}

/// `account recovery`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AccountRecovery {
    /// Whose.
    pub address: String,
    /// Of the recovery certificate.
    pub fingerprint: String,
    /// When it was made.
    pub made: String,
    /// Armored; decrypted it is the recovery code.
    pub message: String,
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

/// A line of `mailbox list`, and a further mailbox of the same address in `mailbox show`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct MailboxListed {
    /// As it was first written.
    pub address: String,
    /// `unopened`, `dead`, `unreachable`, `abandoned`, `open`, `former`, `former-new`, `closed` or `closed-new`.
    pub state: String,
    /// When it was made.
    pub created: String,
    /// When its password was chosen.
    pub opened: Option<String>,
    /// Creation, sign-in, an open session, reply, arriving mail.
    pub last_activity: String,
    /// Without activity it closes then.
    pub inactive_until: Option<String>,
    /// A closed or unreachable one is deleted then.
    pub kept_until: Option<String>,
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
    /// As in `mailbox list`.
    pub state: String,
    /// When it was made.
    pub created: String,
    /// When its password was chosen.
    pub opened: Option<String>,
    /// Creation, sign-in, an open session, reply, arriving mail.
    pub last_activity: String,
    /// Without activity it closes then.
    pub inactive_until: Option<String>,
    /// Since when it is closed.
    pub closed: Option<String>,
    /// Since when its invitation is known to reach nobody.
    pub unreachable: Option<String>,
    /// A closed or unreachable one is deleted then.
    pub kept_until: Option<String>,
    /// Since when its address has a newer one.
    pub superseded: Option<String>,
    /// When it took the place of an older one.
    pub supersedes: Option<String>,
    /// Those that went out since the last activity.
    pub warnings: Vec<WarningShown>,
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
    /// Further mailboxes of the address: a former one, closed ones.
    pub others: Vec<MailboxListed>,
}

/// A warning of `mailbox show`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct WarningShown {
    /// So many days before.
    pub days: u16,
    /// Handed over, or given up; else it is in the queue.
    pub settled: bool,
}

/// What was done to one of the mailboxes of an address: `mailbox delete`, `mailbox reopen`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct MailboxChanged {
    /// Whose.
    pub address: String,
    /// A deleted one: what it was. A reopened one: what it is.
    pub state: String,
    /// The states of the others that the address has.
    pub others: Vec<String>,
}

/// Both clocks: what `clock accept` shows and answers with.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Clock {
    /// The wall clock now.
    pub now: String,
    /// The wall clock when it was noted last.
    pub noted: Option<String>,
    /// The boot clock: since this machine started.
    pub up_seconds: u64,
    /// Since its first start the server has run so long in all.
    pub ran_seconds: u64,
    /// Why nothing is warned, closed or deleted.
    pub suspended: Option<ClockSuspended>,
}

/// A suspension of `clock accept`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ClockSuspended {
    /// The wall clock when it was noticed.
    pub since: String,
    /// `backward` or `forward` at a start, `jump` while it ran.
    pub why: String,
    /// By so much.
    pub by_seconds: u64,
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

/// A line of `certificate list`, and what `certificate add` stored.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct StoredListed {
    /// Whose.
    pub domain: String,
    /// `certificate`, `authority` or `key`.
    pub kind: String,
    /// SHA-256.
    pub fingerprint: String,
    /// Whom it is for, in its own words.
    pub subject: String,
    /// When it ends by itself; a key does not.
    pub expires: Option<String>,
    /// When it was added.
    pub added: String,
    /// When mail that had to be compared last met a host of the domain.
    pub last_seen: Option<String>,
    /// Which host that was.
    pub last_seen_host: Option<String>,
    /// SHA-256 of the certificate that it showed.
    pub last_seen_fingerprint: Option<String>,
    /// That was one of what is stored for the domain, or led to it.
    pub last_seen_stored: Option<bool>,
}

/// A line of what `certificate fetch` found.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Presented {
    /// By which host.
    pub host: String,
    /// SHA-256.
    pub fingerprint: String,
    /// Whom it is for, in its own words.
    pub subject: String,
    /// When it ends.
    pub expires: Option<String>,
    /// PEM.
    pub certificate: String,
}

/// `certificate remove`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct StoredRemoved {
    /// Whose.
    pub domain: String,
    /// So many were there.
    pub removed: usize,
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

/// What was done to one address: `account add|password`, `key remove`.
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

/// `recipient`: what would happen to a message.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Recipient {
    /// For whom.
    pub address: String,
    /// By whom.
    pub from: String,
    /// One that asks for encryption: `local`, `pgp`, `temporary-mailbox`, `plain` or `refused`.
    pub marked: String,
    /// One that says nothing.
    pub unmarked: String,
    /// Why one of them is refused.
    pub reason: Option<String>,
    /// `DANE ok`, `TLS`, `no TLS` or `unknown`; nothing for somebody here.
    pub transport: Option<String>,
    /// What is asked of the way.
    pub tls_policy: Option<String>,
    /// It goes by the smarthost; nothing is known of the way behind that.
    pub smarthost: bool,
    /// The MTA-STS policy of the domain: `enforce`, `testing`, `none` or `unknown`.
    pub mta_sts: Option<String>,
    /// Everything was known in time.
    pub complete: bool,
    /// The hosts, in the order in which they are tried.
    pub hosts: Vec<HostThere>,
    /// What becomes of it under each level.
    pub levels: Vec<LevelThere>,
}

/// A host of `recipient`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct HostThere {
    /// Its name.
    pub host: String,
    /// The records that name it: `secure`, `insecure`, or `indeterminate` where nobody validates.
    pub dnssec: String,
    /// `usable`, `unusable`, `none` or `unknown`.
    pub tlsa: String,
    /// In the policy of the domain: `listed`, `not-listed`; `none` or `unknown`.
    pub mta_sts: String,
    /// `works`, `not-offered`, `refused`, `fails` or `unknown`.
    pub starttls: String,
    /// `TLSv1.3` or `TLSv1.2`.
    pub version: Option<String>,
    /// When its certificate ends.
    pub expires: Option<String>,
    /// SHA-256 of its certificate.
    pub fingerprint: Option<String>,
    /// Why it could not be met.
    pub reason: Option<String>,
}

/// A level of `recipient`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LevelThere {
    /// Which.
    pub level: String,
    /// `deliver`, `defer`, `bounce` or `unknown`.
    pub verdict: String,
    /// What is proven: `tls=dane`, …
    pub proof: Option<String>,
    /// By which host, or at which it fails.
    pub host: Option<String>,
    /// RFC 3463.
    pub status: Option<String>,
    /// Why not.
    pub reason: Option<String>,
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

/// A line of `check`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Finding {
    /// `ok`, `warning` or `error`.
    pub level: String,
    /// `configuration`, `master key`, `certificate`, `recovery certificate`, `store`, `dns`, `disk`, `clock`.
    pub about: String,
    /// What was found, and what to do about it.
    pub finding: String,
}

/// `master-key create`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct MasterKeyCreated {
    /// Where it lies.
    pub file: String,
}

/// `master-key rotate`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct MasterKeyRotated {
    /// Where the new key lies.
    pub file: String,
    /// `in-place`, or `waits-for-the-credential`: an administrator has to put it there.
    pub state: String,
}

/// `master-key confirm-backup`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct MasterKeyConfirmed {
    /// When.
    pub confirmed: String,
    /// A copy was read and opened the keyring.
    pub proven: bool,
}

#[cfg(test)]
mod tests;
