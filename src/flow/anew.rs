//! Another mailbox in the place of the one that an address has: asked for twice, and told to everybody it concerns.

use crate::base::address::Address;
use crate::base::id::MailboxId;
use crate::base::time::Time;
use crate::flow::carry_out::Deed;
use crate::flow::controls::asking;
use crate::flow::invitation::expiry;
use crate::flow::letters::letterhead;
use crate::flow::life::facts;
use crate::flow::new_mailbox::Invite;
use crate::flow::notes::Note;
use crate::flow::refusal::TakeError;
use crate::flow::sealing::Receiver;
use crate::policy::closing;
use crate::policy::life;
use crate::policy::life::Event;
use crate::policy::tag;
use crate::store::command::Command;
use crate::store::record::Folder;
use crate::store::record::MailboxRecord;
use crate::texts::mail;
use std::time::Duration;

/// A wish for another mailbox that was heard for the first time.
pub(in crate::flow) struct Ask {
    mailbox: MailboxId,
    address: Address,
    note: Note,
}

/// Whoever asks again within this time means it.
const MEANT: Duration = Duration::from_secs(24 * 3600);
/// One new mailbox for an address in this time.
const ONE_IN: Duration = Duration::from_secs(7 * 24 * 3600);

impl Deed<'_> {
    /// Makes the new mailbox, or, the first time, only a note of what that would lose.
    pub(in crate::flow) async fn anew(&mut self, old: &Receiver) -> Result<(), TakeError> {
        let record = old.record.clone();
        let now = self.flow.clock.now();
        self.may_be_made_anew(&record, now).await?;
        let account = self.who.mailbox;
        let meant =
            record.asked_new.iter().any(|asked| asked.account == account && now.since(asked.at) <= MEANT);
        let event = if meant { Event::NewAgain } else { Event::New };
        match life::next(life::state(&facts(&record)), event).told {
            life::Told::MadeAnew => self.supersede(old, now).await,
            life::Told::WhatWouldBeLost => {
                let folders = self.flow.store.folders(record.id).await?;
                let inbox = folders.iter().find(|folder| folder.folder == Folder::INBOX);
                let recipient = record.address.clone();
                let messages = inbox.map_or(0, |inbox| inbox.messages);
                let note = Note::WhatWouldBeLost { recipient, opened: record.opened, messages };
                self.asks.push(Ask { mailbox: record.id, address: record.address.clone(), note });
                Ok(())
            }
            _ => Err(refused(&record.address, "has no mailbox that could be made anew")),
        }
    }

    /// Writes down who asked for what, and tells them; nothing of the message is taken.
    pub(in crate::flow) async fn note_asked(&mut self) -> Result<TakeError, TakeError> {
        let (now, account) = (self.flow.clock.now(), self.who.mailbox);
        let (mut commands, mut asked) = (Vec::new(), Vec::new());
        for Ask { mailbox, address, note } in std::mem::take(&mut self.asks) {
            commands.push(Command::NoteAsked { mailbox, account, now });
            commands.extend(self.flow.note(account, note).await?);
            asked.push(format!("<{address}>"));
        }
        self.flow.commit_taking(commands).await?;
        let new = asking(&self.flow.config(), tag::Invite::New);
        Ok(TakeError::Policy(format!(
            "{} has a mailbox already; a note in your INBOX tells what {new} would lose; nothing was sent\n\
             send the message again within 24 hours to make the new mailbox all the same",
            asked.join(", ")
        )))
    }

    /// Who may ask, and how often.
    async fn may_be_made_anew(&self, record: &MailboxRecord, now: Time) -> Result<(), TakeError> {
        let (address, config) = (&record.address, self.flow.config());
        if !record.correspondents.contains(&self.who.mailbox) {
            return Err(refused(address, "has a mailbox that this account has never written to"));
        }
        if let Some(former) = self.flow.store.mailbox_former(&address.key()).await?
            && let Some(former) = self.flow.store.mailbox(former).await?
        {
            let until = day(expiry(&config, former.last_activity) + closing::GRACE);
            return Err(refused(
                address,
                &format!("has two mailboxes already, the former one until {until}"),
            ));
        }
        match record.supersedes.map(|made| made + ONE_IN) {
            Some(next) if next > now => {
                let why =
                    format!("was given a new mailbox lately; another one can be made from {}", day(next));
                Err(refused(address, &why))
            }
            _ => Ok(()),
        }
    }

    async fn supersede(&mut self, old: &Receiver, now: Time) -> Result<(), TakeError> {
        let record = old.record.clone();
        self.allow_mailboxes(1)?;
        let pin = self.pin_for(&record.address)?;
        let invited = self
            .flow
            .invite(Invite {
                sender: self.who.mailbox,
                sender_key: &self.who.key,
                recipient: record.address.clone(),
                language: record.language,
                pin,
            })
            .await?;
        self.tell_old_mailbox(old, now).await?;
        self.commands.push(Command::SupersedeMailbox { new: invited.mailbox, old: record.id, now });
        self.begin(&invited.receiver, &invited.entry).await?;
        for account in record.correspondents.iter().filter(|account| **account != self.who.mailbox) {
            let by = self.who.address.clone();
            let note = Note::MadeAnew { recipient: record.address.clone(), by, at: now };
            self.commands.extend(self.flow.note(*account, note).await?);
        }
        Ok(())
    }

    /// Its owner may still come to the old mailbox, and learns there who asked for another one.
    async fn tell_old_mailbox(&mut self, old: &Receiver, now: Time) -> Result<(), TakeError> {
        let config = self.flow.config();
        let domain = config
            .main_domain(self.writer.address.domain())
            .ok_or_else(|| TakeError::internal("an account without a domain"))?;
        let record = &old.record;
        let until = expiry(&config, record.last_activity);
        let by = &self.who.address;
        let text = mail::made_anew(&letterhead(domain), &record.address, by, now, until, record.language);
        self.commands.push(self.flow.lay_letter(old, domain, &text, Folder::INBOX).await?);
        Ok(())
    }
}

fn refused(address: &Address, why: &str) -> TakeError {
    TakeError::Policy(format!("<{address}> {why}; nothing was sent"))
}

/// `2026-11-22`: a date that every mail program shows alike.
fn day(time: Time) -> String {
    time.timestamp().strftime("%Y-%m-%d").to_string()
}
