//! Records, facts and forecasts in the words of answers.

use crate::base::address::Address;
use crate::base::address::Domain;
use crate::base::time::Time;
use crate::flow::account_keys::OpenInvitation;
use crate::flow::account_keys::REOPENABLE;
use crate::flow::forecast::Forecast;
use crate::flow::forecast::HostThere;
use crate::flow::forecast::LevelThere;
use crate::flow::forecast::Outcome;
use crate::flow::life::Clocks;
use crate::flow::queue::QueueItem;
use crate::flow::stored_certificates;
use crate::openpgp::fingerprint_text;
use crate::policy::tls::Stored;
use crate::serve::control::answer;
use crate::store::Health;
use crate::store::record::FolderRecord;
use crate::store::record::InvitationState;
use crate::store::record_account::ShutGeneration;
use crate::store::record_life::ClockTrouble;
use crate::store::record_queue::Purpose;
use crate::store::record_queue::QueuedRecipient;
use crate::store::record_queue::RecipientState;
use crate::store::record_stored::CertificateRecord;
use crate::store::record_stored::SeenCertificate;
use crate::store::record_stored::StoredCertificate;

pub(super) fn totals(folders: &[FolderRecord]) -> (u64, u64) {
    folders.iter().fold((0, 0), |(messages, bytes), folder| {
        (messages + u64::from(folder.messages), bytes + folder.bytes)
    })
}

pub(super) fn folder(folder: &FolderRecord) -> answer::FolderShown {
    answer::FolderShown {
        name: folder.name.clone(),
        messages: folder.messages.into(),
        unseen: folder.unseen.into(),
        bytes: folder.bytes,
    }
}

pub(super) fn open_invitation(open: &OpenInvitation) -> answer::OpenInvitation {
    answer::OpenInvitation {
        recipient: open.recipient.to_string(),
        created: open.created.to_string(),
        state: invitation_state(open.state).into(),
    }
}

pub(super) fn shut(shut: &ShutGeneration) -> answer::ShutShown {
    answer::ShutShown {
        since: shut.since.to_string(),
        reset: shut.until.to_string(),
        reopen_until: (shut.until + REOPENABLE).to_string(),
    }
}

pub(super) const fn is_open(recipient: &QueuedRecipient) -> bool {
    matches!(recipient.state, RecipientState::Waiting | RecipientState::Leased { .. })
}

pub(super) fn queue_listed(item: &QueueItem) -> answer::QueueListed {
    let QueueItem { record, recipients } = item;
    let waiting: Vec<&QueuedRecipient> = recipients.iter().filter(|recipient| is_open(recipient)).collect();
    let next = waiting.iter().map(|recipient| recipient.next).min();
    answer::QueueListed {
        id: record.id.to_string(),
        purpose: purpose(record.purpose).into(),
        sender: record.sender.as_ref().map(ToString::to_string).unwrap_or_default(),
        created: record.created.to_string(),
        bytes: record.size,
        waiting: count(waiting.len()),
        recipients: count(recipients.len()),
        next_attempt: next.map(|time: Time| time.to_string()),
    }
}

pub(super) fn recipient(recipient: &QueuedRecipient) -> answer::RecipientShown {
    let (state, waits) = match recipient.state {
        RecipientState::Waiting => ("waiting", true),
        RecipientState::Leased { .. } => ("trying", false),
        RecipientState::Delivered => ("delivered", false),
        RecipientState::Failed => ("failed", false),
        RecipientState::Cancelled => ("cancelled", false),
    };
    answer::RecipientShown {
        address: recipient.address.to_string(),
        state: state.into(),
        attempts: recipient.attempts,
        next_attempt: waits.then(|| recipient.next.to_string()),
        reason: recipient.reason.clone(),
    }
}

pub(super) fn forecast(address: &Address, from: &Address, forecast: Forecast) -> answer::Recipient {
    let Forecast { marked, unmarked, way } = forecast;
    let reason = marked.as_ref().err().or(unmarked.as_ref().err()).cloned();
    let mta_sts = way.as_ref().map(|way| match way.mta_sts {
        None => "unknown",
        Some(None) => "none",
        Some(Some(mode)) => mode.as_str(),
    });
    answer::Recipient {
        address: address.to_string(),
        from: from.to_string(),
        marked: marked.unwrap_or("refused").into(),
        unmarked: unmarked.unwrap_or("refused").into(),
        reason,
        transport: way.as_ref().map(|way| way.transport.into()),
        tls_policy: way.as_ref().map(|way| way.demand.to_string()),
        smarthost: way.as_ref().is_some_and(|way| way.smarthost),
        mta_sts: mta_sts.map(str::to_owned),
        complete: way.as_ref().is_none_or(|way| way.complete),
        hosts: way.iter().flat_map(|way| way.hosts.iter().map(host_there)).collect(),
        levels: way.iter().flat_map(|way| way.levels.iter().map(level_there)).collect(),
    }
}

pub(super) fn host_there(host: &HostThere) -> answer::HostThere {
    answer::HostThere {
        host: host.name.clone(),
        dnssec: host.dnssec.into(),
        tlsa: host.tlsa.into(),
        mta_sts: host.mta_sts.into(),
        starttls: host.starttls.into(),
        version: host.version.map(str::to_owned),
        expires: host.certificate.as_ref().and_then(Stored::ends).map(|time| time.to_string()),
        fingerprint: host.certificate.as_ref().map(Stored::fingerprint),
        reason: host.trouble.clone(),
    }
}

pub(super) fn level_there(one: &LevelThere) -> answer::LevelThere {
    let (verdict, host, proof, trouble) = match &one.outcome {
        Outcome::Deliver { host, proof } => ("deliver", Some(host.clone()), Some(*proof), None),
        Outcome::Defer(trouble) => ("defer", trouble.host.clone(), None, Some(trouble)),
        Outcome::Bounce(trouble) => ("bounce", trouble.host.clone(), None, Some(trouble)),
        Outcome::Unknown => ("unknown", None, None, None),
    };
    answer::LevelThere {
        level: one.level.to_string(),
        verdict: verdict.into(),
        proof: proof.map(|proof| proof.to_string()),
        host,
        status: trouble.map(|trouble| {
            let (class, subject, detail) = trouble.status;
            format!("{class}.{subject}.{detail}")
        }),
        reason: trouble.map(|trouble| trouble.text.clone()),
    }
}

pub(super) fn stored_listed(
    domain: &Domain,
    held: &StoredCertificate,
    seen: Option<&SeenCertificate>,
) -> answer::StoredListed {
    let stored = stored_certificates::read(held);
    answer::StoredListed {
        domain: domain.to_string(),
        kind: stored.kind().into(),
        fingerprint: stored.fingerprint(),
        subject: stored.subject(),
        expires: stored.ends().map(|time| time.to_string()),
        added: held.added.to_string(),
        last_seen: seen.map(|seen| seen.at.to_string()),
        last_seen_host: seen.map(|seen| seen.host.clone()),
        last_seen_fingerprint: seen.map(|seen| seen.fingerprint.clone()),
        last_seen_stored: seen.map(|seen| seen.stored),
    }
}

pub(super) fn presented(fetched: &(String, Stored)) -> answer::Presented {
    let (host, stored) = fetched;
    answer::Presented {
        host: host.clone(),
        fingerprint: stored.fingerprint(),
        subject: stored.subject(),
        expires: stored.ends().map(|time| time.to_string()),
        certificate: stored.to_pem(),
    }
}

pub(super) fn key_imported(record: &CertificateRecord) -> answer::KeyImported {
    answer::KeyImported {
        address: record.address.to_string(),
        fingerprint: fingerprint_text(&record.fingerprint.0),
    }
}

pub(super) const fn purpose(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Mail => "mail",
        Purpose::Invitation(_) => "invitation",
        Purpose::Notice(_) => "notice",
        Purpose::Bounce => "bounce",
        Purpose::Warning(..) => "warning",
    }
}

pub(super) fn said(time: Option<Time>) -> Option<String> {
    time.map(|time| time.to_string())
}

pub(super) fn clock(clocks: &Clocks) -> answer::Clock {
    let record = clocks.record.as_ref();
    answer::Clock {
        now: clocks.now.to_string(),
        noted: said(record.map(|record| record.wall)),
        up_seconds: clocks.running.as_secs(),
        ran_seconds: record.map_or(0, |record| record.ran),
        suspended: record.and_then(|record| record.suspended).map(|suspended| answer::ClockSuspended {
            since: suspended.at.to_string(),
            why: clock_trouble(suspended.why).into(),
            by_seconds: suspended.by,
        }),
    }
}

pub(super) const fn clock_trouble(trouble: ClockTrouble) -> &'static str {
    match trouble {
        ClockTrouble::Backward => "backward",
        ClockTrouble::Forward => "forward",
        ClockTrouble::Jump => "jump",
    }
}

pub(super) const fn invitation_state(state: InvitationState) -> &'static str {
    match state {
        InvitationState::Open => "open",
        InvitationState::Dead => "dead",
        InvitationState::Used => "used",
        InvitationState::Replaced => "replaced",
        InvitationState::Deleted => "deleted",
    }
}

pub(super) const fn health(health: Health) -> &'static str {
    match health {
        Health::Good => "good",
        Health::NoNewMail => "no-new-mail",
        Health::ReadOnly => "read-only",
        Health::Poisoned => "poisoned",
    }
}

pub(super) fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
