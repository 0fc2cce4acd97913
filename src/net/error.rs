//! What can go wrong on the wire, beside what DNS and dialling answer as a value.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use thiserror::Error;

/// Trouble of the wire.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NetError {
    /// A listener could not be opened.
    #[error("cannot listen on {address} for {service}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// What for.
        service: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A socket handed over by the service manager cannot be used.
    #[error("socket {index} of the service manager: {why}")]
    Inherited {
        /// Its number, from 0.
        index: usize,
        /// Why.
        why: String,
    },
    /// A certificate or key file cannot be used.
    #[error("{}: {why}", file.display())]
    Certificate {
        /// Which file.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// No certificate is configured.
    #[error("no certificate")]
    NoCertificate,
    /// A certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Make(String),
    /// The TLS library refused its configuration.
    #[error("tls configuration: {0}")]
    Configuration(rustls::Error),
    /// A TLS handshake failed.
    #[error("tls handshake: {0}")]
    Handshake(io::Error),
    /// A wait ran out.
    #[error("{0} took too long")]
    TimedOut(&'static str),
    /// The resolver cannot be set up.
    #[error("dns resolver: {0}")]
    Resolver(String),
}
