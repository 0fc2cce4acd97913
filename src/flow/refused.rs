//! What secure aliases refuse: gathered in memory, kept on disk, told to their owners in a digest a day at most.
//!
//! The network decides how often it tries, so nothing here grows with that: an account has one small record, written
//! at most once a second, and gets one message a day.

use crate::base::id::MailboxId;
use crate::base::reverse_path::ReversePath;
use crate::base::time::Time;
use crate::flow::Flow;
use crate::flow::intake::Peer;
use crate::flow::intake::RACES;
use crate::flow::letters::letterhead;
use crate::flow::refusal::TakeError;
use crate::policy::refused;
use crate::store::PAGE;
use crate::store::command::Command;
use crate::store::command::Refusal;
use crate::store::error::StoreError;
use crate::store::record::Folder;
use crate::store::record::MailboxKind;
use crate::store::record_account::RefusedAttempt;
use crate::store::record_account::RefusedRecord;
use crate::texts::refused as texts;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Attempts since they were last kept, by account. There are no more entries than accounts with an alias.
#[derive(Debug, Default)]
pub struct Refused {
    lately: Mutex<HashMap<MailboxId, RefusedRecord>>,
    bell: Notify,
}

/// Attempts are gathered for so long before they are written.
const KEEP: Duration = Duration::from_secs(1);
/// The clock is looked at this often, whatever it says will be due.
const LOOK: Duration = Duration::from_secs(30);
/// After trouble.
const TROUBLE: Duration = Duration::from_secs(10);
/// Octets of a sender or host that are kept.
const WORDS: usize = 200;

impl Refused {
    /// Looks at what is due now.
    pub fn ring(&self) {
        self.bell.notify_one();
    }

    fn note(&self, account: MailboxId, sender: String, host: String, now: Time) {
        let mut lately = self.lately();
        add(
            lately.entry(account).or_default(),
            RefusedAttempt { sender, host, first: now, last: now, count: 1 },
        );
        drop(lately);
        self.ring();
    }

    /// What came lately, taken out.
    fn take(&self) -> HashMap<MailboxId, RefusedRecord> {
        std::mem::take(&mut *self.lately())
    }

    /// What could not be kept is kept later.
    fn put_back(&self, account: MailboxId, attempts: RefusedRecord) {
        merge(self.lately().entry(account).or_default(), attempts);
    }

    fn lately(&self) -> MutexGuard<'_, HashMap<MailboxId, RefusedRecord>> {
        self.lately.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flow {
    /// Somebody tried to write to the secure alias of an account without TLS.
    pub(in crate::flow) fn note_refused(&self, account: MailboxId, sender: &ReversePath, peer: &Peer) {
        let place = if self.config().privacy.log_ip { peer.ip.to_string() } else { network(peer.ip) };
        let helo = peer.helo.chars().filter(char::is_ascii_graphic).take(WORDS / 2).collect::<String>();
        let (sender, host) = (cut(sender.to_string()), cut(format!("{helo} ({place})")));
        self.refused.note(account, sender, host, self.clock.now());
        tracing::debug!(%account, "mail to a secure alias refused: no TLS");
    }

    /// Writes what came lately. Answers with the accounts that have something to be told.
    async fn keep_refused(&self) -> BTreeSet<MailboxId> {
        let mut kept = BTreeSet::new();
        for (account, lately) in self.refused.take() {
            match self.keep_refused_of(account, &lately).await {
                Ok(()) => drop(kept.insert(account)),
                Err(StoreError::Refused { .. }) => {
                    tracing::debug!(%account, "an account has gone before it was told what its alias refused");
                }
                Err(why) => {
                    tracing::warn!(%account, %why, "what a secure alias refused cannot be kept yet");
                    self.refused.put_back(account, lately);
                }
            }
        }
        kept
    }

    async fn keep_refused_of(&self, account: MailboxId, lately: &RefusedRecord) -> Result<(), StoreError> {
        let mut tries = 0;
        loop {
            let expected = self.store.refused(account).await?;
            let mut refused = expected.clone().unwrap_or_default();
            merge(&mut refused, lately.clone());
            match self.store.commit(vec![Command::PutRefused { account, refused, expected }]).await {
                Err(StoreError::Refused { why: Refusal::NotCurrent, .. }) if tries < RACES => tries += 1,
                result => return result.map(drop),
            }
        }
    }

    /// Tells one account, if it is time; answers when it will be, `None` when nothing waits.
    async fn tell_refused(&self, account: MailboxId) -> Result<Option<Time>, TakeError> {
        let Some(refused) = self.store.refused(account).await? else { return Ok(None) };
        let Some(since) = refused.since else { return Ok(None) };
        let now = self.clock.now();
        let due = refused::due(since, refused.told, now);
        if due > now {
            return Ok(Some(due));
        }
        let told = RefusedRecord { told: Some(now), ..RefusedRecord::default() };
        let put = Command::PutRefused { account, refused: told, expected: Some(refused.clone()) };
        let mut commands = vec![put];
        commands.extend(self.digest(account, &refused).await?);
        self.commit_taking(commands).await?;
        tracing::info!(%account, "told what the secure alias refused");
        Ok(None)
    }

    /// The commands that deliver the digest; none where nobody has such an alias any more.
    async fn digest(&self, account: MailboxId, refused: &RefusedRecord) -> Result<Vec<Command>, TakeError> {
        let Some(receiver) = self.receiver(account).await? else { return Ok(Vec::new()) };
        let Some(alias) = self.alias_of(&receiver.record) else { return Ok(Vec::new()) };
        let (config, address) = (self.config(), &receiver.record.address);
        let Some(domain) = config.domain(address.domain()) else { return Ok(Vec::new()) };
        let attempts: Vec<texts::Attempt<'_>> = refused.attempts.iter().map(attempt).collect();
        let language = receiver.record.language;
        let text = texts::digest(&letterhead(domain), &alias.address, &attempts, refused.more, language);
        let open = Command::OpenFolder { account, folder: Folder::REFUSED };
        Ok(vec![open, self.lay_letter(&receiver, domain, &text, Folder::REFUSED).await?])
    }

    /// Finds what waited when the process ended.
    async fn find_refused(&self) -> Result<BTreeSet<MailboxId>, StoreError> {
        let (mut found, mut after) = (BTreeSet::new(), None);
        loop {
            let page = self.store.mailboxes(after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(found) };
            after = Some(last.id);
            for record in page.iter().filter(|record| record.kind == MailboxKind::Account) {
                let refused = self.store.refused(record.id).await?;
                found.extend(refused.and_then(|refused| refused.since).map(|_| record.id));
            }
        }
    }
}

/// The worker: keeps what comes and tells what is due, until `stop`; then it keeps the rest.
pub async fn run(flow: Arc<Flow>, stop: CancellationToken) {
    let mut waiting: BTreeMap<MailboxId, Time> = BTreeMap::new();
    let mut found = false;
    while !stop.is_cancelled() {
        let mut wait = LOOK;
        if !found {
            match flow.find_refused().await {
                Ok(accounts) => {
                    found = true;
                    waiting.extend(accounts.into_iter().map(|account| (account, Time(0))));
                }
                Err(why) => {
                    tracing::error!(%why, "what secure aliases refused before cannot be found");
                    wait = TROUBLE;
                }
            }
        }
        waiting.extend(flow.keep_refused().await.into_iter().map(|account| (account, Time(0))));
        for account in waiting.keys().copied().collect::<Vec<_>>() {
            match flow.tell_refused(account).await {
                Ok(None) => drop(waiting.remove(&account)),
                Ok(Some(due)) => wait = wait.min(due.since(flow.clock.now())),
                Err(error) if error.is_race() => wait = KEEP,
                Err(why) => {
                    tracing::warn!(%account, %why, "an account could not be told yet what its alias refused");
                    wait = wait.min(TROUBLE);
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = flow.refused.bell.notified() => tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(KEEP) => {}
            },
            () = tokio::time::sleep(wait.max(KEEP)) => {}
        }
    }
    flow.keep_refused().await;
}

/// Counts an attempt, with those of the same sender and host.
fn add(refused: &mut RefusedRecord, attempt: RefusedAttempt) {
    refused.since = Some(refused.since.map_or(attempt.first, |since| since.min(attempt.first)));
    let same = |known: &&mut RefusedAttempt| known.sender == attempt.sender && known.host == attempt.host;
    if let Some(known) = refused.attempts.iter_mut().find(same) {
        known.count = known.count.saturating_add(attempt.count);
        known.last = known.last.max(attempt.last);
    } else if refused.attempts.len() < RefusedRecord::MOST {
        refused.attempts.push(attempt);
    } else {
        refused.more = refused.more.saturating_add(attempt.count);
    }
}

fn merge(refused: &mut RefusedRecord, lately: RefusedRecord) {
    refused.more = refused.more.saturating_add(lately.more);
    lately.attempts.into_iter().for_each(|attempt| add(refused, attempt));
}

fn attempt(kept: &RefusedAttempt) -> texts::Attempt<'_> {
    texts::Attempt {
        sender: &kept.sender,
        host: &kept.host,
        first: kept.first,
        last: kept.last,
        count: kept.count,
    }
}

/// The network of an address: enough to know whose server it is, and nobody's address.
fn network(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(ip) => {
            let [a, b, c, ..] = ip.segments();
            format!("{a:x}:{b:x}:{c:x}::/48")
        }
    }
}

fn cut(mut words: String) -> String {
    words.truncate(words.floor_char_boundary(WORDS));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(n: usize, at: i64) -> RefusedAttempt {
        let (sender, host) = (format!("bob{n}@x.example"), "mx.x.example (192.0.2.0/24)".to_owned());
        RefusedAttempt { sender, host, first: Time(at), last: Time(at), count: 1 }
    }

    #[test]
    fn a_flood_is_counted_and_does_not_grow() {
        let mut lately = RefusedRecord::default();
        for n in 0..10_000 {
            add(&mut lately, attempt(n % 100, 1_000 + i64::try_from(n).unwrap()));
        }
        assert_eq!(lately.attempts.len(), RefusedRecord::MOST);
        let counted = |refused: &RefusedRecord| {
            refused.attempts.iter().map(|attempt| attempt.count).sum::<u64>() + refused.more
        };
        assert_eq!(counted(&lately), 10_000);
        assert_eq!((lately.attempts[0].count, lately.since), (100, Some(Time(1_000))));
        assert_eq!((lately.attempts[0].first, lately.attempts[0].last), (Time(1_000), Time(10_900)));
        let mut kept = RefusedRecord { told: Some(Time(7)), ..RefusedRecord::default() };
        merge(&mut kept, lately.clone());
        merge(&mut kept, lately);
        assert_eq!((counted(&kept), kept.told, kept.since), (20_000, Some(Time(7)), Some(Time(1_000))));
    }

    #[test]
    fn a_network_is_named_and_no_address() {
        for (ip, want) in [
            ("192.0.2.77", "192.0.2.0/24"),
            ("::ffff:192.0.2.77", "192.0.2.0/24"),
            ("2001:db8:7:8::9", "2001:db8:7::/48"),
        ] {
            assert_eq!(network(ip.parse().unwrap()), want);
        }
        assert!(cut("ä".repeat(200)).len() <= WORDS);
    }
}
