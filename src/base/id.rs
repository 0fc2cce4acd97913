//! Ids: 16 random bytes each, of a kind that the compiler knows.

use crate::base::base32;
use std::cmp::Ordering;
use std::fmt;
use std::hash::Hash;
use std::hash::Hasher;
use std::marker::PhantomData;

/// An id of one kind of thing; never reused.
pub struct Id<Kind>([u8; 16], PhantomData<fn() -> Kind>);

/// M: an account's or a recipient's mailbox.
pub type MailboxId = Id<kind::Mailbox>;
/// m: a message, for its summary and its body.
pub type MessageId = Id<kind::Message>;
/// i: an invitation; stands in the link.
pub type InvitationId = Id<kind::Invitation>;
/// s: a slot, that is one way to open a mailbox.
pub type SlotId = Id<kind::Slot>;
/// q: a message in the queue.
pub type QueueId = Id<kind::Queue>;
/// A body file.
pub type BodyId = Id<kind::Body>;

/// The kinds; never made.
pub mod kind {
    /// See [`super::MailboxId`].
    pub enum Mailbox {}
    /// See [`super::MessageId`].
    pub enum Message {}
    /// See [`super::InvitationId`].
    pub enum Invitation {}
    /// See [`super::SlotId`].
    pub enum Slot {}
    /// See [`super::QueueId`].
    pub enum Queue {}
    /// See [`super::BodyId`].
    pub enum Body {}
}

impl<Kind> Id<Kind> {
    /// From its bytes.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes, PhantomData)
    }

    /// Its bytes.
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads the form that [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        base32::read(text).map(Self::new)
    }
}

impl<Kind> fmt::Display for Id<Kind> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base32::lower(&self.0))
    }
}

impl<Kind> fmt::Debug for Id<Kind> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<Kind> Clone for Id<Kind> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Kind> Copy for Id<Kind> {}

impl<Kind> PartialEq for Id<Kind> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<Kind> Eq for Id<Kind> {}

impl<Kind> PartialOrd for Id<Kind> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<Kind> Ord for Id<Kind> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl<Kind> Hash for Id<Kind> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}
