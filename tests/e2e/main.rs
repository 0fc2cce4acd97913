//! End to end: the whole appliance, met from outside over real sockets, as a sender, a recipient, the rest of the
//! world and an attacker meet it.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(
    clippy::large_futures,
    clippy::too_many_lines,
    clippy::cognitive_complexity,
    reason = "a visit is told from its start to its end"
)]

#[allow(deprecated, reason = "raw commands are all that is needed")]
mod chromium;
mod driver;
mod free_ports;
mod gpg;
mod harness;
mod mail_client;
mod markers;
mod meddler;
mod patience;
mod payloads;
#[allow(dead_code, reason = "what one test does not need another does")]
mod peer;
mod plain_browser;
mod web_host;
mod world;
mod zones;

mod account;
mod alias;
mod anew;
mod bad_input;
mod browser;
mod comforts;
mod deletion;
mod direct;
mod dns;
mod face;
mod hostile;
mod hostile_peer;
mod imap;
mod killed;
mod life;
mod life_table;
mod mails;
mod main_job;
mod memory;
mod mta_sts;
mod net;
mod notices;
mod odd_mail;
mod outbound;
mod own_key;
mod owner;
mod portal;
mod promises;
mod protection;
mod recipient;
mod recipient_imap;
mod renewal;
mod reports;
mod samples;
mod shown;
mod templates;
mod tls_edges;
mod tls_policy;
mod unreadable;
