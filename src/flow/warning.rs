//! The warning to the recipient of a temporary mailbox that is about to close.

use crate::base::address::Address;
use crate::base::time::Time;
use crate::config::Config;
use crate::config::section::LocalDomain;
use crate::flow::Flow;
use crate::flow::letters::Post;
use crate::flow::letters::worded;
use crate::flow::life;
use crate::flow::notices::policy_of;
use crate::flow::refusal::TakeError;
use crate::policy::closing;
use crate::store::command::Command;
use crate::store::record::InvitationRecord;
use crate::store::record::MailboxRecord;
use crate::store::record_queue::Purpose;
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
        let languages = self.languages_for(domain, &record.address, record.language).await?;
        let text = texts::warning(&worded(domain, None, &self.wordings()), &facts, languages);
        let id = self.queue_id();
        let queued = self.post(Post {
            domain,
            to: &record.address,
            text: &text,
            id,
            purpose: Purpose::Warning(record.id, days),
            owner: None,
            demand: policy_of(record)?,
            answers: None,
            encrypted_to: None,
            sample: None,
        });
        let queued = queued.await?;
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
