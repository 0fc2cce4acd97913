//! The warning to the recipient of a temporary mailbox that is about to close.

use crate::base::address::Address;
use crate::base::envelope::Recipient;
use crate::base::time::Time;
use crate::config::Config;
use crate::config::section::LocalDomain;
use crate::flow::Flow;
use crate::flow::life;
use crate::flow::notes::letterhead;
use crate::flow::notes::script_for;
use crate::flow::outgoing::Outgoing;
use crate::flow::refusal::TakeError;
use crate::flow::returned;
use crate::mime::compose::Automatic;
use crate::mime::compose::Letter;
use crate::mime::compose::Person;
use crate::policy::closing;
use crate::policy::tls::Demand;
use crate::store::command::Command;
use crate::store::record::InvitationRecord;
use crate::store::record::MailboxRecord;
use crate::store::record::Purpose;
use crate::texts::closing as texts;
use crate::texts::closing::Keep;

impl Flow {
    /// Queues the warning of `days` before, which names the date, and puts it on record, in one commit. Nobody is told
    /// when it comes back; that it did counts as settled.
    pub(in crate::flow) async fn warn(
        &self,
        record: &MailboxRecord,
        days: u16,
        closes: Time,
    ) -> Result<(), TakeError> {
        let config = self.config();
        let invitation = match record.invitation {
            Some(invitation) => self.store.invitation(invitation).await?,
            None => None,
        };
        let inviter = self.inviter(record, invitation.as_ref()).await?;
        let domain = house(&config, inviter.as_ref())?;
        let login_url = format!("{}/login", domain.portal.url);
        let keep = match &invitation {
            Some(invitation) if life::is_dead(invitation) => Keep::Ask { inviter: inviter.as_ref() },
            Some(invitation) => Keep::Open { inviter: inviter.as_ref(), invited: invitation.created },
            None => Keep::SignIn { login_url: &login_url },
        };
        let facts = texts::Warning {
            recipient: &record.address,
            closes,
            goes: closes + closing::GRACE,
            days: config.temporary_mailbox.inactivity_days,
            keep,
            host: domain.portal.url.host(),
        };
        let text = texts::warning(&letterhead(domain), &facts, record.language);
        let from =
            config.notice_address(&domain.name).ok_or_else(|| TakeError::internal("no notice address"))?;
        let notices = Person { name: Some(domain.portal.brand.clone()), address: from.clone() };
        let letter = Letter {
            from: notices.clone(),
            reply_to: Some(notices),
            to: vec![Person::unnamed(record.address.clone())],
            cc: Vec::new(),
            subject: text.subject.clone(),
            date: self.clock.now(),
            message_id: self.message_id(&domain.name),
            in_reply_to: None,
            references: Vec::new(),
            automatic: Some(Automatic::Generated),
        };
        let script = script_for(&record.address);
        let message = letter.alternative(&text.text, &text.html, &self.boundary(), script);
        let message = self.signed(self.own_message(&message)?, &domain.name).await?;
        let id = self.queue_id();
        let item = Outgoing {
            id,
            purpose: Purpose::Warning(record.id, days),
            sender: returned::return_address(&config, &from, id),
            owner: None,
            recipients: vec![Recipient::plain(record.address.clone())],
            demand: Demand::default(),
            eight_bit: true,
            smtputf8: record.address.needs_smtputf8(),
            ret: None,
            envid: None,
            secret: false,
        };
        let queued = self.outgoing(item, message).await?;
        let noted = Command::NoteWarning {
            mailbox: record.id,
            days,
            queue: id,
            not_active_since: record.last_activity,
        };
        self.commit_taking(vec![queued, noted]).await?;
        self.queue_bell.notify_one();
        tracing::info!(mailbox = %record.id, queue = %id, days, %closes, "temporary mailbox warned");
        Ok(())
    }

    /// The account that invited, if it is still there.
    async fn inviter(
        &self,
        record: &MailboxRecord,
        invitation: Option<&InvitationRecord>,
    ) -> Result<Option<Address>, TakeError> {
        let account = invitation.map(|invitation| invitation.sender).or(record.inviter);
        let Some(account) = account else { return Ok(None) };
        Ok(self.store.mailbox(account).await?.map(|account| account.address.clone()))
    }
}

/// The domain that speaks to the recipient: that of the inviter, else the first.
fn house<'a>(config: &'a Config, inviter: Option<&Address>) -> Result<&'a LocalDomain, TakeError> {
    let theirs = inviter.and_then(|inviter| config.main_domain(inviter.domain()));
    theirs.or_else(|| config.domains.first()).ok_or_else(|| TakeError::internal("no domain"))
}
