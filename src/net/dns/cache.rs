//! Answers that may be used again: bounded in number, each for as long as it says.

use crate::net::dns::ask::Reply;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::proto::rr::RecordType;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use tokio::time::Instant;

/// Answers kept.
const ROOM: usize = 4_096;

/// The answers.
#[derive(Default)]
pub(super) struct Cache(Mutex<HashMap<(Name, RecordType), (Instant, Reply)>>);

impl Cache {
    /// The answer to this question, if it still counts.
    pub(super) fn find(&self, name: &Name, kind: RecordType, now: Instant) -> Option<Reply> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (name.clone(), kind);
        let (until, reply) = kept.get(&key)?;
        if *until > now {
            return Some(reply.clone());
        }
        kept.remove(&key);
        None
    }

    /// Keeps an answer for as long as it says. When there is no room, what has ended goes, then whatever ends first.
    pub(super) fn keep(&self, name: Name, kind: RecordType, reply: &Reply, now: Instant) {
        if reply.keep.is_zero() {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= ROOM {
            kept.retain(|_, (until, _)| *until > now);
        }
        if kept.len() >= ROOM {
            // A quarter at once, so that a full cache is not sorted at every question.
            let mut ends: Vec<Instant> = kept.values().map(|(until, _)| *until).collect();
            ends.sort_unstable();
            let mark = ends.get(ROOM / 4).copied().unwrap_or(now);
            kept.retain(|_, (until, _)| *until > mark);
        }
        kept.insert((name, kind), (now + reply.keep, reply.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::dns::Answer;
    use crate::base::dns::Security;
    use std::time::Duration;

    fn name(number: usize) -> Name {
        Name::from_ascii(format!("h{number}.example.")).unwrap()
    }

    fn reply(number: usize, seconds: u64) -> Reply {
        let keep = Duration::from_secs(seconds);
        Reply { answer: Answer::NoData(Security::Secure), end: name(number), keep }
    }

    #[test]
    fn keeps_as_long_as_it_says_and_no_more_than_there_is_room_for() {
        let (cache, now) = (Cache::default(), Instant::now());
        let later = |seconds| now + Duration::from_secs(seconds);
        cache.keep(name(0), RecordType::MX, &reply(0, 10), now);
        cache.keep(name(1), RecordType::MX, &reply(1, 0), now);
        assert!(cache.find(&name(0), RecordType::MX, later(9)).is_some());
        assert!(cache.find(&Name::from_ascii("H0.EXAMPLE.").unwrap(), RecordType::MX, later(9)).is_some());
        assert!(cache.find(&name(0), RecordType::A, now).is_none(), "another question");
        assert!(cache.find(&name(1), RecordType::MX, now).is_none(), "not to be kept");
        assert!(cache.find(&name(0), RecordType::MX, later(10)).is_none(), "it has ended");
        for number in 0..ROOM * 2 {
            cache.keep(name(number), RecordType::MX, &reply(number, 60 + number as u64), now);
            assert!(cache.0.lock().unwrap().len() <= ROOM);
        }
        let last = ROOM * 2 - 1;
        assert!(cache.find(&name(last), RecordType::MX, later(61)).is_some(), "what lasts longest stays");
    }
}
