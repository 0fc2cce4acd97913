//! Alarms: what this server cannot set right by itself is told to its postmasters, once a day for each cause.
//!
//! That somebody was told is on record beside the mail itself, in one commit, so no restart tells it again.

use crate::base::address::Domain;
use crate::base::id::MailboxId;
use crate::base::requirement::Reason;
use crate::base::time::Time;
use crate::config::Config;
use crate::config::section::LocalDomain;
use crate::flow::Flow;
use crate::flow::letters::letterhead;
use crate::flow::refusal::TakeError;
use crate::store::command::Command;
use crate::store::command::Refusal;
use crate::store::error::StoreError;
use crate::store::record::Folder;
use crate::texts::alarm as texts;
use crate::texts::alarm::Trouble;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// What a postmaster should know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::flow) enum Alarm {
    /// A TLS policy is not met for a reason that somebody has to look at.
    Unmet {
        /// The destination.
        destination: String,
        /// The host.
        host: String,
        /// Why.
        reason: Reason,
        /// The domain whose mail waits.
        from: Option<Domain>,
    },
    /// A host presents the later one of two stored certificates.
    Rotated {
        /// The destination.
        destination: String,
        /// The host.
        host: String,
        /// SHA-256 of the earlier one.
        was: String,
        /// SHA-256 of the one that it presents.
        now: String,
    },
    /// A stored certificate ends.
    Ends {
        /// The destination.
        destination: Domain,
        /// SHA-256 of it.
        fingerprint: String,
        /// When.
        ends: Time,
        /// Within so many days.
        within: u16,
    },
}

/// Alarms that nobody was told of yet.
#[derive(Debug, Default)]
pub struct Alarms {
    waiting: Mutex<BTreeMap<String, Alarm>>,
    bell: Notify,
}

/// Causes that wait to be told; the log has what does not fit.
const WAITING: usize = 100;
/// The same cause is told again after this time.
const AGAIN: Duration = Duration::from_secs(24 * 3600);
/// What happens once is told once: longer than a certificate that is stored today will last.
const ONCE: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// After trouble with the store.
const TROUBLE: Duration = Duration::from_secs(10);
/// The table of causes.
const TABLE: &str = "alarm";

impl Alarms {
    /// Has it told.
    pub(in crate::flow) fn raise(&self, alarm: Alarm) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < WAITING {
            waiting.insert(alarm.cause(), alarm);
            self.bell.notify_one();
        }
    }

    pub(in crate::flow) fn first(&self) -> Option<(String, Alarm)> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.first_key_value().map(|(cause, alarm)| (cause.clone(), alarm.clone()))
    }

    fn done(&self, cause: &str) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(cause);
    }
}

impl Alarm {
    /// What is the same cause is told once.
    fn cause(&self) -> String {
        match self {
            Self::Unmet { reason: Reason::NotValidated, from, .. } => format!("not validated {from:?}"),
            Self::Unmet { destination, from, .. } => format!("unmet {destination} {from:?}"),
            Self::Rotated { destination, now, .. } => format!("rotated {destination} {now}"),
            Self::Ends { destination, fingerprint, within, .. } => {
                format!("ends {destination} {fingerprint} {within}")
            }
        }
    }

    const fn silence(&self) -> Duration {
        match self {
            Self::Unmet { .. } => AGAIN,
            Self::Rotated { .. } | Self::Ends { .. } => ONCE,
        }
    }

    /// In the words of the texts; nothing for what is no alarm.
    fn trouble(&self) -> Option<Trouble<'_>> {
        Some(match self {
            Self::Unmet { destination, host, reason, from: _ } => match reason {
                Reason::NotValidated => Trouble::NotValidated { destination },
                Reason::StoredMismatch { expected, seen } => {
                    Trouble::StoredMismatch { destination, host, expected, seen }
                }
                Reason::NoEncryptionDespiteStored => Trouble::StoredPlain { destination, host },
                Reason::ForeignKey => Trouble::StoredForeignKey { destination, host },
                _ => return None,
            },
            Self::Rotated { destination, host, was, now } => Trouble::Rotated { destination, host, was, now },
            Self::Ends { destination, fingerprint, ends, within: _ } => {
                Trouble::Ends { destination: destination.as_str(), fingerprint, ends: *ends }
            }
        })
    }
}

impl Flow {
    /// The postmaster of every domain, each once, with the domain that speaks to them.
    pub(in crate::flow) async fn postmasters<'a>(
        &self,
        config: &'a Config,
    ) -> Result<BTreeMap<MailboxId, &'a LocalDomain>, TakeError> {
        let mut accounts = BTreeMap::new();
        for domain in &config.domains {
            if let Some(account) = self.postmaster(&domain.name).await? {
                accounts.entry(account).or_insert(domain);
            }
        }
        Ok(accounts)
    }

    /// Tells those whom it concerns, if they were not told of the same cause lately.
    async fn tell_alarm(&self, cause: &str, alarm: &Alarm) -> Result<(), TakeError> {
        let Some(trouble) = alarm.trouble() else { return Ok(()) };
        let config = self.config();
        let mut accounts = self.postmasters(&config).await?;
        // Whose mail waits is nobody else's business.
        if let Alarm::Unmet { from: Some(from), .. } = alarm
            && let Some(domain) = config.main_domain(from)
        {
            accounts =
                self.postmaster(&domain.name).await?.map(|account| (account, domain)).into_iter().collect();
        }
        for (account, domain) in accounts {
            let Some(receiver) = self.receiver(account).await? else { continue };
            let facts = texts::Facts { server: config.hostname.as_str(), trouble };
            let text = texts::trouble(&letterhead(domain), &facts, receiver.record.language);
            let now = self.clock.now();
            let told = Command::RememberSubmission {
                account,
                digest: self.index.message_id(TABLE, account, cause),
                now,
                until: now + alarm.silence(),
            };
            let letter = self.lay_letter(&receiver, domain, &text, Folder::INBOX).await?;
            match self.commit_taking(vec![told, letter]).await {
                Err(TakeError::Store(StoreError::Refused { why: Refusal::AlreadyDone, .. })) => {}
                result => {
                    result?;
                    tracing::info!(mailbox = %account, cause, "a postmaster was told of an alarm");
                }
            }
        }
        Ok(())
    }
}

/// The worker: tells what was raised, until `stop`.
pub async fn run(flow: Arc<Flow>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let mut trouble = false;
        while let Some((cause, alarm)) = flow.alarms.first().filter(|_| !trouble) {
            match flow.tell_alarm(&cause, &alarm).await {
                Ok(()) => flow.alarms.done(&cause),
                Err(why) => {
                    tracing::error!(%why, "a postmaster could not be told of an alarm yet");
                    trouble = true;
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = flow.alarms.bell.notified() => {}
            () = tokio::time::sleep(TROUBLE), if trouble => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unmet(destination: &str, reason: Reason) -> Alarm {
        Alarm::Unmet { destination: destination.into(), host: "mx.example".into(), reason, from: None }
    }

    #[test]
    fn one_cause_waits_once_and_not_too_many_wait() {
        let alarms = Alarms::default();
        let seen = |seen: &str| Reason::StoredMismatch { expected: vec![], seen: seen.into() };
        alarms.raise(unmet("a.example", seen("1")));
        alarms.raise(unmet("a.example", seen("2")));
        alarms.raise(unmet("a.example", Reason::NotValidated));
        alarms.raise(unmet("b.example", Reason::NotValidated));
        assert_eq!(alarms.waiting.lock().unwrap().len(), 2);
        for n in 0..2 * WAITING {
            alarms.raise(unmet(&format!("{n}.example"), Reason::ForeignKey));
        }
        assert_eq!(alarms.waiting.lock().unwrap().len(), WAITING);
        while let Some((cause, _)) = alarms.first() {
            alarms.done(&cause);
        }
        assert!(alarms.waiting.lock().unwrap().is_empty());
    }
}
