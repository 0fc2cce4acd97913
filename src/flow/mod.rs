//! The deeds, one file a verb: what happens to a message, a mailbox, an account.
//!
//! A flow asks the rooms below, gets verdicts, and carries them out in one commit of the store.

pub mod returned;
pub mod signing;
