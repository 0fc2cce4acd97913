//! The appliance's own letters: into the mailboxes here, and by mail to people outside.

use crate::base::address::Address;
use crate::base::address::Domain;
use crate::base::envelope::Recipient;
use crate::base::id::MailboxId;
use crate::base::id::QueueId;
use crate::base::language::Language;
use crate::base::language::Languages;
use crate::base::random::bytes;
use crate::config::section::LocalDomain;
use crate::flow::Flow;
use crate::flow::assembled::Piece;
use crate::flow::outgoing::Outgoing;
use crate::flow::refusal::TakeError;
use crate::flow::returned;
use crate::flow::sealing::Composed;
use crate::flow::sealing::Place;
use crate::flow::sealing::Receiver;
use crate::mime::compose;
use crate::mime::compose::Automatic;
use crate::mime::compose::Letter;
use crate::mime::compose::Person;
use crate::mime::header::Field;
use crate::mime::header::Script;
use crate::openpgp::certificate::Certificate;
use crate::policy::language;
use crate::policy::language::Facts;
use crate::policy::tls::Demand;
use crate::store::command::Command;
use crate::store::error::StoreError;
use crate::store::record::Folder;
use crate::store::record_queue::Purpose;
use crate::texts::letter::Letterhead;
use crate::texts::letter::MailText;
use crate::texts::template::Choice;
use crate::texts::template::Kind;
use crate::texts::template::Wordings;
use std::io::Write;

/// A letter to somebody outside, as the queue is to take it.
pub(in crate::flow) struct Post<'a> {
    /// Which of our domains writes.
    pub domain: &'a LocalDomain,
    /// To whom.
    pub to: &'a Address,
    /// What.
    pub text: &'a MailText,
    /// Its id in the queue, which its envelope sender names.
    pub id: QueueId,
    /// What for.
    pub purpose: Purpose,
    /// The account that is told when it comes back.
    pub owner: Option<MailboxId>,
    /// The TLS policy it goes under.
    pub demand: Demand,
    /// It answers automatically: then nobody is told when it comes back (RFC 3834 §3.3).
    pub answers: Option<Answers<'a>>,
    /// It goes as PGP/MIME to this certificate.
    pub encrypted_to: Option<&'a Certificate>,
    /// It is a sample of such a mail, and its header says so.
    pub sample: Option<Kind>,
}

/// What an automatic answer says of the message that it answers.
#[derive(Clone, Copy)]
pub(in crate::flow) struct Answers<'a> {
    /// Its Message-ID, if it has one, with angle brackets.
    pub message_id: Option<&'a str>,
}

/// A letter to somebody outside, written and signed.
pub(in crate::flow) struct Signed {
    /// The envelope sender.
    pub sender: Option<Address>,
    /// As it goes out.
    pub message: Composed,
}

/// Names the mail that a letter is a sample of.
pub(in crate::flow) const SAMPLE: &str = "X-Guardpost-Sample";

impl Flow {
    /// The command that lays a letter into a mailbox here, full or not: what it tells must not fail for that.
    pub(in crate::flow) async fn lay_letter(
        &self,
        receiver: &Receiver,
        domain: &LocalDomain,
        text: &MailText,
        folder: Folder,
    ) -> Result<Command, TakeError> {
        let letter = self.letter(domain, &receiver.record.address, text)?;
        let message = self.written(&letter, text)?;
        let place = Place { folder: Some(folder), beyond_quota: true, ..Place::default() };
        Ok(Command::Deliver(self.delivery(receiver, message, place).await?))
    }

    /// The command that queues a letter to somebody outside, signed.
    pub(in crate::flow) async fn post(&self, post: Post<'_>) -> Result<Command, TakeError> {
        let Signed { sender, message } = self.signed_letter(&post).await?;
        let Post { to, id, purpose, owner, demand, .. } = post;
        let item = Outgoing {
            id,
            purpose,
            sender,
            owner,
            recipients: vec![Recipient::plain(to.clone())],
            demand,
            eight_bit: true,
            smtputf8: to.needs_smtputf8(),
            ret: None,
            envid: None,
            secret: matches!(purpose, Purpose::Invitation(_)),
        };
        self.outgoing(item, message).await
    }

    /// The letter itself, as somebody outside gets it.
    pub(in crate::flow) async fn signed_letter(&self, post: &Post<'_>) -> Result<Signed, TakeError> {
        let mut letter = self.letter(post.domain, post.to, post.text)?;
        let sender = match post.answers {
            None => {
                letter.reply_to = Some(letter.from.clone());
                returned::return_address(&self.config(), &letter.from.address, post.id)
            }
            Some(answered) => {
                letter.in_reply_to = answered.message_id.map(str::to_owned);
                letter.references.extend(letter.in_reply_to.clone());
                letter.automatic = Some(Automatic::Replied);
                None
            }
        };
        letter.more.extend(post.sample.map(|kind| Field::raw(SAMPLE, kind.name())));
        let mut message = self.written(&letter, post.text)?;
        if let Some(certificate) = post.encrypted_to {
            message = self.for_owner_alone(certificate, message, self.clock.now()).await?;
        }
        let message = self.signed(message, &post.domain.name).await?;
        Ok(Signed { sender, message })
    }

    /// What somebody outside is written in by `domain`.
    pub(in crate::flow) async fn language_for(
        &self,
        domain: &LocalDomain,
        to: &Address,
    ) -> Result<Language, StoreError> {
        let on_record = self.on_record(to).await?;
        Ok(language::choose(&Facts {
            mailbox: on_record.map(|(language, _)| language),
            domain: to.domain(),
            offered: &domain.portal.languages,
            setting: domain.language,
        }))
    }

    /// In which languages `domain` writes to somebody outside; `first` is the one at the top.
    pub(in crate::flow) async fn languages_for(
        &self,
        domain: &LocalDomain,
        to: &Address,
        first: Language,
    ) -> Result<Languages, StoreError> {
        let chosen = self.on_record(to).await?.filter(|(_, chosen)| *chosen).map(|(language, _)| language);
        Ok(language::one_or_both(first, chosen, domain.language, domain.second_language))
    }

    /// The language that a mailbox of the address has on record, and whether its owner chose it there: the present
    /// mailbox, unless only a former one was opened.
    async fn on_record(&self, to: &Address) -> Result<Option<(Language, bool)>, StoreError> {
        let key = to.key();
        let mut found = None;
        for id in [self.store.mailbox_of(&key).await?, self.store.mailbox_former(&key).await?] {
            let Some(id) = id else { continue };
            let Some(record) = self.store.mailbox(id).await? else { continue };
            let chosen = record.opened.is_some();
            match found {
                None => found = Some((record.language, chosen)),
                Some((language, false)) if language == record.language => found = Some((language, chosen)),
                Some(_) => {}
            }
        }
        Ok(found)
    }

    /// The header of a letter: from the address of notices, caused by nobody directly.
    fn letter(&self, domain: &LocalDomain, to: &Address, text: &MailText) -> Result<Letter, TakeError> {
        let from = self.config().notice_address(&domain.name);
        let address = from.ok_or_else(|| TakeError::internal("no notice address"))?;
        Ok(Letter {
            from: Person { name: Some(domain.portal.brand.clone()), address },
            reply_to: None,
            to: vec![Person::unnamed(to.clone())],
            cc: Vec::new(),
            subject: text.subject.clone(),
            date: self.clock.now(),
            message_id: self.message_id(&domain.name),
            in_reply_to: None,
            references: Vec::new(),
            automatic: Some(Automatic::Generated),
            more: Vec::new(),
        })
    }

    /// The whole letter. UTF-8 stands in its header only where an address needs it.
    fn written(&self, letter: &Letter, text: &MailText) -> Result<Composed, TakeError> {
        let utf8 = letter.to.iter().any(|to| to.address.needs_smtputf8());
        let script = if utf8 { Script::Utf8 } else { Script::Ascii };
        self.own_message(&letter.alternative(&text.text, &text.html, &self.boundary(), script))
    }

    /// A message that is all ours.
    pub(in crate::flow) fn own_message(&self, message: &[u8]) -> Result<Composed, TakeError> {
        let mut spool = self.spools.begin();
        spool.write_all(message).map_err(TakeError::internal)?;
        let spool = spool.finish().map_err(TakeError::internal)?;
        let length = spool.length();
        Ok(Composed { spool, pieces: vec![Piece::Came(0..length)] })
    }

    /// A new Message-ID, with its angle brackets.
    pub(in crate::flow) fn message_id(&self, domain: &Domain) -> String {
        compose::message_id(&bytes(&*self.random), domain)
    }

    /// A boundary that no text holds by accident.
    pub(in crate::flow) fn boundary(&self) -> String {
        compose::boundary(&bytes(&*self.random))
    }
}

/// The head of every letter of a domain.
pub fn letterhead(domain: &LocalDomain) -> Letterhead<'_> {
    Letterhead {
        brand: &domain.portal.brand,
        accent: &domain.portal.accent,
        domain: domain.name.as_str(),
        imprint_url: domain.portal.imprint_url.as_deref(),
        privacy_url: domain.portal.privacy_url.as_deref(),
        contact: domain.portal.contact.as_deref(),
        words: Choice::NONE,
    }
}

/// The same with the domain's own words, for people outside; for what a message of `account` causes, with those of the
/// account before them.
pub fn worded<'a>(
    domain: &'a LocalDomain,
    account: Option<&Address>,
    wordings: &'a Wordings,
) -> Letterhead<'a> {
    Letterhead { words: wordings.choice(&domain.name, account), ..letterhead(domain) }
}
