//! The alarms to a postmaster: what this server cannot set right by itself.

use crate::base::language::Language;
use crate::base::time::Time;
use crate::texts::letter::Letter;
use crate::texts::letter::Letterhead;
use crate::texts::letter::MailText;

/// What the alarm about a clock says.
#[derive(Clone, Copy, Debug)]
pub struct ClockAlarm<'a> {
    /// The server's name.
    pub host: &'a str,
    /// What the clock said when it was noticed.
    pub at: Time,
    /// What is wrong with it.
    pub wrong: Wrong,
    /// By so many seconds.
    pub by: u64,
}

/// What is wrong with a clock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wrong {
    /// It starts before the time that was noted last.
    Backward,
    /// It starts long after it.
    Forward,
    /// It jumped while the server ran.
    Jump,
}

/// To a postmaster: closing and deleting stand still, and what ends that.
pub fn clock(head: &Letterhead<'_>, facts: &ClockAlarm<'_>, language: Language) -> MailText {
    let what = match facts.wrong {
        Wrong::Backward => "alarm-clock-backward",
        Wrong::Forward => "alarm-clock-forward",
        Wrong::Jump => "alarm-clock-jump",
    };
    let letter = Letter::new(head, language).with("host", facts.host).moment("at", facts.at);
    // Rounded down: what is promised is "more than".
    let (unit, n) = match facts.by {
        by if by >= 2 * DAY => ("alarm-clock-days", by / DAY),
        by if by >= 2 * HOUR => ("alarm-clock-hours", by / HOUR),
        by => ("alarm-clock-minutes", by / 60),
    };
    let letter = letter.with("n", n);
    let span = letter.say(unit);
    letter
        .with("span", span)
        .paragraph(what)
        .paragraph("alarm-clock-still")
        .code("alarm-clock-do", "guardpost clock accept")
        .paragraph("alarm-clock-after")
        .finish("alarm-clock-subject", "alarm-clock-title")
}

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_says_what_is_wrong_and_what_ends_it() {
        for (wrong, by, want) in [
            (Wrong::Backward, 100 * DAY, "100 days"),
            (Wrong::Forward, 8 * DAY, "8 days"),
            (Wrong::Jump, 3_700, "61 minutes"),
            (Wrong::Jump, 26 * HOUR, "26 hours"),
        ] {
            let facts = ClockAlarm { host: "mail.weber-roth.example", at: AT, wrong, by };
            let mail = clock(&head(), &facts, Language::En);
            let flat = mail.text.split_whitespace().collect::<Vec<_>>().join(" ");
            for want in [want, "mail.weber-roth.example", "guardpost clock accept", "19 February 2027"] {
                assert!(flat.contains(want), "{want} in {}", mail.text);
            }
        }
    }

    const AT: Time = Time(1_803_038_400);

    fn head() -> Letterhead<'static> {
        Letterhead {
            brand: "Weber & Roth",
            accent: "#1f5f8b",
            domain: "weber-roth.example",
            imprint_url: None,
            privacy_url: None,
            contact: None,
        }
    }
}
