//! Work that goes on for long: one at a time for each mailbox, so many in all, and how far each is.

use crate::base::id::MailboxId;
use crate::serve::portal::page;
use axum::body::Body;
use axum::http::Response;
use axum::http::StatusCode;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering;

/// The works of one kind that are under way.
#[derive(Clone)]
pub struct Works {
    most: usize,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// How many percent of each are done.
    going: HashMap<MailboxId, Arc<AtomicU8>>,
    /// How many of each mailbox came to their end since the start, as far as a picture can be high.
    completed: HashMap<MailboxId, u8>,
}

/// A work under way; over when this is dropped.
pub struct Work {
    works: Works,
    mailbox: MailboxId,
    percent: Arc<AtomicU8>,
}

/// Why a work cannot begin now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotNow {
    /// This mailbox has one already.
    Going,
    /// There are as many as there may be.
    Full,
}

impl Works {
    /// At most `most` at once.
    pub fn new(most: usize) -> Self {
        Self { most, state: Arc::default() }
    }

    /// Begins one for a mailbox.
    pub fn begin(&self, mailbox: MailboxId) -> Result<Work, NotNow> {
        let going = &mut self.lock().going;
        if going.contains_key(&mailbox) {
            return Err(NotNow::Going);
        }
        if going.len() >= self.most {
            return Err(NotNow::Full);
        }
        let percent = Arc::new(AtomicU8::new(0));
        going.insert(mailbox, percent.clone());
        Ok(Work { works: self.clone(), mailbox, percent })
    }

    /// How far a mailbox's is, 0 to 100; `None` when none is under way.
    pub fn percent(&self, mailbox: MailboxId) -> Option<u8> {
        self.lock().going.get(&mailbox).map(|percent| percent.load(Ordering::Relaxed))
    }

    /// How many of a mailbox's came to their end, from 0 again after 255: who was not looking while one was under way
    /// sees by this that it is over.
    pub fn completed(&self, mailbox: MailboxId) -> u8 {
        self.lock().completed.get(&mailbox).copied().unwrap_or(0)
    }

    /// How far a mailbox's is, as a picture: 1 pixel wide for nothing, one more for each percent, 102 when none is
    /// under way; 1 pixel high, and one more for each that came to its end. The policy of our pages lets a script fetch
    /// nothing but pictures.
    pub fn picture(&self, mailbox: MailboxId) -> Response<Body> {
        let width = 1 + u16::from(self.percent(mailbox).unwrap_or(101));
        let height = 1 + u16::from(self.completed(mailbox));
        let picture =
            format!("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\"/>");
        page::content(StatusCode::OK, "image/svg+xml", picture)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is complete before the lock is given back.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Work {
    /// So much of all of it is done.
    pub fn is_at(&self, done: u64, all: u64) {
        let percent = u128::from(done) * 100 / u128::from(all.max(1));
        self.percent.store(u8::try_from(percent.min(100)).unwrap_or(100), Ordering::Relaxed);
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let mut state = self.works.lock();
        state.going.remove(&self.mailbox);
        if self.percent.load(Ordering::Relaxed) == 100 {
            let completed = state.completed.entry(self.mailbox).or_default();
            *completed = completed.wrapping_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_a_mailbox_and_so_many_in_all() {
        let works = Works::new(2);
        let mailbox = |n| MailboxId::new([n; 16]);
        let one = works.begin(mailbox(1)).unwrap();
        assert_eq!(works.begin(mailbox(1)).err(), Some(NotNow::Going));
        let _two = works.begin(mailbox(2)).unwrap();
        assert_eq!(works.begin(mailbox(3)).err(), Some(NotNow::Full));
        assert_eq!((works.percent(mailbox(1)), works.percent(mailbox(3))), (Some(0), None));
        one.is_at(u64::MAX / 2, u64::MAX);
        assert_eq!(works.percent(mailbox(1)), Some(49));
        drop(one);
        assert_eq!(works.percent(mailbox(1)), None);
        assert_eq!(works.completed(mailbox(1)), 0, "it broke off");
        works.begin(mailbox(3)).unwrap().is_at(3, 3);
        assert_eq!((works.percent(mailbox(3)), works.completed(mailbox(3))), (None, 1));
        for _ in 0..256 {
            works.begin(mailbox(3)).unwrap().is_at(3, 3);
        }
        assert_eq!((works.completed(mailbox(3)), works.completed(mailbox(1))), (1, 0));
    }
}
