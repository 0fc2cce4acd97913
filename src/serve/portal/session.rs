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
    /// What was typed and not sent, sealed under the cookie.
    draft: Option<Vec<u8>>,
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
    sent: u8,
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
            draft: None,
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

    /// Keeps what was typed, in the place of what was kept before; false when there is no room for it.
    pub fn keep_draft(&self, cookie: &str, text: &Secret<String>, random: &dyn Random) -> bool {
        let Some(cookie) = SessionCookie::parse(cookie) else { return false };
        let mut table = self.lock();
        let own = cookie.table_key();
        let room = text.expose().len() <= DRAFTS.saturating_sub(held(&table, &own));
        let Some(session) = table.get_mut(&own) else { return false };
        session.draft = room.then(|| cookie.seal_draft(session.mailbox, text, random));
        room
    }

    /// What was typed.
    pub fn draft(&self, cookie: &str) -> Option<Secret<String>> {
        let cookie = SessionCookie::parse(cookie)?;
        let table = self.lock();
        let session = table.get(&cookie.table_key())?;
        cookie.open_draft(session.mailbox, session.draft.as_ref()?).ok()
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
        let room = key.certificate.len() <= DRAFTS.saturating_sub(held(&table, &own));
        let Some(session) = table.get_mut(&own).filter(|_| room) else { return false };
        session.direct = Direct { own: Some(key), trial: None, ..session.direct };
        true
    }

    /// That key, and whether a test message is out.
    pub fn direct(&self, cookie: &str) -> (Option<OwnCertificate>, bool) {
        let Some(cookie) = SessionCookie::parse(cookie) else { return (None, false) };
        let table = self.lock();
        let direct = table.get(&cookie.table_key()).map(|session| &session.direct);
        direct.map_or((None, false), |direct| (direct.own.clone(), direct.trial.is_some()))
    }

    /// Whether this session may send one more test message; it is counted now.
    pub fn count_test(&self, cookie: &str) -> bool {
        let Some(cookie) = SessionCookie::parse(cookie) else { return false };
        let mut table = self.lock();
        let Some(session) = table.get_mut(&cookie.table_key()) else { return false };
        session.direct.sent = session.direct.sent.saturating_add(1);
        session.direct.sent <= TESTS
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

    /// It was sent.
    pub fn forget_draft(&self, cookie: &str) {
        let Some(cookie) = SessionCookie::parse(cookie) else { return };
        if let Some(session) = self.lock().get_mut(&cookie.table_key()) {
            session.draft = None;
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

    fn is_live(&self, running: Duration) -> bool {
        running.saturating_sub(self.used) < IDLE && running.saturating_sub(self.begun) < LIFE
    }
}

/// Octets that all sessions but one keep for their owners.
fn held(table: &HashMap<[u8; 32], Session>, but: &[u8; 32]) -> usize {
    let others = table.iter().filter(|(key, _)| *key != but).map(|(_, session)| session);
    let each = |session: &Session| {
        let own = session.direct.own.as_ref().map_or(0, |own| own.certificate.len());
        own + session.draft.as_ref().map_or(0, Vec::len)
    };
    others.map(each).sum()
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
/// Test messages of one session.
const TESTS: u8 = 5;
/// Octets of what was typed or brought in all sessions together.
const DRAFTS: usize = 32 << 20;
/// Sessions of one mailbox.
const EACH: usize = 8;
/// Sessions in all.
const ALL: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::portal::tests::Counting;

    const M: MailboxId = MailboxId::new([1; 16]);
    const N: MailboxId = MailboxId::new([2; 16]);

    fn minutes(count: u64) -> Duration {
        Duration::from_secs(count * 60)
    }

    fn of(mailbox: MailboxId, first_look: bool) -> Beginning {
        Beginning { mailbox, generation: 3, first_look, agent: Agent::default() }
    }

    #[test]
    fn ends_by_idling_by_age_and_by_word() {
        let random = Counting::default();
        let key = MailboxKey::generate(&random);
        let sessions = Sessions::default();
        let begin = |at| sessions.begin(of(M, true), &key, minutes(at), &random);
        let cookie = begin(0);
        let cookie = cookie.expose();
        let resumed = sessions.resume(cookie, minutes(14)).unwrap();
        assert_eq!((resumed.mailbox, resumed.generation), (M, 3));
        assert!(sessions.resume(cookie, minutes(28)).is_some());
        assert!(sessions.resume(cookie, minutes(43)).is_none());
        assert!(sessions.resume(cookie, minutes(28)).is_none(), "gone for good");

        let cookie = begin(0);
        for at in (0..480).step_by(10) {
            assert!(sessions.resume(cookie.expose(), minutes(at)).is_some(), "{at}");
        }
        assert!(sessions.resume(cookie.expose(), minutes(480)).is_none());

        let cookie = begin(0);
        sessions.end(cookie.expose());
        assert!(sessions.resume(cookie.expose(), minutes(0)).is_none());

        let cookie = begin(0);
        sessions.sweep(minutes(20));
        assert_eq!(sessions.lock().len(), 0);
        assert!(sessions.resume(cookie.expose(), minutes(0)).is_none());
    }

    #[test]
    fn a_foreign_or_made_up_cookie_is_nothing() {
        let random = Counting::default();
        let key = MailboxKey::generate(&random);
        let sessions = Sessions::default();
        let cookie = sessions.begin(of(M, false), &key, minutes(0), &random);
        for text in ["", "x", &"A".repeat(43), &cookie.expose()[1..]] {
            assert!(sessions.resume(text, minutes(0)).is_none(), "{text}");
            sessions.end(text);
        }
        assert!(sessions.resume(cookie.expose(), minutes(0)).is_some());
    }

    #[test]
    fn eight_of_a_mailbox_and_no_more() {
        let random = Counting::default();
        let key = MailboxKey::generate(&random);
        let sessions = Sessions::default();
        let other = sessions.begin(of(N, false), &key, minutes(0), &random);
        let cookies: Vec<_> =
            (0..9).map(|n| sessions.begin(of(M, false), &key, Duration::from_secs(n), &random)).collect();
        let live =
            cookies.iter().filter(|cookie| sessions.resume(cookie.expose(), minutes(1)).is_some()).count();
        assert_eq!(live, 8);
        assert!(sessions.resume(cookies[0].expose(), minutes(1)).is_none(), "the oldest went");
        assert!(sessions.resume(other.expose(), minutes(1)).is_some());
        sessions.end_all(M);
        assert_eq!(sessions.lock().len(), 1);
    }

    #[test]
    fn the_first_look_is_once() {
        let random = Counting::default();
        let key = MailboxKey::generate(&random);
        let sessions = Sessions::default();
        let cookie = sessions.begin(of(M, true), &key, minutes(0), &random);
        assert!(sessions.take_first_look(cookie.expose()));
        assert!(!sessions.take_first_look(cookie.expose()));
        let cookie = sessions.begin(of(M, false), &key, minutes(0), &random);
        assert!(!sessions.take_first_look(cookie.expose()));
    }

    #[test]
    fn a_first_look_that_nobody_took_goes_with_the_next() {
        let random = Counting::default();
        let key = MailboxKey::generate(&random);
        let sessions = Sessions::default();
        let begin = |whose, first_look| sessions.begin(of(whose, first_look), &key, minutes(0), &random);
        let (dropped, other, signed_in) = (begin(M, true), begin(N, true), begin(M, false));
        let looked = begin(M, true);
        let live = |cookie: &Secret<String>| sessions.resume(cookie.expose(), minutes(0)).is_some();
        assert!(!live(&dropped) && live(&other) && live(&signed_in) && live(&looked));
        assert!(sessions.take_first_look(looked.expose()));
        begin(M, true);
        assert!(live(&looked), "somebody looks there");
    }

    #[test]
    fn an_owner_sees_and_ends_what_is_theirs() {
        let random = Counting::default();
        let key = MailboxKey::generate(&random);
        let sessions = Sessions::default();
        let begin = |whose, at| sessions.begin(of(whose, false), &key, minutes(at), &random);
        let (one, two, three, foreign) = (begin(M, 0), begin(M, 1), begin(M, 2), begin(N, 2));
        let now = minutes(5);
        let listed = sessions.list(M, two.expose(), now);
        let ages: Vec<_> = listed.iter().map(|listed| (listed.age, listed.idle, listed.own)).collect();
        let line = |at, own| (minutes(at), minutes(at), own);
        assert_eq!(ages, [line(3, false), line(4, true), line(5, false)]);

        let ended = sessions.resume(one.expose(), now).unwrap().ended;
        let number = listed.last().unwrap().number.clone();
        assert!(!sessions.end_number(N, &number), "of another mailbox");
        assert!(!ended.is_cancelled());
        assert!(sessions.end_number(M, &number) && !sessions.end_number(M, &number));
        assert!(ended.is_cancelled() && sessions.resume(one.expose(), now).is_none());

        let ended = sessions.resume(three.expose(), now).unwrap().ended;
        sessions.end_others(M, two.expose());
        assert!(ended.is_cancelled() && sessions.resume(three.expose(), now).is_none());
        assert!(
            sessions.resume(two.expose(), now).is_some() && sessions.resume(foreign.expose(), now).is_some()
        );
        assert_eq!(sessions.list(M, two.expose(), now).len(), 1);
    }

    #[test]
    fn what_was_typed_is_kept_for_its_session_alone() {
        let random = Counting::default();
        let key = MailboxKey::generate(&random);
        let sessions = Sessions::default();
        let secret = |text: &str| Secret::new(text.to_owned());
        let [cookie, other] =
            [M, M].map(|mailbox| sessions.begin(of(mailbox, false), &key, minutes(0), &random));
        assert!(sessions.draft(cookie.expose()).is_none());
        for text in ["first", "second"] {
            assert!(sessions.keep_draft(cookie.expose(), &secret(text), &random));
        }
        assert_eq!(sessions.draft(cookie.expose()).unwrap().expose(), "second");
        assert!(sessions.draft(other.expose()).is_none() && sessions.draft("x").is_none());
        let sealed = sessions.lock().values().find_map(|session| session.draft.clone()).unwrap();
        assert!(!sealed.windows(6).any(|at| at == b"second"), "in memory it is sealed");

        let large = "x".repeat(DRAFTS - 100);
        assert!(sessions.keep_draft(other.expose(), &secret(&large), &random));
        assert!(!sessions.keep_draft(cookie.expose(), &secret(&"y".repeat(200)), &random), "no room");
        assert!(sessions.draft(cookie.expose()).is_none(), "an old text would be a wrong one");
        sessions.forget_draft(other.expose());
        assert!(sessions.draft(other.expose()).is_none());
        assert!(sessions.keep_draft(cookie.expose(), &secret("third"), &random));
        sessions.end(cookie.expose());
        assert!(
            sessions.draft(cookie.expose()).is_none()
                && !sessions.keep_draft(cookie.expose(), &secret("x"), &random)
        );
    }

    #[test]
    fn a_long_answer_keeps_its_session_but_not_for_ever() {
        let random = Counting::default();
        let key = MailboxKey::generate(&random);
        let sessions = Sessions::default();
        let cookie = sessions.begin(of(M, false), &key, minutes(0), &random);
        for at in (10..480).step_by(10) {
            sessions.touch(cookie.expose(), minutes(at));
        }
        assert!(sessions.resume(cookie.expose(), minutes(479)).is_some());
        sessions.touch(cookie.expose(), minutes(481));
        assert!(sessions.resume(cookie.expose(), minutes(481)).is_none());
    }

    #[test]
    fn a_passphrase_fetches_one_file_within_ten_minutes() {
        let random = Counting::default();
        let key = MailboxKey::generate(&random);
        let sessions = Sessions::default();
        let secret = |text: &str| Secret::new(text.to_owned());
        let cookie = sessions.begin(of(M, false), &key, minutes(0), &random);
        let other = sessions.begin(of(M, false), &key, minutes(0), &random);
        let take = |cookie: &Secret<String>, text, at| {
            sessions.take_grant(cookie.expose(), &secret(text), minutes(at))
        };
        assert!(!take(&cookie, "one", 0), "nothing was allowed");
        sessions.grant(cookie.expose(), &secret("one"), minutes(0));
        assert!(!take(&cookie, "two", 1) && !take(&other, "one", 1) && !take(&cookie, "", 1));
        assert!(take(&cookie, "one", 9) && !take(&cookie, "one", 9), "once");
        sessions.grant(cookie.expose(), &secret("one"), minutes(0));
        sessions.grant(cookie.expose(), &secret("two"), minutes(0));
        assert!(!take(&cookie, "one", 1) && !take(&cookie, "two", 10), "replaced, too late");
        sessions.sweep(minutes(11));
        assert!(sessions.lock().values().all(|session| session.grant.is_none()));
    }
}
