//! Zones of our own, signed by BIND's tools and served by BIND, with a root of their own; and a forger between them
//! and who asks.

use crate::free_ports::free_port;
use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::op::Query;
use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// How a zone is signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Signing {
    /// Not at all.
    None,
    /// Names are denied by their neighbours (RFC 4034 §4).
    Nsec,
    /// By their neighbours' digests (RFC 5155 §3), with so many iterations.
    Nsec3(u16),
    /// The same, with RSA and SHA-1: algorithm 7.
    Sha1,
    /// The signatures have ended.
    Expired,
    /// The parent names another key.
    WrongDs,
    /// Every signature but those of the keys is one of other octets.
    Broken,
    /// By an algorithm that nobody knows (RFC 4035 §5.2).
    Unknown,
}

/// A server of zones; it ends with this.
pub struct Zones {
    dir: TempDir,
    server: Child,
    /// Where it answers.
    pub address: SocketAddr,
}

impl Zones {
    /// Serves the world of these tests, with `more` lines in `signed.example`.
    pub fn serve(more: &str) -> Self {
        Self::serve_signed(more, None)
    }

    /// The same with every signature good from the first to the second of these times only.
    pub fn serve_signed(more: &str, times: Option<(&str, &str)>) -> Self {
        let signed = format!(
            "@ MX 10 mx\nmx A 127.0.0.1\n_25._tcp.mx TLSA 3 1 1 {zeroes}\nempty TXT x\nalias CNAME mx\n\
             cross CNAME host.plain.example.\ncross2 CNAME mx.three.example.\ndangling CNAME nobody\n\
             *.wild A 127.0.0.2\n*.wild MX 10 mx\nd DNAME signed2.example.\nnull MX 0 .\nhalf A 127.0.0.1\n{more}",
            zeroes = "00".repeat(32)
        );
        let zones = [
            ("signed.example", Signing::Nsec, signed.as_str()),
            ("signed2.example", Signing::Nsec, "@ A 127.0.0.1\nx A 127.0.0.1\nx MX 10 x\n"),
            ("three.example", Signing::Nsec3(0), "@ MX 10 mx\nmx A 127.0.0.1\nempty TXT x\n"),
            ("many.example", Signing::Nsec3(150), "@ MX 10 mx\nmx A 127.0.0.1\n"),
            ("expired.example", Signing::Expired, "@ MX 10 mx\nmx A 127.0.0.1\n"),
            ("bogus.example", Signing::WrongDs, "@ MX 10 mx\nmx A 127.0.0.1\n"),
            ("unknown.example", Signing::Unknown, "@ MX 10 mx\nmx A 127.0.0.1\n"),
            (
                "plain.example",
                Signing::None,
                "@ MX 10 host\nhost A 127.0.0.1\nempty TXT x\nback CNAME mx.signed.example.\n",
            ),
        ];
        Self::publish_signed(&zones, free_place(), times)
    }

    /// Serves these zones, each below `example`, from this address; with `example` and the root above them.
    pub fn publish(zones: &[(&str, Signing, &str)], address: SocketAddr) -> Self {
        Self::publish_signed(zones, address, None)
    }

    fn publish_signed(
        zones: &[(&str, Signing, &str)],
        address: SocketAddr,
        times: Option<(&str, &str)>,
    ) -> Self {
        let dir = tempfile::Builder::new().prefix("zones").tempdir().unwrap();
        let server = format!("ns.example. A {}\n", address.ip());
        let mut top = server.clone();
        for (zone, signing, text) in zones {
            let ds = make_zone(dir.path(), zone, text, *signing, times);
            top += &format!("{zone}. NS ns.example.\n{ds}");
        }
        let ds = make_zone(dir.path(), "example", &top, Signing::Nsec, times);
        make_zone(dir.path(), ".", &format!("example. NS ns.example.\n{server}{ds}"), Signing::Nsec, times);
        let server = start_named(dir.path(), address);
        Self { dir, server, address }
    }

    /// One of its zones as it was long ago, by the same keys: without the lines that name `gone`, and with signatures
    /// that have ended.
    pub fn long_ago(&self, zone: &str, gone: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("zones").tempdir().unwrap();
        for entry in fs::read_dir(self.dir.path()).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.starts_with(&format!("K{zone}.+")) {
                fs::copy(self.dir.path().join(&name), dir.path().join(&name)).unwrap();
            }
        }
        let text = fs::read_to_string(self.dir.path().join(format!("{zone}.zone"))).unwrap();
        // The head of the zone is written anew.
        let body = text.lines().skip(4).filter(|line| !line.contains(gone));
        let body: String = body.map(|line| format!("{line}\n")).collect();
        make_zone(dir.path(), zone, &body, Signing::Expired, None);
        let address = free_place();
        let server = start_named(dir.path(), address);
        Self { dir, server, address }
    }

    /// The keys of its root, as DNSKEY lines.
    pub fn anchor(&self) -> PathBuf {
        self.dir.path().join("anchor")
    }

    /// A validating resolver in front of it.
    pub fn validating(&self) -> Validating {
        self.validating_behind(self.address)
    }

    /// One that asks somebody else, who says that he is this server.
    pub fn validating_behind(&self, upstream: SocketAddr) -> Validating {
        Validating::start(self, upstream, "validator iterator")
    }

    /// A resolver in front of it that hands on what it finds, and judges nothing.
    pub fn handing_on(&self) -> Validating {
        Validating::start(self, self.address, "iterator")
    }

    /// The zones that it serves.
    pub fn names(&self) -> Vec<String> {
        zone_names(self.dir.path())
    }
}

impl Drop for Zones {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Unbound, by itself validating by the root of these zones.
pub struct Validating {
    _dir: TempDir,
    server: Child,
    /// Where it answers.
    pub address: SocketAddr,
}

impl Validating {
    fn start(zones: &Zones, upstream: SocketAddr, modules: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("unbound").tempdir().unwrap();
        let address = free_place();
        // All zones are on one server, and on no port that a delegation could name.
        let stub = |zone: String| {
            format!("stub-zone:\n name: \"{zone}\"\n stub-addr: {}@{}\n", upstream.ip(), upstream.port())
        };
        let stubs: String = zones.names().into_iter().map(stub).collect();
        let conf = format!(
            "server:\n interface: 127.0.0.1@{port}\n port: {port}\n username: \"\"\n chroot: \"\"\n directory: \"{home}\"\n\
             \x20pidfile: \"\"\n use-syslog: no\n do-daemonize: no\n do-not-query-localhost: no\n do-ip6: no\n verbosity: 1\n\
             \x20num-threads: 1\n\
             \x20trust-anchor-file: \"{anchor}\"\n\
             \x20module-config: \"{modules}\"\n\
             {stubs}\
             remote-control:\n control-enable: no\n",
            port = address.port(),
            home = dir.path().display(),
            anchor = zones.anchor().display(),
        );
        let file = dir.path().join("unbound.conf");
        fs::write(&file, conf).unwrap();
        let mut command = Command::new("unbound");
        command.args(["-d", "-p", "-c"]).arg(&file);
        let server = started(command, "start of service");
        Self { _dir: dir, server, address }
    }
}

impl Drop for Validating {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Writes and signs a zone; its DS lines, as its parent has them.
fn make_zone(dir: &Path, zone: &str, text: &str, signing: Signing, times: Option<(&str, &str)>) -> String {
    let origin = if zone == "." { ".".to_owned() } else { format!("{zone}.") };
    let file = dir.join(format!("{}.zone", if zone == "." { "root" } else { zone }));
    fs::write(
        &file,
        format!(
            "$ORIGIN {origin}\n$TTL 300\n@ SOA ns.example. root.example. 1 3600 600 86400 60\n@ NS ns.example.\n{text}"
        ),
    )
    .unwrap();
    if signing == Signing::None {
        fs::copy(&file, file.with_extension("zone.signed")).unwrap();
        return String::new();
    }
    let algorithm = if signing == Signing::Sha1 { "NSEC3RSASHA1" } else { "ECDSAP256SHA256" };
    let has_key = fs::read_dir(dir)
        .unwrap()
        .any(|entry| entry.unwrap().file_name().to_string_lossy().starts_with(&format!("K{origin}+")));
    if !has_key {
        run(dir, "dnssec-keygen", &["-q", "-a", algorithm, "-f", "KSK", &origin]);
    }
    let mut arguments = vec!["-q", "-P", "-S", "-z", "-o", &origin];
    let iterations;
    if let Signing::Nsec3(_) | Signing::Sha1 = signing {
        iterations = if let Signing::Nsec3(count) = signing { count.to_string() } else { "0".into() };
        arguments.extend(["-3", "-", "-H", &iterations]);
    }
    if signing == Signing::Expired {
        arguments.extend(["-s", "20200101000000", "-e", "20200201000000"]);
    } else if let Some((from, until)) = times {
        arguments.extend(["-s", from, "-e", until]);
    }
    let name = file.to_str().unwrap();
    arguments.push(name);
    run(dir, "dnssec-signzone", &arguments);
    if signing == Signing::Broken {
        break_signatures(&file.with_extension("zone.signed"));
    }
    if zone == "." {
        let keys = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        let key = keys
            .filter(|path| path.extension().is_some_and(|end| end == "key"))
            .map(|path| fs::read_to_string(path).unwrap())
            .find(|text| text.lines().any(|line| line.starts_with(". IN DNSKEY")))
            .unwrap();
        let lines: Vec<&str> = key.lines().filter(|line| !line.starts_with(';')).collect();
        fs::write(dir.join("anchor"), lines.join("\n") + "\n").unwrap();
        return String::new();
    }
    let ds = fs::read_to_string(dir.join(format!("dsset-{origin}"))).unwrap();
    if signing == Signing::Unknown {
        // Key tag, algorithm, digest.
        return ds.replace(" 13 2 ", " 200 2 ");
    }
    if signing != Signing::WrongDs {
        return ds;
    }
    // The last digit of the digest is another one.
    let ds = ds.trim_end();
    let (rest, last) = ds.split_at(ds.len() - 1);
    format!("{rest}{}\n", if last == "0" { "1" } else { "0" })
}

/// Gives every signature the octets of another, those of keys excepted: each is well-formed, and of nothing.
fn break_signatures(file: &Path) {
    let text = fs::read_to_string(file).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let signatures: Vec<usize> = lines
        .iter()
        .enumerate()
        .filter(|(_, line)| line.contains("RRSIG") && !line.contains("RRSIG\tDNSKEY"))
        .map(|(at, _)| at)
        .collect();
    assert!(signatures.len() > 2, "nothing to break in\n{text}");
    for at in signatures {
        // The times and the signer stand on the line between.
        let octets = &mut lines[at + 2];
        let place = octets.find(|c: char| c.is_ascii_lowercase()).unwrap();
        let other = if &octets[place..=place] == "b" { "c" } else { "b" };
        octets.replace_range(place..=place, other);
    }
    fs::write(file, lines.join("\n") + "\n").unwrap();
}

fn run(dir: &Path, program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).current_dir(dir).output().unwrap();
    assert!(
        done.status.success(),
        "{program} {arguments:?}: {}{}",
        String::from_utf8_lossy(&done.stderr),
        String::from_utf8_lossy(&done.stdout)
    );
}

fn start_named(dir: &Path, address: SocketAddr) -> Child {
    let mut conf = format!(
        "options {{ directory \"{home}\"; listen-on port {port} {{ {ip}; }}; listen-on-v6 {{ none; }};\n\
         pid-file none; session-keyfile none; recursion no; dnssec-validation no; notify no; minimal-responses yes;\n\
         managed-keys-directory \"{home}\"; }};\ncontrols {{ }};\n",
        home = dir.display(),
        ip = address.ip(),
        port = address.port()
    );
    for zone in zone_names(dir) {
        let file = dir.join(format!("{}.zone.signed", if zone == "." { "root" } else { &zone }));
        conf += &format!("zone \"{zone}\" {{ type primary; file \"{}\"; }};\n", file.display());
    }
    fs::write(dir.join("named.conf"), conf).unwrap();
    let mut command = Command::new("named");
    command.args(["-g", "-n", "1", "-c"]).arg(dir.join("named.conf"));
    started(command, "running")
}

/// The zones that were made.
fn zone_names(dir: &Path) -> Vec<String> {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let zones = files.filter_map(|name| Some(name.strip_suffix(".zone.signed")?.to_owned()));
    zones.map(|name| if name == "root" { ".".into() } else { name }).collect()
}

/// Starts a server that says on standard error when it is ready.
pub fn started(mut command: Command, ready: &str) -> Child {
    let mut server = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(server.stderr.take().unwrap());
    let mut said = String::new();
    loop {
        let start = said.len();
        assert!(log.read_line(&mut said).unwrap() > 0, "it ended:\n{said}");
        if said[start..].trim_end().ends_with(ready) || said[start..].contains(&format!("{ready} (")) {
            break;
        }
    }
    // What it says later must not block it.
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    server
}

/// A place on loopback that UDP and TCP have free.
pub fn free_place() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, free_port()).into()
}

/// One who sits between a resolver and its server.
pub struct Forger {
    /// Where it answers.
    pub address: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Forger {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// A question as the forger sees it, with the true answer.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The question.
    pub query: Query,
    /// It came over TCP.
    pub tcp: bool,
    /// The true answer, octet by octet.
    pub truth: Vec<u8>,
}

impl Seen {
    /// What goes on the wire for this answer: with its length in a stream, cut off where a datagram is too small.
    pub fn wire(&self, answer: Vec<u8>) -> Vec<u8> {
        if self.tcp {
            return [&u16::try_from(answer.len()).unwrap().to_be_bytes(), answer.as_slice()].concat();
        }
        if answer.len() <= 1_232 {
            return answer;
        }
        let mut message = Message::from_vec(&answer).unwrap();
        message.metadata.truncation = true;
        message.answers.clear();
        message.authorities.clear();
        message.additionals.clear();
        message.to_vec().unwrap()
    }

    /// The true answer, changed.
    pub fn forged(&self, change: impl FnOnce(&mut Message)) -> Vec<u8> {
        let mut message = Message::from_vec(&self.truth).unwrap();
        change(&mut message);
        message.to_vec().unwrap()
    }
}

type Rule = dyn Fn(&Seen) -> Vec<Vec<u8>> + Send + Sync;

impl Forger {
    /// Answers with what `rule` makes of the truth that `upstream` knows, one datagram each.
    pub async fn between(
        upstream: SocketAddr,
        rule: impl Fn(&Seen) -> Vec<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        let rule: Arc<Rule> = Arc::new(rule);
        let (udp, tcp) = loop {
            let udp = tokio::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (Arc::new(udp), tcp);
            }
        };
        let address = udp.local_addr().unwrap();
        let rule_udp = Arc::clone(&rule);
        let datagrams = tokio::spawn(async move {
            let mut question = vec![0; 65_535];
            while let Ok((length, peer)) = udp.recv_from(&mut question).await {
                let (question, rule, udp) = (question[..length].to_vec(), rule_udp.clone(), udp.clone());
                tokio::spawn(async move {
                    let truth = truth(upstream, &question).await;
                    let query = Message::from_vec(&question).unwrap().queries[0].clone();
                    for answer in rule(&Seen { query, tcp: false, truth }) {
                        udp.send_to(&answer, peer).await.unwrap();
                    }
                });
            }
        });
        let streams = tokio::spawn(async move {
            while let Ok((stream, _)) = tcp.accept().await {
                let rule = rule.clone();
                tokio::spawn(async move { forge_stream(stream, upstream, &*rule).await });
            }
        });
        Self { address, tasks: vec![datagrams, streams] }
    }
}

async fn forge_stream(mut stream: TcpStream, upstream: SocketAddr, rule: &Rule) {
    while let Ok(length) = stream.read_u16().await {
        let mut question = vec![0; length.into()];
        if stream.read_exact(&mut question).await.is_err() {
            return;
        }
        let truth = truth(upstream, &question).await;
        let query = Message::from_vec(&question).unwrap().queries[0].clone();
        for answer in rule(&Seen { query, tcp: true, truth }) {
            // An answer that lies about its length brings its own.
            if stream.write_all(&answer).await.is_err() {
                return;
            }
        }
    }
}

/// What the server says, whole.
async fn truth(upstream: SocketAddr, question: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(upstream).await.unwrap();
    let length = u16::try_from(question.len()).unwrap();
    stream.write_all(&[&length.to_be_bytes(), question].concat()).await.unwrap();
    let length = stream.read_u16().await.expect("an answer");
    let mut answer = vec![0; length.into()];
    stream.read_exact(&mut answer).await.unwrap();
    answer
}
