//! The ground that everything stands on: keys, store, spool, clocks, opened once.

use crate::app::clock::SystemClock;
use crate::app::error::AppError;
use crate::app::keys;
use crate::base::time::Clock;
use crate::config::Config;
use crate::flow::Flow;
use crate::flow::Ground;
use crate::net::dns::Dns;
use crate::net::dns::Table;
use crate::serve::control::dispatch::Dispatcher;
use crate::serve::control::request::Request;
use crate::serve::control::socket::Answering;
use crate::store::engine::Engine;
use crate::store::engine::Options;
use crate::store::spool::SpoolDir;
use crate::vault::OsRandom;
use crate::vault::slot::Parameters;
use serde_json::Value;
use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// Opens master key, keyring, store and spool of `config`, and puts the flows on them. Blocking.
pub fn open(config: Arc<Config>, dns: Arc<dyn Dns>) -> Result<Arc<Flow>, AppError> {
    open_with(config, dns, Arc::new(SystemClock), Parameters::PRODUCTION)
}

/// The same with another clock and another cost of passwords: for tests.
pub fn open_with(
    config: Arc<Config>,
    dns: Arc<dyn Dns>,
    clock: Arc<dyn Clock>,
    password_cost: Parameters,
) -> Result<Arc<Flow>, AppError> {
    let master = keys::read_master_key(&keys::master_key_place(&config))?;
    keys::make_data_dir(&config.data_dir)?;
    let keys = Arc::new(keys::open_keyring(&config.data_dir, &master, &OsRandom)?);
    // Wiped: the keyring is open.
    drop(master);
    let store = Engine::open(&config.data_dir, &keys, Options::default())?;
    let spool = config.data_dir.join("spool");
    let spools = SpoolDir::open(&spool).map_err(AppError::file(&spool))?;
    let ground = Ground {
        store: Arc::new(store),
        keys,
        spools,
        clock,
        random: Arc::new(OsRandom),
        dns,
        password_cost,
    };
    Ok(Flow::new(ground, config))
}

/// Does for a command what a running server would do.
pub fn answer(config: &Config, request: Request) -> Result<Value, AppError> {
    // Commands look up no names.
    let flow = open(Arc::new(config.clone()), Arc::new(Table::default())).map_err(|error| match error {
        AppError::File { path, error } if error.kind() == io::ErrorKind::PermissionDenied => {
            AppError::NotYours(path)
        }
        other => other,
    })?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(AppError::file("threads"))?;
    Ok(runtime.block_on(Dispatcher::new(flow).answer(request))?)
}

/// Goes on as the owner of the data directory when root runs a command: files that root made would lock the service
/// out. Runs this program anew, so it comes before anything is asked or read.
pub fn become_owner(data_dir: &Path) -> Result<(), AppError> {
    let Ok(owner) = fs::metadata(data_dir) else { return Ok(()) };
    if is_own(data_dir) || !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let program = env::current_exe().map_err(AppError::file("/proc/self/exe"))?;
    let failed = Command::new(&program).args(env::args_os().skip(1)).uid(owner.uid()).gid(owner.gid()).exec();
    Err(AppError::file(program)(failed))
}

/// Whether the data directory is this user's own, or not there.
pub fn is_own(data_dir: &Path) -> bool {
    let user = rustix::process::geteuid().as_raw();
    fs::metadata(data_dir).map_or(true, |metadata| metadata.uid() == user)
}
