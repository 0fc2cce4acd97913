//! Who waits for which destination, and who is next: destinations take turns, each with no more tries at once than it
//! has earned.

use crate::flow::queue::Destination;
use std::collections::HashMap;
use std::collections::VecDeque;

/// Destinations remembered.
const LANES: usize = 1_000;
/// Tries at once to a destination that nothing is known of.
const FIRST: usize = 2;

/// The destinations, with what waits for them.
#[derive(Debug)]
pub(in crate::flow) struct Lanes<Job> {
    lanes: HashMap<Destination, Lane<Job>>,
    /// Each of those with something to do and room for it, once.
    turns: VecDeque<Destination>,
    waiting: usize,
}

#[derive(Debug)]
struct Lane<Job> {
    waiting: VecDeque<Job>,
    running: usize,
    allowed: usize,
    in_turn: bool,
}

/// What a try taught about its destination.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::flow) enum Lesson {
    /// Somebody took something: one more at once, up to so many.
    Reached {
        /// At most.
        most: usize,
    },
    /// Nobody did: one at a time until it is better.
    Missed,
    /// Nothing: no try was made.
    Nothing,
}

impl<Job> Default for Lanes<Job> {
    fn default() -> Self {
        Self { lanes: HashMap::new(), turns: VecDeque::new(), waiting: 0 }
    }
}

impl<Job> Lanes<Job> {
    /// What waits, over all destinations.
    pub(in crate::flow) fn waiting(&self) -> usize {
        self.waiting
    }

    /// A job waits; a destination that nothing is known of begins with two at once, or with `most`.
    pub(in crate::flow) fn wait(&mut self, destination: Destination, job: Job, most: usize) {
        let lane = self.lanes.entry(destination.clone()).or_insert_with(|| Lane {
            waiting: VecDeque::new(),
            running: 0,
            allowed: FIRST.min(most),
            in_turn: false,
        });
        lane.waiting.push_back(job);
        self.waiting += 1;
        self.turn(destination);
    }

    /// The job whose turn it is; it has a place at its destination until [`Lanes::ended`].
    pub(in crate::flow) fn next(&mut self) -> Option<(Destination, Job)> {
        loop {
            let destination = self.turns.pop_front()?;
            let Some(lane) = self.lanes.get_mut(&destination) else { continue };
            lane.in_turn = false;
            let Some(job) = lane.waiting.pop_front() else { continue };
            lane.running += 1;
            self.waiting = self.waiting.saturating_sub(1);
            self.turn(destination.clone());
            return Some((destination, job));
        }
    }

    /// A place is free again.
    pub(in crate::flow) fn ended(&mut self, destination: Destination, lesson: Lesson) {
        if let Some(lane) = self.lanes.get_mut(&destination) {
            lane.running = lane.running.saturating_sub(1);
            lane.allowed = match lesson {
                Lesson::Reached { most } => (lane.allowed + 1).min(most),
                Lesson::Missed => 1,
                Lesson::Nothing => lane.allowed,
            };
        }
        self.turn(destination);
        if self.lanes.len() > LANES {
            self.lanes.retain(|_, lane| lane.running > 0 || !lane.waiting.is_empty());
        }
    }

    /// It gets its turn if it can use it.
    fn turn(&mut self, destination: Destination) {
        let Some(lane) = self.lanes.get_mut(&destination) else { return };
        if !lane.in_turn && !lane.waiting.is_empty() && lane.running < lane.allowed {
            lane.in_turn = true;
            self.turns.push_back(destination);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::address::Domain;

    fn to(name: &str) -> Destination {
        Destination::Domain(Domain::parse(name).unwrap())
    }

    #[test]
    fn destinations_take_turns_and_earn_their_places() {
        let mut lanes = Lanes::default();
        let (a, b) = (to("a.example"), to("b.example"));
        for job in 1..=9 {
            lanes.wait(a.clone(), job, 4);
        }
        lanes.wait(b.clone(), 10, 4);
        let drawn = |lanes: &mut Lanes<i32>| -> Vec<i32> {
            std::iter::from_fn(|| lanes.next().map(|(_, job)| job)).collect()
        };
        assert_eq!(drawn(&mut lanes), [1, 10, 2], "by turns, two to begin with");
        assert_eq!(lanes.waiting(), 7);
        lanes.ended(a.clone(), Lesson::Nothing);
        assert_eq!(drawn(&mut lanes), [3]);
        lanes.ended(a.clone(), Lesson::Reached { most: 4 });
        assert_eq!(drawn(&mut lanes), [4, 5], "it has earned a third");
        for _ in 0..3 {
            lanes.ended(a.clone(), Lesson::Reached { most: 4 });
        }
        assert_eq!(drawn(&mut lanes), [6, 7, 8, 9], "and a fourth, no more");
        for job in 11..=13 {
            lanes.wait(a.clone(), job, 4);
        }
        lanes.ended(a.clone(), Lesson::Missed);
        assert!(drawn(&mut lanes).is_empty(), "back to one, and three are still at work");
        for _ in 0..3 {
            lanes.ended(a.clone(), Lesson::Missed);
        }
        assert_eq!(drawn(&mut lanes), [11]);
        lanes.ended(b, Lesson::Missed);
        assert_eq!((drawn(&mut lanes), lanes.waiting()), (vec![], 2));
    }

    #[test]
    fn what_has_nothing_to_do_is_forgotten_and_nothing_else() {
        let mut lanes = Lanes::default();
        lanes.wait(to("busy.example"), 0, 1);
        lanes.wait(to("busy.example"), 1, 1);
        assert_eq!(lanes.next(), Some((to("busy.example"), 0)));
        for job in 0..3 * LANES {
            let destination = to(&format!("d{job}.example"));
            lanes.wait(destination.clone(), 2, 2);
            assert_eq!(lanes.next(), Some((destination.clone(), 2)));
            lanes.ended(destination, Lesson::Reached { most: 2 });
            assert!(lanes.lanes.len() <= LANES + 1);
        }
        lanes.ended(to("busy.example"), Lesson::Reached { most: 1 });
        assert_eq!(lanes.next(), Some((to("busy.example"), 1)));
    }
}
