//! How records change: pure functions over records, the same for every engine.

use crate::base::id::InvitationId;
use crate::base::id::MailboxId;
use crate::base::id::QueueId;
use crate::base::language::Language;
use crate::base::secret::Secret;
use crate::base::time::Time;
use crate::store::command::DeleteIf;
use crate::store::command::Delivery;
use crate::store::command::FirstUse;
use crate::store::command::FlagChange;
use crate::store::command::NewInvitation;
use crate::store::command::NewMailbox;
use crate::store::command::NewQueued;
use crate::store::command::NewSlot;
use crate::store::command::Refusal;
use crate::store::command::Settlement;
use crate::store::error::StoreError;
use crate::store::record::Asked;
use crate::store::record::Fingerprint;
use crate::store::record::Flags;
use crate::store::record::Folder;
use crate::store::record::FolderRecord;
use crate::store::record::InvitationRecord;
use crate::store::record::InvitationState;
use crate::store::record::KeyRecord;
use crate::store::record::LifeClock;
use crate::store::record::MailboxKind;
use crate::store::record::MailboxRecord;
use crate::store::record::MailboxState;
use crate::store::record::Message;
use crate::store::record::Moment;
use crate::store::record::NoticeRecord;
use crate::store::record::Purpose;
use crate::store::record::QueueRecord;
use crate::store::record::QueuedRecipient;
use crate::store::record::RecipientState;
use crate::store::record::ShredRef;
use crate::store::record::SigningKey;
use crate::store::record::SlotKind;
use crate::store::record::SlotRecord;
use crate::store::record::Suspension;
use crate::store::record::Uid;
use crate::store::record::Warning;
use std::cmp::Ordering;
use std::time::Duration;

/// Correspondents that a mailbox remembers.
pub(crate) const CORRESPONDENTS: usize = 100;
/// An account that asked for a new mailbox gets it when it asks again within this.
const ASKED_FOR: Duration = Duration::from_secs(24 * 3_600);
/// Why a recipient waits or ended, octets.
pub(crate) const REASON: usize = 1_024;

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

/// Notes activity.
pub(crate) fn note_activity(record: &mut MailboxRecord, at: Time, correspondent: Option<MailboxId>) -> Noted {
    let mut noted = Noted::default();
    if at > record.last_activity {
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

/// Only what is closed can be reopened.
pub(crate) fn check_closed(record: &MailboxRecord) -> Result<(), Refusal> {
    if is_closed(record) { Ok(()) } else { Err(Refusal::NotCurrent) }
}

/// A temporary mailbox that is not closed.
fn check_temporary(record: &MailboxRecord) -> Result<(), Refusal> {
    match record.kind {
        MailboxKind::Temporary => check_alive(record),
        MailboxKind::Account => Err(Refusal::NotCurrent),
    }
}

/// The temporary mailbox that its address has now.
fn check_current(record: &MailboxRecord) -> Result<(), Refusal> {
    if record.superseded.is_some() { Err(Refusal::NotCurrent) } else { check_temporary(record) }
}

/// A temporary mailbox that nobody used since.
pub(crate) fn check_inactive(record: &MailboxRecord, not_active_since: Time) -> Result<(), Refusal> {
    check_temporary(record)?;
    if record.last_activity > not_active_since { Err(Refusal::TooSoon) } else { Ok(()) }
}

/// Whether a mailbox is still what it is to be deleted for.
pub(crate) fn check_delete(record: &MailboxRecord, only: Option<DeleteIf>) -> Result<(), Refusal> {
    let (state, since, want) = match only {
        None => return Ok(()),
        Some(DeleteIf::StillClosedSince(since)) => (MailboxState::Closed, since, &record.closed),
        Some(DeleteIf::StillUnreachableSince(since)) => (MailboxState::Unopened, since, &record.unreachable),
    };
    let is_so = record.state == state && want.is_some_and(|moment| moment.at == since);
    if is_so { Ok(()) } else { Err(Refusal::NotCurrent) }
}

/// Whether `new` may take the place of `old`.
pub(crate) fn check_supersede(old: &MailboxRecord, new: &NewMailbox) -> Result<(), Stop> {
    if new.kind != MailboxKind::Temporary || new.address.key() != old.address.key() {
        return Err(StoreError::Misused { what: "a newer mailbox is one of the same address" }.into());
    }
    Ok(check_current(old)?)
}

/// The address has a newer mailbox. From now on only inactivity ends this one, whether its invitation came back or not.
pub(crate) fn supersede(record: &mut MailboxRecord, now: Time) {
    (record.superseded, record.unreachable) = (Some(now), None);
    record.asked_new.clear();
}

/// Notes that `account` asked for a new mailbox.
pub(crate) fn note_asked(record: &mut MailboxRecord, account: MailboxId, now: Time) -> Result<(), Refusal> {
    check_current(record)?;
    record.asked_new.retain(|asked| asked.account != account && now.since(asked.at) <= ASKED_FOR);
    record.asked_new.push(Asked { account, at: now });
    let over = record.asked_new.len().saturating_sub(CORRESPONDENTS);
    record.asked_new.drain(..over);
    Ok(())
}

/// Closes a mailbox; mail in the queue for it is gone by then.
pub(crate) fn close(record: &mut MailboxRecord, now: Moment) {
    record.state = MailboxState::Closed;
    record.closed = Some(now);
    record.generation = record.generation.saturating_add(1);
    record.asked_new.clear();
    record.warnings.retain(|warning| warning.settled.is_some());
    if let Some(notices) = &mut record.notices {
        (notices.waiting, notices.queue, notices.messages) = (None, None, 0);
        notices.senders.clear();
    }
}

/// Reopens a mailbox, as the former one of its address if that has a `newer` one.
pub(crate) fn reopen(record: &mut MailboxRecord, now: Time, newer: bool) {
    record.state = if record.opened.is_some() { MailboxState::Open } else { MailboxState::Unopened };
    (record.closed, record.unreachable) = (None, None);
    record.last_activity = record.last_activity.max(now);
    record.warnings.clear();
    if newer {
        record.superseded = record.superseded.or(Some(now));
    }
}

/// The invitation came back.
pub(crate) fn mark_unreachable(
    record: &mut MailboxRecord,
    invitation: InvitationId,
    now: Moment,
) -> Result<(), Refusal> {
    check_unopened(record)?;
    if record.invitation != Some(invitation) || record.superseded.is_some() {
        return Err(Refusal::NotOpen);
    }
    if record.unreachable.is_some() {
        return Err(Refusal::AlreadyDone);
    }
    record.unreachable = Some(now);
    Ok(())
}

/// Notes a warning that `mail` is.
pub(crate) fn note_warning(record: &mut MailboxRecord, days: u16, mail: &QueueRecord) -> Result<(), Refusal> {
    if mail.purpose != Purpose::Warning(record.id, days) {
        return Err(Refusal::Gone);
    }
    if record.warnings.iter().any(|warning| warning.days == days) {
        return Err(Refusal::AlreadyDone);
    }
    record.warnings.push(Warning { days, queue: mail.id, settled: None });
    Ok(())
}

/// Warnings begin anew; answers with those that are still in the queue.
pub(crate) fn begin_warnings_anew(record: &mut MailboxRecord) -> Vec<QueueId> {
    let warnings = std::mem::take(&mut record.warnings).into_iter();
    warnings.filter(|warning| warning.settled.is_none()).map(|warning| warning.queue).collect()
}

/// A warning has left the queue: settled after `ran` seconds of running time, or, without, to go out again.
/// Answers whether the record changed.
pub(crate) fn end_warning(record: &mut MailboxRecord, queue: QueueId, ran: Option<u64>) -> bool {
    let Some(at) = record.warnings.iter().position(|warning| warning.queue == queue) else { return false };
    match (ran, record.warnings.get_mut(at)) {
        (Some(ran), Some(warning)) => warning.settled = Some(ran),
        _ => drop(record.warnings.remove(at)),
    }
    true
}

/// Puts `notices` in the place of `expected`.
pub(crate) fn put_notices(
    record: &mut MailboxRecord,
    notices: Option<NoticeRecord>,
    expected: Option<&NoticeRecord>,
) -> Result<(), Refusal> {
    check_temporary(record)?;
    if record.notices.as_ref() != expected {
        return Err(Refusal::NotCurrent);
    }
    record.notices = notices;
    Ok(())
}

/// Whether an invitation is what a mailbox deleted at `deleted` left.
pub(crate) fn is_trace(record: &InvitationRecord, deleted: Time) -> bool {
    record.state == InvitationState::Deleted && record.changed == deleted
}

/// The clock of mailboxes' lives goes on.
pub(crate) fn tick(
    clock: Option<LifeClock>,
    wall: Time,
    ran_more: u64,
    suspend: Option<Suspension>,
) -> LifeClock {
    let before = clock.unwrap_or(LifeClock { wall, ran: 0, suspended: None, told: false });
    LifeClock {
        wall,
        ran: before.ran.saturating_add(ran_more),
        suspended: before.suspended.or(suspend),
        told: before.told,
    }
}

/// A clock that is suspended.
fn suspended(clock: Option<LifeClock>) -> Result<LifeClock, Refusal> {
    clock.filter(|clock| clock.suspended.is_some()).ok_or(Refusal::Gone)
}

/// The suspension was told.
pub(crate) fn tell_suspension(clock: Option<LifeClock>) -> Result<LifeClock, Refusal> {
    let clock = suspended(clock)?;
    if clock.told { Err(Refusal::AlreadyDone) } else { Ok(LifeClock { told: true, ..clock }) }
}

/// The wall clock is right.
pub(crate) fn accept_clock(clock: Option<LifeClock>, wall: Time) -> Result<LifeClock, Refusal> {
    let clock = suspended(clock)?;
    Ok(LifeClock { wall, suspended: None, told: false, ..clock })
}

/// RFC 3501 §6.4.6: the flags that `now` becomes.
pub(crate) fn flags(now: &Flags, change: FlagChange, given: &Flags) -> Flags {
    let pick = |now: bool, given: bool| match change {
        FlagChange::Replace => given,
        FlagChange::Add => now || given,
        FlagChange::Remove => now && !given,
    };
    let mut keywords = match change {
        FlagChange::Replace => given.keywords.clone(),
        FlagChange::Add => now.keywords.iter().chain(&given.keywords).cloned().collect(),
        FlagChange::Remove => {
            now.keywords.iter().filter(|word| !given.keywords.contains(word)).cloned().collect()
        }
    };
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

/// The outcome of a try, written into the recipient's record.
pub(crate) fn settle(recipient: &mut QueuedRecipient, outcome: Settlement) {
    recipient.attempts = recipient.attempts.saturating_add(1);
    match outcome {
        Settlement::Delivered { proof } => {
            recipient.state = RecipientState::Delivered;
            recipient.reason = cut(proof);
        }
        Settlement::Again { next, reason, delay_reported, passed } => {
            recipient.state = RecipientState::Waiting;
            recipient.next = next;
            recipient.reason = cut(reason);
            recipient.delay_reported |= delay_reported;
            recipient.passed = passed.then_some(true).or(recipient.passed);
        }
        Settlement::Failed { reason } => {
            recipient.state = RecipientState::Failed;
            recipient.reason = cut(reason);
        }
    }
}

/// A delay is told between two tries; once.
pub(crate) fn note_delay(recipient: &mut QueuedRecipient) -> Result<(), Refusal> {
    if recipient.state != RecipientState::Waiting || recipient.delay_reported {
        return Err(Refusal::Gone);
    }
    recipient.delay_reported = true;
    Ok(())
}

/// Whether the outcome of a try under the lease to `lease` is to be noted, where the recipient is leased to `held` now.
///
/// What a peer has taken it has taken: a lease that has ended makes no second copy of it.
pub(crate) fn may_settle(
    state: RecipientState,
    held: Option<Duration>,
    lease: Duration,
    outcome: &Settlement,
) -> bool {
    match outcome {
        Settlement::Delivered { .. } => waits(state),
        Settlement::Again { .. } | Settlement::Failed { .. } => held == Some(lease),
    }
}

/// Whether a recipient may still be tried.
pub(crate) fn waits(state: RecipientState) -> bool {
    match state {
        RecipientState::Waiting | RecipientState::Leased { .. } => true,
        RecipientState::Delivered | RecipientState::Failed | RecipientState::Cancelled => false,
    }
}

/// Cuts a reason at its limit, between characters.
pub(crate) fn cut(mut reason: String) -> String {
    reason.truncate(reason.floor_char_boundary(REASON));
    reason
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

/// What every queued message must be: somebody's, with a file for a body.
pub(crate) fn check_queued(new: &NewQueued) -> Result<(), StoreError> {
    if new.record.body.file().is_none() {
        return Err(StoreError::Misused { what: "a queued body is a file" });
    }
    if new.recipients.is_empty() || new.recipients.len() > usize::from(u16::MAX) {
        return Err(StoreError::Misused { what: "a queued message has recipients" });
    }
    if !new.recipients.iter().any(|recipient| waits(recipient.state)) {
        return Err(StoreError::Misused { what: "a queued message waits for somebody" });
    }
    Ok(())
}

/// The recipients of a message that is queued now: numbered, and none of them leased.
pub(crate) fn number(queue: QueueId, mut recipients: Vec<QueuedRecipient>) -> Vec<QueuedRecipient> {
    for (number, recipient) in (0..).zip(&mut recipients) {
        recipient.queue = queue;
        recipient.number = number;
        recipient.reason = cut(std::mem::take(&mut recipient.reason));
        if matches!(recipient.state, RecipientState::Leased { .. }) {
            recipient.state = RecipientState::Waiting;
        }
    }
    recipients
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

/// Ascending, each once.
pub(crate) fn in_order(mut uids: Vec<Uid>) -> Vec<Uid> {
    uids.sort_unstable();
    uids.dedup();
    uids
}
