//! The grammar's wrapping: a framed command becomes a [`Command`] of our own types.
//!
//! What is not offered (quotas, sorting, compression …) is read as [`Command::Unknown`].

use crate::base::secret::Secret;
use crate::base::time::Time;
use crate::imap::flags::Change;
use crate::imap::flags::Flags;
use crate::imap::name;
use crate::imap::search::Query;
use crate::imap::sequence::End;
use crate::imap::sequence::Set;
use data_encoding::BASE64;
use imap_codec::CommandCodec;
use imap_codec::decode::Decoder;
use imap_types::auth::AuthMechanism;
use imap_types::command::CommandBody;
use imap_types::core::AString;
use imap_types::core::Charset;
use imap_types::core::IString;
use imap_types::core::Vec1;
use imap_types::extensions::binary::LiteralOrLiteral8;
use imap_types::fetch::Macro;
use imap_types::fetch::MacroOrMessageDataItemNames;
use imap_types::fetch::MessageDataItemName;
use imap_types::fetch::Part;
use imap_types::fetch::Section as WireSection;
use imap_types::flag::Flag;
use imap_types::flag::StoreResponse;
use imap_types::flag::StoreType;
use imap_types::mailbox::ListMailbox;
use imap_types::mailbox::Mailbox;
use imap_types::search::SearchKey;
use imap_types::sequence::SeqOrUid;
use imap_types::sequence::Sequence;
use imap_types::sequence::SequenceSet;
use imap_types::status::StatusDataItemName;
use std::num::NonZeroU32;
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
fn translate(body: CommandBody<'_>) -> Option<Command> {
    use CommandBody as B;
    Some(match body {
        B::Capability => Command::Capability,
        B::Noop => Command::Noop,
        B::Logout => Command::Logout,
        B::Id { .. } => Command::Id,
        B::Authenticate { mechanism: AuthMechanism::Plain, initial_response: None } => {
            Command::AuthenticatePlain(None)
        }
        B::Authenticate { .. } => Command::AuthenticateOther,
        B::Login { username, password } => Command::Login {
            user: utf8(username.as_ref())?,
            password: Secret::new(utf8(password.declassify().as_ref())?),
        },
        B::Namespace => Command::Namespace,
        B::Select { mailbox } => Command::Select { folder: folder(&mailbox)?, read_only: false },
        B::Examine { mailbox } => Command::Select { folder: folder(&mailbox)?, read_only: true },
        B::Create { mailbox } => Command::Create(folder(&mailbox)?),
        B::Delete { mailbox } => Command::Delete(folder(&mailbox)?),
        B::Rename { from, .. } => Command::Rename(folder(&from)?),
        B::Subscribe { mailbox } => Command::Subscribe { folder: folder(&mailbox)?, on: true },
        B::Unsubscribe { mailbox } => Command::Subscribe { folder: folder(&mailbox)?, on: false },
        B::List { reference, mailbox_wildcard } => list(&reference, &mailbox_wildcard, false)?,
        B::Lsub { reference, mailbox_wildcard } => list(&reference, &mailbox_wildcard, true)?,
        B::Status { mailbox, item_names } => {
            let items = item_names.iter().map(status_item).collect::<Option<Vec<_>>>()?;
            Command::Status { folder: folder(&mailbox)?, items }
        }
        B::Append { mailbox, flags: wanted, date, message: LiteralOrLiteral8::Literal(_) } => {
            Command::Append(AppendHead {
                folder: folder(&mailbox)?,
                flags: flags(&wanted),
                arrived: date.map(|date| Time(date.as_ref().timestamp())),
            })
        }
        B::Idle => Command::Idle,
        selected => return translate_selected(selected),
    })
}

/// The commands that need a folder open.
fn translate_selected(body: CommandBody<'_>) -> Option<Command> {
    use CommandBody as B;
    let by = |uid| if uid { By::Uid } else { By::Sequence };
    Some(match body {
        B::Check => Command::Check,
        B::Close => Command::Close,
        B::Unselect => Command::Unselect,
        B::Expunge => Command::Expunge(None),
        B::ExpungeUid { sequence_set } => Command::Expunge(Some(set(&sequence_set))),
        B::Search { charset, criteria, uid } => {
            Command::Search { query: query(charset, criteria), by: by(uid) }
        }
        B::Fetch { sequence_set, macro_or_item_names, uid } => {
            Command::Fetch { set: set(&sequence_set), items: items(macro_or_item_names)?, by: by(uid) }
        }
        B::Store { sequence_set, kind, response, flags: named, uid } => Command::Store {
            set: set(&sequence_set),
            change: match kind {
                StoreType::Replace => Change::Replace,
                StoreType::Add => Change::Add,
                StoreType::Remove => Change::Remove,
            },
            flags: flags(&named),
            silent: response == StoreResponse::Silent,
            by: by(uid),
        },
        B::Copy { sequence_set, mailbox, uid } => {
            Command::Copy { set: set(&sequence_set), folder: folder(&mailbox)?, moves: false, by: by(uid) }
        }
        B::Move { sequence_set, mailbox, uid } => {
            Command::Copy { set: set(&sequence_set), folder: folder(&mailbox)?, moves: true, by: by(uid) }
        }
        _ => Command::Unknown,
    })
}

fn utf8(bytes: &[u8]) -> Option<String> {
    str::from_utf8(bytes).ok().map(Into::into)
}

fn folder(mailbox: &Mailbox<'_>) -> Option<String> {
    match mailbox {
        Mailbox::Inbox => Some("INBOX".into()),
        Mailbox::Other(other) => name::decode(other.as_ref()),
    }
}

/// RFC 3501 §6.3.8: the reference is a prefix of the pattern, unless the pattern starts at the root.
fn list(reference: &Mailbox<'_>, pattern: &ListMailbox<'_>, subscribed: bool) -> Option<Command> {
    let pattern = match pattern {
        ListMailbox::Token(token) => name::decode(token.as_ref())?,
        ListMailbox::String(string) => name::decode(string.as_ref())?,
    };
    let reference = if pattern.is_empty() { String::new() } else { folder(reference)? };
    Some(Command::List { pattern: format!("{reference}{pattern}"), subscribed })
}

fn status_item(item: &StatusDataItemName) -> Option<StatusItem> {
    match item {
        StatusDataItemName::Messages => Some(StatusItem::Messages),
        StatusDataItemName::Recent => Some(StatusItem::Recent),
        StatusDataItemName::UidNext => Some(StatusItem::UidNext),
        StatusDataItemName::UidValidity => Some(StatusItem::UidValidity),
        StatusDataItemName::Unseen => Some(StatusItem::Unseen),
        StatusDataItemName::Deleted | StatusDataItemName::DeletedStorage => None,
    }
}

/// Flags with a backslash that nobody knows are passed over; `\Recent` cannot be set (RFC 3501 §2.3.2).
fn flags(wire: &[Flag<'_>]) -> Flags {
    let mut flags = Flags::default();
    for flag in wire {
        match flag {
            Flag::Answered => flags.answered = true,
            Flag::Deleted => flags.deleted = true,
            Flag::Draft => flags.draft = true,
            Flag::Flagged => flags.flagged = true,
            Flag::Seen => flags.seen = true,
            Flag::Extension(_) => {}
            Flag::Keyword(word) => flags.keywords.push(word.as_ref().into()),
        }
    }
    flags.keywords.sort();
    flags.keywords.dedup_by(|a, b| a.eq_ignore_ascii_case(b));
    flags
}

/// Ranges of our own from the codec's.
pub fn set(wire: &SequenceSet) -> Set {
    let end = |end: &SeqOrUid| match end {
        SeqOrUid::Value(number) => End::Number(number.get()),
        SeqOrUid::Asterisk => End::Largest,
    };
    let range = |sequence: &Sequence| match sequence {
        Sequence::Single(only) => (end(only), end(only)),
        Sequence::Range(from, to) => (end(from), end(to)),
    };
    Set::new(wire.0.as_ref().iter().map(range).collect())
}

fn query(charset: Option<Charset<'_>>, keys: Vec1<SearchKey<'_>>) -> Result<Query, BadCharset> {
    let name = charset.as_ref().map(|charset| match charset {
        Charset::Atom(atom) => atom.as_ref(),
        Charset::Quoted(quoted) => quoted.as_ref(),
    });
    let known = ["US-ASCII", "UTF-8"];
    if name.is_some_and(|name| !known.iter().any(|known| known.eq_ignore_ascii_case(name))) {
        return Err(BadCharset);
    }
    Ok(Query::all(keys.as_ref().iter().map(Query::read).collect()))
}

/// What FETCH names, macros expanded; `None` for what is not offered (BINARY, RFC 3516).
fn items(wire: MacroOrMessageDataItemNames<'_>) -> Option<Vec<Item>> {
    match wire {
        MacroOrMessageDataItemNames::Macro(known) => Some(match known {
            Macro::All => vec![Item::Flags, Item::InternalDate, Item::Size, Item::Envelope],
            Macro::Full => vec![Item::Flags, Item::InternalDate, Item::Size, Item::Envelope, Item::Body],
            _ => vec![Item::Flags, Item::InternalDate, Item::Size],
        }),
        MacroOrMessageDataItemNames::MessageDataItemNames(names) => {
            let items = names.into_iter().map(item).collect::<Option<Vec<_>>>()?;
            (!items.is_empty()).then_some(items)
        }
    }
}

fn item(wire: MessageDataItemName<'_>) -> Option<Item> {
    let old = |label: &str, what, peek| {
        Item::Section(Section { label: label.into(), path: Vec::new(), what, partial: None, peek })
    };
    Some(match wire {
        MessageDataItemName::Flags => Item::Flags,
        MessageDataItemName::Uid => Item::Uid,
        MessageDataItemName::InternalDate => Item::InternalDate,
        MessageDataItemName::Rfc822Size => Item::Size,
        MessageDataItemName::Envelope => Item::Envelope,
        MessageDataItemName::Body => Item::Body,
        MessageDataItemName::BodyStructure => Item::BodyStructure,
        MessageDataItemName::Rfc822 => old("RFC822", What::All, false),
        MessageDataItemName::Rfc822Header => old("RFC822.HEADER", What::Header, true),
        MessageDataItemName::Rfc822Text => old("RFC822.TEXT", What::Text, false),
        MessageDataItemName::BodyExt { section, partial, peek } => {
            let (path, what) = section.map_or((Vec::new(), What::All), |section| parts(&section));
            let label = label(&path, &what);
            let partial = partial.map(|(first, count)| (first, count.get()));
            Item::Section(Section { label, path, what, partial, peek })
        }
        MessageDataItemName::Binary { .. } | MessageDataItemName::BinarySize { .. } => return None,
    })
}

fn parts(section: &WireSection<'_>) -> (Vec<u32>, What) {
    let path = |part: &Part| part.0.as_ref().iter().copied().map(NonZeroU32::get).collect::<Vec<_>>();
    let maybe = |part: &Option<Part>| part.as_ref().map(path).unwrap_or_default();
    let fields = |names: &Vec1<AString<'_>>, not| {
        let names = names.as_ref().iter().map(|name| String::from_utf8_lossy(name.as_ref()).into_owned());
        What::Fields { names: names.collect(), not }
    };
    match section {
        WireSection::Part(part) => (path(part), What::All),
        WireSection::Header(part) => (maybe(part), What::Header),
        WireSection::HeaderFields(part, names) => (maybe(part), fields(names, false)),
        WireSection::HeaderFieldsNot(part, names) => (maybe(part), fields(names, true)),
        WireSection::Text(part) => (maybe(part), What::Text),
        WireSection::Mime(part) => (path(part), What::Mime),
    }
}

fn label(path: &[u32], what: &What) -> String {
    let mut out: Vec<String> = path.iter().map(u32::to_string).collect();
    match what {
        What::All => {}
        What::Header => out.push("HEADER".into()),
        What::Text => out.push("TEXT".into()),
        What::Mime => out.push("MIME".into()),
        What::Fields { names, not } => {
            let mut list = Vec::new();
            for name in names {
                list.extend_from_slice(if list.is_empty() { b"" } else { b" " });
                crate::imap::quote::astring(&mut list, name.as_bytes());
            }
            let not = if *not { ".NOT" } else { "" };
            out.push(format!("HEADER.FIELDS{not} ({})", String::from_utf8_lossy(&list)));
        }
    }
    format!("BODY[{}]", out.join("."))
}

/// The text of a search key's string; what is not UTF-8 is read as near as it goes.
pub fn text(wire: &AString<'_>) -> String {
    match wire {
        AString::Atom(atom) => atom.as_ref().into(),
        AString::String(IString::Literal(literal)) => String::from_utf8_lossy(literal.as_ref()).into_owned(),
        AString::String(IString::Quoted(quoted)) => quoted.as_ref().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(line: &str) -> String {
        match read(format!("{line}\r\n").as_bytes()) {
            Ok(tagged) => format!("{:?}", tagged.command),
            Err(bad) => format!("bad {}", bad.tag),
        }
    }

    #[test]
    fn reads_and_refuses() {
        for (line, want) in [
            ("a noop", "Noop"),
            ("a STARTTLS", "StartTls"),
            ("a login bob \"x y\"", "Login { user: \"bob\", password: Secret(..) }"),
            ("a login {3}\r\nb b {3}\r\n\"\"\"", "Login { user: \"b b\", password: Secret(..) }"),
            ("a login bob \"pässwörd\"", "Login { user: \"bob\", password: Secret(..) }"),
            ("a authenticate plain", "AuthenticatePlain(None)"),
            ("a authenticate PLAIN AGEAYg==", "AuthenticatePlain(Some(Secret(..)))"),
            ("a authenticate PLAIN =", "AuthenticatePlain(Some(Secret(..)))"),
            ("a authenticate gssapi", "AuthenticateOther"),
            ("a login bob \"back\\\\slash \\\"\"", "Login { user: \"bob\", password: Secret(..) }"),
            ("a select inBox", "Select { folder: \"INBOX\", read_only: false }"),
            ("a examine \"Entw&APw-rfe\"", "Select { folder: \"Entwürfe\", read_only: true }"),
            ("a list \"\" %", "List { pattern: \"%\", subscribed: false }"),
            ("a lsub \"a/\" \"*\"", "List { pattern: \"a/*\", subscribed: true }"),
            ("a status sent (messages uidnext)", "Status { folder: \"sent\", items: [Messages, UidNext] }"),
            ("a getquota \"\"", "Unknown"),
            ("a uid expunge 3:*", "Expunge(Some(Set([(Number(3), Largest)])))"),
        ] {
            assert_eq!(shown(line), want, "{line}");
        }
        for (line, want) in [
            ("", "bad *"),
            ("a", "bad a"),
            ("a  noop", "bad a"),
            ("* noop", "bad *"),
            ("x1 select", "bad x1"),
            ("x1 select a b", "bad x1"),
            ("x1 select \"&\"", "bad x1"),
            ("x1 fetch 0 flags", "bad x1"),
            ("x1 fetch 1 ()", "bad x1"),
            ("x1 fetch 1 binary[1]", "bad x1"),
            ("x1 login {30}\r\nshort", "bad x1"),
            ("x1 noop\r\nx2 noop", "bad x1"),
            ("x1 authenticate plain !", "bad x1"),
            ("x1 login bob \"\\n\" extra", "bad x1"),
        ] {
            assert_eq!(shown(line), want, "{line}");
        }
    }

    #[test]
    fn passwords_come_as_they_were_meant() {
        for (line, want) in [
            ("a login bob x", "x"),
            ("a login bob \"a\\\\b\\\"c\"", "a\\b\"c"),
            ("a login bob \"pässwörd\"", "pässwörd"),
            ("a login \"bob\" {3}\r\n\\\"ä", "\\\"ä"),
            ("a login {3}\r\n\"\"\" \"ß\"", "ß"),
        ] {
            // A literal's length counts octets; "ä" has two.
            let line = line.replace("{3}\r\n\\\"ä", "{4}\r\n\\\"ä");
            let Ok(Tagged { command: Command::Login { password, .. }, .. }) =
                read(format!("{line}\r\n").as_bytes())
            else {
                panic!("{line}")
            };
            assert_eq!(password.expose(), want, "{line}");
        }
    }

    #[test]
    fn fetch_items() {
        for (line, want) in [
            ("rfc822", "RFC822 [] All None false"),
            ("rfc822.header", "RFC822.HEADER [] Header None true"),
            ("body[]", "BODY[] [] All None false"),
            ("body.peek[1.2.mime]<7.9>", "BODY[1.2.MIME] [1, 2] Mime Some((7, 9)) true"),
            ("body[3.text]", "BODY[3.TEXT] [3] Text None false"),
            (
                "body[header.fields (\"Subject\" to \"a b\")]",
                "BODY[HEADER.FIELDS (Subject to \"a b\")] [] Fields { names: [\"Subject\", \"to\", \"a b\"], not: false } None false",
            ),
            (
                "body.peek[2.header.fields.not (x)]",
                "BODY[2.HEADER.FIELDS.NOT (x)] [2] Fields { names: [\"x\"], not: true } None true",
            ),
        ] {
            let Ok(Tagged { command: Command::Fetch { items, .. }, .. }) =
                read(format!("a fetch 1 {line}\r\n").as_bytes())
            else {
                panic!("{line}")
            };
            let [Item::Section(section)] = items.as_slice() else { panic!("{line}") };
            let Section { label, path, what, partial, peek } = section;
            assert_eq!(format!("{label} {path:?} {what:?} {partial:?} {peek}"), want);
        }
    }

    #[test]
    fn append_heads() {
        let head = b"a append Sent (\\Seen work) \"17-Jul-1996 02:44:25 -0700\" {310}\r\n";
        let Some(Tagged { tag, command: Command::Append(head) }) = append_head(head) else { panic!() };
        assert_eq!((tag.as_str(), head.folder.as_str()), ("a", "Sent"));
        assert_eq!((head.flags.to_string().as_str(), head.arrived), ("\\Seen work", Some(Time(837_596_665))));
        for head in [
            &b"a append {5}\r\n"[..],
            b"a login {5}\r\n",
            b"a append INBOX ~{5}\r\n",
            b"a append INBOX 5\r\n",
        ] {
            assert!(!is_append_head(head));
        }
        assert!(is_append_head(b"a append {5}\r\nINBOX {5+}\r\n"));
    }

    proptest! {
        #[test]
        fn never_panics(
            head in "a (login|fetch|uid fetch|store|search|append|select|list|status|authenticate|id) ",
            tail in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            let mut bytes = head.into_bytes();
            bytes.extend_from_slice(&tail);
            bytes.extend_from_slice(b"\r\n");
            let _ = read(&bytes);
            let _ = append_head(&bytes);
        }

        #[test]
        fn never_panics_on_likely_things(
            line in "a (fetch|uid search|store|search) (1|\\*|,|:|[0-9]{1,11}| |\\(|\\)|body|\\[|\\]|<|>|\\.|header|fields|not|or|text|\"|\\{1\\}|since|1-Feb-1994|ü|flags|\\+|\\\\Seen){0,14}"
        ) {
            let _ = read(format!("{line}\r\n").as_bytes());
        }
    }
}
