//! How the record of an account changes with its password and keys: pure functions, the same for every engine.

use crate::store::change::Stop;
use crate::store::change::set_certificate;
use crate::store::change::slot;
use crate::store::codec;
use crate::store::command::Outcome;
use crate::store::command::Refusal;
use crate::store::command_part::KeyRenewal;
use crate::store::command_part::NewSlot;
use crate::store::command_part::PasswordChange;
use crate::store::command_part::Reopening;
use crate::store::command_part::Reset;
use crate::store::record::Fingerprint;
use crate::store::record::KeyRecord;
use crate::store::record::MailboxKind;
use crate::store::record::MailboxRecord;
use crate::store::record::ShredRef;
use crate::store::record::SlotKind;
use crate::store::record::SlotRecord;
use crate::store::record_account::ShutGeneration;
use crate::store::record_life::Moment;

/// A record above this takes no further generation, octets: a value of the store has 16 KiB.
const ROOM: usize = 14 << 10;

/// What a change means beside the record.
pub(crate) struct Changed {
    /// Keys to be written.
    pub(crate) keys: Vec<KeyRecord>,
    /// Keys to be removed.
    pub(crate) dropped_keys: Vec<Fingerprint>,
    /// Shred keys to be destroyed.
    pub(crate) dropped_slots: Vec<ShredRef>,
    /// What the command answers.
    pub(crate) outcome: Outcome,
}

impl Changed {
    fn slots(dropped_slots: Vec<ShredRef>) -> Self {
        Self { keys: Vec::new(), dropped_keys: Vec::new(), dropped_slots, outcome: Outcome::Done }
    }
}

/// See [`crate::store::command::Command::ChangePassword`].
pub(crate) fn password(
    record: &mut MailboxRecord,
    change: PasswordChange,
    shred: ShredRef,
) -> Result<Changed, Stop> {
    current(record, change.generation)?;
    if !record.slots.iter().any(|slot| slot.id == change.old && slot.kind == SlotKind::Password) {
        return Err(Refusal::NotCurrent.into());
    }
    let new_key = change.renewal.is_some();
    let gone = take_slots(&mut record.slots, |kind| match kind {
        SlotKind::Password | SlotKind::Invitation => false,
        SlotKind::AppPassword => change.keep_app_passwords && !new_key,
        SlotKind::Recovery => change.keep_recovery && !new_key,
    });
    record.slots.insert(0, slot(change.slot, shred));
    record.generation = record.generation.saturating_add(1);
    let mut changed = Changed::slots(gone);
    if let Some(KeyRenewal { key, former_keys, now }) = change.renewal {
        let part = record.account.get_or_insert_default();
        part.since = Some(now);
        part.former_keys = former_keys;
        record.networks = None;
        set_certificate(record, &key.fingerprint);
        changed.keys.push(key);
    }
    fits(record)?;
    Ok(changed)
}

/// See [`crate::store::command::Command::ResetAccount`]; `ran` is the running time so far, seconds.
pub(crate) fn reset(
    record: &mut MailboxRecord,
    reset: Reset,
    shred: ShredRef,
    ran: u64,
) -> Result<Changed, Stop> {
    current(record, reset.generation)?;
    if record.certificate != reset.certificate {
        return Err(Refusal::NotCurrent.into());
    }
    let since = record.key_since();
    let new = &reset.key.fingerprint;
    let mut keys = std::mem::take(&mut record.former);
    keys.retain(|former| former != new);
    if reset.keeps_certificate {
        record.former.extend((*new != record.certificate).then(|| new.clone()));
    } else {
        keys.insert(0, std::mem::replace(&mut record.certificate, new.clone()));
    }
    let slots = std::mem::replace(&mut record.slots, vec![slot(reset.slot, shred)]);
    record.generation = record.generation.saturating_add(1);
    let part = record.account.get_or_insert_default();
    let former_keys = std::mem::take(&mut part.former_keys);
    part.shut.push(ShutGeneration { since, until: reset.now, keys, slots, former_keys, ran: Some(ran) });
    part.since = Some(reset.now);
    record.networks = None;
    fits(record)?;
    let mut changed = Changed::slots(Vec::new());
    changed.keys.push(reset.key);
    Ok(changed)
}

/// See [`crate::store::command::Command::ReopenAccount`].
pub(crate) fn reopen(record: &mut MailboxRecord, reopening: Reopening) -> Result<Changed, Stop> {
    current(record, reopening.generation)?;
    let part = record.account.as_mut().ok_or(Refusal::NotCurrent)?;
    let holds = |shut: &ShutGeneration| shut.slots.iter().any(|slot| slot.id == reopening.slot);
    let at = part.shut.iter().position(holds).ok_or(Refusal::NotCurrent)?;
    let shut = part.shut.remove(at);
    part.former_keys.extend(reopening.former_keys);
    part.former_keys.sort_by_key(|key| key.since);
    let known = |key: &Fingerprint| *key == record.certificate || record.former.contains(key);
    let back: Vec<Fingerprint> = shut.keys.into_iter().filter(|key| !known(key)).collect();
    record.former.extend(back);
    record.generation = record.generation.saturating_add(1);
    fits(record)?;
    Ok(Changed::slots(shut.slots.iter().map(|slot| slot.shred).collect()))
}

/// See [`crate::store::command::Command::DestroyShut`].
pub(crate) fn destroy_shut(record: &mut MailboxRecord, before: Moment) -> Result<Changed, Stop> {
    let mut changed = Changed::slots(Vec::new());
    let Some(part) = &mut record.account else {
        changed.outcome = Outcome::Count(0);
        return Ok(changed);
    };
    let (gone, stay) = std::mem::take(&mut part.shut).into_iter().partition(|shut| shut.is_before(before));
    part.shut = stay;
    let gone: Vec<ShutGeneration> = gone;
    changed.outcome = Outcome::Count(u64::try_from(gone.len()).unwrap_or(u64::MAX));
    changed.dropped_slots = gone.iter().flat_map(|shut| &shut.slots).map(|slot| slot.shred).collect();
    let mut keys: Vec<Fingerprint> = gone.into_iter().flat_map(|shut| shut.keys).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.retain(|key| {
        *key != record.certificate
            && !record.former.contains(key)
            && !part.shut.iter().any(|shut| shut.keys.contains(key))
    });
    changed.dropped_keys = keys;
    Ok(changed)
}

/// See [`crate::store::command::Command::PutRecovery`].
pub(crate) fn put_recovery(
    record: &mut MailboxRecord,
    generation: u32,
    new: NewSlot,
    shred: ShredRef,
) -> Result<Changed, Stop> {
    current(record, generation)?;
    let gone = take_slots(&mut record.slots, |kind| kind != SlotKind::Recovery);
    record.slots.push(slot(new, shred));
    fits(record)?;
    Ok(Changed::slots(gone))
}

/// See [`crate::store::command::Command::NoteRecovery`].
pub(crate) fn note_recovery(
    record: &mut MailboxRecord,
    was: Option<&Fingerprint>,
    now: Option<Fingerprint>,
) -> Result<Changed, Stop> {
    let told = record.account.as_ref().and_then(|part| part.told_recovery.as_ref());
    if told != was {
        return Err(Refusal::AlreadyDone.into());
    }
    let gone = match now {
        Some(_) => Vec::new(),
        None => {
            let shut = record.account.iter_mut().flat_map(|part| &mut part.shut).map(|shut| &mut shut.slots);
            let all = std::iter::once(&mut record.slots).chain(shut);
            all.flat_map(|slots| take_slots(slots, |kind| kind != SlotKind::Recovery)).collect()
        }
    };
    if was != now.as_ref() {
        record.account.get_or_insert_default().told_recovery = now;
    }
    Ok(Changed::slots(gone))
}

fn current(record: &MailboxRecord, generation: u32) -> Result<(), Refusal> {
    let is = record.kind == MailboxKind::Account && record.generation == generation;
    if is { Ok(()) } else { Err(Refusal::NotCurrent) }
}

/// Takes the slots out whose kind does not stay; their shred keys are to be destroyed.
fn take_slots(slots: &mut Vec<SlotRecord>, stays: impl Fn(SlotKind) -> bool) -> Vec<ShredRef> {
    let gone = slots.iter().filter(|slot| !stays(slot.kind)).map(|slot| slot.shred).collect();
    slots.retain(|slot| stays(slot.kind));
    gone
}

fn fits(record: &MailboxRecord) -> Result<(), Stop> {
    if codec::write(record)?.len() > ROOM { Err(Refusal::OverQuota.into()) } else { Ok(()) }
}
