//! The grammar's wrapping: a framed command becomes a [`Command`] of our own types.
//!
//! What is not offered (quotas, sorting, compression …) is read as [`Command::Unknown`].

mod translate;

pub use crate::imap::command::translate::set;
pub use crate::imap::command::translate::text;

use crate::base::secret::Secret;
use crate::base::time::Time;
use crate::imap::command::translate::translate;
use crate::imap::flags::Change;
use crate::imap::flags::Flags;
use crate::imap::search::Query;
use crate::imap::sequence::Set;
use data_encoding::BASE64;
use imap_codec::CommandCodec;
use imap_codec::decode::Decoder;
use zeroize::Zeroizing;

/// A command with its tag.
#[derive(Debug)]
pub struct Tagged {
    /// What the answer carries.
    pub tag: String,
    /// What is wanted.
    pub command: Command,
}

/// What a client may want.
#[derive(Debug)]
pub enum Command {
    /// RFC 3501 §6.1.1.
    Capability,
    /// RFC 3501 §6.1.2.
    Noop,
    /// RFC 3501 §6.1.3.
    Logout,
    /// RFC 2971 §3.1.
    Id,
    /// RFC 3501 §6.2.1.
    StartTls,
    /// RFC 3501 §6.2.2 with mechanism PLAIN; the first answer may come along (RFC 4959 §3).
    AuthenticatePlain(Option<Secret<Vec<u8>>>),
    /// RFC 3501 §6.2.2 with another mechanism.
    AuthenticateOther,
    /// RFC 3501 §6.2.3.
    Login {
        /// User name.
        user: String,
        /// Password.
        password: Secret<String>,
    },
    /// RFC 2342 §5.
    Namespace,
    /// RFC 3501 §6.3.1, §6.3.2.
    Select {
        /// Folder.
        folder: String,
        /// EXAMINE.
        read_only: bool,
    },
    /// RFC 3501 §6.3.3.
    Create(String),
    /// RFC 3501 §6.3.4.
    Delete(String),
    /// RFC 3501 §6.3.5.
    Rename(String),
    /// RFC 3501 §6.3.6, §6.3.7.
    Subscribe {
        /// Folder.
        folder: String,
        /// SUBSCRIBE.
        on: bool,
    },
    /// RFC 3501 §6.3.8, §6.3.9.
    List {
        /// Reference and pattern joined; empty if the pattern was.
        pattern: String,
        /// LSUB.
        subscribed: bool,
    },
    /// RFC 3501 §6.3.10.
    Status {
        /// Folder.
        folder: String,
        /// What of it.
        items: Vec<StatusItem>,
    },
    /// RFC 3501 §6.3.11; the message comes apart.
    Append(AppendHead),
    /// RFC 2177 §3.
    Idle,
    /// RFC 3501 §6.4.1.
    Check,
    /// RFC 3501 §6.4.2.
    Close,
    /// RFC 3691 §2.
    Unselect,
    /// RFC 3501 §6.4.3; with a set: RFC 4315 §2.1.
    Expunge(Option<Set>),
    /// RFC 3501 §6.4.4.
    Search {
        /// What is looked for, or the charset that is not known.
        query: Result<Query, BadCharset>,
        /// UID SEARCH.
        by: By,
    },
    /// RFC 3501 §6.4.5.
    Fetch {
        /// Which messages.
        set: Set,
        /// What of them.
        items: Vec<Item>,
        /// UID FETCH.
        by: By,
    },
    /// RFC 3501 §6.4.6.
    Store {
        /// Which messages.
        set: Set,
        /// How.
        change: Change,
        /// These.
        flags: Flags,
        /// `.SILENT`.
        silent: bool,
        /// UID STORE.
        by: By,
    },
    /// RFC 3501 §6.4.7; RFC 6851 §3.1.
    Copy {
        /// Which messages.
        set: Set,
        /// To where.
        folder: String,
        /// MOVE.
        moves: bool,
        /// UID COPY, UID MOVE.
        by: By,
    },
    /// Well-formed, and not offered here.
    Unknown,
}

/// How messages are named.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum By {
    /// By message sequence number.
    Sequence,
    /// By UID.
    Uid,
}

/// SEARCH named a charset other than US-ASCII and UTF-8.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BadCharset;

/// What STATUS can tell.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StatusItem {
    /// MESSAGES.
    Messages,
    /// RECENT.
    Recent,
    /// UIDNEXT.
    UidNext,
    /// UIDVALIDITY.
    UidValidity,
    /// UNSEEN.
    Unseen,
}

/// APPEND without its message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AppendHead {
    /// Folder.
    pub folder: String,
    /// Flags to begin with.
    pub flags: Flags,
    /// INTERNALDATE, if one was given.
    pub arrived: Option<Time>,
}

/// What FETCH can tell of a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Item {
    /// FLAGS.
    Flags,
    /// UID.
    Uid,
    /// INTERNALDATE.
    InternalDate,
    /// RFC822.SIZE.
    Size,
    /// ENVELOPE.
    Envelope,
    /// BODY.
    Body,
    /// BODYSTRUCTURE.
    BodyStructure,
    /// `BODY[…]` and its kin.
    Section(Section),
}

/// Octets of a message that are wanted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Section {
    /// How the answer names it, without the origin: `BODY[1.MIME]`, `RFC822.TEXT`.
    pub label: String,
    /// Part numbers; empty is the message itself.
    pub path: Vec<u32>,
    /// What of that part.
    pub what: What,
    /// First octet and count.
    pub partial: Option<(u32, u32)>,
    /// Leaves `\Seen` alone.
    pub peek: bool,
}

/// What of a part (RFC 3501 §6.4.5).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum What {
    /// `[]` or `[1]`: all of it.
    All,
    /// HEADER: of a message.
    Header,
    /// HEADER.FIELDS, or HEADER.FIELDS.NOT if `not`.
    Fields {
        /// Field names.
        names: Vec<String>,
        /// All but these.
        not: bool,
    },
    /// TEXT: the body of a message.
    Text,
    /// MIME: the header of a part.
    Mime,
}

/// A command that cannot be read, with the tag for the answer (`*` if even that is not there).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BadCommand {
    /// The command's, or `*`.
    pub tag: String,
}

/// Reads a framed command.
pub fn read(bytes: &[u8]) -> Result<Tagged, BadCommand> {
    let tag = tag_of(bytes);
    let verb = bytes.get(tag.len()..).unwrap_or_default();
    if tag != "*" && verb.eq_ignore_ascii_case(b" STARTTLS\r\n") {
        return Ok(Tagged { tag, command: Command::StartTls });
    }
    let bad = || BadCommand { tag: tag.clone() };
    if let Some(first) = first_answer(verb) {
        let command = Command::AuthenticatePlain(Some(first.ok_or_else(bad)?));
        return Ok(Tagged { tag, command });
    }
    let rewritten = with_literals(bytes);
    let bytes = rewritten.as_ref().map_or(bytes, |rewritten| rewritten.as_slice());
    let (rest, command) = CommandCodec::default().decode(bytes).map_err(|_| bad())?;
    if !rest.is_empty() {
        return Err(bad());
    }
    let command = translate(command.body).ok_or_else(bad)?;
    Ok(Tagged { tag, command })
}

/// The tag at the start of a command, `*` if there is none (RFC 3501 §9).
pub fn tag_of(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| !(b'!'..=b'~').contains(byte) || b"(){%*\"\\+".contains(byte));
    let tag = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
    if tag.is_empty() || tag.len() > 255 { "*".into() } else { String::from_utf8_lossy(tag).into_owned() }
}

/// Does the word behind the tag say APPEND?
pub fn is_append(command: &[u8]) -> bool {
    let verb = command.get(tag_of(command).len()..).and_then(|rest| rest.get(..8));
    verb.is_some_and(|verb| verb.eq_ignore_ascii_case(b" APPEND "))
}

/// Is this, up to the `{n}` CRLF at its end, an APPEND whose message comes next?
pub fn is_append_head(head: &[u8]) -> bool {
    append_head(head).is_some()
}

/// Reads an APPEND that ends in front of its message.
pub fn append_head(head: &[u8]) -> Option<Tagged> {
    let open = head.iter().rposition(|byte| *byte == b'{')?;
    let mut whole = head.get(..open)?.to_vec();
    whole.extend_from_slice(b"{0}\r\n\r\n");
    read(&whole).ok().filter(|tagged| matches!(tagged.command, Command::Append(_)))
}

/// The answer that comes along with AUTHENTICATE PLAIN (RFC 4959 §3); `None` inside if it is no base64. Read here
/// and not by the codec, which would leave a copy of the password behind.
fn first_answer(verb: &[u8]) -> Option<Option<Secret<Vec<u8>>>> {
    let (head, answer) = verb.split_at_checked(b" AUTHENTICATE PLAIN ".len())?;
    if !head.eq_ignore_ascii_case(b" AUTHENTICATE PLAIN ") {
        return None;
    }
    let answer = answer.strip_suffix(b"\r\n").unwrap_or(answer);
    let answer = if answer == b"=" { b"" } else { answer };
    Some(BASE64.decode(answer).ok().map(Secret::new))
}

/// Turns quoted strings with octets above 127 into literals: RFC 3501 §4.3 wants a client to send them so, and
/// many do not. Those with a backslash too, so that the codec borrows a password and makes no copy of it.
fn with_literals(bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if bytes.is_ascii() && !bytes.contains(&b'\\') {
        return None;
    }
    // Room for the worst case, so that growing leaves no copies behind.
    let mut out = Zeroizing::new(Vec::with_capacity(4 * bytes.len() + 64));
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'{')) {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain);
        let taken = if special.starts_with(b"\"") {
            quoted_end(special).inspect(|&end| {
                let quoted = special.get(..end).unwrap_or_default();
                if quoted.is_ascii() && !quoted.contains(&b'\\') {
                    out.extend_from_slice(quoted);
                } else {
                    let inside = unescaped(quoted.get(1..end - 1).unwrap_or_default());
                    out.extend_from_slice(format!("{{{}}}\r\n", inside.len()).as_bytes());
                    out.extend_from_slice(&inside);
                }
            })
        } else {
            literal_end(special).inspect(|end| out.extend_from_slice(special.get(..*end).unwrap_or_default()))
        };
        let Some(taken) = taken else {
            rest = special;
            break;
        };
        rest = special.get(taken..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    Some(out)
}

/// The index behind the closing quote.
fn quoted_end(text: &[u8]) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.iter().enumerate().skip(1) {
        match byte {
            b'\r' | b'\n' => return None,
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn unescaped(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        out.extend(if *byte == b'\\' { bytes.next() } else { Some(byte) });
    }
    out
}

/// The index behind a literal that starts at `{`.
fn literal_end(text: &[u8]) -> Option<usize> {
    let line = text.iter().position(|byte| *byte == b'\n')?;
    let digits = text.get(1..line)?.strip_suffix(b"}\r")?;
    let digits = digits.strip_suffix(b"+").unwrap_or(digits);
    let octets: usize = str::from_utf8(digits).ok()?.parse().ok()?;
    let end = line.checked_add(1)?.checked_add(octets)?;
    (end <= text.len()).then_some(end)
}

/// Into our own types; `None` if something in it cannot be meant (a folder name that is no modified UTF-7).
#[cfg(test)]
mod tests;
