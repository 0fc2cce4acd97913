//! What the store keeps of queued mail and its recipients.
//!
//! Fields are numbered as [`crate::store::record`] says.

use crate::base::address::Address;
use crate::base::envelope::Notify;
use crate::base::envelope::Ret;
use crate::base::id::MailboxId;
use crate::base::id::QueueId;
use crate::base::time::Time;
use crate::store::body::Body;
use crate::store::record::ShredRef;
use minicbor::Decode;
use minicbor::Encode;
use std::time::Duration;

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
