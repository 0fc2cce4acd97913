//! DKIM signatures (RFC 6376, RFC 8463), made while the message streams by: relaxed/relaxed, SHA-256.

use crate::base::address::Domain;
use crate::base::limits;
use crate::base::time::Time;
use crate::mime::header::Field;
use crate::mime::header::Header;
use crate::mime::problem::Problem;
use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature;
use aws_lc_rs::signature::Ed25519KeyPair;
use aws_lc_rs::signature::RsaKeyPair;
use data_encoding::BASE64;
use std::fmt;
use std::io::Read;

/// A key that signs for one domain.
pub struct Signer {
    domain: Domain,
    selector: String,
    key: Key,
}

enum Key {
    Rsa(Box<RsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(..)")
    }
}

/// Fields that are signed once more than they are there, so that none can be added (RFC 6376 §5.4, §8.15).
const SEALED: [&str; 12] = [
    "From",
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
];

/// Fields that are signed where they are; a mailing list may add them.
const SIGNED: [&str; 3] = ["Sender", "Auto-Submitted", "List-Id"];

impl Signer {
    /// An RSA key in PKCS#8.
    pub fn rsa(domain: &Domain, selector: &str, pkcs8: &[u8]) -> Result<Self, Problem> {
        let key = RsaKeyPair::from_pkcs8(pkcs8).map_err(|_| Problem::SigningKey)?;
        Ok(Self::new(domain, selector, Key::Rsa(Box::new(key))))
    }

    /// An Ed25519 key in PKCS#8.
    pub fn ed25519(domain: &Domain, selector: &str, pkcs8: &[u8]) -> Result<Self, Problem> {
        let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).map_err(|_| Problem::SigningKey)?;
        Ok(Self::new(domain, selector, Key::Ed25519(Box::new(key))))
    }

    fn new(domain: &Domain, selector: &str, key: Key) -> Self {
        Self { domain: domain.clone(), selector: selector.to_owned(), key }
    }

    /// The field for a message of this header and this hash of its body.
    fn field(&self, header: &Header, body_hash: &[u8], now: Time) -> Result<Vec<u8>, Problem> {
        let algorithm = match self.key {
            Key::Rsa(_) => "rsa-sha256",
            Key::Ed25519(_) => "ed25519-sha256",
        };
        let (names, mut signed) = signed_fields(header);
        let Self { domain, selector, .. } = self;
        let mut field = format!(
            "DKIM-Signature: v=1; a={algorithm}; c=relaxed/relaxed; d={domain};\r\n s={selector}; t={};\r\n \
             h={};\r\n bh={};\r\n b=",
            now.0,
            fold_names(&names),
            BASE64.encode(body_hash),
        );
        // RFC 6376 §3.7: the signature's own field comes last, with an empty b= and without its line end.
        signed.extend_from_slice(relaxed(&Field::from_line(field.as_bytes())).trim_ascii_end());
        let signature = BASE64.encode(&self.key.sign(&signed)?);
        for (index, piece) in signature.as_bytes().chunks(72).enumerate() {
            field.push_str(if index > 0 { "\r\n  " } else { "" });
            field.push_str(&String::from_utf8_lossy(piece));
        }
        field.push_str("\r\n");
        Ok(field.into_bytes())
    }
}

impl Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Problem> {
        match self {
            Self::Rsa(key) => {
                let mut out = vec![0; key.public_modulus_len()];
                key.sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut out)
                    .map_err(|_| Problem::SigningKey)?;
                Ok(out)
            }
            // RFC 8463 §3: Ed25519 signs the hash.
            Self::Ed25519(key) => {
                let hash = digest::digest(&digest::SHA256, message);
                Ok(key.sign(hash.as_ref()).as_ref().to_vec())
            }
        }
    }
}

/// One `DKIM-Signature:` field for each of `signers`, to stand in front of `message`; `now` becomes t=.
///
/// The message is read once; only its header is held in memory.
pub fn sign(mut message: impl Read, signers: &[Signer], now: Time) -> Result<Vec<u8>, Problem> {
    let mut head = Vec::new();
    let mut body: Option<BodyHash> = None;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = message.read(&mut buffer)?;
        let chunk = buffer.get(..count).unwrap_or_default();
        match &mut body {
            _ if count == 0 => break,
            Some(body) => body.update(chunk),
            None => {
                let from = head.len().saturating_sub(3);
                head.extend_from_slice(chunk);
                if let Some(end) = header_end(&head, from) {
                    let mut hash = BodyHash::new();
                    hash.update(head.get(end..).unwrap_or_default());
                    head.truncate(end);
                    body = Some(hash);
                } else if head.len() > 2 * limits::HEADER_BLOCK {
                    return Err(Problem::HeaderBlock(2 * limits::HEADER_BLOCK));
                }
            }
        }
    }
    let header = Header::parse(&head);
    let body_hash = body.unwrap_or_else(BodyHash::new).finish();
    let mut fields = Vec::new();
    for signer in signers {
        fields.extend(signer.field(&header, body_hash.as_ref(), now)?);
    }
    Ok(fields)
}

/// Where the body begins; the search starts at `from`.
fn header_end(head: &[u8], from: usize) -> Option<usize> {
    if from == 0 && head.starts_with(b"\r\n") {
        return Some(2);
    }
    let found = head.get(from..)?.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some(from + found + 4)
}

/// The names for h= and the fields they name in canonical form, of one name the last first (RFC 6376 §5.4.2).
fn signed_fields(header: &Header) -> (Vec<&'static str>, Vec<u8>) {
    let mut names = Vec::new();
    let mut out = Vec::new();
    for (name, sealed) in
        SEALED.iter().map(|name| (name, true)).chain(SIGNED.iter().map(|name| (name, false)))
    {
        for field in header.all(name).rev() {
            names.push(*name);
            out.extend(relaxed(field));
        }
        if sealed {
            names.push(*name);
        }
    }
    (names, out)
}

/// Names with colons between them, on lines that are not too long.
fn fold_names(names: &[&str]) -> String {
    let mut out = String::new();
    let mut column = 4;
    for (index, name) in names.iter().enumerate() {
        let colon = if index > 0 { ":" } else { "" };
        out.push_str(colon);
        if column + name.len() > 72 {
            out.push_str("\r\n  ");
            column = 2;
        }
        out.push_str(name);
        column += name.len() + 1;
    }
    out
}

/// A field in the canonical form of RFC 6376 §3.4.2.
fn relaxed(field: &Field) -> Vec<u8> {
    let mut out = field.name().to_ascii_lowercase().into_bytes();
    out.push(b':');
    let start = out.len();
    let mut blank = false;
    for &byte in field.value() {
        match byte {
            b'\r' | b'\n' => {}
            b' ' | b'\t' => blank = out.len() > start,
            other => {
                if std::mem::take(&mut blank) {
                    out.push(b' ');
                }
                out.push(other);
            }
        }
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// The hash of a body in the canonical form of RFC 6376 §3.4.4.
struct BodyHash {
    hash: digest::Context,
    /// Canonical octets that are not hashed yet.
    ready: Vec<u8>,
    /// Empty lines that count only if something follows.
    empty_lines: u64,
    /// The line has octets other than blanks.
    started: bool,
    blank: bool,
    carriage_return: bool,
}

impl BodyHash {
    fn new() -> Self {
        Self {
            hash: digest::Context::new(&digest::SHA256),
            ready: Vec::new(),
            empty_lines: 0,
            started: false,
            blank: false,
            carriage_return: false,
        }
    }

    fn update(&mut self, chunk: &[u8]) {
        for &byte in chunk {
            let lone_return = std::mem::take(&mut self.carriage_return) && byte != b'\n';
            if lone_return {
                self.octet(b'\r');
            }
            match byte {
                b'\r' => self.carriage_return = true,
                b'\n' => self.end_line(),
                b' ' | b'\t' => self.blank = true,
                other => self.octet(other),
            }
        }
        self.flush();
    }

    fn octet(&mut self, byte: u8) {
        while self.empty_lines > 0 {
            self.empty_lines -= 1;
            self.ready.extend_from_slice(b"\r\n");
            if self.ready.len() > 64 << 10 {
                self.flush();
            }
        }
        if std::mem::take(&mut self.blank) {
            self.ready.push(b' ');
        }
        self.ready.push(byte);
        self.started = true;
    }

    fn end_line(&mut self) {
        self.blank = false;
        if std::mem::take(&mut self.started) {
            self.ready.extend_from_slice(b"\r\n");
        } else {
            self.empty_lines += 1;
        }
    }

    fn flush(&mut self) {
        self.hash.update(&self.ready);
        self.ready.clear();
    }

    fn finish(mut self) -> digest::Digest {
        if self.started {
            self.end_line();
        }
        self.flush();
        self.hash.finish()
    }
}

#[cfg(test)]
pub(crate) mod tests {
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

    /// A zone, as the verifier's cache.
    pub(crate) struct Zone(Vec<(String, Arc<DomainKey>)>);

    impl Zone {
        /// With these records.
        pub(crate) fn of(records: impl IntoIterator<Item = (String, String)>) -> Self {
            let key = |text: String| Arc::new(DomainKey::parse(text.as_bytes()).unwrap());
            Self(records.into_iter().map(|(name, text)| (name, key(text))).collect())
        }
    }

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
    pub(crate) async fn judged(message: &[u8], zone: &Zone) -> Vec<bool> {
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

    const NOW: Time = Time(1_795_318_393);

    const MESSAGE: &str = "From:  Alice <alice@example.org>\r\nTO: bob@example.net\r\nSubject: a\r\n \tb   c\r\n\
        Date: Sun, 22 Nov 2026 03:33:13 +0000\r\nMessage-ID: <1@example.org>\r\n\r\nHello,  \r\n\r\nyou\r\n\r\n\r\n";

    #[tokio::test]
    async fn both_signatures_pass_and_any_change_fails() {
        let (signers, zone) = keys();
        let fields = sign(MESSAGE.as_bytes(), &signers, NOW).unwrap();
        let fields = String::from_utf8(fields).unwrap();
        assert!(fields.lines().all(|line| line.len() <= 998));
        assert_eq!(judged((fields.clone() + MESSAGE).as_bytes(), &zone).await, [true, true]);
        for (was, is) in [
            ("Alice", "Malice"),
            ("you", "You"),
            ("bob@", "eve@"),
            ("\r\n\r\nHello", "\r\nCc: x@y.example\r\n\r\nHello"),
            ("From:", "From: Eve <eve@example.org>\r\nFrom:"),
            ("Subject:", "Subject: another\r\nSubject:"),
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
        let fields = sign(message.as_bytes(), &signers, NOW).unwrap();
        let whole = [fields.as_slice(), message.as_bytes()].concat();
        assert_eq!(judged(&whole, &zone).await, [true, true]);
    }

    #[test]
    fn canonical_forms() {
        let body = |raw: &str| {
            let mut pieces = BodyHash::new();
            raw.as_bytes().chunks(1).for_each(|piece| pieces.update(piece));
            let mut whole = BodyHash::new();
            whole.update(raw.as_bytes());
            let (whole, pieces) = (whole.finish(), pieces.finish());
            assert_eq!(whole.as_ref(), pieces.as_ref(), "{raw:?}");
            BASE64.encode(whole.as_ref())
        };
        let plain = |text: &str| BASE64.encode(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
        for (raw, canonical) in [
            ("", ""),
            ("\r\n\r\n", ""),
            (" \t\r\n", ""),
            (" C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n"),
            ("no end", "no end\r\n"),
            ("a\r\n\r\n\r\nb\r\n", "a\r\n\r\n\r\nb\r\n"),
            ("a\rb\r\n", "a\rb\r\n"),
        ] {
            assert_eq!(body(raw), plain(canonical), "{raw:?}");
        }
        // RFC 6376 §3.4.5.
        for (raw, want) in
            [("A: X\r\n", "a:X\r\n"), ("B : Y\t\r\n\tZ  \r\n", "b:Y Z\r\n"), ("C:\r\n", "c:\r\n")]
        {
            assert_eq!(relaxed(&Field::from_line(raw.as_bytes())), want.as_bytes());
        }
    }

    #[tokio::test]
    async fn large_messages_and_repeated_fields_pass() {
        let (signers, zone) = keys();
        let body = "line with  blanks \r\n\r\n".repeat(20_000);
        let message = format!("From: a@example.org\r\nTo: b@x.example\r\nTo: c@x.example\r\n\r\n{body}");
        let fields = sign(message.as_bytes(), &signers, NOW).unwrap();
        let text = String::from_utf8(fields.clone()).unwrap();
        assert!(text.contains("t=1795318393;") && text.lines().all(|line| line.len() <= 78), "{text}");
        assert_eq!(judged(&[fields.as_slice(), message.as_bytes()].concat(), &zone).await, [true, true]);
    }
}
