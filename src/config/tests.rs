//! The shipped file, and what is said about wrong ones.

use super::*;
use crate::base::requirement::Requirement;
use crate::config::section::LogAddresses;
use crate::config::section::PinRule;
use crate::config::value::Network;
use crate::config::value::Pattern;
use crate::config::value::PortalUrl;
use proptest::prelude::*;
use std::time::Duration;

/// As little as an admin must say.
const LEAST: &str = r#"
hostname = "mail.example.org"
tls = { certificate = "/c.pem", key = "/k.pem" }
portal = { url = "https://mail.example.org" }
[[domain]]
name = "example.org"
"#;

/// The shipped file with everything that stands commented out.
fn everything() -> String {
    let open = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.is_empty() && !rest.starts_with(' ') => rest.to_owned(),
        _ => line.to_owned(),
    };
    DEFAULTS.lines().map(open).collect::<Vec<_>>().join("\n")
}

fn complaints(text: &str) -> String {
    Config::load("g", text, &[], Use::Server).unwrap_err().to_string()
}

#[test]
fn the_least_is_enough() {
    let config = Config::load("g", LEAST, &[], Use::Server).unwrap();
    assert_eq!(config.limits.message_size, 25 << 20);
    assert_eq!(config.limits.password_checks, None);
    assert_eq!(config.temporary_mailbox.warn_days, [14, 3]);
    assert_eq!(config.temporary_mailbox.pin, PinRule::Required);
    assert_eq!(config.outbound.secure_retry, Duration::from_secs(1_800));
    assert_eq!(config.outbound.retry, Duration::from_secs(5 * 86_400));
    assert_eq!(config.accounts.quota, None);
    assert_eq!(config.domains[0].portal.brand, "example.org");
    assert_eq!(config.domains[0].language.tag(), "en");
    let notices = config.notice_address(&config.domains[0].name).unwrap();
    assert_eq!(notices.to_string(), "secure-mail@example.org");
}

/// Every key of the shipped file, commented out ones too, is read by somebody.
#[test]
fn every_shipped_key_is_known() {
    let text = everything();
    let config = Config::load("g", &text, &[], Use::Server).unwrap_or_else(|said| panic!("{said}"));
    let level = |domain: &str| config.outbound.requirement(&Domain::parse(domain).unwrap());
    assert_eq!(
        (level("partner.example"), level("x.example")),
        (Requirement::Encrypt, Requirement::Opportunistic)
    );
}

/// Every key that is read stands in the shipped file: with no defaults at all, each is missed or said.
#[test]
fn every_key_stands_in_the_shipped_file() {
    let all = Layer::file(&everything()).unwrap();
    let merged = |text: &str| Merged::new("", text, &Layer::default()).unwrap();
    let reader = Reader::new([Layer::default(), Layer::default(), Layer::default()], merged(""));
    assert!(read(&reader, Use::Server).is_none());
    let missed: Vec<_> = reader.finish().into_iter().filter(|found| found.what == "must be said").collect();
    assert!(missed.len() > 60, "{missed:?}");
    let reader = Reader::new([all, Layer::default(), Layer::default()], merged(&everything()));
    read(&reader, Use::Server);
    let missed: Vec<_> = reader.finish().into_iter().filter(|found| found.what == "must be said").collect();
    assert!(missed.is_empty(), "{missed:?}");
}

#[test]
fn every_key_has_a_comment_above_it() {
    let mut above = "";
    for line in DEFAULTS.lines() {
        let open = line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line);
        let is_key = open
            .split_once(" = ")
            .is_some_and(|(key, _)| key.chars().all(|c| c.is_alphanumeric() || c == '_'));
        if is_key {
            assert!(above.starts_with("# "), "{line} has no comment above it");
        }
        above = line;
    }
}

#[test]
fn every_limit_tells_its_ceiling() {
    let limits = DEFAULTS.split("[limits]").nth(1).unwrap().split("\n[").next().unwrap();
    let mut comment = String::new();
    let mut seen = 0;
    for line in limits.lines().filter(|line| !line.is_empty()) {
        if line.starts_with('#') {
            comment += line;
            continue;
        }
        assert!(comment.contains("At most"), "{line}");
        comment.clear();
        seen += 1;
    }
    assert!(seen >= 22, "{seen}");
}

/// Each wrong text, and all that is said about it.
#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn says_everything_at_once() {
    let table: &[(&str, &[&str])] = &[
        (
            "",
            &[
                "g: domain: at least one [[domain]] must be said",
                "g: hostname: must be said",
                "g: portal.url: must be said",
                "g: tls.certificate: must be said",
                "g: tls.key: must be said",
            ],
        ),
        ("hostname = \n", &["g:1: "]),
        (
            "hostname = \"-bad\"\nportal = { url = \"https://x.example\" }\nspeed = 3\n[[domain]]\nname = 5\n\
             [tls]\ncertificate = \"/c\"\nkey = [\"/k\", \"/l\"]\n[limits]\nmessage_size = \"25 apples\"\n\
             recipients = 9000\nconnections = \"many\"\nwibble = true\n[nonsense]\n",
            &[
                "g:1: hostname: the domain is not valid",
                "g:3: speed: unknown key",
                "g:5: domain.name: must be a text in quotes",
                "g:8: tls.key: 2 keys for 1 certificates",
                "g:10: limits.message_size: not a size",
                "g:11: limits.recipients: must be 1 to 1000",
                "g:12: limits.connections: must be a whole number",
                "g:13: limits.wibble: unknown key",
                "g:14: nonsense: unknown section",
            ],
        ),
        (
            &format!(
                "{LEAST}[temporary_mailbox]\ninactivity_days = 14\nwarn_days = [14, 14]\nfirst_contact = \"two-mails\"\n"
            ),
            &[
                "g:9: temporary_mailbox.warn_days: must be below inactivity_days",
                "g:9: temporary_mailbox.warn_days: must fall",
                "g:10: temporary_mailbox.first_contact: \"two-mails\" is not in this version",
            ],
        ),
        (
            &format!(
                "{LEAST}second_language = \"en\"\ntemplates = \"words\"\n[[domain]]\nname = \"second.example\"\n\
                 second_language = \"de\"\nportal = {{ languages = [\"en\"] }}\n"
            ),
            &[
                "g:7: domain.second_language: en is the first language already",
                "g:8: domain.templates: must be a path from the root on",
                "g:11: domain.second_language: de is not among portal.languages",
            ],
        ),
        (
            &format!("{LEAST}[temporary_mailbox]\nwarn_days = [14]\ninactivity_days = 6\n"),
            &[
                "g:8: temporary_mailbox.warn_days: must be a list of 2 to 8 numbers, 3 to 3649",
                "g:9: temporary_mailbox.inactivity_days: must be 7 to 3650",
            ],
        ),
        (
            &format!("{LEAST}[temporary_mailbox]\nwarn_days = [14, 2]\n"),
            &["g:8: temporary_mailbox.warn_days: must be a list of 2 to 8 numbers, 3 to 3649"],
        ),
        (
            &format!(
                "{LEAST}[listen]\nmetrics = [\"[::]:9100\"]\nhttp = [\"[::]:443\"]\n[outbound]\ntls = \"dane\"\n\
                 smarthost_user = \"u\"\n[dns]\ntrust = \"ad\"\nservers = [\"192.0.2.1\"]\n[[outbound.tls_policy]]\ndomain = \"x\"\n[[outbound.tls_policy]]\ndomain = \"y.example\"\nlevel = \"strict\"\n"
            ),
            &[
                "g:8: listen.metrics: \"[::]:9100\": this is not in this version",
                "g:9: listen.http: [::]:443 is taken twice",
                "g:11: outbound.tls: must be \"opportunistic\" or \"encrypt\" or \"dane-only\" or \"verify\"",
                "g:12: outbound.smarthost_user: needs a smarthost",
                "g:14: dns.trust: \"ad\" needs a resolver in servers that is on loopback or in trust_ad_from",
                "g:16: outbound.tls_policy.level: must be said",
                "g:20: outbound.tls_policy.level: must be \"opportunistic\" or \"encrypt\" or \"dane-only\" or \"verify\"",
                "g: outbound.smarthost_password_file: smarthost_user and smarthost_password_file need each other",
            ],
        ),
        (
            &LEAST.replace("https://mail.example.org", "http://mail.example.org"),
            &["g:4: portal.url: must begin with https://"],
        ),
        (
            &LEAST.replace("https://mail.example.org", "https://mail.example.org/x"),
            &["g:4: portal.url: has a path; wanted is a host and perhaps a port, nothing behind"],
        ),
        (
            &format!("{LEAST}secure_alias_domain = \"example.org\"\npostmaster = \"a@other.example\"\n"),
            &[
                "g:7: domain.secure_alias_domain: example.org is said twice",
                "g:8: domain.postmaster: must be an address of one",
            ],
        ),
        (
            &format!(
                "{LEAST}[encryption]\nplain_tag = [\"[ Secure ]\"]\non_bad_key = \"hold\"\nsubject_tag = [\"[secure]\", \"secure\"]\n"
            ),
            &[
                "g:8: encryption.plain_tag: [ Secure ] is a subject_tag as well",
                "g:9: encryption.on_bad_key: \"hold\" is not in this version",
                "g:10: encryption.subject_tag: \"secure\": not a word in brackets",
            ],
        ),
        (&format!("{LEAST}[log]\nlevel = \"loud\"\n"), &["g:8: log.level: must be error, warn"]),
        (&format!("{LEAST}[[limits]]\nrecipients = 3\n"), &["g:8: limits.recipients: unknown key"]),
    ];
    for (text, wants) in table {
        let said = complaints(text);
        for want in *wants {
            assert!(
                said.lines().any(|line| line.starts_with(want)),
                "wanted {want:?} in\n{said}\nfor\n{text}"
            );
        }
        assert!(said.lines().count() <= wants.len().max(1) + 1, "more than wanted:\n{said}\nfor\n{text}");
    }
}

#[test]
fn the_environment_sets_single_keys() {
    let set = |name: &str, value: &str| {
        let variables = [(name.to_owned(), value.to_owned()), ("HOME".into(), "/".into())];
        Config::load("g", LEAST, &variables, Use::Server)
    };
    assert_eq!(set("GUARDPOST_LIMITS__RECIPIENTS", "50").unwrap().limits.recipients, 50);
    assert_eq!(set("GUARDPOST_HOSTNAME", "mx.example.org").unwrap().hostname.as_str(), "mx.example.org");
    assert_eq!(set("GUARDPOST_LISTEN__SMTP", "[]").unwrap().listen.smtp, []);
    let full = set("GUARDPOST_PRIVACY__LOG_ADDRESSES", "full").unwrap();
    assert_eq!(full.privacy.log_addresses, LogAddresses::Full);
    assert!(set("GUARDPOST_CONFIG", "/etc/x.toml").is_ok());
    let said = set("GUARDPOST_LIMITS__RECIPIENTS", "0").unwrap_err().to_string();
    assert_eq!(said, "$GUARDPOST_LIMITS__RECIPIENTS: limits.recipients: must be 1 to 1000");
    let said = set("GUARDPOST_LIMITS__COLOUR", "0").unwrap_err().to_string();
    assert_eq!(said, "$GUARDPOST_LIMITS__COLOUR: limits.colour: unknown key");
}

#[test]
fn a_domain_overrides_the_portal() {
    let text = format!(
        "{LEAST}[[domain]]\nname = \"bücher.example\"\nlanguage = \"de\"\nsecure_alias_domain = \"sicher.bücher.example\"\n\
         portal = {{ url = \"https://post.bücher.example:8443\", brand = \"Bücher & Co\" }}\n"
    );
    let config = Config::load("g", &text, &[], Use::Server).unwrap();
    let second = &config.domains[1];
    assert_eq!(second.portal.brand, "Bücher & Co");
    assert_eq!(second.portal.url.to_string(), "https://post.xn--bcher-kva.example:8443");
    assert_eq!(second.portal.accent, config.domains[0].portal.accent);
    assert_eq!(config.portals().len(), 2);
    assert!(config.is_local(&Domain::parse("sicher.bücher.example").unwrap()));
    assert_eq!(config.domain(&Domain::parse("sicher.bücher.example").unwrap()).map(|d| &d.name), None);
}

#[test]
fn http_is_for_loopback() {
    let config =
        Config::from_text(&LEAST.replace("https://mail.example.org", "http://localhost:8080")).unwrap();
    let url = &config.domains[0].portal.url;
    assert!(!url.is_https());
    assert_eq!((url.authority(), url.host()), ("localhost:8080", "localhost"));
}

#[test]
fn reads_and_refuses_values() {
    for (text, want) in [
        ("https://Mail.Example.org", "https://mail.example.org"),
        ("https://mail.example.org:443/", "https://mail.example.org"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:80", "http://[::1]"),
    ] {
        assert_eq!(PortalUrl::parse(text).unwrap().to_string(), want, "{text}");
    }
    for text in [
        "",
        "mail.example.org",
        "ftp://x",
        "https://",
        "https://a@b",
        "https://a/b",
        "https://a?b",
        "https://a#b",
        "https://a:0",
        "https://a b",
    ] {
        assert!(PortalUrl::parse(text).is_err(), "{text} must be refused");
    }
    for (network, inside, outside) in [
        ("127.0.0.0/8", "127.1.2.3", "128.0.0.1"),
        ("192.0.2.7", "::ffff:192.0.2.7", "192.0.2.8"),
        ("::1/128", "::1", "::2"),
        ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
        ("0.0.0.0/0", "203.0.113.9", "2001:db8::1"),
    ] {
        let network = Network::parse(network).unwrap();
        assert!(network.contains(inside.parse().unwrap()), "{network:?} {inside}");
        assert!(!network.contains(outside.parse().unwrap()), "{network:?} {outside}");
    }
    for text in ["", "x", "192.0.2.0/33", "::/129", "1.2.3.4/-1"] {
        assert!(Network::parse(text).is_err(), "{text} must be refused");
    }
    let address = |text| Address::parse(text).unwrap();
    for (pattern, meant, not_meant) in [
        ("Alice@Example.org", "alice@example.org", "bob@example.org"),
        ("example.org", "bob@example.org", "bob@sub.example.org"),
        (".example.org", "bob@sub.example.org", "bob@badexample.org"),
    ] {
        let pattern = Pattern::parse(pattern).unwrap();
        assert!(pattern.matches(&address(meant)) && !pattern.matches(&address(not_meant)), "{pattern:?}");
    }
    assert!(value::contact("+49 30 1234567").is_err(), "no telephone number");
    assert!(value::contact("help@example.org").is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Never panics, and what it refuses it refuses with a reason.
    #[test]
    fn any_text_is_answered(text in "\\PC{0,200}", key in "[a-z_]{1,8}", value in "\\PC{0,40}") {
        for text in [&text, &format!("{key} = {value}"), &format!("[{key}]\n{key} = \"{value}\"")] {
            if let Err(complaints) = Config::from_text(text) {
                prop_assert!(!complaints.list.is_empty());
            }
        }
        let _ = (PortalUrl::parse(&value), Pattern::parse(&value), Network::parse(&value), value::span(&value));
        let _ = (value::size(&value), value::host_port(&value), value::resolver(&value), value::tag(&value));
    }
}
