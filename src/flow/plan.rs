//! The plan for a submitted message: facts about each recipient, and one decision for each.

use crate::base::address::Address;
use crate::base::envelope::Recipient;
use crate::base::id::MailboxId;
use crate::base::reply;
use crate::config::Config;
use crate::config::section::EncryptionRule;
use crate::config::section::Mode as ModeSetting;
use crate::config::section::OnBadKey as OnBadKeySetting;
use crate::config::section::RuleAction;
use crate::flow::Flow;
use crate::flow::draft::Draft;
use crate::flow::refusal::TakeError;
use crate::flow::sealing::Receiver;
use crate::openpgp::certificate::Certificate;
use crate::policy::encryption;
use crate::policy::encryption::Conversation;
use crate::policy::encryption::Decision;
use crate::policy::encryption::Mode;
use crate::policy::encryption::OnBadKey;
use crate::policy::encryption::Rule;
use crate::policy::encryption::Said;
use crate::policy::tag::Invite;
use crate::store::record::MailboxKind;
use crate::store::record::MailboxState;
use crate::texts::report;

/// What becomes of the message for one recipient, with what that needs.
pub(in crate::flow) struct Planned {
    /// Who, as the envelope has it.
    pub recipient: Recipient,
    /// What.
    pub way: Way,
    /// What answers to it continue, whichever way it takes.
    pub answers: Conversation,
}

impl Planned {
    /// Are answers to the message encrypted by themselves?
    pub(in crate::flow) fn stays_encrypted(&self) -> bool {
        self.way.is_encrypted() || self.answers == Conversation::Encrypted
    }
}

/// The ways a message takes.
pub(in crate::flow) enum Way {
    /// Into an account of ours.
    Local(Box<Receiver>),
    /// PGP/MIME to this certificate.
    Pgp(Certificate),
    /// Into a temporary mailbox that is to be made.
    NewMailbox,
    /// Into a temporary mailbox that is there.
    Mailbox(Box<Receiver>),
    /// Into one that nobody has opened, with another link and PIN.
    Renewal(Box<Receiver>),
    /// Into another one than the one that is there.
    Anew(Box<Receiver>),
    /// As it is.
    Plain,
}

impl Way {
    /// The word of the Sent copy.
    pub(in crate::flow) const fn word(&self) -> &'static str {
        match self {
            Self::Local(_) => "local",
            Self::Pgp(_) => "pgp",
            Self::NewMailbox | Self::Mailbox(_) | Self::Renewal(_) | Self::Anew(_) => "temporary-mailbox",
            Self::Plain => "plain",
        }
    }

    /// Where it ends, if that is on this server.
    pub(in crate::flow) const fn here(&self) -> Option<report::Way> {
        match self {
            Self::Local(_) => Some(report::Way::Account),
            Self::NewMailbox | Self::Mailbox(_) | Self::Renewal(_) | Self::Anew(_) => {
                Some(report::Way::TemporaryMailbox)
            }
            Self::Pgp(_) | Self::Plain => None,
        }
    }

    /// Nobody but the recipient can read it.
    pub(in crate::flow) const fn is_encrypted(&self) -> bool {
        matches!(self, Self::Pgp(_) | Self::NewMailbox | Self::Mailbox(_) | Self::Renewal(_) | Self::Anew(_))
    }
}

/// What the store knows of a recipient.
struct Facts {
    account: Option<MailboxId>,
    mailbox: Option<Receiver>,
    certificate: encryption::Certificate,
    parsed: Option<Certificate>,
}

impl Flow {
    /// One decision for each recipient; the first that is refused refuses the message for everybody.
    pub(in crate::flow) async fn plan(
        &self,
        draft: &Draft,
        conversation: Conversation,
        recipients: &[Recipient],
    ) -> Result<Vec<Planned>, TakeError> {
        let config = self.config();
        let mut planned: Vec<Planned> = Vec::with_capacity(recipients.len());
        // What its author encrypted to the recipients stays as it is, unless they are told otherwise.
        let owed = if draft.encrypted { Conversation::New } else { conversation };
        for recipient in recipients {
            let key = recipient.address.key();
            if planned.iter().any(|earlier| earlier.recipient.address.key() == key) {
                continue;
            }
            let senders = [&draft.author, &draft.account];
            let rule = rule(&config, senders, &recipient.address);
            let way = self.way(&config, rule, draft.said, owed, &recipient.address).await?;
            let way = match draft.invite {
                None => way,
                Some(invite) => asked(invite, way, &recipient.address)?,
            };
            let answers = encryption::answers(rule, draft.said, conversation);
            planned.push(Planned { recipient: recipient.clone(), way, answers });
        }
        let new = planned.iter().filter(|one| matches!(one.way, Way::NewMailbox | Way::Anew(_))).count();
        if new > crate::base::limits::NEW_MAILBOXES {
            return Err(TakeError::Refused(reply::TOO_MANY_NEW_MAILBOXES));
        }
        Ok(planned)
    }

    /// What becomes of a message under the [`rule`] for its senders and one recipient; the same whether it is sent or
    /// only asked about.
    pub(in crate::flow) async fn way(
        &self,
        config: &Config,
        rule: Rule,
        said: Said,
        conversation: Conversation,
        address: &Address,
    ) -> Result<Way, TakeError> {
        let facts = self.facts(config, address).await?;
        let refused =
            |why: encryption::Refusal| TakeError::Policy(format!("<{address}>: {why}; nothing was sent"));
        let want = encryption::want(rule, said, conversation, mode(config)).map_err(refused)?;
        let recipient = match (&facts.account, &facts.mailbox) {
            (Some(_), _) => encryption::Recipient::Account,
            (None, None) => encryption::Recipient::Outside(facts.certificate, encryption::Mailbox::None),
            (None, Some(mailbox)) => {
                let state = match mailbox.record.state {
                    MailboxState::Unopened => encryption::Mailbox::Unopened,
                    MailboxState::Open => encryption::Mailbox::Open,
                    MailboxState::Closed => encryption::Mailbox::None,
                };
                encryption::Recipient::Outside(facts.certificate, state)
            }
        };
        let missing = || TakeError::internal("a decision without its facts");
        match encryption::decide(want, recipient, on_bad_key(config)) {
            Decision::Local => {
                let account = facts.account.ok_or_else(missing)?;
                let receiver = self.receiver(account).await?.ok_or(TakeError::UnknownRecipient)?;
                Ok(Way::Local(Box::new(receiver)))
            }
            Decision::Pgp => facts.parsed.map(Way::Pgp).ok_or_else(missing),
            Decision::NewTemporaryMailbox => Ok(Way::NewMailbox),
            Decision::TemporaryMailbox => {
                facts.mailbox.map(|mailbox| Way::Mailbox(Box::new(mailbox))).ok_or_else(missing)
            }
            Decision::Plain => Ok(Way::Plain),
            Decision::Refuse(why) => Err(refused(why)),
        }
    }

    async fn facts(&self, config: &Config, address: &Address) -> Result<Facts, TakeError> {
        let mut facts =
            Facts { account: None, mailbox: None, certificate: encryption::Certificate::None, parsed: None };
        if config.is_local(address.domain()) {
            facts.account = Some(self.local_account(address).await?.ok_or(TakeError::UnknownRecipient)?);
            return Ok(facts);
        }
        if let Some(mailbox) = self.store.mailbox_of(&address.key()).await?
            && let Some(receiver) = self.receiver(mailbox).await?
            && receiver.record.kind == MailboxKind::Temporary
        {
            facts.mailbox = Some(receiver);
        }
        if let Some(record) = self.store.certificate(&address.key()).await? {
            let parsed = self.certificates.parsed(&record.fingerprint.0, &record.certificate);
            let usable = parsed.ok().filter(|certificate| certificate.usable(self.clock.now()).is_ok());
            facts.certificate = match usable {
                Some(_) => encryption::Certificate::Usable,
                None => encryption::Certificate::Unusable,
            };
            facts.parsed = usable;
        }
        Ok(facts)
    }
}

/// What the sender asked for in the place of the usual way; colleagues get the message as ever.
fn asked(invite: Invite, way: Way, address: &Address) -> Result<Way, TakeError> {
    let why = match (invite, way) {
        (_, Way::Local(account)) => return Ok(Way::Local(account)),
        (Invite::New, Way::NewMailbox) => return Ok(Way::NewMailbox),
        (Invite::New, Way::Mailbox(mailbox) | Way::Renewal(mailbox) | Way::Anew(mailbox)) => {
            return Ok(Way::Anew(mailbox));
        }
        (Invite::Renew, Way::Mailbox(mailbox)) if mailbox.record.state == MailboxState::Unopened => {
            return Ok(Way::Renewal(mailbox));
        }
        (Invite::Renew, Way::Mailbox(_) | Way::Renewal(_) | Way::Anew(_)) => {
            "has opened the mailbox, so there is no invitation to renew"
        }
        (Invite::Renew, Way::NewMailbox) => "has no invitation that could be renewed",
        (_, Way::Pgp(_)) => "has an OpenPGP certificate on file, and needs no invitation",
        (_, Way::Plain) => "gets mail unencrypted by a rule, and needs no invitation",
    };
    Err(TakeError::Policy(format!("<{address}> {why}; nothing was sent")))
}

/// The first that fits a message from `from`, the author and the account; one for an account holds for its secure alias
/// too.
pub(in crate::flow) fn rule(config: &Config, from: [&Address; 2], to: &Address) -> Rule {
    let fits =
        |rule: &&EncryptionRule| from.into_iter().any(|from| rule.from.matches(from)) && rule.to.matches(to);
    let fits = config.encryption.rules.iter().find(fits);
    match fits.map(|rule| rule.action) {
        None => Rule::None,
        Some(RuleAction::Encrypt) => Rule::Encrypt,
        Some(RuleAction::Plain) => Rule::Plain,
        Some(RuleAction::Refuse) => Rule::Refuse,
    }
}

fn mode(config: &Config) -> Mode {
    match config.encryption.mode {
        ModeSetting::Requested => Mode::Requested,
        ModeSetting::KeyKnown => Mode::KeyKnown,
        ModeSetting::Always => Mode::Always,
    }
}

fn on_bad_key(config: &Config) -> OnBadKey {
    match config.encryption.on_bad_key {
        OnBadKeySetting::TemporaryMailbox => OnBadKey::TemporaryMailbox,
        OnBadKeySetting::Refuse => OnBadKey::Refuse,
    }
}
