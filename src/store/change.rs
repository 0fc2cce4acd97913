//! How records change: pure functions over records, the same for every engine.

use crate::base::id::MailboxId;
use crate::base::id::QueueId;
use crate::base::language::Language;
use crate::base::secret::Secret;
use crate::base::time::Time;
use crate::store::change_life::begin_warnings_anew;
use crate::store::command::Refusal;
use crate::store::command_part::Delivery;
use crate::store::command_part::FirstUse;
use crate::store::command_part::NewInvitation;
use crate::store::command_part::NewMailbox;
use crate::store::command_part::NewSlot;
use crate::store::error::StoreError;
use crate::store::record::Fingerprint;
use crate::store::record::Folder;
use crate::store::record::FolderRecord;
use crate::store::record::InvitationRecord;
use crate::store::record::InvitationState;
use crate::store::record::KeyRecord;
use crate::store::record::KnownNetwork;
use crate::store::record::MailboxKind;
use crate::store::record::MailboxRecord;
use crate::store::record::MailboxState;
use crate::store::record::ShredRef;
use crate::store::record::SigningKey;
use crate::store::record::SlotKind;
use crate::store::record::SlotRecord;
use crate::store::record::Uid;
use crate::store::record_life::LifeClock;
use std::cmp::Ordering;
use std::time::Duration;

/// Correspondents that a mailbox remembers.
pub(crate) const CORRESPONDENTS: usize = 100;
/// A time so far ahead of a believed clock was written by one that was wrong.
const AHEAD: Duration = Duration::from_secs(3_600);

/// Why a command does not happen.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Its precondition does not hold.
    Refused(Refusal),
    /// The store cannot.
    Trouble(StoreError),
}

impl Stop {
    /// As the whole list's error.
    pub(crate) fn at(self, index: usize) -> StoreError {
        match self {
            Self::Refused(why) => StoreError::Refused { index, why },
            Self::Trouble(error) => error,
        }
    }
}

impl From<Refusal> for Stop {
    fn from(why: Refusal) -> Self {
        Self::Refused(why)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Trouble(error)
    }
}

impl NewMailbox {
    /// Its record as it begins, but for its slot, which has a place only once the mailbox is made.
    pub fn record(&self) -> MailboxRecord {
        let (state, opened) = match self.kind {
            MailboxKind::Account => (MailboxState::Open, Some(self.created)),
            MailboxKind::Temporary => (MailboxState::Unopened, None),
        };
        let inviter = self.invitation.as_ref().map(|invitation| invitation.sender);
        MailboxRecord {
            id: self.id,
            kind: self.kind,
            address: self.address.clone(),
            state,
            language: self.language,
            created: self.created,
            opened,
            last_activity: self.created,
            certificate: self.key.fingerprint.clone(),
            former: Vec::new(),
            slots: Vec::new(),
            invitation: self.invitation.as_ref().map(|invitation| invitation.id),
            inviter,
            correspondents: inviter.into_iter().collect(),
            generation: 0,
            closed: None,
            superseded: None,
            supersedes: None,
            unreachable: None,
            warnings: Vec::new(),
            asked_new: Vec::new(),
            notices: None,
            networks: None,
            account: None,
        }
    }
}

/// The record of a mailbox that is made now, with its key.
pub(crate) fn mailbox(
    new: NewMailbox,
    shred: ShredRef,
    supersedes: Option<Time>,
) -> (MailboxRecord, KeyRecord) {
    let record = MailboxRecord { supersedes, ..new.record() };
    (MailboxRecord { slots: vec![slot(new.slot, shred)], ..record }, new.key)
}

/// The folders that a mailbox begins with.
///
/// UIDVALIDITY (RFC 3501 §2.3.1.1) is the time of creation: a later mailbox of the same address has another. It is
/// above `validity`, that of the mailbox it supersedes, whatever the clock says.
pub(crate) fn folders(kind: MailboxKind, created: Time, validity: u32) -> Vec<FolderRecord> {
    let names: &[(Folder, &str)] = match kind {
        MailboxKind::Account => &[
            (Folder::INBOX, "INBOX"),
            (Folder::SENT, "Sent"),
            (Folder::DRAFTS, "Drafts"),
            (Folder::TRASH, "Trash"),
            (Folder::JUNK, "Junk"),
        ],
        MailboxKind::Temporary => &[(Folder::INBOX, "INBOX"), (Folder::SENT, "Sent")],
    };
    let uid_validity = u32::try_from(created.0.max(1)).unwrap_or(u32::MAX).max(validity.saturating_add(1));
    let folder = |&(folder, name): &(Folder, &str)| FolderRecord {
        folder,
        name: name.into(),
        uid_validity,
        uid_next: Uid(1),
        messages: 0,
        unseen: 0,
        bytes: 0,
        subscribed: true,
    };
    names.iter().map(folder).collect()
}

/// The record of a slot whose shred key lies at `shred`.
pub(crate) fn slot(new: NewSlot, shred: ShredRef) -> SlotRecord {
    SlotRecord {
        id: new.id,
        kind: new.kind,
        salt: new.salt,
        parameters: new.parameters,
        sealed: new.sealed,
        shred,
        recovery: new.recovery,
    }
}

/// The record of an invitation that is made now.
pub(crate) fn invitation(
    new: &NewInvitation,
    mailbox: MailboxId,
    language: Language,
    now: Time,
) -> InvitationRecord {
    InvitationRecord {
        id: new.id,
        mailbox,
        state: InvitationState::Open,
        token_hash: new.token_hash,
        has_pin: new.has_pin,
        tries: 0,
        created: now,
        changed: now,
        sender: new.sender,
        language,
        no_pin_told: None,
    }
}

/// Takes the slots of an invitation out; their shred keys are to be destroyed.
pub(crate) fn drop_invitation_slots(record: &mut MailboxRecord) -> Vec<ShredRef> {
    let gone = record.slots.iter().filter(|slot| slot.kind == SlotKind::Invitation);
    let shreds = gone.map(|slot| slot.shred).collect();
    record.slots.retain(|slot| slot.kind != SlotKind::Invitation);
    shreds
}

/// The recipient chose a password: opens the mailbox under its new key and slot. Answers with the new key and
/// the former one.
pub(crate) fn open_mailbox(
    record: &mut MailboxRecord,
    first: FirstUse,
    shred: ShredRef,
) -> (KeyRecord, KeyRecord) {
    record.state = MailboxState::Open;
    record.opened = Some(first.now);
    record.last_activity = record.last_activity.max(first.now);
    record.language = first.language;
    record.invitation = None;
    record.unreachable = None;
    record.generation = record.generation.saturating_add(1);
    record.slots.push(slot(first.slot, shred));
    set_certificate(record, &first.key.fingerprint);
    (first.key, first.former)
}

/// Was a message encrypted to what the mailbox has now, and can what it lies under still be opened?
pub(crate) fn is_current(record: &MailboxRecord, delivery: &Delivery) -> bool {
    let cover = &delivery.record.certificate;
    record.certificate == delivery.certificate
        && (*cover == record.certificate || record.former.contains(cover))
}

/// Mail is encrypted to `fingerprint` from now on; the one before becomes the newest former one.
pub(crate) fn set_certificate(record: &mut MailboxRecord, fingerprint: &Fingerprint) {
    if record.certificate == *fingerprint {
        return;
    }
    let before = std::mem::replace(&mut record.certificate, fingerprint.clone());
    record.former.retain(|former| former != fingerprint && *former != before);
    record.former.insert(0, before);
}

/// What noting activity has changed.
#[derive(Debug, Default)]
pub(crate) struct Noted {
    /// Anything.
    pub(crate) changed: bool,
    /// Warnings that are to leave the queue.
    pub(crate) cancelled: Vec<QueueId>,
}

/// Notes activity. What is on record stays unless it is earlier, or has not come yet by the believed `clock`.
pub(crate) fn note_activity(
    record: &mut MailboxRecord,
    at: Time,
    correspondent: Option<MailboxId>,
    clock: Option<&LifeClock>,
) -> Noted {
    let mut noted = Noted::default();
    if at > record.last_activity || clock.is_some_and(|clock| is_ahead(record.last_activity, at, clock)) {
        record.last_activity = at;
        noted = Noted { changed: true, cancelled: begin_warnings_anew(record) };
    }
    if let Some(account) = correspondent
        && record.correspondents.len() < CORRESPONDENTS
        && !record.correspondents.contains(&account)
    {
        record.correspondents.push(account);
        noted.changed = true;
    }
    noted
}

/// Whether `time` has not come yet by a `clock` that is believed and agrees with `now`. One that has just gone wrong and
/// was not judged yet says another `now`: it puts nothing back.
fn is_ahead(time: Time, now: Time, clock: &LifeClock) -> bool {
    let agrees = now <= clock.wall + AHEAD && clock.wall <= now + AHEAD;
    clock.suspended.is_none() && agrees && time > clock.wall + AHEAD
}

/// Notes a network that a mailbox was opened from, and forgets what was noted before `since` or is too much.
pub(crate) fn note_network(record: &mut MailboxRecord, network: KnownNetwork, since: Time) {
    let mut networks = record.networks.take().unwrap_or_default();
    networks.retain(|known| known.tag != network.tag && known.last >= since);
    networks.push(network);
    let more = networks.len().saturating_sub(KnownNetwork::MOST);
    record.networks = Some(networks.split_off(more));
}

/// Whether it is closed.
pub(crate) fn is_closed(record: &MailboxRecord) -> bool {
    record.state == MailboxState::Closed
}

/// What is not closed can take mail and change.
pub(crate) fn check_alive(record: &MailboxRecord) -> Result<(), Refusal> {
    if is_closed(record) { Err(Refusal::NotCurrent) } else { Ok(()) }
}

/// What was never opened can be opened by its invitation.
pub(crate) fn check_unopened(record: &MailboxRecord) -> Result<(), Refusal> {
    if record.state == MailboxState::Unopened { Ok(()) } else { Err(Refusal::NotOpen) }
}

/// A signing key once more.
pub(crate) fn signing_key(key: &SigningKey) -> SigningKey {
    SigningKey {
        domain: key.domain.clone(),
        selector: key.selector.clone(),
        algorithm: key.algorithm,
        private: Secret::new(key.private.expose().clone()),
        public: key.public.clone(),
        created: key.created,
    }
}

/// The order of signing keys: newest first, then by selector.
pub(crate) fn newest_first(one: &SigningKey, other: &SigningKey) -> Ordering {
    other.created.cmp(&one.created).then_with(|| one.selector.cmp(&other.selector))
}
