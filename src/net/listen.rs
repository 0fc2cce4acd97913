//! Listeners: from a port to a counted, limited connection in the hands of a handler.

use crate::base::reply;
use crate::net::Deed;
use crate::net::error::NetError;
use crate::net::gate::Class;
use crate::net::gate::Gate;
use crate::net::gate::Ticket;
use crate::net::gate::TooMany;
use crate::net::stream::Stream;
use crate::net::tls::Alpn;
use crate::net::tls::TlsServer;
use listenfd::ListenFd;
use std::env;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;
use tokio::net::TcpListener;
use tokio::net::TcpSocket;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What a port is for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Service {
    /// MX, 25, with STARTTLS.
    Smtp,
    /// Submission with STARTTLS, 587.
    Submission,
    /// Submission inside TLS, 465.
    Submissions,
    /// IMAP with STARTTLS, 143.
    Imap,
    /// IMAP inside TLS, 993.
    Imaps,
    /// The portal, 443.
    Https,
    /// Redirects to it, 80; the portal itself in `demo`.
    Http,
    /// Figures for Prometheus.
    Metrics,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Smtp,
        Self::Submission,
        Self::Submissions,
        Self::Imap,
        Self::Imaps,
        Self::Https,
        Self::Http,
        Self::Metrics,
    ];

    /// Its key in `[listen]`, and its name among the service manager's sockets.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Submission => "submission",
            Self::Submissions => "submissions",
            Self::Imap => "imap",
            Self::Imaps => "imaps",
            Self::Https => "https",
            Self::Http => "http",
            Self::Metrics => "metrics",
        }
    }

    /// TLS begins with the connection (RFC 8314 §3).
    pub const fn implicit_tls(self) -> bool {
        matches!(self, Self::Submissions | Self::Imaps | Self::Https)
    }

    /// What its connections are counted as.
    pub const fn class(self) -> Class {
        match self {
            Self::Smtp | Self::Submission | Self::Submissions => Class::Smtp,
            Self::Imap | Self::Imaps => Class::Imap,
            Self::Https | Self::Http | Self::Metrics => Class::Http,
        }
    }

    /// What is agreed on inside its TLS.
    pub const fn alpn(self) -> Alpn {
        match self.class() {
            Class::Smtp => Alpn::Smtp,
            Class::Imap => Alpn::Imap,
            Class::Http => Alpn::Http,
        }
    }
}

/// An open listener.
#[derive(Debug)]
pub struct Bound {
    /// What for.
    pub service: Service,
    /// Where, with the port that was really given.
    pub address: SocketAddr,
    listener: TcpListener,
}

/// Opens a listener; port 0 takes a free one.
pub fn bind(service: Service, address: SocketAddr) -> Result<Bound, NetError> {
    let failed = |source| NetError::Bind { address, service: service.name(), source };
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let socket = socket.map_err(failed)?;
    socket.set_reuseaddr(true).map_err(failed)?;
    socket.bind(address).map_err(failed)?;
    let listener = socket.listen(BACKLOG).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok(Bound { service, address, listener })
}

/// Connections that the kernel keeps waiting for us.
const BACKLOG: u32 = 1024;

/// Takes the sockets that a service manager hands over; they win over `[listen]`.
///
/// Each must carry the name of its service (`FileDescriptorName=smtp` in the socket unit). Call it before any
/// thread is started that reads the environment, and only once.
pub fn inherited() -> Result<Vec<Bound>, NetError> {
    let mut handed = ListenFd::from_env();
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let names: Vec<&str> = names.split(':').collect();
    (0..handed.len()).map(|index| inherit(&mut handed, index, names.get(index).copied())).collect()
}

fn inherit(handed: &mut ListenFd, index: usize, name: Option<&str>) -> Result<Bound, NetError> {
    let failed = |why: String| NetError::Inherited { index, why };
    let name = name.unwrap_or_default();
    let service = Service::ALL
        .into_iter()
        .find(|service| service.name() == name)
        .ok_or_else(|| failed(format!("{name:?} names no service")))?;
    let listener = handed
        .take_tcp_listener(index)
        .map_err(|why| failed(why.to_string()))?
        .ok_or_else(|| failed("not there".into()))?;
    listener.set_nonblocking(true).map_err(|why| failed(why.to_string()))?;
    let listener = TcpListener::from_std(listener).map_err(|why| failed(why.to_string()))?;
    let address = listener.local_addr().map_err(|why| failed(why.to_string()))?;
    Ok(Bound { service, address, listener })
}

/// Whoever speaks a protocol on connections.
pub trait Handler: Send + Sync + 'static {
    /// Serves one connection to its end. When `stop` is cancelled it ends soon, at a good moment.
    fn serve(self: Arc<Self>, stream: Stream, stop: CancellationToken) -> Deed<'static, ()>;
}

/// What all accept loops share.
#[derive(Clone)]
pub struct Intake {
    /// Counts connections.
    pub gate: Arc<Gate>,
    /// Knows every task, so that a stop can wait for them.
    pub tasks: TaskTracker,
    /// Ends accepting, and tells the handlers.
    pub stop: CancellationToken,
}

impl Intake {
    /// Starts accepting on `bound`. `tls` is asked of services with [`Service::implicit_tls`] only.
    pub fn open<H: Handler>(&self, bound: Bound, tls: Option<TlsServer>, handler: Arc<H>) {
        let intake = self.clone();
        let tls = if bound.service.implicit_tls() { tls } else { None };
        self.tasks.spawn(async move { intake.accept_all(bound, tls, handler).await });
    }

    async fn accept_all<H: Handler>(self, bound: Bound, tls: Option<TlsServer>, handler: Arc<H>) {
        let service = bound.service;
        if service.implicit_tls() && tls.is_none() {
            tracing::error!(service = service.name(), "no certificate; the port stays closed");
            return;
        }
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return,
                accepted = bound.listener.accept() => accepted,
            };
            match accepted {
                Ok((socket, peer)) => self.take(socket, peer, service, tls.as_ref(), &handler),
                Err(why) if is_of_one_connection(&why) => {}
                Err(why) => {
                    tracing::error!(service = service.name(), %why, "cannot accept connections");
                    // Out of descriptors or memory: a moment for others to end.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn take<H: Handler>(
        &self,
        socket: TcpStream,
        peer: SocketAddr,
        service: Service,
        tls: Option<&TlsServer>,
        handler: &Arc<H>,
    ) {
        let ticket = match self.gate.admit(peer.ip(), service.class(), Instant::now()) {
            Ok(ticket) => ticket,
            Err(why) => return turn_away(&socket, service, why),
        };
        let (tls, handler, stop) = (tls.cloned(), Arc::clone(handler), self.stop.clone());
        self.tasks.spawn(async move {
            let _ticket: Ticket = ticket;
            let Ok(mut stream) = Stream::plain(socket) else { return };
            if let Some(tls) = tls {
                match stream.accept_tls(&tls).await {
                    Ok(inside) => stream = inside,
                    Err(why) => {
                        tracing::debug!(service = service.name(), %why, "handshake failed");
                        return;
                    }
                }
            }
            handler.serve(stream, stop).await;
        });
    }
}

/// A clear word where the protocol has one before TLS, and an end: never accept and hang.
fn turn_away(socket: &TcpStream, service: Service, why: TooMany) {
    tracing::debug!(service = service.name(), %why, "connection refused");
    let words = match service {
        Service::Smtp | Service::Submission => reply::BUSY.to_string(),
        Service::Imap => "* BYE too many connections; try again later\r\n".into(),
        Service::Submissions | Service::Imaps | Service::Https | Service::Http | Service::Metrics => return,
    };
    // A fresh socket has room for a line; if it has not, the end alone must do.
    let _ = socket.try_write(words.as_bytes());
}

/// The connection ended before it was accepted: nothing is wrong with the listener.
fn is_of_one_connection(why: &io::Error) -> bool {
    matches!(
        why.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Time;
    use crate::net::gate::GateLimits;
    use crate::net::tls::Certificates;
    use crate::net::tls::TlsClient;
    use crate::net::tls::self_signed;
    use tokio::io::AsyncReadExt;
    use tokio::io::AsyncWriteExt;

    /// Sends back what it reads, then says bye when it is told to stop.
    struct Echo;

    impl Handler for Echo {
        fn serve(self: Arc<Self>, mut stream: Stream, stop: CancellationToken) -> Deed<'static, ()> {
            Box::pin(async move {
                let mut bytes = [0; 64];
                loop {
                    let length = tokio::select! {
                        () = stop.cancelled() => {
                            let _ = stream.write_all(b"bye").await;
                            let _ = stream.shutdown().await;
                            return;
                        }
                        read = stream.read(&mut bytes) => read.unwrap_or(0),
                    };
                    if length == 0 || stream.write_all(&bytes[..length]).await.is_err() {
                        return;
                    }
                    let _ = stream.flush().await;
                }
            })
        }
    }

    fn intake(limits: GateLimits) -> Intake {
        Intake { gate: Gate::new(limits), tasks: TaskTracker::new(), stop: CancellationToken::new() }
    }

    fn any() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    async fn said(address: SocketAddr) -> String {
        let mut text = String::new();
        let mut socket = TcpStream::connect(address).await.unwrap();
        let _ = socket.read_to_string(&mut text).await;
        text
    }

    #[tokio::test]
    async fn serves_plain_and_tls_and_drains() {
        let intake = intake(GateLimits::default());
        let made = self_signed(&["mail.example".into()], Time(1_795_318_393)).unwrap();
        let certificates = Certificates::fixed(made.certificate.as_bytes(), made.key.as_bytes()).unwrap();
        let mut streams = Vec::new();
        for service in [Service::Smtp, Service::Submissions, Service::Imaps, Service::Https] {
            let bound = bind(service, any()).unwrap();
            let address = bound.address;
            assert_ne!(address.port(), 0);
            let tls = certificates.server(service.alpn()).unwrap();
            intake.open(bound, Some(tls), Arc::new(Echo));
            let mut stream = Stream::plain(TcpStream::connect(address).await.unwrap()).unwrap();
            if service.implicit_tls() {
                stream = stream.connect_tls(&TlsClient::default(), "mail.example").await.unwrap();
            }
            stream.write_all(b"hello").await.unwrap();
            stream.flush().await.unwrap();
            let mut back = [0; 5];
            stream.read_exact(&mut back).await.unwrap();
            assert_eq!(&back, b"hello");
            streams.push((address, stream));
        }
        assert_eq!(intake.gate.open(), 4);
        intake.stop.cancel();
        for (address, stream) in &mut streams {
            let mut rest = String::new();
            stream.read_to_string(&mut rest).await.unwrap();
            assert_eq!(rest, "bye", "{address}");
        }
        intake.tasks.close();
        intake.tasks.wait().await;
        assert_eq!(intake.gate.open(), 0);
        assert!(TcpStream::connect(streams[0].0).await.is_err(), "the listener is closed");
    }

    #[tokio::test]
    async fn turns_away_with_a_word() {
        let limits = GateLimits {
            smtp_per_address: 1,
            imap_per_address: 0,
            exempt: Vec::new(),
            ..GateLimits::default()
        };
        let intake = intake(limits);
        let smtp = bind(Service::Smtp, any()).unwrap();
        let imap = bind(Service::Imap, any()).unwrap();
        let (smtp_at, imap_at) = (smtp.address, imap.address);
        intake.open(smtp, None, Arc::new(Echo));
        intake.open(imap, None, Arc::new(Echo));
        let mut first = TcpStream::connect(smtp_at).await.unwrap();
        first.write_all(b"x").await.unwrap();
        first.read_u8().await.unwrap();
        assert_eq!(said(smtp_at).await, "421 4.7.0 too many connections; try again later\r\n");
        assert_eq!(said(imap_at).await, "* BYE too many connections; try again later\r\n");
        drop(first);
    }

    #[tokio::test]
    async fn a_port_in_use_is_named() {
        let first = bind(Service::Smtp, any()).unwrap();
        let why = bind(Service::Imaps, first.address).unwrap_err().to_string();
        assert_eq!(why, format!("cannot listen on {} for imaps", first.address));
        let intake = intake(GateLimits::default());
        let bound = bind(Service::Https, any()).unwrap();
        let address = bound.address;
        intake.open(bound, None, Arc::new(Echo));
        intake.tasks.close();
        intake.tasks.wait().await;
        assert!(TcpStream::connect(address).await.is_err(), "without a certificate https stays shut");
    }
}
