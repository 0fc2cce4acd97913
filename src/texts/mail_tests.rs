//! What the mails to recipients must say, and what they must never say.

use super::*;
use crate::texts::template::Choice;

const LINK: &str =
    "https://post.weber-roth.example/i/7kq2m9x4tbn3wz8r5hvd6c1fpa#Q3RM-7XKA-9W2F-TZ5H-B4NC-6PLD-MJ8S-VYE2";
const CODE: &str = "Q3RM-7XKA-9W2F-TZ5H-B4NC-6PLD-MJ8S-VYE2";
const WRITTEN: Time = Time(1_795_232_000);
const UNTIL: Time = Time(1_795_232_000 + 90 * 86_400);

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn an_invitation(language: Language, name: Option<&str>, note: Option<&str>, has_pin: bool) -> MailText {
    invitation_of(&Letterhead::FULL, language, name, note, has_pin)
}

fn invitation_of(
    head: &Letterhead<'_>,
    language: Language,
    name: Option<&str>,
    note: Option<&str>,
    has_pin: bool,
) -> MailText {
    let (sender, recipient) = (address("anna.roth@weber-roth.example"), address("jonas@mail.example"));
    let facts = Invitation {
        sender: Sender { name, address: &sender },
        recipient: &recipient,
        date: WRITTEN,
        until: UNTIL,
        note,
        has_pin,
        renewed: true,
        link: LINK,
        access_code: CODE,
        host: "post.weber-roth.example",
    };
    invitation(head, &facts, language)
}

#[test]
fn the_invitation_says_what_it_must() {
    let english = an_invitation(Language::En, Some("Anna Roth"), Some("See you Thursday."), true);
    assert_eq!(english.subject, "Secure message from anna.roth@weber-roth.example");
    let wants = [
        "You have received a secure Weber & Roth Guard email",
        "Anna Roth (anna.roth@weber-roth.example)",
        "Anna Roth adds this note. The note is not encrypted:",
        "See you Thursday.",
        "You also need a PIN.",
        "never ask for it by email",
        "The link works until 19 February 2027.",
        "post.weber-roth.example belongs to weber-roth.example",
        "https://weber-roth.example/imprint",
        "https://weber-roth.example/privacy",
        "help@weber-roth.example",
        CODE,
    ];
    for want in wants {
        let folded = english.text.replace('\n', " ");
        assert!(folded.contains(want), "{want} in\n{}", english.text);
        assert!(english.html.contains(&want.replace('&', "&#38;")), "{want} in\n{}", english.html);
    }
    assert!(english.text.lines().any(|line| line == LINK), "the link stands alone on its line");
    assert!(english.html.contains(&format!("href=\"{LINK}\"")) && english.html.contains(">READ MESSAGE</a>"));
    let german = an_invitation(Language::De, Some("Anna Roth"), None, false);
    assert_eq!(german.subject, "Sichere Nachricht von anna.roth@weber-roth.example");
    assert!(german.html.contains(">NACHRICHT LESEN</a>"));
    assert!(
        !german.text.contains("Sie brauchen auch eine PIN") && !german.text.contains("Notiz"),
        "only if so"
    );
}

#[test]
fn the_link_stands_once_in_the_text() {
    let mail = an_invitation(Language::En, None, None, true);
    assert_eq!(mail.text.matches(LINK).count(), 1, "{}", mail.text);
    assert!(!mail.text.contains("button"), "{}", mail.text);
    assert!(mail.text.contains("anna.roth@weber-roth.example wrote"), "no name: the address alone");
}

#[test]
fn what_people_write_stays_text() {
    let mail = an_invitation(
        Language::En,
        Some("<script>alert(1)</script>\r\nBcc: x@y\u{202E}"),
        Some("<img src=\"http://evil.example/x.png\"> &amp; \"quotes\"\r\n.\r\nYou need no PIN."),
        true,
    );
    assert!(!mail.html.contains("<script") && !mail.html.contains("<img"), "{}", mail.html);
    assert!(!mail.text.contains('\r') && !mail.text.contains('\u{202E}'));
    assert!(!mail.subject.contains('\n'));
    let theirs = mail.text.lines().skip_while(|line| !line.ends_with("encrypted:")).skip(1);
    let theirs: Vec<&str> = theirs.take_while(|line| !line.is_empty()).collect();
    assert!(theirs.len() > 1 && theirs.iter().all(|line| line.starts_with("> ")), "{}", mail.text);
}

/// Each domain of one server writes with its own name, colour and pages.
#[test]
fn every_domain_has_its_own_head_and_foot() {
    let other = Letterhead {
        brand: "Praxis Dr. Öz",
        accent: "#ffe000",
        domain: "oez.example",
        imprint_url: None,
        privacy_url: None,
        contact: Some("https://oez.example/kontakt"),
        words: Choice::NONE,
    };
    let one = an_invitation(Language::De, None, None, true);
    let two = invitation_of(&other, Language::De, None, None, true);
    for (mail, own, foreign) in [
        (&one, ["Weber &#38; Roth", "#1f5f8b", "mailto:help@weber-roth.example"], ["Öz", "kontakt"]),
        (&two, ["Praxis Dr. Öz", "https://oez.example/kontakt", "#6"], ["Roth Guard", "help@"]),
    ] {
        for own in own {
            assert!(mail.html.contains(own), "{own} in {}", mail.html);
        }
        for foreign in foreign {
            assert!(!mail.html.contains(foreign), "{foreign} in {}", mail.html);
        }
    }
    assert!(!two.html.contains("#ffe000"), "white on it could not be read");
    assert!(!two.text.contains("gehört zu"), "the portal is not under that domain");
}
