//! How the life of a temporary mailbox goes on, and the clock of lives: pure functions, the same for every engine.

use crate::base::id::InvitationId;
use crate::base::id::MailboxId;
use crate::base::id::QueueId;
use crate::base::time::Time;
use crate::store::change::CORRESPONDENTS;
use crate::store::change::Stop;
use crate::store::change::check_alive;
use crate::store::change::check_unopened;
use crate::store::change::is_closed;
use crate::store::command::Refusal;
use crate::store::command_part::DeleteIf;
use crate::store::command_part::NewMailbox;
use crate::store::error::StoreError;
use crate::store::record::InvitationRecord;
use crate::store::record::InvitationState;
use crate::store::record::MailboxKind;
use crate::store::record::MailboxRecord;
use crate::store::record::MailboxState;
use crate::store::record_life::Asked;
use crate::store::record_life::LifeClock;
use crate::store::record_life::Moment;
use crate::store::record_life::NoticeRecord;
use crate::store::record_life::Suspension;
use crate::store::record_life::Warning;
use crate::store::record_queue::Purpose;
use crate::store::record_queue::QueueRecord;
use std::time::Duration;

/// An account that asked for a new mailbox gets it when it asks again within this.
const ASKED_FOR: Duration = Duration::from_secs(24 * 3_600);
/// A warning goes out again at the earliest when the appliance has run for this since it was settled.
const WARNED: Duration = Duration::from_secs(7 * 24 * 3_600);

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

/// Notes a warning that `mail` is, at `ran` of running time.
pub(crate) fn note_warning(
    record: &mut MailboxRecord,
    days: u16,
    mail: &QueueRecord,
    ran: u64,
) -> Result<(), Refusal> {
    if mail.purpose != Purpose::Warning(record.id, days) {
        return Err(Refusal::Gone);
    }
    let is_old = |settled| ran.saturating_sub(settled) > WARNED.as_secs();
    if record.warnings.iter().any(|sent| sent.days == days && !sent.settled.is_some_and(is_old)) {
        return Err(Refusal::AlreadyDone);
    }
    record.warnings.retain(|warning| warning.days != days);
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
