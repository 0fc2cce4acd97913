//! The walk past every page and state, in one language: how each is reached, as its reader reaches it.

use crate::face::chromium::Chromium;
use crate::face::chromium::Media;
use crate::face::judge;
use crate::face::judge::Axe;
use crate::face::judge::Look;
use crate::face::town::CHOSEN;
use crate::face::town::Invited;
use crate::face::town::SITE;
use crate::face::town::Town;
use crate::patience::PATIENCE;
use guardpost::base::language::Language;
use guardpost::serve::portal::route::ROUTES;
use guardpost::serve::portal::route::Verb;
use guardpost::texts;
use guardpost::texts::Value;
use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

/// Somebody who goes past every page, and what is noticed on the way.
pub struct Walk {
    /// Where.
    pub town: Town,
    /// With what.
    pub browser: Chromium,
    /// In which language.
    pub language: Language,
    looks: Vec<Look>,
    axe: Axe,
    served: PathBuf,
    shots: Option<PathBuf>,
    stops: Vec<String>,
    asked: BTreeSet<(String, String)>,
    wrong: Vec<String>,
}

impl Walk {
    /// In a town of its own.
    pub async fn new(language: Language) -> Self {
        let mut town = Town::new().await;
        town.language = language;
        let browser = town.chromium().await;
        let served = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("face").join(language.tag());
        let _ = fs::remove_dir_all(&served);
        fs::create_dir_all(&served).unwrap();
        let shots = env::var_os("GUARDPOST_SCREENSHOTS").map(PathBuf::from);
        if let Some(shots) = &shots {
            fs::create_dir_all(shots).unwrap();
        }
        let looks = match env::var("GUARDPOST_FACE").as_deref() {
            Ok("all") => Look::ALL.to_vec(),
            _ if language == Language::En => vec![Look::DESK],
            _ => vec![Look::PHONE],
        };
        looks[0].put_on(&browser).await;
        Self {
            town,
            browser,
            language,
            looks,
            axe: Axe::new(),
            served,
            shots,
            stops: Vec::new(),
            asked: BTreeSet::new(),
            wrong: Vec::new(),
        }
    }

    /// A text of the portal.
    pub fn say(&self, id: &str) -> String {
        let brand = ("brand", Value::Words("Weber & Roth"));
        texts::text(self.language, id, &[brand])
    }

    /// Clicks on the link or button with that text, and waits for the page that it leads to.
    pub async fn follow(&self, id: &str) {
        self.browser.follow(&self.say(id)).await;
    }

    /// Clicks on what opens something on this page, or saves a file.
    pub async fn press(&self, id: &str) {
        self.browser.press(&self.say(id)).await;
    }

    /// The page that the reader has come to is in this state: looks at it from all sides.
    pub async fn stop(&mut self, state: &str) {
        assert!(!self.stops.iter().any(|known| known == state), "{state} was looked at already");
        self.stops.push(state.to_owned());
        let mut found = Vec::new();
        let traffic = self.browser.traffic().await;
        self.note(traffic.requests);
        for (url, fields) in traffic.answers.iter().filter(|(url, _)| url.starts_with(SITE)) {
            found.extend(judge::headers(url, fields));
        }
        let Some(document) = traffic.document else {
            panic!("{state}: no new page came; {}", self.browser.text("body").await)
        };
        // A picture that stays away leaves its place in what the sender wrote.
        let html = document.html.replace("<img alt=\"\">", "");
        fs::write(self.served.join(format!("{state}.html")), html).unwrap();
        found.extend(judge::served(&document));
        found.extend(judge::complaints(&document, traffic.complaints));
        if document.status >= 400 {
            found.extend(judge::next_step(&self.browser).await);
        }
        if !document.still {
            found.extend(judge::shifts(&self.browser).await.map(|moved| format!("it moves: {moved}")));
        }
        Look { width: 320, dark: false }.put_on(&self.browser).await;
        found.extend(judge::sideways(&self.browser).await.map(|wide| format!("320 px: {wide}")));
        self.browser.text_size(200).await;
        found.extend(judge::sideways(&self.browser).await.map(|wide| format!("320 px, text 200 %: {wide}")));
        self.browser.text_size(100).await;
        self.take_pictures(state).await;
        if document.still {
            self.browser.show(&document.html).await;
        }
        for look in &self.looks {
            look.put_on(&self.browser).await;
            for violation in self.axe.violations(&self.browser, document.still).await {
                found.push(format!("axe, {look:?}: {violation}"));
            }
        }
        self.looks[0].put_on(&self.browser).await;
        self.wrong.extend(found.into_iter().map(|what| format!("{state} ({}): {what}", self.language.tag())));
    }

    fn note(&mut self, requests: Vec<(String, String)>) {
        self.asked.extend(requests.into_iter().map(|(method, url)| (method, path(&url))));
    }

    /// Types into an answer, and waits until the script of the page has had it kept: it sends nothing of it later.
    pub async fn type_answer(&mut self, text: &str) {
        self.browser.click("#reply [name=body]").await;
        // At once, however slow the machine is: a part of it would be kept too.
        self.browser.type_text(text).await;
        self.answered("/draft").await;
    }

    /// Waits until the server has answered what a script of the page sent there.
    async fn answered(&mut self, end: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "nothing was sent to {end}");
            let traffic = self.browser.traffic().await;
            let told = traffic.answers.iter().any(|(url, _)| url.ends_with(end));
            self.note(traffic.requests);
            if told {
                return;
            }
        }
    }

    /// For people to look at.
    async fn take_pictures(&self, state: &str) {
        let Some(shots) = &self.shots else { return };
        for (width, height) in [(1280, 900), (360, 740)] {
            for dark in [false, true] {
                self.browser.size(width, height).await;
                self.browser.media(Media { dark, ..Media::default() }).await;
                let theme = if dark { "dark" } else { "light" };
                let name = format!("{state}-{}-{width}-{theme}.png", self.language.tag());
                self.browser.picture(&shots.join(name)).await;
            }
        }
    }

    /// Notes something that only this page must have.
    pub fn demand(&mut self, right: bool, what: &str) {
        if !right {
            self.wrong.push(format!("{} ({}): {what}", self.stops.last().unwrap(), self.language.tag()));
        }
    }

    /// Chooses the password of the first use, and opens the mailbox.
    pub async fn fill_first_use(&self, pin: &str) {
        if !pin.is_empty() {
            self.browser.fill("pin", pin).await;
        }
        self.browser.fill("password", CHOSEN).await;
        self.browser.fill("confirm", CHOSEN).await;
        let ticked = self.browser.find("#understood").await.is_selected().await.unwrap();
        if !ticked {
            self.browser.click("#understood").await;
        }
        self.follow("first-submit").await;
    }

    /// Signs in.
    pub async fn sign_in(&self, address: &str, password: &str) {
        self.browser.fill("address", address).await;
        self.browser.fill("password", password).await;
        self.follow("signin-submit").await;
    }

    /// Follows the link of an invitation: mail programs open a window of its own.
    pub async fn follow_mail(&self, invited: &Invited) {
        self.browser.open("about:blank").await;
        self.browser.open(&invited.link).await;
    }

    /// Opens a page of the portal by its path, as from a bookmark.
    pub async fn open(&self, path: &str) {
        self.browser.open(&format!("{}{path}", SITE)).await;
    }

    /// Every route was taken; nobody else was told anything; and nothing was wrong anywhere.
    pub async fn end(mut self) {
        for route in ROUTES {
            let method = if route.method == Verb::Get { "GET" } else { "POST" };
            if !self.asked.iter().any(|(by, path)| by == method && fits(route.path, path))
                && !UNSEEN.contains(&route.path)
            {
                self.wrong.push(format!("the walk never came by {method} {}", route.path));
            }
        }
        self.wrong.extend(judge::validate(&self.served, "htmlvalidate.cjs"));
        let told = self.town.told_elsewhere();
        let told = told.into_iter().filter(|line| !line.contains("stranger.example"));
        self.wrong.extend(told.map(|line| format!("somebody else was told: {line}")));
        self.browser.quit().await;
        assert!(
            self.wrong.is_empty(),
            "{} of {} states:\n{}",
            self.wrong.len(),
            self.stops.len(),
            self.wrong.join("\n")
        );
    }
}

/// For machines; and for scripts, while something large goes up or comes down.
const UNSEEN: &[&str] = &["/health", "/mailbox/reply/progress", "/mailbox/export/progress"];

fn path(url: &str) -> String {
    let path = url.strip_prefix(SITE).unwrap_or(url);
    path.split(['?', '#']).next().unwrap_or_default().to_owned()
}

fn fits(route: &str, path: &str) -> bool {
    let (wanted, given): (Vec<_>, Vec<_>) = (route.split('/').collect(), path.split('/').collect());
    wanted.len() == given.len()
        && wanted.iter().zip(given).all(|(wanted, given)| wanted.starts_with('{') || *wanted == given)
}
