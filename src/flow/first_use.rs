//! The first use of a temporary mailbox: link and PIN become a password that nobody can change or reset.

use crate::base::id::InvitationId;
use crate::base::id::MailboxId;
use crate::base::language::Language;
use crate::base::secret::Key;
use crate::base::secret::Secret;
use crate::base::time::Time;
use crate::flow::Flow;
use crate::flow::life::facts;
use crate::flow::life::is_dead;
use crate::flow::new_mailbox::FreshKey;
use crate::flow::new_mailbox::password_slot;
use crate::flow::notes::Note;
use crate::flow::password_work::PATIENCE;
use crate::flow::password_work::Permit;
use crate::flow::refusal::TakeError;
use crate::flow::sign_in::Source;
use crate::flow::sign_in::Unlocked;
use crate::flow::sign_in::slot_parts;
use crate::openpgp::secret_key::SecretKey;
use crate::policy::life::Event;
use crate::policy::life::Facts;
use crate::policy::life::Told;
use crate::policy::life::at_link;
use crate::policy::life::next;
use crate::store::command::Command;
use crate::store::command::Outcome;
use crate::store::command::Refusal;
use crate::store::command_part::FirstUse;
use crate::store::error::StoreError;
use crate::store::record::InvitationRecord;
use crate::store::record::InvitationState;
use crate::store::record::KeyRecord;
use crate::store::record::MailboxRecord;
use crate::store::record::SlotRecord;
use crate::threads;
use crate::vault::mailbox_key::MailboxKey;
use crate::vault::password::BadPassword;
use crate::vault::password::Password;
use crate::vault::pin::Pin;
use crate::vault::slot;
use crate::vault::slot::Opener;
use crate::vault::slot::Parameters;
use crate::vault::token::AccessToken;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// What a visit to a link shows. An unknown id looks like an open one with a PIN.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InvitationPage {
    /// Waits for its recipient.
    Open {
        /// A PIN is asked for.
        has_pin: bool,
        /// The language of the invitation, where it is known.
        language: Option<Language>,
    },
    /// A password was chosen.
    Used {
        /// When.
        at: Time,
    },
    /// A newer invitation took its place.
    Replaced,
    /// Ten wrong PINs.
    Dead,
    /// The mailbox has closed; for some days it can be reopened.
    Expired {
        /// When.
        at: Time,
    },
    /// The mailbox is gone.
    Deleted {
        /// When.
        at: Time,
    },
}

/// What the recipient typed.
#[derive(Debug)]
pub struct FirstUseForm {
    /// The access token, as typed or taken from the link.
    pub token: Secret<String>,
    /// The PIN; ignored where none is assigned.
    pub pin: Secret<String>,
    /// The new password.
    pub password: Secret<String>,
    /// The same again.
    pub confirm: Secret<String>,
    /// "I have noted my password" was ticked.
    pub understood: bool,
    /// The language of the page.
    pub language: Language,
    /// Where it comes from.
    pub source: Source,
}

/// A rule that the form did not keep; no try was used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rule {
    /// A PIN is assigned and none was typed.
    PinMissing,
    /// The password itself.
    Password(BadPassword),
    /// The two passwords differ.
    Mismatch,
    /// The tick is missing.
    NotUnderstood,
}

/// Why the mailbox was not opened.
#[derive(Clone, Debug, Error)]
pub enum FirstUseError {
    /// The token does not belong to the id, or there is no such id: one answer.
    #[error("the access token does not fit")]
    WrongToken,
    /// Rules that were not kept; no try was used.
    #[error("rules were not kept")]
    Rules(Vec<Rule>),
    /// A try was used.
    #[error("wrong PIN, {left} of {max} tries left")]
    WrongPin {
        /// Tries left.
        left: u8,
        /// Tries in all.
        max: u8,
    },
    /// The invitation is not open.
    #[error("the invitation is not open")]
    State(InvitationPage),
    /// The client's network failed too often.
    #[error("too many failures from this network")]
    Paused {
        /// When to come again.
        retry_after: Duration,
    },
    /// No room for the work now; no try was used.
    #[error("busy")]
    Busy {
        /// When to come again.
        retry_after: Duration,
    },
    /// Something inside failed.
    #[error("internal: {0}")]
    Internal(Arc<str>),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// PINs that may be tried.
pub const PIN_TRIES: u8 = 10;
/// After so many wrong PINs the sender is told for the first time.
const TELL_AFTER: u8 = 3;
/// "I have no PIN" reaches the sender at most this often.
const NO_PIN_STEP: Duration = Duration::from_secs(24 * 3600);

impl Flow {
    /// What a visit to the link shows; it changes nothing, whoever makes it.
    pub async fn invitation_page(&self, id: Option<InvitationId>) -> Result<InvitationPage, StoreError> {
        let unknown = InvitationPage::Open { has_pin: true, language: None };
        let Some(id) = id else { return Ok(unknown) };
        match self.store.invitation(id).await? {
            Some(invitation) => self.page(&invitation).await,
            None => Ok(unknown),
        }
    }

    /// What the link of an invitation shows, by the policy of a mailbox's life.
    async fn page(&self, invitation: &InvitationRecord) -> Result<InvitationPage, StoreError> {
        let record = self.store.mailbox(invitation.mailbox).await?;
        let Some(record) = record else { return Ok(InvitationPage::Deleted { at: invitation.changed }) };
        let closed = record.closed.map(|closed| closed.at);
        if invitation.state == InvitationState::Replaced && closed.is_none() {
            return Ok(InvitationPage::Replaced);
        }
        let state = at_link(&Facts { dead: is_dead(invitation), ..facts(&record) });
        Ok(match next(state, Event::Visit).told {
            Told::FirstUsePage => {
                InvitationPage::Open { has_pin: invitation.has_pin, language: Some(invitation.language) }
            }
            Told::OpenedPage => InvitationPage::Used { at: record.opened.unwrap_or(invitation.changed) },
            Told::ExpiredPage => InvitationPage::Expired { at: closed.unwrap_or(invitation.changed) },
            // A mailbox that is there has no other page.
            _ => InvitationPage::Dead,
        })
    }

    /// Only what waits for its recipient can be used.
    async fn waits(&self, invitation: &InvitationRecord) -> Result<(), FirstUseError> {
        match self.page(invitation).await? {
            InvitationPage::Open { .. } => Ok(()),
            page => Err(FirstUseError::State(page)),
        }
    }

    /// Opens the mailbox: token, then rules, then the PIN, counted before it is tried.
    pub async fn first_use(
        self: &Arc<Self>,
        id: Option<InvitationId>,
        form: FirstUseForm,
    ) -> Result<Arc<Unlocked>, FirstUseError> {
        self.network_budget(&form.source)?;
        let mut rules = Vec::new();
        let password = plain_rules(&form, &mut rules);
        let token = AccessToken::parse(form.token.expose());
        let (invitation, token) = self.right_token(id, token, &form.source).await?;
        self.waits(&invitation).await?;
        let record = self.store.mailbox(invitation.mailbox).await?.ok_or(FirstUseError::WrongToken)?;
        let pin = Pin::parse(form.pin.expose().trim()).ok();
        if invitation.has_pin && form.pin.expose().trim().is_empty() {
            rules.push(Rule::PinMissing);
        }
        if let Some(password) = &password {
            let pin = pin.as_ref().filter(|_| invitation.has_pin);
            rules.extend(password.refuse_for(&record.address, pin).err().map(Rule::Password));
        }
        let password = match password {
            Some(password) if rules.is_empty() => password,
            _ => return Err(FirstUseError::Rules(rules)),
        };
        let busy = |_| FirstUseError::Busy { retry_after: PATIENCE };
        let permit = self.passwords.permit().await.map_err(busy)?;
        let flow = self.clone();
        let attempt = Attempt { invitation, record, token, pin, password, language: form.language };
        // Once a try is counted the work goes on, even when the client has gone.
        let work = threads::to_its_end(async move { flow.attempt(attempt, permit).await });
        work.await.map_err(|_| FirstUseError::Internal("work was interrupted".into()))?
    }

    /// "I have no PIN": told to the sender at most once a day; also `Ok` when it was told before.
    pub async fn no_pin(
        &self,
        id: Option<InvitationId>,
        token: Secret<String>,
        source: &Source,
    ) -> Result<(), FirstUseError> {
        self.network_budget(source)?;
        let (invitation, _) = self.right_token(id, AccessToken::parse(token.expose()), source).await?;
        self.waits(&invitation).await?;
        let record = self.store.mailbox(invitation.mailbox).await?.ok_or(FirstUseError::WrongToken)?;
        let now = self.clock.now();
        let note = self.note(invitation.sender, Note::NoPin { recipient: record.address.clone() }).await;
        let mut commands =
            vec![Command::NoteNoPin { invitation: invitation.id, now, not_since: now - NO_PIN_STEP }];
        commands.extend(note.map_err(internal)?);
        match self.store.commit(commands).await {
            Err(StoreError::Refused { why: Refusal::TooSoon, .. }) => Ok(()),
            result => result.map(drop).map_err(Into::into),
        }
    }

    fn network_budget(&self, source: &Source) -> Result<(), FirstUseError> {
        self.budgets
            .network(source.ip, self.clock.running())
            .map_err(|retry_after| FirstUseError::Paused { retry_after })
    }

    /// The invitation, if the token belongs to it. A failure costs the client's network, never a try.
    async fn right_token(
        &self,
        id: Option<InvitationId>,
        token: Option<AccessToken>,
        source: &Source,
    ) -> Result<(InvitationRecord, AccessToken), FirstUseError> {
        let invitation = match id {
            Some(id) => self.store.invitation(id).await?,
            None => None,
        };
        match (invitation, token) {
            (Some(invitation), Some(token))
                if token.fits(&self.keys.token, invitation.id, &invitation.token_hash) =>
            {
                Ok((invitation, token))
            }
            _ => {
                self.budgets.failed(source.ip, self.clock.running());
                Err(FirstUseError::WrongToken)
            }
        }
    }

    async fn attempt(&self, attempt: Attempt, permit: Permit) -> Result<Arc<Unlocked>, FirstUseError> {
        let invitation = attempt.invitation.clone();
        let left = if invitation.has_pin { self.count_try(&invitation).await? } else { PIN_TRIES };
        let opened = match self.open_invitation(attempt, permit).await {
            Ok(Some(opened)) => opened,
            Ok(None) => return self.wrong_pin(&invitation, left).await,
            Err(error) => return Err(self.unless_closed(&invitation, error).await?),
        };
        self.complete(&invitation, opened).await
    }

    async fn count_try(&self, invitation: &InvitationRecord) -> Result<u8, FirstUseError> {
        let count = Command::CountPinAttempt { invitation: invitation.id, max: PIN_TRIES };
        match self.store.commit(vec![count]).await {
            Ok(outcomes) => match outcomes.first() {
                Some(Outcome::TriesLeft(left)) => Ok(*left),
                _ => Err(FirstUseError::Internal("no count came back".into())),
            },
            Err(StoreError::Refused { .. }) => Err(self.state_now(invitation.id).await?),
            Err(error) => Err(error.into()),
        }
    }

    async fn state_now(&self, id: InvitationId) -> Result<FirstUseError, FirstUseError> {
        let Some(invitation) = self.store.invitation(id).await? else { return Ok(FirstUseError::WrongToken) };
        let page = match self.page(&invitation).await? {
            InvitationPage::Open { .. } => InvitationPage::Dead,
            page => page,
        };
        Ok(FirstUseError::State(page))
    }

    /// What did not open may have been changed by another first use, or a renewal, that came first: then that is the
    /// answer.
    async fn unless_closed(
        &self,
        invitation: &InvitationRecord,
        error: FirstUseError,
    ) -> Result<FirstUseError, FirstUseError> {
        let now = self.store.invitation(invitation.id).await?;
        match now.is_some_and(|now| now.state == InvitationState::Open) {
            true => Ok(error),
            false => self.state_now(invitation.id).await,
        }
    }

    /// Opens the slot and makes everything the mailbox gets instead; `None` when the PIN is wrong.
    async fn open_invitation(
        &self,
        attempt: Attempt,
        permit: Permit,
    ) -> Result<Option<Opened>, FirstUseError> {
        let id = attempt.invitation.id;
        let Some(slot) = attempt.record.slots.iter().find(|slot| slot.id.bytes() == id.bytes()).cloned()
        else {
            return Err(self.state_now(id).await?);
        };
        let Some(shred) = self.store.shred_key(slot.shred).await? else {
            return Err(self.state_now(id).await?);
        };
        let former = self.store.key(attempt.record.id, &attempt.record.certificate).await?;
        let former = former.ok_or(StoreError::Damaged { what: "a mailbox without its key" })?;
        let like = self.stretching_of(&attempt.record).await?;
        let work = Work {
            attempt,
            slot,
            shred,
            former: KeyRecord::clone(&former),
            like,
            keys: self.keys.clone(),
            cost: self.password_cost,
            random: self.random.clone(),
            now: self.clock.now(),
        };
        permit
            .run(move || work.run())
            .await
            .map_err(|_| FirstUseError::Internal("work was interrupted".into()))?
    }

    async fn complete(
        &self,
        invitation: &InvitationRecord,
        opened: Opened,
    ) -> Result<Arc<Unlocked>, FirstUseError> {
        let Opened { commit, muk, secret, record } = opened;
        let note =
            Note::Opened { recipient: record.address.clone(), at: commit.now, had_pin: invitation.has_pin };
        let note = self.if_it_can_be_told(invitation.sender, note).await;
        let alone = note.is_some().then(|| commit.again());
        let commands = std::iter::once(Command::CompleteFirstUse(commit)).chain(note).collect();
        let mut done = self.commit_taking(commands).await;
        if let Err(why) = &done
            && let Some(alone) = alone.filter(|_| is_of_the_note(why))
        {
            tracing::warn!(mailbox = %record.id, %why, "an inviter could not be told of a first use");
            done = self.commit_taking(vec![Command::CompleteFirstUse(Box::new(alone))]).await;
        }
        match done {
            Ok(_) => {}
            Err(TakeError::Store(StoreError::Refused { .. })) => {
                return Err(self.state_now(invitation.id).await?);
            }
            Err(TakeError::Store(error)) => return Err(error.into()),
            Err(error) => return Err(internal(error)),
        }
        tracing::info!(mailbox = %record.id, "temporary mailbox opened");
        let current = self.store.mailbox(record.id).await?;
        let current = current.ok_or(StoreError::Damaged { what: "a mailbox gone with its first use" })?;
        let unlocked = Unlocked::new(&current, muk);
        unlocked.keep_key(current.certificate.clone(), secret);
        Ok(Arc::new(unlocked))
    }

    async fn wrong_pin(
        &self,
        invitation: &InvitationRecord,
        left: u8,
    ) -> Result<Arc<Unlocked>, FirstUseError> {
        let wrong = PIN_TRIES.saturating_sub(left);
        tracing::info!(invitation = "wrong PIN", left, "first use refused");
        if left == 0 || wrong == TELL_AFTER {
            self.after_wrong_pins(invitation, wrong, left).await?;
        }
        if left == 0 {
            return Err(FirstUseError::State(InvitationPage::Dead));
        }
        Err(FirstUseError::WrongPin { left, max: PIN_TRIES })
    }
}

impl Flow {
    /// The inviter learns of wrong PINs, in one commit with the end of the invitation if this was the last try. It ends
    /// also where nobody can be told.
    async fn after_wrong_pins(
        &self,
        invitation: &InvitationRecord,
        tries: u8,
        left: u8,
    ) -> Result<(), FirstUseError> {
        let Some(record) = self.store.mailbox(invitation.mailbox).await? else { return Ok(()) };
        let end = || {
            (left == 0).then(|| Command::KillInvitation { invitation: invitation.id, now: self.clock.now() })
        };
        let mut telling = true;
        for round in 0..NOTE_ROUNDS {
            let mut note = None;
            if telling && round + 1 < NOTE_ROUNDS {
                let wrong = Note::WrongPins { recipient: record.address.clone(), tries, left };
                note = self.if_it_can_be_told(invitation.sender, wrong).await;
            }
            let commands: Vec<Command> = end().into_iter().chain(note).collect();
            match self.commit_taking(commands).await {
                Ok(_) => return Ok(()),
                // The inviter's key changed between the note and its commit.
                Err(TakeError::Store(StoreError::Refused { why: Refusal::NotCurrent, .. })) => {}
                Err(why) if telling && is_of_a_low_disk(&why) => {
                    tracing::warn!(%why, "an inviter could not be told of wrong PINs");
                    telling = false;
                }
                // Renewed or opened in the meantime: there is nothing left to end.
                Err(TakeError::Store(StoreError::Refused { .. })) => {
                    return Err(self.state_now(invitation.id).await?);
                }
                Err(TakeError::Store(why)) => return Err(why.into()),
                Err(why) => return Err(internal(why)),
            }
        }
        Err(FirstUseError::Internal("an invitation could not be ended".into()))
    }

    /// A note to an inviter, which no first use waits for.
    async fn if_it_can_be_told(&self, inviter: MailboxId, note: Note) -> Option<Command> {
        match self.note(inviter, note).await {
            Ok(note) => note,
            Err(why) => {
                tracing::warn!(%why, "a note to an inviter was not written");
                None
            }
        }
    }
}

/// Whether what stands in front of a note could be done without it.
fn is_of_the_note(why: &TakeError) -> bool {
    is_of_a_low_disk(why) || matches!(why, TakeError::Store(StoreError::Refused { index: 1.., .. }))
}

/// New mail is not taken then, notes included; what a first use changes is.
const fn is_of_a_low_disk(why: &TakeError) -> bool {
    matches!(why, TakeError::Store(StoreError::DiskLow))
}

/// Commits with a note that a changed certificate refused; the last one goes without.
const NOTE_ROUNDS: usize = 4;

/// Everything one attempt needs.
struct Attempt {
    invitation: InvitationRecord,
    record: Arc<MailboxRecord>,
    token: AccessToken,
    pin: Option<Pin>,
    password: Password,
    language: Language,
}

/// An opened invitation, ready to be committed.
struct Opened {
    commit: Box<FirstUse>,
    muk: MailboxKey,
    secret: Arc<SecretKey>,
    record: Arc<MailboxRecord>,
}

/// The part that computes: Argon2 twice, new keys, the former key under the new MUK.
struct Work {
    attempt: Attempt,
    slot: SlotRecord,
    shred: Key,
    former: KeyRecord,
    /// Salt and cost of the address's other password.
    like: Option<([u8; 16], Parameters)>,
    keys: Arc<crate::vault::keyring::Keys>,
    cost: Parameters,
    random: Arc<dyn crate::base::random::Random>,
    now: Time,
}

impl Work {
    fn run(self) -> Result<Option<Opened>, FirstUseError> {
        let Some(old) = self.open_slot() else { return Ok(None) };
        let record = self.attempt.record;
        let random = &*self.random;
        let fresh = FreshKey::make(record.id, &record.address, self.now, random).map_err(internal)?;
        let wrapped = self.former.wrapped_secret.as_deref().unwrap_or_default();
        let fingerprint = &self.former.fingerprint.0;
        let secret = old.unwrap_secret_key(record.id, fingerprint, wrapped).map_err(internal)?;
        let wrapped = fresh.muk.wrap_secret_key(record.id, fingerprint, secret.expose(), random);
        let password = &self.attempt.password;
        let (salt, cost) = self.like.map_or((None, self.cost), |(salt, cost)| (Some(salt), cost));
        let slot = password_slot(record.id, password, &fresh.muk, salt, cost, &self.keys, random)
            .map_err(internal)?;
        let commit = FirstUse {
            mailbox: record.id,
            invitation: self.attempt.invitation.id,
            key: fresh.record,
            former: KeyRecord { wrapped_secret: Some(wrapped), ..self.former },
            slot,
            language: self.attempt.language,
            now: self.now,
        };
        Ok(Some(Opened { commit: Box::new(commit), muk: fresh.muk, secret: fresh.secret, record }))
    }

    fn open_slot(&self) -> Option<MailboxKey> {
        let parts = slot_parts(self.attempt.record.id, &self.slot)?;
        let pin = match (self.attempt.invitation.has_pin, &self.attempt.pin) {
            (true, Some(pin)) => pin.expose(),
            (true, None) => return None,
            (false, _) => "",
        };
        let stretched = slot::stretch(pin.as_bytes(), &parts.salt, parts.parameters).ok()?;
        let opener = Opener::Invitation { pin: &stretched, token: &self.attempt.token };
        slot::open(&parts, opener, &self.keys.pepper, &self.shred, &self.slot.sealed).ok()
    }
}

/// Rules that need no record.
fn plain_rules(form: &FirstUseForm, rules: &mut Vec<Rule>) -> Option<Password> {
    let password = Password::parse(form.password.expose()).and_then(|password| {
        password.refuse_weak()?;
        Ok(password)
    });
    if form.password.expose() != form.confirm.expose() {
        rules.push(Rule::Mismatch);
    }
    if !form.understood {
        rules.push(Rule::NotUnderstood);
    }
    password.map_err(|why| rules.push(Rule::Password(why))).ok()
}

fn internal(error: impl ToString) -> FirstUseError {
    let error: TakeError = TakeError::internal(error);
    FirstUseError::Internal(error.to_string().into())
}
