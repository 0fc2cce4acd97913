//! What time alone brings to a temporary mailbox: its warnings, its closing, its deletion.
//!
//! The wall clock says when something is due; the running time, added up in the store, says that everybody had the
//! time to act. So a machine that was off, or a clock that somebody set, shuts nobody out unwarned.

use crate::base::time::Time;
use crate::policy::clock::APART;
use crate::policy::life::State;
use std::time::Duration;

/// What makes a mailbox close.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rules {
    /// Days without activity.
    pub inactivity: u16,
    /// Days before, falling, when its recipient is warned.
    pub warn: Vec<u16>,
}

/// A moment by both counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Moment {
    /// The wall clock.
    pub wall: Time,
    /// Seconds that the appliance has run, added up over its whole life.
    pub ran: u64,
}

/// A warning on record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Warning {
    /// Which of the rules'.
    pub days: u16,
    /// The running time at which it was handed over or came back; `None` while it is in the queue.
    pub settled: Option<u64>,
}

/// A temporary mailbox as time sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Life {
    /// Where in its life.
    pub state: State,
    /// The last activity.
    pub active: Time,
    /// Warnings since then, the last of each.
    pub warnings: Vec<Warning>,
    /// When it was closed, or found unreachable.
    pub ended: Option<Moment>,
}

/// What is due for one mailbox.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Due {
    /// Nothing now.
    Nothing,
    /// Its last activity has not come yet: a clock that was wrong wrote it down. It counts as of now.
    Correct,
    /// A warning.
    Warn {
        /// Which.
        days: u16,
        /// There is no later one.
        last: bool,
        /// It closes then, if nobody comes.
        closes: Time,
    },
    /// It closes.
    Close,
    /// It is deleted.
    Delete,
}

/// A closed or unreachable mailbox is kept so long.
pub const GRACE: Duration = Duration::from_secs(7 * DAY);
/// So long must the appliance have run after the last warning before it closes a mailbox, and after that, or after
/// an invitation came back, before it deletes one.
pub const RUNNING: Duration = Duration::from_secs(3 * DAY);
/// And so long after each earlier warning before the next one, which only matters when the earlier was late.
pub const BETWEEN: Duration = Duration::from_secs(DAY);
/// A warning that was settled so long before its day, because the rules were others then, is sent again.
pub const EARLY: Duration = Duration::from_secs(7 * DAY);

const DAY: u64 = 24 * 3_600;

/// What is due now. The caller has made sure that the clock is believed.
pub fn due(life: &Life, rules: &Rules, now: Moment) -> Due {
    use State as S;
    match life.state {
        S::None | S::Deleted => Due::Nothing,
        S::Closed | S::ClosedNew | S::Unreachable => after_the_end(life, now),
        S::Unopened | S::Dead | S::Abandoned | S::Open | S::Former | S::FormerNew => {
            while_alive(life, rules, now)
        }
    }
}

/// When the mailbox closes if nobody comes: by the rules, or later if its warnings are.
pub fn closes(life: &Life, rules: &Rules, now: Moment) -> Time {
    let due = life.active + days(rules.inactivity);
    let missing = missing(life, rules, now).count();
    let waits = life.warnings.iter().any(|sent| sent.settled.is_none());
    let last = life.warnings.iter().filter_map(|sent| sent.settled).max();
    // What is still to be sent, each a day behind the one before it, and the time to act after the last.
    let mut needs = RUNNING;
    for _ in 1..missing {
        needs += BETWEEN;
    }
    let since = Duration::from_secs(last.map_or(0, |last| now.ran.saturating_sub(last)));
    if missing == 0 && !waits {
        needs = needs.saturating_sub(since);
    } else if missing > 0 && !life.warnings.is_empty() {
        needs += if waits { BETWEEN } else { BETWEEN.saturating_sub(since) };
    }
    due.max(now.wall + needs)
}

fn after_the_end(life: &Life, now: Moment) -> Due {
    let over =
        life.ended.is_some_and(|ended| now.wall >= ended.wall + GRACE && has_run(ended.ran, RUNNING, now));
    if over { Due::Delete } else { Due::Nothing }
}

fn while_alive(life: &Life, rules: &Rules, now: Moment) -> Due {
    if life.active > now.wall + APART {
        return Due::Correct;
    }
    if life.warnings.iter().any(|sent| sent.settled.is_none()) {
        return Due::Nothing;
    }
    let before = life.warnings.iter().filter_map(|sent| sent.settled).max();
    let Some(next) = missing(life, rules, now).next() else { return closing(life, rules, before, now) };
    let at = life.active + days(rules.inactivity.saturating_sub(*next));
    if now.wall < at || before.is_some_and(|before| !has_run(before, BETWEEN, now)) {
        return Due::Nothing;
    }
    Due::Warn { days: *next, last: rules.warn.last() == Some(next), closes: closes(life, rules, now) }
}

/// The warnings that are still to be sent, and those to be sent again.
fn missing<'r>(life: &'r Life, rules: &'r Rules, now: Moment) -> impl Iterator<Item = &'r u16> {
    let counts =
        move |sent: &Warning| sent.settled.is_none_or(|ran| is_timely(sent.days, ran, life, rules, now));
    rules
        .warn
        .iter()
        .filter(move |days| !life.warnings.iter().any(|sent| sent.days == **days && counts(sent)))
}

/// Whether a warning settled at `ran` was no more than [`EARLY`] before its day. One from before the rules gave more time
/// named a date that nothing ends on. Time off counts as if it had come before the warning, so nobody is warned twice
/// because the machine stood still.
fn is_timely(warning: u16, ran: u64, life: &Life, rules: &Rules, now: Moment) -> bool {
    let settled = now.wall - Duration::from_secs(now.ran.saturating_sub(ran));
    settled + EARLY >= life.active + days(rules.inactivity.saturating_sub(warning))
}

fn closing(life: &Life, rules: &Rules, warned: Option<u64>, now: Moment) -> Due {
    let over = now.wall >= life.active + days(rules.inactivity);
    // Nobody is shut out who was never warned, whatever the rules say.
    let had_time = warned.is_some_and(|warned| has_run(warned, RUNNING, now));
    if over && had_time { Due::Close } else { Due::Nothing }
}

fn has_run(since: u64, needed: Duration, now: Moment) -> bool {
    now.ran.saturating_sub(since) >= needed.as_secs()
}

fn days(days: u16) -> Duration {
    Duration::from_secs(u64::from(days) * DAY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::clock;
    use crate::policy::clock::Pair;
    use proptest::prelude::*;

    const START: Time = Time(1_795_348_800);

    fn rules() -> Rules {
        Rules { inactivity: 90, warn: vec![14, 3] }
    }

    fn life(state: State) -> Life {
        Life { state, active: START, warnings: Vec::new(), ended: None }
    }

    fn at(day: u64, hours: u64) -> Moment {
        let seconds = day * DAY + hours * 3_600;
        Moment { wall: START + Duration::from_secs(seconds), ran: seconds }
    }

    #[test]
    fn a_quiet_life() {
        let rules = rules();
        let mut life = life(State::Open);
        let closes = START + days(90);
        assert_eq!(due(&life, &rules, at(75, 23)), Due::Nothing);
        assert_eq!(due(&life, &rules, at(76, 0)), Due::Warn { days: 14, last: false, closes });
        life.warnings.push(Warning { days: 14, settled: None });
        assert_eq!(due(&life, &rules, at(88, 0)), Due::Nothing, "it waits in the queue");
        life.warnings[0].settled = Some(at(76, 0).ran);
        assert_eq!(due(&life, &rules, at(86, 23)), Due::Nothing);
        assert_eq!(due(&life, &rules, at(87, 0)), Due::Warn { days: 3, last: true, closes });
        life.warnings.push(Warning { days: 3, settled: Some(at(87, 0).ran) });
        assert_eq!(due(&life, &rules, at(89, 23)), Due::Nothing);
        assert_eq!(due(&life, &rules, at(90, 0)), Due::Close);
        life.warnings[1].settled = Some(at(88, 0).ran);
        assert_eq!(due(&life, &rules, at(90, 23)), Due::Nothing, "the last warning was three days late");
        assert_eq!(due(&life, &rules, at(91, 0)), Due::Close);
        life.state = State::Closed;
        life.ended = Some(at(91, 0));
        assert_eq!(due(&life, &rules, at(97, 23)), Due::Nothing);
        assert_eq!(due(&life, &rules, at(98, 0)), Due::Delete);
    }

    #[test]
    fn after_a_long_time_off_warnings_come_first_and_one_after_the_other() {
        let rules = rules();
        let mut life = life(State::Open);
        let now = |day, ran| Moment { wall: START + days(day), ran };
        let closes = |day| START + days(day);
        assert_eq!(due(&life, &rules, now(200, 0)), Due::Warn { days: 14, last: false, closes: closes(204) });
        life.warnings.push(Warning { days: 14, settled: Some(10) });
        assert_eq!(due(&life, &rules, now(200, 10)), Due::Nothing);
        assert_eq!(super::closes(&life, &rules, now(200, 10)), closes(204));
        let tomorrow = now(201, 10 + DAY);
        assert_eq!(due(&life, &rules, tomorrow), Due::Warn { days: 3, last: true, closes: closes(204) });
        life.warnings.push(Warning { days: 3, settled: Some(tomorrow.ran) });
        assert_eq!(due(&life, &rules, now(204, 3 * DAY)), Due::Nothing, "it did not run in between");
        assert_eq!(due(&life, &rules, now(204, 10 + 4 * DAY)), Due::Close);
    }

    #[test]
    fn an_unreachable_one_goes_without_a_warning_and_after_its_time() {
        let rules = rules();
        let mut life = life(State::Unreachable);
        assert_eq!(due(&life, &rules, at(400, 0)), Due::Nothing);
        life.ended = Some(at(10, 0));
        assert_eq!(due(&life, &rules, at(16, 23)), Due::Nothing);
        assert_eq!(
            due(&life, &rules, Moment { ran: at(12, 0).ran, ..at(17, 0) }),
            Due::Nothing,
            "off meanwhile"
        );
        assert_eq!(due(&life, &rules, at(17, 0)), Due::Delete);
    }

    #[test]
    fn what_has_no_mailbox_has_no_time() {
        for state in [State::None, State::Deleted] {
            assert_eq!(due(&life(state), &rules(), at(4_000, 0)), Due::Nothing);
        }
    }

    #[test]
    fn an_activity_that_has_not_come_yet_is_put_right() {
        let (rules, mut life) = (rules(), life(State::Open));
        life.active = at(3_650, 0).wall;
        life.warnings = vec![Warning { days: 14, settled: None }];
        assert_eq!(due(&life, &rules, at(5, 0)), Due::Correct);
        assert_eq!(due(&life, &rules, at(3_649, 22)), Due::Correct);
        assert_eq!(due(&life, &rules, at(3_649, 23)), Due::Nothing, "clocks go apart by an hour");
        life.state = State::Closed;
        assert_eq!(due(&life, &rules, at(5, 0)), Due::Nothing, "it can have none");
    }

    #[test]
    fn rules_that_give_more_time_ask_for_their_warnings_again() {
        let more = Rules { inactivity: 365, ..rules() };
        let mut life = life(State::Open);
        life.warnings =
            [(14, 76), (3, 87)].map(|(days, day)| Warning { days, settled: Some(at(day, 0).ran) }).into();
        let closes = START + days(365);
        assert_eq!(super::closes(&life, &more, at(88, 0)), closes);
        assert_eq!(due(&life, &more, at(350, 23)), Due::Nothing);
        assert_eq!(due(&life, &more, at(351, 0)), Due::Warn { days: 14, last: false, closes });
        life.warnings[0].settled = None;
        assert_eq!(due(&life, &more, at(352, 0)), Due::Nothing, "it waits in the queue");
        life.warnings[0].settled = Some(at(351, 0).ran);
        assert_eq!(due(&life, &more, at(361, 23)), Due::Nothing);
        assert_eq!(due(&life, &more, at(362, 0)), Due::Warn { days: 3, last: true, closes });
        life.warnings[1].settled = Some(at(362, 0).ran);
        assert_eq!(due(&life, &more, at(364, 23)), Due::Nothing);
        assert_eq!(due(&life, &more, at(365, 0)), Due::Close);
    }

    #[test]
    fn rules_that_give_a_week_more_leave_warnings_as_they_are() {
        let mut life = life(State::Open);
        life.warnings =
            [(14, 76), (3, 87)].map(|(days, day)| Warning { days, settled: Some(at(day, 0).ran) }).into();
        let week = Rules { inactivity: 97, ..rules() };
        assert_eq!((due(&life, &week, at(96, 23)), due(&life, &week, at(97, 0))), (Due::Nothing, Due::Close));
        let more = Rules { inactivity: 98, ..rules() };
        assert!(matches!(due(&life, &more, at(88, 0)), Due::Warn { days: 14, last: false, .. }));
    }

    /// However slow the queue was, and whether the machine or only the lives of mailboxes stood still.
    #[test]
    fn under_the_same_rules_no_warning_is_sent_twice() {
        let rules = Rules { inactivity: 90, warn: vec![30, 21, 14, 10, 7, 5, 4, 3] };
        for (still, runs) in [(0, true), (5, true), (300, true), (300, false)] {
            let mut life = life(State::Open);
            let (mut now, mut sent) = (at(0, 0), Vec::new());
            while due(&life, &rules, now) != Due::Close {
                if let Due::Warn { days, .. } = due(&life, &rules, now) {
                    sent.push(days);
                    let waits = Duration::from_secs(still * DAY);
                    now.wall = now.wall + waits;
                    now.ran += if runs { waits.as_secs() } else { 0 };
                    life.warnings.push(Warning { days, settled: Some(now.ran) });
                }
                now = Moment { wall: now.wall + BETWEEN, ran: now.ran + BETWEEN.as_secs() };
            }
            assert_eq!(sent, rules.warn);
        }
    }

    #[test]
    fn other_rules_ask_for_their_own_warnings() {
        let mut life = life(State::Open);
        life.warnings = vec![Warning { days: 14, settled: Some(0) }, Warning { days: 3, settled: Some(0) }];
        let rules = Rules { inactivity: 365, warn: vec![30, 7] };
        assert_eq!(due(&life, &rules, at(334, 0)), Due::Nothing);
        assert!(matches!(due(&life, &rules, at(335, 0)), Due::Warn { days: 30, last: false, .. }));
        let none = Rules { inactivity: 90, warn: Vec::new() };
        life.warnings.clear();
        assert_eq!(due(&life, &none, at(4_000, 0)), Due::Nothing, "nobody is shut out unwarned");
    }

    /// What the world does to an appliance.
    #[derive(Clone, Debug)]
    enum Deed {
        /// It runs so long.
        Run(u64),
        /// Somebody sets the clock, by so much.
        Set(i64),
        /// It is off so long.
        Off(u64),
        /// The warning in the queue is handed over or comes back.
        Settle,
        /// `clock accept`.
        Accept,
        /// Somebody comes.
        Activity,
    }

    fn deeds() -> impl Strategy<Value = Vec<Deed>> {
        let span = prop_oneof![0..7_200_u64, 0..12 * DAY, 0..200 * DAY];
        let jump = prop_oneof![-4_000..4_000_i64, -9_000_000..9_000_000_i64, any::<i64>()];
        let deed = prop_oneof![
            6 => span.clone().prop_map(Deed::Run),
            2 => jump.prop_map(Deed::Set),
            2 => span.prop_map(Deed::Off),
            6 => Just(Deed::Settle),
            3 => Just(Deed::Accept),
            1 => Just(Deed::Activity),
        ];
        proptest::collection::vec(deed, 1..80)
    }

    /// An appliance with one mailbox, and what really happened to it.
    struct World {
        life: Life,
        wall: Time,
        boot: Duration,
        ran: u64,
        written: Time,
        suspended: bool,
        begin: Pair,
        /// The time it truly ran, by no clock of its own.
        truth: u64,
        /// When, by that, the warnings since the last activity were settled.
        settled: Vec<u64>,
        closed: Option<u64>,
        deleted: bool,
    }

    impl World {
        fn new() -> Self {
            let begin = Pair { wall: START, boot: Duration::ZERO };
            Self {
                life: life(State::Open),
                wall: START,
                boot: Duration::ZERO,
                ran: 0,
                written: START,
                suspended: false,
                begin,
                truth: 0,
                settled: Vec::new(),
                closed: None,
                deleted: false,
            }
        }

        fn tick(&mut self) {
            let now = Pair { wall: self.wall, boot: self.boot };
            self.suspended |= self.begin.judge(now).is_some();
            self.written = self.wall;
            let now = Moment { wall: self.wall, ran: self.ran };
            if self.suspended {
                return;
            }
            match due(&self.life, &rules(), now) {
                Due::Nothing => {}
                Due::Correct => {
                    assert!(self.life.active > now.wall, "an activity of the past stays");
                    self.begin_anew(now.wall);
                }
                Due::Warn { days, closes, .. } => {
                    assert!(self.life.warnings.iter().all(|sent| sent.settled.is_some()), "one at a time");
                    assert!(closes >= now.wall + RUNNING, "{closes} is told at {}", now.wall);
                    self.life.warnings.retain(|sent| sent.days != days);
                    self.life.warnings.push(Warning { days, settled: None });
                }
                Due::Close => {
                    self.life.state = State::Closed;
                    self.life.ended = Some(now);
                    self.closed = Some(self.truth);
                }
                Due::Delete => self.deleted = true,
            }
        }

        fn begin_anew(&mut self, active: Time) {
            self.life.active = active;
            self.life.warnings.clear();
            self.settled.clear();
        }

        fn run(&mut self, seconds: u64) {
            for share in [seconds / 2, seconds - seconds / 2] {
                self.wall = self.wall + Duration::from_secs(share);
                self.boot += Duration::from_secs(share);
                self.ran += share;
                self.truth += share;
                self.tick();
            }
        }

        fn carry_out(&mut self, deed: Deed) {
            match deed {
                Deed::Run(seconds) => self.run(seconds),
                Deed::Set(by) => self.wall = Time(self.wall.0.saturating_add(by)),
                Deed::Off(seconds) => {
                    self.wall = self.wall + Duration::from_secs(seconds);
                    self.boot = Duration::ZERO;
                    self.suspended |= clock::at_start(self.written, self.wall).is_some();
                    self.begin = Pair { wall: self.wall, boot: self.boot };
                    self.tick();
                }
                Deed::Settle => {
                    if let Some(sent) = self.life.warnings.iter_mut().find(|sent| sent.settled.is_none()) {
                        sent.settled = Some(self.ran);
                        self.settled.push(self.truth);
                    }
                }
                Deed::Accept => {
                    self.suspended = false;
                    self.written = self.wall;
                    self.begin = Pair { wall: self.wall, boot: self.boot };
                }
                Deed::Activity => {
                    if self.life.state == State::Open {
                        self.begin_anew(self.life.active.max(self.wall));
                    }
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]
        #[test]
        fn whatever_the_clock_says_nothing_goes_before_its_warnings(deeds in deeds()) {
            let mut world = World::new();
            for deed in deeds {
                world.carry_out(deed);
                if let Some(closed) = world.closed {
                    prop_assert_eq!(world.life.warnings.len(), 2, "both warnings were settled");
                    prop_assert!(world.settled.len() >= 2);
                    prop_assert!(closed - world.settled[world.settled.len() - 1] >= 3 * DAY);
                }
                if world.deleted {
                    prop_assert!(world.truth - world.closed.unwrap() >= 3 * DAY);
                    return Ok(());
                }
            }
        }
    }

    /// The property above is not empty: a life without incident ends.
    #[test]
    fn a_world_without_incident_deletes() {
        let mut world = World::new();
        for _ in 0..100 {
            world.carry_out(Deed::Run(DAY));
            world.carry_out(Deed::Settle);
        }
        assert!(world.closed.is_some() && world.deleted);
    }
}
