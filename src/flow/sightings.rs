//! What destinations that are compared with a stored certificate showed last: noted beside what is stored, so that
//! `check` can say how the two stand to each other.

use crate::base::address::Domain;
use crate::flow::Flow;
use crate::store::command::Command;
use crate::store::record_stored::SeenCertificate;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// What was seen, and what of it is still to be noted. There are no more than an admin stored certificates for.
#[derive(Debug, Default)]
pub struct Sightings {
    last: Mutex<HashMap<Domain, Sighting>>,
    bell: Notify,
}

#[derive(Debug)]
struct Sighting {
    seen: SeenCertificate,
    noted: bool,
}

/// The same one again is noted so often.
const DAY: Duration = Duration::from_secs(86_400);
/// After trouble with the store.
const TROUBLE: Duration = Duration::from_secs(10);

impl Sightings {
    /// A host of `domain` showed this.
    pub(in crate::flow) fn note(&self, domain: &Domain, seen: SeenCertificate) {
        let mut last = self.lock();
        let is_known = last.get(domain).is_some_and(|before| {
            let before = &before.seen;
            before.fingerprint == seen.fingerprint
                && before.host == seen.host
                && before.stored == seen.stored
                && seen.at.since(before.at) < DAY
        });
        if !is_known {
            last.insert(domain.clone(), Sighting { seen, noted: false });
            self.bell.notify_one();
        }
    }

    pub(in crate::flow) fn waiting(&self) -> Vec<(Domain, SeenCertificate)> {
        let last = self.lock();
        let waiting = last.iter().filter(|(_, sighting)| !sighting.noted);
        waiting.map(|(domain, sighting)| (domain.clone(), sighting.seen.clone())).collect()
    }

    fn noted(&self, done: &[(Domain, SeenCertificate)]) {
        let mut last = self.lock();
        for (domain, seen) in done {
            if let Some(sighting) = last.get_mut(domain).filter(|sighting| sighting.seen == *seen) {
                sighting.noted = true;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Domain, Sighting>> {
        // Every change is complete before the lock is given back.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts on record what was seen, until `stop`.
pub async fn keep(flow: Arc<Flow>, stop: CancellationToken) {
    loop {
        let waiting = flow.sightings.waiting();
        if waiting.is_empty() {
            tokio::select! {
                () = stop.cancelled() => return,
                () = flow.sightings.bell.notified() => continue,
            }
        }
        let note = |(domain, seen): &(Domain, SeenCertificate)| Command::NoteSeenCertificate {
            domain: domain.clone(),
            seen: Box::new(seen.clone()),
        };
        match flow.store.commit(waiting.iter().map(note).collect()).await {
            Ok(_) => flow.sightings.noted(&waiting),
            Err(why) => {
                tracing::error!(%why, "what destinations showed cannot be noted");
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(TROUBLE) => {}
                }
            }
        }
    }
}
