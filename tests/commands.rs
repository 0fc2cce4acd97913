//! The commands as a person or a script meets them: the real binary, without a server.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use serde_json::Value;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use tempfile::TempDir;

const PASSWORD: &str = "correct horse battery staple";

/// A place of its own with a complete configuration.
struct Site {
    dir: TempDir,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        let made = guardpost::net::tls::self_signed(
            &["mail.example.org".into()],
            guardpost::base::time::Clock::now(&guardpost::app::clock::SystemClock),
        )
        .unwrap();
        fs::write(at("cert.pem"), made.certificate).unwrap();
        fs::write(at("key.pem"), made.key.as_bytes()).unwrap();
        let text = format!(
            "hostname = \"mail.example.org\"\ndata_dir = \"{}\"\nrun_dir = \"{}\"\nmaster_key_file = \"{}\"\n\
             tls = {{ certificate = \"{}\", key = \"{}\" }}\nportal = {{ url = \"https://mail.example.org\" }}\n\
             [[domain]]\nname = \"example.org\"\n[dns]\ntrust = \"none\"\n",
            at("data"),
            at("run"),
            at("master.key"),
            at("cert.pem"),
            at("key.pem"),
        );
        fs::write(at("guard.toml"), text).unwrap();
        Self { dir }
    }

    fn with_master_key() -> Self {
        let site = Self::new();
        assert_eq!(site.run(&["master-key", "create"], "").code(), 0);
        site
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, arguments: &[&str], input: &str) -> Ended {
        run(&self.path("guard.toml"), arguments, input)
    }
}

struct Ended(Output);

impl Ended {
    fn code(&self) -> i32 {
        self.0.status.code().unwrap()
    }

    fn out(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    fn err(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.0.stdout).unwrap_or_else(|_| panic!("{}{}", self.out(), self.err()))
    }
}

fn run(config: &Path, arguments: &[&str], input: &str) -> Ended {
    let mut child = Command::new(env!("CARGO_BIN_EXE_guardpost"))
        .env_clear()
        .arg("--config")
        .arg(config)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that asks for nothing may be gone before it is written to.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    Ended(child.wait_with_output().unwrap())
}

#[test]
fn a_wrong_configuration_is_78_with_every_finding() {
    let site = Site::new();
    fs::write(site.path("guard.toml"), "hostname = 3\nwibble = 1\n[limits]\nrecipients = 0\n").unwrap();
    let ended = site.run(&["account", "list"], "");
    assert_eq!(ended.code(), 78, "{}", ended.err());
    for want in [
        ":1: hostname: ",
        ":2: wibble: unknown key",
        ":4: limits.recipients: must be 1 to 1000",
        "portal.url",
    ] {
        assert!(ended.err().contains(want), "{want} in {}", ended.err());
    }
    let missing = run(&site.path("none.toml"), &["check"], "");
    assert_eq!(missing.code(), 1, "{}", missing.err());
}

#[test]
fn usage_is_2_and_asking_without_a_terminal_too() {
    let site = Site::with_master_key();
    for arguments in [
        &["wibble"][..],
        &["account"],
        &["queue", "retry"],
        &["account", "add", "alice@example.org"],
        &["account", "remove", "alice@example.org"],
        &["queue", "show", "not an id"],
        &["account", "show", "not an address"],
    ] {
        let ended = site.run(arguments, "");
        assert_eq!(ended.code(), 2, "{arguments:?}: {}", ended.err());
    }
    assert_eq!(site.run(&["--help"], "").code(), 0);
    assert!(site.run(&["--version"], "").out().starts_with("guardpost "));
}

#[test]
fn the_master_key_is_made_once() {
    let site = Site::new();
    let early = site.run(&["account", "list"], "");
    assert_eq!(early.code(), 78, "{}", early.err());
    assert!(early.err().contains("master-key create"), "{}", early.err());
    let made = site.run(&["--json", "master-key", "create"], "");
    assert_eq!(made.code(), 0, "{}", made.err());
    let file = made.json()["file"].as_str().unwrap().to_owned();
    assert_eq!(fs::read(&file).unwrap().len(), 32);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let before = fs::read(&file).unwrap();
    assert_eq!(site.run(&["master-key", "create"], "").code(), 1);
    assert_eq!(fs::read(&file).unwrap(), before, "stays as it is");
}

#[test]
fn an_account_lives_and_goes() {
    let site = Site::with_master_key();
    let add = |address: &str, password: &str| {
        site.run(&["account", "add", address, "--password-stdin"], &format!("{password}\n"))
    };
    let added = add("alice@example.org", PASSWORD);
    assert_eq!((added.code(), added.out().as_str()), (0, "alice@example.org added\n"), "{}", added.err());
    assert_eq!(fs::metadata(site.path("data")).unwrap().permissions().mode() & 0o777, 0o700);
    for (address, password) in [
        ("Alice@EXAMPLE.org", PASSWORD),
        ("bob@elsewhere.example", PASSWORD),
        ("postmaster@example.org", PASSWORD),
        ("secure-mail@example.org", PASSWORD),
        ("bob@example.org", "short"),
        ("bob@example.org", "aaaaaaaaaaaaaaaa"),
    ] {
        let refused = add(address, password);
        assert_eq!(refused.code(), 1, "{address} {password}: {}{}", refused.out(), refused.err());
        assert!(!refused.err().contains(password), "{}", refused.err());
    }
    let list = site.run(&["account", "list", "--json"], "").json();
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!(list[0]["address"], "alice@example.org");
    let shown = site.run(&["account", "show", "alice@example.org"], "");
    assert!(shown.out().contains("INBOX") && shown.out().contains("fingerprint:"), "{}", shown.out());

    let change = |old: &str, new: &str| {
        let lines = format!("{old}\n{new}\n");
        site.run(&["account", "password", "alice@example.org", "--password-stdin"], &lines).code()
    };
    assert_eq!(change("not the password at all", "another good password"), 1);
    assert_eq!(change(PASSWORD, "another good password"), 0);
    assert_eq!(change(PASSWORD, "a third good password"), 1, "the old one is nothing");

    let certificate = site.run(&["account", "key", "export", "alice@example.org"], "").out();
    assert!(certificate.starts_with("-----BEGIN PGP PUBLIC KEY BLOCK-----"), "{certificate}");
    let export = ["account", "key", "export", "--secret", "alice@example.org", "--password-stdin", "--json"];
    assert_eq!(site.run(&export, "wrong password here\n").code(), 1);
    let secret = site.run(&export, "another good password\n").json();
    assert!(secret["secret_key"].as_str().unwrap().starts_with("-----BEGIN PGP PRIVATE KEY BLOCK-----"));
    assert!(secret["passphrase"].as_str().unwrap().len() >= 24);

    assert_eq!(site.run(&["account", "remove", "alice@example.org", "--yes"], "").code(), 0);
    assert_eq!(site.run(&["account", "show", "alice@example.org"], "").code(), 1);
    assert_eq!(site.run(&["account", "list", "--json"], "").json(), serde_json::json!([]));
}

#[test]
fn certificates_of_others_are_kept() {
    let site = Site::with_master_key();
    let import = |address: &str| {
        let address = guardpost::base::address::Address::parse(address).unwrap();
        let now = guardpost::base::time::Clock::now(&guardpost::app::clock::SystemClock);
        let made = guardpost::openpgp::generate::generate(&address, now).unwrap();
        let armored = guardpost::openpgp::export::certificate(&made.parsed).unwrap();
        site.run(&["key", "import", "-", "--json"], &armored)
    };
    let imported = import("carol@elsewhere.example");
    assert_eq!(imported.code(), 0, "{}", imported.err());
    assert_eq!(imported.json()[0]["address"], "carol@elsewhere.example");
    assert_eq!(import("carol@elsewhere.example").code(), 1, "another never takes its place by itself");
    let list = site.run(&["key", "list", "--json"], "").json();
    assert_eq!(list[0]["usable"], true);
    let shown = site.run(&["key", "show", "carol@elsewhere.example", "--json"], "").json();
    assert!(shown["certificate"].as_str().unwrap().contains("BEGIN PGP PUBLIC"));
    assert_eq!(site.run(&["key", "import", "-"], "junk").code(), 1);
    assert_eq!(site.run(&["key", "remove", "carol@elsewhere.example", "--yes"], "").code(), 0);
    assert_eq!(site.run(&["key", "show", "carol@elsewhere.example"], "").code(), 1);
}

#[test]
fn the_rest_answers_on_an_empty_store() {
    let site = Site::with_master_key();
    assert_eq!(site.run(&["queue", "list", "--json"], "").json(), serde_json::json!([]));
    assert_eq!(site.run(&["mailbox", "list"], "").out(), "none\n");
    assert_eq!(site.run(&["mailbox", "show", "bob@x.example"], "").code(), 1);
    assert_eq!(site.run(&["queue", "retry", "--all", "--json"], "").json()["recipients"], 0);
    let dns = site.run(&["dns"], "");
    assert_eq!(dns.code(), 0, "{}", dns.err());
    for want in ["example.org. IN MX 10 mail.example.org.", "v=spf1", "k=rsa", "k=ed25519", "v=DMARC1"] {
        assert!(dns.out().contains(want), "{want} in {}", dns.out());
    }
    assert_eq!(site.run(&["dns"], "").out(), dns.out(), "the same keys again");
}

#[test]
fn check_finds_what_is_wrong() {
    let site = Site::with_master_key();
    let level = |findings: &Value, about: &str| {
        let of = findings.as_array().unwrap().iter().filter(|finding| finding["about"] == about);
        of.map(|finding| finding["level"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let good = site.run(&["check", "--json"], "");
    assert_eq!(good.code(), 0, "{}{}", good.out(), good.err());
    for about in ["configuration", "master key", "certificate", "store", "dns", "clock"] {
        assert!(level(&good.json(), about).contains(&"ok".to_owned()), "{about}: {}", good.out());
    }
    fs::set_permissions(site.path("master.key"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(site.path("cert.pem"), "junk").unwrap();
    let bad = site.run(&["check", "--json"], "");
    assert_eq!(bad.code(), 1, "{}", bad.out());
    assert_eq!(level(&bad.json(), "master key"), ["error"]);
    assert_eq!(level(&bad.json(), "certificate"), ["error"]);
}

#[test]
fn the_wrong_master_key_opens_nothing_and_breaks_nothing() {
    let site = Site::with_master_key();
    let add = ["account", "add", "alice@example.org", "--password-stdin"];
    assert_eq!(site.run(&add, &format!("{PASSWORD}\n")).code(), 0);
    let right = fs::read(site.path("master.key")).unwrap();
    fs::write(site.path("master.key"), [7; 32]).unwrap();
    let wrong = site.run(&["account", "list"], "");
    assert_eq!(wrong.code(), 78);
    assert!(wrong.err().contains("does not open with this master key"), "{}", wrong.err());
    fs::write(site.path("master.key"), right).unwrap();
    assert_eq!(site.run(&["account", "list", "--json"], "").json()[0]["address"], "alice@example.org");
}
