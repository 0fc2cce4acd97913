//! SMTP without a socket: the server session and the client's conversation as machines, and the words and texts of
//! both sides.
//!
//! `server` is told commands, `client` replies, and each says what is to be done; nothing here reads a clock, a
//! socket or the disk.

pub mod auth;
pub mod client;
pub mod command;
pub mod data;
pub mod lines;
pub mod server;

#[cfg(test)]
mod golden;
