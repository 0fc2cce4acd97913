//! What commands do to the password, keys and shut generations of an account.

use crate::base::id::MailboxId;
use crate::store::change::Stop;
use crate::store::change_account;
use crate::store::change_account::Changed;
use crate::store::codec::KeyRow;
use crate::store::command::Outcome;
use crate::store::command::Refusal;
use crate::store::command_part::NewSlot;
use crate::store::command_part::PasswordChange;
use crate::store::command_part::Reopening;
use crate::store::command_part::Reset;
use crate::store::disk::Source;
use crate::store::draft::Draft;
use crate::store::key;
use crate::store::record::Fingerprint;
use crate::store::record::MailboxRecord;
use crate::store::record_life::Moment;

impl Draft<'_> {
    pub(crate) fn change_password(&mut self, change: PasswordChange) -> Result<Outcome, Stop> {
        let shred = self.place_for(&change.slot)?;
        self.account(change.account, |record| change_account::password(record, change, shred))
    }

    pub(crate) fn reset(&mut self, reset: Reset) -> Result<Outcome, Stop> {
        let shred = self.place_for(&reset.slot)?;
        let ran = self.ran()?;
        self.account(reset.account, |record| change_account::reset(record, reset, shred, ran))
    }

    pub(crate) fn reopen(&mut self, reopening: Reopening) -> Result<Outcome, Stop> {
        self.account(reopening.account, |record| change_account::reopen(record, reopening))
    }

    pub(crate) fn destroy_shut(&mut self, account: MailboxId, before: Moment) -> Result<Outcome, Stop> {
        self.mailbox(account)?.ok_or(Refusal::Gone)?;
        self.account(account, |record| change_account::destroy_shut(record, before))
    }

    pub(crate) fn put_recovery(
        &mut self,
        account: MailboxId,
        generation: u32,
        slot: NewSlot,
    ) -> Result<Outcome, Stop> {
        let shred = self.place_for(&slot)?;
        self.account(account, |record| change_account::put_recovery(record, generation, slot, shred))
    }

    pub(crate) fn note_recovery(
        &mut self,
        account: MailboxId,
        was: Option<&Fingerprint>,
        now: Option<Fingerprint>,
    ) -> Result<Outcome, Stop> {
        self.mailbox(account)?.ok_or(Refusal::Gone)?;
        self.account(account, |record| change_account::note_recovery(record, was, now))
    }

    /// Changes the record of an account, with what that means for keys and shred keys.
    fn account(
        &mut self,
        account: MailboxId,
        change: impl FnOnce(&mut MailboxRecord) -> Result<Changed, Stop>,
    ) -> Result<Outcome, Stop> {
        let mut record = self.mailbox(account)?.ok_or(Refusal::NotCurrent)?;
        let changed = change(&mut record)?;
        for key in changed.keys {
            self.put_key(account, key)?;
        }
        for fingerprint in &changed.dropped_keys {
            let at = key::key(account, fingerprint);
            if let Some(row) = self.row::<KeyRow>(&at)? {
                self.drop_key(&row)?;
                self.remove(at);
            }
        }
        self.shred(changed.dropped_slots);
        self.put_mailbox(&record)?;
        Ok(changed.outcome)
    }
}
