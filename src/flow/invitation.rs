//! Mail to the recipients of temporary mailboxes: the invitation, and the notices of further messages.

use crate::base::address::Address;
use crate::base::id::MailboxId;
use crate::base::language::Languages;
use crate::base::time::Time;
use crate::config::Config;
use crate::config::value::PortalUrl;
use crate::flow::Flow;
use crate::flow::letters::Post;
use crate::flow::letters::worded;
use crate::flow::refusal::TakeError;
use crate::flow::returned;
use crate::policy::tls::Demand;
use crate::store::command::Command;
use crate::store::error::StoreError;
use crate::store::record::MailboxRecord;
use crate::store::record::MailboxState;
use crate::store::record_queue::Purpose;
use crate::texts::letter::Letterhead;
use crate::texts::letter::MailText;
use crate::texts::letter::Sender;
use crate::texts::mail;
use crate::vault::mailbox_key::VaultEntry;
use std::time::Duration;

/// Who writes, and what the mail may say of it.
#[derive(Clone, Debug)]
pub(in crate::flow) struct Writer {
    /// The account.
    pub account: MailboxId,
    /// Its address, that of the From: field.
    pub address: Address,
    /// The display name of the From: field.
    pub name: Option<String>,
    /// The personal line.
    pub note: Option<String>,
    /// The TLS policy of the message.
    pub demand: Demand,
}

/// What the recipient is told.
pub(in crate::flow) enum Told<'a> {
    /// The link: the first time, or again.
    Link {
        /// What the link is made of.
        entry: &'a VaultEntry,
        /// It takes the place of another.
        renewed: bool,
    },
    /// Another account's invitation is open still.
    Waiting {
        /// Who invited.
        inviter: Address,
        /// When.
        invited: Time,
    },
    /// The mailbox has a password.
    NewMessage,
    /// More than one message has come since the last mail.
    Several {
        /// How many.
        count: u32,
        /// From whom.
        senders: Vec<Address>,
        /// Since when.
        since: Time,
        /// Who invited and when, while nobody has opened the mailbox.
        invitation: Option<(Address, Time)>,
    },
}

/// How a mail is to be written.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    head: &'a Letterhead<'a>,
    portal: &'a PortalUrl,
    languages: Languages,
}

impl Flow {
    /// The command that queues a mail to the recipient of a temporary mailbox.
    pub(in crate::flow) async fn tell_recipient(
        &self,
        mailbox: &MailboxRecord,
        writer: &Writer,
        told: Told<'_>,
    ) -> Result<Command, TakeError> {
        let config = self.config();
        let domain = config
            .main_domain(writer.address.domain())
            .ok_or_else(|| TakeError::internal("an account without a domain"))?;
        let languages = self.languages_for(domain, &mailbox.address, mailbox.language).await?;
        let wordings = self.wordings();
        // By whichever of its addresses it writes: its words are those of the account.
        let account = self.store.mailbox(writer.account).await?;
        let account = account.as_deref().map(|record| &record.address);
        let head = worded(domain, account, &wordings);
        let wanted = Wanted { head: &head, portal: &domain.portal.url, languages };
        let text = self.words(&config, &wanted, mailbox, writer, &told);
        let about = match &told {
            Told::Link { entry, .. } => Some(entry.invitation),
            _ => mailbox.invitation.filter(|_| mailbox.state == MailboxState::Unopened),
        };
        let id = returned::traceable_id(&self.keys, &*self.random, mailbox.id, writer.account, about);
        let purpose = match told {
            Told::Link { .. } => Purpose::Invitation(mailbox.id),
            _ => Purpose::Notice(mailbox.id),
        };
        self.post(Post {
            domain,
            to: &mailbox.address,
            text: &text,
            id,
            purpose,
            owner: Some(writer.account),
            demand: writer.demand,
            answers: None,
            encrypted_to: None,
            sample: None,
        })
        .await
    }

    fn words(
        &self,
        config: &Config,
        wanted: &Wanted<'_>,
        mailbox: &MailboxRecord,
        writer: &Writer,
        told: &Told<'_>,
    ) -> MailText {
        let Wanted { head, portal, languages } = *wanted;
        let sender = Sender { name: writer.name.as_deref(), address: &writer.address };
        let now = self.clock.now();
        let note = writer.note.as_deref();
        match told {
            Told::Link { entry, renewed } => {
                let code = entry.token.text();
                let link = format!("{}/i/{}#{}", portal, entry.invitation, code.expose());
                let facts = mail::Invitation {
                    sender,
                    recipient: &mailbox.address,
                    date: now,
                    until: expiry(config, now),
                    note,
                    has_pin: entry.pin.is_some(),
                    renewed: *renewed,
                    link: &link,
                    access_code: code.expose(),
                    host: portal.host(),
                };
                mail::invitation(head, &facts, languages)
            }
            Told::Waiting { inviter, invited } => {
                let facts = mail::Waiting {
                    sender,
                    recipient: &mailbox.address,
                    date: now,
                    first_sender: inviter,
                    first_date: *invited,
                    until: expiry(config, now),
                    note,
                };
                mail::waiting(head, &facts, languages)
            }
            Told::NewMessage => {
                let facts = mail::NewMessage {
                    sender,
                    recipient: &mailbox.address,
                    date: now,
                    note,
                    login_url: &format!("{}/login", portal),
                    host: portal.host(),
                };
                mail::new_message(head, &facts, languages)
            }
            Told::Several { count, senders, since, invitation } => {
                let facts = mail::Several {
                    count: *count,
                    senders,
                    recipient: &mailbox.address,
                    since: *since,
                    invitation: invitation.as_ref().map(|(inviter, invited)| (inviter, *invited)),
                    until: expiry(config, now),
                    login_url: &format!("{}/login", portal),
                    host: portal.host(),
                };
                mail::several(head, &facts, languages)
            }
        }
    }
}

impl Flow {
    /// When a mailbox closes if nobody touches it.
    pub async fn closes_on(&self, mailbox: MailboxId) -> Result<Option<Time>, StoreError> {
        let record = self.store.mailbox(mailbox).await?;
        Ok(record.map(|record| expiry(&self.config(), record.last_activity)))
    }
}

/// A mailbox that nobody touches closes then.
pub(in crate::flow) fn expiry(config: &Config, last_activity: Time) -> Time {
    let days = u64::from(config.temporary_mailbox.inactivity_days);
    last_activity + Duration::from_secs(days * 24 * 3600)
}
