//! Two organisations on one appliance: each shows its own name, picture, colour and links on every page under its own
//! host; another host gets the first one's, and nobody's mailbox. Under one host for both, each page is the one's whose
//! invitation or mailbox it is about, and until that is known nobody's.

use crate::face::chromium::Chromium;
use crate::face::town::CHOSEN;
use crate::face::town::Invited;
use crate::face::town::PIN;
use crate::harness::House;
use crate::harness::PASSWORD;
use crate::peer::Plan;
use guardpost::base::id::InvitationId;
use guardpost::net::listen::Service;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// An organisation as it stands in guard.toml.
struct Brand {
    domain: &'static str,
    site: &'static str,
    name: &'static str,
    colour: &'static str,
    /// Of its picture, CSS pixels at a height of 32.
    width: u32,
    links: [&'static str; 3],
}

const BRANDS: [Brand; 2] = [
    Brand {
        domain: "weber-roth.example",
        site: "https://post.weber-roth.example",
        name: "Weber & \"Roth\"",
        colour: "#7a1f5c",
        width: 64,
        links: [
            "https://weber-roth.example/imprint",
            "https://weber-roth.example/privacy",
            "mailto:ask@weber-roth.example",
        ],
    },
    Brand {
        domain: "hafen.example",
        site: "https://post.hafen.example",
        name: "Hafen <Nord>",
        colour: "#1c6b2a",
        width: 96,
        links: [
            "https://hafen.example/impressum",
            "https://hafen.example/datenschutz",
            "https://hafen.example/kontakt",
        ],
    },
];

impl Brand {
    fn writer(&self) -> String {
        format!("anna@{}", self.domain)
    }

    fn reader(&self) -> String {
        format!("max.{}@kunde.example", self.width)
    }

    fn section(&self, pictures: &Path) -> String {
        let picture = pictures.join(format!("{}.svg", self.domain));
        let svg = format!("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} 32\"/>", self.width);
        fs::write(&picture, svg).unwrap();
        let [imprint, privacy, contact] = self.links;
        format!(
            "[[domain]]\nname = \"{}\"\n[domain.portal]\nurl = \"{}\"\nbrand = '{}'\nlogo = \"{}\"\naccent = \"{}\"\n\
             imprint_url = \"{imprint}\"\nprivacy_url = \"{privacy}\"\ncontact = \"{}\"\n",
            self.domain,
            self.site,
            self.name,
            picture.display(),
            self.colour,
            contact.trim_start_matches("mailto:")
        )
    }

    async fn invites(&self, house: &House) -> Invited {
        let (from, to) = (self.writer(), self.reader());
        let before = house.world.taken().len();
        let message = format!(
            "From: <{from}>\r\nTo: <{to}>\r\nSubject: [secure] Plan\r\nX-Guardpost-PIN: {PIN}\r\n\r\nfor {to} alone\r\n"
        );
        let reply = house.submission(&from, PASSWORD).await.send(&from, &[&to], &message).await;
        assert!(reply.is(250, "2.0.0"), "{reply:?}");
        let invited = Invited::behind(house, before, &to).await;
        assert!(invited.page.starts_with(&format!("{}/i/", self.site)), "{}", invited.page);
        invited
    }
}

/// What a page shows of whose it is.
const SHOWN: &str = "(() => { const picture = document.querySelector('.brand img');
    const links = [...document.querySelectorAll('.bottom .ways a')].map(a => a.getAttribute('href'));
    return { name: document.querySelector('.brand').innerText.trim(), title: document.title,
        width: picture.width, natural: Math.round(32 * picture.naturalWidth / picture.naturalHeight),
        colour: getComputedStyle(document.documentElement).getPropertyValue('--brand').trim(),
        host: document.querySelector('.bottom .host').innerText, owner: document.querySelector('.bottom p').innerText,
        links: links.filter(link => !link.startsWith('/')) } })()";

/// Everything on the page that is another's, or missing.
async fn wrong(browser: &Chromium, brand: &Brand) -> Vec<String> {
    let shown = browser.evaluate(SHOWN).await;
    let page = browser.address().await;
    let mut wrong = Vec::new();
    let mut holds = |what: &str, right: bool| {
        if !right {
            wrong.push(format!("{page}: {what}: {shown}"));
        }
    };
    let text = |name: &str| shown[name].as_str().unwrap_or_default().to_owned();
    holds("name", shown["name"] == brand.name);
    holds("title", text("title").ends_with(&format!(" – {}", brand.name)));
    holds("picture", shown["width"] == brand.width && shown["natural"] == brand.width);
    holds("colour", shown["colour"] == brand.colour);
    holds("host", text("host") == brand.site.trim_start_matches("https://"));
    holds("owner", text("owner").contains(brand.name));
    holds("links", shown["links"] == json!(brand.links));
    wrong
}

/// Of nobody's mailbox.
const GUESTS: [&str; 7] =
    ["/", "/login", "/help", "/signed-out", "/nothing/here", "/logout", "/mailbox/inbox/1"];
/// Behind `/mailbox`; of nobody's, the last is: it takes only what is sent by a form.
const INSIDE: [&str; 9] =
    ["", "/sent", "/inbox/1", "/inbox/1/reply", "/key", "/export", "/sessions", "/inbox/99", "/search"];

async fn first_use(browser: &Chromium, link: &str, pin: &str) {
    browser.open("about:blank").await;
    browser.open(link).await;
    browser.fill("pin", pin).await;
    browser.fill("password", CHOSEN).await;
    browser.fill("confirm", CHOSEN).await;
    browser.click("#understood").await;
    browser.follow_at("form.first button.button").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_its_organisations_own() {
    let pictures = tempfile::tempdir().unwrap();
    let more: String = BRANDS.iter().map(|brand| brand.section(pictures.path())).collect();
    let house =
        House::empty(Plan::default(), &format!("[temporary_mailbox]\npin = \"optional\"\n{more}")).await;
    let port = house.port(Service::Https);
    let hosts = ["post.weber-roth.example", "post.hafen.example", "stranger.example"];
    let rules: Vec<_> = hosts.iter().map(|host| format!("MAP {host} 127.0.0.1:{port}")).collect();
    let browser = Chromium::start(&format!("{},MAP * ~NOTFOUND", rules.join(","))).await;
    let mut found = Vec::new();
    for brand in &BRANDS {
        house.add_account(&brand.writer(), PASSWORD).await;
        let invited = brand.invites(&house).await;
        for path in GUESTS {
            browser.open(&format!("{}{path}", brand.site)).await;
            found.extend(wrong(&browser, brand).await);
        }
        for state in ["", "/cancelled", "/asked"] {
            browser.open(&format!("{}{state}", invited.page)).await;
            found.extend(wrong(&browser, brand).await);
        }
        first_use(&browser, &invited.link, "000000").await;
        assert!(browser.title().await.contains("Error:"), "{}", browser.title().await);
        found.extend(wrong(&browser, brand).await);
        first_use(&browser, &invited.link, PIN).await;
        for path in INSIDE {
            browser.open(&format!("{}/mailbox{path}", brand.site)).await;
            found.extend(wrong(&browser, brand).await);
        }
        browser.open(&format!("{}/mailbox/inbox/1/print", brand.site)).await;
        assert!(browser.title().await.ends_with(&format!(" – {}", brand.name)), "{}", browser.title().await);
        browser.open(&format!("{}/help", brand.site)).await;
        let help = browser.text("main").await;
        assert!(help.contains(brand.name) && help.contains(brand.domain), "{help}");
    }

    // Two windows on two hosts: who is signed in here is not signed in there, and each stays what it is.
    for brand in &BRANDS {
        browser.open(&format!("{}/mailbox", brand.site)).await;
        browser.follow_at(".list a").await;
        let text = browser.text("main").await;
        assert!(text.contains(&format!("for {} alone", brand.reader())), "{text}");
        found.extend(wrong(&browser, brand).await);
    }

    // A name that nobody configured: the first organisation's page, which says so and leads nowhere.
    browser.open("https://stranger.example/login").await;
    let shown = browser.evaluate(SHOWN).await;
    assert_eq!(shown["name"], Value::from("House"));
    assert_eq!(shown["links"], json!([]));
    assert!(shown["natural"].as_u64() == Some(32), "it has its picture: {shown}");
    assert!(browser.text("main").await.contains("is not the name of this server"));
    assert_eq!(browser.count("form").await, 0);
    browser.quit().await;
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// What pages under a shared address show before it is known whose they are.
async fn nobodys(browser: &Chromium) -> Option<String> {
    let shown = browser.evaluate(SHOWN).await;
    let right = shown["name"] == "House"
        && shown["title"].as_str().unwrap().ends_with(" – House")
        && shown["natural"] == 32
        && shown["colour"] == "#0b5cad"
        && shown["links"] == json!([]);
    let page = browser.address().await;
    (!right).then(|| format!("{page}: it is somebody's: {shown}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn under_one_address_a_page_is_whose_mailbox_it_is() {
    let pictures = tempfile::tempdir().unwrap();
    let site = "https://post.shared.example";
    let brands = BRANDS.map(|brand| Brand { site, ..brand });
    let more: String = brands.iter().map(|brand| brand.section(pictures.path())).collect();
    let house =
        House::empty(Plan::default(), &format!("[temporary_mailbox]\npin = \"optional\"\n{more}")).await;
    let port = house.port(Service::Https);
    let browser = Chromium::start(&format!("MAP post.shared.example 127.0.0.1:{port},MAP * ~NOTFOUND")).await;
    let mut found = Vec::new();
    for path in GUESTS {
        browser.open(&format!("{site}{path}")).await;
        found.extend(nobodys(&browser).await);
    }
    browser.open(&format!("{site}/help")).await;
    let help = browser.text("main").await;
    for brand in &brands {
        assert!(help.contains(brand.domain), "both are named: {help}");
    }

    for brand in &brands {
        house.add_account(&brand.writer(), PASSWORD).await;
        let invited = brand.invites(&house).await;
        for state in ["", "/cancelled", "/asked"] {
            browser.open(&format!("{}{state}", invited.page)).await;
            found.extend(wrong(&browser, brand).await);
        }
        first_use(&browser, &invited.link, "000000").await;
        assert!(browser.title().await.contains("Error:"), "{}", browser.title().await);
        found.extend(wrong(&browser, brand).await);
        first_use(&browser, &invited.link, PIN).await;
        let [inside @ .., form] = INSIDE;
        for path in inside {
            browser.open(&format!("{site}/mailbox{path}")).await;
            found.extend(wrong(&browser, brand).await);
        }
        browser.open(&format!("{site}/mailbox{form}")).await;
        found.extend(nobodys(&browser).await);
        browser.open(&format!("{site}/mailbox/inbox/1/print")).await;
        assert!(browser.title().await.ends_with(&format!(" – {}", brand.name)), "{}", browser.title().await);
        browser.open(&format!("{site}/help")).await;
        found.extend(wrong(&browser, brand).await);
        browser.open(&format!("{site}/mailbox")).await;
        browser.follow_at("form[action='/logout'] button").await;
        found.extend(nobodys(&browser).await);
        browser.open(&invited.page).await;
        found.extend(wrong(&browser, brand).await);
    }

    // Whoever signs in is at home again; another's invitation is another's, whoever is signed in.
    for brand in &brands {
        browser.open(&format!("{site}/login")).await;
        found.extend(nobodys(&browser).await);
        browser.fill("address", &brand.reader()).await;
        browser.fill("password", CHOSEN).await;
        browser.follow_at("main form button.button").await;
        found.extend(wrong(&browser, brand).await);
        browser.follow_at("form[action='/logout'] button").await;
    }

    // An id that nobody has shows what one shows that somebody has, and the next time the same.
    let mut names = BTreeSet::new();
    for number in 0..24 {
        let page = format!("{site}/i/{}", InvitationId::new([number; 16]));
        let mut shown = Vec::new();
        for _ in 0..2 {
            browser.open(&page).await;
            shown.push(browser.text(".brand").await);
        }
        assert_eq!(shown[0], shown[1]);
        names.extend(shown);
    }
    assert_eq!(names, brands.iter().map(|brand| brand.name.to_owned()).collect());
    browser.quit().await;
    assert!(found.is_empty(), "{}", found.join("\n"));
}
