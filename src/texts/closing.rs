//! The mails about the end of a temporary mailbox: the warning to its recipient, what those who wrote to one that was
//! never opened are told, and the alarm about a clock that closes none.

use crate::base::address::Address;
use crate::base::language::Language;
use crate::base::time::Time;
use crate::texts::date;
use crate::texts::date_time;
use crate::texts::letter::Block;
use crate::texts::letter::Letter;
use crate::texts::letter::Letterhead;
use crate::texts::letter::MailText;
use crate::texts::letter::no_reply;
use crate::texts::mail::Note;
use crate::texts::text;

/// What a warning says.
#[derive(Clone, Copy, Debug)]
pub struct Warning<'a> {
    /// Whose mailbox.
    pub recipient: &'a Address,
    /// It closes then.
    pub closes: Time,
    /// And is deleted then.
    pub goes: Time,
    /// Days without activity that close it.
    pub days: u16,
    /// How it is kept.
    pub keep: Keep<'a>,
    /// The portal's host, to be typed by hand.
    pub host: &'a str,
}

/// What keeps a mailbox.
#[derive(Clone, Copy, Debug)]
pub enum Keep<'a> {
    /// Signing in, at `https://host/login`.
    SignIn {
        /// There.
        login_url: &'a str,
    },
    /// Opening it, by an invitation that went out once.
    Open {
        /// From whom; nothing when that account is gone.
        inviter: Option<&'a Address>,
        /// When.
        invited: Time,
    },
    /// A new invitation: the PIN of the last was tried too often.
    Ask {
        /// From whom; nothing when that account is gone.
        inviter: Option<&'a Address>,
    },
}

/// The warning before a mailbox closes.
pub fn warning(head: &Letterhead<'_>, facts: &Warning<'_>, language: Language) -> MailText {
    let recipient = facts.recipient.to_string();
    let (closes, goes) = (date(language, facts.closes), date(language, facts.goes));
    let (inviter, invited) = match facts.keep {
        Keep::SignIn { .. } => (String::new(), String::new()),
        Keep::Open { inviter, invited } => {
            (inviter.map(ToString::to_string).unwrap_or_default(), date(language, invited))
        }
        Keep::Ask { inviter } => (inviter.map(ToString::to_string).unwrap_or_default(), String::new()),
    };
    let values = [
        ("recipient", (&recipient).into()),
        ("closes", (&closes).into()),
        ("goes", (&goes).into()),
        ("days", facts.days.into()),
        ("inviter", (&inviter).into()),
        ("invited", (&invited).into()),
        ("host", facts.host.into()),
        ("brand", head.brand.into()),
    ];
    let say = |id: &str| text(language, id, &values);
    let mut blocks = Vec::new();
    match facts.keep {
        Keep::SignIn { login_url } => {
            blocks.push(Block::Paragraph(say("mail-warn-what")));
            blocks.push(Block::Paragraph(say("mail-warn-keep")));
            blocks.push(Block::OnlyText(say("mail-next-click") + "\n" + login_url));
            blocks.push(Block::Button {
                intro: say("mail-next-click"),
                label: say("mail-next-button"),
                link_intro: say("mail-invite-link"),
                url: login_url.to_owned(),
            });
        }
        Keep::Open { inviter, .. } => {
            let (open, lost) = match inviter {
                Some(_) => ("mail-warn-open", "mail-warn-lost"),
                None => ("mail-warn-open-any", "mail-warn-lost-any"),
            };
            blocks.push(Block::Paragraph(say("mail-warn-what-new")));
            blocks.push(Block::Paragraph(say(open)));
            blocks.push(Block::Paragraph(say(lost)));
        }
        Keep::Ask { inviter } => {
            blocks.push(Block::Paragraph(say("mail-warn-what-new")));
            blocks.push(Block::Paragraph(say("mail-warn-dead")));
            let ask = if inviter.is_some() { "mail-warn-ask" } else { "mail-warn-ask-any" };
            blocks.push(Block::Paragraph(say(ask)));
        }
    }
    blocks.push(Block::Paragraph(say("mail-warn-nothing")));
    blocks.push(Block::Paragraph(say("mail-unsure-genuine")));
    blocks.push(no_reply(language));
    Letter { head, language, subject: say("mail-warn-subject"), title: say("mail-warn-title"), blocks }
        .render()
}

/// To everybody who wrote to a mailbox that was never opened and closed at `closed`; it goes at `goes`.
pub fn note_never_opened(
    head: &Letterhead<'_>,
    recipient: &Address,
    closed: Time,
    goes: Time,
    language: Language,
) -> MailText {
    let (closed, goes) = (date(language, closed), date(language, goes));
    let extra = [("closed", (&closed).into()), ("goes", (&goes).into())];
    let note = Note::new(head, recipient, language, &extra);
    let blocks = vec![note.paragraph("note-never-text"), note.paragraph("note-never-do")];
    note.letter("note-never-subject", "note-never-title", blocks)
}

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
pub fn alarm_clock(head: &Letterhead<'_>, facts: &ClockAlarm<'_>, language: Language) -> MailText {
    let at = date_time(language, facts.at);
    let span = match facts.wrong {
        // Rounded down: what is promised is "more than".
        _ if facts.by >= 2 * DAY => {
            text(language, "alarm-clock-days", &[("n", whole(facts.by / DAY).into())])
        }
        _ if facts.by >= 2 * HOUR => {
            text(language, "alarm-clock-hours", &[("n", whole(facts.by / HOUR).into())])
        }
        _ => text(language, "alarm-clock-minutes", &[("n", whole(facts.by / 60).into())]),
    };
    let values = [("host", facts.host.into()), ("at", (&at).into()), ("span", (&span).into())];
    let say = |id: &str| text(language, id, &values);
    let what = match facts.wrong {
        Wrong::Backward => "alarm-clock-backward",
        Wrong::Forward => "alarm-clock-forward",
        Wrong::Jump => "alarm-clock-jump",
    };
    let blocks = vec![
        Block::Paragraph(say(what)),
        Block::Paragraph(say("alarm-clock-still")),
        Block::Code { intro: say("alarm-clock-do"), code: "guardpost clock accept".into() },
        Block::Paragraph(say("alarm-clock-after")),
    ];
    Letter { head, language, subject: say("alarm-clock-subject"), title: say("alarm-clock-title"), blocks }
        .render()
}

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

fn whole(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOSES: Time = Time(1_803_038_400);
    const LOGIN: &str = "https://post.weber-roth.example/login";

    fn head() -> Letterhead<'static> {
        Letterhead {
            brand: "Weber & Roth",
            accent: "#1f5f8b",
            domain: "weber-roth.example",
            imprint_url: None,
            contact: None,
        }
    }

    fn warned(keep: Keep<'_>, language: Language) -> MailText {
        let recipient = Address::parse("jonas@mail.example").unwrap();
        let facts = Warning {
            recipient: &recipient,
            closes: CLOSES,
            goes: Time(CLOSES.0 + 7 * 86_400),
            days: 90,
            keep,
            host: "post.weber-roth.example",
        };
        warning(&head(), &facts, language)
    }

    fn flat(mail: &MailText) -> String {
        mail.text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_warning_names_the_date_and_what_keeps_the_mailbox() {
        let english = warned(Keep::SignIn { login_url: LOGIN }, Language::En);
        assert_eq!(english.subject, "Your mailbox at Weber & Roth closes on 19 February 2027");
        for want in [
            "19 February 2027",
            "26 February 2027",
            "sign in once",
            "90 days",
            "Export",
            LOGIN,
            "jonas@mail.example",
        ] {
            assert!(flat(&english).contains(want), "{want} in {}", english.text);
            assert!(english.html.contains(want), "{want} in {}", english.html);
        }
        assert!(english.html.contains(">SIGN IN</a>"));
        let german = warned(Keep::SignIn { login_url: LOGIN }, Language::De);
        assert_eq!(german.subject, "Ihr Postfach bei Weber & Roth schließt am 19. Februar 2027");
        for want in
            ["19. Februar 2027", "26. Februar 2027", "melden Sie sich einmal an", "90 Tage", "Export", LOGIN]
        {
            assert!(flat(&german).contains(want), "{want} in {}", german.text);
        }
        assert!(german.html.contains(">ANMELDEN</a>"));
    }

    /// The invitation's token is known to nobody by then: the mail says where it is.
    #[test]
    fn a_warning_before_the_first_use_points_to_the_invitation() {
        let anna = Address::parse("anna@weber-roth.example").unwrap();
        let invited = Time(CLOSES.0 - 90 * 86_400);
        for language in Language::ALL {
            let by = |inviter| warned(Keep::Open { inviter, invited }, language);
            let mail = by(Some(&anna));
            assert!(flat(&mail).contains("anna@weber-roth.example"), "{}", mail.text);
            assert!(flat(&mail).contains(&date(language, invited)), "{}", mail.text);
            assert!(
                !mail.html.contains("href") && !mail.text.contains("/login"),
                "no button that leads nowhere"
            );
            let dead = warned(Keep::Ask { inviter: Some(&anna) }, language);
            assert!(flat(&dead).contains("anna@weber-roth.example"), "{}", dead.text);
            let gone = by(None);
            assert!(flat(&gone).contains(&date(language, invited)), "{}", gone.text);
            assert!(!gone.text.contains('@') || !gone.text.contains("anna@"), "{}", gone.text);
        }
    }

    #[test]
    fn an_alarm_says_what_is_wrong_and_what_ends_it() {
        for (wrong, by, want) in [
            (Wrong::Backward, 100 * DAY, "100 days"),
            (Wrong::Forward, 8 * DAY, "8 days"),
            (Wrong::Jump, 3_700, "61 minutes"),
            (Wrong::Jump, 26 * HOUR, "26 hours"),
        ] {
            let facts = ClockAlarm { host: "mail.weber-roth.example", at: CLOSES, wrong, by };
            let mail = alarm_clock(&head(), &facts, Language::En);
            for want in [want, "mail.weber-roth.example", "guardpost clock accept", "19 February 2027"] {
                assert!(flat(&mail).contains(want), "{want} in {}", mail.text);
            }
        }
    }

    /// Every variable of every text is filled in, in every language.
    #[test]
    fn no_placeholder_is_left() {
        let (anna, bob) =
            (Address::parse("anna@weber-roth.example").unwrap(), Address::parse("bob@x.example").unwrap());
        for language in Language::ALL {
            let mut mails = vec![
                warned(Keep::SignIn { login_url: LOGIN }, language),
                warned(Keep::Open { inviter: Some(&anna), invited: CLOSES }, language),
                warned(Keep::Open { inviter: None, invited: CLOSES }, language),
                warned(Keep::Ask { inviter: Some(&anna) }, language),
                warned(Keep::Ask { inviter: None }, language),
                note_never_opened(&head(), &bob, CLOSES, CLOSES, language),
            ];
            for wrong in [Wrong::Backward, Wrong::Forward, Wrong::Jump] {
                let facts = ClockAlarm { host: "mail.x.example", at: CLOSES, wrong, by: 90_000 };
                mails.push(alarm_clock(&head(), &facts, language));
            }
            for mail in mails {
                for form in [&mail.subject, &mail.text, &mail.html] {
                    for left in ["{$", "{ $", "note-", "mail-warn", "alarm-clock", "$"] {
                        assert!(!form.contains(left), "{left} in {form}");
                    }
                }
                for remote in ["src=", "url(", "<link", "@import", "<img", "tel:"] {
                    assert!(!mail.html.contains(remote), "{remote} in {}", mail.html);
                }
            }
        }
    }
}
