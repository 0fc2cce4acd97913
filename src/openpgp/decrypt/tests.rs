//! What was encrypted is read back; what was damaged, cut or blown up is not.

use super::*;
use crate::base::address::Address;
use crate::base::time::Time;
use crate::openpgp::certificate::Certificate;
use crate::openpgp::encrypt::EncryptError;
use crate::openpgp::encrypt::Form;
use crate::openpgp::encrypt::encrypt;
use crate::openpgp::encrypt::encrypt_bytes;
use crate::openpgp::generate::Generated;
use crate::openpgp::generate::generate;
use proptest::prelude::*;
use sequoia_openpgp::serialize::stream::Compressor;
use sequoia_openpgp::serialize::stream::Encryptor;
use sequoia_openpgp::serialize::stream::Message;
use sequoia_openpgp::serialize::stream::Recipient;
use sequoia_openpgp::types::CompressionAlgorithm;
use sequoia_openpgp::types::Features;
use std::time::Duration;
use std::time::Instant;

const NOW: Time = Time(1_795_318_393);

fn key(address: &str) -> Generated {
    generate(&Address::parse(address).unwrap(), NOW).unwrap()
}

fn open(keys: &[SecretKey], message: &[u8]) -> Result<(Vec<u8>, Report), DecryptError> {
    decrypt_bytes(keys, message, &Limits::default())
}

#[test]
fn reads_back_what_was_encrypted() {
    let (alice, bob) = (key("alice@x.example"), key("bob@x.example"));
    for length in [0, 1, 4_096, 70_000, 3_000_000] {
        let text: Vec<u8> = (0..length).map(|n: usize| (n * n % 253) as u8).collect();
        for form in [Form::Binary, Form::Armored] {
            let to = [&alice.parsed, &bob.parsed];
            let sealed = encrypt(&to, &text[..], Vec::new(), NOW, form).unwrap().into_inner();
            assert_eq!(sealed.starts_with(b"-----BEGIN PGP MESSAGE-----"), form == Form::Armored);
            for reader in [&alice, &bob] {
                let secret = SecretKey::parse(&reader.secret, &reader.fingerprint).unwrap();
                let (plain, report) = open(&[secret], &sealed).unwrap();
                assert!(plain == text, "{length} octets");
                assert_eq!(report.protection, Protection::Encrypted);
                assert_eq!(report.plaintext, length as u64);
            }
        }
    }
    let only_alice = encrypt_bytes(&[&alice.parsed], b"text", NOW).unwrap().into_inner();
    assert!(matches!(open(&[bob.secret_key], &only_alice), Err(DecryptError::NoKey)));
    assert!(matches!(open(&[], &only_alice), Err(DecryptError::NoKey)));
    let certificate = Certificate::parse(&alice.certificate).unwrap();
    assert_eq!(certificate.fingerprint(), &alice.fingerprint[..]);
}

/// A message whose container holds `packets`, whatever they are.
fn sealed(to: &Certificate, packets: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    let found = to.recipients(NOW).unwrap();
    let recipients = found.keys.iter().map(|key| {
        Recipient::new(found.features.clone(), sequoia_openpgp::KeyHandle::from(key.keyid()), key)
    });
    let mut encryptor = Encryptor::for_recipients(Message::new(&mut message), recipients).build().unwrap();
    encryptor.write_all(packets).unwrap();
    encryptor.finalize().unwrap();
    message
}

/// The same in a container of version 2 (RFC 9580 §5.13.2), which somebody may send although our keys do not
/// ask for it.
fn sealed_anew(to: &Certificate, packets: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    let found = to.recipients(NOW).unwrap();
    let recipients = found.keys.iter().map(|key| Recipient::new(Features::sequoia(), key.key_handle(), key));
    let mut encryptor = Encryptor::for_recipients(Message::new(&mut message), recipients).build().unwrap();
    encryptor.write_all(packets).unwrap();
    encryptor.finalize().unwrap();
    message
}

#[test]
fn version_2_opens_whole_or_not_at_all() {
    let alice = key("alice@x.example");
    let keys = [alice.secret_key];
    let message = sealed_anew(&alice.parsed, &literal(b"text"));
    assert_eq!(open(&keys, &message).unwrap().0, b"text");
    let packed = sealed_anew(&alice.parsed, &compressed(CompressionAlgorithm::Zip, &literal(b"text")));
    assert_eq!(open(&keys, &packed).unwrap().0, b"text");
    for at in 60..message.len() {
        let mut changed = message.clone();
        changed[at] ^= 1;
        assert!(open(&keys, &changed).is_err(), "octet {at}");
    }
    for length in 0..message.len() {
        assert!(open(&keys, &message[..length]).is_err(), "{length} octets");
    }
    // Cut between two chunks, where every chunk that is left is good.
    let large = sealed_anew(&alice.parsed, &literal(&vec![b'x'; 9 << 20]));
    assert_eq!(open(&keys, &large).unwrap().0.len(), 9 << 20);
    for cut in [1, 16, 17, 1 << 20, 5 << 20] {
        let error = open(&keys, &large[..large.len() - cut]).unwrap_err();
        assert!(matches!(error, DecryptError::Damaged | DecryptError::NoKey), "{cut}: {error}");
    }
    let two = sealed_anew(&alice.parsed, &[&literal(b"text")[..], &literal(b"more")].concat());
    assert!(matches!(open(&keys, &two), Err(DecryptError::Malformed)));
    let code = sealed_anew(&alice.parsed, &[&literal(b"text")[..], &[0xd3, 20], &[7; 20]].concat());
    assert!(matches!(open(&keys, &code), Err(DecryptError::Damaged)));
}

/// RFC 9580 §4.2.1: a packet with a five-octet length.
fn packet(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[0xc0 | tag, 255][..], &u32::try_from(body.len()).unwrap().to_be_bytes(), body].concat()
}

fn literal(text: &[u8]) -> Vec<u8> {
    packet(11, &[b"b\0\0\0\0\0", text].concat())
}

fn compressed(algorithm: CompressionAlgorithm, packets: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let message = Message::new(&mut out);
    let mut compressor = Compressor::new(message).algo(algorithm).build().unwrap();
    compressor.write_all(packets).unwrap();
    compressor.finalize().unwrap();
    out
}

#[test]
fn the_structure_is_strict() {
    use CompressionAlgorithm as C;
    let alice = key("alice@x.example");
    let keys = [alice.secret_key];
    let to = &alice.parsed;
    let plain = literal(b"text");
    let one_pass = packet(4, &[3, 0, 8, 22, 1, 2, 3, 4, 5, 6, 7, 8, 1]);
    let marker = packet(10, b"PGP");
    let inside = sealed(to, &plain);
    let mut deep = plain.clone();
    let mut layered = Vec::new();
    for _ in 0..20 {
        deep = compressed(C::Zip, &deep);
        layered.push(deep.clone());
    }
    type Case<'a> = (&'a str, Vec<u8>, Result<Protection, &'a str>);
    let good = Ok(Protection::Encrypted);
    let signed = Ok(Protection::EncryptedSignerUnknown);
    let cases: Vec<Case<'_>> = vec![
        ("literal", sealed(to, &plain), good),
        ("zip", sealed(to, &compressed(C::Zip, &plain)), good),
        ("zlib", sealed(to, &compressed(C::Zlib, &plain)), good),
        ("bzip2", sealed(to, &compressed(C::BZip2, &plain)), good),
        ("eight layers", sealed(to, &layered[7]), good),
        ("nine layers", sealed(to, &layered[8]), Err("the message is nested too deeply")),
        ("twenty layers", sealed(to, &layered[19]), Err("the message is nested too deeply")),
        ("marker", sealed(to, &[&marker[..], &plain].concat()), good),
        ("signed", sealed(to, &[&one_pass[..], &plain].concat()), signed),
        ("signed in zip", sealed(to, &compressed(C::Zip, &[&one_pass[..], &plain].concat())), signed),
        ("two literals", sealed(to, &[&plain[..], &plain].concat()), Err("not an openpgp message")),
        (
            "two literals, two layers",
            sealed(to, &[&plain[..], &compressed(C::Zip, &plain)].concat()),
            Err("not an openpgp message"),
        ),
        ("no literal", sealed(to, &marker), Err("not an openpgp message")),
        ("nothing", sealed(to, b""), Err("the message is damaged")),
        ("encrypted twice", sealed(to, &inside), Err("the message is damaged")),
        ("a key inside", sealed(to, &alice.certificate), Err("the message is damaged")),
        ("junk inside", sealed(to, &[0x55; 40]), Err("the message is damaged")),
        (
            "junk behind the text",
            sealed(to, &[&plain[..], b"\0\0\0"].concat()),
            Err("the message is damaged"),
        ),
        (
            "many packets",
            sealed(to, &[&marker.repeat(600)[..], &plain].concat()),
            Err("the message is nested too deeply"),
        ),
        ("behind the container", [&inside[..], &plain].concat(), Err("not an openpgp message")),
        ("two messages", [&inside[..], &inside].concat(), Err("not an openpgp message")),
        ("only a literal", plain.clone(), Err("the message is not encrypted")),
        ("only compressed", compressed(C::Zip, &plain), Err("the message is not encrypted")),
        ("only signed", [&one_pass[..], &plain].concat(), Err("the message is not encrypted")),
        ("literal in front", [&plain[..], &inside].concat(), Err("the message is not encrypted")),
        ("only a certificate", alice.certificate.clone(), Err("not an openpgp message")),
        ("empty", Vec::new(), Err("not an openpgp message")),
        ("text", b"Hello, world".to_vec(), Err("not an openpgp message")),
        // RFC 9580 §5.7: the container without integrity protection.
        ("tag 9", packet(9, &[7; 60]), Err("the message has no integrity protection")),
        (
            "tag 9 with a session key",
            swap_container(&inside, 9),
            Err("the message has no integrity protection"),
        ),
        // GnuPG's own container for OCB.
        ("tag 20", swap_container(&inside, 20), Err("the message uses a method that is not supported")),
    ];
    for (name, message, want) in cases {
        let got = open(&keys, &message).map(|(text, report)| (text, report.protection));
        match (got, want) {
            (Ok((text, protection)), Ok(wanted)) => {
                assert_eq!((&text[..], protection), (&b"text"[..], wanted), "{name}");
            }
            (Err(error), Err(wanted)) => assert_eq!(error.to_string(), wanted, "{name}"),
            (got, want) => panic!("{name}: {got:?}, not {want:?}"),
        }
    }
}

/// The message with its container (tag 18) called `tag`.
fn swap_container(message: &[u8], tag: u8) -> Vec<u8> {
    let mut changed = message.to_vec();
    let session_key = usize::from(message[1]) + 2;
    assert_eq!(changed[session_key], 0xc0 | 18);
    changed[session_key] = 0xc0 | tag;
    changed
}

#[test]
fn a_flipped_bit_anywhere_or_a_cut_is_an_error() {
    let alice = key("alice@x.example");
    let keys = [alice.secret_key];
    let message = encrypt_bytes(&[&alice.parsed], b"attack at dawn", NOW).unwrap().into_inner();
    assert!(open(&keys, &message).is_ok());
    let mut opening = Vec::new();
    for bit in 0..message.len() * 8 {
        let mut changed = message.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        if let Ok((text, _)) = open(&keys, &changed) {
            assert_eq!(text, b"attack at dawn");
            opening.push((bit / 8, bit % 8));
        }
    }
    // RFC 7748 §5: the highest bit of a coordinate on Curve25519 is ignored. Nothing else is.
    assert_eq!(opening, [(46, 7)]);
    for length in 0..message.len() {
        assert!(open(&keys, &message[..length]).is_err(), "{length} octets");
    }
    for more in 1..30 {
        assert!(open(&keys, &[&message[..], &vec![0; more]].concat()).is_err(), "{more} more");
    }
}

#[test]
fn a_large_message_damaged_near_its_end_or_cut_is_an_error() {
    let alice = key("alice@x.example");
    let keys = [alice.secret_key];
    let text = vec![b'x'; 6 << 20];
    let message = encrypt_bytes(&[&alice.parsed], &text, NOW).unwrap().into_inner();
    for at in [200, message.len() / 2, message.len() - 30, message.len() - 1] {
        let mut changed = message.clone();
        changed[at] ^= 0x10;
        let error = open(&keys, &changed).unwrap_err();
        assert!(matches!(error, DecryptError::Damaged | DecryptError::Malformed), "{at}: {error}");
    }
    // What gpg calls "mdc missing": the last 22 octets of the plaintext are the code.
    for cut in [1, 22, 23, 1 << 20] {
        let error = open(&keys, &message[..message.len() - cut]).unwrap_err();
        assert!(matches!(error, DecryptError::Damaged), "{cut}: {error}");
    }
}

#[test]
fn a_code_that_is_missing_or_in_the_wrong_place_is_damage() {
    let alice = key("alice@x.example");
    let keys = [alice.secret_key];
    let code = packet(19, &[7; 20]);
    let short = [&[0xd3, 20][..], &[7; 20]].concat();
    for (name, packets) in [
        ("in front", [&short[..], &literal(b"text")].concat()),
        ("twice", [&literal(b"text")[..], &short].concat()),
        ("long form", [&literal(b"text")[..], &code].concat()),
        ("in a layer", compressed(CompressionAlgorithm::Zip, &[&literal(b"text")[..], &short].concat())),
    ] {
        let error = open(&keys, &sealed(&alice.parsed, &packets)).unwrap_err();
        assert!(matches!(error, DecryptError::Damaged), "{name}: {error}");
    }
}

/// Counts and forgets.
struct Counter(u64);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn bombs_are_cut_wherever_they_hide() {
    use CompressionAlgorithm as C;
    const BOMB: usize = 24 << 20;
    let alice = key("alice@x.example");
    let keys = [alice.secret_key];
    let zeros = vec![0; BOMB];
    let bomb = compressed(C::Zip, &literal(&zeros));
    let padding = compressed(C::Zip, &[&packet(21, &zeros)[..], &literal(b"text")].concat());
    let unknown = compressed(C::Zip, &[&packet(60, &zeros)[..], &literal(b"text")].concat());
    let signature = compressed(C::Zip, &[&packet(2, &zeros)[..], &literal(b"text")].concat());
    let behind = compressed(C::Zip, &[&literal(b"text")[..], &packet(60, &zeros)].concat());
    let stored = compressed(C::Zip, &[&literal(b"text")[..], &packet(8, &zeros)].concat());
    for (name, packets, too_large) in [
        ("literal", bomb.clone(), true),
        ("literal, bzip2", compressed(C::BZip2, &literal(&zeros)), true),
        ("literal, two layers", compressed(C::Zlib, &bomb), true),
        ("literal, eight layers", (0..7).fold(bomb, |inner, _| compressed(C::Zip, &inner)), true),
        ("padding", padding, false),
        ("unknown packet", unknown, false),
        ("signature", signature, true),
        ("behind the text", behind, false),
        ("uncompressed layer", stored, false),
    ] {
        let message = sealed(&alice.parsed, &packets);
        assert!(message.len() < BOMB / 100, "{name}: {} octets", message.len());
        let limits = Limits::for_input(message.len() as u64);
        let mut sink = Counter(0);
        let started = Instant::now();
        let error = decrypt(&keys, &message[..], &mut sink, &limits).unwrap_err();
        assert_eq!(matches!(error, DecryptError::TooLarge { .. }), too_large, "{name}: {error}");
        assert!(sink.0 <= limits.plaintext, "{name}: {} octets written", sink.0);
        assert!(started.elapsed() < Duration::from_secs(5), "{name}: {:?}", started.elapsed());
    }
}

#[test]
fn limits_count_recipients_and_octets() {
    let alice = key("alice@x.example");
    let others: Vec<Certificate> = (0..64).map(|n| key(&format!("r{n}@x.example")).parsed).collect();
    let all: Vec<&Certificate> = others.iter().chain([&alice.parsed]).collect();
    let keys = [alice.secret_key];
    let message = |to: &[&Certificate]| encrypt_bytes(to, b"text", NOW).unwrap().into_inner();
    assert_eq!(open(&keys, &message(&all[1..])).unwrap().0, b"text");
    assert!(matches!(open(&keys, &message(&all)), Err(DecryptError::TooManyRecipients)));
    let exact = Limits { plaintext: 4, ..Limits::default() };
    assert!(decrypt_bytes(&keys, &message(&all[60..]), &exact).is_ok());
    let below = Limits { plaintext: 3, ..exact };
    let error = decrypt_bytes(&keys, &message(&all[60..]), &below).unwrap_err();
    assert!(matches!(error, DecryptError::TooLarge { limit: 3 }));
    assert_eq!(Limits::for_input(0).plaintext, 1 << 20);
    assert_eq!(Limits::for_input(u64::MAX), Limits::default());
}

#[test]
fn trouble_of_the_disk_is_told_from_damage() {
    #[derive(Debug)]
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let alice = key("alice@x.example");
    let keys = [alice.secret_key];
    let message = encrypt_bytes(&[&alice.parsed], &[7; 100_000], NOW).unwrap().into_inner();
    let limits = Limits::default();
    let error = decrypt(&keys, (&message[..50_000]).chain(Broken), Vec::new(), &limits).unwrap_err();
    assert!(
        matches!(&error, DecryptError::Read(why) if why.kind() == io::ErrorKind::ConnectionReset),
        "{error:?}"
    );
    let error = decrypt(&keys, &message[..], Broken, &limits).unwrap_err();
    assert!(
        matches!(&error, DecryptError::Write(why) if why.kind() == io::ErrorKind::StorageFull),
        "{error:?}"
    );
    let to = [&alice.parsed];
    let error = encrypt(&to, Broken, Vec::new(), NOW, Form::Binary).unwrap_err();
    assert!(
        matches!(&error, EncryptError::Read(why) if why.kind() == io::ErrorKind::ConnectionReset),
        "{error:?}"
    );
    let error = encrypt(&to, &message[..], Broken, NOW, Form::Armored).unwrap_err();
    assert!(
        matches!(&error, EncryptError::Write(why) if why.kind() == io::ErrorKind::StorageFull),
        "{error:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn junk_never_panics(junk in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(open(&[], &junk).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn junk_in_a_container_never_panics(junk in proptest::collection::vec(any::<u8>(), 0..200)) {
        static ALICE: std::sync::LazyLock<Generated> = std::sync::LazyLock::new(|| key("alice@x.example"));
        let keys = std::slice::from_ref(&ALICE.secret_key);
        let _ = open(keys, &sealed(&ALICE.parsed, &junk));
        let _ = open(keys, &sealed(&ALICE.parsed, &packet(8, &[&[1], &junk[..]].concat())));
    }
}
