//! SMTP without a socket: the server session and the client, as machines.
//!
//! `server` and `client` are told bytes or commands and say what is to be done; nothing here reads a clock,
//! a socket or the disk.

pub mod auth;

pub mod command;
pub mod data;
pub mod lines;

pub mod server;

#[cfg(test)]
mod golden;
