//! Why a message was not taken. The words for it are in the drivers' one dictionary.

use crate::base::address::Address;
use crate::base::reply::Reply;
use crate::store::command::Refusal;
use crate::store::error::StoreError;
use std::sync::Arc;
use thiserror::Error;

/// Nothing of the message was taken, for anybody.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum TakeError {
    /// Said by a policy, words and codes included.
    #[error("refused: {}", .0.text)]
    Refused(Reply),
    /// A policy of this server; the text is made for the sender's eyes and holds no secret.
    #[error("refused by policy: {0}")]
    Policy(String),
    /// Built against the rules, or beyond a limit; the text names which.
    #[error("malformed: {0}")]
    Malformed(String),
    /// Larger than this server takes.
    #[error("too big")]
    TooBig,
    /// Went through too many hops.
    #[error("it loops")]
    Loop,
    /// No mailbox of that name.
    #[error("no such mailbox")]
    UnknownRecipient,
    /// A mailbox of ours is full.
    #[error("mailbox full")]
    MailboxFull(Address),
    /// The queue holds as much as it may.
    #[error("queue full")]
    QueueFull,
    /// No disk, no memory, no permit now: try later.
    #[error("busy")]
    Busy,
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something that must not happen did; nothing was taken.
    #[error("internal: {0}")]
    Internal(Arc<str>),
}

impl TakeError {
    /// An error of this program or machine, not of the message.
    pub fn internal(error: impl ToString) -> Self {
        Self::Internal(error.to_string().into())
    }

    /// Somebody else was first: with fresh facts it may go through.
    pub const fn is_race(&self) -> bool {
        matches!(
            self,
            Self::Store(StoreError::Refused {
                why: Refusal::AddressTaken | Refusal::NotCurrent | Refusal::NotOpen | Refusal::Gone,
                ..
            })
        )
    }
}
