//! A recipient's visit in a real browser: Chromium, driven by its own driver, against the demo's appliance.
//!
//! Every request of the browser to any host but the portal's ends at a listener of this test, which must hear
//! nothing about it.

use crate::harness;
use guardpost::app::demo::Demo;
use guardpost::app::demo::Options;
use guardpost::base::address::Address;
use guardpost::base::envelope::Envelope;
use guardpost::base::envelope::Recipient;
use guardpost::base::secret::Secret;
use guardpost::flow::intake::Arrived;
use guardpost::flow::intake::Peer;
use guardpost::flow::sign_in::Realm;
use guardpost::flow::sign_in::Source;
use guardpost::flow::sign_in::Unlocked;
use guardpost::mime::scan::Limits;
use guardpost::mime::scan::Scanner;
use guardpost::store::record::Folder;
use guardpost::store::record::Uid;
use std::io::Read;
use std::io::Write;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use thirtyfour::By;
use thirtyfour::CapabilitiesHelper;
use thirtyfour::ChromiumLikeCapabilities;
use thirtyfour::DesiredCapabilities;
use thirtyfour::WebDriver;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;

const PASSWORD: &str = "Zwölf Boxkämpfer jagen";
const PAYLOADS: &str = include_str!("../payloads/xss.txt");

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_reads_and_answers_with_scripts_and_without() {
    let demo = demo().await;
    let elsewhere = Elsewhere::listen().await;
    let browser = Browser::start(elsewhere.port).await;
    let world = World { demo: &demo, alice: alice(&demo).await };

    let bob = Invited { link: demo.link().to_owned(), pin: demo.pin().to_owned() };
    visit(&browser, &world, &bob, "bob@elsewhere.example", true).await;
    browser.scripts(false).await;
    let carol = world.invite("carol@elsewhere.example").await;
    visit(&browser, &world, &carol, "carol@elsewhere.example", false).await;
    browser.scripts(true).await;
    hostile(&browser, &world).await;

    for path in ["/login", "/help?lang=de", "/help?lang=en"] {
        browser.size(320, 568).await;
        browser.goto(&format!("{}{path}", world.url())).await;
        assert!(browser.fits().await, "{path} is wider than 320 pixels");
    }
    assert_eq!(elsewhere.told(), Vec::<String>::new(), "nobody else heard of it");
    browser.goto_nowhere("http://control.example/").await;
    assert!(!elsewhere.told().is_empty(), "a request to elsewhere is noticed");
    browser.quit().await;
    demo.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_searches_and_takes_everything_along_with_scripts_and_without() {
    let demo = demo().await;
    let elsewhere = Elsewhere::listen().await;
    let browser = Browser::start(elsewhere.port).await;
    let world = World { demo: &demo, alice: alice(&demo).await };
    let erin = "erin@elsewhere.example";
    for number in 0..6 {
        // One is so large that it can be seen how it comes.
        let length = if number == 0 { 1_500_000 } else { 500 };
        let words: String =
            (0..length).map(|n: u32| format!("{:x} ", n.wrapping_mul(2_654_435_761) ^ number)).collect();
        let text = format!(
            "From: Alice Roth <alice@demo.example>\r\nTo: {erin}\r\nSubject: [secure] Größe {number}\r\n\
             Message-ID: <taken-{number}@demo.example>\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\r\n{}\r\nneedle{number}\r\n",
            words
                .as_bytes()
                .chunks(72)
                .map(|line| String::from_utf8_lossy(line))
                .collect::<Vec<_>>()
                .join("\r\n")
        );
        world.send(erin, &text).await;
    }
    let invited = world.invited(erin).await;
    browser.size(1100, 900).await;
    browser.goto(&invited.link).await;
    browser.click("#understood").await;
    browser.open_mailbox(&invited.pin).await;
    browser.wait_for("Your mailbox is open").await;
    for scripts in [true, false] {
        browser.scripts(scripts).await;
        let owner = Visit { browser: &browser, world: &world, who: erin, scripts };
        owner.search().await;
        owner.take_the_key().await;
        owner.take_everything().await;
        owner.see_sessions().await;
        owner.every_page_fits().await;
    }
    assert_eq!(elsewhere.told(), Vec::<String>::new(), "nobody else heard of it");
    browser.quit().await;
    demo.stop().await;
}

/// First use, reading, answering with a file, Sent, signing out, signing in again.
async fn visit(browser: &Browser, world: &World<'_>, invited: &Invited, who: &str, scripts: bool) {
    let visit = Visit { browser, world, who, scripts };
    visit.arrive(invited).await;
    visit.choose_password(invited).await;
    visit.read_and_answer().await;
    visit.leave_and_return().await;
}

struct Visit<'a> {
    browser: &'a Browser,
    world: &'a World<'a>,
    who: &'a str,
    scripts: bool,
}

impl Visit<'_> {
    async fn shot(&self, step: &str) {
        self.browser.shot(&format!("{step}-{}", if self.scripts { "scripts" } else { "plain" })).await;
    }

    /// All of the page, also what has to be scrolled to.
    async fn whole(&self, step: &str) {
        self.browser.whole(&format!("{step}-{}", if self.scripts { "scripts" } else { "plain" })).await;
    }

    /// The link as it was mailed: with scripts it brings the access code, without it is pasted.
    async fn arrive(&self, invited: &Invited) {
        let browser = self.browser;
        let (link, token) = invited.link.split_once('#').unwrap();
        browser.size(320, 568).await;
        browser.goto(&invited.link).await;
        self.shot("1-first-use").await;
        let bottom = browser.bottom("#warning").await;
        assert!(bottom < 568.0, "the warning is seen without scrolling: {bottom}");
        if self.scripts {
            assert!(!browser.shown("#token-field").await, "the code was taken from the link");
            assert!(browser.shown("#token-filled").await);
            assert_eq!(browser.address().await, link, "and is out of the address bar");
            return;
        }
        browser.goto(link).await;
        assert!(browser.shown("#token-field").await);
        browser.fill("token", &token.to_lowercase().replace('-', " ")).await;
    }

    /// A wrong PIN, then the right one.
    async fn choose_password(&self, invited: &Invited) {
        let browser = self.browser;
        browser.click("#understood").await;
        browser.open_mailbox("0000").await;
        browser.wait_for("9 tries left").await;
        self.shot("2-wrong-pin").await;
        assert!(browser.title().await.starts_with("Error: "), "{}", browser.title().await);
        assert!(browser.ticked("#understood").await, "what was ticked stays ticked");
        browser.open_mailbox(&invited.pin).await;
        browser.wait_for("Your mailbox is open").await;
        self.shot("3-opened-small").await;
        assert!(browser.fits().await, "the list is not wider than 320 pixels");
        browser.size(1100, 900).await;
        self.shot("3-opened").await;
    }

    async fn read_and_answer(&self) {
        let (browser, words) = (self.browser, format!("Thank you, says {}.", self.who));
        browser.click(".list a").await;
        browser.wait_for("Print view").await;
        self.shot("4-message").await;
        assert!(browser.address().await.ends_with("/mailbox/inbox/1"));
        browser.click("article .actions .button").await;
        browser.wait_for("Your reply is encrypted").await;
        let file = browser.file("Antwort <1>.txt", &vec![b'x'; 300_000]);
        browser.fill("body", &format!("{words}\n\n> quoted & done")).await;
        browser.choose("attachment", &file).await;
        self.shot("5-reply").await;
        browser.click("main form .actions .button").await;
        browser.wait_for("Your reply was sent").await;
        self.shot("6-sent").await;
        browser.click(".list a").await;
        browser.wait_for("Save as file").await;
        self.shot("7-sent-message").await;
        let sent = browser.text("main").await;
        assert!(sent.contains(&words) && sent.contains("Antwort _1_.txt"), "{sent}");
        assert!(self.world.alice_has(&words).await, "it is in Alice's inbox");
    }

    async fn search(&self) {
        let browser = self.browser;
        browser.goto(&format!("{}/mailbox", self.world.url())).await;
        browser.fill("q", "GRÖSSE needle3").await;
        browser.click(".search button").await;
        browser.wait_for("1 message found").await;
        self.shot("10-search").await;
        assert!(!browser.address().await.contains("needle"), "not in the address bar");
        browser.click(".list a").await;
        browser.wait_for("needle3").await;
        browser.goto(&format!("{}/mailbox", self.world.url())).await;
        browser.fill("q", "nowhere").await;
        browser.click(".search button").await;
        browser.wait_for("No message found").await;
        self.shot("10-search-nothing").await;
    }

    /// A wrong password, the passphrase, the file.
    async fn take_the_key(&self) {
        let browser = self.browser;
        browser.goto(&format!("{}/mailbox/key", self.world.url())).await;
        self.shot("11-key").await;
        browser.fill("password", "not this one at all").await;
        browser.click("main form .button").await;
        browser.wait_for("The password is wrong.").await;
        self.shot("11-key-wrong").await;
        browser.fill("password", PASSWORD).await;
        browser.click("main form .button").await;
        browser.wait_for("Your passphrase for the key").await;
        self.shot("11-key-file").await;
        let shown = browser.text(".secret").await;
        assert_eq!(shown.len(), 29, "{shown}");
        browser.click("main form .button").await;
        let file = browser.downloaded("openpgp-key.asc").await;
        assert!(file.starts_with(b"-----BEGIN PGP PRIVATE KEY BLOCK-----"));
        assert_eq!(browser.text(".secret").await, shown, "the page with the passphrase stays");
    }

    async fn take_everything(&self) {
        let browser = self.browser;
        browser.goto(&format!("{}/mailbox/export", self.world.url())).await;
        self.shot("12-export").await;
        assert!(!browser.shown("#export-progress").await);
        browser.click("#export button").await;
        if self.scripts {
            browser.wait_for("%").await;
            self.shot("12-export-under-way").await;
            browser.wait_for("Everything was sent to your browser.").await;
        }
        let today =
            self.world.demo.appliance().flow().clock.now().timestamp().strftime("%Y-%m-%d").to_string();
        let zip = browser.downloaded(&format!("mailbox-{today}.zip")).await;
        assert!(zip.len() > 2_000_000 && zip.starts_with(b"PK"), "{}", zip.len());
        assert!(browser.text("main").await.contains("Take everything with you"), "the page stays");
    }

    async fn see_sessions(&self) {
        let browser = self.browser;
        let phone = self.world.session(self.who).await;
        browser.goto(&format!("{}/mailbox", self.world.url())).await;
        browser.click(".bottom a[href='/mailbox/sessions']").await;
        browser.wait_for("This one").await;
        let text = browser.text("main").await;
        assert!(text.contains("Chrome on Linux") && text.contains("Safari on iPhone"), "{text}");
        self.shot("13-sessions").await;
        browser.size(320, 568).await;
        assert!(browser.fits().await, "the list of sessions is wider than 320 pixels");
        self.whole("13-sessions-small").await;
        browser.size(1100, 900).await;
        browser.click("form[action='/mailbox/sessions/end'] button").await;
        browser.wait_for("It has ended.").await;
        self.shot("13-sessions-ended").await;
        assert!(
            !phone.is_empty() && browser.text("main").await.contains("Nothing else has this mailbox open.")
        );
    }

    /// On a telephone and on a desk, in both languages.
    async fn every_page_fits(&self) {
        let browser = self.browser;
        for (width, height) in [(320, 568), (1100, 900)] {
            browser.size(width, height).await;
            for language in ["de", "en"] {
                for page in ["", "/key", "/export", "/sessions", "/inbox/2"] {
                    let path = format!("/mailbox{page}?lang={language}");
                    browser.goto(&format!("{}{path}", self.world.url())).await;
                    assert!(browser.fits().await, "{path} is wider than {width} pixels");
                    let name = page.replace('/', "-");
                    self.whole(&format!("14{name}-{language}-{width}")).await;
                }
            }
            browser.goto(&format!("{}/mailbox", self.world.url())).await;
            browser.fill("q", "größe").await;
            browser.click(".search button").await;
            browser.wait_for("6 messages found").await;
            assert!(browser.fits().await, "results are wider than {width} pixels");
            self.whole(&format!("14-search-{width}")).await;
            browser.goto(&format!("{}/mailbox/key", self.world.url())).await;
            browser.fill("password", PASSWORD).await;
            browser.click("main form .button").await;
            browser.wait_for("Your passphrase for the key").await;
            assert!(browser.fits().await, "the passphrase is wider than {width} pixels");
            self.whole(&format!("14-key-file-{width}")).await;
        }
    }

    /// Nothing is left behind on the device, and the password opens the mailbox again.
    async fn leave_and_return(&self) {
        let browser = self.browser;
        browser.sign_out().await;
        self.shot("8-signed-out").await;
        browser.back().await;
        browser.goto(&browser.address().await).await;
        assert!(!browser.text("body").await.contains("Thank you"), "no page is kept");
        browser.goto(&format!("{}/mailbox", self.world.url())).await;
        assert!(browser.address().await.ends_with("/login"));
        browser.fill("address", self.who).await;
        browser.fill("password", PASSWORD).await;
        browser.click("main form .actions .button").await;
        browser.wait_for("This mailbox closes on").await;
        assert!(browser.address().await.ends_with("/mailbox"));
        browser.sign_out().await;
    }
}

/// Every payload there is, each in the body, subject, sender's name and file name of a message: none runs, none
/// reaches out.
async fn hostile(browser: &Browser, world: &World<'_>) {
    let dave = "dave@elsewhere.example";
    let payloads: Vec<&str> = PAYLOADS.lines().filter(|payload| payload.is_ascii()).collect();
    assert!(payloads.len() >= 60);
    for (number, payload) in payloads.iter().enumerate() {
        world.send(dave, &html(number, payload)).await;
    }
    for chunk in payloads.chunks(20) {
        world.send(dave, &plain(chunk)).await;
    }
    let invited = world.invited(dave).await;
    browser.size(1100, 1000).await;
    browser.canary().await;
    browser.goto("data:text/html,<script>canary()</script>").await;
    assert!(browser.was_called().await, "a script that runs is noticed");

    browser.goto(&invited.link).await;
    browser.click("#understood").await;
    browser.open_mailbox(&invited.pin).await;
    browser.wait_for("Your mailbox is open").await;
    browser.shot("9-hostile-list").await;
    for number in 1..=payloads.len() + payloads.len().div_ceil(20) {
        look(browser, world, number, payloads.get(number - 1).unwrap_or(&"text")).await;
    }
    let disguised = payloads.iter().position(|payload| payload.contains("bank.example@evil")).unwrap() + 1;
    browser.goto(&format!("{}/mailbox/inbox/{disguised}", world.url())).await;
    browser.shot("9-hostile-link").await;
    browser.goto(&format!("{}/mailbox/inbox/{disguised}/body", world.url())).await;
    assert!(browser.text("body").await.contains("[evil.example]"), "the link says where it leads");
    for page in ["/mailbox", "/mailbox?page=2", "/mailbox?page=3"] {
        browser.goto(&format!("{}{page}", world.url())).await;
        assert!(!browser.was_called().await, "{page}");
    }
    browser.sign_out().await;
}

/// The document of the frame alone, where a script would run if it could; now and then every page.
async fn look(browser: &Browser, world: &World<'_>, number: usize, what: &str) {
    let pages = if number % 10 == 1 { &["/body", "", "/print", "/reply"][..] } else { &["/body"] };
    for page in pages {
        browser.goto(&format!("{}/mailbox/inbox/{number}{page}", world.url())).await;
        assert!(!browser.was_called().await, "message {number}{page} ran a script: {what}");
    }
}

/// A message of HTML, with the payload in every place of it.
fn html(number: usize, payload: &str) -> String {
    let quoted = payload.replace(['"', '\\'], "");
    format!(
        "From: \"{quoted}\" <alice@demo.example>\r\nTo: dave@elsewhere.example\r\nSubject: [secure] {payload}\r\n\
         Message-ID: <hostile-{number}@demo.example>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=zz\r\n\r\n--zz\r\nContent-Type: text/html; charset=utf-8\r\n\r\n\
         {payload}\r\n\
         --zz\r\nContent-Type: text/html\r\nContent-Disposition: attachment; filename=\"{quoted}.html\"\r\n\r\n\
         <script>canary()</script>\r\n--zz--\r\n"
    )
}

/// A message of text.
fn plain(lines: &[&str]) -> String {
    format!(
        "From: alice@demo.example\r\nTo: dave@elsewhere.example\r\nSubject: [secure] text\r\n\
         Message-ID: <hostile-{:p}@demo.example>\r\n\r\n{}\r\n",
        lines.as_ptr(),
        lines.join("\r\n")
    )
}

/// A link and the PIN that belongs to it.
struct Invited {
    link: String,
    pin: String,
}

/// The demo, with Alice signed in.
struct World<'a> {
    demo: &'a Demo,
    alice: Arc<Unlocked>,
}

/// The demo in this process: its log goes where the tests look for it.
async fn demo() -> Demo {
    harness::begin_log();
    Demo::start(&Options::default()).await.unwrap()
}

async fn alice(demo: &Demo) -> Arc<Unlocked> {
    let (address, password) = demo.alice();
    let source = Source { ip: IpAddr::V4(Ipv4Addr::LOCALHOST), device: None };
    let password = Secret::new(password.to_owned());
    demo.appliance().flow().sign_in(address, password, &source, Realm::Accounts).await.unwrap()
}

impl World<'_> {
    /// `http://localhost:port`.
    fn url(&self) -> &str {
        self.demo.link().split("/i/").next().unwrap()
    }

    async fn send(&self, to: &str, message: &str) {
        let flow = self.demo.appliance().flow();
        let mut spool = flow.spools.begin();
        spool.write_all(message.as_bytes()).unwrap();
        let envelope = Envelope {
            sender: Some(Address::parse(self.demo.alice().0).unwrap()),
            recipients: vec![Recipient::plain(Address::parse(to).unwrap())],
            ..Envelope::default()
        };
        let arrived = Arrived {
            envelope,
            spool: spool.finish().unwrap(),
            structure: Scanner::scan(message.as_bytes(), Limits::default()).unwrap(),
            peer: Peer { ip: [127, 0, 0, 1].into(), helo: "localhost".into(), extended: true, tls: None },
        };
        flow.submit(&self.alice, arrived).await.unwrap();
    }

    /// Sends a first message and waits for the invitation.
    async fn invite(&self, to: &str) -> Invited {
        let message = format!(
            "From: alice@demo.example\r\nTo: {to}\r\nSubject: [secure] For you\r\n\
             Message-ID: <{to}>\r\n\r\nPlease answer.\r\n"
        );
        self.send(to, &message).await;
        self.invited(to).await
    }

    /// The invitation that arrived, and the PIN that Alice was told.
    async fn invited(&self, to: &str) -> Invited {
        let start = format!("{}/i/", self.url());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("=\r\n", "").replace("=3D", "=");
        let arrived = self.demo.peer().wait_for(|mail| {
            mail.recipients.iter().any(|recipient| recipient == to) && text(&mail.text).contains(&start)
        });
        let arrived = tokio::time::timeout(Duration::from_secs(60), arrived).await.unwrap().unwrap();
        let mail = text(&arrived.text);
        let link = mail.split(&start).nth(1).unwrap().split_whitespace().next().unwrap();
        let link = format!("{start}{}", link.trim_end_matches(['"', '>']));
        let sent = self.alices(Folder::SENT).await;
        let copy = sent.iter().find(|mail| mail.contains(&format!("X-Guardpost-Delivery: {to}"))).unwrap();
        let pin = copy.split("X-OxGuard-PIN: ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
        Invited { link, pin }
    }

    async fn alices(&self, folder: Folder) -> Vec<String> {
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
    async fn session(&self, who: &str) -> String {
        let host = self.url().strip_prefix("http://").unwrap();
        let escape = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        let body = format!("address={}&password={}", escape(who), escape(PASSWORD));
        let request = format!(
            "POST /login HTTP/1.1\r\nHost: {host}\r\nOrigin: {}\r\nConnection: close\r\nContent-Length: {}\r\n\
             User-Agent: Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Mobile Safari/604.1\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}",
            self.url(),
            body.len()
        );
        let port = host.rsplit_once(':').unwrap().1.parse().unwrap();
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let cookie = answer.split("set-cookie: gp=").nth(1).unwrap_or_else(|| panic!("{answer}"));
        cookie.split(';').next().unwrap().to_owned()
    }

    async fn alice_has(&self, words: &str) -> bool {
        self.alices(Folder::INBOX).await.iter().any(|mail| mail.contains(words))
    }
}

/// Where every name but the portal's leads: whoever calls is written down by what he says first.
struct Elsewhere {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Elsewhere {
    async fn listen() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let notes = heard.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let notes = notes.clone();
                tokio::spawn(async move {
                    let mut bytes = vec![0; 2048];
                    let count = stream.read(&mut bytes).await.unwrap_or(0);
                    let said = String::from_utf8_lossy(&bytes[..count]).into_owned();
                    notes.lock().unwrap().push(said);
                });
            }
        });
        Self { port, heard }
    }

    /// Calls that a message caused; a browser has errands of its own, to hosts that no message names.
    fn told(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        heard.iter().filter(|said| said.contains(".example")).cloned().collect()
    }
}

/// Chromium and its driver.
struct Browser {
    driver: WebDriver,
    process: Child,
    dir: tempfile::TempDir,
    shots: PathBuf,
}

impl Browser {
    async fn start(elsewhere: u16) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap().port();
        let process = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is installed (Debian: chromium-driver)");
        let mut patience = 200;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
            patience -= 1;
            assert!(patience > 0, "chromedriver does not listen");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let mut wanted = DesiredCapabilities::chrome();
        for argument in [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--lang=en",
            &format!("--user-data-dir={}", dir.path().join("profile").display()),
            &format!("--host-resolver-rules=MAP * 127.0.0.1:{elsewhere}, EXCLUDE localhost"),
        ] {
            wanted.add_arg(argument).unwrap();
        }
        wanted.set("acceptInsecureCerts".to_owned(), false).unwrap();
        let driver = WebDriver::new(format!("http://127.0.0.1:{port}"), wanted).await.unwrap();
        let shots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("portal");
        std::fs::create_dir_all(&shots).unwrap();
        let browser = Self { driver, process, dir, shots };
        let saved = browser.dir.path().join("saved");
        std::fs::create_dir_all(&saved).unwrap();
        let saved = serde_json::json!({ "behavior": "allow", "downloadPath": saved });
        browser.cdp("Browser.setDownloadBehavior", saved).await;
        browser
    }

    /// A file that was saved, once it is whole; it is taken away.
    async fn downloaded(&self, name: &str) -> Vec<u8> {
        let path = self.dir.path().join("saved").join(name);
        for _ in 0..600 {
            // Under another name while it comes.
            if let Ok(bytes) = std::fs::read(&path) {
                std::fs::remove_file(&path).unwrap();
                return bytes;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{name} was not saved");
    }

    async fn quit(mut self) {
        self.driver.quit().await.unwrap();
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    async fn cdp(&self, command: &str, parameters: serde_json::Value) {
        self.driver.cdp().send_raw(command, parameters).await.unwrap();
    }

    /// Lets pages run scripts, or not.
    async fn scripts(&self, on: bool) {
        self.cdp("Emulation.setScriptExecutionDisabled", serde_json::json!({ "value": !on })).await;
    }

    /// From now on every document has a function that says when it is called.
    async fn canary(&self) {
        let source = "window.canary = () => { try { top.document.documentElement.dataset.canary = 'called' } \
                      catch (_) { document.documentElement.dataset.canary = 'called' } }";
        self.cdp("Page.addScriptToEvaluateOnNewDocument", serde_json::json!({ "source": source })).await;
    }

    async fn was_called(&self) -> bool {
        if !self.driver.find_all(By::Css("[data-canary]")).await.unwrap().is_empty() {
            return true;
        }
        if self.driver.find_all(By::Css("iframe")).await.unwrap().is_empty() {
            return false;
        }
        self.driver.enter_frame(0).await.unwrap();
        let inside = !self.driver.find_all(By::Css("[data-canary], script")).await.unwrap().is_empty();
        self.driver.enter_default_frame().await.unwrap();
        inside
    }

    /// CSS pixels, as small as a telephone's.
    async fn size(&self, width: u32, height: u32) {
        let metrics =
            serde_json::json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.cdp("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// Nothing has to be scrolled sideways.
    async fn fits(&self) -> bool {
        let wide = "const page = document.documentElement; return page.scrollWidth <= page.clientWidth";
        self.driver.execute(wide, vec![]).await.unwrap().convert().unwrap()
    }

    /// Fills PIN and passwords in and presses the button of the first use.
    async fn open_mailbox(&self, pin: &str) {
        self.fill("pin", pin).await;
        self.fill("password", PASSWORD).await;
        self.fill("confirm", PASSWORD).await;
        self.click("main form .actions .button").await;
    }

    async fn sign_out(&self) {
        self.click(".top form button").await;
        self.wait_for("You are signed out").await;
    }

    async fn goto(&self, url: &str) {
        self.driver.goto(url).await.unwrap();
    }

    /// To a host that does not answer.
    async fn goto_nowhere(&self, url: &str) {
        // Whether that is an error depends on how far the connection came.
        let _ = self.driver.goto(url).await;
    }

    async fn back(&self) {
        self.driver.back().await.unwrap();
    }

    async fn address(&self) -> String {
        self.driver.current_url().await.unwrap().to_string()
    }

    async fn title(&self) -> String {
        self.driver.title().await.unwrap()
    }

    async fn text(&self, selector: &str) -> String {
        self.driver.find(By::Css(selector)).await.unwrap().text().await.unwrap()
    }

    /// Waits until the page says this; a slow machine gets a minute.
    async fn wait_for(&self, words: &str) {
        for _ in 0..600 {
            if let Ok(main) = self.driver.find(By::Css("main")).await
                && let Ok(text) = main.text().await
                && text.contains(words)
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{words:?} did not come: {}", self.text("body").await);
    }

    async fn shown(&self, selector: &str) -> bool {
        let found = self.driver.find_all(By::Css(selector)).await.unwrap();
        match found.first() {
            Some(element) => element.is_displayed().await.unwrap(),
            None => false,
        }
    }

    async fn ticked(&self, selector: &str) -> bool {
        self.driver.find(By::Css(selector)).await.unwrap().is_selected().await.unwrap()
    }

    async fn click(&self, selector: &str) {
        let element = self.driver.find(By::Css(selector)).await;
        element.unwrap_or_else(|error| panic!("{selector}: {error}")).click().await.unwrap();
    }

    async fn fill(&self, name: &str, text: &str) {
        let field = self.driver.find(By::Css(format!("[name={name}]"))).await.unwrap();
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    async fn choose(&self, name: &str, file: &Path) {
        let field = self.driver.find(By::Css(format!("[name={name}]"))).await.unwrap();
        field.send_keys(file.to_str().unwrap()).await.unwrap();
    }

    /// Where an element ends, CSS pixels from the top of the page.
    async fn bottom(&self, selector: &str) -> f64 {
        let rect = self.driver.find(By::Css(selector)).await.unwrap().rect().await.unwrap();
        rect.y + rect.height
    }

    /// A file to be sent along.
    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Keeps all of a page, for people.
    async fn whole(&self, name: &str) {
        let wanted = serde_json::json!({ "captureBeyondViewport": true });
        let taken = self.driver.cdp().send_raw("Page.captureScreenshot", wanted).await.unwrap();
        let png = data_encoding::BASE64.decode(taken["data"].as_str().unwrap().as_bytes()).unwrap();
        std::fs::write(self.shots.join(format!("{name}.png")), png).unwrap();
    }

    /// Keeps what is seen, for people.
    async fn shot(&self, name: &str) {
        let png = self.driver.screenshot_as_png().await.unwrap();
        std::fs::write(self.shots.join(format!("{name}.png")), png).unwrap();
    }
}
