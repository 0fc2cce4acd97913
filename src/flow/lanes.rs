//! Who waits for which destination, and who is next: destinations take turns, each with no more tries at once than it
//! has earned. A place with an open connection stays with its destination for a moment: turns that were taken message by
//! message would end a connection for each.

use crate::flow::course::SLOW;
use crate::flow::queue::Destination;
use std::collections::HashMap;
use std::collections::VecDeque;
use std::time::Duration;

/// Destinations remembered.
const LANES: usize = 1_000;
/// Tries at once to a destination that nothing is known of.
const FIRST: usize = 2;
/// Jobs that wait for room, over all destinations.
pub(in crate::flow) const BACKLOG: usize = 2_000;
/// Of these, for one destination: enough for its connections until more is taken.
const LANE: usize = 400;
/// The same while more than half of the backlog waits.
const SCARCE: usize = 20;
/// So long a place stays with a destination while others wait for their turn.
const STAY: Duration = Duration::from_secs(1);

/// The destinations, with what waits for them.
#[derive(Debug)]
pub(in crate::flow) struct Lanes<Job> {
    lanes: HashMap<Destination, Lane<Job>>,
    /// Each of those with something to do and room for it, once.
    turns: VecDeque<Destination>,
    /// Places that stay where they are.
    staying: VecDeque<Place>,
    waiting: usize,
}

/// Room for one try, and whose it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::flow) struct Place {
    /// Where the try goes.
    pub(in crate::flow) destination: Destination,
    /// Since when the destination has it, by the running clock.
    since: Duration,
}

#[derive(Debug)]
struct Lane<Job> {
    /// What goes before the rest.
    front: VecDeque<Job>,
    waiting: VecDeque<Job>,
    running: usize,
    allowed: usize,
    in_turn: bool,
    /// When a try ended that had met somebody, by the running clock.
    heard: Option<Duration>,
}

/// What a try taught about its destination.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::flow) enum Lesson {
    /// Somebody took something: one more at once, up to so many.
    Reached {
        /// At most.
        most: usize,
        /// The connection waits for the next message.
        open: bool,
    },
    /// Nobody did: one at a time until it is better.
    Missed,
    /// Nobody was there: the same.
    Silent,
    /// Nothing: no try was made.
    Nothing,
}

impl<Job> Default for Lanes<Job> {
    fn default() -> Self {
        Self { lanes: HashMap::new(), turns: VecDeque::new(), staying: VecDeque::new(), waiting: 0 }
    }
}

impl<Job> Lanes<Job> {
    /// What waits, over all destinations.
    pub(in crate::flow) fn waiting(&self) -> usize {
        self.waiting
    }

    /// One more may wait for a destination.
    pub(in crate::flow) fn has_room(&self, destination: &Destination) -> bool {
        self.waiting_for(destination) < self.most()
    }

    /// One more may wait in front of the others.
    pub(in crate::flow) fn has_room_in_front(&self, destination: &Destination) -> bool {
        self.lanes.get(destination).map_or(0, |lane| lane.front.len()) < self.most()
    }

    /// How many more may wait for a destination, once those that do are down to half of it.
    pub(in crate::flow) fn much_room(&self, destination: &Destination) -> usize {
        let (waiting, most) = (self.waiting_for(destination), self.most());
        if waiting <= most / 2 { most - waiting } else { 0 }
    }

    /// How many may wait for one destination.
    const fn most(&self) -> usize {
        if self.waiting < BACKLOG / 2 { LANE } else { SCARCE }
    }

    fn waiting_for(&self, destination: &Destination) -> usize {
        self.lanes.get(destination).map_or(0, |lane| lane.waiting.len())
    }

    /// Destinations whose turn it would be if there were a place.
    pub(in crate::flow) fn ready(&self) -> usize {
        let has_room = |destination: &&Destination| self.lanes.get(*destination).is_some_and(Lane::has_room);
        self.turns.iter().filter(has_room).count()
    }

    /// Somebody was met at a destination a moment ago. `now` is by the running clock.
    pub(in crate::flow) fn hears(&self, destination: &Destination, now: Duration) -> bool {
        let heard = self.lanes.get(destination).and_then(|lane| lane.heard);
        heard.is_some_and(|at| now.saturating_sub(at) < SLOW)
    }

    /// Nobody answers at a destination: takes out what waits for it, unless somebody was met there a moment ago.
    pub(in crate::flow) fn silent(&mut self, destination: &Destination, now: Duration) -> Vec<Job> {
        if self.hears(destination, now) {
            return Vec::new();
        }
        let lane = self.lanes.get_mut(destination);
        let jobs: Vec<Job> =
            lane.map_or_else(Vec::new, |lane| lane.front.drain(..).chain(lane.waiting.drain(..)).collect());
        self.waiting = self.waiting.saturating_sub(jobs.len());
        jobs
    }

    /// A job waits; a destination that nothing is known of begins with two at once, or with `most`.
    pub(in crate::flow) fn wait(&mut self, destination: Destination, job: Job, most: usize) {
        self.wait_as(destination, most, |lane| lane.waiting.push_back(job));
    }

    /// The same, in front of those that do not, in the order in which they came.
    pub(in crate::flow) fn wait_in_front(&mut self, destination: Destination, job: Job, most: usize) {
        self.wait_as(destination, most, |lane| lane.front.push_back(job));
    }

    fn wait_as(&mut self, destination: Destination, most: usize, wait: impl FnOnce(&mut Lane<Job>)) {
        let lane = self.lanes.entry(destination.clone()).or_insert_with(|| Lane {
            front: VecDeque::new(),
            waiting: VecDeque::new(),
            running: 0,
            allowed: FIRST.min(most),
            in_turn: false,
            heard: None,
        });
        wait(lane);
        self.waiting += 1;
        self.turn(&destination);
    }

    /// The job whose turn it is; it has its place until [`Lanes::ended`]. `now` is by the running clock.
    pub(in crate::flow) fn next(&mut self, now: Duration) -> Option<(Place, Job)> {
        loop {
            let place = self.staying.pop_front().or_else(|| {
                let destination = self.turns.pop_front()?;
                if let Some(lane) = self.lanes.get_mut(&destination) {
                    lane.in_turn = false;
                }
                Some(Place { destination, since: now })
            })?;
            let job =
                self.lanes.get_mut(&place.destination).filter(|lane| lane.has_room()).and_then(|lane| {
                    lane.running += 1;
                    lane.front.pop_front().or_else(|| lane.waiting.pop_front())
                });
            self.turn(&place.destination);
            if let Some(job) = job {
                self.waiting = self.waiting.saturating_sub(1);
                return Some((place, job));
            }
        }
    }

    /// A place is free again, or stays with its destination. `now` is by the running clock.
    pub(in crate::flow) fn ended(&mut self, place: Place, lesson: Lesson, now: Duration) {
        if let Some(lane) = self.lanes.get_mut(&place.destination) {
            lane.running = lane.running.saturating_sub(1);
            lane.allowed = match lesson {
                Lesson::Reached { most, .. } => (lane.allowed + 1).min(most),
                Lesson::Missed | Lesson::Silent => 1,
                Lesson::Nothing => lane.allowed,
            };
            if matches!(lesson, Lesson::Reached { .. } | Lesson::Missed) {
                lane.heard = Some(now);
            }
        }
        self.turn(&place.destination);
        let open = matches!(lesson, Lesson::Reached { open: true, .. });
        if open && now.saturating_sub(place.since) < STAY {
            self.staying.push_back(place);
        }
        if self.lanes.len() > LANES {
            self.lanes.retain(|_, lane| lane.running > 0 || !lane.is_empty());
        }
    }

    /// It gets its turn if it can use it.
    fn turn(&mut self, destination: &Destination) {
        let Some(lane) = self.lanes.get_mut(destination) else { return };
        if !lane.in_turn && lane.has_room() {
            lane.in_turn = true;
            self.turns.push_back(destination.clone());
        }
    }
}

impl<Job> Lane<Job> {
    fn is_empty(&self) -> bool {
        self.front.is_empty() && self.waiting.is_empty()
    }

    /// Something waits that may be tried now.
    fn has_room(&self) -> bool {
        !self.is_empty() && self.running < self.allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::address::Domain;

    fn to(name: &str) -> Destination {
        Destination::Domain(Domain::parse(name).unwrap())
    }

    const NOW: Duration = Duration::from_secs(100);

    fn reached(most: usize) -> Lesson {
        Lesson::Reached { most, open: false }
    }

    /// What may be tried now, and on which places.
    fn drawn(lanes: &mut Lanes<i32>, now: Duration) -> (Vec<i32>, Vec<Place>) {
        std::iter::from_fn(|| lanes.next(now)).map(|(place, job)| (job, place)).unzip()
    }

    #[test]
    fn destinations_take_turns_and_earn_their_places() {
        let mut lanes = Lanes::default();
        let (a, b) = (to("a.example"), to("b.example"));
        for job in 1..=9 {
            lanes.wait(a.clone(), job, 4);
        }
        lanes.wait(b.clone(), 10, 4);
        let place = |destination: &Destination| Place { destination: destination.clone(), since: NOW };
        let drawn = |lanes: &mut Lanes<i32>| drawn(lanes, NOW).0;
        assert_eq!(drawn(&mut lanes), [1, 10, 2], "by turns, two to begin with");
        assert_eq!(lanes.waiting(), 7);
        lanes.ended(place(&a), Lesson::Nothing, NOW);
        assert_eq!(drawn(&mut lanes), [3]);
        lanes.ended(place(&a), reached(4), NOW);
        assert_eq!(drawn(&mut lanes), [4, 5], "it has earned a third");
        for _ in 0..3 {
            lanes.ended(place(&a), reached(4), NOW);
        }
        assert_eq!(drawn(&mut lanes), [6, 7, 8, 9], "and a fourth, no more");
        for job in 11..=13 {
            lanes.wait(a.clone(), job, 4);
        }
        lanes.ended(place(&a), Lesson::Missed, NOW);
        assert!(drawn(&mut lanes).is_empty(), "back to one, and three are still at work");
        for _ in 0..3 {
            lanes.ended(place(&a), Lesson::Missed, NOW);
        }
        assert_eq!(drawn(&mut lanes), [11]);
        lanes.ended(place(&b), Lesson::Missed, NOW);
        assert_eq!((drawn(&mut lanes), lanes.waiting()), (vec![], 2));
    }

    #[test]
    fn what_waits_in_front_goes_first_and_has_room_of_its_own() {
        let mut lanes = Lanes::default();
        let (a, b) = (to("a.example"), to("b.example"));
        for job in 0..LANE as i32 {
            lanes.wait(a.clone(), job, 3);
        }
        assert!(!lanes.has_room(&a) && lanes.has_room_in_front(&a));
        for job in [-1, -2] {
            lanes.wait_in_front(a.clone(), job, 3);
        }
        lanes.wait(b, 1_000, 3);
        assert_eq!(drawn(&mut lanes, NOW).0, [-1, 1_000, -2], "by turns, and one after the other");
        while lanes.has_room_in_front(&a) {
            lanes.wait_in_front(a.clone(), -3, 3);
        }
        assert_eq!(lanes.waiting(), 2 * LANE);
        lanes.ended(Place { destination: a.clone(), since: NOW }, Lesson::Nothing, NOW);
        assert_eq!(drawn(&mut lanes, NOW).0, [-3]);
        let silent = lanes.silent(&a, NOW);
        assert_eq!((silent.len(), silent[0], lanes.waiting()), (2 * LANE - 1, -3, 0));
    }

    #[test]
    fn a_place_with_an_open_connection_stays_for_a_moment() {
        let mut lanes = Lanes::default();
        let (a, b) = (to("a.example"), to("b.example"));
        for job in 1..=9 {
            lanes.wait(a.clone(), job, 1);
            lanes.wait(b.clone(), -job, 1);
        }
        // There is one place in all.
        let (place, job) = lanes.next(NOW).unwrap();
        assert_eq!((&place.destination, job), (&a, 1));
        let open = Lesson::Reached { most: 1, open: true };
        let soon = NOW + STAY / 2;
        lanes.ended(place, open, soon);
        let (place, job) = lanes.next(soon).unwrap();
        assert_eq!((&place.destination, job), (&a, 2), "it stays");
        lanes.ended(place, open, NOW + STAY);
        let (place, job) = lanes.next(NOW + STAY).unwrap();
        assert_eq!((&place.destination, job), (&b, -1), "for a moment, whatever is open");
        lanes.ended(place, reached(1), NOW + STAY);
        let (place, job) = lanes.next(NOW + STAY).unwrap();
        assert_eq!((&place.destination, job), (&a, 3), "without a connection there is no reason to");
        lanes.ended(place, Lesson::Missed, NOW + STAY);
        let (place, job) = lanes.next(NOW + STAY).unwrap();
        assert_eq!((&place.destination, job), (&b, -2));
        lanes.ended(place, open, NOW + STAY);
        let (jobs, _) = drawn(&mut lanes, NOW + STAY);
        assert_eq!(jobs, [-3, 4], "one at a time for each, as before");
    }

    #[test]
    fn a_place_that_has_nothing_to_do_goes_to_another() {
        let mut lanes = Lanes::default();
        let (a, b) = (to("a.example"), to("b.example"));
        lanes.wait(a, 1, 1);
        lanes.wait(b, 2, 1);
        let (place, _) = lanes.next(NOW).unwrap();
        lanes.ended(place, Lesson::Reached { most: 1, open: true }, NOW);
        assert_eq!(drawn(&mut lanes, NOW).0, [2]);
    }

    #[test]
    fn no_destination_takes_up_the_room_of_others() {
        let mut lanes = Lanes::default();
        for n in 0.. {
            let destination = to(&format!("d{n}.example"));
            let before = lanes.waiting();
            assert_eq!(lanes.much_room(&destination), if n < 3 { LANE } else { SCARCE });
            while lanes.has_room(&destination) {
                lanes.wait(destination.clone(), n, 1);
            }
            let waiting = lanes.waiting() - before;
            assert_eq!(lanes.much_room(&destination), 0);
            match n {
                0 | 1 => assert_eq!(waiting, LANE),
                2 => assert_eq!(waiting, BACKLOG / 2 - 2 * LANE, "half of it is used up"),
                20 => return,
                _ => assert_eq!(waiting, SCARCE),
            }
        }
    }

    #[test]
    fn there_is_much_room_again_where_half_of_it_is_empty() {
        let mut lanes = Lanes::default();
        let a = to("a.example");
        for job in 0..400 {
            lanes.wait(a.clone(), job, 1);
        }
        for left in (0..400).rev() {
            let (place, _) = lanes.next(NOW).unwrap();
            lanes.ended(place, reached(1), NOW);
            assert_eq!(lanes.much_room(&a), if left <= 200 { 400 - left } else { 0 });
        }
    }

    #[test]
    fn where_nobody_answers_nobody_waits_unless_somebody_was_met_a_moment_ago() {
        let mut lanes = Lanes::default();
        let (a, b) = (to("a.example"), to("b.example"));
        for job in 1..=5 {
            lanes.wait(a.clone(), job, 1);
            lanes.wait(b.clone(), -job, 1);
        }
        let (place, _) = lanes.next(NOW).unwrap();
        lanes.ended(place, Lesson::Missed, NOW);
        let soon = NOW + SLOW / 2;
        assert!(lanes.hears(&a, soon) && lanes.silent(&a, soon).is_empty());
        assert_eq!(lanes.silent(&b, soon), [-1, -2, -3, -4, -5], "nobody was ever met");
        lanes.ended(Place { destination: a.clone(), since: soon }, Lesson::Silent, soon);
        assert_eq!(lanes.silent(&a, NOW + SLOW), [2, 3, 4, 5]);
        assert_eq!((lanes.waiting(), lanes.next(NOW + SLOW)), (0, None));
    }

    #[test]
    fn what_has_nothing_to_do_is_forgotten_and_nothing_else() {
        let mut lanes = Lanes::default();
        lanes.wait(to("busy.example"), 0, 1);
        lanes.wait(to("busy.example"), 1, 1);
        let (busy, job) = lanes.next(NOW).unwrap();
        assert_eq!((&busy.destination, job), (&to("busy.example"), 0));
        for job in 0..3 * LANES {
            lanes.wait(to(&format!("d{job}.example")), 2, 2);
            let (place, _) = lanes.next(NOW).unwrap();
            lanes.ended(place, reached(2), NOW);
            assert!(lanes.lanes.len() <= LANES + 1);
        }
        lanes.ended(busy, reached(1), NOW);
        assert_eq!(drawn(&mut lanes, NOW).0, [1]);
    }
}
