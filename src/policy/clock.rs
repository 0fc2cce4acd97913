//! May the clock be believed? Only a believed clock closes or deletes a mailbox.
//!
//! The wall clock is compared with what it said when the appliance last wrote it down, and, while the appliance
//! runs, with the boot clock, which nobody sets. Changes of daylight saving time are nothing: all times are UTC.

use crate::base::time::Time;
use std::time::Duration;

/// Wall clock and boot clock may come apart by so much while the appliance runs.
pub const APART: Duration = Duration::from_secs(3_600);
/// The appliance may have been off for so long before an admin is asked.
pub const OFF: Duration = Duration::from_secs(7 * 86_400);

/// Why a clock is not believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Why {
    /// At the start it is before what was last written down.
    Backward,
    /// At the start it is more than [`OFF`] after it.
    Forward,
    /// It went more than [`APART`] away from the boot clock, at once or step by step.
    Jump,
}

/// A clock that is not believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Fault {
    /// Why.
    pub why: Why,
    /// By so much: how far back, how long after, or how far apart.
    pub by: Duration,
}

/// Judges the clock at a start, by what was `written` down last.
pub fn at_start(written: Time, now: Time) -> Option<Fault> {
    if now < written {
        return Some(Fault { why: Why::Backward, by: written.since(now) });
    }
    let by = now.since(written);
    (by > OFF).then_some(Fault { why: Why::Forward, by })
}

/// Both clocks at one moment: what later moments are compared with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pair {
    /// The wall clock.
    pub wall: Time,
    /// The boot clock.
    pub boot: Duration,
}

impl Pair {
    /// Judges the clocks of a later moment. What came apart in many small steps counts as one.
    pub fn judge(self, later: Self) -> Option<Fault> {
        let by = self.apart(later);
        (by > APART).then_some(Fault { why: Why::Jump, by })
    }

    /// By so much both clocks have come apart until then.
    fn apart(self, later: Self) -> Duration {
        let walked = i128::from(later.wall.0) - i128::from(self.wall.0);
        let ran = i128::from(self.ran(later));
        Duration::from_secs(u64::try_from((walked - ran).unsigned_abs()).unwrap_or(u64::MAX))
    }

    /// Seconds that the boot clock went on until then.
    pub fn ran(self, later: Self) -> u64 {
        later.boot.saturating_sub(self.boot).as_secs()
    }
}

/// A wall clock that is set by more than this between two looks has made a step.
pub const STEP: Duration = Duration::from_secs(60);

/// How both clocks have gone since the appliance started, or since an admin took the wall clock for right.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Course {
    begin: Pair,
    last: Pair,
    /// When the wall clock made its last step, by the boot clock.
    step: Option<Duration>,
    /// It was a step back, and nobody has asked about it.
    set_back: bool,
}

impl Course {
    /// One that begins now.
    pub const fn new(now: Pair) -> Self {
        Self { begin: now, last: now, step: None, set_back: false }
    }

    /// One that begins now in the place of this one.
    pub fn anew(mut self, now: Pair) -> Self {
        self.look(now);
        Self { set_back: self.set_back, ..Self::new(now) }
    }

    /// Judges the clocks of a later moment.
    pub fn judge(&self, now: Pair) -> Option<Fault> {
        self.begin.judge(now)
    }

    /// Takes notice of what both clocks say now.
    pub fn look(&mut self, now: Pair) {
        if self.last.apart(now) > STEP {
            self.step = Some(now.boot);
            let right = self.last.wall + Duration::from_secs(self.last.ran(now));
            self.set_back |= now.wall < right;
        }
        self.last = now;
    }

    /// Whether the wall clock was set back since somebody asked.
    pub fn take_set_back(&mut self) -> bool {
        std::mem::take(&mut self.set_back)
    }
}

/// What is known at one moment of the age of things.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ages {
    /// The course of the clocks up to this moment, once it has begun.
    pub course: Option<Course>,
    /// What was written down before the course began is not believed.
    pub suspended: bool,
}

impl Ages {
    /// Whether something made at `made` is as old as the wall clock says, closely enough to end it after `life`.
    pub fn known(&self, made: Time, life: Duration) -> bool {
        let Some(course) = self.course else { return !self.suspended };
        let now = course.last;
        // A step of minutes is much of a life of minutes and nothing of one of days.
        let steady = course.step.is_none_or(|step| now.boot.saturating_sub(step) >= life.min(APART));
        steady && course.judge(now).is_none() && (!self.suspended || made >= course.begin.wall)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Time = Time(1_795_348_800);
    const DAY: i64 = 86_400;

    #[test]
    fn a_start_is_judged_by_what_was_written_down() {
        for (later, want) in [
            (0, None),
            (1, None),
            (7 * DAY, None),
            (7 * DAY + 1, Some((Why::Forward, 7 * DAY + 1))),
            (100 * DAY, Some((Why::Forward, 100 * DAY))),
            (-1, Some((Why::Backward, 1))),
            (-100 * DAY, Some((Why::Backward, 100 * DAY))),
            (-NOON.0, Some((Why::Backward, NOON.0))),
        ] {
            let fault = at_start(NOON, Time(NOON.0 + later)).map(|fault| (fault.why, fault.by.as_secs()));
            assert_eq!(fault, want.map(|(why, by)| (why, u64::try_from(by).unwrap())), "{later}");
        }
        assert_eq!(at_start(Time(i64::MIN), Time(i64::MAX)).map(|fault| fault.why), Some(Why::Forward));
        assert_eq!(at_start(Time(i64::MAX), Time(i64::MIN)).map(|fault| fault.why), Some(Why::Backward));
    }

    #[test]
    fn a_running_clock_is_judged_by_the_boot_clock() {
        let begin = Pair { wall: NOON, boot: Duration::from_millis(1_500) };
        let later = |wall: i64, boot: i64| {
            let boot = Duration::from_millis(1_500 + u64::try_from(boot).unwrap());
            Pair { wall: Time(NOON.0 + wall), boot }
        };
        for (wall, boot, apart) in [
            (0, 0, None),
            (400 * DAY, 400 * DAY, None),
            (3_600, 0, None),
            (3_601, 0, Some(3_601)),
            (0, 3_600, None),
            (-1, 3_600, Some(3_601)),
            (100 * DAY, 60, Some(8_639_940)),
            (-100 * DAY, 60, Some(8_640_060)),
        ] {
            let fault = begin.judge(later(wall, boot * 1_000));
            let want = apart.map(|by| Fault { why: Why::Jump, by: Duration::from_secs(by) });
            assert_eq!(fault, want, "{wall} {boot}");
        }
        assert_eq!(begin.ran(later(0, 59_999)), 59);
        assert_eq!(later(0, 5).ran(begin), 0, "a boot clock that goes back adds nothing");
        let ends =
            [Pair { wall: Time(i64::MIN), boot: Duration::MAX }, Pair { wall: Time(i64::MAX), ..begin }];
        assert!(ends[0].judge(ends[1]).is_some() && ends[1].judge(ends[0]).is_some());
    }

    /// Thirty small jumps are one of their sum; the seconds that are cut off are not.
    #[test]
    fn small_jumps_add_up_and_rounding_does_not() {
        let begin = Pair { wall: NOON, boot: Duration::from_millis(999) };
        let mut faults = 0;
        for step in 1_i64..=40 {
            let later = Pair { wall: Time(NOON.0 + step * 160), boot: Duration::from_secs(step as u64 * 60) };
            faults += i32::from(begin.judge(later).is_some());
        }
        assert_eq!(faults, 5, "from the 36th on: 36 × 100 s are an hour and 1 s of rounding");
        for minutes in 1..=100_000_i64 {
            let boot = Duration::from_millis(999 + minutes as u64 * 60_000);
            assert_eq!(begin.judge(Pair { wall: Time(NOON.0 + minutes * 60), boot }), None);
        }
    }

    #[test]
    fn a_step_back_is_seen_once_and_one_on_not_at_all() {
        let at = |wall: i64, boot: u64| Pair { wall: Time(NOON.0 + wall), boot: Duration::from_secs(boot) };
        let mut course = Course::new(at(0, 0));
        for (now, want) in [
            (at(60, 60), false),
            (at(4_000, 120), false),
            (at(3_999, 120), false),
            (at(180, 180), true),
            (at(190, 240), false),
            (at(190, 360), true),
        ] {
            course.look(now);
            assert_eq!((course.take_set_back(), course.take_set_back()), (want, false), "{now:?}");
        }
        // Whoever looks first, it is there for who asks.
        course.look(at(-100 * DAY, 400));
        course.look(at(-100 * DAY + 60, 460));
        assert!(course.take_set_back());
        course.look(at(0, 500));
        let mut accepted = course.anew(at(-DAY, 560));
        assert!(accepted.take_set_back() && accepted.judge(at(-DAY + 60, 620)).is_none());
    }

    #[test]
    fn an_age_is_known_where_the_clocks_went_together() {
        let (mail, urgent) = (Duration::from_secs(5 * 86_400), Duration::from_secs(1_800));
        let at = |wall: i64, boot: u64| Pair { wall: Time(NOON.0 + wall), boot: Duration::from_secs(boot) };
        let old = Time(NOON.0 - DAY);
        let after = |looks: &[Pair], suspended| {
            let mut course = Course::new(at(0, 0));
            looks.iter().for_each(|look| course.look(*look));
            Ages { course: Some(course), suspended }
        };
        for (what, ages, of_mail, of_urgent) in [
            ("before the first look", Ages { course: None, suspended: false }, true, true),
            ("not believed at the start", Ages { course: None, suspended: true }, false, false),
            ("hand in hand", after(&[at(60, 60), at(120, 121)], false), true, true),
            ("hand in hand for a week", after(&[at(7 * DAY, 7 * 86_400)], false), true, true),
            ("100 days on", after(&[at(100 * DAY, 60)], false), false, false),
            (
                "100 days on, and a day later",
                after(&[at(100 * DAY, 60), at(101 * DAY, 86_460)], true),
                false,
                false,
            ),
            ("100 days back", after(&[at(-100 * DAY, 60)], false), false, false),
            ("40 minutes on", after(&[at(2_460, 60)], false), false, false),
            ("40 minutes on, 30 later", after(&[at(2_460, 60), at(4_260, 1_860)], false), false, true),
            ("40 minutes on, 60 later", after(&[at(2_460, 60), at(6_060, 3_660)], false), true, true),
            ("in small steps", after(&[at(90, 60), at(180, 120)], false), true, true),
            ("old, and not believed since the start", after(&[at(60, 60)], true), false, false),
        ] {
            assert_eq!((ages.known(old, mail), ages.known(old, urgent)), (of_mail, of_urgent), "{what}");
        }
        let waits = after(&[at(60, 60), at(6 * DAY, 6 * 86_400)], true);
        assert!(waits.known(Time(NOON.0 + 1), mail), "made since the start: that age was counted here");
    }
}
