//! When the owner of a secure alias is told what it refused: soon, and once a day at most.

use crate::base::time::Time;
use std::time::Duration;

/// Attempts that belong together come within this: a sender with several servers tries each.
pub const GATHER: Duration = Duration::from_secs(5 * 60);
/// Between two digests.
pub const DAY: Duration = Duration::from_secs(24 * 3600);

/// When a digest is due of attempts of which the first came at `since`, after one at `told`.
///
/// A time that has not come yet was written by a clock that was wrong: it holds up nothing.
pub fn due(since: Time, told: Option<Time>, now: Time) -> Time {
    let gathered = since.min(now) + GATHER;
    let rested = told.filter(|told| *told <= now).map_or(gathered, |told| told + DAY);
    gathered.max(rested)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Time = Time(1_795_348_800);

    #[test]
    fn the_first_is_told_soon_and_the_rest_a_day_later() {
        assert_eq!(due(NOON, None, NOON), NOON + GATHER);
        let told = NOON + GATHER;
        assert_eq!(due(told + GATHER, Some(told), told + GATHER), told + DAY);
        assert_eq!(due(told + DAY * 3, Some(told), told + DAY * 3), told + DAY * 3 + GATHER);
    }

    #[test]
    fn a_clock_that_went_back_holds_up_nothing() {
        assert_eq!(due(NOON + DAY * 400, Some(NOON + DAY * 400), NOON), NOON + GATHER);
    }
}
