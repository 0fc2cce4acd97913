//! Answers that may be used again: bounded in number and in octets, each for as long as it says.

use crate::base::dns::Answer;
use crate::net::dns::ask::Reply;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::proto::rr::RecordType;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use tokio::time::Instant;

/// Answers kept.
const ROOM: usize = 4_096;
/// Octets of them, as [`octets`] estimates.
const OCTETS: usize = 8 * 1_024 * 1_024;

/// The answers.
#[derive(Default)]
pub(super) struct Cache(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    answers: HashMap<Question, Entry>,
    /// Of all of them.
    octets: usize,
}

type Question = (Name, RecordType);

struct Entry {
    until: Instant,
    reply: Reply,
    octets: usize,
}

impl Cache {
    /// The answer to this question, if it still counts.
    pub(super) fn find(&self, name: &Name, kind: RecordType, now: Instant) -> Option<Reply> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let question = (name.clone(), kind);
        let entry = kept.answers.get(&question)?;
        if entry.until > now {
            return Some(entry.reply.clone());
        }
        kept.remove(&question);
        None
    }

    /// Keeps an answer for as long as it says. When there is no room, what has ended goes, then whatever ends first.
    pub(super) fn keep(&self, name: Name, kind: RecordType, reply: &Reply, now: Instant) {
        let octets = octets(&name, reply);
        if reply.keep.is_zero() || octets > OCTETS / 4 {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let question = (name, kind);
        kept.remove(&question);
        if kept.is_full(octets) {
            kept.retain_after(now);
        }
        if kept.is_full(octets) {
            kept.make_room(now);
        }
        kept.octets += octets;
        kept.answers.insert(question, Entry { until: now + reply.keep, reply: reply.clone(), octets });
    }
}

impl Kept {
    fn is_full(&self, more: usize) -> bool {
        self.answers.len() >= ROOM || self.octets + more > OCTETS
    }

    fn remove(&mut self, question: &Question) {
        self.octets -= self.answers.remove(question).map_or(0, |entry| entry.octets);
    }

    fn retain_after(&mut self, mark: Instant) {
        self.answers.retain(|_, entry| entry.until > mark);
        self.octets = self.answers.values().map(|entry| entry.octets).sum();
    }

    /// A quarter of all room at once, so that a full cache is not sorted at every question.
    fn make_room(&mut self, now: Instant) {
        let mut ends: Vec<(Instant, usize)> =
            self.answers.values().map(|entry| (entry.until, entry.octets)).collect();
        ends.sort_unstable();
        let (mut count, mut octets, mut mark) = (ends.len(), self.octets, now);
        for (until, of_it) in ends {
            if count <= ROOM / 4 * 3 && octets <= OCTETS / 4 * 3 {
                break;
            }
            (count, octets, mark) = (count - 1, octets - of_it, until);
        }
        self.retain_after(mark);
    }
}

/// What an answer takes in memory, about: the table's entry, and of every record what lies in it and beside it.
fn octets(name: &Name, reply: &Reply) -> usize {
    let records = match &reply.answer {
        Answer::Records(_, records) => records.as_slice(),
        Answer::NoData(_) | Answer::NxDomain(_) | Answer::Bogus | Answer::Error(_) => &[],
    };
    let beside = |record: &RData| match record {
        RData::MX(mx) => mx.exchange.len(),
        RData::CNAME(target) => target.0.len(),
        RData::TLSA(tlsa) => tlsa.cert_data.len(),
        // A small string costs more than its octets.
        RData::TXT(text) => text.txt_data.iter().map(|string| 32 + string.len()).sum(),
        _ => 0,
    };
    let records: usize = records.iter().map(|record| size_of::<RData>() + beside(record)).sum();
    size_of::<(Question, Entry)>() + name.len() + reply.end.len() + records
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::dns::Security;
    use hickory_resolver::proto::rr::rdata::MX;
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
            assert!(cache.0.lock().unwrap().answers.len() <= ROOM);
        }
        let last = ROOM * 2 - 1;
        assert!(cache.find(&name(last), RecordType::MX, later(61)).is_some(), "what lasts longest stays");
    }

    #[test]
    fn keeps_no_more_octets_than_there_is_room_for() {
        let (cache, now) = (Cache::default(), Instant::now());
        let long = |number: usize| {
            let label = "x".repeat(60);
            Name::from_ascii(format!("{number:04}.{label}.{label}.{label}.")).unwrap()
        };
        let large = |number: usize, hosts: usize| {
            let hosts = (0..hosts).map(|host| RData::MX(MX::new(1, long(host)))).collect();
            Reply { answer: Answer::Records(Security::Secure, hosts), ..reply(number, 60 + number as u64) }
        };
        for number in 0..ROOM {
            cache.keep(long(number), RecordType::MX, &large(number, 16), now);
            let kept = cache.0.lock().unwrap();
            let names: usize = kept.answers.len() * 16 * long(0).len();
            assert!(names < kept.octets && kept.octets <= OCTETS, "{names} of {}", kept.octets);
        }
        assert!(cache.find(&long(0), RecordType::MX, now).is_none(), "what ends first went");
        assert!(cache.find(&long(ROOM - 1), RecordType::MX, now).is_some());
        // The same question again takes no more room, and nothing takes all of it.
        let before = cache.0.lock().unwrap().octets;
        cache.keep(long(ROOM - 1), RecordType::MX, &large(ROOM - 1, 16), now);
        cache.keep(long(ROOM), RecordType::MX, &large(ROOM, OCTETS / 4 / 180), now);
        assert_eq!(cache.0.lock().unwrap().octets, before);
        // What has ended gives all of its room back.
        let later = now + Duration::from_secs(2 * ROOM as u64);
        for number in 0..ROOM {
            cache.find(&long(number), RecordType::MX, later);
        }
        assert_eq!(cache.0.lock().unwrap().octets, 0);
    }
}
