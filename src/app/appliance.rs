//! The appliance at work: listeners, workers, control socket, and the order in which they stop.
//!
//! It stops from the outside in: no new connection, sessions end at a good moment, then the queue and the socket,
//! and at last the store, when nobody holds it any more.

use crate::app::error::AppError;
use crate::app::keys;
use crate::app::templates;
use crate::base::dns::Validation;
use crate::config::Config;
use crate::flow::Flow;
use crate::flow::alarms;
use crate::flow::delivery::Courier;
use crate::flow::expiry;
use crate::flow::mta_sts;
use crate::flow::notices;
use crate::flow::queue::Worker;
use crate::flow::refused;
use crate::flow::sightings;
use crate::flow::signing;
use crate::flow::stored_certificates;
use crate::net::gate::Gate;
use crate::net::gate::GateLimits;
use crate::net::listen;
use crate::net::listen::Bound;
use crate::net::listen::Intake;
use crate::net::listen::Service;
use crate::net::tls::CertificateFiles;
use crate::net::tls::Certificates;
use crate::net::tls::TlsServer;
use crate::serve::control::dispatch::Dispatcher;
use crate::serve::control::socket::ControlSocket;
use crate::serve::http::HttpServer;
use crate::serve::imap;
use crate::serve::imap::Imap;
use crate::serve::portal::Portal;
use crate::serve::smtp::Smtp;
use crate::smtp::server::Role;
use crate::store::Health;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Sessions get so long to come to an end.
const DRAIN: Duration = Duration::from_secs(30);
/// A resolver that does not validate is tested again so often.
const TEST_AGAIN: Duration = Duration::from_secs(60);
/// The store's health is looked at this often.
const LOOK: Duration = Duration::from_secs(1);

/// What an appliance is made of.
pub struct Parts {
    /// The flows on their ground.
    pub flow: Arc<Flow>,
    /// Its certificates.
    pub certificates: Arc<Certificates>,
    /// Sockets that a service manager handed over; they win over `[listen]`.
    pub inherited: Vec<Bound>,
    /// How mail goes out.
    pub courier: Courier,
}

/// A running appliance.
pub struct Appliance {
    flow: Arc<Flow>,
    /// The configuration of the start: what a reload leaves is as it says.
    begun: Arc<Config>,
    certificates: Arc<Certificates>,
    portal: Arc<Portal>,
    places: Vec<(Service, SocketAddr)>,
    intake: Intake,
    workers: TaskTracker,
    stop_workers: CancellationToken,
}

impl Appliance {
    /// Opens listeners and socket, and starts the workers. When this returns, it is ready.
    pub async fn start(parts: Parts) -> Result<Self, AppError> {
        let Parts { flow, certificates, inherited, courier } = parts;
        let config = flow.config();
        signing::make_missing_keys(&*flow.store, &config, flow.clock.now()).await?;
        let bound = bind(&config, inherited)?;
        let control = control_socket(&config)?;
        let portal = Arc::new(Portal::new(flow.clone(), &config));
        let intake = Intake {
            gate: Gate::new(GateLimits::from(&config.limits)),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        let places = bound.iter().map(|bound| (bound.service, bound.address)).collect();
        let appliance = Self {
            flow,
            begun: config.clone(),
            certificates,
            portal,
            places,
            intake,
            workers: TaskTracker::new(),
            stop_workers: CancellationToken::new(),
        };
        appliance.start_workers(control, courier);
        for bound in bound {
            appliance.open(bound, &config)?;
        }
        Ok(appliance)
    }

    /// Every listener with the port that it really has.
    pub fn places(&self) -> &[(Service, SocketAddr)] {
        &self.places
    }

    /// Where a service listens; the first place, if there are several.
    pub fn place(&self, service: Service) -> Option<SocketAddr> {
        self.places.iter().find(|(of, _)| *of == service).map(|(_, place)| *place)
    }

    /// The flows.
    pub const fn flow(&self) -> &Arc<Flow> {
        &self.flow
    }

    /// Takes over a changed configuration and changed certificates; no connection is dropped.
    ///
    /// Listeners, directories, the list of certificate files and what else needs a restart stay as they are
    /// until the next start.
    pub async fn reload(&self, config: Arc<Config>) -> Result<(), AppError> {
        // What may fail comes first: then nothing has changed.
        let recovery = keys::recovery_certificate(&config, self.flow.clock.now())?;
        let wordings = templates::read_aside(config.clone()).await?;
        signing::make_missing_keys(&*self.flow.store, &config, self.flow.clock.now()).await?;
        self.certificates.reload()?;
        let stays = self.stays(&config);
        if !stays.is_empty() {
            tracing::warn!(keys = stays.join(", "), "changed, but in force only after a restart");
        }
        self.portal.reload(&config);
        self.flow.reconfigure(config);
        self.flow.set_recovery(recovery);
        self.flow.set_wordings(wordings);
        let flow = self.flow.clone();
        self.workers.spawn(async move {
            if let Err(error) = flow.account_round().await {
                tracing::error!(%error, "accounts could not be looked after; tried again in a minute");
            }
        });
        Ok(())
    }

    /// What of `config` is in force only after a restart. Compared with the start, not with the last reload: what
    /// differs goes on to be named, and what is as it was is not.
    fn stays(&self, config: &Config) -> Vec<&'static str> {
        needs_restart(&self.begun, config)
    }

    /// Ends when the store has stopped writing after an error: only a restart helps.
    pub async fn poisoned(&self) {
        while self.flow.store.health() != Health::Poisoned {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Stops from the outside in. When this returns nothing of it runs any more.
    pub async fn stop(self) {
        self.intake.stop.cancel();
        self.intake.tasks.close();
        if timeout(DRAIN, self.intake.tasks.wait()).await.is_err() {
            tracing::warn!(sessions = self.intake.tasks.len(), "sessions did not end in time");
        }
        self.stop_workers.cancel();
        self.workers.close();
        if timeout(DRAIN, self.workers.wait()).await.is_err() {
            tracing::warn!(workers = self.workers.len(), "workers did not end in time");
        }
    }

    fn start_workers(&self, control: ControlSocket, courier: Courier) {
        let stop = &self.stop_workers;
        let dispatcher = Arc::new(Dispatcher::new(self.flow.clone(), courier.clone(), templates::read));
        self.workers.spawn(control.serve(dispatcher, stop.clone()));
        self.workers.spawn(mta_sts::refresh(self.flow.clone(), courier.web.clone(), stop.clone()));
        self.workers.spawn(Worker::new(self.flow.clone(), courier).run(stop.clone()));
        self.workers.spawn(notices::run(self.flow.clone(), stop.clone()));
        self.workers.spawn(refused::run(self.flow.clone(), stop.clone()));
        self.workers.spawn(alarms::run(self.flow.clone(), stop.clone()));
        self.workers.spawn(expiry::Worker::new(self.flow.clone()).run(stop.clone()));
        self.workers.spawn(self.certificates.clone().watch(stop.clone()));
        self.workers.spawn(tell_validation(self.flow.clone(), stop.clone()));
        self.workers.spawn(self.flow.clone().look_after_accounts(stop.clone()));
        self.workers.spawn(stored_certificates::warn_of_ends(self.flow.clone(), stop.clone()));
        self.workers.spawn(sightings::keep(self.flow.clone(), stop.clone()));
        let (portal, stop) = (self.portal.clone(), stop.clone());
        self.workers.spawn(async move { portal.sweep(stop).await });
    }

    fn open(&self, bound: Bound, config: &Config) -> Result<(), AppError> {
        let tls = self.certificates.server(bound.service.alpn())?;
        match bound.service {
            Service::Smtp => self.open_smtp(bound, Role::Mx, tls),
            Service::Submission | Service::Submissions => self.open_smtp(bound, Role::Submission, tls),
            Service::Imap | Service::Imaps => {
                let limits = imap::Limits {
                    message_size: config.limits.message_size,
                    sessions: config.limits.imap_sessions_per_mailbox,
                    idle: config.limits.imap_idle,
                    ..imap::Limits::default()
                };
                let handler = Imap::new(self.flow.clone(), Some(tls.clone()), limits);
                self.intake.open(bound, Some(tls), Arc::new(handler));
            }
            Service::Https | Service::Http => {
                self.intake.open(bound, Some(tls), Arc::new(HttpServer::new(self.portal.clone())));
            }
            Service::Metrics => {}
        }
        Ok(())
    }

    fn open_smtp(&self, bound: Bound, role: Role, tls: TlsServer) {
        let handler = Smtp::new(self.flow.clone(), role, Some(tls.clone()), self.intake.gate.clone());
        self.intake.open(bound, Some(tls), Arc::new(handler));
    }
}

/// Says in the log whose word counts for DNSSEC. The test runs beside the start, and again until it is good: a
/// resolver may start later than this server.
async fn tell_validation(flow: Arc<Flow>, stop: CancellationToken) {
    let mut told = false;
    loop {
        let found = tokio::select! {
            () = stop.cancelled() => return,
            found = flow.dns.validation() => found,
        };
        match found {
            Validation::Off => return tracing::info!("DNSSEC is not validated, there is no DANE"),
            Validation::By(who) => return tracing::info!(who, "DNSSEC is validated"),
            Validation::Broken(why) if !told => {
                tracing::error!(why, "DNSSEC cannot be validated; what needs it waits");
                told = true;
            }
            Validation::Broken(_) => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(TEST_AGAIN) => {}
        }
    }
}

/// What of a changed configuration a running appliance does not take over, by its name in guard.toml.
fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let says = |config: &Config| {
        let limits = &config.limits;
        [
            ("data_dir", config.data_dir.display().to_string()),
            ("run_dir", config.run_dir.display().to_string()),
            ("master_key_file", config.master_key_file.display().to_string()),
            ("[listen]", format!("{:?}", config.listen)),
            ("[tls]", format!("{:?}", config.tls.pairs)),
            ("[dns]", format!("{:?}", config.dns)),
            ("[limits] message_size (for IMAP)", limits.message_size.to_string()),
            ("[limits] connections", limits.connections.to_string()),
            ("[limits] smtp_connections_per_ip", limits.smtp_connections_per_ip.to_string()),
            ("[limits] http_connections_per_ip", limits.http_connections_per_ip.to_string()),
            ("[limits] imap_connections_per_ip", limits.imap_connections_per_ip.to_string()),
            ("[limits] connects_per_minute", limits.connects_per_minute.to_string()),
            ("[limits] exempt", format!("{:?}", limits.exempt)),
            ("[limits] handshakes", limits.handshakes.to_string()),
            ("[limits] plaintext_memory", limits.plaintext_memory.to_string()),
            ("[limits] password_checks", format!("{:?}", limits.password_checks)),
            ("[limits] imap_sessions_per_mailbox", limits.imap_sessions_per_mailbox.to_string()),
            ("[limits] imap_idle", format!("{:?}", limits.imap_idle)),
        ]
    };
    let both = says(old).into_iter().zip(says(new));
    both.filter(|(old, new)| old.1 != new.1).map(|(old, _)| old.0).collect()
}

/// The certificate files of `[tls]`.
pub fn certificates(config: &Config) -> Result<Arc<Certificates>, AppError> {
    let files = config
        .tls
        .pairs
        .iter()
        .map(|(certificate, key)| CertificateFiles { certificate: certificate.clone(), key: key.clone() });
    Ok(Certificates::load(files.collect(), config.limits.handshakes)?)
}

/// What `[listen]` says, but for services whose sockets were handed over.
fn bind(config: &Config, inherited: Vec<Bound>) -> Result<Vec<Bound>, AppError> {
    let listen = &config.listen;
    let wanted = [
        (Service::Smtp, &listen.smtp),
        (Service::Submission, &listen.submission),
        (Service::Submissions, &listen.submissions),
        (Service::Imap, &listen.imap),
        (Service::Imaps, &listen.imaps),
        (Service::Https, &listen.https),
        (Service::Http, &listen.http),
    ];
    let mut bound = inherited;
    let handed: Vec<Service> = bound.iter().map(|bound| bound.service).collect();
    for (service, addresses) in wanted.into_iter().filter(|(service, _)| !handed.contains(service)) {
        for address in addresses {
            bound.push(listen::bind(service, *address)?);
        }
    }
    Ok(bound)
}

/// The control socket belongs to the owner of the data directory.
fn control_socket(config: &Config) -> Result<ControlSocket, AppError> {
    make_run_dir(&config.run_dir)?;
    let owner = fs::metadata(&config.data_dir).map_err(AppError::file(&config.data_dir))?.uid();
    ControlSocket::bind(&config.run_dir, owner).map_err(AppError::file(&config.run_dir))
}

fn make_run_dir(dir: &Path) -> Result<(), AppError> {
    if dir.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new().mode(0o750).create(dir).map_err(AppError::file(dir))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::ground;
    use crate::app::ground::Surroundings;
    use crate::app::ground::tests as ground_tests;
    use crate::base::address::Domain;
    use crate::net::dns::Dns;
    use crate::net::dns::Table;
    use crate::store::engine;
    use std::os::unix::fs::PermissionsExt;

    fn config(more: &str) -> Config {
        let text = format!(
            "hostname = \"mail.a.example\"\n[tls]\ncertificate = \"/tls.crt\"\nkey = \"/tls.key\"\n\
             [portal]\nurl = \"https://mail.a.example\"\n[[domain]]\nname = \"a.example\"\n{more}"
        );
        Config::from_text(&text).unwrap_or_else(|complaints| panic!("{complaints}"))
    }

    /// What is built from the configuration once, at the start, is named; what is asked for each time is not.
    #[test]
    fn names_what_a_reload_leaves_as_it_was() {
        for (line, stays) in [
            ("message_size = \"26 MiB\"", Some("[limits] message_size (for IMAP)")),
            ("connections = 513", Some("[limits] connections")),
            ("smtp_connections_per_ip = 21", Some("[limits] smtp_connections_per_ip")),
            ("http_connections_per_ip = 21", Some("[limits] http_connections_per_ip")),
            ("imap_connections_per_ip = 11", Some("[limits] imap_connections_per_ip")),
            ("connects_per_minute = 61", Some("[limits] connects_per_minute")),
            ("exempt = []", Some("[limits] exempt")),
            ("handshakes = 33", Some("[limits] handshakes")),
            ("plaintext_memory = \"201 MiB\"", Some("[limits] plaintext_memory")),
            ("password_checks = 3", Some("[limits] password_checks")),
            ("imap_sessions_per_mailbox = 17", Some("[limits] imap_sessions_per_mailbox")),
            ("imap_idle = \"31m\"", Some("[limits] imap_idle")),
            ("recipients = 101", None),
            ("queue_messages = 10001", None),
            ("remote_connections = 21", None),
        ] {
            let named = needs_restart(&config(""), &config(&format!("[limits]\n{line}\n")));
            assert_eq!(named, Vec::from_iter(stays), "{line}");
        }
        let mut renamed = config("");
        renamed.hostname = Domain::parse("mx.a.example").unwrap();
        assert_eq!(
            needs_restart(&config(""), &renamed),
            Vec::<&str>::new(),
            "the name is asked for each time"
        );
    }

    /// What the listeners, the only ones to be named here, are compared with is the start.
    #[tokio::test]
    async fn names_what_differs_from_the_start_at_every_reload() {
        let home = tempfile::tempdir().unwrap();
        let listen = |smtp: &str| {
            let nowhere = "submission = []\nsubmissions = []\nimap = []\nimaps = []\nhttps = []\nhttp = []\n";
            ground_tests::config(home.path(), &format!("[listen]\nsmtp = [{smtp}]\n{nowhere}"))
        };
        let begun = listen("");
        make_certificate(home.path());
        let store = engine::Options { reserve: 0, ..engine::Options::default() };
        let dns: Arc<dyn Dns> = Arc::new(Table::default());
        let around = Surroundings { store, dns: Some(dns), ..Surroundings::default() };
        let flow = ground::open(begun.clone(), &around).await.unwrap();
        let certificates = certificates(&begun).unwrap();
        let parts = Parts { flow, certificates, inherited: Vec::new(), courier: Courier::default() };
        let appliance = Appliance::start(parts).await.unwrap();
        let changed = listen("\"127.0.0.1:2525\"");
        for _ in 0..2 {
            assert_eq!(appliance.stays(&changed), ["[listen]"]);
            appliance.reload(changed.clone()).await.unwrap();
        }
        assert_eq!(appliance.stays(&begun), Vec::<&str>::new(), "and back");
        appliance.stop().await;
    }

    fn make_certificate(home: &Path) {
        let made = rcgen::generate_simple_self_signed(["mail.a.example".to_owned()]).unwrap();
        fs::write(home.join("tls.crt"), made.cert.pem()).unwrap();
        let key = home.join("tls.key");
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    }
}
