//! Chromium as a reader has it, with its driver: pages are reached by clicks and keys; what it loaded and what it
//! complained about is read from its own log.

use crate::driver::Driver;
use crate::patience::PATIENCE;
use data_encoding::BASE64;
use serde_json::Value;
use serde_json::json;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use tempfile::TempDir;
use thirtyfour::By;
use thirtyfour::CapabilitiesHelper;
use thirtyfour::WebDriver;
use thirtyfour::WebElement;
use thirtyfour::error::WebDriverResult;
use tokio::time::timeout;

/// Chromium and its driver; both end with it.
pub struct Chromium {
    driver: WebDriver,
    // Ends before the directory goes.
    _process: Driver,
    /// Its profile, and files to be sent along.
    pub dir: TempDir,
}

/// A document that the browser got for its main frame.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its address, without the fragment.
    pub url: String,
    /// 200 and so on.
    pub status: u64,
    /// Octets as they came.
    pub html: String,
    /// Octets on the wire, its style sheet and script with it, frames without.
    pub transferred: f64,
    /// Its policy lets nothing run in it, promises and timers neither.
    pub still: bool,
}

/// What happened since it was last asked for.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Every request, of frames too: method and address.
    pub requests: Vec<(String, String)>,
    /// Every answer: its address, and its header fields in lower case.
    pub answers: Vec<(String, Vec<(String, String)>)>,
    /// The document that is shown, if it is a new one.
    pub document: Option<Document>,
    /// The browser asked for a file to send: its input.
    pub file_chooser: Option<i64>,
    /// What the browser complained about.
    pub complaints: Vec<String>,
}

/// A wish of the reader that style sheets see.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Media {
    /// A dark page.
    pub dark: bool,
    /// The system's colours in place of the page's.
    pub forced: bool,
    /// On paper.
    pub print: bool,
}

impl Chromium {
    /// Starts it; names are resolved as `rules` say ("MAP name address, …"), every certificate is taken.
    pub async fn start(rules: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("chromium").tempdir().unwrap();
        let process = Driver::start().await;
        let rules = format!("--host-resolver-rules={rules}");
        let mut wanted = crate::driver::chromium(dir.path(), &["--force-color-profile=srgb", &rules]);
        wanted.set("acceptInsecureCerts".to_owned(), true).unwrap();
        wanted
            .set("goog:loggingPrefs".to_owned(), json!({ "performance": "ALL", "browser": "ALL" }))
            .unwrap();
        let driver = process.browser(wanted).await;
        driver.set_script_timeout(PATIENCE).await.unwrap();
        Self { driver, dir, _process: process }
    }

    /// Ends it in order.
    pub async fn quit(self) {
        self.driver.clone().quit().await.unwrap();
    }

    /// A command of the DevTools protocol.
    pub async fn cdp(&self, command: &str, parameters: Value) -> Value {
        let answer = self.driver.cdp().send_raw(command, parameters).await;
        answer.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// Opens an address, as from a mail or typed into the bar.
    pub async fn open(&self, url: &str) {
        self.driver.goto(url).await.unwrap_or_else(|error| panic!("{url}: {error}"));
        self.title().await;
    }

    /// What the address bar shows.
    pub async fn address(&self) -> String {
        self.driver.current_url().await.unwrap().to_string()
    }

    /// The page's title.
    pub async fn title(&self) -> String {
        self.driver.title().await.unwrap()
    }

    /// CSS pixels of the page.
    pub async fn size(&self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.cdp("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// What the reader's system asks pages for.
    pub async fn media(&self, media: Media) {
        let features = json!([
            { "name": "prefers-color-scheme", "value": if media.dark { "dark" } else { "light" } },
            { "name": "forced-colors", "value": if media.forced { "active" } else { "none" } },
        ]);
        let kind = if media.print { "print" } else { "screen" };
        self.cdp("Emulation.setEmulatedMedia", json!({ "media": kind, "features": features })).await;
    }

    /// The reader's text size, in percent of the usual.
    pub async fn text_size(&self, percent: u32) {
        let sizes = json!({ "standard": 16 * percent / 100, "fixed": 13 * percent / 100 });
        self.cdp("Page.setFontSizes", json!({ "fontSizes": sizes })).await;
    }

    /// Does something in a tab of its own, and comes back to this one.
    pub async fn aside(&self, deed: impl AsyncFnOnce()) {
        let here = self.driver.window().await.unwrap();
        let tab = self.driver.new_tab().await.unwrap();
        self.driver.switch_to_window(tab).await.unwrap();
        deed().await;
        self.driver.close_window().await.unwrap();
        self.driver.switch_to_window(here).await.unwrap();
    }

    /// Two presses of the mouse on an element, half a second apart; a page comes no sooner than six seconds after it
    /// was asked for.
    pub async fn press_twice(&self, selector: &str) {
        let place = format!(
            "(() => {{ const e = document.querySelector('{selector}'); e.scrollIntoView({{ block: 'center' }});
            const at = e.getBoundingClientRect(); return [at.x + at.width / 2, at.y + at.height / 2] }})()"
        );
        let at = self.evaluate(&place).await;
        let mut line =
            json!({ "offline": false, "latency": 6_000, "downloadThroughput": -1, "uploadThroughput": -1 });
        self.cdp("Network.emulateNetworkConditions", line.clone()).await;
        // As one command: the driver waits for a page between two.
        let presses = json!({
            "x": at[0], "y": at[1], "tapCount": 2, "duration": 500, "gestureSourceType": "mouse",
        });
        self.cdp("Input.synthesizeTapGesture", presses).await;
        line["latency"] = json!(0);
        self.cdp("Network.emulateNetworkConditions", line).await;
    }

    /// Lets pages run scripts, or not.
    pub async fn scripts(&self, on: bool) {
        self.cdp("Emulation.setScriptExecutionDisabled", json!({ "value": !on })).await;
    }

    /// A world of scripts beside the page's own, which its policy does not reach.
    pub async fn world(&self) -> Value {
        self.try_world().await.unwrap_or_else(|error| panic!("a world: {error}"))
    }

    async fn try_world(&self) -> WebDriverResult<Value> {
        let cdp = self.driver.cdp();
        let tree = cdp.send_raw("Page.getFrameTree", json!({})).await?;
        let wanted = json!({ "frameId": tree["frameTree"]["frame"]["id"], "worldName": "judge" });
        let mut made = cdp.send_raw("Page.createIsolatedWorld", wanted).await?;
        Ok(made["executionContextId"].take())
    }

    /// What an expression is worth there, a promise's value awaited.
    pub async fn evaluate_in(&self, world: &Value, expression: &str) -> Value {
        let told = self.try_evaluate(world, expression).await;
        let mut told = told.unwrap_or_else(|error| panic!("{expression:.200}: {error}"));
        assert!(told.get("exceptionDetails").is_none(), "{told} of {expression:.200}");
        told["result"]["value"].take()
    }

    async fn try_evaluate(&self, world: &Value, expression: &str) -> WebDriverResult<Value> {
        let asked = json!({
            "expression": expression, "contextId": world, "awaitPromise": true, "returnByValue": true,
        });
        self.driver.cdp().send_raw("Runtime.evaluate", asked).await
    }

    /// The same in a world of its own.
    pub async fn evaluate(&self, expression: &str) -> Value {
        let world = self.world().await;
        self.evaluate_in(&world, expression).await
    }

    /// The first element that a selector names.
    pub async fn find(&self, selector: &str) -> WebElement {
        let found = self.driver.find(By::Css(selector)).await;
        match found {
            Ok(element) => element,
            Err(error) => panic!("{selector}: {error}\n{}", self.text("body").await),
        }
    }

    /// How many there are.
    pub async fn count(&self, selector: &str) -> usize {
        self.driver.find_all(By::Css(selector)).await.unwrap().len()
    }

    /// What a reader sees of it.
    pub async fn text(&self, selector: &str) -> String {
        match self.driver.find(By::Css(selector)).await {
            Ok(element) => element.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    /// Whether it can be seen.
    pub async fn shows(&self, selector: &str) -> bool {
        match self.driver.find_all(By::Css(selector)).await.unwrap().first() {
            Some(element) => element.is_displayed().await.unwrap(),
            None => false,
        }
    }

    /// Clicks on an element.
    pub async fn click(&self, selector: &str) {
        let clicked = self.find(selector).await.click().await;
        clicked.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// Clicks on the link, button or heading of a detail that reads like this.
    pub async fn press(&self, label: &str) {
        let quoted = if label.contains('\'') { format!("\"{label}\"") } else { format!("'{label}'") };
        let path = format!("//*[self::a or self::button or self::summary][normalize-space()={quoted}]");
        match self.driver.find(By::XPath(path)).await {
            Ok(found) => found.click().await.unwrap_or_else(|error| panic!("{label}: {error}")),
            Err(error) => panic!("{label}: {error}\n{}", self.text("body").await),
        }
    }

    /// Clicks on what reads like this, and waits for the page that it leads to.
    pub async fn follow(&self, label: &str) {
        self.depart().await;
        self.press(label).await;
        self.arrive().await;
    }

    /// Clicks on an element, and waits for the page that it leads to.
    pub async fn follow_at(&self, selector: &str) {
        self.depart().await;
        self.click(selector).await;
        self.arrive().await;
    }

    /// Marks the document, which is about to be left.
    pub async fn depart(&self) {
        self.evaluate("document.documentElement.toggleAttribute('data-departed', true)").await;
    }

    /// Waits until a document without that mark is shown, and whole.
    pub async fn arrive(&self) {
        // On the old document nothing answers this: it ends with it, and is asked of the next.
        let script = "document.documentElement.hasAttribute('data-departed') || arguments[0]()";
        let leave = async { while self.driver.execute_async(script, vec![]).await.is_err() {} };
        if timeout(PATIENCE, leave).await.is_err() {
            panic!("no other page came: {}", self.text("body").await);
        }
    }

    /// Types into a field, in the place of what was there.
    pub async fn fill(&self, name: &str, text: &str) {
        let field = self.find(&format!("[name={name}]")).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Chooses files.
    pub async fn choose(&self, name: &str, files: &[PathBuf]) {
        let paths: Vec<_> = files.iter().map(|file| file.to_str().unwrap()).collect();
        self.find(&format!("[name={name}]")).await.send_keys(paths.join("\n")).await.unwrap();
    }

    /// A file that can be chosen.
    pub fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Presses a key: `Tab`, `Enter` or ` `; with Shift, too.
    pub async fn key(&self, key: &str, shift: bool) {
        let (code, number, text) = match key {
            "Tab" => ("Tab", 9, ""),
            "Enter" => ("Enter", 13, "\r"),
            " " => ("Space", 32, " "),
            other => panic!("no key {other}"),
        };
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({
                "type": kind, "key": key, "code": code, "windowsVirtualKeyCode": number,
                "modifiers": if shift { 8 } else { 0 },
            });
            if kind == "keyDown" && !text.is_empty() {
                event["text"] = text.into();
            }
            self.cdp("Input.dispatchKeyEvent", event).await;
        }
    }

    /// Types where the focus is.
    pub async fn type_text(&self, text: &str) {
        self.cdp("Input.insertText", json!({ "text": text })).await;
    }

    /// Shows a document's octets on a page without an address, where nothing holds scripts back.
    pub async fn show(&self, html: &str) {
        self.open("about:blank").await;
        let tree = self.cdp("Page.getFrameTree", json!({})).await;
        let shown = json!({ "frameId": tree["frameTree"]["frame"]["id"], "html": html });
        self.cdp("Page.setDocumentContent", shown).await;
    }

    /// The page as a picture, also what has to be scrolled to; of a very long one the beginning.
    pub async fn picture(&self, path: &Path) {
        let size =
            "[document.documentElement.clientWidth, Math.min(4000, document.documentElement.scrollHeight)]";
        let size = self.evaluate(size).await;
        let clip = json!({ "x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1 });
        let wanted = json!({ "captureBeyondViewport": true, "clip": clip });
        let taken = self.cdp("Page.captureScreenshot", wanted).await;
        let png = BASE64.decode(taken["data"].as_str().unwrap().as_bytes()).unwrap();
        fs::write(path, png).unwrap();
    }

    /// What was loaded and complained about since the last time.
    pub async fn traffic(&self) -> Traffic {
        let entries = self.driver.get_log("performance").await.unwrap();
        let entries = entries.iter().map(|entry| serde_json::from_str(&entry.message).unwrap());
        let entries: Vec<Value> = entries.map(|mut entry: Value| entry["message"].take()).collect();
        let loader = entries.iter().rev().find_map(|entry| {
            let frame = &entry["params"]["frame"];
            let shown = entry["method"] == "Page.frameNavigated" && frame["parentId"].is_null();
            shown.then(|| frame["loaderId"].clone())
        });
        let mut traffic = Traffic::default();
        let mut document: Option<(Value, Document)> = None;
        let mut of_page = Vec::new();
        for entry in &entries {
            let (method, told) = (&entry["method"], &entry["params"]);
            match method.as_str().unwrap_or_default() {
                "Network.requestWillBeSent" => {
                    let text = |name: &str| told["request"][name].as_str().unwrap_or_default().to_owned();
                    traffic.requests.push((text("method"), text("url")));
                    if loader.as_ref() != Some(&told["loaderId"]) {
                        continue;
                    }
                    of_page.push(told["requestId"].clone());
                    // A request has the number of its document where it is the document's own.
                    if told["requestId"] == told["loaderId"] {
                        let page = Document {
                            url: text("url"),
                            status: 0,
                            html: String::new(),
                            transferred: 0.0,
                            still: false,
                        };
                        document = Some((told["requestId"].clone(), page));
                    }
                }
                "Network.responseReceived" => {
                    let fields = told["response"]["headers"].as_object().into_iter().flatten();
                    let fields = fields.map(|(name, value)| {
                        (name.to_lowercase(), value.as_str().unwrap_or_default().to_owned())
                    });
                    let fields: Vec<_> = fields.collect();
                    if let Some((id, page)) = &mut document
                        && *id == told["requestId"]
                    {
                        page.still = fields.iter().any(|(_, value)| value.starts_with("sandbox"));
                        page.status = told["response"]["status"].as_u64().unwrap_or_default();
                    }
                    let url = told["response"]["url"].as_str().unwrap_or_default().to_owned();
                    traffic.answers.push((url, fields));
                }
                "Network.loadingFinished" if of_page.contains(&told["requestId"]) => {
                    if let Some((_, page)) = &mut document {
                        page.transferred += told["encodedDataLength"].as_f64().unwrap_or_default();
                    }
                }
                "Page.fileChooserOpened" => traffic.file_chooser = told["backendNodeId"].as_i64(),
                _ => {}
            }
        }
        if let Some((id, page)) = &mut document {
            let body = self.cdp("Network.getResponseBody", json!({ "requestId": id })).await;
            page.html = body["body"].as_str().unwrap_or_default().to_owned();
        }
        traffic.document = document.map(|(_, page)| page);
        let complaints = self.driver.get_log("browser").await.unwrap();
        traffic.complaints = complaints.into_iter().map(|entry| entry.message).collect();
        traffic
    }
}
