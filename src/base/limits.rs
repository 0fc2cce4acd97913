//! The hard ceilings: what guard.toml may not raise, and what nobody needs to set.
//!
//! Every object has a size limit, every class a count limit, every wait a time limit.

use std::time::Duration;

/// One message as received, octets; `[limits] message_size` may be lower, and up to four times this.
pub const MESSAGE: u64 = 25 << 20;
/// The header block of a message, octets.
pub const HEADER_BLOCK: usize = 256 << 10;
/// One header field, octets.
pub const HEADER_FIELD: usize = 32 << 10;
/// Header fields of one part.
pub const HEADER_FIELDS: usize = 1_000;
/// RFC 2231 parameters of one part.
pub const PARAMETERS: usize = 200;
/// `Received:` fields before a message counts as looping (RFC 5321 §6.3).
pub const HOPS: usize = 50;
/// Depth of nesting, `message/rfc822` counted.
pub const MIME_DEPTH: usize = 30;
/// Parts of one message.
pub const MIME_PARTS: usize = 500;
/// RFC 2046 §5.1.1: a boundary, octets.
pub const BOUNDARY: usize = 70;
/// One SMTP command line, octets with CRLF (RFC 5321 §4.5.3.1.4 asks for 512 at least).
pub const COMMAND_LINE: usize = 2_048;
/// One line of message text, octets; longer than RFC 5321 §4.5.3.1.6 because clients send such.
pub const TEXT_LINE: usize = 1 << 20;
/// RCPT commands of one session.
pub const RCPT_COMMANDS: usize = 1_000;
/// Unknown recipients before a session ends.
pub const UNKNOWN_RECIPIENTS: usize = 10;
/// Protocol errors before each further one costs a second.
pub const ERRORS_SLOW: usize = 10;
/// Protocol errors before a session ends.
pub const ERRORS_END: usize = 20;
/// NOOP, RSET, VRFY and other commands that carry no mail, of one session.
pub const JUNK_COMMANDS: usize = 100;
/// Failed AUTH commands of one session.
pub const AUTH_FAILURES: usize = 5;
/// RFC 5321 §4.5.3.2.7: waiting for a command.
pub const COMMAND_WAIT: Duration = Duration::from_secs(300);
/// The same when more than three quarters of the connections are in use.
pub const COMMAND_WAIT_STRESS: Duration = Duration::from_secs(10);
/// One SMTP session.
pub const SESSION: Duration = Duration::from_secs(30 * 60);
/// Automatic answers (RFC 3834) in the queue, messages: whoever has them sent to servers that never take them gets no more.
pub const ANSWERS: usize = 50;
/// Of these, those that one network (/24, /64) has asked for.
pub const ANSWERS_PER_NETWORK: usize = 10;
/// A TLS handshake.
pub const HANDSHAKE: Duration = Duration::from_secs(10);
/// New temporary mailboxes made by one message.
pub const NEW_MAILBOXES: usize = 10;
/// Different items that one FETCH asks of each message: each costs a piece of the answer. Clients ask for a dozen.
pub const FETCH_ITEMS: usize = 64;
/// Keys of one SEARCH, those inside others counted: each is compared with every message of the folder.
pub const SEARCH_KEYS: usize = 256;
/// Addresses in the envelopes of one message and of those inside it, entries: Sender and Reply-To that stand for
/// From, groups and their ends counted.
pub const ENVELOPE_ENTRIES: usize = 4_000;
/// The texts of these envelopes, octets. Far more than a summary at rest: what is shortened never lies there.
pub const ENVELOPE_OCTETS: usize = 256 << 10;
/// A summary at rest, octets.
pub const SUMMARY: usize = 12 << 10;
/// Any one value in the store, octets.
pub const VALUE: usize = 16 << 10;
/// A body up to this many octets lies in the store itself, a larger one in a file.
pub const BODY_INLINE: usize = 8 << 10;
/// A spool up to this many octets lies in memory, a larger one in a sealed file.
pub const SPOOL_MEMORY: usize = 256 << 10;
/// One frame of a spool file or a queued body, octets of plaintext.
pub const FRAME: usize = 64 << 10;
/// Plaintext of one OpenPGP message, octets.
pub const DECRYPTED: u64 = 50 << 20;
/// Layers of one OpenPGP message.
pub const OPENPGP_NESTING: usize = 8;
/// Encrypted session keys of one OpenPGP message.
pub const OPENPGP_RECIPIENTS: usize = 64;
/// A certificate before it is parsed, octets.
pub const CERTIFICATE: usize = 256 << 10;
/// Keys of one certificate.
pub const CERTIFICATE_KEYS: usize = 64;
