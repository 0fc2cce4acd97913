//! Drivers between the wire and the flows; they translate and never decide.

pub mod control;
pub mod http;
pub mod imap;
pub mod portal;
pub mod smtp;
pub mod words;
