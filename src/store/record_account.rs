//! What the store keeps of accounts alone: former keys, what resets have shut, the secure alias.
//!
//! Fields are numbered as [`crate::store::record`] says.

use crate::base::alias::AliasLevel;
use crate::base::id::SlotId;
use crate::base::time::Time;
use crate::store::record::Fingerprint;
use crate::store::record::SlotRecord;
use crate::store::record_life::Moment;
use minicbor::Decode;
use minicbor::Encode;

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
    /// [`LifeClock::ran`](crate::store::record_life::LifeClock::ran) at the reset, seconds. What was shut before this
    /// was noted goes by the date alone.
    #[n(5)]
    pub ran: Option<u64>,
}

impl ShutGeneration {
    /// Whether it was shut before then by both clocks: the date at the reset may have been wrong.
    pub fn is_before(&self, moment: Moment) -> bool {
        self.until < moment.at && self.ran.is_none_or(|ran| ran < moment.ran)
    }
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
