//! Postfix, as several mail servers in one: a service for each address, with a certificate of its own or none.
//!
//! It begins as root and gives that up where it can. Who is not root starts it all the same, on top of a shim that lets
//! it believe so: what it speaks and decides is no different.

use crate::net::journal::Journal;
use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::OnceLock;
use tempfile::TempDir;

/// One of its servers.
pub struct Server<'a> {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its name.
    pub name: &'a str,
    /// Key and chain, PEM; without, it has no STARTTLS.
    pub identity: Option<String>,
}

/// The running daemon; it ends with this.
pub struct Postfix {
    home: TempDir,
    master: Child,
    /// What it logs.
    pub journal: Journal,
}

impl Postfix {
    /// Takes all mail at these servers, into one maildir.
    pub async fn taking(servers: &[Server<'_>]) -> Self {
        let mailboxes = format!(
            "virtual_mailbox_domains = static:all\nvirtual_mailbox_maps = static:box/\nvirtual_transport = virtual\n\
             virtual_uid_maps = static:{}\nvirtual_gid_maps = static:{}\n",
            id(mailbox_owner(), "-u"),
            id(mailbox_owner(), "-g")
        );
        Self::start(servers, &mailboxes).await
    }

    /// Takes mail of the networks of these tests at this server, and carries it on as `more` says, lines of main.cf.
    pub async fn carrying(server: Server<'_>, more: &str) -> Self {
        Self::start(&[server], more).await
    }

    async fn start(servers: &[Server<'_>], more: &str) -> Self {
        let home = tempfile::Builder::new().prefix("postfix").tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        // Its daemons give up root, and have to get in.
        chown_to(home.path(), "root", 0o755);
        for (name, owner) in [("queue", "root"), ("data", "postfix"), ("mail", mailbox_owner())] {
            fs::create_dir(at(name)).unwrap();
            chown_to(&at(name), owner, 0o755);
        }
        let mut more = more.to_owned();
        if !is_root() {
            // What `postfix start` makes, and only root may have it make.
            for name in QUEUE {
                fs::create_dir(at("queue").join(name)).unwrap();
            }
            let _ = write!(
                more,
                "mail_owner = {}\ndefault_privs = daemon\nimport_environment = MAIL_CONFIG LD_PRELOAD\n",
                user()
            );
        }
        let main = format!(
            "compatibility_level = 3.6\nqueue_directory = {home}/queue\ndata_directory = {home}/data\n\
             maillog_file = /dev/stdout\nmyhostname = peers.example\nmydestination =\nalias_maps =\n\
             local_recipient_maps =\ninet_protocols = ipv4\nmynetworks = 127.0.0.0/8, 198.51.100.0/24\n\
             smtpd_tls_security_level = may\nsmtpd_tls_received_header = yes\nsmtp_tls_loglevel = 1\n\
             smtpd_recipient_restrictions = permit\nvirtual_mailbox_base = {home}/mail\n{more}",
            home = home.path().display(),
        );
        fs::write(at("main.cf"), main).unwrap();
        let mut services = String::new();
        for (number, server) in servers.iter().enumerate() {
            let tls = match &server.identity {
                None => "smtpd_tls_security_level=none".to_owned(),
                Some(identity) => {
                    let file = at(&format!("identity{number}.pem"));
                    fs::write(&file, identity).unwrap();
                    chown_to(&file, "root", 0o600);
                    format!("smtpd_tls_chain_files={}", file.display())
                }
            };
            let _ = writeln!(
                services,
                "{} inet n - n - - smtpd -o myhostname={} -o {tls}",
                server.address, server.name
            );
        }
        fs::write(at("master.cf"), services + SERVICES).unwrap();
        let mut command = start(home.path());
        command.stdin(Stdio::null());
        let mut master = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let journal = Journal::of(master.stdout.take().unwrap());
        let ready = |lines: &[String]| lines.iter().any(|line| line.contains("daemon started")).then_some(());
        journal.wait("the start of Postfix", ready).await;
        Self { home, master, journal }
    }

    /// Every message that it took.
    pub fn taken(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.home.path().join("mail/box/new")) else { return Vec::new() };
        entries.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect()
    }

    /// Waits until it put `count` messages into its maildir.
    pub async fn wait_for(&self, count: usize) -> Vec<String> {
        let delivered = |lines: &[String]| {
            let done =
                lines.iter().filter(|line| line.contains("status=sent (delivered to maildir)")).count();
            (done >= count).then_some(())
        };
        self.journal.wait(&format!("message {count}"), delivered).await;
        self.taken()
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        if is_root() {
            let _ = Command::new("postfix").arg("-c").arg(self.home.path()).arg("abort").output();
        } else {
            // Its daemons end with it.
            let _ = Command::new("kill").arg(self.master.id().to_string()).status();
            let _ = self.master.wait();
        }
        let _ = self.master.kill();
        let _ = self.master.wait();
    }
}

/// How it is started: as root by its own command, else its first process on top of the shim.
fn start(home: &Path) -> Command {
    if is_root() {
        let mut command = Command::new("postfix");
        command.arg("-c").arg(home).arg("start-fg");
        return command;
    }
    let shim = home.join("superuser.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shim/superuser.c");
    let built = Command::new("gcc").args(["-shared", "-fPIC", "-O1", "-o"]).args([&shim, &source]).status();
    assert!(built.expect("gcc, which the build needs too").success());
    let daemons = Command::new("postconf").args(["-dh", "daemon_directory"]).output().unwrap().stdout;
    let daemons = String::from_utf8(daemons).unwrap();
    let mut command = Command::new(Path::new(daemons.trim()).join("master"));
    command.arg("-s").arg("-c").arg(home).env("MAIL_CONFIG", home).env("LD_PRELOAD", shim);
    command
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Who has the mailboxes that it fills.
fn mailbox_owner() -> &'static str {
    if is_root() { "nobody" } else { user() }
}

/// Who runs this.
fn user() -> &'static str {
    static USER: OnceLock<String> = OnceLock::new();
    USER.get_or_init(|| {
        let named = Command::new("id").arg("-un").output().unwrap().stdout;
        String::from_utf8(named).unwrap().trim().to_owned()
    })
}

fn chown_to(path: &Path, owner: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    let number = |kind| id(owner, kind).parse().unwrap();
    if is_root() {
        chown(path, Some(number("-u")), Some(number("-g"))).unwrap();
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn id(user: &str, kind: &str) -> String {
    let done = Command::new("id").args([kind, user]).output().unwrap();
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

/// The directories of its queue.
const QUEUE: [&str; 14] = [
    "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "maildrop", "pid",
    "private", "public", "saved", "trace",
];

/// What every Postfix has beside its servers; nothing in a chroot.
const SERVICES: &str = "\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
";
