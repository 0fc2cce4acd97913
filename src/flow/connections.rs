//! Connections that were left open by one message and wait a moment for the next.
//!
//! None is used without a new verdict of the TLS policy for the message at hand. They count as connections: with those
//! that are in use they are never more than there may be, in all and to one destination.

use crate::config::Config;
use crate::config::section::Limits;
use crate::flow::hosts::Host;
use crate::flow::queue::Destination;
use crate::flow::wire::Wire;
use crate::net::dial::NamedBy;
use crate::policy::tls::Cleared;
use crate::smtp::client::Conversation;
use futures_util::future::join_all;
use std::collections::VecDeque;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio::time::sleep_until;

/// So long a connection waits for the next message: enough for the queue to come to it, not so long that a peer holds
/// a place for nobody. Postfix keeps them as long (smtp_connection_cache_time_limit).
const IDLE: Duration = Duration::from_secs(2);
/// So long a connection is used, counted from its beginning: then a changed certificate or address is seen, and other
/// hosts of the same preference have their turn. As in Postfix (smtp_connection_reuse_time_limit).
const LIFE: Duration = Duration::from_secs(300);
/// A changed configuration ends what waits after so long.
const LOOK: Duration = Duration::from_secs(1);

/// An open connection, and the conversation that was led over it: neither goes anywhere without the other.
pub(in crate::flow) struct Connection {
    pub(in crate::flow) wire: Wire,
    pub(in crate::flow) conversation: Conversation<Cleared>,
    host: String,
    port: u16,
    named_by: NamedBy,
    /// The name in the handshake.
    asked_for: String,
    /// Whose mail it was used for last.
    destination: Destination,
    config: Arc<Config>,
}

/// How a connection was made, beside its two ends.
pub(in crate::flow) struct Made<'a> {
    /// To this host.
    pub(in crate::flow) host: &'a Host,
    /// With this name in the handshake.
    pub(in crate::flow) asked_for: &'a str,
    /// For mail to this place.
    pub(in crate::flow) destination: &'a Destination,
    /// Under this configuration.
    pub(in crate::flow) config: &'a Arc<Config>,
}

impl Connection {
    /// Over which a message has gone.
    pub(in crate::flow) fn new(wire: Wire, conversation: Conversation<Cleared>, made: &Made<'_>) -> Self {
        Self {
            wire,
            conversation,
            host: made.host.name.clone(),
            port: made.host.port,
            named_by: made.host.named_by,
            asked_for: made.asked_for.into(),
            destination: made.destination.clone(),
            config: Arc::clone(made.config),
        }
    }

    /// A new connection to one of `addresses`, made like this, would be the same.
    pub(in crate::flow) fn is_like(&self, made: &Made<'_>, addresses: &[IpAddr]) -> bool {
        let peer = self.wire.stream.peer().ip();
        self.is_to(made.host)
            && self.asked_for == made.asked_for
            && addresses.iter().any(|address| address.to_canonical() == peer)
            && Arc::ptr_eq(&self.config, made.config)
    }

    fn is_to(&self, host: &Host) -> bool {
        self.host == host.name && self.port == host.port && self.named_by == host.named_by
    }
}

/// The open connections. Clones share them.
#[derive(Clone, Default)]
pub struct Connections(Arc<Shared>);

#[derive(Default)]
struct Shared {
    held: Mutex<Held>,
    came: Notify,
}

#[derive(Default)]
struct Held {
    /// The one that waits longest in front.
    idle: VecDeque<(Instant, Connection)>,
    /// Tries under way, each with at most one connection.
    tries: usize,
    closed: bool,
}

/// A try under way.
pub(in crate::flow) struct Try<'c>(&'c Connections);

impl Drop for Try<'_> {
    fn drop(&mut self) {
        let mut held = self.0.held();
        held.tries = held.tries.saturating_sub(1);
    }
}

impl Connections {
    /// Counts a try until it ends.
    pub(in crate::flow) fn begin(&self) -> Try<'_> {
        self.held().tries += 1;
        Try(self)
    }

    /// Takes out the newest for which `clears` gives a token, if it is still there at its other end.
    pub(in crate::flow) fn take(
        &self,
        clears: impl Fn(&Connection) -> Option<Cleared>,
    ) -> Option<(Connection, Cleared)> {
        loop {
            let mut held = self.held();
            let (at, cleared) = (0..held.idle.len()).rev().find_map(|at| {
                held.idle.get(at).and_then(|(_, connection)| Some((at, clears(connection)?)))
            })?;
            let (_, mut connection) = held.idle.remove(at)?;
            drop(held);
            if connection.wire.is_quiet() {
                return Some((connection, cleared));
            }
        }
    }

    /// One waits whose last message was for this place.
    pub(in crate::flow) fn wait_for(&self, destination: &Destination) -> bool {
        self.held().idle.iter().any(|(_, connection)| connection.destination == *destination)
    }

    /// Before a new connection: one that waits at the same place ends, and whatever would be too much in all. The former
    /// is waited for, as long as for any QUIT: a peer may take no more than one connection.
    pub(in crate::flow) async fn make_room(&self, host: &Host, destination: &Destination, limits: &Limits) {
        if let Some(connection) = self.take_out(host, destination, limits) {
            connection.wire.quit().await;
        }
    }

    /// Takes out one that waits at the same place, and ends whatever would be too much in all.
    fn take_out(&self, host: &Host, destination: &Destination, limits: &Limits) -> Option<Connection> {
        let mut held = self.held();
        let same = |connection: &Connection| connection.is_to(host) || connection.destination == *destination;
        let at = held.idle.iter().position(|(_, connection)| same(connection));
        let same = at.and_then(|at| held.idle.remove(at)).map(|(_, connection)| connection);
        let mut ended = Vec::new();
        while held.tries + held.idle.len() > limits.remote_connections {
            let Some(oldest) = held.idle.pop_front() else { break };
            ended.push(oldest);
        }
        drop(held);
        end(ended);
        same
    }

    /// Keeps one for the next message; gives it back if it must end.
    ///
    /// `now` is by the running clock.
    pub(in crate::flow) fn keep(
        &self,
        connection: Connection,
        limits: &Limits,
        now: Duration,
    ) -> Option<Connection> {
        let wire = &connection.wire;
        if wire.messages >= limits.messages_per_connection || now.saturating_sub(wire.opened) >= LIFE {
            return Some(connection);
        }
        let mut held = self.held();
        if held.closed {
            return Some(connection);
        }
        held.idle.push_back((Instant::now(), connection));
        drop(held);
        self.0.came.notify_one();
        None
    }

    /// Ends what has waited too long, or was made under another configuration than `config` says now. Has no end.
    pub(in crate::flow) async fn look_after(&self, config: impl Fn() -> Arc<Config>) {
        loop {
            let oldest = self.held().idle.front().map(|(since, _)| *since + IDLE);
            match oldest {
                None => self.0.came.notified().await,
                Some(ends) => sleep_until(ends.min(Instant::now() + LOOK)).await,
            }
            let (now, config) = (Instant::now(), config());
            let mut held = self.held();
            let (mut keep, mut ended) = (VecDeque::new(), Vec::new());
            for (since, connection) in held.idle.drain(..) {
                if now.duration_since(since) < IDLE && Arc::ptr_eq(&connection.config, &config) {
                    keep.push_back((since, connection));
                } else {
                    ended.push((since, connection));
                }
            }
            held.idle = keep;
            drop(held);
            end(ended);
        }
    }

    /// Ends them all, politely; from now on none is kept.
    pub(in crate::flow) async fn close(&self) {
        let idle = {
            let mut held = self.held();
            held.closed = true;
            std::mem::take(&mut held.idle)
        };
        join_all(idle.into_iter().map(|(_, connection)| connection.wire.quit())).await;
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says QUIT beside whatever else is done.
fn end(connections: Vec<(Instant, Connection)>) {
    for (_, connection) in connections {
        tokio::spawn(connection.wire.quit());
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connections(..)")
    }
}
