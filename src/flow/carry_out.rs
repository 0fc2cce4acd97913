//! Carrying out a plan: every copy, mailbox, invitation and note of one message, in one commit.

use crate::base::address::Address;
use crate::base::envelope::Envelope;
use crate::base::envelope::Recipient;
use crate::base::id::MailboxId;
use crate::base::language::Language;
use crate::base::reply;
use crate::config::section::PinRule;
use crate::flow::Flow;
use crate::flow::anew::Ask;
use crate::flow::delivered;
use crate::flow::draft::Draft;
use crate::flow::draft::PinWish;
use crate::flow::intake::Arrived;
use crate::flow::intake::CONVERSATION;
use crate::flow::invitation::Told;
use crate::flow::invitation::Writer;
use crate::flow::invitation::expiry;
use crate::flow::new_mailbox::Invite;
use crate::flow::notes::Note;
use crate::flow::notices::Announced;
use crate::flow::outgoing::Outgoing;
use crate::flow::plan::Planned;
use crate::flow::plan::Way;
use crate::flow::refusal::TakeError;
use crate::flow::report::Fate;
use crate::flow::sealing::Composed;
use crate::flow::sealing::Place;
use crate::flow::sealing::Receiver;
use crate::flow::sign_in::Unlocked;
use crate::flow::submission::REPEATED;
use crate::mime::header::Field;
use crate::openpgp::certificate::Certificate;
use crate::policy::tls::Demand;
use crate::policy::tls::Sender;
use crate::store::command::Command;
use crate::store::record::Flags;
use crate::store::record::Folder;
use crate::store::record::MailboxKind;
use crate::store::record::MailboxRecord;
use crate::store::record::MailboxState;
use crate::store::record_queue::Purpose;
use crate::texts::note::PinNews;
use crate::vault::mailbox_key::VaultEntry;
use crate::vault::pin::Pin;
use std::sync::Arc;

/// What a submission goes under.
pub(in crate::flow) struct Under {
    /// The TLS policy.
    pub demand: Demand,
    /// What must still be so when it is committed.
    pub hold: Option<Command>,
    /// It is done once.
    pub digest: [u8; 32],
}

/// One message on its way into the store: what is to be committed, and what its sender is told.
pub(in crate::flow) struct Deed<'a> {
    /// The flows.
    pub flow: &'a Flow,
    /// Who writes.
    pub who: &'a Arc<Unlocked>,
    /// What.
    pub draft: &'a Draft,
    /// Its envelope.
    pub envelope: &'a Envelope,
    /// Who writes, for the mails to recipients.
    pub writer: Writer,
    /// What is to be committed.
    pub commands: Vec<Command>,
    /// What the sender is told.
    pub notes: Vec<Note>,
    /// Deliveries here that the sender asked to be told of.
    pub delivered: Vec<Fate>,
    /// Lines of `X-Guardpost-Delivery`.
    report: Vec<String>,
    /// PINs of mailboxes that nobody has opened, for the Sent copy.
    pins: Vec<(Address, String)>,
    /// Mailboxes whose recipients are told of this later.
    waiting: Vec<MailboxId>,
    /// Wishes for other mailboxes that were heard for the first time.
    pub asks: Vec<Ask>,
    /// Temporary mailboxes that were taken from the account's budget.
    new_mailboxes: u32,
}

impl Flow {
    /// Does for each recipient what was planned. Nothing is done for anybody before the commit.
    pub(in crate::flow) async fn carry_out(
        &self,
        who: &Arc<Unlocked>,
        arrived: &Arrived,
        draft: &Draft,
        planned: Vec<Planned>,
        under: Under,
    ) -> Result<(), TakeError> {
        let now = self.clock.now();
        let Under { demand, hold, digest } = under;
        let remember =
            Command::RememberSubmission { account: who.mailbox, digest, now, until: now + REPEATED };
        let writer = Writer {
            account: who.mailbox,
            address: draft.author.clone(),
            name: draft.author_name.clone(),
            note: draft.note.clone(),
            demand,
        };
        let mut deed = Deed {
            flow: self,
            who,
            draft,
            envelope: &arrived.envelope,
            writer,
            commands: std::iter::once(remember).chain(hold).collect(),
            notes: Vec::new(),
            delivered: Vec::new(),
            report: Vec::new(),
            pins: Vec::new(),
            waiting: Vec::new(),
            asks: Vec::new(),
            new_mailboxes: 0,
        };
        let encrypted = who.kind == MailboxKind::Temporary || planned.iter().any(Planned::stays_encrypted);
        let done = match deed.all(planned, encrypted).await {
            Ok(()) => self.commit_taking(std::mem::take(&mut deed.commands)).await.map(drop),
            Err(error) => {
                self.discard(&deed.commands);
                Err(error)
            }
        };
        match done {
            Ok(()) => self.notices.wait_for(&deed.waiting),
            // What comes to nothing, for now or for good, costs nothing.
            Err(_) => {
                self.sending.give_mailboxes_back(&self.config().limits, who.mailbox, deed.new_mailboxes)
            }
        }
        done
    }
}

impl Deed<'_> {
    fn allow_new_mailboxes(&mut self, planned: &[Planned]) -> Result<(), TakeError> {
        let new = planned.iter().filter(|one| matches!(one.way, Way::NewMailbox)).count();
        self.allow_mailboxes(u32::try_from(new).unwrap_or(u32::MAX))
    }

    /// An account makes only so many in an hour and a day.
    pub(in crate::flow) fn allow_mailboxes(&mut self, new: u32) -> Result<(), TakeError> {
        if new == 0 {
            return Ok(());
        }
        let now = self.flow.clock.running();
        let allowed = self.flow.sending.mailboxes(&self.flow.config().limits, self.who.mailbox, new, now);
        allowed.map_err(|()| TakeError::Refused(reply::RATE_LIMITED))?;
        self.new_mailboxes += new;
        Ok(())
    }

    async fn all(&mut self, planned: Vec<Planned>, encrypted: bool) -> Result<(), TakeError> {
        self.allow_new_mailboxes(&planned)?;
        let mut plain = Vec::new();
        let mut open_pgp = Vec::new();
        let mut local = Vec::new();
        for Planned { recipient, way, .. } in planned {
            self.report.push(self.line(&recipient.address, &way));
            self.delivered.extend(way.here().and_then(|here| delivered::wanted(&recipient, here)));
            match way {
                // An account that is named by several of its addresses gets one copy.
                Way::Local(receiver) if local.contains(&receiver.record.id) => {}
                Way::Local(receiver) => {
                    local.push(receiver.record.id);
                    self.local(&receiver, &recipient.address, encrypted).await?;
                }
                Way::Mailbox(receiver) => self.fill_mailbox(&receiver).await?,
                Way::Renewal(receiver) => self.renew(&receiver).await?,
                Way::Anew(receiver) => self.anew(&receiver).await?,
                Way::NewMailbox => self.fill_new_mailbox(&recipient.address).await?,
                Way::Pgp(certificate) if self.draft.visible.contains(&recipient.address.key()) => {
                    open_pgp.push((recipient, certificate));
                }
                // A ciphertext of its own: nobody else's tells that there is a Bcc.
                Way::Pgp(certificate) => self.pgp(vec![(recipient, certificate)]).await?,
                Way::Plain => plain.push(recipient),
            }
        }
        if !self.asks.is_empty() {
            return Err(self.note_asked().await?);
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
        if self.who.kind == MailboxKind::Temporary {
            let now = self.flow.clock.now();
            self.commands.push(Command::NoteActivity {
                mailbox: self.who.mailbox,
                at: now,
                correspondent: None,
            });
        }
        self.sent_copy().await?;
        for note in std::mem::take(&mut self.notes) {
            self.commands.extend(self.flow.note(self.who.mailbox, note).await?);
        }
        let reports = self.report_delivered().await?;
        self.commands.extend(reports);
        Ok(())
    }

    fn line(&self, address: &Address, way: &Way) -> String {
        match way {
            Way::Plain => {
                let config = self.flow.config();
                let demand = self.writer.demand.and(config.outbound.requirement(address.domain()));
                format!("{address}; plain, tls-policy={}", demand.requirement())
            }
            Way::Local(_) => format!("{address}; {}", way.word()),
            way if self.writer.demand.sender() == Sender::Secure => {
                let config = self.flow.config();
                let demand = self.writer.demand.and(config.outbound.requirement(address.domain()));
                format!("{address}; {}, tls-policy={}", way.word(), demand.requirement())
            }
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
        let trace = [
            Field::raw("Return-Path", &format!("<{}>", self.envelope.sender)).bytes(),
            Field::raw("Delivered-To", &address.to_string()).bytes(),
        ]
        .concat();
        let tag = match self.who.kind {
            MailboxKind::Temporary => self.flow.config().encryption.subject_tag.first().cloned(),
            MailboxKind::Account => None,
        };
        let message = self.draft.stored_copy(tag.as_deref()).behind(&trace);
        self.commands.extend(self.flow.still_alias(address, receiver.record.id));
        self.deliver(receiver, message).await?;
        if encrypted {
            self.remember(receiver.record.id);
        }
        Ok(())
    }

    async fn deliver(&mut self, receiver: &Receiver, message: Composed) -> Result<(), TakeError> {
        let place = Place { sender: Some(self.who.mailbox), ..Place::default() };
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
                self.announce(&record, Told::NewMessage).await?;
            }
            MailboxState::Unopened => self.tell_again(&record).await?,
            // It closed since the plan was made: the store refuses the delivery, and the message is planned anew.
            MailboxState::Closed => {}
        }
        self.leave(receiver).await
    }

    /// The recipient is told of the message, now or with others; the sender, if that cannot be.
    pub(in crate::flow) async fn announce(
        &mut self,
        record: &MailboxRecord,
        told: Told<'_>,
    ) -> Result<(), TakeError> {
        match self.flow.announce(record, &self.writer, told).await? {
            Announced::Now(commands) => self.commands.extend(commands),
            Announced::Later(command) => {
                self.commands.push(command);
                self.waiting.push(record.id);
            }
            Announced::Never(noted) => {
                self.commands.extend(noted);
                self.notes.push(Note::NotTold { recipient: record.address.clone() });
            }
        }
        Ok(())
    }

    /// The message lies in the mailbox, and counts as life in it.
    pub(in crate::flow) async fn leave(&mut self, receiver: &Receiver) -> Result<(), TakeError> {
        self.deliver(receiver, self.draft.stored_copy(None)).await?;
        self.commands.push(Command::NoteActivity {
            mailbox: receiver.record.id,
            at: self.flow.clock.now(),
            correspondent: Some(self.who.mailbox),
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
                language: self.language_for(address).await?,
                pin,
            })
            .await?;
        self.commands.push(Command::CreateMailbox(invited.mailbox));
        self.begin(&invited.receiver, &invited.entry).await
    }

    /// The first message into a mailbox that is made with it, and the invitation.
    pub(in crate::flow) async fn begin(
        &mut self,
        receiver: &Receiver,
        entry: &VaultEntry,
    ) -> Result<(), TakeError> {
        self.deliver(receiver, self.draft.stored_copy(None)).await?;
        let told = Told::Link { entry, renewed: false };
        self.commands.push(self.flow.tell_recipient(&receiver.record, &self.writer, told).await?);
        self.commands.extend(self.flow.policy_of_link(&receiver.record, self.writer.demand));
        let pin = entry.pin.as_ref().map(|pin| pin.expose().to_owned());
        self.tell_pin(&entry.recipient, pin, PinNews::First, false);
        Ok(())
    }

    /// The PIN stands in the Sent copy and in a note.
    pub(in crate::flow) fn tell_pin(
        &mut self,
        address: &Address,
        pin: Option<String>,
        news: PinNews,
        ignored: bool,
    ) {
        let config = self.flow.config();
        if let Some(pin) = &pin {
            self.pins.push((address.clone(), pin.clone()));
        }
        let until = expiry(&config, self.flow.clock.now());
        self.notes.push(Note::Pin { recipient: address.clone(), pin, until, news, ignored });
    }

    /// The PIN of an invitation that this message makes.
    pub(in crate::flow) fn pin_for(&self, address: &Address) -> Result<Option<Pin>, TakeError> {
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

    /// What a recipient without a mailbox is written in.
    async fn language_for(&self, address: &Address) -> Result<Language, TakeError> {
        let config = self.flow.config();
        match config.main_domain(self.draft.author.domain()) {
            Some(domain) => Ok(self.flow.language_for(domain, address).await?),
            None => Err(TakeError::internal("an account without a domain")),
        }
    }

    /// PGP/MIME to people who have a certificate.
    async fn pgp(&mut self, to: Vec<(Recipient, Certificate)>) -> Result<(), TakeError> {
        let (recipients, certificates): (Vec<_>, Vec<_>) = to.into_iter().unzip();
        // What is encrypted may be in any octets: armor is ASCII.
        let (message, utf8_header) = self.flow.pgp_message(self.draft, certificates).await?;
        self.send(recipients, message, false, utf8_header).await
    }

    async fn plain(&mut self, recipients: Vec<Recipient>) -> Result<(), TakeError> {
        let (message, eight_bit) = self.flow.for_the_road(self.draft.clear_copy()).await?;
        self.send(recipients, message, eight_bit, self.draft.utf8_header).await
    }

    async fn send(
        &mut self,
        recipients: Vec<Recipient>,
        message: Composed,
        eight_bit: bool,
        utf8_header: bool,
    ) -> Result<(), TakeError> {
        // DMARC (RFC 7489 §3.1) wants the signature of the very domain in From:, an alias domain's too.
        let domain = self.draft.author.domain();
        if !self.flow.config().is_local(domain) {
            return Err(TakeError::internal("an account without a domain"));
        }
        let message = self.flow.signed(message, domain).await?;
        // A recipient's own address is looked at when it is said: it must not stop the others.
        let smtputf8 = utf8_header || self.envelope.sender.address().is_some_and(Address::needs_smtputf8);
        let item = Outgoing {
            id: self.flow.queue_id(),
            purpose: Purpose::Mail,
            sender: self.envelope.sender.address().cloned(),
            owner: Some(self.who.mailbox),
            recipients,
            demand: self.writer.demand,
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
            known_by: self.draft.known_by,
            ..Place::default()
        };
        let delivery = self.flow.delivery(&receiver, message, place).await?;
        self.commands.push(Command::Deliver(delivery));
        Ok(())
    }
}
