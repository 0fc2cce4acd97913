//! TLS 1.2 and 1.3: our certificates, chosen by name and reloaded; peers' certificates, collected, not judged.
//!
//! Inbound: our order of suites, no early data, no tickets, no resumption. Outbound: no resumption, any
//! certificate is accepted in the handshake, and what was presented is recorded together with whether the
//! handshake's signature is good under the presented key. Judging is a policy's work, after the handshake and
//! before anything of an envelope is said.

mod client;

pub use crate::net::tls::client::PeerCertificate;
pub use crate::net::tls::client::TlsClient;

use crate::base::der::key_info;
use crate::base::limits::HANDSHAKE;
use crate::base::time::Time;
use crate::net::error::NetError;
use crate::net::stream::TlsFacts;
use crate::threads;
use futures_util::pending;
use futures_util::poll;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::ClientHello;
use rustls::server::NoServerSessionStorage;
use rustls::server::ResolvesServerCert;
use rustls::sign::CertifiedKey;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::task::Poll;
use std::time::Duration;
use std::time::SystemTime;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio::time::timeout_at;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server;
use tokio_util::sync::CancellationToken;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;
use zeroize::Zeroizing;

/// Handshakes worked on at once where nothing else is said; more wait.
pub const HANDSHAKES: usize = 32;
/// How often certificate files are looked at.
const WATCH: Duration = Duration::from_secs(60);
/// A certificate or key file, octets.
const FILE: u64 = 1 << 20;

/// Where a certificate chain and its key lie, both PEM.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateFiles {
    /// The chain, our own certificate first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// What a certificate says about itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateFacts {
    /// DNS names it is for, lower case, wildcards as they are.
    pub names: Vec<String>,
    /// Valid from.
    pub not_before: Time,
    /// Valid until.
    pub not_after: Time,
    /// SHA-256 of the certificate.
    pub sha256: [u8; 32],
}

impl CertificateFacts {
    /// It is for `host`: by name, or by a wildcard for exactly one label (RFC 9525 §6.3).
    pub fn covers(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        self.names.iter().any(|name| name_covers(name, &host))
    }
}

fn name_covers(name: &str, host: &str) -> bool {
    let parent = host.split_once('.').map(|(_, parent)| parent);
    name == host || name.strip_prefix("*.").is_some_and(|base| parent == Some(base))
}

/// Our certificates: chosen by the name a client asks for, the first one if none fits.
#[derive(Debug)]
pub struct Certificates {
    files: Vec<CertificateFiles>,
    current: RwLock<Arc<Vec<Pair>>>,
    stamps: Mutex<Vec<Stamp>>,
    handshakes: Arc<Semaphore>,
}

#[derive(Debug)]
struct Pair {
    facts: CertificateFacts,
    key: Arc<CertifiedKey>,
}

/// What shows that a file changed: when it was written and how long it is.
type Stamp = Option<(SystemTime, u64)>;

impl Certificates {
    /// Reads all pairs; each must be whole, and each key must fit its certificate. At most `handshakes` are worked on
    /// at once, over all servers made of this.
    pub fn load(files: Vec<CertificateFiles>, handshakes: usize) -> Result<Arc<Self>, NetError> {
        let stamps = stamps(&files);
        let pairs = read_all(&files)?;
        Ok(Self::with(files, pairs, stamps, handshakes))
    }

    /// One pair that never changes, from PEM texts.
    pub fn fixed(certificate: &[u8], key: &[u8]) -> Result<Arc<Self>, NetError> {
        let pair = pair(certificate, key, Path::new("certificate"), Path::new("key"))?;
        Ok(Self::with(Vec::new(), vec![pair], Vec::new(), HANDSHAKES))
    }

    fn with(
        files: Vec<CertificateFiles>,
        pairs: Vec<Pair>,
        stamps: Vec<Stamp>,
        handshakes: usize,
    ) -> Arc<Self> {
        Arc::new(Self {
            files,
            current: RwLock::new(Arc::new(pairs)),
            stamps: Mutex::new(stamps),
            handshakes: Arc::new(Semaphore::new(handshakes.max(1))),
        })
    }

    /// What the certificates in use say about themselves.
    pub fn facts(&self) -> Vec<CertificateFacts> {
        self.pairs().iter().map(|pair| pair.facts.clone()).collect()
    }

    /// Reads the files again. If anything is wrong with them the old certificates stay in use.
    pub fn reload(&self) -> Result<(), NetError> {
        if self.files.is_empty() {
            return Ok(());
        }
        *self.stamps.lock().unwrap_or_else(PoisonError::into_inner) = stamps(&self.files);
        match read_all(&self.files) {
            Ok(pairs) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(pairs);
                tracing::info!("certificates loaded");
                Ok(())
            }
            Err(why) => {
                tracing::error!(%why, "new certificate cannot be used; the old one stays");
                Err(why)
            }
        }
    }

    /// Reads the files again if one of them changed since they were last read.
    pub fn reload_if_changed(&self) {
        let now = stamps(&self.files);
        let changed = *self.stamps.lock().unwrap_or_else(PoisonError::into_inner) != now;
        if changed {
            // The failure is in the log, and the next change of a file tries again.
            let _ = self.reload();
        }
    }

    /// Looks at the files once a minute until `stop`.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let mut tick = tokio::time::interval(WATCH);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = tick.tick() => {
                    let this = Arc::clone(&self);
                    let _ = threads::blocking(move || this.reload_if_changed()).await;
                }
            }
        }
    }

    /// A server that presents these certificates and speaks `alpn`.
    pub fn server(self: &Arc<Self>, alpn: Alpn) -> Result<TlsServer, NetError> {
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Self>::clone(self);
        let mut config = rustls::ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(VERSIONS)
            .map_err(NetError::Configuration)?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.ignore_client_order = true;
        config.max_early_data_size = 0;
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.alpn_protocols = alpn.protocols();
        Ok(TlsServer { config: Arc::new(config), handshakes: Arc::clone(&self.handshakes) })
    }

    fn pairs(&self) -> Arc<Vec<Pair>> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

const VERSIONS: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let pairs = self.pairs();
        let named = hello.server_name().and_then(|host| pairs.iter().find(|pair| pair.facts.covers(host)));
        named.or_else(|| pairs.first()).map(|pair| Arc::clone(&pair.key))
    }
}

fn stamps(files: &[CertificateFiles]) -> Vec<Stamp> {
    files
        .iter()
        .flat_map(|pair| [&pair.certificate, &pair.key])
        .map(|file| fs::metadata(file).ok().and_then(|meta| Some((meta.modified().ok()?, meta.len()))))
        .collect()
}

fn read_all(files: &[CertificateFiles]) -> Result<Vec<Pair>, NetError> {
    if files.is_empty() {
        return Err(NetError::NoCertificate);
    }
    files
        .iter()
        .map(|files| {
            let certificate = read(&files.certificate)?;
            let key = read(&files.key)?;
            pair(&certificate, &key, &files.certificate, &files.key)
        })
        .collect()
}

fn read(file: &Path) -> Result<Zeroizing<Vec<u8>>, NetError> {
    let length = fs::metadata(file).map_err(|why| unusable(file, why))?.len();
    if length > FILE {
        return Err(unusable(file, "larger than 1 MiB"));
    }
    fs::read(file).map(Zeroizing::new).map_err(|why| unusable(file, why))
}

fn pair(certificate: &[u8], key: &[u8], file: &Path, key_file: &Path) -> Result<Pair, NetError> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<_, _>>()
        .map_err(|why| unusable(file, why))?;
    let own = chain.first().ok_or_else(|| unusable(file, "holds no certificate"))?;
    let facts = facts(own).ok_or_else(|| unusable(file, "the certificate cannot be read"))?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|why| unusable(key_file, why))?;
    let key = CertifiedKey::from_der(chain, key, &provider()).map_err(|why| unusable(key_file, why))?;
    Ok(Pair { facts, key: Arc::new(key) })
}

fn unusable(file: &Path, why: impl ToString) -> NetError {
    NetError::Certificate { file: file.into(), why: why.to_string() }
}

/// What the first certificate of a PEM text says about itself.
pub fn certificate_facts(pem: &[u8]) -> Option<CertificateFacts> {
    facts(&CertificateDer::pem_slice_iter(pem).next()?.ok()?)
}

fn facts(certificate: &CertificateDer<'_>) -> Option<CertificateFacts> {
    let (_, parsed) = parse_x509_certificate(certificate).ok()?;
    let names = parsed
        .subject_alternative_name()
        .ok()
        .flatten()
        .map(|extension| {
            let names = extension.value.general_names.iter().filter_map(|name| match name {
                GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
                _ => None,
            });
            names.collect()
        })
        .unwrap_or_default();
    Some(CertificateFacts {
        names,
        not_before: Time(parsed.validity().not_before.timestamp()),
        not_after: Time(parsed.validity().not_after.timestamp()),
        sha256: sha256(certificate),
    })
}

/// SHA-256 of a key of ours, as a TLSA record 3 1 1 has it (RFC 6698 §2.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeyDigest {
    /// Of the SubjectPublicKeyInfo.
    pub sha256: [u8; 32],
    /// It is not used yet.
    pub next: bool,
}

/// The keys that a client meets here: of the certificate for `host`, of the first one, which a client meets that names
/// no host, and the next one, if it is known. Reads certificates and the next key, not the keys in use.
pub fn presented_keys(
    files: &[CertificateFiles],
    host: &str,
    next: Option<&Path>,
) -> Result<Vec<KeyDigest>, NetError> {
    let mut certificates = Vec::new();
    for files in files {
        let file = &files.certificate;
        let pem = read(file)?;
        let own = CertificateDer::pem_slice_iter(&pem).next();
        let own = own.and_then(Result::ok).ok_or_else(|| unusable(file, "holds no certificate"))?;
        let facts = facts(&own).ok_or_else(|| unusable(file, "the certificate cannot be read"))?;
        certificates.push((facts, own));
    }
    let named = certificates.iter().find(|(facts, _)| facts.covers(host));
    let met = named.into_iter().chain(certificates.first());
    let mut keys: Vec<KeyDigest> = met
        .filter_map(|(_, own)| key_info(own))
        .map(|key| KeyDigest { sha256: sha256(key), next: false })
        .collect();
    keys.dedup();
    if let Some(file) = next {
        let next = KeyDigest { sha256: sha256(&public_half(file)?), next: true };
        // Once it is in use there is no next one.
        if !keys.iter().any(|key| key.sha256 == next.sha256) {
            keys.push(next);
        }
    }
    Ok(keys)
}

/// The SubjectPublicKeyInfo of a PEM file with a secret or a public key.
fn public_half(file: &Path) -> Result<Vec<u8>, NetError> {
    let pem = read(file)?;
    if let Some(Ok(key)) = SubjectPublicKeyInfoDer::pem_slice_iter(&pem).next() {
        return Ok(key.to_vec());
    }
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|why| unusable(file, why))?;
    let key = provider().key_provider.load_private_key(key).map_err(|why| unusable(file, why))?;
    let public = key.public_key().ok_or_else(|| unusable(file, "its public half cannot be told"))?;
    Ok(public.to_vec())
}

fn sha256(octets: &[u8]) -> [u8; 32] {
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(::aws_lc_rs::digest::digest(&::aws_lc_rs::digest::SHA256, octets).as_ref());
    sha256
}

/// A certificate that nobody vouches for, for a first start and for `demo`.
#[derive(Debug)]
pub struct SelfSigned {
    /// PEM.
    pub certificate: String,
    /// PEM, PKCS#8.
    pub key: Zeroizing<String>,
}

/// Makes a self-signed ECDSA P-256 certificate for `names` (domains or addresses), good for ten years from `now`.
pub fn self_signed(names: &[String], now: Time) -> Result<SelfSigned, NetError> {
    let failed = |why: rcgen::Error| NetError::Make(why.to_string());
    let mut parameters = rcgen::CertificateParams::new(names).map_err(failed)?;
    let day = |time: Time, years: i32| {
        let date = time.timestamp().to_zoned(jiff::tz::TimeZone::UTC).date();
        let (month, day) = (date.month().unsigned_abs(), date.day().unsigned_abs().min(28));
        rcgen::date_time_ymd(i32::from(date.year()) + years, month, day)
    };
    parameters.not_before = day(now - Duration::from_secs(86_400), 0);
    parameters.not_after = day(now, 10);
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    if let Some(name) = names.first() {
        parameters.distinguished_name.push(rcgen::DnType::CommonName, name.as_str());
    }
    let key = rcgen::KeyPair::generate().map_err(failed)?;
    let certificate = parameters.self_signed(&key).map_err(failed)?;
    Ok(SelfSigned { certificate: certificate.pem(), key: Zeroizing::new(key.serialize_pem()) })
}

/// What is agreed on inside TLS (RFC 7301). A client that offers something else only is turned away, so that a
/// connection meant for one service cannot be led to another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Alpn {
    /// `h2` or `http/1.1`.
    Http,
    /// `http/1.1` alone.
    Http1,
    /// `imap`.
    Imap,
    /// Nothing is agreed on: SMTP has no name of its own.
    Smtp,
}

impl Alpn {
    fn protocols(self) -> Vec<Vec<u8>> {
        match self {
            Self::Http => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            Self::Http1 => vec![b"http/1.1".to_vec()],
            Self::Imap => vec![b"imap".to_vec()],
            Self::Smtp => Vec::new(),
        }
    }
}

/// The server's side of TLS.
#[derive(Clone, Debug)]
pub struct TlsServer {
    config: Arc<rustls::ServerConfig>,
    handshakes: Arc<Semaphore>,
}

impl TlsServer {
    /// One handshake: at most 10 seconds in all. What a client says is worked on in one of the places; while it says
    /// nothing it has none, and keeps nobody out.
    pub(crate) async fn accept(
        &self,
        socket: TcpStream,
    ) -> Result<(server::TlsStream<TcpStream>, TlsFacts), NetError> {
        let deadline = Instant::now() + HANDSHAKE;
        let work = async {
            let hello = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), socket)
                .await
                .map_err(NetError::Handshake)?;
            let config = Arc::clone(&self.config);
            // The key exchange and the signature are made by `into_stream` itself.
            let handshake = async { hello.into_stream(config).await };
            let stream = in_places(&self.handshakes, handshake).await.map_err(NetError::Handshake)?;
            let facts = server_facts(stream.get_ref().1);
            Ok((stream, facts))
        };
        timeout_at(deadline, work).await.unwrap_or(Err(NetError::TimedOut("the tls handshake")))
    }
}

/// Does `work` in one of `places`, and gives the place back whenever it waits.
async fn in_places<T>(places: &Semaphore, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    loop {
        let place = places.acquire().await;
        if let Poll::Ready(done) = poll!(work.as_mut()) {
            return done;
        }
        drop(place);
        pending!();
    }
}

fn server_facts(connection: &rustls::ServerConnection) -> TlsFacts {
    TlsFacts {
        version: version(connection.protocol_version()),
        cipher: cipher(connection.negotiated_cipher_suite()),
        server_name: connection.server_name().map(str::to_owned),
        protocol: protocol(connection.alpn_protocol()),
        peer: None,
    }
}

fn version(version: Option<rustls::ProtocolVersion>) -> &'static str {
    match version {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
        _ => "TLSv1.2",
    }
}

fn cipher(suite: Option<rustls::SupportedCipherSuite>) -> String {
    let name = suite.and_then(|suite| suite.suite().as_str()).unwrap_or("unknown");
    name.replace("TLS13_", "TLS_")
}

fn protocol(name: Option<&[u8]>) -> Option<String> {
    name.map(|name| String::from_utf8_lossy(name).into_owned())
}

#[cfg(test)]
mod tests;
