//! SMTP on real connections: bytes between the wire and the session machine, questions to the flows.

mod connection;
mod incoming;

use crate::flow::Flow;
use crate::net::Deed;
use crate::net::gate::Gate;
use crate::net::listen::Handler;
use crate::net::stream::Stream;
use crate::net::tls::TlsServer;
use crate::serve::smtp::connection::Connection;
use crate::smtp::server::Role;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Speaks SMTP on connections, in one of its roles.
pub struct Smtp {
    flow: Arc<Flow>,
    role: Role,
    /// For STARTTLS.
    tls: Option<TlsServer>,
    gate: Arc<Gate>,
}

impl Smtp {
    /// With the flows behind it; `tls` is what STARTTLS offers, `gate` says when the house is full.
    pub const fn new(flow: Arc<Flow>, role: Role, tls: Option<TlsServer>, gate: Arc<Gate>) -> Self {
        Self { flow, role, tls, gate }
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
