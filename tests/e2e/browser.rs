//! A recipient's visit in a real browser, against the demo's appliance.

use crate::chromium::Browser;
use crate::chromium::Elsewhere;
use crate::patience::until;
use crate::world::Invited;
use crate::world::PASSWORD;
use crate::world::World;
use crate::world::alice;
use crate::world::demo;

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
    visit.take_what_little_there_is().await;
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
        let file = browser.downloaded("openpgp-key", ".asc").await;
        assert!(file.starts_with(b"-----BEGIN PGP PRIVATE KEY BLOCK-----"));
        assert_eq!(browser.text(".secret").await, shown, "the page with the passphrase stays");
    }

    /// Sent before anybody can look how far it is; what the page says of it is said all the same, each time.
    async fn take_what_little_there_is(&self) {
        let browser = self.browser;
        for _ in 0..2 {
            browser.goto(&format!("{}/mailbox/export", self.world.url())).await;
            browser.click("#export button").await;
            let zip = browser.downloaded("mailbox-20", ".zip").await;
            assert!(zip.starts_with(b"PK"));
            if self.scripts {
                browser.wait_for("Everything was sent to your browser.").await;
            }
            // The file may be whole a moment before its sender is through: a second one would be refused until then.
            let session = browser.cookie("gp").await;
            self.world.wait_for("/mailbox/export/progress", &session, "width=\"102\"").await;
        }
    }

    async fn take_everything(&self) {
        let browser = self.browser;
        browser.goto(&format!("{}/mailbox/export", self.world.url())).await;
        self.shot("12-export").await;
        assert!(!browser.shown("#export-progress").await);
        if self.scripts {
            browser.note("#export-progress").await;
            // So slow that it can be seen how it comes, however seldom the page gets to look.
            browser.line_at(Some(200_000), None).await;
        }
        browser.click("#export button").await;
        if self.scripts {
            until("how far it is", async || browser.noted().await.contains('%').then_some(())).await;
            self.shot("12-export-under-way").await;
            browser.line_at(None, None).await;
            browser.wait_for("Everything was sent to your browser.").await;
        }
        // By the day on which it was asked for.
        let zip = browser.downloaded("mailbox-20", ".zip").await;
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
        browser.wait_for("You are signed out there now.").await;
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
