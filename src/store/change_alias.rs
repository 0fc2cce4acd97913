//! How an account's secure alias and what belongs to it change: pure functions, the same for every engine.

use crate::base::alias::AliasLevel;
use crate::store::command::Refusal;
use crate::store::record::Folder;
use crate::store::record::FolderRecord;
use crate::store::record::MailboxKind;
use crate::store::record::MailboxRecord;
use crate::store::record::Uid;
use crate::store::record_account::AliasRecord;
use crate::store::record_account::RefusedRecord;

/// See [`crate::store::command::Command::PutAlias`].
pub(crate) fn put(
    record: &mut MailboxRecord,
    alias: AliasRecord,
    expected: Option<AliasRecord>,
) -> Result<(), Refusal> {
    if record.kind != MailboxKind::Account || record.alias() != expected {
        return Err(Refusal::NotCurrent);
    }
    record.account.get_or_insert_default().alias = Some(alias);
    Ok(())
}

/// See [`crate::store::command::Command::RequireAlias`].
pub(crate) fn require(record: &MailboxRecord, level: Option<AliasLevel>) -> Result<(), Refusal> {
    let alias = record.alias().filter(|alias| alias.active);
    let is = alias.is_some_and(|alias| level.is_none_or(|level| level == alias.level));
    if is { Ok(()) } else { Err(Refusal::NotCurrent) }
}

/// Whether `refused` may take the place of what is there; see [`crate::store::command::Command::PutRefused`].
pub(crate) fn check_refused(
    record: Option<&MailboxRecord>,
    there: Option<&RefusedRecord>,
    expected: Option<&RefusedRecord>,
) -> Result<(), Refusal> {
    let is = record.is_some_and(|record| record.kind == MailboxKind::Account) && there == expected;
    if is { Ok(()) } else { Err(Refusal::NotCurrent) }
}

/// A folder that comes later, beside the ones that are there; see [`crate::store::command::Command::OpenFolder`].
///
/// RFC 3501 §2.3.1.1: nobody removes it, so its UIDVALIDITY may be that of the mailbox.
pub(crate) fn late_folder(
    record: &MailboxRecord,
    folder: Folder,
    inbox: &FolderRecord,
) -> Result<FolderRecord, Refusal> {
    if record.kind != MailboxKind::Account || folder != Folder::REFUSED {
        return Err(Refusal::Gone);
    }
    Ok(FolderRecord {
        folder,
        name: "Refused".into(),
        uid_validity: inbox.uid_validity,
        uid_next: Uid(1),
        messages: 0,
        unseen: 0,
        bytes: 0,
        subscribed: true,
    })
}
