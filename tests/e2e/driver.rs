//! The program that drives Chromium; whatever becomes of a test, it ends with it, and every Chromium it started too.

use crate::patience::PATIENCE;
use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process_group;
use std::io::BufRead;
use std::io::BufReader;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use thirtyfour::ChromeCapabilities;
use thirtyfour::ChromiumLikeCapabilities;
use thirtyfour::DesiredCapabilities;
use thirtyfour::WebDriver;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// chromedriver, with a process group of its own.
pub struct Driver {
    process: Child,
    /// Where it listens, on loopback.
    port: u16,
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

    /// The browser that is wanted.
    pub async fn browser(&self, wanted: ChromeCapabilities) -> WebDriver {
        WebDriver::new(format!("http://127.0.0.1:{}", self.port), wanted).await.unwrap()
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

/// What every Chromium of the tests is started with, and more: without errands of its own, its profile below `dir`.
pub fn chromium(dir: &Path, more: &[&str]) -> ChromeCapabilities {
    let mut wanted = DesiredCapabilities::chrome();
    let profile = format!("--user-data-dir={}", dir.join("profile").display());
    for argument in CHROMIUM.iter().chain([&profile.as_str()]).chain(more) {
        wanted.add_arg(argument).unwrap();
    }
    wanted
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Chromium is in its group.
        let group = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw);
        let _ = group.map(|group| kill_process_group(group, Signal::KILL));
        let _ = self.process.wait();
    }
}

/// `--disable-*`: it has errands of its own, and needs none of them.
const CHROMIUM: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--lang=en",
];
