//! DKIM signatures (RFC 6376, RFC 8463), made while the message streams by: relaxed/relaxed, SHA-256.

use crate::base::address::Domain;
use crate::mime::problem::Problem;
use mail_auth::common::crypto::Ed25519Key;
use mail_auth::common::crypto::RsaKey;
use mail_auth::common::crypto::Sha256;
use mail_auth::common::crypto::SigningKey;
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::DkimSigner;
use mail_auth::dkim::Done;
use mail_auth::dkim::streaming::DkimSigningStream;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::PrivatePkcs8KeyDer;
use std::fmt;
use std::io::Read;

/// A key that signs for one domain.
pub enum Signer {
    /// rsa-sha256.
    Rsa(Box<DkimSigner<RsaKey<Sha256>, Done>>),
    /// ed25519-sha256.
    Ed25519(Box<DkimSigner<Ed25519Key, Done>>),
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(..)")
    }
}

/// Fields that are signed; those that are absent are signed as absent, so that none can be added
/// (RFC 6376 §5.4, §5.4.2).
const SIGNED: [&str; 15] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Auto-Submitted",
    "List-Id",
];

impl Signer {
    /// An RSA key in PKCS#8.
    pub fn rsa(domain: &Domain, selector: &str, pkcs8: &[u8]) -> Result<Self, Problem> {
        let key = RsaKey::<Sha256>::from_key_der(PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pkcs8)))
            .map_err(|_| Problem::SigningKey)?;
        Ok(Self::Rsa(Box::new(signer(key, domain, selector))))
    }

    /// An Ed25519 key in PKCS#8.
    pub fn ed25519(domain: &Domain, selector: &str, pkcs8: &[u8]) -> Result<Self, Problem> {
        let key = Ed25519Key::from_pkcs8_maybe_unchecked_der(pkcs8).map_err(|_| Problem::SigningKey)?;
        Ok(Self::Ed25519(Box::new(signer(key, domain, selector))))
    }
}

fn signer<K: SigningKey>(key: K, domain: &Domain, selector: &str) -> DkimSigner<K, Done> {
    DkimSigner::from_key(key).domain(domain.as_str()).selector(selector).headers(SIGNED)
}

/// One `DKIM-Signature:` field for each of `signers`, to stand in front of `message`.
///
/// The message is read once, in CRLF lines; only its header is held in memory. t= is the system's time.
pub fn sign(mut message: impl Read, signers: &[Signer]) -> Result<Vec<u8>, Problem> {
    let mut streams: Vec<Stream<'_>> = signers.iter().map(Stream::of).collect();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let got = message.read(&mut buffer)?;
        if got == 0 {
            break;
        }
        for stream in &mut streams {
            stream.write(buffer.get(..got).unwrap_or_default());
        }
    }
    let mut fields = Vec::new();
    for stream in streams {
        fields.extend(stream.finish()?.into_bytes());
    }
    Ok(fields)
}

enum Stream<'a> {
    Rsa(DkimSigningStream<'a, RsaKey<Sha256>>),
    Ed25519(DkimSigningStream<'a, Ed25519Key>),
}

impl<'a> Stream<'a> {
    fn of(signer: &'a Signer) -> Self {
        match signer {
            Signer::Rsa(signer) => Self::Rsa(signer.sign_streaming()),
            Signer::Ed25519(signer) => Self::Ed25519(signer.sign_streaming()),
        }
    }

    fn write(&mut self, chunk: &[u8]) {
        match self {
            Self::Rsa(stream) => stream.write(chunk),
            Self::Ed25519(stream) => stream.write(chunk),
        }
    }

    fn finish(self) -> Result<String, Problem> {
        let signature = match self {
            Self::Rsa(stream) => stream.finish(),
            Self::Ed25519(stream) => stream.finish(),
        };
        signature.map(|signature| signature.to_header()).map_err(|_| Problem::SigningKey)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::encoding::AsDer;
    use aws_lc_rs::encoding::Pkcs8V1Der;
    use aws_lc_rs::encoding::PublicKeyX509Der;
    use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::Ed25519KeyPair;
    use aws_lc_rs::signature::KeyPair;
    use data_encoding::BASE64;
    use mail_auth::AuthenticatedMessage;
    use mail_auth::DkimResult;
    use mail_auth::MessageAuthenticator;
    use mail_auth::Parameters;
    use mail_auth::ResolverCache;
    use mail_auth::Txt;
    use mail_auth::common::cache::NoCache;
    use mail_auth::common::parse::TxtRecordParser;
    use mail_auth::common::verify::DomainKey;
    use std::borrow::Borrow;
    use std::hash::Hash;
    use std::sync::Arc;
    use std::time::Instant;

    /// The zone of example.org, as the verifier's cache.
    struct Zone(Vec<(String, Arc<DomainKey>)>);

    impl ResolverCache<Box<str>, Txt> for Zone {
        fn get<Q: Hash + Eq + ?Sized>(&self, name: &Q) -> Option<Txt>
        where
            Box<str>: Borrow<Q>,
        {
            let found = self.0.iter().find(|(owner, _)| {
                let owner: Box<str> = owner.as_str().into();
                Borrow::<Q>::borrow(&owner) == name
            })?;
            Some(Txt::DomainKey(found.1.clone()))
        }

        fn remove<Q: Hash + Eq + ?Sized>(&self, _: &Q) -> Option<Txt>
        where
            Box<str>: Borrow<Q>,
        {
            None
        }

        fn insert(&self, _: Box<str>, _: Txt, _: Instant) {}
    }

    fn keys() -> (Vec<Signer>, Zone) {
        let domain = Domain::parse("example.org").unwrap();
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let private = AsDer::<Pkcs8V1Der<'_>>::as_der(&rsa).unwrap();
        let public = AsDer::<PublicKeyX509Der<'_>>::as_der(rsa.public_key()).unwrap();
        let ed = Ed25519KeyPair::generate().unwrap();
        let ed_private = ed.to_pkcs8v1().unwrap();
        let record = |kind: &str, key: &[u8]| {
            Arc::new(
                DomainKey::parse(format!("v=DKIM1; k={kind}; p={}", BASE64.encode(key)).as_bytes()).unwrap(),
            )
        };
        let signers = vec![
            Signer::rsa(&domain, "gpr", private.as_ref()).unwrap(),
            Signer::ed25519(&domain, "gpe", ed_private.as_ref()).unwrap(),
        ];
        let zone = Zone(vec![
            ("gpr._domainkey.example.org.".into(), record("rsa", public.as_ref())),
            ("gpe._domainkey.example.org.".into(), record("ed25519", ed.public_key().as_ref())),
        ]);
        (signers, zone)
    }

    /// How the field's own verifier judges each signature of `message`.
    async fn judged(message: &[u8], zone: &Zone) -> Vec<bool> {
        let message = AuthenticatedMessage::parse(message).unwrap();
        let verifier = MessageAuthenticator::new_system_conf()
            .or_else(|_| MessageAuthenticator::new_cloudflare())
            .unwrap();
        let parameters = Parameters {
            params: &message,
            cache_txt: Some(zone),
            cache_mx: None::<&NoCache<_, _>>,
            cache_ptr: None::<&NoCache<_, _>>,
            cache_ipv4: None::<&NoCache<_, _>>,
            cache_ipv6: None::<&NoCache<_, _>>,
        };
        let outputs = verifier.verify_dkim(parameters).await;
        outputs.iter().map(|output| *output.result() == DkimResult::Pass).collect()
    }

    const MESSAGE: &str = "From:  Alice <alice@example.org>\r\nTO: bob@example.net\r\nSubject: a\r\n \tb   c\r\n\
        Date: Sun, 22 Nov 2026 03:33:13 +0000\r\nMessage-ID: <1@example.org>\r\n\r\nHello,  \r\n\r\nyou\r\n\r\n\r\n";

    #[tokio::test]
    async fn both_signatures_pass_and_any_change_fails() {
        let (signers, zone) = keys();
        let fields = sign(MESSAGE.as_bytes(), &signers).unwrap();
        let fields = String::from_utf8(fields).unwrap();
        assert!(fields.lines().all(|line| line.len() <= 998));
        assert_eq!(judged((fields.clone() + MESSAGE).as_bytes(), &zone).await, [true, true]);
        for (was, is) in [
            ("Alice", "Malice"),
            ("you", "You"),
            ("bob@", "eve@"),
            ("\r\n\r\nHello", "\r\nCc: x@y.example\r\n\r\nHello"),
        ] {
            let forged = fields.clone() + &MESSAGE.replace(was, is);
            assert_eq!(judged(forged.as_bytes(), &zone).await, [false, false], "{is}");
        }
        let unharmed = fields.clone() + &MESSAGE.replace("a\r\n \tb   c", "a b c");
        assert_eq!(judged(unharmed.as_bytes(), &zone).await, [true, true]);
    }

    #[tokio::test]
    async fn a_message_without_body_is_signed() {
        let (signers, zone) = keys();
        let message = "From: a@example.org\r\n\r\n";
        let fields = sign(message.as_bytes(), &signers).unwrap();
        let whole = [fields.as_slice(), message.as_bytes()].concat();
        assert_eq!(judged(&whole, &zone).await, [true, true]);
    }
}
