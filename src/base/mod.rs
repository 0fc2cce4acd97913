//! The words every other room speaks: addresses, envelopes, replies, ids, limits, secrets, time.
//!
//! Nothing here touches a socket, a clock or a disk; time and randomness are arguments.

pub mod address;
pub mod alias;
pub mod base32;
pub mod colour;
pub mod der;
pub mod dns;
pub mod envelope;
pub mod id;
pub mod language;
pub mod limits;
pub mod random;
pub mod reply;
pub mod requirement;
pub mod reverse_path;
pub mod secret;
pub mod time;
pub mod wipe;
