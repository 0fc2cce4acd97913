//! Mail programs and a browser that wait: each says one thing, reads the answer, and ends when the server does.

use rustix::net::AddressFamily;
use rustix::net::SocketType;
use rustls::ClientConfig;
use rustls::ClientConnection;
use rustls::RootCertStore;
use rustls::StreamOwned;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use std::collections::BTreeSet;
use std::io;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::Ipv4Addr;
use std::net::SocketAddrV4;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

/// No answer takes longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(120);
/// The name that the server's certificate has, and the portal with it.
pub const HOST: &str = "mail.house.example";

/// Something to talk over.
pub trait Wire: Read + Write + Send {}

impl<T: Read + Write + Send> Wire for T {}

/// The way to the server: how its TLS is checked.
#[derive(Clone)]
pub struct Trust(Arc<ClientConfig>);

impl Trust {
    /// In this one certificate, PEM.
    pub fn only(certificate: &str) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self(Arc::new(config))
    }

    fn wrap(&self, socket: TcpStream) -> Box<dyn Wire> {
        let name = ServerName::try_from(HOST).unwrap();
        Box::new(StreamOwned::new(ClientConnection::new(self.0.clone(), name).unwrap(), socket))
    }
}

/// A connection to a port of loopback. `network` is which of its networks the client seems to be in: budgets for
/// guessing count by network.
pub fn dial(port: u16, network: u16) -> io::Result<TcpStream> {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
    let [high, low] = network.to_be_bytes();
    rustix::net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::new(127, high, low, 1), 0))?;
    rustix::net::connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
    let socket = TcpStream::from(socket);
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

fn line(wire: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    wire.read_until(b'\n', &mut line)?;
    if !line.ends_with(b"\n") {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned())
}

/// What a server said: `250 2.0.0 …`.
#[derive(Clone, Debug)]
pub struct Said {
    /// 0 where there is none.
    pub code: u16,
    /// Its last line.
    pub text: String,
}

/// An SMTP client.
pub struct Smtp(BufReader<Box<dyn Wire>>);

impl Smtp {
    /// On port 25, greeted.
    pub fn plain(port: u16) -> io::Result<Self> {
        Self::begin(Box::new(dial(port, 0)?))
    }

    /// For submission, TLS from the first byte, signed in; the refusal is the inner error.
    pub fn signed_in(port: u16, trust: &Trust, who: &str, password: &str) -> io::Result<Result<Self, Said>> {
        let mut smtp = Self::begin(trust.wrap(dial(port, 0)?))?;
        let secret = data_encoding::BASE64.encode(format!("\0{who}\0{password}").as_bytes());
        let said = smtp.ask(&format!("AUTH PLAIN {secret}"))?;
        Ok(if said.code == 235 { Ok(smtp) } else { Err(said) })
    }

    fn begin(wire: Box<dyn Wire>) -> io::Result<Self> {
        let mut smtp = Self(BufReader::new(wire));
        smtp.said()?;
        smtp.ask("EHLO load.example")?;
        Ok(smtp)
    }

    /// A whole transaction: the answer to the end of the message, or the refusal before it.
    pub fn send(&mut self, from: &str, to: &str, message: &str) -> io::Result<Said> {
        for (command, good) in
            [(format!("MAIL FROM:<{from}>"), 250), (format!("RCPT TO:<{to}>"), 250), ("DATA".into(), 354)]
        {
            let said = self.ask(&command)?;
            if said.code != good {
                self.ask("RSET")?;
                return Ok(Said { text: format!("{command}: {}", said.text), ..said });
            }
        }
        let stuffed = message.replace("\r\n.", "\r\n..");
        self.put(&format!("{stuffed}.\r\n"))?;
        self.said()
    }

    fn ask(&mut self, line: &str) -> io::Result<Said> {
        self.put(&format!("{line}\r\n"))?;
        self.said()
    }

    fn put(&mut self, text: &str) -> io::Result<()> {
        self.0.get_mut().write_all(text.as_bytes())?;
        self.0.get_mut().flush()
    }

    fn said(&mut self) -> io::Result<Said> {
        loop {
            let text = line(&mut self.0)?;
            if text.as_bytes().get(3) != Some(&b'-') {
                return Ok(Said {
                    code: text.get(..3).and_then(|code| code.parse().ok()).unwrap_or(0),
                    text,
                });
            }
        }
    }
}

/// One untagged response, its literals apart.
pub struct Response {
    /// The line; `{}` stands where a literal was.
    pub line: String,
    /// The literals.
    pub literals: Vec<Vec<u8>>,
}

impl Response {
    /// The number behind `name`, as in `UID 7` or `[UIDNEXT 9]`.
    pub fn number(&self, name: &str) -> Option<u32> {
        let rest = self.line.split_once(&format!("{name} "))?.1;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    }

    /// The flags of a FETCH, without those of a session.
    pub fn flags(&self) -> BTreeSet<String> {
        let list = self.line.split_once("FLAGS (").and_then(|(_, rest)| rest.split_once(')'));
        let words = list.map_or("", |(list, _)| list).split_whitespace();
        words.filter(|word| *word != "\\Recent").map(ToOwned::to_owned).collect()
    }
}

/// What a command came to: the responses, and the rest of the tagged line, `OK …`.
pub struct Done {
    /// Before it.
    pub responses: Vec<Response>,
    /// At its end.
    pub tagged: String,
}

impl Done {
    /// It went well.
    pub fn is_ok(&self) -> bool {
        self.tagged.starts_with("OK")
    }

    /// The first number behind `name` in any response.
    pub fn number(&self, name: &str) -> Option<u32> {
        self.responses.iter().find_map(|response| response.number(name))
    }
}

/// An IMAP client.
pub struct Imap {
    wire: BufReader<Box<dyn Wire>>,
    count: u32,
}

impl Imap {
    /// Signed in, from a network of its own; `None` if the password is not right.
    pub fn signed_in(
        port: u16,
        trust: &Trust,
        network: u16,
        who: &str,
        password: &str,
    ) -> io::Result<Option<Self>> {
        let mut imap = Self { wire: BufReader::new(trust.wrap(dial(port, network)?)), count: 0 };
        line(&mut imap.wire)?;
        for _ in 0..20 {
            let done = imap.ask(&format!("LOGIN \"{who}\" \"{password}\""))?;
            if done.is_ok() {
                return Ok(Some(imap));
            }
            if !done.tagged.contains("UNAVAILABLE") {
                assert!(done.tagged.contains("AUTHENTICATIONFAILED"), "{}", done.tagged);
                return Ok(None);
            }
        }
        panic!("no room for a password in twenty tries");
    }

    /// One command.
    pub fn ask(&mut self, command: &str) -> io::Result<Done> {
        self.begin(command)?;
        self.done()
    }

    /// APPEND to a folder.
    pub fn append(&mut self, folder: &str, flags: &str, message: &str) -> io::Result<Done> {
        self.begin(&format!("APPEND {folder} ({flags}) {{{}}}", message.len()))?;
        let going_on = line(&mut self.wire)?;
        if !going_on.starts_with('+') {
            return Ok(Done { responses: Vec::new(), tagged: going_on });
        }
        self.put(&format!("{message}\r\n"))?;
        self.done()
    }

    fn begin(&mut self, command: &str) -> io::Result<()> {
        self.count += 1;
        let tag = self.count;
        self.put(&format!("t{tag} {command}\r\n"))
    }

    fn put(&mut self, text: &str) -> io::Result<()> {
        self.wire.get_mut().write_all(text.as_bytes())?;
        self.wire.get_mut().flush()
    }

    fn done(&mut self) -> io::Result<Done> {
        let tag = format!("t{} ", self.count);
        let mut responses = Vec::new();
        loop {
            let mut response = Response { line: line(&mut self.wire)?, literals: Vec::new() };
            if let Some(tagged) = response.line.strip_prefix(&tag) {
                return Ok(Done { responses, tagged: tagged.to_owned() });
            }
            while let Some((before, size)) = literal(&response.line) {
                response.line.truncate(before);
                let mut octets = vec![0; size];
                self.wire.read_exact(&mut octets)?;
                response.literals.push(octets);
                response.line += "{}";
                response.line += &line(&mut self.wire)?;
            }
            responses.push(response);
        }
    }
}

/// Where the literal that a line announces at its end begins, and its size.
fn literal(line: &str) -> Option<(usize, usize)> {
    let at = line.rfind('{')?;
    Some((at, line.get(at + 1..)?.strip_suffix('}')?.parse().ok()?))
}

/// Sends a form to the portal, from a network of its own; the status of the answer.
pub fn post(port: u16, trust: &Trust, network: u16, path: &str, fields: &[(&str, &str)]) -> io::Result<u16> {
    let escape = |text: &str| text.bytes().map(|octet| format!("%{octet:02X}")).collect::<String>();
    let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect();
    let body = pairs.join("&");
    let mut wire = BufReader::new(trust.wrap(dial(port, network)?));
    write!(
        wire.get_mut(),
        "POST {path} HTTP/1.1\r\nHost: {HOST}\r\nOrigin: https://{HOST}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    wire.get_mut().flush()?;
    let first = line(&mut wire)?;
    first.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or(io::ErrorKind::InvalidData.into())
}
