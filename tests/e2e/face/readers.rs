//! What single readers need: the shortest way, words that are too long, paper, and the system's own colours.

use crate::face::chromium::Chromium;
use crate::face::chromium::Media;
use crate::face::judge;
use crate::face::letters;
use crate::face::town::ANNA;
use crate::face::town::CHOSEN;
use crate::face::town::PIN;
use crate::face::town::SITE;
use crate::face::town::Town;
use guardpost::base::language::Language;

const MAX: &str = "max.berger@kunde.example";

/// First use, as everybody does it.
async fn first_use(browser: &Chromium, link: &str) {
    browser.open(link).await;
    browser.fill("pin", PIN).await;
    browser.fill("password", CHOSEN).await;
    browser.fill("confirm", CHOSEN).await;
    browser.click("#understood").await;
    browser.follow_at("form.first button.button").await;
}

/// From the mail to the text: one link, one PIN, one password, at most four screens; counted by what is shown and
/// filled in.
#[tokio::test(flavor = "multi_thread")]
async fn the_text_is_one_link_one_pin_and_one_password_away() {
    let town = Town::new().await;
    let browser = town.chromium().await;
    let invited = town.invite(MAX, PIN).await;
    let mail = String::from_utf8(town.house.world.taken()[0].text.clone()).unwrap();
    let links = mail.lines().filter(|line| line.starts_with("https://")).count();
    assert_eq!(links, 1, "one link to follow: {mail}");
    let (mut screens, mut typed) = (0, Vec::new());

    browser.open(&invited.link).await;
    screens += 1;
    let fields =
        browser.evaluate("[...document.querySelectorAll('main input:not([type=hidden])')].map(e => e.name)");
    for name in fields.await.as_array().unwrap() {
        let name = name.as_str().unwrap();
        match name {
            "pin" => browser.fill(name, PIN).await,
            "password" | "confirm" => browser.fill(name, CHOSEN).await,
            "understood" => browser.click("#understood").await,
            other => panic!("nobody told him what {other} is"),
        }
        typed.push(name.to_owned());
    }
    browser.follow_at("form.first button.button").await;
    screens += 1;
    assert_eq!(typed, ["pin", "password", "confirm", "understood"]);
    while !browser.text("main").await.contains("what we spoke about") {
        screens += 1;
        assert!(screens <= 4, "{}", browser.text("main").await);
        browser.follow_at("main .list a").await;
    }
    browser.quit().await;
}

/// Without scripts nothing stops a second press: the first answer is dropped, and the second one opens the mailbox, too.
#[tokio::test(flavor = "multi_thread")]
async fn the_button_of_the_first_use_pressed_twice_opens_the_mailbox() {
    let town = Town::new().await;
    let browser = town.chromium().await;
    let invited = town.invite(MAX, PIN).await;
    browser.scripts(false).await;
    browser.open(&invited.page).await;
    browser.fill("token", &invited.token).await;
    browser.fill("pin", PIN).await;
    browser.fill("password", CHOSEN).await;
    browser.fill("confirm", CHOSEN).await;
    browser.click("#understood").await;
    browser.traffic().await;
    browser.depart().await;
    browser.press_twice("form.first .actions button.button").await;
    browser.arrive().await;
    let main = browser.text("main").await;
    assert!(browser.address().await.ends_with("/mailbox"), "{main}");
    let asked = browser.traffic().await.requests.into_iter();
    let pressed = asked.filter(|(method, url)| method == "POST" && url.contains("/i/")).count();
    assert_eq!(pressed, 2, "both presses went out");
    browser.open(&format!("{SITE}/mailbox/sessions")).await;
    assert_eq!(browser.count("main .sessions li").await, 1, "and one session is left");
    browser.quit().await;
}

/// 250 KB of compound words in every place that somebody else writes break no page on the smallest screen.
#[tokio::test(flavor = "multi_thread")]
async fn german_compound_words_break_no_layout() {
    let town = Town::new().await;
    let browser = town.chromium().await;
    let invited = town.invite(MAX, PIN).await;
    let (subject, name) = (compound(240), compound(90));
    let text =
        [compound(60_000), compound(70_000), (0..2_000).map(|_| compound(60)).collect::<Vec<_>>().join(" ")];
    let text = text.join("\r\n\r\n");
    assert!(text.len() > 250_000);
    let html = format!(
        "<h1>{}</h1><p>{text}</p><table><tr><td>{}</td><td>{}</td></tr></table><pre>{}</pre>\
         <a href=\"https://{}.example/\">{}</a>",
        compound(300),
        compound(300),
        compound(300),
        compound(300),
        compound(60),
        compound(300)
    );
    let file = format!(
        "Content-Type: multipart/mixed; boundary=\"m\"\r\n\r\n--m\r\n{}\r\n--m\r\nContent-Type: application/pdf\r\n\
         Content-Disposition: attachment; filename=\"{}.pdf\"\r\n\r\nx\r\n--m--\r\n",
        letters::long_text_body(&text),
        compound(200)
    );
    for body in [file, letters::html_body(&html)] {
        let message = format!(
            "From: \"{name}\" <{ANNA}>\r\nTo: \"{name}\" <{MAX}>\r\nSubject: [secure] {subject}\r\nMIME-Version: 1.0\r\n{body}"
        );
        town.submit(ANNA, MAX, &message).await;
    }
    first_use(&browser, &invited.link).await;
    browser.size(320, 568).await;
    let mut wrong = Vec::new();
    for page in [
        "",
        "/inbox/2",
        "/inbox/2/reply",
        "/inbox/2/print",
        "/inbox/3",
        "/inbox/3/body",
        "/inbox/3/print",
        "/inbox/3/reply",
    ] {
        browser.open(&format!("{SITE}/mailbox{page}")).await;
        let there = "document.querySelectorAll('details').forEach(e => e.open = true);
             (document.body.textContent + document.querySelector('[name=subject]')?.value).includes('donaudampfschiff')";
        assert_eq!(browser.evaluate(there).await, true, "{page}");
        wrong.extend(judge::sideways(&browser).await.map(|wide| format!("{page}: {wide}")));
    }
    browser.quit().await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// One word of so many letters.
fn compound(letters: usize) -> String {
    "donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
        .replace('ä', "ae")
        .chars()
        .cycle()
        .take(letters)
        .collect()
}

/// On paper there is the message, and nothing to click on.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_prints_without_what_is_for_the_screen() {
    let town = Town::new().await;
    let browser = town.chromium().await;
    let invited = town.invite(MAX, PIN).await;
    let formatted = letters::formatted(Language::En);
    town.write(MAX, formatted.subject, "", &formatted.body).await;
    first_use(&browser, &invited.link).await;
    for page in ["/mailbox/inbox/1", "/mailbox/inbox/2", "/mailbox/inbox/2/print"] {
        browser.open(&format!("{SITE}{page}")).await;
        browser.media(Media { print: true, ..Media::default() }).await;
        let shown = browser
            .evaluate(
                "[...document.querySelectorAll('nav, input, button, .button, .skip, .actions, .language, .bottom a')]
                 .filter(e => e.checkVisibility()).map(e => e.outerHTML.slice(0, 80))",
            )
            .await;
        assert_eq!(shown, serde_json::json!([]), "{page}");
        for selector in ["h1", "dl"] {
            assert!(browser.shows(selector).await, "{page}: {selector} is on paper");
        }
        let framed = browser.shows("iframe").await;
        assert!(framed || browser.text("body").await.contains("Dear Max"), "{page}: the text is on paper");
        browser.media(Media::default()).await;
    }
    browser.quit().await;
}

/// Where the system paints every page in its own colours, what is unread is still seen.
#[tokio::test(flavor = "multi_thread")]
async fn unread_is_seen_in_forced_colours() {
    let town = Town::new().await;
    let browser = town.chromium().await;
    let invited = town.invite(MAX, PIN).await;
    let plain = letters::plain(Language::En);
    town.write(MAX, plain.subject, "", &plain.body).await;
    first_use(&browser, &invited.link).await;
    browser.follow_at(".list a").await;
    browser.follow_at(".nav a").await;
    browser.media(Media { forced: true, ..Media::default() }).await;
    assert_eq!(browser.evaluate("matchMedia('(forced-colors: active)').matches").await, true);
    let line = "e => { const look = getComputedStyle(e);
        return [look.borderLeftStyle, parseFloat(look.borderLeftWidth), look.borderLeftColor, look.backgroundColor] }";
    let of = |selector: &str| format!("({line})(document.querySelector('{selector}'))");
    let unread = browser.evaluate(&of(".list li.unread")).await;
    let read = browser.evaluate(&of(".list li:not(.unread)")).await;
    assert!(unread[0] == "solid" && unread[1].as_f64() >= Some(3.0) && unread[2] != unread[3], "{unread}");
    assert_ne!(unread, read, "and only what is unread");
    assert!(browser.shows(".list li.unread .badge").await, "in words, too");
    browser.quit().await;
}
