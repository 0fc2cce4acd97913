//! MTA-STS (RFC 8461): what a domain says about its mail hosts over HTTPS, read strictly, and what that means for
//! one of them.

use crate::base::address::Domain;
use std::fmt;
use std::fmt::Write;
use std::time::Duration;
use thiserror::Error;

/// A policy is at most this large, octets (RFC 8461 §3.3).
pub const SIZE: usize = 64 << 10;
/// RFC 8461 §3.2: about a year, seconds.
pub const MAX_AGE: u64 = 31_557_600;
/// The version of records and policies.
const VERSION: &str = "STSv1";

/// The name of one version of a policy: 1 to 32 letters and digits (RFC 8461 §3.1).
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PolicyId(Box<str>);

impl PolicyId {
    /// Reads it; the only way to obtain one.
    pub fn parse(text: &str) -> Option<Self> {
        let good = (1..=32).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_alphanumeric());
        good.then(|| Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The id that the TXT records at `_mta-sts` name; nothing where they name no policy (RFC 8461 §3.1): records of other
/// versions do not count, and more than one of ours counts as none.
pub fn record(texts: &[Vec<u8>]) -> Option<PolicyId> {
    let mut ours = texts.iter().filter(|text| {
        let behind = text.strip_prefix(b"v=STSv1");
        behind.is_some_and(|rest| rest.trim_ascii_start().first() == Some(&b';'))
    });
    let (Some(text), None) = (ours.next(), ours.next()) else { return None };
    let text = std::str::from_utf8(text).ok()?;
    let mut fields: Vec<&str> = text.split(';').map(str::trim).skip(1).collect();
    // A delimiter may stand at the end.
    if fields.last() == Some(&"") {
        fields.pop();
    }
    let mut id = None;
    for field in fields {
        let (name, value) = field.split_once('=')?;
        let visible = |octet: u8| octet.is_ascii_graphic() && octet != b'=';
        if !is_extension(name) || value.is_empty() || !value.bytes().all(visible) {
            return None;
        }
        if name == "id" && id.is_none() {
            id = Some(PolicyId::parse(value)?);
        }
    }
    id
}

/// The name of a field that may be one of a later version (RFC 8461 §3.1, §3.2).
fn is_extension(name: &str) -> bool {
    let mut octets = name.bytes();
    (1..=32).contains(&name.len())
        && octets.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && octets.all(|octet| octet.is_ascii_alphanumeric() || b"_-.".contains(&octet))
}

/// What is to be done with a host that does not keep to the policy (RFC 8461 §5).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// It gets no mail.
    Enforce,
    /// It gets mail, and the domain may be told.
    Testing,
    /// There is no policy any more.
    None,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::Enforce, Self::Testing, Self::None];

    /// The form of a policy.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Testing => "testing",
            Self::None => "none",
        }
    }

    /// Reads that form.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text)
    }
}

/// A host of a policy, or all hosts one label below a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Pattern {
    /// This one.
    Host(Domain),
    /// `*.` and this.
    Below(Domain),
}

impl Pattern {
    /// Reads `mx.example` or `*.example`.
    pub fn parse(text: &str) -> Option<Self> {
        // A final dot is in no ABNF of a policy (RFC 8461 §3.2).
        if text.ends_with('.') || !text.is_ascii() {
            return None;
        }
        match text.strip_prefix("*.") {
            Some(base) => Domain::parse(base).ok().map(Self::Below),
            None => Domain::parse(text).ok().map(Self::Host),
        }
    }

    /// RFC 8461 §4.1: a wildcard stands for exactly one label.
    pub fn fits(&self, host: &Domain) -> bool {
        match self {
            Self::Host(name) => name == host,
            Self::Below(base) => {
                host.as_str().split_once('.').is_some_and(|(_, parent)| parent == base.as_str())
            }
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(name) => write!(f, "{name}"),
            Self::Below(base) => write!(f, "*.{base}"),
        }
    }
}

/// A policy as it was published.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Policy {
    /// What is to be done.
    pub mode: Mode,
    /// The hosts; none only where there is no policy any more.
    pub mx: Vec<Pattern>,
    /// It may be kept for so long; at most a year.
    pub max_age: Duration,
}

/// Why a text is no policy.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum BadPolicy {
    /// More than 64 KiB.
    #[error("is too large")]
    TooLarge,
    /// Neither fields nor UTF-8.
    #[error("is not made of lines of name and value")]
    Line,
    /// Of another version, or of none.
    #[error("is of no known version")]
    Version,
    /// No known mode.
    #[error("has no known mode")]
    Mode,
    /// A host that cannot be one, or none.
    #[error("names no hosts that could be")]
    Mx,
    /// No number of seconds.
    #[error("does not say how long it holds")]
    MaxAge,
}

impl Policy {
    /// Reads a policy (RFC 8461 §3.2). Fields of other names are passed over; of a field that is said twice, `mx`
    /// excepted, the first counts; a `max_age` of more than a year is a year.
    pub fn parse(octets: &[u8]) -> Result<Self, BadPolicy> {
        if octets.len() > SIZE {
            return Err(BadPolicy::TooLarge);
        }
        let text = std::str::from_utf8(octets).map_err(|_| BadPolicy::Line)?;
        let (mut version, mut mode, mut max_age, mut mx) = (None, None, None, Vec::new());
        for line in text.split('\n') {
            let line = line.strip_suffix('\r').unwrap_or(line).trim_end_matches([' ', '\t']);
            if line.is_empty() {
                continue;
            }
            let (name, value) = line.split_once(':').ok_or(BadPolicy::Line)?;
            let value = value.trim_start_matches([' ', '\t']);
            if !is_extension(name) || value.is_empty() || value.chars().any(char::is_control) {
                return Err(BadPolicy::Line);
            }
            match name {
                "version" => version = version.or(Some(value)),
                "mode" => mode = mode.or(Some(value)),
                "max_age" => max_age = max_age.or(Some(value)),
                "mx" => mx.push(Pattern::parse(value).ok_or(BadPolicy::Mx)?),
                _ => {}
            }
        }
        if version != Some(VERSION) {
            return Err(BadPolicy::Version);
        }
        let mode = mode.and_then(Mode::parse).ok_or(BadPolicy::Mode)?;
        if mx.is_empty() && mode != Mode::None {
            return Err(BadPolicy::Mx);
        }
        let digits = |text: &&str| text.len() <= 10 && text.bytes().all(|octet| octet.is_ascii_digit());
        let seconds: u64 =
            max_age.filter(digits).and_then(|text| text.parse().ok()).ok_or(BadPolicy::MaxAge)?;
        Ok(Self { mode, mx, max_age: Duration::from_secs(seconds.min(MAX_AGE)) })
    }

    /// The same in as few octets as it can be said: never more than it was read from, so that it can be read again.
    pub fn compact(&self) -> String {
        let mut text = format!("version:{VERSION}\nmode:{}\n", self.mode.as_str());
        for pattern in &self.mx {
            let _ = writeln!(text, "mx:{pattern}");
        }
        text + &format!("max_age:{}", self.max_age.as_secs())
    }

    /// What it means for a host.
    pub fn at(&self, host: Option<&Domain>) -> Sts {
        let listed = host.is_some_and(|host| self.mx.iter().any(|pattern| pattern.fits(host)));
        match self.mode {
            Mode::Enforce => Sts::Enforce { listed },
            Mode::Testing => Sts::Testing { listed },
            Mode::None => Sts::None,
        }
    }
}

/// The text that [`Policy::parse`] reads.
impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version: {VERSION}\r\nmode: {}\r\n", self.mode.as_str())?;
        for pattern in &self.mx {
            write!(f, "mx: {pattern}\r\n")?;
        }
        write!(f, "max_age: {}\r\n", self.max_age.as_secs())
    }
}

/// What a policy means for one host.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Sts {
    /// There is none.
    #[default]
    None,
    /// What does not keep to it is noted.
    Testing {
        /// The host is one of its hosts.
        listed: bool,
    },
    /// The host must be one of its hosts, offer TLS, and present a certificate for its name that leads to an
    /// authority of the Web (RFC 8461 §4.2).
    Enforce {
        /// The host is one of its hosts.
        listed: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_and_refuses_records() {
        let id = |texts: &[&str]| {
            let texts: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
            record(&texts).map(|id| id.as_str().to_owned())
        };
        for text in [
            "v=STSv1; id=20160831085700Z;",
            "v=STSv1;id=20160831085700Z",
            "v=STSv1 ; id=20160831085700Z ;",
            "v=STSv1; new-thing=1; id=20160831085700Z",
            "v=STSv1; id=20160831085700Z; id=second",
        ] {
            assert_eq!(id(&[text]).as_deref(), Some("20160831085700Z"), "{text}");
            assert_eq!(id(&["v=spf1 -all", text, "v=STSv2; id=2;"]).as_deref(), Some("20160831085700Z"));
        }
        let long = format!("v=STSv1; id={};", "x".repeat(33));
        for texts in [
            &[][..],
            &["v=STSv1; id=1;", "v=STSv1; id=1;"],
            &["v=STSv1;"],
            &["v=STSv1; id=;"],
            &["v=STSv1; id=a-b;"],
            &["v=STSv1; id=a b;"],
            &["v=STSv1; ;id=1"],
            &["v=STSv1; id;"],
            &["v=stsv1; id=1;"],
            &[" v=STSv1; id=1;"],
            &["v=STSv1id=1;"],
            &["v=STSv1; id=1; \u{e4}=2"],
            &[&long],
        ] {
            assert_eq!(id(texts), None, "{texts:?}");
        }
        assert_eq!(record(&[b"v=STSv1; id=\xff;".to_vec()]), None);
    }

    #[test]
    fn reads_policies() {
        let text = "version: STSv1\nmode: enforce\nmx: mail.example.com\nmx: *.example.net\nmx: backupmx.example.com\n\
                    max_age: 604800";
        let policy = Policy::parse(text.as_bytes()).unwrap();
        assert_eq!(policy.mode, Mode::Enforce);
        assert_eq!(policy.max_age, Duration::from_secs(604_800));
        let shown: Vec<String> = policy.mx.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["mail.example.com", "*.example.net", "backupmx.example.com"]);
        for same in [
            text.replace('\n', "\r\n"),
            format!("{text}\n\n"),
            text.replace(": ", ":"),
            text.replace('\n', "  \n"),
            format!("{text}\nmode: none\nversion: STSv9\nmax_age: x"),
            format!("{text}\nx-new.field: anything at all \u{fc}"),
            text.replace("mail.example.com", "MAIL.example.com"),
        ] {
            assert_eq!(Policy::parse(same.as_bytes()).as_ref(), Ok(&policy), "{same}");
        }
        let none = Policy::parse(b"version: STSv1\nmode: none\nmax_age: 0\n").unwrap();
        assert_eq!((none.mode, none.max_age, none.at(None)), (Mode::None, Duration::ZERO, Sts::None));
        let long = Policy::parse(b"version: STSv1\nmode: testing\nmx: a.b\nmax_age: 9999999999").unwrap();
        assert_eq!(long.max_age, Duration::from_secs(MAX_AGE));
    }

    /// RFC 8461 §3.2 sets no limit to the hosts; only the octets of the whole are bounded.
    #[test]
    fn a_policy_may_name_as_many_hosts_as_fit() {
        let ends = "version:STSv1\nmode:enforce\nmax_age:1";
        let hosts = (0..).map(|n| format!("mx:{n:x}.b\n"));
        let mut text = String::new();
        for host in hosts.take_while(|host| host.len() <= 10) {
            if text.len() + host.len() + ends.len() > SIZE {
                break;
            }
            text += &host;
        }
        text += ends;
        let policy = Policy::parse(text.as_bytes()).unwrap();
        assert!(policy.mx.len() > 6_000, "{}", policy.mx.len());
        assert_eq!(policy.at(Domain::parse("fff.b").ok().as_ref()), Sts::Enforce { listed: true });
        assert_eq!(policy.at(Domain::parse("fff.c").ok().as_ref()), Sts::Enforce { listed: false });
        assert!(policy.to_string().len() > SIZE, "as we would publish it, it is longer");
        assert!(policy.compact().len() <= text.len());
        assert_eq!(Policy::parse(policy.compact().as_bytes()), Ok(policy));
        let full = format!("{text}\n{}", " ".repeat(SIZE - text.len()));
        assert_eq!(Policy::parse(full.as_bytes()), Err(BadPolicy::TooLarge));
    }

    #[test]
    fn refuses_what_is_no_policy() {
        let with = |line: &str| format!("version: STSv1\nmode: enforce\nmx: a.example\nmax_age: 60\n{line}");
        for (text, why) in [
            (String::new(), BadPolicy::Version),
            ("<html>".into(), BadPolicy::Line),
            ("\u{feff}version: STSv1".into(), BadPolicy::Line),
            (with("novalue"), BadPolicy::Line),
            (with("empty:"), BadPolicy::Line),
            (with("-x: y"), BadPolicy::Line),
            (with("a b: c"), BadPolicy::Line),
            (with("x: a\0b"), BadPolicy::Line),
            (with("x: a\rb"), BadPolicy::Line),
            (with("mx: *"), BadPolicy::Mx),
            (with("mx: *."), BadPolicy::Mx),
            (with("mx: a.*.example"), BadPolicy::Mx),
            (with("mx: *.*.example"), BadPolicy::Mx),
            (with("mx: a.example."), BadPolicy::Mx),
            (with("mx: .example"), BadPolicy::Mx),
            (with("mx: a_b.example"), BadPolicy::Mx),
            (with("mx: b\u{fc}cher.example"), BadPolicy::Mx),
            (with("mx: a.example b.example"), BadPolicy::Mx),
            ("version: STSv2\nmode: none\nmax_age: 1".into(), BadPolicy::Version),
            ("version: stsv1\nmode: none\nmax_age: 1".into(), BadPolicy::Version),
            ("version: STSv1\nmax_age: 1".into(), BadPolicy::Mode),
            ("version: STSv1\nmode: Enforce\nmx: a.b\nmax_age: 1".into(), BadPolicy::Mode),
            ("version: STSv1\nmode: enforce\nmax_age: 1".into(), BadPolicy::Mx),
            ("version: STSv1\nmode: none".into(), BadPolicy::MaxAge),
            ("version: STSv1\nmode: none\nmax_age: -1".into(), BadPolicy::MaxAge),
            ("version: STSv1\nmode: none\nmax_age: +1".into(), BadPolicy::MaxAge),
            ("version: STSv1\nmode: none\nmax_age: 1.5".into(), BadPolicy::MaxAge),
            ("version: STSv1\nmode: none\nmax_age: 00000000001".into(), BadPolicy::MaxAge),
            (with(&format!("x: {}", "y".repeat(SIZE))), BadPolicy::TooLarge),
        ] {
            assert_eq!(Policy::parse(text.as_bytes()), Err(why), "{text}");
        }
        assert_eq!(Policy::parse(b"\xff"), Err(BadPolicy::Line));
    }

    #[test]
    fn a_wildcard_stands_for_one_label() {
        let fits =
            |pattern: &str, host: &str| Pattern::parse(pattern).unwrap().fits(&Domain::parse(host).unwrap());
        for (pattern, host, want) in [
            ("mx.example.com", "mx.example.com", true),
            ("mx.example.com", "a.mx.example.com", false),
            ("*.example.com", "mx.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "a.mx.example.com", false),
            ("*.example.com", "mxexample.com", false),
            ("*.EXAMPLE.com", "MX.example.COM", true),
        ] {
            assert_eq!(fits(pattern, host), want, "{pattern} {host}");
        }
        let policy = Policy::parse(b"version: STSv1\nmode: testing\nmx: *.b.example\nmax_age: 1").unwrap();
        let at = |host: &str| policy.at(Domain::parse(host).ok().as_ref());
        assert_eq!(at("a.b.example"), Sts::Testing { listed: true });
        assert_eq!(at("b.example"), Sts::Testing { listed: false });
        assert_eq!(policy.at(None), Sts::Testing { listed: false }, "an address is no host of a policy");
    }

    proptest! {
        #[test]
        fn nothing_panics(octets in proptest::collection::vec(any::<u8>(), 0..300), text in "\\PC{0,80}") {
            let _ = Policy::parse(&octets);
            let _ = Policy::parse(text.as_bytes());
            let _ = record(&[octets, text.into_bytes()]);
        }

        #[test]
        fn a_policy_reads_as_it_was_written(
            mode in 0_usize..3,
            hosts in proptest::collection::vec("(\\*\\.)?[a-z]{1,9}\\.[a-z]{2,5}", 1..9),
            seconds in 0..=MAX_AGE,
        ) {
            let mx = hosts.iter().filter_map(|host| Pattern::parse(host)).collect();
            let policy = Policy { mode: Mode::ALL[mode], mx, max_age: Duration::from_secs(seconds) };
            for text in [policy.compact(), policy.to_string()] {
                prop_assert_eq!(Policy::parse(text.as_bytes()), Ok(policy.clone()));
            }
        }
    }
}
