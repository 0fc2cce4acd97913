//! Carrying out a plan: every copy, mailbox, invitation and note of one message, in one commit.

use crate::base::address::Address;
use crate::base::envelope::Envelope;
use crate::base::envelope::Recipient;
use crate::base::id::MailboxId;
use crate::base::language::Language;
use crate::config::section::PinRule;
use crate::flow::Flow;
use crate::flow::draft::Draft;
use crate::flow::draft::PinWish;
use crate::flow::intake::Arrived;
use crate::flow::intake::CONVERSATION;
use crate::flow::invitation::Told;
use crate::flow::invitation::Writer;
use crate::flow::invitation::expiry;
use crate::flow::new_mailbox::Invite;
use crate::flow::notes::Note;
use crate::flow::outgoing::Outgoing;
use crate::flow::plan::Planned;
use crate::flow::plan::Way;
use crate::flow::refusal::TakeError;
use crate::flow::sealing::Composed;
use crate::flow::sealing::Place;
use crate::flow::sealing::Receiver;
use crate::flow::sign_in::Unlocked;
use crate::flow::submission::REPEATED;
use crate::mime::header::Field;
use crate::openpgp::certificate::Certificate;
use crate::policy::tls::Requirement;
use crate::store::command::Command;
use crate::store::record::Flags;
use crate::store::record::Folder;
use crate::store::record::InvitationState;
use crate::store::record::MailboxKind;
use crate::store::record::MailboxRecord;
use crate::store::record::MailboxState;
use crate::store::record::Purpose;
use crate::vault::pin::Pin;
use std::sync::Arc;

/// One message on its way into the store: what is to be committed, and what its sender is told.
struct Deed<'a> {
    flow: &'a Flow,
    who: &'a Arc<Unlocked>,
    draft: &'a Draft,
    envelope: &'a Envelope,
    writer: Writer,
    commands: Vec<Command>,
    notes: Vec<Note>,
    /// Lines of `X-Guardpost-Delivery`.
    report: Vec<String>,
    /// PINs of mailboxes that nobody has opened, for the Sent copy.
    pins: Vec<(Address, String)>,
}

impl Flow {
    /// Does for each recipient what was planned. Nothing is done for anybody before the commit.
    pub(in crate::flow) async fn carry_out(
        &self,
        who: &Arc<Unlocked>,
        arrived: &Arrived,
        draft: &Draft,
        planned: Vec<Planned>,
        digest: [u8; 32],
    ) -> Result<(), TakeError> {
        let now = self.clock.now();
        let remember =
            Command::RememberSubmission { account: who.mailbox, digest, now, until: now + REPEATED };
        let writer = Writer {
            account: who.mailbox,
            address: draft.author.clone(),
            name: draft.author_name.clone(),
            note: draft.note.clone(),
            requirement: Requirement::Opportunistic,
        };
        let mut deed = Deed {
            flow: self,
            who,
            draft,
            envelope: &arrived.envelope,
            writer,
            commands: vec![remember],
            notes: Vec::new(),
            report: Vec::new(),
            pins: Vec::new(),
        };
        deed.allow_new_mailboxes(&planned)?;
        let encrypted =
            who.kind == MailboxKind::Temporary || planned.iter().any(|one| one.way.is_encrypted());
        if let Err(error) = deed.all(planned, encrypted).await {
            deed.flow.discard(&deed.commands);
            return Err(error);
        }
        let commands = deed.commands;
        self.commit_taking(commands).await.map(drop)
    }
}

impl Deed<'_> {
    fn allow_new_mailboxes(&self, planned: &[Planned]) -> Result<(), TakeError> {
        let new = planned.iter().filter(|one| matches!(one.way, Way::NewMailbox)).count();
        let new = u32::try_from(new).unwrap_or(u32::MAX);
        if new == 0 {
            return Ok(());
        }
        let now = self.flow.clock.running();
        self.flow.sending.mailboxes(&self.flow.config().limits, self.who.mailbox, new, now).map_err(|()| {
            TakeError::Policy("this account has made too many temporary mailboxes; try again later".into())
        })
    }

    async fn all(&mut self, planned: Vec<Planned>, encrypted: bool) -> Result<(), TakeError> {
        let mut plain = Vec::new();
        let mut open_pgp = Vec::new();
        for Planned { recipient, way } in planned {
            self.report.push(self.line(&recipient.address, &way));
            match way {
                Way::Local(receiver) => self.local(&receiver, &recipient.address, encrypted).await?,
                Way::Mailbox(receiver) => self.fill_mailbox(&receiver).await?,
                Way::NewMailbox => self.fill_new_mailbox(&recipient.address).await?,
                Way::Pgp(certificate) if self.draft.visible.contains(&recipient.address.key()) => {
                    open_pgp.push((recipient, certificate));
                }
                // A ciphertext of its own: nobody else's tells that there is a Bcc.
                Way::Pgp(certificate) => self.pgp(vec![(recipient, certificate)]).await?,
                Way::Plain => plain.push(recipient),
            }
        }
        if !open_pgp.is_empty() {
            self.pgp(open_pgp).await?;
        }
        if !plain.is_empty() {
            self.plain(plain).await?;
        }
        if encrypted {
            self.remember(self.who.mailbox);
        }
        self.sent_copy().await?;
        for note in std::mem::take(&mut self.notes) {
            self.commands.extend(self.flow.note(self.who.mailbox, note).await?);
        }
        Ok(())
    }

    fn line(&self, address: &Address, way: &Way) -> String {
        match way {
            Way::Plain => format!("{address}; plain, tls-policy={}", self.writer.requirement),
            way => format!("{address}; {}", way.word()),
        }
    }

    /// From now on the account's answers to this message are encrypted by themselves.
    fn remember(&mut self, account: MailboxId) {
        let digest = self.flow.index.message_id(CONVERSATION, account, &self.draft.message_id);
        let now = self.flow.clock.now();
        self.commands.push(Command::RememberConversation { account, digest, now });
    }

    /// Into an account of ours.
    async fn local(
        &mut self,
        receiver: &Receiver,
        address: &Address,
        encrypted: bool,
    ) -> Result<(), TakeError> {
        let sender = self.envelope.sender.as_ref().map(ToString::to_string).unwrap_or_default();
        let trace = [
            Field::raw("Return-Path", &format!("<{sender}>")).bytes(),
            Field::raw("Delivered-To", &address.to_string()).bytes(),
        ]
        .concat();
        let tag = match self.who.kind {
            MailboxKind::Temporary => self.flow.config().encryption.subject_tag.first().cloned(),
            MailboxKind::Account => None,
        };
        let message = self.draft.stored_copy(tag.as_deref()).behind(&trace);
        self.deliver(receiver, message).await?;
        if encrypted {
            self.remember(receiver.record.id);
        }
        Ok(())
    }

    async fn deliver(&mut self, receiver: &Receiver, message: Composed) -> Result<(), TakeError> {
        let place = Place {
            sender: Some(self.who.mailbox),
            message_id: Some(self.draft.message_id.clone()),
            ..Place::default()
        };
        let delivery = self.flow.delivery(receiver, message, place).await?;
        self.commands.push(Command::Deliver(delivery));
        Ok(())
    }

    /// Into a temporary mailbox that is there: opened, or waiting for its first use.
    async fn fill_mailbox(&mut self, receiver: &Receiver) -> Result<(), TakeError> {
        let record = receiver.record.clone();
        match record.state {
            MailboxState::Open => {
                if matches!(self.draft.pin, PinWish::This(_)) {
                    self.notes.push(Note::PinIgnored { recipient: record.address.clone() });
                }
                let notice = self.flow.tell_recipient(&record, &self.writer, Told::NewMessage).await?;
                self.commands.push(notice);
            }
            MailboxState::Unopened => self.tell_again(&record).await?,
            // It closed since the plan was made: the store refuses the delivery, and the message is planned anew.
            MailboxState::Closed => {}
        }
        self.deliver(receiver, self.draft.stored_copy(None)).await?;
        self.commands.push(Command::NoteActivity {
            mailbox: record.id,
            at: self.flow.clock.now(),
            correspondent: Some(self.who.mailbox),
        });
        Ok(())
    }

    /// The mailbox waits for its first use: the inviter sends the link again, others point to the invitation.
    async fn tell_again(&mut self, record: &MailboxRecord) -> Result<(), TakeError> {
        let address = &record.address;
        let gone = || TakeError::Policy(closed(address, "its sender is gone"));
        let invitation = record.invitation.ok_or_else(gone)?;
        let invitation = self.flow.store.invitation(invitation).await?.ok_or_else(gone)?;
        if invitation.state != InvitationState::Open {
            return Err(TakeError::Policy(closed(address, "too many wrong PINs were tried")));
        }
        let sealed = self.flow.store.vault_entry(self.who.mailbox, record.id).await?;
        if let Some(sealed) = sealed {
            let entry = self.who.vault_entry(record.id, &sealed).ok_or_else(gone)?;
            self.commands.push(self.flow.tell_recipient(record, &self.writer, Told::Link(&entry)).await?);
            let pin = entry.pin.as_ref().map(|pin| pin.expose().to_owned());
            let ignored = match &self.draft.pin {
                PinWish::Unsaid | PinWish::None => false,
                PinWish::This(wish) => pin.as_deref() != Some(wish.as_str()),
            };
            self.tell_pin(address, pin, true, ignored);
            return Ok(());
        }
        let inviter = self.flow.store.mailbox(invitation.sender).await?.ok_or_else(gone)?;
        if !inviter.is_readable_since(invitation.created) {
            // It was reset since, and cannot renew: nobody would ever be told what waits there.
            return Err(gone());
        }
        let wants_pin = matches!(self.draft.pin, PinWish::This(_))
            || self.flow.config().temporary_mailbox.pin == PinRule::Required;
        if wants_pin && !invitation.has_pin {
            return Err(TakeError::Policy(closed(address, "it was made without a PIN")));
        }
        let told = Told::Waiting { inviter: inviter.address.clone(), invited: invitation.created };
        self.commands.push(self.flow.tell_recipient(record, &self.writer, told).await?);
        self.notes.push(Note::StillUnopened {
            recipient: address.clone(),
            inviter: inviter.address.clone(),
            invited: invitation.created,
        });
        Ok(())
    }

    /// Into a temporary mailbox that this message makes.
    async fn fill_new_mailbox(&mut self, address: &Address) -> Result<(), TakeError> {
        let pin = self.pin_for(address)?;
        let invited = self
            .flow
            .invite(Invite {
                sender: self.who.mailbox,
                sender_key: &self.who.key,
                recipient: address.clone(),
                language: self.language(),
                pin,
            })
            .await?;
        let record = invited.receiver.record.clone();
        self.commands.push(Command::CreateMailbox(invited.mailbox));
        self.deliver(&invited.receiver, self.draft.stored_copy(None)).await?;
        let told = Told::Link(&invited.entry);
        self.commands.push(self.flow.tell_recipient(&record, &self.writer, told).await?);
        let pin = invited.entry.pin.as_ref().map(|pin| pin.expose().to_owned());
        self.tell_pin(address, pin, false, false);
        Ok(())
    }

    fn tell_pin(&mut self, address: &Address, pin: Option<String>, resent: bool, ignored: bool) {
        let config = self.flow.config();
        if let Some(pin) = &pin {
            self.pins.push((address.clone(), pin.clone()));
        }
        let until = expiry(&config, self.flow.clock.now());
        self.notes.push(Note::Pin { recipient: address.clone(), pin, until, resent, ignored });
    }

    fn pin_for(&self, address: &Address) -> Result<Option<Pin>, TakeError> {
        let config = self.flow.config();
        let addresses = [&self.draft.author, address];
        let digits = usize::from(config.temporary_mailbox.pin_digits);
        let made = || Some(Pin::generate(digits, &addresses, &*self.flow.random));
        match (config.temporary_mailbox.pin, &self.draft.pin) {
            (PinRule::Off, _) | (PinRule::Optional, PinWish::None) => Ok(None),
            (PinRule::Required, PinWish::None) => Err(TakeError::Policy(
                "this server wants a PIN for every temporary mailbox; nothing was sent".into(),
            )),
            (PinRule::Required | PinRule::Optional, PinWish::Unsaid) => Ok(made()),
            (PinRule::Required | PinRule::Optional, PinWish::This(wish)) => {
                let pin = Pin::choose(wish, &addresses);
                pin.map(Some)
                    .map_err(|why| TakeError::Malformed(format!("X-Guardpost-PIN {why}; nothing was sent")))
            }
        }
    }

    fn language(&self) -> Language {
        let config = self.flow.config();
        config.main_domain(self.draft.author.domain()).map(|domain| domain.language).unwrap_or_default()
    }

    /// PGP/MIME to people who have a certificate.
    async fn pgp(&mut self, to: Vec<(Recipient, Certificate)>) -> Result<(), TakeError> {
        let (recipients, certificates): (Vec<_>, Vec<_>) = to.into_iter().unzip();
        let message = self.flow.pgp_message(self.draft, certificates).await?;
        self.send(recipients, message, false).await
    }

    async fn plain(&mut self, recipients: Vec<Recipient>) -> Result<(), TakeError> {
        let (message, eight_bit) = self.flow.for_the_road(self.draft.clear_copy()).await?;
        self.send(recipients, message, eight_bit).await
    }

    async fn send(
        &mut self,
        recipients: Vec<Recipient>,
        message: Composed,
        eight_bit: bool,
    ) -> Result<(), TakeError> {
        let config = self.flow.config();
        let domain = config
            .main_domain(self.draft.author.domain())
            .ok_or_else(|| TakeError::internal("an account without a domain"))?;
        let message = self.flow.signed(message, &domain.name).await?;
        // A recipient's own address is looked at when it is said: it must not stop the others.
        let smtputf8 =
            self.draft.utf8_header || self.envelope.sender.as_ref().is_some_and(Address::needs_smtputf8);
        let item = Outgoing {
            id: self.flow.queue_id(),
            purpose: Purpose::Mail,
            sender: self.envelope.sender.clone(),
            owner: Some(self.who.mailbox),
            recipients,
            requirement: self.writer.requirement,
            eight_bit,
            smtputf8,
            ret: self.envelope.ret,
            envid: self.envelope.envid.clone(),
            secret: false,
        };
        self.commands.push(self.flow.outgoing(item, message).await?);
        Ok(())
    }

    /// The sender's own copy, the only place that ever carries the PIN again.
    async fn sent_copy(&mut self) -> Result<(), TakeError> {
        let receiver = self.flow.receiver(self.who.mailbox).await?.ok_or(TakeError::UnknownRecipient)?;
        let config = self.flow.config();
        let mut own = Vec::new();
        if config.temporary_mailbox.show_pin_again && self.who.kind == MailboxKind::Account {
            for (address, pin) in &self.pins {
                let value = if self.pins.len() == 1 { pin.clone() } else { format!("{pin}; {address}") };
                own.extend_from_slice(Field::raw(&config.temporary_mailbox.sent_header, &value).bytes());
            }
        }
        if self.who.kind == MailboxKind::Account {
            for line in &self.report {
                own.extend_from_slice(Field::raw("X-Guardpost-Delivery", line).bytes());
            }
        }
        let message = self.draft.sent_copy().behind(&own);
        let place = Place {
            folder: Some(Folder::SENT),
            flags: Flags { seen: true, ..Flags::default() },
            sender: Some(self.who.mailbox),
            message_id: Some(self.draft.message_id.clone()),
            date: None,
        };
        let delivery = self.flow.delivery(&receiver, message, place).await?;
        self.commands.push(Command::Deliver(delivery));
        Ok(())
    }
}

/// The mailbox waits, and this message would weaken its protection or never be read.
fn closed(address: &Address, why: &str) -> String {
    format!("<{address}> has an invitation that was not used, and {why}; nothing was sent")
}
