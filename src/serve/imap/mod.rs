//! IMAP on real connections: bytes between the wire and the session machine, questions to the flows and the store.

mod connection;
mod fetch;
mod mailbox;
mod places;
mod search;

use crate::flow::Flow;
use crate::imap::session::Link;
use crate::net::Deed;
use crate::net::listen::Handler;
use crate::net::stream::Stream;
use crate::net::tls::TlsServer;
use crate::serve::imap::connection::Connection;
use crate::serve::imap::places::Places;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Speaks IMAP on connections: inside TLS, or plain with STARTTLS.
pub struct Imap {
    flow: Arc<Flow>,
    /// For STARTTLS.
    tls: Option<TlsServer>,
    places: Places,
    limits: Limits,
}

/// What a connection may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest message of an APPEND, octets.
    pub message_size: u64,
    /// Sessions of one mailbox at once.
    pub sessions: usize,
    /// From the first byte to the sign-in.
    pub login: Duration,
    /// Between two commands (RFC 3501 §5.4: 30 minutes at least).
    pub idle: Duration,
    /// For the client to take 64 KiB.
    pub write: Duration,
    /// For one SEARCH.
    pub search: Duration,
    /// How often IDLE says that it is still there.
    pub still_here: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_size: crate::base::limits::MESSAGE,
            sessions: 16,
            login: Duration::from_secs(30),
            idle: Duration::from_secs(30 * 60),
            write: Duration::from_secs(60),
            search: Duration::from_secs(60),
            still_here: Duration::from_secs(5 * 60),
        }
    }
}

impl Imap {
    /// With the flows behind it; `tls` is what STARTTLS offers.
    pub fn new(flow: Arc<Flow>, tls: Option<TlsServer>, limits: Limits) -> Self {
        Self { flow, tls, places: Places::new(limits.sessions), limits }
    }
}

impl Handler for Imap {
    fn serve(self: Arc<Self>, stream: Stream, stop: CancellationToken) -> Deed<'static, ()> {
        Box::pin(async move {
            let link = if stream.tls().is_some() { Link::Tls } else { Link::Plain };
            Connection::new(self, stream, link, stop).run().await;
        })
    }
}

#[cfg(test)]
mod tests;
