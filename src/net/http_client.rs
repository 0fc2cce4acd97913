//! One GET over HTTPS, for texts that other people's servers publish: no redirect, no cookie, no cache.
//!
//! The server must be one that an authority of the Web vouches for, and its address one of the public Internet: a
//! name that a stranger chose leads into no network behind this server.

use crate::base::address::Domain;
use crate::net::dial::DialError;
use crate::net::dial::Dialer;
use crate::net::dial::NamedBy;
use crate::net::error::NetError;
use crate::net::roots::Roots;
use crate::net::tls::TlsClient;
use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::Empty;
use http_body_util::LengthLimitError;
use http_body_util::Limited;
use hyper::HeaderMap;
use hyper::client::conn::http1;
use hyper::header;
use hyper_util::rt::TokioIo;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use thiserror::Error;
use tokio_util::task::AbortOnDropHandle;

/// The head of an answer, octets.
const HEAD: usize = 16 << 10;
/// Fields in it.
const FIELDS: usize = 64;

/// Fetches texts.
#[derive(Clone, Debug)]
pub struct HttpsClient {
    /// How connections are opened.
    pub dialer: Dialer,
    /// The port of web servers.
    pub port: u16,
    /// The authorities that must vouch for a server.
    pub roots: Roots,
}

impl Default for HttpsClient {
    fn default() -> Self {
        Self { dialer: Dialer::default(), port: 443, roots: Roots::default() }
    }
}

/// Why there is no text.
#[derive(Debug, Error)]
pub enum FetchError {
    /// No address that may be asked.
    #[error("it is at no address of the public internet")]
    NotPublic,
    /// No connection.
    #[error("no connection: {0}")]
    Dial(#[from] DialError),
    /// No handshake, or nobody vouches for the certificate.
    #[error(transparent)]
    Tls(#[from] NetError),
    /// Not HTTP.
    #[error("http: {0}")]
    Http(#[from] hyper::Error),
    /// Anything but 200.
    #[error("the server answered {0}")]
    Status(u16),
    /// Another type than `text/plain`, or encoded.
    #[error("what the server has is no plain text")]
    Type,
    /// Longer than asked for.
    #[error("the text is too long")]
    TooLarge,
    /// The body broke off.
    #[error("the text is cut: {0}")]
    Cut(String),
    /// A name or path that cannot be asked for.
    #[error("it cannot be asked for")]
    Request,
}

impl HttpsClient {
    /// The plain text at `path` of `host`, which is at one of `addresses`; at most `size` octets. Takes as long as the
    /// caller lets it, and no connection outlives it.
    pub async fn text(
        &self,
        host: &Domain,
        addresses: &[IpAddr],
        path: &str,
        size: usize,
    ) -> Result<Bytes, FetchError> {
        let addresses: Vec<IpAddr> =
            addresses.iter().copied().filter(|address| self.dialer.loopback || is_public(*address)).collect();
        if addresses.is_empty() {
            return Err(FetchError::NotPublic);
        }
        let stream = self.dialer.connect(&addresses, self.port, NamedBy::Stranger).await?;
        let stream = stream.connect_tls(&TlsClient::of_the_web(self.roots.clone()), host.as_str()).await?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD)
            .max_headers(FIELDS)
            .handshake::<_, Empty<Bytes>>(TokioIo::new(stream))
            .await?;
        let _driver = AbortOnDropHandle::new(tokio::spawn(connection));
        let request = hyper::Request::get(path)
            .header(header::HOST, host.as_str())
            .header(header::ACCEPT, "text/plain")
            .header(header::USER_AGENT, "guardpost")
            .header(header::CONNECTION, "close")
            .body(Empty::new())
            .map_err(|_| FetchError::Request)?;
        let answer = sender.send_request(request).await?;
        if answer.status() != hyper::StatusCode::OK {
            return Err(FetchError::Status(answer.status().as_u16()));
        }
        if !is_plain_text(answer.headers()) {
            return Err(FetchError::Type);
        }
        let body = Limited::new(answer.into_body(), size).collect().await;
        body.map(|body| body.to_bytes()).map_err(|why| {
            if why.is::<LengthLimitError>() { FetchError::TooLarge } else { FetchError::Cut(why.to_string()) }
        })
    }
}

fn is_plain_text(headers: &HeaderMap) -> bool {
    let one = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let kind = one(header::CONTENT_TYPE).and_then(|kind| kind.split(';').next()).unwrap_or_default();
    let encoding = one(header::CONTENT_ENCODING).unwrap_or("identity");
    kind.trim().eq_ignore_ascii_case("text/plain")
        && (!headers.contains_key(header::CONTENT_ENCODING) || encoding.eq_ignore_ascii_case("identity"))
}

/// An address that anybody on the Internet can mean (RFC 6890 §2.2).
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [first, second, third, _] = address.octets();
            let special = matches!(
                (first, second, third),
                (0, ..)
                    | (100, 64..128, _)
                    | (192, 0, 0 | 2)
                    | (198, 18 | 19, _)
                    | (198, 51, 100)
                    | (203, 0, 113)
                    | (240.., ..)
            );
            !(special
                || address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_multicast()
                || address == Ipv4Addr::BROADCAST)
        }
        IpAddr::V6(address) => {
            // 2000::/3, without what documents and tunnels into IPv4 use.
            let segments = address.segments();
            let [first, second, ..] = segments;
            (first & 0xe000) == 0x2000
                && !matches!((first, second), (0x2001, 0xdb8 | 0) | (0x2002, _) | (0x3fff, 0..0x1000))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_the_public_internet_only() {
        for address in
            ["1.1.1.1", "192.0.1.1", "100.128.0.1", "198.20.0.1", "2600::1", "2a00:1450::1", "2001:4860::1"]
        {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "192.0.0.8",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "2001:db8::1",
            "2002:a00:1::",
            "2001::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "3fff::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn takes_plain_text_only() {
        for (list, want) in [
            (&[("content-type", "text/plain")][..], true),
            (&[("content-type", "Text/Plain; charset=utf-8")], true),
            (&[("content-type", "text/plain"), ("content-encoding", "identity")], true),
            (&[("content-type", "text/plain"), ("content-encoding", "gzip")], false),
            (&[("content-type", "text/html")], false),
            (&[("content-type", "text/plainer")], false),
            (&[], false),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in list {
                headers.insert(*name, value.parse().unwrap());
            }
            assert_eq!(is_plain_text(&headers), want, "{list:?}");
        }
    }
}
