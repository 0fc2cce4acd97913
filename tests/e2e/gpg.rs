//! GnuPG, as others use it: it makes keys, opens what we seal and seals what we open.

use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::process::Output;
use tempfile::TempDir;

/// gpg with a keyring of its own and an agent that ends with it.
pub struct Gpg(TempDir);

impl Gpg {
    pub fn new() -> Self {
        // The agent's socket has a short path.
        let home = tempfile::Builder::new().prefix("gp").tempdir_in("/tmp").unwrap();
        fs::set_permissions(home.path(), Permissions::from_mode(0o700)).unwrap();
        Self(home)
    }

    /// Whatever comes of it; keys are locked with this passphrase.
    pub fn try_run(&self, passphrase: &str, arguments: &[&str]) -> Output {
        Command::new("gpg")
            .arg("--homedir")
            .arg(self.0.path())
            .args(["--batch", "--yes", "--no-tty", "--trust-model", "always"])
            .args(["--pinentry-mode", "loopback", "--passphrase", passphrase])
            .args(arguments)
            .output()
            .expect("gpg is needed: apt-get install gnupg")
    }

    /// What has to succeed, with keys that are not locked.
    pub fn run(&self, arguments: &[&str]) -> Vec<u8> {
        let output = self.try_run("", arguments);
        assert!(output.status.success(), "gpg {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// A key of its own; its certificate.
    pub fn make(&self, user: &str) -> Vec<u8> {
        self.run(&["--quick-generate-key", user, "future-default", "default", "1y"]);
        self.run(&["--armor", "--export", user])
    }

    /// A file beside the keyring.
    pub fn file(&self, name: &str, octets: &[u8]) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, octets).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Opens the ciphertext of a PGP/MIME message.
    pub fn open(&self, message: &str) -> String {
        let start = message.find("-----BEGIN PGP MESSAGE-----").expect("a ciphertext");
        let end = message.find("-----END PGP MESSAGE-----").expect("its end");
        let armor = format!("{}-----END PGP MESSAGE-----\r\n", &message[start..end]);
        String::from_utf8(self.run(&["--decrypt", &self.file("message.asc", armor.as_bytes())])).unwrap()
    }

    /// Seals a text for somebody in the keyring.
    pub fn seal(&self, user: &str, text: &str) -> String {
        let file = self.file("text", text.as_bytes());
        let armor = self.run(&["--armor", "--output", "-", "--recipient", user, "--encrypt", &file]);
        String::from_utf8(armor).unwrap().replace('\n', "\r\n")
    }

    /// Has the agent forget every passphrase that it was told.
    pub fn forget(&self) {
        let _ = Command::new("gpgconf").arg("--homedir").arg(self.0.path()).args(["--kill", "all"]).output();
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        self.forget();
    }
}
