//! The sections of guard.toml: what each holds, and how it is read.

use crate::base::address::Address;
use crate::base::address::Domain;
use crate::base::language::Language;
use crate::base::requirement::Requirement;
use crate::config::Use;
use crate::config::complaint::Place;
use crate::config::reader::Reader;
use crate::config::reader::Section;
use crate::config::value;
use crate::config::value::HostPort;
use crate::config::value::Network;
use crate::config::value::Pattern;
use crate::config::value::PortalUrl;
use std::net::IpAddr;
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

/// Which mail is encrypted.
#[derive(Clone, Debug)]
pub struct Encryption {
    /// Ask for encryption.
    pub subject_tag: Vec<String>,
    /// Take a message out.
    pub plain_tag: Vec<String>,
    /// What happens untold.
    pub mode: Mode,
    /// Answers to encrypted messages are encrypted.
    pub keep_conversations: bool,
    /// A certificate on file cannot be used.
    pub on_bad_key: OnBadKey,
    /// The first that fits decides.
    pub rules: Vec<EncryptionRule>,
}

/// `[encryption] mode`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// When the sender asks.
    Requested,
    /// Also to everybody whose certificate is on file.
    KeyKnown,
    /// All mail.
    Always,
}

/// `[encryption] on_bad_key`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnBadKey {
    /// As if there was none.
    TemporaryMailbox,
    /// Nothing is sent.
    Refuse,
}

/// One `[[encryption.rule]]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EncryptionRule {
    /// Senders.
    pub from: Pattern,
    /// Recipients.
    pub to: Pattern,
    /// What then.
    pub action: RuleAction,
}

/// `[[encryption.rule]] action`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RuleAction {
    /// Always.
    Encrypt,
    /// Never; asking for it is refused.
    Plain,
    /// No mail at all.
    Refuse,
}

/// Reads `[encryption]` with its rules.
pub(super) fn read_encryption(reader: &Reader) -> Option<Encryption> {
    let s = reader.section("encryption");
    let subject_tag = s.texts("subject_tag", 16, value::tag);
    let plain_tag = s.texts("plain_tag", 16, value::tag);
    let folded = |tag: &String| tag.to_lowercase().replace(' ', "");
    if let Some(both) = plain_tag.iter().find(|tag| subject_tag.iter().any(|t| folded(t) == folded(tag))) {
        s.complain("plain_tag", format!("{both} is a subject_tag as well"));
    }
    let modes = [("requested", Mode::Requested), ("key-known", Mode::KeyKnown), ("always", Mode::Always)];
    let mode = s.choice("mode", &modes, &[]);
    let keep_conversations = s.flag("keep_conversations");
    let on_bad_key = s.choice(
        "on_bad_key",
        &[("temporary-mailbox", OnBadKey::TemporaryMailbox), ("refuse", OnBadKey::Refuse)],
        &["hold"],
    );
    let mut rules = Vec::new();
    for rule in reader.sections("encryption.rule") {
        let from = rule.must("from", Pattern::parse);
        let to = rule.must("to", Pattern::parse);
        let actions =
            [("encrypt", RuleAction::Encrypt), ("plain", RuleAction::Plain), ("refuse", RuleAction::Refuse)];
        let action = rule.choice("action", &actions, &[]);
        if let (Some(from), Some(to), Some(action)) = (from, to, action) {
            rules.push(EncryptionRule { from, to, action });
        }
    }
    Some(Encryption {
        subject_tag,
        plain_tag,
        mode: mode?,
        keep_conversations,
        on_bad_key: on_bad_key?,
        rules,
    })
}

/// Mailboxes for people outside.
#[derive(Clone, Debug)]
pub struct TemporaryMailbox {
    /// Without activity; days.
    pub inactivity_days: u16,
    /// Before that; days, falling. Two at least, so that nothing goes that was not warned of twice, and the last leaves
    /// three days to act.
    pub warn_days: Vec<u16>,
    /// The PIN.
    pub pin: PinRule,
    /// Of a PIN that Guardpost makes.
    pub pin_digits: u8,
    /// In the sender's own Sent copy.
    pub show_pin_again: bool,
    /// The header there.
    pub sent_header: String,
    /// Recipients may take their key with them.
    pub key_download: bool,
    /// Octets of one mailbox.
    pub quota: u64,
    /// The local part that invitations come from, lower case.
    pub notice_from: String,
}

/// `[temporary_mailbox] pin`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PinRule {
    /// Always.
    Required,
    /// Unless the sender says none.
    Optional,
    /// Never.
    Off,
}

/// Reads `[temporary_mailbox]`.
pub(super) fn read_temporary_mailbox(s: &Section<'_>) -> Option<TemporaryMailbox> {
    let inactivity_days = days(s.number("inactivity_days", 7..3_651));
    let warn_days: Vec<u16> = s.numbers("warn_days", 2..9, 3..3_650).into_iter().map(days).collect();
    if warn_days.windows(2).any(|pair| matches!(pair, [a, b] if a <= b)) {
        s.complain("warn_days", "must fall");
    }
    if inactivity_days > 0 && warn_days.first().is_some_and(|first| *first >= inactivity_days) {
        s.complain("warn_days", "must be below inactivity_days");
    }
    let rules = [("required", PinRule::Required), ("optional", PinRule::Optional), ("off", PinRule::Off)];
    let pin = s.choice("pin", &rules, &[]);
    let pin_digits = u8::try_from(s.number("pin_digits", 4..13)).unwrap_or_default();
    let show_pin_again = s.flag("show_pin_again");
    let sent_header = s.text("sent_header", value::header_name);
    if sent_header.to_ascii_lowercase().starts_with("x-guardpost-") {
        s.complain("sent_header", "must not begin with X-Guardpost-");
    }
    let key_download = s.flag("key_download");
    let quota = s.size("quota", MIB..TIB + 1);
    let notice_from = s.text("notice_from", value::local_part);
    if ["postmaster", "abuse", "mailer-daemon"].contains(&notice_from.as_str()) {
        s.complain("notice_from", "is an address that people write to");
    }
    s.choice("first_contact", &[("link", ())], &["two-mails"]);
    Some(TemporaryMailbox {
        inactivity_days,
        warn_days,
        pin: pin?,
        pin_digits,
        show_pin_again,
        sent_header,
        key_download,
        quota,
        notice_from,
    })
}

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
pub(super) fn read_outbound(reader: &Reader) -> Outbound {
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
pub(super) fn read_dns(s: &Section<'_>) -> Option<Dns> {
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

/// Limits; sizes in octets.
#[derive(Clone, Debug)]
pub struct Limits {
    /// One message.
    pub message_size: u64,
    /// Of one message.
    pub recipients: usize,
    /// At once, all services.
    pub connections: usize,
    /// At once, from one address.
    pub smtp_connections_per_ip: usize,
    /// At once, from one address.
    pub http_connections_per_ip: usize,
    /// At once, from one address.
    pub imap_connections_per_ip: usize,
    /// From one address.
    pub connects_per_minute: u32,
    /// From the limits for one address.
    pub exempt: Vec<Network>,
    /// Worked on at once.
    pub handshakes: usize,
    /// Held in memory, all together.
    pub plaintext_memory: u64,
    /// At once; nothing: one fewer than cores.
    pub password_checks: Option<usize>,
    /// Of one account.
    pub recipients_per_hour: u32,
    /// Of one account.
    pub recipients_per_day: u32,
    /// Of one account.
    pub new_mailboxes_per_hour: u32,
    /// Of one account.
    pub new_mailboxes_per_day: u32,
    /// Of one temporary mailbox.
    pub temporary_mailbox_messages: u32,
    /// Between two notices to one recipient.
    pub notice_interval: Duration,
    /// Notices and repeated links to one recipient.
    pub notices_per_day: u16,
    /// Of one mailbox.
    pub imap_sessions_per_mailbox: usize,
    /// Until a silent session ends.
    pub imap_idle: Duration,
    /// In the queue.
    pub queue_messages: u64,
    /// Their sizes together.
    pub queue_size: u64,
    /// At once.
    pub remote_connections: usize,
    /// Of these, to one destination.
    pub remote_connections_per_domain: usize,
    /// Over one connection to another server.
    pub messages_per_connection: usize,
}

/// Reads `[limits]`; the ranges are the ceilings.
pub(super) fn read_limits(s: &Section<'_>) -> Limits {
    let count = |key: &str, most: u64| usize::try_from(s.number(key, 1..most + 1)).unwrap_or_default();
    let rate =
        |key: &str, most: u32| u32::try_from(s.number(key, 1..u64::from(most) + 1)).unwrap_or_default();
    let limits = Limits {
        message_size: s.size("message_size", 64 * KIB..100 * MIB + 1),
        recipients: count("recipients", 1_000),
        connections: count("connections", 4_096),
        smtp_connections_per_ip: count("smtp_connections_per_ip", 1_000),
        http_connections_per_ip: count("http_connections_per_ip", 1_000),
        imap_connections_per_ip: count("imap_connections_per_ip", 1_000),
        connects_per_minute: rate("connects_per_minute", 10_000),
        exempt: s.texts("exempt", 64, Network::parse),
        handshakes: count("handshakes", 1_024),
        plaintext_memory: s.size("plaintext_memory", MIB..2 * GIB + 1),
        password_checks: s.auto_or_number("password_checks", 64),
        recipients_per_hour: rate("recipients_per_hour", 100_000),
        recipients_per_day: rate("recipients_per_day", 1_000_000),
        new_mailboxes_per_hour: rate("new_mailboxes_per_hour", 10_000),
        new_mailboxes_per_day: rate("new_mailboxes_per_day", 100_000),
        temporary_mailbox_messages: rate("temporary_mailbox_messages", 1_000_000),
        notice_interval: s.span("notice_interval", 0..DAY + 1),
        notices_per_day: u16::try_from(s.number("notices_per_day", 1..1_001)).unwrap_or_default(),
        imap_sessions_per_mailbox: count("imap_sessions_per_mailbox", 256),
        imap_idle: s.span("imap_idle", 30 * 60..DAY + 1),
        queue_messages: s.number("queue_messages", 1..1_000_001),
        queue_size: s.size("queue_size", MIB..TIB + 1),
        remote_connections: count("remote_connections", 1_000),
        remote_connections_per_domain: count("remote_connections_per_domain", 1_000),
        messages_per_connection: count("messages_per_connection", 1_000),
    };
    if limits.plaintext_memory < limits.message_size {
        s.complain("plaintext_memory", "must not be below message_size");
    }
    if limits.queue_size < limits.message_size {
        s.complain("queue_size", "must not be below message_size");
    }
    if limits.remote_connections_per_domain > limits.remote_connections {
        s.complain("remote_connections_per_domain", "must not be above remote_connections");
    }
    if limits.recipients_per_hour > limits.recipients_per_day {
        s.complain("recipients_per_hour", "must not be above recipients_per_day");
    }
    if limits.new_mailboxes_per_hour > limits.new_mailboxes_per_day {
        s.complain("new_mailboxes_per_hour", "must not be above new_mailboxes_per_day");
    }
    limits
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
