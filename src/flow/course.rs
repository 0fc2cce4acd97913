//! How far a try has come, for the worker that watches it, and what that says about its destination.

use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A try that has not come to a verdict of the TLS policy after so long is slow: whoever answers at all has answered by
/// then, and everybody behind it is to know.
pub(in crate::flow) const SLOW: Duration = Duration::from_secs(60);

/// How far a try has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::flow) enum Stage {
    /// No host has been judged by the TLS policy.
    Undecided,
    /// One has, whatever the verdict was.
    Decided,
}

/// The stage of one try. Clones share it.
#[derive(Clone, Debug, Default)]
pub(in crate::flow) struct Course(Arc<AtomicU8>);

impl Course {
    /// How far it has come.
    pub(in crate::flow) fn stage(&self) -> Stage {
        match self.0.load(Ordering::Relaxed) {
            0 => Stage::Undecided,
            _ => Stage::Decided,
        }
    }

    /// The policy has given a verdict.
    pub(in crate::flow) fn decided(&self) {
        self.0.store(1, Ordering::Relaxed);
    }
}

/// A try that has ended, or goes on.
#[derive(Clone, Copy, Debug)]
pub(in crate::flow) struct Facts {
    /// How far it has come.
    pub(in crate::flow) stage: Stage,
    /// Since it began.
    pub(in crate::flow) age: Duration,
    /// It has ended: and nobody has said a word.
    pub(in crate::flow) unreached: bool,
}

/// Nobody answers at the destination, which is nothing about the message: another would fare no better now.
///
/// Who is reached and says no at once is there, and may want fewer connections only.
pub(in crate::flow) const fn is_silence(facts: Facts) -> bool {
    match facts.stage {
        Stage::Undecided => facts.unreached || facts.age.as_secs() >= SLOW.as_secs(),
        Stage::Decided => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_answers_where_nobody_was_reached_or_nothing_is_known_after_a_minute() {
        let mut silent = Vec::new();
        for stage in [Stage::Undecided, Stage::Decided] {
            for unreached in [false, true] {
                for seconds in [59, 60] {
                    let age = Duration::from_secs(seconds);
                    if is_silence(Facts { stage, age, unreached }) {
                        silent.push((stage, unreached, seconds));
                    }
                }
            }
        }
        use Stage::Undecided as U;
        assert_eq!(silent, [(U, false, 60), (U, true, 59), (U, true, 60)]);
    }
}
