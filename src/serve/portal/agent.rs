//! Which kind of browser a session belongs to, in the few words by which its owner knows it again.

use crate::serve::portal::page::Chrome;
use axum::http::HeaderMap;
use axum::http::header;

/// A browser by its make and its system. What it says of itself (RFC 9110 §10.1.5) is not kept.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Agent {
    browser: Option<&'static str>,
    system: Option<&'static str>,
}

impl Agent {
    /// From a request's head.
    pub fn of(headers: &HeaderMap) -> Self {
        let said = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let find = |table: &[(&str, &'static str)]| {
            table.iter().find(|(mark, _)| said.contains(mark)).map(|(_, name)| *name)
        };
        Self { browser: find(BROWSERS), system: find(SYSTEMS) }
    }

    /// `Firefox on Windows`.
    pub fn words(self, chrome: &Chrome) -> String {
        match (self.browser, self.system) {
            (Some(browser), Some(system)) => {
                chrome.words("session-agent", &[("browser", browser.into()), ("system", system.into())])
            }
            (Some(one), None) => one.to_owned(),
            (None, Some(system)) => chrome.put("session-agent-system", "system", system),
            (None, None) => chrome.say("session-agent-unknown"),
        }
    }
}

/// Nearly all of them call themselves Safari, and many Chrome: the rarer names come first.
const BROWSERS: &[(&str, &str)] = &[
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

const SYSTEMS: &[(&str, &str)] = &[
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "Mac"),
    ("Linux", "Linux"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::language::Language;
    use crate::serve::portal::tests::chrome;

    #[test]
    fn plain_words() {
        let chrome = chrome(Language::En);
        for (said, want) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:130.0) Gecko/20100101 Firefox/130.0",
                "Firefox on Windows",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 \
                 Safari/537.36 Edg/128.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/17.5 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Mobile \
                 Safari/537.36",
                "Chrome on Android",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/17.4 Safari/605.1.15",
                "Safari on Mac",
            ),
            ("something on Linux", "A browser on Linux"),
            ("<script>alert(1)</script>", "A browser that does not say which"),
            ("", "A browser that does not say which"),
        ] {
            let headers = HeaderMap::from_iter([(header::USER_AGENT, said.parse().unwrap())]);
            assert_eq!(Agent::of(&headers).words(&chrome), want, "{said}");
        }
        assert_eq!(Agent::of(&HeaderMap::new()), Agent::default());
    }
}
