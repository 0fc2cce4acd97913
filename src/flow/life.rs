//! The life of temporary mailboxes: what the records say of it, and what an admin can do about it.

use crate::base::address::Address;
use crate::base::id::MailboxId;
use crate::base::time::Time;
use crate::config::Config;
use crate::flow::Flow;
use crate::flow::accounts::AdminError;
use crate::flow::first_use::PIN_TRIES;
use crate::openpgp::fingerprint_text;
use crate::policy::clock::Course;
use crate::policy::closing;
use crate::policy::closing::Due;
use crate::policy::closing::Life;
use crate::policy::closing::Moment;
use crate::policy::closing::Rules;
use crate::policy::closing::Warning;
use crate::policy::life;
use crate::policy::life::Event;
use crate::policy::life::Facts;
use crate::policy::life::State;
use crate::store::PAGE;
use crate::store::command::Command;
use crate::store::command::Refusal;
use crate::store::error::StoreError;
use crate::store::record::InvitationRecord;
use crate::store::record::InvitationState;
use crate::store::record::MailboxKind;
use crate::store::record::MailboxRecord;
use crate::store::record::MailboxState;
use crate::store::record_life::LifeClock;
use std::sync::Arc;
use std::time::Duration;

/// What the record alone says; whether its invitation is dead or abandoned it does not know.
pub(in crate::flow) fn facts(record: &MailboxRecord) -> Facts {
    Facts {
        closed: record.state == MailboxState::Closed,
        opened: record.opened.is_some(),
        superseded: record.superseded.is_some(),
        unreachable: record.unreachable.is_some(),
        dead: false,
        abandoned: false,
    }
}

/// The mailbox as time sees it.
pub(in crate::flow) fn life(record: &MailboxRecord) -> Life {
    let ended = record.closed.or(record.unreachable);
    let warnings = record.warnings.iter();
    // The store knows the running time of its last tick: whatever was noted may have happened so much later.
    let later = |ran: u64| ran.saturating_add(TICKS);
    Life {
        state: life::state(&facts(record)),
        active: record.last_activity,
        warnings: warnings
            .map(|sent| Warning { days: sent.days, settled: sent.settled.map(later) })
            .collect(),
        ended: ended.map(|ended| Moment { wall: ended.at, ran: later(ended.ran) }),
    }
}

/// Between two ticks of the running time, seconds, and some more for one that is late.
pub(in crate::flow) const TICKS: u64 = 120;

/// The rules of `[temporary_mailbox]`.
pub(in crate::flow) fn rules(config: &Config) -> Rules {
    let section = &config.temporary_mailbox;
    Rules { inactivity: section.inactivity_days, warn: section.warn_days.clone() }
}

/// Ten wrong PINs were tried.
pub(in crate::flow) fn is_dead(invitation: &InvitationRecord) -> bool {
    match invitation.state {
        InvitationState::Dead => true,
        InvitationState::Open => invitation.has_pin && invitation.tries >= PIN_TRIES,
        InvitationState::Used | InvitationState::Replaced | InvitationState::Deleted => false,
    }
}

/// A temporary mailbox with what is ahead of it.
#[derive(Clone, Debug)]
pub struct Outlook {
    /// Where in its life.
    pub state: State,
    /// It closes then, if nobody comes; nothing for one that is closed or goes without that.
    pub closes: Option<Time>,
    /// A closed or unreachable one is deleted then.
    pub goes: Option<Time>,
}

/// Both clocks, and whether the one of people is believed.
#[derive(Clone, Debug)]
pub struct Clocks {
    /// The wall clock.
    pub now: Time,
    /// The boot clock.
    pub running: Duration,
    /// What is on record; nothing before the first start.
    pub record: Option<LifeClock>,
}

impl Flow {
    /// The facts of a temporary mailbox, with those that its invitation and its inviter know.
    pub async fn life_facts(&self, record: &MailboxRecord) -> Result<Facts, StoreError> {
        let known = facts(record);
        let Some(invitation) = record.invitation else { return Ok(known) };
        let Some(invitation) = self.store.invitation(invitation).await? else { return Ok(known) };
        let inviter = self.store.mailbox(invitation.sender).await?;
        // A vault that was reset since holds what nobody opens.
        let reads = inviter.is_some_and(|inviter| inviter.is_readable_since(invitation.created));
        let entry = self.store.vault_entry(invitation.sender, record.id).await?;
        Ok(Facts { dead: is_dead(&invitation), abandoned: !reads || entry.is_none(), ..known })
    }

    /// What is ahead of a temporary mailbox.
    pub async fn outlook(&self, record: &MailboxRecord) -> Result<Outlook, StoreError> {
        let state = life::state(&self.life_facts(record).await?);
        let life = life(record);
        let goes = life.ended.map(|ended| ended.wall + closing::GRACE);
        let closes = match life.ended {
            Some(_) => None,
            None => Some(closing::closes(&life, &rules(&self.config()), self.moment().await?)),
        };
        Ok(Outlook { state, closes, goes })
    }

    /// When a mailbox closes if nobody comes; `None` when it is gone or closed.
    pub async fn closes(&self, mailbox: MailboxId) -> Result<Option<Time>, StoreError> {
        let Some(record) = self.store.mailbox(mailbox).await? else { return Ok(None) };
        if record.state == MailboxState::Closed {
            return Ok(None);
        }
        Ok(Some(closing::closes(&life(&record), &rules(&self.config()), self.moment().await?)))
    }

    async fn moment(&self) -> Result<Moment, StoreError> {
        let ran = self.store.life_clock().await?.map_or(0, |clock| clock.ran);
        Ok(Moment { wall: self.clock.now(), ran })
    }

    /// A session is at work: that is activity, noted once a day. `false` when the mailbox has closed meanwhile.
    ///
    /// Trouble with the disk does not end a session that only reads.
    pub async fn note_session(&self, record: &MailboxRecord) -> bool {
        let now = self.clock.now();
        if record.kind == MailboxKind::Account || now.since(record.last_activity) < SESSION_STEP {
            return true;
        }
        let note = Command::NoteActivity { mailbox: record.id, at: now, correspondent: None };
        match self.store.commit(vec![note]).await {
            Ok(_) => true,
            Err(StoreError::Refused { .. }) => false,
            Err(why) => {
                tracing::warn!(mailbox = %record.id, %why, "a session could not be noted");
                true
            }
        }
    }

    /// Every temporary mailbox of an address: the current one, the former one, then closed ones, the last closed first.
    pub async fn mailboxes_at(&self, address: &Address) -> Result<Vec<Arc<MailboxRecord>>, AdminError> {
        let key = address.key();
        let mut found = Vec::new();
        for mailbox in [self.store.mailbox_of(&key).await?, self.store.mailbox_former(&key).await?] {
            let Some(mailbox) = mailbox else { continue };
            found.extend(self.store.mailbox(mailbox).await?);
        }
        if found.iter().any(|record| record.kind == MailboxKind::Account) {
            return Err(AdminError::OtherKind(address.clone()));
        }
        let mut closed = Vec::new();
        let mut after = None;
        loop {
            let page = self.store.mailboxes(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            let of_it = |record: &Arc<MailboxRecord>| {
                record.state == MailboxState::Closed && record.address.key() == key
            };
            closed.extend(page.into_iter().filter(of_it));
        }
        closed.sort_by_key(|record| std::cmp::Reverse(record.closed.map(|closed| closed.at)));
        found.extend(closed);
        if found.is_empty() { Err(AdminError::Unknown(address.clone())) } else { Ok(found) }
    }

    /// Deletes the first of [`Flow::mailboxes_at`]; answers with the state it had and those that are left.
    ///
    /// With `fingerprint`, of its certificate, no other one: it may have gone since whoever asks has looked.
    pub async fn delete_mailbox(
        &self,
        address: &Address,
        fingerprint: Option<&str>,
    ) -> Result<(State, Vec<Arc<MailboxRecord>>), AdminError> {
        let _held = self.locks.hold([address.key()].into()).await;
        let mut found = self.mailboxes_at(address).await?;
        let record = found.remove(0);
        if fingerprint.is_some_and(|wanted| *wanted != fingerprint_text(&record.certificate.0)) {
            return Err(AdminError::OtherMailbox(address.clone()));
        }
        let state = life::state(&self.life_facts(&record).await?);
        let delete = Command::DeleteMailbox { mailbox: record.id, now: self.clock.now(), only: None };
        self.store.commit(vec![delete]).await?;
        tracing::info!(mailbox = %record.id, state = state.as_str(), "mailbox deleted by an admin");
        Ok((state, found))
    }

    /// Opens the mailbox of an address that was closed last again; answers with its record.
    pub async fn reopen_mailbox(&self, address: &Address) -> Result<Arc<MailboxRecord>, AdminError> {
        let _held = self.locks.hold([address.key()].into()).await;
        let found = self.mailboxes_at(address).await?;
        let closed = found.into_iter().find(|record| record.state == MailboxState::Closed);
        let closed = closed.ok_or_else(|| AdminError::NotClosed(address.clone()))?;
        // The policy knows what it becomes; where the address has a newer one, the store makes it the former one.
        let next = life::next(life::state(&facts(&closed)), Event::Reopen).next;
        let reopen = Command::ReopenMailbox { mailbox: closed.id, now: self.clock.now() };
        match self.store.commit(vec![reopen]).await {
            Err(StoreError::Refused { why: Refusal::AddressTaken, .. }) => {
                return Err(AdminError::NoPlace(address.clone()));
            }
            result => result?,
        };
        tracing::info!(mailbox = %closed.id, state = next.as_str(), "mailbox reopened by an admin");
        self.store.mailbox(closed.id).await?.ok_or_else(|| AdminError::Unknown(address.clone()))
    }

    /// Both clocks.
    pub async fn clocks(&self) -> Result<Clocks, StoreError> {
        let record = self.store.life_clock().await?;
        Ok(Clocks { now: self.clock.now(), running: self.clock.running(), record })
    }

    /// Takes the wall clock for right: warnings, closing and deletion go on. Answers with what was before.
    pub async fn accept_clock(&self) -> Result<Clocks, AdminError> {
        let mut course = self.lives.course.lock().await;
        let before = self.clocks().await?;
        let accept = vec![Command::AcceptClock { wall: before.now }, Command::Redate { now: before.now }];
        match self.store.commit(accept).await {
            Err(StoreError::Refused { why: Refusal::Gone, .. }) => return Err(AdminError::ClockRuns),
            result => drop(result?),
        }
        if let Some(suspended) = before.record.as_ref().and_then(|record| record.suspended) {
            let (since, by, now) = (suspended.at, suspended.by, before.now);
            tracing::warn!(why = ?suspended.why, %since, by, %now, "the clock was accepted by an admin");
        }
        // They are compared with themselves from here on.
        let now = self.clocks_now();
        *course = Some(course.map_or_else(|| Course::new(now), |course| course.anew(now)));
        drop(course);
        self.lives.ring();
        Ok(before)
    }
}

/// An open session is noted as activity this often.
const SESSION_STEP: Duration = Duration::from_secs(24 * 3600);

/// What the worker does about a mailbox now.
pub(in crate::flow) fn due(record: &MailboxRecord, rules: &Rules, now: Moment) -> Due {
    match record.kind {
        MailboxKind::Account => Due::Nothing,
        MailboxKind::Temporary => closing::due(&life(record), rules, now),
    }
}
