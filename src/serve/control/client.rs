//! The other end of the control socket, for the commands.

use crate::serve::control::Trouble;
use crate::serve::control::TroubleKind;
use crate::serve::control::request::Request;
use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::Full;
use http_body_util::Limited;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::io;
use std::path::Path;
use tokio::net::UnixStream;

/// The largest answer, octets; a list of a hundred thousand mailboxes stays below.
const ANSWER: usize = 64 << 20;

/// Connects; nothing when no server listens there.
pub async fn connect(socket: &Path) -> Result<Option<UnixStream>, Trouble> {
    match UnixStream::connect(socket).await {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            Ok(None)
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(Trouble {
            kind: TroubleKind::Forbidden,
            message: format!("{} may not be opened by you", socket.display()),
        }),
        Err(error) => Err(Trouble::unavailable(format!("{}: {error}", socket.display()))),
    }
}

/// Asks the server.
pub async fn ask(stream: UnixStream, request: &Request) -> Result<Value, Trouble> {
    let lost = |_| Trouble::unavailable("the server went away in the middle of an answer");
    let wire = request.to_wire()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(lost)?;
    let driver = tokio::spawn(connection);
    let request = hyper::Request::builder()
        .method(wire.method)
        .uri(wire.target)
        .header(hyper::header::HOST, "guardpost")
        .header(hyper::header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(wire.body)))
        .map_err(|_| Trouble::usage("the request cannot be written"))?;
    let answer = sender.send_request(request).await.map_err(lost)?;
    let good = answer.status().is_success();
    let body = Limited::new(answer.into_body(), ANSWER).collect().await;
    let body = body.map_err(|_| Trouble::unavailable("the answer is cut or too large"))?.to_bytes();
    driver.abort();
    let odd = |_| Trouble::unavailable("what listens there does not answer in JSON");
    if good {
        return serde_json::from_slice(&body).map_err(odd);
    }
    Err(serde_json::from_slice(&body).map_err(odd)?)
}
