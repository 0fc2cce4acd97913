//! Everything the server says in words, in one place. Response codes: RFC 3501 §7.1, RFC 5530, RFC 4315.

use crate::imap::ask::Trouble;
use crate::imap::session::Link;

/// How a command ended, without its tag.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct End(pub &'static str);

/// RFC 3501 §7.1.3: a command nobody can read.
pub const SYNTAX: End = End("BAD command not understood");
/// Well-formed, and not offered here.
pub const NOT_OFFERED: End = End("BAD command not offered here");
/// RFC 3501 §3.1.
pub const SIGN_IN_FIRST: End = End("BAD sign in first");
/// RFC 3501 §3.3.
pub const SELECT_FIRST: End = End("BAD open a folder first");
/// RFC 3501 §3.2.
pub const SIGNED_IN_ALREADY: End = End("BAD signed in already");
/// RFC 3501 §6.2.1.
pub const TLS_ALREADY: End = End("BAD TLS is on already, or not offered here");
/// RFC 5530 §3, RFC 3501 §6.2.3: no password without TLS.
pub const PRIVACY_REQUIRED: End = End("NO [PRIVACYREQUIRED] STARTTLS first");
/// RFC 5530 §3; the same for an unknown address and a wrong password.
pub const WRONG_PASSWORD: End = End("NO [AUTHENTICATIONFAILED] address or password is not right");
/// RFC 5530 §3.
pub const AUTHORIZATION: End = End("NO [AUTHORIZATIONFAILED] a sign-in for somebody else is not offered");
/// RFC 3501 §6.2.2.
pub const MECHANISM: End = End("NO only PLAIN is offered");
/// RFC 3501 §6.2.2: the client gave up with `*`.
pub const CANCELLED: End = End("BAD authentication cancelled");
/// RFC 4616 §2.
pub const BAD_PLAIN: End = End("BAD not an answer for PLAIN");
/// RFC 5530 §3: no such folder, and CREATE makes none.
pub const NO_FOLDER: End = End("NO [NONEXISTENT] no such folder");
/// RFC 5530 §3.
pub const FIXED_FOLDERS: End = End("NO [CANNOT] the folders of a mailbox are fixed");
/// RFC 5530 §3: a recipient's mailbox holds what was sent through us, and nothing else.
pub const NO_APPEND: End =
    End("NO [CANNOT] messages come into this mailbox by being sent; answer in the portal");
/// RFC 5530 §3.
pub const FOLDER_EXISTS: End = End("NO [ALREADYEXISTS] the folder is there");
/// RFC 3501 §7.1: the folder was opened with EXAMINE.
pub const READ_ONLY: End = End("NO [READ-ONLY] the folder is open for reading only");
/// RFC 5530 §3: keywords beyond the limit.
pub const TOO_MANY_KEYWORDS: End = End("NO [LIMIT] at most 32 keywords of at most 64 octets");
/// RFC 5530 §3: more of each message than anybody needs.
pub const TOO_MANY_ITEMS: End = End("NO [LIMIT] at most 64 different items in one FETCH");
/// RFC 5530 §3: more keys than a search may have.
pub const TOO_MANY_KEYS: End = End("NO [LIMIT] at most 256 keys in one SEARCH");
/// RFC 3501 §6.4.4.
pub const CHARSET: End = End("NO [BADCHARSET (US-ASCII UTF-8)] charset not known");
/// RFC 5530 §3: the time for a search is over; what was found is told.
pub const SEARCH_STOPPED: End = End("NO [LIMIT] stopped early; what is listed was found until then");
/// A message sequence number above the number of messages.
pub const NO_SUCH_NUMBER: End = End("BAD no message of that number");
/// A literal above the limits.
pub const LITERAL_TOO_BIG: End = End("BAD literal too big");
/// A message above the limit.
pub const MESSAGE_TOO_BIG: End = End("NO [TOOBIG] message too big");
/// Something stood behind the message.
pub const ONE_MESSAGE: End = End("BAD APPEND takes one message");
/// RFC 2177 §3.
pub const NOT_DONE: End = End("BAD expected DONE");
/// RFC 2180 §4.1: gone, but its number is still in use.
pub const EXPUNGED_MEANWHILE: End = End("NO [EXPUNGEISSUED] some messages are gone");
/// A message could not be opened.
pub const UNREADABLE: End = End("NO [CONTACTADMIN] some messages cannot be read");
/// RFC 5530 §3: a message could not be read from the disk, and may be later.
pub const UNREADABLE_NOW: End = End("NO [UNAVAILABLE] some messages cannot be read now; try again later");

/// Too many wrong passwords, or lines nobody understands.
pub const BYE_ERRORS: &str = "* BYE too many errors\r\n";
/// A line or literal above the limits.
pub const BYE_FLOOD: &str = "* BYE line or literal too long\r\n";
/// RFC 3501 §6.1.3.
pub const BYE_LOGOUT: &str = "* BYE signing out\r\n";
/// The time to sign in is over.
pub const BYE_LOGIN_TIME: &str = "* BYE no sign-in in time\r\n";
/// RFC 3501 §5.4.
pub const BYE_IDLE: &str = "* BYE idle for too long\r\n";
/// The mailbox was deleted, or its password changed.
pub const BYE_CLOSED: &str = "* BYE the mailbox was closed or its password changed\r\n";
/// Its owner ended it in the portal.
pub const BYE_ENDED: &str = "* BYE ended by the owner of the mailbox\r\n";
/// The server stops.
pub const BYE_STOPPING: &str = "* BYE the server is stopping; come back soon\r\n";
/// The store is not well.
pub const BYE_UNAVAILABLE: &str = "* BYE [UNAVAILABLE] try again later\r\n";
/// No room for another connection.
pub const BYE_BUSY: &str = "* BYE [UNAVAILABLE] too many connections\r\n";
/// Said now and then in IDLE, so that nobody in between forgets the connection.
pub const STILL_HERE: &str = "* OK still here\r\n";

/// RFC 3501 §6.1.1: what is offered now.
pub fn capabilities(link: Link, signed_in: bool) -> &'static str {
    match (signed_in, link) {
        (true, _) => "IMAP4rev1 LITERAL- ID IDLE NAMESPACE CHILDREN UIDPLUS MOVE UNSELECT SPECIAL-USE",
        (false, Link::Tls) => {
            "IMAP4rev1 LITERAL- SASL-IR ID IDLE NAMESPACE CHILDREN UIDPLUS MOVE UNSELECT SPECIAL-USE AUTH=PLAIN"
        }
        (false, Link::Plain) => "IMAP4rev1 LITERAL- SASL-IR ID STARTTLS LOGINDISABLED",
    }
}

/// The only place where trouble becomes words for an IMAP client.
pub fn trouble(trouble: Trouble) -> End {
    match trouble {
        Trouble::WrongPassword => WRONG_PASSWORD,
        Trouble::TooManySessions => End("NO [LIMIT] too many sessions of this mailbox"),
        Trouble::TryLater => End("NO [UNAVAILABLE] cannot check passwords now; try again later"),
        Trouble::NoFolder => NO_FOLDER,
        Trouble::OverQuota => End("NO [OVERQUOTA] the mailbox is full"),
        Trouble::NotWritable => End("NO [OVERQUOTA] nothing can be written now; reading works"),
        Trouble::TooBig => MESSAGE_TOO_BIG,
        Trouble::BadMessage => End("NO [CANNOT] the message is not well-formed, or beyond the limits"),
        Trouble::NotOneMessage => ONE_MESSAGE,
        Trouble::Broken => End("NO [UNAVAILABLE] the store does not answer; try again later"),
    }
}
