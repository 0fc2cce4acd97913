//! The warning to the recipient of a temporary mailbox before it closes.

use crate::base::address::Address;
use crate::base::language::Languages;
use crate::base::time::Time;
use crate::texts::letter::Letter;
use crate::texts::letter::Letterhead;
use crate::texts::letter::MailText;
use crate::texts::template::Kind;

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
pub fn warning(head: &Letterhead<'_>, facts: &Warning<'_>, languages: impl Into<Languages>) -> MailText {
    MailText::in_each(head, languages, |language| {
        let mut letter = Letter::of(Kind::Warning, head, language)
            .address("recipient", facts.recipient)
            .date("closes", facts.closes)
            .date("goes", facts.goes)
            .with("days", facts.days)
            .with("host", facts.host);
        if let Keep::Open { inviter: Some(inviter), .. } | Keep::Ask { inviter: Some(inviter) } = facts.keep {
            letter = letter.address("inviter", inviter);
        }
        if let Keep::Open { invited, .. } = facts.keep {
            letter = letter.date("invited", invited);
        }
        let is_open = matches!(facts.keep, Keep::SignIn { .. });
        letter.piece("intro").paragraph(if is_open { "mail-warn-what" } else { "mail-warn-what-new" });
        letter.piece("keep").keep(&facts.keep);
        letter.piece("nothing").paragraph("mail-warn-nothing");
        letter.piece("check").genuine(facts.host);
        letter.piece("no_reply").paragraph("mail-no-reply");
        letter.sheet("mail-warn-subject", "mail-warn-title")
    })
}

impl Letter<'_> {
    fn keep(&mut self, keep: &Keep<'_>) -> &mut Self {
        match keep {
            Keep::SignIn { login_url } => self.paragraph("mail-warn-keep").sign_in(login_url),
            Keep::Open { inviter: Some(_), .. } => {
                self.paragraph("mail-warn-open").paragraph("mail-warn-lost")
            }
            Keep::Open { inviter: None, .. } => {
                self.paragraph("mail-warn-open-any").paragraph("mail-warn-lost-any")
            }
            Keep::Ask { inviter: Some(_) } => self.paragraph("mail-warn-dead").paragraph("mail-warn-ask"),
            Keep::Ask { inviter: None } => self.paragraph("mail-warn-dead").paragraph("mail-warn-ask-any"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::language::Language;
    use crate::texts::date;

    const CLOSES: Time = Time(1_803_038_400);
    const LOGIN: &str = "https://post.weber-roth.example/login";

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
        warning(&Letterhead::BARE, &facts, language)
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
}
