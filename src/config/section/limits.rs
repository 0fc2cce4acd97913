//! `[limits]`: how much of everything.

use crate::config::reader::Section;
use crate::config::section::DAY;
use crate::config::section::GIB;
use crate::config::section::KIB;
use crate::config::section::MIB;
use crate::config::section::TIB;
use crate::config::value::Network;
use std::time::Duration;

/// Limits; sizes in octets.
#[derive(Clone, Debug)]
pub struct Limits {
    /// One message.
    pub message_size: u64,
    /// Of one message.
    pub recipients: usize,
    /// At once, all services.
    pub connections: usize,
    /// At once, from one address.
    pub smtp_connections_per_ip: usize,
    /// At once, from one address.
    pub http_connections_per_ip: usize,
    /// At once, from one address.
    pub imap_connections_per_ip: usize,
    /// From one address.
    pub connects_per_minute: u32,
    /// From the limits for one address.
    pub exempt: Vec<Network>,
    /// Worked on at once.
    pub handshakes: usize,
    /// Held in memory, all together.
    pub plaintext_memory: u64,
    /// At once; nothing: one fewer than cores.
    pub password_checks: Option<usize>,
    /// Of one account.
    pub recipients_per_hour: u32,
    /// Of one account.
    pub recipients_per_day: u32,
    /// Of one account.
    pub new_mailboxes_per_hour: u32,
    /// Of one account.
    pub new_mailboxes_per_day: u32,
    /// Of one temporary mailbox.
    pub temporary_mailbox_messages: u32,
    /// Between two notices to one recipient.
    pub notice_interval: Duration,
    /// Notices and repeated links to one recipient.
    pub notices_per_day: u16,
    /// Of one mailbox.
    pub imap_sessions_per_mailbox: usize,
    /// Until a silent session ends.
    pub imap_idle: Duration,
    /// In the queue.
    pub queue_messages: u64,
    /// Their sizes together.
    pub queue_size: u64,
    /// At once.
    pub remote_connections: usize,
    /// Of these, to one destination.
    pub remote_connections_per_domain: usize,
    /// Over one connection to another server.
    pub messages_per_connection: usize,
}

/// Reads `[limits]`; the ranges are the ceilings.
pub(in crate::config) fn read_limits(s: &Section<'_>) -> Limits {
    let count = |key: &str, most: u64| usize::try_from(s.number(key, 1..most + 1)).unwrap_or_default();
    let rate =
        |key: &str, most: u32| u32::try_from(s.number(key, 1..u64::from(most) + 1)).unwrap_or_default();
    let limits = Limits {
        message_size: s.size("message_size", 64 * KIB..100 * MIB + 1),
        recipients: count("recipients", 1_000),
        connections: count("connections", 4_096),
        smtp_connections_per_ip: count("smtp_connections_per_ip", 1_000),
        http_connections_per_ip: count("http_connections_per_ip", 1_000),
        imap_connections_per_ip: count("imap_connections_per_ip", 1_000),
        connects_per_minute: rate("connects_per_minute", 10_000),
        exempt: s.texts("exempt", 64, Network::parse),
        handshakes: count("handshakes", 1_024),
        plaintext_memory: s.size("plaintext_memory", MIB..2 * GIB + 1),
        password_checks: s.auto_or_number("password_checks", 64),
        recipients_per_hour: rate("recipients_per_hour", 100_000),
        recipients_per_day: rate("recipients_per_day", 1_000_000),
        new_mailboxes_per_hour: rate("new_mailboxes_per_hour", 10_000),
        new_mailboxes_per_day: rate("new_mailboxes_per_day", 100_000),
        temporary_mailbox_messages: rate("temporary_mailbox_messages", 1_000_000),
        notice_interval: s.span("notice_interval", 0..DAY + 1),
        notices_per_day: u16::try_from(s.number("notices_per_day", 1..1_001)).unwrap_or_default(),
        imap_sessions_per_mailbox: count("imap_sessions_per_mailbox", 256),
        imap_idle: s.span("imap_idle", 30 * 60..DAY + 1),
        queue_messages: s.number("queue_messages", 1..1_000_001),
        queue_size: s.size("queue_size", MIB..TIB + 1),
        remote_connections: count("remote_connections", 1_000),
        remote_connections_per_domain: count("remote_connections_per_domain", 1_000),
        messages_per_connection: count("messages_per_connection", 1_000),
    };
    if limits.plaintext_memory < limits.message_size {
        s.complain("plaintext_memory", "must not be below message_size");
    }
    if limits.queue_size < limits.message_size {
        s.complain("queue_size", "must not be below message_size");
    }
    if limits.remote_connections_per_domain > limits.remote_connections {
        s.complain("remote_connections_per_domain", "must not be above remote_connections");
    }
    if limits.recipients_per_hour > limits.recipients_per_day {
        s.complain("recipients_per_hour", "must not be above recipients_per_day");
    }
    if limits.new_mailboxes_per_hour > limits.new_mailboxes_per_day {
        s.complain("new_mailboxes_per_hour", "must not be above new_mailboxes_per_day");
    }
    limits
}
