//! Where each row lies: a table's number, then ids and big-endian numbers. Addresses and names do not stand
//! in keys, only their HMAC.

use crate::base::id::BodyId;
use crate::base::id::InvitationId;
use crate::base::id::MailboxId;
use crate::base::id::QueueId;
use crate::base::time::Time;
use crate::store::record::Fingerprint;
use crate::store::record::Folder;
use crate::store::record::Uid;

/// The store's own: header and commit counter.
pub(crate) const HEADER: [u8; 2] = [0x01, 0];
/// See [`HEADER`].
pub(crate) const COUNTER: [u8; 2] = [0x01, 1];
/// See [`HEADER`]: the clock of mailboxes' lives.
pub(crate) const LIFE_CLOCK: [u8; 2] = [0x01, 2];
/// See [`HEADER`]: the last commit that dropped many shred keys.
pub(crate) const DROPPED: [u8; 2] = [0x01, 3];

/// Address HMAC → mailbox.
pub(crate) const ADDRESS: u8 = 0x10;
/// M → its record.
pub(crate) const MAILBOX: u8 = 0x11;
/// M, fingerprint → key.
pub(crate) const KEY: u8 = 0x12;
/// M, folder → folder.
pub(crate) const FOLDER: u8 = 0x13;
/// M, folder, UID → message.
pub(crate) const MESSAGE: u8 = 0x14;
/// M, folder, UID → flags, when there are any: a change rewrites these few octets only.
pub(crate) const FLAGS: u8 = 0x15;
/// M, folder, UID → summary, as it was put.
pub(crate) const SUMMARY: u8 = 0x16;
/// M, folder, Message-ID HMAC, UID.
pub(crate) const MESSAGE_ID: u8 = 0x17;
/// Address HMAC → its former mailbox.
pub(crate) const FORMER: u8 = 0x18;
/// i → invitation.
pub(crate) const INVITATION: u8 = 0x20;
/// M, i.
pub(crate) const INVITATION_OF: u8 = 0x21;
/// Account, M → vault entry.
pub(crate) const VAULT: u8 = 0x22;
/// M, account.
pub(crate) const VAULT_OF: u8 = 0x23;
/// Time of deletion, i: invitations whose mailbox is gone.
pub(crate) const TRACE: u8 = 0x24;
/// Account → attempts that its secure alias refused.
pub(crate) const REFUSED: u8 = 0x25;
/// Address HMAC → certificate.
pub(crate) const CERTIFICATE: u8 = 0x30;
/// Domain HMAC → certificates stored for a destination.
pub(crate) const STORED: u8 = 0x31;
/// Domain HMAC → what it said by MTA-STS.
pub(crate) const STS: u8 = 0x32;
/// q → message.
pub(crate) const QUEUE: u8 = 0x40;
/// q, number → recipient.
pub(crate) const RECIPIENT: u8 = 0x41;
/// Time, q, number.
pub(crate) const DUE: u8 = 0x42;
/// q → recipients that still wait.
pub(crate) const WAITING: u8 = 0x43;
/// M, q: mail that tells the recipient of a temporary mailbox something.
pub(crate) const QUEUED_FOR: u8 = 0x44;
/// Domain HMAC, selector HMAC → signing key.
pub(crate) const SIGNING: u8 = 0x50;
/// Account, digest → until.
pub(crate) const SUBMISSION: u8 = 0x60;
/// Until, account, digest.
pub(crate) const SUBMISSION_END: u8 = 0x61;
/// Account, digest → when.
pub(crate) const CONVERSATION: u8 = 0x62;
/// Body file → records that name it.
pub(crate) const FILE: u8 = 0x70;
/// M of a mailbox that is gone while rows of it are left.
pub(crate) const LEFT: u8 = 0x71;

/// A table's number and the parts of a key, or of the beginning of one.
pub(crate) fn join(table: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
    key.push(table);
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

pub(crate) fn of(table: u8, mailbox: MailboxId) -> Vec<u8> {
    join(table, &[mailbox.bytes()])
}

pub(crate) fn mailbox(mailbox: MailboxId) -> Vec<u8> {
    of(MAILBOX, mailbox)
}

pub(crate) fn key(mailbox: MailboxId, fingerprint: &Fingerprint) -> Vec<u8> {
    join(KEY, &[mailbox.bytes(), &fingerprint.0])
}

pub(crate) fn folder(mailbox: MailboxId, folder: Folder) -> Vec<u8> {
    join(FOLDER, &[mailbox.bytes(), &folder.0.to_be_bytes()])
}

/// Everything in a folder: of [`MESSAGE`], [`FLAGS`] or [`SUMMARY`].
pub(crate) fn inside(table: u8, mailbox: MailboxId, folder: Folder) -> Vec<u8> {
    join(table, &[mailbox.bytes(), &folder.0.to_be_bytes()])
}

/// One message: of [`MESSAGE`], [`FLAGS`] or [`SUMMARY`].
pub(crate) fn message(table: u8, mailbox: MailboxId, folder: Folder, uid: Uid) -> Vec<u8> {
    join(table, &[mailbox.bytes(), &folder.0.to_be_bytes(), &uid.0.to_be_bytes()])
}

/// The UID at the end of a key.
pub(crate) fn uid(key: &[u8]) -> Option<Uid> {
    key.last_chunk().map(|bytes| Uid(u32::from_be_bytes(*bytes)))
}

pub(crate) fn same_message_id(mailbox: MailboxId, folder: Folder, digest: &[u8; 32]) -> Vec<u8> {
    join(MESSAGE_ID, &[mailbox.bytes(), &folder.0.to_be_bytes(), digest])
}

pub(crate) fn message_id(mailbox: MailboxId, folder: Folder, digest: &[u8; 32], uid: Uid) -> Vec<u8> {
    join(MESSAGE_ID, &[mailbox.bytes(), &folder.0.to_be_bytes(), digest, &uid.0.to_be_bytes()])
}

pub(crate) fn invitation(invitation: InvitationId) -> Vec<u8> {
    join(INVITATION, &[invitation.bytes()])
}

pub(crate) fn invitation_of(mailbox: MailboxId, invitation: InvitationId) -> Vec<u8> {
    join(INVITATION_OF, &[mailbox.bytes(), invitation.bytes()])
}

pub(crate) fn trace(deleted: Time, invitation: InvitationId) -> Vec<u8> {
    join(TRACE, &[&ordered(deleted), invitation.bytes()])
}

/// Reads what [`trace`] wrote.
pub(crate) fn read_trace(key: &[u8]) -> Option<(Time, InvitationId)> {
    let (time, rest) = key.get(1..)?.split_first_chunk::<8>()?;
    Some((time_of(*time), InvitationId::new(rest.try_into().ok()?)))
}

pub(crate) fn vault(account: MailboxId, mailbox: MailboxId) -> Vec<u8> {
    join(VAULT, &[account.bytes(), mailbox.bytes()])
}

pub(crate) fn vault_of(mailbox: MailboxId, account: MailboxId) -> Vec<u8> {
    join(VAULT_OF, &[mailbox.bytes(), account.bytes()])
}

/// The second id in a key of two ids.
pub(crate) fn second_id(key: &[u8]) -> Option<[u8; 16]> {
    key.get(17..33)?.try_into().ok()
}

pub(crate) fn queue(table: u8, queue: QueueId) -> Vec<u8> {
    join(table, &[queue.bytes()])
}

pub(crate) fn queued_for(mailbox: MailboxId, queue: QueueId) -> Vec<u8> {
    join(QUEUED_FOR, &[mailbox.bytes(), queue.bytes()])
}

pub(crate) fn recipient(queue: QueueId, number: u16) -> Vec<u8> {
    join(RECIPIENT, &[queue.bytes(), &number.to_be_bytes()])
}

pub(crate) fn due(next: Time, queue: QueueId, number: u16) -> Vec<u8> {
    join(DUE, &[&ordered(next), queue.bytes(), &number.to_be_bytes()])
}

/// Reads what [`due`] wrote.
pub(crate) fn read_due(key: &[u8]) -> Option<(Time, QueueId, u16)> {
    let (time, rest) = key.get(1..)?.split_first_chunk::<8>()?;
    let (queue, number) = rest.split_first_chunk::<16>()?;
    let number = u16::from_be_bytes(number.try_into().ok()?);
    Some((time_of(*time), QueueId::new(*queue), number))
}

pub(crate) fn submission(account: MailboxId, digest: &[u8; 32]) -> Vec<u8> {
    join(SUBMISSION, &[account.bytes(), digest])
}

pub(crate) fn submission_end(until: Time, account: MailboxId, digest: &[u8; 32]) -> Vec<u8> {
    join(SUBMISSION_END, &[&ordered(until), account.bytes(), digest])
}

/// Reads what [`submission_end`] wrote.
pub(crate) fn read_submission_end(key: &[u8]) -> Option<(Time, MailboxId, [u8; 32])> {
    let (time, rest) = key.get(1..)?.split_first_chunk::<8>()?;
    let (account, digest) = rest.split_first_chunk::<16>()?;
    Some((time_of(*time), MailboxId::new(*account), digest.try_into().ok()?))
}

pub(crate) fn conversation(account: MailboxId, digest: &[u8; 32]) -> Vec<u8> {
    join(CONVERSATION, &[account.bytes(), digest])
}

pub(crate) fn file(body: BodyId) -> Vec<u8> {
    join(FILE, &[body.bytes()])
}

/// A time whose octets sort as the time does, before 1970 too.
fn ordered(time: Time) -> [u8; 8] {
    (time.0 ^ i64::MIN).to_be_bytes()
}

fn time_of(bytes: [u8; 8]) -> Time {
    Time(i64::from_be_bytes(bytes) ^ i64::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_sort_and_read_back() {
        let times = [i64::MIN, -2, -1, 0, 1, 1_795_318_393, i64::MAX].map(Time);
        let keys = times.map(|time| due(time, QueueId::new([7; 16]), 3));
        assert!(keys.is_sorted());
        for (time, key) in times.into_iter().zip(&keys) {
            assert_eq!(read_due(key), Some((time, QueueId::new([7; 16]), 3)));
        }
        let deleted = trace(Time(-7), InvitationId::new([4; 16]));
        assert_eq!(read_trace(&deleted), Some((Time(-7), InvitationId::new([4; 16]))));
        let end = submission_end(Time(-5), MailboxId::new([1; 16]), &[2; 32]);
        assert_eq!(read_submission_end(&end), Some((Time(-5), MailboxId::new([1; 16]), [2; 32])));
    }
}
