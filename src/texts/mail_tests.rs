//! What the mails must say, and what they must never say.

use super::*;

const LINK: &str =
    "https://post.weber-roth.example/i/7kq2m9x4tbn3wz8r5hvd6c1fpa#Q3RM-7XKA-9W2F-TZ5H-B4NC-6PLD-MJ8S-VYE2";
const CODE: &str = "Q3RM-7XKA-9W2F-TZ5H-B4NC-6PLD-MJ8S-VYE2";
const WRITTEN: Time = Time(1_795_232_000);
const UNTIL: Time = Time(1_795_232_000 + 90 * 86_400);

fn head() -> Letterhead<'static> {
    Letterhead {
        brand: "Weber & Roth",
        accent: "#1f5f8b",
        domain: "weber-roth.example",
        imprint_url: Some("https://weber-roth.example/imprint"),
        contact: Some("help@weber-roth.example"),
    }
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn an_invitation(language: Language, name: Option<&str>, note: Option<&str>, has_pin: bool) -> MailText {
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
    };
    invitation(&head(), &facts, language)
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
        "19 February 2027",
        "https://weber-roth.example/imprint",
        "help@weber-roth.example",
        CODE,
    ];
    for want in wants {
        let folded = english.text.replace('\n', " ");
        assert!(folded.contains(want), "{want} in\n{}", english.text);
        assert!(english.html.contains(&want.replace('&', "&#38;")), "{want} in\n{}", english.html);
    }
    assert!(english.text.lines().any(|line| line == LINK), "the link stands alone on its line");
    assert!(
        english.html.contains(&format!("<a href=\"{LINK}\"")) && english.html.contains(">READ MESSAGE</a>")
    );
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
        Some("<img src=\"http://evil.example/x.png\"> &amp; \"quotes\"\r\n.\r\n"),
        true,
    );
    assert!(!mail.html.contains("<script") && !mail.html.contains("<img"), "{}", mail.html);
    assert!(!mail.text.contains('\r') && !mail.text.contains('\u{202E}'));
    assert!(!mail.subject.contains('\n'));
}

#[test]
fn nothing_remote_and_no_telephone_number() {
    for mail in every_mail() {
        for remote in ["src=", "url(", "<link", "@import", "<img", "tel:"] {
            assert!(!mail.html.contains(remote), "{remote} in {}", mail.html);
        }
        for target in mail.html.split("href=\"").skip(1) {
            assert!(target.starts_with(LINK) || target.starts_with("https://post.weber-roth.example/login"));
        }
        assert!(mail.html.starts_with("<!doctype html>"), "rendered");
        assert!(mail.text.lines().all(|line| line.len() < 998), "RFC 5322 §2.1.1");
        assert!(!mail.subject.is_empty() && !mail.subject.contains('$') && !mail.text.contains("{ $"));
    }
}

/// Every variable of every text is filled in, in every language.
#[test]
fn no_placeholder_is_left() {
    for mail in every_mail() {
        for form in [&mail.subject, &mail.text, &mail.html] {
            assert!(!form.contains("{$") && !form.contains("note-") && !form.contains("mail-"), "{form}");
        }
    }
}

#[test]
fn the_pin_is_told_to_its_sender_alone() {
    let bob = address("bob@x.example");
    let note = |pin, news| {
        let header = Some("X-OxGuard-PIN");
        let facts = Pin { recipient: &bob, pin, header, until: UNTIL, news, ignored: false };
        note_pin(&head(), &facts, Language::En)
    };
    let told = note(Some("493817"), PinNews::First);
    assert!(told.text.contains("\n493817\n") && told.html.contains("493817"), "{}", told.text);
    assert!(told.text.contains("X-OxGuard-PIN"));
    assert!(!told.subject.contains("493817"));
    assert!(note(Some("493817"), PinNews::Resent).text.contains("same PIN"));
    assert!(note(None, PinNews::First).text.contains("It has no PIN"));
    assert!(
        note_wrong_pins(&head(), &bob, 3, 7, "[secure renew]", Language::En)
            .text
            .contains("7 tries are left")
    );
    assert!(
        note_wrong_pins(&head(), &bob, 10, 0, "[secure renew]", Language::En)
            .title_line()
            .contains("is closed")
    );
}

impl MailText {
    fn title_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }
}

fn every_mail() -> Vec<MailText> {
    let head = head();
    let (anna, bob) = (address("anna.roth@weber-roth.example"), address("bob@x.example"));
    let sender = Sender { name: Some("Anna Roth"), address: &anna };
    let mut mails = Vec::new();
    for language in Language::ALL {
        mails.push(an_invitation(language, Some("Anna Roth"), Some("a note"), true));
        let facts = Waiting {
            sender,
            recipient: &bob,
            date: WRITTEN,
            first_sender: &anna,
            first_date: WRITTEN,
            until: UNTIL,
            note: None,
        };
        mails.push(waiting(&head, &facts, language));
        let facts = NewMessage {
            sender,
            recipient: &bob,
            date: WRITTEN,
            note: None,
            login_url: "https://post.weber-roth.example/login",
            host: "post.weber-roth.example",
        };
        mails.push(new_message(&head, &facts, language));
        mails.push(auto_answer(&head, &anna, "https://post.weber-roth.example/login", language));
        for (pin, news, ignored) in [
            (Some("493817"), PinNews::First, false),
            (Some("493817"), PinNews::Resent, true),
            (Some("493817"), PinNews::Renewed, false),
            (None, PinNews::First, false),
            (None, PinNews::Renewed, false),
        ] {
            let facts = Pin { recipient: &bob, pin, header: Some("X-Pin"), until: UNTIL, news, ignored };
            mails.push(note_pin(&head, &facts, language));
        }
        mails.push(note_pin_ignored(&head, &bob, language));
        mails.push(note_opened(&head, &bob, WRITTEN, true, language));
        mails.push(note_opened(&head, &bob, WRITTEN, false, language));
        mails.push(note_wrong_pins(&head, &bob, 3, 7, "[secure renew]", language));
        mails.push(note_wrong_pins(&head, &bob, 10, 0, "[secure renew]", language));
        mails.push(note_no_pin(&head, &bob, language));
        mails.push(note_still_unopened(&head, &bob, &anna, WRITTEN, language));
        let renew = "[secure renew]";
        mails.push(note_unreachable(&head, &bob, "550 5.1.1 no such user", renew, language));
        mails.push(note_undelivered(&head, &bob, "550 5.7.1 no", true, renew, language));
        mails.push(note_undelivered(&head, &bob, "", false, renew, language));
        mails.push(note_not_told(&head, &bob, language));
        mails.push(note_link_not_repeated(&head, &bob, language));
        for opened in [None, Some(WRITTEN)] {
            let facts = Lost { recipient: &bob, opened, messages: 3, new: "[secure new]", renew };
            mails.push(note_lost(&head, &facts, language));
        }
        mails.push(note_made_anew(&head, &bob, &anna, WRITTEN, language));
        mails.push(made_anew(&head, &bob, &anna, WRITTEN, UNTIL, language));
        for (count, invitation) in [(1, None), (7, None), (2, Some((&anna, WRITTEN)))] {
            let senders = vec![anna.clone(); count];
            let facts = Several {
                count: u32::try_from(count).unwrap(),
                senders: &senders,
                recipient: &bob,
                since: WRITTEN,
                invitation,
                until: UNTIL,
                login_url: "https://post.weber-roth.example/login",
                host: "post.weber-roth.example",
            };
            mails.push(several(&head, &facts, language));
        }
        mails.push(note_late(&head, &bob, UNTIL, "", language));
    }
    mails
}
