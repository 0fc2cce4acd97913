//! When the recipient of a temporary mailbox is told of a message: at once, later with others, or not by mail.

use crate::base::time::Time;
use std::time::Duration;

/// What is known of the notices to one mailbox.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Facts {
    /// When the last one went out.
    pub last: Option<Time>,
    /// When the day began that `today` counts.
    pub day: Option<Time>,
    /// Those of that day.
    pub today: u16,
    /// So many in a row came back for good.
    pub returned: u8,
}

/// What a mailbox may be told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Between two notices.
    pub interval: Duration,
    /// In 24 hours.
    pub per_day: u16,
}

/// When the recipient is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Now.
    Now,
    /// With what else has come by then.
    At(Time),
    /// Not until somebody signs in: the address takes no notices.
    Never,
}

/// Notices that came back with 5xx one after the other, before no more are sent.
pub const RETURNED: u8 = 2;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// When is the next notice?
pub fn judge(facts: &Facts, limits: &Limits, now: Time) -> Verdict {
    if facts.returned >= RETURNED {
        return Verdict::Never;
    }
    // A time that has not come yet was written by a clock that was wrong: it holds up nothing.
    let past = |time: Option<Time>| time.filter(|time| *time <= now);
    let rested = past(facts.last).map_or(now, |last| last + limits.interval);
    let allowed = match past(facts.day) {
        Some(day) if facts.today >= limits.per_day => day + DAY,
        _ => now,
    };
    let next = rested.max(allowed);
    if next <= now { Verdict::Now } else { Verdict::At(next) }
}

/// The day that a notice sent now counts into, and how many that day has then.
pub fn count(facts: &Facts, now: Time) -> (Time, u16) {
    match facts.day {
        Some(day) if day <= now && now.since(day) < DAY => (day, facts.today.saturating_add(1)),
        _ => (now, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Time = Time(1_795_318_393);
    const LIMITS: Limits = Limits { interval: Duration::from_secs(600), per_day: 12 };

    fn sent(facts: Facts, now: Time) -> Facts {
        let (day, today) = count(&facts, now);
        Facts { last: Some(now), day: Some(day), today, ..facts }
    }

    #[test]
    fn one_in_ten_minutes() {
        let facts = Facts::default();
        assert_eq!(judge(&facts, &LIMITS, START), Verdict::Now);
        let facts = sent(facts, START);
        let next = START + LIMITS.interval;
        assert_eq!(judge(&facts, &LIMITS, START), Verdict::At(next));
        assert_eq!(judge(&facts, &LIMITS, next - Duration::from_secs(1)), Verdict::At(next));
        assert_eq!(judge(&facts, &LIMITS, next), Verdict::Now);
    }

    /// Whoever writes whenever: in any 24 hours from a day's begin there are twelve, and the thirteenth comes.
    #[test]
    fn twelve_in_a_day() {
        let (mut facts, mut now) = (Facts::default(), START);
        for n in 1..=12 {
            assert_eq!(judge(&facts, &LIMITS, now), Verdict::Now, "{n}");
            facts = sent(facts, now);
            now = now + LIMITS.interval;
        }
        let tomorrow = START + DAY;
        assert_eq!(judge(&facts, &LIMITS, now), Verdict::At(tomorrow));
        assert_eq!(judge(&facts, &LIMITS, tomorrow), Verdict::Now);
        assert_eq!(sent(facts, tomorrow).today, 1);
    }

    #[test]
    fn none_after_two_that_came_back() {
        let facts = |returned| Facts { returned, ..Facts::default() };
        assert_eq!(judge(&facts(1), &LIMITS, START), Verdict::Now);
        assert_eq!(judge(&facts(2), &LIMITS, START), Verdict::Never);
        assert_eq!(judge(&facts(3), &LIMITS, START + DAY), Verdict::Never);
    }

    #[test]
    fn a_clock_that_went_back_holds_up_nothing() {
        let ahead = Some(START + DAY * 400);
        let facts = Facts { last: ahead, day: ahead, today: 12, returned: 0 };
        assert_eq!(judge(&facts, &LIMITS, START), Verdict::Now);
        assert_eq!(count(&facts, START), (START, 1));
    }
}
