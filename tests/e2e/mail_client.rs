//! Mail programs: SMTP as it was typed, and as much of IMAP as a test reads by.

use crate::harness::LOOPBACK;
use crate::patience::PATIENCE;
use data_encoding::BASE64;
use guardpost::net::dial::Dialer;
use guardpost::net::dial::NamedBy;
use guardpost::net::stream::Stream;
use guardpost::net::tls::TlsClient;
use std::io;
use std::net::SocketAddr;
use tokio::io::AsyncBufReadExt;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::io::BufReader;
use tokio::time::timeout;

/// A connection to a port of the house.
pub async fn dial(port: u16, tls: bool) -> Stream {
    dial_at((LOOPBACK, port).into(), tls).await
}

/// A connection to a house that is somewhere else.
async fn dial_at(place: SocketAddr, tls: bool) -> Stream {
    let dialer = Dialer { loopback: true, ..Dialer::default() };
    let stream = dialer.connect(&[place.ip()], place.port(), NamedBy::Admin).await.unwrap();
    if tls { stream.connect_tls(&TlsClient::default(), crate::harness::HOST).await.unwrap() } else { stream }
}

/// What a server said to a line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    /// 250 and so on; 0 when the connection ended.
    pub code: u16,
    /// All lines, without their codes, joined by line ends.
    pub text: String,
}

impl Reply {
    /// `250 2.0.0 …` begins like this.
    pub fn is(&self, code: u16, status: &str) -> bool {
        self.code == code && self.text.starts_with(status)
    }
}

/// An SMTP client.
pub struct Smtp {
    wire: Option<BufReader<Stream>>,
}

impl Smtp {
    /// Greeted, and introduced by EHLO.
    pub async fn connect(port: u16, tls: bool) -> Self {
        let mut smtp = Self::silent(port, tls).await;
        assert_eq!(smtp.ask("EHLO client.example").await.code, 250);
        smtp
    }

    /// Greeted only.
    pub async fn silent(port: u16, tls: bool) -> Self {
        Self::greeted(dial(port, tls).await).await
    }

    /// The same as [`Smtp::connect`], anywhere, TLS from the first byte.
    pub async fn connect_at(place: SocketAddr) -> Self {
        let mut smtp = Self::greeted(dial_at(place, true).await).await;
        assert_eq!(smtp.ask("EHLO client.example").await.code, 250);
        smtp
    }

    /// The same without TLS.
    pub async fn connect_plain(place: SocketAddr) -> Self {
        let mut smtp = Self::greeted(dial_at(place, false).await).await;
        assert_eq!(smtp.ask("EHLO client.example").await.code, 250);
        smtp
    }

    async fn greeted(stream: Stream) -> Self {
        let mut smtp = Self { wire: Some(BufReader::new(stream)) };
        assert_eq!(smtp.reply().await.code, 220);
        smtp
    }

    /// Sends one line and reads the reply.
    pub async fn ask(&mut self, line: &str) -> Reply {
        self.put(format!("{line}\r\n").as_bytes()).await;
        self.reply().await
    }

    /// Sends octets as they are; a closed connection shows in the next reply.
    pub async fn put(&mut self, octets: &[u8]) {
        let wire = self.wire.as_mut().expect("a connection");
        let _ = wire.write_all(octets).await;
        let _ = wire.flush().await;
    }

    /// Reads one reply.
    pub async fn reply(&mut self) -> Reply {
        let mut reply = Reply { code: 0, text: String::new() };
        loop {
            let mut line = String::new();
            let wire = self.wire.as_mut().expect("a connection");
            let read = timeout(PATIENCE, wire.read_line(&mut line)).await.expect("an answer in time");
            if read.unwrap_or(0) == 0 {
                return Reply { code: 0, ..reply };
            }
            let line = line.trim_end();
            reply.code =
                line.get(..3).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("{line:?}"));
            reply.text += line.get(4..).unwrap_or_default();
            if line.as_bytes().get(3) != Some(&b'-') {
                return reply;
            }
            reply.text.push('\n');
        }
    }

    /// STARTTLS and EHLO again.
    pub async fn start_tls(&mut self) {
        assert_eq!(self.ask("STARTTLS").await.code, 220);
        let stream = self.wire.take().expect("a connection").into_inner();
        let stream = stream.connect_tls(&TlsClient::default(), crate::harness::HOST).await.unwrap();
        self.wire = Some(BufReader::new(stream));
        assert_eq!(self.ask("EHLO client.example").await.code, 250);
    }

    /// AUTH PLAIN.
    pub async fn sign_in(&mut self, address: &str, password: &str) -> Reply {
        let secret = BASE64.encode(format!("\0{address}\0{password}").as_bytes());
        self.ask(&format!("AUTH PLAIN {secret}")).await
    }

    /// A whole transaction; the first refusal, or the answer to the end of the message.
    pub async fn send(&mut self, from: &str, to: &[&str], message: &str) -> Reply {
        let reply = self.ask(&format!("MAIL FROM:<{from}>")).await;
        if reply.code != 250 {
            return reply;
        }
        for to in to {
            let reply = self.ask(&format!("RCPT TO:<{to}>")).await;
            if reply.code != 250 {
                self.ask("RSET").await;
                return reply;
            }
        }
        let reply = self.ask("DATA").await;
        if reply.code != 354 {
            return reply;
        }
        self.put(&stuffed(message)).await;
        self.reply().await
    }

    /// The connection ends, and nothing that is SMTP comes before that.
    pub async fn ends_without_a_word(&mut self) -> bool {
        let mut rest = Vec::new();
        let wire = self.wire.as_mut().expect("a connection");
        // A connection that is reset has ended too.
        let _ = timeout(PATIENCE, wire.read_to_end(&mut rest)).await.expect("an end in time");
        !rest.windows(2).any(|window| window == b"\r\n")
    }

    /// The server said good-bye and closed.
    pub async fn is_closed(&mut self) -> bool {
        self.reply().await.code == 0
    }
}

/// CRLF lines with their dots doubled, and the dot of the end (RFC 5321 §4.5.2).
pub fn stuffed(message: &str) -> Vec<u8> {
    let mut out = String::new();
    for line in message.lines() {
        if line.starts_with('.') {
            out.push('.');
        }
        out += line;
        out += "\r\n";
    }
    out += ".\r\n";
    out.into_bytes()
}

/// An IMAP client.
pub struct Imap {
    wire: BufReader<Stream>,
    tag: u32,
}

/// What came before the tagged line: its lines, and the literals in their order.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// Untagged lines, `{n}` where a literal stood.
    pub lines: Vec<String>,
    /// The literals.
    pub literals: Vec<Vec<u8>>,
}

impl Imap {
    /// Greeted.
    pub async fn connect(port: u16) -> Self {
        Self::connect_at((LOOPBACK, port).into()).await
    }

    /// The same, anywhere.
    pub async fn connect_at(place: SocketAddr) -> Self {
        let mut imap = Self { wire: BufReader::new(dial_at(place, true).await), tag: 0 };
        let greeting = imap.line().await.unwrap();
        assert!(greeting.starts_with("* OK"), "{greeting}");
        imap
    }

    /// LOGIN; the refusal is the tagged line.
    pub async fn sign_in(&mut self, address: &str, password: &str) -> Result<Said, String> {
        self.ask(&format!("LOGIN {} {}", quoted(address), quoted(password))).await
    }

    /// A command without its tag; `Err` is the tagged line of NO and BAD, or what the server said at the end.
    pub async fn ask(&mut self, command: &str) -> Result<Said, String> {
        self.tag += 1;
        let tag = format!("t{} ", self.tag);
        self.put(format!("{tag}{command}\r\n").as_bytes()).await;
        let mut said = Said::default();
        loop {
            let mut line = self.line().await.ok_or_else(|| said.lines.join("\n"))?;
            while let Some(length) = literal(&line) {
                let mut octets = vec![0; length];
                self.wire.read_exact(&mut octets).await.unwrap();
                said.literals.push(octets);
                line += &self.line().await.expect("the rest of a line");
            }
            match line.strip_prefix(&tag) {
                Some(end) if end.starts_with("OK") => return Ok(said),
                Some(end) => return Err(end.to_owned()),
                None => said.lines.push(line),
            }
        }
    }

    /// Sends octets as they are.
    pub async fn put(&mut self, octets: &[u8]) {
        let _ = self.wire.write_all(octets).await;
        let _ = self.wire.flush().await;
    }

    /// Selects a folder; how many messages it has.
    pub async fn select(&mut self, folder: &str) -> u32 {
        let said = self.ask(&format!("SELECT {}", quoted(folder))).await.unwrap();
        let exists = said.lines.iter().find_map(|line| line.strip_prefix("* ")?.strip_suffix(" EXISTS"));
        exists.and_then(|number| number.parse().ok()).expect("EXISTS")
    }

    /// A whole message of the selected folder, by number.
    pub async fn message(&mut self, number: u32) -> String {
        let said = self.ask(&format!("FETCH {number} BODY.PEEK[]")).await.unwrap();
        String::from_utf8(said.literals.into_iter().next().expect("a literal")).unwrap()
    }

    /// Every message of a folder.
    pub async fn messages(&mut self, folder: &str) -> Vec<String> {
        let count = self.select(folder).await;
        let mut messages = Vec::new();
        for number in 1..=count {
            messages.push(self.message(number).await);
        }
        messages
    }

    /// One line without its end; nothing at the end of the connection.
    pub async fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        let read =
            timeout(PATIENCE, self.wire.read_until(b'\n', &mut line)).await.expect("an answer in time");
        match read {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(String::from_utf8(line).unwrap().trim_end_matches(['\r', '\n']).to_owned()),
        }
    }
}

/// `{n}` at the end of a line.
fn literal(line: &str) -> Option<usize> {
    line.strip_suffix('}')?.rsplit_once('{')?.1.parse().ok()
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A header field of a message, unfolded.
pub fn field(message: &str, name: &str) -> Option<String> {
    let header = message.split("\r\n\r\n").next()?.replace("\r\n ", " ").replace("\r\n\t", " ");
    header.split("\r\n").find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// Everything until the end of a connection that nobody speaks TLS or a protocol on.
pub async fn rest(mut stream: Stream) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut octets)).await.expect("an end in time")?;
    Ok(octets)
}
