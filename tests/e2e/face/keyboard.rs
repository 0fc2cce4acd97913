//! The whole visit by keyboard alone, with scripts and without: Tab goes in reading order, each stop is seen with its
//! ring, and Enter does what the reader means.

use crate::face::chromium::Chromium;
use crate::face::letters;
use crate::face::town::CHOSEN;
use crate::face::town::PIN;
use crate::face::town::SITE;
use crate::face::town::Town;
use crate::patience::until;
use guardpost::base::language::Language;
use serde_json::json;

/// Where the focus is, as a reader sees it.
const STOP: &str = "(() => { const e = document.activeElement; if (!e || e === document.body) return null;
    const box = e.getBoundingClientRect(), look = getComputedStyle(e);
    const name = e.tagName.toLowerCase() + (e.name ? `[name=${e.name}]` : e.id ? '#' + e.id : '') + ' ' +
        (e.innerText || e.getAttribute('aria-label') || '').trim().slice(0, 40);
    // A stop inside a frame has no look of its own here.
    const framed = e.tagName === 'IFRAME';
    window.tabbed = window.tabbed || [];
    const before = window.tabbed.at(-1), again = window.tabbed.includes(e);
    if (!again) window.tabbed.push(e);
    const behind = !before || again || !!(before.compareDocumentPosition(e) & Node.DOCUMENT_POSITION_FOLLOWING);
    return { name, again, behind, framed,
        top: box.top + scrollY, left: box.left, bottom: box.bottom + scrollY,
        seen: box.width > 1 && box.height > 1 && box.bottom > 0 && box.right > 0
            && box.top < innerHeight && box.left < innerWidth,
        ring: look.outlineStyle !== 'none' && parseFloat(look.outlineWidth) >= 2 } })()";

/// Goes through the whole page by Tab: what is wrong with any stop.
async fn through(browser: &Chromium, page: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut stops: Vec<serde_json::Value> = Vec::new();
    // An error takes the focus when its page opens; everything in front of it is reached from the top.
    browser.evaluate("document.activeElement?.blur(); getSelection().collapse(document.body, 0)").await;
    for _ in 0..200 {
        browser.key("Tab", false).await;
        let stop = browser.evaluate(STOP).await;
        if stop.is_null() || stop["again"] == true {
            break;
        }
        let name = stop["name"].as_str().unwrap_or_default();
        if stop["seen"] != true {
            wrong.push(format!("{page}: {name} is not seen"));
        }
        if stop["ring"] != true && stop["framed"] != true {
            wrong.push(format!("{page}: {name} has no ring"));
        }
        if stop["behind"] != true {
            wrong.push(format!("{page}: {name} comes before what stands in front of it"));
        }
        if let Some(before) = stops.last() {
            let number = |stop: &serde_json::Value, name: &str| stop[name].as_f64().unwrap_or_default();
            let above = number(&stop, "bottom") <= number(before, "top");
            let skip = stops.len() == 1;
            if above && !skip {
                wrong.push(format!("{page}: {name} stands above {}", before["name"]));
            }
        }
        stops.push(stop);
    }
    if stops.len() < 3 {
        wrong.push(format!("{page}: only {} stops", stops.len()));
    }
    wrong
}

/// Presses Tab until the focus is there.
async fn tab_to(browser: &Chromium, selector: &str) {
    let there = format!("document.activeElement?.matches({})", json!(selector));
    for _ in 0..200 {
        browser.key("Tab", false).await;
        if browser.evaluate(&there).await == true {
            return;
        }
    }
    panic!("Tab does not lead to {selector}: {}", browser.text("body").await);
}

/// Presses Enter, and waits for the page that it leads to.
async fn enter(browser: &Chromium) {
    browser.depart().await;
    browser.key("Enter", false).await;
    browser.arrive().await;
}

async fn a_visit(scripts: bool) {
    let town = Town::new().await;
    let browser = town.chromium().await;
    browser.size(1024, 768).await;
    browser.scripts(scripts).await;
    let who = "max.berger@kunde.example";
    let invited = town.invite(who, PIN).await;
    let formatted = letters::formatted(Language::En);
    town.write(who, formatted.subject, "", &formatted.body).await;
    let mut wrong = Vec::new();

    browser.open(if scripts { &invited.link } else { &invited.page }).await;
    wrong.extend(through(&browser, "first use").await);
    browser.open("about:blank").await;
    browser.open(if scripts { &invited.link } else { &invited.page }).await;
    if !scripts {
        tab_to(&browser, "[name=token]").await;
        browser.type_text(&invited.token).await;
    }
    tab_to(&browser, "[name=pin]").await;
    browser.type_text(PIN).await;
    for name in ["password", "confirm"] {
        tab_to(&browser, &format!("[name={name}]")).await;
        browser.type_text(CHOSEN).await;
    }
    tab_to(&browser, "[name=understood]").await;
    browser.key(" ", false).await;
    tab_to(&browser, "form.first button").await;
    enter(&browser).await;

    wrong.extend(through(&browser, "list").await);
    browser.open(&format!("{SITE}/mailbox")).await;
    tab_to(&browser, ".list a").await;
    enter(&browser).await;
    wrong.extend(through(&browser, "message").await);
    browser.open(&browser.address().await).await;
    tab_to(&browser, "a[href$='/reply']").await;
    enter(&browser).await;
    wrong.extend(through(&browser, "reply").await);

    browser.open(&browser.address().await).await;
    browser.traffic().await;
    tab_to(&browser, "[name=body]").await;
    browser.type_text("Answered without a mouse.").await;
    tab_to(&browser, "[name=attachment]").await;
    browser.cdp("Page.setInterceptFileChooserDialog", json!({ "enabled": true })).await;
    browser.key(" ", false).await;
    // The key is answered by the page, the chooser opened by the browser: either may be told first.
    let asked = until("Space asks for a file", async || browser.traffic().await.file_chooser).await;
    let file = browser.file("by-key.txt", b"Chosen without a mouse.");
    browser.cdp("DOM.setFileInputFiles", json!({ "files": [file], "backendNodeId": asked })).await;
    tab_to(&browser, "main form button.button").await;
    enter(&browser).await;
    assert!(browser.address().await.contains("/mailbox/sent"), "{}", browser.text("body").await);
    wrong.extend(through(&browser, "sent").await);
    browser.open(&browser.address().await).await;
    tab_to(&browser, ".list a").await;
    enter(&browser).await;
    let sent = browser.text("main").await;
    assert!(sent.contains("Answered without a mouse.") && sent.contains("by-key.txt"), "{sent}");
    tab_to(&browser, "form[action='/logout'] button").await;
    enter(&browser).await;
    assert!(browser.address().await.ends_with("/signed-out"), "{}", browser.text("body").await);
    wrong.extend(through(&browser, "signed out").await);
    browser.open(&format!("{SITE}/login")).await;
    wrong.extend(through(&browser, "sign in").await);
    browser.quit().await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visit_by_keyboard_alone() {
    a_visit(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visit_by_keyboard_alone_without_scripts() {
    a_visit(false).await;
}

/// Whatever is typed is meant for the mailbox: the sender is told nothing by a key that slipped.
#[tokio::test(flavor = "multi_thread")]
async fn enter_in_any_field_of_the_first_use_opens_the_mailbox() {
    let town = Town::new().await;
    let browser = town.chromium().await;
    let who = "max.berger@kunde.example";
    let invited = town.invite(who, PIN).await;
    for name in ["token", "pin", "password", "confirm", "understood"] {
        browser.open("about:blank").await;
        browser.open(if name == "token" { &invited.page } else { &invited.link }).await;
        // With everything else missing the form comes back: that is how it is seen where it went.
        browser.evaluate("document.querySelector('form.first').noValidate = true").await;
        tab_to(&browser, &format!("[name={name}]")).await;
        if name != "understood" {
            browser.type_text("no").await;
        }
        browser.traffic().await;
        enter(&browser).await;
        let asked = browser.traffic().await.requests;
        let form = format!("/i/{}", invited.page.rsplit('/').next().unwrap());
        let posted: Vec<_> = asked.iter().filter(|(method, _)| method == "POST").collect();
        assert_eq!(posted, [&("POST".to_owned(), format!("{SITE}{form}"))], "Enter in {name}");
        assert!(browser.title().await.starts_with("Error:"), "{}", browser.title().await);
    }
    browser.quit().await;
}
