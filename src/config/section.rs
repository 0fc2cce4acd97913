//! The sections of guard.toml: what each holds, and how it is read.

mod encryption;
mod limits;
mod outbound;

pub use crate::config::section::encryption::Encryption;
pub use crate::config::section::encryption::EncryptionRule;
pub use crate::config::section::encryption::Mode;
pub use crate::config::section::encryption::OnBadKey;
pub use crate::config::section::encryption::PinRule;
pub use crate::config::section::encryption::RuleAction;
pub use crate::config::section::encryption::TemporaryMailbox;
pub(super) use crate::config::section::encryption::read_encryption;
pub(super) use crate::config::section::encryption::read_temporary_mailbox;
pub use crate::config::section::limits::Limits;
pub(super) use crate::config::section::limits::read_limits;
pub use crate::config::section::outbound::Dns;
pub use crate::config::section::outbound::DnsTrust;
pub use crate::config::section::outbound::Outbound;
pub(super) use crate::config::section::outbound::read_dns;
pub(super) use crate::config::section::outbound::read_outbound;

use crate::base::address::Address;
use crate::base::address::Domain;
use crate::base::language::Language;
use crate::config::Use;
use crate::config::reader::Reader;
use crate::config::reader::Section;
use crate::config::value;
use crate::config::value::PortalUrl;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

const DAY: u64 = 86_400;
const HOUR: u64 = 3_600;
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

/// Where to listen; an empty list is off.
#[derive(Clone, Debug)]
pub struct Listen {
    /// Mail from other servers.
    pub smtp: Vec<SocketAddr>,
    /// Submission, STARTTLS.
    pub submission: Vec<SocketAddr>,
    /// Submission, TLS from the first byte.
    pub submissions: Vec<SocketAddr>,
    /// IMAP, STARTTLS.
    pub imap: Vec<SocketAddr>,
    /// IMAP, TLS from the first byte.
    pub imaps: Vec<SocketAddr>,
    /// The portal.
    pub https: Vec<SocketAddr>,
    /// Redirects; in the demo the portal itself.
    pub http: Vec<SocketAddr>,
}

/// Reads `[listen]`.
pub(super) fn read_listen(s: &Section<'_>) -> Listen {
    let sockets = |key: &str| s.texts(key, 64, value::socket);
    let listen = Listen {
        smtp: sockets("smtp"),
        submission: sockets("submission"),
        submissions: sockets("submissions"),
        imap: sockets("imap"),
        imaps: sockets("imaps"),
        https: sockets("https"),
        http: sockets("http"),
    };
    s.only_none("metrics");
    let Listen { smtp, submission, submissions, imap, imaps, https, http } = &listen;
    let mut taken: Vec<SocketAddr> = Vec::new();
    for (key, sockets) in [
        ("smtp", smtp),
        ("submission", submission),
        ("submissions", submissions),
        ("imap", imap),
        ("imaps", imaps),
        ("https", https),
        ("http", http),
    ] {
        for socket in sockets.iter().filter(|socket| socket.port() != 0) {
            if taken.contains(socket) {
                s.complain(key, format!("{socket} is taken twice"));
            }
            taken.push(*socket);
        }
    }
    listen
}

/// Certificates with their keys.
#[derive(Clone, Debug)]
pub struct Tls {
    /// PEM files: chain, secret key. The first is served where a client asks for no known name.
    pub pairs: Vec<(PathBuf, PathBuf)>,
    /// PEM: the secret or the public key that will be used next.
    pub next_key: Option<PathBuf>,
}

/// Reads `[tls]`.
pub(super) fn read_tls(s: &Section<'_>) -> Tls {
    let certificates = s.one_or_more("certificate", 64, path);
    let keys = s.one_or_more("key", 64, path);
    if certificates.len() != keys.len() && !certificates.is_empty() && !keys.is_empty() {
        s.complain("key", format!("{} keys for {} certificates", keys.len(), certificates.len()));
    }
    if s.has("certificate") && certificates.is_empty() {
        s.complain("certificate", "must name at least one file");
    }
    let next_key = s.text("next_key", optional_path);
    Tls { pairs: certificates.into_iter().zip(keys).collect(), next_key }
}

/// What other servers are told by MTA-STS.
#[derive(Clone, Debug)]
pub struct MtaSts {
    /// What they do with a host that does not keep to it.
    pub mode: StsMode,
    /// They may keep it for so long.
    pub max_age: Duration,
    /// Hosts beside this server, `mx.example` or `*.example`.
    pub mx: Vec<String>,
}

/// `[mta_sts] mode`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StsMode {
    /// There is no policy.
    Off,
    /// They send it nothing.
    Enforce,
    /// They send and may tell.
    Testing,
    /// What they keep is void.
    None,
}

/// Reads `[mta_sts]`.
pub(super) fn read_mta_sts(s: &Section<'_>) -> Option<MtaSts> {
    let words = [
        ("enforce", StsMode::Enforce),
        ("testing", StsMode::Testing),
        ("none", StsMode::None),
        ("off", StsMode::Off),
    ];
    let mode = s.choice("mode", &words, &[]);
    let max_age = s.span("max_age", 60..366 * DAY);
    let mx = s.texts("mx", 32, value::host_or_below);
    Some(MtaSts { mode: mode?, max_age, mx })
}

/// A domain whose mail is here.
#[derive(Clone, Debug)]
pub struct LocalDomain {
    /// The part behind the @.
    pub name: Domain,
    /// Takes and sends mail only over TLS.
    pub secure_alias_domain: Option<Domain>,
    /// Gets postmaster@, abuse@, mailer-daemon@ and alarms; else the first account does.
    pub postmaster: Option<Address>,
    /// For people outside of whom nothing else is known.
    pub language: Language,
    /// Those of whom nobody knows what they chose are written to in this one too.
    pub second_language: Option<Language>,
    /// A directory with its own words for mails.
    pub templates: Option<PathBuf>,
    /// `[portal]` with this domain's own keys over it.
    pub portal: Portal,
}

/// Reads every `[[domain]]`; `general` is what holds where they say nothing of their own.
pub(super) fn read_domains(
    reader: &Reader,
    general: Option<&Portal>,
    r#use: Use,
) -> Option<Vec<LocalDomain>> {
    let sections = reader.sections("domain");
    let mut domains = Vec::new();
    let mut taken: Vec<Domain> = Vec::new();
    let mut complete = true;
    for s in &sections {
        let name = s.must("name", value::domain);
        let secure_alias_domain = s.perhaps("secure_alias_domain", value::domain);
        for (key, domain) in [("name", &name), ("secure_alias_domain", &secure_alias_domain)] {
            let Some(domain) = domain else { continue };
            if taken.contains(domain) {
                s.complain(key, format!("{domain} is said twice"));
            }
            taken.push(domain.clone());
        }
        let postmaster = s.perhaps("postmaster", value::address);
        let said = s.perhaps("language", language);
        let second_language = s.perhaps("second_language", language);
        let templates = s.perhaps("templates", path);
        let portal = read_portal(&s.section("portal"), general, r#use);
        let (Some(name), Some(mut portal)) = (name, portal) else {
            complete = false;
            continue;
        };
        let Some(language) = said.or_else(|| portal.languages.first().copied()) else {
            complete = false;
            continue;
        };
        if second_language == Some(language) {
            s.complain("second_language", format!("{language} is the first language already"));
        } else if let Some(second) = second_language.filter(|second| !portal.languages.contains(second)) {
            s.complain(
                "second_language",
                format!("{second} is not among portal.languages: the mails lead there"),
            );
        }
        if portal.brand.is_empty() {
            portal.brand = name.to_unicode();
        }
        domains.push(LocalDomain {
            name,
            secure_alias_domain,
            postmaster,
            language,
            second_language,
            templates,
            portal,
        });
    }
    complete.then_some(domains)
}

/// The web pages where recipients read and answer.
#[derive(Clone, Debug)]
pub struct Portal {
    /// What links in mails are built from.
    pub url: PortalUrl,
    /// The organisation's name; of a domain never empty.
    pub brand: String,
    /// A picture file beside it.
    pub logo: Option<PathBuf>,
    /// `#rrggbb`.
    pub accent: String,
    /// On offer; never empty.
    pub languages: Vec<Language>,
    /// Who runs this.
    pub imprint_url: Option<String>,
    /// What is done with personal data.
    pub privacy_url: Option<String>,
    /// For questions.
    pub contact: Option<String>,
}

/// Reads `[portal]`.
pub(super) fn read_general_portal(reader: &Reader, r#use: Use) -> Option<Portal> {
    read_portal(&reader.section("portal"), None, r#use)
}

/// Reads `[portal]` whole, or a domain's own keys over `general`.
fn read_portal(s: &Section<'_>, general: Option<&Portal>, r#use: Use) -> Option<Portal> {
    /// What is said here, else what holds in general.
    fn own<T: Clone>(s: &Section<'_>, key: &str, general: Option<&T>, read: impl FnOnce() -> T) -> T {
        let said = s.has(key);
        general.filter(|_| !said).cloned().unwrap_or_else(read)
    }
    let url = own(s, "url", general.map(|portal| Some(portal.url.clone())).as_ref(), || {
        s.must("url", |text| portal_url(text, r#use))
    });
    let brand = own(s, "brand", general.map(|portal| &portal.brand), || s.text("brand", value::line));
    let logo = own(s, "logo", general.map(|portal| &portal.logo), || s.text("logo", optional_path));
    let accent = own(s, "accent", general.map(|portal| &portal.accent), || s.text("accent", value::colour));
    let languages = own(s, "languages", general.map(|portal| &portal.languages), || {
        s.texts("languages", Language::ALL.len(), language)
    });
    let page =
        |key: &str, general: Option<&Option<String>>| own(s, key, general, || s.text(key, value::page));
    let imprint_url = page("imprint_url", general.map(|portal| &portal.imprint_url));
    let privacy_url = page("privacy_url", general.map(|portal| &portal.privacy_url));
    let contact =
        own(s, "contact", general.map(|portal| &portal.contact), || s.text("contact", value::contact));
    if languages.is_empty() && (general.is_none() || s.has("languages")) {
        s.complain("languages", "at least one must be said");
    }
    // Behind a complaint a placeholder goes on, so that a domain's own keys are still read.
    let url = url.or_else(|| PortalUrl::parse("https://placeholder.invalid").ok())?;
    Some(Portal { url, brand, logo, accent, languages, imprint_url, privacy_url, contact })
}

fn portal_url(text: &str, r#use: Use) -> Result<PortalUrl, String> {
    let url = PortalUrl::parse(text)?;
    if r#use == Use::Server && !url.is_https() {
        return Err("must begin with https://".into());
    }
    Ok(url)
}

/// People of the organisation.
#[derive(Clone, Debug)]
pub struct Accounts {
    /// Octets of one mailbox.
    pub quota: Option<u64>,
    /// An OpenPGP certificate that opens every account too.
    pub recovery_certificate: Option<PathBuf>,
    /// Zero is off.
    pub sign_in_cache: Duration,
}

/// Reads `[accounts]`.
pub(super) fn read_accounts(s: &Section<'_>) -> Accounts {
    Accounts {
        quota: s.text("quota", value::quota),
        recovery_certificate: s.text("recovery_certificate", optional_path),
        sign_in_cache: s.span("sign_in_cache", 0..HOUR + 1),
    }
}

/// What is told about people.
#[derive(Clone, Debug)]
pub struct Privacy {
    /// In the log.
    pub log_addresses: LogAddresses,
    /// Client addresses in the log.
    pub log_ip: bool,
}

/// `[privacy] log_addresses`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogAddresses {
    /// The same address is the same word until the next start.
    Hash,
    /// The part behind the @.
    Domain,
    /// As they are.
    Full,
}

/// Reads `[privacy]`.
pub(super) fn read_privacy(s: &Section<'_>) -> Option<Privacy> {
    s.choice("scrub", &[("off", ())], &["standard", "strict"]);
    let words =
        [("hash", LogAddresses::Hash), ("domain", LogAddresses::Domain), ("full", LogAddresses::Full)];
    let log_ip = s.flag("log_ip");
    Some(Privacy { log_addresses: s.choice("log_addresses", &words, &[])?, log_ip })
}

/// The log.
#[derive(Clone, Debug)]
pub struct Log {
    /// Text or JSON.
    pub format: LogFormat,
    /// As tracing's filters are written.
    pub level: String,
}

/// `[log] format`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// Reads `[log]`.
pub(super) fn read_log(s: &Section<'_>) -> Option<Log> {
    let format = s.choice("format", &[("text", LogFormat::Text), ("json", LogFormat::Json)], &[]);
    let level = s.text("level", log_level);
    Some(Log { format: format?, level })
}

/// `level`, or a list of `level` and `room=level`.
fn log_level(text: &str) -> Result<String, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let good = |directive: &str| match directive.split_once('=') {
        None => LEVELS.contains(&directive),
        Some((room, level)) => !room.is_empty() && room.chars().all(plain) && LEVELS.contains(&level),
    };
    if text.split(',').all(good) {
        return Ok(text.into());
    }
    Err("must be error, warn, info, debug or trace, or a list as \"info,guardpost::flow=debug\"".into())
}

fn language(text: &str) -> Result<Language, String> {
    let known = || Language::ALL.map(Language::tag).join(", ");
    Language::parse(text).ok_or_else(|| format!("not a language that is here ({})", known()))
}

/// A path that must be absolute: the server's working directory is nobody's business.
pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_absolute() { Ok(path) } else { Err("must be a path from the root on".into()) }
}

fn optional_path(text: &str) -> Result<Option<PathBuf>, String> {
    if text.is_empty() { Ok(None) } else { path(text).map(Some) }
}

fn days(number: u64) -> u16 {
    u16::try_from(number).unwrap_or_default()
}
