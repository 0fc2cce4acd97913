//! Samples of the mails to people outside, with made-up facts: which are wished for, and how they are sent.
//!
//! What goes out is written, signed and queued as the real mails are. That it is a sample says the subject, which no
//! template words, and a field of the header; the mail itself stays what it is to be judged by. Its link and code open
//! nothing.

use crate::base::address::Address;
use crate::base::address::Domain;
use crate::base::id::QueueId;
use crate::base::language::Language;
use crate::base::language::Languages;
use crate::config::Config;
use crate::config::section::LocalDomain;
use crate::flow::Flow;
use crate::flow::intake::RACES;
use crate::flow::letters::Answers;
use crate::flow::letters::Post;
use crate::flow::letters::worded;
use crate::flow::notices;
use crate::flow::refusal::TakeError;
use crate::flow::sealing::Place;
use crate::flow::sealing::Receiver;
use crate::flow::signing;
use crate::mime::header::Field;
use crate::policy::recipient;
use crate::policy::recipient::LocalFact;
use crate::policy::tls::Demand;
use crate::store::command::Command;
use crate::store::command::Refusal;
use crate::store::error::StoreError;
use crate::store::record::Folder;
use crate::store::record::MailboxKind;
use crate::store::record_queue::Purpose;
use crate::texts::sample;
use crate::texts::sample::House;
use crate::texts::sample::Sample;
use crate::texts::template::Kind;
use crate::texts::template::Wordings;
use crate::texts::text;
use std::path::PathBuf;
use thiserror::Error;

/// Mails that one wish sends: twice all that there are in every shape and two languages.
pub const MOST: usize = 60;

/// Which samples.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// This mail alone.
    pub mail: Option<Kind>,
    /// Of this domain alone.
    pub domain: Option<Domain>,
    /// As messages of this account cause them.
    pub from: Option<Address>,
    /// In this language alone.
    pub language: Option<Language>,
    /// In every shape.
    pub all: bool,
}

/// A sample, and where its words come from.
#[derive(Clone, Debug)]
pub struct Worded<'a> {
    /// Who writes.
    pub domain: &'a LocalDomain,
    /// In which languages.
    pub languages: Languages,
    /// The templates that word it; none where our own words stand.
    pub templates: Vec<PathBuf>,
    /// What it says.
    pub sample: Sample,
}

/// A sample that was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Who writes.
    pub domain: Domain,
    /// Which mail, in which shape, as it went out.
    pub sample: Sample,
    /// In which languages.
    pub languages: Languages,
    /// The templates that word it.
    pub templates: Vec<PathBuf>,
    /// In the queue; nothing where it lies in an INBOX here.
    pub queue: Option<QueueId>,
}

/// Why no sample was made or sent.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SampleError {
    /// Not one of the domains of guard.toml.
    #[error("{0} is not a domain of this server")]
    ForeignDomain(Domain),
    /// An account of one domain, and the mails of another.
    #[error("{0} is no account of that domain")]
    OtherDomain(Address),
    /// Too many at once.
    #[error("more than {MOST} mails at once: name the mail, the domain or the language")]
    TooMany,
    /// Ours, but nobody's.
    #[error("{0} is not known here")]
    Unknown(Address),
    /// Where answers to these mails go.
    #[error("{0} is the address of such mails: nobody reads what is sent there")]
    OfNotices(Address),
    /// Two mails of ours have come back from there.
    #[error("mails to {0} came back: nothing is sent there until its recipient signs in")]
    CameBack(Address),
    /// The mailbox here is full.
    #[error("the mailbox of {0} is full")]
    Full(Address),
    /// It was not taken.
    #[error(transparent)]
    Take(#[from] TakeError),
}

impl From<StoreError> for SampleError {
    fn from(error: StoreError) -> Self {
        Self::Take(error.into())
    }
}

/// The samples that are wished for, at most `most`.
pub fn wished<'a>(
    config: &'a Config,
    wordings: &Wordings,
    wish: &Wish,
    most: usize,
) -> Result<Vec<Worded<'a>>, SampleError> {
    let account = wish.from.as_ref().map(|from| main_address(config, from)).transpose()?;
    let mut found = Vec::new();
    for domain in domains(config, wish, account.as_ref())? {
        for languages in written_in(domain, wish.language) {
            let samples = samples_of(config, domain, account.as_ref(), wordings, languages);
            let wished = samples.into_iter().filter(|one| wish.mail.is_none_or(|mail| mail == one.kind));
            let mut wished: Vec<Sample> = wished.collect();
            if !wish.all {
                wished.dedup_by_key(|sample| sample.kind);
            }
            if found.len() + wished.len() > most {
                return Err(SampleError::TooMany);
            }
            let choice = wordings.choice(&domain.name, account.as_ref());
            found.extend(wished.into_iter().map(|sample| Worded {
                domain,
                languages,
                templates: languages.all().filter_map(|one| choice.file_of(sample.kind, one)).collect(),
                sample,
            }));
        }
    }
    Ok(found)
}

/// The address of an account that writes as this one, which may be its alias.
fn main_address(config: &Config, from: &Address) -> Result<Address, SampleError> {
    let domain = config.main_domain(from.domain());
    let domain = domain.ok_or_else(|| SampleError::ForeignDomain(from.domain().clone()))?;
    Address::new(from.local(), domain.name.clone()).map_err(|_| SampleError::Unknown(from.clone()))
}

fn domains<'a>(
    config: &'a Config,
    wish: &Wish,
    account: Option<&Address>,
) -> Result<Vec<&'a LocalDomain>, SampleError> {
    let wished = match (&wish.domain, account) {
        (Some(domain), Some(account)) if domain != account.domain() => {
            return Err(SampleError::OtherDomain(account.clone()));
        }
        (domain, account) => domain.as_ref().or_else(|| account.map(Address::domain)),
    };
    let Some(domain) = wished else { return Ok(config.domains.iter().collect()) };
    let found = config.domain(domain).ok_or_else(|| SampleError::ForeignDomain(domain.clone()))?;
    Ok(vec![found])
}

/// As to somebody who has chosen no language, unless one is wished for.
fn written_in(domain: &LocalDomain, wished: Option<Language>) -> Vec<Languages> {
    match (wished, domain.second_language) {
        (Some(language), _) => vec![language.into()],
        (None, None) => domain.portal.languages.iter().copied().map(Languages::from).collect(),
        (None, second) => vec![Languages { first: domain.language, second }],
    }
}

fn samples_of(
    config: &Config,
    domain: &LocalDomain,
    account: Option<&Address>,
    wordings: &Wordings,
    languages: Languages,
) -> Vec<Sample> {
    let Some(notices) = config.notice_address(&domain.name) else { return Vec::new() };
    let house = House {
        head: &worded(domain, account, wordings),
        domain: &domain.name,
        sender: account,
        notices: &notices,
        portal: &domain.portal.url.to_string(),
        host: domain.portal.url.host(),
    };
    sample::samples(&house, languages)
}

/// Where samples go.
enum Way {
    /// Into an INBOX here.
    Here(Box<Receiver>),
    /// Out, under this policy.
    Out(Demand),
}

impl Flow {
    /// Sends all that are wished for, or none: durably queued, or in an INBOX here. `wordings` are those to be tried.
    pub async fn send_samples(
        &self,
        wordings: &Wordings,
        wish: &Wish,
        to: &Address,
    ) -> Result<Vec<Sent>, SampleError> {
        let config = self.config();
        let samples = wished(&config, wordings, wish, MOST)?;
        if samples.is_empty() {
            return Ok(Vec::new());
        }
        let made = signing::make_missing_keys(&*self.store, &config, self.clock.now()).await;
        made.map_err(TakeError::internal)?;
        // A command by itself has not looked yet what the queue holds.
        self.queue.measure(&*self.store).await?;
        let mut tries = 0;
        loop {
            match self.try_samples(&samples, to).await {
                Err(SampleError::Take(error)) if error.is_race() && tries < RACES => tries += 1,
                Err(SampleError::Take(TakeError::Store(StoreError::Refused {
                    why: Refusal::OverQuota,
                    ..
                }))) => return Err(SampleError::Full(to.clone())),
                sent => return sent,
            }
        }
    }

    async fn try_samples(&self, samples: &[Worded<'_>], to: &Address) -> Result<Vec<Sent>, SampleError> {
        let way = self.way_of_samples(to).await?;
        let mut commands = Vec::with_capacity(samples.len() + 1);
        if let Way::Here(receiver) = &way {
            commands.extend(self.still_alias(to, receiver.record.id));
        }
        let mut sent = Vec::with_capacity(samples.len());
        for worded in samples {
            match self.sample(worded, to, &way).await {
                Ok((command, one)) => {
                    commands.push(command);
                    sent.push(one);
                }
                Err(error) => {
                    self.discard(&commands);
                    return Err(error.into());
                }
            }
        }
        self.commit_taking(commands).await?;
        self.queue_bell.notify_one();
        let to = self.index.log_name(to);
        tracing::info!(to, count = sent.len(), "samples of mails sent");
        Ok(sent)
    }

    /// One of them, as the command that queues or lays it.
    async fn sample(
        &self,
        worded: &Worded<'_>,
        to: &Address,
        way: &Way,
    ) -> Result<(Command, Sent), TakeError> {
        let Worded { domain, languages, templates, mut sample } = worded.clone();
        let said = [("subject", (&worded.sample.mail.subject).into())];
        sample.mail.subject = text(languages.first, "mail-sample-subject", &said);
        let id = self.queue_id();
        let post = Post {
            domain,
            to,
            text: &sample.mail,
            id,
            purpose: Purpose::Mail,
            owner: None,
            demand: match way {
                Way::Here(_) => Demand::default(),
                Way::Out(demand) => *demand,
            },
            answers: (sample.kind == Kind::AutoAnswer).then_some(Answers { message_id: None }),
            encrypted_to: None,
            sample: Some(sample.kind),
        };
        let (command, queue) = match way {
            Way::Out(_) => (self.post(post).await?, Some(id)),
            Way::Here(receiver) => (self.lay_sample(&post, receiver).await?, None),
        };
        Ok((command, Sent { domain: domain.name.clone(), sample, languages, templates, queue }))
    }

    /// Into an INBOX here, as it would go out, with what a delivery writes above it.
    async fn lay_sample(&self, post: &Post<'_>, receiver: &Receiver) -> Result<Command, TakeError> {
        let signed = self.signed_letter(post).await?;
        let sender = signed.sender.as_ref().map(ToString::to_string).unwrap_or_default();
        let trace = [
            Field::raw("Return-Path", &format!("<{sender}>")).bytes(),
            Field::raw("Delivered-To", &post.to.to_string()).bytes(),
        ]
        .concat();
        let place = Place { folder: Some(Folder::INBOX), ..Place::default() };
        Ok(Command::Deliver(self.delivery(receiver, signed.message.behind(&trace), place).await?))
    }

    /// To an account here, by any of its addresses; else out, as any mail to that address goes.
    async fn way_of_samples(&self, to: &Address) -> Result<Way, SampleError> {
        let config = self.config();
        if config.is_local(to.domain()) {
            let local = recipient::local_fact(to.local(), &config.temporary_mailbox.notice_from);
            if local == LocalFact::Notice {
                return Err(SampleError::OfNotices(to.clone()));
            }
            let unknown = || SampleError::Unknown(to.clone());
            let account = self.local_account(to).await?.ok_or_else(unknown)?;
            let receiver = self.receiver(account).await?.ok_or_else(unknown)?;
            return Ok(Way::Here(Box::new(receiver)));
        }
        let Some(mailbox) = self.store.mailbox_of(&to.key()).await? else {
            return Ok(Way::Out(Demand::default()));
        };
        let record = self.store.mailbox(mailbox).await?;
        let Some(record) = record.filter(|record| record.kind == MailboxKind::Temporary) else {
            return Ok(Way::Out(Demand::default()));
        };
        if notices::are_given_up(&record) {
            return Err(SampleError::CameBack(to.clone()));
        }
        Ok(Way::Out(notices::policy_of(&record)?))
    }
}
