//! The kinds of value that guard.toml knows, each read by one function that says what it wants instead.

use crate::base::address::Address;
use crate::base::address::Domain;
use std::fmt;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::time::Duration;

/// A size text, octets: `25 MiB`.
pub fn size(text: &str) -> Result<u64, String> {
    text.parse::<bytesize::ByteSize>()
        .map(|size| size.as_u64())
        .map_err(|_| "not a size; wanted is a text as \"25 MiB\"".into())
}

/// A size text, or `unlimited`.
pub fn quota(text: &str) -> Result<Option<u64>, String> {
    if text == "unlimited" { Ok(None) } else { size(text).map(Some) }
}

/// A time text: `10m`, `4h`, `5d`; a day has 24 hours.
pub fn span(text: &str) -> Result<Duration, String> {
    if text.trim() == "0" {
        return Ok(Duration::ZERO);
    }
    let wrong = || String::from("not a time; wanted is a text as \"10m\", \"4h\" or \"5d\"");
    let span: jiff::Span = text.parse().map_err(|_| wrong())?;
    let signed = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    Duration::try_from(signed).map_err(|_| wrong())
}

/// `address:port`.
pub fn socket(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "not an \"address:port\" with a numeric address".into())
}

/// An address without a port.
pub fn ip(text: &str) -> Result<IpAddr, String> {
    text.parse::<IpAddr>().map(|ip| ip.to_canonical()).map_err(|_| "must be an address".into())
}

/// A resolver: `address` or `address:port`, port 53 when none is said (RFC 1035 §4.2).
pub fn resolver(text: &str) -> Result<SocketAddr, String> {
    let port_53 = |address: IpAddr| SocketAddr::new(address, 53);
    text.parse::<IpAddr>()
        .map(port_53)
        .or_else(|_| text.parse())
        .map_err(|_| "not an \"address\" or \"address:port\" with a numeric address".into())
}

/// A domain.
pub fn domain(text: &str) -> Result<Domain, String> {
    Domain::parse(text).map_err(|trouble| trouble.to_string())
}

/// A host, or `*.` and a domain.
pub fn host_or_below(text: &str) -> Result<String, String> {
    match text.strip_prefix("*.") {
        Some(base) => domain(base).map(|base| format!("*.{base}")),
        None => domain(text).map(|host| host.to_string()),
    }
}

/// An address.
pub fn address(text: &str) -> Result<Address, String> {
    Address::parse(text).map_err(|trouble| trouble.to_string())
}

/// A local part that invitations come from: letters, digits, `-`, `_` and `.`.
pub fn local_part(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let dots = text.starts_with('.') || text.ends_with('.') || text.contains("..");
    if text.is_empty() || text.len() > 32 || dots || !text.chars().all(plain) {
        return Err("not a local part of at most 32 letters, digits, \"-\", \"_\" and \".\"".into());
    }
    Ok(text.to_ascii_lowercase())
}

/// A tag: `[word]`.
pub fn tag(text: &str) -> Result<String, String> {
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match inner {
        Some(word)
            if !word.trim().is_empty()
                && text.chars().count() <= 32
                && !word.contains(['[', ']'])
                && !word.chars().any(char::is_control) =>
        {
            Ok(text.into())
        }
        _ => Err("not a word in brackets of at most 32 characters, as \"[secure]\"".into()),
    }
}

/// A header field's name (RFC 5322 §2.2) that begins with `X-`: no field that means something can be chosen.
pub fn header_name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let own = text.len() > 2 && text.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("x-"));
    if !own || text.len() > 60 || !text.chars().all(plain) {
        return Err("not a header name that begins with \"X-\"".into());
    }
    Ok(text.into())
}

/// `#rrggbb`.
pub fn colour(text: &str) -> Result<String, String> {
    let hex = text.strip_prefix('#').filter(|hex| hex.len() == 6);
    if hex.is_none_or(|hex| !hex.chars().all(|c| c.is_ascii_hexdigit())) {
        return Err("not a colour as \"#0b5cad\"".into());
    }
    Ok(text.to_ascii_lowercase())
}

/// A web page to point at, or nothing.
pub fn page(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    if rest.is_none_or(str::is_empty) || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("not a web address that begins with https:// or http://".into());
    }
    Ok(Some(text.into()))
}

/// One line for people: no control characters, at most 200.
pub fn line(text: &str) -> Result<String, String> {
    if text.chars().any(char::is_control) || text.chars().count() > 200 {
        return Err("not one line of at most 200 characters".into());
    }
    Ok(text.into())
}

/// A contact: like [`line()`], and no telephone number, since mails must not carry one.
pub fn contact(text: &str) -> Result<Option<String>, String> {
    let number = text.chars().filter(char::is_ascii_digit).count() >= 6 && !text.contains(['@', '/']);
    if number || text.starts_with("tel:") {
        return Err("a telephone number; wanted is an address or a web page".into());
    }
    let text = line(text)?;
    Ok((!text.is_empty()).then_some(text))
}

/// `host:port`.
pub fn host_port(text: &str) -> Result<HostPort, String> {
    let wrong = || String::from("not a \"host:port\"");
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if host.parse::<IpAddr>().is_err() && Domain::parse(host).is_err() {
        return Err(wrong());
    }
    Ok(HostPort { host: host.to_ascii_lowercase(), port })
}

/// A server by name or numeric address, and its port.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HostPort {
    /// Lower case; a domain or a numeric address without brackets.
    pub host: String,
    /// Never 0.
    pub port: u16,
}

/// An address or a network of addresses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    /// Reads `address` or `address/prefix`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || String::from("not an address or network as \"192.0.2.0/24\"");
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => most,
            Some(text) => text.parse().ok().filter(|prefix| *prefix <= most).ok_or_else(wrong)?,
        };
        Ok(Self { address, prefix })
    }

    /// Whether `address` is in it; IPv4 in IPv6 clothes counts as IPv4 (RFC 4291 §2.5.5.2).
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - self.prefix).unwrap_or(0);
                network.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - self.prefix).unwrap_or(0);
                network.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// Whom an `[[encryption.rule]]` means.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Pattern {
    /// `*`.
    Everybody,
    /// One address, compared in its normalised form.
    Address(Address),
    /// Every address of one domain.
    Domain(Domain),
    /// `.domain`: every address of its sub-domains.
    Below(Domain),
}

impl Pattern {
    /// Reads one of the four forms.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "*" => Ok(Self::Everybody),
            text if text.contains('@') => address(text).map(Self::Address),
            text => match text.strip_prefix('.') {
                Some(below) => domain(below).map(Self::Below),
                None => domain(text).map(Self::Domain),
            },
        }
    }

    /// Whether `address` is meant.
    pub fn matches(&self, address: &Address) -> bool {
        match self {
            Self::Everybody => true,
            Self::Address(one) => one.key() == address.key(),
            Self::Domain(domain) => domain == address.domain(),
            Self::Below(domain) => address
                .domain()
                .as_str()
                .strip_suffix(domain.as_str())
                .is_some_and(|rest| rest.ends_with('.')),
        }
    }
}

/// The address of the portal, that is its origin (RFC 6454 §4): scheme, host, port.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct PortalUrl {
    https: bool,
    authority: String,
    host: String,
}

impl PortalUrl {
    /// Reads `https://host` or `https://host:port`; http is read as well, and whether it may be is asked elsewhere.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (https, rest) = if let Some(rest) = text.strip_prefix("https://") {
            (true, rest)
        } else if let Some(rest) = text.strip_prefix("http://") {
            (false, rest)
        } else {
            return Err("not a web address that begins with https://".into());
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        for (mark, name) in [('#', "fragment"), ('?', "query"), ('/', "path"), ('@', "user name")] {
            if rest.contains(mark) {
                return Err(format!("has a {name}; wanted is a host and perhaps a port, nothing behind"));
            }
        }
        let usual = if https { 443 } else { 80 };
        let with_port = if has_port(rest) { rest.to_owned() } else { format!("{rest}:{usual}") };
        let HostPort { host, port } = host_port(&with_port).map_err(|_| String::from("has no valid host"))?;
        let host = match Domain::parse(&host) {
            Ok(domain) => domain.as_str().to_owned(),
            Err(_) if host.contains(':') => format!("[{host}]"),
            Err(_) => host,
        };
        let authority = if port == usual { host.clone() } else { format!("{host}:{port}") };
        Ok(Self { https, authority, host })
    }

    /// False only in `demo`, on loopback.
    pub const fn is_https(&self) -> bool {
        self.https
    }

    /// Host and port as the header Host has them (RFC 9110 §7.2), the port only when it is not the usual one.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The host alone.
    pub fn host(&self) -> &str {
        &self.host
    }
}

/// As the header Origin has it, without a slash at the end.
impl fmt::Display for PortalUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.https { "https" } else { "http" }, self.authority)
    }
}

fn has_port(authority: &str) -> bool {
    let behind = authority.rsplit_once(']').map_or(authority, |(_, behind)| behind);
    behind.contains(':')
}
