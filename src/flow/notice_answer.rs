//! Mail to the address that invitations come from: reports are told to the inviter, people get one answer a day.

use crate::base::address::Address;
use crate::base::address::AddressKey;
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
use crate::policy::tls::Demand;
use crate::store::record::Purpose;
use crate::texts::mail;
use std::collections::HashMap;
use std::io::Read;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

/// When each sender was answered last, by the boot clock.
#[derive(Default)]
pub struct Answered(Mutex<HashMap<AddressKey, Duration>>);

/// One answer to a sender in this time (RFC 3834 §2).
const ONCE_IN: Duration = Duration::from_secs(24 * 3600);
/// Senders remembered; while that many wait for their day to pass, nobody new is answered.
const SENDERS: usize = 10_000;

impl Answered {
    /// May this sender be answered now? Yes is remembered.
    fn admit(&self, sender: AddressKey, now: Duration) -> bool {
        let mut answered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if answered.len() >= SENDERS {
            answered.retain(|_, last| now.saturating_sub(*last) < ONCE_IN);
        }
        let recent = answered.get(&sender).is_some_and(|last| now.saturating_sub(*last) < ONCE_IN);
        if recent || answered.len() >= SENDERS {
            return false;
        }
        answered.insert(sender, now);
        true
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
        let sender = arrived.envelope.sender.as_ref();
        let own = sender.is_some_and(|sender| self.config().is_local(sender.domain()));
        let facts = answer::Facts { sender, automatic: header.automatic, own };
        let Some(sender) = answer::address(&facts) else { return Ok(()) };
        if !self.answered.admit(sender.key(), self.clock.running()) {
            return Ok(());
        }
        let Some(from) = self.config().notice_address(address.domain()) else { return Ok(()) };
        self.answer(&from, sender, header).await
    }

    /// The TLS policy of what is about the mailbox of an address.
    async fn demand_about(&self, address: &Address) -> Result<Demand, TakeError> {
        let Some(mailbox) = self.store.mailbox_of(&address.key()).await? else {
            return Ok(Demand::default());
        };
        let record = self.store.mailbox(mailbox).await?;
        record.map_or(Ok(Demand::default()), |record| policy_of(&record))
    }

    async fn answer(&self, from: &Address, to: &Address, answered: &Arrival) -> Result<(), TakeError> {
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
            id: self.queue_id(),
            purpose: Purpose::Mail,
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
        assert!(answered.admit(key(0), day));
        assert!(!answered.admit(key(0), day + ONCE_IN / 2));
        assert!(answered.admit(key(0), day + ONCE_IN));
        for n in 1..SENDERS + 10 {
            answered.admit(key(n), day + ONCE_IN);
        }
        assert!(!answered.admit(key(SENDERS + 20), day + ONCE_IN));
        assert!(answered.admit(key(SENDERS + 20), day * 4), "they are forgotten in time");
    }
}
