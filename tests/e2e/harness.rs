//! An appliance in a directory of its own, on free ports of loopback, with a peer in place of the rest of the world
//! and a clock that goes where a test wants.

use crate::mail_client::Imap;
use crate::mail_client::Smtp;
use crate::patience::PATIENCE;
use crate::patience::until;
use crate::peer::Peer;
use crate::peer::Plan;
use crate::plain_browser::Browser;
use guardpost::app::appliance;
use guardpost::app::appliance::Appliance;
use guardpost::app::appliance::Parts;
use guardpost::app::clock::SystemClock;
use guardpost::app::ground;
use guardpost::app::ground::Surroundings;
use guardpost::app::keys::create_master_key;
use guardpost::base::address::Address;
use guardpost::base::secret::Secret;
use guardpost::base::time::Clock;
use guardpost::base::time::Time;
use guardpost::config::Config;
use guardpost::flow::Flow;
use guardpost::flow::delivery::Courier;
use guardpost::net::dial::Dialer;
use guardpost::net::dns::Dns;
use guardpost::net::dns::OnePeer;
use guardpost::net::http_client::HttpsClient;
use guardpost::net::listen;
use guardpost::net::listen::Service;
use guardpost::net::tls::self_signed;
use guardpost::serve::control::SOCKET;
use guardpost::serve::control::Trouble;
use guardpost::serve::control::client;
use guardpost::serve::control::request::Request;
use guardpost::store::engine;
use guardpost::store::place::Space;
use guardpost::store::place::SpaceProbe;
use guardpost::store::record_queue::RecipientState;
use guardpost::vault::OsRandom;
use guardpost::vault::slot::Parameters;
use rustix::process::Resource;
use rustix::process::getrlimit;
use rustix::process::setrlimit;
use serde_json::Value;
use std::fs;
use std::io;
use std::io::Write;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::timeout;

/// The name of the server; its portal is on the same.
pub const HOST: &str = "mail.house.example";
/// Its domain.
pub const DOMAIN: &str = "house.example";
/// Its domain for secure aliases, in a house that has one.
pub const ALIAS_DOMAIN: &str = "secure.house.example";
/// The password of every account that a test does not think of.
pub const PASSWORD: &str = "three grey horses, one cart";

/// The machine's clocks, put forward at will; the wall clock also back.
#[derive(Default)]
pub struct TestClock {
    wall: AtomicI64,
    boot: AtomicU64,
}

impl TestClock {
    /// Lets time pass.
    pub fn pass(&self, span: Duration) {
        self.set_wall(i64::try_from(span.as_secs()).unwrap());
        self.boot.fetch_add(span.as_secs(), Ordering::SeqCst);
    }

    /// Sets the wall clock, by so many seconds; the boot clock goes on as before.
    pub fn set_wall(&self, by: i64) {
        self.wall.fetch_add(by, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Time {
        Time(SystemClock.now().0 + self.wall.load(Ordering::SeqCst))
    }

    fn running(&self) -> Duration {
        SystemClock.running() + Duration::from_secs(self.boot.load(Ordering::SeqCst))
    }
}

/// An appliance with its directory; both go with it.
pub struct House {
    /// What was in the log before.
    log_begun: usize,
    /// Its files: `data`, `master.key`, `tls.crt`, `tls.key`.
    pub home: TempDir,
    /// What it sees as time.
    pub clock: Arc<TestClock>,
    /// The rest of the world.
    pub world: Peer,
    /// Free octets on its disk.
    pub free: Arc<AtomicU64>,
    /// Its section of guard.toml names [`ALIAS_DOMAIN`].
    pub aliases: bool,
    more: String,
    dns: Option<Arc<dyn Dns>>,
    web: HttpsClient,
    appliance: Option<Appliance>,
}

impl House {
    /// With alice@house.example as its one account.
    pub async fn new() -> Self {
        Self::with(Plan::default(), "").await
    }

    /// With this world around it and this at the end of guard.toml; alice@ is there.
    pub async fn with(world: Plan, more: &str) -> Self {
        let house = Self::empty(world, more).await;
        house.add_account("alice@house.example", PASSWORD).await;
        house
    }

    /// The same without an account.
    pub async fn empty(world: Plan, more: &str) -> Self {
        Self::among(world.open().await, None, more).await
    }

    /// With a domain for secure aliases; alice@ is there, and her alias is off.
    pub async fn with_aliases(world: Peer, dns: Option<Arc<dyn Dns>>, more: &str) -> Self {
        let mut house = Self::among(world, dns, more).await;
        house.add_account("alice@house.example", PASSWORD).await;
        house.stop().await;
        house.aliases = true;
        house.start().await;
        house
    }

    /// Among peers that are there already, the first of them for whatever `dns`, if there is any, does not say.
    pub async fn among(world: Peer, dns: Option<Arc<dyn Dns>>, more: &str) -> Self {
        Self::among_webs(world, dns, HttpsClient::default(), more).await
    }

    /// The same where web servers are met like this.
    pub async fn among_webs(world: Peer, dns: Option<Arc<dyn Dns>>, web: HttpsClient, more: &str) -> Self {
        let log_begun = begin_log().length();
        let home = tempfile::Builder::new().prefix("house").tempdir().unwrap();
        let made = self_signed(&[HOST.into()], SystemClock.now()).unwrap();
        fs::write(home.path().join("tls.crt"), &made.certificate).unwrap();
        fs::write(home.path().join("tls.key"), made.key.as_bytes()).unwrap();
        let mut house = Self {
            home,
            log_begun,
            clock: Arc::default(),
            world,
            dns,
            web,
            aliases: false,
            free: Arc::new(AtomicU64::new(1 << 40)),
            more: more.to_owned(),
            appliance: None,
        };
        create_master_key(&house.at("master.key"), &house.at("data"), &OsRandom).unwrap();
        house.start().await;
        house
    }

    /// What this process logged since the house was founded, down to the finest level.
    pub fn logged(&self) -> Vec<u8> {
        let log = begin_log().from(self.log_begun);
        assert!(crate::markers::contains(&log, b"account made"), "there is a log");
        log
    }

    /// A file of its directory.
    pub fn at(&self, name: &str) -> std::path::PathBuf {
        self.home.path().join(name)
    }

    /// Starts it, on other ports than before.
    pub async fn start(&mut self) {
        let loopback: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
        let services = [
            Service::Smtp,
            Service::Submission,
            Service::Submissions,
            Service::Imaps,
            Service::Https,
            Service::Http,
        ];
        let bound: Vec<_> =
            services.into_iter().map(|service| listen::bind(service, loopback).unwrap()).collect();
        let https = bound.iter().find(|bound| bound.service == Service::Https).unwrap().address.port();
        let config = Arc::new(self.config(https));
        let around = self.surroundings();
        let certificates = appliance::certificates(&config).unwrap();
        let flow = ground::open(config, &around).await.unwrap();
        let courier = Courier { dialer: around.dialer, web: around.web, ..Courier::default() };
        let parts = Parts { flow, certificates, inherited: bound, courier };
        self.appliance = Some(Appliance::start(parts).await.unwrap());
    }

    /// What it finds around it: the test's clock, one peer for every domain, cheap passwords.
    pub fn surroundings(&self) -> Surroundings {
        let free = self.free.clone();
        let space = SpaceProbe::new(move |_| Ok(Space { free: free.load(Ordering::SeqCst), total: 1 << 40 }));
        Surroundings {
            clock: self.clock.clone(),
            dns: Some(self.dns.clone().unwrap_or_else(|| Arc::new(OnePeer(self.world.address.ip())))),
            dialer: Dialer { loopback: true, ..Dialer::default() },
            web: self.web.clone(),
            password_cost: Parameters::SMALL,
            store: engine::Options {
                reserve: 0,
                space,
                look_every: Duration::ZERO,
                ..engine::Options::default()
            },
            ..Surroundings::default()
        }
    }

    /// Its configuration, with the portal at this port.
    pub fn config(&self, https: u16) -> Config {
        Config::from_text(&self.configuration(https)).unwrap_or_else(|complaints| panic!("{complaints}"))
    }

    /// The text of its guard.toml.
    pub fn configuration(&self, https: u16) -> String {
        let home = self.home.path().display();
        let aliases = match self.aliases {
            true => format!("secure_alias_domain = \"{ALIAS_DOMAIN}\"\n"),
            false => String::new(),
        };
        format!(
            "hostname = \"{HOST}\"\ndata_dir = \"{home}/data\"\nrun_dir = \"{home}/run\"\n\
             master_key_file = \"{home}/master.key\"\n\
             [listen]\nsmtp = []\nsubmission = []\nsubmissions = []\nimaps = []\nhttps = []\nhttp = []\n\
             [tls]\ncertificate = \"{home}/tls.crt\"\nkey = \"{home}/tls.key\"\n\
             [portal]\nurl = \"https://{HOST}:{https}\"\nbrand = \"House\"\n\
             [[domain]]\nname = \"{DOMAIN}\"\n{aliases}\
             [outbound]\nport = {}\n{}",
            self.world.address.port(),
            self.more
        )
    }

    /// Stops it in order; everything is on disk then.
    pub async fn stop(&mut self) {
        if let Some(appliance) = self.appliance.take() {
            appliance.stop().await;
        }
    }

    /// The running appliance.
    pub fn appliance(&self) -> &Appliance {
        self.appliance.as_ref().expect("it runs")
    }

    /// Its flows.
    pub fn flow(&self) -> &Arc<Flow> {
        self.appliance().flow()
    }

    /// The port of a service.
    pub fn port(&self, service: Service) -> u16 {
        self.appliance().place(service).expect("it listens").port()
    }

    /// Makes an account.
    pub async fn add_account(&self, address: &str, password: &str) {
        let address = Address::parse(address).unwrap();
        self.flow().add_account(&address, &Secret::new(password.to_owned())).await.unwrap();
    }

    /// Signed in for submission, TLS from the first byte.
    pub async fn submission(&self, address: &str, password: &str) -> Smtp {
        let mut smtp = Smtp::connect(self.port(Service::Submissions), true).await;
        assert_eq!(smtp.sign_in(address, password).await.code, 235);
        smtp
    }

    /// Alice, ready to send.
    pub async fn alice_sends(&self) -> Smtp {
        self.submission("alice@house.example", PASSWORD).await
    }

    /// Signed in to IMAP.
    pub async fn imap(&self, address: &str, password: &str) -> Imap {
        let mut imap = Imap::connect(self.port(Service::Imaps)).await;
        imap.sign_in(address, password).await.unwrap_or_else(|refusal| panic!("{refusal}"));
        imap
    }

    /// Alice, ready to read.
    pub async fn alice_reads(&self) -> Imap {
        self.imap("alice@house.example", PASSWORD).await
    }

    /// Waits until the appliance has looked at every mailbox with the time that it is now.
    pub async fn look(&self) {
        timeout(PATIENCE, self.flow().lives.look()).await.expect("it looks");
    }

    /// Waits until the queue is empty: everything was handed over or has come back, and that is noted.
    pub async fn queue_is_empty(&self) {
        let store = &self.flow().store;
        until("an empty queue", async || store.queue(None, 1).await.unwrap().is_empty().then_some(())).await;
    }

    /// Has the queue looked at and waits until nothing in it is due or being tried.
    pub async fn queue_rests(&self) {
        let flow = self.flow();
        flow.queue_bell.notify_one();
        until("a queue at rest", async || {
            let now = flow.clock.now();
            let items = guardpost::flow::queue::list(&*flow.store, None, 100).await.unwrap();
            let mut recipients = items.iter().flat_map(|item| &item.recipients);
            let rests = |state: &RecipientState, next| *state == RecipientState::Waiting && next > now;
            recipients.all(|recipient| rests(&recipient.state, recipient.next)).then_some(())
        })
        .await;
    }

    /// Lets time pass, and the appliance look.
    pub async fn pass(&self, span: Duration) {
        self.clock.pass(span);
        self.look().await;
    }

    /// Asks what a command asks the running server.
    pub async fn control(&self, request: &Request) -> Result<Value, Trouble> {
        let stream = client::connect(&self.at("run").join(SOCKET)).await.unwrap().expect("it listens");
        client::ask(stream, request).await
    }

    /// A browser without JavaScript, nothing in its jar.
    pub fn browser(&self) -> Browser {
        Browser::new(HOST, self.port(Service::Https))
    }

    /// Every octet in its data directory, file by file.
    pub fn data(&self) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        gather(&self.at("data"), &mut files);
        assert!(
            files.iter().any(|(file, octets)| file.contains("/store/") && !octets.is_empty()),
            "there is data"
        );
        files
    }
}

fn gather(dir: &Path, files: &mut Vec<(String, Vec<u8>)>) {
    // What is there may go while this looks.
    let Ok(entries) = fs::read_dir(dir) else { return };
    for path in entries.map_while(Result::ok).map(|entry| entry.path()) {
        if path.is_dir() {
            gather(&path, files);
        } else if let Ok(bytes) = fs::read(&path) {
            files.push((path.display().to_string(), bytes));
        }
    }
}

/// The address of loopback.
pub const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[derive(Clone, Default)]
pub struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    /// What came behind so many octets.
    pub fn from(&self, start: usize) -> Vec<u8> {
        self.0.lock().unwrap()[start..].to_vec()
    }

    /// Octets so far.
    pub fn length(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Files and sockets for as many houses as there are cores, if the system lets a process have them.
fn make_room() {
    const ROOM: u64 = 8_192;
    let mut files = getrlimit(Resource::Nofile);
    let room = files.maximum.unwrap_or(ROOM).min(ROOM);
    files.current = files.current.map(|current| current.max(room));
    setrlimit(Resource::Nofile, files).unwrap();
}

/// Our rooms at every level, other people's where they have something to say.
pub fn begin_log() -> &'static Captured {
    static LOG: OnceLock<Captured> = OnceLock::new();
    LOG.get_or_init(|| {
        make_room();
        let captured = Captured::default();
        let sink = captured.clone();
        tracing_subscriber::fmt()
            .with_env_filter("debug,guardpost=trace,sled=info,html5ever=info")
            .with_ansi(false)
            .with_writer(move || sink.clone())
            .init();
        captured
    })
}
