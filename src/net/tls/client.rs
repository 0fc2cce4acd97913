//! The client's side of TLS: peers' certificates, collected and not judged, or vouched for by the Web's authorities.

use crate::base::der::element;
use crate::base::der::key_info;
use crate::base::limits::HANDSHAKE;
use crate::net::error::NetError;
use crate::net::roots::Roots;
use crate::net::stream::TlsFacts;
use crate::net::tls::Alpn;
use crate::net::tls::VERSIONS;
use crate::net::tls::cipher;
use crate::net::tls::protocol;
use crate::net::tls::provider;
use crate::net::tls::version;
use rustls::DigitallySignedStruct;
use rustls::SignatureScheme;
use rustls::client::Resumption;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::client::danger::ServerCertVerified;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::UnixTime;
use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio::time::timeout_at;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// What a peer presented in a handshake, not judged.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PeerCertificate {
    /// DER, the peer's own first.
    pub chain: Vec<Vec<u8>>,
    /// The handshake is signed by the key of the first one. Without this a certificate proves nothing.
    pub signature_good: bool,
}

/// The client's side of TLS.
#[derive(Clone, Debug)]
pub struct TlsClient {
    provider: Arc<CryptoProvider>,
    /// The authorities that must vouch for a peer; without them any certificate will do.
    roots: Option<Roots>,
}

impl Default for TlsClient {
    fn default() -> Self {
        Self { provider: provider(), roots: None }
    }
}

impl TlsClient {
    /// A client of web servers: one of these authorities must vouch for a peer and its name, and HTTP/1.1 is spoken.
    pub fn of_the_web(roots: Roots) -> Self {
        Self { provider: provider(), roots: Some(roots) }
    }

    /// One handshake of at most 10 seconds, without resumption, asking for `name`.
    pub(crate) async fn connect(
        &self,
        socket: TcpStream,
        name: &str,
    ) -> Result<(TlsStream<TcpStream>, TlsFacts), NetError> {
        let collector = Arc::new(Collector {
            algorithms: self.provider.signature_verification_algorithms,
            seen: Mutex::default(),
        });
        let verifier: Arc<dyn ServerCertVerifier> = Arc::<Collector>::clone(&collector);
        let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(VERSIONS)
            .map_err(NetError::Configuration)?;
        let mut config = match &self.roots {
            Some(roots) => {
                let mut config = builder.with_root_certificates(roots.store()).with_no_client_auth();
                config.alpn_protocols = Alpn::Http1.protocols();
                config
            }
            None => builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth(),
        };
        config.resumption = Resumption::disabled();
        let name = ServerName::try_from(name.to_owned())
            .map_err(|why| NetError::Handshake(io::Error::new(io::ErrorKind::InvalidInput, why)))?;
        let work = TlsConnector::from(Arc::new(config)).connect(name, socket);
        let stream = timeout_at(Instant::now() + HANDSHAKE, work)
            .await
            .map_err(|_| NetError::TimedOut("the tls handshake"))?
            .map_err(NetError::Handshake)?;
        let connection = stream.get_ref().1;
        let facts = TlsFacts {
            version: version(connection.protocol_version()),
            cipher: cipher(connection.negotiated_cipher_suite()),
            server_name: None,
            protocol: protocol(connection.alpn_protocol()),
            peer: Some(collector.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()),
        };
        Ok((stream, facts))
    }
}

/// Takes any certificate and remembers it.
#[derive(Debug)]
pub(super) struct Collector {
    pub(super) algorithms: WebPkiSupportedAlgorithms,
    pub(super) seen: Mutex<PeerCertificate>,
}

impl Collector {
    /// `only_first`: in TLS 1.3 a scheme stands for one curve, in TLS 1.2 for any (RFC 8446 §4.2.3).
    fn note(&self, message: &[u8], certificate: &[u8], signed: &DigitallySignedStruct, only_first: bool) {
        let algorithms = self.algorithms.mapping.iter().find(|(scheme, _)| *scheme == signed.scheme);
        let algorithms = algorithms.map(|(_, algorithms)| *algorithms).unwrap_or_default();
        let take = if only_first { 1 } else { algorithms.len() };
        let good = public_key(certificate).is_some_and(|key| {
            algorithms.iter().take(take).any(|algorithm| {
                algorithm.public_key_alg_id().as_ref() == key.algorithm
                    && algorithm.verify_signature(key.bits, message, signed.signature()).is_ok()
            })
        });
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).signature_good = good;
    }
}

impl ServerCertVerifier for Collector {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = std::iter::once(end_entity).chain(intermediates).map(|der| der.to_vec()).collect();
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) =
            PeerCertificate { chain, signature_good: false };
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.note(message, certificate, signed, false);
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        // RFC 8446 §4.2.3: PKCS #1 v1.5 signs no TLS 1.3 handshake.
        let pkcs1 = matches!(
            signed.scheme,
            SignatureScheme::RSA_PKCS1_SHA256
                | SignatureScheme::RSA_PKCS1_SHA384
                | SignatureScheme::RSA_PKCS1_SHA512
        );
        if !pkcs1 {
            self.note(message, certificate, signed, true);
        }
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The key of a certificate, for which no more of it need be well-formed than what stands before the key.
pub(super) struct PublicKey<'a> {
    /// The content of the AlgorithmIdentifier.
    algorithm: &'a [u8],
    /// The subjectPublicKey bits.
    bits: &'a [u8],
}

pub(super) fn public_key(certificate: &[u8]) -> Option<PublicKey<'_>> {
    const SEQUENCE: u8 = 0x30;
    const BIT_STRING: u8 = 0x03;
    let key = element(key_info(certificate)?, SEQUENCE)?.0;
    let (algorithm, rest) = element(key, SEQUENCE)?;
    let (unused, bits) = element(rest, BIT_STRING)?.0.split_first()?;
    (*unused == 0).then_some(PublicKey { algorithm, bits })
}
