//! The longer untagged answers: an opened folder, LIST, STATUS (RFC 3501 §7.2).

use crate::imap::ask::FolderFacts;
use crate::imap::command::StatusItem;
use crate::imap::name;
use crate::imap::quote;
use crate::imap::view::View;

/// What SELECT and EXAMINE tell (RFC 3501 §6.3.1), with the tagged line.
pub(super) fn opened(view: &View, uid_validity: u32, uid_next: u32, tag: &str) -> String {
    let mut said = String::from("* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n");
    said += if view.read_only {
        "* OK [PERMANENTFLAGS ()] nothing can be changed\r\n"
    } else {
        "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)] kept\r\n"
    };
    said += &format!("* {} EXISTS\r\n* 0 RECENT\r\n", view.exists());
    if let Some(number) = view.first_unseen() {
        said += &format!("* OK [UNSEEN {number}] first unread\r\n");
    }
    said += &format!("* OK [UIDVALIDITY {uid_validity}] valid\r\n");
    said += &format!("* OK [UIDNEXT {uid_next}] next\r\n");
    said += &format!("{tag} OK [{}] opened\r\n", if view.read_only { "READ-ONLY" } else { "READ-WRITE" });
    said
}

/// LIST and LSUB with special uses (RFC 6154 §2).
pub(super) fn list(folders: &[FolderFacts], pattern: &str, subscribed: bool) -> Vec<u8> {
    let verb = if subscribed { "LSUB" } else { "LIST" };
    let mut said = Vec::new();
    let shown =
        |facts: &&FolderFacts| (facts.subscribed || !subscribed) && name::matches(pattern, &facts.name);
    for facts in folders.iter().filter(shown) {
        let use_ =
            if facts.special_use.is_empty() { String::new() } else { format!(" {}", facts.special_use) };
        said.extend_from_slice(
            format!("* {verb} (\\HasNoChildren{use_}) \"{}\" ", name::DELIMITER).as_bytes(),
        );
        quote::astring(&mut said, name::encode(&facts.name).as_bytes());
        said.extend_from_slice(b"\r\n");
    }
    said
}

/// STATUS.
pub(super) fn status(facts: &FolderFacts, items: &[StatusItem]) -> Vec<u8> {
    let told = items.iter().map(|item| match item {
        StatusItem::Messages => format!("MESSAGES {}", facts.messages),
        StatusItem::Recent => "RECENT 0".into(),
        StatusItem::UidNext => format!("UIDNEXT {}", facts.uid_next),
        StatusItem::UidValidity => format!("UIDVALIDITY {}", facts.uid_validity),
        StatusItem::Unseen => format!("UNSEEN {}", facts.unseen),
    });
    let told = told.collect::<Vec<_>>().join(" ");
    let mut said = b"* STATUS ".to_vec();
    quote::astring(&mut said, name::encode(&facts.name).as_bytes());
    said.extend_from_slice(format!(" ({told})\r\n").as_bytes());
    said
}
