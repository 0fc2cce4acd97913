//! The other servers: one program that takes everything as fast as it can, over TLS, and keeps the time.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::process::Child;
use std::process::ChildStdin;
use std::process::ChildStdout;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::ServerConnection;
use tokio_rustls::rustls::StreamOwned;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// The argument that makes this program [`serve`].
pub const ROLE: &str = "--delivery-sink";

/// Its process, as the measurement sees it.
pub struct Sink {
    child: Child,
    wish: Mutex<ChildStdin>,
    said: Mutex<BufReader<ChildStdout>>,
    /// On every address of loopback.
    pub port: u16,
}

/// A run that it waits for.
pub struct Run<'s>(&'s Sink);

/// What it saw.
pub struct Seen {
    /// From the first connection to the last 250.
    pub took: Duration,
    /// Connections.
    pub connections: usize,
}

impl Sink {
    /// Starts it.
    pub fn start() -> Self {
        let this = std::env::current_exe().expect("this program");
        let child = Command::new(this).arg(ROLE).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("a process");
        let wish = Mutex::new(child.stdin.take().expect("its input"));
        let mut said = BufReader::new(child.stdout.take().expect("its output"));
        let mut line = String::new();
        said.read_line(&mut line).expect("a line");
        Self { child, wish, said: Mutex::new(said), port: line.trim().parse().expect("a port") }
    }

    /// The next so many messages are one run.
    pub fn expect(&self, messages: usize) -> Run<'_> {
        writeln!(self.wish.lock().expect("no panic"), "{messages}").expect("heard");
        Run(self)
    }
}

impl Run<'_> {
    /// Waits for its end.
    pub fn wait(self) -> Seen {
        let mut line = String::new();
        self.0.said.lock().expect("no panic").read_line(&mut line).expect("a line");
        let mut words = line.split_whitespace();
        let mut number = || words.next().and_then(|word| word.parse().ok()).expect("a number");
        Seen { took: Duration::from_micros(number()), connections: number() as usize }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A run under way.
#[derive(Default)]
struct Count {
    left: usize,
    connections: usize,
    begun: Option<Instant>,
}

impl Count {
    fn connected(&mut self) {
        self.connections += 1;
        self.begun.get_or_insert_with(Instant::now);
    }

    fn taken(&mut self) {
        self.left = self.left.saturating_sub(1);
        if self.left == 0
            && let Some(begun) = self.begun.take()
        {
            println!("{} {}", begun.elapsed().as_micros(), self.connections);
        }
    }
}

/// Takes everything until its standard input ends.
pub fn serve() {
    let made = rcgen::generate_simple_self_signed(["sink.example".to_owned()]).expect("a certificate");
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key.into())
        });
    let config = Arc::new(config.expect("a configuration"));
    let listener = TcpListener::bind("0.0.0.0:0").expect("a port");
    println!("{}", listener.local_addr().expect("its number").port());
    let count = Arc::new(Mutex::new(Count::default()));
    let for_all = count.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            for_all.lock().expect("no panic").connected();
            let (config, count) = (config.clone(), for_all.clone());
            std::thread::spawn(move || talk(stream, config, &count));
        }
    });
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let left = line.trim().parse().expect("a number");
        *count.lock().expect("no panic") = Count { left, ..Count::default() };
    }
}

fn talk(mut wire: TcpStream, config: Arc<ServerConfig>, count: &Mutex<Count>) -> Option<()> {
    wire.set_nodelay(true).ok()?;
    wire.write_all(b"220 sink.example ESMTP\r\n").ok()?;
    if !converse(&mut wire, false, count)? {
        return None;
    }
    let mut inside = StreamOwned::new(ServerConnection::new(config).ok()?, wire);
    converse(&mut inside, true, count)?;
    inside.conn.send_close_notify();
    inside.flush().ok()
}

/// Until STARTTLS, which is `true`, or QUIT. What came together is answered together.
fn converse(wire: &mut (impl Read + Write), tls: bool, count: &Mutex<Count>) -> Option<bool> {
    const EHLO: &[u8] = b"250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 50000000\r\n";
    const EHLO_PLAIN: &[u8] = b"250-sink.example\r\n250-STARTTLS\r\n250-PIPELINING\r\n250 8BITMIME\r\n";
    let (mut pending, mut said) = (Vec::new(), Vec::new());
    let mut chunk = vec![0; 32 << 10];
    let mut in_text = false;
    loop {
        let length = wire.read(&mut chunk).ok().filter(|length| *length > 0)?;
        pending.extend_from_slice(chunk.get(..length)?);
        let mut used = 0;
        loop {
            let rest = pending.get(used..)?;
            if in_text {
                const END: &[u8] = b"\r\n.\r\n";
                let Some(at) = find(rest, END) else { break };
                used += at + END.len();
                in_text = false;
                count.lock().expect("no panic").taken();
                said.extend_from_slice(b"250 2.0.0 taken\r\n");
                continue;
            }
            let Some(end) = rest.iter().position(|octet| *octet == b'\n') else { break };
            let verb = rest.get(..4.min(end))?.to_ascii_uppercase();
            used += end + 1;
            match verb.as_slice() {
                b"EHLO" => said.extend_from_slice(if tls { EHLO } else { EHLO_PLAIN }),
                b"STAR" => {
                    wire.write_all(b"220 2.0.0 go on\r\n").ok()?;
                    return Some(true);
                }
                b"DATA" => {
                    in_text = true;
                    said.extend_from_slice(b"354 go on\r\n");
                }
                b"QUIT" => {
                    said.extend_from_slice(b"221 2.0.0 bye\r\n");
                    wire.write_all(&said).ok()?;
                    wire.flush().ok()?;
                    return Some(false);
                }
                _ => said.extend_from_slice(b"250 2.0.0 ok\r\n"),
            }
        }
        pending.drain(..used);
        wire.write_all(&said).ok()?;
        wire.flush().ok()?;
        said.clear();
    }
}

fn find(text: &[u8], end: &[u8]) -> Option<usize> {
    text.windows(end.len()).position(|window| window == end)
}
