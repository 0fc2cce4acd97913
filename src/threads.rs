//! Threads for work that blocks, and what such work leaves on them.

use crate::base::wipe;
use std::cell::Cell;
use std::future::Future;
use std::future::poll_fn;
use std::hint::black_box;
use std::io;
use std::io::Read;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::task::ready;
use std::time::Duration;
use std::time::Instant;
use tokio::task::JoinError;
use tokio::task::JoinHandle;

/// A thread that never rests is wiped this often. After each small message it would cost more than to scan it twice,
/// and take the place of what is near in the caches.
const BUSY: Duration = Duration::from_millis(10);

thread_local! {
    static WIPED: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// What work that blocks will come to. It goes on when nobody waits for it any more.
pub struct Blocking<T>(JoinHandle<Box<T>>);

/// Runs work that reads, writes or computes for long where blocking is allowed.
///
/// The thread's stack is wiped below the work. The work and its result come and go by pointer, so that no key in
/// them is copied to where the thread itself stands: a thread that rests wipes nothing, and one that has ended
/// leaves its uppermost pages as they are.
pub fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Blocking<T> {
    let work: Box<dyn FnOnce() -> T + Send> = Box::new(work);
    Blocking(tokio::task::spawn_blocking(move || {
        let result = finished(work);
        wipe::stack();
        result
    }))
}

/// A frame of its own, below what is wiped.
#[inline(never)]
fn finished<T>(work: Box<dyn FnOnce() -> T + Send>) -> Box<T> {
    Box::new(work())
}

/// Runs a future to its end on the runtime, also when nobody waits for it any more.
///
/// What it comes to goes by pointer, and what it does it does some way down the stack: what lies where the thread stands
/// when it rests is not wiped, and to hand a key on would leave it there.
pub async fn to_its_end<T, F>(work: F) -> Result<T, JoinError>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut work = Box::pin(async move { Box::new(work.await) });
    tokio::spawn(poll_fn(move |context| further_down(work.as_mut(), context))).await.map(|result| *result)
}

/// A frame that is larger than all of those in which a thread rests.
#[inline(never)]
fn further_down<T>(
    work: Pin<&mut (dyn Future<Output = Box<T>> + Send)>,
    context: &mut Context<'_>,
) -> Poll<Box<T>> {
    let room = [0_u8; ROOM];
    let result = work.poll(black_box(context));
    black_box(&room);
    result
}

/// Octets of such a frame.
const ROOM: usize = if cfg!(debug_assertions) { 32 << 10 } else { 4 << 10 };

/// Reads one piece of at most `most` octets and gives the reader back; an empty piece is the end.
///
/// Whoever passes on what is read piece by piece holds no thread while nobody takes it.
pub async fn piece<R: Read + Send + 'static>(mut reader: R, most: usize) -> io::Result<(Vec<u8>, R)> {
    let read = blocking(move || {
        let mut piece = vec![0; most];
        let length = reader.read(&mut piece)?;
        piece.truncate(length);
        Ok((piece, reader))
    });
    read.await.unwrap_or_else(|why| Err(io::Error::other(why)))
}

/// Wipes the stack below here, at most every 10 ms: behind short work on a thread that is wiped whenever it rests.
pub fn wipe_while_busy() {
    let now = Instant::now();
    if WIPED.get().is_none_or(|last| now.duration_since(last) >= BUSY) {
        wipe::stack();
        WIPED.set(Some(now));
    }
}

impl<T> Future for Blocking<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let ended = ready!(Pin::new(&mut self.0).poll(context));
        Poll::Ready(ended.map(|result| *result))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::fs::File;
    use std::os::unix::fs::FileExt;
    use tokio::runtime::Builder;

    /// A key that stands nowhere else in this process, often enough that no later call covers all of it.
    struct Held([[u8; 32]; 256]);

    fn key() -> Held {
        Held([std::array::from_fn(|at| black_box(at as u8).wrapping_mul(167) ^ 0x5c); 256])
    }

    /// The stack of the thread that this address belongs to.
    fn stack_around(address: usize) -> Vec<u8> {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let regions = maps.lines().map(|line| {
            let (from, to) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
            let at = |text| usize::from_str_radix(text, 16).unwrap();
            at(from)..at(to)
        });
        let region = regions.into_iter().find(|region| region.contains(&address)).unwrap();
        let mut octets = vec![0; region.len()];
        File::open("/proc/self/mem").unwrap().read_exact_at(&mut octets, region.start as u64).unwrap();
        octets
    }

    #[test]
    fn nothing_of_a_result_stays_on_its_thread() {
        let runtime = Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
        let (given, place) = runtime.block_on(async {
            let taken = key();
            let given = blocking(move || {
                let inner = black_box(taken);
                (std::ptr::from_ref(&inner).addr(), inner)
            });
            let (place, given) = given.await.unwrap();
            (given, place)
        });
        assert_eq!(given.0, key().0);
        let key = given.0[0];
        let stack = stack_around(place);
        assert!(stack.len() >= 1 << 20, "the stack of a thread");
        assert!(!stack.windows(32).any(|octets| octets == key), "a copy of it is left");
    }
}
