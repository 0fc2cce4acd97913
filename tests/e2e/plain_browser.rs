//! A browser as it was in 1996: HTTP, cookies, links and forms; no script, no picture.

use crate::harness::LOOPBACK;
use crate::patience::PATIENCE;
use guardpost::net::dial::Dialer;
use guardpost::net::dial::NamedBy;
use guardpost::net::tls::TlsClient;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

/// The browser with its cookie jar.
#[derive(Clone, Debug)]
pub struct Browser {
    host: String,
    port: u16,
    cookies: Vec<(String, String)>,
    /// Sent along with every request.
    pub more: Vec<(String, String)>,
    /// What it says a form comes from; nothing is its own page.
    pub origin: Option<String>,
}

/// A page, or whatever came.
#[derive(Clone, Debug)]
pub struct Page {
    /// 200 and so on.
    pub status: u16,
    /// In the order they came, names in lower case.
    pub headers: Vec<(String, String)>,
    /// As it came, chunks joined.
    pub body: Vec<u8>,
}

impl Page {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The text without markup, references resolved, blanks joined.
    pub fn words(&self) -> String {
        let mut out = String::new();
        let mut inside = false;
        for c in self.text().chars() {
            match c {
                '<' => inside = true,
                '>' => {
                    inside = false;
                    out.push(' ');
                }
                c if !inside => out.push(c),
                _ => {}
            }
        }
        unescape(&out).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Where a 303 leads.
    pub fn location(&self) -> &str {
        assert_eq!(self.status, 303, "{}", self.words());
        self.header("location").expect("a Location")
    }

    /// The first link on the page whose target begins like this.
    pub fn link(&self, start: &str) -> Option<String> {
        let text = self.text();
        let at = text.find(&format!("href=\"{start}"))? + "href=\"".len();
        text[at..].split('"').next().map(unescape)
    }

    /// The names and values of the form with this action, as they would be sent untouched.
    pub fn form(&self, action: &str) -> Option<Vec<(String, String)>> {
        let text = self.text();
        let at = text.find(&format!("action=\"{action}\""))?;
        let form = text[at..].split("</form>").next()?;
        let mut fields = Vec::new();
        for tag in form.split('<').skip(1) {
            let (tag, content) = tag.split_once('>').unwrap_or((tag, ""));
            let Some(name) = attribute(tag, "name") else { continue };
            let kind = attribute(tag, "type").unwrap_or_default();
            let unchecked = matches!(kind.as_str(), "radio" | "checkbox") && !tag.contains(" checked");
            if tag.starts_with("textarea") {
                fields.push((name, unescape(content.trim_start_matches('\n'))));
            } else if tag.starts_with("input") && kind != "file" && kind != "submit" && !unchecked {
                fields.push((name, attribute(tag, "value").unwrap_or_default()));
            }
        }
        Some(fields)
    }

    /// The names of every field of that form, unchecked boxes and files too.
    pub fn field_names(&self, action: &str) -> Vec<String> {
        let text = self.text();
        let Some(at) = text.find(&format!("action=\"{action}\"")) else { return Vec::new() };
        let form = text[at..].split("</form>").next().unwrap_or_default();
        let tags = form.split('<').filter(|tag| tag.starts_with("input") || tag.starts_with("textarea"));
        tags.filter_map(|tag| attribute(tag.split('>').next()?, "name")).collect()
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let at = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    tag[at..].split('"').next().map(unescape)
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out += &rest[..at];
        rest = &rest[at..];
        let end = rest.find(';').filter(|end| *end <= 8).unwrap_or(0);
        let known = match &rest[..end] {
            "&lt" => Some('<'),
            "&gt" => Some('>'),
            "&amp" => Some('&'),
            "&quot" => Some('"'),
            "&nbsp" => Some('\u{a0}'),
            reference => reference.strip_prefix("&#").and_then(|number| {
                let code = match number.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                    None => number.parse().ok()?,
                };
                char::from_u32(code)
            }),
        };
        match known {
            Some(c) => {
                out.push(c);
                rest = &rest[end + 1..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out + rest
}

impl Browser {
    /// One that finds `host` on loopback at `port`, over TLS.
    pub fn new(host: &str, port: u16) -> Self {
        Self { host: host.into(), port, cookies: Vec::new(), more: Vec::new(), origin: None }
    }

    /// `https://host:port`.
    pub fn site(&self) -> String {
        format!("https://{}:{}", self.host, self.port)
    }

    /// Opens a page; a fragment stays here, as it does in every browser.
    pub async fn get(&mut self, target: &str) -> Page {
        let path = target.strip_prefix(&self.site()).unwrap_or(target);
        let path = path.split('#').next().unwrap_or_default().to_owned();
        self.send("GET", &path, None).await
    }

    /// Sends a form.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let pairs: Vec<String> =
            fields.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
        let body = pairs.join("&").into_bytes();
        self.send("POST", path, Some(("application/x-www-form-urlencoded", body))).await
    }

    /// Sends a form with files: name, file name, content.
    pub async fn post_files(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        files: &[(&str, &str, &[u8])],
    ) -> Page {
        const BOUNDARY: &str = "----browser-boundary-5c1f";
        let mut body = Vec::new();
        for (name, value) in fields {
            body.extend(
                format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                    .bytes(),
            );
        }
        for (name, file, content) in files {
            body.extend(
                format!(
                    "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file}\"\r\n\
                     Content-Type: application/octet-stream\r\n\r\n"
                )
                .bytes(),
            );
            body.extend_from_slice(content);
            body.extend(b"\r\n");
        }
        body.extend(format!("--{BOUNDARY}--\r\n").bytes());
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        self.send("POST", path, Some((&kind, body))).await
    }

    /// One request on a connection of its own.
    pub async fn send(&mut self, method: &str, path: &str, body: Option<(&str, Vec<u8>)>) -> Page {
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nHost: {}:{}\r\nConnection: close\r\n", self.host, self.port);
        if !self.cookies.is_empty() {
            let pairs: Vec<String> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            head += &format!("Cookie: {}\r\n", pairs.join("; "));
        }
        for (name, value) in &self.more {
            head += &format!("{name}: {value}\r\n");
        }
        if method == "POST" {
            head += &format!("Origin: {}\r\n", self.origin.clone().unwrap_or_else(|| self.site()));
        }
        let octets = match &body {
            Some((kind, octets)) => {
                head += &format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", octets.len());
                octets.as_slice()
            }
            None => &[],
        };
        head += "\r\n";
        let answer = timeout(PATIENCE, self.exchange(head.as_bytes(), octets)).await.expect("a page in time");
        let page = read(&answer);
        for (name, value) in &page.headers {
            if name == "set-cookie" {
                self.keep(value);
            }
        }
        page
    }

    async fn exchange(&self, head: &[u8], body: &[u8]) -> Vec<u8> {
        let dialer = Dialer { loopback: true, ..Dialer::default() };
        let stream = dialer.connect(&[LOOPBACK], self.port, NamedBy::Admin).await.unwrap();
        let stream = stream.connect_tls(&TlsClient::default(), &self.host).await.unwrap();
        let (mut from, mut to) = tokio::io::split(stream);
        let sending = async {
            // A server that refuses a large body may close before all of it is sent.
            let _ = to.write_all(&[head, body].concat()).await;
            let _ = to.flush().await;
        };
        let mut answer = Vec::new();
        let receiving = async {
            let _ = from.read_to_end(&mut answer).await;
        };
        tokio::join!(sending, receiving);
        answer
    }

    fn keep(&mut self, line: &str) {
        let (pair, rules) = line.split_once(';').unwrap_or((line, ""));
        let Some((name, value)) = pair.split_once('=') else { return };
        self.cookies.retain(|(known, _)| known != name);
        if !rules.to_ascii_lowercase().contains("max-age=0") && !value.is_empty() {
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
    }

    /// The value of a cookie.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Puts a cookie into the jar.
    pub fn set_cookie(&mut self, name: &str, value: &str) {
        self.keep(&format!("{name}={value}"));
    }
}

/// An answer in HTTP/1.1 that ended with its connection (RFC 9112 §6, §7.1).
fn read(answer: &[u8]) -> Page {
    let end = answer.windows(4).position(|at| at == b"\r\n\r\n").unwrap_or_else(|| {
        panic!("no head in {:?}", String::from_utf8_lossy(&answer[..answer.len().min(200)]))
    });
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status");
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let raw = &answer[end + 4..];
    let chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    Page { status, headers, body: if chunked { join_chunks(raw) } else { raw.to_vec() } }
}

fn join_chunks(mut raw: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = raw.windows(2).position(|at| at == b"\r\n") {
        let length =
            usize::from_str_radix(&String::from_utf8_lossy(&raw[..end]), 16).expect("a chunk's length");
        if length == 0 {
            break;
        }
        body.extend_from_slice(&raw[end + 2..end + 2 + length]);
        raw = &raw[end + 2 + length + 2..];
    }
    body
}

fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            b' ' => "+".into(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}
