//! What SMTP says about a message beside the message (RFC 5321 §2.3.1, RFC 3461).

use crate::base::address::Address;
use crate::base::reverse_path::ReversePath;

/// The envelope of one mail transaction.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Envelope {
    /// The reverse path.
    pub sender: ReversePath,
    /// Everybody it is for, in the order of RCPT.
    pub recipients: Vec<Recipient>,
    /// SIZE= (RFC 1870), octets, as it was declared.
    pub size: Option<u64>,
    /// BODY=8BITMIME was said (RFC 6152 §2).
    pub eight_bit: bool,
    /// SMTPUTF8 was said (RFC 6531 §3.4).
    pub smtputf8: bool,
    /// RET= (RFC 3461 §4.3).
    pub ret: Option<Ret>,
    /// ENVID=, still in xtext (RFC 3461 §4.4).
    pub envid: Option<String>,
}

/// One forward path with what its sender wants to be told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recipient {
    /// Where to.
    pub address: Address,
    /// NOTIFY= (RFC 3461 §4.1); `None` when it was not said: failure and delay.
    pub notify: Option<Notify>,
    /// ORCPT=, `type;xtext` as it came (RFC 3461 §4.2).
    pub orcpt: Option<String>,
}

impl Recipient {
    /// A recipient without DSN parameters.
    pub fn plain(address: Address) -> Self {
        Self { address, notify: None, orcpt: None }
    }

    /// Wants a notification when it is returned.
    pub fn on_failure(&self) -> bool {
        self.notify.is_none_or(|notify| notify.failure)
    }
}

/// NOTIFY=; all false is NEVER.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Notify {
    /// A report when it was handed over.
    pub success: bool,
    /// A report when it was returned.
    pub failure: bool,
    /// A report when it waits.
    pub delay: bool,
}

/// RET=: what of the message a notification shall carry. Guardpost always answers with headers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ret {
    /// FULL.
    Full,
    /// HDRS.
    Headers,
}
