//! What the store keeps of the life of temporary mailboxes: warnings, notices, the clock of lives.
//!
//! Fields are numbered as [`crate::store::record`] says.

use crate::base::id::MailboxId;
use crate::base::id::QueueId;
use crate::base::time::Time;
use minicbor::Decode;
use minicbor::Encode;

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
    /// The last test message to the recipient's own key; no longer in the queue once it has ended.
    #[n(10)]
    pub test: Option<QueueId>,
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
