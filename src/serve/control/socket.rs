//! The socket itself: who may open it, who asks, and how long that may take.

use crate::serve::control::Caller;
use crate::serve::control::SOCKET;
use crate::serve::control::Trouble;
use crate::serve::control::TroubleKind;
use crate::serve::control::request::Request;
use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::Full;
use http_body_util::Limited;
use hyper::Response;
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use serde_json::Value;
use std::convert::Infallible;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A request's body, octets: a certificate of 256 KiB in base64, and room.
const BODY: usize = 512 << 10;
/// Connections at once.
const CONNECTIONS: usize = 16;
/// For one request, its body included. Removing a large mailbox takes long, so the answer has no limit.
const PATIENCE: Duration = Duration::from_secs(10);

/// What answers a request; the dispatcher, or a test's stand-in.
pub trait Answering: Send + Sync + 'static {
    /// The answer as `--json` prints it.
    fn answer(&self, request: Request) -> Pin<Box<dyn Future<Output = Result<Value, Trouble>> + Send + '_>>;
}

/// A bound socket; its file goes when this is dropped.
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
    owner: u32,
    patience: Duration,
}

impl ControlSocket {
    /// Binds `run_dir/control.sock`, mode 0660, for the owner whose user id is `owner`.
    ///
    /// A file that a killed server left is replaced; whether a server runs is told by the store's lock, which the
    /// caller holds.
    pub fn bind(run_dir: &Path, owner: u32) -> io::Result<Self> {
        let path = run_dir.join(SOCKET);
        // Made under another name with no rights, so that nobody opens it before its mode is right.
        let fresh = run_dir.join(format!(".{SOCKET}.{}", std::process::id()));
        let _ = fs::remove_file(&fresh);
        let listener = UnixListener::bind(&fresh)?;
        fs::set_permissions(&fresh, fs::Permissions::from_mode(0o660))?;
        fs::rename(&fresh, &path)?;
        Ok(Self { listener, path, owner, patience: PATIENCE })
    }

    /// Waits for requests so long only; tests need not wait long.
    #[cfg(test)]
    pub(crate) fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Answers until `stop`, then finishes what was begun.
    pub async fn serve(self, answering: Arc<dyn Answering>, stop: CancellationToken) {
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let tasks = TaskTracker::new();
        loop {
            let Ok(place) = room.clone().acquire_owned().await else { break };
            let stream = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::warn!(%error, "control socket cannot accept");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                },
            };
            let caller = caller(&stream, self.owner);
            let (answering, patience) = (answering.clone(), self.patience);
            tasks.spawn(async move {
                converse(stream, caller, patience, answering).await;
                drop(place);
            });
        }
        tasks.close();
        tasks.wait().await;
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// The kernel says who it is; whoever else gets past the file's mode is of its group.
fn caller(stream: &UnixStream, owner: u32) -> Caller {
    match stream.peer_cred() {
        Ok(peer) if peer.uid() == 0 || peer.uid() == owner => Caller::Owner,
        Ok(_) | Err(_) => Caller::Group,
    }
}

async fn converse(stream: UnixStream, caller: Caller, patience: Duration, answering: Arc<dyn Answering>) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let answering = answering.clone();
        async move { Ok::<_, Infallible>(response(handle(request, caller, patience, &*answering).await)) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .max_buf_size(64 << 10)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "control connection ended early");
    }
}

async fn handle(
    request: hyper::Request<Incoming>,
    caller: Caller,
    patience: Duration,
    answering: &dyn Answering,
) -> Result<Value, Trouble> {
    let (head, body) = request.into_parts();
    let body = tokio::time::timeout(patience, Limited::new(body, BODY).collect())
        .await
        .map_err(|_| Trouble::usage("the body did not come"))?
        .map_err(|_| Trouble::usage("the body is cut or too large"))?
        .to_bytes();
    let query = head.uri.query().unwrap_or_default();
    let request = Request::from_wire(head.method.as_str(), head.uri.path(), query, &body)?;
    if caller == Caller::Group && !request.only_shows() {
        let message = "only root and the owner of the data directory may do this".into();
        return Err(Trouble { kind: TroubleKind::Forbidden, message });
    }
    answering.answer(request).await
}

fn response(answer: Result<Value, Trouble>) -> Response<Full<Bytes>> {
    let (status, body) = match &answer {
        Ok(value) => (200, serde_json::to_vec(value)),
        Err(trouble) => (trouble.kind.status(), serde_json::to_vec(trouble)),
    };
    let mut response = Response::new(Full::new(Bytes::from(body.unwrap_or_default())));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::control::client;
    use serde_json::json;

    struct Echo;

    impl Answering for Echo {
        fn answer(
            &self,
            request: Request,
        ) -> Pin<Box<dyn Future<Output = Result<Value, Trouble>> + Send + '_>> {
            Box::pin(async move {
                match request {
                    Request::AccountShow { address } => Ok(json!({ "address": address })),
                    Request::QueueCancel { .. } => Err(Trouble::refused("no such message")),
                    _ => Ok(Value::Null),
                }
            })
        }
    }

    async fn ask(socket: &Path, request: &Request) -> Result<Value, Trouble> {
        client::ask(client::connect(socket).await?.expect("a server"), request).await
    }

    #[tokio::test]
    async fn answers_over_the_socket() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(SOCKET);
        assert!(client::connect(&path).await.unwrap().is_none(), "no server yet");
        let stop = CancellationToken::new();
        let socket = ControlSocket::bind(dir.path(), rustix::process::getuid().as_raw()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        let server = tokio::spawn(socket.serve(Arc::new(Echo), stop.clone()));
        let shown = ask(&path, &Request::AccountShow { address: "a b&c@x".into() }).await.unwrap();
        assert_eq!(shown, json!({ "address": "a b&c@x" }));
        let refused = ask(&path, &Request::QueueCancel { id: "x".into() }).await.unwrap_err();
        assert_eq!(refused, Trouble::refused("no such message"));
        stop.cancel();
        server.await.unwrap();
        assert!(!path.exists(), "the file goes with the server");
    }

    #[tokio::test]
    async fn refuses_what_is_too_large() {
        let dir = tempfile::tempdir().unwrap();
        let stop = CancellationToken::new();
        let socket = ControlSocket::bind(dir.path(), 0).unwrap();
        let server = tokio::spawn(socket.serve(Arc::new(Echo), stop.clone()));
        let path = dir.path().join(SOCKET);
        let request = Request::KeyImport { file: "A".repeat(BODY) };
        let trouble = ask(&path, &request).await.unwrap_err();
        assert!(matches!(trouble.kind, TroubleKind::Usage | TroubleKind::Unavailable), "{trouble}");
        assert_eq!(ask(&path, &Request::Dns {}).await.unwrap(), Value::Null, "and goes on");
        stop.cancel();
        server.await.unwrap();
    }
}
