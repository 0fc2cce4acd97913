//! The appliance in its world: `guardpost serve` in a namespace of its own, or the appliance inside the test.

use crate::harness::ALIAS_DOMAIN;
use crate::harness::DOMAIN;
use crate::harness::HOST;
use crate::harness::House;
use crate::harness::PASSWORD;
use crate::harness::begin_log;
use crate::mail_client::Imap;
use crate::mail_client::Smtp;
use crate::net::journal::Journal;
use crate::net::space::HOUSE;
use crate::net::space::Space;
use crate::net::world::World;
use crate::peer::Plan;
use crate::tls_policy::all_tried;
use guardpost::app::keys::create_master_key;
use guardpost::base::address::Address;
use guardpost::base::address::Domain;
use guardpost::flow::stored_certificates;
use guardpost::net::dns;
use guardpost::net::dns::Options;
use guardpost::net::dns::Trust;
use guardpost::net::listen::Service;
use guardpost::policy::tls::Stored;
use guardpost::vault::OsRandom;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Child;
use std::process::Stdio;
use std::sync::Arc;
use tempfile::TempDir;

/// Who writes.
pub const ALICE: &str = "alice@house.example";

/// Her secure alias.
pub const ALIAS: &str = "alice@secure.house.example";

/// The appliance as it sends; it ends with this.
pub enum Sender {
    /// `guardpost serve`.
    Served(Box<Served>),
    /// Inside the test, on loopback; and how long the log was before it came.
    Inside(Box<House>, usize),
}

/// A running `guardpost serve`.
pub struct Served {
    home: TempDir,
    server: Child,
    journal: Journal,
    space: Space,
}

impl Sender {
    /// With alice@ as its account, `dns` as its way to look up names, and `more` at the end of guard.toml; `stored` are
    /// certificates that it has for domains.
    pub async fn start(world: &World, trust: Trust, more: &str, stored: &[(String, Vec<u8>)]) -> Self {
        match world.space {
            Space::Namespaces => Self::Served(Box::new(Served::start(world, trust, more, stored).await)),
            Space::Loopback => {
                let options = Options {
                    servers: vec![world.resolver(trust)],
                    trust,
                    trust_anchor_file: Some(world.zones.anchor()),
                    ..Options::default()
                };
                let dns = dns::open(&options, Arc::new(OsRandom)).unwrap();
                // Others were there before; what was logged of them is not of this one.
                let before = begin_log().length();
                // It is nobody's MX; the world's port is its.
                let nobody = Plan::default().at("127.0.9.19", world.port).open().await;
                let house = House::among(nobody, Some(dns), more).await;
                house.add_account(ALICE, PASSWORD).await;
                for (domain, certificate) in stored {
                    let stored = Stored::certificate(certificate).unwrap();
                    let domain = Domain::parse(domain).unwrap();
                    stored_certificates::add(house.flow(), domain, &stored).await.unwrap();
                }
                Self::Inside(Box::new(house), before)
            }
        }
    }

    /// The same, and Alice has a secure alias.
    pub async fn start_with_alias(
        world: &World,
        trust: Trust,
        more: &str,
        stored: &[(String, Vec<u8>)],
    ) -> Self {
        let mut sender = Self::start(world, trust, more, stored).await;
        match &mut sender {
            Self::Inside(house, _) => {
                house.stop().await;
                house.aliases = true;
                house.start().await;
                house.flow().switch_alias(&Address::parse(ALICE).unwrap(), true).await.unwrap();
            }
            Self::Served(served) => {
                command(served.space, served.home.path(), &["account", "alias", "on", ALICE], "");
            }
        }
        sender
    }

    /// Alice, signed in for submission.
    pub async fn alice_sends(&self) -> Smtp {
        match self {
            Self::Inside(house, _) => house.alice_sends().await,
            Self::Served(served) => {
                let mut smtp = Smtp::connect_at(served.place(465)).await;
                assert_eq!(smtp.sign_in(ALICE, PASSWORD).await.code, 235);
                smtp
            }
        }
    }

    /// Alice, signed in for IMAP.
    pub async fn alice_reads(&self) -> Imap {
        match self {
            Self::Inside(house, _) => house.alice_reads().await,
            Self::Served(served) => {
                let mut imap = Imap::connect_at(served.place(993)).await;
                imap.sign_in(ALICE, PASSWORD).await.unwrap_or_else(|refusal| panic!("{refusal}"));
                imap
            }
        }
    }

    /// Where others bring mail for its accounts.
    pub fn door(&self) -> SocketAddr {
        match self {
            Self::Inside(house, _) => (crate::harness::LOOPBACK, house.port(Service::Smtp)).into(),
            Self::Served(served) => served.place(25),
        }
    }

    /// How the first try to each of these domains ended: `tls=dane`, `wait 4.7.5`, `bounce 5.7.4`; and the whole line.
    pub async fn outcomes(&self, domains: &[String]) -> BTreeMap<String, (String, String)> {
        match self {
            Self::Inside(house, before) => {
                all_tried(house).await;
                let log = String::from_utf8(begin_log().from(*before)).unwrap();
                let lines: Vec<String> = log.lines().map(str::to_owned).collect();
                ends(&lines, domains).expect("every domain was tried")
            }
            Self::Served(served) => {
                served.journal.wait("every first try", |lines| ends(lines, domains)).await
            }
        }
    }

    /// Ends it in order.
    pub async fn stop(self) {
        match self {
            Self::Inside(mut house, _) => house.stop().await,
            Self::Served(served) => drop(served),
        }
    }
}

fn ends(lines: &[String], domains: &[String]) -> Option<BTreeMap<String, (String, String)>> {
    let mut found = BTreeMap::new();
    for line in lines {
        let Some(domain) = line.split(" domain=").nth(1).and_then(|rest| rest.split(' ').next()) else {
            continue;
        };
        let word = |key: &str| {
            line.split(&format!(" {key}=")).nth(1).map(|rest| rest.trim_start_matches('"').to_owned())
        };
        let first = |text: String| text.split(' ').next().unwrap_or_default().to_owned();
        let end = if line.contains(" not delivered yet") {
            word("reason").map(|reason| format!("wait {}", first(reason)))
        } else if line.contains(" not delivered") {
            word("reason").map(|reason| format!("bounce {}", first(reason)))
        } else if line.contains(" delivered ") {
            line.split(' ')
                .find(|word| word.starts_with("tls="))
                .map(|word| word.trim_end_matches(';').into())
        } else {
            None
        };
        if let Some(end) = end {
            found.entry(domain.to_owned()).or_insert((end, line.clone()));
        }
    }
    domains.iter().map(|domain| found.get(domain).map(|end| (domain.clone(), end.clone()))).collect()
}

impl Served {
    async fn start(world: &World, trust: Trust, more: &str, stored: &[(String, Vec<u8>)]) -> Self {
        let home = tempfile::Builder::new().prefix("served").tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        fs::write(at("tls.crt"), &world.house.certificate).unwrap();
        fs::write(at("tls.key"), world.house.key.as_bytes()).unwrap();
        let word = match trust {
            Trust::Auto => "auto",
            Trust::Ad => "ad",
            Trust::Builtin => "builtin",
            Trust::None => "none",
        };
        let anchor = match trust {
            Trust::Auto | Trust::Builtin => {
                format!("trust_anchor_file = \"{}\"\n", world.zones.anchor().display())
            }
            Trust::Ad | Trust::None => String::new(),
        };
        let config = format!(
            "hostname = \"{HOST}\"\ndata_dir = \"{home}/data\"\nrun_dir = \"{home}/run\"\n\
             master_key_file = \"{home}/master.key\"\n\
             [listen]\nsmtp = [\"{ip}:25\"]\nsubmission = []\nsubmissions = [\"{ip}:465\"]\nimaps = [\"{ip}:993\"]\n\
             https = []\nhttp = []\n\
             [tls]\ncertificate = \"{home}/tls.crt\"\nkey = \"{home}/tls.key\"\n\
             [portal]\nurl = \"https://{HOST}\"\nbrand = \"House\"\n[[domain]]\nname = \"{DOMAIN}\"\n\
             secure_alias_domain = \"{ALIAS_DOMAIN}\"\n\
             [dns]\nservers = [\"{resolver}\"]\ntrust = \"{word}\"\n{anchor}\
             [log]\nformat = \"text\"\nlevel = \"info\"\n[privacy]\nlog_addresses = \"full\"\n{more}",
            home = home.path().display(),
            ip = world.space.peer(HOUSE),
            resolver = world.resolver(trust),
        );
        fs::write(at("guard.toml"), config).unwrap();
        create_master_key(&at("master.key"), &at("data"), &OsRandom).unwrap();
        command(world.space, home.path(), &["account", "add", ALICE, "--password-stdin"], PASSWORD);
        for (domain, certificate) in stored {
            let pem = pem(certificate);
            fs::write(at("stored.pem"), pem).unwrap();
            let file = at("stored.pem").display().to_string();
            command(world.space, home.path(), &["certificate", "add", domain, &file, "--yes"], "");
        }
        let mut server = world.space.beside_sender(env!("CARGO_BIN_EXE_guardpost"));
        server.arg("--config").arg(at("guard.toml")).arg("serve").stderr(Stdio::piped());
        let mut server = server.spawn().unwrap();
        let journal = Journal::of(server.stderr.take().unwrap());
        let ready = |lines: &[String]| lines.iter().any(|line| line.contains(" ready")).then_some(());
        journal.wait("the start of guardpost", ready).await;
        Self { home, server, journal, space: world.space }
    }

    fn place(&self, port: u16) -> SocketAddr {
        (self.space.peer(HOUSE), port).into()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = std::process::Command::new("kill").arg(self.server.id().to_string()).status();
        let _ = self.server.wait();
        assert!(self.home.path().exists(), "its files are there until its end");
    }
}

/// A command at its configuration.
fn command(space: Space, home: &Path, arguments: &[&str], said: &str) {
    let mut command = space.beside_sender(env!("CARGO_BIN_EXE_guardpost"));
    command.arg("--config").arg(home.join("guard.toml")).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = command.spawn().unwrap();
    writeln!(running.stdin.take().unwrap(), "{said}").unwrap();
    let done = running.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{arguments:?}: {words}");
}

/// A certificate as a file holds it.
fn pem(der: &[u8]) -> String {
    let text = data_encoding::BASE64.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}
