//! SMTP on real connections: bytes between the wire and the session machine, questions to the flows.

mod connection;
mod incoming;
#[cfg(test)]
mod tests;

use crate::base::limits;
use crate::flow::Flow;
use crate::net::Deed;
use crate::net::gate::Gate;
use crate::net::listen::Handler;
use crate::net::stream::Stream;
use crate::net::tls::TlsServer;
use crate::serve::smtp::connection::Connection;
use crate::smtp::server::Role;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Speaks SMTP on connections, in one of its roles.
pub struct Smtp {
    flow: Arc<Flow>,
    role: Role,
    /// For STARTTLS.
    tls: Option<TlsServer>,
    gate: Arc<Gate>,
    waits: Waits,
}

/// How long a client is waited for (RFC 5321 §4.5.3.2).
#[derive(Clone, Copy, Debug)]
pub struct Waits {
    /// For a command.
    pub command: Duration,
    /// For a command when the house is nearly full.
    pub stressed: Duration,
    /// For everything of one session.
    pub session: Duration,
    /// For a reply to be taken.
    pub write: Duration,
    /// For a client that was refused to hang up, so that it hears why.
    pub linger: Duration,
    /// The pace of a message is measured over this.
    pub pace: Duration,
}

/// Octets of a message that have to come in a second, on average over [`Waits::pace`].
const PACE: usize = 500;

impl Default for Waits {
    fn default() -> Self {
        Self {
            command: limits::COMMAND_WAIT,
            stressed: limits::COMMAND_WAIT_STRESS,
            session: limits::SESSION,
            write: Duration::from_secs(60),
            linger: Duration::from_secs(2),
            pace: Duration::from_secs(60),
        }
    }
}

impl Smtp {
    /// With the flows behind it; `tls` is what STARTTLS offers, `gate` says when the house is full.
    pub fn new(flow: Arc<Flow>, role: Role, tls: Option<TlsServer>, gate: Arc<Gate>) -> Self {
        Self { flow, role, tls, gate, waits: Waits::default() }
    }

    /// The same with other waits.
    #[must_use]
    pub fn with_waits(self, waits: Waits) -> Self {
        Self { waits, ..self }
    }
}

impl Handler for Smtp {
    fn serve(self: Arc<Self>, stream: Stream, stop: CancellationToken) -> Deed<'static, ()> {
        Box::pin(async move {
            let peer = stream.peer().ip();
            if let Err(why) = Connection::new(self, stream).run(stop).await {
                tracing::debug!(%why, peer = peer.is_ipv6(), "SMTP connection ended");
            }
        })
    }
}
