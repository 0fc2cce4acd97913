//! Time as a value. The clock is asked at the edge; everything below gets the answer as an argument.

use std::fmt;
use std::ops::Add;
use std::ops::Sub;
use std::time::Duration;

/// Seconds since 1970-01-01 00:00:00 UTC.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Time(pub i64);

impl Time {
    /// The time between `earlier` and this; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// For jiff; out-of-range times become its ends.
    pub fn timestamp(self) -> jiff::Timestamp {
        jiff::Timestamp::from_second(self.0).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        })
    }

    /// `Sun, 22 Nov 2026 03:33:13 +0000`, RFC 5322 §3.3, always in UTC so that no zone is told.
    pub fn rfc5322(self) -> String {
        self.timestamp().strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
    }
}

/// RFC 3339 §5.6, in UTC with `Z`: the form of `--json` and of the log.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.timestamp(), f)
    }
}

impl Add<Duration> for Time {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_secs()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Time {
    type Output = Self;
    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_secs()).unwrap_or(i64::MAX)))
    }
}

/// The two clocks there are; the appliance's own at the edge, a settable one in tests.
pub trait Clock: Send + Sync {
    /// The wall clock, which people and NTP set.
    fn now(&self) -> Time;
    /// The boot clock (CLOCK_BOOTTIME): only ever goes on.
    fn running(&self) -> Duration;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_both_forms() {
        let time = Time(1_795_318_393);
        assert_eq!(time.to_string(), "2026-11-22T03:33:13Z");
        assert_eq!(time.rfc5322(), "Sun, 22 Nov 2026 03:33:13 +0000");
        assert_eq!(Time(5).since(Time(9)), Duration::ZERO);
    }
}
