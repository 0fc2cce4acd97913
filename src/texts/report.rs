//! The words of reports about ordinary mail: the part for people of a delivery status notification (RFC 3464 §2).

use crate::base::address::Address;
use crate::base::language::Language;
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
        let reason = tame(line.reason, REASON);
        let mut both = vec![line.recipient.to_string()];
        both.extend((!reason.is_empty()).then_some(reason));
        blocks.push(Block::List(both));
    }
    match kind {
        Kind::Bounce { secure } => {
            blocks.push(Block::Paragraph(say("report-bounce-final")));
            if secure {
                blocks.push(Block::Paragraph(say("report-bounce-secure")));
            }
        }
        Kind::Delay { .. } => blocks.push(Block::Paragraph(say("report-delay-more"))),
        Kind::Success => {}
    }
    blocks.push(Block::Paragraph(say("report-attached")));
    Letter { head, language, subject, title, blocks }.render()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let lines = [Line { recipient: &bob, reason: "550 5.1.1 <b>no such user</b>" }];
        let bounce = report(&head, Kind::Bounce { secure: true }, Time(1_795_318_393), &lines, Language::En);
        assert_eq!(bounce.subject, "Not delivered: your message to bob@x.example");
        assert!(
            bounce.text.contains("recipient:\n\nbob@x.example\n550 5.1.1 <b>no such user</b>\n"),
            "{}",
            bounce.text
        );
        assert!(bounce.text.contains("Nothing was sent unencrypted."));
        assert!(!bounce.html.contains("<b>no"), "escaped");
        let kind = Kind::Delay { until: Time(1_795_318_393 + 5 * 86_400) };
        let delay = report(&head, kind, Time(1_795_318_393), &[lines[0], lines[0]], Language::De);
        assert!(delay.text.contains("diesen 2 Empfängern noch nicht"), "{}", delay.text);
        assert!(delay.text.contains("bis 27. November 2026 weiter"), "{}", delay.text);
    }
}
