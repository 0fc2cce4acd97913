//! The program that drives Chromium; whatever becomes of a test, it ends with it, and every Chromium it started too.

use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process_group;
use std::io::BufRead;
use std::io::BufReader;
use std::os::unix::process::CommandExt;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// chromedriver, with a process group of its own.
pub struct Driver {
    process: Child,
    /// Where it listens, on loopback.
    pub port: u16,
}

impl Driver {
    /// Starts it on a port of its choice.
    pub async fn start() -> Self {
        // It wants the same port of IPv4 and IPv6, and ends where the second of them is taken.
        for _ in 0..10 {
            if let Some(driver) = Self::try_start().await {
                return driver;
            }
        }
        panic!("chromedriver ends before it begins");
    }

    async fn try_start() -> Option<Self> {
        let process = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("chromedriver is installed (Debian: chromium-driver)");
        let mut driver = Self { process, port: 0 };
        let said = BufReader::new(driver.process.stdout.take().unwrap());
        let (told, heard) = oneshot::channel();
        thread::spawn(move || {
            let mut told = Some(told);
            // Whatever it says behind that goes nowhere, without a full pipe to stop it.
            for line in said.lines().map_while(Result::ok) {
                if let Some((_, port)) = line.split_once("started successfully on port ") {
                    let _ = told.take().map(|told| told.send(port.trim_end_matches('.').to_owned()));
                }
            }
        });
        let port = timeout(PATIENCE, heard).await.expect("chromedriver begins").ok()?;
        driver.port = port.parse().unwrap();
        Some(driver)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Chromium is in its group.
        let group = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw);
        let _ = group.map(|group| kill_process_group(group, Signal::KILL));
        let _ = self.process.wait();
    }
}

/// It is there within a second; a very slow machine gets longer.
const PATIENCE: Duration = Duration::from_secs(60);
