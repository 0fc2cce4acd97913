//! guard.toml: reading, defaults, complaints.
//!
//! The shipped file is documentation, example and defaults in one, so nothing here writes a default. An option is
//! added in two places: in `guard.toml` with a comment, and in the `read_…` function of its section.

pub mod complaint;
mod reader;
pub mod section;
pub mod value;

use crate::base::address::Address;
use crate::base::address::Domain;
use crate::config::complaint::Complaints;
use crate::config::complaint::Place;
use crate::config::reader::Layer;
use crate::config::reader::Merged;
use crate::config::reader::Reader;
use crate::config::section::Accounts;
use crate::config::section::Dns;
use crate::config::section::Encryption;
use crate::config::section::Limits;
use crate::config::section::Listen;
use crate::config::section::LocalDomain;
use crate::config::section::Log;
use crate::config::section::MtaSts;
use crate::config::section::Outbound;
use crate::config::section::Portal;
use crate::config::section::Privacy;
use crate::config::section::TemporaryMailbox;
use crate::config::section::Tls;
use std::path::PathBuf;

/// The shipped file: documentation, example and defaults in one.
pub const DEFAULTS: &str = include_str!("../../guard.toml");

/// A whole configuration, free of contradictions.
#[derive(Clone, Debug)]
pub struct Config {
    /// The name of this server.
    pub hostname: Domain,
    /// Where mail, keys and queue are.
    pub data_dir: PathBuf,
    /// Where the control socket is.
    pub run_dir: PathBuf,
    /// The master key.
    pub master_key_file: PathBuf,
    /// Listeners.
    pub listen: Listen,
    /// Certificates.
    pub tls: Tls,
    /// The organisation's domains, at least one, in the order of the file.
    pub domains: Vec<LocalDomain>,
    /// `[portal]` as it stands there, for pages of a portal that several domains share; its brand may be empty.
    pub portal: Portal,
    /// People of the organisation.
    pub accounts: Accounts,
    /// Which mail is encrypted.
    pub encryption: Encryption,
    /// Mailboxes for people outside.
    pub temporary_mailbox: TemporaryMailbox,
    /// What other servers are told by MTA-STS.
    pub mta_sts: MtaSts,
    /// Mail to other servers.
    pub outbound: Outbound,
    /// Looking up names.
    pub dns: Dns,
    /// Limits.
    pub limits: Limits,
    /// What is told about people.
    pub privacy: Privacy,
    /// The log.
    pub log: Log,
}

/// What a configuration is for: the demo may do on loopback what a server may not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Use {
    /// A server: the portal is reached by https.
    Server,
    /// The demo, tests: the portal may be reached by http.
    Loopback,
}

impl Config {
    /// Reads the defaults, then `text` (the content of `file`), then `GUARDPOST_*` of `environment`; later wins.
    /// All complaints at once.
    pub fn load(
        file: &str,
        text: &str,
        environment: &[(String, String)],
        r#use: Use,
    ) -> Result<Self, Complaints> {
        let complaints = |list| Complaints { file: file.to_owned(), list };
        let defaults = Layer::file(DEFAULTS).map_err(|trouble| complaints(vec![trouble]))?;
        let said = Layer::file(text).map_err(|trouble| complaints(vec![trouble]))?;
        let environment = Layer::environment(environment);
        let merged =
            Merged::new(DEFAULTS, text, &environment).map_err(|trouble| complaints(vec![trouble]))?;
        let reader = Reader::new([defaults, said, environment], merged);
        let config = read(&reader, r#use);
        let list = reader.finish();
        match config {
            Some(config) if list.is_empty() => Ok(config),
            _ => Err(complaints(list)),
        }
    }

    /// Reads `text` over the defaults, by the same path as a file; the portal may be reached by http.
    pub fn from_text(text: &str) -> Result<Self, Complaints> {
        Self::load("guard.toml", text, &[], Use::Loopback)
    }

    /// The section of a domain whose mail is here; secure alias domains are not among them.
    pub fn domain(&self, domain: &Domain) -> Option<&LocalDomain> {
        self.domains.iter().find(|local| local.name == *domain)
    }

    /// The section whose secure alias domain this is.
    pub fn secure_alias(&self, domain: &Domain) -> Option<&LocalDomain> {
        self.domains.iter().find(|local| local.secure_alias_domain.as_ref() == Some(domain))
    }

    /// The domain or the alias domain of a section, whichever `domain` is.
    pub fn main_domain(&self, domain: &Domain) -> Option<&LocalDomain> {
        self.domain(domain).or_else(|| self.secure_alias(domain))
    }

    /// Mail for `domain` is for this server: its domains and their alias domains.
    pub fn is_local(&self, domain: &Domain) -> bool {
        self.main_domain(domain).is_some()
    }

    /// Invitations of this domain come from here, and no account can have it.
    pub fn notice_address(&self, domain: &Domain) -> Option<Address> {
        let main = self.main_domain(domain)?;
        Address::new(&self.temporary_mailbox.notice_from, main.name.clone()).ok()
    }

    /// Every portal there is, each once.
    pub fn portals(&self) -> Vec<&Portal> {
        let mut portals: Vec<&Portal> = Vec::new();
        for domain in &self.domains {
            if !portals.iter().any(|portal| portal.url == domain.portal.url) {
                portals.push(&domain.portal);
            }
        }
        portals
    }
}

/// Reads every section; `None` only beside a complaint.
fn read(reader: &Reader, r#use: Use) -> Option<Config> {
    let top = reader.section("");
    let hostname = top.must("hostname", value::domain);
    let data_dir = top.text("data_dir", section::path);
    let run_dir = top.text("run_dir", section::path);
    let master_key_file = top.text("master_key_file", section::path);
    if master_key_file.starts_with(&data_dir) {
        top.complain("master_key_file", "must not lie in data_dir: a backup of that would hold it");
    }
    let listen = section::read_listen(&reader.section("listen"));
    let tls = section::read_tls(&reader.section("tls"));
    let general = section::read_general_portal(reader, r#use);
    let domains = section::read_domains(reader, general.as_ref(), r#use);
    let accounts = section::read_accounts(&reader.section("accounts"));
    let encryption = section::read_encryption(reader);
    let temporary_mailbox = section::read_temporary_mailbox(&reader.section("temporary_mailbox"));
    let mta_sts = section::read_mta_sts(&reader.section("mta_sts"));
    let outbound = section::read_outbound(reader);
    let dns = section::read_dns(&reader.section("dns"));
    let limits = section::read_limits(&reader.section("limits"));
    let privacy = section::read_privacy(&reader.section("privacy"));
    let log = section::read_log(&reader.section("log"));
    if reader.sections("domain").is_empty() {
        reader.complain(Place::File, "domain", "at least one [[domain]] must be said");
    }
    let config = Config {
        hostname: hostname?,
        data_dir,
        run_dir,
        master_key_file,
        listen,
        tls,
        domains: domains?,
        portal: general?,
        accounts,
        encryption: encryption?,
        temporary_mailbox: temporary_mailbox?,
        mta_sts: mta_sts?,
        outbound,
        dns: dns?,
        limits,
        privacy: privacy?,
        log: log?,
    };
    check_reserved(reader, &config);
    Some(config)
}

/// What only shows when sections are held side by side.
fn check_reserved(reader: &Reader, config: &Config) {
    let reserved = &config.temporary_mailbox.notice_from;
    for (at, domain) in config.domains.iter().enumerate() {
        let key = format!("domain[{at}].postmaster");
        let Some(postmaster) = &domain.postmaster else { continue };
        if config.domain(postmaster.domain()).is_none() {
            reader.complain(reader.place(&key), &key, "must be an address of one of the domains");
        }
        if postmaster.local().eq_ignore_ascii_case(reserved) {
            reader.complain(reader.place(&key), &key, "is the address that invitations come from");
        }
    }
    if config.temporary_mailbox.quota < config.limits.message_size {
        let key = "temporary_mailbox.quota";
        reader.complain(reader.place(key), key, "must not be below limits.message_size");
    }
}

#[cfg(test)]
mod tests;
