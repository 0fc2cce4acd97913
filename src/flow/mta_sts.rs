//! MTA-STS policies of other domains (RFC 8461): looked up beside a delivery, kept for as long as they say.
//!
//! The TXT record says whether there is a policy and which; the policy itself comes over HTTPS and is kept in the
//! store until its `max_age`. What cannot be fetched changes nothing: a policy that is kept goes on to count, and
//! where none is kept there is none.

use crate::base::address::Domain;
use crate::base::dns::Answer;
use crate::base::time::Time;
use crate::flow::Flow;
use crate::flow::intake::RACES;
use crate::net::http_client::FetchError;
use crate::net::http_client::HttpsClient;
use crate::policy::clock::Ages;
use crate::policy::mta_sts;
use crate::policy::mta_sts::BadPolicy;
use crate::policy::mta_sts::Policy;
use crate::policy::mta_sts::PolicyId;
use crate::store::command::Command;
use crate::store::command::Refusal;
use crate::store::error::StoreError;
use crate::store::record_stored::StsRecord;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// A delivery waits for a policy so long at most (RFC 8461 §3.3).
const PATIENCE: Duration = Duration::from_secs(60);
/// After a failure the same policy is not fetched again before (RFC 8461 §3.3).
const AGAIN: Duration = Duration::from_secs(5 * 60);
/// Failures remembered.
const FAILURES: usize = 1_000;
/// A kept policy is fetched anew so often (RFC 8461 §3.3), and its use is noted so often.
const DAY: Duration = Duration::from_secs(86_400);
/// One that nobody wrote to for so long is left to end.
const IN_USE: Duration = Duration::from_secs(60 * 86_400);
/// How often policies that are kept are looked through.
const LOOK: Duration = Duration::from_secs(60 * 60);
/// Where a policy lies on its host (RFC 8461 §3.2).
pub const PATH: &str = "/.well-known/mta-sts.txt";
/// Below a domain: the TXT record (RFC 8461 §3.1).
const RECORD: &str = "_mta-sts";

/// What is under way, and what failed lately.
#[derive(Default)]
pub struct Policies {
    /// One fetch for a domain at a time.
    under_way: Mutex<HashMap<Domain, Arc<tokio::sync::Mutex<()>>>>,
    failed: Mutex<HashMap<(Domain, PolicyId), Instant>>,
}

/// Why a policy could not be had.
#[derive(Debug, Error)]
enum NoPolicy {
    #[error("the policy host cannot be looked up")]
    Host,
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("the policy {0}")]
    Bad(#[from] BadPolicy),
    #[error("the name of the policy host would be too long")]
    Name,
}

impl Policies {
    async fn alone(&self, domain: &Domain) -> OwnedMutexGuard<()> {
        let lock = {
            let mut under_way = locked(&self.under_way);
            // Those that nobody holds are done.
            under_way.retain(|_, lock| Arc::strong_count(lock) > 1);
            Arc::clone(under_way.entry(domain.clone()).or_default())
        };
        lock.lock_owned().await
    }

    fn failed_lately(&self, domain: &Domain, id: &PolicyId) -> bool {
        let failed = locked(&self.failed);
        failed.get(&(domain.clone(), id.clone())).is_some_and(|until| *until > Instant::now())
    }

    fn note_failure(&self, domain: &Domain, id: &PolicyId) {
        let mut failed = locked(&self.failed);
        if failed.len() >= FAILURES {
            failed.retain(|_, until| *until > Instant::now());
        }
        if failed.len() >= FAILURES {
            failed.clear();
        }
        failed.insert((domain.clone(), id.clone()), Instant::now() + AGAIN);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change is complete before the lock is given back.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The policy that counts for `domain` now; within a minute, whatever its servers do.
pub async fn of(flow: &Flow, web: &HttpsClient, domain: &Domain) -> Option<Policy> {
    within(flow, web, domain, PATIENCE).await
}

async fn within(flow: &Flow, web: &HttpsClient, domain: &Domain, patience: Duration) -> Option<Policy> {
    let policy = match timeout(patience, look_up(flow, web, domain)).await {
        Ok(found) => found,
        Err(_) => kept(flow, domain).await.map(|found| found.map(|(_, policy)| policy)),
    };
    policy.unwrap_or_else(|why| {
        tracing::error!(%why, %domain, "a kept MTA-STS policy cannot be read");
        None
    })
}

async fn look_up(flow: &Flow, web: &HttpsClient, domain: &Domain) -> Result<Option<Policy>, StoreError> {
    let held = kept(flow, domain).await?;
    let named = named(flow, domain).await;
    let (id, held) = match (named, held) {
        // RFC 8461 §3.1: a kept policy counts whatever DNS says now.
        (None, held) => return Ok(used(flow, held).await),
        (Some(id), Some(held)) if held.0.id == id.as_str() => return Ok(used(flow, Some(held)).await),
        (Some(id), held) => (id, held),
    };
    if flow.policies.failed_lately(domain, &id) {
        return Ok(used(flow, held).await);
    }
    let _alone = flow.policies.alone(domain).await;
    // Somebody else may have fetched it meanwhile, or found that it cannot be had.
    let held = kept(flow, domain).await?;
    if held.as_ref().is_some_and(|(record, _)| record.id == id.as_str())
        || flow.policies.failed_lately(domain, &id)
    {
        return Ok(used(flow, held).await);
    }
    // If this is cut off it has failed.
    flow.policies.note_failure(domain, &id);
    match fetch(flow, web, domain).await {
        Ok(policy) => {
            locked(&flow.policies.failed).remove(&(domain.clone(), id.clone()));
            keep(flow, domain, &id, &policy).await;
            Ok(Some(policy))
        }
        Err(why) => {
            let kept = held.is_some();
            tracing::info!(%domain, id = id.as_str(), %why, kept, "MTA-STS policy not fetched");
            Ok(used(flow, held).await)
        }
    }
}

/// The record and the policy that it holds, as long as it counts.
async fn kept(flow: &Flow, domain: &Domain) -> Result<Option<(StsRecord, Policy)>, StoreError> {
    let Some(record) = flow.store.sts(domain).await? else { return Ok(None) };
    if has_ended(flow, &record).await {
        return Ok(None);
    }
    Ok(Policy::parse(record.policy.as_bytes()).ok().map(|policy| (record, policy)))
}

/// Its `max_age` is over. A clock that is not believed ends none: the way would be open then.
async fn has_ended(flow: &Flow, record: &StsRecord) -> bool {
    let now = flow.clock.now();
    record.until <= now && is_over(record, now, flow.ages().await)
}

fn is_over(record: &StsRecord, now: Time, ages: Ages) -> bool {
    record.until <= now && ages.known(record.fetched, record.until.since(record.fetched))
}

/// Notes once a day that a kept policy is needed: others are not fetched anew.
async fn used(flow: &Flow, held: Option<(StsRecord, Policy)>) -> Option<Policy> {
    let (record, policy) = held?;
    let now = flow.clock.now();
    if now.since(record.used) >= DAY {
        put(flow, &record.domain, |there| Some(StsRecord { used: now, ..there? })).await;
    }
    Some(policy)
}

/// The id that DNS names.
async fn named(flow: &Flow, domain: &Domain) -> Option<PolicyId> {
    match flow.dns.text(RECORD, domain).await {
        Answer::Records(_, texts) => mta_sts::record(&texts),
        Answer::NoData(_) | Answer::NxDomain(_) => None,
        Answer::Bogus => {
            tracing::info!(%domain, "the MTA-STS record of a domain is bogus");
            None
        }
        Answer::Error(why) => {
            tracing::debug!(%domain, why, "the MTA-STS record of a domain cannot be looked up");
            None
        }
    }
}

async fn fetch(flow: &Flow, web: &HttpsClient, domain: &Domain) -> Result<Policy, NoPolicy> {
    let host = host(domain).ok_or(NoPolicy::Name)?;
    let Answer::Records(_, addresses) = flow.dns.addresses(&host).await.addresses else {
        return Err(NoPolicy::Host);
    };
    let text = web.text(&host, &addresses, PATH, mta_sts::SIZE).await?;
    Ok(Policy::parse(&text)?)
}

/// The policy host of a domain (RFC 8461 §3.2).
pub fn host(domain: &Domain) -> Option<Domain> {
    Domain::parse(&format!("mta-sts.{domain}")).ok()
}

async fn keep(flow: &Flow, domain: &Domain, id: &PolicyId, policy: &Policy) {
    let now = flow.clock.now();
    tracing::info!(%domain, id = id.as_str(), mode = policy.mode.as_str(), "MTA-STS policy fetched");
    let record = StsRecord {
        domain: domain.clone(),
        id: id.as_str().into(),
        policy: policy.compact(),
        fetched: now,
        until: now + policy.max_age,
        used: now,
    };
    put(flow, domain, |_| Some(record.clone())).await;
}

/// Keeps what `change` makes of what is kept. What cannot be kept counts this time all the same.
async fn put(flow: &Flow, domain: &Domain, change: impl Fn(Option<StsRecord>) -> Option<StsRecord>) {
    if let Err(why) = put_or_say_why(flow, domain, change).await {
        tracing::warn!(%why, %domain, "an MTA-STS policy cannot be kept");
    }
}

async fn put_or_say_why(
    flow: &Flow,
    domain: &Domain,
    change: impl Fn(Option<StsRecord>) -> Option<StsRecord>,
) -> Result<(), StoreError> {
    let mut tries = 0;
    loop {
        let there = flow.store.sts(domain).await?;
        let Some(record) = change(there.clone()) else { return Ok(()) };
        let mut commands = if there.is_none() { make_room(flow).await? } else { Vec::new() };
        commands.push(Command::PutSts { record: Box::new(record), expected: there.map(Box::new) });
        match flow.store.commit(commands).await {
            Err(StoreError::Refused { why: Refusal::NotCurrent, .. }) if tries < RACES => tries += 1,
            result => return result.map(drop),
        }
    }
}

/// Where there are as many as may be, those that have ended go, else an eighth, those first that were needed least
/// lately.
async fn make_room(flow: &Flow) -> Result<Vec<Command>, StoreError> {
    let mut all = all(flow).await?;
    if all.len() < StsRecord::MOST {
        return Ok(Vec::new());
    }
    let (now, ages) = (flow.clock.now(), flow.ages().await);
    let counts = |record: &StsRecord| !is_over(record, now, ages);
    all.sort_by_key(|record| (counts(record), record.used));
    let ended = all.iter().filter(|record| !counts(record)).count();
    let go = ended.max(StsRecord::MOST / 8);
    Ok(all.into_iter().take(go).map(remove).collect())
}

/// Whoever fetches it meanwhile keeps it.
fn remove(record: StsRecord) -> Command {
    Command::RemoveSts { domain: record.domain, fetched: record.fetched }
}

/// Every policy that is kept, without its text: that may be long, and there may be many.
async fn all(flow: &Flow) -> Result<Vec<StsRecord>, StoreError> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = flow.store.all_sts(after, AT_ONCE).await?;
        let Some((last, _)) = page.last() else { return Ok(found) };
        after = Some(*last);
        found.extend(page.into_iter().map(|(_, record)| StsRecord { policy: String::new(), ..record }));
    }
}

/// Policies read at once.
const AT_ONCE: usize = 64;

/// Fetches anew, once a day, what is kept and needed: who would keep a changed policy from us has to do it for as long
/// as the former one holds. What has ended goes.
pub async fn refresh(flow: Arc<Flow>, web: HttpsClient, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = async {
                if let Err(why) = refresh_all(&flow, &web).await {
                    tracing::error!(%why, "MTA-STS policies cannot be looked through");
                }
            } => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// One look at all of them.
pub async fn refresh_all(flow: &Flow, web: &HttpsClient) -> Result<(), StoreError> {
    let now = flow.clock.now();
    for record in all(flow).await? {
        if has_ended(flow, &record).await {
            flow.store.commit(vec![remove(record)]).await?;
        } else if is_due(&record, now) {
            anew(flow, web, &record.domain).await?;
        }
    }
    Ok(())
}

fn is_due(record: &StsRecord, now: Time) -> bool {
    now.since(record.fetched) >= DAY && now.since(record.used) < IN_USE
}

async fn anew(flow: &Flow, web: &HttpsClient, domain: &Domain) -> Result<(), StoreError> {
    let _alone = flow.policies.alone(domain).await;
    let now = flow.clock.now();
    // A delivery may have fetched it meanwhile.
    let Some(record) = flow.store.sts(domain).await?.filter(|record| is_due(record, now)) else {
        return Ok(());
    };
    let Some(id) = named(flow, domain).await else { return Ok(()) };
    match timeout(PATIENCE, fetch(flow, web, domain)).await {
        Ok(Ok(policy)) => {
            let (fetched, until) = (now, now + policy.max_age);
            let (id, policy) = (id.as_str().to_owned(), policy.compact());
            // What is noted meanwhile of its use stays.
            let change = |there: Option<StsRecord>| {
                let (id, policy) = (id.clone(), policy.clone());
                Some(StsRecord { id, policy, fetched, until, ..there? })
            };
            put(flow, domain, change).await;
        }
        Ok(Err(why)) => {
            tracing::warn!(%domain, %why, ends = %record.until, "MTA-STS policy not fetched anew");
        }
        Err(_) => tracing::warn!(%domain, ends = %record.until, "MTA-STS policy host does not answer"),
    }
    Ok(())
}

#[cfg(test)]
#[path = "mta_sts_tests.rs"]
mod tests;
