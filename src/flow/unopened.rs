//! More mail for a mailbox that nobody has opened: the link again, another link, or nothing and the ways out.

use crate::base::address::Address;
use crate::config::section::PinRule;
use crate::flow::carry_out::Deed;
use crate::flow::controls::asking;
use crate::flow::draft::PinWish;
use crate::flow::invitation::Told;
use crate::flow::notes::Note;
use crate::flow::refusal::TakeError;
use crate::flow::sealing::Receiver;
use crate::policy::life;
use crate::policy::life::Event;
use crate::policy::life::State;
use crate::policy::tag::Invite;
use crate::store::command::Command;
use crate::store::command::Refusal;
use crate::store::error::StoreError;
use crate::store::record::InvitationRecord;
use crate::store::record::MailboxRecord;
use crate::texts::note::PinNews;
use crate::vault::mailbox_key::VaultEntry;

/// An invitation that was not used, as the account that writes sees it.
struct Waiting {
    invitation: InvitationRecord,
    /// Who can renew it, while that account is there.
    inviter: Option<Address>,
    /// What this account's vault holds of it.
    entry: Option<VaultEntry>,
    /// Its own vault opens the invitation.
    mine: bool,
    /// Where the mailbox is in its life.
    state: State,
}

impl Deed<'_> {
    /// The inviter sends the link again, others point to the invitation.
    pub(in crate::flow) async fn tell_again(&mut self, record: &MailboxRecord) -> Result<(), TakeError> {
        let address = &record.address;
        let waiting = self.waiting(record).await?;
        let event = match (self.wants_pin() && !waiting.invitation.has_pin, &waiting.entry) {
            (true, _) => Event::MailOtherPin,
            (false, Some(_)) => Event::MailInviter,
            (false, None) => Event::MailOther,
        };
        let told = life::next(waiting.state, event).told;
        match (told, &waiting.entry, &waiting.inviter) {
            (life::Told::SameInvitation, Some(entry), _) => {
                let Some(count) = self.flow.count_link(record, self.writer.demand) else {
                    self.notes.push(Note::LinkNotRepeated { recipient: address.clone() });
                    return Ok(());
                };
                let told = Told::Link { entry, renewed: false };
                self.commands.push(self.flow.tell_recipient(record, &self.writer, told).await?);
                self.commands.push(count);
                let pin = entry.pin.as_ref().map(|pin| pin.expose().to_owned());
                let ignored = match &self.draft.pin {
                    PinWish::Unsaid | PinWish::None => false,
                    PinWish::This(wish) => pin.as_deref() != Some(wish.as_str()),
                };
                self.tell_pin(address, pin, PinNews::Resent, ignored);
            }
            (life::Told::StillUnopened, _, Some(inviter)) => {
                let (inviter, invited) = (inviter.clone(), waiting.invitation.created);
                self.announce(record, Told::Waiting { inviter: inviter.clone(), invited }).await?;
                self.notes.push(Note::StillUnopened { recipient: address.clone(), inviter, invited });
            }
            _ => return Err(self.refuse(record, &waiting, event)),
        }
        Ok(())
    }

    /// Another link and PIN for the mailbox; the old ones open nothing any more.
    pub(in crate::flow) async fn renew(&mut self, receiver: &Receiver) -> Result<(), TakeError> {
        let record = receiver.record.clone();
        let mut waiting = self.waiting(&record).await?;
        let event = if waiting.entry.is_some() { Event::RenewInviter } else { Event::RenewOther };
        let entry = waiting.entry.take();
        let (life::Told::NewInvitation, Some(entry)) = (life::next(waiting.state, event).told, entry) else {
            return Err(self.refuse(&record, &waiting, event));
        };
        let pin = self.pin_for(&record.address)?;
        let Some(renewed) = self.flow.renewal(&record, self.who, entry, pin).await? else {
            waiting.state = State::Abandoned;
            return Err(self.refuse(&record, &waiting, event));
        };
        self.commands.extend(self.flow.cancel_invitations(record.id).await?);
        self.commands.push(Command::RenewInvitation(renewed.renewal));
        let told = Told::Link { entry: &renewed.entry, renewed: true };
        self.commands.push(self.flow.tell_recipient(&record, &self.writer, told).await?);
        self.commands.extend(self.flow.policy_of_link(&record, self.writer.demand));
        let pin = renewed.entry.pin.as_ref().map(|pin| pin.expose().to_owned());
        self.tell_pin(&record.address, pin, PinNews::Renewed, false);
        self.leave(receiver).await
    }

    fn wants_pin(&self) -> bool {
        matches!(self.draft.pin, PinWish::This(_))
            || self.flow.config().temporary_mailbox.pin == PinRule::Required
    }

    async fn waiting(&self, record: &MailboxRecord) -> Result<Waiting, TakeError> {
        // What is missing here was there when the record was read: another commit was first.
        let gone = || StoreError::Refused { index: 0, why: Refusal::Gone };
        let store = &self.flow.store;
        let id = record.invitation.ok_or_else(gone)?;
        let invitation = store.invitation(id).await?.ok_or_else(gone)?;
        let (mine, theirs) = (self.who.mailbox, invitation.sender);
        let sealed = store.vault_entry(mine, record.id).await?;
        let entry = sealed.and_then(|sealed| self.who.vault_entry(record.id, &sealed));
        let entry = entry.filter(|entry| entry.invitation == id);
        let inviter = store.mailbox(theirs).await?.map(|inviter| inviter.address.clone());
        let mut facts = self.flow.life_facts(record).await?;
        facts.abandoned |= mine == theirs && entry.is_none();
        Ok(Waiting { state: life::state(&facts), mine: entry.is_some(), invitation, inviter, entry })
    }

    /// Nothing of the message is taken: why, and both ways out.
    fn refuse(&self, record: &MailboxRecord, waiting: &Waiting, event: Event) -> TakeError {
        let address = &record.address;
        let config = self.flow.config();
        let (renew, new) = (asking(&config, Invite::Renew), asking(&config, Invite::New));
        let why = match (waiting.state, event) {
            (State::Dead, _) => "too many wrong PINs were tried on its invitation",
            (State::Unreachable, _) => "its invitation came back undelivered",
            (State::Abandoned, _) => "the account that invited is gone or was given a new key",
            (_, Event::RenewInviter | Event::RenewOther) => "its invitation is another account's",
            (..) => "its invitation was made without a PIN",
        };
        let first = match (&waiting.inviter, waiting.state) {
            (None, _) => "ask the recipient to open it with the link and the PIN from before".to_owned(),
            (Some(_), state) if waiting.mine && state != State::Abandoned => {
                format!("send it with {renew} for another link and PIN")
            }
            (Some(inviter), state)
                if state == State::Abandoned || waiting.invitation.sender == self.who.mailbox =>
            {
                format!("have the former password of <{inviter}> put back by the administrator")
            }
            (Some(inviter), _) => format!("ask <{inviter}> to send a message with {renew}"),
        };
        TakeError::Policy(format!(
            "<{address}> has a temporary mailbox that nobody has opened, and {why}; nothing was sent\n\
             {first}, or send yours with {new} for another mailbox"
        ))
    }
}
