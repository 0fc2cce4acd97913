//! How far a try has come, for the worker that watches it, and what that says about its destination.

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A try that has not come to a verdict of the TLS policy after so long is slow: whoever answers at all has answered by
/// then, and everybody behind it is to know. By then it gives its place to others that wait, unless its text is under way
/// and goes at [`RATE`].
pub(in crate::flow) const SLOW: Duration = Duration::from_secs(60);
/// Octets a second: by this the largest message goes out within one try.
const RATE: u64 = 16 << 10;

/// How far a try has come.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(in crate::flow) enum Stage {
    /// No host has been judged by the TLS policy.
    Undecided,
    /// One has, whatever the verdict was.
    Decided,
    /// The end of the text is being said: a try that is cut off now may make a second copy. Before that a peer that is
    /// left has taken nothing (RFC 5321 §4.1.1.4).
    Text,
}

/// The course of one try. Clones share it.
#[derive(Clone, Debug)]
pub(in crate::flow) struct Course(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    stage: Mutex<Stage>,
    /// Octets of texts that were written.
    sent: AtomicU64,
    gives_way: CancellationToken,
    /// A second copy does no harm.
    harmless: bool,
}

impl Course {
    /// At its beginning. A second copy of what is `harmless` may come of it.
    pub(in crate::flow) fn new(harmless: bool) -> Self {
        let (stage, gives_way) = (Mutex::new(Stage::Undecided), CancellationToken::new());
        Self(Arc::new(Shared { stage, sent: AtomicU64::new(0), gives_way, harmless }))
    }

    /// How far it has come.
    pub(in crate::flow) fn stage(&self) -> Stage {
        *self.0.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The policy has given a verdict; what was said of a text before is over.
    pub(in crate::flow) fn decided(&self) {
        self.set(Stage::Decided);
    }

    /// So many octets of a text were written, and not its end.
    pub(in crate::flow) fn sent(&self, octets: usize) {
        self.0.sent.fetch_add(octets as u64, Ordering::Relaxed);
    }

    /// The end of the text is next.
    pub(in crate::flow) fn text(&self) {
        self.set(Stage::Text);
    }

    /// Another host is next, whatever this one did.
    pub(in crate::flow) fn next_host(&self) {
        self.set(self.stage().min(Stage::Decided));
    }

    /// It is to give its place to others.
    pub(in crate::flow) fn give_way(&self) {
        self.0.gives_way.cancel();
    }

    /// At this age it has had time enough, and what it has written of a text has earned it no more.
    fn is_slow(&self, age: Duration) -> bool {
        age >= SLOW + Duration::from_secs(self.octets() / RATE)
    }

    /// Octets of texts that were written.
    fn octets(&self) -> u64 {
        self.0.sent.load(Ordering::Relaxed)
    }

    /// It was told to.
    pub(in crate::flow) fn gives_way(&self) -> bool {
        self.0.gives_way.is_cancelled()
    }

    /// It may be cut off without harm.
    pub(in crate::flow) fn may_end(&self) -> bool {
        self.0.harmless || self.stage() < Stage::Text
    }

    /// Waits until it is to give way, and may.
    pub(in crate::flow) async fn ends(&self) {
        self.0.gives_way.cancelled().await;
        // Whoever asks and whoever sends the text is one task: nothing begins between this and the end.
        if !self.may_end() {
            std::future::pending::<()>().await;
        }
    }

    fn set(&self, stage: Stage) {
        *self.0.stage.lock().unwrap_or_else(PoisonError::into_inner) = stage;
    }
}

/// Of tries under way, each with its age, those that are to give their place to `wanted` others, as far as they are slow
/// and may be cut off: the oldest of those that have sent nothing of a text, then texts, the least sent first. Half of the
/// tries may keep a text that is under way: where our own line is the brake, all of them would begin again for ever. Who
/// was told so before counts.
pub(in crate::flow) fn give_way<'c>(
    tries: impl Iterator<Item = (&'c Course, Duration)>,
    wanted: usize,
) -> Vec<&'c Course> {
    let tries: Vec<_> = tries.collect();
    let kept = tries.len() / 2;
    let (told, untold): (Vec<_>, Vec<_>) = tries
        .into_iter()
        .filter(|(course, age)| course.is_slow(*age) && course.may_end())
        .partition(|(course, _)| course.gives_way());
    let (mut texts, mut others): (Vec<_>, Vec<_>) =
        untold.into_iter().partition(|(course, _)| course.octets() > 0);
    others.sort_by_key(|(_, age)| Reverse(*age));
    texts.sort_by_key(|(course, _)| course.octets());
    texts.truncate(texts.len().saturating_sub(kept));
    let chosen = others.into_iter().chain(texts).map(|(course, _)| course);
    chosen.take(wanted.saturating_sub(told.len())).collect()
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
        Stage::Decided | Stage::Text => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_answers_where_nobody_was_reached_or_nothing_is_known_after_a_minute() {
        let mut silent = Vec::new();
        for stage in [Stage::Undecided, Stage::Decided, Stage::Text] {
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

    #[test]
    fn the_oldest_give_way_that_are_slow_and_not_at_the_end_of_a_text() {
        let tries: Vec<(Course, u64)> =
            [59, 60, 90, 70, 80].into_iter().map(|age| (Course::new(false), age)).collect();
        let chosen = |wanted| {
            let ages = tries.iter().map(|(course, age)| (course, Duration::from_secs(*age)));
            let chosen = give_way(ages, wanted);
            let age =
                |course: &&Course| tries.iter().find(|(of, _)| Arc::ptr_eq(&of.0, &course.0)).unwrap().1;
            chosen.iter().map(age).collect::<Vec<_>>()
        };
        tries[4].0.text();
        assert_eq!((chosen(0), chosen(1), chosen(9)), (vec![], vec![90], vec![90, 70, 60]));
        tries[2].0.give_way();
        assert_eq!((chosen(1), chosen(2)), (vec![], vec![70]), "it goes already");
        tries[4].0.next_host();
        assert_eq!(chosen(2), [80], "what was said of the text there is over");
        for octets in [20 * RATE, RATE] {
            tries[4].0.sent(octets as usize);
        }
        assert_eq!(chosen(2), [70], "a text that goes on has until then");
        let answer = Course::new(true);
        answer.text();
        assert!(answer.may_end() && give_way([(&answer, SLOW)].into_iter(), 1).len() == 1);
    }

    #[test]
    fn half_of_the_tries_keep_the_texts_that_have_come_furthest() {
        let tries: Vec<(Course, usize)> =
            [400, 0, 100, 300, 200, 500].map(|sent| (Course::new(false), sent)).into();
        tries.iter().for_each(|(course, sent)| course.sent(*sent));
        let age = SLOW * 2;
        let chosen = give_way(tries.iter().map(|(course, _)| (course, age)), 9);
        assert_eq!(chosen.iter().map(|course| course.octets()).collect::<Vec<_>>(), [0, 100, 200]);
        let two = [&tries[0].0, &tries[5].0].map(|course| (course, age));
        assert_eq!(give_way(two.into_iter(), 9).len(), 1);
    }
}
