//! The certificates that are stored for destinations: added by an admin, compared under the TLS policy `verify`.

use crate::base::address::Domain;
use crate::base::time::Time;
use crate::flow::Flow;
use crate::flow::alarms::Alarm;
use crate::flow::delivery::Courier;
use crate::flow::glimpse::peek;
use crate::flow::hosts::Host;
use crate::flow::hosts::hosts;
use crate::flow::queue::Destination;
use crate::policy::tls::Demand;
use crate::policy::tls::Stored;
use crate::smtp::client::Trouble;
use crate::store::PAGE;
use crate::store::command::Command;
use crate::store::command::Refusal;
use crate::store::error::StoreError;
use crate::store::record_stored::StoredCertificate;
use crate::store::record_stored::StoredCertificates;
use crate::store::record_stored::StoredKind;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How adding one ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Added {
    /// It is there.
    Now,
    /// It was there.
    Before,
    /// There are two already; one has to go first.
    Full,
}

/// What is stored for `domain`.
pub async fn of(flow: &Flow, domain: &Domain) -> Result<Vec<Stored>, StoreError> {
    let held = flow.store.stored_certificates(domain).await?;
    Ok(held.iter().map(read).collect())
}

/// A record as the policy takes it.
pub fn read(record: &StoredCertificate) -> Stored {
    match record.kind {
        StoredKind::Certificate => Stored::Certificate(record.der.clone()),
        StoredKind::Key => Stored::Key(record.der.clone()),
    }
}

/// Stores one more for `domain`.
pub async fn add(flow: &Flow, domain: Domain, stored: &Stored) -> Result<Added, StoreError> {
    let kind = match stored {
        Stored::Certificate(_) => StoredKind::Certificate,
        Stored::Key(_) => StoredKind::Key,
    };
    let certificate =
        Box::new(StoredCertificate { kind, der: stored.der().to_vec(), added: flow.clock.now() });
    match flow.store.commit(vec![Command::AddStoredCertificate { domain, certificate }]).await {
        Ok(_) => Ok(Added::Now),
        Err(StoreError::Refused { why: Refusal::AlreadyDone, .. }) => Ok(Added::Before),
        Err(StoreError::Refused { why: Refusal::Full, .. }) => Ok(Added::Full),
        Err(why) => Err(why),
    }
}

/// What the hosts of a destination present now, host by host; nothing of it is stored or believed.
///
/// Hosts that cannot be reached are left out, unless none can.
pub async fn fetch(
    flow: &Flow,
    courier: &Courier,
    domain: &Domain,
) -> Result<Vec<(String, Stored)>, Trouble> {
    let smarthost = flow.config().outbound.smarthost.as_ref().and_then(|host| Domain::parse(&host.host).ok());
    let destination = match smarthost {
        Some(smarthost) if smarthost == *domain => Destination::Smarthost,
        _ => Destination::Domain(domain.clone()),
    };
    let (mut found, mut trouble) = (Vec::new(), None);
    for host in hosts(flow, &flow.config(), &destination).await? {
        match presented(flow, courier, &host).await {
            Ok(stored) => found.push((host.name, stored)),
            Err(why) => trouble = Some(why.at(&host.name)),
        }
    }
    match trouble {
        Some(trouble) if found.is_empty() => Err(trouble),
        _ => Ok(found),
    }
}

async fn presented(flow: &Flow, courier: &Courier, host: &Host) -> Result<Stored, Trouble> {
    let survey = host.survey(flow, Demand::default()).await?;
    let stream = courier.dialer.connect(&survey.addresses, host.port, host.named_by).await;
    let stream = stream.map_err(|why| Trouble::new((4, 4, 1), why.to_string()))?;
    // As a delivery asks: a host with several names may show another certificate for each.
    let name = host.asked_for(&survey.dane);
    let peer = peek(stream, &courier.tls, name, flow.config().hostname.to_string()).await?;
    let unusable = |why: String| Trouble::new((4, 7, 5), why);
    if !peer.signature_good {
        return Err(unusable("it does not hold the key of the certificate that it shows".into()));
    }
    let own = peer.chain.first().ok_or_else(|| unusable("it shows no certificate".into()))?;
    Stored::certificate(own).map_err(|why| unusable(why.to_string()))
}

/// Says in the log, and to the postmasters 14 and 3 days before, which stored certificates end soon; at the start and
/// once a day. After that their destinations will present others, and mail will wait.
pub async fn warn_of_ends(flow: Arc<Flow>, stop: CancellationToken) {
    loop {
        match all(&flow).await {
            Err(why) => tracing::error!(%why, "stored certificates cannot be looked through"),
            Ok(all) => {
                for (domain, stored) in ending(&all, flow.clock.now()) {
                    let (fingerprint, ends) = (stored.fingerprint(), stored.ends().unwrap_or(Time(0)));
                    tracing::warn!(%domain, fingerprint, %ends, "a stored certificate ends soon");
                    let within = if ends < flow.clock.now() + VERY_SOON { 3 } else { 14 };
                    flow.alarms.raise(Alarm::Ends { destination: domain, fingerprint, ends, within });
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Certificates that have ended or end within two weeks, where none that lasts longer stands beside them.
pub fn ending(all: &[StoredCertificates], now: Time) -> Vec<(Domain, Stored)> {
    let soon = now + SOON;
    let mut found = Vec::new();
    for of in all {
        let held: Vec<Stored> = of.held.iter().map(read).collect();
        if held.iter().all(|stored| stored.ends().is_some_and(|ends| ends < soon)) {
            found.extend(held.into_iter().map(|stored| (of.domain.clone(), stored)));
        }
    }
    found
}

/// A certificate that ends sooner is worth a warning.
const SOON: Duration = Duration::from_secs(14 * 86_400);
/// And a second one.
const VERY_SOON: Duration = Duration::from_secs(3 * 86_400);
/// How often they are looked through.
const LOOK: Duration = Duration::from_secs(86_400);

/// Forgets what is stored for `domain`; how many that were.
pub async fn remove(flow: &Flow, domain: Domain) -> Result<usize, StoreError> {
    let held = flow.store.stored_certificates(&domain).await?.len();
    if held > 0 {
        flow.store.commit(vec![Command::RemoveStoredCertificates { domain }]).await?;
    }
    Ok(held)
}

/// Every destination that has any, by name.
pub async fn all(flow: &Flow) -> Result<Vec<StoredCertificates>, StoreError> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = flow.store.destinations(after, PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        found.extend(page.into_iter().map(|(_, stored)| stored));
    }
    found.sort_by(|one, other| one.domain.cmp(&other.domain));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warns_only_where_nothing_lasts_longer() {
        let now = Time(1_795_318_393);
        let made = |year| {
            let mut parameters = rcgen::CertificateParams::new(vec!["mx.x.example".to_owned()]).unwrap();
            parameters.not_after = rcgen::date_time_ymd(year, 12, 1);
            let key = rcgen::KeyPair::generate().unwrap();
            let der = parameters.self_signed(&key).unwrap().der().to_vec();
            StoredCertificate { kind: StoredKind::Certificate, der, added: now }
        };
        let key = StoredCertificate { kind: StoredKind::Key, der: vec![1], added: now };
        let of = |name: &str, held: &[StoredCertificate]| StoredCertificates {
            domain: Domain::parse(name).unwrap(),
            held: held.to_vec(),
            seen: None,
        };
        // Now is 22 November 2026.
        let all = [
            of("soon.example", &[made(2026)]),
            of("ended.example", &[made(2025), made(2026)]),
            of("renewed.example", &[made(2026), made(2030)]),
            of("later.example", &[made(2030)]),
            of("key.example", &[made(2025), key]),
        ];
        let found: Vec<String> = ending(&all, now).iter().map(|(domain, _)| domain.to_string()).collect();
        assert_eq!(found, ["soon.example", "ended.example", "ended.example"]);
    }
}
