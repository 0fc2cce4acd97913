//! The server as a process of its own on a directory that outlives it, and its end by SIGKILL.

use crate::free_ports::free_port;
use crate::ledger::Event;
use crate::ledger::Log;
use crate::wire::HOST;
use crate::wire::Trust;
use crate::wire::dial;
use guardpost::app::clock::SystemClock;
use guardpost::app::ground;
use guardpost::app::ground::Surroundings;
use guardpost::base::address::Address;
use guardpost::base::secret::Secret;
use guardpost::base::time::Clock;
use guardpost::config::Config;
use guardpost::flow::Flow;
use guardpost::net::tls::self_signed;
use guardpost::store::engine;
use guardpost::vault::slot::Parameters;
use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::path::PathBuf;
use std::process::Child;
use std::process::ChildStderr;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::mpsc::Sender;
use std::sync::mpsc::channel;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;
use std::time::Instant;
use tempfile::TempDir;

/// The one account.
pub const ALICE: &str = "alice@house.example";
/// Her password.
pub const PASSWORD: &str = "three grey horses, one cart";
/// Longer than any start takes.
const START: Duration = Duration::from_secs(120);

/// The directory, and where the server listens.
pub struct House {
    home: TempDir,
    /// How its TLS is checked.
    pub trust: Trust,
    /// Port 25.
    pub smtp: u16,
    /// Port 465.
    pub submissions: u16,
    /// Port 993.
    pub imaps: u16,
    /// Port 443.
    pub https: u16,
    log: Arc<Mutex<String>>,
    bell: Sender<Event>,
}

/// The server while it runs. Killed when dropped.
pub struct Server {
    child: Child,
    log: Option<JoinHandle<()>>,
}

impl House {
    /// With its account. Signing in to that costs little, so that a short life of the server is spent on mail; what
    /// the server itself makes costs what it always costs.
    /// `bell` hears what its log tells.
    pub fn new(smarthost: u16, bell: Sender<Event>) -> Self {
        let home = tempfile::Builder::new().prefix("crash").tempdir().unwrap();
        let made = self_signed(&[HOST.into()], SystemClock.now()).unwrap();
        fs::write(home.path().join("tls.crt"), &made.certificate).unwrap();
        fs::write(home.path().join("tls.key"), made.key.as_bytes()).unwrap();
        let [smtp, submissions, imaps, https] = std::array::from_fn(|_| free_port());
        let trust = Trust::only(&made.certificate);
        let log = Arc::default();
        let house = Self { home, trust, smtp, submissions, imaps, https, log, bell };
        fs::write(house.at("guard.toml"), house.configuration(smarthost)).unwrap();
        let (done, said) = house.command(&["master-key", "create"]);
        assert!(done, "{said}");
        house.with_flow(async |flow| {
            let alice = Address::parse(ALICE).unwrap();
            flow.add_account(&alice, &Secret::new(PASSWORD.to_owned())).await.unwrap();
        });
        house
    }

    fn configuration(&self, smarthost: u16) -> String {
        let home = self.home.path().display();
        let Self { smtp, submissions, imaps, https, .. } = self;
        format!(
            "hostname = \"{HOST}\"\ndata_dir = \"{home}/data\"\nrun_dir = \"{home}/run\"\n\
             master_key_file = \"{home}/master.key\"\n\
             [listen]\nsmtp = [\"127.0.0.1:{smtp}\"]\nsubmission = []\n\
             submissions = [\"127.0.0.1:{submissions}\"]\nimaps = [\"127.0.0.1:{imaps}\"]\n\
             https = [\"127.0.0.1:{https}\"]\nhttp = []\n\
             [tls]\ncertificate = \"{home}/tls.crt\"\nkey = \"{home}/tls.key\"\n\
             [portal]\nurl = \"https://{HOST}\"\n[[domain]]\nname = \"house.example\"\n\
             [outbound]\nsmarthost = \"127.0.0.1:{smarthost}\"\n\
             [limits]\nrecipients_per_hour = 100000\nrecipients_per_day = 1000000\n\
             new_mailboxes_per_hour = 10000\nnew_mailboxes_per_day = 10000\npassword_checks = 2\n\
             remote_connections_per_domain = {LANES}\n"
        )
    }

    /// A file of the directory.
    pub fn at(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Runs a command of the program; whether it went well, and what it said.
    pub fn command(&self, arguments: &[&str]) -> (bool, String) {
        let ended = self.program(arguments).output().unwrap();
        let said = String::from_utf8(ended.stdout).unwrap() + &String::from_utf8(ended.stderr).unwrap();
        (ended.status.success(), said)
    }

    fn program(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_guardpost"));
        command.env_clear().arg("--config").arg(self.at("guard.toml")).args(arguments);
        command
    }

    /// Starts the server; it has greeted, after so long.
    pub fn start(&self) -> (Server, Duration) {
        let begun = Instant::now();
        let mut child = self.program(&["serve"]).stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (ready, is_ready) = channel();
        let log = self.listen(child.stderr.take().unwrap(), ready);
        let server = Server { child, log: Some(log) };
        let told = is_ready.recv_timeout(START);
        assert!(told.is_ok(), "it is not ready: {told:?}\n{}", self.log_end());
        let mut greeting = String::new();
        BufReader::new(dial(self.smtp, 0).unwrap()).read_line(&mut greeting).unwrap();
        assert!(greeting.starts_with("220 "), "{greeting}");
        (server, begun.elapsed())
    }

    /// Keeps the log; `ready` hears when it says so, and ends with it.
    fn listen(&self, stderr: ChildStderr, ready: Sender<()>) -> JoinHandle<()> {
        let (log, bell) = (self.log.clone(), self.bell.clone());
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if line.contains(" ready") {
                    let _ = ready.send(());
                }
                let told = LOGGED.iter().find(|(text, _)| line.contains(text));
                if let Some((_, told)) = told {
                    // Nobody listens at the end.
                    let _ = bell.send(Event::Logged(*told));
                }
                let mut log = log.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        })
    }

    /// The last of what it logged.
    pub fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// All that it logged.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Works on the directory while no server runs.
    pub fn with_flow<T>(&self, work: impl AsyncFnOnce(Arc<Flow>) -> T) -> T {
        let text = fs::read_to_string(self.at("guard.toml")).unwrap();
        let config = Config::from_text(&text).unwrap_or_else(|complaints| panic!("{complaints}"));
        let around = Surroundings {
            password_cost: Parameters::SMALL,
            store: engine::Options { reserve: 0, ..engine::Options::default() },
            ..Surroundings::default()
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async { work(ground::open(Arc::new(config), &around).await.unwrap()).await })
    }
}

/// Connections to the smarthost at once: so many messages one kill can make go out twice.
pub const LANES: usize = 3;

/// What it says when something is done, and what that is.
const LOGGED: [(&str, Log); 3] = [
    ("message taken", Log::Arrival),
    ("submission taken", Log::Submission),
    ("temporary mailbox opened", Log::FirstUse),
];

impl Server {
    /// SIGKILL; when this returns it is gone.
    pub fn kill(self) {
        drop(self);
    }

    /// SIGTERM; it ends well.
    pub fn stop(mut self) {
        let sent = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success() && self.child.wait().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(log) = self.log.take() {
            let _ = log.join();
        }
    }
}
