//! Certificates and handshakes, ours and peers', against real connections.

use super::*;
use crate::net::stream::Stream;
use crate::net::tls::client::Collector;
use crate::net::tls::client::public_key;
use proptest::prelude::*;
use rustls::pki_types::ServerName;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsConnector;

const NOW: Time = Time(1_795_318_393);

fn certificates(names: &[&str]) -> Arc<Certificates> {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let made = self_signed(&names, NOW).unwrap();
    Certificates::fixed(made.certificate.as_bytes(), made.key.as_bytes()).unwrap()
}

async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (client, listener.accept().await.unwrap().0)
}

#[tokio::test]
async fn upgrades_both_sides_and_collects_the_certificate() {
    let certificates = certificates(&["mx.example", "*.wild.example"]);
    let server = certificates.server(Alpn::Smtp).unwrap();
    let (near, far) = sockets().await;
    let serve = async {
        let mut stream = Stream::plain(far).unwrap();
        stream.write_all(b"220 go\r\n").await.unwrap();
        let mut stream = stream.accept_tls(&server).await.unwrap();
        stream.write_all(b"secret").await.unwrap();
        stream.shutdown().await.unwrap();
        stream.tls().unwrap().clone()
    };
    let dial = async {
        let mut stream = Stream::plain(near).unwrap();
        let mut said = [0; 8];
        stream.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"220 go\r\n");
        let mut stream = stream.connect_tls(&TlsClient::default(), "mx.example").await.unwrap();
        let mut said = Vec::new();
        stream.read_to_end(&mut said).await.unwrap();
        assert_eq!(said, b"secret");
        stream.tls().unwrap().clone()
    };
    let (inside, outside) = tokio::join!(serve, dial);
    assert_eq!(inside.server_name.as_deref(), Some("mx.example"));
    assert_eq!((inside.version, inside.cipher.as_str()), ("TLSv1.3", outside.cipher.as_str()));
    assert!(inside.cipher.starts_with("TLS_"), "{}", inside.cipher);
    let peer = outside.peer.unwrap();
    assert!(peer.signature_good);
    assert_eq!(peer.chain.len(), 1);
    assert_eq!(facts(&CertificateDer::from(peer.chain[0].clone())).unwrap(), certificates.facts()[0]);
}

#[tokio::test]
async fn a_foreign_key_behind_a_certificate_is_noticed() {
    for version in VERSIONS {
        let (own, stolen) = (certificates(&["a.example"]), certificates(&["a.example"]));
        let mixed = CertifiedKey::new(stolen.pairs()[0].key.cert.clone(), own.pairs()[0].key.key.clone());
        let mut config = rustls::ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(mixed)));
        config.send_tls13_tickets = 0;
        let server = TlsServer { config: Arc::new(config), handshakes: Arc::new(Semaphore::new(1)) };
        let (near, far) = sockets().await;
        let client = TlsClient::default();
        let (server, client) = tokio::join!(server.accept(far), client.connect(near, "a.example"));
        let facts = client.unwrap().1;
        assert!(server.is_ok());
        assert!(!facts.peer.unwrap().signature_good, "{}", facts.version);
    }
}

#[tokio::test]
async fn protocols_must_match_when_offered() {
    let certificates = certificates(&["a.example"]);
    for (alpn, offered, works) in [
        (Alpn::Http, Some("h2"), true),
        (Alpn::Http, Some("imap"), false),
        (Alpn::Http, None, true),
        (Alpn::Imap, Some("http/1.1"), false),
        (Alpn::Imap, Some("imap"), true),
        (Alpn::Imap, None, true),
        (Alpn::Smtp, Some("anything"), true),
    ] {
        let server = certificates.server(alpn).unwrap();
        let (near, far) = sockets().await;
        let verifier =
            Collector { algorithms: provider().signature_verification_algorithms, seen: Mutex::default() };
        let mut config = rustls::ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(VERSIONS)
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
        let connector = TlsConnector::from(Arc::new(config));
        let name = ServerName::try_from("a.example").unwrap();
        let (accepted, _) = tokio::join!(server.accept(far), connector.connect(name, near));
        assert_eq!(accepted.is_ok(), works, "{alpn:?} {offered:?}");
    }
}

#[tokio::test]
async fn other_words_than_tls_end_cleanly() {
    let server = certificates(&["a.example"]).server(Alpn::Imap).unwrap();
    for words in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"a LOGIN x y\r\n", b"", &[0x16, 3, 1, 255, 255, 0]] {
        let (mut near, far) = sockets().await;
        near.write_all(words).await.unwrap();
        near.shutdown().await.unwrap();
        assert!(server.accept(far).await.is_err());
    }
}

#[tokio::test]
async fn chooses_by_name_and_keeps_the_old_when_the_new_is_broken() {
    let home = tempfile::tempdir().unwrap();
    let files = |name: &str| CertificateFiles {
        certificate: home.path().join(format!("{name}.crt")),
        key: home.path().join(format!("{name}.key")),
    };
    let put = |name: &str, host: &str| {
        let made = self_signed(&[host.to_owned()], NOW).unwrap();
        fs::write(files(name).certificate, &made.certificate).unwrap();
        fs::write(files(name).key, made.key.as_bytes()).unwrap();
    };
    put("a", "a.example");
    put("b", "*.b.example");
    let certificates = Certificates::load(vec![files("a"), files("b")], HANDSHAKES).unwrap();
    let server = certificates.server(Alpn::Smtp).unwrap();
    let presented = async |name: &str| {
        let (near, far) = sockets().await;
        let client = TlsClient::default();
        let (accepted, facts) = tokio::join!(server.accept(far), client.connect(near, name));
        accepted.unwrap();
        let chain = facts.unwrap().1.peer.unwrap().chain;
        facts_of(&chain[0]).names
    };
    fn facts_of(der: &[u8]) -> CertificateFacts {
        facts(&CertificateDer::from(der)).unwrap()
    }
    for (name, want) in [
        ("a.example", "a.example"),
        ("x.b.example", "*.b.example"),
        ("x.y.b.example", "a.example"),
        ("unknown.example", "a.example"),
        ("127.0.0.1", "a.example"),
    ] {
        assert_eq!(presented(name).await, [want], "{name}");
    }
    let old = certificates.facts();
    fs::write(files("a").certificate, "-----BEGIN CERTIFICATE-----\nbroken").unwrap();
    certificates.reload_if_changed();
    assert_eq!(certificates.facts(), old, "a broken file leaves the old one in use");
    let other = self_signed(&["a.example".into()], NOW).unwrap();
    fs::write(files("a").certificate, &other.certificate).unwrap();
    let refused = certificates.reload().unwrap_err().to_string();
    assert!(refused.contains("a.key"), "a key that does not fit is refused: {refused}");
    assert_eq!(certificates.facts(), old);
    fs::write(files("a").key, other.key.as_bytes()).unwrap();
    certificates.reload().unwrap();
    assert_ne!(certificates.facts(), old);
    assert_eq!(presented("a.example").await, ["a.example"]);
}

#[test]
fn tells_the_keys_that_clients_meet() {
    let home = tempfile::tempdir().unwrap();
    let put = |name: &str, host: &str| {
        let made = self_signed(&[host.to_owned()], NOW).unwrap();
        let at = |end: &str| home.path().join(format!("{name}.{end}"));
        fs::write(at("crt"), &made.certificate).unwrap();
        fs::write(at("key"), made.key.as_bytes()).unwrap();
        let der = CertificateDer::from_pem_slice(made.certificate.as_bytes()).unwrap();
        let pair = CertificateFiles { certificate: at("crt"), key: at("key") };
        (pair, sha256(key_info(&der).unwrap()))
    };
    let ((first, one), (second, two), (third, three)) =
        (put("a", "a.example"), put("b", "mail.example"), put("c", "x"));
    let digest = |sha256, next| KeyDigest { sha256, next };
    let of = |files: &[&CertificateFiles], next: Option<&Path>| {
        let files: Vec<_> = files.iter().map(|files| (*files).clone()).collect();
        presented_keys(&files, "mail.example", next)
    };
    assert_eq!(of(&[&second], None).unwrap(), [digest(two, false)]);
    assert_eq!(of(&[&first, &second], None).unwrap(), [digest(two, false), digest(one, false)]);
    let next = of(&[&second], Some(&third.key)).unwrap();
    assert_eq!(next, [digest(two, false), digest(three, true)], "by its secret key");
    assert_eq!(of(&[&second], Some(&second.key)).unwrap(), [digest(two, false)], "it is in use");
    let public = home.path().join("public.pem");
    let der = CertificateDer::from_pem_slice(&fs::read(&third.certificate).unwrap()).unwrap();
    let text = data_encoding::BASE64.encode(key_info(&der).unwrap());
    fs::write(&public, format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")).unwrap();
    assert_eq!(of(&[&second], Some(&public)).unwrap(), next, "and by its public key");
    for file in [&third.certificate, &home.path().join("nowhere")] {
        assert!(of(&[&second], Some(file)).is_err(), "{}", file.display());
    }
    let none = CertificateFiles { certificate: third.key.clone(), key: third.key };
    assert!(of(&[&none], None).is_err());
}

#[test]
fn what_it_makes_is_good_for_ten_years() {
    let made = self_signed(&["mail.example".into(), "127.0.0.1".into()], NOW).unwrap();
    let facts = certificate_facts(made.certificate.as_bytes()).unwrap();
    assert_eq!(facts.names, ["mail.example"]);
    assert!(facts.not_before < NOW && facts.not_after > NOW + Duration::from_secs(9 * 366 * 86_400));
    assert!(Certificates::load(Vec::new(), HANDSHAKES).is_err());
    assert!(Certificates::fixed(b"", made.key.as_bytes()).is_err());
}

proptest! {
    #[test]
    fn reading_a_key_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = public_key(&bytes);
        let mut wrapped = vec![0x30, bytes.len() as u8];
        wrapped.extend(&bytes);
        let _ = public_key(&wrapped);
    }
}
