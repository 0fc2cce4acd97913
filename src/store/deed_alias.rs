//! What commands do to an account's secure alias and what belongs to it.

use crate::base::alias::AliasLevel;
use crate::base::id::MailboxId;
use crate::store::change::Stop;
use crate::store::change_alias;
use crate::store::command::Outcome;
use crate::store::command::Refusal;
use crate::store::disk::Source;
use crate::store::draft::Draft;
use crate::store::key;
use crate::store::record::Folder;
use crate::store::record::FolderRecord;
use crate::store::record_account::AliasRecord;
use crate::store::record_account::RefusedRecord;

impl Draft<'_> {
    pub(crate) fn put_alias(
        &mut self,
        account: MailboxId,
        alias: AliasRecord,
        expected: Option<AliasRecord>,
    ) -> Result<Outcome, Stop> {
        let mut record = self.mailbox(account)?.ok_or(Refusal::NotCurrent)?;
        change_alias::put(&mut record, alias, expected)?;
        self.put_mailbox(&record)
    }

    pub(crate) fn require_alias(
        &self,
        account: MailboxId,
        level: Option<AliasLevel>,
    ) -> Result<Outcome, Stop> {
        let record = self.mailbox(account)?.ok_or(Refusal::NotCurrent)?;
        change_alias::require(&record, level)?;
        Ok(Outcome::Done)
    }

    pub(crate) fn put_refused(
        &mut self,
        account: MailboxId,
        refused: &RefusedRecord,
        expected: Option<&RefusedRecord>,
    ) -> Result<Outcome, Stop> {
        let at = key::of(key::REFUSED, account);
        let there: Option<RefusedRecord> = self.row(&at)?;
        change_alias::check_refused(self.mailbox(account)?.as_ref(), there.as_ref(), expected)?;
        self.put(at, refused)?;
        Ok(Outcome::Done)
    }

    pub(crate) fn open_folder(&mut self, account: MailboxId, folder: Folder) -> Result<Outcome, Stop> {
        let record = self.mailbox(account)?.ok_or(Refusal::Gone)?;
        let at = key::folder(account, folder);
        let inbox: FolderRecord = self.row(&key::folder(account, Folder::INBOX))?.ok_or(Refusal::Gone)?;
        let made = change_alias::late_folder(&record, folder, &inbox)?;
        if !self.holds(&at)? {
            self.put(at, &made)?;
            self.effects().changed.insert(account);
        }
        Ok(Outcome::Done)
    }
}
