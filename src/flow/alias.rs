//! Secure aliases: the addresses of accounts that take and send mail over TLS only.
//!
//! An alias has the local part of its account in the domain that guard.toml names. It is looked up where mail comes
//! and where mail is sent, each time anew, and held by a precondition of the commit: what is switched off is unknown
//! from then on.

use crate::base::address::Address;
use crate::base::address::AddressKey;
use crate::base::alias::AliasLevel;
use crate::base::id::MailboxId;
use crate::flow::Flow;
use crate::flow::accounts::AdminError;
use crate::flow::intake::RACES;
use crate::flow::refusal::TakeError;
use crate::flow::sign_in::Unlocked;
use crate::policy::recipient;
use crate::policy::recipient::LocalFact;
use crate::policy::sender;
use crate::policy::tls::Demand;
use crate::policy::tls::Sender;
use crate::store::command::Command;
use crate::store::command::Refusal;
use crate::store::error::StoreError;
use crate::store::record::MailboxKind;
use crate::store::record::MailboxRecord;
use crate::store::record_account::AliasRecord;
use std::sync::Arc;

/// The secure alias of an account.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Alias {
    /// Its address.
    pub address: Address,
    /// It takes and sends mail.
    pub active: bool,
    /// What its mail asks of other servers.
    pub level: AliasLevel,
}

/// The addresses under which an account writes.
pub(in crate::flow) struct Own {
    /// All of them.
    pub keys: Vec<AddressKey>,
    /// The one among them that is its secure alias.
    pub alias: Option<(AddressKey, AliasLevel)>,
}

impl Flow {
    /// The secure alias that an account has or can have; `None` where its domain has no domain for them.
    pub fn alias_of(&self, account: &MailboxRecord) -> Option<Alias> {
        let config = self.config();
        let domain = config.domain(account.address.domain())?.secure_alias_domain.clone()?;
        let address = Address::new(account.address.local(), domain).ok()?;
        let state = account.alias().unwrap_or(NEVER);
        Some(Alias { address, active: state.active, level: state.level })
    }

    /// Switches an account's alias on or off; its level stays what it was.
    pub async fn switch_alias(
        &self,
        account: &Address,
        active: bool,
    ) -> Result<Arc<MailboxRecord>, AdminError> {
        let record = self.change_alias(account, |alias| AliasRecord { active, ..alias }).await?;
        tracing::info!(account = %record.id, active, "secure alias switched");
        Ok(record)
    }

    /// Gives an account's alias a level: what is sent from now on goes under it.
    pub async fn set_alias_level(
        &self,
        account: &Address,
        level: AliasLevel,
    ) -> Result<Arc<MailboxRecord>, AdminError> {
        let record = self.change_alias(account, |alias| AliasRecord { level, ..alias }).await?;
        tracing::info!(account = %record.id, %level, "TLS policy of a secure alias set");
        Ok(record)
    }

    async fn change_alias(
        &self,
        account: &Address,
        change: impl Fn(AliasRecord) -> AliasRecord,
    ) -> Result<Arc<MailboxRecord>, AdminError> {
        for _ in 0..RACES {
            let record = self.mailbox_at(account, MailboxKind::Account).await?;
            let expected = record.alias();
            let alias = change(expected.unwrap_or(NEVER));
            // One whose domain guard.toml names no longer can still be switched off: else it would be on again with
            // the domain.
            let ends = expected.is_some_and(|alias| alias.active) && !alias.active;
            if self.alias_of(&record).is_none() && !ends {
                return Err(AdminError::NoAliasDomain(record.address.domain().to_string()));
            }
            if expected.unwrap_or(NEVER) == alias {
                return Ok(record);
            }
            let put = Command::PutAlias { account: record.id, alias, expected };
            match self.store.commit(vec![put]).await {
                Ok(_) => return self.mailbox_at(account, MailboxKind::Account).await,
                Err(StoreError::Refused { why: Refusal::NotCurrent, .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(AdminError::Changed)
    }

    /// The account whose alias this is, if it is active.
    pub(in crate::flow) async fn account_of_alias(
        &self,
        alias: &Address,
    ) -> Result<Option<MailboxId>, StoreError> {
        let config = self.config();
        let Some(section) = config.secure_alias(alias.domain()) else { return Ok(None) };
        let Ok(account) = Address::new(alias.local(), section.name.clone()) else { return Ok(None) };
        let Some(mailbox) = self.store.mailbox_of(&account.key()).await? else { return Ok(None) };
        let record = self.store.mailbox(mailbox).await?;
        let record = record.filter(|record| record.kind == MailboxKind::Account);
        Ok(record.filter(|record| record.alias().is_some_and(|alias| alias.active)).map(|record| record.id))
    }

    /// What a delivery to `address` needs to be in one list with, if that is an alias: that it still is one.
    pub(in crate::flow) fn still_alias(&self, address: &Address, account: MailboxId) -> Option<Command> {
        let config = self.config();
        config.secure_alias(address.domain())?;
        match recipient::local_fact(address.local(), &config.temporary_mailbox.notice_from) {
            LocalFact::Role => None,
            LocalFact::Name | LocalFact::Notice | LocalFact::Route => {
                Some(Command::RequireAlias { account, level: None })
            }
        }
    }

    /// The addresses under which somebody writes, as they are now.
    pub(in crate::flow) async fn own_addresses(&self, who: &Unlocked) -> Result<Own, StoreError> {
        let mut own = Own { keys: vec![who.address.key()], alias: None };
        if who.kind == MailboxKind::Account
            && let Some(record) = self.store.mailbox(who.mailbox).await?
            && let Some(alias) = self.alias_of(&record).filter(|alias| alias.active)
        {
            own.keys.push(alias.address.key());
            own.alias = Some((alias.address.key(), alias.level));
        }
        Ok(own)
    }

    /// The policy that a message of these senders goes under, with what holds it: the stricter side wins, so one of
    /// them that is the alias is enough.
    pub(in crate::flow) async fn demand_of(
        &self,
        who: &Unlocked,
        senders: &[Address],
    ) -> Result<(Demand, Option<Command>), TakeError> {
        let (own, config) = (self.own_addresses(who).await?, self.config());
        let alias = own.alias.as_ref().map(|(key, _)| key);
        let secure = sender::secure(senders, alias, |domain| config.secure_alias(domain).is_some())
            .map_err(TakeError::Refused)?;
        match own.alias {
            Some((_, level)) if secure => {
                let hold = Command::RequireAlias { account: who.mailbox, level: Some(level) };
                Ok((Demand::new(level.requirement(), Sender::Secure), Some(hold)))
            }
            _ => Ok((Demand::default(), None)),
        }
    }
}

/// An account that never heard of its alias.
const NEVER: AliasRecord = AliasRecord { active: false, level: AliasLevel::Encrypt };
