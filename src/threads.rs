//! Threads for work that blocks, and what such work leaves on them.

use crate::base::wipe;
use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::task::ready;
use tokio::task::JoinError;
use tokio::task::JoinHandle;

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

impl<T> Future for Blocking<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let ended = ready!(Pin::new(&mut self.0).poll(context));
        Poll::Ready(ended.map(|result| *result))
    }
}
