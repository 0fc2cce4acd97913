//! Certificates of others: taken in only when mail can be encrypted to them, each refusal with its reason.

use crate::base::address::Address;
use crate::base::limits::CERTIFICATE;
use crate::base::time::Time;
use crate::openpgp::certificate::Certificate;
use crate::openpgp::certificate::Unusable;
use sequoia_openpgp::Cert;
use sequoia_openpgp::Packet;
use sequoia_openpgp::cert::CertParser;
use sequoia_openpgp::parse::Parse;
use std::panic::catch_unwind;
use thiserror::Error;

/// A certificate of somebody outside, as it is stored.
#[derive(Debug)]
pub struct Imported {
    /// Whose.
    pub address: Address,
    /// 20 octets (version 4) or 32 (version 6).
    pub fingerprint: Vec<u8>,
    /// Binary, with its owner's signatures only.
    pub certificate: Vec<u8>,
    /// The same, ready for use.
    pub parsed: Certificate,
}

/// Why a certificate was not taken.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ImportError {
    /// Above 256 KiB, before anything is parsed.
    #[error("the file has {size} octets, a certificate at most {CERTIFICATE}")]
    TooLarge {
        /// Octets.
        size: usize,
    },
    /// Not OpenPGP, or cut.
    #[error("not an openpgp certificate")]
    NotACertificate,
    /// A secret key: it must not be here at all.
    #[error("the file holds a secret key")]
    SecretInside,
    /// More than one.
    #[error("the file holds several certificates")]
    Several,
    /// No valid user ID names the address.
    #[error("the certificate is not for {address}; it is for {}", listed(named))]
    WrongAddress {
        /// Asked for.
        address: Address,
        /// What it is for.
        named: Vec<Address>,
    },
    /// Nothing can be encrypted to it.
    #[error("{0}")]
    Unusable(#[source] Unusable),
}

impl ImportError {
    /// What to do about it, in one sentence.
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => {
                "export it without the signatures of others (gpg --export-options export-minimal --armor --export ADDRESS)"
            }
            Self::NotACertificate => "export it again (gpg --armor --export ADDRESS)",
            Self::SecretInside => {
                "export only the public part (gpg --armor --export ADDRESS); if the file has left its owner's machine, the key must be revoked"
            }
            Self::Several => "export each apart (gpg --armor --export FINGERPRINT)",
            Self::WrongAddress { .. } => {
                "import it for an address it names, or ask its owner to add the address (gpg --quick-add-uid FINGERPRINT 'Name <ADDRESS>')"
            }
            Self::Unusable(why) => why.advice(),
        }
    }
}

/// Reads a certificate, binary or armored, whomever it names and whether or not it can be used now. Costs as
/// [`import`] does.
pub fn certificate(file: &[u8]) -> Result<Certificate, ImportError> {
    if file.len() > CERTIFICATE {
        return Err(ImportError::TooLarge { size: file.len() });
    }
    // A certificate at which the library ends with a panic is none.
    let cert =
        catch_unwind(|| only_one(file).and_then(stripped)).unwrap_or(Err(ImportError::NotACertificate))?;
    Ok(Certificate::new(cert))
}

/// Reads a certificate, binary or armored, that is to be used for `address`. Costs up to a tenth of a second: for
/// a blocking thread.
pub fn import(file: &[u8], address: &Address, now: Time) -> Result<Imported, ImportError> {
    let parsed = certificate(file)?;
    parsed.usable(now).map_err(ImportError::Unusable)?;
    if !parsed.names(&address.key(), now) {
        return Err(ImportError::WrongAddress { address: address.clone(), named: parsed.addresses(now) });
    }
    let certificate = parsed.bytes().map_err(|_| ImportError::NotACertificate)?;
    Ok(Imported { address: address.clone(), fingerprint: parsed.fingerprint().to_vec(), certificate, parsed })
}

fn only_one(file: &[u8]) -> Result<Cert, ImportError> {
    // Of several armored blocks the parser reads the first: they are counted by their first lines.
    let begins = |line: &&[u8]| line.trim_ascii_start().starts_with(b"-----BEGIN PGP ");
    let secret = |line: &[u8]| line.trim_ascii_start().starts_with(b"-----BEGIN PGP PRIVATE");
    let blocks: Vec<&[u8]> = file.split(|byte| *byte == b'\n').filter(begins).collect();
    if blocks.iter().any(|line| secret(line)) {
        return Err(ImportError::SecretInside);
    }
    if blocks.len() > 1 {
        return Err(ImportError::Several);
    }
    let certs = CertParser::from_bytes(file).map_err(|_| ImportError::NotACertificate)?;
    let mut found = None;
    for cert in certs {
        let cert = cert.map_err(|_| ImportError::NotACertificate)?;
        if cert.is_tsk() {
            return Err(ImportError::SecretInside);
        }
        if found.replace(cert).is_some() {
            return Err(ImportError::Several);
        }
    }
    found.ok_or(ImportError::NotACertificate)
}

/// Without signatures of others, attributes (pictures) and what the library does not understand.
fn stripped(cert: Cert) -> Result<Cert, ImportError> {
    let mut packets: Vec<Packet> = Vec::new();
    let primary = cert.primary_key();
    packets.push(primary.key().clone().into());
    packets.extend(primary.self_signatures().cloned().map(Packet::from));
    packets.extend(primary.self_revocations().cloned().map(Packet::from));
    for user in cert.userids() {
        packets.push(user.userid().clone().into());
        packets.extend(user.self_signatures().cloned().map(Packet::from));
        packets.extend(user.self_revocations().cloned().map(Packet::from));
    }
    for subkey in cert.keys().subkeys() {
        packets.push(subkey.key().clone().into());
        packets.extend(subkey.self_signatures().cloned().map(Packet::from));
        packets.extend(subkey.self_revocations().cloned().map(Packet::from));
    }
    Cert::from_packets(packets.into_iter()).map_err(|_| ImportError::NotACertificate)
}

fn listed(named: &[Address]) -> String {
    if named.is_empty() {
        return "no address".into();
    }
    let shown: Vec<String> = named.iter().take(5).map(ToString::to_string).collect();
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openpgp::certificate::CertificateCache;
    use crate::openpgp::encrypt::EncryptError;
    use crate::openpgp::encrypt::encrypt_bytes;
    use crate::openpgp::generate::generate;
    use crate::openpgp::system_time;
    use proptest::prelude::*;
    use sequoia_openpgp::cert::CertBuilder;
    use sequoia_openpgp::cert::CertRevocationBuilder;
    use sequoia_openpgp::cert::CipherSuite;
    use sequoia_openpgp::cert::SubkeyRevocationBuilder;
    use sequoia_openpgp::packet::Key;
    use sequoia_openpgp::packet::UserID;
    use sequoia_openpgp::packet::key::Key4;
    use sequoia_openpgp::packet::key::PrimaryRole;
    use sequoia_openpgp::packet::key::SecretParts;
    use sequoia_openpgp::packet::key::SubordinateRole;
    use sequoia_openpgp::packet::signature::SignatureBuilder;
    use sequoia_openpgp::serialize::MarshalInto;
    use sequoia_openpgp::types::Curve;
    use sequoia_openpgp::types::Features;
    use sequoia_openpgp::types::HashAlgorithm;
    use sequoia_openpgp::types::KeyFlags;
    use sequoia_openpgp::types::ReasonForRevocation;
    use sequoia_openpgp::types::SignatureType;
    use std::time::Duration;

    const NOW: Time = Time(1_795_318_393);
    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn bob() -> Address {
        Address::parse("Bob@x.example").unwrap()
    }

    /// A builder for what a careful correspondent has, made ten days ago.
    fn builder() -> CertBuilder<'static> {
        CertBuilder::new()
            .set_cipher_suite(CipherSuite::Cv25519)
            .set_creation_time(system_time(NOW - 10 * DAY))
            .add_userid("Bob <bob@X.example>")
    }

    fn good() -> Cert {
        builder().add_transport_encryption_subkey().generate().unwrap().0
    }

    /// A certificate of any keys, signed with any hash: what the builder would not make.
    fn odd(
        primary: Key<SecretParts, PrimaryRole>,
        subkey: Key<SecretParts, SubordinateRole>,
        hash: HashAlgorithm,
    ) -> Cert {
        let at = system_time(NOW - 9 * DAY);
        let mut signer = primary.clone().into_keypair().unwrap();
        let user = UserID::from("Bob <bob@x.example>");
        let certified = SignatureBuilder::new(SignatureType::PositiveCertification)
            .set_hash_algo(hash)
            .set_signature_creation_time(at)
            .unwrap()
            .set_key_flags(KeyFlags::empty().set_certification())
            .unwrap()
            .sign_userid_binding(&mut signer, primary.parts_as_public(), &user)
            .unwrap();
        let bound = SignatureBuilder::new(SignatureType::SubkeyBinding)
            .set_hash_algo(hash)
            .set_signature_creation_time(at)
            .unwrap()
            .set_key_flags(KeyFlags::empty().set_transport_encryption())
            .unwrap()
            .sign_subkey_binding(&mut signer, primary.parts_as_public(), &subkey)
            .unwrap();
        let packets: [Packet; 5] = [
            primary.take_secret().0.into(),
            user.into(),
            certified.into(),
            subkey.take_secret().0.into(),
            bound.into(),
        ];
        Cert::from_packets(packets.into_iter()).unwrap()
    }

    fn aged<R: sequoia_openpgp::packet::key::KeyRole>(key: Key4<SecretParts, R>) -> Key<SecretParts, R> {
        let mut key = key;
        key.set_creation_time(system_time(NOW - 10 * DAY)).unwrap();
        key.into()
    }

    fn try_import(cert: &Cert) -> Result<Imported, ImportError> {
        import(&cert.to_vec().unwrap(), &bob(), NOW)
    }

    #[test]
    fn takes_what_can_be_used() {
        let cert = good();
        let armored = cert.armored().to_vec().unwrap();
        let crlf = String::from_utf8(armored.clone()).unwrap().replace('\n', "\r\n").into_bytes();
        let wrapped = [b"Here is my key:\n\n", &armored[..], b"\n-- \nBob\n"].concat();
        for (name, file) in [
            ("binary", cert.to_vec().unwrap()),
            ("armored", armored),
            ("crlf", crlf),
            ("in a letter", wrapped),
        ] {
            let imported = import(&file, &bob(), NOW).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(imported.fingerprint, cert.fingerprint().as_bytes(), "{name}");
            assert_eq!(imported.address, bob());
            let again = Certificate::parse(&imported.certificate).unwrap();
            assert_eq!(again.usable(NOW), Ok(()));
            assert!(encrypt_bytes(&[&again], b"text", NOW).is_ok());
            assert_eq!(again.addresses(NOW), [Address::parse("bob@x.example").unwrap()]);
            assert_eq!(again.expires(NOW), None);
        }
        for suite in [CipherSuite::RSA2k, CipherSuite::P256] {
            let cert =
                builder().set_cipher_suite(suite).add_storage_encryption_subkey().generate().unwrap().0;
            assert!(try_import(&cert).is_ok(), "{suite:?}");
        }
        // Version 6 (RFC 9580) from others is fine.
        let six = builder().set_profile(sequoia_openpgp::Profile::RFC9580).unwrap();
        let six = six.add_transport_encryption_subkey().generate().unwrap().0;
        assert_eq!(try_import(&six).unwrap().fingerprint.len(), 32);
    }

    #[test]
    fn refuses_each_with_its_reason() {
        let cert = good();
        let bytes = cert.strip_secret_key_material().to_vec().unwrap();
        let armored = String::from_utf8(good().armored().to_vec().unwrap()).unwrap();
        let secret = good().as_tsk().armored().to_vec().unwrap();
        let lying = String::from_utf8(secret.clone()).unwrap().replace("PRIVATE KEY", "PUBLIC KEY");
        let several = ImportError::Several;
        for (name, file, want) in [
            ("nothing", Vec::new(), ImportError::NotACertificate),
            ("text", b"my key is on my page".to_vec(), ImportError::NotACertificate),
            ("cut", bytes[..bytes.len() / 4].to_vec(), ImportError::NotACertificate),
            (
                "a message",
                encrypt_bytes(&[&Certificate::new(good())], b"x", NOW).unwrap().into_inner(),
                ImportError::NotACertificate,
            ),
            ("secret, binary", good().as_tsk().to_vec().unwrap(), ImportError::SecretInside),
            ("secret, armored", secret, ImportError::SecretInside),
            ("secret, labelled public", lying.into_bytes(), ImportError::SecretInside),
            ("two, binary", [&bytes[..], &good().to_vec().unwrap()].concat(), several.clone()),
            ("two, armored", [&armored[..], &armored].concat().into_bytes(), several),
            ("large", vec![b'x'; CERTIFICATE + 1], ImportError::TooLarge { size: CERTIFICATE + 1 }),
        ] {
            assert_eq!(import(&file, &bob(), NOW).unwrap_err(), want, "{name}");
            assert!(!want.advice().is_empty());
        }
        let alice = Address::parse("alice@x.example").unwrap();
        let error = import(&bytes, &alice, NOW).unwrap_err();
        assert_eq!(error.to_string(), "the certificate is not for alice@x.example; it is for bob@x.example");
    }

    #[test]
    fn refuses_unusable_ones_each_with_its_reason() {
        let revoke = |cert: &Cert| {
            let mut signer =
                cert.primary_key().key().clone().parts_into_secret().unwrap().into_keypair().unwrap();
            let revocation = CertRevocationBuilder::new()
                .set_signature_creation_time(system_time(NOW - DAY))
                .unwrap()
                .set_reason_for_revocation(ReasonForRevocation::KeyCompromised, b"")
                .unwrap()
                .build(&mut signer, cert, None)
                .unwrap();
            cert.clone().insert_packets(revocation).unwrap().0
        };
        let revoke_subkey = |cert: &Cert| {
            let mut signer =
                cert.primary_key().key().clone().parts_into_secret().unwrap().into_keypair().unwrap();
            let subkey = cert.keys().subkeys().next().unwrap().key().clone();
            let revocation = SubkeyRevocationBuilder::new()
                .set_signature_creation_time(system_time(NOW - DAY))
                .unwrap()
                .build(&mut signer, cert, &subkey, None)
                .unwrap();
            cert.clone().insert_packets(revocation).unwrap().0
        };
        let expired = builder().set_validity_period(9 * DAY).add_transport_encryption_subkey();
        let old_subkey = builder().add_subkey(KeyFlags::empty().set_transport_encryption(), 9 * DAY, None);
        let future = builder().set_creation_time(system_time(NOW + DAY)).add_transport_encryption_subkey();
        let encryption = || aged::<SubordinateRole>(Key4::generate_ecc(false, Curve::Cv25519).unwrap());
        let signing = || aged::<PrimaryRole>(Key4::generate_ecc(true, Curve::Ed25519).unwrap());
        let (sha1, sha256) = (HashAlgorithm::SHA1, HashAlgorithm::SHA256);
        for (name, cert, want) in [
            ("revoked", revoke(&good()), Unusable::Revoked),
            ("subkey revoked", revoke_subkey(&good()), Unusable::Revoked),
            ("expired", expired.generate().unwrap().0, Unusable::Expired),
            ("subkey expired", old_subkey.generate().unwrap().0, Unusable::Expired),
            ("made tomorrow", future.generate().unwrap().0, Unusable::NotYetValid),
            ("sign-only", builder().add_signing_subkey().generate().unwrap().0, Unusable::SignOnly),
            ("bare", builder().generate().unwrap().0, Unusable::SignOnly),
            (
                "RSA 1024",
                odd(aged(Key4::generate_rsa(1024).unwrap()), aged(Key4::generate_rsa(1024).unwrap()), sha256),
                Unusable::ShortRsa { bits: 1024 },
            ),
            (
                "RSA 1024 subkey",
                odd(signing(), aged(Key4::generate_rsa(1024).unwrap()), sha256),
                Unusable::ShortRsa { bits: 1024 },
            ),
            (
                "DSA",
                odd(aged(Key4::generate_dsa(1024).unwrap()), encryption(), sha256),
                Unusable::OldAlgorithm,
            ),
            ("SHA-1", odd(signing(), encryption(), sha1), Unusable::Sha1),
        ] {
            assert_eq!(try_import(&cert).unwrap_err(), ImportError::Unusable(want), "{name}");
            assert!(!want.advice().is_empty());
            // What is on file and has become unusable since is never encrypted to.
            let known = Certificate::new(cert);
            let error = encrypt_bytes(&[&known], b"text", NOW).unwrap_err();
            assert!(matches!(error, EncryptError::Unusable { why, .. } if why == want), "{name}: {error}");
        }
        assert!(try_import(&odd(signing(), encryption(), sha256)).is_ok(), "the odd maker itself");
    }

    #[test]
    fn a_revoked_user_id_names_nobody_and_one_bad_recipient_stops_all() {
        let cert =
            builder().add_userid("bob@other.example").add_transport_encryption_subkey().generate().unwrap().0;
        let mut signer =
            cert.primary_key().key().clone().parts_into_secret().unwrap().into_keypair().unwrap();
        let user =
            cert.userids().find(|user| user.userid().value().starts_with(b"Bob")).unwrap().userid().clone();
        let revocation = SignatureBuilder::new(SignatureType::CertificationRevocation)
            .set_signature_creation_time(system_time(NOW - DAY))
            .unwrap()
            .sign_userid_binding(&mut signer, None, &user)
            .unwrap();
        let cert = cert.insert_packets(vec![Packet::from(user), revocation.into()]).unwrap().0;
        let other = Address::parse("bob@other.example").unwrap();
        let named = vec![other.clone()];
        assert_eq!(try_import(&cert).unwrap_err(), ImportError::WrongAddress { address: bob(), named });
        assert!(import(&cert.to_vec().unwrap(), &other, NOW).is_ok());
        let good = Certificate::new(good());
        let bad = Certificate::new(builder().generate().unwrap().0);
        assert!(matches!(encrypt_bytes(&[&good, &bad], b"x", NOW), Err(EncryptError::Unusable { .. })));
        assert!(matches!(encrypt_bytes(&[], b"x", NOW), Err(EncryptError::NoRecipients)));
    }

    #[test]
    fn signatures_of_others_are_left_out() {
        let cert = good();
        let other = good();
        let mut signer =
            other.primary_key().key().clone().parts_into_secret().unwrap().into_keypair().unwrap();
        let user = cert.userids().next().unwrap().userid().clone();
        let mut packets = vec![Packet::from(user.clone())];
        for _ in 0..50 {
            let signature = SignatureBuilder::new(SignatureType::GenericCertification);
            let key = cert.primary_key().key();
            packets.push(signature.sign_userid_binding(&mut signer, key, &user).unwrap().into());
        }
        let before = cert.to_vec().unwrap().len();
        let cert = cert.insert_packets(packets).unwrap().0;
        let flooded = cert.to_vec().unwrap();
        assert!(flooded.len() > before + 50 * 60);
        let imported = import(&flooded, &bob(), NOW).unwrap();
        assert_eq!(imported.certificate.len(), before);
    }

    #[test]
    fn own_keys_say_what_others_can_read() {
        let made = generate(&bob(), NOW).unwrap();
        let cert = made.parsed.cert();
        assert_eq!(cert.primary_key().key().version(), 4);
        assert_eq!(cert.keys().subkeys().count(), 1);
        let features = made.parsed.recipients(NOW).unwrap().features.unwrap();
        assert_eq!(features, Features::empty().set_seipdv1());
        assert!(!cert.is_tsk());
        assert!(made.parsed.names(&bob().key(), NOW));
        assert_eq!(made.parsed.expires(NOW), None);
        assert!(import(&made.certificate, &bob(), NOW).is_ok());
        let years = 40 * 365 * DAY;
        assert_eq!(Certificate::parse(&made.certificate).unwrap().usable(NOW + years), Ok(()));
    }

    #[test]
    fn the_cache_gives_the_same_and_refuses_another() {
        let cache = CertificateCache::new(2);
        let made: Vec<_> = (0..3).map(|_| generate(&bob(), NOW).unwrap()).collect();
        for _ in 0..2 {
            for one in &made {
                let certificate = cache.parsed(&one.fingerprint, &one.certificate).unwrap();
                assert_eq!(certificate.fingerprint(), &one.fingerprint[..]);
            }
        }
        assert!(cache.parsed(&made[0].fingerprint, &made[1].certificate).is_err());
        assert!(cache.parsed(&made[2].fingerprint, b"junk").is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn junk_never_panics(at in 0_usize..400, with in any::<u8>(), cut in 0_usize..400) {
            static GOOD: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| good().to_vec().unwrap());
            let mut changed = GOOD.clone();
            let at = at % changed.len();
            changed[at] ^= with;
            changed.truncate(changed.len() - cut.min(changed.len()));
            let _ = import(&changed, &bob(), NOW);
        }
    }
}
