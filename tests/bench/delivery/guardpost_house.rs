//! Guardpost with a full queue, in a process of its own, run as the binary runs it; every destination is on loopback.

use crate::CONNECTIONS;
use crate::SEVERAL;
use crate::SIZE;
use crate::Way;
use guardpost::app::appliance;
use guardpost::app::appliance::Appliance;
use guardpost::app::appliance::Parts;
use guardpost::app::ground;
use guardpost::app::ground::Surroundings;
use guardpost::app::keys::create_master_key;
use guardpost::app::log::Logging;
use guardpost::base::address::Address;
use guardpost::base::id::QueueId;
use guardpost::base::random;
use guardpost::base::wipe;
use guardpost::config::Config;
use guardpost::flow::Flow;
use guardpost::flow::delivery::Courier;
use guardpost::net::dial::Dialer;
use guardpost::net::dns::Table;
use guardpost::net::tls::self_signed;
use guardpost::policy::tls::Demand;
use guardpost::store::command::Command;
use guardpost::store::command_part::NewQueued;
use guardpost::store::record_queue::Purpose;
use guardpost::store::record_queue::QueueRecord;
use guardpost::store::record_queue::QueuedRecipient;
use guardpost::store::record_queue::RecipientState;
use guardpost::vault::OsRandom;
use guardpost::vault::frames::FrameKey;
use guardpost::vault::frames::FrameWriter;
use guardpost::vault::os_random;
use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::net::IpAddr;
use std::path::Path;
use std::process::Child;
use std::process::ChildStdout;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;
use tempfile::TempDir;
use tokio::runtime::Builder;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// The argument that makes this program [`serve`].
pub const ROLE: &str = "--delivery-house";

/// What is not as it comes.
pub fn settings(reuse: bool) -> String {
    let messages = if reuse { 100 } else { 1 };
    format!(
        "remote_connections = {CONNECTIONS}\nremote_connections_per_domain = {CONNECTIONS}\n\
         messages_per_connection = {messages}\n"
    )
}

/// Its directory.
pub struct House {
    home: TempDir,
}

/// Its process.
pub struct Running {
    house: House,
    child: Child,
    said: std::sync::Mutex<BufReader<ChildStdout>>,
    /// From the start of the process until it listened.
    pub ready: Duration,
}

impl House {
    /// With so many messages that are due.
    pub fn filled(messages: usize, sink: u16, way: Way) -> Self {
        let home = tempfile::Builder::new().prefix("house").tempdir().expect("a directory");
        let at = |name: &str| home.path().join(name);
        let made = self_signed(&["bench.example".to_owned()], Surroundings::default().clock.now());
        let made = made.expect("a certificate");
        fs::write(at("cert.pem"), &made.certificate).expect("written");
        fs::write(at("key.pem"), made.key.as_bytes()).expect("written");
        create_master_key(&at("master.key"), &at("data"), &OsRandom).expect("a key");
        let config = format!(
            "hostname = \"bench.example\"\ndata_dir = \"{0}/data\"\nrun_dir = \"{0}/run\"\n\
             master_key_file = \"{0}/master.key\"\ntls = {{ certificate = \"{0}/cert.pem\", key = \"{0}/key.pem\" }}\n\
             portal = {{ url = \"https://bench.example\" }}\n[[domain]]\nname = \"bench.example\"\n\
             [listen]\nsmtp = [\"127.0.0.1:0\"]\nimaps = []\nsubmission = []\nsubmissions = []\nhttps = []\nhttp = []\n\
             [outbound]\nport = {sink}\n[limits]\nqueue_messages = 100000\n{1}",
            home.path().display(),
            settings(way.reuse)
        );
        fs::write(at("guard.toml"), config).expect("written");
        let house = Self { home };
        runtime().block_on(async {
            let flow = open(house.home.path()).await;
            fill(&flow, messages, way).await;
        });
        house
    }

    /// Starts it.
    pub fn go(self) -> Running {
        let log = fs::File::options().create(true).append(true).open(self.home.path().join("log"));
        let begun = Instant::now();
        let child = std::process::Command::new(std::env::current_exe().expect("this program"))
            .arg(ROLE)
            .arg(self.home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.expect("a log"))
            .spawn();
        let mut child = child.expect("a process");
        let mut said = BufReader::new(child.stdout.take().expect("its output"));
        said.read_line(&mut String::new()).expect("a line");
        Running { house: self, child, said: std::sync::Mutex::new(said), ready: begun.elapsed() }
    }
}

impl Running {
    /// Its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Waits until each of so many messages was tried.
    pub fn wait_for_tries(&self, messages: usize) {
        writeln!(self.child.stdin.as_ref().expect("its input"), "{messages}").expect("heard");
        self.said.lock().expect("no panic").read_line(&mut String::new()).expect("a line");
    }

    /// Kills it and starts it again.
    pub fn again(mut self) -> Self {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let empty = House { home: tempfile::tempdir().expect("a directory") };
        std::mem::replace(&mut self.house, empty).go()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// As the binary has it.
fn runtime() -> Runtime {
    let mut threads = Builder::new_multi_thread();
    threads.max_blocking_threads(64).on_thread_park(wipe::stack).enable_all().build().expect("threads")
}

fn around() -> Surroundings {
    let table = (0..SEVERAL).fold(Table::default(), |table, number| {
        let last = u8::try_from(number + 1).expect("few destinations");
        table.with_addresses(&format!("d{number}.example"), &[IpAddr::from([127, 0, 0, last])])
    });
    Surroundings {
        dns: Some(Arc::new(table)),
        dialer: Dialer { loopback: true, ..Dialer::default() },
        ..Surroundings::default()
    }
}

async fn open(home: &Path) -> Arc<Flow> {
    let text = fs::read_to_string(home.join("guard.toml")).expect("its configuration");
    let config = Config::from_text(&text).unwrap_or_else(|complaints| panic!("{complaints}"));
    Logging::begin(&config.log, &config.privacy, &OsRandom);
    ground::open(Arc::new(config), &around()).await.expect("a store")
}

async fn fill(flow: &Arc<Flow>, messages: usize, way: Way) {
    let line = [b"x".repeat(70).as_slice(), b"\r\n"].concat();
    let header = b"From: alice@bench.example\r\nSubject: measured\r\n\r\n";
    let text: Vec<u8> =
        header.iter().chain(line.iter().cycle()).copied().take(SIZE - 2).chain(*b"\r\n").collect();
    let text = Arc::new(text);
    let mut made = JoinSet::new();
    let mut commands = Vec::new();
    for number in 0..messages {
        // Each waits for the disk; many of them wait together.
        let (of, text) = (Arc::clone(flow), Arc::clone(&text));
        made.spawn_blocking(move || message(&of, &text, number % way.destinations));
        if made.len() >= 64 || number + 1 == messages {
            while let Some(new) = made.join_next().await {
                commands.push(Command::Enqueue(Box::new(new.expect("a message"))));
            }
            flow.store.commit(std::mem::take(&mut commands)).await.expect("queued");
        }
    }
}

/// One that is due, for this destination.
fn message(flow: &Flow, text: &[u8], destination: usize) -> NewQueued {
    let now = flow.clock.now();
    let id = QueueId::new(random::bytes(os_random()));
    let body = flow.store.bodies().begin_file().expect("a file");
    let mut frames = FrameWriter::new(body, FrameKey::queue(&flow.keys.queue, None, id), os_random());
    frames.write_all(text).expect("written");
    let body = frames.finish().expect("written").finish().expect("synced");
    let recipient = QueuedRecipient {
        queue: id,
        number: 0,
        tls_policy: None,
        address: Address::parse(&format!("bob@d{destination}.example")).expect("an address"),
        notify: None,
        orcpt: None,
        state: RecipientState::Waiting,
        attempts: 0,
        next: now,
        reason: String::new(),
        delay_reported: false,
        passed: None,
    };
    let record = QueueRecord {
        id,
        purpose: Purpose::Mail,
        sender: Address::parse("alice@bench.example").ok(),
        owner: None,
        body,
        shred: None,
        tls_policy: Demand::default().to_string(),
        created: now,
        eight_bit: false,
        smtputf8: false,
        ret: None,
        envid: None,
        size: text.len() as u64,
    };
    NewQueued { record, recipients: vec![recipient], queue_key: None }
}

/// Runs on a directory until its standard input ends; says when it is ready, and when all were tried.
pub fn serve(home: &str) {
    runtime().block_on(async {
        let around = around();
        let flow = open(Path::new(home)).await;
        let certificates = appliance::certificates(&flow.config()).expect("a certificate");
        let courier = Courier { dialer: around.dialer, web: around.web, ..Courier::default() };
        let parts = Parts { flow: flow.clone(), certificates, inherited: Vec::new(), courier };
        let appliance = Appliance::start(parts).await.expect("a start");
        println!("ready");
        let (wish, mut wishes) = tokio::sync::mpsc::unbounded_channel::<usize>();
        std::thread::spawn(move || {
            for line in std::io::stdin().lines().map_while(Result::ok) {
                let _ = wish.send(line.trim().parse().expect("a number"));
            }
        });
        while let Some(messages) = wishes.recv().await {
            while tried(&flow).await < messages {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            println!("tried");
        }
        appliance.stop().await;
    });
}

async fn tried(flow: &Flow) -> usize {
    let (mut count, mut after) = (0, None);
    loop {
        let items = guardpost::flow::queue::list(&*flow.store, after, 500).await.expect("the queue");
        let Some(last) = items.last() else { return count };
        after = Some(last.record.id);
        let tried = |item: &&guardpost::flow::queue::QueueItem| {
            item.recipients.iter().all(|recipient| recipient.attempts > 0)
        };
        count += items.iter().filter(tried).count();
    }
}
