//! Budgets for guessing: what a network, a mailbox and a known device may fail.

use crate::base::id::MailboxId;
use crate::policy::rate;
use crate::policy::rate::Budgets;
use crate::policy::rate::Network;
use crate::vault::device::Device;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

/// Failures at sign-in and first use, counted in memory by the boot clock.
pub struct SignInBudgets(Mutex<State>);

struct State {
    networks: Budgets<Network>,
    mailboxes: Budgets<MailboxId>,
    devices: Budgets<[u8; 16]>,
    known: HashMap<(MailboxId, Network), Duration>,
}

/// A network from which the mailbox was opened is known for this long.
const KNOWN: Duration = Duration::from_secs(30 * 24 * 3600);
/// Entries of each kind; beyond them those that are whole again are forgotten first.
const ROOM: usize = 65_536;

impl Default for SignInBudgets {
    fn default() -> Self {
        Self(Mutex::new(State {
            networks: Budgets::new(rate::NETWORK_FAILURES, ROOM),
            mailboxes: Budgets::new(rate::MAILBOX_FAILURES, ROOM),
            devices: Budgets::new(rate::DEVICE_FAILURES, ROOM),
            known: HashMap::new(),
        }))
    }
}

impl SignInBudgets {
    /// May this network try at all? Asked before anything is looked up; the error says when to come again.
    pub fn network(&self, ip: IpAddr, now: Duration) -> Result<(), Duration> {
        self.lock().networks.fits(&Network::of(ip), now).map_err(|wait| wait.0)
    }

    /// May a right password open this mailbox? A known device or network is not held up by what strangers fail.
    pub fn mailbox(&self, mailbox: MailboxId, device: Option<Device>, ip: IpAddr, now: Duration) -> bool {
        let state = self.lock();
        if let Some(Device(device)) = device {
            return state.devices.fits(&device, now).is_ok();
        }
        let known = state.known.get(&(mailbox, Network::of(ip)));
        known.is_some_and(|since| now.saturating_sub(*since) < KNOWN)
            || state.mailboxes.fits(&mailbox, now).is_ok()
    }

    /// A failure: the network's, and for each mailbox that was tried its own or the device's.
    pub fn failed(
        &self,
        ip: IpAddr,
        at: impl IntoIterator<Item = (MailboxId, Option<Device>)>,
        now: Duration,
    ) {
        let mut state = self.lock();
        state.networks.spend(Network::of(ip), now);
        for tried in at {
            match tried {
                (_, Some(Device(device))) => state.devices.spend(device, now),
                (mailbox, None) => state.mailboxes.spend(mailbox, now),
            }
        }
    }

    /// The mailbox was opened from here.
    pub fn succeeded(&self, mailbox: MailboxId, ip: IpAddr, now: Duration) {
        let mut state = self.lock();
        if state.known.len() >= ROOM {
            state.known.retain(|_, since| now.saturating_sub(*since) < KNOWN);
        }
        if state.known.len() < ROOM {
            state.known.insert((mailbox, Network::of(ip)), now);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is complete before the lock is given back.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const M: MailboxId = MailboxId::new([1; 16]);

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_pauses_after_five_failures_and_comes_back() {
        let budgets = SignInBudgets::default();
        let start = Duration::from_secs(1_000);
        for _ in 0..5 {
            assert!(budgets.network(ip("192.0.2.1"), start).is_ok());
            budgets.failed(ip("192.0.2.1"), None, start);
        }
        let wait = budgets.network(ip("192.0.2.200"), start).unwrap_err();
        assert!(wait <= Duration::from_secs(60));
        assert!(budgets.network(ip("198.51.100.1"), start).is_ok(), "another network is free");
        assert!(budgets.network(ip("192.0.2.1"), start + wait).is_ok());
    }

    #[test]
    fn strangers_do_not_lock_out_a_known_device_or_network() {
        let budgets = SignInBudgets::default();
        let start = Duration::from_secs(1_000);
        budgets.succeeded(M, ip("192.0.2.1"), start);
        for n in 0..200 {
            budgets.failed(ip(&format!("198.51.100.{n}")), Some((M, None)), start);
        }
        assert!(!budgets.mailbox(M, None, ip("203.0.113.1"), start));
        assert!(budgets.mailbox(M, None, ip("192.0.2.9"), start));
        assert!(budgets.mailbox(M, Some(Device([7; 16])), ip("203.0.113.1"), start));
        assert!(budgets.mailbox(M, None, ip("203.0.113.1"), start + Duration::from_secs(86_400)));
    }
}
