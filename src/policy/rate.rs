//! Budgets: how many of something in a time, as values. The boot clock is an argument.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::time::Duration;

/// So many at once, then one more each time that `every` has passed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate {
    /// At once.
    pub burst: u32,
    /// One comes back after this.
    pub every: Duration,
}

impl Rate {
    /// `count` in `span`, all of them at once if need be.
    pub const fn of(count: u32, span: Duration) -> Self {
        let count = if count == 0 { 1 } else { count };
        Self { burst: count, every: Duration::from_nanos((span.as_nanos() / count as u128) as u64) }
    }
}

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Failed sign-ins from one client network: five, then one a minute.
pub const NETWORK_FAILURES: Rate = Rate { burst: 5, every: Duration::from_secs(60) };
/// Failed sign-ins at one mailbox from sources it does not know.
pub const MAILBOX_FAILURES: Rate = Rate::of(100, DAY);
/// Failed sign-ins at one mailbox from one known device.
pub const DEVICE_FAILURES: Rate = Rate::of(20, DAY);

/// How much of a budget is spent: the moment when it will be whole again.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Bucket {
    whole_at: Duration,
}

impl Bucket {
    /// Would `count` more fit now? If not, how long until they do; never, if they are more than the burst.
    pub fn fits(&self, rate: Rate, count: u32, now: Duration) -> Result<(), Wait> {
        if count > rate.burst {
            return Err(Wait(Duration::MAX));
        }
        let after = self.whole_at.max(now).saturating_add(rate.every.saturating_mul(count));
        let room = now.saturating_add(rate.every.saturating_mul(rate.burst));
        match after.checked_sub(room) {
            Some(wait) if !wait.is_zero() => Err(Wait(wait)),
            _ => Ok(()),
        }
    }

    /// Spends `count`, whether they fit or not; never deeper than empty.
    pub fn spend(&mut self, rate: Rate, count: u32, now: Duration) {
        let after = self.whole_at.max(now).saturating_add(rate.every.saturating_mul(count));
        self.whole_at = after.min(now.saturating_add(rate.every.saturating_mul(rate.burst)));
    }

    /// Gives back `count` that were spent for nothing.
    pub fn give_back(&mut self, rate: Rate, count: u32) {
        self.whole_at = self.whole_at.saturating_sub(rate.every.saturating_mul(count));
    }

    /// Spends `count` if they fit.
    pub fn take(&mut self, rate: Rate, count: u32, now: Duration) -> Result<(), Wait> {
        self.fits(rate, count, now)?;
        self.spend(rate, count, now);
        Ok(())
    }

    /// Nothing of it is spent any more.
    pub fn is_whole(&self, now: Duration) -> bool {
        self.whole_at <= now
    }
}

/// A budget is spent; something will be there again after this.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Wait(pub Duration);

/// Budgets by key, in bounded memory.
#[derive(Debug)]
pub struct Budgets<Key> {
    rate: Rate,
    buckets: HashMap<Key, Bucket>,
    room: usize,
}

impl<Key: Clone + Eq + Hash> Budgets<Key> {
    /// At most `room` keys are remembered; beyond that those nearest to whole are forgotten.
    pub fn new(rate: Rate, room: usize) -> Self {
        Self { rate, buckets: HashMap::new(), room: room.max(1) }
    }

    /// May `key` go on?
    pub fn fits(&self, key: &Key, now: Duration) -> Result<(), Wait> {
        self.fit(key, 1, now)
    }

    /// May `key` go on `count` times?
    pub fn fit(&self, key: &Key, count: u32, now: Duration) -> Result<(), Wait> {
        self.buckets.get(key).copied().unwrap_or_default().fits(self.rate, count, now)
    }

    /// Gives back one of `key`'s that was spent for nothing.
    pub fn give_back(&mut self, key: &Key) {
        if let Some(bucket) = self.buckets.get_mut(key) {
            bucket.give_back(self.rate, 1);
        }
    }

    /// Spends one of `key`'s.
    pub fn spend(&mut self, key: Key, now: Duration) {
        if !self.buckets.contains_key(&key) && self.buckets.len() >= self.room {
            self.make_room(now);
        }
        self.buckets.entry(key).or_default().spend(self.rate, 1, now);
    }

    /// Spends one of `key`'s if there is one.
    pub fn take(&mut self, key: Key, now: Duration) -> Result<(), Wait> {
        self.fits(&key, now)?;
        self.spend(key, now);
        Ok(())
    }

    /// Forgets what is whole and, if that is not enough, the half that is nearest to it.
    fn make_room(&mut self, now: Duration) {
        self.buckets.retain(|_, bucket| !bucket.is_whole(now));
        if self.buckets.len() < self.room {
            return;
        }
        let mut ends: Vec<_> = self.buckets.values().map(|bucket| bucket.whole_at).collect();
        let middle = ends.len() / 2;
        let (_, middle, _) = ends.select_nth_unstable(middle);
        let middle = *middle;
        let keep = self.room / 2;
        let mut kept = 0;
        self.buckets.retain(|_, bucket| {
            let stays = bucket.whole_at >= middle && kept < keep;
            kept += usize::from(stays);
            stays
        });
    }
}

/// Several rates over one thing: an hour's and a day's. All must have room.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Ledger {
    buckets: [Bucket; 2],
}

impl Ledger {
    /// Spends `count` if every rate has room; otherwise none, and the longest wait.
    pub fn take(&mut self, rates: &[Rate; 2], count: u32, now: Duration) -> Result<(), Wait> {
        let waits =
            self.buckets.iter().zip(rates).filter_map(|(bucket, rate)| bucket.fits(*rate, count, now).err());
        if let Some(wait) = waits.max_by_key(|wait| wait.0) {
            return Err(wait);
        }
        for (bucket, rate) in self.buckets.iter_mut().zip(rates) {
            bucket.spend(*rate, count, now);
        }
        Ok(())
    }

    /// Gives back `count` that were spent for nothing.
    pub fn give_back(&mut self, rates: &[Rate; 2], count: u32) {
        for (bucket, rate) in self.buckets.iter_mut().zip(rates) {
            bucket.give_back(*rate, count);
        }
    }
}

/// The network that budgets are counted for: /24 of IPv4, /64 of IPv6.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Network(IpAddr);

impl Network {
    /// The network of an address; an IPv4 address in IPv6 clothes (RFC 4291 §2.5.5.2) is IPv4.
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => {
                let [a, b, c, _] = address.octets();
                Ipv4Addr::new(a, b, c, 0).into()
            }
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
        })
    }

    /// The octets of its first address: 4, or 16 of IPv6.
    pub fn octets(&self) -> Vec<u8> {
        match self.0 {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);
    const RECIPIENTS: [Rate; 2] = [Rate::of(200, HOUR), Rate::of(1_000, DAY)];

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn five_failures_then_one_a_minute() {
        let mut budgets = Budgets::new(NETWORK_FAILURES, 10);
        let start = seconds(1_000);
        for _ in 0..5 {
            assert_eq!(budgets.take("net", start), Ok(()));
        }
        assert_eq!(budgets.take("net", start), Err(Wait(seconds(60))));
        assert_eq!(budgets.take("other", start), Ok(()));
        assert_eq!(budgets.fits(&"net", start + seconds(59)), Err(Wait(seconds(1))));
        assert_eq!(budgets.take("net", start + seconds(60)), Ok(()));
        assert!(budgets.take("net", start + seconds(60)).is_err());
        assert_eq!(budgets.fits(&"net", start + seconds(600)), Ok(()));
    }

    #[test]
    fn spending_beyond_empty_does_not_lock_out_for_longer() {
        let mut bucket = Bucket::default();
        for _ in 0..10_000 {
            bucket.spend(MAILBOX_FAILURES, 1, seconds(5));
        }
        assert_eq!(bucket.fits(MAILBOX_FAILURES, 1, seconds(5)), Err(Wait(seconds(864))));
        assert!(bucket.is_whole(seconds(5) + DAY));
    }

    #[test]
    fn an_hour_and_a_day_both_hold() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.take(&RECIPIENTS, 200, seconds(0)), Ok(()));
        assert_eq!(ledger.take(&RECIPIENTS, 1, seconds(0)), Err(Wait(seconds(18))));
        assert_eq!(ledger.take(&RECIPIENTS, 201, seconds(0)), Err(Wait(Duration::MAX)));
        let mut sent = 200;
        for hour in 1..24 {
            sent += if ledger.take(&RECIPIENTS, 200, HOUR * hour).is_ok() { 200 } else { 0 };
        }
        assert!((1_000..=2_000).contains(&sent), "{sent}");
        let mut refused = Ledger::default();
        assert!(refused.take(&RECIPIENTS, 300, seconds(0)).is_err());
        assert_eq!(refused, Ledger::default(), "a refusal costs nothing");
    }

    #[test]
    fn memory_is_bounded() {
        let mut budgets = Budgets::new(NETWORK_FAILURES, 100);
        for key in 0..10_000_u32 {
            budgets.spend(key, seconds(u64::from(key) / 100));
            assert!(budgets.buckets.len() <= 100);
        }
        let mut same = Budgets::new(NETWORK_FAILURES, 100);
        (0..1_000_u32).for_each(|key| same.spend(key, seconds(1)));
        assert!(same.buckets.len() <= 100);
    }

    #[test]
    fn networks() {
        for (a, b, same) in [
            ("192.0.2.1", "192.0.2.200", true),
            ("192.0.2.1", "192.0.3.1", false),
            ("::ffff:192.0.2.1", "192.0.2.9", true),
            ("2001:db8::1", "2001:db8::ffff:1", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
        ] {
            let network = |text: &str| Network::of(text.parse().unwrap());
            assert_eq!(network(a) == network(b), same, "{a} {b}");
        }
    }
}
