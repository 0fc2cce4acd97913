//! The one writer: collects lists of commands into a batch, makes it durable, then answers everybody.
//!
//! ```text
//! lists → draft → new shred keys, synced → rows in one batch, flushed, synced → mark → old shred keys destroyed
//!       → leases and watchers → answers → body files that nothing names any more, to the remover
//! ```
//!
//! After an error nothing is written or removed any more: an fsync that failed once is not tried again.

use crate::base::id::MailboxId;
use crate::base::id::QueueId;
use crate::store::Health;
use crate::store::change::Stop;
use crate::store::codec;
use crate::store::codec::Dropped;
use crate::store::codec::Number;
use crate::store::command::Command;
use crate::store::command::Outcome;
use crate::store::disk::Rows;
use crate::store::disk::Source;
use crate::store::draft::Draft;
use crate::store::draft::Effects;
use crate::store::draft::Leases;
use crate::store::engine::Shared;
use crate::store::error::StoreError;
use crate::store::key;
use crate::store::place::CommitMark;
use crate::store::shred::Book;
use crate::store::shred::LEFTOVERS;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::PoisonError;
use std::task::Context;
use std::task::Poll;
use std::task::Wake;
use std::task::Waker;
use std::thread;
use std::thread::Thread;
use std::time::Duration;
use std::time::Instant;
use tokio::sync::mpsc;
use tokio::sync::oneshot;

/// Commands of one batch.
const BATCH_COMMANDS: usize = 256;
/// Octets of one batch.
const BATCH_SIZE: usize = 4 << 20;
/// Octets of one list of commands; above [`BATCH_SIZE`] it is a batch of its own.
const LIST_SIZE: usize = 16 << 20;
/// The longest wait for more lists while a batch is collected.
const COMPANY: Duration = Duration::from_millis(1);
/// Rows of a deleted mailbox that one batch removes.
const PURGE: usize = 1_000;
/// The same while the remover has enough to do: their files keep whoever waits for the next batch waiting.
const PURGE_FULL: usize = 32;
/// Between two looks at mark, disk and sweeper when nothing comes.
const IDLE: Duration = Duration::from_secs(1);
/// An unnamed body file is swept when it is older than this.
const ORPHAN: Duration = Duration::from_secs(3_600);
/// Body files swept at once: a crash may leave many, and each takes a while.
const SWEEP: usize = 64;

/// A list of commands and where its answer goes.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) commands: Vec<Command>,
    pub(crate) answer: oneshot::Sender<Result<Vec<Outcome>, StoreError>>,
}

type Answered = (oneshot::Sender<Result<Vec<Outcome>, StoreError>>, Result<Vec<Outcome>, StoreError>);

/// The writer's own state.
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) requests: mpsc::Receiver<Request>,
    pub(crate) book: Book,
    pub(crate) mark: CommitMark,
    /// The number of the last commit.
    pub(crate) commit: u64,
    /// Deleted mailboxes that have rows left.
    pub(crate) left: Vec<MailboxId>,
    leases: Leases,
    /// A request that did not fit into the last batch.
    carried: Option<Request>,
    /// The subdirectory of bodies to be swept next.
    sweep: u8,
    looked: Instant,
    rhythm: Rhythm,
}

/// How the last batch was.
#[derive(Clone, Copy, Debug, Default)]
struct Rhythm {
    /// Lists in it, and those that came while it was written: so many are likely to come again.
    likely: usize,
    /// What it took to make it durable.
    writing: Duration,
}

/// What the writer does next.
enum Next {
    Batch(Request),
    Purge(MailboxId),
    Look,
    End,
}

impl Writer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        requests: mpsc::Receiver<Request>,
        book: Book,
        mark: CommitMark,
        commit: u64,
    ) -> Self {
        Self {
            shared,
            requests,
            book,
            mark,
            commit,
            left: Vec::new(),
            leases: Leases::new(),
            carried: None,
            sweep: 0,
            looked: Instant::now(),
            rhythm: Rhythm::default(),
        }
    }

    /// Works until every sender is gone.
    pub(crate) fn run(mut self) {
        loop {
            let next = self.next();
            let done = match next {
                Next::Batch(first) => catch_unwind(AssertUnwindSafe(|| self.batch(first))),
                Next::Purge(mailbox) => catch_unwind(AssertUnwindSafe(|| self.purge(mailbox))),
                Next::Look => catch_unwind(AssertUnwindSafe(|| self.look())),
                Next::End => break,
            };
            if done.is_err() {
                self.shared.poison.set("the writer broke off");
            }
        }
        if !self.shared.poison.is_set()
            && let Err(error) = self.mark.sync()
        {
            tracing::warn!(%error, "committed.seq could not be synced at the end");
        }
    }

    fn next(&mut self) -> Next {
        if let Some(request) = self.carried.take().or_else(|| self.requests.try_recv().ok()) {
            return Next::Batch(request);
        }
        if !self.shared.poison.is_set()
            && let Some(mailbox) = self.left.last()
        {
            return Next::Purge(*mailbox);
        }
        match receive(&mut self.requests, IDLE) {
            Received::Request(request) => Next::Batch(request),
            Received::Nothing => Next::Look,
            Received::Closed => Next::End,
        }
    }

    /// One batch, from its first request on.
    fn batch(&mut self, first: Request) {
        if self.shared.poison.is_set() {
            let _ = first.answer.send(Err(StoreError::Poisoned));
            return;
        }
        if self.looked.elapsed() >= self.shared.options.look_every {
            self.look();
        }
        let health = self.shared.health();
        let mut answers: Vec<Answered> = Vec::new();
        let mut draft = Draft::new(&self.shared.disk, &self.shared.bodies, &mut self.book, &self.leases);
        let begun = Instant::now();
        let mut commands = 0;
        let mut next = Some(first);
        while let Some(request) = next.take() {
            commands += request.commands.len();
            let outcome = carry_out(&mut draft, request.commands, health);
            let broken = matches!(&outcome, Err(error) if is_trouble(error));
            answers.push((request.answer, outcome));
            if broken {
                self.shared.poison.set("the store could not read or write");
                break;
            }
            if commands >= BATCH_COMMANDS || draft.size() >= BATCH_SIZE {
                break;
            }
            next = match self.requests.try_recv() {
                Ok(request) => Some(request),
                Err(_) => wait_for_company(&mut self.requests, answers.len(), self.rhythm, begun),
            };
            if let Some(held) = next.take_if(|request| {
                commands + request.commands.len() > BATCH_COMMANDS
                    || draft.size() + size(&request.commands) > BATCH_SIZE
            }) {
                self.carried = Some(held);
            }
        }
        let (rows, effects) = draft.finish();
        let requests = answers.len();
        let writing = Instant::now();
        let done =
            if self.shared.poison.is_set() { Err(StoreError::Poisoned) } else { self.write(rows, &effects) };
        self.answer(answers, done, effects);
        self.rhythm = Rhythm { likely: requests + self.requests.len(), writing: writing.elapsed() };
    }

    /// Makes a batch durable, with what must happen before and after it.
    fn write(&mut self, mut rows: Rows, effects: &Effects) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        let _writing = shared.remover.make_way();
        let commit = self.commit + 1;
        let deed = || {
            self.book.write(&effects.new_shreds, commit)?;
            rows.insert(key::COUNTER.to_vec(), Some(codec::write(&Number(commit))?));
            let keys = effects.dead_shreds.len();
            if keys > LEFTOVERS {
                // A mailbox with much mail in the queue goes. A crash before its keys are destroyed is no rollback.
                let dropped = Dropped { commit, keys: keys as u64 };
                rows.insert(key::DROPPED.to_vec(), Some(codec::write(&dropped)?));
            }
            self.shared.disk.write(rows)?;
            self.commit = commit;
            self.mark.write(commit)?;
            self.book.destroy(&effects.dead_shreds, commit)
        };
        deed().inspect_err(|_| self.shared.poison.set("a batch could not be written"))
    }

    /// Tells everybody, then has removed what nothing names any more.
    fn answer(&mut self, answers: Vec<Answered>, done: Result<(), StoreError>, effects: Effects) {
        match done {
            Ok(()) => {
                if !effects.leases.is_empty() {
                    let mut shared = self.shared.leases.write().unwrap_or_else(PoisonError::into_inner);
                    for leases in [&mut self.leases, &mut shared] {
                        change_leases(leases, &effects.leases);
                    }
                }
                let ended = &effects.ended | &effects.gone;
                for mailbox in effects.changed.union(&ended) {
                    self.shared.watchers.tell(*mailbox, ended.contains(mailbox));
                }
                for (answer, outcome) in answers {
                    let _ = answer.send(outcome);
                }
                self.left.extend(effects.gone);
                self.shared.remover.remove(effects.dropped);
            }
            Err(error) => {
                for (answer, outcome) in answers {
                    let _ = answer.send(outcome.and(Err(error.clone())));
                }
            }
        }
    }

    /// Removes some of the rows that a deleted mailbox has left.
    fn purge(&mut self, mailbox: MailboxId) {
        let mut draft = Draft::new(&self.shared.disk, &self.shared.bodies, &mut self.book, &self.leases);
        let most = if self.shared.remover.is_full() { PURGE_FULL } else { PURGE };
        let purged = draft.purge(mailbox, most);
        draft.keep();
        let (rows, effects) = draft.finish();
        match purged.and_then(|all| self.write(rows, &effects).map(|()| all)) {
            Ok(all) => {
                self.answer(Vec::new(), Ok(()), effects);
                if all {
                    self.left.retain(|left| *left != mailbox);
                }
            }
            Err(error) => {
                tracing::error!(%error, "what a deleted mailbox left could not be removed");
                self.shared.poison.set("a deleted mailbox could not be removed");
            }
        }
    }

    /// Once a second at most: the mark, the free space, a step of the sweeper.
    fn look(&mut self) {
        self.looked = Instant::now();
        if self.shared.poison.is_set() {
            return;
        }
        self.shared.look_at_space();
        if self.mark.sync().is_err() {
            self.shared.poison.set("committed.seq could not be synced");
            return;
        }
        let disk = &self.shared.disk;
        let named = &mut |id| disk.holds(&key::file(id));
        match self.shared.bodies.sweep(self.sweep, ORPHAN, SWEEP, named) {
            // There may be more of them.
            Ok(SWEEP..) => return,
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "a directory of bodies could not be swept"),
        }
        self.sweep = self.sweep.wrapping_add(1);
    }

    /// A batch of the writer's own, before it takes any request.
    pub(crate) fn own(
        &mut self,
        deed: impl FnOnce(&mut Draft<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut draft = Draft::new(&self.shared.disk, &self.shared.bodies, &mut self.book, &self.leases);
        deed(&mut draft)?;
        draft.keep();
        let (rows, effects) = draft.finish();
        self.write(rows, &effects)?;
        self.answer(Vec::new(), Ok(()), effects);
        Ok(())
    }
}

fn change_leases(leases: &mut Leases, changed: &BTreeMap<(QueueId, u16), Option<Duration>>) {
    for (place, until) in changed {
        match until {
            Some(until) => leases.insert(*place, *until),
            None => leases.remove(place),
        };
    }
}

/// Waits a moment for as many lists as the last batch had, or left waiting: those who were just answered come back at
/// once, and one batch for all costs less than two. Alone nobody waits; nobody waits longer than two batches take to be
/// written, nor than [`COMPANY`].
fn wait_for_company(
    requests: &mut mpsc::Receiver<Request>,
    collected: usize,
    last: Rhythm,
    begun: Instant,
) -> Option<Request> {
    let left = (last.writing * 2).min(COMPANY).checked_sub(begun.elapsed())?;
    if collected >= last.likely {
        return None;
    }
    match receive(requests, left) {
        Received::Request(request) => Some(request),
        Received::Nothing | Received::Closed => None,
    }
}

/// Carries out one list in a draft; kept whole or not at all.
fn carry_out(
    draft: &mut Draft<'_>,
    commands: Vec<Command>,
    health: Health,
) -> Result<Vec<Outcome>, StoreError> {
    let deed = |draft: &mut Draft<'_>| {
        if commands.iter().any(|command| !may(command, health)) {
            return Err(StoreError::DiskLow);
        }
        let mut outcomes = Vec::with_capacity(commands.len());
        for (index, command) in commands.into_iter().enumerate() {
            outcomes.push(apply(draft, command).map_err(|stop| stop.at(index))?);
        }
        if draft.list_size() > LIST_SIZE {
            return Err(StoreError::TooLarge { size: draft.list_size() });
        }
        Ok(outcomes)
    };
    let outcomes = deed(draft);
    match &outcomes {
        Ok(_) => draft.keep(),
        Err(_) => draft.discard()?,
    }
    outcomes
}

/// An error of the disk, not of the command.
fn is_trouble(error: &StoreError) -> bool {
    match error {
        StoreError::Refused { .. }
        | StoreError::DiskLow
        | StoreError::TooLarge { .. }
        | StoreError::Misused { .. } => false,
        StoreError::Poisoned
        | StoreError::Damaged { .. }
        | StoreError::Behind
        | StoreError::InUse
        | StoreError::Format { .. }
        | StoreError::WrongKey
        | StoreError::Io(_) => true,
    }
}

/// Whether a command may be carried out with so much room on the disk.
///
/// The outcome of a try is always written: forgotten, the mail would go out twice.
pub(crate) fn may(command: &Command, health: Health) -> bool {
    match health {
        Health::Good => true,
        Health::NoNewMail => !matches!(
            command,
            Command::CreateMailbox(_)
                | Command::SupersedeMailbox { .. }
                | Command::Deliver(_)
                | Command::DeliverOnce(_)
                | Command::Copy { .. }
                | Command::PutCertificate { .. }
                | Command::Enqueue(_)
        ),
        Health::ReadOnly => matches!(command, Command::Settle { .. } | Command::Release { .. }),
        Health::Poisoned => false,
    }
}

fn apply(draft: &mut Draft<'_>, command: Command) -> Result<Outcome, Stop> {
    match command {
        Command::CreateMailbox(new) => draft.create(*new),
        Command::Deliver(delivery) => draft.deliver(*delivery),
        Command::DeliverOnce(delivery) => draft.deliver_once(*delivery),
        Command::SetFlags { mailbox, folder, uids, change, flags } => {
            draft.set_flags(mailbox, folder, uids, change, &flags)
        }
        Command::Copy { mailbox, from, to, uids, quota } => draft.copy_within(mailbox, from, to, uids, quota),
        Command::Move { mailbox, from, to, uids } => draft.copy(mailbox, from, to, uids, true),
        Command::Expunge { mailbox, folder, uids } => draft.expunge(mailbox, folder, uids),
        Command::Subscribe { mailbox, folder, on } => draft.subscribe(mailbox, folder, on),
        Command::ReplaceSummary { mailbox, folder, uid, old, new } => {
            draft.replace_summary(mailbox, (folder, uid), old, new)
        }
        Command::CountPinAttempt { invitation, max } => draft.count_attempt(invitation, max),
        Command::KillInvitation { invitation, now } => draft.kill_invitation(invitation, now),
        Command::NoteNoPin { invitation, now, not_since } => draft.note_no_pin(invitation, now, not_since),
        Command::CompleteFirstUse(first) => draft.complete(*first),
        Command::RenewInvitation(renewal) => draft.renew(*renewal),
        Command::ChangePassword(change) => draft.change_password(*change),
        Command::ResetAccount(reset) => draft.reset(*reset),
        Command::ReopenAccount(reopening) => draft.reopen(*reopening),
        Command::DestroyShut { account, before } => draft.destroy_shut(account, before),
        Command::PutRecovery { account, generation, slot } => draft.put_recovery(account, generation, slot),
        Command::NoteRecovery { account, was, now } => draft.note_recovery(account, was.as_ref(), now),
        Command::PutAlias { account, alias, expected } => draft.put_alias(account, alias, expected),
        Command::RequireAlias { account, level } => draft.require_alias(account, level),
        Command::PutRefused { account, refused, expected } => {
            draft.put_refused(account, &refused, expected.as_ref())
        }
        Command::OpenFolder { account, folder } => draft.open_folder(account, folder),
        Command::PutOwnCertificate { mailbox, key } => draft.put_own(mailbox, key),
        Command::NoteActivity { mailbox, at, correspondent } => {
            draft.note_activity(mailbox, at, correspondent)
        }
        Command::NoteNetwork { mailbox, network, since } => draft.note_network(mailbox, network, since),
        Command::PutVaultEntry { account, mailbox, sealed } => draft.keep_entry(account, mailbox, sealed),
        Command::DeleteMailbox { mailbox, now, only } => draft.delete(mailbox, now, only),
        Command::SupersedeMailbox { new, old, now } => draft.supersede(*new, old, now),
        Command::NoteAsked { mailbox, account, now } => draft.note_asked(mailbox, account, now),
        Command::CloseMailbox { mailbox, now, not_active_since } => {
            draft.close(mailbox, now, not_active_since)
        }
        Command::ReopenMailbox { mailbox, now } => draft.reopen_mailbox(mailbox, now),
        Command::MarkUnreachable { mailbox, invitation, now } => {
            draft.mark_unreachable(mailbox, invitation, now)
        }
        Command::NoteWarning { mailbox, days, queue, not_active_since } => {
            draft.note_warning(mailbox, days, queue, not_active_since)
        }
        Command::PutNotices { mailbox, notices, expected } => draft.put_notices(mailbox, notices, expected),
        Command::Tick { wall, ran_more, suspend } => draft.tick(wall, ran_more, suspend),
        Command::NoteSuspensionTold => draft.note_suspension_told(),
        Command::AcceptClock { wall } => draft.accept_clock(wall),
        Command::PurgeTraces { before, limit } => draft.purge_traces(before, limit),
        Command::PutCertificate { record, replace } => draft.put_certificate(*record, replace),
        Command::RemoveCertificate { address } => draft.remove_certificate(&address),
        Command::Enqueue(new) => draft.enqueue(*new),
        Command::LeaseDue { now, running, until, limit } => draft.lease(now, running, until, limit),
        Command::Settle { queue, number, lease, outcome } => draft.settle(queue, number, lease, outcome),
        Command::Release { leases } => Ok(draft.release(&leases)),
        Command::RetryQueued { queue, now } => draft.retry(queue, now),
        Command::BringForward { beyond, now } => draft.bring_forward(beyond, now),
        Command::Redate { now } => draft.redate(now),
        Command::NoteDelay { queue, number } => draft.note_delay(queue, number),
        Command::CancelQueued { queue } => draft.cancel(queue),
        Command::AddStoredCertificate { domain, certificate } => draft.add_stored(domain, *certificate),
        Command::NoteSeenCertificate { domain, seen } => draft.note_seen_certificate(&domain, *seen),
        Command::RemoveStoredCertificates { domain } => Ok(draft.remove_stored(&domain)),
        Command::PutSts { record, expected } => draft.put_sts(*record, expected.as_deref()),
        Command::RemoveSts { domain, fetched } => draft.remove_sts(&domain, fetched),
        Command::PutSigningKey(key) => draft.put_signing_key(&key),
        Command::RememberSubmission { account, digest, now, until } => {
            draft.remember_submission(account, &digest, now, until)
        }
        Command::RememberConversation { account, digest, now } => {
            draft.remember_conversation(account, &digest, now)
        }
    }
}

/// About how much a list will write, octets.
fn size(commands: &[Command]) -> usize {
    let one = |command: &Command| match command {
        Command::Deliver(delivery) | Command::DeliverOnce(delivery) => {
            let body = delivery.record.body.file().map_or(delivery.record.body.length(), |_| 0);
            usize::try_from(body).unwrap_or(usize::MAX) + delivery.summary.len() + 512
        }
        Command::ReplaceSummary { new, .. } => new.len() + 64,
        Command::SetFlags { uids, .. } => 64 * uids.len(),
        Command::Copy { uids, .. } | Command::Move { uids, .. } => 4_096 * uids.len(),
        _ => 4_096,
    };
    commands.iter().map(one).fold(0, usize::saturating_add)
}

enum Received {
    Request(Request),
    Nothing,
    Closed,
}

/// Wakes a parked thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a request, at most `wait`.
fn receive(requests: &mut mpsc::Receiver<Request>, wait: Duration) -> Received {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let until = Instant::now() + wait;
    loop {
        match requests.poll_recv(&mut context) {
            Poll::Ready(Some(request)) => return Received::Request(request),
            Poll::Ready(None) => return Received::Closed,
            Poll::Pending => {}
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Received::Nothing;
        }
        thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is in the channel is taken only by a batch that still waits.
    #[test]
    fn a_batch_waits_for_as_many_as_are_likely_and_no_longer() {
        let (sender, mut requests) = mpsc::channel(4);
        let (answer, _) = oneshot::channel();
        sender.try_send(Request { commands: Vec::new(), answer }).unwrap();
        let now = Instant::now();
        let second = Duration::from_secs(1);
        let mut waits = |collected, likely, writing, begun| {
            wait_for_company(&mut requests, collected, Rhythm { likely, writing }, begun).is_some()
        };
        assert!(!waits(1, 0, second, now), "nobody came before");
        assert!(!waits(1, 1, second, now), "alone");
        assert!(!waits(2, 2, second, now), "all are there");
        assert!(!waits(1, 2, Duration::ZERO, now), "a batch costs nothing");
        assert!(!waits(1, 2, second, now - second), "it has waited long enough");
        assert!(waits(1, 2, second, Instant::now() + second), "one is likely to come");
        assert_eq!(sender.capacity(), sender.max_capacity(), "and came");
    }
}
