//! The worker that lets time do its work on temporary mailboxes: warnings, closing, deletion, and the end of traces.
//!
//! Once a minute it adds up the time that the appliance has run, judges the wall clock, and, if that is believed, asks
//! the policy what is due for each mailbox. Whatever it does is one commit with the precondition that nothing happened
//! to the mailbox in between.

use crate::base::id::MailboxId;
use crate::base::time::Time;
use crate::flow::Flow;
use crate::flow::letters::letterhead;
use crate::flow::life;
use crate::flow::notes::Note;
use crate::flow::refusal::TakeError;
use crate::policy::clock;
use crate::policy::clock::Ages;
use crate::policy::clock::Course;
use crate::policy::clock::Fault;
use crate::policy::clock::Pair;
use crate::policy::clock::Why;
use crate::policy::closing;
use crate::policy::closing::Due;
use crate::policy::closing::Moment;
use crate::policy::life::Event;
use crate::policy::life::State;
use crate::policy::life::Told;
use crate::policy::life::next;
use crate::policy::life::state;
use crate::policy::retry;
use crate::store::command::Command;
use crate::store::command::Outcome;
use crate::store::command_part::DeleteIf;
use crate::store::error::StoreError;
use crate::store::record::Folder;
use crate::store::record::MailboxRecord;
use crate::store::record_life::ClockTrouble;
use crate::store::record_life::LifeClock;
use crate::store::record_life::Suspension;
use crate::texts::alarm;
use crate::texts::alarm::ClockAlarm;
use crate::texts::alarm::Wrong;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::sync::Notify;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often the worker looks.
const TICK: Duration = Duration::from_secs(60);
/// Mailboxes read at once.
const PAGE: usize = 250;
/// Mailboxes in a row that nothing could be done for, before the rest waits for the next look.
const TROUBLES: usize = 20;
/// What one look does at most before the clocks are looked at again; the rest follows at once.
const DEEDS: usize = 500;
/// The link of a deleted mailbox says so for this long.
const TRACES: Duration = Duration::from_secs(400 * 24 * 3600);
/// How often old traces are looked for, by the boot clock.
const PURGE: Duration = Duration::from_secs(3600);
/// Traces removed at once.
const PURGED: usize = 1_000;

/// Wakes the worker, and tells when it has looked.
#[derive(Debug, Default)]
pub struct Bell {
    notify: Notify,
    asked: AtomicU64,
    done: watch::Sender<u64>,
    /// What the clocks are compared with; nothing before the first tick. Held while they are judged and while they are
    /// accepted, so that no tick judges by what was before an acceptance and writes after it.
    pub(in crate::flow) course: Mutex<Option<Course>>,
}

impl Bell {
    /// Asks the worker to look now; answers with the number of this wish.
    pub fn ring(&self) -> u64 {
        let mine = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        self.notify.notify_one();
        mine
    }

    /// Asks the worker to look now, and waits until a look that began after this has ended.
    pub async fn look(&self) {
        let mut done = self.done.subscribe();
        let mine = self.ring();
        // The sender lives as long as this bell.
        let _ = done.wait_for(|looked| *looked >= mine).await;
    }
}

/// What a look leaves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::flow) enum Left {
    /// Nothing that could be done now.
    Nothing,
    /// More is due.
    More,
}

/// The worker. There is one.
pub struct Worker {
    flow: Arc<Flow>,
    /// The boot clock up to which running time was added.
    counted: Duration,
    /// When traces were looked for last, by the boot clock.
    purged: Option<Duration>,
}

impl Worker {
    /// A worker over these flows.
    pub fn new(flow: Arc<Flow>) -> Self {
        let counted = flow.clock.running();
        Self { flow, counted, purged: None }
    }

    /// Looks now, every minute, and whenever the bell is rung, until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let flow = self.flow.clone();
            let asked = flow.lives.asked.load(Ordering::SeqCst);
            match self.look(&stop).await {
                Ok(Left::Nothing) => {
                    flow.lives.done.send_replace(asked);
                }
                Ok(Left::More) => continue,
                Err(why) => tracing::error!(%why, "the lives of mailboxes cannot be looked after"),
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = flow.lives.notify.notified() => {}
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    /// One look: the clock, then everything that is due.
    pub(in crate::flow) async fn look(&mut self, stop: &CancellationToken) -> Result<Left, TakeError> {
        let (now, clock) = self.tick().await?;
        if let Some(suspension) = clock.suspended {
            if !clock.told
                && let Err(why) = self.alarm(suspension).await
            {
                tracing::error!(%why, "the postmasters could not be told of the clock yet");
            }
            return Ok(Left::Nothing);
        }
        let left = self.sweep(Moment { wall: now.wall, ran: clock.ran }, stop).await?;
        self.purge(now).await?;
        Ok(left)
    }

    /// Adds the running time, judges the clock, and writes both down.
    async fn tick(&mut self) -> Result<(Pair, LifeClock), StoreError> {
        let mut course = self.flow.lives.course.lock().await;
        let now = self.flow.clocks_now();
        let stored = self.flow.store.life_clock().await?;
        let is_suspended = stored.as_ref().is_some_and(|stored| stored.suspended.is_some());
        let fault = match (*course, &stored) {
            (Some(course), _) => course.judge(now),
            (None, Some(stored)) => clock::at_start(stored.wall, now.wall),
            (None, None) => None,
        };
        let is_believed = fault.is_none() && !is_suspended;
        let suspend = fault.filter(|_| !is_suspended).map(|fault| suspension(fault, now.wall));
        let ran_more = now.boot.saturating_sub(self.counted).as_secs();
        let tick = Command::Tick { wall: now.wall, ran_more, suspend };
        let set_back = match &mut *course {
            Some(course) => {
                course.look(now);
                course.take_set_back()
            }
            None => fault.is_some_and(|fault| fault.why == Why::Backward),
        };
        self.flow.store.commit(vec![tick]).await?;
        course.get_or_insert(Course::new(now));
        drop(course);
        if let Err(why) = self.bring_forward(now.wall, set_back, is_believed).await {
            tracing::error!(%why, "what the queue was put off to cannot be looked through");
        }
        self.counted += Duration::from_secs(ran_more);
        if let Some(Suspension { at, why, by }) = suspend {
            tracing::error!(
                ?why,
                by,
                %at,
                "the clock is not believed: nothing closes or goes until guardpost clock accept"
            );
        }
        let clock = self.flow.store.life_clock().await?;
        Ok((now, clock.ok_or(StoreError::Damaged { what: "the clock of mailboxes' lives" })?))
    }

    /// Tells the postmaster of every domain, once for each suspension.
    async fn alarm(&self, suspension: Suspension) -> Result<(), TakeError> {
        let flow = &*self.flow;
        let config = flow.config();
        let facts = ClockAlarm {
            host: config.hostname.as_str(),
            at: suspension.at,
            wrong: match suspension.why {
                ClockTrouble::Backward => Wrong::Backward,
                ClockTrouble::Forward => Wrong::Forward,
                ClockTrouble::Jump => Wrong::Jump,
            },
            by: suspension.by,
        };
        let mut commands = Vec::new();
        for (account, domain) in flow.postmasters(&config).await? {
            let Some(receiver) = flow.receiver(account).await? else { continue };
            let text = alarm::clock(&letterhead(domain), &facts, receiver.record.language);
            commands.push(flow.lay_letter(&receiver, domain, &text, Folder::INBOX).await?);
        }
        if commands.is_empty() {
            // Nobody is there to be told; whoever is made next is.
            return Ok(());
        }
        commands.push(Command::NoteSuspensionTold);
        flow.commit_taking(commands).await.map(drop)
    }

    /// Has mail that a clock put off that was ahead tried now: whatever waits where the clock was `set_back`, else what
    /// waits longer than any mail does.
    ///
    /// What was queued under that clock counts as queued now where the present one `is_believed`: a wrong date in the
    /// past would end mail before its time.
    async fn bring_forward(&self, now: Time, set_back: bool, is_believed: bool) -> Result<(), StoreError> {
        let store = &self.flow.store;
        let beyond = if set_back { now } else { now + retry::LONGEST + clock::APART };
        let outcomes = store.commit(vec![Command::BringForward { beyond, now }]).await?;
        let found = matches!(outcomes.first(), Some(Outcome::Count(1..)));
        if found {
            tracing::warn!("mail that a clock which was ahead had put off is tried now");
            self.flow.queue_bell.notify_one();
        }
        if is_believed && (found || set_back) {
            store.commit(vec![Command::Redate { now }]).await?;
        }
        Ok(())
    }

    /// Goes through all mailboxes, a page at a time, and does what is due.
    async fn sweep(&self, now: Moment, stop: &CancellationToken) -> Result<Left, TakeError> {
        let rules = life::rules(&self.flow.config());
        let (mut deeds, mut troubles, mut low) = (0, 0, false);
        let mut after = None;
        loop {
            let page = self.flow.store.mailboxes(after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(Left::Nothing) };
            after = Some(last.id);
            for record in &page {
                let due = life::due(record, &rules, now);
                // What a low disk does not take goes to nobody else in this look; deletions go on and free room.
                if due == Due::Nothing || low && matches!(due, Due::Warn { .. }) {
                    continue;
                }
                if stop.is_cancelled() || deeds >= DEEDS {
                    return Ok(Left::More);
                }
                match self.act(record, due, now.wall).await {
                    Ok(()) => (deeds, troubles) = (deeds + 1, 0),
                    // Something happened to it in between; the next look sees what.
                    Err(TakeError::Store(StoreError::Refused { why, .. })) => {
                        tracing::debug!(mailbox = %record.id, %why, ?due, "not done");
                    }
                    Err(why @ TakeError::Store(StoreError::DiskLow)) => {
                        if !low {
                            tracing::warn!(mailbox = %record.id, %why, ?due, "what is due waits for room");
                        }
                        low = true;
                    }
                    Err(why) => {
                        tracing::warn!(mailbox = %record.id, %why, ?due, "what is due could not be done");
                        troubles += 1;
                        if troubles >= TROUBLES {
                            return Err(why);
                        }
                    }
                }
            }
        }
    }

    async fn act(&self, record: &MailboxRecord, due: Due, now: Time) -> Result<(), TakeError> {
        match due {
            Due::Nothing => Ok(()),
            Due::Correct => self.correct(record, now).await,
            Due::Warn { days, last, closes } => {
                let event = if last { Event::WarnLast } else { Event::WarnFirst };
                match next(self.state(record).await?, event).told {
                    Told::Warning => self.flow.warn(record, days, closes).await,
                    _ => Ok(()),
                }
            }
            Due::Close => self.close(record, now).await,
            Due::Delete => self.delete(record, now).await,
        }
    }

    /// Whatever really happened last, the days begin anew: nothing closes too early.
    async fn correct(&self, record: &MailboxRecord, now: Time) -> Result<(), TakeError> {
        let note = Command::NoteActivity { mailbox: record.id, at: now, correspondent: None };
        self.flow.store.commit(vec![note]).await?;
        let ahead = record.last_activity;
        tracing::info!(mailbox = %record.id, %ahead, "an activity of a clock that was wrong was put right");
        Ok(())
    }

    async fn state(&self, record: &MailboxRecord) -> Result<State, StoreError> {
        Ok(state(&self.flow.life_facts(record).await?))
    }

    async fn close(&self, record: &MailboxRecord, now: Time) -> Result<(), TakeError> {
        let step = next(self.state(record).await?, Event::Inactive);
        let mut commands = Vec::new();
        if step.told == Told::NeverOpened {
            for account in &record.correspondents {
                commands.extend(self.never_opened(*account, record, now).await);
            }
        }
        commands.push(Command::CloseMailbox {
            mailbox: record.id,
            now,
            not_active_since: record.last_activity,
        });
        self.flow.commit_taking(commands).await?;
        tracing::info!(mailbox = %record.id, state = step.next.as_str(), "temporary mailbox closed");
        Ok(())
    }

    /// A correspondent to whom nothing can be written does not keep the mailbox open. A disk that takes no mail does: the
    /// note is in the same commit as the closing, since everybody who wrote there is told.
    async fn never_opened(&self, account: MailboxId, record: &MailboxRecord, now: Time) -> Option<Command> {
        let note =
            Note::NeverOpened { recipient: record.address.clone(), closed: now, goes: now + closing::GRACE };
        match self.flow.note(account, note).await {
            Ok(command) => command,
            Err(why) => {
                tracing::error!(mailbox = %account, %why, "a sender could not be told of a closed mailbox");
                None
            }
        }
    }

    async fn delete(&self, record: &MailboxRecord, now: Time) -> Result<(), TakeError> {
        let only = match (record.closed, record.unreachable) {
            (Some(closed), _) => DeleteIf::StillClosedSince(closed.at),
            (None, Some(unreachable)) => DeleteIf::StillUnreachableSince(unreachable.at),
            (None, None) => return Ok(()),
        };
        let state = self.state(record).await?;
        if next(state, Event::Over).next != State::Deleted {
            return Ok(());
        }
        let delete = Command::DeleteMailbox { mailbox: record.id, now, only: Some(only) };
        self.flow.store.commit(vec![delete]).await?;
        tracing::info!(mailbox = %record.id, state = state.as_str(), "temporary mailbox deleted");
        Ok(())
    }

    /// Forgets the traces of mailboxes that are gone for long.
    async fn purge(&mut self, now: Pair) -> Result<(), TakeError> {
        if self.purged.is_some_and(|purged| now.boot.saturating_sub(purged) < PURGE) {
            return Ok(());
        }
        let purge = Command::PurgeTraces { before: now.wall - TRACES, limit: PURGED };
        self.flow.store.commit(vec![purge]).await?;
        self.purged = Some(now.boot);
        Ok(())
    }
}

impl Flow {
    /// What both clocks say.
    pub(in crate::flow) fn clocks_now(&self) -> Pair {
        Pair { wall: self.clock.now(), boot: self.clock.running() }
    }

    /// What is known of ages now. A jump that the worker has not seen yet counts already.
    pub(in crate::flow) async fn ages(&self) -> Ages {
        let mut course = self.lives.course.lock().await;
        let stored = self.store.life_clock().await;
        let now = self.clocks_now();
        let mut suspended = !matches!(&stored, Ok(None) | Ok(Some(LifeClock { suspended: None, .. })));
        match (&mut *course, stored) {
            (Some(course), _) => course.look(now),
            (None, Ok(Some(stored))) => suspended |= clock::at_start(stored.wall, now.wall).is_some(),
            (None, Ok(None) | Err(_)) => {}
        }
        Ages { course: *course, suspended }
    }
}

fn suspension(fault: Fault, at: Time) -> Suspension {
    let why = match fault.why {
        Why::Backward => ClockTrouble::Backward,
        Why::Forward => ClockTrouble::Forward,
        Why::Jump => ClockTrouble::Jump,
    };
    Suspension { at, why, by: fault.by.as_secs() }
}
