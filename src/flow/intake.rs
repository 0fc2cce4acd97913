//! Mail from outside: taken for accounts, encrypted to them, on disk before anybody hears 250.

use crate::base::address::Address;
use crate::base::envelope::Envelope;
use crate::base::id::QueueId;
use crate::flow::Flow;
use crate::flow::refusal::TakeError;
use crate::mime::structure::Structure;
use crate::store::spool::Spooled;
use std::net::IpAddr;

/// A message that has come whole, in CRLF lines, within the limits of the scanner.
pub struct Arrived {
    /// Its envelope; every recipient was asked for before.
    pub envelope: Envelope,
    /// Its bytes.
    pub spool: Spooled,
    /// Its parts.
    pub structure: Structure,
    /// Who handed it over.
    pub peer: Peer,
}

/// What is known of the other side of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address; written nowhere but into rate limits.
    pub ip: IpAddr,
    /// What it said in EHLO.
    pub helo: String,
    /// Extended SMTP was spoken.
    pub extended: bool,
    /// Protocol and cipher, for Received: (RFC 8314 §4.3), when TLS is up.
    pub tls: Option<String>,
}

/// What was taken.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The name that the reply and the Received: field give it.
    pub id: QueueId,
    /// It had been taken before: nothing was done again.
    pub again: bool,
}

/// Whether RCPT may be said, and why not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RecipientAnswer {
    /// Deliverable.
    Ok,
    /// No such mailbox here.
    Unknown,
    /// Not one of our domains.
    Relay,
    /// The mailbox is full.
    Full,
    /// One more new temporary mailbox than a message may make.
    TooManyNewMailboxes,
    /// Over the sending limit of the account.
    RateLimited,
}

impl Flow {
    /// RCPT on port 25: only what is deliverable here.
    pub async fn ask_recipient(&self, address: &Address) -> Result<RecipientAnswer, TakeError>;

    /// The end of DATA on port 25. On `Ok` it is on disk, synced, for every recipient.
    pub async fn take_in(&self, arrived: Arrived) -> Result<Taken, TakeError>;
}
