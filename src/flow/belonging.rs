//! To which of several domains a temporary mailbox belongs: whose account invited to it.

use crate::base::address::Domain;
use crate::base::id::InvitationId;
use crate::base::id::MailboxId;
use crate::flow::Flow;
use crate::store::error::StoreError;
use crate::vault::primitives::lp;
use crate::vault::primitives::mac;

impl Flow {
    /// The domain of the account that made a temporary mailbox; when that is gone, of the first that wrote to it and is
    /// still there.
    pub async fn domain_of(&self, mailbox: MailboxId) -> Result<Option<Domain>, StoreError> {
        let Some(record) = self.store.mailbox(mailbox).await? else { return Ok(None) };
        for account in record.inviter.iter().chain(&record.correspondents) {
            if let Some(domain) = self.domain_of_account(*account).await? {
                return Ok(Some(domain));
            }
        }
        Ok(None)
    }

    /// The same of an invitation. An id that nobody has belongs to one of `offered`, always to the same: by this nobody
    /// learns whether there is such an invitation.
    pub async fn domain_of_invitation(
        &self,
        id: InvitationId,
        offered: &[&Domain],
    ) -> Result<Option<Domain>, StoreError> {
        let Some(invitation) = self.store.invitation(id).await? else {
            let [byte, ..] = mac(&self.keys.token, &lp(&[b"domain", id.bytes()]));
            let at = usize::from(byte).checked_rem(offered.len());
            return Ok(at.and_then(|at| offered.get(at)).map(|domain| (*domain).clone()));
        };
        match self.domain_of_account(invitation.sender).await? {
            Some(domain) => Ok(Some(domain)),
            None => self.domain_of(invitation.mailbox).await,
        }
    }

    async fn domain_of_account(&self, account: MailboxId) -> Result<Option<Domain>, StoreError> {
        let account = self.store.mailbox(account).await?;
        let config = self.config();
        let domain = account.and_then(|account| config.main_domain(account.address.domain()));
        Ok(domain.map(|domain| domain.name.clone()))
    }
}
