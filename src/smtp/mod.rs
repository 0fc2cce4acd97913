//! SMTP without a socket: the server session as a machine, and the words and texts of both sides.
//!
//! `server` is told commands and says what is to be done; nothing here reads a clock, a socket or the disk.

pub mod auth;
pub mod command;
pub mod data;
pub mod lines;
pub mod server;

#[cfg(test)]
mod golden;
