//! Somebody else's web server, over TLS: it says what a test wants, by the host that it is asked for.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;

/// The server, until it is dropped.
pub struct WebHost {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    answers: Mutex<HashMap<String, String>>,
    asked: Mutex<Vec<String>>,
}

impl WebHost {
    /// With this chain, DER, and this key, PKCS#8.
    pub async fn open(chain: &[Vec<u8>], key: &[u8]) -> Self {
        let chain = chain.iter().cloned().map(rustls::pki_types::CertificateDer::from).collect();
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(key.to_vec());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key.into()))
            .unwrap();
        let tls = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Shared>::default();
        let serving = shared.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(converse(socket, tls.clone(), serving.clone()));
            }
        });
        Self { address, shared, accepting }
    }

    /// Says this, head and body, to whoever asks for `host`; "" says nothing and keeps the connection.
    pub fn says(&self, host: &str, answer: &str) {
        self.shared.answers.lock().unwrap().insert(host.to_owned(), answer.to_owned());
    }

    /// Says this plain text.
    pub fn says_text(&self, host: &str, text: &str) {
        let length = text.len();
        let answer =
            format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{text}");
        self.says(host, &answer);
    }

    /// The heads of the requests for `host` so far.
    pub fn asked(&self, host: &str) -> Vec<String> {
        let asked = self.shared.asked.lock().unwrap();
        asked.iter().filter(|head| head.contains(&format!("\r\nhost: {host}\r\n"))).cloned().collect()
    }
}

/// One request, one answer.
async fn converse(socket: TcpStream, tls: TlsAcceptor, shared: Arc<Shared>) {
    // Who does not trust this server goes away in the handshake.
    let Ok(mut stream) = tls.accept(socket).await else { return };
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(octet) = stream.read_u8().await else { return };
        head.push(octet);
    }
    let head = String::from_utf8(head).unwrap();
    let host = head.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned();
    let answer = shared.answers.lock().unwrap().get(&host).cloned();
    shared.asked.lock().unwrap().push(head);
    let answer = answer.unwrap_or_else(|| "HTTP/1.1 404 Not Found\r\n\r\n".into());
    if answer.is_empty() {
        return std::future::pending().await;
    }
    // Who has heard enough goes before the end.
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

impl Drop for WebHost {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
