//! What every page must pass wherever the walk comes by: one function for each demand, each with what it found.

use crate::face::chromium::Chromium;
use crate::face::chromium::Document;
use crate::face::chromium::Media;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

/// The npm packages of tests/face.
fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/face/node_modules")
}

/// A page's looks: width in CSS pixels, and dark or not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Look {
    /// CSS pixels.
    pub width: u32,
    /// The reader's system is dark.
    pub dark: bool,
}

impl Look {
    /// A desk by day.
    pub const DESK: Self = Self { width: 1280, dark: false };
    /// The smallest telephone, by night.
    pub const PHONE: Self = Self { width: 320, dark: true };
    /// All that are looked at with `GUARDPOST_FACE=all`.
    pub const ALL: [Self; 4] =
        [Self::DESK, Self::PHONE, Self { width: 1280, dark: true }, Self { width: 320, dark: false }];

    /// Shows the page like this.
    pub async fn put_on(self, browser: &Chromium) {
        let height = if self.width < 640 { 568 } else { 900 };
        browser.size(self.width, height).await;
        browser.media(Media { dark: self.dark, ..Media::default() }).await;
    }
}

/// axe-core (<https://github.com/dequelabs/axe-core>), run beside the page where its policy does not reach.
pub struct Axe {
    source: String,
}

impl Axe {
    /// Read from where `tests/run` installs it.
    pub fn new() -> Self {
        let path = tools().join("axe-core/axe.min.js");
        let source = fs::read_to_string(&path);
        let source =
            source.unwrap_or_else(|error| panic!("{}: {error}; tests/run installs it", path.display()));
        Self { source }
    }

    /// What is wrong with the page as it looks now.
    ///
    /// What is `theirs`, a message by itself, has the headings and the landmarks that its sender gave it.
    pub async fn violations(&self, browser: &Chromium, theirs: bool) -> Vec<String> {
        let world = browser.world().await;
        if browser.evaluate_in(&world, "typeof axe").await != "object" {
            browser.evaluate_in(&world, &format!("{};0", self.source)).await;
        }
        let best = if theirs { "" } else { "'best-practice'" };
        let found = browser.evaluate_in(&world, &RUN.replace("BEST", best)).await;
        found.as_array().expect("a list").iter().map(ToString::to_string).collect()
    }
}

/// Frames are left out: what is in them is somebody else's, and is looked at on its own page.
const RUN: &str = "axe.run(document, {
    iframes: false, resultTypes: ['violations'],
    runOnly: { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', BEST] },
}).then(found => found.violations.map(rule =>
    [rule.id, rule.help, rule.nodes.slice(0, 3).map(node => [node.html.slice(0, 200), node.failureSummary])]))";

/// Nothing has to be scrolled sideways.
pub async fn sideways(browser: &Chromium) -> Option<String> {
    let wide = browser
        .evaluate(
            "(() => { const page = document.documentElement; if (page.scrollWidth <= page.clientWidth) return '';
            const out = [...document.querySelectorAll('body *')].filter(e => {
                const box = e.getBoundingClientRect();
                return box.right > page.clientWidth + 1 && getComputedStyle(e).position !== 'absolute' });
            return page.scrollWidth + ' px: ' + out.slice(-3).map(e => e.outerHTML.slice(0, 160)).join(' | ') })()",
        )
        .await;
    wide.as_str().filter(|wide| !wide.is_empty()).map(ToOwned::to_owned)
}

/// How far things moved on the page after it was first seen (CLS).
pub async fn shifts(browser: &Chromium) -> Option<String> {
    let shifted = browser
        .evaluate(
            "new Promise(done => { let seen = [];
            const look = new PerformanceObserver(list => seen.push(...list.getEntries()));
            look.observe({ type: 'layout-shift', buffered: true });
            requestAnimationFrame(() => setTimeout(() => { seen.push(...look.takeRecords());
                done(seen.filter(e => e.value > 0).map(e => e.value + ' ' +
                    e.sources.map(s => s.node?.outerHTML?.slice(0, 120)).join(' | ')).join('; ')) }, 0)) })",
        )
        .await;
    shifted.as_str().filter(|shifted| !shifted.is_empty()).map(ToOwned::to_owned)
}

/// A page, its style sheet and its script, octets on the wire.
const LIGHT: f64 = 60_000.0;

/// What our policy would stop.
const INLINE: [&str; 7] =
    ["<style", " style=\"", " onclick=", " onload=", " onsubmit=", "javascript:", "http-equiv"];

/// The document as it was served: nothing inline, not heavy, and with a next step where something went wrong.
pub fn served(document: &Document) -> Vec<String> {
    let mut found = Vec::new();
    let html = &document.html;
    for (number, _) in html.match_indices("<script") {
        let tag = html[number..].split('>').next().unwrap_or_default();
        if !tag.contains(" src=\"/") {
            found.push(format!("an inline script: {tag}"));
        }
    }
    // A message by itself brings its style along; nothing runs in it.
    let words: &[&str] = if document.still { &[] } else { &INLINE };
    for word in words {
        if html.contains(word) {
            found.push(format!("inline: {word}"));
        }
    }
    if document.transferred > LIGHT || document.transferred < 500.0 {
        found.push(format!("{} octets came", document.transferred));
    }
    found
}

/// Every answer of the portal carries the whole set of header fields, a frame's with a policy of its own.
pub fn headers(url: &str, fields: &[(String, String)]) -> Vec<String> {
    let framed = url.ends_with("/body") || url.ends_with("/print");
    let policy = if framed { "sandbox " } else { "default-src 'none'; " };
    let wanted = [
        ("content-security-policy", policy),
        ("referrer-policy", if framed { "no-referrer" } else { "same-origin" }),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "accelerometer=()"),
        ("x-robots-tag", "noindex"),
        ("strict-transport-security", "max-age=63072000"),
    ];
    let missing = wanted.iter().filter(|(name, start)| {
        !fields.iter().any(|(given, value)| given == name && value.starts_with(start))
    });
    missing.map(|(name, start)| format!("{url} came without {name}: {start}")).collect()
}

/// What the browser says while it shows a page, but for the error that the page itself is, and for features that this
/// browser does not have and our policy forbids to those that do.
pub fn complaints(document: &Document, said: Vec<String>) -> Vec<String> {
    let itself = |line: &str| {
        document.status >= 400 && line.starts_with(&document.url) && line.contains("Failed to load resource")
    };
    let foreign = |line: &str| line.contains("Permissions-Policy header: Unrecognized feature");
    // Before the access code was right no page names an address, be it for a program that keeps passwords.
    let nameless =
        |line: &str| line.contains("/i/") && line.contains("should have (optionally hidden) username");
    said.into_iter().filter(|line| !itself(line) && !foreign(line) && !nameless(line)).collect()
}

/// Where something went wrong the page offers or says a next step.
pub async fn next_step(browser: &Chromium) -> Option<String> {
    let steps = browser.count("main :is(a[href]:not(.host), button, section h2 + p)").await;
    (steps == 0).then(|| "nothing says what to do next".to_owned())
}

/// html-validate (<https://html-validate.org>) over every file of a directory, by the rules of a file in tests/face.
pub fn validate(directory: &Path, rules: &str) -> Vec<String> {
    let program = tools().join("html-validate/bin/html-validate.mjs");
    assert!(program.exists(), "{} is not there; tests/run installs it", program.display());
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/face").join(rules);
    // Into a file: what it writes to a pipe is cut where it ends.
    let report = directory.join("report.json");
    let told = Command::new("node")
        .arg(program)
        .arg(format!("--formatter=json={}", report.display()))
        .arg("--config")
        .args([&rules, directory])
        .output()
        .expect("node is installed (Debian: nodejs)");
    let said = fs::read_to_string(&report)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&told.stderr)));
    let reports: Value = serde_json::from_str(&said).unwrap();
    let reports = reports.as_array().expect("a list");
    let mut found = Vec::new();
    for report in reports {
        for message in report["messages"].as_array().into_iter().flatten() {
            let name = report["filePath"].as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default();
            found.push(format!("{name}:{} {}: {}", message["line"], message["ruleId"], message["message"]));
        }
    }
    found
}
