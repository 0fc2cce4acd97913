//! Somebody else's mail server, which a test can make misbehave; it records every octet it gets.
//!
//! By itself it takes everything, with STARTTLS. A test changes what it offers and, with a rule, what it answers
//! to any line, on any connection.

use std::io;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;
use tokio_rustls::rustls::server::ClientHello;
use tokio_rustls::rustls::server::ResolvesServerCert;
use tokio_rustls::rustls::sign::CertifiedKey;

/// How the peer treats STARTTLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StartTls {
    /// Offers it, and it works.
    Works,
    /// Does not offer it.
    NotOffered,
    /// Offers it, and then has no time: 454.
    Refused,
    /// Says 220, then something that is no TLS.
    Garbage,
    /// Says 220, then closes.
    Closes,
    /// Says 220, then nothing.
    Hangs,
    /// Says 220, reads the first octets of the handshake, then resets the connection.
    Resets,
    /// Says 220, then refuses the handshake as TLS refuses: by an alert (RFC 8446 §6.2).
    Alerts,
}

/// What the peer is asked: a command line, `greeting` at the start, `end of data` after the text.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// Which connection, from 0.
    pub connection: usize,
    /// The line, without its end.
    pub line: &'a str,
    /// Inside TLS.
    pub tls: bool,
}

/// What it does then.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Act {
    /// What a good server does.
    Usual,
    /// Says this (CRLF is added) and goes on; a 220 to STARTTLS still begins the handshake.
    Say(String),
    /// The same, octet by octet, each in a segment of its own.
    Drip(String),
    /// Says this and closes; nothing is said if it is empty.
    Close(String),
    /// Says nothing more, and keeps the connection.
    Hang,
}

impl Act {
    /// What is said then, where a good server says `usual`.
    fn said<'a>(&'a self, usual: &'a str) -> &'a str {
        match self {
            Self::Usual => usual,
            Self::Say(said) | Self::Drip(said) | Self::Close(said) => said,
            Self::Hang => "",
        }
    }
}

/// A message that the peer took.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Taken {
    /// The argument of MAIL, with its parameters.
    pub mail: String,
    /// The arguments of RCPT that were answered with 250.
    pub rcpts: Vec<String>,
    /// The message as it was on the wire, dots taken out.
    pub text: Vec<u8>,
    /// It came inside TLS.
    pub tls: bool,
}

/// One connection as it was.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// Every octet that came before TLS.
    pub plain: Vec<u8>,
    /// Every octet that came inside TLS.
    pub inside: Vec<u8>,
    /// Messages that were answered with 250 at their end.
    pub taken: Vec<Taken>,
}

type Rule = dyn Fn(&Asked<'_>) -> Act + Send + Sync;

/// Nothing takes longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(120);

/// The peer, listening until it is dropped.
pub struct Peer {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its certificate, DER.
    pub certificate: Vec<u8>,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    sessions: Mutex<Vec<Session>>,
    /// Of all sessions, as they came.
    taken: Mutex<Vec<Taken>>,
    moved: watch::Sender<u64>,
    start_tls: StartTls,
    extensions: Vec<String>,
    rule: Box<Rule>,
    tls: TlsAcceptor,
}

/// How a peer is to be.
pub struct Plan {
    ip: IpAddr,
    port: u16,
    start_tls: StartTls,
    extensions: Vec<String>,
    rule: Box<Rule>,
    names: Vec<String>,
    identity: Option<Identity>,
    other: Option<(String, Identity)>,
    versions: &'static [&'static rustls::SupportedProtocolVersion],
}

/// What it shows, and to who asks for a certain name.
#[derive(Debug)]
struct Shown {
    usual: Arc<CertifiedKey>,
    other: Option<(String, Arc<CertifiedKey>)>,
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let asked_for = hello.server_name();
        let other = self.other.iter().find(|(name, _)| asked_for == Some(name.as_str()));
        Some(Arc::clone(other.map_or(&self.usual, |(_, other)| other)))
    }
}

/// A chain, DER, the peer's own first, and its key, PKCS#8.
pub type Identity = (Vec<Vec<u8>>, Vec<u8>);

impl Default for Plan {
    fn default() -> Self {
        let extensions =
            ["PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "SIZE 52428800", "ENHANCEDSTATUSCODES"];
        Self {
            ip: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            start_tls: StartTls::Works,
            extensions: extensions.map(str::to_owned).into(),
            rule: Box::new(|_| Act::Usual),
            names: vec!["peer.example".into()],
            identity: None,
            other: None,
            versions: rustls::ALL_VERSIONS,
        }
    }
}

impl Plan {
    /// On another loopback address, so that several peers can share a port.
    pub fn at(mut self, ip: &str, port: u16) -> Self {
        self.ip = ip.parse().expect("an address");
        self.port = port;
        self
    }

    /// With this treatment of STARTTLS.
    pub fn start_tls(mut self, start_tls: StartTls) -> Self {
        self.start_tls = start_tls;
        self
    }

    /// With these extensions beside STARTTLS.
    pub fn extensions(mut self, extensions: &[&str]) -> Self {
        self.extensions = extensions.iter().map(ToString::to_string).collect();
        self
    }

    /// With a certificate for these names.
    pub fn names(mut self, names: &[&str]) -> Self {
        self.names = names.iter().map(ToString::to_string).collect();
        self
    }

    /// With this chain and key in place of a certificate of its own making.
    pub fn identity(mut self, chain: &[Vec<u8>], key: &[u8]) -> Self {
        self.identity = Some((chain.to_vec(), key.to_vec()));
        self
    }

    /// With another chain and key for who asks for this name (SNI).
    pub fn shows(mut self, name: &str, chain: &[Vec<u8>], key: &[u8]) -> Self {
        self.other = Some((name.into(), (chain.to_vec(), key.to_vec())));
        self
    }

    /// With these versions of TLS.
    pub fn versions(mut self, versions: &'static [&'static rustls::SupportedProtocolVersion]) -> Self {
        self.versions = versions;
        self
    }

    /// With this rule for what it answers.
    pub fn rule(mut self, rule: impl Fn(&Asked<'_>) -> Act + Send + Sync + 'static) -> Self {
        self.rule = Box::new(rule);
        self
    }

    /// Opens it.
    pub async fn open(self) -> Peer {
        let (chain, key) = self.identity.unwrap_or_else(|| {
            let made = rcgen::generate_simple_self_signed(self.names).expect("a certificate");
            (vec![made.cert.der().to_vec()], made.signing_key.serialize_der())
        });
        let certificate = chain[0].clone();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let certified = |(chain, key): Identity| {
            let chain = chain.into_iter().map(rustls::pki_types::CertificateDer::from).collect();
            let key = rustls::pki_types::PrivatePkcs8KeyDer::from(key).into();
            Arc::new(CertifiedKey::from_der(chain, key, &provider).expect("a certificate and its key"))
        };
        let other = self.other.map(|(name, identity)| (name, certified(identity)));
        let shown = Shown { usual: certified((chain, key)), other };
        let config = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(self.versions)
            .map(|builder| builder.with_no_client_auth().with_cert_resolver(Arc::new(shown)))
            .expect("a configuration");
        let listener = TcpListener::bind((self.ip, self.port)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            sessions: Mutex::default(),
            taken: Mutex::default(),
            moved: watch::Sender::new(0),
            start_tls: self.start_tls,
            extensions: self.extensions,
            rule: self.rule,
            tls: TlsAcceptor::from(Arc::new(config)),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Peer { address, certificate, shared, accepting }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Peer {
    /// One that takes everything.
    pub async fn good() -> Self {
        Plan::default().open().await
    }

    /// Every connection so far.
    pub fn sessions(&self) -> Vec<Session> {
        self.shared.sessions.lock().expect("no panic").clone()
    }

    /// Every message it took, in the order in which they came.
    pub fn taken(&self) -> Vec<Taken> {
        self.shared.taken.lock().expect("no panic").clone()
    }

    /// Every octet of every connection, plain and inside TLS.
    pub fn octets(&self) -> Vec<u8> {
        self.sessions().into_iter().flat_map(|session| [session.plain, session.inside].concat()).collect()
    }

    /// Waits until somebody connected.
    pub async fn wait_for_session(&self) {
        self.wait_until(|peer| !peer.sessions().is_empty()).await;
    }

    /// Waits until it took `count` messages.
    pub async fn wait_for(&self, count: usize) -> Vec<Taken> {
        self.wait_until(|peer| peer.taken().len() >= count).await;
        self.taken()
    }

    /// Waits until it has seen this.
    pub async fn wait_until(&self, seen: impl Fn(&Self) -> bool) {
        let mut moved = self.shared.moved.subscribe();
        let enough = async {
            while !seen(self) {
                moved.changed().await.expect("the peer is there");
            }
        };
        let waited = tokio::time::timeout(PATIENCE, enough).await;
        waited.unwrap_or_else(|_| panic!("it has seen only {:#?}", self.shown()));
    }

    /// What was said on each connection.
    fn shown(&self) -> Vec<String> {
        let sessions = self.sessions().into_iter();
        sessions
            .map(|session| String::from_utf8_lossy(&[session.plain, session.inside].concat()).into())
            .collect()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((socket, _)) = listener.accept().await {
        let connection = {
            let mut sessions = shared.sessions.lock().expect("no panic");
            sessions.push(Session::default());
            sessions.len() - 1
        };
        shared.moved.send_modify(|count| *count += 1);
        let talk = Talk { shared: Arc::clone(&shared), connection, tls: false };
        tokio::spawn(async move {
            // A session that broke off is what many tests are about.
            let _ = talk.serve(socket).await;
        });
    }
}

struct Talk {
    shared: Arc<Shared>,
    connection: usize,
    tls: bool,
}

/// How a conversation ended.
enum End {
    Closed,
    StartTls,
}

impl Talk {
    async fn serve(mut self, mut socket: TcpStream) -> io::Result<()> {
        if let End::Closed = self.converse(&mut socket).await? {
            return socket.shutdown().await;
        }
        match self.shared.start_tls {
            StartTls::Garbage => {
                socket.write_all(b"this is no TLS at all, whatever was promised\r\n").await?;
                return socket.shutdown().await;
            }
            StartTls::Closes => return Ok(()),
            StartTls::Hangs => return std::future::pending().await,
            StartTls::Resets => {
                socket.read_exact(&mut [0; 5]).await?;
                // What was not read makes it a reset.
                return Ok(());
            }
            StartTls::Alerts => {
                socket.read_exact(&mut [0; 5]).await?;
                socket.write_all(&[21, 3, 3, 0, 2, 2, 40]).await?;
                return socket.shutdown().await;
            }
            StartTls::Works | StartTls::NotOffered | StartTls::Refused => {}
        }
        let mut inside = self.shared.tls.accept(socket).await?;
        self.tls = true;
        self.converse(&mut inside).await?;
        inside.shutdown().await
    }

    async fn converse<S: AsyncRead + AsyncWrite + Unpin>(&mut self, wire: &mut S) -> io::Result<End> {
        let mut buffer = Vec::new();
        if !self.tls && !self.answer(wire, "greeting", "220 peer.example ESMTP").await? {
            return Ok(End::Closed);
        }
        let (mut mail, mut rcpts) = (String::new(), Vec::new());
        loop {
            let Some(line) = self.line(wire, &mut buffer).await? else { return Ok(End::Closed) };
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            let usual = self.usual(&verb, rcpts.is_empty());
            let (going_on, said) = self.say(wire, &line, &usual).await?;
            if !going_on {
                return Ok(End::Closed);
            }
            let good = said.starts_with('2');
            match verb.as_str() {
                "MAIL" if good => (mail, rcpts) = (line["MAIL FROM:".len()..].to_owned(), Vec::new()),
                "RCPT" if good => rcpts.push(line["RCPT TO:".len()..].to_owned()),
                "RSET" => (mail, rcpts) = (String::new(), Vec::new()),
                "STARTTLS" if said.starts_with("220") => return Ok(End::StartTls),
                "QUIT" => return Ok(End::Closed),
                "DATA" if said.starts_with("354") => {
                    let Some(text) = self.text(wire, &mut buffer).await? else { return Ok(End::Closed) };
                    let act = self.act("end of data");
                    if act.said("250 2.0.0 taken").starts_with('2') {
                        let (mail, rcpts) = (std::mem::take(&mut mail), std::mem::take(&mut rcpts));
                        self.take(Taken { mail, rcpts, text, tls: self.tls });
                    }
                    let (going_on, _) = self.carry_out(wire, act, "250 2.0.0 taken").await?;
                    if !going_on {
                        return Ok(End::Closed);
                    }
                }
                _ => {}
            }
        }
    }

    fn usual(&self, verb: &str, no_recipients: bool) -> String {
        let reply = match verb {
            "EHLO" => return self.extensions(),
            "STARTTLS" if self.tls => "503 5.5.1 once is enough",
            "STARTTLS" => match self.shared.start_tls {
                StartTls::NotOffered => "502 5.5.1 no",
                StartTls::Refused => "454 4.7.0 not now",
                _ => "220 2.0.0 go on",
            },
            "DATA" if no_recipients => "554 5.5.1 no valid recipients",
            "DATA" => "354 go on",
            "QUIT" => "221 2.0.0 bye",
            "HELO" | "MAIL" | "RCPT" | "RSET" | "NOOP" | "AUTH" => "250 2.0.0 ok",
            _ => "500 5.5.2 what?",
        };
        reply.into()
    }

    fn extensions(&self) -> String {
        let offered = !self.tls && self.shared.start_tls != StartTls::NotOffered;
        let mut lines = vec!["peer.example"];
        lines.extend(offered.then_some("STARTTLS"));
        lines.extend(self.shared.extensions.iter().map(String::as_str));
        let last = lines.len() - 1;
        let mark = |at: usize| if at == last { ' ' } else { '-' };
        let lines: Vec<String> =
            lines.iter().enumerate().map(|(at, line)| format!("250{}{line}", mark(at))).collect();
        lines.join("\r\n")
    }

    async fn answer<S: AsyncWrite + Unpin>(&self, wire: &mut S, line: &str, usual: &str) -> io::Result<bool> {
        Ok(self.say(wire, line, usual).await?.0)
    }

    /// Whether the conversation goes on, and what was said.
    async fn say<S: AsyncWrite + Unpin>(
        &self,
        wire: &mut S,
        line: &str,
        usual: &str,
    ) -> io::Result<(bool, String)> {
        self.carry_out(wire, self.act(line), usual).await
    }

    /// What it does when it is asked this.
    fn act(&self, line: &str) -> Act {
        (self.shared.rule)(&Asked { connection: self.connection, line, tls: self.tls })
    }

    async fn carry_out<S: AsyncWrite + Unpin>(
        &self,
        wire: &mut S,
        act: Act,
        usual: &str,
    ) -> io::Result<(bool, String)> {
        let (going_on, said) = match act {
            Act::Usual => (true, usual.to_owned()),
            Act::Say(said) => (true, said),
            Act::Drip(said) => {
                for octet in format!("{said}\r\n").bytes() {
                    wire.write_all(&[octet]).await?;
                    wire.flush().await?;
                    tokio::task::yield_now().await;
                }
                return Ok((true, said));
            }
            Act::Close(said) if said.is_empty() => return Ok((false, said)),
            Act::Close(said) => (false, said),
            Act::Hang => return std::future::pending().await,
        };
        wire.write_all(format!("{said}\r\n").as_bytes()).await?;
        wire.flush().await?;
        Ok((going_on, said))
    }

    /// One line with its end; every octet is on record before anybody looks at it.
    async fn line<S: AsyncRead + Unpin>(
        &self,
        wire: &mut S,
        buffer: &mut Vec<u8>,
    ) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(end) = buffer.iter().position(|octet| *octet == b'\n') {
                return Ok(Some(buffer.drain(..=end).collect()));
            }
            let mut chunk = vec![0; 16 << 10];
            let length = wire.read(&mut chunk).await?;
            if length == 0 {
                return Ok(None);
            }
            buffer.extend_from_slice(&chunk[..length]);
            self.note(|session| {
                let record = if self.tls { &mut session.inside } else { &mut session.plain };
                record.extend_from_slice(&chunk[..length]);
            });
        }
    }

    async fn text<S: AsyncRead + Unpin>(
        &self,
        wire: &mut S,
        buffer: &mut Vec<u8>,
    ) -> io::Result<Option<Vec<u8>>> {
        let mut text = Vec::new();
        loop {
            let Some(line) = self.line(wire, buffer).await? else { return Ok(None) };
            if line == b".\r\n" {
                return Ok(Some(text));
            }
            text.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
    }

    /// A message is on record before it is acknowledged: whoever learns of the 250 finds it.
    fn take(&self, taken: Taken) {
        self.shared.taken.lock().expect("no panic").push(taken.clone());
        self.note(|session| session.taken.push(taken));
    }

    fn note(&self, change: impl FnOnce(&mut Session)) {
        change(&mut self.shared.sessions.lock().expect("no panic")[self.connection]);
        self.shared.moved.send_modify(|count| *count += 1);
    }
}
