//! Notices of further messages: few mails tell of many messages, and an address that takes none gets none.
//!
//! What waits to be told stands in the mailbox's record, so it survives a restart; the set in memory only says where
//! to look.

use crate::base::address::Address;
use crate::base::id::MailboxId;
use crate::base::id::QueueId;
use crate::base::time::Time;
use crate::config::Config;
use crate::flow::Flow;
use crate::flow::invitation::Told;
use crate::flow::invitation::Writer;
use crate::flow::notes::Note;
use crate::flow::refusal::TakeError;
use crate::policy::notice;
use crate::policy::notice::Facts;
use crate::policy::notice::Limits;
use crate::policy::notice::Verdict;
use crate::policy::tls::Demand;
use crate::store::PAGE;
use crate::store::command::Command;
use crate::store::command::Refusal;
use crate::store::error::StoreError;
use crate::store::record::Folder;
use crate::store::record::InvitationState;
use crate::store::record::MailboxRecord;
use crate::store::record::MailboxState;
use crate::store::record::Uid;
use crate::store::record_life::NoticeRecord;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The mailboxes whose recipients are to be told of something, and the bell of the worker that does it.
#[derive(Debug, Default)]
pub struct Notices {
    waiting: Mutex<BTreeSet<MailboxId>>,
    bell: Notify,
}

/// Senders whose messages wait, remembered for one mailbox.
const SENDERS: usize = 100;
/// The clock is looked at this often, whatever it says will be due.
const LOOK: Duration = Duration::from_secs(30);
/// After trouble.
const TROUBLE: Duration = Duration::from_secs(10);

impl Notices {
    /// Looks at what is due now.
    pub fn ring(&self) {
        self.bell.notify_one();
    }

    /// These have messages that nobody was told of; it is on disk already.
    pub(in crate::flow) fn wait_for(&self, mailboxes: &[MailboxId]) {
        if !mailboxes.is_empty() {
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).extend(mailboxes);
            self.ring();
        }
    }

    /// Takes all of them out: one that has a message from now on is put in again.
    fn take(&self) -> BTreeSet<MailboxId> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// It waits on.
    fn put_back(&self, mailbox: MailboxId) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(mailbox);
    }
}

/// What a message does to the notices of its mailbox.
pub(in crate::flow) enum Announced {
    /// The mail, and the note that it went out.
    Now(Vec<Command>),
    /// The note that it waits.
    Later(Command),
    /// The address takes no notices; what is to be noted all the same.
    Never(Option<Command>),
}

impl Flow {
    /// Tells a recipient of a message, at once or with others.
    pub(in crate::flow) async fn announce(
        &self,
        record: &MailboxRecord,
        writer: &Writer,
        told: Told<'_>,
    ) -> Result<Announced, TakeError> {
        let now = self.clock.now();
        let mut notices = record.notices.clone().unwrap_or_default();
        notices.tls_policy = stricter(notices.tls_policy.as_deref(), writer.demand)?;
        let verdict = notice::judge(&facts(&notices), &limits(&self.config()), now);
        match verdict {
            Verdict::Never => {
                let before = record.notices.as_ref().and_then(|notices| notices.tls_policy.as_ref());
                Ok(Announced::Never((before != notices.tls_policy.as_ref()).then(|| put(record, notices))))
            }
            Verdict::Now if notices.waiting.is_none() => {
                let mail = self.tell_recipient(record, writer, told).await?;
                sent(&mut notices, now, &mail);
                Ok(Announced::Now(vec![mail, put(record, notices)]))
            }
            Verdict::Now | Verdict::At(_) => {
                notices.waiting.get_or_insert(now);
                notices.waiting_policy = stricter(notices.waiting_policy.as_deref(), writer.demand)?;
                notices.messages = notices.messages.saturating_add(1);
                if !notices.senders.contains(&writer.account) && notices.senders.len() < SENDERS {
                    notices.senders.push(writer.account);
                }
                Ok(Announced::Later(put(record, notices)))
            }
        }
    }

    /// A link that goes out again: it cannot wait, since only its sender can open it, and so many go out in a day.
    /// `None` when that many have. From now on the mailbox has the policy that the link goes under.
    pub(in crate::flow) fn count_link(&self, record: &MailboxRecord, demand: Demand) -> Option<Command> {
        let notices = self.one_more_today(record)?;
        Some(put(record, NoticeRecord { tls_policy: written(demand), ..notices }))
    }

    /// A test message to the recipient's own key goes out, which only the recipient wants: it counts like any other mail
    /// to the address, and one of them waits in the queue at most. `None` when that many have, or one does.
    pub(in crate::flow) async fn count_test(
        &self,
        record: &MailboxRecord,
        test: QueueId,
    ) -> Result<Option<Command>, StoreError> {
        let last = record.notices.as_ref().and_then(|notices| notices.test);
        if let Some(last) = last
            && self.store.queued(last).await?.is_some()
        {
            return Ok(None);
        }
        let notices = self.one_more_today(record);
        Ok(notices.map(|notices| put(record, NoticeRecord { test: Some(test), ..notices })))
    }

    /// What is noted of a mail that cannot wait; nothing when as many have gone out as may in a day.
    fn one_more_today(&self, record: &MailboxRecord) -> Option<NoticeRecord> {
        let now = self.clock.now();
        let notices = record.notices.clone().unwrap_or_default();
        let limits = Limits { interval: Duration::ZERO, ..limits(&self.config()) };
        if notice::judge(&facts(&notices), &limits, now) != Verdict::Now {
            return None;
        }
        let (day, today) = notice::count(&facts(&notices), now);
        Some(NoticeRecord { day: Some(day), today, ..notices })
    }

    /// The note that the mailbox has the policy that its link goes under, if it had another.
    pub(in crate::flow) fn policy_of_link(&self, record: &MailboxRecord, demand: Demand) -> Option<Command> {
        let notices = record.notices.clone().unwrap_or_default();
        let tls_policy = written(demand);
        (notices.tls_policy != tls_policy).then(|| put(record, NoticeRecord { tls_policy, ..notices }))
    }

    /// Somebody signed in: what waited is seen, and the address deserves another try.
    pub(in crate::flow) async fn forget_notices(&self, record: &MailboxRecord) -> Result<(), StoreError> {
        let Some(notices) = record.notices.clone() else { return Ok(()) };
        if notices.returned == 0 && notices.waiting.is_none() {
            return Ok(());
        }
        let seen = NoticeRecord { returned: 0, ..told(notices) };
        match self.store.commit(vec![put(record, seen)]).await {
            // Something new has come in the meantime: that is told.
            Err(StoreError::Refused { .. }) => Ok(()),
            result => result.map(drop),
        }
    }

    /// A notice has ended: taken by the other side, or returned for good.
    pub(in crate::flow) fn notice_ended(&self, record: &MailboxRecord, taken: bool) -> Option<Command> {
        let notices = record.notices.clone().unwrap_or_default();
        let returned = if taken { 0 } else { notices.returned.saturating_add(1) };
        (returned != notices.returned).then(|| put(record, NoticeRecord { returned, ..notices }))
    }

    /// Tells of everything that is due; answers when to look again.
    async fn tell_waiting(&self) -> Duration {
        let mut wait = LOOK;
        for mailbox in self.notices.take() {
            match self.tell_of(mailbox).await {
                Ok(None) => continue,
                Ok(Some(next)) => wait = wait.min(next.since(self.clock.now())),
                Err(TakeError::Store(StoreError::Refused { why: Refusal::NotCurrent, .. })) => {
                    wait = Duration::ZERO;
                }
                Err(why) => {
                    tracing::warn!(%mailbox, %why, "a recipient could not be told yet of new messages");
                    wait = wait.min(TROUBLE);
                }
            }
            self.notices.put_back(mailbox);
        }
        wait.max(Duration::from_millis(100))
    }

    /// Tells one recipient, if it is time; answers when it will be, `None` when nothing waits any more.
    async fn tell_of(&self, mailbox: MailboxId) -> Result<Option<Time>, TakeError> {
        let Some(record) = self.store.mailbox(mailbox).await? else { return Ok(None) };
        let _held = self.locks.hold(BTreeSet::from([record.address.key()])).await;
        let Some(record) = self.store.mailbox(mailbox).await? else { return Ok(None) };
        let Some(notices) = record.notices.clone() else { return Ok(None) };
        let Some(since) = notices.waiting.filter(|_| record.state != MailboxState::Closed) else {
            return Ok(None);
        };
        let now = self.clock.now();
        let verdict = notice::judge(&facts(&notices), &limits(&self.config()), now);
        if let Verdict::At(next) = verdict {
            return Ok(Some(next));
        }
        let mut told = told(notices.clone());
        let mut commands = Vec::new();
        if verdict == Verdict::Never {
            // Two came back while these waited: who wrote them learns that nobody is told.
            for sender in &notices.senders {
                let note = Note::NotTold { recipient: record.address.clone() };
                commands.extend(self.note(*sender, note).await?);
            }
        } else if let Some(mail) = self.notice_of_many(&record, &notices, since).await? {
            sent(&mut told, now, &mail);
            commands.push(mail);
        }
        commands.push(put(&record, told));
        self.commit_taking(commands).await?;
        self.queue_bell.notify_one();
        Ok(None)
    }

    /// The mail about what came since; `None` when there is nothing left to tell, or nobody who wrote it.
    async fn notice_of_many(
        &self,
        record: &Arc<MailboxRecord>,
        notices: &NoticeRecord,
        since: Time,
    ) -> Result<Option<Command>, TakeError> {
        // Some may have been read by now, in a session that was open.
        let count = self.unread_since(record.id, since).await?.min(notices.messages);
        let mut senders: Vec<(MailboxId, Address)> = Vec::new();
        for sender in &notices.senders {
            if let Some(sender) = self.store.mailbox(*sender).await? {
                senders.push((sender.id, sender.address.clone()));
            }
        }
        let Some((account, address)) = senders.first().cloned().filter(|_| count > 0) else {
            return Ok(None);
        };
        let invitation = match record.state {
            MailboxState::Unopened => match self.open_invitation_of(record).await? {
                None => return Ok(None),
                invitation => invitation,
            },
            MailboxState::Open | MailboxState::Closed => None,
        };
        let demand = read(notices.waiting_policy.as_deref())?;
        let writer = Writer { account, address, name: None, note: None, demand };
        let told = match (count, senders.len(), invitation) {
            (1, 1, None) => Told::NewMessage,
            (1, 1, Some((inviter, invited))) => Told::Waiting { inviter, invited },
            (count, _, invitation) => {
                let senders = senders.into_iter().map(|(_, address)| address).collect();
                Told::Several { count, senders, since, invitation }
            }
        };
        self.tell_recipient(record, &writer, told).await.map(Some)
    }

    /// Who invited, and when, while that invitation can be used.
    async fn open_invitation_of(&self, record: &MailboxRecord) -> Result<Option<(Address, Time)>, TakeError> {
        let Some(id) = record.invitation else { return Ok(None) };
        let Some(invitation) = self.store.invitation(id).await? else { return Ok(None) };
        if invitation.state != InvitationState::Open {
            return Ok(None);
        }
        let inviter = self.store.mailbox(invitation.sender).await?;
        Ok(inviter.map(|inviter| (inviter.address.clone(), invitation.created)))
    }

    async fn unread_since(&self, mailbox: MailboxId, since: Time) -> Result<u32, TakeError> {
        let (mut after, mut count) = (Uid(0), 0);
        loop {
            let page = self.store.messages(mailbox, Folder::INBOX, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(count) };
            after = last.uid;
            let new = page.iter().filter(|message| message.record.arrived >= since && !message.flags.seen);
            count = count.saturating_add(u32::try_from(new.count()).unwrap_or(u32::MAX));
        }
    }

    /// Finds what waited when the process ended.
    async fn find_waiting(&self) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let page = self.store.mailboxes(after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.id);
            let waiting = page
                .iter()
                .filter(|record| record.notices.as_ref().is_some_and(|notices| notices.waiting.is_some()));
            self.notices.wait_for(&waiting.map(|record| record.id).collect::<Vec<_>>());
        }
    }
}

/// The worker: tells recipients what waits, until `stop`.
pub async fn run(flow: Arc<Flow>, stop: CancellationToken) {
    let mut found = false;
    while !stop.is_cancelled() {
        if !found {
            match flow.find_waiting().await {
                Ok(()) => found = true,
                Err(why) => tracing::error!(%why, "what waits to be told cannot be found"),
            }
        }
        let wait = flow.tell_waiting().await;
        let wait = if found { wait } else { wait.min(TROUBLE) };
        tokio::select! {
            () = stop.cancelled() => return,
            () = flow.notices.bell.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// The policy of mail about a mailbox that no message of its own causes.
pub(in crate::flow) fn policy_of(record: &MailboxRecord) -> Result<Demand, TakeError> {
    read(record.notices.as_ref().and_then(|notices| notices.tls_policy.as_deref()))
}

/// Mails to the recipient have come back: none goes there until the next sign-in.
pub(in crate::flow) fn are_given_up(record: &MailboxRecord) -> bool {
    record.notices.as_ref().is_some_and(|notices| notices.returned >= notice::RETURNED)
}

/// A policy as a record keeps it. One that this version does not know sends nothing.
fn read(policy: Option<&str>) -> Result<Demand, TakeError> {
    policy.map_or(Ok(Demand::default()), Demand::parse).map_err(TakeError::internal)
}

/// What a record keeps of a policy: nothing of anybody's.
fn written(demand: Demand) -> Option<String> {
    (demand != Demand::default()).then(|| demand.to_string())
}

fn stricter(policy: Option<&str>, demand: Demand) -> Result<Option<String>, TakeError> {
    Ok(written(read(policy)?.with(demand)))
}

const fn facts(notices: &NoticeRecord) -> Facts {
    Facts { last: notices.last, day: notices.day, today: notices.today, returned: notices.returned }
}

fn limits(config: &Config) -> Limits {
    Limits { interval: config.limits.notice_interval, per_day: config.limits.notices_per_day }
}

/// Nothing waits any more.
fn told(notices: NoticeRecord) -> NoticeRecord {
    NoticeRecord { waiting: None, senders: Vec::new(), messages: 0, waiting_policy: None, ..notices }
}

fn sent(notices: &mut NoticeRecord, now: Time, mail: &Command) {
    let (day, today) = notice::count(&facts(notices), now);
    notices.last = Some(now);
    (notices.day, notices.today) = (Some(day), today);
    if let Command::Enqueue(queued) = mail {
        notices.queue = Some(queued.record.id);
    }
}

fn put(record: &MailboxRecord, notices: NoticeRecord) -> Command {
    Command::PutNotices { mailbox: record.id, notices: Some(notices), expected: record.notices.clone() }
}
