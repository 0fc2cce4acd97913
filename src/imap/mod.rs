//! IMAP without a socket: framing, the grammar's wrapping, the session machine, what FETCH and SEARCH mean.
//!
//! Bytes go into a [`frame::Framer`]; whole commands come out and are read by [`command::read`] into a
//! [`command::Command`]; a [`session::Session`] turns them into text for the client and, where it needs the
//! world, into an [`ask::Ask`], whose [`ask::Answer`] it is given back. RFC 3501, with RFC 2177, 2342,
//! 2971, 3691, 4315, 4959, 6154, 6851 and 7888 beside it.
//!
//! `\Recent` is never set (RFC 3501 §2.3.2 lets a server that cannot know treat no session as the first one
//! told): `RECENT` is always 0, SEARCH NEW and RECENT find nothing, OLD finds everything.

pub mod ask;
pub mod command;
pub mod fetch;
pub mod flags;
pub mod frame;
pub mod name;
pub mod overview;
pub mod quote;
pub mod reply;
pub mod search;
pub mod sequence;
pub mod session;
pub mod structure;
mod tell;
pub mod view;

#[cfg(test)]
mod golden;
