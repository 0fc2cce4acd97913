//! How messages change what their folder counts, and flags: pure functions, the same for every engine.

use crate::store::command::Outcome;
use crate::store::command::Refusal;
use crate::store::command_part::FlagChange;
use crate::store::command_part::Quota;
use crate::store::record::Flags;
use crate::store::record::FolderRecord;
use crate::store::record::Message;
use crate::store::record::Uid;

/// So many copies of the same message are looked at for one that stays.
pub(crate) const SAME: usize = 16;

/// RFC 3501 §6.4.6: the flags that `now` becomes. Keywords are the same in whatever case; the first one's stays.
pub(crate) fn flags(now: &Flags, change: FlagChange, given: &Flags) -> Flags {
    let pick = |now: bool, given: bool| match change {
        FlagChange::Replace => given,
        FlagChange::Add => now || given,
        FlagChange::Remove => now && !given,
    };
    let lacks = |of: &Flags, word: &str| !of.keywords.iter().any(|have| have.eq_ignore_ascii_case(word));
    let mut keywords = now.keywords.clone();
    match change {
        FlagChange::Replace => keywords.clone_from(&given.keywords),
        FlagChange::Add => keywords.extend(given.keywords.iter().filter(|word| lacks(now, word)).cloned()),
        FlagChange::Remove => keywords.retain(|word| lacks(given, word)),
    }
    keywords.sort_unstable();
    keywords.dedup();
    Flags {
        seen: pick(now.seen, given.seen),
        answered: pick(now.answered, given.answered),
        flagged: pick(now.flagged, given.flagged),
        deleted: pick(now.deleted, given.deleted),
        draft: pick(now.draft, given.draft),
        keywords,
    }
}

/// Gives a message that comes into a folder its number, and counts it.
pub(crate) fn count_in(folder: &mut FolderRecord, message: &Message) -> Result<Uid, Refusal> {
    let uid = folder.uid_next;
    folder.uid_next = Uid(uid.0.checked_add(1).ok_or(Refusal::OverQuota)?);
    folder.messages = folder.messages.saturating_add(1);
    folder.unseen = folder.unseen.saturating_add(u32::from(!message.flags.seen));
    folder.bytes = folder.bytes.saturating_add(message.record.body.length());
    Ok(uid)
}

/// Whether a mailbox may hold so much more than what is in `folders`, which are all of them.
pub(crate) fn check_quota<'f>(
    quota: Quota,
    folders: impl Iterator<Item = &'f FolderRecord>,
    more_bytes: u64,
    more_messages: u64,
) -> Result<(), Refusal> {
    let count = |(bytes, messages): (u64, u64), folder: &FolderRecord| {
        (bytes.saturating_add(folder.bytes), messages.saturating_add(u64::from(folder.messages)))
    };
    let (bytes, messages) = folders.fold((more_bytes, more_messages), count);
    let fits = quota.bytes.is_none_or(|quota| bytes <= quota)
        && quota.messages.is_none_or(|quota| messages <= u64::from(quota));
    if fits { Ok(()) } else { Err(Refusal::OverQuota) }
}

/// Whether a mailbox may hold what was copied: `folders` are all of them, with the copies.
pub(crate) fn check_copied<'f>(
    copied: &Outcome,
    quota: Quota,
    folders: impl Iterator<Item = &'f FolderRecord>,
) -> Result<(), Refusal> {
    if matches!(copied, Outcome::Copied { pairs, .. } if pairs.is_empty()) {
        return Ok(());
    }
    check_quota(quota, folders, 0, 0)
}

/// Counts a message that leaves a folder.
pub(crate) fn count_out(folder: &mut FolderRecord, message: &Message) {
    folder.messages = folder.messages.saturating_sub(1);
    folder.unseen = folder.unseen.saturating_sub(u32::from(!message.flags.seen));
    folder.bytes = folder.bytes.saturating_sub(message.record.body.length());
}

/// Counts a change of `\Seen`.
pub(crate) fn count_seen(folder: &mut FolderRecord, before: bool, after: bool) {
    match (before, after) {
        (false, true) => folder.unseen = folder.unseen.saturating_sub(1),
        (true, false) => folder.unseen = folder.unseen.saturating_add(1),
        (true, true) | (false, false) => {}
    }
}

/// Keywords sorted, each once.
pub(crate) fn tidy(mut flags: Flags) -> Flags {
    flags.keywords.sort_unstable();
    flags.keywords.dedup();
    flags
}

/// Ascending, each once.
pub(crate) fn in_order(mut uids: Vec<Uid>) -> Vec<Uid> {
    uids.sort_unstable();
    uids.dedup();
    uids
}
