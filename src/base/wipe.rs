//! Wiping what a thread leaves on its stack.

use std::hint::black_box;

/// How far down is wiped, octets: deeper than encryption, TLS and HTTP go. Code that is not optimised has frames
/// several times as large.
const DEPTH: usize = if cfg!(debug_assertions) { 512 << 10 } else { 128 << 10 };

/// Writes over what calls that have returned left below here.
///
/// Libraries keep parts of keys and texts in local variables and let them lie. Memory from the heap is wiped when it
/// is given back; this is the same for the stack, after work with secrets and before a thread goes to rest.
#[inline(never)]
pub fn stack() {
    black_box(&mut [0_u8; DEPTH]);
}

/// Writes over octets that go on existing, as a buffer does. What is given back to the heap is wiped there.
///
/// Word by word, where `zeroize` goes octet by octet: a buffer on the road of every message is wiped several times.
pub fn octets(octets: &mut [u8]) {
    octets.fill(0);
    black_box(octets);
}
