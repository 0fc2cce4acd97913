//! Mail to the address that invitations come from: reports are told to the inviter, people get one answer a day.

use crate::base::address::Address;
use crate::base::address::AddressKey;
use crate::base::id::QueueId;
use crate::base::limits::ANSWERS;
use crate::base::limits::ANSWERS_PER_NETWORK;
use crate::flow::Flow;
use crate::flow::intake::Arrival;
use crate::flow::intake::Arrived;
use crate::flow::letters::Answers;
use crate::flow::letters::Post;
use crate::flow::letters::worded;
use crate::flow::notices::policy_of;
use crate::flow::refusal::TakeError;
use crate::flow::returned;
use crate::policy::answer;
use crate::policy::rate::Network;
use crate::policy::tls::Demand;
use crate::store::record_queue::Purpose;
use crate::texts::mail;
use std::collections::HashMap;
use std::io::Read;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

/// Who was answered, and the answers that have not arrived.
#[derive(Default)]
pub struct Answered(Mutex<State>);

#[derive(Default)]
struct State {
    /// When each sender was answered last, by the boot clock.
    senders: HashMap<AddressKey, Duration>,
    /// Answers that may be in the queue, since the start.
    open: Vec<Open>,
}

/// An answer that may be in the queue.
struct Open {
    id: QueueId,
    network: Network,
    /// It is being written.
    writing: bool,
}

/// An answer that is being written, until this is dropped.
struct Writing<'a> {
    answered: &'a Answered,
    id: QueueId,
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        let mut state = self.answered.lock();
        state.open.iter_mut().filter(|open| open.id == self.id).for_each(|open| open.writing = false);
    }
}

/// One answer to a sender in this time (RFC 3834 §2).
const ONCE_IN: Duration = Duration::from_secs(24 * 3600);
/// Senders remembered; while that many wait for their day to pass, nobody new is answered.
const SENDERS: usize = 10_000;

impl Answered {
    /// Begins an answer if this sender may be answered now, who writes from `network`. What is `queued` counts.
    fn admit(
        &self,
        sender: AddressKey,
        network: Network,
        id: QueueId,
        queued: impl Fn(QueueId) -> bool,
        now: Duration,
    ) -> Option<Writing<'_>> {
        let mut state = self.lock();
        let State { senders, open } = &mut *state;
        open.retain(|open| open.writing || queued(open.id));
        let of_network = open.iter().filter(|open| open.network == network).count();
        if open.len() >= ANSWERS || of_network >= ANSWERS_PER_NETWORK {
            return None;
        }
        if senders.len() >= SENDERS {
            senders.retain(|_, last| now.saturating_sub(*last) < ONCE_IN);
        }
        let recent = senders.get(&sender).is_some_and(|last| now.saturating_sub(*last) < ONCE_IN);
        if recent || senders.len() >= SENDERS {
            return None;
        }
        senders.insert(sender, now);
        open.push(Open { id, network, writing: true });
        Some(Writing { answered: self, id })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is complete before the lock is given back.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flow {
    /// Nothing of such mail is stored: a report is told to the inviter without its content, a person is answered.
    pub(in crate::flow) async fn answer_notice(
        &self,
        address: &Address,
        arrived: &Arrived,
        header: &Arrival,
    ) -> Result<(), TakeError> {
        if let Some(queue) = returned::queue_id_of(&self.config(), address) {
            let mut text = Vec::new();
            let mut start = arrived.spool.reader().take(returned::LOOKED_AT);
            start.read_to_end(&mut text).map_err(TakeError::internal)?;
            self.take_returned(queue, &text).await?;
        }
        // A sender that is no address gets no answer, like the null sender.
        let sender = arrived.envelope.sender.address();
        let own = sender.is_some_and(|sender| self.config().is_local(sender.domain()));
        let facts = answer::Facts { sender, automatic: header.automatic, own };
        let Some(sender) = answer::address(&facts) else { return Ok(()) };
        let Some(from) = self.config().notice_address(address.domain()) else { return Ok(()) };
        let (network, queued) = (Network::of(arrived.peer.ip), |id| self.queue.holds(id));
        let (id, now) = (self.queue_id(), self.clock.running());
        let Some(writing) = self.answered.admit(sender.key(), network, id, queued, now) else {
            return Ok(());
        };
        let answered = self.answer(&from, sender, header, id).await;
        drop(writing);
        answered
    }

    /// The TLS policy of what is about the mailbox of an address.
    async fn demand_about(&self, address: &Address) -> Result<Demand, TakeError> {
        let Some(mailbox) = self.store.mailbox_of(&address.key()).await? else {
            return Ok(Demand::default());
        };
        let record = self.store.mailbox(mailbox).await?;
        record.map_or(Ok(Demand::default()), |record| policy_of(&record))
    }

    async fn answer(
        &self,
        from: &Address,
        to: &Address,
        answered: &Arrival,
        id: QueueId,
    ) -> Result<(), TakeError> {
        let config = self.config();
        let Some(domain) = config.main_domain(from.domain()) else { return Ok(()) };
        let login = format!("{}/login", domain.portal.url);
        let (language, demand) = (self.language_for(domain, to).await?, self.demand_about(to).await?);
        let languages = self.languages_for(domain, to, language).await?;
        let text = mail::auto_answer(&worded(domain, None, &self.wordings()), from, &login, languages);
        let command = self.post(Post {
            domain,
            to,
            text: &text,
            id,
            purpose: Purpose::Bounce,
            owner: None,
            demand,
            answers: Some(Answers { message_id: answered.message_id.as_deref() }),
            encrypted_to: None,
            sample: None,
        });
        let command = command.await?;
        self.commit_taking(vec![command]).await?;
        self.queue_bell.notify_one();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_answer_a_day_and_a_bounded_memory() {
        let answered = Answered::default();
        let key = |n: usize| Address::parse(&format!("a{n}@x.example")).unwrap().key();
        let day = ONCE_IN;
        let network = Network::of([192, 0, 2, 1].into());
        let admit = |n, now| answered.admit(key(n), network, QueueId::new([0; 16]), |_| false, now).is_some();
        assert!(admit(0, day));
        assert!(!admit(0, day + ONCE_IN / 2));
        assert!(admit(0, day + ONCE_IN));
        for n in 1..SENDERS + 10 {
            admit(n, day + ONCE_IN);
        }
        assert!(!admit(SENDERS + 20, day + ONCE_IN));
        assert!(admit(SENDERS + 20, day * 4), "they are forgotten in time");
    }

    #[test]
    fn so_many_answers_are_out_and_no_more() {
        let answered = Answered::default();
        let left: Mutex<Vec<QueueId>> = Mutex::default();
        let admit = |network: u8, n: u8| {
            let sender = Address::parse(&format!("a{network}.{n}@x.example")).unwrap().key();
            let (id, from) = (QueueId::new([30 * network + n; 16]), Network::of([192, 0, network, n].into()));
            let queued = |id| !left.lock().unwrap().contains(&id);
            answered.admit(sender, from, id, queued, ONCE_IN).map(|writing| writing.id)
        };
        let of = |network: u8, range: std::ops::Range<u8>| range.filter_map(|n| admit(network, n)).count();
        assert_eq!(of(0, 0..20), ANSWERS_PER_NETWORK);
        assert_eq!(
            [of(1, 0..20), of(2, 0..20), of(3, 0..20), of(4, 0..20), of(5, 0..20)],
            [10, 10, 10, 10, 0]
        );
        assert_eq!(answered.lock().open.len(), ANSWERS);
        left.lock().unwrap().push(QueueId::new([3; 16]));
        assert_eq!((of(1, 20..30), of(0, 20..30)), (0, 1), "one has arrived, of the first network's");
        // What is being written counts, though it is not in the queue yet; what came to nothing does not.
        let key = |n| Address::parse(&format!("b{n}@x.example")).unwrap().key();
        let fresh = Answered::default();
        let network = Network::of([192, 0, 2, 1].into());
        let writing: Vec<_> = (0..20)
            .filter_map(|n| fresh.admit(key(n), network, QueueId::new([n; 16]), |_| false, ONCE_IN))
            .collect();
        assert_eq!(writing.len(), ANSWERS_PER_NETWORK);
        drop(writing);
        assert!(fresh.admit(key(20), network, QueueId::new([20; 16]), |_| false, ONCE_IN).is_some());
    }
}
