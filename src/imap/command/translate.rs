//! From the grammar's types to ours, each where it has one.

use crate::base::limits;
use crate::base::secret::Secret;
use crate::base::time::Time;
use crate::imap::command::AppendHead;
use crate::imap::command::BadCharset;
use crate::imap::command::By;
use crate::imap::command::Command;
use crate::imap::command::Item;
use crate::imap::command::Section;
use crate::imap::command::StatusItem;
use crate::imap::command::What;
use crate::imap::flags::Change;
use crate::imap::flags::Flags;
use crate::imap::name;
use crate::imap::search::Query;
use crate::imap::sequence::End;
use crate::imap::sequence::Set;
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

/// What is offered of it; nothing for the rest.
pub(super) fn translate(body: CommandBody<'_>) -> Option<Command> {
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
    // Of the same word in different cases the first one stays.
    flags.keywords.sort_by_cached_key(|word| word.to_ascii_lowercase());
    flags.keywords.dedup_by(|a, b| a.eq_ignore_ascii_case(b));
    flags.keywords.sort();
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

/// What FETCH names, macros expanded, each once; `None` for what is not offered (BINARY, RFC 3516).
fn items(wire: MacroOrMessageDataItemNames<'_>) -> Option<Vec<Item>> {
    match wire {
        MacroOrMessageDataItemNames::Macro(known) => Some(match known {
            Macro::All => vec![Item::Flags, Item::InternalDate, Item::Size, Item::Envelope],
            Macro::Full => vec![Item::Flags, Item::InternalDate, Item::Size, Item::Envelope, Item::Body],
            _ => vec![Item::Flags, Item::InternalDate, Item::Size],
        }),
        MacroOrMessageDataItemNames::MessageDataItemNames(names) => {
            let mut items = Vec::new();
            for name in names {
                let item = item(name)?;
                // One more than there may be is enough to say so.
                if items.len() <= limits::FETCH_ITEMS && !items.contains(&item) {
                    items.push(item);
                }
            }
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
