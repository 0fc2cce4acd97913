//! The words of reports about ordinary mail: the part for people of a delivery status notification (RFC 3464 §2).

use crate::base::address::Address;
use crate::base::language::Language;
use crate::base::requirement::Reason;
use crate::base::requirement::Unmet;
use crate::base::time::Time;
use crate::texts::letter::Letter;
use crate::texts::letter::Letterhead;
use crate::texts::letter::MailText;
use crate::texts::tame;

/// The longest reason that is repeated, characters.
const REASON: usize = 250;
/// The longest subject that is repeated, characters.
const SUBJECT: usize = 120;
/// At most so many recipients are listed one by one; the form for machines has all of them.
const LISTED: usize = 40;

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
    /// Lies in a mailbox here, as the sender had asked to know.
    Delivered,
    /// Handed over to a server that reports no further, as the sender had asked to know.
    Relayed,
}

/// One recipient and what was said about it.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Which.
    pub recipient: &'a Address,
    /// What the other server said, or why none was asked, or the whole proof of a handover; may be empty.
    pub reason: &'a str,
    /// The host that was met, if one was.
    pub host: Option<&'a str>,
    /// The TLS policy that is not met: told in its own words in place of the reason.
    pub unmet: Option<&'a Unmet>,
    /// How a message that was delivered or handed over went.
    pub way: Option<Way>,
}

/// Where a message lies here, or what was proven about the way to a host that took it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// It is in the mailbox of an account here.
    Account,
    /// It is in a temporary mailbox here.
    TemporaryMailbox,
    /// It was not encrypted.
    Plain,
    /// It was encrypted; whose certificate it was is not proven.
    Encrypted,
    /// DNSSEC vouched for the certificate.
    Dane,
    /// A known authority vouched for the certificate, as the domain's MTA-STS policy asks.
    MtaSts,
    /// The certificate was the one that an admin stored.
    Stored,
    /// Both.
    DaneAndStored,
}

/// What a report says.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// What became of the message.
    pub kind: Kind,
    /// When it was taken.
    pub sent: Time,
    /// Its subject; may be empty.
    pub subject: &'a str,
    /// One or more recipients.
    pub lines: &'a [Line<'a>],
    /// What in a subject asks for encryption; may be empty.
    pub tags: &'a [String],
    /// The level of the secure alias that it came from, if it did.
    pub alias: Option<&'a str>,
}

/// The words of a report.
pub fn report(head: &Letterhead<'_>, facts: &Report<'_>, language: Language) -> MailText {
    let Report { kind, sent, subject, lines, tags, alias } = *facts;
    let first = lines.first().map(|line| line.recipient.to_string()).unwrap_or_default();
    let subject = tame(subject, SUBJECT);
    let has_subject = !subject.is_empty();
    let mut letter = Letter::new(head, language)
        .with("recipient", first)
        .moment("date", sent)
        .with("subject", subject)
        .with("n", lines.len());
    let or = format!(" {} ", letter.say("mail-or"));
    letter = letter.with("tags", tags.join(&or)).with("level", alias.unwrap_or_default());
    if let Kind::Delay { until } = kind {
        letter = letter.moment("until", until);
    }
    letter.paragraph(match kind {
        Kind::Bounce { .. } => "report-bounce-text",
        Kind::Delay { .. } => "report-delay-text",
        Kind::Delivered => "report-delivered-text",
        Kind::Relayed => "report-success-text",
    });
    for line in lines.iter().take(LISTED) {
        letter.entry(line.recipient.to_string(), line.said(head, language));
    }
    if let Some(more) = lines.len().checked_sub(LISTED).filter(|more| *more > 0) {
        letter = letter.with("more", more);
        letter.paragraph("report-more");
    }
    letter.paragraph_if(has_subject, "report-subject");
    letter.paragraph_if(
        alias.is_some() && !matches!(kind, Kind::Delivered | Kind::Relayed),
        "report-alias-policy",
    );
    let unmet = lines.iter().any(|line| line.unmet.is_some());
    match kind {
        Kind::Bounce { secure } => {
            letter.paragraph("report-bounce-final").paragraph_if(secure, "report-bounce-secure");
            letter.paragraph(match (unmet, tags.is_empty()) {
                (false, _) => "report-bounce-do",
                (true, true) => "report-policy-do-other",
                (true, false) => "report-policy-do",
            });
        }
        Kind::Delay { .. } => {
            let secure = unmet || alias.is_some();
            letter.paragraph("report-delay-more").paragraph_if(secure, "report-bounce-secure");
        }
        Kind::Delivered => {
            letter.paragraph("report-delivered-more");
        }
        Kind::Relayed => {
            letter.paragraph("report-success-more");
        }
    }
    letter.paragraph("report-attached");
    match kind {
        Kind::Bounce { .. } => letter.finish("report-bounce-subject", "report-bounce-title"),
        Kind::Delay { .. } => letter.finish("report-delay-subject", "report-delay-title"),
        Kind::Delivered => letter.finish("report-success-subject", "report-delivered-title"),
        Kind::Relayed => letter.finish("report-success-subject", "report-success-title"),
    }
}

impl Line<'_> {
    /// What is said of one recipient.
    fn said(&self, head: &Letterhead<'_>, language: Language) -> Vec<String> {
        let domain = self.recipient.domain().as_str();
        let letter =
            Letter::new(head, language).with("host", self.host.unwrap_or(domain)).with("destination", domain);
        if let Some(unmet) = self.unmet {
            return policy(letter, unmet);
        }
        let reason = tame(self.reason, REASON);
        let mut said = Vec::new();
        said.extend(self.way.map(|way| letter.say(way.text())));
        said.extend((!reason.is_empty()).then_some(reason));
        said
    }
}

impl Way {
    const fn text(self) -> &'static str {
        match self {
            Self::Account => "report-way-account",
            Self::TemporaryMailbox => "report-way-temporary-mailbox",
            Self::Plain => "report-way-plain",
            Self::Encrypted => "report-way-encrypted",
            Self::Dane => "report-way-dane",
            Self::MtaSts => "report-way-sts",
            Self::Stored => "report-way-stored",
            Self::DaneAndStored => "report-way-dane-and-stored",
        }
    }
}

/// Which level, which host, and what was found.
pub(super) fn policy(letter: Letter<'_>, unmet: &Unmet) -> Vec<String> {
    let mut letter = letter.with("level", unmet.requirement.as_str());
    let id = match &unmet.reason {
        Reason::TlsaUnknown(_) => "report-policy-unknown",
        Reason::NoEncryption => "report-policy-no-encryption",
        Reason::NoEncryptionDespiteDane => "report-policy-no-encryption-dane",
        Reason::NoEncryptionDespiteStored => "report-policy-no-encryption-stored",
        Reason::NoEncryptionDespiteSts => "report-policy-no-encryption-sts",
        Reason::NotInPolicy => "report-policy-not-in-policy",
        Reason::StsMismatch { seen } => {
            letter = letter.with("seen", seen.as_str());
            "report-policy-sts-mismatch"
        }
        Reason::Handshake | Reason::Hung => "report-policy-handshake",
        Reason::DaneMismatch { seen } => {
            letter = letter.with("seen", seen.as_str());
            "report-policy-dane-mismatch"
        }
        Reason::ForeignKey => "report-policy-foreign-key",
        Reason::NoDane(_) => "report-policy-no-dane",
        Reason::NotValidated => "report-policy-not-validated",
        Reason::NothingStored => "report-policy-nothing-stored",
        Reason::StoredMismatch { expected, seen } => {
            letter = letter.with("expected", expected.join(", ")).with("seen", seen.as_str());
            "report-policy-stored-mismatch"
        }
    };
    vec![letter.say("report-policy-level"), letter.say(id)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::requirement::Requirement;

    const SENT: Time = Time(1_795_318_393);

    fn told(kind: Kind, lines: &[Line<'_>], tags: &[String], language: Language) -> MailText {
        let facts = Report { kind, sent: SENT, subject: "", lines, tags, alias: None };
        let mut mail = report(&Letterhead::BARE, &facts, language);
        mail.text = mail.text.split_whitespace().collect::<Vec<_>>().join(" ");
        mail
    }

    #[test]
    fn tells_who_and_why() {
        let bob = Address::parse("bob@x.example").unwrap();
        let line = Line {
            recipient: &bob,
            reason: "550 5.1.1 <b>no such user</b>",
            host: None,
            unmet: None,
            way: None,
        };
        let bounce = told(Kind::Bounce { secure: true }, &[line], &[], Language::En);
        assert_eq!(bounce.subject, "Not delivered: your message to bob@x.example");
        let want = "recipient: bob@x.example 550 5.1.1 <b>no such user</b>";
        assert!(bounce.text.contains(want), "{}", bounce.text);
        assert!(bounce.text.contains("Nothing was sent unencrypted."));
        assert!(!bounce.html.contains("<b>no"), "escaped");
        let kind = Kind::Delay { until: Time(SENT.0 + 5 * 86_400) };
        let delay = told(kind, &[line, line], &[], Language::De);
        assert!(delay.text.contains("diesen 2 Empfängern noch nicht"), "{}", delay.text);
        assert!(delay.text.contains("bis zum 27. November 2026, 03:33 UTC weiter"), "{}", delay.text);
    }

    #[test]
    fn a_policy_that_was_not_met_is_told_in_both_languages() {
        let bob = Address::parse("bob@x.example").unwrap();
        let tags = ["[geheim]".to_owned(), "[secret]".to_owned()];
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
            let host = Some("mx.x.example");
            let line = Line { recipient: &bob, reason: "", host, unmet: Some(&unmet), way: None };
            for (language, words, level, or) in [
                (Language::En, en, "TLS policy: verify", "[geheim] or [secret] in the subject"),
                (Language::De, de, "TLS-Richtlinie: verify", "[geheim] oder [secret] im Betreff"),
            ] {
                let mail = told(Kind::Bounce { secure: true }, &[line], &tags, language);
                for words in [words, level, or] {
                    assert!(mail.text.contains(words), "{words} is not in\n{}", mail.text);
                }
                let no_tags = told(Kind::Bounce { secure: true }, &[line], &[], language);
                assert!(!no_tags.text.contains(" [") && !no_tags.text.contains("  "), "{}", no_tags.text);
            }
        }
    }
}
