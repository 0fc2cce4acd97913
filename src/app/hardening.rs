//! What the process gives up at its start: core dumps and attaching debuggers would show keys and plaintext.

use rustix::process::DumpableBehavior;
use rustix::process::Resource;
use rustix::process::Rlimit;
use rustix::process::set_dumpable_behavior;
use rustix::process::setrlimit;

/// No core file, and nobody of the same user reads this memory. Where the kernel refuses, the log says so.
pub fn forbid_dumps() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let forbidden = setrlimit(Resource::Core, none).and_then(|()| {
        // After a change of identity too: execve resets it, so it is set by the process that goes on.
        set_dumpable_behavior(DumpableBehavior::NotDumpable)
    });
    if let Err(error) = forbidden {
        tracing::warn!(%error, "core dumps could not be forbidden");
    }
}
