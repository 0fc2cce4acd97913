//! IMAP as real clients speak it: Python's imaplib, curl, mbsync and mutt, on the engine on disk.

use crate::odd_mail;
use crate::odd_mail::OddMail;
use guardpost::base::address::Address;
use guardpost::base::envelope::Envelope;
use guardpost::base::envelope::Recipient;
use guardpost::base::reverse_path::ReversePath;
use guardpost::base::secret::Secret;
use guardpost::base::time::Clock;
use guardpost::base::time::Time;
use guardpost::config::Config;
use guardpost::flow::Flow;
use guardpost::flow::Ground;
use guardpost::flow::intake::Arrived;
use guardpost::flow::intake::Peer;
use guardpost::mime::scan::Limits as ScanLimits;
use guardpost::mime::scan::Scanner;
use guardpost::net::dns::Table;
use guardpost::net::gate::Gate;
use guardpost::net::gate::GateLimits;
use guardpost::net::listen;
use guardpost::net::listen::Intake;
use guardpost::net::listen::Service;
use guardpost::net::tls::Alpn;
use guardpost::net::tls::Certificates;
use guardpost::net::tls::self_signed;
use guardpost::serve::imap::Imap;
use guardpost::serve::imap::Limits;
use guardpost::store;
use guardpost::store::engine::Options;
use guardpost::store::place::Space;
use guardpost::store::place::SpaceProbe;
use guardpost::store::spool::SpoolDir;
use guardpost::vault::OsRandom;
use guardpost::vault::keyring::Keys;
use guardpost::vault::slot::Parameters;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const USER: &str = "alice@example.org";
const PASSWORD: &str = "alice likes long passwords";
const SEED: u64 = 20_261_122;

struct RealClock(Instant);

impl Clock for RealClock {
    fn now(&self) -> Time {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        Time(i64::try_from(since.as_secs()).unwrap())
    }

    fn running(&self) -> Duration {
        self.0.elapsed()
    }
}

/// IMAP inside TLS and with STARTTLS, for one account.
struct Server {
    flow: Arc<Flow>,
    imaps: SocketAddr,
    imap: SocketAddr,
    stop: CancellationToken,
    dir: tempfile::TempDir,
}

impl Server {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = Config::from_text(
            "hostname = \"localhost\"\ntls = { certificate = \"/c\", key = \"/k\" }\n\
             portal = { url = \"https://localhost\" }\n[[domain]]\nname = \"example.org\"\n",
        )
        .unwrap();
        let keys = Arc::new(Keys::generate(&OsRandom));
        // Whatever else lies on the disk of this machine.
        let room = SpaceProbe::new(|_| Ok(Space { free: 1 << 40, total: 1 << 40 }));
        let options = Options { reserve: 0, space: room, ..Options::default() };
        let data = dir.path().join("data");
        fs::create_dir(&data).unwrap();
        let ground = Ground {
            store: store::open(&data, &keys, options).unwrap(),
            keys,
            spools: SpoolDir::open(&dir.path().join("spool")).unwrap(),
            clock: Arc::new(RealClock(Instant::now())),
            random: Arc::new(OsRandom),
            dns: Arc::new(Table::default()),
            password_cost: Parameters::SMALL,
        };
        let flow = Flow::new(ground, Arc::new(config));
        let alice = Address::parse(USER).unwrap();
        flow.add_account(&alice, &Secret::new(PASSWORD.to_owned())).await.unwrap();
        let made = self_signed(&["localhost".into(), "127.0.0.1".into()], flow.clock.now()).unwrap();
        fs::write(dir.path().join("certificate.pem"), made.certificate.as_bytes()).unwrap();
        let certificates = Certificates::fixed(made.certificate.as_bytes(), made.key.as_bytes()).unwrap();
        let tls = certificates.server(Alpn::Imap).unwrap();
        let handler = Arc::new(Imap::new(flow.clone(), Some(tls.clone()), Limits::default()));
        let stop = CancellationToken::new();
        let intake =
            Intake { gate: Gate::new(GateLimits::default()), tasks: TaskTracker::new(), stop: stop.clone() };
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let inside = listen::bind(Service::Imaps, any).unwrap();
        let plain = listen::bind(Service::Imap, any).unwrap();
        let (imaps, imap) = (inside.address, plain.address);
        intake.open(inside, Some(tls), handler.clone());
        intake.open(plain, None, handler);
        Self { flow, imaps, imap, stop, dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Mail from outside.
    async fn deliver(&self, octets: &[u8]) {
        let mut spool = self.flow.spools.begin();
        spool.write_all(octets).unwrap();
        let arrived = Arrived {
            envelope: Envelope {
                sender: ReversePath::Address(Address::parse("x@example.net").unwrap()),
                recipients: vec![Recipient::plain(Address::parse(USER).unwrap())],
                eight_bit: true,
                ..Envelope::default()
            },
            spool: spool.finish().unwrap(),
            structure: Scanner::scan(octets, ScanLimits::default()).unwrap(),
            peer: Peer {
                ip: IpAddr::from([192, 0, 2, 7]),
                helo: "client.example".into(),
                extended: true,
                tls: None,
            },
        };
        self.flow.take_in(arrived).await.unwrap();
    }

    /// Writes the messages as files for a judge.
    fn write(&self, messages: &[OddMail]) -> PathBuf {
        let directory = self.path("odd");
        fs::create_dir(&directory).unwrap();
        let mut index = Vec::new();
        for (number, message) in messages.iter().enumerate() {
            let file = format!("{number}.eml");
            fs::write(directory.join(&file), &message.octets).unwrap();
            index.push(serde_json::json!({
                "file": file,
                "subject_word": message.subject_word,
                "body_word": message.body_word,
                "regular": message.regular,
            }));
        }
        fs::write(directory.join("index.json"), serde_json::to_vec(&index).unwrap()).unwrap();
        directory
    }

    /// A script beside this file.
    async fn python(&self, script: &str, arguments: &[&str]) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e").join(script);
        let mut python = Command::new("timeout");
        python.arg("300").arg("python3").arg("-B").arg(script).arg(self.imaps.port().to_string());
        python.args([USER, PASSWORD]).args(arguments);
        succeeded(run(python).await)
    }

    /// curl, signed in, not asking whose certificate it is.
    async fn curl(&self, scheme: &str, path: &str, arguments: &[&str]) -> String {
        let address = if scheme == "imaps" { self.imaps } else { self.imap };
        let mut curl = Command::new("timeout");
        curl.args(["120", "curl", "-sS", "-k", "--ssl-reqd", "-u", &format!("{USER}:{PASSWORD}")]);
        curl.arg(format!("{scheme}://{address}/{path}")).args(arguments);
        succeeded(run(curl).await)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn succeeded(output: Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// The octets of every file of a Maildir.
fn maildir(path: &Path) -> Vec<Vec<u8>> {
    let mut mails = Vec::new();
    for part in ["cur", "new"] {
        for entry in fs::read_dir(path.join(part)).unwrap() {
            mails.push(fs::read(entry.unwrap().path()).unwrap());
        }
    }
    mails
}

fn unix(octets: &[u8]) -> String {
    // Latin-1, so that every octet is a character of its own.
    octets.iter().map(|byte| char::from(*byte)).collect::<String>().replace("\r\n", "\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_messages_come_back_octet_for_octet() {
    let server = Server::start().await;
    let directory = server.write(&odd_mail::messages(SEED, 240));
    let told = server.python("imap_check.py", &[directory.to_str().unwrap(), "append"]).await;
    assert!(told.starts_with("240 messages, "), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_messages_from_outside_are_shown_as_they_were_sent() {
    let server = Server::start().await;
    let messages = odd_mail::messages(SEED + 1, 200);
    for message in &messages {
        server.deliver(&message.octets).await;
    }
    let directory = server.write(&messages);
    let told = server.python("imap_check.py", &[directory.to_str().unwrap(), "delivered"]).await;
    assert!(told.starts_with("200 messages, "), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_clients_on_one_folder_agree() {
    let server = Server::start().await;
    let told = server.python("imap_stress.py", &["8", "60", "1"]).await;
    assert!(told.starts_with("8 clients, "), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_lists_reads_searches_and_stores() {
    let server = Server::start().await;
    let mail = server.path("mail.eml");
    fs::write(&mail, "Subject: from curl\r\nFrom: a@b.example\r\n\r\nhello curl\r\n").unwrap();
    server.curl("imaps", "INBOX", &["-T", mail.to_str().unwrap()]).await;
    assert!(server.curl("imaps", "", &[]).await.contains("* LIST (\\HasNoChildren \\Sent) \"/\" Sent\r\n"));
    assert_eq!(server.curl("imaps", "INBOX?SUBJECT%20curl", &[]).await, "* SEARCH 1\r\n");
    assert_eq!(server.curl("imaps", "INBOX;UID=1;SECTION=TEXT", &[]).await, "hello curl\r\n");
    let whole = server.curl("imap", "INBOX;UID=1", &[]).await;
    assert_eq!(whole.as_bytes(), fs::read(&mail).unwrap());
    fs::write(&mail, "Subject: the second\r\nFrom: a@b.example\r\n\r\nhello again\r\n").unwrap();
    server.curl("imaps", "INBOX", &["-T", mail.to_str().unwrap()]).await;
    let newest = server.curl("imaps", "INBOX;MAILINDEX=*", &[]).await;
    assert_eq!(newest.as_bytes(), fs::read(&mail).unwrap(), "as the demo says");
    let flags = server.curl("imap", "INBOX", &["-X", "UID FETCH 1 FLAGS"]).await;
    assert_eq!(flags, "* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn mbsync_copies_both_ways() {
    let server = Server::start().await;
    let messages = odd_mail::messages(SEED + 2, 40);
    for message in &messages {
        server.deliver(&message.octets).await;
    }
    let (rc, mail) = (server.path("mbsyncrc"), server.path("mail"));
    fs::create_dir(&mail).unwrap();
    let version = succeeded(
        run({
            let mut mbsync = Command::new("mbsync");
            mbsync.arg("--version");
            mbsync
        })
        .await,
    );
    // 1.5 renamed the keyword.
    let tls = if version.contains("1.5") { "TLSType" } else { "SSLType" };
    let settings = format!(
        "IMAPAccount g\nHost localhost\nPort {}\nUser {USER}\nPass \"{PASSWORD}\"\n{tls} IMAPS\nCertificateFile {}\n\n\
         IMAPStore far\nAccount g\n\nMaildirStore near\nPath {mail}/\nInbox {mail}/INBOX\nSubFolders Verbatim\n\n\
         Channel c\nFar :far:\nNear :near:\nPatterns *\nCreate Near\nExpunge Both\nSyncState *\n",
        server.imaps.port(),
        server.path("certificate.pem").display(),
        mail = mail.display(),
    );
    fs::write(&rc, settings).unwrap();
    let sync = || {
        let mut mbsync = Command::new("timeout");
        mbsync.args(["120", "mbsync", "-c"]).arg(&rc).arg("c");
        run(mbsync)
    };
    succeeded(sync().await);
    for folder in ["INBOX", "Sent", "Drafts", "Trash", "Junk"] {
        assert!(mail.join(folder).is_dir(), "{folder}");
    }
    let got: Vec<String> = maildir(&mail.join("INBOX")).iter().map(|octets| unix(octets)).collect();
    assert_eq!(got.len(), 40);
    for message in &messages {
        let want = unix(&message.octets);
        // mbsync puts a field of its own into the header of what it stores.
        let body = want.split_once("\n\n").unwrap().1;
        assert!(got.iter().any(|got| got.split_once("\n\n").unwrap().1 == body));
    }
    fs::write(mail.join("INBOX/new/1.x.y"), "Subject: from mbsync\nFrom: a@b.example\n\nhello mbsync\n")
        .unwrap();
    let read = fs::read_dir(mail.join("INBOX/new")).unwrap().map(|entry| entry.unwrap().path());
    let read = read.filter(|path| !path.ends_with("1.x.y")).min().unwrap();
    let name = read.file_name().unwrap().to_str().unwrap().split(':').next().unwrap().to_owned();
    fs::rename(&read, mail.join("INBOX/cur").join(format!("{name}:2,FS"))).unwrap();
    succeeded(sync().await);
    let flagged = server.curl("imaps", "INBOX?FLAGGED%20SEEN", &[]).await;
    assert_eq!(flagged.split(' ').count(), 3, "{flagged}");
    assert_eq!(server.curl("imaps", "INBOX?SUBJECT%20mbsync", &[]).await, "* SEARCH 41\r\n");
    assert!(server.curl("imaps", "INBOX;UID=41;SECTION=TEXT", &[]).await.starts_with("hello mbsync"));
}

#[tokio::test(flavor = "multi_thread")]
async fn mutt_shows_and_copies_a_folder() {
    let server = Server::start().await;
    let messages = odd_mail::messages(SEED + 3, 60);
    for message in &messages {
        server.deliver(&message.octets).await;
    }
    let (rc, out) = (server.path("muttrc"), server.path("out"));
    let settings = format!(
        "set ssl_force_tls=yes\nset certificate_file={}\nset ssl_verify_host=no\nset imap_user=\"{USER}\"\n\
         set imap_pass=\"{PASSWORD}\"\nset folder=imaps://localhost:{port}/\nset spoolfile=+INBOX\nset record=\"\"\n\
         set mbox_type=Maildir\nset confirmappend=no\nset confirmcreate=no\nset quit=yes\nset move=no\nset wait_key=no\n\
         push \"<tag-pattern>~A<enter><tag-prefix><copy-message>{out}<enter><exit>\"\n",
        server.path("certificate.pem").display(),
        port = server.imaps.port(),
        out = out.display(),
    );
    fs::write(&rc, settings).unwrap();
    let mut mutt = Command::new("timeout");
    let inner = format!("mutt -F {} -f imaps://localhost:{}/INBOX", rc.display(), server.imaps.port());
    // mutt wants a terminal; script gives it one.
    mutt.args(["120", "script", "-qec", &inner, "/dev/null"]).env("TERM", "vt100");
    succeeded(run(mutt).await);
    let got: BTreeSet<String> = maildir(&out).iter().map(|octets| unix(octets)).collect();
    assert_eq!(got.len(), 60);
    for message in messages {
        let want = unix(&message.octets);
        let body = want.split_once("\n\n").unwrap().1.trim_end_matches('\n');
        // mutt puts fields of its own in front of what it takes for the end of the header.
        assert!(got.iter().any(|got| got.trim_end_matches('\n').ends_with(body)), "{want:.600}");
    }
}
