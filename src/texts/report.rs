//! The words of reports about ordinary mail: the part for people of a delivery status notification (RFC 3464 §2).

use crate::base::address::Address;
use crate::base::language::Language;
use crate::base::requirement::Reason;
use crate::base::requirement::Unmet;
use crate::base::time::Time;
use crate::texts::date;
use crate::texts::letter::Block;
use crate::texts::letter::Letter;
use crate::texts::letter::Letterhead;
use crate::texts::letter::MailText;
use crate::texts::tame;
use crate::texts::text;

/// The longest reason that is repeated, characters.
const REASON: usize = 400;
/// At most so many recipients are listed one by one.
const LISTED: usize = 100;

/// What is reported.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Given up. `secure`: it was to go encrypted or over TLS only.
    Bounce {
        /// Nothing went out in clear.
        secure: bool,
    },
    /// Waits; tried until then.
    Delay {
        /// The end of trying.
        until: Time,
    },
    /// Handed over, as the sender had asked to know.
    Success,
}

/// One recipient and what was said about it.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Which.
    pub recipient: &'a Address,
    /// What the other server said, or why none was asked; may be empty.
    pub reason: &'a str,
    /// The TLS policy that a host, if one was met, does not meet: told in its own words in place of the reason.
    pub unmet: Option<(Option<&'a str>, &'a Unmet)>,
}

/// The words of a report on a message of `sent`.
pub fn report(
    head: &Letterhead<'_>,
    kind: Kind,
    sent: Time,
    lines: &[Line<'_>],
    language: Language,
) -> MailText {
    let first = lines.first().map(|line| line.recipient.to_string()).unwrap_or_default();
    let sent = date(language, sent);
    let until = match kind {
        Kind::Delay { until } => date(language, until),
        Kind::Bounce { .. } | Kind::Success => String::new(),
    };
    let values = [
        ("recipient", (&first).into()),
        ("date", (&sent).into()),
        ("until", (&until).into()),
        ("n", lines.len().into()),
    ];
    let say = |id: &str| text(language, id, &values);
    let (subject, title, intro) = match kind {
        Kind::Bounce { .. } => {
            (say("report-bounce-subject"), say("report-bounce-title"), say("report-bounce-text"))
        }
        Kind::Delay { .. } => {
            (say("report-delay-subject"), say("report-delay-title"), say("report-delay-text"))
        }
        Kind::Success => {
            (say("report-success-subject"), say("report-success-title"), say("report-success-text"))
        }
    };
    let mut blocks = vec![Block::Paragraph(intro)];
    for line in lines.iter().take(LISTED) {
        let mut both = vec![line.recipient.to_string()];
        match line.unmet {
            Some((host, unmet)) => both.extend(policy(host, unmet, line.recipient, language)),
            None => {
                let reason = tame(line.reason, REASON);
                both.extend((!reason.is_empty()).then_some(reason));
            }
        }
        blocks.push(Block::List(both));
    }
    match kind {
        Kind::Bounce { secure } => {
            blocks.push(Block::Paragraph(say("report-bounce-final")));
            if secure {
                blocks.push(Block::Paragraph(say("report-bounce-secure")));
            }
            if lines.iter().any(|line| line.unmet.is_some()) {
                blocks.push(Block::Paragraph(say("report-policy-do")));
            }
        }
        Kind::Delay { .. } => {
            blocks.push(Block::Paragraph(say("report-delay-more")));
            if lines.iter().any(|line| line.unmet.is_some()) {
                blocks.push(Block::Paragraph(say("report-bounce-secure")));
            }
        }
        Kind::Success => {}
    }
    blocks.push(Block::Paragraph(say("report-attached")));
    Letter { head, language, subject, title, blocks }.render()
}

/// Which level, which host, and what was found.
fn policy(host: Option<&str>, unmet: &Unmet, recipient: &Address, language: Language) -> Vec<String> {
    let level = unmet.requirement.as_str();
    let host = host.unwrap_or(recipient.domain().as_str());
    let mut expected = String::new();
    let mut shown = String::new();
    let id = match &unmet.reason {
        Reason::TlsaUnknown(_) => "report-policy-unknown",
        Reason::NoEncryption => "report-policy-no-encryption",
        Reason::NoEncryptionDespiteDane => "report-policy-no-encryption-dane",
        Reason::NoEncryptionDespiteStored => "report-policy-no-encryption-stored",
        Reason::NoEncryptionDespiteSts => "report-policy-no-encryption-sts",
        Reason::NotInPolicy => "report-policy-not-in-policy",
        Reason::StsMismatch { seen } => {
            shown.clone_from(seen);
            "report-policy-sts-mismatch"
        }
        Reason::Handshake | Reason::Hung => "report-policy-handshake",
        Reason::DaneMismatch { seen } => {
            shown.clone_from(seen);
            "report-policy-dane-mismatch"
        }
        Reason::ForeignKey => "report-policy-foreign-key",
        Reason::NoDane(_) => "report-policy-no-dane",
        Reason::NotValidated => "report-policy-not-validated",
        Reason::NothingStored => "report-policy-nothing-stored",
        Reason::StoredMismatch { expected: stored, seen } => {
            expected = stored.join(", ");
            shown.clone_from(seen);
            "report-policy-stored-mismatch"
        }
    };
    let domain = recipient.domain().as_str();
    let values = [
        ("level", level.into()),
        ("host", host.into()),
        ("domain", domain.into()),
        ("expected", (&expected).into()),
        ("seen", (&shown).into()),
    ];
    vec![text(language, "report-policy-level", &values), text(language, id, &values)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::requirement::Requirement;

    #[test]
    fn tells_who_and_why() {
        let head = Letterhead {
            brand: "Weber & Roth",
            accent: "#1f5f8b",
            domain: "weber.example",
            imprint_url: None,
            contact: None,
        };
        let bob = Address::parse("bob@x.example").unwrap();
        let lines = [Line { recipient: &bob, reason: "550 5.1.1 <b>no such user</b>", unmet: None }];
        let bounce = report(&head, Kind::Bounce { secure: true }, Time(1_795_318_393), &lines, Language::En);
        assert_eq!(bounce.subject, "Not delivered: your message to bob@x.example");
        assert!(
            bounce.text.contains("recipient:\n\nbob@x.example\n550 5.1.1 <b>no such user</b>\n"),
            "{}",
            bounce.text
        );
        assert!(bounce.text.contains("Nothing was sent unencrypted."));
        assert!(!bounce.html.contains("<b>no"), "escaped");
        for (reason, en, de) in [
            (
                Reason::NoEncryption,
                "mx.x.example offers no encryption.",
                "mx.x.example bietet keine Verschlüsselung an.",
            ),
            (
                Reason::StoredMismatch {
                    expected: vec!["aa:01".into(), "aa:02".into()],
                    seen: "bb:03".into(),
                },
                "Expected: SHA-256 aa:01, aa:02. Found: SHA-256 bb:03.",
                "Erwartet: SHA-256 aa:01, aa:02. Gefunden: SHA-256 bb:03.",
            ),
            (
                Reason::NothingStored,
                "No certificate is stored for x.example.",
                "Für x.example ist kein Zertifikat hinterlegt.",
            ),
        ] {
            let unmet = Unmet { requirement: Requirement::Verify, reason };
            let lines = [Line { recipient: &bob, reason: "", unmet: Some((Some("mx.x.example"), &unmet)) }];
            for (language, words, level) in
                [(Language::En, en, "TLS policy: verify"), (Language::De, de, "TLS-Richtlinie: verify")]
            {
                let told =
                    report(&head, Kind::Bounce { secure: true }, Time(1_795_318_393), &lines, language);
                let text = told.text.replace('\n', " ");
                for words in [words, level, "[secure]"] {
                    assert!(text.contains(words), "{words} is not in\n{}", told.text);
                }
            }
        }
        let kind = Kind::Delay { until: Time(1_795_318_393 + 5 * 86_400) };
        let delay = report(&head, kind, Time(1_795_318_393), &[lines[0], lines[0]], Language::De);
        assert!(delay.text.contains("diesen 2 Empfängern noch nicht"), "{}", delay.text);
        assert!(delay.text.contains("bis 27. November 2026 weiter"), "{}", delay.text);
    }
}
