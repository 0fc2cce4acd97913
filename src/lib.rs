//! Guardpost: a mail server appliance for confidential mail.
//!
//! One binary with its own SMTP, IMAP and HTTPS over an embedded store. A room (file or directory of
//! `src`) uses only rooms on lower floors; `tests/floors.rs` checks it:
//!
//! ```text
//! 7  app, cli                     builds it, opens listeners, starts workers, stops in order
//! 6  serve                        drivers: translate, never decide
//! 5  flow                         the deeds, one file a verb
//! 4  store, net                   the disk; the wire
//! 3  threads                      where work blocks, and leaves nothing
//! 2  policy, smtp, imap           decisions as pure functions; protocol machines without a socket
//! 1  config, mime, openpgp, texts, vault     shapes of data
//! 0  base                         the words
//! ```
//!
//! # Words
//!
//! *account*: a person of the organisation · *temporary mailbox*: made for an outside *recipient* who has no
//! OpenPGP key · *invitation*: the mail with the link · *access token*: the secret in the link · *PIN*: what the
//! sender passes on by another way · *secure alias*: an address that takes and sends mail only over TLS ·
//! *queue*, *bounce*, *envelope*, *reply*, *session*: as in RFC 5321 · *slot*: one way to open a mailbox ·
//! MK, MUK, K, SHK, T, i, M: see [`vault`].

pub mod app;
pub mod base;
pub mod cli;
pub mod config;
pub mod flow;
pub mod imap;
pub mod mime;
pub mod net;
pub mod openpgp;
pub mod policy;
pub mod serve;
pub mod smtp;
pub mod store;
pub mod texts;
pub mod threads;
pub mod vault;

#[cfg(test)]
#[allow(dead_code, reason = "the end-to-end tests use the rest of it")]
#[allow(clippy::large_futures, reason = "a test's peer is driven once")]
#[path = "../tests/e2e/peer.rs"]
mod peer;
