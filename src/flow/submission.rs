//! Mail of our own accounts, and answers out of temporary mailboxes: one decision for each recipient, one commit.

use crate::base::address::Address;
use crate::base::address::AddressKey;
use crate::base::id::MailboxId;
use crate::base::reply;
use crate::base::reverse_path::ReversePath;
use crate::config::section::Limits;
use crate::flow::Flow;
use crate::flow::carry_out::Under;
use crate::flow::draft::Draft;
use crate::flow::intake::Arrived;
use crate::flow::intake::CONVERSATION;
use crate::flow::intake::RACES;
use crate::flow::intake::Taken;
use crate::flow::refusal::TakeError;
use crate::flow::sealing::blocking;
use crate::flow::sign_in::Unlocked;
use crate::policy::encryption::Conversation;
use crate::policy::rate::Ledger;
use crate::policy::rate::Rate;
use crate::policy::recipient;
use crate::policy::recipient::Asker;
use crate::policy::recipient::DomainFact;
use crate::policy::recipient::Found;
use crate::policy::recipient::Link;
use crate::policy::recipient::Verdict;
use crate::policy::sender;
use crate::store::command::Refusal;
use crate::store::error::StoreError;
use crate::store::record::MailboxKind;
use crate::vault::mailbox_key::Submission;
use aws_lc_rs::digest;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

/// The same submission within this time is answered and not done again.
pub(in crate::flow) const REPEATED: Duration = Duration::from_secs(3600);
const HOUR: Duration = Duration::from_secs(3600);

impl Flow {
    /// MAIL FROM by an account: only its own addresses, or the null sender.
    pub async fn ask_sender(&self, who: &Unlocked, from: &ReversePath) -> Result<(), TakeError> {
        sender::envelope(from, &self.own_addresses(who).await?.keys).map_err(TakeError::Refused)
    }

    /// RCPT by an account.
    pub async fn ask_submission_recipient(&self, who: &Unlocked, address: &Address) -> Result<(), TakeError> {
        self.own_recipient(address).await?;
        self.sending
            .recipient(&self.config().limits, who.mailbox, self.clock.running())
            .map_err(|()| TakeError::Refused(reply::RATE_LIMITED))
    }

    /// The end of DATA. On `Ok` everything that follows from the message is on disk, synced.
    pub async fn submit(&self, who: &Arc<Unlocked>, arrived: Arrived) -> Result<Taken, TakeError> {
        let id = self.queue_id();
        let content = content_digest(&arrived).await?;
        let draft = self.draft(who, &arrived, id).await?;
        let recipients: Vec<Address> =
            arrived.envelope.recipients.iter().map(|recipient| recipient.address.clone()).collect();
        let submission = Submission {
            message_id: draft.submitted_id.as_deref().unwrap_or_default(),
            sender: arrived.envelope.sender.address(),
            recipients: &recipients,
            content_sha256: &content,
        };
        let digest = who.key.submission_digest(who.mailbox, &submission);
        let addresses: BTreeSet<AddressKey> = recipients.iter().map(Address::key).collect();
        let mut tries = 0;
        loop {
            let held = self.locks.hold(addresses.clone()).await;
            let result = self.decide_and_do(who, &arrived, &draft, digest).await;
            drop(held);
            match result {
                Ok(()) => break,
                Err(TakeError::Store(StoreError::Refused { why: Refusal::AlreadyDone, .. })) => {
                    tracing::info!(%id, "submission repeated; not done twice");
                    return Ok(Taken { id, again: true });
                }
                Err(error) if error.is_race() && tries < RACES => tries += 1,
                Err(error) => return Err(error),
            }
        }
        self.queue_bell.notify_one();
        tracing::info!(%id, recipients = recipients.len(), size = arrived.spool.length(), "submission taken");
        Ok(Taken { id, again: false })
    }

    async fn decide_and_do(
        &self,
        who: &Arc<Unlocked>,
        arrived: &Arrived,
        draft: &Draft,
        digest: [u8; 32],
    ) -> Result<(), TakeError> {
        let (demand, hold) = self.demand_of(who, &draft.senders).await?;
        let conversation = self.conversation_of(who, draft).await?;
        let planned = self.plan(draft, conversation, &arrived.envelope.recipients).await?;
        let under = Under { demand, hold, digest };
        self.carry_out(who, arrived, draft, planned, under).await
    }

    /// Does the message continue one that was encrypted?
    async fn conversation_of(&self, who: &Unlocked, draft: &Draft) -> Result<Conversation, TakeError> {
        if who.kind == MailboxKind::Temporary {
            return Ok(Conversation::Encrypted);
        }
        if !self.config().encryption.keep_conversations {
            return Ok(Conversation::New);
        }
        for id in draft.answers.iter().rev().take(ANSWERS) {
            let digest = self.index.message_id(CONVERSATION, who.mailbox, id);
            if self.store.conversation(who.mailbox, &digest).await? {
                return Ok(Conversation::Encrypted);
            }
        }
        Ok(Conversation::New)
    }

    /// Whom an account may write to.
    async fn own_recipient(&self, address: &Address) -> Result<(), TakeError> {
        let config = self.config();
        let (domain, found) = if config.domain(address.domain()).is_some() {
            let account = self.local_account(address).await?;
            (DomainFact::Ours, if account.is_some() { Found::Account } else { Found::Nothing })
        } else if config.secure_alias(address.domain()).is_some() {
            let account = self.local_account(address).await?;
            (DomainFact::SecureAlias, if account.is_some() { Found::Account } else { Found::Nothing })
        } else {
            (DomainFact::Foreign, Found::Nothing)
        };
        let local = recipient::local_fact(address.local(), &config.temporary_mailbox.notice_from);
        match recipient::judge(Asker::Account, domain, local, found, Link::Tls) {
            Verdict::Account | Verdict::Postmaster | Verdict::Outside => Ok(()),
            Verdict::Notice | Verdict::NeedsTls => Err(TakeError::Refused(reply::UNKNOWN_RECIPIENT)),
            Verdict::Refuse(reply) => Err(TakeError::Refused(reply)),
        }
    }

    /// The account that reads mail to an address of ours, its secure alias, postmaster and its like included.
    pub(in crate::flow) async fn local_account(
        &self,
        address: &Address,
    ) -> Result<Option<MailboxId>, TakeError> {
        if let Some(mailbox) = self.store.mailbox_of(&address.key()).await? {
            let record = self.store.mailbox(mailbox).await?;
            return Ok(record.filter(|record| record.kind == MailboxKind::Account).map(|record| record.id));
        }
        if let Some(account) = self.account_of_alias(address).await? {
            return Ok(Some(account));
        }
        let config = self.config();
        match recipient::local_fact(address.local(), &config.temporary_mailbox.notice_from) {
            recipient::LocalFact::Role => self.postmaster(address.domain()).await,
            _ => Ok(None),
        }
    }
}

/// Message-IDs that one message may name as what it answers; the last ones count.
const ANSWERS: usize = 64;

async fn content_digest(arrived: &Arrived) -> Result<[u8; 32], TakeError> {
    let mut reader = arrived.spool.reader();
    blocking(move || {
        let mut context = digest::Context::new(&digest::SHA256);
        let mut buffer = vec![0; 64 << 10];
        loop {
            let got = reader.read(&mut buffer).map_err(TakeError::internal)?;
            if got == 0 {
                break;
            }
            context.update(buffer.get(..got).unwrap_or_default());
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        Ok(hash)
    })
    .await
}

/// What each account may send, counted in memory by the boot clock.
#[derive(Default)]
pub struct SendingLimits(Mutex<HashMap<MailboxId, Sent>>);

#[derive(Default)]
struct Sent {
    recipients: Ledger,
    mailboxes: Ledger,
}

impl SendingLimits {
    fn recipient(&self, limits: &Limits, account: MailboxId, now: Duration) -> Result<(), ()> {
        let rates =
            [Rate::of(limits.recipients_per_hour, HOUR), Rate::of(limits.recipients_per_day, HOUR * 24)];
        self.lock().entry(account).or_default().recipients.take(&rates, 1, now).map_err(|_| ())
    }

    /// One message makes so many new temporary mailboxes.
    pub(in crate::flow) fn mailboxes(
        &self,
        limits: &Limits,
        account: MailboxId,
        count: u32,
        now: Duration,
    ) -> Result<(), ()> {
        let rates = mailbox_rates(limits);
        self.lock().entry(account).or_default().mailboxes.take(&rates, count, now).map_err(|_| ())
    }

    /// They were not made.
    pub(in crate::flow) fn give_mailboxes_back(&self, limits: &Limits, account: MailboxId, count: u32) {
        if let Some(sent) = self.lock().get_mut(&account) {
            sent.mailboxes.give_back(&mailbox_rates(limits), count);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<MailboxId, Sent>> {
        // Every change is complete before the lock is given back.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn mailbox_rates(limits: &Limits) -> [Rate; 2] {
    [Rate::of(limits.new_mailboxes_per_hour, HOUR), Rate::of(limits.new_mailboxes_per_day, HOUR * 24)]
}
