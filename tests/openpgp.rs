//! OpenPGP against a real judge: what we write gpg reads, what gpg writes we read.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use guardpost::base::address::Address;
use guardpost::base::secret::Secret;
use guardpost::base::time::Time;
use guardpost::openpgp::armor;
use guardpost::openpgp::certificate::Certificate;
use guardpost::openpgp::certificate::Unusable;
use guardpost::openpgp::decrypt::DecryptError;
use guardpost::openpgp::decrypt::Limits;
use guardpost::openpgp::decrypt::Protection;
use guardpost::openpgp::decrypt::decrypt_bytes;
use guardpost::openpgp::encrypt::Addressed;
use guardpost::openpgp::encrypt::Form;
use guardpost::openpgp::encrypt::encrypt;
use guardpost::openpgp::export;
use guardpost::openpgp::generate::Generated;
use guardpost::openpgp::generate::generate;
use guardpost::openpgp::import::ImportError;
use guardpost::openpgp::import::import;
use guardpost::vault::os_random;
use guardpost::vault::passphrase;
use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

/// A keyring of gpg's own, in a directory of its own, with an agent that ends with it.
struct Gpg(tempfile::TempDir);

impl Gpg {
    fn new() -> Self {
        let home = tempfile::Builder::new().prefix("gp").tempdir_in("/tmp").unwrap();
        #[cfg(unix)]
        fs::set_permissions(home.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        Self(home)
    }

    fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn try_run(&self, arguments: &[&str]) -> Output {
        Command::new("gpg")
            .args(["--homedir", self.0.path().to_str().unwrap(), "--batch", "--yes", "--no-tty"])
            .args(["--pinentry-mode", "loopback", "--trust-model", "always"])
            .args(arguments)
            .output()
            .expect("gpg is needed: apt-get install gnupg")
    }

    fn run(&self, arguments: &[&str]) -> Vec<u8> {
        let output = self.try_run(arguments);
        assert!(output.status.success(), "gpg {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Makes a key without a passphrase and exports its certificate.
    fn make(&self, user: &str, kinds: &[&str]) -> Vec<u8> {
        self.run(&["--passphrase", "", "--quick-generate-key", user, kinds[0], "sign", "1y"]);
        for kind in &kinds[1..] {
            self.run(&["--passphrase", "", "--quick-add-key", &self.fingerprint(user), kind, "encr", "1y"]);
        }
        self.run(&["--export", user])
    }

    fn fingerprint(&self, user: &str) -> String {
        let listed = String::from_utf8(self.run(&["--with-colons", "--list-keys", user])).unwrap();
        let line = listed.lines().find(|line| line.starts_with("fpr:")).unwrap();
        line.split(':').nth(9).unwrap().to_owned()
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let home = self.0.path();
        let _ = Command::new("gpgconf").arg("--homedir").arg(home).args(["--kill", "all"]).output();
    }
}

fn now() -> Time {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    Time(i64::try_from(now).unwrap())
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn key(text: &str) -> Generated {
    generate(&address(text), now()).unwrap()
}

fn text(length: usize) -> Vec<u8> {
    (0..length).map(|n| b"Attack at dawn, or at eight.\r\n"[n % 30]).collect()
}

/// Exports the secret key of `key` as its owner would, and imports it.
fn take_along(gpg: &Gpg, key: &Generated) -> Secret<String> {
    let passphrase = passphrase::generate(os_random());
    let exported = export::secret_key(&key.secret_key, &passphrase).unwrap();
    assert!(exported.expose().starts_with("-----BEGIN PGP PRIVATE KEY BLOCK-----"));
    gpg.run(&["--import", &gpg.file("secret.asc", exported.expose().as_bytes())]);
    passphrase
}

#[test]
fn gpg_opens_our_messages_with_the_exported_key() {
    let gpg = Gpg::new();
    let key = key("alice@x.example");
    let passphrase = take_along(&gpg, &key);
    let other = generate(&address("bob@x.example"), now()).unwrap();
    for (length, form) in [(0, Form::Binary), (4_096, Form::Binary), (700_000, Form::Armored)] {
        let plain = text(length);
        let to = [&other.parsed, &key.parsed];
        let sealed = encrypt(&to, &plain[..], Vec::new(), now(), form).unwrap().into_inner();
        let file = gpg.file("message", &sealed);
        let opened = gpg.run(&["--passphrase", passphrase.expose(), "--decrypt", &file]);
        assert!(opened == plain, "{length} octets, {form:?}");
        let packets = gpg.run(&["--passphrase", passphrase.expose(), "--list-packets", &file]);
        let packets = String::from_utf8(packets).unwrap();
        let kinds: Vec<&str> = packets.lines().filter(|line| line.starts_with(':')).collect();
        assert!(kinds[0].starts_with(":pubkey enc packet: version 3, algo 18"), "{packets}");
        assert!(kinds[1].starts_with(":pubkey enc packet: version 3, algo 18"), "{packets}");
        assert!(kinds[2].starts_with(":encrypted data packet:"), "{packets}");
        assert!(kinds[3].starts_with(":literal data packet:"), "no compression: {packets}");
        assert_eq!(kinds.len(), 4, "{packets}");
        assert!(packets.contains("mdc_method: 2"), "SEIPD version 1: {packets}");
    }
}

/// A message and its summary are under one session key: each is whole without the other.
#[test]
fn gpg_opens_each_message_of_one_session_key() {
    let gpg = Gpg::new();
    let key = key("alice@x.example");
    let passphrase = take_along(&gpg, &key);
    let addressed = Addressed::to(&[&key.parsed], now()).unwrap();
    let mut keys = Vec::new();
    let mut ciphertexts = Vec::new();
    for plain in [text(4_096), text(4_096), text(100)] {
        let sealed = addressed.encrypt_bytes(&plain).unwrap().into_inner();
        let file = gpg.file("message", &sealed);
        let opened =
            gpg.try_run(&["--passphrase", passphrase.expose(), "--show-session-key", "--decrypt", &file]);
        assert!(opened.status.success() && opened.stdout == plain, "{} octets", plain.len());
        let said = String::from_utf8(opened.stderr).unwrap();
        keys.push(said.lines().find(|line| line.contains("session key:")).unwrap().to_owned());
        ciphertexts.push(sealed);
    }
    assert!(keys.windows(2).all(|pair| pair[0] == pair[1]), "one session key");
    let (one, other) = (&ciphertexts[0], &ciphertexts[1]);
    let same = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    assert!(same < 120, "the same text twice is alike in the packets in front alone, not in {same} octets");
    let blocks: HashSet<&[u8]> = one.windows(16).skip(120).collect();
    assert!(!other.windows(16).skip(120).any(|block| blocks.contains(block)));
    let next = Addressed::to(&[&key.parsed], now()).unwrap().encrypt_bytes(b"next").unwrap().into_inner();
    let file = gpg.file("message", &next);
    let opened =
        gpg.try_run(&["--passphrase", passphrase.expose(), "--show-session-key", "--decrypt", &file]);
    assert!(!String::from_utf8(opened.stderr).unwrap().contains(keys[0].rsplit(' ').next().unwrap()));
}

#[test]
fn the_exported_key_is_locked() {
    let gpg = Gpg::new();
    let key = key("alice@x.example");
    let passphrase = take_along(&gpg, &key);
    let sealed = encrypt(&[&key.parsed], &b"text"[..], Vec::new(), now(), Form::Binary).unwrap().into_inner();
    let file = gpg.file("message", &sealed);
    assert!(!gpg.try_run(&["--passphrase", "wrong", "--decrypt", &file]).status.success());
    assert_eq!(gpg.run(&["--passphrase", passphrase.expose(), "--decrypt", &file]), b"text");
    let secret = gpg.path("secret.asc");
    let packets = gpg.run(&["--list-packets", secret.to_str().unwrap()]);
    let packets = String::from_utf8(packets).unwrap();
    // RFC 9580 §3.7.1.3: iterated and salted, at the largest count there is; §5.5.3: CFB with SHA-1 check.
    assert_eq!(packets.matches("iter+salt S2K").count(), 2, "{packets}");
    assert_eq!(packets.matches("protect count: 65011712 (255)").count(), 2, "{packets}");
    let public = gpg.run(&["--armor", "--export", "alice@x.example"]);
    let again = import(&public, &address("alice@x.example"), now()).unwrap();
    assert_eq!(again.fingerprint, key.fingerprint);
}

#[test]
fn we_open_messages_of_gpg() {
    let gpg = Gpg::new();
    let key = key("alice@x.example");
    let certificate = export::certificate(&key.parsed).unwrap();
    gpg.run(&["--import", &gpg.file("alice.asc", certificate.as_bytes())]);
    gpg.make("bob@y.example", &["ed25519", "cv25519"]);
    let keys = [key.secret_key];
    let plain = text(200_000);
    let file = gpg.file("plain", &plain);
    let out = gpg.path("out");
    let out = out.to_str().unwrap();
    let encrypted = Protection::Encrypted;
    let signed = Protection::EncryptedSignerUnknown;
    for (more, want) in [
        (&["-r", "alice@x.example"][..], encrypted),
        (&["--armor", "-r", "alice@x.example"], encrypted),
        (&["-r", "alice@x.example", "-r", "bob@y.example"], encrypted),
        (&["-R", "alice@x.example"], encrypted),
        (&["-z", "0", "-r", "alice@x.example"], encrypted),
        (&["--compress-algo", "bzip2", "-r", "alice@x.example"], encrypted),
        (&["--rfc4880", "--cipher-algo", "AES", "-r", "alice@x.example"], encrypted),
        (&["--sign", "-u", "bob@y.example", "-r", "alice@x.example"], signed),
        (&["--textmode", "--armor", "--sign", "-u", "bob@y.example", "-r", "alice@x.example"], signed),
    ] {
        let arguments = [&["--output", out], more, &["--encrypt", &file]].concat();
        gpg.run(&arguments);
        let message = fs::read(out).unwrap();
        let (opened, report) = decrypt_bytes(&keys, &message, &Limits::for_input(message.len() as u64))
            .unwrap_or_else(|error| panic!("{more:?}: {error}"));
        assert!(opened == plain, "{more:?}");
        assert_eq!(report.protection, want, "{more:?}");
    }
    gpg.run(&["--output", out, "-r", "bob@y.example", "--encrypt", &file]);
    let error = decrypt_bytes(&keys, &fs::read(out).unwrap(), &Limits::default()).unwrap_err();
    assert!(matches!(error, DecryptError::NoKey), "{error}");
    gpg.run(&["--output", out, "-u", "bob@y.example", "--sign", &file]);
    let error = decrypt_bytes(&keys, &fs::read(out).unwrap(), &Limits::default()).unwrap_err();
    assert!(matches!(error, DecryptError::NotEncrypted), "{error}");
}

#[test]
fn certificates_of_gpg_are_taken_or_refused() {
    let gpg = Gpg::new();
    let modern = gpg.make("Bob <bob@y.example>", &["ed25519", "cv25519"]);
    let imported = import(&modern, &address("Bob@Y.example"), now()).unwrap();
    let sealed = encrypt(&[&imported.parsed], &b"text"[..], Vec::new(), now(), Form::Armored);
    let file = gpg.file("message", &sealed.unwrap().into_inner());
    assert_eq!(gpg.run(&["--decrypt", &file]), b"text");
    let rsa = gpg.make("carol@y.example", &["rsa2048", "rsa2048"]);
    assert!(import(&rsa, &address("carol@y.example"), now()).is_ok());

    let unusable = |file: &[u8], user| match import(file, &address(user), now()) {
        Err(ImportError::Unusable(why)) => why,
        other => panic!("{user}: {other:?}"),
    };
    let weak = gpg.make("dave@y.example", &["rsa1024", "rsa1024"]);
    assert_eq!(unusable(&weak, "dave@y.example"), Unusable::ShortRsa { bits: 1024 });
    let sign_only = gpg.make("erin@y.example", &["ed25519"]);
    assert_eq!(unusable(&sign_only, "erin@y.example"), Unusable::SignOnly);
    let in_a_year_and_a_day = now() + std::time::Duration::from_secs(366 * 24 * 3600);
    let error = import(&modern, &address("bob@y.example"), in_a_year_and_a_day).unwrap_err();
    assert_eq!(error, ImportError::Unusable(Unusable::Expired));
    assert_eq!(imported.parsed.usable(in_a_year_and_a_day), Err(Unusable::Expired));

    let revocation = gpg.path(&format!("openpgp-revocs.d/{}.rev", gpg.fingerprint("bob@y.example")));
    let revocation = fs::read_to_string(revocation).unwrap().replace(":-----BEGIN", "-----BEGIN");
    gpg.run(&["--import", &gpg.file("revocation", revocation.as_bytes())]);
    assert_eq!(unusable(&gpg.run(&["--export", "bob@y.example"]), "bob@y.example"), Unusable::Revoked);
    let both = gpg.run(&["--armor", "--export", "bob@y.example", "carol@y.example"]);
    assert_eq!(import(&both, &address("carol@y.example"), now()).unwrap_err(), ImportError::Several);
    let secret = gpg.run(&["--armor", "--export-secret-keys", "carol@y.example"]);
    assert_eq!(import(&secret, &address("carol@y.example"), now()).unwrap_err(), ImportError::SecretInside);
}

#[test]
fn armor_is_put_on_and_taken_off() {
    let gpg = Gpg::new();
    let key = key("alice@x.example");
    let passphrase = take_along(&gpg, &key);
    for length in [0, 1, 5_000, 300_000] {
        let plain = text(length);
        let sealed =
            encrypt(&[&key.parsed], &plain[..], Vec::new(), now(), Form::Binary).unwrap().into_inner();
        let armored = armor::armor(&sealed[..], Vec::new()).unwrap();
        assert!(armored.is_ascii());
        assert!(armored.starts_with(b"-----BEGIN PGP MESSAGE-----\n"));
        assert!(armored.ends_with(b"-----END PGP MESSAGE-----\n"));
        let back = armor::dearmor(&armored[..], Vec::new()).unwrap();
        assert!(back == sealed, "{length}");
        let crlf = String::from_utf8(armored.clone()).unwrap().replace('\n', "\r\n");
        assert!(armor::dearmor(crlf.as_bytes(), Vec::new()).unwrap() == sealed, "{length} with CRLF");
        let file = gpg.file("armored", &armored);
        assert!(gpg.run(&["--passphrase", passphrase.expose(), "--decrypt", &file]) == plain);
        let end = armored.len() / 2;
        let cut = armor::dearmor(&armored[..end], Vec::new());
        assert!(cut.is_err(), "{length}: {end} of {} octets", armored.len());
    }
    for junk in
        [&b""[..], b"Hello", b"-----BEGIN PGP MESSAGE-----\n", b"-----BEGIN PGP MESSAGE-----\n\n!!!!\n"]
    {
        assert!(armor::dearmor(junk, Vec::new()).is_err(), "{junk:?}");
    }
    let certificate = export::certificate(&key.parsed).unwrap();
    assert!(armor::dearmor(certificate.as_bytes(), Vec::new()).is_err());
    assert!(Certificate::parse(certificate.as_bytes()).is_ok());
}
