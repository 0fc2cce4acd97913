//! Names that hurt: a host of 60 letters, an address of 250, files of 200 without a place to break, and names that run
//! from right to left. They are shown to their end, in lines, on every screen.

use crate::face::chromium::Chromium;
use crate::face::judge;
use crate::face::town::CHOSEN;
use crate::face::town::PIN;
use crate::harness::House;
use crate::harness::PASSWORD;
use crate::peer::Plan;
use guardpost::net::listen::Service;

const HOST: usize = 60;
const ADDRESS: usize = 250;
const NAME: usize = 200;

/// Words that are shown in many short lines, a few letters each.
const CRUMBS: &str = "[...document.querySelectorAll('body *:not(.unseen, script, option)')].flatMap(e =>
    [...e.childNodes].filter(n => n.nodeType === 3 && n.data.trim().length > 30 && e.checkVisibility()).map(n => {
        const range = document.createRange(); range.selectNodeContents(n);
        const boxes = [...range.getClientRects()].filter(box => box.width > 0);
        const lines = new Set(boxes.map(box => Math.round(box.top))).size;
        const widest = Math.max(0, ...boxes.map(box => box.width));
        return lines > 3 && widest < 120 ? widest + ' px: ' + n.data.trim().slice(0, 60) : '' }).filter(Boolean))";

/// `begin`, as many letters as it takes, and `end`: so many in all.
fn long(begin: &str, end: &str, letters: usize) -> String {
    let fill = "donaudampfschifffahrtselektrizitaetenhauptbetriebswerkbauunterbeamtengesellschaft";
    let missing = letters - begin.chars().count() - end.chars().count();
    format!("{begin}{}{end}", fill.chars().cycle().take(missing).collect::<String>())
}

fn percent(name: &str) -> String {
    name.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Every page between the link and signing out, on three screens.
#[tokio::test(flavor = "multi_thread")]
async fn long_names_are_whole_on_every_screen() {
    let host = long("post.", ".example", HOST);
    let reader = {
        let domain = format!("{}.{}.{}.example", long("", "", 60), long("", "", 60), long("", "", 55));
        format!("{}@{domain}", long("", "", ADDRESS - 1 - domain.len()))
    };
    assert_eq!((host.len(), reader.len()), (HOST, ADDRESS));
    let writer = format!("{}@weber-roth.example", long("", "", 60));
    let more = format!(
        "[temporary_mailbox]\npin = \"optional\"\n[[domain]]\nname = \"weber-roth.example\"\n[domain.portal]\n\
         url = \"https://{host}\"\nbrand = \"{}\"\n",
        long("Weber & ", "", 90)
    );
    let house = House::empty(Plan::default(), &more).await;
    house.add_account(&writer, PASSWORD).await;
    let names = [
        long("", ".pdf", NAME),
        long("חוזה ", ".pdf", 40),
        format!("{}\u{202e}gpj.exe", "עברית".repeat(36)),
        long("Rechnung\u{200f}\u{2067}", ".docm", 60),
    ];
    let files: Vec<_> = names
        .iter()
        .map(|name| {
            let name = percent(name);
            format!(
                "--m\r\nContent-Type: application/octet-stream\r\n\
                 Content-Disposition: attachment; filename*=utf-8''{name}\r\n\r\nx\r\n"
            )
        })
        .collect();
    let message = format!(
        "From: <{writer}>\r\nTo: <{reader}>\r\nSubject: [secure] Plan\r\nX-Guardpost-PIN: {PIN}\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=\"m\"\r\n\r\n--m\r\nContent-Type: text/plain\r\n\r\nsee the files\r\n{}--m--\r\n",
        files.concat()
    );
    let reply = house.submission(&writer, PASSWORD).await.send(&writer, &[&reader], &message).await;
    assert!(reply.is(250, "2.0.0"), "{reply:?}");
    let mails = house.world.wait_for(1).await;
    let mail = mails.iter().find(|mail| mail.rcpts == [format!("<{reader}>")]).unwrap();
    let link = crate::main_job::link(mail);
    let rules = format!("MAP {host} 127.0.0.1:{},MAP * ~NOTFOUND", house.port(Service::Https));
    let browser = Chromium::start(&rules).await;
    let mut wrong = Vec::new();
    let site = format!("https://{host}");

    browser.open(&link).await;
    look(&browser, "first use", &mut wrong).await;
    assert!(browser.text(".bottom").await.contains(&host), "the host is shown whole");
    browser.fill("pin", PIN).await;
    browser.fill("password", CHOSEN).await;
    browser.fill("confirm", CHOSEN).await;
    browser.click("#understood").await;
    browser.follow_at("form.first button.button").await;
    look(&browser, "opened", &mut wrong).await;
    assert!(browser.text("main").await.contains(&reader), "the address is shown whole");
    for path in ["/inbox/1", "/inbox/1/reply", "/inbox/1/print", "/key", "/export", "/sessions"] {
        browser.open(&format!("{site}/mailbox{path}")).await;
        look(&browser, path, &mut wrong).await;
    }
    browser.open(&format!("{site}/mailbox/inbox/1")).await;
    let shown = browser.text(".files-list").await;
    assert!(shown.contains(&names[0]) && shown.contains("EXE") && shown.contains("DOCM"), "{shown}");
    let turning = ['\u{202e}', '\u{200f}', '\u{2067}'];
    assert!(!shown.contains(turning), "nothing turns what follows: {shown:?}");
    let apart = browser
        .evaluate("[...document.querySelectorAll('.files-list .name')].every(e => e.querySelector('bdi'))");
    assert_eq!(apart.await, true, "a name that runs the other way runs alone");

    browser.open(&format!("{site}/mailbox/inbox/1/reply")).await;
    browser.fill("body", "Thank you.").await;
    let file = browser.file(&names[0], b"x");
    browser.choose("attachment", &[file]).await;
    look(&browser, "reply with a file", &mut wrong).await;
    browser.follow_at("main form .actions .button").await;
    look(&browser, "sent", &mut wrong).await;
    browser.follow_at(".list a").await;
    look(&browser, "sent message", &mut wrong).await;
    browser.follow_at("form[action='/logout'] button").await;
    for path in ["/login", "/help", "/nothing"] {
        browser.open(&format!("{site}{path}")).await;
        look(&browser, path, &mut wrong).await;
    }
    browser.quit().await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn look(browser: &Chromium, page: &str, wrong: &mut Vec<String>) {
    for (width, height) in [(320, 568), (360, 740), (1280, 900)] {
        browser.size(width, height).await;
        wrong.extend(judge::sideways(browser).await.map(|wide| format!("{page}, {width} px: {wide}")));
        let crumbs = browser.evaluate(CRUMBS).await;
        let crumbs = crumbs.as_array().expect("a list").iter();
        wrong.extend(crumbs.map(|crumb| format!("{page}, {width} px, letter by letter: {crumb}")));
    }
}
