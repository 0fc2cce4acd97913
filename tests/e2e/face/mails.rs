//! The HTML of every mail that there is, as `tests/golden/mail` has it: valid, accessible, and whole on the smallest
//! screen.

use crate::face::chromium::Chromium;
use crate::face::judge::Axe;
use crate::face::judge::Look;
use crate::face::judge::sideways;
use crate::face::judge::validate;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// Every mail in each of its shapes, in both languages; a test of the texts keeps them what really goes out.
fn mails() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/mail");
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut mails: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "html")).collect();
    mails.sort();
    assert!(mails.len() > 100, "{}", mails.len());
    mails
}

#[test]
fn every_mail_is_valid_html() {
    let dir = tempfile::tempdir().unwrap();
    for mail in mails() {
        fs::copy(&mail, dir.path().join(mail.file_name().unwrap())).unwrap();
    }
    let wrong = validate(dir.path(), "mails.cjs");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    // What mails may have, they may have as far as they need it, and no further.
    fs::write(
        dir.path().join("wrong.html"),
        "<!doctype html>\n<html lang=\"en\"><head><title>x</title></head><body><table><tr align=\"left\"><td>x</td>\
         </tr></table><img src=\"x\"></body></html>\n",
    )
    .unwrap();
    let wrong = validate(dir.path(), "mails.cjs").join("\n");
    for rule in ["no-deprecated-attr", "prefer-tbody", "wcag/h37"] {
        assert!(wrong.contains(rule), "{rule} is not in\n{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mail_can_be_read_by_day_and_by_night() {
    let mails = mails();
    let (browser, axe) = (Chromium::start("MAP * ~NOTFOUND").await, Axe::new());
    let mut wrong = Vec::new();
    for path in mails {
        browser.open(&format!("file://{}", path.display())).await;
        // German words are the longer ones.
        let look = if path.to_string_lossy().contains(".de.") {
            Look::PHONE
        } else {
            Look { width: 640, dark: false }
        };
        look.put_on(&browser).await;
        // Landmarks are those of the mail program around it.
        let mut found = axe.violations(&browser, true).await;
        found.extend(sideways(&browser).await);
        wrong.extend(found.into_iter().map(|what| format!("{} {look:?}: {what}", path.display())));
    }
    browser.quit().await;
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
