//! The mails to the recipients of temporary mailboxes, as pure functions of facts.
//!
//! None tells a subject, a text or a file name of the message it is about, and an access token stands only in the
//! invitation.

use crate::base::address::Address;
use crate::base::language::Language;
use crate::base::language::Languages;
use crate::base::time::Time;
use crate::texts::letter::Letter;
use crate::texts::letter::Letterhead;
use crate::texts::letter::MailText;
use crate::texts::letter::Sender;
use crate::texts::template::Kind;

/// What an invitation says.
pub struct Invitation<'a> {
    /// Who wrote.
    pub sender: Sender<'a>,
    /// To whom.
    pub recipient: &'a Address,
    /// When.
    pub date: Time,
    /// The link works until then.
    pub until: Time,
    /// The sender's personal line; it is not encrypted, and the mail says so.
    pub note: Option<&'a str>,
    /// A PIN is needed.
    pub has_pin: bool,
    /// Another invitation went out before, which opens nothing any more.
    pub renewed: bool,
    /// `https://host/i/<id>#<access token>`.
    pub link: &'a str,
    /// The access token as the link has it.
    pub access_code: &'a str,
    /// The portal's host, which the link leads to.
    pub host: &'a str,
}

/// The mail with the link.
pub fn invitation(
    head: &Letterhead<'_>,
    facts: &Invitation<'_>,
    languages: impl Into<Languages>,
) -> MailText {
    MailText::in_each(head, languages, |language| {
        let mut letter = Letter::of(Kind::Invitation, head, language)
            .sender(&facts.sender)
            .address("recipient", facts.recipient)
            .date("date", facts.date)
            .date("until", facts.until)
            .with("host", facts.host);
        letter.piece("intro").paragraph("mail-invite-who");
        letter.piece("link").paragraph_if(facts.renewed, "mail-invite-renewed");
        letter.piece("note").note(facts.note);
        letter.piece("link").button(
            "mail-invite-link-text",
            "mail-invite-click",
            "mail-invite-button",
            facts.link,
        );
        letter.piece("validity").paragraph("mail-invite-until");
        if facts.has_pin {
            letter.piece("pin_notice").titled("mail-invite-pin-title", &["mail-invite-pin"]);
        }
        let mut unsure = vec!["mail-unsure", "mail-check-host"];
        unsure.extend(letter.owns(facts.host).then_some("mail-check-domain"));
        unsure.push("mail-never");
        letter.piece("check").titled("mail-unsure-title", &unsure);
        letter.piece("no_reply").paragraph("mail-no-reply");
        letter.piece("code").code("mail-invite-code", facts.access_code);
        letter.sheet("mail-invite-subject", "mail-invite-title")
    })
}

/// What the notice of a further message says, before the mailbox was opened, from somebody who is not its inviter.
pub struct Waiting<'a> {
    /// Who wrote.
    pub sender: Sender<'a>,
    /// To whom.
    pub recipient: &'a Address,
    /// When.
    pub date: Time,
    /// Who invited.
    pub first_sender: &'a Address,
    /// When.
    pub first_date: Time,
    /// That invitation works until then.
    pub until: Time,
    /// The sender's personal line.
    pub note: Option<&'a str>,
}

/// The mail that points to the first invitation.
pub fn waiting(head: &Letterhead<'_>, facts: &Waiting<'_>, languages: impl Into<Languages>) -> MailText {
    MailText::in_each(head, languages, |language| {
        let mut letter = Letter::of(Kind::Waiting, head, language)
            .sender(&facts.sender)
            .address("recipient", facts.recipient)
            .date("date", facts.date)
            .address("first_sender", facts.first_sender)
            .date("first_date", facts.first_date)
            .date("until", facts.until);
        letter.piece("intro").paragraph("mail-waiting-who");
        letter.piece("note").note(facts.note);
        letter.piece("open").paragraph("mail-waiting-open").paragraph("mail-waiting-lost");
        letter.piece("no_reply").paragraph("mail-no-reply");
        letter.sheet("mail-next-subject", "mail-waiting-title")
    })
}

/// What the notice of a further message says once the mailbox has a password.
pub struct NewMessage<'a> {
    /// Who wrote.
    pub sender: Sender<'a>,
    /// To whom.
    pub recipient: &'a Address,
    /// When.
    pub date: Time,
    /// The sender's personal line.
    pub note: Option<&'a str>,
    /// `https://host/login`.
    pub login_url: &'a str,
    /// The portal's host, to be typed by hand.
    pub host: &'a str,
}

/// The mail that says that there is a message.
pub fn new_message(
    head: &Letterhead<'_>,
    facts: &NewMessage<'_>,
    languages: impl Into<Languages>,
) -> MailText {
    MailText::in_each(head, languages, |language| {
        let mut letter = Letter::of(Kind::NewMessage, head, language)
            .sender(&facts.sender)
            .address("recipient", facts.recipient)
            .date("date", facts.date)
            .with("host", facts.host);
        letter.piece("intro").paragraph("mail-next-who");
        letter.piece("note").note(facts.note);
        letter.piece("sign_in").sign_in(facts.login_url);
        letter.piece("forgotten").paragraph("mail-next-forgot");
        letter.piece("check").genuine(facts.host);
        letter.piece("no_reply").paragraph("mail-no-reply");
        letter.sheet("mail-next-subject", "mail-next-title")
    })
}

/// What the notice of several messages says.
pub struct Several<'a> {
    /// How many.
    pub count: u32,
    /// From whom.
    pub senders: &'a [Address],
    /// To whom.
    pub recipient: &'a Address,
    /// Since when.
    pub since: Time,
    /// Who invited and when, while nobody has opened the mailbox.
    pub invitation: Option<(&'a Address, Time)>,
    /// That invitation works until then.
    pub until: Time,
    /// `https://host/login`.
    pub login_url: &'a str,
    /// The portal's host, to be typed by hand.
    pub host: &'a str,
}

/// Senders that one mail names.
const NAMED: usize = 5;

/// The mail that says how many messages wait.
pub fn several(head: &Letterhead<'_>, facts: &Several<'_>, languages: impl Into<Languages>) -> MailText {
    MailText::in_each(head, languages, |language| {
        let named: Vec<String> = facts.senders.iter().take(NAMED).map(ToString::to_string).collect();
        let others = facts.senders.len().saturating_sub(named.len());
        let named = named.join(", ");
        let mut letter = Letter::of(Kind::Several, head, language)
            .with("n", facts.count)
            .with("count", facts.count)
            .with("sender", named.as_str())
            .with("others", others)
            .with("named", named.as_str())
            .address("recipient", facts.recipient)
            .date("date", facts.since)
            .date("until", facts.until)
            .with("host", facts.host);
        let who = if others == 0 { named } else { letter.say("mail-several-named") };
        letter = letter.with("who", who);
        if let Some((inviter, invited)) = facts.invitation {
            letter = letter.address("first_sender", inviter).date("first_date", invited);
        }
        letter.piece("intro").paragraph("mail-several-who");
        letter.piece("open");
        if facts.invitation.is_some() {
            letter.paragraph("mail-several-open").paragraph("mail-waiting-lost");
        } else {
            let one = facts.senders.len() == 1;
            let forgot = if one { "mail-next-forgot" } else { "mail-several-forgot" };
            letter.sign_in(facts.login_url).paragraph(forgot);
            letter.piece("check").genuine(facts.host);
        }
        letter.piece("no_reply").paragraph("mail-no-reply");
        letter.sheet("mail-several-subject", "mail-several-title")
    })
}

/// To somebody who answered an invitation or a notice by mail (RFC 3834): `address` is where they wrote,
/// `login_url` where to answer.
pub fn auto_answer(
    head: &Letterhead<'_>,
    address: &Address,
    login_url: &str,
    languages: impl Into<Languages>,
) -> MailText {
    MailText::in_each(head, languages, |language| {
        let mut letter = Letter::of(Kind::AutoAnswer, head, language).address("address", address);
        letter.piece("intro").paragraph("mail-answer-text");
        letter.piece("sign_in").button(
            "mail-answer-portal",
            "mail-answer-portal",
            "mail-next-button",
            login_url,
        );
        letter.piece("first").paragraph("mail-answer-first");
        letter.sheet("mail-answer-subject", "mail-answer-title")
    })
}

/// Into the mailbox that has a newer one now: `by` has asked for it at `when`; it stays until `until` at least.
pub fn made_anew(
    head: &Letterhead<'_>,
    recipient: &Address,
    by: &Address,
    when: Time,
    until: Time,
    language: Language,
) -> MailText {
    Letter::new(head, language)
        .address("recipient", recipient)
        .address("by", by)
        .date("date", when)
        .date("until", until)
        .paragraph("mail-anew-text")
        .paragraph("mail-anew-here")
        .paragraph("mail-anew-doubt")
        .finish("mail-anew-subject", "mail-anew-subject")
}

#[cfg(test)]
#[path = "mail_tests.rs"]
mod tests;
