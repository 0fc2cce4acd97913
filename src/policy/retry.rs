//! When a message is tried again, when its sender is told that it waits, and when it is given up.

use crate::base::time::Time;
use std::time::Duration;

/// How long mail is tried, unless guard.toml says otherwise.
///
/// RFC 5321 §4.5.4.1: at least 4 to 5 days.
pub const MAIL_LIFE: Duration = Duration::from_secs(5 * DAY);
/// How long a bounce is tried: its news gets old.
pub const BOUNCE_LIFE: Duration = Duration::from_secs(DAY);
/// When a sender is told that a message still waits (RFC 3461 §5.2.7 leaves the time to us).
pub const DELAY_NOTICE: Duration = Duration::from_secs(4 * HOUR);

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// A message, as far as trying again goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pace {
    /// Days: mail, whatever stood in its way.
    Patient,
    /// Minutes: a secure alias whose TLS policy could not be decided. Its sender must know soon.
    Urgent,
}

/// When a sender is told that urgent mail still waits.
pub const URGENT_NOTICE: Duration = Duration::from_secs(5 * 60);

/// What becomes of a message after a failed try.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Next {
    /// Another try.
    At(Time),
    /// Its life is over.
    GiveUp,
}

/// When to try again after `tries` tries, the last of them now.
///
/// Tries fall at 0, 5 and 15 minutes and 1 hour, then the gaps grow to 4 hours. The end of its life brings a last
/// try, so that an outage which ends in time is not missed.
pub fn after(pace: Pace, tries: u32, created: Time, now: Time, life: Duration) -> Next {
    let end = created + life;
    if now >= end {
        return Next::GiveUp;
    }
    Next::At((now + gap(pace, tries)).min(end))
}

/// Between try number `tries` and the next.
pub fn gap(pace: Pace, tries: u32) -> Duration {
    match pace {
        Pace::Patient => patient_gap(tries),
        Pace::Urgent => urgent_gap(tries),
    }
}

/// No gap is longer.
pub const LONGEST: Duration = Duration::from_secs(4 * HOUR);

/// For mail.
fn patient_gap(tries: u32) -> Duration {
    let minutes = match tries {
        0 => 0,
        1 => 5,
        2 => 10,
        3 => 45,
        4 => 60,
        5 => 120,
        _ => return LONGEST,
    };
    Duration::from_secs(minutes * 60)
}

/// For urgent mail: tries at 0, 1, 3, 8, 15 and 29 minutes, then every 14.
fn urgent_gap(tries: u32) -> Duration {
    let minutes = match tries {
        0 => 0,
        1 => 1,
        2 => 2,
        3 => 5,
        4 => 7,
        _ => 14,
    };
    Duration::from_secs(minutes * 60)
}

/// When a sender is told between two tries, the last of them now, that a message still waits.
///
/// Only of urgent mail: its sender is to know by then. With days to go a report can wait for the try that may make it
/// void.
pub fn tells_between(pace: Pace, created: Time, now: Time, next: Time, reported: bool) -> Option<Time> {
    let notice = created + URGENT_NOTICE;
    (pace == Pace::Urgent && !reported && now < notice && notice < next).then_some(notice)
}

/// A delay report is due with a try: once, and only while there is hope.
pub fn reports_delay(pace: Pace, created: Time, now: Time, life: Duration, reported: bool) -> bool {
    let waited = now.since(created);
    let notice = match pace {
        Pace::Patient => DELAY_NOTICE,
        Pace::Urgent => URGENT_NOTICE,
    };
    !reported && waited >= notice && waited < life
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::golden;

    #[test]
    fn decisions() {
        let mut table = String::from("life  try  after\n");
        let urgent = Duration::from_secs(30 * 60);
        for (name, pace, life) in [
            ("mail", Pace::Patient, MAIL_LIFE),
            ("dsn", Pace::Patient, BOUNCE_LIFE),
            ("tls", Pace::Urgent, urgent),
        ] {
            let created = Time(1_000_000);
            let mut now = created;
            let mut reported = false;
            for tries in 1.. {
                let waited = now.since(created).as_secs();
                table += &format!(
                    "{name:<5} {tries:>3}  {:>3} h {:>2} min{}\n",
                    waited / 3_600,
                    waited / 60 % 60,
                    if reports_delay(pace, created, now, life, reported) { ", delay reported" } else { "" }
                );
                reported |= reports_delay(pace, created, now, life, reported);
                match after(pace, tries, created, now, life) {
                    Next::At(next) => {
                        if let Some(between) = tells_between(pace, created, now, next, reported) {
                            let minutes = between.since(created).as_secs() / 60;
                            table += &format!("{name:<5}        0 h {minutes:>2} min, delay reported\n");
                            reported = true;
                        }
                        now = next;
                    }
                    Next::GiveUp => break,
                }
            }
            table += &format!("{name:<5}      given up\n");
        }
        golden::compare("retry.txt", &table);
    }

    #[test]
    fn a_clock_that_jumps_does_not_lose_mail() {
        let created = Time(1_000_000);
        let before = created - Duration::from_secs(100 * DAY);
        let next = after(Pace::Patient, 3, created, before, MAIL_LIFE);
        assert_eq!(next, Next::At(before + Duration::from_secs(45 * 60)));
        assert!(!reports_delay(Pace::Patient, created, before, MAIL_LIFE, false));
    }
}
