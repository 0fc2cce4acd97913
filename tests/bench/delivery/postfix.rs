//! Postfix as it comes, as an instance of its own with a full queue.

use crate::CONNECTIONS;
use crate::SIZE;
use crate::Way;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use std::time::Instant;
use tempfile::TempDir;

/// What is not as it comes: as many connections as Guardpost, from the beginning, and nothing that slows it down.
pub const SETTINGS: &str = "\
in_flow_delay = 0
default_process_limit = 100
initial_destination_concurrency = 20
smtp_destination_concurrency_limit = 20
smtp_destination_concurrency_negative_feedback = 0
qmgr_message_active_limit = 20000
qmgr_message_recipient_limit = 20000
smtp_tls_security_level = may
smtp_tls_loglevel = 0
";

/// The instance, filled.
pub struct Postfix {
    home: TempDir,
}

impl Postfix {
    /// With so many messages, which wait until [`Postfix::go`].
    pub fn filled(messages: usize, sink: u16, way: Way) -> Self {
        let home = tempfile::Builder::new().prefix("postfix").tempdir().expect("a directory");
        let at = |name: &str| home.path().join(name);
        give(home.path(), "root");
        for (name, owner) in [("queue", "root"), ("data", "postfix")] {
            fs::create_dir(at(name)).expect("a directory");
            give(&at(name), owner);
        }
        let port = free_port();
        let routes: String = (0..way.destinations)
            .map(|number| format!("d{number}.example smtp:[127.0.0.{}]:{sink}\n", number + 1))
            .collect();
        fs::write(at("routes"), routes).expect("written");
        let reuse = if way.reuse {
            // Always, not only when it has much to do, and with TLS, which its connections keep only so.
            let all: Vec<String> =
                (0..way.destinations).map(|number| format!("[127.0.0.{}]:{sink}", number + 1)).collect();
            format!(
                "smtp_tls_connection_reuse = yes\nsmtp_connection_cache_on_demand = yes\n\
                 smtp_connection_cache_destinations = {}\n",
                all.join(", ")
            )
        } else {
            "smtp_tls_connection_reuse = no\nsmtp_connection_cache_on_demand = no\n".to_owned()
        };
        let main = format!(
            "compatibility_level = 3.6\nqueue_directory = {home}/queue\ndata_directory = {home}/data\n\
             maillog_file = {home}/log\nmaillog_file_prefixes = {home}\nmyhostname = bench.example\nmydestination =\n\
             alias_maps =\nlocal_recipient_maps =\ninet_protocols = ipv4\nmynetworks = 127.0.0.0/8\n\
             smtpd_recipient_restrictions = permit\nsmtpd_client_connection_count_limit = 0\n\
             transport_maps = texthash:{home}/routes\ndefer_transports = smtp\n{SETTINGS}{reuse}",
            home = home.path().display(),
        );
        fs::write(at("main.cf"), main).expect("written");
        let senders = format!("smtp unix - - n - {} smtp\n", senders());
        fs::write(at("master.cf"), format!("127.0.0.1:{port} inet n - n - - smtpd\n{senders}{SERVICES}"))
            .expect("written");
        let postfix = Self { home };
        postfix.run("postfix", &["start"]);
        postfix.fill(port, messages, way);
        postfix.all_deferred(messages);
        postfix
    }

    /// By its own SMTP; every message waits then, because its transport is deferred.
    fn fill(&self, port: u16, messages: usize, way: Way) {
        for number in 0..way.destinations {
            let done = Command::new("smtp-source")
                .args(["-s", "10", "-m", &(messages / way.destinations).to_string()])
                .args(["-l", &SIZE.to_string(), "-f", "alice@bench.example"])
                .args(["-t", &format!("bob@d{number}.example"), &format!("127.0.0.1:{port}")])
                .status();
            assert!(done.expect("smtp-source").success(), "the queue was not filled");
        }
    }

    fn all_deferred(&self, messages: usize) {
        let begun = Instant::now();
        let mut deferred = 0;
        while deferred < messages {
            assert!(begun.elapsed() < Duration::from_secs(120), "{deferred} of {messages} wait");
            deferred = files(&self.home.path().join("queue/deferred"));
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(files(&self.home.path().join("queue/incoming")), 0, "more waits than was sent");
    }

    /// Everything in the queue is due from now on.
    pub fn go(self) -> Self {
        self.run("postfix", &["stop"]);
        self.run("postconf", &["-e", "defer_transports="]);
        self.run("postfix", &["start"]);
        self.run("postqueue", &["-f"]);
        self
    }

    /// CPU time of all of it since [`Postfix::go`]: of the master, of what it has reaped, and of what still lives.
    pub fn cpu(&self) -> Duration {
        let pid = fs::read_to_string(self.home.path().join("queue/pid/master.pid")).expect("its number");
        let master: u32 = pid.trim().parse().expect("a number");
        let ticks = |process: u32, fields: usize| -> Option<u64> {
            let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
            let (_, rest) = stat.rsplit_once(')')?;
            let numbers: Vec<i64> = rest.split_whitespace().filter_map(|word| word.parse().ok()).collect();
            // Without the letter of its state, the first is the parent; 10 further on come utime, stime, cutime, cstime.
            let own = process == master || numbers.first() == Some(&i64::from(master));
            own.then(|| numbers.iter().skip(10).take(fields).map(|ticks| ticks.unsigned_abs()).sum())
        };
        let others = fs::read_dir("/proc").expect("Linux").flatten();
        let others = others.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let children: u64 =
            others.filter(|process| *process != master).filter_map(|process| ticks(process, 2)).sum();
        Duration::from_millis((children + ticks(master, 4).unwrap_or_default()) * 10)
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let done = Command::new(program).arg("-c").arg(self.home.path()).args(arguments).output();
        let done = done.expect("Postfix");
        assert!(done.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let _ = Command::new("postfix").arg("-c").arg(self.home.path()).arg("abort").output();
    }
}

/// Its processes that send, at once: as many as there may be connections, or as many as is said behind
/// `--postfix-processes`. By itself it would have 100.
pub fn senders() -> usize {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--postfix-processes").skip(1);
    arguments.next().map_or(CONNECTIONS, |number| number.parse().expect("a number"))
}

fn files(dir: &Path) -> usize {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let count = |entry: fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => files(&entry.path()),
        Ok(_) => 1,
        Err(_) => 0,
    };
    entries.flatten().map(count).sum()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its number").port()
}

fn give(path: &Path, owner: &str) {
    let id = |kind: &str| {
        let done = Command::new("id").args([kind, owner]).output().expect("id");
        String::from_utf8_lossy(&done.stdout).trim().parse().expect("a user of this machine")
    };
    chown(path, Some(id("-u")), Some(id("-g"))).expect("root");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("root");
}

/// What it needs to take mail and to send it; nothing in a chroot.
const SERVICES: &str = "\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsproxy unix - - n - 0 tlsproxy
showq unix n - n - - showq
postlog unix-dgram n - n - 1 postlogd
";
