//! What a try leads to: the queue is told, and whoever sent the message, in one commit.
//!
//! Only what our own accounts sent is reported on, never mail with the null sender: there is no bounce of a bounce.

use crate::base::address::Address;
use crate::base::id::MailboxId;
use crate::base::limits::HEADER_BLOCK;
use crate::base::random::bytes;
use crate::base::requirement::Unmet;
use crate::base::time::Time;
use crate::config::Config;
use crate::flow::Flow;
use crate::flow::delivery::Outcome;
use crate::flow::delivery::message_reader;
use crate::flow::letters::letterhead;
use crate::flow::notes::Kept;
use crate::flow::notes::Note;
use crate::flow::refusal::TakeError;
use crate::flow::sealing::Place;
use crate::flow::sealing::Receiver;
use crate::flow::sealing::blocking;
use crate::flow::undelivered::Returned;
use crate::mime::compose;
use crate::mime::compose::Automatic;
use crate::mime::compose::Letter;
use crate::mime::compose::Person;
use crate::mime::header::Header;
use crate::mime::report;
use crate::mime::report::Action;
use crate::mime::report::Report;
use crate::policy::retry;
use crate::policy::retry::Next;
use crate::policy::retry::Pace;
use crate::policy::tls::Demand;
use crate::policy::tls::Proof;
use crate::policy::tls::Requirement;
use crate::policy::tls::Sender;
use crate::smtp::client::Status;
use crate::smtp::client::Trouble;
use crate::smtp::client::clean;
use crate::store::command::Command;
use crate::store::command::Refusal;
use crate::store::command::Settlement;
use crate::store::error::StoreError;
use crate::store::record::Purpose;
use crate::store::record::QueueRecord;
use crate::store::record::QueuedRecipient;
use crate::texts::letter::MailText;
use crate::texts::report as texts;
use crate::texts::report::Kind;
use crate::texts::report::Line;
use crate::texts::report::Way;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

/// One recipient after a try: what the queue notes, and what its sender is told.
#[derive(Clone, Debug)]
struct Settled {
    number: u16,
    settlement: Settlement,
    told: Option<Fate>,
}

/// What a sender is told of one recipient.
#[derive(Clone, Debug)]
struct Fate {
    action: Action,
    recipient: QueuedRecipient,
    status: Status,
    host: Option<String>,
    /// The peer's own words.
    said: Option<String>,
    /// Those, or what was found.
    reason: String,
    /// The end of trying, for a delay.
    until: Option<Time>,
    /// The TLS policy that was not met.
    unmet: Option<Box<Unmet>>,
    /// How it went to a host that took it.
    way: Option<(Proof, String)>,
}

/// Commits how a try ended for each recipient, with the reports that follow from it.
pub(in crate::flow) async fn settle(
    flow: &Flow,
    record: &Arc<QueueRecord>,
    recipients: &[QueuedRecipient],
    outcomes: Vec<(u16, Outcome)>,
) -> Result<(), StoreError> {
    let now = flow.clock.now();
    let config = flow.config();
    let mut settled: Vec<Settled> = outcomes
        .into_iter()
        .filter_map(|(number, outcome)| {
            let recipient = recipients.iter().find(|recipient| recipient.number == number)?;
            Some(judge(&config, record, recipient, outcome, now))
        })
        .collect();
    for line in &settled {
        log(flow, record, recipients, line);
    }
    let mut reporting = true;
    // Each round leaves out what was refused, or looks again at what changed meanwhile.
    for round in 0..ROUNDS {
        if settled.is_empty() {
            return Ok(());
        }
        let reports = if reporting { reports(flow, record, &settled).await } else { Vec::new() };
        let settles = settled.iter().map(|line| Command::Settle {
            queue: record.id,
            number: line.number,
            outcome: line.settlement.clone(),
        });
        let count = settled.len();
        match flow.store.commit(settles.chain(reports).collect()).await {
            Ok(_) => return Ok(()),
            Err(StoreError::Refused { index, why: Refusal::Gone }) if index < count => {
                // Cancelled in the meantime, or the lease was lost: there is nothing to note.
                settled.remove(index);
            }
            // Nobody is told anything: what was delivered is not delivered again because a count cannot be kept.
            Err(StoreError::DiskLow) if reporting && settled.iter().all(|line| line.told.is_none()) => {
                reporting = false;
            }
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
fn pace(config: &Config, record: &QueueRecord, trouble: &Trouble) -> (Pace, Duration) {
    let secure = Demand::parse(&record.tls_policy).is_ok_and(|demand| demand.sender() == Sender::Secure);
    if secure && !trouble.passed {
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
) -> Settled {
    let number = recipient.number;
    let wants = recipient.notify;
    let tries = recipient.attempts.saturating_add(1);
    let failed = |trouble: Trouble| Settled {
        number,
        settlement: Settlement::Failed { reason: trouble.to_string() },
        told: wants.is_none_or(|notify| notify.failure).then(|| fate(Action::Failed, recipient, &trouble)),
    };
    match outcome {
        Outcome::Delivered(handover) => {
            let wanted = wants.is_some_and(|notify| notify.success) && !handover.reports;
            let fate = Fate {
                action: Action::Relayed,
                recipient: recipient.clone(),
                status: (2, 0, 0),
                host: Some(handover.host.clone()),
                said: Some(handover.reply.clone()),
                reason: handover.proof.clone(),
                until: None,
                unmet: None,
                way: Some((handover.proven, handover.link)),
            };
            Settled {
                number,
                settlement: Settlement::Delivered { proof: handover.proof },
                told: wanted.then_some(fate),
            }
        }
        Outcome::Failed(trouble) => failed(trouble),
        Outcome::Again(trouble) => {
            let (pace, life) = pace(config, record, &trouble);
            let Next::At(next) = retry::after(pace, tries, record.created, now, life) else {
                return failed(trouble);
            };
            let due = retry::reports_delay(pace, record.created, now, life, recipient.delay_reported);
            let wanted = due && wants.is_none_or(|notify| notify.delay);
            let until = Some(record.created + life);
            Settled {
                number,
                settlement: Settlement::Again { next, reason: trouble.to_string(), delay_reported: due },
                told: wanted.then(|| Fate { until, ..fate(Action::Delayed, recipient, &trouble) }),
            }
        }
    }
}

fn fate(action: Action, recipient: &QueuedRecipient, trouble: &Trouble) -> Fate {
    Fate {
        action,
        recipient: recipient.clone(),
        status: trouble.status,
        host: trouble.host.clone(),
        said: trouble.said.clone(),
        reason: clean(trouble.said.as_deref().unwrap_or(&trouble.text), 900),
        until: None,
        unmet: trouble.unmet.clone(),
        way: None,
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

/// The letters that follow, as commands; trouble with a letter must not keep the queue from being settled.
async fn reports(flow: &Flow, record: &Arc<QueueRecord>, settled: &[Settled]) -> Vec<Command> {
    let Some(owner) = record.owner else { return Vec::new() };
    let told: Vec<&Fate> = settled.iter().filter_map(|line| line.told.as_ref()).collect();
    let result = async {
        match record.purpose {
            Purpose::Invitation(mailbox) | Purpose::Notice(mailbox) | Purpose::Warning(mailbox, _) => {
                about_recipient(flow, record, mailbox, owner, settled).await
            }
            Purpose::Mail if !told.is_empty() && record.sender.is_some() => {
                notifications(flow, record, owner, &told).await
            }
            Purpose::Mail | Purpose::Bounce => Ok(Vec::new()),
        }
    };
    result.await.unwrap_or_else(|why| {
        tracing::error!(queue = %record.id, %why, "a sender could not be told how a delivery ended");
        Vec::new()
    })
}

/// One notification for each action, into the owner's INBOX; a full mailbox does not keep it out.
async fn notifications(
    flow: &Flow,
    record: &Arc<QueueRecord>,
    owner: MailboxId,
    told: &[&Fate],
) -> Result<Vec<Command>, TakeError> {
    let Some(receiver) = flow.receiver(owner).await? else { return Ok(Vec::new()) };
    let header = original_header(flow, record).await?;
    let mut commands = Vec::new();
    for action in [Action::Failed, Action::Delayed, Action::Relayed] {
        let fates: Vec<&Fate> = told.iter().copied().filter(|fate| fate.action == action).collect();
        if fates.is_empty() {
            continue;
        }
        let words = words(flow, record, &receiver, action, &fates, &header);
        let Some(letter) = write(flow, record, &words, &fates, &header) else { continue };
        let message = flow.own_message(&letter)?;
        let place = Place { beyond_quota: true, ..Place::default() };
        commands.push(Command::Deliver(flow.delivery(&receiver, message, place).await?));
    }
    Ok(commands)
}

/// The part for people, in the language of the account.
fn words(
    flow: &Flow,
    record: &QueueRecord,
    receiver: &Receiver,
    action: Action,
    fates: &[&Fate],
    original: &Header,
) -> Option<MailText> {
    let config = flow.config();
    let domain = config.main_domain(receiver.record.address.domain())?;
    let demand = Demand::parse(&record.tls_policy).ok();
    let level = demand.map(Demand::requirement);
    let unmet = fates.iter().any(|fate| fate.unmet.is_some());
    let secure = unmet || level != Some(Requirement::Opportunistic);
    let until = fates.iter().filter_map(|fate| fate.until).max().unwrap_or(record.created);
    let kind = match action {
        Action::Failed => Kind::Bounce { secure },
        Action::Delayed => Kind::Delay { until },
        Action::Delivered | Action::Relayed | Action::Expanded => Kind::Success,
    };
    let lines: Vec<Line<'_>> = fates
        .iter()
        .map(|fate| Line {
            recipient: &fate.recipient.address,
            reason: &fate.reason,
            host: fate.host.as_deref(),
            unmet: fate.unmet.as_deref(),
            way: fate.way.as_ref().map(|(proof, _)| way(*proof)),
        })
        .collect();
    let subject = original.subject().unwrap_or_default();
    let facts = texts::Report {
        kind,
        sent: record.created,
        subject: &subject,
        lines: &lines,
        tags: &config.encryption.subject_tag,
        alias: alias_level(record),
    };
    Some(texts::report(&letterhead(domain), &facts, receiver.record.language))
}

/// The level of the secure alias that a message came from or was caused by.
fn alias_level(record: &QueueRecord) -> Option<&'static str> {
    let demand = Demand::parse(&record.tls_policy).ok()?;
    (demand.sender() == Sender::Secure).then(|| demand.requirement().as_str())
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

/// The whole notification, to the envelope sender.
fn write(
    flow: &Flow,
    record: &QueueRecord,
    words: &Option<MailText>,
    fates: &[&Fate],
    original: &Header,
) -> Option<Vec<u8>> {
    let config = flow.config();
    let (words, sender) = (words.as_ref()?, record.sender.as_ref()?);
    let domain = config.main_domain(sender.domain())?;
    let now = flow.clock.now();
    let told: Vec<report::Fate<'_>> = fates
        .iter()
        .map(|fate| report::Fate {
            recipient: &fate.recipient.address,
            original: fate.recipient.orcpt.as_deref(),
            action: fate.action,
            status: fate.status,
            remote: fate.host.as_deref(),
            diagnostic: fate.said.as_deref(),
            tried: Some(now),
            until: fate.until,
            proof: fate.way.as_ref().map(|(_, link)| link.as_str()),
        })
        .collect();
    let envelope_id = record.envid.as_deref().map(xtext);
    let letter = Letter {
        from: Person {
            name: Some(domain.portal.brand.clone()),
            address: Address::new("mailer-daemon", domain.name.clone()).ok()?,
        },
        reply_to: None,
        to: vec![Person { name: None, address: sender.clone() }],
        cc: Vec::new(),
        subject: words.subject.clone(),
        date: now,
        message_id: compose::message_id(&bytes(&*flow.random), &domain.name),
        in_reply_to: None,
        references: Vec::new(),
        automatic: Some(Automatic::Replied),
    };
    let report = Report {
        letter,
        text: &words.text,
        html: &words.html,
        hostname: config.hostname.as_str(),
        arrived: Some(record.created),
        envelope_id: envelope_id.as_deref(),
        fates: &told,
        original,
    };
    let boundary = || compose::boundary(&bytes(&*flow.random));
    Some(report.write(&boundary(), &boundary()))
}

/// Decodes xtext (RFC 3461 §4); what is not well-formed stays as it is.
fn xtext(text: &str) -> String {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let hex = behind.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        let octet = hex.filter(|_| *first == b'+').and_then(|pair| u8::from_str_radix(pair, 16).ok());
        octets.push(octet.unwrap_or(*first));
        rest = if octet.is_some() { behind.get(2..).unwrap_or_default() } else { behind };
    }
    clean(&String::from_utf8_lossy(&octets), 900)
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
                        let alias = alias_level(record).is_some();
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
