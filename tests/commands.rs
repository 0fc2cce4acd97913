//! The commands as a person or a script meets them: the real binary, without a server.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use guardpost::app::ground;
use guardpost::app::ground::Surroundings;
use guardpost::config::Config;
use guardpost::store::command::Command::Tick;
use guardpost::store::record_life::ClockTrouble;
use guardpost::store::record_life::Suspension;
use sequoia_openpgp::cert::CertBuilder;
use sequoia_openpgp::serialize::SerializeInto;
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;
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
fn a_certificate_is_kept_for_the_user_ids_that_are_valid() {
    let site = Site::with_master_key();
    let home = gpg_home(&site);
    // Of signatures of one second no reader can say which is the later: each step is made an hour after the one before.
    let mut made = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() - 24 * 3_600;
    let mut step = |arguments: &[&str]| {
        made += 3_600;
        let at = format!("{made}!");
        gpg(&home, &[&["--faked-system-time", at.as_str()], arguments].concat(), "");
    };
    let quick = ["--quick-generate-key", "Bob <bob@old.example>", "rsa3072", "default", "never"];
    step(&quick);
    let key = fingerprint(&home);
    step(&["--quick-add-key", &key, "rsa3072", "encr", "never"]);
    step(&["--quick-add-uid", &key, "Bob <bob@new.example>"]);
    step(&["--quick-revoke-uid", &key, "Bob <bob@old.example>"]);
    let imported = site.run(&["key", "import", "-", "--json"], &gpg(&home, &["--armor", "--export"], ""));
    assert_eq!(imported.code(), 0, "{}", imported.err());
    let records = imported.json();
    assert_eq!(records.as_array().unwrap().len(), 1, "{records}");
    assert_eq!(records[0]["address"], "bob@new.example");
    assert_eq!(site.run(&["key", "show", "bob@old.example"], "").code(), 1, "revoked");

    // With an account's user ID in the place of the last one outside.
    step(&["--quick-add-uid", &key, "Bob <bob@example.org>"]);
    step(&["--quick-revoke-uid", &key, "Bob <bob@new.example>"]);
    assert_eq!(site.run(&["key", "remove", "bob@new.example", "--yes"], "").code(), 0);
    let local = site.run(&["key", "import", "-"], &gpg(&home, &["--armor", "--export"], ""));
    assert_eq!((local.code(), local.out().as_str()), (1, ""));
    assert!(local.err().contains("guardpost account key import"), "{}", local.err());
    assert_eq!(site.run(&["key", "list", "--json"], "").json(), serde_json::json!([]));
    let _ = Command::new("gpgconf").arg("--homedir").arg(&home).args(["--kill", "gpg-agent"]).status();
}

#[test]
fn certificates_of_destinations_are_stored_two_at_most() {
    let site = Site::with_master_key();
    let add =
        |site: &Site, input: &str| site.run(&["certificate", "add", "Partner.Example", "-", "--json"], input);
    let made = |name: &str| {
        let now = guardpost::base::time::Clock::now(&guardpost::app::clock::SystemClock);
        guardpost::net::tls::self_signed(&[name.into()], now).unwrap().certificate
    };
    let (one, two) = (made("one.example"), made("two.example"));
    let added = add(&site, &one);
    assert_eq!(added.code(), 0, "{}", added.err());
    assert_eq!(
        (&added.json()["domain"], &added.json()["kind"]),
        (&"partner.example".into(), &"certificate".into())
    );
    assert_eq!(add(&site, &one).code(), 0, "it is there already");
    assert_eq!(add(&site, &two).code(), 0);
    let third = add(&site, &made("three.example"));
    assert!(third.code() == 1 && third.err().contains("two are stored"), "{}", third.err());
    assert_eq!(add(&site, "hello").code(), 1);
    let list = site.run(&["certificate", "list", "--json"], "").json();
    assert_eq!(list.as_array().unwrap().len(), 2, "{list}");
    assert_eq!(list[0]["fingerprint"].as_str().unwrap().len(), 95);
    assert_eq!(site.run(&["certificate", "remove", "partner.example"], "").code(), 2, "it asks");
    let removed = site.run(&["certificate", "remove", "partner.example", "--yes", "--json"], "");
    assert_eq!(removed.json()["removed"], 2);
    assert_eq!(site.run(&["certificate", "remove", "partner.example", "--yes"], "").code(), 1);
    assert_eq!(site.run(&["certificate", "add", "not a domain", "-"], &one).code(), 2);
    // One that is good for ten years, made ten years less five days ago.
    let now = guardpost::base::time::Clock::now(&guardpost::app::clock::SystemClock);
    let long_ago = now - std::time::Duration::from_secs((3_652 - 5) * 86_400);
    let ending = guardpost::net::tls::self_signed(&["late.example".into()], long_ago).unwrap().certificate;
    assert_eq!(add(&site, &ending).code(), 0);
    let check = site.run(&["check", "--json"], "");
    let findings = check.json();
    let told = findings.as_array().unwrap().iter().find(|one| one["about"] == "stored certificates");
    let told = told.unwrap_or_else(|| panic!("{findings}"));
    let words = told["finding"].as_str().unwrap();
    assert_eq!(told["level"], "warning");
    assert!(words.starts_with("partner.example: the certificate ") && words.contains(" ends on "), "{words}");
    // With one beside it that lasts, nothing has to be done; which one is shown there nobody has seen.
    assert_eq!(add(&site, &one).code(), 0);
    let findings = site.run(&["check", "--json"], "").json();
    let told: Vec<_> =
        findings.as_array().unwrap().iter().filter(|one| one["about"] == "stored certificates").collect();
    assert!(told.len() == 3 && told.iter().all(|one| one["level"] == "ok"), "{told:?}");
    let words = told[2]["finding"].as_str().unwrap();
    assert_eq!(words, "partner.example: no mail that had to be compared has met it so far");
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
    for want in [
        "example.org. IN MX 10 mail.example.org.",
        "v=spf1",
        "k=rsa",
        "k=ed25519",
        "v=DMARC1",
        "v=STSv1",
        "TLSA 3 1 1",
        "v=TLSRPTv1",
    ] {
        assert!(dns.out().contains(want), "{want} in {}", dns.out());
    }
    assert_eq!(site.run(&["dns"], "").out(), dns.out(), "the same keys again");
}

/// Makes the store of a site believe its clock no more, as a start 100 days too early does.
fn suspend(site: &Site) {
    let config = Config::from_text(&fs::read_to_string(site.path("guard.toml")).unwrap()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let flow = ground::open(Arc::new(config), &Surroundings::default()).await.unwrap();
        let now = flow.clock.now();
        let suspend = Suspension { at: now, why: ClockTrouble::Backward, by: 100 * 86_400 };
        let tick = Tick { wall: now, ran_more: 60, suspend: Some(suspend) };
        flow.store.commit(vec![tick]).await.unwrap();
    });
}

#[test]
fn a_clock_that_is_not_believed_is_said_and_accepted() {
    let site = Site::with_master_key();
    let add = ["account", "add", "alice@example.org", "--password-stdin"];
    assert_eq!(site.run(&add, &format!("{PASSWORD}\n")).code(), 0);
    let nothing = site.run(&["clock", "accept", "--yes"], "");
    assert_eq!(nothing.code(), 1);
    assert!(nothing.err().contains("nothing to accept"), "{}", nothing.err());
    assert!(site.run(&["mailbox", "list"], "").err().is_empty());

    suspend(&site);
    let check = site.run(&["check"], "");
    assert_eq!(check.code(), 1, "{}", check.out());
    assert!(check.out().contains("guardpost clock accept"), "{}", check.out());
    let list = site.run(&["mailbox", "list"], "");
    assert_eq!((list.code(), list.out().as_str()), (0, "none\n"));
    assert!(list.err().contains("guardpost clock accept"), "{}", list.err());
    let asked = site.run(&["clock", "accept"], "");
    assert_eq!(asked.code(), 2, "nobody to ask");
    for shown in
        ["now:", "up seconds:", "ran seconds: 60", "why:", "backward", "by seconds: 8640000", "--yes"]
    {
        let flat = asked.err().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(shown), "{shown} in {}", asked.err());
    }
    let accepted = site.run(&["clock", "accept", "--yes", "--json"], "");
    assert_eq!(accepted.code(), 0, "{}", accepted.err());
    assert_eq!(accepted.json()["suspended"]["why"], "backward", "what it was");
    assert_eq!(site.run(&["clock", "accept", "--yes"], "").code(), 1, "once");
    assert_eq!(site.run(&["check"], "").code(), 0);
    assert!(site.run(&["mailbox", "list"], "").err().is_empty());
    for command in ["reopen", "delete"] {
        assert_eq!(site.run(&["mailbox", command, "bob@x.example", "--yes"], "").code(), 1);
    }
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
    let lone = "none is for mta-sts.example.org, so nobody can fetch the MTA-STS policy";
    assert!(good.out().contains(lone), "{}", good.out());
    fs::set_permissions(site.path("master.key"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(site.path("cert.pem"), "junk").unwrap();
    let bad = site.run(&["check", "--json"], "");
    assert_eq!(bad.code(), 1, "{}", bad.out());
    assert_eq!(level(&bad.json(), "master key"), ["error"]);
    assert_eq!(level(&bad.json(), "certificate"), ["error"]);
}

#[test]
fn check_warns_before_an_own_certificate_ends() {
    let site = Site::with_alice();
    let warned = || {
        let findings = site.run(&["check", "--json"], "").json();
        let mut about = findings.as_array().unwrap().iter();
        let found = about.find(|one| one["about"] == "account certificates");
        found.map(|one| format!("{} {}", one["level"].as_str().unwrap(), one["finding"].as_str().unwrap()))
    };
    assert_eq!(warned(), None, "a key of ours does not end");
    let import = |days: u64| {
        let made = CertBuilder::general_purpose(Some("Alice <alice@example.org>"))
            .set_creation_time(SystemTime::now() - Duration::from_secs(60))
            .set_validity_period(Duration::from_secs(days * 86_400));
        let made = made.generate().unwrap().0.armored().to_vec().unwrap();
        let imported =
            site.run(&["account", "key", "import", ALICE, "-", "--yes"], &String::from_utf8(made).unwrap());
        assert_eq!(imported.code(), 0, "{}", imported.err());
    };
    import(5);
    let said = warned().unwrap();
    assert!(said.starts_with("warning alice@example.org: its own certificate "), "{said}");
    assert!(said.contains(" ends on ") && said.contains("account key import"), "{said}");
    import(50);
    assert_eq!(warned(), None);
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

const ALICE: &str = "alice@example.org";

impl Site {
    fn with_alice() -> Self {
        let site = Self::with_master_key();
        site.lines(&["account", "add", ALICE], &[PASSWORD], 0);
        site
    }

    /// A command that reads passwords from lines, and how it must end.
    fn lines(&self, arguments: &[&str], lines: &[&str], code: i32) -> Ended {
        let arguments = [arguments, &["--password-stdin"]].concat();
        let input = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        let ended = self.run(&arguments, &input);
        assert_eq!(ended.code(), code, "{arguments:?}: {}{}", ended.out(), ended.err());
        ended
    }

    fn certificate(&self) -> String {
        self.run(&["account", "key", "export", ALICE], "").out()
    }
}

#[test]
fn a_new_key_comes_with_the_old_password_only() {
    let site = Site::with_alice();
    let before = site.certificate();
    site.lines(
        &["account", "password", ALICE, "--new-key"],
        &["not the password", "another good password"],
        1,
    );
    assert_eq!(site.certificate(), before);
    site.lines(&["account", "password", ALICE, "--new-key"], &[PASSWORD, "another good password"], 0);
    assert_ne!(site.certificate(), before);
    let shown = site.run(&["account", "show", ALICE, "--json"], "").json();
    assert_eq!(shown["former_fingerprints"].as_array().unwrap().len(), 1);
    site.lines(&["account", "key", "export", "--secret", ALICE], &["another good password"], 0);
    for ways in
        [&["--reset", "--reopen"][..], &["--recover", "--new-key"], &["--keep-app-passwords", "--new-key"]]
    {
        let arguments = [&["account", "password", ALICE], ways].concat();
        site.lines(&arguments, &[], 2);
    }
    site.lines(
        &["account", "password", ALICE, "--keep-app-passwords"],
        &["another good password", PASSWORD],
        0,
    );
}

#[test]
fn a_reset_is_asked_for_and_undone_with_the_old_password() {
    let site = Site::with_alice();
    let before = site.certificate();
    let unasked = site.lines(&["account", "password", ALICE, "--reset"], &["the admin chose this"], 2);
    assert!(unasked.err().contains("cannot be read") && unasked.err().contains("--yes"), "{}", unasked.err());
    assert_eq!(site.certificate(), before, "nothing was done");
    let weak = site.lines(&["account", "password", ALICE, "--reset", "--yes"], &["aaaaaaaaaaaaaa"], 1);
    assert!(!weak.err().contains("aaaaaaaaaaaaaa"), "{}", weak.err());
    let early = site.lines(&["account", "password", ALICE, "--reopen"], &[PASSWORD, PASSWORD], 1);
    assert!(early.err().contains("nothing to reopen"), "{}", early.err());

    let reset = site
        .lines(&["--json", "account", "password", ALICE, "--reset", "--yes"], &["the admin chose this"], 0)
        .json();
    assert_eq!(reset["unreadable_messages"], 0);
    assert_eq!(reset["invitations"], serde_json::json!([]));
    assert!(reset["reopen_until"].as_str().unwrap() > "2026");
    assert_ne!(site.certificate(), before);
    let shown = site.run(&["account", "show", ALICE, "--json"], "").json();
    assert_eq!(shown["shut"].as_array().unwrap().len(), 1, "{shown}");
    assert_eq!(shown["fingerprint"], reset["fingerprint"]);
    site.lines(&["account", "password", ALICE], &[PASSWORD, "another good password"], 1);
    site.lines(&["account", "password", ALICE, "--reopen"], &["not the password", "the admin chose this"], 1);
    site.lines(&["account", "password", ALICE, "--reopen"], &[PASSWORD, "another good password"], 1);
    let back =
        site.lines(&["account", "password", ALICE, "--reopen"], &[PASSWORD, "the admin chose this"], 0);
    assert_eq!(back.out(), "alice@example.org reopened\n");
    let shown = site.run(&["account", "show", ALICE, "--json"], "").json();
    assert_eq!((shown["shut"].as_array().unwrap().len(), &shown["fingerprint"]), (0, &reset["fingerprint"]));
    assert_eq!(shown["former_fingerprints"].as_array().unwrap().len(), 1);
    for nobody in ["bob@example.org", "bob@elsewhere.example"] {
        site.lines(&["account", "password", nobody, "--reset", "--yes"], &["the admin chose this"], 1);
    }
}

#[test]
fn a_removal_asks_for_the_address() {
    let site = Site::with_alice();
    let unasked = site.run(&["account", "remove", ALICE], "alice@example.org\n");
    assert_eq!(unasked.code(), 2, "no terminal: {}", unasked.err());
    assert!(unasked.err().contains("for good"), "{}", unasked.err());
    let gone = site.run(&["account", "remove", ALICE, "--yes", "--json"], "").json();
    assert_eq!(gone, serde_json::json!({ "address": ALICE, "invitations": [] }));
    assert_eq!(site.run(&["account", "remove", ALICE, "--yes"], "").code(), 1);
}

/// A command of gpg with a key ring of its own.
/// A directory for gpg, whose agent runs.
fn gpg_home(site: &Site) -> std::path::PathBuf {
    let home = site.path("gnupg");
    fs::create_dir(&home).unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
    let started =
        Command::new("gpgconf").arg("--homedir").arg(&home).args(["--launch", "gpg-agent"]).status();
    assert!(started.unwrap().success());
    home
}

fn gpg(home: &Path, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new("gpg")
        .args(["--batch", "--quiet", "--no-autostart", "--pinentry-mode", "loopback", "--passphrase", ""])
        .args(["--trust-model", "always", "--homedir"])
        .arg(home)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success(), "gpg {arguments:?}");
    String::from_utf8(ended.stdout).unwrap()
}

#[test]
fn gpg_and_an_administrator_together_recover_an_account() {
    let site = Site::with_master_key();
    let home = gpg_home(&site);
    let quick = ["--quick-generate-key", "Offline <offline@example.org>", "rsa3072", "default", "never"];
    gpg(&home, &quick, "");
    gpg(&home, &["--quick-add-key", &fingerprint(&home), "rsa3072", "encr", "never"], "");
    let certificate = gpg(&home, &["--armor", "--export"], "");
    fs::write(site.path("recovery.asc"), certificate).unwrap();

    site.lines(&["account", "add", ALICE], &[PASSWORD], 0);
    let off = site.run(&["account", "recovery", ALICE], "");
    assert_eq!(off.code(), 1, "{}", off.err());
    let text = fs::read_to_string(site.path("guard.toml")).unwrap();
    let with = |file: &str| {
        let named = site.path(file).display().to_string();
        fs::write(site.path("guard.toml"), format!("{text}[accounts]\nrecovery_certificate = \"{named}\"\n"))
            .unwrap();
    };
    with("none.asc");
    assert_ne!(site.run(&["account", "list"], "").code(), 0, "a certificate that is not there");
    fs::write(site.path("junk.asc"), "junk").unwrap();
    with("junk.asc");
    let junk = site.run(&["account", "list"], "");
    assert_eq!(junk.code(), 78, "{}", junk.err());
    assert!(junk.err().contains("recovery_certificate") && junk.err().contains("junk.asc"), "{}", junk.err());
    with("recovery.asc");
    site.lines(&["account", "password", ALICE], &[PASSWORD, "alice has forgotten this"], 0);
    let shown = site.run(&["account", "show", ALICE, "--json"], "").json();
    assert_eq!(shown["recovery"]["fingerprint"], fingerprint(&home).as_str(), "{shown}");

    let message = site.run(&["account", "recovery", ALICE], "").out();
    assert!(message.starts_with("-----BEGIN PGP MESSAGE-----") && message.contains(ALICE), "{message}");
    let code = gpg(&home, &["--decrypt"], &message);
    let code = code.trim_end();
    assert!(code.len() == 64 && !code.contains('\n'), "one line");
    let wrong = "0000-".repeat(13);
    let refused = site.lines(&["account", "password", ALICE, "--recover"], &[&wrong, PASSWORD], 1);
    assert!(!refused.err().contains(&wrong[..9]), "{}", refused.err());
    site.lines(&["account", "password", ALICE, "--recover"], &[code, "a password after recovery"], 0);
    site.lines(&["account", "password", ALICE, "--recover"], &[code, PASSWORD], 1);
    site.lines(&["account", "key", "export", "--secret", ALICE], &["a password after recovery"], 0);
    let again = site.run(&["account", "recovery", ALICE], "").out();
    assert_ne!(gpg(&home, &["--decrypt"], &again).trim_end(), code, "a fresh code");
    let _ = Command::new("gpgconf").arg("--homedir").arg(&home).args(["--kill", "gpg-agent"]).status();
}

fn fingerprint(home: &Path) -> String {
    let listed = gpg(home, &["--with-colons", "--list-keys"], "");
    let line = listed.lines().find(|line| line.starts_with("fpr:")).unwrap();
    line.split(':').nth(9).unwrap().to_owned()
}

#[test]
fn the_master_key_is_rotated_and_its_copy_confirmed() {
    let site = Site::with_master_key();
    let early = site.run(&["master-key", "rotate"], "");
    assert_eq!(early.code(), 1, "{}", early.err());
    assert!(early.err().contains("nothing to rotate"), "{}", early.err());
    site.lines(&["account", "add", ALICE], &[PASSWORD], 0);
    let warned = |site: &Site| {
        let check = site.run(&["check"], "");
        check.out().contains("nobody has confirmed")
    };
    assert!(warned(&site));
    fs::copy(site.path("master.key"), site.path("copy")).unwrap();
    fs::write(site.path("other"), [7; 32]).unwrap();
    fs::write(site.path("short"), [7; 31]).unwrap();
    let confirm = |file: &str| {
        let file = site.path(file).display().to_string();
        site.run(&["master-key", "confirm-backup", &file, "--json"], "")
    };
    for bad in ["other", "short", "none"] {
        let refused = confirm(bad);
        assert_eq!(refused.code(), 1, "{bad}: {}", refused.err());
        assert!(warned(&site), "{bad}");
    }
    assert_eq!(confirm("copy").json()["proven"], true);
    assert!(!warned(&site));
    let secret = fs::read(site.path("master.key")).unwrap();
    for file in fs::read_dir(site.path("data"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|file| file.is_file())
    {
        let content = fs::read(&file).unwrap();
        assert!(!content.windows(8).any(|window| window == &secret[..8]), "{}", file.display());
    }

    let rotated = site.run(&["master-key", "rotate", "--json"], "");
    assert_eq!(rotated.code(), 0, "{}", rotated.err());
    assert_eq!(rotated.json()["state"], "in-place");
    assert_ne!(fs::read(site.path("master.key")).unwrap(), secret);
    assert_eq!(fs::metadata(site.path("master.key")).unwrap().permissions().mode() & 0o777, 0o600);
    let twice = site.run(&["master-key", "rotate"], "");
    assert_eq!(twice.code(), 1);
    assert!(twice.err().contains("half done"), "{}", twice.err());
    assert_eq!(confirm("copy").code(), 1, "the former key is not what is to be kept");
    assert_eq!(site.run(&["account", "list", "--json"], "").json()[0]["address"], ALICE);
    assert!(warned(&site), "another key, another copy");
    assert_eq!(site.run(&["master-key", "confirm-backup"], "").code(), 2, "no terminal to ask on");
    assert_eq!(site.run(&["master-key", "confirm-backup", "--yes", "--json"], "").json()["proven"], false);
    assert!(!warned(&site));
    fs::copy(site.path("copy"), site.path("master.key")).unwrap();
    assert_eq!(
        site.run(&["account", "list"], "").code(),
        78,
        "the old key opens nothing after the first start"
    );
}

#[test]
fn a_master_key_among_the_credentials_is_rotated_by_two() {
    let site = Site::with_master_key();
    site.lines(&["account", "add", ALICE], &[PASSWORD], 0);
    let credentials = site.path("credentials");
    fs::create_dir(&credentials).unwrap();
    fs::rename(site.path("master.key"), credentials.join("master.key")).unwrap();
    fs::set_permissions(credentials.join("master.key"), fs::Permissions::from_mode(0o440)).unwrap();
    let run = |arguments: &[&str]| {
        let ended = Command::new(env!("CARGO_BIN_EXE_guardpost"))
            .env_clear()
            .env("CREDENTIALS_DIRECTORY", &credentials)
            .arg("--config")
            .arg(site.path("guard.toml"))
            .args(arguments)
            .stdin(Stdio::null())
            .output();
        Ended(ended.unwrap())
    };
    assert!(run(&["check"]).out().contains("given by the service manager"));
    let before = fs::read(credentials.join("master.key")).unwrap();
    let rotated = run(&["master-key", "rotate"]);
    assert_eq!(rotated.code(), 0, "{}", rotated.err());
    assert!(rotated.err().contains("systemd-creds encrypt --name=master.key"), "{}", rotated.err());
    assert_eq!(fs::read(credentials.join("master.key")).unwrap(), before, "not ours to change");
    let fresh = site.path("master.key.new");
    assert_eq!(fs::metadata(&fresh).unwrap().permissions().mode() & 0o777, 0o600);
    let twice = run(&["master-key", "rotate"]);
    assert_eq!(twice.code(), 1);
    assert!(twice.err().contains("master.key.new"), "{}", twice.err());
    for _ in 0..2 {
        assert_eq!(run(&["account", "list"]).code(), 0, "the old credential still opens");
    }
    assert!(run(&["check"]).out().contains("half done"));
    let copy = fresh.display().to_string();
    assert_eq!(run(&["master-key", "confirm-backup", &copy]).code(), 0);
    fs::remove_file(credentials.join("master.key")).unwrap();
    fs::copy(&fresh, credentials.join("master.key")).unwrap();
    assert_eq!(run(&["account", "list", "--json"]).json()[0]["address"], ALICE);
    assert!(!run(&["check"]).out().contains("half done"));
    fs::remove_file(credentials.join("master.key")).unwrap();
    fs::write(credentials.join("master.key"), before).unwrap();
    assert_eq!(run(&["account", "list"]).code(), 78, "the former one is over");
}

#[test]
fn check_says_how_the_master_key_lies() {
    let site = Site::with_alice();
    let of = |site: &Site| {
        let findings = site.run(&["check", "--json"], "").json();
        let of =
            findings.as_array().unwrap().iter().filter(|finding| finding["about"] == "master key").cloned();
        of.map(|finding| {
            format!("{}: {}", finding["level"].as_str().unwrap(), finding["finding"].as_str().unwrap())
        })
        .collect::<Vec<_>>()
        .join("\n")
    };
    assert!(of(&site).contains("ok: in ") && of(&site).contains("on the disk of the data"), "{}", of(&site));
    assert!(!of(&site).contains("others may replace"), "{}", of(&site));
    fs::set_permissions(site.dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(of(&site).contains("warning: others may replace"), "{}", of(&site));
    fs::set_permissions(site.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(site.path("master.key"), fs::Permissions::from_mode(0o604)).unwrap();
    assert!(of(&site).starts_with("error: ") && of(&site).contains("chmod 600"), "{}", of(&site));
}

#[test]
fn a_secure_alias_is_switched_and_given_a_level_without_a_server_too() {
    let site = Site::with_alice();
    let off = site.run(&["account", "alias", "on", ALICE], "");
    assert_eq!(off.code(), 1, "{}", off.err());
    assert!(off.err().contains("example.org has no secure_alias_domain in guard.toml"), "{}", off.err());
    let file = site.path("guard.toml");
    let text = fs::read_to_string(&file).unwrap();
    let text = text.replace(
        "name = \"example.org\"\n",
        "name = \"example.org\"\nsecure_alias_domain = \"secure.example.org\"\n",
    );
    fs::write(&file, &text).unwrap();

    let json = |arguments: &[&str]| {
        let ended = site.run(&[arguments, &["--json"]].concat(), "");
        assert_eq!(ended.code(), 0, "{}", ended.err());
        ended.json()
    };
    let state = |active, policy| serde_json::json!({ "secure_alias": "alice@secure.example.org", "active": active, "policy": policy });
    assert_eq!(json(&["account", "show", ALICE])["alias"], state(false, "encrypt"));
    assert_eq!(json(&["account", "alias", "on", ALICE]), state(true, "encrypt"));
    assert_eq!(
        json(&["account", "policy", "encrypt", ALICE]),
        state(true, "encrypt"),
        "the default asks nothing"
    );
    for level in ["dane-only", "verify"] {
        let asked = site.run(&["account", "policy", level, ALICE], "yes\n");
        assert_eq!(asked.code(), 2, "no terminal to ask on");
        assert!(asked.err().contains("Much mail will not go out"), "{}", asked.err());
        assert_eq!(json(&["account", "show", ALICE])["alias"]["policy"], "encrypt", "nothing was done");
    }
    assert_eq!(json(&["account", "policy", "dane-only", ALICE, "--yes"]), state(true, "dane-only"));
    for typo in ["dane", "encrypted", "opportunistic", "Verify", ""] {
        let ended = site.run(&["account", "policy", typo, ALICE, "--yes"], "");
        assert_eq!(ended.code(), 2, "{typo}: {}", ended.err());
    }
    let list = json(&["account", "list"]);
    assert_eq!(list[0]["secure_alias"], "alice@secure.example.org");
    assert_eq!(list[0]["policy"], "dane-only");
    assert_eq!(json(&["account", "alias", "off", ALICE]), state(false, "dane-only"));
    assert_eq!(json(&["account", "list"])[0]["secure_alias"], Value::Null);
    let zone = site.run(&["dns"], "").out();
    for record in ["secure.example.org. IN MX 10 mail.example.org.", "_dmarc.secure.example.org. IN TXT"] {
        assert!(zone.contains(record), "{record} is not in\n{zone}");
    }
    assert!(zone.contains("._domainkey.secure.example.org. IN TXT"), "{zone}");

    let warned = |site: &Site| {
        site.run(&["check"], "")
            .out()
            .contains("mail of secure.example.org goes over TLS to the smarthost relay.example.net only")
    };
    assert!(!warned(&site));
    fs::write(&file, format!("{text}[outbound]\nsmarthost = \"relay.example.net:587\"\n")).unwrap();
    assert!(warned(&site), "with a smarthost");
    fs::write(
        &file,
        format!("{text}[outbound]\nsmarthost = \"relay.example.net:587\"\n")
            .replace("secure_alias", "#secure_alias"),
    )
    .unwrap();
    assert!(!warned(&site), "nobody has an alias");
}

impl Site {
    /// Its domain has a directory for words of its own, and more in its section.
    fn with_templates(more: &str) -> Self {
        let site = Self::with_master_key();
        fs::create_dir(site.path("words")).unwrap();
        let said =
            format!("name = \"example.org\"\ntemplates = \"{}\"\n{more}", site.path("words").display());
        let text = fs::read_to_string(site.path("guard.toml")).unwrap();
        fs::write(site.path("guard.toml"), text.replace("name = \"example.org\"\n", &said)).unwrap();
        site
    }

    fn word(&self, file: &str, content: &[u8]) {
        fs::write(self.path("words").join(file), content).unwrap();
    }
}

const ANSWER: &str =
    "Good day,\n\nour <i>front desk</i> reads no mail sent to {address}.\n\n{intro}\n{sign_in}\n";

#[test]
fn templates_are_shown_as_they_would_go_out() {
    let site = Site::with_templates("");
    let all = site.run(&["template", "test", "--json"], "").json();
    let count = |all: &Value| all.as_array().unwrap().len();
    assert_eq!(count(&all), 12, "six mails in two languages: {all}");
    assert!(all.as_array().unwrap().iter().all(|one| one["templates"] == serde_json::json!([])), "{all}");

    site.word("auto-answer.en.txt", ANSWER.as_bytes());
    let shown = site.run(&["template", "test", "auto-answer", "--language", "en"], "");
    assert_eq!(shown.code(), 0, "{}", shown.err());
    let file = site.path("words/auto-answer.en.txt").display().to_string();
    let first = format!("### example.org, auto-answer, en: {file}\nSubject: Your answer was not delivered\n");
    assert!(shown.out().starts_with(&first), "{}", shown.out());
    for want in [
        "our <i>front desk</i> reads no mail sent to secure-mail@example.org.",
        "https://mail.example.org/login",
        "Sent by example.org",
    ] {
        assert!(shown.out().contains(want), "{want} in {}", shown.out());
    }
    let html = site.run(&["template", "test", "auto-answer", "--language", "en", "--html"], "").out();
    assert!(html.starts_with("<!-- example.org") && html.contains("our &#60;i&#62;front desk"), "{html}");
    let german = site.run(&["template", "test", "auto-answer", "--language", "de"], "").out();
    assert!(german.starts_with("### example.org, auto-answer, de: in our words\n"), "{german}");

    let of = |arguments: &[&str]| site.run(&[&["template", "test", "--json"], arguments].concat(), "").json();
    let one = of(&["auto-answer", "--domain", "EXAMPLE.org"]);
    assert_eq!(one[0]["templates"][0], file.as_str(), "{one}");
    assert_eq!(count(&of(&["--language", "de"])), 6);
    assert!(count(&of(&["--language", "de", "--all"])) > 12);
    assert_eq!(of(&["invitation", "--all"])[1]["shape"], "invitation-no-pin");
    assert_eq!(site.run(&["template", "test", "--domain", "other.example"], "").code(), 1);
    for usage in [&["invite"][..], &["--language", "fr"], &["--domain", "not a domain"]] {
        assert_eq!(site.run(&[&["template", "test"], usage].concat(), "").code(), 2, "{usage:?}");
    }
    let check = site.run(&["check"], "");
    assert_eq!(check.code(), 0, "{}", check.out());
    for want in ["1 mails in its own words", "there is no auto-answer.de.txt"] {
        let flat = check.out().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(want), "{want} in {}", check.out());
    }
}

#[test]
fn a_domain_of_two_languages_shows_both_at_once() {
    let site = Site::with_templates("language = \"de\"\nsecond_language = \"en\"\n");
    site.word("auto-answer.en.txt", ANSWER.as_bytes());
    let both = site.run(&["template", "test", "auto-answer", "--json"], "").json();
    assert_eq!(both.as_array().unwrap().len(), 1);
    assert_eq!(both[0]["languages"], serde_json::json!(["de", "en"]));
    assert_eq!(both[0]["templates"].as_array().unwrap().len(), 1);
    assert_eq!(both[0]["subject"], "Ihre Antwort wurde nicht zugestellt / Your answer was not delivered");
    assert!(both[0]["text"].as_str().unwrap().contains("our <i>front desk</i>"), "{both}");
}

/// Without a server the command queues them itself; they go out when it runs.
#[test]
fn samples_are_queued_without_a_server() {
    let site = Site::with_templates("");
    site.word("auto-answer.en.txt", ANSWER.as_bytes());
    let send = ["template", "test", "auto-answer", "--language", "en", "--to", "bob@far.example"];
    let sent = site.run(&[&send[..], &["--json"]].concat(), "");
    assert_eq!(sent.code(), 0, "{}", sent.err());
    let sent = sent.json();
    let file = site.path("words/auto-answer.en.txt").display().to_string();
    assert_eq!(sent[0]["templates"], serde_json::json!([file]));
    let queued = site.run(&["queue", "list", "--json"], "").json();
    assert_eq!((&queued[0]["id"], queued.as_array().unwrap().len()), (&sent[0]["id"], 1));
    let table = site.run(&send, "");
    assert!(table.code() == 0 && table.out().starts_with("ID "), "{}", table.out());
    for (wrong, code) in [
        (&["--to", "alice@example.org"][..], 1),
        (&["--to", "bob@far.example", "--domain", "far.example"], 1),
        (&["--to", "bob@far.example", "--from", "bob@far.example"], 1),
        (&["--to", "bob"], 2),
        (&["--to", "bob@far.example", "--html"], 2),
    ] {
        let ended = site.run(&[&["template", "test"], wrong].concat(), "");
        assert_eq!(ended.code(), code, "{wrong:?}: {}", ended.err());
    }
    assert_eq!(site.run(&["queue", "list", "--json"], "").json().as_array().unwrap().len(), 2);
}

/// Words may be there before the account is: that is no mistake, but said.
#[test]
fn words_of_an_account_that_is_not_there_are_told() {
    let site = Site::with_templates("");
    let warned = || {
        let said = site.run(&["check"], "").out().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("Alice@example.org: 1 mails in its own words"), "{said}");
        assert!(said.contains("Alice@example.org: waiting goes out in the words of the domain"), "{said}");
        said.contains("there is no account Alice@example.org; its words wait for one")
    };
    fs::create_dir(site.path("words/Alice")).unwrap();
    site.word("Alice/waiting.de.txt", b"{intro}\n{note}\n{open}\n");
    assert_eq!(site.run(&["account", "list"], "").code(), 0, "there is a store");
    assert!(warned());
    let add = ["account", "add", ALICE, "--password-stdin"];
    assert_eq!(site.run(&add, &format!("{PASSWORD}\n")).code(), 0);
    assert!(!warned());
}

#[test]
fn a_wrong_template_is_78_with_every_finding() {
    let site = Site::with_templates("");
    site.word("auto-answer.en.txt", "{intro}\n{pin}\n".as_bytes());
    site.word("invitation.de.txt", b"\xFFnot UTF-8");
    site.word("warning.de.txt", "x".repeat(9_000).as_bytes());
    site.word("warnung.de.txt", b"");
    fs::create_dir(site.path("words/alice")).unwrap();
    site.word("alice/waiting.de.txt", b"{intro}\n{note}\n{opn}\n");
    site.word("alice/several.de.txt", b"");
    let send = &["template", "test", "--to", "bob@far.example"];
    for command in [&["template", "test"][..], send, &["check"], &["serve"], &["account", "list"]] {
        let ended = site.run(command, "");
        assert_eq!(ended.code(), 78, "{command:?}: {}", ended.err());
        for want in [
            "words/auto-answer.en.txt:2: there is no {pin}",
            "words/auto-answer.en.txt: {sign_in} is missing",
            "words/invitation.de.txt:1: not UTF-8",
            "words/warning.de.txt: longer than 8 KiB",
            "words/warnung.de.txt: not the name of a template",
            "words/alice/waiting.de.txt:3: unknown placeholder {opn}",
            "words/alice/several.de.txt: does not speak for one account",
        ] {
            assert!(ended.err().contains(want), "{command:?}: {want} in {}", ended.err());
        }
    }
    fs::remove_dir_all(site.path("words")).unwrap();
    let gone = site.run(&["check"], "");
    assert!(gone.code() == 78 && gone.err().contains("words: cannot be read"), "{}", gone.err());
}
