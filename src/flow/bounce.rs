//! What a try leads to: the queue is told, and whoever sent the message, in one commit.
//!
//! Only what our own accounts sent is reported on, never mail with the null sender: there is no bounce of a bounce.

use crate::base::address::Address;
use crate::base::envelope::Recipient;
use crate::base::id::MailboxId;
use crate::base::limits::HEADER_BLOCK;
use crate::base::time::Time;
use crate::config::Config;
use crate::flow::Flow;
use crate::flow::delivery::Outcome;
use crate::flow::delivery::message_reader;
use crate::flow::late::Late;
use crate::flow::notes::Kept;
use crate::flow::notes::Note;
use crate::flow::refusal::TakeError;
use crate::flow::report::Fate;
use crate::flow::report::Original;
use crate::flow::report::alias_level;
use crate::flow::sealing::blocking;
use crate::flow::undelivered::Returned;
use crate::mime::header::Header;
use crate::mime::report;
use crate::mime::report::Action;
use crate::policy::clock::Ages;
use crate::policy::retry;
use crate::policy::retry::Next;
use crate::policy::retry::Pace;
use crate::policy::tls::Demand;
use crate::policy::tls::Proof;
use crate::policy::tls::Sender;
use crate::smtp::client::Trouble;
use crate::smtp::client::clean;
use crate::store::command::Command;
use crate::store::command::Refusal;
use crate::store::command_part::Settlement;
use crate::store::error::StoreError;
use crate::store::record_queue::Purpose;
use crate::store::record_queue::QueueRecord;
use crate::store::record_queue::QueuedRecipient;
use crate::texts::report::Way;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

/// One recipient after a try: what the queue notes, and what its sender is told.
#[derive(Clone, Debug)]
pub(in crate::flow) struct Settled {
    pub(in crate::flow) number: u16,
    /// Under which it was tried.
    pub(in crate::flow) lease: Duration,
    pub(in crate::flow) settlement: Settlement,
    pub(in crate::flow) told: Option<Fate>,
    /// What is told before the next try, and when.
    pub(in crate::flow) later: Option<(Time, Fate)>,
}

impl Settled {
    /// Leaves out what a sender is told, where it cannot be told now; answers whether it can be noted so.
    ///
    /// A second copy of a message is worse than a success that is not told, and a delay can be told after the next try.
    /// A failure waits with its recipient until it can be told.
    fn tells_nobody(&mut self) -> bool {
        let told = self.told.take().is_some();
        match &mut self.settlement {
            Settlement::Delivered { .. } => true,
            Settlement::Again { delay_reported, .. } => {
                *delay_reported &= !told;
                true
            }
            Settlement::Failed { .. } => !told,
        }
    }
}

/// Commits how a try ended for each recipient, with the reports that follow from it; answers with what is to be told
/// before the next try.
pub(in crate::flow) async fn settle(
    flow: &Flow,
    record: &Arc<QueueRecord>,
    recipients: &[QueuedRecipient],
    outcomes: Vec<(u16, Outcome)>,
) -> Result<Vec<Late>, StoreError> {
    let now = flow.clock.now();
    let config = flow.config();
    let somebody_waits =
        outcomes.iter().any(|(_, outcome)| matches!(outcome, Outcome::Again(_) | Outcome::Untried(_)));
    let ages = if somebody_waits { Some(flow.ages().await) } else { None };
    let mut settled: Vec<Settled> = outcomes
        .into_iter()
        .filter_map(|(number, outcome)| {
            let recipient = recipients.iter().find(|recipient| recipient.number == number)?;
            Some(judge(&config, record, recipient, outcome, now, ages))
        })
        .collect();
    for line in &settled {
        log(flow, record, recipients, line);
    }
    let mut reporting = true;
    // Each round leaves out what was refused, or looks again at what changed meanwhile.
    for round in 0..ROUNDS {
        if settled.is_empty() {
            return Ok(Vec::new());
        }
        let reports = if reporting { reports(flow, record, &settled).await } else { Ok(Vec::new()) };
        let reports = match reports {
            Ok(reports) => reports,
            Err(why) => {
                tracing::error!(queue = %record.id, %why, "a sender could not be told how a delivery ended");
                if settled.iter().any(|line| line.told.is_some()) {
                    settled.retain_mut(Settled::tells_nobody);
                } else {
                    reporting = false;
                }
                continue;
            }
        };
        let settles = settled.iter().map(|line| Command::Settle {
            queue: record.id,
            number: line.number,
            lease: line.lease,
            outcome: line.settlement.clone(),
        });
        let count = settled.len();
        match flow.store.commit(settles.chain(reports).collect()).await {
            Ok(_) => return Ok(Late::of(record, settled)),
            Err(StoreError::Refused { index, why: Refusal::Gone }) if index < count => {
                // Cancelled in the meantime, or the lease was lost: there is nothing to note.
                settled.remove(index);
            }
            Err(StoreError::DiskLow) if settled.iter().any(|line| line.told.is_some()) => {
                tracing::warn!(queue = %record.id, "a sender cannot be told how a delivery ended: the disk is low");
                settled.retain_mut(Settled::tells_nobody);
            }
            // What was delivered is not delivered again because a count cannot be kept.
            Err(StoreError::DiskLow) if reporting => reporting = false,
            Err(StoreError::Refused { why, .. }) => {
                let stale = matches!(why, Refusal::NotCurrent | Refusal::NotOpen | Refusal::AlreadyDone);
                reporting = stale && round + 2 < ROUNDS;
            }
            Err(why) => return Err(why),
        }
    }
    Err(StoreError::Misused { what: "a delivery that cannot be settled" })
}

/// Commits of one outcome.
const ROUNDS: usize = 8;

/// How long a message is tried.
fn life(config: &Config, record: &QueueRecord) -> Duration {
    match record.purpose {
        Purpose::Bounce => retry::BOUNCE_LIFE.min(config.outbound.retry),
        Purpose::Mail | Purpose::Invitation(_) | Purpose::Notice(_) | Purpose::Warning(..) => {
            config.outbound.retry
        }
    }
}

/// How it is tried after this trouble: where a secure alias's policy could not be decided, for minutes; after that the
/// policy is satisfied, and what a peer asks for is patience like anybody's.
fn pace(config: &Config, record: &QueueRecord, passed: bool) -> (Pace, Duration) {
    let secure = Demand::parse(&record.tls_policy).is_ok_and(|demand| demand.sender() == Sender::Secure);
    if secure && !passed {
        return (Pace::Urgent, config.outbound.secure_retry);
    }
    (Pace::Patient, life(config, record))
}

fn judge(
    config: &Config,
    record: &QueueRecord,
    recipient: &QueuedRecipient,
    outcome: Outcome,
    now: Time,
    ages: Option<Ages>,
) -> Settled {
    let number = recipient.number;
    let lease = recipient.lease();
    let wants = recipient.notify;
    let tries = recipient.attempts.saturating_add(1);
    let failed = |trouble: Trouble| Settled {
        number,
        lease,
        settlement: Settlement::Failed { reason: trouble.to_string() },
        told: wants.is_none_or(|notify| notify.failure).then(|| fate(Action::Failed, recipient, &trouble)),
        later: None,
    };
    let tried = !matches!(outcome, Outcome::Untried(_));
    match outcome {
        Outcome::Delivered(handover) => {
            let wanted = wants.is_some_and(|notify| notify.success) && !handover.reports;
            let fate = Fate {
                action: Action::Relayed,
                recipient: in_envelope(recipient),
                status: (2, 0, 0),
                host: Some(handover.host.clone()),
                said: Some(handover.reply.clone()),
                reason: handover.proof.clone(),
                until: None,
                unmet: None,
                way: Some(way(handover.proven)),
                proof: Some(handover.link),
            };
            Settled {
                number,
                lease,
                settlement: Settlement::Delivered { proof: handover.proof },
                told: wanted.then_some(fate),
                later: None,
            }
        }
        Outcome::Failed(trouble) => failed(trouble),
        Outcome::Again(trouble) | Outcome::Untried(trouble) => {
            // What passed in an earlier try has passed: whoever was met then may be away now.
            let passed = trouble.passed || recipient.passed == Some(true);
            let (pace, life) = pace(config, record, passed);
            // Where the clock is not believed nothing is given up for its age, and nobody hears of a delay.
            let known = ages.is_some_and(|ages| ages.known(record.created, life));
            let next = match retry::after(pace, tries, record.created, now, life) {
                Next::At(next) => next,
                Next::GiveUp if known && tried => return failed(trouble),
                Next::GiveUp => now + retry::gap(pace, tries),
            };
            let due =
                known && retry::reports_delay(pace, record.created, now, life, recipient.delay_reported);
            let late = || {
                let until = Some(record.created + life);
                Fate { until, ..fate(Action::Delayed, recipient, &trouble) }
            };
            let wanted = wants.is_none_or(|notify| notify.delay);
            let between = retry::tells_between(pace, record.created, now, next, recipient.delay_reported);
            Settled {
                number,
                lease,
                settlement: Settlement::Again {
                    next,
                    reason: trouble.to_string(),
                    delay_reported: due,
                    passed: trouble.passed,
                },
                told: (due && wanted).then(late),
                later: between.filter(|_| wanted).map(|at| (at, late())),
            }
        }
    }
}

fn fate(action: Action, recipient: &QueuedRecipient, trouble: &Trouble) -> Fate {
    Fate {
        action,
        recipient: in_envelope(recipient),
        status: trouble.status,
        host: trouble.host.clone(),
        said: trouble.said.clone(),
        reason: clean(trouble.said.as_deref().unwrap_or(&trouble.text), 900),
        until: None,
        unmet: trouble.unmet.clone(),
        way: None,
        proof: None,
    }
}

fn in_envelope(recipient: &QueuedRecipient) -> Recipient {
    let QueuedRecipient { address, notify, orcpt, .. } = recipient.clone();
    Recipient { address, notify, orcpt }
}

/// What was proven, in the words of reports.
const fn way(proof: Proof) -> Way {
    match proof {
        Proof::None => Way::Plain,
        Proof::Unauthenticated => Way::Encrypted,
        Proof::Dane => Way::Dane,
        Proof::MtaSts => Way::MtaSts,
        Proof::Stored { .. } => Way::Stored,
        Proof::DaneAndStored => Way::DaneAndStored,
    }
}

fn log(flow: &Flow, record: &QueueRecord, recipients: &[QueuedRecipient], line: &Settled) {
    let Some(recipient) = recipients.iter().find(|recipient| recipient.number == line.number) else { return };
    let (queue, to) = (record.id, flow.index.log_name(&recipient.address));
    let domain = recipient.address.domain();
    match &line.settlement {
        Settlement::Delivered { proof } => tracing::info!(%queue, to, %domain, proof, "delivered"),
        Settlement::Again { next, reason, .. } => {
            tracing::info!(%queue, to, %domain, reason, %next, "not delivered yet");
        }
        Settlement::Failed { reason } => tracing::warn!(%queue, to, %domain, reason, "not delivered"),
    }
}

/// The letters that follow, as commands.
pub(in crate::flow) async fn reports(
    flow: &Flow,
    record: &Arc<QueueRecord>,
    settled: &[Settled],
) -> Result<Vec<Command>, TakeError> {
    let Some(owner) = record.owner else { return Ok(Vec::new()) };
    let told: Vec<&Fate> = settled.iter().filter_map(|line| line.told.as_ref()).collect();
    match record.purpose {
        Purpose::Invitation(mailbox) | Purpose::Notice(mailbox) | Purpose::Warning(mailbox, _) => {
            about_recipient(flow, record, mailbox, owner, settled).await
        }
        Purpose::Mail => match &record.sender {
            Some(sender) if !told.is_empty() => notifications(flow, record, owner, sender, &told).await,
            _ => Ok(Vec::new()),
        },
        Purpose::Bounce => Ok(Vec::new()),
    }
}

/// What the sender of a message asked to be told, or is told anyway.
async fn notifications(
    flow: &Flow,
    record: &Arc<QueueRecord>,
    owner: MailboxId,
    sender: &Address,
    told: &[&Fate],
) -> Result<Vec<Command>, TakeError> {
    let Some(receiver) = flow.receiver(owner).await? else { return Ok(Vec::new()) };
    let header = original_header(flow, record).await.unwrap_or_else(|why| {
        // Its sender hears of it all the same.
        tracing::error!(queue = %record.id, %why, "a report goes without the header of its message");
        Header::parse(&[])
    });
    let original = Original {
        sender,
        taken: record.created,
        demand: Demand::parse(&record.tls_policy).ok(),
        envid: record.envid.as_deref(),
        header: &header,
    };
    flow.reports(&receiver, original, told).await
}

/// Mail to the recipient of a temporary mailbox has ended or is late: told without a word of its content.
async fn about_recipient(
    flow: &Flow,
    record: &QueueRecord,
    mailbox: MailboxId,
    owner: MailboxId,
    settled: &[Settled],
) -> Result<Vec<Command>, TakeError> {
    let mut commands = Vec::new();
    let of = flow.store.mailbox(mailbox).await?;
    let notice = matches!(record.purpose, Purpose::Notice(_));
    for line in settled {
        let fate = line.told.as_ref();
        match (&line.settlement, fate) {
            (Settlement::Delivered { .. }, _) if notice => {
                commands.extend(of.as_ref().and_then(|of| flow.notice_ended(of, true)));
            }
            (Settlement::Failed { .. }, Some(fate)) => {
                // What our own policy keeps back says nothing about the address.
                if notice && fate.status.0 == 5 && fate.unmet.is_none() {
                    commands.extend(of.as_ref().and_then(|of| flow.notice_ended(of, false)));
                }
                let (class, subject, detail) = fate.status;
                let mail = Returned {
                    queue: record.id,
                    owner,
                    recipient: &fate.recipient.address,
                    status: &format!("{class}.{subject}.{detail}"),
                    reason: &fate.reason,
                    kept: fate.unmet.as_deref().map(|unmet| {
                        let demand = Demand::parse(&record.tls_policy).ok();
                        let alias = demand.and_then(alias_level).is_some();
                        Box::new(Kept { host: fate.host.clone(), unmet: unmet.clone(), alias })
                    }),
                };
                commands.extend(flow.returned(of.as_deref(), &mail).await?);
            }
            (Settlement::Again { .. }, Some(Fate { until: Some(until), recipient, reason, .. }))
                if !notice =>
            {
                let (recipient, reason) = (recipient.address.clone(), reason.clone());
                commands.extend(flow.note(owner, Note::Late { recipient, until: *until, reason }).await?);
            }
            _ => {}
        }
    }
    Ok(commands)
}

/// The header of a queued message, without what may not be shown.
async fn original_header(flow: &Flow, record: &Arc<QueueRecord>) -> Result<Header, TakeError> {
    let reader = message_reader(flow, record).await?;
    let sent_header = flow.config().temporary_mailbox.sent_header.clone();
    blocking(move || {
        let mut octets = Vec::new();
        let most = u64::try_from(HEADER_BLOCK).unwrap_or(u64::MAX);
        reader.take(most).read_to_end(&mut octets).map_err(TakeError::internal)?;
        let end =
            octets.windows(4).position(|window| window == b"\r\n\r\n").map_or(octets.len(), |at| at + 2);
        let header = Header::parse(octets.get(..end).unwrap_or_default());
        Ok(report::original(&header, &sent_header))
    })
    .await
}
