//! From a configuration to the flows: keys opened, store opened, everything that was half done tidied.
//!
//! The server stands on it, and so do the commands that find no server running.

use crate::app::clock::SystemClock;
use crate::app::error::AppError;
use crate::app::keys;
use crate::app::templates;
use crate::base::random::Random;
use crate::base::time::Clock;
use crate::config::Config;
use crate::config::section::DnsTrust;
use crate::flow::Flow;
use crate::flow::Ground;
use crate::flow::delivery::Courier;
use crate::net::dial::Dialer;
use crate::net::dns;
use crate::net::dns::Dns;
use crate::net::dns::Table;
use crate::net::http_client::HttpsClient;
use crate::serve::control::dispatch::Dispatcher;
use crate::serve::control::request::Request;
use crate::serve::control::socket::Answering;
use crate::store::engine;
use crate::store::engine::Engine;
use crate::store::error::StoreError;
use crate::store::spool::SpoolDir;
use crate::threads;
use crate::vault::OsRandom;
use crate::vault::keyring::Keys;
use crate::vault::slot::Parameters;
use rustix::fs::FlockOperation;
use rustix::fs::flock;
use rustix::io::Errno;
use serde_json::Value;
use std::env;
use std::fs;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// What the appliance finds around it: real on a server, at will in tests.
#[derive(Clone)]
pub struct Surroundings {
    /// Both clocks.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// The resolver; `None` is what `[dns]` says.
    pub dns: Option<Arc<dyn Dns>>,
    /// How other servers are dialled.
    pub dialer: Dialer,
    /// How texts are fetched from web servers.
    pub web: HttpsClient,
    /// What a new password costs to guess.
    pub password_cost: Parameters,
    /// How the store is opened.
    pub store: engine::Options,
    /// Take what the service manager hands over; once in a process.
    pub inherit_sockets: bool,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            random: Arc::new(OsRandom),
            dns: None,
            dialer: Dialer::default(),
            web: HttpsClient::default(),
            password_cost: Parameters::PRODUCTION,
            store: engine::Options::default(),
            inherit_sockets: false,
        }
    }
}

/// Opens the data directory of `config`, or makes it, and puts the flows on it. Within a runtime.
pub async fn open(config: Arc<Config>, around: &Surroundings) -> Result<Arc<Flow>, AppError> {
    let dns: Arc<dyn Dns> = match &around.dns {
        Some(dns) => dns.clone(),
        None => resolver(&config, around.random.clone())?,
    };
    let (data_dir, random, options) = (config.data_dir.clone(), around.random.clone(), around.store.clone());
    let recovery = keys::recovery_certificate(&config, around.clock.now())?;
    let wordings = templates::read_aside(config.clone()).await?;
    let key_file = keys::master_key_place(&config);
    let opening = threads::blocking(move || open_disk(&data_dir, &key_file, &*random, options));
    let Ok(opened) = opening.await else {
        return Err(StoreError::Damaged { what: "opening broke off" }.into());
    };
    let (keys, engine, spools) = opened?;
    let ground = Ground {
        store: Arc::new(engine),
        keys: Arc::new(keys),
        spools,
        clock: around.clock.clone(),
        random: around.random.clone(),
        dns,
        password_cost: around.password_cost,
    };
    let flow = Flow::new(ground, config);
    flow.set_recovery(recovery);
    flow.set_wordings(wordings);
    Ok(flow)
}

/// What `[dns]` says.
fn dns_options(config: &Config) -> dns::Options {
    let asked = &config.dns;
    let trust = match asked.trust {
        DnsTrust::Auto => dns::Trust::Auto,
        DnsTrust::Ad => dns::Trust::Ad,
        DnsTrust::Builtin => dns::Trust::Builtin,
        DnsTrust::None => dns::Trust::None,
    };
    dns::Options {
        servers: asked.servers.clone(),
        trust,
        trust_ad_from: asked.trust_ad_from.clone(),
        trust_anchor_file: asked.trust_anchor_file.clone(),
    }
}

/// The resolver that `[dns]` asks for, without anything else.
pub fn resolver(config: &Config, random: Arc<dyn Random>) -> Result<Arc<dyn Dns>, AppError> {
    Ok(dns::open(&dns_options(config), random)?)
}

/// The master key is read and wiped again here; nothing is written before it has opened the keyring.
fn open_disk(
    data_dir: &Path,
    key_file: &Path,
    random: &dyn Random,
    options: engine::Options,
) -> Result<(Keys, Engine, SpoolDir), AppError> {
    let master = keys::read_master_key(key_file)?;
    keys::make_data_dir(data_dir)?;
    // Two first starts at once must not make two keyrings.
    let opening = File::open(data_dir).map_err(AppError::file(data_dir))?;
    match flock(&opening, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Err(StoreError::InUse.into()),
        Err(error) => return Err(AppError::file(data_dir)(error.into())),
    }
    let opened = keys::open_keyring(data_dir, &master, random)?;
    drop(master);
    let engine = Engine::open(data_dir, &opened, options)?;
    let spool = data_dir.join("spool");
    let spools = SpoolDir::open(&spool).map_err(AppError::file(spool))?;
    Ok((opened, engine, spools))
}

/// Does for a command what a running server would do.
pub fn answer(config: &Config, request: Request) -> Result<Value, AppError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(AppError::file("threads"))?;
    // All other commands look up no names.
    let looks_up = matches!(request, Request::CertificateFetch { .. } | Request::Recipient { .. });
    let dns = (!looks_up).then(|| Arc::new(Table::default()) as Arc<dyn Dns>);
    let around = Surroundings { dns, ..Surroundings::default() };
    runtime.block_on(async {
        let flow = open(Arc::new(config.clone()), &around).await.map_err(|error| match error {
            AppError::File { path, error } if error.kind() == io::ErrorKind::PermissionDenied => {
                AppError::NotYours(path)
            }
            other => other,
        })?;
        Ok(Dispatcher::new(flow, Courier::default(), templates::read).answer(request).await?)
    })
}

/// Goes on as the owner of the data directory when root runs a command: files that root made would lock the service
/// out. Runs this program anew, so it comes before anything is asked or read.
pub fn become_owner(data_dir: &Path) -> Result<(), AppError> {
    make_for_service(data_dir)?;
    let Ok(owner) = fs::metadata(data_dir) else { return Ok(()) };
    if is_own(data_dir) || !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let program = env::current_exe().map_err(AppError::file("/proc/self/exe"))?;
    let failed = Command::new(&program).args(env::args_os().skip(1)).uid(owner.uid()).gid(owner.gid()).exec();
    Err(AppError::file(program)(failed))
}

/// When root makes the data directory on a machine that has the package's user, it is that user's.
pub fn make_for_service(data_dir: &Path) -> Result<(), AppError> {
    if data_dir.exists() || !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let Some((user, group)) = service_user(&users) else { return Ok(()) };
    keys::make_data_dir(data_dir)?;
    chown(data_dir, Some(user), Some(group)).map_err(AppError::file(data_dir))
}

/// The ids of the package's user in a passwd file.
fn service_user(users: &str) -> Option<(u32, u32)> {
    let line = users.lines().find_map(|line| line.strip_prefix("guardpost:"))?;
    let mut fields = line.split(':').skip(1);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Whether the data directory is this user's own, or not there.
pub fn is_own(data_dir: &Path) -> bool {
    let user = rustix::process::geteuid().as_raw();
    fs::metadata(data_dir).map_or(true, |metadata| metadata.uid() == user)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::app::keys::create_master_key;
    use crate::store::Health;

    /// A configuration in `home`, with its master key made.
    pub(crate) fn config(home: &Path, more: &str) -> Arc<Config> {
        let home = home.display();
        let text = format!(
            "hostname = \"mail.a.example\"\ndata_dir = \"{home}/data\"\nrun_dir = \"{home}\"\n\
             master_key_file = \"{home}/master.key\"\n[tls]\ncertificate = \"{home}/tls.crt\"\n\
             key = \"{home}/tls.key\"\n[portal]\nurl = \"https://mail.a.example\"\n\
             [[domain]]\nname = \"a.example\"\n{more}"
        );
        let config = Config::from_text(&text).unwrap_or_else(|complaints| panic!("{complaints}"));
        if !config.master_key_file.exists() {
            create_master_key(&config.master_key_file, &config.data_dir, &OsRandom).unwrap();
        }
        Arc::new(config)
    }

    fn around() -> Surroundings {
        let store = engine::Options { reserve: 0, ..engine::Options::default() };
        Surroundings { store, password_cost: Parameters::SMALL, ..Surroundings::default() }
    }

    #[test]
    fn finds_the_packages_user() {
        let users =
            "root:x:0:0:root:/root:/bin/sh\nguardpost:x:998:997::/var/lib/guardpost:/usr/sbin/nologin\n";
        assert_eq!(service_user(users), Some((998, 997)));
        assert_eq!(service_user("guardposter:x:1:1::/:\n"), None);
        assert_eq!(service_user("guardpost:x:one:1::/:\n"), None);
    }

    #[tokio::test]
    async fn opens_once_and_empties_the_spool() {
        let home = tempfile::tempdir().unwrap();
        let config = config(home.path(), "");
        let flow = open(config.clone(), &around()).await.unwrap();
        assert_eq!(flow.store.health(), Health::Good);
        let second = open(config.clone(), &around()).await.err().unwrap();
        assert_eq!(
            (second.exit(), second.to_string().as_str()),
            (69, "the store is in use by another process")
        );
        drop(flow);
        let left = config.data_dir.join("spool/left");
        fs::write(&left, "x").unwrap();
        drop(open(config, &around()).await.unwrap());
        assert!(!left.exists());
    }

    #[tokio::test]
    async fn nothing_is_written_without_the_right_key() {
        let home = tempfile::tempdir().unwrap();
        let config = config(home.path(), "");
        fs::write(&config.master_key_file, [1; 31]).unwrap();
        let trouble = open(config.clone(), &around()).await.err().unwrap();
        assert!(trouble.exit() == 78 && trouble.to_string().contains("31"), "{trouble}");
        assert!(!config.data_dir.exists());
        fs::write(&config.master_key_file, [1; 32]).unwrap();
        drop(open(config.clone(), &around()).await.unwrap());
        fs::write(&config.master_key_file, [2; 32]).unwrap();
        let trouble = open(config.clone(), &around()).await.err().unwrap();
        assert!(trouble.exit() == 78 && trouble.to_string().contains("keyring"), "{trouble}");
        fs::remove_file(config.data_dir.join("keyring")).unwrap();
        let trouble = open(config, &around()).await.err().unwrap();
        assert_eq!(trouble.exit(), 74, "{trouble}");
    }
}
