//! HTTP over one accepted connection: hyper behind hard limits, and the redirect of plain HTTP.
//!
//! Whoever accepts (TCP, TLS) hands over a stream; this file bounds what that stream may cost: header block
//! 16 KiB and 64 fields in 10 s, 60 s of idling between requests, 60 s for a reader that takes nothing.

use crate::net::Deed;
use crate::net::listen::Handler;
use crate::net::stream::Stream;
use crate::serve::portal::Portal;
use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::Method;
use axum::http::Request;
use axum::http::Response;
use axum::http::StatusCode;
use axum::http::header;
use bytes::Bytes;
use hyper::body::Frame;
use hyper::body::Incoming;
use hyper::body::SizeHint;
use hyper::server::conn::http1;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::time::Instant;
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

/// Who is at the other end, and how.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// Over TLS.
    pub secure: bool,
    /// ALPN chose `h2` (RFC 9113 §3.2).
    pub http2: bool,
}

/// The handler of both HTTP ports: the portal over TLS, and over plain HTTP a redirect to it, unless the
/// portal's own address is a plain one, as in a demo on loopback.
pub struct HttpServer(Arc<Portal>);

impl HttpServer {
    /// Serves `portal`.
    pub const fn new(portal: Arc<Portal>) -> Self {
        Self(portal)
    }
}

impl Handler for HttpServer {
    fn serve(self: Arc<Self>, stream: Stream, stop: CancellationToken) -> Deed<'static, ()> {
        let http2 = stream.tls().and_then(|tls| tls.protocol.as_deref()) == Some("h2");
        let peer = Peer { address: stream.peer().ip(), secure: stream.tls().is_some(), http2 };
        let portal = Arc::clone(&self.0);
        Box::pin(serve(stream, peer, portal, stop))
    }
}

/// Serves the portal on `stream` until the peer goes, idles too long, or `stop` is called and the request in
/// hand is answered.
pub async fn serve<S>(stream: S, peer: Peer, portal: Arc<Portal>, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let activity = Arc::new(Activity::default());
    let stream = Paced::new(stream, Arc::clone(&activity), peer.http2, PATIENCE);
    run(stream, peer.http2, stop, move |request| {
        let portal = Arc::clone(&portal);
        let busy = Busy::new(&activity);
        async move {
            let answer = portal.answer(request.map(Body::new), peer).await;
            answer.map(|body| Body::new(Watched { body, _busy: busy }))
        }
    })
    .await;
}

/// RFC 9110 §15.4.2 and §15.4.9: 301 where the method is safe, 308 where it must be kept.
///
/// The target is built from a configured origin alone, never from `Host`; a query goes along, a body does not.
pub fn redirection<B>(origin: &str, request: &Request<B>) -> Response<Body> {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD);
    let status = if safe { StatusCode::MOVED_PERMANENTLY } else { StatusCode::PERMANENT_REDIRECT };
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let fits = target.starts_with('/') && !target.starts_with("//") && target.len() <= URI;
    let target = if fits { target } else { "/" };
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = status;
    if let Ok(target) = HeaderValue::from_str(&format!("{origin}{target}")) {
        answer.headers_mut().insert(header::LOCATION, target);
    }
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// Drives hyper over the stream; what it says about broken peers is of no interest.
async fn run<S, F, A>(stream: S, http2: bool, stop: CancellationToken, answer: F)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    F: Fn(Request<Incoming>) -> A + Send + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    let service = service_fn(move |request| {
        let answer = answer(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let io = TokioIo::new(stream);
    let ended = if http2 {
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(HEADER as u32)
            .max_pending_accept_reset_streams(RESETS_PENDING)
            .max_local_error_reset_streams(RESETS)
            .max_send_buf_size(SEND_BUFFER)
            .keep_alive_interval(PATIENCE.idle / 2)
            .serve_connection(io, service);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => ended,
            () = stop.cancelled() => { connection.as_mut().graceful_shutdown(); connection.await }
        }
    } else {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE.idle + PATIENCE.head)
            .max_buf_size(HEADER)
            .max_headers(HEADERS)
            .serve_connection(io, service);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => ended,
            () = stop.cancelled() => { connection.as_mut().graceful_shutdown(); connection.await }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "http connection ended early");
    }
}

/// Requests under way on one connection.
#[derive(Default)]
struct Activity(AtomicUsize);

/// One request under way: from its head to the last byte of its answer.
struct Busy(Arc<Activity>);

impl Busy {
    fn new(activity: &Arc<Activity>) -> Self {
        activity.0.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(activity))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// An answer's body that keeps its connection busy until it is gone.
struct Watched {
    body: Body,
    _busy: Busy,
}

impl hyper::body::Body for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream with patience: an error once the peer took longer than it may.
///
/// Between requests it may idle (a shorter time before the first); once a head has begun it must end in time;
/// while an answer goes out it must take something now and then. A body's pace is watched where it is read.
struct Paced<S> {
    stream: S,
    activity: Arc<Activity>,
    http2: bool,
    patience: Patience,
    wait: Wait,
    reading: Pin<Box<Sleep>>,
    writing: Pin<Box<Sleep>>,
    stalled: bool,
}

/// What the reading side of a connection waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Wait {
    /// The first request's head, its first byte included.
    First,
    /// A request is under way.
    Request,
    /// The next request.
    Next,
    /// The rest of a head whose first byte came.
    Head,
}

impl<S> Paced<S> {
    fn new(stream: S, activity: Arc<Activity>, http2: bool, patience: Patience) -> Self {
        Self {
            stream,
            activity,
            http2,
            patience,
            wait: Wait::First,
            reading: Box::pin(tokio::time::sleep(patience.head)),
            writing: Box::pin(tokio::time::sleep(patience.stall)),
            stalled: false,
        }
    }

    /// Moves `wait` along and starts its clock.
    fn turn(&mut self, wait: Wait) {
        self.wait = wait;
        let patience = match wait {
            Wait::First | Wait::Head => self.patience.head,
            Wait::Next => self.patience.idle,
            Wait::Request => return,
        };
        self.reading.as_mut().reset(Instant::now() + patience);
    }

    fn look(&mut self) {
        let busy = self.activity.0.load(Ordering::Acquire) > 0;
        match self.wait {
            Wait::First | Wait::Next | Wait::Head if busy => self.turn(Wait::Request),
            Wait::Request if !busy => self.turn(Wait::Next),
            _ => {}
        }
    }

    fn wrote(&mut self, cx: &mut Context<'_>, pending: bool) -> io::Result<()> {
        if !pending {
            self.stalled = false;
            return Ok(());
        }
        if !self.stalled {
            self.stalled = true;
            self.writing.as_mut().reset(Instant::now() + self.patience.stall);
        }
        if self.writing.as_mut().poll(cx).is_ready() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.look();
        let before = buf.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buf) {
            Poll::Ready(done) => {
                // A frame of HTTP/2 need not belong to a head, so its idle clock just goes on.
                if this.wait == Wait::Next && buf.filled().len() > before && !this.http2 {
                    this.turn(Wait::Head);
                }
                Poll::Ready(done)
            }
            Poll::Pending if this.wait == Wait::Request => Poll::Pending,
            Poll::Pending => {
                this.reading.as_mut().poll(cx).map(|()| Err(io::Error::from(io::ErrorKind::TimedOut)))
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.wrote(cx, done.is_pending())?;
        done
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.stream).poll_flush(cx);
        this.wrote(cx, done.is_pending())?;
        done
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.stream).poll_shutdown(cx);
        this.wrote(cx, done.is_pending())?;
        done
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.wrote(cx, done.is_pending())?;
        done
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// A request's target, octets.
pub(crate) const URI: usize = 2 << 10;
/// A head in all, octets.
const HEADER: usize = 16 << 10;
/// Its fields.
const HEADERS: usize = 64;
/// How long a peer may take.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// From the first byte of a head to its last, and from the connection to the first head.
    head: Duration,
    /// Between two requests.
    idle: Duration,
    /// For an answer that nobody takes.
    stall: Duration,
}

const PATIENCE: Patience =
    Patience { head: Duration::from_secs(10), idle: Duration::from_secs(60), stall: Duration::from_secs(60) };

/// HTTP/2 streams at once.
const STREAMS: u32 = 100;
/// HTTP/2 streams of one connection that may be reset, by reason of an error of the peer.
const RESETS: usize = 200;
/// HTTP/2 streams that were reset before they were looked at.
const RESETS_PENDING: usize = 20;
/// Octets of an answer waiting in one HTTP/2 stream.
const SEND_BUFFER: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;
    use tokio::io::AsyncWriteExt;
    use tokio::io::DuplexStream;

    const SHORT: Patience = Patience {
        head: Duration::from_millis(100),
        idle: Duration::from_millis(600),
        stall: Duration::from_millis(100),
    };

    /// A connection whose requests are answered with their own path.
    fn connection(patience: Patience) -> (DuplexStream, tokio::task::JoinHandle<()>, CancellationToken) {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let stop = CancellationToken::new();
        let activity = Arc::new(Activity::default());
        let stream = Paced::new(theirs, Arc::clone(&activity), false, patience);
        let served = run(stream, false, stop.clone(), move |request| {
            let busy = Busy::new(&activity);
            async move {
                let path = request.uri().path().to_owned();
                Response::new(Body::new(Watched { body: Body::from(path), _busy: busy }))
            }
        });
        (ours, tokio::spawn(served), stop)
    }

    async fn read_some(stream: &mut DuplexStream) -> String {
        let mut bytes = vec![0; 4096];
        let count = stream.read(&mut bytes).await.unwrap();
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    }

    #[tokio::test]
    async fn a_head_that_never_ends_is_cut_off() {
        for first in ["", "GET / HT"] {
            let begun = Instant::now();
            let (mut ours, served, _stop) = connection(SHORT);
            ours.write_all(first.as_bytes()).await.unwrap();
            served.await.unwrap();
            assert!(begun.elapsed() >= SHORT.head, "{first:?} {:?}", begun.elapsed());
        }
    }

    #[tokio::test]
    async fn idling_is_longer_than_a_head_may_take() {
        let begun = Instant::now();
        let (mut ours, served, _stop) = connection(SHORT);
        ours.write_all(b"GET /one HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        assert!(read_some(&mut ours).await.ends_with("/one"));
        served.await.unwrap();
        assert!(begun.elapsed() >= SHORT.idle, "{:?}", begun.elapsed());

        let patience = Patience { idle: Duration::from_secs(3600), ..SHORT };
        let (mut ours, served, _stop) = connection(patience);
        for path in ["/one", "/two"] {
            ours.write_all(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).await.unwrap();
            assert!(read_some(&mut ours).await.ends_with(path));
        }
        ours.write_all(b"GET /three").await.unwrap();
        served.await.unwrap();
    }

    #[tokio::test]
    async fn a_reader_that_takes_nothing_is_left() {
        let (ours, theirs) = tokio::io::duplex(1 << 10);
        let (mut read, mut write) = tokio::io::split(ours);
        let activity = Arc::new(Activity::default());
        let stream = Paced::new(theirs, Arc::clone(&activity), false, SHORT);
        let served = tokio::spawn(run(stream, false, CancellationToken::new(), move |_| {
            let busy = Busy::new(&activity);
            async move { Response::new(Body::new(Watched { body: Body::from(vec![b'x'; 1 << 20]), _busy: busy })) }
        }));
        write.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        served.await.unwrap();
        let mut rest = Vec::new();
        read.read_to_end(&mut rest).await.unwrap();
        assert!(rest.len() < 1 << 20);
    }

    #[tokio::test]
    async fn heads_are_bounded() {
        let many = "a: b\r\n".repeat(HEADERS + 1);
        let long = format!("a: {}\r\n", "x".repeat(HEADER));
        for head in [many, long] {
            let (mut ours, served, _stop) = connection(PATIENCE);
            let request = format!("GET / HTTP/1.1\r\nhost: a\r\n{head}\r\n");
            // The peer may be gone before all of it is written.
            let _ = ours.write_all(request.as_bytes()).await;
            assert!(read_some(&mut ours).await.starts_with("HTTP/1.1 431"));
            drop(ours);
            served.await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_stop_ends_an_idle_connection() {
        let (mut ours, served, stop) = connection(PATIENCE);
        ours.write_all(b"GET /one HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        assert!(read_some(&mut ours).await.ends_with("/one"));
        stop.cancel();
        served.await.unwrap();
    }

    #[test]
    fn redirects_go_to_the_configured_origin_only() {
        for (method, target, status, want) in [
            ("GET", "/i/abc?lang=de", 301, "https://post.example/i/abc?lang=de"),
            ("HEAD", "/", 301, "https://post.example/"),
            ("POST", "/login", 308, "https://post.example/login"),
            ("GET", "//evil.example/x", 301, "https://post.example/"),
            ("GET", "http://evil.example/x", 301, "https://post.example/x"),
            ("OPTIONS", "*", 308, "https://post.example/"),
        ] {
            let request = Request::builder()
                .method(method)
                .uri(target)
                .header("host", "evil.example")
                .body(())
                .unwrap();
            let answer = redirection("https://post.example", &request);
            assert_eq!(answer.status(), status);
            assert_eq!(answer.headers()["location"], want, "{target}");
        }
    }
}
