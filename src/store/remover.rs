//! Removes body files that nothing names any more, beside the writer.
//!
//! Where the disk is told at once what is free, each takes a millisecond or more, and the next commit would wait for
//! that. So that it does not wait at the disk instead, behind what goes on there, no removal is begun while a batch is
//! written, unless many names wait.
//!
//! A name comes here only after the commit that dropped its last record is on disk: whatever then becomes of the file,
//! a crash in between included, it is one that the sweeper takes. For the same reason no directory is synced. What must
//! not be read again is locked by a key that was destroyed before the answer, not by the end of a file.

use crate::base::id::BodyId;
use crate::store::body::Bodies;
use crate::store::error::StoreError;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;
use std::time::Instant;

/// Names that wait: 1 MiB of memory, a minute of work. One batch may go beyond that.
const WAITING: usize = 65_536;
/// So many may wait for the moments in which nothing is written.
const PATIENT: usize = 4_096;
/// Names that the thread takes at once.
const TAKEN: usize = 64;
/// So long files are still removed at the end.
const END: Duration = Duration::from_secs(5);

/// The thread, and what it is told.
#[derive(Debug)]
pub(crate) struct Remover {
    bodies: Bodies,
    line: Arc<Line>,
    most: usize,
    /// None once its end was waited for.
    thread: Option<JoinHandle<()>>,
}

/// What waits for the thread.
#[derive(Debug, Default)]
struct Line {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    names: VecDeque<BodyId>,
    /// Names that the thread is at.
    taken: usize,
    /// A batch is being written.
    writing: bool,
    /// Nothing more comes, and until when what waits is still removed.
    ends: Option<Instant>,
}

/// A batch is being written, until this is dropped.
#[derive(Debug)]
pub(crate) struct Writing<'r>(&'r Line);

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.0.state().writing = false;
        self.0.changed.notify_all();
    }
}

impl Remover {
    /// Starts the thread; it ends with this.
    pub(crate) fn start(bodies: Bodies) -> io::Result<Self> {
        let line = Arc::<Line>::default();
        let (of, waiting) = (bodies.clone(), Arc::clone(&line));
        let thread = thread::Builder::new().name("store-remove".into()).spawn(move || waiting.work(&of))?;
        Ok(Self { bodies, line, most: WAITING, thread: Some(thread) })
    }

    /// Has files removed. When as many wait as may, the writer does it.
    pub(crate) fn remove(&self, files: Vec<BodyId>) {
        if files.is_empty() {
            return;
        }
        if self.is_full() {
            return remove(&self.bodies, files.iter());
        }
        self.line.state().names.extend(files);
        self.line.changed.notify_all();
    }

    /// The disk is wanted for a batch.
    pub(crate) fn make_way(&self) -> Writing<'_> {
        self.line.state().writing = true;
        Writing(&self.line)
    }

    /// Whether what comes now is removed before [`Remover::remove`] returns.
    pub(crate) fn is_full(&self) -> bool {
        self.line.state().waiting() >= self.most || self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits until nothing waits, for tests that count files.
    #[cfg(test)]
    pub(crate) fn settle(&self) {
        let state = self.line.state();
        let _settled = self.line.changed.wait_while(state, |state| state.waiting() > 0).unwrap();
    }
}

impl Drop for Remover {
    fn drop(&mut self) {
        self.line.state().ends = Some(Instant::now() + END);
        self.line.changed.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("what removes body files broke off");
        }
    }
}

impl Line {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the thread does.
    fn work(&self, bodies: &Bodies) {
        while let Some(names) = self.take() {
            remove(bodies, names.iter().inspect(|_| self.wait_for_turn()));
        }
    }

    /// Waits while a batch is written and there is time.
    fn wait_for_turn(&self) {
        let busy = |state: &mut State| state.writing && state.ends.is_none() && state.waiting() <= PATIENT;
        drop(self.changed.wait_while(self.state(), busy).unwrap_or_else(PoisonError::into_inner));
    }

    /// The next names; `None` at the end.
    fn take(&self) -> Option<Vec<BodyId>> {
        let mut state = self.state();
        state.taken = 0;
        if state.names.is_empty() {
            // The room that many names took is given back.
            state.names = VecDeque::new();
        }
        self.changed.notify_all();
        let idle = |state: &mut State| state.names.is_empty() && state.ends.is_none();
        let mut state = self.changed.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner);
        let over = state.ends.is_some_and(|ends| Instant::now() >= ends);
        if over && !state.names.is_empty() {
            tracing::info!(files = state.names.len(), "body files that nothing names stay for the sweeper");
        }
        if over || state.names.is_empty() {
            return None;
        }
        state.taken = TAKEN.min(state.names.len());
        let taken = state.taken;
        Some(state.names.drain(..taken).collect())
    }
}

impl State {
    fn waiting(&self) -> usize {
        self.names.len() + self.taken
    }
}

/// One line about all that fail: a disk that removes nothing does so many times.
fn remove<'f>(bodies: &Bodies, files: impl Iterator<Item = &'f BodyId>) {
    let failed = files.filter_map(|id| bodies.remove(*id).err());
    let (count, last) =
        failed.fold((0_usize, None), |(count, _), error: StoreError| (count + 1, Some(error)));
    if let Some(error) = last {
        tracing::warn!(%error, files = count, "body files stay for the sweeper");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::body::Body;
    use crate::store::poison::Poison;
    use crate::store::sample::files;
    use crate::store::sample::scratch;
    use std::path::PathBuf;
    use tempfile::TempDir;

    struct World {
        poison: Poison,
        bodies: Bodies,
        root: PathBuf,
        _dir: TempDir,
    }

    fn world() -> World {
        let dir = scratch();
        let (root, poison) = (dir.path().join("bodies"), Poison::default());
        World { bodies: Bodies::guarded(&root, poison.clone()).unwrap(), poison, root, _dir: dir }
    }

    impl World {
        fn write(&self) -> Body {
            self.bodies.begin_file().unwrap().finish().unwrap()
        }

        fn names(&self, count: usize) -> Vec<BodyId> {
            (0..count).map(|_| self.write().file().unwrap()).collect()
        }
    }

    #[test]
    fn what_is_named_goes_and_nothing_else() {
        let world = world();
        let (kept, dropped) = (world.write(), world.names(600));
        let remover = Remover::start(world.bodies.clone()).unwrap();
        let (one, other) = dropped.split_at(5);
        remover.remove(one.to_vec());
        remover.settle();
        assert_eq!(files(&world.root), 596);
        remover.remove(other.to_vec());
        // What is gone already is no trouble.
        remover.remove(one.to_vec());
        remover.remove(Vec::new());
        remover.settle();
        assert_eq!(files(&world.root), 1);
        assert!(world.bodies.open(&kept).is_ok());
    }

    #[test]
    fn the_end_waits_for_what_waits() {
        let world = world();
        let remover = Remover::start(world.bodies.clone()).unwrap();
        remover.remove(world.names(600));
        drop(remover);
        assert_eq!(files(&world.root), 0);
    }

    #[test]
    fn a_batch_has_the_disk_to_itself_unless_many_wait() {
        let world = world();
        let remover = Remover::start(world.bodies.clone()).unwrap();
        let writing = remover.make_way();
        remover.remove(world.names(300));
        assert_eq!(files(&world.root), 300);
        // Names of files that are not there are names as well.
        remover.remove((0..PATIENT).map(|_| BodyId::new([1; 16])).collect());
        drop(
            remover.line.changed.wait_while(remover.line.state(), |state| state.waiting() > PATIENT).unwrap(),
        );
        assert_eq!(files(&world.root), 0, "they came first");
        drop(writing);
        remover.settle();
        assert_eq!(files(&world.root), 0);
        // The end waits for no batch.
        remover.line.state().writing = true;
        remover.remove(world.names(3));
        drop(remover);
        assert_eq!(files(&world.root), 0);
    }

    #[test]
    fn what_comes_when_too_many_wait_is_removed_at_once() {
        let world = world();
        let mut full = Remover::start(world.bodies.clone()).unwrap();
        full.most = 0;
        let mut broken = Remover::start(world.bodies.clone()).unwrap();
        broken.thread = None;
        for remover in [full, broken] {
            assert!(remover.is_full());
            remover.remove(world.names(3));
            assert_eq!(files(&world.root), 0);
        }
    }

    #[test]
    fn nothing_is_removed_from_a_store_that_is_poisoned() {
        let world = world();
        let remover = Remover::start(world.bodies.clone()).unwrap();
        let names = world.names(3);
        world.poison.set("for a test");
        remover.remove(names);
        remover.settle();
        assert_eq!(files(&world.root), 3);
    }

    /// A file that the disk does not give up, and one behind it.
    #[test]
    fn one_that_cannot_be_removed_stops_no_other() {
        let world = world();
        let names = world.names(2);
        let stuck = world.bodies.path(names[0]);
        std::fs::remove_file(&stuck).unwrap();
        std::fs::create_dir(&stuck).unwrap();
        let remover = Remover::start(world.bodies.clone()).unwrap();
        remover.remove(names);
        remover.settle();
        assert_eq!(files(&world.root), 1, "the one that is no file");
        assert!(!world.poison.is_set());
    }
}
