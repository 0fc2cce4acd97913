//! Sessions of signed-in browsers, in memory only: the mailbox's key lies here wrapped under the cookie.

use crate::base::id::MailboxId;
use crate::base::random::Random;
use crate::base::secret::Secret;
use crate::vault::mailbox_key::MailboxKey;
use crate::vault::session::SessionCookie;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

/// Every live session, by SHA-256 of its cookie. Times are of the boot clock: turning back the wall clock
/// keeps nobody signed in.
#[derive(Default)]
pub struct Sessions(Mutex<HashMap<[u8; 32], Session>>);

struct Session {
    mailbox: MailboxId,
    generation: u32,
    wrapped: Vec<u8>,
    begun: Duration,
    used: Duration,
    first_look: bool,
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
}

impl Sessions {
    /// Begins a session; what comes back is the cookie's value.
    ///
    /// `first_look`: the mailbox was set up just now, which its list says once.
    pub fn begin(
        &self,
        mailbox: MailboxId,
        generation: u32,
        key: &MailboxKey,
        first_look: bool,
        running: Duration,
        random: &dyn Random,
    ) -> Secret<String> {
        let cookie = SessionCookie::generate(random);
        let wrapped = cookie.wrap(mailbox, key, random);
        let mut table = self.lock();
        table.retain(|_, session| session.is_live(running));
        while table.values().filter(|session| session.mailbox == mailbox).count() >= EACH {
            remove_oldest(&mut table, Some(mailbox));
        }
        while table.len() >= ALL {
            remove_oldest(&mut table, None);
        }
        let session = Session { mailbox, generation, wrapped, begun: running, used: running, first_look };
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
        Some(Resumed { mailbox, generation, key })
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

    /// Forgets what has ended by time.
    pub fn sweep(&self, running: Duration) {
        self.lock().retain(|_, session| session.is_live(running));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn is_live(&self, running: Duration) -> bool {
        running.saturating_sub(self.used) < IDLE && running.saturating_sub(self.begun) < LIFE
    }
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

    #[test]
    fn ends_by_idling_by_age_and_by_word() {
        let random = Counting::default();
        let key = MailboxKey::generate(&random);
        let sessions = Sessions::default();
        let begin = |at| sessions.begin(M, 3, &key, true, minutes(at), &random);
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
        let cookie = sessions.begin(M, 0, &key, false, minutes(0), &random);
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
        let other = sessions.begin(N, 0, &key, false, minutes(0), &random);
        let cookies: Vec<_> =
            (0..9).map(|n| sessions.begin(M, 0, &key, false, Duration::from_secs(n), &random)).collect();
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
        let cookie = sessions.begin(M, 0, &key, true, minutes(0), &random);
        assert!(sessions.take_first_look(cookie.expose()));
        assert!(!sessions.take_first_look(cookie.expose()));
        let cookie = sessions.begin(M, 0, &key, false, minutes(0), &random);
        assert!(!sessions.take_first_look(cookie.expose()));
    }
}
