//! What a template may say, and what it may not.

use super::*;
use proptest::prelude::*;

const GOOD: &str = "Title: {sender} has written to you\n# For us.\nGood day,\n{who} wrote to you.\n\n{note}\n{link}\n\n\
                    {validity}\n{pin_notice}\n{check}\n{code}\n\nYours, {{ {brand} }}\n";

fn wrong(kind: Kind, content: &[u8]) -> Vec<String> {
    let said = Template::read(kind, content).err().unwrap_or_default();
    said.into_iter().map(|Wrong { line, what }| format!("{}: {what}", line.unwrap_or(0))).collect()
}

#[test]
fn reads_what_is_right() {
    let template = Template::read(Kind::Invitation, GOOD.as_bytes()).unwrap();
    let text = |text: &str| Token::Text(text.into());
    assert_eq!(template.title().unwrap(), [Token::Word("sender"), text(" has written to you")]);
    let first =
        Paragraph::Words(vec![text("Good day,"), text(" "), Token::Word("who"), text(" wrote to you.")]);
    let last = Paragraph::Words(vec![text("Yours, { "), Token::Word("brand"), text(" }")]);
    assert_eq!(template.paragraphs().first(), Some(&first));
    assert_eq!(template.paragraphs().last(), Some(&last));
    assert_eq!(template.paragraphs().len(), 8);
    let broken =
        Template::read(Kind::Invitation, GOOD.replace("Good day,", "Good day, \\").as_bytes()).unwrap();
    let first =
        Paragraph::Words(vec![text("Good day,"), text("\n"), Token::Word("who"), text(" wrote to you.")]);
    assert_eq!(broken.paragraphs().first(), Some(&first));
    let dos = format!("\u{FEFF}{}", GOOD.replace('\n', "\r\n"));
    assert_eq!(Template::read(Kind::Invitation, dos.as_bytes()).unwrap(), template);
}

/// Each with all that is said about it.
#[test]
fn says_everything_that_is_wrong() {
    let with = |more: &str| format!("{GOOD}\n{more}\n");
    let table: &[(String, &[&str])] = &[
        (with("{pin}"), &["16: there is no {pin}: a PIN never stands"]),
        (with("Your link: {link}"), &["16: {link} must stand alone on its line"]),
        (with("{link}"), &["16: {link} stands there twice"]),
        (with("{wibble}"), &["16: unknown placeholder {wibble}; among words there are {brand} {domain} "]),
        (with("{closes}"), &["16: unknown placeholder {closes}"]),
        (with("{}"), &["16: unknown placeholder {}"]),
        (with("{who"), &["16: a brace without its other one"]),
        (with("who}"), &["16: a brace without its other one"]),
        (with("See https://evil.example/"), &["16: a web address"]),
        (with("See WWW.evil.example"), &["16: a web address"]),
        (with("Call +49 (0)89 12 34-56"), &["16: a telephone number"]),
        (with("Call us: 555-123-4567."), &["16: a telephone number"]),
        (with("089/1234567"), &["16: a telephone number"]),
        (with("turned \u{202E}round"), &["16: a control character"]),
        (with("a bell \u{7}"), &["16: a control character"]),
        (with("a new\u{2028}line"), &["16: a control character"]),
        (with(&"x".repeat(101)), &["16: a word of more than 100 characters"]),
        (GOOD.replace("{link}", "#{link}"), &["0: {link} is missing"]),
        (
            GOOD.replace("{check}\n", "").replace("{code}", "{cod}"),
            &["11: unknown placeholder {cod}", "0: {check} is missing", "0: {code} is missing"],
        ),
        (GOOD.replace("{who}", "Somebody"), &["0: {intro} or {who} or {sender_address} is missing"]),
        (
            format!("Title: {}\n{GOOD}", "x".repeat(80).replace("xx", "x ").repeat(3)),
            &["1: a title has 1 to 150 characters"],
        ),
        (format!("Title:\n{}", GOOD.split_once('\n').unwrap().1), &["1: a title has 1 to 150 characters"]),
        (with(&"word ".repeat(2_000)), &["0: longer than 8 KiB"]),
    ];
    for (text, wants) in table {
        let said = wrong(Kind::Invitation, text.as_bytes());
        assert_eq!(said.len(), wants.len(), "{text}: {said:?}");
        for (said, want) in said.iter().zip(*wants) {
            assert!(said.starts_with(want), "{want} in {said}");
        }
    }
    assert_eq!(wrong(Kind::Invitation, b"one\ntw\xF6\n"), ["2: not UTF-8"]);
    let empty = wrong(Kind::Invitation, b"");
    assert_eq!(empty.len(), Kind::Invitation.needs().len(), "{empty:?}");
}

#[test]
fn numbers_that_are_no_telephone_numbers() {
    for fine in [
        "HRB 123456",
        "VAT: DE123456789",
        "80331 M\u{fc}nchen",
        "24.12.2026, 9.00 - 12.00",
        "\u{a7} 203 StGB, 10 Uhr",
    ] {
        let text = format!("{GOOD}\n{fine}\n");
        assert_eq!(wrong(Kind::Invitation, text.as_bytes()), [""; 0], "{fine}");
    }
}

#[test]
fn files_are_named_for_a_mail_and_a_language() {
    assert_eq!(named("new-message.de.txt"), Ok((Kind::NewMessage, Language::De)));
    for name in [
        "invitation.txt",
        "invitation.fr.txt",
        "invite.de.txt",
        "invitation.de.text",
        "invitation.de-AT.txt",
        ".txt",
        "",
    ] {
        assert!(named(name).unwrap_err().contains("invitation, waiting, new-message"), "{name}");
    }
}

/// What is obligatory is known, and no name is a value and a piece.
#[test]
fn the_table_holds_together() {
    for kind in Kind::ALL {
        assert_eq!(Kind::parse(kind.name()), Some(kind));
        let known = [kind.words(), kind.pieces()].concat();
        assert!(kind.needs().concat().iter().all(|name| known.contains(name)), "{kind}");
        assert!(!kind.words().iter().any(|word| kind.pieces().contains(word)), "{kind}");
        for secret in ["pin", "link", "code", "token", "access_code", "password", "subject"] {
            assert!(!kind.words().contains(&secret), "{kind}: {secret}");
        }
        let all: String = kind.pieces().iter().map(|piece| format!("{{{piece}}}\n")).collect();
        assert!(Template::read(kind, all.as_bytes()).is_ok(), "{kind}");
    }
}

proptest! {
    #[test]
    fn never_panics(content in proptest::collection::vec(any::<u8>(), 0..400), kind in 0..6_usize) {
        let _ = Template::read(Kind::ALL[kind], &content);
    }

    /// Words with braces in them come out as they were written.
    #[test]
    fn braces_are_written_twice(words in "[a-z{}]{1,30}") {
        let doubled = words.replace('{', "{{").replace('}', "}}");
        let text = format!("{GOOD}\nx {doubled}\n");
        let template = Template::read(Kind::Invitation, text.as_bytes()).unwrap();
        let said = Paragraph::Words(vec![Token::Text(format!("x {words}"))]);
        prop_assert_eq!(template.paragraphs().last(), Some(&said));
    }
}
