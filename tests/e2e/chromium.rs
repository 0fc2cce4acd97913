//! Chromium, driven by its own driver.
//!
//! Every request of the browser to any host but the portal's ends at a listener of the test, which must hear
//! nothing about it.

use crate::driver::Driver;
use crate::patience::PATIENCE;
use crate::patience::until;
use crate::world::PASSWORD;
use std::net::Ipv4Addr;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use thirtyfour::By;
use thirtyfour::CapabilitiesHelper;
use thirtyfour::WebDriver;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

/// Where every name but the portal's leads: whoever calls is written down by what is said first.
pub struct Elsewhere {
    pub port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Elsewhere {
    /// Whoever asks for a script gets one that shows.
    pub async fn listen() -> Self {
        Self::answering("text/javascript", "canary();".into()).await
    }

    /// Whoever asks for anything gets this.
    pub async fn answering(kind: &str, body: String) -> Self {
        let answer: Arc<str> = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nAccess-Control-Allow-Origin: *\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .into();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let notes = heard.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (notes, answer) = (notes.clone(), answer.clone());
                let number = {
                    let mut notes = notes.lock().unwrap();
                    notes.push(String::new());
                    notes.len() - 1
                };
                tokio::spawn(async move {
                    let mut bytes = vec![0; 4096];
                    let count = stream.read(&mut bytes).await.unwrap_or(0);
                    notes.lock().unwrap()[number] = String::from_utf8_lossy(&bytes[..count]).into_owned();
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        Self { port, heard }
    }

    /// What was said in every call, nothing where somebody only connected.
    pub fn told(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// Somebody called for this host.
    pub fn heard_of(&self, host: &str) -> bool {
        self.heard.lock().unwrap().iter().any(|said| said.contains(host))
    }
}

/// A page as it is now.
#[derive(Debug)]
pub struct State {
    /// Of the page and of every frame in it, the page's own first.
    pub addresses: Vec<String>,
    /// A script called.
    pub called: bool,
}

impl State {
    /// The first address that is neither this page, nor its message's document, nor an empty frame.
    pub fn strayed(&self, page: &str) -> Option<&str> {
        let page = page.split('?').next().unwrap_or_default();
        let own = [page.to_owned(), format!("{page}/body")];
        let mut addresses = self.addresses.iter().enumerate().map(|(depth, address)| {
            let path = address.split(['?', '#']).next().unwrap_or_default();
            // `:` is how a frame is named before anything was loaded into it.
            let empty = depth > 0 && ["", ":", "about:blank", "about:srcdoc"].contains(&path);
            // What a policy has refused.
            let refused = depth > 0 && path.starts_with("chrome-error:");
            (empty || refused || own.iter().any(|own| own == path), address)
        });
        addresses.find(|(fits, _)| !fits).map(|(_, address)| address.as_str())
    }
}

/// The addresses of a tree of frames.
fn collect(tree: &serde_json::Value, addresses: &mut Vec<String>) {
    addresses.push(tree["frame"]["url"].as_str().unwrap_or_default().to_owned());
    for child in tree["childFrames"].as_array().into_iter().flatten() {
        collect(child, addresses);
    }
}

/// Chromium and its driver.
pub struct Browser {
    driver: WebDriver,
    // Ends before the directory goes.
    _process: Driver,
    dir: tempfile::TempDir,
    shots: PathBuf,
}

impl Browser {
    pub async fn start(elsewhere: u16) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let process = Driver::start().await;
        let mut wanted = crate::driver::chromium(
            dir.path(),
            &[
                // All in one process, so that one look sees every frame.
                "--disable-features=IsolateSandboxedIframes,IsolateOrigins,site-per-process",
                // A browser has errands of its own, to hosts that no message names.
                &format!(
                    "--host-resolver-rules=MAP *.example 127.0.0.1:{elsewhere}, MAP * ~NOTFOUND, EXCLUDE localhost"
                ),
            ],
        );
        wanted.set("acceptInsecureCerts".to_owned(), false).unwrap();
        let driver = process.browser(wanted).await;
        driver.set_script_timeout(PATIENCE).await.unwrap();
        let shots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("portal");
        std::fs::create_dir_all(&shots).unwrap();
        let browser = Self { driver, dir, shots, _process: process };
        let saved = browser.dir.path().join("saved");
        std::fs::create_dir_all(&saved).unwrap();
        let saved = serde_json::json!({ "behavior": "allow", "downloadPath": saved });
        browser.cdp("Browser.setDownloadBehavior", saved).await;
        browser
    }

    /// A file that was saved, once it is whole, by how its name begins and ends; it is taken away.
    pub async fn downloaded(&self, begins: &str, ends: &str) -> Vec<u8> {
        let saved = self.dir.path().join("saved");
        // It has another name while it comes.
        let fits = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(begins) && name.ends_with(ends)
        };
        let come = async || std::fs::read_dir(&saved).unwrap().map(|entry| entry.unwrap().path()).find(fits);
        let path = until(&format!("{begins}…{ends}"), come).await;
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        bytes
    }

    pub async fn quit(self) {
        self.driver.quit().await.unwrap();
    }

    async fn cdp(&self, command: &str, parameters: serde_json::Value) -> serde_json::Value {
        self.driver.cdp().send_raw(command, parameters).await.unwrap()
    }

    /// Lets pages run scripts, or not.
    pub async fn scripts(&self, on: bool) {
        self.cdp("Emulation.setScriptExecutionDisabled", serde_json::json!({ "value": !on })).await;
    }

    /// From now on every document has a function that says when it is called.
    pub async fn canary(&self) {
        let source = "window.canary = () => { const mark = page => { page.documentElement.dataset.canary = 'called' }; \
                      mark(document); try { mark(top.document) } catch (_) {} }";
        self.cdp("Page.addScriptToEvaluateOnNewDocument", serde_json::json!({ "source": source })).await;
    }

    /// Whether a script in this document would find that function.
    pub async fn has_canary(&self) -> bool {
        let found = self.driver.execute("return typeof window.canary === 'function'", vec![]).await;
        found.unwrap().convert().unwrap()
    }

    /// What has become of the page and of every frame in it.
    pub async fn state(&self) -> State {
        let frames = self.cdp("Page.getFrameTree", serde_json::json!({})).await;
        let wanted = serde_json::json!({ "computedStyles": [] });
        let snapshot = self.cdp("DOMSnapshot.captureSnapshot", wanted).await;
        let called = snapshot["strings"].as_array().unwrap().iter().any(|text| text == "data-canary");
        let mut state = State { addresses: Vec::new(), called };
        collect(&frames["frameTree"], &mut state.addresses);
        state
    }

    /// Presses what may be under the pointer, and what the keyboard comes to.
    pub async fn poke(&self) {
        for y in [20, 40, 60] {
            for kind in ["mouseMoved", "mousePressed", "mouseReleased"] {
                let button = if kind == "mouseMoved" { "none" } else { "left" };
                let event =
                    serde_json::json!({ "type": kind, "x": 25, "y": y, "button": button, "clickCount": 1 });
                self.cdp("Input.dispatchMouseEvent", event).await;
            }
        }
        for (key, code) in [("Tab", 9), ("Enter", 13), ("Tab", 9), ("Enter", 13)] {
            for kind in ["rawKeyDown", "keyUp"] {
                let event = serde_json::json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code });
                self.cdp("Input.dispatchKeyEvent", event).await;
            }
        }
    }

    /// Waits until a second window is open, and closes it.
    pub async fn second_window(&self) {
        let opened = async || (self.driver.windows().await.unwrap().len() > 1).then_some(());
        until("a window of its own", opened).await;
        assert_eq!(self.only_window().await, 2);
    }

    /// How many windows there are; all but the first are closed.
    pub async fn only_window(&self) -> usize {
        let windows = self.driver.windows().await.unwrap();
        for window in windows.iter().skip(1) {
            self.driver.switch_to_window(window.clone()).await.unwrap();
            self.driver.close_window().await.unwrap();
        }
        if windows.len() > 1 {
            self.driver.switch_to_window(windows[0].clone()).await.unwrap();
        }
        windows.len()
    }

    /// Runs a script of the test's own in the page; what it returns.
    pub async fn run(&self, script: &str) -> serde_json::Value {
        self.driver.execute(script, vec![]).await.unwrap().json().clone()
    }

    /// What the reader's system prefers: dark pages, or light ones.
    pub async fn theme(&self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let feature = serde_json::json!({ "name": "prefers-color-scheme", "value": value });
        self.cdp("Emulation.setEmulatedMedia", serde_json::json!({ "features": [feature] })).await;
    }

    /// A line that fetches and sends so many octets a second; as many as it can without a number.
    pub async fn line_at(&self, down: Option<i64>, up: Option<i64>) {
        self.cdp("Network.enable", serde_json::json!({})).await;
        let [down, up] = [down, up].map(|octets| octets.unwrap_or(-1));
        let line = serde_json::json!(
            { "offline": false, "latency": 0, "downloadThroughput": down, "uploadThroughput": up }
        );
        self.cdp("Network.emulateNetworkConditions", line).await;
    }

    /// The value of a cookie.
    pub async fn cookie(&self, name: &str) -> String {
        self.driver.get_named_cookie(name).await.unwrap().value
    }

    /// Loads the page again.
    pub async fn reload(&self) {
        self.driver.refresh().await.unwrap();
    }

    /// CSS pixels, as small as a telephone's.
    pub async fn size(&self, width: u32, height: u32) {
        let metrics =
            serde_json::json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.cdp("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// Nothing has to be scrolled sideways.
    pub async fn fits(&self) -> bool {
        let wide = "const page = document.documentElement; return page.scrollWidth <= page.clientWidth";
        self.driver.execute(wide, vec![]).await.unwrap().convert().unwrap()
    }

    /// Fills PIN and passwords in and presses the button of the first use.
    pub async fn open_mailbox(&self, pin: &str) {
        self.fill("pin", pin).await;
        self.fill("password", PASSWORD).await;
        self.fill("confirm", PASSWORD).await;
        self.click("main form .actions .button").await;
    }

    pub async fn sign_out(&self) {
        self.click(".top form button").await;
        self.wait_for("You are signed out").await;
    }

    pub async fn goto(&self, url: &str) {
        self.driver.goto(url).await.unwrap();
    }

    /// To a host that does not answer.
    pub async fn goto_nowhere(&self, url: &str) {
        // Whether that is an error depends on how far the connection came.
        let _ = self.driver.goto(url).await;
    }

    pub async fn back(&self) {
        self.driver.back().await.unwrap();
    }

    pub async fn address(&self) -> String {
        self.driver.current_url().await.unwrap().to_string()
    }

    pub async fn title(&self) -> String {
        self.driver.title().await.unwrap()
    }

    pub async fn text(&self, selector: &str) -> String {
        self.driver.find(By::Css(selector)).await.unwrap().text().await.unwrap()
    }

    /// Waits until the page says this.
    pub async fn wait_for(&self, words: &str) {
        until(words, async || {
            let main = self.driver.find(By::Css("main")).await.ok()?;
            main.text().await.ok()?.contains(words).then_some(())
        })
        .await;
    }

    /// Notes from now on what this element says while it is shown.
    pub async fn note(&self, selector: &str) {
        let script = format!(
            "sessionStorage.seen = ''; const line = document.querySelector('{selector}'); \
             const note = () => sessionStorage.seen += line.hidden ? '' : line.textContent; \
             new MutationObserver(note).observe(line, {{ subtree: true, childList: true, attributes: true, \
             characterData: true }});"
        );
        self.run(&script).await;
    }

    /// What was noted.
    pub async fn noted(&self) -> String {
        self.run("return sessionStorage.seen").await.as_str().unwrap().to_owned()
    }

    pub async fn shown(&self, selector: &str) -> bool {
        let found = self.driver.find_all(By::Css(selector)).await.unwrap();
        match found.first() {
            Some(element) => element.is_displayed().await.unwrap(),
            None => false,
        }
    }

    pub async fn ticked(&self, selector: &str) -> bool {
        self.driver.find(By::Css(selector)).await.unwrap().is_selected().await.unwrap()
    }

    pub async fn click(&self, selector: &str) {
        let element = self.driver.find(By::Css(selector)).await;
        element.unwrap_or_else(|error| panic!("{selector}: {error}")).click().await.unwrap();
    }

    pub async fn fill(&self, name: &str, text: &str) {
        let field = self.driver.find(By::Css(format!("[name={name}]"))).await.unwrap();
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    pub async fn choose(&self, name: &str, file: &Path) {
        let field = self.driver.find(By::Css(format!("[name={name}]"))).await.unwrap();
        field.send_keys(file.to_str().unwrap()).await.unwrap();
    }

    /// Where an element ends, CSS pixels from the top of the page.
    pub async fn bottom(&self, selector: &str) -> f64 {
        let rect = self.driver.find(By::Css(selector)).await.unwrap().rect().await.unwrap();
        rect.y + rect.height
    }

    /// A file to be sent along.
    pub fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Keeps all of a page, for people.
    pub async fn whole(&self, name: &str) {
        let wanted = serde_json::json!({ "captureBeyondViewport": true });
        let taken = self.driver.cdp().send_raw("Page.captureScreenshot", wanted).await.unwrap();
        let png = data_encoding::BASE64.decode(taken["data"].as_str().unwrap().as_bytes()).unwrap();
        std::fs::write(self.shots.join(format!("{name}.png")), png).unwrap();
    }

    /// Keeps what is seen, for people.
    pub async fn shot(&self, name: &str) {
        let png = self.driver.screenshot_as_png().await.unwrap();
        std::fs::write(self.shots.join(format!("{name}.png")), png).unwrap();
    }
}
