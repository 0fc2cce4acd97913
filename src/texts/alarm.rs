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

/// What is wrong on the way to another server.
#[derive(Clone, Copy, Debug)]
pub enum Trouble<'a> {
    /// DANE is demanded for mail to this destination, and no resolver validates.
    NotValidated {
        /// There.
        destination: &'a str,
    },
    /// A host shows another certificate than the stored ones.
    StoredMismatch {
        /// Whose host.
        destination: &'a str,
        /// Which.
        host: &'a str,
        /// SHA-256 of what is stored.
        expected: &'a [String],
        /// SHA-256 of what is shown.
        seen: &'a str,
    },
    /// A host offers no encryption, though a certificate is stored.
    StoredPlain {
        /// Whose host.
        destination: &'a str,
        /// Which.
        host: &'a str,
    },
    /// A host shows the stored certificate without holding its key.
    StoredForeignKey {
        /// Whose host.
        destination: &'a str,
        /// Which.
        host: &'a str,
    },
    /// A host shows the later one of two stored certificates.
    Rotated {
        /// Whose host.
        destination: &'a str,
        /// Which.
        host: &'a str,
        /// SHA-256 of the earlier one.
        was: &'a str,
        /// SHA-256 of the later one.
        now: &'a str,
    },
    /// A stored certificate ends.
    Ends {
        /// Whose.
        destination: &'a str,
        /// SHA-256 of it.
        fingerprint: &'a str,
        /// When.
        ends: Time,
    },
}

/// What an alarm about the way to another server says.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// This server's name.
    pub server: &'a str,
    /// What is wrong.
    pub trouble: Trouble<'a>,
}

/// To a postmaster: what is wrong on the way to another server, and what to do.
pub fn trouble(head: &Letterhead<'_>, facts: &Facts<'_>, language: Language) -> MailText {
    let about = |destination: &str, host: &str| {
        Letter::new(head, language)
            .with("server", facts.server)
            .with("destination", destination)
            .with("host", host)
    };
    match facts.trouble {
        Trouble::NotValidated { destination } => about(destination, "")
            .paragraph("alarm-dane-text")
            .paragraph("alarm-dane-what")
            .code("alarm-dane-do", "guardpost check")
            .paragraph("alarm-daily")
            .finish("alarm-dane-subject", "alarm-dane-title"),
        Trouble::StoredMismatch { destination, host, expected, seen } => {
            let mut letter = about(destination, host);
            let (stored, shown) = (letter.say("alarm-stored-expected"), letter.say("alarm-stored-seen"));
            letter
                .paragraph("alarm-stored-text")
                .entry(stored, expected.to_vec())
                .entry(shown, vec![seen.to_owned()])
                .paragraph("alarm-stored-waits")
                .code("alarm-stored-do", &format!("guardpost certificate fetch {destination}"))
                .paragraph("alarm-daily")
                .finish("alarm-stored-subject", "alarm-stored-title")
        }
        Trouble::StoredPlain { destination, host } => about(destination, host)
            .paragraph("alarm-plain-text")
            .paragraph("alarm-stored-waits")
            .paragraph("alarm-plain-do")
            .paragraph("alarm-daily")
            .finish("alarm-plain-subject", "alarm-plain-title"),
        Trouble::StoredForeignKey { destination, host } => about(destination, host)
            .paragraph("alarm-key-text")
            .paragraph("alarm-stored-waits")
            .paragraph("alarm-plain-do")
            .paragraph("alarm-daily")
            .finish("alarm-key-subject", "alarm-key-title"),
        Trouble::Rotated { destination, host, was, now } => {
            let mut letter = about(destination, host);
            let (before, after) = (letter.say("alarm-rotated-was"), letter.say("alarm-rotated-now"));
            letter
                .paragraph("alarm-rotated-text")
                .entry(before, vec![was.to_owned()])
                .entry(after, vec![now.to_owned()])
                .paragraph("alarm-rotated-room")
                .code("alarm-rotated-do", &format!("guardpost certificate remove {destination}"))
                .code("alarm-rotated-then", &format!("guardpost certificate fetch {destination}"))
                .finish("alarm-rotated-subject", "alarm-rotated-title")
        }
        Trouble::Ends { destination, fingerprint, ends } => {
            let mut letter = about(destination, "").date("ends", ends);
            let stored = letter.say("alarm-ends-which");
            letter
                .paragraph("alarm-ends-text")
                .entry(stored, vec![fingerprint.to_owned()])
                .paragraph("alarm-ends-then")
                .code("alarm-ends-do", &format!("guardpost certificate fetch {destination}"))
                .finish("alarm-ends-subject", "alarm-ends-title")
        }
    }
}

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
            let mail = clock(&Letterhead::BARE, &facts, Language::En);
            let flat = mail.text.split_whitespace().collect::<Vec<_>>().join(" ");
            for want in [want, "mail.weber-roth.example", "guardpost clock accept", "19 February 2027"] {
                assert!(flat.contains(want), "{want} in {}", mail.text);
            }
        }
    }

    const AT: Time = Time(1_803_038_400);
}
