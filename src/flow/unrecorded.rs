//! How much a peer may have taken that the store does not know of yet: so much a crash would send twice.
//!
//! As many messages as there may be connections, in all and to one destination. A connection goes on to the next
//! message while the outcome of the last is written; the end of that next one waits for its turn.

use crate::config::section::Limits;
use crate::flow::queue::Destination;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;

/// Destinations remembered while nothing goes there.
const REMEMBERED: usize = 1_000;

/// What is out, over all destinations.
#[derive(Debug, Default)]
pub(in crate::flow) struct Unrecorded {
    /// In all, and to one destination, as the limits say.
    most: (usize, usize),
    all: Option<Arc<Semaphore>>,
    by_destination: HashMap<Destination, Arc<Semaphore>>,
}

/// Room for messages to one destination.
#[derive(Clone, Debug)]
pub(in crate::flow) struct Room {
    all: Arc<Semaphore>,
    here: Arc<Semaphore>,
}

/// A message may be taken; until this is dropped.
#[derive(Debug)]
pub(in crate::flow) struct Held {
    _all: Option<OwnedSemaphorePermit>,
    _here: Option<OwnedSemaphorePermit>,
}

impl Unrecorded {
    /// The room at a destination. When the limits change everything begins anew.
    pub(in crate::flow) fn room(&mut self, destination: &Destination, limits: &Limits) -> Room {
        let most = (limits.remote_connections, limits.remote_connections_per_domain);
        if self.most != most {
            *self = Self { most, ..Self::default() };
        }
        if self.by_destination.len() > REMEMBERED {
            self.by_destination.retain(|_, room| Arc::strong_count(room) > 1);
        }
        let here = self.by_destination.entry(destination.clone());
        let here = Arc::clone(here.or_insert_with(|| Arc::new(Semaphore::new(most.1))));
        let all = Arc::clone(self.all.get_or_insert_with(|| Arc::new(Semaphore::new(most.0))));
        Room { all, here }
    }
}

impl Room {
    /// For a try that hands nothing over.
    #[cfg(test)]
    pub(in crate::flow) fn none() -> Self {
        Self { all: Arc::new(Semaphore::new(0)), here: Arc::new(Semaphore::new(0)) }
    }

    /// Waits until there is some.
    pub(in crate::flow) async fn hold(&self) -> Held {
        // Neither is ever closed. Who holds the first may wait for the second, never the other way round.
        let here = Arc::clone(&self.here).acquire_owned().await.ok();
        let all = Arc::clone(&self.all).acquire_owned().await.ok();
        Held { _all: all, _here: here }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::address::Domain;
    use crate::config::Config;
    use futures_util::FutureExt;

    fn limits(all: usize, each: usize) -> Limits {
        let limits = Config::from_text(
            "hostname = \"mail.a.example\"\n[[domain]]\nname = \"a.example\"\n[portal]\nurl = \
             \"https://mail.a.example\"\n[tls]\ncertificate = \"/c\"\nkey = \"/k\"\n",
        );
        let limits = limits.unwrap().limits;
        Limits { remote_connections: all, remote_connections_per_domain: each, ..limits }
    }

    #[test]
    fn no_more_in_all_and_to_one_destination_than_there_may_be_connections() {
        let mut unrecorded = Unrecorded::default();
        let to = |name: &str| Destination::Domain(Domain::parse(name).unwrap());
        let mut hold = |name: &str| unrecorded.room(&to(name), &limits(3, 2)).hold().now_or_never();
        let first = hold("a.example").unwrap();
        let _second = hold("a.example").unwrap();
        assert!(hold("a.example").is_none(), "a third has to wait");
        let third = hold("b.example").unwrap();
        assert!(hold("b.example").is_none(), "there are three in all");
        drop(first);
        let _fourth = hold("b.example").unwrap();
        assert!(hold("a.example").is_none());
        drop(third);
        assert!(hold("a.example").is_some());
        // Other limits count from then on.
        assert!(unrecorded.room(&to("a.example"), &limits(1, 1)).hold().now_or_never().is_some());
    }

    #[test]
    fn destinations_that_nothing_goes_to_are_forgotten() {
        let mut unrecorded = Unrecorded::default();
        let to = |n: usize| Destination::Domain(Domain::parse(&format!("d{n}.example")).unwrap());
        let limits = limits(10, 1);
        let held = unrecorded.room(&to(0), &limits).hold().now_or_never().unwrap();
        for n in 1..3 * REMEMBERED {
            assert!(unrecorded.room(&to(n), &limits).hold().now_or_never().is_some());
            assert!(unrecorded.by_destination.len() <= REMEMBERED + 2);
        }
        assert!(unrecorded.room(&to(0), &limits).hold().now_or_never().is_none(), "one is still out");
        drop(held);
        assert!(unrecorded.room(&to(0), &limits).hold().now_or_never().is_some());
    }
}
