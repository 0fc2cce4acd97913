//! `guardpost check`: one line a finding about configuration, keys, certificate, store, DNSSEC, disk and clock.

use crate::app::clock::SystemClock;
use crate::app::error::AppError;
use crate::app::ground;
use crate::app::key_backup;
use crate::app::keys;
use crate::app::settings::Settings;
use crate::app::templates;
use crate::base::address::Address;
use crate::base::address::AddressKey;
use crate::base::dns::Validation;
use crate::base::language::Language;
use crate::base::time::Clock;
use crate::base::time::Time;
use crate::config::Config;
use crate::config::section::DnsTrust;
use crate::config::section::LocalDomain;
use crate::config::section::StsMode;
use crate::flow::mta_sts;
use crate::net::roots::Roots;
use crate::net::tls::CertificateFacts;
use crate::net::tls::CertificateFiles;
use crate::net::tls::Certificates;
use crate::net::tls::presented_keys;
use crate::openpgp::fingerprint_text;
use crate::serve::control::SOCKET;
use crate::serve::control::Trouble;
use crate::serve::control::answer::AccountListed;
use crate::serve::control::answer::Finding;
use crate::serve::control::answer::Health;
use crate::serve::control::answer::StoredListed;
use crate::serve::control::client;
use crate::serve::control::request::Request;
use crate::texts::template::Kind;
use crate::texts::template::Templates;
use crate::texts::template::Wordings;
use crate::vault::OsRandom;
use crate::vault::keyring;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A certificate that ends sooner is worth a warning.
const SOON: Duration = Duration::from_secs(14 * 86_400);
/// The self-test of the resolver may take so long.
const DNS_TEST: Duration = Duration::from_secs(15);
/// When this was written: no clock that is right tells an earlier time.
const WRITTEN: Time = Time(1_795_000_000);

/// Looks at everything that can be seen from here. An error of the configuration ends it: nothing else can be found.
pub(super) fn check(settings: Result<Settings, AppError>) -> Result<Vec<Finding>, AppError> {
    let settings = settings?;
    let config = settings.load()?;
    let wordings = templates::read(&config)?;
    let mut findings = Findings::default();
    findings.ok("configuration", format!("{} is complete", settings.file.display()));
    findings.templates(&config, &wordings);
    findings.smarthost(&config);
    let has_keys = findings.master_key(&config);
    findings.certificate(&config, SystemClock.now());
    findings.recovery(&config, SystemClock.now());
    if has_keys {
        findings.store(&config);
    }
    if has_keys {
        findings.worded_accounts(&config, &wordings);
        findings.stored(&config);
        findings.own_certificates(&config, SystemClock.now());
    }
    findings.dns(&config);
    findings.disk(&config);
    findings.clock(&config, SystemClock.now());
    if has_keys {
        findings.suspension(&config);
    }
    Ok(findings.0)
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn ok(&mut self, about: &str, finding: impl Into<String>) {
        self.add("ok", about, finding);
    }

    fn warning(&mut self, about: &str, finding: impl Into<String>) {
        self.add("warning", about, finding);
    }

    fn error(&mut self, about: &str, finding: impl Into<String>) {
        self.add("error", about, finding);
    }

    fn add(&mut self, level: &str, about: &str, finding: impl Into<String>) {
        self.0.push(Finding { level: level.into(), about: about.into(), finding: finding.into() });
    }

    /// What has no words of its own in one language goes out in ours.
    fn templates(&mut self, config: &Config, wordings: &Wordings) {
        let about = "templates";
        for domain in &config.domains {
            let Some(own) = wordings.of(&domain.name) else { continue };
            if own.domain.count() > 0 || own.accounts.is_empty() {
                self.ok(about, format!("{}: {} mails in its own words", domain.name, own.domain.count()));
            }
            self.gaps(&domain.name, &own.domain, domain, "our words");
            for (account, templates) in own.accounts.values() {
                self.ok(about, format!("{account}: {} mails in its own words", templates.count()));
                self.gaps(account, templates, domain, "the words of the domain");
            }
        }
    }

    /// What is worded in one language and not in another.
    fn gaps(&mut self, whose: &dyn fmt::Display, own: &Templates, domain: &LocalDomain, instead: &str) {
        for kind in Kind::ALL {
            let (worded, not): (Vec<Language>, Vec<Language>) =
                domain.portal.languages.iter().partition(|language| own.of(kind, **language).is_some());
            if let ([_, ..], [missing, ..]) = (worded.as_slice(), not.as_slice()) {
                let what = format!(
                    "{whose}: {kind} goes out in {instead} where it is in \"{missing}\": there is no {kind}.{missing}.txt"
                );
                self.warning("templates", what);
            }
        }
    }

    /// Words for somebody who is no account, perhaps not yet.
    fn worded_accounts(&mut self, config: &Config, wordings: &Wordings) {
        let of_domain = |domain: &LocalDomain| wordings.of(&domain.name).map(|words| &words.accounts);
        let worded = || config.domains.iter().filter_map(of_domain).flatten();
        if worded().next().is_none() || !config.data_dir.join("store").exists() {
            return;
        }
        let Ok(list) = ask(config, &|| Request::AccountList {}) else { return };
        let Ok(known) = serde_json::from_value::<Vec<AccountListed>>(list) else { return };
        let keys: BTreeSet<AddressKey> =
            known.iter().filter_map(|one| Address::parse(&one.address).ok()).map(|one| one.key()).collect();
        for (key, (account, templates)) in worded() {
            if !keys.contains(key) {
                let directory = templates.directory().display();
                let what = format!("{directory}: there is no account {account}; its words wait for one");
                self.warning("templates", what);
            }
        }
    }

    /// A policy holds for the way to a smarthost, and proves nothing of the way behind it.
    fn smarthost(&mut self, config: &Config) {
        let Some(smarthost) = &config.outbound.smarthost else { return };
        for alias in config.domains.iter().filter_map(|domain| domain.secure_alias_domain.as_ref()) {
            self.warning(
                "configuration",
                format!(
                    "mail of {alias} goes over TLS to the smarthost {} only; whether it is encrypted behind that, \
                     nobody here can tell",
                    smarthost.host
                ),
            );
        }
    }

    /// Whether it is there; and where it lies, since that says what it protects against.
    fn master_key(&mut self, config: &Config) -> bool {
        let file = keys::master_key_place(config);
        let about = "master key";
        let master = match keys::read_master_key(&file) {
            Ok(master) => master,
            Err(AppError::NoMasterKey(_)) if server_runs(config) => {
                self.ok(about, "a credential of the running service; it cannot be seen from here");
                return true;
            }
            Err(error) => {
                self.error(about, error.to_string());
                return false;
            }
        };
        self.place_of_key(config, &file);
        match key_backup::confirmed(config, &master) {
            Some(when) => self.ok(about, format!("a copy was confirmed on {when}")),
            None => {
                let when =
                    if config.data_dir.join("keyring").exists() { "then" } else { "after the first start" };
                self.warning(
                    about,
                    format!(
                        "nobody has confirmed a copy in a safe place, and without the key all is lost: copy it, {when} \
                         \"guardpost master-key confirm-backup COPY\""
                    ),
                );
            }
        }
        if let Ok(content) = fs::read(config.data_dir.join("keyring"))
            && let Ok(opened) = keyring::open(&master, &content)
            && opened.former
        {
            self.warning(about, "a rotation is half done: \"guardpost master-key rotate\" goes on with it");
        }
        true
    }

    fn place_of_key(&mut self, config: &Config, file: &Path) {
        let about = "master key";
        let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
        let shown = file.display();
        if keys::is_credential(file) {
            return self.ok(
                about,
                format!(
                    "in {shown}, given by the service manager: it protects as far as the place it comes from does. \
                     Encrypted with the TPM of this machine (systemd-creds), its disks alone open nothing"
                ),
            );
        }
        if device(file) == device(&config.data_dir) {
            self.ok(
                about,
                format!(
                    "in {shown}, on the disk of the data: only a stolen backup alone opens nothing; whoever has the \
                     disk has both"
                ),
            );
        } else {
            self.ok(
                about,
                format!("in {shown}, apart from the data: a stolen data disk alone opens nothing"),
            );
        }
        let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match (fs::metadata(file), fs::metadata(parent), fs::metadata(&config.data_dir)) {
            (Ok(key), Ok(parent), data) => {
                let owners = [Some(0), data.as_ref().ok().map(MetadataExt::uid)];
                if data.is_ok() && !owners.contains(&Some(key.uid())) {
                    self.warning(about, format!("{shown} belongs to neither root nor the owner of the data"));
                }
                // A sticky directory lets nobody replace the files of others.
                if parent.mode() & 0o022 != 0 && parent.mode() & 0o1000 == 0 {
                    self.warning(about, format!("others may replace {shown}: chmod go-w its directory"));
                }
            }
            (Err(error), ..) | (_, Err(error), _) => self.warning(about, format!("{shown}: {error}")),
        }
    }

    fn certificate(&mut self, config: &Config, now: Time) {
        let about = "certificate";
        let files = |(certificate, key): &(_, _)| CertificateFiles {
            certificate: Clone::clone(certificate),
            key: Clone::clone(key),
        };
        let files: Vec<_> = config.tls.pairs.iter().map(files).collect();
        let facts = match Certificates::load(files, 1) {
            Ok(certificates) => certificates.facts(),
            Err(error) => return self.error(about, error.to_string()),
        };
        for fact in &facts {
            let names = fact.names.join(", ");
            if fact.not_after < now {
                self.error(about, format!("{names}: expired on {}", fact.not_after));
            } else if now < fact.not_before {
                self.error(about, format!("{names}: not valid before {}", fact.not_before));
            } else if fact.not_after < now + SOON {
                self.warning(about, format!("{names}: expires on {}", fact.not_after));
            } else {
                self.ok(about, format!("{names}: valid until {}", fact.not_after));
            }
        }
        let hosts = config.portals().into_iter().map(|portal| portal.url.host().to_owned());
        for host in std::iter::once(config.hostname.as_str().to_owned()).chain(hosts) {
            if !facts.iter().any(|fact| fact.covers(&host)) {
                self.error(about, format!("none is for {host}"));
            }
        }
        if let Some(file) = &config.tls.next_key
            && let Err(why) = presented_keys(&[], "", Some(file))
        {
            self.error(about, format!("the next key: {why}"));
        }
        if Roots::default().anchors().is_empty() {
            self.warning(
                about,
                "no authority of the web is known here, so other domains' MTA-STS policies cannot be fetched: install \
                 ca-certificates",
            );
        }
        self.policy_hosts(config, &facts);
    }

    /// Other servers get our MTA-STS policy only from hosts that they can be sure of.
    fn policy_hosts(&mut self, config: &Config, facts: &[CertificateFacts]) {
        if config.mta_sts.mode == StsMode::Off {
            return;
        }
        let domains = config.domains.iter();
        let domains = domains.flat_map(|section| [Some(&section.name), section.secure_alias_domain.as_ref()]);
        for host in domains.flatten().filter_map(mta_sts::host) {
            if !facts.iter().any(|fact| fact.covers(host.as_str())) {
                self.warning(
                    "certificate",
                    format!(
                        "none is for {host}, so nobody can fetch the MTA-STS policy: get one for that name too, or \
                         say mode = \"off\" in [mta_sts]"
                    ),
                );
            }
        }
    }

    /// Who else can open every account.
    fn recovery(&mut self, config: &Config, now: Time) {
        let about = "recovery certificate";
        let certificate = match keys::recovery_certificate(config, now) {
            Ok(None) => return self.ok(about, "off: an account opens with its password only"),
            Ok(Some(certificate)) => certificate,
            Err(error) => return self.error(about, error.to_string()),
        };
        let name = fingerprint_text(&certificate.fingerprint().0);
        if let Some(why) = certificate.trouble(now) {
            self.error(about, format!("{name}: {why}; no account gets it, those that have it keep it"));
        } else if let Some(end) = certificate.expires(now).filter(|end| *end < now + SOON) {
            self.warning(about, format!("{name}: expires on {end}; no account gets it then"));
        } else {
            self.ok(about, format!("{name}: its secret key opens every account that has signed in since"));
        }
    }

    fn store(&mut self, config: &Config) {
        let about = "store";
        if !config.data_dir.join("store").exists() {
            return self.ok(about, "not there yet: the first start makes it");
        }
        match health(config) {
            Ok(health) => match health.store.as_str() {
                "good" => self.ok(about, "opens, and takes mail"),
                "no-new-mail" => self.warning(about, "takes no new mail: free disk is low"),
                other => self.error(about, format!("is {other}")),
            },
            Err(error) if error.exit() == 69 => self.warning(about, error.to_string()),
            Err(error) => self.error(about, error.to_string()),
        }
    }

    /// Certificates of accounts' own that end. Mail is encrypted to them after that, too.
    fn own_certificates(&mut self, config: &Config, now: Time) {
        if !config.data_dir.join("store").exists() {
            return;
        }
        let Ok(list) = ask(config, &|| Request::AccountList {}) else { return };
        let Ok(accounts) = serde_json::from_value::<Vec<AccountListed>>(list) else { return };
        // RFC 3339 in UTC sorts as text.
        let (now, soon) = (now.to_string(), (now + SOON).to_string());
        for AccountListed { address, own_certificate, own_certificate_expires, .. } in accounts {
            let (Some(fingerprint), Some(ends)) = (own_certificate, own_certificate_expires) else {
                continue;
            };
            let ending = match &ends {
                ends if *ends <= now => "ended",
                ends if *ends < soon => "ends",
                _ => continue,
            };
            let finding = format!(
                "{address}: its own certificate {fingerprint} {ending} on {ends}; mail to it stays encrypted to that: \
                 prolong it, and take it anew with \"guardpost account key import\""
            );
            self.warning("account certificates", finding);
        }
    }

    /// Certificates that destinations are compared with, and that end.
    fn stored(&mut self, config: &Config) {
        let about = "stored certificates";
        if !config.data_dir.join("store").exists() {
            return;
        }
        let listed = ask(config, &|| Request::CertificateList {}).and_then(|answer| {
            let odd = |_| Trouble::unavailable("the server says nothing about stored certificates");
            Ok(serde_json::from_value::<Vec<StoredListed>>(answer).map_err(odd)?)
        });
        let Ok(listed) = listed else { return };
        let soon = (SystemClock.now() + SOON).to_string();
        for of in listed.chunk_by(|one, next| one.domain == next.domain) {
            // RFC 3339 in UTC sorts as text.
            let ends_soon = |one: &StoredListed| one.expires.as_ref().is_some_and(|ends| *ends < soon);
            for one in of {
                let StoredListed { domain, kind, fingerprint, .. } = one;
                let (level, finding) = match &one.expires {
                    None => ("ok", format!("{domain}: the {kind} {fingerprint} does not end")),
                    Some(ends) if of.iter().all(ends_soon) => (
                        "warning",
                        format!(
                            "{domain}: the {kind} {fingerprint} ends on {ends}, and nothing else is stored that lasts longer"
                        ),
                    ),
                    Some(ends) => ("ok", format!("{domain}: the {kind} {fingerprint} ends on {ends}")),
                };
                self.add(level, about, finding);
            }
            self.last_seen(of);
        }
    }

    /// How what a destination showed last stands to what is stored for it.
    fn last_seen(&mut self, of: &[StoredListed]) {
        let (about, Some(one)) = ("stored certificates", of.first()) else { return };
        let domain = &one.domain;
        let (Some(at), Some(host), Some(shown)) =
            (&one.last_seen, &one.last_seen_host, &one.last_seen_fingerprint)
        else {
            return self.ok(about, format!("{domain}: no mail that had to be compared has met it so far"));
        };
        let place = of.iter().position(|stored| stored.fingerprint == *shown);
        let said = format!("{domain}: {host} showed the certificate {shown} on {at}");
        match (one.last_seen_stored, place) {
            (Some(true), Some(1)) => self.warning(
                about,
                format!(
                    "{said}, the later of the two that are stored: remove both with \"guardpost certificate remove\", \
                     and add this one"
                ),
            ),
            (Some(true), _) => self.ok(about, said),
            (Some(false) | None, _) => self.warning(
                about,
                format!(
                    "{said}, which is not what is stored: mail to it does not go. If whoever runs it confirms the \
                     fingerprint, store it with \"guardpost certificate add\""
                ),
            ),
        }
    }

    /// Whose word counts for DNSSEC; asked of the resolver itself.
    fn dns(&mut self, config: &Config) {
        let about = "dns";
        match validation(config) {
            Err(error) => self.error(about, error.to_string()),
            Ok(Validation::Off) => {
                self.ok(about, "DNSSEC is not validated, as dns.trust says: there is no DANE")
            }
            Ok(Validation::By(who)) => self.ok(about, format!("DNSSEC is validated by {who}")),
            Ok(Validation::Broken(why)) if config.dns.trust == DnsTrust::Auto => self.warning(
                about,
                format!("DNSSEC cannot be validated, so there is no DANE: {why}. Install unbound, or see dns.trust"),
            ),
            Ok(Validation::Broken(why)) => self.error(
                about,
                format!("DNSSEC cannot be validated: {why}. Mail waits; install unbound, or see dns.trust"),
            ),
        }
    }

    fn disk(&mut self, config: &Config) {
        let about = "disk";
        let Ok(found) = rustix::fs::statvfs(&config.data_dir) else {
            return self.warning(about, format!("{} is not there yet", config.data_dir.display()));
        };
        let free = found.f_bavail.saturating_mul(found.f_frsize);
        let size = found.f_blocks.saturating_mul(found.f_frsize);
        // The marks of the store: below the first no mail is taken.
        let mark = (512 << 20).max((size / 20).min(4 << 30));
        let show = bytesize::ByteSize(free).display().iec();
        if free < mark {
            self.error(about, format!("{show} free: too little, no mail is taken"));
        } else if free < 2 * mark {
            self.warning(
                about,
                format!("{show} free: below {} no mail is taken", bytesize::ByteSize(mark).display().iec()),
            );
        } else {
            self.ok(about, format!("{show} free"));
        }
    }

    fn clock(&mut self, config: &Config, now: Time) {
        let about = "clock";
        let written = fs::metadata(config.data_dir.join("keyring")).map(|metadata| Time(metadata.mtime()));
        if now < WRITTEN {
            self.error(about, format!("{now} is before this program was made"));
        } else if written.is_ok_and(|written| now < written) {
            self.error(about, format!("{now} is before the keyring was made"));
        } else {
            self.ok(about, now.to_string());
        }
    }

    /// Whether the server believes the clock; where its store does not open, that is a finding already.
    fn suspension(&mut self, config: &Config) {
        if !config.data_dir.join("store").exists() {
            return;
        }
        let Ok(clocks) = ask(config, &|| Request::ClockShow {}) else { return };
        let said = |field| clocks.pointer(field).and_then(Value::as_str);
        if let (Some(since), Some(why)) = (said("/suspended/since"), said("/suspended/why")) {
            let finding = format!(
                "not believed since {since} ({why}): no mailbox is warned, closed or deleted until \
                 \"guardpost clock accept\""
            );
            self.error("clock", finding);
        }
    }
}

/// The self-test of the resolver, as the server makes it.
fn validation(config: &Config) -> Result<Validation, AppError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(AppError::file("threads"))?;
    runtime.block_on(async {
        let dns = ground::resolver(config, Arc::new(OsRandom))?;
        let tested = tokio::time::timeout(DNS_TEST, dns.validation()).await;
        Ok(tested.unwrap_or_else(|_| Validation::Broken("no answer in time".into())))
    })
}

fn server_runs(config: &Config) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let socket = config.run_dir.join(SOCKET);
    runtime.is_ok_and(|runtime| matches!(runtime.block_on(client::connect(&socket)), Ok(Some(_))))
}

/// How the store is.
fn health(config: &Config) -> Result<Health, AppError> {
    let odd = |_| Trouble::unavailable("the server says nothing about its store");
    Ok(serde_json::from_value(ask(config, &|| Request::Health {})?).map_err(odd)?)
}

/// Asks the server; when none runs, opens the store here.
fn ask(config: &Config, request: &dyn Fn() -> Request) -> Result<Value, AppError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(AppError::file("threads"))?;
    let socket = config.run_dir.join(SOCKET);
    match runtime.block_on(client::connect(&socket))? {
        Some(stream) => Ok(runtime.block_on(client::ask(stream, &request()))?),
        None if !ground::is_own(&config.data_dir) => Err(AppError::NotYours(config.data_dir.clone())),
        None => ground::answer(config, request()),
    }
}
