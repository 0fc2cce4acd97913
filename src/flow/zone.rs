//! The records that a domain's owner publishes: where its mail goes, who signs for it, and how it is met.

use crate::base::address::Domain;
use crate::config::Config;
use crate::config::section::StsMode;
use crate::flow::mta_sts;
use crate::flow::signing::key_record;
use crate::flow::signing::signing_domains;
use crate::net::tls::CertificateFiles;
use crate::net::tls::KeyDigest;
use crate::net::tls::presented_keys;
use crate::policy::mta_sts::Mode;
use crate::policy::mta_sts::Pattern;
use crate::policy::mta_sts::Policy;
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::record::SigningKey;
use crate::threads;
use aws_lc_rs::digest;
use std::fmt::Write;

/// What our own domains say by MTA-STS (RFC 8461): the same of all of them, because their mail comes to this server.
pub fn own_policy(config: &Config) -> Option<Policy> {
    let mode = match config.mta_sts.mode {
        StsMode::Off => return None,
        StsMode::Enforce => Mode::Enforce,
        StsMode::Testing => Mode::Testing,
        StsMode::None => Mode::None,
    };
    let others = config.mta_sts.mx.iter().filter_map(|pattern| Pattern::parse(pattern));
    let mx = std::iter::once(Pattern::Host(config.hostname.clone())).chain(others).collect();
    Some(Policy { mode, mx, max_age: config.mta_sts.max_age })
}

/// The domain whose policy host `host` is, if it is one of ours and has a policy.
pub fn policy_host(config: &Config, host: &str) -> Option<Domain> {
    if config.mta_sts.mode == StsMode::Off {
        return None;
    }
    let domain = Domain::parse(host.strip_prefix("mta-sts.")?).ok()?;
    config.is_local(&domain).then_some(domain)
}

/// The id of a policy: another one whenever anything in it is another (RFC 8461 §3.1).
fn policy_id(policy: &Policy) -> String {
    hex(digest::digest(&digest::SHA256, policy.to_string().as_bytes()).as_ref()).chars().take(20).collect()
}

/// The records to publish, as lines of a zone file (RFC 1035 §5.1).
pub async fn lines(store: &dyn Store, config: &Config) -> Result<Vec<String>, StoreError> {
    let mut signing = Vec::new();
    for domain in signing_domains(config) {
        let keys = store.signing_keys(&domain).await?;
        signing.push((domain, keys));
    }
    let pairs = config.tls.pairs.iter();
    let files: Vec<CertificateFiles> = pairs
        .map(|(certificate, key)| CertificateFiles { certificate: certificate.clone(), key: key.clone() })
        .collect();
    let (host, next) = (config.hostname.to_string(), config.tls.next_key.clone());
    let keys = threads::blocking(move || presented_keys(&files, &host, next.as_deref())).await;
    let keys = match keys {
        Ok(Ok(keys)) => Ok(keys),
        Ok(Err(why)) => Err(why.to_string()),
        Err(_) => Err("reading broke off".into()),
    };
    Ok(written(config, &keys, &signing))
}

/// The same of what was gathered.
fn written(
    config: &Config,
    keys: &Result<Vec<KeyDigest>, String>,
    signing: &[(Domain, Vec<SigningKey>)],
) -> Vec<String> {
    let hostname = &config.hostname;
    let mut lines = vec![
        format!("; {hostname} needs A and AAAA records of this server's addresses, and PTR records back."),
        text_record(hostname.as_str(), "v=spf1 a -all"),
    ];
    if let Some(smarthost) = &config.outbound.smarthost {
        lines.push(format!("; Add what SPF terms the operator of {} asks for.", smarthost.host));
    }
    lines.extend(tlsa(hostname, keys));
    let policy = own_policy(config);
    for (domain, keys) in signing {
        lines.push(String::new());
        lines.push(format!("{domain}. IN MX 10 {hostname}."));
        lines.push(text_record(domain.as_str(), "v=spf1 mx -all"));
        for key in keys {
            lines.push(text_record(&format!("{}._domainkey.{domain}", key.selector), &key_record(key)));
        }
        lines.push(text_record(&format!("_dmarc.{domain}"), "v=DMARC1; p=reject"));
        if let Some(policy) = &policy
            && let Some(host) = mta_sts::host(domain)
        {
            lines.push(format!("{host}. IN CNAME {hostname}."));
            let record = format!("v=STSv1; id={};", policy_id(policy));
            lines.push(text_record(&format!("_mta-sts.{domain}"), &record));
        }
        // RFC 8460 §3. The postmaster of an alias domain is that of its domain.
        let main = config.main_domain(domain).map_or(domain, |main| &main.name);
        let record = format!("v=TLSRPTv1; rua=mailto:postmaster@{main}");
        lines.push(text_record(&format!("_smtp._tls.{domain}"), &record));
    }
    lines
}

/// DANE for mail to this server (RFC 7672 §3.1.1): the key that is presented, and the one that will be.
fn tlsa(hostname: &Domain, keys: &Result<Vec<KeyDigest>, String>) -> Vec<String> {
    let keys = match keys {
        Ok(keys) => keys,
        Err(why) => return vec![format!("; No TLSA records: {}", why.replace(['\r', '\n'], " "))],
    };
    let mut lines =
        vec![format!("; TLSA records count only where the zone of {hostname} is signed (DNSSEC).")];
    if !keys.iter().any(|key| key.next) {
        lines.push(
            "; Before another key is used: next_key in [tls], and publish its record for two days.".into(),
        );
    }
    for key in keys {
        let when = if key.next { "the next key" } else { "the key in use" };
        lines.push(format!("_25._tcp.{hostname}. IN TLSA 3 1 1 {} ; {when}", hex(&key.sha256)));
    }
    lines
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

/// A TXT record; what is longer than 255 octets stands in several strings (RFC 1035 §3.3, RFC 6376 §3.6.2.2).
fn text_record(owner: &str, text: &str) -> String {
    let strings: Vec<String> = text
        .as_bytes()
        .chunks(255)
        .map(|string| format!("\"{}\"", String::from_utf8_lossy(string)))
        .collect();
    format!("{owner}. IN TXT {}", strings.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::Secret;
    use crate::base::time::Time;
    use crate::store::record::SigningAlgorithm;
    use std::path::Path;

    fn config(more: &str) -> Config {
        let text = format!(
            "hostname = \"mail.a.example\"\n[[domain]]\nname = \"a.example\"\nsecure_alias_domain = \
             \"secure.a.example\"\n[[domain]]\nname = \"b.example\"\n[portal]\nurl = \"https://mail.a.example\"\n\
             [tls]\ncertificate = \"/c\"\nkey = \"/k\"\n{more}"
        );
        Config::from_text(&text).unwrap_or_else(|complaints| panic!("{complaints}"))
    }

    fn shown(config: &Config, keys: &Result<Vec<KeyDigest>, String>) -> String {
        let key = |domain: &Domain, selector: &str, algorithm, length: usize| SigningKey {
            domain: domain.clone(),
            selector: selector.into(),
            algorithm,
            private: Secret::new(Vec::new()),
            public: vec![7; length],
            created: Time(0),
        };
        let signing: Vec<(Domain, Vec<SigningKey>)> = signing_domains(config)
            .into_iter()
            .map(|domain| {
                let rsa = key(&domain, "gpr202611", SigningAlgorithm::Rsa, 294);
                let ed25519 = key(&domain, "gpe202611", SigningAlgorithm::Ed25519, 32);
                (domain, vec![rsa, ed25519])
            })
            .collect();
        written(config, keys, &signing).join("\n") + "\n"
    }

    /// All of it on record, for every way to have it; a change is made with `UPDATE_GOLDEN=1`, and on purpose.
    #[test]
    fn the_records_are_on_record() {
        let key = |octet, next| KeyDigest { sha256: [octet; 32], next };
        let mut now = String::new();
        for (what, more, keys) in [
            ("as it is shipped", "", Ok(vec![key(1, false)])),
            (
                "a next key, a policy that is tested, a smarthost",
                "next_key = \"/n\"\n[mta_sts]\nmode = \"testing\"\nmax_age = \"1d\"\nmx = [\"backup.b.example\", \
                 \"*.c.example\"]\n[outbound]\nsmarthost = \"relay.d.example:587\"\n",
                Ok(vec![key(1, false), key(2, true)]),
            ),
            (
                "no policy, no certificate",
                "[mta_sts]\nmode = \"off\"\n",
                Err("/c: no such file\nor so".into()),
            ),
        ] {
            now += &format!("; === {what}\n{}", shown(&config(more), &keys));
        }
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/dns_records.txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&file, &now).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&file).unwrap_or_default(), now);
    }

    #[test]
    fn the_id_changes_with_the_policy() {
        let id = |more: &str| policy_id(&own_policy(&config(more)).unwrap());
        let ids = ["", "mode = \"testing\"", "max_age = \"8d\"", "mx = [\"x.example\"]"]
            .map(|more| id(&format!("[mta_sts]\n{more}\n")));
        assert!(ids.iter().all(|one| ids.iter().filter(|other| *other == one).count() == 1), "{ids:?}");
        assert_eq!(ids[0], id(""), "and only with it");
        assert!(own_policy(&config("[mta_sts]\nmode = \"off\"\n")).is_none());
        let text = own_policy(&config("")).unwrap().to_string();
        assert_eq!(text, "version: STSv1\r\nmode: enforce\r\nmx: mail.a.example\r\nmax_age: 604800\r\n");
    }

    #[test]
    fn policy_hosts_are_those_of_our_domains() {
        let (on, off) = (config(""), config("[mta_sts]\nmode = \"off\"\n"));
        for (host, want) in [
            ("mta-sts.a.example", true),
            ("mta-sts.secure.a.example", true),
            ("mta-sts.b.example", true),
            ("mta-sts.c.example", false),
            ("mta-sts.mta-sts.a.example", false),
            ("a.example", false),
            ("mta-sts.", false),
            ("", false),
        ] {
            assert_eq!(policy_host(&on, host).is_some(), want, "{host}");
            assert_eq!(policy_host(&off, host), None, "{host}");
        }
    }

    #[test]
    fn long_texts_are_split() {
        let line = text_record("x", &"y".repeat(600));
        let lengths: Vec<usize> = line.split('"').skip(1).step_by(2).map(str::len).collect();
        assert_eq!(lengths, [255, 255, 90]);
    }
}
