//! A domain's own words in the mails to people outside, and mails in two languages: what the other side really gets.

use crate::harness::House;
use crate::harness::PASSWORD;
use crate::mail_client::Smtp;
use crate::mail_client::field;
use crate::main_job::BOB;
use crate::main_job::first_use;
use crate::main_job::leads_to_an_invitation;
use crate::main_job::letter;
use crate::main_job::link;
use crate::peer::Plan;
use crate::peer::Taken;
use crate::renewal::ALICE;
use crate::renewal::sent;
use crate::renewal::unfolded;
use guardpost::net::listen::Service;
use std::fs;
use std::path::Path;
use std::sync::Arc;

const LEA: &str = "lea@zweite.example";

/// What the second domain says to everybody whom it invites.
const WORDS: &str = "Title: Post der Praxis an {recipient}\n\nGuten Tag,\n\nfragen Sie <b>Lotte</b> & Karl am Empfang; \
    {sender_address} hat Ihnen am {date} geschrieben.\n\n{note}\n{link}\n{validity}\n{pin_notice}\n{check}\n{code}\n";

fn second(more: &str) -> String {
    format!("[[domain]]\nname = \"zweite.example\"\nlanguage = \"de\"\n{more}")
}

async fn with_lea(more: &str) -> House {
    let house = House::with(Plan::default(), &second(more)).await;
    house.add_account(LEA, PASSWORD).await;
    house
}

/// Sends on from Lea, and waits for the mail to `to`, the `number`th to that address.
async fn told_by(house: &House, from: &str, to: &str, number: usize) -> Taken {
    let text = letter("[secure] Befund", "Speedwell-2281", "X-Guardpost-Note: Bis Montag.\r\n");
    let text = text.replace(ALICE, from).replace(BOB, to);
    let reply = house.submission(from, PASSWORD).await.send(from, &[to], &text).await;
    assert!(reply.is(250, "2.0.0"), "{reply:?}");
    mail_to(house, to, number).await
}

async fn mail_to(house: &House, to: &str, number: usize) -> Taken {
    let to = format!("<{to}>");
    let mails = |taken: Vec<Taken>| {
        taken
            .into_iter()
            .filter(|mail| mail.rcpts.iter().any(|rcpt| rcpt.starts_with(&to)))
            .collect::<Vec<_>>()
    };
    house.world.wait_until(|world| mails(world.taken()).len() >= number).await;
    mails(house.world.taken()).remove(number - 1)
}

/// Header, text and HTML of a mail, lines joined.
fn parts(mail: &Taken) -> [String; 3] {
    let whole = String::from_utf8_lossy(&mail.text).into_owned();
    let (header, body) = whole.split_once("\r\n\r\n").unwrap();
    let (text, html) = body.split_once("Content-Type: text/html").unwrap();
    [header.replace("\r\n ", " "), unfolded(text), unfolded(html)]
}

async fn pin_of(house: &House) -> String {
    let copies = house.imap(LEA, PASSWORD).await.messages("Sent").await;
    field(copies.last().unwrap(), "X-OxGuard-PIN").unwrap()
}

fn write(directory: &Path, file: &str, content: &str) {
    fs::write(directory.join(file), content).unwrap();
}

/// The recipient gets the domain's words as text and as HTML, with everything that must be there; other domains keep
/// ours. A changed template counts from the next mail on, a broken one not at all.
#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_in_the_words_of_its_domain() {
    let words = tempfile::tempdir().unwrap();
    write(words.path(), "invitation.de.txt", WORDS);
    let house = with_lea(&format!("templates = \"{}\"\n", words.path().display())).await;
    let mail = told_by(&house, LEA, BOB, 1).await;
    let pin = pin_of(&house).await;
    let [header, text, html] = parts(&mail);
    assert!(header.contains("Subject: Sichere Nachricht von lea@zweite.example\r\n"), "{header}");
    assert!(text.contains("fragen Sie <b>Lotte</b> & Karl am Empfang; lea@zweite.example hat"), "{text}");
    assert!(html.contains("fragen Sie &#60;b&#62;Lotte&#60;/b&#62; &#38; Karl am Empfang"), "{html}");
    for part in [&text, &html] {
        for want in [
            "Post der Praxis an bob@far.example",
            "Bis Montag.",
            "Der Link gilt bis zum",
            "Sie brauchen auch eine PIN.",
            "Unsicher? Fragen Sie erst.",
            "Gesendet von",
        ] {
            assert!(part.contains(want), "{want} is not in\n{part}");
        }
        assert!(!part.contains(&pin) && !part.contains("eine vertrauliche Nachricht geschrieben"), "{part}");
    }
    let mut bob = house.browser();
    first_use(&mut bob, &link(&mail), &pin).await;

    let [_, ours, _] = parts(&told_by(&house, ALICE, "eva@firma.de", 1).await);
    assert!(ours.contains("eine vertrauliche Nachricht geschrieben") && !ours.contains("Lotte"), "{ours}");
    let [_, english, _] = parts(&told_by(&house, LEA, "ann@firm.co.uk", 1).await);
    assert!(english.contains("READ MESSAGE") || english.contains("open this link"), "{english}");

    let reload = async || {
        let config = house.config(house.port(Service::Https));
        house.appliance().reload(Arc::new(config)).await
    };
    write(words.path(), "invitation.de.txt", &WORDS.replace("Lotte", "Grete"));
    reload().await.unwrap();
    let [_, changed, _] = parts(&told_by(&house, LEA, "uwe@far.example", 1).await);
    assert!(changed.contains("Grete") && !changed.contains("Lotte"), "{changed}");
    write(words.path(), "invitation.de.txt", &WORDS.replace("Lotte", "Berta").replace("{link}", ""));
    let refused = reload().await.unwrap_err();
    assert!(refused.exit() == 78 && refused.to_string().contains("{link} is missing"), "{refused}");
    let [_, kept, _] = parts(&told_by(&house, LEA, "ida@far.example", 1).await);
    assert!(kept.contains("Grete") && leads_to_an_invitation(&kept), "{kept}");
}

/// Both languages until the recipient has chosen one; then that one alone.
#[tokio::test(flavor = "multi_thread")]
async fn two_languages_until_one_is_chosen() {
    let house = with_lea("second_language = \"en\"\n").await;
    let both = ["eine vertrauliche Nachricht geschrieben", "wrote a confidential message to you"];
    let in_order = |part: &str, wants: [&str; 2]| {
        let at = wants.map(|want| part.find(want).unwrap_or_else(|| panic!("{want} is not in\n{part}")));
        assert!(at[0] < at[1], "{wants:?} in\n{part}");
    };
    let mail = told_by(&house, LEA, BOB, 1).await;
    let pin = pin_of(&house).await;
    let [header, text, html] = parts(&mail);
    let subject =
        "Subject: Sichere Nachricht von lea@zweite.example / Secure message from lea@zweite.example\r\n";
    assert!(header.contains(subject), "{header}");
    in_order(&text, both);
    in_order(&html, ["NACHRICHT LESEN", "READ MESSAGE"]);
    let [_, british, _] = parts(&told_by(&house, LEA, "ann@firm.co.uk", 1).await);
    in_order(&british, [both[1], both[0]]);

    let answered = async |from: &str, number| {
        let text = letter("Re: Sichere Nachricht", "Danke", "")
            .replace(BOB, "secure-mail@zweite.example")
            .replace(ALICE, from);
        let mut smtp = Smtp::connect(house.port(Service::Smtp), false).await;
        assert!(smtp.send(from, &["secure-mail@zweite.example"], &text).await.is(250, "2.0.0"));
        parts(&mail_to(&house, from, number).await)
    };
    let [_, text, _] = answered("eve@far.example", 1).await;
    in_order(&text, ["Diese Adresse liest niemand", "Nobody reads that address"]);

    let mut bob = house.browser();
    bob.more.push(("accept-language".into(), "en".into()));
    first_use(&mut bob, &link(&mail), &pin).await;
    sent(&house, LEA, "[secure] Nachtrag", "").await;
    let [header, text, html] = parts(&mail_to(&house, BOB, 2).await);
    assert!(header.contains("Subject: New secure message from lea@zweite.example\r\n"), "{header}");
    assert!(text.contains("There is a new message") && !text.contains("Nachricht"), "{text}");
    assert!(html.contains("SIGN IN") && !html.contains("ANMELDEN"), "{html}");
    let [_, text, _] = answered(BOB, 3).await;
    assert!(text.contains("Nobody reads that address") && !text.contains("liest niemand"), "{text}");
}
