//! One connection: plain or TLS, as a server or as a client, upgraded in place by STARTTLS.

use crate::net::error::NetError;
use crate::net::tls::PeerCertificate;
use crate::net::tls::TlsClient;
use crate::net::tls::TlsServer;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio_rustls::client;
use tokio_rustls::server;

/// A connection with what is known about it. Writes may be buffered: flush before waiting for an answer.
#[derive(Debug)]
pub struct Stream {
    wire: Wire,
    peer: SocketAddr,
    local: SocketAddr,
    tls: Option<TlsFacts>,
}

#[derive(Debug)]
enum Wire {
    Plain(TcpStream),
    Server(Box<server::TlsStream<TcpStream>>),
    Client(Box<client::TlsStream<TcpStream>>),
}

/// What a handshake agreed on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsFacts {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// The suite by its IANA name.
    pub cipher: String,
    /// The name that the client asked for (RFC 6066 §3).
    pub server_name: Option<String>,
    /// The protocol that was agreed on (RFC 7301).
    pub protocol: Option<String>,
    /// On a connection that we opened: what the peer presented.
    pub peer: Option<PeerCertificate>,
}

impl Stream {
    /// A plain connection. Small writes are sent at once.
    pub fn plain(socket: TcpStream) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        let (peer, local) = (socket.peer_addr()?, socket.local_addr()?);
        Ok(Self { wire: Wire::Plain(socket), peer: canonical(peer), local: canonical(local), tls: None })
    }

    /// The other side; an IPv4 address is never written as IPv6.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// This side.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// What the handshake agreed on; `None` while plain.
    pub fn tls(&self) -> Option<&TlsFacts> {
        self.tls.as_ref()
    }

    /// The server's side of a handshake; whatever fails, the connection is gone.
    pub async fn accept_tls(self, server: &TlsServer) -> Result<Self, NetError> {
        let Wire::Plain(socket) = self.wire else { return Err(twice()) };
        let (stream, facts) = server.accept(socket).await?;
        Ok(Self {
            wire: Wire::Server(Box::new(stream)),
            peer: self.peer,
            local: self.local,
            tls: Some(facts),
        })
    }

    /// The client's side of a handshake, for the peer called `name` (a domain or an address literal).
    ///
    /// Any certificate will do: what was presented is in [`TlsFacts::peer`], and somebody else judges it.
    pub async fn connect_tls(self, client: &TlsClient, name: &str) -> Result<Self, NetError> {
        let Wire::Plain(socket) = self.wire else { return Err(twice()) };
        let (stream, facts) = client.connect(socket, name).await?;
        Ok(Self {
            wire: Wire::Client(Box::new(stream)),
            peer: self.peer,
            local: self.local,
            tls: Some(facts),
        })
    }
}

fn twice() -> NetError {
    NetError::Handshake(io::Error::new(io::ErrorKind::InvalidInput, "the connection has TLS already"))
}

/// IPv4-mapped IPv6 (RFC 4291 §2.5.5.2) as what it is.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.wire {
            Wire::Plain(wire) => Pin::new(wire).poll_read(cx, buffer),
            Wire::Server(wire) => Pin::new(wire).poll_read(cx, buffer),
            Wire::Client(wire) => Pin::new(wire).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.wire {
            Wire::Plain(wire) => Pin::new(wire).poll_write(cx, bytes),
            Wire::Server(wire) => Pin::new(wire).poll_write(cx, bytes),
            Wire::Client(wire) => Pin::new(wire).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.wire {
            Wire::Plain(wire) => Pin::new(wire).poll_flush(cx),
            Wire::Server(wire) => Pin::new(wire).poll_flush(cx),
            Wire::Client(wire) => Pin::new(wire).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.wire {
            Wire::Plain(wire) => Pin::new(wire).poll_shutdown(cx),
            Wire::Server(wire) => Pin::new(wire).poll_shutdown(cx),
            Wire::Client(wire) => Pin::new(wire).poll_shutdown(cx),
        }
    }
}
