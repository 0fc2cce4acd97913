//! The service as its manager meets it: ready, reloaded, stopped; and the commands that speak to it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value;
use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Child;
use std::process::ChildStderr;
use std::process::Command;
use std::process::Stdio;
use tempfile::TempDir;

const PASSWORD: &str = "correct horse battery staple";

struct Service {
    dir: TempDir,
    child: Child,
    log: BufReader<ChildStderr>,
    /// "imaps" and so on, with where they listen.
    places: Vec<(String, String)>,
}

impl Service {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let now = guardpost::base::time::Clock::now(&guardpost::app::clock::SystemClock);
        let made = guardpost::net::tls::self_signed(&["mail.example.org".into()], now).unwrap();
        fs::write(dir.path().join("cert.pem"), made.certificate).unwrap();
        fs::write(dir.path().join("key.pem"), made.key.as_bytes()).unwrap();
        fs::write(dir.path().join("guard.toml"), configuration(&dir, "")).unwrap();
        assert!(command(&dir, &["master-key", "create"], "").0);
        let mut child = guardpost(&dir, &["serve"]).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut places = Vec::new();
        loop {
            let line: Value = serde_json::from_str(&next_line(&mut log)).unwrap();
            let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
            match text("event").as_str() {
                "listening" => places.push((text("service"), text("address"))),
                "ready" => break,
                _ => {}
            }
        }
        Self { dir, child, log, places }
    }

    fn place(&self, service: &str) -> &str {
        &self.places.iter().find(|(name, _)| name == service).unwrap().1
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").arg(signal).arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
    }

    fn wait_for(&mut self, message: &str) -> Value {
        loop {
            let line: Value = serde_json::from_str(&next_line(&mut self.log)).unwrap();
            if line["event"] == message {
                return line;
            }
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn next_line(log: &mut impl BufRead) -> String {
    let mut line = String::new();
    assert!(log.read_line(&mut line).unwrap() > 0, "the log ended");
    line
}

fn configuration(dir: &TempDir, more: &str) -> String {
    let at = |name: &str| dir.path().join(name).display().to_string();
    format!(
        "hostname = \"mail.example.org\"\ndata_dir = \"{}\"\nrun_dir = \"{}\"\nmaster_key_file = \"{}\"\n\
         tls = {{ certificate = \"{}\", key = \"{}\" }}\nportal = {{ url = \"https://mail.example.org\" }}\n\
         [listen]\nsmtp = [\"127.0.0.1:0\"]\nsubmission = [\"127.0.0.1:0\"]\nsubmissions = [\"127.0.0.1:0\"]\n\
         imaps = [\"127.0.0.1:0\"]\nhttps = [\"127.0.0.1:0\"]\nhttp = [\"127.0.0.1:0\"]\n\
         [log]\nformat = \"json\"\n[dns]\ntrust = \"none\"\n[[domain]]\nname = \"example.org\"\n{more}",
        at("data"),
        at("run"),
        at("master.key"),
        at("cert.pem"),
        at("key.pem"),
    )
}

fn guardpost(dir: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_guardpost"));
    command.env_clear().arg("--config").arg(dir.path().join("guard.toml")).args(arguments);
    command
}

fn command(dir: &TempDir, arguments: &[&str], input: &str) -> (bool, String) {
    let mut child = guardpost(dir, arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8(ended.stdout).unwrap() + &String::from_utf8(ended.stderr).unwrap();
    (ended.status.success(), said)
}

#[test]
fn ready_reloaded_and_stopped() {
    let mut service = Service::start();
    let socket: PathBuf = service.dir.path().join("run/control.sock");
    assert!(UnixStream::connect(&socket).is_ok());

    // The commands speak to it: the store itself is locked.
    let add = ["account", "add", "alice@example.org", "--password-stdin"];
    let (done, said) = command(&service.dir, &add, &format!("{PASSWORD}\n"));
    assert!(done, "{said}");
    let (_, list) = command(&service.dir, &["account", "list", "--json"], "");
    assert_eq!(serde_json::from_str::<Value>(&list).unwrap()[0]["address"], "alice@example.org");
    let (healthy, findings) = command(&service.dir, &["check", "--json"], "");
    assert!(healthy, "{findings}");
    let (done, said) =
        command(&service.dir, &["account", "add", "bob@second.example", "--password-stdin"], PASSWORD);
    assert!(!done && said.contains("second.example is not a domain of this server"), "{said}");

    // A connection that is open stays open through a reload.
    let mut open = BufReader::new(TcpStream::connect(service.place("smtp")).unwrap());
    assert!(next_line(&mut open).starts_with("220 "));
    let more = "[[domain]]\nname = \"second.example\"\n";
    fs::write(service.dir.path().join("guard.toml"), configuration(&service.dir, more)).unwrap();
    service.signal("-HUP");
    service.wait_for("configuration and certificates read again");
    let (done, said) =
        command(&service.dir, &["account", "add", "bob@second.example", "--password-stdin"], PASSWORD);
    assert!(done, "{said}");
    let (_, dns) = command(&service.dir, &["dns"], "");
    assert!(dns.contains("second.example. IN MX 10 mail.example.org."), "{dns}");
    open.get_mut().write_all(b"NOOP\r\n").unwrap();
    assert!(next_line(&mut open).starts_with("250 "));

    // A wrong configuration changes nothing, and the log says what is wrong.
    fs::write(service.dir.path().join("guard.toml"), "hostname = 3\n").unwrap();
    service.signal("-HUP");
    let refused = service.wait_for("not reloaded");
    assert!(refused["error"].as_str().unwrap().contains("guard.toml:1: hostname"), "{refused}");
    open.get_mut().write_all(b"NOOP\r\n").unwrap();
    assert!(next_line(&mut open).starts_with("250 "));

    // Stopped: what was open is ended with a word, and everything is let go.
    service.signal("-TERM");
    let mut rest = String::new();
    open.read_to_string(&mut rest).unwrap();
    assert!(rest.starts_with("421 "), "{rest:?}");
    assert!(service.child.wait().unwrap().success());
    assert!(!socket.exists(), "the socket goes with it");
    fs::write(service.dir.path().join("guard.toml"), configuration(&service.dir, "")).unwrap();
    let (_, list) = command(&service.dir, &["account", "list", "--json"], "");
    assert_eq!(serde_json::from_str::<Value>(&list).unwrap().as_array().unwrap().len(), 2, "{list}");
}

/// A template that is broken while the server runs is told in the log, and what was there before stays.
#[test]
fn a_broken_template_is_not_reloaded() {
    let mut service = Service::start();
    let words = service.dir.path().join("words");
    fs::create_dir(&words).unwrap();
    let more = format!("templates = \"{}\"\n", words.display());
    fs::write(service.dir.path().join("guard.toml"), configuration(&service.dir, &more)).unwrap();
    let file = words.join("auto-answer.en.txt");
    fs::write(&file, "Hello.\n\n{intro}\n{sign_in}\n").unwrap();
    service.signal("-HUP");
    service.wait_for("configuration and certificates read again");
    fs::write(&file, "Hello.\n\n{intro}\n{sign_on}\n").unwrap();
    service.signal("-HUP");
    let refused = service.wait_for("not reloaded");
    let why = refused["error"].as_str().unwrap();
    assert!(why.contains("auto-answer.en.txt:4: unknown placeholder {sign_on}"), "{refused}");
    assert!(why.contains("auto-answer.en.txt: {sign_in} is missing"), "{refused}");
    let (done, said) = command(&service.dir, &["check"], "");
    assert!(!done && said.contains("{sign_on}"), "{said}");
    service.signal("-TERM");
    assert!(service.child.wait().unwrap().success(), "it went on until then");
}

#[test]
fn a_second_service_on_the_same_data_is_turned_away() {
    let service = Service::start();
    let second = guardpost(&service.dir, &["serve"]).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(second.status.code(), Some(69));
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains("in use by another process"), "{said}");
    let (healthy, said) = command(&service.dir, &["check"], "");
    assert!(healthy, "the first goes on: {said}");
}

/// What may not be read as anything weaker is not read at all.
#[test]
fn a_typo_in_a_level_stops_the_start_and_changes_nothing_at_a_reload() {
    let mut service = Service::start();
    let level = |level: &str| {
        let more = format!("[[outbound.tls_policy]]\ndomain = \"partner.example\"\nlevel = \"{level}\"\n");
        configuration(&service.dir, &more)
    };
    let file = service.dir.path().join("guard.toml");
    let policy = |dir: &TempDir| {
        let (done, said) = command(dir, &["recipient", "bob@partner.example", "--json"], "");
        assert!(done, "{said}");
        serde_json::from_str::<Value>(&said).unwrap()["tls_policy"].clone()
    };
    let (right, wrong) = (level("dane-only"), level("dane_only"));
    fs::write(&file, right).unwrap();
    service.signal("-HUP");
    service.wait_for("configuration and certificates read again");
    assert_eq!(policy(&service.dir), "dane-only");
    fs::write(&file, &wrong).unwrap();
    service.signal("-HUP");
    let refused = service.wait_for("not reloaded");
    assert!(refused["error"].as_str().unwrap().contains("outbound.tls_policy.level"), "{refused}");
    let kept = configuration(&service.dir, "");
    // The commands read the file too: it is put right for them, and the server is not told.
    fs::write(&file, kept).unwrap();
    assert_eq!(policy(&service.dir), "dane-only", "the level of before");
    service.signal("-TERM");
    assert!(service.child.wait().unwrap().success());
    for word in ["dane_only", "Encrypt", "encyrpt", "", "none", "may"] {
        fs::write(&file, wrong.replace("dane_only", word)).unwrap();
        let ended = guardpost(&service.dir, &["serve"]).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(78), "{word}: {said}");
        assert!(said.contains("outbound.tls_policy.level") && !said.contains("listening"), "{word}: {said}");
    }
}

/// Another user of this machine, with the groups that are named.
fn as_another(dir: &TempDir, groups: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let mut command = Command::new(if root { "setpriv" } else { "sudo" });
    if !root {
        command.args(["--non-interactive", "setpriv"]);
    }
    command.args(["--reuid", OTHER, "--regid", OTHER, groups, "--"]).arg(env!("CARGO_BIN_EXE_guardpost"));
    command.arg("--config").arg(dir.path().join("guard.toml")).args(arguments);
    let path = std::env::var_os("PATH").unwrap();
    let ended = command.env_clear().env("PATH", path).stdin(Stdio::null()).output().unwrap();
    let said = [ended.stdout, ended.stderr].concat();
    (ended.status.code(), String::from_utf8(said).unwrap())
}

/// `nobody`, wherever Debian is.
const OTHER: &str = "65534";

#[test]
fn a_second_user_of_the_machine_is_refused_at_the_control_socket() {
    let service = Service::start();
    let add = ["account", "add", "alice@example.org", "--password-stdin"];
    assert!(command(&service.dir, &add, &format!("{PASSWORD}\n")).0);
    // The directories on the way let others pass, as /etc and /run do: the socket itself is what keeps them out.
    let open = |path: PathBuf, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    open(service.dir.path().to_owned(), 0o755);
    open(service.dir.path().join("run"), 0o755);
    open(service.dir.path().join("guard.toml"), 0o644);
    let socket = service.dir.path().join("run/control.sock");
    let owner = fs::metadata(&socket).unwrap();
    assert_eq!(owner.mode() & 0o777, 0o660);
    let doors = [
        &["account", "list"][..],
        &["account", "alias", "on", "alice@example.org"],
        &["account", "remove", "alice@example.org", "--yes"],
        &["queue", "retry", "--all"],
        &["certificate", "remove", "partner.example", "--yes"],
        &["template", "test", "--to", "alice@example.org"],
    ];
    for arguments in doors {
        let (code, said) = as_another(&service.dir, "--clear-groups", arguments);
        assert_eq!(code, Some(1), "{arguments:?}: {said}");
        assert!(said.contains("may not be opened by you"), "{arguments:?}: {said}");
    }
    // Whom the socket's group lets in sees, and changes nothing.
    let groups = format!("--groups={}", owner.gid());
    for (at, arguments) in doors.iter().enumerate() {
        let (code, said) = as_another(&service.dir, &groups, arguments);
        if at == 0 {
            assert!(code == Some(0) && said.contains("alice@example.org"), "{said}");
        } else {
            assert_eq!(code, Some(1), "{arguments:?}: {said}");
            assert!(said.contains("only root and the owner of the data directory may do this"), "{said}");
        }
    }
    let (_, list) = command(&service.dir, &["account", "list", "--json"], "");
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!((&list[0]["address"], &list[0]["secure_alias"]), (&"alice@example.org".into(), &Value::Null));
}

#[test]
fn accounts_are_reset_over_the_socket_and_the_master_key_only_without_it() {
    let mut service = Service::start();
    let add = ["account", "add", "alice@example.org", "--password-stdin"];
    assert!(command(&service.dir, &add, &format!("{PASSWORD}\n")).0);
    let password = ["account", "password", "alice@example.org", "--password-stdin"];
    let with = |more: &[&str], lines: &[&str]| {
        let lines = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        command(&service.dir, &[&password[..], more].concat(), &lines)
    };
    let second = "another good password";
    let (done, said) = with(&["--new-key"], &[PASSWORD, second]);
    assert!(done, "{said}");
    let (done, said) = with(&["--reset", "--yes", "--json"], &[PASSWORD]);
    assert!(done && said.contains("reopen_until"), "{said}");
    let (done, said) = with(&["--reopen"], &[second, PASSWORD]);
    assert!(done, "{said}");
    let (done, said) = command(&service.dir, &["account", "recovery", "alice@example.org"], "");
    assert!(!done && said.contains("no recovery certificate"), "{said}");

    let before = fs::read(service.dir.path().join("master.key")).unwrap();
    let refused = guardpost(&service.dir, &["master-key", "rotate"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("the server runs"), "{refused:?}");
    assert_eq!(fs::read(service.dir.path().join("master.key")).unwrap(), before);
    service.signal("-TERM");
    assert!(service.child.wait().unwrap().success());
    let (done, said) = command(&service.dir, &["master-key", "rotate"], "");
    assert!(done, "{said}");
    assert_ne!(fs::read(service.dir.path().join("master.key")).unwrap(), before);
    let (_, list) = command(&service.dir, &["account", "list", "--json"], "");
    assert_eq!(serde_json::from_str::<Value>(&list).unwrap()[0]["address"], "alice@example.org");
}
