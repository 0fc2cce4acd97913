//! Signing in: a password opens a slot, or nothing is told.

use crate::base::address::Address;
use crate::base::address::AddressKey;
use crate::base::id::MailboxId;
use crate::base::id::SlotId;
use crate::base::secret::Key;
use crate::base::secret::Secret;
use crate::base::time::Time;
use crate::flow::Flow;
use crate::flow::budgets::Guess;
use crate::flow::budgets::KNOWN;
use crate::flow::password_work::PATIENCE;
use crate::flow::sign_in_cache;
use crate::openpgp::secret_key::SecretKey;
use crate::policy::rate::Network;
use crate::store::PAGE;
use crate::store::command::Command;
use crate::store::error::StoreError;
use crate::store::record::Fingerprint;
use crate::store::record::KnownNetwork;
use crate::store::record::MailboxKind;
use crate::store::record::MailboxRecord;
use crate::store::record::MailboxState;
use crate::store::record::SlotRecord;
use crate::store::record_account::FormerKey;
use crate::threads;
use crate::vault::device;
use crate::vault::mailbox_key::FormerParts;
use crate::vault::mailbox_key::MailboxKey;
use crate::vault::mailbox_key::VaultEntry;
use crate::vault::password::Password;
use crate::vault::slot;
use crate::vault::slot::Opener;
use crate::vault::slot::Parameters;
use crate::vault::slot::SlotKind;
use crate::vault::slot::SlotParts;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use thiserror::Error;

/// Where an attempt comes from.
#[derive(Clone, Debug)]
pub struct Source {
    /// The peer's address.
    pub ip: IpAddr,
    /// The device cookie it showed, if any; only browsers have one.
    pub device: Option<String>,
}

/// Whose mailboxes a door opens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Realm {
    /// Submission: accounts only.
    Accounts,
    /// The portal: recipients of temporary mailboxes only.
    Recipients,
    /// IMAP: both.
    Everybody,
}

/// A mailbox that is open: whoever holds this may read it. MUK is wiped when it is dropped.
pub struct Unlocked {
    /// M.
    pub mailbox: MailboxId,
    /// For whom.
    pub kind: MailboxKind,
    /// As it was first written.
    pub address: Address,
    /// Ends when the record's is higher.
    pub generation: u32,
    /// MUK.
    pub key: MailboxKey,
    /// Former MUKs of an account, which the present one opens.
    pub(in crate::flow) former: Vec<Former>,
    secret_keys: Mutex<Vec<(Fingerprint, Arc<SecretKey>)>>,
}

/// Why nobody was signed in.
#[derive(Clone, Debug, Error)]
pub enum SignInError {
    /// Unknown address, wrong password, or the mailbox's own daily budget: one answer, the same work.
    #[error("address or password is not right")]
    Wrong,
    /// The client's network failed too often; nothing was looked up.
    #[error("too many failures from this network")]
    Paused {
        /// When to come again.
        retry_after: Duration,
    },
    /// No room to check a password now.
    #[error("busy")]
    Busy {
        /// When to come again.
        retry_after: Duration,
    },
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Unlocked {
    /// A mailbox whose MUK is at hand: from a slot, or out of a session.
    pub fn new(record: &MailboxRecord, key: MailboxKey) -> Self {
        let carried = record.account.as_ref().map(|part| part.former_keys.as_slice()).unwrap_or_default();
        Self {
            former: Former::open_all(record.id, &key, carried),
            mailbox: record.id,
            kind: record.kind,
            address: record.address.clone(),
            generation: record.generation,
            key,
            secret_keys: Mutex::default(),
        }
    }

    /// What the account's vault holds for a temporary mailbox; `None` when it lies under a key that is not at hand:
    /// the account was reset since, and counts as a sender who is gone.
    pub(in crate::flow) fn vault_entry(&self, mailbox: MailboxId, sealed: &[u8]) -> Option<VaultEntry> {
        self.keys().find_map(|key| key.open_vault_entry(self.mailbox, mailbox, sealed).ok())
    }

    /// The present MUK, then former ones.
    pub(in crate::flow) fn keys(&self) -> impl Iterator<Item = &MailboxKey> {
        std::iter::once(&self.key).chain(self.former.iter().map(|former| &former.key))
    }

    /// The secret key that belongs to a certificate of this mailbox, unwrapped once and kept.
    pub(in crate::flow) fn kept_key(&self, fingerprint: &Fingerprint) -> Option<Arc<SecretKey>> {
        let kept = self.secret_keys.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(of, _)| of == fingerprint).map(|(_, key)| key.clone())
    }

    pub(in crate::flow) fn keep_key(&self, fingerprint: Fingerprint, key: Arc<SecretKey>) {
        self.secret_keys.lock().unwrap_or_else(PoisonError::into_inner).push((fingerprint, key));
    }
}

/// A former MUK of an account.
pub(in crate::flow) struct Former {
    /// It was the present one from then on.
    pub(in crate::flow) since: Time,
    /// Until then.
    pub(in crate::flow) until: Time,
    /// It.
    pub(in crate::flow) key: MailboxKey,
}

impl Former {
    /// Those of `carried` that `present` opens: all, unless one is damaged.
    pub(in crate::flow) fn open_all(
        mailbox: MailboxId,
        present: &MailboxKey,
        carried: &[FormerKey],
    ) -> Vec<Self> {
        let open = |of: &FormerKey| {
            let parts = FormerParts { mailbox, id: of.id, since: of.since, until: of.until };
            let key = present.unwrap_former(&parts, &of.sealed).ok()?;
            Some(Self { since: of.since, until: of.until, key })
        };
        carried.iter().filter_map(open).collect()
    }
}

/// A mailbox that a password opened, with its MUK.
pub(in crate::flow) type Opened = (Arc<MailboxRecord>, MailboxKey);

/// A slot that a password may open.
struct Candidate {
    mailbox: Arc<MailboxRecord>,
    slot: SlotRecord,
    shred: Key,
}

impl Candidate {
    /// What Argon2 is run with for it.
    const fn stretching(&self) -> ([u8; 16], [u32; 4]) {
        (self.slot.salt, self.slot.parameters)
    }
}

impl Flow {
    /// Opens a mailbox with its address and password.
    ///
    /// An unknown address, one of the other realm, a wrong password and a mailbox whose own budget is spent
    /// cost the same and are answered alike.
    pub async fn sign_in(
        self: &Arc<Self>,
        address: &str,
        password: Secret<String>,
        source: &Source,
        realm: Realm,
    ) -> Result<Arc<Unlocked>, SignInError> {
        let mut guess = self
            .budgets
            .begin(source.ip, self.clock.running())
            .await
            .map_err(|retry_after| SignInError::Paused { retry_after })?;
        let network = guess.network();
        let address = Address::parse(address.trim()).ok().map(|address| address.key());
        let records = self.sign_in_records(address.as_ref(), realm).await?;
        let devices = records.iter().map(|record| (record.id, self.device(record, source)));
        guess.at(devices, self.clock.running());
        let known = records.iter().find_map(|record| Some((record.clone(), self.recall(record, &password)?)));
        let opened = match known {
            Some(known) => self.judged(guess, Some(known)),
            None => self.guessed(guess, records.clone(), password).await?,
        };
        let Some((record, muk)) = opened else {
            for record in &records {
                tracing::info!(mailbox = %record.id, "sign-in refused");
            }
            return Err(SignInError::Wrong);
        };
        self.note_sign_in(&record, &muk, network).await?;
        let who = Unlocked::new(&record, muk);
        self.keep_recovery(&record, &who).await;
        Ok(Arc::new(who))
    }

    /// Tries a password. What it costs it costs also when the asker has gone meanwhile: Argon2 runs to its end, and a
    /// guess without a verdict would be free.
    pub(in crate::flow) async fn guessed(
        self: &Arc<Self>,
        guess: Guess,
        records: Vec<Arc<MailboxRecord>>,
        password: Secret<String>,
    ) -> Result<Option<Opened>, SignInError> {
        let flow = self.clone();
        let work = threads::to_its_end(async move {
            let opened = flow.try_password(&records, password).await?;
            Ok(flow.judged(guess, opened))
        });
        work.await.unwrap_or(Err(SignInError::Busy { retry_after: PATIENCE }))
    }

    /// The verdict on a guess: nothing is open where its budget is spent, whatever the password.
    fn judged(&self, guess: Guess, opened: Option<Opened>) -> Option<Opened> {
        let now = self.clock.running();
        let admitted = |(record, muk): &Opened| {
            let known = || !guess.is_by_device(record.id) && self.knows(record, muk, guess.network());
            guess.admits(record.id) || known()
        };
        match opened.filter(admitted) {
            Some((record, muk)) => {
                guess.right(record.id, now);
                Some((record, muk))
            }
            None => {
                guess.wrong(now);
                None
            }
        }
    }

    /// What a sign-in changes in the mailbox's record. Trouble with the disk keeps nobody from reading.
    async fn note_sign_in(
        &self,
        record: &MailboxRecord,
        muk: &MailboxKey,
        network: Network,
    ) -> Result<(), SignInError> {
        let notes = self.activity(record).into_iter().chain(self.opened_from(record, muk, network));
        let notes: Vec<Command> = notes.collect();
        let noted = async {
            if !notes.is_empty() {
                self.store.commit(notes).await?;
            }
            self.forget_notices(record).await
        };
        match noted.await {
            Ok(()) => Ok(()),
            // It was closed or removed a moment ago.
            Err(StoreError::Refused { .. }) => Err(SignInError::Wrong),
            Err(why) => {
                tracing::warn!(mailbox = %record.id, %why, "a sign-in could not be noted");
                Ok(())
            }
        }
    }

    /// A mailbox out of a session that holds its MUK; `None` when the session must end. The session is activity.
    pub async fn resume(
        &self,
        mailbox: MailboxId,
        generation: u32,
        key: MailboxKey,
    ) -> Result<Option<Arc<Unlocked>>, StoreError> {
        let record = self.store.mailbox(mailbox).await?;
        let Some(record) = record.filter(|record| record.generation == generation) else { return Ok(None) };
        let open = self.note_session(&record).await;
        Ok(open.then(|| Arc::new(Unlocked::new(&record, key))))
    }

    /// The cookie by which this browser is known from now on, good for this mailbox only.
    pub fn device_cookie(&self, who: &Unlocked) -> Secret<String> {
        device::issue(&self.keys.device, who.mailbox, who.generation, self.clock.now(), &*self.random)
    }

    /// Activity is durable at most once an hour: it is a date in the mailbox's life, not a log.
    fn activity(&self, record: &MailboxRecord) -> Option<Command> {
        let now = self.clock.now();
        let (before, ahead) = (now.since(record.last_activity), record.last_activity.since(now));
        // What is ahead was written under a clock that was wrong; the store puts it right.
        let lately = before < ACTIVITY_STEP && ahead < ACTIVITY_STEP;
        (!lately).then_some(Command::NoteActivity { mailbox: record.id, at: now, correspondent: None })
    }

    /// The network is known for a while, also to a server that was started anew. Noted once a day, and only the day.
    fn opened_from(&self, record: &MailboxRecord, muk: &MailboxKey, network: Network) -> Option<Command> {
        let now = self.clock.now();
        let today = now - Duration::from_secs(now.0.rem_euclid(DAY).unsigned_abs());
        if last_opened_from(record, muk, network) == Some(today) {
            return None;
        }
        let network = KnownNetwork { tag: muk.network_tag(record.id, &network.octets()), last: today };
        Some(Command::NoteNetwork { mailbox: record.id, network, since: today - KNOWN })
    }

    /// Was the mailbox opened from this network not long ago, by its record? A day that is far ahead was written under
    /// a clock that was wrong.
    fn knows(&self, record: &MailboxRecord, muk: &MailboxKey, network: Network) -> bool {
        let now = self.clock.now();
        let last = last_opened_from(record, muk, network);
        last.is_some_and(|last| now.since(last) < KNOWN && last.since(now) < KNOWN)
    }

    /// The mailboxes that an address may open in this realm: the one it has now, then the former one.
    async fn sign_in_records(
        &self,
        address: Option<&AddressKey>,
        realm: Realm,
    ) -> Result<Vec<Arc<MailboxRecord>>, StoreError> {
        let Some(address) = address else { return Ok(Vec::new()) };
        let mut records = Vec::new();
        for mailbox in [self.store.mailbox_of(address).await?, self.store.mailbox_former(address).await?] {
            let Some(mailbox) = mailbox else { continue };
            records.extend(self.store.mailbox(mailbox).await?);
        }
        records.retain(|record| match (realm, record.kind) {
            (Realm::Everybody, _)
            | (Realm::Accounts, MailboxKind::Account)
            | (Realm::Recipients, MailboxKind::Temporary) => true,
            (Realm::Accounts, MailboxKind::Temporary) | (Realm::Recipients, MailboxKind::Account) => false,
        });
        Ok(records)
    }

    async fn password_slots(&self, records: &[Arc<MailboxRecord>]) -> Result<Vec<Candidate>, StoreError> {
        let mut candidates = Vec::new();
        for mailbox in records {
            for slot in &mailbox.slots {
                if !matches!(slot.kind, SlotKind::Password | SlotKind::AppPassword) {
                    continue;
                }
                if let Some(shred) = self.store.shred_key(slot.shred).await? {
                    candidates.push(Candidate { mailbox: mailbox.clone(), slot: slot.clone(), shred });
                }
            }
        }
        Ok(candidates)
    }

    /// Runs Argon2 once, whoever asks, and tries the result on each slot of each mailbox.
    async fn try_password(
        &self,
        records: &[Arc<MailboxRecord>],
        password: Secret<String>,
    ) -> Result<Option<Opened>, SignInError> {
        let candidates = self.password_slots(records).await?;
        let busy = |_| SignInError::Busy { retry_after: PATIENCE };
        let permit = self.passwords.permit().await.map_err(busy)?;
        let keys = self.keys.clone();
        let cost = self.password_cost;
        let opened = permit.run(move || {
            let unknown = ([0; 16], cost.numbers());
            let mut of = candidates.first().map_or(unknown, Candidate::stretching);
            let password = Password::parse(password.expose()).ok();
            let guess = password.as_ref().map_or("", |password| password.expose());
            let stretch = |(salt, numbers): ([u8; 16], [u32; 4])| {
                slot::stretch(guess.as_bytes(), &salt, Parameters::read(numbers).ok()?).ok()
            };
            let mut stretched = stretch(of)?;
            password.as_ref()?;
            let mut found = None;
            for candidate in candidates {
                // All slots of an address share these; whatever does not is opened all the same.
                if candidate.stretching() != of {
                    of = candidate.stretching();
                    stretched = stretch(of)?;
                }
                let Candidate { mailbox, slot, shred } = candidate;
                let opener = Opener::Password(&stretched);
                let Some(parts) = slot_parts(mailbox.id, &slot) else { continue };
                if let Ok(muk) = slot::open(&parts, opener, &keys.pepper, &shred, &slot.sealed) {
                    found = Some((mailbox, slot.id, muk));
                    break;
                }
            }
            Some((found?, password?))
        });
        let Some(((record, slot, muk), password)) = opened.await.map_err(busy)? else { return Ok(None) };
        self.remember(&record, slot, &password, &muk);
        Ok(Some((record, muk)))
    }

    /// What the password of a mailbox is stretched with when its address has another password already: one sign-in,
    /// one run of Argon2.
    pub(in crate::flow) async fn stretching_of(
        &self,
        record: &MailboxRecord,
    ) -> Result<Option<([u8; 16], Parameters)>, StoreError> {
        let key = record.address.key();
        let of = |other: &MailboxRecord| {
            let slot = other.slots.iter().find(|slot| slot.kind == SlotKind::Password)?;
            Some((slot.salt, Parameters::read(slot.parameters).ok()?))
        };
        for mailbox in [self.store.mailbox_of(&key).await?, self.store.mailbox_former(&key).await?] {
            if let Some(other) = mailbox.filter(|other| *other != record.id)
                && let Some(other) = self.store.mailbox(other).await?
                && let Some(stretching) = of(&other)
            {
                return Ok(Some(stretching));
            }
        }
        // A closed one has no row of its own, and may come back.
        let mut after = None;
        loop {
            let page = self.store.mailboxes(after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(None) };
            after = Some(last.id);
            let mut closed = page.iter().filter(|other| {
                other.state == MailboxState::Closed && other.id != record.id && other.address.key() == key
            });
            if let Some(stretching) = closed.find_map(|other| of(other)) {
                return Ok(Some(stretching));
            }
        }
    }

    /// An account that signed in lately with the same password.
    fn recall(&self, record: &MailboxRecord, password: &Secret<String>) -> Option<MailboxKey> {
        self.cache_life(record)?;
        let password = Password::parse(password.expose()).ok()?;
        self.sign_in_cache.recall(record, &password, self.clock.running())
    }

    fn remember(&self, record: &MailboxRecord, slot: SlotId, password: &Password, muk: &MailboxKey) {
        let Some(life) = self.cache_life(record) else { return };
        let slot = sign_in_cache::cached(record.id, slot, record.generation);
        let until = self.clock.running() + life;
        self.sign_in_cache.keep(slot, password, muk, until, &*self.random);
    }

    /// Accounts only, and only where it is switched on.
    fn cache_life(&self, record: &MailboxRecord) -> Option<Duration> {
        let life = self.config().accounts.sign_in_cache;
        (record.kind == MailboxKind::Account && !life.is_zero()).then_some(life)
    }

    pub(in crate::flow) fn device(&self, record: &MailboxRecord, source: &Source) -> Option<device::Device> {
        let cookie = source.device.as_deref()?;
        device::recognise(&self.keys.device, record.id, record.generation, self.clock.now(), cookie)
    }
}

/// How often activity is written down.
const ACTIVITY_STEP: Duration = Duration::from_secs(3600);
/// A day, seconds.
const DAY: i64 = 24 * 3600;

/// The day on which the mailbox was last opened from this network, by its record.
fn last_opened_from(record: &MailboxRecord, muk: &MailboxKey, network: Network) -> Option<Time> {
    let networks = record.networks.as_ref()?;
    let tag = muk.network_tag(record.id, &network.octets());
    networks.iter().find(|known| known.tag == tag).map(|known| known.last)
}

/// What identifies a slot on record.
pub(in crate::flow) fn slot_parts(mailbox: MailboxId, slot: &SlotRecord) -> Option<SlotParts> {
    Some(SlotParts {
        kind: slot.kind,
        mailbox,
        slot: slot.id,
        salt: slot.salt,
        parameters: Parameters::read(slot.parameters).ok()?,
    })
}
