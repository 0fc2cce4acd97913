//! Mail from outside: taken for accounts, encrypted to them, on disk before anybody hears 250.

use crate::base::address::Address;
use crate::base::address::Domain;
use crate::base::envelope::Envelope;
use crate::base::id::MailboxId;
use crate::base::id::QueueId;
use crate::base::reply;
use crate::flow::Flow;
use crate::flow::assembled::Piece;
use crate::flow::refusal::TakeError;
use crate::flow::sealing::Composed;
use crate::flow::sealing::Place;
use crate::mime::encrypted;
use crate::mime::header::Field;
use crate::mime::header::Header;
use crate::mime::scrub;
use crate::mime::structure::Structure;
use crate::policy::recipient;
use crate::policy::recipient::Asker;
use crate::policy::recipient::DomainFact;
use crate::policy::recipient::Found;
use crate::policy::recipient::Link;
use crate::policy::recipient::Verdict;
use crate::store::PAGE;
use crate::store::body::Body;
use crate::store::command::Command;
use crate::store::command::Outcome;
use crate::store::command::Refusal;
use crate::store::error::StoreError;
use crate::store::record::MailboxKind;
use crate::store::record::MailboxRecord;
use crate::store::spool::Spooled;
use std::net::IpAddr;
use std::sync::Arc;

/// A message that has come whole, in CRLF lines, within the limits of the scanner.
#[derive(Debug)]
pub struct Arrived {
    /// Its envelope; every recipient was asked for before.
    pub envelope: Envelope,
    /// Its bytes.
    pub spool: Spooled,
    /// Its parts.
    pub structure: Structure,
    /// Who handed it over.
    pub peer: Peer,
}

/// What is known of the other side of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address; it stands in no header of ours.
    pub ip: IpAddr,
    /// What it said in EHLO.
    pub helo: String,
    /// Extended SMTP was spoken.
    pub extended: bool,
    /// Protocol and cipher, when TLS is up.
    pub tls: Option<String>,
}

/// What was taken.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// The name that the reply and the Received: field give it.
    pub id: QueueId,
    /// It had been taken before: nothing was done again.
    pub again: bool,
}

/// Where mail from outside to one address goes.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Destination {
    Account(MailboxId),
    Notice(Address),
    /// Nowhere without TLS: the alias of this account.
    NeedsTls(MailboxId),
}

/// Where the mail of one transaction goes.
#[derive(Default)]
struct Destinations {
    accounts: Vec<(MailboxId, Address)>,
    notices: Vec<Address>,
}

impl Flow {
    /// RCPT on port 25: only what is deliverable here and has room, and to a secure alias only over TLS. What a sender
    /// tried in vain there its owner is told, later.
    pub async fn ask_recipient(
        &self,
        address: &Address,
        envelope: &Envelope,
        peer: &Peer,
    ) -> Result<(), TakeError> {
        match self.destination(address, peer).await? {
            Destination::Account(mailbox) => self.ask_room(mailbox, address, envelope.size).await,
            Destination::Notice(_) => Ok(()),
            Destination::NeedsTls(account) => {
                self.note_refused(account, &envelope.sender, peer);
                Err(TakeError::Refused(reply::tls_required(address)))
            }
        }
    }

    /// Refuses a recipient whose mailbox is full, or would be with a message of `size` octets, and all that is added to
    /// it. The store counts exactly, and one full mailbox then stands in the way of all recipients: so nothing passes
    /// here that would not pass there.
    async fn ask_room(
        &self,
        mailbox: MailboxId,
        address: &Address,
        size: Option<u64>,
    ) -> Result<(), TakeError> {
        let Some(quota) = self.quota(MailboxKind::Account).bytes else { return Ok(()) };
        let size = size.unwrap_or_default();
        let covered = self.receiver(mailbox).await?.is_some_and(|receiver| receiver.cover.is_some());
        // PGP/MIME for its owner's own key is in base64, with a part of the header a second time.
        let encryption = if covered { size / 5 * 2 + size.min(4 * ADDED) } else { size / 64 };
        let folders = self.store.folders(mailbox).await?;
        let used = folders.iter().map(|folder| folder.bytes);
        let needed = used.chain([size, encryption, ADDED]).fold(0, u64::saturating_add);
        if needed > quota { Err(TakeError::MailboxFull(address.clone())) } else { Ok(()) }
    }

    /// The end of DATA on port 25. On `Ok` it is on disk, synced, for every recipient.
    pub async fn take_in(&self, arrived: Arrived) -> Result<Taken, TakeError> {
        let id = self.queue_id();
        let header = self.arrival_header(&arrived, id).await?;
        let mut tries = 0;
        let (notices, delivered) = loop {
            let Destinations { accounts, notices } = self.destinations(&arrived).await?;
            match self.deliver(&arrived, &header, &accounts).await {
                Err(error) if error.is_race() && tries < RACES => tries += 1,
                Err(TakeError::Store(StoreError::Refused { why: Refusal::OverQuota, .. }))
                    if accounts.len() + notices.len() > 1 =>
                {
                    return Err(TakeError::Refused(reply::SOMEBODY_IS_FULL));
                }
                result => break result.map(|()| (notices, !accounts.is_empty()))?,
            }
        };
        for notice in notices {
            match self.answer_notice(&notice, &arrived, &header).await {
                // It is delivered to somebody: refused now, it would come a second time.
                Err(why) if delivered => tracing::warn!(%id, %why, "an automatic answer was not written"),
                answered => answered?,
            }
        }
        tracing::info!(%id, recipients = arrived.envelope.recipients.len(), size = arrived.spool.length(), "message taken");
        Ok(Taken { id, again: false })
    }

    /// Where each recipient's copy goes now. One that was there when it was named and has gone since refuses the
    /// message; where others stay, for now only: the next try asks for each of them again.
    async fn destinations(&self, arrived: &Arrived) -> Result<Destinations, TakeError> {
        let mut found = Destinations::default();
        let mut gone = None;
        for recipient in &arrived.envelope.recipients {
            let address = &recipient.address;
            let known = |mailbox| found.accounts.iter().any(|(known, _)| *known == mailbox);
            match self.destination(address, &arrived.peer).await {
                Ok(Destination::Account(mailbox)) if known(mailbox) => {}
                Ok(Destination::Account(mailbox)) => found.accounts.push((mailbox, address.clone())),
                Ok(Destination::Notice(address)) => found.notices.push(address),
                Ok(Destination::NeedsTls(_)) => gone = Some(TakeError::Refused(reply::tls_required(address))),
                Err(error @ (TakeError::Refused(_) | TakeError::UnknownRecipient)) => gone = Some(error),
                Err(error) => return Err(error),
            }
        }
        match gone {
            None => Ok(found),
            Some(error) if found.accounts.is_empty() && found.notices.is_empty() => Err(error),
            Some(_) => Err(TakeError::Refused(reply::RECIPIENTS_CHANGED)),
        }
    }

    async fn destination(&self, address: &Address, peer: &Peer) -> Result<Destination, TakeError> {
        let config = self.config();
        let domain = if config.domain(address.domain()).is_some() {
            DomainFact::Ours
        } else if config.secure_alias(address.domain()).is_some() {
            DomainFact::SecureAlias
        } else {
            DomainFact::Foreign
        };
        let mailbox = match domain {
            DomainFact::Ours => self.store.mailbox_of(&address.key()).await?,
            DomainFact::SecureAlias => self.account_of_alias(address).await?,
            DomainFact::Foreign => None,
        };
        let found = match mailbox {
            None => Found::Nothing,
            Some(mailbox) => match self.store.mailbox(mailbox).await?.map(|record| record.kind) {
                Some(MailboxKind::Account) => Found::Account,
                Some(MailboxKind::Temporary) => Found::TemporaryMailbox,
                None => Found::Nothing,
            },
        };
        let local = recipient::local_fact(address.local(), &config.temporary_mailbox.notice_from);
        let link = if peer.tls.is_some() { Link::Tls } else { Link::Plain };
        match recipient::judge(Asker::Stranger, domain, local, found, link) {
            Verdict::NeedsTls => mailbox.map(Destination::NeedsTls).ok_or(TakeError::UnknownRecipient),
            Verdict::Account => mailbox.map(Destination::Account).ok_or(TakeError::UnknownRecipient),
            Verdict::Postmaster => {
                let postmaster = self.postmaster(address.domain()).await?;
                postmaster.map(Destination::Account).ok_or(TakeError::UnknownRecipient)
            }
            Verdict::Notice => Ok(Destination::Notice(address.clone())),
            Verdict::Outside => Err(TakeError::Refused(reply::NO_RELAY)),
            Verdict::Refuse(reply) => Err(TakeError::Refused(reply)),
        }
    }

    async fn deliver(
        &self,
        arrived: &Arrived,
        header: &Arrival,
        accounts: &[(MailboxId, Address)],
    ) -> Result<(), TakeError> {
        let mut commands = Vec::with_capacity(accounts.len());
        for (mailbox, address) in accounts {
            match self.arrival(arrived, header, *mailbox, address).await {
                Ok(arrival) => commands.push(arrival),
                Err(error) => {
                    self.discard(&commands);
                    return Err(error);
                }
            }
            commands.extend(self.still_alias(address, *mailbox));
            commands.extend(self.conversation(*mailbox, header));
        }
        if commands.is_empty() {
            return Ok(());
        }
        self.commit_taking(commands).await.map(drop)
    }

    async fn arrival(
        &self,
        arrived: &Arrived,
        header: &Arrival,
        mailbox: MailboxId,
        address: &Address,
    ) -> Result<Command, TakeError> {
        let receiver = self.receiver(mailbox).await?.ok_or(TakeError::UnknownRecipient)?;
        let delivered_to = Field::raw("Delivered-To", &address.to_string());
        let own = [header.return_path.as_slice(), delivered_to.bytes(), header.fields.as_slice()].concat();
        let message = Composed {
            spool: arrived.spool.clone(),
            pieces: vec![Piece::Own(own.into()), Piece::Came(header.body..arrived.spool.length())],
        };
        // Nothing asks whether a message from outside came before: no row for its Message-ID.
        Ok(Command::Deliver(self.delivery(&receiver, message, Place::default()).await?))
    }

    /// What came encrypted is answered encrypted.
    fn conversation(&self, account: MailboxId, header: &Arrival) -> Option<Command> {
        let message_id = header.message_id.as_deref().filter(|_| header.encrypted)?;
        let digest = self.index.message_id(CONVERSATION, account, message_id);
        Some(Command::RememberConversation { account, digest, now: self.clock.now() })
    }

    /// The header as it is stored: trace fields in front, missing fields added, fields of ours from outside dropped.
    async fn arrival_header(&self, arrived: &Arrived, id: QueueId) -> Result<Arrival, TakeError> {
        let config = self.config();
        let root = arrived.structure.root().ok_or_else(|| TakeError::internal("no structure"))?;
        let mut header =
            Header::read(&mut arrived.spool.reader(), root.header).map_err(TakeError::internal)?;
        let encrypted =
            encrypted::by_its_author(arrived.spool.reader(), root).map_err(TakeError::internal)?;
        scrub::clean_arrival(&mut header, &config.temporary_mailbox.sent_header, config.hostname.as_str());
        header.remove("Return-Path");
        let now = self.clock.now();
        if !header.has("Date") {
            header.append(Field::raw("Date", &now.rfc5322()));
        }
        if !header.has("Message-ID") {
            header.append(Field::raw("Message-ID", &self.message_id(&config.hostname)));
        }
        if !encrypted {
            header.prepend(Field::raw("X-Guardpost-Encrypted", "at-rest"));
        }
        header.prepend(received(&arrived.peer, config.hostname.as_str(), id, now.rfc5322()));
        let return_path = Field::raw("Return-Path", &format!("<{}>", arrived.envelope.sender));
        Ok(Arrival {
            return_path: return_path.bytes().to_vec(),
            message_id: header.message_id(),
            automatic: header.is_automatic(),
            encrypted,
            fields: header.render(),
            body: root.body.start,
        })
    }

    /// The account that reads what is written to postmaster@ of a domain.
    pub(in crate::flow) async fn postmaster(&self, domain: &Domain) -> Result<Option<MailboxId>, TakeError> {
        let config = self.config();
        let named = config.main_domain(domain).and_then(|section| section.postmaster.clone());
        if let Some(named) = named
            && let Some(mailbox) = self.store.mailbox_of(&named.key()).await?
        {
            return Ok(Some(mailbox));
        }
        self.first_account().await
    }
}

/// The header of a message that arrived, ready to be stored.
pub(in crate::flow) struct Arrival {
    return_path: Vec<u8>,
    fields: Vec<u8>,
    body: u64,
    /// With its angle brackets.
    pub message_id: Option<String>,
    encrypted: bool,
    /// A program sent it.
    pub automatic: bool,
}

/// The table of Message-IDs whose conversations stay encrypted.
pub(in crate::flow) const CONVERSATION: &str = "conversation";

/// Octets that a message has more in a mailbox at most, whatever its length: the fields in front of it, and the keys of
/// its encryption.
const ADDED: u64 = 4 << 10;

/// Commits that another commit made stale are tried this often with fresh facts.
pub(in crate::flow) const RACES: usize = 5;

/// RFC 5321 §4.4, without the client's address: the server keeps no trace of where its users' mail is handed in,
/// and for mail from outside EHLO's name and TLS say what a reader can use.
pub(in crate::flow) fn received(peer: &Peer, hostname: &str, id: QueueId, date: String) -> Field {
    let protocol = match (peer.extended, &peer.tls) {
        (false, None) => "SMTP",
        (false, Some(_)) | (true, Some(_)) => "ESMTPS",
        (true, None) => "ESMTP",
    };
    let helo: String =
        peer.helo.chars().filter(|c| c.is_ascii_graphic() && !"();<>\"\\".contains(*c)).take(255).collect();
    let helo = if helo.is_empty() { "unknown" } else { &helo };
    let tls = peer.tls.as_ref().map(|tls| format!(" ({tls})")).unwrap_or_default();
    Field::raw("Received", &format!("from {helo} by {hostname} with {protocol}{tls} id {id}; {date}"))
}

impl Flow {
    /// Commits what a message leads to; on failure the body files are removed again.
    pub(in crate::flow) async fn commit_taking(
        &self,
        commands: Vec<Command>,
    ) -> Result<Vec<Outcome>, TakeError> {
        let bodies: Vec<Body> = commands.iter().filter_map(body_of).cloned().collect();
        let queued: Vec<QueueId> = commands.iter().filter_map(queued_by).collect();
        match self.store.commit(commands).await {
            Ok(outcomes) => Ok(outcomes),
            Err(error) => {
                self.forget(&bodies, &queued);
                Err(error.into())
            }
        }
    }

    /// Removes the body files of commands that are not committed, and gives back their room in the queue.
    pub(in crate::flow) fn discard(&self, commands: &[Command]) {
        let bodies: Vec<Body> = commands.iter().filter_map(body_of).cloned().collect();
        let queued: Vec<QueueId> = commands.iter().filter_map(queued_by).collect();
        self.forget(&bodies, &queued);
    }

    /// What a crash leaves, the sweeper finds.
    fn forget(&self, bodies: &[Body], queued: &[QueueId]) {
        queued.iter().for_each(|id| self.queue.left(*id));
        for body in bodies {
            if let Err(why) = self.store.bodies().unlink(body) {
                tracing::debug!(%why, "a body file stays until it is swept");
            }
        }
    }

    async fn first_account(&self) -> Result<Option<MailboxId>, TakeError> {
        let mut after = None;
        let mut first: Option<Arc<MailboxRecord>> = None;
        loop {
            let page = self.store.mailboxes(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for record in page {
                let earlier = first
                    .as_ref()
                    .is_none_or(|known| (record.created, record.id) < (known.created, known.id));
                if record.kind == MailboxKind::Account && earlier {
                    first = Some(record);
                }
            }
        }
        Ok(first.map(|record| record.id))
    }
}

/// The message that a command queues.
fn queued_by(command: &Command) -> Option<QueueId> {
    match command {
        Command::Enqueue(queued) => Some(queued.record.id),
        _ => None,
    }
}

/// The body that a command brings.
fn body_of(command: &Command) -> Option<&Body> {
    match command {
        Command::Deliver(delivery) | Command::DeliverOnce(delivery) => Some(&delivery.record.body),
        Command::Enqueue(queued) => Some(&queued.record.body),
        _ => None,
    }
}
