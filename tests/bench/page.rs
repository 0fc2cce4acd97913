//! The first page of a large mailbox: by IMAP and in the portal.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

/// Messages on a page.
const EACH: usize = 40;
/// Messages in the portal's mailbox: as many as it may hold.
const MANY: usize = 10_000;
const PASSWORD: &str = "measured at some length";

/// The first time and again.
pub struct Pages {
    /// Messages in the mailbox.
    pub total: usize,
    /// When summaries lie as they arrived.
    pub first: Duration,
    /// When they have been opened once.
    pub again: Duration,
}

/// The newest forty of `user`'s INBOX, as a mail program lists them.
pub fn by_imap(port: u16, user: &str, password: &str) -> Pages {
    let mut imap = Imap::open(port);
    imap.say(&format!("LOGIN {user} \"{password}\""));
    let total = imap.select();
    let mut times = [Duration::ZERO; 2];
    for time in &mut times {
        let start = Instant::now();
        imap.say(&format!("FETCH {}:{total} (FLAGS ENVELOPE)", total.saturating_sub(EACH - 1).max(1)));
        *time = start.elapsed();
    }
    let [first, again] = times;
    Pages { total, first, again }
}

/// The first page of a temporary mailbox that is full, with the connection to fetch it, as a browser sees it.
pub fn by_portal() -> Pages {
    let demo = Demo::start();
    let cookie = demo.first_use();
    let mut imap = Imap::open(demo.imap);
    imap.say(&format!("LOGIN bob@elsewhere.example \"{PASSWORD}\""));
    let mut total = imap.select();
    while total < MANY {
        imap.say(&format!("COPY 1:{} INBOX", total.min(MANY - total)));
        total = imap.select();
    }
    let mut times = [Duration::ZERO; 2];
    for time in &mut times {
        let start = Instant::now();
        let page = demo.ask(&format!("GET /mailbox HTTP/1.1\r\n{}Cookie: {cookie}\r\n\r\n", demo.head()));
        *time = start.elapsed();
        assert_eq!(page.matches("href=\"/mailbox/inbox/").count(), EACH, "{page}");
    }
    let [first, again] = times;
    Pages { total, first, again }
}

/// `guardpost demo`: a temporary mailbox with one message, its invitation and its PIN.
struct Demo {
    child: Child,
    /// Host and port of the portal.
    host: String,
    path: String,
    token: String,
    pin: String,
    imap: u16,
}

impl Demo {
    fn start() -> Self {
        let mut demo = Command::new(env!("CARGO_BIN_EXE_guardpost"));
        let mut child = demo.arg("demo").stdout(Stdio::piped()).spawn().expect("the binary");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut told = |marker: &str| -> String {
            let line = lines.by_ref().map_while(Result::ok).find(|line| line.contains(marker));
            line.expect("the demo's text").trim().to_owned()
        };
        let link = told("/i/");
        let pin = told("PIN  ").split_whitespace().last().unwrap_or_default().to_owned();
        let imap = told("IMAP ");
        let imap = imap.split([' ', ',']).find_map(|word| word.parse().ok()).expect("a port");
        // What it says later is not waited for, but must not end in a closed pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let (address, token) = link.split_once('#').expect("a token");
        let (host, path) =
            address.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("an address");
        let (host, path, token) = (host.to_owned(), format!("/{path}"), token.to_owned());
        Self { child, host, path, token, pin, imap }
    }

    /// Bob opens his mailbox; the cookie of his session.
    fn first_use(&self) -> String {
        let password = PASSWORD.replace(' ', "+");
        let form = format!(
            "token={}&pin={}&password={password}&confirm={password}&understood=yes",
            self.token, self.pin
        );
        let answer = self.ask(&format!(
            "POST {} HTTP/1.1\r\n{}Origin: http://{}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{form}",
            self.path,
            self.head(),
            self.host,
            form.len()
        ));
        let cookie = answer.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("set-cookie").then(|| value.split(';').next().unwrap_or_default())
        });
        cookie.unwrap_or_else(|| panic!("no session: {answer}")).to_owned()
    }

    fn head(&self) -> String {
        format!("Host: {}\r\nConnection: close\r\n", self.host)
    }

    fn ask(&self, request: &str) -> String {
        let (_, port) = self.host.split_once(':').expect("a port");
        let mut stream =
            TcpStream::connect(("127.0.0.1", port.parse().expect("a port"))).expect("a connection");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Demo {
    /// It removes its directory when it is asked to end.
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// A client for one command after the other.
struct Imap {
    stream: rustls::StreamOwned<rustls::ClientConnection, TcpStream>,
}

impl Imap {
    fn open(port: u16) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Whoever(provider)))
            .with_no_client_auth();
        let name = "localhost".try_into().expect("a name");
        let connection = rustls::ClientConnection::new(Arc::new(config), name).expect("a client");
        let socket = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        socket.set_nodelay(true).expect("a socket");
        let mut imap = Self { stream: rustls::StreamOwned::new(connection, socket) };
        imap.until("* OK");
        imap
    }

    /// Selects the INBOX; how many messages there are.
    fn select(&mut self) -> usize {
        let selected = self.say("SELECT INBOX");
        let exists = |line: &str| line.strip_prefix("* ")?.strip_suffix(" EXISTS")?.parse().ok();
        selected.lines().find_map(exists).expect("EXISTS")
    }

    fn say(&mut self, command: &str) -> String {
        self.stream.write_all(format!("a {command}\r\n").as_bytes()).expect("sent");
        self.until("a OK")
    }

    /// Reads up to the line that begins so.
    fn until(&mut self, last: &str) -> String {
        let mut text = Vec::new();
        let mut buffer = [0; 16 << 10];
        loop {
            let got = self.stream.read(&mut buffer).expect("an answer");
            assert!(got > 0, "the connection ended");
            text.extend_from_slice(buffer.get(..got).unwrap_or_default());
            let said = String::from_utf8_lossy(&text);
            if said.ends_with("\r\n") && said.lines().any(|line| line.starts_with(last)) {
                return said.into_owned();
            }
            assert!(!said.contains("\r\na NO") && !said.contains("\r\na BAD"), "{said}");
        }
    }
}

/// Takes every certificate: both ends are on this machine.
#[derive(Debug)]
struct Whoever(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for Whoever {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &rustls::pki_types::CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &rustls::pki_types::CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
