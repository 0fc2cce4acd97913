//! The clocks of this machine.

use crate::base::time::Clock;
use crate::base::time::Time;
use rustix::time::ClockId;
use rustix::time::clock_gettime;
use std::time::Duration;

/// The wall clock and the boot clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Time {
        Time(clock_gettime(ClockId::Realtime).tv_sec)
    }

    fn running(&self) -> Duration {
        let time = clock_gettime(ClockId::Boottime);
        let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or(0);
        Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), nanoseconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tell_a_time() {
        let (before, ran) = (SystemClock.now(), SystemClock.running());
        assert!(before.0 > 1_700_000_000, "{before}");
        assert!(ran > Duration::ZERO && SystemClock.running() >= ran);
    }
}
