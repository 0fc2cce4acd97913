//! `[outbound]` and `[dns]`: the way to other servers.

use crate::base::address::Domain;
use crate::base::requirement::Requirement;
use crate::config::complaint::Place;
use crate::config::reader::Reader;
use crate::config::reader::Section;
use crate::config::section::DAY;
use crate::config::section::optional_path;
use crate::config::value;
use crate::config::value::HostPort;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Mail to other servers.
#[derive(Clone, Debug)]
pub struct Outbound {
    /// Of other servers.
    pub port: u16,
    /// Takes all mail.
    pub smarthost: Option<HostPort>,
    /// Signs in there: user name, file with the password.
    pub smarthost_sign_in: Option<(String, PathBuf)>,
    /// Of every destination.
    pub tls: Requirement,
    /// Of one destination.
    pub tls_policy: Vec<(Domain, Requirement)>,
    /// For mail that must go over TLS.
    pub secure_retry: Duration,
    /// For other mail.
    pub retry: Duration,
}

/// The levels as guard.toml writes them.
const LEVELS: [(&str, Requirement); 4] = [
    ("opportunistic", Requirement::Opportunistic),
    ("encrypt", Requirement::Encrypt),
    ("dane-only", Requirement::DaneOnly),
    ("verify", Requirement::Verify),
];

impl Outbound {
    /// What is asked of the way to a domain.
    pub fn requirement(&self, domain: &Domain) -> Requirement {
        let own = self.tls_policy.iter().find(|(known, _)| known == domain);
        own.map_or(self.tls, |(_, level)| self.tls.and(*level))
    }
}

/// Reads `[outbound]`.
pub(in crate::config) fn read_outbound(reader: &Reader) -> Outbound {
    let s = reader.section("outbound");
    let tls = s.choice("tls", &LEVELS, &[]).unwrap_or_default();
    let port = u16::try_from(s.number("port", 1..65_536)).unwrap_or_default();
    let smarthost =
        s.text("smarthost", |text| (!text.is_empty()).then(|| value::host_port(text)).transpose());
    let user = s.text("smarthost_user", value::line);
    let password_file = s.text("smarthost_password_file", optional_path);
    if user.is_empty() != password_file.is_none() {
        let missing = if user.is_empty() { "smarthost_user" } else { "smarthost_password_file" };
        s.complain(missing, "smarthost_user and smarthost_password_file need each other");
    }
    if !user.is_empty() && smarthost.is_none() && s.place("smarthost") == Place::File {
        s.complain("smarthost_user", "needs a smarthost");
    }
    let secure_retry = s.span("secure_retry", 60..14 * DAY + 1);
    let retry = s.span("retry", 60..14 * DAY + 1);
    if secure_retry > retry && !retry.is_zero() {
        s.complain("secure_retry", "must not be longer than retry");
    }
    let mut tls_policy: Vec<(Domain, Requirement)> = Vec::new();
    for policy in reader.sections("outbound.tls_policy") {
        let domain = policy.must("domain", value::domain);
        let level = policy.choice("level", &LEVELS, &[]);
        let (Some(domain), Some(level)) = (domain, level) else { continue };
        if tls_policy.iter().any(|(known, _)| *known == domain) {
            policy.complain("domain", format!("{domain} is said twice"));
        }
        tls_policy.push((domain, level));
    }
    let smarthost_sign_in = password_file.filter(|_| !user.is_empty()).map(|file| (user, file));
    Outbound { port, smarthost, smarthost_sign_in, tls, tls_policy, secure_retry, retry }
}

/// Looking up names.
#[derive(Clone, Debug)]
pub struct Dns {
    /// Empty: those of the system.
    pub servers: Vec<SocketAddr>,
    /// Whose word counts for DNSSEC.
    pub trust: DnsTrust,
    /// Beside those on loopback.
    pub trust_ad_from: Vec<IpAddr>,
    /// In place of the root's keys.
    pub trust_anchor_file: Option<PathBuf>,
}

/// `[dns] trust`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DnsTrust {
    /// A validating resolver on loopback where there is one, else our own validation.
    Auto,
    /// The AD bit of a resolver on loopback, or of one in `trust_ad_from`.
    Ad,
    /// Our own validation.
    Builtin,
    /// Nobody's.
    None,
}

/// Reads `[dns]`.
pub(in crate::config) fn read_dns(s: &Section<'_>) -> Option<Dns> {
    let words = [
        ("auto", DnsTrust::Auto),
        ("ad", DnsTrust::Ad),
        ("builtin", DnsTrust::Builtin),
        ("none", DnsTrust::None),
    ];
    let trust = s.choice("trust", &words, &[]);
    let servers = s.texts("servers", 16, value::resolver);
    let trust_ad_from = s.texts("trust_ad_from", 16, value::ip);
    let trust_anchor_file = s.text("trust_anchor_file", optional_path);
    let counts = |server: &SocketAddr| {
        let ip = server.ip().to_canonical();
        ip.is_loopback() || trust_ad_from.contains(&ip)
    };
    if trust == Some(DnsTrust::Ad) && !servers.is_empty() && !servers.iter().any(counts) {
        s.complain("trust", "\"ad\" needs a resolver in servers that is on loopback or in trust_ad_from");
    }
    if trust_anchor_file.is_some() && matches!(trust, Some(DnsTrust::Ad | DnsTrust::None)) {
        s.complain("trust_anchor_file", "is for trust \"builtin\" and \"auto\"");
    }
    Some(Dns { servers, trust: trust?, trust_ad_from, trust_anchor_file })
}
