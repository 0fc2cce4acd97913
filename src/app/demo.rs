//! `guardpost demo`: the whole appliance on loopback, with a peer in place of the rest of the world.
//!
//! Nothing in it is played: Alice's message goes in by SMTP submission over TLS, the invitation comes out of the
//! queue to the peer, and the PIN is read where she would read it, in her own Sent copy.

use crate::app::appliance;
use crate::app::appliance::Appliance;
use crate::app::appliance::Parts;
use crate::app::clock::SystemClock;
use crate::app::demo_peer::DemoPeer;
use crate::app::demo_peer::Received;
use crate::app::error::AppError;
use crate::app::ground;
use crate::app::ground::Surroundings;
use crate::app::keys;
use crate::app::log::Logging;
use crate::app::runtime;
use crate::base::address::Address;
use crate::base::base32;
use crate::base::random::bytes;
use crate::base::secret::Secret;
use crate::base::time::Clock;
use crate::config::Config;
use crate::flow::Flow;
use crate::flow::accounts::AdminError;
use crate::flow::delivery::Courier;
use crate::flow::sign_in::Realm;
use crate::flow::sign_in::Source;
use crate::net::dial::Dialer;
use crate::net::dial::NamedBy;
use crate::net::dns::OnePeer;
use crate::net::error::NetError;
use crate::net::gate::Gate;
use crate::net::gate::GateLimits;
use crate::net::listen;
use crate::net::listen::Bound;
use crate::net::listen::Intake;
use crate::net::listen::Service;
use crate::net::stream::Stream;
use crate::net::tls::Alpn;
use crate::net::tls::Certificates;
use crate::net::tls::TlsClient;
use crate::net::tls::self_signed;
use crate::store::record::Folder;
use crate::store::record::MailboxKind;
use crate::store::record::Uid;
use crate::vault::OsRandom;
use crate::vault::password::Password;
use data_encoding::BASE64;
use std::env;
use std::fs;
use std::io;
use std::io::Read;
use std::io::Write;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncBufReadExt;
use tokio::io::AsyncWriteExt;
use tokio::io::BufReader;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const ALICE: &str = "alice@demo.example";
const BOB: &str = "bob@elsewhere.example";
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// The invitation is there within a second; a very slow machine gets longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Ports from here on; else free ones.
    pub port_base: Option<u16>,
    /// The data goes here and stays.
    pub data_dir: Option<PathBuf>,
    /// The temporary directory stays.
    pub keep: bool,
}

/// Runs until Ctrl-C.
pub fn run(options: Options) -> Result<ExitCode, AppError> {
    runtime::start()?.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(AppError::file("signals"))?;
        let mut terminate = signal(SignalKind::terminate()).map_err(AppError::file("signals"))?;
        let demo = Demo::start(&options).await?;
        let told = demo.tell().await;
        if told.is_ok() {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                () = demo.follow() => {}
            }
        }
        demo.stop().await;
        told
    })?;
    Ok(ExitCode::SUCCESS)
}

/// A running demo.
pub struct Demo {
    appliance: Appliance,
    peer: Arc<DemoPeer>,
    peers: Intake,
    place: Place,
    /// Alice's password.
    password: Secret<String>,
    /// What Bob was sent.
    link: String,
    /// What Alice was told.
    pin: String,
}

impl Demo {
    /// Starts everything and sends the message; when this returns, the invitation has arrived.
    pub async fn start(options: &Options) -> Result<Self, AppError> {
        let place = Place::make(options)?;
        let doors = Doors::open(options.port_base)?;
        let config = Arc::new(Config::from_text(&place.configuration(&doors)?)?);
        Logging::begin(&config.log, &config.privacy, &OsRandom);
        if !config.master_key_file.exists() {
            keys::create_master_key(&config.master_key_file, &config.data_dir, &OsRandom)?;
        }
        let peers = Intake {
            gate: Gate::new(GateLimits::default()),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        let certificates = appliance::certificates(&config)?;
        let peer = DemoPeer::new("mx.elsewhere.example", Some(peer_certificate()?.server(Alpn::Smtp)?));
        peers.open(doors.peer, None, peer.clone());
        let dialer = Dialer { loopback: true, ..Dialer::default() };
        let around =
            Surroundings { dns: Some(Arc::new(OnePeer(LOOPBACK))), dialer, ..Surroundings::default() };
        let flow = ground::open(config, &around).await?;
        let password = place.alice(&flow).await?;
        let courier = Courier { dialer: around.dialer, web: around.web, ..Courier::default() };
        let parts = Parts { flow, certificates, inherited: doors.services, courier };
        let appliance = Appliance::start(parts).await?;
        let link = String::new();
        let mut demo = Self { appliance, peer, peers, place, password, link, pin: String::new() };
        demo.send().await.map_err(|error| AppError::Demo(format!("Alice's message: {error}")))?;
        demo.link = demo.await_invitation().await?;
        demo.pin = demo.read_pin().await?;
        Ok(demo)
    }

    /// The appliance.
    pub const fn appliance(&self) -> &Appliance {
        &self.appliance
    }

    /// The rest of the world.
    pub const fn peer(&self) -> &Arc<DemoPeer> {
        &self.peer
    }

    /// The link in the invitation.
    pub fn link(&self) -> &str {
        &self.link
    }

    /// What Alice was told.
    pub fn pin(&self) -> &str {
        &self.pin
    }

    /// Alice's address and password.
    pub fn alice(&self) -> (&'static str, &str) {
        (ALICE, self.password.expose())
    }

    /// Stops everything; a temporary directory goes, unless it is to be kept.
    pub async fn stop(self) {
        self.appliance.stop().await;
        self.peers.stop.cancel();
        self.peers.tasks.close();
        self.peers.tasks.wait().await;
        self.place.leave();
    }

    /// Alice submits a message as any mail program does: port for TLS from the first byte, AUTH PLAIN.
    async fn send(&self) -> io::Result<()> {
        let port = self.appliance.place(Service::Submissions).map_or(0, |place| place.port());
        let dialer = Dialer { loopback: true, ..Dialer::default() };
        let stream = dialer.connect(&[LOOPBACK], port, NamedBy::Admin).await.map_err(io::Error::other)?;
        let stream =
            stream.connect_tls(&TlsClient::default(), "localhost").await.map_err(io::Error::other)?;
        let mut wire = BufReader::new(stream);
        expect(&mut wire, "220").await?;
        let sign_in = BASE64.encode(format!("\0{ALICE}\0{}", self.password.expose()).as_bytes());
        for (line, want) in [
            ("EHLO localhost".to_owned(), "250"),
            (format!("AUTH PLAIN {sign_in}"), "235"),
            (format!("MAIL FROM:<{ALICE}>"), "250"),
            (format!("RCPT TO:<{BOB}>"), "250"),
            ("DATA".to_owned(), "354"),
            (message(), "250"),
            ("QUIT".to_owned(), "221"),
        ] {
            wire.write_all(format!("{line}\r\n").as_bytes()).await?;
            wire.flush().await?;
            expect(&mut wire, want).await?;
        }
        Ok(())
    }

    async fn await_invitation(&self) -> Result<String, AppError> {
        let wanted = |mail: &Received| mail.recipients.iter().any(|to| to == BOB) && link_in(mail).is_some();
        let mail = timeout(PATIENCE, self.peer.wait_for(wanted)).await.ok().flatten();
        let link = mail.and_then(|mail| link_in(&mail));
        link.ok_or_else(|| AppError::Demo("no invitation came out of the queue".into()))
    }

    /// Out of Alice's Sent copy, with her password, as she would find it herself.
    async fn read_pin(&self) -> Result<String, AppError> {
        let missing =
            |why: &dyn ToString| AppError::Demo(format!("the PIN in Alice's Sent copy: {}", why.to_string()));
        let flow = self.appliance.flow();
        let source = Source { ip: LOOPBACK, device: None };
        let password = Secret::new(self.password.expose().clone());
        let alice = flow.sign_in(ALICE, password, &source, Realm::Accounts).await;
        let alice = alice.map_err(|error| missing(&error))?;
        let sent = flow.store.messages(alice.mailbox, Folder::SENT, Uid(0), crate::store::PAGE).await?;
        let last = sent.last().ok_or_else(|| missing(&"there is none"))?;
        let copy = flow.read(&alice, Folder::SENT, last.uid).await.map_err(|error| missing(&error))?;
        let mut text = String::new();
        let read = copy.spool.reader().take(1 << 16).read_to_string(&mut text);
        read.map_err(|error| missing(&error))?;
        let header = flow.config().temporary_mailbox.sent_header.to_ascii_lowercase();
        let pin = text.lines().take_while(|line| !line.is_empty()).find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.to_ascii_lowercase() == header).then(|| value.trim().to_owned())
        });
        pin.ok_or_else(|| missing(&"no such header"))
    }

    /// Says what there is to see.
    async fn tell(&self) -> Result<(), AppError> {
        let port = |service| self.appliance.place(service).map_or(0, |place| place.port());
        let (imap, sending) = (port(Service::Imaps), port(Service::Submissions));
        let (link, pin, password) = (&self.link, &self.pin, self.password.expose());
        let dir = self.place.dir.display();
        let text = format!(
            "\n\
             Guardpost demo. Everything runs on this machine and talks to nobody else.\n\
             \n\
             {ALICE} has sent a confidential message to {BOB}, who has no OpenPGP.\n\
             He got a mail with a link and nothing of the message. She was told a PIN, to pass on by telephone.\n\
             \n\
             1. Be Bob: open the link, enter the PIN, choose a password, read and answer.\n\
             \n\
             \x20  {link}\n\
             \x20  PIN  {pin}\n\
             \n\
             2. Be Alice: find his answer, with any mail program.\n\
             \n\
             \x20  IMAP     localhost, port {imap}, TLS\n\
             \x20  sending  localhost, port {sending}, TLS\n\
             \x20  user     {ALICE}\n\
             \x20  password {password}\n\
             \n\
             \x20  What came last, by curl:\n\
             \x20  curl -k -u '{ALICE}:{password}' 'imaps://localhost:{imap}/INBOX;MAILINDEX=*'\n\
             \n\
             3. Look for the words of the message in what is stored: there is nothing to be found.\n\
             \n\
             \x20  grep -r 'Thursday at nine' {dir}\n\
             \n\
             Mail to any other address leads here as well, and is told below. Ctrl-C ends the demo.\n\n"
        );
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(AppError::file("standard output"))
    }

    /// Tells of mail as it comes: at the peer, and in Alice's INBOX. Ends never by itself.
    async fn follow(&self) {
        let mut seen = self.peer.count();
        let flow = self.appliance.flow().clone();
        let Ok(alice) = Address::parse(ALICE) else { return };
        let Ok(alice) = flow.mailbox_at(&alice, MailboxKind::Account).await else { return };
        let mut changes = flow.store.watch(alice.id);
        let mut held = inbox(&flow, &alice.id).await;
        loop {
            tokio::select! {
                (now, mail) = self.peer.after(seen) => {
                    seen = now;
                    mail.iter().for_each(|mail| say(&at_the_peer(mail)));
                }
                changed = changes.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let now = inbox(&flow, &alice.id).await;
                    if now > held {
                        say(&format!("Alice's INBOX holds {now} messages now."));
                    }
                    held = now;
                }
            }
        }
    }
}

fn at_the_peer(mail: &Received) -> String {
    let to = mail.recipients.join(", ");
    link_in(mail).map_or_else(
        || format!("Mail for {to} left."),
        |link| format!("An invitation for {to} left:\n   {link}"),
    )
}

async fn inbox(flow: &Flow, mailbox: &crate::base::id::MailboxId) -> u32 {
    let folders = flow.store.folders(*mailbox).await.unwrap_or_default();
    folders.iter().find(|folder| folder.folder == Folder::INBOX).map_or(0, |folder| folder.messages)
}

fn say(line: &str) {
    let mut out = io::stdout().lock();
    // A closed terminal is nobody's trouble.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// The whole message, ended by its dot (RFC 5321 §4.5.2).
fn message() -> String {
    let date = SystemClock.now().rfc5322();
    let lines = [
        format!("From: Alice <{ALICE}>"),
        format!("To: {BOB}"),
        "Subject: [secure] Our offer".into(),
        format!("Date: {date}"),
        "MIME-Version: 1.0".into(),
        "Content-Type: text/plain; charset=utf-8".into(),
        String::new(),
        "Dear Bob,".into(),
        String::new(),
        "our offer is 48,000 for the whole house. Please tell nobody before Thursday at nine.".into(),
        String::new(),
        "Alice".into(),
        ".".into(),
    ];
    lines.join("\r\n")
}

async fn expect(wire: &mut BufReader<Stream>, want: &str) -> io::Result<()> {
    loop {
        let mut line = String::new();
        let read = timeout(PATIENCE, wire.read_line(&mut line));
        if read.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if !line.starts_with(want) {
            return Err(io::Error::other(line.trim_end().to_owned()));
        }
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok(());
        }
    }
}

/// The link of an invitation, alone on its line.
fn link_in(mail: &Received) -> Option<String> {
    let text = String::from_utf8_lossy(&mail.text);
    let line = text.lines().map(str::trim_end).find(|line| line.starts_with("http") && line.contains("/i/"));
    line.filter(|line| line.contains('#')).map(ToOwned::to_owned)
}

fn peer_certificate() -> Result<Arc<Certificates>, AppError> {
    let made = self_signed(&["mx.elsewhere.example".into()], SystemClock.now())?;
    Ok(Certificates::fixed(made.certificate.as_bytes(), made.key.as_bytes())?)
}

/// Everything that listens, opened at once: nobody takes a port between its choice and its use.
struct Doors {
    services: Vec<Bound>,
    peer: Bound,
}

impl Doors {
    /// From `base` on, else at free ports.
    fn open(base: Option<u16>) -> Result<Self, NetError> {
        let mut next = base;
        let mut open = |service| {
            let port = next.unwrap_or_default();
            next = next.map(|port| port.saturating_add(1));
            listen::bind(service, SocketAddr::new(LOOPBACK, port))
        };
        let services =
            [Service::Http, Service::Submissions, Service::Submission, Service::Imaps, Service::Smtp];
        let services = services.into_iter().map(&mut open).collect::<Result<_, _>>()?;
        Ok(Self { services, peer: open(Service::Smtp)? })
    }

    fn port(&self, service: Service) -> u16 {
        let found = self.services.iter().find(|bound| bound.service == service);
        found.map_or(0, |bound| bound.address.port())
    }
}

/// Where everything lies.
struct Place {
    dir: PathBuf,
    temporary: bool,
}

impl Place {
    fn make(options: &Options) -> Result<Self, AppError> {
        let (dir, temporary) = match &options.data_dir {
            Some(dir) => (std::path::absolute(dir).map_err(AppError::file(dir))?, false),
            None => {
                let name = format!("guardpost-demo-{}", base32::lower(&bytes::<5>(&OsRandom)));
                (env::temp_dir().join(name), !options.keep)
            }
        };
        keys::make_data_dir(&dir)?;
        let place = Self { dir, temporary };
        if !place.at("certificate.pem").exists() {
            let made = self_signed(&["localhost".into(), "127.0.0.1".into()], SystemClock.now())?;
            place.write("key.pem", made.key.as_bytes())?;
            place.write("certificate.pem", made.certificate.as_bytes())?;
        }
        Ok(place)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn write(&self, name: &str, content: &[u8]) -> Result<(), AppError> {
        let path = self.at(name);
        let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(content)).map_err(AppError::file(path))
    }

    /// The same kind of file that an admin would write; it stays beside the data.
    fn configuration(&self, doors: &Doors) -> Result<String, AppError> {
        let (http, smtp, imaps) =
            (doors.port(Service::Http), doors.port(Service::Smtp), doors.port(Service::Imaps));
        let (submissions, submission) = (doors.port(Service::Submissions), doors.port(Service::Submission));
        let peer = doors.peer.address.port();
        let at = |name| quoted(&self.at(name));
        let text = format!(
            "hostname = \"localhost\"\n\
             data_dir = {}\nrun_dir = {}\nmaster_key_file = {}\n\
             [tls]\ncertificate = {}\nkey = {}\n\
             [listen]\nsmtp = [\"127.0.0.1:{smtp}\"]\nsubmission = [\"127.0.0.1:{submission}\"]\n\
             submissions = [\"127.0.0.1:{submissions}\"]\nimaps = [\"127.0.0.1:{imaps}\"]\n\
             https = []\nhttp = [\"127.0.0.1:{http}\"]\n\
             [portal]\nurl = \"http://localhost:{http}\"\nbrand = \"Demo\"\n\
             [[domain]]\nname = \"demo.example\"\n\
             [outbound]\nport = {peer}\n\
             [log]\nlevel = \"error\"\n",
            at("data"),
            at("run"),
            at("master.key"),
            at("certificate.pem"),
            at("key.pem"),
        );
        self.write("guard.toml", text.as_bytes())?;
        Ok(text)
    }

    /// Makes Alice's account; where she is there already, her password lies beside the data.
    async fn alice(&self, flow: &Flow) -> Result<Secret<String>, AppError> {
        let failed = |error: AdminError| AppError::Demo(format!("Alice's account: {error}"));
        let alice = Address::parse(ALICE).map_err(|error| AppError::Demo(error.to_string()))?;
        if flow.mailbox_at(&alice, MailboxKind::Account).await.is_ok() {
            let path = self.at("alice.password");
            return Ok(Secret::new(fs::read_to_string(&path).map_err(AppError::file(path))?));
        }
        let password = Password::suggest(&OsRandom);
        if !self.temporary {
            self.write("alice.password", password.expose().as_bytes())?;
        }
        flow.add_account(&alice, &password).await.map_err(failed)?;
        Ok(password)
    }

    fn leave(&self) {
        if !self.temporary {
            say(&format!("\nThe data stays in {}.", self.dir.display()));
        }
    }
}

/// Also when the demo does not come to its start.
impl Drop for Place {
    fn drop(&mut self) {
        if self.temporary
            && let Err(error) = fs::remove_dir_all(&self.dir)
        {
            tracing::error!(dir = %self.dir.display(), %error, "the demo's directory stays");
        }
    }
}

/// A path as TOML text.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
