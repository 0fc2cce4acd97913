//! Budgets for guessing: what a network, a mailbox and a known device may fail.
//!
//! What is being tried counts like what has failed until it is known to be right, so that guesses made at the same
//! time are no more than guesses made one after another.
//!
//! All of this ends with the process. From which networks a mailbox was opened is also in its record, by tags that only
//! its own unlock key makes, so that strangers do not hold its owner off after a restart.

use crate::base::id::MailboxId;
use crate::policy::rate;
use crate::policy::rate::Budgets;
use crate::policy::rate::Network;
use crate::vault::device::Device;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::sync::Notify;

/// Failures at sign-in and first use, counted in memory by the boot clock.
pub struct SignInBudgets(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// A guess has ended.
    ended: Notify,
}

struct State {
    networks: Budgets<Network>,
    mailboxes: Budgets<MailboxId>,
    devices: Budgets<[u8; 16]>,
    known: HashMap<(MailboxId, Network), Duration>,
    /// Guesses that have not ended.
    under_way: HashMap<Network, u32>,
}

/// A network from which the mailbox was opened is known for this long.
pub(in crate::flow) const KNOWN: Duration = Duration::from_secs(30 * 24 * 3600);
/// Entries of each kind; beyond them those that are whole again are forgotten first.
const ROOM: usize = 65_536;

impl Default for SignInBudgets {
    fn default() -> Self {
        let state = State {
            networks: Budgets::new(rate::NETWORK_FAILURES, ROOM),
            mailboxes: Budgets::new(rate::MAILBOX_FAILURES, ROOM),
            devices: Budgets::new(rate::DEVICE_FAILURES, ROOM),
            known: HashMap::new(),
            under_way: HashMap::new(),
        };
        Self(Arc::new(Shared { state: Mutex::new(state), ended: Notify::new() }))
    }
}

impl SignInBudgets {
    /// May this network try at all? Asked before anything is looked up; the error says when to come again.
    pub fn network(&self, ip: IpAddr, now: Duration) -> Result<(), Duration> {
        self.0.lock().networks.fits(&Network::of(ip), now).map_err(|wait| wait.0)
    }

    /// Begins a guess from this network; the error says when to come again.
    ///
    /// Of a network no more are under way than may fail: one more waits until an earlier one has ended.
    pub async fn begin(&self, ip: IpAddr, now: Duration) -> Result<Guess, Duration> {
        let network = Network::of(ip);
        loop {
            let ended = self.0.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            if let Some(guess) = self.begin_now(network, now)? {
                return Ok(guess);
            }
            ended.await;
        }
    }

    fn begin_now(&self, network: Network, now: Duration) -> Result<Option<Guess>, Duration> {
        let mut state = self.0.lock();
        state.networks.fits(&network, now).map_err(|wait| wait.0)?;
        let under_way = state.under_way.get(&network).copied().unwrap_or(0);
        if state.networks.fit(&network, under_way.saturating_add(1), now).is_err() {
            return Ok(None);
        }
        state.under_way.insert(network, under_way + 1);
        drop(state);
        Ok(Some(Guess { budgets: self.0.clone(), network, at: Vec::new() }))
    }

    /// A failure of the network alone.
    pub fn failed(&self, ip: IpAddr, now: Duration) {
        self.0.lock().networks.spend(Network::of(ip), now);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is complete before the lock is given back.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A guess that has not ended. Dropped without a verdict, it has cost nothing: nobody learned anything.
pub struct Guess {
    budgets: Arc<Shared>,
    network: Network,
    at: Vec<Tried>,
}

/// A mailbox that is guessed at.
struct Tried {
    mailbox: MailboxId,
    device: Option<Device>,
    /// A right password may open it.
    admitted: bool,
    /// One of its budget, or the device's, is spent on this guess.
    spent: bool,
}

impl Guess {
    /// Names the mailboxes that are guessed at, each with the device that it knows. A known device or network is not
    /// held up by what strangers fail.
    pub fn at(&mut self, mailboxes: impl IntoIterator<Item = (MailboxId, Option<Device>)>, now: Duration) {
        let mut state = self.budgets.lock();
        for (mailbox, device) in mailboxes {
            let spent = match device {
                Some(Device(device)) => state.devices.take(device, now),
                None => state.mailboxes.take(mailbox, now),
            };
            let known = device.is_none() && state.knows(mailbox, self.network, now);
            self.at.push(Tried { mailbox, device, admitted: spent.is_ok() || known, spent: spent.is_ok() });
        }
    }

    /// Where it comes from.
    pub const fn network(&self) -> Network {
        self.network
    }

    /// Does the mailbox know the device? Then the device's budget counts, wherever it is.
    pub fn is_by_device(&self, mailbox: MailboxId) -> bool {
        self.at.iter().any(|tried| tried.mailbox == mailbox && tried.device.is_some())
    }

    /// May a right password open this mailbox, as far as is remembered here?
    pub fn admits(&self, mailbox: MailboxId) -> bool {
        self.at.iter().any(|tried| tried.mailbox == mailbox && tried.admitted)
    }

    /// The mailbox was opened: nothing was spent, and its network is known from now on.
    pub fn right(self, mailbox: MailboxId, now: Duration) {
        let mut state = self.budgets.lock();
        if state.known.len() >= ROOM {
            state.known.retain(|_, since| now.saturating_sub(*since) < KNOWN);
        }
        if state.known.len() < ROOM {
            state.known.insert((mailbox, self.network), now);
        }
    }

    /// It was wrong: what was spent stays spent, and the network pays too.
    pub fn wrong(mut self, now: Duration) {
        self.at.clear();
        self.budgets.lock().networks.spend(self.network, now);
    }
}

impl Drop for Guess {
    fn drop(&mut self) {
        let mut state = self.budgets.lock();
        for tried in self.at.iter().filter(|tried| tried.spent) {
            match tried.device {
                Some(Device(device)) => state.devices.give_back(&device),
                None => state.mailboxes.give_back(&tried.mailbox),
            }
        }
        if let Some(under_way) = state.under_way.get_mut(&self.network) {
            *under_way -= 1;
            if *under_way == 0 {
                state.under_way.remove(&self.network);
            }
        }
        drop(state);
        self.budgets.ended.notify_waiters();
    }
}

impl State {
    fn knows(&self, mailbox: MailboxId, network: Network, now: Duration) -> bool {
        let since = self.known.get(&(mailbox, network));
        since.is_some_and(|since| now.saturating_sub(*since) < KNOWN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use futures_util::poll;

    const M: MailboxId = MailboxId::new([1; 16]);
    const NOW: Duration = Duration::from_secs(1_000);

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn begin(budgets: &SignInBudgets, from: &str) -> Guess {
        budgets.begin(ip(from), NOW).now_or_never().expect("nothing to wait for").expect("there is budget")
    }

    /// May a right password open M from here?
    fn admits(budgets: &SignInBudgets, device: Option<Device>, from: &str, now: Duration) -> bool {
        let mut guess = begin(budgets, from);
        guess.at([(M, device)], now);
        guess.admits(M)
    }

    #[test]
    fn a_network_pauses_after_five_failures_and_comes_back() {
        let budgets = SignInBudgets::default();
        for _ in 0..5 {
            begin(&budgets, "192.0.2.1").wrong(NOW);
        }
        let wait = budgets.network(ip("192.0.2.200"), NOW).unwrap_err();
        assert!(wait <= Duration::from_secs(60));
        assert!(budgets.begin(ip("192.0.2.7"), NOW).now_or_never().unwrap().is_err());
        assert!(budgets.network(ip("198.51.100.1"), NOW).is_ok(), "another network is free");
        assert!(budgets.network(ip("192.0.2.1"), NOW + wait).is_ok());
    }

    #[tokio::test]
    async fn guesses_at_the_same_time_are_no_more_than_one_after_another() {
        let budgets = SignInBudgets::default();
        let mut under_way: Vec<_> = (0..5).map(|_| begin(&budgets, "192.0.2.1")).collect();
        let mut waits = Box::pin(budgets.begin(ip("192.0.2.1"), NOW));
        assert!(poll!(waits.as_mut()).is_pending(), "all that may fail are under way");
        drop(under_way.pop());
        let next = waits.await.expect("one of them cost nothing");
        under_way.push(next);
        let mut waits = Box::pin(budgets.begin(ip("192.0.2.1"), NOW));
        assert!(poll!(waits.as_mut()).is_pending());
        for guess in under_way {
            guess.wrong(NOW);
        }
        assert!(waits.await.is_err(), "all five have failed");
    }

    #[test]
    fn a_mailbox_counts_what_is_under_way() {
        let budgets = SignInBudgets::default();
        let mut all = Vec::new();
        for n in 0..100 {
            let mut guess = begin(&budgets, &format!("10.0.{n}.1"));
            guess.at([(M, None)], NOW);
            assert!(guess.admits(M));
            all.push(guess);
        }
        assert!(!admits(&budgets, None, "203.0.113.1", NOW));
        all.pop().unwrap().right(M, NOW);
        assert!(admits(&budgets, None, "203.0.113.1", NOW), "a right one gives back what it took");
    }

    #[test]
    fn strangers_do_not_lock_out_a_known_device_or_network() {
        let budgets = SignInBudgets::default();
        begin(&budgets, "192.0.2.1").right(M, NOW);
        for n in 0..200 {
            let mut guess = begin(&budgets, &format!("10.1.{n}.1"));
            guess.at([(M, None)], NOW);
            guess.wrong(NOW);
        }
        assert!(!admits(&budgets, None, "203.0.113.1", NOW));
        assert!(admits(&budgets, None, "192.0.2.9", NOW));
        assert!(admits(&budgets, Some(Device([7; 16])), "203.0.113.1", NOW));
        assert!(admits(&budgets, None, "203.0.113.1", NOW + Duration::from_secs(86_400)));
    }
}
