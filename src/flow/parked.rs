//! What is due and finds no room in the lane of its destination: it stays leased, so that it is not in the way of what
//! else is due, and nothing but its name is kept. There is never more of it than the queue holds.

use crate::base::id::QueueId;
use crate::flow::queue::Destination;
use crate::flow::queue::Job;
use crate::store::command::Command;
use crate::store::record_queue::QueuedRecipient;
use std::collections::HashMap;
use std::collections::VecDeque;
use std::time::Duration;

/// The leases of one job.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::flow) struct Lease {
    queue: QueueId,
    numbers: Vec<u16>,
    /// By the running clock.
    until: Duration,
}

/// What is parked, by destination; what waits longest in front.
#[derive(Debug, Default)]
pub(in crate::flow) struct Parked(HashMap<Destination, VecDeque<Lease>>);

impl Lease {
    /// What a job was leased by.
    pub(in crate::flow) fn of(job: &Job) -> Self {
        Self {
            queue: job.record.id,
            numbers: job.recipients.iter().map(|recipient| recipient.number).collect(),
            until: job.recipients.first().map_or(Duration::ZERO, QueuedRecipient::lease),
        }
    }

    /// Ends these before their time.
    pub(in crate::flow) fn release(leases: &[Self]) -> Command {
        let each = |lease: &Self| {
            let (queue, until) = (lease.queue, lease.until);
            lease.numbers.iter().map(move |number| (queue, *number, until)).collect::<Vec<_>>()
        };
        Command::Release { leases: leases.iter().flat_map(each).collect() }
    }
}

impl Parked {
    /// One more.
    pub(in crate::flow) fn put(&mut self, destination: Destination, lease: Lease) {
        self.0.entry(destination).or_default().push_back(lease);
    }

    /// Up to `most` for a destination, to be leased anew. Those whose time is over are due by themselves. `now` is by the
    /// running clock.
    pub(in crate::flow) fn take(
        &mut self,
        destination: &Destination,
        most: usize,
        now: Duration,
    ) -> Vec<Lease> {
        let Some(parked) = self.0.get_mut(destination).filter(|_| most > 0) else { return Vec::new() };
        let ended = parked.iter().take_while(|lease| lease.until <= now).count();
        parked.drain(..ended);
        let taken = parked.drain(..most.min(parked.len())).collect();
        if parked.is_empty() {
            self.0.remove(destination);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::address::Domain;

    #[test]
    fn what_waits_longest_is_taken_first_and_what_has_ended_not_at_all() {
        let to = |name: &str| Destination::Domain(Domain::parse(name).unwrap());
        let (one, other) = (to("one.example"), to("other.example"));
        let lease = |n: u8| Lease {
            queue: QueueId::new([n; 16]),
            numbers: vec![0],
            until: Duration::from_secs(u64::from(n) * 10),
        };
        let mut parked = Parked::default();
        for n in 1..=5 {
            parked.put(one.clone(), lease(n));
        }
        parked.put(other.clone(), lease(1));
        assert_eq!(parked.take(&one, 0, Duration::ZERO), []);
        assert_eq!(parked.take(&one, 2, Duration::from_secs(20)), [lease(3), lease(4)]);
        assert_eq!(parked.take(&one, 2, Duration::from_secs(20)), [lease(5)]);
        assert_eq!(parked.take(&one, 2, Duration::ZERO), []);
        assert_eq!(parked.take(&other, 9, Duration::from_secs(10)), []);
        assert!(parked.0.is_empty(), "what is empty is forgotten");
    }
}
