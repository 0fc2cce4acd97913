//! The rows on disk must agree with each other, whatever was done and whenever the power went.

use crate::base::id::BodyId;
use crate::base::id::MailboxId;
use crate::base::id::QueueId;
use crate::store::body::Body;
use crate::store::codec::CertificateRow;
use crate::store::codec::KeyRow;
use crate::store::codec::Number;
use crate::store::codec::Octets;
use crate::store::codec::StsRow;
use crate::store::deed_life;
use crate::store::deed_mailbox;
use crate::store::disk::Disk;
use crate::store::disk::Source;
use crate::store::key;
use crate::store::record::Flags;
use crate::store::record::Folder;
use crate::store::record::FolderRecord;
use crate::store::record::InvitationRecord;
use crate::store::record::InvitationState;
use crate::store::record::MailboxRecord;
use crate::store::record::MailboxState;
use crate::store::record::MessageRecord;
use crate::store::record_queue::Purpose;
use crate::store::record_queue::QueueRecord;
use crate::store::record_queue::QueuedRecipient;
use crate::store::sample::*;
use std::collections::HashMap;

/// The rows must agree: counters with what they count, names of files with the records that hold them.
pub(crate) fn check_rows(stage: &Stage) {
    // What deleted mailboxes left may be going meanwhile, and rows are read one table after the other.
    stage.settle();
    let disk = stage.disk_rows();
    let mut files: HashMap<BodyId, u64> = HashMap::new();
    let mut name = |body: &Body| body.file().into_iter().for_each(|id| *files.entry(id).or_insert(0) += 1);
    let mailboxes: Vec<(Vec<u8>, crate::store::record::MailboxRecord)> =
        disk.rows(&[key::MAILBOX], None, usize::MAX).unwrap();
    let left: Vec<MailboxId> = disk
        .page(&[key::LEFT], None, usize::MAX)
        .unwrap()
        .iter()
        .map(|(at, _)| MailboxId::new(at[1..].try_into().unwrap()))
        .collect();
    check_lives(disk, &mailboxes.iter().map(|(_, record)| record).collect::<Vec<_>>());
    let mut messages: HashMap<(MailboxId, Folder), (u32, u32, u64)> = HashMap::new();
    for (at, record) in disk.rows::<MessageRecord>(&[key::MESSAGE], None, usize::MAX).unwrap() {
        name(&record.body);
        let id = MailboxId::new(at[1..17].try_into().unwrap());
        if left.contains(&id) {
            continue;
        }
        let folder = Folder(u16::from_be_bytes(at[17..19].try_into().unwrap()));
        let uid = key::uid(&at).unwrap();
        assert!(mailboxes.iter().any(|(_, record)| record.id == id), "a message without a mailbox");
        let flags: Flags = disk.row(&key::message(key::FLAGS, id, folder, uid)).unwrap().unwrap_or_default();
        assert!(disk.row::<Octets>(&key::message(key::SUMMARY, id, folder, uid)).unwrap().is_some());
        if let Some(digest) = &record.message_id {
            assert!(disk.holds(&key::message_id(id, folder, digest, uid)).unwrap());
        }
        let count = messages.entry((id, folder)).or_default();
        *count = (count.0 + 1, count.1 + u32::from(!flags.seen), count.2 + record.body.length());
    }
    let summaries = disk.page(&[key::SUMMARY], None, usize::MAX).unwrap();
    assert!(summaries.iter().all(|(at, _)| {
        left.iter().any(|left| left.bytes()[..] == at[1..17])
            || disk.holds(&[&[key::MESSAGE], &at[1..]].concat()).unwrap()
    }));
    for (_, record) in &mailboxes {
        for (_, folder) in
            disk.rows::<FolderRecord>(&key::of(key::FOLDER, record.id), None, usize::MAX).unwrap()
        {
            let counted = messages.get(&(record.id, folder.folder)).copied().unwrap_or_default();
            assert_eq!((folder.messages, folder.unseen, folder.bytes), counted);
        }
    }
    spilled(disk).iter().for_each(&mut name);
    let mut about = 0;
    for (_, record) in disk.rows::<QueueRecord>(&[key::QUEUE], None, usize::MAX).unwrap() {
        name(&record.body);
        if let Some(mailbox) = record.purpose.about() {
            assert!(disk.holds(&key::queued_for(mailbox, record.id)).unwrap());
            about += 1;
        }
    }
    assert_eq!(disk.page(&[key::QUEUED_FOR], None, usize::MAX).unwrap().len(), about);
    let mut waiting: HashMap<QueueId, u64> = HashMap::new();
    for (_, recipient) in disk.rows::<QueuedRecipient>(&[key::RECIPIENT], None, usize::MAX).unwrap() {
        let waits = crate::store::change_queue::waits(recipient.state);
        *waiting.entry(recipient.queue).or_insert(0) += u64::from(waits);
        let due = disk.holds(&key::due(recipient.next, recipient.queue, recipient.number)).unwrap();
        assert_eq!(due, waits);
    }
    let due = disk.page(&[key::DUE], None, usize::MAX).unwrap().len() as u64;
    assert_eq!(due, waiting.values().sum::<u64>());
    for (at, Number(count)) in disk.rows::<Number>(&[key::WAITING], None, usize::MAX).unwrap() {
        let id = QueueId::new(at[1..].try_into().unwrap());
        assert_eq!(waiting.get(&id), Some(&count));
        assert!(count > 0);
    }
    let named = disk.rows::<Number>(&[key::FILE], None, usize::MAX).unwrap();
    let named: HashMap<BodyId, u64> = named
        .into_iter()
        .map(|(at, Number(names))| (BodyId::new(at[1..].try_into().unwrap()), names))
        .collect();
    assert_eq!(named, files);
}

/// What rows keep outside of themselves where it is large.
fn spilled(disk: &Disk) -> Vec<Body> {
    let mut bodies = Vec::new();
    for (_, row) in disk.rows::<KeyRow>(&[key::KEY], None, usize::MAX).unwrap() {
        bodies.push(row.certificate);
        bodies.extend(row.wrapped_secret);
    }
    for (_, row) in disk.rows::<CertificateRow>(&[key::CERTIFICATE], None, usize::MAX).unwrap() {
        bodies.push(row.certificate);
    }
    for (_, row) in disk.rows::<StsRow>(&[key::STS], None, usize::MAX).unwrap() {
        bodies.extend(row.long);
    }
    bodies
}

/// Each mailbox is found by its address as its record says; a warning that is not settled is in the queue; each
/// invitation of a mailbox that is gone is found by its date.
fn check_lives(disk: &Disk, mailboxes: &[&MailboxRecord]) {
    let (mut current, mut former) = (0, 0);
    for record in mailboxes {
        assert_eq!(record.closed.is_some(), record.state == MailboxState::Closed);
        assert!(record.unreachable.is_none() || (record.opened, record.superseded) == (None, None));
        let (index, address) = (disk.index(), record.address.key());
        let place = match (record.closed, record.superseded) {
            (Some(_), _) => None,
            (None, None) => Some((deed_mailbox::address(index, &address), &mut current)),
            (None, Some(_)) => Some((deed_life::former(index, &address), &mut former)),
        };
        if let Some((at, count)) = place {
            assert_eq!(disk.row::<MailboxId>(&at).unwrap(), Some(record.id));
            *count += 1;
        }
        for warning in record.warnings.iter().filter(|warning| warning.settled.is_none()) {
            let mail: QueueRecord = disk.row(&key::queue(key::QUEUE, warning.queue)).unwrap().unwrap();
            assert_eq!(mail.purpose, Purpose::Warning(record.id, warning.days));
        }
    }
    let rows = |table: u8| disk.page(&[table], None, usize::MAX).unwrap().len();
    assert_eq!((rows(key::ADDRESS), rows(key::FORMER)), (current, former));
    for (_, trace) in disk.rows::<InvitationRecord>(&[key::INVITATION], None, usize::MAX).unwrap() {
        let is_trace = trace.state == InvitationState::Deleted;
        assert!(!is_trace || disk.holds(&key::trace(trace.changed, trace.id)).unwrap());
    }
}
