//! Sessions of signed-in browsers, in memory only: the mailbox's key lies here wrapped under the cookie.

use crate::base::base32;
use crate::base::id::MailboxId;
use crate::base::random::Random;
use crate::base::random::bytes;
use crate::base::secret::Secret;
use crate::flow::direct::OwnCertificate;
use crate::flow::direct::Trial;
use crate::serve::portal::agent::Agent;
use crate::vault::mailbox_key::MailboxKey;
use crate::vault::primitives::equal;
use crate::vault::primitives::sha256;
use crate::vault::session::SessionCookie;
use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::sync::DropGuard;

/// Every live session, by SHA-256 of its cookie. Times are of the boot clock: turning back the wall clock
/// keeps nobody signed in.
#[derive(Default)]
pub struct Sessions(Mutex<HashMap<[u8; 32], Session>>);

struct Session {
    mailbox: MailboxId,
    generation: u32,
    wrapped: Vec<u8>,
    number: Number,
    agent: Agent,
    begun: Duration,
    used: Duration,
    first_look: bool,
    grant: Option<Grant>,
    /// What was typed and not sent, sealed under the cookie, each by the message it answers; the latest first.
    drafts: VecDeque<(String, Vec<u8>)>,
    /// The latest forms of answers that were sent off.
    turns: VecDeque<([u8; 32], Turn)>,
    /// On its way to mail that goes directly.
    direct: Direct,
    /// Cancelled when the session leaves the table, whatever the reason.
    life: DropGuard,
}

/// One form of an answer is sent by one request at a time; true when it was sent.
pub type Turn = Arc<tokio::sync::Mutex<bool>>;

/// What a session is called on its owner's pages; it opens nothing.
type Number = [u8; 8];

/// The password was given again just now: one file may be fetched by who shows the passphrase that was made for it.
struct Grant {
    /// SHA-256 of 120 random bits: the passphrase itself is on the owner's page and nowhere else.
    passphrase: [u8; 32],
    until: Duration,
}

impl Grant {
    fn fits(&self, passphrase: &Secret<String>) -> bool {
        equal(&self.passphrase, &sha256(passphrase.expose().as_bytes()))
    }
}

/// What is between a recipient's own key and mail that goes to it directly.
#[derive(Default)]
struct Direct {
    own: Option<OwnCertificate>,
    trial: Option<Trial>,
}

/// What was said to a code.
#[derive(Debug)]
pub enum Checked {
    /// It is the one of the newest test message.
    Right(OwnCertificate),
    /// It is not.
    Wrong,
    /// Nor were the last ones, and this was the last that is looked at; or there is no test message.
    Spent,
}

/// A session as its owner sees it.
#[derive(Debug)]
pub struct Listed {
    /// By which it can be ended.
    pub number: String,
    /// Which browser.
    pub agent: Agent,
    /// How long ago it began.
    pub age: Duration,
    /// How long ago it was used.
    pub idle: Duration,
    /// It is the one that asks.
    pub own: bool,
}

/// What a cookie brings back.
#[derive(Debug)]
pub struct Resumed {
    /// Whose.
    pub mailbox: MailboxId,
    /// The mailbox's generation when the session began; it ends when that is no longer the same.
    pub generation: u32,
    /// MUK.
    pub key: MailboxKey,
    /// Cancelled when the session ends: whatever still goes on for it must end too.
    pub ended: CancellationToken,
}

/// A session to be begun.
#[derive(Clone, Copy, Debug)]
pub struct Beginning {
    /// Whose.
    pub mailbox: MailboxId,
    /// The mailbox's generation now.
    pub generation: u32,
    /// The mailbox was set up just now, which its list says once.
    pub first_look: bool,
    /// Which browser.
    pub agent: Agent,
}

impl Sessions {
    /// Begins a session; what comes back is the cookie's value.
    pub fn begin(
        &self,
        beginning: Beginning,
        key: &MailboxKey,
        running: Duration,
        random: &dyn Random,
    ) -> Secret<String> {
        let Beginning { mailbox, generation, first_look, agent } = beginning;
        let cookie = SessionCookie::generate(random);
        let wrapped = cookie.wrap(mailbox, key, random);
        let mut table = self.lock();
        table.retain(|_, session| session.is_live(running));
        if first_look {
            // The button was pressed again, and the first answer reached nobody.
            table.retain(|_, session| session.mailbox != mailbox || !session.first_look);
        }
        while table.values().filter(|session| session.mailbox == mailbox).count() >= EACH {
            remove_oldest(&mut table, Some(mailbox));
        }
        while table.len() >= ALL {
            remove_oldest(&mut table, None);
        }
        let session = Session {
            mailbox,
            generation,
            wrapped,
            number: bytes(random),
            agent,
            begun: running,
            used: running,
            first_look,
            grant: None,
            drafts: VecDeque::new(),
            turns: VecDeque::new(),
            direct: Direct::default(),
            life: CancellationToken::new().drop_guard(),
        };
        table.insert(cookie.table_key(), session);
        cookie.text()
    }

    /// The session that a cookie belongs to, if it still lives; its idle time starts anew.
    pub fn resume(&self, cookie: &str, running: Duration) -> Option<Resumed> {
        let cookie = SessionCookie::parse(cookie)?;
        let mut table = self.lock();
        let session = table.get_mut(&cookie.table_key())?;
        if !session.is_live(running) {
            table.remove(&cookie.table_key());
            return None;
        }
        session.used = running;
        let (mailbox, generation) = (session.mailbox, session.generation);
        let key = cookie.unwrap(mailbox, &session.wrapped).ok()?;
        let ended = session.ended();
        Some(Resumed { mailbox, generation, key, ended })
    }

    /// A long answer is still going out to the browser: that is use, too.
    pub fn touch(&self, cookie: &str, running: Duration) {
        let Some(cookie) = SessionCookie::parse(cookie) else { return };
        let mut table = self.lock();
        if let Some(session) = table.get_mut(&cookie.table_key()).filter(|session| session.is_live(running)) {
            session.used = running;
        }
    }

    /// The live sessions of a mailbox, the latest first; `cookie` is that of the one that asks.
    pub fn list(&self, mailbox: MailboxId, cookie: &str, running: Duration) -> Vec<Listed> {
        let own = SessionCookie::parse(cookie).map(|cookie| cookie.table_key());
        let table = self.lock();
        let live = table.iter().filter(|(_, session)| session.mailbox == mailbox && session.is_live(running));
        let mut listed: Vec<Listed> = live
            .map(|(key, session)| Listed {
                number: base32::lower(&session.number),
                agent: session.agent,
                age: running.saturating_sub(session.begun),
                idle: running.saturating_sub(session.used),
                own: own == Some(*key),
            })
            .collect();
        listed.sort_by_key(|session| (session.idle, session.age));
        listed
    }

    /// Lets one file be fetched with `passphrase`, in the place of any that was allowed before.
    pub fn grant(&self, cookie: &str, passphrase: &Secret<String>, running: Duration) {
        let Some(cookie) = SessionCookie::parse(cookie) else { return };
        if let Some(session) = self.lock().get_mut(&cookie.table_key()) {
            let passphrase = sha256(passphrase.expose().as_bytes());
            session.grant = Some(Grant { passphrase, until: running + GRANT });
        }
    }

    /// For how long the file can still be fetched with this passphrase.
    pub fn granted(&self, cookie: &str, passphrase: &Secret<String>, running: Duration) -> Option<Duration> {
        let cookie = SessionCookie::parse(cookie)?;
        let table = self.lock();
        let grant = table.get(&cookie.table_key())?.grant.as_ref()?;
        (running < grant.until && grant.fits(passphrase)).then(|| grant.until.saturating_sub(running))
    }

    /// Whether this passphrase was made for this session and not used yet; it is used now.
    pub fn take_grant(&self, cookie: &str, passphrase: &Secret<String>, running: Duration) -> bool {
        let Some(cookie) = SessionCookie::parse(cookie) else { return false };
        let mut table = self.lock();
        let Some(session) = table.get_mut(&cookie.table_key()) else { return false };
        session.grant.take_if(|grant| running < grant.until && grant.fits(passphrase)).is_some()
    }

    /// Keeps what was typed at a place, instead of what was kept for it before; beyond eight the oldest goes.
    /// False when there is no room for it: then what was kept before stays.
    pub fn keep_draft(&self, cookie: &str, place: &str, text: &Secret<String>, random: &dyn Random) -> bool {
        let Some(cookie) = SessionCookie::parse(cookie) else { return false };
        let mut table = self.lock();
        let own = cookie.table_key();
        let others = held(&table, &own);
        let Some(session) = table.get_mut(&own) else { return false };
        let stay = session.drafts.iter().filter(|(kept, _)| kept != place).take(DRAFTS_EACH - 1);
        let stay: usize = stay.map(|(_, sealed)| sealed.len()).sum();
        if text.expose().len() > DRAFTS.saturating_sub(others + session.own_key() + stay) {
            return false;
        }
        session.drafts.retain(|(kept, _)| kept != place);
        session.drafts.truncate(DRAFTS_EACH - 1);
        let sealed = cookie.seal_draft(session.mailbox, text, random);
        session.drafts.push_front((place.to_owned(), sealed));
        true
    }

    /// What was typed at a place.
    pub fn draft(&self, cookie: &str, place: &str) -> Option<Secret<String>> {
        let cookie = SessionCookie::parse(cookie)?;
        let table = self.lock();
        let session = table.get(&cookie.table_key())?;
        let (_, sealed) = session.drafts.iter().find(|(kept, _)| kept == place)?;
        cookie.open_draft(session.mailbox, sealed).ok()
    }

    /// The turn of a form, by the digest of all that is in it; the same for every request that brings the same.
    pub fn turn(&self, cookie: &str, form: [u8; 32]) -> Option<Turn> {
        let cookie = SessionCookie::parse(cookie)?;
        let mut table = self.lock();
        let turns = &mut table.get_mut(&cookie.table_key())?.turns;
        if let Some((_, turn)) = turns.iter().find(|(known, _)| *known == form) {
            return Some(turn.clone());
        }
        let turn = Turn::default();
        turns.truncate(TURNS - 1);
        turns.push_front((form, turn.clone()));
        Some(turn)
    }

    /// Keeps a key that its owner brought, in the place of one from before; false when there is no room for it.
    pub fn keep_own(&self, cookie: &str, key: OwnCertificate) -> bool {
        let Some(cookie) = SessionCookie::parse(cookie) else { return false };
        let mut table = self.lock();
        let own = cookie.table_key();
        let others = held(&table, &own);
        let Some(session) = table.get_mut(&own) else { return false };
        if key.certificate.len() > DRAFTS.saturating_sub(others + session.typed()) {
            return false;
        }
        session.direct = Direct { own: Some(key), trial: None };
        true
    }

    /// That key, and whether a test message is out.
    pub fn direct(&self, cookie: &str) -> (Option<OwnCertificate>, bool) {
        let Some(cookie) = SessionCookie::parse(cookie) else { return (None, false) };
        let table = self.lock();
        let direct = table.get(&cookie.table_key()).map(|session| &session.direct);
        direct.map_or((None, false), |direct| (direct.own.clone(), direct.trial.is_some()))
    }

    /// A test message is out; or nothing of the kind is under way any more.
    pub fn set_trial(&self, cookie: &str, trial: Option<Trial>) {
        let Some(cookie) = SessionCookie::parse(cookie) else { return };
        if let Some(session) = self.lock().get_mut(&cookie.table_key()) {
            session.direct.trial = trial;
        }
    }

    /// Holds a code against the newest test message.
    pub fn check_code(&self, cookie: &str, code: &str) -> Checked {
        let Some(cookie) = SessionCookie::parse(cookie) else { return Checked::Spent };
        let mut table = self.lock();
        let direct = table.get_mut(&cookie.table_key()).map(|session| &mut session.direct);
        let Some(trial) = direct.and_then(|direct| direct.trial.as_mut()) else { return Checked::Spent };
        match trial.check(code) {
            Some(key) => Checked::Right(key),
            None if trial.is_spent() => Checked::Spent,
            None => Checked::Wrong,
        }
    }

    /// What was typed at a place was sent.
    pub fn forget_draft(&self, cookie: &str, place: &str) {
        let Some(cookie) = SessionCookie::parse(cookie) else { return };
        if let Some(session) = self.lock().get_mut(&cookie.table_key()) {
            session.drafts.retain(|(kept, _)| kept != place);
        }
    }

    /// Whether this is the first look into a mailbox that was set up just now; true only once.
    pub fn take_first_look(&self, cookie: &str) -> bool {
        let Some(cookie) = SessionCookie::parse(cookie) else { return false };
        let mut table = self.lock();
        table.get_mut(&cookie.table_key()).is_some_and(|session| std::mem::take(&mut session.first_look))
    }

    /// Ends the session of a cookie.
    pub fn end(&self, cookie: &str) {
        if let Some(cookie) = SessionCookie::parse(cookie) {
            self.lock().remove(&cookie.table_key());
        }
    }

    /// Ends all sessions of a mailbox.
    pub fn end_all(&self, mailbox: MailboxId) {
        self.lock().retain(|_, session| session.mailbox != mailbox);
    }

    /// Ends the session of a mailbox that its owner calls by `number`; false when it has none of that name.
    pub fn end_number(&self, mailbox: MailboxId, number: &str) -> bool {
        let mut table = self.lock();
        let before = table.len();
        table.retain(|_, session| session.mailbox != mailbox || base32::lower(&session.number) != number);
        table.len() < before
    }

    /// Ends all sessions of a mailbox but that of `cookie`.
    pub fn end_others(&self, mailbox: MailboxId, cookie: &str) {
        let own = SessionCookie::parse(cookie).map(|cookie| cookie.table_key());
        self.lock().retain(|key, session| session.mailbox != mailbox || own == Some(*key));
    }

    /// Forgets what has ended by time.
    pub fn sweep(&self, running: Duration) {
        let mut table = self.lock();
        table.retain(|_, session| session.is_live(running));
        for session in table.values_mut() {
            session.grant.take_if(|grant| running >= grant.until);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn ended(&self) -> CancellationToken {
        self.life.token().clone()
    }

    /// Octets of all that was typed.
    fn typed(&self) -> usize {
        self.drafts.iter().map(|(_, sealed)| sealed.len()).sum()
    }

    /// Octets of the key that its owner brought.
    fn own_key(&self) -> usize {
        self.direct.own.as_ref().map_or(0, |own| own.certificate.len())
    }

    fn is_live(&self, running: Duration) -> bool {
        running.saturating_sub(self.used) < IDLE && running.saturating_sub(self.begun) < LIFE
    }
}

/// Octets that all sessions but one keep for their owners.
fn held(table: &HashMap<[u8; 32], Session>, but: &[u8; 32]) -> usize {
    let others = table.iter().filter(|(key, _)| *key != but).map(|(_, session)| session);
    others.map(|session| session.own_key() + session.typed()).sum()
}

fn remove_oldest(table: &mut HashMap<[u8; 32], Session>, mailbox: Option<MailboxId>) {
    let oldest = table
        .iter()
        .filter(|(_, session)| mailbox.is_none_or(|mailbox| session.mailbox == mailbox))
        .min_by_key(|(_, session)| session.used)
        .map(|(key, _)| *key);
    if let Some(key) = oldest {
        table.remove(&key);
    }
}

/// Without a request a session ends after this.
pub const IDLE: Duration = Duration::from_secs(15 * 60);
/// Whatever happens, it ends after this.
const LIFE: Duration = Duration::from_secs(8 * 3600);
/// How long a passphrase waits for its file.
pub const GRANT: Duration = Duration::from_secs(10 * 60);
/// Forms of answers that one session remembers.
const TURNS: usize = 16;
/// Octets of what was typed or brought in all sessions together.
const DRAFTS: usize = 32 << 20;
/// Answers that one session keeps at once.
const DRAFTS_EACH: usize = 8;
/// Sessions of one mailbox.
const EACH: usize = 8;
/// Sessions in all.
const ALL: usize = 20_000;

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
