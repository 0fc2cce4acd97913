//! `guardpost serve`: from a configuration to a service, and its signals.

use crate::app::appliance;
use crate::app::appliance::Appliance;
use crate::app::appliance::Parts;
use crate::app::error::AppError;
use crate::app::ground;
use crate::app::ground::Surroundings;
use crate::app::hardening;
use crate::app::log::Logging;
use crate::app::runtime;
use crate::app::settings::Settings;
use crate::config::Config;
use crate::flow::delivery::Courier;
use crate::net::listen;
use crate::store::error::StoreError;
use crate::vault::OsRandom;
use sd_notify::NotifyState;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::signal::unix::Signal;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;

/// Runs until SIGTERM or SIGINT.
pub fn run(settings: &Settings) -> Result<ExitCode, AppError> {
    let config = Arc::new(settings.load()?);
    ground::become_owner(&config.data_dir)?;
    let logging = Logging::begin(&config.log, &config.privacy, &OsRandom);
    hardening::forbid_dumps();
    runtime::start()?.block_on(serve(settings, config, &logging))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(settings: &Settings, config: Arc<Config>, logging: &Logging) -> Result<(), AppError> {
    let inherited = listen::inherited()?;
    let mut signals = Signals::new()?;
    let certificates = appliance::certificates(&config)?;
    let around = Surroundings::default();
    let flow = ground::open(config, &around).await?;
    let courier = Courier { dialer: around.dialer, web: around.web, ..Courier::default() };
    let parts = Parts { flow, certificates, inherited, courier };
    let appliance = Appliance::start(parts).await?;
    for (service, address) in appliance.places() {
        tracing::info!(service = service.name(), %address, "listening");
    }
    tracing::info!("ready");
    notify(&[NotifyState::Ready]);
    let mut ended = Ok(());
    loop {
        let wish = tokio::select! {
            wish = signals.next() => wish,
            () = appliance.poisoned() => {
                tracing::error!("the store stopped writing: stopping, so that a restart can look at it");
                ended = Err(StoreError::Poisoned.into());
                break;
            }
        };
        match wish {
            Wish::Stop => break,
            Wish::Reload => reload(settings, &appliance, logging).await,
        }
    }
    tracing::info!("stopping");
    notify(&[NotifyState::Stopping]);
    appliance.stop().await;
    tracing::info!("stopped");
    ended
}

/// A configuration with anything wrong in it changes nothing.
async fn reload(settings: &Settings, appliance: &Appliance, logging: &Logging) {
    // A reload that does not say when it began is not waited for.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(_) => notify(&[NotifyState::Reloading]),
    }
    let reloaded = match settings.load() {
        Ok(config) => {
            let config = Arc::new(config);
            let reloaded = appliance.reload(config.clone()).await;
            if reloaded.is_ok() {
                logging.change(&config.log, &config.privacy);
            }
            reloaded
        }
        Err(error) => Err(error),
    };
    match reloaded {
        Ok(()) => tracing::info!("configuration and certificates read again"),
        Err(error) => tracing::error!(%error, "not reloaded"),
    }
    notify(&[NotifyState::Ready]);
}

/// Nobody listens where no service manager started us.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "service manager not told");
    }
}

enum Wish {
    Stop,
    Reload,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> Result<Self, AppError> {
        let of = |kind| signal(kind).map_err(AppError::file("signals"));
        Ok(Self {
            terminate: of(SignalKind::terminate())?,
            interrupt: of(SignalKind::interrupt())?,
            hang_up: of(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.terminate.recv() => Wish::Stop,
            _ = self.interrupt.recv() => Wish::Stop,
            _ = self.hang_up.recv() => Wish::Reload,
        }
    }
}
