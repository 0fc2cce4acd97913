//! How a mail to the recipient of a temporary mailbox ended, in the queue or by a report from outside: who is told,
//! and what that means for the mailbox.

use crate::base::address::Address;
use crate::base::id::MailboxId;
use crate::base::id::QueueId;
use crate::flow::Flow;
use crate::flow::life::facts;
use crate::flow::notes::Kept;
use crate::flow::notes::Note;
use crate::flow::refusal::TakeError;
use crate::flow::returned;
use crate::policy::life;
use crate::policy::life::Event;
use crate::policy::life::Told;
use crate::store::command::Command;
use crate::store::command::Refusal;
use crate::store::error::StoreError;
use crate::store::record::MailboxRecord;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A mail that came back.
pub(in crate::flow) struct Returned<'a> {
    /// Its id, which may name the invitation it was about.
    pub queue: QueueId,
    /// The account it was sent for.
    pub owner: MailboxId,
    /// To whom.
    pub recipient: &'a Address,
    /// `5.1.1`.
    pub status: &'a str,
    /// What the other server said.
    pub reason: &'a str,
    /// The TLS policy that kept it here, if one did.
    pub kept: Option<Box<Kept>>,
}

impl Flow {
    /// What follows for the mailbox that a returned mail was about, if it is there still, and who is told.
    pub(in crate::flow) async fn returned(
        &self,
        record: Option<&MailboxRecord>,
        mail: &Returned<'_>,
    ) -> Result<Vec<Command>, TakeError> {
        let (recipient, reason) = (mail.recipient.clone(), mail.reason.to_owned());
        let Some(record) = record else {
            let kept = mail.kept.clone();
            let note = Note::Undelivered { recipient, reason, opened: false, kept };
            return Ok(self.note(mail.owner, note).await?.into_iter().collect());
        };
        let facts = facts(record);
        let told = match returned::is_bad_address(mail.status) {
            true => life::next(life::state(&facts), Event::Returned).told,
            // Somewhere on the way, or a policy: the address may be right.
            false => Told::WriterUnreachable,
        };
        let current = record.invitation.filter(|invitation| {
            returned::is_traced_to(&self.keys, mail.queue, record.id, mail.owner, Some(*invitation))
        });
        match (told, current) {
            (Told::InviterUnreachable, Some(invitation)) => {
                let now = self.clock.now();
                let mut commands = vec![Command::MarkUnreachable { mailbox: record.id, invitation, now }];
                let inviter = self.store.invitation(invitation).await?.map(|known| known.sender);
                for account in BTreeSet::from_iter(inviter.into_iter().chain([mail.owner])) {
                    let note = Note::Unreachable { recipient: recipient.clone(), reason: reason.clone() };
                    commands.extend(self.note(account, note).await?);
                }
                Ok(commands)
            }
            (Told::WriterUnreachable, _) => {
                let kept = mail.kept.clone();
                let note = Note::Undelivered { recipient, reason, opened: facts.opened, kept };
                Ok(self.note(mail.owner, note).await?.into_iter().collect())
            }
            // An older invitation, or nobody is told.
            _ => Ok(Vec::new()),
        }
    }

    /// A report from outside to the envelope sender of an invitation or a notice: told without its content.
    ///
    /// Nothing is told about what was not sent, and only failures are; `text` is the report, or its beginning.
    pub async fn take_returned(&self, queue: QueueId, text: &[u8]) -> Result<(), TakeError> {
        for reported in returned::read_report(text).into_iter().filter(|reported| reported.failed) {
            for address in &reported.addresses {
                let Some((record, owner)) = self.traced(queue, address).await? else { continue };
                if !self.returned_once.first(queue) {
                    return Ok(());
                }
                let noted = self.note_returned(queue, record, owner, &reported.status).await;
                if noted.is_err() {
                    // Whoever reports it hears that it was not taken, and comes again.
                    self.returned_once.forget(queue);
                }
                return noted;
            }
        }
        Ok(())
    }

    /// The mailbox that mail `queue` was about and the account it was sent for, if the id proves that one did.
    async fn traced(
        &self,
        queue: QueueId,
        address: &Address,
    ) -> Result<Option<(Arc<MailboxRecord>, MailboxId)>, TakeError> {
        let Some(mailbox) = self.store.mailbox_of(&address.key()).await? else { return Ok(None) };
        let Some(record) = self.store.mailbox(mailbox).await? else { return Ok(None) };
        let known = record.inviter.iter().chain(&record.correspondents).copied();
        let mut abouts = vec![None];
        abouts.extend(record.invitation.map(Some));
        let is_of = |owner: MailboxId| {
            abouts.iter().any(|about| returned::is_traced_to(&self.keys, queue, mailbox, owner, *about))
        };
        let owner = known.into_iter().find(|owner| is_of(*owner));
        Ok(owner.map(|owner| (record.clone(), owner)))
    }

    async fn note_returned(
        &self,
        queue: QueueId,
        mut record: Arc<MailboxRecord>,
        owner: MailboxId,
        status: &str,
    ) -> Result<(), TakeError> {
        for _ in 0..TRIES {
            let recipient = record.address.clone();
            let mail = Returned { queue, owner, recipient: &recipient, status, reason: status, kept: None };
            let commands = self.returned(Some(&record), &mail).await?;
            if commands.is_empty() {
                return Ok(());
            }
            match self.commit_taking(commands).await {
                Err(TakeError::Store(StoreError::Refused {
                    why: Refusal::NotCurrent | Refusal::NotOpen | Refusal::AlreadyDone,
                    ..
                })) => {}
                result => return result.map(drop),
            }
            let Some(now) = self.store.mailbox(record.id).await? else { return Ok(()) };
            record = now;
        }
        Err(TakeError::Busy)
    }
}

/// Commits that another one made stale are tried so often.
const TRIES: usize = 3;
