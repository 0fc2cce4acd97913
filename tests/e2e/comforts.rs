//! What makes the portal kind to its readers, in a real browser: any colour stays readable, what was typed stays, files
//! show their sizes and how far they are.

use crate::chromium::Browser;
use crate::chromium::Elsewhere;
use crate::world::World;
use crate::world::alice;
use crate::world::demo;

/// The style sheet that is served, as the browser computes it, in the light and in the dark.
#[tokio::test(flavor = "multi_thread")]
async fn six_hundred_colours_stay_readable() {
    let demo = demo().await;
    let browser = Browser::start(Elsewhere::listen().await.port).await;
    let world = World { demo: &demo, alice: alice(&demo).await };
    for dark in [false, true] {
        browser.theme(dark).await;
        browser.goto(&format!("{}/login", world.url())).await;
        let found = browser.run(include_str!("contrast.js")).await;
        assert_eq!(found[0], "", "dark: {dark}");
        assert!(found[1].as_u64().unwrap() > 600, "the colours had an effect: {found}");
        assert!(found[2].as_f64().unwrap() >= 4.5, "{found}");
        // The same measure finds what cannot be read.
        let pale = "document.querySelector('style, link[rel=stylesheet]').sheet.insertRule(\
                    ':root { --accent: #ddd !important; --on-accent: #fff !important }', 0)";
        browser.run(pale).await;
        let found = browser.run(include_str!("contrast.js")).await;
        assert!(found[0].as_str().unwrap().contains("text on button"), "{found}");
    }
    browser.quit().await;
    demo.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_in_the_making_survives_and_its_files_are_measured() {
    let demo = demo().await;
    let browser = Browser::start(Elsewhere::listen().await.port).await;
    let world = World { demo: &demo, alice: alice(&demo).await };
    let who = "frieda@elsewhere.example";
    let invited = world.invite(who).await;
    browser.goto(&invited.link).await;
    browser.click("#understood").await;
    browser.open_mailbox(&invited.pin).await;
    browser.wait_for("Save what you must not lose").await;
    let form = format!("{}/mailbox/inbox/1/reply", world.url());
    browser.goto(&form).await;

    // Loaded again, in another language, and back.
    browser.fill("body", "Half a sentence, \"quoted\" & <more>").await;
    // To its last word: whoever types slowly has the half of it kept first.
    world.wait_for("/mailbox/inbox/1/reply", &browser.cookie("gp").await, "&#60;more&#62;").await;
    browser.reload().await;
    browser.wait_for("You typed this here before.").await;
    let typed = "document.getElementById('body').value";
    assert_eq!(browser.run(&format!("return {typed}")).await, "Half a sentence, \"quoted\" & <more>");
    browser.run(&format!("{typed} += ', and on'")).await;
    browser.click(".bottom button").await;
    browser.wait_for("Ihre Antwort wird verschlüsselt").await;
    browser.click(".bottom button").await;
    browser.wait_for("Your reply is encrypted").await;
    assert_eq!(browser.run(&format!("return {typed}")).await, "Half a sentence, \"quoted\" & <more>, and on");
    assert!(browser.address().await.ends_with("/reply?lang=en"), "nothing was sent");

    // Several files, with their sizes before anything is sent.
    let large = browser.file("Vertrag – Entwurf.pdf", &vec![b'x'; 6_400_000]);
    let small = browser.file("notes.txt", &vec![b'x'; 2_400]);
    let huge = browser.file("huge.bin", &vec![b'x'; 20_000_000]);
    browser.choose("attachment", &huge).await;
    browser.wait_for("These files are too large to be sent.").await;
    assert_eq!(browser.run("return document.getElementById('reply').checkValidity()").await, false);
    browser.run("document.getElementById('attachment').value = ''").await;
    browser.choose("attachment", &large).await;
    browser.choose("attachment", &small).await;
    browser.wait_for("Together 6.4 MB").await;
    let shown = browser.text("#chosen").await;
    assert!(shown.contains("Vertrag – Entwurf.pdf") && shown.contains("2.4 KB"), "{shown}");
    browser.size(320, 568).await;
    assert!(browser.fits().await, "files and sizes fit on a telephone");

    // On a slow line the page says how far it is; a second press sends nothing twice.
    browser.line_at(None, Some(1_000_000)).await;
    browser.note("#sending").await;
    browser
        .run(
            "const send = document.querySelector('main form .actions .button'); \
             setTimeout(() => { send.click(); send.click(); })",
        )
        .await;
    browser.wait_for("Your reply was sent").await;
    let seen = browser.noted().await;
    assert!(seen.contains("On its way:") && seen.contains(" %"), "{seen:?}");
    browser.wait_for("1 message").await;
    assert!(world.alice_has("Half a sentence").await);

    // It is gone where it was typed.
    browser.goto(&form).await;
    assert_eq!(browser.run(&format!("return {typed}")).await, "");
    browser.quit().await;
    demo.stop().await;
}
