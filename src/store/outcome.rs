//! What commands answer, and why one does not happen.

use crate::store::record::Flags;
use crate::store::record::Uid;
use crate::store::record_queue::QueuedRecipient;
use thiserror::Error;

/// What a command answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Nothing to say.
    Done,
    /// A message has this number; `fresh` is false if it was there before.
    Uid {
        /// RFC 3501 §2.3.1.1.
        uid_validity: u32,
        /// Its number.
        uid: Uid,
        /// Was put now.
        fresh: bool,
    },
    /// Pairs of old and new numbers.
    Copied {
        /// Of the destination.
        uid_validity: u32,
        /// Old, new.
        pairs: Vec<(Uid, Uid)>,
    },
    /// The flags that messages have now.
    Flagged(Vec<(Uid, Flags)>),
    /// These are gone.
    Expunged(Vec<Uid>),
    /// Tries left after this one was counted.
    TriesLeft(u8),
    /// These are leased.
    Leased(Vec<QueuedRecipient>),
    /// So many.
    Count(u64),
}

/// Why a precondition failed.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Refusal {
    /// The address has one already.
    #[error("the address has one already")]
    AddressTaken,
    /// The mailbox, certificate or slot is not the current one any more.
    #[error("not current any more")]
    NotCurrent,
    /// The invitation is not open, or the mailbox not unopened.
    #[error("the invitation is not open")]
    NotOpen,
    /// No tries are left.
    #[error("no tries left")]
    NoTriesLeft,
    /// Happened too short a time ago.
    #[error("too soon")]
    TooSoon,
    /// What it names is not there.
    #[error("not there")]
    Gone,
    /// Was done before.
    #[error("done before")]
    AlreadyDone,
    /// There are as many as there may be.
    #[error("as many as there may be")]
    Full,
    /// The mailbox would exceed its quota.
    #[error("over quota")]
    OverQuota,
}
