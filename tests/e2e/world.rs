//! The demo's appliance with Alice signed in: she sends, and what she was told is looked up.

use crate::harness;
use crate::patience::PATIENCE;
use crate::patience::until;
use guardpost::app::demo::Demo;
use guardpost::app::demo::Options;
use guardpost::base::address::Address;
use guardpost::base::envelope::Envelope;
use guardpost::base::envelope::Recipient;
use guardpost::base::reverse_path::ReversePath;
use guardpost::base::secret::Secret;
use guardpost::flow::intake::Arrived;
use guardpost::flow::intake::Peer;
use guardpost::flow::refusal::TakeError;
use guardpost::flow::sign_in::Realm;
use guardpost::flow::sign_in::Source;
use guardpost::flow::sign_in::Unlocked;
use guardpost::mime::scan::Limits;
use guardpost::mime::scan::Scanner;
use guardpost::store::record::Folder;
use guardpost::store::record::Uid;
use guardpost::vault::OsRandom;
use guardpost::vault::password::Password;
use std::io::Read;
use std::io::Write;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// What every recipient chooses.
pub const PASSWORD: &str = "Zwölf Boxkämpfer jagen";

/// A link and the PIN that belongs to it.
pub struct Invited {
    pub link: String,
    pub pin: String,
}

/// The demo, with Alice signed in.
pub struct World<'a> {
    pub demo: &'a Demo,
    pub alice: Arc<Unlocked>,
}

/// The demo in this process: its log goes where the tests look for it.
pub async fn demo() -> Demo {
    harness::begin_log();
    Demo::start(&Options::default()).await.unwrap()
}

pub async fn alice(demo: &Demo) -> Arc<Unlocked> {
    let (address, password) = demo.alice();
    let source = Source { ip: IpAddr::V4(Ipv4Addr::LOCALHOST), device: None };
    let password = Secret::new(password.to_owned());
    demo.appliance().flow().sign_in(address, password, &source, Realm::Accounts).await.unwrap()
}

impl World<'_> {
    /// `http://localhost:port`.
    pub fn url(&self) -> &str {
        self.demo.link().split("/i/").next().unwrap()
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.url().rsplit_once(':').unwrap().1.parse().unwrap()
    }

    /// Another account beside Alice's.
    pub async fn add_account(&self, address: &str) -> Arc<Unlocked> {
        let flow = self.demo.appliance().flow();
        let password = Password::suggest(&OsRandom);
        flow.add_account(&Address::parse(address).unwrap(), &password).await.unwrap();
        let source = Source { ip: IpAddr::V4(Ipv4Addr::LOCALHOST), device: None };
        let password = Secret::new(password.expose().to_owned());
        flow.sign_in(address, password, &source, Realm::Accounts).await.unwrap()
    }

    pub async fn send(&self, to: &str, message: &str) {
        self.send_as(&self.alice, self.demo.alice().0, to, message).await.unwrap();
    }

    pub async fn send_as(
        &self,
        account: &Arc<Unlocked>,
        sender: &str,
        to: &str,
        message: &str,
    ) -> Result<(), TakeError> {
        let flow = self.demo.appliance().flow();
        let mut spool = flow.spools.begin();
        spool.write_all(message.as_bytes()).unwrap();
        let envelope = Envelope {
            sender: ReversePath::Address(Address::parse(sender).unwrap()),
            recipients: vec![Recipient::plain(Address::parse(to).unwrap())],
            ..Envelope::default()
        };
        let arrived = Arrived {
            envelope,
            spool: spool.finish().unwrap(),
            structure: Scanner::scan(message.as_bytes(), Limits::default()).unwrap(),
            peer: Peer { ip: [127, 0, 0, 1].into(), helo: "localhost".into(), extended: true, tls: None },
        };
        flow.submit(account, arrived).await.map(drop)
    }

    /// Sends a first message and waits for the invitation.
    pub async fn invite(&self, to: &str) -> Invited {
        let message = format!(
            "From: alice@demo.example\r\nTo: {to}\r\nSubject: [secure] For you\r\n\
             Message-ID: <{to}>\r\n\r\nPlease answer.\r\n"
        );
        self.send(to, &message).await;
        self.invited(to).await
    }

    /// The invitation that arrived, and the PIN that Alice was told.
    pub async fn invited(&self, to: &str) -> Invited {
        let start = format!("{}/i/", self.url());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("=\r\n", "").replace("=3D", "=");
        let arrived = self.demo.peer().wait_for(|mail| {
            mail.recipients.iter().any(|recipient| recipient == to) && text(&mail.text).contains(&start)
        });
        let arrived = tokio::time::timeout(PATIENCE, arrived).await.unwrap().unwrap();
        let mail = text(&arrived.text);
        let link = mail.split(&start).nth(1).unwrap().split_whitespace().next().unwrap();
        let link = format!("{start}{}", link.trim_end_matches(['"', '>']));
        let sent = self.alices(Folder::SENT).await;
        let copy = sent.iter().find(|mail| mail.contains(&format!("X-Guardpost-Delivery: {to}"))).unwrap();
        let pin = copy.split("X-OxGuard-PIN: ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
        Invited { link, pin }
    }

    pub async fn alices(&self, folder: Folder) -> Vec<String> {
        let flow = self.demo.appliance().flow();
        let mut all = Vec::new();
        for listed in flow.list(&self.alice, folder, Uid(0), 1_000).await.unwrap() {
            let plain = flow.read(&self.alice, folder, listed.uid).await.unwrap();
            let mut bytes = Vec::new();
            plain.spool.reader().read_to_end(&mut bytes).unwrap();
            all.push(String::from_utf8_lossy(&bytes).into_owned());
        }
        all
    }

    /// Somebody else signs in, on a telephone; the session's cookie.
    pub async fn session(&self, who: &str) -> String {
        let escape = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        let body = format!("address={}&password={}", escape(who), escape(PASSWORD));
        let answer = self.post("/login", "", "application/x-www-form-urlencoded", body.as_bytes()).await;
        let cookie = answer.split("set-cookie: gp=").nth(1).unwrap_or_else(|| panic!("{answer}"));
        cookie.split(';').next().unwrap().to_owned()
    }

    /// Sends a form with files of these names; the head of the answer.
    pub async fn post_files(
        &self,
        path: &str,
        cookie: &str,
        fields: &[(&str, &str)],
        names: &[String],
    ) -> String {
        const BOUNDARY: &str = "----telephone-boundary-71";
        let disposition =
            |what: &str| format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {what}\r\n\r\n");
        let mut body = String::new();
        for (name, value) in fields {
            body += &format!("{}{value}\r\n", disposition(&format!("name=\"{name}\"")));
        }
        for name in names {
            body += &format!("{}x\r\n", disposition(&format!("name=\"attachment\"; filename=\"{name}\"")));
        }
        body += &format!("--{BOUNDARY}--\r\n");
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        self.post(path, cookie, &kind, body.as_bytes()).await
    }

    /// Sends a form from a telephone; the whole answer.
    async fn post(&self, path: &str, cookie: &str, kind: &str, body: &[u8]) -> String {
        let host = self.url().strip_prefix("http://").unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: {}\r\nConnection: close\r\nContent-Length: {}\r\n\
             User-Agent: Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Mobile Safari/604.1\r\n\
             Cookie: gp={cookie}\r\nContent-Type: {kind}\r\n\r\n",
            self.url(),
            body.len()
        );
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port())).await.unwrap();
        stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Asks for a page again and again until it says this.
    pub async fn wait_for(&self, path: &str, session: &str, words: &str) {
        let host = self.url().strip_prefix("http://").unwrap();
        let port = host.rsplit_once(':').unwrap().1.parse().unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nCookie: gp={session}\r\n\r\n"
        );
        until(words, async || {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer.contains(words).then_some(())
        })
        .await;
    }

    pub async fn alice_has(&self, words: &str) -> bool {
        self.alices(Folder::INBOX).await.iter().any(|mail| mail.contains(words))
    }
}
