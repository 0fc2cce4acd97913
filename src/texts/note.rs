//! The notes to an account about a mailbox that it caused, as pure functions of facts.
//!
//! A PIN stands only in the note to its own sender.

use crate::base::address::Address;
use crate::base::language::Language;
use crate::base::requirement::Unmet;
use crate::base::time::Time;
use crate::texts::letter::Letter;
use crate::texts::letter::Letterhead;
use crate::texts::letter::MailText;
use crate::texts::report::policy;
use crate::texts::tame;

/// The longest answer of another server that a note repeats, characters.
const REASON: usize = 400;
/// The longest PIN, characters.
const PIN: usize = 32;

/// To whom a note is, and whom it is about.
#[derive(Clone, Copy, Debug)]
pub struct Note<'a> {
    /// The organisation that writes.
    pub head: &'a Letterhead<'a>,
    /// Whose mailbox it is about.
    pub recipient: &'a Address,
    /// Of the account.
    pub language: Language,
}

/// What a link that goes out is to its mailbox.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PinNews {
    /// Its first.
    First,
    /// The one that went out before, once more.
    Resent,
    /// Another one: what went out before opens nothing any more.
    Renewed,
}

/// What the note about a PIN says.
#[derive(Clone, Copy)]
pub struct Pin<'a> {
    /// The PIN; nothing when none was assigned.
    pub pin: Option<&'a str>,
    /// The header of the Sent copy that shows it again; nothing when that is off.
    pub header: Option<&'a str>,
    /// The invitation works until then.
    pub until: Time,
    /// Whether the link goes out for the first time.
    pub news: PinNews,
    /// The message brought a PIN of its own, which was not used.
    pub ignored: bool,
}

/// What a new mailbox would lose.
#[derive(Clone, Copy, Debug)]
pub struct Lost<'a> {
    /// When the present one was opened, if it was.
    pub opened: Option<Time>,
    /// How many messages lie in it.
    pub messages: u32,
    /// What a subject says to ask for a new one.
    pub new: &'a str,
    /// What a subject says to ask for another link.
    pub renew: &'a str,
}

/// The TLS policy that kept a mail here.
#[derive(Clone, Copy, Debug)]
pub struct Kept<'a> {
    /// The host that was met, if one was.
    pub host: Option<&'a str>,
    /// What it does not meet.
    pub unmet: &'a Unmet,
    /// The account's normal address, if its secure alias asked for it.
    pub normal: Option<&'a Address>,
    /// What in a subject asks for encryption; may be empty.
    pub secure: &'a str,
}

/// What became of the recovery certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Recovery {
    /// It was switched on.
    On,
    /// Another one took its place.
    Changed,
    /// It was switched off.
    Off,
}

impl Note<'_> {
    fn letter(&self) -> Letter<'_> {
        Letter::new(self.head, self.language).address("recipient", self.recipient)
    }

    /// An invitation goes out: the PIN, and to pass it on by another way.
    pub fn pin(&self, facts: &Pin<'_>) -> MailText {
        let header = facts.header.unwrap_or_default();
        let mut letter = self.letter().date("until", facts.until).with("header", header);
        let (subject, title) = match (facts.pin, facts.news) {
            (None, PinNews::First) => {
                letter.paragraph("note-no-pin-set-text");
                ("note-no-pin-set-subject", "note-no-pin-set-title")
            }
            (None, PinNews::Resent) => {
                letter.paragraph("note-resent-no-pin-text");
                ("note-resent-subject", "note-resent-title")
            }
            (None, PinNews::Renewed) => {
                letter.paragraph("note-renewed-no-pin-text");
                ("note-renewed-subject", "note-renewed-no-pin-title")
            }
            (Some(pin), news) => {
                let (intro, subject, title) = match news {
                    PinNews::First => ("note-pin-text", "note-pin-subject", "note-pin-title"),
                    PinNews::Resent => ("note-resent-text", "note-resent-subject", "note-resent-title"),
                    PinNews::Renewed => ("note-renewed-text", "note-renewed-subject", "note-pin-title"),
                };
                letter
                    .code(intro, &tame(pin, PIN))
                    .paragraph("note-pin-how")
                    .paragraph_if(facts.header.is_some(), "note-pin-again");
                (subject, title)
            }
        };
        letter
            .paragraph_if(facts.ignored, "note-pin-ignored")
            .paragraph("note-pin-until")
            .finish(subject, title)
    }

    /// The PIN of a message was not used, since the mailbox was opened long ago.
    pub fn pin_ignored(&self) -> MailText {
        self.letter().paragraph("note-pin-unused").finish("note-pin-unused-subject", "note-pin-unused-title")
    }

    /// The mailbox was opened at `when`, with a PIN or with the link alone.
    pub fn opened(&self, when: Time, had_pin: bool) -> MailText {
        self.letter()
            .moment("date", when)
            .paragraph(if had_pin { "note-opened-text" } else { "note-opened-text-no-pin" })
            .paragraph("note-opened-doubt")
            .finish("note-opened-subject", "note-opened-title")
    }

    /// `tries` wrong PINs, `left` more are possible; with none left the invitation is dead until the sender writes
    /// `renew` in a subject.
    pub fn wrong_pins(&self, tries: u8, left: u8, renew: &str) -> MailText {
        let mut letter = self.letter().with("tries", tries).with("left", left).with("renew", renew);
        if left == 0 {
            letter.paragraph("note-dead-text").paragraph("note-dead-do");
            return letter.finish("note-dead-subject", "note-dead-title");
        }
        letter.paragraph("note-wrong-text").paragraph("note-wrong-do");
        letter.finish("note-wrong-subject", "note-wrong-title")
    }

    /// Somebody with the link asks for the PIN.
    pub fn no_pin(&self) -> MailText {
        self.letter()
            .paragraph("note-asked-text")
            .paragraph("note-asked-care")
            .finish("note-asked-subject", "note-asked-title")
    }

    /// The message went into a mailbox that `inviter` caused at `invited` and nobody has opened yet.
    pub fn still_unopened(&self, inviter: &Address, invited: Time) -> MailText {
        self.letter()
            .address("inviter", inviter)
            .date("date", invited)
            .paragraph("note-unopened-text")
            .paragraph("note-unopened-pin")
            .finish("note-unopened-subject", "note-unopened-title")
    }

    /// The invitation came back, since the address is bad. `reason` is what the other server said, `renew` what a
    /// subject says to try again.
    pub fn unreachable(&self, reason: &str, renew: &str) -> MailText {
        self.letter()
            .with("renew", renew)
            .reason(reason, "note-unreachable-text")
            .paragraph("note-unreachable-do")
            .finish("note-unreachable-subject", "note-unreachable-title")
    }

    /// An invitation or a notice came back, though the address may be right; `opened` mailboxes need no link.
    pub fn undelivered(&self, reason: &str, opened: bool, renew: &str) -> MailText {
        self.letter()
            .with("renew", renew)
            .reason(reason, "note-undelivered-text")
            .paragraph(if opened { "note-undelivered-opened" } else { "note-undelivered-do" })
            .finish("note-undelivered-subject", "note-undelivered-title")
    }

    /// An invitation or a notice did not go out under its TLS policy.
    pub fn kept(&self, kept: &Kept<'_>, opened: bool, renew: &str) -> MailText {
        let domain = self.recipient.domain().as_str();
        let mut letter = self.letter().with("renew", renew).with("secure", kept.secure);
        if let Some(normal) = kept.normal {
            letter = letter.address("address", normal);
        }
        let host = kept.host.unwrap_or(domain);
        let found = policy(self.letter().with("host", host).with("destination", domain), kept.unmet);
        letter
            .paragraph("note-undelivered-text")
            .entry(self.recipient.to_string(), found)
            .paragraph("report-bounce-secure")
            .paragraph_if(kept.normal.is_some() && !kept.secure.is_empty(), "note-alias-do")
            .paragraph_if(kept.normal.is_none() && !opened, "note-undelivered-do")
            .paragraph_if(opened, "note-undelivered-opened")
            .finish("note-undelivered-subject", "note-undelivered-title")
    }

    /// The recipient is not told by mail any more.
    pub fn not_told(&self) -> MailText {
        self.letter()
            .paragraph("note-not-told-text")
            .paragraph("note-not-told-do")
            .finish("note-not-told-subject", "note-not-told-title")
    }

    /// The link was not sent once more.
    pub fn link_not_repeated(&self) -> MailText {
        self.letter()
            .paragraph("note-not-repeated-text")
            .finish("note-not-repeated-subject", "note-not-repeated-title")
    }

    /// The account asked for a new mailbox, which is not made yet.
    pub fn lost(&self, facts: &Lost<'_>) -> MailText {
        let mut letter =
            self.letter().with("messages", facts.messages).with("new", facts.new).with("renew", facts.renew);
        match facts.opened {
            Some(opened) => {
                letter = letter.date("opened", opened);
                letter.paragraph("note-lost-opened");
            }
            None => {
                letter.paragraph("note-lost-unopened");
            }
        }
        letter
            .paragraph("note-lost-what")
            .paragraph("note-lost-told")
            .paragraph("note-lost-do")
            .finish("note-lost-subject", "note-lost-title")
    }

    /// `by`, another correspondent, has made a new mailbox at `when`.
    pub fn made_anew(&self, by: &Address, when: Time) -> MailText {
        self.letter()
            .address("by", by)
            .date("date", when)
            .paragraph("note-anew-text")
            .paragraph("note-anew-doubt")
            .finish("note-anew-subject", "note-anew-title")
    }

    /// The mailbox was never opened and closed at `closed`; it goes at `goes`.
    pub fn never_opened(&self, closed: Time, goes: Time) -> MailText {
        self.letter()
            .date("closed", closed)
            .date("goes", goes)
            .paragraph("note-never-text")
            .paragraph("note-never-do")
            .finish("note-never-subject", "note-never-title")
    }

    /// The invitation waits, and is tried until `until`.
    pub fn late(&self, until: Time, reason: &str) -> MailText {
        self.letter()
            .moment("until", until)
            .reason(reason, "note-late-text")
            .finish("note-late-subject", "note-late-title")
    }

    /// Who else can open the account, whose own address is the one it is about. `fingerprint` is that of the recovery
    /// certificate, empty when it is off.
    pub fn recovery(&self, news: Recovery, fingerprint: &str) -> MailText {
        let text = match news {
            Recovery::On => "note-recovery-on-text",
            Recovery::Changed => "note-recovery-changed-text",
            Recovery::Off => "note-recovery-off-text",
        };
        self.letter()
            .with("fingerprint", fingerprint)
            .paragraph(text)
            .paragraph_if(news != Recovery::Off, "note-recovery-what")
            .finish("note-recovery-subject", "note-recovery-title")
    }
}

impl<'a> Letter<'a> {
    /// A paragraph, and what the other server said, if it said anything.
    fn reason(self, reason: &str, before: &str) -> Self {
        let reason = tame(reason, REASON);
        let said = !reason.is_empty();
        let mut letter = self.with("reason", reason);
        letter.paragraph(before).paragraph_if(said, "note-reason");
        letter
    }
}
