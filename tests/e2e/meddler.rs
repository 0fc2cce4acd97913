//! A proxy in front of the portal that takes its protections away, one by one: the portal itself has no switch for that.
//!
//! It hands on what the portal says, but for the body of a message's document, which it can replace by HTML that no
//! cleaner has seen; and it can take off the policy that the document is shown under.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::Mutex;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;

/// What is taken away.
#[derive(Clone, Debug, Default)]
pub struct Meddling {
    /// What stands in the body of a message's document.
    pub body: Option<String>,
    /// The document comes without its policy.
    pub unguarded: bool,
}

/// The proxy.
pub struct Meddler {
    /// Where it listens, on loopback.
    pub port: u16,
    now: Arc<Mutex<Meddling>>,
}

impl Meddler {
    /// In front of `localhost:portal`.
    pub async fn listen(portal: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let now = Arc::new(Mutex::new(Meddling::default()));
        let meddling = now.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let meddling = meddling.clone();
                tokio::spawn(async move {
                    // A browser goes away when it likes.
                    let _ = hand_on(stream, port, portal, &meddling).await;
                });
            }
        });
        Self { port, now }
    }

    /// From now on.
    pub fn meddle(&self, meddling: Meddling) {
        *self.now.lock().unwrap() = meddling;
    }

    /// Its address as a browser writes it.
    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }
}

async fn hand_on(
    mut browser: TcpStream,
    own: u16,
    portal: u16,
    meddling: &Mutex<Meddling>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(browser.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let lines =
        head.trim_end().split("\r\n").filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let head: Vec<_> =
        lines.map(|line| line.replace(&format!("localhost:{own}"), &format!("localhost:{portal}"))).collect();
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, portal)).await?;
    server.write_all(format!("{}\r\nConnection: close\r\n\r\n", head.join("\r\n")).as_bytes()).await?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await?;
    let meddling = meddling.lock().unwrap().clone();
    if path.ends_with("/body") {
        answer = changed(&String::from_utf8_lossy(&answer), &meddling).into_bytes();
    }
    browser.write_all(&answer).await?;
    browser.shutdown().await
}

fn changed(answer: &str, meddling: &Meddling) -> String {
    let (head, document) = answer.split_once("\r\n\r\n").unwrap();
    let document = match (&meddling.body, document.split_once("<body>"), document.rsplit_once("</body>")) {
        (Some(body), Some((before, _)), Some((_, after))) => {
            format!("{before}<body>\n{body}\n</body>{after}")
        }
        _ => document.to_owned(),
    };
    let gone = |line: &&str| {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        name == "content-length" || (meddling.unguarded && name == "content-security-policy")
    };
    let lines: Vec<_> = head.split("\r\n").filter(|line| !gone(line)).collect();
    format!("{}\r\nContent-Length: {}\r\n\r\n{document}", lines.join("\r\n"), document.len())
}
