//! Every SMTP reply there is, with both codes, in code order. No reply text is written anywhere else.

use crate::base::address::Address;
use std::borrow::Cow;
use std::fmt;

/// An SMTP reply: code, enhanced status code (RFC 3463), text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    /// RFC 5321 §4.2.
    pub code: u16,
    /// RFC 3463; a few replies (220, 354, EHLO's 250) carry none.
    pub status: Option<(u8, u16, u16)>,
    /// One line, or several separated by `\n`.
    pub text: Cow<'static, str>,
}

impl Reply {
    /// The one constructor; in a `const`, a 250 with status 5.x does not compile.
    pub const fn new(code: u16, status: (u8, u16, u16), text: &'static str) -> Self {
        assert!(code / 100 == status.0 as u16, "code and status disagree");
        Self { code, status: Some(status), text: Cow::Borrowed(text) }
    }

    /// A reply without an enhanced status code.
    pub const fn bare(code: u16, text: &'static str) -> Self {
        Self { code, status: None, text: Cow::Borrowed(text) }
    }

    /// The same codes with a text that names something. Control characters become blanks.
    pub fn saying(&self, text: impl Into<String>) -> Self {
        let text: String = text.into();
        let clean =
            text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect::<String>();
        Self { code: self.code, status: self.status, text: Cow::Owned(clean) }
    }

    /// 2xx or 3xx.
    pub const fn is_positive(&self) -> bool {
        self.code < 400
    }

    /// 4xx.
    pub const fn is_transient(&self) -> bool {
        self.code / 100 == 4
    }

    /// The reply of [`tls_required`]: no fault of the client's, however many aliases a message is for.
    pub fn wants_tls(&self) -> bool {
        self.text.ends_with(OVER_TLS)
    }

    /// 421: the connection ends with it.
    pub const fn closes(&self) -> bool {
        self.code == 421
    }
}

/// The wire form, every line ended by CRLF (RFC 5321 §4.2.1, RFC 2034 §3).
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = self.text.split('\n').peekable();
        while let Some(line) = lines.next() {
            let mark = if lines.peek().is_some() { '-' } else { ' ' };
            match self.status {
                Some((class, subject, detail)) => {
                    write!(f, "{}{mark}{class}.{subject}.{detail} {line}\r\n", self.code)?;
                }
                None => write!(f, "{}{mark}{line}\r\n", self.code)?,
            }
        }
        Ok(())
    }
}

/// RFC 5321 §4.1.1.8.
pub const HELP: Reply = Reply::new(214, (2, 0, 0), "RFC 5321 says what there is; EHLO says what is offered");
/// RFC 3207 §4.
pub const GO_AHEAD_TLS: Reply = Reply::new(220, (2, 0, 0), "ready for TLS");
/// RFC 5321 §4.1.1.10.
pub const BYE: Reply = Reply::new(221, (2, 0, 0), "bye");
/// RFC 4954 §6.
pub const AUTHENTICATED: Reply = Reply::new(235, (2, 7, 0), "authenticated");
/// RFC 5321 §4.1.1.9.
pub const OK: Reply = Reply::new(250, (2, 0, 0), "ok");
/// RFC 5321 §4.1.1.2.
pub const SENDER_OK: Reply = Reply::new(250, (2, 1, 0), "sender ok");
/// RFC 5321 §4.1.1.3.
pub const RECIPIENT_OK: Reply = Reply::new(250, (2, 1, 5), "recipient ok");
/// RFC 5321 §3.5.3: neither yes nor no.
pub const CANNOT_VRFY: Reply = Reply::new(252, (2, 5, 0), "cannot say; send the message and see");
/// RFC 5321 §4.1.1.4.
pub const START_DATA: Reply = Reply::bare(354, "end with a line that holds only a dot");
/// RFC 3463 §3.5: a wait ran out.
pub const TIMED_OUT: Reply = Reply::new(421, (4, 4, 2), "waited too long for you");
/// RFC 3463 §3.8: who signed in no longer may.
pub const SIGNED_OUT: Reply =
    Reply::new(421, (4, 7, 0), "this account was changed or is gone; sign in again");
/// The appliance is stopping.
pub const STOPPING: Reply = Reply::new(421, (4, 3, 2), "stopping; try again in a moment");
/// Too many connections.
pub const BUSY: Reply = Reply::new(421, (4, 7, 0), "too many connections; try again later");
/// RFC 5321 §4.2.5, a session of errors.
pub const TOO_MANY_ERRORS: Reply = Reply::new(421, (4, 7, 0), "too many errors");
/// More commands than one session may hold.
pub const TOO_MANY_COMMANDS: Reply =
    Reply::new(421, (4, 7, 0), "too many commands in one session; connect again");
/// The store refused, or the disk is nearly full.
pub const TRY_LATER: Reply = Reply::new(452, (4, 3, 1), "cannot store mail now; try again later");
/// Something inside failed; nothing was taken.
pub const INTERNAL: Reply =
    Reply::new(451, (4, 3, 0), "an internal error; nothing was taken, try again later");
/// Somebody who was there at RCPT has gone before the end of DATA; each recipient is to be asked for again.
pub const RECIPIENTS_CHANGED: Reply =
    Reply::new(451, (4, 3, 0), "a recipient has just gone; nothing was taken, try again");
/// RFC 3463 §3.3: one of several recipients has no room. Who asks for each of them again hears which.
pub const SOMEBODY_IS_FULL: Reply =
    Reply::new(452, (4, 2, 2), "the mailbox of a recipient is full; nothing was taken, try again");
/// RFC 5321 §4.5.3.1.10.
pub const TOO_MANY_RECIPIENTS: Reply = Reply::new(452, (4, 5, 3), "too many recipients in one message");
/// A message makes at most ten temporary mailboxes.
pub const TOO_MANY_NEW_MAILBOXES: Reply = Reply::new(
    452,
    (4, 5, 3),
    "a message makes at most 10 new temporary mailboxes; send the rest with another",
);
/// An hourly or daily limit of the account.
pub const RATE_LIMITED: Reply =
    Reply::new(450, (4, 7, 1), "over the sending limit of this account; try again later");
/// RFC 4954 §6: no room to check a password now, or too many failures.
pub const AUTH_LATER: Reply = Reply::new(454, (4, 7, 0), "cannot check passwords now; try again later");
/// RFC 3207 §4.
pub const TLS_UNAVAILABLE: Reply = Reply::new(454, (4, 7, 0), "TLS is not available");
/// RFC 5321 §4.2.4.
pub const UNKNOWN_COMMAND: Reply = Reply::new(500, (5, 5, 2), "command not recognised");
/// RFC 5321 §4.5.3.1.4.
pub const LINE_TOO_LONG: Reply = Reply::new(500, (5, 5, 2), "line too long");
/// RFC 5321 §4.2.4.
pub const BAD_SYNTAX: Reply = Reply::new(501, (5, 5, 4), "syntax error in the arguments");
/// RFC 5321 §4.1.2: an address that cannot be read.
pub const BAD_ADDRESS: Reply = Reply::new(501, (5, 1, 3), "not a mail address");
/// RFC 3463 §3.2: a reverse path that cannot be read.
pub const BAD_SENDER: Reply = Reply::new(501, (5, 1, 7), "not a sender address");
/// RFC 5321 §4.1.3: address literals.
pub const LITERAL: Reply =
    Reply::new(501, (5, 1, 3), "address literals are not accepted; a domain name is needed");
/// RFC 3207 §4.2: bytes behind STARTTLS.
pub const PIPELINED_STARTTLS: Reply = Reply::new(501, (5, 5, 4), "nothing may follow STARTTLS");
/// RFC 4954 §4: the client gave up with `*`.
pub const AUTH_CANCELLED: Reply = Reply::new(501, (5, 7, 0), "authentication cancelled");
/// RFC 5321 §4.2.4.
pub const NOT_IMPLEMENTED: Reply = Reply::new(502, (5, 5, 1), "command not implemented");
/// RFC 5321 §4.1.4.
pub const BAD_SEQUENCE: Reply = Reply::new(503, (5, 5, 1), "bad sequence of commands");
/// RFC 4954 §4.
pub const BAD_MECHANISM: Reply = Reply::new(504, (5, 5, 4), "authentication mechanism not offered");
/// RFC 5321 §4.1.1.11.
pub const BAD_PARAMETER: Reply = Reply::new(555, (5, 5, 4), "parameter not recognised");
/// RFC 4954 §6: mail needs a sign-in first; RFC 3207 §4: and that needs TLS.
pub const TLS_FIRST: Reply = Reply::new(530, (5, 7, 0), "STARTTLS first");
/// RFC 4954 §6.
pub const AUTH_FIRST: Reply = Reply::new(530, (5, 7, 0), "authentication required");
/// RFC 4954 §6; the same for an unknown account and a wrong password.
pub const BAD_CREDENTIALS: Reply = Reply::new(535, (5, 7, 8), "address or password is not right");
/// RFC 4954 §6.
pub const AUTH_NEEDS_TLS: Reply = Reply::new(538, (5, 7, 11), "encryption is required for authentication");
/// Commands in front of the greeting or behind DATA; RFC 5321 §4.3.1.
pub const TALKS_TOO_EARLY: Reply = Reply::new(554, (5, 5, 1), "spoke before the greeting");
/// Another protocol's first words.
pub const NOT_SMTP: Reply = Reply::new(554, (5, 5, 1), "this is SMTP");
/// RFC 5321 §2.3.8: CR and LF only together, in commands too.
pub const BARE_NEWLINE_IN_COMMAND: Reply = Reply::new(500, (5, 5, 2), "CR and LF may only come together");
/// RFC 5321 §2.3.8: CR and LF only together.
pub const BARE_NEWLINE: Reply =
    Reply::new(550, (5, 6, 0), "CR and LF may only come together; nothing was taken");
/// A line of text beyond the limit.
pub const TEXT_LINE_TOO_LONG: Reply =
    Reply::new(550, (5, 6, 0), "a line of the message is longer than 1 MiB");
/// RFC 5321 §3.6.1.
pub const NO_RELAY: Reply = Reply::new(550, (5, 7, 1), "this server relays only for its own accounts");
/// RFC 3463 §3.2.
pub const UNKNOWN_RECIPIENT: Reply = Reply::new(550, (5, 1, 1), "no such mailbox here");
/// The server does not deliver to itself; RFC 7505 §4.
pub const BAD_DOMAIN: Reply = Reply::new(550, (5, 1, 2), "the domain takes no mail");
/// RFC 1870 §6.1.
pub const TOO_BIG: Reply = Reply::new(552, (5, 3, 4), "message too big");
/// RFC 3463 §3.3: the recipient's quota.
pub const MAILBOX_FULL: Reply = Reply::new(552, (5, 2, 2), "the mailbox is full");
/// RFC 6409 §6.1: not one of the account's addresses.
pub const NOT_YOUR_ADDRESS: Reply = Reply::new(553, (5, 7, 1), "this account may not send as that address");
/// RFC 6531 §3.5: a UTF-8 address without SMTPUTF8.
pub const NEEDS_SMTPUTF8: Reply = Reply::new(553, (5, 6, 7), "the address needs SMTPUTF8");
/// RFC 3463 §3.7: what is signed or encrypted cannot be written anew.
pub const CANNOT_CONVERT: Reply = Reply::new(
    554,
    (5, 6, 3),
    "a signed or encrypted part has NUL or lines longer than 998 octets; nothing was sent",
);
/// RFC 5321 §6.3.
pub const LOOP: Reply = Reply::new(554, (5, 4, 6), "too many hops: the message loops");
/// A message that is built against the rules, or beyond the limits.
pub const BAD_MESSAGE: Reply = Reply::new(554, (5, 6, 0), "the message is not well-formed");
/// A policy of this server.
pub const POLICY: Reply = Reply::new(554, (5, 7, 1), "refused by policy; nothing was sent");
/// RFC 5321 §4.1.1.4.
pub const NO_RECIPIENTS: Reply = Reply::new(554, (5, 5, 1), "no valid recipients");

/// A message was taken and is on disk, synced.
pub fn taken(id: impl fmt::Display) -> Reply {
    OK.saying(format!("taken as {id}"))
}

/// RFC 3463 §3.8: a secure alias was addressed without TLS.
pub fn tls_required(alias: &Address) -> Reply {
    NO_RELAY.saying(format!("<{alias}> {OVER_TLS}"))
}

const OVER_TLS: &str = "accepts mail over TLS only; nothing was taken";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_form() {
        assert_eq!(OK.to_string(), "250 2.0.0 ok\r\n");
        assert_eq!(Reply::bare(250, "a\nb").to_string(), "250-a\r\n250 b\r\n");
        assert_eq!(POLICY.saying("x\ty\nz").to_string(), "554-5.7.1 x y\r\n554 5.7.1 z\r\n");
    }
}
